//! One workload on every store that there is: what they answer, keep and derive must be the same, byte for byte.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ledger_core::Request;
use ledger_core::engine::runner::{ReadModel, Runner};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::engine::{Env, ExecuteError, Ledger, Receipt};
use ledger_core::id::LedgerName;
use ledger_core::projection::balances::Balances;
use ledger_core::projection::payouts::Payouts;
use ledger_core::projection::replay::replay;
use ledger_core::projection::{All, Projected};
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{Clock, LogPage, ProjectionRow, Store};
use ledger_core::verify::verify;
use ledger_postgres::PgStore;
use ledger_postgres_testing::Server;
use ledger_sim::choice::Choices;
use ledger_sim::model::Model;
use ledger_sim::swarm::Swarm;
use ledger_sim::workload::Workload;
use ledger_sqlite::SqliteStore;

/// A clock of one's own, which is asked once for each group and sometimes goes back.
fn clock() -> Clock {
    let asked = AtomicI64::new(0);
    Arc::new(move || {
        let asked = asked.fetch_add(1, Ordering::Relaxed);
        1_767_225_600_000_000 + asked * 1_000_003 - (asked % 7) * 2_500_000
    })
}

/// What the clients of a run ask, one after another.
fn requests(seed: u64, count: usize) -> Vec<Request> {
    let mut choices = Choices::from_seed(seed);
    let swarm = Swarm::draw(&mut choices);
    let (mut workload, mut model) = (Workload::new(&swarm, 0), Model::new("main"));
    let asks = (0..count).map(|step| {
        let ask = workload.next(&mut choices, &model, swarm.start + i64::try_from(step).unwrap());
        // What is refused teaches the model nothing, and the stores must agree on it too.
        let _ = model.accept(&ask);
        serde_json::from_str(&ask.to_string()).unwrap()
    });
    asks.collect()
}

/// Everything that a store shows of a ledger.
#[derive(Debug, PartialEq)]
struct Shown {
    answers: Vec<Result<Receipt, ExecuteError>>,
    log: Vec<LogPage>,
    fingerprints: Vec<(&'static str, String)>,
    rows: Vec<Vec<ProjectionRow>>,
}

async fn shown(store: Arc<dyn Store>, requests: &[Request]) -> Shown {
    let name = LedgerName::new("main").unwrap();
    let env: Arc<dyn Env> = Arc::new(TokioEnv::current());
    let ledger = Ledger::new(Arc::clone(&store), Arc::clone(&env), name.clone());
    let mut answers = Vec::new();
    for request in requests {
        answers.push(ledger.execute(request.clone()).await);
    }
    let mut log = Vec::new();
    loop {
        let after = log.last().and_then(|page: &LogPage| page.requests.last()).map_or(0, |row| row.last_sequence());
        match store.read_log(&name, after, 100).await.unwrap() {
            page if page.requests.is_empty() => break,
            page => log.push(page),
        }
    }
    verify(&*store, &name, None, |_| {}).await.unwrap();
    let projected = replay(&*store, &name, Projected::<All>::new(), 100, |_| {}).await.unwrap();
    let fingerprints = projected.state().fingerprints();
    let fingerprints = fingerprints.into_iter().map(|(name, print)| (name, format!("{print:?}"))).collect();
    let mut rows = Vec::new();
    for model in [Arc::new(Payouts) as Arc<dyn ReadModel>, Arc::new(Balances)] {
        let projection = model.name().to_owned();
        Runner::new(Arc::clone(&store), Arc::clone(&env), name.clone(), model, 100).catch_up().await.unwrap();
        rows.push(store.list_rows(&name, &projection, None, 1_000).await.unwrap());
    }
    Shown { answers, log, fingerprints, rows }
}

/// A store that rounds a time, reorders a key, changes a payload, or answers a refusal with another tip.
#[tokio::test(flavor = "multi_thread")]
async fn all_stores_answer_keep_and_derive_the_same() {
    let (folder, mut accepted) = (tempfile::tempdir().unwrap(), 0);
    for seed in 1..=12 {
        let requests = requests(seed, 250);
        let database = Server::shared().database().await;
        let file = folder.path().join(format!("{seed}.db"));
        let memory = shown(Arc::new(MemoryStore::new(clock())), &requests).await;
        let sqlite = shown(Arc::new(SqliteStore::open_with(file, clock()).await.unwrap()), &requests).await;
        let postgres = PgStore::connect_with_clock(&database.url(), clock()).await.unwrap();
        let postgres = shown(Arc::new(postgres), &requests).await;
        same("SQLite", seed, &sqlite, &memory);
        same("PostgreSQL", seed, &postgres, &memory);
        accepted += memory.answers.iter().filter(|answer| answer.is_ok()).count();
    }
    assert!(accepted > 1_000, "only {accepted} requests were accepted");
}

/// Says where two stores part, instead of printing all that they show.
fn same(store: &str, seed: u64, shown: &Shown, expected: &Shown) {
    for (place, (answer, expected)) in shown.answers.iter().zip(&expected.answers).enumerate() {
        assert_eq!(answer, expected, "{store}, seed {seed}: the answer to request {place}");
    }
    for (page, expected) in shown.log.iter().zip(&expected.log) {
        for (request, expected) in page.requests.iter().zip(&expected.requests) {
            assert_eq!(request, expected, "{store}, seed {seed}");
        }
    }
    assert_eq!(shown.fingerprints, expected.fingerprints, "{store}, seed {seed}");
    assert!(shown == expected, "{store}, seed {seed}: rows differ");
}
