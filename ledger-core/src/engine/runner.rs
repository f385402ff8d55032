//! Keeps a read model's rows up to date, whatever fails on the way.
//!
//! Rows, checkpoint and what is parked are moved on by one write of the store, and only if nobody else has moved them: a crash at
//! any moment, or two runners at once, fold every event exactly once.
//!
//! An event that cannot be folded is **parked**, and so is every later event of its stream or of one of its rows, because rows
//! are never folded out of order. Where the rows of a parked event are not all known, what would leave no trace in one of its own
//! rows is parked as well. The runner goes on with all others. [`Runner::resume`] tries what is parked again.
//!
//! [`Runner::rebuild`] folds the log from its beginning into a second set of rows beside the live ones, and puts it in their
//! place when it has caught up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Env;
use super::feed::{Feed, FeedError};
use crate::codec::canonical;
use crate::id::LedgerName;
use crate::projection::Checkpoint;
pub use crate::projection::read_model::{Cause, ReadModel, Rows};
use crate::projection::read_model::{Table, keys};
use crate::recorded::{Damaged, Recorded, Told, Unreadable, tell_page};
use crate::store::{CheckpointRow, ProjectionWrite, Promotion, RowChange, Store, StoreError, page_size};
use crate::stream::StreamName;

/// What the name of a set of rows ends with while it is built beside the live one.
pub const BESIDE: &str = "~beside";

/// Keeps one read model of one ledger.
pub struct Runner {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    ledger: LedgerName,
    model: Arc<dyn ReadModel>,
    page: usize,
}

/// An event that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parked {
    /// Its place in the ledger.
    pub sequence: u64,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Why.
    pub cause: Cause,
    /// The rows that it touches, as far as that is known.
    pub keys: Vec<CompactString>,
    /// The first sequence of its request, where it is read again.
    pub first_sequence: u64,
}

/// Why a runner stopped. What it had moved on stays so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunnerError {
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not what a ledger stores. Stop and run `verify`.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The rows are of a history that this log is not.
    #[error("the rows of {model} at event {sequence} are of another history than this log: rebuild them")]
    OtherHistory {
        /// The model's name.
        model: CompactString,
        /// Where the rows stand.
        sequence: u64,
    },
    /// The rows were made by another version of the model.
    #[error("the rows of {model} are of version {found}, the model is version {expected}: rebuild them")]
    OtherVersion {
        /// The model's name.
        model: CompactString,
        /// The version of the model.
        expected: u32,
        /// The version of the rows.
        found: u32,
    },
    /// What is kept of the runner itself cannot be read.
    #[error("what is kept of {model} at event {sequence} cannot be read: {what}; rebuild it")]
    Malformed {
        /// The model's name.
        model: CompactString,
        /// The sequence that it is said to stand at.
        sequence: u64,
        /// What is wrong, and where.
        what: String,
    },
    /// The model cannot be kept under its name.
    #[error("{model:?} is no name for a read model: it is empty, has a zero byte or ends with {BESIDE}")]
    BadName {
        /// The model's name.
        model: CompactString,
    },
}

impl RunnerError {
    /// Whether the same may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_) | StoreError::Unknown(_)))
    }

    /// Whether a rebuild mends it.
    #[must_use]
    pub fn wants_rebuild(&self) -> bool {
        matches!(self, Self::OtherHistory { .. } | Self::OtherVersion { .. } | Self::Malformed { .. })
    }
}

/// A set of rows as it was found: its checkpoint and what is parked of it.
struct Kept {
    name: CompactString,
    row: Option<CheckpointRow>,
    built: u64,
    parked: Vec<Parked>,
}

/// What a checkpoint holds besides its place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Besides {
    /// How often the rows were built anew, so that a checkpoint is never taken for that of other rows at the same place.
    built: u64,
    parked: Vec<Parked>,
}

/// What became of one batch.
enum Moved {
    /// There was none.
    AtHead,
    /// Somebody else has moved the rows meanwhile.
    Raced,
    /// It is in the rows, which now stand here.
    To(CheckpointRow),
}

