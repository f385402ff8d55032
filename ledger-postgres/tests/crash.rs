//! Servers and connections that end with a statement in flight: nothing acknowledged is lost, nothing is there twice, and
//! who asks is told what is certain.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::{database, deal, end_others, ledger, ready, request, sound_log};
use futures_util::future::ready as ready_now;
use futures_util::stream::{self, StreamExt as _};
use ledger_core::Ledger;
use ledger_core::engine::Tuning;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::store::{Outcome, RequestRow, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::{Executor as _, query_scalar};
use ledger_postgres_testing::Server;

/// Ended by the operator while it waits, an append may have been done for all that its caller knows.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_connection_is_ended_is_unknown() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    store.append(&name, &[request("first", 1)]).await.unwrap();
    let mut holder = database.pool().begin().await.unwrap();
    holder.execute("SELECT FROM payledger.heads FOR UPDATE").await.unwrap();
    let waiting = {
        let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), name.clone());
        tokio::spawn(async move { store.append(&name, &[request("second", 1)]).await })
    };
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while query_scalar::<_, i64>(ended).fetch_one(database.pool()).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lost = waiting.await.unwrap().unwrap_err();
    assert!(matches!(lost, StoreError::Unknown(_)), "{lost:?}");
    drop(holder);
    let again = store.append(&name, &[request("second", 1)]).await.unwrap();
    assert!(matches!(again.as_slice(), [Outcome::Appended(_) | Outcome::AlreadyAppended(_)]));
    assert_eq!(sound_log(&store, &name).await.requests.len(), 2);
}

/// A server that cannot write its log to the disk crashes over it, and says so with the code of a failed read or write: the commit
/// may be in what it recovers from.
#[tokio::test]
async fn an_append_over_which_the_server_crashes_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann@{}/db?sslmode=disable", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut asked = [0; 8192];
        assert!(client.read(&mut asked).unwrap() > 0);
        // The client is welcome, and the server ready.
        client.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x01Z\0\0\0\x05I").unwrap();
        while client.read(&mut asked).unwrap() > 0 && asked[0] == b'Q' {
            client.write_all(b"I\0\0\0\x04Z\0\0\0\x05I").unwrap();
        }
        client.write_all(b"E\0\0\0\x21SPANIC\0VPANIC\0C58030\0Mfsync\0\0").unwrap();
    });
    let store = PgStore::connect_lazy(&url).unwrap();
    let lost = store.append(&ledger("main"), &[request("k", 1)]).await.unwrap_err();
    assert!(matches!(&lost, StoreError::Unknown(text) if text.contains("58030")), "{lost:?}");
    server.join().unwrap();
}

/// Whoever asked a server that took the connection and said nothing waited for ever.
#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann@{}/db?sslmode=disable", listener.local_addr().unwrap());
    let store = PgStore::connect_lazy(&url).unwrap();
    let (connected, checked, version) = tokio::join!(PgStore::connect(&url), store.check(), PgStore::version(&url));
    for silent in [connected.map(drop), checked.map(drop), version.map(drop)] {
        assert!(matches!(&silent, Err(StoreError::Unavailable(text)) if text.contains("said nothing")), "{silent:?}");
    }
}

/// A connection of the pool that had broken failed the read that was sent on it, and with it a request that was being decided.
#[tokio::test]
async fn what_is_read_on_a_connection_that_broke_is_read_on_another() {
    let database = database().await;
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    store.append(&name, &[request("a", 1)]).await.unwrap();
    let heads = async || {
        let (one, two, three) = tokio::join!(store.head(&name), store.head(&name), store.head(&name));
        one.and(two).and(three).unwrap();
    };
    heads().await;
    end_others(database.pool()).await;
    heads().await;
    end_others(database.pool()).await;
    let lost = store.append(&name, &[request("b", 1)]).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unknown(_)), "{lost:?}");
    heads().await;
}

