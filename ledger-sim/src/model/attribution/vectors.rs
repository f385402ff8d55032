//! The vectors of the documents.

use serde_json::{Value, json};

use super::{Code, attribute};

/// A case of one deal of 10,000, completed on 2025-06-15, with the payees a to f, of whom a earns 10 % and b 20 %.
fn case(model: Value, deal: Value) -> Value {
    let mut case = json!({
        "currency": "USD",
        "payees": {
            "a": {"rates": "tenth", "class": "hyperscaler"}, "b": {"rates": "fifth", "class": "partner"},
            "c": {"class": "vendor"}, "d": {"class": "partner"}, "e": {}, "f": {},
        },
        "models": {"main": {"model": model}},
        "rates": {
            "tenth": {"currency": "USD", "otherwise": {"rate": "0.1"}},
            "fifth": {"currency": "USD", "otherwise": {"rate": "0.2"}},
        },
        "deals": [{
            "deal": "D1", "model": "main", "amount": "10000 USD", "completed_at": "2025-06-15T00:00:00Z", "touches": [],
        }],
    });
    for (field, value) in deal.as_object().unwrap() {
        case["deals"][0][field] = value.clone();
    }
    case
}

/// Touches of (payee, day of June, type, what else).
fn touches(all: &[(&str, u32, &str, Value)]) -> Value {
    let touch = |(place, (payee, day, kind, more)): (usize, &(&str, u32, &str, Value))| {
        let at = format!("2025-06-{day:02}T00:00:00Z");
        let mut touch = json!({"touch": format!("t{place}"), "payee": payee, "type": kind, "at": at});
        touch.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        touch
    };
    all.iter().enumerate().map(touch).collect()
}

/// Touches of payees, one a day, all referrals.
fn one_a_day(payees: &str) -> Value {
    let names: Vec<String> = payees.chars().map(String::from).collect();
    let all: Vec<_> = names.iter().zip(1..).map(|(payee, day)| (payee.as_str(), day, "referral", json!({}))).collect();
    touches(&all)
}

fn run(case: &Value) -> Result<Value, Code> {
    attribute(&case.to_string()).map(|result| serde_json::from_str(&result).unwrap())
}

/// The amounts of a list in the last deal, written `a 3333.34, b 6666.66`.
fn told(result: &Value, list: &str) -> String {
    let deal = result["deals"].as_array().unwrap().last().unwrap();
    let lines = deal[list].as_array().unwrap().iter();
    let line = |line: &Value| {
        let amount = line["amount"].as_str().unwrap().split_once(' ').unwrap().0;
        format!("{} {amount}", line["payee"].as_str().unwrap())
    };
    lines.map(line).collect::<Vec<_>>().join(", ")
}

fn credits(model: Value, deal: Value) -> String {
    told(&run(&case(model, deal)).unwrap(), "credits")
}

fn earned(model: Value, deal: Value) -> String {
    told(&run(&case(model, deal)).unwrap(), "entries")
}

fn of(touches: Value) -> Value {
    json!({ "touches": touches })
}

#[test]
fn v72_to_v76_equal_first_last_and_registration() {
    assert_eq!(credits(json!({"equal": {}}), of(one_a_day("ab"))), "a 5000.00, b 5000.00");
    assert_eq!(earned(json!({"equal": {}}), of(one_a_day("ab"))), "a 500.00, b 1000.00");
    assert_eq!(credits(json!({"equal": {}}), of(one_a_day("abc"))), "a 3333.34, b 3333.33, c 3333.33");
    assert_eq!(earned(json!({"first_touch": {}}), of(one_a_day("ab"))), "a 1000.00");
    assert_eq!(earned(json!({"last_touch": {}}), of(one_a_day("ab"))), "b 2000.00");
    let registered = |touches| json!({"registered_by": "b", "touches": touches});
    assert_eq!(credits(json!({"first_touch": {}}), registered(one_a_day("ab"))), "b 10000.00");
    assert_eq!(credits(json!({"first_touch": {}}), registered(one_a_day("ac"))), "a 10000.00");
    let mut ignored = case(json!({"first_touch": {}}), registered(one_a_day("ab")));
    ignored["models"]["main"]["registration"] = "ignored".into();
    assert_eq!(told(&run(&ignored).unwrap(), "credits"), "a 10000.00");
}

