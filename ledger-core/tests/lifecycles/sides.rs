use ledger_core::account::{self, Source};
use ledger_core::deal::Rejection as Refused;
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::waterfall::{Rejection as Uncalculated, Rule};
use ledger_core::{payee, settings};
use serde_json::{Value, json};

use crate::story::{Story, capped, completion, flat, parts, types};

fn record(deal: &str, sides: &Value) -> Value {
    json!({"deal.record_sides": {"deal": deal, "sides": sides, "completed_on": "2026-02-01"}})
}

fn register(sides: &Value) -> Value {
    json!({"deal.register_sides": {"deal": "d", "sides": sides}})
}

fn reverse(deal: &str) -> Value {
    json!({"deal.reverse": {"deal": deal, "reason": "withdrawn"}})
}

fn both(payee: &str, gci: &str) -> Value {
    json!([
        {"side": "listing", "gci": {"amount": gci}, "payees": [{"payee": payee}]},
        {"side": "buying", "gci": {"amount": gci}, "payees": [{"payee": payee}]},
    ])
}

/// What each payee has of the deal that a decision completed.
fn earned(decision: &ledger_core::decide::Decision) -> Vec<String> {
    let entries = completion(decision).entries;
    entries.iter().map(|earned| format!("{} {}", earned.payee, earned.amount.amount())).collect()
}

