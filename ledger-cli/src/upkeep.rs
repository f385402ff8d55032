//! `store`: looks after the database file.

use std::io::{self, Write};
use std::path::PathBuf;

use ledger_core::id::LedgerName;
use ledger_core::store::{Head, Store};
use ledger_core::verify::{VerifyError, verify};
use ledger_sqlite::SqliteStore;

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, stdout, text};
use crate::progress::bar;
use crate::source::{Source, Target};
use crate::words::instant;

/// What `store` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Says which ledgers the store has, and where they end.
    Status,
    /// Looks for everything about the file that is not as it should be. What is inside the rows is for `verify`.
    Check,
    /// Copies the store into a new file, while others go on using it, and verifies every ledger of the copy.
    Backup {
        /// The new file.
        to: PathBuf,
    },
    /// Makes the store that --store names from a backup, once every ledger in it is verified, and verifies the copy too.
    Restore {
        /// The backup.
        from: PathBuf,
    },
}

/// Looks after the store.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    match args {
        Args::Status => status(source, format).await,
        Args::Check => check(source, format).await,
        Args::Backup { to } => backup(source, to).await,
        Args::Restore { from } => restore(source, from).await,
    }
}

async fn status(source: &Source, format: Format) -> Result<Outcome, CliError> {
    let store = source.read_file().await?;
    let mut table = Table::new(&["ledger", "events", "last_recorded_at", "head"]);
    for ledger in store.ledgers().await.map_err(source.blame())? {
        let Head { sequence, link, recorded_at_us } = store.head(&ledger).await.map_err(source.blame())?;
        let at = chrono::DateTime::from_timestamp_micros(recorded_at_us).map(instant).unwrap_or_default();
        table.row(vec![text(&ledger), Cell::Count(sequence), text(at), text(format!("{sequence}:{link}"))]);
    }
    let mut out = stdout();
    if format == Format::Table {
        let version = SqliteStore::version(source.file()?).await.map_err(source.blame())?;
        writeln!(out, "{}: tables of version {version}, {} ledgers", source.name(), table.len())?;
    }
    table.print(&mut out, format)?;
    out.flush()?;
    Ok(Outcome::Done)
}

async fn check(source: &Source, format: Format) -> Result<Outcome, CliError> {
    let findings = source.read_file().await?.check().await.map_err(source.blame())?;
    let mut table = Table::new(&["object", "problem", "remedy"]);
    for finding in &findings {
        table.row(vec![text(&finding.object), text(&finding.problem), text(finding.remedy)]);
    }
    let mut out = stdout();
    if findings.is_empty() && format == Format::Table {
        writeln!(out, "{}: the file and its tables are as they should be; the rows are for verify", source.name())?;
    } else {
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(if findings.is_empty() { Outcome::Done } else { Outcome::Differences })
}

async fn backup(source: &Source, to: PathBuf) -> Result<Outcome, CliError> {
    let store = source.read_file().await?;
    let made = store.backup(&to).await.map_err(source.blame());
    store.close().await;
    made?;
    let copy = Source { target: Target::Sqlite(to), ledger: source.ledger.clone() };
    let verified = verify_all(&copy).await?;
    tell(&format!("{} is copied to {}", source.name(), copy.name()), verified)
}

async fn restore(source: &Source, from: PathBuf) -> Result<Outcome, CliError> {
    let to = source.file()?;
    let backup = Source { target: Target::Sqlite(from.clone()), ledger: source.ledger.clone() };
    // What does not verify is not copied at all.
    if verify_all(&backup).await?.is_none() {
        return Ok(Outcome::Differences);
    }
    SqliteStore::restore(&from, to).await.map_err(source.blame())?;
    let verified = verify_all(source).await?;
    tell(&format!("{} is made from {}", source.name(), backup.name()), verified)
}

/// Verifies every ledger of a store. None when one does not verify, which is told.
async fn verify_all(source: &Source) -> Result<Option<Vec<LedgerName>>, CliError> {
    let store = source.read_file().await?;
    let ledgers = verify_each(source, &store).await;
    store.close().await;
    ledgers
}

async fn verify_each(source: &Source, store: &SqliteStore) -> Result<Option<Vec<LedgerName>>, CliError> {
    let ledgers = store.ledgers().await.map_err(source.blame())?;
    let mut all = true;
    for ledger in &ledgers {
        let bar = bar("verify", store.head(ledger).await.map_err(source.blame())?.sequence);
        let verified = verify(store, ledger, None, |sequence| bar.set_position(sequence)).await;
        bar.finish_and_clear();
        match verified {
            Ok(_) => {}
            Err(VerifyError::Store(error)) => return Err(source.blame()(error)),
            Err(bad) => {
                all = false;
                let _ = writeln!(io::stderr(), "payledger: {}: ledger {ledger} is NOT verified: {bad}", source.name());
            }
        }
    }
    Ok(all.then_some(ledgers))
}

fn tell(copied: &str, verified: Option<Vec<LedgerName>>) -> Result<Outcome, CliError> {
    let (found, outcome) = match verified.as_deref() {
        Some([]) => ("there is no ledger in it".into(), Outcome::Done),
        Some(ledgers) => {
            let names: Vec<_> = ledgers.iter().map(LedgerName::as_str).collect();
            (format!("every ledger is verified in the copy: {}", names.join(", ")), Outcome::Done)
        }
        None => (
            "not every ledger of the copy is what was written; it is kept to be looked at".into(),
            Outcome::Differences,
        ),
    };
    writeln!(stdout(), "{copied}; {found}")?;
    Ok(outcome)
}
