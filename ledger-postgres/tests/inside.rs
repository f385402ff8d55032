//! Requests in the host's own transactions: they stand or fall with its rows, and nothing is said to be stored that is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod common;

use std::time::Duration;

use common::{asked, database, deal, ledger, payout, ready, sound_log};
use ledger_core::engine::{Advice, ExecuteError, Preview};
use ledger_core::id::LedgerName;
use ledger_postgres::sqlx::postgres::PgPoolOptions;
use ledger_postgres::sqlx::{Acquire, AssertSqlSafe, Executor, PgPool, query_scalar};
use ledger_postgres::{PgStore, TransactionError, commit, stage};

async fn host(pool: &PgPool) -> LedgerName {
    pool.execute("CREATE TABLE public.sales (deal integer PRIMARY KEY)").await.unwrap();
    ledger("main")
}

async fn sales(pool: &PgPool) -> i64 {
    query_scalar("SELECT count(*) FROM public.sales").fetch_one(pool).await.unwrap()
}

fn is_retry<T: std::fmt::Debug>(result: Result<T, TransactionError>) {
    assert!(matches!(result, Err(TransactionError::Retry(_))), "{result:?}");
}

/// The host had a row of a deal that the ledger had not, or the other way round.
#[tokio::test]
async fn what_is_staged_stands_or_falls_with_the_hosts_rows() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let before = opened.store().head(&name).await.unwrap();

    let mut transaction = pool.begin().await.unwrap();
    transaction.execute("INSERT INTO sales VALUES (1)").await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(1)).await.unwrap();
    // Nobody else sees it, and nobody is told that it is stored.
    assert_eq!(opened.store().head(&name).await.unwrap(), before);
    drop(transaction);
    drop(staged);
    assert_eq!((opened.store().head(&name).await.unwrap(), sales(pool).await), (before, 0));

    let mut transaction = pool.begin().await.unwrap();
    transaction.execute("INSERT INTO sales VALUES (1)").await.unwrap();
    let staged = vec![
        stage(&mut transaction, &name, &deal(1)).await.unwrap(),
        stage(&mut transaction, &name, &deal(1)).await.unwrap(),
        stage(&mut transaction, &name, &payout("pay")).await.unwrap(),
    ];
    let receipts = commit(transaction, staged).await.unwrap();
    assert_eq!(sales(pool).await, 1);
    assert_eq!(receipts[0], receipts[1]);
    for (receipt, request) in receipts.iter().zip([deal(1), deal(1), payout("pay")]) {
        assert_eq!(opened.execute(request).await.unwrap(), *receipt);
    }
    sound_log(&**opened.store(), &name).await;
    let migrations: Option<String> =
        query_scalar("SELECT to_regclass('public._sqlx_migrations')::text").fetch_one(pool).await.unwrap();
    assert_eq!(migrations, None, "the host's own migrations have this name");
}

/// To `COMMIT` in a failed transaction the server answers `ROLLBACK`, without an error: a receipt was given for nothing.
#[tokio::test]
async fn a_failed_transaction_has_no_receipt() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let before = opened.store().head(&name).await.unwrap();

    let mut transaction = pool.begin().await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(1)).await.unwrap();
    assert!(transaction.execute("SELECT 1 / 0").await.is_err());
    // Whoever ignores that is told so by nobody else:
    is_retry(stage(&mut transaction, &name, &deal(2)).await);
    is_retry(staged.commit(transaction).await);
    let mut transaction = pool.begin().await.unwrap();
    assert!(transaction.execute("SELECT 1 / 0").await.is_err());
    assert!(transaction.commit().await.is_ok(), "the driver tells by now that it was rolled back");

    // What the host checks at the end fails at the end.
    pool.execute("CREATE TABLE public.paid (deal integer REFERENCES sales DEFERRABLE INITIALLY DEFERRED)")
        .await
        .unwrap();
    let mut transaction = pool.begin().await.unwrap();
    transaction.execute("INSERT INTO paid VALUES (7)").await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(1)).await.unwrap();
    let refused = staged.commit(transaction).await.unwrap_err();
    assert!(matches!(refused, TransactionError::Failed(_)), "{refused:?}");
    assert!(refused.to_string().contains("paid_deal_fkey"), "{refused}");
    assert_eq!(opened.store().head(&name).await.unwrap(), before);
}

