//! One ledger of a run as the outside sees it: what was asked, what was answered, and what the log says came of it.
//!
//! The log is in a total order and carries the keys, so the history can be checked in one pass. The names of the checks:
//!
//! | check | what must hold |
//! |---|---|
//! | C1 | what was answered with a receipt is in the log, once, where and as the receipt says |
//! | C2 | what was refused is not in the log |
//! | C3 | what had no answer is in the log at most once, and after it was asked again exactly as the answer says |
//! | C4 | what was asked after another answer came stands behind it in the log |
//! | C5 | every stored request is what the model accepts at its place, event by event and byte by byte |
//! | C6 | every refusal is what the model says at some place between question and answer |
//! | C7 | every receipt of a key is its first receipt |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledger_core::Request;
use ledger_core::chain::Digest;
use ledger_core::codec::{self, Encoded};
use ledger_core::engine::{ExecuteError, Receipt};
use ledger_core::id::LedgerName;
use ledger_core::projection::{All, Projected};
use ledger_core::reconcile::log::Laws;
use ledger_core::recorded::{Recorded, decode_page};
use ledger_core::store::{EventRow, LogPage, RequestRow, Store, StoreError};
use rustc_hash::FxHashMap;

use crate::act::Ask;
use crate::model::{Fact, Model, Why};
use crate::network::STALENESS;
use crate::scheduler::now;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// That a promise was not kept.
pub(crate) fn broken<T>(check: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { check, what: what.into() })
}

/// A ledger and everything that was asked of it.
#[derive(Clone)]
pub struct Book {
    /// The ledger.
    pub name: LedgerName,
    /// What the ledger must hold, as far as the log was followed.
    pub model: Model,
    /// What the projections come to, as far as the log was followed.
    pub projected: Projected<All>,
    /// The log's own laws, as far as the log was followed.
    pub laws: Laws,
    store: Arc<dyn Store>,
    /// Every question, in the order of asking; a key may have several.
    questions: Vec<Question>,
    by_key: FxHashMap<String, Vec<usize>>,
    /// The questions that were stored, in the order of the log.
    order: Vec<usize>,
    sequence: u64,
    recorded_at_us: i64,
    /// The highest sequence that any receipt named.
    acknowledged: u64,
    /// When the log had come how far, to know what a stale read may have seen.
    times: Vec<(Duration, usize)>,
}

/// A request that was asked, once or several times.
#[derive(Clone)]
struct Question {
    ask: Ask,
    request: Request,
    hash: Digest,
    stored: Option<Stored>,
    sent: u32,
    /// Whether the last answer left it open, or is still to come.
    open: bool,
}

/// Where a question came to stand.
#[derive(Clone)]
struct Stored {
    place: usize,
    row: RequestRow,
    events: Vec<(Fact, u64)>,
}

/// One sending of a question.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The question.
    pub question: usize,
    /// When it was sent.
    at: Duration,
    /// How many requests the log had then.
    place: usize,
    acknowledged: u64,
    /// Whether it is the first.
    pub(crate) first: bool,
}

/// What an answer means for who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is in the log.
    Accepted,
    /// It is not, and will not be.
    Refused,
    /// Nobody knows, or it may work later: ask again.
    AskAgain,
}

impl Book {
    /// A ledger of which nothing is known yet.
    #[must_use]
    pub fn new(name: LedgerName, store: Arc<dyn Store>) -> Self {
        Self {
            model: Model::new(name.as_str()),
            name,
            projected: Projected::new(),
            laws: Laws::default(),
            store,
            questions: Vec::new(),
            by_key: FxHashMap::default(),
            order: Vec::new(),
            sequence: 0,
            recorded_at_us: i64::MIN,
            acknowledged: 0,
            times: Vec::new(),
        }
    }

