//! Who is credited with a deal and what is paid on it, written down once more, slowly: touches, models, rate plans.
//!
//! A case is one JSON text, and so is what it comes to. Numbers are exact fractions, rounded where a rule says so.

mod credit;
mod decay;
mod pay;
mod read;
mod terms;

use serde::Serialize;
use serde_json::{Map, Value, json};

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

/// What a case comes to, as JSON without explanations.
///
/// # Errors
/// The [`Code`] with which it is refused.
pub fn attribute(case: &str) -> Result<String, Code> {
    let case = read::case(case)?;
    let mut books = Books::open(&case)?;
    let deals = case.deals.iter().map(|deal| attributed(&case, deal, &mut books)).collect::<Result<Vec<_>, _>>()?;
    let mut result = Map::from_iter([("deals".to_owned(), Value::Array(deals))]);
    result.extend(case.name.map(|name| ("case".to_owned(), Value::String(name))));
    Ok(Value::Object(result).to_string())
}

fn attributed(case: &Case, deal: &Deal, books: &mut Books) -> Result<Value, Code> {
    let model = case.models.get(&deal.model).ok_or(Code::UnknownModel)?;
    let credits = Credits::of(model, deal, &case.payees)?;
    let mut result = json!({
        "deal": deal.name, "model": deal.model, "touches": credits.touches, "credits": [], "overlays": [], "entries": [],
    });
    if credits.is_empty() {
        result["unattributed"] = true.into();
        return Ok(result);
    }
    let mut parts = credits.share(&deal.amount).into_iter();
    let names = credits.payees.iter().map(|(name, _)| name);
    result["credits"] = names.zip(parts.by_ref()).map(|(name, part)| credited(case, name, &part)).collect();
    if credits.house.is_some() {
        result["house"] = parts.next().map(|part| money(&part, case.currency)).into();
    }
    let overlays = deal.overlays.iter().map(|(name, weight)| {
        let amount = fits((&deal.amount * weight).round(false))?;
        Ok::<_, Code>(credited(case, name, &amount))
    });
    result["overlays"] = overlays.collect::<Result<Vec<_>, _>>()?.into();
    let entries = books.pay(case, deal, &credits)?;
    result["entries"] = entries.iter().map(|entry| written(case, entry)).collect();
    Ok(result)
}

fn credited(case: &Case, payee: &str, amount: &Exact) -> Value {
    json!({ "payee": payee, "amount": money(amount, case.currency) })
}

fn written(case: &Case, entry: &Entry) -> Value {
    let mut written = credited(case, &entry.payee, &entry.amount);
    written["kind"] = entry.kind.into();
    written["rates"] = entry.plan.as_str().into();
    for (field, text) in [("name", &entry.name), ("rule", &entry.rule)] {
        if let Some(text) = text {
            written[field] = text.as_str().into();
        }
    }
    written
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
