//! The engine under concurrency and failure: nothing lost, nothing twice, nothing decided on what is no longer so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod faulty;
mod feed;
mod runner;
mod snapshots;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use faulty::{Cut, Fault, FaultyStore};
use ledger_core::command::Request;
use ledger_core::decide::Rejection;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::engine::{Advice, Env, ExecuteError, Ledger, Preview, Receipt, Tuning, direct};
use ledger_core::event::Event;
use ledger_core::id::{Key, LedgerName, PayoutId};
use ledger_core::recorded::{Recorded, decode_page};
use ledger_core::store::{BoxFuture, Store, StoreError};
use ledger_core::{account, cap, payout};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::task::JoinSet;

const SETUP: &str = r#"
{"settings.open":{"base_currency":"USD","zone":"UTC","capabilities":["manual_payments","manual_amounts"]}}
{"plan.publish":{"plan":"p","document":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}},"cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},"fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"250 USD"}}]}}}
{"payee.enrol":{"payee":"kim","name":"Kim"}}
{"payee.assign":{"payee":"kim","plan":"p","version":1,"from":"2026-01-01"}}"#;

fn request(key: &str, actor: &str, command: &str) -> Request {
    let text = format!(r#"{{"key":"{key}","actor":"{actor}","at":"2026-02-01T09:00:00Z","command":{command}}}"#);
    serde_json::from_str(&text).unwrap()
}

fn deal(number: usize) -> Request {
    let command = format!(
        r#"{{"deal.record":{{"deal":"d-{number}","gci":{{"amount":"1000 USD"}},"attribution":{{"equal":["kim"]}},"completed_on":"2026-01-10"}}}}"#
    );
    request(&format!("deal-{number}"), "ann", &command)
}

/// A completion that no store takes was refused without its size, the limit or a way out, and previewed as granted.
#[tokio::test]
async fn what_is_too_large_says_by_how_much_and_what_to_do() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let reason = "r".repeat(500);
    let adjustment =
        format!(r#"{{"from":"company","to":{{"payee":"kim"}},"amount":"1 USD","reason":"{reason}","actor":"omar"}}"#);
    let large = vec![adjustment; 60].join(",");
    let request = request(
        "large",
        "ann",
        &format!(
            r#"{{"deal.record_sides":{{"deal":"d","completed_on":"2026-01-10","sides":[{{"gci":{{"amount":"1000 USD"}},"payees":[{{"payee":"kim"}}],"adjustments":[{large}]}}]}}}}"#
        ),
    );
    let error = ledger.execute(request.clone()).await.unwrap_err();
    let ExecuteError::Rejected(Rejection::TooLarge { event, bytes }) = &error else { panic!("{error:?}") };
    assert_eq!(event, "deal.completed");
    assert_eq!(
        error.to_string(),
        format!(
            "deal.completed would have {bytes} bytes, and at most 65536 are stored: split the deal, or shorten its names and \
             reasons"
        )
    );
    assert!(*bytes > 65_536);
    assert_eq!(ledger.preview(&request).await.unwrap_err(), error);
}

fn create(key: &str) -> Request {
    request(key, "ann", r#"{"payout.create":{"payee":"kim"}}"#)
}

fn open(store: &Arc<FaultyStore>) -> Ledger {
    let store: Arc<dyn Store> = store.clone();
    Ledger::new(store, Arc::new(TokioEnv::current()), LedgerName::new("main").unwrap())
}

async fn ready(store: &Arc<FaultyStore>) -> Ledger {
    let ledger = open(store);
    for (number, command) in SETUP.trim().lines().enumerate() {
        ledger.execute(request(&format!("setup-{number}"), "ann", command)).await.unwrap();
    }
    ledger
}

/// Deals, payouts of them, and what becomes of those: up to so many requests, the same for the same number.
async fn story(ledger: &Ledger, requests: usize) {
    for number in 0..requests {
        if number % 4 < 3 {
            ledger.execute(deal(number)).await.unwrap();
            continue;
        }
        let payout = ledger.execute(create(&format!("pay-{number}"))).await.unwrap().payout().unwrap();
        let moved = |verb: &str, more: &str| format!(r#"{{"payout.{verb}":{{"payout":"{payout}"{more}}}}}"#);
        ledger.execute(request(&format!("submit-{number}"), "ann", &moved("submit", ""))).await.unwrap();
        let (verb, more) = if number % 8 < 4 { ("approve", "") } else { ("reject", r#","reason":"no""#) };
        ledger.execute(request(&format!("{verb}-{number}"), "bob", &moved(verb, more))).await.unwrap();
    }
}

async fn log(ledger: &Ledger) -> Vec<Recorded> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(0, |recorded: &Recorded| recorded.sequence);
        let page = ledger.store().read_log(ledger.name(), after, 100).await.unwrap();
        if page.requests.is_empty() {
            return all;
        }
        all.extend(decode_page(ledger.name().as_str(), after, &page).unwrap());
    }
}

/// Contributions to the cap, in cents, and how many entries are booked and how often one is claimed.
fn tally(log: &[Recorded]) -> (i64, usize, usize) {
    let (mut contributed, mut booked, mut claimed) = (0, 0, 0);
    for recorded in log {
        match &recorded.event {
            Event::Cap(cap::Event::Contributed { amount, .. }) => contributed += amount.minor(),
            Event::Account(account::Event::EntryBooked { .. }) => booked += 1,
            Event::Account(account::Event::EntriesClaimed { entries, .. }) => claimed += entries.len(),
            _ => {}
        }
    }
    (contributed, booked, claimed)
}

async fn all(requests: impl IntoIterator<Item = (Ledger, Request)>) -> Vec<Result<Receipt, ExecuteError>> {
    let mut set = JoinSet::new();
    for (ledger, request) in requests {
        set.spawn(async move { ledger.execute(request).await });
    }
    set.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_stream_costs_one_commit_a_group_and_the_cap_holds() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let before = store.appends.load(Ordering::Relaxed);
    // 60 deals of 300 company dollar each: 50 of them fill the cap of 15,000 to the cent.
    let receipts = all((0..60).map(|number| (ledger.clone(), deal(number)))).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
    assert_eq!(tally(&log(&ledger).await), (1_500_000, 60, 0));
    let commits = store.appends.load(Ordering::Relaxed) - before;
    assert!(commits < 30, "60 requests took {commits} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_ledger_lose_nothing_and_hold_the_cap() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    let requests = (0..80).map(|number| (if number % 2 == 0 { one.clone() } else { two.clone() }, deal(number)));
    let receipts = all(requests).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
    assert_eq!(tally(&log(&one).await), (1_500_000, 80, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_claimed_once_whoever_asks() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    one.execute(deal(1)).await.unwrap();
    let asked = (0..20).map(|n| (if n % 2 == 0 { one.clone() } else { two.clone() }, create(&format!("pay-{n}"))));
    let receipts = all(asked).await;
    assert_eq!(receipts.iter().filter(|receipt| receipt.is_ok()).count(), 1);
    for refused in receipts.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, ExecuteError::Rejected(Rejection::Payout(_))), "{refused}");
    }
    assert_eq!(tally(&log(&one).await).2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_lost_on_the_way_a_request_has_one_effect() {
    use Fault::{ReplyLost, RequestLost, Unavailable};
    for faults in [&[ReplyLost][..], &[RequestLost], &[Unavailable], &[ReplyLost, RequestLost, Unavailable, ReplyLost]]
    {
        let store = FaultyStore::new(&[]);
        let ledger = ready(&store).await;
        faults.iter().for_each(|fault| store.fail_next(*fault));
        let first = ledger.execute(deal(1)).await.unwrap();
        assert_eq!(ledger.execute(deal(1)).await.unwrap(), first, "after {faults:?}");
        assert_eq!(tally(&log(&ledger).await), (30_000, 1, 0), "after {faults:?}");
    }
}

/// Found by the simulator: a request arrived twice, the second answer said that it was stored before, reading it back failed,
/// and the caller was told that certainly nothing had happened.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_and_cannot_be_read_back_is_never_said_to_be_nothing() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    store.fail_next(Fault::Twice);
    let answer = ledger.execute(deal(1)).await;
    assert!(matches!(answer, Err(ExecuteError::Store(StoreError::Unknown(_)))), "{answer:?}");
    assert_eq!(ledger.execute(deal(1)).await.unwrap().events.len(), 5);
}

/// The same, in a transaction of a host's. Found by the simulator when it took that way, too.
#[tokio::test]
async fn what_is_stored_and_cannot_be_read_back_is_never_said_to_be_nothing_without_a_queue_either() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    store.fail_next(Fault::Twice);
    let answer = direct::execute(&*store, ledger.name(), &deal(1)).await;
    assert!(matches!(answer, Err(ExecuteError::Store(StoreError::Unknown(_)))), "{answer:?}");
    assert_eq!(direct::execute(&*store, ledger.name(), &deal(1)).await.unwrap().events.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_away_is_an_error_that_says_retry() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    (0..10).for_each(|_| store.fail_next(Fault::RequestLost));
    let error = ledger.execute(deal(1)).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry, "{error}");
    ledger.execute(deal(1)).await.unwrap();
    assert_eq!(tally(&log(&ledger).await), (30_000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_first_receipt_although_deciding_again_would_reject_it() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    ledger.execute(deal(1)).await.unwrap();
    let first = ledger.execute(create("pay")).await.unwrap();
    assert_eq!(ledger.execute(create("pay")).await.unwrap(), first);
    let again = ledger.execute(create("pay-2")).await.unwrap_err();
    assert!(again.to_string().contains("nothing is payable to kim"), "{again}");
    // Another process, which has nothing in its cache, gives the same.
    assert_eq!(open(&store).execute(create("pay")).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_command_and_one_actor() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    ledger.execute(deal(1)).await.unwrap();
    let mut other_command = deal(2);
    other_command.key = deal(1).key;
    let mut other_actor = deal(1);
    other_actor.actor = "bob".parse().unwrap();
    for reused in [other_command, other_actor] {
        let error = ledger.execute(reused).await.unwrap_err();
        assert!(matches!(error, ExecuteError::KeyReused { .. }), "{error}");
        assert_eq!(error.advice(), Advice::Reject);
    }
    let mut later = deal(1);
    later.at += chrono::TimeDelta::days(1);
    ledger.execute(later).await.expect("time is no part of what was asked");
}

/// A key that was used for another deal derives the identifier of an entry that is there already. That was taken for damage
/// of the ledger instead of a reused key.
#[tokio::test(flavor = "multi_thread")]
async fn a_reused_key_is_no_damage_also_within_one_group() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let mut reused = deal(2);
    reused.key = deal(1).key;
    let mut outcomes = all([(ledger.clone(), deal(1)), (ledger.clone(), reused)]).await;
    outcomes.sort_by_key(Result::is_err);
    assert!(matches!(outcomes[..], [Ok(_), Err(ExecuteError::KeyReused { .. })]), "{outcomes:?}");
    assert_eq!(tally(&log(&ledger).await), (30_000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_sent_by_many_at_once_has_one_effect_and_one_receipt() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    let asked = (0..30).map(|n| (if n % 2 == 0 { one.clone() } else { two.clone() }, deal(7)));
    let receipts: Vec<_> = all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    assert_eq!(tally(&log(&one).await), (30_000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_from_the_cache_is_confirmed_before_it_is_given() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    let assign = r#"{"payee.assign":{"payee":"lee","plan":"p","version":1,"from":"2026-01-01"}}"#;
    one.execute(request("a", "ann", assign)).await.expect_err("lee is unknown, and is now cached as unknown");
    two.execute(request("b", "ann", r#"{"payee.enrol":{"payee":"lee","name":"Lee"}}"#)).await.unwrap();
    one.execute(request("a", "ann", assign)).await.expect("lee is known now");
}

#[tokio::test]
async fn what_was_decided_on_a_request_that_then_failed_is_decided_again() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    one.execute(deal(1)).await.unwrap();
    two.execute(create("other")).await.unwrap();
    // `one` still believes the entry of deal 1 payable. It decides a claim of it, and on top of that refuses a second claim;
    // the first must fail on its guard, and the second must not be refused for the first one's sake.
    let outcomes = all([(one.clone(), create("x")), (one.clone(), deal(2)), (one.clone(), create("y"))]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2, "{outcomes:?}");
    assert_eq!(tally(&log(&one).await).2, 2, "the entries of both deals are claimed, each once");
}

/// A payout was created and submitted in one group. The creation met another writer and was put back, and the submission, of
/// a payout that was not there yet, was refused for good instead of waiting for it.
#[tokio::test]
async fn what_rests_on_an_earlier_request_waits_for_it() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    one.execute(create("x")).await.expect_err("nothing is payable, and the empty account is cached");
    two.execute(deal(1)).await.unwrap();
    let id = PayoutId::derive(one.name(), &create("x").key, 0);
    let submit = request("s", "ann", &format!(r#"{{"payout.submit":{{"payout":"{id}"}}}}"#));
    let outcomes = all([(one.clone(), create("x")), (one.clone(), submit)]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cuts_nothing() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    {
        let mut execute = pin!(ledger.execute(deal(1)));
        drop(execute.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    }
    ledger.execute(deal(2)).await.unwrap();
    assert_eq!(tally(&log(&ledger).await), (60_000, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_store_stops_the_group_and_nothing_else() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    store.fail_next(Fault::Panic);
    let error = ledger.execute(deal(1)).await.unwrap_err();
    assert_eq!((error.advice(), &error), (Advice::Retry, &ExecuteError::Stopped));
    // The driver may still be on its way out, and take a request with it that comes that early.
    while ledger.execute(deal(1)).await == Err(ExecuteError::Stopped) {}
    assert_eq!(tally(&log(&ledger).await), (30_000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_would_happen_and_does_nothing() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let head = store.head(ledger.name()).await.unwrap();
    let Preview::Would(decision) = ledger.preview(&deal(1)).await.unwrap() else { panic!("it was not done yet") };
    assert_eq!(store.head(ledger.name()).await.unwrap(), head);
    let receipt = ledger.execute(deal(1)).await.unwrap();
    let done: Vec<_> = receipt.events.iter().map(|recorded| &recorded.event).collect();
    assert_eq!(decision.events.iter().map(|(_, event)| event).collect::<Vec<_>>(), done);
    assert_eq!(ledger.preview(&deal(1)).await.unwrap(), Preview::Done(receipt));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_what_the_log_says() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let mut receipts = Vec::new();
    for number in 0..5 {
        receipts.extend(ledger.execute(deal(number)).await.unwrap().events);
    }
    let log = log(&ledger).await;
    assert_eq!(receipts, log[log.len() - receipts.len()..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_reads_once_for_each_step_of_its_dependencies() {
    let store = FaultyStore::new(&[]);
    drop(ready(&store).await);
    let cold = open(&store);
    let before = store.reads.load(Ordering::Relaxed);
    cold.execute(deal(1)).await.unwrap();
    // Settings, payee, plan, and cap with account: four steps, each within one page. The deal is new.
    assert_eq!(store.reads.load(Ordering::Relaxed) - before, 4);
    cold.execute(deal(2)).await.unwrap();
    assert_eq!(store.reads.load(Ordering::Relaxed) - before, 4, "the second deal reads nothing");
}

/// What a request makes is at first taken for empty without a look. Were that all, a deal that another process knows would be
/// contended for ever, or its first receipt would be that of a decision on nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_for_new_and_is_known_is_told_at_the_first_attempt() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let first = ledger.execute(deal(1)).await.unwrap();
    let again = |number: usize| Request { key: format!("again-{number}").parse().unwrap(), ..deal(1) };
    for number in 0..3 {
        let env = Arc::new(TokioEnv::current());
        let once = Tuning { commit_attempts: 1, ..Tuning::default() };
        let cold = Ledger::tuned(store.clone(), env, LedgerName::new("main").unwrap(), once);
        let answer = cold.execute(again(number)).await;
        assert!(answer.as_ref().is_err_and(ExecuteError::is_already_known), "{answer:?}");
        assert_eq!(cold.execute(deal(1)).await.unwrap(), first);
    }
    let cold = open(&store);
    let asked = (0..5).map(again).chain([deal(1), deal(2)]).map(|request| (cold.clone(), request));
    let answers = all(asked).await;
    let known = answers.iter().filter(|answer| answer.as_ref().is_err_and(ExecuteError::is_already_known)).count();
    assert_eq!((known, answers.contains(&Ok(first))), (5, true), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "{answers:?}");
    assert_eq!(tally(&log(&ledger).await).1, 2);
}

/// Two payees under one plan: the decision named the plan's stream twice, the second naming found nothing in the cache and
/// loaded it over the group's own state, and the group failed on its guard again and again.
#[tokio::test]
async fn a_stream_that_is_needed_twice_is_loaded_once() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let lee = [
        r#"{"payee.enrol":{"payee":"lee","name":"Lee"}}"#,
        r#"{"payee.assign":{"payee":"lee","plan":"p","version":1,"from":"2026-01-01"}}"#,
    ];
    for (number, command) in lee.iter().enumerate() {
        ledger.execute(request(&format!("lee-{number}"), "ann", command)).await.unwrap();
    }
    let flat = r#"{"currency":"USD","split":{"flat":{"payee":"0.5","company":"0.5"}}}"#;
    let publish = format!(r#"{{"plan.publish":{{"plan":"p","document":{flat}}}}}"#);
    let shared = r#"{"deal.record":{"deal":"both","gci":{"amount":"1000 USD"},"attribution":{"equal":["kim","lee"]},"completed_on":"2026-01-10"}}"#;
    let before = store.appends.load(Ordering::Relaxed);
    let asked = [request("publish", "ann", &publish), request("both", "ann", shared)];
    let outcomes = all(asked.map(|request| (ledger.clone(), request))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(store.appends.load(Ordering::Relaxed) - before, 1, "one commit for the group");
}

/// Each request of a group waited for the store by itself, five seconds where a pool gives up: an import said nothing for minutes.
#[tokio::test]
async fn a_store_that_is_away_is_asked_once_for_a_group() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    for lee in 0..20 {
        let enrol = format!(r#"{{"payee.enrol":{{"payee":"lee-{lee}","name":"Lee"}}}}"#);
        ledger.execute(request(&format!("enrol-{lee}"), "ann", &enrol)).await.unwrap();
    }
    let ledger = open(&store);
    let before = store.reads.load(Ordering::Relaxed);
    store.blind.store(true, Ordering::Relaxed);
    let assign = |lee| {
        let assign =
            format!(r#"{{"payee.assign":{{"payee":"lee-{lee}","plan":"p","version":1,"from":"2026-01-01"}}}}"#);
        (ledger.clone(), request(&format!("assign-{lee}"), "ann", &assign))
    };
    let outcomes = all((0..20).map(assign)).await;
    let is_away = |outcome: &Result<_, _>| matches!(outcome, Err(ExecuteError::Store(StoreError::Unavailable(_))));
    assert!(outcomes.iter().all(is_away), "{outcomes:?}");
    let reads = store.reads.load(Ordering::Relaxed) - before;
    assert!(reads <= 3, "{reads} reads of a store that is away");
}

/// Each deal of an import that was told again loaded the account of all of them: 1,500 lines took 28 s instead of 0.3.
#[tokio::test]
async fn what_is_told_again_is_not_decided_again() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let first = all((0..60).map(|number| (ledger.clone(), deal(number)))).await;
    let again = open(&store);
    let before = store.reads.load(Ordering::Relaxed);
    let told = all((0..60).map(|number| (again.clone(), deal(number)))).await;
    let receipt = |answer: &Result<Receipt, ExecuteError>| answer.as_ref().unwrap().request.first_sequence;
    let sorted = |answers: &[_]| answers.iter().map(receipt).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&told), sorted(&first));
    let reads = store.reads.load(Ordering::Relaxed) - before;
    // Pages are small: the account is 20 of them.
    assert!(reads < 60, "{reads} reads of streams for 60 requests");
}

/// One process had the account in its cache, another recorded and reversed a deal. The cached account did not know the entry of
/// the deal that was just loaded, and that was taken for damage.
#[tokio::test]
async fn streams_of_different_age_are_read_again_before_they_are_called_damaged() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    one.execute(deal(1)).await.unwrap();
    two.execute(deal(2)).await.unwrap();
    let reverse = |key: &str, deal: &str| {
        request(key, "ann", &format!(r#"{{"deal.reverse":{{"deal":"{deal}","reason":"it fell through"}}}}"#))
    };
    one.execute(reverse("r-2", "d-2")).await.expect("the account is read again");
    let first = two.execute(reverse("r-1", "d-1")).await.unwrap();
    assert_eq!(one.execute(reverse("r-1", "d-1")).await.unwrap(), first, "a retry gets the first receipt");
}

/// The task that was to drive the queue never ran, and nobody after it was answered.
#[tokio::test]
async fn a_task_that_never_runs_does_not_block_the_ledger() {
    struct LosesTheFirst(AtomicBool, TokioEnv);
    impl Env for LosesTheFirst {
        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.1.sleep(duration)
        }
        fn random(&self) -> u64 {
            0
        }
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            if self.0.swap(true, Ordering::Relaxed) {
                self.1.spawn(task);
            }
        }
    }
    let store = FaultyStore::new(&[]);
    drop(ready(&store).await);
    let env = Arc::new(LosesTheFirst(AtomicBool::new(false), TokioEnv::current()));
    let ledger = Ledger::new(store, env, LedgerName::new("main").unwrap());
    assert_eq!(ledger.execute(deal(1)).await, Err(ExecuteError::Stopped));
    ledger.execute(deal(1)).await.unwrap();
}

/// A file was imported while the store was away for a moment: the lines of one group were not stored, those of the next were, and
/// the cap was reached by other deals than in the file.
#[tokio::test]
async fn nothing_is_carried_out_before_what_was_asked_earlier_in_order() {
    for faults in [&[Fault::Unavailable, Fault::Unavailable] as &[_], &[Fault::Panic]] {
        let store = FaultyStore::new(&[]);
        drop(ready(&store).await);
        let tuning = Tuning { group_requests: 2, commit_attempts: 2, ..Tuning::default() };
        let name = LedgerName::new("main").unwrap();
        let ledger = Ledger::tuned(store.clone(), Arc::new(TokioEnv::current()), name, tuning);
        faults.iter().for_each(|fault| store.fail_next(*fault));
        let (lines, other) = (ledger.in_order(), ledger.in_order());
        let asked: Vec<_> = (1..=6).map(|number| lines.execute(deal(number))).collect();
        let elsewhere = other.execute(deal(7));
        for answer in asked {
            assert_eq!(answer.await.unwrap_err().advice(), Advice::Retry);
        }
        assert_eq!(lines.execute(deal(1)).await, Err(ExecuteError::NotTried));
        // Who is in another order, or in none, is not held up.
        if matches!(faults[0], Fault::Unavailable) {
            elsewhere.await.unwrap();
            assert_eq!(recorded(&store).await, ["deal-7"]);
        }
        let again = ledger.in_order();
        let rejected = request("no", "ann", r#"{"payee.enrol":{"payee":"kim","name":"Other"}}"#);
        assert_eq!(again.execute(rejected).await.unwrap_err().advice(), Advice::Reject);
        for number in 1..=6 {
            again.execute(deal(number)).await.unwrap();
        }
        let keys = recorded(&store).await;
        let keys: Vec<_> = keys.iter().filter(|key| *key != "deal-7").collect();
        assert_eq!(keys, ["deal-1", "deal-2", "deal-3", "deal-4", "deal-5", "deal-6"]);
    }
}

/// Another process moved an account between two lines: the deal was stored after the lines behind it, which had moved its payee to
/// another plan, and was paid by that.
#[tokio::test]
async fn no_request_in_order_is_stored_without_the_one_before_it() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    one.execute(deal(0)).await.unwrap();
    two.execute(deal(50)).await.unwrap();
    let plan = r#"{"currency":"USD","split":{"flat":{"payee":"0.1","company":"0.9"}}}"#;
    let other = format!(r#"{{"plan.publish":{{"plan":"other","document":{plan}}}}}"#);
    two.execute(request("other", "ann", &other)).await.unwrap();
    let lines = one.in_order();
    let end = r#"{"payee.end_assignment":{"payee":"kim","until":"2026-01-10"}}"#;
    let assign = r#"{"payee.assign":{"payee":"kim","plan":"other","version":1,"from":"2026-01-10"}}"#;
    let lee = r#"{"payee.enrol":{"payee":"lee","name":"Lee"}}"#;
    let asked: Vec<_> = [
        deal(1),
        request("deal-end", "ann", end),
        request("deal-assign", "ann", assign),
        request("deal-lee", "ann", lee),
        deal(2),
    ]
    .map(|line| lines.execute(line))
    .into();
    for answer in asked {
        answer.await.unwrap();
    }
    let keys = ["deal-0", "deal-50", "deal-1", "deal-end", "deal-assign", "deal-lee", "deal-2"];
    assert_eq!(recorded(&store).await, keys);
    let earned = |recorded: &Recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { amount, .. }) => Some(amount.to_string()),
        _ => None,
    };
    let earned: Vec<_> = log(&one).await.iter().filter_map(earned).collect();
    assert_eq!(earned, ["700.00 USD", "700.00 USD", "700.00 USD", "100.00 USD"]);
}

/// Beside a rival that was faster than a group of hundreds, an import gave up at its first line.
#[tokio::test]
async fn fewer_in_order_are_sent_at_once_beside_a_faster_rival() {
    let store = FaultyStore::new(&[]);
    let lines = ready(&store).await.in_order();
    store.swift.store(3, Ordering::Relaxed);
    let asked: Vec<_> = (0..60).map(|number| lines.execute(deal(number))).collect();
    for answer in asked {
        answer.await.unwrap();
    }
    let keys: Vec<_> = (0..60).map(|number| format!("deal-{number}")).collect();
    assert_eq!(recorded(&store).await, keys);
}

/// A line that was refused could not be looked up, and the lines before it, which were to be sent again, were given up for it.
#[tokio::test]
async fn a_request_in_order_is_not_held_up_by_one_after_it() {
    let store = FaultyStore::new(&[]);
    let lines = ready(&store).await.in_order();
    store.fail_next(Fault::Unavailable);
    store.cut(0, Cut::Before);
    let pay = request("too-much", "ann", r#"{"payout.create":{"payee":"nobody"}}"#);
    let asked: Vec<_> = [deal(1), deal(2), pay, deal(3)].map(|line| lines.execute(line)).into();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.map(drop));
    }
    let away = ExecuteError::Store(StoreError::Unavailable("no connection".into()));
    assert_eq!(answers, [Ok(()), Ok(()), Err(away), Err(ExecuteError::NotTried)]);
    assert_eq!(recorded(&store).await, ["deal-1", "deal-2"]);
}

/// A payout was created before there was anything to pay: it was refused, and decided again on the deal of the line after it.
#[tokio::test]
async fn a_request_in_order_is_refused_whatever_comes_after_it() {
    let store = FaultyStore::new(&[]);
    let lines = ready(&store).await.in_order();
    let pay = |key: &str| request(key, "ann", r#"{"payout.create":{"payee":"kim"}}"#);
    let asked: Vec<_> =
        [pay("too-early"), deal(1), deal(2), pay("pay"), pay("again"), deal(3)].map(|line| lines.execute(line)).into();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.map(drop).map_err(|error| error.advice()));
    }
    assert_eq!(answers, [Err(Advice::Reject), Ok(()), Ok(()), Ok(()), Err(Advice::Reject), Ok(())]);
    assert_eq!(recorded(&store).await, ["deal-1", "deal-2", "deal-3"]);
}

/// The keys of the deals, in the order in which they were stored.
async fn recorded(store: &FaultyStore) -> Vec<String> {
    let log = store.read_log(&LedgerName::new("main").unwrap(), 0, 1_000).await.unwrap();
    log.requests.iter().map(|row| row.key.to_string()).filter(|key| key.starts_with("deal-")).collect()
}

#[test]
fn a_request_can_be_made_from_outside_the_runtime() {
    let store = FaultyStore::new(&[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ledger = runtime.block_on(ready(&store));
    let answer = ledger.execute(deal(1));
    runtime.block_on(answer).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_stored_is_never_said_to_be_not() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    store.fail_next(Fault::ReplyLost);
    (0..9).for_each(|_| store.fail_next(Fault::ReadsFail));
    let error = ledger.execute(deal(1)).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Store(StoreError::Unknown(_))), "{error}");
    store.heal();
    ledger.execute(deal(1)).await.unwrap();
    assert_eq!(tally(&log(&ledger).await), (30_000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_payment_uses_a_reference_once_whoever_pays() {
    let store = FaultyStore::new(&[]);
    let (one, two) = (ready(&store).await, open(&store));
    let mut payouts = Vec::new();
    for number in 0..2 {
        one.execute(deal(number)).await.unwrap();
        let payout = one.execute(create(&format!("pay-{number}"))).await.unwrap().payout().unwrap();
        let move_it = |verb: &str| format!(r#"{{"payout.{verb}":{{"payout":"{payout}"}}}}"#);
        one.execute(request(&format!("submit-{number}"), "ann", &move_it("submit"))).await.unwrap();
        one.execute(request(&format!("approve-{number}"), "bob", &move_it("approve"))).await.unwrap();
        payouts.push(payout);
    }
    let pay = |n: usize| {
        let payout = payouts[n];
        let details = r#""method":"cheque","reference":"1001","account":"main""#;
        request(
            &format!("paid-{n}"),
            "cat",
            &format!(r#"{{"payout.record_manual_payment":{{"payout":"{payout}",{details}}}}}"#),
        )
    };
    let outcomes = all([(one.clone(), pay(0)), (two.clone(), pay(1))]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let paid = log(&one).await.iter().filter(|r| matches!(r.event, Event::Payout(payout::Event::Paid { .. }))).count();
    assert_eq!(paid, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is sent how often, by which process, in which order, and whatever is lost on the way: one key has one receipt,
    /// and its events are in the log once.
    #[test]
    fn the_same_key_has_the_same_receipt(
        sent in vec((0..12_usize, any::<bool>(), proptest::option::weighted(0.2, 0..3_usize)), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = FaultyStore::new(&[]);
            let (one, two) = (ready(&store).await, open(&store));
            let mut first: BTreeMap<Key, Receipt> = BTreeMap::new();
            for (number, by_one, fault) in sent {
                let asked = if number % 4 == 3 { create(&format!("pay-{number}")) } else { deal(number) };
                let fault = fault.map(|place| [Fault::ReplyLost, Fault::RequestLost, Fault::Unavailable][place]);
                fault.into_iter().for_each(|fault| store.fail_next(fault));
                let answer = if by_one { &one } else { &two }.execute(asked.clone()).await;
                store.heal();
                match (first.get(&asked.key), answer) {
                    (Some(first), answer) => assert_eq!(answer.as_ref(), Ok(first)),
                    (None, Ok(receipt)) => drop(first.insert(asked.key, receipt)),
                    (None, Err(error)) => assert!(matches!(error, ExecuteError::Rejected(_)), "{error}"),
                }
            }
            let log = log(&one).await;
            for (key, receipt) in first {
                let stored: Vec<_> = log.iter().filter(|recorded| recorded.request.key == key).cloned().collect();
                assert_eq!(stored, receipt.events);
            }
        });
    }
}

/// A writer went on with the plan that it had read before, or met the same conflict for ever.
#[tokio::test]
async fn what_another_writer_changed_counts_also_where_it_was_only_read() {
    let store = FaultyStore::new(&[]);
    let here = ready(&store).await;
    here.execute(deal(1)).await.unwrap();
    let elsewhere = open(&store);
    let end = r#"{"payee.end_assignment":{"payee":"kim","until":"2026-01-05"}}"#;
    elsewhere.execute(request("end", "ann", end)).await.unwrap();
    let answer = here.execute(deal(2)).await;
    assert!(matches!(answer, Err(ExecuteError::Rejected(Rejection::Payee(_)))), "{answer:?}");
}

/// A bulk approval can be decided again, and comes to nothing the second time: its receipt must still be the first.
#[tokio::test]
async fn a_bulk_approval_that_is_sent_again_has_its_first_receipt() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    ledger.execute(deal(1)).await.unwrap();
    let payout = ledger.execute(create("payout")).await.unwrap().payout().unwrap();
    let submit = format!(r#"{{"payout.submit":{{"payout":"{payout}"}}}}"#);
    ledger.execute(request("submit", "ann", &submit)).await.unwrap();
    let bulk = request("bulk", "cat", &format!(r#"{{"payout.approve_bulk":{{"payouts":["{payout}"]}}}}"#));
    let first = ledger.execute(bulk.clone()).await.unwrap();
    assert_eq!(ledger.execute(bulk).await.unwrap(), first);
}

/// A row that was changed in the database was folded into a report, and answered as a receipt.
#[tokio::test]
async fn a_row_that_is_not_what_its_digest_says_is_not_read() {
    let ledger = ready(&FaultyStore::new(&[])).await;
    ledger.execute(deal(1)).await.unwrap();
    let page = ledger.store().read_log(ledger.name(), 0, 100).await.unwrap();
    assert!(decode_page("main", 0, &page).is_ok());
    for index in 0..page.events.len() {
        let mut changed = page.clone();
        changed.events[index].effective = "2026-01-11".parse().unwrap();
        let sequence = changed.events[index].sequence;
        assert_eq!(decode_page("main", 0, &changed).unwrap_err().sequence, sequence);
    }
    assert!(decode_page("other", 0, &page).is_err(), "it is of another ledger");
}
