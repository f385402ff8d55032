//! Days and cap years.

use chrono::{Datelike, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::Why;
use crate::act::Day;

/// The day of an instant in a zone.
pub(super) fn today(at: i64, zone: Tz) -> Result<Day, Why> {
    let utc = chrono::DateTime::from_timestamp(at, 0).ok_or(Why::WrongDay)?.naive_utc();
    let local = utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix()).ok_or(Why::WrongDay)?;
    in_range(Day(local.year(), local.month(), local.day()))
}

/// A day that the ledger takes.
pub(super) fn in_range(day: Day) -> Result<Day, Why> {
    if (1900..=9998).contains(&day.0) { Ok(day) } else { Err(Why::WrongDay) }
}
