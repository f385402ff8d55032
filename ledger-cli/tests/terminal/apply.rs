use std::io::{BufRead, BufReader};

use super::*;

#[test]
fn good_lines_around_a_bad_one_are_in_and_running_again_does_the_rest() {
    let folder = Folder::with_ledger();
    let lines =
        [deal("k1", "d1", "ann", "100 USD"), deal("k2", "d2", "nobody", "100 USD"), deal("k3", "d3", "ben", "100 USD")];
    folder.write("deals.jsonl", lines.join("\n").as_bytes());
    let first =
        folder.run(&["apply", "deals.jsonl"]).refused("deals.jsonl:2: attribution.equal.0: payee nobody is unknown");
    let answers = first.lines();
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0]["key"], &answers[2]["key"]), (&"k1".into(), &"k3".into()));
    assert_eq!((&answers[1]["error"], &answers[1]["line"]), (&"rejected".into(), &2.into()));
    assert_eq!(answers[1]["advice"], "reject");

    folder
        .apply(&[
            &request("enrol", r#""payee.enrol":{"payee":"nobody","name":"No Body"}"#),
            &request("assign", r#""payee.assign":{"payee":"nobody","plan":"flat","version":1,"from":"2026-01-01"}"#),
        ])
        .expect(0);
    let second = folder.run(&["apply", "deals.jsonl"]).expect(0);
    assert_eq!(second.lines()[0], answers[0]);
    assert_eq!(second.lines()[2], answers[2]);
    assert!(second.stderr.contains("3 done") && second.stderr.contains("4 new events"), "{}", second.stderr);
}

#[test]
fn a_receipt_is_given_before_the_next_line_is_sent() {
    let folder = Folder::with_ledger();
    let mut child = folder
        .command(&["apply", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 0..3 {
        writeln!(stdin, "{}", deal(&format!("k{number}"), &format!("d{number}"), "ann", "100 USD")).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["key"], format!("k{number}"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn requests_are_carried_out_in_order_however_many_there_are() {
    let folder = Folder::with_ledger();
    // Each deal meets the room that the one before it left; the last ones come after the cap.
    let lines: Vec<_> = (0..3_000).map(|n| deal(&format!("k{n}"), &format!("d{n}"), "ben", "1000 USD")).collect();
    let run = folder.feed(&["apply", "-"], lines.join("\n").as_bytes()).expect(0);
    let keys: Vec<_> = run.lines().iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, (0..3_000).map(|n| format!("k{n}")).collect::<Vec<_>>());
    let caps = folder.run(&["--format", "json", "show", "caps"]).expect(0).lines();
    assert_eq!((&caps[0]["contributed"], &caps[0]["reached_by"]), (&"15000.00".into(), &"d49".into()));
    assert_eq!(caps[0]["post_cap_fees"], "737500.00");
}

#[test]
fn a_dry_run_tries_each_line_on_what_the_lines_before_it_leave_and_changes_nothing() {
    let folder = Folder::new();
    folder.write("base.jsonl", BASE.as_bytes());
    let dry = folder.run(&["apply", "--dry-run", "base.jsonl"]).expect(0);
    assert_eq!(dry.lines().len(), 7);
    assert!(!exists(&folder.path("ledger.db")));

    let folder = Folder::with_ledger();
    let log = folder.log();
    folder.write("deal.jsonl", deal("k", "d", "ann", "100 USD").as_bytes());
    let dry = folder.run(&["apply", "--dry-run", "deal.jsonl"]).expect(0);
    assert_eq!(dry.lines()[0]["events"][3]["data"]["amount"], "80.00 USD");
    assert_eq!(folder.log(), log);
}

#[test]
fn what_is_known_under_another_key_counts_as_done() {
    let folder = Folder::with_ledger();
    folder.apply(&[&deal("k1", "d", "ann", "100 USD")]).expect(0);
    let log = folder.log();
    let again = folder.apply(&[&deal("k2", "d", "ann", "100 USD")]).expect(0);
    assert!(again.lines()[0]["already_known"].as_str().unwrap().contains("deal d"));
    assert_eq!(folder.log(), log);
}

#[test]
fn the_time_may_be_left_out() {
    let folder = Folder::with_ledger();
    let line = r#"{"key":"k","actor":"maria","command":{"payee.enrol":{"payee":"cleo","name":"Cleo"}}}"#;
    let receipt = folder.apply(&[line]).expect(0).lines().remove(0);
    assert!(receipt["events"][0]["effective"].as_str().unwrap() > "2026-01-01");
}

#[test]
fn two_processes_on_one_file_lose_nothing_and_pay_nothing_twice() {
    let folder = Folder::with_ledger();
    let lines: Vec<_> = (0..400).map(|n| deal(&format!("k{n}"), &format!("d{n}"), "ben", "1000 USD")).collect();
    folder.write("deals.jsonl", lines.join("\n").as_bytes());
    let mut runs: Vec<_> = (0..2)
        .map(|_| {
            folder.command(&["apply", "deals.jsonl"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let runs: Vec<_> = runs.drain(..).map(|run| Run::of(run.wait_with_output().unwrap()).expect(0)).collect();
    assert_eq!(runs[0].stdout, runs[1].stdout, "both have the same receipts");
    let payees = folder.run(&["--format", "json", "show", "payees"]).expect(0).lines();
    assert_eq!(payees[0]["earned"], "297500.00");
    folder.run(&["reconcile"]).expect(0);
}

#[test]
fn a_bulk_approval_that_skips_some_is_not_taken_for_done() {
    let folder = Folder::with_ledger();
    let payout = |key: &str, payee: &str| {
        let line = request(key, &format!(r#""payout.create":{{"payee":"{payee}"}}"#));
        folder.apply(&[&line]).expect(0).lines()[0]["payout"].as_str().unwrap().to_owned()
    };
    folder.apply(&[&deal("k1", "d1", "ann", "100 USD"), &deal("k2", "d2", "ben", "100 USD")]).expect(0);
    let (ann, ben) = (payout("p1", "ann"), payout("p2", "ben"));
    folder.apply(&[&request("s", &format!(r#""payout.submit":{{"payout":"{ann}"}}"#))]).expect(0);
    let bulk = request("b", &format!(r#""payout.approve_bulk":{{"payouts":["{ann}","{ben}"]}}"#));
    let run = folder.apply(&[&bulk.replace("maria", "omar")]).expect(0);
    assert!(run.stderr.contains("1 done") && run.stderr.contains("1 approved, 1 skipped"), "{}", run.stderr);
    let run = folder.apply(&[&deal("k3", "d3", "ann", "100 USD")]).expect(0);
    assert!(!run.stderr.contains("skipped"), "{}", run.stderr);
}
