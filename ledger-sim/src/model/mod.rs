//! What a ledger must do, written down once more from its documents: for every request, in the order of the log, whether it is
//! accepted or refused, and which events exactly are stored if it is accepted.
//!
//! It shares no code and no type with the ledger. Amounts are whole minor units, rates are billionths, dates are numbers, and
//! what is stored is text. A request is judged without changing anything; what is accepted is then put in. Keys are not its
//! business: whoever sends a request again looks its receipt up first.

mod account;
mod attainment;
pub mod attribution;
mod calendar;
mod cap;
mod customer;
mod deal;
mod exact;
mod json;
mod money;
mod names;
mod payee;
mod payout;
mod plan;
mod published;
mod reports;
mod sale;
mod settings;
mod spend;
mod table;
pub mod waterfall;

use std::fmt::Display;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

pub use account::{Account, Entry, Source, State};
pub use attainment::Attainment;
pub use cap::{Cap, Reached};
pub use deal::{Basis, Deal, Earned, Stage as DealStage};
pub use payee::{Assignment, Particulars, Payee};
pub use payout::{Payout, Stage};
pub use plan::{Plan, Version};
pub use published::{Edition, Published};
pub use reports::{Balance, Year};
pub use sale::{Credit, Payment, Sold};
pub use table::Table;
pub use waterfall::{Holder, Totals};

use crate::act::{Act, Amount, Ask, Code, Day};
use crate::sale::{Model as AttributionModel, Rates};
use customer::Earnings;
use plan::Programme;
use settings::Settings;

/// One ledger, as its log leaves it.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The ledger's name.
    pub ledger: String,
    settings: Option<Settings>,
    payees: Table<Payee>,
    plans: Table<Plan>,
    programmes: Table<Programme>,
    models: Table<Published<AttributionModel>>,
    rates: Table<Published<Rates>>,
    deals: Table<Deal>,
    /// By the names of their streams.
    caps: Table<Cap>,
    /// By the names of their streams.
    attainments: Table<Attainment>,
    /// By the names of their streams.
    accounts: Table<Account>,
    payouts: Table<Payout>,
    /// The payout of each payment reference, by the name of its stream.
    references: FxHashMap<String, String>,
    /// What was spent of each limit, by account.
    spent: FxHashMap<String, i128>,
    /// By the names of their streams.
    customers: FxHashMap<String, Earnings>,
}

/// An event that must be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The name of its stream.
    pub stream: String,
    /// Its type.
    pub type_name: &'static str,
    /// Its business day.
    pub effective: Day,
    /// Its bytes.
    pub payload: String,
}

/// Why a request must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// What it says breaks the rules for names, texts, dates or numbers.
    Malformed,
    /// The ledger is not open.
    NotOpen,
    /// The organization has switched it off.
    SwitchedOff,
    /// It would change nothing.
    Unchanged,
    /// It is in the ledger already, under another key.
    AlreadyKnown,
    /// It names something that there is not.
    Unknown,
    /// The name, the reference or the days are taken.
    Taken,
    /// The thing is not where the request needs it to be.
    WrongState,
    /// Somebody else must ask, or nobody may.
    NotAllowed,
    /// The payee has no plan, or none with a cap, on that day.
    NoPlan,
    /// The day lies outside of what there is.
    WrongDay,
    /// The currencies differ.
    WrongCurrency,
    /// The amount, the shares or the weights are not what they must be.
    WrongAmount,
    /// It names none, one twice, or more than there may be.
    WrongCount,
    /// Two things in it, or two plans that it rests on, exclude one another.
    Conflicting,
    /// A number does not fit.
    TooLarge,
}

impl From<waterfall::Code> for Why {
    fn from(code: waterfall::Code) -> Self {
        use waterfall::Code;
        match code {
            Code::Malformed => Self::Malformed,
            Code::UnknownPlan | Code::UnknownPayee => Self::Unknown,
            Code::NoPlan => Self::NoPlan,
            Code::OverlappingPlans | Code::NamedTwice | Code::TooMany => Self::WrongCount,
            Code::WrongCurrency => Self::WrongCurrency,
            Code::Negative
            | Code::NotPositive
            | Code::SharesDoNotSum
            | Code::WeightsDoNotSum
            | Code::RateOutOfBounds
            | Code::ExceedsCommission
            | Code::Deficit => Self::WrongAmount,
            Code::Tiers | Code::Order | Code::Conflicting | Code::ProgrammesDiffer | Code::PlansDisagree => {
                Self::Conflicting
            }
            Code::BeforeFirstYear | Code::Year => Self::WrongDay,
            Code::Overflow => Self::TooLarge,
        }
    }
}

