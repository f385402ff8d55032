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
        let others: Vec<(String, String, String, String)> =
            query_as(include_str!("owners.sql")).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (kind, object, other, owner) in others {
            let problem = format!("it belongs to role {other}, who can change it; all else belongs to {owner}");
            let remedy = format!("ALTER {kind} {object} OWNER TO {}", quoted(&owner));
            self.add(&format!("{} {object}", kind.to_lowercase()), &problem, &remedy);
        }
        Ok(())
    }

    /// What the owner lacks, as whom the functions run.
    pub(super) async fn owner_lacks(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        let lacks: Vec<(String, String, String)> =
            query_as(include_str!("owner_lacks.sql")).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (privilege, object, owner) in lacks {
            let problem = format!("it owns the tables, and lacks {privilege} on {object}, as whom the functions run");
            let remedy = format!("GRANT {privilege} ON {object} TO {}", quoted(&owner));
            self.add(&format!("role {owner}"), &problem, &remedy);
        }
        Ok(())
    }

    /// What anybody but the owner may do beyond reading, and calling what the application calls.
    pub(super) async fn grants(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let grants: Vec<(String, String, String, String)> = query_as(include_str!("grants.sql"))
            .bind(functions())
            .fetch_all(&mut *connection)
            .await
            .map_err(reading)?;
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

    /// What would be granted on what a later migration makes.
    pub(super) async fn defaults(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        let defaults: Vec<(String, String, String, String)> =
            query_as(include_str!("defaults.sql")).bind(parts.owner).fetch_all(connection).await.map_err(reading)?;
        for (role, kind, grantee, remedy) in defaults {
            let problem =
                format!("{grantee} would have privileges on the {} of a later migration", kind.to_lowercase());
            self.add(&format!("default privileges of role {role}"), &problem, &remedy);
        }
        Ok(())
    }

    /// Whom the policies are for.
    pub(super) async fn policies(&mut self, connection: &mut PgConnection, parts: &Parts) -> Result<(), StoreError> {
        let policies: Vec<(String, String, String, String)> = query_as(include_str!("policies.sql"))
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
