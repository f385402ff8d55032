//! The balances of payees as rows, one a payee and currency, for hosts that query them in their own database.
//!
//! They mean what [`summary`](super::summary) means, and are folded by the same lines.

use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};

use super::read_model::{Cause, ReadModel, Rows};
use super::summary::Balance;
use crate::account::Event::{EntriesClaimed, EntriesPaid, EntriesReleased, EntryBooked, EntryReversed};
use crate::event::Event;
use crate::id::{EntryId, PayeeId, PayoutId};
use crate::map::Map;
use crate::money::{Currency, Money};
use crate::recorded::Recorded;

/// The read model `balances`: rows under `PAYEE/CURRENCY`, folded from the account's stream alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Balances;

/// A row: a balance, and what its next events are folded with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the payee earned, is owed and was paid, in minor units.
    pub balance: Balance,
    /// The clawbacks that no payout has claimed.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    clawbacks: Map<EntryId, Money>,
    /// The clawbacks that a payout recovers when it is paid.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    recovering: Map<PayoutId, Vec<(EntryId, Money)>>,
}

impl Balances {
    /// The key of a payee's row in one currency.
    #[must_use]
    pub fn key(payee: &PayeeId, currency: Currency) -> CompactString {
        format_compact!("{payee}/{currency}")
    }
}

impl ReadModel for Balances {
    fn name(&self) -> &'static str {
        "balances"
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, recorded: &Recorded) -> Vec<CompactString> {
        let Event::Account(event) = &recorded.event else { return Vec::new() };
        let (EntryBooked { payee, amount, .. }
        | EntryReversed { payee, amount, .. }
        | EntriesClaimed { payee, amount, .. }
        | EntriesReleased { payee, amount, .. }
        | EntriesPaid { payee, amount, .. }) = event;
        vec![Self::key(payee, amount.currency())]
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause> {
        let Event::Account(event) = &recorded.event else { return Ok(()) };
        for key in self.keys(recorded) {
            let mut row: Row = rows.read(&key)?.unwrap_or_default();
            row.balance.apply(recorded, event, &mut row.clawbacks, &mut row.recovering);
            rows.write(&key, &row)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::projection::read_model;
    use crate::projection::replay::fold;
    use crate::projection::summary::Summary;
    use crate::projection::testing::Books;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_rows_are_the_summary(seed: u64) {
            let books = Books::random(seed, 100);
            let summary = fold::<Summary>(&books.events);
            let expected = summary.balances().into_iter().map(|(payee, currency, balance)| (Balances::key(payee, currency), balance.clone()));
            let rows = read_model::fold(&Balances, &books.events).unwrap();
            let found = rows.into_iter().map(|(key, row)| (key, serde_json::from_str::<Row>(&row).unwrap().balance));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>());
        }
    }
}
