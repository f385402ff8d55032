//! Who is credited with what part of a deal.

use std::collections::BTreeMap;

use super::exact::{Exact, share, sum};
use super::terms::{Class, Deal, Model, Payee, Rule, Sum, Touch, Types, Weights};
use super::{Code, decay};

/// How a deal is shared out: those who have a weight, in the order in which a rest goes to the first, then the house.
pub(super) struct Credits {
    /// How many touches count.
    pub touches: usize,
    pub payees: Weights,
    pub house: Option<Exact>,
}

impl Credits {
    pub fn of(model: &Model, deal: &Deal, payees: &BTreeMap<String, Payee>) -> Result<Self, Code> {
        if let Rule::Custom(policy) = model.rule {
            return custom(policy, &deal.custom);
        }
        let touches = qualifying(model, deal);
        for touch in &touches {
            must_weigh(model, touch)?;
        }
        let mut order: Vec<&str> = Vec::new();
        for touch in &touches {
            if !order.contains(&touch.payee.as_str()) {
                order.push(&touch.payee);
            }
        }
        let of_payees = match &model.rule {
            Rule::Equal => order.iter().map(|_| Exact::one()).collect(),
            Rule::RoleWeighted(roles) => in_roles(roles, &order, &touches),
            Rule::CoSell(classes) => in_classes(classes, &order, &touches, payees)?,
            _ => {
                let weights = of_touches(model, deal, &touches)?;
                let of = |payee: &str| {
                    sum(touches
                        .iter()
                        .zip(&weights)
                        .filter(|(touch, _)| touch.payee == payee)
                        .map(|(_, weight)| weight))
                };
                order.iter().map(|payee| of(payee)).collect()
            }
        };
        let payees = order.into_iter().map(ToOwned::to_owned).zip(of_payees);
        Ok(Self {
            touches: touches.len(),
            payees: payees.filter(|(_, weight)| weight.is_positive()).collect(),
            house: None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.payees.is_empty() && self.house.is_none()
    }

    /// Shares an amount out, to the payees and then to the house. What is below zero is the mirror of what is above.
    pub fn share(&self, amount: &Exact) -> Vec<Exact> {
        let weights: Vec<Exact> = self.payees.iter().map(|(_, weight)| weight).chain(&self.house).cloned().collect();
        if amount.is_negative() {
            share(&amount.negated(), &weights).iter().map(Exact::negated).collect()
        } else {
            share(amount, &weights)
        }
    }
}

fn custom(policy: Sum, weights: &Weights) -> Result<Credits, Code> {
    let all = sum(weights.iter().map(|(_, weight)| weight));
    let house = match policy {
        Sum::Strict if all != Exact::one() => return Err(Code::WeightsDoNotSum),
        Sum::ResidualToHouse if all > Exact::one() => return Err(Code::WeightsDoNotSum),
        Sum::ResidualToHouse => Some(Exact::one() - &all).filter(|_| !weights.is_empty()),
        Sum::Strict | Sum::Normalise => None,
    };
    let payees = weights.iter().filter(|(_, weight)| weight.is_positive()).cloned().collect();
    Ok(Credits { touches: 0, payees, house })
}

/// The touches that count, the earliest first; of one instant in the order in which they are listed.
fn qualifying<'a>(model: &Model, deal: &'a Deal) -> Vec<&'a Touch> {
    let counts = |touch: &&Touch| {
        let of_type = match &model.types {
            Types::Only(types) => types.contains(&touch.kind),
            Types::Except(types) => !types.contains(&touch.kind),
        };
        of_type
            && deal.cutoff.is_none_or(|cutoff| touch.at <= cutoff)
            && touch.at <= deal.completed_at
            && model.lookback.is_none_or(|lookback| touch.at >= deal.completed_at - lookback)
    };
    let mut touches: Vec<&Touch> = deal.touches.iter().filter(counts).collect();
    touches.sort_by_key(|touch| touch.at);
    touches
}

/// A touch weighs something by its type, if types are what weighs.
fn must_weigh(model: &Model, touch: &Touch) -> Result<(), Code> {
    match &model.rule {
        Rule::RoleBased { weights, other } => {
            let weighs = touch.weight.is_some() || weights.contains_key(&touch.kind) || other.is_some();
            if weighs { Ok(()) } else { Err(Code::UnknownType) }
        }
        _ => Ok(()),
    }
}

