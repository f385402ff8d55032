//! The change feed: the log from any checkpoint on, whole requests in order, none left out.
//!
//! A [`Feed`] checks every digest, and that every link follows from the one before it. A log that was rolled back or replaced is
//! refused, never read on as if it were the same. Whoever keeps the [position](Feed::position) with what it made of the events
//! goes on from there after a crash.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use thiserror::Error;

use super::Env;
use crate::chain;
use crate::id::LedgerName;
use crate::projection::Checkpoint;
use crate::recorded::{Damaged, Told, tell_page};
use crate::store::{LogPage, Pages, RequestRow, Store, StoreError, page_size};

/// Why the feed stopped. It stands where it stood; reading again is safe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not what a ledger stores. Stop and run `verify`.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The log does not contain the checkpoint: the ledger was rolled back, or it is another one.
    #[error("the checkpoint at event {sequence} is of another history than this log: start from the beginning")]
    OtherHistory {
        /// Where the checkpoint stands.
        sequence: u64,
    },
}

/// Whole requests that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Their events, in order; at least one.
    pub events: Vec<Told>,
    /// Where the last of them ends.
    pub end: Checkpoint,
}

/// Reads a ledger forward.
pub struct Feed<'a> {
    store: &'a dyn Store,
    ledger: &'a LedgerName,
    page: usize,
    /// What begins after this sequence is not looked at.
    until: u64,
    position: Checkpoint,
    /// The last request that was read; none when the position was given from outside.
    last: Option<RequestRow>,
    /// What follows the position and the page that is ahead, where it is known where the log goes on to.
    pages: Option<Box<dyn Pages + 'a>>,
    /// The page after the position, when it was read while the one before was looked at.
    ahead: Option<Result<LogPage, StoreError>>,
}

impl<'a> Feed<'a> {
    /// A feed of what comes after `from`, in pages of at most `page` events, a single larger request aside.
    #[must_use]
    pub fn new(store: &'a dyn Store, ledger: &'a LedgerName, from: Checkpoint, page: usize) -> Self {
        let page = page_size(page);
        Self { store, ledger, page, until: u64::MAX, position: from, last: None, pages: None, ahead: None }
    }

    /// The same, up to the request that has a sequence. As it is known that the log goes on, it is read on while a page of it is
    /// looked at, so that the database and this program work at the same time.
    pub(crate) fn until(self, sequence: u64) -> Self {
        Self { until: sequence, ..self }
    }

    /// Where the feed stands: the end of the last batch that it gave.
    #[must_use]
    pub fn position(&self) -> Checkpoint {
        self.position
    }

    /// The next requests, or none while the feed stands at the head.
    ///
    /// # Errors
    /// [`FeedError`]. An event that cannot be read is no error: it is told as such.
    pub async fn next(&mut self) -> Result<Option<Batch>, FeedError> {
        let ahead = self.ahead.take();
        let mut page = if let Some(read) = ahead { read? } else { self.read().await? };
        if page.requests.is_empty() && page.events.is_empty() {
            if !self.is_behind().await? {
                return Ok(None);
            }
            // Something was stored between the two reads.
            page = self.read().await?;
        }
        let after = self.position.sequence;
        let Some(first) = page.requests.first() else {
            let what = "no request follows, and the ledger's head is further on".into();
            return Err(Damaged { sequence: after.saturating_add(1), what }.into());
        };
        if after.checked_add(1) != Some(first.first_sequence) {
            self.require_position().await?;
        }
        let goes_on = page.requests.last().is_some_and(|last| last.last_sequence() < self.until);
        let mut pages = self.pages.take().filter(|_| goes_on);
        let ahead = async { next_of(&mut pages).await.transpose() };
        let looked_at = async {
            let events = tell_page(self.ledger.as_str(), after, &page)?;
            Ok::<_, FeedError>(Batch { events, end: self.follow(&page).await? })
        };
        let (ahead, batch) = both(ahead, looked_at).await;
        let batch = batch?;
        (self.pages, self.ahead) = (pages, ahead);
        self.last = page.requests.into_iter().next_back();
        self.position = batch.end;
        Ok(Some(batch))
    }

