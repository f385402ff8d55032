//! What is wrong with a database is found, named, and can be mended as the finding says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::sync::OnceLock;

use common::{ledger, request, unusable};
use ledger_core::chain::Digest;
use ledger_core::store::{CheckpointRow, Outcome, ProjectionWrite, Promotion, SnapshotRow, Store, StoreError};
use ledger_core::stream::StreamName;
use ledger_postgres::{Finding, PgStore, Roles, SCHEMA_VERSION};
use ledger_postgres_testing::{Database, Server, quoted};
use sqlx::{AssertSqlSafe, PgPool, query_scalar, raw_sql};

/// A server whose settings are as they should be: the shared one does not wait for the disk.
fn durable() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["max_prepared_transactions = 2"]))
}

struct Sound {
    database: Database,
    owner: String,
    application: String,
    reporting: String,
}

impl Sound {
    /// A database with an owner, an application and a reporting role, and a ledger in it.
    async fn new() -> Self {
        let database = durable().database().await;
        let (owner, application) = (database.role("owner").await, database.role("application").await);
        let reporting = database.role("reporting").await;
        let (app, rep) = (Some(application.clone()), Some(reporting.clone()));
        let roles = Roles { owner: Some(owner.clone()), application: app, reporting: rep };
        PgStore::migrate(&database.url(), SCHEMA_VERSION, &roles).await.unwrap();
        let sound = Self { database, owner, application, reporting };
        sound.store().await.append(&ledger("a"), &[request("k", 2), request("l", 1)]).await.unwrap();
        sound
    }

    async fn store(&self) -> PgStore {
        PgStore::connect(&self.database.url_as(&self.application)).await.unwrap()
    }

    /// As the application.
    async fn check(&self) -> Vec<Finding> {
        // Also where there is nothing to connect to.
        PgStore::connect_lazy(&self.database.url_as(&self.application)).unwrap().check().await.unwrap()
    }

    /// The roles in place of `:own`, `:app` and `:rep`.
    fn named(&self, text: &str, name: fn(&str) -> String) -> String {
        let text = text.replace(":own", &name(&self.owner));
        text.replace(":app", &name(&self.application)).replace(":rep", &name(&self.reporting))
    }

