//! A sale: a deal that its [touches](Touch) attribute and that [rate plans](crate::rates) pay.
//!
//! Crediting it runs exactly one deal of [`attribute`] on what the ledger knows: its touches and payments, what its payees are on
//! its day, the versions of its documents, what counts to spend limits, and which customers earned before. What is credited says
//! all of that, so the same case can be run again, and a digest of it, so that whoever reads two results sees whether the second
//! knew anything new. Crediting it again supersedes: what is the same stays, the rest is taken back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Basis, Deal, Event, Rejection, Stage, book, evolve, first_difference, register, take_back};
use crate::account::Source;
use crate::attribute::{self, Attributed, Case, FirstCommission, Kind, Single};
use crate::attribution::{Credit, Weight};
use crate::calendar::{Zone, in_range};
use crate::chain::Digest;
use crate::codec::canonical;
use crate::credit::distinct;
use crate::credit::model::Model;
use crate::credit::rates::Document;
use crate::credit::refuse::{self, Fault};
use crate::credit::terms::{self, Line};
use crate::credit::touch::{Instant, Touch};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::id::{CustomerId, DealId, EntryId, ModelId, PayeeId, PaymentId, RatesId, Text};
use crate::limits::{ENTRIES_PER_SALE, TOUCHES_PER_DEAL};
use crate::money::{Currency, Money, MoneyError};
use crate::payee::enrolled;
use crate::settings::Settings;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::{Date, customer, model, rates, spend};

/// What is said of a sale when it is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    /// What it is worth, if it has no lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// What was sold. The sale is worth their sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Whose money it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The programme that it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<Text>,
    /// By which model it is attributed.
    pub model: model::Chosen,
    /// The rate plan of payees who have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<rates::Chosen>,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<PayeeId>,
    /// The weights that a custom model takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Weight>,
    /// Credit beside the sale's own, which is in no sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Weight>,
}

/// A payment of the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The payment.
    pub payment: PaymentId,
    /// How much was paid.
    pub amount: Money,
    /// When.
    pub on: Date,
}

/// A sale that was credited: what that rests on, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crediting {
    /// The sale.
    pub deal: DealId,
    /// When it was won.
    pub completed_at: Instant,
    /// No touch after this counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<Instant>,
    /// The day that its entries are for: that of its completion in the ledger's zone.
    pub earned_on: Date,
    /// The model that attributes it.
    pub model: model::InForce,
    /// How many touches count.
    pub touches: usize,
    /// SHA-256 of the canonical [case](Case) that was run.
    pub inputs: Digest,
    /// What everybody who is named is on that day.
    #[serde(deserialize_with = "distinct")]
    pub payees: BTreeMap<PayeeId, Particulars>,
    /// The rate plan of payees who have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<rates::InForce>,
    /// When payees first earned on another sale to the customer.
    pub first_commissions: Vec<FirstCommission>,
    /// What counts to the spend limits of its payees, without the sale and with it.
    pub spent: Vec<Spent>,
    /// Nobody has a claim: nothing is credited or paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattributed: bool,
    /// Who is credited with what; with what the house has they sum to the sale.
    pub credits: Vec<Credit>,
    /// What the house has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub house: Option<Money>,
    /// Credits beside these, which are in no sum.
    pub overlays: Vec<Credit>,
    /// What is paid on the credits. None is zero.
    pub entries: Vec<Earned>,
}

/// What a payee is on the day of a sale, with the version of its rate plan.
pub type Particulars = terms::Payee<rates::InForce>;

/// A sale that was credited anew. What was credited before holds no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recrediting {
    /// Why.
    pub reason: Text,
    /// What came out. An entry that was there before has the identifier that it had.
    #[serde(flatten)]
    pub crediting: Crediting,
}

/// What counts to a spend limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Which account.
    pub account: spend::Account,
    /// What counts without the sale, never below zero.
    pub before: Money,
    /// What counts with it.
    pub after: Money,
}

/// An entry of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earned {
    /// The payee.
    pub payee: PayeeId,
    /// What it is.
    pub kind: Kind,
    /// The name of the override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The amount.
    pub amount: Money,
    /// The rate plan that says so.
    pub rates: RatesId,
    /// The version of the rate plan.
    pub version: u32,
    /// The rule of it; none for what is paid otherwise, or as an override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Text>,
    /// The day that it is for: that of the sale, or that of the payment that released it if that is later.
    pub on: Date,
    /// The entry.
    pub entry: EntryId,
}

/// A credited sale as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credited {
    crediting: Crediting,
    /// How many touches were known when it was credited: later ones count when it is credited again.
    touches: usize,
    /// The entries that are not taken back.
    live: Vec<Earned>,
}

/// Where the versions of documents are found by which sales were credited.
pub trait Documents {
    /// A version of a model.
    fn model(&self, model: &ModelId, version: u32) -> Option<&model::Version>;
    /// A version of a rate plan.
    fn rates(&self, rates: &RatesId, version: u32) -> Option<&rates::Version>;
    /// The ledger's zone, in which the days of its sales begin.
    fn zone(&self) -> Option<Zone>;
}

impl Documents for Slice {
    fn model(&self, model: &ModelId, version: u32) -> Option<&model::Version> {
        Self::model(self, model).ok()?.version(version).ok()
    }

    fn rates(&self, rates: &RatesId, version: u32) -> Option<&rates::Version> {
        Self::rates(self, rates).ok()?.version(version).ok()
    }

