//! The record: what is stored, byte by byte, and what happens to whoever changes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

#[path = "../lifecycles/story.rs"]
mod story;

mod format;
mod golden;
mod hostile;
mod reading;
mod rows;
mod tampering;
mod year;
