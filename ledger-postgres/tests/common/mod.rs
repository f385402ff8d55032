//! What the tests share: requests that fit, and a look at a whole log.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]
#![allow(dead_code, reason = "no test uses all of it")]

use ledger_core::Date;
use ledger_core::chain::{self, Digest};
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{Append, Guard, Head, LogPage, NewEvent, Store};
use ledger_core::stream::{StreamName, Tip};
use ledger_postgres::sqlx::raw_sql;
use ledger_postgres_testing::{Database, Server};

/// A database with the tables of a ledger.
pub async fn database() -> Database {
    let database = Server::shared().empty().await;
    for migration in [
        "CREATE SCHEMA payledger",
        include_str!("../../migrations/0001_ledger.up.sql"),
        include_str!("../../migrations/0002_derived.up.sql"),
    ] {
        raw_sql(migration).execute(database.pool()).await.unwrap();
    }
    database
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
