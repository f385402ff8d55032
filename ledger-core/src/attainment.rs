//! An attainment: what one payee's deals came to in one year, by which tiers and bonuses are measured.
//!
//! It belongs to a programme, not to a plan, so a change of plan keeps it. What a deal comes to is counted when it completes and
//! taken back when it is reversed, always in the year of the deal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{DealId, PayeeId, Text};
use crate::money::{Money, MoneyError};
use crate::settings::Capability;
use crate::stream::StreamId;
use crate::waterfall::{Account, Attained, BonusState, Owner, Progress};

/// What can be asked of an attainment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Takes over what was attained elsewhere in the year that holds a day. Something of it is given, nothing below zero.
    SetOpening {
        /// Whose attainment.
        payee: PayeeId,
        /// A day of the year; the plan of that day names the programme.
        on: Date,
        /// How many were sold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u64>,
        /// The payee's parts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revenue: Option<Money>,
        /// What the payee had of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accrued: Option<Money>,
        /// What the company had of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        company_dollar: Option<Money>,
        /// Where it comes from.
        reason: Text,
    },
}

/// What happened to an attainment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// What was attained elsewhere was taken over.
    OpeningSet {
        /// Whose attainment, of which programme and year.
        account: Account,
        /// How many were sold.
        units: u64,
        /// The payee's parts.
        revenue: Money,
        /// What the payee had of them.
        accrued: Money,
        /// What the company had of them.
        company_dollar: Money,
        /// Where it comes from.
        reason: Text,
    },
    /// A completed deal counted.
    Counted {
        /// Whose attainment, of which programme and year.
        account: Account,
        /// The deal.
        deal: DealId,
        /// How many were sold.
        units: u64,
        /// The payee's parts.
        revenue: Money,
        /// What the payee had of them.
        accrued: Money,
        /// What the company had of them.
        company_dollar: Money,
        /// The bonuses that it paid because a threshold was met.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bonuses: Vec<Text>,
    },
    /// A reversed deal counts no more.
    Reversed {
        /// Whose attainment, of which programme and year.
        account: Account,
        /// The deal.
        deal: DealId,
        /// How many it had counted.
        units: u64,
        /// The payee's parts that it had counted.
        revenue: Money,
        /// What the payee had of them.
        accrued: Money,
        /// What the company had of them.
        company_dollar: Money,
        /// The bonuses that it had paid because a threshold was met.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bonuses: Vec<Text>,
    },
}

impl Event {
    /// Whose attainment, of which programme and year.
    #[must_use]
    pub fn account(&self) -> &Account {
        match self {
            Self::OpeningSet { account, .. } | Self::Counted { account, .. } | Self::Reversed { account, .. } => {
                account
            }
        }
    }

    /// What the event counts, or takes back.
    #[must_use]
    pub fn attained(&self) -> Attained {
        let (Self::OpeningSet { units, revenue, accrued, company_dollar, .. }
        | Self::Counted { units, revenue, accrued, company_dollar, .. }
        | Self::Reversed { units, revenue, accrued, company_dollar, .. }) = *self;
        Attained { units, revenue, accrued, company_dollar }
    }

    pub(crate) fn counted(progress: &Progress, deal: &DealId) -> Result<Self, MoneyError> {
        let Attained { units, revenue, accrued, company_dollar } = progress.after.minus(&progress.before)?;
        let (account, deal, bonuses) = (progress.account.clone(), deal.clone(), progress.pays.clone());
        Ok(Self::Counted { account, deal, units, revenue, accrued, company_dollar, bonuses })
    }

    pub(crate) fn reversed(progress: &Progress, deal: &DealId) -> Result<Self, MoneyError> {
        let Attained { units, revenue, accrued, company_dollar } = progress.after.minus(&progress.before)?;
        let (account, deal, bonuses) = (progress.account.clone(), deal.clone(), progress.pays.clone());
        Ok(Self::Reversed { account, deal, units, revenue, accrued, company_dollar, bonuses })
    }
}

/// The stream of an attainment.
#[must_use]
pub fn stream(account: &Account) -> StreamId {
    let Account { programme, of, year } = account;
    match of {
        Owner::Payee(payee) => {
            StreamId::Attainment { programme: programme.clone(), payee: payee.clone(), year: year.start }
        }
        // Payees attain; an event that says otherwise is no event of an attainment's stream.
        Owner::Pool(pool) => StreamId::Pool { programme: programme.clone(), pool: pool.clone(), year: year.start },
    }
}

