//! `explain`: how one number came to be, with its inputs, its rule and its plan version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ledger_core::account::{self, Source as EntrySource};
use ledger_core::attribution::Attribution;
use ledger_core::deal::{self, Basis, Completion, Earned, Line, PlanInForce};
use ledger_core::event::Event;
use ledger_core::id::{CapProgramme, DealId, EntryId, PayeeId, PayoutId, Text};
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::replay::each_event;
use ledger_core::projection::sum::Sum;
use ledger_core::projection::terms::{Open, Terms};
use ledger_core::recorded::Recorded;
use ledger_core::store::Store;
use ledger_core::waterfall::{
    Account, Attained, CapOf, Contribution, Document, Kind, Owner, Party, Progress, SideKind,
};
use ledger_core::{Date, Money, attainment, cap, payout};
use serde::Serialize;
use serde_json::Value;

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Format, stdout};
use crate::sold::{Sales, Sold};
use crate::source::Source;
use crate::words::{
    attained, attribution, basis, describe, document, has, instant, kind, side_name, source as entry_source,
};

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
    /// How a payee came to what it attained, by which tiers and bonuses are measured.
    Attainment {
        /// What it counts to.
        programme: CapProgramme,
        /// The payee.
        payee: String,
        /// The year in which the year of the programme begins, or any day in it; every year without it.
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
            let asked = Asked { programme: &programme, of: &payee, year: year.as_deref() };
            let unmet = || format!("{payee} has never met cap {programme}: payledger show caps lists who met which");
            tell_years(&explain_cap(source, store, asked).await?, unmet, format)
        }
        Args::Attainment { programme, payee, year } => {
            let asked = Asked { programme: &programme, of: &payee, year: year.as_deref() };
            let nothing = || {
                format!("{payee} has attained nothing in {programme}: payledger show attainments lists who did what")
            };
            tell_years(&explain_attainment(source, store, asked).await?, nothing, format)
        }
        Args::Deal { deal } => tell(&explain_deal(source, store, deal).await?, format),
    }
}

