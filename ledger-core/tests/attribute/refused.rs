//! What a case is refused for, and where it says so.

use serde_json::{Value, json};

use super::case::{answer, case, refusal, touches, with, without};

fn plain() -> Value {
    case(json!({"equal": {}}), touches(&[("a", "referral", "1"), ("b", "demo", "2")]))
}

#[test]
fn each_fault_is_refused_by_its_code_where_it_is() {
    let weights = |sum: &str| json!([{"payee": "a", "weight": sum}]);
    let rule = |priority: i64, name: &str| json!({"rule": name, "priority": priority, "pays": {"rate": "0.1"}});
    let model = |model: Value| ("models.main.model", model);
    for ((path, value), code, at) in [
        (("deals.0.model", json!("other")), "unknown_model", "deals.D1.model"),
        (("deals.0.rates", json!("other")), "unknown_rates", "deals.D1.rates"),
        (("payees.a.rates", json!("other")), "unknown_rates", "payees.a.rates"),
        (("deals.0.touches.1.payee", json!("x")), "unknown_payee", "deals.D1.touches.t2"),
        (("deals.0.registered_by", json!("x")), "unknown_payee", "deals.D1.registered_by"),
        (("deals.0.overlays", json!([{"payee": "x", "weight": "1"}])), "unknown_payee", "deals.D1.overlays"),
        (("deals.0.custom", weights("1")), "conflicting", "deals.D1.custom"),
        (model(json!({"custom": {}})), "conflicting", "deals.D1.touches"),
        (
            model(json!({"time_decay": {"half_life_days": 0}})),
            "not_positive",
            "models.main.model.time_decay.half_life_days",
        ),
        (
            model(json!({"u_shaped": {"first": "0.6", "last": "0.5"}})),
            "weights_do_not_sum",
            "models.main.model.u_shaped",
        ),
        (
            model(json!({"milestones": {"milestones": [{"milestone": "lead", "weight": "0.9"}], "rest": "0.11"}})),
            "weights_do_not_sum",
            "models.main.model.milestones",
        ),
        (
            model(
                json!({"role_weighted": {"roles": [{"role": "x", "weight": "0.9"}, {"role": "x", "weight": "0.1"}]}}),
            ),
            "named_twice",
            "models.main.model.role_weighted.roles",
        ),
        (model(json!({"role_based": {"weights": {"demo": "1"}}})), "unknown_type", "deals.D1.touches.t1.type"),
        (model(json!({"co_sell": {"classes": [{"class": "k", "weight": "1"}]}})), "unknown_class", "deals.D1.touches"),
        (("rates.ten.minimum", json!("-1 USD")), "negative", "rates.ten.minimum"),
        (("rates.ten.maximum", json!("1 EUR")), "wrong_currency", "rates.ten.maximum"),
        (("rates.ten.currency", json!("EUR")), "wrong_currency", "payees.a.rates"),
        (("rates.ten.max_duration_months", json!(1_201)), "too_many", "rates.ten.max_duration_months"),
        (("rates.ten.rules", json!([rule(1, "x"), rule(1, "y")])), "conflicting", "rates.ten.rules"),
        (("rates.ten.rules", json!([rule(1, "x"), rule(2, "x")])), "named_twice", "rates.ten.rules"),
        (("rates.ten.bounds", json!({"from": "0.2", "to": "0.3"})), "rate_out_of_bounds", "rates.ten.otherwise"),
        (("rates.ten.base", json!("margin")), "no_lines", "deals.D1"),
        (("rates.ten.eligible", json!(["suite"])), "no_lines", "deals.D1"),
        (("rates.ten.eligible", json!(["a", "a"])), "named_twice", "rates.ten.eligible"),
        (
            ("deals.0.overlays", (0..51).map(|_| json!({"payee": "a", "weight": "1"})).collect()),
            "too_many",
            "deals.D1.overlays",
        ),
        (("deals.0.touches.0.milestones", json!(vec!["x"; 101])), "too_many", "deals.D1.touches.t1.milestones"),
        (("rates.ten.otherwise", json!({"per_unit": "1 USD"})), "no_lines", "deals.D1"),
        (("rates.ten.max_duration_months", json!(12)), "conflicting", "deals.D1"),
        (
            ("rates.ten.overrides", json!([{"name": "x", "of": "a", "to": "a", "rate": "0.1"}])),
            "conflicting",
            "rates.ten.overrides",
        ),
        (
            ("rates.ten.overrides", json!([{"name": "x", "of": "a", "to": "b", "rate": "1.1"}])),
            "rate_out_of_bounds",
            "rates.ten.overrides",
        ),
        (("deals.0.collected", json!(["9999 USD", "2 USD"])), "too_much_collected", "deals.D1.collected"),
        (("deals.0.collected", json!(["-1 USD"])), "negative", "deals.D1.collected"),
        (("deals.0.lines", json!([{"amount": "1 USD"}])), "conflicting", "deals.D1.amount"),
        (("deals.0.completed_at", json!("1899-12-31T00:00:00Z")), "year", "deals.D1.completed_at"),
        (
            ("first_commissions", json!([{"payee": "a", "customer": "acme", "on": "9999-01-01"}])),
            "year",
            "first_commissions.0",
        ),
        (
            ("spent", json!([{"rates": "ten", "payee": "x", "on": "2025-01-01", "amount": "1 USD"}])),
            "unknown_payee",
            "spent.0",
        ),
        (
            ("spent", json!([{"rates": "x", "payee": "a", "on": "2025-01-01", "amount": "1 USD"}])),
            "unknown_rates",
            "spent.0",
        ),
        (("deals.0.amount", json!("92233720368547758.08 USD")), "malformed", "deals.0.amount"),
    ] {
        let (found, place) = refusal(&with(plain(), path, value.clone()));
        assert_eq!((found.as_str(), place.starts_with(at)), (code, true), "{path} = {value}: {place}");
    }
    assert_eq!(refusal(&without(plain(), "deals.0.amount")).0, "conflicting", "neither an amount nor lines");
    assert_eq!(answer(&with(plain(), "case", json!("x")))["case"], "x");
    let refused = with(with(plain(), "case", json!("x")), "deals.0.model", json!("y"));
    assert_eq!(answer(&refused)["case"], "x", "also of what is refused");
}

