//! An attribution model: a document that says what each touch of a deal weighs.
//!
//! Weights are whole numbers on one scale, summed per payee and shared out once, by largest remainder on the money. No
//! percentage is ever rounded on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::decay;
use super::distinct;
use super::explain::Share;
use super::pools::{Pool, gcd, per_member};
use super::refuse::{Fault, Rejection, none_twice};
use super::terms::{Deal, Payee};
use super::touch::{Instant, Journey, Step, Touch};
use crate::chain::Digest;
use crate::id::{PayeeId, Text};
use crate::limits::{PAYEES_PER_DEAL, RULES_PER_PLAN, TOUCHES_PER_DEAL};
use crate::rate::Rate;

const DAY_MS: u64 = 86_400_000;

/// What a model says, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What a touch weighs.
    pub model: Model,
    /// Which types of touches count.
    #[serde(default)]
    pub types: Types,
    /// How many days of 24 hours before the deal a touch may be; without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback_days: Option<u32>,
    /// Whether who registered the deal goes before its first touch.
    #[serde(default)]
    pub registration: Registration,
}

/// What a touch weighs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Model {
    /// All to the first touch, or to who registered the deal and touched it.
    FirstTouch {},
    /// All to the last touch.
    LastTouch {},
    /// The same to each payee.
    Equal {},
    /// The same to each touch.
    Linear {},
    /// Half as much for each half-life before the latest touch.
    TimeDecay {
        /// The half-life, in days of 24 hours.
        half_life_days: u32,
    },
    /// A share each to the first and the last touch, the rest equally to those between.
    UShaped {
        /// The share of the first touch.
        first: Rate,
        /// The share of the last touch.
        last: Rate,
    },
    /// A share to each milestone, divided equally among its touches.
    Milestones {
        /// The milestones.
        milestones: Vec<Milestone>,
        /// The share of the touches that are none of these.
        #[serde(default = "nothing")]
        rest: Rate,
    },
    /// To each touch what its type weighs, or what it says itself.
    RoleBased {
        /// What a touch of each type weighs.
        #[serde(deserialize_with = "distinct")]
        weights: BTreeMap<Text, Rate>,
        /// What a touch of any other type weighs; without it, such a touch is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<Rate>,
    },
    /// A share to each role, divided equally among the payees whose best role it is.
    RoleWeighted {
        /// The roles.
        roles: Vec<Role>,
    },
    /// All to the latest touch of these types, or else to the latest.
    Implementation {
        /// What counts as implementing.
        types: Vec<Text>,
    },
    /// A share to each class of payees, divided inside it by role, or equally if it has no roles.
    CoSell {
        /// The classes.
        classes: Vec<Class>,
    },
    /// The weights that come with the deal, instead of touches.
    Custom {
        /// What they must sum to.
        #[serde(default)]
        sum: Sum,
    },
}

/// A milestone, and the share of its touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// The milestone.
    pub milestone: Text,
    /// Its share.
    pub weight: Rate,
}

/// A role, and the share of its payees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The role.
    pub role: Text,
    /// Its share.
    pub weight: Rate,
}

/// A class of payees, and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The class.
    pub class: Text,
    /// Its share.
    pub weight: Rate,
    /// How the share is divided inside it; if by none, equally.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// What custom weights must sum to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sum {
    /// To exactly 1.
    #[default]
    Strict,
    /// To anything: they are the whole, whatever they sum to.
    Normalise,
    /// To 1 at the most: the house has the rest, all of it where every weight is 0. Without any weight nobody has said who has what,
    /// and the deal is unattributed.
    ResidualToHouse,
}

/// Which types of touches count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Types {
    /// These.
    Only(Vec<Text>),
    /// All but these.
    Except(Vec<Text>),
}

impl Default for Types {
    /// All but what a customer database copies in by itself.
    fn default() -> Self {
        Self::Except(Text::new("crm_sync").into_iter().collect())
    }
}

impl Types {
    fn has(&self, kind: &Text) -> bool {
        match self {
            Self::Only(types) => types.contains(kind),
            Self::Except(types) => !types.contains(kind),
        }
    }
}

/// Whether who registered a deal goes before its first touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// It does, if a touch of it counts.
    #[default]
    Wins,
    /// It does not.
    Ignored,
}

