//! The calculation of a year of deals: the published vectors, and whatever chance draws, by the ledger and by the model.
//!
//! `CALC_CASES=100000 cargo test --release -p ledger-sim --test calc` is the long form.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use ledger_sim::choice::Choices;
use ledger_sim::model::waterfall::{Code, calc, calc_marked};
use ledger_sim::workload::cases::{Drawn, draw};

/// Everything that a case can come to, as the model marks it. `two_thousand_cases_reach_every_feature` demands each.
const FEATURES: [&str; 80] = [
    "above quota",
    "adjustment",
    "anniversary",
    "bonus not reached",
    "bonus reached",
    "bonus reached exactly",
    "calendar year",
    "capped",
    "company dollar tiers",
    "concession",
    "crosses",
    "crosses on a ladder",
    "crosses at the minimum",
    "crosses with a minimum",
    "crosses with nothing granted",
    "dual agency",
    "each deal's bonus",
    "equal shares",
    "fee after the cap",
    "fee always",
    "fee before the cap",
    "fee by rate",
    "fee charged once a deal",
    "fee of company dollar",
    "fee of gci",
    "fee of part",
    "fee of payee share",
    "fee on crossing",
    "fee per side",
    "fee to another payee",
    "fee to oneself",
    "first of join month",
    "first of next month",
    "flat",
    "flat fee",
    "gross royalty",
    "half cap",
    "hits the cap exactly",
    "leap day clamped",
    "leap day on March 1",
    "lesser fee",
    "limit 0",
    "limit changed",
    "mentee",
    "mentor without a mentee section",
    "minimum",
    "negative company dollar",
    "no units",
    "not liable",
    "nothing left",
    "opening over the limit",
    "other order off the top",
    "override",
    "override to oneself",
    "pool",
    "pool shared out",
    "post-cap company share",
    "prorated",
    "receivable",
    "referral in to the company",
    "referral out",
    "retroactive",
    "revenue tiers",
    "royalty at its cap",
    "royalty off the top",
    "several caps",
    "several payees",
    "shared referral in",
    "sub-cap full",
    "sub-cap full in the middle of a deal",
    "sub-cap full, then",
    "sub-cap reached",
    "ten payees",
    "tier crossed",
    "tier hit exactly",
    "tiers per deal",
    "under the cap",
    "unit tiers",
    "whole deal beyond the cap",
    "whole deal pre cap",
];

/// What both say of a case.
fn answer(case: &Value) -> Result<Value, Code> {
    let text = case.to_string();
    let answer = calc(&text).map(|text| serde_json::from_str(&text).unwrap());
    assert_eq!(of_ledger(&text), answer.clone().map_err(word), "{text}");
    answer
}

/// The ledger's answer without its explanations, or the code of its refusal.
fn of_ledger(text: &str) -> Result<Value, String> {
    let mut answer: Value = serde_json::from_str(&ledger_core::calc::line(text)).unwrap();
    if let Some(error) = answer.get("error") {
        return Err(error["code"].as_str().unwrap().to_owned());
    }
    for side in
        answer["deals"].as_array_mut().unwrap().iter_mut().flat_map(|deal| deal["sides"].as_array_mut().unwrap())
    {
        side.as_object_mut().unwrap().remove("parts").unwrap();
        for line in side["lines"].as_array_mut().unwrap() {
            line.as_object_mut().unwrap().remove("because").unwrap();
        }
    }
    Ok(answer)
}

fn word(code: Code) -> String {
    serde_json::to_value(code).unwrap().as_str().unwrap().to_owned()
}

/// Where two values part.
fn parts(at: &str, ledger: &Value, model: &Value, found: &mut Vec<String>) {
    match (ledger, model) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, value)| parts(&format!("{at}/{key}"), value, &b[key], found));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(n, (a, b))| parts(&format!("{at}/{n}"), a, b, found));
        }
        _ if ledger == model => {}
        _ => found.push(format!("{at}: ledger {ledger}, model {model}")),
    }
}

/// What the ledger and the model disagree on in a case.
fn differences(drawn: &Drawn) -> Vec<String> {
    let mut found = Vec::new();
    match (of_ledger(&drawn.text), calc(&drawn.text)) {
        (Ok(ledger), Ok(model)) => parts("", &ledger, &serde_json::from_str(&model).unwrap(), &mut found),
        // The ledger counts in so many bits.
        (Err(code), _) if drawn.huge && code == "overflow" => {}
        (Err(_), Err(Code::Overflow)) if drawn.huge => {}
        (Err(ledger), Err(model)) if ledger == word(model) => {}
        // Of two faults each may name another.
        (Err(_), Err(_)) if !drawn.spoiled => {}
        (Err(ledger), Err(model)) => found.push(format!("code: ledger {ledger}, model {}", word(model))),
        (Err(ledger), Ok(_)) => {
            let message = ledger_core::calc::line(&drawn.text);
            found.push(format!("ledger refuses with {ledger}, model accepts: {message}"));
        }
        (Ok(_), Err(model)) => found.push(format!("ledger accepts, model refuses with {}", word(model))),
    }
    found
}

