//! A year of a small organization, in which everything that can happen does.

use serde_json::json;

use crate::story::{Story, capped, created, flat, record};

/// A log of about three hundred events with every type of event in it.
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
    for month in 1..=3 {
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
    // A team: a cap that its payees fill together, tiers over the year, and both sides of a sale at once.
    story.enrol("uma").enrol("tom").publish("team", team());
    story.assign("uma", "team").assign("tom", "team");
    let opening =
        json!({"payee": "uma", "on": "2026-04-01", "units": 1, "revenue": "4000 USD", "reason": "old system"});
    story.given("ann", json!({"attainment.set_opening": opening}));
    let opening =
        json!({"payee": "tom", "on": "2026-04-01", "amount": "500 USD", "reason": "old system", "programme": "north"});
    story.given("ann", json!({"cap.set_opening_balance": opening}));
    for deal in ["team-1", "team-2"] {
        let both = json!({"deal": deal, "sides": sides(), "completed_on": "2026-04-25"});
        story.given("ann", json!({"deal.record_sides": both}));
    }
    story.given("ann", json!({"deal.reverse": {"deal": "team-1", "reason": "the bank withdrew"}}));
    story.given("ann", json!({"deal.register_sides": {"deal": "team-3", "sides": sides()}}));
    story.given("ann", json!({"deal.complete": {"deal": "team-3", "completed_on": "2026-04-26"}}));
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
    sales(&mut story);
    story
}

/// Sales under a model and two rate plans, one of which waits for the customer.
fn sales(story: &mut Story) {
    story.at("2026-05-25T15:00:00Z");
    story.given("ann", json!({"model.publish": {"model": "main", "document": {"model": {"u_shaped": {"first": "0.4", "last": "0.4"}}}}}));
    let rules = json!([{"rule": "gold", "priority": 1, "when": {"tier": "gold"}, "pays": {"rate": "0.2"}}]);
    let limit = json!({"amount": "900 USD", "per": "month", "zone": "UTC"});
    let standard = json!({"currency": "USD", "rules": rules, "otherwise": {"rate": "0.1"}, "spend_limit": limit,
        "max_duration_months": 12, "overrides": [{"name": "recruiter", "of": "zoe", "to": "xia", "rate": "0.15"}]});
    story.given("ann", json!({"rates.publish": {"rates": "standard", "document": standard}}));
    let slow = json!({"currency": "USD", "otherwise": {"rate": "0.2"}, "earned": "as_collected"});
    story.given("ann", json!({"rates.publish": {"rates": "slow", "document": slow}}));
    let slow = json!({"rates": "slow", "version": 1});
    story.given(
        "ann",
        json!({"payee.classify": {"payee": "yan", "from": "2026-05-01", "type": "reseller", "rates": slow}}),
    );
    story.given("ann", json!({"payee.classify": {"payee": "zoe", "from": "2026-05-01", "tier": "gold"}}));
    let sale = json!({"lines": [{"amount": "6000 USD", "product_line": "suite"}], "customer": "acme", "programme": "resellers",
        "model": {"model": "main", "version": 1}, "rates": {"rates": "standard", "version": 1}, "registered_by": "zoe",
        "overlays": [{"payee": "wim", "weight": "0.25"}]});
    let touch = |id: &str, payee: &str, day: u32| json!({"touch": id, "payee": payee, "type": "demo", "at": format!("2026-05-{day:02}T12:00:00.250Z")});
    let touches = json!([touch("t-1", "zoe", 2), touch("t-2", "yan", 3)]);
    for (deal, day) in [("sale-1", 10), ("sale-2", 11)] {
        let record =
            json!({"deal": deal, "sale": sale, "touches": touches, "completed_at": format!("2026-05-{day}T17:00:00Z")});
        story.given("ann", json!({"deal.record_sale": record}));
        let collect = json!({"deal": deal, "payment": "p-1", "amount": "1500 USD", "on": "2026-05-20"});
        story.given("ann", json!({"deal.collect": collect}));
    }
    story.given("ann", json!({"deal.touch": {"deal": "sale-2", "touch": touch("t-3", "tom", 4)}}));
    story.given("ann", json!({"deal.recompute": {"deal": "sale-2", "reason": "a touch was late"}}));
    story.given("ann", json!({"deal.reverse": {"deal": "sale-1", "reason": "refunded"}}));
    let open = json!({"amount": "100 USD", "model": {"model": "main", "version": 1}});
    story.given("ann", json!({"deal.register_sale": {"deal": "sale-3", "sale": open}}));
    story.given("ann", json!({"deal.complete_sale": {"deal": "sale-3", "completed_at": "2026-05-12T17:00:00Z"}}));
}

/// A plan that has everything.
fn team() -> serde_json::Value {
    let year = json!({"calendar": {"month": 1, "day": 1}});
    json!({
        "currency": "USD",
        "zone": "America/New_York",
        "attainment": {"programme": "volume", "year": year},
        "split": {"tiered": {"tiers": {"revenue": [
            {"from": "0 USD", "payee": "0.6", "company": "0.4"}, {"from": "9000 USD", "payee": "0.8", "company": "0.2"},
        ]}}},
        "cap": {
            "caps": [
                {"programme": "own", "limit": "6000 USD", "portion": "0.5", "year": year},
                {"programme": "north", "of": {"pool": "north"}, "limit": "8000 USD", "year": year},
            ],
            "post_cap": {"payee": "0.9", "company": "0.1"},
        },
        "royalty": {"rate": "0.06", "basis": "gross", "cap": {"programme": "brand", "limit": "700 USD", "year": year}},
        "fees": [
            {"name": "transaction", "timing": "always", "amount": {"lesser_of": {"flat": "65 USD", "rate": "0.05"}},
                "sub_cap": {"programme": "transactions", "limit": "200 USD", "year": year, "then": {"flat": "10 USD"}}},
            {"name": "after the cap", "timing": "post_cap", "amount": {"flat": "25 USD"}},
        ],
        "mentee": {"company": "0.02", "mentor": "0.05"},
        "bonuses": [{"name": "two", "when": {"reaches": {"units": 2}}, "amount": {"flat": "150 USD"}}],
        "overrides": [{"name": "lead", "to": "uma", "rate": "0.02"}],
    })
}

/// Both sides of a sale, with something off the top and something agreed by hand.
fn sides() -> serde_json::Value {
    json!([
        {
            "side": "listing", "gci": {"of_price": {"price": "400000 USD", "rate": "0.015"}}, "referral_in": "300 USD",
            "off_top": [{"concession": {"rate": "0.1"}}, {"referral_out": {"to": "joe", "amount": {"flat": "200 USD"}}}],
            "payees": [{"payee": "uma", "weight": "0.6"}, {"payee": "tom", "weight": "0.4", "mentor": "zoe"}],
            "adjustments": [{"from": "company", "to": {"payee": "tom"}, "amount": "50 USD", "reason": "staging", "actor": "ann"}],
        },
        {"side": "buying", "gci": {"amount": "5000.05 USD"}, "units": 0, "payees": [{"payee": "tom"}]},
    ])
}
