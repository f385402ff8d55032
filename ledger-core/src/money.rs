//! Money is a whole number of a currency's smallest units: added exactly, never rounded in silence, never mixed.
//!
//! ```
//! use ledger_core::money::Money;
//!
//! let commission = Money::parse("1250.00 USD")?;
//! let clawback = Money::parse("-49.95 USD")?;
//! assert_eq!(commission.plus(clawback)?.to_string(), "1200.05 USD");
//! assert!(commission.plus(Money::parse("1 EUR")?).is_err());
//! # Ok::<(), ledger_core::money::MoneyError>(())
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::str::{self, FromStr};

use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};
use thiserror::Error;

/// Why an amount or a currency was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The code is not a currency this ledger can count in.
    #[error("{code:?} is not a currency of ISO 4217 with a minor unit; write its three capital letters, such as USD")]
    UnknownCurrency {
        /// The code as it was written.
        code: String,
    },
    /// The text has no currency behind the amount.
    #[error("{text:?} names no currency; write the amount, one blank and the currency code, such as 12.34 USD")]
    MissingCurrency {
        /// The text as it was written.
        text: String,
    },
    /// Two amounts of different currencies met in one calculation or comparison.
    #[error("{left} and {right} cannot be calculated together; convert one of them at a recorded rate first")]
    CurrencyMismatch {
        /// The currency of the first amount.
        left: Currency,
        /// The currency of the second amount.
        right: Currency,
    },
    /// A result does not fit: an amount holds at most 9,223,372,036,854,775,807 minor units, positive or negative.
    #[error("the result has more than 9223372036854775807 minor units; split it into smaller amounts")]
    Overflow,
    /// The written amount does not fit: an amount holds at most 9,223,372,036,854,775,807 minor units.
    #[error("{text:?} has more than 9223372036854775807 minor units; split it into smaller amounts")]
    TooLarge {
        /// The text as it was written.
        text: String,
    },
    /// The amount is finer than the currency's smallest unit; which way to round is not for a parser to decide.
    #[error("{text:?} has too many decimals: {currency} has {allowed}; round it first, on purpose")]
    TooManyDecimals {
        /// The text as it was written.
        text: String,
        /// The currency of the amount.
        currency: Currency,
        /// How many decimals the currency has.
        allowed: u8,
    },
    /// The text is not a plain decimal number.
    #[error(
        "{text:?} is not an amount; write digits and at most one point, with a minus if it is negative, such as -12.34"
    )]
    NotANumber {
        /// The text as it was written.
        text: String,
    },
    /// The number starts with a zero that says nothing, as account numbers and octal numbers do.
    #[error("{text:?} starts with a needless zero; leave it out if this is an amount")]
    LeadingZero {
        /// The text as it was written.
        text: String,
    },
    /// A fraction was asked for whose denominator is zero or negative.
    #[error("{denominator} cannot divide an amount; give a denominator above zero")]
    Denominator {
        /// The denominator that was given.
        denominator: i128,
    },
}

impl MoneyError {
    fn from_fault(fault: Fault, text: &str, currency: Currency) -> Self {
        let text = excerpt(text);
        match fault {
            Fault::NotANumber => Self::NotANumber { text },
            Fault::LeadingZero => Self::LeadingZero { text },
            Fault::TooLarge => Self::TooLarge { text },
            Fault::TooManyDecimals => Self::TooManyDecimals { text, currency, allowed: currency.exponent },
        }
    }
}

/// A currency of ISO 4217, with the number of decimals its amounts have.
///
/// ```
/// use ledger_core::money::Currency;
///
/// assert_eq!(Currency::of("USD")?.exponent(), 2);
/// assert_eq!(Currency::of("JPY")?.exponent(), 0);
/// assert_eq!(Currency::of("KWD")?.exponent(), 3);
/// assert!(Currency::of("usd").is_err());
/// # Ok::<(), ledger_core::money::MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

// The currencies and funds of ISO 4217 that were active at the end of 2025, by their number of decimals. The table is
// ours because an exponent says what every stored amount is worth: it must never move because a dependency was updated.
// A code may be added; none is removed or changed, since a ledger must read its past after a currency retires. Codes
// without a minor unit (gold, drawing rights, test codes) are left out: nobody can be paid a smallest unit of them.
const NO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const TWO_DECIMALS: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW \
    CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
    ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV \
    MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD \
    SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";
