//! Every line says why it has its amount, in numbers and in words.

use serde_json::{Value, json};

use crate::case::{Case, cap, fee, flat, plan, sample, side, with};

fn words(case: &Case) -> Vec<String> {
    words_of(case, 0)
}

fn words_of(case: &Case, deal: usize) -> Vec<String> {
    let answer = case.calculated();
    let lines = answer.side(deal, 0)["lines"].as_array().unwrap().clone();
    lines.iter().map(|line| line["because"]["words"].as_str().unwrap().to_owned()).collect()
}

fn because(case: &Case, deal: usize, line: usize) -> Value {
    case.calculated().side(deal, 0)["lines"][line]["because"].clone()
}

/// Tiers of the payee by revenue, 50% and from 100,000 USD on 60%.
fn by_revenue(mode: &str) -> Value {
    let tier = |from: &str, payee: &str, company: &str| json!({"from": from, "payee": payee, "company": company});
    let tiers = json!([tier("0 USD", "0.5", "0.5"), tier("100000 USD", "0.6", "0.4")]);
    let plan = plan(json!({"tiered": {"tiers": {"revenue": tiers}, "mode": mode}}));
    with(plan, "attainment", json!({"programme": "vol", "year": {"calendar": {"month": 1, "day": 1}}}))
}

#[test]
fn a_payee_reads_what_was_taken_from_what() {
    let mut plan = sample();
    plan["cap"]["post_cap"] = json!({"payee": "0.9", "company": "0.1"});
    plan["cap"]["fee_on_crossing"] = "yes".into();
    let mut deal = side("40000 USD", &["ann"]);
    deal["off_top"] = json!([{"referral_out": {"to": "joe", "amount": {"rate": "0.25"}}}]);
    let case = Case::of(plan).contributed("house", "8200 USD").deal(deal);
    assert_eq!(
        words(&case)[..4],
        [
            "25% of the commission that was left, 40000.00 USD is 10000.00 USD (off_top.0 of the deal)",
            "30% of the part of 30000.00 USD is 9000.00 USD; the cap had 6800.00 USD left (split.flat.company of plan plan)",
            "10% of the part beyond the cap, 7333.33 USD is 733.33 USD (cap.post_cap.company of plan plan)",
            "the part of 30000.00 USD less 6800.00 USD for the company and 733.33 USD beyond the cap is 22466.67 USD (split of plan plan)",
        ]
    );
    assert_eq!(words(&case)[4], "250.00 USD as stated; due as the deal crosses the cap (fees.0.amount of plan plan)");
    let capped = Case::of(sample()).contributed("house", "15000 USD").sale("1000 USD");
    assert!(
        words(&capped)[0].starts_with("the cap was reached before, so nothing counts to it"),
        "{:?}",
        words(&capped)
    );
}

#[test]
fn tiers_are_told_one_by_one() {
    let tier = |from: &str, payee: &str, company: &str| json!({"from": from, "payee": payee, "company": company});
    let tiers = [tier("0 USD", "0.7", "0.3"), tier("5000 USD", "0.8", "0.2"), tier("10000 USD", "0.9", "0.1")];
    let by =
        |measure: &str, mode: &str| plan(json!({"tiered": {"tiers": {measure: tiers}, "per": "deal", "mode": mode}}));
    let told = |plan: Value| words(&Case::of(plan).sale("40000 USD"))[0].clone();
    assert_eq!(
        told(by("company_dollar", "marginal")),
        "the company's tiers: 30% of 16666.67 USD + 20% of 23333.33 USD, so the company has 9666.67 USD of 40000.00 USD \
         (split.tiered.tiers.company_dollar of plan plan)"
    );
    assert_eq!(
        told(by("revenue", "retroactive")),
        "the payee has 90% of all 40000.00 USD less 0.00 USD accrued before, so the company has 4000.00 USD of 40000.00 USD \
         (split.tiered.tiers.revenue of plan plan)"
    );
}

#[test]
fn a_flat_fee_is_told_by_weight_or_as_an_equal_part() {
    let plan = with(flat("0.7", "0.3"), "fees", json!([fee("desk", "always", json!({"flat": "100 USD"}))]));
    let equal = Case::of(plan).payee("bob", "plan").payee("cy", "plan").deal(side("900 USD", &["ann", "bob", "cy"]));
    assert_eq!(
        words(&equal)[2],
        "an equal part of 100.00 USD among 3 is 33.34 USD; due in every deal (fees.0.amount of plan plan)"
    );
    let mut weighed = equal;
    for (place, weight) in ["0.6", "0.3", "0.1"].into_iter().enumerate() {
        weighed.0["deals"][0]["sides"][0]["payees"][place]["weight"] = weight.into();
    }
    assert_eq!(
        words(&weighed)[2],
        "the payee's weight of 60% in 100.00 USD is 60.00 USD; due in every deal (fees.0.amount of plan plan)"
    );
}

