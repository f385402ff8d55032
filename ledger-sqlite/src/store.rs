//! The store: one writer that appends in turn, and readers that see what is committed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use compact_str::CompactString;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Clock, EventRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite,
    Promotion, RequestRow, SnapshotRow, Store, StoreError, StreamAfter, StreamPage, page_size,
};
use ledger_core::stream::StreamName;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, query, query_scalar};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::reading;
use crate::row::{self, READ_CHECKPOINT, event_columns, request_columns};
use crate::schema::{self, Finding};
use crate::writer::{Job, Writer};

/// How long a statement waits while another process writes.
const BUSY: Duration = Duration::from_secs(5);
/// How many reads of this store run at once.
const READERS: u32 = 4;
/// How many appends wait in line before a caller waits to join it.
const LINE: usize = 64;

/// Ledgers in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    readers: SqlitePool,
    writer: Option<(mpsc::Sender<Job>, JoinHandle<()>)>,
}

/// The clock of the system, which stores go by unless they are given another.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

impl SqliteStore {
    /// Opens a ledger file, and makes it if there is none.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the file is no ledger, of another version, read-only, locked, or cannot be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, system_clock()).await
    }

    /// Opens a ledger file as [`open`](Self::open) does, with another clock.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(path: impl AsRef<Path>, clock: Clock) -> Result<Self, StoreError> {
        let path = absolute(path.as_ref())?;
        let options = options(&path).create_if_missing(true).synchronous(SqliteSynchronous::Full);
        let mut connection = connect(&options).await?;
        schema::prepare(&mut connection).await?;
        // What can be read need not be writable; better to hear it now than at the first append.
        match connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction.rollback().await.map_err(reading)?,
            Err(error) => match reading(error) {
                StoreError::Unavailable(_) => {}
                error => return Err(error),
            },
        }
        let readers = readers(&path).await?;
        let (sender, jobs) = mpsc::channel(LINE);
        let task = tokio::spawn(Writer::new(options, connection, clock).run(jobs));
        Ok(Self { path, readers, writer: Some((sender, task)) })
    }

    /// Opens a ledger file for reading. Appends are refused.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the file is missing, no ledger, or of another version.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = absolute(path.as_ref())?;
        Ok(Self { readers: readers(&path).await?, path, writer: None })
    }

    /// Waits until what was sent is done, and closes the file. A store that is dropped does the same, but nobody waits.
    pub async fn close(self) {
        // The last connection to close takes the write-ahead log back into the file, which a reader may not do.
        self.readers.close().await;
        if let Some((jobs, task)) = self.writer {
            drop(jobs);
            // The task ends when its line is empty; if it was aborted with its runtime, there is nothing to wait for.
            let _ = task.await;
        }
    }

    /// Moves a file's tables up or down to a version. Down to 0 is possible only while there is no event.
    ///
    /// # Errors
    /// [`StoreError`], with nothing changed.
    pub async fn migrate(path: impl AsRef<Path>, version: u32) -> Result<(), StoreError> {
        let path = absolute(path.as_ref())?;
        let mut connection = connect(&options(&path).create_if_missing(version > 0)).await?;
        schema::migrate(&mut connection, version).await?;
        connection.close().await.map_err(reading)
    }

    /// The SQL that [`migrate`](Self::migrate) would run, for people to read. Nothing is changed.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate).
    pub async fn plan(path: impl AsRef<Path>, version: u32) -> Result<String, StoreError> {
        let path = absolute(path.as_ref())?;
        let options =
            if path.exists() { options(&path).read_only(true) } else { SqliteConnectOptions::new().in_memory(true) };
        let mut connection = connect(&options).await?;
        let steps = schema::steps(&mut connection, version).await?;
        connection.close().await.map_err(reading)?;
        Ok(format!("BEGIN IMMEDIATE;\n\n{}\nCOMMIT;\n", steps.join("\n")))
    }

    /// The version of a file's tables; 0 for an empty file.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the file is missing, no ledger, or newer than this library.
    pub async fn version(path: impl AsRef<Path>) -> Result<u32, StoreError> {
        let path = absolute(path.as_ref())?;
        let mut connection = connect(&options(&path).read_only(true)).await?;
        let version = schema::version(&mut connection).await?;
        connection.close().await.map_err(reading)?;
        Ok(version)
    }

    /// Looks for everything about the file that is not as it should be: damaged pages, tables and triggers that somebody
    /// changed, heads that do not fit. It reads the whole file. What is inside the rows is for who verifies a ledger.
    ///
    /// # Errors
    /// [`StoreError`] when the file could not be looked at.
    pub async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(reading)?;
        schema::check(&mut connection).await
    }

    /// Copies the ledgers as they are now into a new file, while others go on reading and writing, and checks the copy.
    ///
    /// # Errors
    /// [`StoreError`]: the target exists, or the copy could not be written or is not sound. No file is left then.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let to = absolute(to.as_ref())?;
        refuse_existing(&to)?;
        let part = sibling(&to, ".part");
        refuse_existing(&part)?;
        let copied = self.copy(&part).await;
        let finish = move || {
            let done = copied.and_then(|()| publish(&part, &to));
            let _ = std::fs::remove_file(&part);
            done
        };
        tokio::task::spawn_blocking(finish).await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Makes a new ledger file from a backup, or from any other ledger file, once it is found to be sound.
    ///
    /// # Errors
    /// [`StoreError`]: the target exists, the source is no sound ledger, or the copy could not be written.
    pub async fn restore(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let source = Self::open_read_only(from).await?;
        let done = source.backup(to).await;
        source.close().await;
        done
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn copy(&self, to: &Path) -> Result<(), StoreError> {
        sound(&self.check().await?)?;
        let name = to.to_str().ok_or_else(|| StoreError::Unusable("the path is not UTF-8".into()))?;
        query("VACUUM INTO ?").bind(name).execute(&self.readers).await.map_err(reading)?;
        let copy = Self::open_read_only(to).await?;
        let findings = copy.check().await;
        copy.close().await;
        sound(&findings?)
    }

    async fn send<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Result<T, StoreError> {
        let Some((jobs, _)) = &self.writer else {
            return Err(StoreError::Unusable("the ledger is open for reading only; open it for writing".into()));
        };
        let (sender, answer) = oneshot::channel();
        let stopped = || "the writer has stopped with its runtime; open the store again";
        jobs.send(job(sender)).await.map_err(|_| StoreError::Unavailable(stopped().into()))?;
        answer.await.map_err(|_| StoreError::Unknown(stopped().into()))?
    }

    async fn one(&self, ledger: &LedgerName, name: &str, sql: &'static str) -> Result<Option<SqliteRow>, StoreError> {
        query(sql).bind(ledger.as_str()).bind(name).fetch_optional(&self.readers).await.map_err(reading)
    }

    async fn streams(
        &self,
        ledger: &LedgerName,
        streams: &[StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> Result<StreamPage, StoreError> {
        let named: serde_json::Map<_, _> =
            streams.iter().map(|stream| (stream.stream.as_str().into(), stream.after.into())).collect();
        let limit = page_size(limit);
        let rows = query(READ_STREAMS)
            .bind(ledger.as_str())
            .bind(serde_json::Value::Object(named).to_string())
            // No ledger is longer, so a higher sequence means the head.
            .bind(at.map(|at| i64::try_from(at).unwrap_or(i64::MAX)))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let rows = rows.fetch_all(&self.readers).await.map_err(reading)?;
        let mut page = StreamPage { more: rows.len() > limit, ..StreamPage::default() };
        for row in rows.iter().take(limit) {
            if row::get::<Option<i64>>(row, 0, 0, "a head's sequence")?.is_none() {
                return Err(row::damaged(0, "the head", "it is gone, and the log is there"));
            }
            page.at = row::number(row, 0, 0, "a head's sequence")?;
            // The row of a page without events names only the sequence.
            if row::get::<Option<i64>>(row, 1, 0, "sequence")?.is_some() {
                page.events.push(row::event(row, 1)?);
            }
        }
        Ok(page)
    }

    async fn log(&self, ledger: &LedgerName, after: u64, limit: usize) -> Result<LogPage, StoreError> {
        let next = i64::try_from(after).ok().and_then(|after| after.checked_add(1));
        let Some(next) = next else { return Ok(LogPage::default()) };
        let limit = page_size(limit);
        let end = next.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX)).saturating_sub(1);
        // Rows that stand before the first sequence are damage, and shown with the beginning.
        let start = if after == 0 { i64::MIN } else { next };
        // Both statements see the same log: what is committed between them belongs to neither.
        let mut transaction = self.readers.begin().await.map_err(reading)?;
        let rows = query(READ_REQUESTS).bind(ledger.as_str()).bind(start).bind(end);
        let rows = rows.fetch_all(&mut *transaction).await.map_err(reading)?;
        let mut requests = Vec::with_capacity(rows.len());
        for row in &rows {
            let request = row::request(row)?;
            // A record that begins within the one before it is forged: it is shown, whatever size it claims.
            let within =
                requests.last().is_some_and(|last: &RequestRow| request.first_sequence <= last.last_sequence());
            if !requests.is_empty() && !within && request.last_sequence() > after.saturating_add(limit as u64) {
                break;
            }
            requests.push(request);
        }
        let last = match requests.iter().map(RequestRow::last_sequence).max() {
            Some(last) => i64::try_from(last).unwrap_or(i64::MAX),
            // Only events without a request follow: the next one, wherever it stands, and what is near it.
            None => {
                let next = query_scalar(NEXT_EVENT).bind(ledger.as_str()).bind(start);
                let next: Option<i64> = next.fetch_one(&mut *transaction).await.map_err(reading)?;
                next.map_or(end, |next| end.max(next))
            }
        };
        let events = read_events(&mut transaction, ledger, start, last).await?;
        transaction.rollback().await.map_err(reading)?;
        Ok(LogPage { requests, events })
    }

    async fn by_key(&self, ledger: &LedgerName, key: &Key) -> Result<Option<LogPage>, StoreError> {
        let Some(row) = self.one(ledger, key.as_str(), READ_KEY).await? else { return Ok(None) };
        let request = row::request(&row)?;
        let bound = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
        // A request that is there has all its events there, and neither ever changes: one snapshot is not needed.
        let mut connection = self.readers.acquire().await.map_err(reading)?;
        let first = bound(request.first_sequence);
        let events = read_events(&mut connection, ledger, first, bound(request.last_sequence())).await?;
        Ok(Some(LogPage { requests: vec![request], events }))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        let (ledger, group) = (ledger.clone(), group.to_vec());
        Box::pin(self.send(|answer| Job::Append { ledger, group, answer }))
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        Box::pin(self.streams(ledger, streams, at, limit))
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        Box::pin(self.log(ledger, after, limit))
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        Box::pin(self.by_key(ledger, key))
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        Box::pin(async move {
            let row = query("SELECT sequence, link, recorded_at_us FROM heads WHERE ledger = ?").bind(ledger.as_str());
            let row = row.fetch_optional(&self.readers).await.map_err(reading)?;
            row.as_ref().map_or(Ok(Head::default()), row::head)
        })
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        Box::pin(async move {
            let rows =
                query("SELECT ledger FROM heads ORDER BY ledger").fetch_all(&self.readers).await.map_err(reading)?;
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
        let (ledger, snapshot) = (ledger.clone(), snapshot.clone());
        Box::pin(self.send(|answer| Job::Snapshot { ledger, snapshot, answer }))
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        Box::pin(async move {
            let names: Vec<&str> = streams.iter().map(StreamName::as_str).collect();
            let rows = query(READ_SNAPSHOTS).bind(ledger.as_str()).bind(row::json(&names)?);
            let rows = rows.fetch_all(&self.readers).await.map_err(reading)?;
            rows.iter().map(row::snapshot).collect()
        })
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        Box::pin(async move {
            let row = self.one(ledger, name, READ_CHECKPOINT).await?;
            row.as_ref().map(row::checkpoint).transpose()
        })
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (ledger, write) = (ledger.clone(), write.clone());
        Box::pin(self.send(|answer| Job::Project { ledger, write, answer }))
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move {
            let rows = query(READ_ROWS).bind(ledger.as_str()).bind(projection).bind(row::json(&keys)?);
            let rows = rows.fetch_all(&self.readers).await.map_err(reading)?;
            rows.iter().map(row::projected).collect()
        })
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move {
            let limit = i64::try_from(page_size(limit)).unwrap_or(i64::MAX);
            // No key comes before the empty one, which is one too.
            let sql = if after.is_none() { LIST_ROWS } else { LIST_ROWS_AFTER };
            let rows = query(sql).bind(ledger.as_str()).bind(projection).bind(after.unwrap_or_default()).bind(limit);
            let rows = rows.fetch_all(&self.readers).await.map_err(reading)?;
            rows.iter().map(row::projected).collect()
        })
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (ledger, promotion) = (ledger.clone(), promotion.clone());
        Box::pin(self.send(|answer| Job::Promote { ledger, promotion, answer }))
    }
}

