//! A payout: one money instruction to one payee in one currency, made by one person and approved by another.
//!
//! ```text
//!  draft ─► pending_approval ─► approved ─► processing ─► paid
//!    │          │    │             │  │         │           ▲
//!    │          │    ▼             │  │         ▼           │
//!    │          │ rejected         │  │      failed ─► processing (a new attempt)
//!    ▼          ▼                  ▼  └───────── │ ── recorded manual payment
//!  voided ◄─────┴──────────────────┴─────────────┤
//!                                                └─► paid (a late payment that was accepted)
//! ```
//!
//! A payout claims the entries that it pays, so that no entry is in two of them. Rejecting or voiding it makes them payable
//! again; paying it settles them for good. An amount that was set by hand goes with its payout: the adjustment that was booked
//! for it is taken back, not left for the next payout.
//!
//! An attempt that failed may turn out to have been paid after all. Such late news is recorded and moves nothing; until somebody
//! accepts or dismisses it, the payout is neither retried nor voided, so that nobody is paid twice.

mod bulk;
mod draft;
mod transition;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::bulk::approve_bulk;
pub(crate) use self::bulk::evolve_bulk;
pub use self::bulk::{BulkOutcome, Skipped};
use self::draft::Draft;
use crate::Date;
use crate::account::Contra;
use crate::decide::{self, Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{Actor, BulkId, EntryId, PayeeId, PayerAccount, PaymentMethod, PayoutId, PeriodLabel, Reference, Text};
use crate::limits::PAYOUTS_PER_BULK;
use crate::money::{Currency, Money};

/// What can be asked of payouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a draft that claims what is payable to a payee in one currency.
    Create {
        /// The payee.
        payee: PayeeId,
        /// The currency; the base currency without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        currency: Option<Currency>,
        /// The last day whose entries are claimed; all of them without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through: Option<Date>,
        /// The period that people file it under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period: Option<PeriodLabel>,
        /// Notes for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notes: Option<Text>,
    },
    /// Makes a draft from an amount. The amount is booked as an adjustment, with its contra party, and claimed.
    CreateManual {
        /// The payee.
        payee: PayeeId,
        /// The amount.
        amount: Money,
        /// Why.
        reason: Text,
        /// Who bears it.
        #[serde(default, skip_serializing_if = "is_default")]
        contra: Contra,
        /// The period that people file it under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period: Option<PeriodLabel>,
    },
    /// Hands a draft in for approval. Only its maker may.
    Submit {
        /// The payout.
        payout: PayoutId,
    },
    /// Approves a payout. Neither its maker nor its payee may.
    Approve {
        /// The payout.
        payout: PayoutId,
    },
    /// Approves several payouts: each for itself, or, when `atomic`, all or none.
    ApproveBulk {
        /// The payouts; one that is named twice counts once.
        payouts: Vec<PayoutId>,
        /// Whether one that cannot be approved refuses them all.
        #[serde(default, skip_serializing_if = "is_default")]
        atomic: bool,
    },
    /// Rejects a payout for good and releases its entries.
    Reject {
        /// The payout.
        payout: PayoutId,
        /// Why.
        reason: Text,
    },
    /// Hands an approved payout to the rail, or a failed one again, as a new attempt.
    Start {
        /// The payout.
        payout: PayoutId,
    },
    /// Records that the rail paid an attempt. Of an attempt that had failed this is late news, which waits to be resolved.
    Settle {
        /// The payout.
        payout: PayoutId,
        /// The attempt.
        attempt: u32,
        /// What was paid; it must be what was asked for.
        amount: Money,
    },
    /// Records that an attempt failed for certain: no money left.
    Fail {
        /// The payout.
        payout: PayoutId,
        /// The attempt.
        attempt: u32,
        /// Why.
        reason: Text,
    },
    /// Resolves late news of a payment. Neither the payout's maker nor its payee may.
    ResolveLatePayment {
        /// The payout.
        payout: PayoutId,
        /// The attempt of the news.
        attempt: u32,
        /// What becomes of it.
        resolution: Resolution,
        /// Why.
        reason: Text,
    },
    /// Records that an approved payout was paid outside any rail.
    RecordManualPayment {
        /// The payout.
        payout: PayoutId,
        /// How: cheque, cash, payroll.
        method: PaymentMethod,
        /// The number on the payment. A payer account uses it once.
        reference: Reference,
        /// The account that the money left from.
        account: PayerAccount,
    },
    /// Cancels a payout and releases its entries: before approval its maker may, after it anybody else.
    Void {
        /// The payout.
        payout: PayoutId,
        /// Why.
        reason: Text,
    },
}

