//! The clauses of the store contract as functions: one per clause, for every adapter, also one that is not ours.
//!
//! An adapter says how its store is opened, and runs them all:
//!
//! ```
//! use std::sync::Arc;
//! use ledger_core::store::conformance::{Factory, run};
//! use ledger_core::store::memory::MemoryStore;
//! use ledger_core::store::{BoxFuture, Clock, Store, StoreError};
//!
//! struct InMemory;
//!
//! impl Factory for InMemory {
//!     fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
//!         Box::pin(async move { Ok(Arc::new(MemoryStore::new(clock)) as Arc<dyn Store>) })
//!     }
//! }
//!
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut future = std::pin::pin!(future);
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     loop {
//! #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
//! #             return value;
//! #         }
//! #     }
//! # }
//! let report = block_on(run(&InMemory));
//! assert!(report.holds(), "{report}");
//! ```
//!
//! The functions need no runtime of their own. Those that must meet other writers join futures; an adapter can also drive
//! [`contend`] from threads and processes, and judge the result with [`settled`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use compact_str::format_compact;

use super::{
    Append, BoxFuture, CheckpointRow, Clock, EventRow, Guard, Head, LogPage, NewEvent, Outcome, ProjectionRow,
    ProjectionWrite, Promotion, RequestRow, RowChange, SnapshotRow, Store, StoreError, StreamAfter, keep_checkpoint,
};
use crate::Date;
use crate::chain::{self, Digest, Preimage};
use crate::id::{Key, LedgerName};
use crate::limits::{LAST_RECORDED_AT_US, PAYLOAD_BYTES};
use crate::stream::{StreamName, Tip};

/// Makes the stores that the clauses are tried on.
pub trait Factory: Send + Sync {
    /// A store that goes by `clock` and has no ledger whose name begins with `conformance-`.
    fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>>;

    /// The same data, opened again after `store` is closed; `None` for a store that keeps nothing, which C14 is then not
    /// asked of.
    fn reopen(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Result<Option<Arc<dyn Store>>, StoreError>> {
        let _ = (store, clock);
        Box::pin(async { Ok(None) })
    }
}

/// Why a clause was not found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It does not hold; what was seen instead.
    Broken(String),
    /// It cannot be asked of this store.
    NotApplicable(&'static str),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Broken(format!("the store failed: {error}"))
    }
}

/// What became of every clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The clauses with what became of each.
    pub clauses: Vec<(&'static str, Result<(), Failure>)>,
}

impl Report {
    /// The clauses that do not hold, with what was seen instead.
    pub fn broken(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.clauses.iter().filter_map(|(clause, result)| match result {
            Err(Failure::Broken(what)) => Some((*clause, what.as_str())),
            _ => None,
        })
    }

    /// Whether every clause holds that could be asked.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken().next().is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (clause, result) in &self.clauses {
            match result {
                Ok(()) => writeln!(f, "{clause}: holds")?,
                Err(Failure::NotApplicable(why)) => writeln!(f, "{clause}: not applicable, {why}")?,
                Err(Failure::Broken(what)) => writeln!(f, "{clause}: BROKEN, {what}")?,
            }
        }
        Ok(())
    }
}

/// Tries every clause, each on a store that the factory opens for it.
pub async fn run<F: Factory + ?Sized>(factory: &F) -> Report {
    let clauses = vec![
        ("C1", c1_a_request_is_stored_whole_or_not_at_all(factory).await),
        ("C2", c2_sequences_and_versions_have_no_gap(factory).await),
        ("C3", c3_every_guard_is_the_streams_tip(factory).await),
        ("C4", c4_a_guard_on_an_empty_stream_fails_once_it_has_an_event(factory).await),
        ("C5", c5_a_stored_key_answers_before_any_guard(factory).await),
        ("C6", c6_a_key_is_not_used_for_another_request(factory).await),
        ("C7", c7_a_group_is_admitted_in_order(factory).await),
        ("C8", c8_what_was_stored_comes_back(factory).await),
        ("C9", c9_every_request_adds_one_link(factory).await),
        ("C10", c10_recorded_at_never_goes_back(factory).await),
        ("C11", c11_ledgers_share_nothing(factory).await),
        ("C12", c12_a_read_is_as_of_a_sequence(factory).await),
        ("C13", c13_pages_of_any_size_give_the_same_log(factory).await),
        ("C14", c14_what_was_acknowledged_survives(factory).await),
        ("C15", c15_parallel_writers_lose_and_repeat_nothing(factory).await),
        ("C16", c16_a_checkpoint_is_replaced_as_a_whole(factory).await),
        ("C17", c17_rows_and_checkpoint_move_together(factory).await),
        ("C18", c18_rows_come_back_by_key(factory).await),
        ("C19", c19_a_promotion_replaces_at_once(factory).await),
        ("C20", c20_a_snapshot_is_replaced_as_a_whole(factory).await),
        ("C21", c21_pages_follow_one_another(factory).await),
    ];
    Report { clauses }
}

type Checked = Result<(), Failure>;

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(Failure::Broken(format!($($what)+)));
        }
    };
}

/// C1: a request is stored whole or not at all, over any number of streams.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c1_a_request_is_stored_whole_or_not_at_all<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c1").await?;
    let first = bench.request("first", &[("a", Tip::EMPTY, 2), ("b", Tip::EMPTY, 1), ("c", Tip::EMPTY, 3)], &[]);
    let row = bench.appended(&first).await?;
    let before = bench.log().await?;
    ensure!(before.events.len() == 6 && row.size == 6, "6 events were acknowledged, {} are there", before.events.len());

    // The last of three guards is stale.
    let torn = bench.request("torn", &[("a", first.tip("a"), 1), ("d", Tip::EMPTY, 1), ("c", first.tip("b"), 1)], &[]);
    let outcome = bench.only(&torn).await?;
    ensure!(matches!(outcome, Outcome::Conflict { .. }), "a stale guard among good ones gave {outcome:?}");
    // The last of three events is malformed, in each way there is.
    let three = bench.request("malformed", &[("a", first.tip("a"), 3)], &[]);
    let last = |change: fn(&mut NewEvent)| {
        let mut request = three.clone();
        request.events.iter_mut().skip(2).for_each(change);
        request
    };
    let malformed = [
        Append { events: Vec::new(), ..three.clone() },
        Append { guards: Vec::new(), ..three.clone() },
        Append { guards: [&three.guards[..], &three.guards[..]].concat(), ..three.clone() },
        last(|event| event.payload = vec![b' '; PAYLOAD_BYTES + 1]),
        last(|event| event.version += 1),
        last(|event| event.stream = stream("unguarded")),
    ];
    for request in malformed {
        let outcome = bench.only(&request).await?;
        ensure!(matches!(outcome, Outcome::Refused { .. }), "a malformed request gave {outcome:?}");
    }
    ensure!(bench.log().await? == before, "a request that was not stored left events or a key");
    let streams = bench.streams(&[("a", 0), ("d", 0), ("unguarded", 0)], None, 100).await?;
    ensure!(streams.events.len() == 2, "a request that was not stored left events in a stream");
    Ok(())
}

/// C2: sequences have no gap and are in commit order; versions of a stream have no gap.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c2_sequences_and_versions_have_no_gap<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c2").await?;
    let mut tips = [Tip::EMPTY; 3];
    let mut acknowledged = Vec::new();
    for round in 0..10 {
        let mut group = Vec::new();
        for (name, tip) in ["a", "b", "c"].iter().zip(&mut tips) {
            let stale = bench.request(&format!("stale-{round}-{name}"), &[(name, Tip { version: 99, ..*tip }, 1)], &[]);
            let request = bench.request(&format!("good-{round}-{name}"), &[(name, *tip, 1 + round % 3)], &[]);
            *tip = request.tip(name);
            group.extend([stale, request]);
        }
        let rows = bench.append(&group).await?.into_iter().filter_map(|outcome| match outcome {
            Outcome::Appended(row) => Some(row),
            _ => None,
        });
        acknowledged.extend(rows);
    }
    let log = bench.log().await?;
    ensure!(log.requests == acknowledged, "the log is not in the order of the acknowledgements");
    let mut next = 1;
    for request in &log.requests {
        ensure!(request.first_sequence == next, "a request begins at {}, not at {next}", request.first_sequence);
        next += u64::from(request.size);
    }
    let mut versions = BTreeMap::new();
    for (event, sequence) in log.events.iter().zip(1..) {
        ensure!(event.sequence == sequence, "the {sequence}. event has sequence {}", event.sequence);
        let version = versions.entry(&event.stream).or_insert(0);
        *version += 1;
        ensure!(event.version == *version, "{} has version {} where {version} is due", event.stream, event.version);
    }
    let head = bench.store.head(&bench.ledger).await?;
    ensure!(head.sequence + 1 == next, "the head is {}, the last event {}", head.sequence, next - 1);
    ensure!(log.events.len() as u64 == head.sequence, "{} events up to {}", log.events.len(), head.sequence);
    Ok(())
}

