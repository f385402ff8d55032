//! Where the ledgers are: opens the store that `--store` names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ledger_core::engine::Ledger;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::LedgerName;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{Store, StoreError};
use ledger_sqlite::{SqliteStore, system_clock};

use crate::error::{CliError, nothing_stored};

/// What `--store` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// Nothing that lasts.
    Memory,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            // A URL's slashes would make another path of it than was meant.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("//") => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Err("this build has no Postgres store: use sqlite:PATH".into()),
            _ => Err("write sqlite:PATH, such as sqlite:./ledger.db, or memory: to try things out".into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// A ledger that is open for requests.
pub struct Writing {
    /// The ledger.
    pub ledger: Ledger,
    file: Option<Arc<SqliteStore>>,
}

impl Writing {
    /// Closes the file, so that nothing of it is left beside it and it can be copied as one.
    pub async fn close(self) {
        drop(self.ledger);
        let Some(mut file) = self.file else { return };
        // The engine lets go of the store a moment after its last answer. What was answered is on the disk in any case.
        for _ in 0..100 {
            file = match Arc::try_unwrap(file) {
                Ok(file) => return file.close().await,
                Err(file) => file,
            };
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The ledger that a command works on.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is kept.
    pub target: Target,
    /// Its name.
    pub ledger: LedgerName,
}

impl Source {
    /// The store as people name it.
    pub fn name(&self) -> String {
        self.target.to_string()
    }

    /// Says of which store an error is.
    pub fn blame(&self) -> impl Fn(StoreError) -> CliError + use<> {
        let store = self.name();
        move |source| CliError::Store { store: store.clone(), source }
    }

    /// The file that the store is, for what only files can do.
    pub fn file(&self) -> Result<&PathBuf, CliError> {
        match &self.target {
            Target::Sqlite(path) => Ok(path),
            Target::Memory => {
                Err(CliError::Refused("memory: is no file: name a store with --store sqlite:PATH".into()))
            }
        }
    }

    /// Opens the store for writing, and makes it if there is none.
    pub async fn write(&self) -> Result<Writing, CliError> {
        let file = match &self.target {
            Target::Sqlite(path) => {
                let open = SqliteStore::open(path).await.map_err(nothing_stored);
                Some(Arc::new(open.map_err(self.blame())?))
            }
            Target::Memory => None,
        };
        let store: Arc<dyn Store> = match &file {
            Some(file) => Arc::<SqliteStore>::clone(file),
            None => Arc::new(MemoryStore::new(system_clock())),
        };
        Ok(Writing { ledger: Ledger::new(store, Arc::new(TokioEnv::current()), self.ledger.clone()), file })
    }

    /// Opens the file for reading.
    pub async fn read_file(&self) -> Result<SqliteStore, CliError> {
        let path = self.file()?;
        // A missing file is the first thing that goes wrong at a terminal, so it is told in its own words.
        if !path.exists() {
            let name = self.name();
            return Err(CliError::Refused(format!(
                "{name}: there is no such file: name the store with --store sqlite:PATH"
            )));
        }
        SqliteStore::open_read_only(path).await.map_err(self.blame())
    }

    /// Opens the store for reading. A ledger that holds nothing is refused, because its name is most likely mistyped.
    pub async fn read(&self) -> Result<Arc<dyn Store>, CliError> {
        let store: Arc<dyn Store> = match &self.target {
            Target::Sqlite(_) => Arc::new(self.read_file().await?),
            Target::Memory => Arc::new(MemoryStore::new(system_clock())),
        };
        self.require_events(store.as_ref()).await?;
        Ok(store)
    }

    /// Refuses a ledger that holds nothing.
    pub async fn require_events(&self, store: &dyn Store) -> Result<(), CliError> {
        if store.head(&self.ledger).await.map_err(self.blame())?.sequence > 0 {
            return Ok(());
        }
        let ledgers = store.ledgers().await.map_err(self.blame())?;
        let (store, ledger) = (self.name(), &self.ledger);
        let others = match ledgers.as_slice() {
            [] => "it has none yet".to_owned(),
            some => format!("it has {}", some.iter().map(LedgerName::as_str).collect::<Vec<_>>().join(", ")),
        };
        Err(CliError::Refused(format!("{store} has no ledger {ledger}: {others}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_kind() {
        assert_eq!("sqlite:./a.db".parse(), Ok(Target::Sqlite("./a.db".into())));
        assert_eq!("memory:".parse(), Ok(Target::Memory));
        for bad in ["postgres://host/db", "a.db", "sqlite:", "sqlite://a.db", "memory:x", ""] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
