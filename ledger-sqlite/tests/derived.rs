//! What is derived from the log, in a real file: damaged it is not believed, and a killed runner leaves rows and checkpoint together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::ledger;
use ledger_core::Ledger;
use ledger_core::engine::Tuning;
use ledger_core::engine::runner::Runner;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::projection::payouts::Payouts;
use ledger_core::store::{LogPage, ProjectionRow, Store};
use ledger_sqlite::SqliteStore;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// With a clock that stands still, so that equal decisions are equal bytes.
async fn open(path: &Path) -> (Arc<SqliteStore>, Ledger) {
    let store = Arc::new(SqliteStore::open_with(path, Arc::new(|| 1_780_000_000_000_000)).await.unwrap());
    let tuning = Tuning { snapshot_every: 3, ..Tuning::default() };
    let ledger = Ledger::tuned(store.clone(), Arc::new(TokioEnv::current()), ledger("main"), tuning);
    (store, ledger)
}

async fn ask(ledger: &Ledger, key: &str, actor: &str, command: Value) {
    let request = json!({"key": key, "actor": actor, "at": "2026-05-02T15:00:00Z", "command": command});
    ledger.execute(serde_json::from_value(request).unwrap()).await.unwrap();
}

/// Deals of one payee, some of them paid out.
async fn write(ledger: &Ledger, deals: u32) {
    let plan = json!({"currency": "USD", "split": {"flat": {"payee": "0.7", "company": "0.3"}}});
    let assign = json!({"payee": "zoe", "plan": "flat", "version": 1, "from": "2024-03-15"});
    ask(ledger, "open", "ann", json!({"settings.open": {"base_currency": "USD", "zone": "UTC"}})).await;
    ask(ledger, "plan", "ann", json!({"plan.publish": {"plan": "flat", "document": plan}})).await;
    ask(ledger, "zoe", "ann", json!({"payee.enrol": {"payee": "zoe", "name": "Zoe"}})).await;
    ask(ledger, "assign", "ann", json!({"payee.assign": assign})).await;
    for number in 0..deals {
        let deal = json!({
            "deal": format!("d-{number}"), "gci": {"amount": "100.01 USD"},
            "attribution": {"equal": ["zoe"]}, "completed_on": "2026-02-03",
        });
        ask(ledger, &format!("d-{number}"), "ann", json!({"deal.record": deal})).await;
        ask(ledger, &format!("p-{number}"), "maya", json!({"payout.create": {"payee": "zoe"}})).await;
    }
}

async fn log(store: &SqliteStore) -> LogPage {
    store.read_log(&ledger("main"), 0, usize::MAX).await.unwrap()
}

/// A snapshot that is believed because it can be read would pay on what somebody wrote into it.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_damaged_in_the_file_changes_no_decision() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (store, first) = open(&path("whole.db")).await;
    write(&first, 10).await;
    // Snapshots are saved behind the answers.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (number, damage) in [
        "state = state", // none, for what the others are compared with
        "state = CAST(replace(CAST(state AS TEXT), '7', '8') AS BLOB)",
        "state = substr(state, 1, length(state) / 2)",
        "state = x''",
        "version = version + 1",
        "form = form + 1",
        "digest = zeroblob(32)",
        "link = zeroblob(32)",
        "checksum = zeroblob(32)",
        "first_sequence = first_sequence - 1",
        "stream = stream || 'x'",
    ]
    .into_iter()
    .enumerate()
    {
        let copy = path(&format!("{number}.db"));
        store.backup(&copy).await.unwrap();
        let mut raw = SqliteConnectOptions::new().filename(&copy).connect().await.unwrap();
        let changed = sqlx::query(AssertSqlSafe(format!("UPDATE snapshots SET {damage}"))).execute(&mut raw).await;
        assert!(changed.unwrap().rows_affected() > 0, "there is no snapshot to damage");
        raw.close().await.unwrap();
        let (damaged, second) = open(&copy).await;
        let deal = json!({
            "deal": "last", "gci": {"amount": "9.99 USD"}, "attribution": {"equal": ["zoe"]}, "completed_on": "2026-02-03",
        });
        ask(&second, "last", "ann", json!({"deal.record": deal})).await;
        ask(&second, "payout", "maya", json!({"payout.create": {"payee": "zoe"}})).await;
        let (expected, found) = match number {
            0 => (log(&damaged).await, log(&damaged).await),
            _ => (log(&open(&path("0.db")).await.0).await, log(&damaged).await),
        };
        assert_eq!(found, expected, "{damage}");
    }
}

/// Not a test by itself: the body of the process that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn runner() {
    let Ok(path) = std::env::var("LEDGER_FILE") else { return };
    let store = Arc::new(SqliteStore::open(path).await.unwrap());
    keep(&store).await;
}

/// Brings the read model to the head, a page of a few events at a time.
async fn keep(store: &Arc<SqliteStore>) -> Vec<ProjectionRow> {
    let env = Arc::new(TokioEnv::current());
    let runner = Runner::new(store.clone(), env, ledger("main"), Arc::new(Payouts), 2);
    runner.catch_up().await.unwrap();
    store.list_rows(&ledger("main"), "payouts", None, usize::MAX).await.unwrap()
}

/// Rows that are ahead of their checkpoint are folded twice, rows behind it never.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_runner_leaves_rows_and_checkpoint_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (store, first) = open(&path("log.db")).await;
    write(&first, 60).await;
    let (whole, cut) = (path("whole.db"), path("cut.db"));
    store.backup(&whole).await.unwrap();
    store.backup(&cut).await.unwrap();
    let expected = keep(&Arc::new(SqliteStore::open(&whole).await.unwrap())).await;
    assert_eq!(expected.len(), 60);
    let mut places = std::collections::BTreeSet::new();
    for life in 0..12_u64 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.args(["--exact", "runner"]).env("LEDGER_FILE", &cut).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(8 + 3 * life));
        process.kill().unwrap();
        process.wait().unwrap();
        let store = SqliteStore::open(&cut).await.unwrap();
        let place = store.load_checkpoint(&ledger("main"), "payouts").await.unwrap().map_or(0, |row| row.sequence);
        let rows = store.list_rows(&ledger("main"), "payouts", None, usize::MAX).await.unwrap();
        let by_then = expected.iter().filter(|row| row.sequence <= place);
        assert!(rows.iter().eq(by_then), "the rows are not those of event {place}");
        places.insert(place);
        store.close().await;
    }
    println!("killed at events {places:?}");
    assert_eq!(keep(&Arc::new(SqliteStore::open(&cut).await.unwrap())).await, expected);
}
