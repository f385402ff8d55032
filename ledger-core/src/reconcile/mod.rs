//! Compares the ledger with what others say of it, and says exactly where they differ.
//!
//! Replay is the truth that everything else is compared with: [a state that was kept](checkpoint), [a register that was
//! exported](register), and [the laws](log) that the log itself must obey. Nothing is repaired: a [`Report`] names every
//! difference with what is at stake and the event that explains it, in an order and with a hash that two runs share.

pub mod checkpoint;
mod due;
pub mod log;
pub mod register;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::chain::Digest;
use crate::codec;
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::projection::sum::Sum;

pub use log::Law;

/// Every difference that was found, sorted. None is what everybody hopes for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    differences: Vec<Difference>,
}

/// One way in which the ledger and something else differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the ledger was compared with.
    pub against: Against,
    /// The thing that differs: a payout, or the place in a kept state.
    pub key: String,
    /// The field of it.
    pub field: String,
    /// What kind of difference it is.
    pub class: Class,
    /// What the ledger says; nothing where it does not know the thing.
    pub ledger: String,
    /// What the other says; nothing where it does not know the thing.
    pub other: String,
    /// How much money the difference is about.
    pub at_stake: Option<Money>,
    /// The sequence of the event that explains what the ledger says.
    pub sequence: Option<u64>,
    /// When that event was recorded, from which the difference's age is counted.
    pub since: Option<DateTime<Utc>>,
}

/// What the ledger was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The laws of the log itself.
    Laws,
    /// A state that was kept.
    Checkpoint,
    /// A register that was exported.
    Register,
}

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The log breaks a law.
    Broken(Law),
    /// The kept state is not a state of this version of the program.
    StateUnusable,
    /// The kept state stands at another place than a request's end of this log, or at another link.
    StateElsewhere,
    /// The kept state says something else.
    StateDiffers,
    /// The host does not know the payout.
    MissingInHost,
    /// The ledger does not know the payout.
    UnknownInHost,
    /// The host has the payout twice.
    DuplicateHostRow,
    /// The host's row is of an earlier version. What may have changed since is not compared.
    StaleSnapshot,
    /// The host's row is of a version that the ledger has not reached.
    HostAhead,
    /// The payout stands elsewhere.
    StatusMismatch,
    /// The amount is another one.
    AmountMismatch(Option<Factor>),
    /// The currency is another one.
    CurrencyMismatch,
    /// Somebody else is paid.
    PayeeMismatch,
    /// The host does not know that it was approved.
    ApprovalMissing,
    /// The host says that its maker approved it.
    SelfApproved,
    /// Any other field is different.
    FieldMismatch,
    /// A total is neither the ledger's nor that of the rows above it.
    TotalMismatch,
}

/// What takes the ledger's amount to the other's: the sign of cents that were taken for dollars, or of a currency that was
/// taken to have other decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// The other's amount is a thousand times the ledger's.
    Thousand,
    /// The other's amount is a hundred times the ledger's.
    Hundred,
    /// The other's amount is a hundredth of the ledger's.
    Hundredth,
    /// The other's amount is a thousandth of the ledger's.
    Thousandth,
}

impl Factor {
    fn between(ledger: i128, other: i128) -> Option<Self> {
        let times = |factor| ledger.checked_mul(factor) == Some(other) && ledger != 0;
        let part = |factor| other.checked_mul(factor) == Some(ledger) && other != 0;
        [
            (times(1_000), Self::Thousand),
            (times(100), Self::Hundred),
            (part(100), Self::Hundredth),
            (part(1_000), Self::Thousandth),
        ]
        .into_iter()
        .find_map(|(is, factor)| is.then_some(factor))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Thousand => "x1000",
            Self::Hundred => "x100",
            Self::Hundredth => "x0.01",
            Self::Thousandth => "x0.001",
        }
    }
}

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It goes away by itself, or when a state is rebuilt.
    Notice,
    /// Somebody should look.
    Warning,
    /// Money may be paid wrongly.
    Error,
}

impl Class {
    /// How bad a difference of this kind is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::StateUnusable | Self::StaleSnapshot => Severity::Notice,
            Self::FieldMismatch | Self::TotalMismatch => Severity::Warning,
            Self::Broken(_)
            | Self::StateElsewhere
            | Self::StateDiffers
            | Self::MissingInHost
            | Self::UnknownInHost
            | Self::DuplicateHostRow
            | Self::HostAhead
            | Self::StatusMismatch
            | Self::AmountMismatch(_)
            | Self::CurrencyMismatch
            | Self::PayeeMismatch
            | Self::ApprovalMissing
            | Self::SelfApproved => Severity::Error,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Broken(law) => law.as_str(),
            Self::StateUnusable => "state_unusable",
            Self::StateElsewhere => "state_elsewhere",
            Self::StateDiffers => "state_differs",
            Self::MissingInHost => "missing_in_host",
            Self::UnknownInHost => "unknown_in_host",
            Self::DuplicateHostRow => "duplicate_host_row",
            Self::StaleSnapshot => "stale_snapshot",
            Self::HostAhead => "host_ahead",
            Self::StatusMismatch => "status_mismatch",
            Self::AmountMismatch(_) => "amount_mismatch",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::PayeeMismatch => "payee_mismatch",
            Self::ApprovalMissing => "approval_missing",
            Self::SelfApproved => "self_approved",
            Self::FieldMismatch => "field_mismatch",
            Self::TotalMismatch => "total_mismatch",
        }
    }
}

/// Writes `amount_mismatch x100`, `status_mismatch`, or the name of the law that is broken.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmountMismatch(Some(factor)) => write!(f, "{} {}", self.name(), factor.as_str()),
            other => f.pad(other.name()),
        }
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Report {
    /// A report of differences, which it sorts.
    #[must_use]
    pub fn of(differences: impl IntoIterator<Item = Difference>) -> Self {
        let mut differences: Vec<_> = differences.into_iter().collect();
        differences.sort_by(|a, b| a.order().cmp(&b.order()));
        Self { differences }
    }

    /// Both reports as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of(self.differences.into_iter().chain(other.differences))
    }

    /// Every difference, sorted.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Whether there is no difference.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    /// What is at stake in all of them, by currency.
    #[must_use]
    pub fn exposure(&self) -> Vec<(Currency, Sum)> {
        let mut sums = Small::<Currency, Sum>::default();
        for at_stake in self.differences.iter().filter_map(|difference| difference.at_stake) {
            sums.update(&at_stake.currency(), |sum| sum.add(at_stake));
        }
        sums.iter().map(|(currency, sum)| (*currency, *sum)).collect()
    }

    /// SHA-256 of the report: two runs that found the same have the same.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&codec::canonical(self))
    }
}

/// Writes `0 discrepancies`, or how many and each on a line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.differences.len();
        write!(f, "{count} {}", if count == 1 { "discrepancy" } else { "discrepancies" })?;
        self.differences.iter().try_for_each(|difference| write!(f, "\n{difference}"))
    }
}

impl Difference {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.class.severity()
    }

    fn order(&self) -> impl Ord + '_ {
        let at = (self.against, &self.key, &self.field, self.class);
        (at, self.sequence, &self.ledger, &self.other)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, key, field, ledger, other, .. } = self;
        write!(f, "{class}: {key} {field}: the ledger says {ledger:?}, the other {other:?}")?;
        if let Some(at_stake) = self.at_stake {
            write!(f, ", at stake {at_stake}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, ", see event {sequence}")?;
        }
        Ok(())
    }
}

/// A value as a difference tells it; nothing where there is none.
fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
