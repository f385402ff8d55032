//! What is done to a ledger when everybody has gone home: rows are changed, lost or forged. It must be found, never folded.

use std::sync::Arc;

use ledger_core::chain::{Digest, Preimage};
use ledger_core::engine::ExecuteError;
use ledger_core::engine::feed::{Feed, FeedError};
use ledger_core::engine::runner::Runner;
use ledger_core::id::Key;
use ledger_core::projection::payouts::Payouts;
use ledger_core::projection::replay::{ReplayError, replay};
use ledger_core::projection::{All, Checkpoint, Projected};
use ledger_core::recorded::decode_page;
use ledger_core::store::{Append, CheckpointRow, Guard, Head, LogPage, NewEvent, Outcome, StreamAfter};
use ledger_core::stream::{StreamName, Tip};
use ledger_core::verify::{Verifier, VerifyError, verify};
use ledger_core::{Ledger, Request};

use crate::act::{Act, Ask};
use crate::book::{Book, Violation, broken};
use crate::choice::Choices;
use crate::fault::{Fault, Faults};
use crate::network::Network;
use crate::scheduler::{Owner, Scheduler, now};

/// Changes a copy of the rows in one way that a careless store or a hostile hand may, and lets `verify` look (F9, F11, F19).
///
/// # Errors
/// A [`Violation`] when it is not found.
pub fn tamper(book: &Book, choices: &mut Choices, fault: Fault) -> Result<(), Violation> {
    let store = book.store();
    let mut page = book.log()?;
    let mut head = now(store.head(&book.name)).or_else(|error| broken("log", error.to_string()))?;
    if page.requests.is_empty() {
        return Ok(());
    }
    let kept = (head.sequence, head.link);
    let what = match fault {
        Fault::LostSuffix => {
            let left = choices.index(page.requests.len());
            page.requests.truncate(left);
            let last = page.requests.last();
            head.sequence = last.map_or(0, ledger_core::store::RequestRow::last_sequence);
            head.link = last.map_or(Digest::default(), |row| row.link);
            head.recorded_at_us = last.map_or(0, |row| row.recorded_at_us);
            page.events.retain(|event| event.sequence <= head.sequence);
            LOST
        }
        _ => change(&mut page, &mut head, choices, fault),
    };
    // Not only `verify` looks: nobody decodes a row that does not fit its digest.
    let is_in_a_row = !matches!(what, LOST | IN_A_LINK);
    if is_in_a_row && decode_page(book.name.as_str(), 0, &page).is_ok() {
        return broken("log", format!("{what}, and the log was decoded all the same"));
    }
    let mut verifier = Verifier::new(&book.name);
    if what == LOST {
        verifier = verifier.expecting(kept.0, kept.1);
    }
    let found = verifier.page(page).and_then(|()| verifier.finish(head));
    match found {
        Err(VerifyError::Found(_)) => Ok(()),
        Err(error) => broken("verify", format!("{what}: {error}")),
        Ok(_) => broken("verify", format!("{what}, and nothing was found")),
    }
}

const LOST: &str = "the last requests are lost";
const IN_A_LINK: &str = "a request's time or link is changed at rest";

/// Changes something, and says what.
fn change(page: &mut LogPage, head: &mut Head, choices: &mut Choices, fault: Fault) -> &'static str {
    let (mut request, event) = (choices.index(page.requests.len()), choices.index(page.events.len()));
    // The last request has nothing after it that could give a change away.
    if choices.maybe(300) {
        request = page.requests.len() - 1;
    }
    let bit = choices.index(8);
    let flip = |bytes: &mut [u8], place: usize| {
        let place = place % bytes.len().max(1);
        bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << bit);
    };
    let way = if fault == Fault::Sabotage { choices.index(3) } else { 3 + choices.index(7) };
    let place = choices.index(4_096);
    let (Some(row), Some(of)) = (page.events.get_mut(event), page.requests.get_mut(request)) else { return "nothing" };
    match way {
        0 => {
            page.events.remove(event);
            return "an event is lost";
        }
        1 => {
            let again = row.clone();
            page.events.insert(event, again);
            return "an event is stored twice";
        }
        2 => {
            page.events.retain(|event| event.sequence != of.last_sequence());
            return "a request is torn";
        }
        3 => flip(&mut row.payload, place),
        4 => flip(&mut row.digest.0, place),
        5 => row.version += 1,
        6 => row.effective = row.effective.succ_opt().unwrap_or(row.effective),
        7 => {
            of.recorded_at_us += 1;
            return IN_A_LINK;
        }
        8 => of.actor = if of.actor == "eve" { "mallory".into() } else { "eve".into() },
        _ => {
            let was = of.link;
            flip(&mut of.link.0, place);
            // Whoever changes the last link can change the head as well.
            head.link = if head.link == was { of.link } else { head.link };
            return IN_A_LINK;
        }
    }
    "a row is changed at rest"
}