    /// The next requests, as soon as there are any.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn wait(&mut self, env: &dyn Env) -> Result<Batch, FeedError> {
        loop {
            if let Some(batch) = self.next().await? {
                return Ok(batch);
            }
            self.more(env).await?;
        }
    }

    /// Waits until there are more requests. It looks at the head again and again: after 5 ms at first, in the end every second.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn more(&self, env: &dyn Env) -> Result<(), FeedError> {
        let mut pause = FIRST_PAUSE;
        while !self.is_behind().await? {
            env.sleep(pause).await;
            pause = LAST_PAUSE.min(pause.saturating_mul(2));
        }
        Ok(())
    }

    /// What follows the position; nothing at the end.
    async fn read(&mut self) -> Result<LogPage, StoreError> {
        let (after, until) = (self.position.sequence, self.until);
        if until == u64::MAX {
            return self.store.read_log(self.ledger, after, self.page).await;
        }
        self.pages = Some(self.store.log_pages(self.ledger, after, until, self.page));
        Ok(next_of(&mut self.pages).await?.unwrap_or_default())
    }

    /// Whether the ledger has events that the feed has not given.
    async fn is_behind(&self) -> Result<bool, FeedError> {
        let (head, at) = (self.store.head(self.ledger).await?, self.position);
        if head.sequence < at.sequence || (head.sequence == at.sequence && head.link != at.link) {
            return Err(self.other_history());
        }
        Ok(head.sequence > at.sequence)
    }

    /// Where the page ends, if each of its links follows from the one before.
    async fn follow(&self, page: &LogPage) -> Result<Checkpoint, FeedError> {
        let mut end = self.position;
        let mut rest = page.events.as_slice();
        for request in &page.requests {
            // The page is decoded already, so every request has its events.
            let (events, others) = rest.split_at_checked(request.size.into()).unwrap_or((rest, &[]));
            rest = others;
            let digests = events.iter().map(|event| &event.digest);
            let link = chain::link(&end.link, request.first_sequence, request.recorded_at_us, digests);
            if link != request.link {
                if end == self.position {
                    self.require_position().await?;
                }
                let what = format!("the link of its request is not {link}, which follows from the one before");
                return Err(Damaged { sequence: request.first_sequence, what }.into());
            }
            end = Checkpoint { sequence: request.last_sequence(), link };
        }
        Ok(end)
    }

    /// Makes sure that the log still has what the feed has read before, now that what follows does not fit: what does not fit
    /// is damage then, and not another history.
    async fn require_position(&self) -> Result<(), FeedError> {
        if self.position.sequence == 0 {
            return Ok(());
        }
        let Some(last) = &self.last else { return Err(self.other_history()) };
        let page = self.store.read_log(self.ledger, last.first_sequence.saturating_sub(1), 1).await?;
        if page.requests.first() == Some(last) { Ok(()) } else { Err(self.other_history()) }
    }

    fn other_history(&self) -> FeedError {
        FeedError::OtherHistory { sequence: self.position.sequence }
    }
}

/// The next page. After an error or the last one there are no more: they begin anew at the position.
async fn next_of(pages: &mut Option<Box<dyn Pages + '_>>) -> Result<Option<LogPage>, StoreError> {
    let Some(open) = pages else { return Ok(None) };
    let page = open.next().await;
    if !matches!(page, Ok(Some(_))) {
        *pages = None;
    }
    page
}

/// Two futures at once: the first is begun before the second.
async fn both<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut two) = (None, None);
    poll_fn(|context| {
        if one.is_none() {
            one = ready(first.as_mut().poll(context));
        }
        if two.is_none() {
            two = ready(second.as_mut().poll(context));
        }
        match (one.take(), two.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (left, right) => {
                (one, two) = (left, right);
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);
