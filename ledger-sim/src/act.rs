//! What a client asks, in the simulator's own words: whole minor units, dates as numbers, names as text.
//!
//! The model judges these; the ledger gets them as the JSON that a host would send. So the model shares no type with the core,
//! and a story that failed can be pasted into a file and applied to any store.

#![expect(missing_docs, reason = "fields that are named after the ledger's own mean the same")]

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use crate::document::left_out;
pub use crate::document::{CapYear, Document};
use crate::sale::{self, ModelPin, Moment, RatesPin, Sale, Touch};
use crate::side;
pub use crate::side::Side;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The idempotency key.
    pub key: String,
    /// Who asks.
    pub actor: String,
    /// When, in seconds since 1970-01-01 UTC.
    pub at: i64,
    /// What.
    pub act: Act,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Open {
        base: Code,
        zone: &'static str,
        capabilities: Vec<&'static str>,
    },
    SwitchOn {
        capability: &'static str,
    },
    SwitchOff {
        capability: &'static str,
    },
    Enrol {
        payee: String,
        name: String,
        joined_on: Option<Day>,
    },
    Assign {
        payee: String,
        plan: String,
        version: u32,
        from: Day,
        until: Option<Day>,
    },
    EndAssignment {
        payee: String,
        until: Day,
    },
    Publish {
        plan: String,
        document: Box<Document>,
    },
    Register {
        deal: String,
        gci: Gci,
    },
    Attribute {
        deal: String,
        credit: Credit,
    },
    Complete {
        deal: String,
        on: Day,
    },
    Record {
        deal: String,
        gci: Gci,
        credit: Credit,
        on: Day,
    },
    RegisterSides {
        deal: String,
        sides: Vec<Side>,
    },
    RecordSides {
        deal: String,
        sides: Vec<Side>,
        on: Day,
    },
    PublishModel {
        model: String,
        document: Box<sale::Model>,
    },
    PublishRates {
        rates: String,
        document: Box<sale::Rates>,
    },
    Classify {
        payee: String,
        from: Day,
        kind: Option<String>,
        tier: Option<String>,
        class: Option<String>,
        rates: Option<RatesPin>,
    },
    RegisterSale {
        deal: String,
        sale: Box<Sale>,
    },
    Touch {
        deal: String,
        touch: Touch,
    },
    CompleteSale {
        deal: String,
        completed_at: Moment,
        cutoff: Option<Moment>,
    },
    RecordSale {
        deal: String,
        sale: Box<Sale>,
        touches: Vec<Touch>,
        completed_at: Moment,
        cutoff: Option<Moment>,
    },
    Collect {
        deal: String,
        payment: String,
        amount: Amount,
        on: Day,
    },
    Recompute {
        deal: String,
        reason: String,
        model: Option<ModelPin>,
        rates: Option<RatesPin>,
    },
    Reverse {
        deal: String,
        reason: String,
    },
    SetOpeningBalance {
        payee: String,
        on: Day,
        amount: Amount,
        reason: String,
        programme: Option<String>,
    },
    SetOpeningAttainment {
        payee: String,
        on: Day,
        units: Option<u32>,
        revenue: Option<Amount>,
        accrued: Option<Amount>,
        company_dollar: Option<Amount>,
        reason: String,
    },
    Create {
        payee: String,
        currency: Option<Code>,
        through: Option<Day>,
        period: Option<String>,
        notes: Option<String>,
    },
    CreateManual {
        payee: String,
        amount: Amount,
        reason: String,
        period: Option<String>,
    },
    Submit {
        payout: String,
    },
    Approve {
        payout: String,
    },
    ApproveBulk {
        payouts: Vec<String>,
        atomic: bool,
    },
    Reject {
        payout: String,
        reason: String,
    },
    Start {
        payout: String,
    },
    Settle {
        payout: String,
        attempt: u32,
        amount: Amount,
    },
    Fail {
        payout: String,
        attempt: u32,
        reason: String,
    },
    ResolveLatePayment {
        payout: String,
        attempt: u32,
        accept: bool,
        reason: String,
    },
    RecordManualPayment {
        payout: String,
        method: &'static str,
        reference: String,
        account: String,
    },
    Void {
        payout: String,
        reason: String,
    },
}

/// A currency: its code and how many decimals its amounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str, pub u32);

