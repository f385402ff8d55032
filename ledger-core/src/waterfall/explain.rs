//! Why a line has its amount: what was taken from what, at which rate, under which field of which plan.
//!
//! While a deal is calculated, only numbers and references are kept; the words are made when somebody asks.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::accounts::Attained;
use super::document::{Base, Mode, Plan, Shares, Threshold, Tiered, Tiers};
use super::field::Field;
use super::ladder::{bands, reached};
use super::ratio::Ratio;
use super::terms::Sharer;
use crate::id::Actor;
use crate::money::Money;
use crate::rate::{Rate, Rounding};

/// Why a line has its amount. `Display` says it in words, `Serialize` gives the numbers, the field and the words.
#[derive(Debug, Clone, Copy)]
pub struct Because<'a> {
    /// The plan whose field it is; none for a field of the deal itself.
    pub plan: Option<Plan<'a>>,
    /// The field that says so.
    pub field: Field,
    /// What the amount is made of.
    pub reason: Reason<'a>,
    /// What it would be if nothing limited it.
    pub full: Money,
    /// What was left under the cap that bound it, if there is one.
    pub room: Option<Money>,
}

/// What an amount is made of.
#[derive(Debug, Clone, Copy)]
pub enum Reason<'a> {
    /// An amount as it is stated.
    Stated,
    /// A rate of a base.
    RateOf {
        /// The rate.
        rate: Rate,
        /// What the base is.
        of: Of,
        /// The base.
        base: Money,
    },
    /// A payee's part of an amount that a whole side shares.
    Weight {
        /// The weight; none where all share equally.
        weight: Option<Rate>,
        /// How many share.
        payees: usize,
        /// What is shared.
        whole: Money,
    },
    /// The lesser of a payee's weight of a flat amount and a rate of a base.
    LesserOf {
        /// The payee's weight of the flat amount.
        flat: Money,
        /// The rate.
        rate: Rate,
        /// What the base is.
        of: Of,
        /// The base.
        base: Money,
    },
    /// What tiers leave to the company.
    Tiers {
        /// The tiers.
        tiered: &'a Tiered,
        /// What was attained before.
        before: Attained,
        /// The payee's part.
        part: Money,
        /// How many were sold.
        units: u32,
    },
    /// What a minimum leaves to the company.
    Minimum {
        /// The payee's part.
        part: Money,
        /// What the payee has at least.
        minimum: Money,
    },
    /// Nothing, since there was no room under the cap.
    Capped,
    /// What the company leaves to the payee.
    Rest {
        /// The payee's part.
        part: Money,
        /// What the company has of it up to the cap.
        company_dollar: Money,
        /// What it has of the rest.
        post_cap_company: Money,
    },
    /// A bonus for a threshold that was reached.
    Reached {
        /// The threshold.
        threshold: Threshold,
        /// What was attained before.
        before: Attained,
        /// What is attained after.
        after: Attained,
    },
    /// Somebody decided so.
    Decided {
        /// Who.
        actor: &'a Actor,
    },
}

/// What a rate is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// What was left of the commission.
    Left,
    /// The payee's part.
    Part,
    /// What of the payee's part is beyond the cap.
    Beyond,
    /// The payee's part of the gross commission.
    Gross,
    /// What the company has of the payee's part.
    CompanyDollar,
    /// What the payee had so far.
    PayeeShare,
}

impl From<Base> for Of {
    fn from(base: Base) -> Self {
        match base {
            Base::Part => Self::Part,
            Base::Gci => Self::Gross,
            Base::CompanyDollar => Self::CompanyDollar,
            Base::PayeeShare => Self::PayeeShare,
        }
    }
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Part => "part",
            Self::Beyond => "beyond_cap",
            Self::Gross => "gci",
            Self::CompanyDollar => "company_dollar",
            Self::PayeeShare => "payee_share",
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "the commission that was left,",
            Self::Part => "the part of",
            Self::Beyond => "the part beyond the cap,",
            Self::Gross => "the part of the gross commission,",
            Self::CompanyDollar => "the company's share of",
            Self::PayeeShare => "the payee's share so far,",
        })
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = self.full;
        match self.reason {
            Reason::Stated => write!(f, "{full} as stated")?,
            Reason::RateOf { rate, of, base } => write!(f, "{} of {of} {} is {full}", rate.percent(), base)?,
            Reason::Weight { weight: Some(weight), whole, .. } => {
                write!(f, "the payee's weight of {} in {} is {full}", weight.percent(), whole)?;
            }
            Reason::Weight { weight: None, payees, whole } => {
                write!(f, "an equal part of {} among {payees} is {full}", whole)?;
            }
            Reason::LesserOf { flat, rate, of, base } => {
                let (flat, base) = (flat, base);
                write!(f, "the lesser of {flat} and {} of {of} {base} is {full}", rate.percent())?;
            }
            Reason::Tiers { tiered, before, part, units } => {
                explain_tiers(f, tiered, &before, part, units)?;
                write!(f, ", so the company has {full} of {}", part)?;
            }
            Reason::Minimum { part, minimum } => {
                write!(f, "the payee has at least {} of {}, so the company has {full}", minimum, part)?;
            }
            Reason::Capped => f.write_str("the cap was reached before, so nothing counts to it")?,
            Reason::Rest { part, company_dollar, post_cap_company } => {
                write!(f, "the part of {} less {} for the company", part, company_dollar)?;
                if !post_cap_company.is_zero() {
                    write!(f, " and {} beyond the cap", post_cap_company)?;
                }
                write!(f, " is {full}")?;
            }
            Reason::Reached { threshold, before, after } => match threshold {
                Threshold::Units(units) => {
                    write!(f, "{units} units are reached, from {} to {}: {full}", before.units, after.units)?;
                }
                Threshold::Revenue(amount) => {
                    let (from, to) = (before.revenue, after.revenue);
                    write!(f, "a revenue of {} is reached, from {from} to {to}: {full}", amount)?;
                }
                Threshold::CompanyDollar(amount) => {
                    let (from, to) = (before.company_dollar, after.company_dollar);
                    write!(f, "a company dollar of {} is reached, from {from} to {to}: {full}", amount)?;
                }
            },
            Reason::Decided { actor } => write!(f, "{actor} decided on {full}")?,
        }
        if let Some(room) = self.room {
            write!(f, "; the cap had {} left", room)?;
        }
        match self.plan {
            Some(plan) => write!(f, " ({} of plan {})", self.field, plan.id()),
            None => write!(f, " ({} of the deal)", self.field),
        }
    }
}

