//! `export`: the ledger in forms that other programs read.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::journal::Sales;
use ledger_core::projection::register::{Register, Totals, write_csv};
use ledger_core::projection::replay::{each_event, replay};
use ledger_core::projection::{Projected, hledger};
use ledger_core::store::{EventRow, RequestRow, Store};
use serde::Serialize;
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use crate::Outcome;
use crate::error::CliError;
use crate::output::stdout;
use crate::progress::bar;
use crate::source::Source;
use crate::words::instant;

/// What `export` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// The payout register as CSV: one row a payout.
    Register {
        /// Ends with a row per currency that sums the rows above it.
        #[arg(long)]
        total: bool,
        #[command(flatten)]
        to: To,
    },
    /// The books as an hledger journal: one transaction for every event that moves money.
    Hledger {
        #[command(flatten)]
        to: To,
    },
    /// Every event as a JSON line, exactly as it is stored, with its digest and the link of its request.
    Jsonl {
        #[command(flatten)]
        to: To,
    },
}

/// Where an export goes.
#[derive(Debug, clap::Args)]
pub struct To {
    /// The file, replaced as a whole once the export is complete; standard output without it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes an export.
pub async fn run(source: &Source, args: Args) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let store = store.as_ref();
    match args {
        Args::Register { total, to } => {
            let register: Projected<Register> =
                replay(store, &source.ledger, Projected::new(), PAGE_EVENTS, |_| {}).await?;
            let totals = if total { Totals::PerCurrency } else { Totals::None };
            let mut to = Sink::open(to.output)?;
            let written = write_csv(&mut to, register.state(), totals);
            to.close(written)?;
        }
        Args::Hledger { to } => {
            let mut to = Sink::open(to.output)?;
            let (mut written, mut sales) = (Ok(()), Sales::default());
            each_event(
                store,
                &source.ledger,
                PAGE_EVENTS,
                |_| {},
                |recorded| {
                    if written.is_ok() {
                        written = hledger::write(&mut to, &mut sales, recorded);
                    }
                },
            )
            .await?;
            to.close(written)?;
        }
        Args::Jsonl { to } => {
            let mut to = Sink::open(to.output)?;
            let (written, whole) = jsonl(source, store, &mut to).await?;
            to.close(written)?;
            if !whole {
                return Ok(Outcome::Differences);
            }
        }
    }
    Ok(Outcome::Done)
}

/// Writes the rows as they are stored, also when they do not fit together: what is damaged can be looked at. Whether they reach
/// to the head.
async fn jsonl(source: &Source, store: &dyn Store, to: &mut Sink) -> Result<(fmt::Result, bool), CliError> {
    let head = store.head(&source.ledger).await.map_err(source.blame())?.sequence;
    let bar = bar("export", head);
    let mut after = 0;
    loop {
        let page = store.read_log(&source.ledger, after, PAGE_EVENTS).await.map_err(source.blame())?;
        let Some(last) = page.events.last() else { break };
        for event in &page.events {
            let ends =
                |request: &&RequestRow| (request.first_sequence..=request.last_sequence()).contains(&event.sequence);
            let request = page.requests.iter().rev().find(ends);
            let line = serde_json::to_string(&Line::of(event, request)).map_err(io::Error::from)?;
            if fmt::Write::write_str(to, &line).and_then(|()| fmt::Write::write_char(to, '\n')).is_err() {
                return Ok((Err(fmt::Error), true));
            }
        }
        after = last.sequence.max(after + 1);
        bar.set_position(after);
    }
    bar.finish_and_clear();
    let whole = after >= head;
    if !whole {
        let what = format!("the log ends at {after}, its head is at {head}: stop and verify the ledger");
        let _ = writeln!(std::io::stderr(), "payledger: {what}");
    }
    Ok((Ok(()), whole))
}

/// An event as it is stored.
#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    stream: &'a str,
    version: u64,
    r#type: &'a str,
    schema_version: u16,
    effective: String,
    index: u16,
    digest: String,
    #[serde(flatten)]
    request: Option<RequestPart<'a>>,
    /// The exact bytes, if they are one line of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    /// The exact bytes, if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

/// What an event shares with the other events of its request.
#[derive(Serialize)]
struct RequestPart<'a> {
    key: &'a str,
    request_hash: String,
    actor: &'a str,
    first_sequence: u64,
    size: u16,
    recorded_at: String,
    recorded_at_us: i64,
    link: String,
}

impl<'a> Line<'a> {
    fn of(event: &'a EventRow, request: Option<&'a RequestRow>) -> Self {
        let payload = std::str::from_utf8(&event.payload).ok().filter(|text| !text.contains('\n'));
        let payload =
            payload.and_then(|text| serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get() == text));
        let hex = || event.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            sequence: event.sequence,
            stream: event.stream.as_str(),
            version: event.version,
            r#type: &event.type_name,
            schema_version: event.schema_version,
            effective: event.effective.to_string(),
            index: event.index,
            digest: event.digest.to_string(),
            request: request.map(|request| RequestPart {
                key: &request.key,
                request_hash: request.request_hash.to_string(),
                actor: &request.actor,
                first_sequence: request.first_sequence,
                size: request.size,
                recorded_at: chrono::DateTime::from_timestamp_micros(request.recorded_at_us)
                    .map(instant)
                    .unwrap_or_default(),
                recorded_at_us: request.recorded_at_us,
                link: request.link.to_string(),
            }),
            payload,
            payload_hex: if payload.is_some() { None } else { Some(hex()) },
        }
    }
}

/// Takes text to standard output, or to a file that appears as a whole or not at all.
struct Sink {
    to: Box<dyn Write>,
    file: Option<(NamedTempFile, PathBuf)>,
    failed: Option<io::Error>,
}

impl Sink {
    fn open(path: Option<PathBuf>) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(Self { to: Box::new(stdout()), file: None, failed: None }) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let blame = |source| CliError::File { path: path.display().to_string(), source };
        let file = NamedTempFile::new_in(folder).map_err(blame)?;
        let to = Box::new(BufWriter::new(file.reopen().map_err(blame)?));
        Ok(Self { to, file: Some((file, path)), failed: None })
    }

    /// Ends the export. A file takes its name only now, when all of it is on the disk.
    fn close(mut self, written: fmt::Result) -> Result<(), CliError> {
        let flushed = self.to.flush();
        let result = match (self.failed, written) {
            (Some(error), _) => Err(error),
            (None, Err(fmt::Error)) => Err(io::Error::other("the export could not be written")),
            (None, Ok(())) => flushed,
        };
        let Some((file, path)) = self.file else { return Ok(result?) };
        let result = result.and_then(|()| file.as_file().sync_all());
        let result = result.and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error));
        result.map_err(|source| CliError::File { path: path.display().to_string(), source })
    }
}

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.to.write_all(text.as_bytes()).map_err(|error| {
            self.failed = Some(error);
            fmt::Error
        })
    }
}