fn tell_years(years: &[impl Explanation], none: impl Fn() -> String, format: Format) -> Result<Outcome, CliError> {
    if years.is_empty() {
        return Err(CliError::Refused(none()));
    }
    years.iter().try_for_each(|year| tell(year, format).map(drop))?;
    Ok(Outcome::Done)
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
    /// What of the net is whose.
    parts: Vec<Value>,
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

/// Whether a line is a payee's, or a step on the way to what it has of a side that it shares.
fn concerns(line: &Line, payee: &PayeeId, shares: bool) -> bool {
    match (&line.party, &line.of) {
        (Party::Payee(party), _) => party == payee,
        (_, None) => shares && line.kind != Kind::Adjustment,
        (_, Some(of)) => {
            of == payee && matches!(line.kind, Kind::CompanyDollar | Kind::PostCapCompany | Kind::ReferralIn)
        }
    }
}

impl Calculated {
    /// What of it is a payee's matter.
    fn of(mut self, payee: &PayeeId) -> Self {
        let Self { basis, completion, documents, sides, .. } = &mut self;
        for (stored, explained) in completion.sides.iter_mut().zip(sides.iter_mut()) {
            let shares = stored.lines.iter().any(|line| line.of.as_ref() == Some(payee));
            stored.lines.retain(|line| concerns(line, payee, shares));
            explained.lines.retain(|line| concerns(&line.line, payee, shares));
            explained.parts.retain(|part| part["payee"] == payee.as_str());
        }
        completion.sides.retain(|side| !side.lines.is_empty());
        sides.retain(|side| !side.lines.is_empty());
        if let Some(Basis::Sides(known)) = basis {
            known.retain(|side| sides.iter().any(|told| told.side == side.side));
            let own = |party: &Party| matches!(party, Party::Payee(party) if party == payee);
            for side in known {
                side.adjustments.retain(|adjustment| own(&adjustment.from) || own(&adjustment.to));
            }
        }
        let mut own = completion.plans.iter().map(|plan| plan.payee == *payee);
        documents.retain(|_| own.next() == Some(true));
        completion.plans.retain(|plan| plan.payee == *payee);
        let caps = documents.iter().flatten().filter_map(|document| document.cap.as_ref());
        let pools: BTreeSet<_> = caps
            .flat_map(|capped| &capped.caps)
            .filter_map(|cap| match &cap.of {
                CapOf::Payee => None,
                CapOf::Pool(pool) => Some((&cap.programme, pool)),
            })
            .collect();
        completion.caps.retain(|Contribution { account, .. }| match &account.of {
            Owner::Payee(of) => of == payee,
            Owner::Pool(pool) => pools.contains(&(&account.programme, pool)),
        });
        completion.attainments.retain(|met| met.account.of == Owner::Payee(payee.clone()));
        completion.entries.retain(|earned| earned.payee == *payee);
        self
    }

    fn words(&self) -> Vec<String> {
        let Completion { deal, gci, plans, caps, attainments, entries, .. } = &self.completion;
        let mut words = Vec::new();
        if let Some(known) = &self.basis {
            words.push(format!("deal {deal} brings {gci}, {}", basis(known)));
        }
        if let Some(model) = &self.attribution {
            words.push(format!("it is credited {}", attribution(model)));
        }
        for (PlanInForce { payee, plan, version, plan_hash }, says) in plans.iter().zip(&self.documents) {
            let hash = plan_hash.to_string();
            let says = says.as_ref().map(|says| format!(": {}", document(says))).unwrap_or_default();
            let hash = hash.get(..12).unwrap_or(&hash);
            words.push(format!("{payee} is under plan {plan} version {version} (document {hash}…){says}"));
        }
        for Contribution { account: Account { programme, of, year }, limit, before, .. } in caps {
            let left = Sum::from(*limit).minus((*before).into()).max(Sum::ZERO).show(limit.currency());
            let currency = limit.currency();
            words.push(format!(
                "before this deal {left} {currency} of {of}'s cap {programme} of {limit} for {year} was left"
            ));
        }
        for Progress { account: Account { programme, of, year }, before, .. } in attainments {
            words.push(format!("before this deal {of} had attained in {programme} for {year}: {}", attained(before)));
        }
        words.extend(self.sides.iter().flat_map(SideExplained::words));
        words.extend(entries.iter().map(|Earned { payee, amount, .. }| format!("together {}", has(payee, *amount))));
        words.extend(self.calc_divergence.iter().map(|divergence| format!("calc_divergence: {divergence}")));
        words
    }
}

impl SideExplained {
    fn words(&self) -> Vec<String> {
        let Self { side, gci, net, parts, lines } = self;
        let mut words = Vec::new();
        if *side != SideKind::Sole || net != gci {
            words.push(format!("{} brings {gci}, and {net} of it is the net that is shared", side_name(*side)));
        }
        let mut parts = parts.iter().peekable();
        for line in lines {
            // A part is told before what becomes of it.
            let of = line.line.of.as_ref().map(PayeeId::as_str);
            while let Some(part) = parts.next_if(|part| part["payee"].as_str() == of) {
                let [payee, amount, how] = ["payee", "part", "words"].map(|field| part[field].as_str());
                let [payee, amount, how] = [payee, amount, how].map(Option::unwrap_or_default);
                words.push(format!("{payee}'s part is {amount}: {how}"));
            }
            words.push(line.words());
        }
        words
    }
}

/// Reads calculated deals off the log.
#[derive(Default)]
struct Deals(Terms);

impl Deals {
    /// Takes an event in; the deal that it calculates comes out, if it is wanted.
    fn of(&mut self, recorded: &Recorded, is_wanted: impl Fn(&Completion) -> bool) -> Option<Calculated> {
        self.0.apply(&recorded.event);
        let Event::Deal(deal::Event::Completed(completion)) = &recorded.event else { return None };
        let open = self.0.take(&completion.deal);
        is_wanted(completion).then(|| self.explain(recorded.sequence, open, completion))
    }

    fn explain(&self, sequence: u64, open: Option<Open>, completion: &Completion) -> Calculated {
        let mut why: Vec<(Vec<Value>, Vec<Option<Value>>)> = Vec::new();
        let sides = open.as_ref().and_then(Open::sides);
        let calc_divergence = match &sides {
            None => Some("nothing says who shares the deal".to_owned()),
            Some(sides) => match self.0.recalculate(sides, completion) {
                Err(rejection) => Some(rejection.to_string()),
                Ok(calculation) => {
                    let json = |because| serde_json::to_value(because).ok();
                    why.extend(calculation.sides.iter().map(|side| {
                        let parts = side.parts.iter().filter_map(|part| serde_json::to_value(part).ok()).collect();
                        (parts, side.lines.iter().map(|line| json(line.because)).collect())
                    }));
                    let differs = completion.divergence(&calculation);
                    differs.map(|(place, stored, calculated)| {
                        format!("{place} is {stored}, calculated again {calculated}")
                    })
                }
            },
        };
        if calc_divergence.is_some() {
            why.clear();
        }
        let mut why = why.into_iter();
        let sides = completion.sides.iter().map(|side| {
            let (parts, because) = why.next().unwrap_or_default();
            let mut because = because.into_iter();
            let lines =
                side.lines.iter().map(|line| LineExplained { line: line.clone(), because: because.next().flatten() });
            SideExplained { side: side.side, gci: side.gci, net: side.net, parts, lines: lines.collect() }
        });
        let sides = sides.collect();
        let documents =
            completion.plans.iter().map(|plan| self.0.version(plan).map(|version| version.document.clone())).collect();
        let (basis, attribution) =
            open.as_ref().map(|Open { basis, attribution }| (basis.clone(), attribution.clone())).unzip();
        Calculated {
            sequence,
            basis,
            attribution: attribution.flatten(),
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
    /// The deal that it is for, or that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    calculated: Option<Calculated>,
    /// The sale that it is for, or that it is taken back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    sold: Option<Sold>,
}

async fn explain_payout(source: &Source, store: &dyn Store, asked: PayoutId) -> Result<PayoutExplained, CliError> {
    let mut history = Vec::new();
    let mut made = None;
    let (mut clawbacks, mut claimed) = (BTreeMap::new(), BTreeSet::new());
    each(source, store, |recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { entry, source: EntrySource::Clawback { deal, of }, .. }) => {
            clawbacks.insert(entry.as_uuid(), (deal.clone(), of.as_uuid()));
        }
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
    let mut calculated: BTreeMap<DealId, Calculated> = BTreeMap::new();
    let mut sold = BTreeMap::new();
    let mut sales = Sales::default();
    let mut entries = Vec::new();
    let (taken_back, mut told): (BTreeSet<_>, BTreeSet<_>) =
        claimed.iter().filter_map(|entry| clawbacks.get(entry)).cloned().unzip();
    told.extend(&claimed);
    let is_claimed = |earned: &Earned| earned.entry.is_some_and(|entry| claimed.contains(&entry.as_uuid()));
    each(source, store, |recorded| {
        let is_wanted = |completion: &Completion| {
            completion.entries.iter().any(is_claimed) || taken_back.contains(&completion.deal)
        };
        if let Some(deal) = deals.of(recorded, is_wanted) {
            calculated.insert(deal.completion.deal.clone(), deal.of(&payee));
        }
        if let Some(sale) = sales.of(recorded) {
            // An entry that is there already keeps what it was booked with.
            for earned in sale.entries().filter(|earned| told.contains(&earned.entry.as_uuid())) {
                sold.entry(earned.entry.as_uuid()).or_insert_with(|| sale.clone());
            }
        }
        if let Event::Account(account::Event::EntryBooked { entry, source, amount, earned_on, .. }) = &recorded.event
            && claimed.contains(&entry.as_uuid())
        {
            let (deal, earned) = match source {
                EntrySource::Commission { deal } => (Some(deal), entry),
                EntrySource::Clawback { deal, of } => (Some(deal), of),
                EntrySource::Adjustment { .. } => (None, entry),
            };
            entries.push(Entry {
                entry: *entry,
                amount: *amount,
                earned_on: *earned_on,
                sequence: recorded.sequence,
                source: source.clone(),
                calculated: deal.and_then(|deal| calculated.get(deal)).cloned(),
                sold: sold.get(&earned.as_uuid()).cloned(),
            });
        }
    })
    .await?;
    let name = deals.0.payee(&payee).map(|payee| payee.name().clone());
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
                entry_source(source, *amount)
            ));
            let calculated = entry.calculated.iter().flat_map(Calculated::words);
            for step in calculated.chain(entry.sold.iter().flat_map(|sale| sale.words(Some(&self.payee), false))) {
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

/// Whose account of what is asked for, and of which year.
#[derive(Clone, Copy)]
struct Asked<'a> {
    programme: &'a CapProgramme,
    of: &'a str,
    year: Option<&'a str>,
}

impl Asked<'_> {
    fn is(&self, account: &Account) -> bool {
        let in_year = |year: &str| match year.parse::<Date>() {
            Ok(day) => account.year.contains(day),
            Err(_) => account.year.start.to_string().split('-').next() == Some(year),
        };
        account.programme == *self.programme && account.of.to_string() == self.of && self.year.is_none_or(in_year)
    }
}

async fn explain_cap(source: &Source, store: &dyn Store, asked: Asked<'_>) -> Result<Vec<CapExplained>, CliError> {
    let asked = |account: &Account| asked.is(account);
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
            let deal = match &account.of {
                Owner::Payee(payee) => deal.of(payee),
                Owner::Pool(_) => deal,
            };
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
        for Step { sequence, on, what, contributed, room, calculated } in &self.steps {
            words.push(format!("  {on}, event {sequence}: {what}"));
            words.extend(calculated.iter().flat_map(Calculated::words).map(|step| format!("       {step}")));
            words.push(format!("       after it {contributed} is contributed, {room} is left"));
        }
        words
    }
}

