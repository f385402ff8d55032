//! A sale: a deal that its [touches](Touch) attribute and that [rate plans](crate::rates) pay.
//!
//! Crediting it runs exactly one deal of [`attribute`] on what the ledger knows: its touches and payments, what its payees are on
//! its day, the versions of its documents, what counts to spend limits, and which customers earned before. What is credited says
//! all of that, so the same case can be run again, and a digest of it, so that whoever reads two results sees whether the second
//! knew anything new. Crediting it again supersedes: what is the same stays, the rest is taken back.

mod calculate;
mod decide;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use self::calculate::check;
pub(super) use self::decide::{collect, complete, recompute, record, reverse, touch};
use super::{Deal, Event, Stage, first_difference};
use crate::attribute::{self, Attributed, Case, FirstCommission, Kind, Single};
use crate::attribution::{Credit, Weight};
use crate::calendar::Zone;
use crate::chain::Digest;
use crate::codec::canonical;
use crate::credit::distinct;
use crate::credit::refuse::{self, Fault};
use crate::credit::terms::{self, Line};
use crate::credit::touch::{Instant, Touch};
use crate::decide::Misfit;
use crate::id::{CustomerId, DealId, EntryId, ModelId, PayeeId, PaymentId, RatesId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::settings::Settings;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::{Date, model, rates, spend};

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

/// In place of an identifier where none is told.
fn unnamed() -> EntryId {
    EntryId::from_uuid(Uuid::nil())
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
