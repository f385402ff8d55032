//! `import deals`: deals from a table, mapped by its header. Each row is a request of its own; its key is made of its id, so
//! that importing the same table again changes nothing.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::SystemTime;

use ledger_core::attribution::{Attribution, Weight};
use ledger_core::codec;
use ledger_core::deal;
use ledger_core::event::Event;
use ledger_core::id::{Actor, DealId, Key, PayeeId};
use ledger_core::rate::Rate;
use ledger_core::store::StreamAfter;
use ledger_core::stream::StreamId;
use ledger_core::waterfall::Gci;
use ledger_core::{Currency, Date, Money, Request, settings};

use crate::Outcome;
use crate::apply::{on_ledger, open};
use crate::error::{BadLine, CliError, Unread};
use crate::pipeline::{Item, read_ahead};
use crate::rows::Rows;
use crate::source::{Source, Target};

/// What `import` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Deals that are done: one row each, recorded and calculated.
    Deals(Deals),
}

/// What `import deals` is asked.
#[derive(Debug, clap::Args)]
pub struct Deals {
    /// A CSV file with a header; - for standard input.
    file: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// Who asks.
    #[arg(long, default_value = "import")]
    actor: Actor,
    /// Says what would come of it, on a copy of the ledger, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Where in the table what is.
#[derive(Debug, Clone, clap::Args)]
pub struct Columns {
    /// The column that names the deal. The request's key is made of it.
    #[arg(long, value_name = "COLUMN")]
    pub id: String,
    /// Which column a field is in; without it the one of the field's own name. Fields: gci, or price and rate; payee, or
    /// payees such as a:0.6;b:0.4; completed_on; currency.
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = pair)]
    pub map: Vec<(Field, String)>,
    /// A field that is the same in every row.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub set: Vec<(Field, String)>,
}

/// What a row says of its deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The commission.
    Gci,
    /// The price, of which the commission is a part.
    Price,
    /// Which part of the price it is.
    Rate,
    /// The only payee.
    Payee,
    /// The payees, with their weights.
    Payees,
    /// The day on which it was done.
    CompletedOn,
    /// The currency of its amounts.
    Currency,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 7] =
        [Self::Gci, Self::Price, Self::Rate, Self::Payee, Self::Payees, Self::CompletedOn, Self::Currency];

    /// The field as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gci => "gci",
            Self::Price => "price",
            Self::Rate => "rate",
            Self::Payee => "payee",
            Self::Payees => "payees",
            Self::CompletedOn => "completed_on",
            Self::Currency => "currency",
        }
    }
}

fn pair(text: &str) -> Result<(Field, String), String> {
    let (field, value) = text.split_once('=').ok_or("write FIELD=…")?;
    let known = || Field::ALL.map(Field::name).join(", ");
    let field = Field::ALL.into_iter().find(|known| known.name() == field);
    Ok((field.ok_or_else(|| format!("the fields are {}", known()))?, value.to_owned()))
}

/// Imports a table.
pub(crate) async fn run(source: &Source, args: Args) -> Result<Outcome, CliError> {
    let Args::Deals(args) = args;
    let (name, input) = open(&args.file)?;
    let mut table = Table::open(&name, input, &args.columns, args.actor)?;
    if !table.names_currency() {
        table.base_currency(base_currency(source).await?);
    }
    on_ledger(source, args.dry_run, &name, read_ahead(move || table.read())).await
}

/// A table of deals, read row by row.
pub struct Table<R> {
    rows: Rows<R>,
    plan: Plan,
}

impl<R: BufRead> Table<R> {
    /// Reads the header of the table that is called `name`, and finds the columns in it.
    pub fn open(name: &str, input: R, columns: &Columns, actor: Actor) -> Result<Self, CliError> {
        let mut rows = Rows::new(input);
        let header = header(name, &mut rows)?;
        let refused = |reason: String| CliError::Input { path: name.to_owned(), line: 1, reason };
        let plan = Plan::new(columns, actor, &header).map_err(refused)?;
        Ok(Self { rows, plan })
    }

    /// Whether every row says the currency of its amounts. Otherwise [`Table::base_currency`] has to.
    pub fn names_currency(&self) -> bool {
        self.plan.sources.contains_key(&Field::Currency)
    }

    /// Says the currency of all amounts.
    pub fn base_currency(&mut self, currency: Currency) {
        self.plan.base_currency = Some(currency);
    }