/// One year of what one payee attained.
#[derive(Serialize)]
struct AttainmentExplained {
    account: Account,
    attained: Attained,
    steps: Vec<Attaining>,
}

/// What moved an attainment, or met it.
#[derive(Serialize)]
struct Attaining {
    sequence: u64,
    on: Date,
    what: String,
    attained: Attained,
    #[serde(skip_serializing_if = "Option::is_none")]
    calculated: Option<Calculated>,
}

async fn explain_attainment(
    source: &Source,
    store: &dyn Store,
    asked: Asked<'_>,
) -> Result<Vec<AttainmentExplained>, CliError> {
    let mut years: BTreeMap<Date, AttainmentExplained> = BTreeMap::new();
    let (mut deals, mut deal) = (Deals::default(), None);
    each(source, store, |recorded| {
        let met = |completion: &Completion| completion.attainments.iter().any(|met| asked.is(&met.account));
        // What a deal counts follows upon its completion.
        deal = deals.of(recorded, met).or(deal.take());
        let Event::Attainment(event) = &recorded.event else { return };
        let account = event.account();
        let Some(payee) = (match &account.of {
            Owner::Payee(payee) if asked.is(account) => Some(payee),
            _ => None,
        }) else {
            return;
        };
        let by = event.attained();
        let of = years.entry(account.year.start).or_insert_with(|| AttainmentExplained {
            account: account.clone(),
            attained: Attained::nothing(by.revenue.currency()),
            steps: Vec::new(),
        });
        let is_counted = matches!(event, attainment::Event::Counted { .. });
        let total = match event {
            attainment::Event::Reversed { .. } => of.attained.minus(&by),
            attainment::Event::OpeningSet { .. } | attainment::Event::Counted { .. } => of.attained.plus(&by),
        };
        of.attained = total.unwrap_or(of.attained);
        let calculated = deal.take_if(|_| is_counted).map(|deal: Calculated| deal.of(payee));
        let (sequence, on, what, attained) =
            (recorded.sequence, recorded.effective, describe(&recorded.event), of.attained);
        of.steps.push(Attaining { sequence, on, what, attained, calculated });
    })
    .await?;
    Ok(years.into_values().collect())
}

