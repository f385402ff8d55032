//! A store that fails as it is told to, around one that does not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use compact_str::CompactString;
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::memory::MemoryStore;
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Head, LogPage, Outcome, ProjectionRow, ProjectionWrite, Promotion, SnapshotRow,
    Store, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::{StreamName, Tip};

/// What goes wrong with one append.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is stored, and the answer is lost.
    ReplyLost,
    /// It is lost on the way, and nobody knows.
    RequestLost,
    /// It is refused for now.
    Unavailable,
    /// The code of the store panics.
    Panic,
    /// From now on nothing can be read.
    ReadsFail,
    /// It arrives twice, the second answer is heard, and the next look at a key fails.
    Twice,
}

pub struct FaultyStore {
    inner: MemoryStore,
    faults: Mutex<VecDeque<Fault>>,
    pub blind: AtomicBool,
    keyless: AtomicBool,
    pub appends: AtomicUsize,
    /// Groups of more requests than this are too slow: a rival has always moved what they read.
    pub swift: AtomicUsize,
    pub reads: AtomicUsize,
    /// The calls of everything that is not an append or a read of streams.
    pub calls: AtomicUsize,
    cut: Mutex<Option<(usize, Cut)>>,
    /// The first sequence of a request that says another time than it was linked with; 0 is none.
    pub forged: AtomicU64,
}

/// How one call is cut off.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// It is not made.
    Before,
    /// It is made, and its answer is lost.
    After,
}

impl FaultyStore {
    pub fn new(faults: &[Fault]) -> Arc<Self> {
        let clock = AtomicI64::new(1_767_225_600_000_000);
        Arc::new(Self {
            inner: MemoryStore::new(Arc::new(move || clock.fetch_add(1, Ordering::Relaxed))),
            faults: Mutex::new(faults.iter().copied().collect()),
            blind: AtomicBool::new(false),
            keyless: AtomicBool::new(false),
            appends: AtomicUsize::new(0),
            swift: AtomicUsize::new(usize::MAX),
            reads: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            cut: Mutex::new(None),
            forged: AtomicU64::new(0),
        })
    }

    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
        self.blind.store(false, Ordering::Relaxed);
        *self.cut.lock().unwrap() = None;
    }

    /// Cuts the call off that comes after so many others.
    pub fn cut(&self, after: usize, cut: Cut) {
        *self.cut.lock().unwrap() = Some((self.calls.load(Ordering::Relaxed) + after, cut));
    }

    fn pass<'a, T: Send + 'a>(
        &self,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let cut = *self.cut.lock().unwrap();
        Box::pin(async move {
            // Others come in between.
            tokio::task::yield_now().await;
            match cut.filter(|(at, _)| *at == number) {
                None => call.await,
                Some((_, Cut::Before)) => Err(StoreError::Unavailable("no connection".into())),
                Some((_, Cut::After)) => {
                    call.await?;
                    Err(StoreError::Unknown("the connection broke".into()))
                }
            }
        })
    }

    pub fn fail_next(&self, fault: Fault) {
        self.faults.lock().unwrap().push_back(fault);
    }
}

impl Store for FaultyStore {
    fn append<'a>(
        &'a self,
        ledger: &'a LedgerName,
        group: &'a [Append],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.appends.fetch_add(1, Ordering::Relaxed);
            if group.len() > self.swift.load(Ordering::Relaxed) {
                let late = |request: &Append| {
                    let guard = request.guards.iter().find(|guard| guard.tip != Tip::EMPTY).unwrap();
                    let actual = Tip { version: guard.tip.version + 1, ..guard.tip };
                    Outcome::Conflict { stream: guard.stream.clone(), expected: guard.tip, actual }
                };
                return Ok(group.iter().map(late).collect());
            }
            let fault = self.faults.lock().unwrap().pop_front();
            match fault {
                None => self.inner.append(ledger, group).await,
                Some(Fault::ReplyLost) => {
                    let next = self.faults.lock().unwrap().front().copied();
                    self.blind.store(matches!(next, Some(Fault::ReadsFail)), Ordering::Relaxed);
                    self.inner.append(ledger, group).await?;
                    Err(StoreError::Unknown("the connection broke".into()))
                }
                Some(Fault::RequestLost) => Err(StoreError::Unknown("the connection broke".into())),
                Some(Fault::ReadsFail) => Err(StoreError::Unavailable("no connection".into())),
                Some(Fault::Unavailable) => Err(StoreError::Unavailable("no connection".into())),
                Some(Fault::Twice) => {
                    self.keyless.store(true, Ordering::Relaxed);
                    self.inner.append(ledger, group).await?;
                    self.inner.append(ledger, group).await
                }
                Some(Fault::Panic) => panic!("a fault of the store"),
            }
        })
    }

    fn read_streams<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamAfter],
        at: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<StreamPage, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.blind.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Unavailable("no connection".into())) });
        }
        // Small pages, so that every load takes several.
        self.inner.read_streams(ledger, streams, at, limit.min(3))
    }

    fn read_log<'a>(
        &'a self,
        ledger: &'a LedgerName,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, StoreError>> {
        let forged = self.forged.load(Ordering::Relaxed);
        let page = self.inner.read_log(ledger, after, limit);
        self.pass(Box::pin(async move {
            let mut page = page.await?;
            for request in page.requests.iter_mut().filter(|request| request.first_sequence == forged) {
                request.recorded_at_us += 1;
            }
            Ok(page)
        }))
    }

    fn request<'a>(
        &'a self,
        ledger: &'a LedgerName,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<LogPage>, StoreError>> {
        if self.keyless.swap(false, Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Unavailable("no connection".into())) });
        }
        self.pass(self.inner.request(ledger, key))
    }

    fn head<'a>(&'a self, ledger: &'a LedgerName) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.pass(self.inner.head(ledger))
    }

    fn ledgers(&self) -> BoxFuture<'_, Result<Vec<LedgerName>, StoreError>> {
        self.pass(self.inner.ledgers())
    }

    fn save_snapshot<'a>(
        &'a self,
        ledger: &'a LedgerName,
        snapshot: &'a SnapshotRow,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.pass(self.inner.save_snapshot(ledger, snapshot))
    }

    fn load_snapshots<'a>(
        &'a self,
        ledger: &'a LedgerName,
        streams: &'a [StreamName],
    ) -> BoxFuture<'a, Result<Vec<SnapshotRow>, StoreError>> {
        self.pass(self.inner.load_snapshots(ledger, streams))
    }

    fn load_checkpoint<'a>(
        &'a self,
        ledger: &'a LedgerName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<CheckpointRow>, StoreError>> {
        self.pass(self.inner.load_checkpoint(ledger, name))
    }

    fn save_projection<'a>(
        &'a self,
        ledger: &'a LedgerName,
        write: &'a ProjectionWrite,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.pass(self.inner.save_projection(ledger, write))
    }

    fn read_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        keys: &'a [CompactString],
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.pass(self.inner.read_rows(ledger, projection, keys))
    }

    fn list_rows<'a>(
        &'a self,
        ledger: &'a LedgerName,
        projection: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ProjectionRow>, StoreError>> {
        self.pass(self.inner.list_rows(ledger, projection, after, limit))
    }

    fn promote<'a>(
        &'a self,
        ledger: &'a LedgerName,
        promotion: &'a Promotion,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.pass(self.inner.promote(ledger, promotion))
    }
}
