//! The business day of a request: all that it holds is of one day.

use chrono::{DateTime, Utc};

use super::{Broken, Law, differs};
use crate::Date;
use crate::account::{self, Source};
use crate::event::Event;
use crate::recorded::Recorded;
use crate::stream::StreamName;

/// What the events of a request say of their day.
#[derive(Debug, Clone, Default)]
pub(super) struct Day {
    /// Each event with its business day.
    events: Vec<(StreamName, At, Date)>,
    /// A field that says the day as well, with what it says.
    field: Option<(String, At, &'static str, Date)>,
    /// Days of clawbacks, which are judged where they are due.
    others: Vec<Date>,
    /// The day that it must be, whatever they say.
    certain: Option<Date>,
}

/// The sequence of an event, and when it was recorded.
type At = (u64, DateTime<Utc>);

impl Day {
    /// Takes an event in.
    pub(super) fn apply(&mut self, recorded: &Recorded) {
        let at = (recorded.sequence, recorded.request.recorded_at);
        self.events.push((recorded.stream.clone(), at, recorded.effective));
        if let Event::Account(account::Event::EntryBooked { source: Source::Clawback { .. }, earned_on, .. }) =
            &recorded.event
        {
            self.others.push(*earned_on);
        }
    }

    /// The day that it must be: that of the sale that it credits.
    pub(super) fn must_be(&mut self, day: Date) {
        self.certain = Some(day);
    }

    /// A field of the event that was taken in last says the day.
    pub(super) fn is_told(&mut self, key: impl ToString, field: &'static str, says: Date) {
        self.field = self.events.last().map(|(_, at, _)| (key.to_string(), *at, field, says));
    }

    /// The day that most of it is of. Whatever is of another is told; what as a whole is of another, once.
    pub(super) fn end(&mut self, out: &mut Vec<Broken>) -> Option<Date> {
        let Self { events, field, others, certain } = std::mem::take(self);
        let said = field.iter().map(|(.., says)| *says).chain(others);
        let days: Vec<Date> = events.iter().map(|(.., day)| *day).chain(said).collect();
        let of = |day: Date| days.iter().filter(|other| **other == day).count();
        let first = *days.first()?;
        let most =
            if of(first) == days.len() { first } else { days.iter().copied().rev().max_by_key(|day| of(*day))? };
        let day = certain.unwrap_or(most);
        let mut tell = |key, at, field: &str, says: Date| {
            let told = differs(Law::RequestIsOfOneDay, key, (field.to_owned(), day.to_string(), says.to_string()));
            out.push(Broken { at: Some(at), ..told });
        };
        let told = if most == day { events.len() } else { 1 };
        for (stream, at, says) in events.into_iter().filter(|(.., says)| *says != day).take(told) {
            tell(stream.to_string(), at, "effective", says);
        }
        for (key, at, field, says) in field.into_iter().filter(|(.., says)| *says != day) {
            tell(key, at, field, says);
        }
        Some(day)
    }
}
