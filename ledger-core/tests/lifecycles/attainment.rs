use ledger_core::attainment::Rejection as Refused;
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::{attainment, payee, settings};
use serde_json::{Value, json};

use crate::story::{Story, completion, flat, parts, types};

/// 60 % up to 10,000 of revenue in a year, 80 % from there on; 100 when three units are sold.
fn tiers() -> Value {
    json!({
        "currency": "USD",
        "attainment": {"programme": "volume", "year": {"calendar": {"month": 1, "day": 1}}},
        "split": {"tiered": {"tiers": {"revenue": [
            {"from": "0 USD", "payee": "0.6", "company": "0.4"}, {"from": "10000 USD", "payee": "0.8", "company": "0.2"},
        ]}}},
        "bonuses": [{"name": "three", "when": {"reaches": {"units": 3}}, "amount": {"flat": "100 USD"}}],
    })
}

fn zoe() -> Story {
    let mut story = Story::opened();
    story.publish("tiers", tiers()).enrol("zoe").assign("zoe", "tiers");
    story
}

fn opening(fields: Value) -> Value {
    let mut opening = json!({"payee": "zoe", "on": "2026-02-01", "reason": "old system"});
    opening.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"attainment.set_opening": opening})
}

fn net(story: &mut Story, deal: &str, gci: &str, on: &str) -> String {
    parts(&story.deal(deal, "zoe", gci, on), "zoe")[3].clone()
}

/// The tier of a year was that of the deal alone.
#[test]
fn a_deal_counts_to_its_year_and_the_next_one_starts_from_there() {
    let mut story = zoe();
    let decision = story.deal("a", "zoe", "8000 USD", "2026-02-01");
    let expected =
        ["deal.registered", "deal.attributed", "deal.completed", "attainment.counted", "account.entry_booked"];
    assert_eq!(types(&decision), expected);
    assert_eq!(decision.events[3].0.to_string(), "attainment/volume/zoe/2026-01-01");
    // 2,000 at 60 %, 4,000 at 80 %.
    assert_eq!(net(&mut story, "b", "6000 USD", "2026-02-02"), "4400.00");
    assert_eq!(net(&mut story, "early", "1000 USD", "2025-12-31"), "600.00", "another year");
    assert_eq!(net(&mut story, "c", "1000 USD", "2026-02-03"), "900.00", "with the bonus for the third");
}

/// A threshold that was met, left by a reversal and met again brought its bonus twice; and once the deal that had brought it was
/// taken back, never again.
#[test]
fn a_bonus_is_paid_once_a_year_by_a_deal_that_stands() {
    let mut story = zoe();
    let reverse = |deal: &str| json!({"deal.reverse": {"deal": deal, "reason": "withdrawn"}});
    let day = "2026-02-01";
    assert_eq!(["a", "b", "c"].map(|deal| net(&mut story, deal, "100 USD", day)), ["60.00", "60.00", "160.00"]);
    story.given("ann", reverse("a"));
    assert_eq!(net(&mut story, "d", "100 USD", day), "60.00", "c has paid it");
    story.given("ann", reverse("c"));
    assert_eq!(net(&mut story, "e", "0 USD", "2025-01-01"), "0.00", "another year");
    let paid = story.deal("f", "zoe", "100 USD", day);
    assert_eq!(parts(&paid, "zoe")[3], "160.00", "b, d and f are three, and c, which had paid it, is gone");
    let attained = completion(&paid).attainments[0].clone();
    assert_eq!([attained.paid.len(), attained.taken_back.len(), attained.pays.len()], [0, 1, 1]);
    assert_eq!(net(&mut story, "g", "100 USD", day), "60.00");
    assert_eq!(story.payable("zoe"), "340.00 USD", "b, d, f with the bonus, g");
}

