//! The decision that stores share: which requests of a group are stored, and as which rows.
//!
//! It is pure. A store reads [`Before`] under its lock, asks [`admit`], and writes what [`Admitted`] holds.

use chrono::Datelike;
use compact_str::CompactString;
use rustc_hash::FxHashMap;

use super::{Append, Clock, EventRow, Guard, Head, Outcome, RequestRow, StoreError};
use crate::chain;
use crate::limits::{EVENTS_PER_REQUEST, LAST_RECORDED_AT_US, PAYLOAD_BYTES};
use crate::stream::{StreamName, Tip};

/// What a store reads under its lock before a group is judged.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Where the ledger ends.
    pub head: Head,
    /// The stored requests that have a key of the group.
    pub requests: Vec<RequestRow>,
    /// The tips of the streams that the group guards; one that is not named is empty.
    pub tips: Vec<(StreamName, Tip)>,
}

/// What becomes of a group: the answers, and the rows to insert before they are given.
#[derive(Debug, Clone, Default)]
pub struct Admitted {
    /// One answer for each request, in order.
    pub outcomes: Vec<Outcome>,
    /// The requests to insert, in order.
    pub requests: Vec<RequestRow>,
    /// Their events, in order.
    pub events: Vec<EventRow>,
    /// Where the ledger ends after them.
    pub head: Head,
}

/// The time by which a group is recorded. A ledger never goes back in time: what was once recorded far ahead would be said of
/// all that comes after it.
///
/// # Errors
/// [`StoreError::Unusable`] when the clock is beyond the year 9999: stop, and set it right.
pub fn now_us(clock: &Clock) -> Result<i64, StoreError> {
    let now_us = clock();
    if now_us > LAST_RECORDED_AT_US {
        return Err(StoreError::Unusable("the clock is beyond the year 9999; set it right".into()));
    }
    Ok(now_us)
}

/// Judges a group, request by request, each on what the earlier ones leave.
///
/// The digests of the events are taken as they are: their author computed them.
#[must_use]
pub fn admit(group: Vec<Append>, before: Before, now_us: i64) -> Admitted {
    let mut known: FxHashMap<CompactString, RequestRow> =
        before.requests.into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut tips: FxHashMap<StreamName, Tip> = before.tips.into_iter().collect();
    let mut admitted = Admitted { head: before.head, ..Admitted::default() };
    for request in group {
        let outcome = match known.get(request.key.as_str()) {
            Some(first) if first.request_hash == request.request_hash => Outcome::AlreadyAppended(first.clone()),
            Some(first) => Outcome::KeyReused { first: first.clone() },
            None => match measure(&request).and_then(|size| has_room(size, admitted.head)) {
                Err(reason) => Outcome::Refused { reason },
                Ok(size) => conflict(&request.guards, &tips).unwrap_or_else(|| {
                    let row = admitted.store(request, size, &mut tips, now_us);
                    planted!(KeyTwiceInGroup => None, known.insert(row.key.clone(), row.clone()));
                    Outcome::Appended(row)
                }),
            },
        };
        mark!(AlreadyAdmitted, matches!(outcome, Outcome::AlreadyAppended(_)));
        mark!(ReuseRefused, matches!(outcome, Outcome::KeyReused { .. }));
        mark!(GuardFailed, matches!(outcome, Outcome::Conflict { .. }));
        admitted.outcomes.push(outcome);
    }
    admitted
}

/// The number of events of a request that is well formed.
///
/// # Errors
/// What is wrong with it.
pub fn measure(request: &Append) -> Result<u16, &'static str> {
    let size = match u16::try_from(request.events.len()) {
        Ok(0) => return Err("it has no event"),
        Ok(size) if usize::from(size) <= EVENTS_PER_REQUEST => size,
        _ => return Err("it has too many events"),
    };
    let mut versions = FxHashMap::default();
    for guard in &request.guards {
        if versions.insert(&guard.stream, guard.tip.version).is_some() {
            return Err("it guards a stream twice");
        }
    }
    for event in &request.events {
        if event.payload.is_empty() || event.payload.len() > PAYLOAD_BYTES {
            return Err("a payload is empty or too large");
        }
        // Dates are kept as text of one length.
        if !(0..=9999).contains(&event.effective.year()) {
            return Err("an effective date is outside the years 0 to 9999");
        }
        let Some(version) = versions.get_mut(&event.stream) else {
            return Err("it writes a stream that it does not guard");
        };
        if version.checked_add(1) != Some(event.version) {
            return Err("the versions of a stream do not follow the guarded tip");
        }
        *version = event.version;
    }
    Ok(size)
}

fn has_room(size: u16, head: Head) -> Result<u16, &'static str> {
    // Databases count in signed integers.
    let last = head.sequence.checked_add(size.into()).and_then(|last| i64::try_from(last).ok());
    last.map(|_| size).ok_or("the ledger has no sequence left")
}

