//! How well the simulator finds bugs: plants one after another and counts the seeds.

#[cfg(not(ledger_planted))]
pub fn plant(_bugs: &str, _seeds: u64, _steps: u32) -> std::process::ExitCode {
    super::complain(
        "no bugs are planted in this build. Run\n  RUSTFLAGS='--cfg ledger_planted' cargo run --release --target-dir \
         target/planted -p ledger-sim -- plant",
    )
}

#[cfg(ledger_planted)]
pub use planted::plant;

#[cfg(ledger_planted)]
mod planted {
    use std::process::ExitCode;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use ledger_core::planted::{self, Bug};
    use ledger_sim::book::Violation;
    use ledger_sim::case::Case;
    use ledger_sim::run::{Setup, run};

    /// What found a bug, and after how many seeds; none when none did.
    type Found = Option<(u64, Violation)>;

    /// Plants every bug whose name begins so, and prints what found it.
    pub fn plant(bugs: &str, seeds: u64, steps: u32) -> ExitCode {
        // A planted bug may panic; that is what is wanted, and needs no noise.
        std::panic::set_hook(Box::new(|_| {}));
        let bugs: Vec<Bug> = Bug::ALL.iter().copied().filter(|bug| bug.name().starts_with(bugs)).collect();
        let next = AtomicUsize::new(0);
        let (send, results) = mpsc::channel();
        let mut counts = Vec::new();
        let mut missed = 0;
        std::thread::scope(|scope| {
            for _ in 0..super::super::cores() {
                let (send, next, bugs) = (send.clone(), &next, &bugs);
                scope.spawn(move || {
                    while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if send.send((*bug, find(*bug, seeds, steps))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            for (bug, found) in results {
                let name = bug.name();
                match found {
                    Some((seeds, violation)) => {
                        counts.push(seeds);
                        let what = violation.what.lines().next().unwrap_or_default();
                        let what: String = what.chars().take(100).collect();
                        println!("{name:<34} {seeds:>5} seeds  {:<12} {what}", violation.check);
                    }
                    None => {
                        missed += 1;
                        println!("{name:<34}   not found in {seeds} seeds: {}", bug.story());
                    }
                }
            }
        });
        counts.sort_unstable();
        let median = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let most = counts.last().copied().unwrap_or(0);
        println!("{} bugs planted, {missed} not found; seeds needed: median {median}, most {most}", bugs.len());
        if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn find(bug: Bug, seeds: u64, steps: u32) -> Found {
        planted::plant(Some(bug));
        let found = (1..=seeds).find_map(|seed| {
            let violation = run(&Case::seed(seed, steps), &Setup::default()).violation?;
            Some((seed, violation))
        });
        planted::plant(None);
        found
    }
}