/// What each touch weighs.
fn of_touches(model: &Model, deal: &Deal, touches: &[&Touch]) -> Result<Vec<Exact>, Code> {
    let count = touches.len();
    let all_to = |place: usize| (0..count).map(|other| Exact::whole(u8::from(other == place))).collect();
    let each = |weight: &dyn Fn(&Touch) -> Exact| touches.iter().map(|touch| weight(touch)).collect();
    let last = count.saturating_sub(1);
    Ok(match &model.rule {
        Rule::FirstTouch => {
            let registrant = deal.registered_by.as_ref().filter(|_| model.registration_wins);
            let its = registrant.and_then(|payee| touches.iter().position(|touch| touch.payee == *payee));
            all_to(its.unwrap_or(0))
        }
        Rule::LastTouch => all_to(last),
        Rule::TimeDecay(half_life) => {
            let latest = touches.last().map_or(0, |touch| touch.at);
            each(&|touch| decay::weight(latest - touch.at, *half_life))
        }
        Rule::UShaped { first: a, last: b } => match count {
            1 => vec![Exact::one()],
            // One of them is what is left between, shared equally by those who stand there.
            _ => {
                let between = (Exact::one() - a - b).over(&Exact::whole(count.saturating_sub(2)));
                let between = between.unwrap_or_else(Exact::zero);
                let at = |place| match place {
                    0 => a.clone(),
                    _ if place == last => b.clone(),
                    _ => between.clone(),
                };
                (0..count).map(at).collect()
            }
        },
        Rule::Milestones { milestones, rest } => {
            let names = |touch: &Touch, milestone: &String| touch.milestones.contains(milestone);
            let names_none = |touch: &Touch| !milestones.iter().any(|(milestone, _)| names(touch, milestone));
            let shared = |weight: &Exact, reached: &dyn Fn(&Touch) -> bool| {
                let reaching = touches.iter().filter(|touch| reached(touch)).count();
                weight.over(&Exact::whole(reaching)).unwrap_or_else(Exact::zero)
            };
            each(&|touch| {
                if names_none(touch) {
                    return shared(rest, &names_none);
                }
                let reached = milestones.iter().filter(|(milestone, _)| names(touch, milestone));
                let parts: Vec<_> =
                    reached.map(|(milestone, weight)| shared(weight, &|other| names(other, milestone))).collect();
                sum(&parts)
            })
        }
        Rule::RoleBased { weights, other } => {
            let weight = |touch: &&Touch| {
                let weight = touch.weight.as_ref().or(weights.get(&touch.kind)).or(other.as_ref());
                weight.cloned().ok_or(Code::UnknownType)
            };
            touches.iter().map(weight).collect::<Result<_, _>>()?
        }
        Rule::Implementation(types) => {
            all_to(touches.iter().rposition(|touch| types.contains(&touch.kind)).unwrap_or(last))
        }
        // Linear: each the same.
        _ => each(&|_| Exact::one()),
    })
}

/// What each payee weighs when every role is a pool and everybody is in its best one.
fn in_roles(roles: &Weights, payees: &[&str], touches: &[&Touch]) -> Vec<Exact> {
    let best = |payee: &&str| {
        let has =
            |role: &String| touches.iter().any(|touch| touch.payee == *payee && touch.role.as_ref() == Some(role));
        let mut best: Option<&(String, Exact)> = None;
        for role in roles.iter().filter(|(role, _)| has(role)) {
            if best.is_none_or(|best| role.1 > best.1) {
                best = Some(role);
            }
        }
        best
    };
    let best: Vec<_> = payees.iter().map(best).collect();
    let part = |own: &Option<&(String, Exact)>| {
        let (role, weight) = own.as_ref()?;
        let in_it = best.iter().flatten().filter(|(other, _)| other == role).count();
        weight.over(&Exact::whole(in_it))
    };
    best.iter().map(|own| part(own).unwrap_or_else(Exact::zero)).collect()
}

/// What each payee weighs when every class is a pool that is shared out by roles, or equally.
fn in_classes(
    classes: &[Class],
    payees: &[&str],
    touches: &[&Touch],
    all: &BTreeMap<String, Payee>,
) -> Result<Vec<Exact>, Code> {
    let class_of = |payee: &&str| {
        let class = all.get(*payee).and_then(|payee| payee.class.as_ref());
        classes.iter().position(|known| Some(&known.class) == class).ok_or(Code::UnknownClass)
    };
    let class_of: Vec<usize> = payees.iter().map(class_of).collect::<Result<_, _>>()?;
    let mut weights = vec![Exact::zero(); payees.len()];
    for (place, class) in classes.iter().enumerate() {
        let members: Vec<&str> =
            payees.iter().zip(&class_of).filter(|(_, of)| **of == place).map(|(payee, _)| *payee).collect();
        let inside = match &class.roles {
            Some(roles) => in_roles(roles, &members, touches),
            None => members.iter().map(|_| Exact::one()).collect(),
        };
        let whole = sum(&inside);
        let slots = weights.iter_mut().zip(&class_of).filter(|(_, of)| **of == place);
        for ((slot, _), part) in slots.zip(&inside) {
            *slot = (&class.weight * part).over(&whole).unwrap_or_else(Exact::zero);
        }
    }
    Ok(weights)
}
