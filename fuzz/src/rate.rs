use ledger_core::money::MoneyError;
use ledger_core::rate::{Rate, Rounding, mul_div};
use ledger_core::{Currency, Money};
use num_bigint::BigInt;
use num_integer::Integer;

use crate::tape::Tape;

/// Text is a rate exactly when the documented grammar says so; a rate of an amount, and any fraction of any number, is what it
/// is on paper, under both roundings.
///
/// Input: two lines of text, each a rate such as `0.03`, then numbers; see [`Tape::number`].
pub fn rate(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut next = || std::str::from_utf8(lines.next().unwrap_or_default()).ok().and_then(parsed);
    let rates: Vec<Rate> = [next(), next()].into_iter().flatten().collect();
    let mut tape = Tape::new(lines.next().unwrap_or_default());
    let numbers: [i128; 3] = std::array::from_fn(|_| tape.i128());
    fraction(numbers);
    if let Ok(amount) = Money::new(tape.i64(), Currency::of("USD").unwrap()) {
        rates.iter().for_each(|rate| of_amount(*rate, amount));
    }
    if let [a, b] = rates[..] {
        let sum = i128::from(a.mantissa()) + i128::from(b.mantissa());
        assert_eq!(a.plus(b).ok().map(|sum| i128::from(sum.mantissa())), (sum < 1 << 63).then_some(sum));
        assert_eq!(a.complement() == Some(b), sum == i128::from(Rate::SCALE));
    }
}

/// Reads a rate in both ways, and writes it again.
fn parsed(text: &str) -> Option<Rate> {
    let read = Rate::parse(text);
    let expected = by_grammar(text);
    assert_eq!(read.as_ref().ok().map(|rate| i128::from(rate.mantissa())), expected, "{text:?}: {read:?}");
    let rate = read.ok()?;
    let printed = rate.to_string();
    assert_eq!(Rate::parse(&printed), Ok(rate));
    let shortest = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    assert_eq!(printed, shortest, "no more decimals than it needs");
    assert_eq!(serde_json::to_string(&rate).unwrap(), format!("\"{printed}\""));
    assert_eq!(serde_json::from_str::<Rate>(&format!("\"{text}\"")).unwrap(), rate);
    assert_eq!(Rate::from_decimal(rate.to_decimal()), Ok(rate));
    assert_eq!(rate.is_share(), rate.complement().is_some());
    Some(rate)
}

/// `(0|[1-9][0-9]*)(\.[0-9]{1,12})?`, below 2^63 units of 10^-12.
fn by_grammar(text: &str) -> Option<i128> {
    let (whole, decimals) = match text.find('.') {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !whole.is_empty() && digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let fine = decimals.is_none_or(|text| (1..=12).contains(&text.len()) && digits(text));
    if !plain || !fine || whole.len() > 7 {
        return None;
    }
    let units: i128 = format!("{whole}{:0<12}", decimals.unwrap_or_default()).parse().unwrap();
    (units < 1 << 63).then_some(units)
}

fn of_amount(rate: Rate, amount: Money) {
    for rounding in [Rounding::HalfAwayFromZero, Rounding::HalfEven] {
        let product = BigInt::from(amount.minor()) * rate.mantissa();
        let exact = divided(&product, &BigInt::from(10).pow(12), rounding);
        match rate.of(amount, rounding) {
            Ok(money) => assert_eq!((BigInt::from(money.minor()), money.currency()), (exact, amount.currency())),
            Err(error) => {
                assert_eq!(error, MoneyError::Overflow);
                assert!(exact.magnitude() >= BigInt::from(1_u64 << 63).magnitude(), "{exact} fits");
            }
        }
    }
}

fn fraction([amount, numerator, denominator]: [i128; 3]) {
    for rounding in [Rounding::HalfAwayFromZero, Rounding::HalfEven] {
        let result = mul_div(amount, numerator, denominator, rounding);
        if denominator <= 0 {
            assert_eq!(result, Err(MoneyError::Denominator { denominator }));
            continue;
        }
        let (product, divisor) = (BigInt::from(amount) * numerator, BigInt::from(denominator));
        match result {
            Ok(quotient) => assert_eq!(BigInt::from(quotient), divided(&product, &divisor, rounding)),
            Err(error) => {
                assert_eq!(error, MoneyError::Overflow);
                let cancelled = &product / product.gcd(&divisor);
                assert!(i128::try_from(cancelled).is_err(), "{amount} * {numerator} / {denominator} can be computed");
            }
        }
    }
}

/// The nearest whole number, the one that the rule names when two are equally near.
fn divided(dividend: &BigInt, divisor: &BigInt, rounding: Rounding) -> BigInt {
    let below = dividend.div_floor(divisor);
    let above: BigInt = &below + 1;
    let (down, up) = (dividend - &below * divisor, &above * divisor - dividend);
    let upwards = match (up.cmp(&down), rounding) {
        (std::cmp::Ordering::Less, _) => true,
        (std::cmp::Ordering::Greater, _) => false,
        (_, Rounding::HalfAwayFromZero) => *dividend > BigInt::ZERO,
        (_, Rounding::HalfEven) => above.is_even(),
    };
    if upwards { above } else { below }
}