/// The currencies of the simulator: with two, none and three decimals.
pub const CURRENCIES: [Code; 4] = [Code("USD", 2), Code("EUR", 2), Code("JPY", 0), Code("KWD", 3)];

/// Whole minor units of a currency. Written as the ledger writes it: `-12.30 USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount(pub i128, pub Code);

/// A part of one, in billionths. Written without needless zeros: `0.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part(pub u64);

/// One whole [`Part`].
pub const WHOLE: u64 = 1_000_000_000;

/// A date: year, month, day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32, pub u32, pub u32);

/// How a commission is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gci {
    Amount(Amount),
    OfPrice { price: Amount, rate: Part },
}

/// Who is credited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credit {
    Equal(Vec<String>),
    Custom(Vec<(String, Part)>),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(units, currency) = *self;
        let (sign, units) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
        // Nearly all fit into 64 bits, which are divided and written much faster.
        if let Ok(units) = u64::try_from(units) {
            let one = 10_u64.pow(currency.1);
            return write_amount(f, sign, units / one, units % one, currency);
        }
        let one = 10_u128.pow(currency.1);
        write_amount(f, sign, units / one, units % one, currency)
    }
}

fn write_amount<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    sign: &str,
    whole: T,
    rest: T,
    Code(code, decimals): Code,
) -> fmt::Result {
    match usize::try_from(decimals).unwrap_or(0) {
        0 => write!(f, "{sign}{whole} {code}"),
        width => write!(f, "{sign}{whole}.{rest:0width$} {code}"),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / WHOLE, self.0 % WHOLE);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:09}").trim_end_matches('0'))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(year, month, day) = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

macro_rules! written_as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

written_as_text!(Amount, Part, Day);

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// The request as the JSON that a host sends, on one line.
impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = chrono::DateTime::from_timestamp(self.at, 0).unwrap_or_default();
        let at = at.format("%Y-%m-%dT%H:%M:%SZ");
        let (key, actor) = (Text(&self.key), Text(&self.actor));
        write!(f, r#"{{"key":{key},"actor":{actor},"at":"{at}","command":{}}}"#, self.act)
    }
}