/// C3: a request is stored only if every guard's tip, version and digest, is the stream's.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c3_every_guard_is_the_streams_tip<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c3").await?;
    let first = bench.request("first", &[("read", Tip::EMPTY, 2), ("written", Tip::EMPTY, 1)], &[]);
    bench.appended(&first).await?;
    let (read, written) = (first.tip("read"), first.tip("written"));
    let first_digest = first.events.first().map_or(Digest::ZERO, |event| event.digest);
    let wrong = [
        ("its digest", Tip { digest: Digest::of(b"another history"), ..read }),
        ("an earlier version", Tip { version: 1, digest: first_digest }),
        ("an earlier version with the digest of the last", Tip { version: 1, ..read }),
        ("a later version", Tip { version: 3, ..read }),
        ("no event", Tip::EMPTY),
    ];
    for (what, expected) in wrong {
        let request = bench.request("stale", &[("written", written, 1)], &[("read", expected)]);
        let outcome = bench.only(&request).await?;
        let conflict = Outcome::Conflict { stream: stream("read"), expected, actual: read };
        ensure!(outcome == conflict, "a guard that differs in {what} gave {outcome:?} instead of {conflict:?}");
    }
    let wrong = Tip { digest: Digest::of(b"another history"), ..written };
    let outcome = bench.only(&bench.request("wrong", &[("written", wrong, 1)], &[("read", read)])).await?;
    ensure!(matches!(outcome, Outcome::Conflict { .. }), "a written stream with another digest gave {outcome:?}");
    bench
        .appended(&bench.request("right", &[("written", written, 1)], &[("read", read), ("empty", Tip::EMPTY)]))
        .await?;
    Ok(())
}

/// C4: a guard on an empty stream fails once the stream has an event.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c4_a_guard_on_an_empty_stream_fails_once_it_has_an_event<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c4").await?;
    let taken = bench.request("taken", &[("reference", Tip::EMPTY, 1)], &[]);
    bench.appended(&bench.request("free", &[("other", Tip::EMPTY, 1)], &[("reference", Tip::EMPTY)])).await?;
    bench.appended(&taken).await?;
    let conflict =
        Outcome::Conflict { stream: stream("reference"), expected: Tip::EMPTY, actual: taken.tip("reference") };
    let again = bench.only(&bench.request("again", &[("reference", Tip::EMPTY, 1)], &[])).await?;
    ensure!(again == conflict, "writing what is taken gave {again:?}");
    let read = bench.only(&bench.request("read", &[("another", Tip::EMPTY, 1)], &[("reference", Tip::EMPTY)])).await?;
    ensure!(read == conflict, "relying on what is taken gave {read:?}");
    Ok(())
}

/// C5: a key that was stored answers with its first receipt, before any guard is looked at.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c5_a_stored_key_answers_before_any_guard<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c5").await?;
    let first = bench.request("first", &[("a", Tip::EMPTY, 1)], &[]);
    let row = bench.appended(&first).await?;
    bench.appended(&bench.request("next", &[("a", first.tip("a"), 1)], &[])).await?;
    let before = bench.log().await?;
    let answered = Outcome::AlreadyAppended(row.clone());
    let again = bench.only(&first).await?;
    ensure!(again == answered, "a retry whose guard is stale by now gave {again:?}");
    let decided = Append { request_hash: first.request_hash, ..bench.request("first", &[("b", Tip::EMPTY, 4)], &[]) };
    let again = bench.only(&decided).await?;
    ensure!(again == answered, "a retry that was decided anew gave {again:?}");
    let empty = bench.only(&Append { events: Vec::new(), guards: Vec::new(), ..first.clone() }).await?;
    ensure!(empty == answered, "a retry that was decided to be nothing gave {empty:?}");
    let page = bench.store.request(&bench.ledger, &first.key).await?.unwrap_or_default();
    ensure!(page.requests == [row], "the key finds {:?}", page.requests);
    ensure!(page.events.iter().eq(before.events.first()), "the key finds other events");
    let unknown = bench.store.request(&bench.ledger, &key("unknown")).await?;
    ensure!(unknown.is_none(), "a key that was never stored finds {unknown:?}");

    let twice = bench.request("twice", &[("c", Tip::EMPTY, 1)], &[]);
    let outcomes = bench.append(&[twice.clone(), twice]).await?;
    let same = matches!(&outcomes[..], [Outcome::Appended(one), Outcome::AlreadyAppended(two)] if one == two);
    ensure!(same, "a key twice in a group gave {outcomes:?}");
    ensure!(bench.log().await?.events.len() == before.events.len() + 1, "a retry stored something");
    Ok(())
}

/// C6: a key that was stored with another request hash is refused as reused.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c6_a_key_is_not_used_for_another_request<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c6").await?;
    let first = bench.request("key", &[("a", Tip::EMPTY, 1)], &[]);
    let other =
        Append { request_hash: Digest::of(b"another request"), ..bench.request("key", &[("b", Tip::EMPTY, 1)], &[]) };
    let group = bench.append(&[first, other.clone()]).await?;
    let [Outcome::Appended(row), Outcome::KeyReused { first }] = &group[..] else {
        return Err(Failure::Broken(format!("a key for two requests of a group gave {group:?}")));
    };
    ensure!(row == first, "the first request of the key is named as {first:?}");
    let outcome = bench.only(&other).await?;
    ensure!(outcome == Outcome::KeyReused { first: row.clone() }, "a key for two requests gave {outcome:?}");
    ensure!(bench.log().await?.events.len() == 1, "the second request was stored");
    Ok(())
}

/// C7: the requests of a group are admitted in order, each on what the earlier ones left; one that fails leaves no trace.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c7_a_group_is_admitted_in_order<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c7").await?;
    let one = bench.request("one", &[("a", Tip::EMPTY, 1)], &[]);
    let two = bench.request("two", &[("a", one.tip("a"), 2), ("b", Tip::EMPTY, 1)], &[]);
    let stale = bench.request("stale", &[("c", Tip::EMPTY, 1), ("a", one.tip("a"), 1)], &[]);
    let refused = Append { guards: Vec::new(), ..bench.request("refused", &[("c", Tip::EMPTY, 1)], &[]) };
    let three = bench.request("three", &[("c", Tip::EMPTY, 1), ("a", two.tip("a"), 1)], &[("b", two.tip("b"))]);
    let outcomes = bench.append(&[one, two.clone(), stale, refused, three]).await?;
    let conflict = |stream: &StreamName, actual: &Tip| stream.as_str() == "a" && *actual == two.tip("a");
    let [
        Outcome::Appended(one),
        Outcome::Appended(two),
        Outcome::Conflict { stream, actual, .. },
        Outcome::Refused { .. },
        Outcome::Appended(three),
    ] = &outcomes[..]
    else {
        return Err(Failure::Broken(format!("the group gave {outcomes:?}")));
    };
    ensure!(conflict(stream, actual), "the conflict names {stream} at {actual:?}");
    let log = bench.log().await?;
    ensure!(log.requests == [one.clone(), two.clone(), three.clone()], "the log has {:?}", log.requests);
    ensure!(log.events.len() == 6, "the log has {} events instead of 6", log.events.len());
    // What failed is free to be sent again under its key.
    let again = bench.request("stale", &[("d", Tip::EMPTY, 1)], &[]);
    bench.appended(&again).await?;
    // What the group alone cannot tell: a key is known, a stream was begun.
    let four = bench.request("four", &[("e", Tip::EMPTY, 2)], &[]);
    let late = bench.request("late", &[("f", Tip::EMPTY, 1), ("c", Tip::EMPTY, 1)], &[]);
    let five = bench.request("five", &[("g", Tip::EMPTY, 1), ("e", four.tip("e"), 1)], &[]);
    let outcomes = bench.append(&[four.clone(), again.clone(), late, five.clone()]).await?;
    let [
        Outcome::Appended(_),
        Outcome::AlreadyAppended(_),
        Outcome::Conflict { stream, actual, .. },
        Outcome::Appended(_),
    ] = &outcomes[..]
    else {
        return Err(Failure::Broken(format!("the group that was overtaken gave {outcomes:?}")));
    };
    ensure!((stream.as_str(), actual.version) == ("c", 1), "the late one conflicts with {stream} at {actual:?}");
    let stored = bench.log().await?.events.into_iter().skip(7).map(|event| (event.stream, event.digest));
    let events = four.events.iter().chain(&five.events).map(|event| (event.stream.clone(), event.digest));
    ensure!(stored.eq(events), "the log has other events of the group that was overtaken");
    Ok(())
}

/// C8: what was stored comes back as it was, payloads byte for byte.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c8_what_was_stored_comes_back<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c8").await?;
    let largest = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES - 2));
    // Each is JSON that something less than a copy would change.
    let payloads = [
        "{}",
        "{ \"b\" : 1 ,\t\"a\":2 }\n",
        "{\"a\":1,\"a\":2}",
        "[1e3,1.0,1E+3,0.10,-0,12345678901234567890123]",
        "\"\\u00e9é\\u0000\\/ \u{1F600}\\ud83d\\ude00\"",
        "null",
        largest.as_str(),
    ];
    let mut request = bench.request("payloads", &[("a", Tip::EMPTY, payloads.len())], &[]);
    let days = ["1900-01-01", "1969-12-31", "2024-02-29", "9998-12-31"];
    for ((event, payload), day) in request.events.iter_mut().zip(payloads).zip(days.iter().cycle()) {
        event.payload = payload.as_bytes().to_vec();
        event.type_name = format_compact!("conformance.tested_{}", payload.len());
        event.schema_version = u16::try_from(payload.len()).unwrap_or(u16::MAX) % 7 + 1;
        event.effective = day.parse().unwrap_or(Date::MIN);
    }
    bench.sign(&mut request);
    let row = bench.appended(&request).await?;
    let asked = (request.key.as_str(), request.request_hash, &request.actor);
    ensure!((row.key.as_str(), row.request_hash, &row.actor) == asked, "the request came back as {row:?}");
    let expected: Vec<EventRow> = (1..).zip(&request.events).map(|(sequence, event)| stored(sequence, event)).collect();
    let log = bench.log().await?;
    let streams = bench.streams(&[("a", 0)], None, 100).await?.events;
    let by_key = bench.store.request(&bench.ledger, &request.key).await?.unwrap_or_default().events;
    for (read, events) in [("read_log", log.events), ("read_streams", streams), ("request", by_key)] {
        for (expected, event) in expected.iter().zip(&events) {
            ensure!(event == expected, "{read} changed event {}", expected.sequence);
        }
        ensure!(events.len() == expected.len(), "{read} gave {} events", events.len());
    }
    ensure!(log.requests == [row], "read_log gave another request than was acknowledged");
    Ok(())
}