impl Explanation for AttainmentExplained {
    fn words(&self) -> Vec<String> {
        let Account { programme, of, year } = &self.account;
        let mut words = vec![
            format!("Attainment {programme} of {of} from {} up to, but without, {}", year.start, year.end),
            format!("attained: {}", attained(&self.attained)),
        ];
        for Attaining { sequence, on, what, attained: after, calculated } in &self.steps {
            words.push(format!("  {on}, event {sequence}: {what}"));
            words.extend(calculated.iter().flat_map(Calculated::words).map(|step| format!("       {step}")));
            words.push(format!("       after it: {}", attained(after)));
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
    /// Nothing of it holds any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reversed: bool,
    history: Vec<Fact>,
}

async fn explain_deal(source: &Source, store: &dyn Store, asked: DealId) -> Result<DealExplained, CliError> {
    let stream = format!("deal/{asked}");
    let mut all = Deals::default();
    let (mut calculated, mut reversed, mut history) = (None, false, Vec::new());
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
            reversed |= matches!(recorded.event, Event::Deal(deal::Event::Reversed { .. }));
            history.push(Fact::of(recorded));
        }
    })
    .await?;
    if history.is_empty() {
        return Err(CliError::Refused(format!(
            "deal {asked} is unknown: payledger events --stream deal lists all of them"
        )));
    }
    Ok(DealExplained { deal: asked, calculated, sold, reversed, history })
}

impl Explanation for DealExplained {
    fn words(&self) -> Vec<String> {
        let reversed = if self.reversed { " is reversed: what follows held until then" } else { "" };
        let mut words = vec![format!("Deal {}{reversed}", self.deal)];
        words.extend(self.calculated.iter().flat_map(Calculated::words).map(|step| format!("  {step}")));
        words.extend(self.sold.iter().flat_map(|sale| sale.words(None, self.reversed)).map(|step| format!("  {step}")));
        words.push("What became of it:".into());
        words.extend(self.history.iter().map(Fact::words));
        words
    }
}
