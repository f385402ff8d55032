//! What the clients ask, measured against the model: enough is accepted, everything is refused once, and caps are hit.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ledger_core::command::Request;
use ledger_sim::act::{Act, Ask, Credit, Document, WHOLE};
use ledger_sim::choice::{Choices, Tape};
use ledger_sim::document::{Proration, Split};
use ledger_sim::model::{Holder, Model};
use ledger_sim::swarm::{Habit, Swarm};
use ledger_sim::workload::Workload;
use rustc_hash::FxHashMap;

/// One ledger without faults and with one writer: what is asked is answered before the next is.
struct Run {
    choices: Choices,
    workload: Workload,
    model: Model,
    keys: FxHashMap<String, (String, Act)>,
    /// What was stored, and why it was refused what was, how often.
    seen: BTreeMap<String, u32>,
    now: i64,
}

impl Run {
    fn new(mut choices: Choices) -> Self {
        let swarm = Swarm::draw(&mut choices);
        let (workload, now) = (Workload::new(&swarm, 0), swarm.start);
        Self { choices, workload, model: Model::new("l"), keys: FxHashMap::default(), seen: BTreeMap::new(), now }
    }

    fn ask(&mut self) -> Ask {
        self.now += 7;
        self.workload.next(&mut self.choices, &self.model, self.now)
    }

    /// Whether the ledger would answer with a receipt.
    fn accept(&mut self, ask: &Ask) -> bool {
        if let Some((actor, act)) = self.keys.get(&ask.key) {
            return *actor == ask.actor && *act == ask.act;
        }
        let answer = self.model.accept(ask);
        let mut saw = |what: String| *self.seen.entry(what).or_default() += 1;
        match &answer {
            Err(why) => saw(format!("{why:?}")),
            Ok(facts) => {
                facts.iter().for_each(|fact| saw(fact.type_name.to_owned()));
                let late = matches!(ask.act, Act::ResolveLatePayment { accept: true, .. });
                let clawback = facts.iter().any(|fact| fact.payload.contains("\"clawback\""));
                if late {
                    saw("late payment accepted".to_owned());
                }
                if clawback {
                    saw("clawback".to_owned());
                }
                self.keys.insert(ask.key.clone(), (ask.actor.clone(), ask.act.clone()));
            }
        }
        answer.is_ok()
    }
}

/// A workload that sends what no host can send tests the reader, and the ledger behind it never.
#[test]
fn whatever_is_asked_is_well_formed() {
    for seed in 0..200 {
        let mut run = Run::new(Choices::from_seed(seed));
        for _ in 0..500 {
            let ask = run.ask();
            let json = ask.to_string();
            if let Err(error) = serde_json::from_str::<Request>(&json) {
                panic!("seed {seed}: {error}: {json}");
            }
            run.accept(&ask);
        }
    }
}

/// A workload of refusals alone proves nothing, one without any tests no guard; and a kind that is never accepted is not tested.
#[test]
fn enough_is_accepted_and_every_kind_is_accepted_and_refused() {
    let (mut kinds, mut asked, mut accepted, mut lowest) =
        (BTreeMap::<_, [u32; 2]>::new(), 0, 0, (1_000, 0, BTreeMap::new()));
    let mut caps = Caps::default();
    let mut seen = BTreeMap::<String, u32>::new();
    let mut spent = Vec::with_capacity(150_000);
    for seed in 0..300 {
        let mut run = Run::new(Choices::from_seed(seed));
        let mut of_seed = 0;
        for _ in 0..500 {
            let begun = Instant::now();
            let ask = run.ask();
            spent.push(begun.elapsed());
            let before = caps.before(&run.model, &ask);
            let yes = run.accept(&ask);
            kinds.entry(ask.act.name()).or_default()[usize::from(yes)] += 1;
            of_seed += u32::from(yes);
            if yes {
                caps.after(before);
            }
        }
        asked += 500;
        accepted += of_seed;
        if of_seed * 1_000 / 500 < lowest.0 {
            lowest = (of_seed * 1_000 / 500, seed, run.seen.clone());
        }
        run.seen.into_iter().for_each(|(what, often)| *seen.entry(what).or_default() += often);
    }
    println!("{accepted} of {asked} accepted, at the least {} of 1,000 in seed {}", lowest.0, lowest.1);
    spent.sort_unstable();
    println!("{:?} an ask in the middle, {:?} at the 99th", spent[spent.len() / 2], spent[spent.len() / 100 * 99]);
    println!("{caps:?} {seen:?}");
    for (kind, [no, yes]) in &kinds {
        println!("{kind:30} {yes:6} accepted {no:6} refused");
    }
    assert_eq!(kinds.len(), 37);
    // Every event there is, every reason but what is malformed, and the two stories that are easily left out.
    let events = seen.keys().filter(|what| what.contains('.')).count();
    let reasons = seen.keys().filter(|what| what.starts_with(char::is_uppercase)).count();
    assert_eq!((events, reasons), (48, 15), "{seen:?}");
    assert!(
        seen["late payment accepted"] > 50 && seen["clawback"] > 200 && !seen.contains_key("Malformed"),
        "{seen:?}"
    );
    assert!(kinds.values().all(|counts| counts[0] > 0 && counts[1] > 0), "{kinds:?}");
    assert!(accepted * 10 >= asked * 6, "{accepted} of {asked}");
    assert!(lowest.0 >= 300, "{lowest:?}");
    assert!(caps.hit > 100 && caps.crossed > 100 && caps.missed_by_one > 100, "{caps:?}");
}

/// Where deals of one payee end under the cap.
#[derive(Debug, Default)]
struct Caps {
    hit: u32,
    crossed: u32,
    missed_by_one: u32,
    beyond: u32,
}