/// C9: every request adds one link, computed from the link before it.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c9_every_request_adds_one_link<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c9").await?;
    bench.fill("a", 5).await?;
    let group =
        [("b", 2), ("c", 1), ("d", 3)].map(|(name, size)| bench.request(name, &[(name, Tip::EMPTY, size)], &[]));
    let acknowledged = bench.append(&group).await?;
    let log = bench.log().await?;
    let last = verify_links(&log)?;
    let head = bench.store.head(&bench.ledger).await?;
    ensure!(head == last, "the head is {head:?}, the chain ends at {last:?}");
    let given = acknowledged.iter().map(|outcome| match outcome {
        Outcome::Appended(row) => Some(row),
        _ => None,
    });
    let stored = log.requests.iter().skip(5).map(Some);
    ensure!(given.eq(stored), "other links were acknowledged than stored");
    Ok(())
}

/// C10: `recorded_at` never goes back within a ledger, whatever the clock does; nothing is recorded beyond the year 9999.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c10_recorded_at_never_goes_back<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c10").await?;
    let mut tip = Tip::EMPTY;
    // What the clock says, and what is recorded.
    for (now, due) in [(1_000, 1_000), (400, 1_000), (i64::MIN, 1_000), (1_000, 1_000), (1_001, 1_001)] {
        bench.now.store(now, Ordering::SeqCst);
        let request = bench.request(&format!("at-{now}-after-{}", tip.version), &[("a", tip, 1)], &[]);
        tip = request.tip("a");
        let row = bench.appended(&request).await?;
        ensure!(row.recorded_at_us == due, "at {now} it was recorded as {} instead of {due}", row.recorded_at_us);
        let head = bench.store.head(&bench.ledger).await?;
        ensure!(head.recorded_at_us == due, "the head was recorded as {} instead of {due}", head.recorded_at_us);
    }
    let times: Vec<i64> = bench.log().await?.requests.iter().map(|request| request.recorded_at_us).collect();
    ensure!(times.is_sorted(), "the log goes back in time: {times:?}");
    bench.now.store(LAST_RECORDED_AT_US + 1, Ordering::SeqCst);
    let ahead = bench.request("ahead", &[("a", tip, 1)], &[]);
    let answer = bench.store.append(&bench.ledger, std::slice::from_ref(&ahead)).await;
    ensure!(matches!(answer, Err(StoreError::Unusable(_))), "beyond the year 9999 it answered {answer:?}");
    bench.now.store(LAST_RECORDED_AT_US, Ordering::SeqCst);
    bench.appended(&ahead).await?;
    Ok(())
}

/// C11: ledgers share nothing: not sequences, keys, streams or links.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c11_ledgers_share_nothing<F: Factory + ?Sized>(factory: &F) -> Checked {
    let one = Bench::open(factory, "c11-one").await?;
    let two = one.beside("c11-two");
    let (first, other) =
        (one.request("key", &[("a", Tip::EMPTY, 2)], &[]), two.request("key", &[("a", Tip::EMPTY, 1)], &[]));
    let (here, there) = (one.appended(&first).await?, two.appended(&other).await?);
    let begin = (here.first_sequence, there.first_sequence);
    ensure!(begin == (1, 1), "the ledgers begin at {begin:?}");
    one.appended(&one.request("only-here", &[("only-here", Tip::EMPTY, 1)], &[])).await?;
    let log = two.log().await?;
    ensure!(log.requests == [there], "the other ledger has {:?}", log.requests);
    ensure!(
        log.events.iter().map(|event| event.digest).eq([other.tip("a").digest]),
        "the other ledger has other events"
    );
    ensure!(verify_links(&log)? == two.store.head(&two.ledger).await?, "the other ledger has another head");
    let found = two.store.request(&two.ledger, &key("only-here")).await?;
    ensure!(found.is_none(), "a key of one ledger finds {found:?} in the other");
    let found = two.streams(&[("only-here", 0), ("a", 1)], None, 10).await?;
    ensure!(found.events.is_empty(), "streams of one ledger have events in the other");
    two.appended(&two.request("on", &[("a", other.tip("a"), 1)], &[])).await?;
    let unused = one.beside("c11-unused");
    ensure!(unused.store.head(&unused.ledger).await? == Head::default(), "an unused ledger has a head");
    ensure!(unused.log().await? == LogPage::default(), "an unused ledger has a log");
    let refused = Append { guards: Vec::new(), ..unused.request("refused", &[("a", Tip::EMPTY, 1)], &[]) };
    unused.only(&refused).await?;
    let ledgers = one.store.ledgers().await?;
    ensure!(ledgers.is_sorted(), "the ledgers are not in order: {ledgers:?}");
    let listed = [&one, &two, &unused].map(|bench| ledgers.contains(&bench.ledger));
    ensure!(listed == [true, true, false], "of two used ledgers and an unused one these are listed: {ledgers:?}");
    Ok(())
}

/// C12: a read at sequence N sees exactly the events up to N; the first read fixes N.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c12_a_read_is_as_of_a_sequence<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c12").await?;
    let empty = bench.streams(&[("a", 0)], None, 10).await?;
    ensure!((empty.at, empty.events.len(), empty.more) == (0, 0, false), "an empty ledger reads as {empty:?}");
    let one = bench.request("one", &[("a", Tip::EMPTY, 2), ("b", Tip::EMPTY, 2)], &[]);
    let two = bench.request("two", &[("a", one.tip("a"), 2), ("other", Tip::EMPTY, 1)], &[]);
    bench.append(&[one.clone(), two.clone()]).await?;
    let all = [("b", 0), ("never", 0), ("a", 0)];
    let places = |events: &[EventRow]| events.iter().map(|event| event.sequence).collect::<Vec<_>>();

    let first = bench.streams(&all, None, 3).await?;
    ensure!(first.at == 7, "the first read is as of {} instead of 7", first.at);
    ensure!(places(&first.events) == [1, 2, 3] && first.more, "the first page has {:?}", places(&first.events));
    bench.appended(&bench.request("three", &[("a", two.tip("a"), 1), ("b", one.tip("b"), 1)], &[])).await?;
    let rest = bench.streams(&[("b", 1), ("never", 0), ("a", 2)], Some(first.at), 10).await?;
    ensure!(rest.at == 7, "a read as of 7 is as of {}", rest.at);
    ensure!(places(&rest.events) == [4, 5, 6] && !rest.more, "the second page has {:?}", places(&rest.events));
    let middle = bench.streams(&all, Some(3), 10).await?;
    ensure!(
        (middle.at, places(&middle.events)) == (3, vec![1, 2, 3]),
        "as of 3 there are {:?}",
        places(&middle.events)
    );
    let none = bench.streams(&all, Some(0), 10).await?;
    ensure!((none.at, none.events.len()) == (0, 0), "as of 0 there are {:?}", places(&none.events));
    let head = bench.store.head(&bench.ledger).await?.sequence;
    for at in [None, Some(head), Some(head + 1), Some(u64::MAX)] {
        let page = bench.streams(&all, at, 100).await?;
        ensure!(page.at == head, "a read as of {at:?} is as of {} at head {head}", page.at);
        let due = bench.log().await?.events.iter().filter(|event| event.stream.as_str() != "other").count();
        ensure!(
            page.events.len() == due && !page.more,
            "a read as of {at:?} has {} of {due} events",
            page.events.len()
        );
    }
    let beyond = bench.streams(&[("a", u64::MAX)], None, 10).await?;
    ensure!(beyond.events.is_empty(), "after the last version there are {:?}", places(&beyond.events));
    Ok(())
}

