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

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::account::{self, Because, Contra, Source};
use crate::deal::book;
use crate::decide::{self, Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{Actor, BulkId, EntryId, PayeeId, PayerAccount, PaymentMethod, PayoutId, PeriodLabel, Reference, Text};
use crate::limits::{ENTRIES_PER_CLAIM, EVENTS_PER_REQUEST, PAYOUTS_PER_BULK};
use crate::money::{Currency, Money};
use crate::settings::Capability;
use crate::stream::StreamId;

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

/// What became of one payout of a bulk approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkOutcome {
    /// The payout.
    pub payout: PayoutId,
    /// Why it was skipped; approved without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
}

/// Why a payout of a bulk approval was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Skipped {
    /// There is no such payout.
    Unknown,
    /// It does not wait for approval; it is here.
    NotPending(Status),
    /// Whoever asked made it.
    MakerIsApprover,
    /// Whoever asked is paid by it.
    PayeeIsApprover,
}

impl Skipped {
    fn because_of(rejection: &decide::Rejection) -> Option<Self> {
        let decide::Rejection::Payout(rejection) = rejection else { return None };
        match rejection {
            Rejection::Unknown { .. } => Some(Self::Unknown),
            Rejection::IllegalTransition { status, .. } => Some(Self::NotPending(*status)),
            Rejection::MakerIsApprover { .. } => Some(Self::MakerIsApprover),
            Rejection::PayeeIsApprover { .. } => Some(Self::PayeeIsApprover),
            _ => None,
        }
    }
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

    fn demand(&self, allowed: &[Status], verb: &'static str) -> Result<(), Rejection> {
        if allowed.contains(&self.status) {
            return Ok(());
        }
        Err(Rejection::IllegalTransition { payout: self.id, status: self.status, verb })
    }

    /// Letter case does not make another person: who signs on as `Ann` is `ann`.
    fn is_maker(&self, actor: &Actor) -> bool {
        actor.as_str().eq_ignore_ascii_case(self.maker.as_str())
    }

    fn demand_maker(&self, actor: &Actor, verb: &'static str) -> Result<(), Rejection> {
        if self.is_maker(actor) {
            return Ok(());
        }
        Err(Rejection::NotItsMaker { payout: self.id, maker: self.maker.clone(), verb })
    }

    fn demand_other(&self, actor: &Actor) -> Result<(), Rejection> {
        if self.is_maker(actor) && !planted!(MakerApproves) {
            mark!(FourEyes);
            return Err(Rejection::MakerIsApprover { payout: self.id, actor: actor.clone() });
        }
        let payee = self.payee.as_str();
        if planted!(PayeeByCase => actor.as_str() == payee, actor.as_str().eq_ignore_ascii_case(payee)) {
            mark!(FourEyes);
            return Err(Rejection::PayeeIsApprover { payout: self.id, actor: actor.clone() });
        }
        Ok(())
    }

    fn demand_attempt(&self, attempt: u32) -> Result<(), Rejection> {
        if attempt == self.attempt || (planted!(OlderAttemptFails) && attempt < self.attempt) {
            return Ok(());
        }
        Err(Rejection::StaleAttempt { payout: self.id, attempt, open: self.attempt })
    }

    fn demand_no_late_payment(&self) -> Result<(), Rejection> {
        match self.late.iter().find(|(_, open)| **open) {
            None => Ok(()),
            Some((attempt, _)) => {
                mark!(LatePaymentOpen);
                Err(Rejection::LatePaymentOpen { payout: self.id, attempt: *attempt })
            }
        }
    }

    /// Whether an attempt was made and is known to have ended.
    fn has_ended(&self, attempt: u32) -> bool {
        let open = self.status == Status::Processing && attempt == self.attempt;
        (1..=self.attempt).contains(&attempt) && !open
    }

    fn demand_amount(&self, paid: Money) -> Result<(), Rejection> {
        if paid == self.amount || planted!(OtherAmountSettles) {
            return Ok(());
        }
        Err(Rejection::AmountDiffers { payout: self.id, amount: self.amount, paid })
    }

    fn account(&self) -> StreamId {
        StreamId::Account { payee: self.payee.clone(), currency: self.amount.currency() }
    }