    fn zone(&self) -> Option<Zone> {
        self.find_settings().ok()?.map(Settings::zone)
    }
}

impl Sale {
    /// The currency of all its amounts.
    pub(crate) fn currency(&self) -> Result<Currency, refuse::Rejection> {
        let mut amounts = self.amount.into_iter().chain(self.lines.iter().map(|line| line.amount));
        let neither = || Fault::Conflicting("a sale has an amount or lines").at("amount");
        amounts.next().map(Money::currency).ok_or_else(neither)
    }

    /// Who may earn on it.
    pub(crate) fn may_earn<'a>(&'a self, touches: &'a [Touch]) -> BTreeSet<&'a PayeeId> {
        self.may_be_credited(touches).chain(self.overlays.iter().map(|weight| &weight.payee)).collect()
    }

    /// Whom its touches or weights name.
    pub(crate) fn may_be_credited<'a>(&'a self, touches: &'a [Touch]) -> impl Iterator<Item = &'a PayeeId> {
        let touched = touches.iter().map(|touch| &touch.payee);
        touched.chain(self.custom.iter().map(|weight| &weight.payee))
    }

    /// Everybody who is named.
    pub(crate) fn names<'a>(&'a self, touches: &'a [Touch]) -> BTreeSet<&'a PayeeId> {
        let mut named = self.may_earn(touches);
        named.extend(&self.registered_by);
        named
    }
}

impl Event {
    /// What a sale was credited with, if that is what happened.
    #[must_use]
    pub fn crediting(&self) -> Option<&Crediting> {
        match self {
            Self::Credited(crediting) => Some(crediting),
            Self::Recredited(recrediting) => Some(&recrediting.crediting),
            _ => None,
        }
    }
}

impl Credited {
    pub(super) fn earned_on(&self) -> Date {
        self.crediting.earned_on
    }
}

impl Spent {
    /// What the sale counts itself.
    ///
    /// # Errors
    /// [`MoneyError`] of amounts that no sale was credited with.
    pub fn own(&self) -> Result<Money, MoneyError> {
        self.after.minus(self.before)
    }
}

impl Earned {
    fn account(&self, currency: Currency) -> StreamId {
        StreamId::Account { payee: self.payee.clone(), currency }
    }

    fn of(entry: &attribute::Entry, rates: &rates::InForce, on: Date, id: EntryId) -> Self {
        Self {
            payee: entry.payee.clone(),
            kind: entry.kind,
            name: entry.name.clone(),
            amount: entry.amount,
            rates: rates.rates.clone(),
            version: rates.version,
            rule: entry.rule.clone(),
            on,
            entry: id,
        }
    }

    /// Whether it is the same but for its identifier.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        *self == Self { entry: self.entry, ..other.clone() }
    }
}

