//! A customer, as far as one payee earned on it: from which day on a rate plan's time runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Date;
use crate::decide::Misfit;
use crate::event;
use crate::id::{CustomerId, DealId, PayeeId};

/// What happened between a customer and a payee. Sales cause it; nothing is asked of it directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The payee earns on a sale to the customer.
    Earned {
        /// The customer.
        customer: CustomerId,
        /// The payee.
        payee: PayeeId,
        /// The sale.
        deal: DealId,
        /// The day of the sale in the rate plan's zone.
        on: Date,
    },
    /// The payee earns on a sale no more: it was reversed, or calculated anew.
    Forgotten {
        /// The customer.
        customer: CustomerId,
        /// The payee.
        payee: PayeeId,
        /// The sale.
        deal: DealId,
    },
}

/// The sales to a customer that a payee earns on, each with its day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    deals: BTreeMap<DealId, Date>,
}

impl Customer {
    /// The earliest day of another sale.
    #[must_use]
    pub fn first_but(&self, deal: &DealId) -> Option<Date> {
        self.deals.iter().filter(|(other, _)| *other != deal).map(|(_, on)| *on).min()
    }

    /// The day of a sale, if the payee earns on it.
    #[must_use]
    pub fn earned_on(&self, deal: &DealId) -> Option<Date> {
        self.deals.get(deal).copied()
    }
}

pub(crate) fn evolve(state: &mut Customer, event: &Event) -> Result<(), Misfit> {
    let fits = match event {
        Event::Earned { deal, on, .. } => state.deals.insert(deal.clone(), *on).is_none(),
        Event::Forgotten { deal, .. } => state.deals.remove(deal).is_some(),
    };
    if fits { Ok(()) } else { Err(Misfit("a sale is earned on once, and forgotten once")) }
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Customer(event)
    }
}
