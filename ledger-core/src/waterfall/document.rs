//! What a commission plan says, as a whole: every rule by which a deal is calculated is a field of it.
//!
//! ```
//! use ledger_core::waterfall::Document;
//! let plan: Document = serde_json::from_str(
//!     r#"{"currency":"USD","zone":"America/New_York","split":{"flat":{"payee":"0.7","company":"0.3"}},
//!         "cap":{"caps":[{"programme":"house","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},
//!         "fees":[{"name":"after the cap","timing":"post_cap","amount":{"flat":"250 USD"}}]}"#,
//! ).unwrap();
//! plan.validate().unwrap();
//! let wrong = Document { currency: "EUR".parse().unwrap(), ..plan };
//! assert_eq!(wrong.validate().unwrap_err().at, "cap.caps.0.limit");
//! ```

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::accounts::Owner;
use super::field::Field;
use super::refuse::{Rejection, Rule};
use super::terms::Quantity;
use crate::Date;
use crate::calendar::{CalendarError, CapYear, CapYearRule, Zone};
use crate::chain::Digest;
use crate::id::{CapProgramme, PayeeId, PlanId, PoolId, Text};
use crate::money::{Currency, Money};
use crate::rate::{Rate, Rounding, mul_div};

/// What a plan says. What is left out takes its default, and is written out when the document is stored or hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The currency of the deals and of every amount in the plan.
    pub currency: Currency,
    /// How a fraction of a minor unit becomes whole.
    #[serde(default)]
    pub rounding: Rounding,
    /// Where the plan's days begin.
    #[serde(default = "Zone::utc")]
    pub zone: Zone,
    /// The steps of the calculation, in their order.
    #[serde(default = "Step::usual")]
    pub order: Vec<Step>,
    /// How a payee's part is split with the company.
    pub split: Split,
    /// In what the tiers and bonuses of a year are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attainment: Option<Attainment>,
    /// The most that the company has of the split in a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Capped>,
    /// What the franchise has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub royalty: Option<Royalty>,
    /// Whose a fee for a deal that was sent here is.
    #[serde(default)]
    pub referral_in: ReferralIn,
    /// What the payee pays besides the split, in the order in which it is charged.
    #[serde(default)]
    pub fees: Vec<Fee>,
    /// What is charged while a mentor stands by the payee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentee: Option<Mentee>,
    /// What the company pays to the payee besides the split.
    #[serde(default)]
    pub bonuses: Vec<Bonus>,
    /// What the company pays to others on the payee's deals.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// What happens when a payee would owe.
    #[serde(default)]
    pub deficit: Deficit,
}

/// A step of the calculation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Off the top: what the client gets back.
    Concession,
    /// Off the top: what a referrer outside has.
    ReferralOut,
    /// Off the top: what the franchise has.
    Royalty,
    /// What is left is shared by the payees of the side.
    Allocation,
    /// Each part is split with the company.
    Split,
    /// Fees, and a royalty on the gross.
    Fees,
    /// What a mentee pays.
    Mentee,
    /// Bonuses.
    Bonuses,
    /// Overrides.
    Overrides,
    /// What was agreed by hand.
    Adjustments,
}

/// How a payee's part is split with the company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// The same shares always.
    Flat(Shares),
    /// Shares that change with what is attained.
    Tiered(Tiered),
}

/// What goes to the payee and what to the company; together exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// The payee's share.
    pub payee: Rate,
    /// The company's share.
    pub company: Rate,
}

impl Shares {
    fn all_to_payee() -> Self {
        Self { payee: Rate::ONE, company: Rate::ZERO }
    }
}

/// Shares that change with what is attained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiered {
    /// The tiers, and what is measured.
    pub tiers: Tiers,
    /// What a tier's shares are of.
    #[serde(default)]
    pub mode: Mode,
    /// Over what it is measured.
    #[serde(default)]
    pub per: Per,
    /// The least that the payee has of a part above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
}

/// Tiers, and what is measured. A tier is reached when the measure is at or above its `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tiers {
    /// What the company has had of the splits.
    CompanyDollar(Vec<Tier<Money>>),
    /// The payee's parts.
    Revenue(Vec<Tier<Money>>),
    /// How many were sold.
    Units(Vec<Tier<u64>>),
    /// The payee's parts, as a rate of a quota.
    Attainment {
        /// The quota, above zero.
        quota: Money,
        /// The tiers: 1 is the quota attained.
        tiers: Vec<Tier<Rate>>,
    },
}

