//! A plan, in versions that never change.

use super::{Asked, Ruling, Why};
use crate::act::{CapYear, Code, Document};

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

pub(super) fn publish(_asked: Asked<'_>, _plan: &str, _document: &Document) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
