//! The calculation of a year of deals, written down once more, slowly: off the top, allocation, split under caps, fees, mentors,
//! bonuses, overrides, adjustments.
//!
//! A case is one JSON text, and so is what it comes to. Numbers are exact fractions, rounded where a rule says so.

mod ledger;
mod read;
mod side;
mod split;
mod terms;
mod years;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::{calendar, exact};
use crate::act::{Code as Currency, Day};
use exact::Exact;
pub use ledger::Totals;
pub(super) use ledger::{Account as LimitAccount, Calculated, Line, Measured, Sharer, calculate, in_force, sides};
pub use terms::Holder;
use terms::{Case, Limit, Measures, When};
pub(super) use terms::{Plan, Side};
use years::{Rule, fraction, year_of};

/// Why a case is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It is no case: a field is unknown, missing or says what it cannot.
    Malformed,
    /// A payee is assigned to a plan that there is not.
    UnknownPlan,
    /// Nobody of that name, or nobody of the side.
    UnknownPayee,
    /// The payee has no plan on that day, or none that names the programme.
    NoPlan,
    /// The payee has two plans on one day.
    OverlappingPlans,
    /// An amount or a plan is in another currency.
    WrongCurrency,
    /// An amount is below zero.
    Negative,
    /// An amount is not above zero.
    NotPositive,
    /// The payee's and the company's share are not the whole.
    SharesDoNotSum,
    /// The weights of a side are not the whole.
    WeightsDoNotSum,
    /// The tiers have a gap, no beginning, or are too many.
    Tiers,
    /// A rate is more than the whole, or a portion nothing.
    RateOutOfBounds,
    /// The order is not one of the waterfall.
    Order,
    /// Two things of a plan or a side exclude one another.
    Conflicting,
    /// Plans differ in a programme that they share.
    ProgrammesDiffer,
    /// Something is named twice.
    NamedTwice,
    /// There are more than there may be.
    TooMany,
    /// The day is before the payee's first year.
    BeforeFirstYear,
    /// The rule, the payee or the day has no year.
    Year,
    /// More comes off the top than there is.
    ExceedsCommission,
    /// The payee would owe.
    Deficit,
    /// The plans of a side take other things off the top, or in another order.
    PlansDisagree,
    /// A number does not fit.
    Overflow,
}

/// What a case comes to, as JSON without explanations.
///
/// # Errors
/// The [`Code`] with which it is refused.
pub fn calc(case: &str) -> Result<String, Code> {
    calc_marked(case).0
}

/// The same, with what happened on the way.
pub fn calc_marked(case: &str) -> (Result<String, Code>, BTreeSet<&'static str>) {
    let mut marks = BTreeSet::new();
    let result = read::case(case).and_then(|case| {
        let mut books = Books::new(&case);
        let result = books.run();
        marks.append(&mut books.marks);
        result.map(|value| value.to_string())
    });
    (result, marks)
}

/// What counts to one limit in one year.
type Key = (String, Holder, Day);

#[derive(Debug, Clone)]
struct Account {
    end: Day,
    limit: Exact,
    contributed: Exact,
}

impl Account {
    fn room(&self) -> Exact {
        (&self.limit - &self.contributed).or_zero()
    }
}

/// A case, and what its deals have come to so far.
struct Books<'a> {
    case: &'a Case,
    accounts: BTreeMap<Key, Account>,
    /// By programme, payee and the first day of the year; the first of each is the day after its last.
    attained: BTreeMap<(String, String, Day), (Day, Measures)>,
    /// Whether a bonus of an attainment is paid, or was taken back with the deal that paid it.
    bonuses: BTreeMap<((String, String, Day), String), bool>,
    /// Those that were paid here, one after another.
    paid: Vec<((String, String, Day), String)>,
    marks: BTreeSet<&'static str>,
}

impl<'a> Books<'a> {
    fn new(case: &'a Case) -> Self {
        let (accounts, attained, bonuses) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { case, accounts, attained, bonuses, paid: Vec::new(), marks: BTreeSet::new() }
    }

    fn mark(&mut self, what: &'static str, happened: bool) {
        if happened {
            self.marks.insert(what);
        }
    }

