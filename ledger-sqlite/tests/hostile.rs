//! Files that are no ledgers, files that somebody edited, a full disk: each is refused with what to do, none panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics is a test that fails")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{ledger, request, sound_log};
use ledger_core::store::{Outcome, Store, StoreError};
use ledger_sqlite::{SCHEMA_VERSION, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, raw_sql};
use tempfile::TempDir;

/// A closed ledger of ten requests of two events.
async fn ten() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ten.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let group: Vec<_> = (0..10).map(|number| request(&format!("r{number}"), 2)).collect();
    store.append(&ledger("main"), &group).await.unwrap();
    store.close().await;
    (directory, path)
}

/// A connection as anybody else's: none of this library's settings.
async fn stranger(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false).connect().await.unwrap()
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

fn unusable<T>(result: Result<T, StoreError>) -> String {
    match result.map(drop) {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_ledger_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("text"), "id,amount\n1,2\n".repeat(1_000)).unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    let mut other = stranger(&path("other.db")).await;
    run(&mut other, "CREATE TABLE orders (id)").await.unwrap();
    let mut newer = stranger(&path("newer.db")).await;
    run(&mut newer, "PRAGMA application_id = 1346459980; PRAGMA user_version = 99; CREATE TABLE t (id)").await.unwrap();
    for (name, says) in [
        ("text", "no ledger"),
        ("directory", "cannot be opened"),
        ("missing/ledger.db", "cannot be opened"),
        ("other.db", "no ledger"),
        ("newer.db", "newer version"),
    ] {
        let before = std::fs::read(path(name)).ok();
        for text in [
            unusable(SqliteStore::open(path(name)).await),
            unusable(SqliteStore::open_read_only(path(name)).await),
            unusable(SqliteStore::migrate(path(name), SCHEMA_VERSION).await),
            unusable(SqliteStore::version(path(name)).await),
            unusable(SqliteStore::restore(path(name), path("restored.db")).await),
        ] {
            assert!(text.contains(says), "{name}: {text}");
        }
        assert_eq!(std::fs::read(path(name)).ok(), before, "{name} was changed");
    }
    assert!(unusable(SqliteStore::open_read_only(path("never.db")).await).contains("cannot be opened"));
    assert!(!path("never.db").exists() && !path("restored.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_cannot_be_changed_by_anybody_who_connects() {
    let (_directory, path) = ten().await;
    let mut anybody = stranger(&path).await;
    let copy = |table: &str, change: &str| {
        let columns = match table {
            "events" => "ledger, sequence, stream, version, type, schema_version, position, effective, payload, digest",
            _ => "ledger, first_sequence, size, key, request_hash, actor, recorded_at_us, link",
        };
        let changed = columns.replacen(change.split(' ').next_back().unwrap(), change, 1);
        format!("INSERT OR REPLACE INTO {table} ({columns}) SELECT {changed} FROM {table} LIMIT 1")
    };
    for sql in [
        "UPDATE events SET payload = x'00' WHERE sequence = 3".into(),
        "UPDATE OR REPLACE events SET sequence = 4 WHERE sequence = 3".into(),
        "DELETE FROM events WHERE sequence = 20".into(),
        "DELETE FROM events".into(),
        copy("events", "x'00' AS payload"),
        copy("events", "sequence + 1000 AS sequence"),
        "UPDATE requests SET actor = 'x'".into(),
        "DELETE FROM requests".into(),
        copy("requests", "'x' AS actor"),
        copy("requests", "first_sequence + 1000 AS first_sequence"),
        "UPDATE heads SET sequence = 4".into(),
        "DELETE FROM heads".into(),
    ] {
        let error = run(&mut anybody, &sql).await.expect_err(&sql);
        // SQLITE_CONSTRAINT_TRIGGER
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("1811"), "{sql}: {error}");
    }
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(sound_log(&store, &ledger("main")).await.events.len(), 20);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_are_reported_with_their_place() {
    for (damage, sequence, what) in [
        ("UPDATE events SET digest = x'0102' WHERE sequence = 7", 7, "digest: it has 2 bytes"),
        ("UPDATE events SET effective = '2026-02-30' WHERE sequence = 7", 7, "effective"),
        ("UPDATE events SET effective = CAST(x'ff' AS TEXT) WHERE sequence = 7", 7, "effective"),
        ("UPDATE events SET stream = CAST(x'80fe' AS TEXT) WHERE sequence = 8", 8, "stream"),
        ("UPDATE events SET type = CAST(x'c3' AS TEXT) WHERE sequence = 8", 8, "type"),
        ("UPDATE events SET schema_version = 65536 WHERE sequence = 9", 9, "schema_version: 65536"),
        ("UPDATE events SET position = -1 WHERE sequence = 9", 9, "position: -1"),
        ("UPDATE events SET version = -9 WHERE sequence = 9", 9, "version: -9"),
        ("UPDATE events SET sequence = 0 WHERE sequence = 20", 0, ""),
        ("UPDATE events SET sequence = 9223372036854775807 WHERE sequence = 20", 0, ""),
        ("UPDATE requests SET size = 70000 WHERE first_sequence = 5", 5, "size: 70000"),
        ("UPDATE requests SET size = 9223372036854775807 WHERE first_sequence = 5", 5, "size"),
        ("UPDATE requests SET first_sequence = 9223372036854775807 WHERE first_sequence = 19", 0, ""),
        ("UPDATE requests SET link = x'' WHERE first_sequence = 5", 5, "link: it has 0 bytes"),
        ("UPDATE requests SET request_hash = zeroblob(33) WHERE first_sequence = 5", 5, "request_hash"),
        ("UPDATE requests SET key = CAST(x'ff' AS TEXT) WHERE first_sequence = 5", 5, "key"),
        ("UPDATE requests SET actor = CAST(x'ff' AS TEXT) WHERE first_sequence = 5", 5, "actor"),
        ("UPDATE heads SET link = x'00'", 20, "a head's link"),
        ("UPDATE heads SET sequence = -1", 0, "a head's sequence"),
        ("UPDATE heads SET ledger = '/'", 0, "the head: it is gone"),
        ("DELETE FROM heads", 0, "the head: it is gone"),
        ("UPDATE heads SET sequence = 0", 0, "the head: it is gone"),
    ] {
        let (_directory, path) = ten().await;
        let mut anybody = stranger(&path).await;
        let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&mut anybody)
            .await
            .unwrap();
        for name in triggers {
            run(&mut anybody, &format!("DROP TRIGGER {name}")).await.unwrap();
        }
        run(&mut anybody, "PRAGMA ignore_check_constraints = ON").await.unwrap();
        run(&mut anybody, damage).await.unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        let ledger = ledger("main");
        // Whatever is asked, nothing panics, and what is wrong is said with its place.
        let streams: Vec<_> = (0..10)
            .map(|number| request(&format!("r{number}"), 1).guards.remove(0).stream)
            .map(|stream| ledger_core::store::StreamAfter { stream, after: 0 })
            .collect();
        let mut errors = vec![
            store.read_log(&ledger, 0, 100).await.err(),
            store.read_streams(&ledger, &streams, None, 100).await.err(),
            store.head(&ledger).await.err(),
            store.ledgers().await.err(),
            store.append(&ledger, &[request("another", 1)]).await.err(),
        ];
        for number in 0..10 {
            errors.push(store.request(&ledger, &request(&format!("r{number}"), 1).key).await.err());
        }
        let named = errors.iter().flatten().any(|error| match error {
            StoreError::Corrupt { sequence: at, what: text } => *at == sequence && text.contains(what),
            other => panic!("{damage}: {other}"),
        });
        assert!(named || what.is_empty(), "{damage}: {errors:?}");
        let findings = store.check().await.unwrap();
        assert!(findings.iter().any(|finding| finding.object == "trigger events_stay"), "{findings:?}");
        assert!(unusable(store.backup(path.with_extension("copy")).await).contains("not sound"));
    }
}

/// Requests were stored after a head that somebody had moved, and made the damage theirs: all later ones were of the year 294246,
/// or their links led nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_after_a_head_that_is_not_at_the_last_request() {
    for moved in [
        "UPDATE heads SET recorded_at_us = 9223372036854775807",
        "UPDATE heads SET recorded_at_us = 9223372036854775807; UPDATE requests SET recorded_at_us = 9223372036854775807",
        "UPDATE heads SET recorded_at_us = recorded_at_us + 1",
        "UPDATE heads SET link = zeroblob(32)",
        "UPDATE heads SET sequence = 18",
        "UPDATE heads SET sequence = 21",
        "DELETE FROM heads",
        "DELETE FROM requests WHERE first_sequence = 19; DELETE FROM events WHERE sequence > 18",
        "DELETE FROM requests",
    ] {
        let (_directory, path) = ten().await;
        let mut anybody = stranger(&path).await;
        for trigger in ["heads_move_on", "heads_stay", "requests_stay_unchanged", "requests_stay", "events_stay"] {
            run(&mut anybody, &format!("DROP TRIGGER {trigger}")).await.unwrap();
        }
        run(&mut anybody, moved).await.unwrap_or_else(|error| panic!("{moved}: {error}"));
        let store = SqliteStore::open(&path).await.unwrap();
        let answer = store.append(&ledger("main"), &[request("another", 1)]).await;
        assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{moved}: {answer:?}");
        // Another ledger is none the worse.
        store.append(&ledger("other"), &[request("another", 1)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_request_is_given_as_it_is() {
    let (_directory, path) = ten().await;
    let mut anybody = stranger(&path).await;
    run(&mut anybody, "DROP TRIGGER requests_stay; DELETE FROM requests WHERE first_sequence IN (5, 19)")
        .await
        .unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    let all = store.read_log(&ledger("main"), 0, 100).await.unwrap();
    assert_eq!((all.requests.len(), all.events.len()), (8, 18));
    let rest = store.read_log(&ledger("main"), 18, 100).await.unwrap();
    assert_eq!((rest.requests.len(), rest.events.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_pages_are_found() {
    let (_directory, path) = ten().await;
    let whole = std::fs::read(&path).unwrap();
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..page * 4096 + 64].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        match SqliteStore::open(&path).await {
            Ok(store) => {
                assert_ne!(store.check().await.unwrap(), [], "page {page}");
                match store.read_log(&ledger("main"), 0, 100).await {
                    Ok(_) | Err(StoreError::Corrupt { .. }) => {}
                    Err(other) => panic!("page {page}: {other}"),
                }
                store.close().await;
            }
            Err(StoreError::Corrupt { .. } | StoreError::Unusable(_)) => {}
            Err(other) => panic!("page {page}: {other}"),
        }
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(path.with_extension(format!("db{suffix}")));
        }
    }
}

/// A small file system of its own, which only root can mount; elsewhere the test that asks for it is skipped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_leaves_the_log_whole() {
    let Some(disk) = SmallDisk::mount("3m") else { return };
    let ledger = ledger("main");
    let path = disk.0.path().join("ledger.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0; 1_900_000]).unwrap();
    let mut stored = 0;
    let full = loop {
        let group: Vec<_> = (0..20).map(|number| request(&format!("{stored}-{number}"), 5)).collect();
        match store.append(&ledger, &group).await {
            Ok(_) => stored += 20,
            Err(error) => break error,
        }
    };
    assert!(matches!(&full, StoreError::Unusable(text) if text.contains("full")), "{full}");
    assert_eq!(sound_log(&store, &ledger).await.requests.len(), stored);
    let copy = unusable(store.backup(disk.0.path().join("copy.db")).await);
    assert!(copy.contains("full"), "{copy}");
    let left: Vec<_> = std::fs::read_dir(disk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("copy")), "{left:?}");
    std::fs::remove_file(filler).unwrap();
    let outcomes = store.append(&ledger, &[request("room-again", 5)]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Appended(_)]));
    assert_eq!(sound_log(&store, &ledger).await.requests.len(), stored + 1);
    store.close().await;
}

/// Not a test by itself: what a user without rights sees, in a process of its own because this one may be root.
#[tokio::test(flavor = "multi_thread")]
async fn without_rights() {
    let Ok(path) = std::env::var("LEDGER_READ_ONLY_FILE") else { return };
    let text = unusable(SqliteStore::open(&path).await);
    assert!(text.contains("read-only") || text.contains("cannot be opened"), "{text}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let (directory, path) = ten().await;
    let read_only = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    read_only(&path, 0o444);
    read_only(directory.path(), 0o555);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "without_rights"]).env("LEDGER_READ_ONLY_FILE", &path);
    let as_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if as_root {
        command.uid(65_534);
    }
    // Where the other user cannot even run this program, nothing can be learned.
    if let Ok(status) = command.status() {
        assert!(status.success());
    }
    read_only(directory.path(), 0o755);

    let store = SqliteStore::open_read_only(&path).await.unwrap();
    assert_eq!(sound_log(&store, &ledger("main")).await.requests.len(), 10);
    let refused = unusable(store.append(&ledger("main"), &[request("r", 1)]).await);
    assert!(refused.contains("reading only"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_worth_another_try() {
    let (_directory, path) = ten().await;
    let store = SqliteStore::open(&path).await.unwrap();
    let mut other = stranger(&path).await;
    run(&mut other, "BEGIN IMMEDIATE").await.unwrap();
    let ledger = ledger("main");
    let locked = store.append(&ledger, &[request("locked", 1)]).await;
    assert!(matches!(locked, Err(StoreError::Unavailable(_))), "{locked:?}");
    assert_eq!(store.head(&ledger).await.unwrap().sequence, 20);
    run(&mut other, "ROLLBACK").await.unwrap();
    let outcomes = store.append(&ledger, &[request("locked", 1)]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Appended(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_is_found() {
    for (change, object, problem) in [
        ("DROP TRIGGER events_stay", "trigger events_stay", "missing"),
        ("DROP TABLE checkpoints", "table checkpoints", "missing"),
        ("ALTER TABLE events ADD COLUMN note TEXT", "table events", "not as this version"),
        ("CREATE TRIGGER t AFTER INSERT ON events BEGIN SELECT 1; END", "trigger t", "no part"),
        ("CREATE TABLE notes (id)", "table notes", "no part"),
        ("DROP TRIGGER heads_move_on; UPDATE heads SET sequence = 18", "ledger main", "its head"),
    ] {
        let (_directory, path) = ten().await;
        run(&mut stranger(&path).await, change).await.unwrap();
        let findings = SqliteStore::open(&path).await.unwrap().check().await.unwrap();
        let found = findings.iter().any(|finding| finding.object == object && finding.problem.contains(problem));
        assert!(found, "{change}: {findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_and_overwrites_nothing() {
    let (directory, path) = ten().await;
    let to = |name: &str| directory.path().join(name);
    let store = SqliteStore::open(&path).await.unwrap();
    store.backup(to("backup.db")).await.unwrap();
    store.append(&ledger("main"), &[request("later", 1)]).await.unwrap();
    for target in [to("backup.db"), path.clone()] {
        let before = std::fs::read(&target).unwrap();
        assert!(unusable(store.backup(&target).await).contains("never overwritten"));
        assert!(unusable(SqliteStore::restore(to("backup.db"), &target).await).contains("never overwritten"));
        assert_eq!(std::fs::read(&target).unwrap(), before);
    }
    // The log that a lost file has left must not be taken for one of the restored.
    std::fs::write(to("lost.db-wal"), b"frames").unwrap();
    assert!(unusable(SqliteStore::restore(to("backup.db"), to("lost.db")).await).contains("lost.db-wal"));
    SqliteStore::restore(to("backup.db"), to("restored.db")).await.unwrap();
    let restored = SqliteStore::open(to("restored.db")).await.unwrap();
    assert_eq!(sound_log(&restored, &ledger("main")).await.requests.len(), 10);
    assert_eq!(restored.check().await.unwrap(), []);
    let outcomes = restored.append(&ledger("main"), &[request("later", 1)]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Appended(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_and_down_and_never_over_events() {
    let (directory, full) = ten().await;
    let path = directory.path().join("empty.db");
    SqliteStore::migrate(&path, SCHEMA_VERSION).await.unwrap();
    assert_eq!(SqliteStore::version(&path).await.unwrap(), SCHEMA_VERSION);
    SqliteStore::migrate(&path, 0).await.unwrap();
    assert_eq!(SqliteStore::version(&path).await.unwrap(), 0);
    SqliteStore::migrate(&path, SCHEMA_VERSION).await.unwrap();
    assert_eq!(SqliteStore::open(&path).await.unwrap().check().await.unwrap(), []);
    assert!(unusable(SqliteStore::migrate(&full, 0).await).contains("holds events"));
    assert!(unusable(SqliteStore::migrate(&full, SCHEMA_VERSION + 1).await).contains("knows versions up to"));
    let store = SqliteStore::open(&full).await.unwrap();
    assert_eq!(sound_log(&store, &ledger("main")).await.requests.len(), 10);
}