/// The head, and with it the events of the named streams that a page may show: one statement, one snapshot.
const READ_STREAMS: &str = concat!(
    "WITH upto (at) AS (",
    "  SELECT min(coalesce(?3, head), head)",
    "  FROM (SELECT coalesce(max(sequence), CASE WHEN NOT EXISTS (SELECT 1 FROM requests WHERE ledger = ?1) THEN 0 END) AS head",
    "    FROM heads WHERE ledger = ?1 AND sequence <> 0)) ",
    "SELECT at, ",
    event_columns!(),
    " FROM upto LEFT JOIN events ON ledger = ?1 AND sequence IN (",
    "  SELECT found.sequence FROM json_each(?2) AS named CROSS JOIN events AS found",
    "  WHERE found.ledger = ?1 AND found.stream = named.key AND found.version > named.value",
    // The sign keeps the planner from walking the whole ledger instead of the streams.
    "    AND +found.sequence <= (SELECT at FROM upto)",
    "  ORDER BY found.sequence LIMIT ?4) ",
    "ORDER BY sequence",
);

/// The requests that begin within a page, or the next one if none does.
const READ_REQUESTS: &str = concat!(
    "SELECT ",
    request_columns!(),
    " FROM requests WHERE ledger = ?1 AND first_sequence >= ?2 AND first_sequence <= max(?3, coalesce(",
    "  (SELECT min(first_sequence) FROM requests WHERE ledger = ?1 AND first_sequence >= ?2), 0)) ",
    "ORDER BY first_sequence",
);

