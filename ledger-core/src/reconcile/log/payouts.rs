//! The laws of payouts: each goes its way, over what it has claimed, and by two people.

use std::collections::BTreeMap;

use super::{Broken, Law, Laws, broken};
use crate::id::{Actor, EntryId, PayeeId, PayoutId};
use crate::money::Money;
use crate::payout::{self, Resolution, Status};
use crate::projection::sum::Sum;

#[derive(Debug, Clone)]
pub(super) struct Payout {
    payee: PayeeId,
    amount: Money,
    maker: Actor,
    status: Status,
    attempt: u32,
    adjustment: Option<EntryId>,
    /// The attempts of which late news came, and whether it is still open.
    late: BTreeMap<u32, bool>,
}

impl Laws {
    pub(super) fn payout(&mut self, event: &payout::Event, out: &mut Vec<Broken>) {
        use Status::{Approved, Draft, Failed, Paid, PendingApproval, Processing, Rejected, Voided};
        match event {
            payout::Event::Created { payout, payee, amount, entries, by, adjustment, .. } => {
                let claimed = self.claims.get(payout).map(|claim| (claim.amount, claim.entries.len()));
                let (sum, count) = claimed.unwrap_or_default();
                if sum != Sum::from(*amount) || u32::try_from(count) != Ok(*entries) || !amount.is_positive() {
                    let expected = format!("{} of {count} entries", sum.show(amount.currency()));
                    let found = format!("{} of {entries} entries", amount.amount());
                    out.push(broken(Law::PayoutIsItsEntries, payout, expected, found).over(*amount));
                }
                if let Some(entry) = adjustment
                    && self.claims.get(payout).is_none_or(|claim| claim.entries != [*entry])
                {
                    let found = format!("{count} entries");
                    out.push(broken(Law::PayoutIsItsEntries, payout, entry, found).over(*amount));
                }
                let made = Payout {
                    payee: payee.clone(),
                    amount: *amount,
                    maker: by.clone(),
                    status: Draft,
                    attempt: 0,
                    adjustment: *adjustment,
                    late: BTreeMap::new(),
                };
                if self.payouts.insert(*payout, made).is_some() {
                    out.push(broken(Law::PayoutGoesItsWay, payout, "one beginning", "another one").over(*amount));
                }
            }
            payout::Event::Submitted { payout } => {
                self.goes(*payout, &[Draft], PendingApproval, out);
            }
            payout::Event::Approved { payout, by, amount } => {
                let Some(known) = self.goes(*payout, &[PendingApproval], Approved, out) else { return };
                four_eyes(*payout, known, by, out);
                same_amount(*payout, known, *amount, out);
            }
            payout::Event::Rejected { payout, by, .. } => {
                let Some(known) = self.goes(*payout, &[PendingApproval], Rejected, out) else { return };
                four_eyes(*payout, known, by, out);
                let adjustment = known.adjustment;
                self.owe_adjustment(*payout, adjustment);
            }
            payout::Event::Started { payout, attempt, .. } => {
                let Some(known) = self.goes(*payout, &[Approved, Failed], Processing, out) else { return };
                nothing_late(*payout, known, out);
                let expected = known.attempt.saturating_add(1);
                known.attempt = *attempt;
                if *attempt != expected {
                    out.push(broken(Law::AttemptsAreCounted, payout, expected, attempt).over(known.amount));
                }
            }
            payout::Event::Paid { payout, amount, through } => {
                let (from, attempt) = match through {
                    payout::Payment::Rail { attempt } => {
                        let accepted = self.accepted.iter().position(|late| *late == (*payout, *attempt));
                        match accepted.map(|place| self.accepted.swap_remove(place)) {
                            Some(_) => (Failed, None),
                            None => (Processing, Some(*attempt)),
                        }
                    }
                    payout::Payment::Manual { .. } => (Approved, None),
                };
                let Some(known) = self.goes(*payout, &[from], Paid, out) else { return };
                same_amount(*payout, known, *amount, out);
                if let Some(attempt) = attempt.filter(|attempt| *attempt != known.attempt) {
                    out.push(broken(Law::AttemptsAreCounted, payout, known.attempt, attempt).over(known.amount));
                }
            }
            payout::Event::Failed { payout, attempt, .. } => {
                let Some(known) = self.goes(*payout, &[Processing], Failed, out) else { return };
                if *attempt != known.attempt {
                    out.push(broken(Law::AttemptsAreCounted, payout, known.attempt, attempt).over(known.amount));
                }
            }
            payout::Event::Voided { payout, .. } => {
                let from = [Draft, PendingApproval, Approved, Failed];
                let Some(known) = self.goes(*payout, &from, Voided, out) else { return };
                nothing_late(*payout, known, out);
                let adjustment = known.adjustment;
                self.owe_adjustment(*payout, adjustment);
            }
            payout::Event::LatePaymentReported { payout, attempt, amount } => {
                let Some(known) = self.known(*payout, out) else { return };
                same_amount(*payout, known, *amount, out);
                let open = known.status == Processing && *attempt == known.attempt;
                let ended = (1..=known.attempt).contains(attempt) && !open;
                if known.late.insert(*attempt, true).is_some() || !ended {
                    let found = format!("attempt {attempt}");
                    out.push(broken(Law::LatePaymentIsResolved, payout, "an attempt that failed", found).over(*amount));
                }
            }
            payout::Event::LatePaymentResolved { payout, attempt, resolution, by, .. } => {
                let Some(known) = self.known(*payout, out) else { return };
                four_eyes(*payout, known, by, out);
                if known.late.insert(*attempt, false) != Some(true) {
                    let found = format!("attempt {attempt}");
                    out.push(broken(Law::LatePaymentIsResolved, payout, "an open late payment", found));
                }
                if *resolution == Resolution::Accept {
                    self.accepted.push((*payout, *attempt));
                }
            }
            payout::Event::ReferenceTaken { .. } | payout::Event::BulkApproved { .. } => {}
        }
    }

