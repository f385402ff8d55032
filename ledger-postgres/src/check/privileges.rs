//! Whose the tables and functions are, and what everybody may do with them: no less and no more than is needed.

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::roles::Parts;
use crate::check::{Findings, functions};
use crate::error::reading;
use crate::schema::quoted;

impl Findings {
    /// What belongs to somebody else than all the rest, who can change it whatever was granted.
    pub(super) async fn owners(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        const OWNERS: &str = "SELECT kind, object, pg_get_userbyid(owner)::text, pg_get_userbyid($1)::text FROM (\
             SELECT 'SCHEMA' AS kind, 'payledger' AS object, nspowner AS owner \
             FROM pg_catalog.pg_namespace WHERE nspname = 'payledger' \
             UNION ALL SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text, relowner \
             FROM pg_catalog.pg_class WHERE relnamespace = 'payledger'::regnamespace AND relkind IN ('r', 'p', 'v') \
             UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, proowner \
             FROM pg_catalog.pg_proc WHERE pronamespace = 'payledger'::regnamespace) AS o WHERE owner <> $1 ORDER BY 1, 2";
        let others: Vec<(String, String, String, String)> =
            query_as(OWNERS).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (kind, object, other, owner) in others {
            let problem = format!("it belongs to role {other}, who can change it; all else belongs to {owner}");
            let remedy = format!("ALTER {kind} {object} OWNER TO {}", quoted(&owner));
            self.add(&format!("{} {object}", kind.to_lowercase()), &problem, &remedy);
        }
        Ok(())
    }

    /// What the owner lacks, as whom the functions run.
    pub(super) async fn owner_lacks(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        const LACKS: &str = "SELECT privilege, object, pg_get_userbyid($1)::text FROM (\
             SELECT privilege, 'SCHEMA payledger' AS object \
             FROM pg_catalog.pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) AS privilege \
             WHERE nspname = 'payledger' AND nspowner = $1 AND NOT has_schema_privilege($1, oid, privilege) \
             UNION ALL SELECT privilege, 'TABLE ' || oid::regclass \
             FROM pg_catalog.pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege \
             WHERE relnamespace = 'payledger'::regnamespace AND relkind = 'r' AND relowner = $1 \
             AND NOT has_table_privilege($1, oid, privilege) \
             AND (relname, privilege) NOT IN (('heads', 'DELETE'), ('requests', 'UPDATE'), ('requests', 'DELETE'), \
             ('events', 'UPDATE'), ('events', 'DELETE')) \
             UNION ALL SELECT 'EXECUTE', 'FUNCTION ' || oid::regprocedure FROM pg_catalog.pg_proc \
             WHERE pronamespace = 'payledger'::regnamespace AND proowner = $1 \
             AND NOT has_function_privilege($1, oid, 'EXECUTE')) AS lacks ORDER BY 1, 2";
        let lacks: Vec<(String, String, String)> =
            query_as(LACKS).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (privilege, object, owner) in lacks {
            let problem = format!("it owns the tables, and lacks {privilege} on {object}, as whom the functions run");
            let remedy = format!("GRANT {privilege} ON {object} TO {}", quoted(&owner));
            self.add(&format!("role {owner}"), &problem, &remedy);
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
        Ok(())
    }

    /// What would be granted on what a later migration makes. That everybody may call functions is what a migration takes back.
    pub(super) async fn defaults(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        const DEFAULTS: &str = "SELECT DISTINCT pg_get_userbyid(defaclrole)::text, kind, named.grantee, \
             format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s', pg_get_userbyid(defaclrole), \
             CASE WHEN defaclnamespace <> 0 THEN ' IN SCHEMA payledger' END, kind, named.grantee) \
             FROM pg_catalog.pg_default_acl CROSS JOIN LATERAL aclexplode(defaclacl) AS g CROSS JOIN LATERAL (\
             SELECT CASE defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'FUNCTIONS' END AS kind, \
             CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee) AS named \
             WHERE defaclobjtype IN ('r', 'f') AND g.grantee <> defaclrole AND (defaclnamespace = 'payledger'::regnamespace \
             OR defaclnamespace = 0 AND defaclrole = $1 AND (defaclobjtype, g.grantee) <> ('f', 0)) ORDER BY 1, 2, 3";
        let defaults: Vec<(String, String, String, String)> =
            query_as(DEFAULTS).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (role, kind, grantee, remedy) in defaults {
            let problem =
                format!("{grantee} would have privileges on the {} of a later migration", kind.to_lowercase());
            self.add(&format!("default privileges of role {role}"), &problem, &remedy);
        }
        Ok(())
    }

    /// Whom the policies are for.
    pub(super) async fn policies(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        const POLICIES: &str = "SELECT format('%I on %s', polname, polrelid::regclass), found, names.wanted, \
             format('ALTER POLICY %I ON %s TO %s', polname, polrelid::regclass, names.wanted) \
             FROM pg_catalog.pg_policy JOIN pg_catalog.pg_class AS c ON c.oid = polrelid \
             CROSS JOIN LATERAL (SELECT CASE WHEN polname = 'listed' THEN ARRAY[0::oid] \
             WHEN relname = 'reporting_ledgers' THEN ARRAY[$1] ELSE $1 || $2 END AS wanted) AS w \
             CROSS JOIN LATERAL (SELECT string_agg(name, ', ' ORDER BY name) FILTER (WHERE role = ANY (polroles)) AS found, \
             string_agg(name, ', ' ORDER BY name) FILTER (WHERE role = ANY (w.wanted)) AS wanted \
             FROM (SELECT DISTINCT role, CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END AS name \
             FROM unnest(polroles || w.wanted) AS role) AS roles) AS names \
             WHERE relnamespace = 'payledger'::regnamespace AND polname IN ('whole', 'listed') AND found <> names.wanted ORDER BY 1";
        let policies: Vec<(String, String, String, String)> = query_as(POLICIES)
            .bind(parts.owner)
            .bind(&parts.applications)
            .fetch_all(connection)
            .await
            .map_err(reading)?;
        for (policy, found, wanted, remedy) in policies {
            let problem = format!(
                "it is for {found}, and not for {wanted}: who is missing finds nothing, or others see too much"
            );
            self.add(&format!("policy {policy}"), &problem, &remedy);
        }
        Ok(())
    }
}
