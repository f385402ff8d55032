//! Why a payee has a credit or an entry: which document says so, and the numbers. `Display` says it to the payee.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use super::rates::{Base, Pays, Per};
use super::touch::Instant;
use crate::Date;
use crate::chain::Digest;
use crate::id::{ModelId, PayeeId, RatesId, Text, TouchId};
use crate::money::Money;
use crate::rate::Rate;

/// What the claim of a payee rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// It made the first touch.
    FirstTouch(TouchId),
    /// It registered the deal, and made this touch.
    Registered(TouchId),
    /// It made the last touch.
    LastTouch(TouchId),
    /// It made the latest touch that implemented something.
    Implemented(TouchId),
    /// All share equally.
    Equal {
        /// How many they are.
        payees: usize,
    },
    /// All touches are equal.
    Touches {
        /// How many are its own.
        touches: usize,
        /// How many there are.
        of: usize,
    },
    /// Older touches weigh less.
    Decayed {
        /// How many are its own.
        touches: usize,
        /// In how many days the weight halves.
        half_life_days: u32,
        /// The touch from which the time is counted back.
        latest: Instant,
    },
    /// The first and the last touch weigh more than those between.
    UShaped {
        /// How many are its own.
        touches: usize,
        /// How many there are.
        of: usize,
    },
    /// Milestones have their shares.
    Milestones {
        /// How many touches are its own.
        touches: usize,
        /// How many there are.
        of: usize,
    },
    /// Each touch weighs what its type does, or what it says itself.
    Types {
        /// How many are its own.
        touches: usize,
    },
    /// It is one of those who share what a class, or a role, has.
    Pool {
        /// The class of the payee.
        #[serde(skip_serializing_if = "Option::is_none")]
        class: Option<Text>,
        /// Its best role.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Text>,
        /// How many share it.
        members: u128,
    },
    /// The weight was given by hand.
    Custom {
        /// The weight.
        weight: Rate,
    },
    /// The credit is beside the deal's own, and was given by hand.
    Overlay {
        /// The weight.
        weight: Rate,
    },
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTouch(touch) => write!(f, "the first touch, {touch}, has it all"),
            Self::Registered(touch) => write!(f, "who registered the deal and touched it, with {touch}, has it all"),
            Self::LastTouch(touch) => write!(f, "the last touch, {touch}, has it all"),
            Self::Implemented(touch) => write!(f, "the latest implementation, {touch}, has it all"),
            Self::Equal { payees: 1 } => write!(f, "there is no other payee"),
            Self::Equal { payees } => write!(f, "{payees} payees share equally"),
            Self::Touches { touches, of } => write!(f, "{touches} of {of} touches, all equal"),
            Self::Decayed { touches, half_life_days, latest } => {
                write!(f, "{} weighing half for every ", Touches(*touches))?;
                if *half_life_days == 1 {
                    f.write_str("day")?
                } else {
                    write!(f, "{half_life_days} days")?
                }
                write!(f, " before {latest}")
            }
            Self::UShaped { touches, of } => {
                write!(f, "{touches} of {of} touches, of which the first and the last weigh more")
            }
            Self::Milestones { touches, of } => write!(f, "{touches} of {of} touches, weighing by milestone"),
            Self::Types { touches } => write!(f, "{} weighing by type", Touches(*touches)),
            Self::Pool { class, role, members } => {
                if let Some(class) = class {
                    write!(f, "class {class}, ")?;
                }
                if let Some(role) = role {
                    write!(f, "role {role}, ")?;
                }
                if *members == 1 { write!(f, "shared with nobody") } else { write!(f, "shared by {members}") }
            }
            Self::Custom { weight } => write!(f, "the deal gives it the weight {weight}"),
            Self::Overlay { weight } => write!(f, "an overlay of {weight}, beside the deal's own credit"),
        }
    }
}

struct Touches(usize);

impl fmt::Display for Touches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { write!(f, "1 touch") } else { write!(f, "{} touches,", self.0) }
    }
}

/// Why a payee is credited with an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credited {
    /// The model.
    pub model: ModelId,
    /// SHA-256 of the model's document.
    pub hash: Digest,
    /// What the claim rests on.
    pub share: Share,
    /// The weight of the claim.
    #[serde(serialize_with = "as_text")]
    pub weight: u128,
    /// The weight of all claims together.
    #[serde(serialize_with = "as_text")]
    pub of: u128,
    /// What was shared out.
    pub amount: Money,
    /// Why the credit earns nothing, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpaid: Option<Unpaid>,
}

/// Writes a reason with its words.
pub(crate) fn with_words<T: Serialize + fmt::Display, S: Serializer>(
    because: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'a, T> {
        #[serde(flatten)]
        numbers: &'a T,
        words: String,
    }
    Told { numbers: because, words: because.to_string() }.serialize(serializer)
}

// Such numbers are beyond what readers of JSON take in.
fn as_text<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Says, for example: `33.33% of 10000.00 USD: 3 payees share equally, under model main`.
impl fmt::Display for Credited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}% of {}: {}, under model {}", Percent(self.weight, self.of), self.amount, self.share, self.model)?;
        self.unpaid.as_ref().map_or(Ok(()), |unpaid| write!(f, "; {unpaid}"))
    }
}

