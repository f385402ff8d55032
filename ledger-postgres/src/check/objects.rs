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
        let ways: Vec<(String, String, String)> =
            query_as(include_str!("ways_round.sql")).fetch_all(connection).await.map_err(reading)?;
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
    let rows: Vec<(String, String)> =
        query_as(include_str!("describe.sql")).fetch_all(connection).await.map_err(reading)?;
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
