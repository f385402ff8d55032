//! Who is credited with a deal and what is paid on it, written down once more, slowly: touches, models, rate plans.
//!
//! A case is one JSON text, and so is what it comes to. Numbers are exact fractions, rounded where a rule says so.

mod credit;
mod decay;
mod pay;
mod read;
mod terms;
#[cfg(test)]
mod vectors;

use serde::Serialize;

use super::exact;
use crate::act::Code as Currency;
use credit::Credits;
use exact::Exact;
use pay::{Books, Entry};
use terms::{Case, Deal};

/// Why a case is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It is no case: a field is unknown, missing or says what it cannot.
    Malformed,
    /// There is nobody of that name.
    UnknownPayee,
    /// There is no such attribution model.
    UnknownModel,
    /// There is no such rate plan.
    UnknownRates,
    /// A touch has neither a weight of its own nor one by its type.
    UnknownType,
    /// A payee has no class, or none that the model knows.
    UnknownClass,
    /// An amount or a rate plan is in another currency.
    WrongCurrency,
    /// An amount is below zero.
    Negative,
    /// A half-life is not above zero.
    NotPositive,
    /// The weights are not the whole, or more than it.
    WeightsDoNotSum,
    /// A rate is outside of its bounds, or a share more than the whole.
    RateOutOfBounds,
    /// Two things exclude one another.
    Conflicting,
    /// Something is named twice.
    NamedTwice,
    /// There are more than there may be.
    TooMany,
    /// The plan pays on lines, and the deal has none, or none with a cost.
    NoLines,
    /// More is collected than the deal is worth.
    TooMuchCollected,
    /// The day is outside of the years that are kept.
    Year,
    /// A number does not fit.
    Overflow,
}

/// What a case comes to.
#[derive(Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    deals: Vec<Attributed>,
}

#[derive(Serialize)]
struct Attributed {
    deal: String,
    model: String,
    touches: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    unattributed: Option<bool>,
    credits: Vec<Credited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    house: Option<String>,
    overlays: Vec<Credited>,
    entries: Vec<Earned>,
}

#[derive(Serialize)]
struct Credited {
    payee: String,
    amount: String,
}

#[derive(Serialize)]
struct Earned {
    payee: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    amount: String,
    rates: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

/// What a case comes to, as JSON without explanations.
///
/// # Errors
/// The [`Code`] with which it is refused.
pub fn attribute(case: &str) -> Result<String, Code> {
    let case = read::case(case)?;
    let mut books = Books::open(&case)?;
    let deals = case.deals.iter().map(|deal| attributed(&case, deal, &mut books)).collect::<Result<_, _>>()?;
    serde_json::to_string(&Outcome { case: case.name, deals }).map_err(|_| Code::Malformed)
}

fn attributed(case: &Case, deal: &Deal, books: &mut Books) -> Result<Attributed, Code> {
    let model = case.models.get(&deal.model).ok_or(Code::UnknownModel)?;
    let credits = Credits::of(model, deal, &case.payees)?;
    let mut attributed = Attributed {
        deal: deal.name.clone(),
        model: deal.model.clone(),
        touches: credits.touches,
        unattributed: credits.is_empty().then_some(true),
        credits: Vec::new(),
        house: None,
        overlays: Vec::new(),
        entries: Vec::new(),
    };
    if credits.is_empty() {
        return Ok(attributed);
    }
    let credited =
        |payee: &str, amount: &Exact| Credited { payee: payee.to_owned(), amount: money(amount, case.currency) };
    let mut parts = credits.share(&deal.amount).into_iter();
    attributed.credits =
        credits.payees.iter().zip(parts.by_ref()).map(|((name, _), part)| credited(name, &part)).collect();
    attributed.house = parts.next().map(|part| money(&part, case.currency));
    let overlay = |(name, weight): &(String, Exact)| Ok(credited(name, &fits((&deal.amount * weight).round(false))?));
    attributed.overlays = deal.overlays.iter().map(overlay).collect::<Result<_, Code>>()?;
    let earned = |entry: Entry| Earned {
        payee: entry.payee,
        kind: entry.kind,
        name: entry.name,
        amount: money(&entry.amount, case.currency),
        rates: entry.plan,
        rule: entry.rule,
    };
    attributed.entries = books.pay(case, deal, &credits)?.into_iter().map(earned).collect();
    Ok(attributed)
}

/// An amount that the ledger can hold.
fn fits(amount: Exact) -> Result<Exact, Code> {
    if amount.fits() { Ok(amount) } else { Err(Code::Overflow) }
}

/// Whole minor units as they are written: `-12.30 USD`.
fn money(units: &Exact, Currency(code, places): Currency) -> String {
    let digits = units.digits();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let places = usize::try_from(places).unwrap_or(0);
    let digits = format!("{digits:0>width$}", width = places + 1);
    match digits.split_at_checked(digits.len() - places) {
        Some((whole, cents)) if places > 0 => format!("{sign}{whole}.{cents} {code}"),
        _ => format!("{sign}{digits} {code}"),
    }
}
