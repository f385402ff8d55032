//! Everything about a database that is not as it should be.

use std::collections::BTreeMap;
use std::fmt;

use ledger_core::store::StoreError;
use sqlx::{ConnectOptions, Connection, PgConnection, query_as, query_scalar, raw_sql};

use crate::PgStore;
use crate::error::reading;
use crate::schema::{MIGRATIONS, OLDEST_SERVER, SCHEMA_VERSION, quoted, version};

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
    /// which acknowledged events could be lost, tables, functions and triggers that somebody changed, privileges that are
    /// missing or more than needed, heads that do not fit. What is inside the rows is for who verifies a ledger.
    ///
    /// It opens a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`] when the database could not be looked at, or is newer than this library.
    pub async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let mut connection = self.pool().connect_options().connect().await.map_err(reading)?;
        let findings = check(&mut connection).await;
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
        let mut findings = Findings(Vec::new());
        findings.privileges(&mut *self.connection().await?).await?;
        Ok(findings.0)
    }
}

async fn check(connection: &mut PgConnection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Findings(Vec::new());
    // Names are shown with their schema only where it is not on the path, and by whose functions is what the path says.
    raw_sql("SET search_path = pg_catalog, pg_temp; SET quote_all_identifiers = off")
        .execute(&mut *connection)
        .await
        .map_err(reading)?;
    findings.settings(connection).await?;
    let may_look = findings.privileges(connection).await?;
    if !may_look {
        return Ok(findings.0);
    }
    match version(connection).await? {
        SCHEMA_VERSION => {}
        0 => {
            findings.add("schema payledger", "it is not there", "make it with `payledger store migrate up`");
            return Ok(findings.0);
        }
        older => {
            let problem = format!("its tables are of version {older}, this library's of version {SCHEMA_VERSION}");
            findings.add("schema payledger", &problem, "back the database up and run `payledger store migrate up`");
            return Ok(findings.0);
        }
    }
    findings.owners(connection).await?;
    findings.grants(connection).await?;
    findings.objects(connection).await?;
    findings.heads(connection).await?;
    Ok(findings.0)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, object: &str, problem: &str, remedy: &str) {
        self.0.push(Finding { object: object.into(), problem: problem.into(), remedy: remedy.into() });
    }

    async fn settings(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const NUMBER: &str =
            "SELECT current_setting('server_version_num')::integer / 10000, current_setting('server_version')";
        let (release, server): (i32, String) = query_as(NUMBER).fetch_one(&mut *connection).await.map_err(reading)?;
        if release < OLDEST_SERVER {
            self.add(&format!("server {server}"), "it is too old", &format!("use PostgreSQL {OLDEST_SERVER} or newer"));
        }
        const SETTINGS: &str = "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1)";
        let names: Vec<&str> = WANTED.iter().map(|wanted| wanted.name).collect();
        let found: BTreeMap<String, String> =
            query_as(SETTINGS).bind(names).fetch_all(connection).await.map_err(reading)?.into_iter().collect();
        for wanted in WANTED {
            if let Some(value) = found.get(wanted.name).filter(|value| !wanted.is(value)) {
                self.add(&format!("setting {} = {value}", wanted.name), wanted.why, wanted.remedy);
            }
        }
        Ok(())
    }

    /// Who is connected. False when that role may not even look.
    async fn privileges(&mut self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        const WHO: &str = "SELECT r.rolname::text, r.rolsuper, pg_get_userbyid(n.nspowner)::text, \
             pg_has_role(current_user, n.nspowner, 'MEMBER'), has_schema_privilege(current_user, n.oid, 'USAGE'), \
             coalesce((SELECT has_table_privilege(current_user, c.oid, 'SELECT') FROM pg_catalog.pg_class AS c \
             WHERE c.relnamespace = n.oid AND c.relname = 'reporting_ledgers') \
             AND NOT (SELECT bool_or(has_function_privilege(current_user, p.oid, 'EXECUTE')) FROM pg_catalog.pg_proc AS p \
             WHERE p.pronamespace = n.oid AND p.proname = ANY ($1)), false) \
             FROM pg_catalog.pg_roles AS r JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'payledger' \
             WHERE r.rolname = current_user";
        let who: Option<(String, bool, String, bool, bool, bool)> =
            query_as(WHO).bind(functions()).fetch_optional(&mut *connection).await.map_err(reading)?;
        let Some((role, superuser, owner, acts_as_owner, usage, reports)) = who else { return Ok(true) };
        let object = format!("role {role}");
        let shell = role.replace('\'', r"'\''");
        let part = if reports { "reporting" } else { "application" };
        let give = format!("run `payledger store migrate up --{part} '{shell}'` as the owner");
        if acts_as_owner {
            let problem = match superuser {
                true => "it is a superuser, who can change what is stored".to_owned(),
                false if role == owner => "it owns the tables, and so can change what is stored".to_owned(),
                false => format!("it may act as {owner}, who owns the tables, and so can change what is stored"),
            };
            self.add(
                &object,
                &problem,
                "use the ledger as another role: `payledger store migrate up --application ROLE`",
            );
        }
        if !usage {
            self.add(&object, "it may not use the schema payledger", &give);
            return Ok(false);
        }
        const MISSING: &str = "SELECT 'SELECT', 'table payledger.' || relname FROM pg_catalog.pg_class \
             WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'payledger') \
             AND relname = ANY ($1) AND NOT has_table_privilege(current_user, oid, 'SELECT') \
             UNION ALL SELECT 'EXECUTE', 'function payledger.' || proname FROM pg_catalog.pg_proc \
             WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'payledger') \
             AND proname = ANY ($2) AND NOT has_function_privilege(current_user, oid, 'EXECUTE') ORDER BY 2";
        let tables: Vec<&str> = MIGRATIONS.iter().flat_map(|step| step.tables).copied().chain(["migrations"]).collect();
        // Who reports calls nothing.
        let functions = if reports { Vec::new() } else { functions() };
        let missing: Vec<(String, String)> =
            query_as(MISSING).bind(tables).bind(functions).fetch_all(connection).await.map_err(reading)?;
        for (privilege, what) in &missing {
            self.add(&object, &format!("it lacks {privilege} on {what}"), &give);
        }
        Ok(!missing.iter().any(|(_, what)| what == "table payledger.migrations"))
    }

    /// What belongs to somebody else than the schema does, who can change it whatever was granted.
    async fn owners(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const OWNERS: &str = "SELECT kind, object, pg_get_userbyid(o.owner)::text, pg_get_userbyid(n.nspowner)::text FROM (\
             SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, oid::regclass::text AS object, relowner AS owner \
             FROM pg_catalog.pg_class WHERE relnamespace = 'payledger'::regnamespace AND relkind IN ('r', 'p', 'v') \
             UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, proowner \
             FROM pg_catalog.pg_proc WHERE pronamespace = 'payledger'::regnamespace) AS o \
             JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'payledger' WHERE o.owner <> n.nspowner ORDER BY 1, 2";
        let others: Vec<(String, String, String, String)> =
            query_as(OWNERS).fetch_all(connection).await.map_err(reading)?;
        for (kind, object, other, owner) in others {
            let problem = format!("it belongs to role {other}, who can change it; all else belongs to {owner}");
            let remedy = format!("ALTER {kind} {object} OWNER TO {}", quoted(&owner));
            self.add(&format!("{} {object}", kind.to_lowercase()), &problem, &remedy);
        }
        Ok(())
    }

    /// What anybody but the owner may do beyond reading, and calling what the application calls.
    async fn grants(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const GRANTS: &str = "SELECT kind, object, role, privilege FROM (\
             SELECT 'SCHEMA' AS kind, 'payledger' AS object, nspowner AS owner, nspacl AS acl, 'USAGE' AS harmless \
             FROM pg_catalog.pg_namespace WHERE nspname = 'payledger' \
             UNION ALL SELECT 'TABLE', oid::regclass::text, relowner, relacl, 'SELECT' \
             FROM pg_catalog.pg_class WHERE relnamespace = 'payledger'::regnamespace \
             UNION ALL SELECT 'COLUMN', attrelid::regclass::text || '.' || quote_ident(attname), c.relowner, attacl, 'SELECT' \
             FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
             WHERE relnamespace = 'payledger'::regnamespace \
             UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner)), \
             CASE WHEN proname = ANY ($1) THEN 'EXECUTE' ELSE '' END \
             FROM pg_catalog.pg_proc WHERE pronamespace = 'payledger'::regnamespace) AS o \
             CROSS JOIN LATERAL (SELECT g.grantee, g.privilege_type AS privilege, g.is_grantable, \
             CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END AS role \
             FROM aclexplode(o.acl) AS g) AS granted \
             WHERE grantee <> owner AND (grantee = 0 OR is_grantable OR privilege <> harmless) ORDER BY 1, 2, 3, 4";
        let grants: Vec<(String, String, String, String)> =
            query_as(GRANTS).bind(functions()).fetch_all(&mut *connection).await.map_err(reading)?;
        for (kind, object, role, privilege) in grants {
            let from = if role == "PUBLIC" { role.clone() } else { quoted(&role) };
            let remedy = match object.rsplit_once('.').filter(|_| kind == "COLUMN") {
                Some((table, column)) => format!("REVOKE {privilege} ({column}) ON {table} FROM {from}"),
                None => format!("REVOKE {privilege} ON {kind} {object} FROM {from}"),
            };
            let problem = format!("role {role} has {privilege} on it, or may pass it on, which nobody needs");
            self.add(&format!("{} {object}", kind.to_lowercase()), &problem, &remedy);
        }
        const WHOLE: &str = "SELECT p.polrelid::regclass::text, CASE r.role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r.role)::text END \
             FROM pg_catalog.pg_policy AS p CROSS JOIN unnest(p.polroles) AS r (role) \
             JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid \
             WHERE c.relnamespace = 'payledger'::regnamespace AND p.polname = 'whole' AND r.role <> c.relowner \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS f, aclexplode(f.proacl) AS g \
             WHERE f.pronamespace = 'payledger'::regnamespace AND f.proname = 'append_v1' AND g.grantee = r.role) ORDER BY 1, 2";
        let whole: Vec<(String, String)> = query_as(WHOLE).fetch_all(connection).await.map_err(reading)?;
        for (table, role) in whole {
            self.add(
                &format!("policy whole on {table}"),
                &format!("role {role} sees every ledger, and is neither the owner nor an application"),
                "ALTER POLICY whole TO the owner and the applications only",
            );
        }
        Ok(())
    }

    /// Whether every object is as the migrations make it.
    async fn objects(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let mut found = describe(connection).await?;
        for (object, definition) in CATALOG.lines().filter_map(|line| line.split_once(": ")) {
            let problem = match found.remove(object) {
                Some(same) if same == definition => continue,
                Some(other) => format!("it is not as this version defines it, but {other}"),
                None => "it is missing".into(),
            };
            let remedy = "find out who changed it, verify the ledgers, and put it back as the migrations define it";
            self.add(object, &problem, remedy);
        }
        for object in found.into_keys() {
            self.add(&object, "it is no part of a ledger", "find out who added it and drop it");
        }
        Ok(())
    }

    async fn heads(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const TORN: &str = "WITH RECURSIVE \
             of_events (ledger) AS (SELECT min(ledger) FROM payledger.events UNION ALL \
             SELECT (SELECT min(e.ledger) FROM payledger.events AS e WHERE e.ledger > of_events.ledger) FROM of_events \
             WHERE ledger IS NOT NULL), \
             of_requests (ledger) AS (SELECT min(ledger) FROM payledger.requests UNION ALL \
             SELECT (SELECT min(r.ledger) FROM payledger.requests AS r WHERE r.ledger > of_requests.ledger) FROM of_requests \
             WHERE ledger IS NOT NULL), \
             named AS (SELECT ledger FROM of_events UNION SELECT ledger FROM of_requests UNION SELECT ledger FROM payledger.heads) \
             SELECT n.ledger FROM named AS n LEFT JOIN payledger.heads AS h ON h.ledger = n.ledger \
             LEFT JOIN LATERAL (SELECT first_sequence + size - 1 AS last, link, recorded_at_us FROM payledger.requests AS r \
             WHERE r.ledger = n.ledger ORDER BY first_sequence DESC LIMIT 1) AS r ON true \
             WHERE n.ledger IS NOT NULL AND (h.sequence IS DISTINCT FROM \
             coalesce((SELECT max(sequence) FROM payledger.events AS e WHERE e.ledger = n.ledger), 0) \
             OR h.sequence > 0 AND (h.sequence, h.link, h.recorded_at_us) IS DISTINCT FROM (r.last, r.link, r.recorded_at_us) \
             OR h.sequence = 0 AND r.last IS NOT NULL) ORDER BY 1";
        match query_scalar(TORN).fetch_all(connection).await.map_err(reading) {
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

fn functions() -> Vec<&'static str> {
    MIGRATIONS.iter().flat_map(|step| step.functions).copied().collect()
}

/// What a setting must be, and why.
struct Wanted {
    name: &'static str,
    value: Is,
    why: &'static str,
    remedy: &'static str,
}

enum Is {
    Exactly(&'static str),
    Not(&'static str),
}

impl Wanted {
    fn is(&self, value: &str) -> bool {
        match self.value {
            Is::Exactly(wanted) => value == wanted,
            Is::Not(unwanted) => value != unwanted,
        }
    }
}

const fn exactly(name: &'static str, value: &'static str, why: &'static str, remedy: &'static str) -> Wanted {
    Wanted { name, value: Is::Exactly(value), why, remedy }
}

const fn not(name: &'static str, value: &'static str, why: &'static str, remedy: &'static str) -> Wanted {
    Wanted { name, value: Is::Not(value), why, remedy }
}

const LOSES: &str = "a crash loses what was acknowledged, or damages it";
const HIDES: &str = "damaged pages are read as if they were whole";
const FOR_EVER: &str = "who waits, waits for ever";

const WANTED: &[Wanted] = &[
    exactly("fsync", "on", LOSES, "set fsync = on in postgresql.conf, and reload"),
    exactly("full_page_writes", "on", LOSES, "set full_page_writes = on in postgresql.conf, and reload"),
    not("synchronous_commit", "off", LOSES, "set it to on for this role: ALTER ROLE … SET synchronous_commit = on"),
    exactly(
        "server_encoding",
        "UTF8",
        "it does not keep every text as it is",
        "dump the database, create one with ENCODING 'UTF8' TEMPLATE template0, and restore it there",
    ),
    exactly("zero_damaged_pages", "off", HIDES, "set zero_damaged_pages = off"),
    exactly("ignore_checksum_failure", "off", HIDES, "set ignore_checksum_failure = off"),
    exactly(
        "default_transaction_isolation",
        "read committed",
        "appends that wait for one another fail instead of going on",
        "set it for this role: ALTER ROLE … SET default_transaction_isolation = 'read committed'",
    ),
    not("lock_timeout", "0", FOR_EVER, "set it for this role: ALTER ROLE … SET lock_timeout = '5s'"),
    not("statement_timeout", "0", FOR_EVER, "set it for this role: ALTER ROLE … SET statement_timeout = '30s'"),
    not(
        "idle_in_transaction_session_timeout",
        "0",
        "a client that sleeps holds its locks for ever",
        "set it for this role: ALTER ROLE … SET idle_in_transaction_session_timeout = '30s'",
    ),
];

/// What the migrations make, as [`describe`] tells it, one object a line.
const CATALOG: &str = include_str!("../migrations/catalog.txt");

/// The objects of the schema, and how they are defined.
async fn describe(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, StoreError> {
    const DESCRIBE: &str = "\
         WITH ours AS (SELECT c.*, CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'relation' END || ' ' AS kind, \
         'payledger.' || quote_ident(relname) AS name FROM pg_catalog.pg_class AS c \
         WHERE relnamespace = 'payledger'::regnamespace AND relkind NOT IN ('i', 'I', 't')) \
         SELECT kind || name, concat_ws(', ', CASE relpersistence WHEN 'p' THEN 'kept' ELSE 'not kept through a crash' END, \
         CASE WHEN relrowsecurity AND relforcerowsecurity THEN 'row security forced' \
         WHEN relrowsecurity THEN 'row security' END, array_to_string(reloptions, ', '), \
         (SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod), \
         (SELECT quote_ident(collname) FROM pg_catalog.pg_collation AS l WHERE l.oid = attcollation AND attcollation <> 100), \
         CASE WHEN attnotnull THEN 'not null' END, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum) \
         FROM pg_catalog.pg_attribute AS a LEFT JOIN pg_catalog.pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) \
         WHERE attrelid = ours.oid AND attnum > 0 AND NOT attisdropped)) FROM ours \
         UNION ALL SELECT 'constraint ' || quote_ident(conname) || ' on ' || name, \
         concat_ws(' ', pg_get_constraintdef(o.oid), CASE WHEN NOT convalidated THEN 'not validated' END) \
         FROM pg_catalog.pg_constraint AS o JOIN ours ON ours.oid = conrelid WHERE contype <> 'n' \
         UNION ALL SELECT 'index ' || indexrelid::regclass, \
         concat_ws(' ', pg_get_indexdef(indexrelid), CASE WHEN NOT (indisvalid AND indisready) THEN 'not valid' END) \
         FROM pg_catalog.pg_index JOIN ours ON ours.oid = indrelid \
         UNION ALL SELECT 'trigger ' || quote_ident(tgname) || ' on ' || name, concat_ws(' ', CASE tgenabled WHEN 'A' THEN 'always' \
         WHEN 'D' THEN 'disabled' ELSE 'not always' END, pg_get_triggerdef(t.oid)) \
         FROM pg_catalog.pg_trigger AS t JOIN ours ON ours.oid = tgrelid WHERE NOT tgisinternal \
         UNION ALL SELECT 'rule ' || quote_ident(rulename) || ' on ' || name, pg_get_ruledef(w.oid) \
         FROM pg_catalog.pg_rewrite AS w JOIN ours ON ours.oid = ev_class WHERE rulename <> '_RETURN' \
         UNION ALL SELECT 'policy ' || quote_ident(polname) || ' on ' || name, concat_ws(' ', \
         CASE WHEN NOT polpermissive THEN 'restrictive' END, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) \
         FROM pg_catalog.pg_policy JOIN ours ON ours.oid = polrelid \
         UNION ALL SELECT 'child ' || inhrelid::regclass || ' of ' || name, '' FROM pg_catalog.pg_inherits JOIN ours ON ours.oid = inhparent \
         UNION ALL SELECT 'function ' || p.oid::regprocedure, concat_ws(', ', lanname, provolatile, \
         CASE WHEN prosecdef THEN 'as its owner' END, CASE WHEN proisstrict THEN 'strict' END, \
         array_to_string(proconfig, ', '), pg_get_function_result(p.oid), encode(sha256(convert_to(prosrc, 'UTF8')), 'hex')) \
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = prolang \
         WHERE pronamespace = 'payledger'::regnamespace";
    let rows: Vec<(String, String)> = query_as(DESCRIBE).fetch_all(connection).await.map_err(reading)?;
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(rows.into_iter().map(|(object, definition)| (one_line(object), one_line(definition))).collect())
}

#[cfg(test)]
mod tests {
    use ledger_postgres_testing::Server;

    use super::*;

    /// The list that `check` compares with would allow what no migration makes. `PAYLEDGER_BLESS=1` writes it anew.
    #[tokio::test]
    async fn the_catalog_is_what_the_migrations_make() {
        let database = Server::shared().database().await;
        let mut connection = database.pool().acquire().await.unwrap();
        raw_sql("SET search_path = pg_catalog, pg_temp").execute(&mut *connection).await.unwrap();
        let made = describe(&mut connection).await.unwrap();
        let made: String = made.iter().map(|(object, definition)| format!("{object}: {definition}\n")).collect();
        if std::env::var_os("PAYLEDGER_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/catalog.txt"), &made).unwrap();
        } else {
            assert!(made == CATALOG, "PAYLEDGER_BLESS=1 cargo test -p ledger-postgres --lib catalog: {made}");
        }
    }
}
