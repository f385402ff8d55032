//! What cannot be calculated is refused with its field and its rule, and nothing of the case is.

use ledger_core::Money;
use ledger_core::id::{PayeeId, PlanId};
use ledger_core::waterfall::{Account, Attained, Books, Document, Member, Plan, Side, calculate};
use serde_json::{Value, json};

use crate::case::{Case, cap, fee, flat, plan, sample, side, with};

/// One thing of a case spoiled at a path, and what is said about it.
fn spoiled(case: Case, path: &str, value: Value, refusal: &str) {
    let Case(mut case) = case;
    let (outer, last) = path.rsplit_once('/').unwrap();
    let outer = case.pointer_mut(outer).unwrap_or_else(|| panic!("{path}"));
    match outer {
        Value::Array(list) => list[last.parse::<usize>().unwrap()] = value,
        object => object[last] = value,
    }
    assert_eq!(Case(case).refused(), refusal, "{path}");
}

/// A plan of everything.
fn everything() -> Value {
    let year = || json!({"calendar": {"month": 1, "day": 1}});
    let mut pool = cap("team", "40000 USD");
    pool["of"] = json!({"pool": "north"});
    let tier = |from: &str, payee: &str, company: &str| json!({"from": from, "payee": payee, "company": company});
    let tiers = json!({"revenue": [tier("0 USD", "0.7", "0.3"), tier("50000 USD", "0.8", "0.2")]});
    let mut all = plan(json!({"tiered": {"tiers": tiers, "minimum": "10 USD"}}));
    all["attainment"] = json!({"programme": "volume", "year": year()});
    all["cap"] = json!({"caps": [cap("house", "15000 USD"), pool]});
    all["royalty"] = json!({"rate": "0.06", "basis": "gross",
        "cap": {"programme": "royalty", "limit": "3000 USD", "year": year()}});
    all["fees"] = json!([
        fee("transaction", "always", json!({"lesser_of": {"flat": "65 USD", "rate": "0.05"}})),
        fee("capped", "post_cap", json!({"flat": "250 USD"})),
    ]);
    all["fees"][1]["sub_cap"] =
        json!({"programme": "fees", "limit": "5000 USD", "year": year(), "then": {"rate": "0.01"}});
    all["mentee"] = json!({"company": "0.1", "mentor": "0.1"});
    all["bonuses"] = json!([
        {"name": "spiff", "when": "each_deal", "amount": {"flat": "500 USD"}},
        {"name": "five", "when": {"reaches": {"revenue": "5 USD"}}, "amount": {"rate": "0.01"}},
    ]);
    all["overrides"] = json!([
        {"name": "lead", "to": "lea", "rate": "0.05"}, {"name": "office", "to": "olga", "rate": "0.01", "of": "gci"},
    ]);
    all
}

fn case() -> Case {
    let mut deal = side("100000 USD", &["ann", "bob"]);
    deal["off_top"] =
        json!([{"concession": {"flat": "100 USD"}}, {"referral_out": {"to": "joe", "amount": {"rate": "0.25"}}}]);
    deal["adjustments"] = json!([{"from": "company", "to": {"payee": "ann"}, "amount": "50 USD", "reason": "retention", "actor": "broker"}]);
    deal["payees"][0]["mentor"] = "max".into();
    let before = json!({"programme": "volume", "payee": "ann", "on": "2025-06-01", "revenue": "10 USD"});
    Case::of(everything()).payee("bob", "plan").contributed("house", "8200 USD").attained(before).deal(deal)
}

#[test]
fn a_case_of_everything_is_calculated() {
    case().calculated();
}

