//! Compares an exported register, row by row and column by column, with the ledger's own.

use std::collections::hash_map::Entry;

use compact_str::CompactString;
use rustc_hash::FxHashMap;
use thiserror::Error;

use super::{Against, Class, Difference, Factor, Report};
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::projection::csv::{Malformed, read, unguard};
use crate::projection::register::{COLUMNS, Register, Row, TOTAL, cells, total_cells};
use crate::projection::sum::Sum;

/// A file that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is no table.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is empty.
    #[error("the file is empty: it should begin with the header payout_id,version,…")]
    Empty,
    /// Its header is another one.
    #[error("column {number} of the header is {found:?}, it should be {expected:?}")]
    Header {
        /// The number of the column, from 1.
        number: usize,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// The columns that an event after the payout's making may change. They are not compared with a row of an earlier version.
const CHANGING: [&str; 12] = [
    "status",
    "approved_at",
    "approved_by",
    "released_at",
    "attempt",
    "method",
    "rail_reference",
    "paid_at",
    "returned_at",
    "return_code",
    "hold_reason",
    "failure_reason",
];

/// A row of the file.
struct HostRow {
    cells: Vec<String>,
}

impl HostRow {
    fn cell(&self, column: &str) -> &str {
        let index = COLUMNS.iter().position(|other| *other == column);
        index.and_then(|index| self.cells.get(index)).map_or("", String::as_str)
    }

    fn amount(&self) -> Option<Money> {
        Money::new(self.cell("amount_minor").parse().ok()?, Currency::of(self.cell("currency")).ok()?).ok()
    }
}

/// Compares an exported register with the ledger's.
///
/// # Errors
/// [`ReadError`] when the file is not of the form that [`write_csv`](crate::projection::register::write_csv) writes.
pub fn against(register: &Register, csv: &[u8]) -> Result<Report, ReadError> {
    let mut rows = read(csv)?.into_iter();
    let (_, header) = rows.next().ok_or(ReadError::Empty)?;
    for (index, expected) in COLUMNS.iter().enumerate() {
        let found = header.get(index).map_or("", String::as_str);
        if found != *expected {
            return Err(ReadError::Header { number: index + 1, expected, found: found.to_owned() });
        }
    }
    if let Some(found) = header.get(COLUMNS.len()) {
        return Err(ReadError::Header { number: COLUMNS.len() + 1, expected: "", found: found.clone() });
    }

    let mut found = Vec::new();
    let mut host: FxHashMap<String, HostRow> = FxHashMap::default();
    let mut totals = Vec::new();
    for (_, cells) in rows {
        let row = HostRow { cells: cells.iter().map(|cell| unguard(cell).to_owned()).collect() };
        let payout = row.cell("payout_id").to_owned();
        if payout == TOTAL {
            totals.push(row);
            continue;
        }
        match host.entry(payout) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(first) => found.push(unexplained(first.key().clone(), Class::DuplicateHostRow, &row)),
        }
    }
    compare_totals(register, &host, &totals, &mut found);
    for row in register.rows() {
        let ours = cells(&row, register.payee_name(&row.payee));
        match host.remove(&row.payout.to_string()) {
            Some(theirs) => Comparison { row: &row, ours: &ours, theirs: &theirs, found: &mut found }.run(),
            None => found.push(explained(&row, Class::MissingInHost, "payout_id", &row.payout.to_string(), "")),
        }
    }
    found.extend(host.into_iter().map(|(payout, row)| unexplained(payout, Class::UnknownInHost, &row)));
    Ok(Report::of(found))
}

/// A difference of a payout that the ledger knows. All of its amount is at stake, unless a smaller part is known.
fn explained(row: &Row<'_>, class: Class, field: &str, ledger: &str, other: &str) -> Difference {
    let at_stake = match class {
        Class::StaleSnapshot | Class::FieldMismatch => None,
        _ => Some(row.amount),
    };
    let dates = [Some(row.created_at), row.approved_at, row.released_at, row.paid_at];
    Difference {
        against: Against::Register,
        key: row.payout.to_string(),
        field: field.to_owned(),
        class,
        ledger: ledger.to_owned(),
        other: other.to_owned(),
        at_stake,
        sequence: Some(row.changed),
        since: dates.into_iter().flatten().max(),
    }
}

/// A row of the host that no payout of the ledger explains.
fn unexplained(payout: String, class: Class, row: &HostRow) -> Difference {
    Difference {
        against: Against::Register,
        field: "payout_id".to_owned(),
        class,
        ledger: String::new(),
        other: payout.clone(),
        key: payout,
        at_stake: row.amount(),
        sequence: None,
        since: None,
    }
}

