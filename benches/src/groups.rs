//! A history as groups of requests, each with the guards that the engine would give them, and the figures of a round.

use ledger_core::store::{Append, EventRow, Guard, LogPage, NewEvent, RequestRow};
use ledger_core::stream::{StreamName, Tip};
use rustc_hash::FxHashMap;

use crate::History;

/// The figure in the middle.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Cuts a history into groups.
pub struct Groups {
    history: History,
    ready: LogPage,
    tips: FxHashMap<StreamName, Tip>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { history: History::new(100), ready: LogPage::default(), tips: FxHashMap::default() }
    }
}

impl Groups {
    /// The next group, as it is appended and as it is stored.
    pub fn next(&mut self, size: usize) -> (Vec<Append>, LogPage) {
        while self.ready.requests.len() < size {
            let (_, mut page) = self.history.grow(1_000);
            self.ready.requests.append(&mut page.requests);
            self.ready.events.append(&mut page.events);
        }
        let requests: Vec<_> = self.ready.requests.drain(..size).collect();
        let count: usize = requests.iter().map(|request| usize::from(request.size)).sum();
        let events: Vec<_> = self.ready.events.drain(..count).collect();
        let mut rest = events.as_slice();
        let group = requests
            .iter()
            .map(|request| {
                let (mine, others) = rest.split_at(usize::from(request.size));
                rest = others;
                self.append(request, mine)
            })
            .collect();
        (group, LogPage { requests, events })
    }

    fn append(&mut self, request: &RequestRow, events: &[EventRow]) -> Append {
        let mut guards: Vec<Guard> = Vec::new();
        for event in events {
            let tip = self.tips.entry(event.stream.clone()).or_default();
            if guards.iter().all(|guard| guard.stream != event.stream) {
                guards.push(Guard { stream: event.stream.clone(), tip: *tip });
            }
            *tip = Tip { version: event.version, digest: event.digest };
        }
        for read in ["settings", "plan/p"].map(StreamName::from_stored) {
            if let Some(tip) = self.tips.get(&read)
                && guards.iter().all(|guard| guard.stream != read)
            {
                guards.push(Guard { tip: *tip, stream: read });
            }
        }
        Append {
            key: request.key.parse().unwrap(),
            request_hash: request.request_hash,
            actor: request.actor.clone(),
            guards,
            events: events
                .iter()
                .map(|event| NewEvent {
                    stream: event.stream.clone(),
                    version: event.version,
                    type_name: event.type_name.clone(),
                    schema_version: event.schema_version,
                    effective: event.effective,
                    payload: event.payload.clone(),
                    digest: event.digest,
                })
                .collect(),
        }
    }
}
