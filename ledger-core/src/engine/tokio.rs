//! The world as tokio gives it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Env;
use crate::store::BoxFuture;

/// Runs the engine's tasks on a tokio runtime, wherever a request is made from.
#[derive(Debug, Clone)]
pub struct TokioEnv(Handle);

impl TokioEnv {
    /// The runtime that the caller is in.
    ///
    /// # Panics
    /// Outside a tokio runtime. There, give the runtime's handle to [`on`](Self::on).
    #[must_use]
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// The runtime of a handle.
    #[must_use]
    pub fn on(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Env for TokioEnv {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let handle = self.0.clone();
        Box::pin(async move {
            let sleep = {
                let _runtime = handle.enter();
                tokio::time::sleep(duration)
            };
            sleep.await;
        })
    }

    fn random(&self) -> u64 {
        // Every RandomState has keys of its own from the operating system, and jitter needs no better chance.
        RandomState::new().hash_one(0_u8)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.0.spawn(task));
    }

    fn give_way(&self) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}
