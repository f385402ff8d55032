//! `explain`: how one number came to be, with its inputs, its rule and its plan version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ledger_core::account::{self, Source as EntrySource};
use ledger_core::attribution::Attribution;
use ledger_core::deal::{self, Basis, Completion, Earned, Line, PlanInForce};
use ledger_core::event::Event;
use ledger_core::id::{CapProgramme, DealId, EntryId, PayeeId, PayoutId, Text};
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::plans::Plans;
use ledger_core::projection::replay::each_event;
use ledger_core::projection::sum::Sum;
use ledger_core::recorded::Recorded;
use ledger_core::store::Store;
use ledger_core::waterfall::{Account, Contribution, Document, Owner, Party, SideKind};
use ledger_core::{Date, Money, cap, payee, payout};
use serde::Serialize;
use serde_json::Value;

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Format, stdout};
use crate::sold::{Sales, Sold};
use crate::source::Source;
use crate::words::{attribution, basis, describe, document, instant, kind, side_name, source as entry_source};

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
        /// The payee, or `pool:` and the name of a pool.
        payee: String,
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

/// A deal as it was calculated, with everything that this came from. It is calculated again to say why; what is stored is what holds.
#[derive(Clone, Serialize)]
struct Calculated {
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<Basis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<Attribution>,
    completion: Completion,
    /// What the plan version of each sharer says.
    documents: Vec<Option<Document>>,
    sides: Vec<SideExplained>,
    /// Where the calculation comes to something else than what is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    calc_divergence: Option<String>,
}

#[derive(Clone, Serialize)]
struct SideExplained {
    side: SideKind,
    gci: Money,
    net: Money,
    lines: Vec<LineExplained>,
}

#[derive(Clone, Serialize)]
struct LineExplained {
    #[serde(flatten)]
    line: Line,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Value>,
}

impl LineExplained {
    fn words(&self) -> String {
        let Line { of, party, kind: what, name, amount } = &self.line;
        let (verb, amount) = if amount.is_negative() { ("pays", amount.negated()) } else { ("gets", *amount) };
        let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let of = of.as_ref().filter(|of| *party != Party::Payee(PayeeId::clone(of)));
        let of = of.map(|of| format!(" on {of}'s part")).unwrap_or_default();
        let because = self.because.as_ref().and_then(|because| because["words"].as_str());
        let because = because.map(|because| format!(": {because}")).unwrap_or_default();
        format!("{party} {verb} {amount}, {}{name}{of}{because}", kind(*what))
    }
}

impl Calculated {
    /// In words what concerns a payee, or everything.
    fn words(&self, payee: Option<&PayeeId>) -> Vec<String> {
        let Completion { deal, gci, plans, caps, entries, .. } = &self.completion;
        let mut words = Vec::new();
        if let Some(known) = &self.basis {
            words.push(format!("deal {deal} brings {gci}, {}", basis(known)));
        }
        if let Some(model) = &self.attribution {
            words.push(format!("it is credited {}", attribution(model)));
        }
        let asked = |other: &PayeeId| payee.is_none_or(|payee| payee == other);
        for (PlanInForce { payee, plan, version, plan_hash }, says) in plans.iter().zip(&self.documents) {
            if asked(payee) {
                let hash = plan_hash.to_string();
                let says = says.as_ref().map(|says| format!(": {}", document(says))).unwrap_or_default();
                let hash = hash.get(..12).unwrap_or(&hash);
                words.push(format!("{payee} is under plan {plan} version {version} (document {hash}…){says}"));
            }
        }
        for Contribution { account: Account { programme, of, year }, limit, before, .. } in caps {
            let concerns = match of {
                Owner::Payee(payee) => asked(payee),
                Owner::Pool(_) => true,
            };
            if concerns {
                let left = Sum::from(*limit).minus((*before).into()).max(Sum::ZERO).show(limit.currency());
                let currency = limit.currency();
                words.push(format!(
                    "before this deal {left} {currency} of {of}'s cap {programme} of {limit} for {year} was left"
                ));
            }
        }
        for SideExplained { side, gci, net, lines } in &self.sides {
            if self.sides.len() > 1 {
                words.push(format!("{} brings {gci}, of which {net} is left off the top", side_name(*side)));
            }
            let concerns = |line: &&LineExplained| {
                line.line.of.as_ref().is_none_or(asked)
                    || matches!(&line.line.party, Party::Payee(party) if asked(party))
            };
            words.extend(lines.iter().filter(concerns).map(LineExplained::words));
        }
        let entries = entries.iter().filter(|earned| asked(&earned.payee));
        words.extend(entries.map(|Earned { payee, amount, .. }| format!("together {payee} gets {amount}")));
        words.extend(self.calc_divergence.iter().map(|divergence| format!("calc_divergence: {divergence}")));
        words
    }
}

