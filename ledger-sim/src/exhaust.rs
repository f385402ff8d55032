//! Every order in which the calls of two writers can reach the store, with at most one fault, wherever it may strike: for
//! small scenes in which everything that two people can do to one another is there.

use std::sync::Arc;

use ledger_core::chain::Digest;
use ledger_core::id::Key;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{Append, Guard, NewEvent, Store};
use ledger_core::stream::{StreamName, Tip};
use rustc_hash::FxHashMap;

use crate::act::{Act, Amount, Ask, CapYear, Code, Credit, Day, Document, Gci, WHOLE};
use crate::book::{Book, Violation, broken};
use crate::choice::{Choices, Tape};
use crate::document::{Cap, CapTerms, Charge, Fee, FeeTo, Holder, Of, Often, Shares, Timing};
use crate::fault::{Fault, Faults};
use crate::model::Model;
use crate::run::act_out;
use crate::scheduler::{Pace, Scheduler, now};

/// What may strike in a scene, once.
pub const FAULTS: [Fault; 6] =
    [Fault::Refused, Fault::ReplyLost, Fault::RequestLost, Fault::Zombie, Fault::Twice, Fault::Crash];

/// Two writers who are after the same thing.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What it is about.
    pub name: &'static str,
    /// What the ledger holds before.
    before: Vec<Ask>,
    /// What each writer asks, one after another.
    writers: Vec<Vec<Ask>>,
    /// Whether the writers are in one process, and so in one queue.
    pub together: bool,
}

/// How far the schedules of a scene were gone through.
#[derive(Debug, Clone, Default)]
pub struct Exhausted {
    /// How many schedules were run.
    pub schedules: u64,
    /// Whether they were all.
    pub complete: bool,
    /// The promise that one of them broke, and its choices.
    pub violation: Option<(Violation, Tape)>,
}

/// What a scene begins with, so that it is made once.
struct Stage {
    appends: Vec<Append>,
    book: Book,
}

/// Goes through the schedules of a scene, at most so many.
#[must_use]
pub fn exhaust(scene: &Scene, faults: u32, limit: u64, mut progress: impl FnMut()) -> Exhausted {
    let mut exhausted = Exhausted::default();
    let stage = match Stage::set(scene) {
        Ok(stage) => stage,
        Err(violation) => return Exhausted { violation: Some((violation, Tape::default())), ..exhausted },
    };
    let mut next = Some(Choices::first());
    while let Some(choices) = next {
        if exhausted.schedules == limit {
            return exhausted;
        }
        exhausted.schedules += 1;
        progress();
        let (choices, violation) = stage.play(scene, choices, faults);
        if let Some(violation) = violation {
            exhausted.violation = Some((violation, choices.into_tape()));
            return exhausted;
        }
        next = choices.next();
    }
    exhausted.complete = true;
    exhausted
}

impl Stage {
    /// Lets the ledger get where the scene begins.
    fn set(scene: &Scene) -> Result<Self, Violation> {
        let store = new_store();
        let name = "l0".parse().or_else(|_| broken("scene", "the ledger has no name"))?;
        let scheduler = Scheduler::new(Choices::first(), Pace::InAnyOrder);
        let book = Book::new(name, Arc::clone(&store));
        let (_, violation, book) = act_out(scheduler, Faults::none(), store, book, vec![scene.before.clone()], true);
        if let Some(violation) = violation {
            return Err(violation);
        }
        if book.len() != scene.before.len() {
            return broken("scene", format!("{}: not everything that comes before was accepted", scene.name));
        }
        Ok(Self { appends: appends(&book)?, book })
    }

    fn play(&self, scene: &Scene, choices: Choices, faults: u32) -> (Choices, Option<Violation>) {
        let store = new_store();
        if let Err(error) = now(store.append(&self.book.name, &self.appends)) {
            return (choices, broken::<()>("scene", error.to_string()).err());
        }
        let book = self.book.of(Arc::clone(&store));
        let scheduler = Scheduler::new(choices, Pace::InAnyOrder);
        let faults = Faults::at_most(faults, &FAULTS);
        let (choices, violation, _) = act_out(scheduler, faults, store, book, scene.writers.clone(), scene.together);
        (choices, violation)
    }
}

fn new_store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(|| 1_767_225_600_000_000)))
}