impl Caps {
    /// What a recorded deal would yield to the company without a cap, and the room that there is.
    fn before(&self, model: &Model, ask: &Ask) -> Option<(i128, i128)> {
        let Act::Record { gci, credit: Credit::Equal(payees), on, .. } = &ask.act else { return None };
        let ledger_sim::act::Gci::Amount(amount) = gci else { return None };
        let [payee] = &payees[..] else { return None };
        let document = &model.plan_on(payee, *on)?.document;
        let [cap] = &document.cap.as_ref()?.caps[..] else { return None };
        let Split::Flat(shares) = &document.split else { return None };
        let of = |known: &&ledger_sim::model::Cap| {
            known.programme == cap.programme
                && known.of == Holder::Payee(payee.clone())
                && known.start <= *on
                && *on < known.end
        };
        let known = model.caps().rows().iter().find(of);
        if cap.portion.0 != WHOLE || cap.proration != Proration::None {
            return None;
        }
        let yields = (amount.0 * i128::from(shares.company.0) + i128::from(WHOLE / 2)) / i128::from(WHOLE);
        Some((yields, cap.limit.0 - known.map_or(0, |known| known.contributed)))
    }

    fn after(&mut self, before: Option<(i128, i128)>) {
        let Some((yields, room)) = before else { return };
        self.hit += u32::from(room > 0 && yields == room);
        self.crossed += u32::from(room > 0 && yields > room);
        self.missed_by_one += u32::from(room > 0 && yields == room - 1);
        self.beyond += u32::from(room <= 0);
    }
}

/// A story shrinks towards zeros: those must be the plainest story that there is.
#[test]
fn without_any_choice_everything_is_accepted() {
    let mut run = Run::new(Choices::replay(Tape::default()));
    let mut kinds = BTreeSet::new();
    for _ in 0..50 {
        let ask = run.ask();
        kinds.insert(ask.act.name());
        assert!(run.accept(&ask), "{ask}");
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["deal.record", "payee.assign", "payee.enrol", "plan.publish", "settings.open"]
    );
}

/// Writers that never meet prove nothing about what happens when they do.
#[test]
fn writers_at_the_same_time_go_after_the_same() {
    let (mut groups, mut met) = (0, 0);
    for seed in 0..400 {
        let mut choices = Choices::from_seed(seed);
        let swarm = Swarm::draw(&mut choices);
        if swarm.writers == 1 || swarm.crowding == 0 {
            continue;
        }
        let mut run = Run::new(Choices::from_seed(seed));
        for _ in 0..50 {
            let asks: Vec<Ask> = (0..swarm.writers).map(|_| run.ask()).collect();
            let target = |ask: &Ask| match &ask.act {
                Act::Record { deal, .. }
                | Act::RecordSides { deal, .. }
                | Act::Reverse { deal, .. }
                | Act::Complete { deal, .. } => Some(deal.clone()),
                Act::Approve { payout } | Act::Start { payout } | Act::Submit { payout } => Some(payout.clone()),
                Act::Void { payout, .. } | Act::Settle { payout, .. } => Some(payout.clone()),
                Act::RecordManualPayment { payout, .. } => Some(payout.clone()),
                Act::Create { payee, .. } => Some(payee.clone()),
                _ => None,
            };
            let targets: Vec<_> = asks.iter().filter_map(target).collect();
            groups += 1;
            met += usize::from(targets.iter().collect::<BTreeSet<_>>().len() < targets.len());
            for ask in &asks {
                run.accept(ask);
            }
        }
    }
    println!("in {met} of {groups} rounds two writers went after the same");
    assert!(met * 5 > groups, "{met} of {groups}");
}

/// Who brings a plan wants that plan simulated and no other, whomever it pays.
#[test]
fn the_plans_of_the_user_are_the_only_ones() {
    let text = r#"{"currency":"GBP","split":{"flat":{"payee":"0.8","company":"0.2"}},
        "cap":{"caps":[{"programme":"leeds","limit":"9000 GBP","year":{"anniversary":{}}}]},
        "overrides":[{"name":"lead","to":"carol","rate":"0.05"}]}"#;
    let document = Document::from_json(text).unwrap();
    for seed in 0..300 {
        let mut run = Run::new(Choices::from_seed(seed));
        run.workload = run.workload.with_plans(vec![document.clone()]);
        for _ in 0..300 {
            let ask = run.ask();
            run.accept(&ask);
        }
        let versions = run.model.plans().rows().iter().flat_map(|plan| &plan.versions);
        let made_up = versions.filter(|version| version.document != document).count();
        assert_eq!(made_up, 0, "seed {seed}");
        assert!(run.model.deals().rows().len() > 20, "seed {seed}: {:?}", run.seen);
    }
}

/// A tape must tell the same story again, or a failure could not be replayed.
#[test]
fn the_same_choices_ask_the_same() {
    let story = |choices: Choices| {
        let mut run = Run::new(choices);
        let mut asks = Vec::new();
        for _ in 0..300 {
            let ask = run.ask();
            run.accept(&ask);
            asks.push(ask);
        }
        (asks, run.choices.into_tape())
    };
    for seed in 0..20 {
        let (asks, tape) = story(Choices::from_seed(seed));
        assert_eq!(story(Choices::replay(tape)).0, asks);
    }
    // Not a law, but a world in which no seed has every habit and no seed has none would be drawn wrongly.
    let worlds: Vec<Swarm> = (0..300).map(|seed| Swarm::draw(&mut Choices::from_seed(seed))).collect();
    assert!(Habit::ALL.iter().all(|habit| worlds.iter().any(|world| world.has(*habit))));
}
