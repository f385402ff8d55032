//! Attribution models and rate plans, in versions that never change.

use std::sync::Arc;

use super::table::Table;
use super::{Asked, Ruling, Step, Why, attribution, sha256};
use crate::sale::{self, Model, ModelPin, Per, Rates, RatesPin};

/// The versions of a document, from 1.
#[derive(Debug, Clone)]
pub struct Published<D> {
    /// Its name.
    pub id: String,
    /// Its versions.
    pub versions: Vec<Arc<Edition<D>>>,
}

/// A version of a document.
#[derive(Debug, Clone)]
pub struct Edition<D> {
    /// What it says.
    pub document: D,
    /// The same as it is stored.
    pub(super) json: String,
    /// SHA-256 of that.
    pub(super) hash: String,
}

impl<D> Default for Published<D> {
    fn default() -> Self {
        Self { id: String::new(), versions: Vec::new() }
    }
}

/// One of the versions of a document.
fn version<'a, D>(all: &'a Table<Published<D>>, name: &str, version: u32) -> Result<&'a Edition<D>, Why> {
    let place = version.checked_sub(1).and_then(|place| usize::try_from(place).ok());
    let found = place.and_then(|place| all.get(name)?.versions.get(place));
    found.map(AsRef::as_ref).ok_or(Why::Unknown)
}

impl<D> Table<Published<D>> {
    pub(super) fn publish(&mut self, name: String, edition: Arc<Edition<D>>) {
        if let Some(known) = self.of(&name) {
            known.id = name;
            known.versions.push(edition);
        }
    }
}

impl super::Model {
    /// A version of an attribution model.
    pub(super) fn model_of(&self, pin: &ModelPin) -> Result<&Edition<Model>, Why> {
        version(&self.models, &pin.model, pin.version)
    }

    /// A version of a rate plan.
    pub(super) fn rates_of(&self, pin: &RatesPin) -> Result<&Edition<Rates>, Why> {
        version(&self.rates, &pin.rates, pin.version)
    }
}

pub(super) fn publish_model(asked: Asked<'_>, model: &str, document: &Model) -> Result<Ruling, Why> {
    let json = sale::stored(document);
    attribution::check_model(&json)?;
    publish(asked, ("model", "model.published"), model, (document, json), &asked.model.models, Step::Model)
}

pub(super) fn publish_rates(asked: Asked<'_>, rates: &str, document: &Rates) -> Result<Ruling, Why> {
    let json = sale::stored(document);
    attribution::check_rates(&json)?;
    asked.settings.demand_currency(document.currency)?;
    let mut paid = document.overrides.iter().flat_map(|paid| [&paid.of, &paid.to]);
    if paid.any(|payee| asked.model.payees.get(payee).is_none()) {
        return Err(Why::Unknown);
    }
    // What was counted by the month of one place says nothing of another time.
    let known = asked.model.rates.get(rates).map_or([].as_slice(), |known| &known.versions);
    let known = known.iter().find_map(|version| version.document.spend_limit.as_ref());
    if let (Some(known), Some(new)) = (known, &document.spend_limit)
        && (known.per != new.per || known.zone != new.zone && new.per != Per::Deal)
    {
        return Err(Why::Conflicting);
    }
    publish(asked, ("rates", "rates.published"), rates, (document, json), &asked.model.rates, Step::Rates)
}

fn publish<D: Clone>(
    asked: Asked<'_>,
    (kind, type_name): (&str, &'static str),
    name: &str,
    (document, json): (&D, String),
    known: &Table<Published<D>>,
    step: fn(String, Arc<Edition<D>>) -> Step,
) -> Result<Ruling, Why> {
    let known = known.get(name).map_or([].as_slice(), |known| &known.versions);
    if known.last().is_some_and(|last| last.json == json) {
        return Err(Why::AlreadyKnown);
    }
    let (version, hash) = (known.len() + 1, sha256(&json));
    let mut ruling = Ruling::on(asked.today);
    let payload = format!(r#"{{"{kind}":"{name}","version":{version},"hash":"{hash}","document":{json}}}"#);
    ruling.fact(format!("{kind}/{name}"), type_name, payload);
    ruling.step(step(name.to_owned(), Arc::new(Edition { document: document.clone(), json, hash })));
    Ok(ruling)
}