const FOUR_DECIMALS: &str = "CLF UYW";

const SLOTS: usize = 26 * 26 * 26;
const UNLISTED: u8 = u8::MAX;

// One slot per possible code: reading an amount from the log looks its currency up without a search.
static EXPONENTS: [u8; SLOTS] = {
    let table = list([UNLISTED; SLOTS], 0, NO_DECIMALS);
    let table = list(table, 2, TWO_DECIMALS);
    let table = list(table, 3, THREE_DECIMALS);
    list(table, 4, FOUR_DECIMALS)
};

#[expect(clippy::indexing_slicing, reason = "runs at compile time only, where a bad index does not compile")]
const fn list(mut table: [u8; SLOTS], exponent: u8, codes: &str) -> [u8; SLOTS] {
    let mut rest = codes.as_bytes();
    while let [a, b, c, tail @ ..] = rest {
        let slot = slot([*a, *b, *c]);
        assert!(slot < SLOTS && table[slot] == UNLISTED, "each code is three capital letters, listed once");
        table[slot] = exponent;
        rest = match tail {
            [b' ', next @ ..] => next,
            _ => tail,
        };
    }
    assert!(rest.is_empty(), "codes are separated by one blank");
    table
}

/// The place of a code in the table; `SLOTS` when it is not three capital letters.
const fn slot([a, b, c]: [u8; 3]) -> usize {
    if !(a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_uppercase()) {
        return SLOTS;
    }
    ((a - b'A') as usize * 26 + (b - b'A') as usize) * 26 + (c - b'A') as usize
}

impl Currency {
    /// The currency with this ISO 4217 code: three capital letters, nothing else.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] when the code is not an active currency with a minor unit.
    pub fn of(code: &str) -> Result<Self, MoneyError> {
        <[u8; 3]>::try_from(code.as_bytes())
            .ok()
            .and_then(|code| match EXPONENTS.get(slot(code)) {
                None | Some(&UNLISTED) => None,
                Some(&exponent) => Some(Self { code, exponent }),
            })
            .ok_or_else(|| MoneyError::UnknownCurrency { code: excerpt(code) })
    }

    /// The three letters, such as `USD`.
    #[must_use]
    pub fn code(&self) -> &str {
        // A currency is only ever made from three capital letters, so this is always text.
        str::from_utf8(&self.code).unwrap_or_default()
    }

    /// How many decimals an amount has: 2 for dollars and cents, 0 for yen, 3 for Kuwaiti dinars.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::of(text)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a currency code such as \"USD\"", Self::of))
    }
}