/// The shares from a threshold on, up to the next tier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier<F> {
    /// The threshold, which belongs to the tier.
    pub from: F,
    /// The payee's share.
    pub payee: Rate,
    /// The company's share.
    pub company: Rate,
}

/// What the shares of a tier are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Of what lies in the tier.
    #[default]
    Marginal,
    /// Of everything, once the tier is reached: what was accrued before is topped up.
    Retroactive,
    /// Of what is above the quota.
    AboveQuota,
}

/// Over what tiers are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// The year of the plan's attainment.
    #[default]
    Year,
    /// Each deal for itself.
    Deal,
}

/// In what account the tiers and bonuses of a year are measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attainment {
    /// What it counts to. Plans of one programme share the account, so a change of plan resets nothing.
    pub programme: CapProgramme,
    /// When a year begins.
    pub year: CapYearRule,
}

/// The caps on the company's share, and what comes after them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capped {
    /// 1 to 4 caps: whichever has the least room binds.
    pub caps: Vec<Cap>,
    /// The shares after the cap.
    #[serde(default = "Shares::all_to_payee")]
    pub post_cap: Shares,
    /// What happens in the deal that reaches the cap.
    #[serde(default)]
    pub crossing: Crossing,
    /// Whether that deal pays the fees for deals after the cap.
    #[serde(default)]
    pub fee_on_crossing: FeeOnCrossing,
}

/// What happens in the deal that reaches the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// The deal is split: up to the cap at the shares before it, the rest at those after it.
    #[default]
    SplitWithinDeal,
    /// The whole deal is at the shares before the cap, which counts from the next deal on.
    WholeDealPreCap,
}

/// Whether the deal that crosses the cap pays the fees for deals after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeOnCrossing {
    /// It does not.
    #[default]
    No,
    /// It does.
    Yes,
}

/// A cap on the company dollar of a payee, or of payees together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// What the contributions count to. Plans of one programme share the account, so a change of plan resets nothing.
    pub programme: CapProgramme,
    /// Whose contributions count together.
    #[serde(default)]
    pub of: CapOf,
    /// The most in a year. 0 means capped from the first day.
    pub limit: Money,
    /// The part of the limit that holds for this plan, above 0: a half cap has 0.5.
    #[serde(default = "whole")]
    pub portion: Rate,
    /// When a year begins.
    pub year: CapYearRule,
    /// What is left of the limit for who joined within the year.
    #[serde(default)]
    pub proration: Proration,
}

/// Whose contributions count together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapOf {
    /// The payee's own.
    #[default]
    Payee,
    /// Those of everyone under a plan that names the pool. All such plans, and all their versions, have its limit, portion,
    /// crossing and rounding alike; another limit is another pool.
    Pool(PoolId),
}

/// What is left of a limit for who joined within the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proration {
    /// All of it.
    #[default]
    None,
    /// A twelfth for each month, the month of joining counted whole.
    Months,
    /// By days, of the days that the year really has.
    Days,
}

/// What the franchise has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Royalty {
    /// The rate.
    pub rate: Rate,
    /// Of what.
    #[serde(default)]
    pub basis: RoyaltyBasis,
    /// The most in a year, of each payee; only on the gross.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<OwnCap>,
}

/// What a royalty is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoyaltyBasis {
    /// Of what is left when its turn comes off the top: it lessens what is split.
    #[default]
    OffTop,
    /// Of each payee's part of the commission: the payee pays it out of its share.
    Gross,
}

/// The most of a royalty from one payee in a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnCap {
    /// What it counts to.
    pub programme: CapProgramme,
    /// The most in a year.
    pub limit: Money,
    /// The part of the limit that holds for this plan, above 0.
    #[serde(default = "whole")]
    pub portion: Rate,
    /// When a year begins.
    pub year: CapYearRule,
    /// What is left of the limit for who joined within the year.
    #[serde(default)]
    pub proration: Proration,
}

/// Whose a fee for a deal that was sent here is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferralIn {
    /// The company's. It never counts to a cap.
    #[default]
    Company,
    /// It joins the payee's part: it is split and counts.
    Shared,
}