/// A year of one plan and its payees ann, bob and cas, who joined on a day.
fn year(plan: Value, more: Value, deals: Value) -> Value {
    let mut document = json!({
        "currency": "USD", "rounding": "half_away_from_zero", "zone": "UTC",
        "order": [
            "concession", "referral_out", "royalty", "allocation", "split", "fees", "mentee", "bonuses", "overrides",
            "adjustments",
        ],
        "split": { "flat": { "payee": "0.7", "company": "0.3" } },
    });
    merge(&mut document, plan);
    let payee = json!({ "joined_on": "2024-03-15", "plans": [{ "plan": "plan", "from": "2020-01-01" }] });
    let mut case = json!({
        "currency": "USD", "plans": { "plan": document }, "payees": { "ann": payee, "bob": payee, "cas": payee },
        "deals": deals,
    });
    merge(&mut case, more);
    case
}

fn merge(value: &mut Value, more: Value) {
    for (key, more) in more.as_object().unwrap() {
        value[key] = more.clone();
    }
}

/// A deal of ann's on a day.
fn deal(name: &str, gci: &str) -> Value {
    let side = json!({ "gci": { "amount": format!("{gci} USD") }, "payees": [{ "payee": "ann" }] });
    json!({ "deal": name, "completed": "2025-06-01", "sides": [side] })
}

fn with(mut deal: Value, side: Value) -> Value {
    merge(&mut deal["sides"][0], side);
    deal
}

fn cap(limit: &str) -> Value {
    let calendar = json!({ "calendar": { "month": 1, "day": 1 } });
    let cap = json!({
        "programme": "house", "of": "payee", "limit": format!("{limit} USD"), "year": calendar, "proration": "none",
    });
    json!({
        "caps": [cap], "post_cap": { "payee": "1", "company": "0" }, "crossing": "split_within_deal",
        "fee_on_crossing": "no",
    })
}

/// 70/30 up to 15,000, then 250 a deal.
fn sample() -> Value {
    let fee = json!({ "name": "post-cap", "timing": "post_cap", "amount": { "flat": "250 USD" } });
    json!({ "cap": cap("15000"), "fees": [fee] })
}

fn contributed(amount: &str) -> Value {
    let of = json!({ "payee": "ann" });
    let opening = json!({ "programme": "house", "of": of, "on": "2025-06-01", "contributed": format!("{amount} USD") });
    json!({ "caps": [opening] })
}

/// The lines of a side, and the accounts: `company_dollar company 3000.00; …` and `ann 11200.00 of 15000.00`.
fn told(case: &Value) -> Vec<String> {
    let result = answer(case).unwrap();
    let number = |amount: &Value| amount.as_str().unwrap().strip_suffix(" USD").unwrap().to_owned();
    let party = |party: &Value| match party {
        Value::String(name) => name.clone(),
        of => of.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned(),
    };
    let mut told = Vec::new();
    for side in result["deals"].as_array().unwrap().iter().flat_map(|deal| deal["sides"].as_array().unwrap()) {
        let lines = side["lines"].as_array().unwrap().iter();
        let lines = lines.map(|line| {
            let name = line.get("name").or(line.get("kind")).and_then(Value::as_str).unwrap();
            format!("{name} {} {}", party(&line["party"]), number(&line["amount"]))
        });
        told.push(lines.collect::<Vec<_>>().join("; "));
    }
    for account in result["caps"].as_array().unwrap() {
        let (contributed, limit) = (number(&account["contributed"]), number(&account["limit"]));
        told.push(format!("{} {contributed} of {limit}", party(&account["of"])));
    }
    told
}

/// The payee's share of each deal.
fn shares(case: &Value) -> Vec<String> {
    let lines = told(case).into_iter().filter(|line| line.contains("share ann "));
    lines.map(|line| line.split("share ann ").nth(1).unwrap().split(';').next().unwrap().to_owned()).collect()
}

fn volume(split: Value) -> Value {
    let attainment = json!({ "programme": "volume", "year": { "calendar": { "month": 1, "day": 1 } } });
    json!({ "split": split, "attainment": attainment })
}

fn tiers(kind: &str, rates: &[(&str, &str, &str)], mode: &str) -> Value {
    let tiers: Vec<Value> = rates
        .iter()
        .map(|(from, payee, company)| json!({ "from": from, "payee": payee, "company": company }))
        .collect();
    let tiers = if kind == "attainment" {
        json!({ "attainment": { "quota": "100000 USD", "tiers": tiers } })
    } else {
        json!({ kind: tiers })
    };
    volume(json!({ "tiered": { "tiers": tiers, "mode": mode } }))
}

