//! `import`: deals, sales and touches from a table, mapped by its header. Each row is a request of its own; its key is made of its
//! id, so that importing the same table again changes nothing. A sale that is won is two: a table that is filled in later and
//! imported again completes what is new.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::SystemTime;

use ledger_core::attribution::{Attribution, Weight};
use ledger_core::codec;
use ledger_core::credit::touch::{Instant, Touch};
use ledger_core::deal::{self, sale::Sale};
use ledger_core::event::Event;
use ledger_core::id::{Actor, CustomerId, DealId, Key, ModelId, PayeeId, RatesId, Text, TouchId};
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::replay::each_event;
use ledger_core::rate::Rate;
use ledger_core::recorded::Recorded;
use ledger_core::store::StreamAfter;
use ledger_core::stream::StreamId;
use ledger_core::waterfall::Gci;
use ledger_core::{Currency, Date, Money, Request, model, rates, settings};

use crate::Outcome;
use crate::apply::{on_ledger, open};
use crate::error::{BadLine, CliError, Unread};
use crate::pipeline::{Item, read_ahead};
use crate::rows::Rows;
use crate::source::{Source, Target};

/// What `import` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Deals that are done: one row each, recorded and calculated. With a field model they are sales: registered, and completed
    /// once they have a completed_at.
    Deals(File),
    /// Touches of sales: one row each.
    Touches(File),
}

/// A table that is imported.
#[derive(Debug, clap::Args)]
pub struct File {
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
    /// The column that names the deal, or the touch. The request's key is made of it.
    #[arg(long, value_name = "COLUMN")]
    pub id: String,
    /// Which column a field is in; without it the one of the field's own name. Fields of a deal: gci, or price and rate; payee,
    /// or payees such as a:0.6;b:0.4; completed_on; currency. Of a sale: amount, currency, model and rates such as main@2 or
    /// main for the newest, customer, programme, registered_by, completed_at. Of a touch: deal, payee, type, at, weight, role,
    /// milestones such as first;lead.
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = pair)]
    pub map: Vec<(Field, String)>,
    /// A field that is the same in every row.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub set: Vec<(Field, String)>,
}

/// What a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Deals that are done.
    Deals,
    /// Sales.
    Sales,
    /// Touches.
    Touches,
}

impl Kind {
    /// The fields of a row.
    fn fields(self) -> &'static [Field] {
        use Field::{
            Amount, At, CompletedAt, CompletedOn, Currency, Customer, Deal, Gci, Milestones, Model, Payee, Payees,
            Price, Programme, Rate, Rates, RegisteredBy, Role, Type, Weight,
        };
        match self {
            Self::Deals => &[Gci, Price, Rate, Payee, Payees, CompletedOn, Currency],
            Self::Sales => &[Amount, Currency, Model, Rates, Customer, Programme, RegisteredBy, CompletedAt],
            Self::Touches => &[Deal, Payee, Type, At, Weight, Role, Milestones],
        }
    }

    /// Those without which there is no row.
    fn required(self) -> &'static [Field] {
        match self {
            Self::Deals => &[],
            Self::Sales => &[Field::Amount, Field::Model],
            Self::Touches => &[Field::Deal, Field::Payee, Field::Type, Field::At],
        }
    }
}

/// What a row says of its deal or touch.
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
    /// What a sale is worth.
    Amount,
    /// The model that attributes it.
    Model,
    /// The rate plan that pays.
    Rates,
    /// The customer.
    Customer,
    /// The programme that it came through.
    Programme,
    /// Who registered it.
    RegisteredBy,
    /// When it was won.
    CompletedAt,
    /// The deal that was touched.
    Deal,
    /// What a touch was.
    Type,
    /// When it was.
    At,
    /// Its own weight.
    Weight,
    /// The role in which the payee acted.
    Role,
    /// The milestones that it was.
    Milestones,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 20] = [
        Self::Gci,
        Self::Price,
        Self::Rate,
        Self::Payee,
        Self::Payees,
        Self::CompletedOn,
        Self::Currency,
        Self::Amount,
        Self::Model,
        Self::Rates,
        Self::Customer,
        Self::Programme,
        Self::RegisteredBy,
        Self::CompletedAt,
        Self::Deal,
        Self::Type,
        Self::At,
        Self::Weight,
        Self::Role,
        Self::Milestones,
    ];

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
            Self::Amount => "amount",
            Self::Model => "model",
            Self::Rates => "rates",
            Self::Customer => "customer",
            Self::Programme => "programme",
            Self::RegisteredBy => "registered_by",
            Self::CompletedAt => "completed_at",
            Self::Deal => "deal",
            Self::Type => "type",
            Self::At => "at",
            Self::Weight => "weight",
            Self::Role => "role",
            Self::Milestones => "milestones",
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
    let (kind, args) = match args {
        Args::Deals(args) => (Kind::Deals, args),
        Args::Touches(args) => (Kind::Touches, args),
    };
    let (name, input) = open(&args.file)?;
    let mut table = Table::open(&name, kind, input, &args.columns, args.actor)?;
    if !table.names_currency() {
        table.base_currency(base_currency(source).await?);
    }
    if table.plan.kind == Kind::Sales {
        table.plan.newest = newest(source).await?;
    }
    on_ledger(source, args.dry_run, &name, read_ahead(move || table.read())).await
}

