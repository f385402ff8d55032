//! A payee, and the plans that it is under.

use super::{Asked, Ruling, Why};
use crate::act::Day;

/// A payee.
#[derive(Debug, Clone)]
pub struct Payee {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it joined.
    pub joined_on: Option<Day>,
    /// The plans that it is under, in the order in which they were assigned.
    pub assignments: Vec<Assignment>,
}

/// A plan version for some days.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The plan.
    pub plan: String,
    /// Its version.
    pub version: u32,
    /// The first day.
    pub from: Day,
    /// The day after the last; open without.
    pub until: Option<Day>,
}

impl Payee {
    /// The plan that it is under on a day.
    #[must_use]
    pub fn plan_on(&self, day: Day) -> Option<&Assignment> {
        self.assignments.iter().find(|span| span.from <= day && span.until.is_none_or(|until| day < until))
    }
}

pub(super) fn judge(_asked: Asked<'_>) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
