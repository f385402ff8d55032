//! The log read on and on: by statements that cover many pages each, on a task of their own, while the pages that they brought
//! are looked at.
//!
//! Only what is in order is read so: requests that follow one another, each with its events. Where anything else stands, where a
//! statement fails, and at the end of the log, a page is read by itself, which tells what it is.

use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, TryStreamExt as _};
use ledger_core::chain::Digest;
use ledger_core::id::LedgerName;
use ledger_core::store::{BoxFuture, EventRow, LogPage, OneByOne, Pages, RequestRow, StoreError, page_size};
use ledger_core::stream::StreamName;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::row;
use crate::store::{NO_ANSWER, PgStore};

/// How many events one statement reads at most: what it costs to begin one is little beside, and what vacuum waits for is soon
/// over.
const SPAN: u64 = 10_000;
/// How long a statement waits for who reads its rows slowly. It is let go then, with its connection, and a new one goes on from
/// there.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many pages wait at most to be looked at.
const AHEAD: usize = 2;

const REQUEST_COLUMNS: &str = "first_sequence, size, key, request_hash, actor, recorded_at_us, link";
const EVENT_COLUMNS: &str = "sequence, version, stream, payload, type, schema_version, digest, position, effective";

/// The pages of a log, as [`Pages`] says.
pub(crate) struct LogPages<'a> {
    store: &'a PgStore,
    ledger: &'a LedgerName,
    /// The end of the last page.
    after: u64,
    until: u64,
    limit: usize,
    ahead: Option<Ahead>,
}

impl<'a> LogPages<'a> {
    pub(crate) fn new(store: &'a PgStore, ledger: &'a LedgerName, after: u64, until: u64, limit: usize) -> Self {
        Self { store, ledger, after, until, limit, ahead: None }
    }

    async fn page(&mut self) -> Result<Option<LogPage>, StoreError> {
        if self.after >= self.until {
            return Ok(None);
        }
        if let Some(page) = self.page_ahead().await? {
            self.after = page.requests.last().map_or(self.until, RequestRow::last_sequence);
            return Ok(Some(page));
        }
        let page = OneByOne::new(self.store, self.ledger, self.after, self.until, self.limit).next().await?;
        let last = page.as_ref().and_then(|page| page.requests.last()).map(RequestRow::last_sequence);
        // A forged request may lead back.
        self.after = last.filter(|last| *last > self.after).unwrap_or(self.until);
        Ok(page)
    }

    /// The next page, if what follows is in order.
    async fn page_ahead(&mut self) -> Result<Option<LogPage>, StoreError> {
        let mut ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => Ahead::of(self.store.pool(), self.ledger, self.after, self.until, page_size(self.limit)),
        };
        let sheet = timeout(self.store.longest(), ahead.sheets.recv()).await;
        let Some(sheet) = sheet.map_err(|_| StoreError::Unavailable(NO_ANSWER.into()))? else { return Ok(None) };
        let page = sheet.page();
        self.ahead = page.is_some().then_some(ahead);
        Ok(page)
    }
}

impl Pages for LogPages<'_> {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LogPage>, StoreError>> {
        self.page().boxed()
    }
}

/// The task that reads ahead. It ends with who listens to it.
struct Ahead {
    sheets: Receiver<Sheet>,
    task: AbortHandle,
}

