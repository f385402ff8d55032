//! The laws of entries: each is booked once, and in one payout at a time.

use super::{Broken, Law, Laws, broken};
use crate::account::{self, Because, Source};
use crate::id::{EntryId, PayeeId, PayoutId};
use crate::money::Money;
use crate::projection::sum::Sum;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    payee: PayeeId,
    amount: Money,
    /// Whether it is an adjustment.
    adjusts: bool,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Payable,
    Claimed(PayoutId),
    Paid,
    Reversed,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Claim {
    pub(super) entries: Vec<EntryId>,
    pub(super) amount: Sum,
}

impl Laws {
    pub(super) fn account(&mut self, event: &account::Event, out: &mut Vec<Broken>) {
        match event {
            account::Event::EntryBooked { payee, entry, source, amount, .. } => {
                if matches!(source, Source::Adjustment { .. }) {
                    self.booked(payee, *entry, *amount, true, out);
                }
            }
            account::Event::EntryReversed { .. } => {}
            account::Event::EntriesClaimed { payee, payout, entries, amount } => {
                let mut sum = Sum::ZERO;
                for entry in entries {
                    self.moved(payee, *entry, Place::Payable, Place::Claimed(*payout), out);
                    let known = self.entries.get(entry).filter(|known| known.amount.currency() == amount.currency());
                    sum = sum.plus(known.map(|known| Sum::from(known.amount)).unwrap_or_default());
                }
                if sum != Sum::from(*amount) {
                    let expected = sum.show(amount.currency());
                    out.push(broken(Law::EntriesSumToAmount, payout, expected, amount.amount()).over(*amount));
                }
                let claim = self.claims.entry(*payout).or_default();
                claim.entries.extend_from_slice(entries);
                claim.amount.add(*amount);
            }
            account::Event::EntriesReleased { payee, payout, count, amount } => {
                self.ended(payee, *payout, *count, *amount, Place::Payable, out);
            }
            account::Event::EntriesPaid { payee, payout, count, amount } => {
                self.ended(payee, *payout, *count, *amount, Place::Paid, out);
            }
        }
    }

    pub(super) fn booked(
        &mut self,
        payee: &PayeeId,
        entry: EntryId,
        amount: Money,
        adjusts: bool,
        out: &mut Vec<Broken>,
    ) {
        if self.entries.contains_key(&entry) {
            out.push(broken(Law::EntryIsBookedOnce, entry, "one booking", "another one").over(amount));
            return;
        }
        self.entries.insert(entry, Entry { payee: payee.clone(), amount, adjusts, place: Place::Payable });
    }

    /// Owes that the adjustment of a payout is taken back.
    pub(super) fn owe_adjustment(&mut self, payout: PayoutId, adjustment: Option<EntryId>) {
        let Some(entry) = adjustment else { return };
        let Some(Entry { payee, amount, .. }) = self.entries.get(&entry).filter(|known| known.adjusts) else { return };
        let (payee, amount, because) = (payee.clone(), *amount, Because::Payout(payout));
        self.owe(vec![account::Event::EntryReversed { payee, entry, because, amount }.into()]);
    }

    pub(super) fn moved(&mut self, payee: &PayeeId, entry: EntryId, from: Place, to: Place, out: &mut Vec<Broken>) {
        let Some(known) = self.entries.get_mut(&entry) else {
            out.push(broken(Law::EntryIsPayable, entry, "a payable entry", "none"));
            return;
        };
        if known.place != from || known.payee != *payee {
            let found = format!("{:?} of {}", known.place, known.payee);
            out.push(broken(Law::EntryIsPayable, entry, format!("{from:?} of {payee}"), found).over(known.amount));
        }
        known.place = to;
    }

    fn ended(
        &mut self,
        payee: &PayeeId,
        payout: PayoutId,
        count: u32,
        amount: Money,
        to: Place,
        out: &mut Vec<Broken>,
    ) {
        let claim = self.claims.remove(&payout).unwrap_or_default();
        if claim.amount != Sum::from(amount) || u32::try_from(claim.entries.len()) != Ok(count) {
            let expected = format!("{} of {} entries", claim.amount.show(amount.currency()), claim.entries.len());
            let found = format!("{} of {count} entries", amount.amount());
            out.push(broken(Law::EntriesSumToAmount, payout, expected, found).over(amount));
        }
        for entry in claim.entries {
            self.moved(payee, entry, Place::Claimed(payout), to, out);
        }
    }
}
