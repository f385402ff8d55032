//! Checks the laws that every log obeys, whoever wrote it: nothing is paid twice, nothing is paid unapproved, nothing is lost
//! between a deal and the bank, and no cap is overrun.
//!
//! Decisions guarantee these laws when they are made. This reader trusts no decision: it keeps its own small account of entries,
//! payouts, caps and plans, and names every event that breaks a law, with the field that is wrong where it can tell.

mod day;
mod known;
mod sales;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use day::Day;
use known::Met;
use sales::Sold;

use super::due::{self, Posted, by_completion, differing, differing_events, key, law, pairs};
use super::{Against, Class, Difference, Report};
use crate::account::{self, Because, Source};
use crate::calendar::CapYear;
use crate::chain::Digest;
use crate::deal::sale::Payment;
use crate::deal::{self, Basis, Completion, Earned, Line, PlanInForce, SideLines};
use crate::event::Event;
use crate::id::{Actor, CapProgramme, CustomerId, DealId, EntryId, LedgerName, PayeeId, PayoutId, PoolId, Text};
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::payout::{self, Resolution, Status};
use crate::projection::journal::{self, each_posting};
use crate::projection::plans::Documents;
use crate::projection::replay::{Progress, ReplayError, each_event};
use crate::projection::sum::Sum;
use crate::projection::terms::{Open, Terms};
use crate::projection::{All, Projection};
use crate::recorded::Recorded;
use crate::store::Store;
use crate::stream::StreamId;
use crate::waterfall::{
    Account, Attained, BonusState, Contribution, Crossing, Gci, Owner, Party, PoolTerms, Progress as Counted, Side,
};
use crate::{Date, attainment, cap, codec, model, plan, rates, spend};

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

#[derive(Debug, Clone)]
struct Entry {
    payee: PayeeId,
    amount: Money,
    /// Whether it is an adjustment.
    adjusts: bool,
    place: Place,
}

/// What the reversal of a deal takes back.
#[derive(Debug, Clone)]
struct Completed {
    /// The sides as they are stored and, where those are told to be wrong, as they should be.
    sides: Vec<Digest>,
    /// What it had to post.
    posted: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Payable,
    Claimed(PayoutId),
    Paid,
    Reversed,
}

#[derive(Debug, Clone, Default)]
struct Claim {
    entries: Vec<EntryId>,
    amount: Sum,
}

#[derive(Debug, Clone)]
struct Payout {
    payee: PayeeId,
    amount: Money,
    maker: Actor,
    status: Status,
    attempt: u32,
    adjustment: Option<EntryId>,
    /// The attempts of which late news came, and whether it is still open.
    late: BTreeMap<u32, bool>,
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

    fn deal(&mut self, event: &deal::Event, effective: Date, out: &mut Vec<Broken>) {
        match event {
            deal::Event::Registered { deal, basis, gci } => {
                let expected = commission(basis);
                if expected != Some(*gci) {
                    let expected = expected.map(|expected| expected.to_string()).unwrap_or_default();
                    let field = ("gci".into(), expected, gci.to_string());
                    out.push(differs(Law::CommissionIsItsBasis, deal, field));
                    self.doubted_deals.insert(deal.clone());
                }
                if let Basis::Sale(sale) = basis {
                    self.sales.insert(deal.clone(), Sold::new(sale, expected.unwrap_or(*gci)));
                }
            }
            deal::Event::Attributed { deal, .. } if self.doubted_deals.contains(deal) => {}
            deal::Event::Attributed { deal, attribution, credits } => {
                let Some(gci) = self.terms.open(deal).and_then(|open| commission(&open.basis)) else { return };
                let expected = attribution.credits(gci).unwrap_or_default();
                if let Some(field) = differing("credits", &expected, credits) {
                    out.push(differs(Law::CreditsAreTheAllocation, deal, field));
                    self.doubted_deals.insert(deal.clone());
                }
            }
            deal::Event::Completed(completion) => self.complete(completion, out),
            deal::Event::Touched { deal, touch } => self.touch(deal, touch, out),
            deal::Event::Credited(crediting) => self.credit(crediting, false, out),
            deal::Event::Recredited(recrediting) => self.credit(&recrediting.crediting, true, out),
            deal::Event::Collected { deal, payment, amount, on, entries } => {
                let payment = Payment { payment: payment.clone(), amount: *amount, on: *on };
                self.collect(deal, payment, effective, entries, out);
            }
            deal::Event::Reversed { deal, sides, .. } if self.sales.contains_key(deal) => {
                self.take_sale_back(deal, sides, out);
            }
            deal::Event::Reversed { deal, sides, .. } => {
                let Some(Completed { sides: known, posted }) = self.completed.remove(deal) else {
                    out.push(broken(Law::ReversalIsExact, deal, "a deal that is completed", "none"));
                    return;
                };
                if !known.contains(&digest(sides)) {
                    out.push(broken(Law::ReversalIsExact, deal, "the sides as completed", "others"));
                }
                let due = posted.into_iter().filter_map(|event| self.taken_back(event)).collect();
                self.owe(due);
            }
        }
    }

