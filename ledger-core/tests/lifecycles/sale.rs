//! Sales: touched, credited, collected, credited anew, reversed.

use ledger_core::decide::{Decision, Rejection};
use ledger_core::event::Event;
use ledger_core::reconcile::log::Laws;
use ledger_core::recorded::decode_page;
use ledger_core::{account, customer, deal, payee};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::story::{Story, types};

/// `amy`, `bob` and `cat`, the model `main` of equal parts, and rate plan `ten` of ten percent.
pub fn shop() -> Story {
    let mut story = Story::opened();
    story.enrol("amy").enrol("bob").enrol("cat");
    model(&mut story, "main", json!({"model": {"equal": {}}}));
    rates(&mut story, "ten", json!({"currency": "USD", "otherwise": {"rate": "0.1"}}));
    story
}

pub fn model(story: &mut Story, model: &str, document: Value) {
    story.given("ann", json!({"model.publish": {"model": model, "document": document}}));
}

pub fn rates(story: &mut Story, rates: &str, document: Value) {
    story.given("ann", json!({"rates.publish": {"rates": rates, "document": document}}));
}

pub fn of(rates: &str, version: u32) -> Value {
    json!({"rates": rates, "version": version})
}

pub fn sale(amount: &str) -> Value {
    json!({"amount": amount, "model": {"model": "main", "version": 1}, "rates": of("ten", 1)})
}

fn sale_to(customer: &str, amount: &str) -> Value {
    let mut sale = sale(amount);
    sale["customer"] = json!(customer);
    sale
}

pub fn register(deal: &str, sale: Value) -> Value {
    json!({"deal.register_sale": {"deal": deal, "sale": sale}})
}

pub fn touched(touch: &str, payee: &str, day: &str) -> Value {
    json!({"touch": touch, "payee": payee, "type": "referral", "at": format!("{day}T12:00:00Z")})
}

pub fn touch(deal: &str, id: &str, payee: &str, day: &str) -> Value {
    json!({"deal.touch": {"deal": deal, "touch": touched(id, payee, day)}})
}

pub fn complete(deal: &str, day: &str) -> Value {
    json!({"deal.complete_sale": {"deal": deal, "completed_at": format!("{day}T17:00:00Z")}})
}

pub fn record(deal: &str, sale: Value, touches: Value, day: &str) -> Value {
    let at = format!("{day}T17:00:00Z");
    json!({"deal.record_sale": {"deal": deal, "sale": sale, "touches": touches, "completed_at": at}})
}

pub fn collect(deal: &str, payment: &str, amount: &str, on: &str) -> Value {
    json!({"deal.collect": {"deal": deal, "payment": payment, "amount": amount, "on": on}})
}

pub fn recompute(deal: &str) -> Value {
    json!({"deal.recompute": {"deal": deal, "reason": "a late touch"}})
}

pub fn reverse(deal: &str) -> Value {
    json!({"deal.reverse": {"deal": deal, "reason": "refunded"}})
}

/// A sale of 1,000 that `amy` and `bob` share.
pub fn shared(story: &mut Story) -> Decision {
    let touches = json!([touched("t1", "amy", "2026-01-05"), touched("t2", "bob", "2026-01-06")]);
    story.given("ann", record("d", sale("1000 USD"), touches, "2026-01-10"))
}

fn crediting(decision: &Decision) -> &deal::sale::Crediting {
    let credited = decision.events.iter().find_map(|(_, event)| match event {
        Event::Deal(event) => event.crediting(),
        _ => None,
    });
    credited.expect("a sale is credited")
}

pub fn entries(decision: &Decision) -> Vec<String> {
    let shown = |earned: &deal::sale::Earned| format!("{} {}", earned.payee, earned.amount.amount());
    entries_of(decision).iter().map(shown).collect()
}

/// No law of the log is broken.
pub fn sound(story: &Story) {
    let mut laws = Laws::default();
    decode_page("main", 0, &story.log).unwrap().iter().for_each(|recorded| laws.apply(recorded));
    let report = laws.finish();
    assert!(report.differences().is_empty(), "{:#?}", report.differences());
}

#[test]
fn a_sale_is_registered_touched_and_credited() {
    let mut story = shop();
    let registered = story.given("ann", register("d", sale("1000 USD")));
    assert_eq!(types(&registered), ["deal.registered"]);
    story.given("ann", touch("d", "t1", "bob", "2026-01-06"));
    story.given("ann", touch("d", "t2", "amy", "2026-01-05"));
    let credited = story.given("ann", complete("d", "2026-01-10"));
    assert_eq!(types(&credited), ["deal.credited", "account.entry_booked", "account.entry_booked"]);
    assert_eq!(entries(&credited), ["amy 50.00", "bob 50.00"], "by their first touches");
    assert_eq!(credited.effective.to_string(), "2026-01-10");
    assert_eq!((story.payable("amy"), story.payable("bob")), ("50.00 USD".into(), "50.00 USD".into()));
    sound(&story);
}

#[test]
fn the_day_of_a_sale_is_that_of_the_ledgers_zone() {
    let mut story = shop();
    story.given("ann", register("d", sale("1000 USD")));
    let late = json!({"deal.complete_sale": {"deal": "d", "completed_at": "2026-01-11T03:00:00Z"}});
    let credited = story.given("ann", late);
    assert_eq!(crediting(&credited).earned_on.to_string(), "2026-01-10", "it is 22:00 in New York");
    assert!(crediting(&credited).unattributed, "nobody touched it");
    assert_eq!(types(&credited), ["deal.credited"]);
    sound(&story);
}

