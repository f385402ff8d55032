//! What a sale is worth, and what it comes to on everything that is known now: what is looked up for that, and the case that is run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Crediting, Particulars, Sale, Spent};
use crate::attribute::{self, FirstCommission, Single};
use crate::calendar::{CalendarError, in_range};
use crate::chain::Digest;
use crate::credit::rates::Document;
use crate::credit::touch::{Instant, Touch};
use crate::deal::Deal;
use crate::decide::{Context, Undecided};
use crate::id::{DealId, PayeeId};
use crate::money::{Currency, Money};
use crate::payee::enrolled;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::{Date, model, rates, spend};

/// A sale that is credited, but for the identifiers of its entries.
pub(super) struct Calculated {
    pub(super) crediting: Crediting,
    pub(super) single: Single,
}

/// Checks a sale before anything is known of its touches, and says what it is worth.
pub(in crate::deal) fn check(context: &Context<'_>, deal: &DealId, sale: &Sale) -> Result<Money, Undecided> {
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

/// The day of a sale that is won at an instant: that in the ledger's zone.
pub(super) fn day_of(context: &Context<'_>, completed_at: Instant) -> Result<Date, CalendarError> {
    in_range(context.settings.zone().local_date(completed_at.to_utc()))
}

/// Credits a sale on everything that is known now. What it counts to spend limits itself, by `former`, is not counted.
pub(super) fn calculate(
    context: &Context<'_>,
    deal: &Deal,
    sale: &Sale,
    (completed_at, cutoff, day): (Instant, Option<Instant>, Date),
    (model, rates): (&model::Chosen, Option<&rates::Chosen>),
    former: &[Spent],
) -> Result<Calculated, Undecided> {
    let slice = context.slice;
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

pub(super) fn customer_stream(sale: &Sale, payee: &PayeeId) -> Option<StreamId> {
    Some(StreamId::Customer { customer: sale.customer.clone()?, payee: payee.clone() })
}