/// What a payee pays besides the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Its name, once in a plan.
    pub name: Text,
    /// When it is due.
    pub timing: Timing,
    /// How much it is.
    pub amount: FeeAmount,
    /// What its rate is of.
    #[serde(default)]
    pub of: Base,
    /// How often it is charged.
    #[serde(default)]
    pub per: Charged,
    /// Who has it.
    #[serde(default)]
    pub to: FeeTo,
    /// The most of it in a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_cap: Option<SubCap>,
}

/// When a fee is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Always.
    Always,
    /// When the payee is not capped as the side begins.
    PreCap,
    /// When the payee is; in the deal that crosses the cap, if the plan says so.
    PostCap,
}

/// How much a fee is. A flat amount is of the side: it is shared by all its payees, and the parts of those who do not owe it
/// are not charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FeeAmount {
    /// So much.
    Flat(Money),
    /// A rate.
    Rate(Rate),
    /// Whichever is less.
    LesserOf {
        /// So much.
        flat: Money,
        /// A rate.
        rate: Rate,
    },
}

/// What a rate is of. Below zero it counts as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The payee's part of what is split; for a fee after the cap, the part of it that is beyond the cap.
    #[default]
    Part,
    /// The payee's part of the commission, before anything was taken off the top.
    Gci,
    /// What the company has of the split, before and after the cap.
    CompanyDollar,
    /// What the payee has when it is charged.
    PayeeShare,
}

/// How often a fee is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charged {
    /// Once a deal, on the first side on which it is due.
    #[default]
    Deal,
    /// On every side.
    Side,
}

/// Who has a fee.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FeeTo {
    /// The company.
    #[default]
    Company,
    /// A payee, to whom it is not charged.
    Payee(PayeeId),
}

/// The most of a fee from one payee in a year, and what is charged after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubCap {
    /// What it counts to.
    pub programme: CapProgramme,
    /// The most in a year.
    pub limit: Money,
    /// The part of the limit that holds for this plan, above 0.
    #[serde(default = "whole")]
    pub portion: Rate,
    /// When a year begins.
    pub year: CapYearRule,
    /// What is left of the limit for who joined within the year.
    #[serde(default)]
    pub proration: Proration,
    /// What is charged from the next deal on; it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<FeeAmount>,
}

/// What a payee pays out of its share while a mentor stands by it, capped or not. It never counts to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mentee {
    /// To the company, of the payee's part.
    pub company: Rate,
    /// To the mentor, of the payee's part.
    pub mentor: Rate,
}

/// What the company pays to a payee besides the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bonus {
    /// Its name, once in a plan.
    pub name: Text,
    /// When it is paid.
    pub when: When,
    /// How much it is; a rate is of the payee's part.
    pub amount: Quantity,
}

/// When a bonus is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// Once in every deal, on the payee's first side.
    EachDeal,
    /// On the side with which the year's measure comes to the threshold: once a year, whatever later versions say of a bonus of
    /// that name. Once the deal that paid it is reversed, the next side that counts and leaves the threshold met pays it again.
    Reaches(Threshold),
}

/// A threshold, and what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// How many were sold.
    Units(u64),
    /// The payee's parts.
    Revenue(Money),
    /// What the company has had of the splits.
    CompanyDollar(Money),
}

/// What the company pays to somebody else on a payee's deals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its name, once in a plan.
    pub name: Text,
    /// Who has it; on the own deals nothing is paid.
    pub to: PayeeId,
    /// The rate.
    pub rate: Rate,
    /// Of what.
    #[serde(default)]
    pub of: Base,
}

/// What happens when a payee would owe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deficit {
    /// The deal is refused.
    #[default]
    Refuse,
    /// The payee's line is below zero: the company is owed.
    Receivable,
}

/// A document that was validated, with its name and its hash: what deals are calculated under. It is made once, and lent to every
/// deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan<'a> {
    id: &'a PlanId,
    version: Option<u32>,
    hash: Digest,
    document: &'a Document,
}

impl<'a> Plan<'a> {
    /// Validates a document and hashes it.
    ///
    /// # Errors
    /// [`Rejection`] that names the field and the rule.
    pub fn new(id: &'a PlanId, document: &'a Document) -> Result<Self, Rejection> {
        document.validate()?;
        Ok(Self { id, version: None, hash: document.hash(), document })
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &'a PlanId {
        self.id
    }

