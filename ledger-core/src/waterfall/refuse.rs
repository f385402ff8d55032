//! Why a plan document, a deal or a case is refused: where, and by which rule.

use thiserror::Error;

use crate::Date;
use crate::calendar::CalendarError;
use crate::id::{CapProgramme, PayeeId, PlanId};
use crate::limits::PAYEES_PER_DEAL;
use crate::money::{Currency, Money, MoneyError};
use crate::rate::Rate;

/// What is wrong, and where. Nothing is calculated in part: correct the field and send the whole again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}: {rule}")]
pub struct Rejection {
    /// The path of the field, such as `split.flat` or `deals.0.sides.1.payees.2`.
    pub at: String,
    /// The rule that it breaks.
    pub rule: Rule,
}

impl Rejection {
    /// The same of a field that is itself within another.
    pub(crate) fn within(self, outer: impl std::fmt::Display) -> Self {
        let at = if self.at.is_empty() { outer.to_string() } else { format!("{outer}.{}", self.at) };
        Self { at, ..self }
    }
}

/// A rule that plans and deals keep.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rule {
    /// The text is not of the form.
    #[error("{0}")]
    Malformed(String),
    /// No plan of that name.
    #[error("plan {plan} is unknown: name one of the plans that are given")]
    UnknownPlan {
        /// The plan.
        plan: PlanId,
    },
    /// Nobody of that name.
    #[error("payee {payee} is unknown here: name somebody who is given, and on this side")]
    UnknownPayee {
        /// The payee.
        payee: PayeeId,
    },
    /// No plan holds on that day.
    #[error("payee {payee} has no plan on {day}: assign one that covers the day")]
    NoPlan {
        /// The payee.
        payee: PayeeId,
        /// The day, or the instant.
        day: String,
    },
    /// The plan of that day names no such programme.
    #[error("no plan that holds on {day} counts to programme {programme}")]
    NoProgramme {
        /// The programme.
        programme: CapProgramme,
        /// The day.
        day: Date,
    },
    /// Two plans would hold at once, and which one counts would be a guess.
    #[error("payee {payee} is under two plans at once, {first} and {second}: end the one before the other begins")]
    OverlappingPlans {
        /// The payee.
        payee: PayeeId,
        /// A plan.
        first: PlanId,
        /// The other.
        second: PlanId,
    },
    /// Amounts of one calculation are in one currency.
    #[error("{found} is not the currency {expected} of the deal and its plans")]
    WrongCurrency {
        /// The currency that was found.
        found: Currency,
        /// The one that all have.
        expected: Currency,
    },
    /// An amount is below zero.
    #[error("{amount} is below zero")]
    Negative {
        /// The amount.
        amount: Money,
    },
    /// An amount is not above zero.
    #[error("{amount} is not above zero")]
    NotPositive {
        /// The amount.
        amount: Money,
    },
    /// The shares of a split are not the whole.
    #[error("the shares {payee} and {company} do not sum to 1")]
    SharesDoNotSum {
        /// The payee's share.
        payee: Rate,
        /// The company's share.
        company: Rate,
    },
    /// The weights of a side's payees are not the whole.
    #[error("the weights given sum to {sum}: give all payees of the side one, together 1, or none for equal parts")]
    WeightsDoNotSum {
        /// What they sum to, as far as it can be written.
        sum: String,
    },
    /// The tiers have a gap, overlap or are too many.
    #[error("1 to 20 tiers, the first from 0, each from more than the one before")]
    Tiers,
    /// A rate is of a whole.
    #[error("{rate} is out of bounds: {bounds}")]
    RateOutOfBounds {
        /// The rate, or the sum of two.
        rate: Rate,
        /// Its bounds.
        bounds: &'static str,
    },
    /// The steps are not in an order that can be calculated.
    #[error(
        "every step once: concession, referral_out and royalty in any order, allocation, split, then fees, mentee, bonuses \
         and overrides in any order, adjustments"
    )]
    Order,
    /// Two things that do not go together.
    #[error("{0}")]
    Conflicting(&'static str),
    /// Plans of one programme have the same years and, of one pool, the same cap.
    #[error("programme {programme} has another {what} elsewhere: name another programme or another pool")]
    ProgrammesDiffer {
        /// The programme.
        programme: CapProgramme,
        /// What differs.
        what: &'static str,
    },
    /// A name is of one thing.
    #[error("{name} is named twice")]
    NamedTwice {
        /// The name.
        name: String,
    },
    /// More than a calculation takes.
    #[error("{count} are too many or too few: {bounds}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        bounds: &'static str,
    },
    /// A day lies before the payee's first cap year.
    #[error("{0}")]
    BeforeFirstYear(CalendarError),
    /// A day is in no cap year that a ledger keeps.
    #[error("{0}")]
    Year(CalendarError),
    /// More is taken off the top than there is.
    #[error("{taken} of {left} cannot be taken off the top: the commission has no more")]
    ExceedsCommission {
        /// What is to be taken.
        taken: Money,
        /// What was left of the commission.
        left: Money,
    },
    /// A payee would owe, and the plan does not permit it.
    #[error("payee {payee} would be left with {amount}, and the plan permits no deficit")]
    Deficit {
        /// The payee.
        payee: PayeeId,
        /// What would be left.
        amount: Money,
    },
    /// What is taken off the top is taken once, and a pool has one limit, so plans that meet in a deal must say the same.
    #[error("plans {first} and {second} disagree on {what}: give the payees of a deal plans that agree")]
    PlansDisagree {
        /// A plan.
        first: PlanId,
        /// The other.
        second: PlanId,
        /// On what.
        what: &'static str,
    },
    /// A result does not fit, or an exact value on the way to it.
    #[error(
        "an amount on the way is too large to be calculated exactly: split the deal, or use rates of fewer decimals"
    )]
    Overflow,
    /// The lines are not the commission. A bug of this library: report it.
    #[error("the lines sum to {lines}, not to the {whole} of the side; this is a bug of the library, please report it")]
    DoesNotBalance {
        /// What the lines sum to.
        lines: Money,
        /// What they should sum to.
        whole: Money,
    },
}

