//! What holds of every input there is: laws of the record, and of ledgers that did whatever came to mind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

#[path = "../lifecycles/story.rs"]
mod story;

mod any;
mod any_sale;
mod history;
mod ledger;
mod model;
mod record;
mod waterfall;
