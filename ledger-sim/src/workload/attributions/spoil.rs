//! Spoils one thing in a case of attribution: most of it must be refused.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is indexed by names, where nothing is null and can be set, and by places that are there"
)]

use serde_json::{Map, Value, json};

use super::Drawing;
use crate::choice::Choices;

impl Drawing<'_> {
    /// Spoils one thing, if the case has it.
    pub(super) fn spoil(&mut self, case: &mut Value) -> Option<&'static str> {
        const KINDS: [&str; 33] = [
            "a field is gone",
            "a field is unknown",
            "a value is of another kind",
            "an unknown payee",
            "a touch of nobody",
            "an unknown model",
            "an unknown rate plan",
            "another currency",
            "a plan in another currency",
            "a negative amount",
            "no half-life",
            "shares beyond the whole",
            "a rate beyond its bounds",
            "amount and lines",
            "one priority twice",
            "minimum above maximum",
            "one deal twice",
            "one touch twice, changed",
            "one payee twice",
            "too many custom weights",
            "no lines",
            "too much collected",
            "a day before all",
            "a huge sum",
            "custom weights elsewhere",
            "an override to itself",
            "a role twice",
            "a needless zero",
            "a model of nobody",
            "a rule behind all",
            "too many overlays",
            "overrides beyond the whole",
            "too many milestones",
        ];
        let kind = self.one(&KINDS);
        let huge = 9_223_372_036_854_775_807;
        let deals = case["deals"].as_array().map_or(0, Vec::len);
        let deal = self.choices.index(deals);
        let place = self.choices.work(u32::MAX);
        let other = if self.currency.0 == "EUR" { "1 USD" } else { "1 EUR" };
        let at = format!("/deals/{deal}");
        let done = match kind {
            "a field is gone" => anywhere(case, place, &|object, key| {
                object.remove(&key);
            }),
            "a field is unknown" => anywhere(case, place, &|object, _| {
                object.insert("unheard".to_owned(), Value::from("of"));
            }),
            "a value is of another kind" => anywhere(case, place, &|object, key| {
                let value = match object.get(&key) {
                    Some(Value::String(_)) => Value::from(1),
                    Some(Value::Array(_)) => json!({}),
                    Some(Value::Number(_)) => json!(0.5),
                    _ => json!("another"),
                };
                object.insert(key, value);
            }),
            "an unknown payee" => {
                let at = [format!("{at}/custom/0/payee"), format!("{at}/overlays/0/payee")];
                let nobody = json!("nobody");
                if !set_one(self.choices, case, &at, nobody.clone()) {
                    case["deals"][deal]["registered_by"] = nobody;
                }
                true
            }
            "a touch of nobody" => {
                again(case, &format!("{at}/touches"), 0) && {
                    let last =
                        case.pointer(&format!("{at}/touches")).and_then(Value::as_array).map_or(0, |all| all.len() - 1);
                    case["deals"][deal]["touches"][last]["touch"] = json!("of.nobody");
                    case["deals"][deal]["touches"][last]["payee"] = json!("nobody");
                    true
                }
            }
            "an unknown model" => set(case, &format!("{at}/model"), json!("unheard")),
            "an unknown rate plan" => set(case, &format!("{at}/rates"), json!("unheard")),
            "a plan in another currency" => set(case, "/rates/r0/currency", json!(other.trim_start_matches("1 "))),
            "another currency" => {
                let at = [
                    format!("{at}/amount"),
                    format!("{at}/lines/0/amount"),
                    format!("{at}/collected/0"),
                    "/rates/r0/minimum".to_owned(),
                ];
                set_one(self.choices, case, &at, json!(other))
            }
            "a negative amount" => {
                let at = [
                    "/rates/r0/minimum",
                    "/rates/r0/maximum",
                    "/rates/r0/spend_limit/amount",
                    "/spent/0/amount",
                    "/rates/r0/otherwise/per_unit",
                ];
                let at = self.one(&at);
                set(case, at, self.amount_of(-1))
                    || set(case, &format!("/deals/{deal}/collected/0"), self.amount_of(-1))
            }
            "no half-life" => set(case, "/models/m0", json!({"model": {"time_decay": {"half_life_days": 0}}})),
            "shares beyond the whole" => {
                let terms = [
                    json!({"u_shaped": {"first": "0.5", "last": "0.500000000001"}}),
                    json!({"milestones": {"milestones": [{"milestone": "first", "weight": "1"}], "rest": "0.1"}}),
                    json!({"role_weighted": {"roles": [{"role": "a", "weight": "1"}, {"role": "b", "weight": "0.1"}]}}),
                    json!({"co_sell": {"classes": [{"class": "a", "weight": "1"}, {"class": "b", "weight": "0.1"}]}}),
                ];
                case["models"]["unused"] = json!({"model": self.choices.one_of(&terms)});
                true
            }
            "a rate beyond its bounds" => {
                let overlay = set(case, &format!("{at}/overlays/0/weight"), json!("1.1"));
                if !overlay && !set(case, "/rates/r0/overrides/0/rate", json!("1.000000000001")) {
                    case["rates"]["r0"]["otherwise"] = json!({"rate": "15"});
                }
                true
            }
            "amount and lines" if case.pointer(&at).is_some_and(|deal| deal.get("lines").is_some()) => {
                case["deals"][deal]["amount"] = self.amount_of(1);
                true
            }
            "one priority twice" => {
                let rule = |name: &str| json!({"rule": name, "priority": 1, "when": {}, "pays": {"rate": "0"}});
                set(case, "/rates/r0/rules", json!([rule("a"), rule("b")]))
            }
            "minimum above maximum" => {
                case["rates"]["r0"]["minimum"] = self.amount_of(2);
                case["rates"]["r0"]["maximum"] = self.amount_of(1);
                true
            }
            "one deal twice" => again(case, "/deals", deal),
            "one touch twice, changed" => {
                let touches = format!("{at}/touches");
                let added = again(case, &touches, 0);
                let last = case.pointer(&touches).and_then(Value::as_array).map_or(0, |all| all.len().max(1) - 1);
                added && set(case, &format!("{touches}/{last}/at"), json!("2025-01-01T00:00:00.777Z"))
            }
            "one payee twice" => again(case, &format!("{at}/overlays"), 0),
            "too many custom weights" => {
                case["models"]["other"] = json!({"model": {"custom": {"sum": "normalise"}}});
                case["deals"][deal]["model"] = json!("other");
                case["deals"][deal]["touches"] = json!([]);
                let all = (0..51).map(|place| format!("q{place}"));
                case["deals"][deal]["custom"] = all.clone().map(|name| json!({"payee": name, "weight": "1"})).collect();
                all.for_each(|name| case["payees"][name] = json!({}));
                true
            }
            "no lines" if case.pointer(&at).is_some_and(|deal| deal.get("lines").is_some()) => {
                case["rates"]["r0"]["base"] = json!("margin");
                case["deals"][deal]["amount"] = self.amount_of(0);
                case["deals"][deal]["lines"] = json!([]);
                case["deals"][deal]["collected"] = json!([]);
                true
            }
            "too much collected" => set(case, &format!("{at}/collected"), json!([self.amount_of(huge)])),
            "a day before all" => {
                let at = [format!("{at}/completed_at"), format!("{at}/cutoff"), format!("{at}/touches/0/at")];
                let years = ["1899-12-31T23:59:59.999Z", "9999-01-01T00:00:00Z"];
                let year = self.one(&years);
                set_one(self.choices, case, &at, json!(year)) || set(case, "/spent/0/on", json!("1899-12-31"))
            }
            "a huge sum" => {
                let line = json!({"amount": self.amount_of(huge), "units": 2});
                let mut deal = case["deals"][deal].take();
                deal["lines"] = json!([line, line]);
                if let Some(deal) = deal.as_object_mut() {
                    deal.remove("amount");
                    deal.remove("collected");
                }
                case["deals"] = json!([deal]);
                true
            }
            "custom weights elsewhere" if case.pointer(&at).is_some_and(|deal| deal.get("custom").is_none()) => {
                case["deals"][deal]["custom"] = json!([{"payee": "p1", "weight": "1"}]);
                true
            }
            "an override to itself" => {
                let of = case.pointer("/rates/r0/overrides/0/of").cloned();
                of.is_some_and(|of| set(case, "/rates/r0/overrides/0/to", of))
            }
            "a role twice" => {
                let role = json!({"role": "a", "weight": "0.1"});
                case["models"]["unused"] = json!({"model": {"role_weighted": {"roles": [role, role]}}});
                true
            }
            "a needless zero" => set(case, "/rates/r0/otherwise/rate", json!("00.1")),
            "a model of nobody" => {
                let terms = [
                    json!({"model": {"u_shaped": {"first": "0", "last": "0"}}}),
                    json!({"model": {"milestones": {"milestones": [{"milestone": "first", "weight": "0"}]}}}),
                    json!({"model": {"role_weighted": {"roles": []}}}),
                    json!({"model": {"co_sell": {"classes": [{"class": "a", "weight": "0"}]}}}),
                    json!({"model": {"co_sell": {"classes": [
                        {"class": "a", "weight": "1", "roles": [{"role": "a", "weight": "0"}]}]}}}),
                    json!({"model": {"equal": {}}, "types": {"only": []}}),
                    json!({"model": {"custom": {}}, "types": {"only": []}}),
                ];
                case["models"]["unused"] = self.choices.one_of(&terms).cloned().unwrap_or_default();
                true
            }
            "a rule behind all" => {
                let rule = |name: &str, priority: u32, when: Value| json!({"rule": name, "priority": priority, "when": when, "pays": {"rate": "0"}});
                let (low, high) = (self.amount_of(5), self.amount_of(6));
                let whens = [
                    (json!({}), json!({"tier": "gold"})),
                    (json!({"tier": "gold"}), json!({"tier": "gold", "programme": "friends"})),
                    (json!({"deal_from": low}), json!({"deal_from": high})),
                    (json!({"deal_from": high}), json!({"deal_from": low})),
                    (json!({"tier": "gold"}), json!({"tier": "silver"})),
                    (json!({"deal_from": low}), json!({})),
                    (json!({}), json!({"product_line": "unheard"})),
                ];
                let (first, second) = self.choices.one_of(&whens).cloned().unwrap_or_default();
                set(case, "/rates/r0/rules", json!([rule("b", 7, second), rule("a", 3, first)]))
            }
            "too many overlays" => {
                let all = (0..51).map(|place| format!("q{place}"));
                case["deals"][deal]["overlays"] =
                    all.clone().map(|name| json!({"payee": name, "weight": "1"})).collect();
                all.for_each(|name| case["payees"][name] = json!({}));
                true
            }
            "overrides beyond the whole" => {
                again(case, "/rates/r0/overrides", 0)
                    && set(case, "/rates/r0/overrides/0/name", json!("another"))
                    && set(case, "/rates/r0/overrides/0/rate", json!("0.999999999999"))
            }
            "too many milestones" => {
                let many: Vec<&str> = std::iter::repeat_n("first", 100 + self.choices.index(2)).collect();
                case.pointer_mut(&format!("{at}/touches/0")).map(|touch| touch["milestones"] = json!(many)).is_some()
            }
            _ => false,
        };
        done.then_some(kind)
    }
}

