//! A brokerage's sales, from deals to paid payouts, on a ledger in one file.
//!
//! `examples/king-county/run SALES.csv DB` records every sale as a deal, pays every payee at the end of every month, and
//! writes what came of it as CSV. Stop it wherever you like and run it again: it goes on where it was.

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
use ledger_core::projection::{Projected, replay::replay};
use ledger_core::verify::verify;
use ledger_sqlite::SqliteStore;

use cap_years::CapYears;
use requests::{PayRun, Result};
use sales::Sale;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("king-county: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [file, db] = arguments.as_slice() else { return Err("usage: run SALES.csv DB".into()) };
    let sales = sales::read(file)?;
    let store = Arc::new(SqliteStore::open(db).await?);
    let ledger = Ledger::new(store, Arc::new(TokioEnv), LedgerName::new("king-county")?);

    work(&ledger, &sales).await?;
    let (store, name) = (ledger.store().as_ref(), ledger.name());
    let verified = verify(store, name, None, |_| {}).await?;
    eprintln!("{} events verified, the last link is {}", verified.events, verified.head.link);
    let years = replay(store, name, Projected::<CapYears>::new(), PAGE_EVENTS, |_| {}).await?;
    Ok(years.state().write(Currency::of("USD")?, io::stdout().lock())?)
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
    // By the receipts, which a second run gets again: by then the ledger has nothing payable left to ask for.
    let payees: BTreeSet<&PayeeId> = receipts.iter().flat_map(earners).collect();
    let created = execute(ledger, payees.iter().map(|payee| run.create(payee)).collect::<Result<_>>()?).await?;
    let payouts: Vec<_> = created.iter().filter_map(Receipt::payout).collect();
    execute(ledger, payouts.iter().map(|payout| run.submit(*payout)).collect::<Result<_>>()?).await?;
    let parts = payouts.chunks(PAYOUTS_PER_BULK).enumerate();
    execute(ledger, parts.map(|(part, payouts)| run.approve(part, payouts)).collect::<Result<_>>()?).await?;
    let payments = payees.iter().zip(&payouts).map(|(payee, payout)| run.pay(payee, *payout));
    execute(ledger, payments.collect::<Result<_>>()?).await?;
    Ok(payouts.len())
}

fn earners(receipt: &Receipt) -> impl Iterator<Item = &PayeeId> {
    receipt.events.iter().filter_map(|recorded| match &recorded.event {
        Event::Account(account::Event::EntryBooked { payee, .. }) => Some(payee),
        _ => None,
    })
}

/// Has requests carried out in their order, as many at a time as the ledger commits together.
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
