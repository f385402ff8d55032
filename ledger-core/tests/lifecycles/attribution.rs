use ledger_core::attribution::Rejection as Refused;
use ledger_core::decide::Rejection;
use ledger_core::limits::{EVENTS_PER_REQUEST, PAYEES_PER_DEAL};
use ledger_core::payee;
use serde_json::{Value, json};

use crate::story::{Story, capped, completion, flat, parts, record};

fn attribute(attribution: Value) -> Value {
    json!({"deal.attribute": {"deal": "d", "attribution": attribution}})
}

fn story() -> Story {
    let mut story = Story::opened();
    story.publish("flat", flat("0.6", "0.4"));
    for payee in ["zoe", "yan", "xia"] {
        story.enrol(payee).assign(payee, "flat");
    }
    story.given("ann", json!({"deal.register": {"deal": "d", "gci": {"amount": "100 USD"}}}));
    story
}

#[test]
fn an_attribution_is_refused_for_the_first_reason_that_holds() {
    let mut story = story();
    let weight = |payee: &str, weight: &str| json!({"payee": payee, "weight": weight});
    let many: Vec<_> = (0..=PAYEES_PER_DEAL).map(|n| format!("p{n}")).collect();
    let mut twice = many.clone();
    twice.push("p0".into());
    refused!(story, "ann", attribute(json!({"equal": twice})), Rejection::Attribution(Refused::Twice { .. }));
    refused!(story, "ann", attribute(json!({"equal": []})), Rejection::Attribution(Refused::Nobody));
    refused!(story, "ann", attribute(json!({"custom": []})), Rejection::Attribution(Refused::Nobody));
    refused!(story, "ann", attribute(json!({"equal": many})), Rejection::Attribution(Refused::TooMany { .. }));
    for (a, b) in [("0.5", "0.4"), ("0.5", "0.500000000001"), ("0", "0"), ("9223372", "9223372")] {
        let custom = attribute(json!({"custom": [weight("nobody", a), weight("zoe", b)]}));
        refused!(story, "ann", custom, Rejection::Attribution(Refused::DoNotSum { .. }));
    }
    let stranger = attribute(json!({"custom": [weight("zoe", "0.5"), weight("nobody", "0.5")]}));
    let reason = refused!(story, "ann", stranger, Rejection::Payee(payee::Rejection::UnknownAt { .. }));
    assert!(reason.starts_with("attribution.custom.1.payee: payee nobody is unknown"), "{reason}");
}

#[test]
fn credit_is_shared_to_the_cent_in_the_order_listed() {
    let mut story = story();
    story.given("ann", attribute(json!({"equal": ["yan", "zoe", "xia"]})));
    let decision = story.given("ann", json!({"deal.complete": {"deal": "d", "completed_on": "2026-02-01"}}));
    let parts = ["yan", "zoe", "xia"].map(|payee| parts(&decision, payee));
    assert_eq!(
        parts.map(|[company, .., net]| format!("{company} {net}")),
        ["13.34 20.00", "13.33 20.00", "13.33 20.00"]
    );
}

#[test]
fn who_has_no_weight_gets_nothing_and_no_entry() {
    let mut story = story();
    let custom = json!({"custom": [{"payee": "zoe", "weight": "1"}, {"payee": "yan", "weight": "0"}]});
    story.given("ann", attribute(custom));
    let decision = story.given("ann", json!({"deal.complete": {"deal": "d", "completed_on": "2026-02-01"}}));
    let entries: Vec<_> = completion(&decision).entries.iter().map(|earned| earned.payee.to_string()).collect();
    assert_eq!(entries, ["zoe"]);
    assert_eq!((story.payable("zoe"), story.payable("yan")), ("60.00 USD".into(), "0.00 USD".into()));
}

#[test]
fn what_was_said_last_before_completion_holds_and_the_same_again_is_already_known() {
    let mut story = story();
    story.given("ann", attribute(json!({"equal": ["zoe", "yan"]})));
    refused!(story, "bob", attribute(json!({"equal": ["zoe", "yan"]})), Rejection::AlreadyKnown(_));
    story.given("ann", attribute(json!({"equal": ["xia"]})));
    story.given("ann", attribute(json!({"equal": ["zoe", "yan"]})));
    story.given("ann", attribute(json!({"equal": ["xia"]})));
    story.given("ann", json!({"deal.complete": {"deal": "d", "completed_on": "2026-02-01"}}));
    assert_eq!(["zoe", "yan", "xia"].map(|payee| story.payable(payee)), ["0.00 USD", "0.00 USD", "60.00 USD"]);
}

#[test]
fn the_largest_deal_fits_into_its_limits() {
    let mut story = Story::opened();
    let name = |n: usize| format!("{n:02}{}", "x".repeat(62));
    let mut document = capped("1 USD");
    document["cap"]["caps"][0]["programme"] = json!("y".repeat(64));
    let plan = "z".repeat(64);
    story.publish(&plan, document);
    let payees: Vec<_> = (0..PAYEES_PER_DEAL).map(name).collect();
    for payee in &payees {
        story.enrol(payee).assign(payee, &plan);
    }
    let payees: Vec<_> = payees.iter().map(String::as_str).collect();
    // `Story` refuses an event that is larger than the limit.
    let decision = story.given("ann", record(&"d".repeat(64), &payees, "92233720368547758.06 USD", "2026-02-01"));
    assert!(decision.events.len() <= EVENTS_PER_REQUEST);
    let reason = "\"".repeat(500);
    story.given("ann", json!({"deal.reverse": {"deal": "d".repeat(64), "reason": reason}}));
}
