//! A deal: a commissionable event of the host, from its registration to the entries that it earned.
//!
//! ```text
//! registered ─► attributed ─► completed ─► reversed
//!      │            └──▲ (attributed again)    ▲
//!      └── with sides ──────────► completed ───┘
//! ```
//!
//! Completing a deal calculates it [by the waterfall](crate::waterfall), under the plan versions of that day and on the caps and
//! attainments as they are: what counts to those is posted, and what each payee has becomes an entry. Reversing it negates exactly
//! what was stored, in the years of the deal.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::Date;
use crate::account::{self, Source, Status};
use crate::attainment;
use crate::attribution::{Attribution, Credit};
use crate::calendar::in_range;
use crate::cap;
use crate::chain::Digest;
use crate::codec;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{DealId, EntryId, PayeeId, PayoutId, PlanId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::plan::Version;
use crate::rate::Rate;
use crate::settings::Capability;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::waterfall::{
    self, Account, Adjustment, Attained, BonusState, Books, Calculated, Calculation, Contribution, Gci, Kind, Member,
    OffTop, Party, Progress, Sharer, Side, SideKind, calculate, check,
};

/// What can be asked of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a deal known.
    Register {
        /// The deal.
        deal: DealId,
        /// Its gross commission income.
        gci: Gci,
    },
    /// Says who gets credit for it. Said again before completion, it supersedes what was said.
    Attribute {
        /// The deal.
        deal: DealId,
        /// By which model.
        attribution: Attribution,
    },
    /// Completes it: calculates every payee's part and books the entries.
    Complete {
        /// The deal.
        deal: DealId,
        /// The day, which decides on plan versions and cap years.
        completed_on: Date,
    },
    /// Registers, attributes and completes at once, for deals that are known only when they are done.
    Record {
        /// The deal.
        deal: DealId,
        /// Its gross commission income.
        gci: Gci,
        /// By which model it is attributed.
        attribution: Attribution,
        /// The day, which decides on plan versions and cap years.
        completed_on: Date,
    },
    /// Makes a deal of sides known. Its sides say who shares them.
    RegisterSides {
        /// The deal.
        deal: DealId,
        /// Its sides.
        #[serde(serialize_with = "without_defaults")]
        sides: Vec<Side>,
    },
    /// Registers and completes a deal of sides at once.
    RecordSides {
        /// The deal.
        deal: DealId,
        /// Its sides.
        #[serde(serialize_with = "without_defaults")]
        sides: Vec<Side>,
        /// The day, which decides on plan versions and years.
        completed_on: Date,
    },
    /// Takes a completed deal back in full. What is unpaid is reversed, what is paid becomes a clawback.
    Reverse {
        /// The deal.
        deal: DealId,
        /// Why.
        reason: Text,
    },
}

/// What happened to a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The deal became known.
    Registered {
        /// The deal.
        deal: DealId,
        /// What was said of its commission.
        basis: Basis,
        /// Its gross commission income.
        gci: Money,
    },
    /// It was said who gets credit.
    Attributed {
        /// The deal.
        deal: DealId,
        /// By which model.
        attribution: Attribution,
        /// Each payee's part. They sum to the commission.
        credits: Vec<Credit>,
    },
    /// The deal was completed and calculated.
    Completed(Completion),
    /// The deal was taken back in full.
    Reversed {
        /// The deal.
        deal: DealId,
        /// Why.
        reason: Text,
        /// The sides that are negated.
        sides: Vec<SideLines>,
    },
}

/// What was said of a deal's commission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Basis {
    /// It is given.
    Amount(Money),
    /// It is a rate of the price, rounded half away from zero.
    OfPrice {
        /// The price.
        price: Money,
        /// The rate.
        rate: Rate,
    },
    /// It is that of the sides.
    Sides(Vec<Side>),
}

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