/// The first guard whose stream has moved on.
fn conflict(guards: &[Guard], tips: &FxHashMap<StreamName, Tip>) -> Option<Outcome> {
    guards.iter().take(planted!(FirstGuardOnly => 1, guards.len())).find_map(|Guard { stream, tip: expected }| {
        let actual = tips.get(stream).copied().unwrap_or(Tip::EMPTY);
        let moved = planted!(GuardByVersion => actual.version != expected.version, actual != *expected);
        let moved = moved && !(planted!(EmptyGuardHolds) && expected.version == 0);
        moved.then(|| Outcome::Conflict { stream: stream.clone(), expected: *expected, actual })
    })
}

impl Admitted {
    fn store(&mut self, request: Append, size: u16, tips: &mut FxHashMap<StreamName, Tip>, now_us: i64) -> RequestRow {
        mark!(ClockHeldBack, now_us < self.head.recorded_at_us);
        let first_sequence = self.head.sequence.saturating_add(1);
        let recorded_at_us = planted!(RecordedAtBack => now_us, self.head.recorded_at_us.max(now_us));
        let digests = request.events.iter().map(|event| &event.digest);
        let row = RequestRow {
            key: request.key.as_str().into(),
            request_hash: request.request_hash,
            actor: request.actor,
            first_sequence,
            size,
            recorded_at_us,
            link: chain::link(
                &planted!(LinkWithoutPrevious => chain::Digest::ZERO, self.head.link),
                first_sequence,
                recorded_at_us,
                digests,
            ),
        };
        for ((event, sequence), index) in request.events.into_iter().zip(first_sequence..).zip(0..) {
            tips.insert(event.stream.clone(), Tip { version: event.version, digest: event.digest });
            self.events.push(EventRow {
                sequence,
                stream: event.stream,
                version: event.version,
                type_name: event.type_name,
                schema_version: event.schema_version,
                index,
                effective: event.effective,
                payload: event.payload,
                digest: event.digest,
            });
        }
        let head_at_us = planted!(HeadTimeStays => self.head.recorded_at_us, recorded_at_us);
        self.head = Head { sequence: row.last_sequence(), link: row.link, recorded_at_us: head_at_us };
        self.requests.push(row.clone());
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Digest;
    use crate::id::Key;
    use crate::store::NewEvent;

    fn request(events: Vec<NewEvent>, guards: &[&str]) -> Append {
        let guards =
            guards.iter().map(|name| Guard { stream: StreamName::from_stored(name), tip: Tip::EMPTY }).collect();
        Append { key: Key::new("k").unwrap(), request_hash: Digest::ZERO, actor: "a".into(), guards, events }
    }

    fn event(stream: &str, version: u64) -> NewEvent {
        NewEvent {
            stream: StreamName::from_stored(stream),
            version,
            type_name: "t".into(),
            schema_version: 1,
            effective: "2026-01-01".parse().unwrap(),
            payload: b"{}".to_vec(),
            digest: Digest::of(&version.to_be_bytes()),
        }
    }

    fn refusal(request: Append) -> Option<&'static str> {
        let admitted = admit(vec![request], Before::default(), 0);
        match admitted.outcomes.as_slice() {
            [Outcome::Refused { reason }] => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn what_is_malformed_is_refused_and_leaves_nothing() {
        assert_eq!(refusal(request(vec![event("s", 1)], &["s"])), None);
        assert_eq!(refusal(request(vec![], &["s"])), Some("it has no event"));
        let many = |n: usize| request((1..=n as u64).map(|version| event("s", version)).collect(), &["s"]);
        assert_eq!(refusal(many(EVENTS_PER_REQUEST)), None);
        assert_eq!(refusal(many(EVENTS_PER_REQUEST + 1)), Some("it has too many events"));
        assert_eq!(refusal(many(70_000)), Some("it has too many events"));
        assert_eq!(refusal(request(vec![event("s", 1)], &["s", "s"])), Some("it guards a stream twice"));
        assert_eq!(refusal(request(vec![event("s", 1)], &[])), Some("it writes a stream that it does not guard"));
        for versions in [vec![0], vec![2], vec![1, 1], vec![1, 3], vec![u64::MAX]] {
            let events = versions.iter().map(|version| event("s", *version)).collect();
            let reason = "the versions of a stream do not follow the guarded tip";
            assert_eq!(refusal(request(events, &["s"])), Some(reason), "{versions:?}");
        }
        let sized = |bytes| request(vec![NewEvent { payload: vec![0; bytes], ..event("s", 1) }], &["s"]);
        assert_eq!(refusal(sized(PAYLOAD_BYTES)), None);
        assert_eq!(refusal(sized(PAYLOAD_BYTES + 1)), Some("a payload is empty or too large"));
    }

    #[test]
    fn a_ledger_at_its_end_refuses() {
        let head = Head { sequence: i64::MAX.unsigned_abs(), ..Head::default() };
        let admitted = admit(vec![request(vec![event("s", 1)], &["s"])], Before { head, ..Before::default() }, 0);
        assert_eq!(admitted.outcomes, [Outcome::Refused { reason: "the ledger has no sequence left" }]);
        assert_eq!((admitted.head, admitted.events.len()), (head, 0));
    }
}
