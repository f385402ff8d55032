//! Deals: recorded at once or step by step, shared, dated, and taken back.

use super::amounts::weights;
use super::{Asked, Workload, World, plus};
use crate::act::{Act, Amount, CapYear, Code, Credit, Day, Gci, Side};
use crate::model::{Basis, Deal, DealStage, Payee, State};
use crate::side;
use crate::swarm::Habit;

impl Workload {
    /// A deal of somebody who has a plan; a plan for who has none.
    pub(super) fn deal(&mut self, world: &mut World<'_>) -> Asked {
        let model = world.model;
        let place = world.choices.index(model.payees().rows().len());
        let Some(payee) = model.payees().rows().get(place) else { return self.enrol(world) };
        let mut day = self.day(world, payee);
        if model.plan_on(&payee.id, day).is_none() && !world.choices.maybe(20) {
            day = world.today;
        }
        let Some(version) = model.plan_on(&payee.id, day) else { return self.assign(world, payee) };
        let gci = self.gci(world, &payee.id, version, day);
        let currency = version.document.currency;
        let capability = "foreign_currencies";
        if currency != self.swarm.base && !world.model.allows(capability) && !world.choices.maybe(300) {
            return (world.staff(), Act::SwitchOn { capability });
        }
        self.named.deals += 1;
        let deal = format!("d-{}", self.named.deals);
        let actor = world.staff();
        let steps = self.swarm.has(Habit::Steps) && world.choices.maybe(400);
        if steps {
            self.registered.push(deal.clone());
        }
        if self.swarm.has(Habit::Sides) && world.choices.maybe(500) {
            let sides = self.sides(world, place, version, day);
            if steps {
                return (actor, Act::RegisterSides { deal, sides });
            }
            self.earns(world, &sides);
            self.completed.push(deal.clone());
            return (actor, Act::RecordSides { deal, sides, on: day });
        }
        if steps {
            return (actor, Act::Register { deal, gci });
        }
        let credit = self.credit(world, place, day);
        self.completed.push(deal.clone());
        self.payable.push((place, currency));
        (actor, Act::Record { deal, gci, credit, on: day })
    }

    /// The next step of a deal that is not completed.
    pub(super) fn step(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let deals = world.model.deals();
        let on_its_way = |deal: &String| {
            deals.get(deal).is_some_and(|deal| matches!(deal.stage, DealStage::Registered | DealStage::Attributed))
        };
        let deal = deals.get(self.registered.find(world.choices, on_its_way)?)?;
        let actor = world.staff();
        if let Basis::Sides(sides) = &deal.basis
            && !world.choices.maybe(50)
        {
            let first = sides.first().and_then(|side| Some(side.payees.first()?.payee.clone()))?;
            self.earns(world, sides);
            return self.complete(world, deal, &first);
        }
        let credited = match &deal.credit {
            Some(credit) if !world.choices.maybe(100) => credit,
            _ => {
                let place = Self::payee_in(world, deal.gci.1)?;
                let credit = self.credit(world, place, world.today);
                return Some((actor, Act::Attribute { deal: deal.id.clone(), credit }));
            }
        };
        let first = match credited {
            Credit::Equal(payees) => payees.first(),
            Credit::Custom(weights) => weights.first().map(|(payee, _)| payee),
        };
        let first = first?.clone();
        self.complete(world, deal, &first)
    }

    /// Completes a deal of somebody and perhaps others.
    fn complete(&mut self, world: &mut World<'_>, deal: &Deal, payee: &str) -> Option<Asked> {
        let payee = world.model.payees().get(payee)?;
        let day = self.day(world, payee);
        let day = if world.model.plan_on(&payee.id, day).is_some() { day } else { world.today };
        self.completed.push(deal.id.clone());
        let place = world.model.payees().rows().iter().position(|other| other.id == payee.id);
        if let Some(place) = place {
            self.payable.push((place, deal.gci.1));
        }
        Some((world.staff(), Act::Complete { deal: deal.id.clone(), on: day }))
    }

