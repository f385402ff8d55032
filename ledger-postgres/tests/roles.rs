//! What each role may do, and that nobody may do more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::fs;
use std::sync::Arc;

use common::{ledger, request, sound_log, unusable};
use ledger_core::store::conformance::{self, Factory};
use ledger_core::store::{BoxFuture, Clock, Store, StoreError};
use ledger_postgres::{PgStore, Roles, SCHEMA_VERSION};
use ledger_postgres_testing::{Database, Server, quoted};
use sqlx::{AssertSqlSafe, PgPool, query_scalar, raw_sql};
use tokio::sync::Mutex;

struct Given {
    database: Database,
    owner: String,
    application: String,
    reporting: String,
}

impl Given {
    /// A database that three roles share, whose names are as hostile as names can be.
    async fn new() -> Self {
        let database = Server::shared().database().await;
        let owner = database.role("O\"w; DROP SCHEMA payledger; --").await;
        let application = database.role("app's $$ \\ %I {} ünï").await;
        let reporting = database.role("a TO PUBLIC WITH %s").await;
        let given = Self { database, owner, application, reporting };
        given.migrate(SCHEMA_VERSION).await;
        given
    }

    fn roles(&self) -> Roles {
        let named = |role: &String| Some(role.clone());
        Roles { owner: named(&self.owner), application: named(&self.application), reporting: named(&self.reporting) }
    }

    async fn migrate(&self, version: u32) {
        PgStore::migrate(&self.database.url(), version, &self.roles()).await.unwrap();
    }

    async fn store(&self) -> PgStore {
        PgStore::connect(&self.database.url_as(&self.application)).await.unwrap()
    }

    async fn pool_as(&self, role: &str) -> PgPool {
        PgPool::connect(&self.database.url_as(role)).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.try_run(self.database.pool(), sql).await.unwrap();
    }

    async fn try_run(&self, pool: &PgPool, sql: &str) -> Result<(), (String, String)> {
        let sql = sql.replace(":own", &quoted(&self.owner));
        let sql = sql.replace(":app", &quoted(&self.application)).replace(":rep", &quoted(&self.reporting));
        let done = raw_sql(AssertSqlSafe(sql.as_str())).execute(pool).await;
        done.map(drop).map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code().map(String::from));
            (code.unwrap_or_default(), error.to_string())
        })
    }

    /// What a reading statement that counts answers to a role.
    async fn count(&self, pool: &PgPool, from: &str) -> i64 {
        query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM payledger.{from}"))).fetch_one(pool).await.unwrap()
    }
}

/// The whole contract, as a role that may call functions and read, on tables that another role owns.
#[derive(Default)]
struct Applications(Mutex<Vec<Given>>);

impl Factory for Applications {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
        Box::pin(async {
            let given = Given::new().await;
            let url = given.database.url_as(&given.application);
            self.0.lock().await.push(given);
            Ok(Arc::new(PgStore::connect_with_clock(&url, clock).await?) as Arc<dyn Store>)
        })
    }

    fn reopen(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Result<Option<Arc<dyn Store>>, StoreError>> {
        drop(store);
        Box::pin(async {
            let given = self.0.lock().await;
            let given = given.last().unwrap();
            let url = given.database.url_as(&given.application);
            Ok(Some(Arc::new(PgStore::connect_with_clock(&url, clock).await?) as Arc<dyn Store>))
        })
    }
}

/// A function that does not run as the owner, or a privilege that is missing, shows only here: a superuser may do all.
#[tokio::test(flavor = "multi_thread")]
async fn every_clause_holds_for_the_application() {
    let report = conformance::run(&Applications::default()).await;
    assert!(report.clauses.iter().all(|(_, result)| result.is_ok()), "{report}");
}

