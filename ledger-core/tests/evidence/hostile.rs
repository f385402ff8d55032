//! Bytes that are no event of ours are refused, each for what it is, and no bytes whatever make the reader fall over.

use ledger_core::codec::{DecodeError, SCHEMA_VERSION, decode, decode_canonical};
use ledger_core::command::Command;
use proptest::prelude::*;

const SUBMITTED: &str = r#"{"payout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff"}"#;

fn read(type_name: &str, payload: &str) -> Result<(), DecodeError> {
    decode_canonical(type_name, SCHEMA_VERSION, payload.as_bytes()).map(drop)
}

fn malformed(type_name: &str, payload: &str, expected: &str) {
    match read(type_name, payload) {
        Err(DecodeError::Malformed { type_name: named, what }) => {
            assert_eq!(named, type_name);
            assert!(what.contains(expected), "{payload}: {what}");
        }
        other => panic!("{payload}: {other:?}"),
    }
}

fn not_canonical(type_name: &str, payload: &str) {
    assert!(decode(type_name, SCHEMA_VERSION, payload.as_bytes()).is_ok(), "{payload} means an event");
    assert_eq!(read(type_name, payload), Err(DecodeError::NotCanonical { type_name: type_name.into() }), "{payload}");
}

fn paid(amount: &str) -> String {
    format!(
        r#"{{"payout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff","amount":{amount},"through":{{"rail":{{"attempt":1}}}}}}"#
    )
}

#[test]
fn a_type_that_is_not_known_is_not_skipped() {
    for type_name in [
        "payout.split",
        "payout.",
        ".submitted",
        "payout",
        "",
        "bank.submitted",
        "payout.Submitted",
        "payout.submitted.x",
    ] {
        let unknown = DecodeError::UnknownType { type_name: type_name.into() };
        assert_eq!(read(type_name, SUBMITTED), Err(unknown), "{type_name}");
    }
    assert_eq!(read("payout.submitted", SUBMITTED), Ok(()));
}

#[test]
fn a_version_of_the_future_is_not_guessed_at() {
    for schema_version in [0, SCHEMA_VERSION + 1, u16::MAX] {
        let unknown = DecodeError::UnknownVersion { type_name: "payout.submitted".into(), schema_version };
        assert_eq!(decode("payout.submitted", schema_version, SUBMITTED.as_bytes()), Err(unknown));
    }
}