/// The command as JSON, with what is at its default left out, fields in the order of the ledger's documentation.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Fields::new(f, self.name())?;
        match self {
            Self::Open { base, zone, capabilities } => {
                json.text("base_currency", base.0)?.text("zone", zone)?;
                if !capabilities.is_empty() {
                    json.list("capabilities", capabilities)?;
                }
            }
            Self::SwitchOn { capability } | Self::SwitchOff { capability } => {
                json.text("capability", capability)?;
            }
            Self::Enrol { payee, name, joined_on } => {
                json.text("payee", payee)?.text("name", name)?.maybe("joined_on", joined_on.as_ref())?;
            }
            Self::Assign { payee, plan, version, from, until } => {
                json.text("payee", payee)?.text("plan", plan)?.raw("version", version)?;
                json.text("from", from)?.maybe("until", until.as_ref())?;
            }
            Self::EndAssignment { payee, until } => {
                json.text("payee", payee)?.text("until", until)?;
            }
            Self::Publish { plan, document } => {
                json.text("plan", plan)?.raw("document", document)?;
            }
            Self::Register { deal, gci } => {
                json.text("deal", deal)?.raw("gci", gci)?;
            }
            Self::Attribute { deal, credit } => {
                json.text("deal", deal)?.raw("attribution", credit)?;
            }
            Self::Complete { deal, on } => {
                json.text("deal", deal)?.text("completed_on", on)?;
            }
            Self::Record { deal, gci, credit, on } => {
                json.text("deal", deal)?.raw("gci", gci)?.raw("attribution", credit)?.text("completed_on", on)?;
            }
            Self::Reverse { deal, reason } => {
                json.text("deal", deal)?.text("reason", reason)?;
            }
            Self::PublishModel { model, document } => {
                json.text("model", model)?.raw("document", left_out(document))?;
            }
            Self::PublishRates { rates, document } => {
                json.text("rates", rates)?.raw("document", left_out(document))?;
            }
            Self::Classify { payee, from, kind, tier, class, rates } => {
                json.text("payee", payee)?.text("from", from)?.maybe("type", kind.as_ref())?;
                json.maybe("tier", tier.as_ref())?.maybe("class", class.as_ref())?.json("rates", rates.as_ref())?;
            }
            Self::RegisterSale { deal, sale } => {
                json.text("deal", deal)?.raw("sale", left_out(sale))?;
            }
            Self::Touch { deal, touch } => {
                json.text("deal", deal)?.json("touch", Some(touch))?;
            }
            Self::CompleteSale { deal, completed_at, cutoff } => {
                json.text("deal", deal)?.text("completed_at", completed_at)?.maybe("cutoff", cutoff.as_ref())?;
            }
            Self::RecordSale { deal, sale, touches, completed_at, cutoff } => {
                json.text("deal", deal)?.raw("sale", left_out(sale))?;
                json.json("touches", Some(touches).filter(|touches| !touches.is_empty()))?;
                json.text("completed_at", completed_at)?.maybe("cutoff", cutoff.as_ref())?;
            }
            Self::Collect { deal, payment, amount, on } => {
                json.text("deal", deal)?.text("payment", payment)?.text("amount", amount)?.text("on", on)?;
            }
            Self::Recompute { deal, reason, model, rates } => {
                json.text("deal", deal)?.text("reason", reason)?;
                json.json("model", model.as_ref())?.json("rates", rates.as_ref())?;
            }
            Self::RegisterSides { deal, sides } => {
                json.text("deal", deal)?.raw("sides", side::asked(sides))?;
            }
            Self::RecordSides { deal, sides, on } => {
                json.text("deal", deal)?.raw("sides", side::asked(sides))?.text("completed_on", on)?;
            }
            Self::SetOpeningBalance { payee, on, amount, reason, programme } => {
                json.text("payee", payee)?.text("on", on)?.text("amount", amount)?.text("reason", reason)?;
                json.maybe("programme", programme.as_ref())?;
            }
            Self::SetOpeningAttainment { payee, on, units, revenue, accrued, company_dollar, reason } => {
                json.text("payee", payee)?.text("on", on)?;
                if let Some(units) = units {
                    json.raw("units", units)?;
                }
                json.maybe("revenue", revenue.as_ref())?.maybe("accrued", accrued.as_ref())?;
                json.maybe("company_dollar", company_dollar.as_ref())?.text("reason", reason)?;
            }
            Self::Create { payee, currency, through, period, notes } => {
                json.text("payee", payee)?.maybe("currency", currency.map(|code| code.0).as_ref())?;
                json.maybe("through", through.as_ref())?.maybe("period", period.as_ref())?;
                json.maybe("notes", notes.as_ref())?;
            }
            Self::CreateManual { payee, amount, reason, period } => {
                json.text("payee", payee)?.text("amount", amount)?.text("reason", reason)?;
                json.maybe("period", period.as_ref())?;
            }
            Self::Submit { payout } | Self::Approve { payout } | Self::Start { payout } => {
                json.text("payout", payout)?;
            }
            Self::ApproveBulk { payouts, atomic } => {
                json.list("payouts", payouts)?;
                if *atomic {
                    json.raw("atomic", atomic)?;
                }
            }
            Self::Reject { payout, reason } | Self::Void { payout, reason } => {
                json.text("payout", payout)?.text("reason", reason)?;
            }
            Self::Settle { payout, attempt, amount } => {
                json.text("payout", payout)?.raw("attempt", attempt)?.text("amount", amount)?;
            }
            Self::Fail { payout, attempt, reason } => {
                json.text("payout", payout)?.raw("attempt", attempt)?.text("reason", reason)?;
            }
            Self::ResolveLatePayment { payout, attempt, accept, reason } => {
                let resolution = if *accept { "accept" } else { "dismiss" };
                json.text("payout", payout)?.raw("attempt", attempt)?;
                json.text("resolution", resolution)?.text("reason", reason)?;
            }
            Self::RecordManualPayment { payout, method, reference, account } => {
                json.text("payout", payout)?.text("method", method)?;
                json.text("reference", reference)?.text("account", account)?;
            }
        }
        json.end()
    }
}