    /// Which version of the plan it is; none for a document that was not published.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// SHA-256 of the document, every default written out.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// A document that was validated and hashed when it was published.
    pub(crate) fn published(id: &'a PlanId, version: u32, hash: Digest, document: &'a Document) -> Self {
        Self { id, version: Some(version), hash, document }
    }

    /// What it says.
    #[must_use]
    pub fn document(&self) -> &'a Document {
        self.document
    }
}

/// Writes `plan standard v2`, or `plan standard` of what was not published.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plan {}", self.id)?;
        self.version.map_or(Ok(()), |version| write!(f, " v{version}"))
    }
}

fn whole() -> Rate {
    Rate::ONE
}

impl Step {
    const USUAL: [Self; 10] = [
        Self::Concession,
        Self::ReferralOut,
        Self::Royalty,
        Self::Allocation,
        Self::Split,
        Self::Fees,
        Self::Mentee,
        Self::Bonuses,
        Self::Overrides,
        Self::Adjustments,
    ];

    fn usual() -> Vec<Self> {
        Self::USUAL.to_vec()
    }

    /// Steps of one stage may be in any order; the stages are as they are.
    fn stage(self) -> u8 {
        match self {
            Self::Concession | Self::ReferralOut | Self::Royalty => 0,
            Self::Allocation => 1,
            Self::Split => 2,
            Self::Fees | Self::Mentee | Self::Bonuses | Self::Overrides => 3,
            Self::Adjustments => 4,
        }
    }
}

impl<F> Tier<F> {
    /// Both shares.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares { payee: self.payee, company: self.company }
    }
}

/// What all limits have in common: those of caps, of royalties and of fees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit<'a> {
    pub(crate) programme: &'a CapProgramme,
    pub(crate) pool: Option<&'a PoolId>,
    pub(crate) limit: Money,
    pub(crate) portion: Rate,
    pub(crate) year: CapYearRule,
    pub(crate) proration: Proration,
}

macro_rules! limit {
    ($self:ident, $pool:expr) => {
        Limit {
            programme: &$self.programme,
            pool: $pool,
            limit: $self.limit,
            portion: $self.portion,
            year: $self.year,
            proration: $self.proration,
        }
    };
}

impl Cap {
    pub(crate) fn limit(&self) -> Limit<'_> {
        let pool = match &self.of {
            CapOf::Payee => None,
            CapOf::Pool(pool) => Some(pool),
        };
        limit!(self, pool)
    }
}

impl OwnCap {
    pub(crate) fn limit(&self) -> Limit<'_> {
        limit!(self, None)
    }
}

impl SubCap {
    pub(crate) fn limit(&self) -> Limit<'_> {
        limit!(self, None)
    }
}

/// What plans of one pool have in common, so that its room is the same to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolTerms {
    /// The limit.
    pub limit: Money,
    /// How much of it is in force.
    pub portion: Rate,
    /// How that is rounded.
    pub rounding: Rounding,
    /// What happens to the deal that reaches it.
    pub crossing: Crossing,
}

impl Limit<'_> {
    /// Whose account it is on, for a payee under the plan.
    pub(crate) fn owner(&self, payee: &PayeeId) -> Owner {
        let pool = self.pool.filter(|_| !planted!(PoolOfEach));
        pool.map_or_else(|| Owner::Payee(payee.clone()), |pool| Owner::Pool(pool.clone()))
    }

    /// The limit in force in a year: the plan's portion of it, and of that what is left for who joined within the year.
    pub(crate) fn in_force(&self, year: CapYear, joined_on: Option<Date>, rounding: Rounding) -> Result<Money, Rule> {
        let portion = planted!(PortionForgotten => Rate::ONE, self.portion);
        let (left, of) = match (planted!(NotProrated => Proration::None, self.proration), joined_on) {
            (Proration::None, _) => (1, 1),
            (_, None) => return Err(CalendarError::MissingAnchor.into()),
            (_, Some(day)) if day >= year.end => {
                return Err(CalendarError::BeforeAnchor { date: year.start, anchor: day }.into());
            }
            (_, Some(day)) if day <= year.start => (1, 1),
            (Proration::Months, Some(day)) => (year.months_from(day), 12),
            (Proration::Days, Some(day)) => (year.days_from(day), year.days()),
        };
        mark!(Prorated, left != of);
        if left == of && portion == Rate::ONE {
            return Ok(self.limit);
        }
        // A limit is below 2^63, a rate up to 1 at most 10^12, the days of a year below 2^9.
        let portion = i128::from(self.limit.minor()) * i128::from(portion.mantissa());
        let minor = mul_div(portion, left.into(), i128::from(Rate::SCALE) * i128::from(of), rounding)?;
        Ok(Money::from_minor(minor, self.limit.currency())?)
    }
}

