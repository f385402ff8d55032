//! What one deal of a hundred touches costs to credit and pay, by each model that weighs touches: told in no order, half of
//! them of a type, an age or a time that does not count.
//!
//! `cargo bench -p benches --bench attribute`

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ledger_core::attribute::{self, Case};
use serde_json::{Value, json};

const TOUCHES: usize = 100;

/// Touches of ten payees, a day apart and in no order. Every fourth was copied in, the oldest fifth is too old, the newest
/// twentieth too late.
fn touches() -> Vec<Value> {
    let touch = |place: usize| {
        let (number, payee) = (place * 37 % TOUCHES, place % 10);
        let kind = if number % 4 == 0 { "crm_sync" } else { "demo" };
        let at = format!("2025-{:02}-{:02}T{:02}:30:00.250Z", 1 + number / 28, 1 + number % 28, place % 24);
        let role = if payee == 0 { "sourcer" } else { "closer" };
        json!({"touch": format!("t{number}"), "payee": format!("p{payee}"), "type": kind, "at": at, "role": role})
    };
    (0..TOUCHES).map(touch).collect()
}

fn case(model: &Value) -> String {
    let payees: serde_json::Map<_, _> = (0..10).map(|payee| (format!("p{payee}"), json!({"tier": "gold"}))).collect();
    json!({
        "currency": "USD", "payees": payees,
        "models": {"main": {"model": model, "lookback_days": 80}},
        "rates": {"standard": {"currency": "USD", "minimum": "5 USD", "max_duration_months": 12,
            "rules": [{"rule": "gold", "priority": 1, "when": {"tier": "gold"}, "pays": {"rate": "0.12"}}],
            "spend_limit": {"amount": "100000 USD", "per": "month", "zone": "UTC"}}},
        "deals": [{"deal": "D1", "customer": "acme", "model": "main", "rates": "standard", "amount": "12345.67 USD",
            "completed_at": "2025-04-12T17:00:00Z", "cutoff": "2025-04-10T00:00:00Z", "touches": touches()}]
    })
    .to_string()
}

fn touches_of_a_deal(c: &mut Criterion) {
    let mut group = c.benchmark_group("attribute");
    for (name, model) in [
        ("the last touch", json!({"last_touch": {}})),
        ("equal parts", json!({"equal": {}})),
        ("by touch", json!({"linear": {}})),
        ("decay over time", json!({"time_decay": {"half_life_days": 7}})),
        ("u-shaped", json!({"u_shaped": {"first": "0.4", "last": "0.4"}})),
        (
            "by role",
            json!({"role_weighted": {"roles": [{"role": "sourcer", "weight": "0.4"}, {"role": "closer", "weight": "0.6"}]}}),
        ),
    ] {
        let text = case(&model);
        let case: Case = attribute::read(&text).unwrap();
        let deal = &attribute::run(&case).unwrap().deals[0];
        assert!((40..60).contains(&deal.touches), "{} touches count", deal.touches);
        assert!(!deal.entries.is_empty());
        group.bench_function(name, |b| b.iter(|| attribute::run(black_box(&case)).unwrap()));
        if name.starts_with("decay") {
            group
                .bench_function("decay over time, from JSON to JSON", |b| b.iter(|| attribute::line(black_box(&text))));
        }
    }
    group.finish();
}

criterion_group!(benches, touches_of_a_deal);
criterion_main!(benches);
