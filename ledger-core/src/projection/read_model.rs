//! Read models that live in rows, so that a host can query them in its own database.
//!
//! A [`ReadModel`] names the rows that an event touches and folds the event into those and no others. A
//! [runner](crate::engine::runner::Runner) keeps the rows with the place in the log that they are of, as one; what a model
//! cannot take is parked there, and stops neither the ledger nor other models.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use compact_str::CompactString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::canonical;
use crate::limits::TEXT_BYTES;
use crate::recorded::Recorded;
use crate::store::{ProjectionRow, RowChange};

/// A deterministic fold of the log into rows.
pub trait ReadModel: Send + Sync {
    /// The name that its rows are kept under.
    fn name(&self) -> &str;

    /// The version of its rows' form and of its fold. A change of either makes a new one, and the rows have to be rebuilt.
    fn version(&self) -> u32;

    /// The keys of the rows that an event touches, each once. None means that the event is nothing to the model.
    fn keys(&self, recorded: &Recorded) -> Vec<CompactString>;

    /// Folds one event into its rows. When it fails nothing of it is kept.
    ///
    /// # Errors
    /// [`Cause`] when the event cannot be folded; it is parked.
    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Cause>;
}

/// Why an event is parked.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cause {
    /// This version of the library cannot read it. Resume with one that can.
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    /// The model refused it. Mend the model and resume.
    #[error("the model refused the event: {0}")]
    Failed(String),
    /// The model panicked over it. Mend the model and resume.
    #[error("the model panicked: {0}")]
    Panicked(String),
    /// The model touched a row that it had not named. Mend the model and resume.
    #[error("the model touched the row {key:?}, which it had not named")]
    Stray {
        /// The row's key.
        key: CompactString,
    },
    /// Later events are in its rows already: its rows could not be known when it was parked. Rebuild the model.
    #[error("the row {key:?} is at event {sequence} already: rebuild the model")]
    Passed {
        /// The row's key.
        key: CompactString,
        /// The sequence of the last event that changed the row.
        sequence: u64,
    },
    /// It waits for another event of its stream or of one of its rows.
    #[error("it waits for event {sequence}")]
    Behind {
        /// The event that it waits for.
        sequence: u64,
    },
}

impl Cause {
    /// A refusal, in a model's own words.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The kind of the cause in one word, as it is stored.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Stray { .. } => "stray",
            Self::Passed { .. } => "passed",
            Self::Behind { .. } => "behind",
        }
    }

    /// The same with a text of bounded length, because it is kept.
    fn bounded(mut self) -> Self {
        if let Self::Unreadable(text) | Self::Failed(text) | Self::Panicked(text) = &mut self
            && let Some((end, _)) = text.char_indices().nth(TEXT_BYTES)
        {
            text.truncate(end);
        }
        self
    }
}

/// The rows that one event may touch.
pub struct Rows<'a> {
    keys: &'a [CompactString],
    table: &'a Table,
    changes: BTreeMap<CompactString, Option<String>>,
    stray: Option<CompactString>,
}

impl Rows<'_> {
    /// What a row holds, if there is one.
    ///
    /// # Errors
    /// [`Cause::Stray`] when the key was not named.
    pub fn get(&mut self, key: &str) -> Result<Option<&str>, Cause> {
        self.allow(key)?;
        let changed = self.changes.get(key);
        Ok(changed.map_or_else(|| self.table.value(key), Option::as_deref))
    }

    /// Puts a row in, in place of what was there.
    ///
    /// # Errors
    /// [`Cause::Stray`] when the key was not named, [`Cause::Failed`] when the value has a zero byte, which no store takes.
    pub fn put(&mut self, key: &str, value: String) -> Result<(), Cause> {
        self.allow(key)?;
        if value.contains('\0') {
            return Err(Cause::failed("a row's value has a zero byte"));
        }
        self.changes.insert(key.into(), Some(value));
        Ok(())
    }

    /// Takes a row out.
    ///
    /// # Errors
    /// [`Cause::Stray`] when the key was not named.
    pub fn remove(&mut self, key: &str) -> Result<(), Cause> {
        self.allow(key)?;
        self.changes.insert(key.into(), None);
        Ok(())
    }

    /// What a row holds, read from JSON.
    ///
    /// # Errors
    /// [`Cause::Failed`] when it is not such a value, and as [`get`](Self::get).
    pub fn read<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, Cause> {
        let read =
            |text| serde_json::from_str(text).map_err(|error| Cause::Failed(format!("the row {key:?}: {error}")));
        self.get(key)?.map(read).transpose()
    }

    /// Puts a row in, as canonical JSON.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn write<T: Serialize>(&mut self, key: &str, value: &T) -> Result<(), Cause> {
        let text = String::from_utf8(canonical(value)).map_err(|error| Cause::Failed(error.to_string()))?;
        self.put(key, text)
    }

    /// A model that ignores the answer does not get away with it.
    fn allow(&mut self, key: &str) -> Result<(), Cause> {
        if self.keys.iter().any(|named| named == key) {
            return Ok(());
        }
        self.stray = Some(key.into());
        Err(Cause::Stray { key: key.into() })
    }
}

