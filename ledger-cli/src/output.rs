//! What is printed: tables for people, JSON lines and CSV for programs.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, Stdout, Write};

use clap::ValueEnum;
use ledger_core::projection::csv;
use serde_json::{Map, Value};

use crate::error::CliError;

/// Who reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// People.
    #[default]
    Table,
    /// Programs: one JSON object per line.
    Json,
    /// Programs and spreadsheets.
    Csv,
}

/// Standard output, buffered.
pub fn stdout() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number with decimals, as it is written.
    Number(String),
    /// How many.
    Count(u64),
}

/// Text.
pub fn text(text: impl Display) -> Cell {
    Cell::Text(text.to_string())
}

/// Text, or nothing.
pub fn perhaps(value: Option<impl Display>) -> Cell {
    Cell::Text(value.map(|value| value.to_string()).unwrap_or_default())
}

/// A number with decimals.
pub fn number(number: impl Display) -> Cell {
    Cell::Number(number.to_string())
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Number(text) => f.pad(text),
            Self::Count(count) => Display::fmt(count, f),
        }
    }
}

/// Rows under a header.
#[derive(Debug, Clone)]
pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    headed: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new(), headed: false }
    }

    /// Adds a row, as long as the header.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// How many rows wait to be printed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Prints the rows and forgets them, so that a long table is printed in parts; the header comes before the first part.
    pub fn print(&mut self, to: &mut impl Write, format: Format) -> Result<(), CliError> {
        match format {
            Format::Table => self.print_aligned(to)?,
            Format::Json => self.print_json(to)?,
            Format::Csv => self.print_csv(to)?,
        }
        self.headed = true;
        self.rows.clear();
        Ok(())
    }

    fn print_aligned(&self, to: &mut impl Write) -> io::Result<()> {
        let wide = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let header = self.columns.get(column).map(|name| name.len());
                wide(&mut cells.map(|cell| cell.to_string().chars().count()).chain(header))
            })
            .collect();
        if !self.headed {
            let header: Vec<Cell> = self.columns.iter().map(text).collect();
            print_line(to, &header, self.rows.first().unwrap_or(&header), &widths)?;
        }
        self.rows.iter().try_for_each(|row| print_line(to, row, row, &widths))
    }

    fn print_json(&self, to: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            let mut object = Map::new();
            for (name, cell) in self.columns.iter().zip(row) {
                let value = match cell {
                    Cell::Text(text) | Cell::Number(text) => Value::from(text.as_str()),
                    Cell::Count(count) => Value::from(*count),
                };
                object.insert((*name).to_owned(), value);
            }
            writeln!(to, "{}", Value::Object(object))?;
        }
        Ok(())
    }

    fn print_csv(&self, to: &mut impl Write) -> io::Result<()> {
        let mut written = String::new();
        let header = self.columns.iter().map(|name| csv::Cell::Text(name));
        // A string takes whatever is written to it.
        let _ = if self.headed { Ok(()) } else { csv::write_row(&mut written, header) };
        for row in &self.rows {
            let _ = csv::write_row(
                &mut written,
                row.iter().map(|cell| match cell {
                    Cell::Text(text) => csv::Cell::Text(text),
                    Cell::Number(number) => csv::Cell::Number(number),
                    Cell::Count(count) => csv::Cell::Number(count),
                }),
            );
        }
        to.write_all(written.as_bytes())
    }
}

/// Prints one line; numbers, and the headers above them, to the right.
fn print_line(to: &mut impl Write, cells: &[Cell], like: &[Cell], widths: &[usize]) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, like), width) in cells.iter().zip(like).zip(widths) {
        line.push_str(&match like {
            Cell::Text(_) => format!("{cell:<width$}  "),
            Cell::Number(_) | Cell::Count(_) => format!("{cell:>width$}  "),
        });
    }
    writeln!(to, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format) -> String {
        let mut table = Table::new(&["payee", "amount", "payouts"]);
        table.row(vec![text("=ann"), number("-7.50"), Cell::Count(2)]);
        table.row(vec![text("ö"), number("12345.00"), Cell::Count(10)]);
        let mut bytes = Vec::new();
        table.print(&mut bytes, format).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let lines = ["payee    amount  payouts", "=ann      -7.50        2", "ö      12345.00       10", ""];
        assert_eq!(printed(Format::Table), lines.join("\n"));
    }

    #[test]
    fn programs_get_counts_as_numbers_and_guarded_text() {
        let first = printed(Format::Json).lines().next().unwrap().to_owned();
        assert_eq!(first, r#"{"amount":"-7.50","payee":"=ann","payouts":2}"#);
        assert_eq!(printed(Format::Csv), "payee,amount,payouts\n'=ann,-7.50,2\nö,12345.00,10\n");
    }
}
