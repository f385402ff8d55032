//! Checks the laws that every log obeys, whoever wrote it: nothing is paid twice, nothing is paid unapproved, nothing is lost
//! between a deal and the bank, and no cap is overrun.
//!
//! Decisions guarantee these laws when they are made. This reader trusts no decision: it keeps its own small account of entries,
//! payouts and caps, and names every event that breaks a law.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use super::{Against, Class, Difference, Report};
use crate::account::{self, Because, Source};
use crate::attribution::Attribution;
use crate::calendar::CapYear;
use crate::chain::Digest;
use crate::credit::touch::Touch;
use crate::deal::sale::{self, Crediting, Sale};
use crate::deal::{self, Basis, Completion, Earned, Line, SideLines};
use crate::event::Event;
use crate::id::{Actor, CapProgramme, DealId, EntryId, LedgerName, PayeeId, PayoutId};
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::payout::{self, Resolution, Status};
use crate::projection::journal::{self, each_posting};
use crate::projection::plans::{Documents, Plans};
use crate::projection::replay::{Progress, ReplayError, each_event};
use crate::projection::sum::Sum;
use crate::projection::{All, Projection};
use crate::recorded::Recorded;
use crate::store::Store;
use crate::waterfall::{Account, Attained, Contribution, Crossing, Owner, Party, Progress as Counted};
use crate::{Date, attainment, cap, codec, payee, spend};

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
    /// Nothing is left on a clearing account at the end of a request.
    ClearingIsZero => "clearing_is_zero",
    /// All balances together are zero.
    TrialBalanceIsZero => "trial_balance_is_zero",
    /// The lines of a side sum to its commission and its referral-in, and the sides to the deal.
    PartsAreTheWhole => "parts_are_the_whole",
    /// What a payee has of a deal is the sum of its lines; that, and nothing else, is booked with the deal.
    EarnedIsBooked => "earned_is_booked",
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
    /// What a deal finds on its caps, attainments and spend limits is what was left there.
    BeforeIsWhatWas => "before_is_what_was",
    /// A contribution never exceeds the room, but for a deal that crosses under a whole-deal plan.
    CapHolds => "cap_holds",
    /// The years of a payee or pool under one programme do not overlap, so that every day is in one of them.
    CapYearsDoNotOverlap => "cap_years_do_not_overlap",
    /// What a deal counts to its caps, attainments and spend limits, and nothing else, is posted with it.
    ContributionIsPosted => "contribution_is_posted",
    /// What is contributed is never below zero.
    ContributedIsNotNegative => "contributed_is_not_negative",
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
#[derive(Debug, Clone, Default)]
pub struct Laws {
    reports: All,
    entries: FxHashMap<EntryId, Entry>,
    claims: FxHashMap<PayoutId, Claim>,
    payouts: FxHashMap<PayoutId, Payout>,
    caps: FxHashMap<Account, Sum>,
    attainments: FxHashMap<Account, Attained>,
    years: FxHashMap<(CapProgramme, Owner), Vec<CapYear>>,
    plans: Plans,
    joined_on: FxHashMap<PayeeId, Date>,
    /// The deals that are not completed.
    open: FxHashMap<DealId, (Basis, Option<Attribution>)>,
    completed: FxHashMap<DealId, Completed>,
    sales: FxHashMap<DealId, Sold>,
    documents: Documents,
    spent: FxHashMap<(spend::Account, Currency), Sum>,
    /// What the rest of the request must still do.
    due: Vec<Due>,
    found: Vec<Difference>,
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
    sides: Digest,
    entries: Vec<EntryId>,
    caps: Vec<(Account, Money)>,
    attainments: Vec<(Account, Attained)>,
}

/// A sale, and what taking it back takes back.
#[derive(Debug, Clone)]
struct Sold {
    sale: Box<Sale>,
    worth: Money,
    touches: Vec<Touch>,
    payments: Vec<Money>,
    /// As it was credited last, and how many touches were known then.
    credited: Option<(Crediting, usize)>,
    live: Vec<sale::Earned>,
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

/// What an event obliges the rest of its request to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    Book { entry: EntryId, payee: PayeeId, amount: Money },
    TakeBack { entry: EntryId },
    PayLate { payout: PayoutId, attempt: u32 },
    Contribute { account: Account, deal: DealId, amount: Money },
    GiveBack { account: Account, deal: DealId, amount: Money },
    Count { account: Account, deal: DealId, by: Attained },
    Discount { account: Account, deal: DealId, by: Attained },
    Spend { account: spend::Account, deal: DealId, amount: Money },
}

