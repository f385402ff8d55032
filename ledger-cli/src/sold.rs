//! Sales read off the log, each credited again to say why it came to what it came to. What is stored is what holds.

use std::collections::BTreeMap;

use ledger_core::Money;
use ledger_core::attribute::{self, Attributed, Kind};
use ledger_core::credit::touch::Touch;
use ledger_core::deal::sale::{Crediting, Earned, Payment, Sale};
use ledger_core::deal::{self, Basis};
use ledger_core::event::Event;
use ledger_core::id::{DealId, PayeeId};
use ledger_core::projection::plans::Documents;
use ledger_core::recorded::Recorded;
use serde::Serialize;
use serde_json::Value;

use crate::words::basis;

/// The sales of a ledger, as far as it is read.
#[derive(Default)]
pub struct Sales {
    documents: Documents,
    sales: BTreeMap<DealId, Known>,
}

struct Known {
    sale: Box<Sale>,
    worth: Money,
    touches: Vec<Touch>,
    payments: Vec<Payment>,
    /// As it was credited last, on so many touches.
    credited: Option<(Crediting, usize)>,
}

/// A sale as it was credited, or what a payment released of it.
#[derive(Clone, Serialize)]
pub struct Sold {
    sequence: u64,
    deal: DealId,
    worth: Money,
    sale: Box<Sale>,
    /// What the sale was credited with, unless a payment only released what follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    crediting: Option<Crediting>,
    credits: Vec<Part>,
    overlays: Vec<Part>,
    entries: Vec<Paid>,
    /// Where the calculation comes to something else than what is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    calc_divergence: Option<String>,
}

#[derive(Clone, Serialize)]
struct Part {
    payee: PayeeId,
    amount: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Value>,
}

#[derive(Clone, Serialize)]
struct Paid {
    #[serde(flatten)]
    earned: Earned,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Value>,
}

impl Sales {
    /// Takes an event in; the sale that it credits, or of which it releases something, comes out.
    pub fn of(&mut self, recorded: &Recorded) -> Option<Sold> {
        self.documents.apply(&recorded.event);
        let Event::Deal(event) = &recorded.event else { return None };
        match event {
            deal::Event::Registered { deal, basis: Basis::Sale(sale), gci } => {
                let (touches, payments) = (Vec::new(), Vec::new());
                let known = Known { sale: sale.clone(), worth: *gci, touches, payments, credited: None };
                self.sales.insert(deal.clone(), known);
                None
            }
            deal::Event::Touched { deal, touch } => {
                self.sales.get_mut(deal)?.touches.push(touch.clone());
                None
            }
            deal::Event::Collected { deal, payment, amount, on, entries } => {
                let known = self.sales.get_mut(deal)?;
                known.payments.push(Payment { payment: payment.clone(), amount: *amount, on: *on });
                let (crediting, touches) = known.credited.as_ref()?;
                Some(known.explain(recorded.sequence, crediting, *touches, Some(entries), &self.documents))
            }
            event => {
                let crediting = event.crediting()?;
                let known = self.sales.get_mut(&crediting.deal)?;
                known.credited = Some((crediting.clone(), known.touches.len()));
                Some(known.explain(recorded.sequence, crediting, known.touches.len(), None, &self.documents))
            }
        }
    }
}

