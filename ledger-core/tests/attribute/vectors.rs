//! The vectors of the domain: each test is one of them.

use serde_json::{Value, json};

use super::case::{answer, case, credits, entries, first, refusal, touches, with, without};

/// A case of one payee, a, who has it all and is paid by this plan.
fn paid_by(plan: Value, amount: &str) -> Value {
    let case = case(json!({"equal": {}}), touches(&[("a", "referral", "1")]));
    with(with(case, "rates.ten", plan), "deals.0.amount", json!(amount))
}

#[test]
fn v05_a_margin_is_paid_on_and_never_below_zero() {
    let plan = json!({"currency": "USD", "base": "margin", "otherwise": {"rate": "0.1"}});
    let sold = |amount: &str| {
        let case = without(paid_by(plan.clone(), "1 USD"), "deals.0.amount");
        let line = json!({"amount": format!("{amount} USD"), "units": 3, "unit_cost": "60 USD"});
        entries(&first(&with(case, "deals.0.lines", json!([line]))))
    };
    assert_eq!(sold("250"), ["a 7.00"]);
    assert_eq!(sold("150"), Vec::<String>::new());
    assert_eq!(sold("-250"), ["a -7.00"], "a refund is what was paid, negated");
}

#[test]
fn v06_only_eligible_lines_are_paid_on() {
    let plan = |rate: &str| json!({"currency": "USD", "eligible": ["suite"], "otherwise": {"rate": rate}});
    let lines = json!([{"amount": "800 USD", "product_line": "suite"}, {"amount": "200 USD", "product_line": "hours"}]);
    let case = with(without(paid_by(plan("0.05"), "1 USD"), "deals.0.amount"), "deals.0.lines", lines);
    assert_eq!(entries(&first(&case)), ["a 40.00"]);
    let team = |b: &str| {
        let case = with(case.clone(), "rates", json!({"ten": plan("0.02"), "twenty": plan("0.03")}));
        let case = with(without(case, "deals.0.touches"), "models.main.model", json!({"custom": {}}));
        with(case, "deals.0.custom", json!([{"payee": "a", "weight": "0.6"}, {"payee": "b", "weight": b}]))
    };
    let deal = first(&team("0.4"));
    assert_eq!(entries(&deal), ["a 9.60", "b 9.60"]);
    let parts = [0, 1].map(|at| deal["entries"][at]["because"]["commission"]["part"].clone());
    assert_eq!(parts, ["480.00 USD", "320.00 USD"]);
    assert_eq!(refusal(&team("0.3")).0, "weights_do_not_sum");
}

#[test]
fn v10_a_customer_earns_for_so_many_months_and_not_on_the_day_they_end() {
    let sale = |months: Value, on: &str| {
        let plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": months});
        let case = with(paid_by(plan, "100 USD"), "deals.0.customer", json!("acme"));
        let case = with(case, "deals.0.completed_at", json!(format!("{on}T12:00:00Z")));
        let case = with(case, "deals.0.touches.0.at", json!("2025-01-01T00:00:00Z"));
        let first_one = json!([{"payee": "a", "customer": "acme", "on": "2025-01-31"}]);
        entries(&first(&with(case, "first_commissions", first_one))).len()
    };
    assert_eq!(sale(json!(12), "2026-01-30"), 1);
    assert_eq!(sale(json!(12), "2026-01-31"), 0);
    assert_eq!(sale(json!(1), "2025-02-27"), 1, "a month from January 31 is over on February 28");
    assert_eq!(sale(json!(1), "2025-02-28"), 0);
    assert_eq!(sale(json!(0), "2025-01-31"), 0, "the first sale alone");
    assert_eq!(sale(Value::Null, "2099-01-01"), 1, "for ever");
}

