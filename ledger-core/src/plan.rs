//! A commission plan: how a deal's commission is split between payee and company, in versions that never change.

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::calendar::{CalendarError, CapYearRule};
use crate::cap;
use crate::chain::Digest;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{CapProgramme, PlanId};
use crate::money::{Currency, Money};
use crate::rate::{Rate, Rounding};
use crate::stream::StreamId;

/// What can be asked of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Publishes the plan's next version, the first one being 1.
    Publish {
        /// The plan.
        plan: PlanId,
        /// What the version says. Policies that it leaves out take their defaults, which are then stored.
        #[serde(serialize_with = "without_defaults")]
        document: Document,
    },
}

/// What happened to a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A version was published.
    Published {
        /// The plan.
        plan: PlanId,
        /// The version, from 1 without gaps.
        version: u32,
        /// SHA-256 of the document's stored bytes.
        hash: Digest,
        /// What the version says, every policy written out.
        document: Document,
    },
}

/// What a plan version says, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The currency of the deals and of every amount in the plan.
    pub currency: Currency,
    /// How a deal is split.
    pub split: Split,
    /// How a fraction of a minor unit becomes whole.
    #[serde(default)]
    pub rounding: Rounding,
}

/// How a deal is split between payee and company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// The same shares always.
    Flat(Shares),
    /// One split until the company has had its cap in a cap year, another after.
    Capped(CappedSplit),
}

/// One split until the company has had its cap in a cap year, another after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CappedSplit {
    /// The shares while there is room under the cap.
    pub pre_cap: Shares,
    /// The cap on the company's share.
    pub cap: Cap,
    /// The shares after the cap.
    #[serde(default = "Shares::all_to_payee")]
    pub post_cap: Shares,
    /// What the payee pays to the company per deal after the cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_cap_fee: Option<Money>,
    /// What happens in the deal that reaches the cap.
    #[serde(default)]
    pub crossing: Crossing,
    /// Whether that deal pays the post-cap fee.
    #[serde(default)]
    pub fee_on_crossing: FeeOnCrossing,
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
    pub(crate) fn all_to_payee() -> Self {
        Self { payee: Rate::ONE, company: Rate::ZERO }
    }
}

/// A cap on the company dollar of one payee in one cap year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// What the contributions count to. Plans of one programme share the account, so a change of plan resets nothing.
    pub programme: CapProgramme,
    /// The most company dollar in a cap year. 0 means capped from the first day.
    pub limit: Money,
    /// When a cap year begins.
    pub year: CapYearRule,
}

/// What happens in the deal that reaches the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// The deal is split: up to the cap at the pre-cap shares, the rest at the post-cap shares.
    #[default]
    SplitWithinDeal,
    /// The whole deal is at the pre-cap shares; the cap counts from the next deal on.
    WholeDealPreCap,
}

/// Whether the deal that crosses the cap pays the post-cap fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeOnCrossing {
    /// It does not.
    #[default]
    No,
    /// It does.
    Yes,
}

/// Why a request about a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// No plan of that name.
    #[error("plan {plan} is unknown: publish it with plan.publish first")]
    Unknown {
        /// The plan.
        plan: PlanId,
    },
    /// The plan has no such version.
    #[error("plan {plan} has no version {version}: its last one is {last}")]
    UnknownVersion {
        /// The plan.
        plan: PlanId,
        /// The version asked for.
        version: u32,
        /// The last one that there is.
        last: u32,
    },
    /// The document is what the last version says already.
    #[error("plan {plan} says this already, in version {version}")]
    Unchanged {
        /// The plan.
        plan: PlanId,
        /// The version.
        version: u32,
    },
    /// The shares of a split are not the whole.
    #[error("{field}: the shares {payee} and {company} do not sum to 1")]
    SharesDoNotSum {
        /// Where in the document.
        field: &'static str,
        /// The payee's share.
        payee: Rate,
        /// The company's share.
        company: Rate,
    },
    /// An amount is in another currency than the plan.
    #[error("{field}: {amount} is not in the plan's currency {currency}")]
    WrongCurrency {
        /// Where in the document.
        field: &'static str,
        /// The amount.
        amount: Money,
        /// The plan's currency.
        currency: Currency,
    },
    /// An amount is below zero.
    #[error("{field}: {amount} is below zero")]
    Negative {
        /// Where in the document.
        field: &'static str,
        /// The amount.
        amount: Money,
    },
    /// The cap year's rule names no day of a year.
    #[error("split.capped.cap.year: {0}")]
    CapYear(#[from] CalendarError),
}

/// A plan as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    id: PlanId,
    versions: Vec<Version>,
}

/// A version of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// What it says.
    pub document: Document,
    /// SHA-256 of its stored bytes.
    pub hash: Digest,
}

