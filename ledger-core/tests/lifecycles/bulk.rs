use ledger_core::decide::{Decision, Rejection};
use ledger_core::event::Event;
use ledger_core::id::PayoutId;
use ledger_core::limits::PAYOUTS_PER_BULK;
use ledger_core::payout::{BulkOutcome, Event as Payout, Rejection as Refused, Status};
use serde_json::{Value, json};

use crate::story::{Story, types};

fn bulk(payouts: &[PayoutId], atomic: bool) -> Value {
    json!({"payout.approve_bulk": {"payouts": payouts, "atomic": atomic}})
}

fn outcomes(decision: &Decision) -> Vec<BulkOutcome> {
    match decision.events.last() {
        Some((_, Event::Payout(Payout::BulkApproved { outcomes, .. }))) => outcomes.clone(),
        other => panic!("{other:?}"),
    }
}

/// Two payouts that wait for approval and one draft, all made by `maya`.
fn story() -> (Story, [PayoutId; 3]) {
    let mut story = Story::with_zoe();
    let payouts = ["zoe", "yan", "xia"].map(|payee| {
        if payee != "zoe" {
            story.enrol(payee).assign(payee, "all");
        }
        story.deal(payee, payee, "100 USD", "2026-02-01");
        if payee == "xia" { story.draft(payee) } else { story.pending(payee) }
    });
    (story, payouts)
}

fn stranger(n: u32) -> PayoutId {
    PayoutId::derive(&"main".parse().unwrap(), &"stranger".parse().unwrap(), n)
}

#[test]
fn each_is_approved_for_itself_and_answered_in_the_order_asked() {
    let (mut story, [zoe, yan, draft]) = story();
    let asked = [draft, yan, stranger(0), yan, zoe];
    let decision = story.given("otto", bulk(&asked, false));
    assert_eq!(types(&decision), ["payout.approved", "payout.approved", "payout.bulk_approved"]);
    let answers: Vec<_> =
        outcomes(&decision).into_iter().map(|outcome| (outcome.payout, outcome.skipped.is_some())).collect();
    assert_eq!(answers, [(draft, true), (yan, false), (stranger(0), true), (zoe, false)]);
    assert_eq!(
        [zoe, yan, draft].map(|payout| story.status(payout)),
        [Status::Approved, Status::Approved, Status::Draft]
    );
}

#[test]
fn asking_twice_approves_once() {
    let (mut story, [zoe, yan, _]) = story();
    story.given("otto", bulk(&[zoe, yan], false));
    let again = story.given("otto", bulk(&[zoe, yan], false));
    assert_eq!(types(&again), ["payout.bulk_approved"]);
    assert!(outcomes(&again).iter().all(|outcome| outcome.skipped.is_some()));
}

#[test]
fn an_atomic_approval_with_one_that_cannot_be_approves_none() {
    let (mut story, [zoe, yan, draft]) = story();
    refused!(
        story,
        "otto",
        bulk(&[zoe, draft, stranger(0)], true),
        Rejection::Payout(Refused::IllegalTransition { .. })
    );
    refused!(story, "otto", bulk(&[zoe, stranger(0), draft], true), Rejection::Payout(Refused::Unknown { .. }));
    refused!(story, "maya", bulk(&[zoe, yan], true), Rejection::Payout(Refused::MakerIsApprover { .. }));
    refused!(story, "yan", bulk(&[zoe, yan], true), Rejection::Payout(Refused::PayeeIsApprover { .. }));
    assert_eq!(story.status(zoe), Status::PendingApproval);
    let decision = story.given("otto", bulk(&[zoe, yan, zoe], true));
    assert_eq!(outcomes(&decision).len(), 2);
    assert_eq!([zoe, yan].map(|payout| story.status(payout)), [Status::Approved, Status::Approved]);
}

#[test]
fn maker_and_payee_are_skipped_where_they_may_not_approve() {
    let (mut story, [zoe, yan, _]) = story();
    let skipped = outcomes(&story.given("yan", bulk(&[zoe, yan], false)));
    assert_eq!(skipped.iter().map(|outcome| outcome.skipped.is_some()).collect::<Vec<_>>(), [false, true]);
    let skipped = outcomes(&story.given("maya", bulk(&[zoe, yan], false)));
    assert!(skipped.iter().all(|outcome| outcome.skipped.is_some()));
}

#[test]
fn a_bulk_approval_names_one_payout_at_least_and_not_too_many() {
    let mut story = Story::opened();
    let most = u32::try_from(PAYOUTS_PER_BULK).unwrap();
    refused!(story, "otto", bulk(&[], false), Rejection::Payout(Refused::BulkSize { payouts: 0 }));
    let many: Vec<_> = (0..=most).map(stranger).collect();
    refused!(story, "otto", bulk(&many, true), Rejection::Payout(Refused::BulkSize { .. }));
    let doubled: Vec<_> = (0..most).chain(0..most).map(stranger).collect();
    assert_eq!(outcomes(&story.given("otto", bulk(&doubled, false))).len(), PAYOUTS_PER_BULK);
}

#[test]
fn the_largest_bulk_approval_fits_into_its_limits() {
    let mut story = Story::opened();
    let long = "m".repeat(64);
    story.enrol("zoe");
    let payouts = (0..PAYOUTS_PER_BULK).map(|_| {
        let manual = json!({"payout.create_manual": {"payee": "zoe", "amount": "1 USD", "reason": "r"}});
        let payout = crate::story::created(&story.given(&long, manual));
        story.given(&long, json!({"payout.submit": {"payout": payout}}));
        payout
    });
    let payouts = payouts.collect::<Vec<_>>();
    // Every one of them is skipped, with the longest reason. `Story` refuses an event that is larger than the limit.
    let decision = story.given(&long, bulk(&payouts, false));
    assert!(outcomes(&decision).iter().all(|outcome| outcome.skipped.is_some()));
}