/// What happened to payouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A draft was made; it has claimed its entries.
    Created {
        /// The payout.
        payout: PayoutId,
        /// The payee.
        payee: PayeeId,
        /// What it pays: the sum of its entries.
        amount: Money,
        /// How many entries it has claimed.
        entries: u32,
        /// Its maker.
        by: Actor,
        /// The period that people file it under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period: Option<PeriodLabel>,
        /// Notes for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notes: Option<Text>,
        /// The adjustment that was booked for it, if its amount was set by hand: its only entry, taken back if it is not paid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adjustment: Option<EntryId>,
    },
    /// It was handed in for approval.
    Submitted {
        /// The payout.
        payout: PayoutId,
    },
    /// It was approved.
    Approved {
        /// The payout.
        payout: PayoutId,
        /// Who approved.
        by: Actor,
        /// What was approved.
        amount: Money,
    },
    /// It was rejected for good.
    Rejected {
        /// The payout.
        payout: PayoutId,
        /// Who rejected.
        by: Actor,
        /// Why.
        reason: Text,
    },
    /// It was handed to the rail.
    Started {
        /// The payout.
        payout: PayoutId,
        /// Which attempt, from 1.
        attempt: u32,
        /// The key under which the rail knows this attempt and no other.
        rail_key: RailKey,
    },
    /// It was paid.
    Paid {
        /// The payout.
        payout: PayoutId,
        /// What was paid.
        amount: Money,
        /// How.
        through: Payment,
    },
    /// An attempt failed for certain.
    Failed {
        /// The payout.
        payout: PayoutId,
        /// Which attempt.
        attempt: u32,
        /// Why.
        reason: Text,
    },
    /// It was cancelled for good.
    Voided {
        /// The payout.
        payout: PayoutId,
        /// Who cancelled.
        by: Actor,
        /// Why.
        reason: Text,
    },
    /// An attempt that had failed is said to be paid. It changes nothing until it is resolved.
    LatePaymentReported {
        /// The payout.
        payout: PayoutId,
        /// Which attempt.
        attempt: u32,
        /// What is said to be paid.
        amount: Money,
    },
    /// Late news of a payment was accepted or dismissed.
    LatePaymentResolved {
        /// The payout.
        payout: PayoutId,
        /// Which attempt.
        attempt: u32,
        /// What became of it.
        resolution: Resolution,
        /// Who resolved it.
        by: Actor,
        /// Why.
        reason: Text,
    },
    /// A payment's reference was used up.
    ReferenceTaken {
        /// The account that the money left from.
        account: PayerAccount,
        /// The reference.
        reference: Reference,
        /// The payout that it paid.
        payout: PayoutId,
    },
    /// Several payouts were put to approval at once, each for itself.
    BulkApproved {
        /// The bulk approval.
        bulk: BulkId,
        /// What became of each, in the order asked.
        outcomes: Vec<BulkOutcome>,
    },
}

/// How a payout was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Payment {
    /// By the rail.
    Rail {
        /// The attempt that succeeded.
        attempt: u32,
    },
    /// Outside any rail.
    Manual {
        /// How: cheque, cash, payroll.
        method: PaymentMethod,
        /// The number on the payment.
        reference: Reference,
        /// The account that the money left from.
        account: PayerAccount,
    },
}

/// What becomes of late news of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The payment counts: the payout is paid by that attempt. Only while the payout is failed.
    Accept,
    /// The payment does not count: it never was, or its money came back.
    Dismiss,
}

/// The key under which a rail knows one attempt of one payout: the same whenever the attempt is sent again, another for every
/// other attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RailKey(String);