#[test]
fn v08_v15_to_v24_tiers() {
    let five = [("0 USD", "0.05", "0.95"), ("100000 USD", "0.06", "0.94"), ("125000 USD", "0.07", "0.93")];
    let share = |plan: Value, gci: &str| shares(&year(plan, json!({}), json!([deal("D1", gci)]))).concat();
    assert_eq!(share(tiers("revenue", &five, "marginal"), "150000"), "8250.00", "V15");
    assert_eq!(share(tiers("revenue", &five, "retroactive"), "150000"), "10500.00", "V16");
    let quota = [("0", "0.06", "0.94"), ("1", "0.08", "0.92"), ("1.5", "0.1", "0.9")];
    for (mode, expected) in [("marginal", "6800.00"), ("retroactive", "8800.00"), ("above_quota", "800.00")] {
        assert_eq!(share(tiers("attainment", &quota, mode), "110000"), expected, "V17");
    }
    assert_eq!(share(tiers("revenue", &five, "marginal"), "100000"), "5000.00", "V18");
    assert_eq!(share(tiers("revenue", &five, "retroactive"), "100000"), "6000.00", "V18");
    let before = json!({ "programme": "volume", "payee": "ann", "on": "2025-01-01", "revenue": "95000 USD" });
    let before = json!({ "attainments": [before] });
    let case = year(tiers("revenue", &five, "marginal"), before, json!([deal("D1", "15000")]));
    assert_eq!(shares(&case), ["850.00"], "V19");
    let twelve = [("0", "0.1", "0.9"), ("1", "0.12", "0.88")];
    assert_eq!(share(tiers("attainment", &twelve, "marginal"), "120000"), "12400.00", "V22");
    let ladder = [("0 USD", "0.7", "0.3"), ("5000 USD", "0.8", "0.2"), ("10000 USD", "0.9", "0.1")];
    assert_eq!(share(tiers("company_dollar", &ladder, "marginal"), "40000"), "30333.33", "V24");
    let mut minimum = tiers("revenue", &[("0 USD", "0.01", "0.99"), ("300000 USD", "0.005", "0.995")], "marginal");
    minimum["split"]["tiered"]["minimum"] = json!("1000 USD");
    for (gci, expected) in
        [("50000", "1000"), ("100000", "1000"), ("200000", "2000"), ("400000", "3500"), ("800000", "5500")]
    {
        assert_eq!(share(minimum.clone(), gci), format!("{expected}.00"), "V08");
    }
}

#[test]
fn v23_a_bonus_with_each_deal_and_one_at_the_fifth() {
    let mut plan = volume(json!({ "flat": { "payee": "0.5", "company": "0.5" } }));
    plan["bonuses"] = json!([
        { "name": "each", "when": "each_deal", "amount": { "flat": "500 USD" } },
        { "name": "fifth", "when": { "reaches": { "units": 5 } }, "amount": { "flat": "1000 USD" } },
    ]);
    for (deals, expected) in [(3, 1_500), (5, 3_500), (7, 4_500), (12, 7_000)] {
        let all: Vec<Value> = (0..deals).map(|n| deal(&format!("D{n}"), "1000")).collect();
        let text = told(&year(plan.clone(), json!({}), all.into())).concat();
        let paid = 500 * text.matches("each ann 500.00").count() + 1_000 * text.matches("fifth ann 1000.00").count();
        assert_eq!(paid, expected, "{deals} deals");
    }
}

/// The second plan has the threshold later in the year: what was paid by the first would be paid once more.
#[test]
fn v23_the_bonus_of_a_year_is_paid_once_under_two_plans_and_once_more_in_the_next() {
    let bonuses = |units: u32| {
        json!([
            { "name": "each", "when": "each_deal", "amount": { "flat": "500 USD" } },
            { "name": "volume", "when": { "reaches": { "units": units } }, "amount": { "flat": "1000 USD" } },
        ])
    };
    let on = |name: &str, day: &str| {
        let mut deal = deal(name, "1000");
        deal["completed"] = json!(day);
        deal
    };
    let spring = (1..=5).map(|n| on(&format!("D{n}"), "2025-04-30"));
    let rest = [("D6", "2025-05-01"), ("D7", "2025-12-31"), ("D8", "2025-04-30")].map(|(name, day)| on(name, day));
    let next = (1..=7).map(|n| on(&format!("N{n}"), "2026-01-01"));
    let mut plan = volume(json!({ "flat": { "payee": "0.5", "company": "0.5" } }));
    plan["bonuses"] = bonuses(5);
    let mut case = year(plan, json!({}), spring.chain(rest).chain(next).collect());
    case["plans"]["later"] = case["plans"]["plan"].clone();
    case["plans"]["later"]["bonuses"] = bonuses(7);
    case["payees"]["ann"]["plans"] = json!([
        { "plan": "plan", "from": "2025-01-01", "until": "2025-05-01" }, { "plan": "later", "from": "2025-05-01" },
    ]);
    let paid: Vec<usize> = told(&case)
        .iter()
        .map(|deal| 500 * deal.matches("each ann 500.00").count() + 1_000 * deal.matches("volume ann 1000.00").count())
        .collect();
    // The fifth of the one year, the seventh of the other: 4,500 after seven deals of either.
    assert_eq!(paid, [500, 500, 500, 500, 1_500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 1_500]);
}

