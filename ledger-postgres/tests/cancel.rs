//! Callers that go away at any moment: nothing is torn, nothing is there twice, and the connection is as good as before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use common::{database, deal, ledger, ready, request, sound_log};
use ledger_core::chain::Digest;
use ledger_core::id::LedgerName;
use ledger_core::store::{
    Append, CheckpointRow, Outcome, ProjectionWrite, Promotion, RowChange, SnapshotRow, Store, StoreError, StreamAfter,
};
use ledger_core::stream::StreamName;
use ledger_postgres::sqlx::postgres::PgPoolOptions;
use ledger_postgres::sqlx::{PgPool, query_scalar};
use ledger_postgres::{PgStore, stage};
use ledger_postgres_testing::Database;

/// Polls a future so many times and drops it; `None` when it was not done by then.
async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && left == 0 { Poll::Ready(None) } else { polled }
    })
    .await
}

/// Cuts what a closure makes after 0, 1, 2 … polls, until it is done before it is cut.
async fn cut_everywhere<T>(pool: &PgPool, others: &PgPool, ask: impl AsyncFn() -> T) {
    let (mut cut, mut tries) = (false, 0);
    // The answer may be there before it is waited for.
    while !cut {
        let mut polls = 0;
        while drop_after(polls, ask()).await.is_none() {
            sound(pool, others).await;
            polls += 1;
            assert!(polls < 1_000, "it is never done");
        }
        cut = polls > 1;
        tries += 1;
        assert!(cut || tries < 200, "it was done before it could be cut");
    }
}

async fn one_connection(database: &Database) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(10));
    options.test_before_acquire(false).connect(&database.url()).await.unwrap()
}

/// On a pool of the host's, and with connections of its own.
async fn stores(database: &Database) -> [Arc<PgStore>; 2] {
    let own = PgStore::connect(&database.url()).await.unwrap();
    [Arc::new(PgStore::with_pool(one_connection(database).await)), Arc::new(own)]
}

/// All connections can be had, and nobody left a transaction open on one.
async fn sound(pool: &PgPool, others: &PgPool) {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let mut had = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        had.push(pool.acquire().await.unwrap());
    }
    for connection in &mut had {
        let one: i32 = query_scalar("SELECT 1").fetch_one(&mut **connection).await.unwrap();
        assert_eq!(one, 1, "it answers somebody else");
    }
    let open: i64 = query_scalar(OPEN).fetch_one(others).await.unwrap();
    assert_eq!(open, 0, "the connection was given back within a transaction");
}

/// A caller that went away took a connection with it, or left half a group, or one that was stored again when it was sent again.
#[tokio::test]
async fn a_cut_append_is_whole_or_nothing_and_is_never_doubled() {
    let database = database().await;
    for (store, name) in stores(&database).await.into_iter().zip(["hosts", "own"]) {
        cut_appends(&database, name, || Arc::clone(&store)).await;
    }
}

/// The same where the store has yet to connect.
#[tokio::test]
async fn a_cut_first_append_is_whole_or_nothing_and_is_never_doubled() {
    let database = database().await;
    cut_appends(&database, "main", || Arc::new(PgStore::connect_lazy(&database.url()).unwrap())).await;
}

/// Cuts appends after 0, 1, 2 … polls, each on the store that it is given.
async fn cut_appends(database: &Database, name: &str, store: impl Fn() -> Arc<PgStore>) {
    let name = ledger(name);
    let mut keys = 0;
    // More than once: where a future waits is not the same each time.
    for round in 0..5 {
        let group = |polls: usize| -> Vec<Append> {
            (0..3).map(|number| request(&format!("{round}-{polls}-{number}"), 50)).collect()
        };
        let mut polls = 0;
        loop {
            let (store, group) = (store(), group(polls));
            let done = drop_after(polls, store.append(&name, &group)).await;
            sound(store.pool(), database.pool()).await;
            // Whatever became of it, sending it again settles it.
            let again = store.append(&name, &group).await.unwrap();
            assert!(
                again.iter().all(|outcome| matches!(outcome, Outcome::Appended(_) | Outcome::AlreadyAppended(_))),
                "{again:?}"
            );
            keys += group.len();
            polls += 1;
            if done.is_some() {
                break;
            }
        }
    }
    let log = sound_log(&*store(), &name).await;
    assert_eq!((log.requests.len(), log.events.len()), (keys, keys * 50));
}