const fn nothing() -> Rate {
    Rate::ZERO
}

/// Who has a claim on a deal, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// How many touches count.
    pub touches: usize,
    /// Those who have a claim, in payee order: by first touch, or as listed. None, nor the house: the deal is unattributed.
    pub claims: Vec<Claim>,
    /// What the house has beside them, under [`Sum::ResidualToHouse`].
    pub house: Option<u128>,
}

/// The claim of one payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The payee.
    pub payee: PayeeId,
    /// What it weighs beside the others; above zero.
    pub weight: u128,
    /// What it rests on.
    pub share: Share,
}

impl Document {
    /// Checks the document as a whole. A model under which nobody can ever be credited is none; where types weigh nothing, a touch
    /// may state a weight of its own.
    ///
    /// # Errors
    /// [`Rejection`] that names the field and the rule.
    pub fn validate(&self) -> Result<(), Rejection> {
        match &self.types {
            Types::Only(types) if types.is_empty() && !matches!(self.model, Model::Custom { .. }) => {
                return Err(Fault::Nobody("no type of touch counts").at("types"));
            }
            Types::Only(types) | Types::Except(types) => distinct_few(types).map_err(|fault| fault.at("types"))?,
        }
        match &self.model {
            Model::TimeDecay { half_life_days: 0 } => Err(Fault::NoHalfLife.at("model.time_decay.half_life_days")),
            Model::UShaped { first, last } => at_most_one([*first, *last])
                .and_then(|()| some_weigh([*first, *last], "of two touches neither weighs anything"))
                .map_err(|fault| fault.at("model.u_shaped")),
            Model::Milestones { milestones, rest } => {
                let weights = || milestones.iter().map(|one| one.weight).chain([*rest]);
                distinct_few(milestones.iter().map(|one| &one.milestone))
                    .and_then(|()| at_most_one(weights()))
                    .and_then(|()| some_weigh(weights(), "neither a milestone nor the rest weighs anything"))
                    .map_err(|fault| fault.at("model.milestones"))
            }
            Model::RoleWeighted { roles } => validate_roles(roles)
                .and_then(|()| some_weigh(roles.iter().map(|one| one.weight), "no role weighs anything"))
                .map_err(|fault| fault.at("model.role_weighted.roles")),
            Model::Implementation { types } => {
                distinct_few(types).map_err(|fault| fault.at("model.implementation.types"))
            }
            Model::CoSell { classes } => {
                distinct_few(classes.iter().map(|one| &one.class))
                    .and_then(|()| at_most_one(classes.iter().map(|one| one.weight)))
                    .map_err(|fault| fault.at("model.co_sell.classes"))?;
                for class in classes {
                    let field = || format!("model.co_sell.classes.{}.roles", class.class);
                    validate_roles(&class.roles).map_err(|fault| fault.at(field()))?;
                }
                let reachable = classes
                    .iter()
                    .filter(|class| class.roles.is_empty() || class.roles.iter().any(|role| role.weight > Rate::ZERO));
                some_weigh(reachable.map(|class| class.weight), "no class weighs anything, or none of its roles does")
                    .map_err(|fault| fault.at("model.co_sell.classes"))
            }
            Model::FirstTouch {}
            | Model::LastTouch {}
            | Model::Equal {}
            | Model::Linear {}
            | Model::TimeDecay { .. }
            | Model::RoleBased { .. }
            | Model::Custom { .. } => Ok(()),
        }
    }

