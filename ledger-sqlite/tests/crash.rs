//! A process that is killed, and a log that is cut: what was acknowledged is there, and every request is whole.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{ledger, request, sound_log};
use ledger_core::store::{Append, Outcome, Store};
use ledger_sqlite::SqliteStore;

/// Not a test by itself: the body of the process that is killed. It says what was acknowledged, a line for each group.
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let (Ok(path), Ok(life)) = (std::env::var("LEDGER_FILE"), std::env::var("LEDGER_LIFE")) else { return };
    let store = SqliteStore::open(path).await.unwrap();
    for group in 0.. {
        let group = group_of(&life, group);
        let outcomes = store.append(&ledger("main"), &group).await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
        let keys: Vec<&str> = group.iter().map(|request| request.key.as_str()).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {}", keys.join(" ")).unwrap();
        out.flush().unwrap();
    }
}

fn group_of(life: &str, group: u64) -> Vec<Append> {
    (0..4).map(|number| request(&format!("{life}-{group}-{number}"), 1 + (group + number) % 5)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("killed.db");
    let mut acknowledged = BTreeSet::new();
    for life in 0..12_u64 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env("LEDGER_FILE", &path)
            .env("LEDGER_LIFE", life.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.by_ref().map(Result::unwrap).find(|line| line.contains("ack "));
        // Another moment of its work in each life.
        std::thread::sleep(Duration::from_micros(3_000 + life * 1_700));
        process.kill().unwrap();
        process.wait().unwrap();
        // The last line may be cut where the process was.
        for line in first.into_iter().chain(lines.map_while(Result::ok)) {
            let keys = line.split_once("ack ").map_or("", |(_, keys)| keys).split(' ').map(String::from);
            acknowledged.extend(keys.filter(|key| key.matches('-').count() == 2 && !key.ends_with('-')));
        }
        let store = SqliteStore::open(&path).await.unwrap();
        let log = sound_log(&store, &ledger("main")).await;
        let stored: BTreeSet<String> = log.requests.iter().map(|request| request.key.to_string()).collect();
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "lost in life {life}: {lost:?}");
        assert_eq!(stored.len(), log.requests.len());
        assert_eq!(stored.len() % 4, 0, "a group is committed whole");
        store.close().await;
    }
    assert!(acknowledged.len() > 12 * 4, "the writers hardly wrote: {}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_log_opens_to_whole_requests() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let store = SqliteStore::open(path("whole.db")).await.unwrap();
    for group in 0..12 {
        store.append(&ledger("main"), &group_of("cut", group)).await.unwrap();
    }
    let whole = sound_log(&store, &ledger("main")).await;
    // While the store is open, the log is not folded into the file.
    let (file, wal) = (std::fs::read(path("whole.db")).unwrap(), std::fs::read(path("whole.db-wal")).unwrap());
    store.close().await;
    assert!(wal.len() > 50_000, "the log is too short to cut: {}", wal.len());

    let mut lengths = BTreeSet::new();
    // Every 1,009 bytes, and around the borders of the frames.
    let frames = (32..=wal.len()).step_by(4096 + 24).step_by(7).flat_map(|at| [at - 1, at, at + 1]);
    for cut in (0..wal.len()).step_by(1_009).chain(frames).chain([wal.len()]) {
        std::fs::write(path("cut.db"), &file).unwrap();
        std::fs::write(path("cut.db-wal"), &wal[..cut.min(wal.len())]).unwrap();
        let _ = std::fs::remove_file(path("cut.db-shm"));
        let store = SqliteStore::open(path("cut.db")).await.unwrap();
        let log = sound_log(&store, &ledger("main")).await;
        assert_eq!(log.requests[..], whole.requests[..log.requests.len()], "cut at {cut}");
        assert_eq!(log.events[..], whole.events[..log.events.len()], "cut at {cut}");
        assert_eq!(log.requests.len() % 4, 0, "cut at {cut}");
        lengths.insert(log.requests.len());
        store.close().await;
        // It can go on from there.
        let _ = std::fs::remove_file(path("cut.db-wal"));
    }
    assert!(lengths.len() >= 10, "the cuts left only {lengths:?} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cuts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("dropped.db")).await.unwrap();
    for group in 0..50 {
        let group = group_of("gone", group);
        let ledger = ledger("main");
        let mut append = store.append(&ledger, &group);
        // Polled once, so that it is sent, and dropped.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    }
    let last = store.append(&ledger("main"), &group_of("last", 0)).await.unwrap();
    assert!(last.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
    assert_eq!(sound_log(&store, &ledger("main")).await.requests.len(), 51 * 4);
}
