//! What replay costs: each projection and all of them, at growing sizes; and the way from stored bytes to folded state.
//!
//! `cargo bench -p benches --bench replay`; `EVENTS=10000000` sets the largest size.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::History;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger_core::projection::audit::Audit;
use ledger_core::projection::caps::Caps;
use ledger_core::projection::journal::Journal;
use ledger_core::projection::register::Register;
use ledger_core::projection::statistics::Statistics;
use ledger_core::projection::summary::Summary;
use ledger_core::projection::{All, Projection};
use ledger_core::recorded::decode_page;

const PAYEES: usize = 1_000;
/// The events that are folded at once: many, so that the caches that making them has emptied are filled again unnoticed.
const CHUNK: usize = 100_000;

/// Cost per event as the state grows: each chunk is made, then folded under the clock, so that no history has to fit in memory.
/// Rows of this table are what the limit on growth is read from.
fn growth(_: &mut Criterion) {
    let most: u64 = std::env::var("EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut history = History::new(PAYEES);
    let mut folds: Vec<Box<dyn Fold>> = vec![
        Box::new(Timed::<Summary>::default()),
        Box::new(Timed::<Register>::default()),
        Box::new(Timed::<Statistics>::default()),
        Box::new(Timed::<Caps>::default()),
        Box::new(Timed::<Audit>::default()),
        Box::new(Timed::<Journal>::default()),
        Box::new(Timed::<All>::default()),
    ];
    println!("{:>12}  ns per event, over the events since the row above", "events");
    println!("{:>12}  {}", "", folds.iter().map(|fold| format!("{:>12}", fold.name())).collect::<String>());
    let mut next = 10_000;
    let mut since = (0, vec![Duration::ZERO; folds.len()]);
    while history.events() < most {
        let chunk = usize::try_from(next).unwrap().min(CHUNK);
        let (recorded, _) = history.grow(chunk);
        since.0 += recorded.len();
        since.1.iter_mut().zip(&mut folds).for_each(|(sum, fold)| *sum += fold.fold(&recorded));
        if history.events() >= next {
            let cost = |sum: &Duration| format!("{:>12.1}", sum.as_nanos() as f64 / since.0 as f64);
            println!("{:>12}  {}", history.events(), since.1.iter().map(cost).collect::<String>());
            since = (0, vec![Duration::ZERO; folds.len()]);
            next = next.saturating_mul(10).min(most.max(next + 1));
        }
    }
    for fold in &folds {
        println!("{:>12}: {} bytes of state as it is stored", fold.name(), fold.size());
    }
}

trait Fold {
    fn name(&self) -> &'static str;
    fn fold(&mut self, events: &[ledger_core::recorded::Recorded]) -> Duration;
    fn size(&self) -> usize;
}

#[derive(Default)]
struct Timed<P>(P);

impl<P: Projection> Fold for Timed<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn fold(&mut self, events: &[ledger_core::recorded::Recorded]) -> Duration {
        let begin = Instant::now();
        events.iter().for_each(|recorded| self.0.apply(black_box(recorded)));
        begin.elapsed()
    }

    fn size(&self) -> usize {
        self.0.canonical().len()
    }
}

/// From the rows of a store to folded state, on one core: decode, check every digest, fold.
fn from_stored_bytes(c: &mut Criterion) {
    let mut history = History::new(PAYEES);
    let mut after = history.grow(1).0.last().unwrap().sequence;
    let pages: Vec<_> = (0..50)
        .map(|_| {
            let (recorded, page) = history.grow(1_000);
            let page = (after, page);
            after = recorded.last().unwrap().sequence;
            page
        })
        .collect();
    let events: usize = pages.iter().map(|(_, page)| page.events.len()).sum();
    let bytes: usize = pages.iter().flat_map(|(_, page)| &page.events).map(|row| row.payload.len()).sum();
    println!("{events} events, {} bytes of payload each", bytes / events);
    let mut group = c.benchmark_group("from stored bytes");
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function("digest", |b| {
        b.iter(|| {
            for row in pages.iter().flat_map(|(_, page)| &page.events) {
                black_box(ledger_core::chain::Digest::of(&row.payload));
            }
        });
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            for row in pages.iter().flat_map(|(_, page)| &page.events) {
                black_box(ledger_core::codec::decode(&row.type_name, row.schema_version, &row.payload).unwrap());
            }
        });
    });
    group.bench_function("decode, check digests", |b| {
        b.iter(|| pages.iter().map(|(after, page)| decode_page("main", *after, page).unwrap().len()).sum::<usize>());
    });
    group.bench_function("decode, check digests, fold the summary", |b| {
        b.iter(|| {
            let mut summary = Summary::default();
            for (after, page) in &pages {
                decode_page("main", *after, page).unwrap().iter().for_each(|recorded| summary.apply(recorded));
            }
            summary
        });
    });
    group.bench_function("decode, check digests, fold all", |b| {
        b.iter(|| {
            let mut all = All::default();
            for (after, page) in &pages {
                decode_page("main", *after, page).unwrap().iter().for_each(|recorded| all.apply(recorded));
            }
            all
        });
    });
    group.finish();
}

criterion_group!(benches, from_stored_bytes, growth);
criterion_main!(benches);