#[test]
fn v10_the_first_sale_alone_earns_and_each_payee_has_its_own() {
    let plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": 0});
    let case = with(paid_by(plan, "100 USD"), "deals.0.customer", json!("acme"));
    let again = |deal: &str, payee: &str, customer: &str| {
        let mut again = case["deals"][0].clone();
        (again["deal"], again["customer"], again["touches"][0]["payee"]) = (json!(deal), json!(customer), json!(payee));
        again
    };
    let deals = json!([
        again("D1", "a", "acme"),
        again("D2", "a", "acme"),
        again("D3", "a", "other"),
        again("D4", "b", "acme"),
    ]);
    let answer = answer(&with(case.clone(), "deals", deals));
    let earned: Vec<usize> = (0..4).map(|deal| entries(&answer["deals"][deal]).len()).collect();
    assert_eq!(earned, [1, 0, 1, 1]);
    assert_eq!(answer["deals"][1]["credits"][0]["because"]["unpaid"]["over"]["first"], "2025-06-01");
}

/// The months of a customer were counted in UTC, unless the plan had a spend limit: a sale at half past eleven in the evening of New
/// York was of the day after, and a year later one sale too many was paid.
#[test]
fn v10_months_are_counted_where_the_case_has_its_days() {
    let plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": 12});
    let case = with(paid_by(plan, "100 USD"), "deals.0.customer", json!("acme"));
    let on =
        |name: &str, at: &str| with(with(case["deals"][0].clone(), "deal", json!(name)), "completed_at", json!(at));
    // May 31, 23:30, and a year later May 30, 23:30, and May 31, 12:00.
    let deals =
        json!([on("D1", "2025-06-01T03:30:00Z"), on("D2", "2026-05-31T03:30:00Z"), on("D3", "2026-05-31T16:00:00Z")]);
    let earned = |case: &Value| {
        let answer = answer(case);
        (0..3).map(|deal| entries(&answer["deals"][deal]).len()).collect::<Vec<_>>()
    };
    let case = with(case.clone(), "deals", deals);
    assert_eq!(earned(&case), [1, 1, 1]);
    let new_york = with(case, "zone", json!("America/New_York"));
    assert_eq!(earned(&new_york), [1, 1, 0]);
    let limit = json!({"amount": "1000 USD", "per": "month", "zone": "Asia/Tokyo"});
    assert_eq!(
        earned(&with(new_york.clone(), "rates.ten.spend_limit", limit)),
        [1, 1, 0],
        "a limit has a zone for itself"
    );
    let read = ledger_core::attribute::read(&with(new_york, "zone", json!("UTC")).to_string()).unwrap();
    assert!(serde_json::to_value(read).unwrap().get("zone").is_none(), "UTC is left out");
}

#[test]
fn v11_an_override_is_rounded_half_away() {
    let plan = json!({"currency": "USD", "otherwise": {"rate": "1"},
        "overrides": [{"name": "recruiter", "of": "a", "to": "c", "rate": "0.15"}]});
    assert_eq!(entries(&first(&paid_by(plan.clone(), "3.33 USD"))), ["a 3.33", "c override 0.50"]);
    assert_eq!(entries(&first(&paid_by(plan.clone(), "-3.33 USD"))), ["a -3.33", "c override -0.50"]);
    assert_eq!(entries(&first(&paid_by(plan, "0.01 USD"))), ["a 0.01"], "an override of nothing is left out");
}

#[test]
fn v12_overrides_on_five_affiliates_are_one_each() {
    let names = ["s1", "s2", "s3", "s4", "s5"];
    let plan = json!({"currency": "USD", "otherwise": {"rate": "1"}, "overrides": names
        .map(|of| json!({"name": "parent", "of": of, "to": "p", "rate": "0.05"}))});
    let payees: Value = names.iter().map(|name| ((*name).to_owned(), json!({"rates": "ten"}))).collect();
    let all: Vec<_> = names.map(|name| (name, "referral", "1")).to_vec();
    let case = with(paid_by(plan, "10000 USD"), "payees", with(payees, "p", json!({})));
    let case = without(with(case, "deals.0.touches", touches(&all)), "rates.twenty");
    let entries = entries(&first(&case));
    assert_eq!(entries.iter().filter(|entry| *entry == "p override 100.00").count(), 5);
    assert_eq!(entries[..2], ["s1 2000.00", "p override 100.00"], "each follows its entry");
}

