//! What a ledger asks of whatever keeps its log: one small trait, in plain data, so that an adapter knows nothing of
//! commissions.
//!
//! The clauses are numbered; [`conformance`] has one function per clause, and every adapter runs them all.
//!
//! | clause | what holds |
//! |---|---|
//! | C1 | a request is stored whole or not at all, over any number of streams |
//! | C2 | sequences have no gap and are in commit order; versions of a stream have no gap |
//! | C3 | a request is stored only if every guard's tip, version and digest, is the stream's |
//! | C4 | a guard on an empty stream fails once the stream has an event |
//! | C5 | a key that was stored answers with its first receipt, before any guard is looked at |
//! | C6 | a key that was stored with another request hash is refused as reused |
//! | C7 | the requests of a group are admitted in order, each on what the earlier ones left; one that fails leaves no trace |
//! | C8 | what was stored comes back as it was, payloads byte for byte |
//! | C9 | every request adds one link, computed from the link before it |
//! | C10 | `recorded_at` never goes back within a ledger, whatever the clock does |
//! | C11 | ledgers share nothing: not sequences, keys, streams or links |
//! | C12 | a read at sequence N sees exactly the events up to N; the first read fixes N |
//! | C13 | pages of any size give the same log, request by request |
//! | C14 | what was acknowledged is there after the store is opened again |
//! | C15 | writers in parallel lose nothing and repeat nothing |
//! | C16 | a checkpoint comes back as it was saved, and is replaced as a whole |
//! | C17 | a projection's rows and its checkpoint are saved together, and only if the checkpoint is the expected one |
//! | C18 | a projection's rows come back as they were saved, by key and in pages, and are those of no other projection or ledger |
//! | C19 | a promotion puts rows and checkpoint of one projection in place of another's, at once, if both are the expected ones |
//! | C20 | a snapshot comes back as it was saved, replaced as a whole, for its stream and ledger only |
//! | C21 | the pages of a log that is read on and on are those that are read one by one, and can be left at any |
//!
//! Snapshots, checkpoints and rows are derived: a store that loses them loses time, nothing else.

pub mod admit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use compact_str::CompactString;
use thiserror::Error;

use crate::Date;
use crate::chain::Digest;
use crate::id::{Key, LedgerName};
use crate::limits::PAGE_EVENTS;
use crate::stream::{StreamName, Tip};

/// A future that a store hands out; boxed so that a store can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tells the time, in microseconds since 1970-01-01 UTC. A store asks it once per group; no request is recorded before the one
/// that it follows.
///
/// The core never reads the clock of the system: whoever opens a store says what time it goes by.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Keeps the log of any number of ledgers. See the [module](self) for what must hold.
pub trait Store: Send + Sync {
    /// Appends a group of requests, each all or nothing, and answers for each.
    ///
    /// # Errors
    /// [`StoreError`] when there is no answer for the group as a whole. Only [`StoreError::Unknown`] leaves open whether
    /// requests were stored; sending the same requests again, with the same keys, settles it.
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>>;

    /// The events of some streams, each named once and read after a version, up to sequence `at` or the head, whichever is
    /// lower, in the order of the log. The answer names the sequence that it is as of.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>>;

    /// Whole requests after a sequence, which is 0 or a request's last, in the order of the log: as many as have at most
    /// `limit` events together, but at least one while there is one.
    ///
    /// The rows are given as they are stored, also when they do not fit together: judging them is for who verifies a ledger.
    /// Events that belong to no request are given with the requests around them, or alone when no request follows.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>>;

    /// The log after a sequence as [`read_log`](Self::read_log) gives it, page after page, without the requests that begin after
    /// `until`: for who reads much of it. It can be left at any page; nothing of the store may be held up by who does, or by
    /// who is slow.
    ///
    /// A store that can read ahead while a page is looked at does; without a method of its own it reads one page when it is
    /// asked for it. However far it reads ahead, what it holds in memory does not grow with the log.
    fn log_pages<'a>(&'a self, ledger: &'a LedgerName, after: u64, until: u64, limit: usize) -> Box<dyn Pages + 'a> {
        Box::new(OneByOne::new(self, ledger, after, until, limit))
    }

    /// The request that was stored under a key, with its events, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>>;

    /// Where the ledger ends.
    ///
    /// # Errors
    /// [`StoreError`] when the row could not be read.
    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>>;

    /// The ledgers that have at least one event, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>>;

    /// Keeps a snapshot, in place of the one that was kept of its stream.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be kept.
    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The snapshots that are kept of some streams, in no particular order.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be read.
    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>>;

    /// The checkpoint that was kept under a name, if any.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be read.
    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>>;

    /// Moves a projection on: its checkpoint and its rows, all or nothing. Says whether it was done; it is not when the
    /// checkpoint that is kept is not the expected one, so that of two that would move a projection one does.
    ///
    /// # Errors
    /// [`StoreError`] when there is no answer. Only [`StoreError::Unknown`] leaves open whether it was done; the checkpoint
    /// tells.
    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The rows of a projection that have one of some keys, each key named once, in no particular order.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>>;

