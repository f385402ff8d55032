//! Laws of the record: what is written is what is read, and the same request has the same hash.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ledger_core::codec::{decode_canonical, encode};
use ledger_core::command::{Command, Request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::any;

#[test]
fn every_type_of_event_is_written_and_read_again() {
    let seen = RefCell::new(BTreeSet::new());
    let law = |event| {
        let encoded = encode(&event);
        seen.borrow_mut().insert(encoded.type_name.clone());
        prop_assert!(!encoded.payload.windows(5).any(|part| part == b":null"), "what is absent is left out");
        let decoded = decode_canonical(&encoded.type_name, encoded.schema_version, &encoded.payload);
        prop_assert_eq!(decoded, Ok(event));
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(3_000)).run(&any::event(), law).unwrap();
    let seen = seen.into_inner();
    let missing: Vec<_> = ledger_core::codec::TYPES.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} were never tried");
}

/// The same JSON with the fields of every object in the opposite order, and blanks wherever they may be.
fn other_way_round(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().rev().map(|(key, value)| format!(" {key:?} : {}", other_way_round(value)));
            format!("{{{}\n}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => {
            format!("[ {} ]", values.iter().map(other_way_round).collect::<Vec<_>>().join(" ,"))
        }
        other => other.to_string(),
    }
}

