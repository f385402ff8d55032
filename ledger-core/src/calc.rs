//! A year of deals without a ledger: plans, payees and deals go in, who has what and how far every cap is comes out.
//!
//! It is for trying a plan out, for checking a calculation against one made elsewhere, and for tests. Nothing is stored.
//!
//! ```
//! let answer = ledger_core::calc::line(
//!     r#"{"currency":"USD",
//!         "plans":{"standard":{"currency":"USD","zone":"America/New_York","split":{"flat":{"payee":"0.7","company":"0.3"}}}},
//!         "payees":{"ann":{"plans":[{"plan":"standard","from":"2025-01-01"}]}},
//!         "deals":[{"deal":"D1","completed":"2025-06-01","sides":[{"gci":{"amount":"1000 USD"},"payees":[{"payee":"ann"}]}]}]}"#,
//! );
//! assert!(answer.contains(r#""party":{"payee":"ann"},"kind":"share","amount":"700.00 USD""#), "{answer}");
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::Date;
use crate::calendar::{CapYear, CapYearRule, in_range};
use crate::id::{CapProgramme, DealId, PayeeId, PlanId, PoolId, Text};
use crate::malformed;
use crate::money::{Currency, Money};
use crate::rate::{Rate, Rounding, mul_div};
use crate::waterfall::{
    Account, Attained, BonusState, Books, Calculated, Document, Limit, Member, Owner, Plan, PoolTerms, Rejection, Rule,
    Side, calculate, not_negative, room,
};

/// What is to be calculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A name, which the answer repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The currency of everything.
    pub currency: Currency,
    /// The plans.
    #[serde(deserialize_with = "named_once")]
    pub plans: BTreeMap<PlanId, Document>,
    /// The payees.
    #[serde(deserialize_with = "named_once")]
    pub payees: BTreeMap<PayeeId, Payee>,
    /// What was contributed to caps before the first deal.
    #[serde(default)]
    pub caps: Vec<Opening>,
    /// What was attained before the first deal.
    #[serde(default)]
    pub attainments: Vec<AttainedBefore>,
    /// The deals, each on what the former left.
    pub deals: Vec<Deal>,
}

/// A payee, and the plans that hold for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// The day that its own years are derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_on: Option<Date>,
    /// Which plan holds when. No two overlap.
    pub plans: Vec<Assignment>,
}

/// A plan that holds for a payee over a span of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The plan.
    pub plan: PlanId,
    /// The first day.
    pub from: Date,
    /// The day after the last one; open without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// What was contributed to a cap before the first deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The cap.
    pub programme: CapProgramme,
    /// Whose account.
    pub of: Owner,
    /// A day of the year.
    pub on: Date,
    /// How much.
    pub contributed: Money,
}

/// What a payee attained before the first deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttainedBefore {
    /// What it counts to.
    pub programme: CapProgramme,
    /// The payee.
    pub payee: PayeeId,
    /// A day of the year.
    pub on: Date,
    /// The payee's parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// What the payee had of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accrued: Option<Money>,
    /// What the company had of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_dollar: Option<Money>,
    /// How many were sold.
    #[serde(default)]
    pub units: u64,
}

/// A deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    /// Its name.
    pub deal: DealId,
    /// When it was completed.
    pub completed: Completed,
    /// Its sides, in the order in which they are calculated.
    pub sides: Vec<Side>,
}

/// When a deal was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    /// On a day, wherever the payee's plan is.
    On(Date),
    /// At an instant: the day is that of each payee's plan.
    At(DateTime<Utc>),
}