/// Why a request about an attainment is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The plan of that day measures nothing over a year.
    #[error("the plan of payee {payee} on {on} has no section attainment: nothing is measured there")]
    NotMeasured {
        /// Whose attainment.
        payee: PayeeId,
        /// The day.
        on: Date,
    },
    /// There is one opening a year.
    #[error("the attainment of that year is opened already: an opening is set once")]
    AlreadyOpened,
    /// Nothing was given.
    #[error("an opening of nothing: give units, revenue, accrued or company_dollar")]
    Nothing,
    /// What was attained is not below zero.
    #[error("an opening of {amount} is below zero")]
    Negative {
        /// The amount.
        amount: Money,
    },
}

/// An attainment as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attainment {
    opened: bool,
    /// The opening and what deals counted, less the reversals; none before the first of them.
    total: Option<Attained>,
    /// What became of the bonuses that deals paid because a threshold was met.
    bonuses: BTreeMap<Text, BonusState>,
}

impl Attainment {
    /// What is attained; none before anything was.
    #[must_use]
    pub fn total(&self) -> Option<Attained> {
        self.total
    }

    /// What became of a bonus that a threshold brings; none as long as no deal paid it.
    #[must_use]
    pub fn bonus(&self, name: &Text) -> Option<BonusState> {
        self.bonuses.get(name).copied()
    }
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::SetOpening { payee, on, units, revenue, accrued, company_dollar, reason } = self;
        context.settings.demand(Capability::OpeningBalances)?;
        let slice = context.slice;
        let known = slice.payee(payee)?;
        let assignment = known.plan_on(*on)?;
        let document = &slice.plan(&assignment.plan)?.version(assignment.version)?.document;
        let unmeasured = || Rejection::NotMeasured { payee: payee.clone(), on: *on };
        let measured = document.attainment.as_ref().ok_or_else(unmeasured)?;
        let year = measured.year.year_of(known.joined_on(), *on)?;
        let account = Account { programme: measured.programme.clone(), of: Owner::Payee(payee.clone()), year };
        if slice.attainment(&account)?.opened && !planted!(OpenedTwice) {
            return Err(Rejection::AlreadyOpened.into());
        }
        let amounts = [*revenue, *accrued, *company_dollar];
        if units.is_none() && amounts.iter().all(Option::is_none) {
            return Err(Rejection::Nothing.into());
        }
        let zero = Money::zero(document.currency);
        for amount in amounts.into_iter().flatten() {
            zero.same_currency(amount)?;
            if amount.is_negative() {
                return Err(Rejection::Negative { amount }.into());
            }
        }
        let [revenue, accrued, company_dollar] = amounts.map(|amount| amount.unwrap_or(zero));
        let opening = Attained { units: units.unwrap_or(0), revenue, accrued, company_dollar };
        // What could not be folded is refused here, while nothing is stored.
        slice.attainment(&account)?.with(&opening)?;
        let (stream, reason, units) = (stream(&account), reason.clone(), opening.units);
        mark!(AttainmentOpened);
        let event = Event::OpeningSet { account, units, revenue, accrued, company_dollar, reason };
        Ok(context.decision().effective(*on).with(stream, event))
    }
}

impl Attainment {
    fn with(&self, more: &Attained) -> Result<Attained, MoneyError> {
        self.total.map_or(Ok(*more), |total| total.plus(more))
    }
}

pub(crate) fn evolve(state: &mut Attainment, event: &Event) -> Result<(), Misfit> {
    let by = event.attained();
    let total = match event {
        Event::OpeningSet { .. } if planted!(AttainmentNotOpened) => {
            state.opened = true;
            return Ok(());
        }
        Event::Reversed { .. } if planted!(AttainmentKept) => return Ok(()),
        Event::OpeningSet { .. } => {
            state.opened = true;
            state.with(&by)
        }
        Event::Counted { bonuses, .. } => {
            state.bonuses.extend(bonuses.iter().map(|name| (name.clone(), BonusState::Paid)));
            state.with(&by)
        }
        Event::Reversed { bonuses, .. } => {
            state.bonuses.extend(bonuses.iter().map(|name| (name.clone(), BonusState::TakenBack)));
            state.total.unwrap_or(Attained::nothing(by.revenue.currency())).minus(&by)
        }
    };
    state.total = Some(total.map_err(|_| Misfit("what is attained cannot be summed"))?);
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Attainment(event)
    }
}
