//! The golden vectors of the field: published numbers, and such as are derived from the stated rules.

use serde_json::{Value, json};

use crate::case::{Case, cap, fee, flat, plan, sample, side, with};

/// Tiers of payees' rates by a measure, over each deal for itself.
fn tiered(measure: &str, tiers: &[(&str, &str)], more: Value) -> Value {
    let tier = |(from, payee): &(&str, &str)| {
        let rate: ledger_core::rate::Rate = payee.parse().unwrap();
        json!({"from": from, "payee": payee, "company": rate.complement().unwrap().to_string()})
    };
    let tiers: Vec<Value> = tiers.iter().map(tier).collect();
    let tiers = match measure.strip_prefix("quota ") {
        Some(quota) => json!({"attainment": {"quota": quota, "tiers": tiers}}),
        None => json!({measure: tiers}),
    };
    let mut split = json!({"tiers": tiers, "per": "deal"});
    for (name, value) in more.as_object().unwrap() {
        split[name] = value.clone();
    }
    plan(json!({"tiered": split}))
}

fn by_year(plan: Value) -> Value {
    with(plan, "attainment", json!({"programme": "volume", "year": {"calendar": {"month": 1, "day": 1}}}))
}

fn ann(plan: Value, gci: &str) -> String {
    Case::of(plan).sale(gci).calculated().ann()
}

#[test]
fn v08_a_minimum_holds_below_and_not_above() {
    let plan = tiered("revenue", &[("0 USD", "0.01"), ("300000 USD", "0.005")], json!({"minimum": "1000 USD"}));
    for (sale, commission) in [
        ("50000 USD", "1000.00"),
        ("100000 USD", "1000.00"),
        ("200000 USD", "2000.00"),
        ("400000 USD", "3500.00"),
        ("800000 USD", "5500.00"),
        ("0 USD", "0.00"),
    ] {
        assert_eq!(ann(plan.clone(), sale), commission, "{sale}");
    }
    assert_eq!(Case::of(plan).sale("600 USD").calculated().company(), "-400.00", "the company adds what is missing");
}

const ACCELERATOR: [(&str, &str); 3] = [("0 USD", "0.05"), ("100000 USD", "0.06"), ("125000 USD", "0.07")];

/// Catches a walk back down the ladder that forgets the minimum: the payee would have less beyond the cap than without it.
#[test]
fn a_minimum_holds_also_in_the_deal_that_crosses_the_cap() {
    let mut plan = tiered("revenue", &[("0 USD", "0.7"), ("300 USD", "0.8")], json!({"minimum": "1700 USD"}));
    plan["cap"] = json!({"caps": [cap("house", "200 USD")], "post_cap": {"payee": "0.9", "company": "0.1"}});
    let answer = Case::of(plan).sale("2000 USD").calculated();
    let lines = ["company_dollar company 200.00", "post_cap_company company 10.00", "share ann 1790.00"];
    assert_eq!(answer.lines(0, 0), lines.map(|line| format!("ann: {line}")));
}

#[test]
fn v15_marginal_tiers_are_of_what_lies_in_them() {
    assert_eq!(ann(tiered("revenue", &ACCELERATOR, json!({})), "150000 USD"), "8250.00");
}

#[test]
fn v16_a_retroactive_tier_is_of_everything() {
    assert_eq!(ann(tiered("revenue", &ACCELERATOR, json!({"mode": "retroactive"})), "150000 USD"), "10500.00");
}

#[test]
fn v17_a_quota_is_attained_in_three_modes() {
    let tiers = [("0", "0.06"), ("1", "0.08"), ("1.5", "0.1")];
    for (mode, commission) in [("marginal", "6800.00"), ("retroactive", "8800.00"), ("above_quota", "800.00")] {
        let plan = tiered("quota 100000 USD", &tiers, json!({"mode": mode}));
        assert_eq!(ann(plan, "110000 USD"), commission, "{mode}");
    }
}

