//! Reads CSV strictly. A quote that is out of place is an error of its line, never a guess: a lenient reader would swallow the
//! rows after it.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use crate::error::BadLine;
use crate::lines::{LINE_BYTES, Line, Lines};

/// The rows of a CSV file, each with the number of its first line.
pub struct Rows<R> {
    lines: Lines<R>,
    /// Lines that were read in search of a closing quote that never came.
    unread: VecDeque<Line>,
}

/// A row with the number of its first line: its fields, or what is wrong with it.
pub type Row = (u64, Result<Vec<String>, BadLine>);

impl<R: BufRead> Rows<R> {
    /// The rows of `input`.
    pub fn new(input: R) -> Self {
        Self { lines: Lines::new(input), unread: VecDeque::new() }
    }

    /// The next row that is not blank; none at the end. After a row with broken quotes reading goes on at the next line.
    pub fn next(&mut self) -> io::Result<Option<Row>> {
        while let Some((number, line)) = self.next_line()? {
            match line {
                Ok(line) if line.is_empty() => {}
                Ok(line) => return Ok(Some((number, self.row(&line)?))),
                Err(bad) => return Ok(Some((number, Err(bad)))),
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        match self.unread.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    fn row(&mut self, first: &str) -> io::Result<Result<Vec<String>, BadLine>> {
        let mut fields = Fields::default();
        let mut size = first.len();
        let mut taken: VecDeque<Line> = VecDeque::new();
        let mut found = fields.read(first);
        while let Ok(Closed::No) = found {
            let Some(line) = self.next_line()? else { break };
            let Ok(text) = &line.1 else {
                taken.push_back(line);
                break;
            };
            size += text.len();
            found = if size > LINE_BYTES { Err(UNCLOSED) } else { fields.read(text) };
            taken.push_back(line);
        }
        if let Ok(Closed::Yes) = found {
            return Ok(Ok(fields.done));
        }
        // What is wrong on a later line is only wrong because this one opened a quote.
        let what = if taken.is_empty() { found.err().unwrap_or(UNCLOSED) } else { UNCLOSED };
        taken.append(&mut self.unread);
        self.unread = taken;
        Ok(Err(BadLine::Quoting { what }))
    }
}

const UNCLOSED: &str = "a quote is opened and not closed";

/// Whether a row ends with its line.
enum Closed {
    Yes,
    No,
}

/// The fields of a row, as far as they are read.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    field: String,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote within quotes: it ends the field, unless another quote follows.
    Quote,
}

impl Fields {
    fn read(&mut self, line: &str) -> Result<Closed, &'static str> {
        for c in line.chars() {
            self.state = match (self.state, c) {
                (State::Start | State::Plain | State::Quote, ',') => {
                    self.done.push(std::mem::take(&mut self.field));
                    State::Start
                }
                (State::Start, '"') => State::Quoted,
                (State::Plain, '"') => return Err("a quote stands within a field that does not begin with one"),
                (State::Quoted, '"') => State::Quote,
                (State::Quote, '"') | (State::Quoted, _) => {
                    self.field.push(c);
                    State::Quoted
                }
                (State::Quote, _) => return Err("text follows a closing quote"),
                (State::Start | State::Plain, _) => {
                    self.field.push(c);
                    State::Plain
                }
            };
        }
        if self.state == State::Quoted {
            self.field.push('\n');
            return Ok(Closed::No);
        }
        self.done.push(std::mem::take(&mut self.field));
        Ok(Closed::Yes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let mut rows = Rows::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some((number, row)) = rows.next().unwrap() {
            all.push(match row {
                Ok(fields) => format!("{number} {}", fields.join("|")),
                Err(bad) => format!("{number} {}", bad.kind()),
            });
        }
        all
    }

    #[test]
    fn quoted_fields_hold_commas_quotes_and_line_ends() {
        assert_eq!(rows("a,\"b,\"\"c\"\"\nd\",\n\ne,,f\r\n"), ["1 a|b,\"c\"\nd|", "4 e||f"]);
    }

    #[test]
    fn a_broken_quote_costs_its_own_line_and_no_other() {
        assert_eq!(rows("a,\"b\nc,d\ne,f\n"), ["1 broken_quoting", "2 c|d", "3 e|f"]);
        assert_eq!(rows("a,\"b\nc,\"d\"\ne,f\n"), ["1 broken_quoting", "2 c|d", "3 e|f"]);
        assert_eq!(rows("a\"b,c\n\"a\"b,c\nd,e\n"), ["1 broken_quoting", "2 broken_quoting", "3 d|e"]);
    }
}