/// After an append has failed each connection is asked whether it is still there, and who went away meanwhile took it along.
#[tokio::test]
async fn a_cut_read_of_who_is_in_doubt_leaves_the_connections_whole() {
    let database = database().await;
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    const END_APPENDS: &str = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE '%append_v1%' AND pid <> pg_backend_pid()";
    let (mut cut, mut tries, mut stored) = (0, 0, 0);
    // More than once: where a future waits is not the same each time, and the answer may be there before it is waited for.
    while cut < 3 {
        let mut polls = 0;
        loop {
            store.append(&name, &[request(&format!("{stored}"), 1)]).await.unwrap();
            stored += 1;
            sound(store.pool(), database.pool()).await;
            let ended: i64 = query_scalar(END_APPENDS).fetch_one(database.pool()).await.unwrap();
            assert_eq!(ended, 1, "only the connection of the appends");
            let lost = store.append(&name, &[request("lost", 1)]).await;
            assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
            let done = drop_after(polls, store.head(&name)).await;
            sound(store.pool(), database.pool()).await;
            polls += 1;
            if let Some(head) = done {
                assert_eq!(head.unwrap().sequence, stored);
                break;
            }
        }
        cut += usize::from(polls > 2);
        tries += 1;
        assert!(tries < 200, "it was done before it could be cut");
    }
    sound_log(&store, &name).await;
}

/// A caller that went away in the middle of an answer left the rest of it to the next one.
#[tokio::test]
async fn a_cut_read_or_write_of_what_is_derived_leaves_the_connection_whole() {
    let database = database().await;
    for (store, name) in stores(&database).await.iter().zip(["hosts", "own"]) {
        cut_reads_and_writes(store, &ledger(name), database.pool()).await;
    }
}

/// Where pages of the log are read on a task of their own, which is not cut with its caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_read_among_threads_leaves_the_connection_whole() {
    let database = database().await;
    for (store, name) in stores(&database).await.iter().zip(["hosts", "own"]) {
        cut_reads_and_writes(store, &ledger(name), database.pool()).await;
    }
}

