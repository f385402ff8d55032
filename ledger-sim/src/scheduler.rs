//! One thread, many tasks, and a time that only the scheduler moves.
//!
//! A task that waits for the network waits at a *gate*. When nothing else can run, the next gate is opened: in a run by chance
//! it is the one whose time has come, and the time jumps there; in an exhaustive run it is any of them, one after another run.
//! So the order in which things reach the store is the whole of what can differ.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ledger_core::engine::Env;
use ledger_core::store::BoxFuture;

use crate::choice::Choices;

/// Who a task belongs to. A process can be killed; what has reached the store's side cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The store's side of the network.
    Store,
    /// A process of the host, in its so-manieth life.
    Process {
        /// Which.
        index: usize,
        /// How often it was started before.
        life: u32,
    },
}

/// The tasks, the time and the chance of one run. Clones share them.
#[derive(Clone)]
pub struct Scheduler(Arc<Mutex<State>>);

struct State {
    now: Duration,
    choices: Choices,
    pace: Pace,
    tasks: Vec<Slot>,
    free: Vec<usize>,
    ready: Ready,
    timers: BinaryHeap<Reverse<Timer>>,
    gates: Vec<Waker>,
    tickets: u64,
}

/// How gates are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// After a time by chance, up to so many microseconds.
    ByChance(u32),
    /// In any order: an exhaustive run goes through all of them.
    InAnyOrder,
}

type Ready = Arc<Mutex<VecDeque<(usize, u64)>>>;

struct Slot {
    /// Tells this task from the one that had the slot before.
    generation: u64,
    task: Option<(Owner, BoxFuture<'static, ()>, Waker)>,
}

#[derive(Clone)]
struct Timer {
    at: Duration,
    ticket: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.ticket).cmp(&(other.at, other.ticket))
    }
}

