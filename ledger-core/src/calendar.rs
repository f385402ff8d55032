//! A cap year says which deals count together towards a cap: twelve months from a fixed day, in the plan's time zone.
//!
//! ```
//! use ledger_core::calendar::{CapYearRule, Date};
//!
//! let date: Date = "2025-12-31".parse()?;
//! assert_eq!(CapYearRule::calendar().year_of(None, date)?.to_string(), "2025-01-01..2026-01-01");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::money::{FromText, excerpt};

/// A day of the Gregorian calendar, without a time and without a time zone.
pub type Date = NaiveDate;

/// Why a date, a time zone or a cap year was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// The time zone is not in the IANA database.
    #[error("{name:?} is not a time zone; write its IANA name, such as America/New_York")]
    UnknownZone {
        /// The name as it was written.
        name: String,
    },
    /// The date lies outside the years that a ledger keeps.
    #[error("{date} is outside the years 1900 to 9998; correct the date")]
    OutOfRange {
        /// The date that was given.
        date: Date,
    },
    /// The rule's month and day are in no calendar.
    #[error("a cap year cannot start on day {day} of month {month}; give a month from 1 to 12 and a day it has")]
    NoSuchDay {
        /// The month of the rule.
        month: u8,
        /// The day of the rule.
        day: u8,
    },
    /// Cap years by anniversary need the day that is celebrated.
    #[error("cap years by anniversary need an anchor; give the day the payee joined")]
    MissingAnchor,
    /// The date lies before the payee's first cap year.
    #[error("{date} is before the first cap year, which starts on {anchor}; correct the date or the anchor")]
    BeforeAnchor {
        /// The date that was given.
        date: Date,
        /// The first day of the first cap year.
        anchor: Date,
    },
}

/// A time zone of the IANA database. It decides on which day an instant falls, and so in which cap year a deal counts.
///
/// ```
/// use ledger_core::calendar::Zone;
///
/// let new_york = Zone::of("America/New_York")?;
/// let instant = "2026-01-01T04:30:00Z".parse()?;
/// assert_eq!(new_york.local_date(instant).to_string(), "2025-12-31");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The time zone with this IANA name, written exactly as the database does.
    ///
    /// # Errors
    /// [`CalendarError::UnknownZone`] when there is none.
    pub fn of(name: &str) -> Result<Self, CalendarError> {
        Tz::from_str(name).map(Self).map_err(|_| CalendarError::UnknownZone { name: excerpt(name) })
    }

    /// The zone without an offset.
    #[must_use]
    pub const fn utc() -> Self {
        Self(Tz::UTC)
    }

    /// Whether it is the zone without an offset, by its own name.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        *self == Self::UTC
    }

    /// The IANA name, such as `America/New_York`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The day it is in this time zone at that instant. Called when a fact is decided, never when it is replayed: the
    /// day is stored, because time zone rules change.
    #[must_use]
    pub fn local_date(&self, instant: DateTime<Utc>) -> Date {
        let utc = instant.naive_utc();
        let offset = planted!(UtcDay => Tz::UTC, self.0).offset_from_utc_datetime(&utc).fix();
        // Only the first and last instants that can be written at all have no local time; there the day is that of UTC.
        utc.checked_add_offset(offset).unwrap_or(utc).date()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Zone {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        Self::of(text)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a time zone such as \"America/New_York\"", Self::of))
    }
}

/// On which day of each year a payee's cap starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapYearRule {
    /// The same day for everybody. February 29 is February 28 in common years.
    Calendar {
        /// The month, from 1 to 12.
        month: u8,
        /// The day of the month, from 1.
        day: u8,
    },
    /// The anniversary of each payee's own anchor, usually the day they joined.
    Anniversary {
        /// When a payee who joined on February 29 starts a cap year that is no leap year.
        #[serde(default)]
        leap_day: LeapDay,
    },
    /// The first day of the month in which each payee joined.
    FirstOfJoinMonth {},
    /// The first day of the month after the one in which each payee joined. The first cap year begins with the day they joined
    /// and so is up to a month longer, also when that day was the first of its month.
    FirstOfNextMonth {},
}

/// When an anniversary of February 29 falls in a year without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeapDay {
    /// On February 28, the last day of the same month: the ledger's default.
    #[default]
    Clamp,
    /// On March 1, the day after February 28.
    March1,
}