fn request(at: &str, command: &str) -> Request {
    let text = format!(r#"{{"command":{command},"at":"{at}","actor":"ann","key":"k"}}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_command_is_written_and_read_again(command in any::command()) {
        let text = serde_json::to_string(&command).unwrap();
        prop_assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command.clone());
        prop_assert_eq!(serde_json::to_string(&command).unwrap(), text);
    }

    #[test]
    fn a_hash_does_not_depend_on_time_key_or_the_order_of_fields(command in any::command(), seconds in 0..4_000_000_000_u32) {
        let text = serde_json::to_string(&command).unwrap();
        let plain = request("2026-01-01T00:00:00Z", &text);
        let swapped = other_way_round(&serde_json::from_str(&text).unwrap());
        let mut other = request("1999-12-31T23:59:59.999+05:30", &swapped);
        other.at += std::time::Duration::from_secs(seconds.into());
        other.key = "other".parse().unwrap();
        prop_assert_eq!(plain.hash(), other.hash());
        other.actor = "bob".parse().unwrap();
        prop_assert_ne!(plain.hash(), other.hash());
    }

    #[test]
    fn two_commands_have_one_hash_only_if_they_are_the_same(one in any::command(), two in any::command()) {
        let hash = |command: &Command| Request { command: command.clone(), ..request("2026-01-01T00:00:00Z", r#"{"payout.create":{"payee":"p"}}"#) }.hash();
        prop_assert_eq!(hash(&one) == hash(&two), one == two);
    }
}

#[test]
fn what_is_at_its_default_may_be_said_or_left_out() {
    let id = "6f9619ff-8b86-8011-b42d-00cf4fc964ff";
    let publish = |document: Value| json!({"plan.publish": {"plan": "p", "document": document}});
    let shares = json!({"payee": "0.7", "company": "0.3"});
    let year = json!({"anniversary": {}});
    let limit = json!({"programme": "main", "limit": "1 USD", "year": year});
    let said_limit = |more: Value| {
        let mut limit = json!({"programme": "main", "limit": "1.00 USD", "portion": "1.0", "proration": "none",
            "year": {"anniversary": {"leap_day": "clamp"}}});
        limit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        limit
    };
    let order = json!([
        "concession",
        "referral_out",
        "royalty",
        "allocation",
        "split",
        "fees",
        "mentee",
        "bonuses",
        "overrides",
        "adjustments"
    ]);
    let tiers = json!({"units": [{"from": 0, "payee": "1", "company": "0"}]});
    let fee = json!({"name": "f", "timing": "always", "amount": {"flat": "1 USD"}});
    let sharer = json!([{"payee": "p"}]);
    for (said, left_out) in [
        (
            json!({"settings.open": {"base_currency": "USD", "zone": "UTC", "capabilities": []}}),
            json!({"settings.open": {"base_currency": "USD", "zone": "UTC"}}),
        ),
        (
            json!({"payee.enrol": {"payee": "p", "name": "n", "joined_on": null}}),
            json!({"payee.enrol": {"payee": "p", "name": "n"}}),
        ),
        (
            json!({"payout.create": {"payee": "p", "currency": null, "through": null, "period": null, "notes": null}}),
            json!({"payout.create": {"payee": "p"}}),
        ),
        (
            json!({"payout.create_manual": {"payee": "p", "amount": "1.00 USD", "reason": "r", "contra": "company"}}),
            json!({"payout.create_manual": {"payee": "p", "amount": "1 USD", "reason": "r"}}),
        ),
        (
            json!({"payout.approve_bulk": {"payouts": [id], "atomic": false}}),
            json!({"payout.approve_bulk": {"payouts": [id]}}),
        ),
        (
            publish(json!({
                "currency": "USD", "rounding": "half_away_from_zero", "zone": "UTC", "order": order,
                "split": {"flat": shares}, "attainment": null,
                "cap": {"caps": [said_limit(json!({"of": "payee"}))], "post_cap": {"payee": "1.00", "company": "0"},
                    "crossing": "split_within_deal", "fee_on_crossing": "no"},
                "royalty": {"rate": "0.06", "basis": "off_top", "cap": null}, "referral_in": "company",
                "fees": [{"name": "f", "timing": "always", "amount": {"flat": "1 USD"}, "of": "part", "per": "deal",
                    "to": "company", "sub_cap": null}],
                "mentee": null, "bonuses": [], "overrides": [], "deficit": "refuse",
            })),
            publish(json!({
                "currency": "USD", "split": {"flat": shares}, "cap": {"caps": [limit]}, "royalty": {"rate": "0.06"},
                "fees": [fee],
            })),
        ),
        (
            publish(json!({
                "currency": "USD", "split": {"tiered": {"tiers": tiers, "mode": "marginal", "per": "year", "minimum": null}},
                "royalty": {"rate": "0.06", "basis": "gross", "cap": said_limit(json!({}))},
                "fees": [{"name": "f", "timing": "always", "amount": {"flat": "1 USD"},
                    "sub_cap": said_limit(json!({"then": null}))}],
                "overrides": [{"name": "o", "to": "p", "rate": "0.1", "of": "part"}],
            })),
            publish(json!({
                "currency": "USD", "split": {"tiered": {"tiers": tiers}},
                "royalty": {"rate": "0.06", "basis": "gross", "cap": limit},
                "fees": [{"name": "f", "timing": "always", "amount": {"flat": "1 USD"}, "sub_cap": limit}],
                "overrides": [{"name": "o", "to": "p", "rate": "0.1"}],
            })),
        ),
        (
            json!({"deal.register_sides": {"deal": "d", "sides": [{"side": "sole", "gci": {"amount": "1.00 USD"},
                "referral_in": null, "units": 1, "off_top": [], "adjustments": [],
                "payees": [{"payee": "p", "weight": null, "mentor": null}]}]}}),
            json!({"deal.register_sides": {"deal": "d", "sides": [{"gci": {"amount": "1 USD"}, "payees": sharer}]}}),
        ),
    ] {
        let hash = |command: &Value| request("2026-01-01T00:00:00Z", &command.to_string()).hash();
        assert_eq!(hash(&said), hash(&left_out), "{said} is not {left_out}");
        let canonical = serde_json::to_string(&request("2026-01-01T00:00:00Z", &said.to_string()).command).unwrap();
        for default in ["rounding", "zone", "order", "crossing", "portion", "proration", "mode", "deficit", "off_top"] {
            let field = format!("\"{default}\":");
            let said = canonical.contains(&field) && !left_out.to_string().contains(&field);
            assert!(!said, "{default} is said: {canonical}");
        }
    }
}
