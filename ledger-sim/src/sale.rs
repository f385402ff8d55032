//! Sales, in the simulator's own words: what is sold, whose touches brought it, and the documents by which they are credited and
//! paid.

#![expect(missing_docs, reason = "fields that are named after the ledger's own mean the same")]

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Deserialize as Read, Serialize, Serializer};

use crate::act::{Amount, Code};
use crate::document::Rounding;

/// A number of trillionths. Written without needless zeros: `0.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fine(pub u64);

/// One whole in [`Fine`] parts.
pub const ONE: u64 = 1_000_000_000_000;

/// An instant, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// A version of an attribution model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelPin {
    pub model: String,
    pub version: u32,
}

/// A version of a rate plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RatesPin {
    pub rates: String,
    pub version: u32,
}

/// What is sold. Written with every default, as the ledger stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sale {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    pub model: ModelPin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<RatesPin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Weight>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Weight>,
}

/// A line of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub amount: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_line: Option<String>,
    pub units: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_cost: Option<Amount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weight {
    pub payee: String,
    pub weight: Fine,
}

/// A contact of a payee with the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touch {
    pub touch: String,
    pub payee: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Fine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<String>,
}

/// The document of an attribution model. Written with every default, as the ledger stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub model: Rule,
    #[serde(default)]
    pub types: Types,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback_days: Option<u32>,
    #[serde(default)]
    pub registration: Registration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    FirstTouch {},
    LastTouch {},
    Equal {},
    Linear {},
    TimeDecay {
        half_life_days: u32,
    },
    UShaped {
        first: Fine,
        last: Fine,
    },
    Milestones {
        milestones: Vec<Milestone>,
        #[serde(default)]
        rest: Fine,
    },
    RoleBased {
        weights: BTreeMap<String, Fine>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<Fine>,
    },
    RoleWeighted {
        roles: Vec<Role>,
    },
    Implementation {
        types: Vec<String>,
    },
    CoSell {
        classes: Vec<Class>,
    },
    Custom {
        #[serde(default)]
        sum: Sum,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Milestone {
    pub milestone: String,
    pub weight: Fine,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Role {
    pub role: String,
    pub weight: Fine,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Class {
    pub class: String,
    pub weight: Fine,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// One of several words, the first of which is the default.
macro_rules! words {
    ($($name:ident { $first:ident $(, $word:ident)* })+) => {$(
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Read)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { #[default] $first $(, $word)* }
    )+};
}

words! {
    Sum { Strict, Normalise, ResidualToHouse }
    Registration { Wins, Ignored }
    Base { Amount, Margin }
    Per { Month, Year, Deal }
    Earned { OnInvoice, AsCollected }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
#[serde(rename_all = "snake_case")]
pub enum Types {
    Only(Vec<String>),
    Except(Vec<String>),
}

impl Default for Types {
    fn default() -> Self {
        Self::Except(vec!["crm_sync".to_owned()])
    }
}

/// The document of a rate plan. Written with every default, as the ledger stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    pub currency: Code,
    #[serde(default)]
    pub rounding: Rounding,
    #[serde(default)]
    pub base: Base,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible: Option<Vec<String>>,
    #[serde(default)]
    pub rules: Vec<Case>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Pays>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_limit: Option<SpendLimit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration_months: Option<u32>,
    #[serde(default)]
    pub earned: Earned,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// A rule of a rate plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Case {
    pub rule: String,
    pub priority: u32,
    #[serde(default)]
    pub when: When,
    pub pays: Pays,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Read)]
pub struct When {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_line: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal_from: Option<Amount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
#[serde(rename_all = "snake_case")]
pub enum Pays {
    Rate(Fine),
    PerUnit(Amount),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Bounds {
    pub from: Fine,
    pub to: Fine,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct SpendLimit {
    pub amount: Amount,
    pub per: Per,
    pub zone: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Read)]
pub struct Override {
    pub name: String,
    pub of: String,
    pub to: String,
    pub rate: Fine,
}

impl Sale {
    /// The currency of its amount or its first line, in which all must be.
    #[must_use]
    pub fn currency(&self) -> Code {
        let first = self.lines.first().map(|line| line.amount);
        self.amount.or(first).map_or(Code("USD", 2), |amount| amount.1)
    }
}

/// Something as the ledger stores it.
pub(crate) fn stored(what: &impl Serialize) -> String {
    serde_json::to_string(what).unwrap_or_default()
}

impl fmt::Display for Fine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:012}", self.0 / ONE, self.0 % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Fine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole}{rest:0<12}").parse().map(Self).map_err(D::Error::custom)
    }
}
