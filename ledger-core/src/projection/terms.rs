//! What deals are calculated on: what was said of them, under which plans their sharers are, and what those plans say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::plans::Plans;
use crate::Date;
use crate::attribution::Attribution;
use crate::deal::{self, Basis, Completion, PlanInForce};
use crate::event::Event;
use crate::id::{DealId, PayeeId};
use crate::payee::{self, Payee};
use crate::plan::Version;
use crate::waterfall::{Calculation, Rejection, Side};

/// Every plan version and payee, and the deals that are not completed.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    plans: Plans,
    payees: FxHashMap<PayeeId, Option<Payee>>,
    open: FxHashMap<DealId, Open>,
}

/// A deal that is not completed.
#[derive(Debug, Clone)]
pub struct Open {
    /// What was said of its commission.
    pub basis: Basis,
    /// Who gets credit, as it was said last.
    pub attribution: Option<Attribution>,
}

impl Open {
    /// Its sides; none as long as nobody shares it.
    #[must_use]
    pub fn sides(&self) -> Option<Cow<'_, [Side]>> {
        self.basis.sides(self.attribution.as_ref())
    }
}

impl Terms {
    /// Takes an event in. What does not follow what came before it is left out.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Plan(event) => self.plans.apply(event),
            Event::Payee(event) => {
                let (payee::Event::Enrolled { payee, .. }
                | payee::Event::Assigned { payee, .. }
                | payee::Event::AssignmentEnded { payee, .. }
                | payee::Event::Classified { payee, .. }) = event;
                let _ = payee::evolve(self.payees.entry(payee.clone()).or_default(), event);
            }
            Event::Deal(deal::Event::Registered { deal, basis, .. }) if !matches!(basis, Basis::Sale(_)) => {
                self.open.insert(deal.clone(), Open { basis: basis.clone(), attribution: None });
            }
            Event::Deal(deal::Event::Attributed { deal, attribution, .. }) => {
                if let Some(open) = self.open.get_mut(deal) {
                    open.attribution = Some(attribution.clone());
                }
            }
            // A sale has no sides.
            Event::Deal(
                deal::Event::Registered { .. }
                | deal::Event::Touched { .. }
                | deal::Event::Credited(_)
                | deal::Event::Recredited(_)
                | deal::Event::Collected { .. }
                | deal::Event::Completed(_)
                | deal::Event::Reversed { .. },
            )
            | Event::Model(_)
            | Event::Rates(_)
            | Event::Spend(_)
            | Event::Customer(_)
            | Event::Settings(_)
            | Event::Cap(_)
            | Event::Attainment(_)
            | Event::Account(_)
            | Event::Payout(_) => {}
        }
    }

    /// A deal that is not completed.
    #[must_use]
    pub fn open(&self, deal: &DealId) -> Option<&Open> {
        self.open.get(deal)
    }

    /// Takes the terms of a deal that is completed out.
    pub fn take(&mut self, deal: &DealId) -> Option<Open> {
        self.open.remove(deal)
    }

    /// A payee, if it is known.
    #[must_use]
    pub fn payee(&self, payee: &PayeeId) -> Option<&Payee> {
        self.payees.get(payee)?.as_ref()
    }

    /// What a sharer's plan says.
    #[must_use]
    pub fn version(&self, in_force: &PlanInForce) -> Option<&Version> {
        self.plans.version(&in_force.plan, in_force.version)
    }

    /// The plan version of each sharer on a day, in order of first appearance. Who has none is left out.
    #[must_use]
    pub fn in_force(&self, sides: &[Side], day: Date) -> Vec<PlanInForce> {
        let mut seen = BTreeSet::new();
        let payees = sides.iter().flat_map(|side| &side.payees).map(|sharer| &sharer.payee);
        payees.filter(|payee| seen.insert(*payee)).filter_map(|payee| self.plan_of(payee, day)).collect()
    }

    /// The plan version of a payee on a day, if it has one.
    #[must_use]
    pub fn plan_of(&self, payee: &PayeeId, day: Date) -> Option<PlanInForce> {
        let assignment = self.payee(payee)?.plan_on(day).ok()?;
        let (plan, version) = (assignment.plan.clone(), assignment.version);
        let plan_hash = self.plans.version(&plan, version)?.hash;
        Some(PlanInForce { payee: payee.clone(), plan, version, plan_hash })
    }

    /// Calculates a deal again, see [`Completion::recalculate`].
    ///
    /// # Errors
    /// [`Rejection`] when a plan version is not known, and when the deal would be refused.
    pub fn recalculate<'a>(&'a self, sides: &'a [Side], of: &'a Completion) -> Result<Calculation<'a>, Rejection> {
        of.recalculate(sides, |in_force| self.version(in_force), |payee| self.payee(payee)?.joined_on())
    }
}
