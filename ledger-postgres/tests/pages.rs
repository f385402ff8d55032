//! The log read on and on: the same as page by page, whatever is in it, and a burden to nobody.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::time::Duration;

use common::{database, end_others, ledger, request, sound_log};
use ledger_core::id::LedgerName;
use ledger_core::store::{LogPage, OneByOne, Pages, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::postgres::PgPoolOptions;
use ledger_postgres::sqlx::{AssertSqlSafe, Executor, PgPool, query_scalar};
use tokio::time::{sleep, timeout};

/// All pages, and what ended them.
async fn all(mut pages: Box<dyn Pages + '_>) -> (LogPage, Option<StoreError>) {
    let mut log = LogPage::default();
    loop {
        match pages.next().await {
            Ok(None) => return (log, None),
            Err(error) => return (log, Some(error)),
            Ok(Some(page)) => {
                log.requests.extend(page.requests);
                log.events.extend(page.events);
            }
        }
    }
}

/// Requests of many sizes, of at least so many events.
async fn fill(store: &PgStore, name: &LedgerName, events: u64) {
    let (mut count, mut number) = (0, 0_u64);
    while count < events {
        let group: Vec<_> = (0..200)
            .map(|_| {
                number += 1;
                // One is as large as a request may be.
                let size = if number == 150 { 1_000 } else { 1 + number * number % 37 };
                count += size;
                request(&format!("k{number}"), size)
            })
            .collect();
        store.append(name, &group).await.unwrap();
    }
}

/// A statement that ends between two requests, within one, or at the last one must not lose or repeat an event.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_ahead_over_many_statements_is_the_log() {
    let database = database().await;
    let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
    fill(&store, &name, 24_000).await;
    fill(&store, &ledger("other"), 3_000).await;
    let whole = sound_log(&store, &name).await;
    let head = whole.events.len() as u64;
    for (place, limit) in [(0, 1_000), (0, 7), (1, 1_000), (137, 1_000), (400, 64)] {
        let after = if place == 0 { 0 } else { whole.requests[place].last_sequence() };
        for until in [head, u64::MAX, after + 10_000] {
            let (log, error) = all(store.log_pages(&name, after, until, limit)).await;
            let due = OneByOne::new(&store, &name, after, until, 1_000);
            assert_eq!(error, None);
            assert!((log, None) == all(Box::new(due)).await, "after {after} until {until} by {limit}");
        }
    }
}

/// Whoever reads slowly held the only connection of a pool; whoever left returned it in the middle of a statement's rows.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_or_leaves_holds_nobody_up() {
    let database = database().await;
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(10));
    let pool = options.test_before_acquire(false).connect(&database.url()).await.unwrap();
    let (store, name) = (PgStore::with_pool(pool.clone()), ledger("main"));
    fill(&store, &name, 9_000).await;
    let whole = sound_log(&store, &name).await;

    let mut slow = store.log_pages(&name, 0, u64::MAX, 100);
    let mut found = slow.next().await.unwrap().unwrap();
    // The reader is in the middle of a statement, and somebody else wants the connection.
    assert_eq!(store.head(&name).await.unwrap().sequence, whole.events.len() as u64);
    sleep(Duration::from_millis(1_500)).await;
    let (rest, error) = all(slow).await;
    assert_eq!(error, None);
    found.requests.extend(rest.requests);
    found.events.extend(rest.events);
    assert!(found == whole, "a slow reader was given another log");

    for pages in 1..5 {
        let mut left = store.log_pages(&name, 0, u64::MAX, 100);
        for _ in 0..pages {
            left.next().await.unwrap().unwrap();
        }
        drop(left);
        // Sooner than a slow reader would be given up.
        let head = timeout(Duration::from_millis(800), store.head(&name)).await.unwrap().unwrap();
        assert_eq!(head.sequence, whole.events.len() as u64);
    }
    statements_end(database.pool()).await;
}

/// A replay of hours had to be begun again when the server was started anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_to_its_end_while_connections_are_ended() {
    let database = database().await;
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    fill(&store, &name, 24_000).await;
    let whole = sound_log(&store, &name).await;
    let (mut found, mut pages) = (LogPage::default(), store.log_pages(&name, 0, u64::MAX, 1_000));
    let mut count = 0;
    while let Some(page) = pages.next().await.unwrap() {
        found.requests.extend(page.requests);
        found.events.extend(page.events);
        count += 1;
        if count % 3 == 0 {
            end_others(database.pool()).await;
        }
    }
    assert!(count > 20);
    assert!(found == whole, "another log is read after a break");
}

/// No statement goes on for a reader that is gone.
async fn statements_end(pool: &PgPool) {
    const COPIES: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND state = 'active' AND starts_with(query, 'COPY')";
    for _ in 0..100 {
        if query_scalar::<_, i64>(COPIES).fetch_one(pool).await.unwrap() == 0 {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(query_scalar::<_, i64>(COPIES).fetch_one(pool).await.unwrap(), 0);
}

/// Rows that do not fit must be shown as pages by themselves show them: neither left out, nor a reader that stops without a word.
#[tokio::test]
async fn damage_is_shown_as_a_page_by_itself_shows_it() {
    const DAMAGE: [&str; 14] = [
        "DELETE FROM payledger.events WHERE sequence = 40",
        "DELETE FROM payledger.events WHERE sequence >= 40",
        "DELETE FROM payledger.requests WHERE first_sequence = (SELECT max(first_sequence) FROM payledger.requests WHERE first_sequence < 40)",
        "DELETE FROM payledger.requests WHERE first_sequence > 40",
        "DELETE FROM payledger.requests",
        "UPDATE payledger.requests SET size = size + 1 WHERE first_sequence = 1",
        "UPDATE payledger.requests SET size = 0 WHERE first_sequence = 1",
        "UPDATE payledger.requests SET size = -1 WHERE first_sequence = 1",
        "UPDATE payledger.events SET sequence = sequence + 1000000 WHERE sequence >= 40",
        "UPDATE payledger.events SET sequence = -sequence WHERE sequence = 1",
        "UPDATE payledger.requests SET first_sequence = first_sequence - 3 WHERE first_sequence = 1",
        "UPDATE payledger.events SET digest = '' WHERE sequence = 40",
        "UPDATE payledger.events SET effective = 'infinity' WHERE sequence = 40",
        "ALTER TABLE payledger.events ALTER type DROP NOT NULL; UPDATE payledger.events SET type = NULL WHERE sequence = 40",
    ];
    for damage in DAMAGE {
        let database = database().await;
        let (store, name) = (PgStore::with_pool(database.pool().clone()), ledger("main"));
        fill(&store, &name, 1_000).await;
        let unguard = "ALTER TABLE payledger.events DISABLE TRIGGER ALL; ALTER TABLE payledger.requests DISABLE TRIGGER ALL; \
            DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'c' \
            AND connamespace = 'payledger'::regnamespace LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); \
            END LOOP; END $$;";
        database.pool().execute(unguard).await.unwrap();
        database.pool().execute(AssertSqlSafe(damage)).await.unwrap();
        for (after, limit) in [(0, 1_000), (0, 10), (0, 100)] {
            let due = all(Box::new(OneByOne::new(&store, &name, after, u64::MAX, limit))).await;
            let found = all(store.log_pages(&name, after, u64::MAX, limit)).await;
            assert_eq!(found.1, due.1, "{damage}");
            assert!(
                found.0 == due.0,
                "{damage}, pages of {limit}: {} events, not {}",
                found.0.events.len(),
                due.0.events.len()
            );
        }
    }
}
