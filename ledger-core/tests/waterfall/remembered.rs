//! What the systems before this one did wrong, each as the claim that it is not done again.

use serde_json::{Value, json};

use crate::case::{Case, cap, fee, flat, plan, sample, side, with};

/// Only flat splits were checked to be the whole; the order of tiers and the sign of a cap were not checked at all.
#[test]
fn defect_a_every_split_every_tier_and_every_cap_is_checked() {
    let tiers = |tiers: Value| plan(json!({"tiered": {"tiers": {"company_dollar": tiers}, "per": "deal"}}));
    let tier = |from: &str, payee: &str, company: &str| json!({"from": from, "payee": payee, "company": company});
    let mut post_cap = sample();
    post_cap["cap"]["post_cap"] = json!({"payee": "1", "company": "0.1"});
    let mut negative = sample();
    negative["cap"]["caps"][0]["limit"] = "-1 USD".into();
    for (plan, refusal) in [
        (flat("0.7", "0.2"), "shares_do_not_sum at plans.plan.split.flat"),
        (
            tiers(json!([tier("0 USD", "0.7", "0.3"), tier("5000 USD", "0.8", "0.3")])),
            "shares_do_not_sum at plans.plan.split.tiered.tiers.company_dollar.1",
        ),
        (
            tiers(json!([tier("5000 USD", "0.7", "0.3"), tier("0 USD", "0.8", "0.2")])),
            "tiers at plans.plan.split.tiered.tiers.company_dollar",
        ),
        (post_cap, "shares_do_not_sum at plans.plan.cap.post_cap"),
        (negative, "negative at plans.plan.cap.caps.0.limit"),
    ] {
        assert_eq!(Case::of(plan).refused(), refusal);
    }
}

/// A snapshot of a plan left out its fees and bonuses, so what a deal was calculated under could not be told.
#[test]
fn defect_b_the_hash_of_a_plan_covers_all_that_it_says() {
    let hash = |plan: Value| {
        let answer = Case::of(plan).sale("1000 USD").calculated();
        answer.side(0, 0)["lines"][0]["because"]["hash"].as_str().unwrap().to_owned()
    };
    let mut hashes = vec![hash(sample())];
    hashes.push(hash(with(sample(), "fees", json!([]))));
    hashes.push(hash(with(
        sample(),
        "bonuses",
        json!([{"name": "b", "when": "each_deal", "amount": {"rate": "0.01"}}]),
    )));
    hashes.push(hash(with(sample(), "zone", "Europe/Berlin".into())));
    hashes.push(hash(with(sample(), "deficit", "receivable".into())));
    hashes.push(hash(with(sample(), "rounding", "half_even".into())));
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
    assert_eq!(hash(sample()), hash(with(sample(), "rounding", "half_away_from_zero".into())), "a default said aloud");
}

/// A cap belonged to a plan, so a new plan began from nothing, and a team could have none.
#[test]
fn defect_c_a_cap_belongs_to_its_programme_and_may_be_a_teams() {
    let mut pool = cap("team", "4000 USD");
    pool["of"] = json!({"pool": "north"});
    let of_team = |split: Value| with(split, "cap", json!({"caps": [cap("house", "15000 USD"), pool]}));
    let case = Case::of(of_team(flat("0.7", "0.3"))).plan("other", of_team(flat("0.8", "0.2"))).payee("bob", "other");
    let mut case =
        case.sale("10000 USD").deal(side("10000 USD", &["bob"])).deal_on("2025-07-01", side("1000 USD", &["ann"]));
    case.0["payees"]["ann"]["plans"] =
        json!([{"plan": "plan", "from": "2025-01-01", "until": "2025-07-01"}, {"plan": "other", "from": "2025-07-01"}]);
    let answer = case.calculated();
    assert_eq!(answer.lines(1, 0)[0], "bob: company_dollar company 1000.00", "3,000 of the team's 4,000 were ann's");
    assert_eq!(answer.ann(), "1000.00", "the team is capped under any plan");
    assert_eq!(answer.cap(0), "3000.00 of 15000.00, room 12000.00, 0.2", "what ann had of her own cap is kept");
    assert_eq!(answer.cap(2), "4000.00 of 4000.00, room 0.00, 1, capped");
}

/// Spans were closed and in UTC: the last second of a day was in neither of two plans, and midnight was somewhere else.
#[test]
fn defect_d_spans_are_half_open_and_days_are_those_of_the_plan() {
    let there = |split: Value| with(split, "zone", "America/New_York".into());
    let mut case = Case::of(there(flat("0.7", "0.3"))).plan("next", there(flat("0.8", "0.2")));
    case.0["payees"]["ann"]["plans"] =
        json!([{"plan": "plan", "from": "2025-01-01", "until": "2025-07-01"}, {"plan": "next", "from": "2025-07-01"}]);
    for (at, has) in [
        ("2025-06-30", "700.00"),
        ("2025-07-01", "800.00"),
        ("2025-07-01T03:59:59.999Z", "700.00"),
        ("2025-07-01T04:00:00Z", "800.00"),
    ] {
        assert_eq!(case.clone().deal_on(at, side("1000 USD", &["ann"])).calculated().ann(), has, "{at}");
    }
    let first = case.deal_on("2024-12-31", side("1000 USD", &["ann"]));
    assert_eq!(first.refused(), "no_plan at deals.0.sides.0.payees.0");
}