    /// As a superuser.
    async fn run(&self, sql: &str) {
        let sql = self.named(sql, quoted);
        raw_sql(AssertSqlSafe(sql.as_str()))
            .execute(self.database.pool())
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// A finding where nothing is wrong, and after it nobody reads what is found.
#[tokio::test]
async fn a_database_as_it_should_be_has_no_finding() {
    let sound = Sound::new().await;
    assert_eq!(sound.check().await, []);
    // What the tables are kept by is the operator's.
    sound.run("ALTER TABLE payledger.events SET (autovacuum_vacuum_scale_factor = 0.01)").await;
    assert_eq!(sound.check().await, []);
    // Whatever the role's own path is, names are told apart by their schemas; and however it likes times to be shown.
    sound.run("ALTER ROLE :app SET search_path = payledger, pg_catalog").await;
    sound.run("ALTER ROLE :app SET intervalstyle = 'iso_8601'").await;
    assert_eq!(sound.check().await, []);
}

/// Each takes one thing away that a ledger rests on. The last is how it is mended; empty: as the remedy says.
const TAMPERED: &[(&str, &str, &str)] = &[
    (
        "ALTER TABLE payledger.events DISABLE TRIGGER events_stay",
        "trigger events_stay on payledger.events",
        "ALTER TABLE payledger.events ENABLE ALWAYS TRIGGER events_stay",
    ),
    (
        "ALTER TABLE payledger.requests ENABLE TRIGGER requests_stay",
        "trigger requests_stay on payledger.requests",
        "ALTER TABLE payledger.requests ENABLE ALWAYS TRIGGER requests_stay",
    ),
    (
        "ALTER TABLE payledger.heads ENABLE REPLICA TRIGGER heads_move_on",
        "trigger heads_move_on on payledger.heads",
        "ALTER TABLE payledger.heads ENABLE ALWAYS TRIGGER heads_move_on",
    ),
    (
        "CREATE TRIGGER sly BEFORE INSERT ON payledger.events EXECUTE FUNCTION payledger.refuse_change()",
        "trigger sly on payledger.events",
        "",
    ),
    ("CREATE RULE sly AS ON INSERT TO payledger.events DO INSTEAD NOTHING", "rule sly on payledger.events", ""),
    (
        "ALTER FUNCTION payledger.append_v1 SECURITY INVOKER",
        "function payledger.append_v1",
        "ALTER FUNCTION payledger.append_v1 SECURITY DEFINER",
    ),
    (
        "ALTER FUNCTION payledger.save_snapshot_v1 SET search_path = public",
        "function payledger.save_snapshot_v1",
        "ALTER FUNCTION payledger.save_snapshot_v1 SET search_path = pg_catalog, payledger, pg_temp",
    ),
    (
        "ALTER FUNCTION payledger.append_v1 STABLE",
        "function payledger.append_v1",
        "ALTER FUNCTION payledger.append_v1 VOLATILE",
    ),
    (
        "ALTER FUNCTION payledger.append_v1 LEAKPROOF",
        "function payledger.append_v1",
        "ALTER FUNCTION payledger.append_v1 NOT LEAKPROOF",
    ),
    (
        "ALTER FUNCTION payledger.promote_v1 PARALLEL SAFE",
        "function payledger.promote_v1",
        "ALTER FUNCTION payledger.promote_v1 PARALLEL UNSAFE",
    ),
    // The body stays the same.
    (
        "UPDATE pg_proc SET proargnames[1] = 'of_stream', proargnames[2] = 'of_ledger' \
            WHERE oid = 'payledger.save_snapshot_v1'::regproc",
        "function payledger.save_snapshot_v1",
        "UPDATE pg_proc SET proargnames[1] = 'of_ledger', proargnames[2] = 'of_stream' \
            WHERE oid = 'payledger.save_snapshot_v1'::regproc",
    ),
    (
        "CREATE FUNCTION public.body() RETURNS void BEGIN ATOMIC SELECT 1; END; UPDATE pg_proc SET prosqlbody = \
            (SELECT prosqlbody FROM pg_proc WHERE proname = 'body') WHERE oid = 'payledger.save_snapshot_v1'::regproc",
        "function payledger.save_snapshot_v1",
        "UPDATE pg_proc SET prosqlbody = NULL WHERE oid = 'payledger.save_snapshot_v1'::regproc",
    ),
    (
        "ALTER TABLE payledger.events DROP CONSTRAINT events_digest_check",
        "constraint events_digest_check on payledger.events",
        "ALTER TABLE payledger.events ADD CHECK (octet_length(digest) = 32)",
    ),
    (
        "ALTER TABLE payledger.events DROP CONSTRAINT events_digest_check, \
            ADD CONSTRAINT events_digest_check CHECK (octet_length(digest) = 32) NOT VALID",
        "constraint events_digest_check on payledger.events",
        "ALTER TABLE payledger.events VALIDATE CONSTRAINT events_digest_check",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'payledger.events_pkey'::regclass",
        "index payledger.events_pkey",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'payledger.events_pkey'::regclass",
    ),
    ("CREATE UNIQUE INDEX sly ON payledger.events (stream, version)", "index payledger.sly", ""),
    ("CREATE TABLE payledger.sly (id integer)", "table payledger.sly", ""),
    ("CREATE SEQUENCE payledger.sly", "sequence payledger.sly", ""),
    ("CREATE DOMAIN payledger.sly AS text", "type payledger.sly", ""),
    // An operator that fits better than the server's own is taken wherever it stands on the path of a function.
    (
        "CREATE OPERATOR payledger.= (LEFTARG = bigint, RIGHTARG = smallint, FUNCTION = int82ne)",
        "operator payledger.=",
        "",
    ),
    ("ALTER TABLE payledger.events ADD CONSTRAINT sly CHECK (version < 3)", "constraint sly on payledger.events", ""),
    ("CREATE TABLE public.sly () INHERITS (payledger.events)", "table payledger.events", ""),
    // The triggers of a table are those of the statements that name it.
    (
        "CREATE TABLE public.parent (LIKE payledger.events); ALTER TABLE payledger.events INHERIT public.parent",
        "table payledger.events",
        "",
    ),
    (
        "CREATE TABLE public.parted (LIKE payledger.heads) PARTITION BY LIST (ledger); \
            ALTER TABLE public.parted ATTACH PARTITION payledger.heads DEFAULT",
        "table payledger.heads",
        "",
    ),
    (
        "CREATE SUBSCRIPTION sly CONNECTION '' PUBLICATION sly WITH (connect = false, slot_name = NONE); \
            INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) \
            SELECT oid, 'payledger.events'::regclass, 'r' FROM pg_subscription WHERE subname = 'sly'",
        "table payledger.events",
        "",
    ),
    ("ALTER TABLE payledger.events SET UNLOGGED", "table payledger.events", "ALTER TABLE payledger.events SET LOGGED"),
    (
        "ALTER TABLE payledger.events ALTER COLUMN type DROP NOT NULL",
        "table payledger.events",
        "ALTER TABLE payledger.events ALTER COLUMN type SET NOT NULL",
    ),
    (
        "CREATE COLLATION public.\"C\" FROM \"POSIX\"; \
            ALTER TABLE payledger.checkpoints ALTER COLUMN name TYPE text COLLATE public.\"C\"",
        "table payledger.checkpoints",
        "ALTER TABLE payledger.checkpoints ALTER COLUMN name TYPE text COLLATE pg_catalog.\"C\"",
    ),
    (
        "ALTER TABLE payledger.events NO FORCE ROW LEVEL SECURITY",
        "table payledger.events",
        "ALTER TABLE payledger.events FORCE ROW LEVEL SECURITY",
    ),
    (
        "ALTER TABLE payledger.projection_rows DISABLE ROW LEVEL SECURITY",
        "table payledger.projection_rows",
        "ALTER TABLE payledger.projection_rows ENABLE ROW LEVEL SECURITY",
    ),
    (
        "ALTER POLICY listed ON payledger.reporting_ledgers USING (true)",
        "policy listed on payledger.reporting_ledgers",
        "ALTER POLICY listed ON payledger.reporting_ledgers USING (role = CURRENT_USER::text)",
    ),
    (
        "ALTER VIEW payledger.log SET (security_invoker = false)",
        "view payledger.log",
        "ALTER VIEW payledger.log SET (security_invoker = true)",
    ),
    (
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW payledger.log WITH (security_invoker = true) AS ' \
            || rtrim(pg_get_viewdef('payledger.log'::regclass), ';') || ' WHERE e.version > 1'; END $$",
        "view payledger.log",
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW payledger.log WITH (security_invoker = true) AS ' \
            || regexp_replace(pg_get_viewdef('payledger.log'::regclass), 'WHERE.*', ''); END $$",
    ),
    (
        "CREATE AGGREGATE payledger.sly(integer) (SFUNC = int4pl, STYPE = integer); \
            REVOKE EXECUTE ON FUNCTION payledger.sly(integer) FROM PUBLIC",
        "function payledger.sly",
        "",
    ),
    ("GRANT INSERT ON payledger.events TO :app", "table payledger.events", ""),
    // Who owns a table can drop what keeps it from changing it.
    (
        "GRANT CREATE ON SCHEMA payledger TO :rep; ALTER TABLE payledger.snapshots OWNER TO :rep; \
            REVOKE CREATE ON SCHEMA payledger FROM :rep",
        "table payledger.snapshots",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE payledger.snapshots OWNER TO %I', (SELECT nspowner::regrole::text \
            FROM pg_namespace WHERE nspname = 'payledger')); END $$",
    ),
    ("GRANT TRUNCATE ON payledger.heads TO PUBLIC", "table payledger.heads", ""),
    ("GRANT UPDATE (payload) ON payledger.events TO :rep", "column payledger.events.payload", ""),
    ("GRANT SELECT ON payledger.requests TO PUBLIC", "table payledger.requests", ""),
    ("GRANT EXECUTE ON FUNCTION payledger.append_v1 TO PUBLIC", "function payledger.append_v1", ""),
    ("GRANT EXECUTE ON FUNCTION payledger.is_checkpoint TO :app", "function payledger.is_checkpoint", ""),
    ("GRANT CREATE ON SCHEMA payledger TO :app", "schema payledger", ""),
    (
        "REVOKE EXECUTE ON FUNCTION payledger.promote_v1 FROM :app",
        "role :app",
        "GRANT EXECUTE ON FUNCTION payledger.promote_v1 TO :app",
    ),
    // The functions run as the owner.
    ("REVOKE SELECT ON payledger.events FROM :own", "role :own", ""),
    ("REVOKE UPDATE ON payledger.heads FROM :own", "role :own", ""),
    ("REVOKE EXECUTE ON FUNCTION payledger.is_checkpoint FROM :own", "role :own", ""),
    ("REVOKE ALL ON SCHEMA payledger FROM :own", "role :own", ""),
    // What no function does to a table may be forbidden.
    (
        "REVOKE UPDATE, DELETE, TRUNCATE ON payledger.events FROM :own",
        "",
        "GRANT UPDATE, DELETE, TRUNCATE ON payledger.events TO :own",
    ),
    ("ALTER POLICY whole ON payledger.checkpoints TO :own, :app, :rep", "policy whole on payledger.checkpoints", ""),
    ("ALTER POLICY whole ON payledger.snapshots TO PUBLIC", "policy whole on payledger.snapshots", ""),
    ("ALTER POLICY whole ON payledger.requests TO :app", "policy whole on payledger.requests", ""),
    ("ALTER POLICY whole ON payledger.events TO :own", "policy whole on payledger.events", ""),
    ("CREATE POLICY sly ON payledger.events AS RESTRICTIVE USING (sequence < 3)", "policy sly on payledger.events", ""),
    ("ALTER POLICY listed ON payledger.heads TO :app", "policy listed on payledger.heads", ""),
    ("ALTER ROLE :rep BYPASSRLS", "role :rep", ""),
    ("ALTER ROLE :app BYPASSRLS", "role :app", ""),
    ("ALTER ROLE :rep REPLICATION", "role :rep", ""),
    ("GRANT pg_write_all_data TO :app", "role :app", ""),
    ("GRANT pg_write_server_files TO :app", "role :app", ""),
    ("GRANT pg_execute_server_program TO :rep", "role :rep", ""),
    ("GRANT pg_read_server_files TO :rep", "role :rep", ""),
    ("GRANT pg_write_all_data TO :rep; GRANT :rep TO :app", "role :app", ""),
    ("GRANT :own TO :rep", "role :rep", ""),
    ("GRANT :app TO :rep", "role :rep", ""),
    ("ALTER ROLE :rep SUPERUSER", "role :rep", "ALTER ROLE :rep NOSUPERUSER"),
    ("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' OWNER TO :app'; END $$", "role :app", ""),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA payledger GRANT ALL ON TABLES TO :rep", "default privileges of role ", ""),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE :own GRANT INSERT ON TABLES TO PUBLIC", "default privileges of role :own", ""),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE :own GRANT EXECUTE ON FUNCTIONS TO :rep",
        "default privileges of role :own",
        "",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE :own REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "",
        "ALTER DEFAULT PRIVILEGES FOR ROLE :own GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    ),
    ("DELETE FROM payledger.migrations WHERE version = 1", "table payledger.migrations", ""),
    ("DELETE FROM payledger.migrations WHERE version = 2", "table payledger.migrations", ""),
    ("DELETE FROM payledger.migrations", "table payledger.migrations", ""),
    (
        "ALTER ROLE :app SET default_transaction_isolation = 'serializable'; ALTER ROLE :app SET lock_timeout = 0",
        "",
        "ALTER ROLE :app RESET ALL",
    ),
    (
        "ALTER TABLE payledger.heads DISABLE TRIGGER ALL; UPDATE payledger.heads SET sequence = 2; \
            ALTER TABLE payledger.heads ENABLE ALWAYS TRIGGER heads_stay, ENABLE ALWAYS TRIGGER heads_move_on",
        "ledger a",
        "UPDATE payledger.heads SET sequence = 3",
    ),
    ("ALTER ROLE :app CONNECTION LIMIT 2", "role :app", ""),
    ("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' CONNECTION LIMIT 8'; END $$", "database ", ""),
    (
        "BEGIN; LOCK TABLE pg_catalog.pg_class IN ACCESS SHARE MODE; PREPARE TRANSACTION 'of the host'",
        "",
        "ROLLBACK PREPARED 'of the host'",
    ),
    ("BEGIN; SELECT FROM payledger.heads; PREPARE TRANSACTION 'has read'", "", "ROLLBACK PREPARED 'has read'"),
    // Nothing of the tables can be looked at.
    (
        "BEGIN; LOCK TABLE payledger.events; PREPARE TRANSACTION 'whole'",
        "prepared transaction whole",
        "ROLLBACK PREPARED 'whole'",
    ),
    (
        "BEGIN; SELECT FROM payledger.heads FOR UPDATE; PREPARE TRANSACTION 'for''gotten'",
        "prepared transaction for'gotten",
        "ROLLBACK PREPARED 'for''gotten'",
    ),
    // Whose the schema is may drop what is in it. What it was granted goes with it.
    ("ALTER SCHEMA payledger OWNER TO :rep", "schema payledger", ""),
];

/// A trigger that was off or a privilege too many was passed over, or found with a remedy that did not mend it.
#[tokio::test]
async fn what_is_not_as_it_should_be_is_found_and_mended() {
    let sound = Sound::new().await;
    for (tamper, object, mend) in TAMPERED {
        sound.run(tamper).await;
        let findings = sound.check().await;
        let object = sound.named(object, str::to_owned);
        let about = |finding: &Finding| finding.object.starts_with(&object) && !object.is_empty();
        // Some is found to be harmless: what the store sets on its connections is not as the role has it.
        assert_eq!(findings.iter().any(about), !object.is_empty(), "{tamper}: {findings:?}");
        assert_eq!(findings.is_empty(), object.is_empty(), "{tamper}: {findings:?}");
        assert!(findings.len() <= 2, "{tamper}: {findings:?}");
        // Rows that are hidden are not lost: nobody is to restore a backup for them.
        let torn = findings.iter().any(|finding| finding.object.starts_with("ledger "));
        assert_eq!(torn, object == "ledger a", "{tamper}: {findings:?}");
        if mend.is_empty() {
            for finding in &findings {
                sound.run(&finding.remedy).await;
            }
        } else {
            sound.run(mend).await;
        }
        assert_eq!(sound.check().await, [], "{mend} does not mend {tamper}");
    }
}

/// A pool of the host's has the settings that the host gave it, or none.
#[tokio::test]
async fn settings_that_lose_or_wait_for_ever_are_found() {
    let sound = Sound::new().await;
    sound.run("ALTER ROLE :app SET default_transaction_isolation = 'serializable'").await;
    sound.run("ALTER ROLE :app SET synchronous_commit = off; ALTER ROLE :app SET row_security = off").await;
    sound.run("ALTER ROLE :app SET default_transaction_read_only = on").await;
    let url = sound.database.url_as(&sound.application);
    let store = PgStore::with_pool(PgPool::connect(&url).await.unwrap());
    let findings = store.check().await.unwrap();
    let objects: Vec<&str> = findings.iter().map(|finding| finding.object.as_str()).collect();
    let expected = [
        "setting synchronous_commit = off",
        "setting default_transaction_isolation = serializable",
        "setting lock_timeout = 0",
        "setting statement_timeout = 0",
        "setting idle_in_transaction_session_timeout = 0",
        "setting row_security = off",
        "setting default_transaction_read_only = on",
    ];
    assert_eq!(objects, expected);
    // Nor does who holds all of a table hold the check up for ever.
    sound.run("BEGIN; LOCK TABLE payledger.events; PREPARE TRANSACTION 'settings'").await;
    let found = store.check().await.unwrap();
    assert_eq!(found.last().unwrap().object, "prepared transaction settings");
    sound.run("ROLLBACK PREPARED 'settings'").await;
    unusable(PgStore::connect(&url).await, "synchronous_commit is off");
    let server = Server::start(&["fsync = off", "full_page_writes = off", "data_sync_retry = on"]);
    let findings = PgStore::connect(&server.database().await.url()).await.unwrap().check().await.unwrap();
    for setting in ["setting fsync = off", "setting full_page_writes = off", "setting data_sync_retry = on"] {
        assert!(findings.iter().any(|finding| finding.object == setting), "{findings:?}");
    }
}

/// The functions took the setting over from who called them: nothing could be stored, and a privilege was said to be missing.
#[tokio::test]
async fn whoever_has_row_security_off_stores_all_the_same() {
    let sound = Sound::new().await;
    sound.run("ALTER ROLE :app SET row_security = off").await;
    let (store, name) = (sound.store().await, ledger("a"));
    let outcomes = store.append(&name, &[request("m", 1), request("k", 2)]).await.unwrap();
    assert!(matches!(outcomes.as_slice(), [Outcome::Appended(_), Outcome::AlreadyAppended(_)]), "{outcomes:?}");
    let rows = |name: &str| CheckpointRow {
        name: name.into(),
        version: 1,
        sequence: 4,
        link: Digest::ZERO,
        state: b"{}".to_vec(),
    };
    for from in ["new", "newer"] {
        let write = ProjectionWrite { expected: None, checkpoint: rows(from), clear: true, rows: Vec::new() };
        assert_eq!(store.save_projection(&name, &write).await, Ok(true));
        let over = (from == "newer").then(|| rows("rows"));
        let promotion = Promotion { from: rows(from), to: "rows".into(), over };
        assert_eq!(store.promote(&name, &promotion).await, Ok(true));
    }
    let snapshot = SnapshotRow {
        stream: StreamName::from_stored("deal/d"),
        version: 1,
        digest: Digest::ZERO,
        first_sequence: 1,
        link: Digest::ZERO,
        form: 1,
        state: b"{}".to_vec(),
        check: Digest::ZERO,
    };
    store.save_snapshot(&name, &snapshot).await.unwrap();
    // To read is another matter, which `check` tells.
    unusable(store.head(&name).await, "row-level security");
    let findings = sound.check().await;
    assert!(findings.iter().any(|finding| finding.object == "setting row_security = off"), "{findings:?}");
}

/// An application that owns the tables can drop the triggers that keep it from changing them.
#[tokio::test]
async fn who_could_change_what_is_stored_is_told() {
    let sound = Sound::new().await;
    let findings = PgStore::connect(&sound.database.url()).await.unwrap().check().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem.contains("superuser"), "{findings:?}");
    // It could make itself the owner, but not of what others made from version 16 on.
    sound.run("ALTER ROLE :rep CREATEROLE").await;
    let server = query_scalar("SELECT current_setting('server_version_num')::integer").fetch_one(sound.database.pool());
    let release: i32 = server.await.unwrap();
    let findings = sound.check().await;
    assert_eq!(findings.len(), usize::from(release < 160_000), "{findings:?}");
    sound.run("ALTER ROLE :rep NOCREATEROLE").await;
    sound
        .run(
            "DO $$ BEGIN EXECUTE format('GRANT %I TO :app', \
        (SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'payledger')); END $$",
        )
        .await;
    let findings = sound.check().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].problem.contains("may act as") && findings[0].object.contains(&sound.application),
        "{findings:?}"
    );
    let owned = durable().empty().await;
    let alone = owned.role("alone").await;
    raw_sql(AssertSqlSafe(format!("GRANT CREATE ON DATABASE {} TO {}", owned.name(), quoted(&alone))))
        .execute(owned.pool())
        .await
        .unwrap();
    PgStore::migrate(&owned.url_as(&alone), SCHEMA_VERSION, &Roles::default()).await.unwrap();
    let store = PgStore::connect(&owned.url_as(&alone)).await.unwrap();
    store.append(&ledger("a"), &[request("k", 1)]).await.unwrap();
    let findings = store.check().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem.contains("it owns the tables"), "{findings:?}");
}

