//! What an append and a replay cost on Postgres, beside what the server can do at best in the same run.
//!
//! An append is measured beside a bare insert of the same rows through the same driver: one statement too, the same tables and
//! indexes, the same durability; no keys looked up, no guards, no links. Beside it stands which share of an append the chain
//! takes: the events' digests, computed here, and the requests' links, computed by the server. A replay (decoded, every digest
//! and link checked, folded to the summary) beside its pages alone, which nobody looks at, and a binary `COPY` of the same
//! columns. In the end the log is replayed by a process that may not have as much memory as the log is long.
//!
//! `cargo bench -p benches --bench postgres`; `EVENTS=100000` sets the length of the log, `-- replay` leaves the appends out. The
//! two take turns; figures are medians of seven rounds.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "a benchmark that fails should stop"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use benches::groups::{Groups, median};
use ledger_core::chain::Preimage;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::summary::Summary;
use ledger_core::projection::{Projected, replay};
use ledger_core::store::{Append, LogPage, Outcome, Store};
use ledger_postgres::PgStore;
use ledger_postgres::sqlx::postgres::PgPoolCopyExt;
use ledger_postgres::sqlx::{Executor, PgConnection, PgPool, query, query_scalar};
use ledger_postgres_testing::{Database, Server};

const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    if let Ok(url) = std::env::var(LIMITED) {
        let store = PgStore::connect(&url).await.unwrap();
        return println!("{}", replayed(&store).await);
    }
    // What is acknowledged is on the disk.
    let server = Server::start(&[]);
    if !std::env::args().any(|argument| argument == "replay") {
        appends(&server).await;
    }
    replays(&server).await;
}

/// Names the database that a process under a limit replays.
const LIMITED: &str = "REPLAY_UNDER_A_LIMIT";
/// What such a process may have of memory of its own: heap, stacks and all, in kB.
const LIMIT: u64 = 48 * 1_024;

/// Replays the ledger, and says how many events it has.
async fn replayed(store: &PgStore) -> u64 {
    let ledger = "main".parse().unwrap();
    let done = replay::replay(store, &ledger, Projected::<Summary>::default(), PAGE_EVENTS, |_| {}).await.unwrap();
    done.checkpoint().sequence
}

async fn appends(server: &Server) {
    println!(
        "{:>8} {:>10} {:>10} {:>6} {:>6}  rows/s of events and requests",
        "requests", "store", "bare", "ratio", "chain"
    );
    for (size, groups) in [(1, 300), (8, 100), (64, 40), (500, 10)] {
        let (database, bare) = (server.database().await, server.empty().await);
        let store = PgStore::connect(&database.url()).await.unwrap();
        bare.pool().execute(BARE).await.unwrap();
        let mut history = Groups::default();
        let (mut ours, mut theirs, mut chained) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let work: Vec<_> = (0..groups).map(|_| history.next(size)).collect();
            let rows: usize = work.iter().map(|(_, page)| page.events.len() + page.requests.len()).sum();
            let begin = Instant::now();
            for (group, _) in &work {
                let outcomes = store.append(&"main".parse().unwrap(), group).await.unwrap();
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
            }
            let store_took = begin.elapsed().as_secs_f64();
            let mut connection = bare.pool().acquire().await.unwrap();
            let chain = chain(&mut connection, work.first().unwrap()).await;
            let begin = Instant::now();
            for (_, page) in &work {
                insert(page).execute(&mut *connection).await.unwrap();
            }
            // The first round warms both up.
            if round > 0 {
                ours.push(rows as f64 / store_took);
                theirs.push(rows as f64 / begin.elapsed().as_secs_f64());
                chained.push(f64::from(groups) * chain / store_took);
            }
        }
        let (ours, theirs, chain) = (median(ours), median(theirs), median(chained));
        println!("{size:>8} {ours:>10.0} {theirs:>10.0} {:>5.0}% {:>5.1}%", 100.0 * ours / theirs, 100.0 * chain);
    }
}

/// How many seconds the digests and the links of a group take: the best of several times.
async fn chain(connection: &mut PgConnection, (group, page): &(Vec<Append>, LogPage)) -> f64 {
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let begin = Instant::now();
        for request in group {
            for (event, index) in request.events.iter().zip(0..) {
                let event = Preimage {
                    ledger: "main",
                    stream: event.stream.as_str(),
                    version: event.version,
                    type_name: &event.type_name,
                    schema_version: event.schema_version,
                    key: request.key.as_str(),
                    request_hash: &request.request_hash,
                    actor: &request.actor,
                    effective: event.effective,
                    index,
                    size: request.events.len().try_into().unwrap(),
                    payload: &event.payload,
                };
                black_box(event.digest());
            }
        }
        best.0 = best.0.min(begin.elapsed().as_secs_f64());
        let took: f64 = query_scalar("SELECT links($1, $2)")
            .bind(page.requests.iter().map(|row| i32::from(row.size)).collect::<Vec<_>>())
            .bind(page.events.iter().flat_map(|row| row.digest.0).collect::<Vec<_>>())
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        best.1 = best.1.min(took);
    }
    best.0 + best.1
}

