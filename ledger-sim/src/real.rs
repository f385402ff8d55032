//! Runs on real stores: for each run a SQLite file, or a PostgreSQL database, of its own.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ledger_core::store::{Clock, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres_testing::{Database, Server};
use ledger_sqlite::SqliteStore;
use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::run::NewStore;

/// A place for stores, and the runtime that they need.
pub struct Real {
    place: Place,
    runtime: Runtime,
    made: AtomicU64,
}

enum Place {
    Folder(PathBuf),
    Server(&'static Server),
}

/// The stores of some runs. What they hold is removed with it.
pub struct Stores<'a> {
    made: Arc<Mutex<Vec<Made>>>,
    store: NewStore,
    /// The runs are on this thread.
    _entered: EnterGuard<'a>,
}

/// What a store was made in.
enum Made {
    File(PathBuf),
    /// It drops itself.
    Database(#[expect(dead_code, reason = "it is kept to be dropped")] Database),
}

impl Real {
    /// Files in a folder, which is made if there is none.
    ///
    /// # Errors
    /// The folder cannot be made, or no ledger file in it.
    pub fn sqlite(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref().to_owned();
        let at = |error: String| format!("{}: {error}", path.display());
        std::fs::create_dir_all(&path).map_err(|error| at(error.to_string()))?;
        let probe = path.join(format!("probe-{}.db", std::process::id()));
        let runtime = runtime()?;
        let opened = runtime.block_on(async {
            SqliteStore::open(&probe).await.map(SqliteStore::close)?.await;
            Ok(())
        });
        remove(&probe);
        opened.map_err(|error: StoreError| at(error.to_string()))?;
        Ok(Self { place: Place::Folder(path), runtime, made: AtomicU64::new(0) })
    }

    /// Databases on the server that `DATABASE_URL` names, or on one that is started for this process.
    ///
    /// # Errors
    /// There can be no runtime.
    ///
    /// # Panics
    /// When there is no server, with what to do.
    pub fn postgres() -> Result<Self, String> {
        Ok(Self { place: Place::Server(Server::shared()), runtime: runtime()?, made: AtomicU64::new(0) })
    }

    /// The stores of the runs that this thread is about to do.
    #[must_use]
    pub fn stores(self: &Arc<Self>) -> Stores<'_> {
        let (made, real) = (Arc::<Mutex<Vec<Made>>>::default(), Arc::clone(self));
        let store: NewStore = {
            let made = Arc::clone(&made);
            Arc::new(move |clock| {
                let (store, place) = real.open(clock);
                made.lock().unwrap_or_else(PoisonError::into_inner).push(place);
                match store {
                    Ok(store) => store,
                    // A moment ago one could be made here. There is nothing that a run could do.
                    Err(error) => resume_unwind(Box::new(error.to_string())),
                }
            })
        };
        Stores { made, store, _entered: self.runtime.enter() }
    }

    fn open(&self, clock: Clock) -> (Result<Arc<dyn Store>, StoreError>, Made) {
        match &self.place {
            Place::Folder(folder) => {
                let number = self.made.fetch_add(1, Ordering::Relaxed);
                let path = folder.join(format!("run-{}-{number}.db", std::process::id()));
                let store = self.runtime.block_on(SqliteStore::open_with(&path, clock));
                (store.map(|store| Arc::new(store) as _), Made::File(path))
            }
            Place::Server(server) => self.runtime.block_on(async {
                let database = server.database().await;
                let store = PgStore::connect_with_clock(&database.url(), clock).await;
                (store.map(|store| Arc::new(store) as _), Made::Database(database))
            }),
        }
    }
}

impl Stores<'_> {
    /// Makes an empty store.
    #[must_use]
    pub fn store(&self) -> NewStore {
        Arc::clone(&self.store)
    }

    /// Leaves the last file where it is, and says where. A database does not stay.
    #[must_use]
    pub fn keep_last(&self) -> Option<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match made.pop()? {
            Made::File(path) => Some(path),
            database @ Made::Database(_) => {
                made.push(database);
                None
            }
        }
    }
}

impl Drop for Stores<'_> {
    fn drop(&mut self) {
        for made in self.made.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Made::File(path) = made {
                remove(&path);
            }
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| error.to_string())
}

/// Removes a file with its log. What is not there is gone already.
fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        drop(std::fs::remove_file(name));
    }
}