/// An exact amount of one currency, counted in its minor units (cents, yen, fils), positive or negative.
///
/// It holds at most 9,223,372,036,854,775,807 minor units either way. The range is the same on both sides, so every
/// amount can be negated: whatever was booked can be reversed.
///
/// Amounts have no `<` or `>`, since five dollars and five yen have no order: [`Money::compare`] refuses to answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// An amount of so many minor units.
    ///
    /// ```
    /// # use ledger_core::money::{Currency, Money};
    /// assert_eq!(Money::new(-5, Currency::of("USD")?)?.to_string(), "-0.05 USD");
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] for `i64::MIN`, the one number that has no negative.
    pub const fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor == i64::MIN {
            return Err(MoneyError::Overflow);
        }
        Ok(Self { minor, currency })
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The amount in minor units: cents for dollars.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency of the amount.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for another currency, [`MoneyError::Overflow`] when the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Self::new(minor, self.currency)
    }

    /// This less the other.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for another currency, [`MoneyError::Overflow`] when the result does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.plus(other.negated())
    }

    /// The same amount so many times: a flat commission per unit sold.
    ///
    /// ```
    /// # use ledger_core::money::Money;
    /// assert_eq!(Money::parse("5.00 USD")?.times(2)?.to_string(), "10.00 USD");
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the product does not fit.
    pub fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Self::new(minor, self.currency)
    }

    /// The amount with the other sign. A reversal books exactly this, so that line and reversal sum to zero.
    #[must_use]
    pub const fn negated(self) -> Self {
        // Cannot wrap: no amount holds i64::MIN.
        Self { minor: -self.minor, currency: self.currency }
    }

    /// Whether the amount is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether the amount is more than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Whether the amount is less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// The smaller of both: what a cap's remaining room leaves of a contribution.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for another currency.
    pub fn min(self, other: Self) -> Result<Self, MoneyError> {
        Ok(if self.compare(other)?.is_le() { self } else { other })
    }

    /// Which of both is larger.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for another currency.
    pub fn compare(self, other: Self) -> Result<Ordering, MoneyError> {
        self.same_currency(other)?;
        Ok(self.minor.cmp(&other.minor))
    }

    /// Makes sure that both are of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] when they are not.
    pub fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
    }

    /// The sum of any number of amounts of one currency; nothing for none. The order of the amounts does not matter.
    ///
    /// ```
    /// # use ledger_core::money::{Currency, Money};
    /// let lines = [Money::parse("70 USD")?, Money::parse("30 USD")?, Money::parse("-0.01 USD")?];
    /// assert_eq!(Money::sum(Currency::of("USD")?, lines)?.to_string(), "99.99 USD");
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for another currency, [`MoneyError::Overflow`] when the sum does not fit.
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        // Wider than the amounts, so that a large positive and a large negative may meet in any order.
        let mut sum: i128 = 0;
        for amount in amounts {
            Self::zero(currency).same_currency(amount)?;
            sum = sum.checked_add(amount.minor.into()).ok_or(MoneyError::Overflow)?;
        }
        Self::from_minor(sum, currency)
    }

    /// An amount of a wide number of minor units, as intermediate results are.
    pub(crate) fn from_minor(minor: i128, currency: Currency) -> Result<Self, MoneyError> {
        let fitting = planted!(OverflowSaturates => minor.clamp((-i64::MAX).into(), i64::MAX.into()), minor);
        let minor = i64::try_from(fitting).map_err(|_| MoneyError::Overflow)?;
        Self::new(minor, currency)
    }

    /// The amount that a decimal number is, exactly.
    ///
    /// ```
    /// # use ledger_core::money::{Currency, Money};
    /// use rust_decimal::Decimal;
    ///
    /// let usd = Currency::of("USD")?;
    /// assert_eq!(Money::from_decimal(Decimal::new(12_340, 3), usd)?.to_string(), "12.34 USD");
    /// assert!(Money::from_decimal(Decimal::new(12_345, 3), usd).is_err()); // half a cent
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] below the minor unit, [`MoneyError::TooLarge`] when it does not fit.
    pub fn from_decimal(decimal: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        match scale(decimal, currency.exponent) {
            Ok(minor) => Ok(Self { minor, currency }),
            Err(fault) => Err(MoneyError::from_fault(fault, &decimal.to_string(), currency)),
        }
    }

    /// The amount as a decimal number in major units (dollars), with exactly the decimals of the currency.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent.into())
    }

    /// Reads an amount and its currency, such as `12.34 USD`.
    ///
    /// Strict, because a guess about money is worse than a refusal: digits, at most as many decimals as the currency
    /// has, one blank, the code. No plus, no grouping, no exponent, no needless zero, no blanks around.
    ///
    /// ```
    /// # use ledger_core::money::Money;
    /// assert_eq!(Money::parse("12 USD")?.minor(), 1_200);
    /// assert_eq!(Money::parse("-0.05 USD")?.minor(), -5);
    /// assert_eq!(Money::parse("5.124 KWD")?.minor(), 5_124);
    /// assert!(Money::parse("1,200.00 USD").is_err());
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    ///
    /// # Errors
    /// The [`MoneyError`] that names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        match text.rsplit_once(' ') {
            Some((amount, code)) if !code.is_empty() => Self::parse_amount(amount, Currency::of(code)?),
            _ => Err(MoneyError::MissingCurrency { text: excerpt(text) }),
        }
    }

    /// Reads an amount whose currency is known from elsewhere, such as `12.34`, by the rules of [`Money::parse`].
    ///
    /// # Errors
    /// The [`MoneyError`] that names what is wrong with the text.
    pub fn parse_amount(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        match read(text, planted!(TwoDecimals => 2, currency.exponent)) {
            Ok(minor) => Ok(Self { minor, currency }),
            Err(fault) => Err(MoneyError::from_fault(fault, text, currency)),
        }
    }

    /// The amount without its currency, for columns that state the currency once.
    ///
    /// ```
    /// # use ledger_core::money::Money;
    /// assert_eq!(Money::parse("12.3 USD")?.amount().to_string(), "12.30");
    /// # Ok::<(), ledger_core::money::MoneyError>(())
    /// ```
    #[must_use]
    pub const fn amount(self) -> Amount {
        Amount(self)
    }

    fn text(self) -> NumberText {
        let [a, b, c] = self.currency.code;
        NumberText::of(self.minor, self.currency.exponent, &[b' ', a, b, c])
    }
}

