//! A run: writers in several processes ask ledgers of one store, while things fail; then everything heals and everyone must
//! finish; then what is left is looked at.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger_core::engine::{ExecuteError, Receipt, Tuning, direct};
use ledger_core::id::LedgerName;
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{BoxFuture, Clock, Store};
use ledger_core::{Ledger, marks};

use crate::act::{Ask, Document};
use crate::aftermath::{self, Alien};
use crate::book::{Book, Sent, Settled, Violation, broken};
use crate::case::Case;
use crate::check;
use crate::choice::Choices;
use crate::fault::{Fault, Faults, KINDS};
use crate::network::Network;
use crate::projector::Projector;
use crate::scheduler::{Owner, Pace, Scheduler, now};
use crate::swarm::Swarm;
use crate::workload::Workload;

/// Makes an empty store that goes by a clock.
pub type NewStore = Arc<dyn Fn(Clock) -> Arc<dyn Store> + Send + Sync>;

/// What runs are made of, apart from chance.
#[derive(Clone)]
pub struct Setup {
    /// The store under test.
    pub store: NewStore,
    /// Plan documents to publish besides the drawn ones.
    pub plans: Vec<Document>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { store: Arc::new(|clock| Arc::new(MemoryStore::new(clock))), plans: Vec::new() }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many requests were asked and their outcome checked.
    pub steps: u64,
    /// How many of them were accepted.
    pub accepted: u64,
    /// How often each fault struck.
    pub hits: [u64; KINDS],
    /// How often each marked branch of the ledger's code was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// How long it took, in the time of the run.
    pub took: Duration,
    /// A number that two runs of one case share.
    pub trace: u64,
    /// The promise that was not kept, if any.
    pub violation: Option<Violation>,
    /// What happened, when it was asked for.
    pub story: Vec<(Duration, String)>,
}

impl Report {
    /// Compares with another run of the same case: what differs rests on something other than the case.
    pub fn compare(&mut self, other: &Self) {
        if (self.trace, self.steps, self.hits) != (other.trace, other.steps, other.hits) {
            self.violation = broken::<()>("determinism", "two runs of one case differ").err();
        }
    }
}

/// Runs a case.
#[must_use]
pub fn run(case: &Case, setup: &Setup) -> Report {
    Run::new(case, setup).whole()
}

/// Runs a case and tells its story.
#[must_use]
pub fn tell(case: &Case, setup: &Setup) -> Report {
    let run = Run::new(case, setup);
    run.faults.tell();
    run.whole()
}

/// Lets writers ask what their scripts say, and gives the choices back with what was found.
pub(crate) fn act_out(
    scheduler: Scheduler,
    faults: Faults,
    store: Arc<dyn Store>,
    book: Book,
    scripts: Vec<Vec<Ask>>,
    together: bool,
) -> (Choices, Option<Violation>, Book) {
    let writers = scripts.len();
    let asking = Asking::Told(scripts.into_iter().map(VecDeque::from).collect());
    let processes = if together { 1 } else { writers };
    let mut run = Run::begin(scheduler, Arc::new(faults), store, vec![book], asking, (writers, processes));
    let violation = run.live().and_then(|()| run.heal()).err();
    let choices = run.scheduler.choose(|choices| std::mem::replace(choices, Choices::first()));
    (choices, violation, run.books.remove(0))
}

struct Run<'a> {
    scheduler: Scheduler,
    faults: Arc<Faults>,
    store: Arc<dyn Store>,
    skew_us: Arc<AtomicI64>,
    books: Vec<Book>,
    asking: Asking<'a>,
    processes: Vec<Process>,
    writers: Vec<Writer>,
    answers: Arc<Mutex<Vec<Answer>>>,
    asked: u32,
    /// What others ask besides, in a storm: how often in all, and what is still to be asked.
    stormed: u64,
    storm: Vec<(usize, usize)>,
    accepted: u64,
    tickets: u64,
    /// How many turns ago something was last settled, for good or because its writer gave up.
    silence: u64,
    trace: u64,
    reads_stale: bool,
}

