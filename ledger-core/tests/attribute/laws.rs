//! What holds of every case.

use ledger_core::attribute::line;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::case::{answer, with};

const PAYEES: [&str; 5] = ["a", "b", "c", "d", "e"];
const COMPLETED: i64 = 1_748_779_200_000; // 2025-06-01T12:00:00Z
const DAY: i64 = 86_400_000;

fn instant(millis: i64) -> Value {
    json!(chrono_like(millis))
}

/// RFC 3339, to the millisecond.
fn chrono_like(millis: i64) -> String {
    let instant = ledger_core::Date::from_epoch_days(i32::try_from(millis.div_euclid(DAY)).unwrap()).unwrap();
    let of_day = millis.rem_euclid(DAY);
    let (hour, minute, second, rest) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
    format!("{instant}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

fn share() -> impl Strategy<Value = String> {
    (0..=330_000_000_000_i64).prop_map(|units| format!("0.{units:012}"))
}

fn any_model() -> impl Strategy<Value = Value> {
    let role = |(name, weight): (&str, String)| json!({"role": name, "weight": weight});
    let roles = (share(), share()).prop_map(move |(x, y)| json!([role(("x", x)), role(("y", y))]));
    let tenths = || (0..=4_u32).prop_map(|tenths| format!("0.{tenths}"));
    prop_oneof![
        Just(json!({"first_touch": {}})),
        Just(json!({"last_touch": {}})),
        Just(json!({"equal": {}})),
        Just(json!({"linear": {}})),
        Just(json!({"implementation": {"types": ["demo"]}})),
        (1..40_u32).prop_map(|days| json!({"time_decay": {"half_life_days": days}})),
        (share(), share()).prop_map(|(first, last)| json!({"u_shaped": {"first": first, "last": last}})),
        (share(), share(), share()).prop_map(|(lead, won, rest)| json!({"milestones": {
            "milestones": [{"milestone": "lead", "weight": lead}, {"milestone": "won", "weight": won}], "rest": rest}})),
        (share(), share()).prop_map(|(demo, other)| json!({"role_based": {"weights": {"demo": demo}, "other": other}})),
        roles.prop_map(|roles| json!({"role_weighted": {"roles": roles}})),
        (tenths(), tenths(), tenths()).prop_map(|(k, x, y)| json!({"co_sell": {"classes": [
            {"class": "k", "weight": k, "roles": [{"role": "x", "weight": x}, {"role": "y", "weight": y}]},
            {"class": "l", "weight": "0.6"}]}})),
    ]
}

/// A touch, less than 130 days before the deal.
fn any_touch() -> impl Strategy<Value = Value> {
    let names = |names: &'static [&'static str]| select(names.to_vec());
    let age = prop_oneof![0..130 * DAY, (0..130_i64).prop_map(|days| days * DAY), Just(0)];
    let about = (names(&PAYEES), names(&["referral", "demo", "webinar"]), age);
    let more = (
        names(&["x", "y", ""]),
        proptest::option::of(share()),
        proptest::collection::vec(names(&["lead", "won"]), 0..3),
    );
    (about, more).prop_map(|((payee, kind, age), (role, weight, milestones))| {
        let touch = json!({"payee": payee, "type": kind, "at": instant(COMPLETED - age), "milestones": milestones});
        let touch = if role.is_empty() { touch } else { with(touch, "role", json!(role)) };
        weight.map_or(touch.clone(), |weight| with(touch, "weight", json!(weight)))
    })
}

fn any_touches() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(any_touch(), 0..12).prop_map(|touches| {
        let named = touches.into_iter().enumerate();
        named.map(|(place, touch)| with(touch, "touch", json!(format!("t{place}")))).collect()
    })
}

