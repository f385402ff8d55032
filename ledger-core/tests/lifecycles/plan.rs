use ledger_core::codec::decode;
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::plan::{self, Rejection as Refused};
use serde_json::{Value, json};

use crate::story::{Story, capped, flat, lines};

fn publish(document: Value) -> Value {
    json!({"plan.publish": {"plan": "p", "document": document}})
}

fn with(path: &[&str], value: Value) -> Value {
    let mut document = capped("15000 USD");
    path.iter().fold(&mut document, |at, key| &mut at[*key])["x"] = Value::Null;
    *path.iter().fold(&mut document, |at, key| &mut at[*key]) = value;
    publish(document)
}

#[test]
fn a_document_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    for (payee, company) in [("0.6", "0.3"), ("0.7", "0.4"), ("1.1", "0"), ("0.333333333333", "0.666666666666")] {
        let refused = publish(flat(payee, company));
        refused!(story, "ann", refused, Rejection::Plan(Refused::SharesDoNotSum { field: "split.flat", .. }));
    }
    let post = json!({"payee": "0.9", "company": "0"});
    let mut both = capped("15000 EUR");
    both["split"]["capped"]["post_cap"] = post;
    both["split"]["capped"]["pre_cap"]["payee"] = json!("0.8");
    let pre_first = Rejection::Plan(Refused::SharesDoNotSum {
        field: "split.capped.pre_cap",
        payee: "0.8".parse().unwrap(),
        company: "0.3".parse().unwrap(),
    });
    assert_eq!(story.refused("ann", publish(both.clone())), pre_first);
    both["split"]["capped"]["pre_cap"]["payee"] = json!("0.7");
    refused!(
        story,
        "ann",
        publish(both.clone()),
        Rejection::Plan(Refused::SharesDoNotSum { field: "split.capped.post_cap", .. })
    );
    both["split"]["capped"]["post_cap"]["company"] = json!("0.1");
    let limit = Rejection::Plan(Refused::WrongCurrency {
        field: "split.capped.cap.limit",
        amount: "15000 EUR".parse().unwrap(),
        currency: "USD".parse().unwrap(),
    });
    assert_eq!(story.refused("ann", publish(both)), limit);
}

#[test]
fn amounts_of_a_plan_are_in_its_currency_and_not_below_zero() {
    let mut story = Story::opened();
    let cap = ["split", "capped", "cap"];
    let negative =
        with(&cap, json!({"programme": "main", "limit": "-0.01 USD", "year": {"calendar": {"month": 13, "day": 1}}}));
    refused!(story, "ann", negative, Rejection::Plan(Refused::Negative { field: "split.capped.cap.limit", .. }));
    let nowhere =
        with(&cap, json!({"programme": "main", "limit": "0 USD", "year": {"calendar": {"month": 13, "day": 1}}}));
    refused!(story, "ann", nowhere, Rejection::Plan(Refused::CapYear(_)));
    let mut fee = capped("0 USD");
    fee["split"]["capped"]["post_cap_fee"] = json!("-1 USD");
    refused!(
        story,
        "ann",
        publish(fee.clone()),
        Rejection::Plan(Refused::Negative { field: "split.capped.post_cap_fee", .. })
    );
    fee["split"]["capped"]["post_cap_fee"] = json!("250 JPY");
    refused!(
        story,
        "ann",
        publish(fee),
        Rejection::Plan(Refused::WrongCurrency { field: "split.capped.post_cap_fee", .. })
    );
}

#[test]
fn the_same_document_again_is_no_new_version_but_the_one_before_is() {
    let mut story = Story::opened();
    story.publish("p", flat("0.6", "0.4"));
    refused!(story, "ann", publish(flat("0.60", "0.4")), Rejection::Plan(Refused::Unchanged { version: 1, .. }));
    story.publish("p", flat("0.7", "0.3")).publish("p", flat("0.6", "0.4"));
    refused!(story, "ann", publish(flat("0.6", "0.4")), Rejection::Plan(Refused::Unchanged { version: 3, .. }));
}

#[test]
fn every_policy_is_written_out_and_the_hash_is_over_the_stored_bytes() {
    let mut story = Story::opened();
    story.publish("p", capped("15000 USD"));
    let row = story.log.events.iter().find(|row| row.type_name == "plan.published").unwrap();
    let text = std::str::from_utf8(&row.payload).unwrap();
    for policy in [
        r#""rounding":"half_away_from_zero""#,
        r#""crossing":"split_within_deal""#,
        r#""fee_on_crossing":"no""#,
        r#""post_cap":{"payee":"1","company":"0"}"#,
    ] {
        assert!(text.contains(policy), "{policy} is not in {text}");
    }
    let Ok(Event::Plan(plan::Event::Published { hash, document, .. })) = decode(&row.type_name, 1, &row.payload) else {
        panic!("{text}")
    };
    let stored = text.split_once(r#""document":"#).unwrap().1.strip_suffix('}').unwrap();
    assert_eq!(hash, ledger_core::chain::Digest::of(stored.as_bytes()));
    assert_eq!(hash, document.hash());
}

#[test]
fn a_deal_keeps_the_version_that_was_assigned_whatever_is_published_later() {
    let mut story = Story::with_zoe();
    story.publish("all", flat("0.5", "0.5"));
    let decision = story.deal("d", "zoe", "100 USD", "2026-02-01");
    assert_eq!(lines(&decision)[0].version, 1);
    assert_eq!(story.payable("zoe"), "100.00 USD");
}

#[test]
fn half_a_cent_is_rounded_by_the_rule_of_the_plan() {
    for (rounding, net) in [("half_away_from_zero", "0.12 USD"), ("half_even", "0.13 USD")] {
        let mut story = Story::opened();
        let mut document = flat("0.5", "0.5");
        document["rounding"] = json!(rounding);
        story.publish("p", document).enrol("zoe").assign("zoe", "p");
        // The company's half of 25 cents is 12.5: 13 away from zero, 12 to even.
        story.deal("d", "zoe", "0.25 USD", "2026-02-01");
        assert_eq!(story.payable("zoe"), net, "{rounding}");
    }
}
