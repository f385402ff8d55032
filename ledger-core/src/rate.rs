//! A rate is an exact decimal such as 0.03, and a rate of an amount is rounded once, by a rule that has a name.
//!
//! ```
//! use ledger_core::{money::Money, rate::{Rate, Rounding}};
//!
//! let price = Money::parse("5.00 USD")?;
//! // 14.5 cents: binary floating point would have made it 14.
//! assert_eq!(Rate::parse("0.029")?.of(price, Rounding::HalfAwayFromZero)?.to_string(), "0.15 USD");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::money::{Fault, FromText, Money, MoneyError, NumberText, excerpt, read, scale};

/// Why a rate was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RateError {
    /// The text is not a plain decimal number.
    #[error("{text:?} is not a rate; write a plain decimal, such as 0.03 for three percent")]
    NotANumber {
        /// The text as it was written.
        text: String,
    },
    /// The number starts with a zero that says nothing.
    #[error("{text:?} starts with a needless zero; leave it out if this is a rate")]
    LeadingZero {
        /// The text as it was written.
        text: String,
    },
    /// Rates have no sign: what runs the other way is a negative amount.
    #[error("{text:?} is negative; give the rate without a sign and negate the amount instead")]
    Negative {
        /// The text as it was written.
        text: String,
    },
    /// The rate is finer than a rate can be.
    #[error("{text:?} has too many decimals: a rate has at most 12; round it first, on purpose")]
    TooManyDecimals {
        /// The text as it was written.
        text: String,
    },
    /// The rate does not fit.
    #[error("{text:?} is too large; a rate is at most 9223372.036854775807, where 1 is a hundred percent")]
    TooLarge {
        /// The text as it was written.
        text: String,
    },
    /// The sum of two rates does not fit.
    #[error("the sum is too large; a rate is at most 9223372.036854775807, where 1 is a hundred percent")]
    Overflow,
}

impl RateError {
    fn from_fault(fault: Fault, text: &str) -> Self {
        let text = excerpt(text);
        match fault {
            Fault::NotANumber => Self::NotANumber { text },
            Fault::LeadingZero => Self::LeadingZero { text },
            Fault::TooManyDecimals => Self::TooManyDecimals { text },
            Fault::TooLarge => Self::TooLarge { text },
        }
    }
}

/// A share or percentage as a plain decimal, exact to twelve places and never negative: `0.03` is three percent.
///
/// It may exceed 1 (an accelerator pays 1.5 times); where only a part of a whole makes sense, ask [`Rate::is_share`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

impl Rate {
    /// How many units of [`Rate::mantissa`] make a rate of 1: 10^12.
    pub const SCALE: i64 = 1_000_000_000_000;
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole: a hundred percent.
    pub const ONE: Self = Self(Self::SCALE);

    const PLACES: u8 = 12;

