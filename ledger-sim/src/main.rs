//! `ledger-sim`: runs the simulator.

mod plant;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ledger_sim::case::Case;
use ledger_sim::exhaust::{exhaust, scenes};
use ledger_sim::fault::{Fault, KINDS};
use ledger_sim::real::Real;
use ledger_sim::run::{Report, Setup, run, tell};
use ledger_sim::shrink::shrink;

/// Drives the ledger's production code through faults and says when a promise is broken.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds, one after another on every core, until one fails.
    Run {
        /// How many seeds.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// How many requests each asks.
        #[arg(long, default_value_t = 300)]
        steps: u32,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// A folder of plan documents (JSON) that the runs publish too.
        #[arg(long)]
        plans: Option<std::path::PathBuf>,
        /// The store: `memory`; `sqlite:DIR` for a fresh file per run in that folder, where that of a run that fails stays; or
        /// `postgres` for a fresh database per run, on the server that DATABASE_URL names or on one that is started for it.
        #[arg(long, default_value = "memory")]
        store: Stores,
    },
    /// Goes through every order in which two writers can reach the store, with at most one fault.
    Exhaust {
        /// Each writer asks twice: more than a million schedules.
        #[arg(long)]
        long: bool,
        /// At most so many schedules of each scene.
        #[arg(long, default_value_t = 100_000)]
        limit: u64,
        /// At most so many faults in a schedule.
        #[arg(long, default_value_t = 1)]
        faults: u32,
    },
    /// Plants every bug in turn and says how many seeds it takes to find it. Needs a build with `--cfg ledger_planted`.
    Plant {
        /// Only bugs whose name begins so.
        #[arg(default_value = "")]
        bugs: String,
        /// At most so many seeds for each.
        #[arg(long, default_value_t = 500)]
        seeds: u64,
        /// How many requests each seed asks.
        #[arg(long, default_value_t = 2_000)]
        steps: u32,
    },
    /// Runs one case again and tells its story: a seed, or a whole case such as `seed=7 steps=93 drop=0-12`.
    Replay {
        /// The case.
        #[arg(required = true)]
        case: Vec<String>,
        /// How many requests a bare seed asks.
        #[arg(long, default_value_t = 300)]
        steps: u32,
        /// The store: `memory`, `sqlite:DIR` or `postgres`.
        #[arg(long, default_value = "memory")]
        store: Stores,
    },
}

/// Where the runs keep their ledgers.
#[derive(Clone)]
enum Stores {
    Memory,
    Real(Arc<Real>),
}

impl FromStr for Stores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            None if text == "postgres" => Ok(Self::Real(Arc::new(Real::postgres()?))),
            Some(("sqlite", folder)) if !folder.is_empty() => Ok(Self::Real(Arc::new(Real::sqlite(folder)?))),
            _ => Err("expected memory, sqlite:DIR or postgres".to_owned()),
        }
    }
}

impl Stores {
    /// Does something with runs over stores of this kind. What has failed leaves its last file.
    fn on<T>(&self, setup: &Setup, work: impl FnOnce(&Setup) -> T, failed: impl FnOnce(&T) -> bool) -> T {
        let Self::Real(real) = self else { return work(setup) };
        let stores = real.stores();
        let done = work(&Setup { store: stores.store(), ..setup.clone() });
        if failed(&done)
            && let Some(path) = stores.keep_last()
        {
            println!("file       {}", path.display());
        }
        done
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seeds, steps, from, plans, store } => {
            let setup = match setup(plans) {
                Ok(setup) => setup,
                Err(error) => return complain(&error),
            };
            run_seeds(from, seeds, steps, &setup, &store)
        }
        Command::Exhaust { long, limit, faults } => exhaust_scenes(long, limit, faults),
        Command::Plant { bugs, seeds, steps } => plant::plant(&bugs, seeds, steps),
        Command::Replay { case, steps, store } => {
            let line = case.join(" ");
            let line = if line.parse::<u64>().is_ok() { format!("seed={line} steps={steps}") } else { line };
            match line.parse() {
                Ok(case) => replay(&case, &Setup::default(), &store),
                Err(error) => complain(&format!("{error}")),
            }
        }
    }
}

fn complain(error: &str) -> ExitCode {
    eprintln!("ledger-sim: {error}");
    ExitCode::from(2)
}

fn setup(plans: Option<std::path::PathBuf>) -> Result<Setup, String> {
    let mut setup = Setup::default();
    let Some(folder) = plans else { return Ok(setup) };
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let at = |error: String| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
            setup.plans.push(ledger_sim::act::Document::from_json(&text).map_err(|error| at(error.to_string()))?);
        }
    }
    Ok(setup)
}

/// What many runs came to together.
#[derive(Default)]
struct Totals {
    seeds: u64,
    twice: u64,
    steps: u64,
    accepted: u64,
    hits: [u64; KINDS],
    marks: BTreeMap<&'static str, u64>,
    took: Duration,
}

