//! What comes after the split: fees, what a mentee pays, bonuses and overrides, for one payee after another.

use super::accounts::{BonusState, Desk};
use super::document::{Base, Charged, Fee, FeeAmount, FeeOnCrossing, FeeTo, Step, Threshold, Timing, When};
use super::explain::{Because, Due, Of, Reason};
use super::field::Field;
use super::ratio::Ratio;
use super::refuse::Rule;
use super::split::{Cut, unshared};
use super::terms::{Party, Quantity, Sharer};
use super::{Kind, Line, Member};
use crate::allocation::allocate;
use crate::id::Text;
use crate::money::Money;
use crate::rate::Rate;

/// A payee's turn on a side.
pub(super) struct Turn<'a, 't> {
    pub(super) seat: usize,
    pub(super) member: Member<'a>,
    pub(super) sharer: &'a Sharer,
    /// The place among the payees of the side, and the weights of them all.
    pub(super) place: usize,
    pub(super) weights: &'t [u64],
    pub(super) units: u32,
    /// The part of the gross commission.
    pub(super) gross: Money,
    /// The part of what is split.
    pub(super) part: Money,
    pub(super) cut: &'t Cut<'a>,
    pub(super) lines: &'t mut Vec<Line<'a>>,
    /// What the payee has, without bonuses.
    agent: Money,
    bonuses: Money,
}

/// What a line is about.
struct Item<'a> {
    kind: Kind,
    name: Option<&'a Text>,
    field: Field,
    due: Option<Due>,
    used_up: bool,
}

impl<'a> Item<'a> {
    fn new(kind: Kind, name: Option<&'a Text>, field: Field) -> Self {
        Self { kind, name, field, due: None, used_up: false }
    }
}

/// An amount and what it is made of, before a cap limits it.
type Made<'a> = (Money, Reason<'a>);

impl<'a, 't> Turn<'a, 't> {
    #[expect(clippy::too_many_arguments, reason = "a turn is all of these, and is made in one place")]
    pub(super) fn new(
        seat: usize,
        member: Member<'a>,
        sharer: &'a Sharer,
        place: usize,
        weights: &'t [u64],
        units: u32,
        (gross, part): (Money, Money),
        cut: &'t Cut<'a>,
        lines: &'t mut Vec<Line<'a>>,
    ) -> Self {
        let (agent, bonuses) = (cut.share, Money::zero(part.currency()));
        Self { seat, member, sharer, place, weights, units, gross, part, cut, lines, agent, bonuses }
    }

    /// Takes the steps in the plan's order. What is left to the payee, without bonuses.
    pub(super) fn take(mut self, desk: &mut Desk<'a, '_>) -> Result<Money, Rule> {
        for step in &self.member.plan.document().order {
            match step {
                Step::Fees => self.fees(desk)?,
                Step::Mentee => self.mentee()?,
                Step::Bonuses => self.bonuses(desk)?,
                Step::Overrides => self.overrides()?,
                // These are of the whole side.
                Step::Concession
                | Step::ReferralOut
                | Step::Royalty
                | Step::Allocation
                | Step::Split
                | Step::Adjustments => {}
            }
        }
        Ok(self.agent)
    }

    fn fees(&mut self, desk: &mut Desk<'a, '_>) -> Result<(), Rule> {
        let document = self.member.plan.document();
        if let Some(royalty) = document.royalty_on_gross() {
            let account = desk.seats.get(self.seat).and_then(|seat| seat.royalty);
            let made = self.rate(royalty.rate, Of::Gross, Ratio::whole(self.gross.minor()))?;
            let item = Item::new(Kind::Royalty, None, Field::at("royalty.rate"));
            let (full, _) = made;
            let room = limit(desk, account, full)?;
            mark!(RoyaltyCapped, room.is_some_and(|room| room.minor() <= full.minor()));
            let room = room.filter(|_| !planted!(RoyaltyUncapped));
            self.charge(Party::Franchise, item, made, room)?;
        }
        for (index, fee) in document.fees.iter().enumerate() {
            let Some(due) = self.due(fee) else { continue };
            if self.is_first(desk, index, fee.per) {
                self.fee(desk, index, fee, due)?;
            }
        }
        Ok(())
    }

    /// Why the payee owes a fee, if it does.
    fn due(&self, fee: &Fee) -> Option<Due> {
        let on_crossing = self.member.plan.document().cap.as_ref().map(|capped| capped.fee_on_crossing);
        match fee.timing {
            Timing::Always => Some(Due::Always),
            Timing::PreCap => (!self.cut.capped).then_some(Due::BeforeCap),
            Timing::PostCap if self.cut.capped => Some(Due::AfterCap),
            Timing::PostCap => {
                let pays = self.cut.crossed && on_crossing == Some(FeeOnCrossing::Yes);
                mark!(FeeOnCrossing, pays);
                pays.then_some(Due::Crossing)
            }
        }
    }

