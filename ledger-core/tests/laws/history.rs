//! Laws over a finished log: they hold of every ledger, however it came about.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::account::{self, Because, Source};
use ledger_core::cap;
use ledger_core::codec::decode_canonical;
use ledger_core::deal::{self, Completion};
use ledger_core::event::Event;
use ledger_core::id::{Actor, EntryId, PayoutId};
use ledger_core::payout;
use ledger_core::verify::Verifier;
use ledger_core::waterfall::{Owner, Party};

use crate::story::Story;

pub fn events(story: &Story) -> Vec<Event> {
    let decode =
        |row: &ledger_core::store::EventRow| decode_canonical(&row.type_name, row.schema_version, &row.payload);
    story.log.events.iter().map(|row| decode(row).unwrap()).collect()
}

/// Every law at once.
pub fn check(story: &Story) {
    let events = events(story);
    verifies(story);
    deals_disburse_what_they_earned(&events);
    caps_hold(&events);
    entries_are_paid_once(&events);
    reversed_deals_come_to_nothing(&events);
    two_people_stand_behind_every_payment(&events);
    adjustments_go_with_their_payouts(&events);
    late_payments_are_resolved_before_anything_moves(&events);
}

fn verifies(story: &Story) {
    let mut verifier = Verifier::new(&story.ledger).expecting(story.head.sequence, story.head.link).deep();
    verifier.page(story.log.clone()).unwrap();
    assert_eq!(verifier.finish(story.head).unwrap().events, story.head.sequence);
}

fn deals_disburse_what_they_earned(events: &[Event]) {
    for event in events {
        let Event::Deal(deal::Event::Completed(Completion { gci, sides, entries, .. })) = event else { continue };
        let mut earned: BTreeMap<_, i64> = BTreeMap::new();
        let mut whole = 0;
        for side in sides {
            let sum: i64 = side.lines.iter().map(|line| line.amount.minor()).sum();
            assert_eq!(sum, side.gci.minor(), "{side:?}");
            whole += sum;
            for line in &side.lines {
                if let Party::Payee(payee) = &line.party {
                    *earned.entry(payee).or_default() += line.amount.minor();
                }
            }
        }
        assert_eq!(whole, gci.minor());
        for entry in entries {
            assert!(!entry.amount.is_negative(), "{entry:?}");
            assert_eq!(earned.remove(&entry.payee), Some(entry.amount.minor()), "{entry:?}");
        }
        assert!(earned.is_empty(), "{earned:?} without an entry");
    }
}

/// What is contributed is the opening balance and the contributions less the reversals, never below zero, and at no
/// contribution above the limit in force, unless the deal counts as a whole.
fn caps_hold(events: &[Event]) {
    let mut contributed = BTreeMap::new();
    for event in events {
        let Event::Cap(event) = event else { continue };
        match event {
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                let sum: &mut i64 = contributed.entry(account.clone()).or_default();
                *sum += amount.minor();
                assert!(*sum <= limit.minor(), "{event:?}");
            }
            cap::Event::Contributed { account, amount, limit, .. } => {
                let sum = contributed.entry(account.clone()).or_default();
                assert!(amount.is_positive() && *sum < limit.minor(), "{event:?} after {sum}");
                *sum += amount.minor();
                assert!(
                    *sum <= limit.minor() || account.of == Owner::Payee("p3".parse().unwrap()),
                    "{event:?} makes {sum}"
                );
            }
            cap::Event::ProgrammeOpened { .. } | cap::Event::PoolOpened { .. } => {}
            cap::Event::Reached { account, limit, .. } => assert!(contributed[account] >= limit.minor(), "{event:?}"),
            cap::Event::Reversed { account, amount, .. } => {
                let sum = contributed.get_mut(account).unwrap();
                *sum -= amount.minor();
                assert!(*sum >= 0, "{event:?} makes {sum}");
            }
        }
    }
}

/// An entry is in one live payout at most, a payout is the sum of its entries, and what is paid is paid once and stays so.
fn entries_are_paid_once(events: &[Event]) {
    let mut amounts: BTreeMap<EntryId, i64> = BTreeMap::new();
    let mut claims: BTreeMap<PayoutId, BTreeSet<EntryId>> = BTreeMap::new();
    let mut free: BTreeSet<EntryId> = BTreeSet::new();
    let mut paid: BTreeMap<PayoutId, i64> = BTreeMap::new();
    for event in events {
        match event {
            Event::Account(account::Event::EntryBooked { entry, amount, .. }) => {
                assert!(amounts.insert(*entry, amount.minor()).is_none() && free.insert(*entry));
            }
            Event::Account(account::Event::EntryReversed { entry, .. }) => assert!(free.remove(entry)),
            Event::Account(account::Event::EntriesClaimed { payout, entries, amount, .. }) => {
                assert_eq!(entries.iter().map(|entry| amounts[entry]).sum::<i64>(), amount.minor());
                for entry in entries {
                    assert!(free.remove(entry), "{entry} is not free");
                    assert!(claims.entry(*payout).or_default().insert(*entry));
                }
            }
            Event::Account(account::Event::EntriesReleased { payout, count, .. }) => {
                let entries = claims.remove(payout).unwrap();
                assert_eq!(entries.len(), *count as usize);
                free.extend(entries);
            }
            Event::Account(account::Event::EntriesPaid { payout, count, amount, .. }) => {
                let entries = claims.remove(payout).unwrap();
                assert_eq!(entries.len(), *count as usize);
                assert_eq!(entries.iter().map(|entry| amounts[entry]).sum::<i64>(), amount.minor());
                assert!(paid.insert(*payout, amount.minor()).is_none(), "{payout} is paid twice");
            }
            Event::Payout(payout::Event::Created { payout, amount, entries, .. }) => {
                let claimed = &claims[payout];
                assert_eq!(claimed.len(), *entries as usize);
                assert_eq!(claimed.iter().map(|entry| amounts[entry]).sum::<i64>(), amount.minor());
                assert!(amount.is_positive());
            }
            _ => {}
        }
    }
    for event in events {
        if let Event::Payout(payout::Event::Paid { payout, amount, .. }) = event {
            assert_eq!(paid.remove(payout), Some(amount.minor()));
        }
    }
    assert!(paid.is_empty(), "{paid:?} without a payment");
}

