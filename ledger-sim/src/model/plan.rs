//! A plan, in versions that never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Asked, Ruling, Step, Why, sha256, waterfall};
use crate::act::{Amount, CapYear, Code, Document, Part};
use crate::document::{Crossing, Holder, Rounding};

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
    /// What plans say of its pools, as it is stored.
    pub pools: BTreeMap<String, String>,
}

/// What a document says of a programme.
struct Named<'a> {
    programme: &'a str,
    year: CapYear,
    counts: &'static str,
    pool: Option<(&'a str, String)>,
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
    if terms.beneficiaries().any(|payee| asked.model.payees.get(payee).is_none()) {
        return Err(Why::Unknown);
    }
    let (version, hash) = (known.len() + 1, sha256(&json));
    let mut ruling = Ruling::on(asked.today);
    let payload = format!(r#"{{"plan":"{plan}","version":{version},"hash":"{hash}","document":{json}}}"#);
    ruling.fact(format!("plan/{plan}"), "plan.published", payload);
    ruling.step(Step::Version(plan.to_owned(), Box::new(Version { document: document.clone(), json, hash, terms })));
    let (currency, mut opened) = (document.currency, Vec::new());
    for Named { programme: name, year, counts, pool } in programmes(document) {
        let known = asked.model.programmes.get(name);
        let differs = |known: &Programme| (known.currency, known.year, known.counts) != (currency, year, counts);
        if opened.contains(&name) || known.is_some_and(differs) {
            return Err(Why::Conflicting);
        }
        let stream = format!("programme/{name}");
        if known.is_none() {
            let (currency, year) = (currency.0, serde_json::to_string(&year).unwrap_or_default());
            let what = format!(r#""currency":"{currency}","year":{year},"counts":"{counts}""#);
            ruling.fact(stream.clone(), "cap.programme_opened", format!(r#"{{"programme":"{name}",{what}}}"#));
            opened.push(name);
        }
        let mut programme = known.cloned().unwrap_or(Programme { currency, year, counts, pools: BTreeMap::new() });
        if let Some((pool, terms)) = pool {
            match programme.pools.get(pool) {
                Some(known) if *known == terms => {}
                Some(_) => return Err(Why::Conflicting),
                None => {
                    let payload = format!(r#"{{"programme":"{name}","pool":"{pool}","terms":{terms}}}"#);
                    ruling.fact(stream, "cap.pool_opened", payload);
                    programme.pools.insert(pool.to_owned(), terms);
                }
            }
        }
        ruling.step(Step::Programme(name.to_owned(), programme));
    }
    Ok(ruling)
}

/// Every programme that a document names.
fn programmes(document: &Document) -> impl Iterator<Item = Named<'_>> {
    fn own(programme: &str, year: CapYear) -> Named<'_> {
        Named { programme, year, counts: "cap", pool: None }
    }
    let capped = document.cap.iter().flat_map(|terms| terms.caps.iter().map(move |cap| (cap, terms.crossing)));
    let caps = capped.map(move |(cap, crossing)| {
        let (limit, portion, rounding) = (cap.limit, cap.portion, document.rounding);
        let terms = PoolTerms { limit, portion, rounding, crossing };
        match &cap.of {
            Holder::Payee => own(&cap.programme, cap.year),
            Holder::Pool(pool) => {
                Named { counts: "pool", pool: Some((pool, terms.stored())), ..own(&cap.programme, cap.year) }
            }
        }
    });
    let royalty = document.royalty.iter().filter_map(|royalty| royalty.cap.as_ref());
    let royalty = royalty.map(|cap| own(&cap.programme, cap.year));
    let sub_caps = document.fees.iter().filter_map(|fee| fee.sub_cap.as_ref());
    let sub_caps = sub_caps.map(|cap| own(&cap.programme, cap.year));
    let attainment = document.attainment.iter();
    let attainment = attainment.map(|of| Named { counts: "attainment", ..own(&of.programme, of.year) });
    caps.chain(royalty).chain(sub_caps).chain(attainment)
}

/// What a plan says of a pool.
#[derive(Serialize)]
struct PoolTerms {
    limit: Amount,
    portion: Part,
    rounding: Rounding,
    crossing: Crossing,
}

impl PoolTerms {
    fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