    /// The same book of another store that holds the same log.
    #[must_use]
    pub fn of(&self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The store that it looks into.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The last sequence of the request in the middle of the log; 0 when there is none.
    #[must_use]
    pub fn end_in_the_middle(&self) -> u64 {
        let question = self.order.get(self.order.len() / 2).and_then(|place| self.questions.get(*place));
        question.and_then(|question| question.stored.as_ref()).map_or(0, |stored| stored.row.last_sequence())
    }

    /// Where in the order of the log a question stands, if it was stored.
    #[must_use]
    pub fn place(&self, question: usize) -> Option<usize> {
        self.questions.get(question)?.stored.as_ref().map(|stored| stored.place)
    }

    /// The log as it is stored, all of it.
    ///
    /// # Errors
    /// A [`Violation`] when it cannot be read.
    pub fn log(&self) -> Result<LogPage, Violation> {
        let mut log = LogPage::default();
        loop {
            let after = log.requests.last().map_or(0, RequestRow::last_sequence);
            let page = now(self.store.read_log(&self.name, after, usize::MAX));
            let page = page.or_else(|error| broken("log", error.to_string()))?;
            if page.requests.is_empty() {
                return Ok(log);
            }
            log.requests.extend(page.requests);
            log.events.extend(page.events);
        }
    }

    /// How many requests the log has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the log is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Notes a question, or finds the one that is the same request: the time of asking does not make it another.
    ///
    /// # Errors
    /// A [`Violation`] when the ledger cannot read what is well formed.
    pub fn question(&mut self, ask: Ask) -> Result<usize, Violation> {
        let same = |known: &&usize| {
            let known = self.questions.get(**known);
            known.is_some_and(|known| known.ask.actor == ask.actor && known.ask.act == ask.act)
        };
        if let Some(known) = self.by_key.get(&ask.key).and_then(|known| known.iter().find(same)) {
            return Ok(*known);
        }
        let json = ask.to_string();
        let request: Request = match serde_json::from_str(&json) {
            Ok(request) => request,
            Err(error) => return broken("request", format!("{json} is not understood: {error}")),
        };
        let place = self.questions.len();
        self.by_key.entry(ask.key.clone()).or_default().push(place);
        self.questions.push(Question { hash: request.hash(), ask, request, stored: None, sent: 0, open: false });
        Ok(place)
    }

    /// What a question asks.
    #[must_use]
    pub fn ask(&self, question: usize) -> Option<&Ask> {
        self.questions.get(question).map(|question| &question.ask)
    }

    /// Sends a question: the request, and what has to be known when the answer comes.
    pub fn send(&mut self, question: usize, at: Duration) -> Option<(Request, Sent)> {
        let (place, acknowledged) = (self.order.len(), self.acknowledged);
        let known = self.questions.get_mut(question)?;
        known.sent += 1;
        known.open = true;
        let sent = Sent { question, at, place, acknowledged, first: known.sent == 1 };
        Some((known.request.clone(), sent))
    }

    /// The questions that were asked and have no answer that settles them.
    pub fn unsettled(&self) -> impl Iterator<Item = usize> {
        self.questions.iter().enumerate().filter(|(_, question)| question.open).map(|(place, _)| place)
    }

    /// Follows the log to its end, judging every request in its place (C5).
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn follow(&mut self, at: Duration) -> Result<(), Violation> {
        loop {
            let page = match now(self.store.read_log(&self.name, self.sequence, usize::MAX)) {
                Ok(page) => page,
                Err(error) => return broken("log", error.to_string()),
            };
            if page.requests.is_empty() {
                return Ok(());
            }
            self.follow_page(&page)?;
            if self.times.last().is_none_or(|(last, _)| *last < at) {
                self.times.push((at, self.order.len()));
            }
        }
    }

    fn follow_page(&mut self, page: &LogPage) -> Result<(), Violation> {
        let mut rest = page.events.as_slice();
        let recorded = match decode_page(self.name.as_str(), self.sequence, page) {
            Ok(recorded) => recorded,
            Err(damaged) => return broken("log", damaged.to_string()),
        };
        for row in &page.requests {
            let Some((events, others)) = rest.split_at_checked(row.size.into()) else {
                return broken("log", format!("request {} is torn", row.key));
            };
            rest = others;
            self.follow_request(row, events)?;
        }
        recorded.iter().for_each(|recorded| self.laws.apply(recorded));
        if let Err(gap) = self.projected.fold(&recorded) {
            return broken("log", gap.to_string());
        }
        Ok(())
    }

    fn follow_request(&mut self, row: &RequestRow, events: &[EventRow]) -> Result<(), Violation> {
        if row.first_sequence != self.sequence + 1 {
            return broken("log", format!("event {} follows event {}", row.first_sequence, self.sequence));
        }
        if row.recorded_at_us < self.recorded_at_us {
            return broken("log", format!("event {} was recorded before the one before it", row.first_sequence));
        }
        self.sequence = row.last_sequence();
        self.recorded_at_us = row.recorded_at_us;
        let asked = self.by_key.get(row.key.as_str()).map_or(&[][..], Vec::as_slice);
        let is_this = |place: &&usize| {
            let question = self.questions.get(**place);
            question.is_some_and(|known| known.ask.actor == row.actor.as_str() && known.hash == row.request_hash)
        };
        let Some(&place) = asked.iter().find(is_this) else {
            return broken("C5", format!("nobody asked for what is stored under {} by {}", row.key, row.actor));
        };
        let taken = asked.iter().any(|place| self.questions.get(*place).is_some_and(|known| known.stored.is_some()));
        if taken {
            return broken("C1", format!("{} is stored a second time, at event {}", row.key, row.first_sequence));
        }
        let Some(question) = self.questions.get_mut(place) else { return Ok(()) };
        let facts = match self.model.accept(&question.ask) {
            Ok(facts) => facts,
            Err(why) => {
                return broken(
                    "C5",
                    format!("at event {}: {} must be refused: {why:?}", row.first_sequence, question.ask),
                );
            }
        };
        if facts.len() != events.len() {
            let what = format!("{} has {} events, expected are {}", question.ask, events.len(), facts.len());
            return broken("C5", what);
        }
        for (fact, event) in facts.iter().zip(events) {
            compare(fact, event).or_else(|what| broken("C5", format!("{what}, by {}", question.ask)))?;
        }
        let events = facts.into_iter().zip(events.iter().map(|event| event.version)).collect();
        question.stored = Some(Stored { place: self.order.len(), row: row.clone(), events });
        self.order.push(place);
        Ok(())
    }

    /// Judges an answer. The log must have been followed since it came.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn answered(
        &mut self,
        sent: Sent,
        answer: &Result<Receipt, ExecuteError>,
        stale: bool,
    ) -> Result<Settled, Violation> {
        let settled = self.judge(sent, answer, stale)?;
        if let Some(question) = self.questions.get_mut(sent.question) {
            question.open = settled == Settled::AskAgain;
        }
        Ok(settled)
    }