/// The log as it was appended.
fn appends(book: &Book) -> Result<Vec<Append>, Violation> {
    let page = book.log()?;
    let mut tips: FxHashMap<StreamName, Tip> = FxHashMap::default();
    let mut rest = page.events.into_iter();
    let append = |row: ledger_core::store::RequestRow| {
        let mut guards = Vec::new();
        let events = rest.by_ref().take(row.size.into()).map(|event| {
            let tip = tips.entry(event.stream.clone()).or_insert(Tip::EMPTY);
            if !guards.iter().any(|guard: &Guard| guard.stream == event.stream) {
                guards.push(Guard { stream: event.stream.clone(), tip: *tip });
            }
            *tip = Tip { version: event.version, digest: event.digest };
            NewEvent {
                stream: event.stream,
                version: event.version,
                type_name: event.type_name,
                schema_version: event.schema_version,
                effective: event.effective,
                payload: event.payload,
                digest: event.digest,
            }
        });
        let events = events.collect();
        let key = Key::new(&row.key).or_else(|error| broken("log", error.to_string()))?;
        Ok(Append { key, request_hash: Digest(row.request_hash.0), actor: row.actor, guards, events })
    };
    page.requests.into_iter().map(append).collect()
}

/// The scenes. In the short ones each writer asks once, in the long ones twice.
#[must_use]
pub fn scenes(long: bool) -> Vec<Scene> {
    let two = Script::new();
    let payout = two.payout("draft");
    let submitted = [two.deal("d1", 10_000), two.create("draft"), two.submit(&payout)];
    let approved = [&submitted[..], &[two.ask("otto", Act::Approve { payout: payout.clone() })]].concat();
    let started = [&approved[..], &[two.ask("pay", Act::Start { payout: payout.clone() })]].concat();
    let reason = || "a reason".to_owned();
    let approve = two.ask("otto", Act::Approve { payout: payout.clone() });
    let void = two.ask("maya", Act::Void { payout: payout.clone(), reason: reason() });
    let reject = two.ask("otto", Act::Reject { payout: payout.clone(), reason: reason() });
    let start = |key: &str| two.keyed(key, "pay", Act::Start { payout: payout.clone() });
    let settle = two.ask("bank", Act::Settle { payout: payout.clone(), attempt: 1, amount: two.usd(7_000) });
    let fail = two.ask("bank", Act::Fail { payout: payout.clone(), attempt: 1, reason: reason() });
    let cheque = |key: &str| {
        let (method, reference, account) = ("cheque", "c-1".to_owned(), "bank".to_owned());
        two.keyed(key, "pay", Act::RecordManualPayment { payout: payout.clone(), method, reference, account })
    };
    let reverse = two.ask("ann", Act::Reverse { deal: "d1".to_owned(), reason: reason() });
    let deal = |key: &str, name: &str, units: i128| Ask { key: key.to_owned(), ..two.deal(name, units) };
    let create = |key: &str| Ask { key: key.to_owned(), ..two.create("draft") };
    let one_deal = [two.deal("d1", 10_000)];
    let mut scenes = Vec::new();
    let mut scene = |name, before: &[Ask], first: &[&Ask], second: &[&Ask]| {
        let before = [&two.opening[..], before].concat();
        let count = if long { 2 } else { 1 };
        let script = |asks: &[&Ask]| asks.iter().take(count).map(|ask| (*ask).clone()).collect::<Vec<_>>();
        for together in [false, true] {
            let writers = vec![script(first), script(second)];
            scenes.push(Scene { name, before: before.clone(), writers, together });
        }
    };
    scene("a payout is approved and voided", &submitted, &[&approve, &start("s-1")], &[&void, &create("again")]);
    scene("a payout is approved and rejected", &submitted, &[&approve, &start("s-1")], &[&reject, &create("again")]);
    scene("a payout is started and voided", &approved, &[&start("s-1"), &settle], &[&void, &start("s-2")]);
    scene("a payout is started twice", &approved, &[&start("s-1"), &settle], &[&start("s-2"), &fail]);
    scene("a payout is paid on the rail and by cheque", &approved, &[&start("s-1"), &settle], &[&cheque("c"), &fail]);
    scene("a payment is settled and fails", &started, &[&settle, &start("s-3")], &[&fail, &start("s-4")]);
    scene(
        "entries are paid out twice",
        &one_deal,
        &[&create("p-1"), &reverse],
        &[&create("p-2"), &two.deal("d2", 500)],
    );
    scene(
        "a deal is reversed and paid out",
        &one_deal,
        &[&reverse, &create("p-3")],
        &[&create("p-1"), &two.deal("d2", 9)],
    );
    scene("a deal is recorded twice", &[], &[&deal("a", "d1", 100), &create("p")], &[&deal("b", "d1", 100), &reverse]);
    scene(
        "two deals reach the cap",
        &[two.deal("d0", 250_000)],
        &[&deal("a", "d1", 60_000), &reverse],
        &[&deal("b", "d2", 60_000), &create("p")],
    );
    let team = two.team();
    scene(
        "two payees fill a pool",
        &team,
        &[&two.deal_of("yan", "d1", 250_000), &reverse],
        &[&two.deal_of("xia", "d2", 250_000), &two.deal_of("xia", "d3", 9)],
    );
    scene("a request is sent by two", &one_deal, &[&create("p"), &reverse], &[&create("p"), &two.deal("d2", 500)]);
    scene(
        "a key is used by two",
        &one_deal,
        &[&deal("k", "d2", 100), &create("p")],
        &[&deal("k", "d3", 100), &reverse],
    );
    scenes
}

