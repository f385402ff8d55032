//! The one writer of a store: a task of its own, so that a caller that goes away cuts no transaction.

use std::collections::BTreeSet;

use ledger_core::id::LedgerName;
use ledger_core::limits::LAST_RECORDED_AT_US;
use ledger_core::store::admit::{Admitted, Before, admit, now_us};
use ledger_core::store::{
    Append, Clock, EventRow, Outcome, ProjectionWrite, Promotion, RequestRow, SnapshotRow, StoreError,
};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions};
use sqlx::{Connection, SqliteConnection, query};
use tokio::sync::{mpsc, oneshot};

use crate::derived;
use crate::error::{reading, writing};
use crate::row::{self, request_columns};
use crate::store::connect;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Append a group.
    Append { ledger: LedgerName, group: Vec<Append>, answer: oneshot::Sender<Result<Vec<Outcome>, StoreError>> },
    /// Move a projection on.
    Project { ledger: LedgerName, write: ProjectionWrite, answer: oneshot::Sender<Result<bool, StoreError>> },
    /// Put one projection in place of another.
    Promote { ledger: LedgerName, promotion: Promotion, answer: oneshot::Sender<Result<bool, StoreError>> },
    /// Keep a snapshot.
    Snapshot { ledger: LedgerName, snapshot: SnapshotRow, answer: oneshot::Sender<Result<(), StoreError>> },
}

pub(crate) struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    clock: Clock,
}

impl Writer {
    pub(crate) fn new(options: SqliteConnectOptions, connection: SqliteConnection, clock: Clock) -> Self {
        // A file that was removed since it was opened must not come back empty.
        Self { options: options.create_if_missing(false), connection: Some(connection), clock }
    }

    /// Does the jobs in order until nobody can send another.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        // Nobody may be waiting for an answer any more; the job is done all the same.
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Append { ledger, group, answer } => {
                    let _ = answer.send(self.append(&ledger, group).await);
                }
                Job::Project { ledger, write, answer } => {
                    let _ = answer.send(self.project(&ledger, &write).await);
                }
                Job::Promote { ledger, promotion, answer } => {
                    let _ = answer.send(self.promote(&ledger, &promotion).await);
                }
                Job::Snapshot { ledger, snapshot, answer } => {
                    let _ = answer.send(self.snapshot(&ledger, &snapshot).await);
                }
            }
        }
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }

    async fn append(&mut self, ledger: &LedgerName, group: Vec<Append>) -> Result<Vec<Outcome>, StoreError> {
        let mut connection = self.connection().await?;
        let done = append(&mut connection, ledger, group, &self.clock).await;
        self.keep(connection, done).await
    }

    async fn project(&mut self, ledger: &LedgerName, write: &ProjectionWrite) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let done = derived::project(&mut connection, ledger, write).await;
        self.keep(connection, done).await
    }

    async fn promote(&mut self, ledger: &LedgerName, promotion: &Promotion) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let done = derived::promote(&mut connection, ledger, promotion).await;
        self.keep(connection, done).await
    }

    async fn snapshot(&mut self, ledger: &LedgerName, snapshot: &SnapshotRow) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let done = derived::snapshot(&mut connection, ledger, snapshot).await;
        self.keep(connection, done).await
    }

    async fn connection(&mut self) -> Result<SqliteConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.options).await,
        }
    }

    /// Keeps the connection only after success: SQLite ends a transaction by itself on some errors and not on others, and
    /// the driver's count of open transactions does not follow.
    async fn keep<T>(&mut self, connection: SqliteConnection, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Ok(_) => self.connection = Some(connection),
            Err(_) => drop(connection.close().await),
        }
        done
    }
}

async fn append(
    connection: &mut SqliteConnection,
    ledger: &LedgerName,
    group: Vec<Append>,
    clock: &Clock,
) -> Result<Vec<Outcome>, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(reading)?;
    let before = read(&mut transaction, ledger, &group).await?;
    let admitted = admit(group, before, now_us(clock)?);
    if admitted.requests.is_empty() {
        transaction.rollback().await.map_err(reading)?;
    } else {
        write(&mut transaction, ledger, &admitted).await?;
        transaction.commit().await.map_err(writing)?;
    }
    Ok(admitted.outcomes)
}

/// Reads under the lock what the group is judged by: three statements, however large it is.
async fn read(connection: &mut SqliteConnection, ledger: &LedgerName, group: &[Append]) -> Result<Before, StoreError> {
    let head = query(READ_HEAD).bind(ledger.as_str()).fetch_optional(&mut *connection).await.map_err(reading)?;
    let Some(found) = head else { return Ok(Before::default()) };
    let head = row::head(&found)?;
    if !row::get::<bool>(&found, 3, head.sequence, "a head")? || head.recorded_at_us > LAST_RECORDED_AT_US {
        return Err(row::damaged(head.sequence, "a head", "it is not at the last request"));
    }
    let keys: Vec<&str> = group.iter().map(|request| request.key.as_str()).collect();
    let requests = query(READ_KEYS).bind(ledger.as_str()).bind(row::json(&keys)?);
    let requests = requests.fetch_all(&mut *connection).await.map_err(reading)?;
    let guards = group.iter().flat_map(|request| &request.guards);
    let streams: BTreeSet<&str> = guards.map(|guard| guard.stream.as_str()).collect();
    let tips = query(READ_TIPS).bind(ledger.as_str()).bind(row::json(&streams)?);
    let tips = tips.fetch_all(&mut *connection).await.map_err(reading)?;
    Ok(Before {
        head,
        requests: requests.iter().map(row::request).collect::<Result<_, _>>()?,
        tips: tips.iter().map(row::tip).collect::<Result<_, _>>()?,
    })
}