impl fmt::Display for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(day) => day.fmt(f),
            Self::At(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

impl Serialize for Completed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Completed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Completed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day such as 2025-06-01 or an instant such as 2026-01-01T04:30:00Z")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Completed, E> {
                let instant = || DateTime::parse_from_rfc3339(text).map(|instant| Completed::At(instant.to_utc()));
                let invalid = |_| E::invalid_value(de::Unexpected::Str(text), &self);
                text.parse().map(Completed::On).or_else(|_| instant()).map_err(invalid)
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// Reads an object that has each key once. JSON itself takes the last of two, and the other would be lost.
fn named_once<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    struct Read<K, V>(PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de> + Ord + fmt::Display, V: Deserialize<'de>> Visitor<'de> for Read<K, V> {
        type Value = BTreeMap<K, V>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with each name once")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BTreeMap<K, V>, A::Error> {
            let mut all = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<K, V>()? {
                if all.contains_key(&key) {
                    return Err(de::Error::custom(format_args!("{key} is named twice")));
                }
                all.insert(key, value);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_map(Read(PhantomData))
}

/// A case, calculated.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome<'a> {
    /// The case's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<&'a str>,
    /// The deals, as they were given.
    pub deals: Vec<DealOutcome<'a>>,
    /// Every cap that was opened or touched, in the order of its account.
    pub caps: Vec<CapOutcome>,
    /// Every attainment that was opened or touched, in the order of its account.
    pub attainments: Vec<AttainmentOutcome>,
}

/// A deal, calculated.
#[derive(Debug, Clone, Serialize)]
pub struct DealOutcome<'a> {
    /// The deal.
    pub deal: &'a DealId,
    /// Its sides.
    pub sides: Vec<Calculated<'a>>,
}

/// A cap after the last deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapOutcome {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// The limit in force when it was touched last.
    pub limit: Money,
    /// What is contributed.
    pub contributed: Money,
    /// What is left.
    pub room: Money,
    /// Whether nothing is left.
    pub capped: bool,
    /// How much of the limit is contributed, to four decimals.
    pub progress: Rate,
}

/// An attainment after the last deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttainmentOutcome {
    /// What it counts to.
    pub programme: CapProgramme,
    /// The payee.
    pub payee: PayeeId,
    /// The year.
    pub year: CapYear,
    /// What is attained.
    #[serde(flatten)]
    pub attained: Attained,
}

/// A case that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{rejection}")]
pub struct Refusal {
    /// The case's name.
    pub case: Option<String>,
    /// Why.
    pub rejection: Rejection,
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'a> {
            code: &'static str,
            at: &'a str,
            message: String,
        }
        let Rejection { at, rule } = &self.rejection;
        let mut refusal = serializer.serialize_struct("Refusal", 2)?;
        if let Some(case) = &self.case {
            refusal.serialize_field("case", case)?;
        }
        refusal.serialize_field("error", &Told { code: rule.code(), at, message: rule.to_string() })?;
        refusal.end()
    }
}

/// Calculates a case: the deals in their order, each on what the former left.
///
/// # Errors
/// [`Refusal`] of the whole case, with the field and the rule.
pub fn run(case: &Case) -> Result<Outcome<'_>, Refusal> {
    calculate_case(case).map_err(|rejection| Refusal { case: case.case.clone(), rejection })
}

/// Reads a case from JSON.
///
/// # Errors
/// [`Refusal`] of what is no case, with the place.
pub fn read(text: &str) -> Result<Case, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        let rejection = Rejection { at: malformed::place(text, &error), rule: Rule::Malformed(error.to_string()) };
        Refusal { case: malformed::name(text), rejection }
    })
}

/// Reads a case from one line of JSON and answers it with another: the [`Outcome`] or the [`Refusal`].
#[must_use]
pub fn line(text: &str) -> String {
    let answer = match read(text).as_ref().map_err(Clone::clone).and_then(run) {
        Ok(outcome) => serde_json::to_string(&outcome),
        Err(refusal) => serde_json::to_string(&refusal),
    };
    // Values of the domain have string keys and no floats, so there is nothing that JSON cannot say.
    answer.unwrap_or_default()
}

/// What is counted, from deal to deal.
#[derive(Default)]
struct Counted {
    caps: BTreeMap<Account, (Money, Money)>,
    attained: BTreeMap<Account, Attained>,
    /// The bonuses that were paid once a threshold was met.
    bonuses: BTreeSet<(Account, Text)>,
}

impl Books for Counted {
    fn contributed(&self, account: &Account) -> Option<Money> {
        self.caps.get(account).map(|(_, contributed)| *contributed)
    }

    fn attained(&self, account: &Account) -> Option<Attained> {
        self.attained.get(account).copied()
    }

