//! Payouts: each moved on by who may, with what else somebody could do at the same time.

use super::amounts::LARGEST;
use super::words::{STAFF, other_case};
use super::{Asked, Workload, World, words};
use crate::act::{Act, Amount};
use crate::model::{Payout, Stage};
use crate::swarm::Habit;

impl Workload {
    /// A payout of what somebody can be paid.
    pub(super) fn create(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let model = world.model;
        let payees = model.payees().rows();
        let any = world.choices.maybe(30);
        let due = |(place, code): &(usize, _)| {
            let payee = payees.get(*place);
            payee.is_some_and(|payee| any || (1..=LARGEST).contains(&model.payable(&payee.id, *code)))
        };
        let (place, code) = *self.payable.find(world.choices, due)?;
        let payee = payees.get(place)?.id.clone();
        let currency = (Some(code) != model.base() || world.choices.maybe(100)).then_some(code);
        let dated = self.swarm.has(Habit::Dates) && world.choices.maybe(150);
        let through = dated.then(|| world.lately(30));
        let period = world.choices.maybe(300).then(|| words::period(world.choices, self.swarm.awkward));
        let notes = world.choices.maybe(200).then(|| self.text(world));
        Some((world.staff(), Act::Create { payee, currency, through, period, notes }))
    }

    pub(super) fn create_manual(&mut self, world: &mut World<'_>) -> Option<Asked> {
        if !world.model.allows("manual_amounts") && !world.choices.maybe(100) {
            return None;
        }
        let payee = world.choices.one_of(world.model.payees().rows())?.id.clone();
        let currency = world.model.base().unwrap_or(self.swarm.base);
        let amount = Amount(1 + i128::from(world.choices.work(50_000)), currency);
        let period = world.choices.maybe(300).then(|| words::period(world.choices, self.swarm.awkward));
        Some((world.staff(), Act::CreateManual { payee, amount, reason: self.text(world), period }))
    }

    /// Moves a payout on.
    pub(super) fn progress(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let payouts = world.model.payouts().rows();
        loop {
            let (at, place) = self.live.place(world.choices).map(|(at, place)| (at, *place))?;
            match payouts.get(place) {
                Some(payout) if is_ended(payout) => self.ended.push(place),
                Some(payout) => return Some(self.move_on(world, payout)),
                None => {}
            }
            self.live.take(at);
        }
    }

    fn move_on(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let (id, has) = (payout.id.clone(), |habit| self.swarm.has(habit));
        let refuse = has(Habit::Refusals) && world.choices.maybe(100);
        let on = world.choices.maybe(if has(Habit::Failures) { 400 } else { 20 });
        match payout.stage {
            Stage::Draft if refuse => self.void(world, payout),
            Stage::Draft => (self.maker(world, payout), Act::Submit { payout: id }),
            Stage::PendingApproval if refuse => {
                let reject = Act::Reject { payout: id, reason: self.text(world) };
                if on { self.void(world, payout) } else { (other_than(world, payout), reject) }
            }
            Stage::PendingApproval if has(Habit::Bulk) && world.choices.maybe(500) => self.bulk(world, payout),
            Stage::PendingApproval => (other_than(world, payout), Act::Approve { payout: id }),
            Stage::Approved if refuse => self.void(world, payout),
            Stage::Approved => self.pay(world, payout),
            Stage::Processing if on => self.fail(world, payout),
            Stage::Processing => (world.staff(), settle(payout, payout.attempt)),
            Stage::Failed => match payout.late_news() {
                Some(attempt) => self.resolve(world, payout, attempt),
                None if refuse => self.void(world, payout),
                None if on => (world.staff(), settle(payout, 1 + world.choices.work(payout.attempt))),
                None => (world.staff(), Act::Start { payout: id }),
            },
            Stage::Paid | Stage::Rejected | Stage::Voided => (world.staff(), Act::Start { payout: id }),
        }
    }

    /// What somebody else could do with a payout at the same time, allowed or not.
    pub(super) fn rival_of(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        match world.choices.work(7) {
            0 => self.move_on(world, payout),
            1 | 2 => self.void(world, payout),
            3 => (other_than(world, payout), Act::Approve { payout: payout.id.clone() }),
            4 => (world.staff(), Act::Start { payout: payout.id.clone() }),
            5 => self.pay_by_hand(world, payout),
            _ if payout.attempt > 0 => (world.staff(), settle(payout, payout.attempt)),
            _ => self.bulk(world, payout),
        }
    }

    /// Late news of payouts that are at their end, and what becomes of it.
    pub(super) fn late_news(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let place = *self.ended.one(world.choices)?;
        let payout = world.model.payouts().rows().get(place)?;
        if let Some(attempt) = payout.late_news() {
            return Some(self.resolve(world, payout, attempt));
        }
        let attempt = 1 + world.choices.work(payout.attempt);
        let known = payout.attempt == 0 || payout.paid_by == Some(attempt) || payout.late.contains_key(&attempt);
        (!known || world.choices.maybe(100)).then(|| (world.staff(), settle(payout, attempt)))
    }

    /// The same reference for another payout, for who minds it in another letter case.
    pub(super) fn same_reference(&mut self, world: &mut World<'_>, act: &Act) -> Option<Asked> {
        let Act::RecordManualPayment { method, reference, account, .. } = act else { return None };
        let place = *self.live.one(world.choices)?;
        let payout = world.model.payouts().rows().get(place)?.id.clone();
        let same = world.choices.maybe(500);
        let reference = if same { reference.clone() } else { other_case(reference) };
        Some((world.staff(), Act::RecordManualPayment { payout, method, reference, account: account.clone() }))
    }