const READ_EVENTS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE ledger = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence",
);

const NEXT_EVENT: &str = "SELECT min(sequence) FROM events WHERE ledger = ?1 AND sequence >= ?2";

const READ_KEY: &str = concat!("SELECT ", request_columns!(), " FROM requests WHERE ledger = ?1 AND key = ?2");

const READ_SNAPSHOTS: &str = "SELECT stream, version, digest, first_sequence, link, form, state, checksum \
     FROM (SELECT value AS named FROM json_each(?2)) CROSS JOIN snapshots WHERE ledger = ?1 AND stream = named";

const READ_ROWS: &str = "SELECT key, sequence, value \
     FROM (SELECT value AS named FROM json_each(?3)) CROSS JOIN projection_rows \
     WHERE ledger = ?1 AND projection = ?2 AND projection_rows.key = named";

const LIST_ROWS: &str = "SELECT key, sequence, value FROM projection_rows \
     WHERE ledger = ?1 AND projection = ?2 AND key >= ?3 ORDER BY key LIMIT ?4";

const LIST_ROWS_AFTER: &str = "SELECT key, sequence, value FROM projection_rows \
     WHERE ledger = ?1 AND projection = ?2 AND key > ?3 ORDER BY key LIMIT ?4";

async fn read_events(
    connection: &mut SqliteConnection,
    ledger: &LedgerName,
    first: i64,
    last: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = query(READ_EVENTS).bind(ledger.as_str()).bind(first).bind(last);
    let rows = rows.fetch_all(connection).await.map_err(reading)?;
    rows.iter().map(|row| row::event(row, 0)).collect()
}

