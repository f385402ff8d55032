//! `explain`: how one number came to be, with its inputs, its rule and its plan version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ledger_core::account::{self, Source as EntrySource};
use ledger_core::attribution::{Attribution, Credit};
use ledger_core::cap::{self, CapAccount};
use ledger_core::deal::{self, Gci, Line};
use ledger_core::event::Event;
use ledger_core::id::{CapProgramme, DealId, EntryId, PayeeId, PayoutId, PlanId, Text};
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::plan::Document;
use ledger_core::projection::replay::each_event;
use ledger_core::projection::sum::Sum;
use ledger_core::recorded::Recorded;
use ledger_core::store::Store;
use ledger_core::{Date, Money, payee, payout, plan};
use serde::Serialize;

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Format, stdout};
use crate::source::Source;
use crate::words::{attribution, basis, describe, instant, source as entry_source, split};

/// What `explain` is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Why a payout is over what it is over.
    Payout {
        /// The payout.
        payout: PayoutId,
    },
    /// How a payee came to stand where it stands towards a cap.
    Cap {
        /// The cap.
        programme: CapProgramme,
        /// The payee.
        payee: PayeeId,
        /// The year in which the cap year begins, or any day in it; every cap year without it.
        year: Option<String>,
    },
    /// Who got what of a deal, and why.
    Deal {
        /// The deal.
        deal: DealId,
    },
}

/// An explanation: words for people, the same facts for programs.
trait Explanation: Serialize {
    fn words(&self) -> Vec<String>;
}

/// Explains one number.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let store = store.as_ref();
    match args {
        Args::Payout { payout } => tell(&explain_payout(source, store, payout).await?, format),
        Args::Cap { programme, payee, year } => {
            let years = explain_cap(source, store, &programme, &payee, year.as_deref()).await?;
            if years.is_empty() {
                let what = format!("{payee} has never met cap {programme}: payledger show caps lists who met which");
                return Err(CliError::Refused(what));
            }
            years.iter().try_for_each(|year| tell(year, format).map(drop))?;
            Ok(Outcome::Done)
        }
        Args::Deal { deal } => tell(&explain_deal(source, store, deal).await?, format),
    }
}