/// Writes `12.34 USD`, with exactly the decimals of the currency. A width aligns it to the right, as columns of numbers
/// are; a precision is ignored, since it would drop cents.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().show(f)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::parse(text)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("an amount such as \"12.34 USD\"", Self::parse))
    }
}

/// An amount written without its currency; see [`Money::amount`].
#[derive(Clone, Copy)]
pub struct Amount(Money);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NumberText::of(self.0.minor, self.0.currency.exponent, b"").show(f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

/// What is wrong with a decimal number, whatever it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NotANumber,
    LeadingZero,
    TooManyDecimals,
    TooLarge,
}

/// Reads `-?digits(.digits)?` as a whole number of units of ten to the minus `places`; never `i64::MIN`.
pub(crate) fn read(text: &str, places: u8) -> Result<i64, Fault> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return Err(Fault::NotANumber),
        Some(both) => both,
        None => (unsigned, ""),
    };
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(Fault::NotANumber);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(Fault::LeadingZero);
    }
    let missing = usize::from(places).checked_sub(fraction.len()).ok_or(Fault::TooManyDecimals)?;

    let digits = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0');
    let magnitude = digits
        .chain(std::iter::repeat_n(0, missing))
        .try_fold(0_i64, |value, digit| value.checked_mul(10)?.checked_add(digit.into()))
        .ok_or(Fault::TooLarge)?;
    Ok(if negative { -magnitude } else { magnitude })
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The decimal as a whole number of units of ten to the minus `places`, exactly; never `i64::MIN`.
pub(crate) fn scale(decimal: Decimal, places: u8) -> Result<i64, Fault> {
    let (mantissa, scale, places) = (decimal.mantissa(), decimal.scale(), u32::from(places));
    // A decimal has at most 28 places, so no power of ten here comes near the end of i128.
    let power = 10_i128.pow(places.abs_diff(scale));
    let units = if scale <= places {
        mantissa.checked_mul(power).ok_or(Fault::TooLarge)?
    } else if mantissa % power == 0 {
        mantissa / power
    } else {
        return Err(Fault::TooManyDecimals);
    };
    match i64::try_from(units) {
        Ok(units) if units != i64::MIN => Ok(units),
        _ => Err(Fault::TooLarge),
    }
}

/// The offending text for an error, cut short: an error is read by people and kept in logs.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A number written on the stack, from its last character to its first: this is how every amount enters the log.
pub(crate) struct NumberText {
    bytes: [u8; NumberText::ROOM],
    start: usize,
    negative: bool,
}

impl NumberText {
    // A sign, 19 digits, a point, a blank and a currency code are 25 characters.
    const ROOM: usize = 32;

    /// The number of units of ten to the minus `places`, with all its decimals, then `tail`.
    pub(crate) fn of(units: i64, places: u8, tail: &[u8]) -> Self {
        let mut text = Self { bytes: [0; Self::ROOM], start: Self::ROOM, negative: units < 0 };
        for &byte in tail.iter().rev() {
            text.prepend(byte);
        }
        let mut rest = units.unsigned_abs();
        for _ in 0..places {
            text.prepend_digit(&mut rest);
        }
        if places > 0 {
            text.prepend(b'.');
        }
        text.prepend_digit(&mut rest);
        while rest > 0 {
            text.prepend_digit(&mut rest);
        }
        if text.negative {
            text.prepend(b'-');
        }
        text
    }

