//! What deals contributed to a limit in one year: of a payee, or of everybody in a pool.

use super::money::fits;
use super::waterfall::{Holder, LimitAccount, Sharer, in_force};
use super::{Asked, Ruling, Step, Why, amount};
use crate::act::{Amount, Code, Day, Text};

/// A cap account.
#[derive(Debug, Clone)]
pub struct Cap {
    /// The cap.
    pub programme: String,
    /// Whose contributions.
    pub of: Holder,
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

/// The name of an account's stream.
pub(super) fn stream(programme: &str, of: &Holder, start: Day) -> String {
    match of {
        Holder::Payee(payee) => format!("cap/{programme}/{payee}/{start}"),
        Holder::Pool(pool) => format!("pool/{programme}/{pool}/{start}"),
    }
}

/// An account as events name it.
pub(super) fn account_json(programme: &str, of: &Holder, start: Day, end: Day) -> String {
    let of = match of {
        Holder::Payee(payee) => format!(r#"{{"payee":"{payee}"}}"#),
        Holder::Pool(pool) => format!(r#"{{"pool":"{pool}"}}"#),
    };
    format!(r#"{{"programme":"{programme}","of":{of},"year":{{"start":"{start}","end":"{end}"}}}}"#)
}

impl Cap {
    /// What is left under the limit in force.
    #[must_use]
    pub fn room(&self) -> i128 {
        (self.limit - self.contributed).max(0)
    }

    /// The account that a limit is of, with that limit in force, and the name of its stream.
    pub(super) fn of(asked: Asked<'_>, account: &LimitAccount, currency: Code) -> (String, Self) {
        let LimitAccount { programme, of, start, end, limit } = account.clone();
        let stream = stream(&programme, &of, start);
        let cap = match asked.model.caps.get(&stream) {
            Some(known) => Self { limit, ..known.clone() }.reopened(),
            None => {
                let (opening, contributed, fees, reached) = (None, 0, 0, None);
                Self { programme, of, start, end, currency, limit, opening, contributed, fees, reached }
            }
        };
        (stream, cap)
    }

    /// The account as events name it.
    pub(super) fn json(&self) -> String {
        account_json(&self.programme, &self.of, self.start, self.end)
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
    programme: Option<&str>,
) -> Result<Ruling, Why> {
    asked.settings.demand("opening_balances")?;
    let known = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
    let version = asked.model.plan_on(payee, on).ok_or(Why::NoPlan)?;
    let currency = version.document.currency;
    let sharer = Sharer { name: payee, joined_on: known.joined_on, plan: &version.terms };
    let (stream, mut cap) = Cap::of(asked, &in_force(&sharer, currency, on, programme)?, currency);
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