#[test]
fn v18_a_threshold_that_is_exactly_met_is_reached() {
    assert_eq!(ann(tiered("revenue", &ACCELERATOR, json!({})), "100000 USD"), "5000.00");
    assert_eq!(ann(tiered("revenue", &ACCELERATOR, json!({"mode": "retroactive"})), "100000 USD"), "6000.00");
    let quota = tiered("quota 100000 USD", &[("0", "0.05"), ("1", "0.06")], json!({"mode": "retroactive"}));
    assert_eq!(ann(quota.clone(), "100000 USD"), "6000.00");
    assert_eq!(ann(quota, "99999.99 USD"), "5000.00");
}

#[test]
fn v19_a_deal_that_crosses_a_tier_is_cut_there() {
    let plan = by_year(tiered("revenue", &ACCELERATOR, json!({"per": "year"})));
    let before = json!({"programme": "volume", "payee": "ann", "on": "2025-01-01", "revenue": "95000 USD"});
    let answer = Case::of(plan).attained(before).sale("15000 USD").calculated();
    assert_eq!(answer.ann(), "850.00");
    let attained = &answer.0["attainments"][0];
    assert_eq!([&attained["revenue"], &attained["accrued"]], ["110000.00 USD", "850.00 USD"]);
}

#[test]
fn a_retroactive_year_tops_up_what_was_accrued() {
    let plan = by_year(tiered("revenue", &ACCELERATOR, json!({"per": "year", "mode": "retroactive"})));
    let case = Case::of(plan).sale("90000 USD").sale("10000 USD").sale("50000 USD");
    let answer = case.calculated();
    assert_eq!(answer.lines(0, 0)[1], "ann: share ann 4500.00");
    assert_eq!(answer.lines(1, 0)[1], "ann: share ann 1500.00", "6,000 in all at 100,000");
    assert_eq!(answer.lines(2, 0)[1], "ann: share ann 4500.00", "10,500 in all at 150,000");
}

#[test]
fn v22_above_the_quota_the_rate_is_higher() {
    assert_eq!(ann(tiered("quota 100000 USD", &[("0", "0.1"), ("1", "0.12")], json!({})), "120000 USD"), "12400.00");
}

#[test]
fn v23_a_bonus_a_deal_and_another_when_five_are_reached() {
    let bonuses = json!([
        {"name": "spiff", "when": "each_deal", "amount": {"flat": "500 USD"}},
        {"name": "five", "when": {"reaches": {"units": 5}}, "amount": {"flat": "1000 USD"}},
    ]);
    let plan = with(by_year(flat("0.7", "0.3")), "bonuses", bonuses);
    for (deals, paid) in [(3, 1_500), (5, 3_500), (7, 4_500), (12, 7_000)] {
        let case = (0..deals).fold(Case::of(plan.clone()), |case, _| case.sale("10000 USD"));
        let answer = case.calculated();
        let total: i32 = (0..deals)
            .flat_map(|deal| answer.lines(deal, 0))
            .filter_map(|line| line.strip_prefix("ann: bonus ann ")?.strip_suffix(".00")?.parse::<i32>().ok())
            .sum();
        assert_eq!(total, paid, "{deals} deals");
    }
}

#[test]
fn v24_tiers_by_company_dollar_are_walked_exactly() {
    let tiers = [("0 USD", "0.7"), ("5000 USD", "0.8"), ("10000 USD", "0.9")];
    let answer = Case::of(tiered("company_dollar", &tiers, json!({}))).sale("40000 USD").calculated();
    assert_eq!([answer.company(), answer.ann()], ["9666.67", "30333.33"]);
    let year = by_year(tiered("company_dollar", &tiers, json!({"per": "year"})));
    let answer = Case::of(year).sale("20000 USD").sale("20000 USD").calculated();
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 5666.67");
    assert_eq!(answer.company(), "4000.00", "20% from 5,666.67 on");
}

#[test]
fn v26_tiers_leave_no_gap_and_do_not_overlap() {
    let whole = tiered("revenue", &[("0 USD", "0.05"), ("101 USD", "0.06")], json!({}));
    assert_eq!(ann(whole, "100.50 USD"), "5.03", "between 100 and 101, where printed tables have a gap");
    for tiers in [
        &[("1 USD", "0.05"), ("101 USD", "0.06")][..],
        &[("0 USD", "0.05"), ("0 USD", "0.06")],
        &[("0 USD", "0.05"), ("101 USD", "0.06"), ("100 USD", "0.07")],
        &[],
    ] {
        let case = Case::of(tiered("revenue", tiers, json!({}))).sale("1 USD");
        assert_eq!(case.refused(), "tiers at plans.plan.split.tiered.tiers.revenue", "{tiers:?}");
    }
}

