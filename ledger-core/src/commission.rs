//! The commission on a deal: how one payee's part of it is split under a plan version.
//!
//! The company dollar counts to the cap. In the deal that crosses the cap the rest of the base is split at the post-cap
//! shares; what the company gets of that rest does not count. An exact hit does not cross.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::allocation::{AllocationError, allocate};
use crate::money::{Money, MoneyError};
use crate::plan::{CappedSplit, Crossing, Document, FeeOnCrossing, Split};
use crate::rate::{Rate, Rounding, mul_div};

/// One payee's part of a deal, split. The parts sum to `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakdown {
    /// The payee's part of the deal's commission.
    pub base: Money,
    /// The company's share at the pre-cap shares, or of a flat split. It counts to the cap, if there is one.
    pub company_dollar: Money,
    /// The company's share of what is beyond the cap. It does not count.
    pub post_cap_company: Money,
    /// What the payee pays to the company for a deal after the cap. It does not count.
    pub post_cap_fee: Money,
    /// What the payee earned.
    pub payee_net: Money,
}

/// Why a part of a deal cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Corrections go through reversal.
    #[error("a deal's commission of {base} is below zero: reverse the deal that it corrects")]
    NegativeBase {
        /// The commission.
        base: Money,
    },
    /// The plan does not permit a deficit.
    #[error("the fee of {fee} is more than the payee's share of {share}, and the plan permits no deficit")]
    FeeExceedsShare {
        /// The fee.
        fee: Money,
        /// The payee's share before it.
        share: Money,
    },
    /// The amounts cannot be computed with.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// What each payee of a deal pays of a plan's fee for a deal after the cap: the fee is of the deal, so it is shared out by the
/// deal's weights, and the part of whoever does not owe it is not charged. None when the plan has no such fee.
///
/// # Errors
/// [`AllocationError`] when the weights share nothing out.
pub fn fee_parts(plan: &Document, weights: &[u64]) -> Result<Option<Vec<Money>>, AllocationError> {
    match &plan.split {
        Split::Capped(CappedSplit { post_cap_fee: Some(fee), .. }) => {
            planted!(FeeToEach => Ok(vec![*fee; weights.len()]), allocate(*fee, weights)).map(Some)
        }
        Split::Capped(_) | Split::Flat(_) => Ok(None),
    }
}

/// Splits one payee's part of a deal. `room` is what was left under the cap before the deal; a flat split has none. `fee` is
/// the payee's part of the fee for a deal after the cap, see [`fee_parts`].
///
/// ```
/// use ledger_core::{commission::split, money::Money, plan::Document};
/// let plan: Document = serde_json::from_str(
///     r#"{"currency":"USD","split":{"capped":{"pre_cap":{"payee":"0.7","company":"0.3"},
///         "cap":{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}},
///         "post_cap_fee":"250 USD"}}}"#,
/// ).unwrap();
/// let usd = |text: &str| Money::parse(&format!("{text} USD")).unwrap();
/// let crossing = split(&plan, usd("30000.00"), Some(usd("6800.00")), Some(usd("250.00"))).unwrap();
/// assert_eq!(crossing.company_dollar, usd("6800.00"));
/// assert_eq!(crossing.payee_net, usd("23200.00"));
/// ```
///
/// # Errors
/// [`Rejection`] for a base below zero, a fee above the payee's share, or amounts that cannot be computed with.
pub fn split(plan: &Document, base: Money, room: Option<Money>, fee: Option<Money>) -> Result<Breakdown, Rejection> {
    if base.is_negative() {
        return Err(Rejection::NegativeBase { base });
    }
    let zero = Money::zero(base.currency());
    let (company_dollar, post_cap_company, fee) = match &plan.split {
        Split::Flat(shares) => (shares.company.of(base, plan.rounding)?, zero, zero),
        Split::Capped(capped) => split_capped(capped, plan.rounding, base, room.unwrap_or(zero), fee.unwrap_or(zero))?,
    };
    let share = base.minus(company_dollar)?.minus(post_cap_company)?;
    let payee_net = planted!(Canary => share.minus(fee)?.minus(Money::new(1, base.currency())?)?, share.minus(fee)?);
    if payee_net.is_negative() {
        return Err(Rejection::FeeExceedsShare { fee, share });
    }
    Ok(Breakdown { base, company_dollar, post_cap_company, post_cap_fee: fee, payee_net })
}

fn split_capped(
    capped: &CappedSplit,
    rounding: Rounding,
    base: Money,
    room: Money,
    fee: Money,
) -> Result<(Money, Money, Money), MoneyError> {
    let zero = Money::zero(base.currency());
    if !room.is_positive() {
        mark!(CappedFromTheStart);
        return Ok((zero, capped.post_cap.company.of(base, rounding)?, fee));
    }
    let uncapped = capped.pre_cap.company.of(base, rounding)?;
    let company_dollar = uncapped.min(room)?;
    let hit = company_dollar == uncapped && !(planted!(ExactHitCrosses) && uncapped == room);
    if hit || capped.crossing == planted!(CrossingInverted => Crossing::SplitWithinDeal, Crossing::WholeDealPreCap) {
        mark!(CapHitExactly, uncapped == room);
        mark!(CapOvershot, company_dollar != uncapped);
        return Ok((uncapped, zero, zero));
    }
    mark!(CapCrossed);
    let yielding = planted!(BeyondOfRest => Rate::ONE, capped.pre_cap.company);
    let beyond = beyond_cap(base, company_dollar, yielding, capped.post_cap.company, rounding)?;
    let fee = if capped.fee_on_crossing == FeeOnCrossing::Yes { fee } else { zero };
    Ok((company_dollar, beyond, fee))
}

