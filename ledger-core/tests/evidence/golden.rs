//! What is stored today is read for ever: one file per type and version with the payload's exact bytes.
//!
//! A new event or version has no file yet, and the test says so. `cargo test -p ledger-core --test evidence -- --ignored
//! the_golden_files_that_are_missing_are_written` writes what is missing; a file that is there is never overwritten.

use std::fs;
use std::path::PathBuf;

use ledger_core::codec::{self, SCHEMA_VERSION, TYPES};
use ledger_core::command::Request;

use crate::year::year;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(file(name)).unwrap_or_else(|_| panic!("{name} is missing: the head of golden.rs says how it is made"))
}

fn name_of(type_name: &str) -> String {
    format!("{type_name}.v{SCHEMA_VERSION}.json")
}

#[test]
#[ignore = "it writes files"]
fn the_golden_files_that_are_missing_are_written() {
    let year = year().log;
    let events = TYPES.iter().map(|type_name| {
        let events = year.events.iter().filter(|row| row.type_name == *type_name);
        let longest = events.max_by_key(|row| row.payload.len()).expect("it happens in the year");
        (name_of(type_name), longest.payload.clone())
    });
    let hashes = REQUESTS.lines().map(|line| format!("{}\n", hash(line))).collect::<String>();
    for (name, bytes) in events.chain([(HASHES.to_owned(), hashes.into_bytes())]) {
        if !file(&name).exists() {
            fs::write(file(&name), bytes).unwrap();
        }
    }
}

#[test]
fn golden_events_are_read_and_written_again_byte_for_byte() {
    for type_name in TYPES {
        let bytes = golden(&name_of(type_name));
        let event = codec::decode_canonical(type_name, SCHEMA_VERSION, &bytes).unwrap();
        let again = codec::encode(&event);
        assert_eq!((again.type_name.as_str(), again.payload), (*type_name, bytes));
    }
}

#[test]
fn every_golden_event_is_of_a_type_and_version_that_is_read() {
    for entry in fs::read_dir(file("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some((type_name, version)) = name.strip_suffix(".json").and_then(|name| name.rsplit_once(".v")) else {
            continue;
        };
        let bytes = fs::read(file(&name)).unwrap();
        assert!(codec::decode(type_name, version.parse().unwrap(), &bytes).is_ok(), "{name} is read no more");
    }
}

/// Requests as a host sends them, with every command among them.
const REQUESTS: &str = include_str!("../golden/requests.jsonl");

/// The hash of each of them, line by line.
const HASHES: &str = "requests.sha256";

fn hash(line: &str) -> String {
    serde_json::from_str::<Request>(line).unwrap_or_else(|error| panic!("{line}: {error}")).hash().to_string()
}

#[test]
fn golden_requests_have_the_hashes_that_they_always_had() {
    let kept = String::from_utf8(golden(HASHES)).unwrap();
    let kept: Vec<_> = kept.lines().collect();
    assert_eq!(REQUESTS.lines().map(hash).collect::<Vec<_>>(), kept);
}

#[test]
fn every_command_is_among_the_golden_requests() {
    // The commands that a request can be, by what the library says when it is asked for one that it does not know.
    let mut missing = Vec::new();
    for concept in ["settings", "payee", "plan", "model", "rates", "deal", "cap", "attainment", "payout"] {
        let unknown = format!(r#"{{"{concept}.?":{{}}}}"#);
        let error = serde_json::from_str::<ledger_core::command::Command>(&unknown).unwrap_err().to_string();
        let names = error.split('`').skip(3).step_by(2).map(|name| format!("\"{concept}.{name}\":"));
        missing.extend(names.filter(|name| !REQUESTS.contains(name)));
        assert!(error.contains('`'), "{error}");
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_same_requests_give_the_same_head() {
    assert_eq!(year().head, year().head);
}
