//! A rate plan: a document that says what a payee earns on its part of a deal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{Datelike, Months};
use serde::{Deserialize, Serialize};

use super::explain::{Collected, Commission, Limited, Unpaid};
use super::refuse::{Fault, Rejection, none_twice};
use super::terms::{Deal, Line, Payee, in_currency, not_negative};
use super::touch::Instant;
use crate::Date;
use crate::calendar::{CalendarError, Zone, in_range};
use crate::chain::Digest;
use crate::id::{CustomerId, PayeeId, RatesId, Text};
use crate::limits::{MONTHS_PER_PLAN, RULES_PER_PLAN};
use crate::money::{Currency, Money, MoneyError};
use crate::rate::{Rate, Rounding, mul_div};
use crate::spend;

/// What a rate plan says, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The currency of the deals that it pays and of every amount in the plan.
    pub currency: Currency,
    /// How a fraction of a minor unit becomes whole.
    #[serde(default)]
    pub rounding: Rounding,
    /// On what a rate is paid.
    #[serde(default)]
    pub base: Base,
    /// The product lines that are paid on; without it, all that was sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible: Option<Vec<Text>>,
    /// What is paid when.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What is paid where no rule holds; without it, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Pays>,
    /// Between what every percentage of a rule lies; without it, between 0 and 1. Overrides are always between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// The least commission on a part above zero. A correction mirrors it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
    /// The most commission on a part above zero. A correction mirrors it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Money>,
    /// The most that one payee earns by the plan in a time. What is below zero gives nothing back; over a month or a year there is
    /// no correction, since nobody could tell what the limit had held back: reverse the deal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_limit: Option<SpendLimit>,
    /// How many months a payee earns on a customer, from the day of its first commission on, where the case has its days; 0 for the first sale only, which is the one that
    /// the payee earned on before all others, whatever their days are; without it for ever. The day on which they end earns
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration_months: Option<u32>,
    /// When a commission is earned.
    #[serde(default)]
    pub earned: Earned,
    /// What others earn on an entry; of one payee's, the whole at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// On what a rate is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// On the amount, or on that of the eligible lines.
    #[default]
    Amount,
    /// On the amount less the cost of the units, never below zero.
    Margin,
}

/// What is paid when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub rule: Text,
    /// Its place: the lowest of the rules that hold decides.
    pub priority: i64,
    /// When it holds.
    #[serde(default)]
    pub when: When,
    /// What it pays.
    pub pays: Pays,
}

/// When a rule holds: when all that it states does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The deal came through this programme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<Text>,
    /// The payee is of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_type: Option<Text>,
    /// The payee is of this tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Text>,
    /// Some eligible line is of this product line. The rule pays on the whole deal all the same, not on such lines only: for a
    /// rate of their own, make them a deal of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_line: Option<Text>,
    /// The deal is worth so much or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal_from: Option<Money>,
}

/// What is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pays {
    /// So much of the payee's part of the base.
    Rate(Rate),
    /// The payee's part of so much for each eligible unit, whatever the deal is worth: it may be more than the deal itself.
    /// `maximum` bounds it, `bounds` does not.
    PerUnit(Money),
}

/// Between what every percentage lies, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least.
    pub from: Rate,
    /// The most.
    pub to: Rate,
}

/// The most that one payee earns by a plan in a time. Also of what is [collected](Earned::AsCollected) a sale counts as a whole, when
/// it is credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpendLimit {
    /// The most.
    pub amount: Money,
    /// In which time. All versions of a rate plan limit the same one, or what has counted would fit none: the first of them that
    /// has a limit says which.
    pub per: Per,
    /// Where that month or year begins and ends. Nothing else goes by it.
    pub zone: Zone,
}

/// The time of a spend limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// One deal.
    Deal,
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Month => "month",
            Self::Year => "year",
            Self::Deal => "deal",
        })
    }
}

/// When a commission is earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earned {
    /// At once, when the deal is won.
    #[default]
    OnInvoice,
    /// As the customer pays, in the same proportion. The sale counts as the customer's first one, and to the spend limit, when it is
    /// credited and not when it is collected.
    AsCollected,
}

