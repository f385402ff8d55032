//! Asks that the ledger must refuse, or that only just hold: of what is not there, by who may not, on days and over amounts that
//! cannot be.

use super::amounts::LARGEST;
use super::deals::amount_of;
use super::words::STAFF;
use super::{Asked, World, plans, plus, sales, sides};
use crate::act::{Act, Amount, CURRENCIES, Credit, Day, Part};
use crate::sale::{ModelPin, RatesPin};

/// A payout that no request ever made.
const NO_PAYOUT: &str = "6f9619ff-8b86-8011-b42d-00cf4fc964ff";

/// Turns an ask into one that is not as it must be.
pub(super) fn spoil(world: &mut World<'_>, asked: &mut Asked) {
    let (actor, act) = asked;
    // Somebody else asks: the payee itself, or anybody.
    if world.choices.maybe(250) {
        let payee = world.choices.one_of(world.model.payees().rows()).map(|payee| payee.id.clone());
        *actor = payee.filter(|_| world.choices.maybe(500)).unwrap_or_else(|| world.staff());
    }
    let kind = world.choices.work(4);
    match act {
        Act::Open { .. } => {}
        Act::SwitchOn { capability } => *act = Act::SwitchOff { capability },
        Act::SwitchOff { capability } => *act = Act::SwitchOn { capability },
        Act::Enrol { payee, joined_on, .. } => match world.model.payees().rows().first() {
            Some(first) if kind < 2 => payee.clone_from(&first.id),
            _ => *joined_on = Some(unlikely(world)),
        },
        Act::Assign { plan, version, from, until, .. } => match kind {
            0 => *version = if world.choices.maybe(500) { 0 } else { *version + 1 },
            1 => *until = Some(plus(*from, -i64::from(world.choices.work(2)))),
            2 => *plan = nobody(),
            _ => *from = unlikely(world),
        },
        Act::EndAssignment { payee, until } => match kind {
            0 | 1 => *until = unlikely(world),
            _ => *payee = nobody(),
        },
        Act::Publish { document, .. } => plans::spoil(world.choices, document),
        Act::Register { deal, gci } => match kind {
            0 | 1 => known_deal(world, deal),
            2 => amount_of(gci).0 = -1,
            _ => amount_of(gci).0 = LARGEST,
        },
        Act::Attribute { deal, credit } => match kind {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            _ => spoil_credit(world, credit),
        },
        Act::Complete { deal, on } => match kind {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            _ => *on = unlikely(world),
        },
        Act::Record { deal, gci, credit, on } => match world.choices.work(6) {
            0 => known_deal(world, deal),
            1 => amount_of(gci).0 = -1,
            2 => amount_of(gci).0 = LARGEST,
            3 => amount_of(gci).1 = world.currency(),
            4 => *on = unlikely(world),
            _ => spoil_credit(world, credit),
        },
        Act::Reverse { deal, .. } => match kind {
            0 => *deal = nobody(),
            _ => known_deal(world, deal),
        },
        Act::PublishModel { document, .. } => sales::spoil_model(world, document),
        Act::PublishRates { document, .. } => sales::spoil_rates(world, document),
        Act::Classify { payee, from, rates, .. } => match kind {
            0 => *payee = nobody(),
            1 => *from = unlikely(world),
            _ => *rates = Some(RatesPin { rates: nobody(), version: 1 }),
        },
        Act::RegisterSale { deal, sale } => match kind {
            0 => known_deal(world, deal),
            _ => sales::spoil(world, sale),
        },
        Act::RecordSale { deal, sale, touches, completed_at, .. } => match world.choices.work(8) {
            0 => known_deal(world, deal),
            1 => *completed_at = sales::unlikely(world),
            2 | 3 => sales::spoil_touches(world, touches),
            _ => sales::spoil(world, sale),
        },
        Act::Touch { deal, touch } => match kind {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            2 => touch.payee = nobody(),
            _ => touch.at = sales::unlikely(world),
        },
        Act::CompleteSale { deal, completed_at, .. } => match kind {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            _ => *completed_at = sales::unlikely(world),
        },
        Act::Collect { deal, amount, on, .. } => match world.choices.work(6) {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            2 => amount.0 = -i128::from(world.choices.work(2)),
            3 => amount.0 = LARGEST,
            4 => amount.1 = world.currency(),
            _ => *on = unlikely(world),
        },
        Act::Recompute { deal, model, rates, .. } => match kind {
            0 => known_deal(world, deal),
            1 => *deal = nobody(),
            2 => *model = Some(ModelPin { model: nobody(), version: 1 }),
            _ => *rates = Some(RatesPin { rates: nobody(), version: 0 }),
        },
        Act::RegisterSides { deal, sides } => match kind {
            0 => known_deal(world, deal),
            _ => sides::spoil(world, sides),
        },
        Act::RecordSides { deal, sides, on } => match world.choices.work(8) {
            0 => known_deal(world, deal),
            1 => *on = unlikely(world),
            _ => sides::spoil(world, sides),
        },
        Act::SetOpeningAttainment { payee, on, units, revenue, .. } => match world.choices.work(6) {
            0 => *payee = nobody(),
            1 => *on = unlikely(world),
            2 => (*units, *revenue) = (None, None),
            3 => *revenue = Some(Amount(1, world.currency())),
            4 => *revenue = Some(Amount(-1, world.model.base().unwrap_or(CURRENCIES[0]))),
            _ => *revenue = Some(Amount(LARGEST, world.model.base().unwrap_or(CURRENCIES[0]))),
        },
        Act::SetOpeningBalance { payee, on, amount, programme, .. } => match world.choices.work(5) {
            4 => *programme = Some(nobody()),
            0 => amount.0 = 0,
            1 => amount.1 = world.currency(),
            2 => *on = unlikely(world),
            _ => *payee = nobody(),
        },
        Act::Create { payee, currency, through, .. } => match kind {
            0 => *payee = nobody(),
            1 => *currency = Some(world.currency()),
            _ => *through = Some(unlikely(world)),
        },
        Act::CreateManual { payee, amount, .. } => match kind {
            0 => *payee = nobody(),
            1 => amount.1 = world.currency(),
            2 => amount.0 = LARGEST,
            _ => amount.0 = -i128::from(world.choices.work(2)),
        },
        Act::ApproveBulk { payouts, .. } => match kind {
            0 => payouts.push(NO_PAYOUT.to_owned()),
            1 => payouts.clear(),
            2 => another_payout(world).into_iter().for_each(|other| payouts.insert(0, other)),
            _ if world.choices.maybe(50) => {
                // One more than a bulk approval may name, if there are so many.
                let all = world.model.payouts().rows().iter().rev().take(501);
                payouts.extend(all.map(|payout| payout.id.clone()));
            }
            _ => payouts.extend_from_within(..),
        },
        Act::Settle { payout, attempt, amount } => match world.choices.work(5) {
            0 => *attempt += 1,
            1 => *attempt = attempt.saturating_sub(1),
            2 => amount.0 = (amount.0 + 1).min(LARGEST),
            3 => amount.1 = world.currency(),
            _ => spoil_payout(world, payout),
        },
        Act::Fail { payout, attempt, .. } | Act::ResolveLatePayment { payout, attempt, .. } => match kind {
            0 => *attempt += 1,
            1 => *attempt = attempt.saturating_sub(1),
            _ => spoil_payout(world, payout),
        },
        Act::Submit { payout }
        | Act::Approve { payout }
        | Act::Reject { payout, .. }
        | Act::Start { payout }
        | Act::RecordManualPayment { payout, .. }
        | Act::Void { payout, .. } => match kind {
            0 | 1 => *actor = world.choices.one_of(&STAFF).copied().unwrap_or("ann").to_owned(),
            _ => spoil_payout(world, payout),
        },
    }
}

