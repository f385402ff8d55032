//! What an append costs, beside the bare inserts of the same rows through the same driver.
//!
//! Run on a quiet machine: `cargo test --release -p ledger-sqlite --test speed -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

mod common;

use std::time::{Duration, Instant};

use common::{ledger, request};
use ledger_core::store::{Append, Store};
use ledger_sqlite::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, query, raw_sql};

const ROUNDS: usize = 3;

const READ: &str = "SELECT sequence, stream, version, type, schema_version, position, effective, payload, digest FROM events \
     WHERE ledger = ?1 AND sequence > ?2 AND sequence <= ?3 ORDER BY sequence";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; see the head of the file"]
async fn appends() {
    let directory = tempfile::tempdir().unwrap();
    println!("requests x events a group | store rows/s | bare rows/s | share");
    for (requests, events, groups) in
        [(1, 1, 1000), (1, 10, 500), (64, 1, 300), (500, 1, 60), (100, 10, 40), (1, 1000, 40)]
    {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let path = |kind| directory.path().join(format!("{kind}-{requests}-{events}-{round}.db"));
            let groups: Vec<Vec<Append>> = (0..groups)
                .map(|group| (0..requests).map(|number| request(&format!("{group}-{number}"), events)).collect())
                .collect();
            let rows: usize = groups.iter().flatten().map(|request| request.events.len()).sum();
            let rate = |taken: Duration| rows as f64 / taken.as_secs_f64();
            let store = SqliteStore::open(path("store")).await.unwrap();
            let ledger = ledger("main");
            let start = Instant::now();
            for group in &groups {
                store.append(&ledger, group).await.unwrap();
            }
            ours.push(rate(start.elapsed()));
            store.close().await;
            let mut connection = bare_file(&path("bare")).await;
            let start = Instant::now();
            let mut sequence = 0;
            for group in &groups {
                insert(&mut connection, group, &mut sequence).await;
            }
            bare.push(rate(start.elapsed()));
        }
        let (ours, bare) = (median(ours), median(bare));
        println!("{requests:5} x {events:5} | {ours:10.0} | {bare:10.0} | {:.2}", ours / bare);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; see the head of the file"]
async fn reads() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("reads.db")).await.unwrap();
    let ledger = ledger("main");
    for group in 0..100 {
        let group: Vec<_> = (0..500).map(|number| request(&format!("{group}-{number}"), 2)).collect();
        store.append(&ledger, &group).await.unwrap();
    }
    let mut bare = SqliteConnectOptions::new().filename(store.path()).connect().await.unwrap();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (mut after, mut rows) = (0, 0);
        while let page = store.read_log(&ledger, after, 1_000).await.unwrap()
            && let Some(last) = page.requests.last()
        {
            after = last.last_sequence();
            rows += page.events.len();
        }
        println!("read_log: {:.0} events/s", rows as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        let mut after = 0_i64;
        while let rows = query(READ).bind("main").bind(after).bind(after + 1_000).fetch_all(&mut bare).await.unwrap()
            && !rows.is_empty()
        {
            after += 1_000;
        }
        println!("bare pages of undecoded rows: {:.0} events/s", rows as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        for number in 0..500 {
            let stream = request(&format!("50-{number}"), 1).guards.remove(0).stream;
            let stream = ledger_core::store::StreamAfter { stream, after: 0 };
            assert_eq!(store.read_streams(&ledger, &[stream], None, 100).await.unwrap().events.len(), 2);
        }
        println!("read_streams of one stream of two events: {:?}", start.elapsed() / 500);
    }
}

/// A file with the same tables but none of the triggers.
async fn bare_file(path: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await.unwrap();
    raw_sql(include_str!("../migrations/0001_ledger.up.sql")).execute(&mut connection).await.unwrap();
    let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for name in triggers {
        raw_sql(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut connection).await.unwrap();
    }
    connection
}

/// Inserts the rows of a group, and nothing else, in large chunks.
async fn insert(connection: &mut SqliteConnection, group: &[Append], sequence: &mut i64) {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for chunk in group.chunks(500) {
        let rows = vec!["(?,?,?,?,?,?,?,?)"; chunk.len()].join(",");
        let mut insert = query(AssertSqlSafe(format!("INSERT INTO requests VALUES {rows}")));
        let mut first = *sequence + 1;
        for request in chunk {
            insert = insert
                .bind("main")
                .bind(first)
                .bind(i64::try_from(request.events.len()).unwrap())
                .bind(request.key.as_str())
                .bind(&request.request_hash.0[..])
                .bind(request.actor.as_str())
                .bind(0)
                .bind(&request.request_hash.0[..]);
            first += i64::try_from(request.events.len()).unwrap();
        }
        insert.execute(&mut *transaction).await.unwrap();
    }
    let events: Vec<_> = group.iter().flat_map(|request| &request.events).collect();
    for chunk in events.chunks(500) {
        let rows = vec!["(?,?,?,?,?,?,?,?,?,?)"; chunk.len()].join(",");
        let mut insert = query(AssertSqlSafe(format!("INSERT INTO events VALUES {rows}")));
        for event in chunk {
            *sequence += 1;
            insert = insert
                .bind("main")
                .bind(*sequence)
                .bind(event.stream.as_str())
                .bind(i64::try_from(event.version).unwrap())
                .bind(event.type_name.as_str())
                .bind(event.schema_version)
                .bind(0)
                .bind("2026-02-28")
                .bind(&event.payload[..])
                .bind(&event.digest.0[..]);
        }
        insert.execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
