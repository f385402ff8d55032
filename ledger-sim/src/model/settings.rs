//! The currency, the zone, and what the organization has switched on.

use chrono_tz::Tz;

use super::{Asked, Ruling, Why};
use crate::act::{Ask, Code, Day};

/// The settings of a ledger.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub base: Code,
    pub zone: Tz,
    pub capabilities: Vec<&'static str>,
}

impl Settings {
    pub fn allows(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    pub fn today(&self, at: i64) -> Result<Day, Why> {
        super::calendar::today(at, self.zone)
    }
}

pub(super) fn open(_ask: &Ask) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}

pub(super) fn judge(_asked: Asked<'_>) -> Result<Ruling, Why> {
    Err(Why::NotOpen)
}