    fn pay(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let (rail, manual) = (world.model.allows("rail_payments"), world.model.allows("manual_payments"));
        let by_hand = self.swarm.has(Habit::ManualPayments) && world.choices.maybe(500);
        if !rail && !manual && !world.choices.maybe(100) {
            let allow = Act::SwitchOn { capability: "rail_payments" };
            return if self.swarm.has(Habit::Switches) { (world.staff(), allow) } else { self.void(world, payout) };
        }
        if manual && (by_hand || !rail) {
            return self.pay_by_hand(world, payout);
        }
        (world.staff(), Act::Start { payout: payout.id.clone() })
    }

    fn pay_by_hand(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let again = world.choices.maybe(80);
        self.named.references += u64::from(!again);
        let n = self.named.references;
        let reference = if again && world.choices.maybe(500) { format!("NO-{n}") } else { format!("no-{n}") };
        let method = world.choices.one_of(&["cheque", "cash", "payroll", "ACH+wire"]).copied().unwrap_or("cheque");
        let account =
            world.choices.one_of(&["bank", "bank", "Bank", "petty-cash"]).copied().unwrap_or("bank").to_owned();
        let payout = payout.id.clone();
        (world.staff(), Act::RecordManualPayment { payout, method, reference, account })
    }

    fn fail(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let (older, payout_id) = (world.choices.maybe(80), payout.id.clone());
        let attempt = if older { 1 + world.choices.work(payout.attempt) } else { payout.attempt };
        let late = older && attempt < payout.attempt && world.choices.maybe(500);
        if late {
            return (world.staff(), settle(payout, attempt));
        }
        (world.staff(), Act::Fail { payout: payout_id, attempt, reason: self.text(world) })
    }

    fn resolve(&mut self, world: &mut World<'_>, payout: &Payout, attempt: u32) -> Asked {
        let unlikely = world.choices.maybe(100);
        let accept = if payout.stage == Stage::Failed { world.choices.maybe(500) } else { unlikely };
        let (payout_id, reason) = (payout.id.clone(), self.text(world));
        (other_than(world, payout), Act::ResolveLatePayment { payout: payout_id, attempt, accept, reason })
    }

    fn void(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let its_makers = matches!(payout.stage, Stage::Draft | Stage::PendingApproval);
        let actor = if its_makers { self.maker(world, payout) } else { other_than(world, payout) };
        (actor, Act::Void { payout: payout.id.clone(), reason: self.text(world) })
    }

    /// A payout with others: some that do not wait for approval, some twice.
    fn bulk(&mut self, world: &mut World<'_>, payout: &Payout) -> Asked {
        let rows = world.model.payouts().rows();
        let (any, twice) = (world.choices.maybe(150), world.choices.maybe(150));
        let others = self.live.iter().filter_map(|place| rows.get(*place));
        let others = others.filter(|other| other.id != payout.id && (any || other.stage == Stage::PendingApproval));
        let others = others.take(world.choices.index(8)).chain(twice.then_some(payout));
        let payouts = [payout].into_iter().chain(others).map(|payout| payout.id.clone()).collect();
        (other_than(world, payout), Act::ApproveBulk { payouts, atomic: world.choices.maybe(250) })
    }

    /// Its maker, as somebody may write the name; now and then somebody else tries.
    fn maker(&self, world: &mut World<'_>, payout: &Payout) -> String {
        if world.choices.maybe(20) {
            return world.staff();
        }
        let other = self.swarm.awkward && world.choices.maybe(200);
        if other { other_case(&payout.maker) } else { payout.maker.clone() }
    }
}

/// Somebody who neither made a payout nor is paid by it; now and then one of those two tries.
fn other_than(world: &mut World<'_>, payout: &Payout) -> String {
    let (parties, first) = ([&payout.maker, &payout.payee], world.choices.index(STAFF.len()));
    if world.choices.maybe(30) {
        let party = parties.get(first % 2).map_or("", |party| party.as_str());
        return if first < 2 { party.to_owned() } else { other_case(party) };
    }
    let involved = |name: &str| parties.iter().any(|party| party.eq_ignore_ascii_case(name));
    let mut staff = STAFF.iter().cycle().skip(first).take(STAFF.len());
    staff.find(|name| !involved(name)).map_or_else(String::new, |name| (*name).to_owned())
}

fn settle(payout: &Payout, attempt: u32) -> Act {
    Act::Settle { payout: payout.id.clone(), attempt, amount: payout.amount }
}

fn is_ended(payout: &Payout) -> bool {
    matches!(payout.stage, Stage::Paid | Stage::Rejected | Stage::Voided)
}

/// The payout that something is asked of.
pub(super) fn payout_of(act: &Act) -> Option<&String> {
    match act {
        Act::Submit { payout }
        | Act::Approve { payout }
        | Act::Reject { payout, .. }
        | Act::Start { payout }
        | Act::Settle { payout, .. }
        | Act::Fail { payout, .. }
        | Act::ResolveLatePayment { payout, .. }
        | Act::RecordManualPayment { payout, .. }
        | Act::Void { payout, .. } => Some(payout),
        Act::ApproveBulk { payouts, .. } => payouts.first(),
        _ => None,
    }
}
