//! What other systems got wrong, and this one must not.

use ledger_core::credit::decay;
use serde_json::{Value, json};

use super::case::{answer, case, credits, entries, first, refusal, touches, with, without};

fn a_and_b() -> Value {
    touches(&[("a", "referral", "1"), ("b", "demo", "2")])
}

#[test]
fn defect_2_a_rule_by_product_line_or_tier_is_not_skipped_and_no_tier_is_no_bronze() {
    // One path of the other system skipped product lines, another took a missing tier for bronze: two answers for a deal.
    let rule = |name: &str, priority: i64, when: Value, rate: &str| json!({"rule": name, "priority": priority, "when": when, "pays": {"rate": rate}});
    let rules = json!([
        rule("large", 9, json!({"deal_from": "10000 USD"}), "0.01"),
        rule("suite", 2, json!({"product_line": "suite"}), "0.02"),
        rule("bronze", 1, json!({"tier": "bronze"}), "0.03"),
        rule("resellers", 3, json!({"programme": "resellers", "payee_type": "reseller"}), "0.04"),
    ]);
    let plan = json!({"currency": "USD", "rules": rules, "otherwise": {"rate": "0.05"}});
    let case = with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", plan);
    let rule = |case: &Value| first(case)["entries"][0]["rule"].clone();
    assert_eq!(rule(&case), "large", "reached at exactly so much");
    assert_eq!(entries(&first(&with(case.clone(), "deals.0.amount", json!("9999.99 USD")))), ["a 500.00"]);
    assert_eq!(rule(&with(case.clone(), "payees.a.tier", json!("bronze"))), "bronze");
    assert_eq!(rule(&with(case.clone(), "payees.a.tier", json!("gold"))), "large");
    let lines = json!([{"amount": "9000 USD", "product_line": "suite"}]);
    let lines = with(without(case.clone(), "deals.0.amount"), "deals.0.lines", lines);
    assert_eq!(rule(&lines), "suite");
    let eligible = with(lines, "rates.ten.eligible", json!(["hours"]));
    assert_eq!(refusal(&eligible).0, "never_reached", "no eligible line is ever of the suite");
    let reseller = with(with(case, "payees.a.type", json!("reseller")), "deals.0.amount", json!("1 USD"));
    assert_eq!(rule(&reseller), Value::Null, "both of its conditions must hold");
    assert_eq!(rule(&with(reseller, "deals.0.programme", json!("resellers"))), "resellers");
}

#[test]
fn defect_3_fifteen_is_not_fifteen_percent() {
    // A rate was 0 to 1 here and 0 to 100 there: 1 % became 100 %, and a default of 15 paid 1500 %.
    let case = case(json!({"equal": {}}), a_and_b());
    let at = |place: &str, rate: &str| with(case.clone(), place, json!({"rate": rate}));
    let bad = ("rate_out_of_bounds".to_owned(), "rates.ten.otherwise".to_owned());
    assert_eq!(refusal(&at("rates.ten.otherwise", "15")), bad);
    assert_eq!(refusal(&at("rates.ten.otherwise", "1.000000000001")), bad);
    for malformed in ["15%", "-0.1", ".15"] {
        assert_eq!(refusal(&at("rates.ten.otherwise", malformed)).0, "malformed");
    }
    let stated =
        |rate: &str| with(at("rates.ten.otherwise", rate), "rates.ten.bounds", json!({"from": "0.01", "to": "1.5"}));
    assert_eq!(entries(&first(&stated("1.5")))[0], "a 7500.00", "an accelerator says so");
    assert_eq!(refusal(&stated("0.009")), bad);
    let overlay = with(case, "deals.0.overlays", json!([{"payee": "c", "weight": "25"}]));
    assert_eq!(refusal(&overlay), ("rate_out_of_bounds".into(), "deals.D1.overlays".into()));
}

