use std::sync::Arc;

use chrono::DateTime;
use ledger_core::chain::Digest;
use ledger_core::codec;
use ledger_core::id::{Actor, Key};
use ledger_core::projection::replay::{self, AsOf, ReplayError, each_event};
use ledger_core::projection::{All, Checkpoint, Projected, Projection};
use ledger_core::recorded::{Recorded, RecordedRequest};
use ledger_core::store::{EventRow, RequestRow};
use sha2::{Digest as _, Sha256};

use crate::rows::{HONEST, ReadOnly, Rows, now};
use crate::tape::Tape;

/// A replay of rows that anybody has changed comes to what those very rows say, when every digest and link of them fits, and
/// is refused when one does not: through pages of any size, and by every way of reading the log.
///
/// Input: how often something is done, whether the chain is made to fit in the end, how large pages are, then, each time,
/// whether the chain is made to fit before it, and what is done; see [`Rows::tamper`].
pub fn replay(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let (times, owner, page) = (tape.below(5), tape.below(2) == 1, 1 + tape.below(20));
    let mut rows = HONEST.clone();
    let mut done = Vec::new();
    for _ in 0..times {
        if tape.below(4) == 0 {
            rows = rows.relinked();
        }
        done.extend(rows.tamper(&mut tape));
    }
    let rows = if owner { rows.relinked() } else { rows.read() };
    let expected = by_hand(&rows);
    let store = || ReadOnly::new(&rows);
    let told = |answer: Result<All, ReplayError>, how: &str| match (answer, &expected) {
        (Ok(all), Some((expected, _))) => assert!(all == *expected, "{how} comes to something else after {done:?}"),
        (Ok(_), None) => panic!("{how} reads past what does not fit after {done:?}"),
        (Err(error), Some(_)) => panic!("{how} refuses what fits after {done:?}: {error}"),
        (Err(_), None) => {}
    };
    for (page, how) in [(page, "a replay through small pages"), (1_000, "a replay")] {
        let answer = now(replay::replay(&store(), &rows.ledger, Projected::<All>::new(), page, |_| ()));
        if let Ok(projected) = &answer {
            assert_eq!(projected.checkpoint(), expected.as_ref().map_or(Checkpoint::default(), |(_, end)| *end));
        }
        told(answer.map(Projected::into_state), how);
    }
    told(now(replay::replay_as_of(&store(), &rows.ledger, AsOf::default(), page, |_| ())), "a replay as of today");
    let mut all = All::default();
    let each = now(each_event(&store(), &rows.ledger, page, |_| (), |recorded| all.apply(recorded)));
    told(each.map(|()| all), "a reader of each event");
}

/// What the rows come to, by nothing but the stored form.
fn by_hand(rows: &Rows) -> Option<(All, Checkpoint)> {
    let (mut all, mut end) = (All::default(), Checkpoint::default());
    if rows.head.sequence == 0 {
        // Nothing is read, so this link is the only one there is.
        return (rows.head.link == Digest::ZERO).then(|| (All::default(), Checkpoint::default()));
    }
    let (mut events, mut requests) = (rows.events.iter(), 0);
    for row in &rows.requests {
        if end.sequence >= rows.head.sequence {
            break;
        }
        if row.first_sequence != end.sequence + 1 || row.size == 0 {
            return None;
        }
        requests += 1;
        let own: Vec<_> = events.by_ref().take(row.size.into()).collect();
        let digests: Vec<_> = own.iter().map(|event| digest(rows, row, event)).collect();
        end = Checkpoint { sequence: end.sequence + u64::from(row.size), link: link(&end.link, row, &digests) };
        if own.len() < row.size.into() || end.link != row.link {
            return None;
        }
        let request = Arc::new(RecordedRequest {
            key: Key::new(&row.key).ok()?,
            actor: Actor::new(&row.actor).ok()?,
            recorded_at: DateTime::from_timestamp_micros(row.recorded_at_us)?,
            first_sequence: row.first_sequence,
            last_sequence: end.sequence,
            link: row.link,
        });
        for ((event, digest), index) in own.into_iter().zip(digests).zip(0..) {
            let sequence = row.first_sequence + u64::from(index);
            if event.sequence != sequence || event.index != index || event.digest != digest {
                return None;
            }
            all.apply(&Recorded {
                sequence,
                stream: event.stream.clone(),
                version: event.version,
                effective: event.effective,
                event: codec::decode(&event.type_name, event.schema_version, &event.payload).ok()?,
                request: Arc::clone(&request),
            });
        }
    }
    // Rows come by their sequences, so one that is left and stands at or before the end stands there twice.
    let nothing_stands_twice = events.next().is_none_or(|event| event.sequence > end.sequence)
        && rows.requests.iter().filter(|row| row.first_sequence <= end.sequence).count() == requests;
    (end.sequence == rows.head.sequence && nothing_stands_twice).then_some((all, end))
}

struct Hash(Sha256);

impl Hash {
    fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.update(u32::try_from(text.as_ref().len()).unwrap().to_be_bytes());
        self.bytes(text)
    }

    fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.update(bytes);
        self
    }
}

/// The digest of an event, from FORMAT.md.
fn digest(rows: &Rows, request: &RequestRow, event: &EventRow) -> Digest {
    let epoch = ledger_core::Date::from_ymd_opt(1970, 1, 1).unwrap();
    let days = i32::try_from((event.effective - epoch).num_days()).unwrap();
    let hash = Hash(Sha256::new())
        .text("payledger event 1")
        .text(rows.ledger.as_str())
        .text(event.stream.as_str())
        .bytes(event.version.to_be_bytes())
        .text(&event.type_name)
        .bytes(event.schema_version.to_be_bytes())
        .text(&request.key)
        .bytes(request.request_hash.0)
        .text(&request.actor)
        .bytes(days.to_be_bytes())
        .bytes(event.index.to_be_bytes())
        .bytes(request.size.to_be_bytes())
        .text(&event.payload);
    Digest(hash.0.finalize().into())
}

/// The link after a request, from FORMAT.md.
fn link(before: &Digest, request: &RequestRow, digests: &[Digest]) -> Digest {
    let hash = Hash(Sha256::new())
        .text("payledger link 1")
        .bytes(before.0)
        .bytes(request.first_sequence.to_be_bytes())
        .bytes(request.recorded_at_us.to_be_bytes())
        .bytes(u32::try_from(digests.len()).unwrap().to_be_bytes());
    let hash = digests.iter().fold(hash, |hash, digest| hash.bytes(digest.0));
    Digest(hash.0.finalize().into())
}
