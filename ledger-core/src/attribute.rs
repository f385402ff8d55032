//! Attribution as a calculator: deals with their touches in, credits and commissions out, with the reasons. It stores nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::allocation::{AllocationError, allocate_wide};
use crate::attribution::Weight;
use crate::calendar::{Zone, in_range};
use crate::chain::Digest;
use crate::credit::distinct;
use crate::credit::explain::{Credited, Earned, Share, Unpaid, with_words};
use crate::credit::model::{self, Claims};
use crate::credit::rates::{self, History, RatePlan, Released, Sale};
use crate::credit::refuse::{Fault, Rejection, none_twice};
use crate::credit::terms::{Deal, Payee, not_negative};
use crate::id::{CustomerId, DealId, ModelId, PayeeId, RatesId, Text};
use crate::limits::{ENTRIES_PER_CASE, PAYEES_PER_DEAL, TOUCHES_PER_DEAL};
use crate::malformed;
use crate::money::{Currency, Money};
use crate::rate::{Rate, Rounding};

/// A sequence of deals, and the documents by which they are credited and paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the answer is to be found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The currency of everything but the rate plans that pay nothing.
    pub currency: Currency,
    /// Where the days of deals begin.
    #[serde(default, skip_serializing_if = "Zone::is_utc")]
    pub zone: Zone,
    /// Everybody who is named.
    #[serde(deserialize_with = "distinct")]
    pub payees: BTreeMap<PayeeId, Payee>,
    /// The models.
    #[serde(deserialize_with = "distinct")]
    pub models: BTreeMap<ModelId, model::Document>,
    /// The rate plans.
    #[serde(deserialize_with = "distinct")]
    pub rates: BTreeMap<RatesId, rates::Document>,
    /// First commissions from before the first deal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_commissions: Vec<FirstCommission>,
    /// What counts to spend limits from before the first deal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<Spent>,
    /// The deals, each on what the former ones left.
    pub deals: Vec<Deal>,
}

/// When a payee first earned on a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstCommission {
    /// The payee.
    pub payee: PayeeId,
    /// The customer.
    pub customer: CustomerId,
    /// The day. Of several, the earliest counts.
    pub on: Date,
}

/// What a payee earned by a rate plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The rate plan.
    pub rates: RatesId,
    /// The payee.
    pub payee: PayeeId,
    /// The day.
    pub on: Date,
    /// The amount.
    pub amount: Money,
}

/// What came out of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What the case was found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The deals, in their order.
    pub deals: Vec<Attributed>,
}

/// One deal, credited and paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attributed {
    /// The deal.
    pub deal: DealId,
    /// The one model by which it is attributed.
    pub model: ModelId,
    /// How many touches count.
    pub touches: usize,
    /// Nobody has a claim, nor has the house: nothing is credited or paid, and somebody should look at it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unattributed: bool,
    /// Who is credited with what; with what the house has they sum to the deal.
    pub credits: Vec<Credit>,
    /// What the house has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub house: Option<Money>,
    /// Credits beside these, which are in no sum.
    pub overlays: Vec<Credit>,
    /// What is paid on the credits. None is zero.
    pub entries: Vec<Entry>,
}

/// What one payee is credited with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credit {
    /// The payee.
    pub payee: PayeeId,
    /// Its part of the deal.
    pub amount: Money,
    /// Why: the numbers, and the same in words.
    #[serde(serialize_with = "with_words")]
    pub because: Credited,
}

/// What one payee earns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The payee.
    pub payee: PayeeId,
    /// What it is.
    pub kind: Kind,
    /// The name of the override.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The amount.
    pub amount: Money,
    /// The rate plan that says so.
    pub rates: RatesId,
    /// The rule of it; none for what is paid otherwise, or as an override.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Text>,
    /// Which of the customer's payments releases it, counted from 1; none for what is earned at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<usize>,
    /// Why: the numbers, and the same in words.
    #[serde(serialize_with = "with_words")]
    pub because: Earned,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The commission on a credit.
    Commission,
    /// The commission on an overlay.
    Overlay,
    /// What comes on top of the entry of another payee.
    Override,
}

/// A case that is refused, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{rejection}")]
pub struct Refusal {
    /// What the case was found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// What is wrong, and where.
    #[serde(rename = "error")]
    pub rejection: Rejection,
}

/// Reads a case from JSON.
///
/// # Errors
/// [`Refusal`] of what is no case, with the place.
pub fn read(text: &str) -> Result<Case, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        let rejection = Fault::Malformed(error.to_string()).at(malformed::place(text, &error));
        Refusal { case: malformed::name(text), rejection }
    })
}

