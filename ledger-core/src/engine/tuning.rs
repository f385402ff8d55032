//! How much the engine does at once, and how much it keeps. None of it changes what is decided.

use crate::limits;

/// The engine's sizes. [`Default`] has the ones of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// The most events that one read asks for, at most [`limits::PAGE_EVENTS`].
    pub page: usize,
    /// The most requests that one append takes.
    pub group_requests: usize,
    /// A group that has so many events takes no further request in.
    pub group_events: usize,
    /// The most requests that wait in the queue.
    pub queue_requests: usize,
    /// How often a request is decided and sent before its caller hears of it.
    pub commit_attempts: u32,
    /// The most folded streams that are kept between requests; 0 keeps none.
    pub cached_streams: usize,
    /// A stream whose version reaches a multiple of this is kept as a snapshot, a long one at every second, fourth and so on.
    pub snapshot_every: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            page: limits::PAGE_EVENTS,
            group_requests: limits::GROUP_REQUESTS,
            group_events: limits::GROUP_EVENTS,
            queue_requests: limits::QUEUE_REQUESTS,
            commit_attempts: limits::COMMIT_ATTEMPTS,
            cached_streams: limits::CACHED_STREAMS,
            snapshot_every: limits::SNAPSHOT_EVERY,
        }
    }
}

impl Tuning {
    /// The same, with 1 in place of what would let nothing happen.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self {
            page: self.page.clamp(1, limits::PAGE_EVENTS),
            group_requests: self.group_requests.max(1),
            group_events: self.group_events.max(1),
            queue_requests: self.queue_requests.max(1),
            commit_attempts: self.commit_attempts.max(1),
            cached_streams: self.cached_streams,
            snapshot_every: self.snapshot_every.max(1),
        }
    }
}
