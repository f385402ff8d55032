//! A commit group: requests that are decided one on another and stored by one append.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;

use super::cache::Cache;
use super::snapshot::{self, Place, Unconfirmed};
use super::{ExecuteError, Inner, Receipt, Waiting};
use crate::Date;
use crate::chain::Preimage;
use crate::codec::{self, Encoded};
use crate::decide::{Decision, Undecided, decide};
use crate::event::Event;
use crate::recorded::{Damaged, Recorded, RecordedRequest};
use crate::slice::{Folded, Slice};
use crate::store::{Append, EventRow, Guard, NewEvent, Outcome, RequestRow, StoreError, StreamAfter};
use crate::stream::{StreamId, StreamName, Tip};

/// A request that was accepted, and what to answer once its events are stored.
struct Accepted {
    waiting: Waiting,
    /// What it read, with the versions before it and after it.
    streams: Vec<(StreamId, u64, u64)>,
    answer: Unplaced,
}

/// The streams that a group carried to where they are kept as snapshots, each with its version and the last request that wrote it.
type Due = BTreeMap<StreamId, (u64, Place)>;

/// Decided events that have their place in their streams, but none in the ledger yet.
struct Unplaced {
    effective: Date,
    events: Vec<(StreamName, u64, Event)>,
}

/// A request that cannot be done, and the tips on which that was found.
struct Refusal {
    waiting: Waiting,
    error: ExecuteError,
    basis: Vec<(StreamId, Tip)>,
}

/// How many steps of dependencies are loaded ahead. The longest today has five: settings, deal, payee, plan, accounts.
const PREFETCH_STEPS: usize = 8;

/// Decides and stores a group, and answers every request of it.
pub(super) async fn commit(inner: &Inner, cache: &mut Cache, group: Vec<Waiting>) {
    let mut pending = group;
    let mut failures = 0;
    let mut last_error = None;
    let (attempts, mut due) = (inner.tuning.commit_attempts, Due::new());
    while !pending.is_empty() {
        if failures == attempts {
            mark!(ContendedOut, last_error.is_none());
            let error = last_error.take().unwrap_or(ExecuteError::Contended { attempts });
            pending.into_iter().for_each(|waiting| waiting.answer(Err(error.clone())));
            break;
        }
        if failures > 0 {
            inner.env.sleep(backoff(failures, inner.env.random())).await;
        }
        // One alone loads what it reads when it is decided.
        if pending.len() > 1 {
            inner.prefetch(cache, &pending).await;
        }
        let round = Round::decide(inner, cache, pending).await;
        let (again, error) = round.settle(inner, cache, &mut due).await;
        // What was left undecided because the group was full has not failed.
        failures = if again.failed { failures + 1 } else { 0 };
        last_error = error.or(last_error);
        pending = again.pending;
    }
    inner.save_snapshots(cache, due);
    cache.age(inner.tuning.cached_streams);
}

impl Waiting {
    fn answer(self, answer: Result<Receipt, ExecuteError>) {
        let answer = match answer {
            Err(error) if self.in_doubt && !error.is_certain() => {
                mark!(DoubtAnswered);
                Err(StoreError::Unknown(format!("the first answer was lost, and then: {error}")).into())
            }
            answer => answer,
        };
        // A caller that is gone needs no answer; its request stands all the same.
        drop(self.reply.send(answer));
    }
}

/// 5 ms, doubling up to 160 ms, half of it by chance.
fn backoff(failures: u32, random: u64) -> Duration {
    let full = 5_000_u64 << failures.saturating_sub(1).min(5);
    Duration::from_micros(full / 2 + random % (full / 2))
}

/// One pass over what is pending.
#[derive(Default)]
struct Round {
    appends: Vec<Append>,
    accepted: Vec<Accepted>,
    refused: Vec<Refusal>,
    /// Not looked at, because the group was full.
    left: Vec<Waiting>,
}

/// What has to be decided again.
#[derive(Default)]
struct Again {
    pending: Vec<Waiting>,
    failed: bool,
}

impl Again {
    fn push(&mut self, waiting: Waiting) {
        self.failed = true;
        self.pending.push(waiting);
    }

    /// Whether a request that was asked before this one has still to be decided.
    fn has_before(&self, waiting: &Waiting) -> bool {
        self.pending.iter().any(|earlier| earlier.ticket < waiting.ticket)
    }
}