#[test]
fn defect_4_a_deal_has_one_model_and_is_owed_once() {
    // Rows of all five models were summed: five times the commission.
    let models = json!({"main": {"model": {"equal": {}}}, "first": {"model": {"first_touch": {}}},
        "last": {"model": {"last_touch": {}}}});
    let case = with(case(json!({"equal": {}}), a_and_b()), "models", models);
    assert_eq!(entries(&first(&case)), ["a 500.00", "b 1000.00"]);
    let twice = with(case.clone(), "deals", json!([case["deals"][0], case["deals"][0]]));
    assert_eq!(refusal(&twice), ("named_twice".into(), "deals".into()));
}

#[test]
fn defect_5_money_is_shared_out_before_anything_is_rounded() {
    // Percentages were rounded first: of seven the first had 142,600.00, of three hundred four times its part.
    let sold = |payees: usize, amount: &str| {
        let names: Vec<String> = (0..payees).map(|place| format!("p{place:03}")).collect();
        let listed: Vec<_> = names.iter().map(|name| (name.as_str(), "demo", "1")).collect();
        let known: Value = names.iter().map(|name| (name.clone(), json!({}))).collect();
        let case = with(case(json!({"equal": {}}), touches(&listed)), "payees", known);
        credits(&with(case, "deals.0.amount", json!(amount)))
    };
    let seven = sold(7, "1000000 USD");
    let part = |place: usize| format!("p00{place} 142857.1{}", if place < 2 { 5 } else { 4 });
    assert_eq!(seven, (0..7).map(part).collect::<Vec<_>>());
    let many = sold(300, "1000000 USD");
    assert_eq!((many[0].as_str(), many[99].as_str()), ("p000 3333.34", "p099 3333.34"));
    assert_eq!((many[100].as_str(), many[299].as_str()), ("p100 3333.33", "p299 3333.33"));
}

#[test]
fn defect_6_credit_is_not_lost_because_all_touches_are_old() {
    // Weights were counted from today, and all became 0 after 1,075 half-lives.
    let case = case(json!({"time_decay": {"half_life_days": 1}}), a_and_b());
    let old = with(case, "deals.0.completed_at", json!("2035-06-01T12:00:00Z"));
    assert_eq!(credits(&old), ["a 3333.33", "b 6666.67"]);
    let one_very_old = with(old, "deals.0.touches.0.at", json!("2021-01-01T00:00:00Z"));
    assert_eq!(credits(&one_very_old), ["b 10000.00"]);
    assert_eq!(first(&one_very_old)["touches"], 2);
    assert_eq!(decay::weight(1_075, 1), Some(0));
}

#[test]
fn defect_8_an_amount_names_its_currency_and_a_touch_told_twice_counts_once() {
    // Cents were taken for dollars, and a webhook that was delivered twice counted twice.
    let case = case(json!({"linear": {}}), a_and_b());
    for amount in [json!(10_000), json!("10000"), json!("10000.001 USD")] {
        assert_eq!(refusal(&with(case.clone(), "deals.0.amount", amount)).0, "malformed");
    }
    let euros = with(case.clone(), "deals.0.amount", json!("10000 EUR"));
    assert_eq!(refusal(&euros), ("wrong_currency".into(), "deals.D1.amount".into()));
    let listed = &case["deals"][0]["touches"];
    let again = json!([listed[0], listed[1], listed[0]]);
    let again = with(case.clone(), "deals.0.touches", again);
    assert_eq!(answer(&again), answer(&case));
    let otherwise = with(again, "deals.0.touches.2.type", json!("proposal"));
    assert_eq!(refusal(&otherwise), ("named_twice".into(), "deals.D1.touches".into()));
}

