//! Snapshots: long streams, folded and kept, so that loading one reads its tail only.
//!
//! A snapshot is a guess that the log confirms. It is used only if nothing about it is damaged, it is of this stream of this
//! ledger, the stream has its event at its version, and the link there is the one that it was taken at: that link covers
//! everything before it, so that a snapshot of a history that was rolled back is never used on another one.

use super::desk::Desk;
use crate::chain::{Digest, snapshot_check};
use crate::codec::canonical;
use crate::id::LedgerName;
use crate::slice::{Folded, STATE_FORM, State};
use crate::store::{EventRow, RequestRow, SnapshotRow};
use crate::stream::{StreamId, Tip};

/// A stream as the request left it that wrote its last event.
pub(super) fn take(ledger: &LedgerName, stream: &StreamId, folded: &Folded, place: Place) -> SnapshotRow {
    let mut row = SnapshotRow {
        stream: stream.name(),
        version: folded.tip.version,
        digest: folded.tip.digest,
        first_sequence: place.first_sequence,
        link: place.link,
        form: STATE_FORM,
        state: canonical(&folded.state),
        check: Digest::ZERO,
    };
    row.check = snapshot_check(ledger.as_str(), &row);
    row
}

/// Whether a stream passes a version at which it is kept: a multiple of `every`, and when it is long, of a doubling of it.
///
/// A state can be as long as its stream. Were it kept as often however long it is, a busy account's events would cost the more
/// the more there are. A long stream has at most an eighth of it after its snapshot.
pub(super) fn is_due(every: u64, before: u64, after: u64) -> bool {
    let doublings = (after / every / 8).max(1).ilog2();
    let step = every.saturating_mul(1 << doublings);
    after / step > before / step
}

/// The request that a snapshot was taken after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub first_sequence: u64,
    pub link: Digest,
}

impl From<&RequestRow> for Place {
    fn from(row: &RequestRow) -> Self {
        Self { first_sequence: row.first_sequence, link: row.link }
    }
}

/// A snapshot that is in order, but not yet confirmed by the log.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    pub folded: Folded,
    place: Place,
}

impl Unconfirmed {
    /// What a row holds, if it is whole and of this stream.
    pub(super) fn open(ledger: &LedgerName, stream: &StreamId, row: &SnapshotRow) -> Option<Self> {
        let whole = row.form == STATE_FORM && row.check == snapshot_check(ledger.as_str(), row);
        if !whole || row.stream != stream.name() {
            return None;
        }
        let state: State = serde_json::from_slice(&row.state).ok()?;
        let same_kind = std::mem::discriminant(&state) == std::mem::discriminant(&Folded::empty(stream).state);
        let tip = Tip { version: row.version, digest: row.digest };
        let place = Place { first_sequence: row.first_sequence, link: row.link };
        (same_kind && canonical(&state) == row.state).then_some(Self { folded: Folded { tip, state }, place })
    }

    /// Whether the log has what the snapshot was taken at: this event, and before it the same history.
    pub(super) async fn is_confirmed(&self, desk: Desk<'_>, event: &EventRow) -> bool {
        if self.folded.tip != (Tip { version: event.version, digest: event.digest }) {
            return false;
        }
        let page = desk.store.read_log(desk.name, self.place.first_sequence.saturating_sub(1), 1).await;
        // Without an answer the log is read from the beginning, or says itself what is wrong.
        let Ok(page) = page else { return false };
        let covers = |row: &&RequestRow| (row.first_sequence..=row.last_sequence()).contains(&event.sequence);
        page.requests.first().filter(covers).map(Place::from) == Some(self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::testing::Books;

    const PLACE: Place = Place { first_sequence: 1, link: Digest::ZERO };

    /// An account of 50,000 entries was written out, 8 MB, every 1,000 events.
    #[test]
    fn what_is_kept_of_a_stream_is_in_proportion_to_it() {
        let (mut last, mut all) = (0, 0);
        for version in 1..=1_000_000 {
            if is_due(1_000, version - 1, version) {
                all += version;
                last = version;
            }
            assert!(version - last <= (version / 8).max(999), "{last} is the last before {version}");
            assert!(all <= version * 32, "{all} is kept of {version}");
        }
        for every in [1, 7, u64::MAX] {
            assert_eq!([is_due(every, every - 1, every), is_due(every, 0, every - 1)], [true, false]);
            assert!(!is_due(every, every, every));
        }
    }

    #[test]
    fn every_state_comes_back_as_it_was() {
        let books = Books::random(3, 400);
        for (stream, folded) in &books.streams {
            let row = take(&books.ledger, stream, folded, PLACE);
            let opened = Unconfirmed::open(&books.ledger, stream, &row).map(|snapshot| snapshot.folded);
            assert_eq!(opened.as_ref(), Some(folded), "{stream}");
        }
    }

    /// A state that is serialised otherwise would be read from snapshots that were taken before.
    #[test]
    fn a_change_of_any_state_is_a_change_of_the_form() {
        let books = Books::random(7, 400);
        let states: Vec<u8> = books.streams.values().flat_map(|folded| canonical(&folded.state)).collect();
        let known = [(4, "3b899901bc7a9328f350da3ef1adfa80711ceadafa02047fc3a6ba9d81bf4407")];
        assert_eq!((STATE_FORM, Digest::of(&states).to_string().as_str()), known[0], "make a new form");
    }
}
