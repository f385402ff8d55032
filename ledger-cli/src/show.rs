//! `show`: what the log comes to, now or as of a time in the past.

use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use ledger_core::event::Event;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::payout::Status;
use ledger_core::projection::Projection;
use ledger_core::projection::audit::{self, Audit};
use ledger_core::projection::caps::Caps;
use ledger_core::projection::credits::Credits;
use ledger_core::projection::journal::Journal;
use ledger_core::projection::register::Register;
use ledger_core::projection::replay::{AsOf, each_event, replay_as_of};
use ledger_core::projection::statistics::{Bucket, Statistics};
use ledger_core::projection::sum::Sum;
use ledger_core::projection::summary::Summary;
use ledger_core::recorded::Recorded;
use ledger_core::settings::Capability;
use ledger_core::slice::{State, evolve};
use ledger_core::store::Store;
use ledger_core::waterfall::{Account, Attained};
use ledger_core::{Currency, Date, Money, attainment};

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, number, perhaps, stdout, text};
use crate::progress::bar;
use crate::source::Source;
use crate::words::instant;

/// What `show` is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// As of a time of recording and an effective day: 2026-02-01T00:00:00Z, 2026-02-01T00:00:00Z,2026-01-31 or ,2026-01-31.
    #[arg(long, value_name = "RECORDED[,EFFECTIVE]")]
    as_of: Option<Past>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// One row a payout.
    Payouts,
    /// What each payee earned, is owed and was paid.
    Payees,
    /// How far each payee is towards each cap.
    Caps,
    /// What each payee attained, by which tiers and bonuses are measured.
    Attainments,
    /// Who is credited with what of each sale, and what that pays.
    Credits,
    /// How many payouts stand where, and over how much.
    Statistics,
    /// The balance of every account of the books.
    Journal,
    /// Who did what, and when.
    Audit,
    /// Currency, zone, and what is switched on.
    Settings,
}

#[derive(Debug, Clone, Copy)]
struct Past(AsOf);

impl FromStr for Past {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (recorded, effective) = text.split_once(',').unwrap_or((text, ""));
        let wrong = |what: &str, text: &str, like: &str| format!("{text:?} is no {what}: write it like {like}");
        let recorded: Option<DateTime<Utc>> = match recorded {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong("time", text, "2026-02-01T00:00:00Z"))?),
        };
        let effective: Option<Date> = match effective {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong("day", text, "2026-01-31"))?),
        };
        Ok(Self(AsOf { recorded, effective }))
    }
}

