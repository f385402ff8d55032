//! A plan, in versions that never change.

use std::sync::Arc;

use super::{Asked, Ruling, Step, Why, sha256, waterfall};
use crate::act::{CapYear, Code, Document};
use crate::document::Holder;

/// A plan.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Its name.
    pub id: String,
    /// Its versions, from 1.
    pub versions: Vec<Version>,
}

/// A version of a plan.
#[derive(Debug, Clone)]
pub struct Version {
    /// What it says.
    pub document: Document,
    /// The same as it is stored.
    pub(super) json: String,
    /// SHA-256 of that.
    pub hash: String,
    /// The same as deals are calculated by it.
    pub(super) terms: Arc<waterfall::Plan>,
}

/// What all plans of a programme have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programme {
    pub currency: Code,
    pub year: CapYear,
    /// What counts to it.
    pub counts: &'static str,
}

impl Plan {
    /// One of its versions.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&Version> {
        self.versions.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }
}

pub(super) fn publish(asked: Asked<'_>, plan: &str, document: &Document) -> Result<Ruling, Why> {
    let json = document.stored();
    let terms = Arc::new(waterfall::Plan::read(&json)?);
    asked.settings.demand_currency(document.currency)?;
    let known = asked.model.plans.get(plan).map_or([].as_slice(), |plan| &plan.versions);
    if known.last().is_some_and(|last| last.json == json) {
        return Err(Why::Unchanged);
    }
    let (version, hash) = (known.len() + 1, sha256(&json));
    let mut ruling = Ruling::on(asked.today);
    let payload = format!(r#"{{"plan":"{plan}","version":{version},"hash":"{hash}","document":{json}}}"#);
    ruling.fact(format!("plan/{plan}"), "plan.published", payload);
    ruling.step(Step::Version(plan.to_owned(), Box::new(Version { document: document.clone(), json, hash, terms })));
    let mut opened: Vec<&str> = Vec::new();
    for (name, year, counts) in programmes(document) {
        let programme = Programme { currency: document.currency, year, counts };
        match asked.model.programmes.get(name) {
            _ if opened.contains(&name) => return Err(Why::Taken),
            Some(known) if *known == programme => {}
            Some(_) => return Err(Why::Taken),
            None => {
                let (currency, year) = (document.currency.0, serde_json::to_string(&year).unwrap_or_default());
                let what = format!(r#""currency":"{currency}","year":{year},"counts":"{counts}""#);
                let payload = format!(r#"{{"programme":"{name}",{what}}}"#);
                ruling.fact(format!("programme/{name}"), "cap.programme_opened", payload);
                ruling.step(Step::Programme(name.to_owned(), programme));
                opened.push(name);
            }
        }
    }
    Ok(ruling)
}

/// Every programme that a document names, with its years and what counts to it.
fn programmes(document: &Document) -> impl Iterator<Item = (&str, CapYear, &'static str)> {
    let caps = document.cap.iter().flat_map(|terms| &terms.caps).map(|cap| {
        let counts = if cap.of == Holder::Payee { "cap" } else { "pool" };
        (cap.programme.as_str(), cap.year, counts)
    });
    let royalty = document.royalty.iter().filter_map(|royalty| royalty.cap.as_ref());
    let royalty = royalty.map(|cap| (cap.programme.as_str(), cap.year, "cap"));
    let sub_caps = document.fees.iter().filter_map(|fee| fee.sub_cap.as_ref());
    let sub_caps = sub_caps.map(|cap| (cap.programme.as_str(), cap.year, "cap"));
    let attainment = document.attainment.iter().map(|of| (of.programme.as_str(), of.year, "attainment"));
    caps.chain(royalty).chain(sub_caps).chain(attainment)
}
