//! How a payout is made: a draft that claims what is payable, or an amount that is booked for it alone.

use super::{Event, Rejection};
use crate::Date;
use crate::account::{self, Contra, Source};
use crate::deal::book;
use crate::decide::{Context, Decision, Undecided};
use crate::id::{EntryId, PayeeId, PayoutId, PeriodLabel, Text};
use crate::limits::{ENTRIES_PER_CLAIM, EVENTS_PER_REQUEST};
use crate::money::{Currency, Money};
use crate::settings::Capability;
use crate::stream::StreamId;

/// A payout that is about to be made.
pub(super) struct Draft<'a> {
    pub(super) payee: &'a PayeeId,
    pub(super) currency: Currency,
    pub(super) period: &'a Option<PeriodLabel>,
    pub(super) notes: &'a Option<Text>,
}

impl Draft<'_> {
    fn account(&self) -> StreamId {
        StreamId::Account { payee: self.payee.clone(), currency: self.currency }
    }

    pub(super) fn of_payable(&self, context: &Context<'_>, through: Option<Date>) -> Result<Decision, Undecided> {
        context.slice.require([StreamId::Payee(self.payee.clone()), self.account()])?;
        context.slice.payee(self.payee)?;
        let account = context.slice.account(self.payee, self.currency)?;
        let entries: Vec<_> = account.payable(through).map(|(id, entry)| (id, entry.amount)).collect();
        if entries.is_empty() {
            return Err(Rejection::NothingPayable { payee: self.payee.clone(), currency: self.currency }.into());
        }
        self.claim(context, &entries, None, context.decision())
    }

    pub(super) fn of_amount(
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
