//! What the projections must say, counted afresh from what there is.

use std::collections::BTreeMap;

use super::{Credit, Deal, Entry, Model, Source, Stage, State};
use crate::act::Code;

/// What one payee earned, is owed and was paid in one currency, in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the ledger's summary names them")]
pub struct Balance {
    pub earned: i128,
    pub reversed: i128,
    pub clawed_back: i128,
    pub adjusted: i128,
    pub payable: i128,
    pub claimed: i128,
    pub settled: i128,
    pub clawback_outstanding: i128,
    pub entries: u64,
    pub entries_reversed: u64,
    pub entries_paid: u64,
    pub payouts_paid: u64,
    pub years: BTreeMap<i32, Year>,
}

/// One calendar year of a balance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the ledger's summary names them")]
pub struct Year {
    pub earned: i128,
    pub reversed: i128,
    pub clawed_back: i128,
    pub adjusted: i128,
    pub settled: i128,
}

impl Balance {
    fn count(&mut self, entry: &Entry) {
        let Entry { amount, source, state, .. } = *entry;
        self.entries += 1;
        let year = self.years.entry(entry.earned_on.0).or_default();
        match source {
            Source::Commission => {
                self.earned += amount;
                year.earned += amount;
            }
            Source::Clawback => {
                self.clawed_back -= amount;
                year.clawed_back -= amount;
                self.clawback_outstanding -= if state == State::Paid { 0 } else { amount };
            }
            Source::Adjustment => {
                self.adjusted += amount;
                year.adjusted += amount;
            }
        }
        match state {
            State::Payable => self.payable += amount,
            State::Claimed => self.claimed += amount,
            State::Paid => {
                self.settled += amount;
                self.entries_paid += 1;
                self.years.entry(entry.since.0).or_default().settled += amount;
            }
            State::Reversed => {
                self.entries_reversed += 1;
                let year = self.years.entry(entry.since.0).or_default();
                if source == Source::Adjustment {
                    self.adjusted -= amount;
                    year.adjusted -= amount;
                } else {
                    self.reversed += amount;
                    year.reversed += amount;
                }
            }
        }
    }
}

impl Model {
    /// How many payouts stand where, and over how much, by currency.
    #[must_use]
    pub fn statistics(&self) -> BTreeMap<(Code, Stage), (u64, i128)> {
        let mut counts = BTreeMap::<_, (u64, i128)>::new();
        for payout in self.payouts.rows() {
            let count = counts.entry((payout.amount.1, payout.stage)).or_default();
            *count = (count.0 + 1, count.1 + payout.amount.0);
        }
        counts
    }

    /// The balance of every payee in every currency in which it ever had an entry.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<(&str, Code), Balance> {
        let mut balances = BTreeMap::<_, Balance>::new();
        for entry in self.accounts.rows().iter().flat_map(|account| &account.entries) {
            balances.entry((entry.payee.as_str(), entry.currency)).or_default().count(entry);
        }
        for payout in self.payouts.rows().iter().filter(|payout| payout.stage == Stage::Paid) {
            balances.entry((payout.payee.as_str(), payout.amount.1)).or_default().payouts_paid += 1;
        }
        balances
    }

    /// The credits of all sales that are not reversed, by sale.
    #[must_use]
    pub fn credits(&self) -> Vec<Credit> {
        let mut deals: Vec<_> = self.deals.rows().iter().collect();
        deals.sort_by_key(|deal| &deal.id);
        deals.into_iter().flat_map(Deal::credits).collect()
    }
}
