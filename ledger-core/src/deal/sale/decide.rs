//! What is decided of a sale: whether it is touched, credited, paid for, credited anew or taken back, and what follows from that.

use std::collections::BTreeSet;

use super::calculate::{Calculated, calculate, customer_stream, day_of};
use super::{Credited, Crediting, Earned, Payment, Recrediting, Sale, Spent, unnamed};
use crate::account::Source;
use crate::attribute;
use crate::calendar::in_range;
use crate::credit::model::Model;
use crate::credit::refuse::Fault;
use crate::credit::touch::{Instant, Touch};
use crate::deal::{Basis, Deal, Event, Rejection, Stage, book, evolve, register, take_back};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::id::{DealId, EntryId, PayeeId, Text};
use crate::limits::{ENTRIES_PER_SALE, TOUCHES_PER_DEAL};
use crate::money::{Money, MoneyError};
use crate::payee::enrolled;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::{Date, customer, model, rates, spend};

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
pub(in crate::deal) fn touch(context: &Context<'_>, deal: &Deal, touch: &Touch) -> Result<Option<Event>, Undecided> {
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
pub(in crate::deal) fn complete(
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
    let day = day_of(context, completed_at)?;
    happened(context, deal, day)?;
    let at = (completed_at, cutoff, day);
    let calculated = calculate(context, deal, sale, at, (&sale.model, sale.rates.as_ref()), &[])?;
    let Calculated { mut crediting, single } = calculated;
    crediting.entries = crediting.earned(&single.attributed, &[], (0..).map(|index| context.new_entry(index)))?;
    let new = crediting.entries.clone();
    let spent = own_spent(&[], &crediting.spent)?;
    let moves = Moves { spent, earned: single.earned, new, gone: Vec::new(), on: day };
    mark!(SaleUnattributed, crediting.unattributed);
    let event = Event::Credited(Box::new(crediting));
    follow(context, deal, sale, decision.effective(day).with(StreamId::Deal(deal.id.clone()), event), moves)
}

/// Registers, touches and completes at once.
pub(in crate::deal) fn record(
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
pub(in crate::deal) fn collect(context: &Context<'_>, deal: &Deal, payment: &Payment) -> Result<Decision, Undecided> {
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
pub(in crate::deal) fn recompute(
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
    let at = (former.completed_at, former.cutoff, day_of(context, former.completed_at)?);
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
pub(in crate::deal) fn reverse(
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

fn booked(decision: Decision, deal: &Deal, earned: &Earned) -> Decision {
    let source = Source::Commission { deal: deal.id.clone() };
    let (stream, event) = book(&earned.payee, earned.entry, source, earned.amount, earned.on);
    decision.with(stream, event)
}
