//! A small language for cases.

use serde_json::{Value, json};

/// Touches as `payee type when`, the time being days of May 2025, such as `1` or `1.5`; ids are t1, t2, …
pub fn touches(listed: &[(&str, &str, &str)]) -> Value {
    let touch = |(place, (payee, kind, at)): (usize, &(&str, &str, &str))| {
        let (day, half) = at.split_once('.').map_or((*at, false), |(day, _)| (day, true));
        let at = format!("2025-05-{day:0>2}T{}:00:00Z", if half { "12" } else { "00" });
        json!({"touch": format!("t{}", place + 1), "payee": payee, "type": kind, "at": at})
    };
    listed.iter().enumerate().map(touch).collect()
}

/// A case of one deal of 10,000 dollars on 2025-06-01 and payees a to e. A earns 10 %, b 20 %, the others nothing.
pub fn case(model: Value, touches: Value) -> Value {
    let otherwise = |rate: &str| json!({"currency": "USD", "otherwise": {"rate": rate}});
    json!({
        "currency": "USD",
        "payees": {"a": {"rates": "ten"}, "b": {"rates": "twenty"}, "c": {}, "d": {}, "e": {}},
        "models": {"main": {"model": model}},
        "rates": {"ten": otherwise("0.1"), "twenty": otherwise("0.2")},
        "deals": [{
            "deal": "D1", "model": "main", "amount": "10000 USD", "completed_at": "2025-06-01T12:00:00Z",
            "touches": touches,
        }],
    })
}

/// The case with something put at a path such as `deals.0.amount`.
pub fn with(mut case: Value, path: &str, value: Value) -> Value {
    let (outer, field) = path.rsplit_once('.').map_or(("", path), |(outer, field)| (outer, field));
    let pointer = if outer.is_empty() { String::new() } else { format!("/{}", outer.replace('.', "/")) };
    case.pointer_mut(&pointer).unwrap()[field] = value;
    case
}

/// The case without what is at a path.
pub fn without(mut case: Value, path: &str) -> Value {
    let (outer, field) = path.rsplit_once('.').unwrap();
    let object = case.pointer_mut(&format!("/{}", outer.replace('.', "/"))).unwrap().as_object_mut().unwrap();
    object.remove(field).unwrap();
    case
}

pub fn answer(case: &Value) -> Value {
    serde_json::from_str(&ledger_core::attribute::line(&case.to_string())).unwrap()
}

/// The first deal of the answer.
pub fn first(case: &Value) -> Value {
    let answer = answer(case);
    assert!(answer.get("error").is_none(), "{answer}");
    answer["deals"][0].clone()
}

fn amount(of: &Value) -> String {
    of["amount"].as_str().unwrap().strip_suffix(" USD").unwrap().to_owned()
}

/// `payee amount` of each credit.
pub fn credits(case: &Value) -> Vec<String> {
    let credits = first(case)["credits"].as_array().unwrap().clone();
    credits.iter().map(|credit| format!("{} {}", credit["payee"].as_str().unwrap(), amount(credit))).collect()
}

/// `payee amount` of each entry of a deal of the answer; `payee kind amount` of what is no commission.
pub fn entries(deal: &Value) -> Vec<String> {
    let entry = |entry: &Value| match (entry["payee"].as_str().unwrap(), entry["kind"].as_str().unwrap()) {
        (payee, "commission") => format!("{payee} {}", amount(entry)),
        (payee, kind) => format!("{payee} {kind} {}", amount(entry)),
    };
    deal["entries"].as_array().unwrap().iter().map(entry).collect()
}

/// The code and the place of a refusal.
pub fn refusal(case: &Value) -> (String, String) {
    let answer = answer(case);
    let text =
        |field: &str| answer["error"][field].as_str().unwrap_or_else(|| panic!("not refused: {answer}")).to_owned();
    assert!(!text("message").is_empty());
    (text("code"), text("at"))
}
