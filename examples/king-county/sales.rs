//! Reads the sales: strictly, and as a whole before anything is done with them, so that a bad file changes nothing.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledger_core::Date;
use ledger_core::calendar::CapYearRule;
use ledger_core::id::{DealId, PayeeId};
use ledger_core::money::{Currency, Money};
use thiserror::Error;

const HEADER: &str = "close_date,property_id,sale_price_usd,zipcode";

/// One home sale, in the ledger's words.
pub struct Sale {
    pub closed_on: Date,
    pub deal: DealId,
    pub price: Money,
    pub payee: PayeeId,
}

impl Sale {
    /// The month that it is paid with, such as `2014-05`.
    pub fn month(&self) -> String {
        self.closed_on.format("%Y-%m").to_string()
    }
}

/// Why the sales are not read.
#[derive(Debug, Error)]
pub enum BadSales {
    #[error("{}: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{}:{line}: {field}: {what}", file.display())]
    Wrong { file: PathBuf, line: usize, field: &'static str, what: String },
}

/// A field, and what is wrong with it.
type Wrong = (&'static str, String);

/// Reads a file of sales, which must be sorted by date.
pub fn read(file: &Path) -> Result<Vec<Sale>, BadSales> {
    let bytes = fs::read(file).map_err(|error| BadSales::Unreadable { file: file.into(), error })?;
    let bad = |line, (field, what): Wrong| BadSales::Wrong { file: file.into(), line, field, what };
    let mut lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n').map(without_end));
    if lines.next().is_none_or(|(_, header)| header != HEADER.as_bytes()) {
        return Err(bad(1, ("header", format!("the first line must be {HEADER}"))));
    }
    let mut sales: Vec<Sale> = Vec::new();
    let mut sold = HashMap::new();
    for (line, text) in lines {
        let sale = sale(text).map_err(|wrong| bad(line, wrong))?;
        if let Some(before) = sales.last().filter(|before| sale.closed_on < before.closed_on) {
            let what = format!("{} follows {}: sort the file by date", sale.closed_on, before.closed_on);
            return Err(bad(line, ("close_date", what)));
        }
        if let Some(first) = sold.insert(sale.deal.clone(), line) {
            return Err(bad(line, ("property_id", format!("is sold on the same day in line {first} already"))));
        }
        sales.push(sale);
    }
    Ok(sales)
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn sale(line: &[u8]) -> Result<Sale, Wrong> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
    let &[date, property, price, zipcode] = fields.as_slice() else {
        return Err(("row", format!("has {} fields where the header has 4", fields.len())));
    };
    let closed_on = field("close_date", date, |text| {
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        let date = date.ok_or_else(|| format!("{:?} is not a date such as 2014-05-02", start(text)))?;
        CapYearRule::calendar().year_of(None, date)?; // only years that a ledger keeps
        Ok(date)
    })?;
    let deal = field("property_id", property, |text| {
        DealId::new(text)?;
        Ok(DealId::new(&format!("{closed_on}-{text}"))?)
    })?;
    let price = field("sale_price_usd", price, |text| {
        let price = Money::parse_amount(text, Currency::of("USD")?)?;
        if price.is_negative() { Err(format!("{price} is below zero").into()) } else { Ok(price) }
    })?;
    let payee = field("zipcode", zipcode, |text| {
        PayeeId::new(text)?;
        Ok(PayeeId::new(&format!("zip-{text}"))?)
    })?;
    Ok(Sale { closed_on, deal, price, payee })
}

fn field<'a, T>(
    name: &'static str,
    bytes: &'a [u8],
    read: impl FnOnce(&'a str) -> Result<T, Box<dyn std::error::Error>>,
) -> Result<T, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|error| (name, format!("is not UTF-8: {error}")))?;
    read(text).map_err(|error| (name, error.to_string()))
}

/// Enough of a text to recognise it.
fn start(text: &str) -> String {
    text.chars().take(40).collect()
}
