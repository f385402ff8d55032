//! The shop as its clients meet it, and what is in its database afterwards: every order has its deal, and every deal its order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join_all;
use host_transaction::Shop;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::replay::each_event;
use ledger_core::{Date, deal, event::Event, reconcile, verify::verify};
use ledger_postgres::{PgStore, Roles, SCHEMA_VERSION};
use ledger_postgres_testing::{Database, Server};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgTransaction, query_as, query_scalar};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use tower::ServiceExt;

/// A shop as one process has it, with so many connections.
async fn shop(url: String, connections: u32) -> Arc<Shop> {
    shop_that_waits("5s", url, connections).await
}

async fn shop_that_waits(patience: &str, url: String, connections: u32) -> Arc<Shop> {
    let options = url.parse::<PgConnectOptions>().unwrap().options([("lock_timeout", patience)]);
    let pool = PgPoolOptions::new().max_connections(connections).connect_with(options).await.unwrap();
    Arc::new(Shop::open(pool).await.unwrap())
}

async fn opened() -> (Database, Arc<Shop>) {
    let database = Server::shared().database().await;
    let shop = shop(database.url(), 8).await;
    (database, shop)
}

fn order(number: &str, amount: &str) -> Value {
    json!({ "number": number, "payee": "kim", "amount": amount, "day": "2026-03-01" })
}

async fn send(shop: Arc<Shop>, request: Request<Body>) -> (u16, Value) {
    let response = shop.router().oneshot(request).await.unwrap();
    let (status, body) = (response.status().as_u16(), to_bytes(response.into_body(), 10_000).await.unwrap());
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
}

async fn post(shop: Arc<Shop>, key: &str, order: Value) -> (u16, Value) {
    let request = Request::post("/orders").header("idempotency-key", key).header("content-type", "application/json");
    send(shop, request.body(order.to_string().into()).unwrap()).await
}

async fn get(shop: &Arc<Shop>, payee: &str) -> Value {
    let answer = send(Arc::clone(shop), Request::get(format!("/payees/{payee}")).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.0, 200, "{answer:?}");
    answer.1
}

/// Checks that the ledger is sound, and that its deals are the shop's orders to the cent, under the same keys. Says how many.
async fn sound(database: &Database, shop: &Shop) -> usize {
    let (store, name) = (&**shop.ledger().store(), shop.ledger().name());
    verify(store, name, None, |_| {}).await.unwrap();
    assert!(reconcile::log::check(store, name, PAGE_EVENTS, |_| {}).await.unwrap().is_clean());
    type Order = (String, String, String, i64, String, Date);
    let mut deals: Vec<Order> = Vec::new();
    let tell = |recorded: &ledger_core::recorded::Recorded| {
        if let Event::Deal(deal::Event::Completed(deal::Completion { deal, completed_on, gci, entries, .. })) =
            &recorded.event
        {
            let (key, payee) = (recorded.request.key.to_string(), entries[0].payee.to_string());
            deals.push((deal.to_string(), key, payee, gci.minor(), gci.currency().to_string(), *completed_on));
        }
    };
    each_event(store, name, PAGE_EVENTS, |_| {}, tell).await.unwrap();
    deals.sort();
    const ORDERS: &str = "SELECT number, key, payee, amount, currency, day FROM orders ORDER BY number COLLATE \"C\"";
    assert_eq!(query_as::<_, Order>(ORDERS).fetch_all(database.pool()).await.unwrap(), deals);
    deals.len()
}

/// Locks the ledger, as somebody does who is slow: who books an order has its row by then, and waits.
async fn hold(database: &Database) -> PgTransaction<'static> {
    let mut transaction = database.pool().begin().await.unwrap();
    transaction.execute("SELECT FROM payledger.heads WHERE ledger = 'shop' FOR NO KEY UPDATE").await.unwrap();
    transaction
}

