//! Settings under which something is lost, waits for ever, or cannot be stored, as the store's connections have them.

use std::collections::BTreeMap;

use ledger_core::store::StoreError;
use sqlx::{PgConnection, query_as};

use crate::check::Findings;
use crate::check::roles::Parts;
use crate::error::reading;
use crate::schema::OLDEST_SERVER;

impl Findings {
    pub(super) async fn settings(
        &mut self,
        connection: &mut PgConnection,
        parts: Option<&Parts>,
    ) -> Result<(), StoreError> {
        const NUMBER: &str =
            "SELECT current_setting('server_version_num')::integer / 10000, current_setting('server_version')";
        let (release, server): (i32, String) = query_as(NUMBER).fetch_one(&mut *connection).await.map_err(reading)?;
        if release < OLDEST_SERVER {
            self.add(&format!("server {server}"), "it is too old", &format!("use PostgreSQL {OLDEST_SERVER} or newer"));
        }
        const SETTINGS: &str = "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1)";
        // Who reports may look at a copy of the server, or forbid himself to write.
        let writing = if parts.is_some_and(|parts| parts.reports) { &[] } else { WRITING };
        let wanted = || WANTED.iter().chain(writing);
        let names: Vec<&str> = wanted().map(|wanted| wanted.name).collect();
        let found: BTreeMap<String, String> =
            query_as(SETTINGS).bind(names).fetch_all(connection).await.map_err(reading)?.into_iter().collect();
        for wanted in wanted() {
            if let Some(value) = found.get(wanted.name).filter(|value| !wanted.is(value)) {
                self.add(&format!("setting {} = {value}", wanted.name), wanted.why, wanted.remedy);
            }
        }
        Ok(())
    }
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
const REFUSES: &str = "nothing can be stored, however often it is sent again";

const WANTED: &[Wanted] = &[
    exactly("fsync", "on", LOSES, "set fsync = on in postgresql.conf, and reload"),
    exactly("full_page_writes", "on", LOSES, "set full_page_writes = on in postgresql.conf, and reload"),
    exactly("data_sync_retry", "off", LOSES, "set data_sync_retry = off in postgresql.conf, and restart"),
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
    exactly(
        "row_security",
        "on",
        "what policies guard cannot be read",
        "set it for this role: ALTER ROLE … SET row_security = on",
    ),
];

/// What matters only to who stores something.
const WRITING: &[Wanted] = &[
    exactly(
        "default_transaction_read_only",
        "off",
        REFUSES,
        "set it for this role: ALTER ROLE … SET default_transaction_read_only = off",
    ),
    exactly("in_hot_standby", "off", REFUSES, "use the URL of the server that this one is a copy of"),
];
