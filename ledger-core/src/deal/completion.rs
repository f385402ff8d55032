//! The completion of a deal: its calculation by the [waterfall](crate::waterfall), what that posts, and the same again.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Deal, Event, Rejection, book, first_difference, take_back};
use crate::Date;
use crate::account::Source;
use crate::attainment;
use crate::calendar::in_range;
use crate::cap;
use crate::chain::Digest;
use crate::decide::{Context, Decision, Undecided};
use crate::event;
use crate::id::{DealId, EntryId, PayeeId, PlanId, Text};
use crate::money::{Money, MoneyError};
use crate::plan::Version;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::waterfall::{
    self, Account, Attained, BonusState, Books, Calculated, Calculation, Contribution, Kind, Member, Party, Progress,
    Sharer, Side, SideKind, calculate,
};

/// A deal that was calculated: what that rests on, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The deal.
    pub deal: DealId,
    /// The day, which decided on plan versions and years.
    pub completed_on: Date,
    /// Its gross commission income, of all sides together.
    pub gci: Money,
    /// Who has what of each side.
    pub sides: Vec<SideLines>,
    /// The plan version of each sharer, in order of first appearance.
    pub plans: Vec<PlanInForce>,
    /// Every cap that the calculation looked at, and what it left there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Contribution>,
    /// Every attainment that it looked at, and what it left there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attainments: Vec<Progress>,
    /// What each payee has of all sides together, in order of first appearance.
    pub entries: Vec<Earned>,
}

/// Who has what of a side. The lines sum to its commission and its referral-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideLines {
    /// Which side.
    pub side: SideKind,
    /// Its gross commission income.
    pub gci: Money,
    /// What is left of it once the top is taken off.
    pub net: Money,
    /// Who has what.
    pub lines: Vec<Line>,
}

/// What one party has of a side, or pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Whose part of the side it is of; none for what is of the side as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PayeeId>,
    /// Who has it or, below zero, pays it.
    pub party: Party,
    /// What it is.
    pub kind: Kind,
    /// Its name in the plan; the reason of an adjustment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// How much.
    pub amount: Money,
}

/// The plan version under which a sharer's part was calculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanInForce {
    /// The payee.
    pub payee: PayeeId,
    /// The plan.
    pub plan: PlanId,
    /// The version of the plan.
    pub version: u32,
    /// The hash of that version.
    pub plan_hash: Digest,
}

/// What a payee has of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earned {
    /// The payee.
    pub payee: PayeeId,
    /// The entry; none where the amount is zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The sum of its lines; below zero the payee owes it.
    pub amount: Money,
}

/// Completes a deal, after the events that `decision` has already.
pub(super) fn complete(
    context: &Context<'_>,
    deal: &Deal,
    day: Date,
    mut decision: Decision,
) -> Result<Decision, Undecided> {
    let unattributed = || Rejection::NotAttributed { deal: deal.id.clone() };
    let sides = deal.basis.sides(deal.attribution.as_ref()).ok_or_else(unattributed)?;
    in_range(day)?;
    let slice = context.slice;
    let sharers = sharers(&sides);
    slice.require(sharers.iter().map(|sharer| StreamId::Payee(sharer.payee.clone())))?;
    let mut assigned = Vec::with_capacity(sharers.len());
    for Sharer { payee, .. } in &sharers {
        let known = slice.payee(payee)?;
        assigned.push((payee, known.joined_on(), known.plan_on(day)?));
    }
    slice.require(assigned.iter().map(|(.., assignment)| StreamId::Plan(assignment.plan.clone())))?;

    let currency = deal.gci.currency();
    let mut members = Vec::with_capacity(assigned.len());
    let mut plans = Vec::with_capacity(assigned.len());
    for (payee, joined_on, assignment) in assigned {
        let version = slice.plan(&assignment.plan)?.version(assignment.version)?;
        if version.document.currency != currency {
            return Err(Rejection::WrongCurrency {
                deal: deal.id.clone(),
                deal_currency: currency,
                payee: payee.clone(),
                plan: assignment.plan.clone(),
                plan_currency: version.document.currency,
            }
            .into());
        }
        members.push(Member { payee, plan: version.of(&assignment.plan, assignment.version), joined_on, day });
        let (payee, plan, version, plan_hash) =
            (payee.clone(), assignment.plan.clone(), assignment.version, version.hash);
        plans.push(PlanInForce { payee, plan, version, plan_hash });
    }

    let account = |payee: &PayeeId| StreamId::Account { payee: payee.clone(), currency };
    let books = Looked { slice, in_vain: RefCell::default() };
    let calculation = calculate(&sides, &members, &books);
    books.found(sharers.iter().map(|sharer| account(&sharer.payee)))?;
    let calculation = calculation?;
    let sides: Vec<_> = calculation.sides.iter().map(SideLines::from).collect();
    mark!(DualAgency, sides.len() > 1);
    let entries = entries(&sides, |index| Some(context.new_entry(index)))?;
    let entries = planted!(OnlySharersBooked => crate::planted::of_sharers(entries, &sharers), entries);
    slice.require(entries.iter().map(|earned| account(&earned.payee)))?;

    let Calculation { contributions: caps, progress: attainments, .. } = calculation;
    let (id, gci) = (deal.id.clone(), deal.gci);
    let completion = Completion { deal: id, completed_on: day, gci, sides, plans, caps, attainments, entries };
    let mut posted = Vec::new();
    for cap in &completion.caps {
        mark!(ClosedCapYear, cap.after != cap.before && cap.account.year.end <= context.today);
        let events = cap::contribute(&deal.id, cap)?;
        posted.extend(events.map(|event| (cap::stream(&cap.account), event::Event::from(event))));
    }
    for progress in completion.attainments.iter().filter(|progress| progress.after != progress.before) {
        let event = attainment::Event::counted(progress, &deal.id)?;
        posted.push((attainment::stream(&progress.account), event.into()));
    }
    for Earned { payee, entry, amount } in &completion.entries {
        let Some(entry) = *entry else { continue };
        mark!(ReceivableBooked, amount.is_negative());
        posted.push(book(payee, entry, Source::Commission { deal: deal.id.clone() }, *amount, day));
    }
    decision = decision.with(StreamId::Deal(deal.id.clone()), Event::Completed(completion));
    Ok(posted.into_iter().fold(decision, |decision, (stream, event)| decision.with(stream, event)))
}

