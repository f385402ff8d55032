//! Reads a case, strictly: what is not as it must be is refused with the rule that it breaks.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde_json::Value;

use super::Code;
use super::exact::{Exact, sum};
use super::terms::{
    Case, Class, Deal, Limit, Line, Model, Override, Payee, Pays, Per, Plan, Rule, Spent, Sum, Touch, Types, Weights,
    When,
};
use crate::act::{Code as Currency, Day};
use crate::model::calendar;
use crate::model::json::{
    Malformed, Object, count, currency, distinct, list, name, named, named_by, rate, text, variant,
};
use crate::model::{json, names};

type Read<T> = Result<T, Code>;

const MOST_TOUCHES: usize = 100_000;
const MOST_RULES: usize = 1_000;
const MOST_CUSTOM: usize = 50;
const MOST_MONTHS: u32 = 1_200;

impl From<Malformed> for Code {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

pub(super) fn case(input: &str) -> Read<Case> {
    let value: Value = serde_json::from_str(input).map_err(|_| Code::Malformed)?;
    let fields = ["case", "currency", "zone", "payees", "models", "rates", "first_commissions", "spent", "deals"];
    let fields = Object::of(&value, &fields)?;
    let zone = fields.maybe("zone", zone)?.unwrap_or(Tz::UTC);
    let read = Reader { currency: currency(fields.get("currency")?)?, zone };
    let case = Case {
        name: fields.maybe("case", text)?,
        currency: read.currency,
        payees: named(fields.get("payees")?, payee)?,
        models: named_by(is_document, fields.get("models")?, model)?,
        plans: named_by(is_document, fields.get("rates")?, rates)?,
        first_commissions: fields.list("first_commissions", first_commission)?,
        spent: fields.list("spent", |spent| read.spent(spent))?,
        deals: list(fields.get("deals")?, |deal| read.deal(deal))?,
    };
    once(case.deals.iter().map(|deal| deal.name.as_str()), Code::NamedTwice)?;
    agree(&case)?;
    Ok(case)
}

/// A rate plan alone, by its own currency.
pub(super) fn rates(value: &Value) -> Read<Plan> {
    Reader { currency: currency(value.get("currency").ok_or(Code::Malformed)?)?, zone: Tz::UTC }.plan(value)
}

/// Whatever is named is there.
fn agree(case: &Case) -> Read<()> {
    let deals = || case.deals.iter();
    let payees = (case.first_commissions.iter().map(|(payee, _, _)| payee))
        .chain(case.spent.iter().map(|spent| &spent.payee))
        .chain(case.plans.values().flat_map(|plan| &plan.overrides).flat_map(|rule| [&rule.of, &rule.to]))
        .chain(deals().flat_map(|deal| &deal.registered_by))
        .chain(deals().flat_map(|deal| &deal.touches).map(|touch| &touch.payee))
        .chain(deals().flat_map(|deal| deal.custom.iter().chain(&deal.overlays)).map(|(payee, _)| payee));
    let plans = (case.payees.values().filter_map(|payee| payee.plan.as_ref()))
        .chain(case.spent.iter().map(|spent| &spent.plan))
        .chain(deals().filter_map(|deal| deal.plan.as_ref()));
    known(payees, &case.payees, Code::UnknownPayee)?;
    known(plans, &case.plans, Code::UnknownRates)?;
    known(deals().map(|deal| &deal.model), &case.models, Code::UnknownModel)?;
    for deal in deals() {
        // Whatever pays a deal is in its currency; whose own plan is not is asked when it is paid.
        let plan = deal.plan.as_ref().and_then(|plan| case.plans.get(plan));
        if plan.is_some_and(|plan| plan.currency != case.currency) {
            return Err(Code::WrongCurrency);
        }
        let custom = case.models.get(&deal.model).is_some_and(|model| matches!(model.rule, Rule::Custom(_)));
        if custom && !deal.touches.is_empty() || !custom && !deal.custom.is_empty() {
            return Err(Code::Conflicting);
        }
    }
    Ok(())
}

/// The name of a document, or of a version of one as a ledger's own cases write it.
fn is_document(text: &str) -> bool {
    let of_version = |(name, version): (&str, &str)| names::is_name(name) && version.parse::<u32>().is_ok();
    names::is_name(text) || text.rsplit_once(".v").is_some_and(of_version)
}

fn document(value: &Value) -> Read<String> {
    value.as_str().filter(|text| is_document(text)).map(ToOwned::to_owned).ok_or(Code::Malformed)
}

fn known<'a, T>(mut names: impl Iterator<Item = &'a String>, there: &BTreeMap<String, T>, code: Code) -> Read<()> {
    if names.all(|name| there.contains_key(name)) { Ok(()) } else { Err(code) }
}