#[test]
fn v14_a_commission_is_released_as_the_customer_pays() {
    let plan = json!({"currency": "USD", "otherwise": {"rate": "0.2"}, "earned": "as_collected"});
    let collected = |amount: &str, payments: Value| {
        entries(&first(&with(paid_by(plan.clone(), amount), "deals.0.collected", payments)))
    };
    assert_eq!(collected("20000 USD", json!(["10000 USD"])), ["a 2000.00"]);
    assert_eq!(collected("20000 USD", json!(["10000 USD", "10000 USD"])), ["a 2000.00", "a 2000.00"]);
    assert_eq!(collected("20000 USD", json!([])), Vec::<String>::new());
    // A third of a cent each: what is released follows the sum, so that nothing is lost.
    assert_eq!(collected("0.15 USD", json!(["0.05 USD", "0.05 USD", "0.05 USD"])), ["a 0.01", "a 0.01", "a 0.01"]);
    assert_eq!(collected("0.10 USD", json!(["0.03 USD", "0.04 USD", "0.03 USD"])), ["a 0.01", "a 0.01"]);
}

#[test]
fn v72_equal_to_each_payee() {
    let case = case(json!({"equal": {}}), touches(&[("a", "referral", "1"), ("b", "demo", "2")]));
    assert_eq!(credits(&case), ["a 5000.00", "b 5000.00"]);
    assert_eq!(entries(&first(&case)), ["a 500.00", "b 1000.00"]);
}

#[test]
fn v73_three_equal_payees_to_the_cent_ties_to_the_first_touch() {
    let three = touches(&[("c", "demo", "3"), ("a", "referral", "1"), ("b", "demo", "2")]);
    assert_eq!(credits(&case(json!({"equal": {}}), three)), ["a 3333.34", "b 3333.33", "c 3333.33"]);
}

fn a_before_b() -> Value {
    touches(&[("a", "referral", "1"), ("b", "demo", "8")])
}

#[test]
fn v74_the_first_touch_has_it_all() {
    let case = case(json!({"first_touch": {}}), a_before_b());
    assert_eq!((credits(&case), entries(&first(&case))), (vec!["a 10000.00".into()], vec!["a 1000.00".into()]));
    let tie = touches(&[("b", "demo", "1"), ("a", "referral", "1")]);
    let tie = with(case, "deals.0.touches", tie);
    assert_eq!(credits(&tie), ["b 10000.00"], "of one moment, the one that is listed first");
}

#[test]
fn v75_the_last_touch_has_it_all() {
    let case = case(json!({"last_touch": {}}), a_before_b());
    assert_eq!((credits(&case), entries(&first(&case))), (vec!["b 10000.00".into()], vec!["b 2000.00".into()]));
}

#[test]
fn v76_who_registered_the_deal_and_touched_it_goes_before_the_first_touch() {
    let case = case(json!({"first_touch": {}}), a_before_b());
    let registered = |by: &str| with(case.clone(), "deals.0.registered_by", json!(by));
    assert_eq!(credits(&registered("b")), ["b 10000.00"]);
    assert_eq!(credits(&registered("c")), ["a 10000.00"], "it has not touched the deal");
    let not_counting = with(registered("b"), "deals.0.touches.1.type", json!("crm_sync"));
    assert_eq!(credits(&not_counting), ["a 10000.00"], "no touch of it counts");
    assert_eq!(credits(&with(registered("b"), "models.main.registration", json!("ignored"))), ["a 10000.00"]);
}

