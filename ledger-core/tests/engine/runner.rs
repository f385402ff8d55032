//! A read model's rows are the fold of the log, whatever fails on the way.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use compact_str::CompactString;
use ledger_core::chain::{Digest, Preimage};
use ledger_core::engine::Ledger;
use ledger_core::engine::runner::{BESIDE, Cause, ReadModel, Rows, Runner, RunnerError};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::projection::balances::Balances;
use ledger_core::projection::read_model::fold;
use ledger_core::projection::replay::{ReplayError, replay};
use ledger_core::projection::{All, Projected};
use ledger_core::recorded::Recorded;
use ledger_core::store::{Append, Guard, NewEvent, Outcome, ProjectionWrite, RowChange, Store, StreamAfter};
use ledger_core::stream::{StreamName, Tip};

use crate::faulty::{Cut, FaultyStore};
use crate::{deal, log, open, ready, request, story};

/// Counts events and sums of versions, one row a stream and one a kind of stream, and takes exception to some events.
struct Model {
    name: String,
    version: u32,
    /// The sequence of the event that it cannot take, and how it fails over it; 0 is none.
    bad: AtomicU64,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Fails,
    Panics,
    Strays,
    PanicsOverKeys,
}

fn model(name: &str) -> Model {
    Model { name: name.into(), version: 1, bad: AtomicU64::new(0), how: How::Fails }
}

impl ReadModel for Model {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn keys(&self, recorded: &Recorded) -> Vec<CompactString> {
        let is_bad = self.bad.load(Ordering::Relaxed) == recorded.sequence;
        assert!(!is_bad || self.how != How::PanicsOverKeys, "no key for {}", recorded.sequence);
        vec![recorded.stream.as_str().into()]
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause> {
        let key = recorded.stream.as_str();
        let text = rows.get(key)?.unwrap_or_default().to_owned();
        // Not commutative: events in another order come to another text.
        rows.put(key, format!("{text}{};", recorded.sequence))?;
        if self.bad.load(Ordering::Relaxed) == recorded.sequence {
            match self.how {
                How::Fails => return Err(Cause::failed("x".repeat(10_000))),
                How::Panics => panic!("over {}", recorded.sequence),
                How::Strays => drop(rows.put("elsewhere", String::new())),
                How::PanicsOverKeys => {}
            }
        }
        Ok(())
    }
}

fn runner(store: &Arc<FaultyStore>, model: &Arc<Model>, page: usize) -> Runner {
    let ledger = open(store).name().clone();
    Runner::new(store.clone(), Arc::new(TokioEnv::current()), ledger, model.clone(), page)
}

async fn rows(ledger: &Ledger, projection: &str) -> BTreeMap<CompactString, String> {
    let rows = ledger.store().list_rows(ledger.name(), projection, None, 1_000).await.unwrap();
    rows.into_iter().map(|row| (row.key, row.value)).collect()
}

async fn expected(ledger: &Ledger) -> BTreeMap<CompactString, String> {
    fold(&model("any"), &log(ledger).await).unwrap()
}

#[tokio::test]
async fn a_crash_at_any_call_of_the_store_changes_nothing_in_the_end() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 8).await;
    let expected = expected(&ledger).await;
    for cut in [Cut::Before, Cut::After] {
        for rebuilt in [false, true] {
            let mut reached = 0;
            for after in 0.. {
                let model = Arc::new(model(&format!("model-{cut:?}-{rebuilt}-{after}")));
                store.cut(after, cut);
                let mut failed = 0;
                loop {
                    let runner = runner(&store, &model, 6);
                    let done = async {
                        runner.catch_up().await?;
                        if rebuilt { runner.rebuild().await.map(drop) } else { Ok(()) }
                    };
                    match done.await {
                        Ok(()) => break,
                        Err(error) => assert!(error.is_passing(), "{error}"),
                    }
                    failed += 1;
                }
                store.heal();
                assert_eq!(rows(&ledger, &model.name).await, expected, "{cut:?} after {after}, rebuilt: {rebuilt}");
                let beside = format!("{}{BESIDE}", model.name);
                assert!(rows(&ledger, &beside).await.is_empty());
                if failed == 0 {
                    break;
                }
                reached = after;
            }
            assert!(reached > 10, "only {reached} calls were cut");
        }
    }
}

#[tokio::test]
async fn runners_that_race_fold_every_event_once() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 12).await;
    let model = Arc::new(model("raced"));
    let (one, two, three) = (runner(&store, &model, 2), runner(&store, &model, 3), runner(&store, &model, 1));
    let (one, two, three) = tokio::join!(one.catch_up(), two.catch_up(), three.rebuild());
    assert_eq!(one.unwrap(), two.unwrap());
    three.unwrap();
    runner(&store, &model, 5).catch_up().await.unwrap();
    assert_eq!(rows(&ledger, "raced").await, expected(&ledger).await);
}