#[test]
fn a_program_reads_the_same_numbers() {
    let answer = Case::of(sample()).contributed("house", "8200 USD").sale("30000 USD").calculated();
    let mut because = answer.side(0, 0)["lines"][0]["because"].clone();
    let hash = because.as_object_mut().unwrap().remove("hash").unwrap();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    assert!(because.as_object_mut().unwrap().remove("words").is_some());
    let numbers = json!({"plan": "plan", "field": "split.flat.company", "reason": "rate_of", "rate": "0.3", "of": "part",
        "base": "30000.00 USD", "full": "9000.00 USD", "room": "6800.00 USD"});
    assert_eq!(because, numbers);
}

/// The payee was told that its share of a pool's room was all that the cap had left.
#[test]
fn the_room_of_a_pool_is_told_whole_with_the_share_of_it() {
    let mut plan = sample();
    plan["fees"] = json!([]);
    plan["cap"]["caps"][0]["of"] = json!({"pool": "team"});
    plan["cap"]["caps"][0]["limit"] = "16000 USD".into();
    let opening = json!({"programme": "house", "of": {"pool": "team"}, "on": "2025-02-01", "contributed": "10000 USD"});
    let case = Case::of(plan).payee("bob", "plan").opened(opening).deal(side("80000 USD", &["ann", "bob"]));
    let told = words(&case);
    for line in [&told[0], &told[2]] {
        assert_eq!(
            line,
            "30% of the part of 40000.00 USD is 12000.00 USD; the cap had 6000.00 USD left, of which 3000.00 USD is for \
             this part (split.flat.company of plan plan)"
        );
    }
    let because = because(&case, 0, 0);
    assert_eq!((&because["room"], &because["room_share"]), (&"6000.00 USD".into(), &"3000.00 USD".into()));
    let alone = case.sale("80000 USD");
    assert!(words_of(&alone, 1)[0].starts_with("the cap was reached before"), "{:?}", words_of(&alone, 1));
}

/// A member whose own cap binds before the pool's is told of its own.
#[test]
fn the_room_that_is_told_is_that_of_the_cap_that_bound() {
    let mut plan = sample();
    let mut pool = cap("team", "16000 USD");
    pool["of"] = json!({"pool": "team"});
    plan["cap"]["caps"] = json!([cap("house", "2000 USD"), pool]);
    let case = Case::of(plan).sale("30000 USD").sale("1000 USD");
    assert!(words(&case)[0].contains("; the cap had 2000.00 USD left (split"), "{:?}", words(&case));
    assert_eq!(because(&case, 0, 0).get("room_share"), None);
}

/// "The part of 54300.00 USD" came from nowhere.
#[test]
fn the_part_that_is_split_is_told_with_what_it_comes_from() {
    let plan = with(flat("0.7", "0.3"), "referral_in", "shared".into());
    let mut deal = side("100000 USD", &["ann", "bob"]);
    deal["off_top"] =
        json!([{"concession": {"rate": "0.1"}}, {"referral_out": {"to": "joe", "amount": {"flat": "500 USD"}}}]);
    deal["referral_in"] = "1000 USD".into();
    deal["units"] = 2.into();
    (deal["payees"][0]["weight"], deal["payees"][1]["weight"]) = ("0.6".into(), "0.4".into());
    let case = Case::of(plan).payee("bob", "plan").deal(deal).deal(side("100 USD", &["ann", "bob"])).sale("7 USD");
    let answer = case.calculated();
    assert_eq!(
        answer.side(0, 0)["parts"][0],
        json!({"payee": "ann", "weight": "0.6", "units": 2, "of_gci": "60000.00 USD", "of_net": "53700.00 USD",
            "referral_in": "1000.00 USD", "of_referral_in": "600.00 USD", "part": "54300.00 USD",
            "words": "60% of the net of 89500.00 USD is 53700.00 USD, and 60% of the 1000.00 USD that another house pays is \
            600.00 USD; 2 units count"})
    );
    assert_eq!(answer.side(1, 0)["parts"][1]["words"], "an equal part among 2 of the net of 100.00 USD");
    assert_eq!(answer.side(1, 0)["parts"][1]["payees"], 2);
    assert_eq!(answer.side(2, 0)["parts"][0]["words"], "all of the net of 7.00 USD");
}