/// Where the questions come from.
enum Asking<'a> {
    /// From chance, as many as the case says, from a time on.
    Drawn { case: &'a Case, workloads: Vec<Workload>, start: i64 },
    /// From a script, one for each writer.
    Told(Vec<VecDeque<Ask>>),
}

struct Process {
    life: u32,
    /// Where it carries each request out by itself, without a queue, if it does.
    direct: Option<Arc<dyn Store>>,
    ledgers: Vec<Ledger>,
    projectors: Vec<Projector>,
}

/// A client that asks one thing after another, and keeps every key before it sends.
#[derive(Default)]
struct Writer {
    process: usize,
    /// What it waits for.
    flight: Option<Flight>,
    /// What it has to ask again.
    again: Option<(usize, usize)>,
}

/// What a panic said.
fn said(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}

impl Writer {
    fn is_free(&self) -> bool {
        self.flight.is_none() && self.again.is_none()
    }
}

#[derive(Clone, Copy)]
struct Flight {
    ledger: usize,
    sent: Sent,
    ticket: u64,
    /// How long the log was when a later request of the same queue was refused.
    overtaken: Option<usize>,
}

struct Answer {
    writer: usize,
    ticket: u64,
    result: Result<Receipt, ExecuteError>,
}

/// How many events a page has where nothing is small.
const PAGE: usize = 100;

/// How many answers go by before a process looks after its read models.
const PROJECT_EVERY: u32 = 250;

/// How many turns may go by in which nothing is settled.
const PATIENCE: u64 = 100_000;

impl<'a> Run<'a> {
    fn new(case: &'a Case, setup: &Setup) -> Self {
        let mut choices = case.choices();
        let swarm = Swarm::draw(&mut choices);
        let faults = Faults::draw(&mut choices, &case.without);
        let process_count = 1 + usize::try_from(choices.schedule(3)).unwrap_or(0);
        let latency = 1 + 10_u32.pow(1 + choices.schedule(4));
        let faults = Arc::new(faults);
        let scheduler = Scheduler::new(choices, Pace::ByChance(latency));
        let skew_us = Arc::new(AtomicI64::new(0));
        let clock: Clock = {
            let (scheduler, skew_us, start) = (scheduler.clone(), Arc::clone(&skew_us), swarm.start);
            Arc::new(move || {
                let now = i64::try_from(scheduler.now().as_micros()).unwrap_or(i64::MAX);
                start.saturating_mul(1_000_000).saturating_add(now).saturating_add(skew_us.load(Ordering::Relaxed))
            })
        };
        let store = (setup.store)(clock);
        let names: Vec<LedgerName> = (0..swarm.ledgers).filter_map(|n| format!("l{n}").parse().ok()).collect();
        let writers = swarm.writers.min(case.writers.unwrap_or(usize::MAX)).max(1);
        let workload = |ledger| Workload::new(&swarm, ledger).with_plans(setup.plans.clone());
        let asking = Asking::Drawn { case, workloads: (0..swarm.ledgers).map(workload).collect(), start: swarm.start };
        let books = names.into_iter().map(|name| Book::new(name, Arc::clone(&store))).collect();
        Self { skew_us, ..Self::begin(scheduler, faults, store, books, asking, (writers, process_count)) }
    }

    fn begin(
        scheduler: Scheduler,
        faults: Arc<Faults>,
        store: Arc<dyn Store>,
        books: Vec<Book>,
        asking: Asking<'a>,
        (writers, processes): (usize, usize),
    ) -> Self {
        let writer = |n| Writer { process: n % processes.max(1), ..Writer::default() };
        let mut run = Self {
            reads_stale: faults.is_on(Fault::StaleRead) || faults.is_on(Fault::Fork),
            skew_us: Arc::default(),
            processes: Vec::new(),
            writers: (0..writers).map(writer).collect(),
            answers: Arc::default(),
            asked: 0,
            stormed: 0,
            storm: Vec::new(),
            accepted: 0,
            tickets: 0,
            silence: 0,
            trace: 0,
            scheduler,
            faults,
            store,
            books,
            asking,
        };
        run.processes = (0..processes.min(writers)).map(|index| run.start(index, 0)).collect();
        run
    }