    /// The rows of a projection whose keys come after a key, or all without it, by the bytes of their keys: at most as many as
    /// [`page_size`] makes of `limit`, and none only after the last.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read.
    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>>;

    /// Puts one projection, its rows and its checkpoint, in place of another, all or nothing; nothing is left under its own
    /// name. Says whether it was done; it is not when either checkpoint is not the expected one.
    ///
    /// # Errors
    /// As [`save_projection`](Self::save_projection).
    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// A log that is read on and on.
pub trait Pages: Send + Sync {
    /// The next page, or none after the last.
    ///
    /// # Errors
    /// [`StoreError`] when the rows could not be read. Begin again after the last page that was given.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LogPage>, StoreError>>;
}

/// Pages that are read one by one, each when it is asked for.
pub struct OneByOne<'a, S: ?Sized> {
    store: &'a S,
    ledger: &'a LedgerName,
    /// After which sequence there may be more; none after the last page.
    after: Option<u64>,
    until: u64,
    limit: usize,
}

impl<'a, S: Store + ?Sized> OneByOne<'a, S> {
    /// What [`Store::log_pages`] gives, of a store's [`Store::read_log`].
    pub fn new(store: &'a S, ledger: &'a LedgerName, after: u64, until: u64, limit: usize) -> Self {
        Self { store, ledger, after: Some(after), until, limit }
    }
}

impl<S: Store + ?Sized> Pages for OneByOne<'_, S> {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LogPage>, StoreError>> {
        Box::pin(async move {
            let Some(after) = self.after.take().filter(|after| *after < self.until) else { return Ok(None) };
            let mut page = self.store.read_log(self.ledger, after, self.limit).await?;
            page.requests.retain(|request| request.first_sequence <= self.until);
            let last = page.requests.last().map(RequestRow::last_sequence);
            let end = last.map_or(self.until, |last| last.max(self.until));
            page.events.retain(|event| event.sequence <= end);
            // A forged request may lead back.
            self.after = last.filter(|last| *last > after);
            Ok((!page.requests.is_empty() || !page.events.is_empty()).then_some(page))
        })
    }
}

/// Keeps a checkpoint in place of whatever is kept under its name.
///
/// # Errors
/// [`StoreError`] when it could not be kept.
pub async fn keep_checkpoint(store: &dyn Store, ledger: &LedgerName, row: &CheckpointRow) -> Result<(), StoreError> {
    loop {
        let expected = store.load_checkpoint(ledger, &row.name).await?;
        let write = ProjectionWrite { expected, checkpoint: row.clone(), clear: false, rows: Vec::new() };
        // When it is not done, somebody else has kept one meanwhile.
        if store.save_projection(ledger, &write).await? {
            return Ok(());
        }
    }
}

/// A request, decided and encoded, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The idempotency key.
    pub key: Key,
    /// The hash of what was asked.
    pub request_hash: Digest,
    /// Who asked.
    pub actor: CompactString,
    /// The tip of every stream that the decision read, in no particular order, each stream once.
    pub guards: Vec<Guard>,
    /// What was decided: at least one event, and every stream that is written is guarded.
    pub events: Vec<NewEvent>,
}

/// The tip that a stream must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The stream.
    pub stream: StreamName,
    /// Its tip when the decision read it.
    pub tip: Tip,
}

/// An event that has no place in the ledger yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Its version in the stream: one more than the event before it.
    pub version: u64,
    /// The stored type, such as `payout.created`.
    pub type_name: CompactString,
    /// The version of the payload's form.
    pub schema_version: u16,
    /// The effective date.
    pub effective: Date,
    /// The canonical bytes.
    pub payload: Vec<u8>,
    /// The digest, computed by the author of the event.
    pub digest: Digest,
}

/// How many events a page holds when `limit` are asked for: at least one, at most [`PAGE_EVENTS`].
#[must_use]
pub fn page_size(limit: usize) -> usize {
    limit.clamp(1, PAGE_EVENTS)
}

/// What became of one request of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was stored now.
    Appended(RequestRow),
    /// It had been stored before, under the same key with the same hash; nothing was stored now.
    AlreadyAppended(RequestRow),
    /// It was not stored: a stream has moved on. Load it again and decide again.
    Conflict {
        /// The stream whose tip differs.
        stream: StreamName,
        /// The tip that the guard names.
        expected: Tip,
        /// The tip that the stream has.
        actual: Tip,
    },
    /// It was not stored: the key belongs to another request.
    KeyReused {
        /// The request that has the key.
        first: RequestRow,
    },
    /// It was not stored, and never can be: the request itself is malformed.
    Refused {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What a store keeps of a request besides its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The idempotency key.
    pub key: CompactString,
    /// The hash of what was asked.
    pub request_hash: Digest,
    /// Who asked.
    pub actor: CompactString,
    /// The sequence of its first event, from 1.
    pub first_sequence: u64,
    /// How many events it has.
    pub size: u16,
    /// When it was stored, in microseconds since 1970-01-01 UTC.
    pub recorded_at_us: i64,
    /// The link of the chain after it.
    pub link: Digest,
}