    /// The next row's first line and its request, or what is wrong with it; none at the end.
    pub fn read(&mut self) -> io::Result<Option<Item>> {
        let next = self.rows.next()?;
        Ok(next.map(|(line, row)| (line, row.map_err(Unread::from).and_then(|row| self.plan.item(&row)))))
    }
}

fn header(name: &str, rows: &mut Rows<impl BufRead>) -> Result<Vec<String>, CliError> {
    let read = rows.next().map_err(|source| CliError::File { path: name.to_owned(), source })?;
    let input = |line, reason| CliError::Input { path: name.to_owned(), line, reason };
    match read {
        Some((_, Ok(header))) => Ok(header),
        Some((line, Err(bad))) => Err(input(line, format!("the header cannot be read: {bad}"))),
        None => Err(input(1, "the file is empty: it should begin with a header".into())),
    }
}

/// The currency of deals that name none.
async fn base_currency(source: &Source) -> Result<Currency, CliError> {
    let unopened = || CliError::Refused(settings::Rejection::NotOpen.to_string());
    if matches!(&source.target, Target::Sqlite(path) if !path.exists()) {
        return Err(unopened());
    }
    let store = source.read().await?;
    let settings = StreamAfter { stream: StreamId::Settings.name(), after: 0 };
    let page = store.read_streams(&source.ledger, &[settings], None, 1).await.map_err(source.blame())?;
    let opened =
        page.events.first().and_then(|row| codec::decode(&row.type_name, row.schema_version, &row.payload).ok());
    match opened {
        Some(Event::Settings(settings::Event::Opened { base_currency, .. })) => Ok(base_currency),
        _ => Err(unopened()),
    }
}

/// Where the fields of a row come from.
struct Plan {
    id: (usize, String),
    sources: BTreeMap<Field, Origin>,
    columns: usize,
    base_currency: Option<Currency>,
    actor: Actor,
}

enum Origin {
    Column(usize, String),
    Value(String),
}