/// C13: pages of any size give the same log, request by request.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c13_pages_of_any_size_give_the_same_log<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c13").await?;
    let mut due = Vec::new();
    for (number, size) in [1, 1, 4, 9, 2, 1, 30, 1, 1, 5].into_iter().enumerate() {
        let name = format!("s{number}");
        due.push(bench.appended(&bench.request(&name, &[(&name, Tip::EMPTY, size)], &[])).await?);
    }
    let whole = bench.log().await?;
    ensure!(whole.requests == due, "the log has other requests than were acknowledged");
    for limit in [0, 1, 2, 3, 5, 8, 30, 31, 54, 55, 56, usize::MAX] {
        let (mut after, mut paged) = (0, LogPage::default());
        loop {
            let page = bench.store.read_log(&bench.ledger, after, limit).await?;
            let Some(last) = page.requests.last() else {
                ensure!(page.events.is_empty(), "a page without a request has events");
                break;
            };
            ensure!(last.last_sequence() > after, "a page of {limit} does not lead on from {after}");
            let full = page.events.len() <= limit || page.requests.len() == 1;
            ensure!(full, "a page of {limit} has {} events", page.events.len());
            let ends = page.events.last().map(|event| event.sequence) == Some(last.last_sequence());
            ensure!(ends, "a page of {limit} does not end with its last request");
            after = last.last_sequence();
            paged.requests.extend(page.requests);
            paged.events.extend(page.events);
        }
        ensure!(paged == whole, "pages of {limit} give another log");
        let (mut versions, mut events) = (0, Vec::new());
        while let page = bench.streams(&[("s6", versions)], None, limit).await?
            && !page.events.is_empty()
        {
            versions += page.events.len() as u64;
            ensure!(page.more == (versions < 30), "a page up to version {versions} of 30 says more: {}", page.more);
            events.extend(page.events);
        }
        ensure!(events.iter().map(|event| event.version).eq(1..=30), "pages of {limit} give another stream");
    }
    Ok(())
}

/// C14: what was acknowledged is there after the store is opened again.
///
/// # Errors
/// [`Failure`] when it does not hold, or the store cannot be opened again.
pub async fn c14_what_was_acknowledged_survives<F: Factory + ?Sized>(factory: &F) -> Checked {
    let mut bench = Bench::open(factory, "c14").await?;
    let tip = bench.fill("a", 10).await?;
    let request = bench.request("last", &[("a", tip, 3)], &[]);
    let row = bench.appended(&request).await?;
    let checkpoint = checkpoint("kept", 1, b"state");
    keep_checkpoint(&*bench.store, &bench.ledger, &checkpoint).await?;
    let before = (bench.log().await?, bench.store.head(&bench.ledger).await?);

    let empty: Arc<dyn Store> = Arc::new(super::memory::MemoryStore::new(Arc::new(|| 0)));
    let store = std::mem::replace(&mut bench.store, empty);
    let Some(store) = factory.reopen(store, bench.clock()).await? else {
        return Err(Failure::NotApplicable("the store keeps nothing"));
    };
    bench.store = store;
    let after = (bench.log().await?, bench.store.head(&bench.ledger).await?);
    ensure!(after == before, "of {} events {} are left", before.0.events.len(), after.0.events.len());
    let kept = bench.store.load_checkpoint(&bench.ledger, "kept").await?;
    ensure!(kept.as_ref() == Some(&checkpoint), "the checkpoint came back as {kept:?}");
    let again = bench.only(&request).await?;
    ensure!(again == Outcome::AlreadyAppended(row), "a retry gave {again:?}");
    bench.appended(&bench.request("next", &[("a", request.tip("a"), 1)], &[])).await?;
    verify_links(&bench.log().await?)?;
    Ok(())
}

/// C15: writers in parallel lose nothing and repeat nothing.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c15_parallel_writers_lose_and_repeat_nothing<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c15").await?;
    let writers = ["w1", "w2", "w3", "w4", "w5", "w6"];
    let work = writers.iter().map(|writer| contend(&*bench.store, &bench.ledger, writer, 10));
    for done in join(work).await {
        done?;
    }
    settled(&*bench.store, &bench.ledger, &writers, 10).await?;

    // The same request from everywhere at once is stored once, and everybody hears of the one.
    let request = bench.request("same", &[("same", Tip::EMPTY, 2)], &[]);
    let mut rows = BTreeSet::new();
    let mut stored = 0;
    for outcome in join((0..8).map(|_| bench.only(&request))).await {
        match outcome? {
            Outcome::Appended(row) => {
                stored += 1;
                rows.insert(row.first_sequence);
            }
            Outcome::AlreadyAppended(row) => drop(rows.insert(row.first_sequence)),
            other => return Err(Failure::Broken(format!("the same request again gave {other:?}"))),
        }
    }
    ensure!((stored, rows.len()) == (1, 1), "one request sent 8 times was stored {stored} times, at {rows:?}");
    // Who has nothing in common with the others but the ledger is in nobody's way.
    let apart: Vec<_> = (0..64).map(|writer| format!("apart-{writer}")).collect();
    let apart: Vec<_> = apart.iter().map(|name| bench.request(name, &[(name, Tip::EMPTY, 1)], &[])).collect();
    for row in join(apart.iter().map(|request| bench.appended(request))).await {
        row?;
    }
    Ok(())
}

/// C16: a checkpoint comes back as it was saved, and is replaced as a whole.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c16_a_checkpoint_is_replaced_as_a_whole<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c16").await?;
    let (store, ledger) = (&bench.store, &bench.ledger);
    let long: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).take(1_000_000).collect();
    let (new, old) = (checkpoint("register", 9, &long), checkpoint("register", 3, b"\0\xff"));
    let other = checkpoint("other", 4, b"");
    for saved in [&new, &other, &old] {
        keep_checkpoint(&**store, ledger, saved).await?;
        let loaded = store.load_checkpoint(ledger, &saved.name).await?;
        ensure!(loaded.as_ref() == Some(saved), "{} at {} came back otherwise", saved.name, saved.sequence);
    }
    ensure!(store.load_checkpoint(ledger, "other").await?.as_ref() == Some(&other), "saving one changed another");
    ensure!(store.load_checkpoint(ledger, "unknown").await?.is_none(), "a name that was never saved has a checkpoint");
    let elsewhere = bench.beside("c16-other");
    let found = store.load_checkpoint(&elsewhere.ledger, "other").await?;
    ensure!(found.is_none(), "another ledger has the checkpoint too");
    Ok(())
}

/// C17: a projection's rows and its checkpoint are saved together, and only if the checkpoint is the expected one.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c17_rows_and_checkpoint_move_together<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c17").await?;
    let first = checkpoint("rows", 3, b"[]");
    let never = bench.save(Some(&first), &first, &[("a", Some("1"))]).await?;
    ensure!(!never, "a checkpoint that was never kept was the expected one");
    ensure!(bench.rows("rows").await?.is_empty(), "what was not saved left rows");
    ensure!(bench.save(None, &first, &[("a", Some("1")), ("b", Some("1"))]).await?, "the first checkpoint was refused");

    let next = checkpoint("rows", 5, b"[]");
    let before = bench.rows("rows").await?;
    let wrong = [
        None,
        Some(CheckpointRow { version: 8, ..first.clone() }),
        Some(CheckpointRow { sequence: 4, ..first.clone() }),
        Some(CheckpointRow { link: Digest::of(b"another history"), ..first.clone() }),
        Some(CheckpointRow { state: b"[7]".to_vec(), ..first.clone() }),
    ];
    for expected in wrong {
        for clear in [false, true] {
            let write = ProjectionWrite { clear, ..write(expected.as_ref(), &next, &[("a", Some("2")), ("b", None)]) };
            let saved = bench.store.save_projection(&bench.ledger, &write).await?;
            ensure!(!saved, "{expected:?} was taken for {first:?}");
        }
        ensure!(bench.rows("rows").await? == before, "what was not saved changed rows");
        let kept = bench.store.load_checkpoint(&bench.ledger, "rows").await?;
        ensure!(kept.as_ref() == Some(&first), "what was not saved left {kept:?}");
    }
    let other = checkpoint("other", 1, b"");
    bench.save(None, &other, &[("a", Some("other"))]).await?;
    ensure!(
        bench.save(Some(&first), &next, &[("a", Some("2")), ("b", None), ("c", Some("2"))]).await?,
        "it was refused"
    );
    let rows = bench.rows("rows").await?;
    ensure!(
        rows == [row("a", 5, "2"), row("c", 5, "2")],
        "after a change, a removal and an addition there is {rows:?}"
    );

    let writers = ["one", "two", "three"].map(|name| {
        let (bench, next) = (&bench, &next);
        async move { bench.save(Some(next), &checkpoint("rows", 6, name.as_bytes()), &[("a", Some(name))]).await }
    });
    let saved = join(writers.into_iter()).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure!(saved.iter().filter(|saved| **saved).count() == 1, "of three that moved the same one, {saved:?} did");
    let kept = bench.store.load_checkpoint(&bench.ledger, "rows").await?.unwrap_or_else(|| first.clone());
    let rows = bench.rows("rows").await?;
    let fits = rows.first().is_some_and(|row| row.value.as_bytes() == kept.state);
    ensure!(fits, "the checkpoint is of {kept:?}, the rows are {rows:?}");

    let cleared = ProjectionWrite { clear: true, ..write(Some(&kept), &first, &[("z", Some("3"))]) };
    ensure!(bench.store.save_projection(&bench.ledger, &cleared).await?, "clearing was refused");
    let rows = bench.rows("rows").await?;
    ensure!(rows == [row("z", 3, "3")], "after clearing there is {rows:?}");
    ensure!(bench.rows("other").await? == [row("a", 1, "other")], "another projection's rows were changed");
    Ok(())
}