/// Rows in memory, each with the last event that changed it.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<CompactString, Held>);

#[derive(Debug)]
struct Held {
    sequence: u64,
    /// None when it was taken out.
    value: Option<String>,
    changed: bool,
}

impl Table {
    fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.value.as_deref()
    }

    /// Folds one event in, which touches the rows of some keys: all of it or, when there is a cause, nothing. `unnamed` is an
    /// earlier event that is still to come, of rows that are not all known.
    pub(crate) fn apply(
        &mut self,
        model: &dyn ReadModel,
        recorded: &Recorded,
        keys: &[CompactString],
        unnamed: Option<u64>,
    ) -> Result<(), Cause> {
        if keys.is_empty() {
            return Ok(());
        }
        // Each event is folded into a row once, and the rows never see them in another order.
        for key in keys {
            let sequence = self.0.get(key).map_or(0, |held| held.sequence);
            if sequence >= recorded.sequence {
                return Err(Cause::Passed { key: key.clone(), sequence });
            }
        }
        let mut rows = Rows { keys, table: self, changes: BTreeMap::new(), stray: None };
        guarded(|| model.apply(recorded, &mut rows)).flatten().map_err(Cause::bounded)?;
        if let Some(key) = rows.stray {
            return Err(Cause::Stray { key });
        }
        let mut changes = rows.changes;
        if let Some(sequence) = unnamed {
            // The earlier event has to find that it was passed: in every row, also where this one read only. What is not there
            // tells nothing.
            for key in keys {
                let value = changes.remove(key).unwrap_or_else(|| self.value(key).map(Into::into));
                changes.insert(key.clone(), Some(value.ok_or(Cause::Behind { sequence })?));
            }
        }
        for (key, value) in changes {
            self.0.insert(key, Held { sequence: recorded.sequence, value, changed: true });
        }
        Ok(())
    }

    /// What has changed since the rows were read.
    pub(crate) fn into_changes(self) -> Vec<RowChange> {
        let changed = self.0.into_iter().filter(|(_, held)| held.changed);
        changed.map(|(key, Held { sequence, value, .. })| RowChange { key, sequence, value }).collect()
    }
}

impl FromIterator<ProjectionRow> for Table {
    fn from_iter<I: IntoIterator<Item = ProjectionRow>>(rows: I) -> Self {
        let held = |row: ProjectionRow| Held { sequence: row.sequence, value: Some(row.value), changed: false };
        Self(rows.into_iter().map(|row| (row.key.clone(), held(row))).collect())
    }
}

/// The keys of an event, each once and in order.
pub(crate) fn keys(model: &dyn ReadModel, recorded: &Recorded) -> Result<Vec<CompactString>, Cause> {
    let mut keys = guarded(|| model.keys(recorded)).map_err(Cause::bounded)?;
    if keys.iter().any(|key| key.contains('\0')) {
        return Err(Cause::failed("a key has a zero byte"));
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// Folds events that are in memory, and gives every row: what a model comes to without any store.
///
/// # Errors
/// The sequence and the [`Cause`] of the first event that cannot be folded.
pub fn fold<'a>(
    model: &dyn ReadModel,
    events: impl IntoIterator<Item = &'a Recorded>,
) -> Result<BTreeMap<CompactString, String>, (u64, Cause)> {
    let mut table = Table::default();
    for recorded in events {
        let folded = keys(model, recorded).and_then(|keys| table.apply(model, recorded, &keys, None));
        folded.map_err(|cause| (recorded.sequence, cause))?;
    }
    Ok(table.0.into_iter().filter_map(|(key, held)| Some((key, held.value?))).collect())
}

/// A model is the host's: whatever it does, the runner goes on.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Cause::Panicked(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
    })
}