/// Shows one projection.
pub async fn run(source: &Source, args: Args, format: Format) -> Result<Outcome, CliError> {
    let store = source.read().await?;
    let store = store.as_ref();
    let as_of = args.as_of.map(|past| past.0).unwrap_or_default();
    let mut note = None;
    let mut table = match args.what {
        What::Payouts => payouts(&fold(source, store, as_of).await?),
        What::Payees => payees(&fold(source, store, as_of).await?),
        What::Caps => caps(&fold(source, store, as_of).await?),
        What::Attainments => attainments(source, store, as_of).await?,
        What::Credits => credits(&fold(source, store, as_of).await?, format),
        What::Statistics => statistics(&fold(source, store, as_of).await?),
        What::Journal => {
            let journal = fold(source, store, as_of).await?;
            note = Some(trial_balance(&journal));
            books(&journal)
        }
        What::Audit => return trail(source, store, as_of, format).await,
        What::Settings => settings(source, store, as_of).await?,
    };
    let mut out = stdout();
    table.print(&mut out, format)?;
    if let Some(note) = note.filter(|_| format == Format::Table) {
        writeln!(out, "{note}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// A projection as of a past.
async fn fold<P: Projection>(source: &Source, store: &dyn Store, as_of: AsOf) -> Result<P, CliError> {
    let bar = bar("replay", 0);
    let state = replay_as_of(store, &source.ledger, as_of, PAGE_EVENTS, |progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.sequence);
    });
    let state = state.await;
    bar.finish_and_clear();
    Ok(state?)
}

/// One row a payout, in the order in which they were made.
pub fn payouts(register: &Register) -> Table {
    let columns = &[
        "payout",
        "status",
        "payee",
        "amount",
        "currency",
        "entries",
        "made_by",
        "approved_by",
        "method",
        "reference",
        "reason",
    ];
    let mut table = Table::new(columns);
    for row in register.rows() {
        table.row(vec![
            text(row.payout),
            text(row.status.as_str()),
            text(&row.payee),
            number(row.amount.amount()),
            text(row.amount.currency()),
            Cell::Count(row.entries.into()),
            text(&row.created_by),
            perhaps(row.approved_by),
            perhaps(row.method),
            perhaps(row.reference),
            perhaps(row.reason),
        ]);
    }
    table
}

/// One row a payee and currency.
pub fn payees(summary: &Summary) -> Table {
    let columns = &["payee", "currency", "earned", "reversed", "clawed_back", "adjusted", "payable", "claimed", "paid"];
    let mut table = Table::new(columns);
    for (payee, currency, of) in summary.balances() {
        let sums = [of.earned, of.reversed, of.clawed_back, of.adjusted, of.payable, of.claimed, of.settled];
        let amounts = sums.into_iter().map(|sum| number(sum.show(currency)));
        table.row([text(payee), text(currency)].into_iter().chain(amounts).collect());
    }
    table
}

/// One row a payee or pool, cap and cap year.
pub fn caps(caps: &Caps) -> Table {
    let columns = &[
        "cap",
        "of",
        "cap_year",
        "currency",
        "limit",
        "opening",
        "contributed",
        "room",
        "progress",
        "reached_on",
        "reached_by",
        "post_cap_fees",
    ];
    let mut table = Table::new(columns);
    for (account, of) in caps.progress() {
        let currency = of.limit.currency();
        let capped = of.capped_at.as_ref();
        table.row(vec![
            text(&account.programme),
            text(&account.of),
            text(account.year),
            text(currency),
            number(of.limit.amount()),
            number(of.opening.show(currency)),
            number(of.contributed.show(currency)),
            number(of.room().show(currency)),
            number(of.fraction()),
            perhaps(capped.map(|capped| capped.on)),
            perhaps(capped.and_then(|capped| capped.deal.as_ref())),
            number(of.post_cap_fees.show(currency)),
        ]);
    }
    table
}

/// One row a payee, programme and year. What is reversed counts until then.
async fn attainments(source: &Source, store: &dyn Store, as_of: AsOf) -> Result<Table, CliError> {
    let mut accounts: BTreeMap<Account, (Currency, i128, [Sum; 3])> = BTreeMap::new();
    let count = |recorded: &Recorded| {
        let Event::Attainment(event) = &recorded.event else { return };
        if !as_of.includes(recorded) {
            return;
        }
        let Attained { units, revenue, accrued, company_dollar } = event.attained();
        let nothing = || (revenue.currency(), 0, [Sum::ZERO; 3]);
        let (_, sold, sums) = accounts.entry(event.account().clone()).or_insert_with(nothing);
        let is_reversed = matches!(event, attainment::Event::Reversed { .. });
        *sold += if is_reversed { -i128::from(units) } else { units.into() };
        for (sum, amount) in sums.iter_mut().zip([revenue, accrued, company_dollar]) {
            if is_reversed { sum.take(amount) } else { sum.add(amount) }
        }
    };
    each_event(store, &source.ledger, PAGE_EVENTS, |_| {}, count).await?;
    let columns = &["programme", "of", "year", "currency", "units", "revenue", "accrued", "company_dollar"];
    let mut table = Table::new(columns);
    for (Account { programme, of, year }, (currency, units, sums)) in accounts {
        let account = [text(programme), text(of), text(year), text(currency), number(units)];
        table.row(account.into_iter().chain(sums.map(|sum| number(sum.show(currency)))).collect());
    }
    Ok(table)
}

/// One row a credit; how large a part it is in percent, for people, as no program should reckon with that.
pub fn credits(credits: &Credits, format: Format) -> Table {
    let columns = &["deal", "payee", "model", "credit", "amount", "commission", "currency", "late touches", "percent"];
    let shown = if format == Format::Table { columns.len() } else { columns.len() - 1 };
    let mut table = Table::new(columns.get(..shown).unwrap_or(columns));
    for row in credits.rows() {
        let currency = row.amount.currency();
        let mut cells = vec![
            text(row.deal),
            perhaps(row.payee),
            text(format_args!("{} v{}", row.model.model, row.model.version)),
            text(row.of.as_str()),
            number(row.amount.amount()),
            number(row.commission.show(currency)),
            text(currency),
            number(row.late),
            text(percent(row.amount, row.worth)),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    table
}

/// A part of a whole to a hundredth of a percent.
fn percent(part: Money, whole: Money) -> String {
    let (part, whole) = (i128::from(part.minor()), i128::from(whole.minor()));
    let hundredths = (part * 20_000 + whole).checked_div(whole * 2).unwrap_or_default();
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

fn statistics(statistics: &Statistics) -> Table {
    let mut table = Table::new(&["currency", "payouts", "count", "amount"]);
    let mut row = |currency: Currency, name: &str, of: Bucket| {
        table.row(vec![text(currency), text(name), Cell::Count(of.count), number(of.amount.show(currency))]);
    };
    for (currency, totals) in statistics.currencies() {
        for status in Status::ALL {
            row(currency, status.as_str(), totals.of(status));
        }
        row(currency, "total_committed", totals.total_committed());
        row(currency, "outstanding", totals.outstanding());
        row(currency, "settled", totals.settled());
        row(currency, "all", totals.all());
    }
    table
}

fn books(journal: &Journal) -> Table {
    let mut table = Table::new(&["account", "balance", "currency"]);
    for of in journal.balances() {
        table.row(vec![text(of.account), number(of.balance.show(of.currency)), text(of.currency)]);
    }
    table
}

fn trial_balance(journal: &Journal) -> String {
    let sums: Vec<_> = journal
        .trial_balance()
        .into_iter()
        .map(|(currency, sum)| format!("{} {currency}", sum.show(currency)))
        .collect();
    format!(
        "All balances together: {}. Debits stand above zero, credits below; together they are nothing.",
        sums.join(", ")
    )
}

/// The audit trail is as long as the log, so it is printed as it is read.
async fn trail(source: &Source, store: &dyn Store, as_of: AsOf, format: Format) -> Result<Outcome, CliError> {
    let mut out = stdout();
    let columns =
        &["sequence", "recorded_at", "actor", "action", "entity_type", "entity_id", "effective", "key", "reason"];
    let mut table = Table::new(columns);
    let mut failed = None;
    let mut tell = |recorded: &Recorded| {
        if !as_of.includes(recorded) || failed.is_some() {
            return;
        }
        let line = audit::line(recorded);
        table.row(vec![
            Cell::Count(line.sequence),
            text(instant(line.recorded_at)),
            text(line.actor),
            text(line.action.as_str()),
            text(line.entity_type),
            text(line.entity_id),
            text(line.effective),
            text(line.key),
            perhaps(line.reason),
        ]);
        if table.len() >= PAGE_EVENTS {
            failed = table.print(&mut out, format).err();
        }
    };
    each_event(store, &source.ledger, PAGE_EVENTS, |_| {}, &mut tell).await?;
    if let Some(error) = failed {
        return Err(error);
    }
    table.print(&mut out, format)?;
    if format == Format::Table {
        let tallies: Audit = fold(source, store, as_of).await?;
        writeln!(out)?;
        let mut table = Table::new(&["actor", "action", "count", "first", "last"]);
        for (actor, action, tally) in tallies.tallies() {
            let (first, last) = (instant(tally.first), instant(tally.last));
            table.row(vec![text(actor), text(action.as_str()), Cell::Count(tally.count), text(first), text(last)]);
        }
        table.print(&mut out, format)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

async fn settings(source: &Source, store: &dyn Store, as_of: AsOf) -> Result<Table, CliError> {
    let mut state = State::Settings(None);
    let mut misfit = None;
    let fold = |recorded: &Recorded| {
        if as_of.includes(recorded) && matches!(recorded.event, Event::Settings(_)) {
            misfit = misfit.or(evolve(&mut state, &recorded.event).err());
        }
    };
    each_event(store, &source.ledger, PAGE_EVENTS, |_| {}, fold).await?;
    let mut table = Table::new(&["setting", "value"]);
    let (State::Settings(Some(settings)), None) = (state, misfit) else {
        return Err(CliError::Refused("the ledger was not open then".into()));
    };
    table.row(vec![text("base_currency"), text(settings.base_currency())]);
    table.row(vec![text("zone"), text(settings.zone())]);
    for capability in [
        Capability::RailPayments,
        Capability::ManualPayments,
        Capability::ManualAmounts,
        Capability::OpeningBalances,
        Capability::ForeignCurrencies,
    ] {
        let name = serde_json::to_value(capability).ok().and_then(|name| name.as_str().map(str::to_owned));
        let switched = if settings.allows(capability) { "on" } else { "off" };
        table.row(vec![text(name.unwrap_or_default()), text(switched)]);
    }
    Ok(table)
}
