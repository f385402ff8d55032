//! `reconcile`: compares the log with its own laws, with the states that `replay` kept, and with an exported register.

use std::io::Write;
use std::path::PathBuf;

use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::register::Register;
use ledger_core::projection::{All, replay};
use ledger_core::reconcile::{Report, Severity, checkpoint, log, register};
use ledger_core::store::Store;

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, perhaps, stdout, text};
use crate::progress::bar;
use crate::source::Source;
use crate::words::instant;

/// What `reconcile` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A register that `export register` wrote, to be compared as well.
    #[arg(long, value_name = "FILE.csv")]
    register: Option<PathBuf>,
}

/// Reconciles the ledger and tells every difference.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let (kept, mut report) = with_itself(source, store.as_ref()).await?;
    if let Some(path) = &args.register {
        report = report.and(with_register(source, store.as_ref(), path).await?);
    }
    if kept == 0 {
        let _ =
            writeln!(std::io::stderr(), "no states are kept yet, so none were compared: payledger replay keeps them");
    }
    let mut out = stdout();
    tell(&mut out, &report, format)?;
    out.flush()?;
    Ok(if report.is_clean() { Outcome::Done } else { Outcome::Differences })
}

/// The ledger with its laws and its kept states, of which it also says how many there are.
pub async fn with_itself(source: &Source, store: &dyn Store) -> Result<(usize, Report), CliError> {
    let bar = bar("laws", 0);
    let laws = log::check(store, &source.ledger, PAGE_EVENTS, |progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.sequence);
    });
    let laws = laws.await;
    bar.finish_and_clear();
    let states = checkpoint::against_store(store, &source.ledger, PAGE_EVENTS).await?;
    let mut kept = 0;
    for name in All::NAMES {
        kept += usize::from(store.load_checkpoint(&source.ledger, name).await.map_err(source.blame())?.is_some());
    }
    Ok((kept, laws?.and(states)))
}

async fn with_register(source: &Source, store: &dyn Store, path: &PathBuf) -> Result<Report, CliError> {
    let name = path.display().to_string();
    let csv = std::fs::read(path).map_err(|error| CliError::File { path: name.clone(), source: error })?;
    let ours = replay::replay(store, &source.ledger, Default::default(), PAGE_EVENTS, |_| {}).await?;
    let ours: Register = ours.into_state();
    register::against(&ours, &csv).map_err(|error| CliError::Refused(format!("{name}: {error}")))
}

/// Prints a report.
pub fn tell(out: &mut impl Write, report: &Report, format: Format) -> Result<(), CliError> {
    let columns = &["severity", "class", "against", "key", "field", "ledger", "other", "at_stake", "event", "since"];
    let mut table = Table::new(columns);
    for difference in report.differences() {
        table.row(vec![
            text(match difference.severity() {
                Severity::Notice => "notice",
                Severity::Warning => "warning",
                Severity::Error => "error",
            }),
            text(difference.class),
            text(format!("{:?}", difference.against).to_lowercase()),
            text(&difference.key),
            text(&difference.field),
            text(&difference.ledger),
            text(&difference.other),
            perhaps(difference.at_stake),
            difference.sequence.map_or_else(|| text(""), Cell::Count),
            perhaps(difference.since.map(instant)),
        ]);
    }
    if format != Format::Table {
        return table.print(out, format);
    }
    if !report.is_clean() {
        table.print(out, format)?;
        for (currency, at_stake) in report.exposure() {
            writeln!(out, "at stake: {} {currency}", at_stake.show(currency))?;
        }
        writeln!(out, "report {}", report.hash())?;
    }
    let count = report.differences().len();
    Ok(writeln!(out, "{count} {}", if count == 1 { "discrepancy" } else { "discrepancies" })?)
}
