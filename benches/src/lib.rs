//! A history to measure on: what a brokerage of so many payees records, made by the decisions themselves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails should stop")]

pub mod groups;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ledger_core::chain::{Digest, Preimage, link};
use ledger_core::codec::{Encoded, encode};
use ledger_core::decide::{Decision, Undecided, decide};
use ledger_core::id::LedgerName;
use ledger_core::recorded::{Recorded, RecordedRequest};
use ledger_core::slice::{Folded, Slice};
use ledger_core::store::{EventRow, LogPage, RequestRow};
use ledger_core::stream::{StreamId, Tip};
use ledger_core::{Request, event::Event};
use rustc_hash::FxHashMap;

/// A ledger that grows by deals and payouts, request by request, with the rows that a store would keep.
pub struct History {
    ledger: LedgerName,
    payees: usize,
    streams: FxHashMap<StreamId, Folded>,
    /// What was recorded since it was last taken, as a projection reads it.
    recorded: Vec<Recorded>,
    /// The same, as a store keeps it.
    page: LogPage,
    sequence: u64,
    link: Digest,
    step: usize,
    deals: usize,
}

/// The request that records a deal of one payee.
#[must_use]
pub fn deal(number: usize, payee: usize, cents: usize, day: NaiveDate) -> String {
    let gci = format!("{}.{:02} USD", cents / 100, cents % 100);
    format!(
        r#"{{"deal.record":{{"deal":"deal-{number}","gci":{{"amount":"{gci}"}},"attribution":{{"equal":["payee-{payee}"]}},"completed_on":"{day}"}}}}"#
    )
}

const PLAN: &str = r#"{"plan.publish":{"plan":"p","document":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}},
    "cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},
    "fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"25 USD"}}]}}}"#;