impl Known {
    fn explain(
        &self,
        sequence: u64,
        crediting: &Crediting,
        touches: usize,
        released: Option<&Vec<Earned>>,
        documents: &Documents,
    ) -> Sold {
        let touches = self.touches.iter().take(touches);
        let again = crediting.recalculate(&self.sale, touches, &self.payments, documents);
        let (attributed, calc_divergence) = match &again {
            Err(rejection) => (None, Some(rejection.to_string())),
            Ok((attributed, again)) => {
                let differs = crediting.divergence(again).filter(|_| released.is_none());
                let differs = differs
                    .map(|(place, stored, calculated)| format!("{place} is {stored}, calculated again {calculated}"));
                (Some(attributed).filter(|_| differs.is_none()), differs)
            }
        };
        let parts = |credits: &[attribute::Credit], stored: &[ledger_core::attribution::Credit]| {
            let because = |place: usize| credits.get(place).and_then(|credit| serde_json::to_value(credit).ok());
            let parts = stored.iter().enumerate().map(|(place, credit)| {
                let because = because(place).and_then(|credit| credit.get("because").cloned());
                Part { payee: credit.payee.clone(), amount: credit.amount, because }
            });
            parts.collect::<Vec<_>>()
        };
        let (credits, overlays) = match (released, attributed) {
            (Some(_), _) => (Vec::new(), Vec::new()),
            (None, Some(Attributed { credits, overlays, .. })) => {
                (parts(credits, &crediting.credits), parts(overlays, &crediting.overlays))
            }
            (None, None) => (parts(&[], &crediting.credits), parts(&[], &crediting.overlays)),
        };
        // Payments that released as much are told from the last one on.
        let mut told: Vec<(&Earned, &attribute::Entry)> = match (&again, attributed) {
            (Ok((_, again)), Some(attributed)) => again.entries.iter().zip(&attributed.entries).collect(),
            _ => Vec::new(),
        };
        if released.is_some() {
            told.reverse();
        }
        let entries = released.unwrap_or(&crediting.entries).iter().map(|earned| {
            let place = told.iter().position(|(calculated, _)| calculated.equals(earned));
            let entry = place.map(|place| told.remove(place).1).and_then(|entry| serde_json::to_value(entry).ok());
            Paid { earned: earned.clone(), because: entry.and_then(|entry| entry.get("because").cloned()) }
        });
        Sold {
            sequence,
            deal: crediting.deal.clone(),
            worth: self.worth,
            sale: self.sale.clone(),
            crediting: released.is_none().then(|| crediting.clone()),
            credits,
            overlays,
            entries: entries.collect(),
            calc_divergence,
        }
    }
}

impl Sold {
    /// Which sale it is.
    pub fn deal(&self) -> &DealId {
        &self.deal
    }

    /// Whether it says what the sale was credited with, and not what a payment released.
    pub fn is_credited(&self) -> bool {
        self.crediting.is_some()
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = &Earned> {
        self.entries.iter().map(|paid| &paid.earned)
    }

    /// In words what concerns a payee, or everything.
    pub fn words(&self, payee: Option<&PayeeId>) -> Vec<String> {
        let asked = |other: &PayeeId| payee.is_none_or(|payee| payee == other);
        let mut words = Vec::new();
        if let Some(Crediting { touches, completed_at, unattributed, house, inputs, .. }) = &self.crediting {
            let known = Basis::Sale(self.sale.clone());
            words.push(format!("deal {} of {} is {}", self.deal, self.worth, basis(&known)));
            let inputs = inputs.to_string();
            let inputs = inputs.get(..12).unwrap_or(&inputs);
            let count = if *touches == 1 { "touch counts" } else { "touches count" };
            words.push(format!("{touches} {count} up to {completed_at} (inputs {inputs}…)"));
            if *unattributed {
                words.push("nobody has a claim: somebody should look at it".into());
            }
            words.extend(house.map(|house| format!("the house keeps {house}")));
        }
        let told = |because: &Option<Value>| {
            let because = because.as_ref().and_then(|because| because["words"].as_str());
            because.map(|because| format!(": {because}")).unwrap_or_default()
        };
        for Part { payee, amount, because } in self.credits.iter().filter(|part| asked(&part.payee)) {
            words.push(format!("{payee} is credited with {amount}{}", told(because)));
        }
        for Part { payee, amount, because } in self.overlays.iter().filter(|part| asked(&part.payee)) {
            words.push(format!("{payee} is credited with {amount} beside{}", told(because)));
        }
        for Paid { earned: Earned { payee, kind, name, amount, .. }, because } in &self.entries {
            if asked(payee) {
                let what = match kind {
                    Kind::Commission => "commission",
                    Kind::Overlay => "commission on an overlay",
                    Kind::Override => "override",
                };
                let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                words.push(format!("{payee} gets {amount}, {what}{name}{}", told(because)));
            }
        }
        words.extend(self.calc_divergence.iter().map(|divergence| format!("calc_divergence: {divergence}")));
        words
    }
}