/// Two plans could hold at once, and which of them counted was chance.
#[test]
fn defect_e_two_plans_never_hold_at_once() {
    let mut case = Case::of(flat("0.7", "0.3")).plan("next", flat("0.8", "0.2"));
    case.0["payees"]["ann"]["plans"] =
        json!([{"plan": "plan", "from": "2025-01-01"}, {"plan": "next", "from": "2025-07-01"}]);
    assert_eq!(case.refused(), "overlapping_plans at payees.ann.plans.1", "an open span does not end by itself");
    // The spans do not overlap, but at one instant each plan has a day of its own.
    let east = with(flat("0.8", "0.2"), "zone", "Asia/Tokyo".into());
    let west = with(flat("0.7", "0.3"), "zone", "America/New_York".into());
    let mut case = Case::of(west).plan("east", east);
    case.0["payees"]["ann"]["plans"] =
        json!([{"plan": "plan", "from": "2025-01-01", "until": "2025-07-01"}, {"plan": "east", "from": "2025-07-01"}]);
    let case = case.deal_on("2025-06-30T20:00:00Z", side("1000 USD", &["ann"]));
    assert_eq!(case.refused(), "overlapping_plans at deals.0.sides.0.payees.0");
}

/// A cap of nothing showed a progress of nothing, and what was below zero was taken as it was.
#[test]
fn defect_f_a_cap_of_nothing_is_reached_and_nothing_below_zero_is_contributed() {
    let mut none = sample();
    none["cap"]["caps"][0]["limit"] = "0 USD".into();
    assert_eq!(Case::of(none).sale("1000 USD").calculated().cap(0), "0.00 of 0.00, room 0.00, 1, capped");
    let negative = Case::of(sample()).contributed("house", "-1 USD");
    assert_eq!(negative.refused(), "negative at caps.0.contributed");
    let over = Case::of(sample()).contributed("house", "20000 USD").sale("1000 USD").calculated();
    assert_eq!(over.cap(0), "20000.00 of 15000.00, room 0.00, 1, capped", "after a limit was lowered");
}

/// A referral was taken off the top and then once more from the company.
#[test]
fn defect_g_a_referral_is_not_taken_twice() {
    let plan = with(flat("0.7", "0.3"), "fees", json!([fee("team", "always", json!({"flat": "1500 USD"}))]));
    let mut plan = plan;
    plan["fees"][0]["to"] = json!({"payee": "lead"});
    let mut deal = side("18000 USD", &["ann"]);
    deal["off_top"] = json!([{"referral_out": {"to": "joe", "amount": {"flat": "4500 USD"}}}]);
    let answer = Case::of(plan).deal(deal).calculated();
    assert_eq!(answer.has(json!({"referrer": "joe"})), "4500.00");
    assert_eq!(
        [answer.company(), answer.ann(), answer.has(json!({"payee": "lead"}))],
        ["4050.00", "7950.00", "1500.00"]
    );
}

/// The referrer was no party of the sum, and an adjustment of one party came from nowhere.
#[test]
fn defect_h_every_line_has_its_contra_and_the_parties_sum_to_the_commission() {
    let mut deal = side("18000 USD", &["ann"]);
    deal["off_top"] = json!([{"referral_out": {"to": "joe", "amount": {"rate": "0.25"}}}]);
    deal["adjustments"] = json!([{"from": "company", "to": {"payee": "ann"}, "amount": "50 USD", "reason": "retention", "actor": "broker"}]);
    let answer = Case::of(sample()).deal(deal.clone()).calculated();
    assert_eq!(
        [answer.company(), answer.ann(), answer.has(json!({"referrer": "joe"}))],
        ["4000.00", "9500.00", "4500.00"]
    );
    assert_eq!(answer.lines(0, 0)[3..], ["-: adjustment company -50.00", "-: adjustment ann 50.00"]);
    for field in ["from", "to", "reason", "actor"] {
        let mut without = deal.clone();
        without["adjustments"][0].as_object_mut().unwrap().remove(field);
        assert_eq!(Case::of(sample()).deal(without).refused(), "malformed at deals.0.sides.0.adjustments.0", "{field}");
    }
}

/// 0.15, 15 and 15% were all taken for rates: a rate of 15 paid fifteen times the deal.
#[test]
fn defect_3_a_rate_is_of_one_and_nothing_else() {
    assert_eq!(Case::of(flat("70", "30")).refused(), "shares_do_not_sum at plans.plan.split.flat");
    assert_eq!(Case::of(flat("70%", "30%")).refused(), "malformed at plans.plan.split.flat.company");
    let fees = json!([fee("f", "always", json!({"rate": "15"}))]);
    assert_eq!(Case::of(with(sample(), "fees", fees)).refused(), "rate_out_of_bounds at plans.plan.fees.0.amount");
    let bonus = json!([{"name": "b", "when": "each_deal", "amount": {"rate": "1.01"}}]);
    assert_eq!(
        Case::of(with(sample(), "bonuses", bonus)).refused(),
        "rate_out_of_bounds at plans.plan.bonuses.0.amount"
    );
    let mut number = flat("0.7", "0.3");
    number["split"]["flat"]["payee"] = json!(0.7);
    assert_eq!(Case::of(number).refused(), "malformed at plans.plan.split.flat.payee", "a float is no rate");
}
