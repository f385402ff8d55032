use ledger_core::account::Status;
use ledger_core::deal::Rejection as Refused;
use ledger_core::decide::Rejection;
use ledger_core::money::{Currency, Money};
use ledger_core::slice::State;
use ledger_core::stream::StreamId;
use ledger_core::{payee, settings};
use serde_json::{Value, json};

use crate::story::{Story, completion, flat, lines, record, types};

fn register(gci: &str) -> Value {
    json!({"deal.register": {"deal": "d", "gci": {"amount": gci}}})
}

fn attribute() -> Value {
    json!({"deal.attribute": {"deal": "d", "attribution": {"equal": ["zoe"]}}})
}

fn complete(on: &str) -> Value {
    json!({"deal.complete": {"deal": "d", "completed_on": on}})
}

fn reverse() -> Value {
    json!({"deal.reverse": {"deal": "d", "reason": "withdrawn"}})
}

#[test]
fn a_deal_goes_its_way_step_by_step_or_at_once_to_the_same_end() {
    let mut steps = Story::with_zoe();
    steps.given("ann", register("100 USD"));
    steps.given("ann", attribute());
    let completed = steps.given("ann", complete("2026-02-01"));
    assert_eq!(types(&completed), ["deal.completed", "account.entry_booked"]);
    assert_eq!(completed.effective.to_string(), "2026-02-01");
    let mut once = Story::with_zoe();
    let recorded = once.deal("d", "zoe", "100 USD", "2026-02-01");
    assert_eq!(types(&recorded), ["deal.registered", "deal.attributed", "deal.completed", "account.entry_booked"]);
    assert_eq!(steps.payable("zoe"), once.payable("zoe"));
}

#[test]
fn every_step_is_refused_where_the_deal_is_not() {
    let mut story = Story::with_zoe();
    for step in [attribute(), complete("2026-02-01"), reverse()] {
        refused!(story, "ann", step, Rejection::Deal(Refused::Unknown { .. }));
    }
    story.given("ann", register("100 USD"));
    refused!(story, "ann", register("100 USD"), Rejection::AlreadyKnown(_));
    refused!(story, "ann", register("101 USD"), Rejection::Deal(Refused::AlreadyRegistered { .. }));
    refused!(story, "ann", complete("2026-02-01"), Rejection::Deal(Refused::NotAttributed { .. }));
    refused!(story, "ann", reverse(), Rejection::Deal(Refused::NotCompleted { .. }));
    story.given("ann", attribute());
    refused!(story, "ann", attribute(), Rejection::AlreadyKnown(_));
    refused!(story, "ann", reverse(), Rejection::Deal(Refused::NotCompleted { .. }));
    story.given("ann", complete("2026-02-01"));
    refused!(story, "ann", register("101 USD"), Rejection::Deal(Refused::AlreadyRegistered { .. }));
    refused!(story, "ann", attribute(), Rejection::Deal(Refused::AlreadyCompleted { .. }));
    refused!(story, "ann", complete("2026-02-01"), Rejection::AlreadyKnown(_));
    refused!(story, "ann", complete("2026-02-02"), Rejection::Deal(Refused::AlreadyCompleted { .. }));
    story.given("ann", reverse());
    refused!(story, "ann", reverse(), Rejection::AlreadyKnown(_));
    refused!(story, "ann", attribute(), Rejection::Deal(Refused::Reversed { .. }));
    refused!(story, "ann", complete("2026-02-01"), Rejection::Deal(Refused::Reversed { .. }));
    refused!(
        story,
        "ann",
        record("d", &["zoe"], "100 USD", "2026-02-01"),
        Rejection::Deal(Refused::AlreadyRegistered { .. })
    );
}

#[test]
fn a_deal_that_was_recorded_is_already_known_only_in_every_particular() {
    let mut story = Story::with_zoe();
    story.enrol("yan").assign("yan", "all");
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    refused!(story, "bob", record("d", &["zoe"], "100 USD", "2026-02-01"), Rejection::AlreadyKnown(_));
    for other in [
        record("d", &["yan"], "100 USD", "2026-02-01"),
        record("d", &["zoe"], "100.01 USD", "2026-02-01"),
        record("d", &["zoe"], "100 USD", "2026-02-02"),
    ] {
        refused!(story, "bob", other, Rejection::Deal(Refused::AlreadyRegistered { .. }));
    }
}

#[test]
fn a_deal_that_is_only_registered_does_not_count_as_recorded() {
    let mut story = Story::with_zoe();
    story.given("ann", register("100 USD"));
    // An importer that is told "already known" is done with the deal, and nobody is ever paid for it.
    let recorded = record("d", &["zoe"], "100 USD", "2026-02-01");
    refused!(story, "ann", recorded.clone(), Rejection::Deal(Refused::AlreadyRegistered { .. }));
    story.given("ann", attribute());
    refused!(story, "ann", recorded, Rejection::Deal(Refused::AlreadyRegistered { .. }));
}

