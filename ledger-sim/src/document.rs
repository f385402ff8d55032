//! A plan document, read from the file that its author wrote, into the simulator's own words.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::act::{Amount, CURRENCIES, CapTerms, CapYear, Code, Document, Part, WHOLE};

/// Why a plan document cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct InvalidDocument {
    /// Where in the document, such as `split.capped.cap.limit`.
    pub field: String,
    /// What is expected there.
    pub rule: String,
}

type Result<T> = std::result::Result<T, InvalidDocument>;

/// Currencies that plans of the field are written in, besides those that the simulator makes up plans in.
const MORE_CURRENCIES: [Code; 16] = [
    Code("AED", 2),
    Code("AUD", 2),
    Code("BRL", 2),
    Code("CAD", 2),
    Code("CHF", 2),
    Code("CZK", 2),
    Code("DKK", 2),
    Code("GBP", 2),
    Code("INR", 2),
    Code("KRW", 0),
    Code("MXN", 2),
    Code("NOK", 2),
    Code("NZD", 2),
    Code("PLN", 2),
    Code("SEK", 2),
    Code("SGD", 2),
];

impl Document {
    /// Reads a plan document as `plan.publish` takes it. Whether its shares sum to 1 is not asked here: the ledger says that.
    ///
    /// # Errors
    /// [`InvalidDocument`] that names the field and what is expected there.
    pub fn from_json(text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text).map_err(|error| invalid("document", error.to_string()))?;
        let document = Object::of("", &document, &["currency", "split", "rounding"])?;
        let half_even = document.word("rounding", &["half_away_from_zero", "half_even"])? == 1;
        let currency = currency(&document.path("currency"), document.text("currency")?)?;
        let split = document.object("split", &["flat", "capped"])?;
        let (shares, cap) = match (split.find("flat"), split.find("capped")) {
            (Some(_), None) => (split.shares("flat")?, None),
            (None, Some(_)) => capped(&split)?,
            _ => return Err(invalid(&split.at, "either flat or capped")),
        };
        Ok(Self { currency, payee: shares.0, company: shares.1, cap, half_even })
    }
}

fn capped(split: &Object<'_>) -> Result<((Part, Part), Option<CapTerms>)> {
    let fields = ["pre_cap", "cap", "post_cap", "post_cap_fee", "crossing", "fee_on_crossing"];
    let capped = split.object("capped", &fields)?;
    let cap = capped.object("cap", &["programme", "limit", "year"])?;
    let year = cap.object("year", &["calendar", "anniversary"])?;
    let year = match (year.find("calendar"), year.find("anniversary")) {
        (Some(_), None) => {
            let day = year.object("calendar", &["month", "day"])?;
            CapYear::Calendar { month: day.number("month")?, day: day.number("day")? }
        }
        (None, Some(_)) => {
            let anniversary = year.object("anniversary", &["leap_day"])?;
            CapYear::Anniversary { march_first: anniversary.word("leap_day", &["clamp", "march1"])? == 1 }
        }
        _ => return Err(invalid(&year.at, "either calendar or anniversary")),
    };
    let terms = CapTerms {
        programme: cap.text("programme")?.to_owned(),
        limit: cap.amount("limit")?,
        year,
        post_cap: capped.find("post_cap").map(|_| capped.shares("post_cap")).transpose()?,
        fee: capped
            .find("post_cap_fee")
            .filter(|fee| !fee.is_null())
            .map(|_| capped.amount("post_cap_fee"))
            .transpose()?,
        whole_deal: capped.word("crossing", &["split_within_deal", "whole_deal_pre_cap"])? == 1,
        fee_on_crossing: capped.word("fee_on_crossing", &["no", "yes"])? == 1,
    };
    Ok((capped.shares("pre_cap")?, Some(terms)))
}

/// An object of the document, and where it is.
struct Object<'a> {
    at: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    fn of(at: &str, value: &'a Value, known: &[&str]) -> Result<Self> {
        let object = Self { at: at.to_owned(), fields: value.as_object().ok_or_else(|| invalid(at, "an object"))? };
        match object.fields.keys().find(|field| !known.contains(&field.as_str())) {
            Some(unknown) => Err(invalid(&object.path(unknown), format!("no such field, only {}", known.join(", ")))),
            None => Ok(object),
        }
    }

    fn path(&self, field: &str) -> String {
        if self.at.is_empty() { field.to_owned() } else { format!("{}.{field}", self.at) }
    }

    fn find(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field)
    }

    fn get(&self, field: &str) -> Result<&'a Value> {
        self.find(field).ok_or_else(|| invalid(&self.path(field), "is missing"))
    }

    fn object(&self, field: &str, known: &[&str]) -> Result<Object<'a>> {
        Object::of(&self.path(field), self.get(field)?, known)
    }

    fn text(&self, field: &str) -> Result<&'a str> {
        self.get(field)?.as_str().ok_or_else(|| invalid(&self.path(field), "a text"))
    }

    fn number(&self, field: &str) -> Result<u32> {
        let number = self.get(field)?.as_u64().and_then(|number| u8::try_from(number).ok());
        number.map(u32::from).ok_or_else(|| invalid(&self.path(field), "a whole number of a calendar"))
    }

    /// Which of the words stands there; the first one when none does.
    fn word(&self, field: &str, words: &[&str]) -> Result<usize> {
        let Some(value) = self.find(field) else { return Ok(0) };
        let known = value.as_str().and_then(|text| words.iter().position(|word| *word == text));
        known.ok_or_else(|| invalid(&self.path(field), format!("one of {}", words.join(", "))))
    }

    fn shares(&self, field: &str) -> Result<(Part, Part)> {
        let shares = self.object(field, &["payee", "company"])?;
        Ok((shares.part("payee")?, shares.part("company")?))
    }

    fn part(&self, field: &str) -> Result<Part> {
        let text = self.text(field)?;
        let rule = "a plain decimal with nine decimals at most, such as 0.7";
        let part = units(text, 9).and_then(|billionths| u64::try_from(billionths).ok());
        let part = part.filter(|part| *part <= WHOLE * 1_000_000 && !text.starts_with('-'));
        part.map(Part).ok_or_else(|| invalid(&self.path(field), rule))
    }

    fn amount(&self, field: &str) -> Result<Amount> {
        let at = self.path(field);
        let (number, code) = self.text(field)?.rsplit_once(' ').ok_or_else(|| invalid(&at, "such as 12.34 USD"))?;
        let code = currency(&at, code)?;
        let fits = |units: &i128| units.unsigned_abs() <= u128::from(i64::MAX.unsigned_abs());
        let units = units(number, code.1).filter(fits);
        let rule = || invalid(&at, format!("an amount with at most {} decimals, such as 12 {}", code.1, code.0));
        Ok(Amount(units.ok_or_else(rule)?, code))
    }
}

