//! What all plan versions say, for reports that read a deal's lines by the plan that they came from.

use serde::{Deserialize, Serialize};

use crate::deal::{Completion, PlanInForce};
use crate::id::PlanId;
use crate::map::{Map, Small};
use crate::plan::{Event, Version};
use crate::waterfall::{Cap, CapOf, Contribution, Owner};

/// Every version of every plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plans(Map<PlanId, Small<u32, Option<Version>>>);

impl Plans {
    /// Takes a version in.
    pub fn apply(&mut self, event: &Event) {
        let Event::Published { plan, version, hash, document } = event;
        self.0.update(plan, |versions| {
            versions.update(version, |known| *known = Some(Version { document: (**document).clone(), hash: *hash }));
        });
    }

    /// A version that is known.
    #[must_use]
    pub fn version(&self, plan: &PlanId, version: u32) -> Option<&Version> {
        self.0.get(plan)?.get(&version)?.as_ref()
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