#[tokio::test]
async fn what_a_model_cannot_take_is_parked_with_what_comes_behind_it_and_resumed_in_order() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 12).await;
    let (log, expected) = (log(&ledger).await, expected(&ledger).await);
    let bad =
        log.iter().find(|recorded| recorded.stream.as_str() == "account/kim/USD" && recorded.version == 3).unwrap();
    for how in [How::Fails, How::Panics, How::Strays, How::PanicsOverKeys] {
        let model = Arc::new(Model { how, bad: AtomicU64::new(bad.sequence), ..model(&format!("{how:?}")) });
        let runner = runner(&store, &model, 4);
        runner.catch_up().await.unwrap();
        let parked = runner.parked().await.unwrap();
        let behind: Vec<u64> =
            log.iter().filter(|r| r.stream == bad.stream && r.version >= 3).map(|r| r.sequence).collect();
        assert_eq!(parked.iter().map(|parked| parked.sequence).collect::<Vec<_>>(), behind);
        let category = match how {
            How::Fails => "failed",
            How::Panics | How::PanicsOverKeys => "panicked",
            How::Strays => "stray",
        };
        assert_eq!((parked[0].cause.category(), parked[0].stream.as_str()), (category, "account/kim/USD"));
        assert!(parked[0].cause.to_string().len() < 600);
        assert!(parked[1..].iter().all(|parked| parked.cause == Cause::Behind { sequence: bad.sequence }));
        let found = rows(&ledger, &model.name).await;
        assert!(found.iter().all(|(key, row)| (expected[key] == *row) == (key != "account/kim/USD")), "{how:?}");
        assert_eq!(found.len(), expected.len());

        assert_eq!(runner.resume().await.unwrap(), parked, "nothing was mended");
        model.bad.store(behind[2], Ordering::Relaxed);
        let rest = runner.resume().await.unwrap();
        assert_eq!(rest.iter().map(|parked| parked.sequence).collect::<Vec<_>>(), behind[2..]);
        model.bad.store(0, Ordering::Relaxed);
        assert_eq!(runner.resume().await.unwrap(), []);
        assert_eq!(rows(&ledger, &model.name).await, expected, "{how:?}");
    }
}

/// Appends an event of a type that nobody knows to a stream.
async fn append_unknown(ledger: &Ledger, stream: &str) -> u64 {
    let name = StreamName::from_stored(stream);
    let mut tip = Tip::EMPTY;
    loop {
        let after = [StreamAfter { stream: name.clone(), after: tip.version }];
        let page = ledger.store().read_streams(ledger.name(), &after, None, 100).await.unwrap();
        let Some(last) = page.events.last() else { break };
        tip = Tip { version: last.version, digest: last.digest };
    }
    let mut event = NewEvent {
        stream: name.clone(),
        version: tip.version + 1,
        type_name: "account.gilded".into(),
        schema_version: 1,
        effective: "2026-02-01".parse().unwrap(),
        payload: b"{}".to_vec(),
        digest: Digest::ZERO,
    };
    let hash = Digest::of(b"unknown");
    let preimage = Preimage {
        ledger: ledger.name().as_str(),
        stream,
        version: event.version,
        type_name: &event.type_name,
        schema_version: 1,
        key: "unknown",
        request_hash: &hash,
        actor: "ann",
        effective: event.effective,
        index: 0,
        size: 1,
        payload: &event.payload,
    };
    event.digest = preimage.digest();
    let guards = vec![Guard { stream: name, tip }];
    let append = Append {
        key: "unknown".parse().unwrap(),
        request_hash: hash,
        actor: "ann".into(),
        guards,
        events: vec![event],
    };
    match &ledger.store().append(ledger.name(), &[append]).await.unwrap()[..] {
        [Outcome::Appended(row)] => row.first_sequence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_that_nobody_can_read_stops_a_replay_and_only_parks_in_a_runner() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 3).await;
    let unknown = append_unknown(&ledger, "account/kim/USD").await;
    let enrol = r#"{"payee.enrol":{"payee":"lee","name":"Lee"}}"#;
    open(&store).execute(request("lee", "ann", enrol)).await.unwrap();
    let stopped = replay(&*store, ledger.name(), Projected::<All>::new(), 4, |_| {}).await.unwrap_err();
    assert!(matches!(&stopped, ReplayError::Damaged(damaged) if damaged.sequence == unknown), "{stopped}");
    let model = Arc::new(model("unknown"));
    let runner = runner(&store, &model, 4);
    assert_eq!(runner.catch_up().await.unwrap().sequence, unknown + 1);
    let parked = runner.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].sequence, parked[0].cause.category()), (unknown, "unreadable"));
    assert_eq!(rows(&ledger, "unknown").await["payee/lee"], format!("{};", unknown + 1));
    assert_eq!(runner.resume().await.unwrap(), parked);
}

