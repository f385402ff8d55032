//! What each payee earned, is owed and was paid, in each currency.
//!
//! What was earned counts to the year of the day that it is for, what was settled to the year of the day on which it was paid.
//! At every request's end `payable + claimed + settled = earned - reversed - clawed_back + adjusted`.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};

use super::Projection;
use super::sum::Sum;
use crate::account::{self, Because, Source};
use crate::event::Event;
use crate::id::{EntryId, PayeeId, PayoutId};
use crate::map::{Map, Small};
use crate::money::{Currency, Money};
use crate::recorded::Recorded;

/// The balances of every payee.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    payees: Map<PayeeId, Small<Currency, Balance>>,
    /// The clawbacks that no payout has claimed.
    clawbacks: Map<EntryId, Money>,
    /// The clawbacks that a payout recovers when it is paid.
    recovering: Map<PayoutId, Vec<(EntryId, Money)>>,
}

/// What one payee earned, is owed and was paid in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// The commissions that were booked.
    pub earned: Sum,
    /// The unpaid commissions that were taken back.
    pub reversed: Sum,
    /// The paid commissions that were taken back, above zero.
    pub clawed_back: Sum,
    /// The adjustments that were booked, less those that were taken back.
    pub adjusted: Sum,
    /// What the next payout may claim. Below zero the payee owes it.
    pub payable: Sum,
    /// What payouts that are not paid yet have claimed.
    pub claimed: Sum,
    /// What was paid.
    pub settled: Sum,
    /// The clawbacks that no paid payout has recovered, above zero.
    pub clawback_outstanding: Sum,
    /// How many entries were booked.
    pub entries: u64,
    /// How many entries were taken back before they were paid.
    pub entries_reversed: u64,
    /// How many entries were paid.
    pub entries_paid: u64,
    /// How many payouts were paid.
    pub payouts_paid: u64,
    /// When the last payout was paid.
    pub last_paid_at: Option<DateTime<Utc>>,
    /// The same by calendar year.
    pub years: Small<i32, Year>,
    /// The sequence of the last event that changed it.
    pub sequence: u64,
}

/// One calendar year of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Year {
    /// The commissions for days of the year.
    pub earned: Sum,
    /// The unpaid commissions that were taken back on a day of the year.
    pub reversed: Sum,
    /// The clawbacks for days of the year, above zero.
    pub clawed_back: Sum,
    /// The adjustments for days of the year, less those that were taken back on a day of the year.
    pub adjusted: Sum,
    /// What was paid on days of the year.
    pub settled: Sum,
}

impl Balance {
    /// What could be paid out: what is payable, clawbacks included.
    #[must_use]
    pub fn available(&self) -> Sum {
        self.payable
    }

    /// Folds an event of the account in. Which clawbacks are open, and which of them a payout recovers, stands beside the
    /// balance, because it is of no interest to whoever reads one.
    pub(super) fn apply(
        &mut self,
        recorded: &Recorded,
        event: &account::Event,
        clawbacks: &mut Map<EntryId, Money>,
        recovering: &mut Map<PayoutId, Vec<(EntryId, Money)>>,
    ) {
        self.sequence = recorded.sequence;
        let year = recorded.effective.year();
        match event {
            account::Event::EntryBooked { entry, source, amount, earned_on, .. } => {
                if matches!(source, Source::Clawback { .. }) {
                    clawbacks.insert(*entry, *amount);
                }
                self.book(source, *amount, earned_on.year());
            }
            account::Event::EntryReversed { because, amount, .. } => {
                self.entries_reversed = self.entries_reversed.saturating_add(1);
                self.payable.take(*amount);
                match because {
                    Because::Deal(_) => {
                        self.reversed.add(*amount);
                        self.years.update(&year, |year| year.reversed.add(*amount));
                    }
                    Because::Payout(_) => {
                        self.adjusted.take(*amount);
                        self.years.update(&year, |year| year.adjusted.take(*amount));
                    }
                }
            }
            account::Event::EntriesClaimed { payout, entries, amount, .. } => {
                if !clawbacks.is_empty() {
                    for entry in entries {
                        let Some(clawback) = clawbacks.remove(entry) else { continue };
                        recovering.update(payout, |recovering| recovering.push((*entry, clawback)));
                    }
                }
                self.payable.take(*amount);
                self.claimed.add(*amount);
            }
            account::Event::EntriesReleased { payout, amount, .. } => {
                for (entry, clawback) in
                    planted!(ClawbackLostOnRelease => None, recovering.remove(payout)).into_iter().flatten()
                {
                    clawbacks.insert(entry, clawback);
                }
                self.claimed.take(*amount);
                self.payable.add(*amount);
            }
            account::Event::EntriesPaid { payout, count, amount, .. } => {
                self.claimed.take(*amount);
                self.settled.add(*amount);
                self.entries_paid = self.entries_paid.saturating_add((*count).into());
                self.payouts_paid = self.payouts_paid.saturating_add(1);
                self.last_paid_at = Some(recorded.request.recorded_at);
                self.years.update(&year, |year| year.settled.add(*amount));
                for (_, clawback) in recovering.remove(payout).into_iter().flatten() {
                    // A clawback is below zero.
                    self.clawback_outstanding.add(clawback);
                }
            }
        }
    }

