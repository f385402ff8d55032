//! Reads a file line by line, however long its lines are, and says where each one stands.

use std::io::{self, BufRead, Read};

use crate::error::BadLine;

/// The longest line that is read of requests and tables. The largest request that a ledger takes is far shorter.
pub const LINE_BYTES: usize = 256 * 1024;

/// The lines of an input, numbered from 1.
pub struct Lines<R> {
    input: R,
    number: u64,
    /// The longest line that is read.
    most: usize,
}

/// A line with its number: its text without the line end, or what is wrong with it.
pub type Line = (u64, Result<String, BadLine>);

impl<R: BufRead> Lines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        Self::of_at_most(LINE_BYTES, input)
    }

    /// The lines of `input`, where a line may be so many bytes long.
    pub fn of_at_most(most: usize, input: R) -> Self {
        Self { input, number: 0, most }
    }

    /// The next line; none at the end. A line that is too long is skipped to its end, without being kept.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        if self.fill(&mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.len() > self.most {
            while !line.ends_with(b"\n") {
                line.clear();
                if self.fill(&mut line)? == 0 {
                    break;
                }
            }
            return Ok(Some((self.number, Err(BadLine::TooLong { most: self.most }))));
        }
        let text = String::from_utf8(line);
        let text = text.map_err(|error| BadLine::NotUtf8 { byte: error.utf8_error().valid_up_to() + 1 });
        Ok(Some((self.number, text.map(|text| self.trim(&text)))))
    }

    fn fill(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        let limit = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
        self.input.by_ref().take(limit).read_until(b'\n', line)
    }

    fn trim(&self, text: &str) -> String {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        // Spreadsheets put a byte order mark before the first line.
        let text = if self.number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push(format!("{number} {}", line.unwrap_or_else(|bad| format!("{bad:?}"))));
        }
        all
    }

    #[test]
    fn every_line_has_its_number_and_no_line_end() {
        assert_eq!(lines(b"\xef\xbb\xbfa\r\n\nb"), ["1 a", "2 ", "3 b"]);
        assert_eq!(lines(b""), Vec::<String>::new());
    }

    #[test]
    fn what_is_too_long_or_not_utf8_is_named_and_the_next_line_is_read() {
        let mut input = vec![b'x'; LINE_BYTES * 3];
        input.extend_from_slice(b"\nab\xff\nlast\n");
        assert_eq!(lines(&input), ["1 TooLong { most: 262144 }", "2 NotUtf8 { byte: 3 }", "3 last"]);
    }
}