    /// Takes notice of everybody whom sides may pay.
    fn earns(&mut self, world: &World<'_>, sides: &[Side]) {
        let rows = world.model.payees().rows();
        for sharer in sides.iter().flat_map(|side| &side.payees) {
            for name in [Some(&sharer.payee), sharer.mentor.as_ref()].into_iter().flatten() {
                if let Some(place) = rows.iter().position(|payee| payee.id == *name) {
                    self.payable.push((place, side::currency(sides)));
                }
            }
        }
    }

    /// Takes a deal back, rarely one whose entry is in a payout.
    pub(super) fn reverse(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let model = world.model;
        let claimed_too = world.choices.maybe(100);
        let reversible = |deal: &String| {
            let Some(deal) = model.deals().get(deal) else { return false };
            let claimed = deal.earned.iter().any(|earned| {
                let account = model.account(&earned.payee, deal.gci.1);
                let entry = earned.entry.and_then(|place| account?.entries.get(place));
                entry.is_some_and(|entry| entry.state == State::Claimed)
            });
            matches!(deal.stage, DealStage::Completed(_)) && (claimed_too || !claimed)
        };
        let deal = self.completed.find(world.choices, reversible)?.clone();
        Some((world.staff(), Act::Reverse { deal, reason: self.text(world) }))
    }

    /// Somebody whose plan is in a currency today.
    fn payee_in(world: &mut World<'_>, currency: Code) -> Option<usize> {
        let payees = world.model.payees().rows();
        (0..4).find_map(|_| {
            let place = world.choices.index(payees.len());
            let version = world.model.plan_on(&payees.get(place)?.id, world.today)?;
            (version.document.currency == currency).then_some(place)
        })
    }

    /// One payee, or several whose plans are in the same currency on the day.
    pub(super) fn credit(&self, world: &mut World<'_>, place: usize, day: Day) -> Credit {
        let (model, mut places) = (world.model, vec![place]);
        let rows = model.payees().rows();
        if self.swarm.has(Habit::Shares) && world.choices.maybe(300) {
            let name = |place: usize| rows.get(place).map_or("", |payee| payee.id.as_str());
            let currency = |place| Some(model.plan_on(name(place), day)?.document.currency);
            let most = [1, 2, 3, 8].get(world.choices.index(4)).copied().unwrap_or(1);
            for _ in 0..most {
                let other = world.choices.index(rows.len());
                if !places.contains(&other) && currency(other) == currency(place) {
                    places.push(other);
                }
            }
        }
        let names = places.iter().filter_map(|place| Some(rows.get(*place)?.id.clone()));
        if self.swarm.has(Habit::Shares) && world.choices.maybe(300) {
            return Credit::Custom(names.zip(weights(world, places.len())).collect());
        }
        Credit::Equal(names.collect())
    }

    /// The day of a deal: of late, or far back, ahead, or where a year or a cap year turns.
    pub(super) fn day(&self, world: &mut World<'_>, payee: &Payee) -> Day {
        if !self.swarm.has(Habit::Dates) || !world.choices.maybe(400) {
            return world.lately(4);
        }
        let year = world.today.0 - i32::from(world.choices.maybe(300));
        let edge = match world.choices.work(6) {
            0 => return world.lately(60),
            1 => return world.lately(800),
            2 => return plus(world.today, i64::from(world.choices.work(400))),
            3 => Day(year, 3, 1),
            4 => Day(year, 1, 1),
            _ => {
                let version = world.model.plan_on(&payee.id, world.today);
                match version.and_then(|version| Some(version.document.cap.as_ref()?.caps.first()?.year)) {
                    Some(CapYear::Calendar { month, day }) => turn(year, month, day),
                    _ => payee.joined_on.map_or(Day(year, 1, 1), |Day(_, month, day)| turn(year, month, day)),
                }
            }
        };
        plus(edge, i64::from(world.choices.work(3)) - 1)
    }
}

/// That day of a year; what is beyond the end of the month is in the next one.
fn turn(year: i32, month: u32, day: u32) -> Day {
    plus(Day(year, month, 1), i64::from(day) - 1)
}

/// The amount or price of a commission, to spoil.
pub(super) fn amount_of(gci: &mut Gci) -> &mut Amount {
    match gci {
        Gci::Amount(amount) => amount,
        Gci::OfPrice { price, .. } => price,
    }
}