/// A payload that this program never writes, in a row that is otherwise as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alien {
    /// A newer program's event.
    Type,
    /// A newer program's field.
    Field,
    /// Bytes after the end.
    Trailing,
    /// The same meaning in another spelling.
    Spelling,
    /// An event in the stream of something else.
    Home,
}

impl Alien {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Type, Self::Field, Self::Trailing, Self::Spelling, Self::Home];

    fn payload(self) -> (&'static str, &'static [u8]) {
        match self {
            Self::Type => ("deal.renamed", br#"{"deal":"from-elsewhere"}"#),
            Self::Field => (
                "deal.registered",
                br#"{"deal":"from-elsewhere","basis":{"amount":"1.00 USD"},"gci":"1.00 USD","colour":"red"}"#,
            ),
            Self::Trailing => {
                ("deal.registered", br#"{"deal":"from-elsewhere","basis":{"amount":"1.00 USD"},"gci":"1.00 USD"}{}"#)
            }
            Self::Spelling => {
                ("deal.registered", br#"{"deal":"from-elsewhere", "basis":{"amount":"1.00 USD"},"gci":"1.00 USD"}"#)
            }
            Self::Home => ("deal.registered", br#"{"deal":"another","basis":{"amount":"1.00 USD"},"gci":"1.00 USD"}"#),
        }
    }

    /// Puts the event in, and gives the head before it.
    fn append(self, book: &Book) -> Result<(Head, StreamName), Violation> {
        let (store, name) = (book.store(), &book.name);
        let before = now(store.head(name)).or_else(|error| broken("log", error.to_string()))?;
        let stream = StreamName::from_stored("deal/from-elsewhere");
        let (type_name, payload) = self.payload();
        let key = Key::new("elsewhere").or_else(|error| broken("alien", error.to_string()))?;
        let effective = ledger_core::Date::default();
        let request_hash = Digest::of(b"elsewhere");
        let digest = Preimage {
            ledger: name.as_str(),
            stream: stream.as_str(),
            version: 1,
            type_name,
            schema_version: 1,
            key: key.as_str(),
            request_hash: &request_hash,
            actor: "elsewhere",
            effective,
            index: 0,
            size: 1,
            payload,
        }
        .digest();
        let event = NewEvent {
            stream: stream.clone(),
            version: 1,
            type_name: type_name.into(),
            schema_version: 1,
            effective,
            payload: payload.to_vec(),
            digest,
        };
        let guards = vec![Guard { stream: stream.clone(), tip: Tip::EMPTY }];
        let append = Append { key, request_hash, actor: "elsewhere".into(), guards, events: vec![event] };
        match now(store.append(name, &[append])).as_deref() {
            Ok([Outcome::Appended(_)]) => Ok((before, stream)),
            other => broken("alien", format!("{other:?}")),
        }
    }
}

/// An event that this program does not write is in the log (F20): `verify` tells of it. What cannot be read is refused, parked and
/// never skipped, and what does not touch it goes on.
///
/// # Errors
/// A [`Violation`] when it is taken for something else.
pub fn alien(book: &Book, scheduler: &Scheduler, alien: Alien) -> Result<(), Violation> {
    let (store, name) = (book.store(), &book.name);
    let (before, stream) = alien.append(book)?;
    let sequence = before.sequence + 1;
    match now(verify(&**store, name, None, |_| {})) {
        Err(VerifyError::TooNew { sequence: found, .. }) if alien == Alien::Type && found == sequence => {}
        Err(VerifyError::Found(finding)) if alien != Alien::Type && finding.sequence == sequence => {}
        other => return broken("verify", format!("{alien:?} at event {sequence}: {other:?}")),
    }
    if matches!(alien, Alien::Spelling | Alien::Home) {
        return Ok(());
    }
    // The replay stops at it.
    match now(replay::<All>(&**store, name, Projected::new(), 100, |_| {})) {
        Err(ReplayError::Damaged(damaged)) if damaged.sequence == sequence => {}
        other => return broken("alien", format!("a replay said {:?}", other.err())),
    }
    // The feed tells it as what cannot be read, the runner parks it.
    let after = Checkpoint { sequence: before.sequence, link: before.link };
    match now(Feed::new(&**store, name, after, 100).next()) {
        Ok(Some(batch)) if batch.events.iter().all(|told| told.is_err()) => {}
        other => return broken("alien", format!("the feed gave {other:?}")),
    }
    let env = scheduler.env(Owner::Store);
    let runner = Runner::new(Arc::clone(store), Arc::clone(&env), name.clone(), Arc::new(Payouts), 100);
    match now(async {
        runner.catch_up().await?;
        runner.parked().await
    }) {
        Ok(parked) if parked.iter().map(|parked| parked.sequence).eq([sequence]) => {}
        other => return broken("alien", format!("the runner parked {other:?}")),
    }
    // A request that needs its stream is told to stop, and nothing is stored.
    let deal = "from-elsewhere";
    // By a network without faults: a store of its own threads answers at a time that the scheduler does not know.
    let network = Network::new(scheduler.clone(), Arc::new(Faults::none()), Arc::clone(store));
    let ledger = Ledger::new(Arc::new(network), env, name.clone());
    let act = Act::Reverse { deal: deal.to_owned(), reason: "a reason".to_owned() };
    let ask = Ask { key: "older".to_owned(), actor: "ann".to_owned(), at: 1_800_000_000, act };
    let request: Request =
        serde_json::from_str(&ask.to_string()).or_else(|error| broken("alien", error.to_string()))?;
    let heard = hear(scheduler, ledger.execute(request));
    if book.model.is_open() && !matches!(heard, Some(Err(ExecuteError::Damaged(_)))) {
        return broken("alien", format!("a request over it heard {heard:?}"));
    }
    let streams = [StreamAfter { stream, after: 0 }];
    match now(store.read_streams(name, &streams, None, 10)) {
        Ok(page) if page.events.len() == 1 => Ok(()),
        other => broken("alien", format!("its stream holds {other:?}")),
    }
}

/// Lets the scheduler turn until an answer is there.
fn hear<T: Send + 'static>(scheduler: &Scheduler, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let answer = Arc::new(std::sync::Mutex::new(None));
    let to = Arc::clone(&answer);
    scheduler.spawn(
        Owner::Store,
        Box::pin(async move {
            let heard = future.await;
            if let Ok(mut to) = to.lock() {
                *to = Some(heard);
            }
        }),
    );
    while scheduler.turn() {}
    answer.lock().ok()?.take()
}

/// A feed that has seen what the store has lost says so and gives nothing, and so does a replay that goes on from it (F11).
///
/// # Errors
/// A [`Violation`] when it goes on.
pub fn lost_suffix(book: &Book) -> Result<(), Violation> {
    let head = now(book.store().head(&book.name)).or_else(|error| broken("log", error.to_string()))?;
    let kept = book.projected.save_each().or_else(|error| broken("checkpoint", error.to_string()))?;
    let seen = Checkpoint { sequence: head.sequence + 1, link: Digest::of(b"what was lost") };
    let other = Checkpoint { sequence: head.sequence, link: Digest::of(b"what was rewritten") };
    for from in [seen, other] {
        match now(Feed::new(&**book.store(), &book.name, from, 100).next()) {
            Err(FeedError::OtherHistory { .. }) => {}
            heard => return broken("feed", format!("a feed from {} on heard {heard:?}", from.sequence)),
        }
        let of = |row: &CheckpointRow| CheckpointRow { sequence: from.sequence, link: from.link, ..row.clone() };
        let kept: Vec<CheckpointRow> = kept.iter().map(of).collect();
        let state = Projected::<All>::restore_each(&kept).or_else(|error| broken("checkpoint", error.to_string()))?;
        match now(replay(&**book.store(), &book.name, state, 100, |_| {})) {
            Err(ReplayError::OtherHistory { .. }) => {}
            heard => return broken("replay", format!("a replay from {} on said {:?}", from.sequence, heard.err())),
        }
    }
    Ok(())
}
