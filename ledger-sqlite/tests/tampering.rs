//! Every cell of every row of a real file changed, every row deleted, swapped, repeated, every tail cut: `verify` names it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ledger_core::Ledger;
use ledger_core::chain::Digest;
use ledger_core::engine::Receipt;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::LedgerName;
use ledger_core::store::{LogPage, RequestRow, Store};
use ledger_core::verify::{Kind, Tampering, VerifyError, verify};
use ledger_sqlite::SqliteStore;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, query_as, query_scalar, raw_sql};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// What a row is found as that cannot be read at all: no UTF-8, no date, a hash of another length, a number out of range.
const UNREADABLE: &[Kind] = &[Kind::Altered];

/// Beyond what a page reads after the end of the log.
const FAR: u64 = 5_000;

fn name() -> LedgerName {
    LedgerName::new("main").unwrap()
}

/// Some months of a small organization, as the engine writes them, in a file.
async fn write(path: &Path) {
    let store = Arc::new(SqliteStore::open(path).await.unwrap());
    let ledger = Ledger::new(store.clone(), Arc::new(TokioEnv::current()), name());
    let mut keys = 0;
    let mut given = async |actor: &str, command: Value| -> Receipt {
        keys += 1;
        let request =
            json!({"key": format!("k-{keys}"), "actor": actor, "at": "2026-05-02T15:00:00Z", "command": command});
        let told = request.to_string();
        let done = ledger.execute(serde_json::from_value(request).unwrap()).await;
        done.unwrap_or_else(|error| panic!("{told}: {error}"))
    };
    let all = ["rail_payments", "manual_payments", "manual_amounts"];
    let open = json!({"base_currency": "USD", "zone": "America/New_York", "capabilities": all});
    given("ann", json!({"settings.open": open})).await;
    let capped = json!({
        "currency": "USD",
        "split": {"flat": {"payee": "0.7", "company": "0.3"}},
        "cap": {"caps": [{"programme": "main", "limit": "6000 USD", "year": {"calendar": {"month": 1, "day": 1}}}]},
        "fees": [{"name": "post-cap", "timing": "post_cap", "amount": {"flat": "250 USD"}}],
    });
    given("ann", json!({"plan.publish": {"plan": "capped", "document": capped}})).await;
    for payee in ["zoe", "yan", "xia"] {
        given("ann", json!({"payee.enrol": {"payee": payee, "name": payee, "joined_on": "2024-03-15"}})).await;
        let assign = json!({"payee": payee, "plan": "capped", "version": 1, "from": "2024-03-15"});
        given("ann", json!({"payee.assign": assign})).await;
    }
    for month in 1..=2 {
        for (day, payees) in [(3, &["zoe"][..]), (7, &["zoe", "yan"]), (11, &["xia", "yan"])] {
            let deal = json!({
                "deal": format!("d-{month}-{day}"),
                "gci": {"amount": format!("{}.{month}1 USD", 6_000 + 500 * day)},
                "attribution": {"equal": payees},
                "completed_on": format!("2026-{month:02}-{day:02}"),
            });
            given("ann", json!({"deal.record": deal})).await;
        }
        let mut payouts = vec![];
        for payee in ["zoe", "xia"] {
            let payout = given("maya", json!({"payout.create": {"payee": payee}})).await.payout().unwrap();
            given("maya", json!({"payout.submit": {"payout": payout}})).await;
            payouts.push(payout);
        }
        given("otto", json!({"payout.approve_bulk": {"payouts": payouts}})).await;
        given("otto", json!({"payout.start": {"payout": payouts[0]}})).await;
        let fail = json!({"payout": payouts[0], "attempt": 1, "reason": "account closed"});
        given("rail", json!({"payout.fail": fail})).await;
        let cheque = json!({
            "payout": payouts[1], "method": "cheque", "reference": format!("c-{month}"), "account": "bank",
        });
        given("otto", json!({"payout.record_manual_payment": cheque})).await;
        let reverse = json!({"deal": format!("d-{month}-11"), "reason": "the buyer withdrew"});
        given("ann", json!({"deal.reverse": reverse})).await;
    }
    drop(ledger);
    // The engine's task may hold the store a little longer.
    let mut store = store;
    let store = loop {
        match Arc::try_unwrap(store) {
            Ok(store) => break store,
            Err(shared) => store = shared,
        }
        tokio::task::yield_now().await;
    };
    store.close().await;
}