/// Reads calculated deals off the log.
#[derive(Default)]
struct Deals {
    plans: Plans,
    names: BTreeMap<PayeeId, Text>,
    joined_on: BTreeMap<PayeeId, Date>,
    /// The deals that are not calculated yet.
    open: BTreeMap<DealId, (Basis, Option<Attribution>)>,
}

impl Deals {
    /// Takes an event in; the deal that it calculates comes out, if it is wanted.
    fn of(&mut self, recorded: &Recorded, is_wanted: impl Fn(&Completion) -> bool) -> Option<Calculated> {
        match &recorded.event {
            Event::Payee(payee::Event::Enrolled { payee, name, joined_on }) => {
                self.names.insert(payee.clone(), name.clone());
                self.joined_on.extend(joined_on.map(|day| (payee.clone(), day)));
            }
            Event::Plan(event) => self.plans.apply(event),
            Event::Deal(deal::Event::Registered { deal, basis, .. }) => {
                self.open.insert(deal.clone(), (basis.clone(), None));
            }
            Event::Deal(deal::Event::Attributed { deal, attribution, .. }) => {
                if let Some((_, known)) = self.open.get_mut(deal) {
                    *known = Some(attribution.clone());
                }
            }
            Event::Deal(deal::Event::Completed(completion)) => {
                let terms = self.open.remove(&completion.deal);
                return is_wanted(completion).then(|| self.explain(recorded.sequence, terms, completion));
            }
            _ => {}
        }
        None
    }

