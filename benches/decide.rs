//! What one decision costs, and one step of a fold, an encoding and a digest.
//!
//! `cargo bench -p benches --bench decide`

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails should stop")]

use std::hint::black_box;

use benches::{History, deal, request};
use chrono::NaiveDate;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ledger_core::codec::{decode, encode};
use ledger_core::decide::{Undecided, decide};
use ledger_core::slice::{Slice, evolve};

fn decisions(c: &mut Criterion) {
    let history = History::new(10);
    let day = NaiveDate::from_ymd_opt(2020, 3, 1).unwrap();
    let asked = request(1_000_000, "ann", &deal(7, 3, 50_000, day));
    let mut slice = Slice::new("main".parse().unwrap());
    let decision = loop {
        match decide(&slice, &asked) {
            Ok(decision) => break decision,
            Err(Undecided::Needs(streams)) => streams.into_iter().for_each(|stream| {
                let folded = history.folded(&stream);
                slice.insert(stream, folded);
            }),
            Err(other) => return eprintln!("{other}"),
        }
    };
    let mut group = c.benchmark_group("decide");
    group.bench_function("record a deal (5 events)", |b| b.iter(|| decide(black_box(&slice), &asked)));
    group.bench_function("hash the request", |b| b.iter(|| black_box(&asked).hash()));
    group.finish();

    let mut group = c.benchmark_group("event");
    let (stream, completed) = &decision.events[2];
    let encoded = encode(completed);
    group.bench_function("encode deal.completed", |b| b.iter(|| encode(black_box(completed))));
    group.bench_function("decode deal.completed", |b| {
        b.iter(|| decode(&encoded.type_name, encoded.schema_version, black_box(&encoded.payload)).unwrap());
    });
    let mut registered = history.folded(stream);
    decision.events[..2].iter().for_each(|(_, event)| evolve(&mut registered.state, event).unwrap());
    group.bench_function("evolve deal.completed", |b| {
        b.iter_batched(
            || registered.state.clone(),
            |mut state| evolve(&mut state, black_box(completed)),
            BatchSize::SmallInput,
        );
    });
    let (stream, booked) = decision.events.last().unwrap();
    let account = history.folded(stream);
    group.bench_function("evolve account.entry_booked", |b| {
        b.iter_batched(
            || account.state.clone(),
            |mut state| evolve(&mut state, black_box(booked)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
