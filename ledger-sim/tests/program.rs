//! `ledger-sim` as a stranger finds it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::process::Command;

/// What a command prints, what it complains about, and its exit code.
fn ledger_sim(arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ledger-sim")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// A table that hides a fault, or a success that is none.
#[test]
fn a_run_prints_what_it_did() {
    let (printed, complaint, code) = ledger_sim(&["run", "--seeds", "3", "--steps", "50"]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{printed}");
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.first(), Some(&"seeds      3 (0 of them twice, with the same outcome)"));
    for (line, begin) in lines.iter().skip(1).zip(["steps ", "accepted ", "faults ", "took ", "F1 ", "F2 ", "F3 "]) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert_eq!(lines.len(), 5 + 22 + ledger_core::marks::ALL.len(), "{printed}");
}

/// A README that shows what nobody gets.
#[test]
fn a_run_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, command) = readme.split_once("-p ledger-sim -- run ").unwrap();
    let arguments: Vec<_> = command.lines().next().unwrap().split('#').next().unwrap().split_whitespace().collect();
    let (shown, _) = command.split_once("```text\n").unwrap().1.split_once("```").unwrap();
    let (printed, ..) = ledger_sim(&[&["run"], &arguments[..]].concat());
    let mut lines = printed.lines();
    for shown in shown.lines().filter(|line| *line != "…") {
        let (begin, end) = shown.split_once('…').unwrap_or((shown, ""));
        let found = lines.any(|line| line.starts_with(begin) && line.ends_with(end));
        assert!(found, "{shown}\nis not in\n{printed}");
    }
}

/// A case that cannot be told again, or not as the same story.
#[test]
fn a_replay_tells_the_story_and_the_same_one_each_time() {
    let (told, complaint, code) = ledger_sim(&["replay", "1", "--steps", "30"]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{told}");
    assert!(told.contains(" asks l0: {\"key\":"), "{told}");
    assert!(told.ends_with("seed=1 steps=30: every promise was kept\n"), "{told}");
    assert_eq!(ledger_sim(&["replay", "seed=1", "steps=30"]).0, told);
    let fewer = ledger_sim(&["replay", "seed=1 steps=30 writers=1 without=F1 drop=3-5"]).0;
    assert!(fewer.ends_with("seed=1 steps=30 writers=1 without=F1 drop=3-5: every promise was kept\n"), "{fewer}");
}

/// A mistake that is taken for a case, or answered without what would have been right.
#[test]
fn nonsense_is_refused_with_what_is_expected() {
    for (arguments, expected) in [
        (&["replay", "nonsense"][..], "`nonsense` is not a part of a case: expected seed=N, bytes=HEX"),
        (&["replay", "seed=1", "without=F99"], "`without=F99` is not a part of a case"),
        (&["replay"], "<CASE>..."),
        (&["run", "--seeds", "many"], "invalid digit"),
        (&["run", "--plans", "/does/not/exist"], "/does/not/exist: No such file"),
        (&["run", "--store", "paper"], "expected memory, sqlite:DIR or postgres"),
        (&["run", "--store", "sqlite:/dev/null/x"], "/dev/null/x: "),
    ] {
        let (printed, complaint, code) = ledger_sim(arguments);
        assert_eq!((code, printed.as_str()), (2, ""), "{arguments:?}");
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
}

#[test]
fn an_exhaustion_says_what_it_left_out() {
    let (printed, _, code) = ledger_sim(&["exhaust", "--limit", "20"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("        20 schedules, not all: a payout is started twice, two processes"), "{printed}");
    assert!(printed.lines().last().unwrap().contains("520 schedules in "), "{printed}");
    let (printed, _, code) = ledger_sim(&["exhaust", "--faults", "0", "--limit", "10000"]);
    assert_eq!((code, printed.contains("not all")), (0, false), "{printed}");
}

/// A number of bugs found in a build that has none would be a lie.
#[cfg(not(ledger_planted))]
#[test]
fn planting_needs_a_build_for_it() {
    let (printed, complaint, code) = ledger_sim(&["plant"]);
    assert_eq!((code, printed.as_str()), (2, ""));
    assert!(complaint.contains("RUSTFLAGS='--cfg ledger_planted' cargo run --release"), "{complaint}");
}

/// Another plan than the user's, or none, simulated without a word.
#[test]
fn plan_documents_are_taken_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"{"currency":"USD","split":{"flat":{"payee":"0.123456789","company":"0.876543211"}}}"#;
    std::fs::write(folder.path().join("mine.json"), plan).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a plan").unwrap();
    let run = ["run", "--seeds", "2", "--steps", "50", "--plans", folder.path().to_str().unwrap()];
    let (printed, complaint, code) = ledger_sim(&run);
    assert_eq!((code, complaint.as_str()), (0, ""), "{printed}");
    std::fs::write(folder.path().join("bad.json"), plan.replace("0.876543211", "87 %")).unwrap();
    let (_, complaint, code) = ledger_sim(&run);
    assert_eq!(code, 2);
    assert!(complaint.contains("bad.json: split.flat.company: expected a plain decimal"), "{complaint}");
}

/// A file that is left behind by every run fills the disk.
#[test]
fn runs_may_keep_their_ledgers_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("new").display());
    let (printed, complaint, code) = ledger_sim(&["run", "--seeds", "3", "--steps", "30", "--store", &store]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{printed}");
    let (told, _, code) = ledger_sim(&["replay", "1", "--steps", "30", "--store", &store]);
    assert_eq!((code, told), (0, ledger_sim(&["replay", "1", "--steps", "30"]).0));
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}