/// Why a request about a deal is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// No deal of that name.
    #[error("deal {deal} is unknown: register it with deal.register first")]
    Unknown {
        /// The deal.
        deal: DealId,
    },
    /// The name is taken, by a deal with other particulars.
    #[error("deal {deal} is already registered, with a commission of {gci}")]
    AlreadyRegistered {
        /// The deal.
        deal: DealId,
        /// Its gross commission income.
        gci: Money,
    },
    /// Corrections go through reversal.
    #[error("a commission of {gci} is below zero: reverse the deal that it corrects")]
    NegativeGci {
        /// The commission.
        gci: Money,
    },
    /// Sides name their own payees.
    #[error("deal {deal} has sides, and its sides say who shares them: it is completed without being attributed")]
    HasSides {
        /// The deal.
        deal: DealId,
    },
    /// Nobody gets credit yet.
    #[error("deal {deal} is not attributed: say who gets credit with deal.attribute first")]
    NotAttributed {
        /// The deal.
        deal: DealId,
    },
    /// It is completed already.
    #[error("deal {deal} was completed on {completed_on}: reverse it to change it")]
    AlreadyCompleted {
        /// The deal.
        deal: DealId,
        /// When.
        completed_on: Date,
    },
    /// It is not completed yet.
    #[error("deal {deal} is not completed: there is nothing to reverse")]
    NotCompleted {
        /// The deal.
        deal: DealId,
    },
    /// It was taken back, and stays so.
    #[error("deal {deal} is reversed: register what comes after it as a deal of its own")]
    Reversed {
        /// The deal.
        deal: DealId,
    },
    /// The plan and the deal are in different currencies.
    #[error("deal {deal} is in {deal_currency}, plan {plan} of payee {payee} in {plan_currency}")]
    WrongCurrency {
        /// The deal.
        deal: DealId,
        /// Its currency.
        deal_currency: Currency,
        /// The payee.
        payee: PayeeId,
        /// Its plan.
        plan: PlanId,
        /// The currency of the plan.
        plan_currency: Currency,
    },
    /// An entry of the deal is in a payout that is not settled yet.
    #[error("entry {entry} of payee {payee} is claimed by payout {payout}: void or settle that payout first")]
    EntryClaimed {
        /// The entry.
        entry: EntryId,
        /// Whose entry.
        payee: PayeeId,
        /// The payout.
        payout: PayoutId,
    },
}

/// A deal as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    id: DealId,
    basis: Basis,
    gci: Money,
    attribution: Option<Attribution>,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stage {
    Open,
    Completed(Box<Completion>),
    Reversed,
}

impl From<&Gci> for Basis {
    fn from(gci: &Gci) -> Self {
        match *gci {
            Gci::Amount(amount) => Self::Amount(amount),
            Gci::OfPrice { price, rate } => Self::OfPrice { price, rate },
        }
    }
}

impl Basis {
    /// The sides of the deal. One that was registered without any has a sole side, which is shared by who is credited; none as
    /// long as nobody is.
    #[must_use]
    pub fn sides(&self, attribution: Option<&Attribution>) -> Option<Cow<'_, [Side]>> {
        let gci = match self {
            Self::Sides(sides) => return Some(Cow::Borrowed(sides)),
            Self::Amount(amount) => Gci::Amount(*amount),
            Self::OfPrice { price, rate } => Gci::OfPrice { price: *price, rate: *rate },
        };
        let payees = attribution?.sharers();
        let (side, units) = (SideKind::Sole, 1);
        let (referral_in, off_top, adjustments) = (None, Vec::new(), Vec::new());
        Some(Cow::Owned(vec![Side { side, gci, referral_in, units, off_top, payees, adjustments }]))
    }
}