/// A new version of the plan began to count from nothing, or paid the bonus of the year again.
#[test]
fn v23_the_bonus_for_five_deals_is_paid_once_under_two_versions_and_again_when_its_deal_is_gone() {
    let version = |each: &str| {
        json!({
            "currency": "USD",
            "attainment": {"programme": "volume", "year": {"calendar": {"month": 1, "day": 1}}},
            "split": {"flat": {"payee": "0.7", "company": "0.3"}},
            "bonuses": [
                {"name": "spiff", "when": "each_deal", "amount": {"flat": each}},
                {"name": "five", "when": {"reaches": {"units": 5}}, "amount": {"flat": "1000 USD"}},
            ],
        })
    };
    let mut story = Story::opened();
    story.publish("spiffs", version("500 USD")).enrol("zoe");
    let assign = |version: u32, from: &str, until: Option<&str>| {
        let (payee, plan) = ("zoe", "spiffs");
        json!({"payee.assign": {"payee": payee, "plan": plan, "version": version, "from": from, "until": until}})
    };
    story.given("ann", assign(1, "2026-01-01", Some("2026-07-01")));
    story.publish("spiffs", version("600 USD")).given("ann", assign(2, "2026-07-01", None));

    // 700 of each 1,000; 500 and, from July, 600 for each deal; 1,000 with the fifth of the year.
    let mut has = |deal: &str, day: &str| net(&mut story, deal, "1000 USD", day);
    let spring = ["a", "b", "c", "d"].map(|deal| has(deal, "2026-03-02"));
    assert_eq!(spring, ["1200.00"; 4]);
    assert_eq!(["e", "f"].map(|deal| has(deal, "2026-07-01")), ["2300.00", "1300.00"], "four are of the other version");
    assert_eq!(has("late", "2026-06-30"), "1200.00", "under the first version again: the second has paid it");
    let reverse = |deal: &str| json!({"deal.reverse": {"deal": deal, "reason": "withdrawn"}});
    story.given("ann", reverse("b"));
    assert_eq!(net(&mut story, "g", "1000 USD", "2026-08-03"), "1300.00", "e, which has paid it, stands");
    story.given("ann", reverse("e"));
    assert_eq!(
        net(&mut story, "h", "1000 USD", "2026-06-30"),
        "2200.00",
        "under the first version: a, c, d, f, late, g"
    );
    assert_eq!(net(&mut story, "i", "1000 USD", "2026-08-04"), "1300.00");
    // a, c, d, late at 1,200; f, g, i at 1,300; h at 2,200.
    assert_eq!(story.payable("zoe"), "10900.00 USD");
    assert_eq!(net(&mut story, "next", "1000 USD", "2027-01-01"), "1300.00", "another year, its first deal");
}

#[test]
fn a_reversal_takes_back_exactly_what_was_counted() {
    let mut story = zoe();
    story.deal("a", "zoe", "8000 USD", "2026-02-01");
    let counted = story.deal("b", "zoe", "6000 USD", "2026-02-02");
    let attained = completion(&counted).attainments[0].clone();
    assert_eq!((attained.before.units, attained.after.units), (1, 2));
    let reversed = story.given("ann", json!({"deal.reverse": {"deal": "a", "reason": "withdrawn"}}));
    assert_eq!(types(&reversed), ["deal.reversed", "attainment.reversed", "account.entry_reversed"]);
    let Some((_, Event::Attainment(event @ attainment::Event::Reversed { .. }))) = reversed.events.get(1) else {
        panic!("{reversed:?}")
    };
    let by = event.attained();
    let amounts = [by.revenue, by.accrued, by.company_dollar].map(|amount| amount.amount().to_string());
    assert_eq!((by.units, amounts), (1, ["8000.00", "4800.00", "3200.00"].map(str::to_owned)));
    // 6,000 are left: 4,000 at 60 %, 2,000 at 80 %.
    assert_eq!(net(&mut story, "c", "6000 USD", "2026-02-03"), "4000.00");
}

#[test]
fn what_was_attained_elsewhere_is_taken_over_once_a_year() {
    let mut story = zoe();
    let opened = story.given("ann", opening(json!({"revenue": "9000 USD", "units": 2})));
    assert_eq!(
        (types(&opened), opened.effective.to_string()),
        (vec!["attainment.opening_set".into()], "2026-02-01".into())
    );
    refused!(story, "ann", opening(json!({"units": 1})), Rejection::Attainment(Refused::AlreadyOpened));
    // 1,000 at 60 %, 1,000 at 80 %, and the bonus.
    assert_eq!(net(&mut story, "a", "2000 USD", "2026-02-01"), "1500.00");
    let next = json!({"attainment.set_opening": {"payee": "zoe", "on": "2027-01-01", "units": 0, "reason": "r"}});
    story.given("ann", next);
}

#[test]
fn an_opening_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    let bad = || opening(json!({"revenue": "-1 EUR"}));
    story.given("ann", json!({"settings.switch_off": {"capability": "opening_balances"}}));
    refused!(story, "ann", bad(), Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
    story.given("ann", json!({"settings.switch_on": {"capability": "opening_balances"}}));
    refused!(story, "ann", bad(), Rejection::Payee(payee::Rejection::Unknown { .. }));
    story.enrol("zoe");
    refused!(story, "ann", bad(), Rejection::Payee(payee::Rejection::NoPlan { .. }));
    story.publish("flat", flat("0.7", "0.3")).publish("tiers", tiers());
    story.given("ann", json!({"payee.assign": {"payee": "zoe", "plan": "flat", "version": 1, "from": "2026-01-01"}}));
    refused!(story, "ann", bad(), Rejection::Attainment(Refused::NotMeasured { .. }));
    story.given("ann", json!({"payee.end_assignment": {"payee": "zoe", "until": "2026-01-15"}}));
    story.given("ann", json!({"payee.assign": {"payee": "zoe", "plan": "tiers", "version": 1, "from": "2026-01-15"}}));
    refused!(story, "ann", opening(json!({})), Rejection::Attainment(Refused::Nothing));
    refused!(story, "ann", bad(), Rejection::Money(_));
    for field in ["revenue", "accrued", "company_dollar"] {
        let negative = opening(json!({field: "-0.01 USD", "units": 1}));
        refused!(story, "ann", negative, Rejection::Attainment(Refused::Negative { .. }));
    }
    story.given("ann", opening(json!({"units": 0})));
}