#[test]
fn defect_10_every_row_names_the_document_that_it_comes_from() {
    // Three tables of rates by tier were in use at once, and no row said which.
    let case = case(json!({"equal": {}}), a_and_b());
    let hashes = |case: &Value| {
        let deal = first(case);
        let credit = deal["credits"][0]["because"]["hash"].clone();
        [credit, deal["entries"][0]["because"]["commission"]["hash"].clone()]
    };
    let before = hashes(&case);
    assert!(before.iter().all(|hash| hash.as_str().unwrap().len() == 64));
    let other_rate = hashes(&with(case.clone(), "rates.ten.otherwise.rate", json!("0.11")));
    assert_eq!((other_rate[0] == before[0], other_rate[1] == before[1]), (true, false));
    let other_model = hashes(&with(case.clone(), "models.main.lookback_days", json!(90)));
    assert_eq!((other_model[0] == before[0], other_model[1] == before[1]), (false, true));
    let written_out = with(case, "models.main.types", json!({"except": ["crm_sync"]}));
    assert_eq!(hashes(&written_out), before, "a policy that is left out is its default");
}

#[test]
fn defect_10_no_amount_falls_between_two_tiers() {
    // Tiers were from 0 to 100 and from 101 to 200, so that 100.50 was in neither.
    let tier = |priority: i64, from: &str, rate: &str| json!({"rule": from, "priority": priority, "when": {"deal_from": from}, "pays": {"rate": rate}});
    let plan = json!({"currency": "USD", "rules": [tier(1, "101 USD", "0.06"), tier(2, "0 USD", "0.05")]});
    let case = with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", plan);
    for (amount, rule) in [("0.10 USD", "0 USD"), ("100 USD", "0 USD"), ("100.50 USD", "0 USD"), ("101 USD", "101 USD")]
    {
        assert_eq!(first(&with(case.clone(), "deals.0.amount", json!(amount)))["entries"][0]["rule"], rule, "{amount}");
    }
}

#[test]
fn a_correction_mirrors_the_deal() {
    // A refund must take back exactly what was paid: amounts, minimum, units, margin, shares to the cent.
    let rules = json!([
        {"rule": "units", "priority": 1, "when": {"tier": "units"}, "pays": {"per_unit": "0.07 USD"}},
        {"rule": "all", "priority": 2, "when": {"deal_from": "100 USD"}, "pays": {"rate": "0.033"}},
    ]);
    let plan = json!({"currency": "USD", "base": "margin", "rules": rules, "minimum": "2 USD", "maximum": "3 USD",
        "overrides": [{"name": "parent", "of": "a", "to": "e", "rate": "0.15"}]});
    let three = touches(&[("a", "demo", "1"), ("b", "demo", "2"), ("c", "demo", "3")]);
    let case = with(without(case(json!({"equal": {}}), three), "deals.0.amount"), "rates.ten", plan);
    let case = with(with(case, "deals.0.rates", json!("ten")), "payees.c.tier", json!("units"));
    let sold = |sign: &str| {
        let line = |amount: &str| json!({"amount": format!("{sign}{amount} USD"), "units": 7, "unit_cost": "1.11 USD"});
        first(&with(case.clone(), "deals.0.lines", json!([line("100"), line("0.01")])))
    };
    let (sale, refund) = (sold(""), sold("-"));
    let negated = |entry: String| entry.rsplit_once(' ').map(|(who, amount)| format!("{who} -{amount}")).unwrap();
    assert_eq!(entries(&sale), ["a 2.00", "e override 0.30", "b 6.67", "c 2.00"].map(String::from));
    assert_eq!(entries(&refund), entries(&sale).into_iter().map(negated).collect::<Vec<_>>());
}