    /// Whether a fee that is due is charged: on every side, or on the first only.
    fn is_first(&self, desk: &mut Desk<'a, '_>, index: usize, per: Charged) -> bool {
        let charged = desk.seats.get_mut(self.seat).and_then(|seat| seat.charged.get_mut(index));
        let before = charged.map(|charged| std::mem::replace(charged, true));
        mark!(FeeChargedBefore, per == Charged::Deal && before == Some(true));
        planted!(FeeEachSide) || per == Charged::Side || before == Some(false)
    }

    fn fee(&mut self, desk: &mut Desk<'a, '_>, index: usize, fee: &'a Fee, due: Due) -> Result<(), Rule> {
        let to = match &fee.to {
            FeeTo::Company => Party::Company,
            FeeTo::Payee(payee) if *payee == self.sharer.payee => return Ok(()),
            FeeTo::Payee(payee) => Party::Payee(payee.clone()),
        };
        let account = desk.seats.get(self.seat).and_then(|seat| seat.fees.get(index).copied().flatten());
        let used_up = match account.and_then(|place| desk.caps.get(place)) {
            Some(sub_cap) => !planted!(SubCapEachSide => sub_cap.room()?, sub_cap.room_before()?).is_positive(),
            None => false,
        };
        mark!(SubCapUsedUp, used_up);
        let then = fee.sub_cap.as_ref().filter(|_| used_up).map(|sub_cap| sub_cap.then);
        let (amount, field, account) = match then {
            None => (fee.amount, "amount", account),
            Some(Some(then)) => (then, "sub_cap.then", planted!(ThenCounts => account, None)),
            Some(None) => return Ok(()),
        };
        let (of, base) = match (fee.of, fee.timing) {
            (Base::Part, Timing::PostCap) if !planted!(FeeOfWholePart) => (Of::Beyond, self.cut.beyond),
            (of, _) => (of.into(), Ratio::whole(self.base(of)?.minor())),
        };
        let made = match amount {
            FeeAmount::Flat(flat) => (self.prorated(flat)?, Reason::weight(self.sharer, self.weights.len(), flat)),
            FeeAmount::Rate(rate) => self.rate(rate, of, base)?,
            FeeAmount::LesserOf { flat, rate } => {
                let (flat, (rated, reason)) = (self.prorated(flat)?, self.rate(rate, of, base)?);
                let Reason::RateOf { rate, of, base } = reason else { return Err(Rule::Overflow) };
                (flat.min(rated)?, Reason::LesserOf { flat, rate, of, base })
            }
        };
        let item = Item::new(Kind::Fee, Some(&fee.name), Field::nth("fees", index, field));
        let item = Item { due: Some(due), used_up, ..item };
        let room = limit(desk, account, made.0)?;
        mark!(SubCapFilled, room.is_some_and(|room| room.minor() <= made.0.minor()));
        let room = room.filter(|_| !planted!(SubCapOverrun));
        self.charge(to, item, made, room)
    }

    fn mentee(&mut self) -> Result<(), Rule> {
        let Some(mentor) = &self.sharer.mentor else { return Ok(()) };
        let Some(mentee) = self.member.plan.document().mentee else { return Ok(()) };
        let part = Ratio::whole(self.part.minor());
        for (to, rate, field) in [
            (Party::Company, mentee.company, "mentee.company"),
            (planted!(MentorForgotten => Party::Company, Party::Payee(mentor.clone())), mentee.mentor, "mentee.mentor"),
        ] {
            let made = self.rate(rate, Of::Part, part)?;
            self.charge(to, Item::new(Kind::Mentee, None, Field::at(field)), made, None)?;
        }
        Ok(())
    }

    fn bonuses(&mut self, desk: &mut Desk<'a, '_>) -> Result<(), Rule> {
        let Some(seat) = desk.seats.get(self.seat) else { return Ok(()) };
        let (been_here, attainment) = (seat.been_here, seat.attainment);
        for (index, bonus) in self.member.plan.document().bonuses.iter().enumerate() {
            let due = match (bonus.when, attainment.and_then(|place| desk.attained.get_mut(place))) {
                (When::EachDeal, _) if been_here => continue,
                (When::EachDeal, _) => Due::Always,
                (When::Reaches(_), None) => continue,
                (When::Reaches(threshold), Some(progress)) => {
                    let before = progress.after;
                    let after = before.with(self.part, self.units)?.with_company_dollar(self.cut.company_dollar)?;
                    let state = progress.bonus(&bonus.name).filter(|_| !planted!(BonusAfterReversal));
                    let is_due = match state {
                        None => planted!(BonusAgain) || !threshold.is_met(&before)?,
                        Some(BonusState::TakenBack) => before != after && !progress.pays.contains(&bonus.name),
                        Some(BonusState::Paid) => false,
                    };
                    if !is_due || !threshold.is_met(&after)? {
                        continue;
                    }
                    progress.pays.push(bonus.name.clone());
                    Due::Reached { threshold, before, after, again: state == Some(BonusState::TakenBack) }
                }
            };
            let (amount, reason) = match bonus.amount {
                Quantity::Flat(flat) => (flat, Reason::Stated),
                Quantity::Rate(rate) => self.rate(rate, Of::Part, Ratio::whole(self.part.minor()))?,
            };
            let item = Item::new(Kind::Bonus, Some(&bonus.name), Field::nth("bonuses", index, "amount"));
            let item = Item { due: Some(due), ..item };
            self.bonuses = self.bonuses.plus(amount)?;
            let to = Party::Payee(self.sharer.payee.clone());
            self.pay(Party::Company, to, &item, amount, self.because(&item, (amount, reason), None));
        }
        Ok(())
    }