#[test]
fn v77_v80_decay_and_linear() {
    let decay = json!({"time_decay": {"half_life_days": 7}});
    let two = touches(&[("a", 1, "referral", json!({})), ("b", 8, "demo", json!({}))]);
    assert_eq!(credits(decay.clone(), of(two)), "a 3333.33, b 6666.67");
    let day = touches(&[("a", 1, "demo", json!({})), ("a", 1, "demo", json!({})), ("b", 1, "demo", json!({}))]);
    assert_eq!(credits(decay.clone(), of(day.clone())), "a 6666.67, b 3333.33");
    assert_eq!(credits(json!({"linear": {}}), of(day.clone())), "a 6666.67, b 3333.33");
    assert_eq!(credits(json!({"equal": {}}), of(day)), "a 5000.00, b 5000.00");
    // Whatever is old beyond all digits leaves everything to the rest, and does not take it away.
    let mut old = touches(&[("a", 1, "demo", json!({})), ("b", 1, "demo", json!({})), ("c", 2, "demo", json!({}))]);
    old[0]["at"] = "1975-01-01T00:00:00Z".into();
    assert_eq!(credits(decay.clone(), of(old.clone())), "b 4752.65, c 5247.35");
    old.as_array_mut().unwrap().truncate(1);
    assert_eq!(credits(decay, of(old)), "a 10000.00");
}

#[test]
fn v81_role_based() {
    let weights = json!({"referral": "40", "demo": "25", "introduction": "10"});
    let model = json!({"role_based": {"weights": weights, "other": "10"}});
    let two = |a: &str, b: &str| touches(&[("a", 1, a, json!({})), ("b", 2, b, json!({}))]);
    assert_eq!(credits(model.clone(), of(two("referral", "demo"))), "a 6153.85, b 3846.15");
    let four = touches(&[
        ("a", 1, "referral", json!({})),
        ("b", 2, "demo", json!({})),
        ("b", 3, "demo", json!({"weight": "20"})),
        ("c", 4, "introduction", json!({})),
    ]);
    assert_eq!(credits(model.clone(), of(four)), "a 4210.53, b 4736.84, c 1052.63");
    let own =
        |a: &str, b: &str| touches(&[("a", 1, "demo", json!({"weight": a})), ("b", 2, "demo", json!({"weight": b}))]);
    assert_eq!(credits(model.clone(), of(own("10", "50"))), "a 1666.67, b 8333.33");
    assert_eq!(credits(model.clone(), of(own("100", "25"))), "a 8000.00, b 2000.00");
    assert_eq!(credits(model, of(two("unheard", "referral"))), "a 2000.00, b 8000.00");
    let without = json!({"role_based": {"weights": {"referral": "40"}}});
    assert_eq!(run(&case(without, of(two("unheard", "referral")))), Err(Code::UnknownType));
}

fn roles(all: &[(&str, &str)]) -> Value {
    let all: Vec<_> = all.iter().map(|(payee, role)| (*payee, 1, "demo", json!({"role": role}))).collect();
    touches(&all)
}