    /// What takes back what a deal had posted. It is of the day of the request.
    fn taken_back(&self, event: Event) -> Option<Event> {
        Some(match event {
            Event::Cap(cap::Event::Contributed { account, deal, amount, .. }) => {
                cap::Event::Reversed { account, deal, amount }.into()
            }
            Event::Attainment(attainment::Event::Counted {
                account,
                deal,
                units,
                revenue,
                accrued,
                company_dollar,
                bonuses,
            }) => {
                attainment::Event::Reversed { account, deal, units, revenue, accrued, company_dollar, bonuses }.into()
            }
            Event::Account(account::Event::EntryBooked {
                payee,
                entry,
                source: Source::Commission { deal },
                amount,
                earned_on,
            }) => {
                let is_paid = self.entries.get(&entry).is_some_and(|known| known.place == Place::Paid);
                let event = if is_paid {
                    let (source, amount) = (Source::Clawback { deal, of: entry }, amount.negated());
                    account::Event::EntryBooked { payee, entry, source, amount, earned_on }
                } else {
                    account::Event::EntryReversed { payee, entry, because: Because::Deal(deal), amount }
                };
                event.into()
            }
            _ => return None,
        })
    }

    fn complete(&mut self, completion: &Completion, out: &mut Vec<Broken>) {
        let known = self.on_what_was(completion, out);
        let calculated = self.calculate_again(&known, out);
        let right = calculated.as_ref().unwrap_or(&known);
        for met in &right.caps {
            self.meets(right, met, out);
        }
        for Counted { account, .. } in &right.attainments {
            self.in_year(account, out);
        }
        let mut sides = vec![digest(&completion.sides)];
        sides.extend(calculated.iter().map(|calculated| digest(&calculated.sides)));
        self.completed.insert(completion.deal.clone(), Completed { sides, posted: Vec::new() });
        let mut ways = vec![by_completion(completion)];
        if let Cow::Owned(known) = &known {
            ways.push(by_completion(known));
        }
        ways.extend(calculated.iter().map(by_completion));
        self.owe_either(ways);
    }