/// What every connection is set to.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("recursive_triggers", "ON")
        .row_buffer_size(1024)
}

pub(crate) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut connection = options.connect().await.map_err(reading)?;
    schema::require_library(&mut connection).await?;
    Ok(connection)
}

async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = options(path).read_only(true);
    let mut connection = connect(&options).await?;
    schema::require_current(&mut connection).await?;
    connection.close().await.map_err(reading)?;
    let pool = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(BUSY);
    // A file does not go away as a server does: no need to ask it each time whether it is there.
    let pool = pool.test_before_acquire(false).idle_timeout(None).max_lifetime(None);
    pool.connect_with(options).await.map_err(reading)
}

/// SQLite reads names such as `file:…` and `:memory:` in its own way; an absolute path is only ever a path.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    if path.is_dir() {
        return Err(StoreError::Unusable(format!(
            "{} cannot be opened, it is a directory; name a file",
            path.display()
        )));
    }
    std::path::absolute(path).map_err(|error| unwritable(path, &error))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file, or the log that a file of that name has left, must not be taken for a part of what is written now.
fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    for path in [path, &sibling(path, "-wal"), &sibling(path, "-journal")] {
        if std::fs::symlink_metadata(path).is_ok() {
            let text = format!("{} exists and is never overwritten; choose another path", path.display());
            return Err(StoreError::Unusable(text));
        }
    }
    Ok(())
}

/// Gives a finished file its name, on the disk.
fn publish(part: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::File::open(part).and_then(|file| file.sync_all()).map_err(|error| unwritable(part, &error))?;
    // A link, unlike a rename, never replaces a file that somebody made meanwhile.
    std::fs::hard_link(part, to).map_err(|error| unwritable(to, &error))?;
    if let Some(directory) = to.parent().filter(|_| cfg!(unix)) {
        std::fs::File::open(directory).and_then(|file| file.sync_all()).map_err(|error| unwritable(to, &error))?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!("{} cannot be written: {error}", path.display()))
}

fn sound(findings: &[Finding]) -> Result<(), StoreError> {
    findings.first().map_or(Ok(()), |finding| Err(StoreError::Unusable(format!("the ledger is not sound: {finding}"))))
}