impl RailKey {
    pub(crate) fn of(payout: PayoutId, attempt: u32) -> Self {
        Self(format!("{payout}-{attempt}"))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a payout is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, not handed in.
    Draft,
    /// Waiting for approval.
    PendingApproval,
    /// Approved, not yet paid.
    Approved,
    /// Handed to the rail.
    Processing,
    /// Settled.
    Paid,
    /// The last attempt failed; no money left. The entries stay claimed until it is retried, voided or found to be paid.
    Failed,
    /// Refused by an approver, for good.
    Rejected,
    /// Cancelled, for good.
    Voided,
}

impl Status {
    /// Every status, in the order of the way.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::PendingApproval,
        Self::Approved,
        Self::Processing,
        Self::Paid,
        Self::Failed,
        Self::Rejected,
        Self::Voided,
    ];

    /// The status as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Voided => "voided",
        }
    }

    /// Whether the payout holds its entries.
    #[must_use]
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Rejected | Self::Voided)
    }
}

/// Why a request about a payout is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// No payout of that identifier.
    #[error("payout {payout} is unknown")]
    Unknown {
        /// The payout.
        payout: PayoutId,
    },
    /// It is not where the request needs it to be.
    #[error("payout {payout} is {status}: it cannot be {verb}", status = status.as_str())]
    IllegalTransition {
        /// The payout.
        payout: PayoutId,
        /// Where it is.
        status: Status,
        /// What was asked, as in "cannot be approved".
        verb: &'static str,
    },
    /// There is nothing to pay.
    #[error("nothing is payable to {payee} in {currency}")]
    NothingPayable {
        /// The payee.
        payee: PayeeId,
        /// The currency.
        currency: Currency,
    },
    /// A payout pays; what is owed the other way waits for later earnings.
    #[error("what is payable to {payee} sums to {amount}: a payout needs an amount above zero")]
    NotPositive {
        /// The payee.
        payee: PayeeId,
        /// The sum.
        amount: Money,
    },
    /// One request cannot claim so many.
    #[error(
        "{entries} entries are payable to {payee}, one payout claims at most {most}: name an earlier day in `through`"
    )]
    TooManyEntries {
        /// The payee.
        payee: PayeeId,
        /// How many are payable.
        entries: usize,
        /// The most.
        most: usize,
    },
    /// Who makes a payout does not approve or reject it.
    #[error("{actor} made payout {payout} and cannot decide on it: somebody else must")]
    MakerIsApprover {
        /// The payout.
        payout: PayoutId,
        /// Its maker.
        actor: Actor,
    },
    /// Who is paid does not approve it.
    #[error("{actor} is paid by payout {payout} and cannot decide on it: somebody else must")]
    PayeeIsApprover {
        /// The payout.
        payout: PayoutId,
        /// Its payee.
        actor: Actor,
    },
    /// Before approval a payout is its maker's.
    #[error("payout {payout} was made by {maker}: before approval only {maker} may have it {verb}")]
    NotItsMaker {
        /// The payout.
        payout: PayoutId,
        /// Its maker.
        maker: Actor,
        /// What was asked.
        verb: &'static str,
    },
    /// The news is of an attempt that is not the open one.
    #[error("payout {payout} has attempt {open} open, the news is of attempt {attempt}: it is not applied")]
    StaleAttempt {
        /// The payout.
        payout: PayoutId,
        /// The attempt of the news.
        attempt: u32,
        /// The open attempt.
        open: u32,
    },
    /// Nobody knows yet whether it is paid.
    #[error(
        "attempt {attempt} of payout {payout} failed, but late news says that it was paid: accept or dismiss that with \
         payout.resolve_late_payment first"
    )]
    LatePaymentOpen {
        /// The payout.
        payout: PayoutId,
        /// The first attempt with such news.
        attempt: u32,
    },
    /// There is nothing to resolve.
    #[error("no late payment by attempt {attempt} of payout {payout} is open: there is nothing to resolve")]
    NoLatePayment {
        /// The payout.
        payout: PayoutId,
        /// The attempt.
        attempt: u32,
    },
    /// A late payment makes a failed payout paid, and no other.
    #[error(
        "payout {payout} is {status}, a late payment is accepted only while it is failed: wait for the open attempt to end, \
         or get the money back and dismiss the news",
        status = status.as_str()
    )]
    LatePaymentNotAcceptable {
        /// The payout.
        payout: PayoutId,
        /// Where it is.
        status: Status,
    },
    /// What was paid is not what was asked for.
    #[error("payout {payout} is over {amount}, the news says {paid}: reconcile before recording it")]
    AmountDiffers {
        /// The payout.
        payout: PayoutId,
        /// What was asked for.
        amount: Money,
        /// What the news says.
        paid: Money,
    },
    /// The reference stands on another payment.
    #[error("reference {reference} of account {account} already stands on payout {payout}")]
    ReferenceTaken {
        /// The account.
        account: PayerAccount,
        /// The reference.
        reference: Reference,
        /// The payout that has it.
        payout: PayoutId,
    },
    /// A bulk approval names at least one payout and not too many.
    #[error("a bulk approval names 1 to {PAYOUTS_PER_BULK} payouts, this one names {payouts}")]
    BulkSize {
        /// How many it names.
        payouts: usize,
    },
}

