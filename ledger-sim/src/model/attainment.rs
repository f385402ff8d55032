//! What a payee came to in one year, which tiers and bonuses go by.

use std::collections::BTreeMap;

use super::cap::account_json;
use super::money::fits;
use super::waterfall::{Holder, Totals};
use super::{Asked, Ruling, Step, Why, amount};
use crate::act::{Act, Amount, Code, Day, Text};

/// An attainment account.
#[derive(Debug, Clone)]
pub struct Attainment {
    /// What counts together.
    pub programme: String,
    /// Whose account.
    pub payee: String,
    /// The first day of the year.
    pub start: Day,
    /// The day after its last.
    pub end: Day,
    /// Whether something was taken over from elsewhere.
    pub is_opened: bool,
    /// What the payee came to.
    pub totals: Totals,
    /// Whether a bonus that a threshold brings is paid, or was taken back with the deal that paid it.
    pub bonuses: BTreeMap<String, bool>,
}

impl Attainment {
    /// The account of a payee in a year, and the name of its stream.
    pub(super) fn of(asked: Asked<'_>, programme: &str, payee: &str, (start, end): (Day, Day)) -> (String, Self) {
        let stream = stream(programme, payee, start);
        let (programme, payee, totals) = (programme.to_owned(), payee.to_owned(), Totals::default());
        let known = asked.model.attainments.get(&stream).cloned();
        let new = Self { programme, payee, start, end, is_opened: false, totals, bonuses: BTreeMap::new() };
        (stream, known.unwrap_or(new))
    }

    /// The account as events name it.
    pub(super) fn json(&self) -> String {
        account_json(&self.programme, &Holder::Payee(self.payee.clone()), self.start, self.end)
    }
}

/// The name of an account's stream.
pub(super) fn stream(programme: &str, payee: &str, start: Day) -> String {
    format!("attainment/{programme}/{payee}/{start}")
}

/// Totals as events tell them, without braces.
pub(super) fn totals_json(totals: Totals, currency: Code) -> String {
    let Totals { units, revenue, accrued, company_dollar } = totals;
    let [revenue, accrued, company_dollar] = [revenue, accrued, company_dollar].map(|units| amount(units, currency));
    format!(r#""units":{units},"revenue":"{revenue}","accrued":"{accrued}","company_dollar":"{company_dollar}""#)
}

impl Totals {
    /// The sum of both.
    pub(super) fn plus(self, other: Self) -> Result<Self, Why> {
        Ok(Self {
            units: self.units + other.units,
            revenue: fits(self.revenue + other.revenue)?,
            accrued: fits(self.accrued + other.accrued)?,
            company_dollar: fits(self.company_dollar + other.company_dollar)?,
        })
    }
}

pub(super) fn set_opening(asked: Asked<'_>) -> Result<Ruling, Why> {
    let Act::SetOpeningAttainment { payee, on, units, revenue, accrued, company_dollar, reason } = &asked.ask.act
    else {
        return Err(Why::Malformed);
    };
    asked.settings.demand("opening_balances")?;
    let known = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
    let version = asked.model.plan_on(payee, *on).ok_or(Why::NoPlan)?;
    let (programme, start, end) = version.terms.attainment_on(known.joined_on, *on)?.ok_or(Why::NoPlan)?;
    let currency = version.document.currency;
    let amounts = [revenue, accrued, company_dollar];
    if units.is_none() && amounts.iter().all(|amount| amount.is_none()) {
        return Err(Why::WrongAmount);
    }
    let of = |amount: &Option<Amount>| match amount {
        None => Ok(0),
        Some(Amount(_, code)) if *code != currency => Err(Why::WrongCurrency),
        Some(Amount(units, _)) if *units < 0 => Err(Why::WrongAmount),
        Some(Amount(units, _)) => Ok(*units),
    };
    let totals = Totals {
        units: units.unwrap_or(0).into(),
        revenue: of(revenue)?,
        accrued: of(accrued)?,
        company_dollar: of(company_dollar)?,
    };
    let (stream, mut attainment) = Attainment::of(asked, programme, payee, (start, end));
    if attainment.is_opened {
        return Err(Why::Taken);
    }
    (attainment.is_opened, attainment.totals) = (true, attainment.totals.plus(totals)?);
    let account = attainment.json();
    let mut ruling = Ruling::on(*on);
    let (told, reason) = (totals_json(totals, currency), Text(reason));
    ruling.fact(
        stream.clone(),
        "attainment.opening_set",
        format!(r#"{{"account":{account},{told},"reason":{reason}}}"#),
    );
    ruling.step(Step::Attainment(stream, attainment));
    Ok(ruling)
}