/// A case of one deal; the plans are of all kinds that do not depend on lines or earlier deals.
fn any_case() -> impl Strategy<Value = Value> {
    let amount = prop_oneof![-1_000..1_000_i64, 0..100_000_000_i64, -i64::MAX / 8..i64::MAX / 8];
    let rest = (amount, any::<bool>(), proptest::option::of(0..130_u32), select(PAYEES.to_vec()));
    (any_model(), any_touches(), rest).prop_map(|(model, touches, (cents, half_even, lookback, registered))| {
        let amount = format!("{}{}.{:02} USD", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
        let rounding = if half_even { "half_even" } else { "half_away_from_zero" };
        let document = json!({"model": model});
        let document = lookback.map_or(document.clone(), |days| with(document, "lookback_days", json!(days)));
        let class = |name: &str| json!({"class": if name < "c" { "k" } else { "l" }});
        json!({
            "currency": "USD",
            "payees": PAYEES.map(|name| (name.to_owned(), class(name))).into_iter().collect::<Value>(),
            "models": {"main": document},
            "rates": {"some": {"currency": "USD", "rounding": rounding, "otherwise": {"rate": "0.035"}, "minimum": "0.02 USD",
                "overrides": [{"name": "parent", "of": "a", "to": "e", "rate": "0.15"}]}},
            "deals": [{"deal": "D1", "model": "main", "rates": "some", "amount": amount, "registered_by": registered,
                "completed_at": instant(COMPLETED), "touches": touches}],
        })
    })
}

/// An answer without what only explains it.
fn bare(mut answer: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("because");
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut answer);
    answer
}

fn minor(amount: &Value) -> i128 {
    amount.as_str().unwrap().strip_suffix(" USD").unwrap().replace('.', "").parse().unwrap()
}