fn once<'a>(names: impl Iterator<Item = &'a str>, code: Code) -> Read<()> {
    if distinct(names) { Ok(()) } else { Err(code) }
}

fn at_most<T>(most: usize, all: Vec<T>) -> Read<Vec<T>> {
    if all.len() > most { Err(Code::TooMany) } else { Ok(all) }
}

fn day(value: &Value) -> Read<Day> {
    calendar::in_range(json::day(value)?).map_err(|_| Code::Year)
}

fn instant(value: &Value) -> Read<i64> {
    let at = json::instant(value)?;
    calendar::today(at.div_euclid(1_000), chrono_tz::UTC).map_err(|_| Code::Year)?;
    Ok(at)
}

fn zone(value: &Value) -> Read<Tz> {
    text(value)?.parse().map_err(|_| Code::Malformed)
}

fn share(value: &Value) -> Read<Exact> {
    let share = rate(value)?;
    if share > Exact::one() { Err(Code::RateOutOfBounds) } else { Ok(share) }
}

fn payee(value: &Value) -> Read<Payee> {
    let fields = Object::of(value, &["type", "tier", "class", "rates"])?;
    Ok(Payee {
        kind: fields.maybe("type", name)?,
        tier: fields.maybe("tier", name)?,
        class: fields.maybe("class", name)?,
        plan: fields.maybe("rates", document)?,
    })
}

fn first_commission(value: &Value) -> Read<(String, String, Day)> {
    let fields = Object::of(value, &["payee", "customer", "on"])?;
    Ok((name(fields.get("payee")?)?, name(fields.get("customer")?)?, day(fields.get("on")?)?))
}

/// Things with weights, none of them twice.
fn weights(value: &Value, thing: &str, weight: impl Fn(&Value) -> Read<Exact>) -> Read<Weights> {
    let all: Weights = list(value, |value| {
        let fields = Object::of(value, &[thing, "weight"])?;
        Ok::<_, Code>((name(fields.get(thing)?)?, weight(fields.get("weight")?)?))
    })?;
    once(all.iter().map(|(name, _)| name.as_str()), Code::NamedTwice)?;
    Ok(all)
}

fn custom(value: &Value) -> Read<Weights> {
    weights(value, "payee", |weight| Ok(rate(weight)?))
}

/// Shares of a whole, with which another goes.
fn shares(value: &Value, thing: &str, and: &Exact) -> Read<Weights> {
    let all = weights(value, thing, share)?;
    whole(all.iter().map(|(_, share)| share).chain([and]))?;
    Ok(all)
}

fn whole<'a>(shares: impl Iterator<Item = &'a Exact>) -> Read<()> {
    if sum(shares) > Exact::one() { Err(Code::WeightsDoNotSum) } else { Ok(()) }
}

/// Whether somebody can have a part.
fn somebody<'a>(mut weights: impl Iterator<Item = &'a Exact>) -> Read<()> {
    if weights.any(Exact::is_positive) { Ok(()) } else { Err(Code::Nobody) }
}

fn types(value: &Value) -> Read<Vec<String>> {
    let all: Vec<String> = list(value, name)?;
    once(all.iter().map(String::as_str), Code::NamedTwice)?;
    Ok(all)
}

pub(super) fn model(value: &Value) -> Read<Model> {
    let fields = Object::of(value, &["model", "types", "lookback_days", "registration"])?;
    let types = fields.maybe("types", |value| match variant(value)? {
        ("only", value) => types(value).map(Types::Only),
        ("except", value) => types(value).map(Types::Except),
        _ => Err(Code::Malformed),
    })?;
    let rule = rule(fields.get("model")?)?;
    if matches!(&types, Some(Types::Only(none)) if none.is_empty()) && !matches!(rule, Rule::Custom(_)) {
        return Err(Code::Nobody);
    }
    Ok(Model {
        rule,
        types: types.unwrap_or_else(|| Types::Except(vec!["crm_sync".to_owned()])),
        lookback: fields.maybe("lookback_days", count)?.map(|days| i64::from(days) * calendar::DAY_MILLIS),
        registration_wins: fields.word("registration", &["wins", "ignored"])? == 0,
    })
}