impl Crediting {
    /// The case of the one deal that was run, on the touches and payments that were known then.
    ///
    /// # Errors
    /// [`refuse::Rejection`] when a document is not found, or is another one.
    pub fn case<'a>(
        &self,
        sale: &Sale,
        touches: impl IntoIterator<Item = &'a Touch>,
        payments: &[Payment],
        documents: &impl Documents,
    ) -> Result<Case, refuse::Rejection> {
        let model_id = self.model.model.of_version(self.model.version);
        let model = documents.model(&self.model.model, self.model.version);
        let model = model.filter(|version| version.hash == self.model.hash);
        let model = model.ok_or_else(|| Fault::UnknownModel(model_id.clone()).at("model"))?;
        let mut rates = BTreeMap::new();
        for in_force in self.rates_in_force() {
            let id = in_force.rates.of_version(in_force.version);
            let version = documents.rates(&in_force.rates, in_force.version);
            let version = version.filter(|version| version.hash == in_force.hash);
            let version = version.ok_or_else(|| Fault::UnknownRates(id.clone()).at("rates"))?;
            rates.insert(id, version.document.clone());
        }
        let id_of = |in_force: &rates::InForce| in_force.rates.of_version(in_force.version);
        let payees = self.payees.iter();
        let payees = payees.map(|(payee, known)| (payee.clone(), known.with_rates(known.rates.as_ref().map(id_of))));
        let mut spent = Vec::with_capacity(self.spent.len());
        for Spent { account, before, .. } in &self.spent {
            let own = self.payees.get(&account.payee).and_then(|known| known.rates.as_ref());
            let Some(id) = own.or(self.rates.as_ref()).map(id_of) else { continue };
            let (payee, amount) = (account.payee.clone(), *before);
            spent.push(attribute::Spent { rates: id, payee, on: account.period.start, amount });
        }
        let mut touches: Vec<Touch> = touches.into_iter().cloned().collect();
        touches.sort_by_key(|touch| touch.at);
        let deal = terms::Deal {
            deal: self.deal.clone(),
            customer: sale.customer.clone(),
            programme: sale.programme.clone(),
            model: model_id.clone(),
            rates: self.rates.as_ref().map(id_of),
            amount: sale.amount,
            lines: sale.lines.clone(),
            completed_at: self.completed_at,
            cutoff: planted!(CutoffForgotten => None, self.cutoff),
            registered_by: sale.registered_by.clone(),
            touches,
            custom: sale.custom.clone(),
            overlays: sale.overlays.clone(),
            collected: payments.iter().map(|payment| payment.amount).collect(),
        };
        Ok(Case {
            case: None,
            currency: sale.currency()?,
            zone: documents.zone().ok_or(Fault::Conflicting("the ledger is not open, so it has no days"))?,
            payees: payees.collect(),
            models: BTreeMap::from([(model_id, model.document.clone())]),
            rates,
            first_commissions: self.first_commissions.clone(),
            spent,
            deals: vec![deal],
        })
    }

    pub(crate) fn rates_in_force(&self) -> BTreeSet<&rates::InForce> {
        self.payees.values().filter_map(|known| known.rates.as_ref()).chain(&self.rates).collect()
    }

    /// Credits the sale again, on the touches and payments that were known then: what comes out, as it is told and as it would be
    /// stored, but for the identifiers of entries.
    ///
    /// # Errors
    /// [`refuse::Rejection`] when a document is not found, or is another one, and when the sale would be refused.
    pub fn recalculate<'a>(
        &self,
        sale: &Sale,
        touches: impl IntoIterator<Item = &'a Touch>,
        payments: &[Payment],
        documents: &impl Documents,
    ) -> Result<(Attributed, Self), refuse::Rejection> {
        let (single, again) = self.credited_again(sale, touches, payments, documents)?;
        Ok((single.attributed, again))
    }

    /// As [recalculated](Self::recalculate), with who earns on the sale.
    pub(crate) fn credited_again<'a>(
        &self,
        sale: &Sale,
        touches: impl IntoIterator<Item = &'a Touch>,
        payments: &[Payment],
        documents: &impl Documents,
    ) -> Result<(Single, Self), refuse::Rejection> {
        let case = self.case(sale, touches, payments, documents)?;
        let mut again = self.clone();
        let single = again.run(&case)?;
        again.entries = again.earned(&single.attributed, payments, std::iter::repeat(unnamed()))?;
        Ok((single, again))
    }

    /// Where a calculation comes to something else than what is stored: the place, what is stored there, and what is calculated.
    #[must_use]
    pub fn divergence(&self, again: &Self) -> Option<(String, String, String)> {
        let unnamed = |earned: &Earned| Earned { entry: unnamed(), ..earned.clone() };
        let stored = Self { entries: self.entries.iter().map(unnamed).collect(), ..self.clone() };
        first_difference("credits", &stored.credits, &again.credits)
            .or_else(|| first_difference("overlays", &stored.overlays, &again.overlays))
            .or_else(|| first_difference("entries", &stored.entries, &again.entries))
            .or_else(|| first_difference("spent", &stored.spent, &again.spent))
            .or_else(|| first_difference("sale", &[&stored], &[again]))
    }

    /// Runs the case, and says what came out but for the entries.
    fn run(&mut self, case: &Case) -> Result<Single, refuse::Rejection> {
        let single = attribute::single(case)?;
        let Attributed { touches, unattributed, credits, house, overlays, .. } = &single.attributed;
        let credit = |credit: &attribute::Credit| Credit { payee: credit.payee.clone(), amount: credit.amount };
        (self.touches, self.unattributed, self.house) = (*touches, *unattributed, *house);
        self.credits = credits.iter().map(credit).collect();
        self.overlays = overlays.iter().map(credit).collect();
        self.inputs = Digest::of(&canonical(case));
        for spent in &mut self.spent {
            spent.after = single.spent.get(&spent.account.payee).copied().unwrap_or(spent.before);
        }
        Ok(single)
    }

    /// The entries of a result, under these identifiers.
    fn earned(
        &self,
        attributed: &Attributed,
        payments: &[Payment],
        ids: impl IntoIterator<Item = EntryId>,
    ) -> Result<Vec<Earned>, refuse::Rejection> {
        let in_force = self.rates_in_force();
        let of = |(entry, id): (&attribute::Entry, EntryId)| {
            let rates = in_force.iter().find(|rates| rates.rates.of_version(rates.version) == entry.rates);
            let rates = rates.ok_or_else(|| Fault::UnknownRates(entry.rates.clone()))?;
            let payment = entry.payment.and_then(|payment| payments.get(payment.checked_sub(1)?));
            // What is paid ahead of the sale is earned with it.
            let on = payment.map_or(self.earned_on, |payment| payment.on.max(self.earned_on));
            Ok(Earned::of(entry, rates, on, id))
        };
        attributed.entries.iter().zip(ids).map(of).collect()
    }
}

/// A sale that is credited, but for the identifiers of its entries.
struct Calculated {
    crediting: Crediting,
    single: Single,
}

/// Checks a sale before anything is known of its touches, and says what it is worth.
pub(super) fn check(context: &Context<'_>, deal: &DealId, sale: &Sale) -> Result<Money, Undecided> {
    let slice = context.slice;
    let at = Instant::of(context.request.at);
    let (model, rates) = chosen(slice, &sale.model, sale.rates.as_ref())?;
    let mut named: BTreeSet<&PayeeId> = sale.names(&[]);
    slice.require(named.iter().map(|payee| StreamId::Payee(PayeeId::clone(payee))))?;
    if let Some(payee) = &sale.registered_by {
        enrolled(slice, "sale.registered_by", payee)?;
    }
    for (place, weight) in sale.custom.iter().enumerate() {
        enrolled(slice, format_args!("sale.custom.{place}.payee"), &weight.payee)?;
    }
    for (place, weight) in sale.overlays.iter().enumerate() {
        enrolled(slice, format_args!("sale.overlays.{place}.payee"), &weight.payee)?;
    }
    if let Some(in_force) = &rates {
        named.extend(beneficiaries(slice, in_force)?);
    }
    let payees = named.into_iter().map(|payee| (payee.clone(), Particulars::default())).collect();
    let crediting = Crediting { rates, payees, ..nothing(deal, (at, None), context.today, model) };
    let case = crediting.case(sale, &[], &[], slice)?;
    Ok(attribute::check(&case).map_err(|error| error.within("sale"))?)
}

