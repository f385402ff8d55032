//! Bulk approval: several payouts approved at once, each for itself, or all or none.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::transition::approve;
use super::{Event, Rejection, Status};
use crate::decide::{self, Context, Decision, Misfit, Undecided};
use crate::id::{BulkId, PayoutId};
use crate::limits::PAYOUTS_PER_BULK;
use crate::stream::StreamId;

/// What became of one payout of a bulk approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkOutcome {
    /// The payout.
    pub payout: PayoutId,
    /// Why it was skipped; approved without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
}

/// Why a payout of a bulk approval was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Skipped {
    /// There is no such payout.
    Unknown,
    /// It does not wait for approval; it is here.
    NotPending(Status),
    /// Whoever asked made it.
    MakerIsApprover,
    /// Whoever asked is paid by it.
    PayeeIsApprover,
}

impl Skipped {
    fn because_of(rejection: &decide::Rejection) -> Option<Self> {
        let decide::Rejection::Payout(rejection) = rejection else { return None };
        match rejection {
            Rejection::Unknown { .. } => Some(Self::Unknown),
            Rejection::IllegalTransition { status, .. } => Some(Self::NotPending(*status)),
            Rejection::MakerIsApprover { .. } => Some(Self::MakerIsApprover),
            Rejection::PayeeIsApprover { .. } => Some(Self::PayeeIsApprover),
            _ => None,
        }
    }
}

pub(super) fn approve_bulk(context: &Context<'_>, payouts: &[PayoutId], atomic: bool) -> Result<Decision, Undecided> {
    let mut seen = BTreeSet::new();
    let payouts: Vec<_> =
        payouts.iter().copied().filter(|payout| seen.insert(*payout) || planted!(BulkTwice)).collect();
    if payouts.is_empty() || payouts.len() > PAYOUTS_PER_BULK {
        return Err(Rejection::BulkSize { payouts: payouts.len() }.into());
    }
    let bulk = BulkId::derive(context.slice.ledger(), &context.request.key, 0);
    context.slice.require(payouts.iter().map(|payout| StreamId::Payout(*payout)).chain([StreamId::Bulk(bulk)]))?;
    let mut decision = context.decision();
    let mut outcomes = Vec::with_capacity(payouts.len());
    for payout in payouts {
        let approved = context.slice.payout(payout).and_then(|payout| Ok(approve(context, payout)?));
        mark!(BulkRefused, atomic && approved.is_err());
        let skipped = match approved {
            Ok(event) => {
                decision = decision.with(StreamId::Payout(payout), event);
                None
            }
            Err(Undecided::Rejected(rejection)) if !atomic => {
                let skipped = Skipped::because_of(&rejection);
                Some(skipped.ok_or(Undecided::Rejected(rejection))?)
            }
            Err(other) => return Err(other),
        };
        outcomes.push(BulkOutcome { payout, skipped });
    }
    mark!(BulkPartial, outcomes.iter().any(|outcome| outcome.skipped.is_some()));
    Ok(decision.with(StreamId::Bulk(bulk), Event::BulkApproved { bulk, outcomes }))
}

/// The fold of a bulk approval's stream: it happens once, and nothing reads it again.
pub(crate) fn evolve_bulk(event: &Event) -> Result<(), Misfit> {
    if matches!(event, Event::BulkApproved { .. }) { Ok(()) } else { Err(Misfit("a bulk approval is decided once")) }
}