    fn run(&mut self) -> Result<Value, Code> {
        let case = self.case;
        self.open()?;
        let mut deals = Vec::new();
        for deal in &case.deals {
            let (before, mut once) = (self.accounts.clone(), BTreeSet::new());
            let mut sides = Vec::new();
            for side in &deal.sides {
                sides.push(self.side(deal, side, &before, &mut once)?);
            }
            self.mark("dual agency", sides.len() > 1);
            deals.push(json!({ "deal": deal.name, "sides": sides }));
        }
        let mut result = json!({ "deals": deals, "caps": self.caps()?, "attainments": self.attainments()? });
        if let (Some(name), Some(fields)) = (&case.name, result.as_object_mut()) {
            fields.insert("case".to_owned(), json!(name));
        }
        Ok(result)
    }

    /// Takes over what was contributed and attained elsewhere.
    fn open(&mut self) -> Result<(), Code> {
        let case = self.case;
        for opening in &case.openings {
            let of_programme = |limit: &&Limit| limit.programme == opening.programme;
            let key = match &opening.of {
                Holder::Payee(payee) => {
                    let (plan, day) = self.plan_on(payee, When::Day(opening.on))?;
                    let limit = plan.limits().filter(of_programme).find(|limit| limit.pool.is_none());
                    self.touch(limit.ok_or(Code::NoPlan)?, plan, payee, day, Some(&opening.contributed))?
                }
                Holder::Pool(pool) => {
                    let mut named = case.plans.values().filter_map(|plan| {
                        let limit = plan.limits().filter(of_programme).find(|limit| limit.pool.as_ref() == Some(pool));
                        limit.map(|limit| (plan, limit))
                    });
                    let (plan, limit) = named.next().ok_or(Code::NoPlan)?;
                    self.touch(limit, plan, "", opening.on, Some(&opening.contributed))?
                }
            };
            self.mark("opening over the limit", self.accounts.get(&key).is_some_and(|a| a.contributed > a.limit));
        }
        for attained in &case.attained {
            let (plan, day) = self.plan_on(&attained.payee, When::Day(attained.on))?;
            let rule = plan.attainment.as_ref().filter(|(programme, _)| *programme == attained.programme);
            let (_, rule) = rule.ok_or(Code::NoPlan)?;
            let (start, end) = year_of(*rule, self.joined(&attained.payee), day)?;
            let key = (attained.programme.clone(), attained.payee.clone(), start);
            if self.attained.insert(key, (end, attained.measures.clone())).is_some() {
                return Err(Code::NamedTwice);
            }
        }
        Ok(())
    }

    fn joined(&self, payee: &str) -> Option<Day> {
        self.case.payees.get(payee).and_then(|payee| payee.joined_on)
    }

    /// The plan of a payee, and the day that it is there.
    fn plan_on(&self, payee: &str, when: When) -> Result<(&'a Plan, Day), Code> {
        let mut found = Err(Code::NoPlan);
        for assignment in &self.case.payees.get(payee).ok_or(Code::UnknownPayee)?.assignments {
            let plan = self.case.plans.get(&assignment.plan).ok_or(Code::UnknownPlan)?;
            let day = match when {
                When::Day(day) => day,
                When::Instant(at) => calendar::today(at, plan.zone).map_err(|_| Code::Year)?,
            };
            if assignment.holds(day) {
                if found.is_ok() {
                    return Err(Code::OverlappingPlans);
                }
                found = Ok((plan.as_ref(), day));
            }
        }
        found
    }

