//! Requests in a transaction of the host's, beside its own statements: they stand or fall with it.
//!
//! A request is [staged](stage) on the host's connection: looked up, decided and appended there. Its receipt comes with the
//! [commit] that was seen to have happened, and from nowhere else. The ledger is locked from the first request on until the
//! transaction ends: stage last, and where one transaction writes several ledgers, always in the same order.
//!
//! ```no_run
//! # async fn run(pool: sqlx::PgPool, request: ledger_core::Request) -> Result<(), Box<dyn std::error::Error>> {
//! let mut transaction = pool.begin().await?;
//! sqlx::query("UPDATE deals SET closed = true").execute(&mut *transaction).await?;
//! let staged = ledger_postgres::stage(&mut transaction, &"main".parse()?, &request).await?;
//! let receipt = staged.commit(transaction).await?;
//! # drop(receipt); Ok(()) }
//! ```

use std::ops::DerefMut;
use std::time::Duration;

use compact_str::CompactString;
use ledger_core::Request;
use ledger_core::engine::{Advice, ExecuteError, Receipt, direct};
use ledger_core::id::{Key, LedgerName};
use ledger_core::store::{
    Append, BoxFuture, CheckpointRow, Head, LogPage, OneByOne, Outcome, Pages, ProjectionRow, ProjectionWrite,
    Promotion, SnapshotRow, StoreError, StreamAfter, StreamPage,
};
use ledger_core::stream::StreamName;
use sqlx::{Connection, PgConnection, PgTransaction, query_scalar};
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{reading, text, writing};
use crate::row::integer;
use crate::store::{LONGEST, answered, ask, impl_store, tell};
use crate::{append, derived, read};

/// A request that is stored if the transaction is committed, and not otherwise. It is no receipt.
#[derive(Debug)]
#[must_use = "only a commit makes it a receipt"]
pub struct Staged {
    ledger: LedgerName,
    receipt: Receipt,
}

/// Why a request is not staged, or a transaction not committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The answer is no. The transaction can go on as if the request had not been made.
    #[error(transparent)]
    Rejected(ExecuteError),
    /// Others were in the way, or the connection broke or fell silent, and is then to be closed: nothing of the transaction is
    /// stored. Do all of it again.
    #[error("the transaction failed: {0}; roll it back and do all of it again")]
    Retry(String),
    /// The connection broke during the commit. The transaction is stored as a whole or not at all, and whether a key of it is
    /// known to the ledger tells which.
    #[error(
        "the answer to the commit is lost: {0}; ask the ledger for a key of it, and do all of it again if there is none"
    )]
    Unknown(String),
    /// What was staged is not in this transaction: it was rolled back to a savepoint, or is another one. It is not committed.
    #[error(
        "what was staged is not in this transaction, which is rolled back; stage it again in the one that is committed"
    )]
    NotStaged,
    /// There is no transaction on the connection that it was to be staged in.
    #[error("there is no transaction to stage it in; begin one")]
    NoTransaction,
    /// The database or the ledger is not as it must be; the error says what to do. The transaction is rolled back.
    #[error(transparent)]
    Failed(ExecuteError),
}

impl TransactionError {
    /// What to do about it. To retry means to do the whole transaction again; after [`Unknown`](Self::Unknown) only once the ledger
    /// has said that it has no key of it, unless the host's own statements do no harm twice either.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Retry(_) | Self::Unknown(_) => Advice::Retry,
            Self::Rejected(error) | Self::Failed(error) => error.advice(),
            Self::NotStaged | Self::NoTransaction => Advice::Reject,
        }
    }
}

impl From<ExecuteError> for TransactionError {
    fn from(error: ExecuteError) -> Self {
        match error {
            // Nothing is stored before the commit, whatever became of a statement.
            ExecuteError::Store(StoreError::Unavailable(text) | StoreError::Unknown(text)) => Self::Retry(text),
            error => match error.advice() {
                Advice::Reject => Self::Rejected(error),
                Advice::Retry => Self::Retry(error.to_string()),
                Advice::Stop => Self::Failed(error),
            },
        }
    }
}

