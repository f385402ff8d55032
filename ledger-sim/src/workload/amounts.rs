//! How large a deal is, so that caps, tiers and thresholds are reached within a few deals, hit to the unit and missed by one.

use super::{Workload, World};
use crate::act::{Amount, Day, Document, Gci, Part, WHOLE};
use crate::document::{Cap, Holder, Split, Threshold, Tier, Tiers, When};
use crate::model::{self, Totals, Version};
use crate::swarm::Size;

/// The most minor units that an amount can have.
pub(super) const LARGEST: i128 = 9_223_372_036_854_775_807;

impl Workload {
    /// What is left under a payee's cap on a day, as far as it is known here.
    pub(super) fn room(&self, world: &World<'_>, payee: &str, cap: &Cap, day: Day) -> i128 {
        let of = match &cap.of {
            Holder::Payee => model::Holder::Payee(payee.to_owned()),
            Holder::Pool(pool) => model::Holder::Pool(pool.clone()),
        };
        let known = self.caps.get(&(cap.programme.clone(), of));
        let known = known.and_then(|place| world.model.caps().rows().get(*place));
        let known = known.filter(|known| known.start <= day && day < known.end);
        let portion = |units: i128| (units * i128::from(cap.portion.0) + i128::from(WHOLE / 2)) / i128::from(WHOLE);
        known.map_or_else(|| portion(cap.limit.0), |known| known.limit - known.contributed)
    }

    /// What a payee came to, as far as it is known here: in the last year in which something counted.
    fn attained(&self, world: &World<'_>, payee: &str, document: &Document) -> Totals {
        let programme = document.attainment.as_ref().map(|of| of.programme.clone());
        let place = programme.and_then(|programme| self.attained.get(&(programme, payee.to_owned())));
        let known = place.and_then(|place| world.model.attainments().rows().get(*place));
        known.map_or_else(Totals::default, |known| known.totals)
    }

    /// The commissions with which a payee would come to a limit, a tier or a threshold, or `off` from it.
    fn targets(&self, world: &World<'_>, payee: &str, document: &Document, day: Day, off: i128) -> Vec<i128> {
        let before = self.attained(world, payee, document);
        let mut targets = Vec::new();
        let company = company(document, &before);
        let mut yields = |units: i128| {
            if (1..LARGEST).contains(&units) && company > 0 {
                targets.push((units, company));
            }
        };
        let caps = document.cap.iter().flat_map(|terms| &terms.caps);
        caps.for_each(|cap| yields(self.room(world, payee, cap, day)));
        if let Split::Tiered(tiered) = &document.split {
            let next = |tiers: &[Tier<Amount>], before: i128| {
                let next = tiers.iter().map(|tier| tier.from.0).find(|from| *from > before);
                next.map(|next| next - before)
            };
            match &tiered.tiers {
                Tiers::CompanyDollar(tiers) => {
                    next(tiers, before.company_dollar).into_iter().for_each(&mut yields);
                }
                Tiers::Revenue(tiers) => targets.extend(next(tiers, before.revenue).map(|units| (units, WHOLE))),
                Tiers::Attainment { quota, tiers } => {
                    let from = |tier: &Tier<Part>| quota.0 * i128::from(tier.from.0) / i128::from(WHOLE);
                    let next = tiers.iter().map(from).find(|from| *from > before.revenue);
                    targets.extend(next.map(|next| (next - before.revenue, WHOLE)));
                }
                Tiers::Units(_) => {}
            }
        }
        for bonus in &document.bonuses {
            let (threshold, before, rate) = match &bonus.when {
                When::Reaches(Threshold::Revenue(amount)) => (amount.0, before.revenue, WHOLE),
                When::Reaches(Threshold::CompanyDollar(amount)) => (amount.0, before.company_dollar, company),
                _ => continue,
            };
            if before < threshold && rate > 0 {
                targets.push((threshold - before, rate));
            }
        }
        targets.into_iter().map(|(units, rate)| yielding(units + off, rate)).collect()
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
        let company = company(document, &Totals::default());
        let cap = document.cap.as_ref().and_then(|terms| terms.caps.first());
        let units = match (size, cap) {
            (Size::Tiny, _) => i128::from(world.choices.work(30)) + i128::from(!world.choices.maybe(50)),
            (Size::Largest, _) if world.choices.maybe(100) => LARGEST - i128::from(world.choices.work(2)),
            (Size::OfCap, Some(cap)) if (1..LARGEST).contains(&cap.limit.0) && company > 0 => {
                yielding(cap.limit.0, company) / (1 + i128::from(world.choices.work(6))) + 1
            }
            (Size::OfRoom, _) => {
                let off = [0, 1, -1, 0, 2].get(world.choices.index(5)).copied().unwrap_or(0);
                let targets = self.targets(world, payee, document, day, off);
                let target = world.choices.one_of(&targets).copied();
                target.filter(|target| (1..LARGEST).contains(target)).unwrap_or_else(|| ordinary(world))
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

/// The company's rate where a payee stands, in billionths.
fn company(document: &Document, before: &Totals) -> u64 {
    let at = |tiers: &[Tier<Amount>], stands: i128| {
        tiers.iter().rev().find(|tier| tier.from.0 <= stands).map_or(0, |tier| tier.company.0)
    };
    match &document.split {
        Split::Flat(shares) => shares.company.0,
        Split::Tiered(tiered) => match &tiered.tiers {
            Tiers::CompanyDollar(tiers) => at(tiers, before.company_dollar),
            Tiers::Revenue(tiers) => at(tiers, before.revenue),
            Tiers::Units(tiers) => tiers.first().map_or(0, |tier| tier.company.0),
            Tiers::Attainment { tiers, .. } => tiers.first().map_or(0, |tier| tier.company.0),
        },
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
