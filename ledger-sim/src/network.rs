//! What lies between a process and its store: every call may be late, lost, doubled or answered wrongly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Head, LogPage, Outcome, Store, StoreError, StreamAfter, StreamPage,
};

use crate::fault::{Fault, Faults};
use crate::scheduler::{Owner, Scheduler, now};

/// A process's connection to a store.
pub struct Network {
    scheduler: Scheduler,
    faults: Arc<Faults>,
    store: Arc<dyn Store>,
    /// The ledgers that this process sees frozen, where, and until when.
    frozen: Mutex<BTreeMap<LedgerName, (u64, Duration)>>,
}

/// How far behind a stale read is at most, in events.
pub const STALENESS: u64 = 40;

impl Network {
    /// A connection to a store.
    #[must_use]
    pub fn new(scheduler: Scheduler, faults: Arc<Faults>, store: Arc<dyn Store>) -> Self {
        Self { scheduler, faults, store, frozen: Mutex::default() }
    }

    fn strike(&self, of: &[Fault]) -> Option<Fault> {
        let now = self.scheduler.now();
        self.scheduler.choose(|choices| self.faults.strike(choices, of, now))
    }

    /// The way to the store and back, for a call that changes nothing.
    async fn pass(&self) -> Result<(), StoreError> {
        let fault = self.strike(&[Fault::Refused, Fault::Transient]);
        if fault == Some(Fault::Refused) {
            return Err(refused());
        }
        self.scheduler.gate().await;
        if fault.is_some() { Err(gave_up()) } else { Ok(()) }
    }

    /// The sequence up to which a read sees the ledger, when it does not see all of it.
    fn horizon(&self, ledger: &LedgerName) -> Option<u64> {
        let now = self.scheduler.now();
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, until)) = frozen.get(ledger)
            && *until > now
            && self.faults.strikes_still()
        {
            return Some(*at);
        }
        match self.strike(&[Fault::StaleRead, Fault::Fork])? {
            Fault::Fork => {
                let at = self.head_now(ledger)?.sequence;
                let millis = self.scheduler.choose(|choices| choices.fault(500));
                frozen.insert(ledger.clone(), (at, now + Duration::from_millis(millis.into())));
                Some(at)
            }
            _ => {
                let behind = self.scheduler.choose(|choices| choices.fault(u32::try_from(STALENESS).unwrap_or(1)));
                Some(self.head_now(ledger)?.sequence.saturating_sub(behind.into()))
            }
        }
    }

    fn head_now(&self, ledger: &LedgerName) -> Option<Head> {
        now(self.store.head(ledger)).ok()
    }

    /// Lets a group arrive at the store, now or long after, and its answer come back.
    fn deliver(
        &self,
        ledger: &LedgerName,
        group: &[Append],
        late: bool,
    ) -> oneshot::Receiver<Result<Vec<Outcome>, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let (scheduler, store) = (self.scheduler.clone(), Arc::clone(&self.store));
        let (ledger, group) = (ledger.clone(), group.to_vec());
        let arrive = async move {
            if late {
                scheduler.timeout().await;
                scheduler.timeout().await;
            }
            scheduler.gate().await;
            let outcomes = now(store.append(&ledger, &group));
            scheduler.gate().await;
            // The client may have given up, or died.
            drop(reply.send(outcomes));
        };
        self.scheduler.spawn(Owner::Store, Box::pin(arrive));
        answer
    }
}

fn refused() -> StoreError {
    StoreError::Unavailable("no connection".into())
}

fn gave_up() -> StoreError {
    StoreError::Unavailable("the store gave up".into())
}

fn lost() -> StoreError {
    StoreError::Unknown("no answer in time".into())
}

impl Store for Network {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            let faults =
                [Fault::Refused, Fault::Transient, Fault::ReplyLost, Fault::RequestLost, Fault::Zombie, Fault::Twice];
            match self.strike(&faults) {
                Some(Fault::Refused) => return Err(refused()),
                Some(Fault::Transient) => {
                    self.scheduler.gate().await;
                    return Err(gave_up());
                }
                Some(Fault::RequestLost) => {
                    self.scheduler.timeout().await;
                    return Err(lost());
                }
                Some(fault @ (Fault::ReplyLost | Fault::Zombie)) => {
                    drop(self.deliver(ledger, group, fault == Fault::Zombie));
                    self.scheduler.timeout().await;
                    return Err(lost());
                }
                Some(_) => drop(self.deliver(ledger, group, false)),
                None => {}
            }
            self.deliver(ledger, group, false).await.unwrap_or_else(|_| Err(lost()))
        })
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            // A read whose place is fixed is not torn; only where a slice begins can be stale.
            let at = if at.is_none() { self.horizon(ledger) } else { at };
            now(self.store.read_streams(ledger, streams, at, limit))
        })
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let mut page = now(self.store.read_log(ledger, after, limit))?;
            if page.requests.len() > 1 && self.strike(&[Fault::Feed]).is_some() {
                self.scheduler.choose(|choices| disturb(&mut page, choices.fault(3), choices.fault(1_000)));
            }
            Ok(page)
        })
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.request(ledger, key))
        })
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.head(ledger))
        })
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.ledgers())
        })
    }

    fn save_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        checkpoint: &'a CheckpointRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.save_checkpoint(ledger, checkpoint))
        })
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.load_checkpoint(ledger, name))
        })
    }
}

/// Makes a page what no page may be: with a gap, a repetition, or two requests in the other order.
fn disturb(page: &mut LogPage, how: u32, place: u32) {
    let count = page.requests.len();
    let place = usize::try_from(place).unwrap_or(0) % (count - 1);
    match how {
        0 => drop(page.requests.remove(place)),
        1 => {
            let again = page.requests.get(place).cloned();
            page.requests.extend(again);
        }
        _ => page.requests.swap(place, place + 1),
    }
}
