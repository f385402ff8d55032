//! What a sale must be credited on: the versions that were chosen, what its payees are on its day, their customers, and what
//! counts to their spend limits, as everything that happened before says it.

use std::collections::{BTreeMap, BTreeSet};

use super::sales::Sold;
use super::{Broken, Law, Laws, differs};
use crate::attribute::FirstCommission;
use crate::credit::rates::{Document, SpendLimit};
use crate::deal::sale::{Crediting, Documents, Spent};
use crate::id::{CustomerId, DealId, PayeeId, RatesId};
use crate::money::Currency;
use crate::projection::sum::Sum;
use crate::reconcile::due::differing;
use crate::{Date, customer, model, rates, spend};

/// The sales to a customer that a payee earns on, each with its place in the order in which it came to that.
#[derive(Debug, Clone, Default)]
pub(super) struct Met {
    sales: BTreeMap<DealId, (u64, Date)>,
    days: BTreeSet<(Date, DealId)>,
    places: u64,
}

impl Met {
    pub(super) fn apply(&mut self, event: &customer::Event) {
        let (customer::Event::Earned { deal, .. } | customer::Event::Forgotten { deal, .. }) = event;
        let known = self.sales.remove(deal);
        if let Some((_, on)) = known {
            self.days.remove(&(on, deal.clone()));
        }
        if let customer::Event::Earned { on, .. } = event {
            let place = known.map_or(self.places, |(place, _)| place);
            self.places = self.places.saturating_add(1);
            self.sales.insert(deal.clone(), (place, *on));
            self.days.insert((*on, deal.clone()));
        }
    }

    pub(super) fn earned_on(&self, deal: &DealId) -> Option<Date> {
        self.sales.get(deal).map(|(_, on)| *on)
    }

    /// The earliest day of another sale; of those that were earned on before this one, if that is asked.
    fn first(&self, deal: &DealId, before: bool) -> Option<Date> {
        match self.sales.get(deal).filter(|_| before) {
            Some((place, _)) => self.sales.values().filter(|(other, _)| other < place).map(|(_, on)| *on).min(),
            None => self.days.iter().find(|(_, other)| other != deal).map(|(on, _)| *on),
        }
    }
}

