use super::*;

/// Lines that are no request, what they are called, which field is to blame, and what is said.
fn bad_lines() -> Vec<(String, &'static str, &'static str, &'static str)> {
    let gci = |gci: &str| deal("k", "d", "ann", gci);
    let command = |command: &str| request("k", command);
    vec![
        (r#"{"key":"k","actor""#.into(), "malformed_json", "", "EOF"),
        ("not json".into(), "malformed_json", "", "expected"),
        (format!("{}x", gci("1 USD")), "malformed_json", "", "trailing"),
        ("[]".into(), "malformed_json", "", "invalid"),
        (command(r#""deal.steal":{}"#), "malformed_json", "command.deal.steal", "unknown variant `steal`"),
        (command(r#""stealing":{}"#), "malformed_json", "command.stealing", "unknown command"),
        (
            command(r#""payout.submit":{"payout":"x"},"payout.submit":{}"#),
            "malformed_json",
            "command.payout.submit.payout",
            "UUID",
        ),
        (r#"{"key":"k","actor":"a","comand":{}}"#.into(), "malformed_json", "comand", "unknown field `comand`"),
        (
            command(r#""payee.enrol":{"payee":"x","name":"X","tier":"gold"}"#),
            "malformed_json",
            "command.payee.enrol.tier",
            "unknown field `tier`",
        ),
        (r#"{"key":"k","key":"l"}"#.into(), "malformed_json", "", "duplicate field `key`"),
        (
            command(r#""payee.enrol":{"payee":"x","payee":"y"}"#),
            "malformed_json",
            "command.payee.enrol",
            "duplicate field `payee`",
        ),
        (r#"{"key":"k","actor":"a"}"#.into(), "malformed_json", "", "missing field `command`"),
        (gci("1.234 USD"), "malformed_json", "command.deal.record.gci.amount", "1.234"),
        (gci("1e3 USD"), "malformed_json", "command.deal.record.gci.amount", "1e3"),
        (gci("NaN USD"), "malformed_json", "command.deal.record.gci.amount", "NaN"),
        (gci("99999999999999999999 USD"), "malformed_json", "command.deal.record.gci.amount", "99999999999999999999"),
        (gci("1 XXQ"), "malformed_json", "command.deal.record.gci.amount", "XXQ"),
        (gci("100 EUR"), "rejected", "", "foreign_currencies is switched off"),
        (deal("k", "d", "zoe", "1 USD"), "rejected", "", "payee zoe is unknown"),
        (
            command(r#""payee.assign":{"payee":"ann","plan":"gold","version":1,"from":"2027-01-01"}"#),
            "rejected",
            "",
            "plan gold is unknown",
        ),
        (gci("1 USD").replace("2026-01-15", "2025-01-15"), "rejected", "", "payee ann has no plan on 2025-01-15"),
        (
            request("open", r#""payee.enrol":{"payee":"x","name":"X"}"#),
            "key_reused",
            "",
            "key open was used for another request",
        ),
        ("x".repeat(300_000), "line_too_long", "", "longer than"),
    ]
}

#[test]
fn every_bad_line_has_its_typed_error_in_its_place_and_changes_nothing() {
    let folder = Folder::with_ledger();
    let log = folder.log();
    let bad = bad_lines();
    let lines: Vec<_> = bad.iter().map(|(line, ..)| line.as_str()).collect();
    folder.write("bad.jsonl", lines.join("\n").as_bytes());
    let run = folder.run(&["apply", "bad.jsonl"]).expect(2);
    let answers = run.lines();
    assert_eq!(answers.len(), bad.len());
    for ((index, answer), (line, kind, field, reason)) in answers.iter().enumerate().zip(&bad) {
        let line = line.get(..200).unwrap_or(line);
        assert_eq!(answer["line"], index + 1, "{line}");
        assert_eq!(answer["file"], "bad.jsonl", "{line}");
        assert_eq!(answer["error"], *kind, "{line}: {answer}");
        assert_eq!(answer["field"].as_str().unwrap_or_default(), *field, "{line}: {answer}");
        assert_eq!(answer["advice"], "reject", "{line}");
        assert!(answer["reason"].as_str().unwrap().contains(reason), "{line}: {answer}");
    }
    assert!(run.stderr.contains("bad.jsonl:13: command.deal.record.gci.amount: "), "{}", run.stderr);
    assert_eq!(folder.log(), log);
}

#[test]
fn a_line_of_100_mb_and_bytes_that_are_no_text_hold_up_nothing() {
    let folder = Folder::with_ledger();
    let mut file = b"\xff\xfe\n".to_vec();
    file.resize(100_000_000, b'x');
    file.extend_from_slice(b"\n");
    file.extend_from_slice(deal("k", "d", "ann", "100 USD").as_bytes());
    let run = folder.feed(&["apply", "-"], &file).refused("standard input:1: byte 1 of the line is not UTF-8");
    let answers = run.lines();
    assert_eq!((&answers[0]["error"], &answers[1]["error"]), (&"not_utf8".into(), &"line_too_long".into()));
    assert_eq!((&answers[2]["line"], &answers[2]["key"]), (&3.into(), &"k".into()));
}

#[test]
fn a_file_that_is_empty_missing_or_no_file_is_refused_whole() {
    let folder = Folder::with_ledger();
    folder.write("empty", b"\n\n");
    folder.run(&["apply", "empty"]).refused("empty: the file is empty");
    folder.run(&["apply", "missing.jsonl"]).refused("missing.jsonl: No such file");
    folder.run(&["apply", "."]).refused(".: ");
}

#[test]
fn a_file_without_a_request_makes_no_ledger() {
    let folder = Folder::new();
    folder.write("empty", b"\n\n");
    folder.write("photo.jpg", b"\xff\xd8\n[]\n");
    folder.run(&["apply", "empty"]).refused("empty: the file is empty");
    folder.run(&["apply", "photo.jpg"]).refused("photo.jpg: 2 lines: 0 done");
    folder.run(&["apply", "missing"]).refused("missing: No such file");
    let left: Vec<_> = std::fs::read_dir(folder.path(".")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_bad_line_is_answered_under_its_key_as_far_as_one_can_be_read() {
    let folder = Folder::with_ledger();
    let run = folder.apply(&[
        &request("k1", r#""deal.steal":{}"#),
        r#"{"actor":1,"key":"k2"}"#,
        &format!("{} x", request("k3", r#""deal.steal":{}"#)),
        r#"{"key":"two words","actor":"a"}"#,
        r#"{"key":"k5","key":"k6"}"#,
        r#"{"key":7}"#,
        "no JSON",
    ]);
    let answers = run.expect(2).lines();
    let keys: Vec<_> = answers.iter().map(|answer| answer["key"].as_str()).collect();
    assert_eq!(keys, [Some("k1"), Some("k2"), Some("k3"), Some("two words"), None, None, None]);
}

#[test]
fn what_is_wrong_is_said_without_words_of_the_programming_language() {
    let folder = Folder::with_ledger();
    let gci = |gci: &str| deal("k", "d", "ann", "1 USD").replace(r#"{"amount":"1 USD"}"#, gci);
    for (line, said) in [
        (request("k", r#""deal.record":"x""#), "expected an object with deal, "),
        (request("k", r#""payout.submit":[1]"#), "expected an object with payout"),
        (r#"{"key":1}"#.into(), "expected an idempotency key"),
        (r#"{"key":"k","actor":1}"#.into(), "expected an actor"),
        ("[]".into(), "expected a request, such as {\"key\":"),
        (gci(r#"{"of_price":"x"}"#), "expected an object"),
        (gci(r#""amount""#), "expected a commission, such as {\"amount\":"),
        (request("k", r#""deal.attribute":{"deal":"d","attribution":"equal"}"#), "the content of the name is missing"),
        (request("k", r#""payout.submit":{"payout":"x"}"#), "\"x\" is no payout id: it is a UUID such as "),
        (request("k", r#""payout.submit":{"payout":1}"#), "expected a payout id"),
    ] {
        let answer = folder.apply(&[&line]).expect(2).lines().remove(0);
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains(said), "{said:?} is not in {reason:?}");
        assert!(
            !["struct", "variant", "enum", "Command", "a id"].iter().any(|word| reason.contains(word)),
            "{reason:?}"
        );
    }
    folder.run(&["explain", "payout", "x"]).refused("\"x\" is no payout id: it is a UUID such as ");
}

#[test]
fn only_where_something_was_to_be_stored_is_it_said_that_nothing_was() {
    let folder = Folder::with_ledger();
    folder.write("empty.db", b"");
    std::fs::create_dir(folder.path("folder")).unwrap();
    for args in [["verify"].as_slice(), &["show", "payees"], &["events"], &["store", "check"]] {
        for store in ["sqlite:folder", "sqlite:empty.db"] {
            let run = folder.run(&[&["--store", store], args].concat()).refused("the store cannot be used: ");
            assert!(!run.stderr.contains("stored"), "{}", run.stderr);
        }
    }
    folder.run(&["--store", "sqlite:folder", "apply", "base.jsonl"]).refused("; nothing was stored");
}

#[test]
fn a_store_that_is_none_is_refused_and_left_as_it_is() {
    let folder = Folder::with_ledger();
    let good = folder.read("ledger.db");
    let newer = [&good[..60], &99_u32.to_be_bytes(), &good[64..]].concat();
    let other = [&good[..68], &7_u32.to_be_bytes(), &good[72..]].concat();
    for (bytes, why) in [
        (b"this is a text file and no database at all\n".repeat(50), "no ledger"),
        (newer, "newer version"),
        (other, "no ledger"),
    ] {
        folder.write("bad.db", &bytes);
        folder.run(&["--store", "sqlite:bad.db", "apply", "base.jsonl"]).refused(why);
        folder.run(&["--store", "sqlite:bad.db", "verify"]).refused(why);
        assert_eq!(folder.read("bad.db"), bytes);
    }
    folder.run(&["--store", "sqlite:none.db", "verify"]).refused("none.db: there is no such file");
    folder.run(&["--store", "sqlite:none.db", "replay"]).refused("no such file");
    assert!(!exists(&folder.path("none.db")));
    folder.run(&["--store", "sqlite:no/such/folder/a.db", "apply", "base.jsonl"]).refused("cannot be opened");
    let nowhere = "postgres://ann:s3cret@%2Fno%2Fsuch/db";
    let run = folder
        .run(&["--store", nowhere, "verify"])
        .refused("postgres://ann@%2Fno%2Fsuch/db: the store is not available");
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    folder.run(&["--ledger", "mian", "verify"]).refused("has no ledger mian: it has main");
}

#[test]
fn a_store_that_may_not_be_written_is_read_and_refuses_requests() {
    let folder = Folder::with_ledger();
    let log = folder.log();
    let mut permissions = std::fs::metadata(folder.path("ledger.db")).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(folder.path("ledger.db"), permissions).unwrap();
    if std::fs::OpenOptions::new().append(true).open(folder.path("ledger.db")).is_ok() {
        eprintln!("not tested: whoever runs this may write what is read-only");
        return;
    }
    folder.write("deal.jsonl", deal("k", "d", "ann", "100 USD").as_bytes());
    folder.run(&["apply", "deal.jsonl"]).refused("read-only");
    assert_eq!(folder.log(), log);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_what_fits_is_kept() {
    let folder = Folder::with_ledger();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::of(folder.command(&["events"]).stdout(full).output().unwrap());
    run.refused("standard output: No space left");

    // A file system of its own, which needs no more than a kernel that lets anybody have one.
    let lines: Vec<_> = (0..3_000).map(|n| deal(&format!("k{n}"), &format!("d{n}"), "ann", "100 USD")).collect();
    folder.write("deals.jsonl", lines.join("\n").as_bytes());
    std::fs::create_dir(folder.path("small")).unwrap();
    let script = "mount -t tmpfs -o size=1m none small || exit 77; cp ledger.db small/l.db; \
                  \"$0\" --store sqlite:small/l.db apply deals.jsonl > answers; code=$?; \
                  rm -f small/l.db-shm; cp small/l.db* . 2>/dev/null; exit $code";
    let mut shell = Command::new("unshare");
    let shell = shell.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_payledger")]).current_dir(folder.path("."));
    let run = match shell.output() {
        Ok(output) if !matches!(output.status.code(), Some(1 | 77)) => Run::of(output),
        other => return eprintln!("not tested: there is no small file system to be had: {other:?}"),
    };
    run.refused("the disk or the file's quota is full");
    let answers: Vec<Value> = String::from_utf8(folder.read("answers"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let done = answers.iter().take_while(|answer| answer["error"].is_null()).count();
    assert!(answers[done..].iter().all(|answer| answer["advice"] != "reject"), "nothing overtakes what failed");
    folder.run(&["--store", "sqlite:l.db", "verify"]).expect(0);
    let run = folder.run(&["--store", "sqlite:l.db", "apply", "deals.jsonl"]).expect(0);
    assert_eq!(run.lines()[..done], answers[..done], "what was acknowledged is there");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = Folder::with_ledger();
    let mut child = folder.command(&["export", "jsonl"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run = Run::of(child.wait_with_output().unwrap()).expect(2);
    assert_eq!(run.stderr, "");
}