fn nothing(
    deal: &DealId,
    (completed_at, cutoff): (Instant, Option<Instant>),
    earned_on: Date,
    model: model::InForce,
) -> Crediting {
    Crediting {
        deal: deal.clone(),
        completed_at,
        cutoff,
        earned_on,
        model,
        touches: 0,
        inputs: Digest::ZERO,
        payees: BTreeMap::new(),
        rates: None,
        first_commissions: Vec::new(),
        spent: Vec::new(),
        unattributed: false,
        credits: Vec::new(),
        house: None,
        overlays: Vec::new(),
        entries: Vec::new(),
    }
}

/// The versions that were chosen, as they were published.
fn chosen(
    slice: &Slice,
    model: &model::Chosen,
    rates: Option<&rates::Chosen>,
) -> Result<(model::InForce, Option<rates::InForce>), Undecided> {
    let streams = rates.map(|rates| StreamId::Rates(rates.rates.clone()));
    slice.require([StreamId::Model(model.model.clone())].into_iter().chain(streams))?;
    let hash = slice.model(&model.model)?.version(model.version)?.hash;
    let model = model::InForce { model: model.model.clone(), version: model.version, hash };
    Ok((model, rates.map(|rates| in_force(slice, rates)).transpose()?))
}

fn in_force(slice: &Slice, rates: &rates::Chosen) -> Result<rates::InForce, Undecided> {
    let hash = slice.rates(&rates.rates)?.version(rates.version)?.hash;
    Ok(rates::InForce { rates: rates.rates.clone(), version: rates.version, hash })
}

/// Whom the overrides of a rate plan name.
fn beneficiaries<'a>(slice: &'a Slice, in_force: &rates::InForce) -> Result<Vec<&'a PayeeId>, Undecided> {
    let version = slice.rates(&in_force.rates)?.version(in_force.version)?;
    Ok(version.document.overrides.iter().flat_map(|one| [&one.of, &one.to]).collect())
}

/// Credits a sale on everything that is known now. What it counts to spend limits itself, by `former`, is not counted.
fn calculate(
    context: &Context<'_>,
    deal: &Deal,
    sale: &Sale,
    (completed_at, cutoff): (Instant, Option<Instant>),
    (model, rates): (&model::Chosen, Option<&rates::Chosen>),
    former: &[Spent],
) -> Result<Calculated, Undecided> {
    let slice = context.slice;
    let day = in_range(context.settings.zone().local_date(completed_at.to_utc()))?;
    let touches = deal.touches.as_slice();
    let named = sale.names(touches);
    slice.require(named.iter().map(|payee| StreamId::Payee(PayeeId::clone(payee))))?;
    let (model, rates) = chosen(slice, model, rates)?;
    let mut particulars = BTreeMap::new();
    for payee in &named {
        particulars.insert(
            PayeeId::clone(payee),
            slice.payee(payee)?.particulars_on(planted!(ParticularsOfToday => context.today, day)),
        );
    }
    let own = particulars.values().filter_map(|known| known.rates.as_ref());
    slice.require(own.map(|rates| StreamId::Rates(rates.rates.clone())))?;
    let mut crediting = Crediting { rates, ..nothing(&deal.id, (completed_at, cutoff), day, model) };
    for (payee, known) in particulars {
        let rates = known.rates.as_ref().map(|rates| in_force(slice, rates)).transpose()?;
        crediting.payees.insert(payee, known.with_rates(rates));
    }
    let mut others = Vec::new();
    for rates in crediting.rates_in_force() {
        others.extend(beneficiaries(slice, rates)?);
    }
    others.retain(|payee| !named.contains(payee));
    slice.require(others.iter().map(|payee| StreamId::Payee(PayeeId::clone(payee))))?;
    for payee in others {
        // Nothing is paid by the rate plan of somebody who has no credit.
        let known = slice.payee(payee)?.particulars_on(day).with_rates(None);
        crediting.payees.insert(payee.clone(), known);
    }

    let earners = sale.may_earn(touches);
    let currency = deal.gci.currency();
    let plans = plans(slice, &crediting, sale, touches, currency)?;
    let accounts = spend_accounts(&plans, completed_at)?;
    let customers = earners.iter().filter_map(|payee| customer_stream(sale, payee));
    slice.require(accounts.iter().map(spend::stream).chain(customers))?;
    let (mut spent, mut first_commissions) = (Vec::new(), Vec::new());
    for account in accounts {
        let total = slice.spend(&account)?.total(account.period.end, currency);
        let own = former.iter().find(|spent| spent.account == account && !planted!(OwnSpendCounts));
        let own = own.map(Spent::own).transpose()?;
        let before = own.map_or(Ok(total), |own| total.minus(own))?;
        mark!(SpendMet, before.is_positive());
        let before = if before.is_negative() { Money::zero(currency) } else { before };
        spent.push(Spent { account, before, after: before });
    }
    for payee in earners {
        let Some(customer) = &sale.customer else { break };
        let known = slice.customer(customer, payee)?;
        // A plan that pays the first sale only does not take that from it for one that came after.
        let first_only = plans.get(payee).is_some_and(|(_, document)| document.max_duration_months == Some(0));
        let first = if first_only { known.first_before(&deal.id) } else { known.first_but(&deal.id) };
        if let Some(on) = planted!(FirstOfItself => first.or(known.earned_on(&deal.id)), first) {
            mark!(EarnedBefore);
            let (payee, customer) = (payee.clone(), customer.clone());
            first_commissions.push(FirstCommission { payee, customer, on });
        }
    }
    (crediting.spent, crediting.first_commissions) = (spent, first_commissions);
    let case = crediting.case(sale, touches, &deal.payments, slice)?;
    let single = crediting.run(&case)?;
    Ok(Calculated { crediting, single })
}