impl RequestRow {
    /// The sequence of its last event.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.size)).saturating_sub(1)
    }
}

/// What a store keeps of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the ledger, from 1, without gaps.
    pub sequence: u64,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Its place in the stream, from 1, without gaps.
    pub version: u64,
    /// The stored type, such as `payout.created`.
    pub type_name: CompactString,
    /// The version of the payload's form.
    pub schema_version: u16,
    /// Its place in its request, from 0.
    pub index: u16,
    /// The effective date.
    pub effective: Date,
    /// The canonical bytes.
    pub payload: Vec<u8>,
    /// The digest.
    pub digest: Digest,
}

/// A stream, from after a version on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAfter {
    /// The stream.
    pub stream: StreamName,
    /// The last version that the reader has; 0 for none.
    pub after: u64,
}

/// Events of some streams, as of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamPage {
    /// The sequence that the page is as of.
    pub at: u64,
    /// The events, in the order of the log.
    pub events: Vec<EventRow>,
    /// Whether there are more: read on, after the last version of each stream, with the same `at`.
    pub more: bool,
}

/// Whole requests and their events, both in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// The requests.
    pub requests: Vec<RequestRow>,
    /// The events up to the last request's last one.
    pub events: Vec<EventRow>,
}

/// Where a ledger ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The sequence of the last event; 0 when there is none.
    pub sequence: u64,
    /// The last link; all zero when there is none.
    pub link: Digest,
    /// When the last request was stored, in microseconds since 1970-01-01 UTC.
    pub recorded_at_us: i64,
}

/// A projection's state as of a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// The projection's name.
    pub name: CompactString,
    /// The version of the projection's form.
    pub version: u32,
    /// The last sequence that it covers.
    pub sequence: u64,
    /// The link at that sequence.
    pub link: Digest,
    /// The serialised state.
    pub state: Vec<u8>,
}

/// What moves a projection on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionWrite {
    /// The checkpoint that must be kept under the name of `checkpoint`, in every field; `None` when there must be none.
    pub expected: Option<CheckpointRow>,
    /// The checkpoint to keep in its place.
    pub checkpoint: CheckpointRow,
    /// Whether the rows that the projection has so far go first.
    pub clear: bool,
    /// The rows that change, each key once.
    pub rows: Vec<RowChange>,
}

/// A row of a projection that is put in or taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The row's key.
    pub key: CompactString,
    /// The sequence of the event that changed it.
    pub sequence: u64,
    /// What it holds from now on; `None` takes it out.
    pub value: Option<String>,
}

/// A row of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionRow {
    /// Its key: text without a zero byte.
    pub key: CompactString,
    /// The sequence of the last event that changed it.
    pub sequence: u64,
    /// What it holds: text without a zero byte, such as JSON.
    pub value: String,
}

/// One projection in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The checkpoint of the projection that is promoted; its name says which.
    pub from: CheckpointRow,
    /// The name that it gets.
    pub to: CompactString,
    /// The checkpoint that must be kept under that name; `None` when there must be none.
    pub over: Option<CheckpointRow>,
}

/// A stream folded up to a version, so that a long one need not be read from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The stream.
    pub stream: StreamName,
    /// The last version that it covers.
    pub version: u64,
    /// The digest of the stream's event at that version.
    pub digest: Digest,
    /// The first sequence of the request that the event came from.
    pub first_sequence: u64,
    /// The link of that request, which no other history of the ledger has.
    pub link: Digest,
    /// The version of the state's form.
    pub form: u32,
    /// The serialised state.
    pub state: Vec<u8>,
    /// The hash of all that, with the ledger's name.
    pub check: Digest,
}

/// Why a store has no answer, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Certainly nothing happened; it may work later.
    #[error("the store is not available: {0}; try again")]
    Unavailable(String),
    /// The connection broke with the request in flight. Send the same request with the same key to learn which.
    #[error(
        "the store's answer is lost, it may have been stored: {0}; send the same again, a request with the same key"
    )]
    Unknown(String),
    /// Certainly nothing happened, and it will not work later: the wrong file, a newer version, no permission, a full disk.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// What is stored is not what a ledger stores. Stop and run `verify`.
    #[error("stored record {sequence} is damaged: {what}; stop and verify the ledger")]
    Corrupt {
        /// The sequence at or near which it was found; 0 when the place is not known.
        sequence: u64,
        /// What does not fit.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of a forged row's numbers overflowed, and reading the row stopped the program.
    #[test]
    fn a_forged_row_has_a_last_sequence_all_the_same() {
        let row = |first_sequence, size| RequestRow {
            key: "k".into(),
            request_hash: Digest::ZERO,
            actor: "a".into(),
            first_sequence,
            size,
            recorded_at_us: 0,
            link: Digest::ZERO,
        };
        assert_eq!(row(5, 3).last_sequence(), 7);
        assert_eq!(row(u64::MAX, u16::MAX).last_sequence(), u64::MAX - 1);
        assert_eq!(row(0, 0).last_sequence(), 0);
    }
}
