//! Checks the laws that every log obeys, whoever wrote it: nothing is paid twice, nothing is paid unapproved, nothing is lost
//! between a deal and the bank, and no cap is overrun.
//!
//! Decisions guarantee these laws when they are made. This reader trusts no decision: it keeps its own small account of entries,
//! payouts, caps and plans, and names every event that breaks a law, with the field that is wrong where it can tell.

mod caps;
mod day;
mod deals;
mod entries;
mod known;
mod payouts;
mod sales;
mod totals;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use day::Day;
use deals::Completed;
use entries::{Claim, Entry, Place};
use known::Met;
use payouts::Payout;
use sales::Sold;

use super::due::{self, Posted, differing_events, key, law, pairs};
use super::{Against, Class, Difference, Report};
use crate::account::{self, Source};
use crate::calendar::CapYear;
use crate::chain::Digest;
use crate::event::Event;
use crate::id::{CapProgramme, CustomerId, DealId, EntryId, LedgerName, PayeeId, PayoutId, PoolId, Text};
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::projection::journal::{self, each_posting};
use crate::projection::plans::Documents;
use crate::projection::replay::{Progress, ReplayError, each_event};
use crate::projection::sum::Sum;
use crate::projection::terms::Terms;
use crate::projection::{All, Projection};
use crate::recorded::Recorded;
use crate::store::Store;
use crate::stream::StreamId;
use crate::waterfall::{Account, Attained, BonusState, Owner, PoolTerms};
use crate::{Date, cap, model, plan, rates, spend};