/// C18: a projection's rows come back as they were saved, by key and in pages, and are those of no other projection or ledger.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c18_rows_come_back_by_key<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c18").await?;
    let long = "é\n\u{1}".repeat(50_000);
    let mut keys = ["a", "A", "a/b", "a ", "aa", "b", "%", "_", "'\"", "Ä", "ä", "日本", "\u{1}", "~", "{\"a\":1}"];
    let changes: Vec<_> = keys.iter().map(|key| (*key, Some(if *key == "a" { long.as_str() } else { *key }))).collect();
    bench.save(None, &checkpoint("rows", 9, b"[]"), &changes).await?;
    bench.save(None, &checkpoint("other", 2, b"[]"), &[("a", Some("")), ("c", Some("c"))]).await?;
    keys.sort_unstable();
    let expected: Vec<_> = keys.iter().map(|key| row(key, 9, if *key == "a" { &long } else { key })).collect();
    for limit in [1, 2, 7, 1_000, usize::MAX] {
        let mut all: Vec<ProjectionRow> = Vec::new();
        loop {
            let after = all.last().map(|row| row.key.clone());
            let page = bench.store.list_rows(&bench.ledger, "rows", after.as_deref(), limit).await?;
            ensure!(page.len() <= limit, "a page of at most {limit} has {} rows", page.len());
            if page.is_empty() {
                break;
            }
            all.extend(page);
            ensure!(all.len() <= keys.len(), "pages of {limit} repeat rows");
        }
        ensure!(all == expected, "pages of {limit} give {:?}", all.iter().map(|row| &row.key).collect::<Vec<_>>());
    }
    for key in keys {
        let found = bench.store.read_rows(&bench.ledger, "rows", &[key.into()]).await?;
        let expected = row(key, 9, if key == "a" { &long } else { key });
        ensure!(found == [expected], "the key {key:?} gave {:?}", found.iter().map(|row| &row.key).collect::<Vec<_>>());
    }
    let some = ["b", "missing", "a", "c"].map(Into::into);
    let mut found = bench.store.read_rows(&bench.ledger, "rows", &some).await?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    ensure!(found == [row("a", 9, &long), row("b", 9, "b")], "of four keys {} rows came back", found.len());
    let none = bench.store.read_rows(&bench.ledger, "rows", &[]).await?;
    ensure!(none.is_empty(), "without a key {none:?} came back");
    let between = bench.store.list_rows(&bench.ledger, "rows", Some("aaa"), 1).await?;
    ensure!(between == [row("b", 9, "b")], "after a key that has no row {between:?} came back");
    let (kept, gone) = (checkpoint("rows", 9, b"[]"), keys.map(|key| (key, (key == "aa").then_some("aa"))));
    ensure!(bench.save(Some(&kept), &kept, &gone).await?, "taking rows out was refused");
    let left = bench.rows("rows").await?;
    ensure!(left == [row("aa", 9, "aa")], "of all rows but one taken out there is {left:?}");
    let elsewhere = bench.beside("c18-other");
    ensure!(elsewhere.rows("rows").await?.is_empty(), "another ledger has the rows too");
    let strange = bench.store.read_rows(&bench.ledger, "unknown", &some).await?;
    ensure!(strange.is_empty(), "a projection that was never saved has {strange:?}");
    Ok(())
}

/// C19: a promotion puts rows and checkpoint of one projection in place of another's, at once, if both are the expected ones.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c19_a_promotion_replaces_at_once<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c19").await?;
    let (store, ledger) = (&bench.store, &bench.ledger);
    let (live, next) = (checkpoint("live", 5, b"old"), checkpoint("next", 7, b"new"));
    bench.save(None, &live, &[("a", Some("old")), ("gone", Some("old"))]).await?;
    bench.save(None, &next, &[("a", Some("new")), ("b", Some("new"))]).await?;
    let elsewhere = bench.beside("c19-other");
    elsewhere.save(None, &live, &[("a", Some("other"))]).await?;
    let promotion = |from: &CheckpointRow, over: Option<&CheckpointRow>| Promotion {
        from: from.clone(),
        to: "live".into(),
        over: over.cloned(),
    };
    let (stale, moved) = (checkpoint("live", 4, b"old"), checkpoint("next", 8, b"new"));
    for (from, over) in
        [(&next, None), (&next, Some(&stale)), (&moved, Some(&live)), (&checkpoint("x", 1, b""), Some(&live))]
    {
        let done = store.promote(ledger, &promotion(from, over)).await?;
        ensure!(!done, "{from:?} was promoted over {over:?}");
        ensure!(bench.rows("live").await?.len() == 2 && bench.rows("next").await?.len() == 2, "a refusal changed rows");
        let kept = store.load_checkpoint(ledger, "live").await?;
        ensure!(kept.as_ref() == Some(&live), "a refusal left {kept:?}");
    }
    ensure!(store.promote(ledger, &promotion(&next, Some(&live))).await?, "the promotion was refused");
    let rows = bench.rows("live").await?;
    ensure!(rows == [row("a", 7, "new"), row("b", 7, "new")], "the promoted rows are {rows:?}");
    let kept = store.load_checkpoint(ledger, "live").await?;
    ensure!(kept == Some(CheckpointRow { name: "live".into(), ..next.clone() }), "the promoted checkpoint is {kept:?}");
    let left = (store.load_checkpoint(ledger, "next").await?, bench.rows("next").await?);
    ensure!(left == (None, Vec::new()), "under the name that was promoted there is {left:?}");
    ensure!(elsewhere.rows("live").await? == [row("a", 5, "other")], "another ledger's rows were changed");

    let first = checkpoint("first", 2, b"");
    bench.save(None, &first, &[("f", Some("first"))]).await?;
    let promotion = Promotion { from: first, to: "never".into(), over: None };
    ensure!(store.promote(ledger, &promotion).await?, "a promotion over nothing was refused");
    let rows = bench.rows("never").await?;
    ensure!(rows == [row("f", 2, "first")], "promoted over nothing, the rows are {rows:?}");
    Ok(())
}

/// C20: a snapshot comes back as it was saved, replaced as a whole, for its stream and ledger only.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c20_a_snapshot_is_replaced_as_a_whole<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c20").await?;
    let (store, ledger) = (&bench.store, &bench.ledger);
    let long: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
    let (new, old) = (snapshot("account/a/USD", 9, &long), snapshot("account/a/USD", 3, b"\0\xff"));
    let other = snapshot("account/b/USD", 4, b"");
    let all = ["account/b/USD", "account/a/USD", "account/c/USD"].map(stream);
    for saved in [&new, &other, &old] {
        store.save_snapshot(ledger, saved).await?;
        let loaded = store.load_snapshots(ledger, std::slice::from_ref(&saved.stream)).await?;
        ensure!(loaded == [saved.clone()], "{} at {} came back otherwise", saved.stream, saved.version);
    }
    let mut loaded = store.load_snapshots(ledger, &all).await?;
    loaded.sort_by(|a, b| a.stream.cmp(&b.stream));
    ensure!(loaded == [old, other], "of three streams, one without a snapshot, {} came back", loaded.len());
    ensure!(store.load_snapshots(ledger, &[]).await?.is_empty(), "no stream has a snapshot");
    let elsewhere = bench.beside("c20-other");
    let found = store.load_snapshots(&elsewhere.ledger, &all).await?;
    ensure!(found.is_empty(), "another ledger has the snapshots too");
    ensure!(store.head(ledger).await? == Head::default(), "a snapshot moved the head");
    Ok(())
}

/// C21: the pages of a log that is read on and on are those that are read one by one, and can be left at any.
///
/// # Errors
/// [`Failure`] when it does not hold.
pub async fn c21_pages_follow_one_another<F: Factory + ?Sized>(factory: &F) -> Checked {
    let bench = Bench::open(factory, "c21").await?;
    let beside = bench.beside("c21-other");
    for (number, size) in [1, 1, 4, 9, 2, 1, 30, 1, 1, 5].into_iter().enumerate() {
        let name = format!("s{number}");
        bench.appended(&bench.request(&name, &[(&name, Tip::EMPTY, size)], &[])).await?;
        beside.appended(&beside.request(&name, &[(&name, Tip::EMPTY, size)], &[])).await?;
    }
    for limit in [0, 1, 3, 8, 30, 54, usize::MAX] {
        let whole = bench.log().await?;
        let ends: Vec<u64> = whole.requests.iter().map(RequestRow::last_sequence).collect();
        for after in ends.iter().copied().chain([0, u64::MAX]) {
            for until in ends.iter().copied().chain([0, 20, u64::MAX]) {
                let mut due = whole.clone();
                due.requests.retain(|row| row.first_sequence > after && row.first_sequence <= until);
                let last = due.requests.last().map_or(0, RequestRow::last_sequence);
                due.events.retain(|event| event.sequence > after && event.sequence <= last);
                let found = read_on(&bench, after, until, limit, usize::MAX).await?;
                ensure!(found == due, "pages of {limit} after {after} until {until} are other pages");
            }
        }
        // Left after a page, the store is at once for others, and reading goes on from there whatever was stored meanwhile.
        let end = ends.last().copied().unwrap_or_default();
        let mut begun = bench.store.log_pages(&bench.ledger, 0, end, limit);
        let left = read_on(&bench, 0, u64::MAX, limit, 1).await?;
        let first = begun.next().await?.unwrap_or_default();
        ensure!(first == left, "two who read pages of {limit} at once are given other pages");
        let name = format!("later-{limit}");
        bench.appended(&bench.request(&name, &[(&name, Tip::EMPTY, 1)], &[])).await?;
        let after = left.requests.last().map_or(0, RequestRow::last_sequence);
        let mut found = left;
        append_page(&mut found, read_on(&bench, after, end, limit, usize::MAX).await?);
        ensure!(found == whole, "what was left after a page of {limit} does not go on from there");
        found = first;
        while let Some(page) = begun.next().await? {
            append_page(&mut found, page);
        }
        ensure!(found == whole, "pages of {limit} show what was stored after they were begun");
    }
    Ok(())
}