    /// Reads a rate such as `0.03`: digits and at most twelve decimals, no sign, no percent sign, no needless zero.
    ///
    /// ```
    /// # use ledger_core::rate::Rate;
    /// assert_eq!(Rate::parse("0.70")?.to_string(), "0.7");
    /// assert!(Rate::parse("70%").is_err());
    /// assert!(Rate::parse("-0.1").is_err());
    /// # Ok::<(), ledger_core::rate::RateError>(())
    /// ```
    ///
    /// # Errors
    /// The [`RateError`] that names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        match read(text, Self::PLACES) {
            Ok(_) if text.starts_with('-') => Err(RateError::Negative { text: excerpt(text) }),
            Ok(mantissa) => Ok(Self(mantissa)),
            Err(fault) => Err(RateError::from_fault(fault, text)),
        }
    }

    /// The rate that a decimal number is, exactly.
    ///
    /// # Errors
    /// [`RateError::Negative`], [`RateError::TooManyDecimals`] beyond twelve places, [`RateError::TooLarge`].
    pub fn from_decimal(decimal: Decimal) -> Result<Self, RateError> {
        match scale(decimal, Self::PLACES) {
            Ok(mantissa) if mantissa < 0 => Err(RateError::Negative { text: decimal.to_string() }),
            Ok(mantissa) => Ok(Self(mantissa)),
            Err(fault) => Err(RateError::from_fault(fault, &decimal.to_string())),
        }
    }

    /// The rate as a decimal number, without trailing zeros.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        let (digits, places) = self.trimmed();
        Decimal::new(digits, places.into())
    }

    /// The rate in units of 10^-12: a rate of 1 is [`Rate::SCALE`].
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.0
    }

    /// What is left of the whole: the company's 0.3 where the agent has 0.7. `None` above 1.
    ///
    /// ```
    /// # use ledger_core::rate::Rate;
    /// assert_eq!(Rate::parse("0.7")?.complement(), Some(Rate::parse("0.3")?));
    /// # Ok::<(), ledger_core::rate::RateError>(())
    /// ```
    #[must_use]
    pub const fn complement(self) -> Option<Self> {
        // Cannot wrap: a share lies between 0 and SCALE.
        if self.is_share() { Some(Self(Self::SCALE - self.0)) } else { None }
    }

    /// Whether the rate is part of a whole, from 0 to 1, both included.
    #[must_use]
    pub const fn is_share(self) -> bool {
        self.0 <= Self::SCALE
    }

    /// The rate as people say it.
    ///
    /// ```
    /// # use ledger_core::rate::Rate;
    /// assert_eq!(Rate::parse("0.029")?.percent().to_string(), "2.9%");
    /// # Ok::<(), ledger_core::rate::RateError>(())
    /// ```
    #[must_use]
    pub fn percent(self) -> impl fmt::Display {
        let hundredfold = (self.to_decimal() * Decimal::ONE_HUNDRED).normalize();
        fmt::from_fn(move |f| write!(f, "{hundredfold}%"))
    }

    /// The sum of both rates.
    ///
    /// # Errors
    /// [`RateError::Overflow`] when the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, RateError> {
        self.0.checked_add(other.0).map(Self).ok_or(RateError::Overflow)
    }

    /// This rate of an amount: the exact product, rounded once to the minor unit.
    ///
    /// ```
    /// # use ledger_core::{money::Money, rate::{Rate, Rounding}};
    /// let tenth = Rate::parse("0.1")?;
    /// let sale = Money::parse("0.15 USD")?; // a tenth is one and a half cents
    /// assert_eq!(tenth.of(sale, Rounding::HalfAwayFromZero)?.to_string(), "0.02 USD");
    /// assert_eq!(tenth.of(sale.negated(), Rounding::HalfAwayFromZero)?.to_string(), "-0.02 USD");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when a rate above 1 makes more than an amount can hold.
    pub fn of(self, amount: Money, rounding: Rounding) -> Result<Money, MoneyError> {
        // Cannot wrap: both factors are below 2^63 in magnitude.
        let product =
            i128::from(amount.minor()) * i128::from(planted!(BasisPoints => self.0 - self.0 % 100_000_000, self.0));
        Money::from_minor(rounding.divide(product, Self::SCALE.into()), amount.currency())
    }

    /// The shortest way to write it: digits and how many of them are decimals.
    const fn trimmed(self) -> (i64, u8) {
        let (mut digits, mut places) = (self.0, Self::PLACES);
        while places > 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        (digits, places)
    }

    fn text(self) -> NumberText {
        let (digits, places) = self.trimmed();
        NumberText::of(digits, places, b"")
    }
}

/// Writes `0.7`, `1`, `0.025`: no more decimals than the rate needs.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().show(f)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({self})")
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a rate such as \"0.03\"", Self::parse))
    }
}

