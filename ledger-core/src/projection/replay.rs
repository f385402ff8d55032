//! Replays a ledger: reads its log page by page, checks every digest and link on the way, and folds it.
//!
//! Only one page is in memory at a time. A replay to the end of a request gives a [`Projected`] that can be kept and gone on
//! from; a replay as of a day in the past leaves events out, so it gives the bare state, which cannot.

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::{Checkpoint, Gap, Projected, Projection};
use crate::Date;
use crate::chain::{self, Digest};
use crate::id::LedgerName;
use crate::limits::PAGE_EVENTS;
use crate::recorded::{Damaged, Recorded, decode_page};
use crate::store::{LogPage, Store, StoreError};

/// How far a replay has come, and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last sequence that was folded.
    pub sequence: u64,
    /// The sequence of the ledger's last event when the replay began.
    pub head: u64,
}

/// A past to look at the ledger from: what was recorded by then, of what was effective by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsOf {
    /// The last moment of recording; any without it.
    pub recorded: Option<DateTime<Utc>>,
    /// The last effective day; any without it.
    pub effective: Option<Date>,
}

impl AsOf {
    /// Whether an event belongs to that past.
    #[must_use]
    pub fn includes(&self, recorded: &Recorded) -> bool {
        self.recorded.is_none_or(|last| recorded.request.recorded_at <= last)
            && self.effective.is_none_or(|last| recorded.effective <= last)
    }
}

/// Why a replay stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not what a ledger stores. Stop and run `verify`.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The events that were read do not follow the state.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The state that was to be gone on from is of another history. Replay from the beginning.
    #[error("the checkpoint at event {sequence} is of another history than this log: replay from the beginning")]
    OtherHistory {
        /// Where the state stands.
        sequence: u64,
    },
    /// No request ends at the sequence that was asked for.
    #[error("no request ends at event {through}: the one before ends at {before}")]
    NoEnd {
        /// The sequence that was asked for.
        through: u64,
        /// The end of the last request before it.
        before: u64,
    },
}

/// Replays the log from where `from` stands to its head, reading pages of at most `page` events.
///
/// # Errors
/// [`ReplayError`] when the store fails, the log is damaged, or `from` is of another history.
pub async fn replay<P: Projection>(
    store: &dyn Store,
    ledger: &LedgerName,
    from: Projected<P>,
    page: usize,
    progress: impl FnMut(Progress),
) -> Result<Projected<P>, ReplayError> {
    replay_through(store, ledger, from, u64::MAX, page, progress).await
}

/// Replays the log from where `from` stands to the end of a request.
///
/// # Errors
/// [`ReplayError::NoEnd`] when no request ends at `through`, and those of [`replay`]. `u64::MAX` is the head.
pub async fn replay_through<P: Projection>(
    store: &dyn Store,
    ledger: &LedgerName,
    mut from: Projected<P>,
    through: u64,
    page: usize,
    progress: impl FnMut(Progress),
) -> Result<Projected<P>, ReplayError> {
    let mut reader = Reader::new(store, ledger, from.checkpoint(), page, progress).await?;
    let through = if through == u64::MAX { reader.head } else { through };
    while reader.position.sequence < through {
        let Some(events) = reader.next().await? else { break };
        from.fold(events.iter().take_while(|recorded| recorded.request.last_sequence <= through))?;
    }
    let before = from.checkpoint().sequence;
    if before == through { Ok(from) } else { Err(ReplayError::NoEnd { through, before }) }
}

/// Replays what belongs to a past. Amounts are as they were stored; nothing is calculated again.
///
/// # Errors
/// Those of [`replay`].
pub async fn replay_as_of<P: Projection>(
    store: &dyn Store,
    ledger: &LedgerName,
    as_of: AsOf,
    page: usize,
    progress: impl FnMut(Progress),
) -> Result<P, ReplayError> {
    let mut state = P::default();
    each_event(store, ledger, page, progress, |recorded| {
        if as_of.includes(recorded) {
            state.apply(recorded);
        }
    })
    .await?;
    Ok(state)
}

