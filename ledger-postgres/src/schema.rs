//! The tables of a database: how they are made, moved between versions, and given to the roles that use them.

use std::fmt;

use ledger_core::store::StoreError;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar, raw_sql};

use crate::PgStore;
use crate::error::{reading, writing};
use crate::options;

/// The version of the tables that this library reads and writes.
pub const SCHEMA_VERSION: u32 = 2;

/// The oldest server whose views can look at a table as the reader, not as their owner.
pub(crate) const OLDEST_SERVER: i32 = 15;

pub(crate) struct Migration {
    up: &'static str,
    down: &'static str,
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

/// Every migration is one transaction that begins like this. Who waits longer than that for a lock gives up, because all that
/// comes after it waits too. The other lock keeps two migrations apart, also where there is no table yet.
///
/// What it has waited for it must see, whatever the database's own isolation level is: events above all.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = 0;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SELECT pg_advisory_xact_lock(5783340870171510855);";

const MAKE_VERSIONS: &str = "CREATE TABLE payledger.migrations (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);";

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

/// The statements that lead from one version to another.
#[derive(Debug)]
struct Plan {
    from: u32,
    to: u32,
    statements: Vec<String>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.statements.is_empty() {
            return writeln!(f, "-- The tables are of version {} already: there is nothing to do.", self.to);
        }
        writeln!(f, "-- From version {} to version {}.\n{BEGIN}\n", self.from, self.to)?;
        for statement in &self.statements {
            writeln!(f, "{}\n", statement.trim_end())?;
        }
        writeln!(f, "COMMIT;")
    }
}

/// What a database holds before it is migrated.
struct Found {
    version: u32,
    /// Who is connected.
    user: String,
    /// Whose the schema is, if there is one.
    owner: Option<String>,
    /// Whether something is in it, or somebody else may use it.
    used: bool,
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
        raw_sql(BEGIN).execute(&mut connection).await.map_err(reading)?;
        // Only now: another process may have moved them meanwhile.
        let plan = plan(&mut connection, version, roles).await?;
        for statement in plan.statements {
            raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.map_err(reading)?;
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
        let plan = plan(&mut connection, version, roles).await?;
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
async fn require_server(connection: &mut PgConnection) -> Result<(), StoreError> {
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
        return Err(unusable("its schema payledger is no ledger's; use another database, or rename that schema"));
    }
    let applied = query_scalar("SELECT coalesce(max(version), 0) FROM payledger.migrations");
    let applied: i32 = applied.fetch_one(connection).await.map_err(reading)?;
    u32::try_from(applied).ok().filter(|version| *version <= SCHEMA_VERSION).ok_or_else(|| {
        unusable(&format!(
            "the tables are of version {applied}, made by a newer version of this library; update this program"
        ))
    })
}

async fn plan(connection: &mut PgConnection, to: u32, roles: &Roles) -> Result<Plan, StoreError> {
    if to > SCHEMA_VERSION {
        return Err(unusable(&format!("this library knows versions up to {SCHEMA_VERSION}")));
    }
    require_server(connection).await?;
    let found = Found::read(connection).await?;
    found.refuse_strange(roles)?;
    let mut plan = Plan { from: found.version, to, statements: Vec::new() };
    if to == 0 {
        plan.refuse_events(connection).await?;
    } else {
        require_roles(connection, roles).await?;
    }
    let owner = plan.owner(connection, &found, roles).await?;
    let (low, high) = (found.version.min(to) as usize, found.version.max(to) as usize);
    let steps = (1..).zip(&MIGRATIONS).skip(low).take(high - low);
    if found.version < to {
        if found.version == 0 {
            plan.add(MAKE_VERSIONS);
        }
        for (version, step) in steps {
            plan.add(step.up);
            plan.add(format!("INSERT INTO payledger.migrations (version) VALUES ({version});"));
        }
    } else {
        for (version, step) in steps.collect::<Vec<_>>().into_iter().rev() {
            plan.add(step.down);
            plan.add(format!("DELETE FROM payledger.migrations WHERE version = {version};"));
        }
        if to == 0 && found.version > 0 {
            plan.add("DROP TABLE payledger.migrations;\nDROP SCHEMA payledger;");
        }
    }
    if to > 0 {
        plan.grant(connection, &owner, roles).await?;
    }
    Ok(plan)
}

impl Found {
    async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let version = version(connection).await?;
        const WHO: &str = "SELECT current_user::text, pg_get_userbyid(n.nspowner)::text, coalesce( \
             EXISTS (SELECT FROM aclexplode(n.nspacl) AS a WHERE a.grantee <> n.nspowner) OR EXISTS (\
             SELECT FROM pg_catalog.pg_depend WHERE refclassid = 'pg_catalog.pg_namespace'::regclass AND refobjid = n.oid), \
             false) FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'payledger'";
        let (user, owner, used) = sqlx::query_as(WHO).fetch_one(connection).await.map_err(reading)?;
        Ok(Self { version, user, owner, used })
    }

