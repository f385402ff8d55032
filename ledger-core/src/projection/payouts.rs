//! The payouts as rows, one a payout, for hosts that query them in their own database.
//!
//! A row says where a payout stands, as the [`register`](super::register) says it. What a payout pays for is in the register only.

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Serialize};

use super::read_model::{Cause, ReadModel, Rows};
use crate::event::Event;
use crate::id::{PayeeId, PayoutId};
use crate::money::{Currency, Money};
use crate::payout::{self, Status};
use crate::recorded::Recorded;

/// The read model `payouts`: rows under the payout's identifier, folded from the payout's stream alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payouts;

/// A row: one payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Whom it pays.
    pub payee: PayeeId,
    /// In which currency.
    pub currency: Currency,
    /// What it pays.
    pub amount: Money,
    /// Where it stands.
    pub status: Status,
    /// Which attempt was the last; 0 before the first.
    pub attempt: u32,
    /// The version of the payout's stream.
    pub version: u64,
}

/// The payout that an event moves or tells of, and where it stands then; none where that does not change.
fn step(event: &Event) -> Option<(PayoutId, Option<Status>)> {
    let Event::Payout(event) = event else { return None };
    let (payout, status) = match event {
        payout::Event::Created { payout, .. } => (payout, Some(Status::Draft)),
        payout::Event::Submitted { payout } => (payout, Some(Status::PendingApproval)),
        payout::Event::Approved { payout, .. } => (payout, Some(Status::Approved)),
        payout::Event::Rejected { payout, .. } => (payout, Some(Status::Rejected)),
        payout::Event::Started { payout, .. } => (payout, Some(Status::Processing)),
        payout::Event::Paid { payout, .. } => (payout, Some(Status::Paid)),
        payout::Event::Failed { payout, .. } => (payout, Some(Status::Failed)),
        payout::Event::Voided { payout, .. } => (payout, Some(Status::Voided)),
        payout::Event::LatePaymentReported { payout, .. } | payout::Event::LatePaymentResolved { payout, .. } => {
            (payout, None)
        }
        // They are not of a payout's stream; what they say of a payout its own events say.
        payout::Event::ReferenceTaken { .. } | payout::Event::BulkApproved { .. } => return None,
    };
    Some((*payout, status))
}

impl ReadModel for Payouts {
    fn name(&self) -> &'static str {
        "payouts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, recorded: &Recorded) -> Vec<CompactString> {
        step(&recorded.event).map(|(payout, _)| payout.to_compact_string()).into_iter().collect()
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause> {
        let Some((payout, status)) = step(&recorded.event) else { return Ok(()) };
        let key = payout.to_compact_string();
        let version = recorded.version;
        let row = match &recorded.event {
            Event::Payout(payout::Event::Created { payee, amount, .. }) => {
                let (payee, currency) = (payee.clone(), amount.currency());
                Row { payee, currency, amount: *amount, status: Status::Draft, attempt: 0, version }
            }
            event => {
                let row: Row = rows.read(&key)?.ok_or_else(|| Cause::failed("the payout was not created"))?;
                let attempt = match event {
                    Event::Payout(payout::Event::Started { attempt, .. }) => *attempt,
                    _ => row.attempt,
                };
                Row { status: status.unwrap_or(row.status), attempt, version, ..row }
            }
        };
        rows.write(&key, &row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::projection::read_model;
    use crate::projection::register::Register;
    use crate::projection::replay::fold;
    use crate::projection::testing::Books;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_rows_are_the_register(seed: u64) {
            let books = Books::random(seed, 100);
            let register = fold::<Register>(&books.events);
            let expected = register.rows().map(|row| {
                let (payee, currency, version) = (row.payee.into_owned(), row.amount.currency(), row.version);
                let (amount, status, attempt) = (row.amount, row.status, row.attempt);
                (row.payout.to_compact_string(), Row { payee, currency, amount, status, attempt, version })
            });
            let rows = read_model::fold(&Payouts, &books.events).unwrap();
            let found = rows.into_iter().map(|(key, row)| (key, serde_json::from_str::<Row>(&row).unwrap()));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>());
        }
    }
}
