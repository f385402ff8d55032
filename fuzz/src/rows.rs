//! The rows of one ledger, as somebody with access to its database has them, and what can be done to them.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use compact_str::CompactString;
use ledger_core::chain::{Digest, Preimage, link};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::{Key, LedgerName};
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, EventRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion,
    RequestRow, SnapshotRow, Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use ledger_core::verify::Tampering;
use ledger_core::{Ledger, Request};

use crate::tape::Tape;

/// The sample organization's ledger, as it was written.
pub static HONEST: LazyLock<Rows> = LazyLock::new(|| {
    let clock = AtomicI64::new(1_767_225_600_000_000);
    let store = Arc::new(MemoryStore::new(Arc::new(move || clock.fetch_add(1_000_000, Ordering::Relaxed))));
    let name: LedgerName = "main".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (page, head) = runtime.block_on(async {
        let ledger = Ledger::new(Arc::<MemoryStore>::clone(&store), Arc::new(TokioEnv::current()), name.clone());
        for line in include_str!("../../ledger-cli/src/demo.jsonl").lines() {
            let request: Request = serde_json::from_str(line).unwrap();
            ledger.execute(request).await.unwrap();
        }
        (store.read_log(&name, 0, PAGE_EVENTS).await.unwrap(), store.head(&name).await.unwrap())
    });
    Rows { ledger: name, requests: page.requests, events: page.events, head }
});

/// The rows of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its requests.
    pub requests: Vec<RequestRow>,
    /// Its events.
    pub events: Vec<EventRow>,
    /// Its head.
    pub head: Head,
}

/// What was done to the rows, and where the first record is that it made bad.
pub type Done = (Tampering, RangeInclusive<u64>);