impl Act {
    /// The command's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "settings.open",
            Self::SwitchOn { .. } => "settings.switch_on",
            Self::SwitchOff { .. } => "settings.switch_off",
            Self::Enrol { .. } => "payee.enrol",
            Self::Assign { .. } => "payee.assign",
            Self::EndAssignment { .. } => "payee.end_assignment",
            Self::Publish { .. } => "plan.publish",
            Self::Register { .. } => "deal.register",
            Self::Attribute { .. } => "deal.attribute",
            Self::Complete { .. } => "deal.complete",
            Self::Record { .. } => "deal.record",
            Self::RegisterSides { .. } => "deal.register_sides",
            Self::RecordSides { .. } => "deal.record_sides",
            Self::PublishModel { .. } => "model.publish",
            Self::PublishRates { .. } => "rates.publish",
            Self::Classify { .. } => "payee.classify",
            Self::RegisterSale { .. } => "deal.register_sale",
            Self::Touch { .. } => "deal.touch",
            Self::CompleteSale { .. } => "deal.complete_sale",
            Self::RecordSale { .. } => "deal.record_sale",
            Self::Collect { .. } => "deal.collect",
            Self::Recompute { .. } => "deal.recompute",
            Self::Reverse { .. } => "deal.reverse",
            Self::SetOpeningBalance { .. } => "cap.set_opening_balance",
            Self::SetOpeningAttainment { .. } => "attainment.set_opening",
            Self::Create { .. } => "payout.create",
            Self::CreateManual { .. } => "payout.create_manual",
            Self::Submit { .. } => "payout.submit",
            Self::Approve { .. } => "payout.approve",
            Self::ApproveBulk { .. } => "payout.approve_bulk",
            Self::Reject { .. } => "payout.reject",
            Self::Start { .. } => "payout.start",
            Self::Settle { .. } => "payout.settle",
            Self::Fail { .. } => "payout.fail",
            Self::ResolveLatePayment { .. } => "payout.resolve_late_payment",
            Self::RecordManualPayment { .. } => "payout.record_manual_payment",
            Self::Void { .. } => "payout.void",
        }
    }
}

impl fmt::Display for Gci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => write!(f, r#"{{"amount":"{amount}"}}"#),
            Self::OfPrice { price, rate } => write!(f, r#"{{"of_price":{{"price":"{price}","rate":"{rate}"}}}}"#),
        }
    }
}

impl fmt::Display for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(payees) => {
                let payees: Vec<String> = payees.iter().map(|payee| Text(payee).to_string()).collect();
                write!(f, r#"{{"equal":[{}]}}"#, payees.join(","))
            }
            Self::Custom(weights) => {
                let weight =
                    |(payee, part): &(String, Part)| format!(r#"{{"payee":{},"weight":"{part}"}}"#, Text(payee));
                write!(f, r#"{{"custom":[{}]}}"#, weights.iter().map(weight).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// A text as JSON.
pub struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Writes `{"name":{…}}`.
struct Fields<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    comma: &'static str,
}

impl<'a, 'b> Fields<'a, 'b> {
    fn new(to: &'a mut fmt::Formatter<'b>, name: &str) -> Result<Self, fmt::Error> {
        write!(to, r#"{{"{name}":{{"#)?;
        Ok(Self { to, comma: "" })
    }

    fn raw(&mut self, name: &str, value: impl fmt::Display) -> Result<&mut Self, fmt::Error> {
        write!(self.to, r#"{}"{name}":{value}"#, self.comma)?;
        self.comma = ",";
        Ok(self)
    }

    fn text(&mut self, name: &str, value: impl fmt::Display) -> Result<&mut Self, fmt::Error> {
        let value = value.to_string();
        self.raw(name, Text(&value))
    }

    fn maybe(&mut self, name: &str, value: Option<&impl fmt::Display>) -> Result<&mut Self, fmt::Error> {
        match value {
            Some(value) => self.text(name, value),
            None => Ok(self),
        }
    }

    fn json(&mut self, name: &str, value: Option<&impl Serialize>) -> Result<&mut Self, fmt::Error> {
        match value {
            Some(value) => self.raw(name, sale::stored(value)),
            None => Ok(self),
        }
    }

    fn list(&mut self, name: &str, values: &[impl AsRef<str>]) -> Result<&mut Self, fmt::Error> {
        let values: Vec<String> = values.iter().map(|value| Text(value.as_ref()).to_string()).collect();
        self.raw(name, format_args!("[{}]", values.join(",")))
    }

    fn end(self) -> fmt::Result {
        self.to.write_str("}}")
    }
}
