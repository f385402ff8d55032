//! The server itself: what it leaves behind, and what survives in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use ledger_postgres_testing::Server;
use sqlx::{Executor, query_scalar};

const ROLE: &str = "PAYLEDGER_TESTING_ROLE";

/// Not a test: what the process does that is killed.
#[test]
fn the_process_that_is_killed() {
    if env::var_os(ROLE).is_some() {
        let server = Server::start(&[]);
        println!("\nfolder {}", server.folder().display());
        thread::sleep(Duration::from_mins(1));
    }
}

/// Not a test: what a test does that has no server.
#[test]
fn the_process_that_has_no_server() {
    if env::var_os(ROLE).is_some() {
        let _ = Server::shared();
    }
}

/// Where there was no server, tests that had tested nothing passed.
#[test]
fn without_a_server_a_test_fails_and_says_what_to_do() {
    for (variable, value, told) in [
        ("PAYLEDGER_POSTGRES_BIN", "/nowhere", "PAYLEDGER_POSTGRES_BIN has no initdb and postgres: set it"),
        ("DATABASE_URL", "postgres://ann@127.0.0.1:1/db", "the server of DATABASE_URL cannot be used"),
    ] {
        let mut child = Command::new(env::current_exe().unwrap());
        let child = child.args(["--exact", "the_process_that_has_no_server", "--nocapture"]).env(ROLE, "without");
        let output = child.env_remove("DATABASE_URL").env(variable, value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(told), "{variable}: {said}");
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

/// A server went on for ever when the test that had started it was killed.
#[test]
fn nothing_is_left_behind_by_a_process_that_is_killed() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(ROLE, "killed")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines.map_while(Result::ok).find_map(|line| Some(PathBuf::from(line.strip_prefix("folder ")?)));
    let folder = folder.expect("the server started");
    let pid = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(pid.lines().next().unwrap());
    assert!(process.exists() && folder.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    until("the server is still there", || !process.exists());
    until("its folder is still there", || !folder.exists());
}

/// A server that outlived its value filled the disk with folders, one for each test.
#[test]
fn nothing_is_left_behind_by_a_server_that_is_dropped() {
    let server = Server::start(&[]);
    let folder = server.folder();
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
}

/// A test waited for ever for its database to be dropped: the server waited for an answer to be read on the thread that waited.
#[tokio::test]
async fn a_database_can_be_dropped_by_who_has_not_read_an_answer() {
    let server = Server::start(&[]);
    let (read, dropped) = (server.empty().await, server.empty().await);
    let mut rows = query_scalar("SELECT repeat('x', 100000) FROM generate_series(1, 1000)").fetch(read.pool());
    let mut next = async || poll_fn(|context| rows.as_mut().poll_next(context)).await;
    let first: Option<Result<String, _>> = next().await;
    assert_eq!(first.unwrap().unwrap().len(), 100_000);
    drop(dropped);
    let mut others = 0;
    while let Some(row) = next().await {
        row.unwrap();
        others += 1;
    }
    assert_eq!(others, 999);
}

/// A crash test on a server that does not wait for the disk, or is not killed, passed whatever was lost.
#[tokio::test]
async fn what_was_committed_survives_a_crash() {
    let server = Server::start(&[]);
    let database = server.empty().await;
    let settings = ["fsync", "full_page_writes", "synchronous_commit"];
    for setting in settings {
        let value: String =
            query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(database.pool()).await.unwrap();
        assert_eq!(value, "on", "{setting}: a crash test on such a server shows nothing");
    }
    database.pool().execute("CREATE TABLE kept AS SELECT 42 AS number").await.unwrap();
    for _ in 0..2 {
        server.crash();
        server.restart();
        let kept: i32 = query_scalar("SELECT number FROM kept").fetch_one(database.pool()).await.unwrap();
        assert_eq!(kept, 42);
    }
}

/// On a server that others share, each run left its databases and roles behind, or saw those of another test.
#[tokio::test]
async fn databases_and_roles_are_dropped_with_their_value() {
    const LEFT: &str = "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1) \
        + (SELECT count(*) FROM pg_roles WHERE rolname = $2)";
    let server = Server::shared();
    let (one, other) = tokio::join!(server.empty(), server.empty());
    let role = one.role("we\"ird; --").await;
    one.pool().execute("CREATE TABLE own (id int)").await.unwrap();
    let as_role = sqlx::PgPool::connect(&one.url_as(&role)).await.unwrap();
    let who: String = query_scalar("SELECT current_user::text").fetch_one(&as_role).await.unwrap();
    assert_eq!(who, role);
    assert!(other.pool().execute("SELECT * FROM own").await.is_err());
    let name = one.name().to_owned();
    // Somebody is still connected.
    drop(one);
    let left: i64 = query_scalar(LEFT).bind(name).bind(role).fetch_one(other.pool()).await.unwrap();
    assert_eq!(left, 0);
}
