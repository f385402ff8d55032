//! A deal: a commissionable event of the host, from its registration to the entries that it earned.
//!
//! ```text
//! registered ─► attributed ─► completed ─► reversed
//!      │            └──▲ (attributed again)    ▲
//!      ├── with sides ──────────► completed ───┤
//!      └── a sale: touched ─────► credited ────┘
//!                                  └──▲ (collected, credited anew)
//! ```
//!
//! Completing a deal calculates it [by the waterfall](crate::waterfall), under the plan versions of that day and on the caps and
//! attainments as they are: what counts to those is posted, and what each payee has becomes an entry. Reversing it negates exactly
//! what was stored, in the years of the deal. A [sale] is credited by its touches instead, and paid by rate plans.

mod completion;
pub mod sale;

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

pub use self::completion::{Completion, Earned, Line, PlanInForce, SideLines};
use self::sale::{Crediting, Payment, Recrediting, Sale};
use crate::account::{self, Source, Status};
use crate::attribution::{Attribution, Credit};
use crate::codec;
use crate::credit::touch::{Instant, Touch};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{DealId, EntryId, ModelId, PayeeId, PaymentId, PayoutId, PlanId, Text, TouchId};
use crate::limits::ENTRIES_PER_SALE;
use crate::money::{Currency, Money};
use crate::payee::enrolled;
use crate::rate::Rate;
use crate::settings::Capability;
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::waterfall::{Adjustment, Gci, OffTop, Sharer, Side, SideKind, check};
use crate::{Date, model, rates};

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
    /// Makes a sale known.
    RegisterSale {
        /// The deal.
        deal: DealId,
        /// What is said of it.
        #[serde(serialize_with = "codec::without_defaults")]
        sale: Box<Sale>,
    },
    /// Adds a touch to a sale, also after it is credited; then it counts when the sale is credited anew.
    Touch {
        /// The deal.
        deal: DealId,
        /// The touch.
        touch: Touch,
    },
    /// Completes a sale: credits it by its touches, and books what rate plans pay.
    CompleteSale {
        /// The deal.
        deal: DealId,
        /// When it was won. No later touch counts.
        completed_at: Instant,
        /// No touch after this counts either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cutoff: Option<Instant>,
    },
    /// Registers, touches and completes a sale at once.
    RecordSale {
        /// The deal.
        deal: DealId,
        /// What is said of it.
        #[serde(serialize_with = "codec::without_defaults")]
        sale: Box<Sale>,
        /// What led to it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        touches: Vec<Touch>,
        /// When it was won. No later touch counts.
        completed_at: Instant,
        /// No touch after this counts either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cutoff: Option<Instant>,
    },
    /// Takes in what the customer paid, which rate plans may wait for.
    Collect {
        /// The deal.
        deal: DealId,
        /// The payment.
        payment: PaymentId,
        /// How much was paid.
        amount: Money,
        /// The day.
        on: Date,
    },
    /// Credits a sale anew, on what is known now. Entries that come out as before stay; the others are taken back.
    Recompute {
        /// The deal.
        deal: DealId,
        /// Why.
        reason: Text,
        /// Another model, or another version; without it the one so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<model::Chosen>,
        /// Another rate plan, or another version; without it the one so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rates: Option<rates::Chosen>,
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
    /// A touch of a sale became known.
    Touched {
        /// The deal.
        deal: DealId,
        /// The touch.
        touch: Touch,
    },
    /// A sale was completed and credited.
    Credited(Box<Crediting>),
    /// A sale was credited anew.
    Recredited(Box<Recrediting>),
    /// The customer of a sale paid.
    Collected {
        /// The deal.
        deal: DealId,
        /// The payment.
        payment: PaymentId,
        /// How much was paid.
        amount: Money,
        /// The day.
        on: Date,
        /// What it released.
        entries: Vec<sale::Earned>,
    },
    /// The deal was taken back in full.
    Reversed {
        /// The deal.
        deal: DealId,
        /// Why.
        reason: Text,
        /// The sides that are negated; a sale has none.
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
    /// It is a sale, which is worth that.
    Sale(Box<Sale>),
}

/// Why a request about a deal is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// No deal of that name.
    #[error("deal {deal} is unknown: register it first")]
    Unknown {
        /// The deal.
        deal: DealId,
    },
    /// The name is taken, by a deal with other particulars.
    #[error(
        "deal {deal} is already registered, over {gci}, and told otherwise here: name this one otherwise, or reverse that one"
    )]
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
    #[error("deal {deal} is not completed: complete it first")]
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
    /// Touches attribute it.
    #[error("deal {deal} is a sale: its touches attribute it, complete it with deal.complete_sale")]
    IsSale {
        /// The deal.
        deal: DealId,
    },
    /// Only sales are touched, collected and credited.
    #[error("deal {deal} is no sale: it is completed with deal.complete")]
    NoSale {
        /// The deal.
        deal: DealId,
    },
    /// It is attributed by weights.
    #[error("deal {deal} is attributed by the weights of model {model}, which takes no touches")]
    TakesNoTouches {
        /// The deal.
        deal: DealId,
        /// Its model.
        model: ModelId,
    },
    /// What has not happened yet.
    #[error("deal {deal} cannot have been won or paid for on {on}: in the ledger's zone it is {today}")]
    NotYet {
        /// The deal.
        deal: DealId,
        /// The day that is told.
        on: Date,
        /// The day of the request.
        today: Date,
    },
    /// The name of the touch is taken.
    #[error("deal {deal} has another touch {touch} already: name this one otherwise")]
    TouchTaken {
        /// The deal.
        deal: DealId,
        /// The touch.
        touch: TouchId,
    },
    /// The name of the payment is taken.
    #[error("deal {deal} has another payment {payment} already: name this one otherwise")]
    PaymentTaken {
        /// The deal.
        deal: DealId,
        /// The payment.
        payment: PaymentId,
    },
    /// What a customer paid is above zero.
    #[error("a payment of {amount} is not above zero: reverse the deal if it is off")]
    NotPositive {
        /// The amount.
        amount: Money,
    },
    /// A sale has so many entries at the most, or it could not be taken back.
    #[error("deal {deal} would have {entries} entries, the most is {ENTRIES_PER_SALE}: collect its payments together")]
    TooManyEntries {
        /// The deal.
        deal: DealId,
        /// How many it would have.
        entries: usize,
    },
    /// What was credited comes to something else now, so that what a payment adds cannot be told.
    #[error("deal {deal} no longer comes to what was credited: credit it anew with deal.recompute first")]
    Diverges {
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
    /// In the order in which they became known.
    touches: Vec<Touch>,
    /// In the order in which they became known.
    payments: Vec<Payment>,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stage {
    Open,
    Completed(Box<Completion>),
    Credited(Box<sale::Credited>),
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
    /// long as nobody is, and of a sale.
    #[must_use]
    pub fn sides(&self, attribution: Option<&Attribution>) -> Option<Cow<'_, [Side]>> {
        let gci = match self {
            Self::Sides(sides) => return Some(Cow::Borrowed(sides)),
            Self::Sale(_) => return None,
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
            Stage::Credited(credited) => {
                Err(Rejection::AlreadyCompleted { deal: self.id.clone(), completed_on: credited.earned_on() })
            }
            Stage::Reversed => Err(Rejection::Reversed { deal: self.id.clone() }),
        }
    }

    fn no_sale(&self) -> Result<&Self, Rejection> {
        if matches!(self.basis, Basis::Sale(_)) { Err(Rejection::IsSale { deal: self.id.clone() }) } else { Ok(self) }
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
                let known = slice.deal(deal)?.no_sale()?.open()?;
                if known.attribution.as_ref() == Some(attribution) {
                    return Err(Undecided::already_known(format_args!("this attribution of deal {deal}")));
                }
                let attributed = attribute(context, known, attribution)?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), attributed))
            }
            Self::Complete { deal, completed_on } => {
                let known = slice.deal(deal)?.no_sale()?;
                if known.is_completed_on(*completed_on) {
                    return Err(Undecided::already_known(format_args!("the completion of deal {deal}")));
                }
                let day = planted!(EffectiveToday => context.today, *completed_on);
                completion::complete(context, known.open()?, *completed_on, context.decision().effective(day))
            }
            Self::Record { deal, gci, attribution, completed_on } => {
                record(context, deal, Basis::from(gci), Some(attribution), *completed_on)
            }
            Self::RecordSides { deal, sides, completed_on } => {
                record(context, deal, Basis::Sides(sides.clone()), None, *completed_on)
            }
            Self::RegisterSale { deal, sale } => {
                let registered = register(context, deal, Basis::Sale(sale.clone()))?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), registered))
            }
            Self::Touch { deal, touch } => {
                let known = || Undecided::already_known(format_args!("touch {} of deal {deal}", touch.touch));
                let touched = sale::touch(context, slice.deal(deal)?, touch)?.ok_or_else(known)?;
                Ok(context.decision().with(StreamId::Deal(deal.clone()), touched))
            }
            Self::CompleteSale { deal, completed_at, cutoff } => {
                sale::complete(context, slice.deal(deal)?, (*completed_at, *cutoff), context.decision())
            }
            Self::RecordSale { deal, sale, touches, completed_at, cutoff } => {
                sale::record(context, deal, sale, touches, (*completed_at, *cutoff))
            }
            Self::Collect { deal, payment, amount, on } => {
                let payment = Payment { payment: payment.clone(), amount: *amount, on: *on };
                sale::collect(context, slice.deal(deal)?, &payment)
            }
            Self::Recompute { deal, reason, model, rates } => {
                sale::recompute(context, slice.deal(deal)?, reason, model.as_ref(), rates.as_ref())
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
        Basis::Sale(sale) => sale::check(context, deal, sale)?,
    };
    if gci.is_negative() {
        return Err(Rejection::NegativeGci { gci }.into());
    }
    context.settings.demand_currency(gci.currency())?;
    if let Basis::Sides(sides) = &basis {
        if sides.iter().any(|side| !side.adjustments.is_empty()) {
            context.settings.demand(Capability::ManualAmounts)?;
        }
        all_enrolled(slice, sides)?;
    }
    Ok(Event::Registered { deal: deal.clone(), basis, gci })
}

