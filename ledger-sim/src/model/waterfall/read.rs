//! Reads a case, strictly: what is not as it must be is refused with the rule that it breaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::exact::{Exact, sum};
use super::terms::{
    Adjustment, Assignment, Attained, Band, Bonus, Cap, Case, Credited, Deal, Fee, Holder, Limit, Measure, Measures,
    Mode, Of, OffTop, Opening, Override, Part, Party, Payee, Plan, Royalty, Side, Split, Step, Timing, When,
};
use super::years::{Proration, Rule};
use super::{Code, calendar};
use crate::act::{Code as Currency, Day};
use crate::model::json;
use crate::model::json::{Malformed, Object, currency, day, name, named, rate, text, variant};

type Read<T> = Result<T, Code>;

impl From<Malformed> for Code {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

pub(super) fn case(input: &str) -> Read<Case> {
    let value: Value = serde_json::from_str(input).map_err(|_| Code::Malformed)?;
    let fields = ["case", "currency", "plans", "payees", "caps", "attainments", "deals"];
    let top = Object::of(&value, &fields)?;
    let currency = currency(top.get("currency")?)?;
    let read = Reader { currency };
    let deals = list(top.get("deals")?, |deal| read.deal(deal))?;
    distinct(deals.iter().map(|deal| deal.name.as_str()), Code::NamedTwice)?;
    let case = Case {
        name: top.maybe("case", text)?,
        currency,
        plans: named(top.get("plans")?, |plan| read.plan(plan).map(Arc::new))?,
        payees: named(top.get("payees")?, payee)?,
        openings: top.maybe("caps", |caps| list(caps, |opening| read.opening(opening)))?.unwrap_or_default(),
        attained: top.maybe("attainments", |all| list(all, |attained| read.attained(attained)))?.unwrap_or_default(),
        deals,
    };
    agree(&case)?;
    Ok(case)
}

/// A plan alone, by its own currency.
pub(super) fn plan(input: &str) -> Read<Plan> {
    let value: Value = serde_json::from_str(input).map_err(|_| Code::Malformed)?;
    let code = value.get("currency").ok_or(Code::Malformed)?;
    Reader { currency: currency(code)? }.plan(&value)
}

/// The sides of a deal.
pub(super) fn sides(input: &str, currency: Currency) -> Read<Vec<Side>> {
    let value: Value = serde_json::from_str(input).map_err(|_| Code::Malformed)?;
    let sides = list(&value, |side| Reader { currency }.side(side))?;
    if sides.is_empty() {
        return Err(Code::TooMany);
    }
    kinds(&sides)?;
    Ok(sides)
}

/// Each side once, and no other beside the only one.
fn kinds(sides: &[Side]) -> Read<()> {
    distinct(sides.iter().map(|side| side.side.as_str()), Code::NamedTwice)?;
    if sides.len() > 1 && sides.iter().any(|side| side.side == "sole") { Err(Code::Conflicting) } else { Ok(()) }
}

/// Everybody has plans that there are, one at a time, and the plans agree on what they share.
fn agree(case: &Case) -> Read<()> {
    let assignments = || case.payees.values().flat_map(|payee| &payee.assignments);
    if assignments().any(|assignment| !case.plans.contains_key(&assignment.plan)) {
        return Err(Code::UnknownPlan);
    }
    for payee in case.payees.values() {
        let mut days: Vec<(Day, Option<Day>)> = payee.assignments.iter().map(|held| (held.from, held.until)).collect();
        days.sort();
        let mut pairs = days.iter().zip(days.iter().skip(1));
        if pairs.any(|((_, until), (next, _))| until.is_none_or(|until| *next < until)) {
            return Err(Code::OverlappingPlans);
        }
    }
    let mut rules: BTreeMap<&str, Rule> = BTreeMap::new();
    let mut pooled: BTreeMap<&str, bool> = BTreeMap::new();
    let mut pools = BTreeMap::new();
    for plan in case.plans.values() {
        let attainment = plan.attainment.iter().map(|(programme, rule)| (programme, *rule));
        for (programme, rule) in plan.limits().map(|limit| (&limit.programme, limit.year)).chain(attainment) {
            if *rules.entry(programme).or_insert(rule) != rule {
                return Err(Code::ProgrammesDiffer);
            }
        }
        for limit in plan.limits() {
            if *pooled.entry(&limit.programme).or_insert(limit.pool.is_some()) != limit.pool.is_some() {
                return Err(Code::ProgrammesDiffer);
            }
            let Some(pool) = &limit.pool else { continue };
            let whole_deal = plan.cap.as_ref().is_some_and(|cap| cap.whole_deal);
            let terms = (&limit.limit, &limit.portion, whole_deal, plan.half_even);
            if *pools.entry((&limit.programme, pool)).or_insert(terms) != terms {
                return Err(Code::ProgrammesDiffer);
            }
        }
    }
    Ok(())
}

fn payee(value: &Value) -> Read<Payee> {
    let fields = Object::of(value, &["joined_on", "plans"])?;
    let assignments = list(fields.get("plans")?, |value| {
        let fields = Object::of(value, &["plan", "from", "until"])?;
        let (from, until) = (day(fields.get("from")?)?, fields.maybe("until", day)?);
        if until.is_some_and(|until| until <= from) {
            return Err(Code::Malformed);
        }
        Ok(Assignment { plan: name(fields.get("plan")?)?, from, until })
    })?;
    Ok(Payee { joined_on: fields.maybe("joined_on", day)?, assignments })
}

/// What reads amounts of a currency.
struct Reader {
    currency: Currency,
}

impl Reader {
    fn opening(&self, value: &Value) -> Read<Opening> {
        let fields = Object::of(value, &["programme", "of", "on", "contributed"])?;
        Ok(Opening {
            programme: name(fields.get("programme")?)?,
            of: match variant(fields.get("of")?)? {
                ("payee", value) => Holder::Payee(name(value)?),
                ("pool", value) => Holder::Pool(name(value)?),
                _ => return Err(Code::Malformed),
            },
            on: day(fields.get("on")?)?,
            contributed: self.amount(fields.get("contributed")?)?,
        })
    }