#[test]
fn v27_below_the_cap_the_shares_are_plain() {
    let answer = Case::of(sample()).contributed("house", "8200 USD").sale("10000 USD").calculated();
    assert_eq!(answer.lines(0, 0), ["ann: company_dollar company 3000.00", "ann: share ann 7000.00"]);
    assert_eq!(answer.cap(0), "11200.00 of 15000.00, room 3800.00, 0.7467");
}

#[test]
fn v28_the_deal_that_crosses_the_cap_is_split_within() {
    let answer = Case::of(sample()).contributed("house", "8200 USD").sale("30000 USD").calculated();
    assert_eq!(answer.lines(0, 0), ["ann: company_dollar company 6800.00", "ann: share ann 23200.00"]);
    assert_eq!(answer.cap(0), "15000.00 of 15000.00, room 0.00, 1, capped");
    let mut with_fee = sample();
    with_fee["cap"]["fee_on_crossing"] = "yes".into();
    let answer = Case::of(with_fee).contributed("house", "8200 USD").sale("30000 USD").calculated();
    assert_eq!(answer.ann(), "22950.00");
    let mut post_cap = sample();
    post_cap["cap"]["post_cap"] = json!({"payee": "0.9", "company": "0.1"});
    let answer = Case::of(post_cap).contributed("house", "8200 USD").sale("30000 USD").calculated();
    assert_eq!(answer.of_kind("post_cap_company"), "733.33", "10% of 7,333.33, since 22,666.67 yields 6,800");
}

#[test]
fn v29_a_whole_deal_plan_goes_over_the_cap_once() {
    let mut whole = sample();
    whole["cap"]["crossing"] = "whole_deal_pre_cap".into();
    let answer = Case::of(whole).contributed("house", "8200 USD").sale("30000 USD").sale("30000 USD").calculated();
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 9000.00");
    assert_eq!(answer.cap(0), "17200.00 of 15000.00, room 0.00, 1, capped");
    assert_eq!(answer.ann(), "29750.00", "the next deal is capped, and pays the fee");
}

#[test]
fn v30_an_exact_hit_does_not_cross() {
    let mut with_fee = sample();
    with_fee["cap"]["fee_on_crossing"] = "yes".into();
    let answer = Case::of(with_fee).contributed("house", "12000 USD").sale("10000 USD").calculated();
    assert_eq!(answer.lines(0, 0), ["ann: company_dollar company 3000.00", "ann: share ann 7000.00"], "no fee");
    assert_eq!(answer.cap(0), "15000.00 of 15000.00, room 0.00, 1, capped");
}

#[test]
fn v31_after_the_cap_the_payee_keeps_all_but_the_fee() {
    let answer = Case::of(sample()).contributed("house", "15000 USD").sale("10000 USD").calculated();
    assert_eq!([answer.company(), answer.ann()], ["250.00", "9750.00"]);
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 0.00");
    assert_eq!(answer.cap(0), "15000.00 of 15000.00, room 0.00, 1, capped", "a fee does not count");
}

#[test]
fn v32_a_rate_after_the_cap_is_of_what_is_beyond_it() {
    let plan = with(sample(), "fees", json!([fee("capped", "post_cap", json!({"rate": "0.05"}))]));
    let answer = Case::of(plan.clone()).contributed("house", "15000 USD").sale("10000 USD").calculated();
    assert_eq!([answer.company(), answer.ann()], ["500.00", "9500.00"]);
    let mut crossing = plan;
    crossing["cap"]["fee_on_crossing"] = "yes".into();
    let answer = Case::of(crossing).contributed("house", "8200 USD").sale("30000 USD").calculated();
    assert_eq!(answer.of_kind("fee"), "366.67", "5% of 7,333.33");
}