impl From<attribution::Code> for Why {
    fn from(code: attribution::Code) -> Self {
        use attribution::Code;
        match code {
            Code::Malformed => Self::Malformed,
            Code::UnknownPayee | Code::UnknownModel | Code::UnknownRates | Code::UnknownType | Code::UnknownClass => {
                Self::Unknown
            }
            Code::WrongCurrency => Self::WrongCurrency,
            Code::Negative
            | Code::NotPositive
            | Code::WeightsDoNotSum
            | Code::RateOutOfBounds
            | Code::TooMuchCollected => Self::WrongAmount,
            Code::NamedTwice | Code::TooMany => Self::WrongCount,
            Code::Conflicting | Code::NoLines | Code::Nobody | Code::NeverReached => Self::Conflicting,
            Code::Year => Self::WrongDay,
            Code::Overflow => Self::TooLarge,
        }
    }
}

/// What an accepted request comes to.
#[derive(Debug)]
pub struct Ruling {
    /// The business day.
    pub effective: Day,
    /// The events to store, in their order.
    pub facts: Vec<Fact>,
    steps: Vec<Step>,
}

/// How an accepted request changes the model.
#[derive(Debug)]
enum Step {
    Settings(Settings),
    Payee(Payee),
    Version(String, Box<Version>),
    Programme(String, Programme),
    Model(String, Arc<Edition<AttributionModel>>),
    Rates(String, Arc<Edition<Rates>>),
    Deal(Box<Deal>),
    Cap(String, Cap),
    Attainment(String, Attainment),
    /// Books an entry.
    Book(String, Entry),
    /// Turns entries of an account to a state.
    Turn(String, Vec<usize>, State),
    Payout(Payout),
    Reference(String, String),
    /// What is spent of a limit.
    Spend(String, i128),
    Customer(String, Earnings),
}

impl Ruling {
    fn on(effective: Day) -> Self {
        Self { effective, facts: Vec::new(), steps: Vec::new() }
    }

    fn fact(&mut self, stream: impl Into<String>, type_name: &'static str, payload: String) {
        self.facts.push(Fact { stream: stream.into(), type_name, effective: self.effective, payload });
    }

    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }
}

/// A request and the day in the ledger's zone on which it is asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    model: &'a Model,
    ask: &'a Ask,
    settings: &'a Settings,
    today: Day,
}

impl Asked<'_> {
    /// The identifier of the `index`-th thing of a kind that the request makes.
    fn derive(&self, kind: &str, index: u32) -> String {
        derive(kind, &self.model.ledger, &self.ask.key, index)
    }
}

impl Model {
    /// A ledger that nobody has opened.
    #[must_use]
    pub fn new(ledger: &str) -> Self {
        Self { ledger: ledger.to_owned(), ..Self::default() }
    }

    /// The payout that a key makes, if it makes one.
    #[must_use]
    pub fn payout_of(&self, key: &str) -> String {
        derive("payout", &self.ledger, key, 0)
    }

    /// Judges a request at this place in the log. Nothing changes.
    ///
    /// # Errors
    /// [`Why`] the ledger must refuse it.
    pub fn judge(&self, ask: &Ask) -> Result<Ruling, Why> {
        names::check(ask)?;
        let Some(settings) = &self.settings else { return settings::open(ask) };
        let asked = Asked { model: self, ask, settings, today: settings.today(ask.at)? };
        match &ask.act {
            Act::Open { .. } | Act::SwitchOn { .. } | Act::SwitchOff { .. } => settings::judge(asked),
            Act::Enrol { .. } | Act::Assign { .. } | Act::EndAssignment { .. } | Act::Classify { .. } => {
                payee::judge(asked)
            }
            Act::Publish { plan, document } => plan::publish(asked, plan, document),
            Act::PublishModel { model, document } => published::publish_model(asked, model, document),
            Act::PublishRates { rates, document } => published::publish_rates(asked, rates, document),
            Act::RegisterSale { .. }
            | Act::Touch { .. }
            | Act::CompleteSale { .. }
            | Act::RecordSale { .. }
            | Act::Collect { .. }
            | Act::Recompute { .. } => sale::judge(asked),
            Act::SetOpeningBalance { payee, on, amount, reason, programme } => {
                cap::set_opening_balance(asked, payee, *on, *amount, reason, programme.as_deref())
            }
            Act::SetOpeningAttainment { .. } => attainment::set_opening(asked),
            Act::Register { .. }
            | Act::Attribute { .. }
            | Act::Complete { .. }
            | Act::Record { .. }
            | Act::RegisterSides { .. }
            | Act::RecordSides { .. }
            | Act::Reverse { .. } => deal::judge(asked),
            _ => payout::judge(asked),
        }
    }

