//! `demo`: a sample organization, from its first deal to reconciled payouts. The requests are in `demo.jsonl`, which `apply`
//! takes as well; their keys are fixed, so the second run finds everything done.

use std::io::Write;

use ledger_core::engine::{Ledger, Receipt};
use ledger_core::event::Event;
use ledger_core::id::{LedgerName, PayoutId};
use ledger_core::projection::{All, Projected};
use ledger_core::verify::verify;
use ledger_core::{Request, payout};

use crate::Outcome;
use crate::apply::parse;
use crate::error::CliError;
use crate::output::{Format, stdout};
use crate::pipeline::head;
use crate::reconcile::{tell, with_itself};
use crate::replay::{from_zero, keep};
use crate::show::{caps, payees, payouts};
use crate::source::Source;
use crate::words::describe;

const REQUESTS: &str = include_str!("demo.jsonl");

/// The requests name payouts, whose identifiers are derived from the name of the ledger.
const LEDGER: &str = "main";

/// What the keys of a chapter begin with, its title, and what to look at in it.
const CHAPTERS: [(&str, &str, &str); 4] = [
    (
        "demo:1",
        "1. An organization: settings, payees, plans",
        "Ben and Cleo are on a flat plan. Ann is on a capped one: once the company has had 15,000 of her commissions in a\n\
         calendar year, the rest is hers, less 250 per deal.",
    ),
    (
        "demo:2",
        "2. Deals become earnings",
        "Deal d-103 reaches Ann's cap and is split at it. Deal d-104 comes after it: she pays the\n\
         fee, but only for her 60 % of the deal. Deal d-105 is reversed before anybody is paid, and leaves nothing.",
    ),
    (
        "demo:3",
        "3. Earnings become payouts",
        "Maria makes them, Omar approves, and neither can do both. Ann is paid by cheque. Ben's first payout is rejected;\n\
         his second fails at the bank and is handed over again as a new attempt. Cleo's bonus still waits for approval.",
    ),
    (
        "demo:4",
        "4. A sale is rescinded after it was paid",
        "What was paid is never changed: it becomes a clawback that the next payout recovers, and Ann's cap gets its room\n\
         back. Ben has nothing to set it off against yet, so he owes.",
    ),
];

/// Runs the demonstration.
pub async fn run(source: &Source) -> Result<Outcome, CliError> {
    if source.ledger.as_str() != LEDGER {
        return Err(CliError::Refused(format!("the demonstration uses ledger {LEDGER}: leave --ledger out")));
    }
    let requests: Vec<Request> = REQUESTS
        .lines()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(|bad| CliError::Refused(format!("the demonstration cannot be read: {bad}")))?;
    let writing = source.write().await?;
    let ended = walk(source, &writing.ledger, requests).await;
    writing.close().await;
    ended
}

async fn walk(source: &Source, ledger: &Ledger, requests: Vec<Request>) -> Result<Outcome, CliError> {
    refuse_other_content(source, ledger, &requests).await?;
    let before = head(source, ledger).await?;

    let mut out = stdout();
    let mut chapters = CHAPTERS.iter().peekable();
    for request in requests {
        if let Some((_, title, about)) = chapters.next_if(|(keys, ..)| request.key.as_str().starts_with(keys)) {
            writeln!(out, "\n{title}\n{about}\n")?;
        }
        let receipt = ledger.execute(request).await?;
        narrate(&mut out, &receipt)?;
        // It is read as it happens.
        out.flush()?;
    }

    writeln!(out, "\n5. What is refused\nNothing below is carried out; each is only tried.\n")?;
    for (what, request) in refused(&source.ledger)? {
        match ledger.preview(&request).await {
            Ok(_) => writeln!(out, "  {what}: would be accepted by now")?,
            Err(error) => writeln!(out, "  {what}: {error}")?,
        }
    }

    writeln!(out, "\n6. What the log comes to\n")?;
    let store = ledger.store().as_ref();
    let all = from_zero(store, &source.ledger).await?;
    let kept = keep(source, store, &all).await?;
    print(&mut out, &all)?;

    writeln!(out, "\n7. Does it hold?\n")?;
    let verified = verify(store, &source.ledger, None, |_| {}).await;
    let verified = verified.map_err(|error| CliError::Refused(error.to_string()))?;
    writeln!(out, "  verify: {} events of {} requests are what was written", verified.events, verified.requests)?;
    writeln!(out, "  replay: {} projections rebuilt and kept, fingerprint {}", All::NAMES.len(), all.fingerprint())?;
    let appended = head(source, ledger).await?.saturating_sub(before);
    match appended {
        0 => writeln!(out, "  all of it was there already: 0 events were appended")?,
        events => writeln!(out, "  {events} events were appended; run it again, and none will be")?,
    }
    if let Some(payout) = first_payout(&source.ledger) {
        writeln!(out, "  next: payledger show payouts, payledger explain payout {payout}, payledger events")?;
    }
    let (_, report) = with_itself(source, store).await?;
    write!(out, "\n  reconcile: ")?;
    tell(&mut out, &report, Format::Table)?;
    out.flush()?;
    Ok(if report.is_clean() { kept } else { Outcome::Differences })
}