/// Each has taken what was stored from some ledger once.
#[tokio::test]
async fn nobody_changes_what_is_stored() {
    const REFUSED: &[&str] = &[
        "INSERT INTO payledger.heads VALUES ('b', 1, sha256('')::bytea, 0)",
        "INSERT INTO payledger.requests SELECT 'b', first_sequence, size, key, request_hash, actor, recorded_at_us, link \
            FROM payledger.requests",
        "INSERT INTO payledger.reporting_ledgers VALUES ('a', CURRENT_USER)",
        "UPDATE payledger.events SET payload = ''",
        "UPDATE payledger.heads SET sequence = sequence + 1",
        "DELETE FROM payledger.events",
        "DELETE FROM payledger.checkpoints",
        "DELETE FROM payledger.migrations",
        "TRUNCATE payledger.events",
        "TRUNCATE payledger.heads, payledger.requests, payledger.events",
        "DROP TABLE payledger.events",
        "DROP SCHEMA payledger CASCADE",
        "ALTER TABLE payledger.events DISABLE TRIGGER ALL",
        "ALTER TABLE payledger.events DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY listed ON payledger.events USING (true)",
        "CREATE POLICY mine ON payledger.events USING (true)",
        "CREATE TRIGGER mine BEFORE INSERT ON payledger.events EXECUTE FUNCTION payledger.refuse_change()",
        "CREATE TABLE payledger.mine (id integer)",
        "CREATE FUNCTION payledger.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE TEMP TABLE mine (ledger text REFERENCES payledger.heads)",
        "SELECT * FROM payledger.events FOR UPDATE",
        "DO $$ BEGIN LOCK TABLE payledger.heads IN ACCESS EXCLUSIVE MODE; END $$",
        "GRANT INSERT ON payledger.events TO CURRENT_USER",
        "ALTER FUNCTION payledger.append_v1 SECURITY INVOKER",
        "SET session_replication_role = replica",
        "SET ROLE :own",
        "SET SESSION AUTHORIZATION :own",
        "COPY payledger.events FROM STDIN",
    ];
    let given = Given::new().await;
    let (store, name) = (given.store().await, ledger("a"));
    store.append(&name, &[request("k", 2)]).await.unwrap();
    let log = sound_log(&store, &name).await;
    for role in [&given.application, &given.reporting] {
        let pool = given.pool_as(role).await;
        for statement in REFUSED {
            match given.try_run(&pool, statement).await {
                // Some are said to be possible on temporary tables only.
                Err((code, _)) if ["42501", "42P16"].contains(&code.as_str()) => {}
                // A GRANT of what one may not pass on is a warning only.
                Ok(()) if statement.starts_with("GRANT") => {
                    let left = given.try_run(&pool, "INSERT INTO payledger.events DEFAULT VALUES").await.unwrap_err();
                    assert_eq!(left.0, "42501");
                }
                other => panic!("{role}: {statement}: {other:?}"),
            }
        }
    }
    // The owner is no application, and his triggers hold for himself and a superuser too, unless he drops them.
    let owner = given.pool_as(&given.owner).await;
    for statement in
        ["UPDATE payledger.events SET payload = ''", "DELETE FROM payledger.requests", "TRUNCATE payledger.heads"]
    {
        for pool in [&owner, given.database.pool()] {
            assert_eq!(given.try_run(pool, statement).await.unwrap_err().0, "PL001", "{statement}");
        }
    }
    let replica = "SET session_replication_role = replica; DELETE FROM payledger.events";
    assert_eq!(given.try_run(given.database.pool(), replica).await.unwrap_err().0, "PL001");
    assert_eq!(sound_log(&store, &name).await, log);
}

/// The reporting role reads the ledgers that are listed for it: in every table, and through the view.
#[tokio::test]
async fn a_reporting_role_sees_the_ledgers_that_are_listed_for_it() {
    const OF_EVENTS: [&str; 4] = ["events", "requests", "log", "heads"];
    let given = Given::new().await;
    let store = given.store().await;
    for name in ["a", "b"] {
        let ledger = ledger(name);
        let mut request = request("k", 1);
        request.events[0].payload = br#"{"amount":"1.00 USD"}"#.to_vec();
        store.append(&ledger, &[request]).await.unwrap();
    }
    given.run("INSERT INTO payledger.projection_rows VALUES ('a', 'p', 'k', 1, ''), ('b', 'p', 'k', 1, '')").await;
    let pool = given.pool_as(&given.reporting).await;
    for table in OF_EVENTS.iter().chain(&["projection_rows", "reporting_ledgers", "snapshots", "checkpoints"]) {
        assert_eq!(given.count(&pool, table).await, 0, "{table}: nothing is listed");
    }
    given.run("INSERT INTO payledger.reporting_ledgers (ledger, role) SELECT 'a', rolname FROM pg_roles WHERE quote_ident(rolname) = $q$:rep$q$").await;
    given.run("INSERT INTO payledger.reporting_ledgers VALUES ('b', 'another')").await;
    for table in OF_EVENTS.iter().chain(&["projection_rows", "reporting_ledgers"]) {
        assert_eq!(given.count(&pool, table).await, 1, "{table}");
        assert_eq!(given.count(&pool, &format!("{table} WHERE ledger <> 'a'")).await, 0, "{table}");
    }
    let shown: String = query_scalar("SELECT payload ->> 'amount' FROM payledger.log").fetch_one(&pool).await.unwrap();
    assert_eq!(shown, "1.00 USD");
    // No setting widens it: asking for rows without row-level security is an error, not rows.
    let refused = given.try_run(&pool, "SET row_security = off; SELECT * FROM payledger.events").await.unwrap_err();
    assert_eq!(refused.0, "42501");
    assert_eq!(given.count(&given.pool_as(&given.reporting).await, "events").await, 1);
    // The application and the owner see the whole, a superuser always.
    for role in [&given.application, &given.owner] {
        assert_eq!(given.count(&given.pool_as(role).await, "log").await, 2, "{role}");
    }
    // It may not append, nor call what changes what is derived.
    let reporter = PgStore::with_pool(pool);
    unusable(reporter.append(&ledger("a"), &[request("l", 1)]).await, "privilege");
    assert_eq!(reporter.head(&ledger("b")).await.unwrap().sequence, 0);
}

