//! Folded streams that are kept between requests, at most so many.
//!
//! Keeping them is safe because every append checks the tip of every stream that was read, by version and digest: a fold that
//! is behind is found out, never acted on.

use rustc_hash::FxHashMap;

use crate::limits::CACHED_STREAMS;
use crate::slice::Folded;
use crate::stream::StreamId;

#[derive(Default)]
pub(super) struct Cache {
    streams: FxHashMap<StreamId, Kept>,
    tick: u64,
}

struct Kept {
    folded: Folded,
    used: u64,
}

impl Cache {
    pub(super) fn take(&mut self, stream: &StreamId) -> Option<Folded> {
        self.streams.remove(stream).map(|kept| kept.folded)
    }

    pub(super) fn put(&mut self, stream: StreamId, folded: Folded) {
        self.streams.insert(stream, Kept { folded, used: self.tick });
    }

    pub(super) fn forget(&mut self, stream: &StreamId) {
        self.streams.remove(stream);
    }

    /// Ends a group: when there are too many streams, those that were not used for longest go, down to half.
    pub(super) fn age(&mut self) {
        self.tick += 1;
        if self.streams.len() <= CACHED_STREAMS {
            return;
        }
        mark!(CacheAged);
        let mut used: Vec<u64> = self.streams.values().map(|kept| kept.used).collect();
        let (_, threshold, _) = used.select_nth_unstable(CACHED_STREAMS / 2);
        let threshold = *threshold;
        self.streams.retain(|_, kept| kept.used > threshold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DealId;

    fn deal(number: usize) -> StreamId {
        StreamId::Deal(DealId::new(&number.to_string()).unwrap())
    }

    #[test]
    fn a_full_cache_keeps_what_was_used_last() {
        let mut cache = Cache::default();
        for number in 0..=CACHED_STREAMS {
            cache.put(deal(number), Folded::empty(&deal(number)));
            cache.tick += 1;
        }
        cache.age();
        assert!(cache.streams.len() <= CACHED_STREAMS / 2 + 1);
        assert!(cache.take(&deal(CACHED_STREAMS)).is_some());
        assert!(cache.take(&deal(0)).is_none());
    }
}
