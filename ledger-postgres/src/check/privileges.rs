//! Whose the tables and functions are, and what everybody may do with them.

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::{Findings, functions};
use crate::error::reading;
use crate::schema::quoted;

impl Findings {
    /// What belongs to somebody else than the schema does, who can change it whatever was granted.
    pub(super) async fn owners(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
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
    pub(super) async fn grants(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
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
}
