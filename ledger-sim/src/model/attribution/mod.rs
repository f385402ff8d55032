//! Who is credited with a deal and what is paid on it, written down once more, slowly: touches, models, rate plans.
//!
//! A case is one JSON text, and so is what it comes to. Numbers are exact fractions, rounded where a rule says so.

mod credit;
mod decay;
mod ledger;
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
pub(super) use ledger::{Outcome, Owed, check_model, check_rates, run};
use pay::{Books, Entry, Paid};
use terms::{Case, Deal, Weights};

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
    /// Nobody can ever be credited.
    Nobody,
    /// A rule that no deal comes to.
    NeverReached,
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
struct Answer {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<usize>,
}

/// What a case comes to, as JSON without explanations.
///
/// # Errors
/// The [`Code`] with which it is refused.
pub fn attribute(case: &str) -> Result<String, Code> {
    let case = read::case(case)?;
    let mut books = Books::open(&case)?;
    let deals = case.deals.iter().map(|deal| attributed(&case, deal, &mut books)).collect::<Result<_, _>>()?;
    serde_json::to_string(&Answer { case: case.name, deals }).map_err(|_| Code::Malformed)
}

fn attributed(case: &Case, deal: &Deal, books: &mut Books) -> Result<Attributed, Code> {
    let Shared { touches, credits, house, overlays, paid } = Shared::of(case, deal, books)?;
    let money = |amount: &Exact| money(amount, case.currency);
    let credited = |(payee, amount): (String, Exact)| Credited { payee, amount: money(&amount) };
    let earned = |entry: Entry| Earned {
        payee: entry.payee,
        kind: entry.kind,
        name: entry.name,
        amount: money(&entry.amount),
        rates: entry.plan,
        rule: entry.rule,
        payment: entry.payment.map(|place| place + 1),
    };
    Ok(Attributed {
        deal: deal.name.clone(),
        model: deal.model.clone(),
        touches,
        unattributed: (credits.is_empty() && house.is_none()).then_some(true),
        credits: credits.into_iter().map(credited).collect(),
        house: house.as_ref().map(money),
        overlays: overlays.into_iter().map(credited).collect(),
        entries: paid.entries.into_iter().map(earned).collect(),
    })
}

/// What a deal comes to; without credits nothing at all.
#[derive(Default)]
struct Shared {
    touches: usize,
    credits: Weights,
    house: Option<Exact>,
    overlays: Weights,
    paid: Paid,
}

impl Shared {
    fn of(case: &Case, deal: &Deal, books: &mut Books) -> Result<Self, Code> {
        let model = case.models.get(&deal.model).ok_or(Code::UnknownModel)?;
        let credits = Credits::of(model, deal, &case.payees)?;
        let touches = credits.touches;
        if credits.is_empty() {
            return Ok(Self { touches, ..Self::default() });
        }
        let mut parts = credits.share(&deal.amount).into_iter();
        let overlay =
            |(name, weight): &(String, Exact)| Ok((name.clone(), fits((&deal.amount * weight).round(false))?));
        Ok(Self {
            touches,
            credits: credits.payees.iter().map(|(name, _)| name.clone()).zip(parts.by_ref()).collect(),
            house: parts.next(),
            overlays: deal.overlays.iter().map(overlay).collect::<Result<_, Code>>()?,
            paid: books.pay(case, deal, &credits)?,
        })
    }
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
