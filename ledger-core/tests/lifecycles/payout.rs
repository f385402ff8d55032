use ledger_core::account::{self, Because, Source};
use ledger_core::decide::Rejection;
use ledger_core::event::Event;
use ledger_core::id::{EntryId, PayeeId, PayoutId};
use ledger_core::limits::{ENTRIES_PER_CLAIM, EVENTS_PER_REQUEST};
use ledger_core::money::{Currency, Money};
use ledger_core::payout::{Rejection as Refused, Status};
use ledger_core::slice::Folded;
use ledger_core::stream::{StreamId, Tip};
use ledger_core::{payee, settings};
use serde_json::{Value, json};

use crate::story::{Story, created, types};

const COMMANDS: [&str; 9] =
    ["submit", "approve", "reject", "start", "settle", "fail", "record_manual_payment", "void", "resolve_late_payment"];

/// Where a command leads from a status, if anywhere.
fn leads(from: Status, command: &str) -> Option<Status> {
    use Status::{Approved, Draft, Failed, Paid, PendingApproval, Processing, Rejected, Voided};
    match (from, command) {
        (Draft, "submit") => Some(PendingApproval),
        (PendingApproval, "approve") => Some(Approved),
        (PendingApproval, "reject") => Some(Rejected),
        (Approved | Failed, "start") => Some(Processing),
        (Processing, "settle") => Some(Paid),
        (Processing, "fail") => Some(Failed),
        // Late news: recorded, not applied.
        (Failed, "settle") => Some(Failed),
        (Approved, "record_manual_payment") => Some(Paid),
        (Draft | PendingApproval | Approved | Failed, "void") => Some(Voided),
        _ => None,
    }
}

/// A payout of 100 dollars to `zoe`, made by `maya`, brought to a status.
fn payout_at(status: Status) -> (Story, PayoutId) {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    let payout = story.draft("zoe");
    let way: &[&str] = match status {
        Status::Draft => &[],
        Status::PendingApproval => &["submit"],
        Status::Approved => &["submit", "approve"],
        Status::Processing => &["submit", "approve", "start"],
        Status::Paid => &["submit", "approve", "start", "settle"],
        Status::Failed => &["submit", "approve", "start", "fail"],
        Status::Rejected => &["submit", "reject"],
        Status::Voided => &["void"],
    };
    for command in way {
        let from = story.status(payout);
        story.given(actor(from, command), request(payout, from, command));
    }
    assert_eq!(story.status(payout), status);
    (story, payout)
}

/// Who may do it: the maker before approval, somebody else after it.
fn actor(from: Status, command: &str) -> &'static str {
    match command {
        "submit" => "maya",
        "void" if from < Status::Approved => "maya",
        _ => "otto",
    }
}

fn request(payout: PayoutId, from: Status, command: &str) -> Value {
    let attempt = u32::from(matches!(from, Status::Processing | Status::Paid | Status::Failed));
    let mut fields = json!({"payout": payout});
    let more = match command {
        "reject" | "void" => json!({"reason": "r"}),
        "settle" => json!({"attempt": attempt, "amount": "100 USD"}),
        "fail" => json!({"attempt": attempt, "reason": "closed"}),
        "resolve_late_payment" => json!({"attempt": attempt, "resolution": "accept", "reason": "r"}),
        "record_manual_payment" => json!({"method": "cheque", "reference": "c-1", "account": "bank"}),
        _ => json!({}),
    };
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({format!("payout.{command}"): fields})
}