async fn until(database: &Database, condition: &'static str) {
    for _ in 0..1_000 {
        if query_scalar(condition).fetch_one(database.pool()).await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {condition}");
}

const SOMEBODY_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock')";
const NOBODY_IS_AT_IT: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle')";

/// An order was booked without its share, or a share lost its cent.
#[tokio::test]
async fn an_order_and_its_share_are_booked_together() {
    let (database, shop) = opened().await;
    // 85 % is 50.9915, and 0.0085.
    assert_eq!(
        post(shop.clone(), "a", order("o-1", "59.99 USD")).await,
        (201, json!({ "order": "o-1", "share": "50.99 USD" }))
    );
    assert_eq!(
        post(shop.clone(), "b", order("o-2", "0.01 USD")).await,
        (201, json!({ "order": "o-2", "share": "0.01 USD" }))
    );
    let kim = json!({
        "payee": "kim", "earned": "51.00 USD", "payable": "51.00 USD",
        "orders": [
            { "number": "o-1", "amount": "59.99 USD", "day": "2026-03-01" },
            { "number": "o-2", "amount": "0.01 USD", "day": "2026-03-01" },
        ],
    });
    assert_eq!(get(&shop, "kim").await, kim);
    let nobody = json!({ "payee": "nobody", "earned": "0.00 USD", "payable": "0.00 USD", "orders": [] });
    assert_eq!(get(&shop, "nobody").await, nobody);
    assert_eq!(sound(&database, &shop).await, 2);
}

/// A client that sent its order again, to this process or another, bought twice.
#[tokio::test]
async fn the_same_key_books_once() {
    let (database, shop) = opened().await;
    let (status, first) = post(shop.clone(), "a", order("o-1", "59.99 USD")).await;
    assert_eq!(status, 201);
    // Also to another process.
    for shop in [shop.clone(), self::shop(database.url(), 2).await] {
        assert_eq!(post(shop.clone(), "a", order("o-1", "59.99 USD")).await, (200, first.clone()));
        for other in [order("o-1", "60.00 USD"), order("o-2", "59.99 USD")] {
            let (status, answer) = post(shop.clone(), "a", other).await;
            assert_eq!((status, &answer["error"]), (409, &json!("key_reused")), "{answer}");
        }
        for amount in ["59.99 USD", "60.00 USD"] {
            let (status, answer) = post(shop.clone(), "b", order("o-1", amount)).await;
            assert_eq!((status, &answer["error"]), (422, &json!("order_taken")), "{answer}");
        }
    }
    assert_eq!(sound(&database, &shop).await, 1);
}

/// An order that the ledger had refused stood in the shop, or had used up its key.
#[tokio::test]
async fn what_is_refused_leaves_no_order() {
    let (database, shop) = opened().await;
    let nobody = json!({ "number": "o-1", "payee": "nobody", "amount": "1.00 USD", "day": "2026-03-01" });
    let early = json!({ "number": "o-1", "payee": "kim", "amount": "1.00 USD", "day": "2025-12-31" });
    let cases = [
        (nobody, "unknown_payee"),
        (order("o-1", "1.00 EUR"), "rejected"),
        (order("o-1", "-1.00 USD"), "rejected"),
        (early, "rejected"),
    ];
    for (order, reason) in cases {
        let (status, answer) = post(shop.clone(), "a", order).await;
        assert_eq!((status, &answer["error"]), (422, &json!(reason)), "{answer}");
    }
    let long = "k".repeat(200);
    for (key, order, expected) in [
        ("", order("o-1", "1.00 USD"), 400),
        ("two words", order("o-1", "1.00 USD"), 400),
        (&long, order("o-1", "1.00 USD"), 400),
        ("a", order("o-1", "1.005 USD"), 422),
        ("a", order("", "1.00 USD"), 422),
        ("a", json!({}), 422),
    ] {
        let (status, answer) = post(shop.clone(), key, order).await;
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(sound(&database, &shop).await, 0);
    // The key is free, and not one of the setup's.
    assert_eq!(post(shop.clone(), "a", order("o-1", "1.00 USD")).await.0, 201);
    assert_eq!(post(shop.clone(), "setup-1", order("o-2", "1.00 USD")).await.0, 201);
    assert_eq!(sound(&database, &shop).await, 2);
}

/// A process that died between its two writes left an order without a share.
#[tokio::test]
async fn a_crash_between_the_row_and_the_commit_leaves_neither() {
    let (database, survivor) = opened().await;
    let process = Runtime::new().unwrap();
    let doomed = process.spawn(shop(database.url(), 2)).await.unwrap();
    let held = hold(&database).await;
    process.spawn(async move { post(doomed, "a", order("o-1", "59.99 USD")).await });
    until(&database, SOMEBODY_WAITS).await;
    // All that it was at is gone when this comes back.
    spawn_blocking(move || drop(process)).await.unwrap();
    held.rollback().await.unwrap();
    until(&database, NOBODY_IS_AT_IT).await;
    assert_eq!(sound(&database, &survivor).await, 0);
    assert_eq!(post(survivor.clone(), "a", order("o-1", "59.99 USD")).await.0, 201);
    assert_eq!(sound(&database, &survivor).await, 1);
}

/// A client was told of a connection that had broken, where doing it once more was enough.
#[tokio::test]
async fn a_connection_that_breaks_is_the_shops_own_affair() {
    let (database, shop) = opened().await;
    let held = hold(&database).await;
    let client = tokio::spawn(post(shop.clone(), "a", order("o-1", "59.99 USD")));
    until(&database, SOMEBODY_WAITS).await;
    const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    database.pool().execute(KILL).await.unwrap();
    held.rollback().await.unwrap();
    assert_eq!(client.await.unwrap().0, 201);
    assert_eq!(sound(&database, &shop).await, 1);
}

/// A client that hung up ended the booking in the middle, and its key was left in doubt.
#[tokio::test]
async fn a_client_that_goes_away_cuts_nothing() {
    let (database, shop) = opened().await;
    let held = hold(&database).await;
    let client = tokio::spawn(post(shop.clone(), "a", order("o-1", "59.99 USD")));
    until(&database, SOMEBODY_WAITS).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    held.rollback().await.unwrap();
    until(&database, "SELECT EXISTS (SELECT FROM orders)").await;
    assert_eq!(post(shop.clone(), "a", order("o-1", "59.99 USD")).await.0, 200);
    assert_eq!(sound(&database, &shop).await, 1);
}

/// Who waited for a lock without end held a connection, and soon there was none left for anybody.
#[tokio::test]
async fn a_ledger_that_is_locked_for_long_is_said_to_be_busy() {
    let database = Server::shared().database().await;
    let shop = shop_that_waits("100ms", database.url(), 2).await;
    let held = hold(&database).await;
    let (status, answer) = post(shop.clone(), "a", order("o-1", "59.99 USD")).await;
    assert_eq!((status, &answer["error"]), (503, &json!("busy")), "{answer}");
    held.rollback().await.unwrap();
    assert_eq!(sound(&database, &shop).await, 0);
    assert_eq!(post(shop.clone(), "a", order("o-1", "59.99 USD")).await.0, 201);
    assert_eq!(sound(&database, &shop).await, 1);
}

/// The shop does not know what became of its commit. 201 tells that it was never sent, 200 that it was done.
#[tokio::test]
async fn a_lost_answer_to_the_commit_is_found_out() {
    for (delivered, expected) in [(false, 201), (true, 200)] {
        let (database, direct) = opened().await;
        let cut = Arc::new(AtomicBool::new(false));
        let shop = shop(wire(&database, delivered, cut.clone()).await, 2).await;
        cut.store(true, Ordering::SeqCst);
        let answer = post(shop, "a", order("o-1", "59.99 USD")).await;
        assert_eq!(answer, (expected, json!({ "order": "o-1", "share": "50.99 USD" })));
        assert!(!cut.load(Ordering::SeqCst), "the wire was not cut");
        assert_eq!(sound(&database, &direct).await, 1);
    }
}

/// A wire to the database that breaks at the next `COMMIT` once it is said to: before that is delivered, or before the answer is.
async fn wire(database: &Database, delivered: bool, cut: Arc<AtomicBool>) -> String {
    trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
    let options: PgConnectOptions = database.url().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut client = listener.accept().await.unwrap().0;
            let mut server: Box<dyn Stream> = match options.get_socket() {
                Some(folder) => {
                    let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
                    Box::new(UnixStream::connect(socket).await.unwrap())
                }
                None => Box::new(TcpStream::connect((options.get_host(), options.get_port())).await.unwrap()),
            };
            let cut = cut.clone();
            tokio::spawn(async move {
                let (mut sent, mut answered) = ([0; 10_000], [0; 10_000]);
                loop {
                    tokio::select! {
                        Ok(size @ 1..) = client.read(&mut sent) => {
                            let breaks = sent[..size].windows(7).any(|word| word == b"COMMIT\0") && cut.swap(false, Ordering::SeqCst);
                            if breaks && !delivered { return }
                            server.write_all(&sent[..size]).await.unwrap();
                            if breaks { return drop(server.read(&mut answered).await) }
                        }
                        Ok(size @ 1..) = server.read(&mut answered) => client.write_all(&answered[..size]).await.unwrap(),
                        else => return,
                    }
                }
            });
        }
    });
    let url = database.url();
    let (user, rest) = url.rsplit_once('@').unwrap();
    format!("{user}@{address}/{}", rest.split_once('/').unwrap().1)
}