    /// Puts in what was judged, on the state on which it was judged.
    pub fn apply(&mut self, ruling: Ruling) -> Vec<Fact> {
        for step in ruling.steps {
            match step {
                Step::Settings(settings) => self.settings = Some(settings),
                Step::Payee(payee) => self.payees.put(&payee.id.clone(), payee),
                Step::Version(plan, version) => {
                    if let Some(known) = self.plans.of(&plan) {
                        known.id = plan;
                        known.versions.push(*version);
                    }
                }
                Step::Programme(name, programme) => self.programmes.put(&name, programme),
                Step::Model(name, edition) => self.models.publish(name, edition),
                Step::Rates(name, edition) => self.rates.publish(name, edition),
                Step::Deal(deal) => self.deals.put(&deal.id.clone(), *deal),
                Step::Cap(stream, cap) => self.caps.put(&stream, cap),
                Step::Attainment(stream, attainment) => self.attainments.put(&stream, attainment),
                Step::Book(stream, entry) => {
                    if let Some(account) = self.accounts.of(&stream) {
                        account.book(entry);
                    }
                }
                Step::Turn(stream, entries, state) => {
                    if let Some(account) = self.accounts.of(&stream) {
                        account.turn(&entries, state, ruling.effective);
                    }
                }
                Step::Payout(payout) => self.payouts.put(&payout.id.clone(), payout),
                Step::Reference(stream, payout) => {
                    self.references.insert(stream, payout);
                }
                Step::Spend(account, total) => {
                    self.spent.insert(account, total);
                }
                Step::Customer(stream, earnings) => {
                    self.customers.insert(stream, earnings);
                }
            }
        }
        ruling.facts
    }

    /// Judges a request, and puts it in when it is accepted.
    ///
    /// # Errors
    /// [`Why`] the ledger must refuse it; nothing has changed then.
    pub fn accept(&mut self, ask: &Ask) -> Result<Vec<Fact>, Why> {
        let ruling = self.judge(ask)?;
        Ok(self.apply(ruling))
    }

    /// Whether the ledger is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.settings.is_some()
    }

    /// The base currency, once the ledger is open.
    #[must_use]
    pub fn base(&self) -> Option<Code> {
        self.settings.as_ref().map(|settings| settings.base)
    }

    /// Whether a capability is switched on.
    #[must_use]
    pub fn allows(&self, capability: &str) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.allows(capability))
    }

    /// The payees, in the order in which they were enrolled.
    #[must_use]
    pub fn payees(&self) -> &Table<Payee> {
        &self.payees
    }

    /// The plan version that a payee is under on a day.
    #[must_use]
    pub fn plan_on(&self, payee: &str, day: Day) -> Option<&Version> {
        let assignment = self.payees.get(payee)?.plan_on(day)?;
        self.plans.get(&assignment.plan)?.version(assignment.version)
    }

    /// The plans, in the order in which they were published.
    #[must_use]
    pub fn plans(&self) -> &Table<Plan> {
        &self.plans
    }

    /// The attribution models, in the order in which they were published.
    #[must_use]
    pub fn models(&self) -> &Table<Published<AttributionModel>> {
        &self.models
    }

    /// The rate plans, in the order in which they were published.
    #[must_use]
    pub fn rates(&self) -> &Table<Published<Rates>> {
        &self.rates
    }

    /// The deals, in the order in which they became known.
    #[must_use]
    pub fn deals(&self) -> &Table<Deal> {
        &self.deals
    }

    /// The attainment accounts, by the names of their streams.
    #[must_use]
    pub fn attainments(&self) -> &Table<Attainment> {
        &self.attainments
    }

    /// The cap accounts, by the names of their streams.
    #[must_use]
    pub fn caps(&self) -> &Table<Cap> {
        &self.caps
    }

    /// The payouts, in the order in which they were made.
    #[must_use]
    pub fn payouts(&self) -> &Table<Payout> {
        &self.payouts
    }

    /// A payee's account in a currency, once something was booked in it.
    #[must_use]
    pub fn account(&self, payee: &str, currency: Code) -> Option<&Account> {
        self.accounts.get(&account::stream(payee, currency))
    }

    /// What could be paid to a payee in a currency: the sum of the payable entries, in minor units.
    #[must_use]
    pub fn payable(&self, payee: &str, currency: Code) -> i128 {
        self.account(payee, currency).map_or(0, |account| account.payable(None).map(|(_, entry)| entry.amount).sum())
    }
}

/// The first 16 bytes of SHA-256 over kind, ledger and key, a zero byte after each, and the index, as a UUID of version 8.
fn derive(kind: &str, ledger: &str, key: &str, index: u32) -> String {
    let mut hash = Sha256::new();
    for part in [kind, ledger, key] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(index.to_be_bytes());
    let mut id = String::with_capacity(36);
    for (place, byte) in hash.finalize().iter().take(16).enumerate() {
        let byte = match place {
            6 => (byte & 0x0f) | 0x80,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        if matches!(place, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        hex(&mut id, byte);
    }
    id
}

/// SHA-256 of a text, in small hexadecimal.
fn sha256(text: &str) -> String {
    let mut digits = String::with_capacity(64);
    Sha256::digest(text).iter().for_each(|byte| hex(&mut digits, *byte));
    digits
}

fn hex(to: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 15] {
        to.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
    }
}

/// A field that is left out when there is nothing in it: `,"name":"value"`. The value needs no escape.
fn maybe(name: &str, value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#))
}

/// Names an amount in a currency.
fn amount(units: i128, currency: Code) -> Amount {
    Amount(units, currency)
}