/// What another payee earns on an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its name.
    pub name: Text,
    /// On whose entries.
    pub of: PayeeId,
    /// Who earns it.
    pub to: PayeeId,
    /// How much of the entry.
    pub rate: Rate,
}

impl Document {
    /// Checks the document as a whole.
    ///
    /// # Errors
    /// [`Rejection`] that names the field and the rule.
    pub fn validate(&self) -> Result<(), Rejection> {
        let bounds = self.bounds.unwrap_or(Bounds { from: Rate::ZERO, to: Rate::ONE });
        if bounds.from > bounds.to {
            return Err(Fault::Conflicting("the lower bound is above the upper one").at("bounds"));
        }
        self.validate_rules(bounds)?;
        let amount = |field: &'static str, amount: Option<Money>| {
            amount
                .map_or(Ok(()), |amount| not_negative(amount, self.currency).map(drop).map_err(|fault| fault.at(field)))
        };
        amount("minimum", self.minimum)?;
        amount("maximum", self.maximum)?;
        amount("spend_limit.amount", self.spend_limit.map(|limit| limit.amount))?;
        if let Some((minimum, maximum)) = self.minimum.zip(self.maximum)
            && minimum.compare(maximum)?.is_gt()
        {
            return Err(Fault::Conflicting("the minimum is above the maximum").at("minimum"));
        }
        if let Some(months) = self.max_duration_months.filter(|&months| months > MONTHS_PER_PLAN) {
            return Err(Fault::TooManyMonths(months).at("max_duration_months"));
        }
        if let Some(eligible) = &self.eligible {
            none_twice(eligible).map_err(|fault| fault.at("eligible"))?;
        }
        self.validate_overrides()?;
        self.validate_reached()
    }

    fn validate_rules(&self, bounds: Bounds) -> Result<(), Rejection> {
        if self.rules.len() > RULES_PER_PLAN {
            return Err(Fault::TooManyRules(self.rules.len()).at("rules"));
        }
        none_twice(self.rules.iter().map(|rule| &rule.rule)).map_err(|fault| fault.at("rules"))?;
        if none_twice(self.rules.iter().map(|rule| rule.priority)).is_err() {
            return Err(Fault::Conflicting("two rules have one priority, so neither goes before the other").at("rules"));
        }
        for Rule { rule, when, pays, .. } in &self.rules {
            let field = |field| move |fault: Fault| fault.at(format!("rules.{rule}.{field}"));
            pays.validate(bounds, self.currency).map_err(field("pays"))?;
            if let Some(from) = when.deal_from {
                not_negative(from, self.currency).map_err(field("when.deal_from"))?;
            }
        }
        let otherwise = self.otherwise.map_or(Ok(()), |pays| pays.validate(bounds, self.currency));
        otherwise.map_err(|fault| fault.at("otherwise"))
    }

    /// A rule table that contradicts itself is refused: each rule is for some deal.
    fn validate_reached(&self) -> Result<(), Rejection> {
        let mut before: Vec<&Rule> = Vec::with_capacity(self.rules.len());
        for one in in_order(&self.rules) {
            let Rule { rule, when, .. } = one;
            if let Some((product_line, eligible)) = when.product_line.as_ref().zip(self.eligible.as_ref())
                && !eligible.contains(product_line)
            {
                return Err(Fault::NotEligible(product_line.clone()).at(format!("rules.{rule}.when.product_line")));
            }
            if let Some(known) = before.iter().find(|known| known.when.covers(when)) {
                return Err(Fault::NeverReached(known.rule.clone()).at(format!("rules.{rule}")));
            }
            before.push(one);
        }
        Ok(())
    }

    fn validate_overrides(&self) -> Result<(), Rejection> {
        let refuse = |fault: Fault| Err(fault.at("overrides"));
        if self.overrides.len() > RULES_PER_PLAN {
            return refuse(Fault::TooManyRules(self.overrides.len()));
        }
        let (mut seen, mut whole) = (BTreeSet::new(), BTreeMap::new());
        for Override { name, of, to, rate } in &self.overrides {
            if of == to {
                return refuse(Fault::Conflicting("an override on one's own entry"));
            }
            if !rate.is_share() {
                return refuse(Fault::RateOutOfBounds { rate: *rate, from: Rate::ZERO, to: Rate::ONE });
            }
            if !seen.insert((name, of, to)) {
                return refuse(Fault::NamedTwice(format!("override {name} of {of} to {to}")));
            }
            let sum = whole.entry(of).or_insert(Rate::ZERO);
            *sum = sum.plus(*rate).map_err(|error| Fault::MoreThanTheWhole(error.to_string()).at("overrides"))?;
            if *sum > Rate::ONE {
                return refuse(Fault::MoreThanTheWhole(sum.to_string()));
            }
        }
        Ok(())
    }

    /// SHA-256 of the document's canonical bytes, every policy written out.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&crate::codec::canonical(self))
    }
}