#[test]
fn v82_role_weighted() {
    let listed = |all: &[(&str, &str)]| -> Value {
        let all: Vec<Value> = all.iter().map(|(role, weight)| json!({"role": role, "weight": weight})).collect();
        json!({"role_weighted": {"roles": all}})
    };
    let model = listed(&[("sourcer", "0.4"), ("influencer", "0.2"), ("implementer", "0.2"), ("closer", "0.2")]);
    let four = [("a", "sourcer"), ("b", "influencer"), ("c", "implementer"), ("d", "closer")];
    assert_eq!(credits(model.clone(), of(roles(&four))), "a 4000.00, b 2000.00, c 2000.00, d 2000.00");
    let best = [("a", "closer"), ("a", "sourcer"), ("b", "influencer")];
    assert_eq!(credits(model.clone(), of(roles(&best))), "a 6666.67, b 3333.33");
    let shared = [("a", "sourcer"), ("b", "sourcer"), ("c", "closer")];
    assert_eq!(credits(model, of(roles(&shared))), "a 3333.34, b 3333.33, c 3333.33");
    let two = [("a", "sourcer"), ("b", "closer")];
    assert_eq!(credits(listed(&[("sourcer", "0.9"), ("closer", "0.1")]), of(roles(&two))), "a 9000.00, b 1000.00");
    let nothing = run(&case(listed(&[("sourcer", "0"), ("closer", "0")]), of(roles(&two))));
    assert_eq!(nothing, Err(Code::Nobody));
}

#[test]
fn v83_co_sell() {
    let model = json!({"co_sell": {"classes": [
        {"class": "hyperscaler", "weight": "0.3"}, {"class": "partner", "weight": "0.2"}, {"class": "vendor", "weight": "0.5"},
    ]}});
    let of = |payees: &str| json!({"amount": "100000 USD", "touches": one_a_day(payees)});
    assert_eq!(credits(model.clone(), of("abc")), "a 30000.00, b 20000.00, c 50000.00");
    assert_eq!(credits(model.clone(), of("bc")), "b 28571.43, c 71428.57");
    assert_eq!(credits(model.clone(), of("ab")), "a 60000.00, b 40000.00");
    assert_eq!(credits(model.clone(), of("bdc")), "b 14285.72, d 14285.71, c 71428.57");
    assert_eq!(credits(model.clone(), of("a")), "a 100000.00");
    assert_eq!(run(&case(model, of("ae"))), Err(Code::UnknownClass));
    // The roles of a class share its pool only; nobody of a class in a role is nobody of the class.
    let inside = json!([{"role": "sourcer", "weight": "0.3"}, {"role": "closer", "weight": "0.1"}]);
    let model = json!({"co_sell": {"classes": [
        {"class": "partner", "weight": "0.4", "roles": inside}, {"class": "vendor", "weight": "0.6"},
    ]}});
    let pools = |all: &[(&str, &str)]| credits(model.clone(), json!({ "touches": roles(all) }));
    assert_eq!(pools(&[("b", "sourcer"), ("d", "closer"), ("c", "x")]), "b 3000.00, d 1000.00, c 6000.00");
    assert_eq!(credits(model.clone(), json!({ "touches": one_a_day("bc") })), "c 10000.00");
    assert_eq!(credits(model, json!({ "touches": roles(&[("b", "x"), ("c", "x")]) })), "c 10000.00");
}

#[test]
fn v85_u_shaped() {
    let model = json!({"u_shaped": {"first": "0.4", "last": "0.4"}});
    let five = "a 4000.00, b 666.67, c 666.67, d 666.66, e 4000.00";
    assert_eq!(credits(model.clone(), of(one_a_day("abcde"))), five);
    assert_eq!(credits(model.clone(), of(one_a_day("ab"))), "a 5000.00, b 5000.00");
    assert_eq!(credits(model, of(one_a_day("a"))), "a 10000.00");
    let lopsided = json!({"u_shaped": {"first": "0.1", "last": "0.2"}});
    assert_eq!(credits(lopsided, of(one_a_day("ab"))), "a 3333.33, b 6666.67");
    let beyond = json!({"u_shaped": {"first": "0.6", "last": "0.5"}});
    assert_eq!(run(&case(beyond, of(one_a_day("ab")))), Err(Code::WeightsDoNotSum));
}