    /// SHA-256 of the document's canonical bytes, every policy written out.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&crate::codec::canonical(self))
    }

    /// Makes sure that the model understands what is told of a touch: its type or its weight, its role, its milestones. Of a type
    /// that does not count it may say anything. What it says is looked at again when the deal is credited, and there a role or
    /// milestone that the model does not list is none: the deal may be credited by another model than the one that it was told for.
    ///
    /// # Errors
    /// [`Rejection`] that names the field of the touch, and what the model lists.
    pub(crate) fn admits(&self, touch: &Touch) -> Result<(), Rejection> {
        self.reads(touch)?;
        if !self.types.has(&touch.kind) {
            return Ok(());
        }
        match &self.model {
            Model::RoleWeighted { roles } => {
                let names = || roles.iter().map(|one| &one.role);
                let unknown = touch.role.as_ref().filter(|role| names().all(|name| name != *role));
                let fault = |role: &Text| Fault::UnknownRole { role: role.clone(), listed: told(names()) };
                unknown.map_or(Ok(()), |role| Err(fault(role).at("role")))
            }
            Model::Milestones { milestones, .. } => {
                let names = || milestones.iter().map(|one| &one.milestone);
                let unknown = touch.milestones.iter().find(|milestone| names().all(|name| name != *milestone));
                let fault =
                    |milestone: &Text| Fault::UnknownMilestone { milestone: milestone.clone(), listed: told(names()) };
                unknown.map_or(Ok(()), |milestone| Err(fault(milestone).at("milestones")))
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that a touch is not too long, and that its type has a weight if the model asks for one.
    fn reads(&self, touch: &Touch) -> Result<(), Rejection> {
        touch.check_length()?;
        match &self.model {
            Model::RoleBased { weights, other } if self.types.has(&touch.kind) => {
                weight_by_type(touch, weights, *other).map(drop).map_err(|fault| fault.at("type"))
            }
            _ => Ok(()),
        }
    }

    /// Who has a claim on the deal. The document is valid, and every payee of the deal is known.
    ///
    /// # Errors
    /// [`Rejection`] when the model does not say who gets what.
    pub fn claims(&self, deal: &Deal, payees: &BTreeMap<PayeeId, Payee>) -> Result<Claims, Rejection> {
        if deal.touches.len() > TOUCHES_PER_DEAL {
            return Err(Fault::TooManyTouches(deal.touches.len()).at("touches"));
        }
        if let Model::Custom { sum } = &self.model {
            if !deal.touches.is_empty() {
                return Err(Fault::Conflicting("a custom model takes weights, not touches").at("touches"));
            }
            return custom(deal, *sum).map_err(|fault| fault.at("custom"));
        }
        if !deal.custom.is_empty() {
            return Err(Fault::Conflicting("only a custom model takes custom weights").at("custom"));
        }
        let until = deal.cutoff.map_or(deal.completed_at, |cutoff| cutoff.min(deal.completed_at));
        let lookback = self.lookback_days.map(|days| i64::from(days).saturating_mul(DAY_MS.cast_signed()));
        let from = lookback.map(|lookback| deal.completed_at.millis().saturating_sub(lookback));
        let counts = |touch: &Touch| {
            self.types.has(&touch.kind) && touch.at <= until && from.is_none_or(|from| touch.at.millis() >= from)
        };
        let journey = Journey::of(&deal.touches, counts).map_err(|fault| fault.at("touches"))?;
        for Step { touch, .. } in &journey.steps {
            self.reads(touch).map_err(|error| error.within(&format!("touches.{}", touch.touch)))?;
        }
        let touches = journey.steps.len();
        let claims = if touches == 0 {
            Vec::new()
        } else {
            self.weigh(&journey, deal, payees).map_err(|fault| fault.at("touches"))?
        };
        Ok(Claims { touches, claims, house: None })
    }

    fn weigh(
        &self,
        journey: &Journey<'_>,
        deal: &Deal,
        payees: &BTreeMap<PayeeId, Payee>,
    ) -> Result<Vec<Claim>, Fault> {
        let (steps, all) = (&journey.steps, journey.steps.len());
        let by_touch = |weight: &dyn Fn(usize, &Touch) -> Result<u128, Fault>, share: &dyn Fn(usize) -> Share| {
            let mut weights = vec![0_u128; journey.payees.len()];
            for (place, step) in steps.iter().enumerate() {
                let weight = weight(place, step.touch)?;
                if let Some(sum) = weights.get_mut(step.whose) {
                    *sum = sum.checked_add(weight).ok_or(Fault::Scale)?;
                }
            }
            Ok(journey.claims(weights, |_, touches| share(touches)))
        };
        match &self.model {
            Model::FirstTouch {} => {
                let registered = deal.registered_by.as_ref().filter(|_| self.registration == Registration::Wins);
                match registered.and_then(|payee| steps.iter().find(|step| step.touch.payee == *payee)) {
                    Some(step) => Ok(vec![step.touch.claims_all(Share::Registered)]),
                    None => Ok(steps.iter().take(1).map(|step| step.touch.claims_all(Share::FirstTouch)).collect()),
                }
            }
            Model::LastTouch {} => {
                Ok(steps.last().map(|step| step.touch.claims_all(Share::LastTouch)).into_iter().collect())
            }
            Model::Implementation { types } => {
                let implemented = steps.iter().rev().find(|step| types.contains(&step.touch.kind));
                let (step, share): (_, fn(_) -> _) = match implemented {
                    Some(step) => (Some(step), Share::Implemented),
                    None => (steps.last(), Share::LastTouch),
                };
                Ok(step.map(|step| step.touch.claims_all(share)).into_iter().collect())
            }
            Model::Equal {} => {
                let share = Share::Equal { payees: journey.payees.len() };
                Ok(journey.claims(vec![1; journey.payees.len()], |_, _| share.clone()))
            }
            Model::Linear {} => by_touch(&|_, _| Ok(1), &|touches| Share::Touches { touches, of: all }),
            Model::TimeDecay { half_life_days } => {
                let (days, latest) = (*half_life_days, steps.last().map_or(deal.completed_at, |step| step.touch.at));
                by_touch(&|_, touch| decayed(touch.at, latest, days), &|touches| Share::Decayed {
                    touches,
                    half_life_days: days,
                    latest,
                })
            }
            Model::UShaped { first, last } => {
                let (first, last) = (units(*first), units(*last));
                let between = units(Rate::ONE).saturating_sub(first + last);
                // The middle is divided by the number of touches between: everything else is multiplied by it instead.
                let scale = match all {
                    1 | 2 => 1,
                    _ => u128::try_from(all - 2).map_err(|_| Fault::Scale)?,
                };
                let weight = |place, _: &Touch| {
                    Ok(match place {
                        _ if all == 1 => 1,
                        0 => first * scale,
                        _ if place + 1 == all => last * scale,
                        _ => between,
                    })
                };
                by_touch(&weight, &|touches| Share::UShaped { touches, of: all })
            }
            Model::Milestones { milestones, rest } => {
                // The rest is the pool of those on none.
                let shares = milestones.iter().map(|one| units(one.weight)).chain([units(*rest)]);
                let mut pools: Vec<Pool> = shares.map(|share| Pool { share, members: 0 }).collect();
                let places = places(milestones.iter().map(|one| &one.milestone));
                let on = |touch: &Touch| {
                    let mut on: BTreeSet<usize> =
                        touch.milestones.iter().filter_map(|one| places.get(one).copied()).collect();
                    on.extend(Some(milestones.len()).filter(|_| on.is_empty()));
                    on
                };
                let reached: Vec<BTreeSet<usize>> = steps.iter().map(|step| on(step.touch)).collect();
                for place in reached.iter().flatten() {
                    if let Some(pool) = pools.get_mut(*place) {
                        pool.members += 1;
                    }
                }
                let each = per_member(&pools)?;
                let weight = |place: usize, _: &Touch| {
                    let mut on = reached.get(place).into_iter().flatten().filter_map(|place| each.get(*place));
                    on.try_fold(0_u128, |sum, each| sum.checked_add(*each)).ok_or(Fault::Scale)
                };
                by_touch(&weight, &|touches| Share::Milestones { touches, of: all })
            }
            Model::RoleBased { weights, other } => {
                let weight = |_, touch: &Touch| weight_by_type(touch, weights, *other).map(units);
                by_touch(&weight, &|touches| Share::Types { touches })
            }
            Model::RoleWeighted { roles } => {
                let whole = Group { share: 1, class: None, roles };
                pooled(journey, &[whole], |_| Ok(0))
            }
            Model::CoSell { classes } => {
                pooled(journey, &classes.iter().map(Class::group).collect::<Vec<_>>(), |payee| {
                    let class = payees.get(payee).and_then(|known| known.class.as_ref());
                    let class = class.ok_or_else(|| Fault::NoClass(payee.clone()))?;
                    let place = classes.iter().position(|one| one.class == *class);
                    place.ok_or_else(|| Fault::UnknownClass { payee: payee.clone(), class: class.clone() })
                })
            }
            // It has no journey.
            Model::Custom { .. } => Ok(Vec::new()),
        }
    }
}

impl Journey<'_> {
    /// The claims of those who have any weight.
    fn claims(&self, weights: Vec<u128>, share: impl Fn(usize, usize) -> Share) -> Vec<Claim> {
        let payees = self.payees.iter().zip(weights).enumerate().filter(|(_, (_, weight))| *weight > 0);
        payees
            .map(|(place, (one, weight))| Claim { payee: one.payee.clone(), weight, share: share(place, one.touches) })
            .collect()
    }
}

impl Touch {
    fn claims_all(&self, share: fn(crate::id::TouchId) -> Share) -> Claim {
        Claim { payee: self.payee.clone(), weight: 1, share: share(self.touch.clone()) }
    }
}

impl Class {
    fn group(&self) -> Group<'_> {
        Group { share: units(self.weight), class: Some(&self.class), roles: &self.roles }
    }
}

