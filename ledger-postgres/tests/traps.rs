//! What goes wrong on Postgres in particular, and was seen to do so elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::{database, deal, ledger, payout, ready, request, sound_log};
use ledger_core::Ledger;
use ledger_core::chain::Digest;
use ledger_core::engine::Advice;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::limits::LAST_RECORDED_AT_US;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{
    Append, CheckpointRow, Clock, Guard, NewEvent, Outcome, ProjectionWrite, RowChange, Store, StoreError, StreamAfter,
};
use ledger_core::stream::{StreamName, Tip};
use ledger_postgres::sqlx::postgres::PgPoolOptions;
use ledger_postgres::sqlx::{AssertSqlSafe, Executor, query, query_as, query_scalar};
use ledger_postgres::{PgStore, stage};
use ledger_postgres_testing::quoted;

/// A statement that has waited for a lock still sees what was there before it waited: the key that a rival has stored meanwhile
/// was not found, and a ledger that a rival has begun meanwhile was empty.
#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_the_lock_sees_what_was_stored_meanwhile() {
    let database = database().await;
    let pool = database.pool();
    for begun in [true, false] {
        let name = ledger(if begun { "begun" } else { "fresh" });
        let store = Arc::new(PgStore::with_pool(pool.clone()));
        let request = if begun {
            deal(1)
        } else {
            common::asked("open", r#"{"settings.open":{"base_currency":"USD","zone":"UTC"}}"#)
        };
        if begun {
            ready(pool, "begun").await;
        }
        let mut holder = pool.begin().await.unwrap();
        let held = stage(&mut holder, &name, &request).await.unwrap();
        let waiter = Ledger::new(store.clone(), Arc::new(TokioEnv::current()), name.clone());
        let waiting = tokio::spawn(waiter.execute(request));
        while query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        .fetch_one(pool)
        .await
        .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let receipt = held.commit(holder).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), receipt);
        sound_log(&*store, &name).await;
    }
}

/// A unique index that stops what the reads let through is not a conflict that a retry would solve.
#[tokio::test]
async fn a_broken_invariant_is_no_conflict() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    store.append(&name, &[request("a", 3)]).await.unwrap();
    let ahead = "INSERT INTO payledger.events SELECT ledger, 4, 'another', 1, type, schema_version, 0, effective, payload, digest \
         FROM payledger.events WHERE sequence = 1";
    database.pool().execute(ahead).await.unwrap();
    let error = store.append(&name, &[request("b", 1)]).await.unwrap_err();
    let StoreError::Corrupt { what, .. } = &error else { panic!("{error:?}") };
    assert!(what.contains("events_pkey") && !what.contains("main"), "{what}");
}

/// Requests were stored after a head that somebody had moved, and made the damage theirs: all later ones were of the year 294246,
/// or their links led nowhere.
#[tokio::test]
async fn nothing_is_stored_after_a_head_that_is_not_at_the_last_request() {
    for moved in [
        "UPDATE payledger.heads SET recorded_at_us = 9223372036854775807",
        "UPDATE payledger.heads SET recorded_at_us = 9223372036854775807; \
            UPDATE payledger.requests SET recorded_at_us = 9223372036854775807",
        "UPDATE payledger.heads SET recorded_at_us = recorded_at_us + 1",
        "UPDATE payledger.heads SET link = decode(repeat('00', 32), 'hex')",
        "UPDATE payledger.heads SET sequence = 1",
        "UPDATE payledger.heads SET sequence = 4",
        "DELETE FROM payledger.heads",
        "DELETE FROM payledger.requests WHERE first_sequence = 3; DELETE FROM payledger.events WHERE sequence = 3",
        "DELETE FROM payledger.requests",
    ] {
        let database = database().await;
        let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
        store.append(&name, &[request("a", 2), request("b", 1)]).await.unwrap();
        let freely =
            ["heads", "requests", "events"].map(|table| format!("ALTER TABLE payledger.{table} DISABLE TRIGGER ALL"));
        let moved = format!("{}; {moved}", freely.join("; "));
        database.pool().execute(AssertSqlSafe(moved.as_str())).await.unwrap();
        for group in [vec![request("c", 1)], vec![request("c", 1), request("d", 1)]] {
            let answer = store.append(&name, &group).await;
            assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{moved}: {answer:?}");
        }
        // Another ledger is none the worse.
        store.append(&ledger("other"), &[request("c", 1)]).await.unwrap();
    }
}