impl Due {
    fn law(&self) -> Law {
        match self {
            Self::Book { .. } => Law::EarnedIsBooked,
            Self::TakeBack { .. } => Law::ReversalIsExact,
            Self::PayLate { .. } => Law::LatePaymentIsResolved,
            Self::Contribute { .. }
            | Self::GiveBack { .. }
            | Self::Count { .. }
            | Self::Discount { .. }
            | Self::Spend { .. } => Law::ContributionIsPosted,
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Book { entry, .. } | Self::TakeBack { entry } => entry.to_string(),
            Self::PayLate { payout, .. } => payout.to_string(),
            Self::Contribute { account, .. } | Self::GiveBack { account, .. } => cap::stream(account).to_string(),
            Self::Count { account, .. } | Self::Discount { account, .. } => attainment::stream(account).to_string(),
            Self::Spend { account, .. } => spend::stream(account).to_string(),
        }
    }

    fn amount(&self) -> Option<Money> {
        match self {
            Self::Book { amount, .. }
            | Self::Contribute { amount, .. }
            | Self::GiveBack { amount, .. }
            | Self::Spend { amount, .. } => Some(*amount),
            Self::Count { by, .. } | Self::Discount { by, .. } => Some(by.revenue),
            Self::TakeBack { .. } | Self::PayLate { .. } => None,
        }
    }
}

/// What is wrong, before it is known where.
struct Broken {
    law: Law,
    key: String,
    expected: String,
    found: String,
    at_stake: Option<Money>,
}

fn broken(law: Law, key: impl ToString, expected: impl ToString, found: impl ToString) -> Broken {
    let (key, expected, found) = (key.to_string(), expected.to_string(), found.to_string());
    Broken { law, key, expected, found, at_stake: None }
}

