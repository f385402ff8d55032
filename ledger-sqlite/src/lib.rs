//! Keeps payout and commission ledgers in a SQLite file: the embedded default.
//!
//! ```no_run
//! # async fn run() -> Result<(), ledger_core::store::StoreError> {
//! use ledger_core::store::Store;
//! use ledger_sqlite::SqliteStore;
//!
//! let store = SqliteStore::open("ledger.db").await?;
//! println!("{:?}", store.ledgers().await?);
//! store.backup("ledger-backup.db").await?;
//! # Ok(())
//! # }
//! ```
//!
//! - One file holds any number of ledgers, and any number of processes may share it on one machine. Writers take turns.
//! - An acknowledged append is on the disk: write-ahead log, `synchronous=FULL`.
//! - Rows are never changed: triggers refuse UPDATE, DELETE and REPLACE, whoever connects. Somebody who may write the file can
//!   still drop the triggers; what finds that is [`SqliteStore::check`], and what finds edited rows is the chain of links.
//! - Errors say whether to send again ([`Unavailable`](ledger_core::store::StoreError::Unavailable)), to send again *with the
//!   same key* ([`Unknown`](ledger_core::store::StoreError::Unknown)), or to stop and what to mend.
//!
//! The store needs a Tokio runtime: its writer is a task of its own, so that a caller that goes away cuts no transaction.

mod derived;
mod error;
mod row;
mod schema;
mod store;
mod writer;

pub use schema::{Finding, SCHEMA_VERSION};
pub use store::{SqliteStore, system_clock};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
