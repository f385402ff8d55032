//! The deals of a ledger: what its accounts hold is given, and what a deal moves is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::exact::Exact;
use super::terms::{Assignment, Case, Deal, Holder, Measures, Party, Payee, Plan, Side, Timing, When};
use super::years::year_of;
use super::{Books, Code, Key, read};
use crate::act::{Amount, Code as Currency, Day};

/// A payee who shares a deal, under the plan of the day.
pub(in crate::model) struct Sharer<'a> {
    pub name: &'a str,
    pub joined_on: Option<Day>,
    pub plan: &'a Arc<Plan>,
}

/// What counts together to a limit in one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Account {
    pub programme: String,
    pub of: Holder,
    pub start: Day,
    pub end: Day,
    /// The limit in force.
    pub limit: i128,
}

/// What a payee came to in one year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub struct Totals {
    pub units: i128,
    pub revenue: i128,
    pub accrued: i128,
    pub company_dollar: i128,
}

/// What a deal comes to.
pub(in crate::model) struct Calculated {
    /// Each as it is stored.
    pub sides: Vec<String>,
    pub lines: Vec<Line>,
    /// Every limit that the plans name, with what had been contributed before and is after.
    pub caps: Vec<(Account, i128, i128)>,
    /// Every year that the plans measure, with what the payee had come to before and has after.
    pub attainments: Vec<Measured>,
}

/// What a payee came to in a year.
pub(in crate::model) struct Measured {
    pub year: Year,
    pub before: Totals,
    pub after: Totals,
    /// The bonuses of the plan that earlier deals paid, that were taken back with the deal that paid them, and that this one pays.
    pub bonuses: [Vec<String>; 3],
}

/// Programme, payee, first day and the day after the last.
pub(in crate::model) type Year = (String, String, Day, Day);

/// What a side pays to one party.
pub(in crate::model) struct Line {
    pub of: Option<String>,
    /// The payee that it is paid to, if it is one.
    pub payee: Option<String>,
    pub kind: String,
    pub name: Option<String>,
    pub amount: i128,
}

/// Reads the sides of a deal as they are stored, in the currency of the first; and their commissions.
pub(in crate::model) fn sides(text: &str, currency: Currency) -> Result<Vec<(Side, i128)>, Code> {
    let sides = read::sides(text, currency)?;
    sides.into_iter().map(|side| units(&side.gci).map(|gci| (side, gci))).collect()
}

impl Plan {
    /// Reads a plan as it is stored.
    pub(in crate::model) fn read(text: &str) -> Result<Self, Code> {
        read::plan(text)
    }

    /// Everybody whom the plan pays besides the payee.
    pub(in crate::model) fn beneficiaries(&self) -> impl Iterator<Item = &str> {
        let fees = self.fees.iter().filter_map(|fee| match &fee.to {
            Party::Payee(payee) => Some(payee.as_str()),
            _ => None,
        });
        fees.chain(self.overrides.iter().map(|rule| rule.to.as_str()))
    }

    /// The programme of the payee's own first cap.
    pub(in crate::model) fn own_cap(&self) -> Option<&str> {
        let mut caps = self.cap.iter().flat_map(|cap| &cap.caps);
        caps.find(|cap| cap.pool.is_none()).map(|cap| cap.programme.as_str())
    }

    /// Whether a fee of that name is one for deals after the cap.
    pub(in crate::model) fn is_post_cap(&self, fee: &str) -> bool {
        self.fees.iter().any(|known| known.name == fee && known.timing == Timing::PostCap)
    }

    /// The year of the payee's attainment that holds a day, if the plan has one.
    pub(in crate::model) fn attainment_on(
        &self,
        joined_on: Option<Day>,
        on: Day,
    ) -> Result<Option<(&str, Day, Day)>, Code> {
        let Some((programme, rule)) = &self.attainment else { return Ok(None) };
        let (start, end) = year_of(*rule, joined_on, on)?;
        Ok(Some((programme, start, end)))
    }
}