async fn replays(server: &Server) {
    let most: u64 = std::env::var("EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let database = server.database().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    let (mut history, ledger) = (Groups::default(), "main".parse().unwrap());
    let mut rows = 0;
    while store.head(&ledger).await.unwrap().sequence < most {
        let (group, page) = history.next(500);
        store.append(&ledger, &group).await.unwrap();
        rows += page.events.len() + page.requests.len();
    }
    database.pool().execute("VACUUM ANALYZE").await.unwrap();
    let (mut ours, mut pages, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    drop(history);
    let before = memory("VmRSS");
    // From here on the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut open = store.log_pages(&ledger, 0, u64::MAX, PAGE_EVENTS);
        while open.next().await.unwrap().is_some() {}
        pages.push(rows as f64 / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        assert!(replayed(&store).await >= most);
        ours.push(rows as f64 / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        copy(&database, "requests", "first_sequence, size, key, request_hash, actor, recorded_at_us, link").await;
        let columns = "sequence, stream, version, type, schema_version, position, effective, payload, digest";
        copy(&database, "events", columns).await;
        theirs.push(rows as f64 / begin.elapsed().as_secs_f64());
    }
    let (ours, pages, theirs) = (median(ours), median(pages), median(theirs));
    println!("{:>10} {:>10} {:>10} {:>6}  rows/s of events and requests", "replay", "pages", "copy", "ratio");
    println!("{ours:>10.0} {pages:>10.0} {theirs:>10.0} {:>5.0}%", 100.0 * ours / theirs);
    println!("{rows} rows, of which at most {} kB were in memory at once", memory("VmHWM").saturating_sub(before));
    let size: i64 = query_scalar("SELECT sum(pg_column_size(e))::bigint / 1024 FROM payledger.events AS e")
        .fetch_one(database.pool())
        .await
        .unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -d {LIMIT} && exec \"$0\"")]).arg(std::env::current_exe().unwrap());
    let limited = limited.env(LIMITED, database.url()).output().unwrap();
    println!("a log of {size} kB, replayed by a process of at most {LIMIT} kB: {}", limited.status);
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
}

/// What the kernel counts of this process, in kB.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

async fn copy(database: &Database, table: &str, columns: &str) {
    use futures_util::TryStreamExt as _;
    let pool: &PgPool = database.pool();
    let statement = format!("COPY payledger.{table} ({columns}) TO STDOUT (FORMAT binary)");
    let mut stream = pool.copy_out_raw(&statement).await.unwrap();
    while stream.try_next().await.unwrap().is_some() {}
}

const BARE: &str = r#"
    -- The loop of append_v1, and how many seconds it takes.
    CREATE FUNCTION links(sizes integer[], digests bytea) RETURNS float8 LANGUAGE plpgsql AS $$
    DECLARE
        begun CONSTANT timestamptz := clock_timestamp();
        tag CONSTANT bytea := int4send(16) || 'payledger link 1'::bytea;
        head_link bytea := decode(repeat('00', 32), 'hex');
        firsts bigint[] := '{}';
        links bytea[] := '{}';
        event_at integer := 1;
    BEGIN
        FOR at IN 1..cardinality(sizes) LOOP
            firsts := array_append(firsts, event_at::bigint);
            head_link := sha256(tag || head_link || int8send(event_at)
                || int8send(0) || int4send(sizes[at]) || substr(digests, event_at * 32 - 31, sizes[at] * 32));
            links := array_append(links, head_link);
            event_at := event_at + sizes[at];
        END LOOP;
        RETURN extract(epoch FROM clock_timestamp() - begun);
    END $$;
    CREATE TABLE requests (ledger text COLLATE "C" NOT NULL, first_sequence bigint NOT NULL, size integer NOT NULL,
        key text COLLATE "C" NOT NULL, request_hash bytea NOT NULL, actor text COLLATE "C" NOT NULL,
        recorded_at_us bigint NOT NULL, link bytea NOT NULL, PRIMARY KEY (ledger, first_sequence), UNIQUE (ledger, key));
    CREATE TABLE events (ledger text COLLATE "C" NOT NULL, sequence bigint NOT NULL, stream text COLLATE "C" NOT NULL,
        version bigint NOT NULL, type text COLLATE "C" NOT NULL, schema_version integer NOT NULL, position integer NOT NULL,
        effective date NOT NULL, payload bytea NOT NULL, digest bytea NOT NULL, PRIMARY KEY (ledger, sequence),
        UNIQUE (ledger, stream, version));"#;

const INSERT: &str = "WITH asked AS (INSERT INTO requests SELECT 'main', * FROM unnest($1::bigint[], $2::integer[], $3::text[], \
    $4::bytea[], $5::text[], $6::bigint[], $7::bytea[])) INSERT INTO events SELECT 'main', * FROM unnest($8::bigint[], \
    $9::text[], $10::bigint[], $11::text[], $12::integer[], $13::integer[], $14::date[], $15::bytea[], $16::bytea[])";

type Statement<'q> = ledger_postgres::sqlx::query::Query<
    'q,
    ledger_postgres::sqlx::Postgres,
    ledger_postgres::sqlx::postgres::PgArguments,
>;

fn insert(page: &LogPage) -> Statement<'_> {
    macro_rules! column {
        ($rows:ident, $row:ident => $value:expr) => {
            page.$rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    query(INSERT)
        .bind(column!(requests, row => row.first_sequence as i64))
        .bind(column!(requests, row => i32::from(row.size)))
        .bind(column!(requests, row => row.key.as_str()))
        .bind(column!(requests, row => &row.request_hash.0[..]))
        .bind(column!(requests, row => row.actor.as_str()))
        .bind(column!(requests, row => row.recorded_at_us))
        .bind(column!(requests, row => &row.link.0[..]))
        .bind(column!(events, row => row.sequence as i64))
        .bind(column!(events, row => row.stream.as_str()))
        .bind(column!(events, row => row.version as i64))
        .bind(column!(events, row => row.type_name.as_str()))
        .bind(column!(events, row => i32::from(row.schema_version)))
        .bind(column!(events, row => i32::from(row.index)))
        .bind(column!(events, row => row.effective))
        .bind(column!(events, row => &row.payload[..]))
        .bind(column!(events, row => &row.digest.0[..]))
}
