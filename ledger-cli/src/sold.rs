//! Sales read off the log, each credited again to say why it came to what it came to. What is stored is what holds.

use std::collections::BTreeMap;

use ledger_core::attribute::{self, Attributed, Kind};
use ledger_core::credit::touch::Touch;
use ledger_core::deal::sale::{Crediting, Earned, Payment, Sale};
use ledger_core::deal::{self, Basis};
use ledger_core::event::Event;
use ledger_core::id::{DealId, PayeeId};
use ledger_core::projection::plans::Documents;
use ledger_core::recorded::Recorded;
use ledger_core::{Money, model, rates};
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
    /// The entries that it has.
    live: Vec<Earned>,
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
                let live = Vec::new();
                let known = Known { sale: sale.clone(), worth: *gci, touches, payments, credited: None, live };
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
                let sold = known.explain(recorded.sequence, crediting, *touches, Some(entries), &self.documents);
                known.live.extend_from_slice(entries);
                Some(sold)
            }
            event => {
                let crediting = event.crediting()?;
                let known = self.sales.get_mut(&crediting.deal)?;
                known.credited = Some((crediting.clone(), known.touches.len()));
                known.live.clone_from(&crediting.entries);
                Some(known.explain(recorded.sequence, crediting, known.touches.len(), None, &self.documents))
            }
        }
    }
}

impl Known {
    /// Where a payment should have released something else: the place, what is stored there, and what is calculated.
    fn diverges(&self, again: &Crediting, released: &[Earned]) -> Option<(String, String, String)> {
        let mut left: Vec<&Earned> = self.live.iter().chain(released).collect();
        let mut missing = again.entries.iter().filter(|earned| {
            let place = left.iter().position(|known| known.equals(earned));
            place.map(|place| left.remove(place)).is_none()
        });
        let told = |earned: &Earned| format!("{} of {} for {}", earned.amount, earned.payee, earned.on);
        let missing = missing.next().map(told);
        let place = left.first().and_then(|left| released.iter().position(|earned| earned.entry == left.entry));
        let stored = left.first().map(|earned| told(earned));
        let place = place.map_or_else(|| "what is released".to_owned(), |place| format!("entries.{place}"));
        let nothing = || "nothing".to_owned();
        (stored.is_some() || missing.is_some())
            .then(|| (place, stored.unwrap_or_else(nothing), missing.unwrap_or_else(nothing)))
    }

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
                let differs = match released {
                    Some(released) => self.diverges(again, released),
                    None => crediting.divergence(again),
                };
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

    /// In words what concerns a payee, or everything; of a sale that is reversed, what held of it.
    pub fn words(&self, payee: Option<&PayeeId>, is_reversed: bool) -> Vec<String> {
        let asked = |other: &PayeeId| payee.is_none_or(|payee| payee == other);
        let [is, gets] = if is_reversed { ["was", "got"] } else { ["is", "gets"] };
        let mut words = Vec::new();
        if let Some(crediting) = &self.crediting {
            let Crediting { touches, completed_at, cutoff, unattributed, house, inputs, .. } = crediting;
            let known = basis(&Basis::Sale(Box::new(credited_by(&self.sale, crediting))));
            words.push(format!("deal {} of {} is {known}", self.deal, self.worth));
            let registered = basis(&Basis::Sale(self.sale.clone()));
            words.extend((registered != known).then(|| format!("it was registered as {registered}")));
            let inputs = inputs.to_string();
            let inputs = inputs.get(..12).unwrap_or(&inputs);
            let count = if *touches == 1 { "touch counts" } else { "touches count" };
            let until = match cutoff.filter(|cutoff| cutoff < completed_at) {
                Some(cutoff) => format!("{cutoff}, the cutoff"),
                None => completed_at.to_string(),
            };
            words.push(format!("{touches} {count} up to {until} (inputs {inputs}…)"));
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
            words.push(format!("{payee} {is} credited with {amount}{}", told(because)));
        }
        for Part { payee, amount, because } in self.overlays.iter().filter(|part| asked(&part.payee)) {
            words.push(format!("{payee} {is} credited with {amount} beside{}", told(because)));
        }
        for Paid { earned: Earned { payee, kind, name, amount, .. }, because } in &self.entries {
            if asked(payee) {
                let what = match kind {
                    Kind::Commission => "commission",
                    Kind::Overlay => "commission on an overlay",
                    Kind::Override => "override",
                };
                let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                words.push(format!("{payee} {gets} {amount}, {what}{name}{}", told(because)));
            }
        }
        words.extend(self.calc_divergence.iter().map(|divergence| format!("calc_divergence: {divergence}")));
        words
    }
}