/// A receipt was given for what had been rolled back to a savepoint, or stood in another transaction.
#[tokio::test]
async fn what_is_not_in_the_transaction_has_no_receipt() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let mut outside = pool.acquire().await.unwrap();
    assert_eq!(stage(&mut outside, &name, &deal(1)).await.unwrap_err(), TransactionError::NoTransaction);

    let mut transaction = pool.begin().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let staged = stage(&mut savepoint, &name, &deal(1)).await.unwrap();
    savepoint.rollback().await.unwrap();
    transaction.execute("INSERT INTO sales VALUES (1)").await.unwrap();
    assert_eq!(staged.commit(transaction).await.unwrap_err(), TransactionError::NotStaged);
    assert_eq!(sales(pool).await, 0);

    let mut transaction = pool.begin().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let staged = stage(&mut savepoint, &name, &deal(1)).await.unwrap();
    let other = pool.begin().await.unwrap();
    savepoint.commit().await.unwrap();
    let mut kept = vec![staged];
    assert_eq!(kept.pop().unwrap().commit(other).await.unwrap_err(), TransactionError::NotStaged);
    drop(transaction);

    let mut transaction = pool.begin().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let staged = stage(&mut savepoint, &name, &deal(1)).await.unwrap();
    savepoint.commit().await.unwrap();
    let receipt = staged.commit(transaction).await.unwrap();
    assert_eq!(opened.execute(deal(1)).await.unwrap(), receipt);
}

/// A request that was refused took the host's rows with it.
#[tokio::test]
async fn a_rejection_leaves_the_transaction_as_it_was() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    opened.execute(deal(1)).await.unwrap();

    let mut transaction = pool.begin().await.unwrap();
    transaction.execute("INSERT INTO sales VALUES (1)").await.unwrap();
    // A deal that is there under another key; a key that is another request's.
    let again = ledger_core::Request { key: "other".parse().unwrap(), ..deal(1) };
    let reused = ledger_core::Request { key: deal(1).key, ..deal(2) };
    for refused in [again, reused, asked("x", r#"{"payout.create":{"payee":"nobody"}}"#)] {
        let error = stage(&mut transaction, &name, &refused).await.unwrap_err();
        assert!(matches!(error, TransactionError::Rejected(_)), "{error:?}");
        assert_eq!(error.advice(), Advice::Reject);
    }
    transaction.execute("INSERT INTO sales VALUES (2)").await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(2)).await.unwrap();
    staged.commit(transaction).await.unwrap();
    assert_eq!(sales(pool).await, 2);
    sound_log(&**opened.store(), &name).await;
}

/// The adapter took a second connection while the host held the only one, and both waited.
#[tokio::test]
async fn one_connection_is_enough() {
    let database = database().await;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    let pool = pool.connect(&database.url()).await.unwrap();
    let (name, opened) = (host(&pool).await, ready(&pool, "main").await);
    let mut transaction = pool.begin().await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(1)).await.unwrap();
    let receipt = staged.commit(transaction).await.unwrap();
    assert_eq!(opened.execute(deal(1)).await.unwrap(), receipt);
}