#[test]
fn v34_progress_is_of_the_limit_and_a_limit_of_nothing_is_reached() {
    let answer = Case::of(sample()).contributed("house", "11250 USD").calculated();
    assert_eq!(answer.cap(0), "11250.00 of 15000.00, room 3750.00, 0.75");
    let mut none = sample();
    none["cap"]["caps"][0]["limit"] = "0 USD".into();
    let answer = Case::of(none).sale("1000 USD").calculated();
    assert_eq!(answer.cap(0), "0.00 of 0.00, room 0.00, 1, capped");
    assert_eq!(answer.ann(), "750.00", "capped from the first day");
}

#[test]
fn v37_a_fee_of_every_deal_comes_out_of_the_share() {
    let plan = with(flat("0.8", "0.2"), "fees", json!([fee("transaction", "pre_cap", json!({"flat": "65 USD"}))]));
    let answer = Case::of(plan).sale("7500 USD").calculated();
    let lines = ["company_dollar company 1500.00", "share ann 6000.00", "fee ann -65.00", "fee company 65.00"];
    assert_eq!(answer.lines(0, 0), lines.map(|line| format!("ann: {line}")));
    assert_eq!(answer.ann(), "5935.00");
}

#[test]
fn v38_a_royalty_on_the_gross_has_its_own_cap() {
    let plan = with(flat("0.7", "0.3"), "cap", json!({"caps": [cap("house", "18000 USD")]}));
    let royalty_cap =
        json!({"programme": "royalty", "limit": "3000 USD", "year": {"calendar": {"month": 1, "day": 1}}});
    let plan = with(plan, "royalty", json!({"rate": "0.06", "basis": "gross", "cap": royalty_cap}));
    let answer = Case::of(plan.clone()).sale("10000 USD").calculated();
    assert_eq!([answer.company(), answer.has("franchise".into()), answer.ann()], ["3000.00", "600.00", "6400.00"]);
    let answer = Case::of(plan).contributed("royalty", "2900 USD").sale("10000 USD").calculated();
    assert_eq!([answer.has("franchise".into()), answer.ann()], ["100.00", "6900.00"]);
}

#[test]
fn v41_a_royalty_off_the_top_comes_after_the_concession() {
    let plan = with(flat("0.7", "0.3"), "royalty", json!({"rate": "0.06"}));
    let mut deal = side("10000 USD", &["ann"]);
    deal["off_top"] = json!([{"concession": {"flat": "2000 USD"}}]);
    let answer = Case::of(plan.clone()).deal(deal.clone()).calculated();
    let lines = [
        "-: concession client 2000.00",
        "-: royalty franchise 480.00",
        "ann: company_dollar company 2256.00",
        "ann: share ann 5264.00",
    ];
    assert_eq!(answer.lines(0, 0), lines);
    assert_eq!(answer.side(0, 0)["net"], "7520.00 USD");
    let order = json!([
        "royalty",
        "concession",
        "referral_out",
        "allocation",
        "split",
        "fees",
        "mentee",
        "bonuses",
        "overrides",
        "adjustments"
    ]);
    let answer = Case::of(with(plan, "order", order)).deal(deal).calculated();
    assert_eq!(answer.lines(0, 0)[0], "-: royalty franchise 600.00", "the plan says in which order");
}

fn team(split: Value, limit: &str) -> Value {
    let mut pool = cap("team", limit);
    pool["of"] = json!({"pool": "team-1"});
    with(split, "cap", json!({"caps": [pool]}))
}

#[test]
fn v42_a_team_has_one_cap() {
    let plan = team(flat("0.8", "0.2"), "16000 USD");
    let case = Case::of(plan).payee("bob", "plan");
    let case = case.deal(side("50000 USD", &["ann"])).deal(side("40000 USD", &["bob"]));
    let answer = case.calculated();
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 10000.00");
    assert_eq!(answer.lines(1, 0)[0], "bob: company_dollar company 6000.00");
    assert_eq!(answer.cap(0), "16000.00 of 16000.00, room 0.00, 1, capped");
}

