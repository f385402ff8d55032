//! A shop that owes its sellers 85 % of every order. It books an order, which is a row of its own, and the seller's share, which
//! is the ledger's, in one transaction: there is never the one without the other.
//!
//! A client chooses an `Idempotency-Key` for an order and sends it until there is an answer: 201 for what was booked now, 200
//! with the same body for what was booked before, 409 when the key belongs to another order, 422 when the ledger refuses it, and
//! 503 when nobody knows yet. `main.rs` says how to try it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use ledger_core::attribution::Attribution;
use ledger_core::deal;
use ledger_core::decide::Rejection;
use ledger_core::engine::runner::Runner;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::engine::{Advice, ExecuteError};
use ledger_core::event::Event;
use ledger_core::id::{DealId, InvalidName, Key, PayeeId};
use ledger_core::money::MoneyError;
use ledger_core::projection::balances::{self, Balances};
use ledger_core::waterfall::Gci;
use ledger_core::{Currency, Date, Ledger, Money, Receipt, Request, account, payee};
use ledger_postgres::{PgStore, TransactionError, stage};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgPool, query, query_as};

/// What the ledger is told before the first order. It knows the keys when it is told again, and changes nothing.
const SETUP: &str = r#"
{"key":"setup-1","actor":"shop","at":"2026-01-01T00:00:00Z","command":{"settings.open":{"base_currency":"USD","zone":"UTC"}}}
{"key":"setup-2","actor":"shop","at":"2026-01-01T00:00:00Z","command":{"plan.publish":{"plan":"seller","document":{"currency":"USD","split":{"flat":{"payee":"0.85","company":"0.15"}}}}}}
{"key":"setup-3","actor":"shop","at":"2026-01-01T00:00:00Z","command":{"payee.enrol":{"payee":"kim","name":"Kim"}}}
{"key":"setup-4","actor":"shop","at":"2026-01-01T00:00:00Z","command":{"payee.assign":{"payee":"kim","plan":"seller","version":1,"from":"2026-01-01"}}}"#;

/// How often a transaction is done in all before the client is asked to come again, and the first pause between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// The shop: its tables and its ledger in one database.
pub struct Shop {
    pool: PgPool,
    ledger: Ledger,
    balances: Runner,
}

/// An order, as a client sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    number: DealId,
    payee: PayeeId,
    amount: Money,
    day: Date,
}

impl Shop {
    /// Opens it: brings its own tables up to date, and tells the ledger what it has to know. The ledger's tables are there.
    pub async fn open(pool: PgPool) -> Result<Self, Box<dyn std::error::Error>> {
        sqlx::migrate!().run(&pool).await?;
        let store = Arc::new(PgStore::with_pool(pool.clone()));
        let ledger = Ledger::new(store, Arc::new(TokioEnv::current()), "shop".parse()?);
        for line in SETUP.trim().lines() {
            ledger.execute(serde_json::from_str(line)?).await?;
        }
        let balances = ledger.runner(Arc::new(Balances));
        Ok(Self { pool, ledger, balances })
    }

    /// Its ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What it answers to.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().route("/orders", post(post_order)).route("/payees/{payee}", get(get_payee)).with_state(self)
    }

    /// Books an order and the seller's share, and says whether the order is new.
    async fn book(&self, order: &Order, request: &Request) -> Result<(bool, Receipt), TransactionError> {
        const INSERT: &str = "INSERT INTO orders (key, number, payee, amount, currency, day) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let mut transaction = self.pool.begin().await?;
        let inserted = query(INSERT)
            .bind(request.key.as_str())
            .bind(order.number.as_str())
            .bind(order.payee.as_str())
            .bind(order.amount.minor())
            .bind(order.amount.currency().code())
            .bind(order.day)
            .execute(&mut *transaction)
            .await?;
        // Last, because the ledger is locked from here on. For an order that is not new, it says whether it is the same.
        let staged = stage(&mut transaction, self.ledger.name(), request).await?;
        let receipt = staged.commit(transaction).await?;
        Ok((inserted.rows_affected() == 1, receipt))
    }

    /// Does the transaction again, for a while, when others were in the way. Also when the answer to its commit was lost: a
    /// transaction begins with asking for the key, and who asks waits for whoever is still at it.
    async fn settle(&self, order: &Order, request: &Request) -> Result<(bool, Receipt), TransactionError> {
        for attempt in 1..ATTEMPTS {
            match self.book(order, request).await {
                Err(error) if error.advice() == Advice::Retry => tokio::time::sleep(PAUSE * attempt).await,
                answer => return answer,
            }
        }
        self.book(order, request).await
    }
}