/// A part of a whole in percent, to two decimals.
struct Percent(u128, u128);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is beyond the leading 100 bits shows in no decimal.
        let excess = (u128::BITS - self.1.leading_zeros()).saturating_sub(100);
        let (part, whole) = (self.0 >> excess, self.1 >> excess);
        let hundredths = (part * 20_000 + whole).checked_div(whole * 2).unwrap_or_default();
        write!(f, "{}", Decimal::from_i128_with_scale(i128::try_from(hundredths).unwrap_or_default(), 2).normalize())
    }
}

/// Why a credit earns nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpaid {
    /// Neither the payee nor the deal has a rate plan.
    NoRates,
    /// No rule of the rate plan holds for it.
    NoRule,
    /// The time in which the customer earns is over.
    Over {
        /// The day of the payee's first commission on the customer.
        first: Date,
        /// How many months it earns from then on; 0 for the first sale only.
        months: u32,
    },
    /// Nothing is left under the spend limit.
    SpendLimit {
        /// The limit.
        limit: Money,
    },
    /// Nothing was collected yet.
    NotCollected,
    /// The rate makes nothing of so much.
    Nothing,
}

impl fmt::Display for Unpaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRates => f.write_str("it earns nothing, as no rate plan applies"),
            Self::NoRule => f.write_str("it earns nothing, as no rule of the rate plan holds"),
            Self::Over { months: 0, .. } => f.write_str("it earns nothing: the first sale alone does"),
            Self::Over { first, months } => {
                write!(f, "it earns nothing: the {months} months from the first commission on {first} are over")
            }
            Self::SpendLimit { limit } => write!(f, "it earns nothing: the spend limit of {limit} is used up"),
            Self::NotCollected => f.write_str("it earns nothing until the customer pays"),
            Self::Nothing => f.write_str("its commission is nothing"),
        }
    }
}

/// Why an entry has its amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Earned {
    /// A rate plan pays it on a credit.
    Commission(Commission),
    /// It comes on top of the entry of another payee.
    Override {
        /// The rate plan that says so.
        rates: RatesId,
        /// SHA-256 of its document.
        hash: Digest,
        /// Whose entry.
        of: PayeeId,
        /// The rate.
        rate: Rate,
        /// The amount of that entry and of those before it on the deal.
        entry: Money,
        /// What was earned on those before it; none on the first.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Money>,
    },
}

/// How a commission was reckoned, step by step. The last amount that is there is the entry's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commission {
    /// The rate plan.
    pub rates: RatesId,
    /// SHA-256 of its document.
    pub hash: Digest,
    /// The rule; none for what is paid otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Text>,
    /// What the rule pays.
    pub pays: Pays,
    /// On what: the deal's amount or its margin.
    pub base: Base,
    /// The payee's part of that; of units, of what is paid for all of them.
    pub part: Money,
    /// What the rule makes of it.
    pub commission: Money,
    /// The minimum or the maximum, where it took the place of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounded_to: Option<Money>,
    /// What the spend limit left, where it was less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited: Option<Limited>,
    /// What of it is released, where it is earned as the customer pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collected: Option<Collected>,
}

/// What a spend limit left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limited {
    /// The limit.
    pub limit: Money,
    /// Of what time.
    pub per: Per,
    /// What was left.
    pub left: Money,
}

/// What a payment released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// What was collected, this payment included.
    pub collected: Money,
    /// The amount of the deal.
    pub of: Money,
    /// What was released before.
    pub before: Money,
}

/// Says, for example: `10% of 5000.00 USD, its part of the amount, by rule gold of rate plan standard: 500.00 USD`.
impl fmt::Display for Earned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commission(commission) => commission.fmt(f),
            Self::Override { rates, of, rate, entry, before: None, .. } => {
                write!(f, "{} of {entry}, the entry of {of}, under rate plan {rates}", rate.percent())
            }
            Self::Override { rates, of, rate, entry, before: Some(before), .. } => {
                let rate = rate.percent();
                write!(
                    f,
                    "{rate} of {entry}, the entries of {of} so far, less {before} before, under rate plan {rates}"
                )
            }
        }
    }
}

impl fmt::Display for Commission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match self.base {
            Base::Amount => "amount",
            Base::Margin => "margin",
        };
        match self.pays {
            Pays::Rate(rate) => write!(f, "{} of {}, its part of the {base}", rate.percent(), self.part)?,
            Pays::PerUnit(each) => write!(f, "{}, its part of {each} for each unit", self.part)?,
        }
        match &self.rule {
            Some(rule) => write!(f, ", by rule {rule} of rate plan {}: {}", self.rates, self.commission)?,
            None => write!(f, ", as rate plan {} pays where no rule holds: {}", self.rates, self.commission)?,
        }
        if let Some(bound) = self.bounded_to {
            let more = bound.minor().unsigned_abs() > self.commission.minor().unsigned_abs();
            write!(f, ", {} {bound}", if more { "raised to the minimum of" } else { "held to the maximum of" })?;
        }
        if let Some(Limited { limit, per, left }) = &self.limited {
            write!(f, "; the limit of {limit} a {per} had {left} left")?;
        }
        if let Some(Collected { collected, of, before }) = &self.collected {
            write!(f, "; {collected} of {of} was collected, and {before} released before")?;
        }
        Ok(())
    }
}