/// By which rate plan each payee is paid: by its own, or, if it may be credited, by the sale's. One in another currency pays nobody.
type Plans<'a> = BTreeMap<&'a PayeeId, (&'a rates::InForce, &'a Document)>;

fn plans<'a>(
    slice: &'a Slice,
    crediting: &'a Crediting,
    sale: &'a Sale,
    touches: &'a [Touch],
    currency: Currency,
) -> Result<Plans<'a>, Undecided> {
    let credited: BTreeSet<&PayeeId> = sale.may_be_credited(touches).collect();
    let mut plans = BTreeMap::new();
    for payee in sale.may_earn(touches) {
        let own = crediting.payees.get(payee).and_then(|known| known.rates.as_ref());
        let Some(in_force) = own.or(crediting.rates.as_ref().filter(|_| credited.contains(payee))) else { continue };
        let document = &slice.rates(&in_force.rates)?.version(in_force.version)?.document;
        if document.currency == currency {
            plans.insert(payee, (in_force, document));
        }
    }
    Ok(plans)
}

/// The spend accounts that limit somebody's part, by rate plan and payee.
fn spend_accounts(plans: &Plans<'_>, completed_at: Instant) -> Result<Vec<spend::Account>, Undecided> {
    let mut accounts = Vec::new();
    for (payee, (in_force, document)) in plans {
        let Some(limit) = document.spend_limit else { continue };
        if let Some(period) = limit.over(limit.day(completed_at)?) {
            accounts.push(spend::Account { rates: in_force.rates.clone(), payee: PayeeId::clone(payee), period });
        }
    }
    accounts.sort();
    Ok(accounts)
}

fn customer_stream(sale: &Sale, payee: &PayeeId) -> Option<StreamId> {
    Some(StreamId::Customer { customer: sale.customer.clone()?, payee: payee.clone() })
}

/// Which sale a deal is.
fn sale_of(deal: &Deal) -> Result<&Sale, Rejection> {
    match &deal.basis {
        Basis::Sale(sale) => Ok(sale),
        Basis::Amount(_) | Basis::OfPrice { .. } | Basis::Sides(_) => Err(Rejection::NoSale { deal: deal.id.clone() }),
    }
}

impl Deal {
    fn credited(&self) -> Result<&Credited, Rejection> {
        match &self.stage {
            Stage::Credited(credited) => Ok(credited),
            Stage::Open | Stage::Completed(_) => Err(Rejection::NotCompleted { deal: self.id.clone() }),
            Stage::Reversed => Err(Rejection::Reversed { deal: self.id.clone() }),
        }
    }

    fn is_credited_at(&self, completed_at: Instant, cutoff: Option<Instant>) -> bool {
        let same = |known: &Crediting| (known.completed_at, known.cutoff) == (completed_at, cutoff);
        matches!(&self.stage, Stage::Credited(credited) if same(&credited.crediting))
    }
}

/// What a touch of a sale becomes; nothing if it is known already.
pub(super) fn touch(context: &Context<'_>, deal: &Deal, touch: &Touch) -> Result<Option<Event>, Undecided> {
    let sale = sale_of(deal)?;
    // By the model that it was credited by, or else will be.
    let (name, version) = match &deal.stage {
        Stage::Credited(credited) => (&credited.crediting.model.model, credited.crediting.model.version),
        _ => (&sale.model.model, sale.model.version),
    };
    let model = context.slice.model(name)?.version(version)?;
    if matches!(model.document.model, Model::Custom { .. }) {
        return Err(Rejection::TakesNoTouches { deal: deal.id.clone(), model: name.clone() }.into());
    }
    match deal.touches.iter().find(|known| known.touch == touch.touch) {
        Some(known) if known == touch => return Ok(None),
        Some(_) if planted!(TouchToldOtherwise) => {}
        Some(_) => {
            mark!(TouchTaken);
            return Err(Rejection::TouchTaken { deal: deal.id.clone(), touch: touch.touch.clone() }.into());
        }
        None => {}
    }
    if deal.stage == Stage::Reversed {
        return Err(Rejection::Reversed { deal: deal.id.clone() }.into());
    }
    let touches = deal.touches.len().saturating_add(1);
    if touches > TOUCHES_PER_DEAL {
        return Err(Fault::TooManyTouches(touches).at("touches").into());
    }
    mark!(LateTouch, deal.stage != Stage::Open);
    let place = format!("touches.{}", touch.touch);
    enrolled(context.slice, format_args!("{place}.payee"), &touch.payee)?;
    touch.at.in_range().map_err(|fault| fault.at("at").within(&place))?;
    model.document.admits(touch).map_err(|error| error.within(&place))?;
    Ok(Some(Event::Touched { deal: deal.id.clone(), touch: touch.clone() }))
}