    fn book(&mut self, source: &Source, amount: Money, year: i32) {
        self.entries = self.entries.saturating_add(1);
        self.payable.add(amount);
        match source {
            Source::Commission { .. } => {
                self.earned.add(amount);
                self.years.update(&year, |year| year.earned.add(amount));
            }
            Source::Clawback { .. } if planted!(ClawbackIsEarned) => self.earned.add(amount),
            Source::Clawback { .. } => {
                self.clawed_back.take(amount);
                self.clawback_outstanding.take(amount);
                self.years.update(&year, |year| year.clawed_back.take(amount));
            }
            Source::Adjustment { .. } => {
                self.adjusted.add(amount);
                self.years.update(&year, |year| year.adjusted.add(amount));
            }
        }
    }
}

impl Summary {
    /// Every balance, by payee and currency.
    #[must_use]
    pub fn balances(&self) -> Vec<(&PayeeId, Currency, &Balance)> {
        let payees = self.payees.sorted().into_iter();
        payees.flat_map(|(payee, of)| of.iter().map(move |(currency, balance)| (payee, *currency, balance))).collect()
    }

    /// One payee's balance in one currency, if anything was ever booked in it.
    #[must_use]
    pub fn balance(&self, payee: &PayeeId, currency: Currency) -> Option<&Balance> {
        self.payees.get(payee)?.get(&currency)
    }
}

