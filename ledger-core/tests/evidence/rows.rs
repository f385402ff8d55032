//! The rows of one ledger, as somebody with access to the database has them before them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use compact_str::CompactString;
use ledger_core::chain::{Digest, Preimage, link};
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, EventRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion,
    RequestRow, SnapshotRow, Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use ledger_core::verify::{Verified, Verifier, VerifyError};

use crate::story::Story;

#[derive(Debug, Clone)]
pub struct Rows {
    pub ledger: LedgerName,
    pub requests: Vec<RequestRow>,
    pub events: Vec<EventRow>,
    pub head: Head,
    /// What a reader of the store is answered instead.
    pub error: Option<StoreError>,
    /// The last sequence that a reader of the store sees; asking for the head shows it all.
    pub seen: Arc<AtomicU64>,
}

impl From<Story> for Rows {
    fn from(story: Story) -> Self {
        Self {
            ledger: story.ledger,
            requests: story.log.requests,
            events: story.log.events,
            head: story.head,
            error: None,
            seen: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }
}

impl Rows {
    /// The rows as a database gives them: by their sequences.
    pub fn sorted(mut self) -> Self {
        self.requests.sort_by_key(|row| row.first_sequence);
        self.events.sort_by_key(|row| row.sequence);
        self
    }

    /// Everything that is stored after a sequence, up to the end of the last request that fits on the page.
    pub fn page(&self, after: u64, limit: u64) -> LogPage {
        let requests = &self.requests[self.requests.partition_point(|row| row.first_sequence <= after)..];
        let events = &self.events[self.events.partition_point(|row| row.sequence <= after)..];
        let last = |row: &RequestRow| row.first_sequence.saturating_add(u64::from(row.size).saturating_sub(1));
        let whole = requests.iter().take_while(|row| last(row) <= after.saturating_add(limit)).count().max(1);
        let end = if whole < requests.len() { requests[..whole].iter().map(last).max() } else { None };
        let end = end.unwrap_or(u64::MAX);
        let requests = requests.iter().take_while(|row| row.first_sequence <= end).cloned().collect();
        LogPage { requests, events: events.iter().take_while(|row| row.sequence <= end).cloned().collect() }
    }

    /// What a verifier says that reads pages of so many events. The rows are sorted.
    pub fn verify(&self, mut verifier: Verifier, limit: u64) -> Result<Verified, VerifyError> {
        loop {
            let page = self.page(verifier.read(), limit);
            if page.requests.is_empty() && page.events.is_empty() {
                return verifier.finish(self.head);
            }
            verifier.page(page)?;
        }
    }

    /// The events of a request.
    pub fn events_of(&self, request: usize) -> std::ops::Range<usize> {
        let first = usize::try_from(self.requests[request].first_sequence).unwrap() - 1;
        first..first + usize::from(self.requests[request].size)
    }

    /// Takes the requests in another order, each with its events, and numbers everything anew. Links stay as they were.
    pub fn in_order(&self, order: impl IntoIterator<Item = usize>) -> Self {
        let mut rows = Self { requests: vec![], events: vec![], ..self.clone() };
        for request in order {
            let first_sequence = rows.events.len() as u64 + 1;
            rows.requests.push(RequestRow { first_sequence, ..self.requests[request].clone() });
            let events = self.events[self.events_of(request)].iter().zip(first_sequence..);
            rows.events.extend(events.map(|(event, sequence)| EventRow { sequence, ..event.clone() }));
        }
        rows
    }

    /// Makes every digest, every link and the head fit, as only the owner of the database can.
    pub fn relink(&mut self) {
        self.head = Head::default();
        for request in 0..self.requests.len() {
            let range = self.events_of(request);
            let row = &mut self.requests[request];
            for event in &mut self.events[range.clone()] {
                event.digest = digest(&self.ledger, row, event);
            }
            let digests = self.events[range].iter().map(|event| &event.digest);
            row.link = link(&self.head.link, row.first_sequence, row.recorded_at_us, digests);
            let sequence = row.first_sequence + u64::from(row.size) - 1;
            self.head = Head { sequence, link: row.link, recorded_at_us: row.recorded_at_us };
        }
    }
}

/// The digest that an event should have.
pub fn digest(ledger: &LedgerName, request: &RequestRow, event: &EventRow) -> Digest {
    Preimage {
        ledger: ledger.as_str(),
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
    .digest()
}

/// Waits for what is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is not ready"),
    }
}

fn ready<'a, T: Send + 'a>(value: Result<T, StoreError>) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(value))
}

fn only_read<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    ready(Err(StoreError::Unusable("these rows are only read".into())))
}

impl Store for Rows {
    fn append<'a>(&'a self, _: &'a LedgerName, _: &'a [Append]) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        only_read()
    }

    fn read_streams<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a [StreamAfter],
        _: Option<u64>,
        _: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        only_read()
    }

    fn read_log<'a>(
        &'a self,
        _: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        let (mut page, seen) = (self.page(after, limit as u64), self.seen.load(Ordering::Relaxed));
        page.requests.retain(|row| row.first_sequence <= seen);
        page.events.retain(|row| row.sequence <= seen);
        ready(self.error.clone().map_or(Ok(page), Err))
    }

    fn request<'a>(&'a self, _: &'a LedgerName, _: &'a Key) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        only_read()
    }

    fn head<'a>(&'a self, _: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.seen.store(u64::MAX, Ordering::Relaxed);
        ready(Ok(self.head))
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        only_read()
    }

    fn save_snapshot<'a>(&'a self, _: &'a LedgerName, _: &'a SnapshotRow) -> BoxFuture<'a, Result<(), StoreError>> {
        only_read()
    }

    fn load_snapshots<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        only_read()
    }

    fn load_checkpoint<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        only_read()
    }

    fn save_projection<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        only_read()
    }

    fn read_rows<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
        _: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        only_read()
    }

    fn list_rows<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        only_read()
    }

    fn promote<'a>(&'a self, _: &'a LedgerName, _: &'a Promotion) -> BoxFuture<'a, Result<bool, StoreError>> {
        only_read()
    }
}
