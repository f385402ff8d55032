use super::*;

#[test]
fn a_backup_is_a_ledger_and_restores_one() {
    let folder = Folder::with_ledger();
    folder.run(&["store", "check"]).expect(0);
    let run = folder.run(&["store", "backup", "backup.db"]).expect(0);
    assert!(run.stdout.contains("every ledger is verified in the copy: main"), "{}", run.stdout);
    folder.run(&["store", "backup", "backup.db"]).refused("exists");
    let log = folder.log();
    folder.run(&["store", "restore", "backup.db"]).refused("exists");
    folder.run(&["--store", "sqlite:restored.db", "store", "restore", "backup.db"]).expect(0);
    assert_eq!(folder.run(&["--store", "sqlite:restored.db", "export", "jsonl"]).expect(0).stdout, log);
    let status = folder.run(&["--format", "json", "store", "status"]).expect(0).lines();
    assert_eq!((&status[0]["ledger"], &status[0]["events"]), (&"main".into(), &8.into()));
    folder.run(&["--store", "memory:", "store", "check"]).refused("memory: is no file");
}

#[test]
fn nothing_is_left_beside_a_store_that_is_closed() {
    let folder = Folder::with_ledger();
    assert!(!exists(&folder.path("ledger.db-wal")));
}

#[test]
fn a_byte_that_was_changed_is_found_and_never_restored() {
    let folder = Folder::with_ledger();
    let head = folder.run(&["--format", "json", "verify"]).expect(0).lines()[0]["head"].as_str().unwrap().to_owned();
    folder.run(&["verify", "--head", &head, "--deep"]).expect(0);
    folder.edit("ledger.db", b"Ben Brook", b"Ben Crook");
    let run = folder.run(&["--format", "json", "verify"]).expect(1);
    let found = run.lines();
    assert_eq!((&found[0]["sequence"], &found[0]["kind"]), (&3.into(), &"altered".into()));
    assert!(folder.run(&["verify"]).expect(1).stdout.starts_with("NOT verified: record 3 is bad, altered"));
    folder.run(&["show", "payees"]).refused("stored record 3 is damaged");
    folder.run(&["replay"]).refused("ledger.db: stored record 3 is damaged");
    let log = folder.log();
    assert!(log.contains("Ben Crook"), "what is damaged can be looked at");
    let run = folder.run(&["--store", "sqlite:restored.db", "store", "restore", "ledger.db"]).expect(1);
    assert!(run.stderr.contains("ledger main is NOT verified: record 3") && run.stdout.is_empty(), "{}", run.stderr);
    assert!(!exists(&folder.path("restored.db")));
}

#[test]
fn a_backup_of_a_ledger_that_does_not_verify_is_told() {
    let folder = Folder::with_ledger();
    folder.edit("ledger.db", b"Ben Brook", b"Ben Crook");
    let run = folder.run(&["store", "backup", "backup.db"]).expect(1);
    assert!(run.stderr.contains("backup.db: ledger main is NOT verified: record 3"), "{}", run.stderr);
    assert!(!run.stdout.contains("verified"), "{}", run.stdout);
    assert!(!exists(&folder.path("backup.db-wal")));
}

#[test]
fn a_backup_without_ledgers_claims_to_have_verified_none() {
    let folder = Folder::new();
    folder.write("bad.jsonl", request("k", r#""payee.enrol":{"payee":"x","name":"X"}"#).as_bytes());
    folder.run(&["apply", "bad.jsonl"]).refused("the ledger is not open");
    let run = folder.run(&["store", "backup", "backup.db"]).expect(0);
    assert!(run.stdout.contains("there is no ledger in it") && !run.stdout.contains("verified"), "{}", run.stdout);
}

#[test]
fn a_head_that_was_kept_elsewhere_must_be_on_the_chain() {
    let folder = Folder::with_ledger();
    let other = format!("7:{}", "0".repeat(64));
    folder.run(&["verify", "--head", &other]).expect(1);
    let ahead = format!("8:{}", "0".repeat(64));
    let run = folder.run(&["verify", "--head", &ahead]).expect(1);
    assert!(run.stdout.contains("rolled_back"), "{}", run.stdout);
    folder.run(&["verify", "--head", "7"]).refused("write SEQUENCE:LINK");
}
