//! The tables: made, moved between versions, and given to roles.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod common;

use std::time::{Duration, Instant};

use common::{ledger, request, sound_log, unusable};
use ledger_core::chain::Digest;
use ledger_core::store::{CheckpointRow, Outcome, ProjectionWrite, RowChange, Store, StoreError};
use ledger_postgres::{Finding, PgStore, Roles, SCHEMA_VERSION};
use ledger_postgres_testing::{Database, Server, quoted};
use sqlx::{AssertSqlSafe, Executor, PgTransaction, query_scalar, raw_sql};

fn no_roles() -> Roles {
    Roles::default()
}

async fn sql(database: &Database, sql: String) {
    raw_sql(AssertSqlSafe(sql)).execute(database.pool()).await.unwrap();
}

/// Everything that the catalog says of the schema, for comparing one state with another.
async fn catalog(database: &Database) -> Vec<String> {
    const CATALOG: &str = "SELECT concat_ws(' ', 'column', c.relname, a.attname, a.atttypid::regtype, a.attnotnull, c.relacl) \
             FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relnamespace = to_regnamespace('payledger') \
         UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint \
             WHERE connamespace = to_regnamespace('payledger') \
         UNION ALL SELECT concat_ws(' ', 'function', oid::regprocedure, md5(prosrc), proowner::regrole, proacl) FROM pg_proc \
             WHERE pronamespace = to_regnamespace('payledger') \
         UNION ALL SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, polroles::regrole[]) FROM pg_policy \
         ORDER BY 1";
    query_scalar(CATALOG).fetch_all(database.pool()).await.unwrap()
}

/// A step back that lost events would lose money.
#[tokio::test]
async fn down_and_up_keeps_every_event_and_link() {
    let database = Server::shared().empty().await;
    let url = database.url();
    assert_eq!(PgStore::version(&url).await.unwrap(), 0);
    PgStore::migrate(&url, SCHEMA_VERSION, &no_roles()).await.unwrap();
    assert_eq!(PgStore::version(&url).await.unwrap(), SCHEMA_VERSION);
    let name = ledger("kept");
    {
        let store = PgStore::connect(&url).await.unwrap();
        for key in ["a", "b", "c"] {
            store.append(&name, &[request(key, 3)]).await.unwrap();
        }
    }
    let before = (sound_log(&PgStore::connect(&url).await.unwrap(), &name).await, catalog(&database).await);
    for version in (1..SCHEMA_VERSION).rev() {
        PgStore::migrate(&url, version, &no_roles()).await.unwrap();
        assert_eq!(PgStore::version(&url).await.unwrap(), version);
    }
    unusable(PgStore::migrate(&url, 0, &no_roles()).await, "never dropped");
    unusable(PgStore::plan(&url, 0, &no_roles()).await, "never dropped");
    // Nor does the SQL of the step itself, whoever runs it.
    let down = include_str!("../migrations/0001_ledger.down.sql");
    let error = database.pool().execute(down).await.unwrap_err();
    assert!(error.to_string().contains("never dropped"), "{error}");
    PgStore::migrate(&url, SCHEMA_VERSION, &no_roles()).await.unwrap();
    let store = PgStore::connect(&url).await.unwrap();
    assert_eq!((sound_log(&store, &name).await, catalog(&database).await), before);
    store.append(&name, &[request("d", 3)]).await.unwrap();
    assert_eq!(sound_log(&store, &name).await.requests.len(), 4);
}

/// Where transactions see what was there when they began, a migration that had waited for the first append did not see its events,
/// and dropped them.
#[tokio::test]
async fn events_that_a_migration_waited_for_are_not_dropped() {
    for level in ["repeatable read", "serializable"] {
        let database = Server::shared().database().await;
        let (url, name) = (database.url(), ledger("kept"));
        let set = format!("ALTER DATABASE {} SET default_transaction_isolation = '{level}'", database.name());
        sql(&database, set).await;
        let mut holder = database.pool().begin().await.unwrap();
        holder.execute("LOCK TABLE payledger.heads IN ROW EXCLUSIVE MODE").await.unwrap();
        let down = tokio::spawn(async move { PgStore::migrate(&url, 0, &no_roles()).await });
        const WAITING: &str =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'payledger.heads'::regclass";
        while query_scalar::<_, i64>(WAITING).fetch_one(&mut *holder).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // As the append does that was there first.
        let event = "INSERT INTO payledger.events SELECT 'kept', 1, 's', 1, 't', 1, 0, '2026-01-01', 'x', sha256('')";
        holder.execute(event).await.unwrap();
        holder.commit().await.unwrap();
        unusable(down.await.unwrap(), "never dropped");
        let kept = PgStore::with_pool(database.pool().clone()).read_log(&name, 0, 10).await.unwrap();
        assert_eq!(kept.events.len(), 1, "{level}");
    }
}

