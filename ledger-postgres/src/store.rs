//! The store: a pool of connections, one statement for everything that is asked.

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
const LONGEST: Duration = Duration::from_mins(1);

/// Ledgers in a PostgreSQL database.
pub struct PgStore {
    pool: PgPool,
    /// None where somebody else begins transactions on the pool's connections.
    pub(crate) writer: Option<Writer>,
    clock: Option<Clock>,
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
        schema::require_current(&mut first).await?;
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
        Ok(Self { pool: pool.connect_lazy_with(options), writer: Some(writer), clock: None })
    }

    /// Opens the ledgers of a database as [`connect`](Self::connect) does, with another clock.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self { clock: Some(clock), ..Self::connect(url).await? })
    }

    /// Uses a pool that the host has. The time is the server's. Each append costs a round trip more than with a pool of the
    /// store's own: whether somebody has left a transaction open on the connection. On the `search_path` of its connections
    /// nothing stands before `pg_catalog`, or whoever may make functions there is asked instead of the server.
    #[must_use]
    pub fn with_pool(pool: PgPool) -> Self {
        Self { pool, writer: None, clock: None }
    }

    /// Uses a pool that the host has, with another clock.
    #[must_use]
    pub fn with_pool_and(pool: PgPool, clock: Clock) -> Self {
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
            Some(writer) => {
                let answer = timeout(LONGEST, writer.append(self.connection(), ledger, group, now_us)).await;
                answer.unwrap_or_else(|_| Err(StoreError::Unknown("the server has not answered".into())))
            }
            None => append(&mut *self.committing().await?, ledger, group, now_us).await,
        }
    }

    fn now_us(&self) -> Result<Option<i64>, StoreError> {
        self.clock.as_ref().map(now_us).transpose()
    }

    /// A connection on which a statement is a transaction of its own. A task that goes away while it begins one leaves it open,
    /// and the driver gives it to whoever comes next: what is stored in it is not stored.
    async fn committing(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let mut connection = self.connection().await?;
        if self.writer.is_some() {
            return Ok(connection);
        }
        // The statement begins nothing, but the driver looks whether something has begun; where something has failed before,
        // the server refuses it.
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
        Ok(connection)
    }

    /// Whether a connection is no longer there. Those that were idle meanwhile are asked before they are used.
    pub(crate) async fn is_gone(&self, connection: &mut PgConnection) -> bool {
        if is_there(connection).await {
            return false;
        }
        self.writer.iter().for_each(Writer::broke_now);
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

/// How often a read is sent that finds its connection gone: once on one that broke while it was idle, once on one that breaks.
pub(crate) const READS: u32 = 3;

/// Asks something on a connection, and on another one where that is gone: a read does no harm twice.
macro_rules! ask {
    ($store:ident, $connection:ident => $read:expr) => {
        Box::pin(async move {
            for _ in 1..crate::store::READS {
                let mut $connection = $store.connection().await?;
                match $read.await {
                    Err(StoreError::Unavailable(_)) if $store.is_gone(&mut $connection).await => {}
                    answer => return answer,
                }
            }
            let mut $connection = $store.connection().await?;
            $read.await
        })
    };
}

pub(crate) use ask;

/// The SQLSTATE of a statement in a transaction that has failed.
const FAILED_TRANSACTION: &str = "25P02";

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
                Box::pin(async move { derived::save_snapshot(&mut *self.committing().await?, ledger, snapshot).await })
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
                Box::pin(async move { derived::project(&mut *self.committing().await?, ledger, write).await })
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
                Box::pin(async move { derived::promote(&mut *self.committing().await?, ledger, promotion).await })
            }
        }
    };
}

pub(crate) use impl_store;

impl_store!(PgStore);
