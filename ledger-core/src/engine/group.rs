//! A commit group: requests that are decided one on another and stored by one append.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::cache::Cache;
use super::desk::{Unplaced, decide_from, decided};
use super::in_order::Chain;
use super::snapshot::{self, Place};
use super::{ExecuteError, Inner, Receipt, Waiting};
use crate::decide::{Decision, Undecided};
use crate::slice::Slice;
use crate::store::{Append, Outcome, StoreError};
use crate::stream::{StreamId, Tip};

/// A request that was accepted, and what to answer once its events are stored.
struct Accepted {
    waiting: Waiting,
    /// What it read, with the versions before it and after it.
    streams: Vec<(StreamId, u64, u64)>,
    answer: Unplaced,
}

/// The streams that a group carried to where they are kept as snapshots, each with its version and the last request that wrote it.
type Due = BTreeMap<StreamId, (u64, Place)>;

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
    // How many in order are sent at once. Together they are as slow as they are many, and a fast rival is always before them.
    let mut most = usize::MAX;
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
        let count = pending.len();
        let round = Round::decide(inner, cache, pending, most).await;
        let (again, error) = round.settle(inner, cache, &mut due).await;
        // What was left undecided because the group was full has not failed.
        failures = if again.failed && !again.advanced { failures + 1 } else { 0 };
        most = if again.failed { (most.min(count) / 4).max(1) } else { most.saturating_mul(2) };
        last_error = error.or(last_error);
        pending = again.pending;
    }
    inner.save_snapshots(cache, due);
    cache.age(inner.tuning.cached_streams);
}

impl Waiting {
    fn decide_from(&self, cache: &mut Cache, slice: &mut Slice) -> Result<Decision, Undecided> {
        decide_from(cache, slice, &self.request, self.hopeful)
    }

    /// Keeps what a slice holds, except what was taken for empty and is not written.
    fn keep(&self, cache: &mut Cache, slice: Slice) {
        let hoped = |stream: &StreamId| self.hopeful && self.request.command.makes(stream);
        let kept = slice.into_streams().filter(|(stream, folded)| folded.tip != Tip::EMPTY || !hoped(stream));
        kept.for_each(|(stream, folded)| cache.put(stream, folded));
    }

    fn answer(self, answer: Result<Receipt, ExecuteError>) {
        mark!(DoubtAnswered, self.in_doubt && answer.as_ref().is_err_and(|error| !error.is_certain()));
        let answer = if self.in_doubt { answer.map_err(ExecuteError::in_doubt) } else { answer };
        self.turn.end(&answer);
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
    /// Not looked at, because the group was full, or one before it in the same order was refused and that is not confirmed yet.
    left: Vec<Waiting>,
}

/// What has to be decided again.
#[derive(Default)]
struct Again {
    pending: Vec<Waiting>,
    failed: bool,
    /// Whether one in order was stored, which others wait for.
    advanced: bool,
}

impl Again {
    fn push(&mut self, waiting: Waiting) {
        self.failed = true;
        self.pending.push(waiting);
    }

