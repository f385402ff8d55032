//! Carries out requests in the order of their lines, many at a time, and answers each in its place.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;

use ledger_core::codec;
use ledger_core::command::Request;
use ledger_core::decide::Rejection;
use ledger_core::engine::{Advice, ExecuteError, InOrder, Ledger, Receipt};
use ledger_core::event::Event;
use ledger_core::payout;
use ledger_core::recorded::Recorded;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::Outcome;
use crate::error::{BadLine, CliError, Unread, nothing_stored};
use crate::output::stdout;
use crate::source::Source;

/// How many requests are under way at once: enough for the next commit group to fill while one is stored.
const WINDOW: usize = 1_000;
/// How many lines are read ahead.
const AHEAD: usize = 64;
/// How many errors are told to people; programs read all of them in their places.
const TOLD: u64 = 20;

/// How long the store may be silent before that is told.
const SILENCE: Duration = Duration::from_secs(10);

/// A line of input: its number, and the request that it is.
pub type Item = (u64, Result<Request, Unread>);

/// Reads lines on a thread of its own, so that answers are not held up while a terminal or a pipe is silent.
pub fn read_ahead(
    mut next: impl FnMut() -> io::Result<Option<Item>> + Send + 'static,
) -> mpsc::Receiver<io::Result<Item>> {
    let (sender, items) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        while let Some(item) = next().transpose() {
            let failed = item.is_err();
            if sender.blocking_send(item).is_err() || failed {
                break;
            }
        }
    });
    items
}

/// Carries out what is read from `file`, and prints one answer per line.
pub async fn run(
    source: &Source,
    target: &Source,
    file: &str,
    mut items: mpsc::Receiver<io::Result<Item>>,
) -> Result<Outcome, CliError> {
    let mut pipeline = Pipeline { file, waiting: VecDeque::new(), out: stdout(), tally: Tally::default() };
    // Opening a store makes it, so that is left until there is something to store.
    match pipeline.first_request(&mut items).await {
        Ok(Some(first)) => {
            let writing = target.write().await?;
            let ended = pipeline.carry_out(source, &writing.ledger, first, items).await;
            writing.close().await;
            ended
        }
        ended => pipeline.end(ended.map(drop), Some(0)),
    }
}

/// The sequence of the ledger's last event.
pub async fn head(source: &Source, ledger: &Ledger) -> Result<u64, CliError> {
    Ok(ledger.store().head(ledger.name()).await.map_err(source.blame())?.sequence)
}

struct Pipeline<'a, W> {
    file: &'a str,
    waiting: VecDeque<Waiting>,
    out: W,
    tally: Tally,
}

/// A line whose answer is not printed yet.
struct Waiting {
    line: u64,
    key: Option<String>,
    answer: Pin<Box<dyn Future<Output = Result<Receipt, Failure>>>>,
}

enum Failure {
    Bad(BadLine),
    Execute(ExecuteError),
}

#[derive(Default, Clone, Copy)]
struct Tally {
    lines: u64,
    done: u64,
    known: u64,
    refused: u64,
    /// How many of these were told.
    told: u64,
    /// What bulk approvals came to, payout by payout.
    bulk: Bulk,
    /// Sales that were credited to nobody.
    unattributed: u64,
    /// The line that nothing should follow.
    stopped: Option<u64>,
}

#[derive(Default, Clone, Copy)]
struct Bulk {
    approved: usize,
    skipped: usize,
}

impl Bulk {
    fn add(&mut self, receipt: &Receipt) {
        for recorded in &receipt.events {
            if let Event::Payout(payout::Event::BulkApproved { outcomes, .. }) = &recorded.event {
                let skipped = outcomes.iter().filter(|outcome| outcome.skipped.is_some()).count();
                self.skipped += skipped;
                self.approved += outcomes.len().saturating_sub(skipped);
            }
        }
    }
}