/// Credits a sale that is won, after the events that `decision` has already.
pub(super) fn complete(
    context: &Context<'_>,
    deal: &Deal,
    (completed_at, cutoff): (Instant, Option<Instant>),
    decision: Decision,
) -> Result<Decision, Undecided> {
    let sale = sale_of(deal)?;
    if deal.is_credited_at(completed_at, cutoff) {
        return Err(Undecided::already_known(format_args!("the completion of deal {}", deal.id)));
    }
    let deal = deal.open()?;
    let on = in_range(context.settings.zone().local_date(completed_at.to_utc()))?;
    happened(context, deal, on)?;
    let calculated = calculate(context, deal, sale, (completed_at, cutoff), (&sale.model, sale.rates.as_ref()), &[])?;
    let Calculated { mut crediting, single } = calculated;
    crediting.entries = crediting.earned(&single.attributed, &[], (0..).map(|index| context.new_entry(index)))?;
    let new = crediting.entries.clone();
    let day = crediting.earned_on;
    let spent = own_spent(&[], &crediting.spent)?;
    let moves = Moves { spent, earned: single.earned, new, gone: Vec::new(), on: day };
    mark!(SaleUnattributed, crediting.unattributed);
    let event = Event::Credited(Box::new(crediting));
    follow(context, deal, sale, decision.effective(day).with(StreamId::Deal(deal.id.clone()), event), moves)
}

/// Registers, touches and completes at once.
pub(super) fn record(
    context: &Context<'_>,
    deal: &DealId,
    sale: &Sale,
    touches: &[Touch],
    (completed_at, cutoff): (Instant, Option<Instant>),
) -> Result<Decision, Undecided> {
    let basis = Basis::Sale(Box::new(sale.clone()));
    if let Some(known) = context.slice.find_deal(deal)? {
        // Touches that became known besides do not make it another sale.
        let same = known.basis == basis && touches.iter().all(|touch| known.touches.contains(touch));
        if same && known.is_credited_at(completed_at, cutoff) {
            return Err(Undecided::already_known(format_args!("deal {deal}")));
        }
        return Err(Rejection::AlreadyRegistered { deal: deal.clone(), gci: known.gci }.into());
    }
    let registered = register(context, deal, basis)?;
    let (mut state, mut decision) = (None, context.decision());
    evolve(&mut state, &registered)?;
    let mut happened = vec![registered];
    for one in touches {
        let known = state.as_ref().ok_or(Misfit("not registered"))?;
        if let Some(touched) = touch(context, known, one)? {
            evolve(&mut state, &touched)?;
            happened.push(touched);
        }
    }
    for event in happened {
        decision = decision.with(StreamId::Deal(deal.clone()), event);
    }
    complete(context, state.as_ref().ok_or(Misfit("not registered"))?, (completed_at, cutoff), decision)
}

/// Nothing is won or paid for in the days to come: what is earned then would be taken back before it was there.
fn happened(context: &Context<'_>, deal: &Deal, on: Date) -> Result<(), Rejection> {
    let today = context.today;
    if on > today { Err(Rejection::NotYet { deal: deal.id.clone(), on, today }) } else { Ok(()) }
}

/// Takes a payment of the customer in, and books what it releases.
pub(super) fn collect(context: &Context<'_>, deal: &Deal, payment: &Payment) -> Result<Decision, Undecided> {
    let sale = sale_of(deal)?;
    match deal.payments.iter().find(|known| known.payment == payment.payment) {
        Some(_) if planted!(PaymentTwice) => {}
        Some(known) if known == payment => {
            return Err(Undecided::already_known(format_args!("payment {} of deal {}", payment.payment, deal.id)));
        }
        Some(_) => {
            mark!(PaymentTaken);
            let payment = payment.payment.clone();
            return Err(Rejection::PaymentTaken { deal: deal.id.clone(), payment }.into());
        }
        None => {}
    }
    let Credited { crediting, touches, live } = deal.credited()?;
    if !payment.amount.is_positive() {
        return Err(Rejection::NotPositive { amount: payment.amount }.into());
    }
    happened(context, deal, in_range(payment.on)?)?;
    let rates = crediting.rates_in_force().into_iter().map(|rates| StreamId::Rates(rates.rates.clone()));
    context.slice.require([StreamId::Model(crediting.model.model.clone())].into_iter().chain(rates))?;

    let payments: Vec<Payment> = deal.payments.iter().chain([payment]).cloned().collect();
    let touches = planted!(LateTouchCounts => deal.touches.len(), *touches);
    let case = crediting.case(sale, deal.touches.iter().take(touches), &payments, context.slice)?;
    let single = attribute::single(&case)?;
    let mut entries = crediting.earned(&single.attributed, &payments, std::iter::repeat(unnamed()))?;
    let (kept, gone) = matched(&entries, live);
    if !gone.is_empty() && !planted!(LateTouchCounts) {
        return Err(Rejection::Diverges { deal: deal.id.clone() }.into());
    }
    let mut kept = kept.into_iter();
    entries.retain(|_| kept.next().flatten().is_none());
    let all = live.len().saturating_add(entries.len());
    if !entries.is_empty() && all > ENTRIES_PER_SALE {
        return Err(Rejection::TooManyEntries { deal: deal.id.clone(), entries: all }.into());
    }
    for (index, earned) in (0..).zip(&mut entries) {
        earned.entry = context.new_entry(index);
    }
    mark!(Released, !entries.is_empty());
    let currency = deal.gci.currency();
    context.slice.require(entries.iter().map(|earned| earned.account(currency)))?;
    let Payment { payment, amount, on } = payment.clone();
    let event = Event::Collected { deal: deal.id.clone(), payment, amount, on, entries: entries.clone() };
    let day = on.max(crediting.earned_on);
    let decision = context.decision().effective(day).with(StreamId::Deal(deal.id.clone()), event);
    Ok(entries.iter().fold(decision, |decision, earned| booked(decision, deal, earned)))
}