#[test]
fn every_command_leads_from_every_status_where_it_should_or_nowhere() {
    for from in Status::ALL {
        for command in COMMANDS {
            let (mut story, payout) = payout_at(from);
            let (events, payable) = (story.head.sequence, story.payable("zoe"));
            let answer = story.when(actor(from, command), request(payout, from, command));
            match leads(from, command) {
                Some(to) => {
                    assert!(answer.is_ok(), "{command} of {from:?}: {answer:?}");
                    assert_eq!(story.status(payout), to, "{command} of {from:?}");
                }
                None => {
                    let expected = match (from, command) {
                        (Status::Paid, "settle") | (Status::Failed, "fail") => {
                            matches!(answer, Err(Rejection::AlreadyKnown(_)))
                        }
                        (_, "resolve_late_payment") => {
                            matches!(answer, Err(Rejection::Payout(Refused::NoLatePayment { .. })))
                        }
                        _ => {
                            matches!(answer, Err(Rejection::Payout(Refused::IllegalTransition { status, .. })) if status == from)
                        }
                    };
                    assert!(expected, "{command} of {from:?}: {answer:?}");
                    assert_eq!(
                        (story.head.sequence, story.status(payout)),
                        (events, from),
                        "{command} changed something"
                    );
                    assert_eq!(story.payable("zoe"), payable);
                }
            }
        }
    }
}

#[test]
fn entries_are_claimed_while_the_payout_is_live_and_payable_again_when_it_is_not() {
    for status in Status::ALL {
        let (story, _) = payout_at(status);
        let payable = if status.is_live() { "0.00 USD" } else { "100.00 USD" };
        assert_eq!(story.payable("zoe"), payable, "{status:?}");
    }
}

#[test]
fn a_payout_that_is_unknown_is_refused_whatever_is_asked_of_it() {
    let mut story = Story::opened();
    let unknown = PayoutId::derive(&story.ledger, &"nobody".parse().unwrap(), 0);
    for command in COMMANDS {
        refused!(story, "otto", request(unknown, Status::Draft, command), Rejection::Payout(Refused::Unknown { .. }));
    }
}

#[test]
fn a_payout_is_refused_for_the_first_reason_that_holds() {
    let mut story = Story::opened();
    let create = || json!({"payout.create": {"payee": "zoe", "through": "2026-02-01"}});
    refused!(story, "maya", create(), Rejection::Payee(payee::Rejection::Unknown { .. }));
    story = Story::with_zoe();
    refused!(story, "maya", create(), Rejection::Payout(Refused::NothingPayable { .. }));
    story.deal("later", "zoe", "100 USD", "2026-02-02");
    refused!(story, "maya", create(), Rejection::Payout(Refused::NothingPayable { .. }));
    let euro = json!({"payout.create": {"payee": "zoe", "currency": "EUR"}});
    refused!(story, "maya", euro, Rejection::Payout(Refused::NothingPayable { .. }));
    story.deal("now", "zoe", "50 USD", "2026-02-01");
    let payout = created(&story.given("maya", create()));
    assert_eq!((story.amount(payout), story.payable("zoe")), ("50.00 USD".into(), "100.00 USD".into()));
}

#[test]
fn an_entry_is_in_one_live_payout_at_most() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    let first = story.draft("zoe");
    refused!(
        story,
        "maya",
        json!({"payout.create": {"payee": "zoe"}}),
        Rejection::Payout(Refused::NothingPayable { .. })
    );
    story.given("maya", json!({"payout.void": {"payout": first, "reason": "r"}}));
    let second = story.paid("zoe", "100 USD");
    assert_ne!(first, second);
    refused!(
        story,
        "maya",
        json!({"payout.create": {"payee": "zoe"}}),
        Rejection::Payout(Refused::NothingPayable { .. })
    );
}

#[test]
fn who_owes_is_not_paid_by_leaving_the_debt_for_a_later_day() {
    let mut story = Story::with_zoe();
    story.deal("old", "zoe", "100 USD", "2026-01-10");
    story.paid("zoe", "100 USD");
    story.deal("new", "zoe", "80 USD", "2026-01-20");
    story.at("2026-02-10T15:00:00Z");
    story.given("ann", json!({"deal.reverse": {"deal": "old", "reason": "withdrawn"}}));
    assert_eq!(story.payable("zoe"), "-20.00 USD");
    let january = json!({"payout.create": {"payee": "zoe", "through": "2026-01-31"}});
    refused!(story, "maya", january, Rejection::Payout(Refused::NotPositive { .. }));
}

