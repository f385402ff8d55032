//! Days and cap years.

use chrono::{Datelike as _, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::Why;
use crate::act::Day;

/// The day on which years begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum CapYear {
    Calendar { month: u32, day: u32 },
    Anniversary { march_first: bool },
}

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

/// Whether the calendar has such a day, written with four digits of the year.
pub(super) fn exists(Day(year, month, day): Day) -> bool {
    (0..=9999).contains(&year) && day >= 1 && day <= days(year, month)
}

/// Whether some year has such a day.
pub(super) fn recurs(month: u32, day: u32) -> bool {
    exists(Day(2000, month, day))
}

/// How many milliseconds a day of UTC has.
pub(super) const DAY_MILLIS: i64 = 86_400_000;

/// How many days there were from the first day of the year 1 to this one.
pub(super) fn ordinal(Day(year, month, day): Day) -> i64 {
    let before = i64::from(year) - 1;
    let months: u32 = (1..month).map(|month| days(year, month)).sum();
    before * 365 + before.div_euclid(4) - before.div_euclid(100)
        + before.div_euclid(400)
        + i64::from(months)
        + i64::from(day)
}

/// The day so many months later, or the last one of that month.
pub(super) fn months_after(Day(year, month, day): Day, months: u32) -> Option<Day> {
    let month = i64::from(year) * 12 + i64::from(month) - 1 + i64::from(months);
    let (year, month) = (i32::try_from(month.div_euclid(12)).ok()?, u32::try_from(month.rem_euclid(12) + 1).ok()?);
    Some(Day(year, month, day.min(days(year, month))))
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// The cap year that holds a day: its first day, and the day after its last. Always counted from the original anchor.
pub(super) fn cap_year(rule: CapYear, joined_on: Option<Day>, day: Day) -> Result<(Day, Day), Why> {
    in_range(day)?;
    let (month, of_month, march_first) = match rule {
        CapYear::Calendar { month, day } => (month, day, false),
        CapYear::Anniversary { march_first } => {
            let joined = in_range(joined_on.ok_or(Why::WrongDay)?)?;
            if day < joined {
                return Err(Why::WrongDay);
            }
            (joined.1, joined.2, march_first)
        }
    };
    let start = |year| match (month, of_month) {
        (2, 29) if !is_leap(year) && march_first => Day(year, 3, 1),
        (2, 29) if !is_leap(year) => Day(year, 2, 28),
        _ => Day(year, month, of_month),
    };
    let year = if day < start(day.0) { day.0 - 1 } else { day.0 };
    Ok((start(year), start(year + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(joined: Day, march_first: bool, day: Day) -> Day {
        cap_year(CapYear::Anniversary { march_first }, Some(joined), day).unwrap().0
    }

    #[test]
    fn cap_years_begin_on_the_original_anchor_also_on_a_leap_day() {
        let calendar = CapYear::Calendar { month: 1, day: 1 };
        assert_eq!(cap_year(calendar, None, Day(2025, 12, 31)), Ok((Day(2025, 1, 1), Day(2026, 1, 1))));
        assert_eq!(cap_year(calendar, None, Day(2026, 1, 1)), Ok((Day(2026, 1, 1), Day(2027, 1, 1))));
        let joined = Day(2024, 3, 15);
        assert_eq!(starts(joined, false, Day(2025, 3, 14)), Day(2024, 3, 15));
        assert_eq!(starts(joined, false, Day(2025, 3, 15)), Day(2025, 3, 15));
        let leap = Day(2024, 2, 29);
        for year in 2025..=2027 {
            assert_eq!(starts(leap, false, Day(year, 2, 28)), Day(year, 2, 28));
        }
        assert_eq!(starts(leap, false, Day(2028, 2, 28)), Day(2027, 2, 28));
        assert_eq!(starts(leap, false, Day(2028, 2, 29)), Day(2028, 2, 29));
        assert_eq!(starts(leap, true, Day(2025, 2, 28)), Day(2024, 2, 29));
        assert_eq!(starts(leap, true, Day(2025, 3, 1)), Day(2025, 3, 1));
        let anniversary = CapYear::Anniversary { march_first: false };
        assert_eq!(cap_year(anniversary, Some(leap), Day(2024, 2, 28)), Err(Why::WrongDay));
        assert_eq!(cap_year(anniversary, None, Day(2024, 2, 28)), Err(Why::WrongDay));
    }

    #[test]
    fn the_day_of_an_instant_is_that_of_the_zone() {
        let at = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(4, 30, 0).unwrap().and_utc();
        let day = |zone: Tz| today(at.timestamp(), zone).unwrap();
        assert_eq!(day(Tz::America__New_York), Day(2025, 12, 31));
        assert_eq!(day(Tz::Pacific__Kiritimati), Day(2026, 1, 1));
    }

    #[test]
    fn days_exist_as_in_the_calendar() {
        for (day, does) in
            [((2024, 2, 29), true), ((2100, 2, 29), false), ((2026, 4, 31), false), ((2026, 13, 1), false)]
        {
            assert_eq!(exists(Day(day.0, day.1, day.2)), does, "{day:?}");
        }
    }
}
