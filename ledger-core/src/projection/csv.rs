//! Tables as text: RFC 4180 with line feeds, which every spreadsheet reads and none runs as a formula.
//!
//! A text cell that a spreadsheet could take for a formula is written with an apostrophe before it, and so is one that begins
//! with an apostrophe: the reader takes one away, and what comes out is what went in. Numbers are written as they are.

use std::fmt::{self, Write};

use thiserror::Error;

/// A cell of a table.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// Text, which is guarded.
    Text(&'a str),
    /// A number, which is written as it is.
    Number(&'a dyn fmt::Display),
}

/// Bytes that are not a table of this form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes are not text.
    #[error("the bytes are not UTF-8: save the file as UTF-8")]
    NotUtf8,
    /// The file starts with a byte order mark.
    #[error("the file starts with a byte order mark: save it as UTF-8 without one")]
    ByteOrderMark,
    /// The line ends in another way than with a line feed.
    #[error("the line has a carriage return outside quotes: save the file with line feeds only")]
    CarriageReturn,
    /// The last line has no end: the file may have been cut off.
    #[error("the last line does not end: the file may have been cut off")]
    Unfinished,
    /// A quote stands inside a cell that is not quoted.
    #[error("a quote stands inside a cell that does not begin with one: quote the cell and double the quote")]
    StrayQuote,
    /// Something follows the closing quote of a cell.
    #[error("a quoted cell is followed by neither a comma nor the end of the line")]
    AfterQuote,
    /// The row has too few or too many cells.
    #[error("the row has {found} cells, the header has {expected}")]
    Cells {
        /// How many the header has.
        expected: usize,
        /// How many the row has.
        found: usize,
    },
}

/// Writes one row.
///
/// # Errors
/// What the writer answers.
pub fn write_row<'a>(to: &mut impl Write, cells: impl IntoIterator<Item = Cell<'a>>) -> fmt::Result {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            to.write_char(',')?;
        }
        match cell {
            Cell::Number(number) => write!(to, "{number}")?,
            Cell::Text(text) => write_text(to, text)?,
        }
    }
    to.write_char('\n')
}

fn write_text(to: &mut impl Write, text: &str) -> fmt::Result {
    let guard = if is_guarded(text) { "'" } else { "" };
    if !text.contains([',', '"', '\n', '\r']) {
        return write!(to, "{guard}{text}");
    }
    write!(to, "\"{guard}{}\"", text.replace('"', "\"\""))
}

fn is_guarded(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\''])
}

/// The text that a cell was written from.
#[must_use]
pub fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_guarded(text) => text,
        _ => cell,
    }
}

/// A row as it was read: the line that it begins on, and its cells, still guarded.
pub type Row = (usize, Vec<String>);

/// Reads a table of rows that are as long as the first one, the header.
///
/// # Errors
/// [`Malformed`] at the first line that is not of this form.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Malformed { line: 1 + before.iter().filter(|byte| **byte == b'\n').count(), fault: Fault::NotUtf8 }
    })?;
    if text.starts_with('\u{feff}') {
        return Err(Malformed { line: 1, fault: Fault::ByteOrderMark });
    }
    let mut rows: Vec<Row> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let begin = line;
        let mut cells = Vec::new();
        loop {
            let (cell, after) = read_cell(rest).map_err(|fault| Malformed { line, fault })?;
            line += cell.matches('\n').count();
            cells.push(cell);
            let Some(next) = after.strip_prefix(',') else {
                rest = after.strip_prefix('\n').ok_or(Malformed { line, fault: Fault::Unfinished })?;
                line += 1;
                break;
            };
            rest = next;
        }
        let expected = rows.first().map_or(cells.len(), |(_, header)| header.len());
        if cells.len() != expected {
            return Err(Malformed { line: begin, fault: Fault::Cells { expected, found: cells.len() } });
        }
        rows.push((begin, cells));
    }
    Ok(rows)
}

/// One cell, and what follows it: a comma, a line feed, or nothing.
fn read_cell(text: &str) -> Result<(String, &str), Fault> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (cell, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return match cell.find(['"', '\r']) {
            None => Ok((cell.to_owned(), rest)),
            Some(_) if cell.contains('"') => Err(Fault::StrayQuote),
            Some(_) => Err(Fault::CarriageReturn),
        };
    };
    let mut cell = String::new();
    loop {
        let (before, after) = rest.split_once('"').ok_or(Fault::Unfinished)?;
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None if after.is_empty() || after.starts_with([',', '\n']) => return Ok((cell, after)),
            None => return Err(Fault::AfterQuote),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(rows: &[Vec<&str>]) -> String {
        let mut text = String::new();
        for row in rows {
            write_row(&mut text, row.iter().map(|cell| Cell::Text(cell))).unwrap();
        }
        text
    }

    #[test]
    fn nothing_that_a_spreadsheet_would_run_is_written_as_it_is() {
        let rows = vec![vec!["=1+1", "+1", "-1", "@x", "\ty", "\rz", "'", "a,b", "say \"x\"", "two\nlines"]];
        let text = table(&rows);
        let written = "'=1+1,'+1,'-1,'@x,'\ty,\"'\rz\",'',\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n";
        assert_eq!(text, written);
        let cells = &read(text.as_bytes()).unwrap()[0].1;
        assert_eq!(cells.iter().map(|cell| unguard(cell)).collect::<Vec<_>>(), rows[0]);
        let mut number = String::new();
        write_row(&mut number, [Cell::Number(&-5), Cell::Text("")]).unwrap();
        assert_eq!(number, "-5,\n", "a number is not guarded");
    }

    #[test]
    fn bytes_that_are_no_table_are_refused_with_their_line() {
        let fault = |bytes: &[u8]| read(bytes).map_err(|bad| (bad.line, bad.fault)).unwrap_err();
        assert_eq!(fault(b"a\nb\xff\n"), (2, Fault::NotUtf8));
        assert_eq!(fault("\u{feff}a\n".as_bytes()), (1, Fault::ByteOrderMark));
        assert_eq!(fault(b"a,b\r\n"), (1, Fault::CarriageReturn));
        assert_eq!(fault(b"a\nb"), (2, Fault::Unfinished));
        assert_eq!(fault(b"a\n\"b\n"), (2, Fault::Unfinished));
        assert_eq!(fault(b"a\nb\"c\n"), (2, Fault::StrayQuote));
        assert_eq!(fault(b"\"a\"b\n"), (1, Fault::AfterQuote));
        assert_eq!(fault(b"a,b\n\"x\ny\",z\nc\n"), (4, Fault::Cells { expected: 2, found: 1 }));
        assert_eq!(read(b""), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(rows in prop::collection::vec(prop::array::uniform3("[-a',\"=\n\r\té ]{0,6}"), 0..8)) {
            let borrowed: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
            let read = read(table(&borrowed).as_bytes()).unwrap();
            let cells: Vec<Vec<&str>> = read.iter().map(|(_, row)| row.iter().map(|cell| unguard(cell)).collect()).collect();
            prop_assert_eq!(cells, borrowed);
        }

        #[test]
        fn no_bytes_whatever_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
