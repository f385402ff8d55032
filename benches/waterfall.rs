//! What one deal costs to calculate: a flat split, and a deal of ten payees under tiers and a pool; beside the size of what was
//! contributed before, which must not matter.
//!
//! `cargo bench -p benches --bench waterfall`

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails should stop")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ledger_core::Money;
use ledger_core::calc;
use ledger_core::waterfall::{Account, Attained, Books, Document, Member, Plan, Side, calculate};

const FLAT: &str = r#"{"currency":"USD","zone":"UTC","split":{"flat":{"payee":"0.7","company":"0.3"}}}"#;

const TIERED: &str = r#"{"currency":"USD","zone":"UTC",
    "attainment":{"programme":"volume","year":{"calendar":{"month":1,"day":1}}},
    "split":{"tiered":{"tiers":{"company_dollar":[
        {"from":"0 USD","payee":"0.7","company":"0.3"},{"from":"200 USD","payee":"0.75","company":"0.25"},
        {"from":"400 USD","payee":"0.8","company":"0.2"},{"from":"600 USD","payee":"0.85","company":"0.15"},
        {"from":"800 USD","payee":"0.9","company":"0.1"}]}}},
    "cap":{"caps":[{"programme":"team","of":{"pool":"t"},"limit":"10000 USD","year":{"calendar":{"month":1,"day":1}}}]},
    "fees":[{"name":"transaction","timing":"always","amount":{"flat":"65 USD"}}]}"#;

/// What was counted before, in as many accounts as there were years.
struct Known(BTreeMap<Account, Money>);

impl Books for Known {
    fn contributed(&self, account: &Account) -> Option<Money> {
        self.0.get(account).copied()
    }

    fn attained(&self, _: &Account) -> Option<Attained> {
        None
    }
}

fn sides(gci: &str, payees: usize) -> Vec<Side> {
    let weight = if payees == 1 { "1" } else { "0.1" };
    let payees: Vec<_> = (0..payees).map(|payee| format!(r#"{{"payee":"p{payee}","weight":"{weight}"}}"#)).collect();
    let side = format!(r#"[{{"gci":{{"amount":"{gci}"}},"payees":[{}]}}]"#, payees.join(","));
    serde_json::from_str(&side).unwrap()
}

/// The pool's account of as many years, with something in each.
fn history(years: i32) -> Known {
    let account = |year: i32| {
        let text = format!(
            r#"{{"programme":"team","of":{{"pool":"t"}},"year":{{"start":"{year}-01-01","end":"{}-01-01"}}}}"#,
            year + 1
        );
        (serde_json::from_str(&text).unwrap(), Money::parse("8000 USD").unwrap())
    };
    Known((2026 - years..=2025).map(account).collect())
}

fn deals(c: &mut Criterion) {
    let mut group = c.benchmark_group("waterfall");
    for (name, document, sides, years) in [
        ("a flat split", FLAT, sides("10000 USD", 1), 1),
        ("ten payees, five tiers, a pool that is reached", TIERED, sides("60000 USD", 10), 1),
        ("the same after a thousand years", TIERED, sides("60000 USD", 10), 1000),
    ] {
        let document: Document = serde_json::from_str(document).unwrap();
        let id = "standard".parse().unwrap();
        let plan = Plan::new(&id, &document).unwrap();
        let payees: Vec<_> = sides[0].payees.iter().map(|sharer| sharer.payee.clone()).collect();
        let day = "2025-06-01".parse().unwrap();
        let members: Vec<_> = payees.iter().map(|payee| Member { payee, plan, joined_on: None, day }).collect();
        let known = history(years);
        calculate(&sides, &members, &known).unwrap();
        group.bench_function(name, |b| b.iter(|| calculate(black_box(&sides), &members, &known).unwrap()));
    }
    group.finish();
}

/// From one line of JSON to another: a year of so many deals of one payee.
fn year(c: &mut Criterion) {
    let mut group = c.benchmark_group("calc");
    for deals in [10, 1000] {
        let mut case = format!(
            r#"{{"currency":"USD","plans":{{"flat":{FLAT}}},"payees":{{"ann":{{"plans":[{{"plan":"flat","from":"2025-01-01"}}]}}}},"deals":["#
        );
        for deal in 0..deals {
            let comma = if deal == 0 { "" } else { "," };
            write!(case, r#"{comma}{{"deal":"d{deal}","completed":"2025-06-01","sides":[{{"gci":{{"amount":"10000 USD"}},"payees":[{{"payee":"ann"}}]}}]}}"#).unwrap();
        }
        case.push_str("]}");
        assert!(calc::line(&case).starts_with(r#"{"deals""#), "{}", calc::line(&case));
        group.bench_function(format!("a year of {deals} deals, from JSON to JSON"), |b| {
            b.iter(|| calc::line(black_box(&case)))
        });
    }
    group.finish();
}

criterion_group!(benches, deals, year);
criterion_main!(benches);