/// What a step back had left behind stood in the way of the next step up.
#[tokio::test]
async fn down_to_nothing_leaves_nothing() {
    let database = Server::shared().empty().await;
    let url = database.url();
    for _ in 0..2 {
        for version in 1..=SCHEMA_VERSION {
            PgStore::migrate(&url, version, &no_roles()).await.unwrap();
        }
        for version in (0..SCHEMA_VERSION).rev() {
            PgStore::migrate(&url, version, &no_roles()).await.unwrap();
        }
        let left = query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'payledger'");
        let left: i64 = left.fetch_one(database.pool()).await.unwrap();
        assert_eq!(left, 0);
    }
}

/// What the dry run prints is what runs: a printed plan that differed would be reviewed in vain.
#[tokio::test]
async fn the_plan_is_what_runs() {
    let server = Server::shared();
    let (planned, migrated) = (server.empty().await, server.empty().await);
    let owner = planned.role("owner").await;
    let (application, reporting) = (planned.role("it's").await, planned.role("re\"porting").await);
    let roles = Roles { owner: Some(owner), application: Some(application), reporting: Some(reporting) };
    for version in [SCHEMA_VERSION, 1, SCHEMA_VERSION] {
        let plan = PgStore::plan(&planned.url(), version, &roles).await.unwrap();
        assert_eq!(plan, PgStore::plan(&planned.url(), version, &roles).await.unwrap(), "it changed something");
        sql(&planned, plan).await;
        PgStore::migrate(&migrated.url(), version, &roles).await.unwrap();
        assert_eq!(catalog(&planned).await, catalog(&migrated).await);
    }
    assert!(!catalog(&planned).await.is_empty());
    let nothing = PgStore::plan(&planned.url(), SCHEMA_VERSION, &no_roles()).await.unwrap();
    assert!(nothing.contains("nothing to do") && !nothing.contains("BEGIN"), "{nothing}");
}

/// Two that start at once, as two machines of a deployment do, must not both make the tables.
#[tokio::test]
async fn migrations_at_once_take_turns() {
    let database = Server::shared().empty().await;
    let url = database.url();
    let up = || async { PgStore::migrate(&url, SCHEMA_VERSION, &no_roles()).await };
    let done = tokio::join!(up(), up(), up(), up());
    assert_eq!(done, (Ok(()), Ok(()), Ok(()), Ok(())));
    assert_eq!(PgStore::version(&url).await.unwrap(), SCHEMA_VERSION);
}