    fn attained(&self, value: &Value) -> Read<Attained> {
        let fields = ["programme", "payee", "on", "revenue", "accrued", "company_dollar", "units"];
        let fields = Object::of(value, &fields)?;
        let amount = |field| {
            let amount = fields.maybe(field, |value| self.amount(value));
            amount.map(|amount| amount.unwrap_or_else(Exact::zero))
        };
        Ok(Attained {
            programme: name(fields.get("programme")?)?,
            payee: name(fields.get("payee")?)?,
            on: day(fields.get("on")?)?,
            measures: Measures {
                revenue: amount("revenue")?,
                accrued: amount("accrued")?,
                company_dollar: amount("company_dollar")?,
                units: fields.maybe("units", count)?.unwrap_or_else(Exact::zero),
            },
        })
    }

    fn deal(&self, value: &Value) -> Read<Deal> {
        let fields = Object::of(value, &["deal", "completed", "sides"])?;
        let sides = list(fields.get("sides")?, |side| self.side(side))?;
        if sides.is_empty() {
            return Err(Code::Malformed);
        }
        kinds(&sides)?;
        let completed = fields.get("completed")?;
        let completed = match completed.as_str() {
            Some(text) if text.contains('T') => When::Instant(instant(completed)?),
            _ => When::Day(day(completed)?),
        };
        Ok(Deal { name: name(fields.get("deal")?)?, completed, sides })
    }

