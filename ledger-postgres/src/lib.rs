//! Keeps payout and commission ledgers in PostgreSQL, beside the host's own tables.
//!
//! ```no_run
//! # async fn run() -> Result<(), ledger_core::store::StoreError> {
//! use ledger_core::store::Store;
//! use ledger_postgres::{PgStore, Roles, SCHEMA_VERSION};
//!
//! let url = "postgres://localhost/sales";
//! PgStore::migrate(url, SCHEMA_VERSION, &Roles::default()).await?;
//! let store = PgStore::connect(url).await?;
//! println!("{:?}", store.ledgers().await?);
//! # Ok(())
//! # }
//! ```
//!
//! - One database holds any number of ledgers, in a schema of its own: `payledger`. Writers of a ledger take turns; those of two
//!   ledgers do not meet.
//! - An append is one statement, whatever the group: a caller that goes away leaves no transaction open, and no error that is
//!   passed over becomes a commit. On a pool of the host's, a statement before it finds a transaction that somebody left open,
//!   and rolls it back. Every read is one statement, sent again on another connection where its own was gone.
//! - A replay reads by statements of some 10,000 events each, on one connection of the pool. None is held open for who looks at
//!   them slowly: vacuum waits for no reader longer than about a second, and neither does who else wants the connection.
//! - A request can also be [staged](stage) in a transaction of the host's, and stands or falls with it.
//! - Rows are never changed: the application's role has no right to, and triggers refuse it to everybody. What finds that
//!   somebody took them away is [`PgStore::check`], and what finds edited rows is the chain of links.
//! - Errors are told from SQLSTATEs, and say whether to send again
//!   ([`Unavailable`](ledger_core::store::StoreError::Unavailable)), to send again *with the same key*
//!   ([`Unknown`](ledger_core::store::StoreError::Unknown)), or to stop and what to mend. A statement whose connection broke is
//!   unknown: connections are used unasked, so the first after a restart of the server may be.
//! - A store that has a URL keeps one connection for its appends and up to seven for all else, also for appends while another
//!   is under way. Where these are too many, it takes a [pool](PgStore::with_pool) of the host's.

mod append;
mod check;
mod derived;
mod error;
mod inside;
mod options;
mod pages;
mod plan;
mod read;
mod row;
mod schema;
mod store;
mod writer;

pub use check::Finding;
pub use inside::{Staged, TransactionError, commit, stage};
pub use schema::{Roles, SCHEMA_VERSION};
pub use sqlx;
pub use store::PgStore;
