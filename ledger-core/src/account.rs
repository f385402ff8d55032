//! A payee's account in one currency: the entries that it earned, and which payout has claimed which of them.
//!
//! ```text
//! booked ─► payable ─► claimed ─► paid
//!              ▲  │       │
//!              │  ▼       │
//!              │ reversed │
//!              └──────────┘ released
//! ```
//!
//! An entry is in at most one live payout. A paid entry never changes: what has to be taken back is a clawback, a negative
//! entry of its own that the next payout claims like any other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Date;
use crate::decide::Misfit;
use crate::event;
use crate::id::{DealId, EntryId, PayeeId, PayoutId, Text};
use crate::limits::ENTRIES_PER_CLAIM;
use crate::map::Map;
use crate::money::{Money, MoneyError};

/// What happened to an account. Deals and payouts cause it; nothing is asked of an account directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An entry was booked; it is payable.
    EntryBooked {
        /// Whose entry.
        payee: PayeeId,
        /// The entry.
        entry: EntryId,
        /// What it is for.
        source: Source,
        /// What the payee gets, or owes when it is below zero.
        amount: Money,
        /// The day that it is for.
        earned_on: Date,
    },
    /// An unpaid entry was taken back.
    EntryReversed {
        /// Whose entry.
        payee: PayeeId,
        /// The entry.
        entry: EntryId,
        /// What it was taken back with.
        because: Because,
        /// What the entry was.
        amount: Money,
    },
    /// Entries were claimed for a payout. A claim of many entries is several events.
    EntriesClaimed {
        /// Whose entries.
        payee: PayeeId,
        /// The payout.
        payout: PayoutId,
        /// The entries.
        entries: Vec<EntryId>,
        /// What they sum to.
        amount: Money,
    },
    /// All that a payout had claimed is payable again.
    EntriesReleased {
        /// Whose entries.
        payee: PayeeId,
        /// The payout.
        payout: PayoutId,
        /// How many entries.
        count: u32,
        /// What they sum to.
        amount: Money,
    },
    /// All that a payout had claimed is paid.
    EntriesPaid {
        /// Whose entries.
        payee: PayeeId,
        /// The payout.
        payout: PayoutId,
        /// How many entries.
        count: u32,
        /// What they sum to.
        amount: Money,
    },
}

/// What an entry is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// The payee's net of a deal.
    Commission {
        /// The deal.
        deal: DealId,
    },
    /// A paid commission that is taken back.
    Clawback {
        /// The deal that was reversed.
        deal: DealId,
        /// The entry that was paid.
        of: EntryId,
    },
    /// An amount that somebody set, with its reason and the party that bears it.
    Adjustment {
        /// Why.
        reason: Text,
        /// Who bears it.
        contra: Contra,
    },
}

/// What an unpaid entry is taken back with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Because {
    /// The deal that had earned it was reversed.
    Deal(DealId),
    /// The payout that it was booked for, by hand, was rejected or voided. The entry is an adjustment.
    Payout(PayoutId),
}

/// The party on the other side of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contra {
    /// The organization itself.
    #[default]
    Company,
}

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    entries: Map<EntryId, Entry>,
    /// The payable entries, in the order in which they became so.
    payable: BTreeMap<u64, EntryId>,
    claims: Map<PayoutId, Vec<EntryId>>,
    next: u64,
}

/// An entry as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What the payee gets, or owes when it is below zero.
    pub amount: Money,
    /// The day that it is for.
    pub earned_on: Date,
    /// Where it is on its way.
    pub status: Status,
}

/// Where an entry is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Status {
    /// The next payout may claim it.
    Payable {
        /// Its place among the payable entries.
        place: u64,
    },
    /// A payout that is not yet paid has it.
    Claimed(PayoutId),
    /// It was paid.
    Paid(PayoutId),
    /// It was taken back before it was paid.
    Reversed,
}

