//! A spend account: what one payee earned by a rate plan in one month or year, as far as the plan limits that.
//!
//! It belongs to the rate plan, not to one of its versions: all that have a limit limit the same time, so a new version keeps what
//! counts. A version without one counts nothing. A sale counts when it is credited, as a whole, whether it is collected or not, and
//! no more when it is reversed; always in the time of the sale.

use serde::{Deserialize, Serialize};

use crate::Date;
use crate::decide::Misfit;
use crate::event;
use crate::id::{DealId, PayeeId, RatesId};
use crate::money::{Currency, Money};
use crate::stream::StreamId;

/// Whose account, of which rate plan and time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The rate plan.
    pub rates: RatesId,
    /// The payee.
    pub payee: PayeeId,
    /// The time.
    pub period: Period,
}

/// A month or a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first day.
    pub start: Date,
    /// The day after the last one.
    pub end: Date,
}

/// What happened to a spend account. Sales cause it; nothing is asked of it directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A sale counts, or by so much more or less than before.
    Counted {
        /// Which account.
        account: Account,
        /// The sale.
        deal: DealId,
        /// By how much.
        amount: Money,
    },
    /// A reversed sale counts no more.
    Reversed {
        /// Which account.
        account: Account,
        /// The sale.
        deal: DealId,
        /// What it had counted.
        amount: Money,
    },
}

/// The stream of a spend account.
#[must_use]
pub fn stream(Account { rates, payee, period }: &Account) -> StreamId {
    StreamId::Spend { rates: rates.clone(), payee: payee.clone(), start: period.start }
}

/// Spend accounts that begin on one day. Versions of a rate plan may be in different currencies: each of those counts apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spend {
    totals: Vec<Total>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Total {
    end: Date,
    total: Money,
}

impl Spend {
    /// What counts up to a day, in a currency.
    #[must_use]
    pub fn total(&self, end: Date, currency: Currency) -> Money {
        let is_asked = |total: &&Total| total.end == end && total.total.currency() == currency;
        self.totals.iter().find(is_asked).map_or(Money::zero(currency), |total| total.total)
    }
}

pub(crate) fn evolve(state: &mut Spend, event: &Event) -> Result<(), Misfit> {
    let (account, by) = match event {
        Event::Counted { account, amount, .. } => (account, *amount),
        Event::Reversed { account, amount, .. } => (account, amount.negated()),
    };
    let end = account.period.end;
    let sum = state.total(end, by.currency()).plus(by).map_err(|_| Misfit("what is spent cannot be summed"))?;
    state.totals.retain(|total| total.end != end || total.total.currency() != by.currency());
    state.totals.push(Total { end, total: sum });
    state.totals.sort_by_key(|total| (total.end, total.total.currency()));
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Spend(event)
    }
}
