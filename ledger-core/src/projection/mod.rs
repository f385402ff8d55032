//! What the ledger comes to: registers, balances, cap progress and reports, each a fold of the log and nothing else.
//!
//! A [`Projection`] is told every event in the order of the log and keeps what its report needs. It decides nothing, asks
//! nothing and cannot fail, so the same log always comes to the same state: from the beginning, from any [`Checkpoint`], and
//! through pages of any size. Its fingerprint says so in one line.
//!
//! [`Projected`] is a projection with its place in the log. [`All`] is every projection of the ledger, folded in one pass.

pub mod audit;
pub mod balances;
pub mod caps;
pub mod credits;
pub mod csv;
pub mod hledger;
pub mod journal;
pub mod payouts;
pub mod plans;
pub mod read_model;
pub mod register;
pub mod replay;
pub mod statistics;
pub mod sum;
pub mod summary;
#[cfg(test)]
pub(crate) mod testing;

use compact_str::CompactString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::chain::Digest;
use crate::recorded::Recorded;
use crate::store::CheckpointRow;

/// A deterministic fold of the log.
pub trait Projection: Default + Serialize + DeserializeOwned {
    /// The name that its checkpoints are kept under.
    const NAME: &'static str;
    /// The version of its state's form and of its fold. A change of either makes a new one, and old checkpoints are refused.
    const VERSION: u32;

    /// Folds one event in.
    fn apply(&mut self, recorded: &Recorded);

    /// The state as it is stored: JSON whose objects are in order. Equal states have equal bytes.
    #[must_use]
    fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_canonical(self, &mut bytes);
        bytes
    }

    /// SHA-256 of the canonical bytes.
    #[must_use]
    fn fingerprint(&self) -> Digest {
        let mut hash = Hashing(Sha256::new());
        write_canonical(self, &mut hash);
        Digest(hash.0.finalize().into())
    }
}

/// A place in the log at which a request ends, which is where a state can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The sequence of the last event; 0 before the first.
    pub sequence: u64,
    /// The link of the chain there; all zero before the first event.
    pub link: Digest,
}

/// A projection with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projected<P> {
    state: P,
    /// The last sequence that was folded.
    position: u64,
    /// The last end of a request that was folded.
    checkpoint: Checkpoint,
}

/// Events came out of order: the reader skipped some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the projection stands at event {position} and was given event {found}: the events between them are missing")]
pub struct Gap {
    /// The last sequence that was folded.
    pub position: u64,
    /// The sequence that was given.
    pub found: u64,
}

/// The state stands inside a request; it can be kept when the rest of the request is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the projection stands at event {position}, inside a request: fold the rest of the request before keeping it")]
pub struct InsideRequest {
    /// The last sequence that was folded.
    pub position: u64,
}

/// A kept state that this projection does not go on from. Replay from the beginning instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It is of another projection.
    #[error("the checkpoint is of the projection {found}, not of {expected}: replay from the beginning")]
    OtherProjection {
        /// The projection's name.
        expected: &'static str,
        /// The name that it was kept under.
        found: CompactString,
    },
    /// It was written by another version of the projection.
    #[error("the checkpoint of {name} is of version {found}, this is version {expected}: replay from the beginning")]
    OtherVersion {
        /// The projection's name.
        name: &'static str,
        /// The version of the projection.
        expected: u32,
        /// The version that it was written by.
        found: u32,
    },
    /// The bytes are not such a state.
    #[error("the checkpoint of {name} at event {sequence} cannot be read: {what}; replay from the beginning")]
    Malformed {
        /// The projection's name.
        name: &'static str,
        /// The sequence that it is said to stand at.
        sequence: u64,
        /// What is wrong, and where.
        what: String,
    },
    /// The bytes mean a state, but are not the ones that this projection writes for it.
    #[error("the checkpoint of {name} at event {sequence} is not in canonical form: replay from the beginning")]
    NotCanonical {
        /// The projection's name.
        name: &'static str,
        /// The sequence that it is said to stand at.
        sequence: u64,
    },
    /// The checkpoints of several projections do not stand at one place.
    #[error("the checkpoint of {name} stands at event {found}, the others at {expected}: replay from the beginning")]
    ElsewhereInTheLog {
        /// The projection's name.
        name: &'static str,
        /// Where the others stand.
        expected: u64,
        /// Where it stands.
        found: u64,
    },
    /// There is no checkpoint of this projection.
    #[error("there is no checkpoint of {name}: replay from the beginning")]
    Missing {
        /// The projection's name.
        name: &'static str,
    },
}

