//! Payees and the plans that they are under, and what they contributed elsewhere.

use super::{Asked, Workload, World, plans, plus, words};
use crate::act::{Act, Amount, Day};
use crate::model::{Holder, Payee};
use crate::swarm::Habit;

impl Workload {
    pub(super) fn enrol(&mut self, world: &mut World<'_>) -> Asked {
        let next = self.named.payees;
        let missing = next < self.swarm.payees;
        self.named.payees += usize::from(missing);
        let n = if missing { next } else { world.choices.index(self.swarm.payees) };
        let made_up = |n| words::payee(n, self.swarm.awkward);
        let payee = self.beneficiaries.get(n).cloned().unwrap_or_else(|| made_up(n - self.beneficiaries.len()));
        let name = self.text(world);
        let leap = (world.today.0 - 1) / 4 * 4;
        let joined_on = match world.choices.work(12) {
            // Never the first: without it and without a colleague, a plan by anniversaries would refuse whatever is asked.
            11 if n > 0 => None,
            10 | 11 => Some(Day(leap, 2, 29)),
            9 => Some(world.today),
            8 => Some(plus(world.today, -365)),
            back => Some(plus(world.today, -400 - 97 * i64::from(back))),
        };
        // 1900 and its like had no leap day.
        let joined_on =
            joined_on.map(|day| if day.2 == 29 && day.1 == 2 && leap % 100 == 0 { Day(leap, 2, 28) } else { day });
        (world.staff(), Act::Enrol { payee, name, joined_on })
    }

    pub(super) fn publish_new(&mut self, world: &mut World<'_>) -> Asked {
        let n = self.named.plans;
        self.named.plans += 1;
        let foreign = self.swarm.has(Habit::Currencies) && world.model.allows("foreign_currencies");
        let given = self.documents.get(n % self.documents.len().max(1)).cloned();
        let document = given.unwrap_or_else(|| plans::draw(world.choices, &self.swarm, foreign, n));
        (world.staff(), Act::Publish { plan: format!("plan-{n}"), document: Box::new(document) })
    }

    /// A new plan, a plan that shares the cap of another, or the next version of one.
    pub(super) fn publish(&mut self, world: &mut World<'_>) -> Asked {
        let known = world.choices.one_of(world.model.plans().rows());
        let Some((known, last)) = known.and_then(|known| Some((known, known.versions.last()?))) else {
            return self.publish_new(world);
        };
        let plan = match world.choices.work(4) {
            0 | 1 => known.id.clone(),
            2 => {
                self.named.plans += 1;
                format!("plan-{}", self.named.plans - 1)
            }
            _ => return self.publish_new(world),
        };
        let actor = world.staff();
        let document = plans::revise(world.choices, &self.swarm, &last.document);
        (actor, Act::Publish { plan, document: Box::new(document) })
    }

    /// Puts who was enrolled last under a plan.
    pub(super) fn assign_last(&mut self, world: &mut World<'_>) -> Asked {
        let model = world.model;
        match model.payees().rows().iter().rev().find(|payee| payee.assignments.is_empty()) {
            Some(payee) => self.assign(world, payee),
            None => self.enrol(world),
        }
    }

    /// Puts a payee under a plan after all that it was under.
    pub(super) fn assign(&mut self, world: &mut World<'_>, payee: &Payee) -> Asked {
        let plans = world.model.plans().rows();
        let place = if world.choices.maybe(500) { world.choices.index(plans.len()) } else { 0 };
        let Some(plan) = plans.get(place) else { return self.publish_new(world) };
        let last = u32::try_from(plan.versions.len()).unwrap_or(1);
        let version = if world.choices.maybe(100) { 1 + world.choices.work(last) } else { last };
        let ends = payee.assignments.iter().filter_map(|assignment| assignment.until);
        let began = payee.joined_on.unwrap_or_else(|| plus(world.today, -400));
        let from = ends.max().unwrap_or(began);
        let from = if world.choices.maybe(50) { plus(from, i64::from(world.choices.work(40)) - 20) } else { from };
        // Who had no plan yet has one from today on at the latest, or nothing would ever be asked of the only one there is.
        let from = if payee.assignments.is_empty() { from.min(world.today) } else { from };
        let moves = self.swarm.has(Habit::Moves) && world.choices.maybe(200);
        let until = moves.then(|| plus(world.today.max(from), 1 + i64::from(world.choices.work(90))));
        (world.staff(), Act::Assign { payee: payee.id.clone(), plan: plan.id.clone(), version, from, until })
    }

