//! The connection that a store keeps for its appends.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ledger_core::id::LedgerName;
use ledger_core::store::{Append, Outcome, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Postgres};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::append::append;
use crate::options::connect;
use crate::store::NO_ANSWER;

/// After so long it is asked whether it is still there.
const SILENT: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const PING: Duration = Duration::from_secs(2);
/// After so long it is another one: a server's process that lives for ever only grows.
const OLD: Duration = Duration::from_mins(30);

/// A pool asks every connection that comes back whether it is still there, and meanwhile gives another one to the next append: a
/// round trip for each, and a server's process that has been idle.
#[derive(Default)]
pub(crate) struct Writer {
    kept: Mutex<Option<Kept>>,
    broke: Broke,
    asking: Mutex<()>,
}

/// When a connection was last found broken, or an append failed. What was idle then may have broken with it.
#[derive(Clone, Default)]
pub(crate) struct Broke(Arc<std::sync::Mutex<Option<Instant>>>);

impl Broke {
    fn at(&self) -> MutexGuard<'_, Option<Instant>> {
        // It is whole wherever somebody ended.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was within the time that is given.
    pub(crate) fn since(&self, time: Duration) -> bool {
        self.at().is_some_and(|at| at.elapsed() <= time)
    }
}

/// Whether a connection is still there. One that does not say so at once counts as broken.
pub(crate) async fn is_there(connection: &mut PgConnection) -> bool {
    timeout(PING, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}

struct Kept {
    connection: PgConnection,
    made: Instant,
    used: Instant,
}

impl Writer {
    /// Appends on the connection that is kept, or on one of the pool while another append is under way.
    pub(crate) async fn append(
        &self,
        acquire: impl Future<Output = Result<PoolConnection<Postgres>, StoreError>>,
        longest: Duration,
        ledger: &LedgerName,
        group: &[Append],
        now_us: Option<i64>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let silent = |_| Err(StoreError::Unknown(NO_ANSWER.into()));
        let outcomes = match self.kept.try_lock() {
            Ok(mut place) => {
                // Taken out: who goes away in the middle of it, or fails, leaves none behind.
                let there = match place.take() {
                    Some(kept) => kept.if_there().await,
                    None => None,
                };
                let mut kept = match there {
                    Some(kept) => kept,
                    None => Kept { connection: acquire.await?.detach(), made: Instant::now(), used: Instant::now() },
                };
                let answer = timeout(longest, append(&mut kept.connection, ledger, group, now_us)).await;
                let outcomes = answer.unwrap_or_else(silent);
                if outcomes.is_ok() {
                    kept.used = Instant::now();
                    *place = Some(kept);
                }
                outcomes
            }
            Err(_) => {
                let mut connection = acquire.await?;
                let answer = timeout(longest, append(&mut connection, ledger, group, now_us)).await;
                answer.unwrap_or_else(|elapsed| {
                    connection.close_on_drop();
                    silent(elapsed)
                })
            }
        };
        if outcomes.is_err() {
            self.broke_now();
        }
        outcomes
    }

    pub(crate) fn broke(&self) -> Broke {
        self.broke.clone()
    }

    pub(crate) fn broke_now(&self) {
        *self.broke.at() = Some(Instant::now());
    }

    /// Why a pool that has waited in vain cannot connect. That is told to who connects by himself: one at a time.
    pub(crate) async fn cause(&self, options: &PgConnectOptions) -> Option<StoreError> {
        let _asking = self.asking.try_lock().ok()?;
        match connect(options).await {
            Ok(connection) => {
                // It was there, and is not needed.
                let _ = connection.close().await;
                None
            }
            Err(error) => Some(error),
        }
    }

    pub(crate) async fn close(&self) {
        if let Some(kept) = self.kept.lock().await.take() {
            // What was sent is done.
            let _ = kept.connection.close().await;
        }
    }
}

impl Kept {
    async fn if_there(mut self) -> Option<Self> {
        let there = self.made.elapsed() < OLD && (self.used.elapsed() < SILENT || is_there(&mut self.connection).await);
        there.then_some(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ledger_core::chain::Digest;
    use ledger_core::id::Key;
    use ledger_core::store::{Guard, NewEvent, Store};
    use ledger_core::stream::{StreamName, Tip};
    use ledger_postgres_testing::Server;

    use super::*;
    use crate::PgStore;

    pub(crate) fn request(name: &str) -> Append {
        let stream = StreamName::from_stored(name);
        let event = NewEvent {
            stream: stream.clone(),
            version: 1,
            type_name: "t".into(),
            schema_version: 1,
            effective: "2026-01-01".parse().unwrap(),
            payload: b"{}".to_vec(),
            digest: Digest::ZERO,
        };
        let guards = vec![Guard { stream, tip: Tip::EMPTY }];
        let key = Key::new(name).unwrap();
        Append { key, request_hash: Digest::ZERO, actor: "ann".into(), guards, events: vec![event] }
    }

    /// The first append after a quiet night was in doubt: the server had been started anew.
    #[tokio::test]
    async fn a_connection_that_broke_is_not_kept_and_one_that_was_silent_is_asked() {
        let database = Server::shared().database().await;
        let store = PgStore::connect(&database.url()).await.unwrap();
        let writer = store.writer.as_ref().unwrap();
        let name = "main".parse().unwrap();
        let append = async |key: &str| store.append(&name, &[request(key)]).await;
        let end = async || {
            let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
            sqlx::query(others).execute(database.pool()).await.unwrap();
        };
        append("a").await.unwrap();
        end().await;
        assert!(matches!(append("b").await, Err(StoreError::Unknown(_))));
        assert!(writer.kept.lock().await.is_none());
        append("b").await.unwrap();
        end().await;
        writer.kept.lock().await.as_mut().unwrap().used -= SILENT;
        append("c").await.unwrap();
        assert_eq!(store.head(&name).await.unwrap().sequence, 3);
        store.close().await;
        assert!(writer.kept.lock().await.is_none());
    }
}
