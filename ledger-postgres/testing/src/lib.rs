//! A PostgreSQL server for the tests, the simulator, the benches and the examples.
//!
//! ```no_run
//! # async fn run() -> Result<(), sqlx::Error> {
//! let database = ledger_postgres_testing::Server::shared().database().await;
//! sqlx::query("SELECT 1").execute(database.pool()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without `DATABASE_URL`, each process has a server of its own, in a folder of its own under `/tmp`, reached through a socket
//! there. It ends with the process, also when that is killed, and leaves nothing behind. With `DATABASE_URL`, databases are
//! made on the server that it names, as a role that may do so, and dropped again; what a killed process leaves there is
//! dropped by the next one.
//!
//! What is missing is told in a panic, with what to do: nothing here is of use without a server.
#![allow(clippy::panic, reason = "a test without a server has failed")]

mod admin;
mod keeper;
mod programs;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, process};

use ledger_postgres::{PgStore, Roles, SCHEMA_VERSION};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::OnceCell;

use crate::admin::Admin;
use crate::keeper::Keeper;

/// A running server.
#[derive(Debug)]
pub struct Server {
    keeper: Option<Mutex<Keeper>>,
    place: Place,
    admin: Admin,
    template: OnceCell<Database>,
}

/// How a server is reached, and whose databases on it are whose.
#[derive(Debug, Clone)]
struct Place {
    user: String,
    host: String,
    query: String,
    prefix: String,
}

/// What a server for ordinary tests need not do: outlive the machine.
const HASTY: &[&str] = &["fsync = off", "full_page_writes = off"];
const ALWAYS: &[&str] =
    &["listen_addresses = ''", "max_connections = 200", "max_wal_size = 256MB", "min_wal_size = 80MB"];

impl Server {
    /// The server that all tests of this process share: the one that `DATABASE_URL` names, or one of our own, which does not
    /// wait for the disk.
    ///
    /// # Panics
    /// When there is none, with what to do.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match env::var("DATABASE_URL") {
            Ok(url) => must(Self::with(None, &url).map_err(|problem| {
                format!("the server of DATABASE_URL cannot be used: {problem}; start it, or unset DATABASE_URL")
            })),
            Err(_) => Self::start(HASTY),
        })
    }

    /// A server of one's own, with settings as in `postgresql.conf`, to be killed and started again at will. What it
    /// acknowledges is on the disk unless the settings say otherwise. It stops when it is dropped.
    ///
    /// # Panics
    /// When it cannot be started, with what to do.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let settings: Vec<_> = ALWAYS.iter().chain(settings).copied().collect();
        let keeper = must(Keeper::start(&settings));
        let url = format!("postgres://{OWNER}@{}/{OWNER}", encoded(&keeper.folder.to_string_lossy()));
        must(Self::with(Some(Mutex::new(keeper)), &url))
    }

    fn with(keeper: Option<Mutex<Keeper>>, url: &str) -> Result<Self, String> {
        let place = Place::of(url).ok_or("DATABASE_URL is not as postgres://user:password@host:port/database")?;
        let options: PgConnectOptions = url.parse().map_err(|error| format!("DATABASE_URL: {error}"))?;
        let admin = Admin::connect(&options, &place.prefix)?;
        Ok(Self { keeper, place, admin, template: OnceCell::new() })
    }

    /// A new database with the tables of a ledger.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn database(&self) -> Database {
        if self.keeper.is_none() {
            // A template would stay behind on a server that is not ours.
            return self.migrated().await;
        }
        let template = self.template.get_or_init(|| self.migrated()).await;
        self.create(&format!("TEMPLATE {}", template.name)).await
    }

    async fn migrated(&self) -> Database {
        let database = self.empty().await;
        let done = PgStore::migrate(&database.url(), SCHEMA_VERSION, &Roles::default()).await;
        must(done.map_err(|error| error.to_string()));
        database
    }

    /// A new database with nothing in it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn empty(&self) -> Database {
        self.create("TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'").await
    }

    /// A new database, made with these options of `CREATE DATABASE`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create(&self, options: &str) -> Database {
        let place = self.place.clone();
        let name = place.name();
        must(self.admin.run(vec![format!("CREATE DATABASE {name} {options}")]).await);
        let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
        let pool = pool.connect_lazy(&place.url(&place.user, &name)).map_err(|error| error.to_string());
        Database { pool: must(pool), name, place, admin: self.admin.clone(), roles: Mutex::default() }
    }

    /// Kills every process of the server, as a crash of the machine would.
    ///
    /// # Panics
    /// When the server is not our own.
    pub fn crash(&self) {
        must(self.keeper().order("crash", "crashed"));
    }

    /// Starts it again after a crash, and waits until it has recovered.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart(&self) {
        must(self.keeper().order("start", "ready"));
    }

    /// The folder that holds the socket, the log and the data of a server of our own.
    ///
    /// # Panics
    /// When the server is not our own.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.keeper().folder.clone()
    }

    /// The path of a program of the same release, such as `pg_dump`, where there are programs on this machine.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        match &self.keeper {
            Some(_) => self.keeper().programs.join(name),
            None => must(programs::find(false)).join(name),
        }
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        match &self.keeper {
            Some(keeper) => lock(keeper),
            None => panic!("this needs a server of its own: unset DATABASE_URL, or use Server::start"),
        }
    }
}

impl Place {
    fn of(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or((OWNER, authority));
        let query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A role named after it has room for a name of its own within the 63 bytes that names have.
        let prefix = format!("pl_test_{:x}_{:x}_", process::id(), started.as_micros());
        Some(Self { user: user.into(), host: host.into(), query, prefix })
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}{}", self.host, self.query)
    }

    /// A name that nothing else on the server has.
    fn name(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        format!("{}{}", self.prefix, NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A database of one's own, which is dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
    pool: PgPool,
    place: Place,
    admin: Admin,
    roles: Mutex<Vec<String>>,
}

impl Database {
    /// How to reach it as the role that made it.
    #[must_use]
    pub fn url(&self) -> String {
        self.place.url(&self.place.user, &self.name)
    }

    /// How to reach it as a role that was made with [`role`](Self::role).
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        self.place.url(&format!("{}:{PASSWORD}", encoded(role)), &self.name)
    }

    /// Its connections, as the role that made it.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new role that may log in and nothing else, with `name` in its name; it is dropped with the database.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn role(&self, name: &str) -> String {
        let role = format!("{}_{name}", self.place.name());
        must(self.admin.run(vec![format!("CREATE ROLE {} LOGIN PASSWORD '{PASSWORD}'", quoted(&role))]).await);
        lock(&self.roles).push(role.clone());
        role
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let roles = std::mem::take(&mut *lock(&self.roles));
        let mut statements = vec![format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)];
        statements.extend(roles.iter().map(|role| format!("DROP ROLE IF EXISTS {}", quoted(role))));
        self.admin.run_blocking(statements);
    }
}

const OWNER: &str = "postgres";
const PASSWORD: &str = "payledger";

/// As a part of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// As an identifier of SQL.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn must<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|problem| panic!("{problem}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