/// At READ COMMITTED a rival's commit is found by reading. Under stricter isolation it cannot be seen, and deciding on what is
/// seen would be deciding on what was.
#[tokio::test]
async fn who_was_faster_is_seen_or_asks_for_another_transaction() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    for (number, level) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().enumerate() {
        let begin = AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {level}"));
        let mut transaction = pool.begin_with(begin).await.unwrap();
        transaction.execute("SELECT count(*) FROM sales").await.unwrap();
        // The same payee's account.
        opened.execute(deal(2 * number)).await.unwrap();
        let staged = stage(&mut transaction, &name, &deal(2 * number + 1)).await;
        if number == 0 {
            staged.unwrap().commit(transaction).await.unwrap();
        } else {
            is_retry(staged);
        }
    }
    // Undisturbed, each of them does.
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await.unwrap();
    stage(&mut transaction, &name, &deal(9)).await.unwrap().commit(transaction).await.unwrap();
    sound_log(&**opened.store(), &name).await;
}

/// What was stored before was rejected as impossible, in a transaction that could not see it.
#[tokio::test]
async fn a_rejection_on_what_was_asks_for_another_transaction() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    for (number, level) in ["REPEATABLE READ", "SERIALIZABLE"].into_iter().enumerate() {
        let begin = || pool.begin_with(AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {level}")));
        let pay = payout(&format!("pay-{number}"));
        let mut transaction = begin().await.unwrap();
        transaction.execute("SELECT count(*) FROM sales").await.unwrap();
        opened.execute(deal(number)).await.unwrap();
        opened.execute(pay.clone()).await.unwrap();
        is_retry(stage(&mut transaction, &name, &pay).await);
        drop(transaction);
        // On what is, it is an answer, and the transaction can go on.
        let mut transaction = begin().await.unwrap();
        let error = stage(&mut transaction, &name, &payout("another")).await.unwrap_err();
        assert!(matches!(error, TransactionError::Rejected(_)), "{error:?}");
        stage(&mut transaction, &name, &pay).await.unwrap().commit(transaction).await.unwrap();
    }
    sound_log(&**opened.store(), &name).await;
}

/// A decision that was overtaken between its reads and its append was given up, or stored on what it had read.
#[tokio::test(flavor = "multi_thread")]
async fn rivals_in_host_transactions_each_have_their_turn() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let writers = (0..4).map(|writer| {
        let (pool, name) = (pool.clone(), name.clone());
        tokio::spawn(async move {
            for number in 0..10 {
                let mut transaction = pool.begin().await.unwrap();
                let staged = stage(&mut transaction, &name, &deal(100 * writer + number)).await.unwrap();
                staged.commit(transaction).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let log = sound_log(&**opened.store(), &name).await;
    assert_eq!(log.requests.len(), 44);
}

/// Two hosts that write two ledgers in turn wait for one another; whoever is let go has to do everything again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_and_a_long_wait_ask_for_another_transaction() {
    let database = database().await;
    let pool = database.pool();
    let (one, two) = (ready(pool, "one").await, ready(pool, "two").await);
    let (mut first, mut second) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    let mut staged = vec![
        stage(&mut first, one.name(), &deal(1)).await.unwrap(),
        stage(&mut second, two.name(), &deal(2)).await.unwrap(),
    ];
    let (mine, theirs) = (deal(1), deal(2));
    let (a, b) = tokio::join!(stage(&mut first, two.name(), &mine), stage(&mut second, one.name(), &theirs));
    let (winner, late, mut own) = match (a, b) {
        (Ok(late), Err(TransactionError::Retry(_))) => (first, late, vec![staged.remove(0)]),
        (Err(TransactionError::Retry(_)), Ok(late)) => (second, late, vec![staged.remove(1)]),
        other => panic!("{other:?}"),
    };
    own.push(late);
    assert_eq!(commit(winner, own).await.unwrap().len(), 2);

    let mut holder = pool.begin().await.unwrap();
    let held = stage(&mut holder, one.name(), &deal(3)).await.unwrap();
    let mut waiter = pool.begin().await.unwrap();
    waiter.execute("SET LOCAL lock_timeout = '50ms'").await.unwrap();
    is_retry(stage(&mut waiter, one.name(), &deal(4)).await);
    drop(waiter);
    held.commit(holder).await.unwrap();
    for opened in [&one, &two] {
        sound_log(&**opened.store(), opened.name()).await;
    }
}

/// A connection that breaks within the transaction has stored nothing, so that the host need not ask.
#[tokio::test]
async fn a_broken_connection_before_the_commit_has_stored_nothing() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let before = opened.store().head(&name).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(1)).await.unwrap();
    let process: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *transaction).await.unwrap();
    let ended: bool =
        query_scalar("SELECT pg_terminate_backend($1, 5000)").bind(process).fetch_one(pool).await.unwrap();
    assert!(ended);
    is_retry(staged.commit(transaction).await);
    assert_eq!(opened.store().head(&name).await.unwrap(), before);
    opened.execute(deal(1)).await.unwrap();
}