/// Sets what is there. Says whether it was.
fn set(case: &mut Value, pointer: &str, to: Value) -> bool {
    case.pointer_mut(pointer).map(|value| *value = to).is_some()
}

fn set_one(choices: &mut Choices, case: &mut Value, pointers: &[String], to: Value) -> bool {
    choices.one_of(pointers).is_some_and(|pointer| set(case, pointer, to))
}

/// Appends an element of a list once more.
fn again(case: &mut Value, list: &str, place: usize) -> bool {
    let Some(all) = case.pointer_mut(list).and_then(Value::as_array_mut) else { return false };
    all.get(place).cloned().map(|again| all.push(again)).is_some()
}

/// Changes some field of some object, not of one whose fields are names.
fn anywhere(case: &mut Value, place: u32, change: &dyn Fn(&mut Map<String, Value>, String)) -> bool {
    let mut all = Vec::new();
    gather(case, String::new(), &mut all);
    let place = usize::try_from(place).unwrap_or(0);
    let Some((pointer, key)) = all.get(place % all.len().max(1)) else { return false };
    let object = case.pointer_mut(pointer).and_then(Value::as_object_mut);
    object.map(|object| change(object, key.clone())).is_some()
}

fn gather(value: &Value, at: String, all: &mut Vec<(String, String)>) {
    let names = ["payees", "models", "rates", "weights"].iter().any(|name| at.ends_with(&format!("/{name}")));
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if !names {
                    all.push((at.clone(), key.clone()));
                }
                gather(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                gather(value, format!("{at}/{place}"), all);
            }
        }
        _ => {}
    }
}
