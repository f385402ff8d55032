//! Readers of rows that do not fit together stop: none of them takes a part for the whole.

use ledger_core::projection::replay::{AsOf, ReplayError, each_event, replay, replay_as_of};
use ledger_core::projection::summary::Summary;
use ledger_core::projection::{All, Projected};
use ledger_core::recorded::Damaged;
use ledger_core::store::RequestRow;

use crate::rows::{Rows, now};
use crate::year::year;

/// A log whose end was deleted was exported and looked at as of a day as if nothing were missing: only `replay` minded.
#[test]
fn a_log_that_was_cut_off_does_not_pass_for_a_short_one() {
    let mut rows: Rows = year().into();
    let cut = rows.requests[20].first_sequence;
    rows.requests.truncate(20);
    rows.events.retain(|row| row.sequence < cut);
    for page in [1, 7, 1_000] {
        let what = "no request follows, and the ledger's head is further on".into();
        let cut_off = ReplayError::from(Damaged { sequence: cut, what });
        let told = now(each_event(&rows, &rows.ledger, page, |_| (), |_| ()));
        assert_eq!(told, Err(cut_off.clone()));
        assert_eq!(
            now(replay_as_of::<Summary>(&rows, &rows.ledger, AsOf::default(), page, |_| ())),
            Err(cut_off.clone())
        );
        assert_eq!(now(replay(&rows, &rows.ledger, Projected::<All>::new(), page, |_| ())).map(drop), Err(cut_off));
    }
}

/// A forged request without events, with a chain that was made to fit it, was passed over in silence, or was not, as the pages
/// went.
#[test]
fn a_request_without_events_is_damage() {
    let mut rows: Rows = year().into();
    let sequence = rows.requests[20].first_sequence;
    rows.requests.insert(20, RequestRow { key: "forged".into(), size: 0, ..rows.requests[20].clone() });
    rows.relink();
    for page in [1_000, 7, 1] {
        let answer = now(replay(&rows, &rows.ledger, Projected::<All>::new(), page, |_| ())).map(drop);
        assert_eq!(answer, Err(Damaged { sequence, what: "the request has no events".into() }.into()));
    }
}

/// What was stored after the head was read was checked or not as it happened to share a page with what was asked for.
#[test]
fn what_is_after_the_head_is_not_read_through_pages_of_any_size() {
    let mut rows: Rows = year().into();
    let last = rows.requests[20].clone();
    rows.events.last_mut().unwrap().payload.push(b' ');
    rows.head.sequence = last.last_sequence();
    let through = |page| now(replay(&rows, &rows.ledger, Projected::<All>::new(), page, |_| ())).unwrap();
    assert_eq!(through(1).checkpoint().sequence, last.last_sequence());
    assert!(through(1) == through(1_000));
}