fn rule(value: &Value) -> Read<Rule> {
    let (kind, value) = variant(value)?;
    let plain = |rule| Object::of(value, &[]).map(|_| rule);
    Ok(match kind {
        "first_touch" => plain(Rule::FirstTouch)?,
        "last_touch" => plain(Rule::LastTouch)?,
        "equal" => plain(Rule::Equal)?,
        "linear" => plain(Rule::Linear)?,
        "time_decay" => match count(Object::of(value, &["half_life_days"])?.get("half_life_days")?)? {
            0 => return Err(Code::NotPositive),
            days => Rule::TimeDecay(i64::from(days) * calendar::DAY_MILLIS),
        },
        "u_shaped" => {
            let fields = Object::of(value, &["first", "last"])?;
            let (first, last) = (share(fields.get("first")?)?, share(fields.get("last")?)?);
            whole([&first, &last].into_iter())?;
            somebody([&first, &last].into_iter())?;
            Rule::UShaped { first, last }
        }
        "milestones" => {
            let fields = Object::of(value, &["milestones", "rest"])?;
            let rest = fields.maybe("rest", share)?.unwrap_or_else(Exact::zero);
            let milestones = shares(fields.get("milestones")?, "milestone", &rest)?;
            somebody(milestones.iter().map(|(_, weight)| weight).chain([&rest]))?;
            Rule::Milestones { milestones, rest }
        }
        "role_based" => {
            let fields = Object::of(value, &["weights", "other"])?;
            Rule::RoleBased { weights: named(fields.get("weights")?, rate)?, other: fields.maybe("other", rate)? }
        }
        "role_weighted" => {
            let fields = Object::of(value, &["roles"])?;
            let roles = shares(fields.get("roles")?, "role", &Exact::zero())?;
            somebody(roles.iter().map(|(_, weight)| weight))?;
            Rule::RoleWeighted(roles)
        }
        "implementation" => Rule::Implementation(types(Object::of(value, &["types"])?.get("types")?)?),
        "co_sell" => {
            let classes: Vec<Class> = list(Object::of(value, &["classes"])?.get("classes")?, class)?;
            once(classes.iter().map(|class| class.class.as_str()), Code::NamedTwice)?;
            whole(classes.iter().map(|class| &class.weight))?;
            let of_some = |class: &&Class| {
                class.roles.as_ref().is_none_or(|roles| roles.iter().any(|(_, weight)| weight.is_positive()))
            };
            somebody(classes.iter().filter(of_some).map(|class| &class.weight))?;
            Rule::CoSell(classes)
        }
        "custom" => match Object::of(value, &["sum"])?.word("sum", &["strict", "normalise", "residual_to_house"])? {
            0 => Rule::Custom(Sum::Strict),
            1 => Rule::Custom(Sum::Normalise),
            _ => Rule::Custom(Sum::ResidualToHouse),
        },
        _ => return Err(Code::Malformed),
    })
}

fn class(value: &Value) -> Read<Class> {
    let fields = Object::of(value, &["class", "weight", "roles"])?;
    let roles = fields.maybe("roles", |roles| shares(roles, "role", &Exact::zero()))?;
    Ok(Class {
        class: name(fields.get("class")?)?,
        weight: share(fields.get("weight")?)?,
        roles: roles.filter(|roles| !roles.is_empty()),
    })
}

fn touch(value: &Value) -> Read<Touch> {
    let fields = Object::of(value, &["touch", "payee", "type", "at", "weight", "role", "milestones"])?;
    Ok(Touch {
        name: name(fields.get("touch")?)?,
        payee: name(fields.get("payee")?)?,
        kind: name(fields.get("type")?)?,
        at: instant(fields.get("at")?)?,
        weight: fields.maybe("weight", rate)?,
        role: fields.maybe("role", name)?,
        milestones: fields.list("milestones", name)?,
    })
}

/// The touches, each of them once.
fn touches(value: &Value) -> Read<Vec<Touch>> {
    let mut kept: Vec<Touch> = Vec::new();
    let mut places = BTreeMap::new();
    for touch in at_most(MOST_TOUCHES, list(value, touch)?)? {
        match places.get(&touch.name).and_then(|place: &usize| kept.get(*place)) {
            Some(before) if *before == touch => {}
            Some(_) => return Err(Code::NamedTwice),
            None => {
                places.insert(touch.name.clone(), kept.len());
                kept.push(touch);
            }
        }
    }
    Ok(kept)
}

/// What reads amounts of a currency, and deals whose days begin in a zone.
struct Reader {
    currency: Currency,
    zone: Tz,
}

impl Reader {
    fn amount(&self, value: &Value) -> Read<Exact> {
        let (units, currency) = json::amount(value)?;
        if currency == self.currency { Ok(units) } else { Err(Code::WrongCurrency) }
    }