/// It was told to become an application, which sees every ledger and writes.
#[tokio::test]
async fn a_role_that_reports_needs_to_call_nothing() {
    let sound = Sound::new().await;
    let pool = PgPool::connect(&sound.database.url_as(&sound.reporting)).await.unwrap();
    let store = PgStore::with_pool(pool);
    // Nor to write at all: it may look at a copy of the server.
    sound.run("ALTER ROLE :rep SET default_transaction_read_only = on").await;
    let own = PgStore::connect(&sound.database.url_as(&sound.reporting)).await.unwrap();
    assert_eq!(own.check().await.unwrap(), []);
    // What another role could do is for who checks everything, and not for every start.
    sound.run("ALTER ROLE :app BYPASSRLS").await;
    assert_eq!(own.check().await.unwrap().len(), 1);
    assert_eq!(store.check_role().await.unwrap(), []);
    sound.run("REVOKE SELECT ON payledger.events FROM :rep").await;
    let findings = store.check_role().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].remedy.contains(&format!("--reporting '{}'", sound.reporting)), "{findings:?}");
}

/// Whoever may make functions where a role looks first was asked instead of the server, with the rights of whoever asked.
#[tokio::test]
async fn functions_of_others_are_not_taken_for_the_servers() {
    let sound = Sound::new().await;
    sound
        .run(
            "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; \
             CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''taken in''; END'; \
             CREATE FUNCTION evil.pg_has_role(name, text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''taken in''; END'; \
             CREATE FUNCTION evil.wrong(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''taken in''; END'; \
             CREATE OPERATOR evil.> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.wrong)",
        )
        .await;
    sound.run(&format!("ALTER DATABASE {} SET search_path = evil, pg_catalog", sound.database.name())).await;
    let url = sound.database.url();
    assert_eq!(PgStore::version(&url).await.unwrap(), SCHEMA_VERSION);
    let roles = Roles { application: Some(sound.application.clone()), ..Roles::default() };
    PgStore::plan(&url, SCHEMA_VERSION, &roles).await.unwrap();
    PgStore::migrate(&url, SCHEMA_VERSION, &roles).await.unwrap();
    assert_eq!(sound.check().await, []);
    let store = sound.store().await;
    store.append(&ledger("a"), &[request("m", 1)]).await.unwrap();
    assert_eq!(store.read_log(&ledger("a"), 0, 10).await.unwrap().requests.len(), 3);
    // A pool of the host's has the path that the host gave it; what is checked has not.
    let shared = PgStore::with_pool(PgPool::connect(&sound.database.url_as(&sound.application)).await.unwrap());
    shared.check().await.unwrap();
}