/// What happens to exactly half a minor unit; everything else goes to the nearer unit under either rule.
///
/// The ledger's default is [`Rounding::HalfAwayFromZero`], the "half up" of commission agreements and disbursement
/// forms. It is symmetric, so the commission on a refund is exactly the negative of the commission on the sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// 1.5 becomes 2 and -1.5 becomes -2.
    #[default]
    HalfAwayFromZero,
    /// 1.5 becomes 2 and 2.5 becomes 2, also called banker's rounding: over many lines halves go up as often as down.
    HalfEven,
}

impl Rounding {
    /// The quotient, rounded; the divisor is above zero.
    fn divide(self, dividend: i128, divisor: i128) -> i128 {
        let (quotient, rest) = (dividend / divisor, (dividend % divisor).abs());
        // Compared without doubling the rest, which might not fit.
        let away = match rest.cmp(&(divisor - rest)) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal if planted!(HalfEven) => quotient % 2 != 0,
            Ordering::Equal if planted!(HalfUp) => dividend > 0,
            Ordering::Equal => self == Self::HalfAwayFromZero || quotient % 2 != 0,
        };
        // Cannot wrap: going away from zero needs a divisor of 2 or more, which at least halved the dividend.
        if away { quotient + dividend.signum() } else { quotient }
    }
}

/// `amount × numerator ÷ denominator`, exact until it is rounded once: for shares no decimal states, such as 7 of 13.
///
/// ```
/// use ledger_core::rate::{Rounding, mul_div};
///
/// assert_eq!(mul_div(10_000, 7, 13, Rounding::HalfAwayFromZero)?, 5_385); // 53.85 of 100.00
/// # Ok::<(), ledger_core::money::MoneyError>(())
/// ```
///
/// # Errors
/// [`MoneyError::Denominator`] unless the denominator is above zero; [`MoneyError::Overflow`] when the product, after
/// everything common was cancelled, exceeds 128 bits.
pub fn mul_div(amount: i128, numerator: i128, denominator: i128, rounding: Rounding) -> Result<i128, MoneyError> {
    if denominator <= 0 {
        return Err(MoneyError::Denominator { denominator });
    }
    if let Some(product) = amount.checked_mul(numerator) {
        return Ok(rounding.divide(product, denominator));
    }
    let (amount, denominator) = cancel(amount, denominator);
    let (numerator, denominator) = cancel(numerator, denominator);
    let product = amount.checked_mul(numerator).ok_or(MoneyError::Overflow)?;
    Ok(rounding.divide(product, denominator))
}