    fn known(&mut self, payout: PayoutId, out: &mut Vec<Broken>) -> Option<&mut Payout> {
        let known = self.payouts.get_mut(&payout);
        if known.is_none() {
            out.push(broken(Law::PayoutGoesItsWay, payout, "a payout", "none"));
        }
        known
    }

    fn goes(&mut self, payout: PayoutId, from: &[Status], to: Status, out: &mut Vec<Broken>) -> Option<&mut Payout> {
        let known = self.known(payout, out)?;
        if !from.contains(&known.status) {
            let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
            let found = format!("{} from {}", to.as_str(), known.status.as_str());
            let expected = format!("{} from {}", to.as_str(), from.join(" or "));
            out.push(broken(Law::PayoutGoesItsWay, payout, expected, found).over(known.amount));
        }
        known.status = to;
        Some(known)
    }
}

fn four_eyes(payout: PayoutId, known: &Payout, by: &Actor, out: &mut Vec<Broken>) {
    if *by == known.maker || by.as_str() == known.payee.as_str() {
        out.push(broken(Law::FourEyes, payout, "somebody else", by).over(known.amount));
    }
}

fn nothing_late(payout: PayoutId, known: &Payout, out: &mut Vec<Broken>) {
    if let Some((attempt, _)) = known.late.iter().find(|(_, open)| **open) {
        let found = format!("attempt {attempt} is open");
        out.push(broken(Law::LatePaymentIsResolved, payout, "no open late payment", found).over(known.amount));
    }
}

fn same_amount(payout: PayoutId, known: &Payout, amount: Money, out: &mut Vec<Broken>) {
    if amount != known.amount {
        out.push(broken(Law::AmountIsKept, payout, known.amount, amount).over(amount));
    }
}
