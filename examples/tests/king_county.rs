//! The king-county example as its user meets it: real processes on a file on disk.

#![allow(clippy::unwrap_used)] // of the helpers; clippy lets only the tests themselves

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use ledger_core::id::LedgerName;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::store::{EventRow, Store};
use ledger_sqlite::SqliteStore;
use tempfile::TempDir;

const HEADER: &str = "close_date,property_id,sale_price_usd,zipcode";

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("king-county").join(file)
}

fn program(sales: &Path, db: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_king-county"));
    command.arg(sales).arg(db);
    command
}

fn run(sales: &Path, db: &Path) -> Output {
    program(sales, db).output().unwrap()
}

#[track_caller]
fn assert_expected(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = fs::read_to_string(example("sales.expected.csv")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// What was stored, without the times at which it was.
#[tokio::main(flavor = "current_thread")]
async fn events(db: &Path) -> Vec<EventRow> {
    let store = SqliteStore::open_read_only(db).await.unwrap();
    let ledger = LedgerName::new("king-county").unwrap();
    let mut events = Vec::new();
    loop {
        let last = events.last().map_or(0, |event: &EventRow| event.sequence);
        let page = store.read_log(&ledger, last, PAGE_EVENTS).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
    }
}

/// The kept file, run once and undisturbed.
fn undisturbed() -> &'static [EventRow] {
    static EVENTS: OnceLock<Vec<EventRow>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let db = dir.path().join("ledger.db");
        assert_expected(&run(&example("sales.csv"), &db));
        events(&db)
    })
}

/// A number below `end` that no run can foresee.
fn chance(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

#[test]
fn the_expected_output_is_what_the_oracle_computes() {
    let oracle = Command::new("python3").arg(example("oracle.py")).arg(example("sales.csv")).output();
    match oracle {
        Ok(output) => assert_expected(&output),
        Err(error) => eprintln!("not compared with the oracle, there is no python3: {error}"),
    }
}

#[test]
fn the_sales_stand_in_the_ledger_in_the_order_of_the_file() {
    let registered = undisturbed().iter().filter(|event| event.type_name == "deal.registered");
    let recorded: Vec<_> = registered.map(|event| event.stream.as_str().trim_start_matches("deal/")).collect();
    let sales = fs::read_to_string(example("sales.csv")).unwrap();
    let sold: Vec<_> =
        sales.lines().skip(1).map(|line| line.splitn(3, ',').take(2).collect::<Vec<_>>().join("-")).collect();
    assert_eq!(recorded, sold);
}

#[test]
fn a_second_run_appends_nothing_and_prints_the_same() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("ledger.db");
    assert_expected(&run(&example("sales.csv"), &db));
    let before = events(&db);
    assert_expected(&run(&example("sales.csv"), &db));
    assert_eq!(events(&db), before);
    assert_eq!(before, undisturbed());
}

#[test]
fn killed_anywhere_and_run_again_it_ends_as_if_nothing_had_happened() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("ledger.db");
    for months in [0, 4, 9, 13, 18, 22, 27] {
        let mut child =
            program(&example("sales.csv"), &db).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().take(months).count();
        let delay = Duration::from_micros(chance(60_000));
        sleep(delay);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        eprintln!("killed after {lines} months and {delay:?}: {status}");
    }
    assert_expected(&run(&example("sales.csv"), &db));
    assert_eq!(events(&db), undisturbed());
}

#[test]
fn two_processes_on_one_file_lose_nothing_and_pay_nothing_twice() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("ledger.db");
    let start = || {
        let mut command = program(&example("sales.csv"), &db);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes = [start(), start()];
    for process in processes {
        assert_expected(&process.wait_with_output().unwrap());
    }
    // What happened to one thing may stand before what happened to another; what happened to each is the same.
    assert_eq!(streams(&events(&db)), streams(undisturbed()));
}

/// The events by stream, without their places in the ledger.
fn streams(events: &[EventRow]) -> BTreeMap<&str, Vec<EventRow>> {
    let mut streams: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        let history = streams.entry(event.stream.as_str()).or_default();
        history.push(EventRow { sequence: 0, ..event.clone() });
    }
    streams
}

