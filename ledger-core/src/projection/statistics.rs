//! How many payouts stand where, and over how much, in each currency.
//!
//! What was settled is summed from the settlements themselves, never from where payouts stand now.

use serde::{Deserialize, Serialize};

use super::Projection;
use super::sum::Sum;
use crate::event::Event;
use crate::id::PayoutId;
use crate::map::{Map, Small};
use crate::money::{Currency, Money};
use crate::payout::{self, Status};
use crate::recorded::Recorded;

/// The payouts by where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statistics {
    currencies: Small<Currency, Totals>,
    /// The payouts that can still move.
    open: Map<PayoutId, (Status, Money)>,
}

/// So many payouts, over so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// How many.
    pub count: u64,
    /// Over how much.
    pub amount: Sum,
}

impl Bucket {
    fn add(&mut self, amount: Money) {
        self.count = self.count.saturating_add(1);
        self.amount.add(amount);
    }

    fn take(&mut self, amount: Money) {
        self.count = self.count.saturating_sub(1);
        self.amount.take(amount);
    }

    fn plus(self, other: Self) -> Self {
        Self { count: self.count.saturating_add(other.count), amount: self.amount.plus(other.amount) }
    }
}

/// The payouts of one currency by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    draft: Bucket,
    pending_approval: Bucket,
    approved: Bucket,
    processing: Bucket,
    paid: Bucket,
    failed: Bucket,
    rejected: Bucket,
    voided: Bucket,
    settled: Bucket,
}

/// The totals in the seven buckets of hosts that know no other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SevenBuckets {
    /// Every payout, also the rejected and failed ones.
    pub total: Bucket,
    /// Drafts and what waits for approval.
    pub pending: Bucket,
    /// Approved.
    pub approved: Bucket,
    /// Paid.
    pub paid: Bucket,
    /// Rejected or voided.
    pub rejected: Bucket,
    /// Handed to the rail.
    pub processing: Bucket,
    /// Failed.
    pub failed: Bucket,
}

impl Totals {
    /// The payouts that stand at a status.
    #[must_use]
    pub fn of(&self, status: Status) -> Bucket {
        match status {
            Status::Draft => self.draft,
            Status::PendingApproval => self.pending_approval,
            Status::Approved => self.approved,
            Status::Processing => self.processing,
            Status::Paid => self.paid,
            Status::Failed => self.failed,
            Status::Rejected => self.rejected,
            Status::Voided => self.voided,
        }
    }

    fn of_mut(&mut self, status: Status) -> &mut Bucket {
        match status {
            Status::Draft => &mut self.draft,
            Status::PendingApproval => &mut self.pending_approval,
            Status::Approved => &mut self.approved,
            Status::Processing => &mut self.processing,
            Status::Paid => &mut self.paid,
            Status::Failed => &mut self.failed,
            Status::Rejected => &mut self.rejected,
            Status::Voided => &mut self.voided,
        }
    }

    fn over(&self, counts: impl Fn(Status) -> bool) -> Bucket {
        let of = Status::ALL.into_iter().filter(|status| counts(*status)).map(|status| self.of(status));
        of.fold(Bucket::default(), Bucket::plus)
    }

    /// Every payout, wherever it stands.
    #[must_use]
    pub fn all(&self) -> Bucket {
        self.over(|_| true)
    }

    /// Every payout that was not rejected or voided.
    #[must_use]
    pub fn total_committed(&self) -> Bucket {
        self.over(Status::is_live)
    }

    /// What was handed in and is neither paid, failed nor ended.
    #[must_use]
    pub fn outstanding(&self) -> Bucket {
        self.over(|status| matches!(status, Status::PendingApproval | Status::Approved | Status::Processing))
    }

    /// The settlements: how many there were, and of how much.
    #[must_use]
    pub fn settled(&self) -> Bucket {
        self.settled
    }

    /// The totals in seven buckets.
    #[must_use]
    pub fn seven_buckets(&self) -> SevenBuckets {
        SevenBuckets {
            total: self.all(),
            pending: self.draft.plus(self.pending_approval),
            approved: self.approved,
            paid: self.paid,
            rejected: self.rejected.plus(self.voided),
            processing: self.processing,
            failed: self.failed,
        }
    }
}

impl Statistics {
    /// The totals of each currency that has payouts, by its code.
    #[must_use]
    pub fn currencies(&self) -> Vec<(Currency, Totals)> {
        self.currencies.iter().map(|(currency, totals)| (*currency, *totals)).collect()
    }

    /// The totals of one currency.
    #[must_use]
    pub fn of(&self, currency: Currency) -> Totals {
        self.currencies.get(&currency).copied().unwrap_or_default()
    }