/// Sides as they are asked, see [`codec::without_defaults`](crate::codec).
fn without_defaults<S: Serializer>(sides: &[Side], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Asked<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        side: Option<SideKind>,
        gci: &'a Gci,
        #[serde(skip_serializing_if = "Option::is_none")]
        referral_in: Option<Money>,
        #[serde(skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
        #[serde(skip_serializing_if = "<[OffTop]>::is_empty")]
        off_top: &'a [OffTop],
        payees: &'a [Sharer],
        #[serde(skip_serializing_if = "<[Adjustment]>::is_empty")]
        adjustments: &'a [Adjustment],
    }
    serializer.collect_seq(sides.iter().map(|Side { side, gci, referral_in, units, off_top, payees, adjustments }| {
        let side = (*side != SideKind::default()).then_some(*side);
        Asked {
            side,
            gci,
            referral_in: *referral_in,
            units: (*units != 1).then_some(*units),
            off_top,
            payees,
            adjustments,
        }
    }))
}

impl Deal {
    fn open(&self) -> Result<&Self, Rejection> {
        match &self.stage {
            Stage::Open => Ok(self),
            Stage::Completed(completion) => {
                Err(Rejection::AlreadyCompleted { deal: self.id.clone(), completed_on: completion.completed_on })
            }
            Stage::Reversed => Err(Rejection::Reversed { deal: self.id.clone() }),
        }
    }

    fn is_completed_on(&self, day: Date) -> bool {
        matches!(&self.stage, Stage::Completed(completion) if completion.completed_on == day)
    }
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let slice = context.slice;
        match self {
            Self::Register { deal, gci } => {
                let registered = register(context, deal, Basis::from(gci))?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), registered))
            }
            Self::RegisterSides { deal, sides } => {
                let registered = register(context, deal, Basis::Sides(sides.clone()))?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), registered))
            }
            Self::Attribute { deal, attribution } => {
                let known = slice.deal(deal)?.open()?;
                if known.attribution.as_ref() == Some(attribution) {
                    return Err(Undecided::already_known(format_args!("this attribution of deal {deal}")));
                }
                let attributed = attribute(context, known, attribution)?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), attributed))
            }
            Self::Complete { deal, completed_on } => {
                let known = slice.deal(deal)?;
                if known.is_completed_on(*completed_on) {
                    return Err(Undecided::already_known(format_args!("the completion of deal {deal}")));
                }
                let day = planted!(EffectiveToday => context.today, *completed_on);
                complete(context, known.open()?, *completed_on, context.decision().effective(day))
            }
            Self::Record { deal, gci, attribution, completed_on } => {
                record(context, deal, Basis::from(gci), Some(attribution), *completed_on)
            }
            Self::RecordSides { deal, sides, completed_on } => {
                record(context, deal, Basis::Sides(sides.clone()), None, *completed_on)
            }
            Self::Reverse { deal, reason } => reverse(context, slice.deal(deal)?, reason),
        }
    }
}

fn register(context: &Context<'_>, deal: &DealId, basis: Basis) -> Result<Event, Undecided> {
    let slice = context.slice;
    if let Some(known) = slice.find_deal(deal)? {
        if known.basis == basis && known.stage == Stage::Open && known.attribution.is_none() {
            return Err(Undecided::already_known(format_args!("deal {deal}")));
        }
        return Err(Rejection::AlreadyRegistered { deal: deal.clone(), gci: known.gci }.into());
    }
    let gci = match &basis {
        Basis::Amount(amount) => *amount,
        Basis::OfPrice { price, rate } => Gci::OfPrice { price: *price, rate: *rate }.amount()?,
        Basis::Sides(sides) => check(sides)?,
    };
    if gci.is_negative() {
        return Err(Rejection::NegativeGci { gci }.into());
    }
    context.settings.demand_currency(gci.currency())?;
    if let Basis::Sides(sides) = &basis {
        if sides.iter().any(|side| !side.adjustments.is_empty()) {
            context.settings.demand(Capability::ManualAmounts)?;
        }
        let sharers = sides.iter().flat_map(|side| &side.payees);
        known_payees(slice, sharers.flat_map(|sharer| [&sharer.payee].into_iter().chain(&sharer.mentor)).collect())?;
    }
    Ok(Event::Registered { deal: deal.clone(), basis, gci })
}