#[tokio::test]
async fn readers_have_the_old_rows_until_a_rebuild_that_others_write_beside_is_whole() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 6).await;
    let old = Arc::new(model("versioned"));
    let live = runner(&store, &old, 3);
    live.catch_up().await.unwrap();
    let before = rows(&ledger, "versioned").await;
    let new = Arc::new(Model { version: 2, ..model("versioned") });
    let next = runner(&store, &new, 1);
    let refused = next.catch_up().await.unwrap_err();
    assert_eq!(refused, RunnerError::OtherVersion { model: "versioned".into(), expected: 2, found: 1 });
    assert!(refused.wants_rebuild());
    let writer = open(&store);
    let (rebuilt, ()) = tokio::join!(next.rebuild(), async {
        for number in 100..110 {
            writer.execute(deal(number)).await.unwrap();
            let found = rows(&ledger, "versioned").await;
            assert!(
                before.iter().all(|(key, row)| found[key].starts_with(row.as_str())),
                "a reader saw half a rebuild"
            );
            // It may be the new one's already.
            let _ = live.catch_up().await;
        }
    });
    rebuilt.unwrap();
    next.catch_up().await.unwrap();
    assert_eq!(rows(&ledger, "versioned").await, expected(&ledger).await);
    assert!(live.catch_up().await.unwrap_err().wants_rebuild());
}

#[tokio::test]
async fn rows_of_another_history_are_refused_and_rebuilt() {
    let (ours, theirs) = (FaultyStore::new(&[]), FaultyStore::new(&[]));
    let (ledger, other) = (ready(&ours).await, ready(&theirs).await);
    story(&ledger, 6).await;
    for number in 20..24 {
        other.execute(deal(number)).await.unwrap();
    }
    let model = Arc::new(model("restored"));
    runner(&ours, &model, 3).catch_up().await.unwrap();
    // The log is restored from elsewhere, the rows are not.
    let row = ours.load_checkpoint(ledger.name(), "restored").await.unwrap().unwrap();
    ledger_core::store::keep_checkpoint(&*theirs, other.name(), &row).await.unwrap();
    let restored = runner(&theirs, &model, 3);
    let refused = restored.catch_up().await.unwrap_err();
    assert!(matches!(refused, RunnerError::OtherHistory { .. }) && refused.wants_rebuild(), "{refused}");
    restored.rebuild().await.unwrap();
    restored.catch_up().await.unwrap();
    assert_eq!(rows(&other, "restored").await, expected(&other).await);
}

#[tokio::test]
async fn a_runner_that_runs_follows_the_ledger() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let runner = ledger.runner(Arc::new(Balances));
    let row = async {
        for number in 0..3 {
            ledger.execute(deal(number)).await.unwrap();
        }
        loop {
            store.cut(2, Cut::Before);
            tokio::time::sleep(Duration::from_millis(2)).await;
            store.heal();
            let found = rows(&ledger, "balances").await;
            if let Some(row) = found.get("kim/USD").filter(|row| row.contains(r#""payable":"210000""#)) {
                return row.clone();
            }
        }
    };
    let row = tokio::select! {
        row = row => row,
        error = runner.run() => panic!("{error}"),
    };
    assert!(row.contains(r#""earned":"210000""#), "{row}");
}

/// A rebuild took a damaged request at the beginning of a page for another history, and began again for ever.
#[tokio::test]
async fn a_rebuild_of_a_damaged_log_ends_and_says_where() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 8).await;
    let mut requests = store.read_log(ledger.name(), 0, 1_000).await.unwrap().requests;
    let last = requests.pop().unwrap().first_sequence;
    for first in requests.iter().map(|request| request.first_sequence).chain([last]) {
        store.forged.store(first, Ordering::Relaxed);
        for page in [1, 4, 1_000] {
            let model = Arc::new(model(&format!("damaged-{first}-{page}")));
            let runner = runner(&store, &model, page);
            let rebuilt = tokio::time::timeout(Duration::from_secs(20), runner.rebuild()).await;
            let damaged = rebuilt.expect("it ends").unwrap_err();
            let at = matches!(&damaged, RunnerError::Damaged(damaged) if damaged.sequence == first);
            assert!(at, "pages of {page}, request {first}: {damaged}");
            assert!(rows(&ledger, &model.name).await.is_empty());
        }
    }
}

