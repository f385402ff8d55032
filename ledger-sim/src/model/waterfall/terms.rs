//! What a case says, in plain words.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::exact::Exact;
use super::years::{Proration, Rule};
use crate::act::{Code as Currency, Day};

#[derive(Debug)]
pub(in crate::model) struct Case {
    pub name: Option<String>,
    pub currency: Currency,
    pub plans: BTreeMap<String, Arc<Plan>>,
    pub payees: BTreeMap<String, Payee>,
    pub openings: Vec<Opening>,
    pub attained: Vec<Attained>,
    pub deals: Vec<Deal>,
}

#[derive(Debug)]
pub(in crate::model) struct Payee {
    pub joined_on: Option<Day>,
    pub assignments: Vec<Assignment>,
}

#[derive(Debug)]
pub(in crate::model) struct Assignment {
    pub plan: String,
    pub from: Day,
    pub until: Option<Day>,
}

impl Assignment {
    pub(super) fn holds(&self, day: Day) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

/// Whose contributions count together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// One payee's.
    Payee(String),
    /// Those of everybody whose plan names the pool.
    Pool(String),
}

#[derive(Debug)]
pub(in crate::model) struct Opening {
    pub programme: String,
    pub of: Holder,
    pub on: Day,
    pub contributed: Exact,
}

#[derive(Debug)]
pub(in crate::model) struct Attained {
    pub programme: String,
    pub payee: String,
    pub on: Day,
    pub measures: Measures,
}

/// What a payee came to in a year.
#[derive(Debug, Clone)]
pub(in crate::model) struct Measures {
    pub revenue: Exact,
    pub accrued: Exact,
    pub company_dollar: Exact,
    pub units: Exact,
}

impl Measures {
    pub(super) fn none() -> Self {
        let zero = Exact::zero;
        Self { revenue: zero(), accrued: zero(), company_dollar: zero(), units: zero() }
    }
}

#[derive(Debug)]
pub(in crate::model) struct Deal {
    pub name: String,
    pub completed: When,
    pub sides: Vec<Side>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::model) enum When {
    Day(Day),
    /// In seconds since 1970.
    Instant(i64),
}

#[derive(Debug)]
pub(in crate::model) struct Side {
    pub(super) side: String,
    pub(super) gci: Exact,
    pub(super) referral_in: Exact,
    pub(super) units: Exact,
    pub(super) off_top: Vec<OffTop>,
    pub(super) payees: Vec<Credited>,
    pub(super) adjustments: Vec<Adjustment>,
}

#[derive(Debug)]
pub(in crate::model) struct OffTop {
    /// To the client without.
    pub referrer: Option<String>,
    pub amount: Part,
}

#[derive(Debug)]
pub(in crate::model) struct Credited {
    pub payee: String,
    /// In proportion to those of the others.
    pub weight: Exact,
    pub mentor: Option<String>,
}

#[derive(Debug)]
pub(in crate::model) struct Adjustment {
    pub from: Party,
    pub to: Party,
    pub amount: Exact,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Party {
    Company,
    Client,
    Franchise,
    Payee(String),
    Referrer(String),
}

impl Party {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Company => json!("company"),
            Self::Client => json!("client"),
            Self::Franchise => json!("franchise"),
            Self::Payee(name) => json!({ "payee": name }),
            Self::Referrer(name) => json!({ "referrer": name }),
        }
    }
}

#[derive(Debug)]
pub(in crate::model) struct Plan {
    pub(super) half_even: bool,
    pub(super) zone: Tz,
    pub(super) order: Vec<Step>,
    pub(super) split: Split,
    pub(super) attainment: Option<(String, Rule)>,
    pub(super) cap: Option<Cap>,
    pub(super) royalty: Option<Royalty>,
    pub(super) shares_referral_in: bool,
    pub(super) fees: Vec<Fee>,
    /// The company's and the mentor's rate.
    pub(super) mentee: Option<(Exact, Exact)>,
    pub(super) bonuses: Vec<Bonus>,
    pub(super) overrides: Vec<Override>,
    pub(super) permits_deficit: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Step {
    Concession,
    ReferralOut,
    Royalty,
    Allocation,
    Split,
    Fees,
    Mentee,
    Bonuses,
    Overrides,
    Adjustments,
}

impl Step {
    pub(super) const ALL: [(&str, Self); 10] = [
        ("concession", Self::Concession),
        ("referral_out", Self::ReferralOut),
        ("royalty", Self::Royalty),
        ("allocation", Self::Allocation),
        ("split", Self::Split),
        ("fees", Self::Fees),
        ("mentee", Self::Mentee),
        ("bonuses", Self::Bonuses),
        ("overrides", Self::Overrides),
        ("adjustments", Self::Adjustments),
    ];