/// A statement of the host's own failed. Where the connection broke, it may have been the commit.
impl From<sqlx::Error> for TransactionError {
    fn from(error: sqlx::Error) -> Self {
        // What is missing or contradicted is the host's, so that the ledger's advice would mislead.
        let said = text(&error);
        match writing(error) {
            StoreError::Unknown(text) => Self::Unknown(text),
            StoreError::Unavailable(text) => Self::Retry(text),
            StoreError::Corrupt { .. } | StoreError::Unusable(_) => {
                Self::Failed(StoreError::Unusable(format!("a statement of the transaction is refused: {said}")).into())
            }
            error => Self::Failed(error.into()),
        }
    }
}

/// Carries a request out in the transaction that a connection is in: under a new key or as the first receipt has it.
///
/// The transaction is the driver's: one that a statement of the host's own has ended behind its back is not noticed.
///
/// At READ COMMITTED, what others have committed meanwhile is read and decided on. Under stricter isolation the transaction
/// cannot see it, and has to be done again.
///
/// # Errors
/// [`TransactionError`]. After [`Rejected`](TransactionError::Rejected) the transaction can go on; after any other it has to be
/// rolled back.
pub async fn stage(
    connection: &mut PgConnection,
    ledger: &LedgerName,
    request: &Request,
) -> Result<Staged, TransactionError> {
    if !connection.is_in_transaction() {
        return Err(TransactionError::NoTransaction);
    }
    let inside = Inside(Mutex::new(connection));
    let executed = direct::execute(&inside, ledger, request).await;
    if executed.as_ref().is_err_and(|error| error.advice() == Advice::Reject) {
        inside.require_current(ledger, request).await.map_err(ExecuteError::from)?;
    }
    Ok(Staged { ledger: ledger.clone(), receipt: executed? })
}

impl Staged {
    /// Commits the transaction that the request was staged in, and gives the receipt once that is known to have happened.
    ///
    /// # Errors
    /// As [`commit`].
    pub async fn commit(self, transaction: PgTransaction<'static>) -> Result<Receipt, TransactionError> {
        let receipts = commit(transaction, vec![self]).await?;
        receipts.into_iter().next().ok_or(TransactionError::NotStaged)
    }
}

/// Commits a transaction with what was staged in it, and gives the receipts once that is known to have happened.
///
/// A savepoint, which borrows the transaction around it, is not taken: what is released is not yet stored.
///
/// ```compile_fail
/// # async fn run(pool: sqlx::PgPool, staged: ledger_postgres::Staged) {
/// let mut transaction = pool.begin().await.unwrap();
/// let savepoint = sqlx::Connection::begin(&mut *transaction).await.unwrap();
/// staged.commit(savepoint).await.unwrap();
/// # }
/// ```
///
/// A transaction in which a statement has failed is not committed, however its error was dealt with: to the `COMMIT` itself the
/// server answers without an error then.
///
/// # Errors
/// [`TransactionError`]. Only [`Unknown`](TransactionError::Unknown) leaves open whether it was committed.
pub async fn commit(
    mut transaction: PgTransaction<'static>,
    staged: Vec<Staged>,
) -> Result<Vec<Receipt>, TransactionError> {
    // That it can be asked shows that no statement has failed.
    let found: i64 = query_scalar(FIND_STAGED)
        .bind(staged.iter().map(|staged| staged.ledger.as_str()).collect::<Vec<_>>())
        .bind(staged.iter().map(Staged::first_sequence).collect::<Result<Vec<_>, _>>().map_err(ExecuteError::from)?)
        .bind(staged.iter().map(|staged| &staged.receipt.request.link.0[..]).collect::<Vec<_>>())
        .fetch_one(&mut *transaction)
        .await
        .map_err(|error| ExecuteError::from(reading(error)))?;
    if usize::try_from(found).ok() != Some(staged.len()) {
        return Err(TransactionError::NotStaged);
    }
    transaction.commit().await?;
    Ok(staged.into_iter().map(|staged| staged.receipt).collect())
}