impl Ahead {
    fn of(pool: &PgPool, ledger: &LedgerName, after: u64, until: u64, limit: usize) -> Self {
        let (sender, sheets) = mpsc::channel(AHEAD);
        let log = Log { pool: pool.clone(), ledger: ledger.clone(), until, limit, sender };
        Self { sheets, task: tokio::spawn(log.read(after)).abort_handle() }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A page whose events are still as the server sent them.
struct Sheet {
    requests: Vec<RequestRow>,
    /// So many rows of a binary copy as the requests have events.
    events: Vec<u8>,
}

impl Sheet {
    /// The page, if its rows are events that follow one another.
    fn page(self) -> Option<LogPage> {
        let first = self.requests.first()?.first_sequence;
        let count = self.requests.last()?.last_sequence().checked_sub(first)?.checked_add(1)?;
        let mut events = Vec::with_capacity(count.try_into().ok()?);
        let mut fields = Fields(&self.events);
        for sequence in (first..).take(events.capacity()) {
            events.push(fields.event().filter(|event| event.sequence == sequence)?);
        }
        fields.0.is_empty().then_some(LogPage { requests: self.requests, events })
    }
}

/// A log that is read ahead.
struct Log {
    pool: PgPool,
    ledger: LedgerName,
    until: u64,
    limit: usize,
    sender: Sender<Sheet>,
}

impl Log {
    /// Reads as far as the log is in order, or until nobody listens.
    async fn read(self, mut after: u64) {
        while after < self.until {
            let Ok(place) = self.sender.reserve().await else { return };
            match self.span(after, place).await {
                Ok(end) if end > after => after = end,
                _ => return,
            }
        }
    }

    /// Reads a part of the log, and says where the last page of it ends that was sent.
    async fn span(&self, after: u64, place: Permit<'_, Sheet>) -> Result<u64, sqlx::Error> {
        let mut connection = Borrowed { connection: self.pool.acquire().await?, at_rest: true };
        let requests = self.requests(&mut connection, after).await?;
        let Some(last) = requests.last().map(RequestRow::last_sequence) else { return Ok(after) };
        let begun = Instant::now();
        let mut events = self.copy(&mut connection, EVENT_COLUMNS, "events", "sequence", after, last).await?;
        let (mut rows, mut place, mut end) = (Rows::default(), Some(place), after);
        let mut requests = requests.into_iter().peekable();
        while let Some(first) = requests.next() {
            let mut count = usize::from(first.size);
            let mut sheet = vec![first];
            while let Some(next) = requests.next_if(|next| count + usize::from(next.size) <= self.limit) {
                count += usize::from(next.size);
                sheet.push(next);
            }
            let Some(events) = rows.take(count, &mut events).await? else { break };
            let place = match place.take() {
                Some(place) => place,
                None => match timeout_at(begun + PATIENCE, self.sender.reserve()).await {
                    Ok(Ok(place)) => place,
                    // The connection is closed in the middle of the statement.
                    _ => return Ok(end),
                },
            };
            end = sheet.last().map_or(end, RequestRow::last_sequence);
            place.send(Sheet { requests: sheet, events });
        }
        while events.try_next().await?.is_some() {}
        drop(events);
        connection.at_rest = true;
        Ok(end)
    }

    /// The requests of the next span, if each follows from the one before.
    async fn requests(&self, connection: &mut Borrowed, after: u64) -> Result<Vec<RequestRow>, sqlx::Error> {
        let end = after.saturating_add(SPAN).min(self.until);
        let mut copied = self.copy(connection, REQUEST_COLUMNS, "requests", "first_sequence", after, end).await?;
        let mut rows = Rows::default();
        while let Some(chunk) = copied.try_next().await? {
            rows.push(chunk.as_ref());
        }
        drop(copied);
        connection.at_rest = true;
        let (mut fields, mut requests, mut last) = (Fields(&rows.bytes), Vec::new(), after);
        while fields.more() {
            let follows = |row: &RequestRow| row.size > 0 && last.checked_add(1) == Some(row.first_sequence);
            let Some(request) = fields.request().filter(follows) else { return Ok(Vec::new()) };
            last = request.last_sequence();
            requests.push(request);
        }
        // What begins within the last one is looked for with it.
        requests.pop_if(|request| request.last_sequence() > after.saturating_add(SPAN));
        Ok(requests)
    }

    /// The rows after a sequence up to another, in order.
    async fn copy<'c>(
        &self,
        connection: &'c mut Borrowed,
        columns: &str,
        table: &str,
        sequence: &str,
        after: u64,
        last: u64,
    ) -> Result<BoxStream<'c, Result<impl AsRef<[u8]> + use<>, sqlx::Error>>, sqlx::Error> {
        // Rows that stand before the first sequence are damage, and in the way of the first request.
        let next = i64::try_from(after).unwrap_or(i64::MAX).saturating_add(1);
        let first = if after == 0 { i64::MIN } else { next };
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        // A copy takes no arguments. No name has a quote; and of a limit that it cannot foresee the planner makes no sort.
        let statement = format!(
            "COPY (SELECT {columns} FROM payledger.{table} WHERE ledger = '{}' AND {sequence} >= {first} AND {sequence} <= {last} \
             ORDER BY {sequence} LIMIT (SELECT {SPAN})) TO STDOUT (FORMAT binary)",
            self.ledger.as_str().replace('\'', "''"),
        );
        connection.at_rest = false;
        PgConnection::copy_out_raw(&mut connection.connection, &statement).await
    }
}

