//! One run, as a line that says all of it: `seed=7 steps=93 writers=1 without=F1,F2 drop=0-12,15`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

use crate::choice::Choices;
use crate::fault::Fault;

/// What determines a run: the same case is the same run, on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Where the choices come from.
    pub source: Source,
    /// How many requests are asked.
    pub steps: u32,
    /// At most so many writers.
    pub writers: Option<usize>,
    /// Faults that do not strike.
    pub without: Vec<Fault>,
    /// Requests that are thought of, but not asked, by their number.
    pub dropped: Vec<RangeInclusive<u32>>,
}

/// Where a run's choices come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A seed.
    Seed(u64),
    /// A tape of bytes, such as a fuzzer writes.
    Bytes(Vec<u8>),
}

/// A line that is no case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a part of a case: expected seed=N, bytes=HEX, steps=N, writers=N, without=F1,F2 or drop=1,3-5")]
pub struct NoCase(String);

impl Case {
    /// A seed, with nothing left out.
    #[must_use]
    pub fn seed(seed: u64, steps: u32) -> Self {
        Self { source: Source::Seed(seed), steps, writers: None, without: Vec::new(), dropped: Vec::new() }
    }

    /// A tape, with nothing left out.
    #[must_use]
    pub fn bytes(bytes: &[u8], steps: u32) -> Self {
        Self { source: Source::Bytes(bytes.to_vec()), ..Self::seed(0, steps) }
    }

    pub(crate) fn choices(&self) -> Choices {
        match &self.source {
            Source::Seed(seed) => Choices::from_seed(*seed),
            Source::Bytes(bytes) => Choices::from_bytes(bytes),
        }
    }

    pub(crate) fn drops(&self, step: u32) -> bool {
        self.dropped.iter().any(|range| range.contains(&step))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Seed(seed) => write!(f, "seed={seed}")?,
            Source::Bytes(bytes) => {
                f.write_str("bytes=")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        write!(f, " steps={}", self.steps)?;
        if let Some(writers) = self.writers {
            write!(f, " writers={writers}")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, name: &str, items: Vec<String>| match items.is_empty() {
            true => Ok(()),
            false => write!(f, " {name}={}", items.join(",")),
        };
        list(f, "without", self.without.iter().map(ToString::to_string).collect())?;
        let range = |range: &RangeInclusive<u32>| match (range.start(), range.end()) {
            (start, end) if start == end => start.to_string(),
            (start, end) => format!("{start}-{end}"),
        };
        list(f, "drop", self.dropped.iter().map(range).collect())
    }
}

impl FromStr for Case {
    type Err = NoCase;

    fn from_str(line: &str) -> Result<Self, NoCase> {
        let mut case = Self::seed(0, 1_000);
        for part in line.split_whitespace() {
            let no = || NoCase(part.to_owned());
            let number = |text: &str| text.parse::<u32>().map_err(|_| no());
            match part.split_once('=').ok_or_else(no)? {
                ("seed", seed) => case.source = Source::Seed(seed.parse().map_err(|_| no())?),
                ("bytes", hex) => case.source = Source::Bytes(bytes(hex).ok_or_else(no)?),
                ("steps", steps) => case.steps = number(steps)?,
                ("writers", writers) => case.writers = Some(writers.parse().map_err(|_| no())?),
                ("without", faults) => {
                    let fault = |label: &str| Fault::ALL.iter().copied().find(|fault| fault.label() == label);
                    case.without =
                        faults.split(',').map(|label| fault(label).ok_or_else(no)).collect::<Result<_, _>>()?;
                }
                ("drop", ranges) => {
                    let range = |text: &str| match text.split_once('-') {
                        Some((start, end)) => Ok(number(start)?..=number(end)?),
                        None => number(text).map(|step| step..=step),
                    };
                    case.dropped = ranges.split(',').map(range).collect::<Result<_, _>>()?;
                }
                _ => return Err(no()),
            }
        }
        Ok(case)
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let byte = |place: usize| u8::from_str_radix(hex.get(place..place + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case that reads back as another would replay another story than the one that failed.
    #[test]
    fn a_case_is_its_line() {
        let case = Case {
            writers: Some(2),
            without: vec![Fault::Refused, Fault::Heal],
            dropped: vec![0..=12, 15..=15],
            ..Case::seed(7, 93)
        };
        assert_eq!(case.to_string(), "seed=7 steps=93 writers=2 without=F1,F22 drop=0-12,15");
        assert_eq!(case.to_string().parse(), Ok(case));
        let tape = Case::bytes(&[0, 255], 5);
        assert_eq!(tape.to_string(), "bytes=00ff steps=5");
        assert_eq!(tape.to_string().parse(), Ok(tape));
        for wrong in ["seed", "seed=x", "bytes=0", "bytes=€", "without=F99", "drop=3-", "when=now"] {
            assert!(wrong.parse::<Case>().is_err(), "{wrong}");
        }
    }
}