    /// Whether a request that was asked before this one has still to be decided.
    fn has_before(&self, waiting: &Waiting) -> bool {
        self.pending.iter().any(|earlier| earlier.turn.ticket < waiting.turn.ticket)
    }
}

impl Round {
    /// Decides in order, each request on the state that the earlier ones leave in the cache.
    async fn decide(inner: &Inner, cache: &mut Cache, pending: Vec<Waiting>, most: usize) -> Self {
        let (mut round, desk) = (Self::default(), inner.desk());
        let (mut events, mut prefetched, mut retold, mut away) = (0, false, false, None::<ExecuteError>);
        let (mut held, mut sent, mut chain) = (false, 0, Chain::default());
        let mut pending = VecDeque::from(pending);
        while let Some(waiting) = pending.pop_front() {
            if events >= inner.tuning.group_events {
                mark!(GroupFull);
                round.left.push(waiting);
                continue;
            }
            if waiting.turn.is_lost() {
                waiting.answer(Err(ExecuteError::NotTried));
                continue;
            }
            // Who tells one thing again tells others again, and to decide them on what is there already would load it each time.
            if retold {
                match desk.first_receipt(&waiting.request.key, &waiting.hash).await {
                    Ok(None) => {}
                    known => {
                        waiting.answer(known.and_then(|receipt| receipt.ok_or(ExecuteError::Stopped)));
                        continue;
                    }
                }
            }
            // What would be stored now could be why one before it is no longer refused.
            if waiting.turn.is_ordered() {
                if held || sent == most {
                    round.left.push(waiting);
                    continue;
                }
                sent += 1;
            }
            let (mut slice, mut at) = (Slice::new(inner.name.clone()), None);
            let decided = loop {
                let missing = match decided(waiting.decide_from(cache, &mut slice)) {
                    Ok(answer) => break Ok(answer),
                    Err(missing) => missing,
                };
                // One alone loads what it reads when it is decided.
                if !prefetched && !pending.is_empty() {
                    prefetched = true;
                    waiting.keep(cache, std::mem::replace(&mut slice, Slice::new(inner.name.clone())));
                    inner.prefetch(cache, [&waiting].into_iter().chain(&pending).collect()).await;
                } else if let Some(error) = &away {
                    break Err(error.clone());
                } else if let Err(error) = desk.load(&mut slice, missing, &mut at).await {
                    // The others need not wait, one after another, for a store that is not there.
                    away = matches!(error, ExecuteError::Store(StoreError::Unavailable(_))).then(|| error.clone());
                    break Err(error);
                }
            };
            let basis = slice.iter().map(|(stream, folded)| (stream.clone(), folded.tip)).collect::<Vec<_>>();
            match decided {
                Ok(Ok(decision)) => match desk.encode(&waiting.request, &waiting.hash, &mut slice, decision, &basis) {
                    Ok((mut append, answer)) => {
                        if waiting.turn.is_ordered() && !chain.take(&mut append) {
                            held = true;
                            round.left.push(waiting);
                            continue;
                        }
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
                        retold = true;
                        held |= waiting.turn.is_ordered();
                        round.refused.push(Refusal { waiting, error, basis });
                    }
                },
                Ok(Err(error)) => {
                    waiting.keep(cache, slice);
                    held |= waiting.turn.is_ordered();
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
        again.pending.sort_unstable_by_key(|waiting| waiting.turn.ticket);
        (again, error)
    }
}

fn keep(cache: &mut Cache, slice: Slice) {
    slice.into_streams().for_each(|(stream, folded)| cache.put(stream, folded));
}

impl Inner {
    /// Loads what the requests are going to read, all of them together, one read for each step of their dependencies. What
    /// cannot be read now is found out when its request is decided.
    async fn prefetch(&self, cache: &mut Cache, mut probing: Vec<&Waiting>) {
        let mut at = None;
        for _ in 0..PREFETCH_STEPS {
            if probing.is_empty() {
                return;
            }
            let mut missing = BTreeSet::new();
            probing.retain(|waiting| {
                let mut slice = Slice::new(self.name.clone());
                let needs = match waiting.decide_from(cache, &mut slice) {
                    Err(Undecided::Needs(streams)) => streams,
                    _ => Vec::new(),
                };
                waiting.keep(cache, slice);
                let needed = !needs.is_empty();
                missing.extend(needs);
                needed
            });
            let mut slice = Slice::new(self.name.clone());
            if self.desk().load(&mut slice, missing.into_iter().collect(), &mut at).await.is_err() {
                mark!(PrefetchGaveUp);
                return;
            }
            keep(cache, slice);
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
        // Whether one in order is not stored, so that those after it are not: they have not failed.
        let mut behind = false;
        for (Accepted { mut waiting, streams, answer }, outcome) in accepted.into_iter().zip(outcomes) {
            let streams = planted!(OnlyWrittenForgotten => crate::planted::written(streams, &answer.events), streams);
            if !matches!(outcome, Outcome::Appended(_)) {
                // The cache has folded events that are not in the ledger.
                streams.iter().for_each(|(stream, ..)| cache.forget(stream));
            }
            let ordered = waiting.turn.is_ordered();
            if ordered && behind && matches!(outcome, Outcome::Conflict { .. }) {
                again.pending.push(waiting);
                continue;
            }
            if ordered {
                let stored = matches!(outcome, Outcome::Appended(_));
                again.advanced |= stored;
                behind |= !stored;
            }
            let key = waiting.request.key.clone();
            mark!(UnknownThenAppended, waiting.in_doubt && matches!(outcome, Outcome::Appended(_)));
            mark!(UnknownThenAlreadyAppended, waiting.in_doubt && matches!(outcome, Outcome::AlreadyAppended(_)));
            mark!(Conflict, matches!(outcome, Outcome::Conflict { .. }));
            mark!(KeyReusedInAppend, matches!(outcome, Outcome::KeyReused { .. }));
            match planted!(ReceiptRebuilt => crate::planted::appended(outcome), outcome) {
                Outcome::Appended(row) => {
                    self.note_due(due, streams, Place::from(&row));
                    let receipt = answer.receipt(&waiting.request, &row);
                    waiting.answer(receipt.map_err(ExecuteError::from));
                }
                Outcome::AlreadyAppended(_) => {
                    // It is stored, also when it cannot be read back now.
                    waiting.in_doubt |= !planted!(StoredForgotten);
                    let first = self.desk().first_receipt(&key, &waiting.hash).await;
                    waiting.answer(first.and_then(|receipt| receipt.ok_or(ExecuteError::Stopped)));
                }
                // It was not so new: it has not failed, it was not looked at.
                Outcome::Conflict { expected: Tip::EMPTY, .. } if std::mem::take(&mut waiting.hopeful) => {
                    mark!(HopedInVain);
                    again.pending.push(waiting);
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
        let Refusal { mut waiting, error, basis } = refusal;
        match planted!(RejectedBeforeKey => Ok(None), self.desk().first_receipt(&waiting.request.key, &waiting.hash).await)
        {
            Ok(None) => {}
            Ok(Some(receipt)) => {
                mark!(UnknownThenAlreadyAppended, waiting.in_doubt);
                mark!(FirstReceiptAfterRejection);
                return waiting.answer(Ok(receipt));
            }
            Err(error) => return waiting.answer(Err(error)),
        }
        match self.desk().moved(&basis).await {
            Ok(_) if planted!(RejectionNotConfirmed) => waiting.answer(Err(error)),
            // A later request may rest on an earlier one, whose outcome it then has to wait for.
            Ok(false) if !again.has_before(&waiting) || planted!(LaterNotWaiting) => waiting.answer(Err(error)),
            Ok(_) => {
                mark!(RejectionDecidedAgain);
                basis.iter().for_each(|(stream, _)| cache.forget(stream));
                waiting.hopeful = false;
                again.push(waiting);
            }
            Err(error) => waiting.answer(Err(error)),
        }
    }
}
