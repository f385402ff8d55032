//! Laws of the waterfall: deals of any terms under plans of any rules.

use ledger_core::calc;
use ledger_core::money::Money;
use ledger_core::rate::Rate;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// At least 2,000 cases; more with `PROPTEST_CASES`.
fn many() -> Config {
    let config = Config::default();
    Config { cases: config.cases.max(2_000), ..config }
}

const SCALE: i128 = Rate::SCALE as i128;

fn rate(mantissa: i64) -> Rate {
    Rate::from_decimal(Decimal::new(mantissa, 12)).unwrap()
}

fn usd(minor: i64) -> Value {
    Money::new(minor, "USD".parse().unwrap()).unwrap().to_string().into()
}

/// A share in hundredths, or one that no table would print.
fn any_share() -> impl Strategy<Value = i64> {
    prop_oneof![3 => (0..=100_i64).prop_map(|percent| percent * (Rate::SCALE / 100)), 1 => 0..=Rate::SCALE]
}

fn shares(company: i64) -> Value {
    json!({"payee": rate(Rate::SCALE - company), "company": rate(company)})
}

fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![0..1_000_i64, 0..5_000_000_i64, 0..1_000_000_000_000_i64]
}

fn flat(company: i64) -> Value {
    json!({"flat": shares(company)})
}

fn calendar() -> Value {
    json!({"calendar": {"month": 1, "day": 1}})
}

/// Shares by a measure that ascends, each tier with its company's share.
fn any_ladder() -> impl Strategy<Value = Value> {
    let tiers = vec((1..3_000_000_i64, (1..=100_i64).prop_map(|percent| percent * (Rate::SCALE / 100))), 1..5);
    (tiers, select(vec!["company_dollar", "revenue", "units", "attainment"]), any::<bool>()).prop_map(
        |(tiers, measure, per_deal)| {
            let mut from = 0;
            let tiers: Vec<Value> = tiers
                .into_iter()
                .enumerate()
                .map(|(place, (width, company))| {
                    from += if place == 0 { 0 } else { width };
                    let mut tier = shares(company);
                    tier["from"] = match measure {
                        "units" => {
                            json!(from % 7 + i64::try_from(place).unwrap() * 7 - if place == 0 { from % 7 } else { 0 })
                        }
                        "attainment" => json!(rate(from * 1_000_000).to_string()),
                        _ => usd(from),
                    };
                    tier
                })
                .collect();
            let tiers = match measure {
                "attainment" => json!({"attainment": {"quota": "10000 USD", "tiers": tiers}}),
                _ => json!({measure: tiers}),
            };
            json!({"tiered": {"tiers": tiers, "per": if per_deal { "deal" } else { "year" }}})
        },
    )
}

fn any_split() -> impl Strategy<Value = Value> {
    prop_oneof![any_share().prop_map(flat), any_ladder()]
}

/// Caps of one payee or of a team, and what comes after them.
fn any_cap() -> impl Strategy<Value = Value> {
    let limits = (any_amount(), any_amount(), any::<bool>());
    let crossing = select(vec!["split_within_deal", "whole_deal_pre_cap"]);
    (limits, any_share(), crossing, select(vec!["no", "yes"])).prop_map(
        |((own, teams, team), post_cap, crossing, on_crossing)| {
            let mut caps = vec![json!({"programme": "house", "limit": usd(own), "year": calendar()})];
            if team {
                let of = json!({"pool": "north"});
                caps.push(json!({"programme": "team", "of": of, "limit": usd(teams), "year": calendar()}));
            }
            json!({"caps": caps, "post_cap": shares(post_cap), "crossing": crossing, "fee_on_crossing": on_crossing})
        },
    )
}

fn any_fee() -> impl Strategy<Value = Value> {
    let amount = prop_oneof![
        (0..50_000_i64).prop_map(|flat| json!({"flat": usd(flat)})),
        any_share().prop_map(|share| json!({"rate": rate(share / 10)})),
        (0..50_000_i64, any_share())
            .prop_map(|(flat, share)| json!({"lesser_of": {"flat": usd(flat), "rate": rate(share)}})),
    ];
    let of = select(vec!["part", "gci", "company_dollar", "payee_share"]);
    let timing = select(vec!["always", "pre_cap", "post_cap"]);
    (amount, of, timing, select(vec!["deal", "side"]), proptest::option::of(0..100_000_i64)).prop_map(
        |(amount, of, timing, per, sub_cap)| {
            let mut fee = json!({"name": "desk", "timing": timing, "amount": amount, "of": of, "per": per});
            if let Some(limit) = sub_cap {
                fee["sub_cap"] =
                    json!({"programme": "fees", "limit": usd(limit), "year": calendar(), "then": {"rate": "0.01"}});
            }
            fee
        },
    )
}

