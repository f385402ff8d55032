//! What the systems before this one did wrong with touches, commissions and payouts, each as the claim that it is not done again.

use ledger_core::decide::Rejection;
use ledger_core::money::Currency;
use ledger_core::projection::statistics::Statistics;
use ledger_core::projection::summary::Summary;
use ledger_core::projection::{Projection, sum::Sum};
use ledger_core::recorded::decode_page;
use ledger_core::{Request, deal, payee, payout};
use serde_json::json;

use crate::sale::{
    collect, complete, entries, model, of, rates, recompute, record, register, reverse, sale, shared, shop, sound,
    touch, touched,
};
use crate::story::Story;

/// A sale that is `payee`'s alone, by rate plan `ten`.
fn sold(story: &mut Story, deal: &str, payee: &str, amount: &str, day: &str) {
    let touches = json!([touched("t", payee, "2025-01-01")]);
    story.given("ann", record(deal, sale(amount), touches, day));
}

fn fold<P: Projection + Default>(story: &Story) -> P {
    let mut folded = P::default();
    decode_page("main", 0, &story.log).unwrap().iter().for_each(|recorded| folded.apply(recorded));
    folded
}

#[test]
fn defect_1_what_is_paid_or_rejected_is_neither_approved_nor_paid_again() {
    // Any status led to any other, so that paid was approved and paid again; and whoever made a payout approved it.
    let mut story = shop();
    shared(&mut story);
    let paid = story.paid("amy", "50.00 USD");
    let rejected = story.pending("bob");
    let approve = |payout| json!({"payout.approve": {"payout": payout}});
    refused!(story, "maya", approve(rejected), Rejection::Payout(payout::Rejection::MakerIsApprover { .. }));
    story.given("otto", json!({"payout.reject": {"payout": rejected, "reason": "wrong"}}));
    for payout in [paid, rejected] {
        let by_hand = json!({"payout": payout, "method": "cheque", "reference": "c-1", "account": "bank"});
        for command in [
            approve(payout),
            json!({"payout.reject": {"payout": payout, "reason": "wrong"}}),
            json!({"payout.start": {"payout": payout}}),
            json!({"payout.record_manual_payment": by_hand}),
            json!({"payout.void": {"payout": payout, "reason": "wrong"}}),
        ] {
            refused!(story, "otto", command, Rejection::Payout(payout::Rejection::IllegalTransition { .. }));
        }
    }
    let again = json!({"payout.settle": {"payout": paid, "attempt": 1, "amount": "50 USD"}});
    refused!(story, "rail", again, Rejection::AlreadyKnown(_));
    assert_eq!((story.payable("amy"), story.payable("bob")), ("0.00 USD".into(), "50.00 USD".into()));
    sound(&story);
}

#[test]
fn defect_2_a_commission_is_owed_once_and_only_when_the_sale_is_won() {
    // A payout was made when a sale was registered, and its attribution owed it a second time when it was won.
    let mut story = shop();
    let mut registered = sale("1000 USD");
    registered["registered_by"] = json!("amy");
    story.given("ann", register("d", registered.clone()));
    story.given("ann", touch("d", "t", "amy", "2026-01-05"));
    assert_eq!(story.payable("amy"), "0.00 USD");
    story.given("ann", complete("d", "2026-01-10"));
    assert_eq!(story.payable("amy"), "100.00 USD");
    refused!(story, "ann", register("d", registered), Rejection::Deal(deal::Rejection::AlreadyRegistered { .. }));
    refused!(story, "ann", complete("d", "2026-01-10"), Rejection::AlreadyKnown(_));
    story.paid("amy", "100.00 USD");
    refused!(story, "ann", json!({"payout.create": {"payee": "amy"}}), Rejection::Payout(_));
    sound(&story);
}

#[test]
fn defect_4_what_is_owed_is_of_one_result_less_what_was_paid() {
    // The rows of all five models were summed, and what had been paid was owed again.
    let mut story = shop();
    shared(&mut story);
    story.paid("amy", "50.00 USD");
    for (name, kind) in [("last", "last_touch"), ("first", "first_touch"), ("each", "linear")] {
        model(&mut story, name, json!({"model": {kind: {}}}));
        let by = json!({"model": name, "version": 1});
        story.given("ann", json!({"deal.recompute": {"deal": "d", "reason": "another model", "model": by}}));
    }
    sold(&mut story, "d2", "amy", "2000 USD", "2026-01-20");
    assert_eq!(story.payable("amy"), "200.00 USD", "her half of the first sale was paid");
    assert_eq!(story.payable("bob"), "50.00 USD");
    sound(&story);
}

#[test]
fn defect_7_what_is_paid_is_clawed_back_and_what_a_payout_has_claimed_stands_in_the_way() {
    // Calculating again deleted what had been attributed, even if it was paid.
    let mut story = shop();
    shared(&mut story);
    story.paid("amy", "50.00 USD");
    story.given("ann", touch("d", "t3", "cat", "2026-01-07"));
    let payout = story.pending("bob");
    refused!(story, "ann", recompute("d"), Rejection::Deal(deal::Rejection::EntryClaimed { .. }));
    refused!(story, "ann", reverse("d"), Rejection::Deal(deal::Rejection::EntryClaimed { .. }));
    story.given("otto", json!({"payout.reject": {"payout": payout, "reason": "wait"}}));
    story.given("ann", recompute("d"));
    assert_eq!(story.payable("amy"), "-16.67 USD", "33.33 less the 50.00 that she has");
    assert_eq!(story.payable("bob"), "33.33 USD");
    story.given("ann", reverse("d"));
    assert_eq!(story.payable("amy"), "-50.00 USD", "what she was paid is open");
    assert_eq!((story.payable("bob"), story.payable("cat")), ("0.00 USD".into(), "0.00 USD".into()));
    sound(&story);
}

