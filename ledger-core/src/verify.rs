//! Whether a log is still what was written: every row is recomputed, and the first one that does not fit is named.
//!
//! This finds every change that leaves the rows at odds with one another. Whoever owns the database can rewrite all of them
//! in harmony; against that only a head that was kept elsewhere helps, see [`Verifier::expecting`]. FORMAT.md gives the stored
//! form byte by byte and says which kind may be found for which change.

use std::fmt;

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::chain::{Digest, link};
use crate::codec::{self, DecodeError};
use crate::event::Event;
use crate::id::LedgerName;
use crate::limits::{LAST_RECORDED_AT_US, PAGE_EVENTS};
use crate::recorded::preimage;
use crate::slice::Folded;
use crate::store::{EventRow, Head, LogPage, RequestRow, Store, StoreError};
use crate::stream::{StreamId, StreamName, Tip};
use crate::{account, attainment, cap, customer, deal, model, payee, payout, plan, rates, spend};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It is not what was written.
    Altered,
    /// It is gone.
    Missing,
    /// It was not there.
    Inserted,
    /// It stood elsewhere.
    Reordered,
    /// Only a part of its request is there.
    TornRequest,
    /// The ledger was further than it is.
    RolledBack,
    /// The record of its request is not what was written.
    KeyRecordAltered,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Altered,
        Self::Missing,
        Self::Inserted,
        Self::Reordered,
        Self::TornRequest,
        Self::RolledBack,
        Self::KeyRecordAltered,
    ];

    /// The kind as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::TornRequest => "torn_request",
            Self::RolledBack => "rolled_back",
            Self::KeyRecordAltered => "key_record_altered",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The first record that does not fit. Stop writing, keep the database as it is, and compare it with a backup.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("record {sequence} is bad, {kind}: {what}")]
pub struct Finding {
    /// Its sequence; every request before its own fits.
    pub sequence: u64,
    /// What became of it.
    pub kind: Kind,
    /// What does not fit.
    pub what: String,
}

/// Why a ledger is not verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// It is not what was written.
    #[error(transparent)]
    Found(#[from] Finding),
    /// Nothing was tampered with, but a newer version of the library wrote it: verify with that one.
    #[error("record {sequence} cannot be judged: {error}")]
    TooNew {
        /// The sequence of the event that this version does not know; everything before it fits.
        sequence: u64,
        /// What it does not know.
        error: DecodeError,
    },
    /// It could not be read to its end.
    #[error(transparent)]
    Store(StoreError),
}

/// A ledger that is what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many events it has.
    pub events: u64,
    /// How many requests they came from.
    pub requests: u64,
    /// Its head. Kept elsewhere, it proves later that nothing up to here was rewritten.
    pub head: Head,
}

/// Verifies a whole ledger. A head that was kept elsewhere must be on its chain. `progress` is told the last sequence that
/// fits, page by page.
///
/// # Errors
/// [`VerifyError`]: the first record that does not fit, or why there is no answer.
pub async fn verify(
    store: &dyn Store,
    ledger: &LedgerName,
    expected_head: Option<(u64, Digest)>,
    progress: impl FnMut(u64) + Send,
) -> Result<Verified, VerifyError> {
    let mut verifier = Verifier::new(ledger);
    if let Some((sequence, link)) = expected_head {
        verifier = verifier.expecting(sequence, link);
    }
    verifier.run(store, progress).await
}

/// Verifies a log page by page. It keeps where the log has got to and the version of every stream, not the log.
#[derive(Debug, Clone)]
pub struct Verifier {
    ledger: LedgerName,
    /// The head of what fits so far.
    end: Head,
    requests: u64,
    versions: FxHashMap<StreamName, u64>,
    expected: Option<(u64, Digest)>,
    histories: Option<FxHashMap<StreamName, Folded>>,
    /// The last request that was read: what it is judged by may be on the next page.
    waiting: LogPage,
}

impl Verifier {
    /// At the beginning of a ledger.
    #[must_use]
    pub fn new(ledger: &LedgerName) -> Self {
        Self {
            ledger: ledger.clone(),
            end: Head::default(),
            requests: 0,
            versions: FxHashMap::default(),
            expected: None,
            histories: None,
            waiting: LogPage::default(),
        }
    }

    /// Also demands that a head that was kept elsewhere is on the chain.
    #[must_use]
    pub fn expecting(self, sequence: u64, link: Digest) -> Self {
        Self { expected: Some((sequence, link)), ..self }
    }

