//! The statements that lead the tables of a database from one version to another, and give them to the roles that use them.

use std::fmt;

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query, query_as, query_scalar};

use crate::error::reading;
use crate::schema::{MIGRATIONS, Migration, Roles, SCHEMA_VERSION, STRANGE, quoted, require_server, unusable, version};

/// Every migration is one transaction that begins like this. The advisory lock keeps two of them apart, also where there is no
/// table yet.
///
/// What it has waited for it must see, whatever the database's own isolation level is: events above all.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = 0;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SELECT pg_advisory_xact_lock(hashtextextended('payledger migration', 0));";

const MAKE_VERSIONS: &str = "CREATE TABLE payledger.migrations (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);";

/// The statements that lead from one version to another.
#[derive(Debug)]
pub(crate) struct Plan {
    from: u32,
    to: u32,
    pub(crate) statements: Vec<String>,
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

impl Plan {
    /// What leads from what a database holds to a version, where the roles have what they need.
    pub(crate) async fn read(connection: &mut PgConnection, to: u32, roles: &Roles) -> Result<Self, StoreError> {
        if to > SCHEMA_VERSION {
            return Err(unusable(&format!("this library knows versions up to {SCHEMA_VERSION}")));
        }
        require_server(connection).await?;
        let found = Found::read(connection).await?;
        found.refuse_strange(roles)?;
        if to == 0 {
            found.refuse_events(connection).await?;
        } else {
            require_roles(connection, roles).await?;
        }
        let owner = roles.owner.as_ref().or(found.owner.as_ref()).unwrap_or(&found.user);
        found.require_member(connection, owner).await?;
        let gifts = gifts(connection, owner).await?;
        let users = Users::read(connection, &found, owner, roles).await?;
        let moves = found.version != to;
        let grants = to > 0 && (moves || *roles != Roles::default());
        let policies = if grants { users.policies(connection, to).await? } else { Vec::new() };

        let mut plan = Self { from: found.version, to, statements: Vec::new() };
        if found.owner.is_none() && to > 0 {
            plan.add(format!("CREATE SCHEMA payledger AUTHORIZATION {};", quoted(owner)));
        }
        if moves || !gifts.is_empty() || !policies.is_empty() {
            plan.lock();
        }
        plan.statements.extend(gifts);
        if owner != &found.user && moves {
            plan.add(format!("SET LOCAL ROLE {};", quoted(owner)));
        }
        plan.steps();
        if grants {
            plan.grant(&users);
        }
        plan.statements.extend(policies);
        Ok(plan)
    }

    fn add(&mut self, statement: impl Into<String>) {
        self.statements.push(statement.into());
    }

    /// Takes every lock on what is there at once, or gives up before an append that waits for them does. They are taken in the
    /// order in which an append takes them; the view has those of its tables.
    ///
    /// LOCK asks for privileges that an owner may have given up on what is never changed. What alters nothing locks as well.
    fn lock(&mut self) {
        if self.from > 0 {
            let each = |table| format!("    ALTER TABLE payledger.{table} ENABLE ROW LEVEL SECURITY;\n");
            self.add(format!(
                "-- Every lock at once, or none.\nSET LOCAL statement_timeout = '4s';\nDO $$ BEGIN\n{}    \
                 LOCK TABLE payledger.migrations IN ACCESS EXCLUSIVE MODE;\nEND $$;\nSET LOCAL statement_timeout = 0;",
                fenced(self.from).map(each).collect::<String>(),
            ));
        }
    }

    /// The migrations themselves, up or down.
    fn steps(&mut self) {
        let (low, high) = (self.from.min(self.to) as usize, self.from.max(self.to) as usize);
        let steps = (1..).zip(&MIGRATIONS).skip(low).take(high - low);
        if self.from < self.to {
            if self.from == 0 {
                self.add(MAKE_VERSIONS);
            }
            for (version, step) in steps {
                self.add(step.up);
                self.add(format!("INSERT INTO payledger.migrations (version) VALUES ({version});"));
            }
        } else {
            for (version, step) in steps.collect::<Vec<_>>().into_iter().rev() {
                self.add(step.down);
                self.add(format!("DELETE FROM payledger.migrations WHERE version = {version};"));
            }
            if self.to == 0 && self.from > 0 {
                self.add("DROP TABLE payledger.migrations;\nDROP SCHEMA payledger;");
            }
        }
    }