#[test]
fn defect_8_a_message_told_twice_counts_once_and_names_its_currency_and_its_payee() {
    // A webhook that was delivered twice counted twice, cents were taken for dollars, and a payee was found by a part of its name.
    let mut story = shop();
    story.given("ann", register("d", sale("1000 USD")));
    story.given("ann", touch("d", "t1", "amy", "2026-01-05"));
    refused!(story, "hook", touch("d", "t1", "amy", "2026-01-05"), Rejection::AlreadyKnown(_));
    refused!(story, "hook", touch("d", "t2", "am", "2026-01-05"), Rejection::Payee(payee::Rejection::UnknownAt { .. }));
    refused!(
        story,
        "hook",
        touch("d", "t2", "Amy", "2026-01-05"),
        Rejection::Payee(payee::Rejection::UnknownAt { .. })
    );
    story.given("ann", complete("d", "2026-01-10"));
    story.given("ann", collect("d", "p1", "400 USD", "2026-01-12"));
    refused!(story, "hook", collect("d", "p1", "400 USD", "2026-01-12"), Rejection::AlreadyKnown(_));
    let cents = collect("d", "p1", "40000 USD", "2026-01-12");
    refused!(story, "hook", cents, Rejection::Deal(deal::Rejection::PaymentTaken { .. }));
    for amount in [json!(40000), json!(400.0), json!("40000"), json!("400.000 USD")] {
        let mut payment = collect("d", "p2", "", "2026-01-12");
        payment["deal.collect"]["amount"] = amount;
        let request = json!({"key": "k", "actor": "hook", "at": "2026-02-02T15:00:00Z", "command": payment});
        assert!(serde_json::from_value::<Request>(request.clone()).is_err(), "{request}");
    }
    sound(&story);
}

#[test]
fn defect_9_what_is_owed_counts_by_the_day_earned_and_what_is_paid_by_the_day_paid() {
    // One page took both from other days, counted what was rejected as outstanding, left out who earned nothing in the time, and
    // of 1,000 owed and 400 paid had nothing outstanding.
    let mut story = shop();
    sold(&mut story, "d1", "amy", "4000 USD", "2025-12-31");
    sold(&mut story, "d2", "cat", "700 USD", "2025-12-31");
    story.paid("amy", "400.00 USD");
    story.paid("cat", "70.00 USD");
    sold(&mut story, "d3", "amy", "6000 USD", "2026-01-05");
    let rejected = story.pending("amy");
    story.given("otto", json!({"payout.reject": {"payout": rejected, "reason": "wrong"}}));

    let usd = Currency::of("USD").unwrap();
    let (summary, statistics): (Summary, Statistics) = (fold(&story), fold(&story));
    let of = |payee: &str| summary.balance(&payee.parse().unwrap(), usd).unwrap();
    let amy = of("amy");
    assert_eq!([amy.earned, amy.settled, amy.payable, amy.claimed].map(Sum::minor), [100_000, 40_000, 60_000, 0]);
    let year =
        |payee: &str, year: i32| of(payee).years.get(&year).map(|year| [year.earned, year.settled].map(Sum::minor));
    assert_eq!((year("amy", 2025), year("amy", 2026)), (Some([40_000, 0]), Some([60_000, 40_000])));
    assert_eq!(year("cat", 2026), Some([0, 7_000]), "paid, and earned nothing");
    let totals = statistics.of(usd);
    assert_eq!((totals.outstanding().amount.minor(), totals.settled().amount.minor()), (0, 47_000));
    sound(&story);
}

#[test]
fn defect_10_another_version_of_the_rate_plan_is_used_only_when_it_is_named() {
    // Rates were looked up anew at each look, so that yesterday's commission changed with today's table.
    let mut story = shop();
    shared(&mut story);
    rates(&mut story, "ten", json!({"currency": "USD", "otherwise": {"rate": "0.12"}}));
    refused!(story, "ann", recompute("d"), Rejection::AlreadyKnown(_));
    let named = json!({"deal.recompute": {"deal": "d", "reason": "agreed", "rates": of("ten", 2)}});
    assert_eq!(entries(&story.given("ann", named)), ["amy 60.00", "bob 60.00"]);
    model(&mut story, "last", json!({"model": {"last_touch": {}}}));
    let model = json!({"model": "last", "version": 1});
    let named = json!({"deal.recompute": {"deal": "d", "reason": "agreed", "model": model}});
    let last = story.given("ann", named);
    assert_eq!(entries(&last), ["bob 120.00"], "under the version so far");
    assert_eq!((story.payable("amy"), story.payable("bob")), ("0.00 USD".into(), "120.00 USD".into()));
    sound(&story);
}