/// The twelve months in which contributions count towards one cap, from the first day up to, but without, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapYear {
    /// The first day.
    pub start: Date,
    /// The day after the last one, which is the first day of the next cap year.
    pub end: Date,
}

impl CapYear {
    /// Whether a deal of that day counts in this cap year.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        self.start <= date && date < self.end
    }

    /// How many days the cap year really has, 365 or 366: what a cap prorated by days is divided by.
    #[must_use]
    pub fn days(&self) -> i64 {
        (self.end - self.start).num_days()
    }

    /// How many of its days are left from a day of it on, that day included.
    #[must_use]
    pub fn days_from(&self, day: Date) -> i64 {
        (self.end - day).num_days()
    }

    /// How many of its twelve months are left from a day of it on, the month of that day counted whole. Its months begin on the
    /// day of the month on which it begins itself.
    ///
    /// ```
    /// # use ledger_core::calendar::CapYearRule;
    /// let year = CapYearRule::calendar().year_of(None, "2025-06-01".parse()?)?;
    /// assert_eq!(year.months_from("2025-04-30".parse()?), 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn months_from(&self, day: Date) -> i64 {
        let has_begun = |month| self.start.checked_add_months(Months::new(month)).is_some_and(|first| first <= day);
        let gone: i64 = (1..12).map(|month| i64::from(has_begun(month))).sum();
        12 - gone
    }
}

/// Writes `2025-01-01..2026-01-01`, the end not included.
impl fmt::Display for CapYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl CapYearRule {
    /// Calendar years: every cap starts again on January 1.
    #[must_use]
    pub const fn calendar() -> Self {
        Self::Calendar { month: 1, day: 1 }
    }

    /// Makes sure that the rule's day exists.
    ///
    /// # Errors
    /// [`CalendarError::NoSuchDay`] for the likes of month 13 or April 31. February 29 is accepted; see
    /// [`CapYearRule::Calendar`].
    pub fn validate(&self) -> Result<(), CalendarError> {
        match *self {
            Self::Calendar { month, day }
                if start_in(LEAP_YEAR, month.into(), day.into(), LeapDay::Clamp).is_none() =>
            {
                Err(CalendarError::NoSuchDay { month, day })
            }
            _ => Ok(()),
        }
    }

    /// The one cap year that a date belongs to.
    ///
    /// Each anniversary is derived from the anchor itself, never from the year before: a payee who joined on 2024-02-29
    /// starts on 2027-02-28 and, again, on 2028-02-29. A calendar rule ignores the anchor.
    ///
    /// ```
    /// use ledger_core::calendar::{CapYearRule, LeapDay};
    ///
    /// let rule = CapYearRule::Anniversary { leap_day: LeapDay::Clamp };
    /// let joined = Some("2024-03-15".parse()?);
    /// assert_eq!(rule.year_of(joined, "2025-03-14".parse()?)?.to_string(), "2024-03-15..2025-03-15");
    /// assert_eq!(rule.year_of(joined, "2025-03-15".parse()?)?.to_string(), "2025-03-15..2026-03-15");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] for a date or an anchor outside the years 1900 to 9998;
    /// [`CalendarError::MissingAnchor`] and [`CalendarError::BeforeAnchor`] under an anniversary rule;
    /// [`CalendarError::NoSuchDay`] when the rule is not valid.
    pub fn year_of(&self, anchor: Option<Date>, date: Date) -> Result<CapYear, CalendarError> {
        in_range(date)?;
        let (month, day, leap_day) = match *self {
            Self::Calendar { month, day } => (month.into(), day.into(), LeapDay::Clamp),
            Self::Anniversary { leap_day } => {
                let anchor = joined(anchor)?;
                not_before(date, anchor)?;
                (anchor.month(), anchor.day(), leap_day)
            }
            Self::FirstOfJoinMonth {} => {
                let joined = joined(anchor)?;
                let anchor = joined - Days::new(joined.day0().into());
                not_before(date, anchor)?;
                (anchor.month(), 1, LeapDay::Clamp)
            }
            Self::FirstOfNextMonth {} => {
                let anchor = joined(anchor)?;
                not_before(date, anchor)?;
                let (year, month) =
                    if anchor.month() == 12 { (anchor.year() + 1, 1) } else { (anchor.year(), anchor.month() + 1) };
                let end = start_in(year + 1, month, 1, LeapDay::Clamp).ok_or(CalendarError::OutOfRange { date })?;
                if date < end {
                    return Ok(CapYear { start: anchor, end });
                }
                (month, 1, LeapDay::Clamp)
            }
        };
        self.validate()?;
        let start = |year| start_in(year, month, day, leap_day).ok_or(CalendarError::OutOfRange { date });
        let this = start(date.year())?;
        let (start, end) = if planted!(CapYearEndInclusive => date <= this, date < this) {
            (start(date.year() - 1)?, this)
        } else {
            (this, start(date.year() + 1)?)
        };
        Ok(CapYear { start, end })
    }
}

