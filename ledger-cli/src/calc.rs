//! `calc`: cases in, one a line, and what each comes to out, at the same place. It needs no store.

use std::io::Write;
use std::path::PathBuf;

use ledger_core::calc::{self, DealOutcome, Outcome, Refusal};
use ledger_core::waterfall::{Calculated, Rejection, Rule};
use serde::Serialize;

use crate::apply::open;
use crate::error::CliError;
use crate::lines::Lines;
use crate::output::{self, Format, Table, number, text};

/// What `calc` is asked.
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
    /// Prints a case to begin with: half a year of one payee who reaches the cap.
    #[arg(long, conflicts_with_all = ["file", "explain"])]
    example: bool,
}

const SCHEMA: &str = include_str!("../schema/calc.json");
const EXAMPLE: &str = include_str!("../schema/calc-example.jsonl");

/// A year of a large office is far shorter.
const CASE_BYTES: usize = 16 * 1024 * 1024;

/// Calculates the cases of a file.
pub fn run(args: &Args) -> Result<crate::Outcome, CliError> {
    let mut out = output::stdout();
    let Some(file) = &args.file else {
        out.write_all(if args.schema { SCHEMA } else { EXAMPLE }.as_bytes())?;
        out.flush()?;
        return Ok(crate::Outcome::Done);
    };
    let (name, input) = open(file)?;
    let mut lines = Lines::of_at_most(CASE_BYTES, input);
    let mut ended = crate::Outcome::Done;
    while let Some((_, line)) = lines.next().map_err(|source| CliError::File { path: name.clone(), source })? {
        let case = line.map_err(|bad| malformed(&bad.to_string())).and_then(|text| calc::read(&text));
        let outcome = case.as_ref().map_err(Clone::clone).and_then(calc::run);
        if outcome.is_err() {
            ended = crate::Outcome::Refused;
        }
        match (&outcome, args.explain) {
            (Ok(outcome), false) => writeln!(out, "{}", json(outcome)?)?,
            (Err(refusal), false) => writeln!(out, "{}", json(refusal)?)?,
            (Ok(outcome), true) => explain(&mut out, outcome)?,
            (Err(refusal), true) => writeln!(out, "refused: {refusal}")?,
        }
        // Who asks one case after another waits for each answer.
        out.flush()?;
    }
    Ok(ended)
}

fn malformed(reason: &str) -> Refusal {
    Refusal { case: None, rejection: Rejection { at: String::new(), rule: Rule::Malformed(reason.to_owned()) } }
}

fn json(answer: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(answer).map_err(|error| CliError::Output(error.into()))
}

/// Who has what of each side, and why.
fn explain(out: &mut impl Write, outcome: &Outcome<'_>) -> Result<(), CliError> {
    if let Some(case) = outcome.case {
        writeln!(out, "{case}")?;
    }
    for DealOutcome { deal, sides } in &outcome.deals {
        for side in sides {
            writeln!(out, "\n{deal}, {} side: {} of a commission of {}", word(&side.side)?, side.net, side.gci)?;
            lines(out, side)?;
        }
    }
    if outcome.caps.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut caps = Table::new(&["cap", "of", "cap_year", "limit", "contributed", "room", "progress"]);
    for cap in &outcome.caps {
        let amounts = [cap.limit, cap.contributed, cap.room].map(|amount| number(amount.amount()));
        let account = [text(&cap.account.programme), text(&cap.account.of), text(cap.account.year)];
        caps.row(account.into_iter().chain(amounts).chain([number(cap.progress)]).collect());
    }
    caps.print(out, Format::Table)
}

fn lines(out: &mut impl Write, side: &Calculated<'_>) -> Result<(), CliError> {
    let mut lines = Table::new(&["what", "who", "amount", "because"]);
    for line in &side.lines {
        let what = match line.name {
            Some(name) => format!("{} {name}", word(&line.kind)?),
            None => word(&line.kind)?,
        };
        lines.row(vec![text(what), text(&line.party), number(line.amount.amount()), text(line.because)]);
    }
    lines.print(out, Format::Table)
}

/// The word that the JSON has for it.
fn word(value: &impl Serialize) -> Result<String, CliError> {
    let word = serde_json::to_value(value).map_err(|error| CliError::Output(error.into()))?;
    Ok(word.as_str().unwrap_or_default().replace('_', " "))
}