    /// Gives the roles what they need at this version, also those that were named before it.
    fn grant(&mut self, users: &Users<'_>) {
        // A dump that is restored without its privileges has those that functions begin with.
        self.add("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA payledger FROM PUBLIC;");
        let tables = || made(self.to, |step| step.tables);
        let (read, reported) = (listed(tables()), listed(tables().chain(made(self.to, |step| step.reports))));
        let called = listed(made(self.to, |step| step.functions));
        for role in users.applications.iter().map(|role| quoted(role)) {
            self.add(format!(
                "GRANT USAGE ON SCHEMA payledger TO {role};\nGRANT SELECT ON TABLE {read}, payledger.migrations TO {role};\n\
                 GRANT EXECUTE ON FUNCTION {called} TO {role};",
            ));
        }
        for role in users.reporting.iter().map(|role| quoted(role)) {
            self.add(format!(
                "GRANT USAGE ON SCHEMA payledger TO {role};\n\
                 GRANT SELECT ON TABLE {reported}, payledger.migrations TO {role};",
            ));
        }
    }
}

/// What the migrations up to a version make.
fn made(version: u32, part: fn(&Migration) -> &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().take(version as usize).flat_map(move |step| part(step).iter().copied())
}

/// The tables of a version that row-level security guards. The last is the one that the policies of the others look at.
fn fenced(version: u32) -> impl Iterator<Item = &'static str> {
    let (tables, reports) = (made(version, |step| step.tables), made(version, |step| step.reports));
    tables.filter(|table| *table != "log").chain(reports)
}

fn listed(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("payledger.{name}")).collect::<Vec<_>>().join(", ")
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

impl Found {
    async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let version = version(connection).await?;
        const WHO: &str = "
            SELECT current_user::text,
                    pg_get_userbyid(n.nspowner)::text,
                    coalesce(
                        EXISTS (
                            SELECT FROM aclexplode(n.nspacl) AS a
                                WHERE a.grantee <> n.nspowner)
                        OR EXISTS (
                            SELECT FROM pg_catalog.pg_depend
                                WHERE refclassid = 'pg_catalog.pg_namespace'::regclass
                                    AND refobjid = n.oid),
                        false)
                FROM (SELECT) AS one
                    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'payledger'";
        let (user, owner, used) = query_as(WHO).fetch_one(connection).await.map_err(reading)?;
        Ok(Self { version, user, owner, used })
    }

    /// Refuses a schema that somebody made before there was a ledger in it: what he put there would be trusted with it.
    fn refuse_strange(&self, roles: &Roles) -> Result<(), StoreError> {
        let Some(owner) = self.owner.as_ref().filter(|_| self.version == 0) else { return Ok(()) };
        if self.used {
            return Err(unusable(STRANGE));
        }
        if roles.owner.as_ref().unwrap_or(&self.user) == owner {
            return Ok(());
        }
        Err(unusable(&format!(
            "its schema payledger belongs to role {owner:?}; name that role as the owner, or drop the schema"
        )))
    }

    /// Events are never dropped, not even by who may: whoever means it drops the schema by hand.
    async fn refuse_events(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.version == 0 {
            return Ok(());
        }
        let events = query_scalar("SELECT EXISTS (SELECT FROM payledger.events)").fetch_one(connection);
        if events.await.map_err(reading)? {
            return Err(unusable("the database holds events, which are never dropped; go down to version 1 at most"));
        }
        Ok(())
    }

    /// Refuses who may not act as the owner.
    async fn require_member(&self, connection: &mut PgConnection, owner: &str) -> Result<(), StoreError> {
        let member = query_scalar("SELECT pg_has_role(current_user, $1, 'MEMBER')").bind(owner).fetch_one(connection);
        if member.await.map_err(reading)? {
            return Ok(());
        }
        Err(unusable(&format!(
            "role {:?} may not act as {owner:?}, whose the tables are; migrate as that role or as a member of it",
            self.user
        )))
    }
}

