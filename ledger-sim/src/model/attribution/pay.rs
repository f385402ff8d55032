//! What is paid on a credit: rate plans.

use std::collections::BTreeMap;

use super::credit::Credits;
use super::exact::{Exact, sum};
use super::terms::{Case, Deal, Line, Payee, Pays, Per, Plan, Spent, When};
use super::{Code, fits};
use crate::act::Day;
use crate::model::calendar;

/// What a payee earned.
pub(super) struct Entry {
    pub payee: String,
    pub kind: &'static str,
    pub name: Option<String>,
    pub amount: Exact,
    pub plan: String,
    pub rule: Option<String>,
    /// The place of the payment that releases it, if it waits for one.
    pub payment: Option<usize>,
}

/// What a deal pays.
#[derive(Default)]
pub(super) struct Paid {
    /// In the order of those who earn them.
    pub entries: Vec<Entry>,
    /// Who earned something on the sale, before it is collected, and on what day.
    pub earners: Vec<(String, Day)>,
}

/// What was paid before.
pub(super) struct Books {
    /// The day of a payee's first commission on a customer.
    first: BTreeMap<(String, String), Day>,
    /// Of a plan, by a payee, in a year and a month, or in a deal.
    spent: BTreeMap<Account, Exact>,
    /// How many entries there are, those of nothing included.
    entries: usize,
}

/// The most entries of a case.
const MOST_ENTRIES: usize = 100_000;

/// A plan, a payee and a time.
type Account = (String, String, Period);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Period {
    Month(i32, u32),
    Year(i32),
    Deal(String),
}

impl Books {
    pub fn open(case: &Case) -> Result<Self, Code> {
        let mut books = Self { first: BTreeMap::new(), spent: BTreeMap::new(), entries: 0 };
        for (payee, customer, on) in &case.first_commissions {
            books.first_commission(payee, customer, *on);
        }
        for spent in &case.spent {
            let Some(account) = account(case, spent) else { continue };
            let sum = books.spent.entry(account).or_insert_with(Exact::zero);
            *sum = &*sum + &spent.amount;
        }
        Ok(books)
    }

    /// What is spent of what was spent before.
    pub fn spent(&self, case: &Case, before: &Spent) -> Exact {
        account(case, before).and_then(|account| self.spent.get(&account).cloned()).unwrap_or_else(Exact::zero)
    }

    /// The earliest day counts.
    fn first_commission(&mut self, payee: &str, customer: &str, on: Day) {
        let first = self.first.entry((payee.to_owned(), customer.to_owned())).or_insert(on);
        *first = on.min(*first);
    }

    pub fn pay(&mut self, case: &Case, deal: &Deal, credits: &Credits) -> Result<Paid, Code> {
        let mut paid = Paid::default();
        let own = |name| case.payees.get(name).and_then(|payee: &Payee| payee.plan.as_ref());
        let mut plans = credits.payees.iter().chain(&deal.overlays).filter_map(|(name, _)| case.plans.get(own(name)?));
        if plans.any(|plan| plan.currency != case.currency) {
            return Err(Code::WrongCurrency);
        }
        let mut earn = |kind, name: &String, plan: Option<&String>, part: &dyn Fn(&Exact) -> Exact| {
            let Some(plan) = plan else { return Ok::<_, Code>(()) };
            let earner = Earner {
                kind,
                name,
                payee: case.payees.get(name).ok_or(Code::UnknownPayee)?,
                plan_name: plan,
                plan: case.plans.get(plan).ok_or(Code::UnknownRates)?,
                part,
            };
            let (entries, earned) = self.earn(deal, &earner)?;
            paid.entries.extend(entries);
            if earned {
                paid.earners.push((name.clone(), deal.on));
            }
            Ok(())
        };
        for (place, (name, _)) in credits.payees.iter().enumerate() {
            let part = |whole: &Exact| credits.share(whole).get(place).cloned().unwrap_or_else(Exact::zero);
            earn("commission", name, own(name).or(deal.plan.as_ref()), &part)?;
        }
        for (name, weight) in &deal.overlays {
            let part = |whole: &Exact| (whole * weight).round(false);
            earn("overlay", name, own(name), &part)?;
        }
        // All that one deal pays is one sale.
        for (payee, on) in &paid.earners {
            if let Some(customer) = &deal.customer {
                self.first_commission(payee, customer, *on);
            }
        }
        Ok(paid)
    }

