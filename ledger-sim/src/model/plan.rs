//! A plan, in versions that never change.

use super::{Asked, Ruling, Step, Why, calendar, maybe, sha256};
use crate::act::{Amount, CapTerms, CapYear, Code, Document, Part, WHOLE};

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
}

/// What all plans of a cap programme have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programme {
    pub currency: Code,
    pub year: CapYear,
}

impl Plan {
    /// One of its versions.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&Version> {
        self.versions.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }
}

pub(super) fn publish(asked: Asked<'_>, plan: &str, document: &Document) -> Result<Ruling, Why> {
    validate(document)?;
    asked.settings.demand_currency(document.currency)?;
    let known = asked.model.plans.get(plan).map_or([].as_slice(), |plan| &plan.versions);
    let json = stored(document);
    if known.last().is_some_and(|last| last.json == json) {
        return Err(Why::Unchanged);
    }
    let (version, hash) = (known.len() + 1, sha256(&json));
    let mut ruling = Ruling::on(asked.today);
    let payload = format!(r#"{{"plan":"{plan}","version":{version},"hash":"{hash}","document":{json}}}"#);
    ruling.fact(format!("plan/{plan}"), "plan.published", payload);
    ruling.step(Step::Version(plan.to_owned(), Version { document: document.clone(), json, hash }));
    let Some(cap) = &document.cap else { return Ok(ruling) };
    let (name, programme) = (&cap.programme, Programme { currency: document.currency, year: cap.year });
    match asked.model.programmes.get(name) {
        Some(known) if *known == programme => {}
        Some(_) => return Err(Why::Taken),
        None => {
            let (currency, year) = (document.currency.0, year(cap.year));
            let payload = format!(r#"{{"programme":"{name}","currency":"{currency}","year":{year}}}"#);
            ruling.fact(format!("programme/{name}"), "cap.programme_opened", payload);
            ruling.step(Step::Programme(name.clone(), programme));
        }
    }
    Ok(ruling)
}

fn validate(document: &Document) -> Result<(), Why> {
    let whole = |payee: Part, company: Part| payee.0.checked_add(company.0) == Some(WHOLE);
    let amount = |Amount(units, currency)| currency == document.currency && units >= 0;
    let valid = whole(document.payee, document.company)
        && document.cap.as_ref().is_none_or(|cap| {
            cap.post_cap.is_none_or(|(payee, company)| whole(payee, company))
                && amount(cap.limit)
                && cap.fee.is_none_or(amount)
                && match cap.year {
                    CapYear::Calendar { month, day } => calendar::recurs(month, day),
                    CapYear::Anniversary { .. } => true,
                }
        });
    if valid { Ok(()) } else { Err(Why::WrongAmount) }
}

/// The document as it is stored, every policy written out.
fn stored(document: &Document) -> String {
    let shares = |payee: Part, company: Part| format!(r#"{{"payee":"{payee}","company":"{company}"}}"#);
    let pre_cap = shares(document.payee, document.company);
    let split = match &document.cap {
        None => format!(r#"{{"flat":{pre_cap}}}"#),
        Some(cap) => {
            let CapTerms { programme, limit, fee, .. } = cap;
            let (payee, company) = cap.post_cap.unwrap_or((Part(WHOLE), Part(0)));
            let (post_cap, fee, year) = (shares(payee, company), maybe("post_cap_fee", *fee), year(cap.year));
            let crossing = if cap.whole_deal { "whole_deal_pre_cap" } else { "split_within_deal" };
            let on_crossing = if cap.fee_on_crossing { "yes" } else { "no" };
            let cap = format!(r#"{{"programme":"{programme}","limit":"{limit}","year":{year}}}"#);
            let policies = format!(r#""crossing":"{crossing}","fee_on_crossing":"{on_crossing}""#);
            format!(r#"{{"capped":{{"pre_cap":{pre_cap},"cap":{cap},"post_cap":{post_cap}{fee},{policies}}}}}"#)
        }
    };
    let (currency, rounding) =
        (document.currency.0, if document.half_even { "half_even" } else { "half_away_from_zero" });
    format!(r#"{{"currency":"{currency}","split":{split},"rounding":"{rounding}"}}"#)
}

fn year(year: CapYear) -> String {
    match year {
        CapYear::Calendar { month, day } => format!(r#"{{"calendar":{{"month":{month},"day":{day}}}}}"#),
        CapYear::Anniversary { march_first } => {
            let leap_day = if march_first { "march1" } else { "clamp" };
            format!(r#"{{"anniversary":{{"leap_day":"{leap_day}"}}}}"#)
        }
    }
}
