//! A deal: a commissionable event of the host, from its registration to the entries that it earned.
//!
//! ```text
//! registered ─► attributed ─► completed ─► reversed
//!                  └──▲ (attributed again)
//! ```
//!
//! Completing a deal calculates it: each payee's part is split under the plan version of that day, contributes to the payee's
//! cap, and becomes an entry. Reversing it negates exactly what was stored, in the cap year of the deal.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::account::{self, Source, Status};
use crate::attribution::{self, Attribution, Credit};
use crate::calendar::in_range;
use crate::cap::{self, CapAccount};
use crate::chain::Digest;
use crate::commission::{self, Breakdown};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{DealId, EntryId, PayeeId, PayoutId, PlanId, Text};
use crate::money::{Currency, Money, MoneyError};
use crate::payee::{Assignment, Payee};
use crate::plan::Split;
use crate::rate::{Rate, Rounding};
use crate::stream::StreamId;

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
        basis: Gci,
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
    Completed {
        /// The deal.
        deal: DealId,
        /// The day, which decided on plan versions and cap years.
        completed_on: Date,
        /// Its gross commission income.
        gci: Money,
        /// One line a payee. Their bases sum to the commission.
        lines: Vec<Line>,
    },
    /// The deal was taken back in full.
    Reversed {
        /// The deal.
        deal: DealId,
        /// Why.
        reason: Text,
        /// The lines that are negated.
        lines: Vec<Line>,
    },
}

/// How a deal's gross commission income is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gci {
    /// It is given.
    Amount(Money),
    /// It is a rate of the price, rounded half away from zero.
    OfPrice {
        /// The price.
        price: Money,
        /// The rate.
        rate: Rate,
    },
}

/// One payee's part of a completed deal: the inputs, the rule, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The payee.
    pub payee: PayeeId,
    /// The plan.
    pub plan: PlanId,
    /// The version of the plan.
    pub version: u32,
    /// The hash of that version.
    pub plan_hash: Digest,
    /// How the part was split.
    pub amounts: Breakdown,
    /// The cap that it met, if the plan has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapMet>,
    /// The entry of the payee's net; none when that is zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
}

/// The cap that a line met, as it was before the deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapMet {
    /// The account.
    pub account: CapAccount,
    /// The limit in force.
    pub limit: Money,
    /// What was left under it.
    pub room: Money,
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
    basis: Gci,
    gci: Money,
    attribution: Option<Attribution>,
    credits: Vec<Credit>,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stage {
    Open,
    Completed { on: Date, lines: Vec<Line> },
    Reversed,
}

impl Gci {
    /// The amount.
    ///
    /// # Errors
    /// [`Rejection::NegativeGci`] when it is below zero, an error of [`Money`] when it cannot be computed.
    pub fn amount(&self) -> Result<Money, Undecided> {
        let gci = self.stated()?;
        if gci.is_negative() { Err(Rejection::NegativeGci { gci }.into()) } else { Ok(gci) }
    }

    /// The amount as it is stated, whatever its sign.
    pub(crate) fn stated(&self) -> Result<Money, MoneyError> {
        match self {
            Self::Amount(amount) => Ok(*amount),
            Self::OfPrice { price, rate } => rate.of(*price, Rounding::HalfAwayFromZero),
        }
    }
}

impl Deal {
    fn open(&self) -> Result<&Self, Rejection> {
        match &self.stage {
            Stage::Open => Ok(self),
            Stage::Completed { on, .. } => {
                Err(Rejection::AlreadyCompleted { deal: self.id.clone(), completed_on: *on })
            }
            Stage::Reversed => Err(Rejection::Reversed { deal: self.id.clone() }),
        }
    }
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let slice = context.slice;
        match self {
            Self::Register { deal, gci } => {
                let registered = register(context, deal, gci)?;
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
                if matches!(&known.stage, Stage::Completed { on, .. } if on == completed_on) {
                    return Err(Undecided::already_known(format_args!("the completion of deal {deal}")));
                }
                let day = planted!(EffectiveToday => context.today, *completed_on);
                complete(context, known.open()?, *completed_on, context.decision().effective(day))
            }
            Self::Record { deal, gci, attribution, completed_on } => {
                if let Some(known) = slice.find_deal(deal)? {
                    let same = known.basis == *gci && known.attribution.as_ref() == Some(attribution);
                    if same && matches!(&known.stage, Stage::Completed { on, .. } if on == completed_on) {
                        return Err(Undecided::already_known(format_args!("deal {deal}")));
                    }
                    return Err(Rejection::AlreadyRegistered { deal: deal.clone(), gci: known.gci }.into());
                }
                let stream = StreamId::Deal(deal.clone());
                let mut state = None;
                let registered = register(context, deal, gci)?;
                evolve(&mut state, &registered)?;
                let attributed = attribute(context, state.as_ref().ok_or(Misfit("not registered"))?, attribution)?;
                evolve(&mut state, &attributed)?;
                let decision = context.decision().effective(*completed_on);
                let decision = decision.with(stream.clone(), registered).with(stream, attributed);
                complete(context, state.as_ref().ok_or(Misfit("not registered"))?, *completed_on, decision)
            }
            Self::Reverse { deal, reason } => reverse(context, slice.deal(deal)?, reason),
        }
    }
}