fn attribute(context: &Context<'_>, deal: &Deal, attribution: &Attribution) -> Result<Event, Undecided> {
    if matches!(deal.basis, Basis::Sides(_)) {
        return Err(Rejection::HasSides { deal: deal.id.clone() }.into());
    }
    let credits = attribution.credits(deal.gci)?;
    context.slice.require(attribution.payees().map(|payee| StreamId::Payee(payee.clone())))?;
    for (place, payee) in attribution.payees().enumerate() {
        match attribution {
            Attribution::Equal(_) => enrolled(context.slice, format_args!("attribution.equal.{place}"), payee)?,
            Attribution::Custom(_) => enrolled(context.slice, format_args!("attribution.custom.{place}.payee"), payee)?,
        }
    }
    Ok(Event::Attributed { deal: deal.id.clone(), attribution: attribution.clone(), credits })
}

/// Whoever is on a side is enrolled, and every mentor.
fn all_enrolled(slice: &Slice, sides: &[Side]) -> Result<(), Undecided> {
    let sharers = sides.iter().flat_map(|side| &side.payees);
    let named = sharers.flat_map(|sharer| [&sharer.payee].into_iter().chain(&sharer.mentor));
    slice.require(named.map(|payee| StreamId::Payee(payee.clone())))?;
    for (side, Side { payees, .. }) in sides.iter().enumerate() {
        for (place, Sharer { payee, mentor, .. }) in payees.iter().enumerate() {
            enrolled(slice, format_args!("sides.{side}.payees.{place}.payee"), payee)?;
            if let Some(mentor) = mentor {
                enrolled(slice, format_args!("sides.{side}.payees.{place}.mentor"), mentor)?;
            }
        }
    }
    Ok(())
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
    completion::complete(context, state.as_ref().ok_or(Misfit("not registered"))?, completed_on, decision)
}

