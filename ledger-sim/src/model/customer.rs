//! What a payee earned on a customer, and when: by that, a commission on the customer comes to its end.

use std::collections::BTreeMap;

use super::{Asked, Ruling, Step};
use crate::act::Day;

/// The deals on which a payee earned something of a customer, each with its day.
pub(super) type Earnings = BTreeMap<String, Day>;

fn stream(customer: &str, payee: &str) -> String {
    format!("customer/{customer}/{payee}")
}

fn known(asked: Asked<'_>, customer: &str, payee: &str) -> Earnings {
    asked.model.customers.get(&stream(customer, payee)).cloned().unwrap_or_default()
}

/// The first day on which a payee earned something of a customer, but for one deal.
pub(super) fn first(asked: Asked<'_>, customer: &str, payee: &str, but: &str) -> Option<Day> {
    let earnings = known(asked, customer, payee);
    earnings.iter().filter(|(deal, _)| *deal != but).map(|(_, on)| *on).min()
}

impl Ruling {
    /// Notes on which day a deal earns something of a customer, where it did on another day or not at all.
    pub(super) fn earn(
        &mut self,
        asked: Asked<'_>,
        customer: &str,
        payee: &str,
        deal: &str,
        (before, after): (Option<Day>, Option<Day>),
    ) {
        if before == after {
            return;
        }
        let (stream, mut earnings) = (stream(customer, payee), known(asked, customer, payee));
        let whose = format!(r#""customer":"{customer}","payee":"{payee}","deal":"{deal}""#);
        if before.is_some() {
            earnings.remove(deal);
            self.fact(stream.clone(), "customer.forgotten", format!("{{{whose}}}"));
        }
        if let Some(on) = after {
            earnings.insert(deal.to_owned(), on);
            self.fact(stream.clone(), "customer.earned", format!(r#"{{{whose},"on":"{on}"}}"#));
        }
        self.step(Step::Customer(stream, earnings));
    }
}
