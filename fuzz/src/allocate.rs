use ledger_core::allocation::{self, AllocationError};
use ledger_core::{Currency, Money};
use num_bigint::BigInt;
use num_integer::Integer;

use crate::tape::Tape;

/// An amount is shared out as it is on paper: everybody has the whole units of their exact share, the units that are left go
/// to the largest remainders, the earlier ones first.
///
/// Input: a currency, a total, weights; see [`Tape::number`].
pub fn allocate(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let currency = Currency::of(["USD", "JPY", "KWD", "CLF"][tape.below(4)]).unwrap();
    let minor = tape.i64();
    let Ok(total) = Money::new(minor, currency) else {
        assert_eq!(minor, i64::MIN, "only what has no negative is no amount");
        return;
    };
    let mut weights = Vec::new();
    while !tape.is_empty() && weights.len() < 200 {
        weights.push(tape.u64());
    }
    let parts = allocation::allocate(total, &weights);
    if weights.is_empty() {
        return assert_eq!(parts, Err(AllocationError::NoWeights { total }));
    }
    if weights.iter().all(|weight| *weight == 0) {
        return assert_eq!(parts, Err(AllocationError::NoPositiveWeight { total }));
    }
    let parts = parts.expect("somebody has a claim");
    assert!(parts.iter().all(|part| part.currency() == currency));
    let minors: Vec<i64> = parts.iter().map(|part| part.minor()).collect();
    assert_eq!(minors, on_paper(minor, &weights), "{total} by {weights:?}");

    // What follows from being right on paper, said once more without the method: a fault in the oracle shows here.
    let all: BigInt = weights.iter().map(|weight| BigInt::from(*weight)).sum();
    assert_eq!(minors.iter().map(|part| i128::from(*part)).sum::<i128>(), i128::from(minor), "the parts are the whole");
    for (part, weight) in minors.iter().zip(&weights) {
        let off = BigInt::from(*part) * &all - BigInt::from(minor) * BigInt::from(*weight);
        assert!(off.magnitude() < all.magnitude(), "a part is less than one unit from its exact share");
        assert!(
            *part == 0 || (part.signum() == minor.signum() && *weight > 0),
            "no part of the other sign or of nothing"
        );
    }
    let reversed = allocation::allocate(total.negated(), &weights).unwrap();
    assert!(reversed.iter().zip(&parts).all(|(back, part)| *back == part.negated()), "a reversal reverses every part");
}

fn on_paper(total: i64, weights: &[u64]) -> Vec<i64> {
    let all: BigInt = weights.iter().map(|weight| BigInt::from(*weight)).sum();
    let amount = BigInt::from(total.unsigned_abs());
    let (mut units, rests): (Vec<BigInt>, Vec<BigInt>) =
        weights.iter().map(|weight| (&amount * BigInt::from(*weight)).div_rem(&all)).unzip();
    let mut left = amount - units.iter().sum::<BigInt>();
    let mut served = vec![false; weights.len()];
    while left > BigInt::ZERO {
        // The first of the largest that were not served yet.
        let next = (0..weights.len())
            .filter(|place| !served[*place])
            .reduce(|best, place| if rests[place] > rests[best] { place } else { best });
        let next = next.expect("fewer units are left than there are weights");
        served[next] = true;
        units[next] += 1;
        left -= 1;
    }
    units.into_iter().map(|part| i64::try_from(part * total.signum()).unwrap()).collect()
}
