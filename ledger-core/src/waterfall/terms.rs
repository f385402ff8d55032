//! The terms of a deal: its sides, what is taken off the top, who shares it, and what was agreed by hand.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::document::{not_negative, share};
use super::refuse::Rule;
use crate::id::{Actor, PayeeId, ReferrerId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::rate::{Rate, Rounding};

/// One side of a deal. With dual agency a deal has two, and the second sees what the first left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Which one; each is at most once in a deal.
    #[serde(default)]
    pub side: SideKind,
    /// Its gross commission income.
    pub gci: Gci,
    /// What another house pays for having sent the deal there. It is no part of the commission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral_in: Option<Money>,
    /// How many were sold. They count in full for every payee of the side.
    #[serde(default = "one")]
    pub units: u32,
    /// What is taken off the top. Items of one kind apply as listed, each rate to what the former left.
    #[serde(default)]
    pub off_top: Vec<OffTop>,
    /// Who shares what is left, 1 to 50. This is the order of payees that decides ties.
    pub payees: Vec<Sharer>,
    /// What was agreed by hand.
    #[serde(default)]
    pub adjustments: Vec<Adjustment>,
}

/// How a gross commission income is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Known")]
pub enum Gci {
    /// It is given.
    Amount(Money),
    /// It is a rate of the price, rounded half away from zero.
    OfPrice {
        /// The price.
        price: Money,
        /// The rate.
        rate: Rate,
    },
}

/// The form in which one is written. Both ways at once are told as what they are, which no enum would.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = r#"a commission, such as {"amount":"12000.00 USD"}"#)]
struct Known {
    #[serde(default, deserialize_with = "some")]
    amount: Option<Money>,
    #[serde(default, deserialize_with = "some")]
    of_price: Option<OfPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPrice {
    price: Money,
    rate: Rate,
}

/// A value, and not `null`.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl TryFrom<Known> for Gci {
    type Error = &'static str;

    fn try_from(known: Known) -> Result<Self, Self::Error> {
        match known {
            Known { amount: Some(amount), of_price: None } => Ok(Self::Amount(amount)),
            Known { amount: None, of_price: Some(OfPrice { price, rate }) } => Ok(Self::OfPrice { price, rate }),
            _ => Err("a commission is known in one way: amount or of_price"),
        }
    }
}

impl Gci {
    /// The amount, whatever its sign.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when it does not fit.
    pub fn amount(&self) -> Result<Money, MoneyError> {
        match self {
            Self::Amount(amount) => Ok(*amount),
            Self::OfPrice { price, rate } => rate.of(*price, Rounding::HalfAwayFromZero),
        }
    }
}

/// A side's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SideKind {
    /// The seller's.
    Listing,
    /// The buyer's.
    Buying,
    /// The only one.
    #[default]
    Sole,
}

/// What is taken off the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OffTop {
    /// What the client gets back.
    Concession(Quantity),
    /// What a referrer outside has.
    ReferralOut {
        /// The referrer.
        to: ReferrerId,
        /// How much.
        amount: Quantity,
    },
}

/// So much, or a rate of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Quantity {
    /// So much.
    Flat(Money),
    /// A rate.
    Rate(Rate),
}

/// Who shares a side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharer {
    /// The payee.
    pub payee: PayeeId,
    /// Its part of the whole; all together exactly 1. Where nobody has one, all share equally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Rate>,
    /// Who stands by it, for plans that pay a mentor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentor: Option<PayeeId>,
}

/// An amount that moves from one party to another, because somebody decided so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Who has less.
    pub from: Party,
    /// Who has more.
    pub to: Party,
    /// How much, above zero.
    pub amount: Money,
    /// Why.
    pub reason: Text,
    /// Who decided.
    pub actor: Actor,
}

/// Who has or pays an amount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Party {
    /// The company.
    Company,
    /// The client.
    Client,
    /// The franchise.
    Franchise,
    /// A payee.
    Payee(PayeeId),
    /// A referrer outside.
    Referrer(ReferrerId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Company => f.write_str("the company"),
            Self::Client => f.write_str("the client"),
            Self::Franchise => f.write_str("the franchise"),
            Self::Payee(payee) => payee.fmt(f),
            Self::Referrer(referrer) => referrer.fmt(f),
        }
    }
}

impl Quantity {
    pub(super) fn validate(self, currency: Currency) -> Result<(), Rule> {
        match self {
            Self::Flat(amount) => not_negative(amount, currency),
            Self::Rate(rate) => share(rate),
        }
    }
}

fn one() -> u32 {
    1
}