#[test]
fn v77_a_touch_weighs_half_for_every_half_life() {
    let case = case(json!({"time_decay": {"half_life_days": 7}}), a_before_b());
    assert_eq!(credits(&case), ["a 3333.33", "b 6666.67"]);
    let later = with(case, "deals.0.completed_at", json!("2031-06-01T12:00:00Z"));
    assert_eq!(credits(&later), ["a 3333.33", "b 6666.67"], "when it is computed does not matter");
}

#[test]
fn v80_linear_counts_touches_and_equal_counts_payees() {
    let three = touches(&[("a", "referral", "1"), ("b", "demo", "1"), ("a", "demo", "1")]);
    for (model, expected) in [
        (json!({"linear": {}}), ["a 6666.67", "b 3333.33"]),
        (json!({"time_decay": {"half_life_days": 7}}), ["a 6666.67", "b 3333.33"]),
        (json!({"equal": {}}), ["a 5000.00", "b 5000.00"]),
    ] {
        assert_eq!(credits(&case(model, three.clone())), expected);
    }
}

#[test]
fn v81_a_touch_weighs_what_its_type_does_or_what_it_says_itself() {
    let weights = json!({"referral": "40", "demo": "25", "proposal": "20", "content_share": "10"});
    let model = json!({"role_based": {"weights": weights, "other": "10"}});
    let case = |listed: &[(&str, &str, &str)]| case(model.clone(), touches(listed));
    assert_eq!(credits(&case(&[("a", "referral", "1"), ("b", "demo", "2")])), ["a 6153.85", "b 3846.15"]);
    let three = [("a", "referral", "1"), ("b", "demo", "2"), ("b", "proposal", "3"), ("c", "content_share", "4")];
    assert_eq!(credits(&case(&three)), ["a 4210.53", "b 4736.84", "c 1052.63"]);
    let two = [("a", "content_share", "1"), ("b", "demo", "2")];
    let own = with(case(&two), "deals.0.touches.1.weight", json!("50"));
    assert_eq!(credits(&own), ["a 1666.67", "b 8333.33"]);
    let own = with(case(&[("a", "demo", "1"), ("b", "demo", "2")]), "deals.0.touches.0.weight", json!("100"));
    assert_eq!(credits(&own), ["a 8000.00", "b 2000.00"]);
    assert_eq!(credits(&case(&[("a", "webinar", "1"), ("b", "referral", "2")])), ["a 2000.00", "b 8000.00"]);
}

#[test]
fn v82_a_payee_takes_part_by_its_best_role_and_present_roles_are_the_whole() {
    let roles = |roles: &[(&str, &str)]| {
        let roles: Vec<_> = roles.iter().map(|(role, weight)| json!({"role": role, "weight": weight})).collect();
        json!({"role_weighted": {"roles": roles}})
    };
    let acting = |model: &Value, acting: &[(&str, &str)]| {
        let listed: Vec<_> = acting.iter().map(|(payee, _)| (*payee, "demo", "1")).collect();
        let case = case(model.clone(), touches(&listed));
        acting
            .iter()
            .enumerate()
            .fold(case, |case, (place, (_, role))| with(case, &format!("deals.0.touches.{place}.role"), json!(role)))
    };
    let four = roles(&[("sourcer", "0.4"), ("influencer", "0.2"), ("demo", "0.2"), ("closer", "0.2")]);
    let all = [("a", "sourcer"), ("b", "influencer"), ("c", "demo"), ("d", "closer")];
    assert_eq!(credits(&acting(&four, &all)), ["a 4000.00", "b 2000.00", "c 2000.00", "d 2000.00"]);
    let two = [("a", "sourcer"), ("b", "influencer"), ("a", "closer")];
    assert_eq!(credits(&acting(&four, &two)), ["a 6666.67", "b 3333.33"]);
    let thirds = [("a", "sourcer"), ("b", "sourcer"), ("c", "closer")];
    assert_eq!(credits(&acting(&four, &thirds)), ["a 3333.34", "b 3333.33", "c 3333.33"]);
    let ninety = roles(&[("sourcer", "0.9"), ("closer", "0.1")]);
    assert_eq!(credits(&acting(&ninety, &[("a", "sourcer"), ("b", "closer")])), ["a 9000.00", "b 1000.00"]);
    let nothing = roles(&[("sourcer", "0"), ("closer", "0")]);
    assert_eq!(refusal(&acting(&nothing, &[("a", "sourcer"), ("b", "closer")])).0, "nobody");
    let nobody = without(acting(&four, &[("a", "closer")]), "deals.0.touches.0.role");
    assert_eq!(first(&nobody)["unattributed"], true, "nobody has a role");
}

