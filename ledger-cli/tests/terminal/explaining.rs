//! What a payee is told of its money: every input, every rule, every step, and nobody else's.

use super::*;

const YEAR: &str = r#"{"calendar":{"month":1,"day":1}}"#;

/// A folder whose ledger has requests of maria's, none of which is refused.
fn ledger(commands: &[String]) -> Folder {
    let folder = Folder::new();
    let opened = r#""settings.open":{"base_currency":"USD","zone":"UTC","capabilities":["manual_payments","manual_amounts","opening_balances"]}"#;
    let payees = ["ann", "bob", "lea", "max"]
        .map(|payee| format!(r#""payee.enrol":{{"payee":"{payee}","name":"{payee}","joined_on":"2025-01-01"}}"#));
    let commands = [opened.to_owned()].into_iter().chain(payees).chain(commands.iter().cloned());
    let lines: Vec<_> = commands.enumerate().map(|(key, command)| request(&format!("k-{key}"), &command)).collect();
    folder.apply(&lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    folder
}

fn publish(plan: &str, says: &str) -> String {
    format!(r#""plan.publish":{{"plan":"{plan}","document":{{"currency":"USD",{says}}}}}"#)
}

fn assign(payee: &str, plan: &str, version: u32) -> String {
    format!(r#""payee.assign":{{"payee":"{payee}","plan":"{plan}","version":{version},"from":"2026-01-01"}}"#)
}

fn record(deal: &str, side: &str) -> String {
    format!(r#""deal.record_sides":{{"deal":"{deal}","completed_on":"2026-02-01","sides":[{side}]}}"#)
}

fn sale(deal: &str, payee: &str, gci: &str) -> String {
    record(deal, &format!(r#"{{"gci":{{"amount":"{gci}"}},"payees":[{{"payee":"{payee}"}}]}}"#))
}

fn tiered(mode: &str, more: &str) -> String {
    let tiers =
        r#"[{"from":"0 USD","payee":"0.5","company":"0.5"},{"from":"100000 USD","payee":"0.6","company":"0.4"}]"#;
    let attainment = format!(r#""attainment":{{"programme":"vol","year":{YEAR}}}"#);
    format!(r#""split":{{"tiered":{{"tiers":{{"revenue":{tiers}}},"mode":"{mode}"{more}}}}},{attainment}"#)
}

fn pooled() -> String {
    let flat = r#""split":{"flat":{"payee":"0.8","company":"0.2"}}"#;
    let cap = format!(
        r#""cap":{{"caps":[{{"programme":"team","of":{{"pool":"t1"}},"limit":"16000 USD","portion":"0.5","year":{YEAR}}}]}}"#
    );
    let others = r#""mentee":{"company":"0.1","mentor":"0.1"},"referral_in":"shared",
        "overrides":[{"name":"lead","to":"lea","rate":"0.05","of":"company_dollar"}],
        "bonuses":[{"name":"spiff","when":"each_deal","amount":{"rate":"0.01"}}],
        "fees":[{"name":"risk","timing":"post_cap","amount":{"flat":"285 USD"}}]"#
        .replace('\n', "");
    format!("{flat},{cap},{others}")
}

/// Two payees with a mentor, an override to somebody else and an adjustment that concerns one of them.
fn team() -> Folder {
    let side = r#"{"gci":{"amount":"100000 USD"},"referral_in":"1000 USD","off_top":[{"concession":{"rate":"0.1"}},{"referral_out":{"to":"joe","amount":{"flat":"500 USD"}}}],"payees":[{"payee":"ann","weight":"0.6","mentor":"max"},{"payee":"bob","weight":"0.4"}],"adjustments":[{"from":"company","to":{"payee":"bob"},"amount":"50 USD","reason":"sign","actor":"omar"}]}"#;
    let flat = r#""split":{"flat":{"payee":"0.7","company":"0.3"}}"#;
    ledger(&[
        publish("pooled", flat),
        publish("pooled", &pooled()),
        assign("ann", "pooled", 2),
        assign("bob", "pooled", 2),
        record("d1", side),
        r#""payout.create":{"payee":"lea"}"#.into(),
        r#""payout.create":{"payee":"ann"}"#.into(),
    ])
}

fn payout_of(folder: &Folder, payee: &str) -> String {
    let payouts = folder.run(&["--format", "json", "show", "payouts"]).expect(0).lines();
    payouts.iter().find(|payout| payout["payee"] == payee).unwrap()["payout"].as_str().unwrap().to_owned()
}

#[track_caller]
fn says(words: &str, said: &[&str]) {
    for said in said {
        assert!(words.contains(said), "{said:?} is not in {words}");
    }
}

/// Retroactive and marginal tiers read the same; portions, bases, minima, years and prorations were left out.
#[test]
fn what_a_plan_says_is_told_in_full() {
    let quota = format!(
        r#""split":{{"tiered":{{"tiers":{{"attainment":{{"quota":"100000 USD","tiers":[{{"from":"0","payee":"0.06","company":"0.94"}}]}}}},"mode":"above_quota","minimum":"500 USD"}}}},"attainment":{{"programme":"vol","year":{YEAR}}}"#
    );
    let capped = r#""split":{"flat":{"payee":"0.7","company":"0.3"}},"deficit":"receivable",
        "cap":{"caps":[{"programme":"house","limit":"15000 USD","portion":"0.5","year":{"first_of_join_month":{}},"proration":"months"}]},
        "royalty":{"rate":"0.06","basis":"gross","cap":{"programme":"roy","limit":"3000 USD","year":{"anniversary":{}}}},
        "fees":[{"name":"risk","timing":"always","amount":{"lesser_of":{"flat":"50 USD","rate":"0.01"}},"of":"gci","per":"side","to":{"payee":"max"},
            "sub_cap":{"programme":"risk","limit":"250 USD","year":{"calendar":{"month":3,"day":15}},"then":{"rate":"0.002"}}},
            {"name":"after","timing":"post_cap","amount":{"rate":"0.02"}}],
        "overrides":[{"name":"lead","to":"lea","rate":"0.05","of":"payee_share"}]"#
        .replace('\n', "");
    let folder = ledger(&[
        publish("pooled", &pooled()),
        publish("marginal", &tiered("marginal", "")),
        publish("retroactive", &tiered("retroactive", "")),
        publish("each", &tiered("marginal", r#","per":"deal""#)),
        publish("quota", &quota),
        publish("capped", &capped),
    ]);
    let told = |plan: &str| folder.run(&["events", "--stream", &format!("plan/{plan}")]).expect(0).stdout;
    let steps = "50% from 0.00 USD, 60% from 100000.00 USD";
    says(
        &told("marginal"),
        &[&format!("the payee has, by revenue in a year from January 1 (vol), {steps}, each of what lies in its tier")],
    );
    says(
        &told("retroactive"),
        &[&format!("{steps}, of everything once the tier is reached, less what was accrued before")],
    );
    says(&told("each"), &["by revenue in each deal, 50%"]);
    says(
        &told("quota"),
        &[
            "by revenue in parts of the quota of 100000.00 USD in a year from January 1 (vol), 6% from 0%, of what is above the \
         quota, less what was accrued before, at least 500.00 USD",
        ],
    );
    says(
        &told("pooled"),
        &[
            "until the company has 8000.00 USD, 50% of 16000.00 USD, in a year from January 1 from pool t1 (team), then 100% to",
            "with a mentor 10% of the part to the company and 10% of it to the mentor",
            "bonus spiff of 1% of the part in each deal",
            "override lead of 5% of the company's share to lea",
        ],
    );
    says(
        &told("capped"),
        &[
            "7500.00 USD, 50% of 15000.00 USD, in a year from the first of the month of joining, of which whoever joins within it \
         has the months left (house)",
            "6% of the part of the gross commission to the franchise, at most 3000.00 USD in a year from the day of joining",
            "fee risk of the lesser of 50.00 USD and 1% of the part of the gross commission on every side to max, at most 250.00 USD \
         in a year from March 15, then 0.2% of the part of the gross commission",
            "fee after of 2% of the part beyond the cap after the cap",
            "override lead of 5% of the payee's share so far to lea",
            "the payee may owe",
        ],
    );
}

/// The part came from nowhere, and which version of the plan spoke was not said.
#[test]
fn the_steps_of_a_deal_are_told_from_the_top() {
    let words = team().run(&["explain", "deal", "d1"]).expect(0).stdout;
    says(
        &words,
        &[
            "the only side brings 100000.00 USD, and 89500.00 USD of it is the net that is shared",
            "ann's part is 54300.00 USD: 60% of the net of 89500.00 USD is 53700.00 USD, and 60% of the 1000.00 USD that another \
         house pays is 600.00 USD",
            "20% of the part of 54300.00 USD is 10860.00 USD; the cap had 8000.00 USD left, of which 4800.00 USD is for this part \
         (split.flat.company of plan pooled v2)",
        ],
    );
}

/// A payout told what others had, and that somebody had decided on something else.
#[test]
fn a_payout_tells_its_payees_lines_only() {
    let folder = team();
    let payout = payout_of(&folder, "lea");
    let words = folder.run(&["explain", "payout", &payout]).expect(0).stdout;
    says(
        &words,
        &["lea gets 240.00 USD, override lead on ann's part: 5% of the company's share of 4800.00 USD is 240.00 USD \
        (overrides.0.rate of plan pooled v2)"],
    );
    for others in ["omar", "share:", "bob gets", "the company gets", "spiff"] {
        assert!(!words.contains(others), "{others:?} is in {words}");
    }
    let json = &folder.run(&["--format", "json", "explain", "payout", &payout]).expect(0).lines()[0];
    let told = &json["entries"][0]["calculated"];
    for sides in [&told["sides"], &told["completion"]["sides"]] {
        for line in sides[0]["lines"].as_array().unwrap() {
            assert_eq!(line["party"]["payee"], "lea", "{line}");
        }
    }
    assert_eq!(told["sides"][0]["lines"][0]["because"]["version"], 2);
    let text = json.to_string();
    assert!(!text.contains("omar") && !text.contains("spiff"), "{text}");

    let words = folder.run(&["explain", "payout", &payout_of(&folder, "ann")]).expect(0).stdout;
    says(
        &words,
        &[
            "ann's part is 54300.00 USD",
            "the client gets 10000.00 USD",
            "the company gets 4800.00 USD, company dollar on ann's part",
            "ann pays 5430.00 USD, mentee's charge",
            "ann gets 543.00 USD, bonus spiff: 1% of the part of 54300.00 USD is 543.00 USD; due in every deal",
        ],
    );
    for others in ["omar", "bob's part", "lead on", "max gets"] {
        assert!(!words.contains(others), "{others:?} is in {words}");
    }
}

/// Tiers go by what was attained, which nothing showed.
#[test]
fn an_attainment_is_shown_and_explained() {
    let opening =
        r#""attainment.set_opening":{"payee":"ann","on":"2026-01-01","units":3,"revenue":"5000 USD","reason":"moved"}"#;
    let folder = ledger(&[
        publish("m", &tiered("marginal", "")),
        assign("ann", "m", 1),
        opening.into(),
        sale("t1", "ann", "90000 USD"),
        sale("t2", "ann", "15000 USD"),
        r#""deal.reverse":{"deal":"t1","reason":"fell through"}"#.into(),
    ]);
    let words = folder.run(&["explain", "attainment", "vol", "ann", "2026"]).expect(0).stdout;
    says(
        &words,
        &[
            "Attainment vol of ann from 2026-01-01 up to, but without, 2027-01-01",
            "attained: 4 units, a revenue of 20000.00 USD with 8500.00 USD accrued, a company dollar of 6500.00 USD",
            "are taken over: moved",
            "before this deal ann had attained in vol for 2026-01-01..2027-01-01: 4 units, a revenue of 95000.00 USD",
            "with a revenue of 95000.00 USD before, the payee's tiers: 50% of 5000.00 USD + 60% of 10000.00 USD, so the company has \
         6500.00 USD of 15000.00 USD (split.tiered.tiers.revenue of plan m v1)",
            "after it: 5 units, a revenue of 110000.00 USD",
            "deal t1 no longer counts 1 unit, a revenue of 90000.00 USD",
        ],
    );
    let json = &folder.run(&["--format", "json", "explain", "attainment", "vol", "ann"]).expect(0).lines()[0];
    assert_eq!((json["steps"].as_array().unwrap().len(), &json["attained"]["units"]), (4, &4.into()));
    assert_eq!(json["steps"][2]["calculated"]["completion"]["deal"], "t2");
    folder.run(&["explain", "attainment", "vol", "bob"]).refused("has attained nothing in vol");
    let shown = folder.run(&["--format", "json", "show", "attainments"]).expect(0).lines();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (&shown[0]["of"], &shown[0]["units"], &shown[0]["revenue"]),
        (&"ann".into(), &"4".into(), &"20000.00".into())
    );
    assert_eq!(
        folder.run(&["--format", "json", "show", "attainments", "--as-of", ",2025-12-31"]).expect(0).lines().len(),
        0
    );
}

/// "together ann gets -93.00 USD".
#[test]
fn who_is_below_zero_owes() {
    let plan = r#""split":{"flat":{"payee":"0.7","company":"0.3"}},"deficit":"receivable","fees":[{"name":"desk","timing":"always","amount":{"flat":"100 USD"}}]"#;
    let folder = ledger(&[
        publish("p", plan),
        assign("ann", "p", 1),
        sale("small", "ann", "10 USD"),
        sale("large", "ann", "1000 USD"),
        r#""payout.create":{"payee":"ann"}"#.into(),
    ]);
    let payout = payout_of(&folder, "ann");
    let by = |actor: &str, key: &str, command: &str| request(key, command).replace("maria", actor);
    folder
        .apply(&[
            &request("submit", &format!(r#""payout.submit":{{"payout":"{payout}"}}"#)),
            &by("cleo", "approve", &format!(r#""payout.approve":{{"payout":"{payout}"}}"#)),
            &by("cleo", "pay", &format!(
                r#""payout.record_manual_payment":{{"payout":"{payout}","method":"cheque","reference":"1","account":"a"}}"#
            )),
            &request("back", r#""deal.reverse":{"deal":"small","reason":"fell through"}"#),
            &request("more", r#""payout.create":{"payee":"ann"}"#),
        ])
        .expect(0);
    says(
        &folder.run(&["explain", "deal", "small"]).expect(0).stdout,
        &["together ann owes 93.00 USD", "deal small is completed on 2026-02-01: ann owes 93.00 USD"],
    );
    let payouts = folder.run(&["--format", "json", "show", "payouts"]).expect(0).lines();
    let second = payouts.iter().find(|row| row["payout"] != payout.as_str()).unwrap()["payout"].as_str().unwrap();
    let words = folder.run(&["explain", "payout", second]).expect(0).stdout;
    says(
        &words,
        &[
            "93.00 USD for 2026-02-01: what was owed for deal small comes back, as the deal was taken back after that was settled",
            "deal small brings",
        ],
    );
    assert!(!words.contains("gets -") && !words.contains("clawback"), "{words}");
}

/// A clawback said which deal it takes back and nothing of how that had come about.
#[test]
fn a_clawback_explains_the_deal_that_it_takes_back() {
    let folder = Folder::new();
    folder.run(&["demo"]).expect(0);
    let last = "afedde50-b9cc-8716-b8c8-3ae94cc063c2";
    let words = folder.run(&["explain", "payout", last]).expect(0).stdout;
    let (_, after) = words.split_once("clawback of deal d-102").unwrap();
    says(
        after,
        &[
            "deal d-102 brings 20000.00 USD",
            "ann's part is 10000.00 USD: an equal part among 2 of the net",
            "together ann gets 7000.00 USD",
        ],
    );
    let json = &folder.run(&["--format", "json", "explain", "payout", last]).expect(0).lines()[0];
    assert_eq!(json["entries"][0]["calculated"]["completion"]["deal"], "d-102");
}

/// It was refused as "empty or too large", without a size, a limit or a way out.
#[test]
fn a_deal_that_is_too_large_says_by_how_much_and_what_to_do() {
    let fees: Vec<_> = (0..20)
        .map(|n| {
            format!(
                r#"{{"name":"{}{n}","timing":"always","per":"side","amount":{{"flat":"1 USD"}},"to":{{"payee":"lea"}}}}"#,
                "x".repeat(400)
            )
        })
        .collect();
    let plan = format!(r#""split":{{"flat":{{"payee":"0.7","company":"0.3"}}}},"fees":[{}]"#, fees.join(","));
    let folder =
        ledger(&[publish("big", &plan), assign("ann", "big", 1), assign("bob", "big", 1), assign("max", "big", 1)]);
    let payees = r#"[{"payee":"ann"},{"payee":"bob"},{"payee":"max"}]"#;
    let sides: Vec<_> = ["listing", "buying"]
        .map(|side| format!(r#"{{"side":"{side}","gci":{{"amount":"90000 USD"}},"payees":{payees}}}"#))
        .into();
    let run = folder.apply(&[&request("large", &record("d", &sides.join(",")))]).expect(2);
    let said = run.stdout + &run.stderr;
    says(&said, &["deal.completed would have ", " bytes, and at most 65536 are stored: split the deal", "too_large"]);
}