/// Reads one case from JSON, and writes what comes out, or why nothing does, as one line of JSON.
///
/// ```
/// let answer = ledger_core::attribute::line(r#"{"currency":"USD","payees":{"amy":{},"bob":{}},
///     "models":{"main":{"model":{"linear":{}}}},
///     "rates":{"standard":{"currency":"USD","otherwise":{"rate":"0.1"}}},
///     "deals":[{"deal":"D1","model":"main","rates":"standard","amount":"1000 USD","completed_at":"2025-06-01T12:00:00Z",
///         "touches":[{"touch":"t1","payee":"amy","type":"referral","at":"2025-05-01T09:00:00Z"},
///                    {"touch":"t2","payee":"bob","type":"demo","at":"2025-05-02T09:00:00Z"},
///                    {"touch":"t3","payee":"amy","type":"proposal","at":"2025-05-20T09:00:00Z"}]}]}"#);
/// let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
/// assert_eq!(answer["deals"][0]["credits"][0]["amount"], "666.67 USD");
/// assert_eq!(answer["deals"][0]["entries"][1]["amount"], "33.33 USD");
/// ```
#[must_use]
pub fn line(text: &str) -> String {
    let answer = match read(text).and_then(|case| run(&case)) {
        Ok(outcome) => serde_json::to_string(&outcome),
        Err(refusal) => serde_json::to_string(&refusal),
    };
    // Answers have string keys and no floats, so there is nothing that JSON cannot say.
    answer.unwrap_or_default()
}

/// Credits and pays every deal of a case, in order.
///
/// # Errors
/// [`Refusal`] of the case as a whole, with the first thing that is wrong with it.
pub fn run(case: &Case) -> Result<Outcome, Refusal> {
    match Desk::open(case).and_then(|mut desk| desk.deals()) {
        Ok(deals) => Ok(Outcome { case: case.case.clone(), deals }),
        Err(rejection) => Err(Refusal { case: case.case.clone(), rejection }),
    }
}

/// One deal, and what it leaves to later ones.
pub(crate) struct Single {
    pub attributed: Attributed,
    /// Who earns on the deal, before anything is collected.
    pub earned: BTreeSet<PayeeId>,
    /// What counts to the limit of a payee's rate plan over a month or year afterwards.
    pub spent: BTreeMap<PayeeId, Money>,
}

/// Credits and pays the one deal of a case.
pub(crate) fn single(case: &Case) -> Result<Single, Rejection> {
    let mut desk = Desk::open(case)?;
    let deal = case.deals.first().ok_or(Fault::Conflicting("there is no deal"))?;
    let (attributed, earners) = desk.deal(0, deal, "")?;
    Ok(Single { attributed, earned: earners.into_iter().cloned().collect(), spent: desk.history.over_time() })
}

/// Checks the one deal of a case before anything is known of its touches, and says what it is worth.
pub(crate) fn check(case: &Case) -> Result<Money, Rejection> {
    let mut desk = Desk::open(case)?;
    let deal = case.deals.first().ok_or(Fault::Conflicting("there is no deal"))?;
    desk.deal(0, deal, "")?;
    let amount = deal.worth(case.currency).map_err(|fault| fault.at("amount"))?;
    if let Some(plan) = desk.plan(deal.rates.as_ref())? {
        let on = in_range(case.zone.local_date(deal.completed_at.to_utc()))?;
        plan.admits(Sale { deal, amount, on, place: 0 }).map_err(|fault| fault.at("rates"))?;
    }
    Ok(amount)
}

/// Who earns on a deal, before anything is collected.
type Earners<'a> = BTreeSet<&'a PayeeId>;

/// A case whose documents are checked, and what the deals so far left.
struct Desk<'a> {
    case: &'a Case,
    models: BTreeMap<&'a ModelId, Digest>,
    rates: BTreeMap<&'a RatesId, RatePlan<'a>>,
    history: History<'a>,
    /// How many entries the deals so far came to.
    entries: usize,
}