impl Projection for Summary {
    const NAME: &'static str = "summary";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        let Event::Account(event) = &recorded.event else { return };
        let (payee, amount) = match event {
            account::Event::EntryBooked { payee, amount, .. }
            | account::Event::EntryReversed { payee, amount, .. }
            | account::Event::EntriesClaimed { payee, amount, .. }
            | account::Event::EntriesReleased { payee, amount, .. }
            | account::Event::EntriesPaid { payee, amount, .. } => (payee, amount),
        };
        let Self { payees, clawbacks, recovering } = self;
        payees.update(payee, |balances| {
            balances.update(&amount.currency(), |balance| balance.apply(recorded, event, clawbacks, recovering));
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::projection::replay::fold;
    use crate::projection::testing::Books;

    fn amy(books: &Books) -> Balance {
        let usd = Currency::of("USD").unwrap();
        fold::<Summary>(&books.events).balance(&"amy".parse().unwrap(), usd).unwrap().clone()
    }

    fn cents(sums: [Sum; 4]) -> [i128; 4] {
        sums.map(Sum::minor)
    }

    #[test]
    fn a_payee_is_told_what_was_earned_claimed_paid_and_taken_back() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy"], "2025-12-31");
        books.deal("d-2", "100.00 USD", &["amy"], "2026-01-05");
        books.deal("d-3", "10.00 USD", &["amy"], "2026-01-05");
        books.ask("ann", "2026-01-06", r#"{"deal.reverse":{"deal":"d-3","reason":"fell through"}}"#);
        let at = |balance: &Balance| cents([balance.earned, balance.payable, balance.claimed, balance.settled]);
        assert_eq!(at(&amy(&books)), [77_700, 77_000, 0, 0]);
        assert_eq!(amy(&books).reversed.minor(), 700);

        let payout = books.payout("amy", "2026-01-07");
        assert_eq!(at(&amy(&books)), [77_700, 0, 77_000, 0]);
        books.pay(payout, "2026-01-08");
        books.ask("ann", "2026-01-09", r#"{"deal.reverse":{"deal":"d-1","reason":"refunded"}}"#);
        let balance = amy(&books);
        assert_eq!(at(&balance), [77_700, -70_000, 0, 77_000]);
        assert_eq!(balance.clawback_outstanding.minor(), 70_000);
        assert_eq!(balance.last_paid_at.unwrap().to_string(), "2026-01-08 17:00:00 UTC");
        assert_eq!(
            (balance.entries, balance.entries_reversed, balance.entries_paid, balance.payouts_paid),
            (4, 1, 2, 1)
        );
        let year = |year| {
            let of = balance.years.get(&year).copied().unwrap();
            cents([of.earned, of.reversed, of.clawed_back, of.settled])
        };
        assert_eq!(year(2025), [70_000, 0, 0, 0], "earned in the year of the deal");
        assert_eq!(year(2026), [7_700, 700, 70_000, 77_000], "settled in the year of the payment");

        // The clawback is recovered by the payout that is paid after it, not before.
        books.deal("d-4", "2000.00 USD", &["amy"], "2026-02-01");
        let next = books.payout("amy", "2026-02-02");
        assert_eq!(amy(&books).clawback_outstanding.minor(), 70_000);
        books.move_payout("ann", "2026-02-02", "void", next, r#","reason":"typo""#);
        assert_eq!(at(&amy(&books)), [217_700, 70_000, 0, 77_000]);
        let next = books.payout("amy", "2026-02-03");
        books.pay(next, "2026-02-04");
        assert_eq!(amy(&books).clawback_outstanding, Sum::ZERO);
        assert_eq!(at(&amy(&books)), [217_700, 0, 0, 147_000]);
    }

    #[test]
    fn an_adjustment_that_is_taken_back_is_neither_adjusted_nor_reversed() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy"], "2026-01-05");
        let manual = r#"{"payout.create_manual":{"payee":"amy","amount":"50.00 USD","reason":"bonus"}}"#;
        books.ask("ann", "2026-01-06", manual);
        let payout = books.last_payout();
        let at = |balance: &Balance| cents([balance.adjusted, balance.reversed, balance.payable, balance.claimed]);
        assert_eq!(at(&amy(&books)), [5_000, 0, 70_000, 5_000]);
        books.move_payout("ann", "2026-01-07", "void", payout, r#","reason":"typo""#);
        let balance = amy(&books);
        assert_eq!(at(&balance), [0, 0, 70_000, 0]);
        assert_eq!((balance.earned.minor(), balance.entries_reversed), (70_000, 1));
        let year = balance.years.get(&2026).copied().unwrap();
        assert_eq!(cents([year.earned, year.reversed, year.adjusted, year.settled]), [70_000, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn what_was_booked_is_payable_claimed_or_settled(seed: u64) {
            let books = Books::random(seed, 100);
            let summary = fold::<Summary>(&books.events);
            for (_, _, of) in summary.balances() {
                let booked = of.earned.minus(of.reversed).minus(of.clawed_back).plus(of.adjusted);
                prop_assert_eq!(of.payable.plus(of.claimed).plus(of.settled), booked);
                let settled: Sum = of.years.iter().map(|(_, year)| year.settled).sum();
                let earned: Sum = of.years.iter().map(|(_, year)| year.earned).sum();
                prop_assert_eq!((settled, earned), (of.settled, of.earned));
                let reversed: Sum = of.years.iter().map(|(_, year)| year.reversed).sum();
                let adjusted: Sum = of.years.iter().map(|(_, year)| year.adjusted).sum();
                prop_assert_eq!((reversed, adjusted), (of.reversed, of.adjusted));
                prop_assert!(of.clawback_outstanding >= Sum::ZERO && of.clawback_outstanding <= of.clawed_back);
            }
        }
    }
}