/// Gives the owner what is there and belongs to another.
async fn gifts(connection: &mut PgConnection, owner: &str) -> Result<Vec<String>, StoreError> {
    const OTHERS: &str = "
        SELECT give || ' OWNER TO '
            FROM pg_catalog.pg_namespace AS n
                CROSS JOIN LATERAL (
                    SELECT 'ALTER SCHEMA payledger', n.nspowner
                    UNION ALL
                    SELECT format('ALTER TABLE payledger.%I', relname), relowner
                        FROM pg_catalog.pg_class
                        WHERE relnamespace = n.oid
                            AND relkind IN ('r', 'v', 'p')
                    UNION ALL
                    SELECT format('ALTER FUNCTION %s', oid::regprocedure), proowner
                        FROM pg_catalog.pg_proc
                        WHERE pronamespace = n.oid
                ) AS o (give, owner)
            WHERE n.nspname = 'payledger'
                AND pg_get_userbyid(owner)::text <> $1
            ORDER BY 1";
    let others: Vec<String> = query_scalar(OTHERS).bind(owner).fetch_all(connection).await.map_err(reading)?;
    Ok(others.into_iter().map(|other| format!("{other}{};", quoted(owner))).collect())
}

/// Who uses the tables: the roles of before, and those that are named now. The owner, who may be replaced, is neither.
struct Users<'o> {
    owner: &'o str,
    applications: Vec<String>,
    reporting: Vec<String>,
}

impl<'o> Users<'o> {
    async fn read(
        connection: &mut PgConnection,
        found: &Found,
        owner: &'o str,
        roles: &Roles,
    ) -> Result<Self, StoreError> {
        let (applications, reporting) =
            if found.version == 0 { Default::default() } else { granted(connection).await? };
        let together = |mut all: Vec<String>, named: Option<&String>| {
            all.extend(named.cloned());
            all.retain(|role| role != owner);
            all.sort();
            all.dedup();
            all
        };
        Ok(Self {
            owner,
            applications: together(applications, roles.application.as_ref()),
            reporting: together(reporting, roles.reporting.as_ref()),
        })
    }

    /// Makes the policies by which the owner and the applications see the whole, where they are not there: a dump that is
    /// restored where its roles are not has none. The owner is fenced too.
    async fn policies(&self, connection: &mut PgConnection, version: u32) -> Result<Vec<String>, StoreError> {
        const THERE: &str = "
            SELECT c.relname::text,
                    ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles AS r WHERE r.oid = ANY (p.polroles))
                FROM pg_catalog.pg_policy AS p
                    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
                    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = 'payledger'
                    AND p.polname = 'whole'
                    AND p.polpermissive
                    AND p.polcmd = '*'
                    AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                    AND pg_get_expr(p.polwithcheck, p.polrelid) = 'true'";
        let mut there: Vec<(String, Vec<String>)> = query_as(THERE).fetch_all(connection).await.map_err(reading)?;
        there.iter_mut().for_each(|(_, roles)| roles.sort());
        let mut all: Vec<String> = self.applications.iter().cloned().chain([self.owner.to_owned()]).collect();
        all.sort();
        let wanted = fenced(version).map(|table| {
            let whole = if table == "reporting_ledgers" { vec![self.owner.to_owned()] } else { all.clone() };
            (table.to_owned(), whole)
        });
        let missing = wanted.filter(|wanted| !there.contains(wanted)).map(|(table, roles)| {
            let roles: Vec<_> = roles.iter().map(|role| quoted(role)).collect();
            format!(
                "DROP POLICY IF EXISTS whole ON payledger.{table};\n\
                 CREATE POLICY whole ON payledger.{table} TO {} USING (true) WITH CHECK (true);",
                roles.join(", ")
            )
        });
        Ok(missing.collect())
    }
}

/// The roles that were granted the functions, and those that were granted to report.
async fn granted(connection: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), StoreError> {
    const CALL: &str = "
        SELECT DISTINCT pg_get_userbyid(a.grantee)::text
            FROM pg_catalog.pg_proc AS p, aclexplode(p.proacl) AS a
            WHERE p.pronamespace = 'payledger'::regnamespace
                AND p.proname = 'append_v1'
                AND a.grantee NOT IN (0, p.proowner)";
    const REPORT: &str = "
        SELECT DISTINCT pg_get_userbyid(a.grantee)::text
            FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS a
            WHERE c.relnamespace = 'payledger'::regnamespace
                AND c.relname = 'reporting_ledgers'
                AND a.grantee NOT IN (0, c.relowner)";
    let call = query_scalar(CALL).fetch_all(&mut *connection).await.map_err(reading)?;
    Ok((call, query_scalar(REPORT).fetch_all(connection).await.map_err(reading)?))
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