impl Round {
    /// Decides in order, each request on the state that the earlier ones leave in the cache.
    async fn decide(inner: &Inner, cache: &mut Cache, pending: Vec<Waiting>) -> Self {
        let mut round = Self::default();
        let mut events = 0;
        for waiting in pending {
            if events >= inner.tuning.group_events {
                mark!(GroupFull);
                round.left.push(waiting);
                continue;
            }
            let mut slice = Slice::new(inner.name.clone());
            let decided = inner.decide_on(cache, &mut slice, &waiting).await;
            let basis = slice.iter().map(|(stream, folded)| (stream.clone(), folded.tip)).collect::<Vec<_>>();
            match decided {
                Ok(Ok(decision)) => match inner.encode(&waiting, &mut slice, decision, &basis) {
                    Ok((append, answer)) => {
                        events += append.events.len();
                        let versions = slice.iter().map(|(_, folded)| folded.tip.version);
                        let streams = basis.into_iter().zip(versions);
                        let streams =
                            streams.map(|((stream, before), after)| (stream, before.version, after)).collect();
                        keep(cache, slice);
                        round.appends.push(append);
                        round.accepted.push(Accepted { waiting, streams, answer });
                    }
                    // What the request creates may be there already, if it was done before or its key was used before. The
                    // half-folded streams are not kept; they are loaded anew when they are next asked for.
                    Err(error) => {
                        mark!(CreatedBefore);
                        round.refused.push(Refusal { waiting, error, basis });
                    }
                },
                Ok(Err(error)) => {
                    keep(cache, slice);
                    round.refused.push(Refusal { waiting, error, basis });
                }
                Err(error) => waiting.answer(Err(error)),
            }
        }
        round
    }

    /// Stores what was accepted, confirms what was rejected, answers, and says what has to be decided again.
    async fn settle(self, inner: &Inner, cache: &mut Cache, due: &mut Due) -> (Again, Option<ExecuteError>) {
        let mut again = Again::default();
        let mut error = None;
        if !self.accepted.is_empty() {
            error = inner.append(cache, self.appends, self.accepted, &mut again, due).await;
        }
        for refusal in self.refused {
            inner.refuse(cache, refusal, &mut again).await;
        }
        again.pending.extend(self.left);
        again.pending.sort_unstable_by_key(|waiting| waiting.ticket);
        (again, error)
    }
}

/// Decides on what the cache has, moving it into the slice; asks only for what the cache has not.
fn decide_from(cache: &mut Cache, slice: &mut Slice, waiting: &Waiting) -> Result<Decision, Undecided> {
    loop {
        let streams = match decide(slice, &waiting.request) {
            Err(Undecided::Needs(streams)) => streams,
            answer => return answer,
        };
        let mut missing = Vec::new();
        for stream in streams {
            match cache.take(&stream) {
                Some(folded) => slice.insert(stream, folded),
                None => missing.push(stream),
            }
        }
        if !missing.is_empty() {
            return Err(Undecided::Needs(missing));
        }
    }
}

fn keep(cache: &mut Cache, slice: Slice) {
    slice.into_streams().for_each(|(stream, folded)| cache.put(stream, folded));
}

impl Inner {
    /// Loads what the requests are going to read, all of them together, one read for each step of their dependencies. What
    /// cannot be read now is found out when its request is decided.
    async fn prefetch(&self, cache: &mut Cache, pending: &[Waiting]) {
        let mut at = None;
        let mut probing: Vec<_> = pending.iter().collect();
        for _ in 0..PREFETCH_STEPS {
            if probing.is_empty() {
                return;
            }
            let mut missing = BTreeSet::new();
            probing.retain(|waiting| {
                let mut slice = Slice::new(self.name.clone());
                let needs = match decide_from(cache, &mut slice, waiting) {
                    Err(Undecided::Needs(streams)) => streams,
                    _ => Vec::new(),
                };
                keep(cache, slice);
                let needed = !needs.is_empty();
                missing.extend(needs);
                needed
            });
            let mut slice = Slice::new(self.name.clone());
            if self.load(&mut slice, missing.into_iter().collect(), &mut at).await.is_err() {
                mark!(PrefetchGaveUp);
                return;
            }
            keep(cache, slice);
        }
    }

