//! `apply`: requests as JSON lines, carried out in order. One that is refused changes nothing and holds up no other; running
//! the file again does the rest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use ledger_core::command::{Command, Request};
use ledger_core::id::{Actor, Key};
use serde::Deserialize;

use crate::Outcome;
use crate::copy::copy_ledger;
use crate::error::{BadLine, CliError, Unread};
use crate::lines::Lines;
use crate::pipeline::{self, Item, read_ahead};
use crate::source::{Source, Target};

/// What `apply` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of requests, one JSON object per line; - for standard input.
    file: PathBuf,
    /// Says what would come of it, on a copy of the ledger, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Carries out the requests of a file.
pub async fn run(source: &Source, args: Args) -> Result<Outcome, CliError> {
    let (name, input) = open(&args.file)?;
    let mut lines = Lines::new(input);
    let items = read_ahead(move || next(&mut lines));
    on_ledger(source, args.dry_run, &name, items).await
}

/// Carries items out on the ledger, or on a copy of it.
pub async fn on_ledger(
    source: &Source,
    dry_run: bool,
    name: &str,
    items: tokio::sync::mpsc::Receiver<io::Result<Item>>,
) -> Result<Outcome, CliError> {
    let folder = tempfile::tempdir()?;
    let target = if dry_run { copy(source, folder.path().join("copy.db")).await? } else { source.clone() };
    let ended = pipeline::run(source, &target, name, items).await;
    if dry_run {
        let _ = writeln!(io::stderr(), "{name}: this was a dry run on a copy, the ledger is as it was");
    }
    ended
}

/// A copy of the store to try things on: each line is tried on what the lines before it would leave, which no preview of
/// single requests could do.
async fn copy(source: &Source, to: PathBuf) -> Result<Source, CliError> {
    let target = match &source.target {
        Target::Sqlite(path) if path.exists() => {
            source.read_file().await?.backup(&to).await.map_err(source.blame())?;
            Target::Sqlite(to)
        }
        Target::Postgres(_) => {
            copy_ledger(source, &to).await?;
            Target::Sqlite(to)
        }
        Target::Sqlite(_) | Target::Memory => Target::Memory,
    };
    Ok(Source { target, ledger: source.ledger.clone() })
}

/// Opens a file, or standard input for `-`, and says what to call it.
pub fn open(path: &PathBuf) -> Result<(String, Box<dyn BufRead + Send>), CliError> {
    if path.as_os_str() == "-" {
        return Ok(("standard input".into(), Box::new(BufReader::new(io::stdin()))));
    }
    let name = path.display().to_string();
    let blame = |source| CliError::File { path: name.clone(), source };
    let file = File::open(path).map_err(blame)?;
    // A directory opens like a file, and only reading it fails.
    if file.metadata().map_err(blame)?.is_dir() {
        return Err(blame(io::ErrorKind::IsADirectory.into()));
    }
    Ok((name.clone(), Box::new(BufReader::new(file))))
}

/// The next request of a file. Blank lines are passed over.
fn next(lines: &mut Lines<impl BufRead>) -> io::Result<Option<Item>> {
    while let Some((number, line)) = lines.next()? {
        match line {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                let request = parse(&line).map_err(|bad| Unread { key: key(&line), bad });
                return Ok(Some((number, request)));
            }
            Err(bad) => return Ok(Some((number, Err(bad.into())))),
        }
    }
    Ok(None)
}

/// The key of a line that is no request, as it was written.
fn key(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Keyed {
        key: String,
    }
    let mut json = serde_json::Deserializer::from_str(line);
    Keyed::deserialize(&mut json).ok().map(|keyed| keyed.key)
}

/// A request as it stands on a line: the time may be left out.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = r#"a request, such as {"key":"k-1","actor":"ann","command":{"payout.submit":{"payout":"…"}}}"#
)]
struct RequestLine {
    key: Key,
    actor: Actor,
    #[serde(default)]
    at: Option<DateTime<Utc>>,
    command: Command,
}

/// Reads the request of one line.
pub fn parse(line: &str) -> Result<Request, BadLine> {
    let mut json = serde_json::Deserializer::from_str(line);
    let read = serde_path_to_error::deserialize::<_, RequestLine>(&mut json);
    let RequestLine { key, actor, at, command } = read.map_err(|error| {
        let path = error.path().to_string();
        let field = Some(path).filter(|path| path != "." && !error.inner().is_syntax() && !error.inner().is_eof());
        malformed(field, error.inner())
    })?;
    json.end().map_err(|error| malformed(None, &error))?;
    Ok(Request { key, actor, at: at.unwrap_or_else(|| SystemTime::now().into()), command })
}

fn malformed(field: Option<String>, error: &serde_json::Error) -> BadLine {
    // The place is told apart: the line that the parser counts is always the first.
    let (text, column) = (error.to_string(), error.column());
    let reason = text.strip_suffix(&format!(" at line {} column {column}", error.line())).unwrap_or(&text);
    BadLine::Json { field, column, reason: plain(reason) }
}

/// Says without the names of Rust's types what was expected.
fn plain(reason: &str) -> String {
    match reason.rsplit_once(", expected ") {
        Some(("invalid type: unit variant", _)) => r#"the content of the name is missing: write {"name":…}"#.into(),
        Some((found, expected)) if ["struct ", "tuple ", "enum "].iter().any(|rust| expected.starts_with(rust)) => {
            format!("{found}, expected an object")
        }
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> (Option<String>, String) {
        let bad = parse(line).unwrap_err();
        (bad.field().map(str::to_owned), bad.to_string())
    }

    #[test]
    fn a_bad_line_names_the_field_and_what_is_wrong_with_it() {
        let (field, reason) =
            fault(r#"{"key":"k","actor":"a","command":{"deal.register":{"deal":"d","gci":{"amount":"1.234 USD"}}}}"#);
        assert_eq!(field.as_deref(), Some("command.deal.register.gci.amount"));
        assert!(reason.contains("too many decimals"), "{reason}");
        let side = r#"{"gci":{"amount":"1 USD","of_price":{"price":"9 USD","rate":"0.1"}},"payees":[{"payee":"ann"}]}"#;
        let both =
            format!(r#"{{"key":"k","actor":"a","command":{{"deal.register_sides":{{"deal":"d","sides":[{side}]}}}}}}"#);
        let (field, reason) = fault(&both);
        assert_eq!(field.as_deref(), Some("command.deal.register_sides.sides[0].gci"));
        assert_eq!(reason, "a commission is known in one way: amount or of_price");
        assert_eq!(fault(r#"{"key":"k","actor":"a","comand":{}}"#).0.as_deref(), Some("comand"));
        assert!(fault(r#"{"key":"k","key":"l"}"#).1.contains("duplicate field"));
        assert!(fault(r#"{"key":"k""#).0.is_none());
        assert!(fault(r#"{"key":"k","actor":"a","command":{"deal.steal":{}}}"#).1.contains("steal"));
    }
}