impl<'a> Desk<'a> {
    fn open(case: &'a Case) -> Result<Self, Rejection> {
        let mut desk =
            Self { case, models: BTreeMap::new(), rates: BTreeMap::new(), history: History::default(), entries: 0 };
        for (id, document) in &case.models {
            document.validate().map_err(|error| error.within(&format!("models.{id}")))?;
            desk.models.insert(id, document.hash());
        }
        for (id, document) in &case.rates {
            desk.rates.insert(id, RatePlan::new(id, document).map_err(|error| error.within(&format!("rates.{id}")))?);
            for one in &document.overrides {
                let known = desk.knows(&one.of).and_then(|_| desk.knows(&one.to));
                known.map_err(|fault| fault.at(format!("rates.{id}.overrides.{}", one.name)))?;
            }
        }
        for (id, payee) in &case.payees {
            desk.plan(payee.rates.as_ref()).map_err(|fault| fault.at(format!("payees.{id}.rates")))?;
        }
        for (place, first) in case.first_commissions.iter().enumerate() {
            let FirstCommission { payee, customer, on } = first;
            let known = desk.knows(payee).and_then(|_| Ok(in_range(*on)?));
            let on = known.map_err(|fault| fault.at(format!("first_commissions.{place}")))?;
            desk.history.earned(payee, customer, on);
        }
        for (place, spent) in case.spent.iter().enumerate() {
            desk.spent(spent).map_err(|fault| fault.at(format!("spent.{place}")))?;
        }
        none_twice(case.deals.iter().map(|deal| &deal.deal)).map_err(|fault| fault.at("deals"))?;
        Ok(desk)
    }

    fn spent(&mut self, Spent { rates, payee, on, amount }: &'a Spent) -> Result<(), Fault> {
        self.knows(payee)?;
        let plan = self.rates.get(rates).ok_or_else(|| Fault::UnknownRates(rates.clone()))?;
        let amount = not_negative(*amount, self.case.currency)?;
        Ok(self.history.spent(plan, payee, in_range(*on)?, amount)?)
    }

