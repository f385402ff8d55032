//! A deterministic simulator: it drives the ledger's production code through faults, and says when a promise is broken.
//!
//! One thread runs several processes, each with the real engine and the real runner of read models, over one store. Time, the
//! network, chance and every failure are the simulator's, and all of them come from one number: a seed is a story, the same one
//! each time and on every machine.
//!
//! ```text
//! seed ─► choices ─┬► swarm, workload ─► writers ─► engines ─► network ─► store
//!                  ├► scheduler: who is next, when  ▲             ▲         │
//!                  └► faults ───────────────────────┴─────────────┘         │
//!                        answers ─► book ◄─ model             ◄── log ──────┘
//! ```
//!
//! # How a run goes
//!
//! 1. A [`swarm`] is drawn: how many ledgers, writers and payees, what they are in the habit of, which faults strike and how hard.
//! 2. The writers ask what the [`workload`] draws, through the [`network`], which loses, doubles and delays; processes crash,
//!    clocks jump. After every answer the [`book`] follows the log and judges it and the answer.
//! 3. Everything heals. Whoever has no answer asks until there is one.
//! 4. What is left is looked at: replays, projections, rows of read models; then rows are forged, and that must be found
//!    ([`aftermath`]).
//!
//! # What is checked
//!
//! The [`model`] is a second ledger, written from the documentation and sharing no code with the first.
//! [`model::attribution`] is a second `attribute`, in exact fractions; `tests/attribute.rs` compares the two over the cases of
//! [`workload::attributions`].
//!
//! | check | what must hold |
//! |---|---|
//! | C1–C7 | what was asked, answered and stored fits together: the table is in [`book`] |
//! | `log`, `verify`, `laws` | the log follows on, its digests and links hold, and so do the laws of reconciliation |
//! | `projections` | every projection says what the model says |
//! | `replay`, `checkpoint`, `fingerprint` | a replay, whole, in pages or from a checkpoint, comes to the same bytes |
//! | `runner`, `rows` | read models hold every event once, whatever befell their runners; parked is only what must be |
//! | `feed`, `alien` | another history and an event of a newer program are refused, parked, never skipped |
//! | `F22` | once everything works, everyone gets an answer, and the world comes to rest |
//! | `panic`, `determinism` | nothing panics; two runs of one case do not differ |
//!
//! # Where faults come from
//!
//! [`fault::Fault`] lists them. F1–F8, F13, F14 and F17 are the [`network`]'s, F10, F12, F18 and F21 are in [`run`](mod@run), F15
//! and F16 in [`projector`], F9, F11, F19 and F20 in [`aftermath`].
//!
//! # Your store, your plans
//!
//! ```
//! use ledger_core::store::memory::MemoryStore;
//! use ledger_sim::{act::Document, case::Case, run::{Setup, run}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = r#"{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}}}"#;
//! let setup = Setup {
//!     store: std::sync::Arc::new(|clock| std::sync::Arc::new(MemoryStore::new(clock))), // yours: empty, going by this clock
//!     plans: vec![Document::from_json(plan)?],
//! };
//! for seed in 1..=3 {
//!     let report = run(&Case::seed(seed, 100), &setup);
//!     assert_eq!(report.violation, None, "seed {seed}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A store of its own threads is waited for; what it answers must not rest on them. [`real`] has two. At a
//! terminal: `ledger-sim run --store sqlite:DIR --plans DIR`, `… --store postgres`.
//!
//! # When it fails
//!
//! `ledger-sim run` stops at the first broken promise, makes its story shorter ([`shrink`]), tells it, and prints a test to paste
//! into `tests/regressions.rs`. `ledger-sim replay CASE` tells it again. By hand a story gets shorter with `writers=1`,
//! `without=F1,F2`, `drop=0-12`: see [`case`]. Read it from its end: the last lines are the answer that was wrong.
//!
//! # When the ledger grows
//!
//! A command: [`act`] says what is asked, [`workload`] asks it, [`model`] says what must come of it. A call of the store:
//! [`network`] makes it fail. Then plant a bug in it, in `ledger_core`'s `planted.rs`, and see that `ledger-sim plant` finds it;
//! mark its rare branches, and `tests/promises.rs` demands that they are reached.
//!
//! [`exhaust`] is the other half: not many long stories by chance, but every order of small ones.

pub mod act;
pub mod aftermath;
pub mod book;
pub mod case;
pub mod check;
pub mod choice;
pub mod document;
pub mod exhaust;
pub mod fault;
pub mod model;
pub mod network;
pub mod projector;
pub mod real;
pub mod run;
pub mod sale;
pub mod scheduler;
pub mod shrink;
pub mod side;
pub mod swarm;
pub mod workload;
