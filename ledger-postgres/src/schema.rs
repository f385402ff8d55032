//! The tables of a database: how they are made, moved between versions, and given to the roles that use them.

use ledger_core::store::StoreError;
use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar, raw_sql};

use crate::PgStore;
use crate::error::{reading, writing};
use crate::options;
use crate::plan::{BEGIN, Plan};

/// The version of the tables that this library reads and writes.
pub const SCHEMA_VERSION: u32 = 2;

/// The oldest server whose views can look at a table as the reader, not as their owner.
pub(crate) const OLDEST_SERVER: i32 = 15;

pub(crate) struct Migration {
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
    /// What it makes that the application and reporting roles read.
    pub(crate) tables: &'static [&'static str],
    /// What it makes that only reporting roles read.
    pub(crate) reports: &'static [&'static str],
    /// What it makes that the application calls.
    pub(crate) functions: &'static [&'static str],
}

/// Each leads from the version before it to the next, and back.
pub(crate) const MIGRATIONS: [Migration; SCHEMA_VERSION as usize] = [
    Migration {
        up: include_str!("../migrations/0001_ledger.up.sql"),
        down: include_str!("../migrations/0001_ledger.down.sql"),
        tables: &["heads", "requests", "events", "checkpoints", "log"],
        reports: &["reporting_ledgers"],
        functions: &["append_v1"],
    },
    Migration {
        up: include_str!("../migrations/0002_derived.up.sql"),
        down: include_str!("../migrations/0002_derived.down.sql"),
        tables: &["snapshots", "projection_rows"],
        reports: &[],
        functions: &["save_snapshot_v1", "save_projection_v1", "promote_v1"],
    },
];

pub(crate) const STRANGE: &str = "its schema payledger is no ledger's; use another database, or rename that schema";

/// The roles that use a database, by the names that the operator gave them. They must exist; one that is not named keeps what
/// it has. The names are never part of a statement unquoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// Owns the tables, best without a login. Otherwise the role that migrates owns what it makes.
    pub owner: Option<String>,
    /// Appends and reads through this library: it may call the functions, read the tables, and nothing else.
    pub application: Option<String>,
    /// Reads, in SQL or through this library, the ledgers that `payledger.reporting_ledgers` names for it, and no others.
    pub reporting: Option<String>,
}

impl PgStore {
    /// Moves a database's tables up or down to a version, all steps or none, and gives the roles what they need there. What is
    /// derived from the log goes with a version that does not know it. Down to 0 is possible only while there is no event.
    ///
    /// It needs a role that owns the tables or is a member of their owner, and a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`], with nothing changed, unless it is [`StoreError::Unknown`]: then [`version`](Self::version) tells.
    pub async fn migrate(url: &str, version: u32, roles: &Roles) -> Result<(), StoreError> {
        let mut connection = connect(url).await?;
        raw_sql(BEGIN).execute(&mut connection).await.map_err(waiting)?;
        // Only now: another process may have moved them meanwhile.
        let plan = Plan::read(&mut connection, version, roles).await?;
        for statement in plan.statements {
            raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.map_err(waiting)?;
        }
        raw_sql("COMMIT").execute(&mut connection).await.map_err(writing)?;
        // What it has done is done, whatever becomes of the connection.
        let _ = connection.close().await;
        Ok(())
    }

    /// The SQL that [`migrate`](Self::migrate) would run, for people to read, or to run it with other tools. Nothing is changed.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate).
    pub async fn plan(url: &str, version: u32, roles: &Roles) -> Result<String, StoreError> {
        let mut connection = connect(url).await?;
        let plan = Plan::read(&mut connection, version, roles).await?;
        let _ = connection.close().await;
        Ok(plan.to_string())
    }

    /// The version of a database's tables; 0 for a database without a ledger.
    ///
    /// # Errors
    /// [`StoreError`], with what to do: the database cannot be reached, or its tables are newer than this library.
    pub async fn version(url: &str) -> Result<u32, StoreError> {
        let mut connection = connect(url).await?;
        let version = version(&mut connection).await?;
        let _ = connection.close().await;
        Ok(version)
    }
}

async fn connect(url: &str) -> Result<PgConnection, StoreError> {
    options::connect(&options::options(url, &[])?).await
}

/// Refuses a database on which a ledger cannot be kept, or is not kept in tables of this version.
pub(crate) async fn require_current(connection: &mut PgConnection) -> Result<(), StoreError> {
    require_server(connection).await?;
    match version(connection).await? {
        SCHEMA_VERSION => Ok(()),
        0 => Err(unusable("the database has no ledger's tables; make them with `payledger store migrate up`")),
        older => Err(unusable(&format!(
            "the database has tables of version {older}; back it up and run `payledger store migrate up`, which leads to \
             version {SCHEMA_VERSION}"
        ))),
    }
}

/// Refuses a server that could lose what was acknowledged, or cannot keep every text.
pub(crate) async fn require_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    const SERVER: &str = "SELECT current_setting('server_version_num')::integer / 10000, \
         current_setting('server_encoding'), current_setting('synchronous_commit')";
    let (release, encoding, synchronous): (i32, String, String) =
        sqlx::query_as(SERVER).fetch_one(connection).await.map_err(reading)?;
    if release < OLDEST_SERVER {
        return Err(unusable(&format!("the server is PostgreSQL {release}; use {OLDEST_SERVER} or newer")));
    }
    if encoding != "UTF8" {
        return Err(unusable(&format!(
            "the database's encoding is {encoding}, which does not keep every text; create one with ENCODING 'UTF8' TEMPLATE \
             template0"
        )));
    }
    if synchronous == "off" {
        return Err(unusable(
            "synchronous_commit is off, so that a crash loses what was acknowledged; set it to on for this role or database",
        ));
    }
    Ok(())
}

pub(crate) async fn version(connection: &mut PgConnection) -> Result<u32, StoreError> {
    // The catalog can be read without a privilege on the schema.
    const TABLES: &str = "SELECT c.relname::text FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'payledger' AND c.relkind IN ('r', 'p')";
    let tables: Vec<String> = query_scalar(TABLES).fetch_all(&mut *connection).await.map_err(reading)?;
    if tables.is_empty() {
        return Ok(0);
    }
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("migrations") && has("events") && has("requests") {
        return Err(unusable(
            "its table payledger.migrations is gone; make it anew, with a row for each version, or restore the latest backup that \
             verifies",
        ));
    }
    if !has("migrations") {
        return Err(unusable(STRANGE));
    }
    let applied = query_scalar("SELECT coalesce(max(version), 0) FROM payledger.migrations");
    let applied: i32 = applied.fetch_one(connection).await.map_err(reading)?;
    u32::try_from(applied).ok().filter(|version| *version <= SCHEMA_VERSION).ok_or_else(|| {
        unusable(&format!(
            "the tables are of version {applied}, made by a newer version of this library; update this program"
        ))
    })
}

/// Nothing of a migration is stopped but what waits for a lock.
fn waiting(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let stopped = code.is_some_and(|code| ["55P03", "57014"].contains(&&*code));
    match reading(error) {
        StoreError::Unavailable(text) if stopped => StoreError::Unavailable(format!(
            "others use the tables for longer than a migration waits; end what they do, or try it again: {text}"
        )),
        error => error,
    }
}

/// As an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn unusable(problem: &str) -> StoreError {
    StoreError::Unusable(problem.into())
}