/// Models were published under which every deal was nobody's.
#[test]
fn a_model_under_which_nobody_can_be_credited_is_none() {
    let role = |weight: &str| json!({"role": "x", "weight": weight});
    let class = |weight: &str, roles: Value| json!({"class": "k", "weight": weight, "roles": roles});
    for (model, at) in [
        (json!({"milestones": {"milestones": []}}), "model.milestones"),
        (json!({"milestones": {"milestones": [{"milestone": "lead", "weight": "0"}]}}), "model.milestones"),
        (json!({"role_weighted": {"roles": []}}), "model.role_weighted.roles"),
        (json!({"role_weighted": {"roles": [role("0")]}}), "model.role_weighted.roles"),
        (json!({"co_sell": {"classes": []}}), "model.co_sell.classes"),
        (json!({"co_sell": {"classes": [class("0", json!([]))]}}), "model.co_sell.classes"),
        (json!({"co_sell": {"classes": [class("1", json!([role("0")]))]}}), "model.co_sell.classes"),
        (json!({"u_shaped": {"first": "0", "last": "0"}}), "model.u_shaped"),
    ] {
        let case = with(plain(), "models.main.model", model.clone());
        assert_eq!(refusal(&case), ("nobody".into(), format!("models.main.{at}")), "{model}");
    }
    let none = |case: Value| with(case, "models.main.types", json!({"only": []}));
    assert_eq!(refusal(&none(plain())), ("nobody".into(), "models.main.types".into()));
    let custom = with(with(plain(), "models.main.model", json!({"custom": {}})), "deals.0.touches", json!([]));
    let custom = with(custom, "deals.0.custom", json!([{"payee": "a", "weight": "1"}]));
    assert!(answer(&none(custom)).get("error").is_none(), "it takes no touches anyway");
    for model in [
        json!({"milestones": {"milestones": [], "rest": "0.1"}}),
        json!({"u_shaped": {"first": "0", "last": "0.1"}}),
        json!({"role_based": {"weights": {}, "other": "0"}}),
    ] {
        let case = with(plain(), "models.main.model", model);
        assert!(answer(&case).get("error").is_none(), "{}", answer(&case));
    }
}

/// A rule that no deal came to was taken, and whoever wrote it waited for its rate.
#[test]
fn a_rule_that_is_never_reached_is_refused() {
    let plan = |first: Value, second: Value| {
        let rule = |name: &str, priority: i64, when: Value| json!({"rule": name, "priority": priority, "when": when, "pays": {"rate": "0.1"}});
        let case = with(plain(), "rates.ten.rules", json!([rule("late", 2, second), rule("early", 1, first)]));
        with(case, "rates.ten.eligible", json!(["suite", "seats"]))
    };
    let gold = || json!({"tier": "gold"});
    let from = |amount: &str| json!({"tier": "gold", "deal_from": amount});
    let late = ("never_reached".to_owned(), "rates.ten.rules.late".to_owned());
    for (first, second) in [
        (json!({}), gold()),
        (json!({}), json!({})),
        (json!({"deal_from": "0 USD"}), gold()),
        (gold(), json!({"tier": "gold", "programme": "friends"})),
        (from("5 USD"), from("6 USD")),
    ] {
        assert_eq!(refusal(&plan(first, second)), late);
    }
    for (first, second) in [
        (gold(), json!({})),
        (gold(), json!({"tier": "silver"})),
        (from("6 USD"), from("5 USD")),
        (json!({"tier": "gold", "programme": "friends"}), gold()),
        (json!({"product_line": "suite"}), json!({"product_line": "seats"})),
    ] {
        assert_eq!(refusal(&plan(first, second)).0, "no_lines", "the plan itself holds");
    }
    let unsold = ("never_reached".into(), "rates.ten.rules.early.when.product_line".into());
    assert_eq!(refusal(&plan(json!({"product_line": "suit"}), gold())), unsold);
}

