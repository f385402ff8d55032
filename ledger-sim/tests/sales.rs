//! Sales against the ledger: the clients of many seeds, all of whom sell, ask the model and the ledger one after another; both
//! accept or both refuse, and what is stored is the same to the byte.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ledger_core::command::Request;
use ledger_core::engine::{Env, ExecuteError, Ledger};
use ledger_core::id::LedgerName;
use ledger_core::projection::All;
use ledger_core::projection::replay::fold;
use ledger_core::recorded::{Recorded, decode_page};
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{BoxFuture, Store};
use ledger_sim::act::Act;
use ledger_sim::check::projections::compare;
use ledger_sim::choice::Choices;
use ledger_sim::model::{Model, Why};
use ledger_sim::swarm::{Habit, Swarm};
use ledger_sim::workload::Workload;

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
    let mut keys: HashMap<String, (String, Act)> = HashMap::new();
    for step in 0..steps {
        let ask = workload.next(&mut choices, &model, swarm.start + 7 * step);
        if keys.contains_key(&ask.key) {
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
                log.extend(decode_page("main", after, &page).unwrap());
                keys.insert(ask.key.clone(), (ask.actor.clone(), ask.act.clone()));
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
    compare(&model, &fold::<All>(&log))
}

/// A cent that differs, an account that counts otherwise, an entry that is not taken back, a touch that changes what it must
/// not; and a workload that does not get that far.
#[test]
fn sales_are_credited_paid_and_taken_back_as_the_model_says() {
    let of = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, seeds, steps) = (of("SALES_FIRST", 1), of("SALES_SEEDS", 60), of("SALES_STEPS", 400));
    let (mut tally, mut wrong) = (Tally::new(), Vec::new());
    for seed in first..first + seeds {
        if let Err(difference) = story(seed, i64::try_from(steps).unwrap(), &mut tally) {
            println!("seed {seed}: {difference}\n");
            wrong.push(seed);
        }
    }
    for (what, often) in &tally {
        println!("{often:7} {what}");
    }
    assert!(wrong.is_empty(), "{} of {seeds} seeds differ: {wrong:?}", wrong.len());
    for event in ["credited", "recredited", "collected", "touched", "reversed"] {
        assert!(tally.get(&format!("deal.{event}")).is_some_and(|often| *often > 20), "{event}: {tally:?}");
    }
    for event in ["spend.counted", "spend.reversed", "customer.earned", "customer.forgotten", "payee.classified"] {
        assert!(tally.get(event).is_some_and(|often| *often > 5), "{event}: {tally:?}");
    }
}