#[test]
fn milestones_are_shared_by_their_touches_and_renormalised() {
    let model = json!({"milestones": {"rest": "0.1", "milestones": [
        {"milestone": "first", "weight": "0.3"}, {"milestone": "lead", "weight": "0.3"}, {"milestone": "closed", "weight": "0.3"},
    ]}});
    let at = |all: &[(&str, Value)]| {
        let all: Vec<_> = all.iter().map(|(payee, names)| (*payee, 1, "demo", json!({"milestones": names}))).collect();
        of(touches(&all))
    };
    let all = at(&[("a", json!(["first", "lead"])), ("b", json!(["closed"])), ("c", json!([])), ("d", json!([]))]);
    assert_eq!(credits(model.clone(), all), "a 6000.00, b 3000.00, c 500.00, d 500.00");
    let shared = at(&[("a", json!(["lead"])), ("b", json!(["lead", "closed"]))]);
    assert_eq!(credits(model.clone(), shared), "a 2500.00, b 7500.00");
    assert_eq!(credits(model.clone(), at(&[("a", json!(["first"])), ("b", json!(["lead"]))])), "a 5000.00, b 5000.00");
    let unheard = at(&[("a", json!(["lead", "unheard"])), ("b", json!(["unheard"]))]);
    assert_eq!(credits(model, unheard), "a 7500.00, b 2500.00", "what the model does not list is none");
}

#[test]
fn implementation_goes_to_the_latest_implementer_or_the_latest_touch() {
    let model = json!({"implementation": {"types": ["technical_enablement"]}});
    let all =
        |kind: &str| touches(&[("a", 1, kind, json!({})), ("b", 2, kind, json!({})), ("c", 3, "demo", json!({}))]);
    assert_eq!(credits(model.clone(), of(all("technical_enablement"))), "b 10000.00");
    assert_eq!(credits(model, of(all("referral"))), "c 10000.00");
}

#[test]
fn v88_sums_of_custom_weights_and_overlays() {
    let weights = json!([{"payee": "a", "weight": "0.5"}, {"payee": "b", "weight": "0.3"}]);
    let sum = |policy: &str| json!({"custom": {"sum": policy}});
    let deal = json!({ "custom": weights });
    assert_eq!(credits(sum("normalise"), deal.clone()), "a 6250.00, b 3750.00");
    assert_eq!(run(&case(sum("strict"), deal.clone())), Err(Code::WeightsDoNotSum));
    let residual = run(&case(sum("residual_to_house"), deal)).unwrap();
    assert_eq!(told(&residual, "credits"), "a 5000.00, b 3000.00");
    assert_eq!(residual["deals"][0]["house"], "2000.00 USD");
    let rest = |weights: Value| run(&case(sum("residual_to_house"), json!({ "custom": weights }))).unwrap();
    let all = rest(json!([{"payee": "a", "weight": "0"}]));
    assert_eq!((&all["deals"][0]["house"], told(&all, "credits").as_str()), (&json!("10000.00 USD"), ""));
    assert_eq!(rest(json!([]))["deals"][0]["unattributed"], json!(true));
    let split = run(&case(
        sum("strict"),
        json!({
            "custom": [{"payee": "a", "weight": "0.7"}, {"payee": "b", "weight": "0.2"}, {"payee": "c", "weight": "0.1"}],
            "overlays": [{"payee": "e", "weight": "0.25"}, {"payee": "f", "weight": "0.1"}],
        }),
    ));
    assert_eq!(told(&split.clone().unwrap(), "credits"), "a 7000.00, b 2000.00, c 1000.00");
    assert_eq!(told(&split.unwrap(), "overlays"), "e 2500.00, f 1000.00");
}