    /// The phases of a deal: within one, a plan has its own order.
    pub(super) fn phase(self) -> usize {
        match self {
            Self::Concession | Self::ReferralOut | Self::Royalty => 0,
            Self::Allocation => 1,
            Self::Split => 2,
            Self::Fees | Self::Mentee | Self::Bonuses | Self::Overrides => 3,
            Self::Adjustments => 4,
        }
    }
}

#[derive(Debug)]
pub(in crate::model) struct Split {
    pub measure: Measure,
    /// One band is a flat split.
    pub bands: Vec<Band>,
    pub mode: Mode,
    /// Each deal starts at the first band.
    pub per_deal: bool,
    pub minimum: Option<Exact>,
}

/// What the bands of a split are bands of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Measure {
    Nothing,
    CompanyDollar,
    /// Attainment too, as the revenue that it takes.
    Revenue,
    Units,
}

#[derive(Debug)]
pub(in crate::model) struct Band {
    pub from: Exact,
    pub payee: Exact,
    pub company: Exact,
}

#[derive(Debug, PartialEq)]
pub(in crate::model) enum Mode {
    Marginal,
    Retroactive,
    AboveQuota(Exact),
}

#[derive(Debug)]
pub(in crate::model) struct Cap {
    pub caps: Vec<Limit>,
    /// The company's share beyond.
    pub post_company: Exact,
    pub whole_deal: bool,
    pub fee_on_crossing: bool,
}

/// How much may count in a year.
#[derive(Debug, Clone)]
pub(in crate::model) struct Limit {
    pub programme: String,
    /// The payee's own without.
    pub pool: Option<String>,
    pub limit: Exact,
    pub portion: Exact,
    pub year: Rule,
    pub proration: Proration,
}

#[derive(Debug)]
pub(in crate::model) struct Royalty {
    pub rate: Exact,
    pub gross: bool,
    pub cap: Option<Limit>,
}

#[derive(Debug)]
pub(in crate::model) struct Fee {
    pub name: String,
    pub timing: Timing,
    pub amount: Part,
    pub of: Of,
    pub per_side: bool,
    pub to: Party,
    /// What replaces the fee once the limit is reached.
    pub sub_cap: Option<(Limit, Option<Part>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Timing {
    Always,
    PreCap,
    PostCap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Of {
    Part,
    Gci,
    CompanyDollar,
    PayeeShare,
}

/// So much, or such a part of something.
#[derive(Debug, Clone)]
pub(in crate::model) enum Part {
    Flat(Exact),
    Rate(Exact),
    Lesser(Exact, Exact),
}

#[derive(Debug)]
pub(in crate::model) struct Bonus {
    pub name: String,
    /// With each deal without.
    pub reaches: Option<(Measure, Exact)>,
    pub amount: Part,
}

#[derive(Debug)]
pub(in crate::model) struct Override {
    pub name: String,
    pub to: String,
    pub rate: Exact,
    pub of: Of,
}

impl Plan {
    /// Everything of the plan that has a limit.
    pub(super) fn limits(&self) -> impl Iterator<Item = &Limit> {
        let caps = self.cap.iter().flat_map(|cap| &cap.caps);
        let royalty = self.royalty.iter().filter_map(|royalty| royalty.cap.as_ref());
        let fees = self.fees.iter().filter_map(|fee| fee.sub_cap.as_ref());
        caps.chain(royalty).chain(fees.map(|(limit, _)| limit))
    }

    pub(super) fn off_the_top(&self) -> Vec<Step> {
        self.order.iter().copied().filter(|step| step.phase() == 0).collect()
    }

    pub(super) fn royalty_off_the_top(&self) -> Option<&Exact> {
        self.royalty.as_ref().filter(|royalty| !royalty.gross).map(|royalty| &royalty.rate)
    }
}