#[test]
fn a_commission_is_given_or_a_rate_of_the_price() {
    let mut story = Story::with_zoe();
    let gci =
        |price: &str| json!({"deal.register": {"deal": "d", "gci": {"of_price": {"price": price, "rate": "0.029"}}}});
    refused!(story, "ann", gci("-5 USD"), Rejection::Deal(Refused::NegativeGci { .. }));
    refused!(story, "ann", register("-0.01 USD"), Rejection::Deal(Refused::NegativeGci { .. }));
    refused!(story, "ann", register("-0.01 EUR"), Rejection::Deal(Refused::NegativeGci { .. }));
    story.given("ann", gci("5.00 USD"));
    story.given("ann", attribute());
    story.given("ann", complete("2026-02-01"));
    assert_eq!(story.payable("zoe"), "0.15 USD", "14.5 cents, half away from zero");
}

#[test]
fn a_deal_of_nothing_earns_nothing() {
    let mut story = Story::with_zoe();
    assert_eq!(types(&story.deal("d", "zoe", "0 USD", "2026-02-01")).last().unwrap(), "deal.completed");
    story.given("ann", reverse());
    assert_eq!(story.payable("zoe"), "0.00 USD");
}

#[test]
fn a_deal_is_in_the_currency_of_its_plans_and_foreign_ones_are_switched_on() {
    let mut story = Story::with_zoe();
    let yen = record("d", &["zoe"], "100 JPY", "2026-02-01");
    refused!(story, "ann", yen.clone(), Rejection::Deal(Refused::WrongCurrency { .. }));
    story.given("ann", json!({"settings.switch_off": {"capability": "foreign_currencies"}}));
    refused!(story, "ann", yen, Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
}

#[test]
fn a_deal_of_strangers_or_of_who_has_no_plan_is_refused() {
    let mut story = Story::with_zoe();
    let strangers = record("d", &["zoe", "nobody"], "100 USD", "2026-02-01");
    let reason = refused!(story, "ann", strangers, Rejection::Payee(payee::Rejection::UnknownAt { .. }));
    assert!(reason.starts_with("attribution.equal.1: payee nobody is unknown"), "{reason}");
    story.enrol("yan");
    let unassigned = record("d", &["zoe", "yan"], "100 USD", "2026-02-01");
    refused!(story, "ann", unassigned, Rejection::Payee(payee::Rejection::NoPlan { .. }));
    assert_eq!(story.payable("zoe"), "0.00 USD", "nobody is booked when one cannot be");
}

#[test]
fn what_is_unpaid_is_reversed_and_never_payable_again() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    story.deal("e", "zoe", "30 USD", "2026-02-01");
    assert_eq!(types(&story.given("ann", reverse())), ["deal.reversed", "account.entry_reversed"]);
    assert_eq!(story.payable("zoe"), "30.00 USD");
}

#[test]
fn what_is_claimed_is_not_reversed_until_its_payout_is_settled_or_gone() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    let payout = story.draft("zoe");
    for (actor, next) in [
        ("maya", json!({"payout.submit": {"payout": payout}})),
        ("otto", json!({"payout.approve": {"payout": payout}})),
        ("otto", json!({"payout.start": {"payout": payout}})),
        ("rail", json!({"payout.fail": {"payout": payout, "attempt": 1, "reason": "closed"}})),
    ] {
        refused!(story, "ann", reverse(), Rejection::Deal(Refused::EntryClaimed { .. }));
        story.given(actor, next);
    }
    refused!(story, "ann", reverse(), Rejection::Deal(Refused::EntryClaimed { .. }));
    story.given("otto", json!({"payout.void": {"payout": payout, "reason": "r"}}));
    story.given("ann", reverse());
    assert_eq!(story.payable("zoe"), "0.00 USD");
}

#[test]
fn what_is_paid_becomes_a_clawback_that_is_claimed_like_any_other_entry() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    story.paid("zoe", "100 USD");
    story.given("ann", reverse());
    assert_eq!(story.payable("zoe"), "-100.00 USD");
    story.deal("e", "zoe", "250 USD", "2026-02-03");
    let payout = story.draft("zoe");
    assert_eq!(story.amount(payout), "150.00 USD");
    assert_eq!(story.payable("zoe"), "0.00 USD");
}

