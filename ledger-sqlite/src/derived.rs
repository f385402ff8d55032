//! The writes of what is derived from the log: projections and snapshots.

use ledger_core::id::LedgerName;
use ledger_core::store::{CheckpointRow, ProjectionWrite, Promotion, RowChange, SnapshotRow, StoreError};
use sqlx::{Connection, SqliteConnection, query};

use crate::error::{reading, writing};
use crate::row::{self, READ_CHECKPOINT};
use crate::writer::{Inserts, chunks, eight, inserts, integer};

/// Moves a projection on, if its checkpoint is the expected one.
pub(crate) async fn project(
    connection: &mut SqliteConnection,
    ledger: &LedgerName,
    write: &ProjectionWrite,
) -> Result<bool, StoreError> {
    let ProjectionWrite { expected, checkpoint, clear, rows } = write;
    let (name, ledger) = (checkpoint.name.as_str(), ledger.as_str());
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(reading)?;
    if kept(&mut transaction, ledger, name).await? != *expected {
        transaction.rollback().await.map_err(reading)?;
        return Ok(false);
    }
    if *clear {
        remove(&mut transaction, ledger, name).await?;
    }
    let gone: Vec<_> = rows.iter().filter(|row| row.value.is_none()).map(|row| &row.key).collect();
    if !gone.is_empty() {
        let remove = query(REMOVE_ROWS).bind(ledger).bind(name).bind(row::json(&gone)?);
        remove.execute(&mut *transaction).await.map_err(writing)?;
    }
    let put: Vec<_> = rows.iter().filter(|row| row.value.is_some()).collect();
    for (sql, rows) in chunks(&put, &PUT_ROWS) {
        let mut insert = query(sql);
        for RowChange { key, sequence, value } in rows {
            insert = insert.bind(ledger).bind(name).bind(key.as_str()).bind(integer(*sequence)?).bind(value.as_deref());
        }
        insert.execute(&mut *transaction).await.map_err(writing)?;
    }
    keep(&mut transaction, ledger, name, checkpoint).await?;
    transaction.commit().await.map_err(writing)?;
    Ok(true)
}

/// Puts one projection in place of another, if both checkpoints are the expected ones.
pub(crate) async fn promote(
    connection: &mut SqliteConnection,
    ledger: &LedgerName,
    promotion: &Promotion,
) -> Result<bool, StoreError> {
    let Promotion { from, to, over } = promotion;
    let ledger = ledger.as_str();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(reading)?;
    let found = kept(&mut transaction, ledger, &from.name).await?;
    if found.as_ref() != Some(from) || kept(&mut transaction, ledger, to).await? != *over {
        transaction.rollback().await.map_err(reading)?;
        return Ok(false);
    }
    remove(&mut transaction, ledger, to).await?;
    let moved = query(MOVE_ROWS).bind(ledger).bind(from.name.as_str()).bind(to.as_str());
    moved.execute(&mut *transaction).await.map_err(writing)?;
    let removed = query(REMOVE_CHECKPOINT).bind(ledger).bind(from.name.as_str());
    removed.execute(&mut *transaction).await.map_err(writing)?;
    keep(&mut transaction, ledger, to, from).await?;
    transaction.commit().await.map_err(writing)?;
    Ok(true)
}

/// Keeps a snapshot in place of the one that was kept of its stream.
pub(crate) async fn snapshot(
    connection: &mut SqliteConnection,
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
        .bind(row.form)
        .bind(&row.state[..])
        .bind(&row.check.0[..]);
    saved.execute(connection).await.map_err(writing)?;
    Ok(())
}

async fn kept(
    connection: &mut SqliteConnection,
    ledger: &str,
    name: &str,
) -> Result<Option<CheckpointRow>, StoreError> {
    let found = query(READ_CHECKPOINT).bind(ledger).bind(name).fetch_optional(connection).await.map_err(reading)?;
    found.as_ref().map(row::checkpoint).transpose()
}

async fn remove(connection: &mut SqliteConnection, ledger: &str, name: &str) -> Result<(), StoreError> {
    let removed = query("DELETE FROM projection_rows WHERE ledger = ? AND projection = ?").bind(ledger).bind(name);
    removed.execute(connection).await.map_err(writing)?;
    Ok(())
}

/// Keeps a checkpoint under a name, which is not its own when it is promoted.
async fn keep(
    connection: &mut SqliteConnection,
    ledger: &str,
    name: &str,
    row: &CheckpointRow,
) -> Result<(), StoreError> {
    let saved = query(SAVE_CHECKPOINT)
        .bind(ledger)
        .bind(name)
        .bind(row.version)
        .bind(integer(row.sequence)?)
        .bind(&row.link.0[..])
        .bind(&row.state[..]);
    saved.execute(connection).await.map_err(writing)?;
    Ok(())
}

const SAVE_CHECKPOINT: &str = "INSERT INTO checkpoints (ledger, name, version, sequence, link, state) \
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ledger, name) DO UPDATE SET version = excluded.version, \
     sequence = excluded.sequence, link = excluded.link, state = excluded.state";

const REMOVE_CHECKPOINT: &str = "DELETE FROM checkpoints WHERE ledger = ?1 AND name = ?2";

const REMOVE_ROWS: &str = "DELETE FROM projection_rows WHERE ledger = ?1 AND projection = ?2 \
     AND key IN (SELECT value FROM json_each(?3))";

const MOVE_ROWS: &str = "UPDATE projection_rows SET projection = ?3 WHERE ledger = ?1 AND projection = ?2";

const PUT_ROWS: Inserts = inserts!(
    "INSERT INTO projection_rows (ledger, projection, key, sequence, value) VALUES ",
    "(?,?,?,?,?)",
    " ON CONFLICT (ledger, projection, key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value"
);

const SAVE_SNAPSHOT: &str = "INSERT INTO snapshots \
     (ledger, stream, version, digest, first_sequence, link, form, state, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (ledger, stream) DO UPDATE SET version = excluded.version, digest = excluded.digest, \
     first_sequence = excluded.first_sequence, link = excluded.link, form = excluded.form, state = excluded.state, \
     checksum = excluded.checksum";