/// The words that the scenes are written in.
struct Script {
    opening: Vec<Ask>,
}

impl Script {
    fn new() -> Self {
        let usd = Code("USD", 2);
        let capabilities = vec!["rail_payments", "manual_payments"];
        let fee = Fee {
            name: "post-cap".to_owned(),
            timing: Timing::PostCap,
            amount: Charge::Flat(Amount(500, usd)),
            of: Of::Part,
            per: Often::Deal,
            to: FeeTo::Company,
            sub_cap: None,
        };
        let cap = Cap::own("main", Amount(100_000, usd), CapYear::Calendar { month: 1, day: 1 });
        let document = Document {
            cap: Some(CapTerms::of(vec![cap])),
            fees: vec![fee],
            ..Document::flat(usd, Shares::of_payee(WHOLE / 10 * 7))
        };
        let (name, from) = ("zoe".to_owned(), Day(2020, 1, 1));
        let mut script = Self { opening: Vec::new() };
        let acts = [
            Act::Open { base: usd, zone: "UTC", capabilities },
            Act::Publish { plan: "std".to_owned(), document: Box::new(document) },
            Act::Enrol { payee: name.clone(), name: name.clone(), joined_on: None },
            Act::Assign { payee: name, plan: "std".to_owned(), version: 1, from, until: None },
        ];
        script.opening = acts.map(|act| script.ask("ann", act)).to_vec();
        script
    }

    fn usd(&self, units: i128) -> Amount {
        Amount(units, Code("USD", 2))
    }

    fn keyed(&self, key: &str, actor: &str, act: Act) -> Ask {
        Ask { key: key.to_owned(), actor: actor.to_owned(), at: 1_768_478_400, act }
    }

    fn ask(&self, actor: &str, act: Act) -> Ask {
        self.keyed(&format!("{actor}-{}", act.name()), actor, act)
    }

    /// Two payees under a plan with one cap for both.
    fn team(&self) -> Vec<Ask> {
        let usd = Code("USD", 2);
        let (limit, year) = (Amount(100_000, usd), CapYear::Calendar { month: 1, day: 1 });
        let pool = Cap { of: Holder::Pool("team".to_owned()), ..Cap::own("team", limit, year) };
        let document =
            Document { cap: Some(CapTerms::of(vec![pool])), ..Document::flat(usd, Shares::of_payee(WHOLE / 10 * 7)) };
        let publish = self.keyed("team", "ann", Act::Publish { plan: "team".to_owned(), document: Box::new(document) });
        let joins = ["yan", "xia"].map(|name| {
            let (payee, plan, from) = (name.to_owned(), "team".to_owned(), Day(2020, 1, 1));
            let enrol = Act::Enrol { payee: payee.clone(), name: payee.clone(), joined_on: None };
            let assign = Act::Assign { payee, plan, version: 1, from, until: None };
            [self.keyed(&format!("{name}-1"), "ann", enrol), self.keyed(&format!("{name}-2"), "ann", assign)]
        });
        [publish].into_iter().chain(joins.into_iter().flatten()).collect()
    }

    /// A deal of one payee.
    fn deal(&self, name: &str, units: i128) -> Ask {
        self.deal_of("zoe", name, units)
    }

    fn deal_of(&self, payee: &str, name: &str, units: i128) -> Ask {
        let (gci, credit) = (Gci::Amount(self.usd(units)), Credit::Equal(vec![payee.to_owned()]));
        self.keyed(name, "ann", Act::Record { deal: name.to_owned(), gci, credit, on: Day(2026, 1, 10) })
    }

    fn create(&self, key: &str) -> Ask {
        let act = Act::Create { payee: "zoe".to_owned(), currency: None, through: None, period: None, notes: None };
        self.keyed(key, "maya", act)
    }

    fn submit(&self, payout: &str) -> Ask {
        self.ask("maya", Act::Submit { payout: payout.to_owned() })
    }

    /// The payout that a key makes.
    fn payout(&self, key: &str) -> String {
        Model::new("l0").payout_of(key)
    }
}
