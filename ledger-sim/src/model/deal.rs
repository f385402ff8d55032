//! A deal, from its registration to what it earned.

use super::{Asked, Ruling, Why};
use crate::act::{Amount, Credit, Day, Gci};

/// A deal.
#[derive(Debug, Clone)]
pub struct Deal {
    /// Its name.
    pub id: String,
    /// What was said of its commission.
    pub basis: Gci,
    /// Its commission.
    pub gci: Amount,
    /// Who is credited, once that is said.
    pub credit: Option<Credit>,
    /// Where it stands.
    pub stage: Stage,
    /// What was calculated.
    pub lines: Vec<Line>,
}

/// Where a deal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Registered.
    Registered,
    /// Attributed.
    Attributed,
    /// Completed, on that day.
    Completed(Day),
    /// Taken back.
    Reversed,
}

/// One payee's part of a completed deal.
#[derive(Debug, Clone)]
pub struct Line {
    /// The payee.
    pub payee: String,
    /// The name of the stream of the cap that it met.
    pub cap: Option<String>,
    /// What it contributed to the cap.
    pub contributed: i128,
    /// What it paid as a fee after the cap.
    pub fee: i128,
    /// The place of its entry in the payee's account.
    pub entry: Option<usize>,
    /// As it is stored.
    pub(super) json: String,
}

pub(super) fn judge(_asked: Asked<'_>) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
