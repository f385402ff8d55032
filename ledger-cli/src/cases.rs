//! Cases in, one JSON object a line, and what each comes to out, at the same place. No store is needed.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::Outcome;
use crate::apply::open;
use crate::error::CliError;
use crate::lines::Lines;
use crate::output;

/// What a calculator is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of cases, one JSON object per line; - for standard input.
    #[arg(required_unless_present_any = ["schema", "example"])]
    file: Option<PathBuf>,
    /// Says in words how each amount came about.
    #[arg(long)]
    explain: bool,
    /// Prints the JSON Schema of a case.
    #[arg(long, conflicts_with_all = ["file", "explain", "example"])]
    schema: bool,
    /// Prints a case to begin with.
    #[arg(long, conflicts_with_all = ["file", "explain"])]
    example: bool,
}

/// What makes an outcome of a case.
pub trait Calculator {
    /// What is wrong with a case.
    type Refusal: Serialize + std::fmt::Display;
    /// The JSON Schema of its cases.
    const SCHEMA: &str;
    /// A case of which the documentation tells.
    const EXAMPLE: &str;

    /// Answers a case on one line, or in words.
    fn answer(case: &str, in_words: bool, out: &mut impl Write) -> Result<Result<(), Self::Refusal>, CliError>;

    /// Refuses what is no case.
    fn malformed(reason: String) -> Self::Refusal;
}

/// A year of a large office is far shorter.
const CASE_BYTES: usize = 16 * 1024 * 1024;

/// Calculates the cases of a file.
pub fn run<C: Calculator>(args: &Args) -> Result<Outcome, CliError> {
    let mut out = output::stdout();
    let Some(file) = &args.file else {
        out.write_all(if args.schema { C::SCHEMA } else { C::EXAMPLE }.as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Done);
    };
    let (name, input) = open(file)?;
    let mut lines = Lines::of_at_most(CASE_BYTES, input);
    let mut ended = Outcome::Done;
    while let Some((_, line)) = lines.next().map_err(|source| CliError::File { path: name.clone(), source })? {
        let answered = match line {
            Ok(case) => C::answer(&case, args.explain, &mut out)?,
            Err(bad) => Err(C::malformed(bad.to_string())),
        };
        if let Err(refusal) = answered {
            ended = Outcome::Refused;
            if args.explain { writeln!(out, "refused: {refusal}")? } else { print(&mut out, &refusal)? }
        }
        // Who asks one case after another waits for each answer.
        out.flush()?;
    }
    Ok(ended)
}

/// One line of JSON.
pub fn print(out: &mut impl Write, answer: &impl Serialize) -> Result<(), CliError> {
    serde_json::to_writer(&mut *out, answer).map_err(|error| CliError::Output(error.into()))?;
    Ok(writeln!(out)?)
}

/// The word that the JSON has for it, as people write it.
pub fn word(value: &impl Serialize) -> Result<String, CliError> {
    let word = serde_json::to_value(value).map_err(|error| CliError::Output(error.into()))?;
    Ok(word.as_str().unwrap_or_default().replace('_', " "))
}
