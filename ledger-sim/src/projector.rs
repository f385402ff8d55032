//! A process that keeps read models, over a network that fails, with models that fail.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;
use ledger_core::engine::Env;
use ledger_core::engine::runner::{Cause, ReadModel, Rows, Runner, RunnerError};
use ledger_core::id::LedgerName;
use ledger_core::projection::balances::{self, Balances};
use ledger_core::projection::payouts::{self, Payouts};
use ledger_core::recorded::Recorded;
use ledger_core::store::{BoxFuture, Store};

use crate::book::{Book, Violation, broken};
use crate::fault::{Fault, Faults};
use crate::scheduler::{Scheduler, now};

/// The read models of one ledger, as one process keeps them.
pub struct Projector {
    runners: Vec<Arc<Runner>>,
    working: Arc<AtomicBool>,
    found: Arc<Mutex<Option<Violation>>>,
    faults: Arc<Faults>,
}

impl Projector {
    /// The runners of a ledger's read models.
    #[must_use]
    pub fn new(
        scheduler: &Scheduler,
        faults: &Arc<Faults>,
        (store, env): (&Arc<dyn Store>, &Arc<dyn Env>),
        ledger: &LedgerName,
        page: usize,
    ) -> Self {
        let runner = |model: Arc<dyn ReadModel>| {
            let model = Arc::new(Moody { model, scheduler: scheduler.clone(), faults: Arc::clone(faults) });
            Arc::new(Runner::new(Arc::clone(store), Arc::clone(env), ledger.clone(), model, page))
        };
        let runners = vec![runner(Arc::new(Payouts)), runner(Arc::new(Balances))];
        Self { runners, working: Arc::default(), found: Arc::default(), faults: Arc::clone(faults) }
    }

    /// Folds what there is, tries what is parked, and now and then builds anew; none while it is at work already.
    #[must_use]
    pub fn work(&self, rebuild: bool) -> Option<BoxFuture<'static, ()>> {
        if self.working.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (runners, found, faults) = (self.runners.clone(), Arc::clone(&self.found), Arc::clone(&self.faults));
        let working = Arc::clone(&self.working);
        Some(Box::pin(async move {
            for runner in runners {
                let done = if rebuild { runner.rebuild().await } else { runner.catch_up().await };
                let done = match done {
                    Ok(_) => runner.resume().await.map(|_| ()),
                    Err(error) => Err(error),
                };
                if let Some(error) = done.err().filter(|error| !is_expected(error, &faults)) {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    *found = broken::<()>("runner", error.to_string()).err();
                }
            }
            working.store(false, Ordering::Relaxed);
        }))
    }

    /// What went wrong that must not, whatever fails.
    pub fn found(&self) -> Result<(), Violation> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Brings everything up to date in a world in which nothing fails, and compares the rows with the ledger's book.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn finish(&self, book: &Book) -> Result<(), Violation> {
        for runner in &self.runners {
            let done = now(async {
                runner.catch_up().await?;
                // What was passed by others while its rows were not known has to be built anew.
                if runner.resume().await?.is_empty() { Ok(()) } else { runner.rebuild().await.map(|_| ()) }
            });
            done.or_else(|error: RunnerError| broken("runner", error.to_string()))?;
            match now(runner.parked()) {
                Ok(parked) if parked.is_empty() => {}
                Ok(parked) => return broken("runner", format!("still parked when all is well: {parked:?}")),
                Err(error) => return broken("runner", error.to_string()),
            }
        }
        compare(book)
    }
}

/// What a runner may say while the store is away or gives pages that fit nowhere.
fn is_expected(error: &RunnerError, faults: &Faults) -> bool {
    error.is_passing()
        || (faults.is_on(Fault::Feed) && matches!(error, RunnerError::Damaged(_) | RunnerError::OtherHistory { .. }))
}

/// Every row of every read model against what the book's projections say.
fn compare(book: &Book) -> Result<(), Violation> {
    let all = book.projected.state();
    let rows = rows::<payouts::Row>(book, "payouts")?;
    if rows.len() != book.model.payouts().rows().len() {
        return broken("rows", format!("{} payouts have a row, of {}", rows.len(), book.model.payouts().rows().len()));
    }
    for (key, row) in rows {
        let Some(known) = book.model.payouts().get(&key) else { return broken("rows", format!("{key} is no payout")) };
        let (said, expected) = (row.amount.to_string(), known.amount.to_string());
        if said != expected || row.attempt != known.attempt || row.payee.as_str() != known.payee {
            return broken("rows", format!("payout {key} has the row {row:?}, expected is {known:?}"));
        }
    }
    for (key, row) in self::rows::<balances::Row>(book, "balances")? {
        let balance =
            all.summary.balances().into_iter().find(|(payee, currency, _)| Balances::key(payee, *currency) == key);
        if balance.is_none_or(|(.., balance)| *balance != row.balance) {
            return broken("rows", format!("{key} has the row {:?}, expected is {balance:?}", row.balance));
        }
    }
    Ok(())
}

fn rows<R: serde::de::DeserializeOwned>(book: &Book, projection: &str) -> Result<Vec<(CompactString, R)>, Violation> {
    let mut rows = Vec::new();
    loop {
        let last = rows.last().map(|(key, _): &(CompactString, R)| key.clone());
        let page = now(book.store().list_rows(&book.name, projection, last.as_deref(), 100));
        let page = page.or_else(|error| broken("rows", error.to_string()))?;
        if page.is_empty() {
            return Ok(rows);
        }
        for row in page {
            match serde_json::from_str(&row.value) {
                Ok(value) => rows.push((row.key, value)),
                Err(error) => return broken("rows", format!("{} cannot be read: {error}", row.key)),
            }
        }
    }
}

/// A read model that now and then fails or panics.
struct Moody {
    model: Arc<dyn ReadModel>,
    scheduler: Scheduler,
    faults: Arc<Faults>,
}

impl ReadModel for Moody {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn version(&self) -> u32 {
        self.model.version()
    }

    fn keys(&self, recorded: &Recorded) -> Vec<CompactString> {
        self.model.keys(recorded)
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause> {
        let now = self.scheduler.now();
        if self.scheduler.choose(|choices| self.faults.strike(choices, &[Fault::Poison], now)).is_some() {
            if self.scheduler.choose(|choices| choices.fault(2)) == 1 {
                // A panic without the noise of one.
                resume_unwind(Box::new("in a mood"));
            }
            return Err(Cause::failed("in a mood"));
        }
        self.model.apply(recorded, rows)
    }
}
