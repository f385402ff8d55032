//! What the simulator found once, so that it never comes back. A failing `ledger-sim run` prints the test to paste here.
//!
//! A case means another story once the workload asks other things. So each story has several cases, all of which failed when
//! they were added, and the engine's own tests hold the point of it.
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
/// read, the answer was that certainly nothing had happened.
#[test]
fn what_is_stored_and_cannot_be_read_back_is_never_called_nothing() {
    holds("seed=61 steps=69 writers=1 drop=18-19,24-27,38-68");
    holds("seed=112 steps=80 writers=2 without=F3,F4 drop=2-3,16-17,24-25,30,47,49-79");
    holds("seed=204 steps=167 writers=1 without=F7,F10 drop=0-104,106-107,118-166");
}