/// Who asked for anything on a ledger whose head was gone was told to open it.
#[tokio::test]
async fn a_ledger_whose_head_is_gone_is_damaged() {
    let database = database().await;
    let opened = ready(database.pool(), "main").await;
    let gone = "ALTER TABLE payledger.heads DISABLE TRIGGER ALL; UPDATE payledger.heads SET sequence = 0";
    database.pool().execute(gone).await.unwrap();
    let error = opened.execute(payout("p")).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Stop, "{error}");
    database.pool().execute("DELETE FROM payledger.heads").await.unwrap();
    let anew = Ledger::new(Arc::clone(opened.store()), Arc::new(TokioEnv::current()), ledger("main"));
    for opened in [opened, anew] {
        let error = opened.execute(payout("p")).await.unwrap_err();
        assert_eq!(error.advice(), Advice::Stop, "{error}");
        assert!(error.to_string().contains("the head"), "{error}");
    }
}

/// "pool timed out" was all that was told, of a server that was not there and of a role that had its connections already.
#[tokio::test]
async fn a_pool_that_cannot_connect_says_why() {
    let nowhere = PgStore::connect_lazy("postgres://ann@127.0.0.1:1/db").unwrap();
    let database = database().await;
    let role = database.role("single").await;
    let sql = format!(
        "GRANT CONNECT ON DATABASE {0} TO {1}; ALTER ROLE {1} CONNECTION LIMIT 1",
        database.name(),
        quoted(&role)
    );
    database.pool().execute(AssertSqlSafe(sql)).await.unwrap();
    let single = PgStore::connect_lazy(&database.url_as(&role)).unwrap();
    let holder = single.pool().acquire().await.unwrap();
    let name = ledger("main");
    let (nowhere, single) = tokio::join!(nowhere.head(&name), single.head(&name));
    assert!(matches!(&nowhere, Err(StoreError::Unavailable(text)) if text.contains("refused")), "{nowhere:?}");
    assert!(
        matches!(&single, Err(StoreError::Unavailable(text)) if text.contains("too many connections")),
        "{single:?}"
    );
    drop(holder);
}

/// A host's task that goes away while it begins a transaction leaves it open on a connection of the pool. An append on that
/// connection was acknowledged, and went when the connection did.
#[tokio::test]
async fn nothing_is_acknowledged_in_a_transaction_that_was_left_open() {
    let database = database().await;
    let pool =
        PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect(&database.url()).await.unwrap();
    let (store, name) = (PgStore::with_pool(pool.clone()), ledger("main"));
    // What a cut `begin` leaves, which a test cannot cut at the same place each time.
    pool.acquire().await.unwrap().execute("BEGIN").await.unwrap();
    let outcomes = store.append(&name, &[request("a", 1)]).await.unwrap();
    assert!(matches!(outcomes.as_slice(), [Outcome::Appended(_)]));
    let others = PgStore::with_pool(database.pool().clone());
    assert_eq!(others.head(&name).await.unwrap().sequence, 1, "it was acknowledged, and nobody sees it");
    sound_log(&others, &name).await;
}