    /// An amount that is not below zero.
    fn sum(&self, value: &Value) -> Read<Exact> {
        self.amount(value).and_then(|units| if units.is_negative() { Err(Code::Negative) } else { Ok(units) })
    }

    fn spent(&self, value: &Value) -> Read<Spent> {
        let fields = Object::of(value, &["rates", "payee", "on", "amount"])?;
        Ok(Spent {
            plan: document(fields.get("rates")?)?,
            payee: name(fields.get("payee")?)?,
            on: day(fields.get("on")?)?,
            amount: self.sum(fields.get("amount")?)?,
        })
    }

    fn deal(&self, value: &Value) -> Read<Deal> {
        let fields = [
            "deal",
            "customer",
            "programme",
            "model",
            "rates",
            "amount",
            "lines",
            "completed_at",
            "cutoff",
            "registered_by",
            "touches",
            "custom",
            "overlays",
            "collected",
        ];
        let fields = Object::of(value, &fields)?;
        let lines: Vec<Line> = fields.list("lines", |line| self.line(line))?;
        let lines = Some(lines).filter(|lines| !lines.is_empty());
        let amount = match (fields.maybe("amount", |amount| self.amount(amount))?, &lines) {
            (Some(amount), None) => amount,
            (None, Some(lines)) => sum(lines.iter().map(|line| &line.amount)),
            _ => return Err(Code::Conflicting),
        };
        if !amount.fits() {
            return Err(Code::Overflow);
        }
        let collected: Vec<Exact> = fields.list("collected", |payment| self.sum(payment))?;
        if sum(&collected) > amount.clone().max(amount.negated()) {
            return Err(Code::TooMuchCollected);
        }
        let completed_at = instant(fields.get("completed_at")?)?;
        Ok(Deal {
            name: name(fields.get("deal")?)?,
            customer: fields.maybe("customer", name)?,
            programme: fields.maybe("programme", name)?,
            model: document(fields.get("model")?)?,
            plan: fields.maybe("rates", document)?,
            amount,
            lines,
            completed_at,
            on: calendar::today(completed_at.div_euclid(1_000), self.zone).map_err(|_| Code::Year)?,
            cutoff: fields.maybe("cutoff", instant)?,
            registered_by: fields.maybe("registered_by", name)?,
            touches: fields.maybe("touches", touches)?.unwrap_or_default(),
            custom: at_most(MOST_CUSTOM, fields.maybe("custom", custom)?.unwrap_or_default())?,
            overlays: at_most(
                MOST_CUSTOM,
                fields.maybe("overlays", |all| weights(all, "payee", share))?.unwrap_or_default(),
            )?,
            collected,
        })
    }

    fn line(&self, value: &Value) -> Read<Line> {
        let fields = Object::of(value, &["amount", "product_line", "units", "unit_cost"])?;
        Ok(Line {
            amount: self.amount(fields.get("amount")?)?,
            product_line: fields.maybe("product_line", name)?,
            units: fields.maybe("units", count)?.map_or_else(Exact::one, Exact::whole),
            unit_cost: fields.maybe("unit_cost", |cost| self.sum(cost))?,
        })
    }