    /// Refuses a schema that somebody made before there was a ledger in it: what he put there would be trusted with it.
    fn refuse_strange(&self, roles: &Roles) -> Result<(), StoreError> {
        let Some(owner) = self.owner.as_ref().filter(|_| self.version == 0) else { return Ok(()) };
        if self.used {
            return Err(unusable("its schema payledger is no ledger's; use another database, or rename that schema"));
        }
        if roles.owner.as_ref().unwrap_or(&self.user) == owner {
            return Ok(());
        }
        Err(unusable(&format!(
            "its schema payledger belongs to role {owner:?}; name that role as the owner, or drop the schema"
        )))
    }
}

impl Plan {
    fn add(&mut self, statement: impl Into<String>) {
        self.statements.push(statement.into());
    }

    /// Events are never dropped, not even by who may: whoever means it drops the schema by hand.
    async fn refuse_events(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.from == 0 {
            return Ok(());
        }
        let events = query_scalar("SELECT EXISTS (SELECT FROM payledger.events)").fetch_one(connection);
        if events.await.map_err(reading)? {
            return Err(unusable("the database holds events, which are never dropped; go down to version 1 at most"));
        }
        Ok(())
    }

    /// Makes the schema, gives what is there to the owner that is named, and goes on as the owner.
    async fn owner(
        &mut self,
        connection: &mut PgConnection,
        found: &Found,
        roles: &Roles,
    ) -> Result<String, StoreError> {
        let owner = roles.owner.as_ref().or(found.owner.as_ref()).unwrap_or(&found.user).clone();
        let member =
            query_scalar("SELECT pg_has_role(current_user, $1, 'MEMBER')").bind(&owner).fetch_one(&mut *connection);
        if !member.await.map_err(reading)? {
            return Err(unusable(&format!(
                "role {:?} may not act as {owner:?}, whose the tables are; migrate as that role or as a member of it",
                found.user
            )));
        }
        let name = quoted(&owner);
        if found.owner.is_none() && self.to > 0 {
            self.add(format!("CREATE SCHEMA payledger AUTHORIZATION {name};"));
        }
        const OTHERS: &str = "SELECT give || ' OWNER TO ' FROM (\
             SELECT 'ALTER SCHEMA payledger' AS give, nspowner AS owner FROM pg_catalog.pg_namespace WHERE nspname = 'payledger' \
             UNION ALL SELECT format('ALTER TABLE payledger.%I', c.relname), c.relowner FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'payledger' AND c.relkind IN ('r', 'v', 'p') \
             UNION ALL SELECT format('ALTER FUNCTION %s', p.oid::regprocedure), p.proowner FROM pg_catalog.pg_proc AS p \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'payledger') AS o \
             WHERE pg_get_userbyid(owner)::text <> $1 ORDER BY 1";
        let others: Vec<String> =
            query_scalar(OTHERS).bind(&owner).fetch_all(&mut *connection).await.map_err(reading)?;
        for other in others {
            self.add(format!("{other}{name};"));
        }
        if owner != found.user && self.from != self.to {
            self.add(format!("SET LOCAL ROLE {name};"));
        }
        Ok(owner)
    }

