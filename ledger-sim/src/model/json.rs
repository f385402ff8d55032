//! Reads JSON strictly: every field is known, every name, number and day is as it must be.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use serde_json::{Map, Value};

use super::exact::Exact;
use super::{calendar, names};
use crate::act::{Code as Currency, Day};

/// A field is unknown, missing or says what it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// An object with no field but the known ones.
pub(super) struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    pub(super) fn of(value: &'a Value, known: &[&str]) -> Result<Self, Malformed> {
        let fields = value.as_object().ok_or(Malformed)?;
        let all_known = fields.keys().all(|field| known.contains(&field.as_str()));
        if all_known { Ok(Self(fields)) } else { Err(Malformed) }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    pub(super) fn get(&self, field: &str) -> Result<&'a Value, Malformed> {
        self.0.get(field).ok_or(Malformed)
    }

    pub(super) fn maybe<T, E>(
        &self,
        field: &str,
        read: impl FnOnce(&'a Value) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.0.get(field).map(read).transpose()
    }

    /// A list that may be left out.
    pub(super) fn list<T, E: From<Malformed>>(
        &self,
        field: &str,
        read: impl Fn(&'a Value) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        Ok(self.maybe(field, |all| list(all, read))?.unwrap_or_default())
    }

    /// Which of the words stands there; the first one when none does.
    pub(super) fn word(&self, field: &str, words: &[&str]) -> Result<usize, Malformed> {
        let place = |value: &Value| words.iter().position(|word| value == word).ok_or(Malformed);
        Ok(self.maybe(field, place)?.unwrap_or(0))
    }
}

pub(super) fn list<'a, T, E: From<Malformed>>(
    value: &'a Value,
    read: impl Fn(&'a Value) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    value.as_array().ok_or(Malformed)?.iter().map(read).collect()
}

/// An object of things by their names.
pub(super) fn named<T, E: From<Malformed>>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, E>,
) -> Result<BTreeMap<String, T>, E> {
    named_by(names::is_name, value, read)
}

/// An object of things by texts for which a rule holds.
pub(super) fn named_by<T, E: From<Malformed>>(
    holds: fn(&str) -> bool,
    value: &Value,
    read: impl Fn(&Value) -> Result<T, E>,
) -> Result<BTreeMap<String, T>, E> {
    let all = value.as_object().ok_or(Malformed)?.iter();
    all.map(|(key, value)| if holds(key) { Ok((key.clone(), read(value)?)) } else { Err(Malformed.into()) }).collect()
}

/// One of several things, by its only field.
pub(super) fn variant(value: &Value) -> Result<(&str, &Value), Malformed> {
    let mut fields = value.as_object().ok_or(Malformed)?.iter();
    match (fields.next(), fields.next()) {
        (Some((kind, value)), None) => Ok((kind, value)),
        _ => Err(Malformed),
    }
}

pub(super) fn distinct<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    names.all(|name| seen.insert(name))
}

pub(super) fn text(value: &Value) -> Result<String, Malformed> {
    value.as_str().filter(|text| names::is_text(text)).map(ToOwned::to_owned).ok_or(Malformed)
}

pub(super) fn name(value: &Value) -> Result<String, Malformed> {
    value.as_str().filter(|text| names::is_name(text)).map(ToOwned::to_owned).ok_or(Malformed)
}

pub(super) fn count(value: &Value) -> Result<u32, Malformed> {
    value.as_u64().and_then(|number| number.try_into().ok()).ok_or(Malformed)
}

pub(super) fn currency(value: &Value) -> Result<Currency, Malformed> {
    code(value.as_str().ok_or(Malformed)?)
}

fn code(text: &str) -> Result<Currency, Malformed> {
    text.parse().map_err(|_| Malformed)
}

