//! Every line says why it has its amount, in numbers and in words.

use serde_json::{Value, json};

use crate::case::{Case, fee, flat, plan, sample, side, with};

fn words(case: &Case) -> Vec<String> {
    let answer = case.calculated();
    let lines = answer.side(0, 0)["lines"].as_array().unwrap().clone();
    lines.iter().map(|line| line["because"]["words"].as_str().unwrap().to_owned()).collect()
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
    assert_eq!(words(&case)[4], "250.00 USD as stated (fees.0.amount of plan plan)");
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
    assert_eq!(words(&equal)[2], "an equal part of 100.00 USD among 3 is 33.34 USD (fees.0.amount of plan plan)");
    let mut weighed = equal;
    for (place, weight) in ["0.6", "0.3", "0.1"].into_iter().enumerate() {
        weighed.0["deals"][0]["sides"][0]["payees"][place]["weight"] = weight.into();
    }
    assert_eq!(words(&weighed)[2], "the payee's weight of 60% in 100.00 USD is 60.00 USD (fees.0.amount of plan plan)");
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
