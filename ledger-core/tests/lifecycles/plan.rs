use ledger_core::codec::decode;
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::plan::{self, Rejection as Refused};
use serde_json::{Value, json};

use crate::story::{Story, capped, completion, flat};

fn publish(document: Value) -> Value {
    json!({"plan.publish": {"plan": "p", "document": document}})
}

/// Where a document is refused, and by which rule.
fn refused(story: &mut Story, document: &Value) -> (String, &'static str) {
    match story.refused("ann", publish(document.clone())) {
        Rejection::Waterfall(rejection) => (rejection.at.clone(), rejection.rule.code()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_document_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    for (payee, company) in [("0.6", "0.3"), ("0.7", "0.4"), ("1.1", "0"), ("0.333333333333", "0.666666666666")] {
        let (at, code) = refused(&mut story, &flat(payee, company));
        assert_eq!((at.as_str(), code), ("split.flat", "shares_do_not_sum"));
    }
    let mut wrong = capped("15000 EUR");
    wrong["cap"]["post_cap"] = json!({"payee": "0.9", "company": "0"});
    wrong["split"]["flat"]["payee"] = json!("0.8");
    assert_eq!(refused(&mut story, &wrong), ("split.flat".into(), "shares_do_not_sum"));
    wrong["split"]["flat"]["payee"] = json!("0.7");
    assert_eq!(refused(&mut story, &wrong), ("cap.post_cap".into(), "shares_do_not_sum"));
    wrong["cap"]["post_cap"]["company"] = json!("0.1");
    assert_eq!(refused(&mut story, &wrong), ("cap.caps.0.limit".into(), "wrong_currency"));
}

#[test]
fn amounts_of_a_plan_are_in_its_currency_and_not_below_zero() {
    let mut story = Story::opened();
    let mut wrong = capped("-0.01 USD");
    wrong["cap"]["caps"][0]["year"]["calendar"]["month"] = json!(13);
    assert_eq!(refused(&mut story, &wrong), ("cap.caps.0.limit".into(), "negative"));
    wrong["cap"]["caps"][0]["limit"] = json!("0 USD");
    assert_eq!(refused(&mut story, &wrong), ("cap.caps.0.year".into(), "year"));
    let mut fee = capped("0 USD");
    for (amount, code) in [("-1 USD", "negative"), ("250 JPY", "wrong_currency")] {
        fee["fees"][0]["amount"]["flat"] = json!(amount);
        assert_eq!(refused(&mut story, &fee), ("fees.0.amount".into(), code));
    }
}

/// A programme that counted contributions and attainments would mix them, whatever the years.
#[test]
fn a_programme_counts_one_thing_in_one_currency_and_year_whichever_plan_names_it_first() {
    let mut story = Story::opened();
    let year = json!({"calendar": {"month": 1, "day": 1}});
    let sub_cap = json!({"programme": "fees", "limit": "1000 USD", "year": year});
    let mut document = capped("15000 USD");
    document["cap"]["caps"]
        .as_array_mut()
        .unwrap()
        .push(json!({"programme": "team", "of": {"pool": "north"}, "limit": "40000 USD", "year": year}));
    document["royalty"] = json!({"rate": "0.06", "basis": "gross",
        "cap": {"programme": "brand", "limit": "3000 USD", "year": year}});
    document["fees"][0]["sub_cap"] = sub_cap;
    document["attainment"] = json!({"programme": "volume", "year": year});
    let published = story.given("ann", publish(document.clone()));
    let opened: Vec<_> = published.events[1..].iter().map(|(stream, _)| stream.to_string()).collect();
    assert_eq!(opened, ["main", "team", "team", "brand", "fees", "volume"].map(|name| format!("programme/{name}")));
    let other = |path: &str, to: Value| {
        let mut other = document.clone();
        *other.pointer_mut(path).unwrap() = to;
        publish(other)
    };
    for (path, to) in [
        ("/cap/caps/1/of", json!("payee")),
        ("/cap/caps/0/programme", json!("volume")),
        ("/attainment/programme", json!("brand")),
        ("/fees/0/sub_cap/programme", json!("volume")),
        ("/attainment/year/calendar/month", json!(2)),
        ("/royalty/cap/year/calendar/day", json!(2)),
    ] {
        let refused = story.when("ann", other(path, to));
        assert!(refused.is_err(), "{path}");
    }
    let mut both = document.clone();
    both["attainment"]["programme"] = json!("new");
    both["cap"]["caps"][0]["programme"] = json!("new");
    let reason = refused!(story, "ann", publish(both), Rejection::Waterfall(_));
    assert!(reason.starts_with("attainment.programme: programme new has another kind of account"), "{reason}");
    assert_eq!(story.given("ann", other("/royalty/cap/limit", json!("1 USD"))).events.len(), 1);
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
    let stored = text.split_once(r#""document":"#).unwrap().1.strip_suffix('}').unwrap();
    let year = r#"{"calendar":{"month":1,"day":1}}"#;
    let expected = [
        r#"{"currency":"USD","rounding":"half_away_from_zero","zone":"UTC","#,
        r#""order":["concession","referral_out","royalty","allocation","split","fees","mentee","bonuses","overrides","adjustments"],"#,
        r#""split":{"flat":{"payee":"0.7","company":"0.3"}},"#,
        r#""cap":{"caps":[{"programme":"main","of":"payee","limit":"15000.00 USD","portion":"1","#,
        &format!(r#""year":{year},"proration":"none"}}],"post_cap":{{"payee":"1","company":"0"}},"#),
        r#""crossing":"split_within_deal","fee_on_crossing":"no"},"#,
        r#""referral_in":"company","fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"250.00 USD"},"#,
        r#""of":"part","per":"deal","to":"company"}],"bonuses":[],"overrides":[],"deficit":"refuse"}"#,
    ];
    assert_eq!(stored, expected.concat());
    let Ok(Event::Plan(plan::Event::Published { hash, document, .. })) = decode(&row.type_name, 1, &row.payload) else {
        panic!("{text}")
    };
    assert_eq!(hash, ledger_core::chain::Digest::of(stored.as_bytes()));
    assert_eq!(hash, document.hash());
}

#[test]
fn a_deal_keeps_the_version_that_was_assigned_whatever_is_published_later() {
    let mut story = Story::with_zoe();
    story.publish("all", flat("0.5", "0.5"));
    let decision = story.deal("d", "zoe", "100 USD", "2026-02-01");
    assert_eq!(completion(&decision).plans[0].version, 1);
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
