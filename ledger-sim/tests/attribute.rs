//! Attribution and rate plans: whatever the case, the ledger says what the model says, to the cent, or both refuse it.
//!
//! `CALC_CASES=100000 cargo test --release -p ledger-sim --test attribute` for the long form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::collections::BTreeMap;

use ledger_sim::choice::Choices;
use ledger_sim::model::attribution::{Code, attribute};
use ledger_sim::workload::attributions::{Drawn, case};
use serde_json::{Value, json};

/// What of a case must have changed what it came to: that it was there in a case is not enough. `*` is anything.
const MATTERS: [&str; 40] = [
    "zone",
    "payees/*/type",
    "payees/*/tier",
    "payees/*/class",
    "payees/*/rates",
    "models/*/types",
    "models/*/lookback_days",
    "models/*/registration",
    "models/*/model/milestones/rest",
    "models/*/model/role_based/other",
    "models/*/model/co_sell/classes/*/roles",
    "rates/*/rounding",
    "rates/*/base",
    "rates/*/eligible",
    "rates/*/rules/*",
    "rates/*/rules/*/when/programme",
    "rates/*/rules/*/when/payee_type",
    "rates/*/rules/*/when/tier",
    "rates/*/rules/*/when/product_line",
    "rates/*/rules/*/when/deal_from",
    "rates/*/otherwise",
    "rates/*/bounds",
    "rates/*/minimum",
    "rates/*/maximum",
    "rates/*/spend_limit",
    "rates/*/max_duration_months",
    "rates/*/earned",
    "rates/*/overrides",
    "first_commissions/*",
    "spent/*",
    "deals/*",
    "deals/*/cutoff",
    "deals/*/registered_by",
    "deals/*/programme",
    "deals/*/overlays/*",
    "deals/*/collected/*",
    "deals/*/lines/*/units",
    "deals/*/touches/*/weight",
    "deals/*/touches/*/role",
    "deals/*/touches/*/milestones",
];

/// What else must have been come by.
const REACHED: [&str; 30] = [
    "equal shared",
    "first_touch shared",
    "last_touch shared",
    "linear shared",
    "time_decay shared",
    "u_shaped shared",
    "milestones shared",
    "role_based shared",
    "role_weighted shared",
    "implementation shared",
    "co_sell shared",
    "strict shared",
    "normalise shared",
    "residual_to_house shared",
    "a house with nothing",
    "unattributed",
    "a credit of nothing",
    "a commission",
    "a negative commission",
    "an overlay that is paid",
    "an override",
    "a negative override",
    "paid by no rule",
    "a touch twice",
    "touches of one instant",
    "a touch at the cutoff",
    "a touch at the completion",
    "a touch at the end of the lookback",
    "a touch 1075 half-lives old",
    "a remainder",
];

/// The codes that cases are refused with.
const CODES: [Code; 20] = [
    Code::Malformed,
    Code::UnknownPayee,
    Code::UnknownModel,
    Code::UnknownRates,
    Code::UnknownType,
    Code::UnknownClass,
    Code::WrongCurrency,
    Code::Negative,
    Code::NotPositive,
    Code::WeightsDoNotSum,
    Code::RateOutOfBounds,
    Code::Nobody,
    Code::NeverReached,
    Code::Conflicting,
    Code::NamedTwice,
    Code::TooMany,
    Code::NoLines,
    Code::TooMuchCollected,
    Code::Year,
    Code::Overflow,
];

fn cases() -> u64 {
    std::env::var("CALC_CASES").map_or(2_000, |count| count.parse().expect("CALC_CASES is how many"))
}

