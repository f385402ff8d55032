//! The reads of the log: one statement each, and so of one moment.

use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{EventRow, Head, LogPage, RequestRow, StoreError, StreamAfter, StreamPage, page_size};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, query};

use crate::error::reading;
use crate::row::{self, event_columns, request_columns};

/// The sequence that the page is as of, unless the head is gone that says it, and with it the events of the named streams that it
/// may show.
///
/// Where the planner could choose to walk the whole ledger, the sum takes the choice from it.
const READ_STREAMS: &str = concat!(
    "WITH upto AS (SELECT CASE WHEN head IS NOT NULL THEN least($2, head) END AS at ",
    "  FROM (SELECT coalesce((SELECT sequence FROM payledger.heads WHERE ledger = $1 AND sequence <> 0), ",
    "    CASE WHEN NOT EXISTS (SELECT FROM payledger.requests WHERE ledger = $1) THEN 0 END) AS head) AS heads) ",
    "SELECT upto.at, page.* FROM upto LEFT JOIN LATERAL (SELECT ",
    event_columns!(),
    "  FROM ROWS FROM (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) AS named (name, after)",
    "  CROSS JOIN LATERAL (",
    "    SELECT * FROM payledger.events WHERE ledger = $1 AND stream = named.name AND version > named.after",
    "      AND sequence + 0 <= upto.at ORDER BY version LIMIT $5) AS found",
    "  ORDER BY sequence LIMIT $5) AS page ON true",
);

/// The requests that begin within a page, or the next one if none does, and the events up to their last. Without any, only
/// events without a request follow: the next one, wherever it stands, and what is near it.
///
/// A plan that was made while the tables were empty would look for a minimum in all that follows.
const READ_LOG: &str = concat!(
    "WITH near AS MATERIALIZED (SELECT * FROM payledger.requests WHERE ledger = $1 AND first_sequence >= $2 ",
    "  AND first_sequence <= greatest($3, (SELECT first_sequence FROM payledger.requests ",
    "    WHERE ledger = $1 AND first_sequence >= $2 ORDER BY first_sequence LIMIT 1))) ",
    "SELECT false, ",
    request_columns!(),
    ", NULL::bigint, NULL::date FROM near WHERE ledger = $1 ",
    "UNION ALL SELECT true, ",
    event_columns!(),
    " FROM payledger.events WHERE ledger = $1 AND sequence >= $2 AND sequence <= coalesce(",
    "  (SELECT max(first_sequence + size - 1) FROM near), ",
    "  greatest($3, (SELECT sequence FROM payledger.events WHERE ledger = $1 AND sequence >= $2 ",
    "    ORDER BY sequence LIMIT 1)))",
);

const READ_KEY: &str = concat!(
    "WITH named AS MATERIALIZED (SELECT * FROM payledger.requests WHERE ledger = $1 AND key = $2) SELECT false, ",
    request_columns!(),
    ", NULL::bigint, NULL::date FROM named WHERE ledger = $1 ",
    "UNION ALL SELECT true, ",
    event_columns!(),
    " FROM payledger.events WHERE ledger = $1 AND sequence >= (SELECT first_sequence FROM named) ",
    "  AND sequence <= (SELECT first_sequence + size - 1 FROM named)",
);

const READ_LEDGERS: &str = "SELECT ledger FROM payledger.heads WHERE sequence > 0 ORDER BY ledger";

const READ_HEAD: &str = "SELECT sequence, link, recorded_at_us FROM payledger.heads WHERE ledger = $1";

