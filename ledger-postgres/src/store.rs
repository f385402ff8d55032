//! The store: a pool of connections, and a statement for everything that is asked.

use std::fmt;
use std::time::Duration;

use compact_str::CompactString;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::admit::now_us;
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Clock, Head, LogPage, Outcome, Pages, ProjectionRow, ProjectionWrite, Promotion,
    SnapshotRow, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};
use tokio::time::timeout;

use crate::append::append;
use crate::error::reading;
use crate::options::{SETTINGS, connect, options};
use crate::pages::LogPages;
use crate::writer::{Writer, is_there};
use crate::{derived, read, schema};

/// How many connections a store has at most, if they are its own: one for appends, the others in a pool.
const CONNECTIONS: u32 = 8;
/// How long a caller waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection of the pool that was idle for longer is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(1);
/// After so long nobody answers any more: the server gives a statement up much earlier.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);
pub(crate) const NO_ANSWER: &str = "the server has not answered";
/// On how many connections a read is tried that are gone: one may have broken while it was idle, another while it was read on.
pub(crate) const TRIES: usize = 3;
/// The SQLSTATE of a statement in a transaction that has failed.
const FAILED_TRANSACTION: &str = "25P02";

/// Ledgers in a PostgreSQL database.
pub struct PgStore {
    pool: PgPool,
    /// None where somebody else begins transactions on the pool's connections.
    pub(crate) writer: Option<Writer>,
    clock: Option<Clock>,
    longest: Duration,
}