/// Credits a sale anew, on what is known now.
pub(super) fn recompute(
    context: &Context<'_>,
    deal: &Deal,
    reason: &Text,
    model: Option<&model::Chosen>,
    rates: Option<&rates::Chosen>,
) -> Result<Decision, Undecided> {
    let sale = sale_of(deal)?;
    let Credited { crediting: former, live, .. } = deal.credited()?;
    let in_force = model::Chosen { model: former.model.model.clone(), version: former.model.version };
    let chosen = |in_force: &rates::InForce| rates::Chosen { rates: in_force.rates.clone(), version: in_force.version };
    let so_far = former.rates.as_ref().map(chosen);
    let own = planted!(NewestRates => crate::planted::newest(context.slice, so_far), so_far);
    let at = (former.completed_at, former.cutoff);
    let versions = (model.unwrap_or(&in_force), rates.or(own.as_ref()));
    let Calculated { mut crediting, single } = calculate(context, deal, sale, at, versions, &former.spent)?;
    if crediting.inputs == former.inputs {
        mark!(NothingNew);
        return Err(Undecided::already_known(format_args!("what deal {} comes to", deal.id)));
    }
    let ids = (0..).map(|index| context.new_entry(index));
    crediting.entries = crediting.earned(&single.attributed, &deal.payments, ids)?;
    let (kept, left) = planted!(AllRenewed => crate::planted::all_renewed(&crediting.entries, live), matched(&crediting.entries, live));
    let gone = planted!(ResultsCoexist => Vec::new(), left);
    mark!(EntrySuperseded, !gone.is_empty());
    let mut new = Vec::new();
    for (earned, kept) in crediting.entries.iter_mut().zip(kept) {
        match kept {
            Some(kept) => {
                mark!(EntryKept);
                earned.entry = kept;
            }
            None => new.push(earned.clone()),
        }
    }
    // What is taken back has its numbers after those of all entries.
    let after = u32::try_from(crediting.entries.len()).unwrap_or(u32::MAX);
    let gone = gone.into_iter().map(|(place, earned)| (after.saturating_add(place), earned)).collect();
    let spent = own_spent(&former.spent, &crediting.spent)?;
    let moves = Moves { spent, earned: single.earned, new, gone, on: crediting.earned_on };
    let event = Event::Recredited(Box::new(Recrediting { reason: reason.clone(), crediting }));
    let decision = no_earlier(context, former, live).with(StreamId::Deal(deal.id.clone()), event);
    follow(context, deal, sale, decision, moves)
}

/// A decision for today, or for the day of the sale or of what it has, if a request says that it is earlier than those.
fn no_earlier(context: &Context<'_>, crediting: &Crediting, live: &[Earned]) -> Decision {
    let days = live.iter().map(|earned| earned.on).chain([crediting.earned_on]);
    let decision = context.decision();
    let day = days.fold(decision.effective, Date::max);
    decision.effective(day)
}

/// Takes a credited sale back.
pub(super) fn reverse(
    context: &Context<'_>,
    deal: &Deal,
    credited: &Credited,
    reason: &Text,
) -> Result<Decision, Undecided> {
    let sale = sale_of(deal)?;
    let Credited { crediting, live, .. } = credited;
    let (slice, currency) = (context.slice, deal.gci.currency());
    let earners = sale.may_earn(&deal.touches);
    let accounts = live.iter().map(|earned| earned.account(currency));
    let spent = crediting.spent.iter().map(|spent| spend::stream(&spent.account));
    let customers = earners.iter().filter_map(|payee| customer_stream(sale, payee));
    slice.require(accounts.chain(spent).chain(customers))?;

    let reversed = Event::Reversed { deal: deal.id.clone(), reason: reason.clone(), sides: Vec::new() };
    let mut decision = no_earlier(context, crediting, live).with(StreamId::Deal(deal.id.clone()), reversed);
    for spent in &crediting.spent {
        let amount = spent.own()?;
        if !amount.is_zero() && !planted!(SpendKept) {
            mark!(SpendGivenBack);
            addable(slice, &spent.account, amount.negated())?;
            let event = spend::Event::Reversed { account: spent.account.clone(), deal: deal.id.clone(), amount };
            decision = decision.with(spend::stream(&spent.account), event);
        }
    }
    if !planted!(CustomerKept) {
        decision = meet(slice, deal, sale, (&BTreeSet::new(), crediting.earned_on), decision)?;
    }
    for (index, Earned { payee, entry, .. }) in (0..).zip(live) {
        decision = take_back(context, decision, deal, (payee, *entry), index)?;
    }
    Ok(decision)
}

/// What a crediting moves besides the sale.
struct Moves {
    /// By how much more or less it counts to spend limits.
    spent: Vec<(spend::Account, Money)>,
    /// Who earns on it.
    earned: BTreeSet<PayeeId>,
    /// The entries that are new.
    new: Vec<Earned>,
    /// Those that are taken back, each with the number that a clawback of it has in the request.
    gone: Vec<(u32, Earned)>,
    /// The day of the sale.
    on: Date,
}

