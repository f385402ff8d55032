//! What a payee earned on a customer, and when: by that, a commission on the customer comes to its end.

use super::{Asked, Ruling, Step};
use crate::act::Day;

/// The deals on which a payee earned something of a customer, each with its day, as they came in.
pub(super) type Earnings = Vec<(String, Day)>;

fn stream(customer: &str, payee: &str) -> String {
    format!("customer/{customer}/{payee}")
}

fn known(asked: Asked<'_>, customer: &str, payee: &str) -> Earnings {
    asked.model.customers.get(&stream(customer, payee)).cloned().unwrap_or_default()
}

/// The first day on which a payee earned something of a customer, but for one deal; if `before`, of what came in before that.
pub(super) fn first(asked: Asked<'_>, customer: &str, payee: &str, but: &str, before: bool) -> Option<Day> {
    let mut earnings = known(asked, customer, payee);
    let place = earnings.iter().position(|(deal, _)| deal == but).unwrap_or(earnings.len());
    if before {
        earnings.truncate(place);
    }
    earnings.into_iter().filter(|(deal, _)| deal != but).map(|(_, on)| on).min()
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
        let place = earnings.iter().position(|(known, _)| known == deal);
        match (after, place) {
            (Some(on), _) => {
                match place.and_then(|place| earnings.get_mut(place)) {
                    Some(known) => known.1 = on,
                    None => earnings.push((deal.to_owned(), on)),
                }
                self.fact(stream.clone(), "customer.earned", format!(r#"{{{whose},"on":"{on}"}}"#));
            }
            (None, Some(place)) => {
                earnings.remove(place);
                self.fact(stream.clone(), "customer.forgotten", format!("{{{whose}}}"));
            }
            (None, None) => return,
        }
        self.step(Step::Customer(stream, earnings));
    }
}
