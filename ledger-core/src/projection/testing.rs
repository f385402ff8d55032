//! A ledger in memory whose history is made by the decisions themselves, for tests of what is read from it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Utc};

use crate::Date;
use crate::chain::Preimage;
use crate::codec::{Encoded, encode};
use crate::command::Request;
use crate::decide::{Rejection, Undecided, decide};
use crate::event::Event;
use crate::id::{LedgerName, PayoutId};
use crate::payout;
use crate::recorded::{Recorded, decode_page};
use crate::slice::{Folded, Slice};
use crate::store::memory::MemoryStore;
use crate::store::{Append, Guard, NewEvent, Outcome, Store};
use crate::stream::{StreamId, Tip};

/// Runs a future that never has to wait.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a store in memory never waits"),
    }
}

pub(crate) struct Books {
    pub store: MemoryStore,
    pub ledger: LedgerName,
    pub events: Vec<Recorded>,
    pub streams: BTreeMap<StreamId, Folded>,
    now: Arc<AtomicI64>,
    keys: usize,
}

/// A plan in dollars, 70/30 up to a cap of 15,000 a calendar year, then all to the payee less 250 a deal.
pub(crate) const CAPPED: &str = r#"{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}},
    "cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},
    "fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"250 USD"}}]}"#;

/// Everything at once: tiers over a year, a cap of a pool and one's own, a royalty and a fee with caps of their own, what is charged
/// while a mentor stands by, a bonus, an override. Who owes stays in debt.
pub(crate) const TEAM: &str = r#"{"currency":"USD","attainment":{"programme":"volume","year":{"calendar":{"month":1,"day":1}}},
    "split":{"tiered":{"tiers":{"revenue":[{"from":"0 USD","payee":"0.6","company":"0.4"},{"from":"9000 USD","payee":"0.8","company":"0.2"}]}}},
    "cap":{"caps":[{"programme":"team","of":{"pool":"north"},"limit":"8000 USD","year":{"calendar":{"month":1,"day":1}}},
        {"programme":"own","limit":"6000 USD","portion":"0.5","year":{"calendar":{"month":1,"day":1}}}],
        "post_cap":{"payee":"0.9","company":"0.1"},"fee_on_crossing":"yes"},
    "royalty":{"rate":"0.06","basis":"gross","cap":{"programme":"brand","limit":"700 USD","year":{"calendar":{"month":1,"day":1}}}},
    "fees":[{"name":"transaction","timing":"always","amount":{"lesser_of":{"flat":"65 USD","rate":"0.05"}},"per":"side",
        "sub_cap":{"programme":"transactions","limit":"200 USD","year":{"calendar":{"month":1,"day":1}},"then":{"flat":"10 USD"}}},
        {"name":"lead","timing":"pre_cap","amount":{"rate":"0.01"},"of":"gci","to":{"payee":"bo"}},
        {"name":"after","timing":"post_cap","amount":{"flat":"25 USD"}}],
    "mentee":{"company":"0.02","mentor":"0.05"},
    "bonuses":[{"name":"two","when":{"reaches":{"units":2}},"amount":{"flat":"150 USD"}}],
    "overrides":[{"name":"lead","to":"el","rate":"0.02"}],"deficit":"receivable"}"#;

/// Dual agency: everything is taken off the top and something agreed by hand.
pub(crate) const TWO_SIDES: &str = r#"[{"side":"listing","gci":{"of_price":{"price":"400000 USD","rate":"0.015"}},"referral_in":"300.01 USD","units":2,
    "off_top":[{"concession":{"rate":"0.1"}},{"referral_out":{"to":"joe","amount":{"flat":"200 USD"}}}],
    "payees":[{"payee":"el","weight":"0.6"},{"payee":"fy","weight":"0.4","mentor":"amy"}],
    "adjustments":[{"from":"company","to":{"payee":"fy"},"amount":"50 USD","reason":"staging","actor":"ann"}]},
    {"side":"buying","gci":{"amount":"5000.05 USD"},"units":0,"payees":[{"payee":"fy","mentor":"amy"}]}]"#;

