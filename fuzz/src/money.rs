use ledger_core::money::MoneyError;
use ledger_core::{Currency, Money};

/// Text is an amount exactly when the documented grammar says so, and means what it says; amounts are added, compared and
/// negated as whole numbers are.
///
/// Input: up to three lines of text, each an amount such as `12.34 USD`.
pub fn money(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let amounts: Vec<Money> = text.splitn(3, '\n').filter_map(parsed).collect();
    for a in &amounts {
        let minor = i128::from(a.minor());
        same(Ok(a.negated()), -minor, *a);
        assert_eq!((a.is_zero(), a.is_positive(), a.is_negative()), (minor == 0, minor > 0, minor < 0));
        assert_eq!(Money::from_decimal(a.to_decimal(), a.currency()), Ok(*a));
        for b in &amounts {
            together(*a, *b);
        }
    }
    if let Some(currency) = amounts.first().map(|first| first.currency()) {
        let sum = Money::sum(currency, amounts.iter().copied());
        if amounts.iter().all(|amount| amount.currency() == currency) {
            same(sum, amounts.iter().map(|amount| i128::from(amount.minor())).sum(), amounts[0]);
        } else {
            assert!(matches!(sum, Err(MoneyError::CurrencyMismatch { .. })));
        }
    }
}

/// Reads an amount in both ways, and writes it again.
fn parsed(text: &str) -> Option<Money> {
    let (read, expected) = (Money::parse(text), by_grammar(text));
    assert_eq!(read.as_ref().ok().map(|money| i128::from(money.minor())), expected, "{text:?}: {read:?}");
    let money = read.ok()?;
    let (amount, code) = text.rsplit_once(' ').unwrap();
    assert_eq!(Money::parse_amount(amount, Currency::of(code).unwrap()), Ok(money));

    let printed = money.to_string();
    assert_eq!(Money::parse(&printed), Ok(money));
    assert_eq!(printed, canonical(money.minor(), exponent(code).unwrap(), code));
    assert_eq!(format!("{} {code}", money.amount()), printed);
    let json = serde_json::to_string(&money).unwrap();
    assert_eq!(json, format!("\"{printed}\""));
    assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    Some(money)
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)? CODE`, with no more decimals than the currency has and less than 2^63 minor units.
fn by_grammar(text: &str) -> Option<i128> {
    let mut rest = text.as_bytes();
    let code = std::str::from_utf8(rest.get(rest.len().checked_sub(3)?..)?).ok()?;
    let places = exponent(code)?;
    rest = rest[..rest.len() - 3].strip_suffix(b" ")?;
    let negative = rest.first() == Some(&b'-');
    rest = &rest[usize::from(negative)..];
    let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return None;
    }
    let mut digits = rest[..whole].to_vec();
    if let [point, decimals @ ..] = &rest[whole..] {
        let is_number = decimals.iter().all(u8::is_ascii_digit);
        if *point != b'.' || decimals.is_empty() || decimals.len() > places || !is_number {
            return None;
        }
        digits.extend_from_slice(decimals);
        digits.resize(whole + places, b'0');
    } else {
        digits.resize(whole + places, b'0');
    }
    let significant = digits.iter().position(|digit| *digit != b'0').map_or(&[][..], |first| &digits[first..]);
    if significant.len() > 19 {
        return None;
    }
    let magnitude = significant.iter().fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    (magnitude < 1 << 63).then_some(if negative { -magnitude } else { magnitude })
}

/// The decimals of a currency. Which codes with two decimals there are is the library's to say.
fn exponent(code: &str) -> Option<usize> {
    let other = match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => Some(0),
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => Some(3),
        "CLF" | "UYW" => Some(4),
        "XXX" | "XTS" | "XAU" | "XAG" | "XPD" | "XPT" | "XDR" | "XSU" | "XUA" | "XBA" | "XBB" | "XBC" | "XBD" => {
            assert!(Currency::of(code).is_err(), "{code} has no minor unit");
            return None;
        }
        _ => None,
    };
    let known = Currency::of(code);
    assert!(known.is_ok() || other.is_none(), "{code} is a currency");
    assert!(known.is_err() || code.bytes().all(|byte| byte.is_ascii_uppercase()), "{code:?} is no code");
    known.ok().map(|_| other.unwrap_or(2))
}

fn canonical(minor: i64, places: usize, code: &str) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{decimals} {code}")
}

/// What two amounts come to. Amounts hold everything below 2^63 on either side of zero, and nothing else.
fn together(a: Money, b: Money) {
    let (x, y) = (i128::from(a.minor()), i128::from(b.minor()));
    same(a.times(b.minor()), x * y, a);
    if a.currency() != b.currency() {
        let mismatch = MoneyError::CurrencyMismatch { left: a.currency(), right: b.currency() };
        assert_eq!(a.plus(b), Err(mismatch.clone()));
        assert_eq!(a.minus(b), Err(mismatch.clone()));
        assert_eq!(a.min(b), Err(mismatch.clone()));
        return assert_eq!(a.compare(b), Err(mismatch));
    }
    same(a.plus(b), x + y, a);
    same(a.minus(b), x - y, a);
    same(a.min(b), x.min(y), a);
    assert_eq!(a.compare(b), Ok(x.cmp(&y)));
}

fn same(result: Result<Money, MoneyError>, exact: i128, like: Money) {
    if exact.abs() < 1 << 63 {
        let money = result.expect("it fits");
        assert_eq!((i128::from(money.minor()), money.currency()), (exact, like.currency()));
    } else {
        assert_eq!(result, Err(MoneyError::Overflow), "{exact} does not fit");
    }
}