macro_rules! laws {
    ($($(#[doc = $doc:literal])+ $law:ident => $name:literal,)+) => {
        /// What holds of every log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Law {
            $($(#[doc = $doc])+ $law,)+
        }

        impl Law {
            /// Every law.
            pub const ALL: &'static [Self] = &[$(Self::$law),+];

            /// The law's name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$law => $name,)+
                }
            }
        }
    };
}

laws! {
    /// The debits of every event equal its credits.
    DebitsEqualCredits => "debits_equal_credits",
    /// Nothing is left on a clearing account at the end of a request, unless the deal is told to be wrong that leaves it there.
    ClearingIsZero => "clearing_is_zero",
    /// All balances together are zero.
    TrialBalanceIsZero => "trial_balance_is_zero",
    /// The lines of a side sum to its commission and its referral-in, and the sides to the deal.
    PartsAreTheWhole => "parts_are_the_whole",
    /// What a payee has of a deal is the sum of its lines; that, and nothing else, is booked with the deal, for its day.
    EarnedIsBooked => "earned_is_booked",
    /// What is registered of a deal's commission comes to its commission.
    CommissionIsItsBasis => "commission_is_its_basis",
    /// What payees are credited with is the deal's commission, shared out as its attribution says.
    CreditsAreTheAllocation => "credits_are_the_allocation",
    /// A version of a plan, model or rate plan is what its hash says.
    PlanIsItsHash => "plan_is_its_hash",
    /// Every plan that names a pool says of it what the first one did.
    PoolKeepsItsTerms => "pool_keeps_its_terms",
    /// A deal is calculated under the plan that each of its sharers is assigned to on its day, in order, and under no other.
    PlansAreInForce => "plans_are_in_force",
    /// An entry is booked once.
    EntryIsBookedOnce => "entry_is_booked_once",
    /// Only a payable entry is claimed or reversed, so that it is in one payout and paid once.
    EntryIsPayable => "entry_is_payable",
    /// Entries and the event that moves them are of one payee and currency, and sum to its amount.
    EntriesSumToAmount => "entries_sum_to_amount",
    /// A reversed deal leaves nothing: each of its entries is reversed, or clawed back if it was paid. Nor does a rejected or
    /// voided payout leave the adjustment that was booked for it.
    ReversalIsExact => "reversal_is_exact",
    /// A payout is over what it has claimed, and that is above zero.
    PayoutIsItsEntries => "payout_is_its_entries",
    /// A payout goes its way and no other.
    PayoutGoesItsWay => "payout_goes_its_way",
    /// Whoever approves or rejects a payout neither made it nor is paid by it.
    FourEyes => "four_eyes",
    /// A payout is approved and paid over its amount.
    AmountIsKept => "amount_is_kept",
    /// Attempts are counted from one without gaps, and news is of the open one.
    AttemptsAreCounted => "attempts_are_counted",
    /// Late news of a payment is of an attempt that failed, and until it is resolved the payout is neither retried nor voided.
    LatePaymentIsResolved => "late_payment_is_resolved",
    /// A sale is credited on what is known: the versions that were chosen, its day, what its payees are on it, and their customers.
    SaleIsOnWhatIsKnown => "sale_is_on_what_is_known",
    /// A sale goes its way and no other. No touch and no payment of it is there twice.
    SaleGoesItsWay => "sale_goes_its_way",
    /// What a deal finds on its caps, attainments and spend limits is what was left there.
    BeforeIsWhatWas => "before_is_what_was",
    /// A contribution never exceeds the room, but for a deal that crosses under a whole-deal plan.
    CapHolds => "cap_holds",
    /// What a payee earns by a rate plan never exceeds the limit that was in force when it was earned.
    SpendLimitHolds => "spend_limit_holds",
    /// The years of a payee or pool under one programme do not overlap, so that every day is in one of them.
    CapYearsDoNotOverlap => "cap_years_do_not_overlap",
    /// What a deal counts to its caps, attainments and spend limits, and nothing else, is posted with it.
    ContributionIsPosted => "contribution_is_posted",
    /// Who earns on a sale is said to its customer with it, and nothing else is.
    CustomerIsTold => "customer_is_told",
    /// That a cap is reached is said with the deal that reaches it, and with no other.
    CapIsReached => "cap_is_reached",
    /// What is contributed is never below zero.
    ContributedIsNotNegative => "contributed_is_not_negative",
    /// What a request holds is of one day: that of the sale that it credits, or of the payment that it takes in.
    RequestIsOfOneDay => "request_is_of_one_day",
    /// A deal that is calculated again, from what is stored, comes to what is stored.
    CalcDivergence => "calc_divergence",
    /// The counts and sums of payouts by status are those of all payouts.
    StatusesSumToAll => "statuses_sum_to_all",
    /// The reports agree on what is payable, claimed and settled.
    ReportsAgree => "reports_agree",
}

/// Checks every law over the whole log of a ledger.
///
/// # Errors
/// [`ReplayError`] when the log cannot be read.
pub async fn check(
    store: &dyn Store,
    ledger: &LedgerName,
    page: usize,
    progress: impl FnMut(Progress),
) -> Result<Report, ReplayError> {
    let mut laws = Laws::default();
    each_event(store, ledger, page, progress, |recorded| laws.apply(recorded)).await?;
    Ok(laws.finish())
}

/// Checks the laws event by event. Every entry and payout that ever was is remembered, so that nothing can come twice.
///
/// What a deal posts is compared with what it must post, and what follows with the latter, so that one wrong field is one
/// difference.
#[derive(Debug, Clone, Default)]
pub struct Laws {
    reports: All,
    entries: FxHashMap<EntryId, Entry>,
    claims: FxHashMap<PayoutId, Claim>,
    payouts: FxHashMap<PayoutId, Payout>,
    caps: FxHashMap<Account, Sum>,
    attainments: FxHashMap<Account, Attained>,
    /// What became of the bonuses that thresholds bring.
    bonuses: FxHashMap<(Account, Text), BonusState>,
    years: FxHashMap<(CapProgramme, Owner), Vec<CapYear>>,
    pools: FxHashMap<(CapProgramme, PoolId), PoolTerms>,
    spent: FxHashMap<(spend::Account, Currency), Sum>,
    /// The spend limits in force, by the crediting that met them last.
    spend_limits: FxHashMap<(spend::Account, Currency), Sum>,
    customers: FxHashMap<(CustomerId, PayeeId), Met>,
    terms: Terms,
    documents: Documents,
    /// The versions of plans, models and rate plans that are told to be wrong. No deal is calculated on them again.
    doubted_documents: BTreeSet<(StreamId, u32)>,
    /// The deals whose terms are told to be wrong.
    doubted_deals: BTreeSet<DealId>,
    completed: FxHashMap<DealId, Completed>,
    sales: FxHashMap<DealId, Sold>,
    /// The sales of which it cannot be told who earns on them.
    untold: BTreeSet<DealId>,
    /// The day of the request.
    day: Day,
    /// What the rest of the request must hold: one of these.
    due: Vec<Vec<Event>>,
    /// What it holds of what must be due.
    posted: Vec<Posted>,
    /// The attempts whose late payment the request accepts, so that it must pay them.
    accepted: Vec<(PayoutId, u32)>,
    /// What stood on the clearing accounts at the last request's end.
    uncleared: Option<journal::Balance<'static>>,
    found: Vec<Difference>,
    /// How many of them there were before the request.
    before: usize,
    last: Option<(u64, DateTime<Utc>)>,
    /// The last sequence of the request that is not at its end yet.
    within: Option<u64>,
}

/// What is wrong. It is told of the event that is checked, unless it says of which.
struct Broken {
    law: Law,
    key: String,
    field: String,
    expected: String,
    found: String,
    at_stake: Option<Money>,
    at: Option<(u64, DateTime<Utc>)>,
}

fn broken(law: Law, key: impl ToString, expected: impl ToString, found: impl ToString) -> Broken {
    let (key, expected, found) = (key.to_string(), expected.to_string(), found.to_string());
    Broken { law, key, field: String::new(), expected, found, at_stake: None, at: None }
}

/// A field that should be something else. What is at stake is the difference, if it is an amount.
fn differs(law: Law, key: impl ToString, (field, expected, found): (String, String, String)) -> Broken {
    let amounts = Money::parse(&expected).and_then(|expected| expected.minus(Money::parse(&found)?));
    let broken = Broken { field, ..broken(law, key, expected, found) };
    amounts.into_iter().fold(broken, Broken::over)
}

impl Broken {
    fn over(self, amount: Money) -> Self {
        Self { at_stake: Some(absolute(amount)), ..self }
    }
}

impl Laws {
    /// Checks one event, in the order of the log.
    pub fn apply(&mut self, recorded: &Recorded) {
        let mut broken = Vec::new();
        let end = recorded.request.last_sequence;
        if self.within.is_some_and(|within| within != end) {
            self.end_of_request(&mut broken);
            self.tell(std::mem::take(&mut broken));
        }
        if self.within.is_none() {
            self.before = self.found.len();
        }
        self.day.apply(recorded);
        balanced(recorded, &mut broken);
        self.terms.apply(&recorded.event);
        self.documents.apply(&recorded.event);
        self.posted.extend(Posted::of(recorded));
        match &recorded.event {
            Event::Plan(plan::Event::Published { plan, version, hash, document }) => {
                self.published((StreamId::Plan(plan.clone()), *version), document.hash(), *hash, &mut broken);
                let doubted = self.doubted_documents.contains(&(StreamId::Plan(plan.clone()), *version));
                for (_, limit) in document.limits().filter(|_| !doubted) {
                    let Some((pool, terms)) = document.pool(&limit) else { continue };
                    self.pool(limit.programme, pool, &terms, &mut broken);
                }
            }
            Event::Model(model::Event::Published { model, version, hash, document }) => {
                self.published((StreamId::Model(model.clone()), *version), document.hash(), *hash, &mut broken);
            }
            Event::Rates(rates::Event::Published { rates, version, hash, document }) => {
                self.published((StreamId::Rates(rates.clone()), *version), document.hash(), *hash, &mut broken);
            }
            Event::Deal(event) => self.deal(event, recorded.effective, &mut broken),
            Event::Cap(event) => self.cap(event, &mut broken),
            Event::Attainment(event) => self.attainment(event, &mut broken),
            Event::Account(event) => self.account(event, &mut broken),
            Event::Payout(event) => self.payout(event, &mut broken),
            // What counts to spend limits and what customers are told is compared with what is due, at the request's end.
            Event::Settings(_) | Event::Payee(_) | Event::Spend(_) | Event::Customer(_) => {}
        }
        self.reports.apply(recorded);
        self.last = Some((recorded.sequence, recorded.request.recorded_at));
        self.within = Some(end);
        if recorded.sequence == end {
            self.end_of_request(&mut broken);
        }
        self.tell(broken);
    }

    /// The report, once every event was checked.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut broken = Vec::new();
        if self.within.is_some() {
            self.end_of_request(&mut broken);
        }
        self.totals(&mut broken);
        self.tell(broken);
        Report::of(self.found)
    }

    fn tell(&mut self, all: Vec<Broken>) {
        let last = self.last;
        self.found.extend(all.into_iter().map(|Broken { law, key, field, expected, found, at_stake, at }| {
            let (sequence, since) = at.or(last).unzip();
            let (against, class) = (Against::Laws, Class::Broken(law));
            Difference { against, key, field, class, ledger: found, other: expected, at_stake, sequence, since }
        }));
    }

    fn end_of_request(&mut self, out: &mut Vec<Broken>) {
        self.within = None;
        let day = self.day.end(out);
        self.settle(day, out);
        for (payout, attempt) in self.accepted.drain(..) {
            let expected = format!("attempt {attempt} is paid");
            out.push(broken(Law::LatePaymentIsResolved, payout, expected, "nothing in the same request"));
        }
        let uncleared = self.reports.journal.uncleared();
        if uncleared != self.uncleared
            && !self.is_wrong_deal(out)
            && let Some(journal::Balance { account, currency, balance }) = uncleared
        {
            let found = format!("{} {currency}", balance.show(currency));
            out.push(broken(Law::ClearingIsZero, account, "0", found));
        }
        self.uncleared = uncleared;
    }

    /// Whether what the request says of a deal is told to be wrong, so that it need not clear.
    fn is_wrong_deal(&self, out: &[Broken]) -> bool {
        let wrong = [
            Law::CalcDivergence,
            Law::SaleIsOnWhatIsKnown,
            Law::SaleGoesItsWay,
            Law::PartsAreTheWhole,
            Law::EarnedIsBooked,
            Law::ReversalIsExact,
        ];
        let told = self.found.iter().skip(self.before).map(|found| found.class);
        told.chain(out.iter().map(|broken| Class::Broken(broken.law)))
            .any(|class| wrong.iter().any(|law| class == Class::Broken(*law)))
    }

    /// Adds to what the request must hold.
    fn owe(&mut self, events: Vec<Event>) {
        if self.due.is_empty() {
            self.due.push(Vec::new());
        }
        self.due.iter_mut().for_each(|due| due.extend_from_slice(&events));
    }

    /// Adds to what the request must hold one of these: it may follow what is stored, or what should be.
    fn owe_either(&mut self, ways: Vec<Vec<Event>>) {
        if self.due.is_empty() {
            self.due = ways;
        } else {
            ways.into_iter().take(1).for_each(|due| self.owe(due));
        }
    }

    /// Compares what the request holds with what it must hold, in the way that it comes nearest to, and goes on with the latter.
    fn settle(&mut self, day: Option<Date>, out: &mut Vec<Broken>) {
        let (mut ways, mut posted) = (std::mem::take(&mut self.due), std::mem::take(&mut self.posted));
        day.into_iter().for_each(|day| ways.iter_mut().flatten().for_each(|due| due::date(due, day)));
        let untold = std::mem::take(&mut self.untold);
        posted.retain(|Posted { event, .. }| match (event, due::told_of(event)) {
            (Event::Customer(told), Some(deal)) if untold.contains(deal) => {
                self.meet(told);
                false
            }
            _ => true,
        });
        let ways = ways.iter().map(|due| pairs(due, &posted));
        let wrong = |(due, posted): &&(Option<&Event>, Option<&Posted>)| *due != posted.map(|posted| &posted.event);
        let nearest = ways.min_by_key(|pairs| pairs.iter().filter(wrong).count());
        for pair in nearest.unwrap_or_else(|| pairs(&[], &posted)) {
            let (event, told) = match pair {
                (Some(due), Some(Posted { event, .. })) if due == event => (due, None),
                (Some(due), Some(Posted { event, .. })) => {
                    let field = differing_events(due, event).unwrap_or_default();
                    (due, Some(differs(law(due), key(due), field)))
                }
                (Some(due), None) => {
                    let expected = due::amount(due).map(|amount| amount.to_string()).unwrap_or_default();
                    (due, Some(broken(law(due), key(due), expected, "nothing in the same request")))
                }
                (None, Some(Posted { event, .. })) => {
                    let found = due::amount(event).map(|amount| amount.to_string()).unwrap_or_default();
                    (event, Some(broken(law(event), key(event), "what its deal says", found)))
                }
                (None, None) => continue,
            };
            let at_stake = due::amount(event).map(absolute);
            out.extend(told.map(|told| Broken {
                at: pair.1.map(|posted| posted.at),
                at_stake: told.at_stake.or(at_stake),
                ..told
            }));
            self.post(event, pair.1.and_then(|posted| posted.books), out);
            let Some(deal) = pair.0.and_then(due::deal) else { continue };
            let completed = self.completed.get_mut(deal).map(|completed| &mut completed.posted);
            let posted = completed.or_else(|| self.sales.get_mut(deal).map(|sold| &mut sold.posted));
            posted.into_iter().for_each(|posted| posted.push(event.clone()));
        }
    }

    /// Goes on with an event that is due, `books` being the entry that the one posted for it books.
    fn post(&mut self, event: &Event, books: Option<EntryId>, out: &mut Vec<Broken>) {
        match event {
            Event::Cap(cap::Event::Contributed { account, amount, .. }) => self.contribute(account, *amount, out),
            Event::Cap(cap::Event::Reversed { account, amount, .. }) => {
                self.contribute(account, amount.negated(), out);
            }
            Event::Attainment(event) => self.count(event, out),
            Event::Spend(spend::Event::Counted { account, amount, .. }) => self.spend(account, *amount, out),
            Event::Spend(spend::Event::Reversed { account, amount, .. }) => self.spend(account, amount.negated(), out),
            Event::Customer(event) => self.meet(event),
            Event::Account(account::Event::EntryReversed { payee, entry, .. }) => {
                self.moved(payee, *entry, Place::Payable, Place::Reversed, out);
            }
            Event::Account(account::Event::EntryBooked { payee, entry, source, amount, .. }) => match (source, books) {
                (Source::Commission { .. }, _) => self.booked(payee, *entry, *amount, false, out),
                (_, Some(clawback)) => self.booked(payee, clawback, *amount, false, out),
                (_, None) => {}
            },
            _ => {}
        }
    }

    fn published(&mut self, of: (StreamId, u32), expected: Digest, hash: Digest, out: &mut Vec<Broken>) {
        if expected != hash {
            let key = format!("{} version {}", of.0, of.1);
            out.push(differs(Law::PlanIsItsHash, key, ("hash".into(), expected.to_string(), hash.to_string())));
            self.doubted_documents.insert(of);
        }
    }
}

fn absolute(amount: Money) -> Money {
    if amount.is_negative() { amount.negated() } else { amount }
}

fn balanced(recorded: &Recorded, out: &mut Vec<Broken>) {
    let mut sums = Small::<Currency, Sum>::default();
    // Which accounts they are of does not matter here.
    let sales = journal::Sales::default();
    each_posting(&recorded.event, &sales, |posting| {
        sums.update(&posting.amount.currency(), |sum| sum.add(posting.amount));
    });
    for (currency, sum) in sums.iter().filter(|(_, sum)| !sum.is_zero()) {
        let found = format!("{} {currency}", sum.show(*currency));
        out.push(broken(Law::DebitsEqualCredits, &recorded.stream, "0", found));
    }
}