fn explain_tiers(
    f: &mut fmt::Formatter<'_>,
    tiered: &Tiered,
    before: &Attained,
    part: Money,
    units: u32,
) -> fmt::Result {
    // What cannot be computed was refused before a line was made of it.
    let amount = |exact: Ratio| exact.round(Rounding::default()).and_then(|m| Money::from_minor(m, part.currency()));
    let after = before.with(part, units).map_err(|_| fmt::Error)?;
    match tiered.mode {
        Mode::Marginal => {
            let of_company = matches!(tiered.tiers, Tiers::CompanyDollar(_));
            f.write_str(if of_company { "the company's tiers: " } else { "the payee's tiers: " })?;
            let bands = bands(&tiered.tiers, before, part, units).map_err(|_| fmt::Error)?;
            for (place, band) in bands.iter().enumerate() {
                let Shares { payee, company } = band.shares;
                let net = amount(band.net).map_err(|_| fmt::Error)?;
                let joint = if place == 0 { "" } else { " + " };
                write!(f, "{joint}{} of {net}", if of_company { company } else { payee }.percent())?;
            }
            if bands.is_empty() { f.write_str("nothing") } else { Ok(()) }
        }
        Mode::Retroactive | Mode::AboveQuota => {
            let rate = reached(&tiered.tiers, &after).map_err(|_| fmt::Error)?.percent();
            let (revenue, accrued) = (after.revenue, before.accrued);
            write!(f, "the payee has {rate} of ")?;
            match &tiered.tiers {
                Tiers::Attainment { quota, .. } if tiered.mode == Mode::AboveQuota => {
                    write!(f, "what of {revenue} is above the quota of {}", *quota)?;
                }
                _ => write!(f, "all {revenue}")?,
            }
            write!(f, " less {accrued} accrued before")
        }
    }
}

impl Serialize for Because<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(plan) = self.plan {
            map.serialize_entry("plan", plan.id())?;
            map.serialize_entry("hash", &plan.hash())?;
        }
        map.serialize_entry("field", &Shown(self.field))?;
        self.reason.entries(&mut map)?;
        map.serialize_entry("full", &self.full)?;
        if let Some(room) = self.room {
            map.serialize_entry("room", &room)?;
        }
        map.serialize_entry("words", &Shown(self))?;
        map.end()
    }
}

/// What is shown as text.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Reason<'_> {
    /// A payee's part of what a side shares; who shares with nobody has it as it is.
    pub(super) fn weight(sharer: &Sharer, payees: usize, whole: Money) -> Self {
        if payees == 1 { Self::Stated } else { Self::Weight { weight: sharer.weight, payees, whole } }
    }

    /// The numbers, under the names that the plan documents have for them.
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Stated => map.serialize_entry("reason", "stated"),
            Self::RateOf { rate, of, base } => {
                map.serialize_entry("reason", "rate_of")?;
                map.serialize_entry("rate", rate)?;
                map.serialize_entry("of", of.name())?;
                map.serialize_entry("base", base)
            }
            Self::Weight { weight, payees, whole } => {
                map.serialize_entry("reason", if weight.is_some() { "weight" } else { "equal" })?;
                match weight {
                    Some(weight) => map.serialize_entry("weight", weight)?,
                    None => map.serialize_entry("payees", payees)?,
                }
                map.serialize_entry("whole", whole)
            }
            Self::LesserOf { flat, rate, of, base } => {
                map.serialize_entry("reason", "lesser_of")?;
                map.serialize_entry("flat", flat)?;
                map.serialize_entry("rate", rate)?;
                map.serialize_entry("of", of.name())?;
                map.serialize_entry("base", base)
            }
            Self::Tiers { before, part, units, .. } => {
                map.serialize_entry("reason", "tiers")?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("units", units)?;
                map.serialize_entry("before", before)
            }
            Self::Minimum { part, minimum } => {
                map.serialize_entry("reason", "minimum")?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("minimum", minimum)
            }
            Self::Capped => map.serialize_entry("reason", "capped"),
            Self::Rest { part, company_dollar, post_cap_company } => {
                map.serialize_entry("reason", "rest")?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("company_dollar", company_dollar)?;
                map.serialize_entry("post_cap_company", post_cap_company)
            }
            Self::Reached { threshold, before, after } => {
                map.serialize_entry("reason", "reached")?;
                map.serialize_entry("threshold", threshold)?;
                map.serialize_entry("before", before)?;
                map.serialize_entry("after", after)
            }
            Self::Decided { actor } => {
                map.serialize_entry("reason", "decided")?;
                map.serialize_entry("actor", actor)
            }
        }
    }
}
