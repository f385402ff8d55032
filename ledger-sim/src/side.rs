//! The sides of a deal, in the simulator's own words: what each brings, what comes off the top, and who shares the rest.

#![expect(missing_docs, reason = "fields that are named after the ledger's own mean the same")]

use serde::Serialize;

use crate::act::{Amount, Code, Gci, Part};
use crate::document::{Charge, left_out};

/// A side of a deal. Written with every default, as the ledger stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    pub side: Kind,
    pub gci: Gci,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral_in: Option<Amount>,
    pub units: u32,
    pub off_top: Vec<OffTop>,
    pub payees: Vec<Sharer>,
    pub adjustments: Vec<Adjustment>,
}

/// Which side it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Sole,
    Listing,
    Buying,
}

/// Taken before anybody shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OffTop {
    Concession(Charge),
    ReferralOut { to: String, amount: Charge },
}

/// One of the payees who share a side. Either all of them have a weight, or none has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sharer {
    pub payee: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentor: Option<String>,
}

/// An amount that somebody moved by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    pub from: Party,
    pub to: Party,
    pub amount: Amount,
    pub reason: String,
    pub actor: String,
}

/// Who gives or gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    Company,
    Client,
    Franchise,
    Payee(String),
    Referrer(String),
}

impl Side {
    /// The sole side of a deal of which only the commission is known and who shares it.
    #[must_use]
    pub fn sole(gci: Amount, payees: Vec<Sharer>) -> Self {
        let (off_top, adjustments) = (Vec::new(), Vec::new());
        Self { side: Kind::Sole, gci: Gci::Amount(gci), referral_in: None, units: 1, off_top, payees, adjustments }
    }
}

/// The currency of the first side, in which all must be.
pub(crate) fn currency(sides: &[Side]) -> Code {
    match sides.first().map(|side| &side.gci) {
        Some(Gci::Amount(amount) | Gci::OfPrice { price: amount, .. }) => amount.1,
        None => Code("USD", 2),
    }
}

/// Sides as a host writes them, their defaults left out.
pub(crate) fn asked(sides: &[Side]) -> String {
    left_out(&sides)
}

/// Sides as the ledger stores them.
pub(crate) fn stored(sides: &[Side]) -> String {
    serde_json::to_string(sides).unwrap_or_default()
}