impl Side {
    /// Who shares it.
    pub(in crate::model) fn sharers(&self) -> impl Iterator<Item = &str> {
        self.payees.iter().map(|credited| credited.payee.as_str())
    }

    /// Who is paid for looking after those.
    pub(in crate::model) fn mentors(&self) -> impl Iterator<Item = &str> {
        self.payees.iter().filter_map(|credited| credited.mentor.as_deref())
    }
}

/// The account of a limit of a plan on a day, with what is in force of it: of the programme that is named, or of its
/// first cap.
pub(in crate::model) fn in_force(
    sharer: &Sharer<'_>,
    currency: Currency,
    on: Day,
    programme: Option<&str>,
) -> Result<Account, Code> {
    let case = case(std::slice::from_ref(sharer), currency);
    let mut books = Books::new(&case);
    let limit = match programme {
        Some(programme) => sharer.plan.limits().find(|limit| limit.programme == programme),
        None => sharer.plan.cap.as_ref().and_then(|cap| cap.caps.first()),
    };
    let key = books.touch(limit.ok_or(Code::NoPlan)?, sharer.plan, sharer.name, on, None)?;
    books.account(&key)
}

/// Calculates a deal, given what was contributed to each limit and what everybody had come to.
pub(in crate::model) fn calculate(
    sharers: &[Sharer<'_>],
    sides: Vec<Side>,
    currency: Currency,
    on: Day,
    contributed: impl Fn(&str, &Holder, Day) -> i128,
    attained: impl Fn(&str, &str, Day) -> (Totals, BTreeMap<String, bool>),
) -> Result<Calculated, Code> {
    let case = case(sharers, currency);
    let mut books = Books::new(&case);
    let (mut caps, mut attainments) = (Vec::new(), Vec::new());
    for sharer in sharers {
        for limit in sharer.plan.limits() {
            let key = books.touch(limit, sharer.plan, sharer.name, on, None)?;
            if caps.iter().all(|(known, _)| *known != key) {
                let before = contributed(&key.0, &key.1, key.2);
                books.contribute(&key, &Exact::whole(before));
                caps.push((key, before));
            }
        }
        if let Some((programme, start, end)) = sharer.plan.attainment_on(sharer.joined_on, on)? {
            let (before, known) = attained(programme, sharer.name, start);
            let key = (programme.to_owned(), sharer.name.to_owned(), start);
            books.attained.insert(key.clone(), (end, before.measures()));
            let reaching = sharer.plan.bonuses.iter().filter(|bonus| bonus.reaches.is_some()).map(|bonus| &bonus.name);
            let mut of_plan = Vec::new();
            for name in reaching {
                let state = known.get(name).copied();
                books.bonuses.extend(state.map(|is_paid| ((key.clone(), name.clone()), is_paid)));
                of_plan.push((name.clone(), state));
            }
            attainments.push((key, end, before, of_plan));
        }
    }
    let deal = Deal { name: "deal".to_owned(), completed: When::Day(on), sides };
    let (before, mut once) = (books.accounts.clone(), BTreeSet::new());
    let mut written = Vec::new();
    for side in &deal.sides {
        written.push(books.side(&deal, side, &before, &mut once)?);
    }
    let moved = |(key, before): (Key, i128)| {
        let account = books.accounts.get(&key).ok_or(Code::Overflow)?;
        Ok((books.account(&key)?, before, units(&account.contributed)?))
    };
    let caps = caps.into_iter().map(moved).collect::<Result<_, Code>>()?;
    let counted = attainments.into_iter().map(|(key, end, before, of_plan)| {
        let (_, measures) = books.attained.get(&key).ok_or(Code::Overflow)?;
        let in_state = |wanted: bool| {
            let found = of_plan.iter().filter(move |(_, state)| *state == Some(wanted));
            found.map(|(name, _)| name.clone()).collect()
        };
        let pays = books.paid.iter().filter(|(of, _)| *of == key).map(|(_, name)| name.clone()).collect();
        let bonuses = [in_state(true), in_state(false), pays];
        let after = Totals::of(measures)?;
        Ok(Measured { year: (key.0.clone(), key.1.clone(), key.2, end), before, after, bonuses })
    });
    let attainments = counted.collect::<Result<_, Code>>()?;
    let lines = written.iter().flat_map(|side| side.get("lines").and_then(Value::as_array)).flatten();
    let lines = lines.map(Line::read).collect::<Option<_>>().ok_or(Code::Malformed)?;
    Ok(Calculated { sides: written.iter().map(stored).collect(), lines, caps, attainments })
}

/// A case of these payees, each under one plan, on which no deals are.
fn case(sharers: &[Sharer<'_>], currency: Currency) -> Case {
    let payee = |sharer: &Sharer<'_>| {
        let assignment = Assignment { plan: sharer.name.to_owned(), from: Day(0, 1, 1), until: None };
        (sharer.name.to_owned(), Payee { joined_on: sharer.joined_on, assignments: vec![assignment] })
    };
    Case {
        name: None,
        currency,
        plans: sharers.iter().map(|sharer| (sharer.name.to_owned(), Arc::clone(sharer.plan))).collect(),
        payees: sharers.iter().map(payee).collect(),
        openings: Vec::new(),
        attained: Vec::new(),
        deals: Vec::new(),
    }
}

impl Books<'_> {
    fn account(&self, key: &Key) -> Result<Account, Code> {
        let (programme, of, start) = key.clone();
        let account = self.accounts.get(key).ok_or(Code::NoPlan)?;
        Ok(Account { programme, of, start, end: account.end, limit: units(&account.limit)? })
    }
}

