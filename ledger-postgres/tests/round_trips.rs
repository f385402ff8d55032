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
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use common::{deal, payout, ready};
use ledger_core::Ledger;
use ledger_core::engine::tokio::TokioEnv;
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

macro_rules! cost {
    ($log:expr, $what:expr) => {{
        let before = $log.statements();
        let value = $what;
        ($log.statements() - before, value)
    }};
}

#[tokio::test]
async fn each_command_has_as_many_round_trips_as_it_is_said_to() {
    let server = Server::start(&["fsync = off", "log_statement = all"]);
    let database = server.database().await;
    let log = Log(server.folder().join("log"));
    let opened = ready(database.pool(), "main").await;
    opened.execute(deal(0)).await.unwrap();

    // Only the deal itself is new, and what is new is not read.
    let (new, receipt) = cost!(log, opened.execute(deal(1)).await.unwrap());
    let (retried, again) = cost!(log, opened.execute(deal(1)).await.unwrap());
    assert!(again == receipt);
    let (paid, _) = cost!(log, opened.execute(payout("pay")).await.unwrap());
    let (rejected, _) = cost!(log, opened.execute(payout("again")).await.unwrap_err());

    let mut transaction = database.pool().begin().await.unwrap();
    let asked = deal(2);
    let (staged, value) = cost!(log, stage(&mut transaction, opened.name(), &asked).await.unwrap());
    let (committed, _) = cost!(log, value.commit(transaction).await.unwrap());
    let own = Arc::new(PgStore::connect(&database.url()).await.unwrap());
    let own = Ledger::new(own, Arc::new(TokioEnv::current()), opened.name().clone());
    own.execute(deal(3)).await.unwrap();
    let (alone, _) = cost!(log, own.execute(deal(4)).await.unwrap());
    let found = [alone, new, retried, paid, rejected, staged, committed];
    assert_eq!(found, [1, 2, 1, 2, 2, 6, 2], "alone, new, retried, paid, rejected, staged, committed");
}