    fn bonus(&self, account: &Account, name: &Text) -> Option<BonusState> {
        self.bonuses.contains(&(account.clone(), name.clone())).then_some(BonusState::Paid)
    }
}

fn calculate_case(case: &Case) -> Result<Outcome<'_>, Rejection> {
    let plans = plans(case)?;
    let payees: BTreeMap<&PayeeId, Assigned<'_>> = case
        .payees
        .iter()
        .map(|(id, payee)| {
            let assigned =
                Assigned::new(&plans, id, payee).map_err(|error| error.within(format_args!("payees.{id}")))?;
            Ok((id, assigned))
        })
        .collect::<Result<_, Rejection>>()?;
    let mut counted = Counted::default();
    for (index, opening) in case.caps.iter().enumerate() {
        let at = |error: Rejection| error.within(format_args!("caps.{index}"));
        open(case, &plans, &payees, opening, &mut counted).map_err(at)?;
    }
    for (index, before) in case.attainments.iter().enumerate() {
        let at = |error: Rejection| error.within(format_args!("attainments.{index}"));
        open_attainment(case, &payees, before, &mut counted).map_err(at)?;
    }
    let (mut deals, mut names) = (Vec::with_capacity(case.deals.len()), BTreeSet::new());
    for (index, deal) in case.deals.iter().enumerate() {
        let at = |error: Rejection| error.within(format_args!("deals.{index}"));
        if !names.insert(&deal.deal) {
            return Err(at(Rule::NamedTwice { name: deal.deal.to_string() }.at("deal")));
        }
        deals.push(calculate_deal(&payees, deal, &mut counted).map_err(at)?);
    }
    let caps = counted.caps.into_iter().map(|(account, (limit, contributed))| cap_outcome(account, limit, contributed));
    let caps = caps.collect::<Result<_, _>>().map_err(|rule| rule.at("caps"))?;
    let attainments = counted.attained.into_iter().filter_map(|(account, attained)| {
        let Account { programme, of: Owner::Payee(payee), year } = account else { return None };
        Some(AttainmentOutcome { programme, payee, year, attained })
    });
    Ok(Outcome { case: case.case.as_deref(), deals, caps, attainments: attainments.collect() })
}

fn calculate_deal<'a>(
    payees: &BTreeMap<&'a PayeeId, Assigned<'a>>,
    deal: &'a Deal,
    counted: &mut Counted,
) -> Result<DealOutcome<'a>, Rejection> {
    let mut members: Vec<Member<'a>> = Vec::new();
    for (side, terms) in deal.sides.iter().enumerate() {
        for (place, sharer) in terms.payees.iter().enumerate() {
            let at = |rule: Rule| rule.at(format_args!("sides.{side}.payees.{place}"));
            if members.iter().all(|member| *member.payee != sharer.payee) {
                let (id, payee) = payees
                    .get_key_value(&sharer.payee)
                    .ok_or_else(|| at(Rule::UnknownPayee { payee: sharer.payee.clone() }))?;
                members.push(payee.member(id, deal.completed).map_err(at)?);
            }
        }
    }
    let calculation = calculate(&deal.sides, &members, counted)?;
    for cap in calculation.contributions {
        counted.caps.insert(cap.account, (cap.limit, cap.after));
    }
    for progress in calculation.progress {
        counted.bonuses.extend(progress.pays.into_iter().map(|name| (progress.account.clone(), name)));
        counted.attained.insert(progress.account, progress.after);
    }
    Ok(DealOutcome { deal: &deal.deal, sides: calculation.sides })
}

