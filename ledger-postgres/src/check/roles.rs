//! What the connected role lacks, and what it could do whatever was granted to it.

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::{Findings, functions};
use crate::error::reading;
use crate::schema::MIGRATIONS;

impl Findings {
    /// Who is connected. False when that role may not even look.
    pub(super) async fn privileges(&mut self, connection: &mut PgConnection) -> Result<bool, StoreError> {
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
}