impl Pays {
    fn validate(self, Bounds { from, to }: Bounds, currency: Currency) -> Result<(), Fault> {
        match self {
            Self::Rate(rate) if rate < from || rate > to => Err(Fault::RateOutOfBounds { rate, from, to }),
            Self::Rate(_) => Ok(()),
            Self::PerUnit(amount) => not_negative(amount, currency).map(drop),
        }
    }
}

impl When {
    /// Whether it holds whenever another does.
    fn covers(&self, other: &Self) -> bool {
        let is = |stated: &Option<Text>, other: &Option<Text>| stated.is_none() || stated == other;
        let least = |from: &Option<Money>| from.map_or(0, Money::minor);
        is(&self.programme, &other.programme)
            && is(&self.payee_type, &other.payee_type)
            && is(&self.tier, &other.tier)
            && is(&self.product_line, &other.product_line)
            && least(&self.deal_from) <= least(&other.deal_from)
    }
}

fn in_order(rules: &[Rule]) -> Vec<&Rule> {
    let mut rules: Vec<&Rule> = rules.iter().collect();
    rules.sort_by_key(|rule| rule.priority);
    rules
}

/// A valid rate plan, its rules in their order.
pub(crate) struct RatePlan<'a> {
    pub id: &'a RatesId,
    pub document: &'a Document,
    pub hash: Digest,
    rules: Vec<&'a Rule>,
    eligible: Option<BTreeSet<&'a Text>>,
}

/// A deal that is paid on, its day, and its place among the deals.
#[derive(Clone, Copy)]
pub(crate) struct Sale<'a> {
    pub deal: &'a Deal,
    pub amount: Money,
    pub on: Date,
    pub place: usize,
}

/// What earlier deals leave to later ones.
#[derive(Default)]
pub(crate) struct History<'a> {
    first: BTreeMap<(&'a PayeeId, &'a CustomerId), Date>,
    spent: BTreeMap<(&'a RatesId, &'a PayeeId, Period), Money>,
}

/// One stretch of a spend limit.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Period {
    Month(i32, u32),
    Year(i32),
    Deal(usize),
}

impl SpendLimit {
    /// The field in which it is of another time than this one.
    pub(crate) fn differs(&self, known: &Self) -> Option<&'static str> {
        match self.per {
            per if per != known.per => Some("spend_limit.per"),
            Per::Month | Per::Year if self.zone != known.zone => Some("spend_limit.zone"),
            _ => None,
        }
    }

    /// The day of an instant by which months and years are told.
    pub(crate) fn day(&self, at: Instant) -> Result<Date, CalendarError> {
        in_range(self.zone.local_date(at.to_utc()))
    }

    /// The month or the year that a day is in, if it is not each deal that is limited.
    pub(crate) fn over(&self, day: Date) -> Option<spend::Period> {
        let (start, months) = match self.per {
            Per::Month => (day.with_day(1)?, 1),
            Per::Year => (day.with_day(1)?.with_month(1)?, 12),
            Per::Deal => return None,
        };
        Some(spend::Period { start, end: start.checked_add_months(Months::new(months))? })
    }

    fn period(&self, day: Date, deal: usize) -> Period {
        match self.per {
            Per::Month => Period::Month(day.year(), day.month()),
            Per::Year => Period::Year(day.year()),
            Per::Deal => Period::Deal(deal),
        }
    }
}

