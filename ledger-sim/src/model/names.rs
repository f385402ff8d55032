//! The rules for names, keys, texts, dates and numbers, which hold before anything else is asked.

use chrono_tz::Tz;

use super::settings::CAPABILITIES;
use super::{Why, calendar, waterfall};
use crate::act::{Act, Amount, Ask, Credit, Day, Gci, Part, Side};
use crate::document::Charge;
use crate::sale::{Fine, Line, Sale, Touch};
use crate::side::{Adjustment, OffTop, Party, Sharer};

/// Whether everything in a request can be read. Identifiers of payouts are taken as the ledger writes them.
pub(super) fn check(ask: &Ask) -> Result<(), Why> {
    let readable = is_key(&ask.key) && is_name(&ask.actor) && can_read(&ask.act);
    if readable { Ok(()) } else { Err(Why::Malformed) }
}

fn can_read(act: &Act) -> bool {
    match act {
        Act::Open { base: _, zone, capabilities } => {
            zone.parse::<Tz>().is_ok() && capabilities.iter().all(|on| CAPABILITIES.contains(on))
        }
        Act::SwitchOn { capability } | Act::SwitchOff { capability } => CAPABILITIES.contains(capability),
        Act::Enrol { payee, name, joined_on } => is_name(payee) && is_text(name) && perhaps(joined_on.as_ref(), is_day),
        Act::Assign { payee, plan, version: _, from, until } => {
            is_name(payee) && is_name(plan) && is_day(from) && perhaps(until.as_ref(), is_day)
        }
        Act::EndAssignment { payee, until } => is_name(payee) && is_day(until),
        Act::Publish { plan, document } => is_name(plan) && is_read(waterfall::Plan::read(&document.stored())),
        Act::Register { deal, gci } => is_name(deal) && is_gci(gci),
        Act::Attribute { deal, credit } => is_name(deal) && is_credit(credit),
        Act::Complete { deal, on } => is_name(deal) && is_day(on),
        Act::Record { deal, gci, credit, on } => is_name(deal) && is_gci(gci) && is_credit(credit) && is_day(on),
        Act::PublishModel { model, document: _ } => is_name(model),
        Act::PublishRates { rates, document: _ } => is_name(rates),
        Act::Classify { payee, from, kind, tier, class, rates } => {
            let named = [kind, tier, class].into_iter().all(|name| perhaps(name.as_deref(), is_name));
            is_name(payee) && is_day(from) && named && perhaps(rates.as_ref(), |pin| is_name(&pin.rates))
        }
        Act::RegisterSale { deal, sale } => is_name(deal) && is_sale(sale),
        Act::Touch { deal, touch } => is_name(deal) && is_touch(touch),
        Act::CompleteSale { deal, completed_at: _, cutoff: _ } => is_name(deal),
        Act::RecordSale { deal, sale, touches, completed_at: _, cutoff: _ } => {
            is_name(deal) && is_sale(sale) && touches.iter().all(is_touch)
        }
        Act::Collect { deal, payment, amount, on } => {
            is_name(deal) && is_name(payment) && is_amount(amount) && is_day(on)
        }
        Act::Recompute { deal, reason, model, rates } => {
            is_name(deal)
                && is_text(reason)
                && perhaps(model.as_ref(), |pin| is_name(&pin.model))
                && perhaps(rates.as_ref(), |pin| is_name(&pin.rates))
        }
        Act::Reverse { deal, reason } => is_name(deal) && is_text(reason),
        Act::RegisterSides { deal, sides } => is_name(deal) && sides.iter().all(is_side),
        Act::RecordSides { deal, sides, on } => is_name(deal) && sides.iter().all(is_side) && is_day(on),
        Act::SetOpeningBalance { payee, on, amount, reason, programme } => {
            let named = perhaps(programme.as_deref(), is_name);
            is_name(payee) && is_day(on) && is_amount(amount) && is_text(reason) && named
        }
        Act::SetOpeningAttainment { payee, on, units: _, revenue, accrued, company_dollar, reason } => {
            let mut amounts = [revenue, accrued, company_dollar].into_iter();
            let amounts = amounts.all(|amount| perhaps(amount.as_ref(), is_amount));
            is_name(payee) && is_day(on) && amounts && is_text(reason)
        }
        Act::Create { payee, currency: _, through, period, notes } => {
            is_name(payee)
                && perhaps(through.as_ref(), is_day)
                && perhaps(period.as_deref(), is_name)
                && perhaps(notes.as_deref(), is_text)
        }
        Act::CreateManual { payee, amount, reason, period } => {
            is_name(payee) && is_amount(amount) && is_text(reason) && perhaps(period.as_deref(), is_name)
        }
        Act::Submit { payout } | Act::Approve { payout } | Act::Start { payout } => is_id(payout),
        Act::ApproveBulk { payouts, atomic: _ } => payouts.iter().all(|payout| is_id(payout)),
        Act::Reject { payout, reason }
        | Act::Fail { payout, attempt: _, reason }
        | Act::ResolveLatePayment { payout, attempt: _, accept: _, reason }
        | Act::Void { payout, reason } => is_id(payout) && is_text(reason),
        Act::Settle { payout, attempt: _, amount } => is_id(payout) && is_amount(amount),
        Act::RecordManualPayment { payout, method, reference, account } => {
            is_id(payout) && is_name(method) && is_name(reference) && is_name(account)
        }
    }
}

