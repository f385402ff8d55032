//! Servers and connections that end with a statement in flight: nothing acknowledged is lost, nothing is there twice, and
//! who asks is told what is certain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{database, ledger, request, sound_log};
use ledger_core::store::{Outcome, RequestRow, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::{Executor, query_scalar};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_server_loses_nothing_that_was_acknowledged() {
    let server = Server::start(&[]);
    let database = server.database().await;
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    let mut acknowledged: BTreeMap<String, RequestRow> = BTreeMap::new();
    let (mut next, mut lost, mut refused) = (0, 0, 0);
    for round in 0..3 {
        let crash = async {
            tokio::time::sleep(Duration::from_millis(100 + 37 * round)).await;
            tokio::task::block_in_place(|| server.crash());
        };
        let write = async {
            loop {
                let key = format!("k{next}");
                match store.append(&name, &[request(&key, 3)]).await {
                    Ok(outcomes) => {
                        let [Outcome::Appended(row) | Outcome::AlreadyAppended(row)] = outcomes.as_slice() else {
                            panic!("{outcomes:?}");
                        };
                        acknowledged.insert(key, row.clone());
                        next += 1;
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
        // Connections that were idle when the server went are found out one by one.
        for _ in 0..20 {
            match store.head(&name).await {
                Ok(_) => break,
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let log = sound_log(&store, &name).await;
        let stored: BTreeMap<_, _> = log.requests.iter().map(|row| (row.key.to_string(), row.clone())).collect();
        assert_eq!(stored.len(), log.requests.len(), "a key is there twice");
        for (key, row) in &acknowledged {
            assert_eq!(stored.get(key), Some(row), "{key} was acknowledged");
        }
        assert!(stored.len() <= acknowledged.len() + 1);
    }
    assert!(lost + refused == 3 && next > 20, "{lost} lost, {refused} refused, {next} stored");
}