fn attribute(context: &Context<'_>, deal: &Deal, attribution: &Attribution) -> Result<Event, Undecided> {
    if matches!(deal.basis, Basis::Sides(_)) {
        return Err(Rejection::HasSides { deal: deal.id.clone() }.into());
    }
    let credits = attribution.credits(deal.gci)?;
    known_payees(context.slice, attribution.payees().collect())?;
    Ok(Event::Attributed { deal: deal.id.clone(), attribution: attribution.clone(), credits })
}

fn known_payees(slice: &Slice, payees: Vec<&PayeeId>) -> Result<(), Undecided> {
    slice.require(payees.iter().map(|payee| StreamId::Payee(PayeeId::clone(payee))))?;
    payees.into_iter().try_for_each(|payee| slice.payee(payee).map(drop))
}

/// Registers, attributes if that is asked, and completes.
fn record(
    context: &Context<'_>,
    deal: &DealId,
    basis: Basis,
    attribution: Option<&Attribution>,
    completed_on: Date,
) -> Result<Decision, Undecided> {
    if let Some(known) = context.slice.find_deal(deal)? {
        let same = known.basis == basis && known.attribution.as_ref() == attribution;
        if same && known.is_completed_on(completed_on) {
            return Err(Undecided::already_known(format_args!("deal {deal}")));
        }
        return Err(Rejection::AlreadyRegistered { deal: deal.clone(), gci: known.gci }.into());
    }
    let stream = StreamId::Deal(deal.clone());
    let mut state = None;
    let registered = register(context, deal, basis)?;
    evolve(&mut state, &registered)?;
    let mut decision = context.decision().effective(completed_on).with(stream.clone(), registered);
    if let Some(attribution) = attribution {
        let attributed = attribute(context, state.as_ref().ok_or(Misfit("not registered"))?, attribution)?;
        evolve(&mut state, &attributed)?;
        decision = decision.with(stream, attributed);
    }
    complete(context, state.as_ref().ok_or(Misfit("not registered"))?, completed_on, decision)
}

