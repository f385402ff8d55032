//! Bugs planted in the function that appends: the clauses of the store contract find every one of them, so that they would find
//! it if somebody made it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::collections::VecDeque;
use std::sync::Arc;

use ledger_core::store::conformance::{self, Factory};
use ledger_core::store::{BoxFuture, Clock, Store, StoreError};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::{AssertSqlSafe, raw_sql};
use ledger_postgres_testing::{Database, Server};
use tokio::sync::Mutex;

/// What is planted, in the words of who would do it: in place of a text of the function stands another.
const PLANTED: &[(&str, &str, &str)] = &[
    (
        "a known key is not found",
        "FROM payledger.requests AS r WHERE r.ledger = name AND r.key = keys[1];\n    IF FOUND",
        "FROM payledger.requests AS r WHERE false;\n    IF FOUND",
    ),
    (
        "what an index objects to is taken for stored",
        "broken = CONSTRAINT_NAME;\n            together := false;",
        "broken = CONSTRAINT_NAME;",
    ),
    (
        "the events of a group that is asked again one by one are those of the end",
        "together := false;\n            event_at := 1;",
        "together := false;",
    ),
    ("a reused key is taken for a repeated one", "CASE WHEN r.request_hash = hashes THEN 1 ELSE 2 END", "1"),
    (
        "a guard's version is not compared",
        "NOT g.settled AND (coalesce(tip.version, 0) <> g.version\n                OR",
        "NOT g.settled AND (",
    ),
    (
        "a guard's digest is not compared",
        "\n                OR coalesce(tip.digest, zeros) <> substr(guard_digests, g.at::integer * 32 - 31, 32)));\n",
        "));\n",
    ),
    ("an empty stream is not guarded", "NOT g.settled AND (coalesce", "NOT g.settled AND g.version > 0 AND (coalesce"),
    (
        "a guard is compared with another ledger's stream",
        "WHERE e.ledger = name AND e.stream = g.stream\n                    ORDER BY e.version DESC LIMIT 1) AS tip ON true\n            WHERE NOT",
        "WHERE e.stream = g.stream\n                    ORDER BY e.version DESC LIMIT 1) AS tip ON true\n            WHERE NOT",
    ),
    (
        "the head is not locked",
        "WHERE h.ledger = name FOR NO KEY UPDATE;\n    IF NOT FOUND",
        "WHERE h.ledger = name;\n    IF NOT FOUND",
    ),
    ("the clock may go back", "greatest(head_us, coalesce(now_us,", "greatest(0, coalesce(now_us,"),
    ("the given clock is not asked", "coalesce(now_us, (extract", "coalesce(NULL, (extract"),
    (
        "a link does not rest on the one before",
        "head_link := sha256(tag || head_link ||",
        "head_link := sha256(tag || zeros ||",
    ),
    ("a link leaves the time out", "|| int8send(head_us) ||", "|| int8send(0) ||"),
    (
        "the link of the head is not kept",
        "SET sequence = head_sequence + event_count, link = head_link,",
        "SET sequence = head_sequence + event_count,",
    ),
    (
        "a request has the size of another",
        "SELECT name, r.first, r.size, r.key,",
        "SELECT name, r.first, sizes[1], r.key,",
    ),
    ("events are placed by their version", "head_sequence + e.at, e.stream", "head_sequence + e.version, e.stream"),
    ("a request that fails takes the group with it", "IF count > 1 THEN", "IF count > 1 AND together THEN"),
    (
        "a malformed request is looked at last",
        "together := together AND NOT true = ANY (malformed) AND",
        "together := together AND",
    ),
];

/// Makes databases with a bug in them.
struct Broken {
    function: String,
    made: Mutex<Vec<Database>>,
}

impl Factory for Broken {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
        Box::pin(async {
            let database = Server::shared().database().await;
            raw_sql(AssertSqlSafe(self.function.as_str())).execute(database.pool()).await.unwrap();
            let store = PgStore::connect_with_clock(&database.url(), clock).await?;
            self.made.lock().await.push(database);
            Ok(Arc::new(store) as Arc<dyn Store>)
        })
    }
}

fn append() -> String {
    let migration = include_str!("../migrations/0001_ledger.up.sql");
    let (_, function) = migration.split_once("CREATE FUNCTION payledger.append_v1(").unwrap();
    let (function, _) = function.split_once("END $$;").unwrap();
    format!("CREATE OR REPLACE FUNCTION payledger.append_v1({function}END $$;")
}

/// A conformance suite that a wrong function passes.
#[tokio::test(flavor = "multi_thread")]
async fn every_planted_bug_breaks_a_clause() {
    let asked = PLANTED.iter().map(|(bug, text, planted)| {
        let function = append();
        assert_eq!(function.matches(text).count(), 1, "{bug}: the text stands elsewhere or nowhere:\n{text}");
        let broken = Broken { function: function.replace(text, planted), made: Mutex::default() };
        (*bug, async move { conformance::run(&broken).await })
    });
    let (mut asked, mut survived) = (asked.collect::<VecDeque<_>>(), Vec::new());
    while !asked.is_empty() {
        // Several at once: they mostly wait, for locks and for one another.
        let some: Vec<_> = asked.drain(..asked.len().min(4)).map(|(bug, run)| (bug, tokio::spawn(run))).collect();
        for (bug, run) in some {
            let report = run.await.unwrap();
            let clauses: Vec<_> = report.broken().map(|(clause, _)| clause).collect();
            println!("{bug}: {clauses:?}");
            if clauses.is_empty() {
                survived.push(bug);
            }
        }
    }
    assert!(survived.is_empty(), "no clause minds that {survived:?}");
}