#[test]
fn v89_v90_what_does_not_count() {
    let nobody = run(&case(json!({"equal": {}}), of(json!([])))).unwrap();
    assert_eq!(nobody["deals"][0]["unattributed"], true);
    let sync = touches(&[("a", 1, "crm_sync", json!({}))]);
    assert_eq!(run(&case(json!({"equal": {}}), of(sync.clone()))).unwrap()["deals"][0]["unattributed"], true);
    let mut listed = case(json!({"equal": {}}), of(sync));
    listed["models"]["main"]["types"] = json!({"except": []});
    assert_eq!(told(&run(&listed).unwrap(), "credits"), "a 10000.00");
    let mut edges = one_a_day("abcd");
    for (place, at) in
        ["05-31T23:59:59.999", "06-01T00:00:00", "06-10T00:00:00.000", "06-10T00:00:00.001"].iter().enumerate()
    {
        edges[place]["at"] = format!("2025-{at}Z").into();
    }
    let mut edges = case(json!({"equal": {}}), json!({"cutoff": "2025-06-10T00:00:00Z", "touches": edges}));
    edges["models"]["main"]["lookback_days"] = 14.into();
    assert_eq!(told(&run(&edges).unwrap(), "credits"), "b 5000.00, c 5000.00");
    edges["deals"][0].as_object_mut().unwrap().remove("cutoff");
    edges["deals"][0]["touches"][3]["at"] = "2025-06-15T02:00:00.000+02:00".into();
    assert_eq!(told(&run(&edges).unwrap(), "credits"), "b 3333.34, c 3333.33, d 3333.33");
    edges["deals"][0]["touches"][3]["at"] = "2025-06-15T00:00:00.001Z".into();
    assert_eq!(told(&run(&edges).unwrap(), "credits"), "b 5000.00, c 5000.00");
}

/// A case of one payee with one plan, and its deals.
fn paid(plan: Value, deals: Value) -> Result<Value, Code> {
    let mut one = case(json!({"custom": {}}), json!({}));
    one["payees"]["a"]["rates"] = "plan".into();
    one["payees"]["a"]["tier"] = "gold".into();
    one["rates"]["plan"] = plan;
    one["rates"]["plan"]["currency"] = "USD".into();
    let deal = |(place, deal): (usize, &Value)| {
        let mut whole = json!({
            "deal": format!("D{place}"), "model": "main", "completed_at": "2025-06-15T00:00:00Z", "customer": "acme",
            "custom": [{"payee": "a", "weight": "1"}],
        });
        whole.as_object_mut().unwrap().extend(deal.as_object().unwrap().clone());
        whole
    };
    one["deals"] = deals.as_array().unwrap().iter().enumerate().map(deal).collect();
    run(&one)
}

/// What the payee earns on each deal.
fn earns(plan: Value, deals: Value) -> Vec<String> {
    let result = paid(plan, deals).unwrap();
    let deals = result["deals"].as_array().unwrap().iter();
    deals.map(|deal| told(&json!({ "deals": [deal] }), "entries").replace("a ", "")).collect()
}

#[test]
fn v02_to_v04_rates_are_rounded_once() {
    let sold = |all: &[&str]| all.iter().map(|amount| json!({"amount": format!("{amount} USD")})).collect::<Value>();
    let rate = |rate: &str| json!({"otherwise": {"rate": rate}});
    assert_eq!(earns(rate("0.2"), sold(&["10", "0.07", "0.02", "0.03"])), ["2.00", "0.01", "", "0.01"]);
    assert_eq!(earns(rate("0.1"), sold(&["0.15", "-0.15", "19"])), ["0.02", "-0.02", "1.90"]);
    assert_eq!(earns(rate("0.029"), sold(&["5"])), ["0.15"]);
    let even = |rate: &str| json!({"rounding": "half_even", "otherwise": {"rate": rate}});
    assert_eq!(earns(even("0.5"), sold(&["0.01"])), [""]);
    assert_eq!(earns(even("0.1"), sold(&["0.15", "0.25", "0.35"])), ["0.02", "0.02", "0.04"]);
    assert_eq!(earns(even("0.029"), sold(&["5"])), ["0.14"]);
}

