//! What must hold of a ledger, whatever happened to it.

pub mod log;
pub mod projections;
