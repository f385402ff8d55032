//! Callers that ask again as soon as they are answered, and how many answers they get.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What takes commands.
pub trait Peer: Send + Sync + 'static {
    /// Carries a command out, with a number that no other has, and says whether it is stored.
    fn call(&self, number: u64) -> impl Future<Output = bool> + Send;
}

/// What came of a load, each a second.
#[derive(Clone, Copy)]
pub struct Rates {
    pub stored: f64,
    pub failed: f64,
}

/// So many callers for so long, after an eighth of that to warm up. Only what is stored counts; who failed asks again at once,
/// for something else.
pub async fn load(peer: impl Peer, callers: usize, time: Duration) -> Rates {
    let peer = Arc::new(peer);
    let shared = Arc::new(Shared::default());
    let caller = || {
        let (peer, shared) = (Arc::clone(&peer), Arc::clone(&shared));
        tokio::spawn(async move {
            while !shared.stop.load(Relaxed) {
                let stored = peer.call(shared.number.fetch_add(1, Relaxed)).await;
                if stored { &shared.stored } else { &shared.failed }.fetch_add(1, Relaxed);
            }
        })
    };
    let callers: Vec<_> = (0..callers).map(|_| caller()).collect();
    tokio::time::sleep(time / 8).await;
    let (begun, stored, failed) = (Instant::now(), shared.stored.load(Relaxed), shared.failed.load(Relaxed));
    tokio::time::sleep(time).await;
    let since = |count: &AtomicU64, before| (count.load(Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    let rates = Rates { stored: since(&shared.stored, stored), failed: since(&shared.failed, failed) };
    shared.stop.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    rates
}

#[derive(Default)]
struct Shared {
    number: AtomicU64,
    stored: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}
