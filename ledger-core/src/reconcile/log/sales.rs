//! The laws of sales: what a sale counts, books and takes back is what it comes to, calculated again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Broken, Law, Laws, broken, differs};
use crate::Date;
use crate::attribute::Single;
use crate::credit::touch::Touch;
use crate::deal::SideLines;
use crate::deal::sale::{self, Crediting, Payment, Sale, Spent};
use crate::event::Event;
use crate::id::{DealId, EntryId, PayeeId, TouchId};
use crate::money::Money;
use crate::projection::sum::Sum;
use crate::reconcile::due::{self, booking, differing};
use crate::stream::StreamId;
use crate::{customer, spend};

/// A sale, and what taking it back takes back.
#[derive(Debug, Clone)]
pub(super) struct Sold {
    sale: Box<Sale>,
    worth: Money,
    pub(super) touches: Vec<Touch>,
    touched: BTreeSet<TouchId>,
    payments: Vec<Payment>,
    /// As it was credited last, and how many touches were known then.
    credited: Option<(Crediting, usize)>,
    /// The entries that it has.
    live: Vec<sale::Earned>,
    /// What it had to post and has not taken back.
    pub(super) posted: Vec<Event>,
}

/// Who earns on a sale; nothing where that cannot be told.
type Earners = Option<BTreeSet<PayeeId>>;

impl Sold {
    pub(super) fn new(sale: &Sale, worth: Money) -> Self {
        let (touches, payments, live, posted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let touched = BTreeSet::new();
        Self { sale: Box::new(sale.clone()), worth, touches, touched, payments, credited: None, live, posted }
    }

    pub(super) fn sale(&self) -> &Sale {
        &self.sale
    }

    pub(super) fn worth(&self) -> Money {
        self.worth
    }

    /// As it was credited last.
    pub(super) fn former(&self) -> Option<&Crediting> {
        self.credited.as_ref().map(|(crediting, _)| crediting)
    }

    /// What it counts to spend limits.
    pub(super) fn spent(&self) -> BTreeMap<&spend::Account, Sum> {
        let mut sums = BTreeMap::<_, Sum>::new();
        for event in &self.posted {
            if let Event::Spend(spend::Event::Counted { account, amount, .. }) = event {
                sums.entry(account).or_default().add(*amount);
            }
        }
        sums
    }
}

impl Laws {
    /// Takes a touch of a sale in.
    pub(super) fn touch(&mut self, deal: &DealId, touch: &Touch, out: &mut Vec<Broken>) {
        let is_known = self.terms.payee(&touch.payee).is_some();
        let Some(sold) = self.sales.get_mut(deal) else {
            let found = format!("touch {}", touch.touch);
            out.push(broken(Law::SaleGoesItsWay, deal, "a sale that is not reversed", found));
            return;
        };
        let is_new = sold.touched.insert(touch.touch.clone());
        let wrong = (!is_new, !is_known);
        sold.touches.push(touch.clone());
        let (field, expected, found) = match wrong {
            (true, _) => ("touch.touch", "another name", touch.touch.to_string()),
            (false, true) => ("touch.payee", "a payee that is known", touch.payee.to_string()),
            (false, false) => return,
        };
        // What it would come to without that touch cannot be told.
        self.doubted_deals.insert(deal.clone());
        out.push(differs(Law::SaleGoesItsWay, deal, (field.to_owned(), expected.to_owned(), found)));
    }