impl Document {
    /// SHA-256 of the canonical bytes, every default written out.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&crate::codec::canonical(self))
    }

    /// The steps before the commission is shared, in the plan's order.
    pub(super) fn off_the_top(&self) -> impl Iterator<Item = Step> {
        let order = planted!(OrderIgnored => &Step::USUAL[..], &self.order);
        order.iter().copied().filter(|step| step.stage() == 0)
    }

    /// Everybody besides the payee and its mentor to whom a deal under the plan may pay, with the field that says so.
    pub(crate) fn beneficiaries(&self) -> impl Iterator<Item = (Field, &PayeeId)> {
        let fees = self.fees.iter().enumerate().filter_map(|(i, fee)| match &fee.to {
            FeeTo::Company => None,
            FeeTo::Payee(payee) => Some((Field::nth("fees", i, "to.payee"), payee)),
        });
        let overrides = self.overrides.iter().enumerate();
        fees.chain(overrides.map(|(i, paid)| (Field::nth("overrides", i, "to"), &paid.to)))
    }

    /// The bonuses that are paid once a year.
    pub(crate) fn once_a_year(&self) -> impl Iterator<Item = &Bonus> {
        self.bonuses.iter().filter(|bonus| bonus.when != When::EachDeal)
    }

    /// What the franchise has off the top.
    pub(super) fn royalty_off_top(&self) -> Option<Rate> {
        let royalty = self.royalty.as_ref().filter(|royalty| royalty.basis == RoyaltyBasis::OffTop);
        royalty.map(|royalty| royalty.rate)
    }

    /// What the franchise has of each payee's part of the commission.
    pub(super) fn royalty_on_gross(&self) -> Option<&Royalty> {
        self.royalty.as_ref().filter(|royalty| royalty.basis == RoyaltyBasis::Gross)
    }

    /// The caps on the company dollar.
    pub(super) fn caps(&self) -> &[Cap] {
        self.cap.as_ref().map_or(&[], |capped| &capped.caps)
    }

    /// The pool that a limit is of, and what the plan says of it.
    pub(crate) fn pool<'a>(&self, limit: &Limit<'a>) -> Option<(&'a PoolId, PoolTerms)> {
        let (Limit { pool, limit, portion, .. }, rounding) = (*limit, self.rounding);
        let crossing = self.cap.as_ref()?.crossing;
        Some((pool?, PoolTerms { limit, portion, rounding, crossing }))
    }

    /// Every account that a deal under the plan counts to, with its field.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (Field, Limit<'_>)> {
        let caps = self.caps().iter().enumerate().map(|(i, cap)| (Field::nth("cap.caps", i, ""), cap.limit()));
        let royalty = self.royalty.iter().filter_map(|royalty| royalty.cap.as_ref());
        let royalty = royalty.map(|cap| (Field::at("royalty.cap"), cap.limit()));
        let fees = self.fees.iter().enumerate();
        let fees = fees.filter_map(|(i, fee)| Some((Field::nth("fees", i, "sub_cap"), fee.sub_cap.as_ref()?.limit())));
        caps.chain(royalty).chain(fees)
    }

    /// Checks the document as a whole.
    ///
    /// # Errors
    /// [`Rejection`] that names the field and the rule.
    pub fn validate(&self) -> Result<(), Rejection> {
        let mut order = self.order.clone();
        order.sort_unstable();
        if order != Step::USUAL || !self.order.is_sorted_by_key(|step| step.stage()) {
            return Err(Rule::Order.at("order"));
        }
        match &self.split {
            Split::Flat(shares) => sum_to_one(*shares).map_err(|rule| rule.at("split.flat"))?,
            Split::Tiered(tiered) => self.validate_tiers(tiered).map_err(|error| error.within("split.tiered"))?,
        }
        if let Some(attainment) = &self.attainment {
            attainment.year.validate().map_err(|error| Rule::from(error).at("attainment.year"))?;
        }
        if let Some(capped) = &self.cap {
            if !(1..=4).contains(&capped.caps.len()) {
                let rule = Rule::TooMany { count: capped.caps.len(), bounds: "a plan with a cap has 1 to 4 of them" };
                return Err(rule.at("cap.caps"));
            }
            sum_to_one(capped.post_cap).map_err(|rule| rule.at("cap.post_cap"))?;
        }
        if let Some(royalty) = &self.royalty {
            share(royalty.rate).map_err(|rule| rule.at("royalty.rate"))?;
            if royalty.basis == RoyaltyBasis::OffTop && royalty.cap.is_some() {
                return Err(Rule::Conflicting("a royalty with a cap has the basis gross").at("royalty.cap"));
            }
        }
        self.validate_limits()?;
        self.validate_fees()?;
        if let Some(Mentee { company, mentor }) = self.mentee {
            let sum = company.plus(mentor).map_err(|_| Rule::Overflow.at("mentee"))?;
            share(sum).map_err(|rule| rule.at("mentee"))?;
        }
        self.validate_bonuses()?;
        named(&self.overrides, "overrides", |paid| &paid.name)?;
        for (i, paid) in self.overrides.iter().enumerate() {
            share(paid.rate).map_err(|rule| rule.at(Field::nth("overrides", i, "rate")))?;
        }
        Ok(())
    }

    fn validate_tiers(&self, tiered: &Tiered) -> Result<(), Rejection> {
        match &tiered.tiers {
            Tiers::CompanyDollar(tiers) => self.validate_ladder(tiers, "tiers.company_dollar")?,
            Tiers::Revenue(tiers) => self.validate_ladder(tiers, "tiers.revenue")?,
            Tiers::Units(tiers) => ascending(tiers, "tiers.units", |from| *from)?,
            Tiers::Attainment { quota, tiers } => {
                self.amount(*quota).map_err(|rule| rule.at("tiers.attainment.quota"))?;
                if !quota.is_positive() {
                    return Err(Rule::NotPositive { amount: *quota }.at("tiers.attainment.quota"));
                }
                ascending(tiers, "tiers.attainment.tiers", |from| from.mantissa().unsigned_abs())?;
            }
        }
        let attainment = matches!(tiered.tiers, Tiers::Attainment { .. });
        let conflict = match tiered.mode {
            Mode::Marginal => None,
            _ if self.cap.is_some() => Some("only marginal tiers go with a cap"),
            _ if matches!(tiered.tiers, Tiers::CompanyDollar(_)) => Some("tiers by company dollar are marginal"),
            Mode::AboveQuota if !attainment => Some("only tiers by attainment have a quota to be above"),
            Mode::Retroactive | Mode::AboveQuota => None,
        };
        if let Some(conflict) = conflict {
            return Err(Rule::Conflicting(conflict).at("mode"));
        }
        if tiered.per == Per::Year && self.attainment.is_none() {
            return Err(Rule::Conflicting("tiers over a year are measured in the section attainment: add it").at("per"));
        }
        tiered.minimum.map_or(Ok(()), |minimum| self.amount(minimum).map_err(|rule| rule.at("minimum")))
    }

    fn validate_ladder(&self, tiers: &[Tier<Money>], path: &'static str) -> Result<(), Rejection> {
        for (i, tier) in tiers.iter().enumerate() {
            self.amount(tier.from).map_err(|rule| rule.at(Field::nth(path, i, "from")))?;
        }
        ascending(tiers, path, |from| from.minor().unsigned_abs())
    }

    fn validate_limits(&self) -> Result<(), Rejection> {
        let mut programmes = BTreeSet::new();
        for (field, limit) in self.limits() {
            let at = |name: &str, rule: Rule| rule.at(name).within(field);
            self.amount(limit.limit).map_err(|rule| at("limit", rule))?;
            limit.year.validate().map_err(|error| at("year", error.into()))?;
            if limit.portion == Rate::ZERO || !limit.portion.is_share() {
                let rule = Rule::RateOutOfBounds { rate: limit.portion, bounds: "a portion is above 0 and at most 1" };
                return Err(at("portion", rule));
            }
            if limit.pool.is_some() && limit.proration != Proration::None {
                return Err(at("proration", Rule::Conflicting("the cap of a pool is not prorated")));
            }
            if limit.pool.is_some() && !matches!(limit.year, CapYearRule::Calendar { .. }) {
                return Err(at("year", Rule::Conflicting("the cap of a pool has calendar years")));
            }
            if !programmes.insert(limit.programme) {
                return Err(at("programme", Rule::NamedTwice { name: limit.programme.to_string() }));
            }
            if self.attainment.as_ref().is_some_and(|a| a.programme == *limit.programme && a.year != limit.year) {
                return Err(at("year", Rule::ProgrammesDiffer { programme: limit.programme.clone(), what: "year" }));
            }
        }
        Ok(())
    }

    fn validate_fees(&self) -> Result<(), Rejection> {
        named(&self.fees, "fees", |fee| &fee.name)?;
        for (i, fee) in self.fees.iter().enumerate() {
            self.fee_amount(fee.amount).map_err(|rule| rule.at(Field::nth("fees", i, "amount")))?;
            if let Some(then) = fee.sub_cap.as_ref().and_then(|sub_cap| sub_cap.then) {
                self.fee_amount(then).map_err(|rule| rule.at(Field::nth("fees", i, "sub_cap.then")))?;
            }
        }
        Ok(())
    }

    fn validate_bonuses(&self) -> Result<(), Rejection> {
        named(&self.bonuses, "bonuses", |bonus| &bonus.name)?;
        for (i, bonus) in self.bonuses.iter().enumerate() {
            bonus.amount.validate(self.currency).map_err(|rule| rule.at(Field::nth("bonuses", i, "amount")))?;
            let When::Reaches(threshold) = bonus.when else { continue };
            let at = |rule: Rule| rule.at(Field::nth("bonuses", i, "when.reaches"));
            if self.attainment.is_none() {
                return Err(at(Rule::Conflicting("what is reached is measured in the section attainment: add it")));
            }
            if let Threshold::Revenue(amount) | Threshold::CompanyDollar(amount) = threshold {
                self.amount(amount).map_err(at)?;
            }
        }
        Ok(())
    }

    fn fee_amount(&self, amount: FeeAmount) -> Result<(), Rule> {
        match amount {
            FeeAmount::Flat(flat) => self.amount(flat),
            FeeAmount::Rate(rate) => share(rate),
            FeeAmount::LesserOf { flat, rate } => self.amount(flat).and_then(|()| share(rate)),
        }
    }

    fn amount(&self, amount: Money) -> Result<(), Rule> {
        not_negative(amount, self.currency)
    }
}

