//! A customer, as far as one payee earned on it: from which day on a rate plan's time runs.

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
        /// The day of the sale in the ledger's zone.
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

/// The sales to a customer that a payee earns on, in the order in which it came to that.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    sales: Vec<Sale>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sale {
    deal: DealId,
    on: Date,
}

impl Customer {
    /// The earliest day of another sale.
    #[must_use]
    pub fn first_but(&self, deal: &DealId) -> Option<Date> {
        self.sales.iter().filter(|sale| sale.deal != *deal).map(|sale| sale.on).min()
    }

    /// The earliest day of a sale that was earned on before this one was, whatever their days are.
    #[must_use]
    pub fn first_before(&self, deal: &DealId) -> Option<Date> {
        self.sales.iter().take_while(|sale| sale.deal != *deal).map(|sale| sale.on).min()
    }

    /// The day of a sale, if the payee earns on it.
    #[must_use]
    pub fn earned_on(&self, deal: &DealId) -> Option<Date> {
        self.sales.iter().find(|sale| sale.deal == *deal).map(|sale| sale.on)
    }
}

pub(crate) fn evolve(state: &mut Customer, event: &Event) -> Result<(), Misfit> {
    match event {
        Event::Earned { deal, on, .. } if state.earned_on(deal).is_none() => {
            state.sales.push(Sale { deal: deal.clone(), on: *on });
        }
        Event::Earned { .. } => return Err(Misfit("a sale is earned on once")),
        Event::Forgotten { deal, .. } => {
            let place = state.sales.iter().position(|sale| sale.deal == *deal);
            state.sales.remove(place.ok_or(Misfit("what is forgotten was earned"))?);
        }
    }
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Customer(event)
    }
}