impl Plan {
    fn new(columns: &Columns, actor: Actor, header: &[String]) -> Result<Self, String> {
        let find = |column: &str| {
            let mut found = header.iter().enumerate().filter(|(_, name)| name.trim() == column);
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(Some((index, column.to_owned()))),
                (None, _) => Ok(None),
                (Some(_), Some(_)) => Err(format!("the header has column {column:?} twice")),
            }
        };
        let must = |column: &str| {
            let missing = || format!("the header has no column {column:?}; it has {}", header.join(", "));
            find(column)?.ok_or_else(missing)
        };
        let id = must(&columns.id)?;
        let mut sources = BTreeMap::new();
        for (field, column) in &columns.map {
            let (index, name) = must(column)?;
            if sources.insert(*field, Origin::Column(index, name)).is_some() {
                return Err(format!("{} is mapped twice", field.name()));
            }
        }
        for (field, value) in &columns.set {
            if sources.insert(*field, Origin::Value(value.clone())).is_some() {
                return Err(format!("{} is both mapped and set, or set twice", field.name()));
            }
        }
        let asked = |field: &Field| sources.contains_key(field);
        let priced = asked(&Field::Price) || asked(&Field::Rate);
        let by_name = Field::ALL.into_iter().filter(|field| match field {
            // What was said on the command line goes before what a column happens to be called.
            Field::Gci => !priced,
            Field::Price | Field::Rate => !asked(&Field::Gci),
            Field::Payee => !asked(&Field::Payees),
            Field::Payees => !asked(&Field::Payee),
            Field::CompletedOn | Field::Currency => true,
        });
        let by_name: Vec<_> = by_name.filter(|field| !asked(field)).collect();
        for field in by_name {
            if let Some((index, name)) = find(field.name())? {
                sources.insert(field, Origin::Column(index, name));
            }
        }
        let plan = Self { id, sources, columns: header.len(), base_currency: None, actor };
        plan.validate()?;
        Ok(plan)
    }

    fn validate(&self) -> Result<(), String> {
        let has = |field| self.sources.contains_key(&field);
        let name = |field: Field| format!("--map {}=COLUMN", field.name());
        match (has(Field::Gci), has(Field::Price), has(Field::Rate)) {
            (true, false, false) | (false, true, true) => {}
            (true, ..) => {
                return Err(format!(
                    "the table has both gci and price or rate: say which counts with {}",
                    name(Field::Gci)
                ));
            }
            (false, ..) => {
                return Err(format!("the commission is missing: say {}, or price and rate", name(Field::Gci)));
            }
        }
        match (has(Field::Payee), has(Field::Payees)) {
            (true, false) | (false, true) => {}
            (true, true) => {
                return Err(format!(
                    "the table has both payee and payees: say which counts with {}",
                    name(Field::Payee)
                ));
            }
            (false, false) => return Err(format!("the payee is missing: say {}", name(Field::Payee))),
        }
        if has(Field::CompletedOn) {
            Ok(())
        } else {
            Err(format!("the day is missing: say {}", name(Field::CompletedOn)))
        }
    }

    fn item(&self, row: &[String]) -> Result<Request, Unread> {
        let key = || self.id(row).ok().map(|(_, key)| key.to_string());
        self.request(row).map_err(|bad| Unread { key: key(), bad })
    }

    /// The deal that a row is of, and the key that its request has.
    fn id(&self, row: &[String]) -> Result<(DealId, Key), BadLine> {
        if row.len() != self.columns {
            return Err(BadLine::Columns { expected: self.columns, found: row.len() });
        }
        let (index, column) = &self.id;
        let id = row.get(*index).map_or("", |cell| cell.trim());
        let named = |reason: String| BadLine::Field { field: column.clone(), reason };
        let deal = DealId::new(id).map_err(|error| named(error.to_string()))?;
        let key = Key::new(&format!("import.deal:{id}")).map_err(|error| named(error.to_string()))?;
        Ok((deal, key))
    }

    fn request(&self, row: &[String]) -> Result<Request, BadLine> {
        let (deal, key) = self.id(row)?;
        let gci = if self.sources.contains_key(&Field::Gci) {
            Gci::Amount(self.read(row, Field::Gci, |text| self.amount(row, text))?)
        } else {
            Gci::OfPrice {
                price: self.read(row, Field::Price, |text| self.amount(row, text))?,
                rate: self.read(row, Field::Rate, |text| Rate::parse(text).map_err(|error| error.to_string()))?,
            }
        };
        let attribution = if self.sources.contains_key(&Field::Payee) {
            let payee = self.read(row, Field::Payee, |text| PayeeId::new(text).map_err(|error| error.to_string()))?;
            Attribution::Equal(vec![payee])
        } else {
            self.read(row, Field::Payees, payees)?
        };
        let completed_on: Date = self.read(row, Field::CompletedOn, |text| {
            text.parse().map_err(|error| format!("{text:?} is no day such as 2026-01-31: {error}"))
        })?;
        let command = deal::Command::Record { deal, gci, attribution, completed_on }.into();
        Ok(Request { key, actor: self.actor.clone(), at: SystemTime::now().into(), command })
    }

    fn amount(&self, row: &[String], text: &str) -> Result<Money, String> {
        let named = |text: &str| Currency::of(text).map_err(|error| error.to_string());
        let currency = match (self.base_currency, self.cell(row, Field::Currency)) {
            (Some(currency), _) => currency,
            (None, Some((_, text))) => named(text)?,
            (None, None) => return Err("the currency is missing".into()),
        };
        Money::parse_amount(text, currency).map_err(|error| error.to_string())
    }

    fn read<T>(&self, row: &[String], field: Field, read: impl Fn(&str) -> Result<T, String>) -> Result<T, BadLine> {
        let (column, text) = self.cell(row, field).unwrap_or((field.name(), ""));
        read(text).map_err(|reason| BadLine::Field { field: column.to_owned(), reason })
    }

    /// The column's name, and what stands in it.
    fn cell<'a>(&'a self, row: &'a [String], field: Field) -> Option<(&'a str, &'a str)> {
        match self.sources.get(&field)? {
            Origin::Column(index, name) => Some((name, row.get(*index)?.trim())),
            Origin::Value(value) => Some((field.name(), value)),
        }
    }
}

