//! A commission plan: what a [document](Document) says, in versions that never change.

use serde::{Deserialize, Serialize};

use crate::cap::{self, Counts, Programme};
use crate::chain::Digest;
use crate::codec;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{CapProgramme, PlanId};
use crate::published::{self, Published, next};
use crate::stream::StreamId;
use crate::waterfall::{self, Document};

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
    pub(crate) fn of<'a>(&'a self, plan: &'a PlanId) -> waterfall::Plan<'a> {
        waterfall::Plan::published(plan, self.hash, &self.document)
    }
}

/// The programmes that a document names, in the order in which they are opened.
fn programmes(document: &Document) -> impl Iterator<Item = (&CapProgramme, Programme)> {
    let currency = document.currency;
    let limits = document.limits().map(move |(_, limit)| {
        let counts = if limit.pool.is_some() { Counts::Pool } else { Counts::Cap };
        (limit.programme, Programme { currency, year: limit.year, counts })
    });
    let attainment = document.attainment.iter().map(move |measured| {
        (&measured.programme, Programme { currency, year: measured.year, counts: Counts::Attainment })
    });
    limits.chain(attainment)
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::Publish { plan, document } = self;
        let slice = context.slice;
        let streams = programmes(document).map(|(programme, _)| StreamId::Programme(programme.clone()));
        slice.require([StreamId::Plan(plan.clone())].into_iter().chain(streams))?;
        let known = slice.find_plan(plan)?;
        document.validate()?;
        context.settings.demand_currency(document.currency)?;
        if let Some(known) = known.filter(|known| known.says(document)) {
            return Err(Rejection::Unchanged { name: plan.clone(), version: known.last() }.into());
        }
        let (version, hash) = (next(known), document.hash());
        let event = Event::Published { plan: plan.clone(), version, hash, document: document.clone() };
        let mut decision = context.decision().with(StreamId::Plan(plan.clone()), event);
        let mut opened: Vec<(&CapProgramme, Programme)> = Vec::new();
        for (programme, terms) in programmes(document) {
            let here = opened.iter().find(|(opened, _)| *opened == programme).map(|(_, terms)| terms);
            match here.or(slice.programme(programme)?) {
                Some(known) if *known == terms => {}
                Some(_) => return Err(cap::Rejection::OtherProgramme { programme: programme.clone() }.into()),
                None => {
                    decision = decision.with(StreamId::Programme(programme.clone()), terms.open(programme));
                    opened.push((programme, terms));
                }
            }
        }
        Ok(decision)
    }
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