impl Books {
    /// A ledger that is open, with everything switched on.
    pub fn open() -> Self {
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        let mut books = Self {
            store: MemoryStore::new(Arc::new(move || clock.load(Ordering::Relaxed))),
            ledger: LedgerName::new("main").unwrap(),
            events: Vec::new(),
            streams: BTreeMap::new(),
            now,
            keys: 0,
        };
        let capabilities =
            r#"["rail_payments","manual_payments","manual_amounts","opening_balances","foreign_currencies"]"#;
        let zone = r#""base_currency":"USD","zone":"America/New_York""#;
        books.ask("ann", "2026-01-01", &format!(r#"{{"settings.open":{{{zone},"capabilities":{capabilities}}}}}"#));
        books
    }

    /// A ledger with two payees under the capped plan.
    pub fn with_two_payees() -> Self {
        let mut books = Self::open();
        books.ask("ann", "2026-01-01", &format!(r#"{{"plan.publish":{{"plan":"sales","document":{CAPPED}}}}}"#));
        for (payee, name) in [("amy", "Amy Adams"), ("bo", "=Bo, \"the\" Best")] {
            books.enrol(payee, name, "sales");
        }
        books
    }

    /// Two more payees, under the plan of a team.
    pub fn with_a_team(&mut self) {
        for (payee, name) in [("el", "El"), ("fy", "Fy")] {
            self.ask("ann", "2026-01-01", &format!(r#"{{"payee.enrol":{{"payee":"{payee}","name":"{name}"}}}}"#));
        }
        self.ask("ann", "2026-01-01", &format!(r#"{{"plan.publish":{{"plan":"team","document":{TEAM}}}}}"#));
        for payee in ["el", "fy"] {
            let assign = format!(r#"{{"payee":"{payee}","plan":"team","version":1,"from":"2020-01-01"}}"#);
            self.ask("ann", "2026-01-01", &format!(r#"{{"payee.assign":{assign}}}"#));
        }
    }

    /// A model, and rate plans: one with a limit for each month, one that waits for the customer.
    pub fn with_a_shop(&mut self) {
        let limit = r#"{"amount":"400 USD","per":"month","zone":"UTC"}"#;
        let overrides = r#"[{"name":"recruiter","of":"bo","to":"el","rate":"0.15"}]"#;
        for (concept, name, document) in [
            ("model", "even", r#"{"model":{"linear":{}}}"#.to_owned()),
            (
                "rates",
                "limited",
                format!(
                    r#"{{"currency":"USD","otherwise":{{"rate":"0.1"}},"spend_limit":{limit},"max_duration_months":3}}"#
                ),
            ),
            (
                "rates",
                "slow",
                format!(
                    r#"{{"currency":"USD","otherwise":{{"rate":"0.2"}},"earned":"as_collected","overrides":{overrides}}}"#
                ),
            ),
        ] {
            let publish = format!(r#"{{"{concept}.publish":{{"{concept}":"{name}","document":{document}}}}}"#);
            self.ask("ann", "2026-01-01", &publish);
        }
        let slow = r#""type":"reseller","rates":{"rates":"slow","version":1}"#;
        self.ask("ann", "2026-01-01", &format!(r#"{{"payee.classify":{{"payee":"bo","from":"2026-01-01",{slow}}}}}"#));
    }

    pub fn enrol(&mut self, payee: &str, name: &str, plan: &str) {
        let name = serde_json::to_string(name).unwrap();
        self.ask("ann", "2026-01-01", &format!(r#"{{"payee.enrol":{{"payee":"{payee}","name":{name}}}}}"#));
        let assign = format!(r#"{{"payee":"{payee}","plan":"{plan}","version":1,"from":"2020-01-01"}}"#);
        self.ask("ann", "2026-01-01", &format!(r#"{{"payee.assign":{assign}}}"#));
    }

    /// Records a deal that is attributed in equal parts.
    pub fn deal(&mut self, deal: &str, gci: &str, payees: &[&str], day: &str) {
        let payees = serde_json::to_string(payees).unwrap();
        let rest = format!(r#""attribution":{{"equal":{payees}}},"completed_on":"{day}""#);
        let record = format!(r#"{{"deal.record":{{"deal":"{deal}","gci":{{"amount":"{gci}"}},{rest}}}}}"#);
        self.ask("ann", day, &record);
    }

    /// Makes a payout of all that is payable, and hands it in.
    pub fn payout(&mut self, payee: &str, day: &str) -> PayoutId {
        self.ask("ann", day, &format!(r#"{{"payout.create":{{"payee":"{payee}"}}}}"#));
        let payout = self.last_payout();
        self.move_payout("ann", day, "submit", payout, "");
        payout
    }

    pub fn last_payout(&self) -> PayoutId {
        let created = self.events.iter().rev().find_map(|recorded| match &recorded.event {
            Event::Payout(payout::Event::Created { payout, .. }) => Some(*payout),
            _ => None,
        });
        created.unwrap()
    }

    pub fn move_payout(&mut self, actor: &str, day: &str, verb: &str, payout: PayoutId, more: &str) {
        self.ask(actor, day, &format!(r#"{{"payout.{verb}":{{"payout":"{payout}"{more}}}}}"#));
    }

    pub fn pay(&mut self, payout: PayoutId, day: &str) {
        self.move_payout("bob", day, "approve", payout, "");
        let more = format!(r#","method":"cheque","reference":"no-{}","account":"main""#, self.keys);
        self.move_payout("cat", day, "record_manual_payment", payout, &more);
    }

    /// Asks what must be granted.
    pub fn ask(&mut self, actor: &str, day: &str, command: &str) {
        if let Err(rejection) = self.try_ask(actor, day, command) {
            panic!("{command}: {rejection}");
        }
    }

    pub fn try_ask(&mut self, actor: &str, day: &str, command: &str) -> Result<(), Rejection> {
        let day: Date = day.parse().unwrap();
        let at: DateTime<Utc> = day.and_hms_opt(17, 0, 0).unwrap().and_utc();
        self.keys += 1;
        let request = Request {
            key: format!("k{}", self.keys).parse().unwrap(),
            actor: actor.parse().unwrap(),
            at,
            command: serde_json::from_str(command).unwrap(),
        };
        let mut slice = Slice::new(self.ledger.clone());
        let decision = loop {
            match decide(&slice, &request) {
                Ok(decision) => break decision,
                Err(Undecided::Rejected(rejection)) => return Err(rejection),
                Err(Undecided::Misfit(misfit)) => panic!("{misfit}"),
                Err(Undecided::Needs(streams)) => {
                    for stream in streams {
                        let folded = self.streams.get(&stream).cloned().unwrap_or_else(|| Folded::empty(&stream));
                        slice.insert(stream, folded);
                    }
                }
            }
        };
        let guards = slice.iter().map(|(stream, folded)| Guard { stream: stream.name(), tip: folded.tip }).collect();
        let (size, hash) = (u16::try_from(decision.events.len()).unwrap(), request.hash());
        let mut events = Vec::new();
        for (index, (stream, event)) in (0..).zip(decision.events) {
            let Encoded { type_name, schema_version, payload } = encode(&event);
            let folded = slice.get_mut(&stream).unwrap();
            let (version, name, effective) = (folded.tip.version + 1, stream.name(), decision.effective);
            let preimage = Preimage {
                ledger: self.ledger.as_str(),
                stream: name.as_str(),
                version,
                type_name: &type_name,
                schema_version,
                key: request.key.as_str(),
                request_hash: &hash,
                actor,
                effective,
                index,
                size,
                payload: &payload,
            };
            let digest = preimage.digest();
            folded.evolve(&event, Tip { version, digest }).unwrap();
            events.push(NewEvent { stream: name, version, type_name, schema_version, effective, payload, digest });
        }
        self.now.store(at.timestamp_micros(), Ordering::Relaxed);
        let append = Append { key: request.key, request_hash: hash, actor: actor.into(), guards, events };
        let outcomes = ready(self.store.append(&self.ledger, &[append])).unwrap();
        assert!(matches!(outcomes.as_slice(), [Outcome::Appended(_)]), "{outcomes:?}");
        let after = self.events.len() as u64;
        let page = ready(self.store.read_log(&self.ledger, after, 1)).unwrap();
        self.events.extend(decode_page(self.ledger.as_str(), after, &page).unwrap());
        self.streams.extend(slice.into_streams());
        Ok(())
    }

    /// A history in which all kinds of things happen, the same for the same seed. What is refused is left out.
    pub fn random(seed: u64, steps: usize) -> Self {
        let mut books = Self::with_two_payees();
        let whole = CAPPED.replace(r#""caps":"#, r#""crossing":"whole_deal_pre_cap","caps":"#);
        let yen = r#"{"currency":"JPY","split":{"flat":{"payee":"0.6","company":"0.4"}}}"#;
        for (plan, document) in [("whole", whole.as_str()), ("yen", yen)] {
            let publish = format!(r#"{{"plan.publish":{{"plan":"{plan}","document":{document}}}}}"#);
            books.ask("ann", "2026-01-01", &publish);
        }
        books.enrol("cy", "Cy", "whole");
        books.enrol("di", "Di", "yen");
        books.with_a_team();
        books.with_a_shop();
        let mut random = Random(seed);
        let mut payouts: Vec<(PayoutId, &str)> = Vec::new();
        for step in 0..steps {
            let day = format!("2026-{:02}-{:02}", 1 + step * 12 / steps, 1 + step % 28);
            let actor = random.of(&["ann", "bob", "cat", "amy"]);
            let payee = random.of(&["amy", "bo", "cy", "di", "el", "fy"]);
            let before = books.events.len();
            if random.below(5) < 2 {
                let (actor, command) = match random.below(16) {
                    0..=5 => (actor, random.deal(step, &day)),
                    6 | 7 => {
                        let deal = random.below(step + 1);
                        (actor, format!(r#"{{"deal.reverse":{{"deal":"d-{deal}","reason":"=void, \"x\""}}}}"#))
                    }
                    8 => {
                        let what = format!(r#""payee":"{payee}","on":"{day}","amount":"100.01 USD","reason":"moved""#);
                        let opening = random.of(&["cap.set_opening_balance", "attainment.set_opening"]);
                        let what =
                            if opening.starts_with("attainment") { what.replace("amount", "revenue") } else { what };
                        (actor, format!(r#"{{"{opening}":{{{what}}}}}"#))
                    }
                    9 => {
                        let what = format!(r#""payee":"{payee}","amount":"12.34 USD","reason":"bonus""#);
                        (actor, format!(r#"{{"payout.create_manual":{{{what}}}}}"#))
                    }
                    10..=13 => (actor, random.of_a_sale(step, payee, &day)),
                    _ => {
                        let currency = if payee == "di" { r#","currency":"JPY""# } else { "" };
                        let more = random.of(&["", r#","period":"2026-02""#, r#","notes":"+1, please""#]);
                        (actor, format!(r#"{{"payout.create":{{"payee":"{payee}"{currency}{more}}}}}"#))
                    }
                };
                let _ = books.try_ask(actor, &day, &command);
                if books.events[before..].iter().any(|event| matches!(event.event, Event::Payout(_))) {
                    payouts.push((books.last_payout(), actor));
                }
            } else if !payouts.is_empty() {
                let (payout, maker) = payouts[random.below(payouts.len())];
                let (actor, verb, more) = match random.below(14) {
                    0..=2 => (maker, "submit", String::new()),
                    3 | 4 => (actor, "approve", String::new()),
                    5 | 6 => (actor, "start", String::new()),
                    7 => (actor, random.of(&["reject", "void"]), r#","reason":"no""#.to_owned()),
                    8 => {
                        let more = format!(r#","method":"cheque","reference":"no-{step}","account":"main""#);
                        (actor, "record_manual_payment", more)
                    }
                    9 | 10 => ("rail", "fail", r#","attempt":1,"reason":"closed account""#.to_owned()),
                    11 => {
                        let resolution = random.of(&["accept", "dismiss"]);
                        let more = format!(r#","attempt":1,"resolution":"{resolution}","reason":"asked the bank""#);
                        (actor, "resolve_late_payment", more)
                    }
                    _ => {
                        let attempt = 1 + random.below(2);
                        ("rail", "settle", format!(r#","attempt":{attempt},"amount":"{}""#, books.amount(payout)))
                    }
                };
                let command = format!(r#"{{"payout.{verb}":{{"payout":"{payout}"{more}}}}}"#);
                let _ = books.try_ask(actor, &day, &command);
                if random.below(10) == 0 {
                    let ids: Vec<_> = payouts.iter().map(|(payout, _)| payout).collect();
                    let ids = serde_json::to_string(&ids).unwrap();
                    let _ = books.try_ask(actor, &day, &format!(r#"{{"payout.approve_bulk":{{"payouts":{ids}}}}}"#));
                }
            }
        }
        books
    }

    pub fn amount(&self, payout: PayoutId) -> crate::money::Money {
        let amount = self.events.iter().find_map(|recorded| match &recorded.event {
            Event::Payout(payout::Event::Created { payout: id, amount, .. }) if *id == payout => Some(*amount),
            _ => None,
        });
        amount.unwrap()
    }
}

/// A sequence that looks random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Something that happens to a sale, if the deal is one.
    fn of_a_sale(&mut self, step: usize, payee: &str, day: &str) -> String {
        let deal = format!(r#""deal":"s-{}""#, self.below(step / 8 + 1));
        match self.below(4) {
            0 => {
                let sale = format!(
                    r#""amount":"{}.{:02} USD","customer":"acme","model":{{"model":"even","version":1}},"rates":{{"rates":"limited","version":1}},"overlays":[{{"payee":"bo","weight":"0.1"}}]"#,
                    self.below(5_000),
                    self.below(100)
                );
                let at = |payee: &str, id: &str| {
                    format!(r#"{{"touch":"{id}","payee":"{payee}","type":"demo","at":"2026-01-02T12:00:00Z"}}"#)
                };
                let touches = [at(payee, "t1"), at(self.of(&["amy", "bo"]), "t2")].join(",");
                format!(
                    r#"{{"deal.record_sale":{{{deal},"sale":{{{sale}}},"touches":[{touches}],"completed_at":"{day}T17:00:00Z"}}}}"#
                )
            }
            1 => format!(
                r#"{{"deal.touch":{{{deal},"touch":{{"touch":"t-{step}","payee":"{payee}","type":"demo","at":"2026-01-03T12:00:00Z"}}}}}}"#
            ),
            2 => format!(
                r#"{{"deal.collect":{{{deal},"payment":"p-{step}","amount":"{}.01 USD","on":"{day}"}}}}"#,
                self.below(900)
            ),
            _ => {
                let verb = self.of(&["recompute", "recompute", "reverse"]);
                format!(r#"{{"deal.{verb}":{{{deal},"reason":"=late, \"x\""}}}}"#)
            }
        }
    }

    fn deal(&mut self, step: usize, day: &str) -> String {
        if self.below(4) == 0 {
            let sides = TWO_SIDES.replace("5000.05", &format!("{}.{:02}", self.below(20_000), self.below(100)));
            return format!(r#"{{"deal.record_sides":{{"deal":"d-{step}","sides":{sides},"completed_on":"{day}"}}}}"#);
        }
        let payees =
            [r#"["amy","bo"]"#, r#"["bo","cy"]"#, r#"["amy"]"#, r#"["cy"]"#, r#"["di"]"#, r#"["el","amy","fy"]"#];
        let payees = self.of(&payees);
        let cents = self.below(2_000_000);
        let gci = if payees.contains("di") {
            format!("{cents} JPY")
        } else {
            format!("{}.{:02} USD", cents / 100, cents % 100)
        };
        let rest = format!(r#""attribution":{{"equal":{payees}}},"completed_on":"{day}""#);
        format!(r#"{{"deal.record":{{"deal":"d-{step}","gci":{{"amount":"{gci}"}},{rest}}}}}"#)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}
