//! The clauses of the store contract, on a server.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::sync::Arc;

use ledger_core::store::conformance::{self, Factory};
use ledger_core::store::{BoxFuture, Clock, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres_testing::Database;
use tokio::sync::Mutex;

/// Makes a database for each clause, and opens the last one again.
#[derive(Default)]
struct Databases {
    made: Mutex<Vec<Database>>,
}

impl Factory for Databases {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
        Box::pin(async {
            let mut made = self.made.lock().await;
            made.push(common::database().await);
            Ok(Arc::new(PgStore::connect_with_clock(&made.last().unwrap().url(), clock).await?) as Arc<dyn Store>)
        })
    }

    fn reopen(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Result<Option<Arc<dyn Store>>, StoreError>> {
        drop(store);
        Box::pin(async {
            let made = self.made.lock().await;
            Ok(Some(Arc::new(PgStore::connect_with_clock(&made.last().unwrap().url(), clock).await?) as Arc<dyn Store>))
        })
    }
}

/// A clause that this store does not keep, and on which the engine builds all the same.
#[tokio::test(flavor = "multi_thread")]
async fn every_clause_holds() {
    let report = conformance::run(&Databases::default()).await;
    assert!(report.clauses.iter().all(|(_, result)| result.is_ok()), "{report}");
}
