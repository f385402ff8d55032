//! What ledgers in PostgreSQL cost, beside other libraries on the same server in the same run.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- [writes|replay] [--rounds 5] [--seconds 4]`
//!
//! The server is a private one with its default durability: what is acknowledged is on the disk. Everyone has at
//! most 10 connections, ours the 8 that it takes by itself, and what else is his own default, events of about 307 bytes of JSON, and a new database each time. Rounds
//! go through all rows in turn, so that a slow minute of the machine is everyone's. The table has ratios of requests, however many
//! events each becomes.
//!
//! - Ours decides real requests through the engine: payees, their classes, deals, each with an idempotency key.
//! - cqrs-es and disintegrate store one event a command. Neither tries again by itself: after a conflict the caller goes on to
//!   its next command, and only what was stored counts. Spread means a new aggregate for each command.
//! - cala-ledger posts transactions of two entries, between 1,000 accounts or always the same two. It carries no payload.
//! - The group commit inserts whoever waits by one statement, without decisions, digests, guards or keys.
//!
//! A replay decodes and folds every event to balances in memory; ours also checks every digest and link. COPY only takes the
//! same columns out of the server.

mod bare;
mod cala;
mod cqrs;
mod disintegrate;
mod domain;
mod load;
mod ours;

use std::pin::Pin;
use std::time::{Duration, Instant};

use bare::Bare;
use cala::Cala;
use clap::Parser;
use cqrs::Cqrs;
use disintegrate::Disintegrate;
use ledger_postgres::sqlx::raw_sql;
use ledger_postgres_testing::{Database, Server};
use load::{Peer, Rates, load};
use ours::{Ours, Work};

/// The most connections of who can be told how many.
const CONNECTIONS: u32 = 10;
/// How many events a deal of ours is, each in the one transaction.
const EVENTS_OF_A_DEAL: f64 = 4.0;
/// The size of an event's JSON, in bytes.
const PAYLOAD: usize = 307;