fn reversed_deals_come_to_nothing(events: &[Event]) {
    let mut deals = BTreeMap::new();
    let mut reversed = BTreeSet::new();
    for event in events {
        match event {
            Event::Account(account::Event::EntryBooked {
                source: Source::Commission { deal } | Source::Clawback { deal, .. },
                amount,
                ..
            }) => *deals.entry(deal.clone()).or_insert(0) += amount.minor(),
            Event::Account(account::Event::EntryReversed { because: Because::Deal(deal), amount, .. }) => {
                *deals.get_mut(deal).unwrap() -= amount.minor();
            }
            Event::Deal(deal::Event::Reversed { deal, .. }) => assert!(reversed.insert(deal.clone()), "{deal} twice"),
            _ => {}
        }
    }
    for deal in reversed {
        assert_eq!(deals.get(&deal).copied().unwrap_or(0), 0, "{deal}");
    }
}

/// An adjustment is of one payout: taken back with it, paid with it, or claimed by it still.
fn adjustments_go_with_their_payouts(events: &[Event]) {
    let mut of: BTreeMap<EntryId, Option<PayoutId>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut taken_back = BTreeSet::new();
    for event in events {
        match event {
            Event::Account(account::Event::EntryBooked { entry, source: Source::Adjustment { .. }, .. }) => {
                of.insert(*entry, None);
            }
            Event::Account(account::Event::EntriesClaimed { payout, entries, .. }) => {
                for entry in entries {
                    let Some(claimed) = of.get_mut(entry) else { continue };
                    assert_eq!(claimed.replace(*payout), None, "{entry} is claimed again");
                }
            }
            Event::Account(account::Event::EntryReversed { entry, because: Because::Payout(payout), .. }) => {
                assert_eq!(of[entry], Some(*payout));
                assert!(taken_back.insert(*payout));
            }
            Event::Payout(payout::Event::Rejected { payout, .. } | payout::Event::Voided { payout, .. }) => {
                ended.insert(*payout);
            }
            _ => {}
        }
    }
    for payout in of.values() {
        let payout = payout.expect("an adjustment is claimed at once");
        assert_eq!(ended.contains(&payout), taken_back.contains(&payout), "{payout}");
    }
}

/// Whoever made a payout did not approve it, nor did whoever is paid; and nothing is paid that was not approved.
fn two_people_stand_behind_every_payment(events: &[Event]) {
    let mut made: BTreeMap<PayoutId, (Actor, String)> = BTreeMap::new();
    let (mut approved, mut over) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let Event::Payout(event) = event else { continue };
        match event {
            payout::Event::Created { payout, by, payee, .. } => {
                drop(made.insert(*payout, (by.clone(), payee.to_string())))
            }
            payout::Event::Approved { payout, by, .. } => {
                let (maker, payee) = &made[payout];
                assert!(by != maker && by.as_str() != payee, "{by} approved {payout}");
                approved.insert(*payout);
            }
            payout::Event::Started { payout, .. } => assert!(approved.contains(payout) && !over.contains(payout)),
            payout::Event::Paid { payout, .. } => assert!(approved.contains(payout) && over.insert(*payout)),
            payout::Event::Rejected { payout, .. } | payout::Event::Voided { payout, .. } => {
                assert!(over.insert(*payout));
            }
            payout::Event::LatePaymentResolved { payout, by, .. } => {
                let (maker, payee) = &made[payout];
                assert!(by != maker && by.as_str() != payee, "{by} resolved {payout}");
            }
            payout::Event::Submitted { .. }
            | payout::Event::Failed { .. }
            | payout::Event::LatePaymentReported { .. }
            | payout::Event::ReferenceTaken { .. }
            | payout::Event::BulkApproved { .. } => {}
        }
    }
}

/// Late news is of an attempt that failed, once each; while it is open nothing is started or voided.
fn late_payments_are_resolved_before_anything_moves(events: &[Event]) {
    let mut failed = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut open: BTreeSet<(PayoutId, u32)> = BTreeSet::new();
    for event in events {
        let Event::Payout(event) = event else { continue };
        match event {
            payout::Event::Failed { payout, attempt, .. } => {
                failed.insert((*payout, *attempt));
            }
            payout::Event::LatePaymentReported { payout, attempt, .. } => {
                assert!(failed.contains(&(*payout, *attempt)), "attempt {attempt} of {payout} did not fail");
                assert!(told.insert((*payout, *attempt)) && open.insert((*payout, *attempt)));
            }
            payout::Event::LatePaymentResolved { payout, attempt, .. } => assert!(open.remove(&(*payout, *attempt))),
            payout::Event::Started { payout, .. } | payout::Event::Voided { payout, .. } => {
                assert!(!open.iter().any(|(late, _)| late == payout), "{payout} moves on");
            }
            _ => {}
        }
    }
}