/// At most so many pages.
async fn read_on(bench: &Bench, after: u64, until: u64, limit: usize, most: usize) -> Result<LogPage, Failure> {
    let mut pages = bench.store.log_pages(&bench.ledger, after, until, limit);
    let (mut found, mut count) = (LogPage::default(), 0);
    while count < most
        && let Some(page) = pages.next().await?
    {
        count += 1;
        let full = !page.requests.is_empty() && (page.events.len() <= limit || page.requests.len() == 1);
        ensure!(full, "a page of {limit} has {} requests, {} events", page.requests.len(), page.events.len());
        append_page(&mut found, page);
        ensure!(found.requests.len() <= 1_000, "pages of {limit} after {after} do not come to an end");
    }
    Ok(found)
}

fn append_page(log: &mut LogPage, page: LogPage) {
    log.requests.extend(page.requests);
    log.events.extend(page.events);
}

/// Appends `count` requests of one event each to a stream that all writers share, loading and trying again as long as others
/// are quicker. Each also writes a stream of the writer's own.
///
/// # Errors
/// [`Failure`] when the store refuses, or lets it win no more.
pub async fn contend(store: &dyn Store, ledger: &LedgerName, writer: &str, count: usize) -> Checked {
    let mut own = Tip::EMPTY;
    for number in 0..count {
        let mut tries = 0;
        loop {
            tries += 1;
            ensure!(tries < 10_000, "{writer} lost {tries} times");
            let shared = match last_tip(store, ledger, "shared").await {
                Err(StoreError::Unavailable(_)) => continue,
                tip => tip?,
            };
            // Let others in between reading and writing.
            pause().await;
            let name = format!("{writer}-{number}");
            let request = request(ledger, &name, &[("shared", shared, 1), (writer, own, 1)], &[]);
            match store.append(ledger, std::slice::from_ref(&request)).await {
                Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {}
                outcomes => match &outcomes?[..] {
                    [Outcome::Appended(_)] => {
                        own = request.tip(writer);
                        break;
                    }
                    // An attempt whose answer was lost had arrived: its event is the stream's last.
                    [Outcome::AlreadyAppended(_)] => {
                        own = last_tip(store, ledger, writer).await?;
                        break;
                    }
                    [Outcome::Conflict { .. }] => {}
                    other => return Err(Failure::Broken(format!("{writer} was given {other:?}"))),
                },
            }
        }
    }
    Ok(())
}

/// Finds every request of every writer that [`contend`]ed exactly once, each decided on what was there, and the log sound.
///
/// # Errors
/// [`Failure`] with what is lost, repeated or torn.
pub async fn settled(store: &dyn Store, ledger: &LedgerName, writers: &[&str], count: usize) -> Checked {
    let log = read_all(store, ledger).await?;
    let keys: BTreeSet<&str> = log.requests.iter().map(|request| request.key.as_str()).collect();
    for (writer, number) in writers.iter().flat_map(|writer| (0..count).map(move |number| (writer, number))) {
        ensure!(keys.contains(format!("{writer}-{number}").as_str()), "request {number} of {writer} is lost");
    }
    let due = writers.len() * count;
    ensure!(log.requests.len() == due, "{} requests are there instead of {due}", log.requests.len());
    let shared: Vec<&EventRow> = log.events.iter().filter(|event| event.stream.as_str() == "shared").collect();
    let versions = shared.iter().map(|event| event.version);
    ensure!(versions.eq(1..=due as u64), "the shared stream has a gap or a repetition");
    for event in shared {
        let decided = event.payload.ends_with(format!("\"version\":{}}}", event.version).as_bytes());
        ensure!(decided, "version {} of the shared stream was decided on another state", event.version);
    }
    ensure!(verify_links(&log)? == store.head(ledger).await?, "the head is not where the log ends");
    Ok(())
}

/// A store, a ledger in it, and the time that it goes by.
struct Bench {
    store: Arc<dyn Store>,
    ledger: LedgerName,
    now: Arc<AtomicI64>,
}

impl Bench {
    async fn open<F: Factory + ?Sized>(factory: &F, name: &str) -> Result<Self, Failure> {
        let now = Arc::new(AtomicI64::new(1_767_225_600_000_000));
        let store = factory.open(clock(&now)).await?;
        Ok(Self { store, ledger: ledger(name)?, now })
    }

    /// Another ledger of the same store.
    fn beside(&self, name: &str) -> Self {
        let ledger = ledger(name).unwrap_or_else(|_| self.ledger.clone());
        Self { store: self.store.clone(), ledger, now: self.now.clone() }
    }

    fn clock(&self) -> Clock {
        clock(&self.now)
    }

    fn request(&self, key: &str, writes: &[(&str, Tip, usize)], reads: &[(&str, Tip)]) -> Append {
        request(&self.ledger, key, writes, reads)
    }

    fn sign(&self, request: &mut Append) {
        sign(&self.ledger, request);
    }

    async fn append(&self, group: &[Append]) -> Result<Vec<Outcome>, Failure> {
        let outcomes = self.store.append(&self.ledger, group).await?;
        ensure!(outcomes.len() == group.len(), "{} requests got {} answers", group.len(), outcomes.len());
        Ok(outcomes)
    }

    async fn only(&self, request: &Append) -> Result<Outcome, Failure> {
        let outcomes = self.append(std::slice::from_ref(request)).await?;
        outcomes.into_iter().next().ok_or_else(|| Failure::Broken("a request got no answer".into()))
    }

    async fn appended(&self, request: &Append) -> Result<RequestRow, Failure> {
        match self.only(request).await? {
            Outcome::Appended(row) => Ok(row),
            other => Err(Failure::Broken(format!("request {} gave {other:?}", request.key))),
        }
    }

    /// Appends requests of one event each to a stream, and returns its tip.
    async fn fill(&self, stream: &str, count: u64) -> Result<Tip, Failure> {
        let mut tip = Tip::EMPTY;
        for number in 0..count {
            let request = self.request(&format!("{stream}-{number}"), &[(stream, tip, 1)], &[]);
            self.appended(&request).await?;
            tip = request.tip(stream);
        }
        Ok(tip)
    }

    async fn log(&self) -> Result<LogPage, Failure> {
        read_all(&*self.store, &self.ledger).await
    }

    async fn save(
        &self,
        expected: Option<&CheckpointRow>,
        to: &CheckpointRow,
        rows: &[(&str, Option<&str>)],
    ) -> Result<bool, Failure> {
        Ok(self.store.save_projection(&self.ledger, &write(expected, to, rows)).await?)
    }

    /// All rows of a projection with few.
    async fn rows(&self, projection: &str) -> Result<Vec<ProjectionRow>, Failure> {
        Ok(self.store.list_rows(&self.ledger, projection, None, 1_000).await?)
    }

    async fn streams(
        &self,
        streams: &[(&str, u64)],
        at: Option<u64>,
        limit: usize,
    ) -> Result<super::StreamPage, Failure> {
        let streams: Vec<_> =
            streams.iter().map(|(name, after)| StreamAfter { stream: stream(name), after: *after }).collect();
        Ok(self.store.read_streams(&self.ledger, &streams, at, limit).await?)
    }
}

impl Append {
    /// The tip of a stream after this request.
    fn tip(&self, name: &str) -> Tip {
        let written = self.events.iter().rev().find(|event| event.stream.as_str() == name);
        let guard = self.guards.iter().find(|guard| guard.stream.as_str() == name);
        let kept = guard.map_or(Tip::EMPTY, |guard| guard.tip);
        written.map_or(kept, |event| Tip { version: event.version, digest: event.digest })
    }
}

/// The requests and events of a whole ledger.
async fn read_all(store: &dyn Store, ledger: &LedgerName) -> Result<LogPage, Failure> {
    let mut log = LogPage::default();
    loop {
        let after = log.requests.last().map_or(0, RequestRow::last_sequence);
        let page = store.read_log(ledger, after, 1_000).await?;
        if page.requests.is_empty() {
            return Ok(log);
        }
        log.requests.extend(page.requests);
        log.events.extend(page.events);
        let last = log.requests.last().map_or(0, RequestRow::last_sequence);
        ensure!(last > after, "the log after {after} leads back to {last}");
    }
}

/// The tip of a stream.
async fn last_tip(store: &dyn Store, ledger: &LedgerName, name: &str) -> Result<Tip, StoreError> {
    let mut tip = Tip::EMPTY;
    loop {
        let rest = [StreamAfter { stream: stream(name), after: tip.version }];
        let page = store.read_streams(ledger, &rest, None, 1_000).await?;
        match page.events.last() {
            Some(event) => tip = Tip { version: event.version, digest: event.digest },
            None => return Ok(tip),
        }
    }
}