    /// Starts a process, in its so-manieth life.
    fn start(&self, index: usize, life: u32) -> Process {
        let (scheduler, faults) = (&self.scheduler, &self.faults);
        let network = Network::new(scheduler.clone(), Arc::clone(faults), Arc::clone(&self.store));
        let (network, env): (Arc<dyn Store>, _) = (Arc::new(network), scheduler.env(Owner::Process { index, life }));
        let tuning = self.tuning();
        let open = |book: &Book| Ledger::tuned(Arc::clone(&network), Arc::clone(&env), book.name.clone(), tuning);
        let project = |book: &Book| Projector::new(scheduler, faults, (&network, &env), &book.name, tuning.page);
        let (ledgers, projectors) = (self.books.iter().map(open), self.books.iter().map(project));
        // A transaction reads nothing stale.
        let may = matches!(self.asking, Asking::Drawn { .. }) && !self.reads_stale;
        let direct = (may && scheduler.choose(|choices| choices.schedule(4)) == 3).then(|| Arc::clone(&network));
        Process { life, direct, ledgers: ledgers.collect(), projectors: projectors.collect() }
    }

    /// The sizes of a process's engines: where limits are a fault of this run, as small as can be.
    fn tuning(&self) -> Tuning {
        let now = self.scheduler.now();
        // Rare would be never: there are few starts.
        let strikes = (0..5)
            .any(|_| self.scheduler.choose(|choices| self.faults.strike(choices, &[Fault::Limits], now)).is_some());
        if !strikes {
            return Tuning::default();
        }
        self.scheduler.choose(|choices| {
            let mut below = |bound| usize::try_from(choices.fault(bound)).unwrap_or(0);
            Tuning {
                page: 1 + below(7),
                group_requests: 1 + below(4),
                group_events: 1 + below(20),
                queue_requests: 1 + below(4),
                commit_attempts: 2 + u32::try_from(below(9)).unwrap_or(0),
                cached_streams: below(20),
                snapshot_every: 1 + u64::try_from(below(30)).unwrap_or(0),
            }
        })
    }