impl Rows {
    /// The rows as a store gives them: by their sequences.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.requests.sort_by_key(|row| row.first_sequence);
        self.events.sort_by_key(|row| row.sequence);
        self
    }

    /// What a store gives on a page of so many events. The rows are by their sequences.
    #[must_use]
    pub fn page(&self, after: u64, limit: u64) -> LogPage {
        // What stands before the first sequence is shown with the beginning.
        let next = |sequence: u64| after == 0 || sequence > after;
        let mut page = LogPage::default();
        let mut end = 0;
        for row in self.requests.iter().filter(|row| next(row.first_sequence)) {
            // Nobody can read on after what stands before the first sequence, so something else is on that page as well.
            let within = row.first_sequence <= end || end == 0;
            if !page.requests.is_empty() && !within && row.last_sequence() > after.saturating_add(limit) {
                break;
            }
            end = end.max(row.last_sequence());
            page.requests.push(row.clone());
        }
        let end = if page.requests.is_empty() { u64::MAX } else { end };
        page.events = self.events.iter().filter(|row| next(row.sequence) && row.sequence <= end).cloned().collect();
        page
    }

    /// Does what the tape says; nothing when there is nothing to do it to.
    pub fn tamper(&mut self, tape: &mut Tape<'_>) -> Option<Done> {
        let tampering = Tampering::ALL[tape.below(Tampering::ALL.len())];
        let first_bad = match tampering {
            Tampering::EventField
            | Tampering::EventForged
            | Tampering::EventSequence
            | Tampering::EventDeleted
            | Tampering::EventDoubled
            | Tampering::EventsSwapped => self.tamper_event(tampering, tape),
            Tampering::RequestField
            | Tampering::RequestSequence
            | Tampering::RequestSize
            | Tampering::RequestTime
            | Tampering::RequestLink
            | Tampering::RequestDeleted
            | Tampering::RequestDoubled
            | Tampering::RequestForged
            | Tampering::RequestsSwapped => self.tamper_request(tampering, tape),
            Tampering::WholeRequestDeleted
            | Tampering::WholeRequestCut
            | Tampering::WholeRequestInserted
            | Tampering::WholeRequestsSwapped => self.tamper_whole(tampering, tape),
            Tampering::Truncated | Tampering::HeadSequence | Tampering::HeadField | Tampering::RolledBack => {
                self.tamper_end(tampering, tape)
            }
        };
        first_bad.map(|first_bad| (tampering, first_bad))
    }

    fn tamper_event(&mut self, tampering: Tampering, tape: &mut Tape<'_>) -> Option<RangeInclusive<u64>> {
        let place = choice(&self.events, tape)?;
        let at = self.events[place].sequence;
        match tampering {
            Tampering::EventField => change_field(&mut self.events[place], tape),
            Tampering::EventForged => {
                let request = self.requests.iter().rfind(|row| row.first_sequence <= at)?;
                let event = &mut self.events[place];
                change_field(event, tape);
                event.digest = digest(&self.ledger, request, event);
                return Some(request.first_sequence..=at);
            }
            Tampering::EventSequence => {
                let to = other(at, tape);
                self.events[place].sequence = to;
                return Some(sole(at.min(to)));
            }
            Tampering::EventDeleted => drop(self.events.remove(place)),
            Tampering::EventDoubled => self.events.insert(place, self.events[place].clone()),
            _ => {
                let [one, two] = self.events.get_mut(place..place + 2)? else { return None };
                std::mem::swap(&mut one.sequence, &mut two.sequence);
            }
        }
        Some(sole(at))
    }

    fn tamper_request(&mut self, tampering: Tampering, tape: &mut Tape<'_>) -> Option<RangeInclusive<u64>> {
        let place = choice(&self.requests, tape)?;
        let row = &mut self.requests[place];
        let at = row.first_sequence;
        match tampering {
            Tampering::RequestField => match tape.below(3) {
                0 => row.key = other_text(&row.key, tape).into(),
                1 => row.actor = other_text(&row.actor, tape).into(),
                _ => row.request_hash = other_digest(row.request_hash, tape),
            },
            Tampering::RequestSequence => {
                row.first_sequence = other(at, tape);
                let to = row.first_sequence;
                return Some(sole(at.min(to)));
            }
            Tampering::RequestSize => row.size ^= u16::from_be_bytes(tape.bytes()).max(1),
            Tampering::RequestTime => row.recorded_at_us = other_time(row.recorded_at_us, tape),
            Tampering::RequestLink => row.link = other_digest(row.link, tape),
            Tampering::RequestDeleted => drop(self.requests.remove(place)),
            Tampering::RequestDoubled => self.requests.insert(place, self.requests[place].clone()),
            Tampering::RequestForged => {
                let first_sequence = tape.u64().max(1);
                let size = u16::from_be_bytes(tape.bytes());
                let forged = RequestRow { key: "forged".into(), first_sequence, size, ..row.clone() };
                self.requests.push(forged);
                return Some(sole(first_sequence.min(self.head.sequence.saturating_add(1))));
            }
            _ => {
                let [one, two] = self.requests.get_mut(place..place + 2)? else { return None };
                std::mem::swap(&mut one.first_sequence, &mut two.first_sequence);
            }
        }
        Some(sole(at))
    }

    fn tamper_whole(&mut self, tampering: Tampering, tape: &mut Tape<'_>) -> Option<RangeInclusive<u64>> {
        let place = choice(&self.requests, tape)?;
        let (at, last) = (self.requests[place].first_sequence, self.requests.len() - 1);
        match tampering {
            Tampering::WholeRequestDeleted => {
                let row = self.requests.remove(place);
                self.events.retain(|event| !(at..=row.last_sequence()).contains(&event.sequence));
            }
            Tampering::WholeRequestInserted => {
                let again = choice(&self.requests, tape).filter(|again| *again != place)?;
                self.reorder((0..place).chain([again]).chain(place..=last));
            }
            _ if place == last => return None,
            Tampering::WholeRequestCut => self.reorder((0..place).chain(place + 1..=last)),
            _ => self.reorder((0..place).chain([place + 1, place]).chain(place + 2..=last)),
        }
        Some(sole(at))
    }

    fn tamper_end(&mut self, tampering: Tampering, tape: &mut Tape<'_>) -> Option<RangeInclusive<u64>> {
        let at = self.head.sequence;
        match tampering {
            Tampering::Truncated => {
                let end = self.events.get(choice(&self.events, tape)?)?.sequence.saturating_sub(1);
                self.events.retain(|row| row.sequence <= end);
                self.requests.retain(|row| row.first_sequence <= end);
                Some(sole(end + 1))
            }
            Tampering::HeadSequence => {
                self.head.sequence = other(at, tape);
                Some(sole(self.head.sequence.min(at).saturating_add(1)))
            }
            Tampering::HeadField => {
                match tape.below(2) {
                    0 => self.head.link = other_digest(self.head.link, tape),
                    _ => self.head.recorded_at_us = other_time(self.head.recorded_at_us, tape),
                }
                Some(sole(at))
            }
            _ => {
                let keep = choice(&self.requests, tape)?;
                self.reorder(0..keep);
                self.head = self.requests.last().map_or(Head::default(), |row| Head {
                    sequence: row.last_sequence(),
                    link: row.link,
                    recorded_at_us: row.recorded_at_us,
                });
                Some(sole(self.head.sequence.saturating_add(1)))
            }
        }
    }

    /// Takes the requests in another order, each with its events, and numbers everything anew. Links stay as they were.
    fn reorder(&mut self, order: impl IntoIterator<Item = usize>) {
        let mut rows = Self { requests: vec![], events: vec![], ..self.clone() };
        for request in order {
            let (row, first_sequence) = (&self.requests[request], rows.events.len() as u64 + 1);
            rows.requests.push(RequestRow { first_sequence, ..row.clone() });
            let events = self.events_of(row).cloned().zip(first_sequence..);
            rows.events.extend(events.map(|(event, sequence)| EventRow { sequence, ..event }));
        }
        *self = rows;
    }

    fn events_of(&self, row: &RequestRow) -> impl Iterator<Item = &EventRow> {
        let own = row.first_sequence..=row.last_sequence();
        self.events.iter().filter(move |event| own.contains(&event.sequence))
    }

    /// The rows as they are read, with every digest, every link and the head made to fit, as only the owner of the database can.
    #[must_use]
    pub fn relinked(self) -> Self {
        let mut rows = self.read();
        rows.relink();
        rows
    }

    fn relink(&mut self) {
        self.head = Head::default();
        for place in 0..self.requests.len() {
            let row = &self.requests[place];
            let own = row.first_sequence..=row.last_sequence();
            let mut digests = Vec::new();
            for event in self.events.iter_mut().filter(|event| own.contains(&event.sequence)) {
                event.digest = digest(&self.ledger, row, event);
                digests.push(event.digest);
            }
            let link = link(&self.head.link, row.first_sequence, row.recorded_at_us, digests.iter());
            self.head = Head { sequence: row.last_sequence(), link, recorded_at_us: row.recorded_at_us };
            self.requests[place].link = link;
        }
    }
}

