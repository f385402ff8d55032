//! Everything that can be asked of a ledger, and the request that asks it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::chain::{self, Digest};
use crate::codec;
use crate::id::{Actor, Key};
use crate::stream::StreamId;
use crate::{attainment, cap, deal, model, payee, payout, plan, rates, settings};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Of the settings.
    Settings(settings::Command),
    /// Of a payee.
    Payee(payee::Command),
    /// Of a plan.
    Plan(plan::Command),
    /// Of a model.
    Model(model::Command),
    /// Of a rate plan.
    Rates(rates::Command),
    /// Of a deal.
    Deal(deal::Command),
    /// Of a cap account.
    Cap(cap::Command),
    /// Of an attainment.
    Attainment(attainment::Command),
    /// Of a payout.
    Payout(payout::Command),
}

/// A command with who asks it, when, and under which key.
///
/// As JSON: `{"key":"k-1","actor":"ann","at":"2026-02-01T09:00:00Z","command":{"payout.submit":{"payout":"…"}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by the caller before it sends. The same key with the same command and actor is the same request.
    pub key: Key,
    /// Who asks.
    pub actor: Actor,
    /// When it is asked. The ledger's zone turns it into the effective date, unless the command names one.
    pub at: DateTime<Utc>,
    /// What is asked.
    pub command: Command,
}

impl Command {
    /// Whether this makes the stream, if it can be done: then the stream holds nothing yet.
    pub(crate) fn makes(&self, stream: &StreamId) -> bool {
        match (self, stream) {
            (Self::Payee(payee::Command::Enrol { payee, .. }), StreamId::Payee(made)) => payee == made,
            (
                Self::Deal(
                    deal::Command::Register { deal, .. }
                    | deal::Command::Record { deal, .. }
                    | deal::Command::RegisterSale { deal, .. }
                    | deal::Command::RecordSale { deal, .. },
                ),
                StreamId::Deal(made),
            ) => deal == made,
            (
                Self::Payout(payout::Command::Create { .. } | payout::Command::CreateManual { .. }),
                StreamId::Payout(_),
            )
            | (Self::Payout(_), StreamId::Bulk(_) | StreamId::Reference { .. }) => true,
            _ => false,
        }
    }
}

impl Request {
    /// The hash by which a key recognises its request: of the command and the actor, never of the time.
    #[must_use]
    pub fn hash(&self) -> Digest {
        chain::request_hash(self.actor.as_str(), &codec::encode_command(&self.command))
    }
}

macro_rules! from_command {
    ($($concept:ident => $variant:ident),+) => {$(
        impl From<$concept::Command> for Command {
            fn from(command: $concept::Command) -> Self {
                Self::$variant(command)
            }
        }
    )+};
}
from_command!(
    settings => Settings, payee => Payee, plan => Plan, model => Model, rates => Rates, deal => Deal, cap => Cap, attainment => Attainment, payout => Payout
);