/// A cent more for one payee, a day too long, a rule that should have held: whatever the two differ in, one of them is wrong.
#[test]
fn the_ledger_attributes_and_pays_what_the_model_does() {
    let mut tally = Tally::default();
    let mut differences = Vec::new();
    for seed in 0..cases() {
        let Drawn { case, spoiled } = case(&mut Choices::from_seed(seed));
        let text = case.to_string();
        let expected = attribute(&text);
        tally.count(&case, &expected);
        let told = without_reasons(serde_json::from_str(&ledger_core::attribute::line(&text)).unwrap());
        let agree = match &expected {
            Ok(result) => told == serde_json::from_str::<Value>(result).unwrap(),
            Err(code) => told["error"]["code"] == json!(code),
        };
        if !agree {
            differences.push(format!("seed {seed}, spoiled {spoiled:?}\n{text}\nmodel  {expected:?}\nledger {told}\n"));
        }
    }
    // The shortest say best what is wrong.
    differences.sort_by_key(String::len);
    let few: String = differences.iter().take(5).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differ:\n{few}", differences.len());
    tally.complete();
}

/// Of the largest amount that there is, the last of the eighteen digits of a weight is two units or more.
#[test]
fn a_decayed_weight_is_right_to_its_last_digit() {
    const DAY: i64 = 86_400_000;
    let mut choices = Choices::from_seed(18);
    for _ in 0..cases() {
        let half_life = i64::from(1 + choices.work(400));
        let halves = i64::from(choices.work(62)) * i64::from(choices.work(2));
        let passed = halves * half_life * DAY + i64::from(choices.work(u32::MAX)) % (half_life * DAY);
        let at = |millis| chrono::DateTime::from_timestamp_millis(millis).unwrap().to_rfc3339();
        let now = 1_750_000_000_000;
        let passed = passed.min(now + 2_000_000_000_000);
        let touch = |payee: &str, millis| json!({"touch": payee, "payee": payee, "type": "demo", "at": at(millis)});
        let case = json!({
            "currency": "JPY", "payees": {"a": {}, "b": {}}, "rates": {},
            "models": {"m": {"model": {"time_decay": {"half_life_days": half_life}}}},
            "deals": [{
                "deal": "D", "model": "m", "amount": "9223372036854775807 JPY", "completed_at": at(now),
                "touches": [touch("a", now - passed), touch("b", now)],
            }],
        });
        let told = without_reasons(serde_json::from_str(&ledger_core::attribute::line(&case.to_string())).unwrap());
        let expected: Value = serde_json::from_str(&attribute(&case.to_string()).unwrap()).unwrap();
        assert_eq!(told, expected, "{passed} ms of {half_life} days");
    }
}

fn without_reasons(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("because");
            fields.values_mut().for_each(|value| *value = without_reasons(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = without_reasons(value.take())),
        _ => {}
    }
    value
}

#[derive(Debug, Default)]
struct Tally {
    reached: BTreeMap<String, u32>,
    refused: BTreeMap<Code, u32>,
}

impl Tally {
    fn count(&mut self, case: &Value, outcome: &Result<String, Code>) {
        let result: Value = match outcome {
            Ok(result) => serde_json::from_str(result).unwrap(),
            Err(code) => {
                *self.refused.entry(*code).or_default() += 1;
                return;
            }
        };
        for (deal, told) in list(&case["deals"]).iter().zip(list(&result["deals"])) {
            self.count_deal(case, deal, told);
        }
        for path in MATTERS {
            if self.reached.get(path).is_none_or(|count| *count < 3) && matters(case, path, &result) {
                self.reach(path);
            }
        }
    }

    fn reach(&mut self, what: &str) {
        *self.reached.entry(what.to_owned()).or_default() += 1;
    }

