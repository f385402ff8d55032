//! One request, decided and appended at once: without a queue, a cache or a task, for a store that stands for something shorter
//! than itself, such as a transaction of the host's.

use super::desk::Desk;
use super::{ExecuteError, Receipt};
use crate::command::Request;
use crate::id::LedgerName;
use crate::limits::{COMMIT_ATTEMPTS, PAGE_EVENTS};
use crate::slice::Slice;
use crate::store::{Outcome, Store};

/// Carries a request out on a store, as [`Ledger::execute`](super::Ledger::execute) does, and keeps nothing of what it read.
/// When others were faster it is decided again at once, a limited number of times.
///
/// # Errors
/// [`ExecuteError`], whose [`advice`](ExecuteError::advice) says what to do.
pub async fn execute(store: &dyn Store, ledger: &LedgerName, request: &Request) -> Result<Receipt, ExecuteError> {
    let desk = Desk { name: ledger, store, page: PAGE_EVENTS };
    let hash = request.hash();
    for _ in 0..COMMIT_ATTEMPTS {
        let mut slice = Slice::new(ledger.clone());
        let decided = desk.decide(&mut slice, request).await?;
        let basis: Vec<_> = slice.iter().map(|(stream, folded)| (stream.clone(), folded.tip)).collect();
        let encoded = decided.and_then(|decision| desk.encode(request, &hash, &mut slice, decision, &basis));
        let (append, answer) = match encoded {
            Ok(encoded) => encoded,
            // What was done before cannot be done again; it may be why.
            Err(error) => {
                let first = desk.first_receipt(&request.key, &hash).await?;
                mark!(DirectAfterRejection, first.is_some());
                return planted!(DirectWithoutKey => Err(error), first.ok_or(error));
            }
        };
        match store.append(ledger, &[append]).await?.pop() {
            Some(Outcome::Appended(row)) => return Ok(answer.receipt(request, &row)?),
            Some(Outcome::AlreadyAppended(_)) => {
                mark!(DirectAlreadyAppended);
                // It is stored, also when it cannot be read back now.
                let first = desk.first_receipt(&request.key, &hash).await.map_err(ExecuteError::in_doubt)?;
                return first.ok_or(ExecuteError::Stopped);
            }
            Some(Outcome::Conflict { .. }) => mark!(DirectConflict),
            Some(Outcome::KeyReused { .. }) => return Err(ExecuteError::KeyReused { key: request.key.clone() }),
            Some(Outcome::Refused { reason }) => return Err(ExecuteError::Refused { reason }),
            None => return Err(ExecuteError::Stopped),
        }
    }
    Err(ExecuteError::Contended { attempts: COMMIT_ATTEMPTS })
}