/// One payout, in both registers.
struct Comparison<'a> {
    row: &'a Row<'a>,
    ours: &'a [CompactString; 32],
    theirs: &'a HostRow,
    found: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    fn run(mut self) {
        let stale = self.version();
        let mut differing: Vec<&'static str> = Vec::new();
        for ((column, ours), theirs) in COLUMNS.into_iter().zip(self.ours).zip(&self.theirs.cells) {
            if column != "version" && ours != theirs && !(stale && CHANGING.contains(&column)) {
                differing.push(column);
            }
        }
        // One wrong amount or one missing approval is one difference, however many columns show it.
        let groups: [&[&str]; 2] = [&["amount_minor", "amount", "net", "withheld"], &["approved_by", "approved_at"]];
        for group in groups {
            let mut seen = false;
            differing.retain(|column| !group.contains(column) || !std::mem::replace(&mut seen, true));
        }
        for column in differing {
            self.tell(column);
        }
    }

    /// Whether the host's row is of an earlier version.
    fn version(&mut self) -> bool {
        let theirs = self.theirs.cell("version");
        let class = match theirs.parse::<u64>().map(|theirs| theirs.cmp(&self.row.version)) {
            Ok(std::cmp::Ordering::Equal) => return false,
            Ok(std::cmp::Ordering::Less) => Class::StaleSnapshot,
            Ok(std::cmp::Ordering::Greater) => Class::HostAhead,
            Err(_) => Class::FieldMismatch,
        };
        let ours = self.row.version.to_string();
        self.found.push(explained(self.row, class, "version", &ours, theirs));
        class == Class::StaleSnapshot
    }

    fn tell(&mut self, column: &'static str) {
        let index = COLUMNS.iter().position(|other| *other == column);
        let ours = index.and_then(|index| self.ours.get(index)).map_or("", |cell| cell.as_str());
        let theirs = self.theirs.cell(column);
        let class = match column {
            "status" => Class::StatusMismatch,
            "payee_id" => Class::PayeeMismatch,
            "currency" => Class::CurrencyMismatch,
            "amount_minor" | "amount" | "net" | "withheld" => Class::AmountMismatch(self.factor(column, theirs)),
            "approved_by" | "approved_at" if theirs.is_empty() => Class::ApprovalMissing,
            "approved_by" if theirs == self.theirs.cell("created_by") => Class::SelfApproved,
            _ => Class::FieldMismatch,
        };
        let mut difference = explained(self.row, class, column, ours, theirs);
        if let (Class::AmountMismatch(_), Some(theirs)) = (class, self.amount(column, theirs)) {
            let delta = self.row.amount.minus(theirs).ok();
            difference.at_stake = delta.map(|delta| if delta.is_negative() { delta.negated() } else { delta });
        }
        self.found.push(difference);
    }

    fn amount(&self, column: &str, theirs: &str) -> Option<Money> {
        let currency = self.row.amount.currency();
        match column {
            "amount_minor" => Money::new(theirs.parse().ok()?, currency).ok(),
            "withheld" => Money::parse_amount(theirs, currency).ok()?.plus(self.row.amount).ok(),
            _ => Money::parse_amount(theirs, currency).ok(),
        }
    }

    fn factor(&self, column: &str, theirs: &str) -> Option<Factor> {
        let theirs = self.amount(column, theirs)?;
        Factor::between(self.row.amount.minor().into(), theirs.minor().into())
    }
}

fn compare_totals(
    register: &Register,
    host: &FxHashMap<String, HostRow>,
    totals: &[HostRow],
    found: &mut Vec<Difference>,
) {
    let mut ours = Small::<Currency, (Sum, u64)>::default();
    for row in register.rows() {
        add(&mut ours, row.amount, row.entries.into());
    }
    let mut theirs = Small::<Currency, (Sum, u64)>::default();
    for row in host.values() {
        let entries = row.cell("line_count").parse().unwrap_or_default();
        row.amount().into_iter().for_each(|amount| add(&mut theirs, amount, entries));
    }
    for total in totals {
        let code = total.cell("currency");
        let expected = |sums: &Small<Currency, (Sum, u64)>| {
            let currency = Currency::of(code).ok()?;
            sums.get(&currency).map(|(sum, entries)| total_cells(currency, *sum, *entries))
        };
        let (ours, theirs) = (expected(&ours), expected(&theirs));
        if [&ours, &theirs].into_iter().flatten().any(|cells| total.cells.iter().eq(cells)) {
            continue;
        }
        let ours: &[CompactString] = ours.as_ref().map_or(&[], |cells| cells);
        found.push(Difference {
            against: Against::Register,
            key: format!("{TOTAL} {code}"),
            field: "amount".to_owned(),
            class: Class::TotalMismatch,
            ledger: ours.join(","),
            other: total.cells.join(","),
            at_stake: None,
            sequence: None,
            since: None,
        });
    }
}

fn add(sums: &mut Small<Currency, (Sum, u64)>, amount: Money, entries: u64) {
    sums.update(&amount.currency(), |(sum, count)| {
        sum.add(amount);
        *count = count.saturating_add(entries);
    });
}