/// A connection of the pool, to which it goes back only when no statement is in the middle of its rows.
struct Borrowed {
    connection: PoolConnection<Postgres>,
    at_rest: bool,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !self.at_rest {
            self.connection.close_on_drop();
        }
    }
}

/// What a binary copy has brought and nobody has taken.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    /// How far the bytes are whole rows.
    whole: usize,
    begun: bool,
}

impl Rows {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if !self.begun
            && let Some(header) = header_len(&self.bytes)
        {
            self.bytes.drain(..header);
            self.begun = true;
        }
    }

    /// So many rows, or none when there are fewer.
    async fn take(
        &mut self,
        count: usize,
        copied: &mut BoxStream<'_, Result<impl AsRef<[u8]>, sqlx::Error>>,
    ) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let mut missing = count;
        while missing > 0 {
            match self.begun.then(|| row_len(self.bytes.get(self.whole..)?)).flatten() {
                Some(len) => (self.whole, missing) = (self.whole + len, missing - 1),
                None => match copied.try_next().await? {
                    Some(chunk) => self.push(chunk.as_ref()),
                    None => return Ok(None),
                },
            }
        }
        // The next rows will need as much room.
        let mut rest = Vec::with_capacity(self.bytes.len());
        rest.extend(self.bytes.drain(std::mem::take(&mut self.whole)..));
        Ok(Some(std::mem::replace(&mut self.bytes, rest)))
    }
}

/// How long the beginning of a binary copy is: a signature, flags, and whatever a later server adds.
fn header_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = Fields(bytes.strip_prefix(b"PGCOPY\n\xff\r\n\0")?);
    rest.word()?;
    rest.bytes()?;
    Some(bytes.len() - rest.0.len())
}

/// How long the row is that bytes begin with, if it is there to its end.
fn row_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = Fields(bytes);
    for _ in 0..rest.columns()? {
        // A field may be NULL.
        if let Ok(len) = usize::try_from(i32::from_be_bytes(rest.word()?)) {
            rest.0 = rest.0.get(len..)?;
        }
    }
    Some(bytes.len() - rest.0.len())
}

