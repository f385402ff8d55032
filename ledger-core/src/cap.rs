//! A cap account: what the deals of one payee, or of a pool of payees, contributed to a cap in one cap year.
//!
//! It belongs to a cap programme, not to a plan, so a change of plan keeps it. A contribution is posted when a deal completes
//! and taken back when the deal is reversed, always in the cap year of the deal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::calendar::CapYearRule;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{CapProgramme, DealId, PayeeId, PoolId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::settings::Capability;
use crate::stream::StreamId;
use crate::waterfall::{Account, Contribution, Limit, Owner, PoolTerms, room};

/// What can be asked of a cap account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Takes over what was contributed elsewhere in the cap year that holds a day.
    SetOpeningBalance {
        /// Whose account, or a payee of the pool whose it is.
        payee: PayeeId,
        /// A day of the cap year; the plan of that day names the cap.
        on: Date,
        /// What was contributed.
        amount: Money,
        /// Where the amount comes from.
        reason: Text,
        /// What it counts to, also that of a royalty's or a fee's cap; without it the first of the plan's caps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        programme: Option<CapProgramme>,
    },
}

/// What happened to a cap programme or one of its accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A plan named the programme first. Whatever plan names it later has the same currency and years, and counts the same.
    ProgrammeOpened {
        /// The programme.
        programme: CapProgramme,
        /// The currency of what counts to it.
        currency: Currency,
        /// When its years begin.
        year: CapYearRule,
        /// What counts to it.
        counts: Counts,
    },
    /// A plan named the pool first. Whatever plan names it later says the same of it, so that its room is the same to all members.
    PoolOpened {
        /// The programme.
        programme: CapProgramme,
        /// The pool.
        pool: PoolId,
        /// What plans say of it.
        terms: PoolTerms,
    },
    /// An opening balance was taken over.
    OpeningBalanceSet {
        /// Whose account, of which cap and year.
        account: Account,
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
        account: Account,
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
        account: Account,
        /// The deal that reached it.
        deal: DealId,
        /// The limit in force.
        limit: Money,
    },
    /// A reversed deal gave its room back.
    Reversed {
        /// Whose account, of which cap and year.
        account: Account,
        /// The deal.
        deal: DealId,
        /// What it had contributed.
        amount: Money,
    },
}

/// What counts to a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// The contributions of each payee.
    Cap,
    /// The contributions of payees together.
    Pool,
    /// What each payee attains.
    Attainment,
}

/// The stream of a cap account.
#[must_use]
pub fn stream(account: &Account) -> StreamId {
    let (programme, year) = (account.programme.clone(), account.year.start);
    match &account.of {
        Owner::Payee(payee) => StreamId::Cap { programme, payee: payee.clone(), year },
        Owner::Pool(pool) => StreamId::Pool { programme, pool: pool.clone(), year },
    }
}

/// What all plans of a programme have in common. Otherwise the years of a payee could overlap, and one deal's day would lie in two
/// of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    pub(crate) currency: Currency,
    pub(crate) year: CapYearRule,
    pub(crate) counts: Counts,
    /// What plans say of its pools.
    pub(crate) pools: BTreeMap<PoolId, PoolTerms>,
}

/// Why a request about a cap account is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The plan of that day has no cap.
    #[error("payee {payee} has no capped plan on {on}")]
    NoCap {
        /// Whose account.
        payee: PayeeId,
        /// The day.
        on: Date,
    },
    /// The plan of that day counts nothing to the programme.
    #[error("the plan of payee {payee} on {on} has no cap of programme {programme}")]
    NoProgramme {
        /// Whose account.
        payee: PayeeId,
        /// The day.
        on: Date,
        /// The programme.
        programme: CapProgramme,
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
    /// What is contributed; none before anything was.
    #[must_use]
    pub fn contributed(&self) -> Option<Money> {
        self.contributed
    }

    /// What is left under a limit: never below zero, also when the limit was lowered.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] when the account is in another currency.
    pub fn room(&self, limit: Money) -> Result<Money, MoneyError> {
        self.contributed.map_or(Ok(limit), |contributed| room(limit, contributed))
    }

    fn add(&mut self, amount: Money) -> Result<(), Misfit> {
        let sum = self.contributed.map_or(Ok(amount), |contributed| contributed.plus(amount));
        self.contributed = Some(sum.map_err(|_| Misfit("the contributions cannot be summed"))?);
        Ok(())
    }
}

