//! Whether every object of the schema is as the migrations make it, and none is there that they do not make.

use std::collections::BTreeMap;

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::Findings;
use crate::error::reading;

impl Findings {
    /// Whether every object is as the migrations make it.
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
            self.add(&object, "it is no part of a ledger", "find out who added it and drop it");
        }
        Ok(())
    }
}

/// What the migrations make, as [`describe`] tells it, one object a line.
const CATALOG: &str = include_str!("../../migrations/catalog.txt");

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
    use sqlx::raw_sql;

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