    /// Also folds every stream, so that a history that fits together but cannot be is found. Takes the memory of all states.
    #[must_use]
    pub fn deep(self) -> Self {
        Self { histories: Some(FxHashMap::default()), ..self }
    }

    /// The last sequence that fits.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.end.sequence
    }

    /// Reads a ledger to its end and verifies it, also while it is written to.
    ///
    /// # Errors
    /// [`VerifyError`]: the first record that does not fit, or why there is no answer.
    pub async fn run(
        mut self,
        store: &dyn Store,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Verified, VerifyError> {
        let ledger = self.ledger.clone();
        let mut last_head = None;
        loop {
            let read = self.read();
            let page = store.read_log(&ledger, read, PAGE_EVENTS).await.map_err(unreadable)?;
            if !page.requests.is_empty() || !page.events.is_empty() {
                self.page(page)?;
                progress(self.sequence());
                continue;
            }
            let head = store.head(&ledger).await.map_err(unreadable)?;
            // What was stored between the two reads is read first; a head that stays ahead of the log is a finding.
            if head.sequence <= read || last_head == Some(head) {
                let verified = self.finish(head)?;
                progress(verified.events);
                return Ok(verified);
            }
            last_head = Some(head);
        }
    }

    /// The sequence to read on after.
    #[must_use]
    pub fn read(&self) -> u64 {
        // Not counted: where an event stands twice, a row that was not read yet would be taken for read.
        let requests = self.waiting.requests.iter().map(|request| request.first_sequence);
        let events = self.waiting.events.iter().map(|event| event.sequence);
        requests.chain(events).fold(self.end.sequence, u64::max)
    }

    /// Verifies the rows that follow, in the order of their sequences. The last request waits for what comes after it, so
    /// pages of any size find the same record, and of a single change the same kind.
    ///
    /// # Errors
    /// [`VerifyError`] for the first row that does not fit; the verifier is then of no use.
    pub fn page(&mut self, page: LogPage) -> Result<(), VerifyError> {
        // Events without a request end the log, whatever their sequences say: nothing that fits can come after them.
        let keep = usize::from(!page.requests.is_empty());
        self.waiting.requests.extend(page.requests);
        self.waiting.events.extend(page.events);
        self.take_in(keep)
    }

    /// Takes in what waits, except for the last so many requests.
    fn take_in(&mut self, keep: usize) -> Result<(), VerifyError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (mut requests, mut events) = (waiting.requests.as_slice(), waiting.events.as_slice());
        while let [request, others @ ..] = requests
            && others.len() >= keep
        {
            let place = Place { ledger: &self.ledger, end: &self.end, request, next: others.first(), events };
            let digests = place.events_fit()?;
            let (own, rest) = events.split_at_checked(digests.len()).unwrap_or_default();
            place.link_fits(&digests, rest, &self.versions)?;
            self.admit(request, own)?;
            (requests, events) = (others, rest);
        }
        if keep == 0
            && let Some(event) = events.first()
        {
            return Err(if event.sequence <= self.end.sequence { doubled(event) } else { orphan(event) }.into());
        }
        self.waiting = LogPage { requests: requests.to_vec(), events: events.to_vec() };
        Ok(())
    }

    /// Compares the end of the log with the head that the store keeps.
    ///
    /// # Errors
    /// [`VerifyError`] when the head is not the log's, or a head that was kept elsewhere is not on the chain.
    pub fn finish(mut self, head: Head) -> Result<Verified, VerifyError> {
        self.take_in(0)?;
        let (end, next) = (self.end, self.end.sequence.saturating_add(1));
        let finding = if head.sequence > end.sequence {
            let what = format!("the head says {}, the log ends at {}", head.sequence, end.sequence);
            Some(found(next, Kind::Missing, what))
        } else if head.sequence < end.sequence {
            let what = format!("the head says {}, the log goes on to {}", head.sequence, end.sequence);
            Some(found(head.sequence.saturating_add(1), Kind::RolledBack, what))
        } else if head != end {
            Some(found(end.sequence, Kind::Altered, "the head is not the link and the time of the last request"))
        } else {
            None
        };
        if let Some(finding) = finding {
            return Err(finding.into());
        }
        match planted!(RollbackUnseen => self.expected.filter(|(kept, _)| *kept <= end.sequence), self.expected) {
            Some((sequence, link)) if sequence > end.sequence || (sequence == 0 && link != Digest::ZERO) => {
                let what = format!("the head kept elsewhere is {sequence}, the log ends at {}", end.sequence);
                Err(found(next.min(sequence), Kind::RolledBack, what).into())
            }
            _ => Ok(Verified { events: end.sequence, requests: self.requests, head: end }),
        }
    }

    /// Takes in a request whose digests and link fit, and checks what they cannot say.
    fn admit(&mut self, request: &RequestRow, events: &[EventRow]) -> Result<(), VerifyError> {
        for event in events {
            let last = match self.versions.get_mut(&event.stream) {
                Some(last) => last,
                None => self.versions.entry(event.stream.clone()).or_default(),
            };
            if let Some(finding) = version_misfit(event, *last) {
                return Err(finding.into());
            }
            *last = event.version;
            self.judge(event)?;
        }
        let first = request.first_sequence;
        if request.recorded_at_us < self.end.recorded_at_us {
            return Err(found(first, Kind::KeyRecordAltered, "the request is older than the one before it").into());
        }
        if request.recorded_at_us > LAST_RECORDED_AT_US {
            return Err(found(first, Kind::KeyRecordAltered, "the request is of a time beyond the year 9999").into());
        }
        let sequence = self.end.sequence.saturating_add(request.size.into());
        self.end = Head { sequence, link: request.link, recorded_at_us: request.recorded_at_us };
        self.requests += 1;
        match self.expected {
            Some((expected, link))
                if (first..=sequence).contains(&expected) && (expected, link) != (sequence, request.link) =>
            {
                Err(found(expected, Kind::RolledBack, "the head kept elsewhere is not on the chain").into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the payload says something that belongs where it stands.
    fn judge(&mut self, row: &EventRow) -> Result<(), VerifyError> {
        let altered = |what: String| Err(found(row.sequence, Kind::Altered, what).into());
        let event = match codec::decode_canonical(&row.type_name, row.schema_version, &row.payload) {
            Ok(event) => event,
            Err(error @ (DecodeError::UnknownType { .. } | DecodeError::UnknownVersion { .. })) => {
                return Err(VerifyError::TooNew { sequence: row.sequence, error });
            }
            Err(error) => return altered(error.to_string()),
        };
        let stream = home(&event);
        if stream.name() != row.stream && !planted!(HomeUnverified) {
            return altered(format!("the event is of stream {stream}, not of {}", row.stream));
        }
        let Some(histories) = &mut self.histories else { return Ok(()) };
        let history = histories.entry(row.stream.clone()).or_insert_with(|| Folded::empty(&stream));
        match history.evolve(&event, Tip { version: row.version, digest: row.digest }) {
            Ok(()) => Ok(()),
            Err(misfit) => altered(misfit.to_string()),
        }
    }
}

/// A request where the log has got to, and what comes after it.
struct Place<'a> {
    ledger: &'a LedgerName,
    end: &'a Head,
    request: &'a RequestRow,
    next: Option<&'a RequestRow>,
    events: &'a [EventRow],
}

impl Place<'_> {
    fn first(&self) -> u64 {
        self.end.sequence.saturating_add(1)
    }

    fn fits(&self, request: &RequestRow, event: &EventRow) -> bool {
        preimage(self.ledger.as_str(), request, event).digest() == event.digest
    }

    /// The digests of the request's events, if each stands in its place and is what its digest says.
    fn events_fit(&self) -> Result<Vec<Digest>, Finding> {
        if self.request.first_sequence != self.first() {
            return Err(self.misplaced());
        }
        if self.request.size == 0 {
            if let Some(event) = self.events.first().filter(|event| event.sequence < self.first()) {
                return Err(doubled(event));
            }
            return Err(found(self.first(), Kind::KeyRecordAltered, "the request has no events"));
        }
        let mut digests = Vec::with_capacity(self.request.size.into());
        let mut events = self.events.iter();
        for (index, sequence) in (0..self.request.size).zip(self.first()..) {
            let event = match events.next() {
                Some(event) if event.sequence == sequence => event,
                Some(event) if event.sequence < sequence => return Err(doubled(event)),
                other => return Err(self.gap(index, sequence, other)),
            };
            if event.index != index || !self.fits(self.request, event) {
                return Err(self.misfit(index, event));
            }
            digests.push(event.digest);
        }
        Ok(digests)
    }

    /// The request does not begin where the log has got to.
    fn misplaced(&self) -> Finding {
        let (first, claimed) = (self.first(), self.request.first_sequence);
        match self.events.first() {
            Some(event) if event.sequence < first.min(claimed) => doubled(event),
            Some(event) if event.sequence == first && self.fits(self.request, event) => found(
                first.min(claimed),
                Kind::KeyRecordAltered,
                format!("the request of event {first} says {claimed}"),
            ),
            _ if claimed < first => found(claimed, Kind::Inserted, "a second request begins here"),
            Some(event) if event.sequence == first => orphan(event),
            _ => found(first, Kind::Missing, format!("the next request begins at {claimed}")),
        }
    }

    /// An event of the request is not there; `next` is the one after it.
    fn gap(&self, index: u16, sequence: u64, next: Option<&EventRow>) -> Finding {
        let end = self.first().saturating_add(self.request.size.into());
        if index > 0 && next.is_none_or(|next| next.sequence >= end) {
            let what = format!("the request says {} events and has {index}", self.request.size);
            return found(sequence, Kind::TornRequest, what);
        }
        found(sequence, Kind::Missing, "the event is gone")
    }

    /// An event is not what its digest says, or not at its place in the request: what explains that?
    fn misfit(&self, index: u16, event: &EventRow) -> Finding {
        let found = |kind, what: &str| found(event.sequence, kind, what);
        let mut own = self.events.iter().take(self.request.size.into());
        if self.fits(self.request, event) && !own.clone().any(|other| other.index == index) {
            return found(Kind::Altered, "the event says that it stands elsewhere, and no other one stood here");
        }
        if self.fits(self.request, event) || self.next.is_some_and(|next| self.fits(next, event)) {
            return found(Kind::Reordered, "the event belongs elsewhere");
        }
        let resized = RequestRow { size: self.real_size(), ..self.request.clone() };
        if self.fits(&resized, event) {
            return found(Kind::KeyRecordAltered, "the number of the request's events does not fit");
        }
        if self.request.size > 1 && !own.any(|event| self.fits(self.request, event)) {
            return found(Kind::KeyRecordAltered, "no event of the request fits its key, hash and actor");
        }
        found(Kind::Altered, "the event is not what its digest says")
    }

    /// How many events there are before the next request.
    fn real_size(&self) -> u16 {
        let until = self.next.map_or(u64::MAX, |next| next.first_sequence);
        let own = self.events.iter().take_while(|event| event.sequence < until).count();
        u16::try_from(own).unwrap_or(u16::MAX)
    }

    /// Whether the request's link follows from the one before it. `rest` are the events after its own.
    fn link_fits(
        &self,
        digests: &[Digest],
        rest: &[EventRow],
        versions: &FxHashMap<StreamName, u64>,
    ) -> Result<(), Finding> {
        let (first, request) = (self.first(), self.request);
        let follows = |previous: &Digest, first: u64, request: &RequestRow, digests: &[Digest]| {
            link(previous, first, request.recorded_at_us, digests.iter()) == request.link
        };
        if follows(&self.end.link, first, request, digests) || (planted!(LastLinkUnverified) && self.next.is_none()) {
            return Ok(());
        }
        if let Some(next) = self.next {
            let others: Vec<_> = rest.iter().take(next.size.into()).map(|event| event.digest).collect();
            let after = first.saturating_add(request.size.into());
            if follows(&request.link, after, next, &others) {
                return Err(found(first, Kind::Altered, "the link was made of other events or at another time"));
            }
            if follows(&self.end.link, first, next, &others) {
                let after = first.saturating_add(next.size.into());
                return Err(if follows(&next.link, after, request, digests) {
                    found(first, Kind::Reordered, "the request belongs after the next one")
                } else {
                    found(first, Kind::Inserted, "the next request follows without this one")
                });
            }
        }
        let mut here = FxHashMap::default();
        for event in self.events.iter().take(digests.len()) {
            let last = here.entry(&event.stream).or_insert_with(|| versions.get(&event.stream).copied().unwrap_or(0));
            if let Some(finding) = version_misfit(event, *last) {
                return Err(Finding { sequence: first, ..finding });
            }
            *last = event.version;
        }
        Err(found(first, Kind::KeyRecordAltered, "the link does not follow from the one before it"))
    }
}

/// An event whose version is not the one after `last`.
fn version_misfit(event: &EventRow, last: u64) -> Option<Finding> {
    let next = last.saturating_add(1);
    if event.version == next {
        return None;
    }
    let kind = if event.version > next { Kind::Missing } else { Kind::Inserted };
    let what = format!("stream {} is at version {last}, the event says {}", event.stream, event.version);
    Some(found(event.sequence, kind, what))
}

fn doubled(event: &EventRow) -> Finding {
    found(event.sequence, Kind::Inserted, "a second event stands here")
}

fn orphan(event: &EventRow) -> Finding {
    found(event.sequence, Kind::Missing, "the record of the event's request is gone")
}

fn found(sequence: u64, kind: Kind, what: impl Into<String>) -> Finding {
    Finding { sequence, kind, what: what.into() }
}

fn unreadable(error: StoreError) -> VerifyError {
    match error {
        StoreError::Corrupt { sequence, what } => found(sequence, Kind::Altered, what).into(),
        other => VerifyError::Store(other),
    }
}

/// The stream that an event belongs to: everything that names it is in the event.
pub(crate) fn home(event: &Event) -> StreamId {
    match event {
        Event::Settings(_) => StreamId::Settings,
        Event::Payee(
            payee::Event::Enrolled { payee, .. }
            | payee::Event::Assigned { payee, .. }
            | payee::Event::AssignmentEnded { payee, .. }
            | payee::Event::Classified { payee, .. },
        ) => StreamId::Payee(payee.clone()),
        Event::Plan(plan::Event::Published { plan, .. }) => StreamId::Plan(plan.clone()),
        Event::Model(model::Event::Published { model, .. }) => StreamId::Model(model.clone()),
        Event::Rates(rates::Event::Published { rates, .. }) => StreamId::Rates(rates.clone()),
        Event::Deal(
            deal::Event::Registered { deal, .. }
            | deal::Event::Attributed { deal, .. }
            | deal::Event::Completed(deal::Completion { deal, .. })
            | deal::Event::Touched { deal, .. }
            | deal::Event::Collected { deal, .. }
            | deal::Event::Reversed { deal, .. },
        ) => StreamId::Deal(deal.clone()),
        Event::Deal(deal::Event::Credited(crediting)) => StreamId::Deal(crediting.deal.clone()),
        Event::Deal(deal::Event::Recredited(recrediting)) => StreamId::Deal(recrediting.crediting.deal.clone()),
        Event::Cap(cap::Event::ProgrammeOpened { programme, .. } | cap::Event::PoolOpened { programme, .. }) => {
            StreamId::Programme(programme.clone())
        }
        Event::Cap(
            cap::Event::OpeningBalanceSet { account, .. }
            | cap::Event::Contributed { account, .. }
            | cap::Event::Reached { account, .. }
            | cap::Event::Reversed { account, .. },
        ) => cap::stream(account),
        Event::Attainment(event) => attainment::stream(event.account()),
        Event::Spend(spend::Event::Counted { account, .. } | spend::Event::Reversed { account, .. }) => {
            spend::stream(account)
        }
        Event::Customer(
            customer::Event::Earned { customer, payee, .. } | customer::Event::Forgotten { customer, payee, .. },
        ) => StreamId::Customer { customer: customer.clone(), payee: payee.clone() },
        Event::Account(event) => account_home(event),
        Event::Payout(event) => payout_home(event),
    }
}

fn account_home(event: &account::Event) -> StreamId {
    let (payee, amount) = match event {
        account::Event::EntryBooked { payee, amount, .. }
        | account::Event::EntryReversed { payee, amount, .. }
        | account::Event::EntriesClaimed { payee, amount, .. }
        | account::Event::EntriesReleased { payee, amount, .. }
        | account::Event::EntriesPaid { payee, amount, .. } => (payee, amount),
    };
    StreamId::Account { payee: payee.clone(), currency: amount.currency() }
}

fn payout_home(event: &payout::Event) -> StreamId {
    match event {
        payout::Event::Created { payout, .. }
        | payout::Event::Submitted { payout }
        | payout::Event::Approved { payout, .. }
        | payout::Event::Rejected { payout, .. }
        | payout::Event::Started { payout, .. }
        | payout::Event::Paid { payout, .. }
        | payout::Event::Failed { payout, .. }
        | payout::Event::Voided { payout, .. }
        | payout::Event::LatePaymentReported { payout, .. }
        | payout::Event::LatePaymentResolved { payout, .. } => StreamId::Payout(*payout),
        payout::Event::ReferenceTaken { account, reference, .. } => StreamId::reference(account, reference),
        payout::Event::BulkApproved { bulk, .. } => StreamId::Bulk(*bulk),
    }
}

/// What can be done to stored rows, and which kinds [`verify`] may then find: the table of FORMAT.md. Where changes cannot be
/// told apart there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tampering {
    /// A field of an event was changed, its sequence aside.
    EventField,
    /// A field of an event was changed and its digest made to fit.
    EventForged,
    /// The sequence of an event was changed.
    EventSequence,
    /// An event was deleted.
    EventDeleted,
    /// An event stands twice.
    EventDoubled,
    /// Two neighbouring events changed places.
    EventsSwapped,
    /// The key, request hash or actor of a request was changed.
    RequestField,
    /// The first sequence of a request was changed.
    RequestSequence,
    /// The number of a request's events was changed.
    RequestSize,
    /// The time of a request was changed.
    RequestTime,
    /// The link of a request was changed.
    RequestLink,
    /// The record of a request was deleted, its events were not.
    RequestDeleted,
    /// The record of a request stands twice.
    RequestDoubled,
    /// A record was put in of a request that never was, so that a key seems to be used.
    RequestForged,
    /// The records of two neighbouring requests changed places.
    RequestsSwapped,
    /// A request was deleted with its events.
    WholeRequestDeleted,
    /// A request was deleted with its events, and everything after it was moved up.
    WholeRequestCut,
    /// A request was put in with its events, and everything after it was moved down.
    WholeRequestInserted,
    /// Two neighbouring requests changed places with their events.
    WholeRequestsSwapped,
    /// Everything after an event was deleted; the head was not changed.
    Truncated,
    /// The sequence of the head was changed.
    HeadSequence,
    /// The link or the time of the head was changed.
    HeadField,
    /// Everything after a request was deleted and the head made to fit. Only a head that was kept elsewhere tells.
    RolledBack,
}