/// A dump that is restored where its roles are not has no policies for them, and its tables belong to whoever restored it.
#[tokio::test]
async fn a_migration_to_the_same_version_puts_roles_and_owners_right() {
    let sound = Sound::new().await;
    let owner = sound.database.role("owner of all").await;
    sound
        .run(
            "DROP POLICY whole ON payledger.heads; DROP POLICY whole ON payledger.reporting_ledgers; \
             ALTER TABLE payledger.events OWNER TO CURRENT_ROLE; ALTER FUNCTION payledger.append_v1 OWNER TO CURRENT_ROLE",
        )
        .await;
    assert!(sound.check().await.len() >= 4);
    let (app, rep) = (Some(sound.application.clone()), Some(sound.reporting.clone()));
    let roles = Roles { owner: Some(owner), application: app, reporting: rep };
    PgStore::migrate(&sound.database.url(), SCHEMA_VERSION, &roles).await.unwrap();
    assert_eq!(sound.check().await, []);
    sound.store().await.append(&ledger("a"), &[request("m", 1)]).await.unwrap();
}

/// What somebody had put into a schema of the name was trusted with the ledger, and could belong to him.
#[tokio::test]
async fn a_schema_that_somebody_made_before_is_not_moved_into() {
    let database = durable().empty().await;
    let stranger = database.role("stranger").await;
    let run = async |sql: &str| {
        raw_sql(AssertSqlSafe(sql.replace(":stranger", &quoted(&stranger)))).execute(database.pool()).await.unwrap();
    };
    let migrated = async |roles: Roles| PgStore::migrate(&database.url(), SCHEMA_VERSION, &roles).await;
    run("CREATE SCHEMA payledger AUTHORIZATION :stranger").await;
    unusable(migrated(Roles::default()).await, "belongs to role");
    let theirs = || Roles { owner: Some(stranger.clone()), ..Roles::default() };
    for (strange, gone) in [
        ("CREATE FUNCTION payledger.run() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION payledger.run"),
        ("CREATE VIEW payledger.view AS SELECT 1 AS one", "DROP VIEW payledger.view"),
        ("CREATE DOMAIN payledger.text AS pg_catalog.text", "DROP DOMAIN payledger.text"),
        ("GRANT USAGE ON SCHEMA payledger TO PUBLIC", "REVOKE USAGE ON SCHEMA payledger FROM PUBLIC"),
    ] {
        run(strange).await;
        unusable(migrated(theirs()).await, "no ledger's");
        run(gone).await;
    }
    migrated(theirs()).await.unwrap();
}

