//! The append: a group as the arrays of one statement, and its answers.

use ledger_core::Date;
use ledger_core::chain::Digest;
use ledger_core::id::LedgerName;
use ledger_core::store::admit::measure;
use ledger_core::store::{Append, NewEvent, Outcome, RequestRow, StoreError};
use ledger_core::stream::{StreamName, Tip};
use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, query};

use crate::error::writing;
use crate::row::{self, damaged};

const APPEND: &str = "SELECT outcome, first_sequence, size, request_hash, actor, recorded_at_us, link, stream, version, digest \
     FROM payledger.append_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";

/// The outcome of what was stored.
const APPENDED: i32 = 0;

const NO_SEQUENCE: &str = "the ledger has no sequence left";
const ZERO_BYTE: &str = "a text has a zero byte, which the database does not keep";

/// Appends a group in one statement.
pub(crate) async fn append(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    group: &[Append],
    now_us: Option<i64>,
) -> Result<Vec<Outcome>, StoreError> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    let arrays = Arrays::of(group)?;
    let asked = query(APPEND)
        .bind(ledger.as_str())
        .bind(now_us)
        .bind(arrays.together)
        .bind(&arrays.keys)
        .bind(&arrays.hashes)
        .bind(&arrays.actors)
        .bind(&arrays.sizes)
        .bind(arrays.malformed.iter().map(Option::is_some).collect::<Vec<_>>())
        .bind(&arrays.guard_counts)
        .bind(&arrays.guards)
        .bind(&arrays.guard_versions)
        .bind(&arrays.guard_digests)
        .bind(&arrays.settled)
        .bind(&arrays.streams)
        .bind(&arrays.versions)
        .bind(&arrays.types)
        .bind(&arrays.schema_versions)
        .bind(&arrays.positions)
        .bind(&arrays.effectives)
        .bind(&arrays.payloads)
        .bind(&arrays.digests);
    let rows = asked.fetch_all(connection).await.map_err(writing)?;
    match rows.as_slice() {
        [whole] if group.len() > 1 && row::get::<i32>(whole, 0, 0, "outcome")? == APPENDED => appended(whole, group),
        rows if rows.len() == group.len() => {
            let answers = rows.iter().zip(group).zip(&arrays.malformed);
            answers.map(|((row, request), malformed)| outcome(row, request, *malformed)).collect()
        }
        _ => Err(damaged(0, "append_v1", &format!("{} answers for {} requests", rows.len(), group.len()))),
    }
}

/// A group as the parameters of the function: the requests, their guards one after another, and their events.
#[derive(Default)]
struct Arrays<'g> {
    together: bool,
    keys: Vec<&'g str>,
    hashes: Vec<u8>,
    actors: Vec<&'g str>,
    sizes: Vec<i32>,
    malformed: Vec<Option<&'static str>>,
    guard_counts: Vec<i32>,
    guards: Vec<&'g str>,
    guard_versions: Vec<i64>,
    guard_digests: Vec<u8>,
    settled: Vec<bool>,
    streams: Vec<&'g str>,
    versions: Vec<i64>,
    types: Vec<&'g str>,
    schema_versions: Vec<i32>,
    positions: Vec<i32>,
    effectives: Vec<Date>,
    payloads: Vec<&'g [u8]>,
    digests: Vec<u8>,
}

impl<'g> Arrays<'g> {
    fn of(group: &'g [Append]) -> Result<Self, StoreError> {
        let mut arrays = Self { together: true, ..Self::default() };
        let mut keys = FxHashSet::default();
        // The tips as the earlier requests leave them, if they are all stored.
        let mut tips: FxHashMap<&StreamName, Tip> = FxHashMap::default();
        for request in group {
            arrays.together &= keys.insert(request.key.as_str());
            arrays.keys.push(request.key.as_str());
            arrays.hashes.extend(request.request_hash.0);
            let malformed = measure(request).err().or_else(|| has_zero_byte(request).then_some(ZERO_BYTE));
            arrays.malformed.push(malformed);
            if malformed.is_some() {
                arrays.actors.push("");
                arrays.sizes.push(0);
                arrays.guard_counts.push(0);
                continue;
            }
            arrays.actors.push(&request.actor);
            arrays.sizes.push(count(request.events.len())?);
            arrays.guard_counts.push(count(request.guards.len())?);
            for guard in &request.guards {
                let tip = *tips.entry(&guard.stream).or_insert_with(|| {
                    // That it begins the stream is what its first version says.
                    let begins = |event: &NewEvent| event.version == 1 && event.stream == guard.stream;
                    arrays.settled.push(guard.tip == Tip::EMPTY && request.events.iter().any(begins));
                    guard.tip
                });
                if arrays.settled.len() == arrays.guards.len() {
                    arrays.settled.push(true);
                }
                arrays.together &= tip == guard.tip;
                arrays.guards.push(guard.stream.as_str());
                arrays.guard_versions.push(version(guard.tip.version));
                arrays.guard_digests.extend(guard.tip.digest.0);
            }
            for (event, position) in request.events.iter().zip(0..) {
                tips.insert(&event.stream, Tip { version: event.version, digest: event.digest });
                arrays.streams.push(event.stream.as_str());
                arrays.versions.push(version(event.version));
                arrays.types.push(&event.type_name);
                arrays.schema_versions.push(event.schema_version.into());
                arrays.positions.push(position);
                arrays.effectives.push(event.effective);
                arrays.payloads.push(&event.payload);
                arrays.digests.extend(event.digest.0);
            }
        }
        Ok(arrays)
    }
}

