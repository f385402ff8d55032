//! A rate plan: what a [document](Document) says, in versions that never change.

use serde::{Deserialize, Serialize};

use crate::chain::Digest;
use crate::codec;
use crate::credit::rates::{Document, Override, SpendLimit};
use crate::credit::refuse::Fault;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::RatesId;
use crate::payee::enrolled;
use crate::published::{self, Published, next};
use crate::stream::StreamId;

/// What can be asked of a rate plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Publishes the rate plan's next version, the first one being 1.
    Publish {
        /// The rate plan.
        rates: RatesId,
        /// What the version says. What it leaves out takes its default, which is then stored.
        #[serde(serialize_with = "codec::without_defaults")]
        document: Box<Document>,
    },
}

/// What happened to a rate plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A version was published.
    Published {
        /// The rate plan.
        rates: RatesId,
        /// The version, from 1 without gaps.
        version: u32,
        /// SHA-256 of the document's stored bytes.
        hash: Digest,
        /// What the version says, every default written out.
        document: Box<Document>,
    },
}

/// A rate plan as it stands.
pub type Rates = Published<RatesId, Document>;
/// A version of a rate plan.
pub type Version = published::Version<Document>;
/// Why a request about a rate plan is refused.
pub type Rejection = published::Rejection<RatesId>;

/// A version of a rate plan, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The rate plan.
    pub rates: RatesId,
    /// The version.
    pub version: u32,
}

/// The version of a rate plan that something was calculated by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// The rate plan.
    pub rates: RatesId,
    /// The version.
    pub version: u32,
    /// The hash of that version.
    pub hash: Digest,
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::Publish { rates, document } = self;
        let slice = context.slice;
        document.validate()?;
        context.settings.demand_currency(document.currency)?;
        let named = document.overrides.iter().flat_map(|paid| [&paid.of, &paid.to]);
        let named = named.map(|payee| StreamId::Payee(payee.clone()));
        slice.require([StreamId::Rates(rates.clone())].into_iter().chain(named))?;
        let known = slice.find_rates(rates)?;
        if known.is_some_and(|known| known.says(document)) {
            return Err(Undecided::already_known(format_args!("what rate plan {rates} says")));
        }
        for (place, Override { of, to, .. }) in document.overrides.iter().enumerate() {
            enrolled(slice, format_args!("overrides.{place}.of"), of)?;
            enrolled(slice, format_args!("overrides.{place}.to"), to)?;
        }
        let limited =
            known.and_then(|known| known.documents().find_map(|(version, known)| Some((version, known.spend_limit?))));
        if let (Some((version, SpendLimit { per, zone, .. })), Some(limit)) = (limited, document.spend_limit)
            && let Some(field) = limit.differs(&SpendLimit { per, zone, ..limit })
        {
            return Err(Fault::OtherTime { version, per, zone }.at(field).into());
        }
        let (version, hash) = (next(known), document.hash());
        let event = Event::Published { rates: rates.clone(), version, hash, document: document.clone() };
        Ok(context.decision().with(StreamId::Rates(rates.clone()), event))
    }
}

pub(crate) fn evolve(state: &mut Option<Rates>, event: &Event) -> Result<(), Misfit> {
    let Event::Published { rates, version, hash, document } = event;
    Published::evolve(state, rates, *version, *hash, document)
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Rates(event)
    }
}
