//! Why something is refused: what, where, and a code for programs.

use serde::{Serialize, Serializer};
use thiserror::Error;

use super::rates::Per;
use crate::allocation::AllocationError;
use crate::calendar::{CalendarError, Zone};
use crate::id::{ModelId, PayeeId, RatesId, Text};
use crate::limits::{
    ENTRIES_PER_CASE, MILESTONES_PER_TOUCH, MONTHS_PER_PLAN, PAYEES_PER_DEAL, RULES_PER_PLAN, TOUCHES_PER_DEAL,
};
use crate::money::{Currency, Money, MoneyError};
use crate::rate::Rate;

/// What is wrong. See [`Rejection`] for where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The text is not of the form.
    #[error("{0}")]
    Malformed(String),
    /// No such payee.
    #[error("payee {0} is not among the payees")]
    UnknownPayee(PayeeId),
    /// No such model.
    #[error("model {0} is not among the models")]
    UnknownModel(ModelId),
    /// No such rate plan.
    #[error("rate plan {0} is not among the rate plans")]
    UnknownRates(RatesId),
    /// A touch has a type without a weight.
    #[error("type {0} has no weight: list it, or give a weight for other types or for this touch")]
    UnknownType(Text),
    /// A touch in a role that the model does not list.
    #[error("role {role} is none that the model lists: {listed}")]
    UnknownRole {
        /// The role.
        role: Text,
        /// The roles that are listed, the first of them.
        listed: Box<str>,
    },
    /// A touch of a milestone that the model does not list.
    #[error("milestone {milestone} is none that the model lists: {listed}")]
    UnknownMilestone {
        /// The milestone.
        milestone: Text,
        /// The milestones that are listed, the first of them.
        listed: Box<str>,
    },
    /// The payee has no class.
    #[error("payee {0} has no class: give it one of the model's")]
    NoClass(PayeeId),
    /// The payee has another class.
    #[error("payee {payee} is of class {class}, which the model does not list")]
    UnknownClass {
        /// The payee.
        payee: PayeeId,
        /// Its class.
        class: Text,
    },
    /// An amount of another currency.
    #[error("the currency is {found}, not {currency} as of all the rest")]
    WrongCurrency {
        /// What was found.
        found: Currency,
        /// What all the rest is in.
        currency: Currency,
    },
    /// A credit in one currency that a rate plan in another would pay.
    #[error("rate plan {rates} is in {found} and cannot pay what is in {currency}: give one in {currency}")]
    PaidInAnother {
        /// The rate plan.
        rates: RatesId,
        /// Its currency.
        found: Currency,
        /// The currency of the deal.
        currency: Currency,
    },
    /// An amount below zero.
    #[error("{0} is below zero")]
    Negative(Money),
    /// A half-life of no time.
    #[error("a half-life of 0 days leaves no weight to any touch: give at least 1")]
    NoHalfLife,
    /// Custom weights that are not the whole.
    #[error("the weights sum to {0}, not to 1")]
    NotTheWhole(String),
    /// Shares that are more than the whole.
    #[error("the shares sum to {0}, more than 1")]
    MoreThanTheWhole(String),
    /// A rate outside its bounds.
    #[error("the rate {rate} is not from {from} to {to}, where 1 is a hundred percent")]
    RateOutOfBounds {
        /// The rate.
        rate: Rate,
        /// The least it may be.
        from: Rate,
        /// The most it may be.
        to: Rate,
    },
    /// Two statements that exclude each other.
    #[error("{0}")]
    Conflicting(&'static str),
    /// One thing twice.
    #[error("{0} is named twice")]
    NamedTwice(String),
    /// Too many touches.
    #[error("a deal has at most {TOUCHES_PER_DEAL} touches, this one {0}")]
    TooManyTouches(usize),
    /// Too many payees.
    #[error("a deal is shared among at most {PAYEES_PER_DEAL} payees by hand, this one among {0}")]
    TooManyPayees(usize),
    /// Too many milestones.
    #[error("a touch is of at most {MILESTONES_PER_TOUCH} milestones, this one of {0}")]
    TooManyMilestones(usize),
    /// Too many entries: payments, payees and overrides multiply.
    #[error(
        "the deals of a case come to at most {ENTRIES_PER_CASE} entries: give payments as one sum, or fewer deals at a time"
    )]
    TooManyEntries,
    /// A model under which nobody is ever credited.
    #[error("{0}, so that nobody could ever be credited")]
    Nobody(&'static str),
    /// A rule behind one that holds whenever it does.
    #[error(
        "rule {0} goes before it and holds whenever it does, so that it is never reached: give this one a lower number as its priority, or drop it"
    )]
    NeverReached(Text),
    /// A rule for a product line that is not paid on.
    #[error("product line {0} is not eligible, so that the rule never holds: list it in `eligible`, or drop the rule")]
    NotEligible(Text),
    /// Too many rules.
    #[error("a document lists at most {RULES_PER_PLAN} of a kind, this one {0}")]
    TooManyRules(usize),
    /// The rate plan needs lines.
    #[error("rate plan {0} needs to know the deal's lines")]
    NoLines(RatesId),
    /// The rate plan needs the cost of each line.
    #[error("rate plan {0} pays on the margin, and a line that it counts has no unit cost")]
    NoCost(RatesId),
    /// More was collected than the deal is worth.
    #[error("{collected} was collected on a deal of {amount}")]
    TooMuchCollected {
        /// What was collected.
        collected: Money,
        /// The amount of the deal.
        amount: Money,
    },
    /// A day outside the years that a ledger keeps.
    #[error(transparent)]
    Year(#[from] CalendarError),
    /// More months than a customer earns.
    #[error("a customer earns for at most {MONTHS_PER_PLAN} months, not for {0}: leave it out if it earns for ever")]
    TooManyMonths(u32),
    /// A rate plan that limits another time than its earlier versions do.
    #[error(
        "version {version} limits a {per} in {zone}, and what has counted to that fits no other time: publish another rate plan"
    )]
    OtherTime {
        /// The first version that has a limit.
        version: u32,
        /// Its time.
        per: Per,
        /// Where that begins and ends.
        zone: Zone,
    },
    /// A decay whose eighteenth decimal cannot be told.
    #[error("a touch {age_ms} ms before the latest weighs what 128 bits cannot round: change the half-life")]
    Decay {
        /// The age of the touch in milliseconds.
        age_ms: u64,
    },
    /// Weights that have no common scale within 126 bits.
    #[error("the weights have no common scale within 126 bits: give shares with fewer decimals")]
    Scale,
    /// An amount that cannot be computed with.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// An amount that cannot be shared out.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
}