/// One row a kind of stream, which events put in, take out or only read, and one a stream, of what was read.
struct Fickle {
    /// The event whose rows cannot be named; 0 is none.
    dark: AtomicU64,
}

impl ReadModel for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, recorded: &Recorded) -> Vec<CompactString> {
        assert_ne!(self.dark.load(Ordering::Relaxed), recorded.sequence, "no key");
        let stream = recorded.stream.as_str();
        vec![stream.into(), stream.split('/').next().unwrap().to_uppercase().into()]
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause> {
        let stream = recorded.stream.as_str();
        let kind = stream.split('/').next().unwrap().to_uppercase();
        let text = rows.get(&kind)?.unwrap_or_default().to_owned();
        match recorded.sequence % 3 {
            0 => rows.put(&kind, format!("{text}{};", recorded.sequence)),
            1 => rows.remove(&kind),
            _ => rows.put(stream, format!("{text}read at {}", recorded.sequence)),
        }
    }
}

/// An event whose rows were not known was folded after later ones of the same rows, if those had taken a row out or only read it.
#[tokio::test]
async fn rows_never_see_events_in_another_order_whatever_is_not_known_of_them() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 6).await;
    let log = log(&ledger).await;
    let expected = fold(&Fickle { dark: AtomicU64::new(0) }, &log).unwrap();
    let mut whole = 0;
    for dark in &log {
        let model = Arc::new(Fickle { dark: AtomicU64::new(dark.sequence) });
        let runner = Runner::new(store.clone(), Arc::new(TokioEnv::current()), ledger.name().clone(), model.clone(), 3);
        runner.rebuild().await.unwrap();
        runner.catch_up().await.unwrap();
        model.dark.store(0, Ordering::Relaxed);
        if runner.resume().await.unwrap().is_empty() {
            whole += 1;
            assert_eq!(rows(&ledger, "fickle").await, expected, "without the rows of {}", dark.sequence);
        }
        runner.rebuild().await.unwrap();
        assert_eq!(rows(&ledger, "fickle").await, expected);
    }
    assert!(whole > 0, "nothing could be resumed");
}

/// What was parked was never tried again while the ledger was busy: each attempt lost against the runner that went on.
#[tokio::test]
async fn what_is_parked_is_resumed_while_the_ledger_is_busy() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 60).await;
    let bad =
        log(&ledger).await.iter().find(|recorded| recorded.stream.as_str() == "account/kim/USD").unwrap().sequence;
    let model = Arc::new(Model { bad: AtomicU64::new(bad), ..model("busy") });
    let live = runner(&store, &model, 1_000);
    live.catch_up().await.unwrap();
    model.bad.store(0, Ordering::Relaxed);
    let waiting = live.parked().await.unwrap().len();
    let resume = runner(&store, &model, 1_000);
    let busy = async {
        for number in 1_000..1_000 + 10 * waiting {
            ledger.execute(deal(number)).await.unwrap();
            live.catch_up().await.unwrap();
        }
    };
    let rest = tokio::select! {
        rest = resume.resume() => rest.unwrap(),
        () = busy => panic!("{waiting} events wait for a ledger at rest"),
    };
    assert_eq!(rest, []);
    live.catch_up().await.unwrap();
    assert_eq!(rows(&ledger, "busy").await, expected(&ledger).await);
}

/// Rows that a rebuild had mended were overwritten by a runner that had read them before, because nothing told the two sets apart.
#[tokio::test]
async fn what_was_folded_on_rows_that_a_rebuild_replaced_is_not_saved() {
    for polls in 0..12 {
        let store = FaultyStore::new(&[]);
        let ledger = ready(&store).await;
        story(&ledger, 3).await;
        let model = Arc::new(model("mended"));
        let live = runner(&store, &model, 1_000);
        live.catch_up().await.unwrap();
        // Somebody changes a row.
        let kept = store.load_checkpoint(ledger.name(), "mended").await.unwrap().unwrap();
        let value = Some("changed".into());
        let change = RowChange { key: "account/kim/USD".into(), sequence: kept.sequence, value };
        let write =
            ProjectionWrite { expected: Some(kept.clone()), checkpoint: kept, clear: false, rows: vec![change] };
        assert!(store.save_projection(ledger.name(), &write).await.unwrap());
        ledger.execute(deal(9)).await.unwrap();
        let mut step = pin!(live.step());
        let mut done = false;
        for _ in 0..polls {
            done = done || step.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        }
        let rebuild = runner(&store, &model, 1);
        rebuild.rebuild().await.unwrap();
        if !done {
            step.await.unwrap();
        }
        live.catch_up().await.unwrap();
        assert_eq!(rows(&ledger, "mended").await, expected(&ledger).await, "after {polls} polls");
    }
}
