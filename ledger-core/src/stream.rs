//! A stream is the history of one thing; its name says which.

use std::fmt;

use chrono::NaiveDate;
use compact_str::CompactString;
use compact_str::format_compact;
use serde::{Deserialize, Serialize};

use crate::chain::Digest;
use crate::id::{
    BulkId, CapProgramme, CustomerId, DealId, ModelId, PayeeId, PayerAccount, PayoutId, PlanId, PoolId, RatesId,
    Reference,
};
use crate::money::Currency;

/// The thing whose history a stream holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamId {
    /// The ledger's own settings.
    Settings,
    /// A payee and the plans assigned to it.
    Payee(PayeeId),
    /// A plan and its versions.
    Plan(PlanId),
    /// A model and its versions.
    Model(ModelId),
    /// A rate plan and its versions.
    Rates(RatesId),
    /// A deal with its attribution and its calculation.
    Deal(DealId),
    /// A programme: what all plans that name it have in common.
    Programme(CapProgramme),
    /// What one payee contributed to one cap in one cap year.
    Cap {
        /// What the cap belongs to.
        programme: CapProgramme,
        /// Whose contributions count.
        payee: PayeeId,
        /// The first day of the cap year.
        year: NaiveDate,
    },
    /// What the payees of a pool contributed to one cap in one cap year.
    Pool {
        /// What the cap belongs to.
        programme: CapProgramme,
        /// Whose contributions count.
        pool: PoolId,
        /// The first day of the cap year.
        year: NaiveDate,
    },
    /// What one payee attained in one year.
    Attainment {
        /// What it belongs to.
        programme: CapProgramme,
        /// Whose deals count.
        payee: PayeeId,
        /// The first day of the year.
        year: NaiveDate,
    },
    /// What one payee earned by one rate plan in the months or years that begin on one day.
    Spend {
        /// The rate plan.
        rates: RatesId,
        /// The payee.
        payee: PayeeId,
        /// The first day.
        start: NaiveDate,
    },
    /// The sales to one customer that one payee earns on.
    Customer {
        /// The customer.
        customer: CustomerId,
        /// The payee.
        payee: PayeeId,
    },
    /// One payee's entries in one currency.
    Account {
        /// Whose entries.
        payee: PayeeId,
        /// In which currency.
        currency: Currency,
    },
    /// A payout.
    Payout(PayoutId),
    /// A payment reference, which one payer account uses once: the stream exists if it is taken.
    Reference {
        /// The organization's account.
        account: PayerAccount,
        /// The reference.
        reference: Reference,
    },
    /// A bulk approval.
    Bulk(BulkId),
}

impl StreamId {
    /// The stream of a payment reference. Letter case does not tell references or accounts apart: `CHK-1` is `chk-1`.
    #[must_use]
    pub fn reference(account: &PayerAccount, reference: &Reference) -> Self {
        Self::Reference {
            account: account.to_lower_case(),
            reference: planted!(ReferenceByCase => reference.clone(), reference.to_lower_case()),
        }
    }

    /// The name under which a store keeps the stream.
    #[must_use]
    pub fn name(&self) -> StreamName {
        StreamName(format_compact!("{self}"))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Payee(payee) => write!(f, "payee/{payee}"),
            Self::Plan(plan) => write!(f, "plan/{plan}"),
            Self::Model(model) => write!(f, "model/{model}"),
            Self::Rates(rates) => write!(f, "rates/{rates}"),
            Self::Deal(deal) => write!(f, "deal/{deal}"),
            Self::Programme(programme) => write!(f, "programme/{programme}"),
            Self::Cap { programme, payee, year } => write!(f, "cap/{programme}/{payee}/{year}"),
            Self::Pool { programme, pool, year } => write!(f, "pool/{programme}/{pool}/{year}"),
            Self::Attainment { programme, payee, year } => write!(f, "attainment/{programme}/{payee}/{year}"),
            Self::Spend { rates, payee, start } => write!(f, "spend/{rates}/{payee}/{start}"),
            Self::Customer { customer, payee } => write!(f, "customer/{customer}/{payee}"),
            Self::Account { payee, currency } => write!(f, "account/{payee}/{currency}"),
            Self::Payout(payout) => write!(f, "payout/{payout}"),
            Self::Reference { account, reference } => write!(f, "reference/{account}/{reference}"),
            Self::Bulk(bulk) => write!(f, "bulk/{bulk}"),
        }
    }
}

/// A stream's name as a store keeps it: plain text that a store need not understand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(CompactString);

impl StreamName {
    /// A name that was read from a store.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(CompactString::from(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a stream ends: the version and the digest of its last event, or nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tip {
    /// The version of the last event; 0 when the stream is empty.
    pub version: u64,
    /// The digest of the last event; all zero when the stream is empty.
    pub digest: Digest,
}

impl Tip {
    /// The tip of a stream that holds nothing.
    pub const EMPTY: Self = Self { version: 0, digest: Digest::ZERO };
}
