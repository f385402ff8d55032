//! The engine: takes requests from any number of callers, decides them in order, and commits them in groups.
//!
//! One queue per ledger and process. What waits is decided in order, each request on the state that the earlier ones leave, and
//! committed together, so that a busy ledger costs one commit a group. When another process was faster, the streams that moved
//! are loaded again and what depended on them is decided again. A caller that goes away cuts nothing: a task of its own drives
//! the group.
//!
//! The engine is free of any runtime. What it needs of the world is an [`Env`].

mod cache;
mod desk;
pub mod direct;
pub mod feed;
mod group;
mod in_order;
pub mod runner;
mod snapshot;
#[cfg(feature = "tokio")]
pub mod tokio;
mod tuning;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use thiserror::Error;

use crate::chain::Digest;
use crate::codec::DecodeError;
use crate::command::Request;
use crate::decide::{Decision, Misfit, Rejection, Undecided, decide};
use crate::id::{Key, LedgerName, PayoutId};
use crate::projection::Checkpoint;
use crate::recorded::{Damaged, Recorded, RecordedRequest};
use crate::slice::Slice;
use crate::store::{BoxFuture, Store, StoreError};
use crate::{event, payout};
use cache::Cache;
use desk::Desk;
use feed::Feed;
pub use in_order::InOrder;
use in_order::Turn;
use runner::{ReadModel, Runner};
pub use tuning::Tuning;

/// What the engine needs of the world around it.
pub trait Env: Send + Sync {
    /// Lets time pass.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// A random number, so that processes that wait for one another do not do so in step.
    fn random(&self) -> u64;
    /// Runs a task to its end, whatever becomes of the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// Lets every task go first that is ready to run. Without it groups are smaller, nothing else.
    fn give_way(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A ledger, open for requests. Clones share one queue.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    name: LedgerName,
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    tuning: Tuning,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    tickets: u64,
    driven: bool,
    /// At rest here; with the driver while there is one.
    cache: Cache,
}

/// A request in the queue, and who waits for its answer.
struct Waiting {
    request: Request,
    hash: Digest,
    /// Whether it was sent to the store without an answer. Until the key tells, nobody can say that it was not stored.
    in_doubt: bool,
    /// Whether the streams that it makes may be taken for empty without reading them. Once that was wrong they are read.
    hopeful: bool,
    turn: Turn,
    reply: oneshot::Sender<Result<Receipt, ExecuteError>>,
}

/// What came of a request: the events as they stand in the ledger. The same for the first answer and for every later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Key, actor and time of the request.
    pub request: Arc<RecordedRequest>,
    /// Its events, in order; at least one.
    pub events: Vec<Recorded>,
}

impl Receipt {
    /// The payout that the request created, if it did.
    #[must_use]
    pub fn payout(&self) -> Option<PayoutId> {
        self.events.iter().find_map(|recorded| match &recorded.event {
            event::Event::Payout(payout::Event::Created { payout, .. }) => Some(*payout),
            _ => None,
        })
    }
}

/// What would come of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// Nothing: it was done before, under the same key.
    Done(Receipt),
    /// These events.
    Would(Decision),
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Sending the same again cannot help: mend the request.
    Reject,
    /// Send the same request again, with the same key.
    Retry,
    /// Stop, and look at the store: nothing that it says can be relied on.
    Stop,
}