/// The plans, each valid, and none against another.
fn plans(case: &Case) -> Result<BTreeMap<&PlanId, Plan<'_>>, Rejection> {
    let mut plans = BTreeMap::new();
    let mut programmes: BTreeMap<&CapProgramme, CapYearRule> = BTreeMap::new();
    let mut caps: BTreeMap<&CapProgramme, bool> = BTreeMap::new();
    let mut pools: BTreeMap<(&CapProgramme, &PoolId), PoolTerms> = BTreeMap::new();
    for (id, document) in &case.plans {
        let at = |error: Rejection| error.within(format_args!("plans.{id}"));
        if document.currency != case.currency {
            let rule = Rule::WrongCurrency { found: document.currency, expected: case.currency };
            return Err(at(rule.at("currency")));
        }
        plans.insert(id, Plan::new(id, document).map_err(at)?);
        let differ = |programme: &CapProgramme, what| Rule::ProgrammesDiffer { programme: programme.clone(), what };
        if let Some(attainment) = &document.attainment
            && *programmes.entry(&attainment.programme).or_insert(attainment.year) != attainment.year
        {
            return Err(at(differ(&attainment.programme, "year").at("attainment.year")));
        }
        for (field, limit) in document.limits() {
            let Limit { programme, pool, year, .. } = limit;
            let at = |name: &str, what| at(differ(programme, what).at(name).within(field));
            if *programmes.entry(programme).or_insert(year) != year {
                return Err(at("year", "year"));
            }
            if *caps.entry(programme).or_insert(pool.is_some()) != pool.is_some() {
                return Err(at("of", "kind of account"));
            }
            let Some((pool, terms)) = document.pool(&limit) else { continue };
            if *pools.entry((programme, pool)).or_insert(terms) != terms {
                return Err(at("limit", "limit, portion, crossing or rounding"));
            }
        }
    }
    Ok(plans)
}

/// A payee with the plans that hold for it.
struct Assigned<'a> {
    joined_on: Option<Date>,
    spans: Vec<(&'a Assignment, Plan<'a>)>,
}

impl Assignment {
    fn covers(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.until.is_none_or(|until| other.from < until) && other.until.is_none_or(|until| self.from < until)
    }
}