fn complete(context: &Context<'_>, deal: &Deal, day: Date, mut decision: Decision) -> Result<Decision, Undecided> {
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
    let mentors = sides.iter().flat_map(|side| &side.payees).filter_map(|sharer| sharer.mentor.as_ref());
    let beneficiaries = members.iter().flat_map(|member| member.plan.document().beneficiaries());
    if !planted!(StrangerPaid) {
        let known = known_payees(slice, mentors.chain(beneficiaries).collect());
        mark!(StrangerNamed, matches!(known, Err(Undecided::Rejected(_))));
        known?;
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
    /// Calculates the deal again: on its [sides](Basis::sides), under the plan versions that were in force, as `version` finds them,
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

fn first_difference<T: PartialEq + Serialize>(
    place: &str,
    stored: &[T],
    calculated: &[T],
) -> Option<(String, String, String)> {
    let longer = stored.len().max(calculated.len());
    let index = (0..longer).find(|index| stored.get(*index) != calculated.get(*index))?;
    let json = |item: Option<&T>| String::from_utf8(item.map(codec::canonical).unwrap_or_default()).unwrap_or_default();
    Some((format!("{place}.{index}"), json(stored.get(index)), json(calculated.get(index))))
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

fn reverse(context: &Context<'_>, deal: &Deal, reason: &Text) -> Result<Decision, Undecided> {
    let completion = match &deal.stage {
        Stage::Open => return Err(Rejection::NotCompleted { deal: deal.id.clone() }.into()),
        Stage::Reversed => return Err(Undecided::already_known(format_args!("the reversal of deal {}", deal.id))),
        Stage::Completed(completion) => {
            planted!(ReversalInCurrentYear => &crate::planted::in_year_of(context.today, completion), completion)
        }
    };
    let currency = deal.gci.currency();
    let Completion { sides, caps, attainments, entries, .. } = &**completion;
    let caps = || caps.iter().filter(|cap| cap.after != cap.before);
    let attainments = || attainments.iter().filter(|attained| attained.after != attained.before);
    let accounts = entries.iter().map(|earned| StreamId::Account { payee: earned.payee.clone(), currency });
    let streams = accounts.chain(caps().map(|cap| cap::stream(&cap.account)));
    context.slice.require(streams.chain(attainments().map(|attained| attainment::stream(&attained.account))))?;

    let reversed = Event::Reversed { deal: deal.id.clone(), reason: reason.clone(), sides: sides.clone() };
    let mut decision = context.decision().with(StreamId::Deal(deal.id.clone()), reversed);
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
        let account = context.slice.account(payee, currency)?;
        let booked = account.entry(entry).ok_or(Misfit("the entry of the deal is not booked"))?;
        let (payee, amount) = (payee.clone(), booked.amount);
        mark!(ReceivableTakenBack, amount.is_negative());
        if planted!(ReceivableLeft) && amount.is_negative() {
            continue;
        }
        mark!(ReversalWhileClaimed, matches!(booked.status, Status::Claimed(_)));
        decision = match planted!(ReversalWhileClaimed => crate::planted::paid_if_claimed(booked.status), booked.status)
        {
            Status::Payable { .. } => {
                let because = account::Because::Deal(deal.id.clone());
                let event = account::Event::EntryReversed { payee: payee.clone(), entry, because, amount };
                decision.with(StreamId::Account { payee, currency }, event)
            }
            Status::Claimed(payout) => return Err(Rejection::EntryClaimed { entry, payee, payout }.into()),
            Status::Paid(_) if planted!(ClawbackNotBooked) => decision,
            Status::Paid(_) => {
                mark!(ClawbackBooked);
                let source = Source::Clawback { deal: deal.id.clone(), of: entry };
                let clawback = context.new_entry(planted!(ClawbacksShareId => 0, index));
                let (stream, event) = book(&payee, clawback, source, amount.negated(), context.today);
                decision.with(stream, event)
            }
            Status::Reversed => return Err(Misfit("the entry of the deal is reversed already").into()),
        };
    }
    Ok(decision)
}

/// The event that books an entry, and where.
pub(crate) fn book(
    payee: &PayeeId,
    entry: EntryId,
    source: Source,
    amount: Money,
    earned_on: Date,
) -> (StreamId, event::Event) {
    let stream = StreamId::Account { payee: payee.clone(), currency: amount.currency() };
    let event = account::Event::EntryBooked { payee: payee.clone(), entry, source, amount, earned_on };
    (stream, event.into())
}

pub(crate) fn evolve(state: &mut Option<Deal>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::Registered { deal, basis, gci }) => {
            let (id, basis, gci) = (deal.clone(), basis.clone(), *gci);
            *state = Some(Deal { id, basis, gci, attribution: None, stage: Stage::Open });
        }
        (Some(deal), Event::Attributed { .. }) if planted!(FirstAttributionStays) && deal.attribution.is_some() => {}
        (Some(deal), Event::Attributed { attribution, .. }) => deal.attribution = Some(attribution.clone()),
        (Some(deal), Event::Completed(completion)) => deal.stage = Stage::Completed(Box::new(completion.clone())),
        (Some(deal), Event::Reversed { .. }) => deal.stage = Stage::Reversed,
        (Some(_), Event::Registered { .. }) => return Err(Misfit("a deal is registered once")),
        (None, Event::Attributed { .. } | Event::Completed(_) | Event::Reversed { .. }) => {
            return Err(Misfit("the deal is not registered"));
        }
    }
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Deal(event)
    }
}