#[test]
fn a_maker_decides_before_approval_and_never_on_it() {
    let (mut story, payout) = payout_at(Status::Draft);
    let (submit, void) = (json!({"payout.submit": {"payout": payout}}), request(payout, Status::Draft, "void"));
    refused!(story, "otto", submit.clone(), Rejection::Payout(Refused::NotItsMaker { .. }));
    refused!(story, "otto", void.clone(), Rejection::Payout(Refused::NotItsMaker { .. }));
    story.given("maya", submit);
    refused!(story, "otto", void.clone(), Rejection::Payout(Refused::NotItsMaker { .. }));
    for command in ["approve", "reject"] {
        refused!(
            story,
            "maya",
            request(payout, Status::Draft, command),
            Rejection::Payout(Refused::MakerIsApprover { .. })
        );
    }
    story.given("otto", json!({"payout.approve": {"payout": payout}}));
    refused!(story, "maya", void.clone(), Rejection::Payout(Refused::MakerIsApprover { .. }));
    story.given("olga", void);
}

#[test]
fn who_is_paid_neither_approves_nor_rejects_nor_voids() {
    let (mut story, payout) = payout_at(Status::PendingApproval);
    for command in ["approve", "reject"] {
        refused!(
            story,
            "zoe",
            request(payout, Status::Draft, command),
            Rejection::Payout(Refused::PayeeIsApprover { .. })
        );
    }
    story.given("otto", json!({"payout.approve": {"payout": payout}}));
    refused!(
        story,
        "zoe",
        request(payout, Status::Approved, "void"),
        Rejection::Payout(Refused::PayeeIsApprover { .. })
    );
}

#[test]
fn who_may_not_is_told_where_the_payout_is_first() {
    let (mut story, payout) = payout_at(Status::Approved);
    for actor in ["maya", "zoe"] {
        refused!(
            story,
            actor,
            json!({"payout.approve": {"payout": payout}}),
            Rejection::Payout(Refused::IllegalTransition { .. })
        );
    }
}