/// A class of payees whose share is divided by roles; without roles equally.
struct Group<'a> {
    share: u128,
    class: Option<&'a Text>,
    roles: &'a [Role],
}

/// Divides the share of each group among its payees, each of whom takes part by its best role only.
fn pooled(
    journey: &Journey<'_>,
    groups: &[Group<'_>],
    group_of: impl Fn(&PayeeId) -> Result<usize, Fault>,
) -> Result<Vec<Claim>, Fault> {
    let grouped = journey.payees.iter().map(|one| group_of(one.payee)).collect::<Result<Vec<_>, _>>()?;
    let mut best: Vec<Option<usize>> = vec![None; grouped.len()];
    for step in &journey.steps {
        let roles = grouped.get(step.whose).and_then(|&group| groups.get(group)).map_or(&[][..], |group| group.roles);
        let Some(role) = step.touch.role.as_ref() else { continue };
        let Some(place) = roles.iter().position(|one| one.role == *role) else { continue };
        let weight = |place: usize| roles.get(place).map(|one| one.weight);
        if let Some(best) = best.get_mut(step.whose)
            && best.is_none_or(|known| (weight(known), place) < (weight(place), known))
        {
            *best = Some(place);
        }
    }

    // A pool per role of each group, or one for a group without.
    let offsets = groups.iter().scan(0, |next, group| {
        let offset = *next;
        *next += group.roles.len().max(1);
        Some(offset)
    });
    let offsets: Vec<usize> = offsets.collect();
    let pool_of = |group: usize, best: Option<usize>| {
        let (offset, group) = (offsets.get(group)?, groups.get(group)?);
        if group.roles.is_empty() { Some(*offset) } else { Some(offset + best?) }
    };
    let places: Vec<Option<usize>> = grouped.iter().zip(best).map(|(&group, best)| pool_of(group, best)).collect();
    let mut members = vec![0_u128; groups.iter().map(|group| group.roles.len().max(1)).sum()];
    for place in places.iter().flatten() {
        if let Some(members) = members.get_mut(*place) {
            *members += 1;
        }
    }
    let members = |pool: usize| members.get(pool).copied().unwrap_or_default();
    let mut pools = Vec::with_capacity(journey.payees.len());
    for group in groups {
        let first = pools.len();
        if group.roles.is_empty() {
            pools.push(Pool { share: group.share, members: members(first) });
        }
        let present: Vec<Pool> = (first..)
            .zip(group.roles)
            .map(|(pool, role)| Pool { share: units(role.weight), members: members(pool) })
            .collect();
        let present_shares = || present.iter().filter(|pool| pool.members > 0).map(|pool| pool.share);
        let common = present_shares().fold(0, gcd).max(1);
        let whole: u128 = present_shares().map(|share| share / common).sum();
        for pool in present {
            let share = group.share.checked_mul(pool.share / common).ok_or(Fault::Scale)?;
            pools.push(Pool { share, members: pool.members.checked_mul(whole).ok_or(Fault::Scale)? });
        }
    }
    let each = per_member(&pools)?;
    let weights = places.iter().map(|place| place.and_then(|place| each.get(place)).copied().unwrap_or_default());
    Ok(journey.claims(weights.collect(), |payee, _| {
        let group = grouped.get(payee).and_then(|&group| groups.get(group).zip(offsets.get(group)));
        let place = places.get(payee).copied().flatten();
        let role = group.zip(place).and_then(|((group, offset), place)| group.roles.get(place.checked_sub(*offset)?));
        Share::Pool {
            class: group.and_then(|(group, _)| group.class.cloned()),
            role: role.map(|one| one.role.clone()),
            members: place.map_or(0, members),
        }
    }))
}

fn custom(deal: &Deal, sum: Sum) -> Result<Claims, Fault> {
    let listed = &deal.custom;
    if listed.len() > PAYEES_PER_DEAL {
        return Err(Fault::TooManyPayees(listed.len()));
    }
    none_twice(listed.iter().map(|one| &one.payee))?;
    let whole: u128 = listed.iter().map(|one| units(one.weight)).sum();
    let house = match sum {
        Sum::Normalise => None,
        Sum::ResidualToHouse => {
            let more = || Fault::MoreThanTheWhole(total(listed.iter().map(|one| one.weight)));
            Some(units(Rate::ONE).checked_sub(whole).ok_or_else(more)?).filter(|_| !listed.is_empty())
        }
        Sum::Strict if whole == units(Rate::ONE) => None,
        Sum::Strict => return Err(Fault::NotTheWhole(total(listed.iter().map(|one| one.weight)))),
    };
    let claims = listed.iter().filter(|one| one.weight > Rate::ZERO).map(|one| Claim {
        payee: one.payee.clone(),
        weight: units(one.weight),
        share: Share::Custom { weight: one.weight },
    });
    Ok(Claims { touches: 0, claims: claims.collect(), house })
}

/// What a touch says itself, or else what its type weighs.
fn weight_by_type(touch: &Touch, weights: &BTreeMap<Text, Rate>, other: Option<Rate>) -> Result<Rate, Fault> {
    let stated = touch.weight.or_else(|| weights.get(&touch.kind).copied()).or(other);
    stated.ok_or_else(|| Fault::UnknownType(touch.kind.clone()))
}

/// Names, each with its place.
type Places<'a> = BTreeMap<&'a Text, usize>;

fn places<'a>(names: impl Iterator<Item = &'a Text>) -> Places<'a> {
    names.zip(0..).collect()
}