pub(super) fn nobody() -> String {
    "nobody".to_owned()
}

/// A payout of another stage, or one that there is not.
fn spoil_payout(world: &mut World<'_>, payout: &mut String) {
    let another = another_payout(world).filter(|_| !world.choices.maybe(300));
    *payout = another.unwrap_or_else(|| NO_PAYOUT.to_owned());
}

fn another_payout(world: &mut World<'_>) -> Option<String> {
    world.choices.one_of(world.model.payouts().rows()).map(|payout| payout.id.clone())
}

/// The name of a deal that is there, wherever it stands.
fn known_deal(world: &mut World<'_>, deal: &mut String) {
    if let Some(known) = world.choices.one_of(world.model.deals().rows()) {
        deal.clone_from(&known.id);
    }
}

/// Nobody, one twice, somebody unknown, too many, or weights that are not the whole.
fn spoil_credit(world: &mut World<'_>, credit: &mut Credit) {
    let payees: Vec<String> = match credit {
        Credit::Equal(payees) => payees.clone(),
        Credit::Custom(weights) => weights.iter().map(|(payee, _)| payee.clone()).collect(),
    };
    *credit = match world.choices.work(6) {
        0 => Credit::Equal(Vec::new()),
        1 => Credit::Equal(payees.iter().chain(&payees).cloned().collect()),
        2 => Credit::Equal(payees.into_iter().chain([nobody()]).collect()),
        3 => Credit::Equal((0..51).map(|n| format!("p{n}")).collect()),
        4 => Credit::Custom(payees.into_iter().map(|payee| (payee, Part(999_999_999))).collect()),
        _ => Credit::Custom(payees.into_iter().map(|payee| (payee, Part(0))).collect()),
    };
}

/// A day at the end of what a ledger keeps, beyond it, or long before anybody had a plan.
fn unlikely(world: &mut World<'_>) -> Day {
    let days = [Day(1900, 1, 1), Day(9998, 12, 31), Day(1899, 12, 31), Day(9999, 1, 1), Day(1969, 12, 31)];
    world.choices.one_of(&days).copied().unwrap_or(Day(1900, 1, 1))
}
