//! Runs on real files: for each run a SQLite file of its own, in one folder.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ledger_core::store::{Clock, Store};
use ledger_sqlite::SqliteStore;
use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::run::NewStore;

/// A folder of files, and the runtime that the stores need.
pub struct Folder {
    path: PathBuf,
    runtime: Arc<Runtime>,
    files: AtomicU64,
}

/// The files of some runs. They are removed with it.
pub struct Files<'a> {
    made: Made,
    store: NewStore,
    /// The runs are on this thread.
    _entered: EnterGuard<'a>,
}

type Made = Arc<Mutex<Vec<PathBuf>>>;

impl Folder {
    /// A folder, which is made if there is none.
    ///
    /// # Errors
    /// The folder cannot be made, or no ledger file in it.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref().to_owned();
        let at = |error: String| format!("{}: {error}", path.display());
        std::fs::create_dir_all(&path).map_err(|error| at(error.to_string()))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let probe = path.join(format!("probe-{}.db", std::process::id()));
        let opened = runtime.block_on(async {
            SqliteStore::open(&probe).await.map(SqliteStore::close)?.await;
            Ok(())
        });
        remove(&probe);
        opened.map_err(|error: ledger_core::store::StoreError| at(error.to_string()))?;
        Ok(Self { path, runtime: Arc::new(runtime), files: AtomicU64::new(0) })
    }

    /// The files of the runs that this thread is about to do.
    #[must_use]
    pub fn files(self: &Arc<Self>) -> Files<'_> {
        let (made, folder) = (Made::default(), Arc::clone(self));
        let store = {
            let made = Arc::clone(&made);
            Arc::new(move |clock| folder.open(clock, &made))
        };
        Files { made, store, _entered: self.runtime.enter() }
    }

    fn open(&self, clock: Clock, made: &Made) -> Arc<dyn Store> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("run-{}-{number}.db", std::process::id()));
        made.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        match self.runtime.block_on(SqliteStore::open_with(&path, clock)) {
            Ok(store) => Arc::new(store),
            // A moment ago a file could be made here. There is nothing that a run could do.
            Err(error) => resume_unwind(Box::new(error.to_string())),
        }
    }
}

impl Files<'_> {
    /// Makes an empty store in a new file.
    #[must_use]
    pub fn store(&self) -> NewStore {
        Arc::clone(&self.store)
    }

    /// Leaves the last file where it is, and says where.
    #[must_use]
    pub fn keep_last(&self) -> Option<PathBuf> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|path| remove(path));
    }
}

/// Removes a file with its log. What is not there is gone already.
fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        drop(std::fs::remove_file(name));
    }
}
