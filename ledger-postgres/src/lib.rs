//! Keeps payout and commission ledgers in PostgreSQL, beside the host's own tables.

mod append;
mod check;
mod derived;
mod error;
mod inside;
mod read;
mod row;
mod schema;
mod store;

pub use check::Finding;
pub use inside::{Staged, TransactionError, commit, stage};
pub use schema::{Roles, SCHEMA_VERSION};
pub use sqlx;
pub use store::PgStore;