/// The events of what a deal contributed: that it did and, if it was the one, that the cap is reached.
pub(crate) fn contribute(
    deal: &DealId,
    Contribution { account, limit, before, after }: &Contribution,
) -> Result<impl Iterator<Item = Event>, MoneyError> {
    let (account, deal, limit) = (account.clone(), deal.clone(), *limit);
    let amount = after.minus(*before)?;
    let reaches = before.compare(limit)?.is_lt() && limit.compare(*after)?.is_le();
    let reaches = reaches && !(planted!(ReachedOnlyAbove) && limit == *after);
    let reached = reaches.then(|| Event::Reached { account: account.clone(), deal: deal.clone(), limit });
    let contributed = (!amount.is_zero()).then_some(Event::Contributed { account, deal, amount, limit });
    Ok(contributed.into_iter().chain(reached))
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::SetOpeningBalance { payee, on, amount, reason, programme } = self;
        context.settings.demand(Capability::OpeningBalances)?;
        let slice = context.slice;
        let known = slice.payee(payee)?;
        let assignment = known.plan_on(*on)?;
        let document = &slice.plan(&assignment.plan)?.version(assignment.version)?.document;
        let limit: Limit<'_> = match programme {
            Some(named) => {
                let unnamed = || Rejection::NoProgramme { payee: payee.clone(), on: *on, programme: named.clone() };
                let limit = document.limits().map(|(_, limit)| limit).find(|limit| limit.programme == named);
                limit.ok_or_else(unnamed)?
            }
            None => {
                let first = document.cap.as_ref().and_then(|capped| capped.caps.first());
                first.ok_or_else(|| Rejection::NoCap { payee: payee.clone(), on: *on })?.limit()
            }
        };
        let year = limit.year.year_of(known.joined_on(), *on)?;
        let account = Account { programme: limit.programme.clone(), of: limit.owner(payee), year };
        let limit = limit.in_force(year, known.joined_on(), document.rounding).map_err(|rule| rule.at("on"))?;
        let cap = slice.cap(&account)?;
        if let Some(opening) = cap.opening {
            return Err(Rejection::AlreadyOpened { opening }.into());
        }
        let room = cap.room(limit)?;
        if !amount.is_positive() {
            return Err(Rejection::NotPositive { amount: *amount }.into());
        }
        if room.minus(*amount)?.is_negative() {
            return Err(Rejection::ExceedsRoom { amount: *amount, room }.into());
        }
        let stream = stream(&account);
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
        Event::Reversed { account, .. } if planted!(PoolRoomKept) && matches!(account.of, Owner::Pool(_)) => Ok(()),
        Event::Reversed { amount, .. } => state.add(amount.negated()),
        Event::Reached { .. } => Ok(()),
        Event::ProgrammeOpened { .. } | Event::PoolOpened { .. } => {
            Err(Misfit("the event is of the programme, not of an account"))
        }
    }
}

/// The fold of a programme's stream.
pub(crate) fn evolve_programme(state: &mut Option<Programme>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::ProgrammeOpened { currency, year, counts, .. }) => {
            *state = Some(Programme { currency: *currency, year: *year, counts: *counts, pools: BTreeMap::new() });
            Ok(())
        }
        (Some(Programme { counts: Counts::Pool, pools, .. }), Event::PoolOpened { pool, terms, .. })
            if !pools.contains_key(pool) =>
        {
            pools.insert(pool.clone(), *terms);
            Ok(())
        }
        _ => Err(Misfit("a cap programme is opened once, and then each of its pools")),
    }
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Cap(event)
    }
}