    /// Decides one request, loading what the decision asks for: from the cache, else from the store. What it finds impossible
    /// is an answer like a rejection: streams of different age may not fit together, and are then read again.
    async fn decide_on(
        &self,
        cache: &mut Cache,
        slice: &mut Slice,
        waiting: &Waiting,
    ) -> Result<Result<Decision, ExecuteError>, ExecuteError> {
        let mut at = None;
        loop {
            match decide_from(cache, slice, waiting) {
                Ok(decision) => return Ok(Ok(decision)),
                Err(Undecided::Rejected(rejection)) => return Ok(Err(rejection.into())),
                Err(Undecided::Misfit(misfit)) => return Ok(Err(misfit.into())),
                Err(Undecided::Needs(missing)) => self.load(slice, missing, &mut at).await?,
            }
        }
    }

    /// Loads streams into a slice, as of sequence `at`, which the first read fixes.
    pub(super) async fn load(
        &self,
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
            let page = self.store.read_streams(&self.name, &after, *at, self.tuning.page).await?;
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
    async fn skip_ahead(&self, wanted: &mut [Wanted]) {
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let Ok(rows) = self.store.load_snapshots(&self.name, &names).await else { return };
        for row in rows {
            let found = wanted.binary_search_by(|wanted| wanted.name.cmp(&row.stream)).ok();
            let Some(wanted) = found.and_then(|index| wanted.get_mut(index)) else { continue };
            let snapshot = Unconfirmed::open(&self.name, &wanted.stream, &row);
            wanted.snapshot = snapshot.filter(|snapshot| snapshot.folded.tip.version > wanted.folded.tip.version);
        }
    }

    /// Notes which streams a stored request carried over a version at which they are kept.
    fn note_due(&self, due: &mut Due, streams: Vec<(StreamId, u64, u64)>, place: Place) {
        for (stream, before, after) in streams {
            let crossed = snapshot::is_due(self.tuning.snapshot_every, before, after);
            if after > before && (crossed || due.contains_key(&stream)) {
                due.insert(stream, (after, place));
            }
        }
    }

    /// Keeps snapshots while nobody waits for it. One that is not kept costs the next reader some time, nothing else.
    fn save_snapshots(&self, cache: &Cache, due: Due) {
        let current = |stream: &StreamId, version| cache.get(stream).filter(|folded| folded.tip.version == version);
        let kept = due.into_iter().filter_map(|(stream, (version, place))| {
            let folded = current(&stream, version)?.clone();
            Some((stream, folded, place))
        });
        let kept: Vec<_> = kept.collect();
        if kept.is_empty() {
            return;
        }
        let (store, name) = (Arc::clone(&self.store), self.name.clone());
        self.env.spawn(Box::pin(async move {
            for (stream, folded, place) in kept {
                // Writing a long state out takes much longer than copying it, and the next group need not wait for that.
                let row = snapshot::take(&name, &stream, &folded, place);
                drop(store.save_snapshot(&name, &row).await);
            }
        }));
    }

    /// Makes a decision ready for the store, and folds it into the slice.
    fn encode(
        &self,
        waiting: &Waiting,
        slice: &mut Slice,
        decision: Decision,
        basis: &[(StreamId, Tip)],
    ) -> Result<(Append, Unplaced), ExecuteError> {
        let Waiting { request, hash, .. } = waiting;
        let size = u16::try_from(decision.events.len())
            .map_err(|_| ExecuteError::Refused { reason: "it would be too many events" })?;
        let mut events = Vec::with_capacity(decision.events.len());
        let mut typed = Vec::with_capacity(decision.events.len());
        for (index, (stream, event)) in (0..).zip(decision.events) {
            let Encoded { type_name, schema_version, payload } = codec::encode(&event);
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

    /// Stores what was accepted and answers it.
    async fn append(
        &self,
        cache: &mut Cache,
        appends: Vec<Append>,
        accepted: Vec<Accepted>,
        again: &mut Again,
        due: &mut Due,
    ) -> Option<ExecuteError> {
        let outcomes = match self.store.append(&self.name, &appends).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                mark!(AppendUnknown, matches!(error, StoreError::Unknown(_)));
                mark!(AppendUnavailable, matches!(error, StoreError::Unavailable(_)));
                let retry = matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_));
                for Accepted { mut waiting, streams, .. } in accepted {
                    waiting.in_doubt |= matches!(error, StoreError::Unknown(_)) && !planted!(DoubtForgotten);
                    streams.iter().for_each(|(stream, ..)| cache.forget(stream));
                    if retry { again.push(waiting) } else { waiting.answer(Err(error.clone().into())) }
                }
                return Some(error.into());
            }
        };
        for (Accepted { mut waiting, streams, answer }, outcome) in accepted.into_iter().zip(outcomes) {
            let streams = planted!(OnlyWrittenForgotten => crate::planted::written(streams, &answer.events), streams);
            if !matches!(outcome, Outcome::Appended(_)) {
                // The cache has folded events that are not in the ledger.
                streams.iter().for_each(|(stream, ..)| cache.forget(stream));
            }
            let key = waiting.request.key.clone();
            mark!(UnknownThenAppended, waiting.in_doubt && matches!(outcome, Outcome::Appended(_)));
            mark!(UnknownThenAlreadyAppended, waiting.in_doubt && matches!(outcome, Outcome::AlreadyAppended(_)));
            mark!(Conflict, matches!(outcome, Outcome::Conflict { .. }));
            mark!(KeyReusedInAppend, matches!(outcome, Outcome::KeyReused { .. }));
            match planted!(ReceiptRebuilt => crate::planted::appended(outcome), outcome) {
                Outcome::Appended(row) => {
                    self.note_due(due, streams, Place::from(&row));
                    let receipt = answer.receipt(&waiting, &row);
                    waiting.answer(receipt.map_err(ExecuteError::from));
                }
                Outcome::AlreadyAppended(_) => {
                    // It is stored, also when it cannot be read back now.
                    waiting.in_doubt |= !planted!(StoredForgotten);
                    let first = self.first_receipt(&key, &waiting.hash).await;
                    waiting.answer(first.and_then(|receipt| receipt.ok_or(ExecuteError::Stopped)));
                }
                Outcome::Conflict { .. } => again.push(waiting),
                Outcome::KeyReused { .. } => waiting.answer(Err(ExecuteError::KeyReused { key })),
                Outcome::Refused { reason } => waiting.answer(Err(ExecuteError::Refused { reason })),
            }
        }
        None
    }

    /// Answers that a request cannot be done, once it is known that it was not done before and that the answer rests on what
    /// the ledger holds now.
    async fn refuse(&self, cache: &mut Cache, refusal: Refusal, again: &mut Again) {
        let Refusal { waiting, error, basis } = refusal;
        match planted!(RejectedBeforeKey => Ok(None), self.first_receipt(&waiting.request.key, &waiting.hash).await) {
            Ok(None) => {}
            Ok(Some(receipt)) => {
                mark!(UnknownThenAlreadyAppended, waiting.in_doubt);
                mark!(FirstReceiptAfterRejection);
                return waiting.answer(Ok(receipt));
            }
            Err(error) => return waiting.answer(Err(error)),
        }
        match self.moved(&basis).await {
            Ok(_) if planted!(RejectionNotConfirmed) => waiting.answer(Err(error)),
            // A later request may rest on an earlier one, whose outcome it then has to wait for.
            Ok(false) if !again.has_before(&waiting) || planted!(LaterNotWaiting) => waiting.answer(Err(error)),
            Ok(_) => {
                mark!(RejectionDecidedAgain);
                basis.iter().for_each(|(stream, _)| cache.forget(stream));
                again.push(waiting);
            }
            Err(error) => waiting.answer(Err(error)),
        }
    }

    /// Whether any stream has another tip than it had.
    async fn moved(&self, basis: &[(StreamId, Tip)]) -> Result<bool, ExecuteError> {
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
            let page = self.store.read_streams(&self.name, &after, at, self.tuning.page).await?;
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

    async fn meet(&mut self, inner: &Inner, row: &EventRow) -> Result<(), ExecuteError> {
        if let Some(snapshot) = self.snapshot.take() {
            if snapshot.is_confirmed(inner, row).await {
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
    fn receipt(self, waiting: &Waiting, row: &RequestRow) -> Result<Receipt, Damaged> {
        let at_us = planted!(ReceiptTimeOfRequest => waiting.request.at.timestamp_micros(), row.recorded_at_us);
        let recorded_at = DateTime::from_timestamp_micros(at_us)
            .ok_or_else(|| Damaged { sequence: row.first_sequence, what: "the time of recording is no time".into() })?;
        let request = Arc::new(RecordedRequest {
            key: waiting.request.key.clone(),
            actor: waiting.request.actor.clone(),
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
