use super::*;

const MAP: [&str; 5] = ["import", "deals", "deals.csv", "--id", "ID"];

fn import(folder: &Folder, csv: &[u8], options: &[&str]) -> Run {
    folder.write("deals.csv", csv);
    folder.run(&[&MAP[..], options].concat())
}

#[test]
fn rows_are_mapped_by_header_and_importing_again_changes_nothing() {
    let folder = Folder::with_ledger();
    let csv = b"\xef\xbb\xbfClosed,ID,Agents,Price,Note\r\n2026-01-15,a1,ann,100000.00,\"big, \"\"old\"\"\nhouse\"\r\n\
                2026-01-16,a2,ann:0.6;ben:0.4,333.33,\r\n2026-01-17,a3,ann; ben,10.01,\r\n";
    let options =
        ["--map", "payees=Agents", "--map", "price=Price", "--set", "rate=0.03", "--map", "completed_on=Closed"];
    let first = import(&folder, csv, &options).expect(0);
    let answers = first.lines();
    let lines: Vec<_> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 4, 5], "a row is named by its first line");
    assert_eq!(answers[0]["events"][2]["data"]["gci"], "3000.00 USD");
    assert_eq!(answers[1]["events"][1]["data"]["credits"][0]["amount"], "6.00 USD");
    let log = folder.log();
    let second = import(&folder, csv, &options).expect(0);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(folder.log(), log);
}

#[test]
fn bad_rows_have_their_errors_in_their_places_and_the_others_are_in() {
    let folder = Folder::with_ledger();
    let mut csv = b"ID,gci,payee,completed_on\n".to_vec();
    let rows: [(&[u8], &str, &str); 10] = [
        (b"b2,\"100.00,ann,2026-01-15", "broken_quoting", ""),
        (b"b3,100.00,an\"n,2026-01-15", "broken_quoting", ""),
        (b"b4,\"100.00\"x,ann,2026-01-15", "broken_quoting", ""),
        (b"b5,100.00,\xe4nn,2026-01-15", "not_utf8", ""),
        (b"b6,100.00,ann", "wrong_column_count", ""),
        (b"b7,100.001,ann,2026-01-15", "bad_field", "gci"),
        (b"b8,100.00,ann,15.01.2026", "bad_field", "completed_on"),
        (b"=b9,100.00,ann,2026-01-15", "bad_field", "ID"),
        (b"b10,100.00,zoe,2026-01-15", "rejected", ""),
        (b"b11,-100.00,ann,2026-01-15", "rejected", ""),
    ];
    for (index, (row, ..)) in rows.iter().enumerate() {
        csv.extend_from_slice(format!("g{index},100.00,ann,2026-01-15\n").as_bytes());
        csv.extend_from_slice(row);
        csv.push(b'\n');
    }
    csv.resize(csv.len() + 100_000_000, b'x');
    csv.extend_from_slice(b"\nlast,100.00,ann,2026-01-15\n");
    let run = import(&folder, &csv, &[]).refused("deals.csv:3: a quote is opened and not closed");
    let answers = run.lines();
    for (index, (_, kind, field)) in rows.iter().enumerate() {
        let (good, bad) = (&answers[2 * index], &answers[2 * index + 1]);
        assert_eq!(good["key"], format!("import.deal:g{index}"));
        assert_eq!((&bad["error"], &bad["line"]), (&(*kind).into(), &(2 * index + 3).into()), "{bad}");
        assert_eq!(bad["field"].as_str().unwrap_or_default(), *field);
        let key = ["bad_field", "rejected"].contains(kind) && *field != "ID";
        assert_eq!(bad["key"].is_string(), key, "{bad}");
    }
    assert_eq!((&answers[20]["error"], &answers[20]["line"]), (&"line_too_long".into(), &22.into()));
    assert_eq!(answers[21]["key"], "import.deal:last");
    let payees = folder.run(&["--format", "json", "show", "payees"]).expect(0).lines();
    assert_eq!(payees[0]["earned"], "880.00");
}

#[test]
fn a_wrong_header_or_an_empty_file_is_refused_whole() {
    let folder = Folder::with_ledger();
    let log = folder.log();
    import(&folder, b"", &[]).refused("deals.csv:1: the file is empty");
    import(&folder, b"ID,\"gci\n", &[]).refused("deals.csv:1: the header cannot be read");
    import(&folder, b"id,gci,payee,completed_on\nx,1,ann,2026-01-15\n", &[])
        .refused("no column \"ID\"; it has id, gci");
    import(&folder, b"ID,gci,completed_on\nx,1,2026-01-15\n", &[]).refused("the payee is missing");
    import(&folder, b"ID,gci,payee,completed_on\n", &[]).refused("nothing was asked");
    assert_eq!(folder.log(), log);
    let empty = Folder::new();
    import(&empty, b"ID,gci,payee,completed_on\nx,1,ann,2026-01-15\n", &[]).refused("the ledger is not open");
    for csv in [&b""[..], b"ID,gci,payee,completed_on\n", b"no,header\n1,2\n"] {
        import(&empty, csv, &["--set", "currency=USD"]).refused("deals.csv");
    }
    assert!(!exists(&empty.path("ledger.db")));
}

#[test]
fn one_id_with_two_contents_is_refused() {
    let folder = Folder::with_ledger();
    let csv = b"ID,gci,payee,completed_on\nx,1,ann,2026-01-15\nx,1,ann,2026-01-15\nx,2,ann,2026-01-15\n";
    let answers = import(&folder, csv, &[]).expect(2).lines();
    assert_eq!(answers[0]["events"], answers[1]["events"]);
    assert_eq!(answers[2]["error"], "key_reused");
}