#[test]
fn every_attempt_has_its_own_number_and_key_and_old_news_is_not_applied() {
    let (mut story, payout) = payout_at(Status::Failed);
    let started = story.given("otto", json!({"payout.start": {"payout": payout}}));
    let payload = String::from_utf8(story.log.events.last().unwrap().payload.clone()).unwrap();
    assert_eq!(types(&started), ["payout.started"]);
    assert!(payload.contains(&format!(r#""attempt":2,"rail_key":"{payout}-2""#)), "{payload}");
    let settle =
        |attempt: u32, amount: &str| json!({"payout.settle": {"payout": payout, "attempt": attempt, "amount": amount}});
    for attempt in [0, 3] {
        refused!(story, "rail", settle(attempt, "1 USD"), Rejection::Payout(Refused::StaleAttempt { open: 2, .. }));
    }
    for attempt in [0, 1, 3] {
        let fail = json!({"payout.fail": {"payout": payout, "attempt": attempt, "reason": "r"}});
        refused!(story, "rail", fail, Rejection::Payout(Refused::StaleAttempt { open: 2, .. }));
    }
    for amount in ["99.99 USD", "100.01 USD", "100 EUR", "-100 USD"] {
        refused!(story, "rail", settle(2, amount), Rejection::Payout(Refused::AmountDiffers { .. }));
    }
    story.given("rail", settle(2, "100 USD"));
    refused!(story, "rail", settle(2, "100 USD"), Rejection::AlreadyKnown(_));
    refused!(story, "rail", settle(2, "100.01 USD"), Rejection::Payout(Refused::AmountDiffers { .. }));
}

#[test]
fn what_the_rail_says_of_a_payout_that_was_never_started_is_not_already_known() {
    let (mut story, payout) = payout_at(Status::Approved);
    story.given("otto", request(payout, Status::Approved, "record_manual_payment"));
    // The cheque went out. Should a rail have paid as well, then twice.
    let settle = json!({"payout.settle": {"payout": payout, "attempt": 0, "amount": "100 USD"}});
    refused!(story, "rail", settle, Rejection::Payout(Refused::IllegalTransition { .. }));
}

fn settle(payout: PayoutId, attempt: u32) -> Value {
    json!({"payout.settle": {"payout": payout, "attempt": attempt, "amount": "100 USD"}})
}

fn fail(payout: PayoutId, attempt: u32) -> Value {
    json!({"payout.fail": {"payout": payout, "attempt": attempt, "reason": "r"}})
}

fn start(payout: PayoutId) -> Value {
    json!({"payout.start": {"payout": payout}})
}

fn void(payout: PayoutId) -> Value {
    json!({"payout.void": {"payout": payout, "reason": "r"}})
}

fn resolve(payout: PayoutId, attempt: u32, resolution: &str) -> Value {
    let late = json!({"payout": payout, "attempt": attempt, "resolution": resolution, "reason": "r"});
    json!({"payout.resolve_late_payment": late})
}

#[test]
fn paid_news_after_failed_news_is_recorded_and_nothing_moves_until_it_is_resolved() {
    let (mut story, payout) = payout_at(Status::Failed);
    let reported = story.given("rail", settle(payout, 1));
    assert_eq!(types(&reported), ["payout.late_payment_reported"]);
    assert_eq!((story.status(payout), story.payable("zoe")), (Status::Failed, "0.00 USD".into()));
    for command in [start(payout), void(payout)] {
        let told = refused!(story, "otto", command, Rejection::Payout(Refused::LatePaymentOpen { attempt: 1, .. }));
        assert!(told.contains("payout.resolve_late_payment"), "{told}");
    }
    refused!(story, "rail", settle(payout, 1), Rejection::AlreadyKnown(_));
    for attempt in [0, 2] {
        refused!(story, "rail", settle(payout, attempt), Rejection::Payout(Refused::StaleAttempt { .. }));
    }
    for news in ["99 USD", "100 EUR"] {
        let news = json!({"payout.settle": {"payout": payout, "attempt": 1, "amount": news}});
        refused!(story, "rail", news, Rejection::Payout(Refused::AmountDiffers { .. }));
    }
}

#[test]
fn a_late_payment_that_is_accepted_pays_the_payout_once() {
    let (mut story, payout) = payout_at(Status::Failed);
    story.given("rail", settle(payout, 1));
    let accepted = story.given("otto", resolve(payout, 1, "accept"));
    assert_eq!(types(&accepted), ["payout.late_payment_resolved", "payout.paid", "account.entries_paid"]);
    assert_eq!((story.status(payout), story.payable("zoe")), (Status::Paid, "0.00 USD".into()));
    refused!(story, "rail", settle(payout, 1), Rejection::AlreadyKnown(_));
    refused!(story, "otto", start(payout), Rejection::Payout(Refused::IllegalTransition { .. }));
    refused!(story, "otto", resolve(payout, 1, "accept"), Rejection::Payout(Refused::NoLatePayment { .. }));
}

#[test]
fn a_late_payment_that_is_dismissed_frees_the_payout_and_is_not_news_again() {
    for next in [start, void] {
        let (mut story, payout) = payout_at(Status::Failed);
        story.given("rail", settle(payout, 1));
        let dismissed = story.given("otto", resolve(payout, 1, "dismiss"));
        assert_eq!(types(&dismissed), ["payout.late_payment_resolved"]);
        assert_eq!(story.status(payout), Status::Failed);
        refused!(story, "rail", settle(payout, 1), Rejection::AlreadyKnown(_));
        refused!(story, "otto", resolve(payout, 1, "accept"), Rejection::Payout(Refused::NoLatePayment { .. }));
        story.given("otto", next(payout));
    }
}

#[test]
fn neither_maker_nor_payee_resolves_a_late_payment() {
    let (mut story, payout) = payout_at(Status::Failed);
    story.given("rail", settle(payout, 1));
    for resolution in ["accept", "dismiss"] {
        let resolve = || resolve(payout, 1, resolution);
        refused!(story, "maya", resolve(), Rejection::Payout(Refused::MakerIsApprover { .. }));
        refused!(story, "zoe", resolve(), Rejection::Payout(Refused::PayeeIsApprover { .. }));
    }
    for attempt in [0, 2] {
        let none = resolve(payout, attempt, "dismiss");
        refused!(story, "otto", none, Rejection::Payout(Refused::NoLatePayment { .. }));
    }
}

#[test]
fn late_news_of_an_older_attempt_does_not_touch_the_open_one() {
    let (mut story, payout) = payout_at(Status::Failed);
    story.given("otto", start(payout));
    assert_eq!(types(&story.given("rail", settle(payout, 1))), ["payout.late_payment_reported"]);
    assert_eq!(story.status(payout), Status::Processing);
    let accept = || resolve(payout, 1, "accept");
    let not_failed = refused!(story, "otto", accept(), Rejection::Payout(Refused::LatePaymentNotAcceptable { .. }));
    assert!(not_failed.contains("is processing"), "{not_failed}");
    let mut other = story.clone();

    // The second attempt fails: the first was the payment.
    story.given("rail", fail(payout, 2));
    refused!(story, "otto", start(payout), Rejection::Payout(Refused::LatePaymentOpen { attempt: 1, .. }));
    story.given("otto", accept());
    assert_eq!(story.status(payout), Status::Paid);
    // Should the second one have been paid as well, then twice: that is news.
    assert_eq!(types(&story.given("rail", settle(payout, 2))), ["payout.late_payment_reported"]);

    // The second attempt is paid too: the money of the first has to come back.
    let paid = other.given("rail", settle(payout, 2));
    assert_eq!(types(&paid), ["payout.paid", "account.entries_paid"]);
    refused!(other, "otto", accept(), Rejection::Payout(Refused::LatePaymentNotAcceptable { .. }));
    other.given("otto", resolve(payout, 1, "dismiss"));
    refused!(other, "rail", settle(payout, 1), Rejection::AlreadyKnown(_));
}

#[test]
fn late_news_of_several_attempts_is_resolved_one_by_one() {
    let (mut story, payout) = payout_at(Status::Failed);
    story.given("otto", start(payout));
    story.given("rail", fail(payout, 2));
    for attempt in [2, 1] {
        story.given("rail", settle(payout, attempt));
    }
    story.given("otto", resolve(payout, 1, "dismiss"));
    refused!(story, "otto", void(payout), Rejection::Payout(Refused::LatePaymentOpen { attempt: 2, .. }));
    story.given("otto", resolve(payout, 2, "dismiss"));
    story.given("otto", void(payout));
    assert_eq!(story.payable("zoe"), "100.00 USD");
}

#[test]
fn late_news_of_a_voided_payout_is_recorded_too() {
    let (mut story, payout) = payout_at(Status::Failed);
    story.given("otto", void(payout));
    assert_eq!(types(&story.given("rail", settle(payout, 1))), ["payout.late_payment_reported"]);
    let accept = resolve(payout, 1, "accept");
    refused!(story, "otto", accept, Rejection::Payout(Refused::LatePaymentNotAcceptable { .. }));
    story.given("otto", resolve(payout, 1, "dismiss"));
    assert_eq!(story.status(payout), Status::Voided);
}

#[test]
fn late_news_of_a_manual_amount_keeps_its_adjustment_claimed() {
    let mut story = Story::with_zoe();
    let manual = json!({"payout.create_manual": {"payee": "zoe", "amount": "100 USD", "reason": "bonus"}});
    let payout = created(&story.given("maya", manual));
    for (actor, command) in [("maya", "submit"), ("otto", "approve"), ("otto", "start")] {
        story.given(actor, request(payout, Status::Approved, command));
    }
    story.given("rail", fail(payout, 1));
    story.given("rail", settle(payout, 1));
    refused!(story, "otto", void(payout), Rejection::Payout(Refused::LatePaymentOpen { .. }));
    story.given("otto", resolve(payout, 1, "accept"));
    assert_eq!((story.status(payout), story.payable("zoe")), (Status::Paid, "0.00 USD".into()));
}

#[test]
fn a_manual_amount_that_is_not_paid_is_taken_back_and_swept_into_no_other_payout() {
    for (way, actor) in [("void", "maya"), ("reject", "otto")] {
        let mut story = Story::with_zoe();
        let manual = json!({"payout.create_manual": {"payee": "zoe", "amount": "50 USD", "reason": "bonus"}});
        let made = story.given("maya", manual);
        let payout = created(&made);
        let (_, Event::Account(account::Event::EntryBooked { entry: booked, .. })) = &made.events[0] else { panic!() };
        story.given("maya", json!({"payout.submit": {"payout": payout}}));
        let ended = story.given(actor, request(payout, Status::PendingApproval, way));
        let rest = ["account.entries_released", "account.entry_reversed"];
        assert_eq!(types(&ended)[1..], rest, "{way}");
        let (_, Event::Account(account::Event::EntryReversed { entry, because, amount, .. })) = &ended.events[2] else {
            panic!()
        };
        assert_eq!((entry, because, amount.to_string()), (booked, &Because::Payout(payout), "50.00 USD".into()));
        assert_eq!(story.payable("zoe"), "0.00 USD");
        let create = json!({"payout.create": {"payee": "zoe"}});
        refused!(story, "maya", create, Rejection::Payout(Refused::NothingPayable { .. }));
    }
}

#[test]
fn a_payer_account_uses_a_reference_once() {
    let (mut story, first) = payout_at(Status::Approved);
    story.deal("e", "zoe", "50 USD", "2026-02-01");
    let second = story.approved("zoe");
    let pay = |payout: PayoutId, reference: &str, account: &str| json!({"payout.record_manual_payment": {"payout": payout, "method": "cheque", "reference": reference, "account": account}});
    let paid = story.given("otto", pay(first, "c-1", "bank"));
    assert_eq!(types(&paid), ["payout.paid", "account.entries_paid", "payout.reference_taken"]);
    refused!(story, "otto", pay(first, "c-1", "bank"), Rejection::AlreadyKnown(_));
    refused!(story, "otto", pay(first, "c-2", "bank"), Rejection::Payout(Refused::IllegalTransition { .. }));
    refused!(story, "otto", pay(second, "c-1", "bank"), Rejection::Payout(Refused::ReferenceTaken { .. }));
    story.given("otto", pay(second, "c-1", "other-bank"));
    assert_eq!((story.status(first), story.status(second)), (Status::Paid, Status::Paid));
}

#[test]
fn a_manual_amount_is_booked_with_its_contra_party_and_claimed_at_once() {
    let mut story = Story::with_zoe();
    story.deal("d", "zoe", "100 USD", "2026-02-01");
    let manual = |amount: &str| json!({"payout.create_manual": {"payee": "zoe", "amount": amount, "reason": "bonus"}});
    let decision = story.given("maya", manual("50 USD"));
    assert_eq!(types(&decision), ["account.entry_booked", "account.entries_claimed", "payout.created"]);
    let (_, Event::Account(account::Event::EntryBooked { source, .. })) = &decision.events[0] else { panic!() };
    assert!(matches!(source, Source::Adjustment { .. }));
    assert_eq!((story.amount(created(&decision)), story.payable("zoe")), ("50.00 USD".into(), "100.00 USD".into()));
    for amount in ["0 USD", "-50 USD"] {
        refused!(story, "maya", manual(amount), Rejection::Payout(Refused::NotPositive { .. }));
    }
    let stranger = json!({"payout.create_manual": {"payee": "nobody", "amount": "-1 USD", "reason": "r"}});
    refused!(story, "maya", stranger, Rejection::Payee(payee::Rejection::Unknown { .. }));
    story.given("ann", json!({"settings.switch_off": {"capability": "foreign_currencies"}}));
    refused!(story, "maya", manual("1 EUR"), Rejection::Settings(settings::Rejection::SwitchedOff { .. }));
}

/// `zoe` with so many payable entries: the cents and the day of each.
fn with_entries(count: u32, entry: impl Fn(u32) -> (i64, &'static str)) -> Story {
    let mut story = Story::with_zoe();
    let usd = Currency::of("USD").unwrap();
    let zoe = PayeeId::new("zoe").unwrap();
    let stream = StreamId::Account { payee: zoe.clone(), currency: usd };
    let mut folded = Folded::empty(&stream);
    for n in 0..count {
        let (cents, day) = entry(n);
        let booked = account::Event::EntryBooked {
            payee: zoe.clone(),
            entry: EntryId::from_uuid(uuid::Uuid::from_u128(n.into())),
            source: Source::Commission { deal: "many".parse().unwrap() },
            amount: Money::new(cents, usd).unwrap(),
            earned_on: day.parse().unwrap(),
        };
        folded.evolve(&booked.into(), Tip { version: u64::from(n) + 1, ..Tip::EMPTY }).unwrap();
    }
    story.hold(stream, folded);
    story
}

#[test]
fn a_claim_of_many_entries_is_several_events_of_one_request() {
    let mut story = with_entries(2_500, |n| (i64::from(n) - 1_000, "2026-02-01"));
    let decision = story.given("maya", json!({"payout.create": {"payee": "zoe"}}));
    let claims = decision.events.iter().filter_map(|(_, event)| match event {
        Event::Account(account::Event::EntriesClaimed { entries, amount, .. }) => Some((entries.len(), amount.minor())),
        _ => None,
    });
    let claims = claims.collect::<Vec<_>>();
    assert_eq!(claims, [(1_000, -500_500), (1_000, 499_500), (500, 624_750)]);
    let payout = created(&decision);
    assert_eq!(story.amount(payout), "6237.50 USD");
    let voided = story.given("maya", json!({"payout.void": {"payout": payout, "reason": "r"}}));
    let (_, Event::Account(account::Event::EntriesReleased { count, .. })) = &voided.events[1] else { panic!() };
    assert_eq!(*count, 2_500);
    assert_eq!(story.payable("zoe"), "6237.50 USD");
}

/// The most was half of what a request holds, and the earlier day that the refusal asks for did not help.
#[test]
fn a_claim_of_more_than_one_request_can_hold_is_refused() {
    let most = u32::try_from((EVENTS_PER_REQUEST - 2) * ENTRIES_PER_CLAIM).unwrap();
    let mut story = with_entries(most + 1, |n| (1, if n < most { "2026-02-01" } else { "2026-02-02" }));
    let refused = refused!(
        story,
        "maya",
        json!({"payout.create": {"payee": "zoe"}}),
        Rejection::Payout(Refused::TooManyEntries { .. })
    );
    assert!(refused.contains("998001 entries"), "{refused}");
    let earlier = json!({"payout.create": {"payee": "zoe", "through": "2026-02-01"}});
    assert_eq!(story.given("maya", earlier).events.len(), EVENTS_PER_REQUEST - 1);
    assert_eq!(story.payable("zoe"), "0.01 USD");
}

/// `maya` made a payout and `Maya` approved it; one cheque number paid two payouts in another letter case.
#[test]
fn letter_case_makes_neither_another_person_nor_another_reference() {
    let mut story = Story::with_zoe();
    story.deal("d-1", "zoe", "100 USD", "2026-02-01");
    let first = story.pending("zoe");
    let approve = |payout: PayoutId| json!({"payout.approve": {"payout": payout}});
    refused!(story, "Maya", approve(first), Rejection::Payout(Refused::MakerIsApprover { .. }));
    refused!(story, "ZOE", approve(first), Rejection::Payout(Refused::PayeeIsApprover { .. }));
    let pay = |payout: PayoutId, reference: &str| {
        json!({"payout.record_manual_payment":
            {"payout": payout, "method": "cheque", "reference": reference, "account": "main"}})
    };
    story.given("bob", approve(first));
    story.given("cat", pay(first, "CHK-1"));
    story.deal("d-2", "zoe", "100 USD", "2026-02-01");
    let second = story.approved("zoe");
    refused!(story, "cat", pay(second, "chk-1"), Rejection::Payout(Refused::ReferenceTaken { .. }));
}