#[derive(Parser)]
struct Args {
    /// Without one, both.
    #[arg(value_enum)]
    what: Option<What>,
    /// How often each row is measured. The table has medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long a load lasts.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// How many callers ask at once.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 8, 1])]
    callers: Vec<usize>,
    /// How many events are replayed.
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Only rows whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum What {
    Writes,
    Replay,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args = Args::parse();
    // The size of the log that PostgreSQL has by default.
    let server = Server::start(&["max_wal_size = 1GB"]);
    if args.what != Some(What::Replay) {
        for &callers in &args.callers {
            writes(&server, &args, callers).await;
        }
    }
    if args.what != Some(What::Writes) {
        replays(&server, &args).await;
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = T>>>;

/// A row of the table of writes.
struct Writer {
    name: &'static str,
    events: f64,
    run: Box<dyn Fn(Database) -> Answer<Rates>>,
    rates: Vec<Rates>,
}

const OURS: &str = "ours: one ledger, payees";
const OURS_DEALS: &str = "ours: one ledger, deals";
const OURS_ACCOUNT: &str = "ours: one account, deals";
const OURS_STREAM: &str = "ours: one stream, classes";
const CQRS: &str = "cqrs-es: spread";
const CQRS_HOT: &str = "cqrs-es: one aggregate";
const BARE: &str = "group commit, nothing decided";

async fn writes(server: &Server, args: &Args, callers: usize) {
    let time = Duration::from_secs_f64(args.seconds);
    let writer = |name, events, run| Writer { name, events, run, rates: Vec::new() };
    let work = |work| drive(callers, time, async move |database: &Database| Ours::open(database, work).await);
    let cqrs = |accounts| drive(callers, time, async move |database: &Database| Cqrs::open(database, accounts).await);
    let disintegrate =
        |accounts| drive(callers, time, async move |database: &Database| Disintegrate::open(database, accounts).await);
    let cala = |accounts| drive(callers, time, async move |database: &Database| Cala::open(database, accounts).await);
    let mut writers = vec![
        writer(OURS, 1.0, work(Work::Payees)),
        writer(OURS_STREAM, 1.0, work(Work::OnePayee)),
        writer(OURS_DEALS, EVENTS_OF_A_DEAL, work(Work::Deals)),
        writer(OURS_ACCOUNT, EVENTS_OF_A_DEAL, work(Work::OneAccount)),
        writer(CQRS, 1.0, cqrs(u64::MAX)),
        writer(CQRS_HOT, 1.0, cqrs(1)),
        writer("disintegrate: spread", 1.0, disintegrate(u64::MAX)),
        writer("disintegrate: one account", 1.0, disintegrate(1)),
        writer("cala: 1,000 accounts", 2.0, cala(1_000)),
        writer("cala: two accounts", 2.0, cala(2)),
        writer(BARE, 1.0, drive(callers, time, async |database: &Database| Bare::open(database).await)),
    ];
    writers.retain(|writer| writer.name.contains(&args.only));
    for _ in 0..args.rounds {
        for writer in &mut writers {
            let ours = writer.name.starts_with("ours");
            let database = if ours { server.database().await } else { server.empty().await };
            raw_sql("CHECKPOINT").execute(database.pool()).await.unwrap();
            writer.rates.push((writer.run)(database).await);
        }
    }
    let stored = |writer: &Writer| Spread::of(writer.rates.iter().map(|rates| rates.stored));
    let median = |name| writers.iter().find(|writer| writer.name == name).map(|writer| stored(writer).median);
    println!("\n{callers} callers, medians of {} (lowest–highest)", args.rounds);
    println!(
        "{:<34} {:>32} {:>11} {:>9} {:>12} {:>10} {:>12}",
        "", "requests/s", "events/s", "failed/s", "/ cqrs-es", "/ its hot", "/ grouping"
    );
    for writer in &writers {
        let spread = stored(writer);
        let failed = Spread::of(writer.rates.iter().map(|rates| rates.failed)).median;
        let ratio = |to: Option<f64>, digits| to.map_or("-".into(), |to| format!("{:.digits$}", spread.median / to));
        println!(
            "{:<34} {:>32} {:>11.0} {:>9.0} {:>12} {:>10} {:>12}",
            writer.name,
            spread.to_string(),
            spread.median * writer.events,
            failed,
            ratio(median(CQRS), 2),
            ratio(median(CQRS_HOT), 1),
            ratio(median(BARE), 2),
        );
    }
    if callers >= 64 {
        let against = |name, to| Some(median(name)? / median(to)?);
        let events = |name, to| Some(EVENTS_OF_A_DEAL * against(name, to)?);
        goal("one hot ledger / cqrs-es spread", against(OURS, CQRS), 5.0);
        goal("one hot stream / cqrs-es spread", against(OURS_STREAM, CQRS), 5.0);
        goal("one hot stream / cqrs-es hot", against(OURS_STREAM, CQRS_HOT), 25.0);
        goal("events of one hot ledger of deals / cqrs-es spread", events(OURS_DEALS, CQRS), 5.0);
        goal("events of one hot account / cqrs-es spread", events(OURS_ACCOUNT, CQRS), 5.0);
        goal("events of one hot account / cqrs-es hot", events(OURS_ACCOUNT, CQRS_HOT), 25.0);
        goal("one hot ledger / group commit", against(OURS, BARE), 0.6);
    }
}

/// A load on whoever `open` opens in a database.
fn drive<P: Peer>(
    callers: usize,
    time: Duration,
    open: impl AsyncFn(&Database) -> P + Clone + 'static,
) -> Box<dyn Fn(Database) -> Answer<Rates>> {
    Box::new(move |database| {
        let open = open.clone();
        Box::pin(async move { load(open(&database).await, callers, time).await })
    })
}

async fn replays(server: &Server, args: &Args) {
    let events = args.events;
    let (mine, theirs, others) = (server.database().await, server.empty().await, server.empty().await);
    let ours = Ours::open(&mine, Work::Deals).await;
    let events = ours.fill(events).await;
    let bytes: f64 =
        ledger_postgres::sqlx::query_scalar("SELECT avg(octet_length(payload))::float8 FROM payledger.events")
            .fetch_one(mine.pool())
            .await
            .unwrap();
    raw_sql("VACUUM ANALYZE").execute(mine.pool()).await.unwrap();
    let (cqrs, disintegrate) = (cqrs::fill(&theirs, events).await, disintegrate::fill(&others, events).await);
    let mut took: [Vec<f64>; 4] = Default::default();
    // The first round warms everyone up.
    for round in 0..=args.rounds {
        let begun = Instant::now();
        assert_eq!(ours.replay().await, events, "events of ours");
        let ours = begun.elapsed();
        let begun = Instant::now();
        bare::copy_out(&mine).await;
        let copied = begun.elapsed();
        let begun = Instant::now();
        cqrs.replay_all().await.unwrap();
        let cqrs = begun.elapsed();
        let begun = Instant::now();
        assert_eq!(disintegrate.replay().await, events, "events of disintegrate");
        let disintegrate = begun.elapsed();
        if round > 0 {
            for (took, time) in took.iter_mut().zip([ours, copied, cqrs, disintegrate]) {
                took.push(events as f64 / time.as_secs_f64());
            }
        }
    }
    let [ours, copied, cqrs, disintegrate] = took.map(|took| Spread::of(took.into_iter()));
    println!("\nreplay of {events} events, ours of {bytes:.0} bytes, medians of {} (lowest–highest)", args.rounds);
    println!("{:<34} {:>32}", "", "events/s");
    println!("{:<34} {:>32}", "ours: digests, links, summary", ours.to_string());
    println!("{:<34} {:>32}", "COPY, binary, nothing decoded", copied.to_string());
    println!("{:<34} {:>32}", "cqrs-es: QueryReplay", cqrs.to_string());
    println!("{:<34} {:>32}", "disintegrate: stream", disintegrate.to_string());
    goal("replay / COPY", Some(ours.median / copied.median), 0.7);
    goal("replay / cqrs-es", Some(ours.median / cqrs.median), 2.0);
    goal("replay / disintegrate", Some(ours.median / disintegrate.median), 2.0);
}

fn goal(what: &str, found: Option<f64>, wanted: f64) {
    let Some(found) = found else { return };
    println!("{what}: {found:.2}, {} {wanted}", if found >= wanted { "reaches" } else { "MISSES" });
}

/// The median of some figures, and how far they lie apart.
struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], lowest: figures[0], highest: figures[figures.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0}–{:.0})", self.median, self.lowest, self.highest)
    }
}
