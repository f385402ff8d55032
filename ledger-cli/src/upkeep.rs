//! `store`: looks after the database file.

use std::io::Write;
use std::path::PathBuf;

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
    /// Copies the store into a new file, while others go on using it, and checks the copy.
    Backup {
        /// The new file.
        to: PathBuf,
    },
    /// Makes the store that --store names from a backup, once every ledger in it is verified.
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
        Args::Backup { to } => {
            source.read_file().await?.backup(&to).await.map_err(source.blame())?;
            writeln!(stdout(), "{} is copied to {}; the copy is checked", source.name(), to.display())?;
            Ok(Outcome::Done)
        }
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

async fn restore(source: &Source, from: PathBuf) -> Result<Outcome, CliError> {
    let to = source.file()?;
    let backup = Source { target: Target::Sqlite(from.clone()), ledger: source.ledger.clone() };
    let store = backup.read_file().await?;
    for ledger in store.ledgers().await.map_err(backup.blame())? {
        let bar = bar("verify", store.head(&ledger).await.map_err(backup.blame())?.sequence);
        let verified = verify(&store, &ledger, None, |sequence| bar.set_position(sequence)).await;
        bar.finish_and_clear();
        verified.map_err(|error| match error {
            VerifyError::Store(error) => backup.blame()(error),
            bad => CliError::Refused(format!("{}: ledger {ledger} is not restored: {bad}", backup.name())),
        })?;
    }
    store.close().await;
    SqliteStore::restore(&from, to).await.map_err(source.blame())?;
    writeln!(stdout(), "{} is made from {}, whose ledgers are verified", source.name(), backup.name())?;
    Ok(Outcome::Done)
}
