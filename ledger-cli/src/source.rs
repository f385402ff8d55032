//! Where the ledgers are: opens the store that `--store` names.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger_core::engine::Ledger;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::LedgerName;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{Store, StoreError};
use ledger_postgres::PgStore;
use ledger_sqlite::{SqliteStore, system_clock};

use crate::error::{CliError, nothing_stored};

/// What `--store` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
    /// Nothing that lasts.
    Memory,
}

/// The URL of a database. It is shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole, for connecting.
    pub fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", &self.0));
        let (shown, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let user = shown.split([':', '/', '@']).next().unwrap_or_default();
        match shown.rsplit_once('@') {
            // A question mark in a password, or a password among the parameters: what is what cannot be told.
            _ if parameters.contains('@') => write!(f, "{scheme}://{user}@…"),
            Some((_, place)) => write!(f, "{scheme}://{user}@{place}"),
            None => write!(f, "{scheme}://{}", shown.split(':').next().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            // A URL's slashes would make another path of it than was meant.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("//") => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.len() > 2 && rest.starts_with("//") => {
                Ok(Self::Postgres(Address(text.into())))
            }
            _ => Err(
                "write sqlite:PATH, such as sqlite:./ledger.db, or postgres://USER@HOST/DATABASE, or memory: to try \
                      things out"
                    .into(),
            ),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// A ledger that is open for requests.
pub struct Writing {
    /// The ledger.
    pub ledger: Ledger,
    kept: Kept,
}

enum Kept {
    File(Arc<SqliteStore>),
    Database(Arc<PgStore>),
    Nothing,
}

impl Writing {
    /// Closes the store: of a file, nothing is left beside it, so that it can be copied as one.
    pub async fn close(self) {
        drop(self.ledger);
        let mut file = match self.kept {
            Kept::File(file) => file,
            Kept::Database(store) => return store.close().await,
            Kept::Nothing => return,
        };
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
            Target::Postgres(_) => Err(CliError::Refused(format!(
                "{store}: a PostgreSQL database is copied with its own tools: pg_dump --format=custom --schema=payledger, as a \
                 superuser or a role with BYPASSRLS, and pg_restore into an empty database; then verify each of its ledgers. \
                 One ledger as text: payledger export jsonl",
                store = self.name()
            ))),
            Target::Memory => {
                Err(CliError::Refused("memory: is no file: name a store with --store sqlite:PATH".into()))
            }
        }
    }

    /// Connects to a database, and warns once a run of a role that could change what is stored, or lacks what it needs.
    pub async fn connect(&self, address: &Address) -> Result<PgStore, StoreError> {
        static WARNED: AtomicBool = AtomicBool::new(false);
        let database = PgStore::connect(address.url()).await?;
        if !WARNED.swap(true, Ordering::Relaxed) {
            for finding in database.check_role().await? {
                let _ = writeln!(io::stderr(), "payledger: warning: {}: {finding}", self.name());
            }
        }
        Ok(database)
    }

    /// Opens the store for writing, and makes it if there is none and it is a file.
    pub async fn write(&self) -> Result<Writing, CliError> {
        let blame = |error| self.blame()(nothing_stored(error));
        let (store, kept): (Arc<dyn Store>, _) = match &self.target {
            Target::Sqlite(path) => {
                let file = Arc::new(SqliteStore::open(path).await.map_err(blame)?);
                (Arc::<SqliteStore>::clone(&file), Kept::File(file))
            }
            Target::Postgres(address) => {
                let database = Arc::new(self.connect(address).await.map_err(blame)?);
                (Arc::<PgStore>::clone(&database), Kept::Database(database))
            }
            Target::Memory => (Arc::new(MemoryStore::new(system_clock())), Kept::Nothing),
        };
        Ok(Writing { ledger: Ledger::new(store, Arc::new(TokioEnv::current()), self.ledger.clone()), kept })
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

    /// Opens the store for reading.
    pub async fn open(&self) -> Result<Arc<dyn Store>, CliError> {
        Ok(match &self.target {
            Target::Sqlite(_) => Arc::new(self.read_file().await?),
            Target::Postgres(address) => Arc::new(self.connect(address).await.map_err(self.blame())?),
            Target::Memory => Arc::new(MemoryStore::new(system_clock())),
        })
    }

    /// Opens the store for reading. A ledger that holds nothing is refused, because its name is most likely mistyped.
    pub async fn read(&self) -> Result<Arc<dyn Store>, CliError> {
        let store = self.open().await?;
        self.require_events(store.as_ref()).await?;
        Ok(store)
    }

    /// Refuses a ledger that holds nothing.
    pub async fn require_events(&self, store: &dyn Store) -> Result<(), CliError> {
        if store.head(&self.ledger).await.map_err(self.blame())?.sequence > 0 {
            return Ok(());
        }
        let log = store.read_log(&self.ledger, 0, 1).await.map_err(self.blame())?;
        if !log.requests.is_empty() || !log.events.is_empty() {
            let what = "the ledger has a log, but its head is gone".to_owned();
            return Err(self.blame()(StoreError::Corrupt { sequence: 1, what }));
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
        assert!(matches!("postgres://host/db".parse(), Ok(Target::Postgres(_))));
        for bad in ["postgres:host", "postgres://", "a.db", "sqlite:", "sqlite://a.db", "memory:x", ""] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    /// A password in an error message ends up in a log.
    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://ann:s3cret@host:5432/db?password=s3cret", "postgres://ann@host:5432/db"),
            ("postgresql://ann:s3%40:cret@host/db", "postgresql://ann@host/db"),
            ("postgres://a:s3cret@b:s3cret@host/db", "postgres://a@host/db"),
            ("postgres:///db?user=ann&password=s3cret", "postgres:///db"),
            ("postgres://ann:12?s3cret@host:5432/db", "postgres://ann@…"),
            ("postgres://ann:s3cret?x@host/db?sslmode=require", "postgres://ann@…"),
            ("postgres://ann:s3cret%40host/db", "postgres://ann"),
            ("postgres://host/db?password=a@s3cret", "postgres://host@…"),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("s3cret"));
        }
    }
}
