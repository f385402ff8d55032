//! How large a deal is, so that caps are reached within a few deals, hit to the unit and missed by one.

use super::{Workload, World};
use crate::act::{Amount, CapTerms, Day, Gci, Part, WHOLE};
use crate::model::Version;
use crate::swarm::Size;

/// The most minor units that an amount can have.
pub(super) const LARGEST: i128 = 9_223_372_036_854_775_807;

impl Workload {
    /// What is left under a payee's cap on a day, as far as it is known here.
    pub(super) fn room(&self, world: &World<'_>, payee: &str, cap: &CapTerms, day: Day) -> i128 {
        let known = self.caps.get(payee).and_then(|place| world.model.caps().rows().get(*place));
        let known = known.filter(|known| known.programme == cap.programme && known.start <= day && day < known.end);
        known.map_or(cap.limit.0, |known| cap.limit.0 - known.contributed)
    }

    /// The commission of a deal of one payee under a plan.
    pub(super) fn gci(&self, world: &mut World<'_>, payee: &str, version: &Version, day: Day) -> Gci {
        let document = &version.document;
        let size = world.choices.one_of(&self.swarm.sizes).copied().unwrap_or(Size::Ordinary);
        let one = 10_i128.pow(document.currency.1);
        let ordinary = |world: &mut World<'_>| {
            let cents = if world.choices.maybe(500) { i128::from(world.choices.work(1_000)) } else { 0 };
            (1 + i128::from(world.choices.work(200))) * 100 * one + cents
        };
        let company = document.company.0;
        let units = match (size, &document.cap) {
            (Size::Tiny, _) => i128::from(world.choices.work(30)) + i128::from(!world.choices.maybe(50)),
            (Size::Largest, _) if world.choices.maybe(100) => LARGEST - i128::from(world.choices.work(2)),
            (Size::OfCap, Some(cap)) if (1..LARGEST).contains(&cap.limit.0) && company > 0 => {
                yielding(cap.limit.0, company) / (1 + i128::from(world.choices.work(6))) + 1
            }
            (Size::OfRoom, Some(cap)) if company > 0 => {
                let room = self.room(world, payee, cap, day);
                let target = room + [0, 1, -1, 0, 2, -room / 2].get(world.choices.index(6)).copied().unwrap_or(0);
                if (1..LARGEST).contains(&target) { yielding(target, company) } else { ordinary(world) }
            }
            _ => ordinary(world),
        };
        let amount = Amount(units.clamp(0, LARGEST), document.currency);
        self.priced(world, amount)
    }

    /// The same as a rate of a price, for some.
    fn priced(&self, world: &mut World<'_>, amount: Amount) -> Gci {
        if !world.choices.maybe(150) {
            return Gci::Amount(amount);
        }
        let rates = [30_000_000, 25_000_000, 1_500_000_000, 333_333_333, WHOLE];
        let rate = world.choices.one_of(&rates).copied().unwrap_or(WHOLE);
        let price = yielding(amount.0, rate);
        if price > LARGEST {
            Gci::Amount(amount)
        } else {
            Gci::OfPrice { price: Amount(price, amount.1), rate: Part(rate) }
        }
    }
}

/// What so many billionths of come to those units, rounded.
fn yielding(units: i128, rate: u64) -> i128 {
    let rate = i128::from(rate.max(1));
    (units * i128::from(WHOLE) + rate / 2) / rate
}

/// Parts of one that sum to one: an even split with its rest on the first, or lopsided.
pub(super) fn weights(world: &mut World<'_>, payees: usize) -> Vec<Part> {
    let payees = u64::try_from(payees.max(1)).unwrap_or(1);
    let each = if world.choices.maybe(300) { 1 } else { WHOLE / payees };
    let first = WHOLE - each * (payees - 1);
    (0..payees).map(|n| Part(if n == 0 { first } else { each })).collect()
}