/// A ledger with other content is somebody's own, and a demonstration has no business in it.
async fn refuse_other_content(source: &Source, ledger: &Ledger, requests: &[Request]) -> Result<(), CliError> {
    let log = ledger.store().read_log(ledger.name(), 0, 1).await.map_err(source.blame())?;
    match (log.requests.first(), requests.first()) {
        (Some(theirs), Some(ours)) if theirs.key != ours.key.as_str() => Err(CliError::Refused(format!(
            "{} has a ledger {LEDGER} of its own, which the demonstration leaves alone: name another store with --store",
            source.name()
        ))),
        _ => Ok(()),
    }
}

fn narrate(out: &mut impl Write, receipt: &Receipt) -> Result<(), CliError> {
    let facts = receipt.events.iter().filter(|recorded| !is_repetition(&recorded.event));
    for (index, recorded) in facts.enumerate() {
        let mark = if index == 0 { "  -" } else { "   " };
        writeln!(out, "{mark} {}", describe(&recorded.event))?;
    }
    Ok(())
}

/// What the event beside it says as well.
fn is_repetition(event: &Event) -> bool {
    use ledger_core::account::Event as Entry;
    matches!(
        event,
        Event::Account(Entry::EntriesClaimed { .. } | Entry::EntriesPaid { .. })
            | Event::Payout(payout::Event::ReferenceTaken { .. } | payout::Event::BulkApproved { .. })
    )
}

/// Requests that a ledger never carries out, with what they are in words.
fn refused(ledger: &LedgerName) -> Result<Vec<(&'static str, Request)>, CliError> {
    let bonus = payout_of(ledger, "demo:3-bonus-cleo")?;
    let paid = payout_of(ledger, "demo:3-create-ann")?;
    let line = |what, actor: &str, command: String| {
        let line =
            format!(r#"{{"key":"demo:try","actor":"{actor}","at":"2026-03-04T09:00:00Z","command":{{{command}}}}}"#);
        parse(&line).map(|request| (what, request)).map_err(|bad| CliError::Refused(bad.to_string()))
    };
    [
        line("Maria approves what she made", "maria", format!(r#""payout.approve":{{"payout":"{bonus}"}}"#)),
        line("Cleo approves what she is paid", "cleo", format!(r#""payout.approve":{{"payout":"{bonus}"}}"#)),
        line(
            "Ann is paid a second time",
            "maria",
            format!(
                r#""payout.record_manual_payment":{{"payout":"{paid}","method":"cheque","reference":"1002","account":"operating"}}"#
            ),
        ),
        line("Ben is paid while he owes", "maria", r#""payout.create":{"payee":"ben"}"#.into()),
        line(
            "A deal that nobody's plan covers",
            "desk",
            r#""deal.record":{"deal":"d-099","gci":{"amount":"9000.00 USD"},"attribution":{"equal":["ann"]},"completed_on":"2025-12-31"}"#
                .into(),
        ),
    ]
    .into_iter()
    .collect()
}

fn payout_of(ledger: &LedgerName, key: &str) -> Result<PayoutId, CliError> {
    let key = key.parse().map_err(|error| CliError::Refused(format!("{error}")))?;
    Ok(PayoutId::derive(ledger, &key, 0))
}

fn first_payout(ledger: &LedgerName) -> Option<PayoutId> {
    payout_of(ledger, "demo:3-create-ann").ok()
}

fn print(out: &mut impl Write, all: &Projected<All>) -> Result<(), CliError> {
    let All { register, summary, caps: progress, .. } = all.state();
    for mut table in [payees(summary), caps(progress), payouts(register)] {
        table.print(out, Format::Table)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ledger_core::command::Command;

    use super::*;

    #[test]
    fn every_payout_that_is_named_is_one_that_is_made() {
        let requests: Vec<Request> = REQUESTS.lines().map(|line| parse(line).unwrap()).collect();
        let ledger = LedgerName::new(LEDGER).unwrap();
        let made = |request: &Request| {
            matches!(
                &request.command,
                Command::Payout(payout::Command::Create { .. } | payout::Command::CreateManual { .. })
            )
        };
        let made: Vec<_> = requests
            .iter()
            .filter(|request| made(request))
            .map(|request| PayoutId::derive(&ledger, &request.key, 0).to_string())
            .collect();
        for line in REQUESTS.lines().filter_map(|line| line.split_once(r#""payout":""#)) {
            let named = line.1.split('"').next().unwrap();
            assert!(made.iter().any(|payout| payout == named), "{named}");
        }
        assert_eq!(made.len(), 6);
    }
}
