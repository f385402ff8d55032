use super::*;

pub const FIRST: &str = "df0bfcd0-2850-80e8-a220-5c853e4431b8";
const LAST: &str = "afedde50-b9cc-8716-b8c8-3ae94cc063c2";

fn demo() -> Folder {
    let folder = Folder::new();
    folder.run(&["demo"]).expect(0);
    folder
}

#[test]
fn every_number_of_a_payout_is_explained() {
    let folder = demo();
    let words = folder.run(&["explain", "payout", FIRST]).expect(0).stdout;
    for said in [
        "54850.01 USD to Ann Archer (ann)",
        "3% of the price of 1200000.00 USD",
        "ann is under plan capped version 1",
        "before this deal 1200.00 USD of ann's cap residential of 15000.00 USD",
        "30% of the part of 18000.00 USD is 5400.00 USD; the cap had 1200.00 USD left (split.flat.company of plan capped v1)",
        "it is credited 60% to ann, 40% to cleo",
        "ann pays 150.00 USD, fee post-cap: the payee's weight of 60% in 250.00 USD is 150.00 USD",
        "together ann gets 5850.01 USD",
        "Together: 25200.00 + 7000.00 + 16800.00 + 5850.01 = 54850.01 USD",
        "paid by cheque 1001 from account operating",
    ] {
        assert!(words.contains(said), "{said:?} is not in {words}");
    }
    let words = folder.run(&["explain", "payout", LAST]).expect(0).stdout;
    assert!(words.contains("Together: -7000.00 + 27000.00 = 20000.00 USD"), "{words}");
    let json = folder.run(&["--format", "json", "explain", "payout", FIRST]).expect(0).lines();
    assert_eq!(json[0]["entries"][2]["calculated"]["completion"]["caps"][0]["before"], "13800.00 USD");
    let because = &json[0]["entries"][2]["calculated"]["sides"][0]["lines"][0]["because"];
    assert_eq!((&because["reason"], &because["room"]), (&"rate_of".into(), &"1200.00 USD".into()));
    assert!(!words.contains("calc_divergence"), "{words}");
    folder.run(&["explain", "payout", "00000000-0000-0000-0000-000000000000"]).refused("is unknown");
}

#[test]
fn a_cap_and_a_deal_are_explained() {
    let folder = demo();
    for year in [&["2026"][..], &["2026-06-30"], &[]] {
        let words = folder.run(&[&["explain", "cap", "residential", "ann"], year].concat()).expect(0).stdout;
        assert!(words.contains("after it 12000.00 USD is contributed, 3000.00 USD is left"), "{words}");
        assert!(words.contains("15000.00 USD of 15000.00 USD is contributed"), "{words}");
    }
    folder.run(&["explain", "cap", "residential", "ann", "2025"]).refused("has never met");
    folder.run(&["explain", "cap", "residential", "ben"]).refused("has never met");
    let words = folder.run(&["explain", "deal", "d-102"]).expect(0).stdout;
    assert!(words.contains("equally among ann, ben") && words.contains("the sale was rescinded"), "{words}");
    folder.run(&["explain", "deal", "d-999"]).refused("is unknown");
}

#[test]
fn the_past_is_shown_as_it_was() {
    let folder = demo();
    let shown = |args: &[&str]| folder.run(&[&["--format", "json", "show"], args].concat()).expect(0).lines();
    let caps = shown(&["caps", "--as-of", ",2026-01-15"]);
    assert_eq!(caps[0]["contributed"], "13800.00");
    assert_eq!(shown(&["payees", "--as-of", "2000-01-01T00:00:00Z"]), Vec::<Value>::new());
    assert_eq!(shown(&["payouts"]).len(), 6);
    assert_eq!(shown(&["journal"]).len(), 8);
    assert_eq!(shown(&["audit"]).len(), 88);
    assert_eq!(shown(&["settings"])[1]["value"], "America/New_York");
    let settled: Vec<_> = shown(&["statistics"]).into_iter().filter(|row| row["payouts"] == "settled").collect();
    assert_eq!((&settled[0]["count"], &settled[0]["amount"]), (&4.into(), &"86050.01".into()));
    folder.run(&["show", "caps", "--as-of", "yesterday"]).refused("is no time");
}

#[test]
fn events_are_listed_from_anywhere_and_of_anything() {
    let folder = demo();
    let listed = |args: &[&str]| folder.run(&[&["--format", "json", "events"], args].concat()).expect(0).lines();
    assert_eq!(listed(&[]).len(), 88);
    assert_eq!(listed(&["--from", "80", "--limit", "3"])[0]["sequence"], 80);
    assert_eq!(listed(&["--from", "80", "--limit", "3"]).len(), 3);
    assert_eq!(listed(&["--stream", "deal/d-102"]).len(), 4);
    assert!(
        listed(&["--stream", "payout"]).iter().all(|event| event["stream"].as_str().unwrap().starts_with("payout/"))
    );
    assert_eq!(listed(&["--stream", "pay"]).len(), 0);
    let csv = folder.run(&["--format", "csv", "events", "--limit", "1"]).expect(0).stdout;
    assert!(csv.starts_with("sequence,recorded_at,effective,actor,stream,what\n1,"), "{csv}");
}

