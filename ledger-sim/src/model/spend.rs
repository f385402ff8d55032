//! What a payee earned by a rate plan with a limit in one month or year.

use super::calendar::{self, months_after};
use super::money::fits;
use super::{Asked, Ruling, Step, Why, amount};
use crate::act::{Code, Day};
use crate::sale::{Moment, Per, SpendLimit};

/// A spend account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The rate plan, whatever its version.
    pub rates: String,
    /// Whose earnings.
    pub payee: String,
    /// The first day.
    pub start: Day,
    /// The day after the last.
    pub end: Day,
    /// The currency of what is earned.
    pub currency: Code,
}

impl Spend {
    /// The account in which a sale of an instant counts; none when the limit is of each deal.
    pub(super) fn of(rates: &str, payee: &str, limit: &SpendLimit, at: Moment) -> Result<Option<Self>, Why> {
        let day = calendar::today(at.0.div_euclid(1_000), limit.zone.parse().map_err(|_| Why::Malformed)?)?;
        let (start, months) = match limit.per {
            Per::Month => (Day(day.0, day.1, 1), 1),
            Per::Year => (Day(day.0, 1, 1), 12),
            Per::Deal => return Ok(None),
        };
        let end = months_after(start, months).ok_or(Why::WrongDay)?;
        let (rates, payee, currency) = (rates.to_owned(), payee.to_owned(), limit.amount.1);
        Ok(Some(Self { rates, payee, start, end, currency }))
    }

    /// The account as events name it.
    pub(super) fn json(&self) -> String {
        let Self { rates, payee, start, end, .. } = self;
        format!(r#"{{"rates":"{rates}","payee":"{payee}","period":{{"start":"{start}","end":"{end}"}}}}"#)
    }

    fn key(&self) -> String {
        format!("{}/{}/{}/{}/{}", self.rates, self.payee, self.start, self.end, self.currency.0)
    }

    /// What has come to it.
    pub(super) fn total(&self, asked: Asked<'_>) -> i128 {
        asked.model.spent.get(&self.key()).copied().unwrap_or(0)
    }
}

impl Ruling {
    /// Counts what a deal earns, or takes it back.
    pub(super) fn count(
        &mut self,
        asked: Asked<'_>,
        account: &Spend,
        deal: &str,
        units: i128,
        type_name: &'static str,
    ) -> Result<(), Why> {
        if units == 0 {
            return Ok(());
        }
        let Spend { rates, payee, start, currency, .. } = account;
        let (told, units_told) = (account.json(), amount(units, *currency));
        let payload = format!(r#"{{"account":{told},"deal":"{deal}","amount":"{units_told}"}}"#);
        self.fact(format!("spend/{rates}/{payee}/{start}"), type_name, payload);
        let more = if type_name == "spend.reversed" { -units } else { units };
        self.step(Step::Spend(account.key(), fits(account.total(asked) + more)?));
        Ok(())
    }
}