impl Tampering {
    /// Every kind of tampering.
    pub const ALL: [Self; 23] = [
        Self::EventField,
        Self::EventForged,
        Self::EventSequence,
        Self::EventDeleted,
        Self::EventDoubled,
        Self::EventsSwapped,
        Self::RequestField,
        Self::RequestSequence,
        Self::RequestSize,
        Self::RequestTime,
        Self::RequestLink,
        Self::RequestDeleted,
        Self::RequestDoubled,
        Self::RequestForged,
        Self::RequestsSwapped,
        Self::WholeRequestDeleted,
        Self::WholeRequestCut,
        Self::WholeRequestInserted,
        Self::WholeRequestsSwapped,
        Self::Truncated,
        Self::HeadSequence,
        Self::HeadField,
        Self::RolledBack,
    ];

    /// The kinds that may be found for it.
    #[must_use]
    pub fn allowed(self) -> &'static [Kind] {
        use Kind::{Altered, Inserted, KeyRecordAltered, Missing, Reordered, RolledBack, TornRequest};
        match self {
            Self::EventField | Self::HeadField => &[Altered],
            Self::EventSequence => &[Missing, Inserted, TornRequest],
            Self::EventDeleted => &[Missing, TornRequest],
            Self::EventDoubled | Self::RequestDoubled => &[Inserted],
            Self::EventsSwapped | Self::RequestsSwapped | Self::WholeRequestsSwapped => &[Reordered],
            // An event that says another stream or version looks as if those between were gone, or it came twice.
            Self::EventForged => &[Altered, KeyRecordAltered, Missing, Inserted],
            // A link covers the events and the time; only the link after it tells whether it is itself altered.
            Self::RequestTime => &[Altered, KeyRecordAltered],
            // The only event of a request and the request's key are covered by one digest.
            Self::RequestField => &[KeyRecordAltered, Altered],
            Self::RequestSequence => &[KeyRecordAltered, Missing, Inserted],
            Self::RequestSize | Self::RequestLink => &[KeyRecordAltered],
            // Beyond the end it looks as if what lies between were gone; without events, as if its size were changed.
            Self::RequestForged => &[Inserted, Missing, KeyRecordAltered],
            Self::RequestDeleted | Self::WholeRequestDeleted => &[Missing],
            Self::WholeRequestCut => &[Missing, KeyRecordAltered],
            // The next one put in before its place looks as if both had changed places.
            Self::WholeRequestInserted => &[Inserted, Reordered],
            Self::Truncated => &[Missing, TornRequest],
            Self::HeadSequence => &[Missing, RolledBack],
            Self::RolledBack => &[RolledBack],
        }
    }
}