/// Recomputes the chain of a whole ledger, and returns where it ends.
fn verify_links(log: &LogPage) -> Result<Head, Failure> {
    let mut head = Head::default();
    for request in &log.requests {
        let range = request.first_sequence..=request.last_sequence();
        let events = log.events.iter().filter(|event| range.contains(&event.sequence));
        let digests: Vec<&Digest> = events.map(|event| &event.digest).collect();
        let link = chain::link(&head.link, request.first_sequence, request.recorded_at_us, digests.into_iter());
        ensure!(link == request.link, "the link at {} does not follow", request.first_sequence);
        head = Head { sequence: request.last_sequence(), link, recorded_at_us: request.recorded_at_us };
    }
    Ok(head)
}

/// A request that writes as many events as said to each of some streams, and reads others, given their tips.
fn request(ledger: &LedgerName, name: &str, writes: &[(&str, Tip, usize)], reads: &[(&str, Tip)]) -> Append {
    let written = writes.iter().map(|(name, tip, _)| (name, tip));
    let guards = reads.iter().map(|(name, tip)| (name, tip)).chain(written);
    let guards = guards.map(|(name, tip)| Guard { stream: stream(name), tip: *tip }).collect();
    let events = writes.iter().flat_map(|(stream_name, tip, count)| {
        (tip.version + 1..).take(*count).map(|version| NewEvent {
            stream: stream(stream_name),
            version,
            type_name: "conformance.tested".into(),
            schema_version: 1,
            effective: Date::default(),
            payload: format!("{{\"of\":\"{name}\",\"version\":{version}}}").into_bytes(),
            digest: Digest::ZERO,
        })
    });
    let mut request = Append {
        key: key(name),
        request_hash: chain::request_hash("tester", name.as_bytes()),
        actor: "tester".into(),
        guards,
        events: events.collect(),
    };
    sign(ledger, &mut request);
    request
}

/// Computes the digests of a request's events.
fn sign(ledger: &LedgerName, request: &mut Append) {
    let size = u16::try_from(request.events.len()).unwrap_or(u16::MAX);
    for (event, index) in request.events.iter_mut().zip(0..) {
        let preimage = Preimage {
            ledger: ledger.as_str(),
            stream: event.stream.as_str(),
            version: event.version,
            type_name: &event.type_name,
            schema_version: event.schema_version,
            key: request.key.as_str(),
            request_hash: &request.request_hash,
            actor: &request.actor,
            effective: event.effective,
            index,
            size,
            payload: &event.payload,
        };
        event.digest = preimage.digest();
    }
}

/// An event as it is due to be read, of a request that is the first of its ledger.
fn stored(sequence: u64, event: &NewEvent) -> EventRow {
    EventRow {
        sequence,
        stream: event.stream.clone(),
        version: event.version,
        type_name: event.type_name.clone(),
        schema_version: event.schema_version,
        index: u16::try_from(sequence).unwrap_or(u16::MAX).saturating_sub(1),
        effective: event.effective,
        payload: event.payload.clone(),
        digest: event.digest,
    }
}

fn checkpoint(name: &str, sequence: u64, state: &[u8]) -> CheckpointRow {
    let link = Digest::of(&sequence.to_be_bytes());
    CheckpointRow { name: name.into(), version: 7, sequence, link, state: state.to_vec() }
}

/// A write whose rows are changed at its sequence.
fn write(expected: Option<&CheckpointRow>, to: &CheckpointRow, rows: &[(&str, Option<&str>)]) -> ProjectionWrite {
    let change = |(key, value): &(&str, Option<&str>)| RowChange {
        key: (*key).into(),
        sequence: to.sequence,
        value: value.map(Into::into),
    };
    let rows = rows.iter().map(change).collect();
    ProjectionWrite { expected: expected.cloned(), checkpoint: to.clone(), clear: false, rows }
}

fn row(key: &str, sequence: u64, value: &str) -> ProjectionRow {
    ProjectionRow { key: key.into(), sequence, value: value.into() }
}

fn snapshot(name: &str, version: u64, state: &[u8]) -> SnapshotRow {
    let digest = |of: &[u8]| Digest::of(&[of, &version.to_be_bytes()].concat());
    SnapshotRow {
        stream: stream(name),
        version,
        digest: digest(b"digest"),
        first_sequence: version + 100,
        link: digest(b"link"),
        form: 7,
        state: state.to_vec(),
        check: digest(b"check"),
    }
}

fn clock(now: &Arc<AtomicI64>) -> Clock {
    let now = now.clone();
    Arc::new(move || now.load(Ordering::SeqCst))
}

fn stream(name: &str) -> StreamName {
    StreamName::from_stored(name)
}

fn ledger(name: &str) -> Result<LedgerName, Failure> {
    LedgerName::new(&format!("conformance-{name}")).map_err(|error| Failure::Broken(error.to_string()))
}

#[expect(clippy::expect_used, reason = "the keys are written in this file")]
fn key(text: &str) -> Key {
    Key::new(text).expect("a key of letters, digits and hyphens")
}