#[test]
fn what_is_said_again_is_known_and_what_is_said_otherwise_is_refused() {
    // What a webhook delivered twice counted twice.
    let mut story = shop();
    let known = |story: &mut Story, command: Value| refused!(story, "ann", command, Rejection::AlreadyKnown(_));
    let publish = |document: Value| json!({"model.publish": {"model": "main", "document": document}});
    known(&mut story, publish(json!({"model": {"equal": {}}})));
    known(&mut story, publish(json!({"model": {"equal": {}}, "types": {"except": ["crm_sync"]}})));
    let again =
        json!({"rates.publish": {"rates": "ten", "document": {"currency": "USD", "otherwise": {"rate": "0.1"}}}});
    known(&mut story, again);
    let classify =
        json!({"payee.classify": {"payee": "amy", "from": "2026-01-01", "tier": "gold", "rates": of("ten", 1)}});
    story.given("ann", classify.clone());
    known(&mut story, classify);

    story.given("ann", register("d", sale("1000 USD")));
    known(&mut story, register("d", sale("1000 USD")));
    refused!(story, "ann", register("d", sale("999 USD")), Rejection::Deal(deal::Rejection::AlreadyRegistered { .. }));
    story.given("ann", touch("d", "t1", "amy", "2026-01-05"));
    known(&mut story, touch("d", "t1", "amy", "2026-01-05"));
    known(&mut story, register("d", sale("1000 USD")));
    let other = touch("d", "t1", "bob", "2026-01-05");
    refused!(story, "ann", other, Rejection::Deal(deal::Rejection::TouchTaken { .. }));
    story.given("ann", complete("d", "2026-01-10"));
    known(&mut story, complete("d", "2026-01-10"));
    let elsewhen = complete("d", "2026-01-11");
    refused!(story, "ann", elsewhen, Rejection::Deal(deal::Rejection::AlreadyCompleted { .. }));
    let touches = json!([touched("t1", "amy", "2026-01-05"), touched("t1", "amy", "2026-01-05")]);
    known(&mut story, record("d", sale("1000 USD"), touches, "2026-01-10"));
    let other = record("d", sale("1000 USD"), json!([touched("t1", "amy", "2026-01-04")]), "2026-01-10");
    refused!(story, "ann", other, Rejection::Deal(deal::Rejection::AlreadyRegistered { .. }));
    story.given("ann", collect("d", "p1", "400 USD", "2026-01-12"));
    known(&mut story, collect("d", "p1", "400 USD", "2026-01-12"));
    let other = collect("d", "p1", "401 USD", "2026-01-12");
    refused!(story, "ann", other, Rejection::Deal(deal::Rejection::PaymentTaken { .. }));
    story.given("ann", reverse("d"));
    known(&mut story, reverse("d"));
    known(&mut story, touch("d", "t1", "amy", "2026-01-05"));
    refused!(story, "ann", touch("d", "t2", "amy", "2026-01-05"), Rejection::Deal(deal::Rejection::Reversed { .. }));
    sound(&story);
}

#[test]
fn sales_and_other_deals_are_not_mixed_up() {
    let mut story = shop();
    story.given("ann", register("s", sale("1000 USD")));
    story.given("ann", json!({"deal.register": {"deal": "o", "gci": {"amount": "1 USD"}}}));
    let attribute = json!({"deal.attribute": {"deal": "s", "attribution": {"equal": ["amy"]}}});
    refused!(story, "ann", attribute, Rejection::Deal(deal::Rejection::IsSale { .. }));
    let other = json!({"deal.complete": {"deal": "s", "completed_on": "2026-01-10"}});
    refused!(story, "ann", other, Rejection::Deal(deal::Rejection::IsSale { .. }));
    for command in [
        touch("o", "t", "amy", "2026-01-01"),
        complete("o", "2026-01-10"),
        collect("o", "p", "1 USD", "2026-01-10"),
        recompute("o"),
    ] {
        refused!(story, "ann", command, Rejection::Deal(deal::Rejection::NoSale { .. }));
    }
    for command in [collect("s", "p", "1 USD", "2026-01-10"), recompute("s"), reverse("s")] {
        refused!(story, "ann", command, Rejection::Deal(deal::Rejection::NotCompleted { .. }));
    }
}

#[test]
fn a_sale_is_refused_while_it_is_still_cheap_to_say_so() {
    let mut story = shop();
    model(&mut story, "given", json!({"model": {"custom": {}}}));
    rates(&mut story, "euro", json!({"currency": "USD", "otherwise": {"rate": "0.1"}}));
    let fault = |story: &mut Story, sale: Value| match story.refused("ann", register("d", sale)) {
        Rejection::Credit(rejection) => rejection.fault.code(),
        Rejection::Deal(deal::Rejection::NegativeGci { .. }) => "below_zero",
        Rejection::Payee(_) => "payee",
        Rejection::Model(_) => "model",
        Rejection::Rates(_) => "rates",
        other => panic!("{other:?}"),
    };
    let with = |field: &str, value: Value| {
        let mut sale = sale("1000 USD");
        sale[field] = value;
        sale
    };
    assert_eq!(fault(&mut story, sale("-1 USD")), "below_zero");
    assert_eq!(fault(&mut story, with("lines", json!([{"amount": "1 USD"}]))), "conflicting");
    assert_eq!(fault(&mut story, with("amount", json!("1000 EUR"))), "wrong_currency");
    assert_eq!(fault(&mut story, with("model", json!({"model": "main", "version": 2}))), "model");
    assert_eq!(fault(&mut story, with("model", json!({"model": "none", "version": 1}))), "model");
    assert_eq!(fault(&mut story, with("rates", of("ten", 2))), "rates");
    assert_eq!(fault(&mut story, with("registered_by", json!("dan"))), "payee");
    // Such a sale could never be completed, and there is no way back from its registration.
    let plan = |field: &str, value: Value| {
        let mut plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}});
        plan[field] = value;
        plan
    };
    rates(&mut story, "year", plan("max_duration_months", json!(12)));
    rates(&mut story, "lines", plan("eligible", json!(["suite"])));
    rates(&mut story, "units", plan("otherwise", json!({"per_unit": "5 USD"})));
    assert_eq!(fault(&mut story, with("rates", of("year", 1))), "conflicting");
    assert_eq!(fault(&mut story, with("rates", of("lines", 1))), "no_lines");
    assert_eq!(fault(&mut story, with("rates", of("units", 1))), "no_lines");
    let one = |payee: &str, weight: &str| json!([{"payee": payee, "weight": weight}]);
    assert_eq!(fault(&mut story, with("overlays", one("dan", "0.1"))), "payee");
    assert_eq!(fault(&mut story, with("overlays", one("amy", "15"))), "rate_out_of_bounds");
    assert_eq!(fault(&mut story, with("custom", one("amy", "1"))), "conflicting");
    let mut custom = with("custom", one("amy", "0.9"));
    custom["model"]["model"] = json!("given");
    assert_eq!(fault(&mut story, custom.clone()), "weights_do_not_sum");
    custom["custom"] = one("amy", "1");
    story.given("ann", register("d", custom));
    let touched = touch("d", "t", "amy", "2026-01-01");
    refused!(story, "ann", touched, Rejection::Deal(deal::Rejection::TakesNoTouches { .. }));
    assert_eq!(entries(&story.given("ann", complete("d", "2026-01-10"))), ["amy 100.00"]);
    story.given("ann", register("nothing", sale("0 USD")));
    story.given("ann", touch("nothing", "t", "amy", "2026-01-01"));
    assert_eq!(entries(&story.given("ann", complete("nothing", "2026-01-10"))), Vec::<String>::new());
    refused!(story, "ann", touch("nothing", "u", "dan", "2026-01-01"), Rejection::Payee(_));
    sound(&story);
}