/// Every amount of an answer, in order, with its payee.
fn amounts(deal: &Value) -> Vec<(String, i128)> {
    let all = ["credits", "entries"].into_iter().flat_map(|of| deal[of].as_array().unwrap());
    all.map(|one| (one["payee"].to_string(), minor(&one["amount"]))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn what_is_attributed_is_the_deal_or_nothing(case in any_case()) {
        let answer = answer(&case);
        let deal = &answer["deals"][0];
        prop_assert!(deal.is_object(), "{}", answer);
        let sum: i128 = deal["credits"].as_array().unwrap().iter().map(|credit| minor(&credit["amount"])).sum();
        if deal["unattributed"] == true {
            prop_assert_eq!((&deal["credits"], &deal["entries"]), (&json!([]), &json!([])));
        } else {
            prop_assert_eq!(sum, minor(&case["deals"][0]["amount"]));
        }
    }

    #[test]
    fn custom_weights_and_the_house_are_the_deal(
        weights in proptest::collection::vec(share(), 1..=3),
        cents in -i64::MAX..=i64::MAX,
        sum in select(vec!["normalise", "residual_to_house"]),
    ) {
        let custom: Value = weights.iter().zip(PAYEES).map(|(weight, payee)| json!({"payee": payee, "weight": weight})).collect();
        let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
        let amount = format!("{sign}{}.{:02} USD", cents / 100, cents % 100);
        let case = super::case::case(json!({"custom": {"sum": sum}}), json!([]));
        let answer = answer(&with(with(case, "deals.0.custom", custom), "deals.0.amount", json!(amount)));
        let deal = &answer["deals"][0];
        let credits: i128 = deal["credits"].as_array().unwrap().iter().map(|credit| minor(&credit["amount"])).sum();
        let house = deal.get("house").map_or(0, minor);
        prop_assert!(deal["unattributed"] == true || credits + house == minor(&json!(amount)), "{}", answer);
    }

    #[test]
    fn a_touch_that_does_not_count_changes_nothing(case in any_case(), touch in any_touch(), at in any::<Index>(), late in any::<bool>()) {
        let touch = with(touch, "touch", json!("another"));
        let touch = if late { with(touch, "at", instant(COMPLETED + 1)) } else { with(touch, "type", json!("crm_sync")) };
        let mut touches = case["deals"][0]["touches"].as_array().unwrap().clone();
        touches.insert(at.index(touches.len() + 1), touch);
        prop_assert_eq!(answer(&with(case.clone(), "deals.0.touches", json!(touches))), answer(&case));
    }

    #[test]
    fn a_touch_told_again_changes_nothing(case in any_case(), which in any::<Index>(), at in any::<Index>()) {
        let mut touches = case["deals"][0]["touches"].as_array().unwrap().clone();
        if touches.is_empty() {
            return Ok(());
        }
        let which = which.index(touches.len());
        touches.insert(which + 1 + at.index(touches.len() - which), touches[which].clone());
        prop_assert_eq!(answer(&with(case.clone(), "deals.0.touches", json!(touches))), answer(&case));
    }

    #[test]
    fn the_order_in_which_touches_of_different_times_are_told_changes_nothing(
        (case, shuffled) in any_case().prop_flat_map(|case| {
            let mut touches = case["deals"][0]["touches"].as_array().unwrap().clone();
            let mut seen = std::collections::BTreeSet::new();
            touches.retain(|touch| seen.insert(touch["at"].to_string()));
            (Just(with(case, "deals.0.touches", json!(touches))), Just(touches).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(answer(&with(case.clone(), "deals.0.touches", json!(shuffled))), answer(&case));
    }

    #[test]
    fn a_shift_of_all_times_changes_no_amount(case in any_case(), shift in -40_000 * DAY..40_000 * DAY) {
        let mut shifted = case.clone();
        let at: fn(&Value) -> i64 = |text| {
            let text = text.as_str().unwrap();
            let day: ledger_core::Date = text[..10].parse().unwrap();
            let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
            let of_day = number(11, 13) * 3_600_000 + number(14, 16) * 60_000 + number(17, 19) * 1_000 + number(20, 23);
            i64::from(day.to_epoch_days()) * DAY + of_day
        };
        let deal = &mut shifted["deals"][0];
        deal["completed_at"] = instant(at(&deal["completed_at"]) + shift);
        for touch in deal["touches"].as_array_mut().unwrap() {
            touch["at"] = instant(at(&touch["at"]) + shift);
        }
        prop_assert_eq!(bare(answer(&shifted)), bare(answer(&case)));
    }

    #[test]
    fn a_correction_is_the_deal_with_the_other_sign(case in any_case()) {
        let amount = case["deals"][0]["amount"].as_str().unwrap();
        let mirrored = amount.strip_prefix('-').map_or_else(|| format!("-{amount}"), ToOwned::to_owned);
        if minor(&json!(amount)) == 0 {
            return Ok(());
        }
        let mirrored = answer(&with(case.clone(), "deals.0.amount", json!(mirrored)));
        let negated = |(payee, amount): (String, i128)| (payee, -amount);
        let expected: Vec<_> = amounts(&answer(&case)["deals"][0]).into_iter().map(negated).collect();
        prop_assert_eq!(amounts(&mirrored["deals"][0]), expected);
    }

    #[test]
    fn any_text_has_an_answer(text in any::<String>(), case in any_case(), at in any::<Index>(), with in any::<String>()) {
        let valid = case.to_string();
        let mut cut = at.index(valid.len());
        while !valid.is_char_boundary(cut) {
            cut -= 1;
        }
        let spoiled = format!("{}{with}{}", &valid[..cut], &valid[cut..]);
        for text in [text.as_str(), &valid[..cut], &spoiled] {
            let answer: Value = serde_json::from_str(&line(text)).unwrap();
            prop_assert!(answer.get("deals").is_some() != answer.get("error").is_some());
        }
    }

    #[test]
    fn any_value_anywhere_has_an_answer(case in any_case(), at in any::<Index>(), which in any::<Index>()) {
        let extremes = [
            json!(null), json!([]), json!({}), json!(""), json!("0"), json!(-1), json!(u64::MAX), json!("9223372.036854775807"),
            json!("92233720368547758.07 USD"), json!("-92233720368547758.07 USD"), json!("9998-12-31T23:59:59.999Z"),
            json!("1900-01-01T00:00:00Z"), json!({"time_decay": {"half_life_days": u32::MAX}}), json!({"rate": "1"}),
        ];
        let mut spoiled = case;
        let count = places(&spoiled);
        *place(&mut spoiled, &mut (at.index(count))).unwrap() = extremes[which.index(extremes.len())].clone();
        let answer = answer(&spoiled);
        prop_assert!(answer.get("deals").is_some() != answer.get("error").is_some());
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(places).sum(),
        Value::Array(values) => values.iter().map(places).sum(),
        _ => 0,
    }
}

fn place<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().find_map(|value| place(value, left)),
        Value::Array(values) => values.iter_mut().find_map(|value| place(value, left)),
        _ => None,
    }
}
