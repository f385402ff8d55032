//! What one payee's deals contributed to a cap in one cap year.

use super::{Asked, Ruling, Why};
use crate::act::{Amount, Code, Day};

/// A cap account.
#[derive(Debug, Clone)]
pub struct Cap {
    /// The cap.
    pub programme: String,
    /// Whose contributions.
    pub payee: String,
    /// The first day of the cap year.
    pub start: Day,
    /// The day after its last.
    pub end: Day,
    /// The currency of the minor units.
    pub currency: Code,
    /// The limit that was last in force.
    pub limit: i128,
    /// What was taken over from elsewhere.
    pub opening: Option<i128>,
    /// The opening balance and the contributions, less the reversals.
    pub contributed: i128,
    /// The fees of deals after the cap, less those of deals that were reversed.
    pub fees: i128,
    /// How it was reached, while it is.
    pub reached: Option<Reached>,
}

/// How a cap was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// By which deal; none if it was the opening balance.
    pub deal: Option<String>,
    /// On which business day.
    pub on: Day,
}

pub(super) fn set_opening_balance(
    _asked: Asked<'_>,
    _payee: &str,
    _on: Day,
    _amount: Amount,
    _reason: &str,
) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
