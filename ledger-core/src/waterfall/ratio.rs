//! An exact fraction: what a ladder of rates is walked with. Nothing is rounded until the caller says so, and what does not fit
//! is refused.

use std::cmp::Ordering;

use crate::money::MoneyError;
use crate::rate::{Rate, Rounding, mul_div};

/// A fraction of two 128-bit numbers. It is brought to its lowest terms only where it would not fit otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    numerator: i128,
    /// Above zero.
    denominator: i128,
}

impl Ratio {
    pub(super) const ZERO: Self = Self { numerator: 0, denominator: 1 };

    pub(super) fn whole(number: impl Into<i128>) -> Self {
        Self { numerator: number.into(), denominator: 1 }
    }

    pub(super) fn of(numerator: impl Into<i128>, denominator: impl Into<i128>) -> Result<Self, MoneyError> {
        let denominator = denominator.into();
        if denominator <= 0 {
            return Err(MoneyError::Denominator { denominator });
        }
        Ok(Self { numerator: numerator.into(), denominator })
    }

    pub(super) fn rate(rate: Rate) -> Self {
        // Most rates have few decimals, and short numbers stay short when they are multiplied.
        let (mut numerator, mut denominator) = (rate.mantissa(), Rate::SCALE);
        while denominator > 1 && numerator % 10 == 0 {
            (numerator, denominator) = (numerator / 10, denominator / 10);
        }
        Self { numerator: numerator.into(), denominator: denominator.into() }
    }

    pub(super) fn is_positive(self) -> bool {
        self.numerator > 0
    }

    pub(super) fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if let Some(sum) = self.checked_plus(other, 1) {
            return Ok(sum);
        }
        let (a, b) = (self.reduced(), other.reduced());
        a.checked_plus(b, common(a.denominator, b.denominator)).ok_or(MoneyError::Overflow)
    }

    /// The sum over the least denominator that both have in common, if that is what is given.
    fn checked_plus(self, other: Self, common: i128) -> Option<Self> {
        if self.denominator == other.denominator {
            return Some(Self { numerator: self.numerator.checked_add(other.numerator)?, ..self });
        }
        let (left, right) = (other.denominator / common, self.denominator / common);
        let numerator = self.numerator.checked_mul(left)?.checked_add(other.numerator.checked_mul(right)?)?;
        Some(Self { numerator, denominator: self.denominator.checked_mul(left)? })
    }

    pub(super) fn minus(self, other: Self) -> Result<Self, MoneyError> {
        let numerator = other.numerator.checked_neg().ok_or(MoneyError::Overflow)?;
        self.plus(Self { numerator, ..other })
    }

    pub(super) fn times(self, other: Self) -> Result<Self, MoneyError> {
        if let Some(product) = self.checked_times(other) {
            return Ok(product);
        }
        // What is above the line of the one may divide what is below the line of the other.
        let (a, b) = (self.reduced(), other.reduced());
        let swapped = |above: Self, below: Self| Self { numerator: above.numerator, ..below }.reduced();
        swapped(a, b).checked_times(swapped(b, a)).ok_or(MoneyError::Overflow)
    }

    fn checked_times(self, other: Self) -> Option<Self> {
        let numerator = self.numerator.checked_mul(other.numerator)?;
        Some(Self { numerator, denominator: self.denominator.checked_mul(other.denominator)? })
    }

    /// Divided by a fraction above zero.
    pub(super) fn over(self, other: Self) -> Result<Self, MoneyError> {
        self.times(Self::of(other.denominator, other.numerator)?)
    }

    pub(super) fn min(self, other: Self) -> Self {
        if self.compare(other).is_le() { self } else { other }
    }

    /// Which of both is larger, whether or not their products fit: by their whole parts, then by what is left upside down.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let (mut a, mut b) = ((self.numerator, self.denominator), (other.numerator, other.denominator));
        loop {
            if a.1 == b.1 {
                return a.0.cmp(&b.0);
            }
            let wholes = a.0.div_euclid(a.1).cmp(&b.0.div_euclid(b.1));
            let rests = (a.0.rem_euclid(a.1), b.0.rem_euclid(b.1));
            if wholes.is_ne() || rests.0 == 0 || rests.1 == 0 {
                return wholes.then(rests.0.signum().cmp(&rests.1.signum()));
            }
            (a, b) = ((b.1, rests.1), (a.1, rests.0));
        }
    }

    /// The nearest whole number, by a rule for halves.
    pub(super) fn round(self, rounding: Rounding) -> Result<i128, MoneyError> {
        mul_div(self.numerator, 1, self.denominator, rounding)
    }

    fn reduced(self) -> Self {
        let common = common(self.numerator, self.denominator);
        Self { numerator: self.numerator / common, denominator: self.denominator / common }
    }
}

/// The greatest common divisor with a number above zero.
fn common(number: i128, above_zero: i128) -> i128 {
    let (mut divisor, mut rest) = (above_zero, (number % above_zero).abs());
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    divisor
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(numerator: i128, denominator: i128) -> Ratio {
        Ratio::of(numerator, denominator).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_fits_in_lowest_terms_is_not() {
        let most = ratio(i128::MAX, 1);
        assert_eq!(most.plus(Ratio::whole(1)).unwrap_err(), MoneyError::Overflow);
        assert_eq!(most.times(ratio(3, 2)).unwrap_err(), MoneyError::Overflow);
        let wide = ratio(i128::MAX - 1, i128::MAX);
        assert!(wide.times(ratio(i128::MAX, i128::MAX - 1)).unwrap().compare(Ratio::whole(1)).is_eq());
        let half = ratio(1 << 100, 1 << 101);
        assert!(half.plus(ratio(1 << 99, 1 << 101)).unwrap().compare(ratio(3, 4)).is_eq());
        assert!(most.compare(ratio(i128::MAX, 2)).is_gt() && wide.compare(Ratio::whole(1)).is_lt());
        assert!(Ratio::whole(1).over(Ratio::ZERO).is_err(), "nothing is divided by zero");
    }

    proptest! {
        /// Catches a step that forgets a denominator: on small numbers everything is known without fractions.
        #[test]
        fn sums_products_and_order_are_those_of_the_numbers(
            a in -1_000..1_000_i128, b in 1..1_000_i128, c in -1_000..1_000_i128, d in 1..1_000_i128,
            blow in prop_oneof![Just(1_i128), Just(1 << 90)],
        ) {
            let (x, y) = (ratio(a * blow, b * blow), ratio(c * blow, d * blow));
            prop_assert_eq!(x.plus(y).unwrap().compare(ratio(a * d + c * b, b * d)), Ordering::Equal);
            prop_assert_eq!(x.minus(y).unwrap().compare(ratio(a * d - c * b, b * d)), Ordering::Equal);
            prop_assert_eq!(x.times(y).unwrap().compare(ratio(a * c, b * d)), Ordering::Equal);
            prop_assert_eq!(x.compare(y), (a * d).cmp(&(c * b)));
            if c > 0 {
                prop_assert_eq!(x.over(y).unwrap().compare(ratio(a * d, b * c)), Ordering::Equal);
            }
            let rounded = x.round(Rounding::HalfAwayFromZero).unwrap();
            prop_assert!((2 * (rounded * b - a)).abs() <= b);
        }
    }
}