fn reverse(context: &Context<'_>, deal: &Deal, reason: &Text) -> Result<Decision, Undecided> {
    match &deal.stage {
        Stage::Open => Err(Rejection::NotCompleted { deal: deal.id.clone() }.into()),
        Stage::Reversed => Err(Undecided::already_known(format_args!("the reversal of deal {}", deal.id))),
        Stage::Completed(completion) => completion::reverse(context, deal, completion, reason),
        Stage::Credited(credited) => sale::reverse(context, deal, credited, reason),
    }
}

/// Takes an entry of a deal back: unpaid it is reversed, paid it becomes a clawback, the `index`-th entry of the request.
fn take_back(
    context: &Context<'_>,
    decision: Decision,
    deal: &Deal,
    (payee, entry): (&PayeeId, EntryId),
    index: u32,
) -> Result<Decision, Undecided> {
    let currency = deal.gci.currency();
    let account = context.slice.account(payee, currency)?;
    let booked = account.entry(entry).ok_or(Misfit("the entry of the deal is not booked"))?;
    let (payee, amount) = (payee.clone(), booked.amount);
    mark!(ReceivableTakenBack, amount.is_negative());
    if planted!(ReceivableLeft) && amount.is_negative() {
        return Ok(decision);
    }
    mark!(ReversalWhileClaimed, matches!(booked.status, Status::Claimed(_)));
    match planted!(ReversalWhileClaimed => crate::planted::paid_if_claimed(booked.status), booked.status) {
        Status::Payable { .. } => {
            let because = account::Because::Deal(deal.id.clone());
            let event = account::Event::EntryReversed { payee: payee.clone(), entry, because, amount };
            Ok(decision.with(StreamId::Account { payee, currency }, event))
        }
        Status::Claimed(payout) => Err(Rejection::EntryClaimed { entry, payee, payout }.into()),
        Status::Paid(_) if planted!(ClawbackNotBooked) => Ok(decision),
        Status::Paid(_) => {
            mark!(ClawbackBooked);
            let source = Source::Clawback { deal: deal.id.clone(), of: entry };
            let clawback = context.new_entry(planted!(ClawbacksShareId => 0, index));
            let (stream, event) = book(&payee, clawback, source, amount.negated(), decision.effective);
            Ok(decision.with(stream, event))
        }
        Status::Reversed => Err(Misfit("the entry of the deal is reversed already").into()),
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
            *state = Some(Deal {
                id,
                basis,
                gci,
                attribution: None,
                touches: Vec::new(),
                payments: Vec::new(),
                stage: Stage::Open,
            });
        }
        (Some(deal), Event::Attributed { .. }) if planted!(FirstAttributionStays) && deal.attribution.is_some() => {}
        (Some(deal), Event::Attributed { attribution, .. }) => deal.attribution = Some(attribution.clone()),
        (Some(deal), Event::Completed(completion)) => deal.stage = Stage::Completed(Box::new(completion.clone())),
        (Some(deal), Event::Touched { .. } | Event::Credited(_) | Event::Recredited(_) | Event::Collected { .. }) => {
            return sale::evolve_sale(deal, event);
        }
        (Some(deal), Event::Reversed { .. }) => deal.stage = Stage::Reversed,
        (Some(_), Event::Registered { .. }) => return Err(Misfit("a deal is registered once")),
        (None, _) => return Err(Misfit("the deal is not registered")),
    }
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Deal(event)
    }
}
