//! FORMAT.md says what is stored, and says it right: its example and its table are checked against the code, and the code
//! against hashes that are put together here by hand.

use std::collections::BTreeSet;
use std::process::Command;

use ledger_core::chain::{Digest, request_hash};
use ledger_core::codec::decode_canonical;
use ledger_core::event::Event;
use ledger_core::id::{EntryId, PayoutId};
use ledger_core::verify::{Kind, Tampering};
use ledger_core::{account, payout};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::rows::Rows;
use crate::story::Story;
use crate::year::year;

const PAGE: &str = include_str!("../../../FORMAT.md");

fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn sha256(parts: &[&[u8]]) -> Digest {
    Digest(Sha256::digest(parts.concat()).into())
}

/// The block of the page between a fence of that language and the next fence.
fn block(language: &str) -> &str {
    let start = PAGE.split_once(&format!("```{language}\n")).expect("there is such a block").1;
    start.split_once("```").unwrap().0
}

fn example() -> Rows {
    let mut story = Story::new();
    story.at("2026-01-01T09:00:00Z");
    story.given("ann", json!({"settings.open": {"base_currency": "USD", "zone": "America/New_York"}}));
    story.into()
}

#[test]
fn the_example_of_the_page_is_what_the_library_writes() {
    let rows = example();
    let (request, event) = (&rows.requests[0], &rows.events[0]);
    let printed = format!("{}\n{}\n{}\n", request.request_hash, event.digest, request.link);
    assert_eq!(block("text"), printed, "the page shows other hashes");
    let payload = std::str::from_utf8(&event.payload).unwrap();
    assert!(block("sh").contains(&format!("payload='{payload}'")), "the page shows another payload than {payload}");
}

#[test]
fn the_script_of_the_page_prints_what_the_page_says() {
    let Ok(ran) = Command::new("sh").args(["-c", block("sh")]).output() else { return };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), block("text"));
}

#[test]
fn every_stored_hash_is_the_one_that_the_page_describes() {
    let rows = Rows::from(year());
    let mut previous = [0; 32];
    for (place, request) in rows.requests.iter().enumerate() {
        let mut linked = text("payledger link 1");
        linked.extend(previous);
        linked.extend(request.first_sequence.to_be_bytes());
        linked.extend(request.recorded_at_us.to_be_bytes());
        linked.extend(u32::from(request.size).to_be_bytes());
        for event in &rows.events[rows.events_of(place)] {
            let days = event.effective.signed_duration_since("1970-01-01".parse().unwrap()).num_days();
            let digest = sha256(&[
                &text("payledger event 1"),
                &text("main"),
                &text(event.stream.as_str()),
                &event.version.to_be_bytes(),
                &text(event.type_name.as_str()),
                &event.schema_version.to_be_bytes(),
                &text(request.key.as_str()),
                &request.request_hash.0,
                &text(request.actor.as_str()),
                &i32::try_from(days).unwrap().to_be_bytes(),
                &event.index.to_be_bytes(),
                &request.size.to_be_bytes(),
                &text(&event.payload),
            ]);
            assert_eq!(event.digest, digest, "event {}", event.sequence);
            linked.extend(digest.0);
        }
        assert_eq!(request.link, sha256(&[&linked]), "request {}", request.key);
        previous = request.link.0;
    }
    assert_eq!(rows.head.link.0, previous);
}

#[test]
fn a_request_hash_covers_the_actor_and_the_command_apart() {
    let hash = sha256(&[&text("payledger request 1"), &text("ann"), &text("{}")]);
    assert_eq!(request_hash("ann", b"{}"), hash);
    assert_ne!(request_hash("ann{", b"}"), hash, "fields do not run into one another");
}

#[test]
fn identifiers_are_derived_as_the_page_says() {
    let derived = |kind: &str, key: &str, index: u32| {
        let hash = sha256(&[kind.as_bytes(), b"\0main\0", key.as_bytes(), b"\0", &index.to_be_bytes()]);
        let mut bytes: [u8; 16] = hash.0[..16].try_into().unwrap();
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        bytes
    };
    let (mut payouts, mut entries) = (0, 0);
    let rows = Rows::from(year());
    for request in &rows.requests {
        let last = request.first_sequence + u64::from(request.size);
        for row in rows.events.iter().filter(|row| (request.first_sequence..last).contains(&row.sequence)) {
            match decode_canonical(&row.type_name, row.schema_version, &row.payload).unwrap() {
                Event::Payout(payout::Event::Created { payout, .. }) => {
                    payouts += 1;
                    assert_eq!(payout.as_uuid().as_bytes(), &derived("payout", &request.key, 0));
                    assert_eq!(payout, PayoutId::derive(&rows.ledger, &request.key.parse().unwrap(), 0));
                }
                Event::Account(account::Event::EntryBooked { entry, .. }) => {
                    entries += 1;
                    let found =
                        (0..10).find(|index| entry.as_uuid().as_bytes() == &derived("entry", &request.key, *index));
                    let index = found.expect("it is derived from its request");
                    assert_eq!(entry, EntryId::derive(&rows.ledger, &request.key.parse().unwrap(), index));
                }
                _ => {}
            }
        }
    }
    assert!(payouts > 5 && entries > 20);
}

#[test]
fn the_table_of_the_page_is_the_table_of_the_code() {
    for tampering in Tampering::ALL {
        let name = format!("| `{tampering:?}` |");
        let line = PAGE.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("no row {name}"));
        let found = line.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let written: BTreeSet<_> = found.split(", ").filter(|word| !word.contains(' ')).collect();
        let allowed: BTreeSet<_> = tampering.allowed().iter().map(|kind| kind.as_str()).collect();
        assert_eq!(written, allowed, "{line}");
    }
    assert_eq!(PAGE.lines().filter(|line| line.starts_with("| `")).count(), Tampering::ALL.len());
    assert!(Kind::ALL.iter().all(|kind| PAGE.contains(&format!("`{kind}`"))));
}
