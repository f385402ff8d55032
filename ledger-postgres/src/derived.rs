//! What is derived from the log: projections and snapshots. Each write is one call of a function, and so all or nothing.

use compact_str::CompactString;
use ledger_core::id::LedgerName;
use ledger_core::store::{
    CheckpointRow, ProjectionRow, ProjectionWrite, Promotion, SnapshotRow, StoreError, page_size,
};
use ledger_core::stream::StreamName;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row, query};

use crate::error::{reading, writing};
use crate::row::{self, integer};

const SAVE_PROJECTION: &str =
    "SELECT payledger.save_projection_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const PROMOTE: &str = "SELECT payledger.promote_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const SAVE_SNAPSHOT: &str = "SELECT payledger.save_snapshot_v1($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const READ_CHECKPOINT: &str =
    "SELECT name, version, sequence, link, state FROM payledger.checkpoints WHERE ledger = $1 AND name = $2";

const READ_SNAPSHOTS: &str = "SELECT stream, version, digest, first_sequence, link, form, state, checksum \
     FROM payledger.snapshots WHERE ledger = $1 AND stream = ANY ($2)";

const READ_ROWS: &str = "SELECT key, sequence, value FROM payledger.projection_rows \
     WHERE ledger = $1 AND projection = $2 AND key = ANY ($3)";

const LIST_ROWS: &str = "SELECT key, sequence, value FROM payledger.projection_rows \
     WHERE ledger = $1 AND projection = $2 AND key >= $3 ORDER BY key LIMIT $4";

const LIST_ROWS_AFTER: &str = "SELECT key, sequence, value FROM payledger.projection_rows \
     WHERE ledger = $1 AND projection = $2 AND key > $3 ORDER BY key LIMIT $4";

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Moves a projection on, if its checkpoint is the expected one.
pub(crate) async fn project(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    write: &ProjectionWrite,
) -> Result<bool, StoreError> {
    let ProjectionWrite { expected, checkpoint, clear, rows } = write;
    let texts = rows.iter().flat_map(|row| [row.key.as_str(), row.value.as_deref().unwrap_or_default()]);
    refuse_zero_bytes(texts.chain([checkpoint.name.as_str()]))?;
    let gone = rows.iter().filter(|row| row.value.is_none()).map(|row| row.key.as_str());
    let put = || rows.iter().filter_map(|row| Some((row, row.value.as_deref()?)));
    let saved = query(SAVE_PROJECTION).bind(ledger.as_str()).bind(checkpoint.name.as_str());
    let saved = bind_checkpoint(bind_checkpoint(saved, expected.as_ref())?, Some(checkpoint))?
        .bind(*clear)
        .bind(gone.collect::<Vec<_>>())
        .bind(put().map(|(row, _)| row.key.as_str()).collect::<Vec<_>>())
        .bind(put().map(|(row, _)| integer(row.sequence)).collect::<Result<Vec<_>, _>>()?)
        .bind(put().map(|(_, value)| value).collect::<Vec<_>>());
    decided(saved, connection).await
}

/// Puts one projection in place of another, if both checkpoints are the expected ones.
pub(crate) async fn promote(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    promotion: &Promotion,
) -> Result<bool, StoreError> {
    let Promotion { from, to, over } = promotion;
    refuse_zero_bytes([from.name.as_str(), to.as_str()])?;
    let promoted = query(PROMOTE).bind(ledger.as_str()).bind(from.name.as_str());
    let promoted = bind_checkpoint(promoted, Some(from))?.bind(to.as_str());
    decided(bind_checkpoint(promoted, over.as_ref())?, connection).await
}

/// Keeps a snapshot in place of the one that was kept of its stream.
pub(crate) async fn save_snapshot(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    row: &SnapshotRow,
) -> Result<(), StoreError> {
    let saved = query(SAVE_SNAPSHOT)
        .bind(ledger.as_str())
        .bind(row.stream.as_str())
        .bind(integer(row.version)?)
        .bind(&row.digest.0[..])
        .bind(integer(row.first_sequence)?)
        .bind(&row.link.0[..])
        .bind(i64::from(row.form))
        .bind(&row.state[..])
        .bind(&row.check.0[..]);
    saved.execute(connection).await.map_err(writing)?;
    Ok(())
}

pub(crate) async fn checkpoint(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    name: &str,
) -> Result<Option<CheckpointRow>, StoreError> {
    let row = query(READ_CHECKPOINT).bind(ledger.as_str()).bind(name);
    let row = row.fetch_optional(connection).await.map_err(reading)?;
    row.as_ref().map(row::checkpoint).transpose()
}

pub(crate) async fn snapshots(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    streams: &[StreamName],
) -> Result<Vec<SnapshotRow>, StoreError> {
    let names: Vec<&str> = streams.iter().map(StreamName::as_str).collect();
    all(query(READ_SNAPSHOTS).bind(ledger.as_str()).bind(names), connection, row::snapshot).await
}

pub(crate) async fn rows(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    projection: &str,
    keys: &[CompactString],
) -> Result<Vec<ProjectionRow>, StoreError> {
    let keys: Vec<&str> = keys.iter().map(CompactString::as_str).collect();
    all(query(READ_ROWS).bind(ledger.as_str()).bind(projection).bind(keys), connection, row::projected).await
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    projection: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ProjectionRow>, StoreError> {
    let limit = i64::try_from(page_size(limit)).unwrap_or(i64::MAX);
    // No key comes before the empty one, which is one too.
    let sql = if after.is_none() { LIST_ROWS } else { LIST_ROWS_AFTER };
    let listed = query(sql).bind(ledger.as_str()).bind(projection).bind(after.unwrap_or_default()).bind(limit);
    all(listed, connection, row::projected).await
}

async fn all<T>(
    statement: Statement<'_>,
    connection: &mut PgConnection,
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    statement.fetch_all(connection).await.map_err(reading)?.iter().map(read).collect()
}

async fn decided(statement: Statement<'_>, connection: &mut PgConnection) -> Result<bool, StoreError> {
    statement.fetch_one(connection).await.and_then(|row| row.try_get(0)).map_err(writing)
}

/// The fields of a checkpoint besides its name; NULLs for none.
fn bind_checkpoint<'q>(statement: Statement<'q>, row: Option<&'q CheckpointRow>) -> Result<Statement<'q>, StoreError> {
    Ok(statement
        .bind(row.map(|row| i64::from(row.version)))
        .bind(row.map(|row| integer(row.sequence)).transpose()?)
        .bind(row.map(|row| &row.link.0[..]))
        .bind(row.map(|row| &row.state[..])))
}

fn refuse_zero_bytes<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<(), StoreError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(StoreError::Unusable("a text of a projection has a zero byte; leave it out".into()));
    }
    Ok(())
}
