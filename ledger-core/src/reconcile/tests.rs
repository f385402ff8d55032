//! The laws and the comparison, on good logs and on logs with one thing wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Date;
use crate::credit::touch::Instant;
use crate::event::Event;
use crate::id::Text;
use crate::projection::register::{COLUMNS, Register, Totals, write_csv};
use crate::projection::replay::fold;
use crate::projection::testing::{Books, CAPPED, TEAM, TWO_SIDES, ready};
use crate::projection::{All, Projected};
use crate::recorded::Recorded;
use crate::store::keep_checkpoint;
use crate::waterfall::{Crossing, Progress};
use crate::{account, attainment, cap, customer, deal, model, payee, payout, plan, rates, spend};

fn export(register: &Register) -> String {
    let mut csv = String::new();
    write_csv(&mut csv, register, Totals::PerCurrency).unwrap();
    csv
}

/// A register of one payout over 700 dollars that waits for its payment, and its export cell by cell.
fn one_payout() -> (Register, Vec<String>) {
    let mut books = Books::with_two_payees();
    books.deal("d-1", "1000.00 USD", &["amy"], "2026-02-01");
    let payout = books.payout("amy", "2026-02-02");
    books.move_payout("bob", "2026-02-03", "approve", payout, "");
    let register = fold::<Register>(&books.events);
    let row = export(&register).lines().nth(1).unwrap().split(',').map(str::to_owned).collect();
    (register, row)
}

fn csv(rows: &[&[String]]) -> Vec<u8> {
    let rows: String = rows.iter().map(|row| row.join(",") + "\n").collect();
    (COLUMNS.join(",") + "\n" + &rows).into_bytes()
}

fn classes(report: &Report) -> Vec<String> {
    report.differences().iter().map(|found| format!("{} {}", found.class, found.field)).collect()
}

#[test]
fn a_register_agrees_with_its_own_export() {
    let books = Books::random(21, 200);
    let register = fold::<Register>(&books.events);
    let report = register::against(&register, export(&register).as_bytes()).unwrap();
    assert_eq!(report.to_string(), "0 discrepancies");
    assert!(report.is_clean());
}

#[test]
fn one_wrong_cell_is_one_difference_of_its_class() {
    let (register, row) = one_payout();
    for (column, value, class, at_stake) in [
        ("status", "paid", "status_mismatch status", Some("700.00 USD")),
        ("amount_minor", "7000000", "amount_mismatch x100 amount_minor", Some("69300.00 USD")),
        ("amount_minor", "700", "amount_mismatch x0.01 amount_minor", Some("693.00 USD")),
        ("amount", "700000.00", "amount_mismatch x1000 amount", Some("699300.00 USD")),
        ("net", "700.01", "amount_mismatch net", Some("0.01 USD")),
        ("withheld", "1.00", "amount_mismatch withheld", Some("1.00 USD")),
        ("amount", "x", "amount_mismatch amount", Some("700.00 USD")),
        ("currency", "EUR", "currency_mismatch currency", Some("700.00 USD")),
        ("payee_id", "bo", "payee_mismatch payee_id", Some("700.00 USD")),
        ("approved_by", "", "approval_missing approved_by", Some("700.00 USD")),
        ("approved_by", "ann", "self_approved approved_by", Some("700.00 USD")),
        ("version", "2", "stale_snapshot version", None),
        ("version", "9", "host_ahead version", Some("700.00 USD")),
        ("version", "x", "field_mismatch version", None),
        ("line_count", "2", "field_mismatch line_count", None),
        ("notes", "x", "field_mismatch notes", None),
    ] {
        let mut wrong = row.clone();
        wrong[COLUMNS.iter().position(|other| *other == column).unwrap()] = value.to_owned();
        let report = register::against(&register, &csv(&[&wrong])).unwrap();
        assert_eq!(classes(&report), [class]);
        let found = &report.differences()[0];
        assert_eq!(found.at_stake.map(|amount| amount.to_string()).as_deref(), at_stake, "{column}={value}");
        assert_eq!((found.sequence, found.other.as_str()), (register.rows().next().map(|row| row.changed), value));
    }
}

#[test]
fn a_stale_row_is_not_blamed_for_what_it_could_not_know() {
    let (register, mut row) = one_payout();
    let set = |row: &mut Vec<String>, column: &str, value: &str| {
        row[COLUMNS.iter().position(|other| *other == column).unwrap()] = value.to_owned();
    };
    for (column, value) in [("version", "2"), ("status", "pending_approval"), ("approved_by", ""), ("approved_at", "")]
    {
        set(&mut row, column, value);
    }
    let stale = register::against(&register, &csv(&[&row])).unwrap();
    assert_eq!(classes(&stale), ["stale_snapshot version"]);
    assert_eq!(stale.differences()[0].severity(), Severity::Notice);
    for (column, value) in [("amount_minor", "7"), ("amount", "0.07"), ("net", "0.07")] {
        set(&mut row, column, value);
    }
    let wrong = register::against(&register, &csv(&[&row])).unwrap();
    assert_eq!(classes(&wrong), ["amount_mismatch amount_minor", "stale_snapshot version"]);
}

#[test]
fn rows_that_are_missing_unknown_or_twice_are_named_with_what_is_at_stake() {
    let (register, row) = one_payout();
    let mut unknown = row.clone();
    unknown[0] = "p-9".into();
    let report = register::against(&register, &csv(&[&row, &unknown, &row])).unwrap();
    assert_eq!(classes(&report), ["duplicate_host_row payout_id", "unknown_in_host payout_id"]);
    let usd = Currency::of("USD").unwrap();
    assert_eq!(report.exposure(), [(usd, Sum::from(Money::parse("1400 USD").unwrap()))]);
    let empty = register::against(&register, &csv(&[])).unwrap();
    assert_eq!(classes(&empty), ["missing_in_host payout_id"]);
    assert_eq!(register::against(&register, &csv(&[&row, &unknown, &row])).unwrap().hash(), report.hash());
    assert_ne!(empty.hash(), report.hash());
}