const FIND_STAGED: &str = "SELECT count(*) \
     FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::bigint[]), pg_catalog.unnest($3::bytea[])) \
         AS staged (ledger, first_sequence, link) \
     CROSS JOIN LATERAL (SELECT FROM payledger.requests AS r WHERE r.ledger = staged.ledger \
         AND r.first_sequence = staged.first_sequence AND r.link = staged.link LIMIT 1) AS found";

impl Staged {
    fn first_sequence(&self) -> Result<i64, StoreError> {
        integer(self.receipt.request.first_sequence)
    }
}

/// The connection that a transaction of the host's is on, as a store.
struct Inside<'c>(Mutex<&'c mut PgConnection>);

impl<'c> Inside<'c> {
    async fn committing(&self) -> Result<impl DerefMut<Target = PgConnection> + use<'_, 'c>, StoreError> {
        self.connection().await
    }

    async fn connection(&self) -> Result<impl DerefMut<Target = PgConnection> + use<'_, 'c>, StoreError> {
        Ok(MutexGuard::map(self.0.lock().await, |connection| &mut **connection))
    }

    fn longest(&self) -> Duration {
        LONGEST
    }

    /// The connection is the host's, who is told to roll back.
    fn give_up(&self, _: &mut impl DerefMut) {}

    /// What a transaction was begun on is all that it has.
    async fn is_gone(&self, _: &mut impl DerefMut) -> bool {
        false
    }

    /// Whoever rejects a request appends nothing that would show that the ledger has moved on since the transaction began, and
    /// under stricter isolation it cannot be read. The lock tells: the server refuses it on a row that has changed.
    async fn require_current(&self, ledger: &LedgerName, request: &Request) -> Result<(), StoreError> {
        const ISOLATION: &str = "SELECT pg_catalog.current_setting('transaction_isolation')";
        let mut connection = self.connection().await?;
        let isolation: String = query_scalar(ISOLATION).fetch_one(&mut *connection).await.map_err(reading)?;
        if isolation.starts_with("read ") {
            return Ok(());
        }
        // Without an event it is refused, but under the lock.
        let (key, request_hash) = (request.key.clone(), request.hash());
        let nothing = Append { key, request_hash, actor: "".into(), guards: Vec::new(), events: Vec::new() };
        append::append(&mut connection, ledger, &[nothing], None).await.map(drop)
    }

    /// Each when it is asked for: the connection is the host's.
    fn pages_of<'a>(&'a self, ledger: &'a LedgerName, after: u64, until: u64, limit: usize) -> Box<dyn Pages + 'a> {
        Box::new(OneByOne::new(self, ledger, after, until, limit))
    }

    /// At the server's time.
    async fn append_group(&self, ledger: &LedgerName, group: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        let mut connection = self.connection().await?;
        answered!(self, connection => append::append(&mut connection, ledger, group, None), StoreError::Unknown)
    }
}

impl_store!(Inside<'_>);

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use sqlx::Error;

    use super::*;

    /// A host that passes its own errors on must not be told that nothing is stored when its commit was cut.
    #[test]
    fn an_error_of_the_hosts_own_says_no_more_than_is_known() {
        let of = |error: Error| TransactionError::from(error);
        assert!(matches!(of(Error::Io(ErrorKind::ConnectionReset.into())), TransactionError::Unknown(_)));
        assert!(matches!(of(Error::PoolTimedOut), TransactionError::Retry(_)));
        // To do it again would not help.
        for error in [Error::RowNotFound, Error::ColumnNotFound("day".into()), Error::Decode("no date".into())] {
            assert_eq!(of(error).advice(), Advice::Stop);
        }
    }
}
