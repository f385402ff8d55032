//! The laws of sales: what a sale counts, books and takes back is what it comes to, calculated again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Broken, Law, Laws, broken, differs};
use crate::credit::touch::Touch;
use crate::deal::SideLines;
use crate::deal::sale::{self, Crediting, Sale, Spent};
use crate::event::Event;
use crate::id::{DealId, EntryId};
use crate::money::Money;
use crate::projection::sum::Sum;
use crate::reconcile::due::{self, booking, differing};
use crate::stream::StreamId;
use crate::{Date, spend};

/// A sale, and what taking it back takes back.
#[derive(Debug, Clone)]
pub(super) struct Sold {
    sale: Box<Sale>,
    worth: Money,
    pub(super) touches: Vec<Touch>,
    payments: Vec<sale::Payment>,
    /// As it was credited last, and how many touches were known then.
    credited: Option<(Crediting, usize)>,
    /// The entries that it has.
    live: Vec<sale::Earned>,
    /// What it had to post and has not taken back.
    pub(super) posted: Vec<Event>,
}

impl Sold {
    pub(super) fn new(sale: &Sale, worth: Money) -> Self {
        let (touches, payments, live, posted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { sale: Box::new(sale.clone()), worth, touches, payments, credited: None, live, posted }
    }

    /// What it counts to spend limits.
    fn spent(&self) -> BTreeMap<&spend::Account, Sum> {
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
    /// Calculates a sale again, and owes what it counts and books more than before, and the taking back of what is gone.
    pub(super) fn credit(&mut self, crediting: &Crediting, on: Date, out: &mut Vec<Broken>) {
        let deal = &crediting.deal;
        let Some(mut sold) = self.sales.remove(deal) else {
            out.push(broken(Law::CalcDivergence, deal, "a sale that is known", "none"));
            return;
        };
        let known = self.on_what_was_spent(&sold, crediting, out);
        let calculated = self.credit_again(&sold, &known, out);
        let mut ways = vec![self.by_crediting(&sold, crediting, on)];
        if let Cow::Owned(known) = &known {
            ways.push(self.by_crediting(&sold, known, on));
        }
        ways.extend(calculated.iter().map(|calculated| self.by_crediting(&sold, calculated, on)));
        let right = calculated.unwrap_or_else(|| known.into_owned());
        sold.posted.retain(|event| due::booked(event).is_none_or(|entry| has(&crediting.entries, entry)));
        sold.live.clone_from(&right.entries);
        sold.credited = Some((right, sold.touches.len()));
        self.sales.insert(deal.clone(), sold);
        self.owe_either(ways);
    }

    /// What a sale must post when it is credited, on a day.
    fn by_crediting(&self, sold: &Sold, crediting: &Crediting, on: Date) -> Vec<Event> {
        let Crediting { deal, entries, .. } = crediting;
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
        let booked: Vec<_> = sold.posted.iter().filter_map(due::booked).collect();
        let new = entries.iter().filter(|earned| !booked.contains(&earned.entry));
        due.extend(new.map(|earned| booking(deal, earned)));
        let gone = |event: &&Event| due::booked(event).is_some_and(|entry| !has(entries, entry));
        let gone = sold.posted.iter().filter(gone).cloned();
        due.extend(gone.filter_map(|event| self.taken_back(event, on)));
        due
    }

    /// Owes that a sale is taken back, on a day.
    pub(super) fn take_sale_back(&mut self, deal: &DealId, sides: &[SideLines], on: Date, out: &mut Vec<Broken>) {
        if !sides.is_empty() {
            out.push(broken(Law::ReversalIsExact, deal, "a sale, which has no sides", "sides"));
        }
        let Some(sold @ Sold { credited: Some(_), .. }) = self.sales.remove(deal) else {
            out.push(broken(Law::ReversalIsExact, deal, "a sale that is credited", "none"));
            return;
        };
        let mut due = Vec::new();
        for (account, sum) in sold.spent() {
            if let Some(amount) = sum.money(sold.worth.currency()).ok().filter(|amount| !amount.is_zero()) {
                due.push(spend::Event::Reversed { account: account.clone(), deal: deal.clone(), amount }.into());
            }
        }
        due.extend(sold.posted.into_iter().filter_map(|event| self.taken_back(event, on)));
        self.owe(due);
    }

    /// The sale, on what others count to the spend limits of its payees.
    fn on_what_was_spent<'a>(
        &self,
        sold: &Sold,
        crediting: &'a Crediting,
        out: &mut Vec<Broken>,
    ) -> Cow<'a, Crediting> {
        let (own, mut known) = (sold.spent(), Cow::Borrowed(crediting));
        for (index, Spent { account, before, .. }) in crediting.spent.iter().enumerate() {
            let currency = before.currency();
            let total = self.spent.get(&(account.clone(), currency)).copied().unwrap_or_default();
            let was = total.minus(own.get(account).copied().unwrap_or_default()).max(Sum::ZERO);
            if was == Sum::from(*before) {
                continue;
            }
            let expected = format!("{} {currency}", was.show(currency));
            let field = ("before".to_owned(), expected, before.to_string());
            out.push(differs(Law::BeforeIsWhatWas, spend::stream(account), field));
            if let (Ok(was), Some(spent)) = (was.money(currency), known.to_mut().spent.get_mut(index)) {
                spent.before = was;
            }
        }
        known
    }

