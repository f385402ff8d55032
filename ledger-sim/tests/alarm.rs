//! The checks themselves, tried on stores that break their promises: each must be caught, and by the check that is there for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::{CompactString, format_compact};
use ledger_core::chain::Digest;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion, RequestRow,
    SnapshotRow, Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use ledger_sim::case::Case;
use ledger_sim::run::{Report, Setup, run};

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Stores one payload with another byte in it.
    ChangesAByte,
    /// Acknowledges one request and does not store it.
    LosesARequest,
    /// Gives one request twice when the log is read.
    RepeatsARequest,
    /// Stores one request under another key.
    StoresAnotherKey,
    /// Names another time of recording than it stores.
    MisdatesReceipts,
    /// Does not find a request by its key.
    ForgetsKeys,
    /// Calls a repeated request another one.
    TakesARetryForAnother,
    /// Calls what is well formed malformed.
    RefusesARequest,
    /// Says that nothing was stored, and has stored it.
    StoresWhatItDenies,
    /// Guards only the streams that are written.
    IgnoresReads,
    /// Loses a row of a read model.
    LosesARow,
    /// Panics.
    Panics,
    /// Is gone for good.
    GoesAway,
    /// Is gone for a moment, as it may.
    IsAwayOnce,
}

struct Broken {
    inner: MemoryStore,
    wrong: Wrong,
    appends: AtomicU64,
    /// From which append on, or at which, it goes wrong.
    at: u64,
}

impl Broken {
    async fn append_wrongly(&self, ledger: &LedgerName, group: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        let count = self.appends.fetch_add(1, Ordering::Relaxed);
        let (once, since) = (count == self.at, count >= self.at);
        let mut group = group.to_vec();
        let first = group.first_mut().unwrap();
        match self.wrong {
            Wrong::ChangesAByte if once => *first.events.first_mut().unwrap().payload.last_mut().unwrap() ^= 1,
            Wrong::StoresAnotherKey if once => first.key = Key::new("another").unwrap(),
            Wrong::LosesARequest if once => {
                let row = self.as_if_stored(ledger, first).await?;
                let others = self.inner.append(ledger, group.get(1..).unwrap()).await?;
                return Ok([Outcome::Appended(row)].into_iter().chain(others).collect());
            }
            Wrong::RefusesARequest if once => {
                let refused = Outcome::Refused { reason: "a bad day" };
                let others = self.inner.append(ledger, group.get(1..).unwrap()).await?;
                return Ok([refused].into_iter().chain(others).collect());
            }
            Wrong::IgnoresReads => group.iter_mut().for_each(|append| {
                let written: Vec<StreamName> = append.events.iter().map(|event| event.stream.clone()).collect();
                append.guards.retain(|guard| written.contains(&guard.stream));
            }),
            Wrong::Panics if once => std::panic::resume_unwind(Box::new("no more")),
            Wrong::IsAwayOnce if once => return Err(StoreError::Unavailable("gone".into())),
            Wrong::GoesAway if since => return Err(StoreError::Unavailable("gone".into())),
            _ => {}
        }
        let mut outcomes = self.inner.append(ledger, &group).await?;
        for outcome in &mut outcomes {
            match outcome {
                Outcome::Appended(row) if self.wrong == Wrong::MisdatesReceipts && since => row.recorded_at_us += 1,
                Outcome::AlreadyAppended(row) if self.wrong == Wrong::TakesARetryForAnother => {
                    *outcome = Outcome::KeyReused { first: row.clone() };
                }
                _ => {}
            }
        }
        if self.wrong == Wrong::StoresWhatItDenies && since {
            return Err(StoreError::Unusable("nothing was stored".into()));
        }
        Ok(outcomes)
    }

    async fn as_if_stored(&self, ledger: &LedgerName, append: &Append) -> Result<RequestRow, StoreError> {
        let head = self.inner.head(ledger).await?;
        Ok(RequestRow {
            key: format_compact!("{}", append.key.as_str()),
            request_hash: Digest(append.request_hash.0),
            actor: append.actor.clone(),
            first_sequence: head.sequence + 1,
            size: u16::try_from(append.events.len()).unwrap(),
            recorded_at_us: head.recorded_at_us,
            link: Digest::of(b"lost"),
        })
    }
}

