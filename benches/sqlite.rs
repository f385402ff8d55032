//! What an append costs on SQLite, beside the best bare insert of the same rows through the same driver: the same tables and
//! indexes, transactions of the same size, the same durability; no keys looked up, no guards, no links.
//!
//! `cargo bench -p benches --bench sqlite`. The two take turns; figures are medians of seven rounds.

#![allow(missing_docs, clippy::unwrap_used, clippy::float_arithmetic, clippy::cast_precision_loss)]
#![allow(clippy::cast_possible_wrap, reason = "a benchmark that fails should stop")]

use std::time::Instant;

use benches::groups::{Groups, median};
use ledger_core::store::{LogPage, Outcome, Store};
use ledger_sqlite::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

const ROUNDS: usize = 7;
const SCHEMA: &str = "
    CREATE TABLE requests (ledger TEXT NOT NULL, first_sequence INTEGER NOT NULL, size INTEGER NOT NULL, key TEXT NOT NULL,
        request_hash BLOB NOT NULL, actor TEXT NOT NULL, recorded_at_us INTEGER NOT NULL, link BLOB NOT NULL,
        PRIMARY KEY (ledger, first_sequence), UNIQUE (ledger, key)) STRICT, WITHOUT ROWID;
    CREATE TABLE events (ledger TEXT NOT NULL, sequence INTEGER NOT NULL, stream TEXT NOT NULL, version INTEGER NOT NULL,
        type TEXT NOT NULL, schema_version INTEGER NOT NULL, position INTEGER NOT NULL, effective TEXT NOT NULL,
        payload BLOB NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (ledger, sequence), UNIQUE (ledger, stream, version)) STRICT, WITHOUT ROWID;";

#[tokio::main]
async fn main() {
    println!(
        "{:>8} {:>14} {:>14} {:>7}  rows/s of events and requests, medians of {ROUNDS}",
        "requests", "store", "bare", "ratio"
    );
    for (size, groups) in [(1, 300), (8, 100), (64, 40), (500, 10)] {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("bare.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut bare = SqliteConnection::connect_with(&options).await.unwrap();
        bare.execute(SCHEMA).await.unwrap();
        let mut history = Groups::default();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let work: Vec<_> = (0..groups).map(|_| history.next(size)).collect();
            let rows: usize = work.iter().map(|(_, page)| page.events.len() + page.requests.len()).sum();
            let begin = Instant::now();
            for (group, _) in &work {
                let outcomes = store.append(&"main".parse().unwrap(), group).await.unwrap();
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
            }
            let store_took = begin.elapsed().as_secs_f64();
            let begin = Instant::now();
            for (_, page) in &work {
                insert(&mut bare, page).await;
            }
            // The first round warms both up.
            if round > 0 {
                ours.push(rows as f64 / store_took);
                theirs.push(rows as f64 / begin.elapsed().as_secs_f64());
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{size:>8} {ours:>14.0} {theirs:>14.0} {:>6.0}%", 100.0 * ours / theirs);
    }
}

/// Inserts as many rows with each statement as the driver takes well.
async fn insert(connection: &mut SqliteConnection, page: &LogPage) {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for rows in page.requests.chunks(512) {
        let sql = format!("INSERT INTO requests VALUES {}", vec!["(?,?,?,?,?,?,?,?)"; rows.len()].join(","));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in rows {
            query = query.bind("main").bind(row.first_sequence as i64).bind(row.size).bind(row.key.as_str());
            query = query.bind(&row.request_hash.0[..]).bind(row.actor.as_str()).bind(row.recorded_at_us);
            query = query.bind(&row.link.0[..]);
        }
        query.execute(&mut *transaction).await.unwrap();
    }
    for rows in page.events.chunks(512) {
        let sql = format!("INSERT INTO events VALUES {}", vec!["(?,?,?,?,?,?,?,?,?,?)"; rows.len()].join(","));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in rows {
            query = query.bind("main").bind(row.sequence as i64).bind(row.stream.as_str()).bind(row.version as i64);
            query = query.bind(row.type_name.as_str()).bind(row.schema_version).bind(row.index);
            query = query.bind(row.effective.to_string()).bind(&row.payload[..]).bind(&row.digest.0[..]);
        }
        query.execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}
