//! Ours: requests that are decided, guarded and chained, through the engine.

use std::sync::Arc;

use chrono::Days;
use futures_util::future::join_all;
use ledger_core::command::Command;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::id::{LedgerName, PayeeId};
use ledger_core::projection::replay::replay;
use ledger_core::projection::summary::Summary;
use ledger_core::store::Store;
use ledger_core::{Date, Ledger, Money, Request, attribution, deal, limits, payee};
use ledger_postgres::PgStore;
use ledger_postgres_testing::Database;

use crate::PAYLOAD;
use crate::load::Peer;

/// What is asked of the one ledger.
#[derive(Clone, Copy)]
pub enum Work {
    /// A payee each: one event, in a stream of its own.
    Payees,
    /// A deal each, of a thousand payees: four events, in the deal's stream and the payee's account.
    Deals,
    /// A deal each, all of one payee: every request reads and writes the same account.
    OneAccount,
    /// Another class each for one payee: one event, all in one stream.
    OnePayee,
}

impl Work {
    fn command(self, number: u64) -> Command {
        match self {
            Self::Payees => enrol(format!("payee-{number:08}"), PAYLOAD - 36),
            Self::Deals => record(number, number % PAYEES),
            Self::OneAccount => record(number, 0),
            Self::OnePayee => classify(number),
        }
    }
}

const PAYEES: u64 = 1_000;
const NEW_YEAR: Date = Date::from_ymd_opt(2026, 1, 1).unwrap();

fn enrol(payee: String, name: usize) -> Command {
    payee::Command::Enrol { payee: payee.parse().unwrap(), name: "n".repeat(name).parse().unwrap(), joined_on: None }
        .into()
}

/// Names as long as they may be, so that the events of a deal are about as large as those of the others.
fn payee(number: u64) -> PayeeId {
    format!("payee-{number:058}").parse().unwrap()
}

fn record(number: u64, of: u64) -> Command {
    deal::Command::Record {
        deal: format!("deal-{number:059}").parse().unwrap(),
        gci: ledger_core::waterfall::Gci::Amount(Money::parse(&format!("{}.17 USD", 5_000 + number % 977)).unwrap()),
        attribution: attribution::Attribution::Equal(vec![payee(of)]),
        completed_on: day(),
    }
    .into()
}

fn classify(number: u64) -> Command {
    let kind = format!("kind-{number:0width$}", width = PAYLOAD - 121).parse().unwrap();
    let from = NEW_YEAR + Days::new(number % 365);
    payee::Command::Classify { payee: payee(0), from, kind: Some(kind), tier: None, class: None, rates: None }.into()
}

fn day() -> Date {
    Date::from_ymd_opt(2026, 2, 2).unwrap()
}

/// A ledger in a database.
pub struct Ours {
    ledger: Ledger,
    work: Work,
}

impl Ours {
    /// A ledger that is ready for the work.
    pub async fn open(database: &Database, work: Work) -> Self {
        let store: Arc<dyn Store> = Arc::new(PgStore::connect(&database.url()).await.unwrap());
        let name = LedgerName::new("main").unwrap();
        let ours = Self { ledger: Ledger::new(store, Arc::new(TokioEnv::current()), name), work };
        let parsed = |command: &str| serde_json::from_str(command).unwrap();
        ours.ask("open".into(), parsed(r#"{"settings.open":{"base_currency":"USD","zone":"America/New_York"}}"#)).await;
        let flat = r#"{"plan.publish":{"plan":"flat","document":{"currency":"USD",
            "split":{"flat":{"payee":"0.7","company":"0.3"}}}}}"#;
        ours.ask("plan".into(), parsed(flat)).await;
        let payees = if matches!(work, Work::Payees) { 0 } else { PAYEES };
        let enrolled = (0..payees).map(|number| {
            let assign = payee::Command::Assign {
                payee: payee(number),
                plan: "flat".parse().unwrap(),
                version: 1,
                from: NEW_YEAR,
                until: None,
            };
            let enrolled = ours.ask(format!("enrol-{number}"), enrol(payee(number).to_string(), 20));
            let assigned = ours.ask(format!("assign-{number}"), assign.into());
            async { enrolled.await && assigned.await }
        });
        assert!(join_all(enrolled).await.into_iter().all(|done| done), "a payee is not there");
        ours
    }

    fn ask(&self, key: String, command: Command) -> impl Future<Output = bool> + Send + use<> {
        let (key, actor) = (key.parse().unwrap(), "ann".parse().unwrap());
        let at = day().and_hms_opt(9, 0, 0).unwrap().and_utc();
        let answer = self.ledger.execute(Request { key, actor, at, command });
        async move { answer.await.map_err(|error| eprintln!("{error}")).is_ok() }
    }

    /// Works until there are so many events, and says how many there are.
    pub async fn fill(&self, events: u64) -> u64 {
        let head = async || self.ledger.store().head(self.ledger.name()).await.unwrap().sequence;
        let mut number = 0;
        loop {
            let missing = events.saturating_sub(head().await);
            if missing == 0 {
                return head().await;
            }
            // As many as wait in the queue at most.
            let asked: Vec<_> =
                (number..number + missing.div_ceil(4).min(5_000)).map(|number| self.call(number)).collect();
            number += asked.len() as u64;
            assert!(join_all(asked).await.into_iter().all(|stored| stored), "a deal was refused");
        }
    }

    /// Replays the ledger, and says how many events it has.
    pub async fn replay(&self) -> u64 {
        let done = replay::<Summary>(
            &**self.ledger.store(),
            self.ledger.name(),
            Default::default(),
            limits::PAGE_EVENTS,
            |_| {},
        );
        done.await.unwrap().checkpoint().sequence
    }
}

impl Peer for Ours {
    async fn call(&self, number: u64) -> bool {
        self.ask(format!("key-{number}"), self.work.command(number)).await
    }
}
