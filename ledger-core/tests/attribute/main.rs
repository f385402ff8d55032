//! Attribution and rate plans, as a host writes them: cases in, credits and entries out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod case;
mod defects;
mod explained;
mod laws;
mod models;
mod refused;
mod vectors;