#[test]
fn v27_to_v34_a_cap_is_filled_crossed_hit_and_exceeded() {
    let one = |plan: Value, before: &str, gci: &str| told(&year(plan, contributed(before), json!([deal("D1", gci)])));
    let with_cap = |field: &str, value: Value| {
        let mut plan = sample();
        plan["cap"][field] = value;
        plan
    };
    let expected = ["company_dollar company 3000.00; share ann 7000.00", "ann 11200.00 of 15000.00"];
    assert_eq!(one(sample(), "8200", "10000"), expected, "V27");
    let expected = ["company_dollar company 6800.00; share ann 23200.00", "ann 15000.00 of 15000.00"];
    assert_eq!(one(sample(), "8200", "30000"), expected, "V28");
    let paying = with_cap("fee_on_crossing", json!("yes"));
    let expected = "company_dollar company 6800.00; share ann 23200.00; post-cap ann -250.00; post-cap company 250.00";
    assert_eq!(one(paying, "8200", "30000")[0], expected, "V28");
    let mut five = with_cap("post_cap", json!({ "payee": "0.95", "company": "0.05" }));
    // 7,333.33 of the deal lie beyond the cap; five percent of that are rounded once.
    let expected = "company_dollar company 6800.00; post_cap_company company 366.67; share ann 22833.33";
    assert_eq!(one(five.clone(), "8200", "30000")[0], expected, "V28");
    five["cap"]["crossing"] = json!("whole_deal_pre_cap");
    let expected = ["company_dollar company 9000.00; share ann 21000.00", "ann 17200.00 of 15000.00"];
    assert_eq!(one(five, "8200", "30000"), expected, "V29");
    let expected = ["company_dollar company 3000.00; share ann 7000.00", "ann 15000.00 of 15000.00"];
    assert_eq!(one(sample(), "12000", "10000"), expected, "V30");
    let expected = [
        "company_dollar company 0.00; share ann 10000.00; post-cap ann -250.00; post-cap company 250.00",
        "ann 15000.00 of 15000.00",
    ];
    assert_eq!(one(sample(), "15000", "10000"), expected, "V31");
    let mut percent = sample();
    percent["fees"][0]["amount"] = json!({ "rate": "0.05" });
    let expected = "company_dollar company 0.00; share ann 10000.00; post-cap ann -500.00; post-cap company 500.00";
    assert_eq!(one(percent, "15000", "10000")[0], expected, "V32");
    let account = |limit: &str, before: &str| {
        let case = year(json!({ "cap": cap(limit) }), contributed(before), json!([]));
        answer(&case).unwrap()["caps"][0].clone()
    };
    let account_of = |limit, before| {
        let account = account(limit, before);
        format!("{} {} {}", account["progress"], account["capped"], account["room"])
    };
    assert_eq!(account_of("15000", "11250"), r#""0.75" false "3750.00 USD""#, "V34");
    assert_eq!(account_of("0", "0"), r#""1" true "0.00 USD""#, "V34");
    assert_eq!(account_of("15000", "5300"), r#""0.3533" false "9700.00 USD""#, "V51");
}

#[test]
fn v37_to_v43_fees_royalties_pools_and_half_caps() {
    let flat = |payee: &str, company: &str| json!({ "flat": { "payee": payee, "company": company } });
    let one = |plan: Value, more: Value, deal: Value| told(&year(plan, more, json!([deal])));
    let fee = json!([{ "name": "transaction", "timing": "pre_cap", "amount": { "flat": "65 USD" } }]);
    let plan = json!({ "split": flat("0.8", "0.2"), "fees": fee, "cap": cap("15000") });
    let expected =
        "company_dollar company 1500.00; share ann 6000.00; transaction ann -65.00; transaction company 65.00";
    assert_eq!(one(plan, json!({}), deal("D1", "7500"))[0], expected, "V37");
    let calendar = json!({ "calendar": { "month": 1, "day": 1 } });
    let royalty = json!({ "programme": "royalty", "limit": "3000 USD", "year": calendar, "proration": "none" });
    let royalty = json!({ "rate": "0.06", "basis": "gross", "cap": royalty });
    let plan = json!({ "cap": cap("18000"), "royalty": royalty });
    let expected = [
        "company_dollar company 3000.00; share ann 7000.00; royalty ann -600.00; royalty franchise 600.00",
        "ann 3000.00 of 18000.00",
        "ann 600.00 of 3000.00",
    ];
    assert_eq!(one(plan, json!({}), deal("D1", "10000")), expected, "V38");
    let plan = json!({ "royalty": { "rate": "0.06" } });
    let credit = json!({ "off_top": [{ "concession": { "flat": "2000 USD" } }] });
    let expected =
        ["concession client 2000.00; royalty franchise 480.00; company_dollar company 2256.00; share ann 5264.00"];
    assert_eq!(one(plan, json!({}), with(deal("D1", "10000"), credit)), expected, "V41");
    let mut pooled = cap("16000");
    pooled["caps"][0]["of"] = json!({ "pool": "domestic" });
    let plan = json!({ "split": flat("0.8", "0.2"), "cap": pooled });
    let mut paid = contributed("10000");
    paid["caps"][0]["of"] = json!({ "pool": "domestic" });
    let by_bob = with(deal("D1", "40000"), json!({ "payees": [{ "payee": "bob" }] }));
    let expected = ["company_dollar company 6000.00; share bob 34000.00", "domestic 16000.00 of 16000.00"];
    assert_eq!(one(plan, paid, by_bob), expected, "V42");
    let mut half = cap("16000");
    half["caps"][0]["portion"] = json!("0.5");
    let plan = json!({ "split": flat("0.5", "0.5"), "cap": half });
    let expected = ["company_dollar company 500.00; share ann 9500.00", "ann 8000.00 of 8000.00"];
    assert_eq!(one(plan, contributed("7500"), deal("D1", "10000")), expected, "V43");
}

#[test]
fn v46_to_v49_cap_years() {
    let start = |rule: Value, joined: &str, zone: &str, on: &str| {
        let mut plan = json!({ "cap": cap("15000"), "zone": zone });
        plan["cap"]["caps"][0]["year"] = rule;
        let mut deal = deal("D1", "100");
        deal["completed"] = on.into();
        let mut case = year(plan, json!({}), json!([deal]));
        case["payees"]["ann"]["joined_on"] = joined.into();
        let year = answer(&case).map(|result| result["caps"][0]["year"].clone());
        year.map(|year| format!("{} {}", year["start"].as_str().unwrap(), year["end"].as_str().unwrap()))
    };
    let calendar = json!({ "calendar": { "month": 1, "day": 1 } });
    for (zone, on, expected) in [
        ("UTC", "2025-12-31", "2025-01-01 2026-01-01"),
        ("UTC", "2026-01-01", "2026-01-01 2027-01-01"),
        ("America/New_York", "2026-01-01T04:30:00Z", "2025-01-01 2026-01-01"),
        ("UTC", "2026-01-01T04:30:00Z", "2026-01-01 2027-01-01"),
    ] {
        assert_eq!(start(calendar.clone(), "2024-03-15", zone, on).unwrap(), expected, "V46");
    }
    let clamp = json!({ "anniversary": { "leap_day": "clamp" } });
    let march = json!({ "anniversary": { "leap_day": "march1" } });
    let (join, next) = (json!({ "first_of_join_month": {} }), json!({ "first_of_next_month": {} }));
    for (rule, joined, on, expected) in [
        (&clamp, "2024-03-15", "2025-03-14", "2024-03-15 2025-03-15"),
        (&clamp, "2024-03-15", "2025-03-15", "2025-03-15 2026-03-15"),
        (&clamp, "2024-02-29", "2025-02-28", "2025-02-28 2026-02-28"),
        (&clamp, "2024-02-29", "2028-02-28", "2027-02-28 2028-02-29"),
        (&clamp, "2024-02-29", "2028-02-29", "2028-02-29 2029-02-28"),
        (&march, "2024-02-29", "2025-02-28", "2024-02-29 2025-03-01"),
        (&join, "2024-02-15", "2024-02-15", "2024-02-01 2025-02-01"),
        (&join, "2024-02-15", "2025-02-01", "2025-02-01 2026-02-01"),
        (&next, "2024-02-15", "2025-02-28", "2024-02-15 2025-03-01"),
        (&next, "2024-02-15", "2025-03-01", "2025-03-01 2026-03-01"),
        (&next, "2024-02-01", "2025-02-28", "2024-02-01 2025-03-01"),
        (&next, "2024-12-31", "2025-12-31", "2024-12-31 2026-01-01"),
    ] {
        assert_eq!(start(rule.clone(), joined, "UTC", on).unwrap(), expected, "V47 to V49");
    }
    for (rule, on) in [(&clamp, "2024-03-14"), (&join, "2024-02-29"), (&next, "2024-03-14")] {
        assert_eq!(start(rule.clone(), "2024-03-15", "UTC", on), Err(Code::BeforeFirstYear));
    }
}

#[test]
fn v52_a_change_of_plan_within_the_year_keeps_what_was_contributed() {
    let mut case = year(sample(), contributed("11200"), json!([deal("D1", "10000")]));
    case["plans"]["next"] = case["plans"]["plan"].clone();
    case["plans"]["next"]["split"] = json!({ "flat": { "payee": "0.8", "company": "0.2" } });
    case["payees"]["ann"]["plans"] = json!([
        { "plan": "plan", "from": "2025-01-01", "until": "2025-05-01" }, { "plan": "next", "from": "2025-05-01" },
    ]);
    case["caps"][0]["on"] = json!("2025-02-01");
    assert_eq!(told(&case), ["company_dollar company 2000.00; share ann 8000.00", "ann 13200.00 of 15000.00"]);
}

#[test]
fn v58_to_v64_mentors_referrals_co_agents_and_both_sides() {
    let flat = |payee: &str, company: &str| json!({ "flat": { "payee": payee, "company": company } });
    let one = |plan: Value, more: Value, deal: Value| told(&year(plan, more, json!([deal])));
    let plan = json!({ "split": flat("0.8", "0.2"), "mentee": { "company": "0.1", "mentor": "0.1" } });
    let mentored = json!({ "payees": [{ "payee": "ann", "mentor": "max" }] });
    let expected = "company_dollar company 1200.00; share ann 4800.00; mentee ann -600.00; mentee company 600.00; \
        mentee ann -600.00; mentee max 600.00";
    assert_eq!(one(plan, json!({}), with(deal("D1", "6000"), mentored)), [expected], "V58");
    let referral = json!({ "off_top": [{ "referral_out": { "to": "joe", "amount": { "rate": "0.25" } } }] });
    let expected = "referral_out joe 4500.00; company_dollar company 4050.00; share ann 9450.00";
    assert_eq!(one(json!({}), json!({}), with(deal("D1", "18000"), referral)), [expected], "V59");
    let referred = with(deal("D1", "0"), json!({ "referral_in": "1000 USD" }));
    let expected = "company_dollar company 0.00; share ann 0.00; referral_in company 1000.00";
    assert_eq!(one(json!({}), json!({}), referred.clone()), [expected], "V61");
    let shared = json!({ "referral_in": "shared" });
    assert_eq!(one(shared, json!({}), referred), ["company_dollar company 300.00; share ann 700.00"], "V61");
    let fee = json!([{ "name": "post-cap", "timing": "post_cap", "amount": { "flat": "285 USD" } }]);
    let plan = json!({ "split": flat("0.85", "0.15"), "cap": cap("12000"), "fees": fee });
    let payees = json!([{ "payee": "ann", "weight": "0.6" }, { "payee": "bob", "weight": "0.4" }]);
    let both = with(deal("D1", "10000"), json!({ "payees": payees }));
    let mut capped = contributed("12000");
    let of_bob =
        json!({ "programme": "house", "of": { "payee": "bob" }, "on": "2025-06-01", "contributed": "12000 USD" });
    let expected = "company_dollar company 0.00; share ann 6000.00; post-cap ann -171.00; post-cap company 171.00; \
        company_dollar company 600.00; share bob 3400.00";
    assert_eq!(one(plan.clone(), capped.clone(), both.clone())[0], expected, "V62");
    capped["caps"].as_array_mut().unwrap().push(of_bob);
    let expected = "company_dollar company 0.00; share ann 6000.00; post-cap ann -171.00; post-cap company 171.00; \
        company_dollar company 0.00; share bob 4000.00; post-cap bob -114.00; post-cap company 114.00";
    assert_eq!(one(plan, capped, both)[0], expected, "V62");
    for per in ["deal", "side"] {
        let mut plan = sample();
        plan["fees"][0]["per"] = per.into();
        let side = |side: &str, rate: &str| {
            let gci = json!({ "of_price": { "price": "400000 USD", "rate": rate } });
            json!({ "side": side, "gci": gci, "payees": [{ "payee": "ann" }] })
        };
        let sides = json!([side("listing", "0.03"), side("buying", "0.025")]);
        let mut agency = deal("D1", "0");
        agency["sides"] = sides;
        let listing = "company_dollar company 3000.00; share ann 9000.00";
        let buying = "company_dollar company 0.00; share ann 10000.00; post-cap ann -250.00; post-cap company 250.00";
        let expected = [listing, buying, "ann 15000.00 of 15000.00"];
        assert_eq!(one(plan.clone(), contributed("12000"), agency.clone()), expected, "V64 per {per}");
        let told = one(plan, contributed("15000"), agency).concat();
        assert_eq!(told.matches("post-cap company 250.00").count(), if per == "deal" { 1 } else { 2 }, "V64");
    }
}

/// What of a limit is in force in the year of the join: the month of the join whole, or the days of that very year.
#[test]
fn a_limit_is_prorated_in_the_year_of_the_join() {
    let limit = |rule: Value, proration: &str, joined: &str, on: &str| {
        let mut plan = json!({ "cap": cap("12000") });
        plan["cap"]["caps"][0]["year"] = rule;
        plan["cap"]["caps"][0]["proration"] = proration.into();
        let mut deal = deal("D1", "100");
        deal["completed"] = on.into();
        let mut case = year(plan, json!({}), json!([deal]));
        case["payees"]["ann"]["joined_on"] = joined.into();
        answer(&case).map(|result| result["caps"][0]["limit"].as_str().unwrap().to_owned())
    };
    let calendar = |month: u32, day: u32| json!({ "calendar": { "month": month, "day": day } });
    for (rule, proration, joined, on, expected) in [
        (calendar(1, 1), "months", "2025-10-31", "2025-11-01", "3000.00"),
        (calendar(1, 1), "months", "2025-01-31", "2025-11-01", "12000.00"),
        (calendar(1, 1), "months", "2025-12-31", "2025-12-31", "1000.00"),
        (calendar(1, 1), "months", "2024-10-31", "2025-11-01", "12000.00"),
        (calendar(1, 1), "days", "2025-12-31", "2025-12-31", "32.88"),
        (calendar(1, 1), "days", "2024-12-31", "2024-12-31", "32.79"),
        (calendar(1, 1), "none", "2025-12-31", "2025-12-31", "12000.00"),
        (calendar(7, 15), "months", "2026-07-14", "2026-07-14", "1000.00"),
        (calendar(7, 15), "months", "2025-08-14", "2026-07-14", "12000.00"),
        (calendar(7, 15), "months", "2025-08-15", "2026-07-14", "11000.00"),
        (calendar(1, 31), "months", "2025-02-28", "2025-03-01", "11000.00"),
        (json!({ "anniversary": {} }), "days", "2024-02-29", "2024-03-01", "12000.00"),
        (json!({ "first_of_join_month": {} }), "months", "2025-06-30", "2025-06-30", "12000.00"),
        (json!({ "first_of_join_month": {} }), "days", "2025-06-30", "2025-06-30", "11046.58"),
        (json!({ "first_of_next_month": {} }), "months", "2025-06-02", "2025-07-02", "12000.00"),
    ] {
        assert_eq!(limit(rule.clone(), proration, joined, on).unwrap(), format!("{expected} USD"), "{rule} {joined}");
    }
    assert_eq!(limit(calendar(1, 1), "days", "2026-01-01", "2025-12-31"), Err(Code::BeforeFirstYear));
}

/// Rules on which a cent turns and that no published vector has.
#[test]
fn payees_and_caps_that_bind_together_share_to_the_cent() {
    let side = |plan: Value, more: Value, weights: &[&str]| {
        let payees = ["ann", "bob", "cas"].into_iter().zip(weights);
        let payees: Vec<Value> = payees.map(|(payee, weight)| json!({ "payee": payee, "weight": weight })).collect();
        told(&year(plan, more, json!([with(deal("D1", "1000"), json!({ "payees": payees }))])))
    };
    // A room of 1.00 for wants of 150.00, 90.00 and 60.00; and of nothing for the last when 0.02 are left.
    let mut pooled = cap("1");
    pooled["caps"][0]["of"] = json!({ "pool": "team" });
    let plan = json!({ "cap": pooled });
    let expected = [
        "company_dollar company 0.50; share ann 499.50; company_dollar company 0.30; share bob 299.70; \
            company_dollar company 0.20; share cas 199.80",
        "team 1.00 of 1.00",
    ];
    assert_eq!(side(plan.clone(), json!({}), &["0.5", "0.3", "0.2"]), expected);
    let mut opened = contributed("0.98");
    opened["caps"][0]["of"] = json!({ "pool": "team" });
    let lines = side(plan, opened, &["0.5", "0.3", "0.2"]);
    assert!(lines[0].contains("company_dollar company 0.00; share cas 200.00"), "{lines:?}");
    // Three thirds, which no decimal states.
    let equal = json!({ "payees": [{ "payee": "ann" }, { "payee": "bob" }, { "payee": "cas" }] });
    let thirds = told(&year(
        json!({ "split": { "flat": { "payee": "1", "company": "0" } } }),
        json!({}),
        json!([with(deal("D1", "100"), equal)]),
    ));
    let thirds: Vec<&str> = thirds[0].split("; ").filter(|line| line.starts_with("share")).collect();
    assert_eq!(thirds, ["share ann 33.34", "share bob 33.33", "share cas 33.33"]);
    // The smaller of two rooms is the room; both accounts move.
    let mut two = cap("15000");
    two["caps"].as_array_mut().unwrap().push(cap("250")["caps"][0].clone());
    two["caps"][1]["programme"] = "office".into();
    let expected =
        ["company_dollar company 250.00; share ann 750.00", "ann 250.00 of 15000.00", "ann 250.00 of 250.00"];
    assert_eq!(side(json!({ "cap": two }), json!({}), &["1"]), expected);
}

/// The post base on a ladder: what of the deal did not go into the company dollar that was left.
#[test]
fn a_tier_and_the_cap_are_crossed_in_one_deal() {
    let ladder = [("0 USD", "0.7", "0.3"), ("300 USD", "0.8", "0.2")];
    let mut plan = tiers("company_dollar", &ladder, "marginal");
    plan["cap"] = cap("400");
    plan["cap"]["post_cap"] = json!({ "payee": "0.9", "company": "0.1" });
    // 1,000 yield the first 300, 500 the next 100; 10 % of the last 500 go to the company beyond.
    let expected = "company_dollar company 400.00; post_cap_company company 50.00; share ann 1550.00";
    assert_eq!(told(&year(plan.clone(), json!({}), json!([deal("D1", "2000")])))[0], expected);
    // A minimum of 1,700 leaves 300 to the company, and 200 of the first 1,900: 10 % of the last 100 go to the company beyond.
    plan["split"]["tiered"]["minimum"] = json!("1700 USD");
    let expected = "company_dollar company 300.00; share ann 1700.00";
    assert_eq!(told(&year(plan.clone(), json!({}), json!([deal("D1", "2000")])))[0], expected);
    let mut narrow = plan.clone();
    narrow["cap"]["caps"][0]["limit"] = json!("200 USD");
    let expected = "company_dollar company 200.00; post_cap_company company 10.00; share ann 1790.00";
    assert_eq!(told(&year(narrow, json!({}), json!([deal("D1", "2000")])))[0], expected);
    // Of 3,000 the ladder leaves the payee more than the minimum, but of the first 2,000 it would not: the company had 400 of
    // the first 2,100.
    let expected = "company_dollar company 400.00; post_cap_company company 90.00; share ann 2510.00";
    assert_eq!(told(&year(plan, json!({}), json!([deal("D1", "3000")])))[0], expected);
}

/// A sub-cap: the fee that fills it, what replaces it from the next deal on, and the second side of the deal that filled it.
#[test]
fn a_fee_is_limited_and_replaced_from_the_next_deal_on() {
    let calendar = json!({ "calendar": { "month": 1, "day": 1 } });
    let sub_cap = json!({
        "programme": "insurance", "limit": "100 USD", "year": calendar, "proration": "none", "then": { "flat": "7 USD" },
    });
    let fee = json!({
        "name": "fee", "timing": "always", "amount": { "flat": "60 USD" }, "per": "side", "sub_cap": sub_cap,
    });
    let both = |name: &str| {
        let mut both = deal(name, "1000");
        let mut buying = both["sides"][0].clone();
        (both["sides"][0]["side"], buying["side"]) = ("listing".into(), "buying".into());
        both["sides"].as_array_mut().unwrap().push(buying);
        both
    };
    let case = year(json!({ "fees": [fee] }), json!({}), json!([both("D1"), both("D2")]));
    let told = told(&case);
    let fees: Vec<&str> = told.iter().filter_map(|line| line.split("fee company ").nth(1)).collect();
    assert_eq!(fees, ["60.00", "40.00", "7.00", "7.00"]);
    assert_eq!(told.last().unwrap(), "ann 100.00 of 100.00");
}

/// A generator that never crosses a cap on a ladder compares nothing there.
#[test]
fn two_thousand_cases_reach_every_feature() {
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    let mut accepted = 0;
    for seed in 0..2_000 {
        let (result, marks) = calc_marked(&draw(&mut Choices::from_seed(seed)).text);
        accepted += usize::from(result.is_ok());
        for mark in marks {
            *reached.entry(mark).or_default() += 1;
        }
    }
    println!("{accepted} accepted, {reached:#?}");
    let missing: Vec<&&str> = FEATURES.iter().filter(|feature| !reached.contains_key(**feature)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
    let unlisted: Vec<&&str> = reached.keys().filter(|mark| !FEATURES.contains(mark)).collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
    assert!(accepted > 1_000, "only {accepted} cases were accepted");
}

/// Whatever the two calculate differently, one of them pays a wrong cent.
#[test]
fn the_ledger_and_the_model_calculate_the_same() {
    let cases = std::env::var("CALC_CASES").map_or(2_000, |cases| cases.parse().unwrap());
    let mut different = 0;
    for seed in 0..cases {
        let drawn = draw(&mut Choices::from_seed(seed));
        let found = differences(&drawn);
        if !found.is_empty() {
            different += 1;
            println!("seed {seed}, spoiled {}: {}", drawn.spoiled, found.join("\n    "));
        }
    }
    assert_eq!(different, 0, "of {cases} cases");
}

/// One character less: nothing panics, and the ledger takes nothing that the model cannot read.
#[test]
fn a_case_with_a_character_missing_is_read_alike() {
    for seed in 0..1_000 {
        let mut choices = Choices::from_seed(seed);
        let Drawn { mut text, huge, .. } = draw(&mut choices);
        let place = choices.index(text.len());
        // The ledger reads 2025-6-1 as a date too.
        let word = text[..place].rfind('"').map_or(0, |quote| quote + 1);
        if text[word..].starts_with("20") {
            continue;
        }
        text.remove(place);
        let (ledger, model) = (of_ledger(&text), calc(&text));
        match (&ledger, model.map(|model| serde_json::from_str::<Value>(&model).unwrap())) {
            (Ok(ledger), Ok(model)) => assert_eq!(*ledger, model, "seed {seed}: {text}"),
            (Ok(_), Err(code)) => panic!(
                "seed {seed}: without the character at {place} the model refuses with {code:?}: …{}…",
                &text[place.saturating_sub(60)..text.len().min(place + 60)]
            ),
            // A field twice is one for the model.
            (Err(code), Ok(_)) => assert!(code == "malformed" || huge, "seed {seed}: the ledger says {code}: {text}"),
            (Err(_), Err(_)) => {}
        }
    }
}
