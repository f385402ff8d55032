//! Two to the minus x, to eighteen decimals, the same on every machine: what a touch weighs that is older than the latest one.

/// One, in units of 10^-18.
pub const ONE: u64 = 1_000_000_000_000_000_000;

/// The natural logarithm of 2, in units of 2^-128, cut off.
const LN_2: u128 = 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af;
/// One, in units of 2^-127: what everything here is reckoned in.
const UNIT: u128 = 1 << 127;
/// The argument is divided by 2^8, and the result squared eight times.
const SQUARINGS: u32 = 8;
/// The first term that is left out is below 2^-131: the argument is below 2^-8.5.
const TERMS: u128 = 11;
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
    let value = power(fraction(rest, half_life));
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
    // e^-y as 1 - y(1 - y/2(1 - y/3(...))), whose steps are all between 0 and 1.
    let y = high(x, LN_2) >> SQUARINGS;
    let series = (1..=TERMS).rev().fold(UNIT, |sum, term| UNIT - times(y, sum) / term);
    (0..SQUARINGS).fold(series, |value, _| times(value, value))
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