    /// Gives back what it had claimed, and takes back what was booked for it alone.
    fn release(&self, decision: Decision) -> Decision {
        let (payee, payout, count, amount) = (self.payee.clone(), self.id, self.entries, self.amount);
        mark!(EntriesReleased);
        let released = account::Event::EntriesReleased { payee: payee.clone(), payout, count, amount };
        let decision = decision.with(self.account(), released);
        let Some(entry) = planted!(AdjustmentLeft => None, self.adjustment) else { return decision };
        let because = Because::Payout(payout);
        decision.with(self.account(), account::Event::EntryReversed { payee, entry, because, amount })
    }

    fn settled(&self) -> (StreamId, event::Event) {
        let (payee, payout, count, amount) = (self.payee.clone(), self.id, self.entries, self.amount);
        (self.account(), account::Event::EntriesPaid { payee, payout, count, amount }.into())
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

    /// What moves a payout that is there.
    fn transition(&self, context: &Context<'_>, payout: &Payout) -> Result<Decision, Undecided> {
        let actor = &context.request.actor;
        let by = || actor.clone();
        let id = payout.id;
        let moved = |event: Event| context.decision().with(StreamId::Payout(id), event);
        match self {
            Self::Create { .. } | Self::CreateManual { .. } | Self::ApproveBulk { .. } => {
                Err(Misfit("this request is not of one payout").into())
            }
            Self::Submit { .. } => {
                payout.demand(&[Status::Draft], "submitted")?;
                payout.demand_maker(actor, "submitted")?;
                Ok(moved(Event::Submitted { payout: id }))
            }
            Self::Approve { .. } => Ok(moved(approve(context, payout)?)),
            Self::Reject { reason, .. } => {
                payout.demand(&[Status::PendingApproval], "rejected")?;
                payout.demand_other(actor)?;
                context.slice.require([payout.account()])?;
                Ok(payout.release(moved(Event::Rejected { payout: id, by: by(), reason: reason.clone() })))
            }
            Self::Start { .. } => {
                payout.demand(&[Status::Approved, Status::Failed], "started")?;
                planted!(RetryWithLateNews => Ok(()), payout.demand_no_late_payment())?;
                context.settings.demand(Capability::RailPayments)?;
                mark!(RetriedAfterFailure, payout.status == Status::Failed);
                let attempt = payout.attempt.checked_add(1).ok_or(Misfit("too many attempts"))?;
                Ok(moved(Event::Started { payout: id, attempt, rail_key: RailKey::of(id, attempt) }))
            }
            Self::Settle { attempt, amount, .. } => {
                let has_ended = payout.has_ended(*attempt);
                if !has_ended {
                    payout.demand_attempt(*attempt)?;
                }
                payout.demand_amount(*amount)?;
                if payout.paid_by == Some(*attempt) || payout.late.contains_key(attempt) {
                    mark!(SettledAgain);
                    return Err(Undecided::already_known(format_args!(
                        "the payment of attempt {attempt} of payout {id}"
                    )));
                }
                if has_ended && !(planted!(OlderAttemptSettles) && payout.status == Status::Processing) {
                    mark!(LatePaymentReported);
                    return Ok(moved(Event::LatePaymentReported { payout: id, attempt: *attempt, amount: *amount }));
                }
                payout.demand(&[Status::Processing], "settled")?;
                context.slice.require([payout.account()])?;
                let (stream, settled) = payout.settled();
                let through = Payment::Rail { attempt: *attempt };
                Ok(moved(Event::Paid { payout: id, amount: *amount, through }).with(stream, settled))
            }
            Self::Fail { attempt, reason, .. } => {
                payout.demand_attempt(*attempt)?;
                if payout.status == Status::Failed {
                    return Err(Undecided::already_known(format_args!(
                        "the failure of attempt {attempt} of payout {id}"
                    )));
                }
                payout.demand(&[Status::Processing], "failed")?;
                Ok(moved(Event::Failed { payout: id, attempt: *attempt, reason: reason.clone() }))
            }
            Self::ResolveLatePayment { attempt, resolution, reason, .. } => {
                let (attempt, resolution) = (*attempt, *resolution);
                if payout.late.get(&attempt) != Some(&true) {
                    return Err(Rejection::NoLatePayment { payout: id, attempt }.into());
                }
                if resolution == Resolution::Accept && payout.status != Status::Failed {
                    return Err(Rejection::LatePaymentNotAcceptable { payout: id, status: payout.status }.into());
                }
                payout.demand_other(actor)?;
                mark!(LatePaymentAccepted, resolution == Resolution::Accept);
                mark!(LatePaymentDismissed, resolution == Resolution::Dismiss);
                let reason = reason.clone();
                let resolved = moved(Event::LatePaymentResolved { payout: id, attempt, resolution, by: by(), reason });
                match resolution {
                    Resolution::Dismiss => Ok(resolved),
                    Resolution::Accept => {
                        context.slice.require([payout.account()])?;
                        let (stream, settled) = payout.settled();
                        let through = Payment::Rail { attempt };
                        let paid = Event::Paid { payout: id, amount: payout.amount, through };
                        Ok(resolved.with(StreamId::Payout(id), paid).with(stream, settled))
                    }
                }
            }
            Self::RecordManualPayment { method, reference, account, .. } => {
                let slot = StreamId::reference(account, reference);
                context.slice.require([payout.account(), slot.clone()])?;
                let (account, reference) = (account.clone(), reference.clone());
                if let Some(taken) = context.slice.reference(&slot)? {
                    if taken == id && payout.status == Status::Paid {
                        return Err(Undecided::already_known(format_args!("the payment of payout {id}")));
                    }
                    mark!(ReferenceTaken);
                    return Err(Rejection::ReferenceTaken { account, reference, payout: taken }.into());
                }
                payout.demand(&[Status::Approved], "paid manually")?;
                context.settings.demand(Capability::ManualPayments)?;
                let (stream, settled) = payout.settled();
                let taken =
                    Event::ReferenceTaken { account: account.clone(), reference: reference.clone(), payout: id };
                let through = Payment::Manual { method: method.clone(), reference, account };
                let paid = Event::Paid { payout: id, amount: payout.amount, through };
                Ok(moved(paid).with(stream, settled).with(slot, taken))
            }
            Self::Void { reason, .. } => {
                let before = [Status::Draft, Status::PendingApproval];
                let failed = planted!(VoidFromProcessing => crate::planted::failed_or(payout.status, Status::Processing), Status::Failed);
                payout.demand(&[before[0], before[1], Status::Approved, failed], "voided")?;
                payout.demand_no_late_payment()?;
                if before.contains(&payout.status) {
                    payout.demand_maker(actor, "voided")?;
                } else {
                    payout.demand_other(actor)?;
                }
                context.slice.require([payout.account()])?;
                Ok(payout.release(moved(Event::Voided { payout: id, by: by(), reason: reason.clone() })))
            }
        }
    }
}

/// A payout that is about to be made.
struct Draft<'a> {
    payee: &'a PayeeId,
    currency: Currency,
    period: &'a Option<PeriodLabel>,
    notes: &'a Option<Text>,
}