    /// Calculates a sale again, on what is known of it. It comes out as it should be where it is stored otherwise.
    fn credit_again(&mut self, sold: &Sold, crediting: &Crediting, out: &mut Vec<Broken>) -> Option<Crediting> {
        if self.is_doubted(crediting) {
            return None;
        }
        let deal = &crediting.deal;
        let again = crediting.recalculate(&sold.sale, &sold.touches, &sold.payments, &self.documents);
        let (told, right) = match again {
            Err(rejection) => (Some(broken(Law::CalcDivergence, deal, rejection, "what is stored")), None),
            Ok((_, mut again)) => match crediting.divergence(&again) {
                None => (None, None),
                Some((place, stored, calculated)) => {
                    name(&mut again.entries, &crediting.entries);
                    (Some(differs(Law::CalcDivergence, deal, (place, calculated, stored))), Some(again))
                }
            },
        };
        if let Some(told) = told {
            // It may be the sale that is wrong: what follows is not blamed for it.
            self.doubted_deals.insert(deal.clone());
            out.push(told.over(sold.worth));
        }
        let Crediting { credits, house, unattributed, .. } = right.as_ref().unwrap_or(crediting);
        let sum: Sum = credits.iter().map(|credit| credit.amount).chain(*house).map(Sum::from).sum();
        if !unattributed && sum != Sum::from(sold.worth) {
            let found = sum.show(sold.worth.currency());
            out.push(broken(Law::PartsAreTheWhole, deal, sold.worth.amount(), found).over(sold.worth));
        }
        right
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
        payment: sale::Payment,
        entries: &[sale::Earned],
        out: &mut Vec<Broken>,
    ) {
        let Some(mut sold) = self.sales.remove(deal) else {
            out.push(broken(Law::CalcDivergence, deal, "a sale that is known", "none"));
            return;
        };
        sold.payments.push(payment);
        let mut ways = vec![entries];
        let right = self.collect_again(deal, &sold, entries, out);
        ways.extend(right.as_deref());
        let ways = ways.iter().map(|entries| entries.iter().map(|earned| booking(deal, earned)).collect()).collect();
        sold.live.extend(right.unwrap_or_else(|| entries.to_vec()));
        self.sales.insert(deal.clone(), sold);
        self.owe_either(ways);
    }

    /// What a payment should have released where that is stored otherwise.
    fn collect_again(
        &mut self,
        deal: &DealId,
        sold: &Sold,
        entries: &[sale::Earned],
        out: &mut Vec<Broken>,
    ) -> Option<Vec<sale::Earned>> {
        let Some((crediting, touches)) = &sold.credited else {
            out.push(broken(Law::CalcDivergence, deal, "a sale that is credited", "none"));
            return None;
        };
        if self.is_doubted(crediting) {
            return None;
        }
        let touches = sold.touches.iter().take(*touches);
        let again = crediting.recalculate(&sold.sale, touches, &sold.payments, &self.documents);
        let (told, right) = match again {
            Err(rejection) => (broken(Law::CalcDivergence, deal, rejection, "what is stored"), None),
            Ok((_, again)) => {
                let (mut left, mut released) = (sold.live.clone(), again.entries);
                released.retain(|earned| {
                    let place = left.iter().position(|known| known.equals(earned));
                    place.map(|place| left.swap_remove(place)).is_none()
                });
                name(&mut released, entries);
                match (left.first(), differing("entries", &released.as_slice(), &entries)) {
                    (Some(earned), _) => {
                        let found = format_args!("{} of {}", earned.amount, earned.payee);
                        (broken(Law::CalcDivergence, deal, "what its payments release", found), None)
                    }
                    (None, Some(field)) => (differs(Law::CalcDivergence, deal, field), Some(released)),
                    (None, None) => return None,
                }
            }
        };
        self.doubted_deals.insert(deal.clone());
        out.push(told.over(sold.worth));
        right
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