    fn prepend_digit(&mut self, rest: &mut u64) {
        self.prepend(b'0' + (*rest % 10) as u8);
        *rest /= 10;
    }

    fn prepend(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    fn as_str(&self) -> Result<&str, fmt::Error> {
        let written = self.bytes.get(self.start..).ok_or(fmt::Error)?;
        str::from_utf8(written).map_err(|_| fmt::Error)
    }

    /// Writes the number the way Rust writes numbers: a width pads on the left, a precision has no effect.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_str()?;
        f.pad_integral(!self.negative, "", text.strip_prefix('-').unwrap_or(text))
    }
}

impl Serialize for NumberText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str().map_err(ser::Error::custom)?)
    }
}

/// Reads a value from a string in a document without copying it: what is expected there, and how it is read.
pub(crate) struct FromText<T, E>(pub(crate) &'static str, pub(crate) fn(&str) -> Result<T, E>);

impl<T, E: fmt::Display> Visitor<'_> for FromText<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<X: de::Error>(self, text: &str) -> Result<T, X> {
        (self.1)(text).map_err(X::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn currency(code: &str) -> Currency {
        Currency::of(code).unwrap()
    }

    fn any_money() -> impl Strategy<Value = Money> {
        let codes = prop::sample::select(vec!["JPY", "USD", "EUR", "KWD", "CLF"]);
        (prop_oneof![-100_000..100_000_i64, -i64::MAX..=i64::MAX], codes)
            .prop_map(|(minor, code)| Money::new(minor, currency(code)).unwrap())
    }

    #[test]
    fn an_amount_is_written_with_exactly_the_decimals_of_its_currency() {
        for (minor, code, text, amount) in [
            (1_234, "USD", "12.34 USD", "12.34"),
            (-5, "USD", "-0.05 USD", "-0.05"),
            (0, "USD", "0.00 USD", "0.00"),
            (100, "JPY", "100 JPY", "100"),
            (0, "JPY", "0 JPY", "0"),
            (5_124, "KWD", "5.124 KWD", "5.124"),
            (-1, "CLF", "-0.0001 CLF", "-0.0001"),
            (i64::MAX, "USD", "92233720368547758.07 USD", "92233720368547758.07"),
            (-i64::MAX, "CLF", "-922337203685477.5807 CLF", "-922337203685477.5807"),
        ] {
            let money = Money::new(minor, currency(code)).unwrap();
            assert_eq!(money.to_string(), text);
            assert_eq!(money.amount().to_string(), amount);
            assert_eq!(Money::parse(text), Ok(money));
            assert_eq!(Money::parse_amount(amount, currency(code)), Ok(money));
        }
    }

    #[test]
    fn a_width_aligns_amounts_as_numbers_and_a_precision_never_drops_cents() {
        assert_eq!(format!("{:>10}|{:10}", money("1.5 USD").amount(), money("-1.5 USD")), "      1.50| -1.50 USD");
        assert_eq!(format!("{:.1} {:.0}", money("12.34 USD"), money("12.34 USD").amount()), "12.34 USD 12.34");
        assert_eq!(format!("{:?}", money("12.34 USD")), "Money(12.34 USD)");
    }

    #[test]
    fn fewer_decimals_than_the_currency_has_are_understood() {
        assert_eq!(money("12 USD").minor(), 1_200);
        assert_eq!(money("12.3 USD").minor(), 1_230);
        assert_eq!(money("0 KWD").minor(), 0);
        assert_eq!(money("-0.00 USD"), Money::zero(currency("USD")));
    }

    #[test]
    fn a_hostile_text_is_refused_for_the_reason_that_is_its_own() {
        let not_a_number = |text: &str| MoneyError::NotANumber { text: text.to_owned() };
        let leading_zero = |text: &str| MoneyError::LeadingZero { text: text.to_owned() };
        let too_large = |text: &str| MoneyError::TooLarge { text: text.to_owned() };
        let missing = |text: &str| MoneyError::MissingCurrency { text: text.to_owned() };
        let unknown = |code: &str| MoneyError::UnknownCurrency { code: code.to_owned() };
        let decimals = |text: &str, code: &str| MoneyError::TooManyDecimals {
            text: text.to_owned(),
            currency: currency(code),
            allowed: currency(code).exponent(),
        };
        for (hostile, error) in [
            ("", missing("")),
            ("12.34", missing("12.34")),
            ("12.34USD", missing("12.34USD")),
            ("12.34\tUSD", missing("12.34\tUSD")),
            ("12.34\u{a0}USD", missing("12.34\u{a0}USD")),
            ("12.34 ", missing("12.34 ")),
            ("12.34 USD ", missing("12.34 USD ")),
            ("12.34 usd", unknown("usd")),
            ("12.34 USDX", unknown("USDX")),
            ("12.34 US", unknown("US")),
            ("12.34 ABC", unknown("ABC")),
            ("12.34 €", unknown("€")),
            ("12.34 XAU", unknown("XAU")),
            ("12.34 USD\n", unknown("USD\n")),
            (" USD", not_a_number("")),
            ("- USD", not_a_number("-")),
            (". USD", not_a_number(".")),
            ("-. USD", not_a_number("-.")),
            (".5 USD", not_a_number(".5")),
            ("5. USD", not_a_number("5.")),
            ("1.2.3 USD", not_a_number("1.2.3")),
            ("--5 USD", not_a_number("--5")),
            ("5- USD", not_a_number("5-")),
            ("+5 USD", not_a_number("+5")),
            ("\u{2212}5 USD", not_a_number("\u{2212}5")),
            ("(5) USD", not_a_number("(5)")),
            (" 5 USD", not_a_number(" 5")),
            ("5  USD", not_a_number("5 ")),
            ("1,200.00 USD", not_a_number("1,200.00")),
            ("1_200 USD", not_a_number("1_200")),
            ("1e3 USD", not_a_number("1e3")),
            ("0x10 USD", not_a_number("0x10")),
            ("NaN USD", not_a_number("NaN")),
            ("inf USD", not_a_number("inf")),
            ("١٢ USD", not_a_number("١٢")),
            ("1.2x USD", not_a_number("1.2x")),
            ("$5 USD", not_a_number("$5")),
            ("USD 5 USD", not_a_number("USD 5")),
            ("012 USD", leading_zero("012")),
            ("00 USD", leading_zero("00")),
            ("-00.5 USD", leading_zero("-00.5")),
            ("12.345 USD", decimals("12.345", "USD")),
            ("12.340 USD", decimals("12.340", "USD")),
            ("100.0 JPY", decimals("100.0", "JPY")),
            ("5.1245 KWD", decimals("5.1245", "KWD")),
            ("92233720368547758.08 USD", too_large("92233720368547758.08")),
            ("-9223372036854775808 JPY", too_large("-9223372036854775808")),
            ("92233720368547759 USD", too_large("92233720368547759")),
            ("18446744073709551617 JPY", too_large("18446744073709551617")),
        ] {
            assert_eq!(Money::parse(hostile), Err(error), "{hostile:?}");
        }
    }

    #[test]
    fn an_error_says_what_was_wrong_and_what_to_do() {
        for (text, message) in [
            ("12.345 USD", "\"12.345\" has too many decimals: USD has 2; round it first, on purpose"),
            (
                "12.34 usd",
                "\"usd\" is not a currency of ISO 4217 with a minor unit; write its three capital letters, such as USD",
            ),
            ("12", "\"12\" names no currency; write the amount, one blank and the currency code, such as 12.34 USD"),
        ] {
            assert_eq!(Money::parse(text).unwrap_err().to_string(), message);
        }
        let mixed = money("1 USD").plus(money("1 EUR")).unwrap_err().to_string();
        assert_eq!(mixed, "USD and EUR cannot be calculated together; convert one of them at a recorded rate first");
    }

    #[test]
    fn a_long_text_is_cut_short_in_the_error() {
        let cut = format!("{}…", "é".repeat(64));
        assert_eq!(Money::parse(&"é".repeat(1_000_000)), Err(MoneyError::MissingCurrency { text: cut }));
        let whole = "9".repeat(64);
        assert_eq!(Money::parse(&format!("{whole} USD")), Err(MoneyError::TooLarge { text: whole }));
    }

    #[test]
    fn every_amount_has_a_negative() {
        let usd = currency("USD");
        assert_eq!(Money::new(i64::MIN, usd), Err(MoneyError::Overflow));
        let most = Money::new(i64::MAX, usd).unwrap();
        assert_eq!(most.negated().minor(), -i64::MAX);
        assert_eq!(most.negated().negated(), most);
    }

    #[test]
    fn a_result_that_does_not_fit_is_refused_and_never_wraps() {
        let most = Money::new(i64::MAX, currency("JPY")).unwrap();
        let one = money("1 JPY");
        assert_eq!(most.plus(one), Err(MoneyError::Overflow));
        assert_eq!(most.negated().minus(one), Err(MoneyError::Overflow));
        assert_eq!(most.times(2), Err(MoneyError::Overflow));
        assert_eq!(one.negated().times(i64::MIN), Err(MoneyError::Overflow));
        assert_eq!(one.times(i64::MIN), Err(MoneyError::Overflow));
        assert_eq!(Money::sum(currency("JPY"), [most, one]), Err(MoneyError::Overflow));
        assert_eq!(Money::sum(currency("JPY"), [most.negated(), one.negated()]), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_even_where_parts_of_it_would_not_fit() {
        let most = Money::new(i64::MAX, currency("JPY")).unwrap();
        let one = money("1 JPY");
        assert_eq!(Money::sum(currency("JPY"), [most, one, one.negated()]), Ok(most));
        assert_eq!(Money::sum(currency("JPY"), []), Ok(money("0 JPY")));
    }

    #[test]
    fn currencies_never_mix() {
        let (usd, eur) = (money("1 USD"), money("1 EUR"));
        let mismatch = MoneyError::CurrencyMismatch { left: currency("USD"), right: currency("EUR") };
        assert_eq!(usd.plus(eur), Err(mismatch.clone()));
        assert_eq!(usd.minus(eur), Err(mismatch.clone()));
        assert_eq!(usd.min(eur), Err(mismatch.clone()));
        assert_eq!(usd.compare(eur), Err(mismatch.clone()));
        assert_eq!(usd.same_currency(eur), Err(mismatch.clone()));
        assert_eq!(Money::sum(currency("USD"), [usd, eur]), Err(mismatch.clone()));
        assert_eq!(Money::sum(currency("USD"), [eur]), Err(mismatch), "the currency asked for counts, not the first");
        assert_ne!(Money::zero(currency("USD")), Money::zero(currency("EUR")));
    }

    #[test]
    fn the_smaller_amount_and_the_sign_are_what_they_seem() {
        let (low, high) = (money("-2 USD"), money("1 USD"));
        assert_eq!(low.min(high), Ok(low));
        assert_eq!(high.min(low), Ok(low));
        assert_eq!(low.compare(high), Ok(Ordering::Less));
        assert!(low.is_negative() && high.is_positive() && Money::zero(currency("USD")).is_zero());
        assert!(!low.is_positive() && !high.is_negative() && !high.is_zero());
    }

    #[test]
    fn v01_a_flat_commission_is_paid_per_unit() {
        assert_eq!(money("50.00 USD").times(1), Ok(money("50.00 USD")));
        assert_eq!(money("5.00 USD").times(2), Ok(money("10.00 USD")));
        assert_eq!(money("5.00 USD").times(0), Ok(money("0 USD")));
    }

    #[test]
    fn every_listed_currency_is_found_with_its_decimals_and_nothing_else_is() {
        let groups = [(0, NO_DECIMALS), (2, TWO_DECIMALS), (3, THREE_DECIMALS), (4, FOUR_DECIMALS)];
        let mut found = 0;
        for (exponent, codes) in groups {
            for code in codes.split_whitespace() {
                assert_eq!(currency(code).exponent(), exponent);
                assert_eq!(currency(code).code(), code);
                found += 1;
            }
        }
        assert_eq!(EXPONENTS.iter().filter(|&&exponent| exponent != UNLISTED).count(), found);
        for code in ["", "U", "US", "USDD", "usd", "Usd", "US1", "U D", "€", "XAU", "XDR", "XXX", "XTS", "AAA", "ZZZ"]
        {
            assert_eq!(Currency::of(code), Err(MoneyError::UnknownCurrency { code: code.to_owned() }));
        }
    }

    #[test]
    fn a_decimal_is_taken_exactly_or_refused() {
        let usd = currency("USD");
        let from = |text: &str| Money::from_decimal(text.parse().unwrap(), usd);
        assert_eq!(from("12.34"), Ok(money("12.34 USD")));
        assert_eq!(from("12.3400000000"), Ok(money("12.34 USD")));
        assert_eq!(from("-12"), Ok(money("-12.00 USD")));
        assert_eq!(from("-0.0"), Ok(money("0 USD")));
        assert_eq!(
            from("0.005"),
            Err(MoneyError::TooManyDecimals { text: "0.005".to_owned(), currency: usd, allowed: 2 })
        );
        assert_eq!(from("92233720368547758.07"), Ok(money("92233720368547758.07 USD")));
        for text in ["92233720368547758.08", "-92233720368547758.08", "79228162514264337593543950335"] {
            assert_eq!(from(text), Err(MoneyError::TooLarge { text: text.to_owned() }));
        }
        assert_eq!(money("12 USD").to_decimal().to_string(), "12.00");
        assert_eq!(money("12 JPY").to_decimal().to_string(), "12");
    }

    #[test]
    fn json_holds_an_amount_and_a_currency_as_text_and_nothing_else() {
        let cents = money("12.34 USD");
        assert_eq!(serde_json::to_string(&cents).unwrap(), "\"12.34 USD\"");
        assert_eq!(serde_json::from_str::<Money>("\"12.34 USD\"").unwrap(), cents);
        assert_eq!(
            serde_json::from_str::<Money>("\"12.34\\u0020USD\"").unwrap(),
            cents,
            "an escaped text is not borrowed"
        );
        assert_eq!(serde_json::from_value::<Money>("12.34 USD".into()).unwrap(), cents, "nor is an owned one");
        assert_eq!(
            serde_json::from_reader::<_, Money>(&b"\"12.34 USD\""[..]).unwrap(),
            cents,
            "nor one that is streamed"
        );
        assert_eq!(serde_json::to_string(&currency("KWD")).unwrap(), "\"KWD\"");
        assert_eq!(serde_json::from_value::<Currency>("KWD".into()).unwrap(), currency("KWD"));
        for refused in ["12.34", "1234", "null", "{}", "[\"12.34 USD\"]", "\"12.345 USD\"", "\"12.34 usd\""] {
            assert!(serde_json::from_str::<Money>(refused).is_err(), "{refused}");
        }
        let error = serde_json::from_str::<Money>("12.34").unwrap_err().to_string();
        assert!(error.contains("expected an amount such as \"12.34 USD\""), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_as_the_same_amount(money in any_money()) {
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
            prop_assert_eq!(money.to_string().parse(), Ok(money));
            prop_assert_eq!(Money::parse_amount(&money.amount().to_string(), money.currency()), Ok(money));
            prop_assert_eq!(Money::from_decimal(money.to_decimal(), money.currency()), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
            prop_assert_eq!(money.amount().to_string(), money.to_decimal().to_string());
        }

        #[test]
        fn a_number_is_read_as_the_decimal_it_is(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?") {
            let clf = currency("CLF");
            let ours = Money::parse_amount(&text, clf).map(Money::to_decimal).ok();
            let exact: Decimal = text.parse().unwrap();
            let fits = exact.abs() <= Decimal::new(i64::MAX, 4);
            prop_assert_eq!(ours, fits.then_some(exact));
        }

        #[test]
        fn no_text_whatever_brings_the_reader_down(text in ".{0,40}", digits in "[-+.0-9 ]{0,30} (USD|JPY|CLF)") {
            let _ = Money::parse(&text);
            if let Ok(money) = Money::parse(&digits) {
                prop_assert_ne!(money.minor(), i64::MIN);
            }
        }

        #[test]
        fn an_amount_and_its_reversal_sum_to_zero(money in any_money()) {
            prop_assert_eq!(money.plus(money.negated()), Ok(Money::zero(money.currency())));
            prop_assert_eq!(money.minus(money), Ok(Money::zero(money.currency())));
        }
    }
}