/// Of clients with the same key some were told of a conflict, or booked a second order.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_with_the_same_key_book_once() {
    let (database, shop) = opened().await;
    let other = self::shop(database.url(), 4).await;
    let clients = (0..16).map(|client| {
        let shop = if client % 2 == 0 { &shop } else { &other };
        tokio::spawn(post(shop.clone(), "a", order("o-1", "59.99 USD")))
    });
    let answers: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|(_, body)| *body == answers[0].1), "{answers:?}");
    let with = |status| answers.iter().filter(|answer| answer.0 == status).count();
    assert_eq!((with(201), with(200)), (1, 15), "{answers:?}");
    assert_eq!(sound(&database, &shop).await, 1);
}

/// Of two orders that came at once for the same payee, one was refused or lost.
#[tokio::test(flavor = "multi_thread")]
async fn orders_at_once_are_all_booked() {
    let (database, one) = opened().await;
    let other = shop(database.url(), 2).await;
    for round in 0..10 {
        let (a, b) = (format!("a-{round}"), format!("b-{round}"));
        let answers = tokio::join!(
            post(one.clone(), &a, order(&a, "10.00 USD")),
            post(other.clone(), &b, order(&b, "20.00 USD"))
        );
        assert_eq!((answers.0.0, answers.1.0), (201, 201));
    }
    assert_eq!(get(&one, "kim").await["earned"], "255.00 USD");
    assert_eq!(sound(&database, &one).await, 20);
}