    /// Calculates a sale again, and owes what it counts and books more than before, and the taking back of what is gone.
    pub(super) fn credit(&mut self, crediting: &Crediting, anew: bool, out: &mut Vec<Broken>) {
        let deal = &crediting.deal;
        let Some(mut sold) = self.sales.remove(deal) else {
            out.push(broken(Law::SaleGoesItsWay, deal, "a sale that is registered and not reversed", "none"));
            return;
        };
        if anew != sold.credited.is_some() {
            let [credited, open] = ["a sale that is credited", "a sale that is not credited"];
            let (expected, found) = if anew { (credited, open) } else { (open, credited) };
            out.push(broken(Law::SaleGoesItsWay, deal, expected, found).over(sold.worth));
        }
        let (ways, right, earners) = self.judge(&sold, crediting, out);
        match earners {
            None => {
                self.untold.insert(deal.clone());
            }
            Some(_) if sold.credited.is_none() => self.day.must_be(right.earned_on),
            Some(_) => {}
        }
        let ways = ways.iter().map(|way| self.by_crediting(&sold, way, earners.as_ref())).collect();
        let limits = self.limits_in_force(&right);
        self.spend_limits.extend(limits);
        sold.posted.retain(|event| due::booked(event).is_none_or(|entry| has(&crediting.entries, entry)));
        sold.live.clone_from(&right.entries);
        sold.credited = Some((right, sold.touches.len()));
        self.sales.insert(deal.clone(), sold);
        self.owe_either(ways);
    }

    /// What a sale must post when it is credited.
    fn by_crediting(&self, sold: &Sold, crediting: &Crediting, earners: Option<&BTreeSet<PayeeId>>) -> Vec<Event> {
        let Crediting { deal, earned_on, entries, .. } = crediting;
        let mut more = sold.spent();
        more.values_mut().for_each(|sum| *sum = Sum::ZERO.minus(*sum));
        for Spent { account, before, after } in &crediting.spent {
            let sum = more.entry(account).or_default();
            *sum = sum.plus((*after).into()).minus((*before).into());
        }
        let mut due = Vec::new();
        for (account, sum) in more {
            if let Some(amount) = sum.money(sold.worth.currency()).ok().filter(|amount| !amount.is_zero()) {
                due.push(spend::Event::Counted { account: account.clone(), deal: deal.clone(), amount }.into());
            }
        }
        due.extend(earners.into_iter().flat_map(|earners| self.told(sold, deal, (earners, *earned_on))));
        let booked: Vec<_> = sold.posted.iter().filter_map(due::booked).collect();
        let new = entries.iter().filter(|earned| !booked.contains(&earned.entry));
        due.extend(new.map(|earned| booking(deal, earned)));
        let gone = |event: &&Event| due::booked(event).is_some_and(|entry| !has(entries, entry));
        let gone = sold.posted.iter().filter(gone).cloned();
        due.extend(gone.filter_map(|event| self.taken_back(event)));
        due
    }

    /// What the customer of a sale must be told when these earn on it, on its day.
    fn told(&self, sold: &Sold, deal: &DealId, (earners, on): (&BTreeSet<PayeeId>, Date)) -> Vec<Event> {
        let Some(customer) = &sold.sale.customer else { return Vec::new() };
        let told = sold.sale.may_earn(&sold.touches).into_iter().filter_map(|payee| {
            let was = self.met(customer, payee).and_then(|met| met.earned_on(deal));
            let is = earners.contains(payee).then_some(on);
            let (customer, payee, deal) = (customer.clone(), payee.clone(), deal.clone());
            let event = match is {
                _ if is == was => return None,
                Some(on) => customer::Event::Earned { customer, payee, deal, on },
                None => customer::Event::Forgotten { customer, payee, deal },
            };
            Some(event.into())
        });
        told.collect()
    }

    /// Owes that a sale is taken back.
    pub(super) fn take_sale_back(&mut self, deal: &DealId, sides: &[SideLines], out: &mut Vec<Broken>) {
        if !sides.is_empty() {
            out.push(broken(Law::ReversalIsExact, deal, "a sale, which has no sides", "sides"));
        }
        let Some(sold @ Sold { credited: Some((Crediting { earned_on, .. }, _)), .. }) = &self.sales.remove(deal)
        else {
            out.push(broken(Law::ReversalIsExact, deal, "a sale that is credited", "none"));
            return;
        };
        let mut due = Vec::new();
        if self.doubted_deals.contains(deal) {
            self.untold.insert(deal.clone());
        } else {
            due = self.told(sold, deal, (&BTreeSet::new(), *earned_on));
        }
        for (account, sum) in sold.spent() {
            if let Some(amount) = sum.money(sold.worth.currency()).ok().filter(|amount| !amount.is_zero()) {
                due.push(spend::Event::Reversed { account: account.clone(), deal: deal.clone(), amount }.into());
            }
        }
        due.extend(sold.posted.iter().filter_map(|event| self.taken_back(event.clone())));
        self.owe(due);
    }