/// Tells every event of the log in order, for what is streamed and not held: an audit trail, a journal.
///
/// # Errors
/// Those of [`replay`].
pub async fn each_event(
    store: &dyn Store,
    ledger: &LedgerName,
    page: usize,
    progress: impl FnMut(Progress),
    mut tell: impl FnMut(&Recorded),
) -> Result<(), ReplayError> {
    let mut reader = Reader::new(store, ledger, Checkpoint::default(), page, progress).await?;
    while reader.position.sequence < reader.head {
        let Some(events) = reader.next().await? else { break };
        events.iter().for_each(&mut tell);
    }
    // A log that was cut off must not pass for a short one.
    let (through, before) = (reader.head, reader.position.sequence);
    if before == through { Ok(()) } else { Err(ReplayError::NoEnd { through, before }) }
}

/// Folds events that are in memory.
pub fn fold<'a, P: Projection>(events: impl IntoIterator<Item = &'a Recorded>) -> P {
    events.into_iter().fold(P::default(), |mut state, recorded| {
        state.apply(recorded);
        state
    })
}

/// Reads the log forward, page by page, and makes sure that each link follows from the one before.
struct Reader<'a, F> {
    store: &'a dyn Store,
    ledger: &'a LedgerName,
    page: usize,
    progress: F,
    head: u64,
    start: u64,
    position: Checkpoint,
}

impl<'a, F: FnMut(Progress)> Reader<'a, F> {
    async fn new(
        store: &'a dyn Store,
        ledger: &'a LedgerName,
        position: Checkpoint,
        page: usize,
        progress: F,
    ) -> Result<Self, ReplayError> {
        let head = store.head(ledger).await?;
        let start = position.sequence;
        if start > head.sequence || (start == head.sequence && position.link != head.link) {
            return Err(ReplayError::OtherHistory { sequence: start });
        }
        let page = page.clamp(1, PAGE_EVENTS);
        Ok(Self { store, ledger, page, progress, head: head.sequence, start, position })
    }

    /// The next page's events, or none at the end of the log.
    async fn next(&mut self) -> Result<Option<Vec<Recorded>>, ReplayError> {
        let after = self.position.sequence;
        let mut page = self.store.read_log(self.ledger, after, self.page).await?;
        // What was stored since the head was read is not looked at, however much of it happens to be on the page.
        page.requests.retain(|request| request.first_sequence <= self.head);
        page.events.retain(|event| event.sequence <= self.head);
        if page.requests.is_empty() {
            return Ok(None);
        }
        let begins = page.requests.first().map(|request| request.first_sequence);
        if after == self.start && after > 0 && begins != after.checked_add(1) {
            return Err(ReplayError::OtherHistory { sequence: after });
        }
        let events = decode_page(self.ledger.as_str(), after, &page)?;
        self.follow(&page)?;
        (self.progress)(Progress { sequence: self.position.sequence, head: self.head });
        Ok(Some(events))
    }

    fn follow(&mut self, page: &LogPage) -> Result<(), ReplayError> {
        let mut rest = page.events.as_slice();
        for request in &page.requests {
            // The page is decoded already, so every request has its events.
            let (events, others) = rest.split_at_checked(request.size.into()).unwrap_or((rest, &[]));
            rest = others;
            let digests = events.iter().map(|event| &event.digest);
            let link = chain::link(&self.position.link, request.first_sequence, request.recorded_at_us, digests);
            if link != request.link {
                return Err(self.broken(request.first_sequence, link));
            }
            self.position = Checkpoint { sequence: request.last_sequence(), link };
        }
        Ok(())
    }

    /// A link that does not follow right after the checkpoint says that the checkpoint is not of this log.
    fn broken(&self, sequence: u64, link: Digest) -> ReplayError {
        if self.start > 0 && self.position.sequence == self.start {
            return ReplayError::OtherHistory { sequence: self.start };
        }
        Damaged { sequence, what: format!("the link of its request is not {link}, which follows from the one before") }
            .into()
    }
}
