//! The log as it is stored, read again from its beginning.

use std::collections::BTreeSet;

use ledger_core::account;
use ledger_core::chain::Digest;
use ledger_core::event::Event;
use ledger_core::projection::replay::{replay, replay_through};
use ledger_core::projection::{All, Projected};
use ledger_core::recorded::decode_page;
use ledger_core::slice::Folded;
use ledger_core::store::{StoreError, StreamAfter};
use ledger_core::stream::{StreamId, Tip};
use ledger_core::verify::verify;

use crate::book::{Book, Violation, broken};
use crate::scheduler::now;

/// The chain holds, and the log keeps its own laws.
///
/// # Errors
/// The first [`Violation`].
pub fn holds(book: &Book) -> Result<(), Violation> {
    if let Err(error) = now(verify(&**book.store(), &book.name, None, |_| {})) {
        return broken("verify", error.to_string());
    }
    let report = book.laws.clone().finish();
    if !report.is_clean() {
        return broken("laws", format!("{:?}", report.differences().first()));
    }
    Ok(())
}

/// A replay to the middle, and on from the checkpoint that was kept there, through pages of some size, comes to what was folded
/// live, byte for byte; and the log is read as of any place, but not folded with a gap.
///
/// # Errors
/// The first [`Violation`].
pub fn replays(book: &Book, page: usize) -> Result<(), Violation> {
    let (store, name) = (&**book.store(), &book.name);
    reads_as_of(book, book.end_in_the_middle())?;
    refuses_a_gap(book)?;
    let middle = book.end_in_the_middle();
    let half = replay_through(store, name, Projected::<All>::new(), middle, page, |_| {});
    let half = now(half).or_else(|error| broken("replay", error.to_string()))?;
    let kept = half.save_each().or_else(|error| broken("checkpoint", error.to_string()))?;
    let half = Projected::<All>::restore_each(&kept).or_else(|error| broken("checkpoint", error.to_string()))?;
    let mut half = now(replay(store, name, half, page, |_| {})).or_else(|error| broken("replay", error.to_string()))?;
    // What is delivered again changes nothing.
    let again = now(store.read_log(name, 0, page)).or_else(|error| broken("log", error.to_string()))?;
    let again = decode_page(name.as_str(), 0, &again).or_else(|error| broken("log", error.to_string()))?;
    half.fold(&again).or_else(|gap| broken("replay", gap.to_string()))?;
    let (live, replayed) = (book.projected.state(), half.state());
    for ((name, live), (_, replayed)) in live.fingerprints().into_iter().zip(replayed.fingerprints()) {
        if live != replayed {
            return broken("replay", format!("{name} replayed from event {middle} is not what was folded live"));
        }
    }
    // Equal fingerprints are equal bytes; the states must also be equal as values.
    if live != replayed {
        return broken("fingerprint", "states differ whose fingerprints do not");
    }
    Ok(())
}

/// What is read as of a sequence is what the log held there, whatever came after.
fn reads_as_of(book: &Book, at: u64) -> Result<(), Violation> {
    let log = book.log()?;
    let read = async {
        let streams: BTreeSet<_> = log.events.iter().rev().take(3).map(|event| event.stream.clone()).collect();
        let after: Vec<_> = streams.iter().map(|stream| StreamAfter { stream: stream.clone(), after: 0 }).collect();
        let page = book.store().read_streams(&book.name, &after, Some(at), usize::MAX).await?;
        let then = log.events.into_iter().filter(|event| event.sequence <= at && streams.contains(&event.stream));
        Ok((page, then.collect::<Vec<_>>()))
    };
    let (page, then) = now(read).or_else(|error: StoreError| broken("log", error.to_string()))?;
    if page.at != at || !then.starts_with(&page.events) || page.more != (page.events.len() < then.len()) {
        return broken("as of", format!("three streams read as of event {at} are not what they were"));
    }
    Ok(())
}

/// A stream that a row is missing of is not folded.
fn refuses_a_gap(book: &Book) -> Result<(), Violation> {
    let page =
        now(book.store().read_log(&book.name, 0, usize::MAX)).or_else(|error| broken("log", error.to_string()))?;
    let recorded = decode_page(book.name.as_str(), 0, &page).or_else(|error| broken("log", error.to_string()))?;
    let account = recorded.iter().rev().find_map(|recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { payee, amount, .. }) => Some((payee.clone(), amount.currency())),
        _ => None,
    });
    let Some((payee, currency)) = account else { return Ok(()) };
    let stream = StreamId::Account { payee, currency };
    let (name, mut folded) = (stream.name(), Folded::empty(&stream));
    let of_stream: Vec<_> = recorded.iter().filter(|recorded| recorded.stream == name).collect();
    let missing = of_stream.len() / 2;
    let rest = of_stream.iter().enumerate().filter(|(place, _)| *place != missing);
    let found = rest.map(|(_, recorded)| {
        folded.evolve(&recorded.event, Tip { version: recorded.version, digest: Digest::default() })
    });
    if of_stream.len() > missing + 1 && found.into_iter().all(|found| found.is_ok()) {
        return broken("gap", format!("{} was folded without its {}th event", name.as_str(), missing + 1));
    }
    Ok(())
}