/// At most so many payees on a side.
pub(super) const PAYEES: &str = "a side has 1 to 50 payees";
const _: () = assert!(PAYEES_PER_DEAL == 50, "the text above says so");

impl Rule {
    pub(crate) fn at(self, field: impl std::fmt::Display) -> Rejection {
        Rejection { at: field.to_string(), rule: self }
    }

    /// The rule's name for programs: it stays the same where the words are improved.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownPlan { .. } => "unknown_plan",
            Self::UnknownPayee { .. } => "unknown_payee",
            Self::NoPlan { .. } | Self::NoProgramme { .. } => "no_plan",
            Self::OverlappingPlans { .. } => "overlapping_plans",
            Self::WrongCurrency { .. } => "wrong_currency",
            Self::Negative { .. } => "negative",
            Self::NotPositive { .. } => "not_positive",
            Self::SharesDoNotSum { .. } => "shares_do_not_sum",
            Self::WeightsDoNotSum { .. } => "weights_do_not_sum",
            Self::Tiers => "tiers",
            Self::RateOutOfBounds { .. } => "rate_out_of_bounds",
            Self::Order => "order",
            Self::Conflicting(_) => "conflicting",
            Self::ProgrammesDiffer { .. } => "programmes_differ",
            Self::NamedTwice { .. } => "named_twice",
            Self::TooMany { .. } => "too_many",
            Self::BeforeFirstYear(_) => "before_first_year",
            Self::Year(_) => "year",
            Self::ExceedsCommission { .. } => "exceeds_commission",
            Self::Deficit { .. } => "deficit",
            Self::PlansDisagree { .. } => "plans_disagree",
            Self::Overflow => "overflow",
            Self::DoesNotBalance { .. } => "does_not_balance",
        }
    }
}

impl From<MoneyError> for Rule {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch { left, right } => Self::WrongCurrency { found: right, expected: left },
            // Nothing else happens to amounts that were read already.
            _ => Self::Overflow,
        }
    }
}

impl From<CalendarError> for Rule {
    fn from(error: CalendarError) -> Self {
        match error {
            CalendarError::BeforeAnchor { .. } => Self::BeforeFirstYear(error),
            _ => Self::Year(error),
        }
    }
}
