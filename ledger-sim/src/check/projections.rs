//! The ledger's projections against the model's reports.

use std::fmt::Debug;

use ledger_core::payout::Status;
use ledger_core::projection::All;
use ledger_core::projection::caps::Progress;
use ledger_core::projection::register::Row;
use ledger_core::projection::summary;

use crate::act::Amount;
use crate::model::{Balance, Cap, Holder, Model, Payout, Stage, Year};

/// Compares what the projections of a ledger say with what the model says.
///
/// # Errors
/// The first difference, with both values.
pub fn compare(model: &Model, all: &All) -> Result<(), String> {
    register(model, all)?;
    statistics(model, all)?;
    summary(model, all)?;
    caps(model, all)
}

fn same<T: PartialEq + Debug>(what: impl FnOnce() -> String, model: T, ledger: T) -> Result<(), String> {
    if model == ledger { Ok(()) } else { Err(format!("{}: the model has {model:?}, the ledger {ledger:?}", what())) }
}

fn register(model: &Model, all: &All) -> Result<(), String> {
    let payouts = model.payouts().rows();
    same(|| "how many payouts the register has".into(), payouts.len(), all.register.len())?;
    payouts.iter().zip(all.register.rows()).try_for_each(|(payout, row)| register_row(payout, &row))
}

fn register_row(payout: &Payout, row: &Row<'_>) -> Result<(), String> {
    let of = |field: &'static str| move || format!("{field} of payout {} in the register", payout.id);
    let text = |text: &Option<String>| text.clone();
    same(of("the identifier"), payout.id.clone(), row.payout.to_string())?;
    same(of("the status"), payout.stage.as_str(), row.status.as_str())?;
    same(of("the payee"), payout.payee.as_str(), row.payee.as_str())?;
    same(of("the amount"), payout.amount.to_string(), row.amount.to_string())?;
    same(of("the number of entries"), payout.entries.len().to_string(), row.entries.to_string())?;
    same(of("the version"), payout.version, row.version)?;
    same(of("the attempt"), payout.attempt, row.attempt)?;
    same(of("the deals"), payout.deals.as_str(), &row.deals)?;
    same(of("the plans"), payout.plans.as_str(), &row.plans)?;
    same(of("the maker"), payout.maker.as_str(), row.created_by.as_str())?;
    same(of("the approver"), text(&payout.approver), row.approved_by.as_ref().map(ToString::to_string))?;
    same(of("the period"), text(&payout.period), row.period.as_ref().map(ToString::to_string))?;
    same(of("the notes"), text(&payout.notes), row.notes.as_ref().map(ToString::to_string))?;
    same(of("the method"), text(&payout.method), row.method.as_ref().map(ToString::to_string))?;
    same(of("the reference"), text(&payout.reference), row.reference.as_ref().map(ToString::to_string))?;
    same(of("the reason"), text(&payout.reason), row.reason.as_ref().map(ToString::to_string))
}

fn status(stage: Stage) -> Status {
    match stage {
        Stage::Draft => Status::Draft,
        Stage::PendingApproval => Status::PendingApproval,
        Stage::Approved => Status::Approved,
        Stage::Processing => Status::Processing,
        Stage::Paid => Status::Paid,
        Stage::Failed => Status::Failed,
        Stage::Rejected => Status::Rejected,
        Stage::Voided => Status::Voided,
    }
}

fn statistics(model: &Model, all: &All) -> Result<(), String> {
    let counts = model.statistics();
    let find = |code: &str, status_: Status| {
        let found = counts.iter().find(|((currency, stage), _)| currency.0 == code && status(*stage) == status_);
        found.map_or((0, 0), |(_, count)| *count)
    };
    for (currency, totals) in all.statistics.currencies() {
        for status in Status::ALL {
            let (bucket, what) = (totals.of(status), || format!("the {currency} payouts {}", status.as_str()));
            same(what, find(currency.code(), status), (bucket.count, bucket.amount.minor()))?;
        }
        let settled = totals.settled();
        let what = || format!("the {currency} payouts settled");
        same(what, find(currency.code(), Status::Paid), (settled.count, settled.amount.minor()))?;
    }
    let all: u64 = all.statistics.currencies().iter().map(|(_, totals)| totals.all().count).sum();
    same(|| "how many payouts the statistics count".into(), counts.values().map(|(count, _)| count).sum(), all)
}