/// Gives way to the other futures once.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls all futures until each is done.
async fn join<'a, T: Send + 'a>(work: impl Iterator<Item = impl Future<Output = T> + Send + 'a>) -> Vec<T> {
    let mut work: Vec<Pin<Box<dyn Future<Output = T> + Send + 'a>>> = work.map(|one| Box::pin(one) as _).collect();
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (one, done) in work.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = one.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use compact_str::CompactString;

    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{OneByOne, Pages, StreamPage};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
        }
    }

    struct InMemory;

    impl Factory for InMemory {
        fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
            Box::pin(async { Ok(Arc::new(MemoryStore::new(clock)) as Arc<dyn Store>) })
        }
    }

    #[test]
    fn the_store_in_memory_conforms() {
        let report = block_on(run(&InMemory));
        assert!(report.holds(), "{report}");
        let skipped = report.clauses.iter().filter(|(_, result)| result.is_err()).map(|(clause, _)| *clause);
        assert_eq!(skipped.collect::<Vec<_>>(), ["C14"]);
    }

    /// The ways in which a store is broken below, each named after the clause that it breaks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        C1StoresTheFirstEventOfWhatConflicts,
        C2LeavesAGap,
        C3IgnoresDigests,
        C4IgnoresEmptyGuardsOfWhatIsRead,
        C5LooksAtGuardsFirst,
        C6AnswersAReusedKey,
        C7JudgesAGroupByWhatWasBefore,
        C8StripsBlanks,
        C9LinksToNothing,
        C10GoesByTheClock,
        C11SharesKeys,
        C12ReadsToTheHead,
        C13CutsRequests,
        C14Forgets,
        C15ChecksOutsideTheLock,
        C16KeepsTheLatestCheckpoint,
        C17LooksAtTheSequenceOnly,
        C17SavesRowsByThemselves,
        C17ClearsWhatItRefuses,
        C18ListsPagesByLength,
        C18FindsPlainKeysOnly,
        C19LeavesOldRows,
        C20KeepsTheLatestSnapshot,
        C21ReadsBeyond,
        C21EndsEarly,
    }

    use Fault::*;

    const FAULTS: [Fault; 25] = [
        C1StoresTheFirstEventOfWhatConflicts,
        C2LeavesAGap,
        C3IgnoresDigests,
        C4IgnoresEmptyGuardsOfWhatIsRead,
        C5LooksAtGuardsFirst,
        C6AnswersAReusedKey,
        C7JudgesAGroupByWhatWasBefore,
        C8StripsBlanks,
        C9LinksToNothing,
        C10GoesByTheClock,
        C11SharesKeys,
        C12ReadsToTheHead,
        C13CutsRequests,
        C14Forgets,
        C15ChecksOutsideTheLock,
        C16KeepsTheLatestCheckpoint,
        C17LooksAtTheSequenceOnly,
        C17SavesRowsByThemselves,
        C17ClearsWhatItRefuses,
        C18ListsPagesByLength,
        C18FindsPlainKeysOnly,
        C19LeavesOldRows,
        C20KeepsTheLatestSnapshot,
        C21ReadsBeyond,
        C21EndsEarly,
    ];

    #[test]
    fn each_fault_is_found_by_its_clause() {
        for fault in FAULTS {
            let report = block_on(run(&fault));
            let clause = format!("{fault:?}");
            let named = report.broken().any(|(broken, _)| {
                clause.strip_prefix(broken).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            assert!(named, "{fault:?}\n{report}");
            println!("{fault:?}: {:?}", report.broken().collect::<Vec<_>>());
        }
    }

    impl Factory for Fault {
        fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
            let inner = MemoryStore::new(clock.clone());
            Box::pin(async move { Ok(Arc::new(Broken { inner, clock, fault: *self }) as Arc<dyn Store>) })
        }

        fn reopen(
            &self,
            store: Arc<dyn Store>,
            clock: Clock,
        ) -> BoxFuture<'_, Result<Option<Arc<dyn Store>>, StoreError>> {
            Box::pin(
                async move { if *self == C14Forgets { self.open(clock).await.map(Some) } else { Ok(Some(store)) } },
            )
        }
    }

    /// A store in memory with a fault.
    struct Broken {
        inner: MemoryStore,
        clock: Clock,
        fault: Fault,
    }

    impl Broken {
        fn has(&self, fault: Fault) -> bool {
            self.fault == fault
        }

        async fn tip(&self, ledger: &LedgerName, stream: &StreamName) -> Tip {
            last_tip(&self.inner, ledger, stream.as_str()).await.unwrap()
        }

        /// The first guard that does not hold now.
        async fn conflict(&self, ledger: &LedgerName, request: &Append) -> Option<Outcome> {
            for Guard { stream, tip } in &request.guards {
                let (stream, expected, actual) = (stream.clone(), *tip, self.tip(ledger, stream).await);
                if actual != expected {
                    return Some(Outcome::Conflict { stream, expected, actual });
                }
            }
            None
        }

        /// Makes a request fit, whatever it was decided on.
        async fn force(&self, ledger: &LedgerName, request: &mut Append) {
            for guard in &mut request.guards {
                guard.tip = self.tip(ledger, &guard.stream).await;
                let mut version = guard.tip.version;
                for event in request.events.iter_mut().filter(|event| event.stream == guard.stream) {
                    version += 1;
                    event.version = version;
                }
            }
        }

        fn row(&self, mut row: RequestRow) -> RequestRow {
            if self.has(C9LinksToNothing) {
                row.link = Digest::of(&row.link.0);
            }
            if self.has(C10GoesByTheClock) {
                row.recorded_at_us = (self.clock)();
            }
            row
        }

        fn page(&self, mut page: LogPage) -> LogPage {
            page.requests = page.requests.into_iter().map(|row| self.row(row)).collect();
            for event in &mut page.events {
                event.sequence += u64::from(self.has(C2LeavesAGap) && event.sequence > 3);
                if self.has(C8StripsBlanks) {
                    event.payload.retain(|byte| *byte != b' ');
                }
            }
            page
        }

        async fn one(&self, ledger: &LedgerName, request: &Append) -> Result<Outcome, StoreError> {
            let mut request = request.clone();
            if self.has(C5LooksAtGuardsFirst)
                && let Some(conflict) = self.conflict(ledger, &request).await
            {
                return Ok(conflict);
            }
            if self.has(C3IgnoresDigests) {
                for guard in &mut request.guards {
                    let actual = self.tip(ledger, &guard.stream).await;
                    if actual.version == guard.tip.version {
                        guard.tip = actual;
                    }
                }
            }
            if self.has(C4IgnoresEmptyGuardsOfWhatIsRead) {
                let written: Vec<StreamName> = request.events.iter().map(|event| event.stream.clone()).collect();
                request.guards.retain(|guard| guard.tip != Tip::EMPTY || written.contains(&guard.stream));
            }
            if self.has(C15ChecksOutsideTheLock)
                && !request.events.is_empty()
                && self.inner.request(ledger, &request.key).await?.is_none()
                && self.conflict(ledger, &request).await.is_none()
            {
                pause().await;
                self.force(ledger, &mut request).await;
            }
            let outcome = self.inner.append(ledger, std::slice::from_ref(&request)).await?.remove(0);
            match outcome {
                Outcome::Conflict { .. } if self.has(C1StoresTheFirstEventOfWhatConflicts) => {
                    request.events.truncate(1);
                    request.guards.retain(|guard| guard.stream == request.events[0].stream);
                    self.force(ledger, &mut request).await;
                    self.inner.append(ledger, &[request]).await?;
                }
                Outcome::KeyReused { first } if self.has(C6AnswersAReusedKey) => {
                    return Ok(Outcome::AlreadyAppended(first));
                }
                Outcome::Appended(row) => return Ok(Outcome::Appended(self.row(row))),
                Outcome::AlreadyAppended(row) => return Ok(Outcome::AlreadyAppended(self.row(row))),
                _ => {}
            }
            Ok(outcome)
        }
    }

    impl Store for Broken {
        fn append<'a>(
            &'a self,
            ledger: &'a LedgerName,
            group: &'a [Append],
        ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
            Box::pin(async move {
                let mut stale = Vec::new();
                for request in group {
                    let known = self.inner.request(ledger, &request.key).await?.is_some();
                    let conflict = self.conflict(ledger, request).await;
                    stale.push(conflict.filter(|_| self.has(C7JudgesAGroupByWhatWasBefore) && !known));
                }
                let mut outcomes = Vec::new();
                for (request, stale) in group.iter().zip(stale) {
                    outcomes.push(match stale {
                        Some(conflict) => conflict,
                        None => self.one(ledger, request).await?,
                    });
                }
                Ok(outcomes)
            })
        }

        fn read_streams<'a>(
            &'a self,
            ledger: &'a LedgerName,
            streams: &'a [StreamAfter],
            at: Option<u64>,
            limit: usize,
        ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
            let at = at.filter(|_| !self.has(C12ReadsToTheHead));
            self.inner.read_streams(ledger, streams, at, limit)
        }

        fn read_log<'a>(
            &'a self,
            ledger: &'a LedgerName,
            after: u64,
            limit: usize,
        ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
            Box::pin(async move {
                let mut page = self.page(self.inner.read_log(ledger, after, limit).await?);
                if self.has(C13CutsRequests) {
                    page.events.truncate(limit.max(1));
                }
                Ok(page)
            })
        }

        fn log_pages<'a>(
            &'a self,
            ledger: &'a LedgerName,
            after: u64,
            until: u64,
            limit: usize,
        ) -> Box<dyn Pages + 'a> {
            let until = match self.fault {
                C21ReadsBeyond => u64::MAX,
                C21EndsEarly => until.min(after.saturating_add(1)),
                _ => until,
            };
            Box::new(OneByOne::new(self, ledger, after, until, limit))
        }

        fn request<'a>(
            &'a self,
            ledger: &'a LedgerName,
            key: &'a Key,
        ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
            Box::pin(async move {
                let mut found = self.inner.request(ledger, key).await?;
                if self.has(C11SharesKeys) && found.is_none() {
                    for ledger in self.inner.ledgers().await? {
                        found = found.or(self.inner.request(&ledger, key).await?);
                    }
                }
                Ok(found.map(|page| self.page(page)))
            })
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
            Box::pin(async move {
                let kept = self.inner.load_snapshots(ledger, std::slice::from_ref(&snapshot.stream)).await?;
                let later = kept.iter().any(|kept| kept.version > snapshot.version);
                if self.has(C20KeepsTheLatestSnapshot) && later {
                    return Ok(());
                }
                self.inner.save_snapshot(ledger, snapshot).await
            })
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
                let kept = self.inner.load_checkpoint(ledger, &write.checkpoint.name).await?;
                let at = |row: &Option<CheckpointRow>| row.as_ref().map(|row| row.sequence);
                let later = at(&kept) > Some(write.checkpoint.sequence);
                if self.has(C16KeepsTheLatestCheckpoint) && later {
                    return Ok(true);
                }
                let mut write = write.clone();
                if self.has(C17LooksAtTheSequenceOnly) && at(&kept) == at(&write.expected) {
                    write.expected = kept.clone();
                }
                if self.has(C17SavesRowsByThemselves)
                    && let Some(kept) = kept.clone().filter(|kept| Some(kept) != write.expected.as_ref())
                {
                    let (expected, checkpoint) = (Some(kept.clone()), kept);
                    let write = ProjectionWrite { expected, checkpoint, clear: false, ..write };
                    self.inner.save_projection(ledger, &write).await?;
                    return Ok(false);
                }
                if self.has(C17ClearsWhatItRefuses)
                    && write.clear
                    && let Some(kept) = kept.filter(|kept| Some(kept) != write.expected.as_ref())
                {
                    let (expected, checkpoint) = (Some(kept.clone()), kept);
                    let write = ProjectionWrite { expected, checkpoint, clear: true, rows: Vec::new() };
                    self.inner.save_projection(ledger, &write).await?;
                    return Ok(false);
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
            Box::pin(async move {
                let mut rows = self.inner.read_rows(ledger, projection, keys).await?;
                let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
                rows.retain(|row| !self.has(C18FindsPlainKeysOnly) || plain(&row.key));
                Ok(rows)
            })
        }

        fn list_rows<'a>(
            &'a self,
            ledger: &'a LedgerName,
            projection: &'a str,
            after: Option<&'a str>,
            limit: usize,
        ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
            Box::pin(async move {
                if !self.has(C18ListsPagesByLength) {
                    return self.inner.list_rows(ledger, projection, after, limit).await;
                }
                let mut rows = self.inner.list_rows(ledger, projection, None, 1_000).await?;
                let order = |key: &str| (key.len(), key.to_owned());
                rows.sort_by_key(|row| order(&row.key));
                rows.retain(|row| after.is_none_or(|after| order(&row.key) > order(after)));
                rows.truncate(limit);
                Ok(rows)
            })
        }

        fn promote<'a>(
            &'a self,
            ledger: &'a LedgerName,
            promotion: &'a Promotion,
        ) -> BoxFuture<'a, Result<bool, StoreError>> {
            Box::pin(async move {
                let old = self.inner.list_rows(ledger, &promotion.to, None, 1_000).await?;
                let done = self.inner.promote(ledger, promotion).await?;
                if self.has(C19LeavesOldRows) && done {
                    let kept = self.inner.load_checkpoint(ledger, &promotion.to).await?.unwrap();
                    let new = self.inner.list_rows(ledger, &promotion.to, None, 1_000).await?;
                    let left = old.iter().filter(|old| new.iter().all(|new| new.key != old.key));
                    let rows: Vec<_> = left.map(|row| (row.key.as_str(), Some(row.value.as_str()))).collect();
                    self.inner.save_projection(ledger, &super::write(Some(&kept), &kept, &rows)).await?;
                }
                Ok(done)
            })
        }
    }
}
