//! The tables of a ledger file: how a file is recognised, made, moved between versions and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ledger_core::store::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, query, query_scalar, raw_sql};

use crate::error::{reading, writing};

/// The version of the tables that this library reads and writes.
pub const SCHEMA_VERSION: u32 = 2;

/// Marks a SQLite file as a ledger: `PAYL`. The migrations write it.
const APPLICATION_ID: i64 = 0x5041_594C;

/// The oldest SQLite library without the bug that could corrupt a write-ahead log.
const OLDEST_LIBRARY: [u32; 3] = [3, 51, 3];

struct Migration {
    up: &'static str,
    down: &'static str,
}

/// Each leads from the version before it to the next, and back. Each says in its own text which version it leads to.
const MIGRATIONS: [Migration; SCHEMA_VERSION as usize] = [
    Migration {
        up: include_str!("../migrations/0001_ledger.up.sql"),
        down: include_str!("../migrations/0001_ledger.down.sql"),
    },
    Migration {
        up: include_str!("../migrations/0002_derived.up.sql"),
        down: include_str!("../migrations/0002_derived.down.sql"),
    },
];

/// Something about a ledger file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a table, a trigger, a setting, the file.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.object, self.problem, self.remedy)
    }
}

/// Refuses a SQLite library that could lose what was acknowledged.
pub(crate) async fn require_library(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = query_scalar("SELECT sqlite_version()").fetch_one(connection).await.map_err(reading)?;
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if parts.as_slice() < OLDEST_LIBRARY.as_slice() {
        return Err(StoreError::Unusable(format!(
            "SQLite {version} can corrupt a write-ahead log; build with 3.51.3 or newer"
        )));
    }
    Ok(())
}

/// The version of a ledger's tables; 0 for a database without any table.
pub(crate) async fn version(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    let row = query(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
         (SELECT count(*) FROM sqlite_schema)",
    );
    let row = row.fetch_one(connection).await.map_err(reading)?;
    let column = |place: usize| row.try_get::<i64, _>(place).map_err(reading);
    match (column(0)?, u32::try_from(column(1)?), column(2)?) {
        (0, Ok(0), 0) => Ok(0),
        (APPLICATION_ID, Ok(version), _) if version <= SCHEMA_VERSION => Ok(version),
        (APPLICATION_ID, _, _) => Err(StoreError::Unusable(
            "the file was made by a newer version of this library; update this program".into(),
        )),
        _ => Err(StoreError::Unusable("the file is a SQLite database but no ledger; check its path".into())),
    }
}

/// Makes the tables if the file is new, and refuses those of an older version: moving a ledger is asked for, never implied.
pub(crate) async fn prepare(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if version(connection).await? == 0 {
        migrate(connection, SCHEMA_VERSION).await?;
    }
    require_current(connection).await?;
    use_wal(connection).await
}

/// Refuses tables of an older version.
pub(crate) async fn require_current(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    match version(connection).await? {
        SCHEMA_VERSION => Ok(()),
        0 => Err(StoreError::Unusable("the file is empty; open it for writing once to make it a ledger".into())),
        older => Err(StoreError::Unusable(format!(
            "the file has tables of version {older}; back it up and migrate it to version {SCHEMA_VERSION}"
        ))),
    }
}

/// Moves the tables to a version, all steps or none.
pub(crate) async fn migrate(connection: &mut SqliteConnection, to: u32) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(reading)?;
    // Only now: another process may have moved them meanwhile.
    for text in steps(&mut transaction, to).await? {
        raw_sql(text).execute(&mut *transaction).await.map_err(writing)?;
    }
    transaction.commit().await.map_err(writing)
}

/// The statements that lead to a version.
pub(crate) async fn steps(connection: &mut SqliteConnection, to: u32) -> Result<Vec<&'static str>, StoreError> {
    if to > SCHEMA_VERSION {
        return Err(StoreError::Unusable(format!("this library knows versions up to {SCHEMA_VERSION}")));
    }
    let from = version(connection).await?;
    if to == 0 && from > 0 {
        let events = query_scalar("SELECT EXISTS (SELECT 1 FROM heads)").fetch_one(connection);
        if events.await.map_err(reading)? {
            return Err(StoreError::Unusable(
                "the ledger holds events, which are never dropped; delete the file".into(),
            ));
        }
    }
    let (low, high) = (from.min(to) as usize, from.max(to) as usize);
    let steps = MIGRATIONS.get(low..high).unwrap_or_default().iter();
    Ok(if from < to { steps.map(|step| step.up).collect() } else { steps.rev().map(|step| step.down).collect() })
}

/// Sets the journal mode, which is a property of the file. SQLite does not wait for others here, so this does.
async fn use_wal(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for _ in 0..100 {
        match query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await.map_err(reading) {
            Ok::<String, _>(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Unusable(format!("the file cannot have a write-ahead log, only {mode}")));
            }
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("other processes keep the file locked".into()))
}

/// Everything about the file that is not as it should be.
pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let pages = query_scalar("PRAGMA integrity_check").fetch_all(&mut *connection).await.map_err(reading);
    let pages: Vec<String> = match pages {
        Err(StoreError::Corrupt { what, .. }) => vec![what],
        pages => pages?,
    };
    for problem in pages.into_iter().filter(|line| line != "ok") {
        let remedy = "stop writing, keep a copy of the file as it is, and restore the latest backup that verifies";
        findings.push(Finding { object: "file".into(), problem, remedy });
    }
    let expected = expected_objects().await?;
    let mut found = objects(connection).await?;
    for (name, sql) in expected {
        let problem = match found.remove(&name) {
            Some(same) if same == sql => continue,
            Some(_) => "it is not as this version defines it",
            None => "it is missing",
        };
        let remedy = "find out who changed it, verify the ledger, and put it back as the migrations define it";
        findings.push(Finding { object: name, problem: problem.into(), remedy });
    }
    for name in found.into_keys() {
        let (problem, remedy) = ("it is no part of a ledger".into(), "find out who added it and drop it");
        findings.push(Finding { object: name, problem, remedy });
    }
    let torn = "SELECT ledger FROM heads WHERE sequence IS NOT \
                (SELECT max(sequence) FROM events WHERE events.ledger = heads.ledger) \
                UNION SELECT ledger FROM requests WHERE ledger NOT IN (SELECT ledger FROM heads)";
    match query_scalar(torn).fetch_all(&mut *connection).await.map_err(reading) {
        Ok::<Vec<String>, _>(ledgers) => findings.extend(ledgers.into_iter().map(|ledger| Finding {
            object: format!("ledger {ledger}"),
            problem: "its head is not at its last event".into(),
            remedy: "verify the ledger, and restore the latest backup that verifies",
        })),
        // A table is missing or unreadable, which was found above.
        Err(StoreError::Unusable(_) | StoreError::Corrupt { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(findings)
}

/// The objects that the migrations make, with their texts.
async fn expected_objects() -> Result<BTreeMap<String, String>, StoreError> {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(reading)?;
    for migration in &MIGRATIONS {
        raw_sql(migration.up).execute(&mut connection).await.map_err(reading)?;
    }
    objects(&mut connection).await
}

async fn objects(connection: &mut SqliteConnection) -> Result<BTreeMap<String, String>, StoreError> {
    // The tables sqlite_stat1 and the like hold what ANALYZE found.
    let rows =
        query("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'");
    let rows = rows.fetch_all(connection).await.map_err(reading)?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(reading)
}