    /// What somebody is paid on a deal, and whether it earns on it, before anything is collected.
    fn earn(&mut self, deal: &Deal, earner: &Earner<'_>) -> Result<(Vec<Entry>, bool), Code> {
        let plan = earner.plan;
        if plan.as_collected && deal.amount.is_negative() {
            return Err(Code::Conflicting);
        }
        if plan.limit.as_ref().is_some_and(|limit| !matches!(limit.per, Per::Deal)) && deal.amount.is_negative() {
            return Err(Code::Conflicting);
        }
        if plan.max_months.is_some() && deal.customer.is_none() && !deal.amount.is_negative() {
            return Err(Code::Conflicting);
        }
        let base = (earner.part)(&fits(base(deal, plan)?)?);
        let Some((rule, pays)) = rule(deal, earner) else { return Ok((Vec::new(), false)) };
        if !self.in_time(deal, earner)? {
            return Ok((Vec::new(), false));
        }
        let commission = commission(deal, earner, &base, pays)?;
        let commission = self.within_limit(deal, earner, commission)?;
        let mut entries = Vec::new();
        // An override is on all that was released so far, as one amount.
        let mut released = Exact::zero();
        for (place, amount) in payable(deal, plan, &commission).into_iter().enumerate() {
            let payment = plan.as_collected.then_some(place);
            if amount.is_zero() {
                continue;
            }
            self.entries += 1 + plan.overrides.iter().filter(|rule| rule.of == earner.name).count();
            if self.entries > MOST_ENTRIES {
                return Err(Code::TooMany);
            }
            let former = released.clone();
            released = &released + &amount;
            let on_top =
                |rate: &Exact| &(&released * rate).round(plan.half_even) - &(&former * rate).round(plan.half_even);
            let overrides = plan.overrides.iter().filter(|rule| rule.of == earner.name).map(|rule| Entry {
                payee: rule.to.clone(),
                kind: "override",
                name: Some(rule.name.clone()),
                amount: on_top(&rule.rate),
                plan: earner.plan_name.to_owned(),
                rule: None,
                payment,
            });
            let overrides: Vec<Entry> = overrides.filter(|entry| !entry.amount.is_zero()).collect();
            entries.push(Entry {
                payee: earner.name.to_owned(),
                kind: earner.kind,
                name: None,
                amount,
                plan: earner.plan_name.to_owned(),
                rule: rule.clone(),
                payment,
            });
            entries.extend(overrides);
        }
        Ok((entries, commission.is_positive()))
    }

    /// Whether the payee still earns on the customer. A correction takes back what it must, however late.
    fn in_time(&self, deal: &Deal, earner: &Earner<'_>) -> Result<bool, Code> {
        let Some(months) = earner.plan.max_months.filter(|_| !deal.amount.is_negative()) else { return Ok(true) };
        let first = deal.customer.clone().and_then(|customer| self.first.get(&(earner.name.to_owned(), customer)));
        let Some(first) = first else { return Ok(true) };
        Ok(months > 0 && deal.on < calendar::months_after(*first, months).ok_or(Code::Year)?)
    }

    /// What is left of a commission under the limit of what may be spent. A negative one leaves no more for others.
    fn within_limit(&mut self, deal: &Deal, earner: &Earner<'_>, commission: Exact) -> Result<Exact, Code> {
        let Some(limit) = &earner.plan.limit else { return Ok(commission) };
        let on = calendar::today(deal.completed_at.div_euclid(1_000), limit.zone).map_err(|_| Code::Year)?;
        let period = match limit.per {
            Per::Month => Period::Month(on.0, on.1),
            Per::Year => Period::Year(on.0),
            Per::Deal => Period::Deal(deal.name.clone()),
        };
        let key = (earner.plan_name.to_owned(), earner.name.to_owned(), period);
        let spent = self.spent.entry(key).or_insert_with(Exact::zero);
        // A correction is the mirror of the one deal that it corrects.
        let mirrored = |amount: Exact| if deal.amount.is_negative() { amount.negated() } else { amount };
        let paid = mirrored(commission).min((&limit.amount - &*spent).or_zero());
        *spent = &*spent + &paid.clone().or_zero();
        Ok(mirrored(paid))
    }
}

/// Where what was spent before counts.
fn account(case: &Case, spent: &Spent) -> Option<Account> {
    let limit = case.plans.get(&spent.plan).and_then(|plan| plan.limit.as_ref())?;
    let period = match limit.per {
        Per::Month => Period::Month(spent.on.0, spent.on.1),
        Per::Year => Period::Year(spent.on.0),
        Per::Deal => return None,
    };
    Some((spent.plan.clone(), spent.payee.clone(), period))
}