#[test]
fn v83_present_classes_are_the_whole() {
    let model = json!({"co_sell": {"classes": [
        {"class": "hyperscaler", "weight": "0.3"}, {"class": "partner", "weight": "0.2"}, {"class": "vendor", "weight": "0.5"},
    ]}});
    let classes = [("h", "hyperscaler"), ("p", "partner"), ("q", "partner"), ("v", "vendor")];
    let payees: Value = classes.iter().map(|(name, class)| ((*name).to_owned(), json!({"class": class}))).collect();
    let sold = |by: &[&str]| {
        let listed: Vec<_> = by.iter().map(|name| (*name, "co_sell", "1")).collect();
        let case = with(case(model.clone(), touches(&listed)), "payees", payees.clone());
        credits(&with(case, "deals.0.amount", json!("100000 USD")))
    };
    assert_eq!(sold(&["h", "p", "v"]), ["h 30000.00", "p 20000.00", "v 50000.00"]);
    assert_eq!(sold(&["p", "v"]), ["p 28571.43", "v 71428.57"]);
    assert_eq!(sold(&["h", "p"]), ["h 60000.00", "p 40000.00"]);
    assert_eq!(sold(&["p", "q", "v"]), ["p 14285.72", "q 14285.71", "v 71428.57"]);
    assert_eq!(sold(&["h"]), ["h 100000.00"]);
}

#[test]
fn v85_the_first_and_the_last_touch_weigh_more() {
    let sold = |by: &[&str]| {
        let days = ["1", "2", "3", "4", "5"];
        let listed: Vec<_> = by.iter().zip(days).map(|(name, day)| (*name, "demo", day)).collect();
        credits(&case(json!({"u_shaped": {"first": "0.4", "last": "0.4"}}), touches(&listed)))
    };
    let five = ["a 4000.00", "b 666.67", "c 666.67", "d 666.66", "e 4000.00"];
    assert_eq!(sold(&["a", "b", "c", "d", "e"]), five);
    assert_eq!(sold(&["a", "b"]), ["a 5000.00", "b 5000.00"]);
    assert_eq!(sold(&["a"]), ["a 10000.00"]);
}

#[test]
fn v88_custom_weights_that_are_not_the_whole_are_a_matter_of_policy() {
    let sold = |sum: &str| {
        let case = without(case(json!({"custom": {"sum": sum}}), json!([])), "deals.0.touches");
        with(case, "deals.0.custom", json!([{"payee": "a", "weight": "0.5"}, {"payee": "b", "weight": "0.3"}]))
    };
    assert_eq!(credits(&sold("normalise")), ["a 6250.00", "b 3750.00"]);
    assert_eq!(refusal(&sold("strict")), ("weights_do_not_sum".into(), "deals.D1.custom".into()));
    assert_eq!(credits(&sold("residual_to_house")), ["a 5000.00", "b 3000.00"]);
    assert_eq!(first(&sold("residual_to_house"))["house"], "2000.00 USD");
    let of = |weights: Value| first(&with(sold("residual_to_house"), "deals.0.custom", weights));
    let nothing = of(json!([{"payee": "a", "weight": "0"}]));
    assert_eq!((&nothing["house"], &nothing["credits"]), (&json!("10000.00 USD"), &json!([])));
    let untold = of(json!([]));
    assert_eq!((&untold["unattributed"], untold.get("house")), (&json!(true), None), "nobody has said who has what");
}

