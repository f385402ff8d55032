use ledger_core::decide::Rejection;
use ledger_core::payee::Rejection as Refused;
use ledger_core::plan;
use serde_json::{Value, json};

use crate::story::{Story, flat, record};

fn assign(plan: &str, version: u32, from: &str, until: Option<&str>) -> Value {
    match until {
        None => json!({"payee.assign": {"payee": "zoe", "plan": plan, "version": version, "from": from}}),
        Some(until) => {
            json!({"payee.assign": {"payee": "zoe", "plan": plan, "version": version, "from": from, "until": until}})
        }
    }
}

fn end(until: &str) -> Value {
    json!({"payee.end_assignment": {"payee": "zoe", "until": until}})
}

#[test]
fn a_payee_is_enrolled_once_and_the_same_again_is_already_known() {
    let mut story = Story::opened();
    let enrol = |name: &str| json!({"payee.enrol": {"payee": "zoe", "name": name, "joined_on": "2024-03-15"}});
    story.given("ann", enrol("Zoe"));
    refused!(story, "ann", enrol("Zoe"), Rejection::AlreadyKnown(_));
    refused!(story, "ann", enrol("Zoë"), Rejection::Payee(Refused::AlreadyEnrolled { .. }));
    let without = json!({"payee.enrol": {"payee": "zoe", "name": "Zoe"}});
    refused!(story, "ann", without, Rejection::Payee(Refused::AlreadyEnrolled { .. }));
}

#[test]
fn an_assignment_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    let bad = || assign("p", 2, "2026-02-01", Some("2026-02-01"));
    refused!(story, "ann", bad(), Rejection::Payee(Refused::Unknown { .. }));
    story.enrol("zoe");
    refused!(story, "ann", bad(), Rejection::Plan(plan::Rejection::Unknown { .. }));
    story.publish("p", flat("0.6", "0.4"));
    let reason = refused!(story, "ann", bad(), Rejection::Plan(plan::Rejection::UnknownVersion { .. }));
    assert!(reason.contains("version 2: its last one is 1"), "{reason}");
    refused!(story, "ann", assign("p", 0, "2026-01-01", None), Rejection::Plan(plan::Rejection::UnknownVersion { .. }));
    story.publish("p", flat("0.7", "0.3"));
    story.given("ann", assign("p", 1, "2026-01-01", None));
    refused!(story, "ann", bad(), Rejection::Payee(Refused::EmptySpan { .. }));
    let overlapping = assign("p", 2, "2026-02-01", Some("2026-02-02"));
    refused!(story, "ann", overlapping.clone(), Rejection::Payee(Refused::Overlap { .. }));
    story.given("ann", end("2026-02-01"));
    story.given("ann", overlapping);
}

#[test]
fn spans_are_half_open_so_one_begins_on_the_day_on_which_another_ends() {
    let mut story = Story::opened();
    story.publish("p", flat("0.6", "0.4")).enrol("zoe");
    story.given("ann", assign("p", 1, "2026-02-01", Some("2026-03-01")));
    for (from, until) in [("2026-01-01", Some("2026-02-02")), ("2026-02-28", None), ("2026-01-01", None)] {
        refused!(story, "ann", assign("p", 1, from, until), Rejection::Payee(Refused::Overlap { .. }));
    }
    story.given("ann", assign("p", 1, "2026-01-01", Some("2026-02-01")));
    story.given("ann", assign("p", 1, "2026-03-01", None));
}

#[test]
fn only_an_open_assignment_is_ended_and_it_keeps_a_day() {
    let mut story = Story::opened();
    refused!(story, "ann", end("2026-02-01"), Rejection::Payee(Refused::Unknown { .. }));
    story.publish("p", flat("0.6", "0.4")).enrol("zoe");
    refused!(story, "ann", end("2026-02-01"), Rejection::Payee(Refused::NoOpenAssignment { .. }));
    story.given("ann", assign("p", 1, "2026-02-01", None));
    refused!(story, "ann", end("2026-02-01"), Rejection::Payee(Refused::EmptySpan { .. }));
    story.given("ann", end("2026-02-02"));
    refused!(story, "ann", end("2026-02-03"), Rejection::Payee(Refused::NoOpenAssignment { .. }));
}

#[test]
fn a_deal_on_a_day_without_an_assignment_is_refused_and_on_the_days_of_one_it_is_not() {
    let mut story = Story::opened();
    story.publish("p", flat("0.6", "0.4")).enrol("zoe");
    story.given("ann", assign("p", 1, "2026-02-01", Some("2026-03-01")));
    for day in ["2026-01-31", "2026-03-01"] {
        let reason =
            refused!(story, "ann", record("d", &["zoe"], "100 USD", day), Rejection::Payee(Refused::NoPlan { .. }));
        assert!(reason.contains(day), "{reason}");
    }
    story.deal("first", "zoe", "100 USD", "2026-02-01");
    story.deal("last", "zoe", "100 USD", "2026-02-28");
    assert_eq!(story.payable("zoe"), "120.00 USD");
}