    fn count_deal(&mut self, case: &Value, deal: &Value, told: &Value) {
        let model = &case["models"][deal["model"].as_str().unwrap()];
        let (kind, terms) = model["model"].as_object().unwrap().iter().next().unwrap();
        let kind = if kind == "custom" { terms["sum"].as_str().unwrap_or("strict") } else { kind };
        let credits = list(&told["credits"]);
        let one_gets_all = ["first_touch", "last_touch", "implementation"].contains(&kind);
        if credits.len() > 1 || one_gets_all && told["touches"].as_u64() > Some(1) {
            self.reach(&format!("{kind} shared"));
        }
        if credits.len() > 1 && credits.windows(2).any(|pair| pair[0]["amount"] != pair[1]["amount"]) && kind == "equal"
        {
            self.reach("a remainder");
        }
        let nothing = |line: &&Value| !line["amount"].as_str().unwrap().contains(|digit| ('1'..='9').contains(&digit));
        for (what, so) in [
            ("a house with nothing", told.get("house").is_some_and(|house| nothing(&&json!({ "amount": house })))),
            ("unattributed", told["unattributed"] == true),
            ("a credit of nothing", credits.iter().any(|line| nothing(&line))),
        ] {
            if so {
                self.reach(what);
            }
        }
        for entry in list(&told["entries"]) {
            let negative = entry["amount"].as_str().unwrap().starts_with('-');
            self.reach(match (entry["kind"].as_str().unwrap(), negative) {
                ("commission", false) => "a commission",
                ("commission", true) => "a negative commission",
                ("override", false) => "an override",
                ("override", true) => "a negative override",
                _ => "an overlay that is paid",
            });
            if entry.get("rule").is_none() {
                self.reach("paid by no rule");
            }
        }
        let touches = list(&deal["touches"]);
        let at = |touch: &Value| {
            chrono::DateTime::parse_from_rfc3339(touch.as_str().unwrap_or_default())
                .map_or(0, |at| at.timestamp_millis())
        };
        let ends = at(&deal["completed_at"]);
        let day = 86_400_000;
        for (place, touch) in touches.iter().enumerate() {
            let now = at(&touch["at"]);
            let before = &touches[..place];
            let again = before.iter().any(|other| other["touch"] == touch["touch"]);
            let tied = before.iter().any(|other| at(&other["at"]) == now && other["touch"] != touch["touch"]);
            let lookback = model["lookback_days"].as_i64().map(|days| ends - days * day);
            let half_life = model["model"]["time_decay"]["half_life_days"].as_i64().map(|days| days * day);
            for (what, so) in [
                ("a touch twice", again),
                ("touches of one instant", tied),
                ("a touch at the cutoff", deal.get("cutoff").is_some_and(|cutoff| at(cutoff) == now)),
                ("a touch at the completion", now == ends),
                ("a touch at the end of the lookback", lookback == Some(now)),
                ("a touch 1075 half-lives old", half_life.is_some_and(|half_life| (ends - now) / 1_075 >= half_life)),
            ] {
                if so {
                    self.reach(what);
                }
            }
        }
    }

    /// A generator that has stopped to reach a rule would prove nothing about it.
    fn complete(&self) {
        let missing: Vec<&str> =
            MATTERS.into_iter().chain(REACHED).filter(|what| !self.reached.contains_key(*what)).collect();
        let codes: Vec<Code> = CODES.into_iter().filter(|code| !self.refused.contains_key(code)).collect();
        assert!(missing.is_empty() && codes.is_empty(), "never reached: {missing:?}, {codes:?}");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether a case comes to something else without what stands there.
fn matters(case: &Value, path: &str, result: &Value) -> bool {
    let mut without = case.clone();
    let path: Vec<&str> = path.split('/').collect();
    if !remove(&mut without, &path) {
        return false;
    }
    attribute(&without.to_string()).map_or(true, |other| {
        let other: Value = serde_json::from_str(&other).unwrap();
        // A deal that is gone has no line of its own; it is the others that may differ.
        let alike = |deal: &Value| list(&result["deals"]).contains(deal);
        !list(&other["deals"]).iter().all(alike)
    })
}

/// Takes the first thing away that stands at a path. Says whether there was one.
fn remove(value: &mut Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match value {
        Value::Object(fields) if rest.is_empty() && *first != "*" => fields.remove(*first).is_some(),
        Value::Array(items) if rest.is_empty() && !items.is_empty() => {
            items.remove(0);
            true
        }
        Value::Object(fields) if *first == "*" => fields.values_mut().any(|value| remove(value, rest)),
        Value::Object(fields) => fields.get_mut(*first).is_some_and(|value| remove(value, rest)),
        Value::Array(items) => items.iter_mut().any(|value| remove(value, rest)),
        _ => false,
    }
}