/// Three overrides of 100 % on one entry paid it out four times.
#[test]
fn overrides_on_one_payees_entries_are_the_whole_of_them_at_most() {
    let over = |listed: &[(&str, &str, &str)]| {
        let all: Value = listed
            .iter()
            .zip(0..)
            .map(|((of, to, rate), place)| json!({"name": format!("o{place}"), "of": of, "to": to, "rate": rate}))
            .collect();
        with(plain(), "rates.ten.overrides", all)
    };
    let refused = ("weights_do_not_sum".into(), "rates.ten.overrides".into());
    assert_eq!(refusal(&over(&[("a", "b", "0.6"), ("b", "c", "0.6"), ("a", "c", "0.400000000001")])), refused);
    assert!(answer(&over(&[("a", "b", "0.6"), ("b", "c", "0.6"), ("a", "c", "0.4")])).get("error").is_none());
}

/// A line of 124 KiB, of many payments for many payees, came to a gigabyte.
#[test]
fn payments_payees_and_overrides_do_not_multiply_beyond_what_a_line_may_come_to() {
    let plan = json!({"currency": "USD", "earned": "as_collected", "otherwise": {"rate": "0.5"}});
    let case = with(with(plain(), "rates.ten", plan.clone()), "rates.twenty", plan);
    let paid = |payments: usize| with(case.clone(), "deals.0.collected", json!(vec!["0.10 USD"; payments]));
    assert_eq!(answer(&paid(50_000))["deals"][0]["entries"].as_array().unwrap().len(), 100_000);
    assert_eq!(refusal(&paid(50_001)), ("too_many".into(), "deals.D1".into()));
    let all: Value =
        (0..1_000).map(|place| json!({"name": format!("o{place}"), "of": "a", "to": "c", "rate": "0.001"})).collect();
    assert_eq!(refusal(&with(paid(100), "rates.ten.overrides", all)).0, "too_many");
}

/// A payee without credit, whose own rate plan was in another currency, blocked every deal that named it.
#[test]
fn a_rate_plan_in_another_currency_is_refused_where_it_would_pay() {
    let euros = json!({"currency": "EUR", "otherwise": {"rate": "0.1"}, "minimum": "5 EUR"});
    let case = with(with(plain(), "rates.euros", euros), "payees.c.rates", json!("euros"));
    for idle in [
        case.clone(),
        with(case.clone(), "deals.0.registered_by", json!("c")),
        with(with(case.clone(), "deals.0.touches.0.payee", json!("c")), "deals.0.touches.0.type", json!("crm_sync")),
    ] {
        assert!(answer(&idle).get("error").is_none(), "{}", answer(&idle));
    }
    let at_payee = ("wrong_currency".to_owned(), "payees.c.rates".to_owned());
    let overlay = with(case.clone(), "deals.0.overlays", json!([{"payee": "c", "weight": "0.1"}]));
    let credited = with(case.clone(), "deals.0.touches.0.payee", json!("c"));
    assert_eq!([refusal(&overlay), refusal(&credited)], [at_payee.clone(), at_payee]);
    assert!(answer(&credited)["error"]["message"].as_str().unwrap().contains("rate plan euros is in EUR"));
    let deal = with(case, "deals.0.rates", json!("euros"));
    assert_eq!(refusal(&deal), ("wrong_currency".into(), "deals.D1.rates".into()));
}

/// A plan of a hundred thousand months was taken, and the second deal with the customer refused for ever.
#[test]
fn a_customers_months_end_however_many_they_are() {
    let sold = |months: u32, first: &str, at: &str| {
        let case = with(with(plain(), "rates.ten.max_duration_months", json!(months)), "deals.0.customer", json!("x"));
        let case = with(case, "first_commissions", json!([{"payee": "a", "customer": "x", "on": first}]));
        let case =
            with(with(case, "models.main.types", json!({"only": ["referral"]})), "deals.0.completed_at", json!(at));
        answer(&case)["deals"][0]["entries"].as_array().unwrap_or_else(|| panic!("{}", answer(&case))).len()
    };
    assert_eq!(sold(1_200, "9998-12-31", "9998-12-31T12:00:00Z"), 1);
    assert_eq!(sold(1_200, "1926-01-31", "2026-01-30T12:00:00Z"), 1);
    assert_eq!(sold(1_200, "1926-01-31", "2026-01-31T12:00:00Z"), 0);
}

