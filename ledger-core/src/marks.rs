//! Marks on branches that are rarely reached, counted per thread, so that a test bench can tell which it never got to. Compiled
//! with the feature `marks` only.

use std::cell::Cell;
use std::collections::BTreeMap;

macro_rules! marks {
    ($($(#[doc = $doc:literal])+ $mark:ident = $name:literal,)+) => {
        /// A branch worth reaching.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Mark {
            $($(#[doc = $doc])+ $mark,)+
        }

        /// The name of every mark.
        pub const ALL: &[&str] = &[$($name),+];
    };
}

marks! {
    /// The queue was full.
    Busy = "engine.busy",
    /// A request was left to the next round: the group had its events.
    GroupFull = "engine.group_full",
    /// What a request creates was there already.
    CreatedBefore = "engine.created_before",
    /// Loading ahead failed or did not come to an end.
    PrefetchGaveUp = "engine.prefetch_gave_up",
    /// The store lost an answer.
    AppendUnknown = "engine.append_unknown",
    /// The store was not available for an append.
    AppendUnavailable = "engine.append_unavailable",
    /// After a lost answer the request turned out to be stored.
    UnknownThenAlreadyAppended = "engine.unknown_then_already_appended",
    /// After a lost answer the request turned out not to be stored, and was.
    UnknownThenAppended = "engine.unknown_then_appended",
    /// A lost answer was never found again.
    DoubtAnswered = "engine.doubt_answered",
    /// Another writer was faster.
    Conflict = "engine.conflict",
    /// What a request makes was taken for empty and was there.
    HopedInVain = "engine.hoped_in_vain",
    /// Other writers were faster each time.
    ContendedOut = "engine.contended_out",
    /// The store knew the key with another hash.
    KeyReusedInAppend = "engine.key_reused_in_append",
    /// The key of a request that was refused, previewed or stored has another hash.
    KeyReused = "engine.key_reused",
    /// What was refused had been stored before.
    FirstReceiptAfterRejection = "engine.first_receipt_after_rejection",
    /// A rejection did not rest on what the ledger holds, or waited for an earlier request, and was decided again.
    RejectionDecidedAgain = "engine.rejection_decided_again",
    /// The cache dropped what was not used for longest.
    CacheAged = "engine.cache_aged",
    /// The driver ended with requests in its hands.
    DriverDropped = "engine.driver_dropped",

    /// Outside any queue, what was refused had been stored before.
    DirectAfterRejection = "direct.after_rejection",
    /// Outside any queue, a request was stored already.
    DirectAlreadyAppended = "direct.already_appended",
    /// Outside any queue, another writer was faster.
    DirectConflict = "direct.conflict",

    /// A request was stored already.
    AlreadyAdmitted = "admit.already",
    /// A key was stored with another hash.
    ReuseRefused = "admit.reused",
    /// A guard did not hold.
    GuardFailed = "admit.conflict",
    /// The clock went back, the time of recording did not.
    ClockHeldBack = "admit.clock_held_back",

    /// A deal crossed its cap.
    CapCrossed = "cap.crossed",
    /// A deal hit its cap to the minor unit.
    CapHitExactly = "cap.hit_exactly",
    /// A deal went over its cap as a whole.
    CapOvershot = "cap.overshot",
    /// A deal had no room to begin with.
    CappedFromTheStart = "cap.capped_from_the_start",
    /// More was contributed than the limit.
    ContributedAboveLimit = "cap.contributed_above_limit",
    /// A reversal gave room back.
    RoomGivenBack = "cap.room_given_back",
    /// A deal contributed to a cap year that is over.
    ClosedCapYear = "cap.closed_year",

    /// A deal of two sides was completed.
    DualAgency = "deal.dual_agency",
    /// A payee owes what a deal charged.
    ReceivableBooked = "deal.receivable_booked",
    /// A deal was taken back of which a payee owed something.
    ReceivableTakenBack = "deal.receivable_taken_back",

    /// Nobody had a claim on a sale.
    SaleUnattributed = "sale.unattributed",
    /// A touch came after its sale was credited.
    LateTouch = "sale.late_touch",
    /// A touch was told otherwise under the same name.
    TouchTaken = "sale.touch_taken",
    /// A payment was told otherwise under the same name.
    PaymentTaken = "sale.payment_taken",
    /// A payment released something.
    Released = "sale.released",
    /// A sale met a spend limit that something counted to.
    SpendMet = "sale.spend_met",
    /// A reversal gave back to a spend limit.
    SpendGivenBack = "sale.spend_given_back",
    /// A payee had earned on the customer before.
    EarnedBefore = "sale.earned_before",
    /// A payee earns on a customer no more.
    CustomerForgotten = "sale.customer_forgotten",
    /// An entry stayed when its sale was credited anew.
    EntryKept = "sale.entry_kept",
    /// An entry was taken back when its sale was credited anew.
    EntrySuperseded = "sale.entry_superseded",
    /// Crediting a sale anew knew nothing new.
    NothingNew = "sale.nothing_new",

    /// A plan would have paid somebody who is not enrolled.
    StrangerNamed = "plan.stranger_named",
    /// A plan would have said of a pool what others do not.
    PoolsDiffer = "plan.pools_differ",

    /// Plans of one deal said different things of what they share.
    PlansDisagree = "waterfall.plans_disagree",
    /// More was to come off the top than there was.
    ExceedsCommission = "waterfall.exceeds_commission",
    /// Fees were larger than the share.
    DeficitRefused = "waterfall.deficit_refused",
    /// A referral-in was shared by the payees.
    ReferralInShared = "waterfall.referral_in_shared",
    /// A part lay in several tiers.
    TierCrossed = "waterfall.tier_crossed",
    /// More was accrued than a year is worth at the rate it came to.
    TrueUpBelowZero = "waterfall.true_up_below_zero",
    /// A payee had the minimum.
    MinimumPaid = "waterfall.minimum_paid",
    /// The company had less than nothing of a part.
    NegativeCompanyDollar = "waterfall.negative_company_dollar",
    /// A part of a tiered plan crossed the cap.
    CapCrossedOnTiers = "waterfall.cap_crossed_on_tiers",
    /// Several payees wanted more than a pool had room for.
    PoolSharedOut = "waterfall.pool_shared_out",
    /// Only a part of a limit was in force.
    Prorated = "waterfall.prorated",
    /// A fee filled its sub-cap.
    SubCapFilled = "waterfall.sub_cap_filled",
    /// A sub-cap had no room to begin with.
    SubCapUsedUp = "waterfall.sub_cap_used_up",
    /// A fee was due on the second side and had been charged on the first.
    FeeChargedBefore = "waterfall.fee_charged_before",
    /// The deal that crossed the cap paid the fee for deals after it.
    FeeOnCrossing = "waterfall.fee_on_crossing",
    /// A royalty on the gross commission filled its cap.
    RoyaltyCapped = "waterfall.royalty_capped",
    /// A plan names the payee for an override of its own part.
    OverrideToSelf = "waterfall.override_to_self",

    /// What was attained elsewhere was taken over.
    AttainmentOpened = "attainment.opened",
    /// A reversal took back what was attained.
    AttainmentGivenBack = "attainment.given_back",

    /// A paid deal was taken back.
    ClawbackBooked = "account.clawback_booked",
    /// A reversal met a claimed entry.
    ReversalWhileClaimed = "account.reversal_while_claimed",
    /// A payout gave its entries back.
    EntriesReleased = "account.entries_released",

    /// A payout was retried after a failure.
    RetriedAfterFailure = "payout.retried_after_failure",
    /// A late payment was reported.
    LatePaymentReported = "payout.late_payment_reported",
    /// A late payment was accepted.
    LatePaymentAccepted = "payout.late_payment_accepted",
    /// A late payment was dismissed.
    LatePaymentDismissed = "payout.late_payment_dismissed",
    /// A retry or a voiding met an open late payment.
    LatePaymentOpen = "payout.late_payment_open",
    /// A settlement was known already.
    SettledAgain = "payout.settled_again",
    /// Somebody tried to decide on what he made or is paid.
    FourEyes = "payout.four_eyes",
    /// A bulk approval left payouts out.
    BulkPartial = "payout.bulk_partial",
    /// An atomic bulk approval was refused for one of its payouts.
    BulkRefused = "payout.bulk_refused",
    /// What was payable was not above zero.
    NotPositive = "payout.not_positive",
    /// A payment reference was taken by another payout.
    ReferenceTaken = "payout.reference_taken",

    /// A checkpoint was of another history.
    OtherHistory = "replay.other_history",
    /// An event was delivered to a projection again.
    Redelivered = "replay.redelivered",
}

thread_local! {
    static HITS: [Cell<u64>; ALL.len()] = const { [const { Cell::new(0) }; ALL.len()] };
}

/// Counts a mark.
pub fn hit(mark: Mark) {
    HITS.with(|hits| {
        if let Some(hits) = hits.get(mark as usize) {
            hits.set(hits.get().saturating_add(1));
        }
    });
}

/// How often each mark was hit on this thread since the last [`reset`]; what was never hit is not there.
#[must_use]
pub fn hits() -> BTreeMap<&'static str, u64> {
    let all = |hits: &[Cell<u64>; ALL.len()]| {
        ALL.iter().copied().zip(hits.iter().map(Cell::get)).filter(|(_, hits)| *hits > 0).collect()
    };
    HITS.with(all)
}

/// Forgets the hits of this thread.
pub fn reset() {
    HITS.with(|hits| hits.iter().for_each(|hits| hits.set(0)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn marks_are_counted_by_names_of_their_own_until_they_are_reset() {
        assert_eq!(ALL.iter().collect::<BTreeSet<_>>().len(), ALL.len());
        reset();
        mark!(CapCrossed);
        mark!(OtherHistory, 1 + 1 == 2);
        mark!(OtherHistory);
        mark!(Busy, 1 + 1 == 3);
        assert_eq!(hits(), BTreeMap::from([("cap.crossed", 1), ("replay.other_history", 2)]));
        reset();
        assert!(hits().is_empty());
    }
}