impl Account {
    /// An entry, if there is one of that identifier.
    #[must_use]
    pub fn entry(&self, entry: EntryId) -> Option<&Entry> {
        self.entries.get(&entry)
    }

    /// The payable entries for days up to `through`, in the order in which they became payable. What the payee owes is among
    /// them whatever its day: nobody is paid past what he owes.
    pub fn payable(&self, through: Option<Date>) -> impl Iterator<Item = (EntryId, &Entry)> {
        let entries = self.payable.values().filter_map(|id| Some((*id, self.entries.get(id)?)));
        entries.filter(move |(_, entry)| {
            (entry.amount.is_negative() && !planted!(ClawbackAfterThrough))
                || through.is_none_or(|through| entry.earned_on <= through)
        })
    }

    /// How many entries a payout has claimed.
    #[must_use]
    pub fn claimed(&self, payout: PayoutId) -> u32 {
        self.claims.get(&payout).map_or(0, |entries| u32::try_from(entries.len()).unwrap_or(u32::MAX))
    }

    fn set(&mut self, id: EntryId, status: Status) -> Result<(), Misfit> {
        self.entries.get_mut(&id).ok_or(Misfit("the entry is not booked"))?.status = status;
        Ok(())
    }

    fn make_payable(&mut self, id: EntryId) -> Result<(), Misfit> {
        let place = self.next;
        // One entry a nanosecond would take 584 years to use the places up.
        self.next += 1;
        self.payable.insert(place, id);
        self.set(id, Status::Payable { place })
    }

    /// Takes an entry out of the payable ones.
    fn take(&mut self, id: EntryId, status: Status) -> Result<(), Misfit> {
        let Some(Status::Payable { place }) = self.entries.get(&id).map(|entry| entry.status) else {
            return Err(Misfit("the entry is not payable"));
        };
        self.payable.remove(&place);
        self.set(id, status)
    }
}

/// The events that claim entries for a payout, as many as the limit on one event asks for.
pub(crate) fn claim(
    payee: &PayeeId,
    payout: PayoutId,
    entries: &[(EntryId, Money)],
    total: Money,
) -> Result<Vec<Event>, MoneyError> {
    let chunk = |chunk: &[(EntryId, Money)]| {
        Ok(Event::EntriesClaimed {
            payee: payee.clone(),
            payout,
            entries: chunk.iter().map(|(id, _)| *id).collect(),
            amount: Money::sum(total.currency(), chunk.iter().map(|(_, amount)| *amount))?,
        })
    };
    entries.chunks(ENTRIES_PER_CLAIM).map(chunk).collect()
}

pub(crate) fn evolve(state: &mut Account, event: &Event) -> Result<(), Misfit> {
    match event {
        Event::EntryBooked { entry, amount, earned_on, .. } => {
            let booked = Entry { amount: *amount, earned_on: *earned_on, status: Status::Reversed };
            if state.entries.insert(*entry, booked).is_some() {
                return Err(Misfit("an entry is booked once"));
            }
            state.make_payable(*entry)
        }
        Event::EntryReversed { entry, .. } => state.take(*entry, Status::Reversed),
        Event::EntriesClaimed { payout, entries, .. } => {
            for entry in entries {
                planted!(ClaimedTwice => Ok(()), state.take(*entry, Status::Claimed(*payout)))?;
            }
            state.claims.update(payout, |claimed| claimed.extend_from_slice(entries));
            Ok(())
        }
        Event::EntriesReleased { payout, .. } => {
            let entries = state.claims.remove(payout).ok_or(Misfit("the payout has claimed nothing"))?;
            planted!(ReleasedLost => Ok(()), entries.into_iter().try_for_each(|entry| state.make_payable(entry)))
        }
        Event::EntriesPaid { payout, .. } => {
            let entries = state.claims.remove(payout).ok_or(Misfit("the payout has claimed nothing"))?;
            entries.into_iter().try_for_each(|entry| state.set(entry, Status::Paid(*payout)))
        }
    }
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Account(event)
    }
}
