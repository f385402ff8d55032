//! A ledger as requests are decided on it: loaded from its store, and what was decided made ready for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;

use super::cache::Cache;
use super::snapshot::Unconfirmed;
use super::{ExecuteError, Receipt};
use crate::Date;
use crate::chain::{Digest, Preimage};
use crate::codec::{self, Encoded};
use crate::command::Request;
use crate::decide::{Decision, Rejection, Undecided, decide};
use crate::event::Event;
use crate::id::{Key, LedgerName};
use crate::limits::PAYLOAD_BYTES;
use crate::recorded::{Damaged, Recorded, RecordedRequest, decode_page};
use crate::slice::{Folded, Slice};
use crate::store::{Append, EventRow, Guard, NewEvent, RequestRow, Store, StreamAfter};
use crate::stream::{StreamId, StreamName, Tip};

/// A ledger of a store, read in pages of so many events.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub name: &'a LedgerName,
    pub store: &'a dyn Store,
    pub page: usize,
}

/// Decided events that have their place in their streams, but none in the ledger yet.
pub(super) struct Unplaced {
    effective: Date,
    pub events: Vec<(StreamName, u64, Event)>,
}

/// Decides on what the cache has, moving it into the slice; asks only for what the cache has not. Who is `hopeful` does not ask
/// for what the request makes either: a fold of nothing is at worst behind, as any fold of the cache may be.
pub(super) fn decide_from(
    cache: &mut Cache,
    slice: &mut Slice,
    request: &Request,
    hopeful: bool,
) -> Result<Decision, Undecided> {
    loop {
        let streams = match decide(slice, request) {
            Err(Undecided::Needs(streams)) => streams,
            answer => return answer,
        };
        let mut missing = Vec::new();
        for stream in streams {
            match cache.take(&stream) {
                Some(folded) => slice.insert(stream, folded),
                None if hopeful && request.command.makes(&stream) => {
                    let nothing = Folded::empty(&stream);
                    slice.insert(stream, nothing);
                }
                None => missing.push(stream),
            }
        }
        if !missing.is_empty() {
            return Err(Undecided::Needs(missing));
        }
    }
}

/// A decision, or why not; else the streams that are missing. What is found impossible is an answer like a rejection: streams of
/// different age may not fit together, and are then read again.
pub(super) fn decided(answer: Result<Decision, Undecided>) -> Result<Result<Decision, ExecuteError>, Vec<StreamId>> {
    match answer {
        Ok(decision) => Ok(Ok(decision)),
        Err(Undecided::Rejected(rejection)) => Ok(Err(rejection.into())),
        Err(Undecided::Misfit(misfit)) => Ok(Err(misfit.into())),
        Err(Undecided::Needs(missing)) => Err(missing),
    }
}

/// An event as it is stored, if it is no larger than one that is.
pub(super) fn encoded(event: &Event) -> Result<Encoded, Rejection> {
    let encoded = codec::encode(event);
    let bytes = encoded.payload.len();
    if bytes > PAYLOAD_BYTES {
        return Err(Rejection::TooLarge { event: encoded.type_name, bytes });
    }
    Ok(encoded)
}

