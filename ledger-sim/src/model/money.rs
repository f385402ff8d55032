//! Arithmetic with whole minor units and billionths. No amount has more minor units than 63 bits hold, and no part of a whole
//! more than 10^9 billionths, so that every product below fits.

use super::Why;
use crate::act::Part;

/// A whole in billionths.
const ONE: i128 = 1_000_000_000;

/// An amount that the ledger can hold.
pub(super) fn fits(units: i128) -> Result<i128, Why> {
    if units.unsigned_abs() <= i64::MAX.unsigned_abs().into() { Ok(units) } else { Err(Why::TooLarge) }
}

/// A fraction to the nearest whole; a half goes away from zero, or to the even one.
fn round(numerator: i128, denominator: i128, half_even: bool) -> i128 {
    let (whole, rest) = (numerator.abs() / denominator, numerator.abs() % denominator);
    let up = match (rest - (denominator - rest)).signum() {
        0 => !half_even || whole % 2 == 1,
        sign => sign > 0,
    };
    (whole + i128::from(up)) * numerator.signum()
}

/// A rate of an amount, rounded once.
pub(super) fn rate_of(units: i128, rate: Part, half_even: bool) -> i128 {
    round(units * i128::from(rate.0), ONE, half_even)
}

/// Shares an amount that is not negative: everybody the whole units of its part, then a unit each to the largest rests, the
/// first of equal ones first.
pub(super) fn share(units: i128, weights: &[u64]) -> Vec<i128> {
    let all: i128 = weights.iter().copied().map(i128::from).sum::<i128>().max(1);
    let exact = || weights.iter().map(|weight| units * i128::from(*weight));
    let mut parts: Vec<_> = exact().map(|part| part / all).collect();
    let mut rests: Vec<_> = exact().map(|part| part % all).zip(0..).collect();
    rests.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
    let left = units - parts.iter().sum::<i128>();
    for ((_, place), _) in rests.into_iter().zip(0..left) {
        if let Some(part) = parts.get_mut::<usize>(place) {
            *part += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::WHOLE;

    fn percent(tenths: u64) -> Part {
        Part(tenths * WHOLE / 1000)
    }

    #[test]
    fn rates_round_once_and_half_away_from_zero_or_to_even() {
        let vectors = [(1000, 200, 200), (1900, 100, 190), (7, 200, 1), (2, 200, 0), (3, 200, 1), (15, 100, 2)];
        for (units, tenths, expected) in vectors.into_iter().chain([(1, 500, 1), (500, 29, 15), (25, 100, 3)]) {
            assert_eq!(rate_of(units, percent(tenths), false), expected, "{units} at {tenths}");
            assert_eq!(rate_of(-units, percent(tenths), false), -expected, "-{units} at {tenths}");
        }
        for (units, tenths, expected) in [(1, 500, 0), (15, 100, 2), (25, 100, 2), (500, 29, 14)] {
            assert_eq!(rate_of(units, percent(tenths), true), expected, "{units} at {tenths}");
        }
    }

    #[test]
    fn shares_go_by_largest_remainder_and_ties_to_the_first() {
        assert_eq!(share(10_000, &[1, 1, 1]), [3_334, 3_333, 3_333]);
        assert_eq!(share(1_000, &[1, 1, 1]), [334, 333, 333]);
        assert_eq!(share(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(share(5, &[50, 30, 20]), [3, 1, 1]);
        assert_eq!(share(7, &[0, 1, 1]), [0, 4, 3]);
        assert_eq!(share(i64::MAX.into(), &[WHOLE / 2, WHOLE / 2]).iter().sum::<i128>(), i64::MAX.into());
    }
}
