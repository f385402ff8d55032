//! Who is credited with what of each sale, and what that pays: one row a credit, of what holds.

use serde::{Deserialize, Serialize};

use super::Projection;
use super::sum::Sum;
use crate::attribute::Kind;
use crate::attribution::Credit;
use crate::deal;
use crate::deal::sale::{Crediting, Earned};
use crate::event::Event;
use crate::id::{DealId, PayeeId};
use crate::map::Map;
use crate::model::InForce;
use crate::money::Money;
use crate::recorded::Recorded;

/// The credited sales that are not reversed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credits {
    worths: Map<DealId, Money>,
    sales: Map<DealId, Credited>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credited {
    model: InForce,
    credits: Vec<Credit>,
    house: Option<Money>,
    overlays: Vec<Credit>,
    entries: Vec<Earned>,
}

/// One credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// The sale.
    pub deal: &'a DealId,
    /// What the sale is worth.
    pub worth: Money,
    /// Who is credited; nobody where the house is, or where nobody has a claim.
    pub payee: Option<&'a PayeeId>,
    /// Which credit it is.
    pub of: Of,
    /// The model that says so.
    pub model: &'a InForce,
    /// The credit.
    pub amount: Money,
    /// What the payee has of the sale for it.
    pub commission: Sum,
}

/// Which credit a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A part of the sale. With that of the house, parts sum to it.
    Part,
    /// Beside the parts, in no sum.
    Overlay,
    /// What the house has.
    House,
    /// The whole sale: nobody has a claim.
    Nobody,
}

impl Of {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::Overlay => "overlay",
            Self::House => "house",
            Self::Nobody => "unattributed",
        }
    }
}

impl Credits {
    /// Every credit, by sale, and in a sale as it was credited.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (deal, Credited { model, credits, house, overlays, entries }) in self.sales.sorted() {
            let Some(&worth) = self.worths.get(deal) else { continue };
            let mut row = |payee, of, amount, commission| {
                rows.push(Row { deal, worth, payee, of, model, amount, commission });
            };
            // An override comes with the part of the payee, if it has one.
            let paid = |payee: &PayeeId, is_overlay: bool| {
                let paid = entries.iter().filter(|earned| earned.payee == *payee);
                paid.filter(|earned| (earned.kind == Kind::Overlay) == is_overlay)
                    .map(|earned| earned.amount.into())
                    .sum()
            };
            for Credit { payee, amount } in credits {
                row(Some(payee), Of::Part, *amount, paid(payee, false));
            }
            if let Some(house) = house {
                row(None, Of::House, *house, Sum::ZERO);
            }
            if credits.is_empty() && house.is_none() {
                row(None, Of::Nobody, worth, Sum::ZERO);
            }
            for Credit { payee, amount } in overlays {
                row(Some(payee), Of::Overlay, *amount, paid(payee, true));
            }
        }
        rows
    }

    fn credited(&mut self, crediting: &Crediting) {
        let Crediting { deal, model, credits, house, overlays, entries, .. } = crediting.clone();
        self.sales.insert(deal, Credited { model, credits, house, overlays, entries });
    }
}

impl Projection for Credits {
    const NAME: &'static str = "credits";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        let Event::Deal(event) = &recorded.event else { return };
        match event {
            deal::Event::Registered { deal, basis: deal::Basis::Sale(_), gci } => {
                self.worths.insert(deal.clone(), *gci);
            }
            deal::Event::Collected { deal, entries, .. } => {
                if let Some(credited) = self.sales.get_mut(deal) {
                    credited.entries.extend_from_slice(entries);
                }
            }
            deal::Event::Reversed { deal, .. } => {
                self.worths.remove(deal);
                self.sales.remove(deal);
            }
            event => event.crediting().into_iter().for_each(|crediting| self.credited(crediting)),
        }
    }
}
