//! A commission plan: what a [document](Document) says, in versions that never change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::CapYearRule;
use crate::cap::{self, Counts, Programme};
use crate::chain::Digest;
use crate::codec;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{CapProgramme, PlanId, PoolId};
use crate::payee;
use crate::published::{self, Published, next};
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::waterfall::{self, Attainment, Document, Field, Limit, PoolTerms, Rule};

/// What can be asked of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Publishes the plan's next version, the first one being 1.
    Publish {
        /// The plan.
        plan: PlanId,
        /// What the version says. What it leaves out takes its default, which is then stored.
        #[serde(serialize_with = "codec::without_defaults")]
        document: Box<Document>,
    },
}

/// What happened to a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A version was published.
    Published {
        /// The plan.
        plan: PlanId,
        /// The version, from 1 without gaps.
        version: u32,
        /// SHA-256 of the document's stored bytes.
        hash: Digest,
        /// What the version says, every default written out.
        document: Box<Document>,
    },
}

/// A plan as it stands.
pub type Plan = Published<PlanId, Document>;
/// A version of a plan.
pub type Version = published::Version<Document>;
/// Why a request about a plan is refused.
pub type Rejection = published::Rejection<PlanId>;

impl Version {
    /// The version as deals are calculated under it: it was validated when it was published.
    pub(crate) fn of<'a>(&'a self, plan: &'a PlanId, version: u32) -> waterfall::Plan<'a> {
        waterfall::Plan::published(plan, version, self.hash, &self.document)
    }
}

/// What a document says of a programme, and where.
struct Named<'a> {
    field: Field,
    programme: &'a CapProgramme,
    year: CapYearRule,
    counts: Counts,
    pool: Option<(&'a PoolId, PoolTerms)>,
}

/// The programmes that a document names, in the order in which they are opened.
fn programmes(document: &Document) -> impl Iterator<Item = Named<'_>> {
    let limits = document.limits().map(|(field, limit)| {
        let Limit { programme, year, .. } = limit;
        let counts = if limit.pool.is_some() { Counts::Pool } else { Counts::Cap };
        Named { field, programme, year, counts, pool: document.pool(&limit) }
    });
    let attainment = document.attainment.iter().map(|Attainment { programme, year, .. }| {
        let (field, counts) = (Field::at("attainment"), Counts::Attainment);
        Named { field, programme, year: *year, counts, pool: None }
    });
    limits.chain(attainment)
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::Publish { plan, document } = self;
        let slice = context.slice;
        // What is too long is refused before anything that it names is looked up.
        document.validate()?;
        context.settings.demand_currency(document.currency)?;
        let programmed = programmes(document).map(|named| StreamId::Programme(named.programme.clone()));
        let beneficiaries = document.beneficiaries().map(|(_, payee)| StreamId::Payee(payee.clone()));
        slice.require([StreamId::Plan(plan.clone())].into_iter().chain(programmed).chain(beneficiaries))?;
        let known = slice.find_plan(plan)?;
        if let Some(known) = known.filter(|known| known.says(document)) {
            return Err(Rejection::Unchanged { name: plan.clone(), version: known.last() }.into());
        }
        for (field, payee) in document.beneficiaries() {
            let enrolled = payee::enrolled(slice, field, payee);
            mark!(StrangerNamed, enrolled.is_err());
            if !planted!(StrangerPaid) {
                enrolled?;
            }
        }
        let (version, hash) = (next(known), document.hash());
        let event = Event::Published { plan: plan.clone(), version, hash, document: document.clone() };
        let decision = context.decision().with(StreamId::Plan(plan.clone()), event);
        open_programmes(slice, document, decision)
    }
}

/// Opens the programmes and pools that no plan named before. Of those that one did, the document says the same.
fn open_programmes(slice: &Slice, document: &Document, mut decision: Decision) -> Result<Decision, Undecided> {
    let currency = document.currency;
    let mut opened: BTreeMap<&CapProgramme, Programme> = BTreeMap::new();
    for Named { field, programme: name, year, counts, pool } in programmes(document) {
        let known = match opened.get(name) {
            Some(known) => Some(known),
            None => slice.programme(name)?,
        };
        let differs = |at: &str, what| Rule::ProgrammesDiffer { programme: name.clone(), what }.at(at).within(field);
        let (programme, stream) = (name.clone(), StreamId::Programme(name.clone()));
        match known {
            Some(known) if known.currency != currency => return Err(differs("programme", "currency").into()),
            Some(known) if known.counts != counts => return Err(differs("programme", "kind of account").into()),
            Some(known) if known.year != year => return Err(differs("year", "year").into()),
            Some(_) => {}
            None => {
                let event = cap::Event::ProgrammeOpened { programme, currency, year, counts };
                decision = decision.with(stream.clone(), event);
            }
        }
        let stands = pool.and_then(|(pool, _)| known?.pools.get(pool).copied());
        opened.insert(name, Programme { currency, year, counts, pools: BTreeMap::new() });
        let Some((pool, terms)) = pool else { continue };
        match stands {
            Some(known) if known != terms && !planted!(PoolsDisagree) => {
                mark!(PoolsDiffer);
                return Err(differs("limit", "limit, portion, crossing or rounding").into());
            }
            Some(_) => {}
            None => {
                let (programme, pool) = (name.clone(), pool.clone());
                decision = decision.with(stream, cap::Event::PoolOpened { programme, pool, terms });
            }
        }
    }
    Ok(decision)
}

pub(crate) fn evolve(state: &mut Option<Plan>, event: &Event) -> Result<(), Misfit> {
    let Event::Published { plan, version, hash, document } = event;
    Published::evolve(state, plan, *version, *hash, document)
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Plan(event)
    }
}
