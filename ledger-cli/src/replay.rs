//! `replay`: rebuilds every projection from the log, and keeps the result.

use std::io::Write;
use std::time::Instant;

use ledger_core::id::LedgerName;
use ledger_core::limits::PAGE_EVENTS;
use ledger_core::projection::{All, Projected, replay};
use ledger_core::store::{Store, keep_checkpoint};

use crate::Outcome;
use crate::error::CliError;
use crate::output::{Cell, Format, Table, stdout, text};
use crate::progress::bar;
use crate::source::Source;

/// Rebuilds every projection and keeps it.
pub async fn run(source: &Source, format: Format) -> Result<Outcome, CliError> {
    // A mistyped name must not make a new file.
    source.read().await?;
    let writing = source.write().await?;
    let store = writing.ledger.store().as_ref();
    let begun = Instant::now();
    let all = from_zero(store, &source.ledger).await?;
    let took = begun.elapsed();
    let outcome = keep(source, store, &all).await?;
    writing.close().await;

    let mut table = Table::new(&["projection", "events", "fingerprint"]);
    let events = all.checkpoint().sequence;
    for (name, fingerprint) in all.state().fingerprints() {
        table.row(vec![text(name), Cell::Count(events), text(fingerprint)]);
    }
    let mut out = stdout();
    table.print(&mut out, format)?;
    out.flush()?;
    let micros = took.as_micros().max(1);
    let rate = u128::from(events) * 1_000_000 / micros;
    let _ = writeln!(
        std::io::stderr(),
        "{events} events in {}.{:03} s, {rate} a second, from stored bytes with every digest and link checked",
        micros / 1_000_000,
        micros / 1_000 % 1_000
    );
    Ok(outcome)
}

/// Every projection, from the first event on.
pub async fn from_zero(store: &dyn Store, ledger: &LedgerName) -> Result<Projected<All>, CliError> {
    let bar = bar("replay", 0);
    let all = replay::replay(store, ledger, Projected::new(), PAGE_EVENTS, |progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.sequence);
    });
    let all = all.await;
    bar.finish_and_clear();
    Ok(all?)
}

/// Keeps the states in the store, for `reconcile` to compare with. One that was kept for the same place in the log with
/// something else in it is replaced, but told: nothing is repaired in silence.
pub async fn keep(source: &Source, store: &dyn Store, all: &Projected<All>) -> Result<Outcome, CliError> {
    let rows = all.save_each().map_err(|error| CliError::Refused(error.to_string()))?;
    let mut outcome = Outcome::Done;
    for row in rows {
        let kept = store.load_checkpoint(&source.ledger, &row.name).await.map_err(source.blame())?;
        let same_place = kept.filter(|kept| (kept.version, kept.sequence) == (row.version, row.sequence));
        if same_place.is_some_and(|kept| kept != row) {
            let what = format!("the kept state of {} was not what the log comes to: it is replaced", row.name);
            let _ = writeln!(std::io::stderr(), "payledger: {what}");
            outcome = Outcome::Differences;
        }
        keep_checkpoint(store, &source.ledger, &row).await.map_err(source.blame())?;
    }
    Ok(outcome)
}