/// The bytes of that file, written once.
async fn pristine() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let write = || async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pristine.db");
        write(&path).await;
        std::fs::read(path).unwrap()
    };
    FILE.get_or_init(write).await
}

/// A copy of the file, open for whoever reads it and in the hands of somebody who may do everything.
struct File {
    _directory: TempDir,
    hands: SqliteConnection,
    store: SqliteStore,
    log: LogPage,
    head: (u64, Digest),
    tried: usize,
    /// By the keys of the tables.
    refused: usize,
    missed: Vec<String>,
}

impl File {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tampered.db");
        std::fs::write(&path, pristine().await).unwrap();
        let hands = SqliteConnectOptions::new().filename(&path).pragma("synchronous", "OFF");
        let mut hands = hands.pragma("ignore_check_constraints", "ON").connect().await.unwrap();
        let triggers: Vec<String> =
            query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetch_all(&mut hands).await.unwrap();
        let drops: String = triggers.iter().map(|name| format!("DROP TRIGGER {name};")).collect();
        let copies =
            ["heads", "requests", "events"].map(|t| format!("CREATE TEMP TABLE good_{t} AS SELECT * FROM {t};"));
        raw_sql(AssertSqlSafe(drops + &copies.concat())).execute(&mut hands).await.unwrap();
        let store = SqliteStore::open_read_only(&path).await.unwrap();
        let log = store.read_log(&name(), 0, 1_000).await.unwrap();
        let verified = verify(&store, &name(), None, |_| {}).await.unwrap();
        let head = (verified.head.sequence, verified.head.link);
        assert_eq!(verified.events, log.events.len() as u64);
        Self { _directory: directory, hands, store, log, head, tried: 0, refused: 0, missed: vec![] }
    }

    fn end(&self) -> u64 {
        self.head.0
    }

    /// Does something to the pristine rows. The keys of the tables may refuse it.
    async fn tamper(&mut self, sql: &str) -> bool {
        let restore = ["heads", "requests", "events"]
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM good_{table};"));
        let mut transaction = self.hands.begin().await.unwrap();
        raw_sql(AssertSqlSafe(restore.concat())).execute(&mut *transaction).await.unwrap();
        match raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await {
            Ok(done) => assert!(done.rows_affected() > 0, "nothing is done by {sql}"),
            Err(error) => {
                let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().to_string();
                // SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE
                assert!(["1555", "2067"].contains(&code.as_str()), "{sql}: {error}");
                transaction.rollback().await.unwrap();
                self.refused += 1;
                return false;
            }
        }
        transaction.commit().await.unwrap();
        self.tried += 1;
        true
    }

    /// Whether what was done is found at the first bad sequence as one of the kinds.
    async fn find(&mut self, allowed: &[Kind], first_bad: u64, kept: Option<(u64, Digest)>, sql: &str) {
        match verify(&self.store, &name(), kept, |_| {}).await {
            Err(VerifyError::Found(found)) if found.sequence == first_bad && allowed.contains(&found.kind) => {}
            other => self.missed.push(format!("{sql}\n    is not {allowed:?} at {first_bad} but {other:?}")),
        }
    }

    async fn check(&mut self, allowed: &[Kind], first_bad: u64, sql: &str) {
        if self.tamper(sql).await {
            self.find(allowed, first_bad, None, sql).await;
        }
    }

    /// Nothing was missed, and enough was tried.
    #[track_caller]
    fn done(self, at_least: usize) {
        let Self { tried, refused, missed, .. } = self;
        let some = missed[..missed.len().min(40)].join("\n");
        assert!(missed.is_empty(), "{} of {tried} are missed:\n{some}", missed.len());
        assert!(tried >= at_least, "only {tried} were tried, the keys refused {refused}");
    }

    /// Changes every cell of a table, row by row.
    async fn change_every_cell(&mut self, table: &str, place: &str) {
        let columns: Vec<(String, String)> = query_as("SELECT name, type FROM pragma_table_info(?)")
            .bind(table)
            .fetch_all(&mut self.hands)
            .await
            .unwrap();
        for (column, of_type) in columns {
            let tampering = changing(table, &column);
            let cells = format!("SELECT {place}, CAST({column} AS BLOB) FROM good_{table} ORDER BY {place}");
            let cells: Vec<(i64, Vec<u8>)> = query_as(AssertSqlSafe(cells)).fetch_all(&mut self.hands).await.unwrap();
            assert!(cells.len() >= 30, "{table} is short");
            for (row, (sequence, bytes)) in cells.into_iter().enumerate() {
                let update = |value: &str| format!("UPDATE {table} SET {column} = {value} WHERE {place} = {sequence}");
                let at = u64::try_from(sequence).unwrap();
                if of_type == "INTEGER" {
                    let number: i64 = String::from_utf8(bytes).unwrap().parse().unwrap();
                    for other in numbers(number) {
                        let (allowed, first_bad) = match (tampering, u64::try_from(other)) {
                            (Tampering::EventSequence | Tampering::RequestSequence, Err(_)) => (UNREADABLE, 0),
                            (Tampering::EventSequence | Tampering::RequestSequence, Ok(other)) => {
                                (tampering.allowed(), at.min(other))
                            }
                            (Tampering::RequestSize, _) if u16::try_from(other).is_err() => (UNREADABLE, at),
                            _ => (tampering.allowed(), at),
                        };
                        self.check(allowed, first_bad, &update(&other.to_string())).await;
                    }
                    continue;
                }
                let text = of_type == "TEXT";
                assert!(text || of_type == "BLOB", "{of_type}");
                let value = |bytes: &[u8]| if text { format!("CAST({} AS TEXT)", hex(bytes)) } else { hex(bytes) };
                for other in flips(&bytes, text, row) {
                    self.check(tampering.allowed(), at, &update(&value(&other))).await;
                }
                let (longer, shorter) = ([&bytes[..], b"x"].concat(), &bytes[..bytes.len() - 1]);
                let no_text = [&bytes[..1], b"\xc3", &bytes[1..]].concat();
                for other in [&longer[..], shorter, &no_text, b""] {
                    let unreadable = tampering == Tampering::RequestLink;
                    let allowed = if unreadable { UNREADABLE } else { tampering.allowed() };
                    self.check(allowed, at, &update(&value(other))).await;
                }
            }
        }
    }
}

