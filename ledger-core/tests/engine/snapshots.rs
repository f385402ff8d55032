//! Snapshots never change what is decided, whatever they hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ledger_core::chain::{Digest, snapshot_check};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::engine::{Ledger, Preview, Tuning};
use ledger_core::id::LedgerName;
use ledger_core::store::{SnapshotRow, Store};
use ledger_core::stream::StreamName;
use proptest::prelude::*;

use crate::faulty::FaultyStore;
use crate::{SETUP, create, deal, log, request, story};

fn tuned(store: &Arc<FaultyStore>, name: &str, tuning: Tuning) -> Ledger {
    Ledger::tuned(store.clone(), Arc::new(TokioEnv::current()), LedgerName::new(name).unwrap(), tuning)
}

fn every(snapshot_every: u64) -> Tuning {
    Tuning { snapshot_every, cached_streams: 0, page: 2, ..Tuning::default() }
}

async fn set_up(ledger: &Ledger) {
    for (number, command) in SETUP.trim().lines().enumerate() {
        ledger.execute(request(&format!("setup-{number}"), "ann", command)).await.unwrap();
    }
}

async fn with_deals(store: &Arc<FaultyStore>, name: &str, deals: &[usize]) -> Ledger {
    let ledger = tuned(store, name, every(4));
    set_up(&ledger).await;
    for number in deals {
        ledger.execute(deal(*number)).await.unwrap();
    }
    ledger
}

async fn kept(ledger: &Ledger, stream: &str) -> SnapshotRow {
    for _ in 0..1_000 {
        let found = ledger.store().load_snapshots(ledger.name(), &[StreamName::from_stored(stream)]).await.unwrap();
        match found.into_iter().next() {
            Some(row) if row.version % 4 == 0 => return row,
            _ => tokio::task::yield_now().await,
        }
    }
    panic!("no snapshot of {stream}");
}

async fn decision(store: &Arc<FaultyStore>) -> Preview {
    tuned(store, "main", every(4)).preview(&create("next")).await.unwrap()
}

const ACCOUNT: &str = "account/kim/USD";

#[tokio::test]
async fn a_snapshot_that_is_not_of_this_history_is_not_used() {
    let all: Vec<usize> = (0..8).collect();
    let plain = FaultyStore::new(&[]);
    let without = tuned(&plain, "main", every(u64::MAX));
    set_up(&without).await;
    for number in &all {
        without.execute(deal(*number)).await.unwrap();
    }
    let expected = without.preview(&create("next")).await.unwrap();
    let store = FaultyStore::new(&[]);
    let ledger = with_deals(&store, "main", &all).await;
    let good = kept(&ledger, ACCOUNT).await;
    let before = store.reads.load(Ordering::Relaxed);
    assert_eq!(decision(&store).await, expected);
    let fast = store.reads.load(Ordering::Relaxed) - before;

    let signed = |mut row: SnapshotRow| {
        row.check = snapshot_check("main", &row);
        row
    };
    let with = |change: fn(&mut SnapshotRow)| {
        let mut row = good.clone();
        change(&mut row);
        row
    };
    // The table can fail: a state that was changed with its hash is used.
    let text = String::from_utf8(good.state.clone()).unwrap().replacen("700.00 USD", "701.00 USD", 1);
    let believed = signed(SnapshotRow { state: text.into_bytes(), ..good.clone() });
    store.save_snapshot(ledger.name(), &believed).await.unwrap();
    assert_ne!(decision(&store).await, expected, "snapshots are not used at all");

    let other = kept(&with_deals(&store, "other", &[0, 1, 2, 3, 100, 5, 6, 7]).await, ACCOUNT).await;
    // Another history with the same last event of the stream, byte for byte.
    let elsewhere = FaultyStore::new(&[]);
    let rolled_back = kept(&with_deals(&elsewhere, "main", &[0, 1, 2, 3, 100, 5, 6, 7]).await, ACCOUNT).await;
    assert_eq!(rolled_back.digest, good.digest);
    let cap = kept(&ledger, "cap/main/kim/2026-01-01").await;
    let mut hostile = BTreeMap::from([
        ("truncated", signed(with(|row| row.state.truncate(row.state.len() / 2)))),
        ("empty", signed(with(|row| row.state.clear()))),
        ("other ledger", other.clone()),
        ("newer form", signed(with(|row| row.form += 1))),
        ("ahead of the log", signed(with(|row| row.version += 100))),
        ("version 0", signed(with(|row| row.version = 0))),
        ("last version", signed(with(|row| row.version = u64::MAX))),
        ("other digest", signed(with(|row| row.digest = Digest::ZERO))),
        ("other link", signed(with(|row| row.link = Digest::ZERO))),
        ("other request", signed(with(|row| row.first_sequence -= 1))),
        ("no request", signed(with(|row| row.first_sequence = u64::MAX))),
        ("not canonical", signed(with(|row| row.state.push(b' ')))),
        ("other kind", signed(SnapshotRow { state: cap.state.clone(), ..good.clone() })),
        ("rolled back", rolled_back),
        ("unsigned", with(|row| row.check = Digest::ZERO)),
    ]);
    let moved = SnapshotRow { stream: good.stream.clone(), ..cap };
    hostile.insert("other stream", moved);
    for (kind, row) in hostile {
        store.save_snapshot(ledger.name(), &row).await.unwrap();
        let before = store.reads.load(Ordering::Relaxed);
        assert_eq!(decision(&store).await, expected, "{kind}");
        assert!(store.reads.load(Ordering::Relaxed) - before > fast, "{kind} was used");
    }
    for bit in 0..good.state.len() * 8 {
        let mut row = good.clone();
        row.state[bit / 8] ^= 1 << (bit % 8);
        if bit % 37 == 0 {
            store.save_snapshot(ledger.name(), &row).await.unwrap();
            assert_eq!(decision(&store).await, expected, "bit {bit}");
        }
    }
    store.save_snapshot(ledger.name(), &good).await.unwrap();
    assert_eq!(decision(&store).await, expected);
}

/// With pages of one event a refusal was never confirmed: the second page was taken for a stream that had moved.
#[tokio::test]
async fn a_refusal_is_confirmed_through_pages_of_one() {
    let store = FaultyStore::new(&[]);
    let ledger = tuned(&store, "main", Tuning { page: 1, commit_attempts: 2, ..every(3) });
    set_up(&ledger).await;
    ledger.execute(deal(1)).await.unwrap();
    ledger.execute(create("pay")).await.unwrap();
    let refused = ledger.execute(create("again")).await.unwrap_err();
    assert!(refused.to_string().contains("nothing is payable"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However small everything is, the log is the same, event by event.
    #[test]
    fn no_tuning_changes_what_is_recorded(
        requests in 0..24_usize, page in 0..8_usize, cached_streams in 0..4_usize, snapshot_every in 0..9_u64,
        group_requests in 0..3_usize, group_events in 0..5_usize, queue_requests in 0..3_usize, commit_attempts in 0..3_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut logs = Vec::new();
            let small = Tuning {
                page, group_requests, group_events, queue_requests, commit_attempts, cached_streams, snapshot_every,
            };
            for tuning in [Tuning::default(), small] {
                let store = FaultyStore::new(&[]);
                let ledger = tuned(&store, "main", tuning);
                set_up(&ledger).await;
                story(&ledger, requests).await;
                logs.push(log(&ledger).await);
            }
            let [usual, small] = <[_; 2]>::try_from(logs).unwrap();
            assert_eq!(usual, small);
        });
    }
}