impl<W: Write> Pipeline<'_, W> {
    /// Answers lines until one is a request.
    async fn first_request(
        &mut self,
        items: &mut mpsc::Receiver<io::Result<Item>>,
    ) -> Result<Option<(u64, Request)>, CliError> {
        while let Some(item) = items.recv().await {
            match item.map_err(|source| self.unread(source))? {
                (line, Ok(request)) => return Ok(Some((line, request))),
                (line, Err(Unread { key, bad })) => {
                    self.tally.lines += 1;
                    self.report(line, key.as_deref(), Err(Failure::Bad(bad)))?;
                    self.out.flush()?;
                }
            }
        }
        Ok(None)
    }

    async fn carry_out(
        mut self,
        source: &Source,
        ledger: &Ledger,
        (line, first): (u64, Request),
        items: mpsc::Receiver<io::Result<Item>>,
    ) -> Result<Outcome, CliError> {
        let before = head(source, ledger).await?;
        let lines = ledger.in_order();
        self.send(&lines, line, Ok(first));
        let ended = self.work(&lines, items).await;
        self.out.flush()?;
        // What was done was done, also when nobody can be asked any more how much that is.
        let events = head(source, ledger).await.ok().map(|head| head.saturating_sub(before));
        self.end(ended, events)
    }

    /// Says what came of all the lines.
    fn end(mut self, ended: Result<(), CliError>, events: Option<u64>) -> Result<Outcome, CliError> {
        self.out.flush()?;
        let file = self.file;
        let Tally { lines, done, known, refused, told, bulk, unattributed, stopped } = self.tally;
        if lines == 0 && ended.is_ok() {
            return Err(CliError::Refused(format!("{file}: the file is empty: nothing was asked")));
        }
        let new = events.map(|events| format!("; the ledger has {events} new events")).unwrap_or_default();
        let mut errors = io::stderr();
        if refused > told {
            let _ = writeln!(errors, "payledger: {} more errors stand in their places in the output", refused - told);
        }
        let _ = writeln!(errors, "{file}: {lines} lines: {done} done, {known} already known, {refused} refused{new}");
        let Bulk { approved, skipped } = bulk;
        if approved + skipped > 0 {
            let _ = writeln!(errors, "{file}: payouts of bulk approvals: {approved} approved, {skipped} skipped");
        }
        if unattributed > 0 {
            let sales = if unattributed == 1 { "1 sale is" } else { &format!("{unattributed} sales are") };
            let _ = writeln!(
                errors,
                "{file}: {sales} credited to nobody, since no touch of theirs counts: touches come before the completion, and one that comes \
                 later counts with deal.recompute; payledger show credits lists them"
            );
        }
        if let Some(line) = stopped {
            let _ = writeln!(
                errors,
                "{file}: stopped at line {line}, what follows was not tried: mend the cause and run it again"
            );
        }
        ended?;
        Ok(if refused == 0 { Outcome::Done } else { Outcome::Refused })
    }

    fn unread(&self, source: io::Error) -> CliError {
        CliError::File { path: self.file.to_owned(), source }
    }

    async fn work(&mut self, lines: &InOrder, mut items: mpsc::Receiver<io::Result<Item>>) -> Result<(), CliError> {
        let mut open = true;
        let mut unread = Ok(());
        while open || !self.waiting.is_empty() {
            let room = open && self.waiting.len() < WINDOW;
            tokio::select! {
                biased;
                answer = first(&mut self.waiting), if !self.waiting.is_empty() => {
                    if let Some(Waiting { line, key, .. }) = self.waiting.pop_front() {
                        self.report(line, key.as_deref(), answer)?;
                    }
                    open &= self.tally.stopped.is_none();
                    if self.waiting.is_empty() {
                        self.out.flush()?;
                    }
                }
                item = items.recv(), if room => match item {
                    Some(Ok((line, item))) => self.send(lines, line, item),
                    // What was sent is answered before the end is told.
                    Some(Err(source)) => {
                        unread = Err(self.unread(source));
                        open = false;
                    }
                    None => open = false,
                },
                () = tokio::time::sleep(SILENCE), if !self.waiting.is_empty() => self.tell_silence(),
            }
        }
        unread
    }

    /// A store that is away is asked again and again before a line is given up.
    fn tell_silence(&self) {
        if let Some(Waiting { line, .. }) = self.waiting.front() {
            let seconds = SILENCE.as_secs();
            let _ = writeln!(io::stderr(), "payledger: {}:{line}: no answer for {seconds} s, still asking", self.file);
        }
    }

    /// Puts a request into the ledger's queue, where no line overtakes another.
    fn send(&mut self, lines: &InOrder, line: u64, item: Result<Request, Unread>) {
        self.tally.lines += 1;
        let (key, answer): (_, Pin<Box<dyn Future<Output = _>>>) = match item {
            Ok(request) => {
                let key = request.key.to_string();
                let answer = lines.execute(request);
                (Some(key), Box::pin(async { answer.await.map_err(Failure::Execute) }))
            }
            Err(Unread { key, bad }) => (key, Box::pin(std::future::ready(Err(Failure::Bad(bad))))),
        };
        self.waiting.push_back(Waiting { line, key, answer });
    }

    fn report(&mut self, line: u64, key: Option<&str>, answer: Result<Receipt, Failure>) -> Result<(), CliError> {
        let (kind, field, advice) = match &answer {
            Ok(receipt) => {
                self.tally.done += 1;
                self.tally.bulk.add(receipt);
                let credited = receipt.events.iter().filter_map(|recorded| match &recorded.event {
                    Event::Deal(event) => event.crediting(),
                    _ => None,
                });
                self.tally.unattributed += credited.map(|crediting| u64::from(crediting.unattributed)).sum::<u64>();
                return self.print(&Printed::done(line, receipt));
            }
            Err(Failure::Execute(error)) if error.is_already_known() => {
                self.tally.known += 1;
                return self.print(&Known { line, key, already_known: error.to_string() });
            }
            Err(Failure::Execute(error)) => (kind(error), None, error.advice()),
            Err(Failure::Bad(bad)) => (bad.kind(), bad.field(), Advice::Reject),
        };
        let reason = match &answer {
            Err(Failure::Execute(ExecuteError::Store(error))) => nothing_stored(error.clone()).to_string(),
            Err(Failure::Execute(error)) => error.to_string(),
            Err(Failure::Bad(bad)) => bad.to_string(),
            Ok(_) => String::new(),
        };
        self.tally.refused += 1;
        // A later line may rest on one that is only delayed; it must not be carried out before it.
        if advice != Advice::Reject {
            self.tally.stopped = self.tally.stopped.or(Some(line));
        }
        if self.tally.told < TOLD || self.tally.stopped == Some(line) {
            self.tally.told += 1;
            let place = field.map(|field| format!(" {field}:")).unwrap_or_default();
            let _ = writeln!(io::stderr(), "payledger: {}:{line}:{place} {reason}", self.file);
        }
        let advice = match advice {
            Advice::Reject => "reject",
            Advice::Retry => "retry",
            Advice::Stop => "stop",
        };
        self.print(&Refused { line, file: self.file, key, field, error: kind, reason, advice })
    }

    fn print(&mut self, answer: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.out, answer).map_err(io::Error::from)?;
        Ok(writeln!(self.out)?)
    }
}