/// No stream is longer, so that a guard that says so fails all the same, and with it what follows from it.
fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn count(items: usize) -> Result<i32, StoreError> {
    items.try_into().map_err(|_| StoreError::Unusable(format!("a request has {items} guards; that are too many")))
}

fn has_zero_byte(request: &Append) -> bool {
    let guards = request.guards.iter().map(|guard| guard.stream.as_str());
    // Every stream that is written is guarded.
    let mut texts = guards.chain(request.events.iter().map(|event| event.type_name.as_str())).chain([&*request.actor]);
    texts.any(|text| text.contains('\0'))
}

/// Requests that were stored together, one after another.
fn appended(row: &PgRow, group: &[Append]) -> Result<Vec<Outcome>, StoreError> {
    let mut first_sequence: u64 = row::number(row, 1, 0, "first_sequence")?;
    let recorded_at_us = row::get(row, 5, first_sequence, "recorded_at_us")?;
    let (links, rest) = row::get::<&[u8]>(row, 6, first_sequence, "link")?.as_chunks();
    if links.len() != group.len() || !rest.is_empty() {
        return Err(damaged(first_sequence, "append_v1", "it has not one link for each request"));
    }
    let answers = group.iter().zip(links).map(|(request, link)| {
        let size =
            u16::try_from(request.events.len()).map_err(|_| damaged(first_sequence, "size", "it is out of range"))?;
        let row = RequestRow {
            key: request.key.as_str().into(),
            request_hash: request.request_hash,
            actor: request.actor.clone(),
            first_sequence,
            size,
            recorded_at_us,
            link: Digest(*link),
        };
        first_sequence = row.last_sequence().saturating_add(1);
        Ok(Outcome::Appended(row))
    });
    answers.collect()
}

fn outcome(row: &PgRow, request: &Append, malformed: Option<&'static str>) -> Result<Outcome, StoreError> {
    let known = || {
        let first_sequence = row::number(row, 1, 0, "first_sequence")?;
        Ok(RequestRow {
            key: request.key.as_str().into(),
            request_hash: row::digest(row, 3, first_sequence, "request_hash")?,
            actor: row::text(row, 4, first_sequence, "actor")?,
            first_sequence,
            size: u16::try_from(row::get::<i32>(row, 2, first_sequence, "size")?)
                .map_err(|_| damaged(first_sequence, "size", "it is out of range"))?,
            recorded_at_us: row::get(row, 5, first_sequence, "recorded_at_us")?,
            link: row::digest(row, 6, first_sequence, "link")?,
        })
    };
    match row::get::<i32>(row, 0, 0, "outcome")? {
        APPENDED => {
            let stored = appended(row, std::slice::from_ref(request))?.pop();
            stored.ok_or_else(|| damaged(0, "append_v1", "it has stored nothing"))
        }
        1 => known().map(Outcome::AlreadyAppended),
        2 => known().map(|first| Outcome::KeyReused { first }),
        3 => {
            let stream = StreamName::from_stored(row::get(row, 7, 0, "stream")?);
            let actual = Tip { version: row::number(row, 8, 0, "version")?, digest: row::digest(row, 9, 0, "digest")? };
            let guard = request.guards.iter().find(|guard| guard.stream == stream);
            let guard = guard.ok_or_else(|| damaged(0, "append_v1", "it names a stream that was not guarded"))?;
            Ok(Outcome::Conflict { stream, expected: guard.tip, actual })
        }
        4 => malformed
            .map(|reason| Outcome::Refused { reason })
            .ok_or_else(|| damaged(0, "append_v1", "it refuses a request that is well formed")),
        5 => Ok(Outcome::Refused { reason: NO_SEQUENCE }),
        other => Err(damaged(0, "append_v1", &format!("{other} is no outcome"))),
    }
}
