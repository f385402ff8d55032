//! Why a line has its amount: what was taken from what, at which rate, under which field of which plan.
//!
//! While a deal is calculated, only numbers and references are kept; the words are made when somebody asks.

use std::fmt;

use serde::Serialize;
use serde::ser::{Error, SerializeMap, Serializer};

use super::accounts::Attained;
use super::document::{Base, Mode, Per, Plan, Shares, Threshold, Tiered, Tiers};
use super::field::Field;
use super::ladder::{bands, reached};
use super::ratio::Ratio;
use super::refuse::Rule;
use super::terms::Sharer;
use crate::id::{Actor, PayeeId};
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
    /// Why it is due, where that depends.
    pub due: Option<Due>,
    /// Whether it is what a fee is once the most of it in a year is used up.
    pub used_up: bool,
    /// What it would be if nothing limited it.
    pub full: Money,
    /// What was left under the cap that bound it, if there is one.
    pub room: Option<Money>,
    /// What of the room is this payee's, where payees of the side want more of it together than there is.
    pub room_share: Option<Money>,
}

impl<'a> Because<'a> {
    /// What nothing limits, and what is due in any case.
    pub(super) fn unlimited(plan: Option<Plan<'a>>, field: Field, reason: Reason<'a>, full: Money) -> Self {
        Self { plan, field, reason, due: None, used_up: false, full, room: None, room_share: None }
    }
}

/// Why a fee or a bonus is due.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// It is in every deal.
    Always,
    /// The cap was not reached before.
    BeforeCap,
    /// The cap was reached before.
    AfterCap,
    /// The deal crosses the cap.
    Crossing,
    /// A threshold is reached.
    Reached {
        /// The threshold.
        threshold: Threshold,
        /// What was attained before.
        before: Attained,
        /// What is attained after.
        after: Attained,
        /// Whether a deal had paid it that is reversed.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
}