#[test]
fn an_unknown_variant_inside_an_event_is_not_an_unknown_event() {
    malformed("settings.switched_on", r#"{"capability":"print_money"}"#, "unknown variant `print_money`");
}

#[test]
fn fields_are_there_once_and_no_others_are() {
    let id = r#""payout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff""#;
    malformed("payout.submitted", &format!("{{{id},{id}}}"), "duplicate field `payout`");
    malformed("payout.submitted", &format!(r#"{{{id},"by":"ann"}}"#), "unknown field `by`");
    malformed("payout.submitted", "{}", "missing field `payout`");
    malformed("payout.submitted", "null", "invalid type: null");
    malformed("payout.submitted", r#"{"payout":null}"#, "invalid type: null");
}

#[test]
fn nothing_comes_after_an_event_and_nothing_is_cut_off() {
    malformed("payout.submitted", &format!("{SUBMITTED}{SUBMITTED}"), "trailing characters");
    malformed("payout.submitted", &format!("{SUBMITTED}\0"), "trailing characters");
    malformed("payout.submitted", "", "EOF");
    for end in 1..SUBMITTED.len() {
        malformed("payout.submitted", &SUBMITTED[..end], "EOF");
    }
}

#[test]
fn what_is_not_utf_8_is_refused() {
    for bytes in [&b"\xff"[..], b"{\"payout\":\"\xc3\x28\"}", b"\xef\xbb\xbf{}", b"\x00"] {
        let refused = decode("payout.submitted", SCHEMA_VERSION, bytes);
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{refused:?}");
    }
}

#[test]
fn an_amount_is_a_plain_decimal_in_text_or_it_is_refused() {
    assert_eq!(read("payout.paid", &paid(r#""12.30 USD""#)), Ok(()));
    for number in ["12.3", "1e2", "NaN", "Infinity", "1", "-0", "null", "[1]"] {
        assert!(matches!(read("payout.paid", &paid(number)), Err(DecodeError::Malformed { .. })), "{number}");
    }
    for text in
        ["1e2 USD", "NaN USD", "12.345 USD", "12.3 usd", "12.3", "+1 USD", "012 USD", " 1 USD", "1 XXX", "9e999 USD"]
    {
        let refused = read("payout.paid", &paid(&format!("{text:?}")));
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{text}: {refused:?}");
    }
    malformed("payout.paid", &paid(r#""99999999999999999999 USD""#), "minor units");
    let rate =
        r#"{"currency":"USD","split":{"flat":{"payee":"0.7000000000001","company":"0.3"}},"rounding":"half_even"}"#;
    let hash = "0".repeat(64);
    let published = format!(r#"{{"plan":"p","version":1,"hash":"{hash}","document":{rate}}}"#);
    malformed("plan.published", &published, "too many decimals");
}

#[test]
fn a_whole_number_is_written_as_one() {
    for attempt in ["1.0", "1e0", "-1", "4294967296", "\"1\"", "01", "0x1"] {
        let payload = paid(r#""1.00 USD""#).replace(":1}", &format!(":{attempt}}}"));
        assert!(matches!(read("payout.paid", &payload), Err(DecodeError::Malformed { .. })), "{attempt}");
    }
}

#[test]
fn names_and_texts_are_checked_when_they_are_read() {
    for by in ["", "a b", "=cmd", "a\\u0000"] {
        let payload = format!(r#"{{"payout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff","by":"{by}","amount":"1.00 USD"}}"#);
        assert!(matches!(read("payout.approved", &payload), Err(DecodeError::Malformed { .. })), "{by:?}");
    }
}

#[test]
fn the_same_event_in_other_bytes_is_not_canonical() {
    not_canonical("payout.submitted", r#"{"payout": "6f9619ff-8b86-8011-b42d-00cf4fc964ff"}"#);
    not_canonical("payout.submitted", r#"{"payout":"6F9619FF-8B86-8011-B42D-00CF4FC964FF"}"#);
    not_canonical("payout.submitted", r#"{"payout":"6f9619ff8b868011b42d00cf4fc964ff"}"#);
    not_canonical("payout.submitted", r#"{"p\u0061yout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff"}"#);
    malformed("payout.submitted", r#"["6f9619ff-8b86-8011-b42d-00cf4fc964ff"]"#, "an object");
    not_canonical("payout.paid", &paid(r#""12.3 USD""#));
    not_canonical("payout.paid", &paid(r#""-0.00 USD""#));
    let (by, amount) = (r#""by":"otto""#, r#""amount":"1.00 USD""#);
    not_canonical("payout.approved", &format!("{{{amount},{by},{}", &SUBMITTED[1..]));
    not_canonical("payee.enrolled", r#"{"payee":"zoe","name":"Zoe","joined_on":null}"#);
    not_canonical("payee.enrolled", r#"{"payee":"zoe","name":"Z\u006fe"}"#);
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        assert!(matches!(read("payout.submitted", &deep), Err(DecodeError::Malformed { .. })));
        let deep = format!(r#"{{"payout":{deep}}}"#);
        assert!(matches!(read("payout.submitted", &deep), Err(DecodeError::Malformed { .. })));
    }
}

#[test]
fn a_request_is_one_known_command() {
    let refused = |text: &str| serde_json::from_str::<Command>(text).unwrap_err().to_string();
    assert!(refused("{}").contains("the command is missing"));
    assert!(refused(r#"{"payout.print":{}}"#).contains("unknown variant `print`"));
    assert!(refused(r#"{"bank.print":{}}"#).contains("unknown command"));
    assert!(refused(r#"{"print":{}}"#).contains("unknown command"));
    let two = format!(r#"{{"payout.submit":{SUBMITTED},"payout.approve":{SUBMITTED}}}"#);
    assert!(refused(&two).contains("one command"));
    assert!(
        refused(r#"{"payout.submit":{"payout":"6f9619ff-8b86-8011-b42d-00cf4fc964ff","by":"x"}}"#)
            .contains("unknown field")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(name in 0..ledger_core::codec::TYPES.len(), bytes in any::<Vec<u8>>()) {
        let _ = decode_canonical(ledger_core::codec::TYPES[name], SCHEMA_VERSION, &bytes);
    }

    #[test]
    fn what_is_canonical_is_written_again_as_it_was(at in 0..SUBMITTED.len(), byte in any::<u8>()) {
        let mut bytes = SUBMITTED.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(event) = decode_canonical("payout.submitted", SCHEMA_VERSION, &bytes) {
            prop_assert_eq!(ledger_core::codec::encode(&event).payload, bytes);
        }
    }
}
