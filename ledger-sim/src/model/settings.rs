//! The currency, the zone, and what the organization has switched on.

use chrono_tz::Tz;

use super::{Asked, Ruling, Step, Why, calendar};
use crate::act::{Act, Ask, Code, Day};

/// What an organization may switch on, in the order in which it is stored.
pub(super) const CAPABILITIES: [&str; 5] =
    ["rail_payments", "manual_payments", "manual_amounts", "opening_balances", "foreign_currencies"];

/// The settings of a ledger.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub base: Code,
    pub zone: Tz,
    pub capabilities: Vec<&'static str>,
}

impl Settings {
    pub fn allows(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    pub fn demand(&self, capability: &str) -> Result<(), Why> {
        if self.allows(capability) { Ok(()) } else { Err(Why::SwitchedOff) }
    }

    pub fn demand_currency(&self, currency: Code) -> Result<(), Why> {
        if currency == self.base { Ok(()) } else { self.demand("foreign_currencies") }
    }

    pub fn today(&self, at: i64) -> Result<Day, Why> {
        calendar::today(at, self.zone)
    }
}

/// The first request of a ledger.
pub(super) fn open(ask: &Ask) -> Result<Ruling, Why> {
    let Act::Open { base, zone, capabilities } = &ask.act else { return Err(Why::NotOpen) };
    let capabilities: Vec<_> =
        CAPABILITIES.into_iter().filter(|capability| capabilities.contains(capability)).collect();
    let settings = Settings { base: *base, zone: zone.parse().map_err(|_| Why::Malformed)?, capabilities };
    let mut ruling = Ruling::on(settings.today(ask.at)?);
    let listed: Vec<_> = settings.capabilities.iter().map(|capability| format!("\"{capability}\"")).collect();
    let (base, listed) = (base.0, listed.join(","));
    let payload = format!(r#"{{"base_currency":"{base}","zone":"{zone}","capabilities":[{listed}]}}"#);
    ruling.fact("settings", "settings.opened", payload);
    ruling.step(Step::Settings(settings));
    Ok(ruling)
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    let mut settings = asked.settings.clone();
    let (type_name, capability) = match asked.ask.act {
        Act::SwitchOn { capability } if !settings.allows(capability) => {
            settings.capabilities.push(capability);
            ("settings.switched_on", capability)
        }
        Act::SwitchOff { capability } if settings.allows(capability) => {
            settings.capabilities.retain(|on| *on != capability);
            ("settings.switched_off", capability)
        }
        Act::SwitchOn { .. } | Act::SwitchOff { .. } => return Err(Why::Unchanged),
        _ => return Err(Why::Taken),
    };
    let mut ruling = Ruling::on(asked.today);
    ruling.fact("settings", type_name, format!(r#"{{"capability":"{capability}"}}"#));
    ruling.step(Step::Settings(settings));
    Ok(ruling)
}