/// What of a side is one payee's, before it is split. `Display` says it in words, `Serialize` gives the numbers and the words.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Whose.
    pub payee: &'a PayeeId,
    /// The weight; none where all share equally.
    pub weight: Option<Rate>,
    /// How many share.
    pub payees: usize,
    /// How many were sold: they count in full for every payee.
    pub units: u32,
    /// What is left of the side's commission once the top is taken off.
    pub net: Money,
    /// The payee's part of the gross commission.
    pub of_gci: Money,
    /// The payee's part of the net.
    pub of_net: Money,
    /// What another house paid, where the plan shares it, and the payee's part of that.
    pub referral_in: Option<(Money, Money)>,
    /// What is split: the payee's parts together.
    pub part: Money,
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
        /// What the tiers would have left to the company.
        tiers: Money,
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
    /// What it is called before its amount.
    fn before(self) -> &'static str {
        match self {
            Self::Part | Self::CompanyDollar => " of",
            Self::Left | Self::Beyond | Self::Gross | Self::PayeeShare => ",",
        }
    }

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
            Self::Left => "the commission that was left",
            Self::Part => "the part",
            Self::Beyond => "the part beyond the cap",
            Self::Gross => "the part of the gross commission",
            Self::CompanyDollar => "the company's share",
            Self::PayeeShare => "the payee's share so far",
        })
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = self.full;
        match self.reason {
            Reason::Stated => write!(f, "{full} as stated")?,
            Reason::RateOf { rate, of, base } => {
                write!(f, "{} of {of}{} {base} is {full}", rate.percent(), of.before())?;
            }
            Reason::Weight { weight: Some(weight), whole, .. } => {
                write!(f, "the payee's weight of {} in {} is {full}", weight.percent(), whole)?;
            }
            Reason::Weight { weight: None, payees, whole } => {
                write!(f, "an equal part of {} among {payees} is {full}", whole)?;
            }
            Reason::LesserOf { flat, rate, of, base } => {
                write!(f, "the lesser of {flat} and {} of {of}{} {base} is {full}", rate.percent(), of.before())?;
            }
            Reason::Tiers { tiered, before, part, units } => {
                explain_tiers(f, tiered, &before, part, units)?;
                write!(f, ", so the company has {full} of {}", part)?;
            }
            Reason::Minimum { part, minimum, tiers } => {
                write!(
                    f,
                    "the payee has at least {minimum} of {part}, so the company has {full}, not {tiers} by the tiers"
                )?;
            }
            Reason::Capped => f.write_str("the cap was reached before, so nothing counts to it")?,
            Reason::Rest { part, company_dollar, post_cap_company } => {
                write!(f, "the part of {} less {} for the company", part, company_dollar)?;
                if !post_cap_company.is_zero() {
                    write!(f, " and {} beyond the cap", post_cap_company)?;
                }
                write!(f, " is {full}")?;
            }
            Reason::Decided { actor } => write!(f, "{actor} decided on {full}")?,
        }
        if self.used_up {
            f.write_str(", as its most in a year was charged before")?;
        }
        if let Some(room) = self.room {
            write!(f, "; the cap had {room} left")?;
        }
        if let Some(share) = self.room_share {
            write!(f, ", of which {share} is for this part")?;
        }
        if let Some(due) = self.due {
            write!(f, "; {due}")?;
        }
        match self.plan {
            Some(plan) => write!(f, " ({} of {plan})", self.field),
            None => write!(f, " ({} of the deal)", self.field),
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("due in every deal"),
            Self::BeforeCap => f.write_str("due as the cap was not reached before"),
            Self::AfterCap => f.write_str("due as the cap was reached before"),
            Self::Crossing => f.write_str("due as the deal crosses the cap"),
            Self::Reached { threshold, before, after, again } => {
                f.write_str(if *again {
                    "due again, since the deal that paid it is reversed, as "
                } else {
                    "due as "
                })?;
                write!(f, "{threshold}, from ")?;
                match threshold {
                    Threshold::Units(_) => write!(f, "{} to {}", before.units, after.units),
                    Threshold::Revenue(_) => write!(f, "{} to {}", before.revenue, after.revenue),
                    Threshold::CompanyDollar(_) => write!(f, "{} to {}", before.company_dollar, after.company_dollar),
                }
            }
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Units(units) => write!(f, "{units} units are reached"),
            Self::Revenue(amount) => write!(f, "a revenue of {amount} is reached"),
            Self::CompanyDollar(amount) => write!(f, "a company dollar of {amount} is reached"),
        }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, payees, units, net, of_net, .. } = self;
        let share = fmt::from_fn(|f| match weight {
            _ if *payees == 1 => f.write_str("all"),
            Some(weight) => weight.percent().fmt(f),
            None => write!(f, "an equal part among {payees}"),
        });
        write!(f, "{share} of the net of {net}")?;
        if let Some((whole, of_whole)) = self.referral_in {
            write!(f, " is {of_net}, and {share} of the {whole} that another house pays is {of_whole}")?;
        }
        if *units == 1 { Ok(()) } else { write!(f, "; {units} units count") }
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { payee, weight, payees, units, of_gci, of_net, referral_in, part, .. } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("payee", payee)?;
        weigh(&mut map, *weight, *payees)?;
        map.serialize_entry("units", units)?;
        map.serialize_entry("of_gci", of_gci)?;
        map.serialize_entry("of_net", of_net)?;
        if let Some((whole, of_whole)) = referral_in {
            map.serialize_entry("referral_in", whole)?;
            map.serialize_entry("of_referral_in", of_whole)?;
        }
        map.serialize_entry("part", part)?;
        map.serialize_entry("words", &Shown(self))?;
        map.end()
    }
}

/// By how much a payee shares: its weight, or how many share equally.
fn weigh<M: SerializeMap>(map: &mut M, weight: Option<Rate>, payees: usize) -> Result<(), M::Error> {
    match weight {
        Some(weight) => map.serialize_entry("weight", &weight),
        None => map.serialize_entry("payees", &payees),
    }
}

/// What of a part lies in one tier, and the tier's shares.
#[derive(Serialize)]
struct InTier {
    net: Money,
    #[serde(flatten)]
    shares: Shares,
}

/// What tiers come to, in numbers.
enum Climbed {
    /// What of the part lies in each tier.
    Bands(Vec<InTier>),
    /// The payee's rate, and what it is of.
    Rate(Rate, Money),
}

fn climbed(tiered: &Tiered, before: &Attained, part: Money, units: u32) -> Result<Climbed, Rule> {
    // What cannot be computed was refused before a line was made of it.
    let amount = |exact: Ratio| Money::from_minor(exact.round(Rounding::default())?, part.currency());
    let after = before.with(part, units)?;
    let quota = match &tiered.tiers {
        Tiers::Attainment { quota, .. } if tiered.mode == Mode::AboveQuota => quota.min(after.revenue)?,
        _ => Money::zero(part.currency()),
    };
    Ok(match tiered.mode {
        Mode::Marginal => {
            let bands = bands(&tiered.tiers, before, part, units)?;
            Climbed::Bands(
                bands
                    .iter()
                    .map(|band| Ok(InTier { net: amount(band.net)?, shares: band.shares }))
                    .collect::<Result<_, Rule>>()?,
            )
        }
        Mode::Retroactive | Mode::AboveQuota => {
            Climbed::Rate(reached(&tiered.tiers, &after)?, after.revenue.minus(quota)?)
        }
    })
}