    fn move_to(&mut self, payout: PayoutId, to: Status) {
        let Some(open) = self.open.get_mut(&payout) else { return };
        let (from, amount) = *open;
        open.0 = to;
        let failed = planted!(FailedIsFinal) && to == Status::Failed;
        if matches!(to, Status::Paid | Status::Rejected | Status::Voided) || failed {
            self.open.remove(&payout);
        }
        self.currencies.update(&amount.currency(), |totals| {
            totals.of_mut(from).take(amount);
            totals.of_mut(to).add(amount);
        });
    }
}

impl Projection for Statistics {
    const NAME: &'static str = "statistics";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        let event = match &recorded.event {
            Event::Payout(event) => event,
            Event::Settings(_)
            | Event::Payee(_)
            | Event::Plan(_)
            | Event::Model(_)
            | Event::Rates(_)
            | Event::Deal(_)
            | Event::Spend(_)
            | Event::Customer(_)
            | Event::Cap(_)
            | Event::Attainment(_)
            | Event::Account(_) => return,
        };
        match event {
            payout::Event::Created { payout, amount, .. } => {
                self.open.insert(*payout, (Status::Draft, *amount));
                self.currencies.update(&amount.currency(), |totals| totals.draft.add(*amount));
            }
            payout::Event::Submitted { payout } => self.move_to(*payout, Status::PendingApproval),
            payout::Event::Approved { payout, .. } => self.move_to(*payout, Status::Approved),
            payout::Event::Rejected { payout, .. } => self.move_to(*payout, Status::Rejected),
            payout::Event::Started { payout, .. } => self.move_to(*payout, Status::Processing),
            payout::Event::Paid { payout, amount, .. } => {
                self.move_to(*payout, Status::Paid);
                self.currencies.update(&amount.currency(), |totals| totals.settled.add(*amount));
            }
            payout::Event::Failed { payout, .. } => self.move_to(*payout, Status::Failed),
            payout::Event::Voided { payout, .. } => self.move_to(*payout, Status::Voided),
            payout::Event::LatePaymentReported { .. }
            | payout::Event::LatePaymentResolved { .. }
            | payout::Event::ReferenceTaken { .. }
            | payout::Event::BulkApproved { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::projection::register::Register;
    use crate::projection::replay::fold;
    use crate::projection::testing::Books;

    fn usd() -> Currency {
        Currency::of("USD").unwrap()
    }

    #[test]
    fn payouts_are_counted_where_they_stand_and_settled_by_settlements() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy", "bo"], "2026-02-01");
        let paid = books.payout("amy", "2026-02-02");
        books.pay(paid, "2026-02-03");
        let rejected = books.payout("bo", "2026-02-02");
        books.move_payout("cat", "2026-02-03", "reject", rejected, r#","reason":"no""#);
        books.ask("ann", "2026-02-04", r#"{"payout.create":{"payee":"bo"}}"#);

        let totals = fold::<Statistics>(&books.events).of(usd());
        let show = |bucket: Bucket| format!("{}x {}", bucket.count, bucket.amount.show(usd()));
        assert_eq!(show(totals.of(Status::Draft)), "1x 350.00");
        assert_eq!(show(totals.of(Status::Rejected)), "1x 350.00");
        assert_eq!(show(totals.settled()), "1x 350.00");
        assert_eq!(show(totals.all()), "3x 1050.00");
        assert_eq!(show(totals.total_committed()), "2x 700.00");
        assert_eq!(show(totals.outstanding()), "0x 0.00");
        let seven = totals.seven_buckets();
        assert_eq!(show(seven.pending), "1x 350.00", "a draft counts as pending");
        let parts = [seven.pending, seven.approved, seven.paid, seven.rejected, seven.processing, seven.failed];
        assert_eq!(parts.into_iter().fold(Bucket::default(), Bucket::plus), seven.total);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_statuses_sum_to_all_payouts(seed: u64) {
            let books = Books::random(seed, 100);
            let (statistics, register) = (fold::<Statistics>(&books.events), fold::<Register>(&books.events));
            for (currency, totals) in statistics.currencies() {
                for status in Status::ALL {
                    let mut bucket = Bucket::default();
                    let there = |row: &crate::projection::register::Row<'_>| {
                        row.status == status && row.amount.currency() == currency
                    };
                    register.rows().filter(there).for_each(|row| bucket.add(row.amount));
                    prop_assert_eq!(totals.of(status), bucket);
                }
                prop_assert_eq!(totals.settled(), totals.of(Status::Paid));
            }
        }
    }
}