    fn side(&self, value: &Value) -> Read<Side> {
        let fields = ["side", "gci", "referral_in", "units", "off_top", "payees", "adjustments"];
        let fields = Object::of(value, &fields)?;
        let sides = ["sole", "listing", "buying"];
        let side = sides.get(fields.word("side", &sides)?).copied().unwrap_or_default().to_owned();
        let payees = list(fields.get("payees")?, |value| {
            let fields = Object::of(value, &["payee", "weight", "mentor"])?;
            Ok((name(fields.get("payee")?)?, fields.maybe("weight", rate)?, fields.maybe("mentor", name)?))
        })?;
        if payees.len() > 50 {
            return Err(Code::TooMany);
        }
        distinct(payees.iter().map(|(payee, ..)| payee.as_str()), Code::NamedTwice)?;
        let weights: Vec<Exact> = match payees.iter().filter_map(|(_, weight, _)| weight.clone()).collect::<Vec<_>>() {
            none if none.is_empty() => payees.iter().map(|_| Exact::one()).collect(),
            all if all.len() == payees.len() && sum(&all) == Exact::one() => {
                if all.iter().any(Exact::is_zero) {
                    return Err(Code::Conflicting);
                }
                all
            }
            _ => return Err(Code::WeightsDoNotSum),
        };
        if payees.is_empty() {
            return Err(Code::WeightsDoNotSum);
        }
        let payees: Vec<Credited> = payees
            .into_iter()
            .zip(weights)
            .map(|((payee, _, mentor), weight)| Credited { payee, weight, mentor })
            .collect();
        if payees.iter().any(|credited| credited.mentor.as_ref() == Some(&credited.payee)) {
            return Err(Code::Conflicting);
        }
        let adjustments = fields.maybe("adjustments", |all| list(all, |adjustment| self.adjustment(adjustment)))?;
        let adjustments = adjustments.unwrap_or_default();
        for party in adjustments.iter().flat_map(|adjustment| [&adjustment.from, &adjustment.to]) {
            if let Party::Payee(named) = party
                && payees.iter().all(|credited| credited.payee != *named)
            {
                return Err(Code::UnknownPayee);
            }
        }
        let gci = match variant(fields.get("gci")?)? {
            ("amount", amount) => self.amount(amount)?,
            ("of_price", of) => {
                let of = Object::of(of, &["price", "rate"])?;
                (self.signed(of.get("price")?)? * rate(of.get("rate")?)?).round(false)
            }
            _ => return Err(Code::Malformed),
        };
        // A price below zero is a commission of zero when that is what it rounds to.
        if gci.is_negative() {
            return Err(Code::Negative);
        }
        Ok(Side {
            side,
            gci,
            referral_in: fields.maybe("referral_in", |value| self.amount(value))?.unwrap_or_else(Exact::zero),
            units: fields.maybe("units", count)?.unwrap_or_else(Exact::one),
            off_top: fields.maybe("off_top", |all| list(all, |item| self.off_top(item)))?.unwrap_or_default(),
            payees,
            adjustments,
        })
    }

    fn off_top(&self, value: &Value) -> Read<OffTop> {
        match variant(value)? {
            ("concession", amount) => Ok(OffTop { referrer: None, amount: self.part(amount, &["flat", "rate"])? }),
            ("referral_out", value) => {
                let fields = Object::of(value, &["to", "amount"])?;
                let amount = self.part(fields.get("amount")?, &["flat", "rate"])?;
                Ok(OffTop { referrer: Some(name(fields.get("to")?)?), amount })
            }
            _ => Err(Code::Malformed),
        }
    }

    fn adjustment(&self, value: &Value) -> Read<Adjustment> {
        let fields = Object::of(value, &["from", "to", "amount", "reason", "actor"])?;
        name(fields.get("actor")?)?;
        let amount = self.amount(fields.get("amount")?)?;
        if !amount.is_positive() {
            return Err(Code::NotPositive);
        }
        let (from, to) = (party(fields.get("from")?)?, party(fields.get("to")?)?);
        if from == to {
            return Err(Code::Conflicting);
        }
        Ok(Adjustment { from, to, amount, reason: text(fields.get("reason")?)? })
    }