impl<P: Projection> Projected<P> {
    /// The projection of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the log comes to.
    #[must_use]
    pub fn state(&self) -> &P {
        &self.state
    }

    /// What the log comes to, without its place.
    #[must_use]
    pub fn into_state(self) -> P {
        self.state
    }

    /// The last end of a request that was folded.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// SHA-256 of the state's canonical bytes.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.state.fingerprint()
    }

    /// Folds one event in. An event that was folded before changes nothing.
    ///
    /// # Errors
    /// [`Gap`] when events before it were not folded; nothing has changed then.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), Gap> {
        if recorded.sequence <= self.position {
            mark!(Redelivered);
            planted!(RedeliveredFolded => self.state.apply(recorded));
            return Ok(());
        }
        if recorded.sequence - self.position != 1 {
            return Err(Gap { position: self.position, found: recorded.sequence });
        }
        self.state.apply(recorded);
        self.position = recorded.sequence;
        if recorded.sequence == recorded.request.last_sequence {
            self.checkpoint = Checkpoint { sequence: recorded.sequence, link: recorded.request.link };
        }
        Ok(())
    }

    /// Folds events in.
    ///
    /// # Errors
    /// [`Gap`] at the first event that cannot follow.
    pub fn fold<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) -> Result<(), Gap> {
        events.into_iter().try_for_each(|recorded| self.apply(recorded))
    }

    /// The state as a store keeps it.
    ///
    /// # Errors
    /// [`InsideRequest`] when the last request was not folded to its end.
    pub fn save(&self) -> Result<CheckpointRow, InsideRequest> {
        if self.position != self.checkpoint.sequence {
            return Err(InsideRequest { position: self.position });
        }
        Ok(row(&self.state, self.checkpoint))
    }

    /// Goes on from a state that was kept.
    ///
    /// # Errors
    /// [`Unusable`] when the row is not a state of this projection in this version.
    pub fn restore(row: &CheckpointRow) -> Result<Self, Unusable> {
        let (name, sequence) = (P::NAME, row.sequence);
        if row.name != name {
            return Err(Unusable::OtherProjection { expected: name, found: row.name.clone() });
        }
        if row.version != P::VERSION {
            return Err(Unusable::OtherVersion { name, expected: P::VERSION, found: row.version });
        }
        let malformed = |error: serde_json::Error| Unusable::Malformed { name, sequence, what: error.to_string() };
        let state: P = serde_json::from_slice(&row.state).map_err(malformed)?;
        if state.canonical() != row.state {
            return Err(Unusable::NotCanonical { name, sequence });
        }
        let checkpoint = Checkpoint { sequence, link: row.link };
        Ok(Self { state, position: sequence, checkpoint })
    }
}

fn row<P: Projection>(state: &P, Checkpoint { sequence, link }: Checkpoint) -> CheckpointRow {
    CheckpointRow { name: P::NAME.into(), version: P::VERSION, sequence, link, state: state.canonical() }
}

fn write_canonical<P: Projection>(state: &P, to: &mut impl std::io::Write) {
    // A state has keys that are text and no floats, and its bytes go to memory: there is nothing that could fail.
    let _ = serde_json::to_writer(to, state);
}

/// Hashes what is written, so that a large state is never held as bytes only to be hashed.
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