/// By which rate plan each payee is paid.
type Plans<'a> = BTreeMap<&'a PayeeId, (RatesId, &'a Document)>;

impl Laws {
    pub(super) fn met(&self, customer: &CustomerId, payee: &PayeeId) -> Option<&Met> {
        self.customers.get(&(customer.clone(), payee.clone()))
    }

    pub(super) fn meet(&mut self, event: &customer::Event) {
        let (customer::Event::Earned { customer, payee, .. } | customer::Event::Forgotten { customer, payee, .. }) =
            event;
        self.customers.entry((customer.clone(), payee.clone())).or_default().apply(event);
    }

    /// A crediting on what is known, and what is stored otherwise: the first field, or what others count to spend limits.
    pub(super) fn on_what_is_known(&self, sold: &Sold, stored: &Crediting) -> (Crediting, Vec<Broken>) {
        let mut known = stored.clone();
        let former = sold.former();
        if let Some(former) = former {
            (known.completed_at, known.cutoff) = (former.completed_at, former.cutoff);
        }
        known.model = self.model_of(sold, stored);
        known.rates = self.rates_of(sold, stored);
        if let Some(zone) = self.documents.zone() {
            known.earned_on = zone.local_date(known.completed_at.to_utc());
        }
        self.particulars(sold, &mut known);
        let plans = self.plans(sold, &known);
        self.limits(sold, &plans, &mut known);
        self.first_commissions(sold, &plans, &mut known);

        let accounts = |crediting: &Crediting| -> Vec<_> {
            crediting.spent.iter().map(|Spent { account, .. }| BTreeMap::from([("account", account.clone())])).collect()
        };
        let other = differing("completed_at", &known.completed_at, &stored.completed_at)
            .or_else(|| differing("cutoff", &known.cutoff, &stored.cutoff))
            .or_else(|| differing("model", &known.model, &stored.model))
            .or_else(|| differing("rates", &known.rates, &stored.rates))
            .or_else(|| differing("earned_on", &known.earned_on, &stored.earned_on))
            .or_else(|| differing("payees", &known.payees, &stored.payees))
            .or_else(|| differing("first_commissions", &known.first_commissions, &stored.first_commissions))
            .or_else(|| differing("spent", &accounts(&known), &accounts(stored)));
        if let Some(field) = other {
            let told = differs(Law::SaleIsOnWhatIsKnown, &stored.deal, field);
            return (known, vec![told]);
        }
        let spent = known.spent.iter().zip(&stored.spent).filter(|(known, stored)| known.before != stored.before);
        let told = spent.map(|(Spent { account, before, .. }, stored)| {
            let field = ("before".to_owned(), before.to_string(), stored.before.to_string());
            differs(Law::BeforeIsWhatWas, spend::stream(account), field)
        });
        let told = told.collect();
        (known, told)
    }

    /// The model that was chosen when the sale was registered; one that is credited anew may be by any version.
    fn model_of(&self, sold: &Sold, stored: &Crediting) -> model::InForce {
        let hash = |model: &model::Chosen| Some(self.documents.model(&model.model, model.version)?.hash);
        let chosen = match sold.former() {
            None => sold.sale().model.clone(),
            Some(former) => {
                let stored = model::Chosen { model: stored.model.model.clone(), version: stored.model.version };
                if hash(&stored).is_none() {
                    return former.model.clone();
                }
                stored
            }
        };
        let hash = hash(&chosen).unwrap_or(stored.model.hash);
        model::InForce { model: chosen.model, version: chosen.version, hash }
    }

    /// The rate plan likewise. One that had any is credited anew by some.
    fn rates_of(&self, sold: &Sold, stored: &Crediting) -> Option<rates::InForce> {
        let Some(former) = sold.former() else {
            return sold.sale().rates.as_ref().and_then(|chosen| self.rates_in_force(chosen));
        };
        let stored = stored.rates.as_ref();
        let stored = stored.map(|rates| rates::Chosen { rates: rates.rates.clone(), version: rates.version });
        stored.and_then(|stored| self.rates_in_force(&stored)).or_else(|| former.rates.clone())
    }

    fn rates_in_force(&self, chosen: &rates::Chosen) -> Option<rates::InForce> {
        let hash = self.documents.rates(&chosen.rates, chosen.version)?.hash;
        Some(rates::InForce { rates: chosen.rates.clone(), version: chosen.version, hash })
    }

    fn document(&self, in_force: &rates::InForce) -> Option<&Document> {
        Some(&self.documents.rates(&in_force.rates, in_force.version)?.document)
    }

    /// What everybody is on the day of the sale: whom it names, and whom the overrides of its rate plans do.
    fn particulars(&self, sold: &Sold, known: &mut Crediting) {
        let on = |payee: &PayeeId| self.terms.payee(payee).map(|payee| payee.particulars_on(known.earned_on));
        let named = sold.sale().names(&sold.touches).into_iter().filter_map(|payee| {
            let particulars = on(payee)?;
            let rates = particulars.rates.as_ref().and_then(|chosen| self.rates_in_force(chosen));
            Some((payee.clone(), particulars.with_rates(rates)))
        });
        let mut payees: BTreeMap<_, _> = named.collect();
        let plans: BTreeSet<_> = payees.values().filter_map(|known| known.rates.as_ref()).chain(&known.rates).collect();
        let overrides = plans.into_iter().filter_map(|plan| self.document(plan)).flat_map(|plan| &plan.overrides);
        let others: BTreeSet<&PayeeId> = overrides.flat_map(|one| [&one.of, &one.to]).collect();
        for payee in others {
            if let (false, Some(particulars)) = (payees.contains_key(payee), on(payee)) {
                payees.insert(payee.clone(), particulars.with_rates(None));
            }
        }
        known.payees = payees;
    }

    /// By which rate plan each payee is paid: by its own or, if it may be credited, by that of the sale. One in another currency
    /// pays nobody.
    fn plans<'a>(&'a self, sold: &'a Sold, known: &Crediting) -> Plans<'a> {
        let credited: BTreeSet<_> = sold.sale().may_be_credited(&sold.touches).collect();
        let plans = sold.sale().may_earn(&sold.touches).into_iter().filter_map(|payee| {
            let own = known.payees.get(payee).and_then(|known| known.rates.as_ref());
            let in_force = own.or_else(|| known.rates.as_ref().filter(|_| credited.contains(payee)))?;
            let document = self.document(in_force).filter(|document| document.currency == sold.worth().currency())?;
            Some((payee, (in_force.rates.clone(), document)))
        });
        plans.collect()
    }

    /// What others count to the spend limits of its payees.
    fn limits(&self, sold: &Sold, plans: &Plans<'_>, known: &mut Crediting) {
        let (own, currency) = (sold.spent(), sold.worth().currency());
        let accounts = plans.iter().filter_map(|(payee, (rates, document))| {
            let limit = document.spend_limit?;
            let period = limit.over(limit.zone.local_date(known.completed_at.to_utc()))?;
            Some(spend::Account { rates: rates.clone(), payee: PayeeId::clone(payee), period })
        });
        let accounts: BTreeSet<_> = accounts.collect();
        let was = |account: &spend::Account| {
            let total = self.spent.get(&(account.clone(), currency)).copied().unwrap_or_default();
            total.minus(own.get(account).copied().unwrap_or_default()).max(Sum::ZERO)
        };
        // What is stored of another account is taken for that of one that is not there.
        let (mut same, mut others): (Vec<Spent>, Vec<Spent>) =
            known.spent.drain(..).partition(|spent| accounts.contains(&spent.account));
        others.reverse();
        let spent = accounts.into_iter().filter_map(|account| {
            let before = was(&account).money(currency).ok()?;
            let place = same.iter().position(|spent| spent.account == account);
            let stored = place.map(|place| same.swap_remove(place)).or_else(|| others.pop());
            Some(Spent { account, before, after: stored.map_or(before, |stored| stored.after) })
        });
        known.spent = spent.collect();
    }

    /// When payees first earned on another sale to the customer. A plan that pays the first sale only does not take that from it
    /// for one that came after.
    fn first_commissions(&self, sold: &Sold, plans: &Plans<'_>, known: &mut Crediting) {
        let Some(customer) = &sold.sale().customer else {
            known.first_commissions.clear();
            return;
        };
        let first = sold.sale().may_earn(&sold.touches).into_iter().filter_map(|payee| {
            let first_only = plans.get(payee).is_some_and(|(_, document)| document.max_duration_months == Some(0));
            let on = self.met(customer, payee)?.first(&known.deal, first_only)?;
            Some(FirstCommission { payee: payee.clone(), customer: customer.clone(), on })
        });
        known.first_commissions = first.collect();
    }

    /// What a rate plan lets a payee earn in a month or a year, of each account that a crediting counts to.
    pub(super) fn limits_in_force(&self, crediting: &Crediting) -> Vec<((spend::Account, Currency), Sum)> {
        let limit = |Spent { account, .. }: &Spent| {
            let own = crediting.payees.get(&account.payee).and_then(|known| known.rates.as_ref());
            let plan = own.or(crediting.rates.as_ref()).filter(|plan| plan.rates == account.rates)?;
            let SpendLimit { amount, .. } = self.document(plan)?.spend_limit?;
            Some(((account.clone(), amount.currency()), amount.into()))
        };
        crediting.spent.iter().filter_map(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: &str) -> Date {
        day.parse().unwrap()
    }

    /// As the ledger keeps it, in time that does not grow with the sales.
    #[test]
    fn who_met_a_customer_first_is_known_as_the_ledger_knows_it() {
        let (mut met, mut known) = (Met::default(), customer::Customer::default());
        let ids = ["a", "b", "c", "d"].map(|id| id.parse::<DealId>().unwrap());
        let [a, b, c, _] = ids.clone();
        let (customer, payee) = ("acme".parse::<CustomerId>().unwrap(), "amy".parse::<PayeeId>().unwrap());
        let earned = |deal: &DealId, on: &str| {
            let (customer, payee) = (customer.clone(), payee.clone());
            customer::Event::Earned { customer, payee, deal: deal.clone(), on: day(on) }
        };
        let (customer, payee) = (customer.clone(), payee.clone());
        let forgotten = customer::Event::Forgotten { customer, payee, deal: b.clone() };
        for event in [
            earned(&a, "2026-01-05"),
            earned(&b, "2026-01-05"),
            earned(&c, "2026-01-02"),
            forgotten,
            earned(&b, "2026-01-01"),
        ] {
            met.apply(&event);
            customer::evolve(&mut known, &event).unwrap();
            for deal in &ids {
                assert_eq!(met.earned_on(deal), known.earned_on(deal));
                assert_eq!(met.first(deal, false), known.first_but(deal));
                assert_eq!(met.first(deal, true), known.first_before(deal), "{event:?} {deal}");
            }
        }
    }
}