impl Draft<'_> {
    fn account(&self) -> StreamId {
        StreamId::Account { payee: self.payee.clone(), currency: self.currency }
    }

    fn of_payable(&self, context: &Context<'_>, through: Option<Date>) -> Result<Decision, Undecided> {
        context.slice.require([StreamId::Payee(self.payee.clone()), self.account()])?;
        context.slice.payee(self.payee)?;
        let account = context.slice.account(self.payee, self.currency)?;
        let entries: Vec<_> = account.payable(through).map(|(id, entry)| (id, entry.amount)).collect();
        if entries.is_empty() {
            return Err(Rejection::NothingPayable { payee: self.payee.clone(), currency: self.currency }.into());
        }
        self.claim(context, &entries, None, context.decision())
    }

    fn of_amount(
        &self,
        context: &Context<'_>,
        amount: Money,
        reason: &Text,
        contra: Contra,
    ) -> Result<Decision, Undecided> {
        context.settings.demand(Capability::ManualAmounts)?;
        context.settings.demand_currency(self.currency)?;
        context.slice.require([StreamId::Payee(self.payee.clone()), self.account()])?;
        context.slice.payee(self.payee)?;
        let entry = context.new_entry(0);
        let source = Source::Adjustment { reason: reason.clone(), contra };
        let (stream, booked) = book(self.payee, entry, source, amount, context.today);
        self.claim(context, &[(entry, amount)], Some(entry), context.decision().with(stream, booked))
    }

    fn claim(
        &self,
        context: &Context<'_>,
        entries: &[(EntryId, Money)],
        adjustment: Option<EntryId>,
        mut decision: Decision,
    ) -> Result<Decision, Undecided> {
        let most = (EVENTS_PER_REQUEST - 2) * ENTRIES_PER_CLAIM;
        if entries.len() > most {
            let (payee, entries) = (self.payee.clone(), entries.len());
            return Err(Rejection::TooManyEntries { payee, entries, most }.into());
        }
        let amount = Money::sum(self.currency, entries.iter().map(|(_, amount)| *amount))?;
        if planted!(ZeroPayout => amount.is_negative(), !amount.is_positive()) {
            mark!(NotPositive);
            return Err(Rejection::NotPositive { payee: self.payee.clone(), amount }.into());
        }
        let payout = PayoutId::derive(context.slice.ledger(), &context.request.key, 0);
        // A payout's stream is named by its request's key, so it can only be empty; the guard says so.
        context.slice.require([StreamId::Payout(payout)])?;
        for claimed in account::claim(self.payee, payout, entries, amount)? {
            decision = decision.with(self.account(), claimed);
        }
        let created = Event::Created {
            payout,
            payee: self.payee.clone(),
            amount,
            entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            by: context.request.actor.clone(),
            period: self.period.clone(),
            notes: self.notes.clone(),
            adjustment,
        };
        Ok(decision.with(StreamId::Payout(payout), created))
    }
}