/// The payees of all sides, each once, in order of first appearance.
fn sharers(sides: &[Side]) -> Vec<&Sharer> {
    let mut seen = BTreeSet::new();
    sides.iter().flat_map(|side| &side.payees).filter(|sharer| seen.insert(&sharer.payee)).collect()
}

/// What each payee has of all sides together.
fn entries(sides: &[SideLines], new_entry: impl Fn(u32) -> Option<EntryId>) -> Result<Vec<Earned>, MoneyError> {
    let mut entries: Vec<Earned> = Vec::new();
    for Line { party, amount, .. } in sides.iter().flat_map(|side| &side.lines) {
        let Party::Payee(payee) = party else { continue };
        match entries.iter_mut().find(|earned| earned.payee == *payee) {
            Some(earned) => earned.amount = earned.amount.plus(*amount)?,
            None => entries.push(Earned { payee: payee.clone(), entry: None, amount: *amount }),
        }
    }
    for (index, earned) in (0..).zip(&mut entries) {
        planted!(Canary => earned.amount = earned.amount.minus(Money::new(1, earned.amount.currency())?)?);
        earned.entry = if earned.amount.is_zero() { None } else { new_entry(index) };
    }
    Ok(entries)
}

/// What a slice knows of the accounts that a calculation looks up, and what was looked up in vain.
struct Looked<'a> {
    slice: &'a Slice,
    in_vain: RefCell<Vec<Undecided>>,
}

impl Looked<'_> {
    fn note<T>(&self, looked_up: Result<T, Undecided>) -> Option<T> {
        looked_up.map_err(|undecided| self.in_vain.borrow_mut().push(undecided)).ok()
    }

    /// Asks for everything that was looked up in vain, and for `more`, at once.
    fn found(self, more: impl Iterator<Item = StreamId>) -> Result<(), Undecided> {
        let mut needs = Vec::new();
        for undecided in self.in_vain.into_inner() {
            match undecided {
                Undecided::Needs(streams) => needs.extend(streams),
                other => return Err(other),
            }
        }
        self.slice.require(needs.into_iter().chain(more))
    }
}

impl Books for Looked<'_> {
    fn contributed(&self, account: &Account) -> Option<Money> {
        self.note(self.slice.cap(account))?.contributed()
    }

    fn attained(&self, account: &Account) -> Option<Attained> {
        self.note(self.slice.attainment(account))?.total()
    }

    fn bonus(&self, account: &Account, name: &Text) -> Option<BonusState> {
        self.note(self.slice.attainment(account))?.bonus(name)
    }
}