#[test]
fn a_file_of_another_form_is_refused() {
    let (register, _) = one_payout();
    let refused = |bytes: &[u8]| register::against(&register, bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"payout_id,status\n").contains("column 2 of the header is \"status\", it should be \"version\""));
    assert!(refused(b"\xff").contains("UTF-8"));
    assert!(refused(b"payout_id\r\n").contains("line feeds"));
    let longer = COLUMNS.join(",") + ",more\n";
    assert!(refused(longer.as_bytes()).contains("\"more\""));
}

#[test]
fn a_wrong_total_is_named() {
    let (register, _) = one_payout();
    let wrong = export(&register).replace("TOTAL,,,,,,USD,70000,700.00", "TOTAL,,,,,,USD,70001,700.00");
    let report = register::against(&register, wrong.as_bytes()).unwrap();
    assert_eq!(classes(&report), ["total_mismatch amount"]);
}

#[test]
fn kept_states_agree_with_a_replay_until_one_is_changed() {
    let mut books = Books::with_two_payees();
    books.deal("d-1", "1000.00 USD", &["amy", "bo"], "2026-02-01");
    let payout = books.payout("amy", "2026-02-02");
    let mut live = Projected::<All>::new();
    live.fold(&books.events).unwrap();
    let save = |row| ready(keep_checkpoint(&books.store, &books.ledger, row)).unwrap();
    let rows = live.save_each().unwrap();
    rows.iter().for_each(save);
    let check = || ready(checkpoint::against_store(&books.store, &books.ledger, 7)).unwrap();
    assert_eq!(check().to_string(), "0 discrepancies");

    let changed = |name: &str, from: &str, to: &str| {
        let mut row = rows.iter().find(|row| row.name == name).unwrap().clone();
        let text = String::from_utf8(row.state).unwrap();
        assert!(text.contains(from), "{text}");
        row.state = text.replacen(from, to, 1).into_bytes();
        row
    };
    let balance = changed("summary", r#""payable":"35000""#, r#""payable":"35001""#);
    let status = changed("register", r#""status":"pending_approval""#, r#""status":"approved""#);
    [&balance, &status].into_iter().for_each(save);
    let report = check();
    let found: Vec<_> = report.differences().iter().map(|found| (found.key.as_str(), found.field.as_str())).collect();
    let key = format!("register/payouts/{payout}");
    assert_eq!(found, [(key.as_str(), "status"), ("summary/payees/bo/USD", "payable")]);
    let money = &report.differences()[1];
    assert_eq!(money.at_stake.unwrap().to_string(), "0.01 USD");
    let booked = books.events.iter().rfind(|recorded| recorded.stream.as_str() == "account/bo/USD").unwrap();
    assert_eq!(money.sequence, Some(booked.sequence));
    assert_eq!((money.ledger.as_str(), money.other.as_str()), ("35000", "35001"));

    let mut damaged = rows[0].clone();
    damaged.state.truncate(9);
    let mut elsewhere = rows[1].clone();
    elsewhere.sequence -= 2;
    let mut other = rows[2].clone();
    other.version += 1;
    let mut link = rows[3].clone();
    link.link = Digest::of(b"x");
    [&damaged, &elsewhere, &other, &link].into_iter().for_each(save);
    let expected = ["state_elsewhere link", "state_unusable ", "state_elsewhere sequence", "state_unusable "];
    assert_eq!(classes(&check()), expected);
    assert_eq!(check(), check());
}

fn laws(events: &[Recorded]) -> Report {
    let mut laws = log::Laws::default();
    events.iter().for_each(|recorded| laws.apply(recorded));
    laws.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_log_of_decisions_obeys_every_law(seed: u64) {
        let books = Books::random(seed, 150);
        prop_assert_eq!(laws(&books.events).to_string(), "0 discrepancies");
        let checked = ready(log::check(&books.store, &books.ledger, 50, |_| {})).unwrap();
        prop_assert!(checked.is_clean());
    }

    #[test]
    fn one_wrong_field_is_one_difference_whatever_happened(seed: u64, at in any::<prop::sample::Index>()) {
        let books = Books::random(seed, 60);
        for corruption in corruptions() {
            let (before, after) = (0..books.events.len()).partition::<Vec<_>, _>(|place| *place < at.index(books.events.len()));
            for at in after.into_iter().chain(before) {
                if is_found(corruption, &books.events, at).map_err(TestCaseError::fail)? {
                    break;
                }
            }
        }
    }

    #[test]
    fn no_exported_bytes_whatever_bring_the_reader_down(at in any::<prop::sample::Index>(), byte: u8) {
        let (register, _) = one_payout();
        let mut bytes = export(&register).into_bytes();
        let place = at.index(bytes.len());
        let same = bytes[place] == byte;
        bytes[place] = byte;
        if let Ok(report) = register::against(&register, &bytes) {
            prop_assert_eq!(report.is_clean(), same);
        }
    }
}

fn team_deal(books: &mut Books, deal: &str, day: &str) {
    let record = format!(r#""deal":"{deal}","sides":{TWO_SIDES},"completed_on":"{day}""#);
    books.ask("ann", day, &format!(r#"{{"deal.record_sides":{{{record}}}}}"#));
}

/// A history with a payout that is paid, a deal after the cap and one that is reversed, and deals of a team with two sides.
fn history() -> Vec<Recorded> {
    let mut books = Books::with_two_payees();
    books.with_a_team();
    books.ask(
        "ann",
        "2026-01-02",
        r#"{"attainment.set_opening":{"payee":"el","on":"2026-01-02","units":2,"reason":"moved"}}"#,
    );
    for deal in ["t-1", "t-2"] {
        team_deal(&mut books, deal, "2026-01-10");
    }
    books.ask("ann", "2026-01-11", r#"{"deal.reverse":{"deal":"t-1","reason":"withdrawn"}}"#);
    team_deal(&mut books, "t-3", "2026-01-12");
    // Another version of the plan has one more bonus, for some days.
    let two = r#"{"name":"two","#;
    let six = r#"{"name":"six","when":{"reaches":{"units":6}},"amount":{"flat":"60 USD"}}"#;
    let more = TEAM.replace(two, &format!("{six},{two}"));
    books.ask("ann", "2026-01-12", &format!(r#"{{"plan.publish":{{"plan":"team","document":{more}}}}}"#));
    for (version, day) in [(2, "2026-01-13"), (1, "2026-01-15")] {
        let end = format!(r#"{{"payee.end_assignment":{{"payee":"fy","until":"{day}"}}}}"#);
        books.ask("ann", day, &end);
        let assign = format!(r#"{{"payee":"fy","plan":"team","version":{version},"from":"{day}"}}"#);
        books.ask("ann", day, &format!(r#"{{"payee.assign":{assign}}}"#));
        for deal in ["a", "b"] {
            team_deal(&mut books, &format!("v{version}-{deal}"), day);
        }
    }
    books.deal("d-1", "60000.00 USD", &["amy"], "2026-02-01");
    books.deal("d-2", "1000.00 USD", &["amy", "bo"], "2026-02-02");
    let payout = books.payout("amy", "2026-02-03");
    books.pay(payout, "2026-02-04");
    books.deal("d-3", "1000.00 USD", &["bo"], "2026-02-05");
    books.ask("ann", "2026-02-06", r#"{"deal.reverse":{"deal":"d-2","reason":"refunded"}}"#);
    let manual = r#"{"payout.create_manual":{"payee":"bo","amount":"50.00 USD","reason":"bonus"}}"#;
    books.ask("ann", "2026-02-07", manual);
    let manual = books.last_payout();
    books.move_payout("ann", "2026-02-07", "void", manual, r#","reason":"typo""#);
    let late = books.payout("bo", "2026-02-08");
    books.move_payout("bob", "2026-02-08", "approve", late, "");
    books.move_payout("bob", "2026-02-08", "start", late, "");
    books.move_payout("rail", "2026-02-08", "fail", late, r#","attempt":1,"reason":"closed""#);
    let amount = books.amount(late);
    books.move_payout("rail", "2026-02-09", "settle", late, &format!(r#","attempt":1,"amount":"{amount}""#));
    let accept = r#","attempt":1,"resolution":"accept","reason":"the bank says so""#;
    books.move_payout("bob", "2026-02-10", "resolve_late_payment", late, accept);
    books.events
}

/// Sales that meet a spend limit, wait for the customer, and are credited anew and reversed.
fn sold() -> Vec<Recorded> {
    let mut books = Books::with_two_payees();
    books.with_a_team();
    books.with_a_shop();
    let terms = r#""customer":"acme","model":{"model":"even","version":1},"rates":{"rates":"limited","version":1}"#;
    let touch = |id: &str, payee: &str| {
        format!(r#"{{"touch":"{id}","payee":"{payee}","type":"demo","at":"2026-01-02T12:00:00Z"}}"#)
    };
    for deal in ["s-1", "s-2"] {
        let (sale, touches) =
            (format!(r#"{{"amount":"6000.00 USD",{terms}}}"#), [touch("t1", "amy"), touch("t2", "bo")].join(","));
        let record = format!(
            r#"{{"deal.record_sale":{{"deal":"{deal}","sale":{sale},"touches":[{touches}],"completed_at":"2026-01-05T12:00:00Z"}}}}"#
        );
        books.ask("ann", "2026-01-06", &record);
        let collect = format!(
            r#"{{"deal.collect":{{"deal":"{deal}","payment":"p-1","amount":"900.01 USD","on":"2026-01-07"}}}}"#
        );
        books.ask("ann", "2026-01-07", &collect);
        let second = collect.replace("p-1", "second").replace("900.01", "400.00").replace("01-07", "01-08");
        books.ask("ann", "2026-01-08", &second);
    }
    let payout = books.payout("amy", "2026-01-08");
    books.pay(payout, "2026-01-08");
    let late = format!(r#"{{"deal.touch":{{"deal":"s-1","touch":{}}}}}"#, touch("t3", "bo"));
    books.ask("ann", "2026-01-09", &late);
    books.ask("ann", "2026-01-09", r#"{"deal.recompute":{"deal":"s-1","reason":"late"}}"#);
    books.ask("ann", "2026-01-10", r#"{"deal.reverse":{"deal":"s-1","reason":"refunded"}}"#);
    books.events
}

/// The laws that a history breaks after each of its events of a kind went through a change.
fn broken(mut change: impl FnMut(&mut Event) -> bool) -> Vec<Law> {
    let mut events = history();
    assert!(laws(&events).is_clean());
    let changed = events.iter_mut().filter_map(|recorded| change(&mut recorded.event).then_some(())).count();
    assert!(changed > 0, "nothing was changed");
    let report = laws(&events);
    let mut laws: Vec<Law> = report
        .differences()
        .iter()
        .filter_map(|found| match found.class {
            Class::Broken(law) => Some(law),
            _ => None,
        })
        .collect();
    laws.sort_unstable();
    laws.dedup();
    laws
}

#[test]
fn a_log_that_pays_too_much_too_soon_or_the_wrong_person_breaks_a_law() {
    let found = broken(|event| match event {
        Event::Account(account::Event::EntryBooked { amount, .. }) => more(amount),
        _ => false,
    });
    assert!(found.contains(&Law::EarnedIsBooked), "{found:?}");
    let found = broken(|event| match event {
        Event::Payout(payout::Event::Created { amount, .. }) => more(amount),
        _ => false,
    });
    assert!(found.contains(&Law::PayoutIsItsEntries) && found.contains(&Law::AmountIsKept), "{found:?}");
    let found = broken(|event| match event {
        Event::Payout(payout::Event::Paid { amount, .. }) => more(amount),
        _ => false,
    });
    assert!(found.contains(&Law::AmountIsKept) && found.contains(&Law::ClearingIsZero), "{found:?}");
    let found = broken(|event| match event {
        Event::Payout(payout::Event::Approved { by, .. }) => {
            *by = "ann".parse().unwrap();
            true
        }
        _ => false,
    });
    assert_eq!(found, [Law::FourEyes]);
    let found = broken(|event| match event {
        Event::Payout(event @ payout::Event::Approved { .. }) => {
            let payout::Event::Approved { payout, .. } = event else { return false };
            *event = payout::Event::Submitted { payout: *payout };
            true
        }
        _ => false,
    });
    assert!(found.contains(&Law::PayoutGoesItsWay), "{found:?}");
    let found = broken(|event| match event {
        Event::Account(account::Event::EntriesClaimed { entries, .. }) => {
            let twice = entries[0];
            entries.push(twice);
            true
        }
        _ => false,
    });
    assert!(found.contains(&Law::EntryIsPayable) && found.contains(&Law::EntriesSumToAmount), "{found:?}");
    let found = broken(|event| match event {
        Event::Cap(cap::Event::Contributed { amount, .. }) => more(amount),
        _ => false,
    });
    assert_eq!(found, [Law::ContributionIsPosted]);
    let found = broken(|event| match event {
        Event::Deal(deal::Event::Completed(completion)) => {
            completion.sides.iter_mut().flat_map(|side| &mut side.lines).all(|line| more(&mut line.amount))
        }
        _ => false,
    });
    assert_eq!(found, [Law::CalcDivergence]);
    let found = broken(|event| match event {
        Event::Account(account::Event::EntryReversed { amount, .. }) => more(amount),
        _ => false,
    });
    assert_eq!(found, [Law::ReversalIsExact]);
    let found = broken(|event| match event {
        Event::Account(account::Event::EntryReversed { because, .. }) => {
            *because = account::Because::Deal("d-2".parse().unwrap());
            true
        }
        _ => false,
    });
    assert_eq!(found, [Law::ReversalIsExact]);
    let found = broken(|event| match event {
        Event::Payout(payout::Event::LatePaymentReported { attempt, .. }) => {
            *attempt = 2;
            true
        }
        _ => false,
    });
    assert_eq!(found, [Law::LatePaymentIsResolved]);
    let found = broken(|event| match event {
        Event::Payout(payout::Event::LatePaymentResolved { resolution, .. }) => {
            *resolution = payout::Resolution::Dismiss;
            true
        }
        _ => false,
    });
    assert_eq!(found, [Law::PayoutGoesItsWay]);
}

/// A wrong field, the law that it breaks, and what the difference names. It says whether the event has such a field.
type Corruption = (Law, &'static str, fn(&mut Event) -> bool);

fn more(amount: &mut Money) -> bool {
    *amount = amount.plus(Money::new(1, amount.currency()).unwrap()).unwrap();
    true
}

fn last<T>(list: &mut [T], change: impl FnOnce(&mut T) -> bool) -> bool {
    list.last_mut().is_some_and(change)
}

/// Changes the field of an event of one kind.
macro_rules! corrupt {
    ($law:ident, $field:literal, $kind:ident, $pattern:pat => $change:expr) => {
        (Law::$law, $field, |event: &mut Event| match event {
            Event::$kind($pattern) => $change,
            _ => false,
        })
    };
}

fn corruptions() -> Vec<Corruption> {
    fn elsewhere(deal: &mut crate::id::DealId) -> bool {
        *deal = "another".parse().unwrap();
        true
    }
    /// What has two members is wrong in the last one that can be.
    fn of_some(all: &mut [Progress], change: fn(&mut Progress) -> bool) -> bool {
        all.iter_mut().rev().any(change)
    }
    fn one_more(name: &str, names: &mut Vec<Text>) -> bool {
        let name = name.parse().unwrap();
        let is_new = !names.contains(&name);
        names.extend(is_new.then_some(name));
        is_new
    }
    fn later(day: &mut crate::Date) -> bool {
        *day = "2030-02-01".parse().unwrap();
        true
    }
    vec![
        corrupt!(PlanIsItsHash, "hash", Plan, plan::Event::Published { hash, .. } => {
            *hash = Digest::of(b"another");
            true
        }),
        corrupt!(PlanIsItsHash, "hash", Plan, plan::Event::Published { document, .. } => {
            document.fees.pop().is_some()
        }),
        corrupt!(PlanIsItsHash, "hash", Model, model::Event::Published { hash, .. } => {
            *hash = Digest::of(b"another");
            true
        }),
        corrupt!(PlanIsItsHash, "hash", Rates, rates::Event::Published { document, .. } => {
            document.otherwise.take().is_some()
        }),
        corrupt!(CommissionIsItsBasis, "gci", Deal, deal::Event::Registered { gci, .. } => more(gci)),
        corrupt!(CommissionIsItsBasis, "gci", Deal, deal::Event::Registered { basis, .. } => match basis {
            deal::Basis::Amount(amount) => more(amount),
            deal::Basis::Sale(sale) => sale.amount.as_mut().is_some_and(more),
            deal::Basis::OfPrice { .. } | deal::Basis::Sides(_) => false,
        }),
        corrupt!(CreditsAreTheAllocation, "credits.", Deal, deal::Event::Attributed { credits, .. } => {
            last(credits, |credit| more(&mut credit.amount))
        }),
        corrupt!(CreditsAreTheAllocation, "credits.", Deal, deal::Event::Attributed { credits, .. } => {
            credits.pop().is_some()
        }),
        corrupt!(PlansAreInForce, "plans.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.plans, |in_force| {
                in_force.version += 1;
                true
            })
        }),
        corrupt!(PlansAreInForce, "plans.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.plans, |in_force| {
                in_force.plan_hash = Digest::of(b"another");
                true
            })
        }),
        corrupt!(PlansAreInForce, "plans.", Deal, deal::Event::Completed(completion) => {
            let extra = completion.plans[0].clone();
            completion.plans.push(extra);
            true
        }),
        corrupt!(PlansAreInForce, "plans.", Deal, deal::Event::Completed(completion) => {
            completion.plans.pop().is_some()
        }),
        corrupt!(PlansAreInForce, "plans.0", Deal, deal::Event::Completed(completion) => {
            completion.plans.reverse();
            completion.plans.len() > 1
        }),
        corrupt!(BeforeIsWhatWas, "before", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.caps, |met| more(&mut met.before))
        }),
        corrupt!(BeforeIsWhatWas, "before.accrued", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.attainments, |counted| more(&mut counted.before.accrued))
        }),
        corrupt!(CalcDivergence, "caps.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.caps, |met| more(&mut met.after))
        }),
        corrupt!(CalcDivergence, "caps.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.caps, |met| more(&mut met.limit))
        }),
        corrupt!(CalcDivergence, "attainments.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.attainments, |counted| more(&mut counted.after.company_dollar))
        }),
        corrupt!(BeforeIsWhatWas, "paid.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| found.paid.pop().is_some())
        }),
        corrupt!(BeforeIsWhatWas, "paid.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| one_more("two", &mut found.paid))
        }),
        corrupt!(BeforeIsWhatWas, "paid.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| one_more("six", &mut found.paid))
        }),
        corrupt!(BeforeIsWhatWas, "taken_back.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| found.taken_back.pop().is_some())
        }),
        corrupt!(BeforeIsWhatWas, "taken_back.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| one_more("two", &mut found.taken_back))
        }),
        corrupt!(BeforeIsWhatWas, "taken_back.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |found| one_more("another", &mut found.taken_back))
        }),
        corrupt!(CalcDivergence, "attainments.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |counted| counted.pays.pop().is_some())
        }),
        corrupt!(CalcDivergence, "attainments.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |counted| one_more("two", &mut counted.pays))
        }),
        corrupt!(CalcDivergence, "attainments.", Deal, deal::Event::Completed(completion) => {
            of_some(&mut completion.attainments, |counted| one_more("another", &mut counted.pays))
        }),
        corrupt!(CalcDivergence, "sides.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.sides, |side| last(&mut side.lines, |line| more(&mut line.amount)))
        }),
        corrupt!(CalcDivergence, "sides.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.sides, |side| more(&mut side.net))
        }),
        corrupt!(EarnedIsBooked, "entries.", Deal, deal::Event::Completed(completion) => {
            last(&mut completion.entries, |earned| more(&mut earned.amount))
        }),
        corrupt!(BeforeIsWhatWas, "before", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.spent, |spent| more(&mut spent.before))
        }),
        corrupt!(CalcDivergence, "spent.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.spent, |spent| more(&mut spent.after))
        }),
        corrupt!(CalcDivergence, "credits.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.credits, |credit| more(&mut credit.amount))
        }),
        corrupt!(CalcDivergence, "entries.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.entries, |earned| more(&mut earned.amount))
        }),
        corrupt!(CalcDivergence, "entries.", Deal, deal::Event::Recredited(recrediting) => {
            last(&mut recrediting.crediting.entries, |earned| more(&mut earned.amount))
        }),
        corrupt!(CalcDivergence, "sale.", Deal, deal::Event::Recredited(recrediting) => {
            recrediting.crediting.inputs = Digest::of(b"another");
            true
        }),
        corrupt!(CalcDivergence, "entries.", Deal, deal::Event::Collected { entries, .. } => {
            last(entries, |earned| more(&mut earned.amount))
        }),
        corrupt!(SaleIsOnWhatIsKnown, "model.version", Deal, deal::Event::Registered { basis, .. } => match basis {
            deal::Basis::Sale(sale) => {
                sale.model.version = 7;
                true
            }
            _ => false,
        }),
        corrupt!(SaleIsOnWhatIsKnown, "rates", Deal, deal::Event::Registered { basis, .. } => match basis {
            deal::Basis::Sale(sale) => last(sale.rates.as_mut_slice(), |rates| {
                rates.rates = "slow".parse().unwrap();
                true
            }),
            _ => false,
        }),
        corrupt!(SaleIsOnWhatIsKnown, "rates", Deal, deal::Event::Credited(crediting) => {
            last(crediting.rates.as_mut_slice(), |rates| {
                rates.version = 7;
                true
            })
        }),
        corrupt!(SaleIsOnWhatIsKnown, "rates.hash", Deal, deal::Event::Recredited(recrediting) => {
            last(recrediting.crediting.rates.as_mut_slice(), |rates| {
                rates.hash = Digest::of(b"another");
                true
            })
        }),
        corrupt!(SaleIsOnWhatIsKnown, "model.version", Deal, deal::Event::Recredited(recrediting) => {
            recrediting.crediting.model.version = 7;
            true
        }),
        corrupt!(SaleIsOnWhatIsKnown, "earned_on", Deal, deal::Event::Credited(crediting) => {
            later(&mut crediting.earned_on)
        }),
        corrupt!(SaleIsOnWhatIsKnown, "earned_on", Deal, deal::Event::Recredited(recrediting) => {
            later(&mut recrediting.crediting.earned_on)
        }),
        corrupt!(SaleIsOnWhatIsKnown, "completed_at", Deal, deal::Event::Credited(crediting) => {
            // By a whole day: within its day, nothing but the digest of its inputs tells an instant.
            crediting.completed_at = Instant::of(crediting.completed_at.to_utc() + chrono::Days::new(1));
            true
        }),
        corrupt!(SaleIsOnWhatIsKnown, "completed_at", Deal, deal::Event::Recredited(recrediting) => {
            recrediting.crediting.completed_at = Instant::of("2026-02-03T12:00:00Z".parse().unwrap());
            true
        }),
        corrupt!(SaleIsOnWhatIsKnown, "payees.bo.", Deal, deal::Event::Credited(crediting) => {
            let bo = crediting.payees.get_mut(&"bo".parse().unwrap());
            bo.map(|bo| bo.tier = Some(Text::new("gold").unwrap())).is_some()
        }),
        corrupt!(SaleIsOnWhatIsKnown, "payees.", Deal, deal::Event::Recredited(recrediting) => {
            recrediting.crediting.payees.pop_first().is_some()
        }),
        corrupt!(SaleIsOnWhatIsKnown, "first_commissions.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.first_commissions, |first| {
                first.on = "2026-01-04".parse().unwrap();
                true
            })
        }),
        corrupt!(SaleIsOnWhatIsKnown, "first_commissions.", Deal, deal::Event::Recredited(recrediting) => {
            recrediting.crediting.first_commissions.pop().is_some()
        }),
        corrupt!(SaleIsOnWhatIsKnown, "spent.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.spent, |spent| {
                spent.account.payee = "bo".parse().unwrap();
                true
            })
        }),
        corrupt!(SaleIsOnWhatIsKnown, "spent.", Deal, deal::Event::Credited(crediting) => {
            last(&mut crediting.spent, |spent| later(&mut spent.account.period.end))
        }),
        corrupt!(SaleIsOnWhatIsKnown, "spent.", Deal, deal::Event::Recredited(recrediting) => {
            last(&mut recrediting.crediting.spent, |spent| {
                spent.account.rates = "slow".parse().unwrap();
                true
            })
        }),
        corrupt!(SaleGoesItsWay, "touch.touch", Deal, deal::Event::Touched { touch, .. } => {
            let is_second = touch.touch.as_str() != "t1";
            touch.touch = "t1".parse().unwrap();
            is_second
        }),
        corrupt!(SaleGoesItsWay, "touch.payee", Deal, deal::Event::Touched { touch, .. } => {
            touch.payee = "nobody".parse().unwrap();
            true
        }),
        corrupt!(SaleGoesItsWay, "payment", Deal, deal::Event::Collected { payment, .. } => {
            let is_second = payment.as_str() == "second";
            *payment = "p-1".parse().unwrap();
            is_second
        }),
        corrupt!(RequestIsOfOneDay, "on", Deal, deal::Event::Collected { on, .. } => later(on)),
        corrupt!(CustomerIsTold, "on", Customer, customer::Event::Earned { on, .. } => later(on)),
        corrupt!(CustomerIsTold, "deal", Customer, customer::Event::Earned { deal, .. } => elsewhere(deal)),
        corrupt!(CustomerIsTold, "payee", Customer, customer::Event::Earned { payee, .. } => {
            *payee = "fy".parse().unwrap();
            true
        }),
        corrupt!(CustomerIsTold, "deal", Customer, customer::Event::Forgotten { deal, .. } => elsewhere(deal)),
        corrupt!(ContributionIsPosted, "amount", Spend, spend::Event::Counted { amount, .. } => more(amount)),
        corrupt!(ContributionIsPosted, "deal", Spend, spend::Event::Counted { deal, .. } => elsewhere(deal)),
        corrupt!(ContributionIsPosted, "amount", Spend, spend::Event::Reversed { amount, .. } => more(amount)),
        corrupt!(PartsAreTheWhole, "gci", Deal, deal::Event::Completed(completion) => more(&mut completion.gci)),
        corrupt!(PoolKeepsItsTerms, "limit", Cap, cap::Event::PoolOpened { terms, .. } => more(&mut terms.limit)),
        corrupt!(PoolKeepsItsTerms, "crossing", Cap, cap::Event::PoolOpened { terms, .. } => {
            terms.crossing = Crossing::WholeDealPreCap;
            true
        }),
        corrupt!(ContributionIsPosted, "amount", Cap, cap::Event::Contributed { amount, .. } => more(amount)),
        corrupt!(ContributionIsPosted, "limit", Cap, cap::Event::Contributed { limit, .. } => more(limit)),
        corrupt!(ContributionIsPosted, "deal", Cap, cap::Event::Contributed { deal, .. } => elsewhere(deal)),
        corrupt!(ContributionIsPosted, "account.year.end", Cap, cap::Event::Contributed { account, .. } => {
            later(&mut account.year.end)
        }),
        corrupt!(ContributionIsPosted, "amount", Cap, cap::Event::Reversed { amount, .. } => more(amount)),
        corrupt!(CapIsReached, "deal", Cap, cap::Event::Reached { deal, .. } => elsewhere(deal)),
        corrupt!(CapIsReached, "limit", Cap, cap::Event::Reached { limit, .. } => more(limit)),
        corrupt!(ContributionIsPosted, "units", Attainment, attainment::Event::Counted { units, .. } => {
            *units += 1;
            true
        }),
        corrupt!(ContributionIsPosted, "accrued", Attainment, attainment::Event::Counted { accrued, .. } => {
            more(accrued)
        }),
        corrupt!(ContributionIsPosted, "bonuses", Attainment, attainment::Event::Counted { bonuses, .. } => {
            bonuses.pop().is_some()
        }),
        corrupt!(ContributionIsPosted, "bonuses", Attainment, attainment::Event::Counted { bonuses, .. } => {
            one_more("two", bonuses)
        }),
        corrupt!(ContributionIsPosted, "bonuses", Attainment, attainment::Event::Counted { bonuses, .. } => {
            one_more("another", bonuses)
        }),
        corrupt!(ContributionIsPosted, "bonuses", Attainment, attainment::Event::Reversed { bonuses, .. } => {
            bonuses.pop().is_some()
        }),
        corrupt!(ContributionIsPosted, "bonuses", Attainment, attainment::Event::Reversed { bonuses, .. } => {
            one_more("another", bonuses)
        }),
        corrupt!(ContributionIsPosted, "revenue", Attainment, attainment::Event::Reversed { revenue, .. } => {
            more(revenue)
        }),
        corrupt!(ContributionIsPosted, "deal", Attainment, attainment::Event::Reversed { deal, .. } => {
            elsewhere(deal)
        }),
        corrupt!(EarnedIsBooked, "earned_on", Account, account::Event::EntryBooked {
            earned_on,
            source: account::Source::Commission { .. },
            ..
        } => later(earned_on)),
        corrupt!(EarnedIsBooked, "amount", Account, account::Event::EntryBooked {
            amount,
            source: account::Source::Commission { .. },
            ..
        } => more(amount)),
        corrupt!(ReversalIsExact, "amount", Account, account::Event::EntryBooked {
            amount,
            source: account::Source::Clawback { .. },
            ..
        } => more(amount)),
        corrupt!(ReversalIsExact, "earned_on", Account, account::Event::EntryBooked {
            earned_on,
            source: account::Source::Clawback { .. },
            ..
        } => later(earned_on)),
        corrupt!(ReversalIsExact, "amount", Account, account::Event::EntryReversed { amount, .. } => more(amount)),
        corrupt!(ReversalIsExact, "because.deal", Account, account::Event::EntryReversed { because, .. } => {
            match because {
                account::Because::Deal(deal) => elsewhere(deal),
                account::Because::Payout(_) => false,
            }
        }),
        corrupt!(ReversalIsExact, "", Deal, deal::Event::Reversed { sides, .. } => {
            last(sides, |side| more(&mut side.gci))
        }),
    ]
}

