//! Histories that cannot be: a fold refuses them instead of making the best of them.

use ledger_core::codec::decode;
use ledger_core::event::Event;
use ledger_core::id::{BulkId, PayeeId, PayoutId};
use ledger_core::slice::Folded;
use ledger_core::store::EventRow;
use ledger_core::stream::{StreamId, Tip};
use serde_json::json;

use crate::story::Story;

fn event(row: &EventRow) -> Event {
    decode(&row.type_name, row.schema_version, &row.payload).unwrap()
}

/// The history of a stream, as it was written.
fn history(story: &Story, stream: &StreamId) -> Vec<Event> {
    let name = stream.name();
    story.log.events.iter().filter(|row| row.stream == name).map(event).collect()
}

fn fold(stream: &StreamId, events: &[&Event]) -> Result<(), String> {
    let mut folded = Folded::empty(stream);
    let mut versions = 1..;
    events.iter().try_for_each(|event| {
        let tip = Tip { version: versions.next().unwrap(), ..Tip::EMPTY };
        folded.evolve(event, tip).map_err(|misfit| misfit.to_string())
    })
}

fn misfit(stream: &StreamId, events: &[&Event], expected: &str) {
    let refused = fold(stream, events).expect_err("the history is refused");
    assert!(refused.contains(expected), "{refused}");
}

/// `zoe` with a paid and a voided payout and a reversed deal.
fn story() -> Story {
    let mut story = Story::with_capped_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    story.paid("zoe", "70 USD");
    story.deal("e", "zoe", "100 USD", "2026-02-01");
    let payout = story.draft("zoe");
    story.given("maya", json!({"payout.void": {"payout": payout, "reason": "r"}}));
    story.given("ann", json!({"deal.reverse": {"deal": "e", "reason": "r"}}));
    story.given("ann", json!({"settings.switch_off": {"capability": "rail_payments"}}));
    story.given("ann", json!({"payee.end_assignment": {"payee": "zoe", "until": "2027-01-01"}}));
    story
}

#[test]
fn versions_are_folded_without_a_gap() {
    let story = story();
    let opened = event(&story.log.events[0]);
    for version in [0, 2, u64::MAX] {
        let mut folded = Folded::empty(&StreamId::Settings);
        let refused = folded.evolve(&opened, Tip { version, ..Tip::EMPTY }).unwrap_err();
        assert!(refused.to_string().contains("no gap"), "{refused}");
    }
}

#[test]
fn a_thing_begins_once_and_before_anything_happens_to_it() {
    let story = story();
    let zoe = "zoe".parse().unwrap();
    for (stream, later) in [
        (StreamId::Settings, "the ledger is not open"),
        (StreamId::Payee(zoe), "the payee is not enrolled"),
        (StreamId::Deal("d".parse().unwrap()), "the deal is not registered"),
    ] {
        let history = history(&story, &stream);
        assert_eq!(fold(&stream, &history.iter().collect::<Vec<_>>()), Ok(()), "what was written folds");
        misfit(&stream, &[&history[0], &history[0]], "once");
        misfit(&stream, &[&history[1]], later);
    }
}

#[test]
fn a_plan_has_its_versions_in_order() {
    let story = story();
    let stream = StreamId::Plan("capped".parse().unwrap());
    let history = history(&story, &stream);
    misfit(&stream, &[&history[0], &history[0]], "no gap");
}

#[test]
fn an_entry_is_booked_claimed_and_paid_once() {
    let story = story();
    let stream = StreamId::Account { payee: "zoe".parse().unwrap(), currency: "USD".parse().unwrap() };
    let history = history(&story, &stream);
    let [booked, claimed, paid, booked_next, claimed_next, released, reversed] = history.iter().collect::<Vec<_>>()[..]
    else {
        panic!("{history:?}")
    };
    assert_eq!(fold(&stream, &history.iter().collect::<Vec<_>>()), Ok(()));
    misfit(&stream, &[booked, booked], "booked once");
    misfit(&stream, &[claimed], "not payable");
    misfit(&stream, &[booked, claimed, claimed], "not payable");
    misfit(&stream, &[booked, paid], "claimed nothing");
    misfit(&stream, &[booked, claimed, paid, paid], "claimed nothing");
    misfit(&stream, &[booked, claimed, paid, claimed], "not payable");
    misfit(&stream, &[booked_next, claimed_next, released, released], "claimed nothing");
    misfit(&stream, &[booked_next, reversed, reversed], "not payable");
    misfit(&stream, &[booked_next, claimed_next, reversed], "not payable");
    misfit(&stream, &[booked_next, reversed, claimed_next], "not payable");
}

/// A bulk approval's stream, which keeps no state, took in the event of a payout.
#[test]
fn an_event_is_folded_into_no_stream_of_another_kind() {
    let mut story = story();
    let payout = PayoutId::derive(&"main".parse().unwrap(), &"stranger".parse().unwrap(), 0);
    story.given("otto", json!({"payout.approve_bulk": {"payouts": [payout]}}));
    let zoe: PayeeId = "zoe".parse().unwrap();
    let streams = [
        StreamId::Settings,
        StreamId::Payee(zoe.clone()),
        StreamId::Plan("capped".parse().unwrap()),
        StreamId::Deal("d".parse().unwrap()),
        StreamId::Programme("main".parse().unwrap()),
        StreamId::Cap { programme: "main".parse().unwrap(), payee: zoe.clone(), year: "2026-01-01".parse().unwrap() },
        StreamId::Account { payee: zoe, currency: "USD".parse().unwrap() },
        StreamId::Payout(payout),
        StreamId::reference(&"main".parse().unwrap(), &"chk-1".parse().unwrap()),
        StreamId::Bulk(BulkId::derive(&"main".parse().unwrap(), &"stranger".parse().unwrap(), 0)),
    ];
    for row in &story.log.events {
        for stream in &streams {
            let same_kind = row.stream.as_str().split('/').next() == stream.name().as_str().split('/').next();
            if !same_kind {
                assert!(fold(stream, &[&event(row)]).is_err(), "{} in {stream}", row.type_name);
            }
        }
    }
}