/// Adds to a decision what follows from a crediting.
fn follow(
    context: &Context<'_>,
    deal: &Deal,
    sale: &Sale,
    mut decision: Decision,
    Moves { spent, earned, new, gone, on }: Moves,
) -> Result<Decision, Undecided> {
    let (slice, currency) = (context.slice, deal.gci.currency());
    let entries = new.iter().chain(gone.iter().map(|(_, earned)| earned));
    let spend = spent.iter().map(|(account, _)| spend::stream(account));
    slice.require(entries.map(|earned| earned.account(currency)).chain(spend))?;
    for (account, amount) in spent {
        if !amount.is_zero() {
            addable(slice, &account, amount)?;
            let stream = spend::stream(&account);
            decision = decision.with(stream, spend::Event::Counted { account, deal: deal.id.clone(), amount });
        }
    }
    decision = meet(slice, deal, sale, (&earned, on), decision)?;
    decision = new.iter().fold(decision, |decision, earned| booked(decision, deal, earned));
    for (index, Earned { payee, entry, .. }) in &gone {
        decision = take_back(context, decision, deal, (payee, *entry), *index)?;
    }
    Ok(decision)
}

/// Makes sure that what cannot be folded is refused while nothing is stored.
fn addable(slice: &Slice, account: &spend::Account, amount: Money) -> Result<(), Undecided> {
    let total = slice.spend(account)?.total(account.period.end, amount.currency());
    Ok(total.plus(amount).map(drop)?)
}

/// Says to the customer of a sale who earns on it now, and on which day it is.
fn meet(
    slice: &Slice,
    deal: &Deal,
    sale: &Sale,
    (earned, on): (&BTreeSet<PayeeId>, Date),
    mut decision: Decision,
) -> Result<Decision, Undecided> {
    let Some(customer) = &sale.customer else { return Ok(decision) };
    for payee in sale.may_earn(&deal.touches) {
        let (was, is) = (slice.customer(customer, payee)?.earned_on(&deal.id), earned.contains(payee).then_some(on));
        if was == is {
            continue;
        }
        let stream = StreamId::Customer { customer: customer.clone(), payee: payee.clone() };
        let (customer, payee, deal) = (customer.clone(), payee.clone(), deal.id.clone());
        mark!(CustomerForgotten, is.is_none());
        let event = match is {
            Some(on) => customer::Event::Earned { customer, payee, deal, on },
            None => customer::Event::Forgotten { customer, payee, deal },
        };
        decision = decision.with(stream, event);
    }
    Ok(decision)
}

/// By how much more or less than before a sale counts itself.
fn own_spent(former: &[Spent], now: &[Spent]) -> Result<Vec<(spend::Account, Money)>, MoneyError> {
    let of = |all: &[Spent], account: &spend::Account| {
        all.iter().find(|spent| spent.account == *account).map(Spent::own).transpose()
    };
    let gone = former.iter().filter(|spent| now.iter().all(|other| other.account != spent.account));
    let by = |spent: &Spent| {
        let (was, is) = (of(former, &spent.account)?, of(now, &spent.account)?);
        let zero = Money::zero(spent.before.currency());
        Ok((spent.account.clone(), is.unwrap_or(zero).minus(was.unwrap_or(zero))?))
    };
    now.iter().chain(gone).map(by).collect()
}

/// Which of the live entries each of these is, and which of them is none of these, with its place.
fn matched(entries: &[Earned], live: &[Earned]) -> (Vec<Option<EntryId>>, Vec<(u32, Earned)>) {
    let mut left: Vec<(u32, Earned)> = (0..).zip(live.iter().cloned()).collect();
    let kept = entries.iter().map(|earned| {
        let place = left.iter().position(|(_, known)| known.equals(earned))?;
        Some(left.remove(place).1.entry)
    });
    (kept.collect(), left)
}

/// In place of an identifier where none is told.
fn unnamed() -> EntryId {
    EntryId::from_uuid(Uuid::nil())
}

fn booked(decision: Decision, deal: &Deal, earned: &Earned) -> Decision {
    let source = Source::Commission { deal: deal.id.clone() };
    let (stream, event) = book(&earned.payee, earned.entry, source, earned.amount, earned.on);
    decision.with(stream, event)
}

/// Folds an event of a sale into it.
pub(super) fn evolve_sale(deal: &mut Deal, event: &Event) -> Result<(), Misfit> {
    match (event, &mut deal.stage) {
        (Event::Touched { touch, .. }, _) => deal.touches.push(touch.clone()),
        (Event::Credited(_) | Event::Recredited(_), stage) => {
            let crediting = event.crediting().ok_or(Misfit("the sale is not credited"))?.clone();
            let live = crediting.entries.clone();
            *stage = Stage::Credited(Box::new(Credited { crediting, touches: deal.touches.len(), live }));
        }
        (Event::Collected { payment, amount, on, entries, .. }, Stage::Credited(credited)) => {
            let (payment, amount, on) = (payment.clone(), *amount, *on);
            deal.payments.push(Payment { payment, amount, on });
            if !planted!(ReleasedOutlives) {
                credited.live.extend_from_slice(entries);
            }
        }
        _ => return Err(Misfit("the sale is not credited")),
    }
    Ok(())
}
