use std::collections::BTreeMap;

use ledger_cli::import::{Columns, Field, Kind, Table};
use ledger_core::attribution::{Attribution, Weight};
use ledger_core::command::Command;
use ledger_core::deal;
use ledger_core::waterfall::Gci;
use ledger_core::{Currency, Money, Request};

/// Each row of a table is a request or is refused, none is lost or comes twice, and what was understood is understood alike
/// when it is written plainly.
///
/// Input: a line with the id's column and, each after a tab, `FIELD=COLUMN` or `FIELD:VALUE`; then the table.
pub fn csv_import(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Some(columns) = std::str::from_utf8(&bytes[..end]).ok().and_then(columns) else { return };
    let table = bytes.get(end + 1..).unwrap_or_default();
    let Some(rows) = read(table, &columns) else { return };

    nothing_is_skipped(table, &rows);
    if let Some(records) = std::str::from_utf8(table).ok().and_then(records) {
        assert_eq!(records.len(), rows.len() + 1, "each record is answered once");
        let header = &records[0].1;
        let id = header.iter().position(|name| name.trim() == columns.id).expect("the id has a column");
        for ((line, record), (at, row)) in records[1..].iter().zip(&rows) {
            assert_eq!(line, at);
            if let Some(request) = row {
                assert_eq!(record.len(), header.len(), "a row of another length is read");
                assert_eq!(request.key.as_str(), format!("import.deal:{}", record[id].trim()));
            }
        }
    }
    written_plainly(rows.into_iter().filter_map(|(_, row)| row).collect());
}

fn columns(text: &str) -> Option<Columns> {
    let mut parts = text.split('\t');
    let mut columns = Columns { id: parts.next()?.to_owned(), map: Vec::new(), set: Vec::new() };
    let field = |name: &str| Field::ALL.into_iter().find(|field| field.name() == name);
    for part in parts {
        if let Some((name, column)) = part.split_once('=') {
            columns.map.push((field(name)?, column.to_owned()));
        } else {
            let (name, value) = part.split_once(':')?;
            columns.set.push((field(name)?, value.to_owned()));
        }
    }
    Some(columns)
}

/// The rows with their first lines, and the requests of those that are any; none when the table is refused as a whole.
fn read(table: &[u8], columns: &Columns) -> Option<Vec<(u64, Option<Request>)>> {
    let mut table = Table::open("table", Kind::Deals, table, columns, "import".parse().unwrap()).ok()?;
    if table.kind() != Kind::Deals {
        return None;
    }
    if !table.names_currency() {
        table.base_currency(Currency::of("USD").unwrap());
    }
    let mut rows = Vec::new();
    while let Some((line, row)) = table.read().unwrap() {
        rows.push((line, row.ok()));
    }
    Some(rows)
}

/// Every line is blank, or begins a row, or is within the quotes of the row before it.
fn nothing_is_skipped(table: &[u8], rows: &[(u64, Option<Request>)]) {
    let begins: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
    assert!(begins.is_sorted_by(|one, next| one < next), "{begins:?}");
    let mut quoted = false;
    for (number, line) in (1..).zip(table.split_inclusive(|byte| *byte == b'\n')) {
        let blank = matches!(line, b"\n" | b"\r\n" | b"\r");
        let header = begins.first().is_none_or(|first| number < *first);
        if begins.contains(&number) {
            quoted = false;
        } else {
            assert!(blank || quoted || header, "line {number} is skipped");
        }
        quoted ^= line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
    }
}

/// The records of RFC 4180 with their first lines, read as one text; none when it is not one. Blank lines are no records.
fn records(text: &str) -> Option<Vec<(u64, Vec<String>)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut rest = text.strip_suffix('\r').unwrap_or(&text);
    let (mut records, mut line) = (Vec::new(), 1);
    while !rest.is_empty() {
        if let Some(next) = rest.strip_prefix('\n') {
            (rest, line) = (next, line + 1);
            continue;
        }
        let (first, mut record) = (line, Vec::new());
        loop {
            let (field, after) = field(rest)?;
            line += field.matches('\n').count() as u64;
            record.push(field);
            let Some(next) = after.strip_prefix(',') else {
                rest = after;
                break;
            };
            rest = next;
        }
        records.push((first, record));
    }
    Some(records)
}

/// A field, and what follows it: a comma, a line end or nothing.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let (field, after) = text.split_at(text.find([',', '\n']).unwrap_or(text.len()));
        return (!field.contains('"')).then(|| (field.to_owned(), after));
    };
    let mut field = String::new();
    loop {
        let (part, after) = quoted.split_once('"')?;
        field += part;
        match after.strip_prefix('"') {
            Some(next) => (field, quoted) = (field + "\"", next),
            None => return (after.is_empty() || after.starts_with([',', '\n'])).then_some((field, after)),
        }
    }
}

/// Writes requests as tables in the plainest form there is, and reads them again.
fn written_plainly(requests: Vec<Request>) {
    let mut tables: BTreeMap<String, (String, Vec<Request>)> = BTreeMap::new();
    for request in requests {
        let (header, row) = plain(&request);
        let (text, asked) = tables.entry(header).or_default();
        *text += &row;
        asked.push(request);
    }
    let columns = Columns { id: "id".into(), map: Vec::new(), set: Vec::new() };
    for (header, (rows, asked)) in tables {
        let text = format!("{header}{rows}");
        let again = read(text.as_bytes(), &columns).unwrap_or_else(|| panic!("{header} is refused"));
        let again: Vec<_> =
            again.into_iter().map(|(_, row)| row.unwrap_or_else(|| panic!("{text} is refused"))).collect();
        let what = |request: &Request| (request.key.clone(), request.actor.clone(), request.command.clone());
        assert_eq!(again.iter().map(what).collect::<Vec<_>>(), asked.iter().map(what).collect::<Vec<_>>(), "{text}");
    }
}

fn plain(request: &Request) -> (String, String) {
    let Command::Deal(deal::Command::Record { deal, gci, attribution, completed_on }) = &request.command else {
        panic!("a row is a deal that is done: {request:?}")
    };
    assert_eq!(request.key.as_str(), format!("import.deal:{deal}"), "the key is the id's");
    let mut fields = vec![("id", deal.to_string()), ("completed_on", completed_on.to_string())];
    let amount = |name, money: &Money| [(name, money.amount().to_string()), ("currency", money.currency().to_string())];
    match gci {
        Gci::Amount(money) => fields.extend(amount("gci", money)),
        Gci::OfPrice { price, rate } => {
            fields.extend(amount("price", price));
            fields.push(("rate", rate.to_string()));
        }
    }
    let joined = |parts: Vec<String>| parts.join(";");
    fields.push(match attribution {
        Attribution::Equal(payees) if payees.len() == 1 => ("payee", payees[0].to_string()),
        Attribution::Equal(payees) => ("payees", joined(payees.iter().map(ToString::to_string).collect())),
        Attribution::Custom(weights) => {
            let weight = |Weight { payee, weight }: &Weight| format!("{payee}:{weight}");
            ("payees", joined(weights.iter().map(weight).collect()))
        }
    });
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let quoted = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect::<Vec<_>>();
    (names.join(",") + "\n", quoted.join(",") + "\n")
}