/// A transaction that had failed and was left open on a host's connection made every append on it fail, for ever.
#[tokio::test]
async fn a_failed_transaction_that_was_left_open_is_ended() {
    let database = database().await;
    let pool =
        PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect(&database.url()).await.unwrap();
    let (store, name) = (PgStore::with_pool(pool.clone()), ledger("main"));
    let mut left = pool.acquire().await.unwrap();
    left.execute("BEGIN").await.unwrap();
    assert!(left.execute("SELECT 1 / 0").await.is_err());
    drop(left);
    let outcomes = store.append(&name, &[request("a", 1)]).await.unwrap();
    assert!(matches!(outcomes.as_slice(), [Outcome::Appended(_)]));
    assert_eq!(PgStore::with_pool(database.pool().clone()).head(&name).await.unwrap().sequence, 1);
}

/// What a projection had folded was said to be kept, and went with a transaction that somebody else had left open.
#[tokio::test]
async fn no_checkpoint_is_acknowledged_in_a_transaction_that_was_left_open() {
    let database = database().await;
    let pool =
        PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect(&database.url()).await.unwrap();
    let (store, name) = (PgStore::with_pool(pool.clone()), ledger("main"));
    pool.acquire().await.unwrap().execute("BEGIN").await.unwrap();
    let checkpoint =
        CheckpointRow { name: "rows".into(), version: 1, sequence: 1, link: Digest([1; 32]), state: b"{}".to_vec() };
    let write = ProjectionWrite { expected: None, checkpoint: checkpoint.clone(), clear: false, rows: Vec::new() };
    assert_eq!(store.save_projection(&name, &write).await, Ok(true));
    let others = PgStore::with_pool(database.pool().clone());
    assert_eq!(others.load_checkpoint(&name, "rows").await, Ok(Some(checkpoint)));
}

/// An empty group moved the head to where it was, which a trigger refused as tampering.
#[tokio::test]
async fn a_group_of_nothing_stores_nothing() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    assert_eq!(store.append(&name, &[]).await, Ok(Vec::new()));
    store.append(&name, &[request("a", 1)]).await.unwrap();
    assert_eq!(store.append(&name, &[]).await, Ok(Vec::new()));
    assert_eq!(store.head(&name).await.unwrap().sequence, 1);
}

/// A date that somebody edited to one that no calendar has made the reader panic.
#[tokio::test]
async fn a_date_out_of_every_calendar_is_damage() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    store.append(&name, &[request("a", 1)]).await.unwrap();
    database.pool().execute("ALTER TABLE payledger.events DISABLE TRIGGER ALL").await.unwrap();
    for date in ["infinity", "-infinity", "5874897-12-31"] {
        let edit = query("UPDATE payledger.events SET effective = $1::text::date").bind(date);
        edit.execute(database.pool()).await.unwrap();
        let error = store.read_log(&name, 0, 10).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { sequence: 1, .. }), "{date}: {error:?}");
    }
}

/// Arrays that do not fit together would be cut to the shortest, or filled with nothing.
#[tokio::test]
async fn a_group_whose_arrays_do_not_fit_together_is_refused() {
    let database = database().await;
    let call = "SELECT * FROM payledger.append_v1('main', 0, true, '{k}', decode(repeat('00', 32), 'hex'), '{ann}', '{2}', \
         '{f}', '{0}', '{}', '{}', '', '{}', '{s}', '{1}', '{t}', '{1}', '{0}', '{2026-01-01}', '{x}', \
         decode(repeat('00', 32), 'hex'))";
    let error = database.pool().execute(call).await.unwrap_err();
    assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("PL002"), "{error}");
    let events: i64 = query_scalar("SELECT count(*) FROM payledger.events").fetch_one(database.pool()).await.unwrap();
    assert_eq!(events, 0);
}

