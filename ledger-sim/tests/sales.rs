//! Sales against the ledger: the clients of many seeds, all of whom sell, ask the model and the ledger one after another; both
//! accept or both refuse, and what is stored is the same to the byte.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ledger_core::command::Request;
use ledger_core::engine::{Env, ExecuteError, Ledger};
use ledger_core::id::LedgerName;
use ledger_core::marks;
use ledger_core::model::InForce;
use ledger_core::projection::All;
use ledger_core::projection::credits::Credits;
use ledger_core::projection::replay::fold;
use ledger_core::recorded::{Recorded, decode_page};
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{BoxFuture, Store};
use ledger_sim::act::Amount;
use ledger_sim::check::projections::compare;
use ledger_sim::choice::Choices;
use ledger_sim::model::{Credit, Model, Why};
use ledger_sim::sale::ModelPin;
use ledger_sim::swarm::{Habit, Swarm};
use ledger_sim::workload::Workload;
use serde_json::Value;

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a store in memory never waits"),
    }
}

struct AtOnce;

impl Env for AtOnce {
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn random(&self) -> u64 {
        0
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        ready(task);
    }
}

/// What the log says of sales, by itself: neither the model nor the ledger's own laws are asked.
#[derive(Default)]
struct Laws {
    worths: HashMap<String, i128>,
    /// What each sale came to last, by payee; nothing once it is reversed.
    results: HashMap<String, BTreeMap<String, i128>>,
    /// What is booked of each sale and not taken back, by payee.
    booked: HashMap<String, BTreeMap<String, i128>>,
    /// What each sale counted to each account, and what each account counted.
    own: HashMap<String, BTreeMap<String, i128>>,
    spent: BTreeMap<String, i128>,
    moved: Vec<String>,
}

fn units(amount: &Value) -> i128 {
    let Amount(units, _) = amount.as_str().unwrap().parse().unwrap();
    units
}

fn by_payee(entries: &Value) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for entry in entries.as_array().unwrap() {
        *sums.entry(entry["payee"].as_str().unwrap().to_owned()).or_default() += units(&entry["amount"]);
    }
    sums
}

impl Laws {
    fn follow(&mut self, type_name: &str, event: &Value) -> Result<(), String> {
        let of = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let payee = of("payee");
        match type_name {
            "deal.registered" if event["basis"].get("sale").is_some() => {
                self.worths.insert(of("deal"), units(&event["gci"]));
            }
            "deal.credited" | "deal.recredited" => {
                let (deal, worth) = (of("deal"), self.worths[&of("deal")]);
                let credited: i128 = by_payee(&event["credits"]).values().sum();
                let all = credited + event.get("house").map_or(0, units);
                if all != if event.get("unattributed").is_some() { 0 } else { worth } {
                    return Err(format!("{all} of {worth} of {deal} are credited"));
                }
                let own = event["spent"].as_array().unwrap().iter();
                let own = own.map(|of| (of["account"].to_string(), units(&of["after"]) - units(&of["before"])));
                self.own.insert(deal.clone(), own.collect());
                self.results.insert(deal.clone(), by_payee(&event["entries"]));
                self.moved.push(deal);
            }
            "deal.collected" => {
                let result = self.results.get_mut(&of("deal")).unwrap();
                for (payee, units) in by_payee(&event["entries"]) {
                    *result.entry(payee).or_default() += units;
                }
                self.moved.push(of("deal"));
            }
            "deal.reversed" if self.worths.contains_key(&of("deal")) => {
                self.results.insert(of("deal"), BTreeMap::new());
                self.own.insert(of("deal"), BTreeMap::new());
                self.moved.push(of("deal"));
            }
            "account.entry_booked" => {
                let source = event["source"].get("commission").or(event["source"].get("clawback"));
                let deal = source.and_then(|source| source["deal"].as_str()).unwrap_or_default().to_owned();
                *self.booked.entry(deal).or_default().entry(payee).or_default() += units(&event["amount"]);
            }
            "account.entry_reversed" => {
                let deal = event["because"]["deal"].as_str().unwrap_or_default().to_owned();
                *self.booked.entry(deal).or_default().entry(payee).or_default() -= units(&event["amount"]);
            }
            "spend.counted" => *self.spent.entry(event["account"].to_string()).or_default() += units(&event["amount"]),
            "spend.reversed" => *self.spent.entry(event["account"].to_string()).or_default() -= units(&event["amount"]),
            _ => {}
        }
        Ok(())
    }

