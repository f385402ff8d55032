//! One sale of a ledger: what its accounts hold is in the case, and what the sale comes to is told in whole units.

use serde_json::Value;

use super::exact::Exact;
use super::pay::{Books, Entry};
use super::terms::Weights;
use super::{Code, Shared, fits, read};
use crate::act::Day;

/// What a sale comes to.
pub(in crate::model) struct Outcome {
    /// How many touches count.
    pub touches: usize,
    pub credits: Vec<(String, i128)>,
    pub house: Option<i128>,
    pub overlays: Vec<(String, i128)>,
    pub entries: Vec<Owed>,
    /// Who earned something, before it is collected, and on what day.
    pub earners: Vec<(String, Day)>,
    /// What is spent of each that the case names.
    pub spent: Vec<i128>,
}

/// What a sale pays to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Owed {
    pub payee: String,
    pub kind: &'static str,
    pub name: Option<String>,
    pub amount: i128,
    /// The rate plan as the case names it.
    pub plan: String,
    pub rule: Option<String>,
    /// The place of the payment that releases it, if it waits for one.
    pub payment: Option<usize>,
}

/// What the one deal of a case comes to.
pub(in crate::model) fn run(case: &str) -> Result<Outcome, Code> {
    let case = read::case(case)?;
    let mut books = Books::open(&case)?;
    let deal = case.deals.first().ok_or(Code::Malformed)?;
    let Shared { touches, credits, house, overlays, paid } = Shared::of(&case, deal, &mut books)?;
    Ok(Outcome {
        touches,
        credits: parts(credits)?,
        house: house.map(units).transpose()?,
        overlays: parts(overlays)?,
        entries: paid.entries.into_iter().map(owed).collect::<Result<_, _>>()?,
        earners: paid.earners,
        spent: case.spent.iter().map(|spent| units(books.spent(&case, spent))).collect::<Result<_, _>>()?,
    })
}

/// Whether a model is as it must be.
pub(in crate::model) fn check_model(document: &str) -> Result<(), Code> {
    read::model(&json(document)?).map(drop)
}

/// Whether a rate plan is.
pub(in crate::model) fn check_rates(document: &str) -> Result<(), Code> {
    read::rates(&json(document)?).map(drop)
}

fn json(document: &str) -> Result<Value, Code> {
    serde_json::from_str(document).map_err(|_| Code::Malformed)
}

fn parts(parts: Weights) -> Result<Vec<(String, i128)>, Code> {
    parts.into_iter().map(|(payee, part)| Ok((payee, units(part)?))).collect()
}

fn owed(Entry { payee, kind, name, amount, plan, rule, payment }: Entry) -> Result<Owed, Code> {
    Ok(Owed { payee, kind, name, amount: units(amount)?, plan, rule, payment })
}

fn units(amount: Exact) -> Result<i128, Code> {
    fits(amount)?.digits().parse().map_err(|_| Code::Overflow)
}