/// What was once recorded beyond all calendars left the ledger with a head after which nothing could be stored. A store asks its
/// own clock before, but not the server's, and not every caller is a store.
#[tokio::test]
async fn nothing_is_recorded_beyond_the_year_9999() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    let call = "SELECT recorded_at_us FROM payledger.append_v1('main', $1, true, '{k}', decode(repeat('00', 32), 'hex'), '{ann}', \
         '{1}', '{f}', '{0}', '{}', '{}', '', '{}', '{s}', '{1}', '{t}', '{1}', '{0}', '{2026-01-01}', '{x}', \
         decode(repeat('00', 32), 'hex'))";
    let append = async |now_us: i64| query_scalar::<_, i64>(call).bind(now_us).fetch_one(database.pool()).await;
    for now_us in [LAST_RECORDED_AT_US + 1, i64::MAX] {
        let error = append(now_us).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("PL004"), "{error}");
        let heads: i64 = query_scalar("SELECT count(*) FROM payledger.heads").fetch_one(database.pool()).await.unwrap();
        assert_eq!(heads, 0, "at {now_us}");
    }
    assert_eq!(append(LAST_RECORDED_AT_US).await.unwrap(), LAST_RECORDED_AT_US);
    // At the same time, again.
    store.append(&name, &[request("a", 1)]).await.unwrap();
    assert_eq!(store.head(&name).await.unwrap().recorded_at_us, LAST_RECORDED_AT_US);
}

/// The server refuses a zero byte with an error that takes the whole group down.
#[tokio::test]
async fn a_zero_byte_is_refused_and_alone() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    let (good, mut stream, mut actor, mut kind) = (request("a", 1), request("b", 1), request("c", 1), request("d", 1));
    let named = StreamName::from_stored("deal/\0");
    stream.guards[0].stream = named.clone();
    stream.events[0].stream = named.clone();
    actor.actor = "a\0".into();
    kind.events[0].type_name = "deal.\0".into();
    let outcomes = store.append(&name, &[good, stream, actor, kind]).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Appended(_)));
    assert!(outcomes[1..].iter().all(|outcome| matches!(outcome, Outcome::Refused { .. })), "{outcomes:?}");
    let asked = StreamAfter { stream: named, after: 0 };
    let read = store.read_streams(&name, &[asked], None, 10).await;
    assert_eq!(read.map(|page| page.events), Ok(Vec::new()));
    let checkpoint = CheckpointRow { name: "p".into(), version: 1, sequence: 1, link: Digest::ZERO, state: Vec::new() };
    let rows = vec![RowChange { key: "k".into(), sequence: 1, value: Some("\0".into()) }];
    let write = ProjectionWrite { expected: None, checkpoint, clear: false, rows };
    let refused = store.save_projection(&name, &write).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused:?}");
}

/// Plans that were made while the tables were empty read all of a ledger for each request, until somebody ran ANALYZE.
#[tokio::test]
async fn plans_of_empty_tables_do_as_well_on_full_ones() {
    let database = database().await;
    let off = "ALTER TABLE payledger.events SET (autovacuum_enabled = off);
        ALTER TABLE payledger.requests SET (autovacuum_enabled = off)";
    database.pool().execute(off).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let (store, name) = (PgStore::with_pool(pool.clone()), ledger("main"));
    let streams: Vec<_> = (0..5)
        .map(|number| StreamAfter { stream: request(&format!("warm-{number}"), 1).guards[0].stream.clone(), after: 0 })
        .collect();
    let key = request("warm-1", 1).key;
    let read = async || {
        store.read_streams(&name, &streams, None, 100).await.unwrap();
        store.request(&name, &key).await.unwrap();
        store.read_log(&name, 3, 10).await.unwrap();
        store.head(&name).await.unwrap();
    };
    for number in 0..12 {
        read().await;
        store.append(&name, &[request(&format!("warm-{number}"), 1)]).await.unwrap();
    }
    for group in 0..40 {
        let group: Vec<_> = (0..200).map(|number| request(&format!("{group}-{number}"), 2)).collect();
        store.append(&name, &group).await.unwrap();
    }
    let touched = async || {
        const TOUCHED: &str = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint, \
             (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE schemaname = 'payledger') \
             FROM pg_stat_user_tables WHERE schemaname = 'payledger'";
        pool.execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        query_as::<_, (i64, i64)>(TOUCHED).fetch_one(&pool).await.unwrap()
    };
    let before = touched().await;
    read().await;
    let group: Vec<_> = (0..10).map(|number| request(&format!("last-{number}"), 2)).collect();
    store.append(&name, &group).await.unwrap();
    let after = touched().await;
    let (rows, entries) = (after.0 - before.0, after.1 - before.1);
    assert!(rows < 200 && entries < 200, "{rows} rows and {entries} index entries for a few");
}

