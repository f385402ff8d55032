//! A plan document in the simulator's own words, and the same read from the file that its author wrote.

#![expect(missing_docs, reason = "fields that are named after the ledger's own mean the same")]

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use crate::act::{Amount, CURRENCIES, Code, Part, WHOLE};

/// A plan document. Written with every default, as the ledger stores it; displayed without, as a host writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub currency: Code,
    #[serde(default)]
    pub rounding: Rounding,
    #[serde(default = "utc")]
    pub zone: String,
    #[serde(default = "usual_order")]
    pub order: Vec<Step>,
    pub split: Split,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attainment: Option<Attainment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapTerms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub royalty: Option<Royalty>,
    #[serde(default)]
    pub referral_in: ReferralIn,
    #[serde(default)]
    pub fees: Vec<Fee>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentee: Option<Mentee>,
    #[serde(default)]
    pub bonuses: Vec<Bonus>,
    #[serde(default)]
    pub overrides: Vec<Override>,
    #[serde(default)]
    pub deficit: Deficit,
}

/// One of several words, the first of which is the default.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $first:ident $(, $word:ident)* $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { #[default] $first $(, $word)* }
    )+};
}

words! {
    /// Where an exact half goes.
    Rounding { HalfAwayFromZero, HalfEven }
    /// A step of the calculation.
    Step {
        Concession, ReferralOut, Royalty, Allocation, Split, Fees, Mentee, Bonuses, Overrides, Adjustments
    }
    /// What the bands are walked for.
    Mode { Marginal, Retroactive, AboveQuota }
    /// What the bands begin anew with.
    Per { Year, Deal }
    /// How much of a limit is in force in the year of the join.
    Proration { None, Months, Days }
    /// What happens in the deal that reaches the cap.
    Crossing { SplitWithinDeal, WholeDealPreCap }
    /// Whether that deal pays what is due after the cap.
    FeeOnCrossing { No, Yes }
    /// What a royalty is a rate of.
    Basis { OffTop, Gross }
    /// Whose a referral-in is.
    ReferralIn { Company, Shared }
    /// When a fee is due.
    Timing { Always, PreCap, PostCap }
    /// What a rate is of.
    Of { Part, Gci, CompanyDollar, PayeeShare }
    /// How often a fee is due.
    Often { Deal, Side }
    /// What happens to who would owe.
    Deficit { Refuse, Receivable }
    /// A policy for who joined on February 29.
    LeapDay { Clamp, March1 }
}

impl Step {
    /// Every step, in the usual order.
    pub const ALL: [Self; 10] = [
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
}

/// What goes to the payee and what to the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    pub payee: Part,
    pub company: Part,
}