async fn cut_reads_and_writes(store: &PgStore, name: &LedgerName, others: &PgPool) {
    let pool = store.pool();
    let group: Vec<Append> = (0..200).map(|number| request(&format!("k{number}"), 5)).collect();
    store.append(name, &group).await.unwrap();
    let streams: Vec<StreamAfter> =
        group.iter().map(|request| StreamAfter { stream: request.guards[0].stream.clone(), after: 0 }).collect();
    let names: Vec<StreamName> = streams.iter().map(|stream| stream.stream.clone()).collect();
    cut_everywhere(pool, others, async || store.read_log(name, 0, 1_000).await).await;
    cut_everywhere(pool, others, async || store.log_pages(name, 0, u64::MAX, 100).next().await).await;
    cut_everywhere(pool, others, async || store.read_streams(name, &streams, None, 1_000).await).await;
    cut_everywhere(pool, others, async || store.request(name, &group[7].key).await).await;
    cut_everywhere(pool, others, async || store.head(name).await).await;
    cut_everywhere(pool, others, async || store.ledgers().await).await;
    let snapshot = |stream: &StreamName| SnapshotRow {
        stream: stream.clone(),
        version: 5,
        digest: Digest::ZERO,
        first_sequence: 1,
        link: Digest::ZERO,
        form: 1,
        state: vec![7; 100_000],
        check: Digest::ZERO,
    };
    let kept = snapshot(&names[0]);
    cut_everywhere(pool, others, async || store.save_snapshot(name, &kept).await).await;
    cut_everywhere(pool, others, async || store.load_snapshots(name, &names).await).await;

    let checkpoint = |of: &str, sequence| CheckpointRow {
        name: of.into(),
        version: 1,
        sequence,
        link: Digest::ZERO,
        state: Vec::new(),
    };
    let rows: Vec<_> =
        (0..100).map(|key| RowChange { key: format!("{key}").into(), sequence: 1, value: Some("{}".into()) }).collect();
    // Whether it was done is what the checkpoint tells.
    for round in 1_u64..6 {
        let mut polls = 0;
        loop {
            let expected = store.load_checkpoint(name, "rows").await.unwrap();
            let before = expected.as_ref().map_or(0, |row| row.sequence);
            let write = ProjectionWrite {
                expected,
                checkpoint: checkpoint("rows", before + 1),
                clear: round % 2 == 0,
                rows: rows.clone(),
            };
            let done = drop_after(polls, store.save_projection(name, &write)).await;
            sound(pool, others).await;
            let after = store.load_checkpoint(name, "rows").await.unwrap().map_or(0, |row| row.sequence);
            assert!(after == before || after == before + 1);
            let kept = store.list_rows(name, "rows", None, 1_000).await.unwrap().len();
            assert_eq!(kept, if after == 0 { 0 } else { 100 });
            polls += 1;
            if let Some(done) = done {
                assert!(done.unwrap());
                assert_eq!(after, before + 1);
                break;
            }
        }
    }
    cut_everywhere(pool, others, async || store.list_rows(name, "rows", None, 1_000).await).await;
    cut_everywhere(pool, others, async || store.load_checkpoint(name, "rows").await).await;
    let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    cut_everywhere(pool, others, async || store.read_rows(name, "rows", &keys).await).await;
    let from = store.load_checkpoint(name, "rows").await.unwrap().unwrap();
    let promotion = Promotion { from, to: "live".into(), over: None };
    let mut polls = 0;
    while drop_after(polls, store.promote(name, &promotion)).await.is_none() {
        sound(pool, others).await;
        polls += 1;
    }
    let live = store.load_checkpoint(name, "live").await.unwrap();
    assert!(live.is_some() && store.load_checkpoint(name, "rows").await.unwrap().is_none());
    assert_eq!(store.list_rows(name, "live", None, 1_000).await.unwrap().len(), 100);
    sound_log(store, name).await;
}

/// A caller that went away during the commit left the transaction open for whoever came next.
#[tokio::test]
async fn a_cut_transaction_of_the_host_is_committed_or_not() {
    let database = database().await;
    let pool = one_connection(&database).await;
    let (opened, name) = (ready(&pool, "main").await, ledger("main"));
    let mut number = 0;
    for round in 0..3 {
        let mut polls = 0;
        loop {
            number += 1;
            let asked = deal(number);
            // Cut while it begins, the driver itself leaves a transaction open; this library never begins one.
            let mut transaction = pool.begin().await.unwrap();
            let done = drop_after(polls, async {
                stage(&mut transaction, &name, &asked).await.unwrap().commit(transaction).await
            });
            let done = done.await;
            sound(&pool, database.pool()).await;
            let known: i64 = query_scalar("SELECT count(*) FROM payledger.requests WHERE ledger = 'main' AND key = $1")
                .bind(asked.key.as_str())
                .fetch_one(&pool)
                .await
                .unwrap();
            assert!(done.is_none() || known == 1, "a receipt for nothing in round {round}");
            opened.execute(asked).await.unwrap();
            polls += 1;
            if done.is_some() {
                break;
            }
        }
    }
    let log = sound_log(&**opened.store(), &name).await;
    assert_eq!(log.requests.len(), number + 4);
}