/// Some lines of a file were told to be sent again, after which the rest of it would have been carried out before them.
#[tokio::test(flavor = "multi_thread")]
async fn lines_in_order_are_carried_out_in_order_while_connections_are_ended() {
    const LINES: usize = 240;
    let database = database().await;
    let name = ready(database.pool(), "main").await.name().clone();
    let store = Arc::new(PgStore::connect(&database.url()).await.unwrap());
    // Without a cache every line is read for.
    let tuning = Tuning { cached_streams: 0, ..Tuning::default() };
    let opened = Ledger::tuned(store.clone(), Arc::new(TokioEnv::current()), name.clone(), tuning);
    let (lines, answered) = (opened.in_order(), AtomicUsize::new(0));
    let import = stream::iter(0..LINES).map(|number| lines.execute(deal(number))).buffered(4).for_each(|answer| {
        answer.unwrap();
        answered.fetch_add(1, Relaxed);
        ready_now(())
    });
    let end = async {
        for lines in (5..LINES).step_by(6) {
            while answered.load(Relaxed) < lines {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            end_others(database.pool()).await;
        }
    };
    tokio::join!(import, end);
    let log = sound_log(&*store, &name).await;
    let keys = log.requests.iter().map(|row| row.key.to_string()).filter(|key| key.starts_with("deal-"));
    assert!(keys.eq((0..LINES).map(|number| format!("deal-{number}"))), "out of order, or twice");
}

/// It was to be tried again, for ever: PgBouncer refuses the driver's parameters with the code of a connection that broke.
#[tokio::test]
async fn a_pooler_that_refuses_parameters_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann@{}/db?sslmode=disable", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        assert!(client.read(&mut [0; 8192]).unwrap() > 0);
        let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: extra_float_digits\0\0";
        client.write_all(b"E\0\0\0").unwrap();
        client.write_all(&[u8::try_from(fields.len() + 4).unwrap()]).unwrap();
        client.write_all(fields).unwrap();
    });
    let refused = PgStore::connect(&url).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unusable(text) if text.contains("pooler")), "{refused:?}");
    server.join().unwrap();
}

/// A receipt that was given before the request was on the disk: the crash took it, or left a part of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_server_loses_nothing_that_was_acknowledged() {
    let server = Server::start(&[]);
    let database = server.database().await;
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    let mut acknowledged: BTreeMap<String, RequestRow> = BTreeMap::new();
    let (next, mut lost, mut refused) = (AtomicU64::new(0), 0, 0);
    for round in 1..=3 {
        let crash = async {
            // In the middle of it, however long the disk takes.
            while next.load(Relaxed) < 10 * round {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_micros(370 * round)).await;
            tokio::task::block_in_place(|| server.crash());
        };
        let write = async {
            loop {
                let key = format!("k{}", next.load(Relaxed));
                match store.append(&name, &[request(&key, 3)]).await {
                    Ok(outcomes) => {
                        let [Outcome::Appended(row) | Outcome::AlreadyAppended(row)] = outcomes.as_slice() else {
                            panic!("{outcomes:?}");
                        };
                        acknowledged.insert(key, row.clone());
                        next.fetch_add(1, Relaxed);
                    }
                    // The same key goes first when the server is back.
                    Err(StoreError::Unknown(_)) => break lost += 1,
                    Err(StoreError::Unavailable(_)) => break refused += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
        };
        tokio::join!(write, crash);
        let down = store.head(&name).await.unwrap_err();
        assert!(matches!(down, StoreError::Unavailable(_)), "{down:?}");
        tokio::task::block_in_place(|| server.restart());
        let log = sound_log(&store, &name).await;
        let stored: BTreeMap<_, _> = log.requests.iter().map(|row| (row.key.to_string(), row.clone())).collect();
        assert_eq!(stored.len(), log.requests.len(), "a key is there twice");
        for (key, row) in &acknowledged {
            assert_eq!(stored.get(key), Some(row), "{key} was acknowledged");
        }
        assert!(stored.len() <= acknowledged.len() + 1);
    }
    assert_eq!(lost + refused, 3, "{lost} lost, {refused} refused");
}
