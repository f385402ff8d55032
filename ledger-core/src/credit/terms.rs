//! What is known of a deal and of its payees: what is credited, and by what.

use serde::{Deserialize, Serialize};

use super::refuse::Fault;
use super::touch::{Instant, Touch};
use crate::attribution::Weight;
use crate::id::{CustomerId, DealId, ModelId, PayeeId, RatesId, Text};
use crate::money::{Currency, Money, MoneyError};

/// A payee, as far as models and rate plans ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee<R = RatesId> {
    /// What it is, such as `affiliate`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// Its tier, such as `gold`. Without one it equals no tier that a rule states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Text>,
    /// Its class in a co-sell, such as `hyperscaler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// Its rate plan; without one, that of the deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<R>,
}

impl<R> Payee<R> {
    /// The same with its rate plan known otherwise.
    pub(crate) fn with_rates<S>(&self, rates: Option<S>) -> Payee<S> {
        Payee { kind: self.kind.clone(), tier: self.tier.clone(), class: self.class.clone(), rates }
    }
}

impl<R> Default for Payee<R> {
    fn default() -> Self {
        Self { kind: None, tier: None, class: None, rates: None }
    }
}

/// A deal that is won.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    /// The deal.
    pub deal: DealId,
    /// Whose money it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The programme that it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<Text>,
    /// By which model it is attributed.
    pub model: ModelId,
    /// The rate plan of payees who have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<RatesId>,
    /// What it is worth, if it has no lines. Below zero it is a correction, and all of it mirrors the positive one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// What was sold. The deal is worth their sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// When it was won. No later touch counts.
    pub completed_at: Instant,
    /// No touch after this counts either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<Instant>,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<PayeeId>,
    /// What led to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<Touch>,
    /// The weights that a custom model takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Weight>,
    /// Credit beside the deal's own, which is in no sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Weight>,
    /// What the customer paid, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<Money>,
}

/// One line of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it is worth, below zero in a correction.
    pub amount: Money,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_line: Option<Text>,
    /// How many were sold, or taken back in a correction.
    #[serde(default = "one")]
    pub units: u64,
    /// What one of them costs the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_cost: Option<Money>,
}

const fn one() -> u64 {
    1
}

impl Deal {
    /// What the deal is worth: its amount, or the sum of its lines.
    ///
    /// # Errors
    /// [`Fault::Conflicting`] with both or neither; [`Fault::WrongCurrency`]; [`Fault::Money`] for a sum that does not fit.
    pub fn worth(&self, currency: Currency) -> Result<Money, Fault> {
        match (self.amount, self.lines.as_slice()) {
            (Some(amount), []) => in_currency(amount, currency),
            (None, lines @ [_, ..]) => match Money::sum(currency, lines.iter().map(|line| line.amount)) {
                Err(MoneyError::CurrencyMismatch { right: found, .. }) => Err(Fault::WrongCurrency { found, currency }),
                worth => Ok(worth?),
            },
            _ => Err(Fault::Conflicting("a deal has an amount or lines, one of both")),
        }
    }
}

/// An amount of the one currency that is reckoned in.
pub(crate) fn in_currency(amount: Money, currency: Currency) -> Result<Money, Fault> {
    if amount.currency() == currency {
        return Ok(amount);
    }
    Err(Fault::WrongCurrency { found: amount.currency(), currency })
}

/// An amount of the currency that is not below zero.
pub(crate) fn not_negative(amount: Money, currency: Currency) -> Result<Money, Fault> {
    let amount = in_currency(amount, currency)?;
    if amount.is_negative() { Err(Fault::Negative(amount)) } else { Ok(amount) }
}
