//! Given, when, then: requests decided one after another on what the earlier ones left, and kept as a store keeps them.

#![allow(dead_code, reason = "each test program tells other stories")]

use std::collections::BTreeMap;

use ledger_core::chain::{Preimage, link};
use ledger_core::codec;
use ledger_core::command::Request;
use ledger_core::decide::{Decision, Rejection, Undecided, decide};
use ledger_core::event::Event;
use ledger_core::id::{LedgerName, PayeeId, PayoutId};
use ledger_core::limits::{EVENTS_PER_REQUEST, PAYLOAD_BYTES};
use ledger_core::money::{Currency, Money};
use ledger_core::slice::{Folded, Slice, State};
use ledger_core::store::{EventRow, Head, LogPage, RequestRow};
use ledger_core::stream::{StreamId, Tip};
use ledger_core::waterfall::{Kind, Party};
use ledger_core::{deal, payout};
use serde_json::{Value, json};

/// A ledger in a test.
#[derive(Debug, Clone)]
pub struct Story {
    pub ledger: LedgerName,
    pub log: LogPage,
    pub head: Head,
    kept: BTreeMap<StreamId, Folded>,
    at: String,
    keys: u32,
}

impl Story {
    /// A ledger that nobody has opened.
    pub fn new() -> Self {
        let ledger = LedgerName::new("main").unwrap();
        let (log, head) = (LogPage::default(), Head::default());
        Self { ledger, log, head, kept: BTreeMap::new(), at: "2026-02-02T15:00:00Z".into(), keys: 0 }
    }

    /// A ledger in dollars, by the calendar of New York, with everything switched on.
    pub fn opened() -> Self {
        let mut story = Self::new();
        let all =
            json!(["rail_payments", "manual_payments", "manual_amounts", "opening_balances", "foreign_currencies"]);
        story.given(
            "ann",
            json!({"settings.open": {"base_currency": "USD", "zone": "America/New_York", "capabilities": all}}),
        );
        story
    }

    /// From here on requests are asked at that instant.
    pub fn at(&mut self, at: &str) -> &mut Self {
        self.at = at.into();
        self
    }

    /// The request that `actor` would make now, under a key of its own.
    pub fn request(&mut self, actor: &str, command: Value) -> Request {
        self.keys += 1;
        let key = format!("k-{}", self.keys);
        serde_json::from_value(json!({"key": key, "actor": actor, "at": self.at, "command": command})).unwrap()
    }

    /// What happened before: it must be possible.
    pub fn given(&mut self, actor: &str, command: Value) -> Decision {
        let told = command.to_string();
        self.when(actor, command).unwrap_or_else(|rejection| panic!("{told}: {rejection}"))
    }

    /// What is tried.
    pub fn when(&mut self, actor: &str, command: Value) -> Result<Decision, Rejection> {
        let request = self.request(actor, command);
        self.ask(&request)
    }

    /// Why it is refused. Nothing has changed by it.
    pub fn refused(&mut self, actor: &str, command: Value) -> Rejection {
        let told = command.to_string();
        match self.when(actor, command) {
            Err(rejection) => rejection,
            Ok(decision) => panic!("{told} is not refused: {decision:?}"),
        }
    }

    /// Decides a request and keeps what is decided.
    pub fn ask(&mut self, request: &Request) -> Result<Decision, Rejection> {
        let mut slice = Slice::new(self.ledger.clone());
        loop {
            match decide(&slice, request) {
                Ok(decision) => {
                    self.keep(request, &slice, &decision);
                    return Ok(decision);
                }
                Err(Undecided::Rejected(rejection)) => return Err(rejection),
                Err(Undecided::Misfit(misfit)) => panic!("{misfit}"),
                Err(Undecided::Needs(streams)) => {
                    let held = |stream: &StreamId| slice.iter().any(|(held, _)| held == stream);
                    assert!(!streams.is_empty() && !streams.iter().any(held), "{streams:?} are there already");
                    for stream in streams {
                        let folded = self.kept.get(&stream).cloned();
                        let folded = folded.unwrap_or_else(|| Folded::empty(&stream));
                        slice.insert(stream, folded);
                    }
                }
            }
        }
    }

    /// Puts a stream in as if it had been written.
    pub fn hold(&mut self, stream: StreamId, folded: Folded) {
        self.kept.insert(stream, folded);
    }