    /// Credits a sale again, on what is known of it: as it is stored and, where that is wrong, as it should be; which of them holds;
    /// and who earns on it. What it is credited on is told, or else what comes out.
    fn judge(
        &mut self,
        sold: &Sold,
        stored: &Crediting,
        out: &mut Vec<Broken>,
    ) -> (Vec<Crediting>, Crediting, Earners) {
        let (known, mut told) = self.on_what_is_known(sold, stored);
        if self.is_doubted(stored) || self.is_doubted(&known) {
            return (vec![stored.clone()], stored.clone(), None);
        }
        let again = |way: &Crediting| way.credited_again(&sold.sale, &sold.touches, &sold.payments, &self.documents);
        let comes_out = |way: &Crediting, again: &Crediting| way.divergence(again).is_none();
        let mut ways = vec![stored.clone()];
        ways.extend((known != *stored).then(|| known.clone()));
        let right = ways.iter().rev().find_map(|way| match again(way) {
            Ok((Single { earned, .. }, again)) if comes_out(way, &again) => Some((way.clone(), Some(earned))),
            _ => None,
        });
        let (right, earners) = match right {
            Some(right) => right,
            None => {
                let (told_of, mut right, earners) = match again(&known) {
                    Err(rejection) => {
                        (broken(Law::CalcDivergence, &stored.deal, rejection, "what is stored"), known, None)
                    }
                    Ok((Single { earned, .. }, mut again)) => {
                        let (place, is, should) = known.divergence(&again).unwrap_or_default();
                        name(&mut again.entries, &stored.entries);
                        // Of other inputs it cannot be told who earns on them.
                        let earners = (again.inputs == stored.inputs).then_some(earned);
                        (differs(Law::CalcDivergence, &stored.deal, (place, should, is)), again, earners)
                    }
                };
                match told.first_mut() {
                    None => told.push(told_of.over(sold.worth)),
                    // Nothing fits the instant, and everything the day.
                    Some(told) if told.field == "earned_on" => {
                        let (expected, found) = (format!("on {}", stored.earned_on), stored.completed_at.to_string());
                        (told.field, told.expected, told.found) = ("completed_at".to_owned(), expected, found);
                        right.earned_on = stored.earned_on;
                    }
                    Some(_) => {}
                }
                // It may be the sale that is wrong: what follows is not blamed for it.
                self.doubted_deals.insert(stored.deal.clone());
                ways.push(right.clone());
                (right, earners)
            }
        };
        if !told.is_empty() && right == *stored {
            self.doubted_deals.insert(stored.deal.clone());
        }
        out.extend(told);
        let Crediting { credits, house, unattributed, .. } = &right;
        let sum: Sum = credits.iter().map(|credit| credit.amount).chain(*house).map(Sum::from).sum();
        if !unattributed && sum != Sum::from(sold.worth) {
            let found = sum.show(sold.worth.currency());
            out.push(broken(Law::PartsAreTheWhole, &stored.deal, sold.worth.amount(), found).over(sold.worth));
        }
        (ways, right, earners)
    }

    /// Whether what a sale is credited on is told to be wrong.
    fn is_doubted(&self, crediting: &Crediting) -> bool {
        let model = (StreamId::Model(crediting.model.model.clone()), crediting.model.version);
        let rates = crediting.rates_in_force().into_iter();
        let rates = rates.map(|in_force| (StreamId::Rates(in_force.rates.clone()), in_force.version));
        self.doubted_deals.contains(&crediting.deal)
            || rates.chain([model]).any(|document| self.doubted_documents.contains(&document))
    }