impl<'a> History<'a> {
    /// A commission on a customer was earned. The earliest one counts.
    pub fn earned(&mut self, payee: &'a PayeeId, customer: &'a CustomerId, on: Date) {
        self.first.entry((payee, customer)).and_modify(|first| *first = on.min(*first)).or_insert(on);
    }

    /// An amount that counts to the plan's spend limit was earned before.
    pub fn spent(
        &mut self,
        plan: &RatePlan<'a>,
        payee: &'a PayeeId,
        on: Date,
        amount: Money,
    ) -> Result<(), MoneyError> {
        match plan.document.spend_limit {
            None | Some(SpendLimit { per: Per::Deal, .. }) => Ok(()),
            Some(limit) => self.spend(plan.id, payee, limit.period(on, 0), amount),
        }
    }

    /// What is earned counts to the limit.
    fn spend(
        &mut self,
        plan: &'a RatesId,
        payee: &'a PayeeId,
        period: Period,
        amount: Money,
    ) -> Result<(), MoneyError> {
        let spent = self.spent.entry((plan, payee, period)).or_insert(Money::zero(amount.currency()));
        *spent = spent.plus(amount)?;
        Ok(())
    }

    /// What counts to limits over a month or a year, by payee.
    pub fn over_time(&self) -> BTreeMap<PayeeId, Money> {
        let over_time = self.spent.iter().filter(|((.., period), _)| !matches!(period, Period::Deal(_)));
        over_time.map(|((_, payee, _), spent)| (PayeeId::clone(payee), *spent)).collect()
    }

    fn left(&self, limit: Money, plan: &'a RatesId, payee: &'a PayeeId, period: Period) -> Result<Money, MoneyError> {
        let spent = self.spent.get(&(plan, payee, period));
        let left = spent.map_or(Ok(limit), |spent| limit.minus(*spent))?;
        Ok(if left.is_negative() { Money::zero(left.currency()) } else { left })
    }
}

/// What one payee earns on a deal, before it is collected.
pub(crate) struct Earning {
    pub amount: Money,
    pub because: Commission,
}

/// What one payment of the customer releases of an earning; without one, all of it.
pub(crate) struct Released {
    pub payment: Option<usize>,
    pub amount: Money,
    pub because: Commission,
}

/// Whether a rule holds, `sold` being the product lines of what is eligible.
fn holds(when: &When, sale: Sale<'_>, payee: &Payee, sold: &BTreeSet<&Text>) -> bool {
    let is = |stated: &Option<Text>, found: &Option<Text>| stated.is_none() || stated == found;
    is(&when.programme, &sale.deal.programme)
        && is(&when.payee_type, &payee.kind)
        && is(&when.tier, &payee.tier)
        && when.product_line.as_ref().is_none_or(|product_line| sold.contains(product_line))
        && when.deal_from.is_none_or(|from| sale.amount.minor().unsigned_abs() >= from.minor().unsigned_abs())
}

impl<'a> RatePlan<'a> {
    pub fn new(id: &'a RatesId, document: &'a Document) -> Result<Self, Rejection> {
        document.validate()?;
        let rules = in_order(&document.rules);
        let eligible = document.eligible.as_ref().map(|eligible| eligible.iter().collect());
        Ok(Self { id, document, hash: document.hash(), rules, eligible })
    }

    /// Makes sure that the plan can pay what is in a currency.
    pub fn pays_in(&self, currency: Currency) -> Result<(), Fault> {
        match self.document.currency {
            found if found == currency => Ok(()),
            found => Err(Fault::PaidInAnother { rates: self.id.clone(), found, currency }),
        }
    }

    fn counts(&self, line: &Line) -> bool {
        let Some(eligible) = &self.eligible else { return true };
        line.product_line.as_ref().is_some_and(|product_line| eligible.contains(product_line))
    }

    /// Whether it can pay on a deal, whoever is credited.
    pub fn admits(&self, sale: Sale<'_>) -> Result<(), Fault> {
        self.base(sale)?;
        // Without lines, no rule for a product line holds.
        let rules = self.rules.iter().filter(|rule| rule.when.product_line.is_none()).map(|rule| &rule.pays);
        let mut pays = rules.chain(&self.document.otherwise).peekable();
        let by_unit = pays.peek().is_some() && pays.all(|pays| matches!(pays, Pays::PerUnit(_)));
        if by_unit && sale.deal.lines.is_empty() { Err(Fault::NoLines(self.id.clone())) } else { Ok(()) }
    }