impl Desk<'_> {
    /// The receipt of what was stored under a key, read back from the store.
    pub async fn first_receipt(self, key: &Key, hash: &Digest) -> Result<Option<Receipt>, ExecuteError> {
        let Some(page) = self.store.request(self.name, key).await? else { return Ok(None) };
        let Some(row) = page.requests.first() else { return Ok(None) };
        if row.request_hash != *hash && !planted!(KeyWithoutHash) {
            mark!(KeyReused);
            return Err(ExecuteError::KeyReused { key: key.clone() });
        }
        let events = decode_page(self.name.as_str(), row.first_sequence.saturating_sub(1), &page)?;
        let request = events.first().map(|recorded| Arc::clone(&recorded.request));
        Ok(request.map(|request| Receipt { request, events }))
    }

    /// Decides one request on what it loads.
    pub async fn decide(
        self,
        slice: &mut Slice,
        request: &Request,
    ) -> Result<Result<Decision, ExecuteError>, ExecuteError> {
        let mut at = None;
        loop {
            match decided(decide(slice, request)) {
                Ok(answer) => return Ok(answer),
                Err(missing) => self.load(slice, missing, &mut at).await?,
            }
        }
    }

    /// Loads streams into a slice, as of sequence `at`, which the first read fixes.
    pub async fn load(
        self,
        slice: &mut Slice,
        streams: Vec<StreamId>,
        at: &mut Option<u64>,
    ) -> Result<(), ExecuteError> {
        let mut wanted: Vec<_> = streams.into_iter().map(Wanted::new).collect();
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        wanted.dedup_by(|a, b| a.name == b.name);
        let (mut more, mut first) = (!wanted.is_empty(), true);
        while more {
            let after: Vec<_> = wanted.iter().map(Wanted::after).collect();
            let page = self.store.read_streams(self.name, &after, *at, self.page).await?;
            *at = Some(page.at);
            if page.more && page.events.is_empty() {
                let what = "a page without events is said not to be the last".into();
                return Err(Damaged { sequence: page.at, what }.into());
            }
            for row in &page.events {
                let found = wanted.binary_search_by(|wanted| wanted.name.cmp(&row.stream)).ok();
                let what = || "the event is of a stream that was not asked for".into();
                let found = found.and_then(|index| wanted.get_mut(index));
                found.ok_or_else(|| Damaged { sequence: row.sequence, what: what() })?.meet(self, row).await?;
            }
            more = page.more && !planted!(FirstPageOnly);
            for wanted in &mut wanted {
                more |= wanted.turn_back(page.more);
            }
            // Short streams are one page, and no snapshot is asked for.
            if more && std::mem::take(&mut first) {
                self.skip_ahead(&mut wanted).await;
            }
        }
        wanted.into_iter().for_each(|wanted| slice.insert(wanted.stream, wanted.folded));
        Ok(())
    }

    /// Sets streams to where their snapshots end, as far as there are any of use.
    async fn skip_ahead(self, wanted: &mut [Wanted]) {
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let Ok(rows) = self.store.load_snapshots(self.name, &names).await else { return };
        for row in rows {
            let found = wanted.binary_search_by(|wanted| wanted.name.cmp(&row.stream)).ok();
            let Some(wanted) = found.and_then(|index| wanted.get_mut(index)) else { continue };
            let snapshot = Unconfirmed::open(self.name, &wanted.stream, &row);
            wanted.snapshot = snapshot.filter(|snapshot| snapshot.folded.tip.version > wanted.folded.tip.version);
        }
    }

    /// Makes a decision ready for the store, and folds it into the slice.
    pub fn encode(
        self,
        request: &Request,
        hash: &Digest,
        slice: &mut Slice,
        decision: Decision,
        basis: &[(StreamId, Tip)],
    ) -> Result<(Append, Unplaced), ExecuteError> {
        let size = u16::try_from(decision.events.len())
            .map_err(|_| ExecuteError::Refused { reason: "it would be too many events" })?;
        let mut events = Vec::with_capacity(decision.events.len());
        let mut typed = Vec::with_capacity(decision.events.len());
        for (index, (stream, event)) in (0..).zip(decision.events) {
            let Encoded { type_name, schema_version, payload } = encoded(&event)?;
            let undeclared = || Damaged { sequence: 0, what: format!("{stream} was written without having been read") };
            let name = stream.name();
            let folded = slice.get_mut(&stream).ok_or_else(undeclared)?;
            let version = folded.tip.version.saturating_add(1);
            let digest = Preimage {
                ledger: self.name.as_str(),
                stream: name.as_str(),
                version,
                type_name: &type_name,
                schema_version,
                key: request.key.as_str(),
                request_hash: hash,
                actor: request.actor.as_str(),
                effective: decision.effective,
                index,
                size,
                payload: &payload,
            }
            .digest();
            folded.evolve(&event, Tip { version, digest })?;
            typed.push((name.clone(), version, event));
            let effective = decision.effective;
            events.push(NewEvent { stream: name, version, type_name, schema_version, effective, payload, digest });
        }
        let append = Append {
            key: request.key.clone(),
            request_hash: *hash,
            actor: request.actor.as_str().into(),
            guards: basis.iter().map(|(stream, tip)| Guard { stream: stream.name(), tip: *tip }).collect(),
            events,
        };
        let append = planted!(OnlyWrittenGuarded => crate::planted::without_readers(append), append);
        Ok((append, Unplaced { effective: decision.effective, events: typed }))
    }

    /// Whether any stream has another tip than it had.
    pub async fn moved(self, basis: &[(StreamId, Tip)]) -> Result<bool, ExecuteError> {
        // Each with its tip, and whether its last event is still to come.
        let asked = basis.iter().filter(|(_, tip)| !planted!(EmptyNotConfirmed) || tip.version > 0);
        let mut due: BTreeMap<_, _> = asked.map(|(stream, tip)| (stream.name(), (*tip, tip.version > 0))).collect();
        let mut at = None;
        loop {
            let after = |(stream, (tip, due)): (&StreamName, &(Tip, bool))| StreamAfter {
                stream: stream.clone(),
                after: tip.version.saturating_sub(u64::from(*due)),
            };
            let after: Vec<_> = due.iter().map(after).collect();
            let page = self.store.read_streams(self.name, &after, at, self.page).await?;
            for row in &page.events {
                match due.get_mut(&row.stream) {
                    Some((tip, due)) if *due && (row.version, row.digest) == (tip.version, tip.digest) => *due = false,
                    _ => return Ok(true),
                }
            }
            if !page.more || page.events.is_empty() {
                return Ok(due.values().any(|(_, due)| *due));
            }
            at = Some(page.at);
        }
    }
}

