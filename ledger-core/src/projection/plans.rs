//! What all versions of plans, models and rate plans say, for reports that read a calculation by the documents that it came from.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::calendar::Zone;
use crate::chain::Digest;
use crate::credit;
use crate::deal::sale;
use crate::deal::{Completion, PlanInForce};
use crate::event::Event;
use crate::id::{ModelId, PlanId, RatesId};
use crate::map::{Map, Small};
use crate::published::Version;
use crate::waterfall::{Cap, CapOf, Contribution, Document, Owner};
use crate::{model, plan, rates, settings};

/// Every version of every document of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    transparent,
    bound(
        serialize = "N: Eq + Hash + Ord + Serialize, D: Serialize",
        deserialize = "N: Eq + Hash + Ord + Clone + Deserialize<'de>, D: Deserialize<'de>"
    )
)]
pub struct Versions<N: Eq + Hash, D>(Map<N, Small<u32, Option<Version<D>>>>);

/// Every version of every plan.
pub type Plans = Versions<PlanId, Document>;

impl<N: Eq + Hash, D> Default for Versions<N, D> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<N: Eq + Hash + Clone, D: Clone> Versions<N, D> {
    fn insert(&mut self, name: &N, version: u32, hash: Digest, document: &D) {
        self.0.update(name, |versions| {
            versions.update(&version, |known| *known = Some(Version { document: document.clone(), hash }));
        });
    }

    /// A version that is known.
    #[must_use]
    pub fn version(&self, name: &N, version: u32) -> Option<&Version<D>> {
        self.0.get(name)?.get(&version)?.as_ref()
    }
}

impl Plans {
    /// Takes a version in.
    pub fn apply(&mut self, event: &plan::Event) {
        let plan::Event::Published { plan, version, hash, document } = event;
        self.insert(plan, *version, *hash, document);
    }

    /// The caps of a sharer's plan, each with what the deal met and left there.
    pub(super) fn caps_met<'a>(
        &'a self,
        completion: &'a Completion,
        PlanInForce { payee, plan, version, .. }: &'a PlanInForce,
    ) -> impl Iterator<Item = (&'a Cap, &'a Contribution)> {
        let caps = self.version(plan, *version).and_then(|version| version.document.cap.as_ref());
        caps.into_iter().flat_map(|capped| &capped.caps).filter_map(move |cap| {
            let is_met = |met: &&Contribution| {
                met.account.programme == cap.programme
                    && match (&cap.of, &met.account.of) {
                        (CapOf::Payee, Owner::Payee(other)) => other == payee,
                        (CapOf::Pool(pool), Owner::Pool(other)) => other == pool,
                        _ => false,
                    }
            };
            Some((cap, completion.caps.iter().find(is_met)?))
        })
    }
}

/// The documents by which sales are credited, and where their days begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Documents {
    models: Versions<ModelId, credit::model::Document>,
    rates: Versions<RatesId, credit::rates::Document>,
    zone: Option<Zone>,
}

impl Documents {
    /// Takes a version in, or the ledger's zone, if that is what happened.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Model(model::Event::Published { model, version, hash, document }) => {
                self.models.insert(model, *version, *hash, document);
            }
            Event::Rates(rates::Event::Published { rates, version, hash, document }) => {
                self.rates.insert(rates, *version, *hash, document);
            }
            Event::Settings(settings::Event::Opened { zone, .. }) => self.zone = Some(*zone),
            _ => {}
        }
    }
}

impl sale::Documents for Documents {
    fn model(&self, model: &ModelId, version: u32) -> Option<&model::Version> {
        self.models.version(model, version)
    }

    fn rates(&self, rates: &RatesId, version: u32) -> Option<&rates::Version> {
        self.rates.version(rates, version)
    }

    fn zone(&self) -> Option<Zone> {
        self.zone
    }
}