/// A host whose own table was missing was told to migrate the ledger.
#[tokio::test]
async fn a_failure_of_the_hosts_own_statement_has_no_advice_about_the_ledger() {
    let database = database().await;
    let error = database.pool().execute("SELECT 1 FROM public.nowhere").await.unwrap_err();
    let told = TransactionError::from(error).to_string();
    assert!(told.contains("nowhere") && !told.contains("payledger"), "{told}");
}

/// The engine of the same process decided on what was only staged, and rejected a payout that was possible after all.
#[tokio::test]
async fn the_engine_knows_nothing_of_what_is_only_staged() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    opened.execute(deal(1)).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let staged = stage(&mut transaction, &name, &payout("staged")).await.unwrap();
    let preview = opened.preview(&payout("mine")).await.unwrap();
    assert!(matches!(preview, Preview::Would(_)));
    drop((staged, transaction));
    let paid = opened.execute(payout("mine")).await.unwrap();
    assert!(paid.payout().is_some());
    // And it knows what was staged by others as soon as that is committed.
    opened.execute(deal(2)).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let staged = stage(&mut transaction, &name, &payout("theirs")).await.unwrap();
    staged.commit(transaction).await.unwrap();
    let rejected = opened.execute(payout("too-late")).await.unwrap_err();
    assert!(matches!(rejected, ExecuteError::Rejected(_)), "{rejected:?}");
    sound_log(&PgStore::with_pool(pool.clone()), &name).await;
}

/// Tables and functions that stand first on the host's search path were read and called instead of the ledger's.
#[tokio::test]
async fn the_hosts_search_path_does_not_matter() {
    let database = database().await;
    let pool = database.pool();
    let (name, opened) = (host(pool).await, ready(pool, "main").await);
    let evil = "CREATE SCHEMA evil;
        CREATE TABLE evil.heads AS TABLE payledger.heads; CREATE TABLE evil.events AS TABLE payledger.events;
        CREATE TABLE evil.requests AS TABLE payledger.requests;
        CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('66', 32), 'hex') $$;
        CREATE FUNCTION evil.int8send(bigint) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
        CREATE FUNCTION evil.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'x' $$;
        CREATE FUNCTION evil.text_equal(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.text_equal);";
    pool.execute(evil).await.unwrap();
    for path in ["SET LOCAL search_path = evil, public", "SET LOCAL search_path = ''"] {
        let mut transaction = pool.begin().await.unwrap();
        transaction.execute(path).await.unwrap();
        let number = path.len();
        stage(&mut transaction, &name, &deal(number)).await.unwrap().commit(transaction).await.unwrap();
    }
    // Even in front of the server's own operators, where it is asked for.
    let mut transaction = pool.begin().await.unwrap();
    transaction.execute("SET LOCAL search_path = evil, pg_catalog").await.unwrap();
    let staged = stage(&mut transaction, &name, &deal(99)).await;
    if let Ok(staged) = staged {
        staged.commit(transaction).await.unwrap();
    }
    sound_log(&**opened.store(), &name).await;
    let shadow: i64 = query_scalar("SELECT count(*) FROM evil.events").fetch_one(pool).await.unwrap();
    let real: i64 = query_scalar("SELECT count(*) FROM payledger.events").fetch_one(pool).await.unwrap();
    assert!(real > shadow);
}