#[test]
fn v05_v06_margin_and_eligible_lines() {
    let margin = json!({"base": "margin", "otherwise": {"rate": "0.1"}});
    let line = |amount: &str| json!({"lines": [{"amount": amount, "units": 3, "unit_cost": "60 USD"}]});
    let all = json!([line("250 USD"), line("150 USD"), line("-250 USD"), line("-150 USD")]);
    assert_eq!(earns(margin.clone(), all), ["7.00", "", "-7.00", ""]);
    assert_eq!(paid(margin.clone(), json!([{"amount": "250 USD"}])), Err(Code::NoLines));
    assert_eq!(paid(margin, json!([{"lines": [{"amount": "1 USD"}]}])), Err(Code::NoLines));
    let eligible = json!({"eligible": ["suite"], "otherwise": {"rate": "0.05"}});
    let lines = json!([{"amount": "800 USD", "product_line": "suite"}, {"amount": "200 USD"}]);
    assert_eq!(earns(eligible, json!([{ "lines": lines }])), ["40.00"]);
    let per_unit = json!({"otherwise": {"per_unit": "50 USD"}});
    assert_eq!(earns(per_unit.clone(), json!([{"lines": [{"amount": "9 USD", "units": 2}]}])), ["100.00"]);
    assert_eq!(earns(per_unit, json!([{"lines": [{"amount": "-9 USD", "units": 2}]}])), ["-100.00"]);
}

#[test]
fn v10_a_commission_ends_after_its_months() {
    let on = |days: &[&str]| {
        let deal = |day: &&str| json!({"amount": "100 USD", "completed_at": format!("{day}T00:00:00Z")});
        days.iter().map(deal).collect::<Value>()
    };
    let plan = |months: u32| json!({"max_duration_months": months, "otherwise": {"rate": "0.1"}});
    let year = on(&["2025-01-31", "2026-01-30", "2026-01-31"]);
    assert_eq!(earns(plan(12), year.clone()), ["10.00", "10.00", ""]);
    assert_eq!(earns(plan(0), year), ["10.00", "", ""]);
    // January 31 and one month is February 28.
    assert_eq!(earns(plan(1), on(&["2025-01-31", "2025-02-27", "2025-02-28"])), ["10.00", "10.00", ""]);
    assert_eq!(paid(plan(1), json!([{"amount": "1 USD", "customer": "x"}])).map(|_| ()), Ok(()));
}

/// Months are those of the calendar on the wall where the case is, whatever the clock of the spend limit says.
#[test]
fn v10_counts_the_days_of_the_case() {
    let mut one = case(json!({"equal": {}}), json!({"customer": "acme", "touches": one_a_day("a")}));
    one["rates"]["tenth"]["max_duration_months"] = 12.into();
    let mut second = one["deals"][0].clone();
    one["deals"][0]["completed_at"] = "2025-07-01T03:30:00Z".into();
    second["deal"] = "D2".into();
    second["completed_at"] = "2026-06-30T12:00:00Z".into();
    one["deals"].as_array_mut().unwrap().push(second);
    assert_eq!(told(&run(&one).unwrap(), "entries"), "a 1000.00");
    one["zone"] = "America/New_York".into();
    assert_eq!(told(&run(&one).unwrap(), "entries"), "");
    one["rates"]["tenth"]["spend_limit"] = json!({"amount": "9999 USD", "per": "month", "zone": "Asia/Tokyo"});
    assert_eq!(told(&run(&one).unwrap(), "entries"), "");
}