fn perhaps<T: ?Sized>(value: Option<&T>, rule: impl FnOnce(&T) -> bool) -> bool {
    value.is_none_or(rule)
}

/// 1 to 64 letters, digits or `. _ : @ + # -`, the first one a letter or a digit.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:@+#-".contains(c))
}

/// 1 to 128 printable characters without blanks.
fn is_key(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| ('!'..='~').contains(&c))
}

/// 1 to 500 bytes, no control or direction characters, not only blanks.
pub(super) fn is_text(text: &str) -> bool {
    let hidden = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{2069}', '\u{feff}'..='\u{feff}'];
    text.len() <= 500
        && text.chars().any(|c| !c.is_whitespace())
        && !text.chars().any(|c| c.is_control() || hidden.iter().any(|range| range.contains(&c)))
}

/// 32 small hexadecimal digits, with `-` after the 8th, 12th, 16th and 20th.
fn is_id(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let fits = |(place, c)| if matches!(place, 8 | 13 | 18 | 23) { c == '-' } else { digit(c) };
    text.len() == 36 && text.chars().enumerate().all(fits)
}

fn is_day(day: &Day) -> bool {
    calendar::exists(*day)
}

/// No more minor units than 63 bits hold.
fn is_amount(Amount(units, _): &Amount) -> bool {
    units.unsigned_abs() <= i64::MAX.unsigned_abs().into()
}

/// At most 9223372.036854775807.
fn is_part(Part(billionths): &Part) -> bool {
    *billionths <= 9_223_372_036_854_775
}

fn is_gci(gci: &Gci) -> bool {
    match gci {
        Gci::Amount(amount) => is_amount(amount),
        Gci::OfPrice { price, rate } => is_amount(price) && is_part(rate),
    }
}

fn is_side(side: &Side) -> bool {
    let Side { side: _, gci, referral_in, units: _, off_top, payees, adjustments } = side;
    is_gci(gci)
        && perhaps(referral_in.as_ref(), is_amount)
        && off_top.iter().all(|item| match item {
            OffTop::Concession(amount) => is_charge(amount),
            OffTop::ReferralOut { to, amount } => is_name(to) && is_charge(amount),
        })
        && payees.iter().all(|Sharer { payee, weight, mentor }| {
            is_name(payee) && perhaps(weight.as_ref(), is_part) && perhaps(mentor.as_deref(), is_name)
        })
        && adjustments.iter().all(|Adjustment { from, to, amount, reason, actor }| {
            is_party(from) && is_party(to) && is_amount(amount) && is_text(reason) && is_name(actor)
        })
}

fn is_charge(charge: &Charge) -> bool {
    match charge {
        Charge::Flat(amount) => is_amount(amount),
        Charge::Rate(rate) => is_part(rate),
        Charge::LesserOf { flat, rate } => is_amount(flat) && is_part(rate),
    }
}

fn is_party(party: &Party) -> bool {
    match party {
        Party::Company | Party::Client | Party::Franchise => true,
        Party::Payee(name) | Party::Referrer(name) => is_name(name),
    }
}

fn is_sale(sale: &Sale) -> bool {
    let Sale { amount, lines, customer, programme, model, rates, registered_by, custom, overlays } = sale;
    let mut weights = custom.iter().chain(overlays);
    perhaps(amount.as_ref(), is_amount)
        && lines.iter().all(|Line { amount, product_line, units: _, unit_cost }| {
            is_amount(amount) && perhaps(product_line.as_deref(), is_name) && perhaps(unit_cost.as_ref(), is_amount)
        })
        && [customer, programme, registered_by].into_iter().all(|name| perhaps(name.as_deref(), is_name))
        && is_name(&model.model)
        && perhaps(rates.as_ref(), |pin| is_name(&pin.rates))
        && weights.all(|weight| is_name(&weight.payee) && is_fine(&weight.weight))
}

fn is_touch(touch: &Touch) -> bool {
    let Touch { touch, payee, kind, at: _, weight, role, milestones } = touch;
    [touch, payee, kind].into_iter().chain(role).chain(milestones).all(|name| is_name(name))
        && perhaps(weight.as_ref(), is_fine)
}

/// No more trillionths than 63 bits hold.
fn is_fine(Fine(trillionths): &Fine) -> bool {
    i64::try_from(*trillionths).is_ok()
}

fn is_credit(credit: &Credit) -> bool {
    match credit {
        Credit::Equal(payees) => payees.iter().all(|payee| is_name(payee)),
        Credit::Custom(weights) => weights.iter().all(|(payee, weight)| is_name(payee) && is_part(weight)),
    }
}

/// Whether what is calculated can be read; what it says is judged later.
fn is_read<T>(read: Result<T, waterfall::Code>) -> bool {
    !matches!(read, Err(waterfall::Code::Malformed))
}