fn register(context: &Context<'_>, deal: &DealId, basis: &Gci) -> Result<Event, Undecided> {
    if let Some(known) = context.slice.find_deal(deal)? {
        if known.basis == *basis && known.stage == Stage::Open && known.attribution.is_none() {
            return Err(Undecided::already_known(format_args!("deal {deal}")));
        }
        return Err(Rejection::AlreadyRegistered { deal: deal.clone(), gci: known.gci }.into());
    }
    let gci = basis.amount()?;
    context.settings.demand_currency(gci.currency())?;
    Ok(Event::Registered { deal: deal.clone(), basis: basis.clone(), gci })
}

fn attribute(context: &Context<'_>, deal: &Deal, attribution: &Attribution) -> Result<Event, Undecided> {
    let credits = attribution.credits(deal.gci)?;
    context.slice.require(attribution.payees().cloned().map(StreamId::Payee))?;
    attribution.payees().try_for_each(|payee| context.slice.payee(payee).map(drop))?;
    Ok(Event::Attributed { deal: deal.id.clone(), attribution: attribution.clone(), credits })
}

fn complete(context: &Context<'_>, deal: &Deal, day: Date, mut decision: Decision) -> Result<Decision, Undecided> {
    let attribution = deal.attribution.as_ref().ok_or_else(|| Rejection::NotAttributed { deal: deal.id.clone() })?;
    let weights = attribution.weights()?;
    in_range(day)?;
    let slice = context.slice;
    slice.require(deal.credits.iter().map(|credit| StreamId::Payee(credit.payee.clone())))?;
    let mut assigned: Vec<(&Credit, &Payee, &Assignment)> = Vec::with_capacity(deal.credits.len());
    for credit in &deal.credits {
        let payee = slice.payee(&credit.payee)?;
        assigned.push((credit, payee, payee.plan_on(day)?));
    }
    slice.require(assigned.iter().map(|(_, _, assignment)| StreamId::Plan(assignment.plan.clone())))?;

    let mut calculations = Vec::with_capacity(assigned.len());
    for (credit, payee, assignment) in assigned {
        let version = slice.plan(&assignment.plan)?.version(assignment.version)?;
        let document = &version.document;
        if document.currency != deal.gci.currency() {
            return Err(Rejection::WrongCurrency {
                deal: deal.id.clone(),
                deal_currency: deal.gci.currency(),
                payee: credit.payee.clone(),
                plan: assignment.plan.clone(),
                plan_currency: document.currency,
            }
            .into());
        }
        let cap = match &document.split {
            Split::Flat(_) => None,
            Split::Capped(capped) => {
                let year = capped.cap.year.year_of(payee.joined_on(), day)?;
                let programme = capped.cap.programme.clone();
                Some((CapAccount { programme, payee: credit.payee.clone(), year }, capped.cap.limit))
            }
        };
        calculations.push((credit, assignment, version, cap));
    }
    let caps = calculations.iter().filter_map(|(.., cap)| Some(cap.as_ref()?.0.stream()));
    let accounts = deal
        .credits
        .iter()
        .map(|credit| StreamId::Account { payee: credit.payee.clone(), currency: deal.gci.currency() });
    slice.require(caps.chain(accounts))?;

    let mut lines = Vec::with_capacity(calculations.len());
    let mut booked = Vec::new();
    for (index, (place, (credit, assignment, version, cap))) in (0..).zip(calculations.into_iter().enumerate()) {
        let cap = match cap {
            None => None,
            Some((account, limit)) => {
                let room = slice.cap(&account)?.room(limit)?;
                Some(CapMet { account, limit, room })
            }
        };
        let fee = commission::fee_parts(&version.document, &weights).map_err(attribution::Rejection::from)?;
        let fee = fee.and_then(|parts| parts.get(place).copied());
        let amounts = commission::split(&version.document, credit.amount, cap.as_ref().map(|cap| cap.room), fee)?;
        if let Some(CapMet { account, limit, room }) = &cap {
            mark!(ClosedCapYear, account.year.end <= context.today);
            let contributed = amounts.company_dollar;
            let counts = planted!(PostCapShareCounts => contributed.plus(amounts.post_cap_company)?, contributed);
            // A whole deal before the cap may go beyond any limit, but not beyond what an amount can hold.
            slice.cap(account)?.with(counts)?;
            for event in cap::contribute(account, &deal.id, counts, *room, *limit)? {
                booked.push((account.stream(), event::Event::from(event)));
            }
        }
        let entry = (!amounts.payee_net.is_zero()).then(|| context.new_entry(index));
        if let Some(entry) = entry {
            let source = Source::Commission { deal: deal.id.clone() };
            booked.push(book(&credit.payee, entry, source, amounts.payee_net, day));
        }
        lines.push(Line {
            payee: credit.payee.clone(),
            plan: assignment.plan.clone(),
            version: assignment.version,
            plan_hash: version.hash,
            amounts,
            cap,
            entry,
        });
    }
    let completed = Event::Completed { deal: deal.id.clone(), completed_on: day, gci: deal.gci, lines };
    decision = decision.with(StreamId::Deal(deal.id.clone()), completed);
    Ok(booked.into_iter().fold(decision, |decision, (stream, event)| decision.with(stream, event)))
}

