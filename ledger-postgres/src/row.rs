//! Rows of the tables as rows of the contract. What does not fit is reported as damage, never guessed at.

use compact_str::CompactString;
use ledger_core::Date;
use ledger_core::chain::Digest;
use ledger_core::store::{CheckpointRow, EventRow, Head, ProjectionRow, RequestRow, SnapshotRow, StoreError};
use ledger_core::stream::StreamName;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

/// The columns of `events` that [`event`] reads, in its order and of its types.
macro_rules! event_columns {
    () => {
        "sequence, version, stream, payload, type, schema_version::bigint, digest, position::bigint, effective"
    };
}

/// The columns of `requests` that [`request`] reads, in its order and of its types: those of the first columns of an event,
/// so that both come in one answer.
macro_rules! request_columns {
    () => {
        "first_sequence, size::bigint, key, request_hash, actor, recorded_at_us, link"
    };
}

pub(crate) use {event_columns, request_columns};

/// An event from a row whose columns from `first` on are `event_columns!()`.
pub(crate) fn event(row: &PgRow, first: usize) -> Result<EventRow, StoreError> {
    let sequence = number(row, first, 0, "sequence")?;
    Ok(EventRow {
        sequence,
        version: number(row, first + 1, sequence, "version")?,
        stream: StreamName::from_stored(get(row, first + 2, sequence, "stream")?),
        payload: get(row, first + 3, sequence, "payload")?,
        type_name: text(row, first + 4, sequence, "type")?,
        schema_version: number(row, first + 5, sequence, "schema_version")?,
        digest: digest(row, first + 6, sequence, "digest")?,
        index: number(row, first + 7, sequence, "position")?,
        effective: date(row, first + 8, sequence, "effective")?,
    })
}

/// A request from a row whose columns from `first` on are `request_columns!()`.
pub(crate) fn request(row: &PgRow, first: usize) -> Result<RequestRow, StoreError> {
    let first_sequence = number(row, first, 0, "first_sequence")?;
    Ok(RequestRow {
        first_sequence,
        size: number(row, first + 1, first_sequence, "size")?,
        key: text(row, first + 2, first_sequence, "key")?,
        request_hash: digest(row, first + 3, first_sequence, "request_hash")?,
        actor: text(row, first + 4, first_sequence, "actor")?,
        recorded_at_us: get(row, first + 5, first_sequence, "recorded_at_us")?,
        link: digest(row, first + 6, first_sequence, "link")?,
    })
}

/// A head from its sequence, link and time.
pub(crate) fn head(row: &PgRow) -> Result<Head, StoreError> {
    let sequence = number(row, 0, 0, "a head's sequence")?;
    Ok(Head {
        sequence,
        link: digest(row, 1, sequence, "a head's link")?,
        recorded_at_us: get(row, 2, sequence, "a head's recorded_at_us")?,
    })
}

/// A checkpoint from its name, version, sequence, link and state.
pub(crate) fn checkpoint(row: &PgRow) -> Result<CheckpointRow, StoreError> {
    let sequence = number(row, 2, 0, "a checkpoint's sequence")?;
    Ok(CheckpointRow {
        name: text(row, 0, sequence, "a checkpoint's name")?,
        version: number(row, 1, sequence, "a checkpoint's version")?,
        sequence,
        link: digest(row, 3, sequence, "a checkpoint's link")?,
        state: get(row, 4, sequence, "a checkpoint's state")?,
    })
}

/// A snapshot from its stream, version, digest, first sequence, link, form, state and check.
pub(crate) fn snapshot(row: &PgRow) -> Result<SnapshotRow, StoreError> {
    Ok(SnapshotRow {
        stream: StreamName::from_stored(get(row, 0, 0, "a snapshot's stream")?),
        version: number(row, 1, 0, "a snapshot's version")?,
        digest: digest(row, 2, 0, "a snapshot's digest")?,
        first_sequence: number(row, 3, 0, "a snapshot's first_sequence")?,
        link: digest(row, 4, 0, "a snapshot's link")?,
        form: number(row, 5, 0, "a snapshot's form")?,
        state: get(row, 6, 0, "a snapshot's state")?,
        check: digest(row, 7, 0, "a snapshot's checksum")?,
    })
}

/// A projection's row from its key, sequence and value.
pub(crate) fn projected(row: &PgRow) -> Result<ProjectionRow, StoreError> {
    let sequence = number(row, 1, 0, "a row's sequence")?;
    Ok(ProjectionRow {
        key: text(row, 0, sequence, "a row's key")?,
        sequence,
        value: get(row, 2, sequence, "a row's value")?,
    })
}

pub(crate) fn get<'r, T>(row: &'r PgRow, column: usize, sequence: u64, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|error| damaged(sequence, name, &error.to_string()))
}

pub(crate) fn number<T: TryFrom<i64>>(row: &PgRow, column: usize, sequence: u64, name: &str) -> Result<T, StoreError> {
    let value = get::<i64>(row, column, sequence, name)?;
    value.try_into().map_err(|_| damaged(sequence, name, &format!("{value} is out of range")))
}

pub(crate) fn text(row: &PgRow, column: usize, sequence: u64, name: &str) -> Result<CompactString, StoreError> {
    get::<&str>(row, column, sequence, name).map(CompactString::from)
}

pub(crate) fn digest(row: &PgRow, column: usize, sequence: u64, name: &str) -> Result<Digest, StoreError> {
    let bytes = get::<&[u8]>(row, column, sequence, name)?;
    let wrong = |_| damaged(sequence, name, &format!("it has {} bytes instead of 32", bytes.len()));
    bytes.try_into().map(Digest).map_err(wrong)
}

/// The driver itself panics over a date that no calendar has, such as infinity.
fn date(row: &PgRow, column: usize, sequence: u64, name: &str) -> Result<Date, StoreError> {
    let days: i32 = row.try_get_unchecked(column).map_err(|error| damaged(sequence, name, &error.to_string()))?;
    day(days).ok_or_else(|| damaged(sequence, name, &format!("{days} days from 2000-01-01 on is no date")))
}

/// A date as the server counts: in days from 2000-01-01 on. The calendar counts from the year 1.
pub(crate) fn day(days: i32) -> Option<Date> {
    days.checked_add(730_120).and_then(Date::from_num_days_from_ce_opt)
}

/// A number as the database counts.
pub(crate) fn integer(value: u64) -> Result<i64, StoreError> {
    value.try_into().map_err(|_| StoreError::Corrupt { sequence: value, what: "a number is out of range".into() })
}

pub(crate) fn damaged(sequence: u64, name: &str, problem: &str) -> StoreError {
    StoreError::Corrupt { sequence, what: format!("{name}: {problem}") }
}
