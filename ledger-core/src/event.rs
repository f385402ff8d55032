//! Every fact that a ledger can hold: the sum of what can happen to each thing.

use crate::{account, attainment, cap, customer, deal, model, payee, payout, plan, rates, settings, spend};

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of the settings.
    Settings(settings::Event),
    /// Of a payee.
    Payee(payee::Event),
    /// Of a plan.
    Plan(plan::Event),
    /// Of a model.
    Model(model::Event),
    /// Of a rate plan.
    Rates(rates::Event),
    /// Of a deal.
    Deal(deal::Event),
    /// Of a cap account.
    Cap(cap::Event),
    /// Of an attainment.
    Attainment(attainment::Event),
    /// Of a spend account.
    Spend(spend::Event),
    /// Of a customer.
    Customer(customer::Event),
    /// Of a payee's account.
    Account(account::Event),
    /// Of a payout.
    Payout(payout::Event),
}