    /// What the plan pays on the whole deal at rate 1.
    pub fn base(&self, sale: Sale<'_>) -> Result<Money, Fault> {
        let Sale { deal, amount, .. } = sale;
        let document = self.document;
        if document.earned == Earned::AsCollected && amount.is_negative() {
            return Err(Fault::Conflicting("a correction is not earned as it is collected: correct what was earned"));
        }
        if document.spend_limit.is_some_and(|limit| limit.per != Per::Deal) && amount.is_negative() {
            let why = "a spend limit over months or years does not say how much of a correction it had held back";
            return Err(Fault::Conflicting(why));
        }
        if document.max_duration_months.is_some() && deal.customer.is_none() && !amount.is_negative() {
            return Err(Fault::Conflicting("a rate plan that ends for each customer needs to know the customer"));
        }
        if document.eligible.is_none() && document.base == Base::Amount {
            return Ok(amount);
        }
        if deal.lines.is_empty() {
            return Err(Fault::NoLines(self.id.clone()));
        }
        // A correction is reckoned as what it corrects: its lines are below zero, its units and costs are not.
        let sign = if amount.is_negative() { -1_i128 } else { 1 };
        let mut sum = 0_i128;
        for line in deal.lines.iter().filter(|line| self.counts(line)) {
            let cost = match document.base {
                Base::Amount => Some(0),
                Base::Margin => {
                    let each = line.unit_cost.ok_or_else(|| Fault::NoCost(self.id.clone()))?;
                    i128::from(each.minor()).checked_mul(line.units.into())
                }
            };
            let worth = cost.and_then(|cost| (sign * i128::from(line.amount.minor())).checked_sub(cost));
            sum = worth.and_then(|worth| sum.checked_add(worth)).ok_or(MoneyError::Overflow)?;
        }
        if document.base == Base::Margin {
            sum = sum.max(0);
        }
        Ok(Money::from_minor(sign * sum, amount.currency())?)
    }

    /// The first rule that holds, and what is paid.
    fn pays(&self, sale: Sale<'_>, payee: &Payee) -> Option<(Option<&'a Rule>, Pays)> {
        let lines = sale.deal.lines.iter().filter(|line| self.counts(line));
        let sold: BTreeSet<&Text> = lines.filter_map(|line| line.product_line.as_ref()).collect();
        let rule = self.rules.iter().copied().find(|rule| holds(&rule.when, sale, payee, &sold));
        rule.map(|rule| (Some(rule), rule.pays)).or_else(|| self.document.otherwise.map(|pays| (None, pays)))
    }

    /// What is paid for all eligible units together.
    fn for_units(&self, sale: Sale<'_>, each: Money) -> Result<Money, Fault> {
        if sale.deal.lines.is_empty() {
            return Err(Fault::NoLines(self.id.clone()));
        }
        let mut lines = sale.deal.lines.iter().filter(|line| self.counts(line));
        let units = lines.try_fold(0_u64, |sum, line| sum.checked_add(line.units));
        let units = units.and_then(|units| i64::try_from(units).ok()).ok_or(MoneyError::Overflow)?;
        let all = each.times(units)?;
        Ok(if sale.amount.is_negative() { all.negated() } else { all })
    }