fn reverse(context: &Context<'_>, deal: &Deal, reason: &Text) -> Result<Decision, Undecided> {
    let lines = match &deal.stage {
        Stage::Open => return Err(Rejection::NotCompleted { deal: deal.id.clone() }.into()),
        Stage::Reversed => return Err(Undecided::already_known(format_args!("the reversal of deal {}", deal.id))),
        Stage::Completed { lines, .. } => {
            planted!(ReversalInCurrentYear => &crate::planted::in_year_of(context.today, lines), lines)
        }
    };
    let currency = deal.gci.currency();
    let accounts = lines.iter().map(|line| StreamId::Account { payee: line.payee.clone(), currency });
    let caps = lines.iter().filter_map(|line| Some(line.cap.as_ref()?.account.stream()));
    context.slice.require(accounts.chain(caps))?;

    let reversed = Event::Reversed { deal: deal.id.clone(), reason: reason.clone(), lines: lines.clone() };
    let mut decision = context.decision().with(StreamId::Deal(deal.id.clone()), reversed);
    for (index, line) in (0..).zip(lines) {
        let contributed = line.amounts.company_dollar;
        if let Some(CapMet { account, .. }) = line.cap.as_ref().filter(|_| contributed.is_positive()) {
            mark!(RoomGivenBack);
            let event = cap::Event::Reversed { account: account.clone(), deal: deal.id.clone(), amount: contributed };
            decision = decision.with(account.stream(), event);
        }
        let Some(entry) = line.entry else { continue };
        let account = context.slice.account(&line.payee, currency)?;
        let booked = account.entry(entry).ok_or(Misfit("the entry of the deal is not booked"))?;
        let (payee, amount) = (line.payee.clone(), booked.amount);
        mark!(ReversalWhileClaimed, matches!(booked.status, Status::Claimed(_)));
        decision = match planted!(ReversalWhileClaimed => crate::planted::paid_if_claimed(booked.status), booked.status)
        {
            Status::Payable { .. } => {
                let because = account::Because::Deal(deal.id.clone());
                let event = account::Event::EntryReversed { payee, entry, because, amount };
                decision.with(StreamId::Account { payee: line.payee.clone(), currency }, event)
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
            *state = Some(Deal {
                id: deal.clone(),
                basis: basis.clone(),
                gci: *gci,
                attribution: None,
                credits: Vec::new(),
                stage: Stage::Open,
            });
        }
        (Some(deal), Event::Attributed { .. }) if planted!(FirstAttributionStays) && deal.attribution.is_some() => {}
        (Some(deal), Event::Attributed { attribution, credits, .. }) => {
            deal.attribution = Some(attribution.clone());
            deal.credits.clone_from(credits);
        }
        (Some(deal), Event::Completed { completed_on, lines, .. }) => {
            deal.stage = Stage::Completed { on: *completed_on, lines: lines.clone() };
        }
        (Some(deal), Event::Reversed { .. }) => deal.stage = Stage::Reversed,
        (Some(_), Event::Registered { .. }) => return Err(Misfit("a deal is registered once")),
        (None, Event::Attributed { .. } | Event::Completed { .. } | Event::Reversed { .. }) => {
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