    fn explain(
        &self,
        sequence: u64,
        terms: Option<(Basis, Option<Attribution>)>,
        completion: &Completion,
    ) -> Calculated {
        let (basis, attribution) = terms.map_or((None, None), |(basis, attribution)| (Some(basis), attribution));
        let version = |in_force: &PlanInForce| self.plans.version(&in_force.plan, in_force.version);
        let mut because: Vec<Vec<Option<Value>>> = Vec::new();
        let sides = basis.as_ref().and_then(|basis| basis.sides(attribution.as_ref()));
        let calc_divergence = match &sides {
            None => Some("nothing says who shares the deal".to_owned()),
            Some(sides) => {
                match completion.recalculate(sides, version, |payee| self.joined_on.get(payee).copied()) {
                    Err(rejection) => Some(rejection.to_string()),
                    Ok(calculation) => {
                        because.extend(calculation.sides.iter().map(|side| {
                            side.lines.iter().map(|line| serde_json::to_value(line.because).ok()).collect()
                        }));
                        let differs = completion.divergence(&calculation);
                        differs.map(|(place, stored, calculated)| {
                            format!("{place} is {stored}, calculated again {calculated}")
                        })
                    }
                }
            }
        };
        let mut because = because.into_iter();
        let sides = completion.sides.iter().map(|side| {
            let mut because = because
                .next()
                .unwrap_or_default()
                .into_iter()
                .map(|because| because.filter(|_| calc_divergence.is_none()));
            let lines =
                side.lines.iter().map(|line| LineExplained { line: line.clone(), because: because.next().flatten() });
            SideExplained { side: side.side, gci: side.gci, net: side.net, lines: lines.collect() }
        });
        let sides = sides.collect();
        let documents =
            completion.plans.iter().map(|plan| version(plan).map(|version| version.document.clone())).collect();
        Calculated {
            sequence,
            basis: basis.clone(),
            attribution,
            completion: completion.clone(),
            documents,
            sides,
            calc_divergence,
        }
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
    calculated: Option<Calculated>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sold: Option<Sold>,
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

    let mut deals = Deals::default();
    let (mut calculated, mut sold) = (BTreeMap::new(), BTreeMap::new());
    let mut sales = Sales::default();
    let mut entries = Vec::new();
    let is_claimed = |earned: &Earned| earned.entry.is_some_and(|entry| claimed.contains(&entry.as_uuid()));
    each(source, store, |recorded| {
        if let Some(deal) = deals.of(recorded, |completion| completion.entries.iter().any(is_claimed)) {
            let claimed =
                deal.completion.entries.iter().filter(|earned| is_claimed(earned)).filter_map(|earned| earned.entry);
            calculated.extend(claimed.map(|entry| (entry.as_uuid(), deal.clone())));
        }
        if let Some(sale) = sales.of(recorded) {
            // An entry that is there already keeps what it was booked with.
            for earned in sale.entries().filter(|earned| claimed.contains(&earned.entry.as_uuid())) {
                sold.entry(earned.entry.as_uuid()).or_insert_with(|| sale.clone());
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
                calculated: calculated.remove(&entry.as_uuid()),
                sold: sold.get(&entry.as_uuid()).cloned(),
            });
        }
    })
    .await?;
    let name = deals.names.get(&payee).cloned();
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
            let calculated = entry.calculated.iter().flat_map(|deal| deal.words(Some(&self.payee)));
            for step in calculated.chain(entry.sold.iter().flat_map(|sale| sale.words(Some(&self.payee)))) {
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

/// One cap year of one payee or pool.
#[derive(Serialize)]
struct CapExplained {
    account: Account,
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
    calculated: Option<Calculated>,
}

impl CapExplained {
    fn new(account: &Account, limit: Money) -> Self {
        let (contributed, room) = (String::new(), String::new());
        Self { account: account.clone(), limit, contributed, room, steps: Vec::new(), sum: Sum::ZERO }
    }

    fn step(&mut self, recorded: &Recorded, what: String, calculated: Option<Calculated>) {
        let currency = self.limit.currency();
        let room = Sum::from(self.limit).minus(self.sum).max(Sum::ZERO);
        self.contributed = format!("{} {currency}", self.sum.show(currency));
        self.room = format!("{} {currency}", room.show(currency));
        let (contributed, room) = (self.contributed.clone(), self.room.clone());
        let (sequence, on) = (recorded.sequence, recorded.effective);
        self.steps.push(Step { sequence, on, what, contributed, room, calculated });
    }
}

async fn explain_cap(
    source: &Source,
    store: &dyn Store,
    programme: &CapProgramme,
    of: &str,
    year: Option<&str>,
) -> Result<Vec<CapExplained>, CliError> {
    let asked = |account: &Account| {
        let in_year = |year: &str| match year.parse::<Date>() {
            Ok(day) => account.year.contains(day),
            Err(_) => account.year.start.to_string().split('-').next() == Some(year),
        };
        account.programme == *programme && account.of.to_string() == of && year.is_none_or(in_year)
    };
    let mut years: BTreeMap<Date, CapExplained> = BTreeMap::new();
    let mut deals = Deals::default();
    each(source, store, |recorded| {
        let met = |completion: &Completion| completion.caps.iter().find(|met| asked(&met.account)).cloned();
        if let Some(deal) = deals.of(recorded, |completion| met(completion).is_some())
            && let Some(Contribution { account, limit, before, after }) = met(&deal.completion)
        {
            let of = years.entry(account.year.start).or_insert_with(|| CapExplained::new(&account, limit));
            of.limit = limit;
            let counts = Sum::from(after).minus(before.into());
            of.sum = of.sum.plus(counts);
            let counts = counts.show(limit.currency());
            let what = format!("deal {} puts {counts} {} towards the cap", deal.completion.deal, limit.currency());
            of.step(recorded, what, Some(deal));
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
        let Account { programme, of, year } = &self.account;
        let (limit, contributed, room) = (self.limit, &self.contributed, &self.room);
        let mut words = vec![
            format!("Cap {programme} of {of} from {} up to, but without, {}", year.start, year.end),
            format!("{contributed} of {limit} is contributed, {room} is left"),
        ];
        let payee = match of {
            Owner::Payee(payee) => Some(payee),
            Owner::Pool(_) => None,
        };
        for Step { sequence, on, what, contributed, room, calculated } in &self.steps {
            words.push(format!("  {on}, event {sequence}: {what}"));
            words.extend(calculated.iter().flat_map(|deal| deal.words(payee)).map(|step| format!("       {step}")));
            words.push(format!("       after it {contributed} is contributed, {room} is left"));
        }
        words
    }
}

/// A deal with everybody's part.
#[derive(Serialize)]
struct DealExplained {
    deal: DealId,
    #[serde(skip_serializing_if = "Option::is_none")]
    calculated: Option<Calculated>,
    /// A sale as it was credited last, and what payments released since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sold: Vec<Sold>,
    history: Vec<Fact>,
}

async fn explain_deal(source: &Source, store: &dyn Store, asked: DealId) -> Result<DealExplained, CliError> {
    let stream = format!("deal/{asked}");
    let mut all = Deals::default();
    let (mut calculated, mut history) = (None, Vec::new());
    let (mut sales, mut sold) = (Sales::default(), Vec::new());
    each(source, store, |recorded| {
        if let Some(sale) = sales.of(recorded).filter(|sale| *sale.deal() == asked) {
            if sale.is_credited() {
                sold.clear();
            }
            sold.push(sale);
        }
        if let Some(deal) = all.of(recorded, |completion| completion.deal == asked) {
            calculated = Some(deal);
        }
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
    Ok(DealExplained { deal: asked, calculated, sold, history })
}

impl Explanation for DealExplained {
    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("Deal {}", self.deal)];
        words.extend(self.calculated.iter().flat_map(|deal| deal.words(None)).map(|step| format!("  {step}")));
        words.extend(self.sold.iter().flat_map(|sale| sale.words(None)).map(|step| format!("  {step}")));
        words.push("What became of it:".into());
        words.extend(self.history.iter().map(Fact::words));
        words
    }
}
