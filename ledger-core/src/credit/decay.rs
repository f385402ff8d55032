//! Two to the minus x, to eighteen decimals, the same on every machine: what a touch weighs that is older than the latest one.

/// One, in units of 10^-18.
pub const ONE: u64 = 1_000_000_000_000_000_000;

/// The natural logarithm of 2, in units of 2^-128, cut off.
const LN_2: u128 = 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af;
/// One, in units of 2^-127: what everything here is reckoned in.
const UNIT: u128 = 1 << 127;
/// The argument is divided by 2^8, and the result squared eight times.
const SQUARINGS: u32 = 8;
/// The first term that is left out, y^12 / 12!, is below 2^-131: the argument is below 2^-8.5.
const TERMS: usize = 12;
/// One over the factorials, in units of 2^-127, cut off.
const OVER_FACTORIAL: [u128; TERMS] = over_factorials();
/// Above all errors: four units before squaring, and each squaring doubles the error and adds one.
const ERROR: u128 = 1 << 11;

/// `2^(-age / half_life)` in units of 10^-18: the true value, rounded to the nearest unit, a half to the even one. Both are of
/// one unit of time.
///
/// None when 128 bits do not tell to which side the value is rounded, which has never been seen, and for a half-life of 0.
///
/// ```
/// use ledger_core::credit::decay::{ONE, weight};
///
/// assert_eq!(weight(0, 7), Some(ONE));
/// assert_eq!(weight(14, 7), Some(ONE / 4));
/// assert_eq!(weight(1, 2), Some(707_106_781_186_547_524)); // one over the square root of 2
/// assert_eq!(weight(7_525, 7), Some(0)); // 1,075 half-lives
/// ```
#[must_use]
pub fn weight(age: u64, half_life: u64) -> Option<u64> {
    let halvings = age.checked_div(half_life)?;
    // Beyond, even the whole of the last half-life is less than half a unit.
    let Some(halvings) = u32::try_from(halvings).ok().filter(|&halvings| halvings <= 60) else { return Some(0) };
    let rest = age % half_life;
    if rest == 0 {
        return Some(halved(halvings));
    }
    settled(power(fraction(rest, half_life)), halvings)
}

/// What a value is rounded to if it is rounded to that wherever in its error it lies.
fn settled(value: u128, halvings: u32) -> Option<u64> {
    let (low, high) = (scaled(value.saturating_sub(ERROR), halvings), scaled(value.saturating_add(ERROR), halvings));
    (low == high).then_some(low)
}

/// `10^18 ÷ 2^halvings`, a half to the even unit.
fn halved(halvings: u32) -> u64 {
    let (whole, rest) = (ONE >> halvings, ONE & ((1 << halvings) - 1));
    let half = (1_u64 << halvings) / 2;
    if rest > half || (rest == half && half > 0 && whole % 2 == 1) { whole + 1 } else { whole }
}

/// `numerator ÷ denominator`, which is below 1, in units of 2^-127, cut off.
fn fraction(numerator: u64, denominator: u64) -> u128 {
    let divisor = u128::from(denominator);
    let first = u128::from(numerator) << 64;
    let second = (first % divisor) << 63;
    ((first / divisor) << 63) + second / divisor
}