    fn plan(&self, value: &Value) -> Read<Plan> {
        let fields = [
            "currency",
            "rounding",
            "zone",
            "order",
            "split",
            "attainment",
            "cap",
            "royalty",
            "referral_in",
            "fees",
            "mentee",
            "bonuses",
            "overrides",
            "deficit",
        ];
        let fields = Object::of(value, &fields)?;
        if currency(fields.get("currency")?)? != self.currency {
            return Err(Code::WrongCurrency);
        }
        let plan = Plan {
            half_even: fields.word("rounding", &["half_away_from_zero", "half_even"])? == 1,
            zone: match fields.maybe("zone", text)? {
                None => chrono_tz::UTC,
                Some(zone) => zone.parse().map_err(|_| Code::Malformed)?,
            },
            order: fields.maybe("order", order)?.unwrap_or_else(|| Step::ALL.map(|(_, step)| step).to_vec()),
            split: self.split(fields.get("split")?)?,
            attainment: fields.maybe("attainment", |value| {
                let fields = Object::of(value, &["programme", "year"])?;
                Ok::<_, Code>((name(fields.get("programme")?)?, year(fields.get("year")?)?))
            })?,
            cap: fields.maybe("cap", |cap| self.cap(cap))?,
            royalty: fields.maybe("royalty", |royalty| self.royalty(royalty))?,
            shares_referral_in: fields.word("referral_in", &["company", "shared"])? == 1,
            fees: twenty(&fields, "fees", |fee| self.fee(fee))?,
            mentee: fields.maybe("mentee", mentee)?,
            bonuses: twenty(&fields, "bonuses", |bonus| self.bonus(bonus))?,
            overrides: twenty(&fields, "overrides", override_of)?,
            permits_deficit: fields.word("deficit", &["refuse", "receivable"])? == 1,
        };
        distinct(plan.fees.iter().map(|fee| fee.name.as_str()), Code::NamedTwice)?;
        distinct(plan.bonuses.iter().map(|bonus| bonus.name.as_str()), Code::NamedTwice)?;
        distinct(plan.overrides.iter().map(|rule| rule.name.as_str()), Code::NamedTwice)?;
        distinct(plan.limits().map(|limit| limit.programme.as_str()), Code::NamedTwice)?;
        let split = &plan.split;
        let all_at_once = split.mode != Mode::Marginal;
        let of_a_year = split.measure != Measure::Nothing && !split.per_deal;
        let reaches = plan.bonuses.iter().any(|bonus| bonus.reaches.is_some());
        if (all_at_once && (plan.cap.is_some() || split.measure == Measure::CompanyDollar))
            || ((of_a_year || reaches) && plan.attainment.is_none())
        {
            return Err(Code::Conflicting);
        }
        Ok(plan)
    }

    fn split(&self, value: &Value) -> Read<Split> {
        let tiered = match variant(value)? {
            ("flat", value) => {
                let (payee, company) = shares(&Object::of(value, &["payee", "company"])?)?;
                let bands = vec![Band { from: Exact::zero(), payee, company }];
                let (measure, mode) = (Measure::Nothing, Mode::Marginal);
                return Ok(Split { measure, bands, mode, per_deal: false, minimum: None });
            }
            ("tiered", value) => Object::of(value, &["tiers", "mode", "per", "minimum"])?,
            _ => return Err(Code::Malformed),
        };
        let amount = |value: &Value| self.amount(value);
        let (measure, bands, quota) = match variant(tiered.get("tiers")?)? {
            ("company_dollar", tiers) => (Measure::CompanyDollar, bands(tiers, amount)?, None),
            ("revenue", tiers) => (Measure::Revenue, bands(tiers, amount)?, None),
            ("units", tiers) => (Measure::Units, bands(tiers, count)?, None),
            ("attainment", value) => {
                let fields = Object::of(value, &["quota", "tiers"])?;
                let quota = self.amount(fields.get("quota")?)?;
                if !quota.is_positive() {
                    return Err(Code::NotPositive);
                }
                let mut bands = bands(fields.get("tiers")?, |from| Ok(rate(from)?))?;
                for band in &mut bands {
                    band.from = &band.from * &quota;
                }
                (Measure::Revenue, bands, Some(quota))
            }
            _ => return Err(Code::Malformed),
        };
        let mode = match tiered.word("mode", &["marginal", "retroactive", "above_quota"])? {
            0 => Mode::Marginal,
            1 => Mode::Retroactive,
            _ => Mode::AboveQuota(quota.ok_or(Code::Conflicting)?),
        };
        let per_deal = tiered.word("per", &["year", "deal"])? == 1;
        Ok(Split { measure, bands, mode, per_deal, minimum: tiered.maybe("minimum", amount)? })
    }

