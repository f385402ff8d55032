//! Compares a kept state with a replay to the same place in the log.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Against, Class, Difference, Report, text};
use crate::id::LedgerName;
use crate::money::{Currency, Money};
use crate::projection::replay::{ReplayError, replay_through};
use crate::projection::sum::Sum;
use crate::projection::{All, Projected, Projection};
use crate::store::{CheckpointRow, Store};

/// Compares every kept state of the ledger's projections with a replay.
///
/// # Errors
/// [`ReplayError`] when the log cannot be replayed.
pub async fn against_store(store: &dyn Store, ledger: &LedgerName, page: usize) -> Result<Report, ReplayError> {
    let mut kept = Vec::new();
    for name in All::NAMES.iter().chain([&All::NAME]) {
        kept.extend(store.load_checkpoint(ledger, name).await?);
    }
    // In the order of the log, so that one replay passes all of them.
    kept.sort_by(|a, b| (a.sequence, &a.name).cmp(&(b.sequence, &b.name)));
    let mut report = Report::default();
    let mut truth = Projected::<All>::new();
    for row in &kept {
        truth = match replay_through(store, ledger, truth.clone(), row.sequence, page, |_| {}).await {
            Ok(truth) => truth,
            Err(ReplayError::NoEnd { .. }) => {
                let place = "a request's end of this log";
                report = report.and(Report::of([elsewhere(row, "sequence", place, &row.sequence.to_string())]));
                continue;
            }
            Err(error) => return Err(error),
        };
        report = report.and(against(&truth, row));
    }
    Ok(report)
}

/// Compares one kept state with a replay to the same place. A row of a name that is no projection's is unusable.
#[must_use]
pub fn against(truth: &Projected<All>, row: &CheckpointRow) -> Report {
    let place = truth.checkpoint();
    if row.sequence != place.sequence {
        return Report::of([elsewhere(row, "sequence", &place.sequence.to_string(), &row.sequence.to_string())]);
    }
    if row.link != place.link {
        return Report::of([elsewhere(row, "link", &place.link.to_string(), &row.link.to_string())]);
    }
    let unusable = |what: String| Report::of([difference(row, Class::StateUnusable, "", "", &what)]);
    let Some(ours) = truth.save_named(&row.name) else {
        return unusable("no projection has this name".to_owned());
    };
    if ours.version != row.version {
        return unusable(format!("version {}, this is version {}", row.version, ours.version));
    }
    if ours.state == row.state {
        return Report::default();
    }
    match (serde_json::from_slice(&ours.state), serde_json::from_slice(&row.state)) {
        (Ok(ours), Ok(theirs)) => {
            let mut walk = Walk { row, path: Vec::new(), sequence: None, found: Vec::new() };
            walk.compare(&ours, &theirs);
            if walk.found.is_empty() {
                walk.tell("", "the canonical form", "another form");
            }
            Report::of(walk.found)
        }
        (_, Err(error)) | (Err(error), _) => unusable(error.to_string()),
    }
}

fn elsewhere(row: &CheckpointRow, field: &str, ledger: &str, other: &str) -> Difference {
    difference(row, Class::StateElsewhere, field, ledger, other)
}

fn difference(row: &CheckpointRow, class: Class, field: &str, ledger: &str, other: &str) -> Difference {
    Difference {
        against: Against::Checkpoint,
        key: row.name.to_string(),
        field: field.to_owned(),
        class,
        ledger: ledger.to_owned(),
        other: other.to_owned(),
        at_stake: None,
        sequence: Some(row.sequence),
        since: None,
    }
}

/// Walks two states side by side.
struct Walk<'a> {
    row: &'a CheckpointRow,
    path: Vec<String>,
    /// The last event that changed what the walk stands in, where the state says so.
    sequence: Option<u64>,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn compare(&mut self, ours: &Value, theirs: &Value) {
        match (ours, theirs) {
            (Value::Object(left), Value::Object(right)) => {
                let outer = self.sequence;
                self.sequence = ["sequence", "changed"]
                    .into_iter()
                    .find_map(|field| left.get(field).and_then(Value::as_u64))
                    .or(outer);
                for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                    self.step(key, left.get(key), right.get(key));
                }
                self.sequence = outer;
            }
            (Value::Array(left), Value::Array(right)) => {
                for index in 0..left.len().max(right.len()) {
                    self.step(&index.to_string(), left.get(index), right.get(index));
                }
            }
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                let field = self.path.pop().unwrap_or_default();
                self.tell(&field, &text(Some(ours)), &text(Some(theirs)));
                self.path.push(field);
            }
        }
    }

    fn step(&mut self, key: &str, ours: Option<&Value>, theirs: Option<&Value>) {
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            self.path.push(key.to_owned());
            self.compare(ours, theirs);
            self.path.pop();
        } else if ours != theirs {
            self.tell(key, &text(ours), &text(theirs));
        }
    }

    fn tell(&mut self, field: &str, ours: &str, theirs: &str) {
        let mut found = difference(self.row, Class::StateDiffers, field, ours, theirs);
        for part in &self.path {
            found.key.push('/');
            found.key.push_str(part);
        }
        found.at_stake = self.at_stake(ours, theirs);
        found.sequence = self.sequence;
        self.found.push(found);
    }

    /// The difference between two amounts, or between two sums that stand below the code of their currency.
    fn at_stake(&self, ours: &str, theirs: &str) -> Option<Money> {
        if let (Ok(ours), Ok(theirs)) = (Money::parse(ours), Money::parse(theirs)) {
            return absolute(ours.minus(theirs).ok()?);
        }
        let currency = self.path.iter().rev().find_map(|part| Currency::of(part).ok())?;
        let sum = |text: &str| serde_json::from_value::<Sum>(Value::String(text.to_owned())).ok();
        absolute(sum(ours)?.minus(sum(theirs)?).money(currency).ok()?)
    }
}

fn absolute(amount: Money) -> Option<Money> {
    Some(if amount.is_negative() { amount.negated() } else { amount })
}