pub(crate) async fn streams(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    streams: &[StreamAfter],
    at: Option<u64>,
    limit: usize,
) -> Result<StreamPage, StoreError> {
    let limit = page_size(limit);
    // No stream or ledger is longer, and no stored name has a zero byte.
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let streams = streams.iter().filter(|stream| !stream.stream.as_str().contains('\0'));
    let (names, after): (Vec<&str>, Vec<i64>) =
        streams.map(|stream| (stream.stream.as_str(), bound(stream.after))).unzip();
    let rows = query(READ_STREAMS)
        .bind(ledger.as_str())
        .bind(at.map(bound))
        .bind(names)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    let rows = rows.fetch_all(connection).await.map_err(reading)?;
    let mut page = StreamPage::default();
    for row in &rows {
        if row::get::<Option<i64>>(row, 0, 0, "a head's sequence")?.is_none() {
            return Err(row::damaged(0, "the head", "it is gone, and the log is there"));
        }
        page.at = row::number(row, 0, 0, "a head's sequence")?;
        // The row of a page without events names only the sequence.
        if row::get::<Option<i64>>(row, 1, 0, "sequence")?.is_some() {
            page.events.push(row::event(row, 1)?);
        }
    }
    page.events.sort_by_key(|event| event.sequence);
    page.more = page.events.len() > limit;
    page.events.truncate(limit);
    Ok(page)
}

pub(crate) async fn log(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    after: u64,
    limit: usize,
) -> Result<LogPage, StoreError> {
    let next = i64::try_from(after).ok().and_then(|after| after.checked_add(1));
    let Some(next) = next else { return Ok(LogPage::default()) };
    let limit = page_size(limit);
    let end = next.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX)).saturating_sub(1);
    // Rows that stand before the first sequence are damage, and shown with the beginning.
    let start = if after == 0 { i64::MIN } else { next };
    let rows = query(READ_LOG).bind(ledger.as_str()).bind(start).bind(end);
    let mut page = page(rows.fetch_all(connection).await.map_err(reading)?)?;
    // The last request that is near may reach beyond the page. A record that begins within the one before it is forged: it is
    // shown, whatever size it claims.
    let end = after.saturating_add(u64::try_from(limit).unwrap_or(u64::MAX));
    let mut last: Option<u64> = None;
    let beyond = page.requests.iter().position(|request| {
        let within = last.is_none_or(|last| request.first_sequence <= last);
        last = Some(request.last_sequence());
        !within && request.last_sequence() > end
    });
    if let Some(beyond) = beyond {
        page.requests.truncate(beyond);
        let last = page.requests.iter().map(RequestRow::last_sequence).max().unwrap_or(end);
        page.events.truncate(page.events.partition_point(|event| event.sequence <= last));
    }
    Ok(page)
}

pub(crate) async fn request(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    key: &Key,
) -> Result<Option<LogPage>, StoreError> {
    let rows = query(READ_KEY).bind(ledger.as_str()).bind(key.as_str());
    let page = page(rows.fetch_all(connection).await.map_err(reading)?)?;
    Ok((!page.requests.is_empty()).then_some(page))
}

pub(crate) async fn head(connection: &mut PgConnection, ledger: &LedgerName) -> Result<Head, StoreError> {
    let row = query(READ_HEAD).bind(ledger.as_str()).fetch_optional(connection).await.map_err(reading)?;
    row.as_ref().map_or(Ok(Head::default()), row::head)
}

pub(crate) async fn ledgers(connection: &mut PgConnection) -> Result<Vec<LedgerName>, StoreError> {
    let rows = query(READ_LEDGERS).fetch_all(connection).await.map_err(reading)?;
    let name = |row| {
        let text = row::get(row, 0, 0, "a ledger's name")?;
        LedgerName::new(text).map_err(|error| StoreError::Corrupt { sequence: 0, what: error.to_string() })
    };
    rows.iter().map(name).collect()
}

/// Requests and events, each in the order of the log, which is nearly always the order that they come in.
fn page(rows: Vec<PgRow>) -> Result<LogPage, StoreError> {
    let mut page = LogPage { requests: Vec::new(), events: Vec::<EventRow>::with_capacity(rows.len()) };
    for row in &rows {
        if row::get(row, 0, 0, "kind")? {
            page.events.push(row::event(row, 1)?);
        } else {
            page.requests.push(row::request(row, 1)?);
        }
    }
    page.requests.sort_by_key(|request| request.first_sequence);
    page.events.sort_by_key(|event| event.sequence);
    Ok(page)
}
