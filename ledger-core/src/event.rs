//! Every fact that a ledger can hold: the sum of what can happen to each thing.

use crate::{account, attainment, cap, deal, payee, payout, plan, settings};

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of the settings.
    Settings(settings::Event),
    /// Of a payee.
    Payee(payee::Event),
    /// Of a plan.
    Plan(plan::Event),
    /// Of a deal.
    Deal(deal::Event),
    /// Of a cap account.
    Cap(cap::Event),
    /// Of an attainment.
    Attainment(attainment::Event),
    /// Of a payee's account.
    Account(account::Event),
    /// Of a payout.
    Payout(payout::Event),
}
