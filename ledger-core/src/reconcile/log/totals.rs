//! The laws of totals: what the reports say at the end of the log, against one another.

use super::{Broken, Law, Laws, broken};
use crate::map::Small;
use crate::money::Currency;
use crate::payout::Status;
use crate::projection::journal;
use crate::projection::sum::Sum;

impl Laws {
    /// What the reports say at the end, against one another.
    pub(super) fn totals(&self, out: &mut Vec<Broken>) {
        for (currency, sum) in self.reports.journal.trial_balance() {
            if !sum.is_zero() {
                out.push(broken(Law::TrialBalanceIsZero, currency, "0", sum.show(currency)));
            }
        }
        let mut registered = Small::<Currency, (u64, Sum)>::default();
        for row in self.reports.register.rows() {
            registered.update(&row.amount.currency(), |(count, sum)| {
                *count += 1;
                sum.add(row.amount);
            });
        }
        let mut owed = Small::<Currency, (Sum, Sum, Sum)>::default();
        for (_, currency, balance) in self.reports.summary.balances() {
            owed.update(&currency, |(payable, claimed, settled)| {
                *payable = payable.plus(balance.payable);
                *claimed = claimed.plus(balance.claimed);
                *settled = settled.plus(balance.settled);
            });
        }
        let mut booked = Small::<Currency, (Sum, Sum, Sum)>::default();
        for journal::Balance { account, currency, balance } in self.reports.journal.balances() {
            booked.update(&currency, |(payable, claimed, cash)| match account {
                journal::Account::Payable(_) => *payable = payable.minus(balance),
                journal::Account::Claimed(_) => *claimed = claimed.minus(balance),
                journal::Account::Rail | journal::Account::Payer(_) => *cash = cash.minus(balance),
                journal::Account::CommissionReceivable
                | journal::Account::Company(_)
                | journal::Account::Commissions
                | journal::Account::Client
                | journal::Account::Franchise
                | journal::Account::Referrer(_)
                | journal::Account::EarningsClearing
                | journal::Account::PaymentClearing => {}
            });
        }
        let statistics = &self.reports.statistics;
        let currencies =
            registered.iter().map(|(currency, _)| currency).chain(owed.iter().map(|(currency, _)| currency));
        let mut currencies: Vec<Currency> = currencies.copied().collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            let totals = statistics.of(currency);
            let (count, amount) = registered.get(&currency).copied().unwrap_or_default();
            let mut agree = |law, what: &str, ours: Sum, theirs: Sum| {
                if ours != theirs {
                    let key = format!("{what} {currency}");
                    out.push(broken(law, key, ours.show(currency), theirs.show(currency)));
                }
            };
            agree(Law::StatusesSumToAll, "payouts", amount, totals.all().amount);
            let (payable, claimed, settled) = owed.get(&currency).copied().unwrap_or_default();
            let books = booked.get(&currency).copied().unwrap_or_default();
            agree(Law::ReportsAgree, "payable", payable, books.0);
            agree(Law::ReportsAgree, "claimed", claimed, books.1);
            agree(Law::ReportsAgree, "settled", settled, books.2);
            agree(Law::ReportsAgree, "settlements", settled, totals.settled().amount);
            let unpaid = totals.total_committed().amount.minus(totals.of(Status::Paid).amount);
            agree(Law::ReportsAgree, "unpaid payouts", claimed, unpaid);
            if count != totals.all().count {
                out.push(broken(Law::StatusesSumToAll, currency, count, totals.all().count));
            }
        }
    }
}
