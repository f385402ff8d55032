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
use crate::calendar::CapYear;
use crate::cap::{self, CapAccount};
use crate::deal::{self, Line};
use crate::event::Event;
use crate::id::{Actor, CapProgramme, DealId, EntryId, LedgerName, PayeeId, PayoutId, PlanId};
use crate::map::Small;
use crate::money::{Currency, Money};
use crate::payout::{self, Resolution, Status};
use crate::plan::{self, Crossing, Split};
use crate::projection::journal::{self, each_posting};
use crate::projection::replay::{Progress, ReplayError, each_event};
use crate::projection::sum::Sum;
use crate::projection::{All, Projection};
use crate::recorded::Recorded;
use crate::store::Store;

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
    /// The parts of a line are its base, and the bases of a deal its commission.
    PartsAreTheWhole => "parts_are_the_whole",
    /// What a deal's line says was earned, and nothing else, is booked with the deal.
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
    /// The room that a line met is what was left under the limit.
    RoomIsWhatIsLeft => "room_is_what_is_left",
    /// A contribution never exceeds the room, but for a deal that crosses under a whole-deal plan.
    CapHolds => "cap_holds",
    /// The cap years of a payee under one programme do not overlap, so that every day is in one of them.
    CapYearsDoNotOverlap => "cap_years_do_not_overlap",
    /// What a deal's line contributes, and nothing else, is posted with the deal.
    ContributionIsPosted => "contribution_is_posted",
    /// What is contributed is never below zero.
    ContributedIsNotNegative => "contributed_is_not_negative",
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
    caps: FxHashMap<CapAccount, Sum>,
    years: FxHashMap<(CapProgramme, PayeeId), Vec<CapYear>>,
    crossings: FxHashMap<(PlanId, u32), Crossing>,
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
    Contribute { account: CapAccount, deal: DealId, amount: Money },
    GiveBack { account: CapAccount, deal: DealId, amount: Money },
}

impl Due {
    fn law(&self) -> Law {
        match self {
            Self::Book { .. } => Law::EarnedIsBooked,
            Self::TakeBack { .. } => Law::ReversalIsExact,
            Self::PayLate { .. } => Law::LatePaymentIsResolved,
            Self::Contribute { .. } | Self::GiveBack { .. } => Law::ContributionIsPosted,
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Book { entry, .. } | Self::TakeBack { entry } => entry.to_string(),
            Self::PayLate { payout, .. } => payout.to_string(),
            Self::Contribute { account, .. } | Self::GiveBack { account, .. } => account.stream().to_string(),
        }
    }

