//! What plans, models and rate plans have in common: a document is published in versions, from 1 without gaps, that never change.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chain::Digest;
use crate::decide::Misfit;
use crate::id::{ModelId, PlanId, RatesId};

/// The name of a document, over all its versions.
pub trait Name: Clone + Display {
    /// What it is the name of.
    const OF: &'static str;
    /// The command that publishes it.
    const COMMAND: &'static str;
}

impl Name for PlanId {
    const OF: &'static str = "plan";
    const COMMAND: &'static str = "plan.publish";
}

impl Name for ModelId {
    const OF: &'static str = "model";
    const COMMAND: &'static str = "model.publish";
}

impl Name for RatesId {
    const OF: &'static str = "rate plan";
    const COMMAND: &'static str = "rates.publish";
}

/// Why a request about a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection<N: Name> {
    /// Nothing of that name.
    #[error("{} {name} is unknown: publish it with {} first", N::OF, N::COMMAND)]
    Unknown {
        /// The name.
        name: N,
    },
    /// It has no such version.
    #[error("{} {name} has no version {version}: its last one is {last}", N::OF)]
    UnknownVersion {
        /// The name.
        name: N,
        /// The version asked for.
        version: u32,
        /// The last one that there is.
        last: u32,
    },
    /// The document is what the last version says already.
    #[error("{} {name} says this already, in version {version}", N::OF)]
    Unchanged {
        /// The name.
        name: N,
        /// The version.
        version: u32,
    },
}

/// A document in all its versions, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published<N, D> {
    id: N,
    versions: Vec<Version<D>>,
}

/// A version of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version<D> {
    /// What it says.
    pub document: D,
    /// SHA-256 of its stored bytes.
    pub hash: Digest,
}

impl<N: Name, D: Clone> Published<N, D> {
    /// One of its versions.
    ///
    /// # Errors
    /// [`Rejection::UnknownVersion`] when there is none of that number.
    pub fn version(&self, version: u32) -> Result<&Version<D>, Rejection<N>> {
        let index = version.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.versions.get(index)).ok_or_else(|| Rejection::UnknownVersion {
            name: self.id.clone(),
            version,
            last: self.last(),
        })
    }

    /// The number of its last version.
    #[must_use]
    pub fn last(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    /// What its versions say, each with its number.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (u32, &D)> {
        (1..).zip(self.versions.iter().map(|version| &version.document))
    }

    /// Whether the last version says this.
    pub(crate) fn says(&self, document: &D) -> bool
    where
        D: PartialEq,
    {
        self.versions.last().is_some_and(|known| known.document == *document)
    }

    /// Takes the next version in.
    pub(crate) fn evolve(
        state: &mut Option<Self>,
        id: &N,
        version: u32,
        hash: Digest,
        document: &D,
    ) -> Result<(), Misfit> {
        let known = state.get_or_insert_with(|| Self { id: id.clone(), versions: Vec::new() });
        if version != known.last().saturating_add(1) {
            return Err(Misfit("versions have no gap"));
        }
        known.versions.push(Version { document: document.clone(), hash });
        Ok(())
    }
}

/// The number of the version that comes next.
pub(crate) fn next<N: Name, D: Clone>(known: Option<&Published<N, D>>) -> u32 {
    known.map_or(0, Published::last).saturating_add(1)
}