impl History {
    /// A ledger with payees under a capped plan, and nothing else yet.
    #[must_use]
    pub fn new(payees: usize) -> Self {
        let mut history = Self {
            ledger: LedgerName::new("main").unwrap(),
            payees,
            streams: FxHashMap::default(),
            recorded: Vec::new(),
            page: LogPage::default(),
            sequence: 0,
            link: Digest::ZERO,
            step: 0,
            deals: 0,
        };
        let open = r#"{"settings.open":{"base_currency":"USD","zone":"UTC","capabilities":["manual_payments"]}}"#;
        history.ask("ann", open);
        history.ask("ann", PLAN);
        for payee in 0..payees {
            history.ask("ann", &format!(r#"{{"payee.enrol":{{"payee":"payee-{payee}","name":"Payee {payee}"}}}}"#));
            let assign =
                format!(r#"{{"payee.assign":{{"payee":"payee-{payee}","plan":"p","version":1,"from":"2020-01-01"}}}}"#);
            history.ask("ann", &assign);
        }
        history
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.sequence
    }

    /// Adds events until there are at least `count` that were not taken yet, and takes them.
    pub fn grow(&mut self, count: usize) -> (Vec<Recorded>, LogPage) {
        while self.recorded.len() < count {
            self.next();
        }
        (std::mem::take(&mut self.recorded), std::mem::take(&mut self.page))
    }

    /// What a stream has come to.
    #[must_use]
    pub fn folded(&self, stream: &StreamId) -> Folded {
        self.streams.get(stream).cloned().unwrap_or_else(|| Folded::empty(stream))
    }

    /// One deal; after every twentieth round of a payee's, a payout of all that is payable.
    fn next(&mut self) {
        let payee = self.deals % self.payees;
        let number = self.deals;
        self.deals += 1;
        // A cap year has some 2,000 deals of each payee's, so that both sides of the cap are met.
        let day = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap()
            + TimeDelta::days(i64::try_from(number / self.payees / 6).unwrap() % 2_000);
        self.ask("ann", &deal(number, payee, 50_000 + number % 977, day));
        self.streams.remove(&StreamId::Deal(format!("deal-{number}").parse().unwrap()));
        // Each round another twentieth of the payees, so that the mix of events is the same from the start.
        if (number / self.payees + payee) % 20 == 19 {
            self.ask("ann", &format!(r#"{{"payout.create":{{"payee":"payee-{payee}"}}}}"#));
            let created = self.recorded.iter().rev().find_map(|recorded| match &recorded.event {
                Event::Payout(ledger_core::payout::Event::Created { payout, .. }) => Some(*payout),
                _ => None,
            });
            let payout = created.unwrap();
            self.ask("ann", &format!(r#"{{"payout.submit":{{"payout":"{payout}"}}}}"#));
            self.ask("bob", &format!(r#"{{"payout.approve":{{"payout":"{payout}"}}}}"#));
            self.ask("cat", &format!(r#"{{"payout.record_manual_payment":{{"payout":"{payout}","method":"cheque","reference":"c-{number}","account":"main"}}}}"#));
            self.streams.remove(&StreamId::Payout(payout));
            self.streams.retain(|stream, _| !matches!(stream, StreamId::Reference { .. }));
        }
    }

    /// Decides a request and appends its events.
    pub fn ask(&mut self, actor: &str, command: &str) {
        let request = request(self.step, actor, command);
        self.step += 1;
        let mut slice = Slice::new(self.ledger.clone());
        let decision = loop {
            match decide(&slice, &request) {
                Ok(decision) => break decision,
                Err(Undecided::Needs(streams)) => streams.into_iter().for_each(|stream| {
                    let folded = self.streams.remove(&stream).unwrap_or_else(|| Folded::empty(&stream));
                    slice.insert(stream, folded);
                }),
                Err(other) => stop(&other.to_string()),
            }
        };
        self.record(&request, slice, decision);
    }

    fn record(&mut self, request: &Request, mut slice: Slice, decision: Decision) {
        let size = u16::try_from(decision.events.len()).unwrap();
        let mut rows = Vec::with_capacity(decision.events.len());
        let hash = request.hash();
        for (index, (stream, event)) in (0..).zip(&decision.events) {
            let Encoded { type_name, schema_version, payload } = encode(event);
            let folded = slice.get_mut(stream).unwrap();
            let (version, name) = (folded.tip.version + 1, stream.name());
            let digest = Preimage {
                ledger: self.ledger.as_str(),
                stream: name.as_str(),
                version,
                type_name: &type_name,
                schema_version,
                key: request.key.as_str(),
                request_hash: &hash,
                actor: request.actor.as_str(),
                effective: decision.effective,
                index,
                size,
                payload: &payload,
            }
            .digest();
            folded.evolve(event, Tip { version, digest }).unwrap();
            rows.push(EventRow {
                sequence: self.sequence + 1 + u64::from(index),
                stream: name,
                version,
                type_name,
                schema_version,
                index,
                effective: decision.effective,
                payload,
                digest,
            });
        }
        let first_sequence = self.sequence + 1;
        let recorded_at_us = request.at.timestamp_micros();
        self.link = link(&self.link, first_sequence, recorded_at_us, rows.iter().map(|row| &row.digest));
        self.sequence += u64::from(size);
        let shared = Arc::new(RecordedRequest {
            key: request.key.clone(),
            actor: request.actor.clone(),
            recorded_at: request.at,
            first_sequence,
            last_sequence: self.sequence,
            link: self.link,
        });
        self.page.requests.push(RequestRow {
            key: request.key.as_str().into(),
            request_hash: hash,
            actor: request.actor.as_str().into(),
            first_sequence,
            size,
            recorded_at_us,
            link: self.link,
        });
        self.recorded.extend(rows.iter().zip(decision.events).map(|(row, (_, event))| Recorded {
            sequence: row.sequence,
            stream: row.stream.clone(),
            version: row.version,
            effective: row.effective,
            event,
            request: Arc::clone(&shared),
        }));
        self.page.events.extend(rows);
        slice.into_streams().for_each(|(stream, folded)| drop(self.streams.insert(stream, folded)));
    }
}

/// A request with a key and a time of its own.
#[must_use]
pub fn request(step: usize, actor: &str, command: &str) -> Request {
    let at: DateTime<Utc> = DateTime::from_timestamp(1_577_836_800 + i64::try_from(step).unwrap(), 0).unwrap();
    Request {
        key: format!("key-{step}").parse().unwrap(),
        actor: actor.parse().unwrap(),
        at,
        command: serde_json::from_str(command).unwrap(),
    }
}

#[allow(clippy::panic, reason = "a benchmark that fails should stop")]
fn stop(what: &str) -> ! {
    panic!("{what}")
}