/// `a:0.6;b:0.4`, or `a;b` for equal parts.
fn payees(text: &str) -> Result<Attribution, String> {
    let payee = |name: &str| PayeeId::new(name.trim()).map_err(|error| error.to_string());
    let parts: Vec<&str> = text.split(';').collect();
    // A payee's name may hold a colon, so the weight is what follows the last one and reads as a number.
    let weight = |part: &&str| {
        let (name, rate) = part.rsplit_once(':')?;
        Some((name.to_owned(), Rate::parse(rate.trim())))
    };
    let weights: Vec<_> = parts.iter().filter_map(weight).collect();
    if weights.is_empty() {
        return Ok(Attribution::Equal(parts.into_iter().map(payee).collect::<Result<_, _>>()?));
    }
    if weights.len() < parts.len() {
        return Err(format!(
            "{text:?} gives a weight to some and not to others: write a:0.6;b:0.4, or a;b for equal parts"
        ));
    }
    let weights = weights
        .into_iter()
        .map(|(name, rate)| Ok(Weight { payee: payee(&name)?, weight: rate.map_err(|error| error.to_string())? }));
    Ok(Attribution::Custom(weights.collect::<Result<_, String>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(options: &[&str], header: &[&str]) -> Result<Plan, String> {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            deals: Deals,
        }
        let args = ["x", "f.csv", "--id", "id"].iter().chain(options);
        let only = <Only as clap::Parser>::try_parse_from(args).unwrap();
        let header: Vec<String> = header.iter().map(ToString::to_string).collect();
        let mut plan = Plan::new(&only.deals.columns, only.deals.actor, &header)?;
        plan.base_currency = Currency::of("USD").ok();
        Ok(plan)
    }

    fn read(plan: &Plan, row: &[&str]) -> Result<Request, BadLine> {
        plan.request(&row.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_row_is_mapped_by_its_header() {
        let plan = plan(
            &["--map", "price=Sale", "--set", "rate=0.03", "--map", "completed_on=Day"],
            &["Day", "id", "Sale", "payees", "gci"],
        )
        .unwrap();
        let request = read(&plan, &["2026-01-31", "d-1", "100000.00", "a:0.6; b:0.4", "7"]).unwrap();
        let command = serde_json::to_string(&request.command).unwrap();
        assert!(command.contains(r#""of_price":{"price":"100000.00 USD","rate":"0.03"}"#), "{command}");
        assert!(command.contains(r#"{"payee":"b","weight":"0.4"}"#), "{command}");
        assert_eq!(request.key.as_str(), "import.deal:d-1");
    }

    #[test]
    fn a_header_that_leaves_a_choice_or_a_field_open_is_refused() {
        let fault = |options: &[&str], header: &[&str]| plan(options, header).err().unwrap();
        assert!(fault(&[], &["id", "gci", "price", "rate", "payee", "completed_on"]).contains("both gci and price"));
        assert!(fault(&[], &["id", "price", "payee", "completed_on"]).contains("commission is missing"));
        assert!(fault(&[], &["id", "gci", "completed_on"]).contains("payee is missing"));
        assert!(fault(&[], &["id", "gci", "payee"]).contains("day is missing"));
        assert!(fault(&[], &["gci", "payee", "completed_on"]).contains("no column \"id\""));
        assert!(fault(&[], &["id", "id", "gci", "payee", "completed_on"]).contains("twice"));
        assert!(fault(&["--map", "gci=Fee"], &["id", "gci", "payee", "completed_on"]).contains("no column \"Fee\""));
        assert!(plan(&["--map", "gci=gci"], &["id", "gci", "price", "rate", "payee", "completed_on"]).is_ok());
    }

    #[test]
    fn a_bad_cell_is_told_with_its_column() {
        let plan = plan(&[], &["id", "gci", "payee", "completed_on"]).unwrap();
        let fault = |row: &[&str]| {
            let bad = read(&plan, row).unwrap_err();
            bad.field().unwrap_or(bad.kind()).to_owned()
        };
        assert_eq!(fault(&["d", "1.234", "a", "2026-01-31"]), "gci");
        assert_eq!(fault(&["d", "1e3", "a", "2026-01-31"]), "gci");
        assert_eq!(fault(&["d", "1,000.00", "a", "2026-01-31"]), "gci");
        assert_eq!(fault(&["d", "1", "", "2026-01-31"]), "payee");
        assert_eq!(fault(&["d", "1", "a", "31.01.2026"]), "completed_on");
        assert_eq!(fault(&["=d", "1", "a", "2026-01-31"]), "id");
        assert_eq!(fault(&["d", "1", "a"]), "wrong_column_count");
        assert!(payees("a:0.6;b").is_err());
    }
}