    /// The deal, on what was left on its caps and attainments.
    fn on_what_was<'a>(&self, completion: &'a Completion, out: &mut Vec<Broken>) -> Cow<'a, Completion> {
        let mut known = Cow::Borrowed(completion);
        for (index, Contribution { account, before, .. }) in completion.caps.iter().enumerate() {
            let was = self.caps.get(account).copied().unwrap_or_default();
            if was == Sum::from(*before) {
                continue;
            }
            let expected = format!("{} {}", was.show(before.currency()), before.currency());
            let field = ("before".to_owned(), expected, before.to_string());
            out.push(differs(Law::BeforeIsWhatWas, cap::stream(account), field));
            if let (Ok(was), Some(met)) = (was.money(before.currency()), known.to_mut().caps.get_mut(index)) {
                met.before = was;
            }
        }
        for (index, stored) in completion.attainments.iter().enumerate() {
            let right = self.found_by(completion, stored);
            let fields = [
                differing("before", &right.before, &stored.before),
                differing("paid", &right.paid, &stored.paid),
                differing("taken_back", &right.taken_back, &stored.taken_back),
            ];
            let key = || attainment::stream(&stored.account);
            out.extend(fields.into_iter().flatten().map(|field| differs(Law::BeforeIsWhatWas, key(), field)));
            if right != *stored
                && let Some(known) = known.to_mut().attainments.get_mut(index)
            {
                *known = right;
            }
        }
        known
    }

    /// An attainment as a deal found it: what was attained, and which bonuses deals had paid, and had taken back. These are of the
    /// payee's plan, be it the one in force or the one that is stored; of those that are named, where neither is known.
    fn found_by(&self, completion: &Completion, stored: &Counted) -> Counted {
        let Counted { account, before, paid, taken_back, .. } = stored;
        let in_force = match &account.of {
            Owner::Payee(payee) => self.terms.plan_of(payee, completion.completed_on),
            Owner::Pool(_) => None,
        };
        let plans = completion.plans.iter().filter(|plan| account.of == Owner::Payee(plan.payee.clone()));
        let plans = in_force.iter().chain(plans).filter(|plan| !self.is_doubted_plan(plan));
        let state = |name: &Text| self.bonuses.get(&(account.clone(), name.clone())).copied();
        let became = |names: Vec<&Text>| {
            [BonusState::Paid, BonusState::TakenBack].map(|became| -> Vec<Text> {
                names.iter().copied().filter(|name| state(name) == Some(became)).cloned().collect()
            })
        };
        let names =
            plans.filter_map(|plan| Some(self.terms.version(plan)?.document.once_a_year().map(|bonus| &bonus.name)));
        let mut ways: Vec<_> = names.map(|names| became(names.collect())).collect();
        let as_stored = ways.iter().position(|[were_paid, were_back]| (were_paid, were_back) == (paid, taken_back));
        let [paid, taken_back] = match ways.len() {
            0 => became(paid.iter().chain(taken_back).collect()),
            _ => ways.swap_remove(as_stored.unwrap_or_default()),
        };
        let before = self.attainments.get(account).copied().unwrap_or(Attained::nothing(before.revenue.currency()));
        Counted { before, paid, taken_back, ..stored.clone() }
    }

    /// Calculates a deal again, under the plans in force. It comes out as it should be where it is stored otherwise.
    fn calculate_again(&mut self, completion: &Completion, out: &mut Vec<Broken>) -> Option<Completion> {
        let deal = &completion.deal;
        let terms = self.terms.take(deal);
        let Some(sides) = terms.as_ref().and_then(Open::sides) else {
            out.push(broken(Law::CalcDivergence, deal, "a deal whose payees are known", "none"));
            return None;
        };
        let mut in_force = self.terms.in_force(&sides, completion.completed_on);
        for (in_force, stored) in in_force.iter_mut().zip(&completion.plans) {
            if self.is_doubted_plan(in_force) {
                in_force.plan_hash = stored.plan_hash;
            }
        }
        let mut plans = completion.plans.iter().chain(&in_force);
        let doubted = plans.any(|plan| self.is_doubted_plan(plan)) | self.doubted_deals.remove(deal);
        let other = differing("plans", &in_force, &completion.plans);
        let under_them = other.is_some().then(|| Completion { plans: in_force, ..completion.clone() });
        let ways = under_them.iter().chain([completion]);
        out.extend(other.map(|field| differs(Law::PlansAreInForce, deal, field).over(completion.gci)));
        if doubted {
            return None;
        }
        let mut diverging = None;
        for way in ways {
            let told = match self.terms.recalculate(&sides, way) {
                Err(rejection) => (broken(Law::CalcDivergence, deal, rejection, "what is stored"), None),
                Ok(calculation) => match way.divergence(&calculation) {
                    None => {
                        diverging = None;
                        break;
                    }
                    Some((place, stored, calculated)) => {
                        let booked = place.starts_with("entries");
                        let law = if booked { Law::EarnedIsBooked } else { Law::CalcDivergence };
                        let told = differs(law, deal, (place, calculated, stored)).over(completion.gci);
                        (told, way.calculated(&calculation).ok())
                    }
                },
            };
            diverging.get_or_insert(told);
        }
        let (told, right) = diverging.unzip();
        out.extend(told);
        let right = right.flatten();
        parts(&sides, right.as_ref().unwrap_or(completion), out);
        right
    }

    /// Whether a plan version is told to be wrong.
    fn is_doubted_plan(&self, PlanInForce { plan, version, .. }: &PlanInForce) -> bool {
        self.doubted_documents.contains(&(StreamId::Plan(plan.clone()), *version))
    }

    fn spend(&mut self, account: &spend::Account, amount: Money, out: &mut Vec<Broken>) {
        let key = (account.clone(), amount.currency());
        let spent = self.spent.entry(key.clone()).or_default();
        spent.add(amount);
        if let Some(limit) = self.spend_limits.get(&key).filter(|limit| amount.is_positive() && *spent > **limit) {
            let [limit, spent] = [limit, spent].map(|sum| sum.show(amount.currency()));
            let expected = format!("at most {limit}");
            out.push(broken(Law::SpendLimitHolds, spend::stream(account), expected, spent).over(amount));
        }
    }

    /// Checks a cap that a deal meets.
    fn meets(&mut self, completion: &Completion, met: &Contribution, out: &mut Vec<Broken>) {
        let Contribution { account, limit, after, .. } = met;
        self.in_year(account, out);
        let contributed = self.caps.get(account).copied().unwrap_or_default();
        let whole_deal = completion.plans.iter().any(|in_force| {
            let version = self.terms.version(in_force);
            let capped = version.and_then(|version| version.document.cap.as_ref());
            capped.is_some_and(|capped| {
                capped.crossing == Crossing::WholeDealPreCap
                    && capped.caps.iter().any(|cap| cap.programme == account.programme)
            })
        });
        let most =
            if whole_deal && contributed < Sum::from(*limit) { None } else { Some(contributed.max((*limit).into())) };
        if let Some(most) = most.filter(|most| Sum::from(*after) > *most) {
            let expected = format!("at most {}", most.show(limit.currency()));
            out.push(broken(Law::CapHolds, cap::stream(account), expected, after).over(*after));
        }
    }

    fn in_year(&mut self, Account { programme, of, year }: &Account, out: &mut Vec<Broken>) {
        let years = self.years.entry((programme.clone(), of.clone())).or_default();
        if let Some(other) =
            years.iter().find(|other| other.start < year.end && year.start < other.end && *other != year)
        {
            out.push(broken(Law::CapYearsDoNotOverlap, format_args!("{programme} of {of}"), other, year));
        }
        if !years.contains(year) {
            years.push(*year);
        }
    }

    fn cap(&mut self, event: &cap::Event, out: &mut Vec<Broken>) {
        match event {
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                let contributed = self.caps.get(account).copied().unwrap_or_default();
                if contributed.plus(Sum::from(*amount)) > Sum::from(*limit) {
                    out.push(broken(Law::CapHolds, cap::stream(account), limit, amount).over(*amount));
                }
                self.contribute(account, *amount, out);
            }
            // What deals post is compared with what is due, at the request's end.
            cap::Event::Contributed { .. } | cap::Event::Reached { .. } | cap::Event::Reversed { .. } => {}
            cap::Event::ProgrammeOpened { .. } => {}
            cap::Event::PoolOpened { programme, pool, terms } => self.pool(programme, pool, terms, out),
        }
    }

    fn pool(&mut self, programme: &CapProgramme, pool: &PoolId, terms: &PoolTerms, out: &mut Vec<Broken>) {
        let known = self.pools.entry((programme.clone(), pool.clone())).or_insert(*terms);
        if let Some(difference) = differing("", known, terms) {
            out.push(differs(Law::PoolKeepsItsTerms, format_args!("{programme} pool:{pool}"), difference));
        }
    }

    fn contribute(&mut self, account: &Account, amount: Money, out: &mut Vec<Broken>) {
        let contributed = self.caps.entry(account.clone()).or_default();
        contributed.add(amount);
        if *contributed < Sum::ZERO {
            let found = contributed.show(amount.currency());
            out.push(broken(Law::ContributedIsNotNegative, cap::stream(account), "0 or more", found).over(amount));
        }
    }

    fn attainment(&mut self, event: &attainment::Event, out: &mut Vec<Broken>) {
        match event {
            attainment::Event::OpeningSet { .. } => self.count(event, out),
            attainment::Event::Counted { .. } | attainment::Event::Reversed { .. } => {}
        }
    }

    fn count(&mut self, event: &attainment::Event, out: &mut Vec<Broken>) {
        let (account, by) = (event.account(), event.attained());
        let known = self.attainments.get(account).copied().unwrap_or(Attained::nothing(by.revenue.currency()));
        let (names, state): (&[Text], _) = match event {
            attainment::Event::OpeningSet { .. } => (&[], BonusState::Paid),
            attainment::Event::Counted { bonuses, .. } => (bonuses, BonusState::Paid),
            attainment::Event::Reversed { bonuses, .. } => (bonuses, BonusState::TakenBack),
        };
        self.bonuses.extend(names.iter().map(|name| ((account.clone(), name.clone()), state)));
        let after = match event {
            attainment::Event::Reversed { .. } => known.minus(&by),
            attainment::Event::OpeningSet { .. } | attainment::Event::Counted { .. } => known.plus(&by),
        };
        match after {
            Ok(after) => {
                self.attainments.insert(account.clone(), after);
            }
            Err(error) => {
                let key = attainment::stream(account);
                out.push(broken(Law::ContributedIsNotNegative, key, "a sum", error).over(by.revenue));
            }
        }
    }

    fn account(&mut self, event: &account::Event, out: &mut Vec<Broken>) {
        match event {
            account::Event::EntryBooked { payee, entry, source, amount, .. } => {
                if matches!(source, Source::Adjustment { .. }) {
                    self.booked(payee, *entry, *amount, true, out);
                }
            }
            account::Event::EntryReversed { .. } => {}
            account::Event::EntriesClaimed { payee, payout, entries, amount } => {
                let mut sum = Sum::ZERO;
                for entry in entries {
                    self.moved(payee, *entry, Place::Payable, Place::Claimed(*payout), out);
                    let known = self.entries.get(entry).filter(|known| known.amount.currency() == amount.currency());
                    sum = sum.plus(known.map(|known| Sum::from(known.amount)).unwrap_or_default());
                }
                if sum != Sum::from(*amount) {
                    let expected = sum.show(amount.currency());
                    out.push(broken(Law::EntriesSumToAmount, payout, expected, amount.amount()).over(*amount));
                }
                let claim = self.claims.entry(*payout).or_default();
                claim.entries.extend_from_slice(entries);
                claim.amount.add(*amount);
            }
            account::Event::EntriesReleased { payee, payout, count, amount } => {
                self.ended(payee, *payout, *count, *amount, Place::Payable, out);
            }
            account::Event::EntriesPaid { payee, payout, count, amount } => {
                self.ended(payee, *payout, *count, *amount, Place::Paid, out);
            }
        }
    }

    fn booked(&mut self, payee: &PayeeId, entry: EntryId, amount: Money, adjusts: bool, out: &mut Vec<Broken>) {
        if self.entries.contains_key(&entry) {
            out.push(broken(Law::EntryIsBookedOnce, entry, "one booking", "another one").over(amount));
            return;
        }
        self.entries.insert(entry, Entry { payee: payee.clone(), amount, adjusts, place: Place::Payable });
    }

    /// Owes that the adjustment of a payout is taken back.
    fn owe_adjustment(&mut self, payout: PayoutId, adjustment: Option<EntryId>) {
        let Some(entry) = adjustment else { return };
        let Some(Entry { payee, amount, .. }) = self.entries.get(&entry).filter(|known| known.adjusts) else { return };
        let (payee, amount, because) = (payee.clone(), *amount, Because::Payout(payout));
        self.owe(vec![account::Event::EntryReversed { payee, entry, because, amount }.into()]);
    }

    fn moved(&mut self, payee: &PayeeId, entry: EntryId, from: Place, to: Place, out: &mut Vec<Broken>) {
        let Some(known) = self.entries.get_mut(&entry) else {
            out.push(broken(Law::EntryIsPayable, entry, "a payable entry", "none"));
            return;
        };
        if known.place != from || known.payee != *payee {
            let found = format!("{:?} of {}", known.place, known.payee);
            out.push(broken(Law::EntryIsPayable, entry, format!("{from:?} of {payee}"), found).over(known.amount));
        }
        known.place = to;
    }

    fn ended(
        &mut self,
        payee: &PayeeId,
        payout: PayoutId,
        count: u32,
        amount: Money,
        to: Place,
        out: &mut Vec<Broken>,
    ) {
        let claim = self.claims.remove(&payout).unwrap_or_default();
        if claim.amount != Sum::from(amount) || u32::try_from(claim.entries.len()) != Ok(count) {
            let expected = format!("{} of {} entries", claim.amount.show(amount.currency()), claim.entries.len());
            let found = format!("{} of {count} entries", amount.amount());
            out.push(broken(Law::EntriesSumToAmount, payout, expected, found).over(amount));
        }
        for entry in claim.entries {
            self.moved(payee, entry, Place::Claimed(payout), to, out);
        }
    }

    fn payout(&mut self, event: &payout::Event, out: &mut Vec<Broken>) {
        use Status::{Approved, Draft, Failed, Paid, PendingApproval, Processing, Rejected, Voided};
        match event {
            payout::Event::Created { payout, payee, amount, entries, by, adjustment, .. } => {
                let claimed = self.claims.get(payout).map(|claim| (claim.amount, claim.entries.len()));
                let (sum, count) = claimed.unwrap_or_default();
                if sum != Sum::from(*amount) || u32::try_from(count) != Ok(*entries) || !amount.is_positive() {
                    let expected = format!("{} of {count} entries", sum.show(amount.currency()));
                    let found = format!("{} of {entries} entries", amount.amount());
                    out.push(broken(Law::PayoutIsItsEntries, payout, expected, found).over(*amount));
                }
                if let Some(entry) = adjustment
                    && self.claims.get(payout).is_none_or(|claim| claim.entries != [*entry])
                {
                    let found = format!("{count} entries");
                    out.push(broken(Law::PayoutIsItsEntries, payout, entry, found).over(*amount));
                }
                let made = Payout {
                    payee: payee.clone(),
                    amount: *amount,
                    maker: by.clone(),
                    status: Draft,
                    attempt: 0,
                    adjustment: *adjustment,
                    late: BTreeMap::new(),
                };
                if self.payouts.insert(*payout, made).is_some() {
                    out.push(broken(Law::PayoutGoesItsWay, payout, "one beginning", "another one").over(*amount));
                }
            }
            payout::Event::Submitted { payout } => {
                self.goes(*payout, &[Draft], PendingApproval, out);
            }
            payout::Event::Approved { payout, by, amount } => {
                let Some(known) = self.goes(*payout, &[PendingApproval], Approved, out) else { return };
                four_eyes(*payout, known, by, out);
                same_amount(*payout, known, *amount, out);
            }
            payout::Event::Rejected { payout, by, .. } => {
                let Some(known) = self.goes(*payout, &[PendingApproval], Rejected, out) else { return };
                four_eyes(*payout, known, by, out);
                let adjustment = known.adjustment;
                self.owe_adjustment(*payout, adjustment);
            }
            payout::Event::Started { payout, attempt, .. } => {
                let Some(known) = self.goes(*payout, &[Approved, Failed], Processing, out) else { return };
                nothing_late(*payout, known, out);
                let expected = known.attempt.saturating_add(1);
                known.attempt = *attempt;
                if *attempt != expected {
                    out.push(broken(Law::AttemptsAreCounted, payout, expected, attempt).over(known.amount));
                }
            }
            payout::Event::Paid { payout, amount, through } => {
                let (from, attempt) = match through {
                    payout::Payment::Rail { attempt } => {
                        let accepted = self.accepted.iter().position(|late| *late == (*payout, *attempt));
                        match accepted.map(|place| self.accepted.swap_remove(place)) {
                            Some(_) => (Failed, None),
                            None => (Processing, Some(*attempt)),
                        }
                    }
                    payout::Payment::Manual { .. } => (Approved, None),
                };
                let Some(known) = self.goes(*payout, &[from], Paid, out) else { return };
                same_amount(*payout, known, *amount, out);
                if let Some(attempt) = attempt.filter(|attempt| *attempt != known.attempt) {
                    out.push(broken(Law::AttemptsAreCounted, payout, known.attempt, attempt).over(known.amount));
                }
            }
            payout::Event::Failed { payout, attempt, .. } => {
                let Some(known) = self.goes(*payout, &[Processing], Failed, out) else { return };
                if *attempt != known.attempt {
                    out.push(broken(Law::AttemptsAreCounted, payout, known.attempt, attempt).over(known.amount));
                }
            }
            payout::Event::Voided { payout, .. } => {
                let from = [Draft, PendingApproval, Approved, Failed];
                let Some(known) = self.goes(*payout, &from, Voided, out) else { return };
                nothing_late(*payout, known, out);
                let adjustment = known.adjustment;
                self.owe_adjustment(*payout, adjustment);
            }
            payout::Event::LatePaymentReported { payout, attempt, amount } => {
                let Some(known) = self.known(*payout, out) else { return };
                same_amount(*payout, known, *amount, out);
                let open = known.status == Processing && *attempt == known.attempt;
                let ended = (1..=known.attempt).contains(attempt) && !open;
                if known.late.insert(*attempt, true).is_some() || !ended {
                    let found = format!("attempt {attempt}");
                    out.push(broken(Law::LatePaymentIsResolved, payout, "an attempt that failed", found).over(*amount));
                }
            }
            payout::Event::LatePaymentResolved { payout, attempt, resolution, by, .. } => {
                let Some(known) = self.known(*payout, out) else { return };
                four_eyes(*payout, known, by, out);
                if known.late.insert(*attempt, false) != Some(true) {
                    let found = format!("attempt {attempt}");
                    out.push(broken(Law::LatePaymentIsResolved, payout, "an open late payment", found));
                }
                if *resolution == Resolution::Accept {
                    self.accepted.push((*payout, *attempt));
                }
            }
            payout::Event::ReferenceTaken { .. } | payout::Event::BulkApproved { .. } => {}
        }
    }

    fn known(&mut self, payout: PayoutId, out: &mut Vec<Broken>) -> Option<&mut Payout> {
        let known = self.payouts.get_mut(&payout);
        if known.is_none() {
            out.push(broken(Law::PayoutGoesItsWay, payout, "a payout", "none"));
        }
        known
    }

    fn goes(&mut self, payout: PayoutId, from: &[Status], to: Status, out: &mut Vec<Broken>) -> Option<&mut Payout> {
        let known = self.known(payout, out)?;
        if !from.contains(&known.status) {
            let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
            let found = format!("{} from {}", to.as_str(), known.status.as_str());
            let expected = format!("{} from {}", to.as_str(), from.join(" or "));
            out.push(broken(Law::PayoutGoesItsWay, payout, expected, found).over(known.amount));
        }
        known.status = to;
        Some(known)
    }

    /// What the reports say at the end, against one another.
    fn totals(&self, out: &mut Vec<Broken>) {
        for (currency, sum) in self.reports.journal.trial_balance() {
            if !sum.is_zero() {
                out.push(broken(Law::TrialBalanceIsZero, currency, "0", sum.show(currency)));
            }
        }
        let mut registered = Small::<Currency, (u64, Sum)>::default();
        for row in self.reports.register.rows() {
            registered.update(&row.amount.currency(), |(count, sum)| {
                *count += 1;
                sum.add(row.amount);
            });
        }
        let mut owed = Small::<Currency, (Sum, Sum, Sum)>::default();
        for (_, currency, balance) in self.reports.summary.balances() {
            owed.update(&currency, |(payable, claimed, settled)| {
                *payable = payable.plus(balance.payable);
                *claimed = claimed.plus(balance.claimed);
                *settled = settled.plus(balance.settled);
            });
        }
        let mut booked = Small::<Currency, (Sum, Sum, Sum)>::default();
        for journal::Balance { account, currency, balance } in self.reports.journal.balances() {
            booked.update(&currency, |(payable, claimed, cash)| match account {
                journal::Account::Payable(_) => *payable = payable.minus(balance),
                journal::Account::Claimed(_) => *claimed = claimed.minus(balance),
                journal::Account::Rail | journal::Account::Payer(_) => *cash = cash.minus(balance),
                journal::Account::CommissionReceivable
                | journal::Account::Company(_)
                | journal::Account::Commissions
                | journal::Account::Client
                | journal::Account::Franchise
                | journal::Account::Referrer(_)
                | journal::Account::EarningsClearing
                | journal::Account::PaymentClearing => {}
            });
        }
        let statistics = &self.reports.statistics;
        let currencies =
            registered.iter().map(|(currency, _)| currency).chain(owed.iter().map(|(currency, _)| currency));
        let mut currencies: Vec<Currency> = currencies.copied().collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            let totals = statistics.of(currency);
            let (count, amount) = registered.get(&currency).copied().unwrap_or_default();
            let mut agree = |law, what: &str, ours: Sum, theirs: Sum| {
                if ours != theirs {
                    let key = format!("{what} {currency}");
                    out.push(broken(law, key, ours.show(currency), theirs.show(currency)));
                }
            };
            agree(Law::StatusesSumToAll, "payouts", amount, totals.all().amount);
            let (payable, claimed, settled) = owed.get(&currency).copied().unwrap_or_default();
            let books = booked.get(&currency).copied().unwrap_or_default();
            agree(Law::ReportsAgree, "payable", payable, books.0);
            agree(Law::ReportsAgree, "claimed", claimed, books.1);
            agree(Law::ReportsAgree, "settled", settled, books.2);
            agree(Law::ReportsAgree, "settlements", settled, totals.settled().amount);
            let unpaid = totals.total_committed().amount.minus(totals.of(Status::Paid).amount);
            agree(Law::ReportsAgree, "unpaid payouts", claimed, unpaid);
            if count != totals.all().count {
                out.push(broken(Law::StatusesSumToAll, currency, count, totals.all().count));
            }
        }
    }
}

