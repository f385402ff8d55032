use std::collections::BTreeMap;

use ledger_cli::import::{Columns, Field, Kind, Table};
use ledger_core::attribution::{Attribution, Weight};
use ledger_core::command::Command;
use ledger_core::deal;
use ledger_core::deal::sale::Sale;
use ledger_core::waterfall::Gci;
use ledger_core::{Currency, Date, Money, Request};

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
            if let Some(requests) = row {
                assert_eq!(record.len(), header.len(), "a row of another length is read");
                assert_eq!(requests[0].key.as_str(), format!("import.deal:{}", record[id].trim()));
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

/// A row with its first line, and what it asks, unless it is refused: a sale that is won is asked for and completed.
type Row = (u64, Option<Vec<Request>>);

/// The rows of a table; none when it is refused as a whole.
fn read(table: &[u8], columns: &Columns) -> Option<Vec<Row>> {
    let mut table = Table::open("table", Kind::Deals, table, columns, "import".parse().unwrap()).ok()?;
    let is_of_sales = table.kind() == Kind::Sales;
    if !table.names_currency() {
        table.base_currency(Currency::of("USD").unwrap());
    }
    let mut rows: Vec<Row> = Vec::new();
    while let Some((line, row)) = table.read().unwrap() {
        match (rows.last_mut(), row) {
            (Some((last, Some(requests))), Ok(second)) if *last == line && is_of_sales => requests.push(second),
            (_, row) => rows.push((line, row.ok().map(|request| vec![request]))),
        }
    }
    Some(rows)
}

/// Every line is blank, or begins a row, or is within the quotes of the row before it.
fn nothing_is_skipped(table: &[u8], rows: &[Row]) {
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

/// Writes rows as tables in the plainest form there is, and reads them again.
fn written_plainly(rows: Vec<Vec<Request>>) {
    let mut tables: BTreeMap<String, (String, Vec<Vec<Request>>)> = BTreeMap::new();
    for requests in rows {
        let (header, row) = plain(&requests);
        let (text, asked) = tables.entry(header).or_default();
        *text += &row;
        asked.push(requests);
    }
    let columns = Columns { id: "id".into(), map: Vec::new(), set: Vec::new() };
    for (header, (rows, asked)) in tables {
        let text = format!("{header}{rows}");
        let again = read(text.as_bytes(), &columns).unwrap_or_else(|| panic!("{header} is refused"));
        let again = again.into_iter().flat_map(|(_, row)| row.unwrap_or_else(|| panic!("{text} is refused")));
        let what = |request: Request| (request.key, request.actor, request.command);
        let asked = asked.into_iter().flatten().map(what);
        assert_eq!(again.map(what).collect::<Vec<_>>(), asked.collect::<Vec<_>>(), "{text}");
    }
}

fn plain(requests: &[Request]) -> (String, String) {
    let commands: Vec<_> = requests.iter().map(|request| &request.command).collect();
    let (deal, fields) = match commands.as_slice() {
        [Command::Deal(deal::Command::Record { deal, gci, attribution, completed_on })] => {
            (deal, done(gci, attribution, *completed_on))
        }
        [Command::Deal(deal::Command::RegisterSale { deal, sale })] => (deal, sold(sale)),
        [
            Command::Deal(deal::Command::RegisterSale { deal, sale }),
            Command::Deal(deal::Command::CompleteSale { deal: completed, completed_at, cutoff: None }),
        ] => {
            assert_eq!(completed, deal, "another deal is completed");
            assert_eq!(requests[1].key.as_str(), format!("import.sale:{deal}"), "the key is the id's");
            (deal, sold(sale).into_iter().chain([("completed_at", completed_at.to_string())]).collect())
        }
        other => panic!("a row is a deal that is done, or a sale: {other:?}"),
    };
    assert_eq!(requests[0].key.as_str(), format!("import.deal:{deal}"), "the key is the id's");
    let (names, values): (Vec<_>, Vec<_>) = [("id", deal.to_string())].into_iter().chain(fields).unzip();
    let quoted = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect::<Vec<_>>();
    (names.join(",") + "\n", quoted.join(",") + "\n")
}

type Cells = Vec<(&'static str, String)>;

fn amount(name: &'static str, money: Money) -> Cells {
    vec![(name, money.amount().to_string()), ("currency", money.currency().to_string())]
}

fn done(gci: &Gci, attribution: &Attribution, completed_on: Date) -> Cells {
    let mut fields = vec![("completed_on", completed_on.to_string())];
    match gci {
        Gci::Amount(money) => fields.extend(amount("gci", *money)),
        Gci::OfPrice { price, rate } => {
            fields.extend(amount("price", *price));
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
    fields
}

fn sold(sale: &Sale) -> Cells {
    let Sale { amount: worth, lines, customer, programme, model, rates, registered_by, custom, overlays } = sale;
    assert!(lines.is_empty() && custom.is_empty() && overlays.is_empty(), "a table has none of them: {sale:?}");
    let mut fields = amount("amount", worth.expect("a sale of a table has an amount"));
    fields.push(("model", format!("{}@{}", model.model, model.version)));
    fields.extend(rates.as_ref().map(|rates| ("rates", format!("{}@{}", rates.rates, rates.version))));
    fields.extend(customer.as_ref().map(|customer| ("customer", customer.to_string())));
    fields.extend(programme.as_ref().map(|programme| ("programme", programme.to_string())));
    fields.extend(registered_by.as_ref().map(|payee| ("registered_by", payee.to_string())));
    fields
}
