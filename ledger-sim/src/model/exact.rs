//! Exact numbers of any size: amounts in minor units, rates, counts. Nothing is rounded but where it says so.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::{Add, Mul, Sub};

use num_bigint::{BigInt, Sign};
use num_integer::Integer as _;

/// A fraction in lowest terms; what is under the line is above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact(BigInt, BigInt);

impl Exact {
    pub(super) fn whole(number: impl Into<BigInt>) -> Self {
        Self(number.into(), BigInt::from(1))
    }

    pub(super) fn zero() -> Self {
        Self::whole(0)
    }

    pub(super) fn one() -> Self {
        Self::whole(1)
    }

    fn reduced(over: BigInt, under: BigInt) -> Self {
        let common = over.gcd(&under);
        Self(over / &common, under / common)
    }

    /// A quotient; none over zero.
    pub(super) fn over(&self, other: &Self) -> Option<Self> {
        match other.0.sign() {
            Sign::NoSign => None,
            Sign::Plus => Some(Self::reduced(&self.0 * &other.1, &self.1 * &other.0)),
            Sign::Minus => Some(Self::reduced(-(&self.0 * &other.1), -(&self.1 * &other.0))),
        }
    }

    pub(super) fn negated(&self) -> Self {
        Self(-&self.0, self.1.clone())
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.sign() == Sign::NoSign
    }

    pub(super) fn is_negative(&self) -> bool {
        self.0.sign() == Sign::Minus
    }

    pub(super) fn is_positive(&self) -> bool {
        self.0.sign() == Sign::Plus
    }

    /// The number, or zero if it is below.
    pub(super) fn or_zero(&self) -> Self {
        self.clone().max(Self::zero())
    }

    fn floor(&self) -> Self {
        Self::whole(self.0.div_floor(&self.1))
    }

    /// The nearest whole; a half goes away from zero, or to the even one.
    pub(super) fn round(&self, half_even: bool) -> Self {
        if self.is_negative() {
            return self.negated().round(half_even).negated();
        }
        let floor = self.floor();
        let up = match (self - &floor).cmp(&Self(1.into(), 2.into())) {
            Ordering::Less => false,
            Ordering::Equal => !half_even || floor.0.is_odd(),
            Ordering::Greater => true,
        };
        if up { floor + Self::one() } else { floor }
    }

    /// The whole number that it is, as it is written.
    pub(super) fn digits(&self) -> String {
        self.0.to_string()
    }

    /// Whether an amount can have so many minor units.
    pub(super) fn fits(&self) -> bool {
        self.0.magnitude() <= &i64::MAX.unsigned_abs().into()
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.0 * &other.1).cmp(&(&other.0 * &self.1))
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, |$a:ident, $b:ident| $result:expr) => {
        impl<R: Borrow<Exact>> $trait<R> for &Exact {
            type Output = Exact;
            fn $method(self, other: R) -> Exact {
                let ($a, $b) = (self, other.borrow());
                $result
            }
        }
        impl<R: Borrow<Exact>> $trait<R> for Exact {
            type Output = Exact;
            fn $method(self, other: R) -> Exact {
                (&self).$method(other)
            }
        }
    };
}

operator!(Add, add, |a, b| Exact::reduced(&a.0 * &b.1 + &b.0 * &a.1, &a.1 * &b.1));
operator!(Sub, sub, |a, b| Exact::reduced(&a.0 * &b.1 - &b.0 * &a.1, &a.1 * &b.1));
operator!(Mul, mul, |a, b| Exact::reduced(&a.0 * &b.0, &a.1 * &b.1));

pub(super) fn sum<'a>(numbers: impl IntoIterator<Item = &'a Exact>) -> Exact {
    numbers.into_iter().fold(Exact::zero(), |sum, number| sum + number)
}

/// Shares whole units that are not negative: everybody the whole units of its part, then a unit each to the largest rests, the
/// first of equal ones first.
pub(super) fn share(units: &Exact, weights: &[Exact]) -> Vec<Exact> {
    let all = sum(weights);
    let exact: Vec<Exact> =
        weights.iter().map(|weight| (units * weight).over(&all).unwrap_or_else(Exact::zero)).collect();
    let mut parts: Vec<Exact> = exact.iter().map(Exact::floor).collect();
    let mut rests: Vec<(Exact, usize)> = exact.iter().zip(&parts).map(|(exact, part)| exact - part).zip(0..).collect();
    rests.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
    let mut left = units - sum(&parts);
    for (_, place) in rests {
        if let Some(part) = parts.get_mut(place).filter(|_| left.is_positive()) {
            *part = &*part + Exact::one();
            left = left - Exact::one();
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(units: i64, weights: &[i64]) -> Vec<String> {
        let weights: Vec<Exact> = weights.iter().copied().map(Exact::whole).collect();
        share(&Exact::whole(units), &weights).iter().map(Exact::digits).collect()
    }

    /// A rest that goes to the last, or to the largest part, pays another payee a cent.
    #[test]
    fn shares_go_by_largest_remainder_and_ties_to_the_first() {
        assert_eq!(parts(10_000, &[1, 1, 1]), ["3334", "3333", "3333"]);
        assert_eq!(parts(1_000, &[1, 1, 1]), ["334", "333", "333"]);
        assert_eq!(parts(100, &[1, 1, 1]), ["34", "33", "33"]);
        assert_eq!(parts(5, &[50, 30, 20]), ["3", "1", "1"]);
        assert_eq!(parts(7, &[0, 1, 1]), ["0", "4", "3"]);
        assert_eq!(parts(1, &[1, 2]), ["0", "1"]);
    }

    /// Half up, half towards plus infinity and half to even differ on these.
    #[test]
    fn a_half_goes_away_from_zero_or_to_the_even_one() {
        let half = |halves: i64| Exact::whole(halves).over(&Exact::whole(2)).unwrap();
        for (halves, away, even) in [(1, "1", "0"), (3, "2", "2"), (5, "3", "2"), (-1, "-1", "0"), (-3, "-2", "-2")] {
            assert_eq!(half(halves).round(false).digits(), away);
            assert_eq!(half(halves).round(true).digits(), even);
        }
        assert_eq!((half(29) - half(1)).round(false).digits(), "14");
        assert_eq!(Exact::one().over(&Exact::zero()), None);
    }
}
