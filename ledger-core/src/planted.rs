//! Bugs that are planted on purpose, to measure whether the tests find them. Compiled with `--cfg ledger_planted` only.
//!
//! One is active at a time, and only on the thread that planted it: [`plant`] it, run, take it out again. A thread begins with
//! the bug that the environment variable `LEDGER_PLANTED` names, so that tests which know nothing of this can be run against it.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Date;
use crate::account::Status;
use crate::deal::{Completion, Earned, sale};
use crate::event::Event;
use crate::id::EntryId;
use crate::payout;
use crate::projection::caps::Progress;
use crate::projection::sum::Sum;
use crate::rates;
use crate::slice::Slice;
use crate::store::{Append, Outcome};
use crate::stream::{StreamId, StreamName};
use crate::waterfall::Sharer;

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident = $name:literal,)+) => {
        /// What a programmer got wrong, and what it takes for that to show.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &'static [Self] = &[$(Self::$bug),+];

            /// Its name, such as `cap.fee-to-each`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }

            /// What went wrong, and what it takes for that to show.
            #[must_use]
            pub const fn story(self) -> &'static str {
                match self {
                    $(Self::$bug => concat!($($doc),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

bugs! {
    /// The alarm itself: every payee gets one minor unit less than the deal gives. Shows in every deal.
    Canary = "canary",

    /// An exact half goes to the even neighbour under every plan. Shows at half a cent above an even number.
    HalfEven = "money.half-even",
    /// An exact half goes up, as in JavaScript. Shows at minus half a cent: a price below zero is a commission of zero.
    HalfUp = "money.half-up",
    /// A rate is kept in hundredths of a percent. Shows in a rate with a fifth decimal.
    BasisPoints = "money.basis-points",
    /// What is left goes to the largest parts, not to the largest remainders. Shows in uneven weights such as 50/30/20.
    RemainderToLargest = "money.remainder-to-largest",
    /// Among equal remainders the last listed comes first. Shows when a cent is left between equal payees.
    TieToLast = "money.tie-to-last",
    /// Every currency is read with two decimals. Shows in an amount of JPY or KWD.
    TwoDecimals = "money.two-decimals",
    /// A result that does not fit becomes the largest amount there is. Shows when a rate above 1 or a sum goes over it.
    OverflowSaturates = "money.overflow-saturates",
    /// The day is that of UTC, not of the ledger's zone. Shows between midnight there and midnight here.
    UtcDay = "money.utc-day",
    /// February 29 becomes March 1 whatever the plan says. Shows for who joined on one, on February 28 of a common year.
    LeapDayOnMarch1 = "money.leap-day-on-march-1",
    /// The day after a cap year still counts in it. Shows in a deal on the first day of a cap year.
    CapYearEndInclusive = "money.cap-year-end-inclusive",

    /// An opening balance takes no room. Shows in the first deal after one.
    OpeningNotCounted = "cap.opening-not-counted",
    /// A reversal gives no room back. Shows in the next deal of the cap year, if it meets the cap.
    RoomNotGivenBack = "cap.room-not-given-back",
    /// The company's share beyond the cap counts to the cap. Shows when a plan has one and a deal crosses.
    PostCapShareCounts = "cap.post-cap-share-counts",
    /// An exact hit is taken for a crossing. Shows in a plan whose crossing deals pay the fee.
    ExactHitCrosses = "cap.exact-hit-crosses",
    /// The two policies for the crossing deal are mixed up. Shows in the deal that crosses.
    CrossingInverted = "cap.crossing-inverted",
    /// A cap is reached only above its limit. Shows when the limit is hit to the cent, as every split crossing does.
    ReachedOnlyAbove = "cap.reached-only-above",
    /// The room is below zero when more was contributed than the limit. Shows after a whole-deal crossing or a lower limit.
    NegativeRoom = "cap.negative-room",
    /// Each payee pays the whole fee of a deal. Shows in a capped deal of two payees.
    FeeToEach = "cap.fee-to-each",
    /// What is beyond the cap is the base less the company dollar. Shows in a crossing under a plan with a post-cap share.
    BeyondOfRest = "cap.beyond-of-rest",
    /// A reversal moves the cap year of today. Shows when a deal of an earlier cap year is reversed.
    ReversalInCurrentYear = "cap.reversal-in-current-year",

    /// A percentage off the top is of the whole commission. Shows in the second item that is taken off.
    OffTopOfWhole = "waterfall.off-top-of-whole",
    /// What comes off the top is taken as the deal lists it. Shows when the plan's order is another.
    OrderIgnored = "waterfall.order-ignored",
    /// A concession takes more than there is. Shows when it does.
    OffTopUnbounded = "waterfall.off-top-unbounded",
    /// Fees larger than the share are charged, whatever the plan says of a deficit. Shows in a small deal.
    DeficitUnseen = "waterfall.deficit-unseen",
    /// A fee after the cap is a rate of the whole part. Shows in the deal that crosses.
    FeeOfWholePart = "waterfall.fee-of-whole-part",
    /// A fee per deal is charged on every side. Shows when a payee is on both.
    FeeEachSide = "waterfall.fee-each-side",
    /// What a payee may pay a fee for is not limited by the sub-cap's room. Shows in the deal that reaches it.
    SubCapOverrun = "waterfall.sub-cap-overrun",
    /// What replaces a fee counts to its sub-cap. Shows once the sub-cap is reached.
    ThenCounts = "waterfall.then-counts",
    /// Whether a sub-cap is used up is asked anew on each side. Shows when the first side uses it up.
    SubCapEachSide = "waterfall.sub-cap-each-side",
    /// A royalty on the gross commission has no cap. Shows once it is reached.
    RoyaltyUncapped = "waterfall.royalty-uncapped",
    /// A bonus is paid whenever the threshold is behind. Shows in the deal after the one that reached it.
    BonusAgain = "waterfall.bonus-again",
    /// What was attained says alone whether a threshold was met before. Shows when it is met again after a reversal.
    BonusAfterReversal = "waterfall.bonus-after-reversal",
    /// A threshold is reached only above it. Shows when it is hit to the unit.
    ThresholdOnlyAbove = "waterfall.threshold-only-above",
    /// A payee has an override of its own part. Shows when the plan names it.
    OverrideToSelf = "waterfall.override-to-self",
    /// The mentor's part goes to the company. Shows in every deal of a mentee.
    MentorForgotten = "waterfall.mentor-forgotten",
    /// A referral-in is the company's whatever the plan says. Shows when the plan shares it.
    ReferralInKept = "waterfall.referral-in-kept",

    /// A part is at the rate of the tier that it ends in. Shows when it crosses a tier.
    WholePartAtLastTier = "tiers.whole-part-at-last",
    /// A tier begins above its threshold. Shows when a retroactive plan hits it to the unit.
    TierOnlyAbove = "tiers.only-above",
    /// Tiers of a deal go on from the deals before. Shows in the second deal of the year.
    TiersPerYear = "tiers.per-year",
    /// What was accrued is paid again. Shows in the second deal under a retroactive plan.
    AccruedAgain = "tiers.accrued-again",
    /// The minimum is paid of nothing. Shows in a deal of which nothing is left.
    MinimumOfNothing = "tiers.minimum-of-nothing",
    /// The minimum does not move where the cap is crossed. Shows when both meet in one deal.
    CrossingWithoutMinimum = "tiers.crossing-without-minimum",

    /// Each payee of a pool has its whole room. Shows when two of them reach it in one deal.
    PoolRoomToEach = "pool.room-to-each",
    /// What a pool's payees contribute is on accounts of their own. Shows in every deal under the pool.
    PoolOfEach = "pool.of-each",
    /// A reversal gives a pool no room back. Shows in the next deal that meets it.
    PoolRoomKept = "pool.room-kept",
    /// Plans that say different things of a pool share it. Shows when the second is published.
    PoolsDisagree = "pool.disagree",
    /// Half a limit is the whole one. Shows in a plan with a portion.
    PortionForgotten = "pool.portion-forgotten",
    /// Who joined within the year has the whole limit. Shows under a plan that prorates it.
    NotProrated = "pool.not-prorated",

    /// The second side sees what the first one saw. Shows when both count to one attainment.
    SidesBlind = "attainment.sides-blind",
    /// An opening counts nothing. Shows in the first deal after one.
    AttainmentNotOpened = "attainment.not-opened",
    /// A reversal takes nothing back of an attainment. Shows in the next deal of the year.
    AttainmentKept = "attainment.kept",
    /// Every deal is one unit. Shows in a deal of none or of several.
    OneUnit = "attainment.one-unit",
    /// What the company has beyond the cap is counted, too. Shows in a deal after the cap.
    BeyondAttained = "attainment.beyond-attained",
    /// An attainment is opened as often as somebody asks. Shows the second time.
    OpenedTwice = "attainment.opened-twice",

    /// Only who shares a deal has an entry. Shows when somebody else is paid of it.
    OnlySharersBooked = "account.only-sharers-booked",
    /// The receivable of a deal outlives it. Shows when a deal with one is reversed.
    ReceivableLeft = "account.receivable-left",
    /// A plan pays somebody unknown. Shows when it names a payee who is not enrolled.
    StrangerPaid = "account.stranger-paid",

    /// The reversal of a paid deal takes nothing back. Shows when a deal is reversed after its payout was paid.
    ClawbackNotBooked = "account.clawback-not-booked",
    /// Released entries are not payable again. Shows in the payout after one that was rejected or voided.
    ReleasedLost = "account.released-lost",
    /// A claimed entry stays payable. Shows in a second payout while the first is not settled: it is paid twice.
    ClaimedTwice = "account.claimed-twice",
    /// `through` leaves out what is owed, too. Shows when a clawback is of a day after it.
    ClawbackAfterThrough = "account.clawback-after-through",
    /// A deal may be reversed while a payout has claimed its entry. Shows between the payout's creation and its end.
    ReversalWhileClaimed = "account.reversal-while-claimed",
    /// A payee may be named twice in a deal. Shows when one is: both lines see the same room under the cap.
    NamedTwice = "account.named-twice",
    /// A deal that is completed is effective today, not on its day. Shows when it is completed on another day.
    EffectiveToday = "account.effective-today",
    /// All clawbacks of a reversal have one identifier. Shows when a paid deal of two payees is reversed.
    ClawbacksShareId = "account.clawbacks-share-id",
    /// Who was credited first stays credited. Shows when an open deal is attributed anew and then completed.
    FirstAttributionStays = "account.first-attribution-stays",

    /// A payment is calculated on all touches, also those that came after the sale was credited. Shows when one did.
    LateTouchCounts = "sale.late-touch-counts",
    /// A touch told otherwise under the same name is taken in. Shows when one is.
    TouchToldOtherwise = "sale.touch-told-otherwise",
    /// A payment that is told again counts again. Shows when one is, under another key.
    PaymentTwice = "sale.payment-twice",
    /// What a payee is today decides. Shows when it is something else on the day of the sale.
    ParticularsOfToday = "sale.particulars-of-today",
    /// The newest rate plan is used when a sale is credited anew. Shows when there is a newer one and nobody named it.
    NewestRates = "sale.newest-rates",
    /// A sale stands in the way of itself under a spend limit. Shows when it is credited anew near the limit.
    OwnSpendCounts = "sale.own-spend-counts",
    /// A reversal gives nothing back to a spend limit. Shows in the next sale of the month, if it meets the limit.
    SpendKept = "sale.spend-kept",
    /// A reversed sale stays the first one of its customer. Shows in the next sale under a rate plan that ends.
    CustomerKept = "sale.customer-kept",
    /// A sale is an earlier one to itself. Shows when it is credited anew under a rate plan that pays the first one only.
    FirstOfItself = "sale.first-of-itself",
    /// What a sale no longer comes to stays payable. Shows when it is credited anew and comes to something else.
    ResultsCoexist = "sale.results-coexist",
    /// What stays the same is taken back and booked again. Shows when a sale is credited anew and a part of it is the same.
    AllRenewed = "sale.all-renewed",
    /// What payments released outlives a sale. Shows when one with payments is reversed.
    ReleasedOutlives = "sale.released-outlives",
    /// The cutoff is forgotten. Shows when a touch is after it.
    CutoffForgotten = "sale.cutoff-forgotten",

    /// A payee who signs on in other letter case may approve his own payout. Shows for `Kim`, paid as `kim`.
    PayeeByCase = "payout.payee-by-case",
    /// The maker of a payout may approve it. Shows when he tries.
    MakerApproves = "payout.maker-approves",
    /// News that an older attempt failed fails the open one. Shows when it comes late, after a retry.
    OlderAttemptFails = "payout.older-attempt-fails",
    /// A late payment by an older attempt settles the payout while a newer one is open. Shows when it comes after a retry.
    OlderAttemptSettles = "payout.older-attempt-settles",
    /// Any amount settles a payout. Shows when the rail paid another one.
    OtherAmountSettles = "payout.other-amount-settles",
    /// A payout is retried while a late payment is open. Shows between the news and its resolution: it is paid twice.
    RetryWithLateNews = "payout.retry-with-late-news",
    /// A payout may be voided while the rail has it. Shows between start and settlement.
    VoidFromProcessing = "payout.void-from-processing",
    /// A payment reference is another one in other letter case. Shows when `CHK-1` and `chk-1` are recorded.
    ReferenceByCase = "payout.reference-by-case",
    /// The adjustment of a manual payout outlives it. Shows in the payout after one that was rejected or voided.
    AdjustmentLeft = "payout.adjustment-left",
    /// A payout may be over nothing. Shows when clawbacks are exactly what was earned.
    ZeroPayout = "payout.zero-payout",
    /// A payout does not know which attempt paid it. Shows when a settlement is delivered again under another key.
    PaidByForgotten = "payout.paid-by-forgotten",
    /// A bulk approval approves a payout as often as it names it. Shows when it names one twice.
    BulkTwice = "payout.bulk-twice",

    /// A key is looked up without its hash. Shows when it is used again for a request that is refused, or previewed.
    KeyWithoutHash = "engine.key-without-hash",
    /// The receipt of what was stored before is made of the new decision. Shows when a bulk approval is sent again.
    ReceiptRebuilt = "engine.receipt-rebuilt",
    /// A rejection from the cache is not confirmed. Shows when another writer has changed what it rests on.
    RejectionNotConfirmed = "engine.rejection-not-confirmed",
    /// A request is refused before its key is looked up. Shows when one that was stored is sent again.
    RejectedBeforeKey = "engine.rejected-before-key",
    /// Streams that were empty are not confirmed. Shows when what a request did not find was made by another writer.
    EmptyNotConfirmed = "engine.empty-not-confirmed",
    /// A lost answer is forgotten. Shows when the store goes away after it: "nothing happened", but it was stored.
    DoubtForgotten = "engine.doubt-forgotten",
    /// That a request is stored already is forgotten. Shows when its receipt then cannot be read: "nothing happened", but it was.
    StoredForgotten = "engine.stored-forgotten",
    /// A conflict drops only the written streams from the cache. Shows when another writer changed one that is only read.
    OnlyWrittenForgotten = "engine.only-written-forgotten",
    /// Streams that are only read are not guarded. Shows when another writer changes settings, payee or plan in between.
    OnlyWrittenGuarded = "engine.only-written-guarded",
    /// Only the first page of the streams is loaded. Shows when they have more events than a page.
    FirstPageOnly = "engine.first-page-only",
    /// The first receipt tells the time of asking, not that of recording. Shows when it is compared with a later one.
    ReceiptTimeOfRequest = "engine.receipt-time-of-request",
    /// Outside any queue, a refusal does not look whether the key is known. Shows when a request is sent again that cannot be done
    /// twice.
    DirectWithoutKey = "engine.direct-without-key",
    /// A refusal does not wait for earlier requests that are decided again. Shows when an earlier one would have allowed it.
    LaterNotWaiting = "engine.later-not-waiting",

    /// A page of streams that one row was left out of says that there is no more. Shows at one row more than a page.
    MoreMissing = "store.more-missing",
    /// A request that is larger than a page ends the log. Shows in a replay or verification with small pages.
    LargeRequestStops = "store.large-request-stops",
    /// Streams are read as of the head, whatever sequence is asked for. Shows when something is stored between two pages.
    AtIgnored = "store.at-ignored",
    /// A request is recorded when the clock says. Shows when the clock goes back.
    RecordedAtBack = "store.recorded-at-back",
    /// The head does not keep the time of recording. Shows when the ledger is verified, and when the clock goes back.
    HeadTimeStays = "store.head-time-stays",
    /// A link is computed without the one before it. Shows when the ledger is verified or replayed.
    LinkWithoutPrevious = "store.link-without-previous",
    /// Guards compare versions, not digests. Shows when a group rests on events that lost against another writer's.
    GuardByVersion = "store.guard-by-version",
    /// A key is not remembered within its group. Shows when a bulk approval is delivered twice at once.
    KeyTwiceInGroup = "store.key-twice-in-group",
    /// Only the first guard is looked at. Shows when two writers meet on any stream but the settings.
    FirstGuardOnly = "store.first-guard-only",
    /// A guard on an empty stream always holds. Shows when two writers create the same thing at once.
    EmptyGuardHolds = "store.empty-guard-holds",

    /// Any bytes that mean an event are accepted. Shows when a payload and all that rests on it is rewritten with blanks.
    AnyFormVerifies = "codec.any-form-verifies",
    /// What stands behind a payload is not looked at. Shows when the engine reads a row that was damaged there.
    TrailingBytes = "codec.trailing-bytes",
    /// Absent notes are written as null. Shows in the stored bytes of a payout without notes.
    AbsentIsNull = "codec.absent-is-null",
    /// The digest leaves out who asked. Shows when the actor of a request is altered.
    DigestWithoutActor = "codec.digest-without-actor",
    /// The digest leaves out the effective date. Shows when that of an event is altered.
    DigestWithoutEffective = "codec.digest-without-effective",
    /// The link leaves out the time of recording. Shows when that of a request is altered.
    LinkWithoutTime = "codec.link-without-time",
    /// The request hash leaves out who asks. Shows when another actor sends the same command under the same key.
    HashWithoutActor = "codec.hash-without-actor",
    /// The link of the last request is not verified. Shows when its time or link is altered together with the head.
    LastLinkUnverified = "codec.last-link-unverified",
    /// The stream of an event is not verified. Shows when one is moved to another stream and everything after is rewritten.
    HomeUnverified = "codec.home-unverified",
    /// Digests are not recomputed when rows are read. Shows when a damaged row is replayed or is in a receipt.
    DigestUnread = "codec.digest-unread",
    /// A log that ends before the head kept elsewhere is accepted. Shows when the ledger is rolled back.
    RollbackUnseen = "codec.rollback-unseen",

    /// The register keeps a payout's first attempt. Shows when it is retried.
    FirstAttemptStays = "projection.first-attempt-stays",
    /// The statistics take a failed payout for ended. Shows when it is retried or voided.
    FailedIsFinal = "projection.failed-is-final",
    /// An opening balance counts twice. Shows in the cap progress after one.
    OpeningTwice = "projection.opening-twice",
    /// A clawback is negative earnings. Shows in the summary after one.
    ClawbackIsEarned = "projection.clawback-is-earned",
    /// An event that is delivered again is folded again. Shows when a reader overlaps with what was folded.
    RedeliveredFolded = "projection.redelivered-folded",
    /// Cap progress ignores reversals. Shows after the first one.
    ReversalIgnored = "projection.reversal-ignored",
    /// Tables are written in the order of their hashes. Shows in a fingerprint, or when a checkpoint is read back.
    Unordered = "projection.unordered",
    /// A clawback that a voided payout had claimed is never recovered. Shows when the next payout is paid.
    ClawbackLostOnRelease = "projection.clawback-lost-on-release",
    /// A cap counts as reached only above its limit. Shows in the cap progress at the limit.
    CappedOnlyAbove = "projection.capped-only-above",
    /// A stream is folded over a missing version. Shows when the store leaves out a row.
    GapFolded = "projection.gap-folded",
}

impl Bug {
    /// Where it is: what stands before the point of its name.
    #[must_use]
    pub fn category(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No bug has that name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is the name of no planted bug")]
pub struct UnknownBug(String);

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name).ok_or_else(|| UnknownBug(name.into()))
    }
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = Cell::new(from_environment());
}

#[expect(clippy::disallowed_methods, reason = "tests that know nothing of this take no arguments for it")]
#[expect(clippy::panic, reason = "an experiment without its bug would prove nothing")]
fn from_environment() -> Option<Bug> {
    let name = std::env::var("LEDGER_PLANTED").ok().filter(|name| !name.is_empty())?;
    Some(name.parse().unwrap_or_else(|error| panic!("LEDGER_PLANTED: {error}")))
}

/// Plants a bug on this thread, in place of the one that was there; `None` takes it out.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted on this thread.
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

// What is too long for the line that it spoils.

pub(crate) fn in_year_of(day: Date, completion: &Completion) -> Box<Completion> {
    let mut completion = Box::new(completion.clone());
    for year in completion.caps.iter_mut().map(|cap| &mut cap.account.year) {
        while year.end <= day {
            let next = year.end.checked_add_months(chrono::Months::new(12));
            (year.start, year.end) = (year.end, next.unwrap_or(Date::MAX));
        }
    }
    completion
}

pub(crate) fn of_sharers(mut entries: Vec<Earned>, sharers: &[&Sharer]) -> Vec<Earned> {
    entries.retain(|earned| sharers.iter().any(|sharer| sharer.payee == earned.payee));
    entries
}

pub(crate) fn all_renewed(
    entries: &[sale::Earned],
    live: &[sale::Earned],
) -> (Vec<Option<EntryId>>, Vec<(u32, sale::Earned)>) {
    (vec![None; entries.len()], (0..).zip(live.iter().cloned()).collect())
}

pub(crate) fn newest(slice: &Slice, rates: Option<rates::Chosen>) -> Option<rates::Chosen> {
    let mut rates = rates?;
    rates.version = slice.rates(&rates.rates).map_or(rates.version, crate::published::Published::last);
    Some(rates)
}

pub(crate) fn paid_if_claimed(status: Status) -> Status {
    if let Status::Claimed(payout) = status { Status::Paid(payout) } else { status }
}

pub(crate) fn failed_or(status: payout::Status, other: payout::Status) -> payout::Status {
    if status == other { other } else { payout::Status::Failed }
}

pub(crate) fn is_above(cap: &Progress) -> bool {
    cap.contributed > Sum::from(cap.limit) || cap.limit.is_zero()
}

pub(crate) fn with_nulls(event: &Event, payload: &[u8]) -> Vec<u8> {
    match (event, payload.strip_suffix(b"}")) {
        (Event::Payout(payout::Event::Created { notes: None, .. }), Some(rest)) => [rest, b",\"notes\":null}"].concat(),
        _ => payload.to_vec(),
    }
}

pub(crate) fn appended(outcome: Outcome) -> Outcome {
    if let Outcome::AlreadyAppended(row) = outcome { Outcome::Appended(row) } else { outcome }
}

pub(crate) fn written<S, T>(streams: Vec<(StreamId, S, S)>, events: &[(StreamName, u64, T)]) -> Vec<(StreamId, S, S)> {
    streams.into_iter().filter(|(stream, ..)| events.iter().any(|(name, ..)| *name == stream.name())).collect()
}

pub(crate) fn without_readers(mut append: Append) -> Append {
    let events = &append.events;
    append.guards.retain(|guard| events.iter().any(|event| event.stream == guard.stream));
    append
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_that_is_read_back() {
        let names: BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        assert_eq!(names.len(), Bug::ALL.len());
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(*bug));
            assert!(bug.story().contains(" Shows "), "{bug}");
        }
        assert!("money.half".parse::<Bug>().is_err());
    }

    #[test]
    fn every_category_has_several_bugs() {
        let mut categories = BTreeMap::new();
        for bug in Bug::ALL.iter().filter(|bug| **bug != Bug::Canary) {
            *categories.entry(bug.category()).or_insert(0) += 1;
        }
        let names: Vec<_> = categories.keys().copied().collect();
        let categories_of =
            "account attainment cap codec engine money payout pool projection sale store tiers waterfall";
        assert_eq!(names, categories_of.split(' ').collect::<Vec<_>>());
        assert!(categories.values().all(|bugs| *bugs >= 4), "{categories:?}");
    }

    #[test]
    fn a_bug_is_planted_on_one_thread_until_it_is_taken_out() {
        plant(Some(Bug::Canary));
        assert!(is(Bug::Canary) && !is(Bug::HalfEven));
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| PLANTED.get()).join().unwrap());
        assert_eq!(elsewhere, from_environment());
        plant(None);
        assert!(!is(Bug::Canary));
    }
}
