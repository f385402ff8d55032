//! A store in memory, as honest as the others except that it forgets when the process ends.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use compact_str::CompactString;
use rustc_hash::FxHashMap;

use super::admit::{Before, admit, now_us};
use super::{
    Append, BoxFuture, CheckpointRow, Clock, EventRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite,
    Promotion, RequestRow, RowChange, SnapshotRow, Store, StoreError, StreamAfter, StreamPage, page_size,
};
use crate::id::{Key, LedgerName};
use crate::stream::{StreamName, Tip};

/// Keeps ledgers in memory: for tests, previews and trying things out.
pub struct MemoryStore {
    clock: Clock,
    ledgers: Mutex<BTreeMap<LedgerName, Ledger>>,
}

#[derive(Default)]
struct Ledger {
    head: Head,
    requests: Vec<RequestRow>,
    events: Vec<EventRow>,
    /// Where in `requests` a key is.
    keys: FxHashMap<CompactString, usize>,
    /// Where in `events` the events of a stream are, by version.
    streams: FxHashMap<StreamName, Vec<usize>>,
    snapshots: FxHashMap<StreamName, SnapshotRow>,
    checkpoints: FxHashMap<CompactString, CheckpointRow>,
    /// The rows of each projection, by key.
    rows: FxHashMap<CompactString, BTreeMap<CompactString, ProjectionRow>>,
}

impl MemoryStore {
    /// An empty store that takes the time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, ledgers: Mutex::default() }
    }

    fn lock(&self) -> Result<MutexGuard<'_, BTreeMap<LedgerName, Ledger>>, StoreError> {
        // A panic under the lock may have left a ledger half written; what is half written is not read.
        self.ledgers.lock().map_err(|_| StoreError::Unusable("a writer panicked; start a new store".into()))
    }

    fn read<'a, T: Default + Send>(
        &'a self,
        ledger: &'a LedgerName,
        read: impl FnOnce(&Ledger) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { Ok(self.lock()?.get(ledger).map(read).unwrap_or_default()) })
    }

    fn write<'a, T: Send>(
        &'a self,
        ledger: &'a LedgerName,
        write: impl FnOnce(&mut Ledger) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { Ok(write(self.lock()?.entry(ledger.clone()).or_default())) })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Ledger {
    fn append(&mut self, group: &[Append], now_us: i64) -> Vec<Outcome> {
        let requests = group.iter().filter_map(|request| self.find(&request.key)).cloned().collect();
        let guards = group.iter().flat_map(|request| &request.guards);
        let tips = guards.map(|guard| (guard.stream.clone(), self.tip(&guard.stream))).collect();
        let admitted = admit(group.to_vec(), Before { head: self.head, requests, tips }, now_us);
        for request in admitted.requests {
            self.keys.insert(request.key.clone(), self.requests.len());
            self.requests.push(request);
        }
        for event in admitted.events {
            self.streams.entry(event.stream.clone()).or_default().push(self.events.len());
            self.events.push(event);
        }
        self.head = admitted.head;
        admitted.outcomes
    }

    fn find(&self, key: &Key) -> Option<&RequestRow> {
        self.requests.get(*self.keys.get(key.as_str())?)
    }

    fn tip(&self, stream: &StreamName) -> Tip {
        let last = self.streams.get(stream).and_then(|events| self.events.get(*events.last()?));
        last.map_or(Tip::EMPTY, |event| Tip { version: event.version, digest: event.digest })
    }

    fn streams(&self, streams: &[StreamAfter], at: Option<u64>, limit: usize) -> StreamPage {
        let at = planted!(AtIgnored => None, at).map_or(self.head.sequence, |at| at.min(self.head.sequence));
        let mut found: Vec<&EventRow> = Vec::new();
        for StreamAfter { stream, after } in streams {
            let versions = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
            let after = usize::try_from(*after).unwrap_or(usize::MAX);
            let events = versions.iter().skip(after).filter_map(|place| self.events.get(*place));
            found.extend(events.take_while(|event| event.sequence <= at));
        }
        found.sort_unstable_by_key(|event| event.sequence);
        let limit = page_size(limit);
        StreamPage {
            at,
            more: found.len() > planted!(MoreMissing => limit + 1, limit),
            events: found.into_iter().take(limit).cloned().collect(),
        }
    }

    fn log(&self, after: u64, limit: usize) -> LogPage {
        let start = self.requests.partition_point(|request| request.first_sequence <= after);
        let end = after.saturating_add(u64::try_from(page_size(limit)).unwrap_or(u64::MAX));
        let rest = self.requests.get(start..).unwrap_or_default();
        let whole = rest.iter().take_while(|request| request.last_sequence() <= end).count();
        self.page(rest.get(..planted!(LargeRequestStops => whole, whole.max(1))).unwrap_or_default())
    }

    fn save(&mut self, write: &ProjectionWrite) -> bool {
        let ProjectionWrite { expected, checkpoint, clear, rows } = write;
        if self.checkpoints.get(&checkpoint.name) != expected.as_ref() {
            return false;
        }
        let kept = self.rows.entry(checkpoint.name.clone()).or_default();
        if *clear {
            kept.clear();
        }
        for RowChange { key, sequence, value } in rows {
            match value.clone() {
                Some(value) => {
                    let row = ProjectionRow { key: key.clone(), sequence: *sequence, value };
                    kept.insert(key.clone(), row);
                }
                None => drop(kept.remove(key)),
            }
        }
        self.checkpoints.insert(checkpoint.name.clone(), checkpoint.clone());
        true
    }

    fn promote(&mut self, promotion: &Promotion) -> bool {
        let Promotion { from, to, over } = promotion;
        if self.checkpoints.get(&from.name) != Some(from) || self.checkpoints.get(to) != over.as_ref() {
            return false;
        }
        self.checkpoints.remove(&from.name);
        self.checkpoints.insert(to.clone(), CheckpointRow { name: to.clone(), ..from.clone() });
        let rows = self.rows.remove(&from.name).unwrap_or_default();
        self.rows.insert(to.clone(), rows);
        true
    }

    /// Requests that follow one another, with their events.
    fn page(&self, requests: &[RequestRow]) -> LogPage {
        let place = |sequence: u64| usize::try_from(sequence).unwrap_or(usize::MAX);
        let events = match requests {
            [first, .., last] => self.events.get(place(first.first_sequence) - 1..place(last.last_sequence())),
            [only] => self.events.get(place(only.first_sequence) - 1..place(only.last_sequence())),
            [] => None,
        };
        LogPage { requests: requests.to_vec(), events: events.unwrap_or_default().to_vec() }
    }
}

