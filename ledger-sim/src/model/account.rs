//! A payee's account in one currency: its entries, in the order in which they were booked.

use super::{Ruling, Step};
use crate::act::{Amount, Code, Day};

/// An account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The entries, in the order in which they were booked.
    pub entries: Vec<Entry>,
    /// The payable ones, in the order in which they became so.
    payable: Vec<usize>,
}

/// What one payee earned, owes or was given.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its identifier.
    pub id: String,
    /// Whose it is.
    pub payee: String,
    /// What it is for.
    pub source: Source,
    /// The deal that it is from; none for an adjustment.
    pub deal: Option<String>,
    /// The plan version that it was calculated under; none for an adjustment.
    pub plan: Option<(String, u32)>,
    /// Minor units; below zero what the payee owes.
    pub amount: i128,
    /// Their currency.
    pub currency: Code,
    /// The day that it is for.
    pub earned_on: Day,
    /// Where it stands.
    pub state: State,
    /// The business day since which it stands there.
    pub since: Day,
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The payee's net of a deal.
    Commission,
    /// A paid commission that is taken back.
    Clawback,
    /// An amount that was set by hand.
    Adjustment,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The next payout may claim it.
    Payable,
    /// A payout that is not paid has it.
    Claimed,
    /// It was paid.
    Paid,
    /// It was taken back before it was paid.
    Reversed,
}

/// The name of an account's stream.
pub(super) fn stream(payee: &str, currency: Code) -> String {
    format!("account/{payee}/{}", currency.0)
}

impl Entry {
    pub(super) fn new(
        id: String,
        payee: String,
        source: Source,
        deal: Option<String>,
        Amount(amount, currency): Amount,
        on: Day,
    ) -> Self {
        let state = State::Payable;
        Self { id, payee, source, deal, plan: None, amount, currency, earned_on: on, state, since: on }
    }
}

impl Ruling {
    /// Books an entry; `source` is what it is for as it is stored.
    pub(super) fn book(&mut self, entry: Entry, plan: Option<(String, u32)>, source: &str) {
        let Entry { id, payee, amount, currency, earned_on, .. } = &entry;
        let (stream, amount) = (stream(payee, *currency), Amount(*amount, *currency));
        let what = format!(r#""source":{source},"amount":"{amount}","earned_on":"{earned_on}""#);
        self.fact(stream.clone(), "account.entry_booked", format!(r#"{{"payee":"{payee}","entry":"{id}",{what}}}"#));
        self.step(Step::Book(stream, Entry { plan, ..entry }));
    }

    /// Takes an unpaid entry back.
    pub(super) fn take_back(&mut self, entry: &Entry, place: usize, because: &str) {
        let Entry { id, payee, amount, currency, .. } = entry;
        let (stream, amount) = (stream(payee, *currency), Amount(*amount, *currency));
        let payload = format!(r#"{{"payee":"{payee}","entry":"{id}","because":{because},"amount":"{amount}"}}"#);
        self.fact(stream.clone(), "account.entry_reversed", payload);
        self.step(Step::Turn(stream, vec![place], State::Reversed));
    }
}

impl Account {
    /// The payable entries for days up to `through`, and what the payee owes whatever its day, each with its place.
    pub fn payable(&self, through: Option<Day>) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.payable.iter().filter_map(|place| Some((*place, self.entries.get(*place)?)));
        entries.filter(move |(_, entry)| entry.amount < 0 || through.is_none_or(|through| entry.earned_on <= through))
    }

    pub(super) fn book(&mut self, entry: Entry) {
        self.payable.push(self.entries.len());
        self.entries.push(entry);
    }

    pub(super) fn turn(&mut self, places: &[usize], state: State, day: Day) {
        let mut were_payable = false;
        for place in places {
            if let Some(entry) = self.entries.get_mut(*place) {
                were_payable |= entry.state == State::Payable;
                (entry.state, entry.since) = (state, day);
            }
        }
        if were_payable {
            match places {
                // What was just booked stands last.
                [place] => self.payable.iter().rposition(|other| other == place).map(|at| self.payable.remove(at)),
                _ => {
                    let entries = &self.entries;
                    self.payable.retain(|at| entries.get(*at).is_some_and(|entry| entry.state == State::Payable));
                    None
                }
            };
        }
        if state == State::Payable {
            self.payable.extend(places);
        }
    }
}
