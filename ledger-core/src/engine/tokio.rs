//! The world as tokio gives it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::Env;
use crate::store::BoxFuture;

/// Runs the engine's tasks on the tokio runtime that is current where a request is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioEnv;

impl Env for TokioEnv {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        // Every RandomState has keys of its own from the operating system, and jitter needs no better chance.
        RandomState::new().hash_one(0_u8)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}