/// Both numbers without their greatest common divisor; the second is above zero.
fn cancel(number: i128, denominator: i128) -> (i128, i128) {
    let (mut divisor, mut rest) = (denominator, (number % denominator).abs());
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (number / divisor, denominator / divisor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    const BOTH: [Rounding; 2] = [Rounding::HalfAwayFromZero, Rounding::HalfEven];

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    fn yen(minor: i64) -> Money {
        Money::new(minor, Currency::of("JPY").unwrap()).unwrap()
    }

    fn of(rate_text: &str, minor: i64, rounding: Rounding) -> i64 {
        rate(rate_text).of(yen(minor), rounding).unwrap().minor()
    }

    /// A rate of an amount as it is done on paper: multiply digit by digit, cut off twelve digits, look at what was cut.
    fn on_paper(rate: i64, minor: i64, rounding: Rounding) -> String {
        let digits = |number: u64| number.to_string().bytes().rev().map(|d| u32::from(d - b'0')).collect::<Vec<_>>();
        let (a, b) = (digits(rate.unsigned_abs()), digits(minor.unsigned_abs()));
        let mut product = [0; 48];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                product[i + j] += x * y;
            }
        }
        for i in 0..47 {
            product[i + 1] += product[i] / 10;
            product[i] %= 10;
        }
        let (cut, kept) = product.split_at_mut(12);
        cut.reverse();
        let half = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let up = match (*cut).cmp(&half[..]) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => rounding == Rounding::HalfAwayFromZero || kept[0] % 2 == 1,
        };
        kept[0] += u32::from(up);
        for i in 0..kept.len() - 1 {
            kept[i + 1] += kept[i] / 10;
            kept[i] %= 10;
        }
        let text: String = kept.iter().rev().map(u32::to_string).collect();
        match text.trim_start_matches('0') {
            "" => "0".to_owned(),
            text if minor < 0 => format!("-{text}"),
            text => text.to_owned(),
        }
    }

    /// A zero too many, or one too few.
    #[test]
    fn rates_are_written_as_percentages() {
        let shown = |rate: &str| Rate::parse(rate).unwrap().percent().to_string();
        assert_eq!(
            ["0.03", "1", "0", "0.025", "0.123456789012"].map(shown),
            ["3%", "100%", "0%", "2.5%", "12.3456789012%"]
        );
    }

    #[test]
    fn v02_a_percentage_is_rounded_half_away_from_zero() {
        for (minor, rate, expected) in [
            (1_000, "0.2", 200),
            (1_900, "0.1", 190),
            (7, "0.2", 1),
            (2, "0.2", 0),
            (3, "0.2", 1),
            (15, "0.1", 2),
            (1, "0.5", 1),
            (500, "0.029", 15),
        ] {
            assert_eq!(of(rate, minor, Rounding::default()), expected, "{rate} of {minor}");
        }
    }

    #[test]
    fn v03_half_even_sends_halves_to_the_even_unit() {
        for (minor, rate, even, away) in
            [(1, "0.5", 0, 1), (15, "0.1", 2, 2), (25, "0.1", 2, 3), (500, "0.029", 14, 15)]
        {
            assert_eq!(of(rate, minor, Rounding::HalfEven), even, "{rate} of {minor}");
            assert_eq!(of(rate, minor, Rounding::HalfAwayFromZero), away, "{rate} of {minor}");
        }
    }

    #[test]
    fn v04_the_commission_on_a_refund_is_the_negative_of_the_commission() {
        assert_eq!(of("0.1", -15, Rounding::default()), -2);
    }

    #[test]
    fn a_rate_that_makes_too_much_of_an_amount_is_refused() {
        assert_eq!(of("1", i64::MAX, Rounding::default()), i64::MAX);
        assert_eq!(of("1", -i64::MAX, Rounding::default()), -i64::MAX);
        let most = rate("9223372.036854775807");
        assert_eq!(most.of(yen(i64::MAX), Rounding::default()), Err(MoneyError::Overflow));
        assert_eq!(rate("1.000000000001").of(yen(-i64::MAX), Rounding::default()), Err(MoneyError::Overflow));
        assert_eq!(most.plus(rate("0.000000000001")), Err(RateError::Overflow));
    }

    #[test]
    fn a_rate_is_written_with_no_more_decimals_than_it_needs() {
        for (text, written) in [
            ("0.70", "0.7"),
            ("1.000000000000", "1"),
            ("0", "0"),
            ("0.0", "0"),
            ("0.025", "0.025"),
            ("10", "10"),
            ("0.000000000001", "0.000000000001"),
            ("9223372.036854775807", "9223372.036854775807"),
        ] {
            assert_eq!(rate(text).to_string(), written);
            assert_eq!(rate(text).to_decimal().to_string(), written);
            assert_eq!(serde_json::to_string(&rate(text)).unwrap(), format!("\"{written}\""));
        }
    }

    #[test]
    fn a_hostile_text_is_refused_for_the_reason_that_is_its_own() {
        let not_a_number = |text: &str| RateError::NotANumber { text: text.to_owned() };
        let negative = |text: &str| RateError::Negative { text: text.to_owned() };
        let decimals = |text: &str| RateError::TooManyDecimals { text: text.to_owned() };
        let too_large = |text: &str| RateError::TooLarge { text: text.to_owned() };
        for (hostile, error) in [
            ("", not_a_number("")),
            ("7%", not_a_number("7%")),
            ("+0.1", not_a_number("+0.1")),
            ("0,1", not_a_number("0,1")),
            (".1", not_a_number(".1")),
            ("1.", not_a_number("1.")),
            (" 0.1", not_a_number(" 0.1")),
            ("0.1 ", not_a_number("0.1 ")),
            ("1e-2", not_a_number("1e-2")),
            ("1/3", not_a_number("1/3")),
            ("NaN", not_a_number("NaN")),
            ("--1", not_a_number("--1")),
            ("-0.1", negative("-0.1")),
            ("-0", negative("-0")),
            ("0.0000000000001", decimals("0.0000000000001")),
            ("0.1000000000000", decimals("0.1000000000000")),
            ("9223372.036854775808", too_large("9223372.036854775808")),
            ("10000000", too_large("10000000")),
        ] {
            assert_eq!(Rate::parse(hostile), Err(error));
        }
        assert_eq!(Rate::parse("00.1"), Err(RateError::LeadingZero { text: "00.1".to_owned() }));
    }

    #[test]
    fn a_decimal_is_taken_exactly_or_refused() {
        let from = |text: &str| Rate::from_decimal(text.parse().unwrap());
        assert_eq!(from("0.03000000000000000"), Ok(rate("0.03")));
        assert_eq!(from("-0.03"), Err(RateError::Negative { text: "-0.03".to_owned() }));
        let fine = "0.0000000000005";
        assert_eq!(from(fine), Err(RateError::TooManyDecimals { text: fine.to_owned() }));
        assert_eq!(from("10000000"), Err(RateError::TooLarge { text: "10000000".to_owned() }));
    }

    #[test]
    fn a_share_and_its_complement_make_the_whole() {
        let agent = rate("0.7");
        assert_eq!(agent.complement().unwrap().plus(agent), Ok(Rate::ONE));
        assert_eq!(Rate::ONE.complement(), Some(Rate::ZERO));
        assert_eq!(Rate::ZERO.complement(), Some(Rate::ONE));
        assert!(agent.is_share() && Rate::ONE.is_share() && Rate::ZERO.is_share());
        assert!(!rate("1.000000000001").is_share());
        assert_eq!(rate("1.000000000001").complement(), None);
        assert_eq!(Rate::ONE.mantissa(), Rate::SCALE);
    }

    #[test]
    fn json_holds_a_rate_as_text_and_a_rounding_by_name() {
        assert_eq!(serde_json::from_str::<Rate>("\"0.03\"").unwrap(), rate("0.03"));
        assert_eq!(serde_json::from_value::<Rate>("0.03".into()).unwrap(), rate("0.03"));
        assert!(serde_json::from_str::<Rate>("0.03").is_err());
        assert_eq!(serde_json::to_string(&BOTH).unwrap(), "[\"half_away_from_zero\",\"half_even\"]");
        assert!(serde_json::from_str::<Rounding>("\"half_up\"").is_err());
    }

    #[test]
    fn a_fraction_survives_factors_that_only_fit_once_they_are_cancelled() {
        let big = 10_i128.pow(30);
        for rounding in BOTH {
            assert_eq!(mul_div(big, big, big, rounding), Ok(big));
            assert_eq!(mul_div(big * 7, big, big * 14, rounding), Ok(big / 2));
            assert_eq!(mul_div(-big, big, big, rounding), Ok(-big));
            assert_eq!(mul_div(big, big / 10 + 1, big, rounding), Ok(big / 10 + 1), "only the amount cancels");
            assert_eq!(mul_div(big / 10 + 1, big, big, rounding), Ok(big / 10 + 1), "only the numerator cancels");
            assert_eq!(mul_div(i128::MIN, 1, i128::MAX, rounding), Ok(-1));
            assert_eq!(mul_div(i128::MIN, 3, 3, rounding), Ok(i128::MIN));
            assert_eq!(mul_div(i128::MAX, 1, i128::MAX, rounding), Ok(1));
            assert_eq!(mul_div(i128::MAX, i128::MIN, 1, rounding), Err(MoneyError::Overflow));
            assert_eq!(mul_div(i128::MIN, -1, 1, rounding), Err(MoneyError::Overflow));
        }
    }

    #[test]
    fn a_fraction_needs_a_denominator_above_zero() {
        for denominator in [0, -1, i128::MIN] {
            assert_eq!(mul_div(1, 1, denominator, Rounding::HalfEven), Err(MoneyError::Denominator { denominator }));
        }
    }

    #[test]
    fn halves_of_either_sign_follow_the_rule() {
        let halves = [-5, -3, -1, 1, 3, 5].map(|odd| BOTH.map(|rounding| mul_div(odd, 1, 2, rounding).unwrap()));
        assert_eq!(halves, [[-3, -2], [-2, -2], [-1, 0], [1, 0], [2, 2], [3, 2]]);
    }

    fn any_rate() -> impl Strategy<Value = Rate> {
        prop_oneof![(0..=1_000_i64).prop_map(|m| m * 1_000_000_000), 0..=Rate::SCALE, 0..=i64::MAX].prop_map(Rate)
    }

    fn any_minor() -> impl Strategy<Value = i64> {
        prop_oneof![-100_000..100_000_i64, -i64::MAX..=i64::MAX]
    }

    proptest! {
        #[test]
        fn a_rate_of_an_amount_is_what_it_is_on_paper(rate in any_rate(), minor in any_minor(), which in 0..2_usize) {
            let paper = on_paper(rate.mantissa(), minor, BOTH[which]);
            match rate.of(yen(minor), BOTH[which]) {
                Ok(money) => prop_assert_eq!(money.minor().to_string(), paper),
                Err(_) => prop_assert!(paper.trim_start_matches('-').len() >= 19 && paper.parse::<i64>().is_err()),
            }
        }

        #[test]
        fn a_rate_of_the_reversal_is_the_reversal_of_the_rate(rate in any_rate(), minor in any_minor()) {
            for rounding in BOTH {
                let negated = rate.of(yen(minor), rounding).map(Money::negated);
                prop_assert_eq!(rate.of(yen(minor).negated(), rounding), negated);
            }
        }

        #[test]
        fn what_is_written_is_read_back_as_the_same_rate(rate in any_rate()) {
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            prop_assert_eq!(Rate::from_decimal(rate.to_decimal()), Ok(rate));
            let json = serde_json::to_string(&rate).unwrap();
            prop_assert_eq!(serde_json::from_str::<Rate>(&json).unwrap(), rate);
        }

        #[test]
        fn a_fraction_is_within_half_a_unit_and_ties_follow_the_rule(
            amount in -1_000_000_000_000_i128..1_000_000_000_000,
            numerator in -1_000_i128..1_000,
            denominator in 1_i128..1_000,
        ) {
            for rounding in BOTH {
                let result = mul_div(amount, numerator, denominator, rounding).unwrap();
                let off = 2 * (result * denominator - amount * numerator);
                prop_assert!(off.abs() <= denominator);
                if off.abs() == denominator {
                    match rounding {
                        Rounding::HalfEven => prop_assert_eq!(result % 2, 0),
                        Rounding::HalfAwayFromZero => prop_assert_eq!(off.signum(), (amount * numerator).signum()),
                    }
                }
            }
        }

        #[test]
        fn cancelling_does_not_change_a_fraction(
            amount in any::<i64>(),
            numerator in any::<i64>(),
            denominator in 1..=i64::MAX,
            factor in 1_i128..=1 << 62,
        ) {
            let (amount, numerator, denominator) = (amount.into(), i128::from(numerator), i128::from(denominator));
            for rounding in BOTH {
                prop_assert_eq!(
                    mul_div(amount, numerator * factor, denominator * factor, rounding),
                    mul_div(amount, numerator, denominator, rounding)
                );
            }
        }
    }
}