/// `2^-x` for an `x` below 1, both in units of 2^-127.
fn power(x: u128) -> u128 {
    // e^-y as 1 - y(1 - y(1/2 - y(1/6 - ...))), whose steps are all between 0 and 1.
    let y = high(x, LN_2) >> SQUARINGS;
    let series = OVER_FACTORIAL.into_iter().rev().fold(0, |sum, term| term - times(y, sum));
    (0..SQUARINGS).fold(series, |value, _| times(value, value))
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time only, where a bad index does not compile")]
const fn over_factorials() -> [u128; TERMS] {
    let (mut terms, mut place) = ([UNIT; TERMS], 1);
    while place < TERMS {
        terms[place] = terms[place - 1] / place as u128;
        place += 1;
    }
    terms
}

/// A value in units of 2^-127, halved so often, in units of 10^-18 and to the nearest of them. It is never half way.
fn scaled(value: u128, halvings: u32) -> u64 {
    let (low, high) = value.carrying_mul(u128::from(ONE), 0);
    // Twice the units, cut off.
    let shift = 126 + halvings;
    let doubled = if shift < 128 { high << (128 - shift) | low >> shift } else { high >> (shift - 128) };
    u64::try_from(doubled.div_ceil(2)).unwrap_or(ONE)
}

/// The product of two values in units of 2^-127, cut off.
fn times(a: u128, b: u128) -> u128 {
    let (low, high) = a.carrying_mul(b, 0);
    high << 1 | low >> 127
}

/// The upper half of the product.
fn high(a: u128, b: u128) -> u128 {
    a.carrying_mul(b, 0).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_half_lives_are_exact_and_a_half_goes_to_the_even_unit() {
        let five_to_the_18 = 3_814_697_265_625;
        for (age, expected) in [
            (0, ONE),
            (1, ONE / 2),
            (18, five_to_the_18),
            (19, 1_907_348_632_812), // and a half
            (20, 953_674_316_406),   // and a quarter
            (58, 3),                 // 3.47
            (59, 2),                 // 1.73
            (60, 1),                 // 0.87
            (61, 0),                 // 0.43
            (u64::MAX, 0),
        ] {
            assert_eq!(weight(age, 1), Some(expected), "{age}");
            assert_eq!(weight(age.saturating_mul(604_800_000), 604_800_000), Some(expected), "{age} weeks");
        }
        assert_eq!(weight(1, 0), None);
    }

    #[test]
    fn what_lies_too_near_a_half_unit_is_not_guessed() {
        // n and a half units of 10^-18, to the last of 127 bits.
        let half_way = |n: u128| (((2 * n + 1) << 63) / u128::from(ONE)) << 63;
        for n in [500_000_000_000_000_001, 707_106_781_186_547_524, 999_999_999_999_999_999_u128] {
            let near = (1..60).fold(half_way(n), |value, bit| {
                let more = value + (1 << (63 - bit));
                let (low, high) = more.carrying_mul(u128::from(ONE), 0);
                if (high << 2 | low >> 126) > 2 * n { value } else { more }
            });
            assert_eq!(settled(near, 0), None);
            let unit = UNIT / u128::from(ONE);
            assert_eq!(settled(near - unit / 1_000, 0), u64::try_from(n).ok());
            assert_eq!(settled(near + unit / 1_000, 0), u64::try_from(n + 1).ok());
        }
    }

    /// A number of 32 bits before the point and 256 after it, the lowest digit first.
    type Long = [u32; 9];

    fn product(a: &Long, b: &Long) -> Long {
        let mut digits = [0_u64; 19];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let sum = u64::from(*x) * u64::from(*y) + digits[i + j];
                digits[i + j] = sum & 0xffff_ffff;
                digits[i + j + 1] += sum >> 32;
            }
        }
        for at in 0..18 {
            digits[at + 1] += digits[at] >> 32;
            digits[at] &= 0xffff_ffff;
        }
        std::array::from_fn(|at| u32::try_from(digits[at + 8]).unwrap())
    }

    /// The binary logarithm of `numerator ÷ denominator`, which is 1 or more, as a whole and 100 bits, cut off: bit by bit, by
    /// squaring.
    fn logarithm(numerator: u64, denominator: u64) -> (u32, u128) {
        let (mut whole, mut denominator) = (0, u128::from(denominator));
        while u128::from(numerator) >= 2 * denominator {
            (whole, denominator) = (whole + 1, 2 * denominator);
        }
        let mut value: Long = [0; 9];
        let mut rest = u128::from(numerator);
        for digit in value.iter_mut().rev() {
            *digit = u32::try_from(rest / denominator).unwrap();
            rest = (rest % denominator) << 32;
        }
        let mut bits = 0;
        for _ in 0..100 {
            value = product(&value, &value);
            bits *= 2;
            if value[8] >= 2 {
                bits += 1;
                for at in 0..9 {
                    value[at] = value[at] >> 1 | value.get(at + 1).map_or(0, |next| next << 31);
                }
            }
        }
        (whole, bits)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

        #[test]
        fn a_weight_is_the_true_value_rounded(
            half_life in prop_oneof![1..1_000_u64, (1..400_u64).prop_map(|days| days * 86_400_000), 1..=u64::MAX >> 6],
            age in any::<u64>(),
            halvings in 0..64_u64,
        ) {
            let age = age % half_life + halvings * half_life;
            let (found, mut rest, mut bits) = (weight(age, half_life).unwrap(), u128::from(age % half_life), 0_u128);
            for _ in 0..100 {
                rest *= 2;
                bits = 2 * bits + rest / u128::from(half_life);
                rest %= u128::from(half_life);
            }
            let exponent = (u32::try_from(age / half_life).unwrap(), bits);
            // Two to the minus x is below found and a half, and above found less a half. At whole half-lives it may be either.
            let whole = age % half_life == 0;
            if 2 * found < 2 * ONE {
                let least = logarithm(2 * ONE, 2 * found + 1);
                prop_assert!(exponent > least || (whole && exponent == least), "{} is too small", found);
            }
            if found > 0 {
                let most = logarithm(2 * ONE, 2 * found - 1);
                prop_assert!(exponent <= most, "{} is too large", found);
            }
        }

        #[test]
        fn an_older_touch_never_weighs_more(age in 0..1_u64 << 40, more in 0..1_u64 << 40, half_life in 1..1_u64 << 36) {
            prop_assert!(weight(age + more, half_life) <= weight(age, half_life));
        }
    }
}