    /// Calculates what a sale comes to with one more payment, and owes what that releases.
    pub(super) fn collect(
        &mut self,
        deal: &DealId,
        payment: Payment,
        effective: Date,
        entries: &[sale::Earned],
        out: &mut Vec<Broken>,
    ) {
        let Some(mut sold) = self.sales.remove(deal) else {
            out.push(broken(Law::SaleGoesItsWay, deal, "a sale that is registered and not reversed", "none"));
            return;
        };
        if sold.payments.iter().any(|known| known.payment == payment.payment) {
            let field = ("payment".to_owned(), "another name".to_owned(), payment.payment.to_string());
            out.push(differs(Law::SaleGoesItsWay, deal, field).over(payment.amount));
            self.doubted_deals.insert(deal.clone());
        }
        let Some((crediting, touches)) = sold.credited.as_ref().map(|(known, touches)| (known.clone(), *touches))
        else {
            out.push(broken(Law::SaleGoesItsWay, deal, "a sale that is credited", "none"));
            self.sales.insert(deal.clone(), sold);
            return;
        };
        let day = payment.on.max(crediting.earned_on);
        self.day.is_told(deal, "on", day);
        let (on, mut right) = (payment.on, None);
        sold.payments.push(payment);
        if !self.is_doubted(&crediting) {
            let again = |sold: &Sold| self.release(sold, &crediting, touches, entries);
            let told = again(&sold).and_then(|told| {
                // It may be the day of the payment that is wrong.
                sold.payments.iter_mut().rev().take(1).for_each(|payment| payment.on = effective);
                let fits = day != effective && again(&sold).is_none();
                sold.payments.iter_mut().rev().take(1).filter(|_| !fits).for_each(|payment| payment.on = on);
                (!fits).then_some(told)
            });
            if let Some((told, released)) = told {
                out.push(told.over(sold.worth));
                self.doubted_deals.insert(deal.clone());
                right = released;
            }
        }
        let ways = [Some(entries), right.as_deref()].into_iter().flatten();
        let ways = ways.map(|entries| entries.iter().map(|earned| booking(deal, earned)).collect()).collect();
        sold.live.extend(right.unwrap_or_else(|| entries.to_vec()));
        self.sales.insert(deal.clone(), sold);
        self.owe_either(ways);
    }

    /// Calculates what the last payment releases: what is wrong with what is stored, if anything, and what it should be, if that can
    /// be told.
    fn release(
        &self,
        sold: &Sold,
        crediting: &Crediting,
        touches: usize,
        entries: &[sale::Earned],
    ) -> Option<(Broken, Option<Vec<sale::Earned>>)> {
        let deal = &crediting.deal;
        let touches = sold.touches.iter().take(touches);
        let again = crediting.recalculate(&sold.sale, touches, &sold.payments, &self.documents);
        let again = match again {
            Ok((_, again)) => again,
            Err(rejection) => return Some((broken(Law::CalcDivergence, deal, rejection, "what is stored"), None)),
        };
        let (mut left, mut released) = (sold.live.clone(), again.entries);
        released.retain(|earned| {
            let place = left.iter().position(|known| known.equals(earned));
            place.map(|place| left.swap_remove(place)).is_none()
        });
        name(&mut released, entries);
        match (left.first(), differing("entries", &released.as_slice(), &entries)) {
            (Some(earned), _) => {
                let found = format_args!("{} of {}", earned.amount, earned.payee);
                Some((broken(Law::CalcDivergence, deal, "what its payments release", found), None))
            }
            (None, Some(field)) => Some((differs(Law::CalcDivergence, deal, field), Some(released))),
            (None, None) => None,
        }
    }
}

fn has(entries: &[sale::Earned], entry: EntryId) -> bool {
    entries.iter().any(|earned| earned.entry == entry)
}

/// Gives entries that were calculated again the names that they were stored under.
fn name(entries: &mut [sale::Earned], stored: &[sale::Earned]) {
    for (earned, stored) in entries.iter_mut().zip(stored) {
        earned.entry = stored.entry;
    }
}