    fn cap(&self, value: &Value) -> Read<Cap> {
        let fields = Object::of(value, &["caps", "post_cap", "crossing", "fee_on_crossing"])?;
        let caps = list(fields.get("caps")?, |cap| self.limit(cap, &["of"]))?;
        if !(1..=4).contains(&caps.len()) {
            return Err(Code::TooMany);
        }
        let post = fields.maybe("post_cap", |value| shares(&Object::of(value, &["payee", "company"])?))?;
        Ok(Cap {
            caps,
            post_company: post.map_or_else(Exact::zero, |(_, company)| company),
            whole_deal: fields.word("crossing", &["split_within_deal", "whole_deal_pre_cap"])? == 1,
            fee_on_crossing: fields.word("fee_on_crossing", &["no", "yes"])? == 1,
        })
    }

    /// A cap's, a fee's or a royalty's limit, each with its own further fields.
    fn limit(&self, value: &Value, more: &[&str]) -> Read<Limit> {
        let known = ["programme", "limit", "portion", "year", "proration"];
        let fields = Object::of(value, &[&known[..], more].concat())?;
        let pool = fields.maybe("of", |of| match of.as_str() {
            Some("payee") => Ok(None),
            _ => match variant(of)? {
                ("pool", pool) => Ok::<_, Code>(Some(name(pool)?)),
                _ => Err(Code::Malformed),
            },
        })?;
        let pool = pool.flatten();
        let portion = fields.maybe("portion", rate)?.unwrap_or_else(Exact::one);
        if portion.is_zero() || portion > Exact::one() {
            return Err(Code::RateOutOfBounds);
        }
        let proration = match fields.word("proration", &["none", "months", "days"])? {
            0 => Proration::None,
            1 => Proration::Months,
            _ => Proration::Days,
        };
        let year = year(fields.get("year")?)?;
        if pool.is_some() && (proration != Proration::None || !matches!(year, Rule::Calendar { .. })) {
            return Err(Code::Conflicting);
        }
        let limit = self.amount(fields.get("limit")?)?;
        Ok(Limit { programme: name(fields.get("programme")?)?, pool, limit, portion, year, proration })
    }

    fn royalty(&self, value: &Value) -> Read<Royalty> {
        let fields = Object::of(value, &["rate", "basis", "cap"])?;
        let gross = fields.word("basis", &["off_top", "gross"])? == 1;
        let cap = fields.maybe("cap", |cap| self.limit(cap, &[]))?;
        if cap.is_some() && !gross {
            return Err(Code::Conflicting);
        }
        Ok(Royalty { rate: part_of_one(fields.get("rate")?)?, gross, cap })
    }

