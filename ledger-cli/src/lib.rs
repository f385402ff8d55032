//! `payledger`: the payout and commission ledger for people at a terminal.
//!
//! A library so that what reads other people's files can be held to laws; see [`import`]. One file a command. Each opens the store, does one thing with the library, and says what came of it: exit code 0 when all is
//! well, 1 when a comparison found differences, 2 when something was refused or could not be done.

mod apply;
mod attribute;
mod bench;
mod calc;
mod cases;
mod copy;
mod demo;
mod error;
mod events;
mod explain;
mod export;
pub mod import;
mod lines;
mod output;
mod pipeline;
mod progress;
mod reconcile;
mod replay;
mod rows;
mod show;
mod sold;
mod source;
mod upkeep;
mod verify;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ledger_core::id::LedgerName;

use crate::attribute::Attribute;
use crate::calc::Calc;
use crate::error::CliError;
use crate::output::Format;
use crate::source::{Source, Target};

/// Records who earned what, under which plan and cap, and what was paid.
#[derive(Debug, Parser)]
#[command(name = "payledger", version, propagate_version = true)]
struct Cli {
    /// Where the ledgers are kept: sqlite:PATH, postgres://USER@HOST/DATABASE?sslmode=verify-full (the password from PGPASSWORD
    /// or ~/.pgpass), or memory: to try things out.
    #[arg(long, global = true, default_value = "sqlite:./ledger.db", value_name = "STORE")]
    store: Target,
    /// Which ledger of the store.
    #[arg(long, global = true, default_value = "main", value_name = "NAME")]
    ledger: LedgerName,
    /// Tables for people, JSON lines or CSV for programs.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Walks a sample organization from its deals to reconciled payouts. Running it again appends nothing.
    Demo,
    /// Carries out requests from a file of JSON lines, and prints one receipt per line.
    Apply(apply::Args),
    /// Records deals from a table.
    #[command(subcommand)]
    Import(import::Args),
    /// Calculates deals under plans, without a store: one JSON case per line in, one result per line out.
    Calc(cases::Args),
    /// Attributes deals to those who touched them, and says what that pays, without a store: one JSON case per line in, one
    /// result per line out.
    Attribute(cases::Args),
    /// Lists the facts of the log.
    Events(events::Args),
    /// Shows what the log comes to.
    Show(show::Args),
    /// Explains one number: its inputs, its rule, its plan version.
    #[command(subcommand)]
    Explain(explain::Args),
    /// Rebuilds every projection from the log, and keeps the result for `reconcile`.
    Replay,
    /// Measures what reading the ledger and folding each projection costs on this machine.
    Bench(bench::Args),
    /// Checks that the log is what was written.
    Verify(verify::Args),
    /// Compares the log with what others say of it.
    Reconcile(reconcile::Args),
    /// Writes the ledger in forms that other programs read.
    #[command(subcommand)]
    Export(export::Args),
    /// Looks after the database.
    #[command(subcommand)]
    Store(upkeep::Args),
}

/// How a command ended that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Done,
    /// A comparison found differences.
    Differences,
    /// Some of the input was refused; the errors are told already.
    Refused,
}

/// Runs the program: reads its arguments, does what they ask, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let store = cli.store.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(CliError::from).and_then(|runtime| runtime.block_on(run(cli)));
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differences) => ExitCode::from(1),
        Ok(Outcome::Refused) => ExitCode::from(2),
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = match error {
                error if error.is_broken_pipe() => Ok(()),
                error if error.is_of_the_store() => writeln!(std::io::stderr(), "payledger: {store}: {error}"),
                error => writeln!(std::io::stderr(), "payledger: {error}"),
            };
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<Outcome, CliError> {
    let source = Source { target: cli.store, ledger: cli.ledger };
    match cli.command {
        Command::Demo => demo::run(&source).await,
        Command::Apply(args) => apply::run(&source, args).await,
        Command::Import(args) => import::run(&source, args).await,
        Command::Calc(args) => cases::run::<Calc>(&args),
        Command::Attribute(args) => cases::run::<Attribute>(&args),
        Command::Events(args) => events::run(&source, args, cli.format).await,
        Command::Show(args) => show::run(&source, args, cli.format).await,
        Command::Explain(args) => explain::run(&source, args, cli.format).await,
        Command::Replay => replay::run(&source, cli.format).await,
        Command::Bench(args) => bench::run(&source, args, cli.format).await,
        Command::Verify(args) => verify::run(&source, args, cli.format).await,
        Command::Reconcile(args) => reconcile::run(&source, args, cli.format).await,
        Command::Export(args) => export::run(&source, args).await,
        Command::Store(args) => upkeep::run(&source, args, cli.format).await,
    }
}
