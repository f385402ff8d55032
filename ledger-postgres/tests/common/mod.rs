//! What the tests share: requests that fit, and a look at a whole log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics is a test that fails")]
#![allow(dead_code, reason = "no test uses all of it")]

use std::fmt::Debug;
use std::sync::Arc;

use ledger_core::chain::{self, Digest};
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{Append, Guard, Head, LogPage, NewEvent, Store, StoreError};
use ledger_core::stream::{StreamName, Tip};
use ledger_core::{Date, Ledger, Request};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::{Executor, PgPool};
use ledger_postgres_testing::{Database, Server};

/// A database with the tables of a ledger.
pub async fn database() -> Database {
    Server::shared().database().await
}

/// Ends every connection to a database but the one of a pool that says so.
pub async fn end_others(pool: &PgPool) {
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    pool.execute(others).await.unwrap();
}

/// Checks that something will not work before somebody has done something, and that it is said why.
#[track_caller]
pub fn unusable<T: Debug>(result: Result<T, StoreError>, why: &str) {
    match result {
        Err(StoreError::Unusable(text)) => assert!(text.contains(why), "{why:?} is not in {text}"),
        other => panic!("{other:?}"),
    }
}

const SETUP: &str = r#"
{"settings.open":{"base_currency":"USD","zone":"UTC","capabilities":["manual_payments"]}}
{"plan.publish":{"plan":"p","document":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}},"cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},"fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"250 USD"}}]}}}
{"payee.enrol":{"payee":"kim","name":"Kim"}}
{"payee.assign":{"payee":"kim","plan":"p","version":1,"from":"2026-01-01"}}"#;

/// A ledger with a payee under a plan.
pub async fn ready(pool: &PgPool, name: &str) -> Ledger {
    let store = Arc::new(PgStore::with_pool(pool.clone()));
    let opened = Ledger::new(store, Arc::new(TokioEnv::current()), ledger(name));
    for (number, command) in SETUP.trim().lines().enumerate() {
        opened.execute(asked(&format!("setup-{number}"), command)).await.unwrap();
    }
    opened
}

pub fn asked(key: &str, command: &str) -> Request {
    let text = format!(r#"{{"key":"{key}","actor":"ann","at":"2026-02-01T09:00:00Z","command":{command}}}"#);
    serde_json::from_str(&text).unwrap()
}

/// Records a deal, under a key of its own.
pub fn deal(number: usize) -> Request {
    let command = format!(
        r#"{{"deal.record":{{"deal":"d-{number}","gci":{{"amount":"1000 USD"}},"attribution":{{"equal":["kim"]}},"completed_on":"2026-01-10"}}}}"#
    );
    asked(&format!("deal-{number}"), &command)
}

/// Pays out all that is payable.
pub fn payout(key: &str) -> Request {
    asked(key, r#"{"payout.create":{"payee":"kim"}}"#)
}

pub fn ledger(name: &str) -> LedgerName {
    LedgerName::new(name).unwrap()
}

/// A request of `size` events for a stream that nobody else writes.
pub fn request(key: &str, size: u64) -> Append {
    let stream = StreamName::from_stored(&format!("payout/{}", Digest::of(key.as_bytes())));
    let events = (1..=size).map(|version| NewEvent {
        stream: stream.clone(),
        version,
        type_name: "payout.created".into(),
        schema_version: 1,
        effective: Date::from_ymd_opt(2026, 2, 28).unwrap(),
        payload: vec![b'x'; 307],
        digest: Digest::of(format!("{key} {version}").as_bytes()),
    });
    Append {
        key: Key::new(key).unwrap(),
        request_hash: Digest::of(key.as_bytes()),
        actor: "tester".into(),
        guards: vec![Guard { stream: stream.clone(), tip: Tip::EMPTY }],
        events: events.collect(),
    }
}

/// The whole log, after checking that it is made of whole requests, linked without a gap, up to the head.
pub async fn sound_log(store: &dyn Store, ledger: &LedgerName) -> LogPage {
    let mut log = LogPage::default();
    let mut head = Head::default();
    loop {
        let page = store.read_log(ledger, head.sequence, 1_000).await.unwrap();
        let mut events = page.events.iter();
        for request in &page.requests {
            assert_eq!(request.first_sequence, head.sequence + 1);
            let own: Vec<_> = events.by_ref().take(request.size.into()).collect();
            let places = own.iter().map(|event| (event.sequence, event.index));
            assert!(places.eq((request.first_sequence..=request.last_sequence()).zip(0..)));
            let digests = own.iter().map(|event| &event.digest).collect::<Vec<_>>().into_iter();
            let link = chain::link(&head.link, request.first_sequence, request.recorded_at_us, digests);
            assert_eq!(request.link, link);
            head = Head { sequence: request.last_sequence(), link, recorded_at_us: request.recorded_at_us };
        }
        assert_eq!(events.next(), None);
        if page.requests.is_empty() {
            assert_eq!(store.head(ledger).await.unwrap(), head);
            return log;
        }
        log.requests.extend(page.requests);
        log.events.extend(page.events);
    }
}