    fn judge(&mut self, sent: Sent, answer: &Result<Receipt, ExecuteError>, stale: bool) -> Result<Settled, Violation> {
        let Some(question) = self.questions.get(sent.question) else { return Ok(Settled::Refused) };
        let ask = &question.ask;
        // Nobody else asked the very same meanwhile.
        let alone = sent.first && question.sent == 1;
        let error = match answer {
            Ok(receipt) => {
                let Some(stored) = &question.stored else {
                    return broken("C1", format!("{ask} has a receipt, but is not in the log"));
                };
                stored.judge(receipt).or_else(|what| broken("C1", format!("the receipt of {ask}: {what}")))?;
                if sent.first && stored.row.first_sequence <= sent.acknowledged {
                    let first = stored.row.first_sequence;
                    return broken(
                        "C4",
                        format!("{ask} stands at event {first}, behind {} it was asked", sent.acknowledged),
                    );
                }
                self.acknowledged = self.acknowledged.max(stored.row.last_sequence());
                return Ok(Settled::Accepted);
            }
            Err(error) => error,
        };
        let key_taken = self.by_key.get(&ask.key).is_some_and(|others| {
            let is_stored = |place: &usize| self.questions.get(*place).is_some_and(|other| other.stored.is_some());
            others.iter().any(is_stored)
        });
        match error {
            // Of two copies one may be refused before the other is accepted.
            ExecuteError::Rejected(_) | ExecuteError::KeyReused { .. } | ExecuteError::Refused { .. }
                if question.stored.is_some() && (alone || !self.justified(question, sent, error, stale)) =>
            {
                broken("C2", format!("{ask} was refused, and is in the log: {error}"))
            }
            ExecuteError::KeyReused { .. } if !key_taken => {
                broken("C6", format!("{ask} was refused, its key being used; it is not"))
            }
            ExecuteError::KeyReused { .. } => Ok(Settled::Refused),
            ExecuteError::Rejected(_) if self.justified(question, sent, error, stale) => Ok(Settled::Refused),
            ExecuteError::Rejected(_) => broken("C6", format!("{ask} was refused without cause: {error}")),
            ExecuteError::Refused { .. } => broken("C6", format!("{ask} is well formed, and was refused: {error}")),
            ExecuteError::Busy
            | ExecuteError::Contended { .. }
            | ExecuteError::NotTried
            | ExecuteError::Store(StoreError::Unavailable(_))
                if alone && question.stored.is_some() =>
            {
                broken("C2", format!("{ask} is said to have changed nothing, and is in the log: {error}"))
            }
            ExecuteError::Busy | ExecuteError::Contended { .. } | ExecuteError::NotTried | ExecuteError::Stopped => {
                Ok(Settled::AskAgain)
            }
            ExecuteError::Store(StoreError::Unavailable(_) | StoreError::Unknown(_)) => Ok(Settled::AskAgain),
            _ => broken("C1", format!("{ask} met a sound log and was told: {error}")),
        }
    }

