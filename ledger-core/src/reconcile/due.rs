//! What a request must hold because of what else it holds: the events that are due beside those that were posted.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::log::Law;
use super::text;
use crate::account::{self, Source};
use crate::codec::encode;
use crate::deal::{Completion, Earned, book, sale};
use crate::event::Event;
use crate::id::{DealId, EntryId};
use crate::money::Money;
use crate::projection::audit::Action;
use crate::recorded::Recorded;
use crate::stream::StreamId;
use crate::waterfall::Contribution;
use crate::{Date, attainment, cap, customer, spend};

/// An event that is posted only because it is due.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) event: Event,
    /// Its sequence, and when it was recorded.
    pub(super) at: (u64, DateTime<Utc>),
    /// The entry that it books. Nobody but the decision knows the name of a clawback, so in the event that of what it takes back
    /// stands in its place.
    pub(super) books: Option<EntryId>,
}

impl Posted {
    /// The event, if it is of a kind that must be due.
    pub(super) fn of(recorded: &Recorded) -> Option<Self> {
        let mut event = match &recorded.event {
            Event::Cap(cap::Event::Contributed { .. } | cap::Event::Reached { .. } | cap::Event::Reversed { .. })
            | Event::Attainment(attainment::Event::Counted { .. } | attainment::Event::Reversed { .. })
            | Event::Spend(_)
            | Event::Customer(_)
            | Event::Account(
                account::Event::EntryReversed { .. }
                | account::Event::EntryBooked { source: Source::Commission { .. } | Source::Clawback { .. }, .. },
            ) => recorded.event.clone(),
            _ => return None,
        };
        let mut books = None;
        if let Event::Account(account::Event::EntryBooked { entry, source, .. }) = &mut event {
            books = Some(*entry);
            if let Source::Clawback { of, .. } = source {
                *entry = *of;
            }
        }
        Some(Self { event, at: (recorded.sequence, recorded.request.recorded_at), books })
    }
}

/// What a completed deal must post.
pub(super) fn by_completion(completion: &Completion) -> Vec<Event> {
    let Completion { deal, completed_on, caps, attainments, entries, .. } = completion;
    let mut due: Vec<Event> = Vec::new();
    for Contribution { account, limit, before, after } in caps {
        let (account, deal, limit) = (|| account.clone(), || deal.clone(), *limit);
        if let Some(amount) = after.minus(*before).ok().filter(|amount| !amount.is_zero()) {
            due.push(cap::Event::Contributed { account: account(), deal: deal(), amount, limit }.into());
        }
        if before.minor() < limit.minor() && limit.minor() <= after.minor() {
            due.push(cap::Event::Reached { account: account(), deal: deal(), limit }.into());
        }
    }
    for progress in attainments.iter().filter(|progress| progress.after != progress.before) {
        due.extend(attainment::Event::counted(progress, deal).ok().map(Event::from));
    }
    for Earned { payee, entry, amount } in entries {
        let Some(entry) = *entry else { continue };
        due.push(book(payee, entry, Source::Commission { deal: deal.clone() }, *amount, *completed_on).1);
    }
    due
}

/// What books an entry of a sale.
pub(super) fn booking(deal: &DealId, sale::Earned { payee, entry, amount, on, .. }: &sale::Earned) -> Event {
    book(payee, *entry, Source::Commission { deal: deal.clone() }, *amount, *on).1
}

/// Dates what is of the day of its request: a clawback.
pub(super) fn date(event: &mut Event, day: Date) {
    if let Event::Account(account::Event::EntryBooked { source: Source::Clawback { .. }, earned_on, .. }) = event {
        *earned_on = day;
    }
}

/// The entry of a deal that an event books.
pub(super) fn booked(event: &Event) -> Option<EntryId> {
    match event {
        Event::Account(account::Event::EntryBooked { entry, source: Source::Commission { .. }, .. }) => Some(*entry),
        _ => None,
    }
}

/// The deal that an event says something of.
pub(super) fn deal(event: &Event) -> Option<&DealId> {
    match event {
        Event::Cap(cap::Event::Contributed { deal, .. })
        | Event::Attainment(attainment::Event::Counted { deal, .. })
        | Event::Spend(spend::Event::Counted { deal, .. })
        | Event::Account(account::Event::EntryBooked { source: Source::Commission { deal }, .. }) => Some(deal),
        _ => None,
    }
}

