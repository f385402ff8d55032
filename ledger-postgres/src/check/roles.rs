//! The roles that have a part in the ledgers of a database: what they lack, and what they could do whatever was granted. How many
//! connections they may have.

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
        let found: Option<(Oid, Vec<Oid>, String, bool, bool)> =
            query_as(include_str!("parts.sql")).bind(functions()).fetch_optional(connection).await.map_err(reading)?;
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
        let powers: Vec<(String, String, String, Option<String>)> = query_as(include_str!("powers.sql"))
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
        let tables: Vec<&str> = MIGRATIONS.iter().flat_map(|step| step.tables).copied().chain(["migrations"]).collect();
        // Who reports calls nothing.
        let functions = if *reports { Vec::new() } else { functions() };
        let missing: Vec<(String, String)> = query_as(include_str!("missing.sql"))
            .bind(tables)
            .bind(functions)
            .fetch_all(connection)
            .await
            .map_err(reading)?;
        for (privilege, what) in &missing {
            self.add(&object, &format!("it lacks {privilege} on {what}"), &give);
        }
        Ok(!missing.iter().any(|(_, what)| what == "table payledger.migrations"))
    }

    /// Whether the role may have the connections that its store takes, while `check` has one more.
    pub(super) async fn limits(&mut self, connection: &mut PgConnection, connections: u32) -> Result<(), StoreError> {
        let limits: Vec<(String, i32, String)> =
            query_as(include_str!("limits.sql")).fetch_all(connection).await.map_err(reading)?;
        for (object, limit, statement) in limits {
            // Below zero is without a limit.
            if u32::try_from(limit).is_ok_and(|limit| limit <= connections) {
                let problem = format!("its limit is {limit} connections, of which a store takes {connections}");
                self.add(&object, &problem, &format!("{statement} {}", 2 * connections));
            }
        }
        Ok(())
    }
}
