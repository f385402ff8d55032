//! A payout, from draft to payment.

use std::collections::BTreeMap;

use super::{Asked, Ruling, Why};
use crate::act::Amount;

/// A payout.
#[derive(Debug, Clone)]
pub struct Payout {
    /// Its identifier.
    pub id: String,
    /// Whom it pays.
    pub payee: String,
    /// What it pays.
    pub amount: Amount,
    /// Who made it.
    pub maker: String,
    /// Who approved it.
    pub approver: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// The last attempt; 0 before the first.
    pub attempt: u32,
    /// The attempt that paid it.
    pub paid_by: Option<u32>,
    /// The attempts of which late news came, and whether it is open.
    pub late: BTreeMap<u32, bool>,
    /// Whether its amount was set by hand.
    pub manual: bool,
    /// The places of its entries in the payee's account.
    pub entries: Vec<usize>,
    /// The deals that it pays for, by name, with `;` between them.
    pub deals: String,
    /// The period that it is filed under.
    pub period: Option<String>,
    /// Notes.
    pub notes: Option<String>,
    /// How it is paid, once that is known.
    pub method: Option<String>,
    /// The rail's key of the last attempt, or of the one that paid, or the number on the payment.
    pub reference: Option<String>,
    /// Why it failed, was rejected or was voided, while that is where it stands.
    pub reason: Option<String>,
    /// How many events its stream has.
    pub version: u64,
}

/// Where a payout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub enum Stage {
    Draft,
    PendingApproval,
    Approved,
    Processing,
    Paid,
    Failed,
    Rejected,
    Voided,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Voided => "voided",
        }
    }
}

impl Payout {
    /// The attempt of which late news is open, the earliest of them.
    #[must_use]
    pub fn late_news(&self) -> Option<u32> {
        self.late.iter().find(|(_, open)| **open).map(|(attempt, _)| *attempt)
    }
}

pub(super) fn judge(_asked: Asked<'_>) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