impl Store for Broken {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        Box::pin(self.append_wrongly(ledger, group))
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        self.inner.read_streams(ledger, streams, at, limit)
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        Box::pin(async move {
            let mut page = self.inner.read_log(ledger, after, limit).await?;
            if self.wrong == Wrong::RepeatsARequest && after >= self.at {
                page.requests.extend(page.requests.last().cloned());
            }
            Ok(page)
        })
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        match self.wrong {
            Wrong::ForgetsKeys => Box::pin(async { Ok(None) }),
            _ => self.inner.request(ledger, key),
        }
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.inner.head(ledger)
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        self.inner.ledgers()
    }

    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.save_snapshot(ledger, snapshot)
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        self.inner.load_snapshots(ledger, streams)
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        self.inner.load_checkpoint(ledger, name)
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = write.clone();
            if self.wrong == Wrong::LosesARow && write.rows.len() > 1 {
                write.rows.pop();
            }
            self.inner.save_projection(ledger, &write).await
        })
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.inner.read_rows(ledger, projection, keys)
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.inner.list_rows(ledger, projection, after, limit)
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.promote(ledger, promotion)
    }
}

/// The first of some seeds whose run over such a store ends in a violation.
fn found(wrong: Wrong) -> (u64, Report) {
    let setup = Setup {
        store: Arc::new(move |clock| {
            Arc::new(Broken { inner: MemoryStore::new(clock), wrong, appends: AtomicU64::new(0), at: 20 })
        }),
        ..Setup::default()
    };
    let runs = (1..=20).map(|seed| (seed, run(&Case::seed(seed, 300), &setup)));
    runs.into_iter()
        .find(|(_, report)| report.violation.is_some())
        .unwrap_or_else(|| panic!("{wrong:?} goes unnoticed"))
}

/// A check that cannot fail proves nothing.
#[test]
fn a_store_that_breaks_a_promise_is_caught_by_the_check_of_that_promise() {
    for (wrong, checks) in [
        (Wrong::ChangesAByte, &["log"][..]),
        (Wrong::LosesARequest, &["C1"]),
        (Wrong::RepeatsARequest, &["log"]),
        (Wrong::StoresAnotherKey, &["log"]),
        (Wrong::MisdatesReceipts, &["C1"]),
        (Wrong::ForgetsKeys, &["C1", "C2"]),
        (Wrong::TakesARetryForAnother, &["C2"]),
        (Wrong::RefusesARequest, &["C6"]),
        (Wrong::StoresWhatItDenies, &["C1"]),
        (Wrong::IgnoresReads, &["C5"]),
        (Wrong::LosesARow, &["rows", "runner"]),
        (Wrong::Panics, &["panic"]),
        (Wrong::GoesAway, &["F22"]),
    ] {
        let (seed, report) = found(wrong);
        let violation = report.violation.unwrap();
        println!("{wrong:?}: seed {seed}, {violation}");
        assert!(checks.contains(&violation.check), "{wrong:?} is found as {violation}");
    }
}

/// A run that rests on something other than its case could not be replayed.
#[test]
fn a_store_that_goes_by_something_other_than_the_case_is_caught() {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let setup = Setup {
        store: Arc::new(|clock| {
            // Each is away at another time, which breaks no promise and is noticed only when two runs are compared.
            let (wrong, at) = (Wrong::IsAwayOnce, 5 + OPENED.fetch_add(1, Ordering::Relaxed));
            Arc::new(Broken { inner: MemoryStore::new(clock), wrong, appends: AtomicU64::new(0), at })
        }),
        ..Setup::default()
    };
    let case = Case::seed(1, 100);
    let mut report = run(&case, &setup);
    assert_eq!(report.violation, None);
    report.compare(&run(&case, &setup));
    assert_eq!(report.violation.unwrap().check, "determinism");
}