fn run_seeds(from: u64, seeds: u64, steps: u32, setup: &Setup, stores: &Stores) -> ExitCode {
    let begin = Instant::now();
    let bar = progress(seeds);
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let (send, reports) = mpsc::channel();
    let mut totals = Totals::default();
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - from >= seeds {
                        break;
                    }
                    let case = Case::seed(seed, steps);
                    let twice = seed % 50 == 0;
                    let judge = |setup: &Setup| {
                        let mut report = run(&case, setup);
                        if twice && report.violation.is_none() {
                            report.compare(&run(&case, setup));
                        }
                        report
                    };
                    let report = stores.on(setup, judge, |report| report.violation.is_some());
                    if send.send((case, report, twice)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for (case, report, twice) in reports {
            bar.inc(1);
            totals.add(&report, twice);
            if report.violation.is_some() && failed.is_none() {
                stop.store(true, Ordering::Relaxed);
                failed = Some((case, report));
            }
        }
    });
    bar.finish_and_clear();
    totals.print(begin.elapsed());
    match failed {
        None => ExitCode::SUCCESS,
        Some((case, report)) => {
            fail(&case, &report, setup, stores);
            ExitCode::FAILURE
        }
    }
}

impl Totals {
    fn add(&mut self, report: &Report, twice: bool) {
        self.seeds += 1;
        self.twice += u64::from(twice);
        self.steps += report.steps;
        self.accepted += report.accepted;
        self.took += report.took;
        report.marks.iter().for_each(|(mark, hits)| *self.marks.entry(mark).or_default() += hits);
        self.hits.iter_mut().zip(report.hits).for_each(|(sum, hits)| *sum += hits);
    }

    fn print(&self, elapsed: Duration) {
        let share = |part: u64, whole: u64| part.saturating_mul(100) / whole.max(1);
        let per_minute = |count: u64| u128::from(count) * 60_000 / elapsed.as_millis().max(1);
        let faults: u64 = self.hits.iter().sum();
        println!("seeds      {} ({} of them twice, with the same outcome)", self.seeds, self.twice);
        println!("steps      {} ({} a minute)", self.steps, per_minute(self.steps));
        println!("accepted   {} ({} %)", self.accepted, share(self.accepted, self.steps));
        println!("faults     {faults} ({} a minute)", per_minute(faults));
        println!("took       {} s, {} days in the time of the runs", elapsed.as_secs(), self.took.as_secs() / 86_400);
        for (fault, hits) in Fault::ALL.iter().zip(self.hits) {
            println!("{:<4} {hits:>10}  {}", fault.label(), fault.what());
        }
        for mark in ledger_core::marks::ALL {
            println!("{:>15}  {mark}", self.marks.get(mark).copied().unwrap_or(0));
        }
    }
}

fn exhaust_scenes(long: bool, limit: u64, faults: u32) -> ExitCode {
    let begin = Instant::now();
    let scenes = scenes(long);
    let bar = ProgressBar::new_spinner();
    let next = AtomicU64::new(0);
    let (send, results) = mpsc::channel();
    let (mut total, mut broken) = (0, false);
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            let (send, next, scenes, bar) = (send.clone(), &next, &scenes, &bar);
            scope.spawn(move || {
                let next = || usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok();
                while let Some(scene) = next().and_then(|place| scenes.get(place)) {
                    let exhausted = exhaust(scene, faults, limit, || bar.inc(1));
                    if send.send((scene, exhausted)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for (scene, exhausted) in results {
            let all = if exhausted.complete { "all" } else { "not all" };
            let place = if scene.together { "one process" } else { "two processes" };
            bar.suspend(|| println!("{:>10} schedules, {all}: {}, {place}", exhausted.schedules, scene.name));
            total += exhausted.schedules;
            if let Some((violation, tape)) = exhausted.violation {
                broken = true;
                bar.suspend(|| println!("FAILED     {violation}\n{tape:?}"));
            }
        }
    });
    bar.finish_and_clear();
    println!("{total:>10} schedules in {:.1} s", begin.elapsed().as_secs_f64());
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn fail(case: &Case, report: &Report, setup: &Setup, stores: &Stores) {
    let Some(violation) = &report.violation else { return };
    println!("FAILED     {case}\n{violation}");
    let bar = progress(400);
    let smaller = stores.on(setup, |setup| shrink(case, report, setup, 400, || bar.inc(1)), |_| false);
    bar.finish_and_clear();
    replay(&smaller, setup, stores);
    println!("replay     ledger-sim replay {case}");
}

/// Tells the story of a case.
fn replay(case: &Case, setup: &Setup, stores: &Stores) -> ExitCode {
    let report = stores.on(setup, |setup| tell(case, setup), |report| report.violation.is_some());
    for (at, line) in &report.story {
        println!("{:>10} us  {line}", at.as_micros());
    }
    match &report.violation {
        None => {
            println!("{case}: every promise was kept");
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("{violation}\n\n{}", as_test(case, violation.check));
            ExitCode::FAILURE
        }
    }
}

/// The case as a test that can be pasted.
fn as_test(case: &Case, check: &str) -> String {
    let name: String = check.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("/// What went wrong, in two lines.\n#[test]\nfn {name}_is_kept() {{\n    holds(\"{case}\");\n}}")
}

fn progress(len: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style)
}