    /// The account of a limit on a day, with what is in force of the limit; opened with an amount if there is one.
    fn touch(
        &mut self,
        limit: &Limit,
        plan: &Plan,
        payee: &str,
        day: Day,
        opening: Option<&Exact>,
    ) -> Result<Key, Code> {
        let joined = self.joined(payee);
        let (start, end) = year_of(limit.year, joined, day)?;
        let part = fraction(limit.proration, joined, (start, end))?;
        self.mark("prorated", part != Exact::one());
        self.mark("half cap", limit.portion != Exact::one());
        self.mark("limit 0", limit.limit.is_zero());
        self.mark("calendar year", matches!(limit.year, Rule::Calendar { .. }));
        self.mark("anniversary", matches!(limit.year, Rule::Anniversary { .. }));
        self.mark("leap day clamped", matches!(limit.year, Rule::Anniversary { march_first: false }) && leaps(joined));
        self.mark(
            "leap day on March 1",
            matches!(limit.year, Rule::Anniversary { march_first: true }) && leaps(joined),
        );
        self.mark("first of join month", limit.year == Rule::FirstOfJoinMonth);
        self.mark("first of next month", limit.year == Rule::FirstOfNextMonth);
        let limit_in_force = (&limit.limit * &limit.portion * part).round(plan.half_even);
        let holder = limit.pool.clone().map_or_else(|| Holder::Payee(payee.to_owned()), Holder::Pool);
        let key = (limit.programme.clone(), holder, start);
        match (self.accounts.get_mut(&key), opening) {
            (Some(_), Some(_)) => return Err(Code::NamedTwice),
            (Some(account), None) => {
                let changed = account.limit != limit_in_force;
                account.limit = limit_in_force;
                self.mark("limit changed", changed);
            }
            (None, opening) => {
                let contributed = opening.cloned().unwrap_or_else(Exact::zero);
                self.accounts.insert(key.clone(), Account { end, limit: limit_in_force, contributed });
            }
        }
        Ok(key)
    }

    fn room(&self, key: &Key) -> Exact {
        self.accounts.get(key).map_or_else(Exact::zero, Account::room)
    }

    fn contribute(&mut self, key: &Key, amount: &Exact) {
        if let Some(account) = self.accounts.get_mut(key) {
            account.contributed = &account.contributed + amount;
        }
    }

    fn caps(&self) -> Result<Vec<Value>, Code> {
        let each = |((programme, holder, start), account): (&Key, &Account)| {
            let of = match holder {
                Holder::Payee(name) => json!({ "payee": name }),
                Holder::Pool(name) => json!({ "pool": name }),
            };
            Ok(json!({
                "programme": programme, "of": of, "year": year(*start, account.end),
                "limit": self.money(&account.limit)?, "contributed": self.money(&account.contributed)?,
                "room": self.money(&account.room())?, "capped": account.room().is_zero(), "progress": progress(account),
            }))
        };
        self.accounts.iter().map(each).collect()
    }

    fn attainments(&self) -> Result<Vec<Value>, Code> {
        let each = |((programme, payee, start), (end, measures)): (&(String, String, Day), &(Day, Measures))| {
            let units: u64 = measures.units.digits().parse().map_err(|_| Code::Overflow)?;
            Ok(json!({
                "programme": programme, "payee": payee, "year": year(*start, *end), "units": units,
                "revenue": self.money(&measures.revenue)?, "accrued": self.money(&measures.accrued)?,
                "company_dollar": self.money(&measures.company_dollar)?,
            }))
        };
        self.attained.iter().map(each).collect()
    }

    /// Writes an amount: `-12.30 USD`.
    fn money(&self, amount: &Exact) -> Result<String, Code> {
        if !amount.fits() {
            return Err(Code::Overflow);
        }
        let Currency(code, decimals) = self.case.currency;
        let units: i128 = amount.digits().parse().map_err(|_| Code::Overflow)?;
        Ok(crate::act::Amount(units, Currency(code, decimals)).to_string())
    }
}

fn leaps(joined: Option<Day>) -> bool {
    joined.is_some_and(|Day(_, month, day)| (month, day) == (2, 29))
}

fn year(start: Day, end: Day) -> Value {
    json!({ "start": start.to_string(), "end": end.to_string() })
}

/// What part of the limit is contributed, with four decimals at most.
fn progress(account: &Account) -> String {
    let part = account.contributed.or_zero().over(&account.limit).unwrap_or_else(Exact::one).min(Exact::one());
    let digits = format!("{:0>5}", (part * Exact::whole(10_000)).round(false).digits());
    let (whole, rest) = digits.split_at(digits.len() - 4);
    format!("{whole}.{rest}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
