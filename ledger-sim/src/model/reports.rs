//! What the projections must say.

use std::collections::BTreeMap;

use super::{Model, Stage};
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
}