impl Shares {
    /// So much to the payee, the rest to the company.
    #[must_use]
    pub fn of_payee(part: u64) -> Self {
        Self { payee: Part(part), company: Part(WHOLE - part) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    Flat(Shares),
    Tiered(Tiered),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiered {
    pub tiers: Tiers,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub per: Per,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Amount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tiers {
    CompanyDollar(Vec<Tier<Amount>>),
    Revenue(Vec<Tier<Amount>>),
    Units(Vec<Tier<u32>>),
    Attainment { quota: Amount, tiers: Vec<Tier<Part>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier<T> {
    pub from: T,
    pub payee: Part,
    pub company: Part,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attainment {
    pub programme: String,
    pub year: CapYear,
}

/// Caps on the company dollar, and what comes after them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapTerms {
    pub caps: Vec<Cap>,
    #[serde(default = "all_to_payee")]
    pub post_cap: Shares,
    #[serde(default)]
    pub crossing: Crossing,
    #[serde(default)]
    pub fee_on_crossing: FeeOnCrossing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    pub programme: String,
    #[serde(default)]
    pub of: Holder,
    pub limit: Amount,
    #[serde(default = "whole")]
    pub portion: Part,
    pub year: CapYear,
    #[serde(default)]
    pub proration: Proration,
}

/// Whose contributions count together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    #[default]
    Payee,
    Pool(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Royalty {
    pub rate: Part,
    #[serde(default)]
    pub basis: Basis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Limit>,
}

/// A limit of the payee's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub programme: String,
    pub limit: Amount,
    #[serde(default = "whole")]
    pub portion: Part,
    pub year: CapYear,
    #[serde(default)]
    pub proration: Proration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    pub name: String,
    pub timing: Timing,
    pub amount: Charge,
    #[serde(default)]
    pub of: Of,
    #[serde(default)]
    pub per: Often,
    #[serde(default)]
    pub to: FeeTo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_cap: Option<SubCap>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeTo {
    #[default]
    Company,
    Payee(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubCap {
    pub programme: String,
    pub limit: Amount,
    #[serde(default = "whole")]
    pub portion: Part,
    pub year: CapYear,
    #[serde(default)]
    pub proration: Proration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Charge>,
}

/// So much, a rate of something, or the lesser of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Charge {
    Flat(Amount),
    Rate(Part),
    LesserOf { flat: Amount, rate: Part },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mentee {
    pub company: Part,
    pub mentor: Part,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bonus {
    pub name: String,
    pub when: When,
    pub amount: Charge,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    EachDeal,
    Reaches(Threshold),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    Units(u32),
    Revenue(Amount),
    CompanyDollar(Amount),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    pub name: String,
    pub to: String,
    pub rate: Part,
    #[serde(default)]
    pub of: Of,
}

/// When a year begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapYear {
    Calendar {
        month: u32,
        day: u32,
    },
    Anniversary {
        #[serde(default)]
        leap_day: LeapDay,
    },
    FirstOfJoinMonth {},
    FirstOfNextMonth {},
}

fn utc() -> String {
    "UTC".to_owned()
}

fn usual_order() -> Vec<Step> {
    Step::ALL.to_vec()
}

fn whole() -> Part {
    Part(WHOLE)
}

fn all_to_payee() -> Shares {
    Shares::of_payee(WHOLE)
}

impl Document {
    /// A flat split, and everything else at its default.
    #[must_use]
    pub fn flat(currency: Code, shares: Shares) -> Self {
        Self {
            currency,
            rounding: Rounding::default(),
            zone: utc(),
            order: usual_order(),
            split: Split::Flat(shares),
            attainment: None,
            cap: None,
            royalty: None,
            referral_in: ReferralIn::default(),
            fees: Vec::new(),
            mentee: None,
            bonuses: Vec::new(),
            overrides: Vec::new(),
            deficit: Deficit::default(),
        }
    }

    /// Reads a plan document as `plan.publish` takes it. Whether its shares sum to 1 is not asked here: the ledger says that.
    ///
    /// # Errors
    /// [`InvalidDocument`] that names the field and what is expected there.
    pub fn from_json(text: &str) -> Result<Self, InvalidDocument> {
        let mut json = serde_json::Deserializer::from_str(text);
        let document = serde_path_to_error::deserialize(&mut json).map_err(|error| InvalidDocument {
            field: error.path().to_string(),
            rule: error.into_inner().to_string(),
        })?;
        json.end().map_err(|error| InvalidDocument { field: "document".into(), rule: error.to_string() })?;
        Ok(document)
    }

    /// Everybody whom it pays besides the payees who are under it.
    pub fn beneficiaries(&self) -> impl Iterator<Item = &String> {
        let fees = self.fees.iter().filter_map(|fee| match &fee.to {
            FeeTo::Company => None,
            FeeTo::Payee(payee) => Some(payee),
        });
        fees.chain(self.overrides.iter().map(|paid| &paid.to))
    }

    /// As the ledger stores it, every default written out.
    #[must_use]
    pub fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl CapTerms {
    /// Caps that split the deal that crosses them, and leave everything to the payee after that.
    #[must_use]
    pub fn of(caps: Vec<Cap>) -> Self {
        let (crossing, fee_on_crossing) = (Crossing::default(), FeeOnCrossing::default());
        Self { caps, post_cap: all_to_payee(), crossing, fee_on_crossing }
    }
}

impl Cap {
    /// A cap of the payee's own.
    #[must_use]
    pub fn own(programme: &str, limit: Amount, year: CapYear) -> Self {
        let (programme, of) = (programme.to_owned(), Holder::default());
        Self { programme, of, limit, portion: whole(), year, proration: Proration::default() }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&left_out(self))
    }
}

/// What a host writes: everything but what is at its default.
pub(crate) fn left_out(full: &impl Serialize) -> String {
    let mut value = serde_json::to_value(full).unwrap_or_default();
    leave_out(&mut value);
    value.to_string()
}

fn leave_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(leave_out),
        Value::Object(fields) => {
            let per = if fields.contains_key("tiers") { "year" } else { "deal" };
            let defaults = [
                ("rounding", json!("half_away_from_zero")),
                ("zone", json!("UTC")),
                ("order", json!(Step::ALL)),
                ("referral_in", json!("company")),
                ("fees", json!([])),
                ("bonuses", json!([])),
                ("overrides", json!([])),
                ("deficit", json!("refuse")),
                ("mode", json!("marginal")),
                ("per", json!(per)),
                ("of", json!("payee")),
                ("of", json!("part")),
                ("portion", json!("1")),
                ("proration", json!("none")),
                ("post_cap", json!({ "payee": "1", "company": "0" })),
                ("crossing", json!("split_within_deal")),
                ("fee_on_crossing", json!("no")),
                ("basis", json!("off_top")),
                ("to", json!("company")),
                ("leap_day", json!("clamp")),
                ("side", json!("sole")),
                ("off_top", json!([])),
                ("adjustments", json!([])),
                ("base", json!("amount")),
                ("rules", json!([])),
                ("when", json!({})),
                ("earned", json!("on_invoice")),
                ("types", json!({ "except": ["crm_sync"] })),
                ("registration", json!("wins")),
                ("sum", json!("strict")),
                ("rest", json!("0")),
            ];
            let adjusts = fields.contains_key("actor");
            let limits = fields.contains_key("zone") && fields.contains_key("per");
            for (field, default) in defaults {
                if fields.get(field) == Some(&default) && !(adjusts && field == "to") && !limits {
                    fields.remove(field);
                }
            }
            let of_side_or_line = fields.contains_key("gci") || fields.contains_key("amount");
            if of_side_or_line && fields.get("units") == Some(&json!(1)) {
                fields.remove("units");
            }
            fields.values_mut().for_each(leave_out);
        }
        _ => {}
    }
}

/// Why a plan document cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct InvalidDocument {
    /// Where in the document, such as `cap.caps[0].limit`.
    pub field: String,
    /// What is expected there.
    pub rule: String,
}

/// Currencies that plans of the field are written in, besides those that the simulator makes up plans in.
const MORE_CURRENCIES: [Code; 16] = [
    Code("AED", 2),
    Code("AUD", 2),
    Code("BRL", 2),
    Code("CAD", 2),
    Code("CHF", 2),
    Code("CZK", 2),
    Code("DKK", 2),
    Code("GBP", 2),
    Code("INR", 2),
    Code("KRW", 0),
    Code("MXN", 2),
    Code("NOK", 2),
    Code("NZD", 2),
    Code("PLN", 2),
    Code("SEK", 2),
    Code("SGD", 2),
];

/// A text that is not what it must be, and what that is.
#[derive(Debug, Error)]
#[error("expected {0}")]
pub struct Unreadable(String);

impl FromStr for Code {
    type Err = Unreadable;

    fn from_str(code: &str) -> Result<Self, Unreadable> {
        let known = || CURRENCIES.into_iter().chain(MORE_CURRENCIES);
        known().find(|known| known.0 == code).ok_or_else(|| {
            let known: Vec<&str> = known().map(|known| known.0).collect();
            Unreadable(format!("a currency that the simulator knows: {}", known.join(", ")))
        })
    }
}

impl FromStr for Amount {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (number, code) = text.rsplit_once(' ').ok_or_else(|| Unreadable("an amount such as 12.34 USD".into()))?;
        let code: Code = code.parse()?;
        let fits = |units: &i128| units.unsigned_abs() <= u128::from(i64::MAX.unsigned_abs());
        let units = units(number, code.1).filter(fits);
        let rule = || Unreadable(format!("an amount with at most {} decimals, such as 12 {}", code.1, code.0));
        Ok(Self(units.ok_or_else(rule)?, code))
    }
}

impl FromStr for Part {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let part = units(text, 9).and_then(|billionths| u64::try_from(billionths).ok());
        let part = part.filter(|part| *part <= WHOLE * 1_000_000 && !text.starts_with('-'));
        part.map(Self).ok_or_else(|| Unreadable("a plain decimal with nine decimals at most, such as 0.7".into()))
    }
}

macro_rules! read_from_text {
    ($($type:ty),+) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

read_from_text!(Code, Amount, Part);

/// A plain decimal in units of so many decimals.
fn units(text: &str, decimals: u32) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, rest) = match digits.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() => (whole, rest),
        Some(_) => return None,
        None => (digits, ""),
    };
    let plain = whole.bytes().chain(rest.bytes()).all(|byte| byte.is_ascii_digit());
    let needless = whole.is_empty() || (whole.len() > 1 && whole.starts_with('0'));
    let places = u32::try_from(rest.len()).ok().filter(|places| *places <= decimals && plain && !needless)?;
    let rest: i128 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
    let one = 10_i128.checked_pow(decimals)?;
    let whole = whole.parse::<i128>().ok()?.checked_mul(one)?;
    whole.checked_add(rest.checked_mul(10_i128.checked_pow(decimals - places)?)?)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"currency":"USD","rounding":"half_even","zone":"America/New_York",
        "split":{"tiered":{"tiers":{"company_dollar":[{"from":"0 USD","payee":"0.7","company":"0.30"},
            {"from":"5000 USD","payee":"0.8","company":"0.2"}]},"per":"deal","minimum":"100 USD"}},
        "attainment":{"programme":"volume","year":{"first_of_join_month":{}}},
        "cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"anniversary":{"leap_day":"march1"}}},
            {"programme":"team","of":{"pool":"t"},"limit":"9000 USD","year":{"calendar":{"month":1,"day":1}}}],
            "crossing":"whole_deal_pre_cap"},
        "royalty":{"rate":"0.06","basis":"gross","cap":{"programme":"r","limit":"3000 USD","year":{"anniversary":{}}}},
        "referral_in":"shared",
        "fees":[{"name":"post-cap","timing":"post_cap","amount":{"lesser_of":{"flat":"250.5 USD","rate":"0.05"}},
            "per":"side","to":{"payee":"lead"},"sub_cap":{"programme":"s","limit":"500 USD",
            "year":{"first_of_next_month":{}},"then":{"flat":"1 USD"}}}],
        "mentee":{"company":"0.1","mentor":"0.1"},
        "bonuses":[{"name":"b","when":{"reaches":{"units":5}},"amount":{"rate":"0.01"}},
            {"name":"c","when":"each_deal","amount":{"flat":"5 USD"}}],
        "overrides":[{"name":"lead","to":"lea","rate":"0.05","of":"payee_share"}],"deficit":"receivable"}"#;

    /// A field that is read into the wrong place would simulate another plan than the user's.
    #[test]
    fn what_is_read_says_what_was_written() {
        for text in [FULL, r#"{"currency":"GBP","split":{"flat":{"payee":"0.8","company":"0.2"}}}"#] {
            let document = Document::from_json(text).unwrap();
            let core = |text: &str| serde_json::from_str::<ledger_core::waterfall::Document>(text).unwrap();
            assert_eq!(core(&document.to_string()), core(text));
            assert_eq!(serde_json::to_string(&core(text)).unwrap(), document.stored());
            assert_eq!(Document::from_json(&document.to_string()).unwrap(), document);
            assert_eq!(Document::from_json(&document.stored()).unwrap(), document);
        }
    }

    #[test]
    fn an_error_names_the_field_and_what_is_expected() {
        let rate = "a plain decimal with nine decimals at most, such as 0.7";
        let amount = "an amount with at most 2 decimals, such as 12 USD";
        for (from, to, field, rule) in [
            ("\"0.30\"", "\"30%\"", "split.tiered", rate),
            ("\"0.30\"", "\"-0.3\"", "split.tiered", rate),
            ("15000 USD", "1.234 USD", "cap.caps[0].limit", amount),
            ("15000 USD", "92233720368547758.08 USD", "cap.caps[0].limit", amount),
            ("15000 USD", "15000", "cap.caps[0].limit", "such as 12.34 USD"),
            ("march1", "april", "cap.caps[0].year", "expected `clamp` or `march1`"),
            ("\"referral_in\"", "\"referral\"", "referral", "unknown field"),
            ("\"currency\":\"USD\",", "", "", "missing field `currency`"),
            ("\"USD\"", "\"XYZ\"", "currency", "a currency that the simulator knows: USD, EUR"),
        ] {
            assert!(FULL.contains(from));
            let error = Document::from_json(&FULL.replacen(from, to, 1)).unwrap_err();
            assert!(error.field.starts_with(field) && error.rule.contains(rule), "{to}: {error}");
        }
        assert!(Document::from_json("[]").is_err());
    }
}