fn absolute(amount: Money) -> Money {
    if amount.is_negative() { amount.negated() } else { amount }
}

fn digest(sides: &[SideLines]) -> Digest {
    Digest::of(&codec::canonical(&sides))
}

/// What was said of a deal's commission comes to.
fn commission(basis: &Basis) -> Option<Money> {
    match basis {
        Basis::Amount(amount) => Some(*amount),
        Basis::OfPrice { price, rate } => Gci::OfPrice { price: *price, rate: *rate }.amount().ok(),
        Basis::Sides(sides) => {
            let amounts = sides.iter().map(|side| side.gci.amount()).collect::<Result<Vec<_>, _>>().ok()?;
            Money::sum(amounts.first()?.currency(), amounts).ok()
        }
        Basis::Sale(sale) => {
            let currency = sale.currency().ok()?;
            Money::sum(currency, sale.amount.into_iter().chain(sale.lines.iter().map(|line| line.amount))).ok()
        }
    }
}

/// Checks that the parts of a deal are the whole, and that payees have what their lines say.
fn parts(sides: &[Side], completion: &Completion, out: &mut Vec<Broken>) {
    let Completion { deal, gci, sides: stored, entries, .. } = completion;
    for (side, SideLines { gci, lines, .. }) in sides.iter().zip(stored) {
        let whole = Sum::from(*gci).plus(side.referral_in.map(Sum::from).unwrap_or_default());
        let sum: Sum = lines.iter().map(|line| Sum::from(line.amount)).sum();
        if sum != whole {
            let (expected, found) = (whole.show(gci.currency()), sum.show(gci.currency()));
            out.push(broken(Law::PartsAreTheWhole, deal, expected, found).over(*gci));
        }
    }
    let whole: Sum = stored.iter().map(|side| Sum::from(side.gci)).sum();
    if whole != Sum::from(*gci) {
        let expected = format!("{} {}", whole.show(gci.currency()), gci.currency());
        out.push(differs(Law::PartsAreTheWhole, deal, ("gci".into(), expected, gci.to_string())));
    }
    let mut earned = FxHashMap::<&PayeeId, Sum>::default();
    for Line { party, amount, .. } in stored.iter().flat_map(|side| &side.lines) {
        if let Party::Payee(payee) = party {
            earned.entry(payee).or_default().add(*amount);
        }
    }
    for Earned { payee, entry, amount } in entries {
        let lines = earned.remove(payee).unwrap_or_default();
        if lines != Sum::from(*amount) || (entry.is_none() && !amount.is_zero()) {
            let (key, expected) = (format!("{deal} {payee}"), lines.show(amount.currency()));
            out.push(broken(Law::EarnedIsBooked, key, expected, amount.amount()).over(*amount));
        }
    }
    for (payee, lines) in earned.into_iter().filter(|(_, lines)| !lines.is_zero()) {
        let (key, expected) = (format!("{deal} {payee}"), lines.show(gci.currency()));
        out.push(broken(Law::EarnedIsBooked, key, expected, "no entry"));
    }
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

fn four_eyes(payout: PayoutId, known: &Payout, by: &Actor, out: &mut Vec<Broken>) {
    if *by == known.maker || by.as_str() == known.payee.as_str() {
        out.push(broken(Law::FourEyes, payout, "somebody else", by).over(known.amount));
    }
}

fn nothing_late(payout: PayoutId, known: &Payout, out: &mut Vec<Broken>) {
    if let Some((attempt, _)) = known.late.iter().find(|(_, open)| **open) {
        let found = format!("attempt {attempt} is open");
        out.push(broken(Law::LatePaymentIsResolved, payout, "no open late payment", found).over(known.amount));
    }
}

fn same_amount(payout: PayoutId, known: &Payout, amount: Money, out: &mut Vec<Broken>) {
    if amount != known.amount {
        out.push(broken(Law::AmountIsKept, payout, known.amount, amount).over(amount));
    }
}
