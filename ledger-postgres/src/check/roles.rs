//! The roles that have a part in the ledgers of a database: what they lack, and what they could do whatever was granted.

use ledger_core::store::StoreError;
use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, query_as};

use crate::check::{Findings, functions};
use crate::error::reading;
use crate::schema::MIGRATIONS;

/// Who has which part, where there is a schema.
pub(super) struct Parts {
    /// Who owns the most, should somebody have given a part away.
    pub(super) owner: Oid,
    /// Who was granted to append.
    pub(super) applications: Vec<Oid>,
    /// Who is connected.
    connected: String,
    /// Whether that role may use the schema.
    usage: bool,
    /// Whether it reads what reporting roles read, and may call nothing.
    pub(super) reports: bool,
}

impl Parts {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Self>, StoreError> {
        const PARTS: &str = "SELECT o.owner, ARRAY(SELECT DISTINCT g.grantee \
             FROM pg_catalog.pg_proc AS p, aclexplode(p.proacl) AS g WHERE p.pronamespace = n.oid \
             AND p.proname = 'append_v1' AND g.grantee NOT IN (0, o.owner)), \
             current_user::text, has_schema_privilege(n.oid, 'USAGE'), \
             coalesce((SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class AS c \
             WHERE c.relnamespace = n.oid AND c.relname = 'reporting_ledgers') \
             AND NOT (SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_catalog.pg_proc AS p \
             WHERE p.pronamespace = n.oid AND p.proname = ANY ($1)), false) \
             FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL (\
             SELECT mode() WITHIN GROUP (ORDER BY owner) AS owner FROM (SELECT n.nspowner AS owner \
             UNION ALL SELECT relowner FROM pg_catalog.pg_class WHERE relnamespace = n.oid \
             UNION ALL SELECT proowner FROM pg_catalog.pg_proc WHERE pronamespace = n.oid) AS owners) AS o \
             WHERE n.nspname = 'payledger'";
        let found: Option<(Oid, Vec<Oid>, String, bool, bool)> =
            query_as(PARTS).bind(functions()).fetch_optional(connection).await.map_err(reading)?;
        Ok(found.map(|(owner, applications, connected, usage, reports)| Self {
            owner,
            applications,
            connected,
            usage,
            reports,
        }))
    }
}

impl Findings {
    /// What the connected role could do whatever was granted to it; also every other role that was granted something.
    pub(super) async fn powers(
        &mut self,
        connection: &mut PgConnection,
        parts: &Parts,
        of_all: bool,
    ) -> Result<(), StoreError> {
        // Before version 16, who may make roles may make himself a member of any other, but of superusers.
        const POWERS: &str = "SELECT x.rolname::text, r.rolname::text, p.power, coalesce('REVOKE ' || \
             (SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(m.roleid)), ', ') FROM pg_catalog.pg_auth_members AS m \
             WHERE m.member = x.oid AND r.oid <> x.oid AND pg_has_role(m.roleid, r.oid, 'MEMBER')) \
             || ' FROM ' || quote_ident(x.rolname), p.remedy) \
             FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_database AS d ON d.datname = current_database() \
             CROSS JOIN pg_catalog.pg_roles AS x \
             JOIN pg_catalog.pg_roles AS r ON r.oid = x.oid OR NOT x.rolsuper AND pg_has_role(x.oid, r.oid, 'MEMBER') \
             CROSS JOIN LATERAL (VALUES (true, true, 'is a superuser, and so can change what is stored', NULL), \
             (false, r.oid = $1, 'owns the tables, and so can change what is stored', NULL), \
             (false, r.oid = d.datdba AND r.oid <> $1, 'owns the database, and so can drop it', \
             format('ALTER DATABASE %I OWNER TO %I', d.datname, pg_get_userbyid($1))), \
             (false, r.rolcreaterole AND current_setting('server_version_num')::integer < 160000, \
             'has CREATEROLE, and so can make itself the owner', format('ALTER ROLE %I NOCREATEROLE', r.rolname)), \
             (false, r.rolbypassrls, 'has BYPASSRLS, and so reads every ledger', format('ALTER ROLE %I NOBYPASSRLS', r.rolname)), \
             (false, r.rolreplication, 'has REPLICATION, and so reads every ledger', \
             format('ALTER ROLE %I NOREPLICATION', r.rolname)), \
             (false, r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'), \
             'writes whatever was granted', NULL), \
             (false, r.rolname = 'pg_read_server_files', 'reads the files of every ledger', NULL), \
             (false, r.oid = ANY ($2) AND x.oid <> ALL ($1 || $2) AND EXISTS (SELECT FROM pg_catalog.pg_class AS c, \
             aclexplode(c.relacl) AS g WHERE c.relnamespace = n.oid AND c.relname = 'reporting_ledgers' AND g.grantee = x.oid), \
             'appends, and reads every ledger', NULL)) AS p (superuser, given, power, remedy) \
             WHERE n.nspname = 'payledger' AND p.superuser = r.rolsuper AND p.given \
             AND (x.rolname = current_user OR $3 AND x.oid <> $1 \
             AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS g WHERE g.grantee = x.oid)) ORDER BY 1, 2, 3";
        let powers: Vec<(String, String, String, Option<String>)> = query_as(POWERS)
            .bind(parts.owner)
            .bind(&parts.applications)
            .bind(of_all)
            .fetch_all(connection)
            .await
            .map_err(reading)?;
        for (role, other, power, remedy) in powers {
            let problem =
                if role == other { format!("it {power}") } else { format!("it may act as {other}, who {power}") };
            let remedy = remedy
                .as_deref()
                .unwrap_or("use the ledger as another role: `payledger store migrate up --application ROLE`");
            self.add(&format!("role {role}"), &problem, remedy);
        }
        Ok(())
    }

    /// What the connected role lacks. False when it may not even look.
    pub(super) async fn missing(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<bool, StoreError> {
        let Parts { connected: role, usage, reports, .. } = parts;
        let object = format!("role {role}");
        let shell = role.replace('\'', r"'\''");
        let part = if *reports { "reporting" } else { "application" };
        let give = format!("run `payledger store migrate up --{part} '{shell}'` as the owner");
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
        let functions = if *reports { Vec::new() } else { functions() };
        let missing: Vec<(String, String)> =
            query_as(MISSING).bind(tables).bind(functions).fetch_all(connection).await.map_err(reading)?;
        for (privilege, what) in &missing {
            self.add(&object, &format!("it lacks {privilege} on {what}"), &give);
        }
        Ok(!missing.iter().any(|(_, what)| what == "table payledger.migrations"))
    }
}
