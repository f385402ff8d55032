//! disintegrate-postgres: the events that a decision rests on are read by a query, and guarded by it when the new ones are stored.

use std::collections::HashMap;

use disintegrate::serde::json::Json;
use disintegrate::{Decision, EventStore, NoSnapshot, StateMutate, StateQuery, StreamItem, query};
use disintegrate_postgres::{PgDecisionMaker, PgEventStore, decision_maker};
use futures_util::TryStreamExt;
use ledger_postgres_testing::Database;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::CONNECTIONS;
use crate::domain::{Booking, Event, REASON, ROWS};
use crate::load::Peer;

#[derive(Debug, Default, Clone, Serialize, Deserialize, StateQuery)]
#[state_query(Booking)]
struct Account {
    #[id]
    account: String,
    balance: i64,
}

impl StateMutate for Account {
    fn mutate(&mut self, event: Booking) {
        let Booking::Booked { amount, .. } = event;
        self.balance += amount;
    }
}

struct Book(Event);

#[derive(Debug, thiserror::Error)]
#[error("the balance is out of range")]
struct OutOfRange;

impl Decision for Book {
    type Event = Event;
    type StateQuery = Account;
    type Error = OutOfRange;

    fn state_query(&self) -> Account {
        let Event::Booked { account, .. } = &self.0;
        Account { account: account.clone(), balance: 0 }
    }

    fn process(&self, state: &Account) -> Result<Vec<Event>, OutOfRange> {
        let Event::Booked { amount, .. } = &self.0;
        state.balance.checked_add(*amount).ok_or(OutOfRange)?;
        Ok(vec![self.0.clone()])
    }
}

type Events = PgEventStore<Event, Json<Event>>;

pub struct Disintegrate {
    maker: PgDecisionMaker<Event, Json<Event>, NoSnapshot>,
    accounts: u64,
}

impl Disintegrate {
    /// Decisions on so many accounts.
    pub async fn open(database: &Database, accounts: u64) -> Self {
        Self { maker: decision_maker(events(database).await.0, NoSnapshot), accounts }
    }
}

impl Peer for Disintegrate {
    async fn call(&self, number: u64) -> bool {
        let account = format!("account-{:08}", number % self.accounts);
        self.maker.make(Book(Event::booked(account, number))).await.is_ok()
    }
}

async fn events(database: &Database) -> (Events, PgPool) {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&database.url()).await.unwrap();
    let release: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer / 10000")
        .fetch_one(&pool)
        .await
        .unwrap();
    let made = Events::try_new(pool.clone(), Json::default()).await;
    let store = if release < 16 && made.is_err() {
        println!("disintegrate's last function, which PostgreSQL {release} does not read, is written another way");
        sqlx::raw_sql(REST).execute(&pool).await.unwrap();
        Events::new_uninitialized(pool.clone(), Json::default())
    } else {
        made.unwrap()
    };
    (store, pool)
}

/// Before version 16, PostgreSQL knows no hexadecimal numbers. What `Migrator::init_event_store` leaves undone on PostgreSQL 15: it fails at a number that is written in hexadecimal.
const REST: &str = "CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void LANGUAGE plpgsql AS $$ \
     DECLARE \
         at bigint := (SELECT last_value FROM seq_event_event_id); \
         db integer := (SELECT oid FROM pg_database WHERE datname = current_database()); \
     BEGIN \
         PERFORM pg_try_advisory_xact_lock_shared(db, 0); \
         PERFORM pg_try_advisory_xact_lock_shared(1, (at & 4294967295)::bit(32)::integer); \
         PERFORM pg_try_advisory_xact_lock_shared(2, (at >> 32)::bit(32)::integer); \
     END $$; \
     ALTER TABLE event ADD COLUMN IF NOT EXISTS account text; \
     CREATE INDEX IF NOT EXISTS idx_event_account ON event (account) WHERE account IS NOT NULL;";

/// A log of so many events.
pub struct Log(Events);

pub async fn fill(database: &Database, count: u64) -> Log {
    let (store, pool) = events(database).await;
    let fill = format!(
        "INSERT INTO event (event_type, payload, account) SELECT 'Booked', convert_to(payload, 'UTF8'), account FROM ({ROWS}) AS e"
    );
    sqlx::query(&fill).bind(count as i64).bind(REASON as i32).execute(&pool).await.unwrap();
    sqlx::query("VACUUM ANALYZE event").execute(&pool).await.unwrap();
    Log(store)
}

impl Log {
    /// Folds the log to the balance of each account, in memory, and says how many events it has.
    pub async fn replay(&self) -> u64 {
        let every = query!(Event);
        let (mut count, mut balances) = (0, HashMap::<String, i64>::new());
        let mut events = self.0.stream::<Event>(&every);
        while let Some(item) = events.try_next().await.unwrap() {
            if let StreamItem::Event(event) = item {
                let Event::Booked { account, amount, .. } = event.into_inner();
                *balances.entry(account).or_default() += amount;
                count += 1;
            }
        }
        count
    }
}
