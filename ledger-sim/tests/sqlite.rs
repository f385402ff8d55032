//! The simulator over real SQLite files: the same faults, the same checks, and a store that is not only in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::time::Instant;

use ledger_sim::case::Case;
use ledger_sim::run::{Setup, run};
use ledger_sim::sqlite::Folder;

/// A store that keeps every promise but not on a disk, or one whose answers differ from those of the store in memory.
#[test]
fn every_promise_is_kept_on_files_as_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Arc::new(Folder::new(directory.path()).unwrap());
    let (begin, mut steps) = (Instant::now(), 0);
    for seed in 1..=20 {
        let case = Case::seed(seed, 150);
        let files = folder.files();
        let mut report = run(&case, &Setup { store: files.store(), ..Setup::default() });
        steps += report.steps;
        // Another store is no reason for another story.
        report.compare(&run(&case, &Setup::default()));
        if let Some(violation) = report.violation {
            panic!("{case}\n{violation}");
        }
    }
    println!("{steps} requests in {:?}", begin.elapsed());
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