/// "Permission denied" was all that a role was told, and not what it lacked or how it is given.
#[tokio::test]
async fn a_role_without_privileges_hears_which_are_missing() {
    let sound = Sound::new().await;
    let stranger = sound.database.role("stranger").await;
    let url = sound.database.url_as(&stranger);
    unusable(PgStore::connect(&url).await, "privilege");
    let store = PgStore::with_pool(PgPool::connect(&url).await.unwrap());
    unusable(store.head(&ledger("a")).await, "privilege");
    let about = |findings: Vec<Finding>| -> Vec<Finding> {
        findings.into_iter().filter(|finding| finding.object == format!("role {stranger}")).collect()
    };
    let findings = about(store.check().await.unwrap());
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].remedy.contains(&format!("--application '{stranger}'")), "{findings:?}");
    sound.run(&format!("GRANT USAGE ON SCHEMA payledger TO {}", quoted(&stranger))).await;
    let findings = about(store.check().await.unwrap());
    assert!(findings.iter().any(|finding| finding.problem == "it lacks EXECUTE on function payledger.append_v1"));
    assert!(findings.iter().any(|finding| finding.problem == "it lacks SELECT on table payledger.events"));
}

/// "Relation does not exist" was all that was told of a database whose tables nobody had made.
#[tokio::test]
async fn a_database_that_holds_no_ledger_is_refused_with_what_to_do() {
    let server = Server::shared();
    let empty = server.empty().await;
    unusable(PgStore::connect(&empty.url()).await, "payledger store migrate up");
    let unmade = PgStore::with_pool(empty.pool().clone());
    unusable(unmade.head(&ledger("a")).await, "payledger store migrate up");
    unusable(unmade.append(&ledger("a"), &[request("k", 1)]).await, "payledger store migrate up");
    assert!(unmade.check().await.unwrap().iter().any(|finding| finding.object == "schema payledger"));
    raw_sql("CREATE SCHEMA payledger CREATE TABLE own (id integer)").execute(empty.pool()).await.unwrap();
    unusable(PgStore::connect(&empty.url()).await, "no ledger's");
    unusable(PgStore::migrate(&empty.url(), SCHEMA_VERSION, &Roles::default()).await, "no ledger's");

    // "Rename that schema" was the advice for a ledger of years.
    let gone = server.database().await;
    raw_sql("DROP TABLE payledger.migrations").execute(gone.pool()).await.unwrap();
    unusable(PgStore::connect(&gone.url()).await, "payledger.migrations is gone");
    unusable(PgStore::migrate(&gone.url(), SCHEMA_VERSION, &Roles::default()).await, "payledger.migrations is gone");

    let old = server.empty().await;
    PgStore::migrate(&old.url(), 1, &Roles::default()).await.unwrap();
    unusable(PgStore::connect(&old.url()).await, "version 1");
    let findings = PgStore::with_pool(old.pool().clone()).check().await.unwrap();
    assert!(findings.iter().any(|finding| finding.problem.contains("version 1")), "{findings:?}");

    let new = server.database().await;
    raw_sql("INSERT INTO payledger.migrations (version) VALUES (99)").execute(new.pool()).await.unwrap();
    unusable(PgStore::connect(&new.url()).await, "newer version");
    unusable(PgStore::migrate(&new.url(), 1, &Roles::default()).await, "newer version");
    unusable(PgStore::with_pool(new.pool().clone()).check().await, "newer version");

    let ascii = server.create("TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'").await;
    unusable(PgStore::migrate(&ascii.url(), SCHEMA_VERSION, &Roles::default()).await, "encoding is SQL_ASCII");
    unusable(PgStore::connect(&ascii.url()).await, "encoding is SQL_ASCII");
    let findings = PgStore::with_pool(ascii.pool().clone()).check().await.unwrap();
    assert!(findings.iter().any(|finding| finding.object == "setting server_encoding = SQL_ASCII"), "{findings:?}");
    unusable(
        PgStore::connect("postgres://nobody@localhost:1/x?host=/tmp").await.map_err(|error| match error {
            StoreError::Unavailable(text) => StoreError::Unusable(format!("unavailable {text}")),
            error => error,
        }),
        "unavailable",
    );
}
