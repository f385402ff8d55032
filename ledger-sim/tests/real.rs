//! The simulator over real stores: the same faults, the same checks, and a store that is not only in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::sync::Arc;

use ledger_sim::case::Case;
use ledger_sim::real::Real;
use ledger_sim::run::{Setup, run};

/// A store that keeps every promise but not on a disk, or one whose answers differ from those of the store in memory.
fn keeps_every_promise(real: Real, seeds: u64) {
    let real = Arc::new(real);
    for seed in 1..=seeds {
        let case = Case::seed(seed, 150);
        let stores = real.stores();
        let mut report = run(&case, &Setup { store: stores.store(), ..Setup::default() });
        // Another store is no reason for another story.
        report.compare(&run(&case, &Setup::default()));
        if let Some(violation) = report.violation {
            panic!("{case}\n{violation}");
        }
    }
}

#[test]
fn every_promise_is_kept_on_files_as_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    keeps_every_promise(Real::sqlite(directory.path()).unwrap(), 20);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn every_promise_is_kept_on_a_server_as_in_memory() {
    keeps_every_promise(Real::postgres().unwrap(), 20);
}