    fn overrides(&mut self) -> Result<(), Rule> {
        for (index, paid) in self.member.plan.document().overrides.iter().enumerate() {
            mark!(OverrideToSelf, paid.to == self.sharer.payee);
            if paid.to == self.sharer.payee && !planted!(OverrideToSelf) {
                continue;
            }
            let made = self.rate(paid.rate, paid.of.into(), Ratio::whole(self.base(paid.of)?.minor()))?;
            let item = Item::new(Kind::Override, Some(&paid.name), Field::nth("overrides", index, "rate"));
            let because = self.because(&item, made, None);
            self.pay(Party::Company, Party::Payee(paid.to.clone()), &item, made.0, because);
        }
        Ok(())
    }

    /// The payee's part of a flat amount, which the whole side shares.
    fn prorated(&self, flat: Money) -> Result<Money, Rule> {
        if self.weights.len() == 1 || planted!(FeeToEach) {
            return Ok(flat);
        }
        let shares = allocate(flat, self.weights).map_err(unshared)?;
        Ok(shares.get(self.place).copied().unwrap_or(Money::zero(flat.currency())))
    }

    /// What a rate is of; nothing where that is below zero.
    fn base(&self, of: Base) -> Result<Money, Rule> {
        let base = match of {
            Base::Part => self.part,
            Base::Gci => self.gross,
            Base::CompanyDollar => self.cut.company_dollar.plus(self.cut.extra)?,
            Base::PayeeShare => self.agent.plus(self.bonuses)?,
        };
        Ok(if base.is_negative() { Money::zero(base.currency()) } else { base })
    }

    fn rate(&self, rate: Rate, of: Of, base: Ratio) -> Result<Made<'a>, Rule> {
        let (rounding, currency) = (self.member.plan.document().rounding, self.part.currency());
        let amount = Money::from_minor(base.times(Ratio::rate(rate))?.round(rounding)?, currency)?;
        let base = Money::from_minor(base.round(rounding)?, currency)?;
        Ok((amount, Reason::RateOf { rate, of, base }))
    }

    /// The payee pays, no more than the room.
    fn charge(&mut self, to: Party, item: Item<'a>, made: Made<'a>, room: Option<Money>) -> Result<(), Rule> {
        let amount = room.map_or(Ok(made.0), |room| made.0.min(room))?;
        self.agent = self.agent.minus(amount)?;
        let from = Party::Payee(self.sharer.payee.clone());
        self.pay(from, to, &item, amount, self.because(&item, made, room));
        Ok(())
    }

    fn because(&self, item: &Item<'a>, (full, reason): Made<'a>, room: Option<Money>) -> Because<'a> {
        let Item { field, due, used_up, .. } = *item;
        Because { plan: Some(self.member.plan), field, reason, due, used_up, full, room, room_share: None }
    }

    fn pay(&mut self, from: Party, to: Party, item: &Item<'a>, amount: Money, because: Because<'a>) {
        let of = Some(&self.sharer.payee);
        for (party, amount) in [(from, amount.negated()), (to, amount)] {
            if !amount.is_zero() {
                self.lines.push(Line { of, party, kind: item.kind, name: item.name, amount, because });
            }
        }
    }
}

/// What is left under a cap for an amount, which counts to it as far as there is room.
fn limit(desk: &mut Desk<'_, '_>, account: Option<usize>, amount: Money) -> Result<Option<Money>, Rule> {
    let Some(cap) = account.and_then(|place| desk.caps.get_mut(place)) else { return Ok(None) };
    let room = cap.room()?;
    cap.after = cap.after.plus(amount.min(room)?)?;
    Ok(Some(room))
}

impl Threshold {
    fn is_met(&self, attained: &super::accounts::Attained) -> Result<bool, Rule> {
        Ok(match self {
            Self::Units(units) => attained.units >= planted!(ThresholdOnlyAbove => units + 1, *units),
            Self::Revenue(amount) if planted!(ThresholdOnlyAbove) => attained.revenue.compare(*amount)?.is_gt(),
            Self::Revenue(amount) => attained.revenue.compare(*amount)?.is_ge(),
            Self::CompanyDollar(amount) => attained.company_dollar.compare(*amount)?.is_ge(),
        })
    }
}