/// What is told of touches is of the journey, not of one model: the `closed` of a full path is refused under no other.
#[test]
fn a_role_or_a_milestone_that_the_model_does_not_list_is_none() {
    let role = |name: &str| json!({"role": name, "weight": "0.2"});
    let milestones = json!([{"milestone": "lead", "weight": "0.7"}]);
    for (model, field, listed, other) in [
        (json!({"role_weighted": {"roles": [role("closer")]}}), "role", json!("closer"), json!("janitor")),
        (json!({"milestones": {"milestones": milestones}}), "milestones", json!(["lead"]), json!(["closed"])),
    ] {
        let case = with(plain(), "models.main.model", model);
        let case = with(case, &format!("deals.0.touches.0.{field}"), listed);
        let case = with(case, &format!("deals.0.touches.1.{field}"), other);
        let credits = &answer(&case)["deals"][0]["credits"];
        assert_eq!((credits.as_array().unwrap().len(), &credits[0]["payee"]), (1, &json!("a")), "{}", answer(&case));
    }
}

#[test]
fn a_full_price_does_not_pass_for_a_margin() {
    let case = with(without(plain(), "deals.0.amount"), "deals.0.lines", json!([{"amount": "1 USD"}]));
    assert_eq!(refusal(&with(case, "rates.ten.base", json!("margin"))), ("no_lines".into(), "deals.D1".into()));
}

#[test]
fn a_rate_plan_that_nobody_credited_has_needs_nothing() {
    let case = with(with(plain(), "rates.ten.base", json!("margin")), "deals.0.touches.0.type", json!("crm_sync"));
    assert!(answer(&case).get("error").is_none());
    let collected = with(with(plain(), "rates.ten.earned", json!("as_collected")), "deals.0.amount", json!("-1 USD"));
    assert_eq!(refusal(&collected).0, "conflicting");
}

#[test]
fn what_could_be_read_in_two_ways_is_not_read() {
    let text = plain().to_string();
    let twice = [
        ("\"payees\":{", "\"payees\":{\"a\":{},"),
        ("\"rates\":{\"ten\"", "\"rates\":{\"twenty\":{\"currency\":\"USD\"},\"ten\""),
        ("\"deal\":\"D1\"", "\"deal\":\"D1\",\"deal\":\"D2\""),
        ("\"currency\":\"USD\",", "\"currency\":\"USD\",\"unknown\":1,"),
        ("2025-06-01T12:00:00Z", "2025-06-01T12:00:00.0001Z"),
        ("2025-06-01T12:00:00Z", "2025-06-01T23:59:60Z"),
        ("2025-06-01T12:00:00Z", "2025-06-01 12:00:00Z"),
        ("2025-06-01T12:00:00Z", "2025-06-01T12:00:00"),
        ("\"equal\":{}", "\"equal\":{},\"linear\":{}"),
        ("\"equal\":{}", "\"equal\":{\"x\":1}"),
    ];
    for (plain, ambiguous) in twice {
        assert!(text.contains(plain), "{plain}");
        let answer: Value =
            serde_json::from_str(&ledger_core::attribute::line(&text.replacen(plain, ambiguous, 1))).unwrap();
        assert_eq!(answer["error"]["code"], "malformed", "{ambiguous}");
    }
    assert_eq!(refusal(&json!(null)).0, "malformed");
}

#[test]
fn weights_without_a_common_scale_are_refused_and_not_rounded() {
    let share = |name: &str, weight: &str| json!({"role": name, "weight": weight});
    let class = |name: &str, weight: &str, one: &str, two: &str| json!({"class": name, "weight": weight, "roles": [share("x", one), share("y", two)]});
    let classes = json!([
        class("k", "0.300000000007", "0.123456789011", "0.314159265359"),
        class("l", "0.200000000003", "0.271828182846", "0.161803398875"),
        class("m", "0.400000000009", "0.141421356237", "0.173205080757"),
    ]);
    let payees = ["a", "b", "c", "d", "e", "f"];
    let case = case(json!({"co_sell": {"classes": classes}}), touches(&payees.map(|name| (name, "demo", "1"))));
    let classed = payees.iter().zip(["k", "k", "l", "l", "m", "m"]);
    let known: Value = classed.map(|(name, class)| ((*name).to_owned(), json!({"class": class}))).collect();
    let case =
        ["x", "y", "x", "y", "x", "y"].iter().enumerate().fold(with(case, "payees", known), |case, (place, role)| {
            with(case, &format!("deals.0.touches.{place}.role"), json!(role))
        });
    assert_eq!(refusal(&case), ("overflow".into(), "deals.D1.touches".into()));
}
