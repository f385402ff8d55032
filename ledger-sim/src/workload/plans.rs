//! Plan documents: valid ones in every combination of their policies, and versions that change them in mid-year.

use crate::act::{Amount, CURRENCIES, CapTerms, CapYear, Code, Document, Part, WHOLE};
use crate::choice::Choices;

/// The payee's parts, in billionths: usual ones, all, nothing, and such as leave a rest.
const PARTS: [u64; 10] =
    [700_000_000, 500_000_000, 800_000_000, 950_000_000, 666_666_667, 333_333_333, 999_999_999, WHOLE, 1, 0];

/// A new document, of a cap programme of its own.
pub(super) fn draw(choices: &mut Choices, base: Code, foreign: bool, programme: String) -> Document {
    let other = foreign && choices.maybe(250);
    let currency = if other { choices.one_of(&CURRENCIES).copied().unwrap_or(base) } else { base };
    let (payee, company) = shares(choices);
    let capped = choices.work(6) > 0;
    let cap = capped.then(|| CapTerms {
        programme,
        limit: limit(choices, currency),
        year: year(choices),
        post_cap: post_cap(choices),
        fee: fee(choices, currency),
        whole_deal: choices.maybe(250),
        fee_on_crossing: choices.maybe(300),
    });
    Document { currency, payee, company, cap, half_even: choices.maybe(300) }
}

/// The next version of a document: what counts to its cap stays what it is, so the cap account goes on.
pub(super) fn revise(choices: &mut Choices, document: &Document) -> Document {
    let mut document = document.clone();
    let currency = document.currency;
    match (&mut document.cap, choices.work(6)) {
        (Some(cap), 1) => cap.limit = limit(choices, currency),
        (Some(cap), 2) => cap.post_cap = post_cap(choices),
        (Some(cap), 3) => cap.fee = fee(choices, currency),
        (Some(cap), 4) => cap.whole_deal = !cap.whole_deal,
        (Some(cap), 5) => cap.fee_on_crossing = !cap.fee_on_crossing,
        _ => (document.payee, document.company) = shares(choices),
    }
    if choices.maybe(200) {
        document.half_even = !document.half_even;
    }
    document
}

/// A document that the ledger refuses.
pub(super) fn spoil(choices: &mut Choices, document: &mut Document) {
    let currency = document.currency;
    match (&mut document.cap, choices.work(6)) {
        (Some(cap), 1) => {
            let other = CURRENCIES.into_iter().find(|other| *other != currency);
            cap.limit.1 = other.unwrap_or(currency);
        }
        (Some(cap), 2) => cap.limit.0 = -1,
        (Some(cap), 3) => cap.fee = Some(Amount(-1, currency)),
        (Some(cap), 4) => cap.year = CapYear::Calendar { month: 4, day: 31 },
        (Some(cap), 5) => cap.year = CapYear::Calendar { month: 7, day: 1 },
        _ => document.company = Part(document.company.0 + 1),
    }
}

fn shares(choices: &mut Choices) -> (Part, Part) {
    let payee = if choices.maybe(150) {
        choices.one_of(&PARTS).copied().unwrap_or(WHOLE)
    } else {
        choices.one_of(PARTS.get(..4).unwrap_or_default()).copied().unwrap_or(WHOLE)
    };
    (Part(payee), Part(WHOLE - payee))
}

fn limit(choices: &mut Choices, currency: Code) -> Amount {
    let whole = 10_i128.pow(currency.1);
    let units = match choices.work(10) {
        0..=3 => 15_000 * whole,
        4 | 5 => (1 + i128::from(choices.work(40))) * 500 * whole + i128::from(choices.work(100)),
        6 => i128::from(1 + choices.work(100)),
        7 => 1,
        8 => 0,
        _ => i128::from(i64::MAX) - i128::from(choices.work(2)),
    };
    Amount(units, currency)
}

fn year(choices: &mut Choices) -> CapYear {
    match choices.work(8) {
        0 | 1 => CapYear::Calendar { month: 1, day: 1 },
        2 => CapYear::Calendar { month: 2, day: 29 },
        3 => CapYear::Calendar { month: 12, day: 31 },
        4 => CapYear::Calendar { month: 1 + choices.work(12), day: 1 + choices.work(28) },
        5 | 6 => CapYear::Anniversary { march_first: false },
        _ => CapYear::Anniversary { march_first: true },
    }
}

fn post_cap(choices: &mut Choices) -> Option<(Part, Part)> {
    choices.maybe(300).then(|| shares(choices))
}

fn fee(choices: &mut Choices, currency: Code) -> Option<Amount> {
    let units = match choices.work(8) {
        0..=3 => return None,
        4 => 25 * 10_i128.pow(currency.1),
        5 => i128::from(1 + choices.work(30)),
        6 => 1,
        _ => 0,
    };
    Some(Amount(units, currency))
}