/// Fields of rows in the binary format: each its length and its bytes, after the number of them in the row.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn event(&mut self) -> Option<EventRow> {
        (self.columns()? == 9).then_some(())?;
        Some(EventRow {
            sequence: self.number()?,
            version: self.number()?,
            stream: StreamName::from_stored(self.text()?),
            payload: self.bytes()?.to_vec(),
            type_name: self.text()?.into(),
            schema_version: self.number()?,
            digest: self.digest()?,
            index: self.number()?,
            effective: row::day(i32::from_be_bytes(self.bytes()?.try_into().ok()?))?,
        })
    }

    fn request(&mut self) -> Option<RequestRow> {
        (self.columns()? == 7).then_some(())?;
        Some(RequestRow {
            first_sequence: self.number()?,
            size: self.number()?,
            key: self.text()?.into(),
            request_hash: self.digest()?,
            actor: self.text()?.into(),
            recorded_at_us: self.number()?,
            link: self.digest()?,
        })
    }

    /// Whether another row follows, and not the end.
    fn more(&self) -> bool {
        !matches!(self.0, [] | [0xff, 0xff])
    }

    /// How many fields the row has.
    fn columns(&mut self) -> Option<u16> {
        let (count, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        u16::try_from(i16::from_be_bytes(*count)).ok()
    }

    fn word(&mut self) -> Option<[u8; 4]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(i32::from_be_bytes(self.word()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn digest(&mut self) -> Option<Digest> {
        self.bytes()?.try_into().ok().map(Digest)
    }

    /// A `bigint` or an `integer`.
    fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        let bytes = self.bytes()?;
        let long = || bytes.try_into().ok().map(i64::from_be_bytes);
        let number = bytes.try_into().ok().map(|word| i32::from_be_bytes(word).into()).or_else(long)?;
        number.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test that panics has failed"
    )]

    use super::*;

    fn row(fields: &[&[u8]]) -> Vec<u8> {
        let mut row = (fields.len() as u16).to_be_bytes().to_vec();
        for field in fields {
            row.extend((field.len() as u32).to_be_bytes());
            row.extend(*field);
        }
        row
    }

    fn event(sequence: i64) -> Vec<u8> {
        row(&[
            &sequence.to_be_bytes(),
            &7_i64.to_be_bytes(),
            b"deal/d",
            b"{}",
            b"deal.registered",
            &1_i32.to_be_bytes(),
            &[9; 32],
            &0_i32.to_be_bytes(),
            &9_537_i32.to_be_bytes(),
        ])
    }

    fn sheet(size: u16, events: Vec<u8>) -> Sheet {
        let (key, actor, request_hash, link) = ("k".into(), "a".into(), Digest::ZERO, Digest::ZERO);
        Sheet {
            requests: vec![RequestRow { key, request_hash, actor, first_sequence: 5, size, recorded_at_us: 0, link }],
            events,
        }
    }

    /// A row that is cut, or has another length than it says, was read beyond its end or as another.
    #[test]
    fn only_whole_rows_are_a_page() {
        let rows = [event(5), event(6)].concat();
        let page = sheet(2, rows.clone()).page().unwrap();
        assert_eq!(page.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [5, 6]);
        assert_eq!((&*page.events[1].payload, page.events[1].effective), (&b"{}"[..], "2026-02-10".parse().unwrap()));
        for len in 0..rows.len() {
            assert!(sheet(2, rows[..len].to_vec()).page().is_none(), "{len} bytes");
        }
        assert!(sheet(1, rows.clone()).page().is_none(), "an event too many");
        assert!(sheet(2, [event(5), event(7)].concat()).page().is_none(), "one is missing");
        assert!(sheet(2, [event(5), event(5)].concat()).page().is_none(), "one is there twice");
        for at in 0..rows.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut forged = rows.clone();
                forged[at] = byte;
                assert!(row_len(&forged).is_none_or(|len| len <= forged.len()));
                drop(sheet(2, forged).page());
            }
        }
    }

    /// The server sends a message a row, the first with the header before it; what stands between may cut them anywhere.
    #[tokio::test]
    async fn rows_come_in_pieces_of_any_size() {
        let header = [b"PGCOPY\n\xff\r\n\0".as_slice(), &[0; 4], &3_u32.to_be_bytes(), b"ext"].concat();
        let sent = [header, event(5), event(6), event(7), vec![0xff, 0xff]].concat();
        for size in 1..sent.len() + 1 {
            let pieces: Vec<_> = sent.chunks(size).map(Ok).collect();
            let mut copied: BoxStream<'_, Result<&[u8], sqlx::Error>> = Box::pin(futures_util::stream::iter(pieces));
            let mut rows = Rows::default();
            assert_eq!(rows.take(1, &mut copied).await.unwrap(), Some(event(5)));
            assert_eq!(rows.take(2, &mut copied).await.unwrap(), Some([event(6), event(7)].concat()));
            assert_eq!(rows.take(1, &mut copied).await.unwrap(), None);
        }
    }
}
