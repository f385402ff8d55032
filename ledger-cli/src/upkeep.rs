//! `store`: looks after the database.

use std::io::{self, Write};
use std::path::PathBuf;

use ledger_core::id::LedgerName;
use ledger_core::store::{Head, Store};
use ledger_core::verify::{VerifyError, verify};
use ledger_postgres::{PgStore, Roles};
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
    /// Looks for everything about the database that is not as it should be. What is inside the rows is for `verify`.
    Check,
    /// Moves the tables between versions: all steps or none, and never an event lost.
    #[command(subcommand)]
    Migrate(Migrate),
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

/// What `store migrate` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Migrate {
    /// Says of which version the tables are, and which this program uses.
    Status,
    /// Makes the tables, or moves them up to the version that this program uses.
    Up {
        /// The version, if not the newest.
        #[arg(long)]
        to: Option<u32>,
        /// Prints the SQL that would run, and changes nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        roles: Named,
    },
    /// Moves the tables down by one version. What is derived goes and is made again; where events would go, it is refused.
    Down {
        /// The version, if not the one before.
        #[arg(long)]
        to: Option<u32>,
        /// Prints the SQL that would run, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The roles of a PostgreSQL database; they must exist.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The role that owns the tables, best without a login.
    #[arg(long, value_name = "ROLE")]
    owner: Option<String>,
    /// The role that appends and reads.
    #[arg(long, value_name = "ROLE")]
    application: Option<String>,
    /// A role that reads the ledgers listed for it in payledger.reporting_ledgers.
    #[arg(long, value_name = "ROLE")]
    reporting: Option<String>,
}

/// Looks after the store.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    match args {
        Args::Status => status(source, format).await,
        Args::Check => check(source, format).await,
        Args::Migrate(Migrate::Status) => migrate_status(source, format).await,
        Args::Migrate(Migrate::Up { to, dry_run, roles }) => {
            let roles = Roles { owner: roles.owner, application: roles.application, reporting: roles.reporting };
            up(source, to, dry_run, &roles).await
        }
        Args::Migrate(Migrate::Down { to, dry_run }) => down(source, to, dry_run).await,
        Args::Backup { to } => backup(source, to).await,
        Args::Restore { from } => restore(source, from).await,
    }
}

async fn status(source: &Source, format: Format) -> Result<Outcome, CliError> {
    let store = source.open().await?;
    let mut table = Table::new(&["ledger", "events", "last_recorded_at", "head"]);
    for ledger in store.ledgers().await.map_err(source.blame())? {
        let Head { sequence, link, recorded_at_us } = store.head(&ledger).await.map_err(source.blame())?;
        let at = chrono::DateTime::from_timestamp_micros(recorded_at_us).map(instant).unwrap_or_default();
        table.row(vec![text(&ledger), Cell::Count(sequence), text(at), text(format!("{sequence}:{link}"))]);
    }
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "{}: tables of version {}, {} ledgers", source.name(), version(source).await?, table.len())?;
    }
    table.print(&mut out, format)?;
    out.flush()?;
    Ok(Outcome::Done)
}

async fn check(source: &Source, format: Format) -> Result<Outcome, CliError> {
    let mut table = Table::new(&["object", "problem", "remedy"]);
    if let Target::Postgres(address) = &source.target {
        let store = PgStore::connect_lazy(address.url()).map_err(source.blame())?;
        for finding in store.check().await.map_err(source.blame())? {
            table.row(vec![text(finding.object), text(finding.problem), text(finding.remedy)]);
        }
    } else {
        for finding in source.read_file().await?.check().await.map_err(source.blame())? {
            table.row(vec![text(finding.object), text(finding.problem), text(finding.remedy)]);
        }
    }
    let sound = table.len() == 0;
    let mut out = stdout();
    if sound && format == Format::Table {
        writeln!(out, "{}: the tables are as they should be; the rows are for verify", source.name())?;
    } else {
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(if sound { Outcome::Done } else { Outcome::Differences })
}

/// The version of the tables; 0 where there are none.
async fn version(source: &Source) -> Result<u32, CliError> {
    match &source.target {
        Target::Postgres(address) => PgStore::version(address.url()).await.map_err(source.blame()),
        _ if !source.file()?.exists() => Ok(0),
        _ => SqliteStore::version(source.file()?).await.map_err(source.blame()),
    }
}

/// The version that this program uses.
fn newest(source: &Source) -> u32 {
    match source.target {
        Target::Postgres(_) => ledger_postgres::SCHEMA_VERSION,
        _ => ledger_sqlite::SCHEMA_VERSION,
    }
}

async fn migrate_status(source: &Source, format: Format) -> Result<Outcome, CliError> {
    let (found, newest) = (version(source).await?, newest(source));
    let mut out = stdout();
    if format == Format::Table {
        let advice = match found {
            0 => "there are no tables yet: store migrate up",
            _ if found < newest => "back it up, then: store migrate up",
            _ => "there is nothing to do",
        };
        writeln!(out, "{}: tables of version {found}, this program uses {newest}; {advice}", source.name())?;
    } else {
        let mut table = Table::new(&["version", "newest"]);
        table.row(vec![Cell::Count(found.into()), Cell::Count(newest.into())]);
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

async fn up(source: &Source, to: Option<u32>, dry_run: bool, roles: &Roles) -> Result<Outcome, CliError> {
    let (found, to) = (version(source).await?, to.unwrap_or_else(|| newest(source)));
    if to < found {
        return Err(CliError::Refused(format!(
            "the tables are of version {found} already: store migrate down leads back"
        )));
    }
    migrate(source, to, dry_run, roles).await
}

async fn down(source: &Source, to: Option<u32>, dry_run: bool) -> Result<Outcome, CliError> {
    let found = version(source).await?;
    let to = match to.or_else(|| found.checked_sub(1)) {
        Some(to) if to < found => to,
        _ => {
            return Err(CliError::Refused(format!("the tables are of version {found}: no step leads down from there")));
        }
    };
    migrate(source, to, dry_run, &Roles::default()).await
}

async fn migrate(source: &Source, to: u32, dry_run: bool, roles: &Roles) -> Result<Outcome, CliError> {
    let mut out = stdout();
    match &source.target {
        Target::Postgres(address) if dry_run => {
            let plan = PgStore::plan(address.url(), to, roles).await.map_err(source.blame())?;
            out.write_all(plan.as_bytes())?;
        }
        Target::Postgres(address) => {
            PgStore::migrate(address.url(), to, roles).await.map_err(source.blame())?;
        }
        _ if *roles != Roles::default() => {
            return Err(CliError::Refused(format!("{}: a file has no roles: leave them out", source.name())));
        }
        _ if dry_run => {
            let plan = SqliteStore::plan(source.file()?, to).await.map_err(source.blame())?;
            out.write_all(plan.as_bytes())?;
        }
        _ => SqliteStore::migrate(source.file()?, to).await.map_err(source.blame())?,
    }
    if !dry_run {
        writeln!(out, "{}: tables of version {to}", source.name())?;
    }
    out.flush()?;
    Ok(Outcome::Done)
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