#[test]
fn v88_an_overlay_is_beside_the_whole() {
    let weights = |listed: &[(&str, &str)]| -> Value {
        listed.iter().map(|(payee, weight)| json!({"payee": payee, "weight": weight})).collect()
    };
    let case = without(case(json!({"custom": {}}), json!([])), "deals.0.touches");
    let case = with(case, "deals.0.custom", weights(&[("a", "0.7"), ("b", "0.2"), ("c", "0.1")]));
    let case = with(case, "deals.0.overlays", weights(&[("d", "0.25"), ("e", "0.1")]));
    assert_eq!(credits(&case), ["a 7000.00", "b 2000.00", "c 1000.00"]);
    let deal = first(&case);
    assert_eq!(deal["overlays"][0]["amount"], "2500.00 USD");
    assert_eq!(deal["overlays"][1]["amount"], "1000.00 USD");
    assert_eq!(entries(&deal), ["a 700.00", "b 400.00"], "an overlay earns by a rate plan of its own only");
    let even = json!({"currency": "USD", "rounding": "half_even", "otherwise": {"rate": "1"}});
    let even = with(with(case.clone(), "rates.even", even), "payees.d.rates", json!("even"));
    let even = with(with(even, "deals.0.overlays.0.weight", json!("0.5")), "deals.0.amount", json!("0.25 USD"));
    assert_eq!(first(&even)["overlays"][0]["amount"], "0.13 USD");
    assert_eq!(entries(&first(&even)).last().unwrap(), "d overlay 0.13", "what is paid on is what is credited");
    let paid = with(case, "payees.d.rates", json!("ten"));
    assert_eq!(entries(&first(&paid)), ["a 700.00", "b 400.00", "d overlay 250.00"]);
}

#[test]
fn v89_a_deal_that_nobody_touched_is_flagged_and_not_refused() {
    for listed in [touches(&[]), touches(&[("a", "crm_sync", "1"), ("b", "crm_sync", "2")])] {
        let case = case(json!({"equal": {}}), listed);
        let deal = first(&with(case, "deals.0.overlays", json!([{"payee": "a", "weight": "1"}])));
        assert_eq!(deal["unattributed"], true);
        assert_eq!((&deal["credits"], &deal["overlays"], &deal["entries"]), (&json!([]), &json!([]), &json!([])));
    }
}

#[test]
fn v90_a_touch_at_the_cutoff_counts_and_a_millisecond_later_it_does_not() {
    let case = case(json!({"equal": {}}), a_before_b());
    let case = with(case, "deals.0.cutoff", json!("2025-05-08T00:00:00Z"));
    assert_eq!(credits(&case), ["a 5000.00", "b 5000.00"]);
    let late = with(case.clone(), "deals.0.touches.1.at", json!("2025-05-08T00:00:00.001Z"));
    assert_eq!(credits(&late), ["a 10000.00"]);
    // The same at both ends of the lookback: the deal is of June 1, 12:00, and 31 days before that is May 1, 12:00.
    let case = with(without(case, "deals.0.cutoff"), "models.main.lookback_days", json!(31));
    let at = |first: &str, second: &str| {
        let case = with(case.clone(), "deals.0.touches.0.at", json!(first));
        credits(&with(case, "deals.0.touches.1.at", json!(second)))
    };
    assert_eq!(at("2025-05-01T12:00:00Z", "2025-06-01T12:00:00Z"), ["a 5000.00", "b 5000.00"]);
    assert_eq!(at("2025-05-01T11:59:59.999Z", "2025-06-01T12:00:00Z"), ["b 10000.00"]);
    assert_eq!(at("2025-05-01T12:00:00Z", "2025-06-01T12:00:00.001Z"), ["a 10000.00"]);
}
