//! Rows of the tables as rows of the contract. What does not fit is reported as damage, never guessed at.

use compact_str::CompactString;
use ledger_core::Date;
use ledger_core::chain::Digest;
use ledger_core::store::{CheckpointRow, EventRow, Head, ProjectionRow, RequestRow, SnapshotRow, StoreError};
use ledger_core::stream::{StreamName, Tip};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

/// The columns of `events` that [`event`] reads, in its order.
macro_rules! event_columns {
    () => {
        "sequence, stream, version, type, schema_version, position, effective, payload, digest"
    };
}

/// The columns of `requests` that [`request`] reads, in its order.
macro_rules! request_columns {
    () => {
        "first_sequence, size, key, request_hash, actor, recorded_at_us, link"
    };
}

pub(crate) use {event_columns, request_columns};

/// An event from a row whose columns from `first` on are `event_columns!()`.
pub(crate) fn event(row: &SqliteRow, first: usize) -> Result<EventRow, StoreError> {
    let sequence = number(row, first, 0, "sequence")?;
    let text = |place, name| get::<&str>(row, first + place, sequence, name);
    Ok(EventRow {
        sequence,
        stream: StreamName::from_stored(text(1, "stream")?),
        version: number(row, first + 2, sequence, "version")?,
        type_name: text(3, "type")?.into(),
        schema_version: number(row, first + 4, sequence, "schema_version")?,
        index: number(row, first + 5, sequence, "position")?,
        effective: date(text(6, "effective")?).ok_or_else(|| damaged(sequence, "effective", "it is no date"))?,
        payload: get(row, first + 7, sequence, "payload")?,
        digest: digest(row, first + 8, sequence, "digest")?,
    })
}

/// A request from a row whose columns are `request_columns!()`.
pub(crate) fn request(row: &SqliteRow) -> Result<RequestRow, StoreError> {
    let first_sequence = number(row, 0, 0, "first_sequence")?;
    let text = |place, name| get::<&str>(row, place, first_sequence, name).map(CompactString::from);
    Ok(RequestRow {
        first_sequence,
        size: number(row, 1, first_sequence, "size")?,
        key: text(2, "key")?,
        request_hash: digest(row, 3, first_sequence, "request_hash")?,
        actor: text(4, "actor")?,
        recorded_at_us: get(row, 5, first_sequence, "recorded_at_us")?,
        link: digest(row, 6, first_sequence, "link")?,
    })
}

/// A head from its sequence, link and time.
pub(crate) fn head(row: &SqliteRow) -> Result<Head, StoreError> {
    let sequence = number(row, 0, 0, "a head's sequence")?;
    Ok(Head {
        sequence,
        link: digest(row, 1, sequence, "a head's link")?,
        recorded_at_us: get(row, 2, sequence, "a head's recorded_at_us")?,
    })
}

/// A stream's tip from its name, version, digest and sequence.
pub(crate) fn tip(row: &SqliteRow) -> Result<(StreamName, Tip), StoreError> {
    let sequence = number(row, 3, 0, "sequence")?;
    let stream = StreamName::from_stored(get(row, 0, sequence, "stream")?);
    let version = number(row, 1, sequence, "version")?;
    Ok((stream, Tip { version, digest: digest(row, 2, sequence, "digest")? }))
}

pub(crate) const READ_CHECKPOINT: &str =
    "SELECT name, version, sequence, link, state FROM checkpoints WHERE ledger = ?1 AND name = ?2";

/// A checkpoint from its name, version, sequence, link and state.
pub(crate) fn checkpoint(row: &SqliteRow) -> Result<CheckpointRow, StoreError> {
    let sequence = number(row, 2, 0, "a checkpoint's sequence")?;
    Ok(CheckpointRow {
        name: get::<&str>(row, 0, sequence, "a checkpoint's name")?.into(),
        version: number(row, 1, sequence, "a checkpoint's version")?,
        sequence,
        link: digest(row, 3, sequence, "a checkpoint's link")?,
        state: get(row, 4, sequence, "a checkpoint's state")?,
    })
}

/// A snapshot from its stream, version, digest, first sequence, link, form, state and check.
pub(crate) fn snapshot(row: &SqliteRow) -> Result<SnapshotRow, StoreError> {
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
pub(crate) fn projected(row: &SqliteRow) -> Result<ProjectionRow, StoreError> {
    let sequence = number(row, 1, 0, "a row's sequence")?;
    let key = get::<&str>(row, 0, sequence, "a row's key")?.into();
    Ok(ProjectionRow { key, sequence, value: get(row, 2, sequence, "a row's value")? })
}

pub(crate) fn get<'r, T>(row: &'r SqliteRow, column: usize, sequence: u64, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(|error| damaged(sequence, name, &error.to_string()))
}

pub(crate) fn number<T: TryFrom<i64>>(
    row: &SqliteRow,
    column: usize,
    sequence: u64,
    name: &str,
) -> Result<T, StoreError> {
    let value = get::<i64>(row, column, sequence, name)?;
    value.try_into().map_err(|_| damaged(sequence, name, &format!("{value} is out of range")))
}

fn digest(row: &SqliteRow, column: usize, sequence: u64, name: &str) -> Result<Digest, StoreError> {
    let bytes = get::<&[u8]>(row, column, sequence, name)?;
    let wrong = |_| damaged(sequence, name, &format!("it has {} bytes instead of 32", bytes.len()));
    bytes.try_into().map(Digest).map_err(wrong)
}

/// A date in the one form that is stored.
fn date(text: &str) -> Option<Date> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = <&[u8; 10]>::try_from(text.as_bytes()).ok()? else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number: u32, digit| Some(number * 10 + char::from(*digit).to_digit(10)?))
    };
    Date::from_ymd_opt(i32::try_from(number(&[y0, y1, y2, y3])?).ok()?, number(&[m0, m1])?, number(&[d0, d1])?)
}

/// Names as one parameter of a statement.
pub(crate) fn json(names: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(names).map_err(|error| StoreError::Unusable(error.to_string()))
}

pub(crate) fn damaged(sequence: u64, name: &str, problem: &str) -> StoreError {
    StoreError::Corrupt { sequence, what: format!("{name}: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn a_date_has_one_form() {
        assert_eq!(date("2024-02-29").map(|date| date.to_string()).as_deref(), Some("2024-02-29"));
        for other in ["", "2023-02-29", "2024-2-29", "2024-02-29 ", "+024-02-29", "2024/02/29", "２024-02-2"] {
            assert_eq!(date(other), None, "{other:?}");
        }
    }
}