/// A stream that is being loaded.
struct Wanted {
    name: StreamName,
    stream: StreamId,
    folded: Folded,
    /// A snapshot that is ahead, until the log confirms it or not.
    snapshot: Option<Unconfirmed>,
    /// Whether what the page has of the stream comes after a snapshot that was not confirmed.
    beyond: bool,
}

impl Wanted {
    fn new(stream: StreamId) -> Self {
        let (name, folded) = (stream.name(), Folded::empty(&stream));
        Self { name, stream, folded, snapshot: None, beyond: false }
    }

    /// Where to read on: at the event of the snapshot, if there is one, because that event confirms it.
    fn after(&self) -> StreamAfter {
        let ahead = self.snapshot.as_ref().map(|snapshot| snapshot.folded.tip.version.saturating_sub(1));
        StreamAfter { stream: self.name.clone(), after: ahead.unwrap_or(self.folded.tip.version) }
    }

    async fn meet(&mut self, desk: Desk<'_>, row: &EventRow) -> Result<(), ExecuteError> {
        if let Some(snapshot) = self.snapshot.take() {
            if snapshot.is_confirmed(desk, row).await {
                self.folded = snapshot.folded;
            } else {
                self.beyond = true;
            }
            return Ok(());
        }
        if self.beyond {
            return Ok(());
        }
        let damaged = |what: String| Damaged { sequence: row.sequence, what };
        let event = codec::decode(&row.type_name, row.schema_version, &row.payload);
        let event = event.map_err(|error| damaged(error.to_string()))?;
        let tip = Tip { version: row.version, digest: row.digest };
        self.folded.evolve(&event, tip).map_err(|misfit| damaged(misfit.to_string()))?;
        Ok(())
    }

    /// Ends a page, and says whether the stream has to be read on from before its snapshot, which was not confirmed.
    fn turn_back(&mut self, more: bool) -> bool {
        let unmet = !more && self.snapshot.take().is_some();
        std::mem::take(&mut self.beyond) || unmet
    }
}

impl Unplaced {
    /// The receipt, now that the store has given the request its place.
    pub fn receipt(self, asked: &Request, row: &RequestRow) -> Result<Receipt, Damaged> {
        let at_us = planted!(ReceiptTimeOfRequest => asked.at.timestamp_micros(), row.recorded_at_us);
        let recorded_at = DateTime::from_timestamp_micros(at_us)
            .ok_or_else(|| Damaged { sequence: row.first_sequence, what: "the time of recording is no time".into() })?;
        let request = Arc::new(RecordedRequest {
            key: asked.key.clone(),
            actor: asked.actor.clone(),
            recorded_at,
            first_sequence: row.first_sequence,
            last_sequence: row.last_sequence(),
            link: row.link,
        });
        let recorded = |(sequence, (stream, version, event))| Recorded {
            sequence,
            stream,
            version,
            effective: self.effective,
            event,
            request: Arc::clone(&request),
        };
        let events = (row.first_sequence..).zip(self.events).map(recorded).collect();
        Ok(Receipt { request, events })
    }
}