    /// Asks until everything was asked and every writer has its answer or has given up.
    fn live(&mut self) -> Result<(), Violation> {
        self.ask_whoever_is_free()?;
        while !self.writers.iter().all(Writer::is_free) {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Violation> {
        if !self.scheduler.turn() {
            return broken("F22", "everyone waits, and nothing will ever happen");
        }
        self.silence += 1;
        if self.silence > PATIENCE {
            return broken("F22", "somebody asks, and never learns what became of it");
        }
        if self.hear()? {
            self.mishap();
            self.project()?;
            self.ask_whoever_is_free()?;
        }
        Ok(())
    }

    /// From now on nothing fails: whoever has no answer asks until there is one.
    fn heal(&mut self) -> Result<(), Violation> {
        self.faults.heal(self.scheduler.now());
        let unsettled =
            |(ledger, book): (usize, &Book)| book.unsettled().map(move |question| (ledger, question)).collect();
        let mut open: Vec<(usize, usize)> = self.books.iter().enumerate().flat_map::<Vec<_>, _>(unsettled).collect();
        loop {
            for writer in self.writers.iter_mut().filter(|writer| writer.is_free()) {
                writer.again = open.pop();
            }
            self.ask_whoever_is_free()?;
            if self.writers.iter().all(Writer::is_free) {
                return self.calm_down();
            }
            self.step()?;
        }
    }

    /// What was given up long ago may still arrive.
    fn calm_down(&mut self) -> Result<(), Violation> {
        let settles = (0..PATIENCE).any(|_| !self.scheduler.turn());
        if !settles {
            return broken("F22", "the world is healed, and does not come to rest");
        }
        let now = self.scheduler.now();
        self.books.iter_mut().try_for_each(|book| book.follow(now))
    }

    /// What is left must be what was promised.
    fn look(&mut self) -> Result<(), Violation> {
        for book in &self.books {
            check::projections::compare(&book.model, book.projected.state())
                .or_else(|what| broken("projections", what))?;
            let env = self.scheduler.env(Owner::Store);
            Projector::new(&self.scheduler, &self.faults, (&self.store, &env), &book.name, PAGE).finish(book)?;
            check::log::holds(book)?;
            // The last link stands for every byte of the log.
            let head = now(self.store.head(&book.name)).or_else(|error| broken("log", error.to_string()))?;
            self.trace = head.link.0.iter().fold(self.trace, |trace, byte| trace.rotate_left(8) ^ u64::from(*byte));
        }
        // One ledger of a run is replayed; it is another one in the next run.
        let (book, page) = self.scheduler.choose(|choices| (choices.index(self.books.len()), choices.index(200)));
        self.books.get(book).map_or(Ok(()), |book| check::log::replays(book, 1 + page))?;
        self.aftermath()
    }

    /// What nobody may get away with, on the last of the ledgers, since it is of no use afterwards.
    fn aftermath(&self) -> Result<(), Violation> {
        let Some(book) = self.books.last() else { return Ok(()) };
        let now = self.scheduler.now();
        for fault in [Fault::Sabotage, Fault::LostSuffix, Fault::AtRest] {
            if self.faults.is_on(fault) && !book.is_empty() {
                self.faults.hit(fault, now);
                self.scheduler.choose(|choices| aftermath::tamper(book, choices, fault))?;
            }
        }
        if self.faults.is_on(Fault::LostSuffix) && !book.is_empty() {
            aftermath::lost_suffix(book)?;
        }
        if self.faults.is_on(Fault::Alien) {
            self.faults.hit(Fault::Alien, now);
            let kind = self.scheduler.choose(|choices| choices.index(Alien::ALL.len()));
            Alien::ALL.get(kind).map_or(Ok(()), |kind| aftermath::alien(book, &self.scheduler, *kind))?;
        }
        Ok(())
    }

    fn ask_whoever_is_free(&mut self) -> Result<(), Violation> {
        for writer in 0..self.writers.len() {
            while self.writers.get(writer).is_some_and(|writer| writer.flight.is_none()) {
                let Some((ledger, question)) = self.next_question(writer)? else { break };
                self.send(writer, ledger, question);
            }
        }
        Ok(())
    }

    /// What a writer asks next: again what has no answer, else something new.
    fn next_question(&mut self, writer: usize) -> Result<Option<(usize, usize)>, Violation> {
        if let Some(again) = self.writers.get_mut(writer).and_then(|writer| writer.again.take()) {
            return Ok(Some(again));
        }
        if let Some(same) = self.storm.pop() {
            return Ok(Some(same));
        }
        let (case, workloads, start) = match &mut self.asking {
            Asking::Drawn { case, workloads, start } => (case, workloads, *start),
            Asking::Told(scripts) => {
                let ask = scripts.get_mut(writer).and_then(VecDeque::pop_front);
                self.asked += u32::from(ask.is_some());
                let question = ask.zip(self.books.first_mut()).map(|(ask, book)| book.question(ask)).transpose()?;
                return Ok(question.map(|question| (0, question)));
            }
        };
        while self.asked < case.steps {
            let step = self.asked;
            self.asked += 1;
            let ledger = self.scheduler.choose(|choices| choices.index(self.books.len()));
            let seconds = i64::try_from(self.scheduler.now().as_secs()).unwrap_or(i64::MAX);
            let now = start.saturating_add(seconds);
            let (Some(book), Some(workload)) = (self.books.get_mut(ledger), workloads.get_mut(ledger)) else { break };
            let ask = self.scheduler.choose(|choices| workload.next(choices, &book.model, now));
            if !case.drops(step) {
                let question = book.question(ask)?;
                self.storm(ledger, question)?;
                return Ok(Some((ledger, question)));
            }
        }
        Ok(None)
    }

    /// Lets others ask the same at once: the very request, or the same thing under a key of their own (F18).
    fn storm(&mut self, ledger: usize, question: usize) -> Result<(), Violation> {
        let (now, others) = (self.scheduler.now(), u32::try_from(self.writers.len() - 1).unwrap_or(0));
        let strike = |choices: &mut Choices| {
            self.faults.strike(choices, &[Fault::Storm], now)?;
            Some(1 + choices.fault(others))
        };
        let Some(others) = (others > 0).then(|| self.scheduler.choose(strike)).flatten() else { return Ok(()) };
        for other in 0..others {
            let Some(book) = self.books.get_mut(ledger) else { break };
            let own_key = self.scheduler.choose(|choices| choices.fault(2)) == 1;
            let own = book.ask(question).filter(|_| own_key);
            let own = own.map(|ask| Ask { key: format!("storm-{}-{other}", self.asked), ..ask.clone() });
            let same = own.map_or(Ok(question), |ask| book.question(ask))?;
            self.storm.push((ledger, same));
        }
        self.stormed += u64::from(others);
        Ok(())
    }

    fn send(&mut self, writer: usize, ledger: usize, question: usize) {
        let now = self.scheduler.now();
        let Some(Writer { process, flight, .. }) = self.writers.get_mut(writer) else { return };
        let Some(Process { life, direct, ledgers, .. }) = self.processes.get(*process) else { return };
        let Some(book) = self.books.get_mut(ledger) else { return };
        let Some((request, sent)) = book.send(question, now) else { return };
        self.tickets += 1;
        let ticket = self.tickets;
        *flight = Some(Flight { ledger, sent, ticket, overtaken: None });
        if let Some(ask) = book.ask(question) {
            self.faults.note(now, || format!("writer {writer} in process {process} asks {}: {ask}", book.name));
        }
        let Some(ledger) = ledgers.get(ledger) else { return };
        let answers = Arc::clone(&self.answers);
        let execute: BoxFuture<'static, _> = match direct.clone() {
            None => Box::pin(ledger.execute(request)),
            Some(store) => {
                let name = ledger.name().clone();
                Box::pin(async move { direct::execute(&*store, &name, &request).await })
            }
        };
        // Who asks again waits a little, else who is told to come back later leaves no time for it to become later.
        let pause = (!sent.first && matches!(self.asking, Asking::Drawn { .. })).then(|| self.scheduler.clone());
        let ask = async move {
            if let Some(scheduler) = pause {
                scheduler.timeout().await;
            }
            let result = execute.await;
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(Answer { writer, ticket, result });
        };
        self.scheduler.spawn(Owner::Process { index: *process, life: *life }, Box::pin(ask));
    }

    /// Takes the answers that have come, and judges them. Says whether there were any.
    fn hear(&mut self) -> Result<bool, Violation> {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let heard = !answers.is_empty();
        let now = self.scheduler.now();
        for Answer { writer, ticket, result } in answers {
            let Some(Writer { flight, .. }) = self.writers.get_mut(writer) else { continue };
            let answered = flight.take_if(|flight| flight.ticket == ticket);
            let Some(Flight { ledger, sent, overtaken, .. }) = answered else { continue };
            let Some(book) = self.books.get_mut(ledger) else { continue };
            book.follow(now)?;
            let settled = book.answered(sent, &result, self.reads_stale)?;
            let stored_behind = |place: usize| book.place(sent.question).is_some_and(|stored| stored >= place);
            if settled == Settled::Accepted && overtaken.is_some_and(stored_behind) {
                return broken("C6", "a request was refused before one that was asked earlier was decided");
            }
            let process = self.writers.get(writer).map(|writer| writer.process);
            let queues =
                process.and_then(|process| self.processes.get(process)).is_some_and(|process| process.direct.is_none());
            if queues && matches!(result, Err(ExecuteError::Rejected(_))) {
                let len = book.len();
                let others = self.writers.iter_mut().filter(|other| Some(other.process) == process);
                let earlier = others.filter_map(|other| other.flight.as_mut());
                let earlier = earlier.filter(|flight| flight.ledger == ledger && flight.ticket < ticket);
                earlier.for_each(|flight| flight.overtaken = flight.overtaken.or(Some(len)));
            }
            self.faults.note(now, || match &result {
                Ok(receipt) => format!("writer {writer} has a receipt up to event {}", receipt.request.last_sequence),
                Err(error) => format!("writer {writer} hears: {error}"),
            });
            let place = result.as_ref().map_or(0, |receipt| receipt.request.last_sequence);
            let mixed = self.trace ^ place ^ (u64::try_from(now.as_micros()).unwrap_or(0) << 20);
            self.trace = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
            match settled {
                Settled::Accepted => (self.accepted, self.silence) = (self.accepted + 1, 0),
                Settled::Refused => self.silence = 0,
                // Some give up; what became of it is asked again when everything works.
                Settled::AskAgain => {
                    let gives_up = matches!(self.asking, Asking::Drawn { .. })
                        && self.faults.strikes_still()
                        && self.scheduler.choose(|choices| choices.schedule(10)) == 9;
                    match self.writers.get_mut(writer) {
                        Some(writer) if !gives_up => writer.again = Some((ledger, sent.question)),
                        _ => self.silence = 0,
                    }
                }
            }
        }
        Ok(heard)
    }

    /// What may befall a process or a clock between two answers.
    fn mishap(&mut self) {
        let now = self.scheduler.now();
        match self.scheduler.choose(|choices| self.faults.strike(choices, &[Fault::Crash, Fault::Clock], now)) {
            Some(Fault::Crash) => {
                let index = self.some_process();
                self.crash(index);
            }
            Some(_) => {
                let seconds = self.scheduler.choose(|choices| i64::from(choices.fault(20_000)));
                let skew_us = (seconds - 10_000) * 1_000_000;
                self.skew_us.store(skew_us, Ordering::Relaxed);
            }
            None => {}
        }
    }

    fn some_process(&self) -> usize {
        let count = u32::try_from(self.processes.len()).unwrap_or(1);
        usize::try_from(self.scheduler.choose(|choices| choices.fault(count))).unwrap_or(0)
    }

    /// Lets a process bring the read models of a ledger up to date; several may do so at once.
    fn project(&mut self) -> Result<(), Violation> {
        for projector in self.processes.iter().flat_map(|process| &process.projectors) {
            projector.found()?;
        }
        if !matches!(self.asking, Asking::Drawn { .. })
            || self.scheduler.choose(|choices| choices.schedule(PROJECT_EVERY)) > 0
        {
            return Ok(());
        }
        let index = self.some_process();
        let ledger = self.scheduler.choose(|choices| choices.schedule(u32::try_from(self.books.len()).unwrap_or(1)));
        let rebuild = self.scheduler.choose(|choices| choices.schedule(20)) == 19;
        let Some(Process { life, projectors, .. }) = self.processes.get(index) else { return Ok(()) };
        let projector = usize::try_from(ledger).ok().and_then(|ledger| projectors.get(ledger));
        if let Some(work) = projector.and_then(|projector| projector.work(rebuild)) {
            self.scheduler.spawn(Owner::Process { index, life: *life }, work);
        }
        Ok(())
    }

    /// Kills a process and starts it again. Its writers ask again what they have no answer to.
    fn crash(&mut self, index: usize) {
        let Some(life) = self.processes.get(index).map(|process| process.life) else { return };
        self.scheduler.kill(Owner::Process { index, life });
        let started = self.start(index, life + 1);
        if let Some(process) = self.processes.get_mut(index) {
            *process = started;
        }
        for writer in self.writers.iter_mut().filter(|writer| writer.process == index) {
            if let Some(Flight { ledger, sent, .. }) = writer.flight.take() {
                writer.again = Some((ledger, sent.question));
            }
        }
    }

    fn whole(mut self) -> Report {
        marks::reset();
        let kept = catch_unwind(AssertUnwindSafe(|| self.live().and_then(|()| self.heal()).and_then(|()| self.look())));
        let violation = kept.unwrap_or_else(|panic| broken("panic", said(&*panic))).err();
        self.report(violation)
    }

    fn report(self, violation: Option<Violation>) -> Report {
        Report {
            steps: u64::from(self.asked) + self.stormed,
            accepted: self.accepted,
            hits: self.faults.hits(),
            marks: marks::hits(),
            took: self.scheduler.now(),
            trace: self.trace,
            violation,
            story: self.faults.story(),
        }
    }
}