    /// Gives the roles what they need at this version, also those that were named before it.
    async fn grant(&mut self, connection: &mut PgConnection, owner: &str, roles: &Roles) -> Result<(), StoreError> {
        if self.from == self.to && *roles == Roles::default() {
            return Ok(());
        }
        // A dump that is restored without its privileges has those that functions begin with.
        self.add("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA payledger FROM PUBLIC;");
        let (applications, reporting) = if self.from == 0 { Default::default() } else { granted(connection).await? };
        let steps = MIGRATIONS.get(..self.to as usize).unwrap_or_default();
        let named = |kind: &str, names: Vec<&str>| format!("{kind} payledger.{}", names.join(", payledger."));
        let of = |part: fn(&Migration) -> &'static [&'static str]| {
            steps.iter().flat_map(move |step| part(step).iter().copied())
        };
        let tables = || of(|step| step.tables);
        let applications = together(applications, roles.application.as_ref(), owner);
        for role in &applications {
            self.add(format!(
                "GRANT USAGE ON SCHEMA payledger TO {role};\nGRANT SELECT ON {}, payledger.migrations TO {role};\n\
                 GRANT EXECUTE ON {} TO {role};",
                named("TABLE", tables().collect()),
                named("FUNCTION", of(|step| step.functions).collect()),
            ));
        }
        for role in together(reporting, roles.reporting.as_ref(), owner) {
            self.add(format!(
                "GRANT USAGE ON SCHEMA payledger TO {role};\nGRANT SELECT ON {}, payledger.migrations TO {role};",
                named("TABLE", tables().chain(of(|step| step.reports)).collect()),
            ));
        }
        // The owner is fenced too: what it may read through row-level security is said here.
        let whole: Vec<_> = [quoted(owner)].into_iter().chain(applications).collect();
        // Made anew: a dump that is restored where its roles are not has none.
        let mut policy = |table: &str, roles: &str| {
            self.add(format!(
                "DROP POLICY IF EXISTS whole ON payledger.{table};\n\
                 CREATE POLICY whole ON payledger.{table} TO {roles} USING (true) WITH CHECK (true);"
            ));
        };
        for table in tables().filter(|table| *table != "log") {
            policy(table, &whole.join(", "));
        }
        policy("reporting_ledgers", &quoted(owner));
        Ok(())
    }
}

/// The roles that were granted the functions, and those that were granted to report. The owner, who may be replaced, is neither.
async fn granted(connection: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), StoreError> {
    const CALL: &str = "SELECT DISTINCT pg_get_userbyid(a.grantee)::text FROM pg_catalog.pg_proc AS p, aclexplode(p.proacl) AS a \
         WHERE p.pronamespace = 'payledger'::regnamespace AND p.proname = 'append_v1' AND a.grantee NOT IN (0, p.proowner) ORDER BY 1";
    const REPORT: &str = "SELECT DISTINCT pg_get_userbyid(a.grantee)::text FROM pg_catalog.pg_class AS c, \
         aclexplode(c.relacl) AS a WHERE c.relnamespace = 'payledger'::regnamespace AND c.relname = 'reporting_ledgers' \
         AND a.grantee NOT IN (0, c.relowner) ORDER BY 1";
    let call = query_scalar(CALL).fetch_all(&mut *connection).await.map_err(reading)?;
    Ok((call, query_scalar(REPORT).fetch_all(connection).await.map_err(reading)?))
}

/// The roles of before and the one that is named now, quoted, without the owner.
fn together(before: Vec<String>, named: Option<&String>, owner: &str) -> Vec<String> {
    let mut all = before;
    all.extend(named.cloned());
    all.sort();
    all.dedup();
    all.iter().filter(|role| *role != owner).map(|role| quoted(role)).collect()
}

/// Refuses names that no role has, and one role in two parts.
async fn require_roles(connection: &mut PgConnection, roles: &Roles) -> Result<(), StoreError> {
    let named: Vec<&str> =
        [&roles.owner, &roles.application, &roles.reporting].into_iter().flatten().map(String::as_str).collect();
    for (place, name) in named.iter().enumerate() {
        let found = query("SELECT FROM pg_catalog.pg_roles WHERE rolname::text = $1").bind(name);
        // What no text of the database can be is no role's name.
        if name.contains('\0') || found.fetch_optional(&mut *connection).await.map_err(reading)?.is_none() {
            return Err(unusable(&format!("there is no role {name:?}; make it with CREATE ROLE")));
        }
        if named.iter().skip(place + 1).any(|other| other == name) {
            return Err(unusable(&format!("role {name:?} cannot be two of owner, application and reporting at once")));
        }
    }
    Ok(())
}

/// As an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn unusable(problem: &str) -> StoreError {
    StoreError::Unusable(problem.into())
}