impl Fault {
    /// Its kind, for programs. A code stays for ever.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownPayee(_) => "unknown_payee",
            Self::UnknownModel(_) => "unknown_model",
            Self::UnknownRates(_) => "unknown_rates",
            Self::UnknownType(_) => "unknown_type",
            Self::UnknownRole { .. } => "unknown_role",
            Self::UnknownMilestone { .. } => "unknown_milestone",
            Self::NoClass(_) | Self::UnknownClass { .. } => "unknown_class",
            Self::WrongCurrency { .. }
            | Self::PaidInAnother { .. }
            | Self::Money(MoneyError::CurrencyMismatch { .. }) => "wrong_currency",
            Self::Negative(_) => "negative",
            Self::NoHalfLife => "not_positive",
            Self::NotTheWhole(_) | Self::MoreThanTheWhole(_) => "weights_do_not_sum",
            Self::RateOutOfBounds { .. } => "rate_out_of_bounds",
            Self::Conflicting(_) | Self::OtherTime { .. } => "conflicting",
            Self::NamedTwice(_) => "named_twice",
            Self::TooManyTouches(_)
            | Self::TooManyPayees(_)
            | Self::TooManyRules(_)
            | Self::TooManyMonths(_)
            | Self::TooManyMilestones(_)
            | Self::TooManyEntries => "too_many",
            Self::Nobody(_) => "nobody",
            Self::NeverReached(_) | Self::NotEligible(_) => "never_reached",
            Self::NoLines(_) | Self::NoCost(_) => "no_lines",
            Self::TooMuchCollected { .. } => "too_much_collected",
            Self::Year(_) => "year",
            Self::Decay { .. } | Self::Scale | Self::Money(_) | Self::Allocation(_) => "overflow",
        }
    }

    /// This, at a field.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Rejection {
        Rejection { at: field.into(), fault: self }
    }
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{fault}", place(.at))]
pub struct Rejection {
    /// The path of the field, such as `models.main.model.u_shaped`. Things that have a name are found by it.
    pub at: String,
    /// What is wrong there.
    pub fault: Fault,
}

impl Rejection {
    /// The same, seen from further out.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let between = if outer.is_empty() || self.at.is_empty() { "" } else { "." };
        Self { at: format!("{outer}{between}{}", self.at), ..self }
    }
}

impl<E: Into<Fault>> From<E> for Rejection {
    fn from(error: E) -> Self {
        error.into().at("")
    }
}

/// Written as `{"code","at","message"}`.
impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            code: &'static str,
            at: &'a str,
            message: String,
        }
        Written { code: self.fault.code(), at: &self.at, message: self.fault.to_string() }.serialize(serializer)
    }
}

/// The first that is named twice is refused.
pub(crate) fn none_twice<T: Ord + ToString>(all: impl IntoIterator<Item = T>) -> Result<(), Fault> {
    let mut seen = std::collections::BTreeSet::new();
    for one in all {
        if seen.contains(&one) {
            return Err(Fault::NamedTwice(one.to_string()));
        }
        seen.insert(one);
    }
    Ok(())
}