/// Each side saw the room that there was before the deal, and the cap was overrun by the second.
#[test]
fn the_second_side_sees_what_the_first_left_and_the_payee_has_one_entry() {
    let mut story = Story::with_capped_zoe();
    let opening = json!({"payee": "zoe", "on": "2026-01-01", "amount": "12000 USD", "reason": "old system"});
    story.given("ann", json!({"cap.set_opening_balance": opening}));
    let decision = story.given("ann", record("d", &both("zoe", "10000 USD")));
    let expected = ["deal.registered", "deal.completed", "cap.contributed", "cap.reached", "account.entry_booked"];
    assert_eq!(types(&decision), expected);
    assert_eq!(parts(&decision, "zoe"), ["3000.00", "0.00", "250.00", "16750.00"]);
    let completion = completion(&decision);
    assert_eq!(completion.gci.to_string(), "20000.00 USD");
    let [met] = completion.caps.as_slice() else { panic!("{completion:?}") };
    assert_eq!((met.before.to_string(), met.after.to_string()), ("12000.00 USD".into(), "15000.00 USD".into()));
    assert_eq!(story.payable("zoe"), "16750.00 USD");
    let reversed = story.given("ann", reverse("d"));
    assert_eq!(types(&reversed), ["deal.reversed", "cap.reversed", "account.entry_reversed"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "3000.00 USD");
}

#[test]
fn a_deal_of_sides_goes_its_way_without_being_attributed() {
    let mut story = Story::with_zoe();
    let sides = both("zoe", "50 USD");
    story.given("ann", register(&sides));
    refused!(story, "bob", register(&sides), Rejection::AlreadyKnown(_));
    refused!(story, "bob", register(&both("zoe", "51 USD")), Rejection::Deal(Refused::AlreadyRegistered { .. }));
    let attribute = json!({"deal.attribute": {"deal": "d", "attribution": {"equal": ["zoe"]}}});
    let reason = refused!(story, "ann", attribute, Rejection::Deal(Refused::HasSides { .. }));
    assert!(reason.contains("its sides say who shares them"), "{reason}");
    let complete = json!({"deal.complete": {"deal": "d", "completed_on": "2026-02-01"}});
    assert_eq!(types(&story.given("ann", complete.clone())), ["deal.completed", "account.entry_booked"]);
    refused!(story, "ann", complete, Rejection::AlreadyKnown(_));
    refused!(story, "ann", record("d", &sides), Rejection::AlreadyKnown(_));
    refused!(story, "ann", record("d", &both("zoe", "51 USD")), Rejection::Deal(Refused::AlreadyRegistered { .. }));
    let mut once = Story::with_zoe();
    once.given("ann", record("d", &sides));
    assert_eq!(story.payable("zoe"), once.payable("zoe"));
}

/// A deal that was stored although it can never be completed would stand open for ever.
#[test]
fn what_needs_no_plan_is_refused_when_a_deal_is_registered() {
    let mut story = Story::with_zoe();
    story.enrol("yan");
    let sides = json!([{
        "gci": {"amount": "100 USD"}, "referral_in": "10 USD",
        "off_top": [{"concession": {"rate": "0.1"}}, {"referral_out": {"to": "joe", "amount": {"flat": "5 USD"}}}],
        "payees": [{"payee": "zoe", "weight": "0.6"}, {"payee": "yan", "weight": "0.4", "mentor": "zoe"}],
        "adjustments": [{"from": "company", "to": {"payee": "zoe"}, "amount": "1 USD", "reason": "r", "actor": "ann"}],
    }]);
    for (path, value, at, code) in [
        ("/0/payees/0/weight", json!("0.7"), "sides.0.payees", "weights_do_not_sum"),
        ("/0/payees/0/weight", json!(null), "sides.0.payees", "weights_do_not_sum"),
        ("/0/payees", json!([]), "sides.0.payees", "weights_do_not_sum"),
        ("/0/payees/1/payee", json!("zoe"), "sides.0.payees.1", "named_twice"),
        ("/0/payees/1/mentor", json!("yan"), "sides.0.payees.1.mentor", "conflicting"),
        ("/0/gci/amount", json!("-1 USD"), "sides.0.gci", "negative"),
        ("/0/referral_in", json!("-1 USD"), "sides.0.referral_in", "negative"),
        ("/0/referral_in", json!("1 EUR"), "sides.0.referral_in", "wrong_currency"),
        ("/0/off_top/0/concession/rate", json!("1.1"), "sides.0.off_top.0", "rate_out_of_bounds"),
        ("/0/off_top/1/referral_out/amount/flat", json!("-1 USD"), "sides.0.off_top.1", "negative"),
        ("/0/adjustments/0/amount", json!("0 USD"), "sides.0.adjustments.0.amount", "not_positive"),
        ("/0/adjustments/0/to", json!("company"), "sides.0.adjustments.0.to", "conflicting"),
        ("/0/adjustments/0/to/payee", json!("xia"), "sides.0.adjustments.0.to", "unknown_payee"),
    ] {
        let mut wrong = sides.clone();
        *wrong.pointer_mut(path).unwrap() = value;
        match story.refused("ann", register(&wrong)) {
            Rejection::Waterfall(rejection) => assert_eq!((rejection.at.as_str(), rejection.rule.code()), (at, code)),
            other => panic!("{path}: {other}"),
        }
    }
    let mut nothing = sides.clone();
    (nothing[0]["payees"][0]["weight"], nothing[0]["payees"][1]["weight"]) = (json!("1"), json!("0"));
    let reason = refused!(story, "ann", register(&nothing), Rejection::Waterfall(_));
    assert!(reason.contains("sides.0.payees.1.weight: who has no part of a side does not share it"), "{reason}");
    let mut second = sides[0].clone();
    second["gci"]["amount"] = json!("1 EUR");
    second["side"] = json!("buying");
    refused!(story, "ann", register(&json!([sides[0], second])), Rejection::Waterfall(_));
    refused!(story, "ann", register(&json!([sides[0], sides[0]])), Rejection::Waterfall(_));
    second["gci"]["amount"] = json!("1 USD");
    let reason = refused!(story, "ann", register(&json!([second, sides[0]])), Rejection::Waterfall(_));
    assert!(reason.contains("sides.1.side: the only side of a deal has no other beside it"), "{reason}");
    refused!(story, "ann", register(&json!([])), Rejection::Waterfall(_));
    for (path, at) in
        [("/0/payees/0/payee", "sides.0.payees.0.payee"), ("/0/payees/1/mentor", "sides.0.payees.1.mentor")]
    {
        let mut wrong = sides.clone();
        wrong[0]["adjustments"] = json!([]);
        *wrong.pointer_mut(path).unwrap() = json!("nobody");
        let reason = refused!(story, "ann", register(&wrong), Rejection::Payee(payee::Rejection::UnknownAt { .. }));
        assert_eq!(reason, format!("{at}: payee nobody is unknown: enrol it with payee.enrol first"));
    }
    story.given("ann", json!({"settings.switch_off": {"capability": "foreign_currencies"}}));
    let yen = json!([{"gci": {"amount": "100 JPY"}, "payees": [{"payee": "zoe"}]}]);
    refused!(story, "ann", register(&yen), Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
    story.given("ann", json!({"settings.switch_off": {"capability": "manual_amounts"}}));
    refused!(story, "ann", register(&sides), Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
    story.given("ann", json!({"settings.switch_on": {"capability": "manual_amounts"}}));
    story.given("ann", register(&sides));
}

#[test]
fn everybody_who_has_something_of_a_deal_has_an_entry() {
    let mut story = Story::opened();
    let mut document = flat("0.7", "0.3");
    document["mentee"] = json!({"company": "0.1", "mentor": "0.05"});
    document["overrides"] = json!([{"name": "lead", "to": "lea", "rate": "0.02"}]);
    document["fees"] =
        json!([{"name": "desk", "timing": "always", "amount": {"flat": "10 USD"}, "to": {"payee": "tia"}}]);
    // Whoever a plan pays has to be somebody.
    for (missing, at) in [("tia", "fees.0.to.payee"), ("lea", "overrides.0.to")] {
        let publish = json!({"plan.publish": {"plan": "all", "document": document}});
        let reason = refused!(story, "ann", publish, Rejection::Payee(payee::Rejection::UnknownAt { .. }));
        assert_eq!(reason, format!("{at}: payee {missing} is unknown: enrol it with payee.enrol first"));
        story.enrol(missing);
    }
    story.publish("all", document);
    story.enrol("zoe").assign("zoe", "all").enrol("yan").assign("yan", "all").enrol("max");
    let sides = json!([{
        "gci": {"of_price": {"price": "40000 USD", "rate": "0.03"}},
        "off_top": [{"concession": {"flat": "200 USD"}}],
        "payees": [{"payee": "zoe", "weight": "0.75", "mentor": "max"}, {"payee": "yan", "weight": "0.25"}],
        "adjustments": [{"from": {"payee": "yan"}, "to": "client", "amount": "25 USD", "reason": "sign", "actor": "ann"}],
    }]);
    let decision = story.given("ann", record("d", &sides));
    // Of 1,000 zoe's part is 750: 525 less 7.50 for tia, 75 for the company and 37.50 for max.
    let expected = ["zoe 405.00", "tia 10.00", "max 37.50", "lea 20.00", "yan 147.50"];
    assert_eq!(earned(&decision), expected);
    assert_eq!(["max", "lea", "tia"].map(|payee| story.payable(payee)), ["37.50 USD", "20.00 USD", "10.00 USD"]);
    story.paid("max", "37.50 USD");
    let reversed = story.given("ann", reverse("d"));
    let taken_back = types(&reversed).into_iter().filter(|name| name == "account.entry_reversed").count();
    assert_eq!((taken_back, story.payable("max")), (4, "-37.50 USD".into()));
}

#[test]
fn payees_without_weights_share_equally_to_the_cent() {
    let mut story = Story::opened();
    story.publish("all", flat("1", "0"));
    for payee in ["zoe", "yan", "xia"] {
        story.enrol(payee).assign(payee, "all");
    }
    let sides =
        json!([{"gci": {"amount": "100 USD"}, "payees": [{"payee": "yan"}, {"payee": "zoe"}, {"payee": "xia"}]}]);
    assert_eq!(earned(&story.given("ann", record("d", &sides))), ["yan 33.34", "zoe 33.33", "xia 33.33"]);
}

/// A team's cap was each member's own, and filled as often as there were members.
#[test]
fn a_pool_has_one_account_whoever_contributes() {
    let mut story = Story::opened();
    let mut document = capped("6000 USD");
    document["cap"]["caps"][0]["of"] = json!({"pool": "north"});
    story.publish("team", document);
    for payee in ["zoe", "yan"] {
        story.enrol(payee).assign(payee, "team");
    }
    let opening = |payee: &str, amount: &str| json!({"cap.set_opening_balance": {"payee": payee, "on": "2026-01-01", "amount": amount, "reason": "r"}});
    let opened = story.given("ann", opening("yan", "2000 USD"));
    assert_eq!(opened.events[0].0.to_string(), "pool/main/north/2026-01-01");
    refused!(story, "ann", opening("zoe", "1 USD"), Rejection::Cap(ledger_core::cap::Rejection::AlreadyOpened { .. }));
    assert_eq!(parts(&story.deal("a", "zoe", "10000 USD", "2026-02-01"), "zoe")[0], "3000.00");
    let decision = story.deal("b", "yan", "10000 USD", "2026-02-02");
    assert_eq!(parts(&decision, "yan"), ["1000.00", "0.00", "0.00", "9000.00"]);
    assert!(types(&decision).contains(&"cap.reached".to_owned()), "{decision:?}");
    story.given("ann", reverse("a"));
    assert_eq!(parts(&story.deal("c", "yan", "10000 USD", "2026-02-03"), "yan")[0], "3000.00");
}

/// Two plans gave one pool different limits: one member was capped at the lower, the others went on to the higher.
#[test]
fn every_plan_of_a_pool_says_the_same_of_it() {
    let mut story = Story::opened();
    let mut document = capped("6000 USD");
    document["cap"]["caps"][0]["of"] = json!({"pool": "north"});
    let publish = |plan: &str, document: &Value| json!({"plan.publish": {"plan": plan, "document": document}});
    let opened = story.given("ann", publish("one", &document));
    assert_eq!(types(&opened), ["plan.published", "cap.programme_opened", "cap.pool_opened"]);
    for (path, value) in [
        ("/cap/caps/0/limit", json!("7000 USD")),
        ("/cap/caps/0/portion", json!("0.5")),
        ("/cap/crossing", json!("whole_deal_pre_cap")),
        ("/rounding", json!("half_even")),
    ] {
        let mut other = document.clone();
        match path {
            "/rounding" => other["rounding"] = value,
            "/cap/caps/0/portion" => other["cap"]["caps"][0]["portion"] = value,
            "/cap/crossing" => other["cap"]["crossing"] = value,
            _ => *other.pointer_mut(path).unwrap() = value,
        }
        for plan in ["one", "two"] {
            let rejection = story.refused("ann", publish(plan, &other));
            let Rejection::Waterfall(Uncalculated { at, rule }) = rejection else { panic!("{path}: {rejection}") };
            assert_eq!((at.as_str(), rule.code()), ("cap.caps.0.limit", "programmes_differ"), "{path}");
        }
    }
    document["cap"]["post_cap"] = json!({"payee": "0.9", "company": "0.1"});
    assert_eq!(types(&story.given("ann", publish("two", &document))), ["plan.published"], "the room is the same");
    document["cap"]["caps"][0]["of"] = json!({"pool": "south"});
    document["cap"]["caps"][0]["limit"] = json!("7000 USD");
    assert_eq!(types(&story.given("ann", publish("two", &document))), ["plan.published", "cap.pool_opened"]);
}

/// The programme of a pool was opened twice when the plan measured an attainment by it, too: the ledger could not go on.
#[test]
fn a_programme_of_a_pool_measures_no_attainment() {
    let mut story = Story::opened();
    let mut document = capped("6000 USD");
    document["cap"]["caps"][0]["of"] = json!({"pool": "north"});
    document["attainment"] = json!({"programme": "main", "year": {"calendar": {"month": 1, "day": 1}}});
    let publish = json!({"plan.publish": {"plan": "one", "document": document}});
    let Rejection::Waterfall(Uncalculated { at, rule }) = story.refused("ann", publish) else { panic!("{document}") };
    assert_eq!((at.as_str(), rule.code()), ("attainment.programme", "programmes_differ"));
}

#[test]
fn a_fee_and_a_royalty_count_to_caps_of_their_own() {
    let mut story = Story::opened();
    let year = json!({"calendar": {"month": 1, "day": 1}});
    let mut document = flat("0.7", "0.3");
    document["royalty"] =
        json!({"rate": "0.06", "basis": "gross", "cap": {"programme": "brand", "limit": "100 USD", "year": year}});
    document["fees"] = json!([{"name": "risk", "timing": "always", "amount": {"flat": "60 USD"},
        "sub_cap": {"programme": "risk", "limit": "100 USD", "year": year, "then": {"flat": "5 USD"}}}]);
    story.publish("all", document).enrol("zoe").assign("zoe", "all");
    let opening = json!({"payee": "zoe", "on": "2026-01-01", "amount": "30 USD", "reason": "r", "programme": "risk"});
    let without = json!({"payee": "zoe", "on": "2026-01-01", "amount": "30 USD", "reason": "r"});
    let other = json!({"payee": "zoe", "on": "2026-01-01", "amount": "30 USD", "reason": "r", "programme": "main"});
    let set = |fields: &Value| json!({"cap.set_opening_balance": fields});
    refused!(story, "ann", set(&without), Rejection::Cap(ledger_core::cap::Rejection::NoCap { .. }));
    refused!(story, "ann", set(&other), Rejection::Cap(ledger_core::cap::Rejection::NoProgramme { .. }));
    story.given("ann", set(&opening));
    // The fee: 60, then the 10 that are left, then 5 that do not count. The royalty: 60, then 40, then nothing.
    for (deal, net) in [("a", "580.00"), ("b", "650.00"), ("c", "695.00")] {
        let decision = story.deal(deal, "zoe", "1000 USD", "2026-02-01");
        assert_eq!(parts(&decision, "zoe")[3], net, "{deal}");
        assert_eq!(completion(&decision).caps.len(), 2, "both are looked at, whether or not anything counts");
    }
    let reversed = story.given("ann", reverse("b"));
    assert_eq!(types(&reversed), ["deal.reversed", "cap.reversed", "cap.reversed", "account.entry_reversed"]);
}

/// What a payee owed vanished, since only what was above zero was booked.
#[test]
fn who_owes_has_a_receivable_that_is_taken_back_like_an_entry() {
    let mut story = Story::opened();
    let mut document = flat("0.7", "0.3");
    document["fees"] = json!([{"name": "desk", "timing": "always", "amount": {"flat": "100 USD"}}]);
    story.publish("strict", document.clone());
    document["deficit"] = json!("receivable");
    story.publish("lenient", document).enrol("yan").assign("yan", "strict").enrol("zoe").assign("zoe", "lenient");
    let refused = crate::story::record("d", &["yan"], "100 USD", "2026-02-01");
    refused!(story, "ann", refused, Rejection::Waterfall(Uncalculated { rule: Rule::Deficit { .. }, .. }));
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    assert_eq!(story.payable("zoe"), "-30.00 USD");
    story.deal("e", "zoe", "1000 USD", "2026-02-02");
    story.paid("zoe", "570 USD");
    let reversed = story.given("ann", reverse("d"));
    let Some((_, Event::Account(account::Event::EntryBooked { source, amount, .. }))) = reversed.events.last() else {
        panic!("{reversed:?}")
    };
    assert!(matches!(source, Source::Clawback { .. }) && amount.to_string() == "30.00 USD", "{source:?} {amount}");
    assert_eq!(story.payable("zoe"), "30.00 USD");
}
