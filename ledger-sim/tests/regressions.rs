//! What the simulator found once, so that it never comes back. A failing `ledger-sim run` prints the test to paste here.
//!
//! A case means another story once the workload asks other things. So each story has several cases, all of which failed when
//! they were added, the engine's own tests hold the point of it, and the bug is among those that are planted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use ledger_sim::case::Case;
use ledger_sim::run::{Setup, run};

fn holds(case: &str) {
    let case: Case = case.parse().unwrap();
    if let Some(violation) = run(&case, &Setup::default()).violation {
        panic!("{case}\n{violation}");
    }
}

/// A group was delivered twice; the second delivery said that the request is stored already. When its receipt could then not be
/// read, the answer was that certainly nothing had happened. Planted as `engine.stored-forgotten`.
#[test]
fn what_is_stored_and_cannot_be_read_back_is_never_called_nothing() {
    holds("seed=4 steps=169 writers=2 drop=0-9,74-75,89-168");
    holds("seed=75 steps=14 writers=4 drop=10,12-13");
    holds("seed=134 steps=128 writers=1 without=F7 drop=0-79,82-87,96-111,117,120-127");
}

/// The same by the way that a transaction of a host's takes, without a queue.
#[test]
fn what_is_stored_and_cannot_be_read_back_is_never_called_nothing_without_a_queue_either() {
    holds("seed=137 steps=300");
}