impl Store for MemoryStore {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            let mut ledgers = self.lock()?;
            // The clock is read under the lock: who comes later is not recorded earlier.
            let now_us = now_us(&self.clock)?;
            Ok(ledgers.entry(ledger.clone()).or_default().append(group, now_us))
        })
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        self.read(ledger, move |ledger| ledger.streams(streams, at, limit))
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        self.read(ledger, move |ledger| ledger.log(after, limit))
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        self.read(ledger, move |ledger| ledger.find(key).map(|request| ledger.page(std::slice::from_ref(request))))
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.read(ledger, |ledger| ledger.head)
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        Box::pin(async move {
            let ledgers = self.lock()?;
            Ok(ledgers.iter().filter(|(_, ledger)| ledger.head.sequence > 0).map(|(name, _)| name.clone()).collect())
        })
    }

    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(ledger, |ledger| drop(ledger.snapshots.insert(snapshot.stream.clone(), snapshot.clone())))
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        self.read(ledger, |ledger| streams.iter().filter_map(|stream| ledger.snapshots.get(stream)).cloned().collect())
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        self.read(ledger, move |ledger| ledger.checkpoints.get(name).cloned())
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.write(ledger, |ledger| ledger.save(write))
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.read(ledger, move |ledger| {
            let rows = ledger.rows.get(projection);
            rows.map(|rows| keys.iter().filter_map(|key| rows.get(key)).cloned().collect()).unwrap_or_default()
        })
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.read(ledger, move |ledger| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let rows = ledger
                .rows
                .get(projection)
                .into_iter()
                .flat_map(|rows| rows.range::<str, _>((start, Bound::Unbounded)));
            rows.map(|(_, row)| row.clone()).take(page_size(limit)).collect()
        })
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.write(ledger, |ledger| ledger.promote(promotion))
    }
}