    fn knows(&self, payee: &PayeeId) -> Result<&'a Payee, Fault> {
        self.case.payees.get(payee).ok_or_else(|| Fault::UnknownPayee(payee.clone()))
    }

    fn plan(&self, id: Option<&RatesId>) -> Result<Option<&RatePlan<'a>>, Fault> {
        id.map(|id| self.rates.get(id).ok_or_else(|| Fault::UnknownRates(id.clone()))).transpose()
    }

    fn deals(&mut self) -> Result<Vec<Attributed>, Rejection> {
        let deals = self.case.deals.iter().enumerate();
        let attributed = deals.map(|(place, deal)| Ok(self.deal(place, deal, &format!("deals.{}", deal.deal))?.0));
        attributed.collect()
    }

    /// What comes of a deal, which is found at a path, and who earns on it.
    fn deal(&mut self, place: usize, deal: &'a Deal, at: &str) -> Result<(Attributed, Earners<'a>), Rejection> {
        let within = |error: Rejection| error.within(at);
        let amount = self.check(deal).map_err(within)?;
        let on = in_range(self.case.zone.local_date(deal.completed_at.to_utc()));
        let on = on.map_err(|error| within(Fault::from(error).at("completed_at")))?;
        let model = self.case.models.get(&deal.model).zip(self.models.get(&deal.model).copied());
        let (document, hash) = model.ok_or_else(|| within(Fault::UnknownModel(deal.model.clone()).at("model")))?;
        let claims = document.claims(deal, &self.case.payees).map_err(within)?;
        self.check_currencies(deal, &claims)?;
        self.credit(Sale { deal, amount, on, place }, hash, claims).map_err(within)
    }

    /// Makes sure that nobody who has a claim is paid by a plan of its own in another currency.
    fn check_currencies(&self, deal: &Deal, claims: &Claims) -> Result<(), Rejection> {
        let overlays =
            deal.overlays.iter().map(|one| &one.payee).filter(|_| !claims.claims.is_empty() || claims.house.is_some());
        for payee in claims.claims.iter().map(|claim| &claim.payee).chain(overlays) {
            if let Some(plan) = self.plan(self.knows(payee)?.rates.as_ref())? {
                plan.pays_in(self.case.currency).map_err(|fault| fault.at(format!("payees.{payee}.rates")))?;
            }
        }
        Ok(())
    }

    /// Credits a deal to those who have a claim, and pays them.
    fn credit(
        &mut self,
        sale: Sale<'a>,
        hash: Digest,
        Claims { touches, claims, house }: Claims,
    ) -> Result<(Attributed, Earners<'a>), Rejection> {
        let Sale { deal, amount, on, .. } = sale;
        let mut attributed = Attributed {
            deal: deal.deal.clone(),
            model: deal.model.clone(),
            touches,
            unattributed: claims.is_empty() && house.is_none(),
            credits: Vec::with_capacity(claims.len()),
            house: None,
            overlays: Vec::new(),
            entries: Vec::new(),
        };
        if attributed.unattributed {
            return Ok((attributed, Earners::new()));
        }
        let mut parts = Parts::new(claims.iter().map(|claim| claim.weight).chain(house).collect());
        let of = parts.weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight)).ok_or(Fault::Scale)?;
        attributed.house = house.map(|_| parts.of(amount, claims.len())).transpose()?;
        let mut earners = Earners::new();
        for (index, claim) in claims.into_iter().enumerate() {
            let (payee, known) = self.named(&claim.payee)?;
            let mut because = Credited {
                model: deal.model.clone(),
                hash,
                share: claim.share,
                weight: claim.weight,
                of,
                amount,
                unpaid: None,
            };
            let rates = known.rates.as_ref().or(deal.rates.as_ref());
            let part_of = |whole| Ok(parts.of(whole, index)?);
            because.unpaid = self.pay(
                sale,
                (payee, known),
                (rates, Kind::Commission),
                part_of,
                &mut earners,
                &mut attributed.entries,
            )?;
            attributed.credits.push(Credit { payee: claim.payee, amount: parts.of(amount, index)?, because });
        }
        for Weight { payee, weight } in &deal.overlays {
            let known = self.knows(payee)?;
            let mut because = Credited {
                model: deal.model.clone(),
                hash,
                share: Share::Overlay { weight: *weight },
                weight: weight.mantissa().unsigned_abs().into(),
                of: Rate::ONE.mantissa().unsigned_abs().into(),
                amount,
                unpaid: None,
            };
            // The deal's own plan is for those whom the model credits.
            let rates = known.rates.as_ref();
            // No plan says how a credit is rounded: what is paid on is what is credited.
            let part_of = |whole| Ok(weight.of(whole, Rounding::HalfAwayFromZero)?);
            because.unpaid =
                self.pay(sale, (payee, known), (rates, Kind::Overlay), part_of, &mut earners, &mut attributed.entries)?;
            attributed.overlays.push(Credit { payee: payee.clone(), amount: part_of(amount)?, because });
        }
        if let Some(customer) = &deal.customer {
            earners.iter().for_each(|payee| self.history.earned(payee, customer, on));
        }
        Ok((attributed, earners))
    }

    /// What a deal is worth, once everything that it names is known and in range.
    fn check(&self, deal: &Deal) -> Result<Money, Rejection> {
        let currency = self.case.currency;
        let amount = deal.worth(currency).map_err(|fault| fault.at("amount"))?;
        deal.completed_at.in_range().map_err(|fault| fault.at("completed_at"))?;
        if let Some(cutoff) = deal.cutoff {
            cutoff.in_range().map_err(|fault| fault.at("cutoff"))?;
        }
        let plan = self.plan(deal.rates.as_ref()).and_then(|plan| plan.map_or(Ok(()), |plan| plan.pays_in(currency)));
        plan.map_err(|fault| fault.at("rates"))?;
        if let Some(payee) = &deal.registered_by {
            self.knows(payee).map_err(|fault| fault.at("registered_by"))?;
        }
        for (place, line) in deal.lines.iter().enumerate() {
            let cost = line.unit_cost.map_or(Ok(()), |cost| not_negative(cost, currency).map(drop));
            cost.map_err(|fault| fault.at(format!("lines.{place}.unit_cost")))?;
        }
        // Before the touches are looked at one by one.
        if deal.touches.len() > TOUCHES_PER_DEAL {
            return Err(Fault::TooManyTouches(deal.touches.len()).at("touches"));
        }
        for touch in &deal.touches {
            let known = self.knows(&touch.payee).and_then(|_| touch.at.in_range());
            known.map_err(|fault| fault.at(format!("touches.{}", touch.touch)))?;
        }
        for Weight { payee, .. } in &deal.custom {
            self.knows(payee).map_err(|fault| fault.at("custom"))?;
        }
        self.check_overlays(deal).map_err(|fault| fault.at("overlays"))?;
        self.check_collected(deal, amount).map_err(|fault| fault.at("collected"))?;
        Ok(amount)
    }

    fn check_overlays(&self, deal: &Deal) -> Result<(), Fault> {
        if deal.overlays.len() > PAYEES_PER_DEAL {
            return Err(Fault::TooManyPayees(deal.overlays.len()));
        }
        none_twice(deal.overlays.iter().map(|one| &one.payee))?;
        deal.overlays.iter().try_for_each(|Weight { payee, weight }| match self.knows(payee) {
            Ok(_) if !weight.is_share() => {
                Err(Fault::RateOutOfBounds { rate: *weight, from: Rate::ZERO, to: Rate::ONE })
            }
            known => known.map(drop),
        })
    }

    fn check_collected(&self, deal: &Deal, amount: Money) -> Result<(), Fault> {
        let mut collected = Money::zero(amount.currency());
        for payment in &deal.collected {
            collected = collected.plus(not_negative(*payment, amount.currency())?)?;
        }
        if collected.minor().unsigned_abs() > amount.minor().unsigned_abs() {
            return Err(Fault::TooMuchCollected { collected, amount });
        }
        Ok(())
    }

    /// The payee as the case has it, which outlives the deal.
    fn named(&self, payee: &PayeeId) -> Result<(&'a PayeeId, &'a Payee), Fault> {
        self.case.payees.get_key_value(payee).ok_or_else(|| Fault::UnknownPayee(payee.clone()))
    }

    /// Adds what a credit earns, and what others earn on that; or says why it earns nothing.
    fn pay(
        &mut self,
        sale: Sale<'a>,
        payee: (&'a PayeeId, &'a Payee),
        (rates, kind): (Option<&RatesId>, Kind),
        part_of: impl FnMut(Money) -> Result<Money, Fault>,
        earners: &mut Earners<'a>,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Unpaid>, Rejection> {
        let Some(plan) = rates.and_then(|id| self.rates.get(id)) else { return Ok(Some(Unpaid::NoRates)) };
        let earning = match plan.earn(sale, payee, &mut self.history, part_of)? {
            Ok(earning) => earning,
            Err(unpaid) => return Ok(Some(unpaid)),
        };
        if earning.amount.is_positive() {
            earners.insert(payee.0);
        }
        let released = plan.released(sale, earning)?;
        let unpaid = released.is_empty().then_some(Unpaid::NotCollected);
        let overrides = || plan.document.overrides.iter().filter(|one| one.of == *payee.0);
        let each = overrides().count().saturating_add(1);
        self.entries = self.entries.saturating_add(released.len().saturating_mul(each));
        if self.entries > ENTRIES_PER_CASE {
            return Err(Fault::TooManyEntries.into());
        }
        let mut so_far: Option<Money> = None;
        for Released { payment, amount, because } in released {
            let rule = because.rule.clone();
            entries.push(Entry {
                payee: payee.0.clone(),
                kind,
                name: None,
                amount,
                rates: plan.id.clone(),
                rule,
                payment,
                because: Earned::Commission(because),
            });
            let earned = so_far.map_or(Ok(amount), |so_far| so_far.plus(amount))?;
            let former = so_far.replace(earned);
            for one in overrides() {
                // Rounded on all of them together, or many small payments would make more of it than one does.
                let before = former.map(|former| one.rate.of(former, plan.document.rounding)).transpose()?;
                let all = one.rate.of(earned, plan.document.rounding)?;
                let on_top = before.map_or(Ok(all), |before| all.minus(before))?;
                if !on_top.is_zero() {
                    entries.push(Entry {
                        payee: one.to.clone(),
                        kind: Kind::Override,
                        name: Some(one.name.clone()),
                        amount: on_top,
                        rates: plan.id.clone(),
                        rule: None,
                        payment,
                        because: Earned::Override {
                            rates: plan.id.clone(),
                            hash: plan.hash,
                            of: one.of.clone(),
                            rate: one.rate,
                            entry: earned,
                            before,
                        },
                    });
                }
            }
        }
        Ok(unpaid)
    }
}

/// Amounts that are shared out by the same weights, each once.
struct Parts {
    weights: Vec<u128>,
    shared: Vec<(Money, Vec<Money>)>,
}

impl Parts {
    const fn new(weights: Vec<u128>) -> Self {
        Self { weights, shared: Vec::new() }
    }

    /// The part of one of them.
    fn of(&mut self, whole: Money, index: usize) -> Result<Money, AllocationError> {
        let part = |parts: &[Money]| parts.get(index).copied().unwrap_or(Money::zero(whole.currency()));
        if let Some((_, parts)) = self.shared.iter().find(|(shared, _)| *shared == whole) {
            return Ok(part(parts));
        }
        let parts = allocate_wide(whole, &self.weights)?;
        let part = part(&parts);
        self.shared.push((whole, parts));
        Ok(part)
    }
}