/// The sale as if it had been registered with the documents by which it was credited.
fn credited_by(sale: &Sale, Crediting { model: by, rates, .. }: &Crediting) -> Sale {
    let model = model::Chosen { model: by.model.clone(), version: by.version };
    let rates = rates.as_ref().map(|by| rates::Chosen { rates: by.rates.clone(), version: by.version });
    Sale { model, rates, ..sale.clone() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger_core::command::Request;
    use ledger_core::engine::Ledger;
    use ledger_core::engine::tokio::TokioEnv;
    use ledger_core::store::memory::MemoryStore;

    use super::*;

    /// A sale of which two payments release something.
    const SOLD: [&str; 7] = [
        r#"{"settings.open":{"base_currency":"USD","zone":"UTC"}}"#,
        r#"{"payee.enrol":{"payee":"ann","name":"Ann"}}"#,
        r#"{"model.publish":{"model":"main","document":{"model":{"linear":{}}}}}"#,
        r#"{"rates.publish":{"rates":"slow","document":{"currency":"USD","otherwise":{"rate":"0.1"},"earned":"as_collected"}}}"#,
        r#"{"deal.record_sale":{"deal":"s","sale":{"amount":"100 USD","model":{"model":"main","version":1},"rates":{"rates":"slow","version":1}},"touches":[{"touch":"t","payee":"ann","type":"demo","at":"2026-01-01T00:00:00Z"}],"completed_at":"2026-01-02T00:00:00Z"}}"#,
        r#"{"deal.collect":{"deal":"s","payment":"p1","amount":"30 USD","on":"2026-01-03"}}"#,
        r#"{"deal.collect":{"deal":"s","payment":"p2","amount":"70 USD","on":"2026-01-04"}}"#,
    ];

    /// A payment that had released too much was told without a word of it.
    #[tokio::test]
    async fn a_payment_that_released_something_else_is_said_to_diverge() {
        let store = MemoryStore::new(Arc::new(|| 1_767_225_600_000_000));
        let ledger = Ledger::new(Arc::new(store), Arc::new(TokioEnv::current()), "main".parse().unwrap());
        let mut events = Vec::new();
        for (key, command) in SOLD.iter().enumerate() {
            let line = format!(r#"{{"key":"k{key}","actor":"ann","at":"2026-01-05T00:00:00Z","command":{command}}}"#);
            let receipt = ledger.execute(serde_json::from_str::<Request>(&line).unwrap()).await.unwrap();
            events.extend(receipt.events);
        }
        let told = |events: &[Recorded]| -> Vec<Option<String>> {
            let mut sales = Sales::default();
            events.iter().filter_map(|recorded| sales.of(recorded)).map(|sold| sold.calc_divergence).collect()
        };
        assert_eq!(told(&events), [None, None, None]);
        let payments: Vec<usize> = events
            .iter()
            .enumerate()
            .filter(|(_, recorded)| matches!(recorded.event, Event::Deal(deal::Event::Collected { .. })))
            .map(|(place, _)| place)
            .collect();
        let spoilt = |spoil: fn(&mut Vec<Earned>)| {
            let mut events = events.clone();
            let Event::Deal(deal::Event::Collected { entries, .. }) = &mut events[payments[1]].event else { panic!() };
            spoil(entries);
            told(&events).pop().unwrap().unwrap()
        };
        let more = spoilt(|entries| entries[0].amount = Money::parse("12 USD").unwrap());
        assert_eq!(
            more,
            "entries.0 is 12.00 USD of ann for 2026-01-04, calculated again 7.00 USD of ann for 2026-01-04"
        );
        let none = spoilt(Vec::clear);
        assert_eq!(none, "what is released is nothing, calculated again 7.00 USD of ann for 2026-01-04");
    }
}
