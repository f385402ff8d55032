//! Seeds that everybody's change has to pass, and a look at how much they try: a simulator that strikes with nothing, or never
//! gets where it is difficult, would pass every change.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger_core::marks;
use ledger_sim::case::Case;
use ledger_sim::fault::{Fault, KINDS};
use ledger_sim::run::{Setup, run};

const SEEDS: u64 = 300;
const STEPS: u32 = 400;
const THREADS: usize = 2;

/// What many runs came to.
#[derive(Default)]
struct Seen {
    steps: u64,
    accepted: u64,
    hits: [u64; KINDS],
    marks: BTreeSet<&'static str>,
}

/// A broken promise; a share of refusals so high that little is tried; a fault that no longer strikes; a rare branch that is
/// not reached any more; a run that rests on something other than its seed.
#[test]
fn every_promise_is_kept_while_everything_fails_and_everything_is_reached() {
    let (next, seen) = (AtomicU64::new(1), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS {
                        break;
                    }
                    look_at(seed, &seen);
                }
            });
        }
    });
    let Seen { steps, accepted, hits, marks } = seen.into_inner().unwrap();
    println!("{steps} requests of {SEEDS} seeds, {accepted} of them accepted; faults: {hits:?}");
    assert!(accepted * 10 >= steps * 3, "only {accepted} of {steps} requests were accepted");
    let idle: Vec<_> = Fault::ALL.iter().zip(hits).filter(|(_, hits)| *hits == 0).map(|(fault, _)| fault).collect();
    assert!(idle.is_empty(), "never struck: {idle:?}");
    let missed: Vec<_> = marks::ALL.iter().filter(|mark| !marks.contains(*mark)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

fn look_at(seed: u64, seen: &Mutex<Seen>) {
    let (case, setup) = (Case::seed(seed, STEPS), Setup::default());
    // Marks are counted per thread, and a run stays on its own.
    marks::reset();
    let mut report = run(&case, &setup);
    let reached = marks::hits();
    if seed.is_multiple_of(50) && report.violation.is_none() {
        report.compare(&run(&case, &setup));
    }
    if let Some(violation) = report.violation {
        panic!("{case}\n{violation}\nfor its story: cargo run --release -p ledger-sim -- replay {case}");
    }
    let mut seen = seen.lock().unwrap();
    seen.steps += report.steps;
    seen.accepted += report.accepted;
    seen.hits.iter_mut().zip(report.hits).for_each(|(sum, hits)| *sum += hits);
    seen.marks.extend(reached.into_keys());
}

/// An alarm that is out of order: the canary is a bug that every seed trips over.
#[cfg(ledger_planted)]
#[test]
fn the_canary_is_found_by_the_first_seed() {
    use ledger_core::planted::{Bug, plant};

    plant(Some(Bug::Canary));
    let found = run(&Case::seed(1, STEPS), &Setup::default()).violation;
    plant(None);
    assert!(found.is_some(), "the canary sings, and nobody hears it");
    assert_eq!(run(&Case::seed(1, STEPS), &Setup::default()).violation, None);
}