/// Where the tiers begin depends on what was attained before, which was not told.
#[test]
fn tiers_of_a_year_tell_what_was_attained_before() {
    let case = Case::of(by_revenue("marginal")).sale("95000 USD").sale("15000 USD");
    assert_eq!(
        words_of(&case, 1)[0],
        "with a revenue of 95000.00 USD before, the payee's tiers: 50% of 5000.00 USD + 60% of 10000.00 USD, so the company \
         has 6500.00 USD of 15000.00 USD (split.tiered.tiers.revenue of plan plan)"
    );
    let told = because(&case, 1, 0);
    assert_eq!(told["before"]["revenue"], "95000.00 USD");
    assert_eq!(
        told["bands"],
        json!([{"net": "5000.00 USD", "payee": "0.5", "company": "0.5"}, {"net": "10000.00 USD", "payee": "0.6", "company": "0.4"}])
    );
    let case = Case::of(by_revenue("retroactive")).sale("95000 USD").sale("15000 USD");
    assert_eq!(
        words_of(&case, 1)[0],
        "with a revenue of 95000.00 USD before, the payee has 60% of all 110000.00 USD less 47500.00 USD accrued before, so \
         the company has -3500.00 USD of 15000.00 USD (split.tiered.tiers.revenue of plan plan)"
    );
    let told = because(&case, 1, 0);
    assert_eq!(
        (&told["mode"], &told["rate"], &told["base"]),
        (&"retroactive".into(), &"0.6".into(), &"110000.00 USD".into())
    );
}

/// A bonus by a rate lost why it was due, a fee never said so.
#[test]
fn what_is_due_says_why() {
    let mut plan = by_revenue("marginal");
    plan["bonuses"] = json!([
        {"name": "kicker", "when": {"reaches": {"units": 2}}, "amount": {"rate": "0.01"}},
        {"name": "flat", "when": {"reaches": {"revenue": "1500 USD"}}, "amount": {"flat": "5 USD"}},
        {"name": "each", "when": "each_deal", "amount": {"flat": "1 USD"}},
    ]);
    let case = Case::of(plan).sale("1000 USD").sale("1000 USD");
    let told = words_of(&case, 1);
    for due in [
        "1% of the part of 1000.00 USD is 10.00 USD; due as 2 units are reached, from 1 to 2 (bonuses.0.amount of plan plan)",
        "5.00 USD as stated; due as a revenue of 1500.00 USD is reached, from 1000.00 USD to 2000.00 USD (bonuses.1.amount of \
         plan plan)",
        "1.00 USD as stated; due in every deal (bonuses.2.amount of plan plan)",
    ] {
        assert!(told.iter().any(|told| told == due), "{due} is not in {told:#?}");
    }
    let mut plan = sample();
    let sub_cap = json!({"programme": "risk", "limit": "100 USD", "year": {"calendar": {"month": 1, "day": 1}},
        "then": {"flat": "7 USD"}});
    plan["fees"] = json!([
        fee("before", "pre_cap", json!({"flat": "3 USD"})),
        fee("after", "post_cap", json!({"flat": "4 USD"})),
        with(fee("risk", "always", json!({"flat": "100 USD"})), "sub_cap", sub_cap)
    ]);
    let case = Case::of(plan).sale("50000 USD").sale("1000 USD");
    assert!(words(&case)[3].ends_with("; due as the cap was not reached before (fees.0.amount of plan plan)"));
    let told = words_of(&case, 1);
    for due in [
        "4.00 USD as stated; due as the cap was reached before (fees.1.amount of plan plan)",
        "7.00 USD as stated, as its most in a year was charged before; due in every deal (fees.2.sub_cap.then of plan plan)",
    ] {
        assert!(told.iter().any(|told| told == due), "{due} is not in {told:#?}");
    }
}

/// What the minimum replaced was lost.
#[test]
fn a_minimum_tells_what_the_tiers_would_have_left() {
    let mut plan = by_revenue("marginal");
    plan["split"]["tiered"]["minimum"] = "800 USD".into();
    assert_eq!(
        words(&Case::of(plan).sale("1000 USD"))[0],
        "the payee has at least 800.00 USD of 1000.00 USD, so the company has 200.00 USD, not 500.00 USD by the tiers \
         (split.tiered.minimum of plan plan)"
    );
}
