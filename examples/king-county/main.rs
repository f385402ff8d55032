//! A brokerage's sales, from deals to paid payouts, on a ledger in one file.
//!
//! `examples/king-county/run SALES.csv DB` records every sale as a deal, pays every payee at the end of every month, and
//! writes what came of it as CSV. Stop it wherever you like and run it again: it goes on where it was.
//!
//! `sales.rs` reads the file, `requests.rs` says what is asked of the ledger, `cap_years.rs` is the report. `oracle.py` works
//! the same report out without the ledger, for a file such as `generate.py` makes.

mod cap_years;
mod requests;
mod sales;

use std::collections::BTreeSet;
use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ledger_core::account;
use ledger_core::command::Request;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::engine::{Advice, Ledger, Receipt};
use ledger_core::event::Event;
use ledger_core::id::{LedgerName, PayeeId};
use ledger_core::limits::{GROUP_REQUESTS, PAGE_EVENTS, PAYOUTS_PER_BULK};
use ledger_core::money::Currency;
use ledger_core::projection::replay::replay;
use ledger_core::projection::sum::Sum;
use ledger_core::projection::{All, Projected};
use ledger_core::reconcile;
use ledger_core::store::keep_checkpoint;
use ledger_core::verify::verify;
use ledger_sqlite::SqliteStore;

use cap_years::CapYears;
use requests::{PayRun, Result};
use sales::Sale;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("king-county: {error}");
        ExitCode::from(2)
    })
}

async fn run() -> Result<ExitCode> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [file, db] = arguments.as_slice() else { return Err("usage: run SALES.csv DB".into()) };
    let sales = sales::read(file)?;
    let store = Arc::new(SqliteStore::open(db).await?);
    let ledger = Ledger::new(store.clone(), Arc::new(TokioEnv::current()), LedgerName::new("king-county")?);

    work(&ledger, &sales).await?;
    if !check(&ledger).await? {
        return Ok(ExitCode::from(1));
    }
    let years = replay(store.as_ref(), ledger.name(), Projected::<CapYears>::new(), PAGE_EVENTS, |_| {}).await?;
    drop(ledger);
    if let Some(store) = Arc::into_inner(store) {
        store.close().await; // leaves one file, with no write-ahead log beside it
    }
    years.state().write(Currency::of("USD")?, io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Month by month: records the sales, then pays what they earned.
async fn work(ledger: &Ledger, sales: &[Sale]) -> Result<()> {
    let Some(first) = sales.first() else { return Ok(()) };
    execute(ledger, requests::opening(first.closed_on)?).await?;
    let mut enrolled = BTreeSet::new();
    for sales in sales.chunk_by(|a, b| a.month() == b.month()) {
        let Some(last) = sales.last() else { continue };
        let mut requests = Vec::new();
        for sale in sales {
            if enrolled.insert(&sale.payee) {
                requests.extend(requests::enrolment(sale)?);
            }
            requests.push(requests::deal(sale)?);
        }
        let receipts = execute(ledger, requests).await?;
        let payouts = pay(ledger, PayRun { month: &last.month(), day: last.closed_on }, &receipts).await?;
        eprintln!("{}: {} sales recorded, {payouts} payouts paid", last.month(), sales.len());
    }
    Ok(())
}

/// Pays everyone who earned something by these receipts.
async fn pay(ledger: &Ledger, run: PayRun<'_>, receipts: &[Receipt]) -> Result<usize> {
    // Not everyone to whom something is payable: a second run finds that paid already, but it gets the same receipts.
    let payees: BTreeSet<&PayeeId> = receipts.iter().flat_map(earners).collect();
    let created = execute(ledger, payees.iter().map(|payee| run.create(payee)).collect::<Result<_>>()?).await?;
    let payouts: Vec<_> = created.iter().filter_map(Receipt::payout).collect();
    execute(ledger, payouts.iter().map(|payout| run.submit(*payout)).collect::<Result<_>>()?).await?;
    let parts = payouts.chunks(PAYOUTS_PER_BULK).enumerate();
    execute(ledger, parts.map(|(part, payouts)| run.approve(part, payouts)).collect::<Result<_>>()?).await?;
    execute(ledger, payouts.iter().map(|payout| run.pay(*payout)).collect::<Result<_>>()?).await?;
    Ok(payouts.len())
}

fn earners(receipt: &Receipt) -> impl Iterator<Item = &PayeeId> {
    receipt.events.iter().filter_map(|recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { payee, .. }) => Some(payee),
        _ => None,
    })
}

/// Has requests carried out in their order, as many at a time as the ledger commits together.
///
/// A request joins the ledger's queue when its future is first polled, and `join_all` polls them as they are listed.
async fn execute(ledger: &Ledger, requests: Vec<Request>) -> Result<Vec<Receipt>> {
    let mut receipts = Vec::with_capacity(requests.len());
    for group in requests.chunks(GROUP_REQUESTS) {
        let mut attempts = 0;
        loop {
            let answers = join_all(group.iter().map(|request| ledger.execute(request.clone()))).await;
            let answer = group.iter().zip(answers).map(|(request, answer)| answer.map_err(|error| (request, error)));
            match answer.collect::<Result<Vec<_>, _>>() {
                Ok(answers) => break receipts.extend(answers),
                // The whole group again: what is done already answers with its first receipt.
                Err((_, error)) if error.advice() == Advice::Retry && attempts < 5 => attempts += 1,
                Err((request, error)) => return Err(format!("request {}: {error}", request.key).into()),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(receipts)
}

/// Verifies the log, reconciles it with its laws and with what the last run kept of it, and keeps what it comes to now.
async fn check(ledger: &Ledger) -> Result<bool> {
    let (store, name) = (ledger.store().as_ref(), ledger.name());
    let verified = verify(store, name, None, |_| {}).await?;
    let laws = reconcile::log::check(store, name, PAGE_EVENTS, |_| {}).await?;
    let report = laws.and(reconcile::checkpoint::against_store(store, name, PAGE_EVENTS).await?);
    let all = replay(store, name, Projected::<All>::new(), PAGE_EVENTS, |_| {}).await?;
    for row in all.save_each()? {
        keep_checkpoint(store, name, &row).await?;
    }
    let currency = Currency::of("USD")?;
    let paid = all.state().statistics.of(currency).settled();
    let payable: Sum = all.state().summary.balances().iter().map(|(.., balance)| balance.payable).sum();
    eprintln!(
        "{} payouts paid, {} {currency}; still payable: {}",
        paid.count,
        paid.amount.show(currency),
        payable.show(currency)
    );
    eprintln!("{} events verified up to link {}; {report}", verified.events, verified.head.link);
    Ok(report.is_clean())
}
