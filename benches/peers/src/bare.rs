//! The limits: the same server without decisions, digests and guards.

use futures_util::TryStreamExt;
use ledger_postgres::sqlx::postgres::PgPoolCopyExt;
use ledger_postgres::sqlx::{Connection, PgConnection, query, raw_sql};
use ledger_postgres_testing::Database;
use tokio::sync::{mpsc, oneshot};

use crate::PAYLOAD;
use crate::load::Peer;

/// A group commit and nothing else: whoever waits is inserted by one statement, then answered.
pub struct Bare(mpsc::Sender<(u64, oneshot::Sender<()>)>);

/// The indexes that every log of streams needs.
const TABLE: &str = "CREATE TABLE event (ledger text COLLATE \"C\" NOT NULL, sequence bigint NOT NULL, \
     stream text COLLATE \"C\" NOT NULL, version bigint NOT NULL, type text COLLATE \"C\" NOT NULL, \
     recorded_at timestamptz NOT NULL DEFAULT now(), payload bytea NOT NULL, \
     PRIMARY KEY (ledger, sequence), UNIQUE (ledger, stream, version))";
const INSERT: &str = "INSERT INTO event (ledger, sequence, stream, version, type, payload) \
     SELECT 'main', $1 + at, stream, 1, 'payee.enrolled', payload FROM unnest($2, $3) WITH ORDINALITY AS e (stream, payload, at)";

impl Bare {
    pub async fn open(database: &Database) -> Self {
        // As ours has one: a pool would ask it after every group whether it is still there.
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        raw_sql(TABLE).execute(&mut connection).await.unwrap();
        let (sender, waiting) = mpsc::channel(10_000);
        tokio::spawn(write(connection, waiting));
        Self(sender)
    }
}

async fn write(mut connection: PgConnection, mut waiting: mpsc::Receiver<(u64, oneshot::Sender<()>)>) {
    let (mut group, mut head) = (Vec::new(), 0_i64);
    while waiting.recv_many(&mut group, 500).await > 0 {
        let streams: Vec<_> = group.iter().map(|(number, _)| format!("payee/payee-{number:08}")).collect();
        let payloads = vec![vec![b'n'; PAYLOAD]; group.len()];
        query(INSERT).bind(head).bind(streams).bind(payloads).execute(&mut connection).await.unwrap();
        head += i64::try_from(group.len()).unwrap();
        for (_, reply) in group.drain(..) {
            // A caller that is gone needs no answer.
            let _ = reply.send(());
        }
    }
}

impl Peer for Bare {
    async fn call(&self, number: u64) -> bool {
        let (reply, answer) = oneshot::channel();
        self.0.send((number, reply)).await.unwrap();
        answer.await.is_ok()
    }
}

/// Copies what a replay of ours reads out of the server, and says how many bytes that is.
pub async fn copy_out(database: &Database) -> u64 {
    let copy = "COPY (SELECT sequence, version, stream, payload, type, schema_version, digest, position, effective \
         FROM payledger.events WHERE ledger = 'main' ORDER BY sequence) TO STDOUT (FORMAT binary)";
    let chunks = database.pool().copy_out_raw(copy).await.unwrap();
    chunks.try_fold(0, async |bytes, chunk| Ok(bytes + chunk.len() as u64)).await.unwrap()
}
