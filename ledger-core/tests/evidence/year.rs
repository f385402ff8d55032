//! A year of a small organization, in which everything that can happen does.

use serde_json::json;

use crate::story::{Story, capped, created, flat, record};

/// A log of about two hundred events with every type of event in it.
pub fn year() -> Story {
    let mut story = Story::opened();
    story.at("2025-12-01T15:00:00Z");
    story.publish("capped", capped("6000 USD")).publish("flat", flat("0.6", "0.4"));
    for (payee, plan) in [("zoe", "capped"), ("yan", "capped"), ("xia", "flat"), ("wim", "flat")] {
        story.enrol(payee).assign(payee, plan);
    }
    story.given(
        "ann",
        json!({"cap.set_opening_balance": {"payee": "yan", "on": "2026-01-01", "amount": "3000 USD", "reason": "old system"}}),
    );
    story.given("ann", json!({"settings.switch_off": {"capability": "foreign_currencies"}}));
    story.given("ann", json!({"settings.switch_on": {"capability": "foreign_currencies"}}));
    story.given("ann", json!({"payee.end_assignment": {"payee": "wim", "until": "2027-01-01"}}));
    for month in 1..=4 {
        story.at(&format!("2026-{month:02}-20T15:00:00Z"));
        for (day, payees) in [(3, &["zoe"][..]), (7, &["zoe", "yan"]), (11, &["xia", "wim", "yan"])] {
            let gci = format!("{}.{month}1 USD", 6_000 + 100 * day);
            story.given("ann", record(&format!("d-{month}-{day}"), payees, &gci, &format!("2026-{month:02}-{day:02}")));
        }
        let pending = ["zoe", "xia", "wim"].map(|payee| story.pending(payee));
        story.given("otto", json!({"payout.approve_bulk": {"payouts": pending}}));
        let [rail, manual, void] = pending;
        story.given("otto", json!({"payout.start": {"payout": rail}}));
        story.given("rail", json!({"payout.fail": {"payout": rail, "attempt": 1, "reason": "account closed"}}));
        let restarted = story.given("otto", json!({"payout.start": {"payout": rail}}));
        assert_eq!(restarted.events.len(), 1);
        let amount = story.amount(rail);
        story.given("rail", json!({"payout.settle": {"payout": rail, "attempt": 2, "amount": amount}}));
        let cheque =
            json!({"payout": manual, "method": "cheque", "reference": format!("c-{month}"), "account": "bank"});
        story.given("otto", json!({"payout.record_manual_payment": cheque}));
        story.given("otto", json!({"payout.void": {"payout": void, "reason": "wrong month"}}));
        // Paid to zoe, unpaid to yan: one clawback, one reversed entry.
        story.given("ann", json!({"deal.reverse": {"deal": format!("d-{month}-7"), "reason": "the buyer withdrew"}}));
    }
    let rejected = story.pending("wim");
    story.given("otto", json!({"payout.reject": {"payout": rejected, "reason": "not yet"}}));
    let bonus = json!({"payee": "wim", "amount": "50 USD", "reason": "birthday", "period": "2026-04"});
    let bonus = created(&story.given("maya", json!({"payout.create_manual": bonus})));
    story.given("maya", json!({"payout.void": {"payout": bonus, "reason": "too early"}}));
    let failed = story.approved("wim");
    story.given("otto", json!({"payout.start": {"payout": failed}}));
    story.given("rail", json!({"payout.fail": {"payout": failed, "attempt": 1, "reason": "timed out"}}));
    let amount = story.amount(failed);
    story.given("rail", json!({"payout.settle": {"payout": failed, "attempt": 1, "amount": amount}}));
    let late = json!({"payout": failed, "attempt": 1, "resolution": "accept", "reason": "it is on the statement"});
    story.given("otto", json!({"payout.resolve_late_payment": late}));
    story.given(
        "ann",
        json!({"deal.register": {"deal": "open", "gci": {"of_price": {"price": "400000 USD", "rate": "0.03"}}}}),
    );
    story.given(
        "ann",
        json!({"deal.attribute": {"deal": "open", "attribution": {"custom": [
            {"payee": "zoe", "weight": "0.75"}, {"payee": "xia", "weight": "0.25"},
        ]}}}),
    );
    story
}