impl Totals {
    fn measures(self) -> Measures {
        let [revenue, accrued, company_dollar, units] =
            [self.revenue, self.accrued, self.company_dollar, self.units].map(Exact::whole);
        Measures { revenue, accrued, company_dollar, units }
    }

    fn of(measures: &Measures) -> Result<Self, Code> {
        let Measures { revenue, accrued, company_dollar, units: count } = measures;
        Ok(Self {
            units: units(count)?,
            revenue: units(revenue)?,
            accrued: units(accrued)?,
            company_dollar: units(company_dollar)?,
        })
    }

    /// What this is more than another.
    pub(in crate::model) fn less(self, other: Self) -> Self {
        Self {
            units: self.units - other.units,
            revenue: self.revenue - other.revenue,
            accrued: self.accrued - other.accrued,
            company_dollar: self.company_dollar - other.company_dollar,
        }
    }
}

/// Whole units, as many as an amount can have.
fn units(exact: &Exact) -> Result<i128, Code> {
    if exact.fits() { exact.digits().parse().map_err(|_| Code::Overflow) } else { Err(Code::Overflow) }
}

impl Line {
    fn read(line: &Value) -> Option<Self> {
        let text = |field: &str| line.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
        let Amount(amount, _) = line.get("amount")?.as_str()?.parse().ok()?;
        let payee = line.pointer("/party/payee").and_then(Value::as_str).map(ToOwned::to_owned);
        Some(Self { of: text("of"), payee, kind: text("kind")?, name: text("name"), amount })
    }
}

/// A side as it is stored, its fields in their order.
fn stored(side: &Value) -> String {
    let lines = side.get("lines").and_then(Value::as_array).into_iter().flatten();
    let lines: Vec<_> = lines.map(|line| fields(line, &["of", "party", "kind", "name", "amount"])).collect();
    let side = fields(side, &["side", "gci", "net"]);
    format!(r#"{},"lines":[{}]}}"#, side.trim_end_matches('}'), lines.join(","))
}

/// An object of those fields that are there.
fn fields(of: &Value, names: &[&str]) -> String {
    let written = names.iter().filter_map(|name| Some(format!(r#""{name}":{}"#, of.get(name)?)));
    format!("{{{}}}", written.collect::<Vec<_>>().join(","))
}
