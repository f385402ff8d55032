//! Replays a ledger: reads its log page by page, checks every digest and link on the way, and folds it.
//!
//! A few pages are in memory at a time, however long the log is. A replay to the end of a request gives a [`Projected`] that can be kept and gone on
//! from; a replay as of a day in the past leaves events out, so it gives the bare state, which cannot.

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::{Checkpoint, Gap, Projected, Projection};
use crate::Date;
use crate::engine::feed::{Feed, FeedError};
use crate::event::Event;
use crate::id::LedgerName;
use crate::recorded::{Damaged, Recorded, Told};
use crate::store::{Store, StoreError};

/// How far a replay has come, and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last sequence that was folded.
    pub sequence: u64,
    /// The sequence of the ledger's last event when the replay began.
    pub head: u64,
}

/// A past to look at the ledger from: what was recorded by then, of what was effective by then. A plan version only needs to be
/// recorded: deals of earlier days are calculated under it, too.
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
            && (matches!(recorded.event, Event::Plan(_))
                || self.effective.is_none_or(|last| recorded.effective <= last))
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
    while reader.end < through.min(reader.head) {
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
    while reader.end < reader.head {
        let Some(events) = reader.next().await? else { break };
        events.iter().for_each(&mut tell);
    }
    // A log that was cut off must not pass for a short one.
    let (through, before) = (reader.head, reader.end);
    if before == through { Ok(()) } else { Err(ReplayError::NoEnd { through, before }) }
}

/// Folds events that are in memory.
pub fn fold<'a, P: Projection>(events: impl IntoIterator<Item = &'a Recorded>) -> P {
    events.into_iter().fold(P::default(), |mut state, recorded| {
        state.apply(recorded);
        state
    })
}

/// A feed up to a head that is found when it begins.
struct Reader<'a, F> {
    feed: Feed<'a>,
    progress: F,
    head: u64,
    /// The last sequence that was read.
    end: u64,
}

impl<'a, F: FnMut(Progress)> Reader<'a, F> {
    async fn new(
        store: &'a dyn Store,
        ledger: &'a LedgerName,
        from: Checkpoint,
        page: usize,
        progress: F,
    ) -> Result<Self, ReplayError> {
        let head = store.head(ledger).await?;
        if from.sequence > head.sequence || (from.sequence == head.sequence && from.link != head.link) {
            mark!(OtherHistory);
            return Err(ReplayError::OtherHistory { sequence: from.sequence });
        }
        let feed = Feed::new(store, ledger, from, page).until(head.sequence);
        Ok(Self { feed, progress, head: head.sequence, end: from.sequence })
    }

    /// The next page's events, or none at the end of the log.
    async fn next(&mut self) -> Result<Option<Vec<Recorded>>, ReplayError> {
        let Some(batch) = self.feed.next().await? else { return Ok(None) };
        // What was stored since the head was read is not looked at, however much of it happens to be on the page.
        let sequence =
            |told: &Told| told.as_ref().map_or_else(|unreadable| unreadable.sequence, |known| known.sequence);
        let within = batch.events.into_iter().take_while(|told| sequence(told) <= self.head);
        let events: Vec<Recorded> = within.collect::<Result<_, _>>().map_err(Damaged::from)?;
        let end = events.last().map_or(self.end, |recorded| recorded.request.last_sequence);
        if end > self.head {
            return Err(Damaged { sequence: self.head, what: "the head is inside a request".into() }.into());
        }
        self.end = end;
        (self.progress)(Progress { sequence: end, head: self.head });
        Ok(Some(events))
    }
}

impl From<FeedError> for ReplayError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Store(error) => Self::Store(error),
            FeedError::Damaged(damaged) => Self::Damaged(damaged),
            FeedError::OtherHistory { sequence } => {
                mark!(OtherHistory);
                Self::OtherHistory { sequence }
            }
        }
    }
}