/// A booking that asked for a second connection while it held the first one waited for itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough() {
    let database = Server::shared().database().await;
    let shop = shop(database.url(), 1).await;
    let numbers: Vec<_> = (0..8).map(|number| format!("o-{number}")).collect();
    let answers = join_all(numbers.iter().map(|number| post(shop.clone(), number, order(number, "1.00 USD")))).await;
    assert!(answers.iter().all(|answer| answer.0 == 201), "{answers:?}");
    assert_eq!(get(&shop, "kim").await["payable"], "6.80 USD");
    assert_eq!(sound(&database, &shop).await, 8);
}

/// The ledger's migrations were told in the shop's own table, and each found the other's unknown.
#[tokio::test]
async fn the_shops_migrations_and_the_ledgers_do_not_meet() {
    const SHOPS: &str = "SELECT string_agg(m::text, ' ' ORDER BY version) FROM public._sqlx_migrations AS m";
    const TABLES: &str =
        "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
    let database = Server::shared().empty().await;
    PgStore::migrate(&database.url(), SCHEMA_VERSION, &Roles::default()).await.unwrap();
    let first = shop(database.url(), 2).await;
    assert_eq!(post(first.clone(), "a", order("o-1", "59.99 USD")).await.0, 201);
    let head = first.ledger().store().head(first.ledger().name()).await.unwrap();
    let shops: String = query_scalar(SHOPS).fetch_one(database.pool()).await.unwrap();
    for version in [1, SCHEMA_VERSION] {
        PgStore::migrate(&database.url(), version, &Roles::default()).await.unwrap();
    }
    // Opened again, it finds everything done.
    let second = shop(database.url(), 2).await;
    assert_eq!(second.ledger().store().head(second.ledger().name()).await.unwrap(), head);
    assert_eq!(query_scalar::<_, String>(SHOPS).fetch_one(database.pool()).await.unwrap(), shops);
    let tables: String = query_scalar(TABLES).fetch_one(database.pool()).await.unwrap();
    assert_eq!(tables, "_sqlx_migrations orders");
    assert_eq!(sound(&database, &second).await, 1);
}