#[test]
fn an_exported_register_reconciles_until_somebody_changes_it() {
    let folder = demo();
    for total in [&[][..], &["--total"]] {
        folder.run(&[&["export", "register", "-o", "register.csv"], total].concat()).expect(0);
        let run = folder.run(&["reconcile", "--register", "register.csv"]).expect(0);
        assert_eq!(run.stdout, "0 discrepancies\n");
    }
    let csv = String::from_utf8(folder.read("register.csv")).unwrap();
    assert_eq!(folder.run(&["export", "register", "--total"]).expect(0).stdout, csv);

    let class = |changed: &str| {
        folder.write("changed.csv", changed.as_bytes());
        let run = folder.run(&["--format", "json", "reconcile", "--register", "changed.csv"]).expect(1);
        let found = run.lines();
        assert_eq!(found.len(), 1, "{}", run.stdout);
        found[0]["class"].as_str().unwrap().to_owned()
    };
    let csv = folder.run(&["export", "register"]).expect(0).stdout;
    assert_eq!(
        class(&csv.replacen(",USD,2000000,20000.00,0.00,20000.00,", ",USD,2000001,20000.01,0.00,20000.01,", 1)),
        "amount_mismatch"
    );
    assert_eq!(class(&csv.replacen(",USD,320000,", ",USD,32000000,", 1)), "amount_mismatch x100");
    assert_eq!(class(&csv.replacen("pending_approval", "approved", 1)), "status_mismatch");
    let (rows, last) = csv.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(class(&format!("{rows}\n")), "missing_in_host");
    assert_eq!(class(&format!("{csv}{last}\n")), "duplicate_host_row");
    let table = folder.run(&["reconcile", "--register", "changed.csv"]).expect(1).stdout;
    assert!(table.ends_with("1 discrepancy\n"), "{table}");

    folder.write("changed.csv", b"payout,amount\n");
    folder.run(&["reconcile", "--register", "changed.csv"]).refused("changed.csv: column 1 of the header");
    folder.write("changed.csv", b"");
    folder.run(&["reconcile", "--register", "changed.csv"]).refused("changed.csv: the file is empty");
    folder.run(&["reconcile", "--register", "none.csv"]).refused("none.csv: No such file");
}

#[test]
fn replay_keeps_states_that_reconcile_compares() {
    let folder = Folder::with_ledger();
    let run = folder.run(&["reconcile"]).expect(0);
    assert!(run.stderr.contains("no states are kept yet"), "{}", run.stderr);
    let first = folder.run(&["--format", "json", "replay"]).expect(0);
    assert_eq!(first.lines().len(), 6);
    folder.apply(&[&deal("k", "d", "ann", "100 USD")]).expect(0);
    assert_eq!(folder.run(&["reconcile"]).expect(0).stdout, "0 discrepancies\n");
    assert_ne!(folder.run(&["--format", "json", "replay"]).expect(0).stdout, first.stdout);
    assert_eq!(folder.run(&["reconcile"]).expect(0).stderr, "");
}

#[test]
fn a_kept_state_that_was_changed_is_a_difference_until_it_is_rebuilt() {
    let folder = Folder::with_ledger();
    folder.run(&["replay"]).expect(0);
    folder.edit("ledger.db", br#"{"count":2"#, br#"{"count":3"#);
    let found = folder.run(&["--format", "json", "reconcile"]).expect(1).lines();
    assert_eq!((found.len(), &found[0]["class"]), (1, &"state_differs".into()), "{found:?}");
    assert_eq!((&found[0]["ledger"], &found[0]["other"]), (&"2".into(), &"3".into()));
    let run = folder.run(&["replay"]).expect(1);
    assert!(run.stderr.contains("the kept state of audit was not what the log comes to"), "{}", run.stderr);
    folder.run(&["replay"]).expect(0);
    folder.run(&["reconcile"]).expect(0);
}

#[test]
fn the_books_and_the_log_are_exported() {
    let folder = demo();
    let books = folder.run(&["export", "hledger"]).expect(0).stdout;
    assert!(books.contains("2026-01-20 * deal.completed  ; sequence:24"), "{books}");
    let lines = folder.run(&["export", "jsonl"]).expect(0).lines();
    assert_eq!(lines.len(), 88);
    assert_eq!(lines[87]["digest"].as_str().unwrap().len(), 64);
    folder.run(&["export", "jsonl", "-o", "no/such/folder/log"]).refused("no/such/folder/log");
}

/// A projection that is not measured, a cost that is not one, or a log that measuring has changed.
#[test]
fn every_projection_is_measured_and_nothing_is_changed() {
    let folder = demo();
    let (log, file) = (folder.log(), folder.read("ledger.db"));
    let lines = folder.run(&["--format", "json", "bench", "--rounds", "2"]).expect(0).lines();
    let names: Vec<_> = lines.iter().map(|line| line["step"].as_str().unwrap()).collect();
    let limits = ["read rows", "sha256 of payloads", "decode, check digests"];
    let expected: Vec<_> = limits.iter().chain(ledger_core::projection::All::NAMES).chain(&["all"]).copied().collect();
    assert_eq!(names, expected);
    for line in &lines {
        assert_eq!(line["events"], 88);
        assert!(!line["ns_per_event"].as_str().unwrap().trim_matches(['0', '.']).is_empty(), "{line}");
        assert!(line["events_per_second"].as_u64().unwrap() > 0, "{line}");
        let is_limit = limits.contains(&line["step"].as_str().unwrap());
        assert_eq!(
            line["state_bytes"].as_str().unwrap().parse::<u64>().is_ok_and(|size| size > 2),
            !is_limit,
            "{line}"
        );
    }
    assert!(folder.run(&["bench"]).expect(0).stdout.starts_with("step "));
    assert_eq!((folder.log(), folder.read("ledger.db")), (log, file));
    folder.run(&["bench", "--rounds", "0"]).expect(2);
    folder.run(&["--ledger", "other", "bench"]).refused("has no ledger other");
    folder.run(&["--store", "sqlite:none.db", "bench"]).refused("there is no such file");
    folder.edit("ledger.db", br#"{"payee":"ben","name":"Ben B"#, br#"{"payee":"ben","name":"Ben C"#);
    folder.run(&["bench"]).refused("is damaged");
}