/// The digest that an event should have.
fn digest(ledger: &LedgerName, request: &RequestRow, event: &EventRow) -> Digest {
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

fn sole(sequence: u64) -> RangeInclusive<u64> {
    sequence..=sequence
}

fn choice<T>(rows: &[T], tape: &mut Tape<'_>) -> Option<usize> {
    (!rows.is_empty()).then(|| tape.below(rows.len()))
}

/// Another number: near, or with other bits.
fn other(number: u64, tape: &mut Tape<'_>) -> u64 {
    match tape.below(4) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number ^ u64::from(tape.byte().max(1)) << (8 * tape.below(8)),
        _ => number ^ tape.u64().max(1),
    }
}

fn other_time(us: i64, tape: &mut Tape<'_>) -> i64 {
    us.wrapping_add_unsigned(other(0, tape))
}

fn other_digest(mut digest: Digest, tape: &mut Tape<'_>) -> Digest {
    digest.0[tape.below(32)] ^= tape.byte().max(1);
    digest
}

/// Another text: one character is another, or gone, or new.
fn other_text(text: &str, tape: &mut Tape<'_>) -> String {
    let (place, new) = (tape.below(text.chars().count() + 1), char::from(tape.byte()));
    let (before, after): (String, String) =
        (text.chars().take(place).collect(), text.chars().skip(place + 1).collect());
    match text.chars().nth(place) {
        None => format!("{before}{new}"),
        Some(old) if old == new => before + &after,
        Some(_) => format!("{before}{new}{after}"),
    }
}

/// Changes a field of an event, its sequence and digest aside.
fn change_field(event: &mut EventRow, tape: &mut Tape<'_>) {
    match tape.below(7) {
        0 => event.stream = StreamName::from_stored(&other_text(event.stream.as_str(), tape)),
        1 => event.type_name = other_text(&event.type_name, tape).into(),
        2 => event.version = other(event.version, tape),
        3 => event.schema_version ^= u16::from(tape.byte().max(1)),
        4 => event.index ^= u16::from(tape.byte().max(1)),
        5 => event.effective += chrono::TimeDelta::days(i64::from(tape.byte().max(1)) - 300),
        _ => {
            let (from, removed, added) = (tape.below(event.payload.len() + 1), tape.below(4), tape.below(4));
            let to = (from + removed).min(event.payload.len());
            let new: Vec<u8> = (0..added).map(|_| tape.byte()).collect();
            if event.payload[from..to] == new {
                return event.payload.push(b' ');
            }
            event.payload.splice(from..to, new);
        }
    }
}

/// Rows that are only read. A reader that does not come to an end is stopped.
pub struct ReadOnly<'a> {
    rows: &'a Rows,
    reads: AtomicUsize,
}

impl<'a> ReadOnly<'a> {
    /// A store of these rows, which are as they are read.
    #[must_use]
    pub fn new(rows: &'a Rows) -> Self {
        Self { rows, reads: AtomicUsize::new(0) }
    }
}

/// Waits for what is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is not ready"),
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(value)))
}

fn not_asked<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Err(StoreError::Unusable("these rows are only read".into()))))
}

impl Store for ReadOnly<'_> {
    fn append<'a>(&'a self, _: &'a LedgerName, _: &'a [Append]) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        not_asked()
    }

    fn read_streams<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a [StreamAfter],
        _: Option<u64>,
        _: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        not_asked()
    }

    fn read_log<'a>(
        &'a self,
        _: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        assert!(
            reads <= 10 * (self.rows.requests.len() + self.rows.events.len() + 1),
            "the reader does not come to an end"
        );
        ready(self.rows.page(after, limit as u64))
    }

    fn request<'a>(&'a self, _: &'a LedgerName, _: &'a Key) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        not_asked()
    }

    fn head<'a>(&'a self, _: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        ready(self.rows.head)
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        not_asked()
    }

    fn save_snapshot<'a>(&'a self, _: &'a LedgerName, _: &'a SnapshotRow) -> BoxFuture<'a, Result<(), StoreError>> {
        not_asked()
    }

    fn load_snapshots<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        not_asked()
    }

    fn load_checkpoint<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        not_asked()
    }

    fn save_projection<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_asked()
    }

    fn read_rows<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
        _: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        not_asked()
    }

    fn list_rows<'a>(
        &'a self,
        _: &'a LedgerName,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        not_asked()
    }

    fn promote<'a>(&'a self, _: &'a LedgerName, _: &'a Promotion) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_asked()
    }
}