    /// After every request: what is booked of a sale and stands is what it came to last, and limits know what sales counted.
    fn hold(&mut self) -> Result<(), String> {
        let none = BTreeMap::new();
        for deal in std::mem::take(&mut self.moved) {
            let stands = |sums: &BTreeMap<String, i128>| sums.iter().filter(|(_, units)| **units != 0).count();
            let (result, booked) = (&self.results[&deal], self.booked.get(&deal).unwrap_or(&none));
            let same = result.iter().all(|(payee, units)| booked.get(payee).copied().unwrap_or(0) == *units);
            if !same || stands(result) != stands(booked) {
                return Err(format!("{deal} comes to {result:?}, booked are {booked:?}"));
            }
        }
        let mut counted = BTreeMap::<&String, i128>::new();
        for (account, units) in self.own.values().flatten() {
            *counted.entry(account).or_default() += units;
        }
        let differs = |(account, units): (&String, &i128)| counted.get(account).copied().unwrap_or(0) != *units;
        match self.spent.iter().find(|(account, units)| differs((account, units))) {
            Some((account, units)) => Err(format!("{units} are spent of {account}, sales counted {counted:?}")),
            None => Ok(()),
        }
    }
}

/// How often each command was accepted, and refused why; how often each event was stored.
type Tally = BTreeMap<String, u32>;

fn story(seed: u64, steps: i64, tally: &mut Tally) -> Result<(), String> {
    let mut choices = Choices::from_seed(seed);
    let mut swarm = Swarm::draw(&mut choices);
    if !swarm.has(Habit::Sales) {
        swarm.habits.push(Habit::Sales);
    }
    swarm.nonsense = swarm.nonsense.max(20);
    let (mut workload, mut model) = (Workload::new(&swarm, 0), Model::new("main"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(|| 1_770_000_000_000_000)));
    let ledger = Ledger::new(store, Arc::new(AtOnce), LedgerName::new("main").unwrap());
    let mut log: Vec<Recorded> = Vec::new();
    let (mut keys, mut laws) = (HashSet::new(), Laws::default());
    for step in 0..steps {
        let ask = workload.next(&mut choices, &model, swarm.start + 7 * step);
        if keys.contains(&ask.key) {
            continue;
        }
        let json = ask.to_string();
        let request: Request = serde_json::from_str(&json).map_err(|error| format!("{json} is not read: {error}"))?;
        let judged = model.accept(&ask);
        let why = judged.as_ref().err().map_or_else(|| "accepted".to_owned(), |why| format!("{why:?}"));
        *tally.entry(format!("{} {why}", ask.act.name())).or_default() += 1;
        match (judged, ready(ledger.execute(request))) {
            (Ok(facts), Ok(_)) => {
                let after = log.len() as u64;
                let page = ready(ledger.store().read_log(ledger.name(), after, 10_000)).unwrap();
                for (place, fact) in facts.iter().enumerate() {
                    *tally.entry(fact.type_name.to_owned()).or_default() += 1;
                    let expected = format!("{} {} {} {}", fact.stream, fact.type_name, fact.effective, fact.payload);
                    let stored = page.events.get(place).map_or_else(String::new, |row| {
                        let payload = String::from_utf8_lossy(&row.payload);
                        format!("{} {} {} {payload}", row.stream.as_str(), row.type_name, row.effective)
                    });
                    if expected != stored {
                        return Err(format!(
                            "event {place} by {json}: the model says\n{expected}\nthe ledger\n{stored}"
                        ));
                    }
                }
                if facts.len() != page.events.len() {
                    let more =
                        page.events.get(facts.len()).map(|row| String::from_utf8_lossy(&row.payload).into_owned());
                    return Err(format!("{json}: the ledger stores {more:?} too"));
                }
                for row in &page.events {
                    let event = serde_json::from_slice(&row.payload).unwrap();
                    laws.follow(row.type_name.as_ref(), &event).map_err(|error| format!("{json}: {error}"))?;
                }
                laws.hold().map_err(|error| format!("{json}: {error}"))?;
                log.extend(decode_page("main", after, &page).unwrap());
                keys.insert(ask.key.clone());
            }
            (Err(why), Err(ExecuteError::Rejected(rejection))) => {
                let error = ExecuteError::Rejected(rejection);
                if (why == Why::AlreadyKnown) != error.is_already_known() {
                    return Err(format!("{json}: the model says {why:?}, the ledger {error}"));
                }
            }
            (Err(why), Ok(receipt)) => {
                return Err(format!("{json}: the model refuses: {why:?}; the ledger accepts {:?}", receipt.events));
            }
            (Ok(facts), Err(error)) => {
                return Err(format!("{json}: the model accepts {facts:#?}, the ledger: {error}"));
            }
            (Err(why), Err(error)) => return Err(format!("{json}: the model says {why:?}, the ledger {error}")),
        }
    }
    compare(&model, &fold::<All>(&log))?;
    credits(&model, &fold::<Credits>(&log))
}