    fn plan(&self, value: &Value) -> Read<Plan> {
        let fields = [
            "currency",
            "rounding",
            "base",
            "eligible",
            "rules",
            "otherwise",
            "bounds",
            "minimum",
            "maximum",
            "spend_limit",
            "max_duration_months",
            "earned",
            "overrides",
        ];
        let fields = Object::of(value, &fields)?;
        let plan = Plan {
            currency: self.currency,
            half_even: fields.word("rounding", &["half_away_from_zero", "half_even"])? == 1,
            margin: fields.word("base", &["amount", "margin"])? == 1,
            eligible: fields.maybe("eligible", types)?,
            rules: at_most(MOST_RULES, fields.list("rules", |when| self.when(when))?)?,
            otherwise: fields.maybe("otherwise", |pays| self.pays(pays))?,
            minimum: fields.maybe("minimum", |amount| self.sum(amount))?,
            maximum: fields.maybe("maximum", |amount| self.sum(amount))?,
            limit: fields.maybe("spend_limit", |limit| self.limit(limit))?,
            max_months: fields.maybe("max_duration_months", count)?,
            as_collected: fields.word("earned", &["on_invoice", "as_collected"])? == 1,
            overrides: fields.list("overrides", override_of)?,
        };
        once(plan.rules.iter().map(|when| when.rule.as_str()), Code::NamedTwice)?;
        let mut priorities: Vec<u32> = plan.rules.iter().map(|when| when.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let upside_down = plan.minimum.as_ref().zip(plan.maximum.as_ref()).is_some_and(|(least, most)| least > most);
        if priorities.len() < plan.rules.len() || upside_down {
            return Err(Code::Conflicting);
        }
        let (from, to) = fields.maybe("bounds", bounds)?.unwrap_or((Exact::zero(), Exact::one()));
        let pays = plan.rules.iter().map(|when| &when.pays).chain(&plan.otherwise);
        let mut rates = pays.filter_map(|pays| if let Pays::Rate(rate) = pays { Some(rate) } else { None });
        if rates.any(|rate| *rate < from || *rate > to) {
            return Err(Code::RateOutOfBounds);
        }
        if plan.max_months.is_some_and(|months| months > MOST_MONTHS) {
            return Err(Code::TooMany);
        }
        let overrides: BTreeSet<_> = plan.overrides.iter().map(|rule| (&rule.name, &rule.of, &rule.to)).collect();
        if overrides.len() < plan.overrides.len() {
            return Err(Code::NamedTwice);
        }
        for rule in &plan.overrides {
            whole(plan.overrides.iter().filter(|other| other.of == rule.of).map(|other| &other.rate))?;
        }
        for when in &plan.rules {
            let idle = |line: &String| plan.eligible.as_ref().is_some_and(|eligible| !eligible.contains(line));
            let mut before = plan.rules.iter().filter(|other| other.priority < when.priority);
            if when.product_line.as_ref().is_some_and(idle) || before.any(|other| leaves_nothing(other, when)) {
                return Err(Code::NeverReached);
            }
        }
        Ok(plan)
    }

    fn when(&self, value: &Value) -> Read<When> {
        let fields = Object::of(value, &["rule", "priority", "when", "pays"])?;
        let nothing = Value::Object(serde_json::Map::new());
        let when = if fields.has("when") { fields.get("when")? } else { &nothing };
        let when = Object::of(when, &["programme", "payee_type", "tier", "product_line", "deal_from"])?;
        Ok(When {
            rule: text(fields.get("rule")?)?,
            priority: count(fields.get("priority")?)?,
            programme: when.maybe("programme", name)?,
            payee_type: when.maybe("payee_type", name)?,
            tier: when.maybe("tier", name)?,
            product_line: when.maybe("product_line", name)?,
            deal_from: when.maybe("deal_from", |amount| self.sum(amount))?,
            pays: self.pays(fields.get("pays")?)?,
        })
    }

    fn pays(&self, value: &Value) -> Read<Pays> {
        match variant(value)? {
            ("rate", value) => Ok(Pays::Rate(rate(value)?)),
            ("per_unit", value) => self.sum(value).map(Pays::PerUnit),
            _ => Err(Code::Malformed),
        }
    }

    fn limit(&self, value: &Value) -> Read<Limit> {
        let fields = Object::of(value, &["amount", "per", "zone"])?;
        fields.get("per")?;
        Ok(Limit {
            amount: self.sum(fields.get("amount")?)?,
            per: match fields.word("per", &["month", "year", "deal"])? {
                0 => Per::Month,
                1 => Per::Year,
                _ => Per::Deal,
            },
            zone: zone(fields.get("zone")?)?,
        })
    }
}

/// Whether a rule takes every deal that comes to another one after it.
fn leaves_nothing(first: &When, second: &When) -> bool {
    let stated = |of: &When| [of.programme.clone(), of.payee_type.clone(), of.tier.clone(), of.product_line.clone()];
    let narrower = stated(first).iter().zip(&stated(second)).any(|(first, second)| first.is_some() && first != second);
    let from = |of: &When| of.deal_from.clone().unwrap_or_else(Exact::zero);
    !narrower && from(first) <= from(second)
}

fn bounds(value: &Value) -> Read<(Exact, Exact)> {
    let fields = Object::of(value, &["from", "to"])?;
    let (from, to) = (rate(fields.get("from")?)?, rate(fields.get("to")?)?);
    if from > to { Err(Code::Conflicting) } else { Ok((from, to)) }
}

fn override_of(value: &Value) -> Read<Override> {
    let fields = Object::of(value, &["name", "of", "to", "rate"])?;
    let (of, to) = (name(fields.get("of")?)?, name(fields.get("to")?)?);
    if of == to {
        return Err(Code::Conflicting);
    }
    Ok(Override { name: text(fields.get("name")?)?, of, to, rate: share(fields.get("rate")?)? })
}
