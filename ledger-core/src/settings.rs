//! A ledger's settings: the currency it counts in, the zone whose dates it uses, and what the organization has switched on.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::Zone;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::money::Currency;
use crate::stream::StreamId;

/// What can be asked of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Opens the ledger. Everything else is refused before.
    Open {
        /// The currency of everything that is not said to be in another.
        base_currency: Currency,
        /// The zone whose calendar turns an instant into a date.
        zone: Zone,
        /// What is switched on from the start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        capabilities: Vec<Capability>,
    },
    /// Switches a capability on.
    SwitchOn {
        /// Which one.
        capability: Capability,
    },
    /// Switches a capability off. What was done with it stays.
    SwitchOff {
        /// Which one.
        capability: Capability,
    },
}

/// What happened to the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The ledger was opened.
    Opened {
        /// The currency of everything that is not said to be in another.
        base_currency: Currency,
        /// The zone whose calendar turns an instant into a date.
        zone: Zone,
        /// What is switched on, sorted.
        capabilities: Vec<Capability>,
    },
    /// A capability was switched on.
    SwitchedOn {
        /// Which one.
        capability: Capability,
    },
    /// A capability was switched off.
    SwitchedOff {
        /// Which one.
        capability: Capability,
    },
}

/// A way of moving money, or of saying what was earned, that an organization allows or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Payouts are handed to a rail: started, then paid or failed.
    RailPayments,
    /// Payouts are paid outside any rail and recorded: cheque, cash, payroll.
    ManualPayments,
    /// Payouts are made from an amount with a reason, not from entries.
    ManualAmounts,
    /// Cap accounts take over what was contributed elsewhere.
    OpeningBalances,
    /// Plans and amounts in other currencies than the base currency.
    ForeignCurrencies,
}

impl Capability {
    /// The capability as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RailPayments => "rail_payments",
            Self::ManualPayments => "manual_payments",
            Self::ManualAmounts => "manual_amounts",
            Self::OpeningBalances => "opening_balances",
            Self::ForeignCurrencies => "foreign_currencies",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a request about the settings, or one that needs them, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Nothing is possible before the ledger is opened.
    #[error("the ledger is not open: open it with settings.open first")]
    NotOpen,
    /// A ledger is opened once.
    #[error("the ledger is already open, in {base_currency}")]
    AlreadyOpen {
        /// Its base currency.
        base_currency: Currency,
    },
    /// The organization has not switched it on.
    #[error("{capability} is switched off: switch it on with settings.switch_on if the organization allows it")]
    SwitchedOff {
        /// What the request needs.
        capability: Capability,
    },
    /// Nothing would change.
    #[error("{capability} is already as asked")]
    NoChange {
        /// Which capability.
        capability: Capability,
    },
}

/// The settings as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    base_currency: Currency,
    zone: Zone,
    capabilities: Vec<Capability>,
}

impl Settings {
    /// The currency of everything that is not said to be in another.
    #[must_use]
    pub fn base_currency(&self) -> Currency {
        self.base_currency
    }

    /// The zone whose calendar turns an instant into a date.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Whether a capability is switched on.
    #[must_use]
    pub fn allows(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    pub(crate) fn demand(&self, capability: Capability) -> Result<(), Rejection> {
        if self.allows(capability) { Ok(()) } else { Err(Rejection::SwitchedOff { capability }) }
    }

    pub(crate) fn demand_currency(&self, currency: Currency) -> Result<(), Rejection> {
        if currency == self.base_currency { Ok(()) } else { self.demand(Capability::ForeignCurrencies) }
    }
}

impl Command {
    /// Decides before there are settings; every other decision comes after them.
    pub(crate) fn open(&self, settings: Option<&Settings>) -> Result<Option<(Zone, Event)>, Rejection> {
        let Self::Open { base_currency, zone, capabilities } = self else { return Ok(None) };
        if let Some(settings) = settings {
            return Err(Rejection::AlreadyOpen { base_currency: settings.base_currency });
        }
        let mut capabilities = capabilities.clone();
        capabilities.sort_unstable();
        capabilities.dedup();
        Ok(Some((*zone, Event::Opened { base_currency: *base_currency, zone: *zone, capabilities })))
    }

    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let settings = context.settings;
        let event = match *self {
            Self::Open { .. } => return Err(Rejection::AlreadyOpen { base_currency: settings.base_currency }.into()),
            Self::SwitchOn { capability } if !settings.allows(capability) => Event::SwitchedOn { capability },
            Self::SwitchOff { capability } if settings.allows(capability) => Event::SwitchedOff { capability },
            Self::SwitchOn { capability } | Self::SwitchOff { capability } => {
                return Err(Rejection::NoChange { capability }.into());
            }
        };
        Ok(context.decision().with(StreamId::Settings, event))
    }
}

pub(crate) fn evolve(state: &mut Option<Settings>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::Opened { base_currency, zone, capabilities }) => {
            *state = Some(Settings { base_currency: *base_currency, zone: *zone, capabilities: capabilities.clone() });
        }
        (Some(settings), Event::SwitchedOn { capability }) => settings.capabilities.push(*capability),
        (Some(settings), Event::SwitchedOff { capability }) => settings.capabilities.retain(|c| c != capability),
        (Some(_), Event::Opened { .. }) => return Err(Misfit("a ledger is opened once")),
        (None, Event::SwitchedOn { .. } | Event::SwitchedOff { .. }) => return Err(Misfit("the ledger is not open")),
    }
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Settings(event)
    }
}
