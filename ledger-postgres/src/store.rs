//! The store: a pool of connections, one statement for everything that is asked.

use std::fmt;
use std::time::Duration;

use compact_str::CompactString;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Clock, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion,
    SnapshotRow, Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, query};

use crate::error::reading;
use crate::{append, derived, read, row, schema};

/// How many connections a pool of this store's own has at most.
const CONNECTIONS: u32 = 8;
/// How long a caller waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Ledgers in a PostgreSQL database.
pub struct PgStore {
    pool: PgPool,
    clock: Option<Clock>,
}

impl PgStore {
    /// Opens the ledgers of a database, with a pool of connections of their own. The time is the server's.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the server cannot be reached, refuses the role, or the tables are not there.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(reading)?;
        // What the URL or the environment says goes before.
        let options = if options.get_options().is_some() { options } else { options.options(SETTINGS) };
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
        // A connection that broke is found out by the statement that is sent on it, without a round trip before each.
        let pool = pool.test_before_acquire(false).connect_with(options).await.map_err(reading)?;
        let store = Self::with_pool(pool);
        schema::require_current(&mut *store.connection().await?).await?;
        Ok(store)
    }

    /// Opens the ledgers of a database as [`connect`](Self::connect) does, with another clock.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self { clock: Some(clock), ..Self::connect(url).await? })
    }

    /// Uses a pool that the host has. The time is the server's.
    #[must_use]
    pub fn with_pool(pool: PgPool) -> Self {
        Self { pool, clock: None }
    }

    /// Uses a pool that the host has, with another clock.
    #[must_use]
    pub fn with_pool_and(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock: Some(clock) }
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits until what was sent is done, and closes the pool, also for others that use it.
    pub async fn close(self) {
        self.pool.close().await;
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(reading)
    }
}

/// What waits for a lock or a statement without end holds a connection, and whoever waits for that one.
const SETTINGS: [(&str, &str); 4] = [
    ("default_transaction_isolation", "read committed"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "30s"),
];

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Store for PgStore {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            append::append(&mut connection, ledger, group, self.clock.as_ref().map(|clock| clock())).await
        })
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        Box::pin(async move { read::streams(&mut *self.connection().await?, ledger, streams, at, limit).await })
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        Box::pin(async move { read::log(&mut *self.connection().await?, ledger, after, limit).await })
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        Box::pin(async move { read::request(&mut *self.connection().await?, ledger, key).await })
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        Box::pin(async move { read::head(&mut *self.connection().await?, ledger).await })
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        Box::pin(async move {
            let rows = query("SELECT ledger FROM payledger.heads WHERE sequence > 0 ORDER BY ledger");
            let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(reading)?;
            let name = |row| {
                let text = row::get(row, 0, 0, "a ledger's name")?;
                LedgerName::new(text).map_err(|error| StoreError::Corrupt { sequence: 0, what: error.to_string() })
            };
            rows.iter().map(name).collect()
        })
    }

    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { derived::save_snapshot(&mut *self.connection().await?, ledger, snapshot).await })
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        Box::pin(async move { derived::snapshots(&mut *self.connection().await?, ledger, streams).await })
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        Box::pin(async move { derived::checkpoint(&mut *self.connection().await?, ledger, name).await })
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { derived::project(&mut *self.connection().await?, ledger, write).await })
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move { derived::rows(&mut *self.connection().await?, ledger, projection, keys).await })
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move { derived::list(&mut *self.connection().await?, ledger, projection, after, limit).await })
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { derived::promote(&mut *self.connection().await?, ledger, promotion).await })
    }
}