    /// Whether the model rejects a request somewhere between question and answer (C6), and before the place where it is
    /// stored (C2).
    fn justified(&self, question: &Question, sent: Sent, error: &ExecuteError, stale: bool) -> bool {
        if !matches!(error, ExecuteError::Rejected(_)) {
            return false;
        }
        let refuses = |model: &Model| match model.judge(&question.ask) {
            Ok(_) => false,
            Err(why) => (why == Why::AlreadyKnown) == error.is_already_known(),
        };
        if question.stored.is_none() && refuses(&self.model) {
            return true;
        }
        let mut from = sent.place;
        if stale {
            let earlier = sent.at.saturating_sub(Duration::from_millis(600));
            let frozen = self.times.partition_point(|(time, _)| *time < earlier).checked_sub(1);
            let seen = frozen.and_then(|place| self.times.get(place)).map_or(0, |(_, place)| *place);
            from = seen.saturating_sub(usize::try_from(STALENESS).unwrap_or(0));
        }
        let until = question.stored.as_ref().map_or(self.order.len(), |stored| stored.place);
        let mut model = Model::new(self.name.as_str());
        for (place, stored) in self.order.iter().take(until).enumerate() {
            if place >= from && refuses(&model) {
                return true;
            }
            if let Some(stored) = self.questions.get(*stored) {
                // It was accepted in this place before.
                let _ = model.accept(&stored.ask);
            }
        }
        false
    }
}

impl Stored {
    /// Whether a receipt says what is stored (C1, C7).
    fn judge(&self, receipt: &Receipt) -> Result<(), String> {
        let Self { row, events, .. } = self;
        let request = &receipt.request;
        if request.key.as_str() != row.key || request.actor.as_str() != row.actor {
            return Err(format!("it names {} by {}", request.key, request.actor));
        }
        if request.recorded_at.timestamp_micros() != row.recorded_at_us || request.link != row.link {
            return Err("it names another time or link".into());
        }
        if request.last_sequence != row.last_sequence() || receipt.events.len() != events.len() {
            return Err(format!("it ends at event {}, the log at {}", request.last_sequence, row.last_sequence()));
        }
        for (sequence, (recorded, (fact, version))) in (row.first_sequence..).zip(receipt.events.iter().zip(events)) {
            let Recorded { stream, effective, event, .. } = recorded;
            let Encoded { payload, .. } = codec::encode(event);
            let same = recorded.sequence == sequence
                && recorded.version == *version
                && stream.as_str() == fact.stream
                && effective.to_string() == fact.effective.to_string()
                && payload == fact.payload.as_bytes();
            if !same {
                return Err(format!(
                    "event {sequence} is {}, stored is {}",
                    String::from_utf8_lossy(&payload),
                    fact.payload
                ));
            }
        }
        Ok(())
    }
}

/// Whether a stored event is what the model says.
fn compare(fact: &Fact, event: &EventRow) -> Result<(), String> {
    let same = event.stream.as_str() == fact.stream
        && event.type_name == fact.type_name
        && event.schema_version == 1
        && event.effective.to_string() == fact.effective.to_string()
        && event.payload == fact.payload.as_bytes();
    if same {
        return Ok(());
    }
    Err(format!(
        "event {} is\n  {} {} {} {}\nexpected is\n  {} {} {} {}",
        event.sequence,
        event.stream.as_str(),
        event.type_name,
        event.effective,
        String::from_utf8_lossy(&event.payload),
        fact.stream,
        fact.type_name,
        fact.effective,
        fact.payload,
    ))
}