/// A plan of any rules, which permits a deficit.
fn any_plan() -> impl Strategy<Value = Value> {
    let extras = (any::<[bool; 5]>(), any_share());
    (any_split(), proptest::option::of(any_cap()), vec(any_fee(), 0..2), extras, any::<bool>()).prop_map(
        |(split, cap, fees, ([gross, mentee, bonus, lead, shared], share), even)| {
            let mut plan = json!({"currency": "USD", "zone": "UTC", "split": split, "fees": fees, "deficit": "receivable",
                "attainment": {"programme": "volume", "year": calendar()}});
            if let Some(cap) = cap {
                plan["cap"] = cap;
            }
            if gross {
                plan["royalty"] = json!({"rate": rate(share / 10), "basis": "gross",
                    "cap": {"programme": "royalty", "limit": "3000 USD", "year": calendar()}});
            }
            if mentee {
                plan["mentee"] = json!({"company": rate(share / 4), "mentor": rate(share / 4)});
            }
            if bonus {
                plan["bonuses"] = json!([{"name": "two", "when": {"reaches": {"units": 2}}, "amount": {"rate": rate(share)}}]);
            }
            if lead {
                plan["overrides"] = json!([{"name": "lead", "to": "p0", "rate": rate(share), "of": "payee_share"}]);
            }
            plan["referral_in"] = if shared { "shared" } else { "company" }.into();
            plan["rounding"] = if even { "half_even" } else { "half_away_from_zero" }.into();
            plan
        },
    )
}

/// Weights of which all together are exactly one.
fn any_weights() -> impl Strategy<Value = Vec<i64>> {
    vec(1..1_000_i64, 1..6).prop_map(|parts| {
        let all: i64 = parts.iter().sum::<i64>().max(1);
        let mut weights: Vec<i64> = parts.iter().map(|part| part * (Rate::SCALE / all)).collect();
        weights[0] += Rate::SCALE - weights.iter().sum::<i64>();
        weights
    })
}

fn sharers(weights: &[i64]) -> Vec<Value> {
    let sharer = |(place, weight): (usize, &i64)| json!({"payee": format!("p{place}"), "weight": rate(*weight), "mentor": "max"});
    weights.iter().enumerate().map(sharer).collect()
}

fn any_side() -> impl Strategy<Value = Value> {
    let off_top = prop_oneof![
        any_share().prop_map(|share| json!([{"concession": {"rate": rate(share)}}])),
        any_share().prop_map(|share| json!([{"referral_out": {"to": "joe", "amount": {"rate": rate(share / 2)}}}])),
        Just(json!([])),
    ];
    (any_amount(), any_weights(), off_top, proptest::option::of(any_amount()), 0..4_u32).prop_map(
        |(gci, weights, off_top, referral, units)| {
            let mut side =
                json!({"gci": {"amount": usd(gci)}, "payees": sharers(&weights), "off_top": off_top, "units": units});
            if let Some(referral) = referral {
                side["referral_in"] = usd(referral);
            }
            side
        },
    )
}

fn case(plan: Value, deals: impl IntoIterator<Item = Value>) -> Value {
    let payees: serde_json::Map<_, _> =
        (0..6).map(|place| (format!("p{place}"), json!({"plans": [{"plan": "plan", "from": "2020-01-01"}]}))).collect();
    let deal = |(place, sides): (usize, Value)| json!({"deal": format!("D{place}"), "completed": "2025-06-01", "sides": sides});
    let deals: Vec<Value> = deals.into_iter().enumerate().map(deal).collect();
    json!({"currency": "USD", "plans": {"plan": plan}, "payees": payees, "deals": deals})
}

fn any_case() -> impl Strategy<Value = Value> {
    let deal = vec(any_side(), 1..3).prop_map(|mut sides| {
        for (side, name) in sides.iter_mut().zip(["listing", "buying"]) {
            side["side"] = name.into();
        }
        Value::Array(sides)
    });
    (any_plan(), vec(deal, 1..4)).prop_map(|(plan, deals)| case(plan, deals))
}

fn answer(case: &Value) -> Value {
    serde_json::from_str(&calc::line(&case.to_string())).unwrap()
}

fn minor(amount: &Value) -> i128 {
    amount.as_str().unwrap().parse::<Money>().unwrap().minor().into()
}

fn lines(side: &Value) -> &[Value] {
    side["lines"].as_array().unwrap()
}

fn sum<'a>(lines: impl IntoIterator<Item = &'a Value>, counts: impl Fn(&Value) -> bool) -> i128 {
    lines.into_iter().filter(|line| counts(line)).map(|line| minor(&line["amount"])).sum()
}

fn of_kind(lines: &[Value], payee: &str, kinds: &[&str]) -> i128 {
    sum(lines, |line| line["of"] == payee && kinds.contains(&line["kind"].as_str().unwrap()))
}

