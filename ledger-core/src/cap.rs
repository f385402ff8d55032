//! A cap account: what one payee's deals contributed to a cap in one cap year.
//!
//! It belongs to a cap programme, not to a plan, so a change of plan keeps it. A contribution is posted when a deal completes
//! and taken back when the deal is reversed, always in the cap year of the deal.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::calendar::{CapYear, CapYearRule};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{CapProgramme, DealId, PayeeId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::plan::Split;
use crate::settings::Capability;
use crate::stream::StreamId;

/// What can be asked of a cap account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Takes over what was contributed elsewhere in the cap year that holds a day.
    SetOpeningBalance {
        /// Whose account.
        payee: PayeeId,
        /// A day of the cap year; the plan of that day names the cap.
        on: Date,
        /// What was contributed.
        amount: Money,
        /// Where the amount comes from.
        reason: Text,
    },
}

/// What happened to a cap programme or one of its accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A plan named the programme first. Whatever plan names it later has the same currency and the same cap years.
    ProgrammeOpened {
        /// The programme.
        programme: CapProgramme,
        /// The currency of its contributions.
        currency: Currency,
        /// When its cap years begin.
        year: CapYearRule,
    },
    /// An opening balance was taken over.
    OpeningBalanceSet {
        /// Whose account, of which cap and year.
        account: CapAccount,
        /// What was contributed elsewhere.
        amount: Money,
        /// The limit in force.
        limit: Money,
        /// Where the amount comes from.
        reason: Text,
    },
    /// A completed deal contributed.
    Contributed {
        /// Whose account, of which cap and year.
        account: CapAccount,
        /// The deal.
        deal: DealId,
        /// Its company dollar.
        amount: Money,
        /// The limit in force.
        limit: Money,
    },
    /// The contributions reached the limit.
    Reached {
        /// Whose account, of which cap and year.
        account: CapAccount,
        /// The deal that reached it.
        deal: DealId,
        /// The limit in force.
        limit: Money,
    },
    /// A reversed deal gave its room back.
    Reversed {
        /// Whose account, of which cap and year.
        account: CapAccount,
        /// The deal.
        deal: DealId,
        /// What it had contributed.
        amount: Money,
    },
}

/// What a cap account is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapAccount {
    /// The cap.
    pub programme: CapProgramme,
    /// Whose contributions.
    pub payee: PayeeId,
    /// The cap year.
    pub year: CapYear,
}

impl CapAccount {
    /// The stream of the account.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId::Cap { programme: self.programme.clone(), payee: self.payee.clone(), year: self.year.start }
    }
}

/// What all plans of a cap programme have in common. Otherwise the cap years of a payee could overlap, and one deal's day would
/// lie in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    currency: Currency,
    year: CapYearRule,
}

/// The event that opens a plan's cap programme; none if it is open already.
pub(crate) fn open_programme(
    known: Option<&Programme>,
    programme: &CapProgramme,
    currency: Currency,
    year: &CapYearRule,
) -> Result<Option<Event>, Rejection> {
    match known {
        None => Ok(Some(Event::ProgrammeOpened { programme: programme.clone(), currency, year: *year })),
        Some(known) if known.currency == currency && known.year == *year => Ok(None),
        Some(_) => Err(Rejection::OtherProgramme { programme: programme.clone() }),
    }
}

/// Why a request about a cap account is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Plans of one programme count to the same cap years.
    #[error(
        "cap programme {programme} has another currency or other cap years: name a programme of its own for this plan"
    )]
    OtherProgramme {
        /// The programme.
        programme: CapProgramme,
    },
    /// The plan of that day has no cap.
    #[error("payee {payee} has no capped plan on {on}")]
    NoCap {
        /// Whose account.
        payee: PayeeId,
        /// The day.
        on: Date,
    },
    /// There is one opening balance a cap year.
    #[error("the opening balance is already {opening}")]
    AlreadyOpened {
        /// The opening balance.
        opening: Money,
    },
    /// An opening balance is a positive amount.
    #[error("an opening balance of {amount} is not above zero")]
    NotPositive {
        /// The amount.
        amount: Money,
    },
    /// Contributions never exceed the limit.
    #[error("an opening balance of {amount} is more than the room of {room}")]
    ExceedsRoom {
        /// The amount.
        amount: Money,
        /// What is left under the cap.
        room: Money,
    },
}

