//! The year in which something counts, and what part of a limit is in force in it.

use super::calendar::CapYear;
use super::exact::Exact;
use super::{Code, calendar};
use crate::act::Day;

/// When a year begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Rule {
    Calendar { month: u32, day: u32 },
    Anniversary { march_first: bool },
    FirstOfJoinMonth,
    FirstOfNextMonth,
}

/// What part of the limit is in force in the year of the join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Proration {
    None,
    Months,
    Days,
}

/// A year: its first day, and the day after its last.
pub(super) type Year = (Day, Day);

/// The year that holds a day.
pub(super) fn year_of(rule: Rule, joined_on: Option<Day>, day: Day) -> Result<Year, Code> {
    calendar::in_range(day).map_err(|_| Code::Year)?;
    let held = |rule, anchor| calendar::cap_year(rule, anchor, day).map_err(|_| Code::Year);
    let joined = || calendar::in_range(joined_on.ok_or(Code::Year)?).map_err(|_| Code::Year);
    let not_before = |first: Day| if day < first { Err(Code::BeforeFirstYear) } else { Ok(first) };
    let anniversary = CapYear::Anniversary { march_first: false };
    match rule {
        Rule::Calendar { month, day } => held(CapYear::Calendar { month, day }, None),
        Rule::Anniversary { march_first } => held(CapYear::Anniversary { march_first }, Some(not_before(joined()?)?)),
        Rule::FirstOfJoinMonth => {
            let Day(year, month, _) = joined()?;
            held(anniversary, Some(not_before(Day(year, month, 1))?))
        }
        Rule::FirstOfNextMonth => {
            let joined = not_before(joined()?)?;
            let Day(year, month, _) = joined;
            let next = if month == 12 { Day(year + 1, 1, 1) } else { Day(year, month + 1, 1) };
            let second = Day(next.0 + 1, next.1, 1);
            if day < second { Ok((joined, second)) } else { held(anniversary, Some(next)) }
        }
    }
}

/// What part of the year lies after the join, the month or the day of the join included.
pub(super) fn fraction(proration: Proration, joined_on: Option<Day>, (start, end): Year) -> Result<Exact, Code> {
    if proration == Proration::None {
        return Ok(Exact::one());
    }
    let joined = joined_on.ok_or(Code::Year)?;
    if joined >= end {
        return Err(Code::BeforeFirstYear);
    }
    if joined <= start {
        return Ok(Exact::one());
    }
    let (part, of) = match proration {
        Proration::Months => ((1..=12).filter(|months| joined < later(start, *months)).fold(0, |left, _| left + 1), 12),
        _ => (calendar::ordinal(end) - calendar::ordinal(joined), calendar::ordinal(end) - calendar::ordinal(start)),
    };
    Exact::whole(part).over(&Exact::whole(of)).ok_or(Code::Year)
}

/// The day so many months later, or the last of that month.
fn later(Day(year, month, day): Day, months: u32) -> Day {
    let (year, month) = if month + months > 12 { (year + 1, month + months - 12) } else { (year, month + months) };
    Day(year, month, day.min(calendar::days(year, month)))
}
