//! cqrs-es with postgres-es: an aggregate is loaded, decides, and its event is inserted under the next number.

use std::collections::HashMap;
use std::sync::Mutex;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::QueryReplay;
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, Query};
use ledger_postgres_testing::Database;
use postgres_es::{PostgresCqrs, PostgresEventRepository, default_postgress_pool, postgres_cqrs};
use serde::{Deserialize, Serialize};

use crate::domain::{Event, REASON, ROWS};
use crate::load::Peer;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "Booked".into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    balance: i64,
}

#[derive(Debug, thiserror::Error)]
#[error("the balance is out of range")]
pub struct OutOfRange;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Event;
    type Event = Event;
    type Error = OutOfRange;
    type Services = ();

    async fn handle(&mut self, command: Event, (): &(), sink: &EventSink<Self>) -> Result<(), OutOfRange> {
        let Event::Booked { amount, .. } = command;
        self.balance.checked_add(amount).ok_or(OutOfRange)?;
        sink.write(command, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        let Event::Booked { amount, .. } = event;
        self.balance += amount;
    }
}

/// As `db/init.sql` of postgres-es has it.
const TABLE: &str = "CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
     sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL, \
     payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

pub struct Cqrs {
    framework: PostgresCqrs<Account>,
    accounts: u64,
}

impl Cqrs {
    /// Commands for so many accounts.
    pub async fn open(database: &Database, accounts: u64) -> Self {
        // Its default: 10 connections.
        let pool = default_postgress_pool(&database.url()).await;
        sqlx::query(TABLE).execute(&pool).await.unwrap();
        Self { framework: postgres_cqrs(pool, Vec::new(), ()), accounts }
    }
}

impl Peer for Cqrs {
    async fn call(&self, number: u64) -> bool {
        let account = format!("account-{:08}", number % self.accounts);
        let booked = Event::booked(account.clone(), number);
        // A conflict is the caller's to retry: it goes on to its next command.
        self.framework.execute(&account, booked).await.is_ok()
    }
}

/// A log of so many events.
pub async fn fill(database: &Database, events: u64) -> QueryReplay<PostgresEventRepository, Balances, Account> {
    let pool = default_postgress_pool(&database.url()).await;
    sqlx::query(TABLE).execute(&pool).await.unwrap();
    let fill = format!(
        "INSERT INTO events SELECT 'account', account, version, 'Booked', '1.0', payload::json, '{{}}' FROM ({ROWS}) AS e"
    );
    sqlx::query(&fill).bind(events as i64).bind(REASON as i32).execute(&pool).await.unwrap();
    sqlx::query("VACUUM ANALYZE events").execute(&pool).await.unwrap();
    QueryReplay::new(PostgresEventRepository::new(pool), Balances::default())
}

/// The balance of each account, in memory.
#[derive(Default)]
pub struct Balances(Mutex<HashMap<String, i64>>);

#[async_trait::async_trait]
impl Query<Account> for Balances {
    async fn dispatch(&self, account: &str, events: &[EventEnvelope<Account>]) {
        let mut balances = self.0.lock().unwrap();
        for event in events {
            let Event::Booked { amount, .. } = &event.payload;
            *balances.entry(account.into()).or_default() += amount;
        }
    }
}