/// A payout as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    id: PayoutId,
    payee: PayeeId,
    amount: Money,
    entries: u32,
    maker: Actor,
    attempt: u32,
    status: Status,
    /// The adjustment that was booked for it.
    adjustment: Option<EntryId>,
    /// The attempt by which it was paid.
    paid_by: Option<u32>,
    /// The attempts of which late news came, and whether it is still open.
    late: BTreeMap<u32, bool>,
}

impl Payout {
    /// Where it is on its way.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        match self {
            Self::Create { payee, currency, through, period, notes } => {
                let currency = currency.unwrap_or(context.settings.base_currency());
                let draft = Draft { payee, currency, period, notes };
                draft.of_payable(context, *through)
            }
            Self::CreateManual { payee, amount, reason, contra, period } => {
                let draft = Draft { payee, currency: amount.currency(), period, notes: &Some(reason.clone()) };
                draft.of_amount(context, *amount, reason, *contra)
            }
            Self::ApproveBulk { payouts, atomic } => approve_bulk(context, payouts, *atomic),
            Self::Submit { payout }
            | Self::Approve { payout }
            | Self::Reject { payout, .. }
            | Self::Start { payout }
            | Self::Settle { payout, .. }
            | Self::Fail { payout, .. }
            | Self::ResolveLatePayment { payout, .. }
            | Self::RecordManualPayment { payout, .. }
            | Self::Void { payout, .. } => self.transition(context, context.slice.payout(*payout)?),
        }
    }
}

pub(crate) fn evolve(state: &mut Option<Payout>, event: &Event) -> Result<(), Misfit> {
    if let (state @ None, Event::Created { payout, payee, amount, entries, by, adjustment, .. }) = (&mut *state, event)
    {
        *state = Some(Payout {
            id: *payout,
            payee: payee.clone(),
            amount: *amount,
            entries: *entries,
            maker: by.clone(),
            attempt: 0,
            status: Status::Draft,
            adjustment: *adjustment,
            paid_by: None,
            late: BTreeMap::new(),
        });
        return Ok(());
    }
    let payout = state.as_mut().ok_or(Misfit("the payout is not created"))?;
    payout.status = match event {
        Event::Submitted { .. } => Status::PendingApproval,
        Event::Approved { .. } => Status::Approved,
        Event::Rejected { .. } => Status::Rejected,
        Event::Started { attempt, .. } => {
            payout.attempt = *attempt;
            Status::Processing
        }
        Event::Paid { through, .. } => {
            if let Payment::Rail { attempt } = through {
                payout.paid_by = planted!(PaidByForgotten => None, Some(*attempt));
            }
            Status::Paid
        }
        Event::Failed { .. } => Status::Failed,
        Event::Voided { .. } => Status::Voided,
        Event::LatePaymentReported { attempt, .. } => {
            if payout.late.insert(*attempt, true).is_some() {
                return Err(Misfit("a late payment is reported once"));
            }
            payout.status
        }
        Event::LatePaymentResolved { attempt, .. } => {
            if payout.late.insert(*attempt, false) != Some(true) {
                return Err(Misfit("the late payment is not open"));
            }
            payout.status
        }
        Event::Created { .. } => return Err(Misfit("a payout is created once")),
        Event::ReferenceTaken { .. } | Event::BulkApproved { .. } => {
            return Err(decide::Misfit("the event is not of a payout's stream"));
        }
    };
    Ok(())
}

/// The fold of a reference's stream: the payout that has it.
pub(crate) fn evolve_reference(state: &mut Option<PayoutId>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::ReferenceTaken { payout, .. }) => {
            *state = Some(*payout);
            Ok(())
        }
        _ => Err(Misfit("a reference is taken once")),
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Payout(event)
    }
}