/// What it is to change a cell of a column. A row that is given to another ledger is gone from this one.
fn changing(table: &str, column: &str) -> Tampering {
    match (table, column) {
        ("events", "ledger") => Tampering::EventDeleted,
        ("events", "sequence") => Tampering::EventSequence,
        ("events", _) => Tampering::EventField,
        ("requests", "ledger") => Tampering::RequestDeleted,
        ("requests", "first_sequence") => Tampering::RequestSequence,
        ("requests", "size") => Tampering::RequestSize,
        ("requests", "recorded_at_us") => Tampering::RequestTime,
        ("requests", "link") => Tampering::RequestLink,
        ("requests", "key" | "request_hash" | "actor") => Tampering::RequestField,
        other => panic!("{other:?} is a column that this test does not know"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

/// Flips a bit of every byte, every time another one; texts stay texts.
fn flips(bytes: &[u8], text: bool, row: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(move |at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << ((at + row) % if text { 7 } else { 8 });
        flipped
    })
}

/// Numbers beside it, far from it, and those that a conversion could take for it.
fn numbers(number: i64) -> BTreeSet<i64> {
    let (u16s, u32s) = (number + (1 << 16), number + (1 << 32));
    let mut others = BTreeSet::from([number + 1, number - 1, 0, -1, -number, u16s, u32s, i64::MIN, i64::MAX]);
    others.remove(&number);
    others
}

fn whole(row: &RequestRow) -> (u64, u64) {
    (row.first_sequence, row.first_sequence + u64::from(row.size) - 1)
}

/// Deletes the rows of both tables from `first` to `last`.
fn delete(first: u64, last: u64) -> String {
    format!(
        "DELETE FROM requests WHERE first_sequence BETWEEN {first} AND {last};
         DELETE FROM events WHERE sequence BETWEEN {first} AND {last};"
    )
}

/// Moves the rows of both tables from `first` to `last`; they arrive with [`ARRIVE`].
fn shift(first: u64, last: u64, by: i64) -> String {
    format!(
        "UPDATE requests SET first_sequence = -(first_sequence + {by}) WHERE first_sequence BETWEEN {first} AND {last};
         UPDATE events SET sequence = -(sequence + {by}) WHERE sequence BETWEEN {first} AND {last};"
    )
}

const ARRIVE: &str = "UPDATE requests SET first_sequence = -first_sequence WHERE first_sequence < 0;
     UPDATE events SET sequence = -sequence WHERE sequence < 0;";

/// Repeats a row with other values in some of its columns.
fn repeat(table: &str, columns: &[&str], place: &str, sequence: u64, other: &[(&str, String)]) -> String {
    let value = |column: &&str| match other.iter().find(|(name, _)| name == column) {
        Some((_, value)) => value.clone(),
        None => (*column).to_string(),
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    format!("INSERT INTO {table} SELECT {} FROM good_{table} WHERE {place} = {sequence}", values.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_a_real_one() {
    let file = File::new().await;
    assert!((60..=100).contains(&file.end()), "{} events", file.end());
    let streams: BTreeSet<_> = file.log.events.iter().map(|row| row.stream.as_str()).collect();
    assert!(streams.len() >= 15, "{} streams", streams.len());
    assert!(file.log.requests.iter().filter(|row| row.size > 1).count() >= 10);
    assert!(verify(&file.store, &name(), Some(file.head), |_| {}).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_cell_of_an_event_is_found() {
    let mut file = File::new().await;
    file.change_every_cell("events", "sequence").await;
    file.done(20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_cell_of_a_request_is_found() {
    let mut file = File::new().await;
    file.change_every_cell("requests", "first_sequence").await;
    file.done(3_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deleted_row_is_found() {
    let mut file = File::new().await;
    for row in file.log.events.clone() {
        let sql = format!("DELETE FROM events WHERE sequence = {}", row.sequence);
        file.check(Tampering::EventDeleted.allowed(), row.sequence, &sql).await;
    }
    for row in file.log.requests.clone() {
        let (first, last) = whole(&row);
        let sql = format!("DELETE FROM requests WHERE first_sequence = {first}");
        file.check(Tampering::RequestDeleted.allowed(), first, &sql).await;
        file.check(Tampering::WholeRequestDeleted.allowed(), first, &delete(first, last)).await;
        if last < file.end() {
            let up = delete(first, last) + &shift(last + 1, file.end(), -i64::from(row.size)) + ARRIVE;
            file.check(Tampering::WholeRequestCut.allowed(), first, &up).await;
        }
    }
    file.done(150);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_swap_of_neighbours_is_found() {
    let mut file = File::new().await;
    for sequence in 1..file.end() {
        let swap = format!(
            "UPDATE events SET sequence = -(2 * {sequence} + 1 - sequence) WHERE sequence IN ({sequence}, {sequence} + 1);"
        );
        file.check(Tampering::EventsSwapped.allowed(), sequence, &(swap + ARRIVE)).await;
    }
    for rows in file.log.requests.clone().windows(2) {
        let ((first, end), (second, last)) = (whole(&rows[0]), whole(&rows[1]));
        let swap = format!(
            "UPDATE requests SET first_sequence = -({first} + {second} - first_sequence)
             WHERE first_sequence IN ({first}, {second});"
        );
        file.check(Tampering::RequestsSwapped.allowed(), first, &(swap + ARRIVE)).await;
        let swap = shift(first, end, rows[1].size.into()) + &shift(second, last, -i64::from(rows[0].size)) + ARRIVE;
        file.check(Tampering::WholeRequestsSwapped.allowed(), first, &swap).await;
    }
    file.done(130);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_repeated_event_is_found() {
    let mut file = File::new().await;
    let end = file.end();
    let columns = "ledger sequence stream version type schema_version position effective payload digest";
    let columns: Vec<_> = columns.split(' ').collect();
    for row in file.log.events.clone() {
        let again = |other: &[(&str, String)]| repeat("events", &columns, "sequence", row.sequence, other);
        // At its own place, and at a free one as the same version of its stream: the keys refuse both.
        assert!(!file.tamper(&again(&[("stream", "'x'".into())])).await);
        assert!(!file.tamper(&again(&[("sequence", (end + 1).to_string())])).await);
        // After the end it is an event whose request is gone, before the beginning one too many.
        for place in [end + 1, end + 2, end + FAR, i64::MAX.unsigned_abs()] {
            for other in [("version", "version + 1000".into()), ("stream", "stream || 'x'".into())] {
                let sql = again(&[("sequence", place.to_string()), other]);
                file.check(Tampering::RequestDeleted.allowed(), place, &sql).await;
            }
        }
        let version = || ("version", "version + 1000".into());
        file.check(Tampering::EventDoubled.allowed(), 0, &again(&[("sequence", "0".into()), version()])).await;
        for place in [-1, i64::MIN] {
            file.check(UNREADABLE, 0, &again(&[("sequence", place.to_string()), version()])).await;
        }
    }
    assert_eq!(file.refused as u64, 2 * end);
    file.done(600);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_repeated_request_is_found() {
    let mut file = File::new().await;
    let end = file.end();
    let columns = "ledger first_sequence size key request_hash actor recorded_at_us link";
    let columns: Vec<_> = columns.split(' ').collect();
    let firsts: BTreeSet<_> = file.log.requests.iter().map(|row| row.first_sequence).collect();
    let free: Vec<u64> = (1..=end).filter(|place| !firsts.contains(place)).collect();
    for (number, row) in file.log.requests.clone().into_iter().enumerate() {
        let again =
            |other: &[(&str, String)]| repeat("requests", &columns, "first_sequence", row.first_sequence, other);
        let at = |place: &str| again(&[("first_sequence", place.into()), ("key", "key || 'x'".into())]);
        // At its own place, and under its own key: the keys refuse both.
        assert!(!file.tamper(&again(&[("key", "'x'".into())])).await);
        assert!(!file.tamper(&again(&[("first_sequence", free[0].to_string())])).await);
        for place in free.iter().skip(number % 4).step_by(4).copied().chain([0]) {
            file.check(Tampering::RequestDoubled.allowed(), place, &at(&place.to_string())).await;
        }
        // After the end it is a request whose events were cut off.
        for place in [end + 1, end + 2, end + FAR, i64::MAX.unsigned_abs()] {
            file.check(Tampering::Truncated.allowed(), end + 1, &at(&place.to_string())).await;
        }
        for place in [-1, i64::MIN] {
            file.check(UNREADABLE, 0, &at(&place.to_string())).await;
        }
    }
    assert_eq!(file.refused, 2 * file.log.requests.len());
    file.done(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_cut_at_any_length_is_found() {
    let mut file = File::new().await;
    let truncated = Tampering::Truncated.allowed();
    for length in 0..file.end() {
        let events = format!("DELETE FROM events WHERE sequence > {length};");
        let requests = format!("DELETE FROM requests WHERE first_sequence > {length};");
        file.check(truncated, length + 1, &events).await;
        file.check(truncated, length + 1, &(events.clone() + &requests)).await;
        // The head is made to fit: within a request it is torn, between two only a head kept elsewhere tells.
        let link = format!(
            "(SELECT link FROM requests WHERE first_sequence <= {length} ORDER BY first_sequence DESC LIMIT 1)"
        );
        let time = link.replace("link", "recorded_at_us");
        let head = match length {
            0 => "DELETE FROM heads;".into(),
            _ => format!("UPDATE heads SET sequence = {length}, link = {link}, recorded_at_us = {time};"),
        };
        let sql = events + &requests + &head;
        let between = length == 0 || file.log.requests.iter().any(|row| whole(row).1 == length);
        let allowed = if between { Tampering::RolledBack.allowed() } else { truncated };
        assert!(file.tamper(&sql).await);
        file.find(allowed, length + 1, Some(file.head), &sql).await;
        assert_eq!(verify(&file.store, &name(), None, |_| {}).await.is_ok(), between, "{length}");
    }
    for row in file.log.requests.clone() {
        let first = row.first_sequence;
        let sql = format!("DELETE FROM requests WHERE first_sequence >= {first}");
        file.check(Tampering::RequestDeleted.allowed(), first, &sql).await;
    }
    file.done(200);
}

/// A record that began within a request and claimed more events than a page holds ended the page before it, and the next page
/// began after it: it was never read, and its key seemed used.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_request_is_found_whatever_size_it_claims() {
    let mut file = File::new().await;
    let firsts: BTreeSet<_> = file.log.requests.iter().map(|row| row.first_sequence).collect();
    let columns = "ledger first_sequence size key request_hash actor recorded_at_us link";
    let columns: Vec<_> = columns.split(' ').collect();
    for place in (1..=file.end()).filter(|place| !firsts.contains(place)) {
        for size in ["1", "1000", "65535"] {
            let forged = [("first_sequence", place.to_string()), ("size", size.into()), ("key", "'forged'".to_owned())];
            let sql = repeat("requests", &columns, "first_sequence", 1, &forged);
            file.check(Tampering::RequestForged.allowed(), place, &sql).await;
        }
    }
    file.done(100);
}