impl PgStore {
    /// Opens the ledgers of a database, with a pool of connections of their own. The time is the server's.
    ///
    /// A pooler in between has to pass on what connections begin with, or to ignore it: `ignore_startup_parameters =
    /// extra_float_digits, options` of PgBouncer; then give the role the settings that [`check`](Self::check) misses. One that
    /// pools transactions has to keep track of prepared statements, as PgBouncer does from 1.21 on.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the server cannot be reached, refuses the role, or the tables are not there.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect_lazy(url)?;
        // By itself: a pool that cannot connect says only that it has waited in vain.
        let mut first = connect(&store.pool.connect_options()).await?;
        let current = timeout(LONGEST, schema::require_current(&mut first)).await;
        current.unwrap_or_else(|_| Err(StoreError::Unavailable(NO_ANSWER.into())))?;
        first.close().await.map_err(reading)?;
        Ok(store)
    }

    /// Opens the ledgers of a database when they are first used, without a look at its tables: for a database that may be
    /// [found](Self::check) to be none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the URL is none.
    pub fn connect_lazy(url: &str) -> Result<Self, StoreError> {
        let options = options(url, &SETTINGS)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS - 1).acquire_timeout(ACQUIRE);
        let writer = Writer::default();
        // A connection that broke is found out by the statement that is sent on it, without a round trip before each, unless there
        // is reason to doubt.
        let broke = writer.broke();
        let pool = pool.test_before_acquire(false).before_acquire(move |connection, idle| {
            let doubtful = idle.idle_for > QUIET || broke.since(idle.idle_for);
            Box::pin(async move { Ok(!doubtful || is_there(connection).await) })
        });
        // Who went away in the middle of a statement leaves it to the pool, which would wait for its end, however long.
        let pool = pool.after_release(|connection, _| {
            Box::pin(async move { is_there(connection).await.then_some(true).ok_or(sqlx::Error::WorkerCrashed) })
        });
        Ok(Self { writer: Some(writer), ..Self::with_pool(pool.connect_lazy_with(options)) })
    }

    /// Opens the ledgers of a database as [`connect`](Self::connect) does, with another clock.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with_clock(url: &str, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self { clock: Some(clock), ..Self::connect(url).await? })
    }

    /// Uses a pool that the host has. The time is the server's. Each append costs a round trip more than with a pool of the
    /// store's own: whether somebody has left a transaction open on the connection. On the `search_path` of its connections
    /// nothing stands before `pg_catalog`, or whoever may make functions there is asked instead of the server. What has no answer
    /// within a minute is given up, whatever the pool's own timeouts say.
    #[must_use]
    pub fn with_pool(pool: PgPool) -> Self {
        Self { pool, writer: None, clock: None, longest: LONGEST }
    }

    /// Uses a pool that the host has, with another clock.
    #[must_use]
    pub fn with_pool_and_clock(pool: PgPool, clock: Clock) -> Self {
        Self { clock: Some(clock), ..Self::with_pool(pool) }
    }

    /// The pool. Where it is the store's own, nobody begins a transaction on it.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How many connections it takes at most.
    pub(crate) fn connections(&self) -> u32 {
        self.pool.options().get_max_connections() + u32::from(self.writer.is_some())
    }

    /// Waits until what was sent is done, and closes the pool, also for others that use it.
    pub async fn close(&self) {
        self.pool.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// On a task of their own.
    fn pages_of<'a>(&'a self, ledger: &'a LedgerName, after: u64, until: u64, limit: usize) -> Box<dyn Pages + 'a> {
        Box::new(LogPages::new(self, ledger, after, until, limit))
    }

    async fn append_group(&self, ledger: &LedgerName, group: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        let now_us = self.now_us()?;
        match &self.writer {
            Some(writer) => writer.append(self.connection(), self.longest, ledger, group, now_us).await,
            None => {
                let mut connection = self.committing().await?;
                answered!(self, connection => append(&mut connection, ledger, group, now_us), StoreError::Unknown)
            }
        }
    }

    fn now_us(&self) -> Result<Option<i64>, StoreError> {
        self.clock.as_ref().map(now_us).transpose()
    }

    /// A connection on which a statement is a transaction of its own. A task that goes away while it begins one leaves it open,
    /// and the driver gives it to whoever comes next: what is stored in it is not stored.
    async fn committing(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let mut connection = self.connection().await?;
        if self.writer.is_none() {
            answered!(self, connection => end_what_was_left(&mut connection), StoreError::Unavailable)?;
        }
        Ok(connection)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    pub(crate) fn give_up(&self, connection: &mut PoolConnection<Postgres>) {
        connection.close_on_drop();
        self.writer.iter().for_each(Writer::broke_now);
    }

    /// Whether a connection is no longer there. Those that were idle meanwhile are asked before they are used.
    pub(crate) async fn is_gone(&self, connection: &mut PoolConnection<Postgres>) -> bool {
        if is_there(connection).await {
            return false;
        }
        self.give_up(connection);
        true
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        match (self.pool.acquire().await, &self.writer) {
            (Err(error @ sqlx::Error::PoolTimedOut), Some(writer)) => {
                Err(writer.cause(&self.pool.connect_options()).await.unwrap_or_else(|| reading(error)))
            }
            (acquired, _) => acquired.map_err(reading),
        }
    }
}

/// What a statement on a connection comes to. Where the server says nothing at all, the error is returned, and the connection is
/// given up: a pool that took it back would wait for it in turn.
macro_rules! answered {
    ($store:ident, $connection:ident => $statement:expr, $silent:path) => {
        match tokio::time::timeout($store.longest(), $statement).await {
            Ok(answer) => answer,
            Err(_) => {
                $store.give_up(&mut $connection);
                return Err($silent(crate::store::NO_ANSWER.into()));
            }
        }
    };
}

/// Asks something on a connection, and on another one where that is gone: a read does no harm twice.
macro_rules! ask {
    ($store:ident, $connection:ident => $read:expr) => {
        Box::pin(async move {
            let mut tries = 1..crate::store::TRIES;
            loop {
                let mut $connection = $store.connection().await?;
                match crate::store::answered!($store, $connection => $read, StoreError::Unavailable) {
                    Err(StoreError::Unavailable(_)) if tries.next().is_some() && $store.is_gone(&mut $connection).await => {}
                    answer => return answer,
                }
            }
        })
    };
}

/// Has something written on a connection, once.
macro_rules! tell {
    ($store:ident, $connection:ident => $write:expr) => {
        Box::pin(async move {
            let mut $connection = $store.committing().await?;
            crate::store::answered!($store, $connection => $write, StoreError::Unknown)
        })
    };
}

pub(crate) use {answered, ask, tell};

/// The statement begins nothing, but the driver looks whether something has begun; where something has failed before, the server
/// refuses it.
async fn end_what_was_left(connection: &mut PgConnection) -> Result<(), StoreError> {
    let failed = match connection.begin_with("SELECT").await {
        Err(sqlx::Error::BeginFailed) => false,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(FAILED_TRANSACTION) => true,
        left_open => {
            left_open.map_err(reading)?.rollback().await.map_err(reading)?;
            false
        }
    };
    if failed {
        connection.execute("ROLLBACK").await.map_err(reading)?;
    }
    Ok(())
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The contract, for what has a `connection()` and a time of its own or none: one statement for everything that is asked.
macro_rules! impl_store {
    ($($store:tt)+) => {
        impl ledger_core::store::Store for $($store)+ {
            fn append<'a>(
                &'a self,
                ledger: &'a LedgerName,
                group: &'a [Append],
            ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
                Box::pin(self.append_group(ledger, group))
            }

            fn read_streams<'a>(
                &'a self,
                ledger: &'a LedgerName,
                streams: &'a [StreamAfter],
                at: Option<u64>,
                limit: usize,
            ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
                ask!(self, connection => read::streams(&mut connection, ledger, streams, at, limit))
            }

            fn read_log<'a>(
                &'a self,
                ledger: &'a LedgerName,
                after: u64,
                limit: usize,
            ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
                ask!(self, connection => read::log(&mut connection, ledger, after, limit))
            }

            fn log_pages<'a>(
                &'a self,
                ledger: &'a LedgerName,
                after: u64,
                until: u64,
                limit: usize,
            ) -> Box<dyn Pages + 'a> {
                self.pages_of(ledger, after, until, limit)
            }

            fn request<'a>(
                &'a self,
                ledger: &'a LedgerName,
                key: &'a Key,
            ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
                ask!(self, connection => read::request(&mut connection, ledger, key))
            }

            fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
                ask!(self, connection => read::head(&mut connection, ledger))
            }

            fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
                ask!(self, connection => read::ledgers(&mut connection))
            }

            fn save_snapshot<'a>(
                &'a self,
                ledger: &'a LedgerName,
                snapshot: &'a SnapshotRow,
            ) -> BoxFuture<'a, Result<(), StoreError>> {
                tell!(self, connection => derived::save_snapshot(&mut connection, ledger, snapshot))
            }

            fn load_snapshots<'a>(
                &'a self,
                ledger: &'a LedgerName,
                streams: &'a [StreamName],
            ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
                ask!(self, connection => derived::snapshots(&mut connection, ledger, streams))
            }

            fn load_checkpoint<'a>(
                &'a self,
                ledger: &'a LedgerName,
                name: &'a str,
            ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
                ask!(self, connection => derived::checkpoint(&mut connection, ledger, name))
            }

            fn save_projection<'a>(
                &'a self,
                ledger: &'a LedgerName,
                write: &'a ProjectionWrite,
            ) -> BoxFuture<'a, Result<bool, StoreError>> {
                tell!(self, connection => derived::project(&mut connection, ledger, write))
            }

            fn read_rows<'a>(
                &'a self,
                ledger: &'a LedgerName,
                projection: &'a str,
                keys: &'a [CompactString],
            ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
                ask!(self, connection => derived::rows(&mut connection, ledger, projection, keys))
            }

            fn list_rows<'a>(
                &'a self,
                ledger: &'a LedgerName,
                projection: &'a str,
                after: Option<&'a str>,
                limit: usize,
            ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
                ask!(self, connection => derived::list(&mut connection, ledger, projection, after, limit))
            }

            fn promote<'a>(
                &'a self,
                ledger: &'a LedgerName,
                promotion: &'a Promotion,
            ) -> BoxFuture<'a, Result<bool, StoreError>> {
                tell!(self, connection => derived::promote(&mut connection, ledger, promotion))
            }
        }
    };
}

