//! An amount is shared out by weights so that the parts always add up to it, to the last cent.
//!
//! This is the only routine of the ledger that divides one amount among several takers.

use std::cmp::Reverse;

use thiserror::Error;

use crate::money::{Money, MoneyError};

/// Why an amount could not be shared out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllocationError {
    /// There is nobody to share with.
    #[error("there is nobody to allocate {total} to; give at least one weight")]
    NoWeights {
        /// The amount to be shared.
        total: Money,
    },
    /// Every weight is zero, so nobody has a claim to any part.
    #[error("every weight is zero, so nobody can take {total}; give at least one weight above zero")]
    NoPositiveWeight {
        /// The amount to be shared.
        total: Money,
    },
    /// A part could not be expressed as an amount.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

struct Share {
    whole: u128,
    rest: u128,
}

/// Shares an amount in proportion to weights, in their order, by largest remainder.
///
/// Everybody first gets the whole minor units of their exact share; the few that are left go, one each, to the largest
/// remainders, and among equal ones to whoever is listed first. So the parts sum to the total, each is less than one
/// minor unit from its exact share, none has the opposite sign, and a weight of zero gets exactly nothing. A negative
/// total is shared like its positive, so reversing a deal reverses every part.
///
/// ```
/// use ledger_core::{allocation::allocate, money::Money};
///
/// let parts = allocate(Money::parse("100.00 USD")?, &[1, 1, 1])?;
/// let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
/// assert_eq!(parts, ["33.34 USD", "33.33 USD", "33.33 USD"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`AllocationError::NoWeights`] for an empty list, [`AllocationError::NoPositiveWeight`] when all weights are zero,
/// also for a total of zero: whether somebody has a claim must not depend on the amount.
pub fn allocate(total: Money, weights: &[u64]) -> Result<Vec<Money>, AllocationError> {
    share_out(total, weights)
}

/// The same with weights beyond 64 bits, such as sums of many that have eighteen decimals each.
///
/// # Errors
/// As of [`allocate`]; [`MoneyError::Overflow`] when the weights together are 2^126 or more.
pub fn allocate_wide(total: Money, weights: &[u128]) -> Result<Vec<Money>, AllocationError> {
    share_out(total, weights)
}

fn share_out<W: Copy + Into<u128>>(total: Money, weights: &[W]) -> Result<Vec<Money>, AllocationError> {
    if weights.is_empty() {
        return Err(AllocationError::NoWeights { total });
    }
    let all = weights.iter().try_fold(0_u128, |all, &weight| all.checked_add(weight.into()));
    let all = all.filter(|&all| all < 1 << 126).ok_or(MoneyError::Overflow)?;
    if all == 0 {
        return Err(AllocationError::NoPositiveWeight { total });
    }
    let amount = total.minor().unsigned_abs();
    let mut shares: Vec<Share> = weights.iter().map(|&weight| exact_share(amount, weight.into(), all)).collect();

    // The remainders sum to `left` times `all` and each is below `all`: more than `left` of them are above zero, so no
    // unit ever reaches a weight of zero. The sort is stable, which is what gives a tie to the lower index.
    let left = u128::from(amount) - shares.iter().map(|share| share.whole).sum::<u128>();
    let mut by_rest: Vec<&mut Share> =
        planted!(TieToLast => shares.iter_mut().rev().collect(), shares.iter_mut().collect());
    by_rest.sort_by_key(|share| Reverse(planted!(RemainderToLargest => share.whole, share.rest)));
    for (share, _) in by_rest.into_iter().zip(0..left) {
        share.whole += 1;
    }

    shares
        .into_iter()
        .map(|share| {
            let part = i128::try_from(share.whole).map_err(|_| MoneyError::Overflow)?;
            let signed = if total.is_negative() { -part } else { part };
            Ok(Money::from_minor(signed, total.currency())?)
        })
        .collect()
}

