//! How much a touch still weighs: half as much after each half-life.

use num_bigint::BigInt;

use super::exact::Exact;

/// The decimals of a weight.
const PLACES: u32 = 18;
/// The decimals beyond them that the reckoning keeps.
const GUARD: u32 = 60;

/// 2^(−passed ÷ half-life) in units of 10^-18, the nearest one; a half goes to the even one. Neither is below zero, and the
/// half-life is not zero.
pub(super) fn weight(passed: i64, half_life: i64) -> Exact {
    let (whole, rest) = (passed / half_life, passed % half_life);
    let scale = BigInt::from(10).pow(PLACES + GUARD);
    let units = if rest == 0 { scale } else { exp_minus(&(ln_2(&scale) * rest / half_life), &scale) };
    // Whoever is a hundred half-lives behind has lost every digit.
    let whole: u32 = whole.try_into().map_or(100, |whole: u32| whole.min(100));
    let below = BigInt::from(10).pow(GUARD) * BigInt::from(2).pow(whole);
    Exact::whole(units).over(&Exact::whole(below)).map_or_else(Exact::zero, |weight| weight.round(true))
}

/// ln 2 = Σ 1 ÷ (n · 2^n).
fn ln_2(scale: &BigInt) -> BigInt {
    let mut sum = BigInt::from(0);
    let mut power = scale.clone();
    for n in 1.. {
        power /= 2;
        if power == BigInt::from(0) {
            break;
        }
        sum += &power / n;
    }
    sum
}

/// e^−x = Σ (−x)^n ÷ n!
fn exp_minus(x: &BigInt, scale: &BigInt) -> BigInt {
    let mut sum = scale.clone();
    let mut term = scale.clone();
    for n in 1.. {
        term = -(term * x) / (scale * n);
        if term == BigInt::from(0) {
            break;
        }
        sum += &term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(passed: i64, half_life: i64) -> String {
        weight(passed, half_life).digits()
    }

    /// √½ and the fourth root of ½ are known to every digit; 2^-19 lies in the middle between two, and the even one wins.
    #[test]
    fn weights_are_those_of_the_tables() {
        assert_eq!(digits(0, 7), "1000000000000000000");
        assert_eq!(digits(7, 7), "500000000000000000");
        assert_eq!(digits(1, 2), "707106781186547524");
        assert_eq!(digits(1, 4), "840896415253714543");
        assert_eq!(digits(3, 2), "353553390593273762");
        assert_eq!(digits(18, 1), "3814697265625");
        assert_eq!(digits(19, 1), "1907348632812");
        assert_eq!(digits(20, 1), "953674316406");
        assert_eq!(digits(59, 1), "2");
        assert_eq!(digits(60, 1), "1");
        assert_eq!(digits(61, 1), "0");
        assert_eq!(digits(i64::MAX, 1), "0");
    }

    /// The digits are those of another program's decimals, to 120 places.
    #[test]
    fn weights_between_are_those_of_another_program() {
        assert_eq!(digits(1, 3), "793700525984099737");
        assert_eq!(digits(1, 7), "905723664263906672");
        assert_eq!(digits(5, 604_800_000), "999999994269616579");
        assert_eq!(digits(604_799_999, 604_800_000), "500000000573038344");
        assert_eq!(digits(604_800_001, 604_800_000), "499999999426961657");
        assert_eq!(digits(2_160_012_345, 604_800_000), "84117571909055167");
    }
}
