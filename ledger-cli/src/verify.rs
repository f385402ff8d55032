//! `verify`: whether the log is still what was written.

use std::io::Write;
use std::str::FromStr;

use ledger_core::chain::Digest;
use ledger_core::store::Head;
use ledger_core::verify::{Finding, Verified, Verifier, VerifyError};

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, stdout, text};
use crate::progress::bar;
use crate::source::Source;

/// What `verify` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A head that was kept elsewhere: what an earlier verify printed. It must be on the chain.
    #[arg(long, value_name = "SEQUENCE:LINK")]
    head: Option<KeptHead>,
    /// Also folds every stream, which finds histories that cannot be. Takes the memory of all of them.
    #[arg(long)]
    deep: bool,
}

/// A head that was kept elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct KeptHead {
    sequence: u64,
    link: Digest,
}

impl FromStr for KeptHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write SEQUENCE:LINK, the link as 64 hexadecimal digits";
        let (sequence, link) = text.split_once(':').ok_or(wrong)?;
        let sequence = sequence.parse().map_err(|_| wrong)?;
        Ok(Self { sequence, link: Digest::from_hex(link).ok_or(wrong)? })
    }
}

/// Verifies the ledger and says what was found.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let events = store.head(&source.ledger).await.map_err(source.blame())?.sequence;
    let mut verifier = Verifier::new(&source.ledger);
    if let Some(KeptHead { sequence, link }) = args.head {
        verifier = verifier.expecting(sequence, link);
    }
    if args.deep {
        verifier = verifier.deep();
    }
    let bar = bar("verify", events);
    let verified = verifier.run(store.as_ref(), |sequence| bar.set_position(sequence)).await;
    bar.finish_and_clear();
    match verified {
        Ok(verified) => told(verified, format),
        Err(VerifyError::Found(finding)) => found(&finding, format),
        Err(VerifyError::Store(error)) => Err(source.blame()(error)),
        Err(error) => Err(CliError::Refused(error.to_string())),
    }
}

fn told(verified: Verified, format: Format) -> Result<Outcome, CliError> {
    let Verified { events, requests, head: Head { sequence, link, .. } } = verified;
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "verified: {events} events of {requests} requests are what was written")?;
        writeln!(out, "head {sequence}:{link}")?;
        writeln!(out, "Keep the head elsewhere: verify --head then proves that nobody rewrote what is before it.")?;
    } else {
        let mut table = Table::new(&["verified", "events", "requests", "head"]);
        table.row(vec![text("yes"), Cell::Count(events), Cell::Count(requests), text(format!("{sequence}:{link}"))]);
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn found(finding: &Finding, format: Format) -> Result<Outcome, CliError> {
    let Finding { sequence, kind, what } = finding;
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "NOT verified: record {sequence} is bad, {kind}: {what}")?;
        writeln!(
            out,
            "Every request before its own is what was written. Stop writing, keep the store as it is, compare it with a backup."
        )?;
    } else {
        let mut table = Table::new(&["verified", "sequence", "kind", "what"]);
        table.row(vec![text("no"), Cell::Count(*sequence), text(kind), text(what)]);
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(Outcome::Differences)
}