/// The law by which an event is due.
pub(super) fn law(event: &Event) -> Law {
    match event {
        Event::Cap(cap::Event::Reached { .. }) => Law::CapIsReached,
        Event::Cap(_) | Event::Attainment(_) | Event::Spend(_) => Law::ContributionIsPosted,
        Event::Customer(_) => Law::CustomerIsTold,
        Event::Account(
            account::Event::EntryReversed { .. } | account::Event::EntryBooked { source: Source::Clawback { .. }, .. },
        ) => Law::ReversalIsExact,
        _ => Law::EarnedIsBooked,
    }
}

/// What an event is about: a cap, an attainment, a spend limit or an entry.
pub(super) fn key(event: &Event) -> String {
    match event {
        Event::Cap(
            cap::Event::Contributed { account, .. }
            | cap::Event::Reached { account, .. }
            | cap::Event::Reversed { account, .. },
        ) => cap::stream(account).to_string(),
        Event::Attainment(event) => attainment::stream(event.account()).to_string(),
        Event::Spend(spend::Event::Counted { account, .. } | spend::Event::Reversed { account, .. }) => {
            spend::stream(account).to_string()
        }
        Event::Customer(
            customer::Event::Earned { customer, payee, .. } | customer::Event::Forgotten { customer, payee, .. },
        ) => StreamId::Customer { customer: customer.clone(), payee: payee.clone() }.to_string(),
        Event::Account(account::Event::EntryBooked { entry, .. } | account::Event::EntryReversed { entry, .. }) => {
            entry.to_string()
        }
        _ => String::new(),
    }
}

/// The sale that a customer is told of.
pub(super) fn told_of(event: &Event) -> Option<&DealId> {
    match event {
        Event::Customer(customer::Event::Earned { deal, .. } | customer::Event::Forgotten { deal, .. }) => Some(deal),
        _ => None,
    }
}

/// How much money an event is about.
pub(super) fn amount(event: &Event) -> Option<Money> {
    match event {
        Event::Cap(cap::Event::Contributed { amount, .. } | cap::Event::Reversed { amount, .. })
        | Event::Spend(spend::Event::Counted { amount, .. } | spend::Event::Reversed { amount, .. })
        | Event::Account(account::Event::EntryBooked { amount, .. } | account::Event::EntryReversed { amount, .. }) => {
            Some(*amount)
        }
        Event::Cap(cap::Event::Reached { limit, .. }) => Some(*limit),
        Event::Attainment(event) => Some(event.attained().revenue),
        _ => None,
    }
}

/// Each event that is due beside the one that was posted for it: the same or, where there is none, the first that is left of its
/// kind.
pub(super) fn pairs<'a>(due: &'a [Event], posted: &'a [Posted]) -> Vec<(Option<&'a Event>, Option<&'a Posted>)> {
    let mut left: Vec<&Event> = due.iter().collect();
    let mut pairs = Vec::with_capacity(due.len());
    for posted in posted {
        let same = left.iter().position(|due| **due == posted.event);
        pairs.push((same.map(|place| left.remove(place)), Some(posted)));
    }
    for (due, posted) in &mut pairs {
        if let (None, Some(Posted { event, .. })) = (&due, posted) {
            let similar = left.iter().position(|due| Action::of(due) == Action::of(event));
            *due = similar.map(|place| left.remove(place));
        }
    }
    pairs.extend(left.into_iter().map(|due| (Some(due), None)));
    pairs
}

/// The first field in which two events differ, with what it should be and what it is.
pub(super) fn differing_events(expected: &Event, found: &Event) -> Option<(String, String, String)> {
    let [expected, found] = [expected, found].map(|event| serde_json::from_slice::<Value>(&encode(event).payload).ok());
    walk("", expected.as_ref(), found.as_ref())
}

/// The first place below `place` in which two values differ, with what should stand there and what does.
pub(super) fn differing<T: PartialEq + Serialize>(
    place: &str,
    expected: &T,
    found: &T,
) -> Option<(String, String, String)> {
    if expected == found {
        return None;
    }
    let [expected, found] = [expected, found].map(|value| serde_json::to_value(value).ok());
    walk(place, expected.as_ref(), found.as_ref())
}

fn walk(place: &str, expected: Option<&Value>, found: Option<&Value>) -> Option<(String, String, String)> {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (expected, found) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            left.keys().chain(right.keys()).find_map(|key| walk(&below(key), left.get(key), right.get(key)))
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => (0..left.len().max(right.len()))
            .find_map(|index| walk(&below(&index.to_string()), left.get(index), right.get(index))),
        _ => (expected != found).then(|| (place.to_owned(), text(expected), text(found))),
    }
}
