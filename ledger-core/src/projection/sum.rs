//! A sum of any number of amounts of one currency, exact however long the log is.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::money::{Currency, Money, MoneyError};

/// Minor units, summed. The currency stands beside it, once for many sums.
///
/// It cannot overflow: an amount has less than 2^63 minor units, so it would take 2^64 of them. A ledger of a million events a
/// second, each of a hundred amounts, has that many after five thousand years. The additions saturate all the same, so that not
/// even a forged checkpoint can bring a reader down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sum(i128);

impl Sum {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum in minor units.
    #[must_use]
    pub const fn minor(self) -> i128 {
        self.0
    }

    /// Whether the sum is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Adds an amount.
    pub fn add(&mut self, amount: Money) {
        self.0 = self.0.saturating_add(amount.minor().into());
    }

    /// Takes an amount away.
    pub fn take(&mut self, amount: Money) {
        self.0 = self.0.saturating_sub(amount.minor().into());
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This less the other.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum as an amount.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when it is more than one amount can hold.
    pub fn money(self, currency: Currency) -> Result<Money, MoneyError> {
        Money::from_minor(self.0, currency)
    }

    /// The sum as it is written, in major units with exactly the decimals of the currency: `-12.30`.
    #[must_use]
    pub fn show(self, currency: Currency) -> Shown {
        Shown { sum: self, places: usize::from(currency.exponent()) }
    }
}

impl From<Money> for Sum {
    fn from(amount: Money) -> Self {
        Self(amount.minor().into())
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::ZERO, Self::plus)
    }
}

/// A sum that is about to be written; see [`Sum::show`].
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    sum: Sum,
    places: usize,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.sum.0.unsigned_abs(), width = self.places + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - self.places).unwrap_or((&digits, ""));
        let point = if fraction.is_empty() { "" } else { "." };
        f.pad_integral(self.sum.0 >= 0, "", &format!("{whole}{point}{fraction}"))
    }
}

/// As text: a sum may have more digits than other readers of JSON keep of a number.
impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| de::Error::custom(format_args!("{text:?} is not a sum of minor units")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sum_is_larger_than_any_amount_and_is_written_with_the_decimals_of_its_currency() {
        let [usd, jpy, kwd] = ["USD", "JPY", "KWD"].map(|code| Currency::of(code).unwrap());
        let mut sum = Sum::ZERO;
        for _ in 0..3 {
            sum.add(Money::new(i64::MAX, usd).unwrap());
        }
        assert_eq!(sum.show(usd).to_string(), "276701161105643274.21");
        assert_eq!(sum.money(usd), Err(MoneyError::Overflow));
        assert_eq!(Sum(-5).show(usd).to_string(), "-0.05");
        assert_eq!(Sum(-5).show(jpy).to_string(), "-5");
        assert_eq!(Sum(0).show(jpy).to_string(), "0");
        assert_eq!(Sum(-12_345).show(kwd).to_string(), "-12.345");
        assert_eq!(format!("{:>8}", Sum(-5).show(usd)), "   -0.05");
    }

    proptest! {
        #[test]
        fn a_sum_that_an_amount_can_hold_is_written_as_the_amount(minor in -i64::MAX.., code in "USD|JPY|KWD|CLF") {
            let money = Money::new(minor, Currency::of(&code).unwrap()).unwrap();
            prop_assert_eq!(Sum::from(money).show(money.currency()).to_string(), money.amount().to_string());
            let json = serde_json::to_string(&Sum::from(money)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sum>(&json).unwrap().money(money.currency()), Ok(money));
        }
    }
}