/// Each rule of a document, broken alone: a rule that is not checked would be calculated with.
#[test]
fn every_rule_of_a_document_names_its_field() {
    let year = json!({"anniversary": {}});
    let step = |steps: &[&str]| json!(steps);
    let split_first = [
        "split",
        "concession",
        "referral_out",
        "royalty",
        "allocation",
        "fees",
        "mentee",
        "bonuses",
        "overrides",
        "adjustments",
    ];
    for (path, value, refusal) in [
        ("currency", json!("EUR"), "wrong_currency at plans.plan.currency"),
        ("order", step(&["split"]), "order at plans.plan.order"),
        ("order", step(&split_first), "order at plans.plan.order"),
        ("split/tiered/mode", json!("retroactive"), "conflicting at plans.plan.split.tiered.mode"),
        ("split/tiered/mode", json!("above_quota"), "conflicting at plans.plan.split.tiered.mode"),
        ("split/tiered/minimum", json!("-1 USD"), "negative at plans.plan.split.tiered.minimum"),
        ("split/tiered/minimum", json!("1 EUR"), "wrong_currency at plans.plan.split.tiered.minimum"),
        ("split/tiered/tiers/revenue/1/from", json!("0 USD"), "tiers at plans.plan.split.tiered.tiers.revenue"),
        (
            "split/tiered/tiers/revenue/1/payee",
            json!("0.9"),
            "shares_do_not_sum at plans.plan.split.tiered.tiers.revenue.1",
        ),
        ("attainment", json!(null), "conflicting at plans.plan.split.tiered.per"),
        ("attainment/programme", json!("house"), ""),
        ("attainment/year/calendar/month", json!(13), "year at plans.plan.attainment.year"),
        ("cap/caps", json!([]), "too_many at plans.plan.cap.caps"),
        ("cap/caps/0/limit", json!("1 JPY"), "wrong_currency at plans.plan.cap.caps.0.limit"),
        ("cap/caps/0/portion", json!("0"), "rate_out_of_bounds at plans.plan.cap.caps.0.portion"),
        ("cap/caps/0/portion", json!("1.5"), "rate_out_of_bounds at plans.plan.cap.caps.0.portion"),
        ("cap/caps/0/programme", json!("royalty"), "named_twice at plans.plan.royalty.cap.programme"),
        ("cap/caps/0/programme", json!("fees"), "named_twice at plans.plan.fees.1.sub_cap.programme"),
        ("cap/caps/0/year/calendar/day", json!(32), "year at plans.plan.cap.caps.0.year"),
        ("cap/caps/1/proration", json!("months"), "conflicting at plans.plan.cap.caps.1.proration"),
        ("cap/caps/1/year", year, "conflicting at plans.plan.cap.caps.1.year"),
        ("cap/post_cap", json!({"payee": "0.9", "company": "0.2"}), "shares_do_not_sum at plans.plan.cap.post_cap"),
        ("royalty/rate", json!("1.1"), "rate_out_of_bounds at plans.plan.royalty.rate"),
        ("royalty/basis", json!("off_top"), "conflicting at plans.plan.royalty.cap"),
        ("fees/1/name", json!("transaction"), "named_twice at plans.plan.fees.1.name"),
        ("fees/0/amount/lesser_of/rate", json!("2"), "rate_out_of_bounds at plans.plan.fees.0.amount"),
        ("fees/0/amount/lesser_of/flat", json!("-2 USD"), "negative at plans.plan.fees.0.amount"),
        ("fees/1/sub_cap/then", json!({"rate": "2"}), "rate_out_of_bounds at plans.plan.fees.1.sub_cap.then"),
        ("fees/1/sub_cap/limit", json!("-1 USD"), "negative at plans.plan.fees.1.sub_cap.limit"),
        ("mentee/mentor", json!("0.91"), "rate_out_of_bounds at plans.plan.mentee"),
        ("bonuses/1/name", json!("spiff"), "named_twice at plans.plan.bonuses.1.name"),
        ("bonuses/0/amount/flat", json!("-1 USD"), "negative at plans.plan.bonuses.0.amount"),
        ("bonuses/1/when/reaches/revenue", json!("-1 USD"), "negative at plans.plan.bonuses.1.when.reaches"),
        ("overrides/1/name", json!("lead"), "named_twice at plans.plan.overrides.1.name"),
        ("overrides/0/rate", json!("2"), "rate_out_of_bounds at plans.plan.overrides.0.rate"),
    ] {
        if refusal.is_empty() {
            let mut whole = case().0;
            *whole.pointer_mut(&format!("/plans/plan/{path}")).unwrap() = value;
            whole["attainments"] = json!([]);
            Case(whole).calculated();
        } else {
            spoiled(case(), &format!("/plans/plan/{path}"), value, refusal);
        }
    }
    let many =
        |count: usize| (0..count).map(|i| fee(&format!("f{i}"), "always", json!({"rate": "0"}))).collect::<Vec<_>>();
    Case::of(with(sample(), "fees", json!(many(20)))).calculated_nothing();
    assert_eq!(Case::of(with(sample(), "fees", json!(many(21)))).refused(), "too_many at plans.plan.fees");
    let bonus = json!([{"name": "b", "when": {"reaches": {"units": 5}}, "amount": {"rate": "0"}}]);
    assert_eq!(
        Case::of(with(sample(), "bonuses", bonus)).refused(),
        "conflicting at plans.plan.bonuses.0.when.reaches"
    );
}