macro_rules! all {
    ($($(#[doc = $doc:literal])+ $field:ident: $projection:ty,)+) => {
        /// Every projection of the ledger, folded in one pass.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct All {
            $($(#[doc = $doc])+ pub $field: $projection,)+
        }

        impl Projection for All {
            const NAME: &'static str = "all";
            const VERSION: u32 = 1;

            fn apply(&mut self, recorded: &Recorded) {
                $(self.$field.apply(recorded);)+
            }
        }

        impl All {
            /// The names under which the checkpoints are kept.
            pub const NAMES: &'static [&'static str] = &[$(<$projection>::NAME),+];

            /// The fingerprint of each projection, by its name.
            #[must_use]
            pub fn fingerprints(&self) -> Vec<(&'static str, Digest)> {
                vec![$((<$projection>::NAME, self.$field.fingerprint())),+]
            }
        }

        impl Projected<All> {
            /// Each projection's state as a store keeps it.
            ///
            /// # Errors
            /// [`InsideRequest`] when the last request was not folded to its end.
            pub fn save_each(&self) -> Result<Vec<CheckpointRow>, InsideRequest> {
                if self.position != self.checkpoint.sequence {
                    return Err(InsideRequest { position: self.position });
                }
                Ok(vec![$(row(&self.state.$field, self.checkpoint)),+])
            }

            /// The state of the projection of that name as a store keeps it, `all` being all of them; none inside a request.
            #[must_use]
            pub fn save_named(&self, name: &str) -> Option<CheckpointRow> {
                if self.position != self.checkpoint.sequence {
                    return None;
                }
                $(if name == <$projection>::NAME {
                    return Some(row(&self.state.$field, self.checkpoint));
                })+
                (name == All::NAME).then(|| row(&self.state, self.checkpoint))
            }

            /// Goes on from states that were kept at one place in the log.
            ///
            /// # Errors
            /// [`Unusable`] when a projection has no row that it can go on from, or the rows are of different places.
            pub fn restore_each(rows: &[CheckpointRow]) -> Result<Self, Unusable> {
                let first = rows.first().map(|row| Checkpoint { sequence: row.sequence, link: row.link });
                let checkpoint = first.unwrap_or_default();
                let state = All { $($field: restore_at(rows, checkpoint)?,)+ };
                Ok(Self { state, position: checkpoint.sequence, checkpoint })
            }
        }
    };
}

fn restore_at<P: Projection>(rows: &[CheckpointRow], checkpoint: Checkpoint) -> Result<P, Unusable> {
    let name = P::NAME;
    let row = rows.iter().find(|row| row.name == name).ok_or(Unusable::Missing { name })?;
    if (row.sequence, row.link) != (checkpoint.sequence, checkpoint.link) {
        return Err(Unusable::ElsewhereInTheLog { name, expected: checkpoint.sequence, found: row.sequence });
    }
    Projected::restore(row).map(Projected::into_state)
}

all! {
    /// One row a payout.
    register: register::Register,
    /// How many payouts stand where, and over how much.
    statistics: statistics::Statistics,
    /// What each payee earned, is owed and was paid.
    summary: summary::Summary,
    /// How far each payee is towards each cap.
    caps: caps::Caps,
    /// Who did what, how often.
    audit: audit::Audit,
    /// The balance of every account.
    journal: journal::Journal,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::replay::{AsOf, ReplayError, each_event, fold, replay, replay_as_of, replay_through};
    use super::testing::{Books, ready};
    use super::*;
    use crate::store::Store;

    fn folded(events: &[Recorded]) -> Projected<All> {
        let mut projected = Projected::new();
        projected.fold(events).unwrap();
        projected
    }

    /// The sequences at which requests end.
    fn ends(events: &[Recorded]) -> Vec<u64> {
        let mut ends: Vec<u64> = events.iter().map(|recorded| recorded.request.last_sequence).collect();
        ends.dedup();
        ends
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_replay_from_any_checkpoint_through_any_pages_comes_to_what_was_folded_live(
            seed: u64,
            page in 1_usize..80,
            at in any::<prop::sample::Index>(),
        ) {
            let books = Books::random(seed, 120);
            let live = folded(&books.events);
            prop_assert_eq!(live.checkpoint(), {
                let head = ready(books.store.head(&books.ledger)).unwrap();
                Checkpoint { sequence: head.sequence, link: head.link }
            });
            let through = *at.get(&ends(&books.events));
            let replay = |from, page| ready(replay(&books.store, &books.ledger, from, page, |_| {})).unwrap();
            let half: Projected<All> =
                ready(replay_through(&books.store, &books.ledger, Projected::new(), through, page, |_| {})).unwrap();
            prop_assert_eq!(half.checkpoint().sequence, through);
            let kept = half.save_each().unwrap();
            let restored = Projected::<All>::restore_each(&kept).unwrap();
            prop_assert!(restored == half, "restored");
            let whole = Projected::<All>::restore(&half.save().unwrap()).unwrap();
            for from in [Projected::new(), half, restored, whole] {
                let replayed = replay(from, page);
                prop_assert_eq!(replayed.fingerprint(), live.fingerprint());
                prop_assert_eq!(replayed.state().fingerprints(), live.state().fingerprints());
                prop_assert!(replayed.state().canonical() == live.state().canonical(), "bytes");
                prop_assert!(replayed == live, "state");
            }
        }

        #[test]
        fn an_event_that_comes_twice_changes_nothing_and_one_that_is_left_out_is_missed(seed: u64) {
            let books = Books::random(seed, 30);
            let mut projected = folded(&books.events);
            let before = projected.clone();
            projected.fold(&books.events).unwrap();
            prop_assert!(projected == before, "twice");
            let mut gap = Projected::<All>::new();
            let found = gap.fold(books.events.iter().skip(1));
            prop_assert_eq!(found, Err(Gap { position: 0, found: 2 }));
        }

        #[test]
        fn a_kept_state_with_a_changed_byte_is_refused_or_still_canonical(
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let books = Books::random(7, 60);
            for mut row in folded(&books.events).save_each().unwrap() {
                let place = at.index(row.state.len());
                row.state[place] = byte;
                match Projected::<All>::restore(&row) {
                    Err(Unusable::OtherProjection { .. }) => {}
                    other => prop_assert!(false, "{:?}", other.map(drop)),
                }
                if let Ok(register) = Projected::<register::Register>::restore(&row) {
                    prop_assert_eq!(register.save().unwrap().state, row.state.clone());
                }
                if let Ok(summary) = Projected::<summary::Summary>::restore(&row) {
                    prop_assert_eq!(summary.save().unwrap().state, row.state);
                }
            }
        }
    }

    #[test]
    fn kept_states_of_other_projections_versions_and_places_are_refused() {
        let books = Books::random(1, 40);
        let live = folded(&books.events);
        let row = live.save().unwrap();
        let refused = |change: fn(&mut CheckpointRow)| {
            let mut row = row.clone();
            change(&mut row);
            Projected::<All>::restore(&row).unwrap_err()
        };
        let other = refused(|row| row.name = "summary".into());
        assert_eq!(other, Unusable::OtherProjection { expected: "all", found: "summary".into() });
        let version = refused(|row| row.version = 9);
        assert_eq!(version, Unusable::OtherVersion { name: "all", expected: 1, found: 9 });
        let sequence = live.checkpoint().sequence;
        assert_eq!(refused(|row| row.state.insert(1, b' ')), Unusable::NotCanonical { name: "all", sequence });
        for hostile in ["", "{", "[]", "null", "{}", "\u{0}", "{\"register\":7}"] {
            let mut row = row.clone();
            row.state = hostile.into();
            let refused = Projected::<All>::restore(&row);
            assert!(matches!(refused, Err(Unusable::Malformed { name: "all", .. })), "{hostile:?}");
        }
        let mut rows = live.save_each().unwrap();
        rows[2].sequence -= 1;
        let elsewhere = Unusable::ElsewhereInTheLog { name: "summary", expected: sequence, found: sequence - 1 };
        assert_eq!(Projected::<All>::restore_each(&rows), Err(elsewhere));
        rows.pop();
        rows[2].sequence += 1;
        assert_eq!(Projected::<All>::restore_each(&rows), Err(Unusable::Missing { name: "journal" }));
        assert_eq!(Projected::<All>::restore_each(&[]), Err(Unusable::Missing { name: "register" }));
    }

    #[test]
    fn a_state_inside_a_request_is_not_kept() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy", "bo"], "2026-02-01");
        let last = books.events.len() as u64;
        let mut inside = folded(&books.events[..books.events.len() - 1]);
        assert_eq!(inside.save(), Err(InsideRequest { position: last - 1 }));
        assert_eq!(inside.save_each(), Err(InsideRequest { position: last - 1 }));
        inside.fold(&books.events).unwrap();
        assert_eq!(inside.save().unwrap().sequence, last);
    }

    #[test]
    fn a_replay_stops_at_ends_of_requests_and_at_checkpoints_of_other_histories() {
        let books = Books::random(3, 60);
        let through =
            |from, through| ready(replay_through::<All>(&books.store, &books.ledger, from, through, 10, |_| {}));
        let ends = ends(&books.events);
        let inside = books.events.iter().find(|recorded| recorded.sequence < recorded.request.last_sequence).unwrap();
        let before = ends.iter().rev().find(|end| **end < inside.sequence).copied().unwrap_or(0);
        let refused = through(Projected::new(), inside.sequence);
        assert_eq!(refused, Err(ReplayError::NoEnd { through: inside.sequence, before }));

        let other = Books::random(4, 60);
        for end in [ends[ends.len() / 2], *ends.last().unwrap(), ends.last().unwrap() + 1] {
            let mut from = through(Projected::new(), ends[0]).unwrap();
            from.checkpoint.sequence = end;
            from.position = end;
            let refused = ready(replay(&books.store, &books.ledger, from, 10, |_| {}));
            assert_eq!(refused, Err(ReplayError::OtherHistory { sequence: end }));
        }
        let from: Projected<All> = ready(replay(&other.store, &other.ledger, Projected::new(), 10, |_| {})).unwrap();
        let sequence = from.checkpoint().sequence;
        let refused = ready(replay(&books.store, &books.ledger, from, 10, |_| {}));
        assert_eq!(refused, Err(ReplayError::OtherHistory { sequence }));
    }

    #[test]
    fn the_past_is_what_was_recorded_and_effective_by_then() {
        let books = Books::random(5, 150);
        let mut seen = Vec::new();
        let tell = |progress: replay::Progress| seen.push((progress.sequence, progress.head));
        let mut told = 0;
        ready(each_event(&books.store, &books.ledger, 50, tell, |_| told += 1)).unwrap();
        assert_eq!(told, books.events.len());
        let head = told as u64;
        assert!(seen.is_sorted() && seen.last() == Some(&(head, head)));
        for day in ["2025-12-31", "2026-03-15", "2026-08-01", "2027-01-01"] {
            let effective: crate::Date = day.parse().unwrap();
            let recorded = effective.and_hms_opt(20, 0, 0).unwrap().and_utc();
            for as_of in [
                AsOf { recorded: Some(recorded), effective: None },
                AsOf { recorded: None, effective: Some(effective) },
                AsOf { recorded: Some(recorded), effective: Some(effective) },
            ] {
                let past: All = ready(replay_as_of(&books.store, &books.ledger, as_of, 33, |_| {})).unwrap();
                let expected: All = fold(books.events.iter().filter(|recorded| as_of.includes(recorded)));
                assert!(past == expected, "{as_of:?}");
                assert_eq!(past.journal.uncleared(), None);
            }
        }
    }
}
