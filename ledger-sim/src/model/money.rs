//! Arithmetic with whole minor units and billionths. No amount has more minor units than 63 bits hold, and no part of a whole
//! more than 10^9 billionths, so that every product below fits.

use super::Why;
use crate::act::{Document, Part, WHOLE};

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

/// One payee's part of a deal, split under a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub base: i128,
    /// Counts to the cap.
    pub company: i128,
    /// The company's share beyond the cap.
    pub beyond: i128,
    pub fee: i128,
    pub net: i128,
}

/// Splits one payee's part of a deal. `room` is what is left under the cap, `fee` the payee's part of the deal's fee.
pub(super) fn split(plan: &Document, base: i128, room: i128, fee: i128) -> Result<Split, Why> {
    let uncapped = rate_of(base, plan.company, plan.half_even);
    let (company, beyond, fee) = match &plan.cap {
        None => (uncapped, 0, 0),
        Some(cap) => {
            let (_, post_company) = cap.post_cap.unwrap_or((Part(WHOLE), Part(0)));
            if room == 0 {
                (0, rate_of(base, post_company, plan.half_even), fee)
            } else if cap.whole_deal || uncapped <= room {
                (uncapped, 0, 0)
            } else {
                // The base beyond the cap is base - room / company; times the post-cap share, over one denominator.
                let pre_company = i128::from(plan.company.0);
                let left = base * pre_company - room * ONE;
                let beyond = round(left * i128::from(post_company.0), pre_company * ONE, plan.half_even);
                (room, beyond, if cap.fee_on_crossing { fee } else { 0 })
            }
        }
    };
    let net = base - company - beyond - fee;
    if net < 0 { Err(Why::WrongAmount) } else { Ok(Split { base, company, beyond, fee, net }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Amount, CURRENCIES, CapTerms, CapYear};

    fn percent(tenths: u64) -> Part {
        Part(tenths * WHOLE / 1000)
    }

    /// 70/30 up to 15,000, then all to the payee less 250 a deal.
    fn sample() -> Document {
        let [usd, ..] = CURRENCIES;
        let cap = CapTerms {
            programme: "main".into(),
            limit: Amount(1_500_000, usd),
            year: CapYear::Calendar { month: 1, day: 1 },
            post_cap: None,
            fee: Some(Amount(25_000, usd)),
            whole_deal: false,
            fee_on_crossing: false,
        };
        Document { currency: usd, payee: percent(700), company: percent(300), cap: Some(cap), half_even: false }
    }

    fn with(change: impl Fn(&mut CapTerms)) -> Document {
        let mut plan = sample();
        plan.cap.as_mut().map(change);
        plan
    }

    /// Company, beyond, fee and net of a base in whole dollars.
    fn dollars(plan: &Document, base: i128, room: i128) -> [i128; 4] {
        let Split { company, beyond, fee, net, .. } = split(plan, base * 100, room * 100, 25_000).unwrap();
        [company, beyond, fee, net]
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

    #[test]
    fn a_cap_is_filled_crossed_hit_and_exceeded_as_on_paper() {
        assert_eq!(dollars(&sample(), 10_000, 6_800), [300_000, 0, 0, 700_000]);
        assert_eq!(dollars(&sample(), 30_000, 6_800), [680_000, 0, 0, 2_320_000]);
        let paying = with(|cap| cap.fee_on_crossing = true);
        assert_eq!(dollars(&paying, 30_000, 6_800), [680_000, 0, 25_000, 2_295_000]);
        let whole = with(|cap| cap.whole_deal = true);
        assert_eq!(dollars(&whole, 30_000, 6_800), [900_000, 0, 0, 2_100_000]);
        assert_eq!(dollars(&paying, 10_000, 3_000), [300_000, 0, 0, 700_000]);
        assert_eq!(dollars(&sample(), 10_000, 0), [0, 0, 25_000, 975_000]);
        let five_percent = with(|cap| (cap.fee, cap.post_cap) = (None, Some((percent(950), percent(50)))));
        let Split { beyond, net, .. } = split(&five_percent, 1_000_000, 0, 0).unwrap();
        assert_eq!((beyond, net), (50_000, 950_000));
        // 7,333.33 of the base lie beyond the cap; its 5 % are rounded once.
        let Split { company, beyond, .. } = split(&five_percent, 3_000_000, 680_000, 0).unwrap();
        assert_eq!((company, beyond), (680_000, 36_667));
        assert_eq!(split(&sample(), 24_999, 0, 25_000), Err(Why::WrongAmount));
        let flat = Document { cap: None, payee: percent(800), company: percent(200), ..sample() };
        assert_eq!(dollars(&flat, 7_500, 0), [150_000, 0, 0, 600_000]);
    }
}
