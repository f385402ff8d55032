//! Folded streams that are kept between requests, at most so many.
//!
//! Keeping them is safe because every append checks the tip of every stream that was read, by version and digest: a fold that
//! is behind is found out, never acted on.

use rustc_hash::FxHashMap;

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

    pub(super) fn get(&self, stream: &StreamId) -> Option<&Folded> {
        self.streams.get(stream).map(|kept| &kept.folded)
    }

    pub(super) fn put(&mut self, stream: StreamId, folded: Folded) {
        self.streams.insert(stream, Kept { folded, used: self.tick });
    }

    pub(super) fn forget(&mut self, stream: &StreamId) {
        self.streams.remove(stream);
    }

    /// Ends a group: when there are more streams than `most`, those that were not used for longest go, down to half of it.
    pub(super) fn age(&mut self, most: usize) {
        self.tick += 1;
        if self.streams.len() <= most {
            return;
        }
        mark!(CacheAged);
        let mut used: Vec<u64> = self.streams.values().map(|kept| kept.used).collect();
        let last_to_go = used.len().saturating_sub(most / 2 + 1);
        let (_, threshold, _) = used.select_nth_unstable(last_to_go);
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

    /// A cache that had grown far over its size in one group went down by half of its size, not to it.
    #[test]
    fn a_full_cache_keeps_what_was_used_last() {
        for (most, streams) in [(20, 21), (20, 200), (1, 9), (0, 5)] {
            let mut cache = Cache::default();
            for number in 0..streams {
                cache.put(deal(number), Folded::empty(&deal(number)));
                cache.tick += 1;
            }
            cache.age(most);
            assert_eq!(cache.streams.len(), most / 2, "{streams} streams, {most} of them kept");
            assert_eq!(cache.take(&deal(streams - 1)).is_some(), most > 1);
            assert!(cache.take(&deal(0)).is_none());
        }
    }
}