fn tell(explanation: &impl Explanation, format: Format) -> Result<Outcome, CliError> {
    let mut out = stdout();
    match format {
        Format::Table => explanation.words().iter().try_for_each(|line| writeln!(out, "{line}"))?,
        Format::Json => {
            serde_json::to_writer(&mut out, explanation).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Csv => return Err(CliError::Refused("an explanation is no table: use --format json".into())),
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// One fact of a history.
#[derive(Serialize)]
struct Fact {
    sequence: u64,
    at: String,
    actor: String,
    what: String,
}

impl Fact {
    fn of(recorded: &Recorded) -> Self {
        Self {
            sequence: recorded.sequence,
            at: instant(recorded.request.recorded_at),
            actor: recorded.request.actor.to_string(),
            what: describe(&recorded.event),
        }
    }

    fn words(&self) -> String {
        format!("  event {}, {}, by {}: {}", self.sequence, self.at, self.actor, self.what)
    }
}

/// What was said of a deal before it was calculated.
#[derive(Clone, Serialize)]
struct Inputs {
    basis: Gci,
    gci: Money,
    attribution: Option<Attribution>,
    credits: Vec<Credit>,
}

/// One payee's part of a deal with everything that it came from.
#[derive(Clone, Serialize)]
struct Part {
    deal: DealId,
    completed_on: Date,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Inputs>,
    line: Line,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Document>,
}

impl Part {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(Inputs { basis: known, gci, attribution: model, .. }) = &self.inputs {
            words.push(format!("deal {} brings {gci}, {}", self.deal, basis(known)));
            if let Some(model) = model {
                words.push(format!("it is credited {}", attribution(model)));
            }
        }
        words.extend(split(&self.line, self.plan.as_ref()));
        words
    }
}

/// Reads the parts of deals off the log.
#[derive(Default)]
struct Parts {
    plans: BTreeMap<(PlanId, u32), Document>,
    names: BTreeMap<PayeeId, Text>,
    /// The deals that are not calculated yet.
    open: BTreeMap<DealId, Inputs>,
}

impl Parts {
    /// Takes an event in; the parts of the deal that it calculates come out.
    fn of(&mut self, recorded: &Recorded) -> Vec<Part> {
        match &recorded.event {
            Event::Payee(payee::Event::Enrolled { payee, name, .. }) => {
                self.names.insert(payee.clone(), name.clone());
            }
            Event::Plan(plan::Event::Published { plan, version, document, .. }) => {
                self.plans.insert((plan.clone(), *version), document.clone());
            }
            Event::Deal(deal::Event::Registered { deal, basis, gci }) => {
                let inputs = Inputs { basis: basis.clone(), gci: *gci, attribution: None, credits: Vec::new() };
                self.open.insert(deal.clone(), inputs);
            }
            Event::Deal(deal::Event::Attributed { deal, attribution, credits }) => {
                if let Some(inputs) = self.open.get_mut(deal) {
                    inputs.attribution = Some(attribution.clone());
                    inputs.credits.clone_from(credits);
                }
            }
            Event::Deal(deal::Event::Completed { deal, completed_on, lines, .. }) => {
                let inputs = self.open.remove(deal);
                let part = |line: &Line| Part {
                    deal: deal.clone(),
                    completed_on: *completed_on,
                    sequence: recorded.sequence,
                    inputs: inputs.clone(),
                    plan: self.plans.get(&(line.plan.clone(), line.version)).cloned(),
                    line: line.clone(),
                };
                return lines.iter().map(part).collect();
            }
            _ => {}
        }
        Vec::new()
    }
}

async fn each(source: &Source, store: &dyn Store, tell: impl FnMut(&Recorded)) -> Result<(), CliError> {
    Ok(each_event(store, &source.ledger, PAGE_EVENTS, |_| {}, tell).await?)
}

/// A payout with the entries that it claims.
#[derive(Serialize)]
struct PayoutExplained {
    payout: PayoutId,
    payee: PayeeId,
    name: Option<Text>,
    amount: Money,
    entries: Vec<Entry>,
    history: Vec<Fact>,
}

/// An entry of a payout.
#[derive(Serialize)]
struct Entry {
    entry: EntryId,
    amount: Money,
    earned_on: Date,
    sequence: u64,
    source: EntrySource,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

async fn explain_payout(source: &Source, store: &dyn Store, asked: PayoutId) -> Result<PayoutExplained, CliError> {
    let mut history = Vec::new();
    let mut made = None;
    let mut claimed = BTreeSet::new();
    each(source, store, |recorded| match &recorded.event {
        Event::Account(account::Event::EntriesClaimed { payout, entries, .. }) if *payout == asked => {
            claimed.extend(entries.iter().map(EntryId::as_uuid));
        }
        Event::Payout(event) if recorded.stream.as_str() == format!("payout/{asked}") => {
            if let payout::Event::Created { payee, amount, .. } = event {
                made = Some((payee.clone(), *amount));
            }
            history.push(Fact::of(recorded));
        }
        _ => {}
    })
    .await?;
    let unknown = || CliError::Refused(format!("payout {asked} is unknown: payledger show payouts lists all of them"));
    let (payee, amount) = made.ok_or_else(unknown)?;

    let mut parts = Parts::default();
    let mut calculated = BTreeMap::new();
    let mut entries = Vec::new();
    each(source, store, |recorded| {
        for part in parts.of(recorded) {
            if let Some(entry) = part.line.entry.filter(|entry| claimed.contains(&entry.as_uuid())) {
                calculated.insert(entry.as_uuid(), part);
            }
        }
        if let Event::Account(account::Event::EntryBooked { entry, source, amount, earned_on, .. }) = &recorded.event
            && claimed.contains(&entry.as_uuid())
        {
            entries.push(Entry {
                entry: *entry,
                amount: *amount,
                earned_on: *earned_on,
                sequence: recorded.sequence,
                source: source.clone(),
                part: calculated.remove(&entry.as_uuid()),
            });
        }
    })
    .await?;
    let name = parts.names.get(&payee).cloned();
    Ok(PayoutExplained { payout: asked, payee, name, amount, entries, history })
}

impl Explanation for PayoutExplained {
    fn words(&self) -> Vec<String> {
        let name = self.name.as_ref().map_or_else(|| self.payee.to_string(), |name| format!("{name} ({})", self.payee));
        let count = self.entries.len();
        let mut words = vec![
            format!("Payout {} of {} to {name}", self.payout, self.amount),
            format!("It claims {count} {}:", if count == 1 { "entry" } else { "entries" }),
        ];
        for (index, entry) in self.entries.iter().enumerate() {
            let Entry { amount, earned_on, source, sequence, .. } = entry;
            words.push(format!(
                "  {}. {amount} for {earned_on}: {} (event {sequence})",
                index + 1,
                entry_source(source)
            ));
            for step in entry.part.iter().flat_map(Part::words) {
                words.push(format!("       {step}"));
            }
        }
        let amounts: Vec<_> = self.entries.iter().map(|entry| entry.amount.amount().to_string()).collect();
        words.push(format!("Together: {} = {}", amounts.join(" + ").replace("+ -", "- "), self.amount));
        words.push("What became of it:".into());
        words.extend(self.history.iter().map(Fact::words));
        words
    }
}

/// One cap year of one payee.
#[derive(Serialize)]
struct CapExplained {
    account: CapAccount,
    limit: Money,
    contributed: String,
    room: String,
    steps: Vec<Step>,
    #[serde(skip)]
    sum: Sum,
}

/// What moved a cap account, or met it.
#[derive(Serialize)]
struct Step {
    sequence: u64,
    on: Date,
    what: String,
    contributed: String,
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

impl CapExplained {
    fn new(account: &CapAccount, limit: Money) -> Self {
        let (contributed, room) = (String::new(), String::new());
        Self { account: account.clone(), limit, contributed, room, steps: Vec::new(), sum: Sum::ZERO }
    }

    fn step(&mut self, recorded: &Recorded, what: String, part: Option<Part>) {
        let currency = self.limit.currency();
        let room = Sum::from(self.limit).minus(self.sum).max(Sum::ZERO);
        self.contributed = format!("{} {currency}", self.sum.show(currency));
        self.room = format!("{} {currency}", room.show(currency));
        let (contributed, room) = (self.contributed.clone(), self.room.clone());
        self.steps.push(Step { sequence: recorded.sequence, on: recorded.effective, what, contributed, room, part });
    }
}

async fn explain_cap(
    source: &Source,
    store: &dyn Store,
    programme: &CapProgramme,
    payee: &PayeeId,
    year: Option<&str>,
) -> Result<Vec<CapExplained>, CliError> {
    let asked = |account: &CapAccount| {
        let in_year = |year: &str| match year.parse::<Date>() {
            Ok(day) => account.year.contains(day),
            Err(_) => account.year.start.to_string().split('-').next() == Some(year),
        };
        account.programme == *programme && account.payee == *payee && year.is_none_or(in_year)
    };
    let mut years: BTreeMap<Date, CapExplained> = BTreeMap::new();
    let mut parts = Parts::default();
    each(source, store, |recorded| {
        for part in parts.of(recorded) {
            let Some(met) = part.line.cap.as_ref().filter(|met| asked(&met.account)) else { continue };
            let of = years.entry(met.account.year.start).or_insert_with(|| CapExplained::new(&met.account, met.limit));
            of.limit = met.limit;
            of.sum.add(part.line.amounts.company_dollar);
            let what = format!("deal {} puts {} towards the cap", part.deal, part.line.amounts.company_dollar);
            of.step(recorded, what, Some(part));
        }
        match &recorded.event {
            Event::Cap(cap::Event::OpeningBalanceSet { account, amount, limit, .. }) if asked(account) => {
                let of = years.entry(account.year.start).or_insert_with(|| CapExplained::new(account, *limit));
                of.limit = *limit;
                of.sum.add(*amount);
                of.step(recorded, describe(&recorded.event), None);
            }
            Event::Cap(cap::Event::Reversed { account, amount, .. }) if asked(account) => {
                if let Some(of) = years.get_mut(&account.year.start) {
                    of.sum.take(*amount);
                    of.step(recorded, describe(&recorded.event), None);
                }
            }
            _ => {}
        }
    })
    .await?;
    Ok(years.into_values().collect())
}

impl Explanation for CapExplained {
    fn words(&self) -> Vec<String> {
        let CapAccount { programme, payee, year } = &self.account;
        let (limit, contributed, room) = (self.limit, &self.contributed, &self.room);
        let mut words = vec![
            format!("Cap {programme} of {payee} from {} up to, but without, {}", year.start, year.end),
            format!("{contributed} of {limit} is contributed, {room} is left"),
        ];
        for Step { sequence, on, what, contributed, room, part } in &self.steps {
            words.push(format!("  {on}, event {sequence}: {what}"));
            words.extend(part.iter().flat_map(Part::words).map(|step| format!("       {step}")));
            words.push(format!("       after it {contributed} is contributed, {room} is left"));
        }
        words
    }
}

/// A deal with everybody's part.
#[derive(Serialize)]
struct DealExplained {
    deal: DealId,
    parts: Vec<Part>,
    history: Vec<Fact>,
}

async fn explain_deal(source: &Source, store: &dyn Store, asked: DealId) -> Result<DealExplained, CliError> {
    let stream = format!("deal/{asked}");
    let mut all = Parts::default();
    let (mut found, mut history) = (Vec::new(), Vec::new());
    each(source, store, |recorded| {
        found.extend(all.of(recorded).into_iter().filter(|part| part.deal == asked));
        if recorded.stream.as_str() == stream {
            history.push(Fact::of(recorded));
        }
    })
    .await?;
    if history.is_empty() {
        return Err(CliError::Refused(format!(
            "deal {asked} is unknown: payledger events --stream deal lists all of them"
        )));
    }
    Ok(DealExplained { deal: asked, parts: found, history })
}

impl Explanation for DealExplained {
    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("Deal {}", self.deal)];
        for part in &self.parts {
            words.extend(part.words().into_iter().map(|step| format!("  {step}")));
        }
        words.push("What became of it:".into());
        words.extend(self.history.iter().map(Fact::words));
        words
    }
}
