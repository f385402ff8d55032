//! What one payee's deals contributed to a cap in one cap year.

use super::money::fits;
use super::{Asked, Payee, Ruling, Step, Why, amount, calendar};
use crate::act::{Amount, Code, Day, Document, Text};

/// A cap account.
#[derive(Debug, Clone)]
pub struct Cap {
    /// The cap.
    pub programme: String,
    /// Whose contributions.
    pub payee: String,
    /// The first day of the cap year.
    pub start: Day,
    /// The day after its last.
    pub end: Day,
    /// The currency of the minor units.
    pub currency: Code,
    /// The limit that was last in force.
    pub limit: i128,
    /// What was taken over from elsewhere.
    pub opening: Option<i128>,
    /// The opening balance and the contributions, less the reversals.
    pub contributed: i128,
    /// The fees of deals after the cap, less those of deals that were reversed.
    pub fees: i128,
    /// How it was reached, while it is.
    pub reached: Option<Reached>,
}

/// How a cap was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// By which deal; none if it was the opening balance.
    pub deal: Option<String>,
    /// On which business day.
    pub on: Day,
}

impl Cap {
    /// What is left under the limit in force.
    #[must_use]
    pub fn room(&self) -> i128 {
        (self.limit - self.contributed).max(0)
    }

    /// The account of a payee under a capped plan on a day, with the limit of that plan in force; none if the plan has no cap.
    pub(super) fn of(asked: Asked<'_>, payee: &Payee, plan: &Document, on: Day) -> Result<Option<(String, Self)>, Why> {
        let Some(terms) = &plan.cap else { return Ok(None) };
        let (start, end) = calendar::cap_year(terms.year, payee.joined_on, on)?;
        let stream = format!("cap/{}/{}/{start}", terms.programme, payee.id);
        let cap = match asked.model.caps.get(&stream) {
            Some(known) => Self { limit: terms.limit.0, ..known.clone() }.reopened(),
            None => Self {
                programme: terms.programme.clone(),
                payee: payee.id.clone(),
                start,
                end,
                currency: plan.currency,
                limit: terms.limit.0,
                opening: None,
                contributed: 0,
                fees: 0,
                reached: None,
            },
        };
        Ok(Some((stream, cap)))
    }

    /// The account as events name it.
    pub(super) fn json(&self) -> String {
        let Self { programme, payee, start, end, .. } = self;
        let year = format!(r#"{{"start":"{start}","end":"{end}"}}"#);
        format!(r#"{{"programme":"{programme}","payee":"{payee}","year":{year}}}"#)
    }

    /// Adds what a deal or an opening balance contributes, or takes it back.
    pub(super) fn add(&mut self, units: i128, deal: Option<&str>, on: Day) -> Result<(), Why> {
        self.contributed = fits(self.contributed + units)?;
        if self.room() > 0 {
            self.reached = None;
        } else if units > 0 && self.reached.is_none() {
            self.reached = Some(Reached { deal: deal.map(ToOwned::to_owned), on });
        }
        Ok(())
    }

    /// A cap that has room, again or under a higher limit, is not reached.
    fn reopened(mut self) -> Self {
        self.reached = self.reached.filter(|_| self.limit <= self.contributed);
        self
    }
}

pub(super) fn set_opening_balance(
    asked: Asked<'_>,
    payee: &str,
    on: Day,
    balance: Amount,
    reason: &str,
) -> Result<Ruling, Why> {
    asked.settings.demand("opening_balances")?;
    let known = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
    let version = asked.model.plan_on(payee, on).ok_or(Why::NoPlan)?;
    let (stream, mut cap) = Cap::of(asked, known, &version.document, on)?.ok_or(Why::NoPlan)?;
    if cap.opening.is_some() {
        return Err(Why::Taken);
    }
    if balance.1 != cap.currency {
        return Err(Why::WrongCurrency);
    }
    if balance.0 <= 0 || balance.0 > cap.room() {
        return Err(Why::WrongAmount);
    }
    cap.opening = Some(balance.0);
    cap.add(balance.0, None, on)?;
    let mut ruling = Ruling::on(on);
    let (account, limit, reason) = (cap.json(), amount(cap.limit, cap.currency), Text(reason));
    let payload = format!(r#"{{"account":{account},"amount":"{balance}","limit":"{limit}","reason":{reason}}}"#);
    ruling.fact(stream.clone(), "cap.opening_balance_set", payload);
    ruling.step(Step::Cap(stream, cap));
    Ok(ruling)
}