/// Whoever earns on a deal, and under which plan.
struct Earner<'a> {
    kind: &'static str,
    name: &'a str,
    payee: &'a Payee,
    plan_name: &'a str,
    plan: &'a Plan,
    /// Its part of a whole.
    part: &'a dyn Fn(&Exact) -> Exact,
}

/// The name of the rule that pays, if it has one, and what it pays.
fn rule<'a>(deal: &Deal, earner: &Earner<'a>) -> Option<(Option<String>, &'a Pays)> {
    let mut rules: Vec<&When> = earner.plan.rules.iter().filter(|when| holds(when, deal, earner)).collect();
    rules.sort_by_key(|when| when.priority);
    match rules.first() {
        Some(when) => Some((Some(when.rule.clone()), &when.pays)),
        None => Some((None, earner.plan.otherwise.as_ref()?)),
    }
}

/// The commission on a base, within the bounds of one entry.
fn commission(deal: &Deal, earner: &Earner<'_>, base: &Exact, pays: &Pays) -> Result<Exact, Code> {
    let plan = earner.plan;
    // All that is said of a deal that takes back is said of its mirror.
    let mirrored = |amount: Exact| if deal.amount.is_negative() { amount.negated() } else { amount };
    let amount = match pays {
        Pays::Rate(rate) => (base * rate).round(plan.half_even),
        Pays::PerUnit(amount) => {
            let units: Vec<&Exact> = eligible(deal, plan)?.into_iter().map(|line| &line.units).collect();
            (earner.part)(&fits(mirrored(amount * sum(units)))?)
        }
    };
    let amount = mirrored(fits(amount)?);
    if !mirrored(base.clone()).is_positive() {
        return Ok(mirrored(amount));
    }
    let least = plan.minimum.clone().map_or(amount.clone(), |least| amount.max(least));
    Ok(mirrored(plan.maximum.clone().map_or(least.clone(), |most| least.min(most))))
}

fn holds(when: &When, deal: &Deal, earner: &Earner<'_>) -> bool {
    let is = |stated: &Option<String>, own: &Option<String>| stated.is_none() || stated == own;
    let of_line = |wanted: &String| {
        let lines = eligible(deal, earner.plan).unwrap_or_default();
        lines.iter().any(|line| line.product_line.as_ref() == Some(wanted))
    };
    is(&when.programme, &deal.programme)
        && is(&when.payee_type, &earner.payee.kind)
        && is(&when.tier, &earner.payee.tier)
        && when.product_line.as_ref().is_none_or(of_line)
        && when.deal_from.as_ref().is_none_or(|from| deal.amount.clone().max(deal.amount.negated()) >= *from)
}

/// The lines of a deal that the plan pays on.
fn eligible<'a>(deal: &'a Deal, plan: &Plan) -> Result<Vec<&'a Line>, Code> {
    let pays_on = |line: &&Line| {
        let stated = plan.eligible.as_ref();
        stated.is_none_or(|stated| line.product_line.as_ref().is_some_and(|line| stated.contains(line)))
    };
    Ok(deal.lines.as_ref().ok_or(Code::NoLines)?.iter().filter(pays_on).collect())
}

/// What the plan pays on, of the whole deal.
fn base(deal: &Deal, plan: &Plan) -> Result<Exact, Code> {
    if plan.eligible.is_none() && !plan.margin {
        return Ok(deal.amount.clone());
    }
    let lines = eligible(deal, plan)?;
    let price = sum(lines.iter().map(|line| &line.amount));
    if !plan.margin {
        return Ok(price);
    }
    let costs: Option<Vec<Exact>> = lines.iter().map(|line| Some(&line.units * line.unit_cost.as_ref()?)).collect();
    let cost = sum(&costs.ok_or(Code::NoLines)?);
    if deal.amount.is_negative() {
        Ok((price.negated() - cost).or_zero().negated())
    } else {
        Ok((price - cost).or_zero())
    }
}

/// A commission at once, or in parts as the deal is collected.
fn payable(deal: &Deal, plan: &Plan, commission: &Exact) -> Vec<Exact> {
    if !plan.as_collected {
        return vec![commission.clone()];
    }
    let mut collected = Exact::zero();
    let mut released = Exact::zero();
    let release = |payment: &Exact| {
        collected = &collected + payment;
        let all = (commission * &collected).over(&deal.amount).unwrap_or_else(Exact::zero).round(plan.half_even);
        let part = &all - &released;
        released = all;
        part
    };
    deal.collected.iter().map(release).collect()
}