/// The function judges a group as the core does: the same answers, the same rows, whatever is asked.
#[tokio::test]
async fn every_group_is_judged_as_in_memory() {
    let database = database().await;
    let now = Arc::new(AtomicI64::new(1_000));
    let clock: Clock = {
        let now = Arc::clone(&now);
        Arc::new(move || now.load(Ordering::SeqCst))
    };
    let store = PgStore::with_pool_and_clock(database.pool().clone(), Arc::clone(&clock));
    let (memory, name) = (MemoryStore::new(clock), ledger("main"));
    let mut random = Random(7);
    let mut tips = std::collections::BTreeMap::<String, Tip>::new();
    let mut seen = [0; 5];
    for round in 0..300 {
        now.fetch_add(i64::try_from(random.below(7)).unwrap() - 2, Ordering::SeqCst);
        let group: Vec<_> = (0..=random.below(6)).map(|_| anything(&mut random, &mut tips)).collect();
        let outcomes = store.append(&name, &group).await.unwrap();
        assert_eq!(outcomes, memory.append(&name, &group).await.unwrap(), "round {round}: {group:#?}");
        for outcome in &outcomes {
            seen[match outcome {
                Outcome::Appended(_) => 0,
                Outcome::AlreadyAppended(_) => 1,
                Outcome::Conflict { .. } => 2,
                Outcome::KeyReused { .. } => 3,
                Outcome::Refused { .. } => 4,
            }] += 1;
        }
        // The tips that are guessed from now on are the real ones, for the most part.
        let page = memory.read_log(&name, 0, 1_000).await.unwrap();
        tips = page
            .events
            .iter()
            .map(|event| (event.stream.to_string(), Tip { version: event.version, digest: event.digest }))
            .collect();
        if page.events.len() > 900 {
            break;
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    assert_eq!(store.head(&name).await.unwrap(), memory.head(&name).await.unwrap());
    assert_eq!(sound_log(&store, &name).await, sound_log(&memory, &name).await);
}

fn anything(random: &mut Random, tips: &mut std::collections::BTreeMap<String, Tip>) -> Append {
    let mut append = request(&format!("k{}", random.below(400)), 0);
    append.request_hash = Digest::of(&[u8::try_from(random.below(20) / 19).unwrap()]);
    append.guards.clear();
    for stream in (0..4).filter(|_| random.below(2) == 0).map(|number| format!("s{number}")).collect::<Vec<_>>() {
        let mut tip = tips.get(&stream).copied().unwrap_or(Tip::EMPTY);
        match random.below(25) {
            0 => tip.version += 1,
            1 => tip.digest = Digest::of(b"another"),
            2 => tip = Tip::EMPTY,
            _ => {}
        }
        let stream_name = StreamName::from_stored(&stream);
        append.guards.push(Guard { stream: stream_name.clone(), tip });
        for _ in 0..random.below(3) {
            let version = tip.version + u64::from(random.below(60) > 0);
            tip = Tip { version, digest: Digest::of(&random.next().to_be_bytes()) };
            append.events.push(NewEvent {
                stream: stream_name.clone(),
                version,
                type_name: "t".into(),
                schema_version: 1,
                effective: "2026-01-01".parse().unwrap(),
                payload: vec![b'1'; usize::try_from(random.below(40)).unwrap()],
                digest: tip.digest,
            });
        }
        tips.insert(stream, tip);
    }
    append
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}
