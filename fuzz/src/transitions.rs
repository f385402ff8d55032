use ledger_sim::case::Case;
use ledger_sim::run::{Setup, run};

/// How many requests a run asks: more would be a longer story, and fewer of them in the same time.
const STEPS: u32 = 60;

/// Every promise of the ledger is kept, whatever is asked, in whatever order tasks run, whatever fails.
///
/// Input: the tape of choices of a run of the simulator. `ledger-sim` replays, tells and shrinks the case that a broken law
/// names.
pub fn transitions(bytes: &[u8]) {
    let case = Case::bytes(bytes, STEPS);
    if let Some(violation) = run(&case, &Setup::default()).violation {
        panic!("{case}: {violation}");
    }
}