async fn write(connection: &mut SqliteConnection, ledger: &LedgerName, admitted: &Admitted) -> Result<(), StoreError> {
    let ledger = ledger.as_str();
    for (sql, rows) in chunks(&admitted.requests, &INSERT_REQUESTS) {
        let insert = rows.iter().try_fold(query(sql), |insert, row| bind_request(insert, ledger, row))?;
        insert.execute(&mut *connection).await.map_err(writing)?;
    }
    for (sql, rows) in chunks(&admitted.events, &INSERT_EVENTS) {
        let insert = rows.iter().try_fold(query(sql), |insert, row| bind_event(insert, ledger, row))?;
        insert.execute(&mut *connection).await.map_err(writing)?;
    }
    let head = admitted.head;
    let moved =
        query(MOVE_HEAD).bind(ledger).bind(integer(head.sequence)?).bind(&head.link.0[..]).bind(head.recorded_at_us);
    moved.execute(connection).await.map_err(writing)?;
    Ok(())
}

/// With whether it stands where the last request does: nothing is built on a head that somebody has moved.
const READ_HEAD: &str = "SELECT sequence, link, recorded_at_us, (sequence, link, recorded_at_us) IS (\
     SELECT first_sequence + size - 1, link, recorded_at_us FROM requests WHERE ledger = ?1 ORDER BY first_sequence DESC LIMIT 1) \
     FROM heads WHERE ledger = ?1";

const READ_KEYS: &str = concat!(
    "SELECT ",
    request_columns!(),
    " FROM (SELECT value AS named FROM json_each(?2)) CROSS JOIN requests WHERE ledger = ?1 AND key = named",
);

const READ_TIPS: &str = "SELECT stream, version, digest, sequence \
     FROM (SELECT value AS named FROM json_each(?2)) CROSS JOIN events WHERE ledger = ?1 AND stream = named \
     AND version = (SELECT max(version) FROM events WHERE ledger = ?1 AND stream = named)";

const MOVE_HEAD: &str = "INSERT INTO heads (ledger, sequence, link, recorded_at_us) VALUES (?, ?, ?, ?) \
     ON CONFLICT (ledger) DO UPDATE \
     SET sequence = excluded.sequence, link = excluded.link, recorded_at_us = excluded.recorded_at_us";

macro_rules! eight {
    ($($row:tt)+) => {
        concat!($($row)+, ",", $($row)+, ",", $($row)+, ",", $($row)+, ",",
                $($row)+, ",", $($row)+, ",", $($row)+, ",", $($row)+)
    };
}

/// One insert for each size of chunk, the largest first. A statement costs the driver as much as several rows, so that rows
/// are best inserted together; few sizes keep the texts few, and each is prepared once.
macro_rules! inserts {
    ($into:literal, $row:literal) => {
        $crate::writer::inserts!($into, $row, "")
    };
    ($into:literal, $row:literal, $then:literal) => {
        [
            (512, concat!($into, eight!(eight!(eight!($row))), $then)),
            (64, concat!($into, eight!(eight!($row)), $then)),
            (8, concat!($into, eight!($row), $then)),
            (1, concat!($into, $row, $then)),
        ]
    };
}

pub(crate) use {eight, inserts};

pub(crate) type Inserts = [(usize, &'static str); 4];

const INSERT_REQUESTS: Inserts = inserts!(
    "INSERT INTO requests (ledger, first_sequence, size, key, request_hash, actor, recorded_at_us, link) VALUES ",
    "(?,?,?,?,?,?,?,?)"
);

const INSERT_EVENTS: Inserts = inserts!(
    "INSERT INTO events (ledger, sequence, stream, version, type, schema_version, position, effective, payload, digest) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?)"
);

/// Cuts rows into chunks that there is an insert for.
pub(crate) fn chunks<'r, T>(mut rows: &'r [T], inserts: &Inserts) -> impl Iterator<Item = (&'static str, &'r [T])> {
    inserts.iter().flat_map(move |(size, sql)| {
        let (whole, rest) = rows.split_at(rows.len() - rows.len() % size);
        rows = rest;
        whole.chunks_exact(*size).map(|chunk| (*sql, chunk))
    })
}

pub(crate) type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind_request<'q>(insert: Insert<'q>, ledger: &'q str, row: &'q RequestRow) -> Result<Insert<'q>, StoreError> {
    Ok(insert
        .bind(ledger)
        .bind(integer(row.first_sequence)?)
        .bind(row.size)
        .bind(row.key.as_str())
        .bind(&row.request_hash.0[..])
        .bind(row.actor.as_str())
        .bind(row.recorded_at_us)
        .bind(&row.link.0[..]))
}

fn bind_event<'q>(insert: Insert<'q>, ledger: &'q str, row: &'q EventRow) -> Result<Insert<'q>, StoreError> {
    Ok(insert
        .bind(ledger)
        .bind(integer(row.sequence)?)
        .bind(row.stream.as_str())
        .bind(integer(row.version)?)
        .bind(row.type_name.as_str())
        .bind(row.schema_version)
        .bind(row.index)
        .bind(row.effective.to_string())
        .bind(&row.payload[..])
        .bind(&row.digest.0[..]))
}

pub(crate) fn integer(value: u64) -> Result<i64, StoreError> {
    value.try_into().map_err(|_| StoreError::Corrupt { sequence: value, what: "a number is out of range".into() })
}