/// A migration that waited behind a report for hours would make every append wait behind it.
#[tokio::test]
async fn a_migration_that_cannot_have_its_locks_gives_up_and_changes_nothing() {
    let database = Server::shared().database().await;
    let before = catalog(&database).await;
    let mut report = database.pool().acquire().await.unwrap();
    report.execute("BEGIN; SELECT * FROM payledger.projection_rows").await.unwrap();
    let begun = Instant::now();
    match PgStore::migrate(&database.url(), 1, &no_roles()).await {
        Err(StoreError::Unavailable(text)) => assert!(text.contains("others use the tables"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    report.execute("ROLLBACK").await.unwrap();
    assert_eq!(catalog(&database).await, before);
    PgStore::migrate(&database.url(), 1, &no_roles()).await.unwrap();
}

/// A migration waited for each of its locks by itself, and held those that it had: readers that left one after another kept
/// everybody from appending for longer than an append waits, over a role that was named.
#[tokio::test]
async fn a_migration_waits_no_longer_for_many_than_for_one() {
    let database = Server::shared().database().await;
    let (url, name) = (database.url(), ledger("main"));
    let application = Roles { application: Some(database.role("application").await), ..no_roles() };
    let reporting = Roles { reporting: Some(database.role("reporting").await), ..no_roles() };
    let store = PgStore::connect(&url).await.unwrap();
    store.append(&name, &[request("a", 1)]).await.unwrap();
    let mut reading = Vec::new();
    for (table, millis) in [("requests", 2_500), ("events", 5_000), ("checkpoints", 12_000)] {
        let mut reader = database.pool().begin().await.unwrap();
        reader.execute(AssertSqlSafe(format!("SELECT FROM payledger.{table}"))).await.unwrap();
        reading.push((reader, Duration::from_millis(millis)));
    }
    // What changes no table waits for nobody.
    PgStore::migrate(&url, SCHEMA_VERSION, &reporting).await.unwrap();
    let leave = |(reader, after): (PgTransaction<'static>, _)| async move {
        tokio::time::sleep(after).await;
        reader.rollback().await.unwrap();
    };
    let readers: Vec<_> = reading.into_iter().map(|reader| tokio::spawn(leave(reader))).collect();
    let migrating = async { PgStore::migrate(&url, SCHEMA_VERSION, &application).await };
    let appending = async {
        const HELD: &str = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' \
             AND relation = 'payledger.heads'::regclass";
        for _ in 0..1_000 {
            if query_scalar::<_, i64>(HELD).fetch_one(database.pool()).await.unwrap() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.append(&name, &[request("b", 1)]).await
    };
    let (migrated, appended) = tokio::join!(migrating, appending);
    assert!(matches!(appended.as_deref(), Ok([Outcome::Appended(_)])), "{appended:?}");
    assert!(matches!(&migrated, Err(StoreError::Unavailable(text)) if text.contains("57014")), "{migrated:?}");
    for reader in readers {
        reader.await.unwrap();
    }
    PgStore::migrate(&url, SCHEMA_VERSION, &application).await.unwrap();
    // Nor does it wait where the role has it all.
    let mut reader = database.pool().begin().await.unwrap();
    reader.execute("SELECT FROM payledger.events").await.unwrap();
    PgStore::migrate(&url, SCHEMA_VERSION, &application).await.unwrap();
}

/// What a function never does may be forbidden to the owner too. Its migrations then had no right to lock the tables.
#[tokio::test]
async fn an_owner_that_may_change_no_event_migrates() {
    let database = Server::shared().database().await;
    let (owner, application) = (database.role("owner").await, database.role("application").await);
    let owned = Roles { owner: Some(owner.clone()), ..no_roles() };
    PgStore::migrate(&database.url(), SCHEMA_VERSION, &owned).await.unwrap();
    let forbidden =
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON payledger.events, payledger.requests FROM {}", quoted(&owner));
    sql(&database, forbidden).await;
    let named = Roles { application: Some(application), ..no_roles() };
    for (version, roles) in [(1, no_roles()), (SCHEMA_VERSION, no_roles()), (SCHEMA_VERSION, named)] {
        PgStore::migrate(&database.url_as(&owner), version, &roles).await.unwrap();
    }
}

/// A dump that is restored where its roles are not has no policies for them. The owner saw no event, and dropped them all; he saw
/// no checkpoint either, and left it without its rows.
#[tokio::test]
async fn what_no_policy_shows_to_the_owner_is_there_all_the_same() {
    let database = Server::shared().database().await;
    let owner = database.role("owner").await;
    PgStore::migrate(&database.url(), SCHEMA_VERSION, &Roles { owner: Some(owner.clone()), ..no_roles() })
        .await
        .unwrap();
    let (store, name) = (PgStore::connect(&database.url()).await.unwrap(), ledger("main"));
    store.append(&name, &[request("a", 2)]).await.unwrap();
    let checkpoint = CheckpointRow { name: "p".into(), version: 1, sequence: 2, link: Digest::ZERO, state: Vec::new() };
    let rows = vec![RowChange { key: "k".into(), sequence: 1, value: Some("1".into()) }];
    let write = ProjectionWrite { expected: None, checkpoint, clear: false, rows };
    assert_eq!(store.save_projection(&name, &write).await, Ok(true));
    for table in ["events", "checkpoints", "projection_rows"] {
        sql(&database, format!("DROP POLICY whole ON payledger.{table}")).await;
    }
    unusable(PgStore::migrate(&database.url_as(&owner), 0, &no_roles()).await, "never dropped");
    assert_eq!(sound_log(&store, &name).await.events.len(), 2);
    PgStore::migrate(&database.url_as(&owner), 1, &no_roles()).await.unwrap();
    assert_eq!(store.load_checkpoint(&name, "p").await, Ok(None));
    PgStore::migrate(&database.url_as(&owner), SCHEMA_VERSION, &no_roles()).await.unwrap();
    let findings = store.check().await.unwrap();
    let damaged = |finding: &Finding| ["table ", "policy "].iter().any(|kind| finding.object.starts_with(kind));
    assert!(!findings.iter().any(damaged), "{findings:?}");
}

/// Half a migration is a database that no version of the library knows.
#[tokio::test]
async fn a_migration_that_fails_or_is_cut_off_leaves_what_was_there() {
    let database = Server::shared().empty().await;
    let url = database.url();
    PgStore::migrate(&url, 1, &no_roles()).await.unwrap();
    let before = catalog(&database).await;
    // In the way of the second table of the step.
    sql(&database, "CREATE TABLE payledger.projection_rows (id integer)".into()).await;
    unusable(PgStore::migrate(&url, SCHEMA_VERSION, &no_roles()).await, "42P07");
    sql(&database, "DROP TABLE payledger.projection_rows".into()).await;
    assert_eq!(catalog(&database).await, before);
    let mut cut = 0;
    for millis in 0.. {
        let to = if PgStore::version(&url).await.unwrap() == 1 { SCHEMA_VERSION } else { 1 };
        let roles = no_roles();
        match tokio::time::timeout(Duration::from_millis(millis), PgStore::migrate(&url, to, &roles)).await {
            Ok(done) => {
                done.unwrap();
                if to == 1 {
                    break;
                }
            }
            Err(_) => cut += 1,
        }
        // The server hears a moment later that nobody waits any more.
        let names = catalog(&database).await.join(" ");
        assert_eq!(names.contains("save_snapshot_v1"), names.contains("promote_v1"));
        assert_eq!(names.contains("snapshots"), names.contains("projection_rows"));
    }
    assert!(cut > 1, "nothing was cut off");
    assert_eq!(catalog(&database).await, before);
}