/// Without FORCE an owner sees all whatever the policies say; a view that is not the reader's shows what its owner sees.
#[tokio::test]
async fn the_fence_has_no_gap_that_postgres_leaves_by_default() {
    let given = Given::new().await;
    given.store().await.append(&ledger("a"), &[request("k", 1)]).await.unwrap();
    let (owner, reporting) = (given.pool_as(&given.owner).await, given.pool_as(&given.reporting).await);
    given.run("ALTER POLICY whole ON payledger.events TO :app").await;
    assert_eq!(given.count(&owner, "events").await, 0, "an owner is fenced by FORCE");
    given.run("ALTER TABLE payledger.events NO FORCE ROW LEVEL SECURITY").await;
    assert_eq!(given.count(&owner, "events").await, 1, "the trap that FORCE is there for");
    given.run("ALTER VIEW payledger.log SET (security_invoker = false); ALTER TABLE payledger.requests NO FORCE ROW LEVEL SECURITY").await;
    assert_eq!(given.count(&reporting, "events").await, 0);
    let leaked =
        query_scalar::<_, i64>("SELECT count(sequence) FROM payledger.log").fetch_one(&reporting).await.unwrap();
    assert_eq!(leaked, 1, "the trap that security_invoker is there for");
    given.run("GRANT TRUNCATE ON payledger.projection_rows TO :rep").await;
    assert!(
        given.try_run(&reporting, "TRUNCATE payledger.projection_rows").await.is_ok(),
        "no policy stops a TRUNCATE"
    );
    let findings = given.store().await.check().await.unwrap();
    for object in
        ["table payledger.events", "table payledger.requests", "view payledger.log", "table payledger.projection_rows"]
    {
        assert!(findings.iter().any(|finding| finding.object == object), "{object}: {findings:?}");
    }
}

/// Going down and up again must not lock the application out, nor let anybody in.
#[tokio::test]
async fn roles_keep_what_they_have() {
    let given = Given::new().await;
    let url = given.database.url();
    let before = given.store().await.check().await.unwrap();
    for version in [1, SCHEMA_VERSION] {
        PgStore::migrate(&url, version, &Roles::default()).await.unwrap();
    }
    assert_eq!(given.store().await.check().await.unwrap(), before);
    given.store().await.append(&ledger("a"), &[request("k", 1)]).await.unwrap();
    // As the owner, who is no superuser.
    for version in [1, SCHEMA_VERSION] {
        PgStore::migrate(&given.database.url_as(&given.owner), version, &given.roles()).await.unwrap();
    }
    assert_eq!(given.store().await.check().await.unwrap(), before);
    // A second application beside the first, and another owner.
    let (second, other) = (given.database.role("second").await, given.database.role("other owner").await);
    let roles = Roles { owner: Some(other), application: Some(second.clone()), reporting: None };
    PgStore::migrate(&url, SCHEMA_VERSION, &roles).await.unwrap();
    for role in [&given.application, &second] {
        let store = PgStore::connect(&given.database.url_as(role)).await.unwrap();
        assert_eq!(store.head(&ledger("a")).await.unwrap().sequence, 1);
        store.append(&ledger(if *role == second { "b" } else { "c" }), &[request("k", 1)]).await.unwrap();
        assert_eq!(store.check().await.unwrap(), before);
    }
    let pool = given.pool_as(&given.owner).await;
    assert_eq!(
        given.try_run(&pool, "SELECT FROM payledger.events").await.unwrap_err().0,
        "42501",
        "he owns it no more"
    );
}