/// The company's share of the base that is left once the base that yields `company_dollar` is taken away. Rounded once.
fn beyond_cap(
    base: Money,
    company_dollar: Money,
    pre_cap: Rate,
    post_cap: Rate,
    rounding: Rounding,
) -> Result<Money, MoneyError> {
    // (base - company_dollar / pre_cap) * post_cap, over one denominator. The products stay below 2^63 * 10^12 < 2^103.
    let scale = i128::from(Rate::SCALE);
    let beyond = i128::from(base.minor()) * i128::from(pre_cap.mantissa()) - i128::from(company_dollar.minor()) * scale;
    let denominator = i128::from(pre_cap.mantissa()) * scale;
    let minor = mul_div(beyond, i128::from(post_cap.mantissa()), denominator, rounding)?;
    Money::new(i64::try_from(minor).map_err(|_| MoneyError::Overflow)?, base.currency())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Money {
        Money::parse(&format!("{text} USD")).unwrap()
    }

    /// The sample plan: 70/30, cap 15,000 a calendar year, then all to the payee less a fee of 250.
    fn plan(extra: &str) -> Document {
        let text = format!(
            r#"{{"currency":"USD","split":{{"capped":{{"pre_cap":{{"payee":"0.7","company":"0.3"}},
            "cap":{{"programme":"main","limit":"15000 USD","year":{{"calendar":{{"month":1,"day":1}}}}}},
            "post_cap_fee":"250 USD"{extra}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Company dollar, company beyond the cap, fee and payee's net.
    fn parts(plan: &Document, base: &str, room: &str) -> [String; 4] {
        let b = split(plan, usd(base), Some(usd(room)), Some(usd("250"))).unwrap();
        let parts = [b.company_dollar, b.post_cap_company, b.post_cap_fee, b.payee_net];
        assert_eq!(Money::sum(b.base.currency(), parts).unwrap(), b.base, "the parts are the whole");
        parts.map(|part| part.amount().to_string())
    }

    #[test]
    fn v27_below_the_cap_the_shares_are_plain() {
        assert_eq!(parts(&plan(""), "10000", "6800"), ["3000.00", "0.00", "0.00", "7000.00"]);
    }

    #[test]
    fn v28_the_crossing_deal_is_split_within_and_pays_no_fee_unless_the_plan_says_so() {
        assert_eq!(parts(&plan(""), "30000", "6800"), ["6800.00", "0.00", "0.00", "23200.00"]);
        let with_fee = plan(r#","fee_on_crossing":"yes""#);
        assert_eq!(parts(&with_fee, "30000", "6800"), ["6800.00", "0.00", "250.00", "22950.00"]);
    }

    #[test]
    fn v29_a_whole_deal_plan_goes_over_the_cap_once() {
        let whole = plan(r#","crossing":"whole_deal_pre_cap""#);
        assert_eq!(parts(&whole, "30000", "6800"), ["9000.00", "0.00", "0.00", "21000.00"]);
    }

    #[test]
    fn v30_an_exact_hit_does_not_cross() {
        let with_fee = plan(r#","fee_on_crossing":"yes""#);
        assert_eq!(parts(&with_fee, "10000", "3000"), ["3000.00", "0.00", "0.00", "7000.00"]);
    }

    #[test]
    fn v31_after_the_cap_the_payee_keeps_all_but_the_fee() {
        assert_eq!(parts(&plan(""), "10000", "0"), ["0.00", "0.00", "250.00", "9750.00"]);
    }

    #[test]
    fn beyond_the_cap_the_company_has_its_post_cap_share_of_the_exact_rest() {
        // 6,800 of company dollar is yielded by 22,666.67 of the base; 10 % of the other 7,333.33 is 733.33.
        let post = plan(r#","post_cap":{"payee":"0.9","company":"0.1"}"#);
        assert_eq!(parts(&post, "30000", "6800"), ["6800.00", "733.33", "0.00", "22466.67"]);
    }

    #[test]
    fn v62_the_fee_of_a_deal_is_shared_by_its_payees() {
        let mut plan = plan("");
        if let Split::Capped(capped) = &mut plan.split {
            capped.post_cap_fee = Some(usd("285"));
        }
        assert_eq!(fee_parts(&plan, &[60, 40]).unwrap(), Some(vec![usd("171"), usd("114")]));
        assert_eq!(fee_parts(&plan, &[1]).unwrap(), Some(vec![usd("285")]));
    }

    #[test]
    fn a_fee_above_the_share_and_a_base_below_zero_are_refused() {
        let refused = split(&plan(""), usd("249.99"), Some(usd("0")), Some(usd("250")));
        assert_eq!(refused, Err(Rejection::FeeExceedsShare { fee: usd("250"), share: usd("249.99") }));
        let refused = split(&plan(""), usd("-0.01"), Some(usd("0")), None);
        assert_eq!(refused, Err(Rejection::NegativeBase { base: usd("-0.01") }));
    }

    #[test]
    fn the_largest_amounts_are_computed_or_refused_but_never_wrap() {
        let post = plan(r#","post_cap":{"payee":"0.123456789","company":"0.876543211"}"#);
        let base = Money::new(i64::MAX, usd("0").currency()).unwrap();
        let result = split(&post, base, Some(usd("15000")), None);
        assert!(matches!(result, Ok(_) | Err(Rejection::Money(MoneyError::Overflow))), "{result:?}");
    }
}