/// The answer to the first that waits.
async fn first(waiting: &mut VecDeque<Waiting>) -> Result<Receipt, Failure> {
    match waiting.front_mut() {
        Some(first) => first.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

fn kind(error: &ExecuteError) -> &'static str {
    match error {
        ExecuteError::Refused { .. } | ExecuteError::Rejected(Rejection::TooLarge { .. }) => "too_large",
        ExecuteError::Rejected(_) => "rejected",
        ExecuteError::KeyReused { .. } => "key_reused",
        ExecuteError::Busy | ExecuteError::Contended { .. } => "busy",
        ExecuteError::Damaged(_) => "damaged",
        ExecuteError::Store(_) => "store",
        ExecuteError::NotTried => "not_tried",
        _ => "stopped",
    }
}

/// A receipt as it is printed: the same for the first answer and for every later one.
#[derive(Serialize)]
pub struct Printed<'a> {
    line: u64,
    key: &'a str,
    actor: &'a str,
    recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<String>,
    events: Vec<PrintedEvent<'a>>,
}

/// An event as it is printed.
#[derive(Serialize)]
pub struct PrintedEvent<'a> {
    sequence: u64,
    stream: &'a str,
    version: u64,
    effective: String,
    r#type: String,
    data: Option<Box<RawValue>>,
}

impl<'a> Printed<'a> {
    fn done(line: u64, receipt: &'a Receipt) -> Self {
        let request = &receipt.request;
        Self {
            line,
            key: request.key.as_str(),
            actor: request.actor.as_str(),
            recorded_at: crate::words::instant(request.recorded_at),
            payout: receipt.payout().map(|payout| payout.to_string()),
            events: receipt.events.iter().map(PrintedEvent::of).collect(),
        }
    }
}

impl<'a> PrintedEvent<'a> {
    /// An event, its payload as it is stored.
    pub fn of(recorded: &'a Recorded) -> Self {
        let encoded = codec::encode(&recorded.event);
        // The encoder writes JSON.
        let data = String::from_utf8(encoded.payload).ok().and_then(|text| RawValue::from_string(text).ok());
        Self {
            sequence: recorded.sequence,
            stream: recorded.stream.as_str(),
            version: recorded.version,
            effective: recorded.effective.to_string(),
            r#type: encoded.type_name.to_string(),
            data,
        }
    }
}

#[derive(Serialize)]
struct Known<'a> {
    line: u64,
    key: Option<&'a str>,
    already_known: String,
}

#[derive(Serialize)]
struct Refused<'a> {
    line: u64,
    file: &'a str,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    error: &'static str,
    reason: String,
    advice: &'static str,
}