    /// Stores a decision as a store does, and checks what must hold of every decision.
    fn keep(&mut self, request: &Request, slice: &Slice, decision: &Decision) {
        assert!((1..=EVENTS_PER_REQUEST).contains(&decision.events.len()), "{} events", decision.events.len());
        let size = u16::try_from(decision.events.len()).unwrap();
        let (first_sequence, request_hash) = (self.head.sequence + 1, request.hash());
        let mut digests = Vec::new();
        for ((stream, event), index) in decision.events.iter().zip(0..) {
            assert!(slice.iter().any(|(held, _)| held == stream), "{stream} is written but not guarded");
            let folded = self.kept.entry(stream.clone()).or_insert_with(|| Folded::empty(stream));
            let version = folded.tip.version + 1;
            let codec::Encoded { type_name, schema_version, payload } = codec::encode(event);
            assert!(payload.len() <= PAYLOAD_BYTES, "{type_name} has {} bytes", payload.len());
            assert_eq!(codec::decode_canonical(&type_name, schema_version, &payload).as_ref(), Ok(event));
            let name = stream.name();
            let digest = Preimage {
                ledger: self.ledger.as_str(),
                stream: name.as_str(),
                version,
                type_name: &type_name,
                schema_version,
                key: request.key.as_str(),
                request_hash: &request_hash,
                actor: request.actor.as_str(),
                effective: decision.effective,
                index,
                size,
                payload: &payload,
            }
            .digest();
            folded.evolve(event, Tip { version, digest }).unwrap();
            digests.push(digest);
            self.log.events.push(EventRow {
                sequence: first_sequence + u64::from(index),
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
        let recorded_at_us = self.head.recorded_at_us.max(request.at.timestamp_micros());
        let link = link(&self.head.link, first_sequence, recorded_at_us, digests.iter());
        self.log.requests.push(RequestRow {
            key: request.key.as_str().into(),
            request_hash,
            actor: request.actor.as_str().into(),
            first_sequence,
            size,
            recorded_at_us,
            link,
        });
        self.head = Head { sequence: self.head.sequence + u64::from(size), link, recorded_at_us };
    }

    /// Enrols a payee, who joined on 2024-03-15 unless it is said otherwise.
    pub fn enrol(&mut self, payee: &str) -> &mut Self {
        self.given("ann", json!({"payee.enrol": {"payee": payee, "name": payee, "joined_on": "2024-03-15"}}));
        self
    }

    /// Publishes the next version of a plan.
    pub fn publish(&mut self, plan: &str, document: Value) -> &mut Self {
        self.given("ann", json!({"plan.publish": {"plan": plan, "document": document}}));
        self
    }

    /// Puts a payee under the first version of a plan, open from 2020 on.
    pub fn assign(&mut self, payee: &str, plan: &str) -> &mut Self {
        self.given("ann", json!({"payee.assign": {"payee": payee, "plan": plan, "version": 1, "from": "2020-01-01"}}));
        self
    }

    /// `zoe`, who has everything of her deals.
    pub fn with_zoe() -> Self {
        let mut story = Self::opened();
        story.publish("all", flat("1", "0")).enrol("zoe").assign("zoe", "all");
        story
    }

    /// `zoe` under the sample plan: 70/30, cap 15,000 a calendar year, then all to her less a fee of 250.
    pub fn with_capped_zoe() -> Self {
        let mut story = Self::opened();
        story.publish("capped", capped("15000 USD")).enrol("zoe").assign("zoe", "capped");
        story
    }

    /// A deal that is one payee's alone.
    pub fn deal(&mut self, deal: &str, payee: &str, gci: &str, on: &str) -> Decision {
        self.given("ann", record(deal, &[payee], gci, on))
    }

    /// A draft over what is payable, made by `maya`.
    pub fn draft(&mut self, payee: &str) -> PayoutId {
        created(&self.given("maya", json!({"payout.create": {"payee": payee}})))
    }

    /// A payout that waits for approval.
    pub fn pending(&mut self, payee: &str) -> PayoutId {
        let payout = self.draft(payee);
        self.given("maya", json!({"payout.submit": {"payout": payout}}));
        payout
    }

    /// A payout that `otto` approved.
    pub fn approved(&mut self, payee: &str) -> PayoutId {
        let payout = self.pending(payee);
        self.given("otto", json!({"payout.approve": {"payout": payout}}));
        payout
    }

    /// A payout that the rail paid.
    pub fn paid(&mut self, payee: &str, amount: &str) -> PayoutId {
        let payout = self.approved(payee);
        self.given("otto", json!({"payout.start": {"payout": payout}}));
        self.given("rail", json!({"payout.settle": {"payout": payout, "attempt": 1, "amount": amount}}));
        payout
    }

    /// How a stream stands.
    pub fn state(&self, stream: &StreamId) -> Option<&State> {
        self.kept.get(stream).map(|folded| &folded.state)
    }

    /// Where a payout is on its way.
    pub fn status(&self, payout: PayoutId) -> payout::Status {
        match self.state(&StreamId::Payout(payout)) {
            Some(State::Payout(Some(payout))) => payout.status(),
            other => panic!("{other:?}"),
        }
    }

    /// What a payout pays, as it was created.
    pub fn amount(&self, payout: PayoutId) -> String {
        let name = StreamId::Payout(payout).name();
        let row = self.log.events.iter().find(|row| row.stream == name).expect("the payout is created");
        match codec::decode(&row.type_name, row.schema_version, &row.payload) {
            Ok(Event::Payout(payout::Event::Created { amount, .. })) => amount.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// What is payable to a payee in dollars.
    pub fn payable(&self, payee: &str) -> String {
        let usd = Currency::of("USD").unwrap();
        let stream = StreamId::Account { payee: PayeeId::new(payee).unwrap(), currency: usd };
        let amounts = match self.state(&stream) {
            None => vec![],
            Some(State::Account(account)) => account.payable(None).map(|(_, entry)| entry.amount).collect(),
            other => panic!("{other:?}"),
        };
        Money::sum(usd, amounts).unwrap().to_string()
    }

    /// What is left under the sample plan's cap in the cap year that begins on `year`.
    pub fn room(&self, payee: &str, limit: &str, year: &str) -> String {
        let (programme, payee) = ("main".parse().unwrap(), PayeeId::new(payee).unwrap());
        let limit = Money::parse(limit).unwrap();
        let room = match self.state(&StreamId::Cap { programme, payee, year: year.parse().unwrap() }) {
            None => limit,
            Some(State::Cap(cap)) => cap.room(limit).unwrap(),
            other => panic!("{other:?}"),
        };
        room.to_string()
    }
}

/// A deal that is shared equally and known only when it is done.
pub fn record(deal: &str, payees: &[&str], gci: &str, on: &str) -> Value {
    json!({"deal.record": {
        "deal": deal, "gci": {"amount": gci}, "attribution": {"equal": payees}, "completed_on": on,
    }})
}

/// A plan in dollars with the same shares always.
pub fn flat(payee: &str, company: &str) -> Value {
    json!({"currency": "USD", "split": {"flat": {"payee": payee, "company": company}}})
}

/// The sample plan.
pub fn capped(limit: &str) -> Value {
    json!({
        "currency": "USD",
        "split": {"flat": {"payee": "0.7", "company": "0.3"}},
        "cap": {"caps": [{"programme": "main", "limit": limit, "year": {"calendar": {"month": 1, "day": 1}}}]},
        "fees": [{"name": "post-cap", "timing": "post_cap", "amount": {"flat": "250 USD"}}],
    })
}

/// The payout that a decision made.
pub fn created(decision: &Decision) -> PayoutId {
    let mut created = decision.events.iter().filter_map(|(_, event)| match event {
        Event::Payout(payout::Event::Created { payout, .. }) => Some(*payout),
        _ => None,
    });
    created.next().expect("the decision makes a payout")
}

/// The calculation that a decision completed.
pub fn completion(decision: &Decision) -> deal::Completion {
    let mut completed = decision.events.iter().filter_map(|(_, event)| match event {
        Event::Deal(deal::Event::Completed(completion)) => Some(completion.clone()),
        _ => None,
    });
    completed.next().expect("the decision completes a deal")
}

/// The lines of the deal that a decision completed or reversed.
pub fn lines(decision: &Decision) -> Vec<deal::Line> {
    let mut sides = decision.events.iter().filter_map(|(_, event)| match event {
        Event::Deal(deal::Event::Completed(deal::Completion { sides, .. }) | deal::Event::Reversed { sides, .. }) => {
            Some(sides)
        }
        _ => None,
    });
    let sides = sides.next().expect("the decision completes or reverses a deal");
    sides.iter().flat_map(|side| side.lines.clone()).collect()
}

/// What becomes of one payee's part of a deal: what counts as company dollar, what the company has beyond the cap, the fees, and what
/// the payee has in the end.
pub fn parts(decision: &Decision, payee: &str) -> [String; 4] {
    let usd = Currency::of("USD").unwrap();
    let sum = |kind, whose: Party| {
        let of = |line: &&deal::Line| line.kind == kind && line.of.as_ref().is_some_and(|of| of.as_str() == payee);
        let lines = lines(decision);
        let amounts = lines.iter().filter(of).filter(|line| line.party == whose).map(|line| line.amount);
        Money::sum(usd, amounts.collect::<Vec<_>>()).unwrap().amount().to_string()
    };
    let own = completion(decision).entries.into_iter().find(|earned| earned.payee.as_str() == payee).unwrap().amount;
    let company = |kind| sum(kind, Party::Company);
    [company(Kind::CompanyDollar), company(Kind::PostCapCompany), company(Kind::Fee), own.amount().to_string()]
}

/// The stored types of a decision's events, in order.
pub fn types(decision: &Decision) -> Vec<String> {
    decision.events.iter().map(|(_, event)| codec::encode(event).type_name.into()).collect()
}