/// A role by the name of public let everybody append; one that was mistyped was found out when the tables were half made.
#[tokio::test]
async fn names_that_are_no_roles_are_refused() {
    let database = Server::shared().empty().await;
    let (one, stranger) = (database.role("one").await, database.role("stranger").await);
    let long = "x".repeat(200);
    // PUBLIC and NONE mean something to GRANT even in quotes.
    for name in
        ["public", "PUBLIC", "none", "", "no such role", "a\0b", "CURRENT_USER", long.as_str(), "\"", "x; DROP TABLE y"]
    {
        let named = Some(name.to_owned());
        let each = [
            Roles { owner: named.clone(), ..Roles::default() },
            Roles { application: named.clone(), ..Roles::default() },
            Roles { reporting: named, ..Roles::default() },
        ];
        for roles in each {
            unusable(PgStore::migrate(&database.url(), SCHEMA_VERSION, &roles).await, "there is no role");
        }
    }
    let twice = Roles { owner: Some(one.clone()), application: Some(one), reporting: None };
    unusable(PgStore::migrate(&database.url(), SCHEMA_VERSION, &twice).await, "cannot be two");
    assert_eq!(PgStore::version(&database.url()).await.unwrap(), 0);
    PgStore::migrate(&database.url(), 1, &Roles::default()).await.unwrap();
    raw_sql(AssertSqlSafe(format!(
        "GRANT USAGE ON SCHEMA payledger TO {0}; GRANT SELECT ON payledger.migrations TO {0}",
        quoted(&stranger)
    )))
    .execute(database.pool())
    .await
    .unwrap();
    let refused = PgStore::migrate(&database.url_as(&stranger), SCHEMA_VERSION, &Roles::default()).await;
    unusable(refused, "may not act as");
}

/// Every key of a table that is spread by ledger must begin with it, or the spread tables cannot have the key.
#[tokio::test]
async fn every_unique_key_begins_with_the_ledger() {
    let database = Server::shared().database().await;
    const KEYS: &str = "SELECT i.indexrelid::regclass::text || ' ' || a.attname FROM pg_index AS i \
        JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
        WHERE c.relnamespace = 'payledger'::regnamespace AND i.indisunique AND c.relname <> 'migrations' ORDER BY 1";
    let keys: Vec<String> = query_scalar(KEYS).fetch_all(database.pool()).await.unwrap();
    assert!(keys.len() >= 9, "{keys:?}");
    assert_eq!(keys.iter().filter(|key| !key.ends_with(" ledger")).count(), 0, "{keys:?}");
    let of = |table: &str| keys.iter().filter(|key| key.starts_with(&format!("payledger.{table}_"))).count();
    assert_eq!((of("events"), of("requests"), of("heads")), (2, 2, 1), "each further index costs every append");
    // And no key points from one table into another, which spread tables could not check.
    const POINTERS: &str = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' \
        AND connamespace = 'payledger'::regnamespace";
    let pointers: i64 = query_scalar(POINTERS).fetch_one(database.pool()).await.unwrap();
    assert_eq!(pointers, 0);
}

/// A statement without the ledger would read or write across organizations, and ask every node where ledgers are spread.
#[test]
fn every_statement_names_the_ledger() {
    let mut sources: Vec<String> = vec![
        include_str!("../migrations/0001_ledger.up.sql").into(),
        include_str!("../migrations/0002_derived.up.sql").into(),
    ];
    // What makes the tables and looks after them is about all ledgers: `schema.rs`, `plan.rs`, and `check`, which is a folder.
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !["schema.rs", "plan.rs"].iter().any(|other| path.ends_with(other)) {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    let (mut seen, mut listings) = (0, 0);
    for source in sources {
        let lines = source.lines().filter(|line| !line.trim_start().starts_with(['/', '-']));
        let source = lines.collect::<Vec<_>>().join("\n");
        for statement in source.split(';').filter(|text| !text.contains("POLICY") && !text.contains("CREATE VIEW")) {
            let parts: Vec<&str> = statement.split("payledger.").collect();
            for pair in parts.windows(2) {
                let word = pair[0].split_whitespace().next_back().unwrap_or_default();
                let end = pair[1].find(|c: char| !c.is_alphanumeric() && !"_{}".contains(c));
                let (table, rest) = pair[1].split_at(end.unwrap_or(pair[1].len()));
                if !["FROM", "JOIN", "UPDATE", "INTO"].contains(&word) || rest.starts_with('(') {
                    continue;
                }
                seen += 1;
                // The list of ledgers is the only one that asks for all of them.
                if rest.starts_with(" WHERE sequence > 0 ORDER BY ledger\"") {
                    listings += 1;
                    continue;
                }
                assert!(
                    begins_with_ledger(word, rest),
                    "{word} payledger.{table}: not its ledger first in {statement}"
                );
            }
        }
    }
    assert_eq!(listings, 1);
    assert!(seen >= 35, "{seen}: the statements are no longer where this test looks for them");
}

/// Whether what follows the name of a table says of which ledger it is before it says anything else.
fn begins_with_ledger(word: &str, rest: &str) -> bool {
    if word == "INTO" {
        let values = ["VALUES (name,", "VALUES (of_ledger,", "SELECT name,", "SELECT of_ledger,"];
        return values.iter().any(|values| rest.trim_start().starts_with(values));
    }
    let Some((between, asked)) = rest.split_once("WHERE ") else { return false };
    let column = asked.split_once(" = ").map_or("", |(column, _)| column);
    !between.contains("SELECT") && (column == "ledger" || column.get(1..) == Some(".ledger"))
}
