//! A connection that makes and drops databases, on a thread of its own: tests come and go with their runtimes.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, query_scalar, raw_sql};
use tokio::runtime::{Builder, Runtime};

/// Statements to carry out one after another, and who waits for that.
type Job = (Vec<String>, Box<dyn FnOnce(Result<(), String>) + Send>);

/// Sends statements to the connection.
#[derive(Debug, Clone)]
pub(crate) struct Admin(mpsc::Sender<Job>);

impl Admin {
    /// Connects under a name that others can see.
    pub(crate) fn connect(options: &PgConnectOptions, name: &str) -> Result<Self, String> {
        let options = options.clone().application_name(name);
        let (sender, jobs) = mpsc::channel::<Job>();
        let (ready, waiting) = mpsc::channel();
        thread::spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error.to_string()))),
            };
            match runtime.block_on(open(&options)) {
                Ok(connection) => {
                    let _ = ready.send(Ok(()));
                    serve(&runtime, connection, &options, &jobs);
                }
                Err(error) => drop(ready.send(Err(error.to_string()))),
            }
        });
        waiting.recv().map_err(|_| "the thread has stopped")??;
        Ok(Self(sender))
    }

    pub(crate) async fn run(&self, statements: Vec<String>) -> Result<(), String> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.send(statements, move |done| drop(sender.send(done)));
        answer.await.map_err(|_| "the thread has stopped".to_owned())?
    }

    /// The same where nothing can be awaited. It does not wait for ever: a database is dropped once all of the server's
    /// connections have taken note, and one may be in the middle of an answer that is read by the thread that waits here.
    pub(crate) fn run_blocking(&self, statements: Vec<String>) {
        let (sender, answer) = mpsc::channel();
        self.send(statements, move |done| drop(sender.send(done)));
        // A server that is dead has nothing to drop.
        let _ = answer.recv_timeout(Duration::from_secs(5));
    }

    fn send(&self, statements: Vec<String>, answer: impl FnOnce(Result<(), String>) + Send + 'static) {
        // Without the thread the answer is dropped, which tells who waits for it.
        let _ = self.0.send((statements, Box::new(answer)));
    }
}

fn serve(runtime: &Runtime, mut connection: PgConnection, options: &PgConnectOptions, jobs: &mpsc::Receiver<Job>) {
    for (statements, answer) in jobs {
        answer(runtime.block_on(async {
            // The server may have been killed meanwhile.
            if connection.ping().await.is_err() {
                connection = options.connect().await.map_err(|error| error.to_string())?;
            }
            for statement in statements {
                let done = raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut connection).await;
                done.map_err(|error| format!("{statement}: {error}"))?;
            }
            Ok(())
        }));
    }
}

/// Connects, and drops what processes that were killed have left on this server.
async fn open(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    const ORPHANS: &str = "SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', datname) FROM pg_database \
         WHERE datname LIKE 'pl\\_test\\_%' AND NOT EXISTS (\
         SELECT FROM pg_stat_activity WHERE starts_with(datname, application_name) AND application_name <> '') \
         UNION ALL SELECT format('DROP ROLE IF EXISTS %I', rolname) FROM pg_roles \
         WHERE rolname LIKE 'pl\\_test\\_%' AND NOT EXISTS (\
         SELECT FROM pg_stat_activity WHERE starts_with(rolname, application_name) AND application_name <> '')";
    let statements: Vec<String> = query_scalar(ORPHANS).fetch_all(&mut connection).await?;
    for statement in statements {
        // Another process may be at it too.
        let _ = raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    }
    Ok(connection)
}