#[test]
fn the_room_of_a_pool_is_shared_by_what_its_members_want_of_it() {
    let plan = team(flat("0.8", "0.2"), "10 USD");
    let mut deal = side("100 USD", &[]);
    deal["payees"] = json!([{"payee": "ann", "weight": "0.75"}, {"payee": "bob", "weight": "0.25"}]);
    let answer = Case::of(plan).payee("bob", "plan").deal(deal).calculated();
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 7.50");
    assert_eq!(answer.lines(0, 0)[2], "bob: company_dollar company 2.50");
}

#[test]
fn v43_a_half_cap_is_half_of_the_limit() {
    let mut half = cap("house", "16000 USD");
    half["portion"] = "0.5".into();
    let plan = with(flat("0.5", "0.5"), "cap", json!({"caps": [half]}));
    let answer = Case::of(plan).contributed("house", "7500 USD").sale("10000 USD").calculated();
    assert_eq!(answer.lines(0, 0)[0], "ann: company_dollar company 500.00");
    assert_eq!(answer.cap(0), "8000.00 of 8000.00, room 0.00, 1, capped");
}

#[test]
fn v46_a_calendar_year_ends_at_midnight_where_the_plan_is() {
    let there = with(sample(), "zone", "America/New_York".into());
    let sale = |plan: &Value, at: &str| Case::of(plan.clone()).deal_on(at, side("10000 USD", &["ann"])).calculated();
    for (at, year) in [
        ("2025-12-31", "2025-01-01"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T04:30:00Z", "2025-01-01"),
        ("2026-01-01T05:00:00Z", "2026-01-01"),
        ("2025-12-31T23:30:00-05:00", "2025-01-01"),
    ] {
        assert_eq!(sale(&there, at).0["caps"][0]["year"]["start"], year, "{at}");
    }
    assert_eq!(sale(&sample(), "2026-01-01T04:30:00Z").0["caps"][0]["year"]["start"], "2026-01-01");
    let both = Case::of(there)
        .deal_on("2025-12-31", side("10000 USD", &["ann"]))
        .deal_on("2026-01-01", side("10000 USD", &["ann"]));
    assert_eq!(both.calculated().cap(1), "3000.00 of 15000.00, room 12000.00, 0.2", "a new year begins with nothing");
}

/// The cap year of a deal of a day, for who joined on another.
fn year(rule: Value, joined: &str, day: &str) -> String {
    let mut plan = sample();
    plan["cap"]["caps"][0]["year"] = rule;
    let case = Case::of(plan).joined("ann", joined).deal_on(day, side("10000 USD", &["ann"]));
    let answer = case.answer();
    let year = &answer["caps"][0]["year"];
    let [Some(start), Some(end)] = [year["start"].as_str(), year["end"].as_str()] else { return case.refused() };
    format!("{start}..{end}")
}

#[test]
fn v47_v48_anniversaries_are_derived_from_the_day_of_joining() {
    let clamp = || json!({"anniversary": {}});
    let march = || json!({"anniversary": {"leap_day": "march1"}});
    assert_eq!(year(clamp(), "2024-03-15", "2025-03-14"), "2024-03-15..2025-03-15");
    assert_eq!(year(clamp(), "2024-03-15", "2025-03-15"), "2025-03-15..2026-03-15");
    assert_eq!(year(clamp(), "2024-02-29", "2025-02-28"), "2025-02-28..2026-02-28");
    assert_eq!(year(march(), "2024-02-29", "2025-02-28"), "2024-02-29..2025-03-01");
    assert_eq!(year(clamp(), "2024-02-29", "2028-02-29"), "2028-02-29..2029-02-28");
}

#[test]
fn v49_years_begin_with_a_month() {
    let this = || json!({"first_of_join_month": {}});
    let next = || json!({"first_of_next_month": {}});
    assert_eq!(year(this(), "2024-02-15", "2024-02-01"), "2024-02-01..2025-02-01");
    assert_eq!(year(this(), "2024-02-15", "2025-02-01"), "2025-02-01..2026-02-01");
    assert_eq!(year(next(), "2024-02-15", "2025-02-28"), "2024-02-15..2025-03-01", "the first year is longer");
    assert_eq!(year(next(), "2024-02-15", "2025-03-01"), "2025-03-01..2026-03-01");
    assert_eq!(year(next(), "2024-02-01", "2024-02-01"), "2024-02-01..2025-03-01", "also when it begins on the 1st");
    assert_eq!(year(next(), "2024-12-31", "2026-01-01"), "2026-01-01..2027-01-01");
    assert_eq!(year(next(), "2024-02-15", "2024-02-14"), "before_first_year at deals.0.sides.0.payees.0");
    assert_eq!(year(this(), "2024-02-15", "2024-01-31"), "before_first_year at deals.0.sides.0.payees.0");
}

#[test]
fn v51_an_opening_balance_takes_its_part_of_the_room() {
    let opening = json!({"programme": "house", "of": {"payee": "ann"}, "on": "2024-06-01", "contributed": "5300 USD"});
    assert_eq!(Case::of(sample()).opened(opening).calculated().cap(0), "5300.00 of 15000.00, room 9700.00, 0.3533");
}

#[test]
fn v52_a_change_of_plan_keeps_what_was_contributed() {
    let better = with(flat("0.8", "0.2"), "cap", json!({"caps": [cap("house", "15000 USD")]}));
    let mut case = Case::of(sample()).plan("better", better).contributed("house", "11200 USD");
    case.0["payees"]["ann"]["plans"] = json!([{"plan": "plan", "from": "2025-01-01", "until": "2025-07-01"}, {"plan": "better", "from": "2025-07-01"}]);
    let answer = case.deal_on("2025-07-01", side("10000 USD", &["ann"])).calculated();
    assert_eq!(answer.company(), "2000.00");
    assert_eq!(answer.cap(0), "13200.00 of 15000.00, room 1800.00, 0.88");
}

#[test]
fn v58_what_a_mentee_pays_does_not_count_to_the_cap() {
    let plan = with(flat("0.8", "0.2"), "cap", json!({"caps": [cap("house", "15000 USD")]}));
    let plan = with(plan, "mentee", json!({"company": "0.1", "mentor": "0.1"}));
    let mut deal = side("6000 USD", &["ann"]);
    deal["payees"][0]["mentor"] = "max".into();
    let answer = Case::of(plan.clone()).deal(deal).calculated();
    assert_eq!([answer.company(), answer.has(json!({"payee": "max"})), answer.ann()], ["1800.00", "600.00", "3600.00"]);
    assert_eq!(answer.cap(0), "1200.00 of 15000.00, room 13800.00, 0.08");
    assert_eq!(Case::of(plan).sale("6000 USD").calculated().ann(), "4800.00", "no mentor, no extra");
}

fn referred(gci: &str, rate: &str) -> Value {
    let mut deal = side(gci, &["ann"]);
    deal["off_top"] = json!([{"referral_out": {"to": "joe", "amount": {"rate": rate}}}]);
    deal
}

#[test]
fn v59_a_referral_is_taken_off_the_top_and_once() {
    let answer = Case::of(flat("0.7", "0.3")).deal(referred("18000 USD", "0.25")).calculated();
    let joe = answer.has(json!({"referrer": "joe"}));
    assert_eq!([joe, answer.ann(), answer.company()], ["4500.00", "9450.00", "4050.00"]);
    let plan = with(flat("0.5", "0.5"), "fees", json!([]));
    let answer = Case::of(plan).deal(referred("18000 USD", "0.25")).calculated();
    assert_eq!([answer.ann(), answer.company()], ["6750.00", "6750.00"]);
}

#[test]
fn v61_a_referral_in_is_the_companys_unless_it_is_shared() {
    let mut deal = side("0 USD", &["ann"]);
    deal["referral_in"] = "1000 USD".into();
    let plan = with(flat("0.7", "0.3"), "cap", json!({"caps": [cap("house", "15000 USD")]}));
    let answer = Case::of(plan.clone()).deal(deal.clone()).calculated();
    assert_eq!([answer.company(), answer.ann()], ["1000.00", "0.00"]);
    assert_eq!(answer.cap(0), "0.00 of 15000.00, room 15000.00, 0", "it does not count");
    let answer = Case::of(with(plan, "referral_in", "shared".into())).deal(deal).calculated();
    assert_eq!([answer.company(), answer.ann()], ["300.00", "700.00"]);
    assert_eq!(answer.cap(0), "300.00 of 15000.00, room 14700.00, 0.02", "it counts");
}

#[test]
fn v62_a_fee_of_a_deal_is_shared_by_its_payees() {
    let mut plan = with(flat("0.85", "0.15"), "cap", json!({"caps": [cap("house", "12000 USD")]}));
    plan["fees"] = json!([fee("capped", "post_cap", json!({"flat": "285 USD"}))]);
    let mut deal = side("10000 USD", &[]);
    deal["payees"] = json!([{"payee": "ann", "weight": "0.6"}, {"payee": "connor", "weight": "0.4"}]);
    let case = Case::of(plan).payee("connor", "plan").contributed("house", "12000 USD").deal(deal);
    let connor =
        json!({"programme": "house", "of": {"payee": "connor"}, "on": "2025-06-01", "contributed": "12000 USD"});
    let both = case.clone().opened(connor).calculated();
    assert_eq!([both.ann(), both.has(json!({"payee": "connor"}))], ["5829.00", "3886.00"], "171 and 114");
    let one = case.calculated();
    assert_eq!([one.ann(), one.has(json!({"payee": "connor"}))], ["5829.00", "3400.00"], "15% of 4,000 instead");
}

#[test]
fn v64_the_second_side_sees_what_the_first_left() {
    let of_price = |name: &str, rate: &str| json!({"side": name, "gci": {"of_price": {"price": "400000 USD", "rate": rate}}, "payees": [{"payee": "ann"}]});
    let sides = json!([of_price("listing", "0.03"), of_price("buying", "0.025")]);
    let deal = |plan: Value| Case::of(plan).contributed("house", "12000 USD").deal(sides.clone()).calculated();
    let answer = deal(sample());
    assert_eq!(answer.lines(0, 0), ["ann: company_dollar company 3000.00", "ann: share ann 9000.00"]);
    let buying = ["company_dollar company 0.00", "share ann 10000.00", "fee ann -250.00", "fee company 250.00"];
    assert_eq!(answer.lines(0, 1), buying.map(|line| format!("ann: {line}")));
    let mut on_crossing = sample();
    on_crossing["cap"]["fee_on_crossing"] = "yes".into();
    assert_eq!(deal(on_crossing.clone()).of_kind("fee"), "250.00", "once a deal, on the first side that owes it");
    on_crossing["fees"][0]["per"] = "side".into();
    assert_eq!(deal(on_crossing).of_kind("fee"), "500.00");
}

#[test]
fn a_fee_has_a_cap_of_its_own_and_what_replaces_it_begins_with_the_next_deal() {
    let mut plan = sample();
    let sub_cap = json!({"programme": "fees", "limit": "400 USD", "year": {"calendar": {"month": 1, "day": 1}},
        "then": {"flat": "50 USD"}});
    plan["fees"][0]["sub_cap"] = sub_cap;
    let case = (0..3).fold(Case::of(plan).contributed("house", "15000 USD"), |case, _| case.sale("10000 USD"));
    let answer = case.calculated();
    let fees = [0, 1, 2].map(|deal| answer.lines(deal, 0)[3].clone());
    assert_eq!(fees, ["250.00", "150.00", "50.00"].map(|fee| format!("ann: fee company {fee}")));
    assert_eq!(answer.cap(0), "400.00 of 400.00, room 0.00, 1, capped");
}

#[test]
fn a_cap_is_prorated_for_who_joins_within_the_year() {
    let limit = |proration: &str, joined: &str| {
        let mut plan = sample();
        plan["cap"]["caps"][0]["proration"] = proration.into();
        plan["cap"]["caps"][0]["limit"] = "12000 USD".into();
        let answer = Case::of(plan).joined("ann", joined).sale("1 USD").calculated();
        answer.0["caps"][0]["limit"].as_str().unwrap().to_owned()
    };
    assert_eq!(limit("months", "2025-04-30"), "9000.00 USD", "the month of joining counts whole");
    assert_eq!(limit("days", "2025-04-01"), "9041.10 USD", "275 of 365 days");
    assert_eq!(limit("days", "2024-12-31"), "12000.00 USD");
    assert_eq!(limit("none", "2025-04-30"), "12000.00 USD");
}