impl Order {
    /// What is asked of the ledger: all of the order is the seller's deal. The plan says what of it is the seller's share.
    fn request(&self, key: &str) -> Result<Request, InvalidName> {
        let record = deal::Command::Record {
            deal: self.number.clone(),
            gci: Gci::Amount(self.amount),
            attribution: Attribution::Equal(vec![self.payee.clone()]),
            completed_on: self.day,
        };
        // The prefix keeps clients off the keys of the setup.
        let key = Key::new(&format!("order/{}", Key::new(key)?))?;
        Ok(Request { key, actor: "shop".parse()?, at: Utc::now(), command: record.into() })
    }
}

async fn post_order(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let bad_key = |why: &dyn ToString| Refusal(StatusCode::BAD_REQUEST, "bad_key", why.to_string());
    let key = headers.get("idempotency-key").ok_or_else(|| bad_key(&"an order needs an Idempotency-Key"))?;
    let key = key.to_str().map_err(|error| bad_key(&error))?;
    let request = order.request(key).map_err(|error| bad_key(&error))?;
    let number = order.number.clone();
    // In a task of its own: a client that goes away must not cut a transaction.
    let settled = tokio::spawn(async move { shop.settle(&order, &request).await });
    let (new, receipt) = settled.await.map_err(unavailable)??;
    let share = receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { amount, .. }) => Some(amount),
        _ => None,
    });
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(json!({ "order": number, "share": share }))))
}

async fn get_payee(State(shop): State<Arc<Shop>>, Path(payee): Path<PayeeId>) -> Result<Json<Value>, Refusal> {
    const ORDERS: &str = "SELECT number, amount, currency, day FROM orders WHERE payee = $1 ORDER BY day, number";
    let usd = Currency::of("USD").map_err(unavailable)?;
    // The balance is a row that is folded from the log; whoever reads it brings it up to date first.
    shop.balances.catch_up().await.map_err(unavailable)?;
    let (store, ledger) = (shop.ledger.store(), shop.ledger.name());
    let rows = store.read_rows(ledger, "balances", &[Balances::key(&payee, usd)]).await.map_err(unavailable)?;
    let row = rows.first().map(|row| serde_json::from_str::<balances::Row>(&row.value)).transpose();
    let balance = row.map_err(unavailable)?.unwrap_or_default().balance;
    let orders: Vec<(String, i64, String, Date)> =
        query_as(ORDERS).bind(payee.as_str()).fetch_all(&shop.pool).await.map_err(unavailable)?;
    let orders = orders.into_iter().map(|(number, amount, currency, day)| {
        let amount = Money::new(amount, Currency::of(&currency)?)?;
        Ok(json!({ "number": number, "amount": amount, "day": day }))
    });
    Ok(Json(json!({
        "payee": payee,
        "earned": balance.earned.money(usd).map_err(unavailable)?,
        "payable": balance.payable.money(usd).map_err(unavailable)?,
        "orders": orders.collect::<Result<Vec<_>, MoneyError>>().map_err(unavailable)?,
    })))
}

/// An answer that is no: its status, its reason in one word for programs, and for people.
struct Refusal(StatusCode, &'static str, String);

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
}

impl From<TransactionError> for Refusal {
    fn from(error: TransactionError) -> Self {
        let (status, reason) = match &error {
            TransactionError::Rejected(ExecuteError::KeyReused { .. }) => (StatusCode::CONFLICT, "key_reused"),
            TransactionError::Rejected(ExecuteError::Rejected(rejection)) => {
                let reason = match rejection {
                    Rejection::Payee(payee::Rejection::Unknown { .. } | payee::Rejection::UnknownAt { .. }) => {
                        "unknown_payee"
                    }
                    Rejection::AlreadyKnown(_) | Rejection::Deal(deal::Rejection::AlreadyRegistered { .. }) => {
                        "order_taken"
                    }
                    _ => "rejected",
                };
                (StatusCode::UNPROCESSABLE_ENTITY, reason)
            }
            TransactionError::Rejected(_) => (StatusCode::UNPROCESSABLE_ENTITY, "rejected"),
            error if error.advice() == Advice::Retry => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self(status, reason, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, reason, text) = self;
        (status, Json(json!({ "error": reason, "text": text }))).into_response()
    }
}
