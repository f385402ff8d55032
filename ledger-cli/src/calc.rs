//! `calc`: who has what of a deal, under which plan.

use std::io::Write;

use ledger_core::calc::{self, CapOutcome, DealOutcome, Outcome, Refusal};
use ledger_core::waterfall::{Calculated, Rejection, Rule};

use crate::cases::{Calculator, print, word};
use crate::error::CliError;
use crate::output::{Format, Table, number, text};

/// Plans, payees and a year of deals.
pub struct Calc;

impl Calculator for Calc {
    type Refusal = Refusal;

    const SCHEMA: &str = include_str!("../schema/calc.json");
    const EXAMPLE: &str = include_str!("../schema/calc-example.jsonl");

    fn answer(case: &str, in_words: bool, out: &mut impl Write) -> Result<Result<(), Refusal>, CliError> {
        let case = match calc::read(case) {
            Ok(case) => case,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match calc::run(&case) {
            Ok(outcome) if in_words => explain(out, &outcome).map(Ok),
            Ok(outcome) => print(out, &outcome).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn malformed(reason: String) -> Refusal {
        Refusal { case: None, rejection: Rejection { at: String::new(), rule: Rule::Malformed(reason) } }
    }
}

fn explain(out: &mut impl Write, outcome: &Outcome<'_>) -> Result<(), CliError> {
    for DealOutcome { deal, sides } in &outcome.deals {
        for side in sides {
            let shared = if side.net == side.gci { String::new() } else { format!(", {} to share", side.net) };
            writeln!(out, "{deal}, {} side: {}{shared}", word(&side.side)?, side.gci)?;
            lines(out, side)?;
        }
    }
    if outcome.caps.is_empty() {
        return Ok(());
    }
    let mut caps = Table::new(&["cap", "of", "cap_year", "limit", "contributed", "room", "progress"]);
    for CapOutcome { account, limit, contributed, room, progress, .. } in &outcome.caps {
        let amounts = [limit, contributed, room].map(|amount| number(amount.amount()));
        let account = [text(&account.programme), text(&account.of), text(account.year)];
        caps.row(account.into_iter().chain(amounts).chain([number(progress)]).collect());
    }
    caps.print(out, Format::Table)
}

/// Who has what of a side, and why.
fn lines(out: &mut impl Write, side: &Calculated<'_>) -> Result<(), CliError> {
    let mut lines = Table::new(&["  what", "who", "amount", "because"]);
    let mut parts = side.parts.iter().peekable();
    for line in &side.lines {
        // A part is told before what becomes of it.
        while let Some(part) = parts.next_if(|part| line.of == Some(part.payee)) {
            lines.row(vec![text("  part"), text(part.payee), number(part.part.amount()), text(part)]);
        }
        let what = line.name.map_or_else(String::new, |name| format!(": {name}"));
        let what = format!("  {}{what}", word(&line.kind)?);
        lines.row(vec![text(what), text(&line.party), number(line.amount.amount()), text(line.because)]);
    }
    lines.print(out, Format::Table)
}