#[test]
fn a_reversal_treats_each_payee_by_what_became_of_its_own_entry() {
    let mut story = Story::with_zoe();
    for payee in ["yan", "xia"] {
        story.enrol(payee).assign(payee, "all");
    }
    story.given("ann", record("d", &["zoe", "yan"], "100.01 USD", "2026-02-01"));
    story.paid("zoe", "50.01 USD");
    let reversal = story.given("ann", reverse());
    assert_eq!(types(&reversal), ["deal.reversed", "account.entry_booked", "account.entry_reversed"]);
    assert_eq!(["zoe", "yan"].map(|payee| story.payable(payee)), ["-50.01 USD", "0.00 USD"]);
}

#[test]
fn one_claimed_entry_keeps_the_whole_deal_from_being_reversed() {
    let mut story = Story::with_zoe();
    story.enrol("yan").assign("yan", "all");
    story.given("ann", record("d", &["zoe", "yan"], "100 USD", "2026-02-01"));
    story.draft("yan");
    refused!(story, "ann", reverse(), Rejection::Deal(Refused::EntryClaimed { .. }));
    assert_eq!(story.payable("zoe"), "50.00 USD");
}

#[test]
fn v94_a_clawback_above_the_earnings_waits_for_later_ones() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    story.paid("zoe", "100 USD");
    story.deal("e", "zoe", "20 USD", "2026-02-02");
    story.given("ann", reverse());
    let refusal = story.refused("maya", json!({"payout.create": {"payee": "zoe"}}));
    assert_eq!(refusal.to_string(), "what is payable to zoe sums to -80.00 USD: a payout needs an amount above zero");
    story.deal("f", "zoe", "80 USD", "2026-02-03");
    refused!(
        story,
        "maya",
        json!({"payout.create": {"payee": "zoe"}}),
        Rejection::Payout(ledger_core::payout::Rejection::NotPositive { .. })
    );
    story.deal("g", "zoe", "10 USD", "2026-02-03");
    let payout = story.draft("zoe");
    assert_eq!(story.amount(payout), "10.00 USD");
}

#[test]
fn a_reversed_deal_sums_to_nothing_by_line_and_by_account() {
    let mut story = Story::opened();
    story.publish("odd", flat("0.333333333333", "0.666666666667"));
    for payee in ["zoe", "yan", "xia"] {
        story.enrol(payee).assign(payee, "odd");
    }
    let decision = story.given("ann", record("d", &["zoe", "yan", "xia"], "100 USD", "2026-02-01"));
    let (completed, entries) = (lines(&decision), completion(&decision).entries);
    let reversed = lines(&story.given("ann", reverse()));
    assert_eq!(completed, reversed, "what is negated is what was stored");
    assert_eq!(["zoe", "yan", "xia"].map(|payee| story.payable(payee)), ["0.00 USD"; 3]);
    for earned in entries {
        let account = StreamId::Account { payee: earned.payee, currency: Currency::of("USD").unwrap() };
        let Some(State::Account(account)) = story.state(&account) else { panic!("no account") };
        assert_eq!(account.entry(earned.entry.unwrap()).unwrap().status, Status::Reversed);
    }
}

#[test]
fn a_deal_of_a_day_to_come_is_not_taken_back_before_it() {
    // As of the days between, the reversal was there and what it takes back was not: a payee had less than nothing.
    let mut story = Story::with_zoe();
    story.given("ann", record("d", &["zoe"], "100 USD", "2026-06-30"));
    let reversed = story.given("ann", reverse());
    assert_eq!(types(&reversed), ["deal.reversed", "account.entry_reversed"]);
    assert_eq!(reversed.effective.to_string(), "2026-06-30");
}

#[test]
fn amounts_too_large_to_add_up_are_refused() {
    let mut story = Story::with_zoe();
    let most = Money::new(i64::MAX, Currency::of("USD").unwrap()).unwrap().to_string();
    for deal in ["d", "e"] {
        story.deal(deal, "zoe", &most, "2026-02-01");
    }
    refused!(story, "maya", json!({"payout.create": {"payee": "zoe"}}), Rejection::Money(_));
}

/// A date of five digits was stored, and nothing could read the ledger after it.
#[test]
fn a_date_that_no_store_can_keep_is_refused() {
    let out_of_range = |reason: Rejection| assert!(matches!(reason, Rejection::Calendar(_)), "{reason:?}");
    let mut story = Story::with_zoe();
    for on in ["+12000-01-01", "1899-12-31", "-0001-01-01", "9999-01-01"] {
        out_of_range(story.refused("ann", record("d", &["zoe"], "100 USD", on)));
        out_of_range(story.refused("ann", json!({"payee.enrol": {"payee": "p", "name": "n", "joined_on": on}})));
        let end = json!({"payee.end_assignment": {"payee": "zoe", "until": on}});
        out_of_range(story.refused("ann", end));
    }
    story.at("9999-12-31T20:00:00Z");
    out_of_range(story.refused("ann", json!({"settings.switch_off": {"capability": "rail_payments"}})));
}
