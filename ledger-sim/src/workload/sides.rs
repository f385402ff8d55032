//! The sides of deals: one or both, with what comes off the top, who shares the rest, who looks after them, and what was moved
//! by hand.

use super::{Workload, World, words};
use crate::act::{Amount, CURRENCIES, Code, Credit, Day, Part, Side, WHOLE};
use crate::document::Charge;
use crate::model::Version;
use crate::side::{Adjustment, Kind, OffTop, Party, Sharer};

impl Workload {
    /// The sides of a deal of somebody and others.
    pub(super) fn sides(&self, world: &mut World<'_>, place: usize, version: &Version, day: Day) -> Vec<Side> {
        let both = world.choices.maybe(300);
        let kinds = if both { &[Kind::Listing, Kind::Buying][..] } else { &[Kind::Sole] };
        kinds.iter().map(|kind| self.side(world, *kind, place, version, day)).collect()
    }

    fn side(&self, world: &mut World<'_>, side: Kind, place: usize, version: &Version, day: Day) -> Side {
        let currency = version.document.currency;
        let payee = world.model.payees().rows().get(place).map_or("", |payee| payee.id.as_str());
        let gci = self.gci(world, payee, version, day);
        let payees = match self.credit(world, place, day) {
            Credit::Equal(payees) => payees.into_iter().map(|payee| (payee, None)).collect::<Vec<_>>(),
            Credit::Custom(weights) => weights.into_iter().map(|(payee, part)| (payee, Some(part))).collect(),
        };
        let payees: Vec<Sharer> = payees
            .into_iter()
            .map(|(payee, weight)| {
                let mentor = world.choices.maybe(250).then(|| self.colleague(world, &payee)).flatten();
                Sharer { payee, weight, mentor }
            })
            .collect();
        let referral_in = world.choices.maybe(200).then(|| few(world, currency));
        let units = if world.choices.maybe(300) { world.choices.work(4) } else { 1 };
        let items = if world.choices.maybe(350) { 1 + world.choices.work(3) } else { 0 };
        let off_top = (0..items).map(|_| off_top(world, currency)).collect();
        let moves = world.choices.maybe(200);
        let adjustments = moves.then(|| self.adjustment(world, &payees, currency)).into_iter().flatten().collect();
        Side { side, gci, referral_in, units, off_top, payees, adjustments }
    }

    /// Somebody else.
    fn colleague(&self, world: &mut World<'_>, payee: &str) -> Option<String> {
        let other = world.choices.one_of(world.model.payees().rows())?;
        (other.id != payee).then(|| other.id.clone())
    }

    fn adjustment(&self, world: &mut World<'_>, payees: &[Sharer], currency: Code) -> Option<Adjustment> {
        let payee = Party::Payee(payees.first()?.payee.clone());
        let others = [Party::Company, Party::Client, Party::Franchise, Party::Referrer("joe".to_owned())];
        let other = world.choices.one_of(&others)?.clone();
        let (from, to) = if world.choices.maybe(300) { (payee, other) } else { (other, payee) };
        let Amount(units, _) = few(world, currency);
        let (amount, reason) = (Amount(units + 1, currency), self.text(world));
        Some(Adjustment { from, to, amount, reason, actor: world.staff() })
    }
}

fn off_top(world: &mut World<'_>, currency: Code) -> OffTop {
    let rates = [250_000_000, 100_000_000, 333_333_333, 0, WHOLE];
    let amount = if world.choices.maybe(600) {
        Charge::Rate(Part(world.choices.one_of(&rates).copied().unwrap_or(0)))
    } else {
        Charge::Flat(few(world, currency))
    };
    if world.choices.maybe(500) {
        let to = ["joe", "kim"].get(world.choices.index(2)).copied().unwrap_or("joe").to_owned();
        OffTop::ReferralOut { to, amount }
    } else {
        OffTop::Concession(amount)
    }
}

/// A few minor units, or a few whole ones.
fn few(world: &mut World<'_>, currency: Code) -> Amount {
    let one = if world.choices.maybe(500) { 10_i128.pow(currency.1) } else { 1 };
    Amount(i128::from(world.choices.work(20)) * one, currency)
}

/// Sides that the ledger refuses.
pub(super) fn spoil(world: &mut World<'_>, sides: &mut Vec<Side>) {
    let kind = world.choices.work(20);
    let again = sides.first().cloned();
    let Some(side) = sides.last_mut() else { return };
    let currency = match &side.gci {
        crate::act::Gci::Amount(amount) | crate::act::Gci::OfPrice { price: amount, .. } => amount.1,
    };
    let other = CURRENCIES.into_iter().find(|other| *other != currency).unwrap_or(currency);
    let (one, huge) = (Amount(1, currency), Amount(super::amounts::LARGEST, currency));
    let by_hand = |from: Party, to: Party, amount| {
        vec![Adjustment { from, to, amount, reason: "by hand".to_owned(), actor: "ann".to_owned() }]
    };
    let stranger = || Party::Payee("nobody".to_owned());
    match (side.payees.first_mut(), kind) {
        (Some(first), 0) => first.payee = "nobody".to_owned(),
        (Some(first), 1) => first.mentor = Some("nobody".to_owned()),
        (Some(first), 2) => first.mentor = Some(first.payee.clone()),
        (Some(first), 3) => first.weight = Some(Part(WHOLE - 1)),
        (Some(first), 4) => first.weight = if first.weight.is_some() { None } else { Some(Part(0)) },
        (Some(first), 5) => {
            let twice = first.clone();
            side.payees.push(twice);
        }
        (_, 6) => {
            side.payees =
                (0..51).map(|n| Sharer { payee: words::payee(n, false), weight: None, mentor: None }).collect()
        }
        (_, 7) => side.payees.clear(),
        (_, 8) => super::deals::amount_of(&mut side.gci).0 = -1,
        (_, 9) => super::deals::amount_of(&mut side.gci).0 = super::amounts::LARGEST,
        (_, 10) => super::deals::amount_of(&mut side.gci).1 = other,
        (_, 11) => side.referral_in = Some(Amount(-1, currency)),
        (_, 12) => side.referral_in = Some(Amount(1, other)),
        (_, 13) => side.off_top.push(OffTop::Concession(Charge::Flat(huge))),
        (_, 14) => side.off_top.push(OffTop::Concession(Charge::Rate(Part(WHOLE + 1)))),
        (_, 15) => {
            side.off_top.push(OffTop::ReferralOut { to: "joe".into(), amount: Charge::Flat(Amount(-1, currency)) })
        }
        (_, 16) => side.adjustments = by_hand(Party::Client, stranger(), one),
        (_, 17) => side.adjustments = by_hand(Party::Company, Party::Company, one),
        (_, 18) => side.adjustments = by_hand(Party::Client, Party::Company, Amount(0, currency)),
        _ => sides.extend(again),
    }
}
