//! What lies between a process and its store: every call may be late, lost, doubled or answered wrongly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use compact_str::CompactString;
use futures_channel::oneshot;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion, SnapshotRow,
    Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use rustc_hash::FxHashMap;

use crate::fault::{Fault, Faults};
use crate::scheduler::{Owner, Scheduler, now};

/// A process's connection to a store.
pub struct Network {
    scheduler: Scheduler,
    faults: Arc<Faults>,
    store: Arc<dyn Store>,
    /// The ledgers that this process sees frozen, where, and until when.
    frozen: Mutex<BTreeMap<LedgerName, (u64, Duration)>>,
    older: Mutex<Older>,
}

/// What was saved or seen before, for who is to find something older.
#[derive(Default)]
struct Older {
    snapshots: FxHashMap<(LedgerName, StreamName), SnapshotRow>,
    checkpoints: FxHashMap<(LedgerName, CompactString), Option<CheckpointRow>>,
}

/// How far behind a stale read is at most, in events.
pub const STALENESS: u64 = 40;

impl Network {
    /// A connection to a store.
    #[must_use]
    pub fn new(scheduler: Scheduler, faults: Arc<Faults>, store: Arc<dyn Store>) -> Self {
        Self { scheduler, faults, store, frozen: Mutex::default(), older: Mutex::default() }
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

    /// A call that changes a projection: lost on the way, or its answer is.
    async fn change(&self, call: BoxFuture<'_, Result<bool, StoreError>>) -> Result<bool, StoreError> {
        let fault = self.strike(&[Fault::Refused, Fault::Transient, Fault::ReplyLost, Fault::RequestLost]);
        if fault == Some(Fault::Refused) {
            return Err(refused());
        }
        self.scheduler.gate().await;
        match fault {
            Some(Fault::Transient) => return Err(gave_up()),
            Some(Fault::RequestLost) => return Err(lost()),
            _ => {}
        }
        let done = now(call);
        self.scheduler.gate().await;
        if fault == Some(Fault::ReplyLost) { Err(lost()) } else { done }
    }

    fn older(&self) -> MutexGuard<'_, Older> {
        self.older.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence up to which a read sees the ledger, when it does not see all of it.
    fn horizon(&self, ledger: &LedgerName) -> Option<u64> {
        let time = self.scheduler.now();
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, until)) = frozen.get(ledger)
            && *until > time
            && self.faults.strikes_still()
        {
            return Some(*at);
        }
        match self.strike(&[Fault::StaleRead, Fault::Fork])? {
            Fault::Fork => {
                let at = self.head_now(ledger)?.sequence;
                let millis = self.scheduler.choose(|choices| choices.fault(500));
                frozen.insert(ledger.clone(), (at, time + Duration::from_millis(millis.into())));
                Some(at)
            }
            _ => {
                let behind = self.scheduler.choose(|choices| choices.fault(u32::try_from(STALENESS).unwrap_or(1)));
                let head = self.head_now(ledger)?.sequence;
                // A request becomes visible as a whole, also where it is late.
                let next = now(self.store.read_log(ledger, head.saturating_sub(behind.into()), 1)).ok()?;
                Some(next.requests.first().map_or(head, |request| request.first_sequence.saturating_sub(1)))
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

    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let place = (ledger.clone(), snapshot.stream.clone());
            self.older().snapshots.entry(place).or_insert_with(|| snapshot.clone());
            now(self.store.save_snapshot(ledger, snapshot))
        })
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let mut snapshots = now(self.store.load_snapshots(ledger, streams))?;
            match self.strike(&[Fault::NoSnapshot, Fault::BadSnapshot]) {
                None => {}
                Some(Fault::NoSnapshot) => {
                    let older = self.older();
                    let first = |row: SnapshotRow| older.snapshots.get(&(ledger.clone(), row.stream)).cloned();
                    snapshots = snapshots.into_iter().filter_map(first).collect();
                }
                Some(_) => {
                    let how = self.scheduler.choose(|choices| choices.fault(6));
                    snapshots.iter_mut().for_each(|snapshot| spoil(snapshot, how));
                }
            }
            Ok(snapshots)
        })
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let row = now(self.store.load_checkpoint(ledger, name))?;
            let mut older = self.older();
            let before = older.checkpoints.insert((ledger.clone(), name.into()), row.clone());
            match before {
                Some(before) if self.strike(&[Fault::RunnerCrash]).is_some() => Ok(before),
                _ => Ok(row),
            }
        })
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.change(self.store.save_projection(ledger, write)).await })
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.read_rows(ledger, projection, keys))
        })
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            now(self.store.list_rows(ledger, projection, after, limit))
        })
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.change(self.store.promote(ledger, promotion)).await })
    }
}

/// Makes a page what no page may be: with a gap, a repetition, or two requests in the other order.
fn disturb(page: &mut LogPage, how: u32, place: u32) {
    let count = page.requests.len();
    let place = usize::try_from(place).unwrap_or(0) % (count - 1);
    match how {
        0 => {
            let gone = page.requests.remove(place);
            page.events.retain(|event| !(gone.first_sequence..=gone.last_sequence()).contains(&event.sequence));
        }
        1 => {
            let again = page.requests.get(place).cloned();
            page.requests.extend(again);
        }
        _ => page.requests.swap(place, place + 1),
    }
}

/// Makes a snapshot what no snapshot may be.
fn spoil(snapshot: &mut SnapshotRow, how: u32) {
    match how {
        0 => snapshot.state.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1),
        1 => snapshot.state.truncate(snapshot.state.len() / 2),
        2 => snapshot.version += 1,
        3 => snapshot.form += 1,
        4 => snapshot.digest.0.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        _ => snapshot.check.0.iter_mut().take(1).for_each(|byte| *byte ^= 1),
    }
}
