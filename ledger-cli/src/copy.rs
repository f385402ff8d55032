//! A copy of a ledger in a file: the same requests at the same times, and so the same links.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ledger_core::id::Key;
use ledger_core::limits::{GROUP_REQUESTS, PAGE_EVENTS};
use ledger_core::store::{Append, EventRow, Guard, NewEvent, Outcome, RequestRow, Store};
use ledger_core::stream::{StreamName, Tip};
use ledger_sqlite::SqliteStore;

use crate::error::CliError;
use crate::source::{Source, Target};

/// Copies the ledger of a database into a new file.
pub async fn copy_ledger(source: &Source, to: &Path) -> Result<(), CliError> {
    let Target::Postgres(address) = &source.target else { return Ok(()) };
    let from = source.connect(address).await.map_err(source.blame())?;
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let blame = |error| CliError::Store { store: to.display().to_string(), source: error };
    let file = SqliteStore::open_with(to, Arc::new(move || clock.load(Ordering::Relaxed))).await.map_err(blame)?;
    let mut tips = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = from.read_log(&source.ledger, after, PAGE_EVENTS).await.map_err(source.blame())?;
        let Some(last) = page.requests.last() else { break };
        after = last.last_sequence();
        let mut events = page.events.into_iter().peekable();
        // What was stored at the same time is stored together, as it was then.
        for group in page.requests.chunk_by(|one, next| one.recorded_at_us == next.recorded_at_us) {
            for group in group.chunks(GROUP_REQUESTS) {
                let appends = group.iter().map(|row| {
                    let mut own = Vec::with_capacity(row.size.into());
                    while let Some(event) = events.next_if(|event| event.sequence <= row.last_sequence()) {
                        own.push(event);
                    }
                    again(row, own, &mut tips)
                });
                let appends: Vec<_> = appends.collect::<Result<_, _>>()?;
                now.store(group.first().map_or(0, |row| row.recorded_at_us), Ordering::Relaxed);
                let outcomes = file.append(&source.ledger, &appends).await.map_err(blame)?;
                let same =
                    |(row, outcome): (&RequestRow, &Outcome)| matches!(outcome, Outcome::Appended(copy) if copy == row);
                if !group.iter().zip(&outcomes).all(same) {
                    return Err(damaged(source));
                }
            }
        }
    }
    file.close().await;
    Ok(())
}

/// A stored request as it was appended, on the tips that the earlier ones left.
fn again(row: &RequestRow, events: Vec<EventRow>, tips: &mut BTreeMap<StreamName, Tip>) -> Result<Append, CliError> {
    let key = Key::new(row.key.as_str()).map_err(|error| CliError::Refused(error.to_string()))?;
    let mut guards: Vec<Guard> = Vec::new();
    let events = events.into_iter().map(|event| {
        let tip = Tip { version: event.version, digest: event.digest };
        let before = tips.insert(event.stream.clone(), tip).unwrap_or(Tip::EMPTY);
        if guards.iter().all(|guard| guard.stream != event.stream) {
            guards.push(Guard { stream: event.stream.clone(), tip: before });
        }
        NewEvent {
            stream: event.stream,
            version: event.version,
            type_name: event.type_name,
            schema_version: event.schema_version,
            effective: event.effective,
            payload: event.payload,
            digest: event.digest,
        }
    });
    let events = events.collect();
    Ok(Append { key, request_hash: row.request_hash, actor: row.actor.clone(), guards, events })
}

fn damaged(source: &Source) -> CliError {
    CliError::Refused(format!("{}: ledger {} is not what was written: verify it", source.name(), source.ledger))
}
