//! What a payee is told.

use ledger_core::attribute::{Case, run};
use serde_json::{Value, json};

use super::case::{case, first, touches, with, without};

#[test]
fn the_words_are_beside_the_numbers() {
    let deal = first(&case(json!({"equal": {}}), touches(&[("a", "referral", "1")])));
    let (credit, entry) = (&deal["credits"][0]["because"], &deal["entries"][0]["because"]);
    assert_eq!(credit["words"], "100% of 10000.00 USD: there is no other payee, under model main");
    assert_eq!(
        (&credit["weight"], &credit["of"], &credit["share"]),
        (&json!("1"), &json!("1"), &json!({"equal": {"payees": 1}}))
    );
    assert_eq!(entry["commission"]["part"], "10000.00 USD");
    let words = "10% of 10000.00 USD, its part of the amount, as rate plan ten pays where no rule holds: 1000.00 USD";
    assert_eq!(entry["words"], words);
}

/// Every reason that the answer to a case gives, in order: of credits, overlays, entries.
fn told(case: &Value) -> Vec<String> {
    let case: Case = serde_json::from_value(case.clone()).unwrap();
    let deal = run(&case).unwrap().deals.remove(0);
    let credits = deal.credits.iter().chain(&deal.overlays).map(|credit| credit.because.to_string());
    credits.chain(deal.entries.iter().map(|entry| entry.because.to_string())).collect()
}

#[test]
fn a_credit_says_of_what_it_is_which_part_and_why() {
    let three = touches(&[("a", "referral", "1"), ("b", "demo", "2"), ("a", "demo", "3")]);
    let of = |model: Value| told(&case(model, three.clone())).remove(0);
    for (model, said) in [
        (json!({"first_touch": {}}), "100% of 10000.00 USD: the first touch, t1, has it all, under model main"),
        (json!({"last_touch": {}}), "100% of 10000.00 USD: the last touch, t3, has it all, under model main"),
        (json!({"equal": {}}), "50% of 10000.00 USD: 2 payees share equally, under model main"),
        (json!({"linear": {}}), "66.67% of 10000.00 USD: 2 of 3 touches, all equal, under model main"),
        (
            json!({"time_decay": {"half_life_days": 1}}),
            "71.43% of 10000.00 USD: 2 touches, weighing half for every day before 2025-05-03T00:00:00Z, under model main",
        ),
        (
            json!({"u_shaped": {"first": "0.4", "last": "0.4"}}),
            "80% of 10000.00 USD: 2 of 3 touches, of which the first and the last weigh more, under model main",
        ),
        (
            json!({"role_based": {"weights": {"referral": "40"}, "other": "10"}}),
            "83.33% of 10000.00 USD: 2 touches, weighing by type, under model main",
        ),
        (
            json!({"implementation": {"types": ["referral"]}}),
            "100% of 10000.00 USD: the latest implementation, t1, has it all, under model main",
        ),
    ] {
        assert_eq!(of(model), said);
    }
    let classes = with(
        case(json!({"co_sell": {"classes": [{"class": "k", "weight": "1"}]}}), three),
        "payees.a.class",
        json!("k"),
    );
    let classes = with(classes, "payees.b.class", json!("k"));
    assert_eq!(told(&classes)[0], "50% of 10000.00 USD: class k, shared by 2, under model main");
}

#[test]
fn an_entry_says_how_it_was_reckoned_and_a_credit_why_there_is_none() {
    let plan = json!({"currency": "USD", "maximum": "400 USD", "earned": "as_collected",
        "rules": [{"rule": "gold", "priority": 1, "when": {"tier": "gold"}, "pays": {"rate": "0.029"}}],
        "otherwise": {"rate": "0.1"}, "spend_limit": {"amount": "500 USD", "per": "month", "zone": "UTC"},
        "overrides": [{"name": "parent", "of": "b", "to": "c", "rate": "0.15"}]});
    let three = touches(&[("a", "referral", "1"), ("b", "demo", "2"), ("c", "demo", "3")]);
    let case = with(with(case(json!({"equal": {}}), three), "rates.ten", plan), "payees.a.tier", json!("gold"));
    let case = with(with(case, "payees.b.rates", json!("ten")), "deals.0.amount", json!("30000 USD"));
    let case = with(case, "spent", json!([{"rates": "ten", "payee": "b", "on": "2025-06-01", "amount": "450 USD"}]));
    let case = with(case, "deals.0.collected", json!(["15000 USD"]));
    assert_eq!(
        told(&case),
        [
            "33.33% of 30000.00 USD: 3 payees share equally, under model main",
            "33.33% of 30000.00 USD: 3 payees share equally, under model main",
            "33.33% of 30000.00 USD: 3 payees share equally, under model main; it earns nothing, as no rate plan applies",
            "2.9% of 10000.00 USD, its part of the amount, by rule gold of rate plan ten: 290.00 USD; \
         15000.00 USD of 30000.00 USD was collected, and 0.00 USD released before",
            "10% of 10000.00 USD, its part of the amount, as rate plan ten pays where no rule holds: 1000.00 USD, \
         held to the maximum of 400.00 USD; the limit of 500.00 USD a month had 50.00 USD left; \
         15000.00 USD of 30000.00 USD was collected, and 0.00 USD released before",
            "15% of 25.00 USD, the entry of b, under rate plan ten",
        ]
    );
    let none = without(case, "deals.0.collected");
    assert!(told(&none)[0].ends_with("; it earns nothing until the customer pays"), "{:?}", told(&none));
}