impl Completion {
    /// Calculates the deal again: on its [sides](super::Basis::sides), under the plan versions that were in force, as `version` finds them,
    /// and on what was counted before it.
    ///
    /// # Errors
    /// [`waterfall::Rejection`] when a version is not found, or is another one, and when the deal would be refused.
    pub fn recalculate<'a>(
        &'a self,
        sides: &'a [Side],
        version: impl Fn(&PlanInForce) -> Option<&'a Version>,
        joined_on: impl Fn(&PayeeId) -> Option<Date>,
    ) -> Result<Calculation<'a>, waterfall::Rejection> {
        let mut members = Vec::with_capacity(self.plans.len());
        for (index, in_force) in self.plans.iter().enumerate() {
            let PlanInForce { payee, plan, version: number, plan_hash } = in_force;
            let found = version(in_force).filter(|version| version.hash == *plan_hash);
            let unknown = || waterfall::Rule::UnknownPlan { plan: plan.clone() }.at(format_args!("plans.{index}"));
            let plan = found.ok_or_else(unknown)?.of(plan, *number);
            members.push(Member { payee, plan, joined_on: joined_on(payee), day: self.completed_on });
        }
        calculate(sides, &members, self)
    }

    /// The deal as a calculation has it. The entries keep their names.
    ///
    /// # Errors
    /// [`MoneyError`] when what a payee has cannot be summed.
    pub fn calculated(&self, calculation: &Calculation<'_>) -> Result<Self, MoneyError> {
        let sides: Vec<_> = calculation.sides.iter().map(SideLines::from).collect();
        let mut entries = entries(&sides, |_| None)?;
        for earned in entries.iter_mut().filter(|earned| !earned.amount.is_zero()) {
            earned.entry = self.entries.iter().find(|known| known.payee == earned.payee).and_then(|known| known.entry);
        }
        let (caps, attainments) = (calculation.contributions.clone(), calculation.progress.clone());
        Ok(Self { sides, caps, attainments, entries, ..self.clone() })
    }

    /// Where a calculation comes to something else than what is stored: the place, what is stored there, and what is calculated.
    #[must_use]
    pub fn divergence(&self, calculation: &Calculation<'_>) -> Option<(String, String, String)> {
        let sides: Vec<_> = calculation.sides.iter().map(SideLines::from).collect();
        let lines = self.sides.iter().zip(&sides).enumerate().find_map(|(index, (stored, calculated))| {
            first_difference(&format!("sides.{index}.lines"), &stored.lines, &calculated.lines)
        });
        let booked = entries(&sides, |_| None).ok();
        let amounts = |entries: &[Earned]| -> Vec<_> {
            entries.iter().map(|Earned { payee, amount, .. }| (payee.clone(), *amount)).collect()
        };
        lines
            .or_else(|| first_difference("sides", &self.sides, &sides))
            .or_else(|| first_difference("caps", &self.caps, &calculation.contributions))
            .or_else(|| first_difference("attainments", &self.attainments, &calculation.progress))
            .or_else(|| first_difference("entries", &amounts(&self.entries), &amounts(&booked.unwrap_or_default())))
    }
}

/// What was counted before the deal.
impl Books for Completion {
    fn contributed(&self, account: &Account) -> Option<Money> {
        self.caps.iter().find(|cap| cap.account == *account).map(|cap| cap.before)
    }

    fn attained(&self, account: &Account) -> Option<Attained> {
        self.attainments.iter().find(|attained| attained.account == *account).map(|attained| attained.before)
    }

    fn bonus(&self, account: &Account, name: &Text) -> Option<BonusState> {
        self.attainments.iter().find(|attained| attained.account == *account)?.bonus(name)
    }
}

impl From<&Calculated<'_>> for SideLines {
    fn from(Calculated { side, gci, net, lines, .. }: &Calculated<'_>) -> Self {
        Self { side: *side, gci: *gci, net: *net, lines: lines.iter().map(Line::from).collect() }
    }
}

impl From<&waterfall::Line<'_>> for Line {
    fn from(line: &waterfall::Line<'_>) -> Self {
        let (of, name) = (line.of.cloned(), line.name.cloned());
        Self { of, party: line.party.clone(), kind: line.kind, name, amount: line.amount }
    }
}

/// Takes a completed deal back, in the years of the deal.
pub(super) fn reverse(
    context: &Context<'_>,
    deal: &Deal,
    completion: &Completion,
    reason: &Text,
) -> Result<Decision, Undecided> {
    let currency = deal.gci.currency();
    // What is completed on a day to come was not taken back before it.
    let day = context.today.max(completion.completed_on);
    let Completion { sides, caps, attainments, entries, .. } =
        planted!(ReversalInCurrentYear => &*crate::planted::in_year_of(context.today, completion), completion);
    let caps = || caps.iter().filter(|cap| cap.after != cap.before);
    let attainments = || attainments.iter().filter(|attained| attained.after != attained.before);
    let accounts = entries.iter().map(|earned| StreamId::Account { payee: earned.payee.clone(), currency });
    let streams = accounts.chain(caps().map(|cap| cap::stream(&cap.account)));
    context.slice.require(streams.chain(attainments().map(|attained| attainment::stream(&attained.account))))?;

    let reversed = Event::Reversed { deal: deal.id.clone(), reason: reason.clone(), sides: sides.clone() };
    let mut decision = context.decision().effective(day).with(StreamId::Deal(deal.id.clone()), reversed);
    for Contribution { account, before, after, .. } in caps() {
        mark!(RoomGivenBack);
        let amount = after.minus(*before)?;
        let event = cap::Event::Reversed { account: account.clone(), deal: deal.id.clone(), amount };
        decision = decision.with(cap::stream(account), event);
    }
    for progress in attainments() {
        mark!(AttainmentGivenBack);
        let event = attainment::Event::reversed(progress, &deal.id)?;
        decision = decision.with(attainment::stream(&progress.account), event);
    }
    for (index, Earned { payee, entry, .. }) in (0..).zip(entries) {
        let Some(entry) = *entry else { continue };
        decision = take_back(context, decision, deal, (payee, entry), index)?;
    }
    Ok(decision)
}
