//! Deals calculated from their terms, the payees' plans and what was counted before: case in, lines and caps out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

mod case;
mod explained;
mod refused;
mod remembered;
mod vectors;
