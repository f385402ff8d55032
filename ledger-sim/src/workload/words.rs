//! Names, texts and keys: plain ones, and the most awkward ones that a ledger takes.

use crate::choice::Choices;

/// Who makes, approves and reports.
pub(super) const STAFF: [&str; 4] = ["ann", "ben", "cai", "dee"];

const REASONS: [&str; 4] = ["agreed", "a correction", "the buyer withdrew", "on the statement"];
const PERIODS: [&str; 3] = ["2026-02", "2025-Q4", "FY2024"];
const AWKWARD_PERIODS: [&str; 3] = ["1:a#b@c+d", "2026-02_", "0"];

/// Quotes, escapes, other scripts, what a spreadsheet takes for a formula, blanks that a reader may trim.
const AWKWARD: [&str; 12] = [
    "he said \"no\"",
    "C:\\new\\u0041",
    "Zoë Øst, née Çelik",
    "paid 💸👍🏽",
    "=SUM(A1:A9)",
    "@cmd|' /C calc'!A0",
    "-1+1",
    "+49 30 1234; a, b",
    " leading and trailing ",
    "e\u{301} is not é",
    "שלום עולם",
    "日本語\u{a0}🏠\u{3000}.",
];

/// A reason, a note, the name of a person.
pub(super) fn text(choices: &mut Choices, awkward: bool) -> String {
    if !awkward || !choices.maybe(400) {
        return choices.one_of(&REASONS).copied().unwrap_or("agreed").to_owned();
    }
    match choices.work(16) {
        14 => "é".repeat(250),
        15 => "\"".repeat(500),
        at => AWKWARD.iter().cycle().nth(usize::try_from(at).unwrap_or(0)).copied().unwrap_or("agreed").to_owned(),
    }
}

/// The label of a period.
pub(super) fn period(choices: &mut Choices, awkward: bool) -> String {
    let labels = if awkward && choices.maybe(400) { &AWKWARD_PERIODS } else { &PERIODS };
    choices.one_of(labels).copied().unwrap_or("2026-02").to_owned()
}

/// The name of the n-th payee. Awkward ones differ in letter case only, are as long as a name may be, or are those of the staff.
pub(super) fn payee(n: usize, awkward: bool) -> String {
    match n {
        1 if awkward => "P0".to_owned(),
        2 if awkward => "Ann".to_owned(),
        3 if awkward => format!("9{}", ".".repeat(63)),
        4 if awkward => "agent.4@office:a_b#c+d-e".to_owned(),
        n => format!("p{n}"),
    }
}

/// The key of the n-th ask. Awkward ones are as long as a key may be, or made of what JSON escapes.
pub(super) fn key(choices: &mut Choices, n: u64, awkward: bool) -> String {
    if !awkward || !choices.maybe(100) {
        return format!("k-{n}");
    }
    match choices.work(4) {
        0 => format!("K-{n}"),
        1 => format!("\"\\{n}"),
        2 => format!("{n:~<128}"),
        _ => format!("=k-{n}'<&>%20{{}}"),
    }
}

/// An actor as somebody else may write it: letter case does not make another person.
pub(super) fn other_case(name: &str) -> String {
    let flip = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    name.chars().map(flip).collect()
}
