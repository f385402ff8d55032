//! `bench`: what reading this very ledger costs here, step by step and projection by projection, beside the limits of the same
//! run: reading the rows and hashing their payloads, which no reader could leave out.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use ledger_core::chain::Digest;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::audit::Audit;
use ledger_core::projection::caps::Caps;
use ledger_core::projection::journal::Journal;
use ledger_core::projection::register::Register;
use ledger_core::projection::replay::ReplayError;
use ledger_core::projection::statistics::Statistics;
use ledger_core::projection::summary::Summary;
use ledger_core::projection::{All, Projection};
use ledger_core::recorded::{Recorded, decode_page};
use ledger_core::store::{LogPage, Store};

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, number, stdout, text};
use crate::progress::bar;
use crate::source::Source;

/// What `bench` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often the log is read. Of each cost the median is told.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Reads the ledger several times over and tells what each step took.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let head = store.head(&source.ledger).await.map_err(source.blame())?.sequence;
    let bar = bar("bench", head.saturating_mul(args.rounds.into()));
    let mut costs: Vec<Cost> = Vec::new();
    for round in 0..args.rounds {
        let mut steps = steps();
        let mut order: Vec<&mut Step> = steps.iter_mut().collect();
        // Each projection is the first to touch a page in some rounds, and so pays for what the others find in the cache.
        let first = usize::from(round) % order.len();
        order.rotate_left(first);
        let limits = read(source, store.as_ref(), head, &mut order, |events| bar.inc(events)).await?;
        let projections = steps.iter().map(|step| (step.fold.name(), step.took, Some(step.fold.size())));
        let limits = limits.map(|(name, took)| (name, took, None));
        for (place, (name, took, state)) in limits.into_iter().chain(projections).enumerate() {
            match costs.get_mut(place) {
                Some(cost) => cost.took.push(took),
                None => costs.push(Cost { name, took: vec![took], state }),
            }
        }
    }
    bar.finish_and_clear();
    let mut table = Table::new(&["step", "events", "ns_per_event", "events_per_second", "state_bytes"]);
    costs.iter().for_each(|cost| table.row(cost.row(head)));
    let mut out = stdout();
    table.print(&mut out, format)?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// Reads the log once. Each page is hashed, decoded and folded by every step in turn, so that one page is in memory at a time.
async fn read(
    source: &Source,
    store: &dyn Store,
    head: u64,
    steps: &mut [&mut Step],
    progress: impl Fn(u64),
) -> Result<[(&'static str, Duration); 3], CliError> {
    let [mut reading, mut hashing, mut decoding] = [Duration::ZERO; 3];
    let mut after = 0;
    while after < head {
        let begun = Instant::now();
        let mut page = store.read_log(&source.ledger, after, PAGE_EVENTS).await.map_err(source.blame())?;
        reading += begun.elapsed();
        // Every round reads the same, whatever is written meanwhile.
        page.requests.retain(|request| request.first_sequence <= head);
        page.events.retain(|event| event.sequence <= head);
        hashing += timed(|| hash(&page));
        let begun = Instant::now();
        let events = decode_page(source.ledger.as_str(), after, &page)?;
        decoding += begun.elapsed();
        let Some(last) = events.last() else {
            return Err(ReplayError::NoEnd { through: head, before: after }.into());
        };
        steps.iter_mut().for_each(|step| step.took += timed(|| step.fold.fold(&events)));
        progress(last.sequence.saturating_sub(after));
        after = last.sequence;
    }
    Ok([("read rows", reading), ("sha256 of payloads", hashing), ("decode, check digests", decoding)])
}

fn hash(page: &LogPage) {
    for event in &page.events {
        black_box(Digest::of(&event.payload));
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// A projection, and how long its folding took.
struct Step {
    fold: Box<dyn Fold + Send>,
    took: Duration,
}

fn steps() -> Vec<Step> {
    let folds: [Box<dyn Fold + Send>; 7] = [
        Box::<Folded<Register>>::default(),
        Box::<Folded<Statistics>>::default(),
        Box::<Folded<Summary>>::default(),
        Box::<Folded<Caps>>::default(),
        Box::<Folded<Audit>>::default(),
        Box::<Folded<Journal>>::default(),
        Box::<Folded<All>>::default(),
    ];
    folds.into_iter().map(|fold| Step { fold, took: Duration::ZERO }).collect()
}

trait Fold {
    fn name(&self) -> &'static str;
    fn fold(&mut self, events: &[Recorded]);
    /// How large the state is as it is stored.
    fn size(&self) -> usize;
}

#[derive(Default)]
struct Folded<P>(P);

impl<P: Projection> Fold for Folded<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn fold(&mut self, events: &[Recorded]) {
        events.iter().for_each(|recorded| self.0.apply(black_box(recorded)));
    }

    fn size(&self) -> usize {
        self.0.canonical().len()
    }
}

/// What a step took in each round.
struct Cost {
    name: &'static str,
    took: Vec<Duration>,
    state: Option<usize>,
}

impl Cost {
    fn row(&self, events: u64) -> Vec<Cell> {
        let nanos = median(&self.took).as_nanos().max(1);
        let tenths = (nanos * 10).div_ceil(u128::from(events.max(1)));
        let rate = u64::try_from(u128::from(events) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        vec![
            text(self.name),
            Cell::Count(events),
            number(format_args!("{}.{}", tenths / 10, tenths % 10)),
            Cell::Count(rate),
            self.state.map_or_else(|| number(""), number),
        ]
    }
}

fn median(took: &[Duration]) -> Duration {
    let mut took = took.to_vec();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}