pub(crate) use impl_store;

impl_store!(PgStore);

#[cfg(test)]
mod tests {
    use ledger_core::chain::Digest;
    use ledger_core::store::Store;
    use ledger_postgres_testing::Server;

    use super::*;

    /// Who asked a server that fell silent waited for ever, and so did who came to the pool after him.
    #[tokio::test]
    async fn who_is_not_answered_is_told_so_and_leaves_the_pool_whole() {
        let database = Server::shared().database().await;
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(2));
        let pool = pool.connect(&database.url()).await.unwrap();
        let name = "main".parse().unwrap();
        let row = SnapshotRow {
            stream: StreamName::from_stored("payee/kim"),
            version: 1,
            digest: Digest::ZERO,
            first_sequence: 1,
            link: Digest::ZERO,
            form: 1,
            state: b"{}".to_vec(),
            check: Digest::ZERO,
        };
        for mut store in [PgStore::connect(&database.url()).await.unwrap(), PgStore::with_pool(pool)] {
            store.longest = Duration::from_millis(300);
            let mut holder = database.pool().begin().await.unwrap();
            // Nothing says that it waits but that it does not answer.
            holder.execute("LOCK TABLE payledger.heads, payledger.snapshots").await.unwrap();
            for _ in 0..2 {
                assert!(matches!(store.head(&name).await, Err(StoreError::Unavailable(_))));
                assert!(matches!(store.save_snapshot(&name, &row).await, Err(StoreError::Unknown(_))));
                let appended = store.append(&name, &[crate::writer::tests::request("a")]).await;
                assert!(matches!(appended, Err(StoreError::Unknown(_))), "{appended:?}");
            }
            holder.rollback().await.unwrap();
            store.longest = LONGEST;
            store.append(&name, &[crate::writer::tests::request("a")]).await.unwrap();
            assert_eq!(store.head(&name).await.unwrap().sequence, 1);
        }
    }
}