#[test]
fn a_minimum_is_paid_on_what_is_above_zero_only() {
    // A deal whose eligible lines were a discount took the minimum from its payee.
    let plan = json!({"currency": "USD", "eligible": ["suite"], "otherwise": {"rate": "0.1"}, "minimum": "5 USD", "maximum": "9 USD"});
    let case =
        without(with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", plan), "deals.0.amount");
    let sold = |suite: &str, hours: &str| {
        let line = |product: &str, amount: &str| json!({"amount": format!("{amount} USD"), "product_line": product});
        entries(&first(&with(case.clone(), "deals.0.lines", json!([line("suite", suite), line("hours", hours)]))))
    };
    assert_eq!(sold("10", "500"), ["a 5.00"]);
    assert_eq!(sold("100", "500"), ["a 9.00"]);
    assert_eq!(sold("-10", "500"), ["a -1.00"]);
    assert_eq!(sold("-1000", "5000"), ["a -100.00"]);
    assert_eq!(sold("-10", "-500"), ["a -5.00"], "a correction takes the minimum back");
    assert_eq!(sold("10", "-500"), ["a 1.00"]);
    assert_eq!(sold("0", "500"), Vec::<String>::new());
}

/// A correction took back all that its deal would have earned, of which a limit had held most back; and what lines below zero took
/// from a payee let it earn more than the limit with the next deal.
#[test]
fn a_spend_limit_gives_nothing_back_that_it_held_back() {
    let limit = |per: &str| {
        json!({"currency": "USD", "eligible": ["suite"], "otherwise": {"rate": "0.1"},
        "spend_limit": {"amount": "20 USD", "per": per, "zone": "UTC"}})
    };
    let case = |per: &str| with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", limit(per));
    let deal = |name: &str, suite: &str, rest: &str| {
        let line = |product: &str, amount: &str| json!({"amount": format!("{amount} USD"), "product_line": product});
        let deal = without(case("deal"), "deals.0.amount")["deals"][0].clone();
        with(with(deal, "lines", json!([line("suite", suite), line("hours", rest)])), "deal", json!(name))
    };
    let earned = |per: &str, deals: &[Value]| {
        let answer = answer(&with(case(per), "deals", json!(deals)));
        let deals = answer["deals"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        deals.iter().map(|deal| entries(deal).join(",")).collect::<Vec<_>>()
    };
    let (sale, correction) = (deal("D1", "1000", "0"), deal("D2", "-1000", "0"));
    assert_eq!(earned("deal", &[sale.clone(), correction.clone()]), ["a 20.00", "a -20.00"]);
    let mirrored = first(&with(case("deal"), "deals", json!([correction])))["entries"][0]["because"].to_string();
    assert!(mirrored.contains("the limit of 20.00 USD a deal had 20.00 USD left"), "{mirrored}");
    let refused = |per: &str| refusal(&with(case(per), "deals", json!([sale.clone(), correction.clone()]))).0;
    assert_eq!(["month", "year"].map(refused), ["conflicting", "conflicting"]);
    let discount = [sale.clone(), deal("D2", "-100", "500"), deal("D3", "1000", "0")];
    assert_eq!(earned("month", &discount), ["a 20.00", "a -10.00", ""]);
}

/// Half a cent on each of ten payments of a cent was rounded up ten times, and the override was the whole instead of a half.
#[test]
fn an_override_follows_the_sum_of_what_is_released() {
    let plan = json!({"currency": "USD", "otherwise": {"rate": "1"}, "earned": "as_collected",
        "overrides": [{"name": "half", "of": "a", "to": "e", "rate": "0.5"}]});
    let case = with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", plan);
    let case = with(case, "deals.0.amount", json!("0.10 USD"));
    let deal = first(&with(case, "deals.0.collected", json!(vec!["0.01 USD"; 10])));
    let on_top = entries(&deal).into_iter().filter(|entry| entry == "e override 0.01").count();
    assert_eq!((entries(&deal).len(), on_top), (15, 5));
    let why = deal["entries"][4]["because"]["says"].as_str().map(str::to_owned);
    let why = why.unwrap_or_else(|| deal["entries"][4]["because"].to_string());
    assert!(why.contains("0.03 USD, the entries of a so far, less 0.01 USD before"), "{why}");
}

/// Every rule went through all lines, and every line through all that is eligible: 146 KiB took more than a minute.
#[test]
fn a_long_case_is_not_rules_times_lines_times_what_is_eligible() {
    let names: Vec<String> = (0..1_000).map(|of| format!("l{of}")).collect();
    let rules: Vec<Value> = (0..999)
        .map(|of| json!({"rule": format!("r{of}"), "priority": of, "when": {"product_line": format!("l{of}")}, "pays": {"rate": "0.1"}}))
        .collect();
    let lines: Vec<Value> = (0..3_000).map(|_| json!({"product_line": "l999", "amount": "1 USD"})).collect();
    let plan = json!({"currency": "USD", "eligible": names, "rules": rules, "otherwise": {"rate": "0.5"}});
    let case = with(case(json!({"equal": {}}), touches(&[("a", "demo", "1")])), "rates.ten", plan);
    let case = with(without(case, "deals.0.amount"), "deals.0.lines", json!(lines));
    assert_eq!(entries(&first(&case)), ["a 1500.00"]);
}

/// Every touch went through all milestones, and for each of them through its own, several times: 1.8 MB took nine seconds.
#[test]
fn milestones_are_not_touches_times_milestones_times_what_a_touch_names() {
    let names: Vec<String> = (0..1_000).map(|of| format!("m{of}")).collect();
    let milestones: Vec<Value> = names.iter().map(|name| json!({"milestone": name, "weight": "0.001"})).collect();
    let touch = |place: usize| {
        let payee = if place.is_multiple_of(2) { "a" } else { "b" };
        json!({"touch": format!("t{place}"), "payee": payee, "type": "demo", "at": "2025-05-01T00:00:00Z", "milestones": names[900..]})
    };
    let all: Vec<Value> = (0..2_000).map(touch).collect();
    let case = case(json!({"milestones": {"milestones": milestones}}), json!(all));
    assert_eq!(first(&case)["credits"][0]["amount"], "5000.00 USD");
}

#[test]
fn a_spend_limit_holds_over_deals() {
    let limit = |per: &str| json!({"amount": "1000 USD", "per": per, "zone": "America/New_York"});
    let case = case(json!({"equal": {}}), touches(&[("a", "demo", "1")]));
    let deal = |name: &str, amount: &str, at: &str| {
        let deal = with(case["deals"][0].clone(), "completed_at", json!(at));
        with(with(deal, "deal", json!(name)), "amount", json!(amount))
    };
    let deals = json!([
        deal("D1", "9000 USD", "2025-06-02T00:00:00Z"),
        deal("D2", "9000 USD", "2025-06-03T00:00:00Z"),
        deal("D3", "9000 USD", "2025-06-04T00:00:00Z"),
        deal("D4", "9000 USD", "2025-07-01T03:59:59Z"),
        deal("D5", "9000 USD", "2025-07-01T04:00:00Z"),
    ]);
    let earned = |per: &str| {
        let answer = answer(&with(with(case.clone(), "deals", deals.clone()), "rates.ten.spend_limit", limit(per)));
        (0..5).map(|place| entries(&answer["deals"][place]).join(",")).collect::<Vec<_>>()
    };
    assert_eq!(earned("month"), ["a 900.00", "a 100.00", "", "", "a 900.00"]);
    assert_eq!(earned("year"), ["a 900.00", "a 100.00", "", "", ""]);
    assert_eq!(earned("deal"), ["a 900.00", "a 900.00", "a 900.00", "a 900.00", "a 900.00"]);
    let spent = |on: &str| json!([{"rates": "ten", "payee": "a", "on": on, "amount": "999.99 USD"}]);
    let case = with(with(case.clone(), "deals", json!([deals[0]])), "rates.ten.spend_limit", limit("month"));
    assert_eq!(entries(&first(&with(case.clone(), "spent", spent("2025-06-30")))), ["a 0.01"]);
    assert_eq!(entries(&first(&with(case, "spent", spent("2025-05-31")))), ["a 900.00"]);
}