    /// Ends the plan that a payee is under, or puts it under the next one.
    pub(super) fn reassign(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let payee = world.choices.one_of(world.model.payees().rows())?;
        let Some(open) = payee.assignments.iter().find(|assignment| assignment.until.is_none()) else {
            return Some(self.assign(world, payee));
        };
        let until = plus(world.today, i64::from(world.choices.work(60)) - 20).max(plus(open.from, 1));
        Some((world.staff(), Act::EndAssignment { payee: payee.id.clone(), until }))
    }

    /// Takes over a part of a cap, all of it or a unit too much, for somebody who has one.
    pub(super) fn set_opening_balance(&mut self, world: &mut World<'_>) -> Option<Asked> {
        if !world.model.allows("opening_balances") && !world.choices.maybe(100) {
            return None;
        }
        let payee = world.choices.one_of(world.model.payees().rows())?;
        let on = self.day(world, payee);
        let caps = &world.model.plan_on(&payee.id, on)?.document.cap.as_ref()?.caps;
        let place = if world.choices.maybe(300) { world.choices.index(caps.len()) } else { 0 };
        let cap = caps.get(place)?;
        let opened = world.model.caps().rows().iter().rev().take(40).any(|known| {
            known.programme == cap.programme && known.opening.is_some() && known.of == Holder::Payee(payee.id.clone())
        });
        if opened && !world.choices.maybe(100) {
            return None;
        }
        let room = self.room(world, &payee.id, cap, on);
        if room <= 0 && !world.choices.maybe(100) {
            return None;
        }
        let units = match world.choices.work(6) {
            0..=2 => room / 2,
            3 => room,
            4 => room.min(1),
            _ => room.saturating_add(1),
        };
        let amount = Amount(units.clamp(0, super::amounts::LARGEST), cap.limit.1);
        let programme = (place > 0 || world.choices.maybe(200)).then(|| cap.programme.clone());
        let (payee, reason) = (payee.id.clone(), self.text(world));
        Some((world.staff(), Act::SetOpeningBalance { payee, on, amount, reason, programme }))
    }

    /// Takes over what somebody came to elsewhere, near the next tier.
    pub(super) fn set_opening_attainment(&mut self, world: &mut World<'_>) -> Option<Asked> {
        if !world.model.allows("opening_balances") && !world.choices.maybe(100) {
            return None;
        }
        let payee = world.choices.one_of(world.model.payees().rows())?;
        let on = self.day(world, payee);
        let document = &world.model.plan_on(&payee.id, on)?.document;
        if document.attainment.is_none() && !world.choices.maybe(100) {
            return None;
        }
        let amount = |world: &mut World<'_>| {
            let units = i128::from(world.choices.work(20)) * 1_000 * 10_i128.pow(document.currency.1);
            world.choices.maybe(600).then_some(Amount(units, document.currency))
        };
        let [revenue, accrued, company_dollar] = [(); 3].map(|()| amount(world));
        let units = world.choices.maybe(500).then(|| world.choices.work(6));
        let (payee, reason) = (payee.id.clone(), self.text(world));
        let act = Act::SetOpeningAttainment { payee, on, units, revenue, accrued, company_dollar, reason };
        Some((world.staff(), act))
    }
}
