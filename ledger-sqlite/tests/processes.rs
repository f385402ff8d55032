//! Several processes on one file: nothing is lost, nothing is there twice.

use std::process::Command;

use ledger_core::id::LedgerName;
use ledger_core::store::conformance::{contend, settled};
use ledger_sqlite::SqliteStore;

const WRITERS: [&str; 3] = ["p1", "p2", "p3"];
const EACH: usize = 40;

/// Not a test by itself: the body of the other processes, which the test below starts from this very program.
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let (Ok(path), Ok(name)) = (std::env::var("LEDGER_FILE"), std::env::var("LEDGER_WRITER")) else { return };
    // Each process may be the one that makes the file.
    let store = SqliteStore::open(path).await.unwrap();
    contend(&store, &LedgerName::new("main").unwrap(), &name, EACH).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared.db");
    let start = |name| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "writer"]).env("LEDGER_FILE", &path).env("LEDGER_WRITER", name).spawn().unwrap()
    };
    let processes = WRITERS.map(start);
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let store = SqliteStore::open(&path).await.unwrap();
    settled(&store, &LedgerName::new("main").unwrap(), &WRITERS, EACH).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
}
