use super::*;

/// A ledger with a model and two rate plans.
fn shop() -> Folder {
    let folder = Folder::with_ledger();
    let publish = [
        request("main", r#""model.publish":{"model":"main","document":{"model":{"equal":{}}}}"#),
        request("ten", r#""rates.publish":{"rates":"ten","document":{"currency":"USD","otherwise":{"rate":"0.1"}}}"#),
        request(
            "slow",
            r#""rates.publish":{"rates":"slow","document":{"currency":"USD","rules":[{"rule":"all","priority":1,"pays":{"rate":"0.2"}}],"earned":"as_collected"}}"#,
        ),
        request("ben", r#""payee.classify":{"payee":"ben","from":"2026-01-01","rates":{"rates":"slow","version":1}}"#),
    ];
    let publish = publish.map(|line| line.replace(r#""key":"ben""#, r#""key":"ben-slow""#));
    folder.apply(&publish.each_ref().map(String::as_str)).expect(0);
    folder
}

const SALES: &str = "id,amount,model,rates,customer,completed_at\n";
const TOUCHES: &str = "id,deal,payee,type,at,milestones\n\
    t1,s-1,ann,referral,2026-01-05T12:00:00Z,first;lead\nt2,s-1,ben,demo,2026-01-06T12:00:00Z,\n";

fn import(folder: &Folder, what: &str, csv: &str) -> Run {
    folder.write("table.csv", csv.as_bytes());
    folder.run(&["import", what, "table.csv", "--id", "id"])
}

/// Two sales, of which one is won and touched.
fn sold() -> Folder {
    let folder = shop();
    let open = format!("{SALES}s-1,1000.00,main,ten@1,acme,\ns-2,50.00,main,,,\n");
    import(&folder, "deals", &open).expect(0);
    import(&folder, "touches", TOUCHES).expect(0);
    let won = open.replace("acme,\n", "acme,2026-01-10T17:00:00Z\n");
    let answers = import(&folder, "deals", &won).expect(0).lines();
    assert_eq!(answers.len(), 3, "two are registered already, and one of them is completed now");
    assert_eq!(answers[1]["key"], "import.sale:s-1");
    folder
}

#[test]
fn a_table_that_is_filled_in_and_imported_again_completes_what_is_new() {
    let folder = sold();
    let log = folder.log();
    import(&folder, "touches", TOUCHES).expect(0);
    assert_eq!(folder.log(), log);
    // The touches of another deal may have the same names.
    let others = TOUCHES.replace("s-1", "s-2");
    assert_eq!(import(&folder, "touches", &others).expect(0).lines()[0]["key"], "import.touch:s-2/t1");
    // A newer version of the model is not what the sale was registered with.
    let newer = request("main-2", r#""model.publish":{"model":"main","document":{"model":{"last_touch":{}}}}"#);
    folder.apply(&[&newer]).expect(0);
    let log = folder.log();
    import(&folder, "deals", &format!("{SALES}s-1,1000.00,main,ten,acme,2026-01-10T17:00:00Z\n")).expect(0);
    assert_eq!(folder.log(), log);
    let answers = import(&folder, "deals", &format!("{SALES}s-3,1.00,main,,,\n")).expect(0).lines();
    assert_eq!(answers[0]["events"][0]["data"]["basis"]["sale"]["model"]["version"], 2);
    import(&folder, "deals", &format!("{SALES}s-4,1.00,other,,,\n")).refused("was never published");
    import(&folder, "deals", "id,amount,model,payee\n").refused("nothing was asked");
    import(&folder, "deals", "id,model,payee\n").refused("amount is missing");
    import(&folder, "touches", "id,deal,payee,type\n").refused("at is missing");
    let bad = import(&folder, "touches", &TOUCHES.replace("2026-01-06T12:00:00Z", "yesterday")).expect(2).lines();
    assert_eq!((&bad[1]["error"], &bad[1]["field"]), (&"bad_field".into(), &"at".into()));
}

#[test]
fn credits_are_shown_with_what_they_pay() {
    let folder = sold();
    let rows = folder.run(&["--format", "json", "show", "credits"]).expect(0).lines();
    assert_eq!((&rows[0]["payee"], &rows[0]["commission"]), (&"ann".into(), &"50.00".into()));
    assert_eq!((&rows[1]["payee"], &rows[1]["commission"]), (&"ben".into(), &"0.00".into()), "nothing is collected");
    assert!(rows[0].get("percent").is_none(), "programs reckon with amounts");
    let table = folder.run(&["show", "credits"]).expect(0).stdout;
    assert!(table.contains("50.00 %") && table.contains("main v1"), "{table}");
    let books = folder.run(&["show", "journal"]).expect(0).stdout;
    assert!(books.contains("expenses:commissions"), "{books}");
}

#[test]
fn every_number_of_a_sale_is_explained() {
    let folder = sold();
    let collect = request("p1", r#""deal.collect":{"deal":"s-1","payment":"p1","amount":"250 USD","on":"2026-01-20"}"#);
    let create = request("pay", r#""payout.create":{"payee":"ben"}"#);
    let receipts = folder.apply(&[&collect, &create]).expect(0).lines();
    let words = folder.run(&["explain", "deal", "s-1"]).expect(0).stdout;
    for said in [
        "deal s-1 of 1000.00 USD is a sale to acme under model main version 1 and rate plan ten version 1",
        "2 touches count up to 2026-01-10T17:00:00Z",
        "ann is credited with 500.00 USD: 50% of 1000.00 USD: 2 payees share equally, under model main.v1",
        "ann gets 50.00 USD, commission: 10% of 500.00 USD",
        "it earns nothing until the customer pays",
        "ben gets 25.00 USD, commission: 20% of 500.00 USD, its part of the amount, by rule all of rate plan slow.v1",
        "250.00 USD of 1000.00 USD was collected",
        "payment p1 of 250.00 USD",
    ] {
        assert!(words.contains(said), "{said:?} is not in {words}");
    }
    assert!(!words.contains("calc_divergence"), "{words}");
    let payout = receipts[1]["events"].as_array().unwrap().iter().find_map(|event| event["data"]["payout"].as_str());
    let words = folder.run(&["explain", "payout", payout.unwrap()]).expect(0).stdout;
    assert!(words.contains("ben gets 25.00 USD, commission: 20% of 500.00 USD"), "{words}");
    folder.run(&["verify"]).expect(0);
    folder.run(&["reconcile"]).expect(0);
}

/// The table was taken, its day was ignored, and its sales stayed open.
#[test]
fn a_sale_that_is_won_on_a_day_is_refused_by_its_table() {
    let table = SALES.replace("completed_at", "completed_on") + "s-1,1.00,main,,,2026-01-10\n";
    import(&shop(), "deals", &table).refused("say completed_at in place of completed_on");
}

/// Sales that came before their touches were credited to nobody, without a word.
#[test]
fn sales_that_are_won_before_their_touches_are_known_are_told_and_listed() {
    let folder = shop();
    let won = format!("{SALES}s-1,1000.00,main,ten@1,acme,2026-01-10T17:00:00Z\n");
    let told = import(&folder, "deals", &won).expect(0).stderr;
    assert!(told.contains("1 sale is credited to nobody") && told.contains("deal.recompute"), "{told}");
    let told = import(&folder, "touches", TOUCHES).expect(0).stderr;
    assert!(!told.contains("credited to nobody"), "{told}");
    let rows = folder.run(&["--format", "json", "show", "credits"]).expect(0).lines();
    assert_eq!((&rows[0]["credit"], &rows[0]["late touches"]), (&"unattributed".into(), &"2".into()));
    folder.apply(&[&request("anew", r#""deal.recompute":{"deal":"s-1","reason":"late"}"#)]).expect(0);
    let rows = folder.run(&["--format", "json", "show", "credits"]).expect(0).lines();
    assert_eq!((&rows[0]["payee"], &rows[0]["late touches"]), (&"ann".into(), &"0".into()));
}

/// It named the documents that the sale was registered with, whatever it was credited by, and an end before which touches count
/// that was not the end; and what was reversed was told as if it held.
#[test]
fn a_sale_is_explained_by_what_it_was_credited_by_and_not_as_held_when_it_is_reversed() {
    let folder = sold();
    let touch = r#"{"touch":"t1","payee":"ann","type":"referral","at":"2026-01-05T12:00:00Z"}"#;
    let terms = r#""model":{"model":"main","version":1},"rates":{"rates":"ten","version":1}"#;
    let cut = r#""completed_at":"2026-01-10T17:00:00Z","cutoff":"2026-01-08T00:00:00Z""#;
    let record = format!(
        r#""deal.record_sale":{{"deal":"s-9","sale":{{"amount":"100 USD",{terms}}},"touches":[{touch}],{cut}}}"#
    );
    let anew = r#""deal.recompute":{"deal":"s-9","reason":"agreed","rates":{"rates":"slow","version":1}}"#;
    folder.apply(&[&request("cut", &record), &request("anew", anew)]).expect(0);
    let words = folder.run(&["explain", "deal", "s-9"]).expect(0).stdout;
    for said in [
        "deal s-9 of 100.00 USD is a sale under model main version 1 and rate plan slow version 1",
        "it was registered as a sale under model main version 1 and rate plan ten version 1",
        "1 touch counts up to 2026-01-08T00:00:00Z, the cutoff",
    ] {
        assert!(words.contains(said), "{said:?} is not in {words}");
    }
    assert!(!folder.run(&["explain", "deal", "s-1"]).expect(0).stdout.contains("registered as"));
    folder.apply(&[&request("off", r#""deal.reverse":{"deal":"s-1","reason":"refunded"}"#)]).expect(0);
    let words = folder.run(&["explain", "deal", "s-1"]).expect(0).stdout;
    assert!(words.starts_with("Deal s-1 is reversed: what follows held until then\n"), "{words}");
    assert!(words.contains("ann got 50.00 USD") && !words.contains("  ann gets"), "{words}");
}

/// A clawback of a sale said nothing of how the sale had come to what was paid.
#[test]
fn a_clawback_of_a_sale_explains_what_was_paid_on_it() {
    let folder = sold();
    let create = request("pay", r#""payout.create":{"payee":"ann"}"#);
    let first = payout_in(&folder.apply(&[&create]).expect(0).lines()[0]);
    let by = |actor: &str, key: &str, command: &str| request(key, command).replace("maria", actor);
    let paid = format!(
        r#""payout.record_manual_payment":{{"payout":"{first}","method":"cheque","reference":"1","account":"a"}}"#
    );
    // A late touch makes it a third for each, and ann was paid a half.
    let late = r#"{"touch":"t3","payee":"cyd","type":"demo","at":"2026-01-07T12:00:00Z"}"#;
    let other = r#""deal.record_sale":{"deal":"s-9","sale":{"amount":"400 USD","model":{"model":"main","version":1},"rates":{"rates":"ten","version":1}},"touches":[{"touch":"t1","payee":"ann","type":"referral","at":"2026-01-10T12:00:00Z"}],"completed_at":"2026-01-11T12:00:00Z"}"#;
    let receipts = folder
        .apply(&[
            &request("submit", &format!(r#""payout.submit":{{"payout":"{first}"}}"#)),
            &by("cleo", "approve", &format!(r#""payout.approve":{{"payout":"{first}"}}"#)),
            &by("cleo", "paid", &paid),
            &request("cyd", r#""payee.enrol":{"payee":"cyd","name":"Cyd"}"#),
            &request("late", &format!(r#""deal.touch":{{"deal":"s-1","touch":{late}}}"#)),
            &request("anew", r#""deal.recompute":{"deal":"s-1","reason":"a late touch"}"#),
            &request("other", other),
            &request("again", r#""payout.create":{"payee":"ann"}"#),
        ])
        .expect(0)
        .lines();
    let words = folder.run(&["explain", "payout", &payout_in(&receipts[7])]).expect(0).stdout;
    let told = [
        "33.33 USD for 2026-01-10: commission on deal s-1",
        "3 touches count",
        "ann gets 33.33 USD, commission: 10% of 333.34 USD",
        "-50.00 USD for ",
        "clawback of deal s-1, taken back after it was paid",
        "2 touches count",
        "ann gets 50.00 USD, commission: 10% of 500.00 USD",
        "40.00 USD for 2026-01-11: commission on deal s-9",
        "1 touch counts up to",
        "Together: ",
    ];
    let mut rest = words.as_str();
    for said in told {
        rest = rest.split_once(said).unwrap_or_else(|| panic!("{said:?} is not, or not in its place, in {words}")).1;
    }
    assert!(!words.contains("ben gets") && !words.contains("calc_divergence"), "{words}");
}

fn payout_in(receipt: &serde_json::Value) -> String {
    let mut events = receipt["events"].as_array().unwrap().iter();
    events.find_map(|event| event["data"]["payout"].as_str()).unwrap().to_owned()
}