impl Runner {
    /// A runner that reads at most `page` events at once, a single larger request aside.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        env: Arc<dyn Env>,
        ledger: LedgerName,
        model: Arc<dyn ReadModel>,
        page: usize,
    ) -> Self {
        Self { store, env, ledger, model, page: page_size(page) }
    }

    /// Folds the next batch. Says whether there may be more to fold.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub async fn step(&self) -> Result<bool, RunnerError> {
        let kept = self.live().await?;
        Ok(!matches!(self.advance(&kept, &mut self.feed(kept.checkpoint())).await?, Moved::AtHead))
    }

    /// Folds everything that there is, and says where the rows stand then.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub async fn catch_up(&self) -> Result<Checkpoint, RunnerError> {
        let mut feed = self.feed(Checkpoint::default());
        loop {
            let kept = self.live().await?;
            if let Moved::AtHead = self.advance(&kept, &mut feed).await? {
                return Ok(kept.checkpoint());
            }
        }
    }

    /// Keeps the rows up to date for as long as it is polled, waiting where there is nothing new or the store is away. It ends
    /// only with what waiting does not mend.
    pub async fn run(&self) -> RunnerError {
        let mut pause = FIRST_PAUSE;
        loop {
            let done = match self.catch_up().await {
                Ok(at) => Ok(self.feed(at).more(&*self.env).await),
                Err(error) => Err(error),
            };
            match done.and_then(|waited| waited.map_err(|error| self.stopped(error))) {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) if error.is_passing() => {
                    self.env.sleep(pause).await;
                    pause = LAST_PAUSE.min(pause.saturating_mul(2));
                }
                Err(error) => return error,
            }
        }
    }

    /// What is parked, in the order of the log.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub async fn parked(&self) -> Result<Vec<Parked>, RunnerError> {
        Ok(self.live().await?.parked)
    }

    /// Tries what is parked again, in order, and gives what still is.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub async fn resume(&self) -> Result<Vec<Parked>, RunnerError> {
        let mut most = self.page;
        'again: loop {
            let mut kept = self.live().await?;
            if kept.parked.is_empty() {
                return Ok(Vec::new());
            }
            // The checkpoint is in this log, and so is everything before it.
            let confirmed = self.feed(kept.checkpoint()).next().await;
            confirmed.map_err(|error| self.stopped(error))?;
            let mut still = Vec::new();
            let mut waiting = kept.parked.clone();
            while !waiting.is_empty() {
                let rest = waiting.split_off(waiting.len().min(most));
                let told = self.read_again(&waiting).await?;
                waiting = rest;
                let (rows, parked) = self.fold(&kept.name, still.clone(), told).await?;
                let all = [parked.as_slice(), waiting.as_slice()].concat();
                still = parked;
                if all == kept.parked {
                    continue;
                }
                let Some(row) = self.save(&kept, kept.checkpoint(), &all, rows).await? else {
                    // Less at once is done before the rows have moved on again.
                    most = (most.min(all.len()) / 2).max(1);
                    continue 'again;
                };
                most = most.saturating_mul(2).min(self.page);
                kept = Kept { row: Some(row), parked: all, ..kept };
            }
            return Ok(still);
        }
    }

    /// Builds the rows anew from the first event, beside the live ones, and puts them in their place when they have caught up.
    /// A rebuild that was cut short is gone on with. Says where the rows stand then.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub async fn rebuild(&self) -> Result<Checkpoint, RunnerError> {
        self.require_name()?;
        let (name, beside) = (CompactString::from(self.model.name()), format_compact!("{}{BESIDE}", self.model.name()));
        let mut feed = self.feed(Checkpoint::default());
        let mut begun = false;
        loop {
            let kept = match self.load(&beside).await {
                Ok(kept) => kept,
                Err(error) if error.wants_rebuild() => Kept::none(&beside),
                Err(error) => return Err(error),
            };
            let live = self.store.load_checkpoint(&self.ledger, &name).await?;
            if kept.row.is_none() {
                let finished = live.as_ref().filter(|live| begun && live.version == self.model.version());
                if let Some(live) = finished {
                    // Somebody else built the same, and was faster.
                    return Ok(place(live));
                }
                self.begin(&beside).await?;
                begun = true;
                continue;
            }
            begun = true;
            let moved = match self.advance(&kept, &mut feed).await {
                Err(RunnerError::OtherHistory { .. }) => {
                    self.begin(&beside).await?;
                    continue;
                }
                moved => moved?,
            };
            let from = match (moved, kept.row) {
                (Moved::To(row), _) if live.as_ref().is_some_and(|live| live.sequence <= row.sequence) => row,
                (Moved::AtHead, Some(row)) => row,
                _ => continue,
            };
            let at = place(&from);
            let promotion = Promotion { from, to: name.clone(), over: live };
            if self.store.promote(&self.ledger, &promotion).await? {
                return Ok(at);
            }
        }
    }

    /// Starts a set of rows from nothing.
    async fn begin(&self, name: &CompactString) -> Result<(), RunnerError> {
        let row = self.store.load_checkpoint(&self.ledger, name).await?;
        let live = self.store.load_checkpoint(&self.ledger, self.model.name()).await?;
        // What cannot be read is not gone on from either.
        let built = [&row, &live].into_iter().flatten().filter_map(|row| serde_json::from_slice(&row.state).ok());
        let built = built.map(|Besides { built, .. }| built).max().unwrap_or_default().saturating_add(1);
        let kept = Kept { row, built, ..Kept::none(name) };
        let write = self.write(&kept, Checkpoint::default(), &[], Vec::new());
        // If it is not done, somebody else has begun.
        self.store.save_projection(&self.ledger, &ProjectionWrite { clear: true, ..write }).await?;
        Ok(())
    }

    async fn live(&self) -> Result<Kept, RunnerError> {
        self.require_name()?;
        self.load(self.model.name()).await
    }

    fn require_name(&self) -> Result<(), RunnerError> {
        let name = self.model.name();
        if name.is_empty() || name.contains('\0') || name.ends_with(BESIDE) {
            return Err(RunnerError::BadName { model: name.into() });
        }
        Ok(())
    }

    async fn load(&self, name: &str) -> Result<Kept, RunnerError> {
        let row = self.store.load_checkpoint(&self.ledger, name).await?;
        let model = || CompactString::from(name);
        let Some(found) = &row else { return Ok(Kept::none(name)) };
        let expected = self.model.version();
        if found.version != expected {
            return Err(RunnerError::OtherVersion { model: model(), expected, found: found.version });
        }
        let malformed = |error: serde_json::Error| {
            let what = error.to_string();
            RunnerError::Malformed { model: model(), sequence: found.sequence, what }
        };
        let Besides { built, parked } = serde_json::from_slice(&found.state).map_err(malformed)?;
        Ok(Kept { name: model(), row, built, parked })
    }

    fn feed(&self, from: Checkpoint) -> Feed<'_> {
        Feed::new(&*self.store, &self.ledger, from, self.page)
    }

    /// Folds the next batch into the rows. A feed that stands where they do goes on: it knows what it read last, and does not
    /// take damage that follows for another history.
    async fn advance<'a>(&'a self, kept: &Kept, feed: &mut Feed<'a>) -> Result<Moved, RunnerError> {
        if feed.position() != kept.checkpoint() {
            *feed = self.feed(kept.checkpoint());
        }
        let Some(batch) = feed.next().await.map_err(|error| self.stopped(error))? else { return Ok(Moved::AtHead) };
        let (rows, parked) = self.fold(&kept.name, kept.parked.clone(), batch.events).await?;
        Ok(self.save(kept, batch.end, &parked, rows).await?.map_or(Moved::Raced, Moved::To))
    }

    /// Folds events into the rows that they touch; gives what changes and all that is parked then.
    async fn fold(
        &self,
        name: &str,
        parked: Vec<Parked>,
        events: Vec<Told>,
    ) -> Result<(Vec<RowChange>, Vec<Parked>), StoreError> {
        let named: Vec<_> = events.into_iter().map(|told| self.named(told)).collect();
        let touched: BTreeSet<_> = named.iter().flat_map(|named| &named.keys).cloned().collect();
        let touched: Vec<_> = touched.into_iter().collect();
        let mut table = Table::default();
        if !touched.is_empty() {
            table = self.store.read_rows(&self.ledger, name, &touched).await?.into_iter().collect();
        }
        let mut line = Line::of(parked);
        for Named { told, keys } in named {
            let (at, event) = match told {
                Ok(recorded) => (Place::from(&recorded), Ok(recorded)),
                Err((at, cause)) => (at, Err(cause)),
            };
            let folded = match (line.before(&at.stream, &keys), event) {
                (_, Err(cause)) => Err(cause),
                (Some(sequence), Ok(_)) => Err(Cause::Behind { sequence }),
                (None, Ok(recorded)) => table.apply(&*self.model, &recorded, &keys, line.unnamed),
            };
            if let Err(cause) = folded {
                line.park(at, cause, keys);
            }
        }
        Ok((table.into_changes(), line.parked))
    }

    fn named(&self, told: Told) -> Named {
        match told {
            Ok(recorded) => match keys(&*self.model, &recorded) {
                Ok(keys) => Named { told: Ok(recorded), keys },
                Err(cause) => Named { told: Err((Place::from(&recorded), cause)), keys: Vec::new() },
            },
            Err(Unreadable { sequence, stream, request, error, .. }) => {
                let at = Place { sequence, stream, first_sequence: request.first_sequence };
                Named { told: Err((at, Cause::Unreadable(error.to_string()))), keys: Vec::new() }
            }
        }
    }

    /// Moves rows, checkpoint and what is parked on, as one; none when somebody else has moved them.
    async fn save(
        &self,
        kept: &Kept,
        to: Checkpoint,
        parked: &[Parked],
        rows: Vec<RowChange>,
    ) -> Result<Option<CheckpointRow>, StoreError> {
        let write = self.write(kept, to, parked, rows);
        let saved = self.store.save_projection(&self.ledger, &write).await?;
        Ok(saved.then_some(write.checkpoint))
    }

    fn write(&self, kept: &Kept, to: Checkpoint, parked: &[Parked], rows: Vec<RowChange>) -> ProjectionWrite {
        let Checkpoint { sequence, link } = to;
        let besides = Besides { built: kept.built, parked: parked.to_vec() };
        let (name, version, state) = (kept.name.clone(), self.model.version(), canonical(&besides));
        ProjectionWrite {
            expected: kept.row.clone(),
            checkpoint: CheckpointRow { name, version, sequence, link, state },
            clear: kept.row.is_none(),
            rows,
        }
    }

    /// Reads parked events again.
    async fn read_again(&self, parked: &[Parked]) -> Result<Vec<Told>, RunnerError> {
        let mut found: Vec<Told> = Vec::with_capacity(parked.len());
        for of_one in parked.chunk_by(|a, b| a.first_sequence == b.first_sequence) {
            let Some(first) = of_one.first() else { continue };
            let after = first.first_sequence.saturating_sub(1);
            let page = self.store.read_log(&self.ledger, after, 1).await?;
            let told = tell_page(self.ledger.as_str(), after, &page)?;
            let before = found.len();
            found.extend(told.into_iter().filter(|told| of_one.iter().any(|parked| parked.sequence == sequence(told))));
            if found.len() - before != of_one.len() {
                let what = "an event that was parked is not in its request".into();
                return Err(Damaged { sequence: first.sequence, what }.into());
            }
        }
        Ok(found)
    }

    fn stopped(&self, error: FeedError) -> RunnerError {
        match error {
            FeedError::Store(error) => error.into(),
            FeedError::Damaged(damaged) => damaged.into(),
            FeedError::OtherHistory { sequence } => {
                RunnerError::OtherHistory { model: self.model.name().into(), sequence }
            }
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);

impl Kept {
    fn none(name: &str) -> Self {
        Self { name: name.into(), row: None, built: 0, parked: Vec::new() }
    }

    fn checkpoint(&self) -> Checkpoint {
        self.row.as_ref().map_or_else(Checkpoint::default, place)
    }
}

fn place(row: &CheckpointRow) -> Checkpoint {
    Checkpoint { sequence: row.sequence, link: row.link }
}

fn sequence(told: &Told) -> u64 {
    told.as_ref().map_or_else(|unreadable| unreadable.sequence, |recorded| recorded.sequence)
}

/// An event with the rows that it touches.
struct Named {
    told: Result<Recorded, (Place, Cause)>,
    keys: Vec<CompactString>,
}

/// Where an event stands.
struct Place {
    sequence: u64,
    stream: StreamName,
    first_sequence: u64,
}

impl From<&Recorded> for Place {
    fn from(recorded: &Recorded) -> Self {
        let Recorded { sequence, stream, request, .. } = recorded;
        Self { sequence: *sequence, stream: stream.clone(), first_sequence: request.first_sequence }
    }
}

/// What is parked, and what has to wait behind it.
struct Line {
    parked: Vec<Parked>,
    streams: BTreeMap<StreamName, u64>,
    keys: BTreeMap<CompactString, u64>,
    /// The first parked event whose rows are not all known.
    unnamed: Option<u64>,
}

impl Line {
    fn of(parked: Vec<Parked>) -> Self {
        let (streams, keys) = (BTreeMap::new(), BTreeMap::new());
        let mut line = Self { parked: Vec::new(), streams, keys, unnamed: None };
        parked.into_iter().for_each(|parked| line.push(parked));
        line
    }

    /// The parked event that one of this stream and these rows has to wait for.
    fn before(&self, stream: &StreamName, keys: &[CompactString]) -> Option<u64> {
        let rows = keys.iter().filter_map(|key| self.keys.get(key));
        // What is nothing to the model waits for nobody.
        let of_stream = self.streams.get(stream).filter(|_| !keys.is_empty());
        rows.chain(of_stream).copied().min()
    }

    fn park(&mut self, at: Place, cause: Cause, keys: Vec<CompactString>) {
        let Place { sequence, stream, first_sequence } = at;
        self.push(Parked { sequence, stream, cause, keys, first_sequence });
    }

    fn push(&mut self, parked: Parked) {
        if parked.keys.is_empty() || matches!(parked.cause, Cause::Stray { .. }) {
            self.unnamed.get_or_insert(parked.sequence);
        }
        self.streams.entry(parked.stream.clone()).or_insert(parked.sequence);
        for key in &parked.keys {
            self.keys.entry(key.clone()).or_insert(parked.sequence);
        }
        self.parked.push(parked);
    }
}
