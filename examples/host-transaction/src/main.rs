//! `DATABASE_URL=postgres://localhost/shop cargo run -p host-transaction`, on an empty database of a PostgreSQL 15 or newer. Then:
//!
//! ```sh
//! curl -i localhost:3000/orders -H 'Idempotency-Key: 1' --json '{"number":"o-1","payee":"kim","amount":"59.99 USD","day":"2026-03-01"}'
//! curl -i localhost:3000/payees/kim
//! ```
//!
//! Send the first again, with the same key, with another amount, with another key.

use std::sync::Arc;

use host_transaction::Shop;
use ledger_postgres::{PgStore, Roles, SCHEMA_VERSION};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL, as postgres://localhost/shop")?;
    // So that this can be tried. In earnest, it is a step of whoever owns the tables, not of the service.
    PgStore::migrate(&url, SCHEMA_VERSION, &Roles::default()).await?;
    // Whoever waits for a ledger without end holds a connection without end.
    let options = url.parse::<PgConnectOptions>()?.options([("lock_timeout", "2s"), ("statement_timeout", "10s")]);
    let shop = Shop::open(PgPoolOptions::new().connect_with(options).await?).await?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("the shop is open at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, Arc::new(shop).router()).await?)
}
