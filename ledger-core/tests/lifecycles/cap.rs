use ledger_core::cap::Rejection as Refused;
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::waterfall::{Rejection as Uncalculated, Rule};
use ledger_core::{account, payee, settings};
use serde_json::{Value, json};

use crate::story::{Story, capped, flat, parts, record, types};

fn opening(amount: &str, on: &str) -> Value {
    json!({"cap.set_opening_balance": {"payee": "zoe", "on": on, "amount": amount, "reason": "old system"}})
}

fn amounts(story: &mut Story, deal: &str, gci: &str, on: &str) -> [String; 4] {
    parts(&story.deal(deal, "zoe", gci, on), "zoe")
}

/// `zoe` under a plan whose cap years are counted from the day on which she joined.
fn anniversary(joined_on: &str, leap_day: &str) -> Story {
    let mut story = Story::opened();
    let mut document = capped("15000 USD");
    document["cap"]["caps"][0]["year"] = json!({"anniversary": {"leap_day": leap_day}});
    story.publish("capped", document);
    story.given("ann", json!({"payee.enrol": {"payee": "zoe", "name": "Zoe", "joined_on": joined_on}}));
    story.assign("zoe", "capped");
    story
}

#[test]
fn v27_to_v31_a_year_up_to_the_cap_and_beyond_it() {
    let mut story = Story::with_capped_zoe();
    story.given("ann", opening("8200 USD", "2026-01-01"));
    assert_eq!(amounts(&mut story, "v27", "10000 USD", "2026-02-01"), ["3000.00", "0.00", "0.00", "7000.00"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "3800.00 USD");
    assert_eq!(amounts(&mut story, "crossing", "30000 USD", "2026-02-02"), ["3800.00", "0.00", "0.00", "26200.00"]);
    assert_eq!(amounts(&mut story, "v31", "10000 USD", "2026-02-03"), ["0.00", "0.00", "250.00", "9750.00"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "0.00 USD");
}

#[test]
fn v30_the_deal_that_hits_the_cap_exactly_reaches_it_and_pays_no_fee() {
    let mut story = Story::with_capped_zoe();
    story.given("ann", opening("12000 USD", "2026-01-01"));
    let decision = story.deal("d", "zoe", "10000 USD", "2026-02-01");
    let expected = [
        "deal.registered",
        "deal.attributed",
        "deal.completed",
        "cap.contributed",
        "cap.reached",
        "account.entry_booked",
    ];
    assert_eq!(types(&decision), expected);
    assert_eq!(parts(&decision, "zoe"), ["3000.00", "0.00", "0.00", "7000.00"]);
}

#[test]
fn v34_a_cap_of_zero_is_reached_from_the_first_day() {
    let mut story = Story::opened();
    story.publish("none", capped("0 USD")).enrol("zoe").assign("zoe", "none");
    assert_eq!(amounts(&mut story, "d", "1000 USD", "2026-02-01"), ["0.00", "0.00", "250.00", "750.00"]);
}

#[test]
fn v46_a_calendar_year_starts_with_all_its_room() {
    let mut story = Story::with_capped_zoe();
    story.deal("old", "zoe", "60000 USD", "2025-12-31");
    assert_eq!(story.room("zoe", "15000 USD", "2025-01-01"), "0.00 USD");
    assert_eq!(amounts(&mut story, "new", "10000 USD", "2026-01-01"), ["3000.00", "0.00", "0.00", "7000.00"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "12000.00 USD");
    assert_eq!(amounts(&mut story, "late", "10000 USD", "2025-12-31"), ["0.00", "0.00", "250.00", "9750.00"]);
}

#[test]
fn v47_an_anniversary_year_starts_on_the_day_itself() {
    let mut story = anniversary("2024-03-15", "clamp");
    story.deal("first", "zoe", "10000 USD", "2025-03-14");
    story.deal("second", "zoe", "20000 USD", "2025-03-15");
    assert_eq!(story.room("zoe", "15000 USD", "2024-03-15"), "12000.00 USD");
    assert_eq!(story.room("zoe", "15000 USD", "2025-03-15"), "9000.00 USD");
}

#[test]
fn v48_who_joined_on_a_leap_day_starts_on_the_28th_or_by_policy_on_the_1st() {
    let mut story = anniversary("2024-02-29", "clamp");
    story.deal("d", "zoe", "10000 USD", "2025-02-28");
    story.deal("e", "zoe", "10000 USD", "2028-02-29");
    for year in ["2025-02-28", "2028-02-29"] {
        assert_eq!(story.room("zoe", "15000 USD", year), "12000.00 USD", "{year}");
    }
    let mut story = anniversary("2024-02-29", "march1");
    story.deal("d", "zoe", "10000 USD", "2025-02-28");
    assert_eq!(story.room("zoe", "15000 USD", "2024-02-29"), "12000.00 USD");
}

#[test]
fn a_deal_before_the_first_cap_year_or_without_an_anchor_is_refused() {
    let mut story = anniversary("2024-03-15", "clamp");
    let early = record("d", &["zoe"], "1 USD", "2024-03-14");
    refused!(story, "ann", early, Rejection::Waterfall(Uncalculated { rule: Rule::BeforeFirstYear(_), .. }));
    story.given("ann", json!({"payee.enrol": {"payee": "yan", "name": "Yan"}}));
    story.assign("yan", "capped");
    let without = record("d", &["yan"], "1 USD", "2026-03-14");
    refused!(story, "ann", without, Rejection::Waterfall(Uncalculated { rule: Rule::Year(_), .. }));
}

#[test]
fn v51_an_opening_balance_takes_its_part_of_the_room() {
    let mut story = Story::with_capped_zoe();
    let decision = story.given("ann", opening("5300 USD", "2024-06-01"));
    assert_eq!(decision.effective.to_string(), "2024-06-01");
    assert_eq!(story.room("zoe", "15000 USD", "2024-01-01"), "9700.00 USD");
    assert_eq!(amounts(&mut story, "d", "100000 USD", "2024-12-31")[0], "9700.00");
}

#[test]
fn an_opening_balance_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    story.given("ann", json!({"settings.switch_off": {"capability": "opening_balances"}}));
    let bad = || opening("0 USD", "2026-02-01");
    refused!(story, "ann", bad(), Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
    story.given("ann", json!({"settings.switch_on": {"capability": "opening_balances"}}));
    refused!(story, "ann", bad(), Rejection::Payee(payee::Rejection::Unknown { .. }));
    story.enrol("zoe");
    refused!(story, "ann", bad(), Rejection::Payee(payee::Rejection::NoPlan { .. }));
    story.publish("flat", flat("0.7", "0.3")).publish("capped", capped("15000 USD"));
    let assign =
        |plan: &str, from: &str| json!({"payee.assign": {"payee": "zoe", "plan": plan, "version": 1, "from": from}});
    story.given("ann", assign("flat", "2026-02-01"));
    refused!(story, "ann", bad(), Rejection::Cap(Refused::NoCap { .. }));
    story.given("ann", json!({"payee.end_assignment": {"payee": "zoe", "until": "2026-03-01"}}));
    story.given("ann", assign("capped", "2026-03-01"));
    refused!(story, "ann", opening("0 USD", "2026-03-01"), Rejection::Cap(Refused::NotPositive { .. }));
    refused!(story, "ann", opening("-1 USD", "2026-03-01"), Rejection::Cap(Refused::NotPositive { .. }));
    refused!(story, "ann", opening("1 EUR", "2026-03-01"), Rejection::Money(_));
    story.deal("d", "zoe", "10000 USD", "2026-03-05");
    let reason =
        refused!(story, "ann", opening("12000.01 USD", "2026-03-01"), Rejection::Cap(Refused::ExceedsRoom { .. }));
    assert!(reason.contains("12000.00 USD"), "{reason}");
    story.given("ann", opening("12000 USD", "2026-03-01"));
    refused!(story, "ann", opening("0 USD", "2026-12-31"), Rejection::Cap(Refused::AlreadyOpened { .. }));
    story.given("ann", opening("15000 USD", "2027-01-01"));
}

#[test]
fn v52_a_change_of_plan_keeps_what_was_contributed() {
    let mut story = Story::with_capped_zoe();
    story.given("ann", opening("11200 USD", "2026-01-01"));
    let mut better = capped("15000 USD");
    better["split"]["flat"] = json!({"payee": "0.8", "company": "0.2"});
    story.publish("better", better);
    story.given("ann", json!({"payee.end_assignment": {"payee": "zoe", "until": "2026-07-01"}}));
    story.given("ann", json!({"payee.assign": {"payee": "zoe", "plan": "better", "version": 1, "from": "2026-07-01"}}));
    assert_eq!(amounts(&mut story, "d", "10000 USD", "2026-07-01"), ["2000.00", "0.00", "0.00", "8000.00"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "1800.00 USD");
}

#[test]
fn a_lower_limit_leaves_no_room_and_takes_nothing_back() {
    let mut story = Story::with_capped_zoe();
    story.deal("d", "zoe", "40000 USD", "2026-02-01");
    story.publish("capped", capped("10000 USD"));
    story.given("ann", json!({"payee.end_assignment": {"payee": "zoe", "until": "2026-03-01"}}));
    story.given("ann", json!({"payee.assign": {"payee": "zoe", "plan": "capped", "version": 2, "from": "2026-03-01"}}));
    assert_eq!(story.room("zoe", "10000 USD", "2026-01-01"), "0.00 USD");
    assert_eq!(amounts(&mut story, "e", "1000 USD", "2026-03-01"), ["0.00", "0.00", "250.00", "750.00"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "3000.00 USD");
}

/// An account that could not be folded any more would stop the ledger, where a refusal is enough.
#[test]
fn contributions_that_no_amount_can_hold_are_refused_and_not_called_damage() {
    let mut story = Story::opened();
    let mut whole = capped("90000000000000000 USD");
    whole["cap"]["crossing"] = json!("whole_deal_pre_cap");
    whole["split"]["flat"] = json!({"payee": "0", "company": "1"});
    story.publish("whole", whole).enrol("zoe").assign("zoe", "whole");
    story.deal("d-1", "zoe", "80000000000000000 USD", "2026-02-01");
    let more = record("d-2", &["zoe"], "80000000000000000 USD", "2026-02-02");
    refused!(story, "ann", more, Rejection::Waterfall(Uncalculated { rule: Rule::Overflow, .. }));
    story.deal("d-3", "zoe", "10000000000000000 USD", "2026-02-02");
}

#[test]
fn v29_a_whole_deal_plan_goes_over_the_cap_once() {
    let mut story = Story::opened();
    let mut whole = capped("15000 USD");
    whole["cap"]["crossing"] = json!("whole_deal_pre_cap");
    story.publish("whole", whole).enrol("zoe").assign("zoe", "whole");
    story.given("ann", opening("8200 USD", "2026-01-01"));
    assert_eq!(amounts(&mut story, "d", "30000 USD", "2026-02-01"), ["9000.00", "0.00", "0.00", "21000.00"]);
    assert_eq!(amounts(&mut story, "e", "30000 USD", "2026-02-02"), ["0.00", "0.00", "250.00", "29750.00"]);
}

#[test]
fn v53_a_reversal_gives_the_room_back() {
    let mut story = Story::with_capped_zoe();
    story.given("ann", opening("12000 USD", "2026-01-01"));
    story.deal("d", "zoe", "10000 USD", "2026-02-01");
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "0.00 USD");
    let reversal = story.given("ann", json!({"deal.reverse": {"deal": "d", "reason": "withdrawn"}}));
    assert_eq!(types(&reversal), ["deal.reversed", "cap.reversed", "account.entry_reversed"]);
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "3000.00 USD");
    assert_eq!(amounts(&mut story, "e", "5000 USD", "2026-02-02"), ["1500.00", "0.00", "0.00", "3500.00"]);
}

#[test]
fn v55_a_reversal_after_the_year_counts_in_the_year_of_the_deal() {
    let mut story = Story::with_capped_zoe();
    story.at("2025-12-01T15:00:00Z");
    story.given("ann", opening("12000 USD", "2025-01-01"));
    story.deal("d", "zoe", "10000 USD", "2025-11-30");
    story.paid("zoe", "7000 USD");
    story.at("2026-02-10T15:00:00Z");
    story.deal("e", "zoe", "1000 USD", "2026-02-01");
    let reversal = story.given("ann", json!({"deal.reverse": {"deal": "d", "reason": "withdrawn"}}));
    assert_eq!(reversal.effective.to_string(), "2026-02-10");
    let Some((_, Event::Account(account::Event::EntryBooked { amount, earned_on, .. }))) = reversal.events.last()
    else {
        panic!("{reversal:?}")
    };
    assert_eq!((amount.to_string(), earned_on.to_string()), ("-7000.00 USD".into(), "2026-02-10".into()));
    assert_eq!(types(&reversal), ["deal.reversed", "cap.reversed", "account.entry_booked"]);
    assert_eq!(story.room("zoe", "15000 USD", "2025-01-01"), "3000.00 USD");
    assert_eq!(story.room("zoe", "15000 USD", "2026-01-01"), "14700.00 USD");
    assert_eq!(story.payable("zoe"), "-6300.00 USD");
}

#[test]
fn a_fee_above_the_share_is_refused() {
    let mut story = Story::opened();
    story.publish("none", capped("0 USD")).enrol("zoe").assign("zoe", "none");
    let small = record("d", &["zoe"], "249.99 USD", "2026-02-01");
    refused!(story, "ann", small, Rejection::Waterfall(Uncalculated { rule: Rule::Deficit { .. }, .. }));
    story.deal("d", "zoe", "250 USD", "2026-02-01");
    assert_eq!(story.payable("zoe"), "0.00 USD");
}

/// A deal's fee was charged in full to each of its capped payees, and refused where it was more than one payee's share.
#[test]
fn v62_the_fee_of_a_deal_is_charged_once_however_many_payees_are_capped() {
    let mut story = Story::opened();
    story.publish("capped", capped("0 USD"));
    for payee in ["zoe", "yan"] {
        story.enrol(payee).assign(payee, "capped");
    }
    let deal = |deal: &str, gci: &str| {
        let weights = json!([{"payee": "zoe", "weight": "0.6"}, {"payee": "yan", "weight": "0.4"}]);
        json!({"deal.record": {"deal": deal, "gci": {"amount": gci}, "attribution": {"custom": weights}, "completed_on": "2026-02-01"}})
    };
    for (name, gci, nets) in [("d-1", "10000 USD", ["5850.00", "3900.00"]), ("d-2", "600 USD", ["210.00", "140.00"])] {
        let decision = story.given("ann", deal(name, gci));
        let [zoe, yan] = ["zoe", "yan"].map(|payee| parts(&decision, payee));
        assert_eq!([&zoe[2], &yan[2]], ["150.00", "100.00"]);
        assert_eq!([&zoe[3], &yan[3]], nets);
    }
}

/// A new version of the plan moved the cap year, and the payee paid the cap twice.
#[test]
fn the_cap_years_of_a_programme_never_change() {
    let mut story = Story::with_capped_zoe();
    let mut document = capped("15000 USD");
    document["cap"]["caps"][0]["year"] = json!({"calendar": {"month": 7, "day": 1}});
    let publish = |document: &Value| json!({"plan.publish": {"plan": "other", "document": document}});
    let reason = refused!(story, "ann", publish(&document), Rejection::Waterfall(_));
    assert!(reason.starts_with("cap.caps.0.year: programme main has another year"), "{reason}");
    document["cap"]["caps"][0]["programme"] = json!("another");
    assert_eq!(types(&story.given("ann", publish(&document))), ["plan.published", "cap.programme_opened"]);
    let lower = publish(&capped("12000 USD"));
    assert_eq!(types(&story.given("ann", lower)), ["plan.published"], "another limit is no other cap year");
}

#[test]
fn beyond_the_cap_the_company_has_its_post_cap_share_of_the_exact_rest() {
    let mut story = Story::opened();
    let mut post = capped("6800 USD");
    post["cap"]["post_cap"] = json!({"payee": "0.9", "company": "0.1"});
    story.publish("post", post).enrol("zoe").assign("zoe", "post");
    // 6,800 of company dollar is yielded by 22,666.67 of the base; 10 % of the other 7,333.33 is 733.33.
    assert_eq!(amounts(&mut story, "d", "30000 USD", "2026-02-01"), ["6800.00", "733.33", "0.00", "22466.67"]);
}

#[test]
fn the_largest_amounts_are_calculated_or_refused_but_never_wrap() {
    let mut story = Story::opened();
    let mut post = capped("15000 USD");
    post["cap"]["post_cap"] = json!({"payee": "0.123456789", "company": "0.876543211"});
    story.publish("post", post).enrol("zoe").assign("zoe", "post");
    let deal = record("d", &["zoe"], "92233720368547758.07 USD", "2026-02-01");
    match story.when("ann", deal) {
        Err(Rejection::Waterfall(Uncalculated { rule: Rule::Overflow, .. })) => {}
        Err(other) => panic!("{other}"),
        Ok(decision) => assert_eq!(parts(&decision, "zoe")[0], "15000.00"),
    }
}