/// Puts a task where the scheduler looks for it.
struct Knock {
    place: (usize, u64),
    ready: Ready,
}

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.place) {
            ready.push_back(self.place);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler {
    /// No tasks, at time 0.
    #[must_use]
    pub fn new(choices: Choices, pace: Pace) -> Self {
        Self(Arc::new(Mutex::new(State {
            now: Duration::ZERO,
            choices,
            pace,
            tasks: Vec::new(),
            free: Vec::new(),
            ready: Ready::default(),
            timers: BinaryHeap::new(),
            gates: Vec::new(),
            tickets: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// How far the time has come.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// Chooses something.
    pub fn choose<T>(&self, choose: impl FnOnce(&mut Choices) -> T) -> T {
        choose(&mut self.state().choices)
    }

    /// Adds a task.
    pub fn spawn(&self, owner: Owner, future: BoxFuture<'static, ()>) {
        let mut state = self.state();
        state.tickets += 1;
        let generation = state.tickets;
        let place = state.free.pop().unwrap_or(state.tasks.len());
        let waker = Waker::from(Arc::new(Knock { place: (place, generation), ready: Arc::clone(&state.ready) }));
        waker.wake_by_ref();
        let slot = Slot { generation, task: Some((owner, future, waker)) };
        match state.tasks.get_mut(place) {
            Some(free) => *free = slot,
            None => state.tasks.push(slot),
        }
    }

    /// Ends every task of an owner, wherever it is.
    pub fn kill(&self, owner: Owner) {
        let mut killed = Vec::new();
        let mut state = self.state();
        let State { tasks, free, .. } = &mut *state;
        for (place, slot) in tasks.iter_mut().enumerate() {
            if slot.task.as_ref().is_some_and(|(of, ..)| *of == owner) {
                killed.extend(slot.task.take());
                free.push(place);
            }
        }
        drop(state);
        // Dropped without the lock: a future that is cut may want to wake others.
        drop(killed);
    }

    /// Lets one task go on, after opening a gate when none can. False when nothing is left to wait for.
    pub fn turn(&self) -> bool {
        let mut state = self.state();
        let Some((place, generation)) = state.next_ready() else { return state.open_a_gate() };
        let slot = state.tasks.get_mut(place).filter(|slot| slot.generation == generation);
        let Some((owner, mut future, waker)) = slot.and_then(|slot| slot.task.take()) else { return true };
        drop(state);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        match poll {
            Poll::Ready(()) => state.free.push(place),
            Poll::Pending => {
                if let Some(slot) = state.tasks.get_mut(place) {
                    slot.task = Some((owner, future, waker));
                }
            }
        }
        true
    }

    /// Waits as long as the network takes.
    pub async fn gate(&self) {
        let mut arrived = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut arrived, true) {
                return Poll::Ready(());
            }
            let mut state = self.state();
            match state.pace {
                Pace::ByChance(most) => {
                    let micros = state.choices.schedule(most);
                    state.wake_in(Duration::from_micros(micros.into()), context.waker().clone());
                }
                Pace::InAnyOrder => state.gates.push(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }

    /// Waits for a time.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        let scheduler = self.clone();
        let mut asleep = false;
        std::future::poll_fn(move |context| {
            if std::mem::replace(&mut asleep, true) {
                return Poll::Ready(());
            }
            scheduler.state().wake_in(duration, context.waker().clone());
            Poll::Pending
        })
    }

    /// Waits as long as a client waits for an answer that does not come.
    pub async fn timeout(&self) {
        let pace = self.state().pace;
        match pace {
            Pace::ByChance(_) => {
                let millis = 100 + self.choose(|choices| choices.schedule(900));
                self.sleep(Duration::from_millis(millis.into())).await;
            }
            Pace::InAnyOrder => self.gate().await,
        }
    }

    /// The world of one process, as the engine sees it.
    #[must_use]
    pub fn env(&self, owner: Owner) -> Arc<dyn Env> {
        Arc::new(ProcessEnv { scheduler: self.clone(), owner })
    }
}

impl State {
    /// By chance, any task that can go on; else the one that could first.
    fn next_ready(&mut self) -> Option<(usize, u64)> {
        let mut ready = lock(&self.ready);
        let count = u32::try_from(ready.len()).unwrap_or(u32::MAX);
        let chosen = match self.pace {
            Pace::ByChance(_) if count > 1 => self.choices.schedule(count),
            _ => 0,
        };
        ready.remove(usize::try_from(chosen).unwrap_or(0))
    }

    fn open_a_gate(&mut self) -> bool {
        if !self.gates.is_empty() {
            let count = u32::try_from(self.gates.len()).unwrap_or(u32::MAX);
            let chosen = usize::try_from(self.choices.schedule(count)).unwrap_or(0);
            self.gates.remove(chosen).wake();
            return true;
        }
        let Some(Reverse(timer)) = self.timers.pop() else { return false };
        self.now = self.now.max(timer.at);
        timer.waker.wake();
        true
    }

    fn wake_in(&mut self, duration: Duration, waker: Waker) {
        self.tickets += 1;
        let timer = Timer { at: self.now.saturating_add(duration), ticket: self.tickets, waker };
        self.timers.push(Reverse(timer));
    }
}

struct ProcessEnv {
    scheduler: Scheduler,
    owner: Owner,
}

impl Env for ProcessEnv {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.scheduler.sleep(duration))
    }

    fn random(&self) -> u64 {
        let mut state = self.scheduler.state();
        // An exhaustive run has no use for jitter: it comes by every order anyway.
        if state.pace == Pace::InAnyOrder { 0 } else { state.choices.schedule(u32::MAX).into() }
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.scheduler.spawn(self.owner, task);
    }
}

/// Runs a future to its end here and now: what answers at once, or a store of its own threads.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = std::pin::pin!(future);
    if let Poll::Ready(value) = Pin::as_mut(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        return value;
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match Pin::as_mut(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
