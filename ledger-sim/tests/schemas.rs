//! The JSON Schemas that `payledger calc` and `payledger attribute` print describe the cases that are accepted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use jsonschema::Validator;
use ledger_sim::choice::Choices;
use ledger_sim::workload::{attributions, cases};
use serde_json::Value;

/// Answers a case.
type Line = fn(&str) -> String;

const KINDS: [(&str, &str, &str, Line); 2] = [
    (
        "calc",
        include_str!("../../ledger-cli/schema/calc.json"),
        include_str!("../../ledger-cli/schema/calc-example.jsonl"),
        ledger_core::calc::line,
    ),
    (
        "attribute",
        include_str!("../../ledger-cli/schema/attribute.json"),
        include_str!("../../ledger-cli/schema/attribute-example.jsonl"),
        ledger_core::attribute::line,
    ),
];

/// Names that the author of a case chooses: any field is one.
const BY_NAME: [&str; 5] = ["plans", "payees", "models", "rates", "weights"];

fn validator(schema: &str) -> Validator {
    jsonschema::draft202012::new(&serde_json::from_str(schema).unwrap()).unwrap()
}

fn accepts(line: Line, case: &str) -> bool {
    serde_json::from_str::<Value>(&line(case)).unwrap().get("error").is_none()
}

/// A schema that refuses what is accepted sends its users to look for an error that is none.
#[test]
fn every_accepted_case_is_of_the_schema() {
    for (name, schema, _, line) in KINDS {
        let validator = validator(schema);
        let mut accepted = 0;
        for seed in 0..600 {
            let mut choices = Choices::from_seed(seed);
            let case = if name == "calc" {
                cases::draw(&mut choices).text
            } else {
                attributions::case(&mut choices).case.to_string()
            };
            if accepts(line, &case) {
                accepted += 1;
                let value = serde_json::from_str(&case).unwrap();
                if let Err(error) = validator.validate(&value) {
                    panic!("{name}: {error} at {}: {case}", error.instance_path());
                }
            }
        }
        assert!(accepted > 200, "{name}: {accepted}");
    }
}

/// A field that a schema lets pass and the program refuses, or, worse, the other way round: a policy that is misspelt.
#[test]
fn an_unknown_field_is_refused_by_both() {
    for (name, schema, example, line) in KINDS {
        let (validator, case) = (validator(schema), serde_json::from_str::<Value>(example).unwrap());
        assert!(accepts(line, example) && validator.is_valid(&case), "{name}: the example");
        let mut objects = Vec::new();
        find("", &case, &mut objects);
        assert!(objects.len() > 10);
        for place in objects {
            let mut other = case.clone();
            other.pointer_mut(&place).unwrap()["surprise"] = 1.into();
            assert!(!accepts(line, &other.to_string()), "{name} takes a surprise at {place:?}");
            assert!(!validator.is_valid(&other), "the schema of {name} takes a surprise at {place:?}");
        }
    }
}

/// The places of the objects whose fields are not names.
fn find(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if !BY_NAME.iter().any(|name| at.ends_with(&format!("/{name}"))) {
                found.push(at.to_owned());
            }
            fields.iter().for_each(|(field, value)| find(&format!("{at}/{field}"), value, found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| find(&format!("{at}/{n}"), item, found));
        }
        _ => {}
    }
}
