//! `events`: the facts of the log, in their order.

use std::io::Write;

use ledger_core::limits::PAGE_EVENTS;
use ledger_core::recorded::{Recorded, decode_page};

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, stdout, text};
use crate::pipeline::PrintedEvent;
use crate::source::Source;
use crate::words::{describe, instant};

/// What `events` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only a stream, such as payout/ID or deal/ID, or all of a kind, such as payout.
    #[arg(long)]
    stream: Option<String>,
    /// From this sequence on.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// So many at most.
    #[arg(long)]
    limit: Option<u64>,
}

/// Lists events.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let mut out = stdout();
    let mut table = Table::new(&["sequence", "recorded_at", "effective", "actor", "stream", "what"]);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut after = 0;
    while left > 0 {
        let page = store.read_log(&source.ledger, after, PAGE_EVENTS).await.map_err(source.blame())?;
        let events = decode_page(source.ledger.as_str(), after, &page)?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        let asked =
            events.iter().filter(|recorded| recorded.sequence >= args.from && is_of(recorded, args.stream.as_deref()));
        for recorded in asked {
            if left == 0 {
                break;
            }
            left -= 1;
            if format == Format::Json {
                print_json(&mut out, recorded)?;
            } else {
                table.row(vec![
                    Cell::Count(recorded.sequence),
                    text(instant(recorded.request.recorded_at)),
                    text(recorded.effective),
                    text(&recorded.request.actor),
                    text(&recorded.stream),
                    text(describe(&recorded.event)),
                ]);
            }
        }
        if table.len() > 0 {
            table.print(&mut out, format)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn is_of(recorded: &Recorded, stream: Option<&str>) -> bool {
    let Some(stream) = stream else { return true };
    let rest = recorded.stream.as_str().strip_prefix(stream);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn print_json(out: &mut impl Write, recorded: &Recorded) -> Result<(), CliError> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        recorded_at: String,
        actor: &'a str,
        key: &'a str,
        #[serde(flatten)]
        event: PrintedEvent<'a>,
    }
    let request = &recorded.request;
    let line = Line {
        recorded_at: instant(request.recorded_at),
        actor: request.actor.as_str(),
        key: request.key.as_str(),
        event: PrintedEvent::of(recorded),
    };
    serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}
