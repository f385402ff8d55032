//! Who earned what, under which plan and cap, and what was paid: every fact an immutable event, every balance a replay of
//! those events.
//!
//! The core is pure. The same slice of a ledger and the same request give the same decision, for ever: there is no clock here,
//! no randomness, no I/O, no float and no result that depends on the order of a hash table. Time, actor and keys arrive with
//! the request. What the engine needs of the world comes in through [`engine::Env`], what keeps the log through
//! [`store::Store`].
//!
//! ```text
//! request ─► key known? ─► slice as of sequence N ─► decide ─► events ─► store.append ─► receipt
//!              │ yes: first receipt        ▲                               │
//!              ▼                           └── conflict: reload, decide again, bounded
//! log ─► projections ─► register, balances, cap progress, journal, reconciliation, exports
//! ```
//!
//! ```
//! use ledger_core::{Ledger, Request, engine::tokio::TokioEnv, store::memory::MemoryStore};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = std::sync::Arc::new(MemoryStore::new(std::sync::Arc::new(|| 1_767_225_600_000_000)));
//! let ledger = Ledger::new(store, std::sync::Arc::new(TokioEnv::current()), "main".parse()?);
//! let request: Request = serde_json::from_str(
//!     r#"{"key":"open","actor":"ann","at":"2026-01-01T09:00:00Z",
//!         "command":{"settings.open":{"base_currency":"USD","zone":"America/New_York"}}}"#,
//! )?;
//! let receipt = ledger.execute(request.clone()).await?;
//! assert_eq!(receipt.events.len(), 1);
//! assert_eq!(ledger.execute(request).await?, receipt, "the same request has the same receipt");
//! # Ok(())
//! # }
//! ```
//!
//! A host that wants balances in its own database keeps them as rows, which a [runner](engine::runner) moves along with the log:
//!
//! ```
//! use ledger_core::projection::balances::{Balances, Row};
//! # use ledger_core::{Ledger, Request, engine::tokio::TokioEnv, store::{Store, memory::MemoryStore}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = std::sync::Arc::new(MemoryStore::new(std::sync::Arc::new(|| 1_767_225_600_000_000)));
//! # let ledger = Ledger::new(store.clone(), std::sync::Arc::new(TokioEnv::current()), "main".parse()?);
//! # let split = r#"{"flat":{"payee":"0.7","company":"0.3"}}"#;
//! # for (key, command) in [
//! #     r#"{"settings.open":{"base_currency":"USD","zone":"America/New_York"}}"#.to_owned(),
//! #     format!(r#"{{"plan.publish":{{"plan":"sales","document":{{"currency":"USD","split":{split}}}}}}}"#),
//! #     r#"{"payee.enrol":{"payee":"amy","name":"Amy"}}"#.to_owned(),
//! #     r#"{"payee.assign":{"payee":"amy","plan":"sales","version":1,"from":"2026-01-01"}}"#.to_owned(),
//! #     r#"{"deal.record":{"deal":"d-1","gci":{"amount":"1000 USD"},"attribution":{"equal":["amy"]},"completed_on":"2026-01-10"}}"#.to_owned(),
//! # ].into_iter().enumerate() {
//! #     let request = format!(r#"{{"key":"{key}","actor":"ann","at":"2026-01-31T09:00:00Z","command":{command}}}"#);
//! #     ledger.execute(serde_json::from_str::<Request>(&request)?).await?;
//! # }
//! // A deal of 1,000 USD is recorded, of which amy gets 70 per cent.
//! let runner = ledger.runner(std::sync::Arc::new(Balances));
//! runner.catch_up().await?;
//! let rows = store.read_rows(ledger.name(), "balances", &["amy/USD".into()]).await?;
//! let amy: Row = serde_json::from_str(&rows[0].value)?;
//! assert_eq!(amy.balance.payable.show("USD".parse()?).to_string(), "700.00");
//! assert!(runner.parked().await?.is_empty(), "the model could take every event");
//! # Ok(())
//! # }
//! ```
//!
//! # What this crate does not do
//!
//! It moves no money: it says what is to be paid, and records what was. It keeps no secrets: personal data belongs in the
//! host's tables, under the identifiers that are used here. It does not stop the owner of the database from rewriting history,
//! but [`verify`] finds it out as long as one [head](store::Head) is kept elsewhere.

#[macro_use]
mod hooks;
#[cfg(feature = "marks")]
pub mod marks;
#[cfg(ledger_planted)]
pub mod planted;

// Values.
pub mod allocation;
pub mod calendar;
pub mod id;
pub mod limits;
mod malformed;
pub mod map;
pub mod money;
pub mod rate;

// What can happen to each thing: commands, events, rejections, state, decisions.
pub mod account;
pub mod attainment;
pub mod attribution;
pub mod cap;
pub mod customer;
pub mod deal;
pub mod model;
pub mod payee;
pub mod payout;
pub mod plan;
pub mod published;
pub mod rates;
pub mod settings;
pub mod spend;

// Who gets credit for a deal and what that pays; who has what of a deal under which plan; cases of both without a ledger.
pub mod attribute;
pub mod calc;
pub mod credit;
pub mod waterfall;

// The whole.
pub mod command;
pub mod decide;
pub mod event;
pub mod slice;
pub mod stream;

// The record.
pub mod chain;
pub mod codec;
pub mod recorded;
pub mod verify;

// What is read from it.
pub mod projection;
pub mod reconcile;

// What keeps it, and what drives it.
pub mod engine;
pub mod store;

pub use calendar::Date;
pub use command::Request;
pub use engine::{Ledger, Receipt};
pub use money::{Currency, Money};