/// Why a request has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The answer is no. Nothing has changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The key belongs to another request. Nothing has changed.
    #[error("key {key} was used for another request: choose a new key for this one")]
    KeyReused {
        /// The key.
        key: Key,
    },
    /// The request would be larger than a store takes. Nothing has changed.
    #[error("the request is too large for the store: {reason}")]
    Refused {
        /// Which limit it breaks.
        reason: &'static str,
    },
    /// Too many requests wait. Nothing has changed.
    #[error("the queue is full: send it again later")]
    Busy,
    /// Other processes were faster each time. Nothing has changed.
    #[error("other writers were faster {attempts} times: send it again")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// A request before it, in the same order, may still have to be carried out. Nothing has changed.
    #[error("a request before it has no certain answer: send it again after that one")]
    NotTried,
    /// The engine's task was stopped with the request in its hands.
    #[error("the engine was stopped, the request may have been stored: send it again with the same key")]
    Stopped,
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not what a ledger stores.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl ExecuteError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Rejected(_) | Self::KeyReused { .. } | Self::Refused { .. } => Advice::Reject,
            Self::Busy | Self::Contended { .. } | Self::NotTried | Self::Stopped => Advice::Retry,
            Self::Store(StoreError::Unavailable(_) | StoreError::Unknown(_)) => Advice::Retry,
            Self::Store(_) | Self::Damaged(_) => Advice::Stop,
        }
    }

    /// Whether it was said after the key had been looked up, so that it holds also for what was sent before.
    fn is_certain(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::KeyReused { .. } | Self::Refused { .. } => true,
            Self::Busy | Self::Contended { .. } | Self::NotTried | Self::Stopped => false,
            Self::Store(_) | Self::Damaged(_) => false,
        }
    }

    /// The same, of a request that may be stored, or is.
    fn in_doubt(self) -> Self {
        if self.is_certain() {
            return self;
        }
        StoreError::Unknown(format!("the first answer was lost, and then: {self}")).into()
    }

    /// Whether the request is in the ledger already, under another key. Importers count that as done.
    #[must_use]
    pub fn is_already_known(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::AlreadyKnown(_)))
    }
}

impl From<Misfit> for ExecuteError {
    fn from(misfit: Misfit) -> Self {
        Self::Damaged(Damaged { sequence: 0, what: misfit.to_string() })
    }
}

impl From<DecodeError> for ExecuteError {
    fn from(error: DecodeError) -> Self {
        Self::Damaged(Damaged { sequence: 0, what: error.to_string() })
    }
}

impl Ledger {
    /// Opens a ledger of a store. It need not exist: its first request makes it.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, env: Arc<dyn Env>, name: LedgerName) -> Self {
        Self::tuned(store, env, name, Tuning::default())
    }

    /// Opens a ledger as [`new`](Self::new) does, with an engine of other sizes.
    #[must_use]
    pub fn tuned(store: Arc<dyn Store>, env: Arc<dyn Env>, name: LedgerName, tuning: Tuning) -> Self {
        let tuning = tuning.clamped();
        Self { inner: Arc::new(Inner { name, store, env, tuning, queue: Mutex::default() }) }
    }

    /// The ledger's name.
    #[must_use]
    pub fn name(&self) -> &LedgerName {
        &self.inner.name
    }

    /// The store that keeps it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The log from a checkpoint on; [`Checkpoint::default`] is the beginning.
    #[must_use]
    pub fn feed(&self, from: Checkpoint) -> Feed<'_> {
        Feed::new(&*self.inner.store, &self.inner.name, from, self.inner.tuning.page)
    }

    /// What keeps a read model of this ledger.
    #[must_use]
    pub fn runner(&self, model: Arc<dyn ReadModel>) -> Runner {
        let Inner { store, env, name, tuning, .. } = &*self.inner;
        Runner::new(Arc::clone(store), Arc::clone(env), name.clone(), model, tuning.page)
    }

    /// Carries a request out. Sending it again, with the same key, gives the same receipt and changes nothing.
    ///
    /// The request takes its place in the queue when this is called, not when the future is polled first, and dropping the
    /// future does not take it back.
    ///
    /// # Errors
    /// [`ExecuteError`], whose [`advice`](ExecuteError::advice) says what to do.
    pub fn execute(&self, request: Request) -> impl Future<Output = Result<Receipt, ExecuteError>> + Send + use<> {
        self.enter(request, Turn::default())
    }

    fn enter(
        &self,
        request: Request,
        turn: Turn,
    ) -> impl Future<Output = Result<Receipt, ExecuteError>> + Send + use<> {
        let answer = self.inner.enqueue(request, turn);
        if answer.as_ref().is_ok_and(|(_, idle)| *idle) {
            // Made here and not in the task, so that the queue is not left to a task that never runs.
            let cache = std::mem::take(&mut self.inner.queue().cache);
            let driver = Driver { inner: Arc::clone(&self.inner), cache, done: false };
            self.inner.env.spawn(Box::pin(drive(driver)));
        }
        async move {
            match answer {
                Ok((answer, _)) => answer.await.unwrap_or(Err(ExecuteError::Stopped)),
                Err(busy) => Err(busy),
            }
        }
    }

    /// Says what would come of a request, without carrying it out.
    ///
    /// # Errors
    /// As [`execute`](Self::execute) would.
    pub async fn preview(&self, request: &Request) -> Result<Preview, ExecuteError> {
        if let Some(receipt) = self.inner.desk().first_receipt(&request.key, &request.hash()).await? {
            return Ok(Preview::Done(receipt));
        }
        let mut slice = Slice::new(self.inner.name.clone());
        let mut at = None;
        loop {
            match decide(&slice, request) {
                Ok(decision) => {
                    decision.events.iter().try_for_each(|(_, event)| desk::encoded(event).map(drop))?;
                    return Ok(Preview::Would(decision));
                }
                Err(Undecided::Needs(streams)) => self.inner.desk().load(&mut slice, streams, &mut at).await?,
                Err(Undecided::Rejected(rejection)) => return Err(rejection.into()),
                Err(Undecided::Misfit(misfit)) => return Err(misfit.into()),
            }
        }
    }
}