const SPLIT: [&str; 3] = ["company_dollar", "post_cap_company", "share"];

proptest! {
    #![proptest_config(many())]

    /// Catches a step that pays what nobody had, or leaves somebody's money out.
    #[test]
    fn the_lines_of_every_side_sum_to_what_came_in(case in any_case()) {
        let answer = answer(&case);
        prop_assert!(answer.get("error").is_none(), "{} of {case}", answer["error"]);
        for (deal, calculated) in case["deals"].as_array().unwrap().iter().zip(answer["deals"].as_array().unwrap()) {
            for (terms, side) in deal["sides"].as_array().unwrap().iter().zip(calculated["sides"].as_array().unwrap()) {
                let referral = terms.get("referral_in").map_or(0, minor);
                prop_assert_eq!(sum(lines(side), |_| true), minor(&side["gci"]) + referral);
                let off_top = sum(lines(side), |line| ["client", "franchise"].map(Value::from).contains(&line["party"]) && line.get("of").is_none());
                let referred = sum(lines(side), |line| line["kind"] == "referral_out");
                prop_assert_eq!(minor(&side["net"]), minor(&side["gci"]) - off_top - referred);
            }
        }
        for cap in answer["caps"].as_array().unwrap() {
            let whole_deal = case["plans"]["plan"]["cap"]["crossing"] == "whole_deal_pre_cap";
            let fee = ["fees", "royalty"].map(Value::from).contains(&cap["programme"]);
            prop_assert!((whole_deal && !fee) || minor(&cap["contributed"]) <= minor(&cap["limit"]), "{cap}");
            prop_assert!(minor(&cap["contributed"]) >= 0 && minor(&cap["room"]) >= 0);
            prop_assert_eq!(cap["capped"] == true, minor(&cap["room"]) == 0);
        }
    }

    /// Catches an allocation or a split that rounds twice.
    #[test]
    fn each_part_is_within_a_cent_of_its_exact_share(gci in any_amount(), weights in any_weights(), company in any_share()) {
        let plan = json!({"currency": "USD", "split": flat(company)});
        let case = case(plan, [json!([{"gci": {"amount": usd(gci)}, "payees": sharers(&weights)}])]);
        let answer = answer(&case);
        let lines = lines(&answer["deals"][0]["sides"][0]);
        for (place, weight) in weights.iter().enumerate() {
            let payee = format!("p{place}");
            let part = of_kind(lines, &payee, &SPLIT);
            prop_assert!((part * SCALE - i128::from(gci) * i128::from(*weight)).abs() < SCALE);
            let had = of_kind(lines, &payee, &["company_dollar"]);
            prop_assert!(2 * (had * SCALE - part * i128::from(company)).abs() <= SCALE);
        }
    }

    /// Catches a calculation that depends on who is listed first, except for a cent that is nobody's more than another's.
    #[test]
    fn the_order_of_payees_decides_ties_only(gci in any_amount(), weights in any_weights(), turn in 0..6_usize, company in any_share()) {
        let plan = json!({"currency": "USD", "split": flat(company)});
        let mut turned = sharers(&weights);
        turned.rotate_left(turn % weights.len());
        let parts = [sharers(&weights), turned].map(|payees| {
            let answer = answer(&case(plan.clone(), [json!([{"gci": {"amount": usd(gci)}, "payees": payees}])]));
            let lines = lines(&answer["deals"][0]["sides"][0]).to_vec();
            (0..weights.len()).map(|place| of_kind(&lines, &format!("p{place}"), &SPLIT)).collect::<Vec<_>>()
        });
        let remainder = |place: usize| i128::from(gci) * i128::from(weights[place]) % SCALE;
        let moved: Vec<usize> = (0..weights.len()).filter(|place| parts[0][*place] != parts[1][*place]).collect();
        for place in &moved {
            prop_assert!((parts[0][*place] - parts[1][*place]).abs() <= 1);
            prop_assert_eq!(remainder(*place), remainder(moved[0]));
        }
    }

    /// Catches a cap that is overrun, or that has less when the deals come in another order.
    #[test]
    fn a_cap_holds_in_every_order_of_deals(
        deals in vec((any_amount(), 0..3_usize), 1..6), turn in 0..6_usize, limit in any_amount(), company in any_share(), pool in any::<bool>(),
    ) {
        let of = if pool { json!({"pool": "north"}) } else { json!("payee") };
        let caps = json!([{"programme": "house", "of": of, "limit": usd(limit), "year": calendar()}]);
        let plan = json!({"currency": "USD", "split": flat(company), "cap": {"caps": caps}});
        let mut turned = deals.clone();
        turned.rotate_left(turn % deals.len());
        let contributed = [deals.clone(), turned].map(|deals| {
            let sides = deals.iter().map(|(gci, payee)| json!([{"gci": {"amount": usd(*gci)}, "payees": [{"payee": format!("p{payee}")}]}]));
            let answer = answer(&case(plan.clone(), sides));
            let caps = answer["caps"].as_array().unwrap().clone();
            let company = answer["deals"].as_array().unwrap().iter().map(|deal| sum(lines(&deal["sides"][0]), |line| line["kind"] == "company_dollar"));
            let caps: Vec<i128> = caps.iter().map(|cap| minor(&cap["contributed"])).collect();
            assert_eq!(caps.iter().sum::<i128>(), company.sum::<i128>());
            assert!(caps.iter().all(|contributed| (0..=i128::from(limit)).contains(contributed)), "{caps:?}");
            caps
        });
        prop_assert_eq!(&contributed[0], &contributed[1]);
    }

    /// Catches a ladder or a crossing on which a cent more of commission leaves somebody with less. After the cap the company
    /// has no more of a part than before it, as in every plan that rewards who reaches it.
    #[test]
    fn a_larger_commission_leaves_nobody_with_less(
        split in prop_oneof![any_share().prop_map(flat), any_ladder()], limit in any_amount(), post in 0..=100_i64, gci in any_amount(),
        more in prop_oneof![Just(1), any_amount()], earlier in any_amount(),
    ) {
        let company = split.to_string();
        let least = company.match_indices("\"company\":\"").map(|(at, name)| {
            let rest = &company[at + name.len()..];
            Rate::parse(&rest[..rest.find('"').unwrap()]).unwrap().mantissa()
        }).min().unwrap();
        let post_cap = shares(least / 100 * post);
        let plan = json!({"currency": "USD", "split": split, "attainment": {"programme": "volume", "year": calendar()},
            "cap": {"caps": [{"programme": "house", "limit": usd(limit), "year": calendar()}], "post_cap": post_cap}});
        let [less, more] = [gci, gci + more].map(|gci| {
            let sides = [earlier, gci].map(|gci| json!([{"gci": {"amount": usd(gci)}, "payees": [{"payee": "p0"}]}]));
            let answer = answer(&case(plan.clone(), sides));
            let lines = lines(&answer["deals"][1]["sides"][0]).to_vec();
            [of_kind(&lines, "p0", &SPLIT[..2]), of_kind(&lines, "p0", &SPLIT[2..])]
        });
        prop_assert!(less[0] <= more[0] && less[1] <= more[1], "{less:?} {more:?} under {plan}");
    }

    /// Catches a text that brings the reader down, or is answered by anything but an outcome or a refusal.
    #[test]
    fn any_text_is_answered(case in any_case(), at in any::<prop::sample::Index>(), length in 0..40_usize, text in ".{0,20}") {
        let whole = case.to_string();
        let start = at.index(whole.len());
        let end = (start + length).min(whole.len());
        let spoiled = String::from_utf8_lossy(&[&whole.as_bytes()[..start], text.as_bytes(), &whole.as_bytes()[end..]].concat()).into_owned();
        for text in [text, spoiled] {
            let answer: Value = serde_json::from_str(&calc::line(&text)).unwrap();
            prop_assert!(answer.get("deals").is_some() != answer.get("error").is_some(), "{answer}");
        }
    }

    /// Catches a value that is read as something else: one field is spoiled, and the refusal says where.
    #[test]
    fn a_spoiled_plan_is_refused_with_a_field(case in any_case(), which in any::<prop::sample::Index>(), value in spoil()) {
        let mut paths = Vec::new();
        leaves(&case["plans"]["plan"], "/plans/plan".into(), &mut paths);
        let path = &paths[which.index(paths.len())];
        let mut spoiled = case.clone();
        *spoiled.pointer_mut(path).unwrap() = value;
        let answer = answer(&spoiled);
        let error = &answer["error"];
        prop_assert!(error["at"].as_str().is_some_and(|at| at.starts_with("plans.plan.")), "{path}: {answer} of {spoiled}");
        prop_assert!(!error["code"].as_str().unwrap().is_empty() && !error["message"].as_str().unwrap().is_empty());
    }
}

/// What stands for nothing in a plan.
fn spoil() -> impl Strategy<Value = Value> {
    select(vec![
        json!(-1),
        json!(0.5),
        json!([]),
        json!({}),
        json!("-0.1"),
        json!("1e3 USD"),
        json!("١"),
        json!("5 usd"),
        json!(""),
    ])
}

fn leaves(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, format!("{path}/{name}"), paths)),
        Value::Array(all) => all.iter().enumerate().for_each(|(i, value)| leaves(value, format!("{path}/{i}"), paths)),
        // A name may be any text.
        _ if path.ends_with("/name") => {}
        _ => paths.push(path),
    }
}