/// The first of several names, as far as they help whoever mistyped one.
fn told<'a>(names: impl Iterator<Item = &'a Text>) -> Box<str> {
    const TOLD: usize = 10;
    let (few, more): (Vec<_>, Vec<_>) = names.zip(0..).partition(|(_, place)| *place < TOLD);
    let mut told: Vec<String> = few.into_iter().map(|(name, _)| name.to_string()).collect();
    told.extend(Some(format!("and {} more", more.len())).filter(|_| !more.is_empty()));
    told.join(", ").into()
}

fn decayed(at: Instant, latest: Instant, half_life_days: u32) -> Result<u128, Fault> {
    let age_ms = latest.millis().abs_diff(at.millis());
    let weight = decay::weight(age_ms, u64::from(half_life_days) * DAY_MS);
    weight.map(u128::from).ok_or(Fault::Decay { age_ms })
}

fn validate_roles(roles: &[Role]) -> Result<(), Fault> {
    distinct_few(roles.iter().map(|one| &one.role))?;
    at_most_one(roles.iter().map(|one| one.weight))
}

fn distinct_few<'a>(names: impl IntoIterator<Item = &'a Text> + Clone) -> Result<(), Fault> {
    match names.clone().into_iter().count() {
        many if many > RULES_PER_PLAN => Err(Fault::TooManyRules(many)),
        _ => none_twice(names),
    }
}

fn some_weigh(weights: impl IntoIterator<Item = Rate>, otherwise: &'static str) -> Result<(), Fault> {
    if weights.into_iter().any(|weight| weight > Rate::ZERO) { Ok(()) } else { Err(Fault::Nobody(otherwise)) }
}

fn at_most_one(shares: impl IntoIterator<Item = Rate> + Clone) -> Result<(), Fault> {
    let sum: u128 = shares.clone().into_iter().map(units).sum();
    if sum <= units(Rate::ONE) { Ok(()) } else { Err(Fault::MoreThanTheWhole(total(shares))) }
}

/// What rates sum to, as far as it can be written.
fn total(rates: impl IntoIterator<Item = Rate>) -> String {
    let sum = rates.into_iter().try_fold(Rate::ZERO, Rate::plus);
    sum.map_or_else(|error| error.to_string(), |sum| sum.to_string())
}

fn units(rate: Rate) -> u128 {
    rate.mantissa().unsigned_abs().into()
}