#[test]
fn a_touch_that_its_model_does_not_understand_is_refused_when_it_is_told() {
    // It was taken in, and then the sale could not be completed: a touch cannot be taken back. A misspelt role gave its part to others.
    let mut story = shop();
    model(&mut story, "types", json!({"model": {"role_based": {"weights": {"demo": "0.4"}}}}));
    model(&mut story, "roles", json!({"model": {"role_weighted": {"roles": [{"role": "closer", "weight": "1"}]}}}));
    let stones = json!({"milestones": [{"milestone": "lead", "weight": "0.5"}], "rest": "0.5"});
    model(&mut story, "stones", json!({"model": {"milestones": stones}}));
    let mut refuses = |model: &str, field: &str, value: Value| {
        let mut by = sale("1000 USD");
        by["model"]["model"] = json!(model);
        story.given("ann", register(model, by));
        let mut touch = touch(model, "t", "amy", "2026-01-05");
        touch["deal.touch"]["touch"][field] = value;
        match story.refused("ann", touch) {
            Rejection::Credit(rejection) => (rejection.fault.code(), rejection.at),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refuses("types", "type", json!("dmeo")), ("unknown_type", "touches.t.type".into()));
    assert_eq!(refuses("roles", "role", json!("clsoer")), ("unknown_role", "touches.t.role".into()));
    assert_eq!(refuses("stones", "milestones", json!(["laed"])), ("unknown_milestone", "touches.t.milestones".into()));
    let crm = json!({"deal.touch": {"deal": "types", "touch":
        {"touch": "copied", "payee": "amy", "type": "crm_sync", "at": "2026-01-05T12:00:00Z"}}});
    story.given("ann", crm);
}

#[test]
fn a_touch_is_asked_of_the_model_that_the_sale_was_credited_by() {
    // Registered under types, credited by equal parts: a touch that equal parts takes was refused for ever.
    let mut story = shop();
    model(&mut story, "types", json!({"model": {"role_based": {"weights": {"referral": "1"}}}}));
    let mut by_type = sale("1000 USD");
    by_type["model"]["model"] = json!("types");
    story.given("ann", record("d", by_type, json!([touched("t1", "amy", "2026-01-05")]), "2026-01-10"));
    let mut demo = touch("d", "t2", "bob", "2026-01-06");
    demo["deal.touch"]["touch"]["type"] = json!("demo");
    refused!(story, "ann", demo.clone(), Rejection::Credit(_));
    let by = |model: &str| {
        let chosen = json!({"model": model, "version": 1});
        json!({"deal.recompute": {"deal": "d", "reason": "agreed", "model": chosen}})
    };
    story.given("ann", by("main"));
    story.given("ann", demo);
    assert_eq!(entries(&story.given("ann", recompute("d"))), ["amy 50.00", "bob 50.00"]);
    refused!(story, "ann", by("types"), Rejection::Credit(_));
    sound(&story);
}

#[test]
fn a_sale_is_not_taken_back_before_it_is_there() {
    // Told with an instant before it, a reversal stood alone in every report as of the days between.
    let mut story = shop();
    shared(&mut story);
    story.at("2026-01-07T15:00:00Z");
    story.given("ann", touch("d", "t3", "cat", "2026-01-07"));
    assert_eq!(story.given("ann", recompute("d")).effective.to_string(), "2026-01-10");
    assert_eq!(story.given("ann", reverse("d")).effective.to_string(), "2026-01-10");
    sound(&story);
}

#[test]
fn a_plan_that_pays_some_lines_by_the_unit_takes_a_sale_without_lines() {
    let mut story = shop();
    let rule =
        json!({"rule": "seats", "priority": 1, "when": {"product_line": "seats"}, "pays": {"per_unit": "5 USD"}});
    rates(&mut story, "mixed", json!({"currency": "USD", "rules": [rule], "otherwise": {"rate": "0.1"}}));
    let mut mixed = sale("1000 USD");
    mixed["rates"] = of("mixed", 1);
    let touches = json!([touched("t1", "amy", "2026-01-05")]);
    assert_eq!(entries(&story.given("ann", record("d", mixed, touches, "2026-01-10"))), ["amy 100.00"]);
    sound(&story);
}

#[test]
fn a_sale_whose_rest_is_the_houses_is_nobodys_until_weights_are_told() {
    // A table of sales has no weights: the house got all of them, and no word was said.
    let mut story = shop();
    model(&mut story, "rest", json!({"model": {"custom": {"sum": "residual_to_house"}}}));
    let mut rest = sale("1000 USD");
    rest["model"]["model"] = json!("rest");
    let credited = story.given("ann", record("d", rest, json!([]), "2026-01-10"));
    assert!(crediting(&credited).unattributed && crediting(&credited).house.is_none());
    sound(&story);
}

#[test]
fn an_override_names_somebody_known() {
    let mut story = shop();
    let plan = json!({"currency": "USD", "otherwise": {"rate": "1"},
        "overrides": [{"name": "recruiter", "of": "amy", "to": "eve", "rate": "0.15"}]});
    let publish = json!({"rates.publish": {"rates": "over", "document": plan}});
    let reason = refused!(story, "ann", publish, Rejection::Payee(payee::Rejection::UnknownAt { .. }));
    assert!(reason.starts_with("overrides.0.to: payee eve is unknown"), "{reason}");
    story.enrol("eve");
    rates(&mut story, "over", plan);
    let mut over = sale("3.33 USD");
    over["rates"] = of("over", 1);
    let decision = story.given("ann", record("d", over, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10"));
    assert_eq!(entries(&decision), ["amy 3.33", "eve 0.50"], "V11: half away from zero");
    sound(&story);
}

#[test]
fn v12_five_overrides_are_one_each() {
    let mut story = shop();
    let names = ["s1", "s2", "s3", "s4", "s5"];
    for name in names {
        story.enrol(name);
    }
    let overrides = names.map(|of| json!({"name": "parent", "of": of, "to": "amy", "rate": "0.05"}));
    rates(&mut story, "over", json!({"currency": "USD", "otherwise": {"rate": "1"}, "overrides": overrides}));
    let mut over = sale("10000 USD");
    over["rates"] = of("over", 1);
    let touches: Vec<_> = names.iter().map(|name| touched(name, name, "2026-01-05")).collect();
    story.given("ann", record("d", over, json!(touches), "2026-01-10"));
    assert_eq!(story.payable("amy"), "500.00 USD");
    story.given("ann", reverse("d"));
    assert_eq!(story.payable("amy"), "0.00 USD", "nothing is left of an override on what is reversed");
    sound(&story);
}

#[test]
fn v14_a_commission_is_released_as_the_customer_pays() {
    let mut story = shop();
    rates(&mut story, "twenty", json!({"currency": "USD", "otherwise": {"rate": "0.2"}, "earned": "as_collected"}));
    let mut twenty = sale("20000 USD");
    twenty["rates"] = of("twenty", 1);
    let credited = story.given("ann", record("d", twenty, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10"));
    assert_eq!(types(&credited)[2..], ["deal.credited"], "nothing is paid yet");
    let first = story.given("ann", collect("d", "p1", "10000 USD", "2026-02-01"));
    assert_eq!((entries(&first), first.effective.to_string()), (vec!["amy 2000.00".into()], "2026-02-01".into()));
    assert_eq!(story.payable("amy"), "2000.00 USD");
    let too_much = collect("d", "p2", "10000.01 USD", "2026-02-02");
    refused!(story, "ann", too_much, Rejection::Credit(_));
    for nothing in ["0 USD", "-1 USD"] {
        let nothing = collect("d", "p2", nothing, "2026-02-02");
        refused!(story, "ann", nothing, Rejection::Deal(deal::Rejection::NotPositive { .. }));
    }
    let second = story.given("ann", collect("d", "p2", "10000 USD", "2026-02-02"));
    assert_eq!(entries(&second), ["amy 2000.00"], "equal to the first one, and not it");
    assert_eq!(story.payable("amy"), "4000.00 USD");
    story.given("ann", reverse("d"));
    assert_eq!(story.payable("amy"), "0.00 USD");
    sound(&story);
}

/// After so many payments the sale could not be taken back in one request any more, and what it had paid stayed payable for ever.
#[test]
fn a_sale_has_no_more_entries_than_can_be_taken_back() {
    let mut story = shop();
    rates(&mut story, "all", json!({"currency": "USD", "otherwise": {"rate": "1"}, "earned": "as_collected"}));
    let mut all = sale("3 USD");
    all["rates"] = of("all", 1);
    story.given("ann", record("d", all, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10"));
    for payment in 0..250 {
        story.given("ann", collect("d", &format!("p{payment}"), "0.01 USD", "2026-02-01"));
    }
    let more = collect("d", "p250", "0.01 USD", "2026-02-01");
    refused!(story, "ann", more, Rejection::Deal(deal::Rejection::TooManyEntries { entries: 251, .. }));
    assert_eq!(story.payable("amy"), "2.50 USD");
    story.given("ann", reverse("d"));
    assert_eq!(story.payable("amy"), "0.00 USD");
    sound(&story);
}

#[test]
fn v10_a_customer_earns_for_so_many_months_over_all_versions_of_a_rate_plan() {
    let mut story = shop();
    let plan = |rate: &str| json!({"currency": "USD", "otherwise": {"rate": rate}, "max_duration_months": 12});
    rates(&mut story, "year", plan("0.1"));
    rates(&mut story, "year", plan("0.2"));
    let mut sell = |deal: &str, version: u32, payee: &str, day: &str| {
        let mut sale = sale_to("acme", "100 USD");
        sale["rates"] = of("year", version);
        let touch = json!([touched("t", payee, "2025-01-01")]);
        entries(&story.given("ann", record(deal, sale, touch, day)))
    };
    assert_eq!(sell("d1", 1, "amy", "2025-01-31"), ["amy 10.00"]);
    assert_eq!(sell("d2", 2, "amy", "2026-01-30"), ["amy 20.00"]);
    assert_eq!(sell("d3", 2, "amy", "2026-01-31"), Vec::<String>::new(), "the day on which they end");
    assert_eq!(sell("d4", 2, "bob", "2026-01-31"), ["bob 20.00"], "each payee has its own time");
    // When the first sale was nothing, the second one was the first.
    story.given("ann", reverse("d1"));
    let again = story.given("ann", recompute("d3"));
    assert_eq!(entries(&again), ["amy 20.00"]);
    assert_eq!(crediting(&again).first_commissions[0].on.to_string(), "2026-01-30");
    sound(&story);
}

/// Who only registered a sale, and is paid in another currency elsewhere, kept it from being completed.
#[test]
fn a_rate_plan_in_another_currency_keeps_nobody_elses_sale_open() {
    let mut story = shop();
    let limit = json!({"amount": "100 EUR", "per": "month", "zone": "UTC"});
    rates(&mut story, "euros", json!({"currency": "EUR", "otherwise": {"rate": "0.1"}, "spend_limit": limit}));
    let in_euros = json!({"payee.classify": {"payee": "cat", "from": "2026-01-01", "rates": of("euros", 1)}});
    story.given("ann", in_euros);
    let mut registered = sale("1000 USD");
    registered["registered_by"] = json!("cat");
    let by = |payee: &str| json!([touched("t", payee, "2026-01-05")]);
    let credited = story.given("ann", record("d1", registered.clone(), by("amy"), "2026-01-10"));
    assert_eq!(entries(&credited), ["amy 100.00"]);
    let mut copied = touched("copied", "cat", "2026-01-05");
    copied["type"] = json!("crm_sync");
    let touches = json!([touched("t", "amy", "2026-01-05"), copied]);
    let credited = story.given("ann", record("d0", registered.clone(), touches, "2026-01-10"));
    assert!(crediting(&credited).spent.is_empty(), "a limit in euros counts no dollars");
    let refused = story.refused("ann", record("d2", registered.clone(), by("cat"), "2026-01-10")).to_string();
    assert!(refused.starts_with("payees.cat.rates: rate plan euros.v1 is in EUR"), "{refused}");
    registered["rates"] = of("euros", 1);
    let refused = story.refused("ann", register("d3", registered)).to_string();
    assert!(refused.starts_with("sale.rates: rate plan euros.v1 is in EUR"), "{refused}");
    sound(&story);
}

/// Sixty a month and a hundred a year, one after the other under one name, came to 220 in a year.
#[test]
fn all_versions_of_a_rate_plan_limit_the_same_time() {
    let mut story = shop();
    let plan = |per: &str, zone: &str| {
        let limit = json!({"amount": "60 USD", "per": per, "zone": zone});
        json!({"rates.publish": {"rates": "limited", "document":
            {"currency": "USD", "otherwise": {"rate": "0.1"}, "spend_limit": limit}}})
    };
    let without = json!({"currency": "USD", "otherwise": {"rate": "0.2"}});
    rates(&mut story, "limited", without.clone());
    story.given("ann", plan("month", "UTC"));
    rates(&mut story, "limited", without);
    for (per, zone, field) in [("year", "UTC", "per"), ("deal", "UTC", "per"), ("month", "America/New_York", "zone")] {
        let refused = story.refused("ann", plan(per, zone)).to_string();
        assert!(refused.starts_with(&format!("spend_limit.{field}: version 2 limits a month in UTC")), "{refused}");
    }
    story.given("ann", plan("month", "UTC"));
    let each = |zone: &str| {
        let mut each = plan("deal", zone);
        each["rates.publish"]["rates"] = json!("each");
        each
    };
    story.given("ann", each("UTC"));
    story.given("ann", each("Asia/Tokyo"));
}

/// Credited on January 31 in New York, a sale began the customer's twelve months on February 1: the day in UTC.
#[test]
fn a_customers_months_run_from_the_day_of_the_sale() {
    let mut story = shop();
    story.at("2026-03-02T15:00:00Z");
    let plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": 1});
    rates(&mut story, "month", plan);
    let mut sell = |deal: &str, at: &str| {
        let mut sale = sale_to("acme", "100 USD");
        sale["rates"] = of("month", 1);
        let mut record = record(deal, sale, json!([touched("t", "amy", "2025-01-01")]), "2025-01-31");
        record["deal.record_sale"]["completed_at"] = json!(at);
        story.given("ann", record)
    };
    let first = sell("d1", "2026-01-31T04:30:00Z");
    let met = first.events.iter().find_map(|(_, event)| match event {
        Event::Customer(customer::Event::Earned { on, .. }) => Some(on.to_string()),
        _ => None,
    });
    assert_eq!((crediting(&first).earned_on.to_string(), met.as_deref()), ("2026-01-30".into(), Some("2026-01-30")));
    assert_eq!(entries(&sell("d2", "2026-02-28T04:59:59.999Z")), ["amy 10.00"], "the end of February 27");
    assert_eq!(entries(&sell("d3", "2026-02-28T05:00:00Z")), Vec::<String>::new());
    sound(&story);
}

#[test]
fn a_first_sale_stays_the_first_when_it_is_credited_anew() {
    // It lost its commission once a later sale of the customer had earned by another rate plan.
    let mut story = shop();
    let once = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": 0});
    rates(&mut story, "once", once.clone());
    let sell = |story: &mut Story, deal: &str, rates: &str, day: &str| {
        let mut sale = sale_to("acme", "100 USD");
        sale["rates"] = of(rates, 1);
        let touch = json!([touched("t1", "amy", "2026-01-01")]);
        entries(&story.given("ann", record(deal, sale, touch, day)))
    };
    let anew = |story: &mut Story, deal: &str| {
        let decision = story.given("ann", recompute(deal));
        (entries(&decision), crediting(&decision).first_commissions.len())
    };
    let nothing: Vec<String> = Vec::new();
    assert_eq!(sell(&mut story, "d1", "once", "2026-01-10"), ["amy 10.00"]);
    assert_eq!(sell(&mut story, "d2", "once", "2026-01-09"), nothing, "what is recorded later is not the first");
    assert_eq!(sell(&mut story, "d3", "ten", "2026-01-08"), ["amy 10.00"]);
    for deal in ["d1", "d2"] {
        story.given("ann", touch(deal, "t2", "bob", "2026-01-02"));
    }
    assert_eq!(anew(&mut story, "d1"), (vec!["amy 5.00".into(), "bob 5.00".into()], 0));
    assert_eq!(anew(&mut story, "d2"), (nothing, 2));

    // The zone of a limit is for the limit: the sale stays on its day.
    let mut elsewhere = once;
    elsewhere["spend_limit"] = json!({"amount": "1000 USD", "per": "month", "zone": "Pacific/Kiritimati"});
    rates(&mut story, "once", elsewhere);
    for version in [2, 1] {
        let named = json!({"deal.recompute": {"deal": "d1", "reason": "agreed", "rates": of("once", version)}});
        let again = story.given("ann", named);
        assert_eq!(entries(&again), ["amy 5.00", "bob 5.00"]);
        assert!(!types(&again).iter().any(|of| of.starts_with("customer.")), "{:?}", types(&again));
    }

    // What was reversed is nobody's first sale, but the third one came before the second is paid.
    story.given("ann", reverse("d1"));
    assert_eq!(anew(&mut story, "d2"), (vec!["bob 5.00".into()], 1));
    sound(&story);
}

#[test]
fn a_sale_without_its_customer_is_not_paid_for_ever() {
    let mut story = shop();
    let plan = json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "max_duration_months": 12});
    rates(&mut story, "year", plan);
    let mut endless = sale("100 USD");
    endless["rates"] = of("year", 1);
    let record = record("d", endless, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10");
    refused!(story, "ann", record, Rejection::Credit(_));
}

#[test]
fn a_spend_limit_holds_over_sales_and_gives_back_what_is_reversed() {
    let mut story = shop();
    let limit = json!({"amount": "100 USD", "per": "month", "zone": "UTC"});
    let plan = |rate: &str| json!({"currency": "USD", "otherwise": {"rate": rate}, "spend_limit": limit});
    rates(&mut story, "limited", plan("0.1"));
    rates(&mut story, "limited", plan("0.2"));
    let sold = |version: u32| {
        let mut sale = sale("600 USD");
        sale["rates"] = of("limited", version);
        sale
    };
    let touches = json!([touched("t", "amy", "2026-01-01")]);
    let first = story.given("ann", record("d1", sold(1), touches.clone(), "2026-01-10"));
    assert_eq!(types(&first)[2..], ["deal.credited", "spend.counted", "account.entry_booked"]);
    let second = story.given("ann", record("d2", sold(2), touches.clone(), "2026-01-11"));
    assert_eq!(entries(&second), ["amy 40.00"], "the second version sees what the first one paid");
    let full = story.given("ann", record("d3", sold(1), touches.clone(), "2026-01-12"));
    assert_eq!((entries(&full), types(&full).len()), (vec![], 3), "nothing moves, and the account is guarded");
    let next = story.given("ann", record("d4", sold(1), touches.clone(), "2026-02-01"));
    assert_eq!(entries(&next), ["amy 60.00"]);
    story.given("ann", reverse("d1"));
    let again = story.given("ann", recompute("d2"));
    assert_eq!(entries(&again), ["amy 100.00"], "its own 40.00 do not stand in its way");
    assert_eq!(crediting(&again).spent[0].before.to_string(), "0.00 USD");
    assert_eq!(entries(&story.given("ann", record("d5", sold(1), touches, "2026-01-20"))), Vec::<String>::new());
    sound(&story);
}

#[test]
fn a_day_beyond_the_years_of_a_ledger_is_refused_in_every_zone() {
    // The day of a spend limit far east was one that no reader takes in.
    let mut story = shop();
    let limit = json!({"amount": "100 USD", "per": "year", "zone": "Pacific/Kiritimati"});
    rates(&mut story, "east", json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "spend_limit": limit}));
    let mut east = sale("100 USD");
    east["rates"] = of("east", 1);
    story.at("9998-12-31T20:00:00Z");
    let command = record("d", east, json!([touched("t", "amy", "9998-12-30")]), "9998-12-31");
    refused!(story, "ann", command, Rejection::Calendar(_));
}

#[test]
fn what_a_payee_is_on_the_day_of_the_sale_decides() {
    let mut story = shop();
    rates(
        &mut story,
        "own",
        json!({"currency": "USD", "rules":
        [{"rule": "gold", "priority": 1, "when": {"tier": "gold"}, "pays": {"rate": "0.3"}}]}),
    );
    let classify = |from: &str, what: Value| {
        let mut command = json!({"payee.classify": {"payee": "amy", "from": from}});
        let fields = command["payee.classify"].as_object_mut().unwrap();
        what.as_object().unwrap().iter().for_each(|(field, value)| drop(fields.insert(field.clone(), value.clone())));
        command
    };
    refused!(story, "ann", classify("2026-01-01", json!({"rates": of("own", 2)})), Rejection::Rates(_));
    story.given("ann", classify("2026-01-08", json!({"tier": "gold", "rates": of("own", 1)})));
    story.given("ann", classify("2026-02-01", json!({"type": "reseller"})));
    let mut sell = |deal: &str, day: &str| {
        let touches = json!([touched("t", "amy", "2026-01-01")]);
        let decision = story.given("ann", record(deal, sale("100 USD"), touches, day));
        (entries(&decision), crediting(&decision).entries[0].rule.as_ref().map(ToString::to_string))
    };
    assert_eq!(sell("d1", "2026-01-07"), (vec!["amy 10.00".into()], None));
    assert_eq!(sell("d2", "2026-01-08"), (vec!["amy 30.00".into()], Some("gold".into())));
    assert_eq!(sell("d3", "2026-02-01"), (vec!["amy 10.00".into()], None), "nothing is inherited");
    sound(&story);
}

#[test]
fn crediting_anew_supersedes_and_leaves_what_is_the_same() {
    let mut story = shop();
    let before = shared(&mut story);
    let amys = crediting(&before).entries[0].entry;
    refused!(story, "ann", recompute("d"), Rejection::AlreadyKnown(_));
    // A late touch changes nothing until somebody asks.
    story.given("ann", touch("d", "t3", "amy", "2026-01-07"));
    assert_eq!(story.payable("amy"), "50.00 USD");
    let same = story.given("ann", recompute("d"));
    assert_eq!(types(&same), ["deal.recredited"], "equal parts are equal");
    assert_eq!(crediting(&same).entries[0].entry, amys);
    story.given("ann", touch("d", "t4", "cat", "2026-01-08"));
    let anew = story.given("ann", recompute("d"));
    assert_eq!(entries(&anew), ["amy 33.33", "bob 33.33", "cat 33.33"]);
    let moved = ["deal.recredited", "account.entry_booked", "account.entry_booked", "account.entry_booked"];
    assert_eq!(types(&anew), [&moved[..], &["account.entry_reversed", "account.entry_reversed"]].concat());
    assert_eq!((story.payable("amy"), story.payable("cat")), ("33.33 USD".into(), "33.33 USD".into()));
    let touched = touch("d", "t5", "cat", "2026-01-11");
    story.given("ann", touched);
    let late = story.given("ann", recompute("d"));
    assert_eq!(types(&late), ["deal.recredited"], "a touch after the sale does not count");
    assert_eq!(crediting(&late).touches, 4);
    sound(&story);
}

#[test]
fn payments_count_when_a_sale_is_credited_anew() {
    let mut story = shop();
    rates(&mut story, "slow", json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "earned": "as_collected"}));
    let mut slow = sale("1000 USD");
    slow["rates"] = of("slow", 1);
    story.given("ann", record("d", slow, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10"));
    let first = story.given("ann", collect("d", "p1", "500 USD", "2026-02-01"));
    let Event::Deal(deal::Event::Collected { entries: released, .. }) = &first.events[0].1 else { panic!("{first:?}") };
    // A late touch halves her part: what is released from now on, too.
    story.given("ann", touch("d", "t2", "bob", "2026-01-06"));
    let second = story.given("ann", collect("d", "p2", "100 USD", "2026-02-02"));
    assert_eq!(entries(&second), ["amy 10.00"], "as it was credited");
    let anew = story.given("ann", recompute("d"));
    assert_eq!(entries(&anew), ["amy 25.00", "amy 5.00", "bob 25.00", "bob 5.00"]);
    assert_ne!(crediting(&anew).entries[0].entry, released[0].entry);
    assert_eq!(entries(&story.given("ann", collect("d", "p3", "400 USD", "2026-02-02"))), ["amy 20.00", "bob 20.00"]);
    assert_eq!((story.payable("amy"), story.payable("bob")), ("50.00 USD".into(), "50.00 USD".into()));
    sound(&story);
}

#[test]
fn what_a_payment_releases_is_for_its_day_however_often_the_sale_is_credited() {
    // Crediting the sale anew moved it to the day of the sale: a payout over January paid what came in in February. Two payments
    // that release as much were taken for one another.
    let mut story = shop();
    rates(&mut story, "slow", json!({"currency": "USD", "otherwise": {"rate": "0.1"}, "earned": "as_collected"}));
    let mut slow = sale("1000 USD");
    slow["rates"] = of("slow", 1);
    story.given("ann", record("d", slow, json!([touched("t", "amy", "2026-01-05")]), "2026-01-10"));
    let booked = |decision: &Decision| -> Vec<String> {
        let booked = decision.events.iter().filter_map(|(_, event)| match event {
            Event::Account(account::Event::EntryBooked { payee, amount, earned_on, .. }) => {
                Some(format!("{payee} {} {earned_on}", amount.amount()))
            }
            _ => None,
        });
        booked.collect()
    };
    let ahead = story.given("ann", collect("d", "deposit", "400 USD", "2026-01-02"));
    assert_eq!(booked(&ahead), ["amy 40.00 2026-01-10"], "nothing is earned before the sale is");
    assert_eq!(ahead.effective.to_string(), "2026-01-10");
    let second = story.given("ann", collect("d", "p2", "200 USD", "2026-01-20"));
    assert_eq!(booked(&second), ["amy 20.00 2026-01-20"]);
    let third = story.given("ann", collect("d", "p3", "400 USD", "2026-02-01"));
    assert_eq!(booked(&third), ["amy 40.00 2026-02-01"]);

    story.given("ann", touch("d", "t2", "bob", "2026-01-06"));
    let anew = story.given("ann", recompute("d"));
    let (amy, bob) = (booked(&anew)[..3].to_vec(), booked(&anew)[3..].to_vec());
    assert_eq!(amy, ["amy 20.00 2026-01-10", "amy 10.00 2026-01-20", "amy 20.00 2026-02-01"], "not her 20 of the 20th");
    assert_eq!(bob, ["bob 20.00 2026-01-10", "bob 10.00 2026-01-20", "bob 20.00 2026-02-01"]);
    assert_eq!((story.payable("amy"), story.payable("bob")), ("50.00 USD".into(), "50.00 USD".into()));
    sound(&story);
}

#[test]
fn what_has_not_happened_is_not_earned() {
    // A payment of next year was payable at once, and what took it back stood before it in every report as of a day.
    let mut story = shop();
    story.given("ann", register("d", sale("1000 USD")));
    let tomorrow = refused!(story, "ann", complete("d", "2026-02-03"), Rejection::Deal(deal::Rejection::NotYet { .. }));
    assert_eq!(
        tomorrow,
        "deal d cannot have been won or paid for on 2026-02-03: in the ledger's zone it is 2026-02-02"
    );
    story.given("ann", complete("d", "2026-02-02"));
    let ahead = collect("d", "p", "1 USD", "2026-02-03");
    refused!(story, "ann", ahead, Rejection::Deal(deal::Rejection::NotYet { .. }));
    story.given("ann", collect("d", "p", "1 USD", "2026-02-02"));
    sound(&story);
}

#[test]
fn a_sale_that_is_told_again_is_known_whatever_became_known_of_it_since() {
    let mut story = shop();
    shared(&mut story);
    story.given("ann", touch("d", "t3", "cat", "2026-01-07"));
    let touches = json!([touched("t1", "amy", "2026-01-05"), touched("t2", "bob", "2026-01-06")]);
    refused!(story, "ann", record("d", sale("1000 USD"), touches, "2026-01-10"), Rejection::AlreadyKnown(_));
    refused!(story, "ann", record("d", sale("1000 USD"), json!([]), "2026-01-10"), Rejection::AlreadyKnown(_));
}

#[test]
fn the_order_of_touch_requests_does_not_matter() {
    let touches = [
        ("t1", "cat", "2026-01-05"),
        ("t2", "amy", "2026-01-06"),
        ("t3", "bob", "2026-01-07"),
        ("t4", "amy", "2026-01-08"),
    ];
    let mut found = Vec::new();
    for first in 0..4 {
        for second in 0..3 {
            let mut left: Vec<_> = touches.to_vec();
            let mut order = vec![left.remove(first)];
            order.push(left.remove(second));
            order.extend(left);
            let mut story = shop();
            model(&mut story, "u", json!({"model": {"u_shaped": {"first": "0.5", "last": "0.2"}}}));
            let mut sale = sale("1000 USD");
            sale["model"]["model"] = json!("u");
            story.given("ann", register("d", sale));
            for (id, payee, day) in order {
                story.given("ann", touch("d", id, payee, day));
            }
            let credited = story.given("ann", complete("d", "2026-01-10"));
            found.push((entries(&credited), crediting(&credited).inputs));
        }
    }
    assert_eq!(found[0].0, ["cat 50.00", "amy 35.00", "bob 15.00"]);
    assert!(found.iter().all(|other| *other == found[0]), "{found:#?}");
}

/// What may happen to a credited sale.
#[derive(Debug, Clone)]
enum Step {
    Touch(&'static str, &'static str, u32),
    Collect(u32),
    Recompute,
    Pay(&'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payee = || prop::sample::select(vec!["amy", "bob", "cat"]);
    let kind = prop::sample::select(vec!["referral", "demo", "crm_sync"]);
    let step = prop_oneof![
        3 => (payee(), kind, 1_u32..20).prop_map(|(payee, kind, day)| Step::Touch(payee, kind, day)),
        2 => (1_u32..400).prop_map(Step::Collect),
        3 => Just(Step::Recompute),
        1 => payee().prop_map(Step::Pay),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes late, what payees have of a sale is what it was credited with last and what payments released since; touches
    /// that do not count change none of it; and a reversal leaves nothing.
    #[test]
    fn results_supersede_and_a_reversal_leaves_nothing(steps in steps(), slow: bool) {
        let mut story = shop();
        let earned = if slow { "as_collected" } else { "on_invoice" };
        let overrides = json!([{"name": "recruiter", "of": "bob", "to": "amy", "rate": "0.15"}]);
        rates(&mut story, "law", json!({"currency": "USD", "otherwise": {"rate": "0.13"}, "earned": earned, "overrides": overrides}));
        let mut sale = sale("1000.01 USD");
        sale["rates"] = of("law", 1);
        let touches = json!([touched("a", "amy", "2026-01-05"), touched("b", "bob", "2026-01-06")]);
        let credited = story.given("ann", record("d", sale, touches, "2026-01-10"));
        let sum = |decision: &Decision| -> i64 {
            entries_of(decision).iter().map(|earned| earned.amount.minor()).sum()
        };
        let mut live = sum(&credited);
        let mut paid = 0;
        let (mut newest, mut counts_since) = (crediting(&credited).clone(), false);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Touch(payee, kind, day) => {
                    let mut touch = touched(&format!("t{number}"), payee, &format!("2026-01-{day:02}"));
                    touch["type"] = json!(kind);
                    story.given("ann", json!({"deal.touch": {"deal": "d", "touch": touch}}));
                    counts_since |= kind != "crm_sync" && day <= 10;
                }
                Step::Collect(dollars) => {
                    let payment = collect("d", &format!("p{number}"), &format!("{dollars} USD"), "2026-01-20");
                    if let Ok(collected) = story.when("ann", payment) {
                        live += sum(&collected);
                        counts_since |= slow;
                    }
                }
                Step::Recompute => {
                    let Ok(anew) = story.when("ann", recompute("d")) else { continue };
                    live = sum(&anew);
                    if !counts_since {
                        prop_assert_eq!(&crediting(&anew).entries, &newest.entries);
                        prop_assert_eq!(&crediting(&anew).credits, &newest.credits);
                    }
                    (newest, counts_since) = (crediting(&anew).clone(), false);
                }
                Step::Pay(payee) => {
                    let amount = story.payable(payee);
                    if !amount.starts_with(['-', '0']) {
                        story.paid(payee, &amount);
                        paid += minor(&amount);
                    }
                }
            }
            let payable: i64 = ["amy", "bob", "cat"].iter().map(|payee| minor(&story.payable(payee))).sum();
            prop_assert_eq!(payable + paid, live);
        }
        story.given("ann", reverse("d"));
        let payable: i64 = ["amy", "bob", "cat"].iter().map(|payee| minor(&story.payable(payee))).sum();
        prop_assert_eq!(payable, -paid);
        sound(&story);
    }
}

fn entries_of(decision: &Decision) -> &[deal::sale::Earned] {
    let entries = decision.events.iter().find_map(|(_, event)| match event {
        Event::Deal(deal::Event::Collected { entries, .. }) => Some(entries),
        Event::Deal(event) => event.crediting().map(|crediting| &crediting.entries),
        _ => None,
    });
    entries.expect("a sale is credited or collected")
}

fn minor(amount: &str) -> i64 {
    ledger_core::Money::parse(amount).unwrap().minor()
}