const LEAP_YEAR: i32 = 2024;

/// The day that a payee's own cap years are derived from.
fn joined(anchor: Option<Date>) -> Result<Date, CalendarError> {
    in_range(anchor.ok_or(CalendarError::MissingAnchor)?)
}

fn not_before(date: Date, anchor: Date) -> Result<(), CalendarError> {
    if date < anchor { Err(CalendarError::BeforeAnchor { date, anchor }) } else { Ok(()) }
}

/// The day on which the cap year that starts in that year does; `None` for a day that is in no calendar.
fn start_in(year: i32, month: u32, day: u32, leap_day: LeapDay) -> Option<Date> {
    Date::from_ymd_opt(year, month, day).or_else(|| match (month, day, leap_day) {
        (2, 29, LeapDay::Clamp) if planted!(LeapDayOnMarch1) => Date::from_ymd_opt(year, 3, 1),
        (2, 29, LeapDay::Clamp) => Date::from_ymd_opt(year, 2, 28),
        (2, 29, LeapDay::March1) => Date::from_ymd_opt(year, 3, 1),
        _ => None,
    })
}

/// Every date that is stored is in these years, so that it has four digits and no arithmetic on it overflows.
pub(crate) fn in_range(date: Date) -> Result<Date, CalendarError> {
    if (1900..=9998).contains(&date.year()) { Ok(date) } else { Err(CalendarError::OutOfRange { date }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLAMP: CapYearRule = CapYearRule::Anniversary { leap_day: LeapDay::Clamp };
    const MARCH: CapYearRule = CapYearRule::Anniversary { leap_day: LeapDay::March1 };

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn year(rule: CapYearRule, anchor: &str, day: &str) -> String {
        rule.year_of(Some(date(anchor)), date(day)).unwrap().to_string()
    }

    fn calendar_year(rule: CapYearRule, day: &str) -> String {
        rule.year_of(None, date(day)).unwrap().to_string()
    }

    #[test]
    fn v46_a_calendar_year_ends_at_midnight_where_the_plan_is() {
        let rule = CapYearRule::calendar();
        assert_eq!(calendar_year(rule, "2025-12-31"), "2025-01-01..2026-01-01");
        assert_eq!(calendar_year(rule, "2026-01-01"), "2026-01-01..2027-01-01");
        let instant = "2026-01-01T04:30:00Z".parse().unwrap();
        let local = Zone::of("America/New_York").unwrap().local_date(instant);
        assert_eq!(rule.year_of(None, local).unwrap().start, date("2025-01-01"));
        let utc = Zone::of("UTC").unwrap().local_date(instant);
        assert_eq!(rule.year_of(None, utc).unwrap().start, date("2026-01-01"));
    }

    #[test]
    fn v47_an_anniversary_year_starts_on_the_day_itself() {
        assert_eq!(year(CLAMP, "2024-03-15", "2024-03-15"), "2024-03-15..2025-03-15");
        assert_eq!(year(CLAMP, "2024-03-15", "2025-03-14"), "2024-03-15..2025-03-15");
        assert_eq!(year(CLAMP, "2024-03-15", "2025-03-15"), "2025-03-15..2026-03-15");
    }

    #[test]
    fn v48_an_anniversary_of_february_29_comes_back_to_february_29() {
        let starts = |rule: CapYearRule| {
            let starts_in =
                |y| rule.year_of(Some(date("2024-02-29")), Date::from_ymd_opt(y, 6, 1).unwrap()).unwrap().start;
            [2024, 2025, 2026, 2027, 2028].map(|y| starts_in(y).to_string())
        };
        assert_eq!(starts(CLAMP), ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
        assert_eq!(starts(MARCH), ["2024-02-29", "2025-03-01", "2026-03-01", "2027-03-01", "2028-02-29"]);
        assert_eq!(year(CLAMP, "2024-02-29", "2025-02-28"), "2025-02-28..2026-02-28");
        assert_eq!(year(MARCH, "2024-02-29", "2025-02-28"), "2024-02-29..2025-03-01");
        assert_eq!(year(CLAMP, "2024-02-29", "2028-02-28"), "2027-02-28..2028-02-29");
        assert_eq!(year(CLAMP, "2096-02-29", "2100-02-28"), "2100-02-28..2101-02-28", "2100 is no leap year");
    }

    #[test]
    fn a_calendar_rule_may_start_on_any_day_and_clamps_february_29() {
        let july = CapYearRule::Calendar { month: 7, day: 1 };
        assert_eq!(calendar_year(july, "2025-06-30"), "2024-07-01..2025-07-01");
        assert_eq!(calendar_year(july, "2025-07-01"), "2025-07-01..2026-07-01");
        let leap = CapYearRule::Calendar { month: 2, day: 29 };
        assert_eq!(calendar_year(leap, "2025-02-28"), "2025-02-28..2026-02-28");
        assert_eq!(calendar_year(leap, "2024-02-28"), "2023-02-28..2024-02-29");
    }

    #[test]
    fn a_day_that_is_in_no_calendar_is_refused() {
        for (month, day) in [(0, 1), (13, 1), (1, 0), (1, 32), (2, 30), (4, 31), (255, 255)] {
            let rule = CapYearRule::Calendar { month, day };
            assert_eq!(rule.validate(), Err(CalendarError::NoSuchDay { month, day }));
            assert_eq!(rule.year_of(None, date("2025-06-01")), Err(CalendarError::NoSuchDay { month, day }));
        }
        for rule in [CapYearRule::calendar(), CapYearRule::Calendar { month: 2, day: 29 }, CLAMP, MARCH] {
            assert_eq!(rule.validate(), Ok(()));
        }
    }

    #[test]
    fn a_deal_before_the_first_cap_year_is_refused_and_so_is_an_anniversary_of_nothing() {
        let (anchor, day) = (date("2024-03-15"), date("2024-03-14"));
        assert_eq!(CLAMP.year_of(Some(anchor), day), Err(CalendarError::BeforeAnchor { date: day, anchor }));
        assert_eq!(CLAMP.year_of(None, day), Err(CalendarError::MissingAnchor));
        assert!(CapYearRule::calendar().year_of(Some(anchor), day).is_ok(), "calendar years have no first one");
    }

    #[test]
    fn years_that_no_ledger_keeps_are_refused() {
        for day in [date("1899-12-31"), date("9999-01-01"), Date::MIN, Date::MAX] {
            assert_eq!(CapYearRule::calendar().year_of(None, day), Err(CalendarError::OutOfRange { date: day }));
            assert_eq!(CLAMP.year_of(Some(day), date("2025-01-01")), Err(CalendarError::OutOfRange { date: day }));
        }
        assert_eq!(calendar_year(CapYearRule::calendar(), "9998-12-31"), "9998-01-01..9999-01-01");
        let july = CapYearRule::Calendar { month: 7, day: 1 };
        assert_eq!(calendar_year(july, "1900-01-01"), "1899-07-01..1900-07-01");
    }

    #[test]
    fn a_time_zone_is_known_by_its_exact_name() {
        for name in ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC"] {
            assert_eq!(Zone::of(name).unwrap().to_string(), name);
        }
        for name in ["", "america/new_york", "America/New York", "New_York", "+02:00", "Mars/Olympus"] {
            assert_eq!(Zone::of(name), Err(CalendarError::UnknownZone { name: name.to_owned() }));
        }
    }

    #[test]
    fn the_local_day_follows_daylight_saving_time() {
        let local =
            |zone: &str, instant: &str| Zone::of(zone).unwrap().local_date(instant.parse().unwrap()).to_string();
        assert_eq!(local("America/New_York", "2025-07-01T03:59:59Z"), "2025-06-30");
        assert_eq!(local("America/New_York", "2025-07-01T04:00:00Z"), "2025-07-01");
        assert_eq!(local("America/New_York", "2025-12-01T04:59:59Z"), "2025-11-30");
        assert_eq!(local("Pacific/Kiritimati", "2025-12-31T10:00:00Z"), "2026-01-01");
    }

    #[test]
    fn the_first_and_the_last_instant_there_are_have_a_day_everywhere() {
        for zone in ["America/New_York", "Pacific/Kiritimati", "UTC"].map(|name| Zone::of(name).unwrap()) {
            assert!(zone.local_date(DateTime::<Utc>::MIN_UTC) <= zone.local_date(DateTime::<Utc>::MAX_UTC));
        }
    }

    #[test]
    fn json_names_rules_and_zones_in_plain_words_and_refuses_other_fields() {
        let write = |rule: CapYearRule| serde_json::to_string(&rule).unwrap();
        assert_eq!(write(CapYearRule::calendar()), r#"{"calendar":{"month":1,"day":1}}"#);
        assert_eq!(write(CLAMP), r#"{"anniversary":{"leap_day":"clamp"}}"#);
        assert_eq!(write(MARCH), r#"{"anniversary":{"leap_day":"march1"}}"#);
        let read = |text: &str| serde_json::from_str::<CapYearRule>(text);
        assert_eq!(read(r#"{"anniversary":{}}"#).unwrap(), CLAMP);
        assert_eq!(read(r#"{"calendar":{"month":7,"day":1}}"#).unwrap(), CapYearRule::Calendar { month: 7, day: 1 });
        for refused in
            [r#"{"calendar":{"month":7}}"#, r#"{"calendar":{"month":7,"day":1,"year":2}}"#, r#"{"fiscal":{}}"#]
        {
            assert!(read(refused).is_err(), "{refused}");
        }
        let zone = Zone::of("America/New_York").unwrap();
        assert_eq!(serde_json::to_string(&zone).unwrap(), "\"America/New_York\"");
        assert_eq!(serde_json::from_value::<Zone>("America/New_York".into()).unwrap(), zone);
        assert!(serde_json::from_str::<Zone>("\"EST5\"").is_err());
        let year = CapYearRule::calendar().year_of(None, date("2025-06-01")).unwrap();
        let json = r#"{"start":"2025-01-01","end":"2026-01-01"}"#;
        assert_eq!(serde_json::to_string(&year).unwrap(), json);
        assert_eq!(serde_json::from_str::<CapYear>(json).unwrap(), year);
    }

    fn any_date() -> impl Strategy<Value = Date> {
        let first = date("1901-01-01");
        prop_oneof![
            (0..2_950_000_u64).prop_map(move |days| first + chrono::Days::new(days)),
            (1904..2400_i32, 27..30_u32).prop_map(move |(y, d)| Date::from_ymd_opt(y, 2, d).unwrap_or(first)),
        ]
    }

    fn any_rule() -> impl Strategy<Value = CapYearRule> {
        prop_oneof![
            Just(CLAMP),
            Just(MARCH),
            Just(CapYearRule::Calendar { month: 2, day: 29 }),
            (1..=12_u8, 1..=28_u8).prop_map(|(month, day)| CapYearRule::Calendar { month, day }),
        ]
    }

    proptest! {
        #[test]
        fn cap_years_tile_time_without_gap_or_overlap(rule in any_rule(), a in any_date(), b in any_date()) {
            let (anchor, day) = (Some(a.min(b)), a.max(b));
            let year = rule.year_of(anchor, day).unwrap();
            prop_assert!(year.contains(day));
            prop_assert!(year.days() == 365 || year.days() == 366);
            let days = year.start.iter_days().take_while(|&day| year.contains(day)).count();
            prop_assert_eq!(usize::try_from(year.days()), Ok(days));
            prop_assert_eq!(rule.year_of(anchor, year.start), Ok(year));
            prop_assert_eq!(rule.year_of(anchor, year.end.pred_opt().unwrap()), Ok(year));
            prop_assert!(!year.contains(year.end));
            let next = rule.year_of(anchor, year.end).unwrap();
            prop_assert_eq!(next.start, year.end);
        }

        #[test]
        fn an_anniversary_falls_on_the_anchors_own_day_wherever_there_is_one(a in any_date(), b in any_date()) {
            let (anchor, day) = (a.min(b), a.max(b));
            for rule in [CLAMP, MARCH] {
                let start = rule.year_of(Some(anchor), day).unwrap().start;
                prop_assert!(anchor <= start && start <= day);
                if let Some(same_day) = anchor.with_year(start.year()) {
                    prop_assert_eq!(start, same_day);
                }
            }
        }
    }
}