#[test]
fn v11_v12_v14_overrides_and_collection() {
    let over = json!({
        "otherwise": {"rate": "1"}, "overrides": [{"name": "recruiter", "of": "a", "to": "b", "rate": "0.15"}],
    });
    assert_eq!(
        earns(over.clone(), json!([{"amount": "3.33 USD"}, {"amount": "-3.33 USD"}])),
        ["3.33, b 0.50", "-3.33, b -0.50"]
    );
    let collected = |parts: Value| json!([{"amount": "20000 USD", "collected": parts}]);
    let plan = json!({"earned": "as_collected", "otherwise": {"rate": "0.2"}});
    assert_eq!(earns(plan.clone(), collected(json!(["10000 USD", "10000 USD"]))), ["2000.00, 2000.00"]);
    assert_eq!(earns(plan.clone(), collected(json!([]))), [""]);
    let thirds = json!([{"amount": "3 USD", "collected": ["1 USD", "1 USD", "1 USD"]}]);
    assert_eq!(earns(json!({"earned": "as_collected", "otherwise": {"rate": "0.33"}}), thirds), ["0.33, 0.33, 0.33"]);
    assert_eq!(paid(plan.clone(), collected(json!(["20000.01 USD"]))), Err(Code::TooMuchCollected));
    assert_eq!(paid(plan, json!([{"amount": "-1 USD"}])), Err(Code::Conflicting));
}

#[test]
fn rules_go_by_priority_and_no_tier_is_no_stated_tier() {
    let rule = |name: &str, priority: u32, when: Value, rate: &str| json!({"rule": name, "priority": priority, "when": when, "pays": {"rate": rate}});
    let plan = json!({"otherwise": {"rate": "0.5"}, "rules": [
        rule("late", 20, json!({}), "0.2"),
        rule("gold from 100", 10, json!({"tier": "gold", "deal_from": "100 USD"}), "0.1"),
        rule("silver", 5, json!({"tier": "silver"}), "0.9"),
    ]});
    let deals = json!([{"amount": "100 USD"}, {"amount": "99.99 USD"}, {"amount": "-100 USD"}]);
    assert_eq!(earns(plan, deals), ["10.00", "20.00", "-10.00"]);
    assert_eq!(earns(json!({}), json!([{"amount": "1 USD"}])), [""]);
    let wrong = json!({"otherwise": {"rate": "15"}});
    assert_eq!(paid(wrong, json!([{"amount": "1 USD"}])), Err(Code::RateOutOfBounds));
}

#[test]
fn entries_stay_within_their_bounds_and_the_limit() {
    let deals = json!([{"amount": "10 USD"}, {"amount": "0 USD"}, {"amount": "-10 USD"}, {"amount": "9000 USD"}]);
    let bounded = json!({"minimum": "5 USD", "maximum": "500 USD", "otherwise": {"rate": "0.1"}});
    assert_eq!(earns(bounded, deals), ["5.00", "", "-5.00", "500.00"]);
    let limit =
        json!({"spend_limit": {"amount": "15 USD", "per": "month", "zone": "UTC"}, "otherwise": {"rate": "0.1"}});
    let of = |all: &[(&str, &str)]| {
        let deal = |(amount, at): &(&str, &str)| json!({"amount": format!("{amount} USD"), "completed_at": format!("2025-{at}Z")});
        all.iter().map(deal).collect::<Value>()
    };
    let within = of(&[
        ("100", "06-01T00:00:00"),
        ("100", "06-30T23:59:59"),
        ("100", "06-30T23:59:59"),
        ("100", "07-01T00:00:00"),
    ]);
    assert_eq!(earns(limit.clone(), within), ["10.00", "5.00", "", "10.00"]);
    let corrected = of(&[("200", "06-01T00:00:00"), ("-200", "06-02T00:00:00")]);
    assert_eq!(paid(limit.clone(), corrected.clone()), Err(Code::Conflicting), "nobody can tell what was held back");
    let mut of_each = limit;
    of_each["spend_limit"]["per"] = "deal".into();
    assert_eq!(earns(of_each, corrected), ["15.00", "-15.00"]);
}