    fn fee(&self, value: &Value) -> Read<Fee> {
        let fields = Object::of(value, &["name", "timing", "amount", "of", "per", "to", "sub_cap"])?;
        let amount = |value: &Value| self.part(value, &["flat", "rate", "lesser_of"]);
        Ok(Fee {
            name: text(fields.get("name")?)?,
            timing: match fields.get("timing").and(fields.word("timing", &["always", "pre_cap", "post_cap"]))? {
                0 => Timing::Always,
                1 => Timing::PreCap,
                _ => Timing::PostCap,
            },
            amount: amount(fields.get("amount")?)?,
            of: of(&fields)?,
            per_side: fields.word("per", &["deal", "side"])? == 1,
            to: match fields.maybe("to", party)? {
                None => Party::Company,
                Some(to @ (Party::Company | Party::Payee(_))) => to,
                Some(_) => return Err(Code::Malformed),
            },
            sub_cap: fields.maybe("sub_cap", |value| {
                Ok::<_, Code>((self.limit(value, &["then"])?, value.get("then").map(amount).transpose()?))
            })?,
        })
    }

    fn bonus(&self, value: &Value) -> Read<Bonus> {
        let fields = Object::of(value, &["name", "when", "amount"])?;
        let reaches = match fields.get("when")? {
            Value::String(when) if when == "each_deal" => None,
            when => match variant(when)? {
                ("reaches", threshold) => Some(match variant(threshold)? {
                    ("units", units) => (Measure::Units, count(units)?),
                    ("revenue", revenue) => (Measure::Revenue, self.amount(revenue)?),
                    ("company_dollar", amount) => (Measure::CompanyDollar, self.amount(amount)?),
                    _ => return Err(Code::Malformed),
                }),
                _ => return Err(Code::Malformed),
            },
        };
        let amount = self.part(fields.get("amount")?, &["flat", "rate"])?;
        Ok(Bonus { name: text(fields.get("name")?)?, reaches, amount })
    }

    fn part(&self, value: &Value, kinds: &[&str]) -> Read<Part> {
        match variant(value)? {
            (kind, _) if !kinds.contains(&kind) => Err(Code::Malformed),
            ("flat", amount) => Ok(Part::Flat(self.amount(amount)?)),
            ("rate", rate) => Ok(Part::Rate(part_of_one(rate)?)),
            (_, lesser) => {
                let fields = Object::of(lesser, &["flat", "rate"])?;
                Ok(Part::Lesser(self.amount(fields.get("flat")?)?, part_of_one(fields.get("rate")?)?))
            }
        }
    }

    /// An amount that is not negative, in minor units.
    fn amount(&self, value: &Value) -> Read<Exact> {
        self.signed(value).and_then(|amount| if amount.is_negative() { Err(Code::Negative) } else { Ok(amount) })
    }