impl Plan {
    /// One of its versions.
    ///
    /// # Errors
    /// [`Rejection::UnknownVersion`] when there is none of that number.
    pub fn version(&self, version: u32) -> Result<&Version, Rejection> {
        let index = version.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.versions.get(index)).ok_or_else(|| Rejection::UnknownVersion {
            plan: self.id.clone(),
            version,
            last: self.last(),
        })
    }

    fn last(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }
}

impl Document {
    /// Checks the document as a whole.
    ///
    /// # Errors
    /// [`Rejection`] that names the field and the rule.
    pub fn validate(&self) -> Result<(), Rejection> {
        match &self.split {
            Split::Flat(shares) => shares.validate("split.flat"),
            Split::Capped(capped) => {
                capped.pre_cap.validate("split.capped.pre_cap")?;
                capped.post_cap.validate("split.capped.post_cap")?;
                self.validate_amount("split.capped.cap.limit", capped.cap.limit)?;
                capped.cap.year.validate()?;
                capped.post_cap_fee.map_or(Ok(()), |fee| self.validate_amount("split.capped.post_cap_fee", fee))
            }
        }
    }

    fn validate_amount(&self, field: &'static str, amount: Money) -> Result<(), Rejection> {
        if amount.currency() != self.currency {
            return Err(Rejection::WrongCurrency { field, amount, currency: self.currency });
        }
        if amount.is_negative() { Err(Rejection::Negative { field, amount }) } else { Ok(()) }
    }

    /// SHA-256 of the stored bytes.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&crate::codec::canonical(self))
    }
}

/// What is asked leaves out the policies that are at their default, so that a policy that is added later changes the hash of
/// no request that was made before. What is stored has them all.
fn without_defaults<S: Serializer>(document: &Document, serializer: S) -> Result<S::Ok, S::Error> {
    let mut asked = serde_json::to_value(document).map_err(serde::ser::Error::custom)?;
    leave_out(&mut asked, "rounding", document.rounding == Rounding::default());
    if let Split::Capped(capped) = &document.split
        && let Some(split) = asked.pointer_mut("/split/capped")
    {
        leave_out(split, "post_cap", capped.post_cap == Shares::all_to_payee());
        leave_out(split, "crossing", capped.crossing == Crossing::default());
        leave_out(split, "fee_on_crossing", capped.fee_on_crossing == FeeOnCrossing::default());
    }
    asked.serialize(serializer)
}

fn leave_out(object: &mut serde_json::Value, field: &str, is_default: bool) {
    if let Some(object) = object.as_object_mut().filter(|_| is_default) {
        object.remove(field);
    }
}

impl Shares {
    fn validate(&self, field: &'static str) -> Result<(), Rejection> {
        if self.payee.complement() == Some(self.company) {
            return Ok(());
        }
        Err(Rejection::SharesDoNotSum { field, payee: self.payee, company: self.company })
    }
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let Self::Publish { plan, document } = self;
        let programme = match &document.split {
            Split::Flat(_) => None,
            Split::Capped(capped) => Some(&capped.cap),
        };
        let programme_stream = programme.map(|cap| StreamId::Programme(cap.programme.clone()));
        context.slice.require([StreamId::Plan(plan.clone())].into_iter().chain(programme_stream.clone()))?;
        let known = context.slice.find_plan(plan)?;
        document.validate()?;
        context.settings.demand_currency(document.currency)?;
        let last = known.map_or(0, Plan::last);
        if known.and_then(|known| known.versions.last()).is_some_and(|known| known.document == *document) {
            return Err(Rejection::Unchanged { plan: plan.clone(), version: last }.into());
        }
        let event = Event::Published {
            plan: plan.clone(),
            version: last.saturating_add(1),
            hash: document.hash(),
            document: document.clone(),
        };
        let decision = context.decision().with(StreamId::Plan(plan.clone()), event);
        let Some((cap, stream)) = programme.zip(programme_stream) else { return Ok(decision) };
        let known = context.slice.programme(&cap.programme)?;
        let opened = cap::open_programme(known, &cap.programme, document.currency, &cap.year)?;
        Ok(opened.into_iter().fold(decision, |decision, event| decision.with(stream.clone(), event)))
    }
}

pub(crate) fn evolve(state: &mut Option<Plan>, event: &Event) -> Result<(), Misfit> {
    let Event::Published { plan, version, hash, document } = event;
    let known = state.get_or_insert_with(|| Plan { id: plan.clone(), versions: Vec::new() });
    if *version != known.last().saturating_add(1) {
        return Err(Misfit("versions have no gap"));
    }
    known.versions.push(Version { document: document.clone(), hash: *hash });
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Plan(event)
    }
}