/// The answer that a caller waits for.
type Answer = oneshot::Receiver<Result<Receipt, ExecuteError>>;

impl Inner {
    /// Puts a request in the queue, and says whether nobody is working on it.
    fn enqueue(&self, request: Request, mut turn: Turn) -> Result<(Answer, bool), ExecuteError> {
        let (reply, answer) = oneshot::channel();
        let hash = request.hash();
        let mut queue = self.queue();
        queue.tickets += 1;
        turn.ticket = queue.tickets;
        if turn.is_lost() {
            return Err(ExecuteError::NotTried);
        }
        if queue.waiting.len() >= self.tuning.queue_requests {
            mark!(Busy);
            return Err(ExecuteError::Busy);
        }
        queue.waiting.push_back(Waiting { request, hash, in_doubt: false, hopeful: true, turn, reply });
        Ok((answer, !std::mem::replace(&mut queue.driven, true)))
    }

    fn desk(&self) -> Desk<'_> {
        Desk { name: &self.name, store: &*self.store, page: self.tuning.page }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The lock is only held for pushes and takes, which leave the queue whole wherever they end.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works the queue off, group by group, until it is empty.
async fn drive(mut driver: Driver) {
    loop {
        // Those who were just answered ask again, and what they ask is in one group.
        driver.inner.env.give_way().await;
        let Some(group) = driver.next_group() else { return };
        group::commit(&driver.inner, &mut driver.cache, group).await;
    }
}

struct Driver {
    inner: Arc<Inner>,
    cache: Cache,
    done: bool,
}

impl Driver {
    /// The next requests to decide together; when there are none, the driver's work is over.
    fn next_group(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.inner.queue();
        let count = queue.waiting.len().min(self.inner.tuning.group_requests);
        if count > 0 {
            return Some(queue.waiting.drain(..count).collect());
        }
        queue.cache = std::mem::take(&mut self.cache);
        queue.driven = false;
        self.done = true;
        None
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        mark!(DriverDropped);
        // Cut short, by a panic or the end of its runtime: those who wait are told, and the next request starts afresh. The
        // cache may be ahead of the store and goes with the driver.
        let mut queue = self.inner.queue();
        queue.driven = false;
        queue.waiting.clear();
    }
}