    fn amount(&self) -> Option<Money> {
        match self {
            Self::Book { amount, .. } | Self::Contribute { amount, .. } | Self::GiveBack { amount, .. } => {
                Some(*amount)
            }
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
        match &recorded.event {
            Event::Plan(plan::Event::Published { plan, version, document, .. }) => {
                if let Split::Capped(capped) = &document.split {
                    self.crossings.insert((plan.clone(), *version), capped.crossing);
                }
            }
            Event::Deal(event) => self.deal(event, &mut broken),
            Event::Cap(event) => self.cap(event, &mut broken),
            Event::Account(event) => self.account(event, &mut broken),
            Event::Payout(event) => self.payout(event, &mut broken),
            Event::Settings(_) | Event::Payee(_) => {}
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
            deal::Event::Registered { .. } | deal::Event::Attributed { .. } => {}
            deal::Event::Completed { deal, gci, lines, .. } => {
                let base: Sum = lines.iter().map(|line| Sum::from(line.amounts.base)).sum();
                if base != Sum::from(*gci) {
                    let found = base.show(gci.currency());
                    out.push(broken(Law::PartsAreTheWhole, deal, gci.amount(), found).over(*gci));
                }
                lines.iter().for_each(|line| self.line(deal, line, out));
            }
            deal::Event::Reversed { deal, lines, .. } => {
                for line in lines {
                    if let Some(entry) = line.entry {
                        self.due.push(Due::TakeBack { entry });
                    }
                    if let Some(cap) = line.cap.as_ref().filter(|_| line.amounts.company_dollar.is_positive()) {
                        let (account, amount) = (cap.account.clone(), line.amounts.company_dollar);
                        self.due.push(Due::GiveBack { account, deal: deal.clone(), amount });
                    }
                }
            }
        }
    }

    fn line(&mut self, deal: &DealId, line: &Line, out: &mut Vec<Broken>) {
        let amounts = line.amounts;
        let parts = [amounts.company_dollar, amounts.post_cap_company, amounts.post_cap_fee, amounts.payee_net];
        let parts: Sum = parts.into_iter().map(Sum::from).sum();
        if parts != Sum::from(amounts.base) {
            let (expected, found) = (amounts.base.amount(), parts.show(amounts.base.currency()));
            out.push(broken(Law::PartsAreTheWhole, format!("{deal} {}", line.payee), expected, found));
        }
        match line.entry {
            Some(entry) => {
                self.due.push(Due::Book { entry, payee: line.payee.clone(), amount: amounts.payee_net });
            }
            None if amounts.payee_net.is_zero() => {}
            None => {
                let key = format!("{deal} {}", line.payee);
                out.push(broken(Law::EarnedIsBooked, key, amounts.payee_net, "no entry").over(amounts.payee_net));
            }
        }
        let Some(met) = &line.cap else { return };
        let CapAccount { programme, payee, year } = &met.account;
        let years = self.years.entry((programme.clone(), payee.clone())).or_default();
        if let Some(other) =
            years.iter().find(|other| other.start < year.end && year.start < other.end && *other != year)
        {
            out.push(broken(Law::CapYearsDoNotOverlap, met.account.stream(), other, year));
        }
        if !years.contains(year) {
            years.push(*year);
        }
        let contributed = self.caps.get(&met.account).copied().unwrap_or_default();
        let left = Sum::from(met.limit).minus(contributed).max(Sum::ZERO);
        if left != Sum::from(met.room) {
            let expected = left.show(met.limit.currency());
            out.push(broken(Law::RoomIsWhatIsLeft, met.account.stream(), expected, met.room.amount()));
        }
        let crossing = self.crossings.get(&(line.plan.clone(), line.version)).copied().unwrap_or_default();
        let whole = crossing == Crossing::WholeDealPreCap && !left.is_zero();
        if Sum::from(amounts.company_dollar) > left && !whole {
            let expected = format!("at most {}", left.show(met.limit.currency()));
            let key = met.account.stream();
            out.push(broken(Law::CapHolds, key, expected, amounts.company_dollar).over(amounts.company_dollar));
        }
        if amounts.company_dollar.is_positive() {
            let (account, amount) = (met.account.clone(), amounts.company_dollar);
            self.due.push(Due::Contribute { account, deal: deal.clone(), amount });
        }
    }

    fn cap(&mut self, event: &cap::Event, out: &mut Vec<Broken>) {
        let (account, amount, due) = match event {
            cap::Event::Reached { .. } | cap::Event::ProgrammeOpened { .. } => return,
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                let contributed = self.caps.get(account).copied().unwrap_or_default();
                if contributed.plus(Sum::from(*amount)) > Sum::from(*limit) {
                    out.push(broken(Law::CapHolds, account.stream(), limit, amount).over(*amount));
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
            out.push(broken(Law::ContributionIsPosted, account.stream(), "what its deal says", amount).over(amount));
        }
        let contributed = self.caps.entry(account.clone()).or_default();
        contributed.add(amount);
        if *contributed < Sum::ZERO {
            let found = contributed.show(amount.currency());
            out.push(broken(Law::ContributedIsNotNegative, account.stream(), "0 or more", found).over(amount));
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
                | journal::Account::CompanyDollar
                | journal::Account::PostCapCompany
                | journal::Account::PostCapFees
                | journal::Account::Adjustments
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

fn balanced(recorded: &Recorded, out: &mut Vec<Broken>) {
    let mut sums = Small::<Currency, Sum>::default();
    each_posting(&recorded.event, |posting| sums.update(&posting.amount.currency(), |sum| sum.add(posting.amount)));
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