fn approve(context: &Context<'_>, payout: &Payout) -> Result<Event, Rejection> {
    payout.demand(&[Status::PendingApproval], "approved")?;
    payout.demand_other(&context.request.actor)?;
    Ok(Event::Approved { payout: payout.id, by: context.request.actor.clone(), amount: payout.amount })
}

fn approve_bulk(context: &Context<'_>, payouts: &[PayoutId], atomic: bool) -> Result<Decision, Undecided> {
    let mut seen = BTreeSet::new();
    let payouts: Vec<_> =
        payouts.iter().copied().filter(|payout| seen.insert(*payout) || planted!(BulkTwice)).collect();
    if payouts.is_empty() || payouts.len() > PAYOUTS_PER_BULK {
        return Err(Rejection::BulkSize { payouts: payouts.len() }.into());
    }
    let bulk = BulkId::derive(context.slice.ledger(), &context.request.key, 0);
    context.slice.require(payouts.iter().map(|payout| StreamId::Payout(*payout)).chain([StreamId::Bulk(bulk)]))?;
    let mut decision = context.decision();
    let mut outcomes = Vec::with_capacity(payouts.len());
    for payout in payouts {
        let approved = context.slice.payout(payout).and_then(|payout| Ok(approve(context, payout)?));
        mark!(BulkRefused, atomic && approved.is_err());
        let skipped = match approved {
            Ok(event) => {
                decision = decision.with(StreamId::Payout(payout), event);
                None
            }
            Err(Undecided::Rejected(rejection)) if !atomic => {
                let skipped = Skipped::because_of(&rejection);
                Some(skipped.ok_or(Undecided::Rejected(rejection))?)
            }
            Err(other) => return Err(other),
        };
        outcomes.push(BulkOutcome { payout, skipped });
    }
    mark!(BulkPartial, outcomes.iter().any(|outcome| outcome.skipped.is_some()));
    Ok(decision.with(StreamId::Bulk(bulk), Event::BulkApproved { bulk, outcomes }))
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

/// The fold of a bulk approval's stream: it happens once, and nothing reads it again.
pub(crate) fn evolve_bulk(event: &Event) -> Result<(), Misfit> {
    if matches!(event, Event::BulkApproved { .. }) { Ok(()) } else { Err(Misfit("a bulk approval is decided once")) }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Payout(event)
    }
}