/// Each term of a deal, broken alone.
#[test]
fn every_rule_of_a_deal_names_its_field() {
    let side_of = "deals.0.sides.0";
    for (path, value, refusal) in [
        ("gci/amount", json!("-1 USD"), "negative at {}.gci"),
        ("gci/amount", json!("1 EUR"), "wrong_currency at {}.gci"),
        ("gci/amount", json!("50 USD"), "exceeds_commission at {}.off_top.0"),
        ("off_top/0/concession/flat", json!("-1 USD"), "negative at {}.off_top.0"),
        ("off_top/0/concession/flat", json!("1 EUR"), "wrong_currency at {}.off_top.0"),
        ("off_top/1/referral_out/amount/rate", json!("1.5"), "rate_out_of_bounds at {}.off_top.1"),
        ("payees/0/payee", json!("eve"), "unknown_payee at {}.payees.0"),
        ("payees/1/payee", json!("ann"), "named_twice at {}.payees.1"),
        ("payees/0/mentor", json!("ann"), "conflicting at {}.payees.0.mentor"),
        ("payees/0/weight", json!("0.5"), "weights_do_not_sum at {}.payees"),
        ("payees/0/weight", json!("1"), "weights_do_not_sum at {}.payees"),
        (
            "payees",
            json!([{"payee": "ann", "weight": "1"}, {"payee": "bob", "weight": "0"}]),
            "conflicting at {}.payees.1.weight",
        ),
        ("payees", json!([]), "weights_do_not_sum at {}.payees"),
        ("adjustments/0/amount", json!("0 USD"), "not_positive at {}.adjustments.0.amount"),
        ("adjustments/0/amount", json!("1 EUR"), "wrong_currency at {}.adjustments.0.amount"),
        ("adjustments/0/to", json!("company"), "conflicting at {}.adjustments.0.to"),
        ("adjustments/0/to", json!({"payee": "max"}), "unknown_payee at {}.adjustments.0.to"),
        ("adjustments/0/reason", json!(""), "malformed at {}.adjustments.0.reason"),
        ("referral_in", json!("-1 USD"), "negative at {}.referral_in"),
    ] {
        spoiled(case(), &format!("/deals/0/sides/0/{path}"), value, &refusal.replace("{}", side_of));
    }
    let bob = side("1 USD", &["bob"]);
    assert_eq!(case().deal(json!([bob, bob])).refused(), "named_twice at deals.1.sides.1.side");
    assert_eq!(case().deal(json!([])).refused(), "malformed at deals.1.sides");
    let names: Vec<String> = (0..51).map(|i| format!("p{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = names.iter().fold(case(), |case, name| case.payee(name, "plan")).deal(side("1 USD", &names));
    assert_eq!(many.refused(), "too_many at deals.1.sides.0.payees");
    let mut twice = case().sale("1000 USD");
    twice.0["deals"][1]["deal"] = "D1".into();
    assert_eq!(twice.refused(), "named_twice at deals.1.deal");
}

#[test]
fn every_rule_over_a_case_names_its_field() {
    let other_year = |programme: &str| {
        let mut plan = with(flat("0.7", "0.3"), "cap", json!({"caps": [cap(programme, "15000 USD")]}));
        plan["cap"]["caps"][0]["year"]["calendar"]["month"] = json!(7);
        case().plan("second", plan).refused()
    };
    for programme in ["house", "royalty", "fees", "volume"] {
        assert_eq!(other_year(programme), "programmes_differ at plans.second.cap.caps.0.year", "{programme}");
    }
    let own = with(flat("0.7", "0.3"), "cap", json!({"caps": [cap("team", "40000 USD")]}));
    assert_eq!(case().plan("second", own.clone()).refused(), "programmes_differ at plans.second.cap.caps.0.of");
    let mut pool = own;
    pool["cap"]["caps"][0]["of"] = json!({"pool": "north"});
    case().plan("second", pool.clone()).calculated();
    for (field, value) in [("limit", json!("39999 USD")), ("portion", json!("0.5"))] {
        let mut other = pool.clone();
        other["cap"]["caps"][0][field] = value;
        assert_eq!(case().plan("second", other).refused(), "programmes_differ at plans.second.cap.caps.0.limit");
    }
    for (field, value) in [("crossing", "whole_deal_pre_cap"), ("fee_on_crossing", "yes")] {
        let mut other = pool.clone();
        other["cap"][field] = value.into();
        let other = case().plan("second", other);
        if field == "crossing" {
            assert_eq!(other.refused(), "programmes_differ at plans.second.cap.caps.0.limit");
        } else {
            other.calculated();
        }
    }
    spoiled(case(), "/payees/ann/plans/0/plan", "gone".into(), "unknown_plan at payees.ann.plans.0");
    spoiled(case(), "/payees/ann/plans/0/until", "2020-01-01".into(), "malformed at payees.ann.plans.0");
    spoiled(case(), "/payees/ann/joined_on", "1800-01-01".into(), "year at payees.ann.joined_on");
    spoiled(case(), "/caps/0/programme", "gone".into(), "no_plan at caps.0.programme");
    spoiled(case(), "/caps/0/on", "2019-01-01".into(), "no_plan at caps.0.on");
    spoiled(case(), "/caps/0/of", json!({"payee": "eve"}), "unknown_payee at caps.0.of");
    spoiled(case(), "/caps/0/of", json!({"pool": "north"}), "no_plan at caps.0.programme");
    spoiled(case(), "/caps/0/contributed", "1 EUR".into(), "wrong_currency at caps.0.contributed");
    assert_eq!(case().contributed("house", "1 USD").refused(), "named_twice at caps.1");
    spoiled(case(), "/attainments/0/programme", "house".into(), "no_plan at attainments.0.programme");
    spoiled(case(), "/attainments/0/revenue", "-1 USD".into(), "negative at attainments.0.revenue");
    let agree = with(everything(), "royalty", json!({"rate": "0.06"}));
    let mut two = case().plan("second", agree);
    two.0["payees"]["bob"]["plans"][0]["plan"] = "second".into();
    assert_eq!(two.refused(), "plans_disagree at deals.0.sides.0.payees");
}

/// A field that is not known may be a policy of a later version: it must not be passed over.
#[test]
fn a_text_that_is_no_case_is_malformed_where_it_goes_wrong() {
    let at = |text: &str| {
        let answer: Value = serde_json::from_str(&ledger_core::calc::line(text)).unwrap();
        assert_eq!(answer["error"]["code"], "malformed", "{text}");
        answer["error"]["at"].as_str().unwrap().to_owned()
    };
    assert_eq!(at(""), "");
    assert_eq!(at("nonsense"), "");
    assert_eq!(at(r#"{"currency":"usd"}"#), "currency");
    assert_eq!(at(r#"{"currency":"USD","plans":{"p":{"currency":"USD","zone":"Mars/Olympus"}}}"#), "plans.p.zone");
    assert_eq!(
        at(r#"{"currency":"USD","plans":{"p":{"currency":"USD","split":{"flat":{"payee":"1","company":"0","x":1}}}}}"#),
        "plans.p.split.flat.x"
    );
    let case = case().0.to_string();
    assert_eq!(at(&case.replacen("\"from\":\"2020-01-01\"", "\"from\":\"2020-02-30\"", 1)), "payees.ann.plans.0.from");
    assert_eq!(at(r#"{"oops":1}"#), "oops");
    let twice = r#"{"currency":"USD","plans":{},"payees":{"a":{"plans":[]},"a":{"plans":[]}},"deals":[]}"#;
    assert!(ledger_core::calc::line(twice).contains("a is named twice"));
    let named: Value = serde_json::from_str(&ledger_core::calc::line(r#"{"case":"seven","currency":1}"#)).unwrap();
    assert_eq!(named["case"], "seven", "a refusal can be told from the others");
}

#[test]
fn who_would_owe_is_refused_unless_the_plan_says_otherwise() {
    let plan = with(sample(), "fees", json!([fee("desk", "always", json!({"flat": "1000 USD"}))]));
    let case = Case::of(plan.clone()).sale("1000 USD");
    assert_eq!(case.refused(), "deficit at deals.0.sides.0.payees.0");
    let owing = Case::of(with(plan, "deficit", "receivable".into())).sale("1000 USD").calculated();
    assert_eq!([owing.ann(), owing.company()], ["-300.00", "1300.00"]);
    let mut deal = side("1000 USD", &["ann"]);
    deal["adjustments"] = json!([{"from": {"payee": "ann"}, "to": "company", "amount": "700.01 USD", "reason": "desk", "actor": "broker"}]);
    assert_eq!(Case::of(flat("0.7", "0.3")).deal(deal).refused(), "deficit at deals.0.sides.0.payees.0");
}

struct Nothing;

impl Books for Nothing {
    fn contributed(&self, _: &Account) -> Option<Money> {
        None
    }

    fn attained(&self, _: &Account) -> Option<Attained> {
        None
    }
}

/// A deal of ann's and bob's, each under a plan of their own, without a case around it: nobody else has seen to it that their
/// plans go together. What the first account has after it, or the refusal.
fn together(ann: Value, bob: Value) -> String {
    let [ann, bob] = [ann, bob].map(|plan| serde_json::from_value::<Document>(plan).unwrap());
    let payees: [PayeeId; 2] = ["ann", "bob"].map(|name| name.parse().unwrap());
    let names: [PlanId; 2] = ["one", "two"].map(|name| name.parse().unwrap());
    let plans = [Plan::new(&names[0], &ann).unwrap(), Plan::new(&names[1], &bob).unwrap()];
    let day = "2025-06-01".parse().unwrap();
    let members = [0, 1].map(|i| Member { payee: &payees[i], plan: plans[i], joined_on: None, day });
    let sides: Vec<Side> = serde_json::from_value(json!([side("100 USD", &["ann", "bob"])])).unwrap();
    match calculate(&sides, &members, &Nothing) {
        Ok(deal) => deal.contributions.first().map(|cap| cap.after.to_string()).unwrap_or_default(),
        Err(refusal) => format!("{} at {}", refusal.rule.code(), refusal.at),
    }
}

#[test]
fn plans_that_meet_in_a_pool_agree_on_it() {
    let of_pool = |limit: &str, rounding: &str| {
        let mut pool = cap("team", limit);
        pool["of"] = json!({"pool": "north"});
        with(with(flat("0.7", "0.3"), "cap", json!({"caps": [pool]})), "rounding", rounding.into())
    };
    let one = of_pool("1000 USD", "half_even");
    assert_eq!(together(one.clone(), one.clone()), "30.00 USD");
    for other in [of_pool("999 USD", "half_even"), of_pool("1000 USD", "half_away_from_zero")] {
        assert_eq!(together(one.clone(), other), "plans_disagree at sides.0.payees.1");
    }
}

/// Catches a part that is taken for dollars under a plan in euros, where no amount of the plan would have told.
#[test]
fn plans_that_meet_in_a_deal_have_its_currency() {
    let in_euros = with(flat("0.7", "0.3"), "currency", "EUR".into());
    assert_eq!(together(flat("0.7", "0.3"), in_euros.clone()), "wrong_currency at sides.0.payees.1");
    assert_eq!(together(in_euros, flat("0.7", "0.3")), "wrong_currency at sides.0.gci");
}

/// The exact way up a ladder of rates with twelve decimals does not fit: a wrong cent would be worse than a refusal.
#[test]
fn what_cannot_be_computed_exactly_is_refused() {
    let tier = |from: i64, company: &str| {
        let rate: ledger_core::rate::Rate = company.parse().unwrap();
        json!({"from": format!("{from} USD"), "payee": rate.complement().unwrap().to_string(), "company": company})
    };
    let primes = ["0.999999999989", "0.999999999961", "0.999999999959", "0.999999999937", "0.999999999899"];
    let tiers: Vec<Value> = (0..).zip(primes).map(|(place, rate)| tier(place * 1_000_001, rate)).collect();
    let plan = plan(json!({"tiered": {"tiers": {"company_dollar": tiers}, "per": "deal"}}));
    assert_eq!(Case::of(plan).sale("90000000 USD").refused(), "overflow at deals.0.sides.0.payees.0");
    let most = "92233720368547758.07 USD";
    Case::of(sample()).sale(most).calculated();
    let mut deal = side(most, &["ann"]);
    deal["referral_in"] = "0.01 USD".into();
    assert_eq!(Case::of(sample()).deal(deal).refused(), "overflow at deals.0.sides.0");
}