/// One wrong field of one event is one difference, of that event, which names the law and the field.
fn is_found((law, field, corrupt): Corruption, events: &[Recorded], at: usize) -> Result<bool, String> {
    let mut event = events[at].event.clone();
    if !corrupt(&mut event) || event == events[at].event {
        return Ok(false);
    }
    let mut events = events.to_vec();
    events[at].event = event;
    let report = laws(&events);
    let is_it = |found: &Difference| found.class == Class::Broken(law) && found.field.starts_with(field);
    match report.differences() {
        [found] if is_it(found) && (!found.field.is_empty() || field.is_empty()) => Ok(true),
        _ => Err(format!("{law:?} {field} of {:?}: {report}", events[at].event)),
    }
}

#[test]
fn one_wrong_field_of_any_event_is_one_difference_that_names_it() {
    let histories = [history(), sold()];
    assert!(histories.iter().all(|events| laws(events).is_clean()));
    let mut wrong = Vec::new();
    for corruption in corruptions() {
        let found = |events: &Vec<Recorded>| -> Vec<_> {
            (0..events.len()).map(|at| is_found(corruption, events, at)).collect()
        };
        let found: Vec<_> = histories.iter().flat_map(found).collect();
        assert!(found.iter().any(|found| *found != Ok(false)), "nothing has {:?} {}", corruption.0, corruption.1);
        wrong.extend(found.into_iter().filter_map(Result::err));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Had the plans been assigned otherwise, every deal would have been calculated under a wrong one.
#[test]
fn a_deal_under_a_plan_that_its_payee_is_not_assigned_to_is_found() {
    let mut books = Books::with_two_payees();
    let other = CAPPED.replace("250 USD", "350 USD");
    books.ask("ann", "2026-01-01", &format!(r#"{{"plan.publish":{{"plan":"sales","document":{other}}}}}"#));
    books.deal("d-1", "60000.00 USD", &["amy", "bo"], "2026-02-01");
    let assigned = |recorded: &&mut Recorded| matches!(recorded.event, Event::Payee(payee::Event::Assigned { .. }));
    let Event::Payee(payee::Event::Assigned { assignment, .. }) =
        &mut books.events.iter_mut().find(assigned).unwrap().event
    else {
        panic!()
    };
    assignment.version = 2;
    let report = laws(&books.events);
    assert_eq!(classes(&report), ["plans_are_in_force plans.0.plan_hash"]);
    let Event::Payee(payee::Event::Assigned { assignment, .. }) =
        &mut books.events.iter_mut().find(assigned).unwrap().event
    else {
        panic!()
    };
    assignment.until = Some("2026-01-31".parse().unwrap());
    assert_eq!(classes(&laws(&books.events)), ["plans_are_in_force plans.0.payee"]);
}

/// Each plan has bonuses of its own, so what a deal found of them would be wrong as well.
#[test]
fn a_wrong_assignment_is_told_of_the_plan_and_not_of_its_bonuses() {
    let mut events = history();
    let other = events.iter_mut().find_map(|recorded| match &mut recorded.event {
        Event::Payee(payee::Event::Assigned { assignment, .. }) if assignment.version == 2 => Some(assignment),
        _ => None,
    });
    other.unwrap().version = 1;
    let of_both_deals = ["plans_are_in_force plans.1.plan_hash"; 2];
    assert_eq!(classes(&laws(&events)), of_both_deals);
}

/// What crosses a cap is all within it or not, as the plan says: the law of caps went by the plan that was wrong.
#[test]
fn a_wrong_plan_is_told_of_the_plan_and_not_of_the_cap_that_its_deal_crosses() {
    let mut books = Books::with_two_payees();
    let whole = CAPPED.replace(r#""caps":"#, r#""crossing":"whole_deal_pre_cap","caps":"#);
    for document in [whole.as_str(), CAPPED] {
        books.ask("ann", "2026-01-01", &format!(r#"{{"plan.publish":{{"plan":"whole","document":{document}}}}}"#));
    }
    books.enrol("cy", "Cy", "whole");
    books.deal("d-1", "60000.00 USD", &["cy"], "2026-02-01");
    assert_eq!(classes(&laws(&books.events)), [""; 0]);
    for (version, plan_hash) in [(2, None), (3, None), (1, Some(Digest::of(b"another")))] {
        let mut events = books.events.clone();
        let completed = events.iter_mut().find_map(|recorded| match &mut recorded.event {
            Event::Deal(deal::Event::Completed(completion)) => Some(completion),
            _ => None,
        });
        let in_force = &mut completed.unwrap().plans[0];
        in_force.version = version;
        in_force.plan_hash = plan_hash.unwrap_or(in_force.plan_hash);
        let field = if plan_hash.is_some() { "plan_hash" } else { "version" };
        assert_eq!(classes(&laws(&events)), [format!("plans_are_in_force plans.0.{field}")], "version {version}");
    }
}

#[test]
fn a_payout_that_moves_on_over_an_open_late_payment_breaks_a_law() {
    let mut events = history();
    let is_resolved =
        |recorded: &Recorded| matches!(recorded.event, Event::Payout(payout::Event::LatePaymentResolved { .. }));
    let place = events.iter().position(is_resolved).unwrap();
    events.truncate(place + 1);
    let Event::Payout(event) = &mut events[place].event else { panic!() };
    let payout::Event::LatePaymentResolved { payout, by, reason, .. } = event.clone() else { panic!() };
    *event = payout::Event::Voided { payout, by, reason };
    let report = laws(&events).to_string();
    assert!(report.contains("late_payment_is_resolved"), "{report}");
}

#[test]
fn an_event_that_is_left_out_is_missed_by_some_law() {
    let harmless = ["cap.programme_opened", "cap.pool_opened", "payout.reference_taken"];
    for (whole, is_of_sales) in [(history(), false), (sold(), true)] {
        for left_out in 0..whole.len() {
            let mut events = whole.clone();
            let event = events.remove(left_out).event;
            let kind = crate::projection::audit::Action::of(&event).as_str();
            // Nobody shares a deal of the second history, so nothing rests on its plans, nor on a payee that no sale names.
            let is_unnamed =
                matches!(&event, Event::Payee(payee::Event::Enrolled { payee, .. }) if payee.as_str() == "fy");
            let of_deals = kind.starts_with("plan.") || kind == "payee.assigned" || is_unnamed;
            // The zone decides on the days of sales.
            let is_zone = kind == "settings.opened" && !is_of_sales;
            let is_harmless = is_zone || harmless.contains(&kind) || is_of_sales && of_deals;
            assert_eq!(laws(&events).is_clean(), is_harmless, "{kind}");
        }
    }
}

/// What payees are was taken from the crediting itself, so that a sale could be credited as if they were others.
#[test]
fn what_a_payee_was_classified_as_is_what_its_sales_are_credited_on() {
    for change in [
        |from: &mut Date, _: &mut Option<Text>| *from = "2026-01-06".parse().unwrap(),
        |_: &mut Date, kind: &mut Option<Text>| *kind = None,
    ] {
        let mut events = sold();
        for recorded in &mut events {
            if let Event::Payee(payee::Event::Classified { from, kind, .. }) = &mut recorded.event {
                change(from, kind);
            }
        }
        let report = laws(&events);
        assert_eq!(report.differences().len(), 2, "{report}");
        let of_payees = |found: &Difference| {
            found.class == Class::Broken(Law::SaleIsOnWhatIsKnown) && found.field.starts_with("payees.bo.")
        };
        assert!(report.differences().iter().all(of_payees), "once of each sale: {report}");
    }
}

/// What `--as-of` reads could be moved to another year, and nothing was said.
#[test]
fn a_wrong_business_day_is_one_difference() {
    for whole in [history(), sold()] {
        for at in 0..whole.len() {
            let mut events = whole.clone();
            events[at].effective = "2025-06-01".parse().unwrap();
            let report = laws(&events);
            let request = &whole[at].request;
            let is_alone = request.first_sequence == request.last_sequence;
            let says = matches!(whole[at].event, Event::Deal(deal::Event::Credited(_) | deal::Event::Collected { .. }));
            let expected = usize::from(!is_alone || says);
            assert_eq!(report.differences().len(), expected, "{:?}: {report}", whole[at].event);
        }
        let moved: BTreeSet<u64> = whole
            .iter()
            .filter(|recorded| matches!(recorded.event, Event::Deal(deal::Event::Credited(_))))
            .map(|recorded| recorded.request.last_sequence)
            .collect();
        for last in moved {
            let mut events = whole.clone();
            events
                .iter_mut()
                .filter(|recorded| recorded.request.last_sequence == last)
                .for_each(|recorded| recorded.effective = "2025-06-01".parse().unwrap());
            assert_eq!(classes(&laws(&events)), ["request_is_of_one_day effective"]);
        }
    }
}

/// Changes the kind of the first event of a sale that can be changed so.
fn exchanged(change: impl Fn(&deal::Event) -> Option<deal::Event>) -> Report {
    let mut events = sold();
    let place = events.iter().position(|recorded| match &recorded.event {
        Event::Deal(event) => change(event).is_some(),
        _ => false,
    });
    let Event::Deal(event) = &mut events[place.unwrap()].event else { panic!() };
    *event = change(event).unwrap();
    laws(&events)
}

#[test]
fn a_sale_is_credited_once_and_credited_anew_after_that() {
    let anew = exchanged(|event| match event {
        deal::Event::Credited(crediting) => {
            let (reason, crediting) = ("late".parse().unwrap(), (**crediting).clone());
            Some(deal::Event::Recredited(Box::new(deal::sale::Recrediting { reason, crediting })))
        }
        _ => None,
    });
    assert_eq!(classes(&anew), ["sale_goes_its_way "]);
    let once = exchanged(|event| match event {
        deal::Event::Recredited(again) => Some(deal::Event::Credited(Box::new(again.crediting.clone()))),
        _ => None,
    });
    assert_eq!(classes(&once), ["sale_goes_its_way "]);
}

/// An event that is told again, at the end of the log, in a request of its own.
fn told_again(is_asked: impl Fn(&Event) -> bool) -> Report {
    let mut events = sold();
    let mut again = events.iter().find(|recorded| is_asked(&recorded.event)).unwrap().clone();
    again.sequence = events.last().unwrap().sequence + 1;
    let (first_sequence, last_sequence) = (again.sequence, again.sequence);
    let request = crate::recorded::RecordedRequest { first_sequence, last_sequence, ..(*again.request).clone() };
    again.request = std::sync::Arc::new(request);
    events.push(again);
    laws(&events)
}

#[test]
fn nothing_comes_after_the_reversal_of_a_sale() {
    let of = |event: &Event, deal: &str| matches!(event, Event::Deal(deal::Event::Touched { deal: of, .. } | deal::Event::Collected { deal: of, .. }) if of.as_str() == deal);
    let touched = told_again(|event| of(event, "s-1") && matches!(event, Event::Deal(deal::Event::Touched { .. })));
    assert_eq!(classes(&touched), ["sale_goes_its_way "]);
    let paid = told_again(|event| of(event, "s-1") && matches!(event, Event::Deal(deal::Event::Collected { .. })));
    assert_eq!(classes(&paid)[0], "sale_goes_its_way ");
    let twice = told_again(|event| of(event, "s-2") && matches!(event, Event::Deal(deal::Event::Collected { .. })));
    assert!(classes(&twice).contains(&"sale_goes_its_way payment".to_owned()), "{twice}");
}
