//! An event with its place in the ledger, as projections read it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::Date;
use crate::chain::{Digest, Preimage};
use crate::codec::{self, DecodeError};
use crate::event::Event;
use crate::id::{Actor, InvalidName, Key};
use crate::store::{EventRow, LogPage, RequestRow};
use crate::stream::StreamName;

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the ledger, from 1, without gaps.
    pub sequence: u64,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Its place in the stream, from 1, without gaps.
    pub version: u64,
    /// The business day.
    pub effective: Date,
    /// The fact.
    pub event: Event,
    /// The request that it came from.
    pub request: Arc<RecordedRequest>,
}

/// What the events of one request share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The idempotency key.
    pub key: Key,
    /// Who asked.
    pub actor: Actor,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The sequence of its first event.
    pub first_sequence: u64,
    /// The sequence of its last event. Checkpoints stand only there.
    pub last_sequence: u64,
    /// The link of the chain after it.
    pub link: Digest,
}

/// Stored rows that are not what a ledger stores. Stop and run `verify`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stored record {sequence} is damaged: {what}; stop and verify the ledger")]
pub struct Damaged {
    /// The sequence at or near which it was found.
    pub sequence: u64,
    /// What does not fit.
    pub what: String,
}

/// An event that is as it was written, but that this version of the library cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("event {sequence} of {stream} cannot be read: {error}")]
pub struct Unreadable {
    /// Its place in the ledger.
    pub sequence: u64,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Its place in the stream.
    pub version: u64,
    /// The request that it came from.
    pub request: Arc<RecordedRequest>,
    /// Why it cannot be read.
    pub error: DecodeError,
}

impl From<Unreadable> for Damaged {
    fn from(Unreadable { sequence, error, .. }: Unreadable) -> Self {
        Self { sequence, what: error.to_string() }
    }
}

/// An event as a reader of the log is told it, read or unreadable.
pub type Told = Result<Recorded, Unreadable>;

/// The events of a page, decoded, with every digest recomputed and every request whole.
///
/// `after` is the sequence that the page was read after.
///
/// # Errors
/// [`Damaged`] at the first row that does not fit or cannot be read.
pub fn decode_page(ledger: &str, after: u64, page: &LogPage) -> Result<Vec<Recorded>, Damaged> {
    decode_each(ledger, after, page, |told| Ok(told?))
}

/// The events of a page as [`decode_page`] gives them, except that one that cannot be read is told as such.
///
/// # Errors
/// [`Damaged`] at the first row that does not fit.
pub fn tell_page(ledger: &str, after: u64, page: &LogPage) -> Result<Vec<Told>, Damaged> {
    decode_each(ledger, after, page, Ok)
}

fn decode_each<T>(
    ledger: &str,
    after: u64,
    page: &LogPage,
    each: impl Fn(Told) -> Result<T, Damaged>,
) -> Result<Vec<T>, Damaged> {
    let mut decoded = Vec::with_capacity(page.events.len());
    let mut rest = page.events.as_slice();
    let mut last = after;
    for row in &page.requests {
        let damaged = |what: String| Damaged { sequence: row.first_sequence, what };
        if row.first_sequence != last + 1 {
            return Err(damaged(format!("a request begins here, after sequence {last}")));
        }
        if row.size == 0 {
            return Err(damaged("the request has no events".into()));
        }
        let request = Arc::new(decode_request(row).map_err(|error| damaged(error.to_string()))?);
        let (events, others) = rest
            .split_at_checked(usize::from(row.size))
            .ok_or_else(|| damaged("the request has fewer events than it says".into()))?;
        rest = others;
        for (index, event) in (0..).zip(events) {
            last += 1;
            decoded.push(each(decode_event(ledger, row, &request, last, index, event)?)?);
        }
    }
    match rest.first() {
        None => Ok(decoded),
        Some(event) => Err(Damaged { sequence: event.sequence, what: "the event belongs to no request".into() }),
    }
}

fn decode_request(row: &RequestRow) -> Result<RecordedRequest, DamagedRequest> {
    Ok(RecordedRequest {
        key: Key::new(&row.key)?,
        actor: Actor::new(&row.actor)?,
        recorded_at: DateTime::from_timestamp_micros(row.recorded_at_us).ok_or(DamagedRequest::Time)?,
        first_sequence: row.first_sequence,
        last_sequence: row.last_sequence(),
        link: row.link,
    })
}

#[derive(Debug, Error)]
enum DamagedRequest {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("the time of recording is no time")]
    Time,
}

fn decode_event(
    ledger: &str,
    row: &RequestRow,
    request: &Arc<RecordedRequest>,
    sequence: u64,
    index: u16,
    event: &EventRow,
) -> Result<Told, Damaged> {
    let damaged = |what: String| Damaged { sequence, what };
    if (event.sequence, event.index) != (sequence, index) {
        return Err(damaged(format!("event {} stands in its place", event.sequence)));
    }
    if preimage(ledger, row, event).digest() != event.digest && !planted!(DigestUnread) {
        return Err(damaged("the digest does not fit".into()));
    }
    let (stream, version, request) = (event.stream.clone(), event.version, Arc::clone(request));
    Ok(match codec::decode(&event.type_name, event.schema_version, &event.payload) {
        Ok(fact) => Ok(Recorded { sequence, stream, version, effective: event.effective, event: fact, request }),
        Err(error) => Err(Unreadable { sequence, stream, version, request, error }),
    })
}

/// What the digest of a stored event covers.
pub(crate) fn preimage<'a>(ledger: &'a str, request: &'a RequestRow, event: &'a EventRow) -> Preimage<'a> {
    Preimage {
        ledger,
        stream: event.stream.as_str(),
        version: event.version,
        type_name: &event.type_name,
        schema_version: event.schema_version,
        key: &request.key,
        request_hash: &request.request_hash,
        actor: &request.actor,
        effective: event.effective,
        index: event.index,
        size: request.size,
        payload: &event.payload,
    }
}