/// The rows of credits, as the model has them and as the ledger.
fn credits(model: &Model, found: &Credits) -> Result<(), String> {
    let credit = |Credit { deal, payee, of, model, amount, commission }: Credit| {
        let (payee, ModelPin { model, version }) = (payee.unwrap_or_default(), model);
        format!("{deal} {payee} {of} {amount} {model} v{version} {commission}")
    };
    let expected: Vec<String> = model.credits().into_iter().map(credit).collect();
    let found: Vec<String> = found
        .rows()
        .iter()
        .map(|row| {
            let payee = row.payee.map_or("", |payee| payee.as_str());
            let InForce { model, version, .. } = row.model;
            let commission = row.commission.minor();
            format!("{} {payee} {} {} {model} v{version} {commission}", row.deal, row.of.as_str(), row.amount)
        })
        .collect();
    match expected.iter().zip(&found).find(|(expected, found)| expected != found) {
        Some((expected, found)) => Err(format!("a credit: the model has {expected}, the ledger {found}")),
        None if expected.len() == found.len() => Ok(()),
        None => Err(format!("the model has {} credits, the ledger {}", expected.len(), found.len())),
    }
}

/// A cent that differs, an account that counts otherwise, an entry that is not taken back, a touch that changes what it must
/// not; and a workload that does not get that far.
#[test]
fn sales_are_credited_paid_and_taken_back_as_the_model_says() {
    let of = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, seeds, steps) = (of("SALES_FIRST", 1), of("SALES_SEEDS", 60), of("SALES_STEPS", 400));
    let (mut tally, mut wrong) = (Tally::new(), Vec::new());
    marks::reset();
    for seed in first..first + seeds {
        if let Err(difference) = story(seed, i64::try_from(steps).unwrap(), &mut tally) {
            println!("seed {seed}: {difference}\n");
            wrong.push(seed);
        }
    }
    for (what, often) in &tally {
        println!("{often:7} {what}");
    }
    let reached = marks::hits();
    println!("{reached:?}");
    assert!(wrong.is_empty(), "{} of {seeds} seeds differ: {wrong:?}", wrong.len());
    let missed: Vec<_> =
        marks::ALL.iter().filter(|mark| mark.starts_with("sale.") && !reached.contains_key(*mark)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
    for event in ["credited", "recredited", "collected", "touched", "reversed"] {
        assert!(tally.get(&format!("deal.{event}")).is_some_and(|often| *often > 20), "{event}: {tally:?}");
    }
    for event in ["spend.counted", "spend.reversed", "customer.earned", "customer.forgotten", "payee.classified"] {
        assert!(tally.get(event).is_some_and(|often| *often > 5), "{event}: {tally:?}");
    }
}
