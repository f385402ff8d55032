//! What a command costs in round trips: each is one statement that the server's log shows.
//!
//! | what | statements |
//! |---|---|
//! | a deal of a payee who is known | 1: the request is appended |
//! | the same on a pool of the host's | 2: before the append, no transaction is found open |
//! | a payout of a payee who is known | 2, likewise |
//! | a request that was stored before | 1: its receipt is read |
//! | a rejection | 2: that the key is new and the streams have not moved is read |
//! | a deal in a transaction of the host's | 6: each step of what leads to what is read, and the request appended |
//! | the commit of that | 2: that it is there is read |
//!
//! Where nothing is known yet, what is read in one step says what is needed in the next, and one read is waited for in each:
//!
//! | what | steps | reads |
//! |---|---|---|
//! | a deal of two payees | 5 | 4: the deal itself is taken for new |
//! | a payout | 3 | 2: so is the payout |
//! | an approval | 2 | 2 |
//! | a reversal | 3 | 3 |
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use common::{asked, deal, payout, ready};
use ledger_core::chain::Digest;
use ledger_core::decide::{Undecided, decide};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::projection::replay::each_event;
use ledger_core::recorded::Recorded;
use ledger_core::slice::{Folded, Slice};
use ledger_core::store::Store;
use ledger_core::stream::Tip;
use ledger_core::{Ledger, Request};
use ledger_postgres::{PgStore, stage};
use ledger_postgres_testing::Server;

struct Log(PathBuf);

impl Log {
    /// How many statements the server has carried out.
    fn statements(&self) -> usize {
        let text = fs::read_to_string(&self.0).unwrap();
        text.lines().filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement")).count()
    }
}

/// How many statements the server carries out until something is done.
async fn cost<T>(log: &Log, done: impl Future<Output = T>) -> (usize, T) {
    let before = log.statements();
    let value = done.await;
    (log.statements() - before, value)
}

/// Statements that nobody had counted made a request slower with each release.
#[tokio::test]
async fn each_command_has_as_many_round_trips_as_it_is_said_to() {
    let server = Server::start(&["fsync = off", "log_statement = all"]);
    let database = server.database().await;
    let log = Log(server.folder().join("log"));
    let opened = ready(database.pool(), "main").await;
    opened.execute(deal(0)).await.unwrap();

    // Only the deal itself is new, and what is new is not read.
    let (new, receipt) = cost(&log, opened.execute(deal(1))).await;
    let (retried, again) = cost(&log, opened.execute(deal(1))).await;
    assert!(again.unwrap() == receipt.unwrap());
    let (paid, receipt) = cost(&log, opened.execute(payout("pay"))).await;
    receipt.unwrap();
    let (rejected, answer) = cost(&log, opened.execute(payout("again"))).await;
    answer.unwrap_err();

    let mut transaction = database.pool().begin().await.unwrap();
    let asked = deal(2);
    let (staged, value) = cost(&log, stage(&mut transaction, opened.name(), &asked)).await;
    let (committed, receipt) = cost(&log, value.unwrap().commit(transaction)).await;
    receipt.unwrap();
    let own = Arc::new(PgStore::connect(&database.url()).await.unwrap());
    let own = Ledger::new(own, Arc::new(TokioEnv::current()), opened.name().clone());
    own.execute(deal(3)).await.unwrap();
    let (alone, receipt) = cost(&log, own.execute(deal(4))).await;
    receipt.unwrap();
    let found = [alone, new, retried, paid, rejected, staged, committed];
    assert_eq!(found, [1, 2, 1, 2, 2, 6, 2], "alone, new, retried, paid, rejected, staged, committed");
}

/// How many steps lead to a decision: what is read in one says what is needed in the next.
async fn depth(opened: &Ledger, request: &Request) -> usize {
    let mut log: Vec<Recorded> = Vec::new();
    let told = |recorded: &Recorded| log.push(recorded.clone());
    each_event(&**opened.store(), opened.name(), 1_000, |_| {}, told).await.unwrap();
    let (mut slice, mut steps) = (Slice::new(opened.name().clone()), 0);
    while let Err(Undecided::Needs(streams)) = decide(&slice, request) {
        steps += 1;
        for stream in streams {
            let mut folded = Folded::empty(&stream);
            for recorded in log.iter().filter(|recorded| recorded.stream == stream.name()) {
                folded.evolve(&recorded.event, Tip { version: recorded.version, digest: Digest::ZERO }).unwrap();
            }
            slice.insert(stream, folded);
        }
    }
    decide(&slice, request).unwrap();
    steps
}

const LEE: [&str; 2] = [
    r#"{"payee.enrol":{"payee":"lee","name":"Lee"}}"#,
    r#"{"payee.assign":{"payee":"lee","plan":"p","version":1,"from":"2026-01-01"}}"#,
];
const DEAL: &str = r#"{"deal.record":{"deal":"shared","gci":{"amount":"1000 USD"},"attribution":{"equal":["kim","lee"]},"completed_on":"2026-01-10"}}"#;

/// A command read one payee after another, or again what it had read: where nothing is known yet, each read is waited for.
#[tokio::test]
async fn what_is_not_known_is_read_in_as_many_steps_as_it_has() {
    let server = Server::start(&["fsync = off", "log_statement = all"]);
    let database = server.database().await;
    let log = Log(server.folder().join("log"));
    let warm = ready(database.pool(), "main").await;
    let store: Arc<dyn Store> = Arc::new(PgStore::connect(&database.url()).await.unwrap());
    for (number, command) in LEE.into_iter().enumerate() {
        warm.execute(asked(&format!("lee-{number}"), command)).await.unwrap();
    }
    let (mut found, mut payout_id) = (Vec::new(), String::new());
    for what in ["deal", "payout", "approval", "reversal"] {
        let request = match what {
            "deal" => asked("deal", DEAL),
            "payout" => payout("pay"),
            "approval" => {
                let to = |step: &str| asked(step, &format!(r#"{{"payout.{step}":{{"payout":"{payout_id}"}}}}"#));
                warm.execute(to("submit")).await.unwrap();
                Request { actor: "cleo".parse().unwrap(), ..to("approve") }
            }
            _ => {
                warm.execute(asked("deal-2", &DEAL.replace("shared", "shared-2"))).await.unwrap();
                asked("reverse", r#"{"deal.reverse":{"deal":"shared-2","reason":"fell through"}}"#)
            }
        };
        let steps = depth(&warm, &request).await;
        // Opened anew, it knows nothing.
        let cold = Ledger::new(Arc::clone(&store), Arc::new(TokioEnv::current()), warm.name().clone());
        let (statements, receipt) = cost(&log, cold.execute(request)).await;
        if let Some(payout) = receipt.unwrap().payout() {
            payout_id = payout.to_string();
        }
        // The last one is the append.
        let reads = statements - 1;
        assert!(reads <= steps, "{what}: {reads} reads in {steps} steps");
        found.push((what, steps, reads));
    }
    assert_eq!(found, [("deal", 5, 4), ("payout", 3, 2), ("approval", 2, 2), ("reversal", 3, 3)], "of steps, reads");
}