impl Broken {
    fn over(self, amount: Money) -> Self {
        Self { at_stake: Some(if amount.is_negative() { amount.negated() } else { amount }), ..self }
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
        balanced(recorded, &mut broken);
        self.documents.apply(&recorded.event);
        match &recorded.event {
            Event::Plan(event) => self.plans.apply(event),
            Event::Payee(payee::Event::Enrolled { payee, joined_on: Some(joined_on), .. }) => {
                self.joined_on.insert(payee.clone(), *joined_on);
            }
            Event::Deal(event) => self.deal(event, &mut broken),
            Event::Cap(event) => self.cap(event, &mut broken),
            Event::Attainment(event) => self.attainment(event, &mut broken),
            Event::Account(event) => self.account(event, &mut broken),
            Event::Payout(event) => self.payout(event, &mut broken),
            Event::Spend(event) => self.spend(event, &mut broken),
            Event::Settings(_) | Event::Payee(_) | Event::Model(_) | Event::Rates(_) | Event::Customer(_) => {}
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
        let (sequence, since) = (self.last.map(|(sequence, _)| sequence), self.last.map(|(_, at)| at));
        self.found.extend(all.into_iter().map(|Broken { law, key, expected, found, at_stake }| Difference {
            against: Against::Laws,
            key,
            field: String::new(),
            class: Class::Broken(law),
            ledger: found,
            other: expected,
            at_stake,
            sequence,
            since,
        }));
    }

    fn end_of_request(&mut self, out: &mut Vec<Broken>) {
        self.within = None;
        for due in self.due.drain(..) {
            let amount = due.amount().map_or(String::new(), |amount| amount.to_string());
            let mut left = broken(due.law(), due.key(), amount, "nothing in the same request");
            left.at_stake = due.amount();
            out.push(left);
        }
        if let Some(journal::Balance { account, currency, balance }) = self.reports.journal.uncleared() {
            let found = format!("{} {currency}", balance.show(currency));
            out.push(broken(Law::ClearingIsZero, account, "0", found));
        }
    }

    fn settle(&mut self, due: &Due) -> bool {
        let place = self.due.iter().position(|other| other == due);
        place.map(|place| self.due.swap_remove(place)).is_some()
    }

    fn deal(&mut self, event: &deal::Event, out: &mut Vec<Broken>) {
        match event {
            deal::Event::Registered { deal, basis: Basis::Sale(sale), gci } => {
                let (touches, payments, live) = (Vec::new(), Vec::new(), Vec::new());
                let sold = Sold { sale: sale.clone(), worth: *gci, touches, payments, credited: None, live };
                self.sales.insert(deal.clone(), sold);
            }
            deal::Event::Registered { deal, basis, .. } => {
                self.open.insert(deal.clone(), (basis.clone(), None));
            }
            deal::Event::Attributed { deal, attribution, .. } => {
                if let Some((_, known)) = self.open.get_mut(deal) {
                    *known = Some(attribution.clone());
                }
            }
            deal::Event::Completed(completion) => self.complete(completion, out),
            deal::Event::Touched { deal, touch } => {
                if let Some(sold) = self.sales.get_mut(deal) {
                    sold.touches.push(touch.clone());
                }
            }
            deal::Event::Credited(crediting) => self.credit(crediting, out),
            deal::Event::Recredited(recrediting) => self.credit(&recrediting.crediting, out),
            deal::Event::Collected { deal, amount, entries, .. } => self.collect(deal, *amount, entries, out),
            deal::Event::Reversed { deal, sides, .. } if self.sales.contains_key(deal) => {
                if !sides.is_empty() {
                    out.push(broken(Law::ReversalIsExact, deal, "a sale, which has no sides", "sides"));
                }
                let Some(Sold { credited: Some((crediting, _)), live, .. }) = self.sales.remove(deal) else {
                    out.push(broken(Law::ReversalIsExact, deal, "a sale that is credited", "none"));
                    return;
                };
                self.due.extend(live.into_iter().map(|earned| Due::TakeBack { entry: earned.entry }));
                self.count(deal, &crediting.spent, &[]);
            }
            deal::Event::Reversed { deal, sides, .. } => {
                let Some(completed) = self.completed.remove(deal) else {
                    out.push(broken(Law::ReversalIsExact, deal, "a deal that is completed", "none"));
                    return;
                };
                if completed.sides != digest(sides) {
                    out.push(broken(Law::ReversalIsExact, deal, "the sides as completed", "others"));
                }
                let Completed { entries, caps, attainments, .. } = completed;
                self.due.extend(entries.into_iter().map(|entry| Due::TakeBack { entry }));
                let deal = || deal.clone();
                let back = |(account, amount)| Due::GiveBack { account, deal: deal(), amount };
                self.due.extend(caps.into_iter().map(back));
                self.due.extend(attainments.into_iter().map(|(account, by)| Due::Discount {
                    account,
                    deal: deal(),
                    by,
                }));
            }
        }
    }

    /// What the rest of a request must count to spend limits.
    fn count(&mut self, deal: &DealId, former: &[sale::Spent], now: &[sale::Spent]) {
        // Amounts that cannot be counted were told as such when the sale was calculated again.
        for (account, amount) in sale::own_spent(former, now).unwrap_or_default() {
            if !amount.is_zero() {
                self.due.push(Due::Spend { account, deal: deal.clone(), amount });
            }
        }
    }

    /// Calculates a sale again, and says what is new of it and what is gone.
    fn credit(&mut self, crediting: &Crediting, out: &mut Vec<Broken>) {
        let deal = &crediting.deal;
        let Some(mut sold) = self.sales.remove(deal) else {
            out.push(broken(Law::CalcDivergence, deal, "a sale that is known", "none"));
            return;
        };
        match crediting.recalculate(&sold.sale, &sold.touches, sold.payments.clone(), &self.documents) {
            Err(rejection) => out.push(broken(Law::CalcDivergence, deal, rejection, "what is stored")),
            Ok((_, again)) => {
                if let Some((place, stored, calculated)) = crediting.divergence(&again) {
                    out.push(broken(Law::CalcDivergence, format_args!("{deal} {place}"), calculated, stored));
                }
            }
        }
        let parts = crediting.credits.iter().map(|credit| credit.amount).chain(crediting.house);
        let sum: Sum = parts.map(Sum::from).sum();
        if !crediting.unattributed && sum != Sum::from(sold.worth) {
            let found = sum.show(sold.worth.currency());
            out.push(broken(Law::PartsAreTheWhole, deal, sold.worth.amount(), found).over(sold.worth));
        }
        let former = sold.credited.take().map(|(former, _)| former.spent).unwrap_or_default();
        for sale::Spent { account, before, .. } in &crediting.spent {
            let currency = before.currency();
            let total = self.spent.get(&(account.clone(), currency)).copied().unwrap_or_default();
            let own = former.iter().find(|spent| spent.account == *account).and_then(|spent| spent.own().ok());
            let was = total.minus(own.map(Sum::from).unwrap_or_default()).max(Sum::ZERO);
            if was != Sum::from(*before) {
                let expected = was.show(currency);
                out.push(broken(Law::BeforeIsWhatWas, spend::stream(account), expected, before.amount()).over(*before));
            }
        }
        self.count(deal, &former, &crediting.spent);
        let is_in = |entries: &[sale::Earned], entry| entries.iter().any(|earned| earned.entry == entry);
        for earned in crediting.entries.iter().filter(|earned| !is_in(&sold.live, earned.entry)) {
            self.due.push(book(earned));
        }
        for earned in sold.live.iter().filter(|earned| !is_in(&crediting.entries, earned.entry)) {
            self.due.push(Due::TakeBack { entry: earned.entry });
        }
        sold.live.clone_from(&crediting.entries);
        sold.credited = Some((crediting.clone(), sold.touches.len()));
        self.sales.insert(deal.clone(), sold);
    }

    /// Calculates what a sale comes to with one more payment.
    fn collect(&mut self, deal: &DealId, amount: Money, entries: &[sale::Earned], out: &mut Vec<Broken>) {
        let Some(Sold { sale, touches, payments, credited: Some((crediting, known)), live, .. }) =
            self.sales.get_mut(deal)
        else {
            out.push(broken(Law::CalcDivergence, deal, "a sale that is credited", "none"));
            return;
        };
        payments.push(amount);
        live.extend_from_slice(entries);
        match crediting.recalculate(sale, touches.iter().take(*known), payments.clone(), &self.documents) {
            Err(rejection) => out.push(broken(Law::CalcDivergence, deal, rejection, "what is stored")),
            Ok((_, again)) => {
                let mut left = live.clone();
                let missing = again.entries.iter().find(|earned| {
                    let place = left.iter().position(|known| known.equals(earned));
                    place.map(|place| left.swap_remove(place)).is_none()
                });
                if let Some(earned) = missing.or(left.first()) {
                    let found = format_args!("{} of {}", earned.amount, earned.payee);
                    out.push(broken(Law::CalcDivergence, deal, "what its payments release", found).over(earned.amount));
                }
            }
        }
        self.due.extend(entries.iter().map(book));
    }

    fn spend(&mut self, event: &spend::Event, out: &mut Vec<Broken>) {
        let (account, deal, amount) = match event {
            spend::Event::Counted { account, deal, amount } => (account, deal, *amount),
            spend::Event::Reversed { account, deal, amount } => (account, deal, amount.negated()),
        };
        if !self.settle(&Due::Spend { account: account.clone(), deal: deal.clone(), amount }) {
            let key = spend::stream(account);
            out.push(broken(Law::ContributionIsPosted, key, "what its deal says", amount).over(amount));
        }
        self.spent.entry((account.clone(), amount.currency())).or_default().add(amount);
    }

    fn complete(&mut self, completion: &Completion, out: &mut Vec<Broken>) {
        let Completion { deal, gci, sides, entries, .. } = completion;
        self.calculate_again(completion, out);
        let whole: Sum = sides.iter().map(|side| Sum::from(side.gci)).sum();
        if whole != Sum::from(*gci) {
            let found = whole.show(gci.currency());
            out.push(broken(Law::PartsAreTheWhole, deal, gci.amount(), found).over(*gci));
        }
        let mut earned = FxHashMap::<&PayeeId, Sum>::default();
        for Line { party, amount, .. } in sides.iter().flat_map(|side| &side.lines) {
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
            if let Some(entry) = *entry {
                self.due.push(Due::Book { entry, payee: payee.clone(), amount: *amount });
            }
        }
        for (payee, lines) in earned.into_iter().filter(|(_, lines)| !lines.is_zero()) {
            let (key, expected) = (format!("{deal} {payee}"), lines.show(gci.currency()));
            out.push(broken(Law::EarnedIsBooked, key, expected, "no entry"));
        }
        let mut completed = Completed {
            sides: digest(sides),
            entries: entries.iter().filter_map(|earned| earned.entry).collect(),
            caps: Vec::new(),
            attainments: Vec::new(),
        };
        for met in &completion.caps {
            if let Some(amount) = self.meets(completion, met, out) {
                completed.caps.push((met.account.clone(), amount));
                self.due.push(Due::Contribute { account: met.account.clone(), deal: deal.clone(), amount });
            }
        }
        for Counted { account, before, after } in &completion.attainments {
            self.in_year(account, out);
            let was = self.attainments.get(account).copied().unwrap_or(Attained::nothing(before.revenue.currency()));
            if was != *before {
                let key = attainment::stream(account);
                out.push(broken(Law::BeforeIsWhatWas, key, was.revenue, before.revenue).over(before.revenue));
            }
            if let Some(by) = after.minus(before).ok().filter(|_| after != before) {
                completed.attainments.push((account.clone(), by));
                self.due.push(Due::Count { account: account.clone(), deal: deal.clone(), by });
            }
        }
        self.completed.insert(deal.clone(), completed);
    }

    /// Calculates a deal again, and checks the whole of every side on what was said of it.
    fn calculate_again(&mut self, completion: &Completion, out: &mut Vec<Broken>) {
        let deal = &completion.deal;
        let terms = self.open.remove(deal);
        let sides = terms.as_ref().and_then(|(basis, attribution)| basis.sides(attribution.as_ref()));
        let Some(sides) = sides else {
            out.push(broken(Law::CalcDivergence, deal, "a deal whose payees are known", "none"));
            return;
        };
        for (side, SideLines { gci, lines, .. }) in sides.iter().zip(&completion.sides) {
            let whole = Sum::from(*gci).plus(side.referral_in.map(Sum::from).unwrap_or_default());
            let sum: Sum = lines.iter().map(|line| Sum::from(line.amount)).sum();
            if sum != whole {
                let (expected, found) = (whole.show(gci.currency()), sum.show(gci.currency()));
                out.push(broken(Law::PartsAreTheWhole, deal, expected, found).over(*gci));
            }
        }
        let version = |in_force: &deal::PlanInForce| self.plans.version(&in_force.plan, in_force.version);
        match completion.recalculate(&sides, version, |payee| self.joined_on.get(payee).copied()) {
            Err(rejection) => out.push(broken(Law::CalcDivergence, deal, rejection, "what is stored")),
            Ok(calculation) => {
                if let Some((place, stored, calculated)) = completion.divergence(&calculation) {
                    out.push(broken(Law::CalcDivergence, format_args!("{deal} {place}"), calculated, stored));
                }
            }
        }
    }

    /// What a deal contributes to a cap that it meets, if anything.
    fn meets(&mut self, completion: &Completion, met: &Contribution, out: &mut Vec<Broken>) -> Option<Money> {
        let Contribution { account, limit, before, after } = met;
        self.in_year(account, out);
        let contributed = self.caps.get(account).copied().unwrap_or_default();
        if contributed != Sum::from(*before) {
            let expected = contributed.show(limit.currency());
            out.push(broken(Law::BeforeIsWhatWas, cap::stream(account), expected, before.amount()).over(*before));
        }
        let whole_deal = completion.plans.iter().any(|in_force| {
            let version = self.plans.version(&in_force.plan, in_force.version);
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
        after.minus(*before).ok().filter(|amount| !amount.is_zero())
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
        let (account, amount, due) = match event {
            cap::Event::Reached { .. } | cap::Event::ProgrammeOpened { .. } => return,
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                let contributed = self.caps.get(account).copied().unwrap_or_default();
                if contributed.plus(Sum::from(*amount)) > Sum::from(*limit) {
                    out.push(broken(Law::CapHolds, cap::stream(account), limit, amount).over(*amount));
                }
                (account, *amount, None)
            }
            cap::Event::Contributed { account, deal, amount, .. } => {
                let due = Due::Contribute { account: account.clone(), deal: deal.clone(), amount: *amount };
                (account, *amount, Some(due))
            }
            cap::Event::Reversed { account, deal, amount } => {
                let due = Due::GiveBack { account: account.clone(), deal: deal.clone(), amount: *amount };
                (account, amount.negated(), Some(due))
            }
        };
        if due.is_some_and(|due| !self.settle(&due)) {
            let key = cap::stream(account);
            out.push(broken(Law::ContributionIsPosted, key, "what its deal says", amount).over(amount));
        }
        let contributed = self.caps.entry(account.clone()).or_default();
        contributed.add(amount);
        if *contributed < Sum::ZERO {
            let found = contributed.show(amount.currency());
            out.push(broken(Law::ContributedIsNotNegative, cap::stream(account), "0 or more", found).over(amount));
        }
    }

    fn attainment(&mut self, event: &attainment::Event, out: &mut Vec<Broken>) {
        let (account, by) = (event.account(), event.attained());
        let due = match event {
            attainment::Event::OpeningSet { .. } => None,
            attainment::Event::Counted { deal, .. } => {
                Some(Due::Count { account: account.clone(), deal: deal.clone(), by })
            }
            attainment::Event::Reversed { deal, .. } => {
                Some(Due::Discount { account: account.clone(), deal: deal.clone(), by })
            }
        };
        let key = attainment::stream(account);
        if due.is_some_and(|due| !self.settle(&due)) {
            out.push(broken(Law::ContributionIsPosted, &key, "what its deal says", by.revenue).over(by.revenue));
        }
        let known = self.attainments.get(account).copied().unwrap_or(Attained::nothing(by.revenue.currency()));
        let after = match event {
            attainment::Event::Reversed { .. } => known.minus(&by),
            attainment::Event::OpeningSet { .. } | attainment::Event::Counted { .. } => known.plus(&by),
        };
        match after {
            Ok(after) => {
                self.attainments.insert(account.clone(), after);
            }
            Err(error) => out.push(broken(Law::ContributedIsNotNegative, key, "a sum", error).over(by.revenue)),
        }
    }

    fn account(&mut self, event: &account::Event, out: &mut Vec<Broken>) {
        match event {
            account::Event::EntryBooked { payee, entry, source, amount, .. } => {
                self.booked(payee, *entry, source, *amount, out);
            }
            account::Event::EntryReversed { payee, entry, because, amount } => {
                let due = self.settle(&Due::TakeBack { entry: *entry });
                self.moved(payee, *entry, Place::Payable, Place::Reversed, out);
                let adjusts = matches!(because, Because::Payout(_));
                let known = self.entries.get(entry);
                let exact = known.is_some_and(|known| known.amount == *amount && known.adjusts == adjusts);
                if !due || !exact {
                    out.push(broken(Law::ReversalIsExact, entry, "what was booked", amount).over(*amount));
                }
            }
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

    fn booked(&mut self, payee: &PayeeId, entry: EntryId, source: &Source, amount: Money, out: &mut Vec<Broken>) {
        match source {
            Source::Adjustment { .. } => {}
            Source::Commission { .. } => {
                if !self.settle(&Due::Book { entry, payee: payee.clone(), amount }) {
                    out.push(broken(Law::EarnedIsBooked, entry, "what its deal says", amount).over(amount));
                }
            }
            Source::Clawback { of, .. } => {
                let due = self.settle(&Due::TakeBack { entry: *of });
                let paid = self.entries.get(of).filter(|paid| paid.place == Place::Paid && paid.payee == *payee);
                let exact = paid.is_some_and(|paid| paid.amount.negated() == amount);
                if !due || !exact {
                    out.push(broken(Law::ReversalIsExact, entry, "what was paid, negated", amount).over(amount));
                }
            }
        }
        if self.entries.contains_key(&entry) {
            out.push(broken(Law::EntryIsBookedOnce, entry, "one booking", "another one").over(amount));
            return;
        }
        let adjusts = matches!(source, Source::Adjustment { .. });
        self.entries.insert(entry, Entry { payee: payee.clone(), amount, adjusts, place: Place::Payable });
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
                let taken_back = known.adjustment.map(|entry| Due::TakeBack { entry });
                self.due.extend(taken_back);
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
                        let late = self.settle(&Due::PayLate { payout: *payout, attempt: *attempt });
                        if late { (Failed, None) } else { (Processing, Some(*attempt)) }
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
                let taken_back = known.adjustment.map(|entry| Due::TakeBack { entry });
                self.due.extend(taken_back);
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
                    self.due.push(Due::PayLate { payout: *payout, attempt: *attempt });
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

fn book(sale::Earned { entry, payee, amount, .. }: &sale::Earned) -> Due {
    Due::Book { entry: *entry, payee: payee.clone(), amount: *amount }
}

fn digest(sides: &[SideLines]) -> Digest {
    Digest::of(&codec::canonical(&sides))
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