impl<'a> Assigned<'a> {
    fn new(plans: &BTreeMap<&PlanId, Plan<'a>>, id: &PayeeId, payee: &'a Payee) -> Result<Self, Rejection> {
        if let Some(day) = payee.joined_on {
            in_range(day).map_err(|error| Rule::from(error).at("joined_on"))?;
        }
        let mut spans: Vec<(&Assignment, Plan<'_>)> = Vec::with_capacity(payee.plans.len());
        for (place, assignment) in payee.plans.iter().enumerate() {
            let at = |rule: Rule| rule.at(format_args!("plans.{place}"));
            let plan = plans.get(&assignment.plan).copied();
            let plan = plan.ok_or_else(|| at(Rule::UnknownPlan { plan: assignment.plan.clone() }))?;
            if assignment.until.is_some_and(|until| until <= assignment.from) {
                return Err(at(Rule::Malformed("an assignment has at least one day".into())));
            }
            if let Some((other, _)) = spans.iter().find(|(other, _)| other.overlaps(assignment)) {
                let (first, second) = (other.plan.clone(), assignment.plan.clone());
                return Err(at(Rule::OverlappingPlans { payee: id.clone(), first, second }));
            }
            spans.push((assignment, plan));
        }
        Ok(Self { joined_on: payee.joined_on, spans })
    }

    /// The payee under the plan that holds: each plan says itself what day an instant is.
    fn member(&self, id: &'a PayeeId, completed: Completed) -> Result<Member<'a>, Rule> {
        let mut found: Option<Member<'a>> = None;
        for (assignment, plan) in &self.spans {
            let day = match completed {
                Completed::On(day) => day,
                Completed::At(instant) => plan.document().zone.local_date(instant),
            };
            in_range(day)?;
            if !assignment.covers(day) {
                continue;
            }
            if let Some(other) = found {
                let (first, second) = (other.plan.id().clone(), plan.id().clone());
                return Err(Rule::OverlappingPlans { payee: id.clone(), first, second });
            }
            found = Some(Member { payee: id, plan: *plan, joined_on: self.joined_on, day });
        }
        found.ok_or_else(|| Rule::NoPlan { payee: id.clone(), day: completed.to_string() })
    }
}

fn open(
    case: &Case,
    plans: &BTreeMap<&PlanId, Plan<'_>>,
    payees: &BTreeMap<&PayeeId, Assigned<'_>>,
    opening: &Opening,
    counted: &mut Counted,
) -> Result<(), Rejection> {
    let Opening { programme, of, on, contributed } = opening;
    not_negative(*contributed, case.currency).map_err(|rule| rule.at("contributed"))?;
    let unknown = || Rule::NoProgramme { programme: programme.clone(), day: *on }.at("programme");
    let (limit, rounding, joined_on) = match of {
        Owner::Payee(id) => {
            let payee = payees.get(id).ok_or_else(|| Rule::UnknownPayee { payee: id.clone() }.at("of"))?;
            let member = payee.member(id, Completed::On(*on)).map_err(|rule| rule.at("on"))?;
            let (limit, rounding) = in_plan(&member.plan, programme, None).ok_or_else(unknown)?;
            (limit, rounding, member.joined_on)
        }
        Owner::Pool(pool) => {
            let (limit, rounding) =
                plans.values().find_map(|plan| in_plan(plan, programme, Some(pool))).ok_or_else(unknown)?;
            (limit, rounding, None)
        }
    };
    let year = limit.year.year_of(joined_on, *on).map_err(|error| Rule::from(error).at("on"))?;
    let limit = limit.in_force(year, joined_on, rounding).map_err(|rule| rule.at("programme"))?;
    let account = Account { programme: programme.clone(), of: of.clone(), year };
    if counted.caps.insert(account, (limit, *contributed)).is_some() {
        return Err(Rule::NamedTwice { name: programme.to_string() }.at(""));
    }
    Ok(())
}

/// What a plan says of a programme, and how it rounds.
fn in_plan<'a>(plan: &Plan<'a>, programme: &CapProgramme, pool: Option<&PoolId>) -> Option<(Limit<'a>, Rounding)> {
    let document = plan.document();
    let mut limits = document.limits().map(|(_, limit)| limit);
    let limit = limits.find(|limit| limit.programme == programme && limit.pool == pool)?;
    Some((limit, document.rounding))
}

fn open_attainment(
    case: &Case,
    payees: &BTreeMap<&PayeeId, Assigned<'_>>,
    before: &AttainedBefore,
    counted: &mut Counted,
) -> Result<(), Rejection> {
    let AttainedBefore { programme, payee: id, on, revenue, accrued, company_dollar, units } = before;
    let payee = payees.get(id).ok_or_else(|| Rule::UnknownPayee { payee: id.clone() }.at("payee"))?;
    let member = payee.member(id, Completed::On(*on)).map_err(|rule| rule.at("on"))?;
    let attainment = member.plan.document().attainment.as_ref().filter(|known| known.programme == *programme);
    let attainment =
        attainment.ok_or_else(|| Rule::NoProgramme { programme: programme.clone(), day: *on }.at("programme"))?;
    let year = attainment.year.year_of(member.joined_on, *on).map_err(|error| Rule::from(error).at("on"))?;
    let amount = |name: &str, amount: Option<Money>| {
        let amount = amount.unwrap_or(Money::zero(case.currency));
        not_negative(amount, case.currency).map(|()| amount).map_err(|rule| rule.at(name))
    };
    let attained = Attained {
        units: *units,
        revenue: amount("revenue", *revenue)?,
        accrued: amount("accrued", *accrued)?,
        company_dollar: amount("company_dollar", *company_dollar)?,
    };
    let account = Account { programme: programme.clone(), of: Owner::Payee(id.clone()), year };
    if counted.attained.insert(account, attained).is_some() {
        return Err(Rule::NamedTwice { name: programme.to_string() }.at(""));
    }
    Ok(())
}

fn cap_outcome(account: Account, limit: Money, contributed: Money) -> Result<CapOutcome, Rule> {
    let room = room(limit, contributed)?;
    let progress = progress(limit, contributed)?;
    Ok(CapOutcome { account, limit, contributed, room, capped: room.is_zero(), progress })
}

/// How much of a limit is contributed, from 0 to 1. A limit of nothing is reached.
fn progress(limit: Money, contributed: Money) -> Result<Rate, Rule> {
    if !limit.is_positive() || limit.minus(contributed)?.is_negative() {
        return Ok(Rate::ONE);
    }
    let parts = mul_div(contributed.minor().into(), 10_000, limit.minor().into(), Rounding::HalfAwayFromZero)?;
    Rate::from_decimal(rust_decimal::Decimal::from_i128_with_scale(parts, 4)).map_err(|_| Rule::Overflow)
}
