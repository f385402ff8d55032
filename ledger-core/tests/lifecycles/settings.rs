use ledger_core::decide::Rejection;
use ledger_core::settings::Rejection as Refused;
use serde_json::{Value, json};

use crate::story::{Story, flat, types};

fn open() -> Value {
    json!({"settings.open": {"base_currency": "USD", "zone": "Europe/Berlin"}})
}

#[test]
fn nothing_is_possible_before_the_ledger_is_opened() {
    for command in [
        json!({"settings.switch_on": {"capability": "rail_payments"}}),
        json!({"payee.enrol": {"payee": "zoe", "name": "Zoe"}}),
        json!({"plan.publish": {"plan": "p", "document": flat("0.5", "0.6")}}),
        json!({"deal.reverse": {"deal": "d", "reason": "r"}}),
        json!({"cap.set_opening_balance": {"payee": "zoe", "on": "2026-01-01", "amount": "1 USD", "reason": "r"}}),
        json!({"payout.create": {"payee": "zoe"}}),
    ] {
        refused!(Story::new(), "ann", command, Rejection::Settings(Refused::NotOpen));
    }
}

#[test]
fn a_ledger_is_opened_once() {
    let mut story = Story::new();
    assert_eq!(types(&story.given("ann", open())), ["settings.opened"]);
    refused!(story, "bob", open(), Rejection::Settings(Refused::AlreadyOpen { .. }));
}

#[test]
fn what_is_switched_on_from_the_start_is_stored_sorted_and_once() {
    let mut story = Story::new();
    let twice = json!(["manual_amounts", "rail_payments", "manual_amounts"]);
    story.given("ann", json!({"settings.open": {"base_currency": "USD", "zone": "UTC", "capabilities": twice}}));
    let stored = String::from_utf8(story.log.events[0].payload.clone()).unwrap();
    assert!(stored.contains(r#""capabilities":["rail_payments","manual_amounts"]"#), "{stored}");
}

#[test]
fn a_capability_is_switched_only_to_what_it_is_not() {
    let mut story = Story::new();
    story.given("ann", open());
    let (on, off) = (
        json!({"settings.switch_on": {"capability": "manual_amounts"}}),
        json!({"settings.switch_off": {"capability": "manual_amounts"}}),
    );
    refused!(story, "ann", off.clone(), Rejection::Settings(Refused::NoChange { .. }));
    story.given("ann", on.clone());
    refused!(story, "ann", on.clone(), Rejection::Settings(Refused::NoChange { .. }));
    story.given("ann", off);
    story.given("ann", on);
}

#[test]
fn what_is_switched_off_is_refused_wherever_it_is_needed() {
    let mut story = Story::with_capped_zoe();
    for capability in ["manual_amounts", "opening_balances", "rail_payments", "manual_payments", "foreign_currencies"] {
        story.given("ann", json!({"settings.switch_off": {"capability": capability}}));
    }
    story.deal("d", "zoe", "100 USD", "2026-01-05");
    let payout = story.approved("zoe");
    let manual = json!({"payout": payout, "method": "cash", "reference": "1", "account": "bank"});
    let euro = json!({"currency": "EUR", "split": {"flat": {"payee": "1", "company": "0"}}});
    for command in [
        json!({"payout.create_manual": {"payee": "zoe", "amount": "1 USD", "reason": "r"}}),
        json!({"cap.set_opening_balance": {"payee": "zoe", "on": "2026-01-01", "amount": "1 USD", "reason": "r"}}),
        json!({"payout.start": {"payout": payout}}),
        json!({"payout.record_manual_payment": manual}),
        json!({"plan.publish": {"plan": "euro", "document": euro}}),
        json!({"deal.register": {"deal": "e", "gci": {"amount": "1 EUR"}}}),
    ] {
        refused!(story, "otto", command, Rejection::Settings(Refused::SwitchedOff { .. }));
    }
}

#[test]
fn the_business_day_is_the_one_of_the_ledgers_zone() {
    let mut story = Story::opened();
    story.at("2026-01-01T04:30:00Z");
    let decision = story.given("ann", json!({"payee.enrol": {"payee": "zoe", "name": "Zoe"}}));
    assert_eq!(decision.effective.to_string(), "2025-12-31", "it is still New Year's Eve in New York");
    story.at("2026-01-01T05:00:00Z");
    let decision = story.given("ann", json!({"payee.enrol": {"payee": "yan", "name": "Yan"}}));
    assert_eq!(decision.effective.to_string(), "2026-01-01");
}