/// The whole units of `amount × weight ÷ all`, and what is left; the weight is one of `all`, which is below 2^126.
fn exact_share(amount: u64, weight: u128, all: u128) -> Share {
    if let Some(exact) = u128::from(amount).checked_mul(weight) {
        return Share { whole: exact / all, rest: exact % all };
    }
    // The product is beyond 128 bits: the amount comes in bit by bit, and no step is above three times `all`.
    (0..u64::BITS).rev().map(|bit| u128::from(amount >> bit & 1)).fold(Share { whole: 0, rest: 0 }, |share, bit| {
        let rest = 2 * share.rest + bit * weight;
        Share { whole: 2 * share.whole + rest / all, rest: rest % all }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn yen(minor: i64) -> Money {
        Money::new(minor, Currency::of("JPY").unwrap()).unwrap()
    }

    fn parts(total: &str, weights: &[u64]) -> Vec<String> {
        allocate(money(total), weights).unwrap().iter().map(|part| part.amount().to_string()).collect()
    }

    fn minors(total: i64, weights: &[u64]) -> Vec<i64> {
        allocate(yen(total), weights).unwrap().iter().map(|part| part.minor()).collect()
    }

    #[test]
    fn v66_a_hundred_dollars_by_three_loses_no_cent_and_gains_none() {
        assert_eq!(parts("100.00 USD", &[1, 1, 1]), ["33.34", "33.33", "33.33"]);
        assert_eq!(parts("-100.00 USD", &[1, 1, 1]), ["-33.34", "-33.33", "-33.33"]);
    }

    #[test]
    fn v67_yen_are_shared_without_decimals() {
        assert_eq!(parts("1000 JPY", &[1, 1, 1]), ["334", "333", "333"]);
        assert_eq!(parts("100 JPY", &[1, 1, 1]), ["34", "33", "33"]);
    }

    #[test]
    fn v69_a_tie_goes_to_whoever_is_listed_first() {
        // 2.5, 1.5 and 1 cents: one cent is left, and two remainders are equal.
        assert_eq!(parts("0.05 USD", &[50, 30, 20]), ["0.03", "0.01", "0.01"]);
        assert_eq!(parts("0.05 USD", &[30, 50, 20]), ["0.02", "0.02", "0.01"]);
    }

    #[test]
    fn v71_without_a_positive_weight_nobody_is_paid_and_a_zero_weight_gets_exactly_nothing() {
        let total = money("1.00 USD");
        assert_eq!(allocate(total, &[0, 0]), Err(AllocationError::NoPositiveWeight { total }));
        assert_eq!(allocate(total, &[]), Err(AllocationError::NoWeights { total }));
        assert_eq!(parts("1.00 USD", &[0, 1, 1, 1]), ["0.00", "0.34", "0.33", "0.33"]);
    }

    #[test]
    fn whether_somebody_has_a_claim_does_not_depend_on_the_amount() {
        let nothing = money("0 USD");
        assert_eq!(allocate(nothing, &[0]), Err(AllocationError::NoPositiveWeight { total: nothing }));
        assert_eq!(parts("0 USD", &[1, 2]), ["0.00", "0.00"]);
    }

    #[test]
    fn the_largest_remainder_comes_before_the_first_in_the_list() {
        assert_eq!(parts("0.01 USD", &[1, 2]), ["0.00", "0.01"]);
        assert_eq!(parts("480.00 USD", &[60, 40]), ["288.00", "192.00"]);
    }

    #[test]
    fn the_largest_amounts_and_weights_there_are_do_not_overflow() {
        let most = [u64::MAX; 5];
        assert_eq!(minors(i64::MAX, &most).iter().map(|&part| i128::from(part)).sum::<i128>(), i64::MAX.into());
        assert_eq!(minors(-i64::MAX, &[u64::MAX]), [-i64::MAX]);
        assert_eq!(minors(i64::MAX, &[1, u64::MAX]), [0, i64::MAX]);
    }

    #[test]
    fn an_error_says_what_was_wrong_and_what_to_do() {
        let error = allocate(money("1 USD"), &[0]).unwrap_err().to_string();
        assert_eq!(error, "every weight is zero, so nobody can take 1.00 USD; give at least one weight above zero");
    }

    #[test]
    fn wide_weights_are_shared_as_exactly_as_narrow_ones() {
        // A product that did not fit was once a reason to round the weights first.
        let total = yen(i64::MAX);
        let (narrow, wide) =
            ([u64::MAX, 3, u64::MAX - 5], [u128::from(u64::MAX) << 60, 3 << 60, u128::from(u64::MAX - 5) << 60]);
        assert_eq!(allocate_wide(total, &wide), allocate(total, &narrow));
        let parts = allocate_wide(total, &[(1 << 125) + 1, (1 << 125) - 2]).unwrap();
        assert_eq!(parts, [yen(1 << 62), yen((1 << 62) - 1)]);
        assert_eq!(allocate_wide(total, &[1 << 125, 1 << 125]), Err(MoneyError::Overflow.into()));
        assert_eq!(allocate_wide(total, &[u128::MAX, 1]), Err(MoneyError::Overflow.into()));
    }

    fn any_total() -> impl Strategy<Value = i64> {
        prop_oneof![-100..100_i64, -1_000_000_000..1_000_000_000_i64, -i64::MAX..=i64::MAX]
    }

    fn any_weights() -> impl Strategy<Value = Vec<u64>> {
        let weight = prop_oneof![Just(0), 0..4_u64, 0..1_000_u64, 0..=1_u64 << 60];
        // Somebody must have a claim.
        (prop::collection::vec(weight, 0..11), 1..1_000_u64, any::<prop::sample::Index>()).prop_map(
            |(mut all, one, at)| {
                all.insert(at.index(all.len() + 1), one);
                all
            },
        )
    }

    proptest! {
        #[test]
        fn a_long_product_is_divided_like_a_short_one(amount in any::<u64>(), weight in 1..=u64::MAX, more in any::<u64>()) {
            let (weight, all) = (u128::from(weight), u128::from(weight) + u128::from(more));
            let (short, long) = (exact_share(amount, weight, all), exact_share(amount, weight << 61, all << 61));
            prop_assert_eq!((short.whole, short.rest << 61), (long.whole, long.rest));
        }

        #[test]
        fn the_parts_sum_to_the_total(total in any_total(), weights in any_weights()) {
            let parts = allocate(yen(total), &weights).unwrap();
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(Money::sum(yen(total).currency(), parts), Ok(yen(total)));
        }

        #[test]
        fn each_part_is_less_than_one_unit_from_its_exact_share_and_never_of_the_other_sign(
            total in any_total(),
            weights in any_weights(),
        ) {
            let all: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            for (part, &weight) in minors(total, &weights).into_iter().zip(&weights) {
                let exact = u128::from(total.unsigned_abs()) * u128::from(weight);
                prop_assert!((u128::from(part.unsigned_abs()) * all).abs_diff(exact) < all);
                prop_assert!(part == 0 || part.signum() == total.signum());
                prop_assert!(weight > 0 || part == 0);
            }
        }

        #[test]
        fn a_reversed_total_reverses_every_part(total in any_total(), weights in any_weights()) {
            let reversed: Vec<i64> = minors(-total, &weights).into_iter().map(|part| -part).collect();
            prop_assert_eq!(reversed, minors(total, &weights));
        }

        #[test]
        fn the_order_of_the_list_decides_nothing_but_ties(
            total in any_total(),
            (weights, shuffled) in any_weights().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
        ) {
            // Which remainders were rounded up must not depend on the order; who has them may, where they are equal.
            let all: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            let rounded = |weights: &[u64]| {
                let mut seen: Vec<(u128, u128)> = minors(total, weights)
                    .into_iter()
                    .zip(weights)
                    .map(|(part, &weight)| {
                        let exact = u128::from(total.unsigned_abs()) * u128::from(weight);
                        (exact % all, u128::from(part.unsigned_abs()) - exact / all)
                    })
                    .collect();
                seen.sort_unstable();
                seen
            };
            let seen = rounded(&weights);
            prop_assert_eq!(&seen, &rounded(&shuffled));
            prop_assert!(seen.is_sorted_by_key(|&(_, up)| up), "the units went to the largest remainders: {:?}", seen);
        }

        #[test]
        fn weights_in_the_same_proportion_share_alike(
            total in any_total(),
            weights in any_weights(),
            factor in 1..16_u64,
        ) {
            let scaled: Vec<u64> = weights.iter().map(|weight| weight * factor).collect();
            prop_assert_eq!(minors(total, &weights), minors(total, &scaled));
        }
    }
}