fn currency(at: &str, code: &str) -> Result<Code> {
    let mut known = CURRENCIES.iter().chain(&MORE_CURRENCIES);
    let found = known.find(|known| known.0 == code).copied();
    found.ok_or_else(|| {
        let known: Vec<&str> = CURRENCIES.iter().chain(&MORE_CURRENCIES).map(|known| known.0).collect();
        invalid(at, format!("a currency that the simulator knows: {}", known.join(", ")))
    })
}

/// A plain decimal in units of so many decimals.
fn units(text: &str, decimals: u32) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, rest) = match digits.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() => (whole, rest),
        Some(_) => return None,
        None => (digits, ""),
    };
    let plain = whole.bytes().chain(rest.bytes()).all(|byte| byte.is_ascii_digit());
    let needless = whole.is_empty() || (whole.len() > 1 && whole.starts_with('0'));
    let places = u32::try_from(rest.len()).ok().filter(|places| *places <= decimals && plain && !needless)?;
    let rest: i128 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
    let one = 10_i128.checked_pow(decimals)?;
    let whole = whole.parse::<i128>().ok()?.checked_mul(one)?;
    whole.checked_add(rest.checked_mul(10_i128.checked_pow(decimals - places)?)?)?.checked_mul(sign)
}

fn invalid(field: &str, rule: impl Into<String>) -> InvalidDocument {
    let field = if field.is_empty() { "document" } else { field };
    InvalidDocument { field: field.to_owned(), rule: rule.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPPED: &str = r#"{"currency":"USD","split":{"capped":{"pre_cap":{"payee":"0.7","company":"0.3"},
        "cap":{"programme":"main","limit":"15000 USD","year":{"anniversary":{"leap_day":"march1"}}},
        "post_cap_fee":"250.5 USD","crossing":"whole_deal_pre_cap"}},"rounding":"half_even"}"#;

    /// A field that is read into the wrong place would simulate another plan than the user's.
    #[test]
    fn what_is_read_says_what_was_written() {
        let document = Document::from_json(CAPPED).unwrap();
        let core = |text: &str| serde_json::from_str::<ledger_core::plan::Document>(text).unwrap();
        assert_eq!(core(&document.to_string()), core(CAPPED));
        assert_eq!(Document::from_json(&document.to_string()), Ok(document));
    }

    #[test]
    fn an_error_names_the_field_and_what_is_expected() {
        for (from, to, error) in [
            (
                "\"0.3\"",
                "\"30%\"",
                "split.capped.pre_cap.company: a plain decimal with nine decimals at most, such as 0.7",
            ),
            (
                "\"0.3\"",
                "\"-0.3\"",
                "split.capped.pre_cap.company: a plain decimal with nine decimals at most, such as 0.7",
            ),
            ("15000 USD", "1.234 USD", "split.capped.cap.limit: an amount with at most 2 decimals, such as 12 USD"),
            (
                "15000 USD",
                "92233720368547758.08 USD",
                "split.capped.cap.limit: an amount with at most 2 decimals, such as 12 USD",
            ),
            ("15000 USD", "15000", "split.capped.cap.limit: such as 12.34 USD"),
            ("march1", "april", "split.capped.cap.year.anniversary.leap_day: one of clamp, march1"),
            ("\"programme\"", "\"program\"", "split.capped.cap.program: no such field, only programme, limit, year"),
            ("\"pre_cap\":{\"payee\":\"0.7\",\"company\":\"0.3\"},", "", "split.capped.pre_cap: is missing"),
            ("\"capped\":{", "\"flat\":{}, \"capped\":{", "split: either flat or capped"),
        ] {
            assert!(CAPPED.contains(from));
            assert_eq!(Document::from_json(&CAPPED.replace(from, to)).unwrap_err().to_string(), error);
        }
        assert!(Document::from_json("[]").unwrap_err().to_string().starts_with("document: an object"));
        let unknown = Document::from_json(r#"{"currency":"XYZ","split":{}}"#).unwrap_err().to_string();
        assert!(unknown.starts_with("currency: a currency that the simulator knows: USD, EUR"), "{unknown}");
    }
}