    fn signed(&self, value: &Value) -> Read<Exact> {
        let (units, currency) = json::amount(value)?;
        if currency == self.currency { Ok(units) } else { Err(Code::WrongCurrency) }
    }
}

fn override_of(value: &Value) -> Read<Override> {
    let fields = Object::of(value, &["name", "to", "rate", "of"])?;
    let (to, rate) = (name(fields.get("to")?)?, part_of_one(fields.get("rate")?)?);
    Ok(Override { name: text(fields.get("name")?)?, to, rate, of: of(&fields)? })
}

fn mentee(value: &Value) -> Read<(Exact, Exact)> {
    let fields = Object::of(value, &["company", "mentor"])?;
    let (company, mentor) = (rate(fields.get("company")?)?, rate(fields.get("mentor")?)?);
    if &company + &mentor > Exact::one() { Err(Code::RateOutOfBounds) } else { Ok((company, mentor)) }
}

fn order(value: &Value) -> Read<Vec<Step>> {
    let steps = list(value, |step| {
        let known = Step::ALL.iter().find(|(name, _)| step == name);
        known.map(|(_, step)| *step).ok_or(Code::Malformed)
    })?;
    let each_once = steps.len() == Step::ALL.len() && Step::ALL.iter().all(|(_, step)| steps.contains(step));
    if each_once && steps.is_sorted_by_key(|step| step.phase()) { Ok(steps) } else { Err(Code::Order) }
}

fn bands(value: &Value, from: impl Fn(&Value) -> Read<Exact>) -> Read<Vec<Band>> {
    let bands = list(value, |value| {
        let fields = Object::of(value, &["from", "payee", "company"])?;
        let (payee, company) = shares(&fields)?;
        Ok(Band { from: from(fields.get("from")?)?, payee, company })
    })?;
    let from_zero = bands.first().is_some_and(|first| first.from.is_zero());
    let ascending = bands.is_sorted_by(|a, b| a.from < b.from);
    if from_zero && ascending && bands.len() <= 20 { Ok(bands) } else { Err(Code::Tiers) }
}

fn shares(fields: &Object<'_>) -> Read<(Exact, Exact)> {
    let (payee, company) = (rate(fields.get("payee")?)?, rate(fields.get("company")?)?);
    if &payee + &company == Exact::one() { Ok((payee, company)) } else { Err(Code::SharesDoNotSum) }
}

fn year(value: &Value) -> Read<Rule> {
    let (kind, value) = variant(value)?;
    Ok(match kind {
        "calendar" => {
            let fields = Object::of(value, &["month", "day"])?;
            let number = |field| {
                let number = fields.get(field)?.as_u64().and_then(|number| u8::try_from(number).ok());
                number.map(u32::from).ok_or(Code::Malformed)
            };
            let (month, day) = (number("month")?, number("day")?);
            if !calendar::recurs(month, day) {
                return Err(Code::Year);
            }
            Rule::Calendar { month, day }
        }
        "anniversary" => {
            let fields = Object::of(value, &["leap_day"])?;
            Rule::Anniversary { march_first: fields.word("leap_day", &["clamp", "march1"])? == 1 }
        }
        "first_of_join_month" => Object::of(value, &[]).map(|_| Rule::FirstOfJoinMonth)?,
        "first_of_next_month" => Object::of(value, &[]).map(|_| Rule::FirstOfNextMonth)?,
        _ => return Err(Code::Malformed),
    })
}

fn of(fields: &Object<'_>) -> Read<Of> {
    Ok(match fields.word("of", &["part", "gci", "company_dollar", "payee_share"])? {
        0 => Of::Part,
        1 => Of::Gci,
        2 => Of::CompanyDollar,
        _ => Of::PayeeShare,
    })
}

fn party(value: &Value) -> Read<Party> {
    match value.as_str() {
        Some("company") => return Ok(Party::Company),
        Some("client") => return Ok(Party::Client),
        Some("franchise") => return Ok(Party::Franchise),
        _ => {}
    }
    match variant(value)? {
        ("payee", value) => Ok(Party::Payee(name(value)?)),
        ("referrer", value) => Ok(Party::Referrer(name(value)?)),
        _ => Err(Code::Malformed),
    }
}

/// A rate from 0 to 1.
fn part_of_one(value: &Value) -> Read<Exact> {
    let rate = rate(value)?;
    if rate > Exact::one() { Err(Code::RateOutOfBounds) } else { Ok(rate) }
}

fn count(value: &Value) -> Read<Exact> {
    Ok(Exact::whole(json::count(value)?))
}

/// The seconds since 1970 at a whole second of UTC, such as `2025-06-01T04:30:00Z`.
fn instant(value: &Value) -> Read<i64> {
    let whole = value.as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z'));
    if whole { Ok(json::instant(value)?.div_euclid(1_000)) } else { Err(Code::Malformed) }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    json::list(value, read)
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>, code: Code) -> Read<()> {
    if json::distinct(names) { Ok(()) } else { Err(code) }
}

/// A list that may be left out, of twenty at most.
fn twenty<T>(fields: &Object<'_>, field: &str, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let all = fields.list(field, read)?;
    if all.len() > 20 { Err(Code::TooMany) } else { Ok(all) }
}