fn summary(model: &Model, all: &All) -> Result<(), String> {
    let balances = model.summary();
    let found = all.summary.balances();
    same(|| "how many balances there are".into(), balances.len(), found.len())?;
    for (((payee, code), balance), (found_payee, currency, found)) in balances.iter().zip(found) {
        same(|| "whose balance it is".into(), (*payee, code.0), (found_payee.as_str(), currency.code()))?;
        same(|| format!("the balance of {payee} in {currency}"), balance, &as_balance(found))?;
    }
    Ok(())
}

fn as_balance(found: &summary::Balance) -> Balance {
    let year = |year: &summary::Year| Year {
        earned: year.earned.minor(),
        reversed: year.reversed.minor(),
        clawed_back: year.clawed_back.minor(),
        adjusted: year.adjusted.minor(),
        settled: year.settled.minor(),
    };
    Balance {
        earned: found.earned.minor(),
        reversed: found.reversed.minor(),
        clawed_back: found.clawed_back.minor(),
        adjusted: found.adjusted.minor(),
        payable: found.payable.minor(),
        claimed: found.claimed.minor(),
        settled: found.settled.minor(),
        clawback_outstanding: found.clawback_outstanding.minor(),
        entries: found.entries,
        entries_reversed: found.entries_reversed,
        entries_paid: found.entries_paid,
        payouts_paid: found.payouts_paid,
        years: found.years.iter().map(|(number, of)| (*number, year(of))).collect(),
    }
}

fn caps(model: &Model, all: &All) -> Result<(), String> {
    let mut caps: Vec<_> = model.caps().rows().iter().collect();
    caps.sort_by_key(|cap| (&cap.programme, &cap.of, cap.start));
    let found = all.caps.progress();
    same(|| "how many cap accounts there are".into(), caps.len(), found.len())?;
    for (cap, (account, progress)) in caps.into_iter().zip(found) {
        let of = format!("the cap {}/{}/{}", cap.programme, of_name(&cap.of), cap.start);
        let named = format!("the cap {}/{}/{}", account.programme, account.of, account.year.start);
        same(|| "whose cap it is".into(), &of, &named)?;
        same(|| format!("the last day of {of}"), cap.end.to_string(), account.year.end.to_string())?;
        cap_progress(&of, cap, progress)?;
    }
    Ok(())
}

/// Whose account it is, as the ledger's tables name it.
fn of_name(of: &Holder) -> String {
    match of {
        Holder::Payee(payee) => payee.clone(),
        Holder::Pool(pool) => format!("pool:{pool}"),
    }
}

fn cap_progress(of: &str, cap: &Cap, progress: &Progress) -> Result<(), String> {
    let what = |field: &'static str| move || format!("{field} of {of}");
    same(what("the limit"), Amount(cap.limit, cap.currency).to_string(), progress.limit.to_string())?;
    same(what("the opening balance"), cap.opening.unwrap_or(0), progress.opening.minor())?;
    same(what("the contributions"), cap.contributed, progress.contributed.minor())?;
    same(what("the room"), cap.room(), progress.room().minor())?;
    same(what("the fees"), cap.fees, progress.post_cap_fees.minor())?;
    let reached = cap.reached.as_ref().map(|reached| (reached.deal.clone(), reached.on.to_string()));
    let capped = progress.capped_at.as_ref();
    let capped = capped.map(|capped| (capped.deal.as_ref().map(ToString::to_string), capped.on.to_string()));
    same(what("the day on which it was reached"), reached, capped)
}