/// An amount of a currency that is not below zero.
pub(crate) fn not_negative(amount: Money, currency: Currency) -> Result<(), Rule> {
    Money::zero(currency).same_currency(amount)?;
    if amount.is_negative() { Err(Rule::Negative { amount }) } else { Ok(()) }
}

/// A rate that is part of a whole.
pub(super) fn share(rate: Rate) -> Result<(), Rule> {
    if rate.is_share() {
        return Ok(());
    }
    Err(Rule::RateOutOfBounds { rate, bounds: "it is at most 1, which is the whole" })
}

fn sum_to_one(Shares { payee, company }: Shares) -> Result<(), Rule> {
    if payee.complement() == Some(company) { Ok(()) } else { Err(Rule::SharesDoNotSum { payee, company }) }
}

/// Tiers without a gap and without an overlap: the first from 0, each from more than the one before.
fn ascending<F>(tiers: &[Tier<F>], path: &'static str, from: impl Fn(&F) -> u64) -> Result<(), Rejection> {
    let starts_at_zero = tiers.first().is_some_and(|tier| from(&tier.from) == 0);
    let ascends = tiers.is_sorted_by(|a, b| from(&a.from) < from(&b.from));
    if !starts_at_zero || !ascends || tiers.len() > 20 {
        return Err(Rule::Tiers.at(path));
    }
    for (i, tier) in tiers.iter().enumerate() {
        sum_to_one(tier.shares()).map_err(|rule| rule.at(Field::nth(path, i, "")))?;
    }
    Ok(())
}

/// At most twenty, no two of one name.
fn named<T>(all: &[T], path: &'static str, name: impl Fn(&T) -> &Text) -> Result<(), Rejection> {
    if all.len() > 20 {
        return Err(Rule::TooMany { count: all.len(), bounds: "a plan has at most 20 of them" }.at(path));
    }
    let mut names = BTreeSet::new();
    for (i, one) in all.iter().enumerate() {
        if !names.insert(name(one)) {
            return Err(Rule::NamedTwice { name: name(one).to_string() }.at(Field::nth(path, i, "name")));
        }
    }
    Ok(())
}