/// A cap account as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    opening: Option<Money>,
    /// The opening balance and the contributions, less the reversals; none before the first of them.
    contributed: Option<Money>,
}

impl Cap {
    /// What is left under a limit: never below zero, also when the limit was lowered.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] when the account is in another currency.
    pub fn room(&self, limit: Money) -> Result<Money, MoneyError> {
        let room = self.contributed.map_or(Ok(limit), |contributed| limit.minus(contributed))?;
        mark!(ContributedAboveLimit, room.is_negative());
        Ok(if room.is_negative() && !planted!(NegativeRoom) { Money::zero(limit.currency()) } else { room })
    }

    /// What is contributed once an amount is, too.
    pub(crate) fn with(&self, amount: Money) -> Result<Money, MoneyError> {
        self.contributed.map_or(Ok(amount), |contributed| contributed.plus(amount))
    }

    fn add(&mut self, amount: Money) -> Result<(), Misfit> {
        self.contributed = Some(self.with(amount).map_err(|_| Misfit("the contributions cannot be summed"))?);
        Ok(())
    }
}

/// The events of a contribution: that it was made and, if it was the one, that the cap is reached.
pub(crate) fn contribute(
    account: &CapAccount,
    deal: &DealId,
    amount: Money,
    room: Money,
    limit: Money,
) -> Result<impl Iterator<Item = Event>, MoneyError> {
    let contributed = amount.is_positive().then(|| Event::Contributed {
        account: account.clone(),
        deal: deal.clone(),
        amount,
        limit,
    });
    let reached = amount.is_positive() && !room.minus(amount)?.is_positive();
    let reached = reached && !(planted!(ReachedOnlyAbove) && room == amount);
    let reached = reached.then(|| Event::Reached { account: account.clone(), deal: deal.clone(), limit });
    Ok(contributed.into_iter().chain(reached))
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::SetOpeningBalance { payee, on, amount, reason } = self;
        context.settings.demand(Capability::OpeningBalances)?;
        let slice = context.slice;
        let known = slice.payee(payee)?;
        let assignment = known.plan_on(*on)?;
        let version = slice.plan(&assignment.plan)?.version(assignment.version)?;
        let Split::Capped(capped) = &version.document.split else {
            return Err(Rejection::NoCap { payee: payee.clone(), on: *on }.into());
        };
        let year = capped.cap.year.year_of(known.joined_on(), *on)?;
        let account = CapAccount { programme: capped.cap.programme.clone(), payee: payee.clone(), year };
        let cap = slice.cap(&account)?;
        if let Some(opening) = cap.opening {
            return Err(Rejection::AlreadyOpened { opening }.into());
        }
        let (limit, room) = (capped.cap.limit, cap.room(capped.cap.limit)?);
        if !amount.is_positive() {
            return Err(Rejection::NotPositive { amount: *amount }.into());
        }
        if room.minus(*amount)?.is_negative() {
            return Err(Rejection::ExceedsRoom { amount: *amount, room }.into());
        }
        let stream = account.stream();
        let event = Event::OpeningBalanceSet { account, amount: *amount, limit, reason: reason.clone() };
        Ok(context.decision().effective(*on).with(stream, event))
    }
}

pub(crate) fn evolve(state: &mut Cap, event: &Event) -> Result<(), Misfit> {
    match event {
        Event::OpeningBalanceSet { amount, .. } => {
            state.opening = Some(*amount);
            state.add(planted!(OpeningNotCounted => Money::zero(amount.currency()), *amount))
        }
        Event::Contributed { amount, .. } => state.add(*amount),
        Event::Reversed { .. } if planted!(RoomNotGivenBack) => Ok(()),
        Event::Reversed { amount, .. } => state.add(amount.negated()),
        Event::Reached { .. } => Ok(()),
        Event::ProgrammeOpened { .. } => Err(Misfit("the event is of the programme, not of an account")),
    }
}

/// The fold of a programme's stream.
pub(crate) fn evolve_programme(state: &mut Option<Programme>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::ProgrammeOpened { currency, year, .. }) => {
            *state = Some(Programme { currency: *currency, year: *year });
            Ok(())
        }
        _ => Err(Misfit("a cap programme is opened once")),
    }
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Cap(event)
    }
}
