//! Whether every object of the schema is as the migrations make it, and none is there that they do not make.

use std::collections::BTreeMap;

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::Findings;
use crate::error::reading;

impl Findings {
    pub(super) async fn objects(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
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
            let constraint = object.strip_prefix("constraint ").and_then(|named| named.split_once(" on payledger."));
            let remedy = match constraint {
                Some((name, table)) => format!("ALTER TABLE payledger.{table} DROP CONSTRAINT {name}"),
                // Aggregates and procedures, too.
                None => format!("DROP {}", object.replacen("function ", "ROUTINE ", 1)),
            };
            self.add(&object, "it is no part of a ledger: find out who added it", &remedy);
        }
        Ok(())
    }

    /// What reads and writes the rows of a table without its triggers and policies.
    pub(super) async fn ways_round(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const WAYS: &str = "SELECT 'table ' || t.oid::regclass, CASE WHEN t.oid = inhrelid \
             THEN format('its rows are read and changed through %s, without its triggers and policies', inhparent::regclass) \
             ELSE format('the rows of %s are read as if they were its own', inhrelid::regclass) END, \
             CASE WHEN child.relispartition \
             THEN format('ALTER TABLE %s DETACH PARTITION %s', inhparent::regclass, inhrelid::regclass) \
             ELSE format('ALTER TABLE %s NO INHERIT %s', inhrelid::regclass, inhparent::regclass) END \
             FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS child ON child.oid = inhrelid \
             JOIN pg_catalog.pg_class AS t ON t.oid IN (inhrelid, inhparent) \
             WHERE t.relnamespace = 'payledger'::regnamespace AND t.relkind NOT IN ('i', 'I') \
             UNION ALL SELECT 'table ' || c.oid::regclass, \
             format('subscription %I changes its rows as another server says, without its triggers', subname), \
             format('DROP SUBSCRIPTION %I', subname) FROM pg_catalog.pg_subscription AS s \
             JOIN pg_catalog.pg_subscription_rel ON srsubid = s.oid JOIN pg_catalog.pg_class AS c ON c.oid = srrelid \
             WHERE relnamespace = 'payledger'::regnamespace ORDER BY 1, 2";
        let ways: Vec<(String, String, String)> = query_as(WAYS).fetch_all(connection).await.map_err(reading)?;
        for (object, problem, remedy) in ways {
            self.add(&object, &problem, &remedy);
        }
        Ok(())
    }
}

/// What the migrations make, as [`describe`] tells it, one object a line.
const CATALOG: &str = include_str!("../../migrations/catalog.txt");

/// The objects of the schema, and how they are defined.
async fn describe(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, StoreError> {
    const DESCRIBE: &str = "\
         WITH ours AS (SELECT c.*, CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' \
         WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END || ' ' AS kind, \
         'payledger.' || quote_ident(relname) AS name FROM pg_catalog.pg_class AS c \
         WHERE relnamespace = 'payledger'::regnamespace AND relkind NOT IN ('i', 'I', 't')) \
         SELECT kind || name, concat_ws(', ', CASE relpersistence WHEN 'p' THEN 'kept' ELSE 'not kept through a crash' END, \
         CASE WHEN relrowsecurity AND relforcerowsecurity THEN 'row security forced' \
         WHEN relrowsecurity THEN 'row security' END, \
         (SELECT string_agg(option, ', ') FROM unnest(reloptions) AS option WHERE option !~ 'vacuum|toast|parallel'), \
         (SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod), \
         CASE WHEN attcollation NOT IN (0, 'default'::regcollation) THEN attcollation::regcollation END, \
         CASE WHEN attnotnull THEN 'not null' END, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum) \
         FROM pg_catalog.pg_attribute AS a LEFT JOIN pg_catalog.pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) \
         WHERE attrelid = ours.oid AND attnum > 0 AND NOT attisdropped), \
         CASE WHEN relkind = 'v' THEN pg_get_viewdef(ours.oid) END) FROM ours \
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
         UNION ALL SELECT 'function ' || p.oid::regprocedure, concat_ws(', ', lanname, provolatile, \
         CASE WHEN prosecdef THEN 'as its owner' END, CASE WHEN proisstrict THEN 'strict' END, \
         CASE WHEN proleakproof THEN 'leakproof' END, CASE WHEN proparallel <> 'u' THEN 'parallel' END, \
         CASE WHEN prosqlbody IS NOT NULL THEN 'another body' END, array_to_string(proargnames, ' '), \
         array_to_string(proconfig, ', '), pg_get_function_result(p.oid), encode(sha256(convert_to(prosrc, 'UTF8')), 'hex')) \
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = prolang \
         WHERE pronamespace = 'payledger'::regnamespace \
         UNION ALL SELECT replace(o.type, ' object', '') || ' ' || o.identity, '' \
         FROM pg_catalog.pg_depend CROSS JOIN LATERAL pg_identify_object(classid, objid, 0) AS o \
         WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'payledger'::regnamespace AND classid::regclass::text \
         NOT IN ('pg_class', 'pg_proc', 'pg_default_acl', 'pg_publication_namespace')";
    let rows: Vec<(String, String)> = query_as(DESCRIBE).fetch_all(connection).await.map_err(reading)?;
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(rows.into_iter().map(|(object, definition)| (one_line(object), one_line(definition))).collect())
}

#[cfg(test)]
mod tests {
    use ledger_postgres_testing::Server;
    use sqlx::raw_sql;

    use super::*;
    use crate::check::PLAIN;

    /// The list that `check` compares with would allow what no migration makes. `PAYLEDGER_BLESS=1` writes it anew.
    #[tokio::test]
    async fn the_catalog_is_what_the_migrations_make() {
        let database = Server::shared().database().await;
        let mut connection = database.pool().acquire().await.unwrap();
        raw_sql(PLAIN).execute(&mut *connection).await.unwrap();
        let made = describe(&mut connection).await.unwrap();
        let made: String = made.iter().map(|(object, definition)| format!("{object}: {definition}\n")).collect();
        if std::env::var_os("PAYLEDGER_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/catalog.txt"), &made).unwrap();
        } else {
            assert!(made == CATALOG, "PAYLEDGER_BLESS=1 cargo test -p ledger-postgres --lib catalog: {made}");
        }
    }
}