/// A table of deals, sales or touches, read row by row.
pub struct Table<R> {
    rows: Rows<R>,
    plan: Plan,
    /// The second request of a row.
    next: Option<(u64, Request)>,
}

impl<R: BufRead> Table<R> {
    /// Reads the header of the table that is called `name`, and finds the columns in it.
    pub fn open(name: &str, kind: Kind, input: R, columns: &Columns, actor: Actor) -> Result<Self, CliError> {
        let mut rows = Rows::new(input);
        let header = header(name, &mut rows)?;
        let refused = |reason: String| CliError::Input { path: name.to_owned(), line: 1, reason };
        let plan = Plan::new(kind, columns, actor, &header).map_err(refused)?;
        Ok(Self { rows, plan, next: None })
    }

    /// Whether every row says the currency of its amounts. Otherwise [`Table::base_currency`] has to.
    pub fn names_currency(&self) -> bool {
        self.plan.kind == Kind::Touches || self.plan.sources.contains_key(&Field::Currency)
    }

    /// What the table is of.
    pub fn kind(&self) -> Kind {
        self.plan.kind
    }

    /// Says the currency of all amounts.
    pub fn base_currency(&mut self, currency: Currency) {
        self.plan.base_currency = Some(currency);
    }

    /// The next row's first line and its request, or what is wrong with it; none at the end. A sale that is won is two requests
    /// of one line.
    pub fn read(&mut self) -> io::Result<Option<Item>> {
        if let Some((line, request)) = self.next.take() {
            return Ok(Some((line, Ok(request))));
        }
        let Some((line, row)) = self.rows.next()? else { return Ok(None) };
        let mut requests = match row.map_err(Unread::from).and_then(|row| self.plan.item(&row)) {
            Ok(requests) => requests,
            Err(unread) => return Ok(Some((line, Err(unread)))),
        };
        let first = requests.pop_front();
        self.next = requests.pop_front().map(|second| (line, second));
        Ok(first.map(|first| (line, Ok(first))))
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

/// The newest version of each model and rate plan in the ledger.
async fn newest(source: &Source) -> Result<Newest, CliError> {
    let mut newest = Newest::default();
    if matches!(&source.target, Target::Sqlite(path) if !path.exists()) {
        return Ok(newest);
    }
    let store = source.read().await?;
    let tell = |recorded: &Recorded| match &recorded.event {
        Event::Model(model::Event::Published { model, version, .. }) => {
            newest.models.insert(model.clone(), *version);
        }
        Event::Rates(rates::Event::Published { rates, version, .. }) => {
            newest.rates.insert(rates.clone(), *version);
        }
        Event::Deal(deal::Event::Registered { deal, basis: deal::Basis::Sale(sale), .. }) => {
            newest.sales.insert(deal.clone(), (sale.model.clone(), sale.rates.clone()));
        }
        _ => {}
    };
    each_event(store.as_ref(), &source.ledger, PAGE_EVENTS, |_| {}, tell).await?;
    Ok(newest)
}

/// Where the fields of a row come from.
struct Plan {
    id: (usize, String),
    sources: BTreeMap<Field, Origin>,
    columns: usize,
    base_currency: Option<Currency>,
    actor: Actor,
    kind: Kind,
    newest: Newest,
}

/// The newest version of each model and rate plan.
#[derive(Default)]
struct Newest {
    models: BTreeMap<ModelId, u32>,
    rates: BTreeMap<RatesId, u32>,
    /// Those that were the newest when a sale was registered: its row stays the same request.
    sales: BTreeMap<DealId, (model::Chosen, Option<rates::Chosen>)>,
}

enum Origin {
    Column(usize, String),
    Value(String),
}

impl Plan {
    fn new(kind: Kind, columns: &Columns, actor: Actor, header: &[String]) -> Result<Self, String> {
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
        let is_sale = sources.contains_key(&Field::Model) || find(Field::Model.name())?.is_some();
        let kind = if kind == Kind::Deals && is_sale { Kind::Sales } else { kind };
        if let Some(field) = sources.keys().find(|field| !kind.fields().contains(field)) {
            let fields: Vec<_> = kind.fields().iter().map(|field| field.name()).collect();
            return Err(format!("{} is no field of this table, which has {}", field.name(), fields.join(", ")));
        }
        let asked = |field: &Field| sources.contains_key(field);
        let priced = asked(&Field::Price) || asked(&Field::Rate);
        let by_name = kind.fields().iter().copied().filter(|field| match field {
            // What was said on the command line goes before what a column happens to be called.
            Field::Gci => !priced,
            Field::Price | Field::Rate => !asked(&Field::Gci),
            Field::Payee => !asked(&Field::Payees),
            Field::Payees => !asked(&Field::Payee),
            _ => true,
        });
        let by_name: Vec<_> = by_name.filter(|field| !asked(field)).collect();
        for field in by_name {
            if let Some((index, name)) = find(field.name())? {
                sources.insert(field, Origin::Column(index, name));
            }
        }
        let is_won_on = sources.contains_key(&Field::CompletedAt) || find(Field::CompletedOn.name())?.is_none();
        if kind == Kind::Sales && !is_won_on {
            return Err("a sale is won at an instant, by which its touches count, such as 2026-01-10T17:00:00Z: say \
                 completed_at in place of completed_on"
                .into());
        }
        let (columns, newest) = (header.len(), Newest::default());
        let plan = Self { id, sources, columns, base_currency: None, actor, kind, newest };
        plan.validate()?;
        Ok(plan)
    }

    fn validate(&self) -> Result<(), String> {
        let has = |field| self.sources.contains_key(&field);
        let name = |field: Field| format!("--map {}=COLUMN", field.name());
        if let Some(field) = self.kind.required().iter().find(|field| !has(**field)) {
            return Err(format!("{} is missing: say {}", field.name(), name(*field)));
        }
        if self.kind != Kind::Deals {
            return Ok(());
        }
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

    fn item(&self, row: &[String]) -> Result<VecDeque<Request>, Unread> {
        let key = || self.id(row).ok().map(|(_, key)| key.to_string());
        self.requests(row).map_err(|bad| Unread { key: key(), bad })
    }

    fn requests(&self, row: &[String]) -> Result<VecDeque<Request>, BadLine> {
        match self.kind {
            Kind::Deals => Ok([self.request(row)?].into()),
            Kind::Sales => self.sale(row),
            Kind::Touches => Ok([self.touch(row)?].into()),
        }
    }

    /// The deal or touch that a row is of, and the key that its request has.
    fn id(&self, row: &[String]) -> Result<(String, Key), BadLine> {
        if row.len() != self.columns {
            return Err(BadLine::Columns { expected: self.columns, found: row.len() });
        }
        let (index, column) = &self.id;
        let id = row.get(*index).map_or("", |cell| cell.trim());
        let named = |reason: String| BadLine::Field { field: column.clone(), reason };
        // Touches, as deals, are named by what begins with a letter or a digit and has no blanks.
        DealId::new(id).map_err(|error| named(error.to_string()))?;
        let key = match self.kind {
            Kind::Deals | Kind::Sales => format!("import.deal:{id}"),
            // A touch is named within its deal.
            Kind::Touches => {
                let deal: DealId =
                    self.read(row, Field::Deal, |text| DealId::new(text).map_err(|error| error.to_string()))?;
                format!("import.touch:{deal}/{id}")
            }
        };
        let key = Key::new(&key).map_err(|error| named(error.to_string()))?;
        Ok((id.to_owned(), key))
    }

    fn deal_id(&self, id: &str) -> Result<DealId, BadLine> {
        DealId::new(id).map_err(|error| BadLine::Field { field: self.id.1.clone(), reason: error.to_string() })
    }

    fn asked(&self, key: Key, command: deal::Command) -> Request {
        Request { key, actor: self.actor.clone(), at: SystemTime::now().into(), command: command.into() }
    }

    /// A sale, and its completion if it has one.
    fn sale(&self, row: &[String]) -> Result<VecDeque<Request>, BadLine> {
        let (id, key) = self.id(row)?;
        let deal = self.deal_id(&id)?;
        let (known_model, known_rates) =
            self.newest.sales.get(&deal).map(|(model, rates)| (model, rates.as_ref())).unzip();
        let known_model = known_model.map(|known| (&known.model, known.version));
        let known_rates = known_rates.flatten().map(|known| (&known.rates, known.version));
        let (model, version) =
            self.read(row, Field::Model, |text| version_of(text, known_model, &self.newest.models))?;
        let rates = self.maybe(row, Field::Rates, |text| version_of(text, known_rates, &self.newest.rates))?;
        let sale = Sale {
            amount: Some(self.read(row, Field::Amount, |text| self.amount(row, text))?),
            lines: Vec::new(),
            customer: self.maybe(row, Field::Customer, named(CustomerId::new))?,
            programme: self.maybe(row, Field::Programme, named(Text::new))?,
            model: model::Chosen { model, version },
            rates: rates.map(|(rates, version)| rates::Chosen { rates, version }),
            registered_by: self.maybe(row, Field::RegisteredBy, named(PayeeId::new))?,
            custom: Vec::new(),
            overlays: Vec::new(),
        };
        let completed_at = self.maybe(row, Field::CompletedAt, named(Instant::parse))?;
        let register = deal::Command::RegisterSale { deal: deal.clone(), sale: Box::new(sale) };
        let mut requests = VecDeque::from([self.asked(key, register)]);
        if let Some(completed_at) = completed_at {
            let key = self.read(row, Field::CompletedAt, |_| named(Key::new)(&format!("import.sale:{id}")))?;
            let complete = deal::Command::CompleteSale { deal, completed_at, cutoff: None };
            requests.push_back(self.asked(key, complete));
        }
        Ok(requests)
    }

    fn touch(&self, row: &[String]) -> Result<Request, BadLine> {
        let (id, key) = self.id(row)?;
        let touch = TouchId::new(&id);
        let touch = touch.map_err(|error| BadLine::Field { field: self.id.1.clone(), reason: error.to_string() })?;
        let milestones = |text: &str| text.split(';').map(|one| named(Text::new)(one.trim())).collect();
        let touch = Touch {
            touch,
            payee: self.read(row, Field::Payee, named(PayeeId::new))?,
            kind: self.read(row, Field::Type, named(Text::new))?,
            at: self.read(row, Field::At, named(Instant::parse))?,
            weight: self.maybe(row, Field::Weight, named(Rate::parse))?,
            role: self.maybe(row, Field::Role, named(Text::new))?,
            milestones: self.maybe(row, Field::Milestones, milestones)?.unwrap_or_default(),
        };
        let deal = self.read(row, Field::Deal, named(DealId::new))?;
        Ok(self.asked(key, deal::Command::Touch { deal, touch }))
    }

    fn request(&self, row: &[String]) -> Result<Request, BadLine> {
        let (id, key) = self.id(row)?;
        let deal = self.deal_id(&id)?;
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
        Ok(self.asked(key, deal::Command::Record { deal, gci, attribution, completed_on }))
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

    /// What stands in a field, unless that is empty.
    fn maybe<T>(
        &self,
        row: &[String],
        field: Field,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadLine> {
        let is_empty = self.cell(row, field).is_none_or(|(_, text)| text.is_empty());
        if is_empty { Ok(None) } else { self.read(row, field, read).map(Some) }
    }

    /// The column's name, and what stands in it.
    fn cell<'a>(&'a self, row: &'a [String], field: Field) -> Option<(&'a str, &'a str)> {
        match self.sources.get(&field)? {
            Origin::Column(index, name) => Some((name, row.get(*index)?.trim())),
            Origin::Value(value) => Some((field.name(), value)),
        }
    }
}

/// Reads a cell, or says what is wrong with it.
fn named<T, E: ToString>(read: impl Fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<T, String> {
    move |text| read(text).map_err(|error| error.to_string())
}

/// `main@2`, or `main` for the version that is known of it here, or else the newest.
fn version_of<N>(text: &str, known: Option<(&N, u32)>, newest: &BTreeMap<N, u32>) -> Result<(N, u32), String>
where
    N: Ord + std::str::FromStr,
    N::Err: ToString,
{
    let name = |name: &str| name.parse::<N>().map_err(|error| error.to_string());
    // A name may hold an @, so the version is what follows the last one and is a number.
    if let Some((before, version)) = text.rsplit_once('@')
        && let Ok(version) = version.parse()
    {
        return Ok((name(before)?, version));
    }
    let name = name(text)?;
    let known = known.filter(|(known, _)| **known == name).map(|(_, version)| version);
    let version = known.or(newest.get(&name).copied()).ok_or_else(|| format!("{text:?} was never published"))?;
    Ok((name, version))
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
            deals: File,
        }
        let args = ["x", "f.csv", "--id", "id"].iter().chain(options);
        let only = <Only as clap::Parser>::try_parse_from(args).unwrap();
        let header: Vec<String> = header.iter().map(ToString::to_string).collect();
        let mut plan = Plan::new(Kind::Deals, &only.deals.columns, only.deals.actor, &header)?;
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
