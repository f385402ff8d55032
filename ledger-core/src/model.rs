//! An attribution model: what a [document](Document) says, in versions that never change.

use serde::{Deserialize, Serialize};

use crate::chain::Digest;
use crate::codec;
use crate::credit::model::Document;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::ModelId;
use crate::published::{self, Published, next};
use crate::stream::StreamId;

/// What can be asked of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Publishes the model's next version, the first one being 1.
    Publish {
        /// The model.
        model: ModelId,
        /// What the version says. What it leaves out takes its default, which is then stored.
        #[serde(serialize_with = "codec::without_defaults")]
        document: Box<Document>,
    },
}

/// What happened to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A version was published.
    Published {
        /// The model.
        model: ModelId,
        /// The version, from 1 without gaps.
        version: u32,
        /// SHA-256 of the document's stored bytes.
        hash: Digest,
        /// What the version says, every default written out.
        document: Box<Document>,
    },
}

/// A model as it stands.
pub type Model = Published<ModelId, Document>;
/// A version of a model.
pub type Version = published::Version<Document>;
/// Why a request about a model is refused.
pub type Rejection = published::Rejection<ModelId>;

/// A version of a model, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The model.
    pub model: ModelId,
    /// The version.
    pub version: u32,
}

/// The version of a model that something was calculated by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// The model.
    pub model: ModelId,
    /// The version.
    pub version: u32,
    /// The hash of that version.
    pub hash: Digest,
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::Publish { model, document } = self;
        let known = context.slice.find_model(model)?;
        document.validate()?;
        if known.is_some_and(|known| known.says(document)) {
            return Err(Undecided::already_known(format_args!("what model {model} says")));
        }
        let (version, hash) = (next(known), document.hash());
        let event = Event::Published { model: model.clone(), version, hash, document: document.clone() };
        Ok(context.decision().with(StreamId::Model(model.clone()), event))
    }
}

pub(crate) fn evolve(state: &mut Option<Model>, event: &Event) -> Result<(), Misfit> {
    let Event::Published { model, version, hash, document } = event;
    Published::evolve(state, model, *version, *hash, document)
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Model(event)
    }
}
