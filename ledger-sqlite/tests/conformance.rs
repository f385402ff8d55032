//! The clauses of the store contract, on files on the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger_core::store::conformance::{self, Factory};
use ledger_core::store::{BoxFuture, Clock, Store, StoreError};
use ledger_sqlite::SqliteStore;
use tempfile::TempDir;

/// Opens a file of its own for each clause, and the last one again.
struct Files {
    directory: TempDir,
    opened: AtomicUsize,
}

impl Files {
    fn last(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.opened.load(Ordering::SeqCst)))
    }
}

impl Factory for Files {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Arc::new(SqliteStore::open_with(self.last(), clock).await?) as Arc<dyn Store>) })
    }

    fn reopen(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Result<Option<Arc<dyn Store>>, StoreError>> {
        drop(store);
        Box::pin(async { Ok(Some(Arc::new(SqliteStore::open_with(self.last(), clock).await?) as Arc<dyn Store>)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_clause_holds() {
    let files = Files { directory: tempfile::tempdir().unwrap(), opened: AtomicUsize::new(0) };
    let report = conformance::run(&files).await;
    assert!(report.clauses.iter().all(|(_, result)| result.is_ok()), "{report}");
}
