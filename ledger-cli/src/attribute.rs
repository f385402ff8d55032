//! `attribute`: who gets credit for a deal, and what that pays.

use std::io::Write;

use ledger_core::attribute::{self, Attributed, Credit, Entry, Outcome, Refusal};
use ledger_core::credit::refuse::Fault;

use crate::cases::{Calculator, print, word};
use crate::error::CliError;
use crate::output::{Format, Table, number, text};

/// Models, rate plans, and deals with their touches.
pub struct Attribute;

impl Calculator for Attribute {
    type Refusal = Refusal;

    const SCHEMA: &str = include_str!("../schema/attribute.json");
    const EXAMPLE: &str = include_str!("../schema/attribute-example.jsonl");

    fn answer(case: &str, in_words: bool, out: &mut impl Write) -> Result<Result<(), Refusal>, CliError> {
        match attribute::read(case).and_then(|case| attribute::run(&case)) {
            Ok(outcome) if in_words => explain(out, &outcome).map(Ok),
            Ok(outcome) => print(out, &outcome).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn malformed(reason: String) -> Refusal {
        Refusal { case: None, rejection: Fault::Malformed(reason).at("") }
    }
}

fn explain(out: &mut impl Write, outcome: &Outcome) -> Result<(), CliError> {
    for Attributed { deal, model, touches, unattributed, credits, house, overlays, entries } in &outcome.deals {
        let nobody = if *unattributed { ", and is nobody's" } else { "" };
        writeln!(out, "{deal}: {touches} touches count under {model}{nobody}")?;
        let mut table = Table::new(&["  what", "who", "amount", "because"]);
        for (what, credits) in [("  credit", credits), ("  overlay", overlays)] {
            for Credit { payee, amount, because } in credits {
                table.row(vec![text(what), text(payee), number(amount.amount()), text(because)]);
            }
        }
        if let Some(house) = house {
            table.row(vec![
                text("  credit"),
                text("the house"),
                number(house.amount()),
                text("what no weight is given for"),
            ]);
        }
        for Entry { payee, kind, amount, because, .. } in entries {
            let what = format!("  {} entry", word(kind)?);
            table.row(vec![text(what), text(payee), number(amount.amount()), text(because)]);
        }
        if table.len() > 0 {
            table.print(out, Format::Table)?;
        }
    }
    Ok(())
}
