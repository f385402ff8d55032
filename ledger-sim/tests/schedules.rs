//! Every order in which two writers can reach the store, with one fault wherever it may strike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger_sim::exhaust::{exhaust, scenes};

/// A schedule that breaks a promise, and an exhaustion that ends early and says that it is complete.
#[test]
fn two_writers_and_one_fault_break_nothing_in_any_order() {
    let scenes = scenes(false);
    let (next, total) = (AtomicUsize::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let exhausted = exhaust(scene, 1, LIMIT, || {});
                    if let Some((violation, tape)) = exhausted.violation {
                        panic!("{}: {violation}\n{tape:?}", scene.name);
                    }
                    assert!(exhausted.complete || exhausted.schedules == LIMIT, "{}", scene.name);
                    // In one process there are few orders, and all of them are gone through.
                    assert!(exhausted.complete || !scene.together, "{}", scene.name);
                    println!("{:>7} schedules: {}", exhausted.schedules, scene.name);
                    *total.lock().unwrap() += exhausted.schedules;
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{total:>7} schedules");
    assert!(total >= 50_000, "only {total} schedules");
}

/// Of each scene, so that a minute is enough. `ledger-sim exhaust` goes through all of them.
const LIMIT: u64 = 20_000;
