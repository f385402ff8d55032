//! A deterministic simulator: it drives the ledger's production code through faults, and says when a promise is broken.

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
pub mod run;
pub mod scheduler;
pub mod shrink;
pub mod sqlite;
pub mod swarm;
pub mod workload;
