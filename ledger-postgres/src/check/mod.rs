//! Everything about a database that is not as it should be.

mod objects;
mod privileges;
mod roles;
mod settings;

use std::fmt;

use ledger_core::store::StoreError;
use sqlx::{Connection, PgConnection, query_as, query_scalar, raw_sql};
use tokio::time::timeout;

use crate::PgStore;
use crate::check::roles::Parts;
use crate::error::reading;
use crate::options::connect;
use crate::schema::{MIGRATIONS, SCHEMA_VERSION, version};
use crate::store::{NO_ANSWER, answered};

/// Something about a database that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a table, a function, a role, a setting, a ledger.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.object, self.problem, self.remedy)
    }
}

impl PgStore {
    /// Looks for everything about the database that is not as it should be, as the role of this store sees it: settings under
    /// which acknowledged events could be lost or nothing can be stored, tables, functions and triggers that somebody changed
    /// or goes round, privileges that are missing or more than needed, roles that could do more than was granted to them, heads
    /// that do not fit. What is inside the rows is for who verifies a ledger.
    ///
    /// It opens a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`] when the database could not be looked at, or is newer than this library.
    pub async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let mut connection = connect(&self.pool().connect_options()).await?;
        let Ok(findings) = timeout(self.longest(), check(&mut connection, self.connections())).await else {
            return Err(StoreError::Unavailable(NO_ANSWER.into()));
        };
        // What was found does not depend on how the connection ends.
        let _ = connection.close().await;
        findings
    }

    /// The part of [`check`](Self::check) that is cheap enough for every start: whether this store's role lacks what it needs,
    /// or could change what is stored.
    ///
    /// # Errors
    /// [`StoreError`] when the database could not be asked.
    pub async fn check_role(&self) -> Result<Vec<Finding>, StoreError> {
        let mut connection = self.connection().await?;
        answered!(self, connection => check_role(&mut connection), StoreError::Unavailable)
    }
}

/// How the server shows definitions depends on settings. Names are shown with their schema only where it is not on the path, and
/// by whose functions is what the path says.
const PLAIN: &str = "SET search_path = pg_catalog, pg_temp; SET quote_all_identifiers = off; SET timezone = 'UTC'; \
     SET datestyle = 'ISO'; SET intervalstyle = 'postgres'";

/// Who looks waits for nobody for long, whatever a host's pool says.
const LIMITS: &str = "SET lock_timeout = '5s'; SET statement_timeout = '30s'";

async fn check(connection: &mut PgConnection, connections: u32) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Findings(Vec::new());
    raw_sql(PLAIN).execute(&mut *connection).await.map_err(reading)?;
    let parts = Parts::read(connection).await?;
    findings.settings(connection, parts.as_ref()).await?;
    findings.limits(connection, connections).await?;
    raw_sql(LIMITS).execute(&mut *connection).await.map_err(reading)?;
    let held = findings.prepared(connection).await?;
    match findings.tables(connection, parts).await {
        // What was found is why.
        Err(StoreError::Unavailable(_)) if held => {}
        ended => ended?,
    }
    Ok(findings.0)
}

async fn check_role(connection: &mut PgConnection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Findings(Vec::new());
    if let Some(parts) = Parts::read(connection).await? {
        findings.powers(connection, &parts, false).await?;
        findings.missing(connection, &parts).await?;
    }
    Ok(findings.0)
}

const MIGRATE: &str = "make it with `payledger store migrate up`";

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, object: &str, problem: &str, remedy: &str) {
        self.0.push(Finding { object: object.into(), problem: problem.into(), remedy: remedy.into() });
    }

    /// The tables and all that belongs to them, and who may do what with it.
    async fn tables(&mut self, connection: &mut PgConnection, parts: Option<Parts>) -> Result<(), StoreError> {
        let Some(parts) = parts else {
            self.add("schema payledger", "it is not there", MIGRATE);
            return Ok(());
        };
        self.powers(connection, &parts, true).await?;
        let may_look = self.missing(connection, &parts).await?;
        if !may_look || !self.version(connection).await? {
            return Ok(());
        }
        self.owners(connection, &parts).await?;
        self.owner_lacks(connection, &parts).await?;
        self.grants(connection).await?;
        self.defaults(connection, &parts).await?;
        self.policies(connection, &parts).await?;
        self.objects(connection).await?;
        self.ways_round(connection).await?;
        // Where policies are not as they should be, an event may be hidden and not lost.
        if !self.0.iter().any(|finding| finding.object.starts_with("policy ")) {
            self.heads(connection).await?;
        }
        Ok(())
    }

    /// Whether the tables are there, and of this version.
    async fn version(&mut self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        let version = version(connection).await?;
        let untold = untold(connection).await?;
        for version in &untold {
            let remedy = format!("INSERT INTO payledger.migrations (version) VALUES ({version})");
            self.add(
                "table payledger.migrations",
                &format!("it has no row of version {version}, which is there"),
                &remedy,
            );
        }
        match version {
            SCHEMA_VERSION => return Ok(true),
            // What is there is more than the rows say.
            _ if !untold.is_empty() => return Ok(true),
            0 => self.add("schema payledger", "it is not there", MIGRATE),
            older => {
                let problem = format!("its tables are of version {older}, this library's of version {SCHEMA_VERSION}");
                self.add("schema payledger", &problem, "back the database up and run `payledger store migrate up`");
            }
        }
        Ok(false)
    }

    /// Transactions that somebody has prepared and nobody ends: whether there are any. No timeout of a client ends them either.
    async fn prepared(&mut self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        let prepared: Vec<(String, String, String)> =
            query_as(include_str!("prepared.sql")).fetch_all(connection).await.map_err(reading)?;
        for (name, since, remedy) in &prepared {
            let problem = format!("since {since} it holds locks that the ledgers wait for, until somebody ends it");
            self.add(&format!("prepared transaction {name}"), &problem, remedy);
        }
        Ok(!prepared.is_empty())
    }

    async fn heads(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        match query_scalar(include_str!("heads.sql")).fetch_all(connection).await.map_err(reading) {
            Ok::<Vec<String>, _>(ledgers) => {
                for ledger in ledgers {
                    let remedy = "verify the ledger, and restore the latest backup that verifies";
                    self.add(&format!("ledger {ledger}"), "its head is not at its last request and event", remedy);
                }
                Ok(())
            }
            // A table is missing or may not be read, which was found before.
            Err(StoreError::Unusable(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The versions whose tables are there, though no row says that they were made.
async fn untold(connection: &mut PgConnection) -> Result<Vec<i32>, StoreError> {
    const MADE: &str = "SELECT step.version::integer FROM unnest($1) WITH ORDINALITY AS step (made, version) \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'payledger' \
         JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = step.made";
    let tables: Vec<&str> = MIGRATIONS.iter().filter_map(|step| step.tables.first()).copied().collect();
    let mut made: Vec<i32> = query_scalar(MADE).bind(tables).fetch_all(&mut *connection).await.map_err(reading)?;
    if !made.is_empty() {
        const TOLD: &str = "SELECT version FROM payledger.migrations";
        let told: Vec<i32> = query_scalar(TOLD).fetch_all(connection).await.map_err(reading)?;
        made.retain(|version| !told.contains(version));
    }
    Ok(made)
}

fn functions() -> Vec<&'static str> {
    MIGRATIONS.iter().flat_map(|step| step.functions).copied().collect()
}
