//! Attribution: who gets credit for a deal, and how much of its commission that is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::allocation::{AllocationError, allocate};
use crate::id::PayeeId;
use crate::limits::PAYEES_PER_DEAL;
use crate::money::Money;
use crate::rate::Rate;
use crate::waterfall::Sharer;

/// The model by which a deal is attributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attribution {
    /// The same credit to everyone listed.
    Equal(Vec<PayeeId>),
    /// The credit that is given; together exactly one.
    Custom(Vec<Weight>),
}

/// The credit of one payee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The payee.
    pub payee: PayeeId,
    /// Its part of the whole.
    pub weight: Rate,
}

/// What one payee was credited with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// The payee.
    pub payee: PayeeId,
    /// Its part of the deal's commission.
    pub amount: Money,
}

/// Why an attribution is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A deal is attributed to somebody.
    #[error("the attribution names nobody")]
    Nobody,
    /// A deal is shared by so many at the most.
    #[error("the attribution names {payees} payees, the most is {PAYEES_PER_DEAL}")]
    TooMany {
        /// How many it names.
        payees: usize,
    },
    /// One payee has one credit.
    #[error("payee {payee} is named twice")]
    Twice {
        /// The payee.
        payee: PayeeId,
    },
    /// Custom weights are the whole, neither less nor more.
    #[error("the weights sum to {sum}, not to 1")]
    DoNotSum {
        /// What they sum to, as far as it can be written.
        sum: String,
    },
    /// The amount could not be shared out.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
}

impl Attribution {
    /// Everyone who is listed, in the order listed.
    pub fn payees(&self) -> impl Iterator<Item = &PayeeId> {
        let (equal, custom): (&[PayeeId], &[Weight]) = match self {
            Self::Equal(payees) => (payees, &[]),
            Self::Custom(weights) => (&[], weights),
        };
        equal.iter().chain(custom.iter().map(|weight| &weight.payee))
    }

    /// Shares an amount out: by largest remainder, ties to whoever is listed first. The parts sum to the amount.
    ///
    /// # Errors
    /// [`Rejection`] when the model does not say who gets what.
    pub fn credits(&self, amount: Money) -> Result<Vec<Credit>, Rejection> {
        let mut seen = BTreeSet::new();
        if let Some(payee) = self.payees().find(|payee| !seen.insert(*payee) && !planted!(NamedTwice)) {
            return Err(Rejection::Twice { payee: payee.clone() });
        }
        match seen.len() {
            0 => return Err(Rejection::Nobody),
            payees if payees > PAYEES_PER_DEAL => return Err(Rejection::TooMany { payees }),
            _ => {}
        }
        let parts = allocate(amount, &self.weights()?)?;
        Ok(self.payees().cloned().zip(parts).map(|(payee, amount)| Credit { payee, amount }).collect())
    }

    /// Everyone who is listed, as the payees of a deal's side.
    #[must_use]
    pub fn sharers(&self) -> Vec<Sharer> {
        match self {
            Self::Equal(payees) => {
                payees.iter().map(|payee| Sharer { payee: payee.clone(), weight: None, mentor: None }).collect()
            }
            Self::Custom(weights) => {
                let sharer = |Weight { payee, weight }: &Weight| Sharer {
                    payee: payee.clone(),
                    weight: Some(*weight),
                    mentor: None,
                };
                weights.iter().filter(|weight| weight.weight != Rate::ZERO).map(sharer).collect()
            }
        }
    }

    /// The weight of everyone who is listed, in the order listed.
    fn weights(&self) -> Result<Vec<u64>, Rejection> {
        let weights = match self {
            Self::Equal(payees) => return Ok(vec![1; payees.len()]),
            Self::Custom(weights) => weights,
        };
        let sum = weights.iter().try_fold(Rate::ZERO, |sum, weight| sum.plus(weight.weight));
        match sum {
            Ok(Rate::ONE) => Ok(weights.iter().map(|weight| weight.weight.mantissa().unsigned_abs()).collect()),
            Ok(sum) => Err(Rejection::DoNotSum { sum: sum.to_string() }),
            Err(error) => Err(Rejection::DoNotSum { sum: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payee(name: &str) -> PayeeId {
        PayeeId::new(name).unwrap()
    }

    fn custom(weights: &[(&str, &str)]) -> Attribution {
        let weight = |(name, rate): &(&str, &str)| Weight { payee: payee(name), weight: Rate::parse(rate).unwrap() };
        Attribution::Custom(weights.iter().map(weight).collect())
    }

    fn amounts(attribution: &Attribution, amount: &str) -> Vec<String> {
        let credits = attribution.credits(Money::parse(amount).unwrap()).unwrap();
        credits.iter().map(|credit| credit.amount.to_string()).collect()
    }

    #[test]
    fn v73_three_equal_payees_share_to_the_cent() {
        let equal = Attribution::Equal(["a", "b", "c"].map(payee).to_vec());
        assert_eq!(amounts(&equal, "10000.00 USD"), ["3333.34 USD", "3333.33 USD", "3333.33 USD"]);
    }

    #[test]
    fn v88_custom_weights_that_are_not_the_whole_are_refused() {
        let refused = custom(&[("a", "0.5"), ("b", "0.3")]).credits(Money::parse("10000.00 USD").unwrap());
        assert_eq!(refused, Err(Rejection::DoNotSum { sum: "0.8".into() }));
        assert_eq!(amounts(&custom(&[("a", "0.6"), ("b", "0.4")]), "0.05 USD"), ["0.03 USD", "0.02 USD"]);
    }

    #[test]
    fn nobody_twice_and_too_many_are_refused() {
        let amount = Money::parse("1.00 USD").unwrap();
        assert_eq!(Attribution::Equal(vec![]).credits(amount), Err(Rejection::Nobody));
        let twice = Attribution::Equal(vec![payee("a"), payee("b"), payee("a")]);
        assert_eq!(twice.credits(amount), Err(Rejection::Twice { payee: payee("a") }));
        let many = Attribution::Equal((0..=PAYEES_PER_DEAL).map(|i| payee(&i.to_string())).collect());
        assert_eq!(many.credits(amount), Err(Rejection::TooMany { payees: PAYEES_PER_DEAL + 1 }));
    }
}
