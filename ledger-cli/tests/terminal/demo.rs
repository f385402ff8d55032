use super::*;

#[test]
fn the_demonstration_ends_without_discrepancies_and_appends_nothing_twice() {
    let folder = Folder::new();
    let first = folder.run(&["demo"]).expect(0);
    assert!(first.stdout.ends_with("0 discrepancies\n"), "{}", first.stdout);
    assert!(first.stdout.contains("88 events were appended"));
    let log = folder.log();
    let second = folder.run(&["demo"]).expect(0);
    assert!(second.stdout.ends_with("0 discrepancies\n"));
    assert!(second.stdout.contains("0 events were appended"));
    assert_eq!(folder.log(), log);
    folder.run(&["verify"]).expect(0);
    folder.run(&["reconcile"]).expect(0);
}

#[test]
fn the_demonstration_can_be_applied_and_gives_the_same_receipts_again() {
    let folder = Folder::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo.jsonl");
    let first = folder.run(&["apply", file]).expect(0);
    assert_eq!(first.lines().len(), 43);
    let log = folder.log();
    let second = folder.run(&["apply", file]).expect(0);
    assert_eq!(second.stdout, first.stdout);
    assert!(second.stderr.contains("0 new events"), "{}", second.stderr);
    folder.run(&["demo"]).expect(0);
    assert_eq!(folder.log(), log);
}

#[test]
fn the_demonstration_leaves_the_ledgers_of_others_alone() {
    let folder = Folder::with_ledger();
    let log = folder.log();
    folder.run(&["demo"]).refused("a ledger main of its own");
    folder.run(&["--ledger", "other", "demo"]).refused("ledger main");
    assert_eq!(folder.log(), log);
    folder.run(&["--store", "memory:", "demo"]).expect(0);
}