    /// What a payee earns, by its part of what the plan pays on.
    pub fn earn(
        &self,
        sale: Sale<'_>,
        (payee, known): (&'a PayeeId, &Payee),
        history: &mut History<'a>,
        mut part_of: impl FnMut(Money) -> Result<Money, Fault>,
    ) -> Result<Result<Earning, Unpaid>, Fault> {
        let document = self.document;
        let base_part = part_of(self.base(sale)?)?;
        let Some((rule, pays)) = self.pays(sale, known) else { return Ok(Err(Unpaid::NoRule)) };
        if let Some(over) = self.over(sale, payee, history) {
            return Ok(Err(over));
        }
        let (part, commission) = match pays {
            Pays::Rate(rate) => (base_part, rate.of(base_part, document.rounding)?),
            Pays::PerUnit(each) => {
                let part = part_of(self.for_units(sale, each)?)?;
                (part, part)
            }
        };
        let bounded = self.bounded(sale, base_part, commission)?;
        let mut amount = bounded;
        let mut limited = None;
        if let Some(limit) = document.spend_limit {
            let mirrored = |amount: Money| if sale.amount.is_negative() { amount.negated() } else { amount };
            let day = limit.day(sale.deal.completed_at)?;
            let left = history.left(limit.amount, self.id, payee, limit.period(day, sale.place))?;
            if mirrored(amount).compare(left)?.is_gt() {
                amount = mirrored(left);
                limited = Some(Limited { limit: limit.amount, per: limit.per, left });
            }
            if mirrored(amount).is_positive() {
                history.spend(self.id, payee, limit.period(day, sale.place), mirrored(amount))?;
            }
        }
        if amount.is_zero() {
            return Ok(Err(limited.map_or(Unpaid::Nothing, |limited| Unpaid::SpendLimit { limit: limited.limit })));
        }
        let because = Commission {
            rates: self.id.clone(),
            hash: self.hash,
            rule: rule.map(|rule| rule.rule.clone()),
            pays,
            base: document.base,
            part,
            commission,
            bounded_to: Some(bounded).filter(|bounded| *bounded != commission),
            limited,
            collected: None,
        };
        Ok(Ok(Earning { amount, because }))
    }

    /// Why the customer no longer earns, if it does not. A correction is of what was earned once.
    fn over(&self, sale: Sale<'_>, payee: &PayeeId, history: &History<'_>) -> Option<Unpaid> {
        let (months, customer) = (self.document.max_duration_months?, sale.deal.customer.as_ref()?);
        let first = *history.first.get(&(payee, customer)).filter(|_| !sale.amount.is_negative())?;
        let end = first.checked_add_months(Months::new(months));
        let over = months == 0 || end.is_some_and(|end| sale.on >= end);
        over.then_some(Unpaid::Over { first, months })
    }

    /// The commission on a part above zero, not below the minimum and not above the maximum; of a correction, mirrored.
    fn bounded(&self, sale: Sale<'_>, part: Money, commission: Money) -> Result<Money, MoneyError> {
        let mirrored = |amount: Money| if sale.amount.is_negative() { amount.negated() } else { amount };
        if !mirrored(part).is_positive() {
            return Ok(commission);
        }
        let mut bounded = mirrored(commission);
        if let Some(minimum) = self.document.minimum
            && bounded.compare(minimum)?.is_lt()
        {
            bounded = minimum;
        }
        if let Some(maximum) = self.document.maximum {
            bounded = bounded.min(maximum)?;
        }
        Ok(mirrored(bounded))
    }

    /// What of an earning each payment of the customer releases. What is earned at once is released as a whole.
    pub fn released(&self, sale: Sale<'_>, earning: Earning) -> Result<Vec<Released>, Fault> {
        let Earning { amount: whole, because, .. } = earning;
        if self.document.earned == Earned::OnInvoice {
            return Ok(vec![Released { payment: None, amount: whole, because }]);
        }
        let zero = Money::zero(whole.currency());
        let (mut collected, mut before, mut released) = (zero, zero, Vec::new());
        for (payment, paid) in (1..).zip(&sale.deal.collected).filter(|_| sale.amount.is_positive()) {
            collected = collected.plus(in_currency(*paid, whole.currency())?)?;
            let (share, all) = (collected.minor().into(), sale.amount.minor().into());
            let so_far = mul_div(whole.minor().into(), share, all, self.document.rounding)?;
            let so_far = Money::from_minor(so_far, whole.currency())?;
            let amount = so_far.minus(before)?;
            if !amount.is_zero() {
                let part = Collected { collected, of: sale.amount, before };
                let because = Commission { collected: Some(part), ..because.clone() };
                released.push(Released { payment: Some(payment), amount, because });
            }
            before = so_far;
        }
        Ok(released)
    }
}
