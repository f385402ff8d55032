//! What moves a payout that is there: who may, from where, and what follows from it.

use super::{Command, Event, Payment, Payout, RailKey, Rejection, Resolution, Status};
use crate::account::{self, Because};
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::Actor;
use crate::money::Money;
use crate::settings::Capability;
use crate::stream::StreamId;

impl Payout {
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
    /// What moves a payout that is there.
    pub(super) fn transition(&self, context: &Context<'_>, payout: &Payout) -> Result<Decision, Undecided> {
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

pub(super) fn approve(context: &Context<'_>, payout: &Payout) -> Result<Event, Rejection> {
    payout.demand(&[Status::PendingApproval], "approved")?;
    payout.demand_other(&context.request.actor)?;
    Ok(Event::Approved { payout: payout.id, by: context.request.actor.clone(), amount: payout.amount })
}
