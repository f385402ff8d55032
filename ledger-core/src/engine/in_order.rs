//! Requests that rest on one another: none is carried out before one that was asked earlier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Advice, ExecuteError, Ledger, Receipt};
use crate::command::Request;
use crate::store::{Append, Guard};
use crate::stream::Tip;

/// Takes requests whose order counts, such as the lines of a file. Once one has an answer other than a receipt or a clear no, those
/// after it are [not tried](ExecuteError::NotTried): they might be carried out before it, and come to other amounts. Whoever goes
/// on asks for another [`in_order`](Ledger::in_order), and begins with that one.
pub struct InOrder {
    ledger: Ledger,
    lost: Arc<AtomicU64>,
}

impl Ledger {
    /// Takes requests that rest on one another.
    #[must_use]
    pub fn in_order(&self) -> InOrder {
        InOrder { ledger: self.clone(), lost: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

impl InOrder {
    /// Carries a request out as [`Ledger::execute`] does, unless one before it is still to be carried out.
    ///
    /// # Errors
    /// [`ExecuteError`], whose [`advice`](ExecuteError::advice) says what to do.
    pub fn execute(&self, request: Request) -> impl Future<Output = Result<Receipt, ExecuteError>> + Send + use<> {
        self.ledger.enter(request, Turn { ticket: 0, lost: Some(Arc::clone(&self.lost)) })
    }
}

/// The last request in order of a group, by something that it writes. Where it is not stored, those after it are not either: each
/// guards that the one before it is there.
#[derive(Default)]
pub(super) struct Chain(Option<Guard>);

impl Chain {
    /// Lets a request be stored only after the last one. False if it was decided on what was before that.
    pub(super) fn take(&mut self, append: &mut Append) -> bool {
        if let Some(last) = &self.0 {
            match append.guards.iter().find(|guard| guard.stream == last.stream) {
                Some(guard) if guard.tip != last.tip => return false,
                Some(_) => {}
                None => append.guards.push(last.clone()),
            }
        }
        let written = append.events.last();
        self.0 = written.map(|event| {
            let tip = Tip { version: event.version, digest: event.digest };
            Guard { stream: event.stream.clone(), tip }
        });
        true
    }
}

/// A request's place in the order of asking, and the first place without a certain answer among those that are in order with it,
/// if any are. Without an answer it is one of them.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) ticket: u64,
    lost: Option<Arc<AtomicU64>>,
}

impl Turn {
    /// Whether one before it has no certain answer.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.load(Ordering::SeqCst) < self.ticket)
    }

    /// Whether there may be others before and after it.
    pub(super) fn is_ordered(&self) -> bool {
        self.lost.is_some()
    }

    /// Must come before the answer is heard.
    pub(super) fn end(mut self, answer: &Result<Receipt, ExecuteError>) {
        if answer.as_ref().err().is_none_or(|error| error.advice() == Advice::Reject) {
            self.lost = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lost) = &self.lost {
            lost.fetch_min(self.ticket, Ordering::SeqCst);
        }
    }
}
