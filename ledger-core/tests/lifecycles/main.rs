//! What can happen to each thing, and what cannot: requests decided one after another, as claims.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod story;

/// Demands that a request is refused, and why.
macro_rules! refused {
    ($story:expr, $actor:expr, $command:expr, $reason:pat) => {{
        let reason = $story.refused($actor, $command);
        assert!(matches!(reason, $reason), "{reason:?}");
        reason.to_string()
    }};
}

mod attainment;
mod attribution;
mod bulk;
mod cap;
mod deal;
mod history;
mod payee;
mod payout;
mod plan;
mod remembered;
mod sale;
mod settings;
mod sides;
