//! What a case says, once it is read.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::exact::Exact;
use crate::act::{Code as Currency, Day};

pub(super) struct Case {
    pub name: Option<String>,
    pub currency: Currency,
    pub payees: BTreeMap<String, Payee>,
    pub models: BTreeMap<String, Model>,
    pub plans: BTreeMap<String, Plan>,
    pub first_commissions: Vec<(String, String, Day)>,
    pub spent: Vec<Spent>,
    pub deals: Vec<Deal>,
}

pub(super) struct Payee {
    pub kind: Option<String>,
    pub tier: Option<String>,
    pub class: Option<String>,
    pub plan: Option<String>,
}

pub(super) struct Spent {
    pub plan: String,
    pub payee: String,
    pub on: Day,
    pub amount: Exact,
}

/// Names with their weights, as they are listed.
pub(super) type Weights = Vec<(String, Exact)>;

pub(super) struct Deal {
    pub name: String,
    pub customer: Option<String>,
    pub programme: Option<String>,
    pub model: String,
    pub plan: Option<String>,
    pub amount: Exact,
    /// None when they are not known one by one.
    pub lines: Option<Vec<Line>>,
    pub completed_at: i64,
    /// Its day in the zone of the case.
    pub on: Day,
    pub cutoff: Option<i64>,
    pub registered_by: Option<String>,
    pub touches: Vec<Touch>,
    pub custom: Weights,
    pub overlays: Weights,
    pub collected: Vec<Exact>,
}

pub(super) struct Line {
    pub amount: Exact,
    pub product_line: Option<String>,
    pub units: Exact,
    pub unit_cost: Option<Exact>,
}

#[derive(PartialEq)]
pub(super) struct Touch {
    pub name: String,
    pub payee: String,
    pub kind: String,
    pub at: i64,
    pub weight: Option<Exact>,
    pub role: Option<String>,
    pub milestones: Vec<String>,
}

pub(super) struct Model {
    pub rule: Rule,
    pub types: Types,
    pub lookback: Option<i64>,
    pub registration_wins: bool,
}

pub(super) enum Types {
    Only(Vec<String>),
    Except(Vec<String>),
}

pub(super) enum Rule {
    FirstTouch,
    LastTouch,
    Equal,
    Linear,
    /// Its half-life in milliseconds.
    TimeDecay(i64),
    UShaped {
        first: Exact,
        last: Exact,
    },
    Milestones {
        milestones: Weights,
        rest: Exact,
    },
    RoleBased {
        weights: BTreeMap<String, Exact>,
        other: Option<Exact>,
    },
    RoleWeighted(Weights),
    Implementation(Vec<String>),
    CoSell(Vec<Class>),
    Custom(Sum),
}

pub(super) struct Class {
    pub class: String,
    pub weight: Exact,
    pub roles: Option<Weights>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sum {
    Strict,
    Normalise,
    ResidualToHouse,
}

pub(super) struct Plan {
    pub currency: Currency,
    pub half_even: bool,
    pub margin: bool,
    pub eligible: Option<Vec<String>>,
    pub rules: Vec<When>,
    pub otherwise: Option<Pays>,
    pub minimum: Option<Exact>,
    pub maximum: Option<Exact>,
    pub limit: Option<Limit>,
    pub max_months: Option<u32>,
    pub as_collected: bool,
    pub overrides: Vec<Override>,
}

pub(super) struct When {
    pub rule: String,
    pub priority: u32,
    pub programme: Option<String>,
    pub payee_type: Option<String>,
    pub tier: Option<String>,
    pub product_line: Option<String>,
    pub deal_from: Option<Exact>,
    pub pays: Pays,
}

pub(super) enum Pays {
    Rate(Exact),
    PerUnit(Exact),
}

pub(super) struct Limit {
    pub amount: Exact,
    pub per: Per,
    pub zone: Tz,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Per {
    Month,
    Year,
    Deal,
}

pub(super) struct Override {
    pub name: String,
    pub of: String,
    pub to: String,
    pub rate: Exact,
}