#[test]
fn a_bad_file_is_refused_whole_with_line_and_field() {
    let good = "2020-01-31,1,400000,98001";
    let rows = |rows: &[&str]| [&[HEADER, good], rows].concat().join("\n").into_bytes();
    let long = format!("2020-01-31,2,{},98001", "1".repeat(10_000_000));
    let cases: [(Vec<u8>, &str); 18] = [
        (b"".to_vec(), ":1: header: "),
        (good.as_bytes().to_vec(), ":1: header: "),
        (format!("\u{feff}{HEADER}\n{good}\n").into_bytes(), ":1: header: "),
        (HEADER.replace("usd", "eur").into_bytes(), ":1: header: "),
        ([rows(&["2020-01-31,"]), vec![0xff], b",400000,98001\n".to_vec()].concat(), ":3: property_id: is not UTF-8"),
        (rows(&["2020-01-30,2,400000,98001"]), ":3: close_date: 2020-01-30 follows 2020-01-31"),
        (rows(&["2020-02-30,2,400000,98001"]), ":3: close_date: \"2020-02-30\" is not a date"),
        (rows(&["2020-2-1,2,400000,98001"]), ":3: close_date: \"2020-2-1\" is not a date"),
        (rows(&["\"2020-02-01\",2,400000,98001"]), ":3: close_date: "),
        (rows(&["9999-02-01,2,400000,98001"]), ":3: close_date: "),
        (rows(&["2020-01-31,2,400000.005,98001"]), ":3: sale_price_usd: "),
        (rows(&["2020-01-31,2,-400000,98001"]), ":3: sale_price_usd: "),
        (rows(&["2020-01-31,2,4e5,98001"]), ":3: sale_price_usd: "),
        (rows(&["2020-01-31,2,NaN,98001"]), ":3: sale_price_usd: "),
        (rows(&[&long]), ":3: sale_price_usd: "),
        (rows(&["2020-01-31,2,400000,98 001"]), ":3: zipcode: "),
        (rows(&["2020-01-31,1,400000,98001"]), ":3: property_id: is sold on the same day in line 2"),
        (rows(&["", "2020-01-31,2,400000,98001"]), ":3: row: "),
    ];
    let dir = TempDir::new().unwrap();
    let (sales, db) = (dir.path().join("sales.csv"), dir.path().join("ledger.db"));
    for (bytes, expected) in cases {
        fs::write(&sales, bytes).unwrap();
        assert_refused(&run(&sales, &db), &format!("sales.csv{expected}"));
        assert!(!db.exists(), "{expected}");
    }
}

#[track_caller]
fn assert_refused(output: &Output, expected: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(expected), "{error}\ndoes not say {expected}");
    assert!(error.len() < 1_000, "{} bytes of error", error.len());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn what_the_ledger_refuses_stops_the_run_and_goes_on_once_it_is_mended() {
    let dir = TempDir::new().unwrap();
    let (sales, db) = (dir.path().join("sales.csv"), dir.path().join("ledger.db"));
    let write = |price| {
        let rows =
            format!("{HEADER}\n2020-01-30,1,5000000,98001\n2020-01-31,2,{price},98001\n2020-02-01,3,9000,98001\n");
        fs::write(&sales, rows).unwrap();
    };
    write("8333.00");
    assert_refused(
        &run(&sales, &db),
        "request 2020-01-31-2: sides.0.payees.0: payee zip-98001 would be left with -0.01 USD, and the plan permits no deficit",
    );
    write("8333.33");
    let output = run(&sales, &db);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(report.lines().nth(1), Some("zip-98001,2020,3,150520.00,15000.00,15000.00,500.00,135020.00"));
    write("500000");
    assert_refused(&run(&sales, &db), "key 2020-01-31-2 was used for another request");
}

#[test]
fn a_file_that_is_no_ledger_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let db = dir.path().join("notes.txt");
    fs::write(&db, "not a ledger\n".repeat(1_000)).unwrap();
    let output = run(&example("sales.csv"), &db);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_eq!(fs::read(&db).unwrap(), "not a ledger\n".repeat(1_000).into_bytes());
}