fn explain_tiers(
    f: &mut fmt::Formatter<'_>,
    tiered: &Tiered,
    before: &Attained,
    part: Money,
    units: u32,
) -> fmt::Result {
    match (&tiered.tiers, tiered.per) {
        (Tiers::Units(_), Per::Year) => write!(f, "with {} units before and {units} now, ", before.units)?,
        (Tiers::Units(_), Per::Deal) => write!(f, "with {units} units, ")?,
        (_, Per::Deal) => {}
        (Tiers::CompanyDollar(_), Per::Year) => {
            write!(f, "with a company dollar of {} before, ", before.company_dollar)?
        }
        (Tiers::Revenue(_) | Tiers::Attainment { .. }, Per::Year) => {
            write!(f, "with a revenue of {} before, ", before.revenue)?;
        }
    }
    match climbed(tiered, before, part, units).map_err(|_| fmt::Error)? {
        Climbed::Bands(bands) => {
            let of_company = matches!(tiered.tiers, Tiers::CompanyDollar(_));
            f.write_str(if of_company { "the company's tiers: " } else { "the payee's tiers: " })?;
            for (place, InTier { net, shares: Shares { payee, company } }) in bands.iter().enumerate() {
                let joint = if place == 0 { "" } else { " + " };
                write!(f, "{joint}{} of {net}", if of_company { company } else { payee }.percent())?;
            }
            if bands.is_empty() { f.write_str("nothing") } else { Ok(()) }
        }
        Climbed::Rate(rate, base) => {
            write!(f, "the payee has {} of ", rate.percent())?;
            match &tiered.tiers {
                Tiers::Attainment { quota, .. } if tiered.mode == Mode::AboveQuota => {
                    write!(f, "the {base} above the quota of {quota}")?;
                }
                _ => write!(f, "all {base}")?,
            }
            write!(f, " less {} accrued before", before.accrued)
        }
    }
}

impl Serialize for Because<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(plan) = self.plan {
            map.serialize_entry("plan", plan.id())?;
            if let Some(version) = plan.version() {
                map.serialize_entry("version", &version)?;
            }
            map.serialize_entry("hash", &plan.hash())?;
        }
        map.serialize_entry("field", &Shown(self.field))?;
        self.reason.entries(&mut map)?;
        if let Some(due) = self.due {
            map.serialize_entry("due", &due)?;
        }
        if self.used_up {
            map.serialize_entry("used_up", &true)?;
        }
        map.serialize_entry("full", &self.full)?;
        if let Some(room) = self.room {
            map.serialize_entry("room", &room)?;
        }
        if let Some(share) = self.room_share {
            map.serialize_entry("room_share", &share)?;
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
                weigh(map, *weight, *payees)?;
                map.serialize_entry("whole", whole)
            }
            Self::LesserOf { flat, rate, of, base } => {
                map.serialize_entry("reason", "lesser_of")?;
                map.serialize_entry("flat", flat)?;
                map.serialize_entry("rate", rate)?;
                map.serialize_entry("of", of.name())?;
                map.serialize_entry("base", base)
            }
            Self::Tiers { tiered, before, part, units } => {
                map.serialize_entry("reason", "tiers")?;
                map.serialize_entry("mode", &tiered.mode)?;
                map.serialize_entry("per", &tiered.per)?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("units", units)?;
                map.serialize_entry("before", before)?;
                match climbed(tiered, before, *part, *units).map_err(M::Error::custom)? {
                    Climbed::Bands(bands) => map.serialize_entry("bands", &bands),
                    Climbed::Rate(rate, base) => {
                        map.serialize_entry("rate", &rate)?;
                        map.serialize_entry("base", &base)
                    }
                }
            }
            Self::Minimum { part, minimum, tiers } => {
                map.serialize_entry("reason", "minimum")?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("minimum", minimum)?;
                map.serialize_entry("tiers", tiers)
            }
            Self::Capped => map.serialize_entry("reason", "capped"),
            Self::Rest { part, company_dollar, post_cap_company } => {
                map.serialize_entry("reason", "rest")?;
                map.serialize_entry("part", part)?;
                map.serialize_entry("company_dollar", company_dollar)?;
                map.serialize_entry("post_cap_company", post_cap_company)
            }
            Self::Decided { actor } => {
                map.serialize_entry("reason", "decided")?;
                map.serialize_entry("actor", actor)
            }
        }
    }
}