/// The minor units of an amount, such as `12.30 USD`, and its currency.
pub(super) fn amount(value: &Value) -> Result<(Exact, Currency), Malformed> {
    let (number, currency) = value.as_str().and_then(|text| text.split_once(' ')).ok_or(Malformed)?;
    let currency = code(currency)?;
    let units = decimal(number, currency.1)? * Exact::whole(10_u64.pow(currency.1));
    if units.fits() { Ok((units, currency)) } else { Err(Malformed) }
}

/// A decimal without a sign, of twelve decimals at most.
pub(super) fn rate(value: &Value) -> Result<Exact, Malformed> {
    let text = value.as_str().filter(|text| !text.starts_with('-')).ok_or(Malformed)?;
    let rate = decimal(text, 12)?;
    if (&rate * Exact::whole(10_u64.pow(12))).fits() { Ok(rate) } else { Err(Malformed) }
}

/// A plain decimal number with so many decimals at most and no needless zero before it.
fn decimal(text: &str, most: u32) -> Result<Exact, Malformed> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, rest) = match text.split_once('.') {
        Some((_, "")) => return Err(Malformed),
        Some(both) => both,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let places = u32::try_from(rest.len()).map_err(|_| Malformed)?;
    let needless = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || needless || !digits(whole) || !digits(rest) || places > most {
        return Err(Malformed);
    }
    let units: BigInt = format!("{whole}{rest}").parse().map_err(|_| Malformed)?;
    let number = Exact::whole(units).over(&Exact::whole(10_u64.pow(places))).ok_or(Malformed)?;
    Ok(if negative { number.negated() } else { number })
}

/// `2025-06-01`.
pub(super) fn day(value: &Value) -> Result<Day, Malformed> {
    date(value.as_str().ok_or(Malformed)?)
}

fn date(text: &str) -> Result<Day, Malformed> {
    let [year, month, of_month] = numbers(text, '-', [4, 2, 2])?;
    let day = Day(i32::try_from(year).map_err(|_| Malformed)?, month, of_month);
    if calendar::exists(day) { Ok(day) } else { Err(Malformed) }
}

/// The milliseconds since 1970 at `2025-06-01T12:00:00.250Z`, with three decimals at most. For `Z` there may be `+02:00`.
pub(super) fn instant(value: &Value) -> Result<i64, Malformed> {
    let text = value.as_str().filter(|text| text.is_ascii()).ok_or(Malformed)?;
    let (text, east) = match text.strip_suffix('Z') {
        Some(text) => (text, 0),
        None => {
            let (text, offset) = text.split_at_checked(text.len().saturating_sub(6)).ok_or(Malformed)?;
            let [hours, minutes] = numbers(offset.get(1..).ok_or(Malformed)?, ':', [2, 2])?;
            let minutes =
                Some(i64::from(hours * 60 + minutes)).filter(|_| hours < 24 && minutes < 60).ok_or(Malformed)?;
            match offset.get(..1) {
                Some("+") => (text, minutes),
                Some("-") => (text, -minutes),
                _ => return Err(Malformed),
            }
        }
    };
    let (day, time) = text.split_once('T').ok_or(Malformed)?;
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) if (1..=3).contains(&fraction.len()) => (time, fraction),
        Some(_) => return Err(Malformed),
        None => (time, "0"),
    };
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let [millis] = numbers(&format!("{fraction:0<3}"), '.', [3])?;
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Malformed);
    }
    let of_day = i64::from((hour * 60 + minute) * 60 + second) * 1_000 + i64::from(millis);
    let days = calendar::ordinal(date(day)?) - calendar::ordinal(Day(1970, 1, 1));
    Ok(days * calendar::DAY_MILLIS + of_day - east * 60_000)
}

/// Numbers of so many digits each, with a sign between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Result<[u32; N], Malformed> {
    let parts: Vec<&str> = text.split(between).collect();
    let parts: [&str; N] = parts.try_into().map_err(|_| Malformed)?;
    let fit = parts
        .iter()
        .zip(digits)
        .all(|(part, digits)| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()));
    if fit { Ok(parts.map(|part| part.parse().unwrap_or(0))) } else { Err(Malformed) }
}
