//! The payout register: one row a payout, with everything that finance asks of it.
//!
//! The rows are in the order in which the payouts were made. [`write_csv`] writes them in the columns of [`COLUMNS`];
//! [`crate::reconcile`] reads the same form back and compares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use chrono::{DateTime, Datelike, Days, Months, SecondsFormat, Utc};
use compact_str::{CompactString, ToCompactString, format_compact};
use rustc_hash::FxHashMap;
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::Projection;
use super::csv::{Cell, write_row};
use super::plans::Plans;
use super::sum::Sum;
use crate::Date;
use crate::account::{self, Source};
use crate::deal::{self, Completion};
use crate::event::Event;
use crate::id::{Actor, DealId, EntryId, PayeeId, PaymentMethod, PayoutId, PeriodLabel, Text};
use crate::map::{Map, Small};
use crate::money::{Currency, Money};
use crate::payee;
use crate::payout::{self, Payment, RailKey, Status};
use crate::recorded::Recorded;
use crate::waterfall::Contribution;

/// Every payout, as the log leaves it.
///
/// A row keeps names as numbers into lists of them, so that a payout takes some two hundred bytes however long its names are.
/// Entries are kept with what they were calculated from: one that is paid can still be clawed back.
#[derive(Debug, Clone, Default)]
pub struct Register {
    rows: Vec<Packed>,
    /// The rows of the payouts that can still move.
    open: Map<PayoutId, usize>,
    /// The entries of the sale that was credited last, until they are booked in the same request.
    credited: BTreeMap<EntryId, Earned>,
    /// The payable entries of deals.
    earned: Map<EntryId, Earned>,
    /// The entries of deals that payouts have claimed, until they are paid or released.
    claims: Map<PayoutId, Vec<(EntryId, Earned)>>,
    /// The paid entries, which a clawback takes back under the plan of its deal.
    paid: Map<EntryId, Earned>,
    /// The plans of the deals.
    documents: Plans,
    names: Map<PayeeId, Text>,
    payees: List<PayeeId>,
    actors: List<Actor>,
    plans: List<CompactString>,
    periods: List<PeriodLabel>,
    methods: List<PaymentMethod>,
}

/// One payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row<'a> {
    /// The payout.
    pub payout: PayoutId,
    /// The version of the payout's stream.
    pub version: u64,
    /// Where it stands.
    pub status: Status,
    /// Whom it pays.
    pub payee: Cow<'a, PayeeId>,
    /// What it pays.
    pub amount: Money,
    /// The period that people file it under.
    pub period: Option<Cow<'a, PeriodLabel>>,
    /// The deals that it pays for, by name, with `;` between them.
    pub deals: Cow<'a, str>,
    /// How many entries it has claimed.
    pub entries: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Cow<'a, Actor>,
    /// When it was approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// Who approved it.
    pub approved_by: Option<Cow<'a, Actor>>,
    /// When the last attempt was handed to the rail.
    pub released_at: Option<DateTime<Utc>>,
    /// Which attempt was the last; 0 before the first.
    pub attempt: u32,
    /// How it was paid; `rail` from the first attempt on.
    pub method: Option<Cow<'a, PaymentMethod>>,
    /// The number on the payment, or the key under which the rail knows the attempt that paid, or the last one.
    pub reference: Option<Cow<'a, str>>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// Why it failed, was rejected or was voided, while that is where it stands.
    pub reason: Option<Cow<'a, Text>>,
    /// The plan versions that its entries were calculated under, such as `sales/3`, with `;` between them.
    pub plans: Cow<'a, str>,
    /// Where the caps stood that its entries met.
    pub caps: CapStatuses,
    /// Notes for people.
    pub notes: Option<Cow<'a, Text>>,
    /// The sequence of the event that made it.
    pub created: u64,
    /// The sequence of the last event that changed it.
    pub changed: u64,
}

/// The columns of the register as CSV, in order.
pub const COLUMNS: [&str; 32] = [
    "payout_id",
    "version",
    "status",
    "payee_type",
    "payee_id",
    "payee_name",
    "currency",
    "amount_minor",
    "amount",
    "withheld",
    "net",
    "period_start",
    "period_end",
    "deal_ids",
    "line_count",
    "created_at",
    "created_by",
    "approved_at",
    "approved_by",
    "released_at",
    "attempt",
    "method",
    "rail_reference",
    "paid_at",
    "returned_at",
    "return_code",
    "hold_reason",
    "failure_reason",
    "plan_version",
    "cap_status",
    "export_batch_id",
    "notes",
];

/// What the first cell of a total says in place of a payout.
pub const TOTAL: &str = "TOTAL";

impl Register {
    /// How many payouts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no payout.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every payout, in the order in which they were made.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        // A row's names are in the lists, so none is left out.
        self.rows.iter().filter_map(|packed| self.unpack(packed))
    }

    /// One payout. This looks through all of them.
    #[must_use]
    pub fn row(&self, payout: PayoutId) -> Option<Row<'_>> {
        self.rows.iter().find(|packed| packed.payout == payout).and_then(|packed| self.unpack(packed))
    }

    /// The name of a payee, as people read it.
    #[must_use]
    pub fn payee_name(&self, payee: &PayeeId) -> Option<&Text> {
        self.names.get(payee)
    }

    fn change(&mut self, recorded: &Recorded, payout: PayoutId, status: Status, change: impl FnOnce(&mut Packed)) {
        let index = self.open.get(&payout).copied();
        let Some(row) = index.and_then(|index| self.rows.get_mut(index)) else { return };
        row.status = status;
        row.version = version(recorded);
        row.changed = recorded.sequence;
        change(row);
        if has_ended(status) {
            self.open.remove(&payout);
        }
    }

    /// Counts an event that leaves a payout where it stands, also one that has ended.
    fn note(&mut self, recorded: &Recorded, payout: PayoutId) {
        let index = self.open.get(&payout).copied();
        let index = index.or_else(|| self.rows.iter().position(|row| row.payout == payout));
        let Some(row) = index.and_then(|index| self.rows.get_mut(index)) else { return };
        (row.version, row.changed) = (version(recorded), recorded.sequence);
    }

    fn completed(&mut self, completion: &Completion) {
        for deal::Earned { payee, entry, .. } in &completion.entries {
            let Some(entry) = *entry else { continue };
            let deal = completion.deal.clone();
            let in_force = completion.plans.iter().find(|in_force| in_force.payee == *payee);
            let earned = match in_force {
                // Who has something of another's part is under no plan of the deal.
                None => Earned { deal, plan: None, caps: CapStatuses::default() },
                Some(in_force) => {
                    let caps = CapStatuses::met(self.documents.caps_met(completion, in_force).map(|(_, met)| met));
                    Earned { deal, plan: Some(format_compact!("{}/{}", in_force.plan, in_force.version)), caps }
                }
            };
            self.earned.insert(entry, earned);
        }
    }

    /// Takes in what an entry of a sale was calculated from, for when it is booked. One that was booked before keeps what it has.
    fn credited(&mut self, deal: &DealId, entries: &[deal::sale::Earned]) {
        let earned = |entry: &deal::sale::Earned| {
            let rates = format_compact!("{}/{}", entry.rates, entry.version);
            (entry.entry, Earned { deal: deal.clone(), plan: Some(rates), caps: CapStatuses::default() })
        };
        self.credited = entries.iter().map(earned).collect();
    }

    fn account(&mut self, event: &account::Event) {
        match event {
            account::Event::EntryBooked { entry, source: Source::Clawback { deal, of }, .. } => {
                let plain = || Earned { deal: deal.clone(), plan: None, caps: CapStatuses::default() };
                let earned = self.paid.remove(of).unwrap_or_else(plain);
                self.earned.insert(*entry, earned);
            }
            account::Event::EntryBooked { entry, source: Source::Commission { .. }, .. } => {
                if let Some(earned) = self.credited.remove(entry) {
                    self.earned.insert(*entry, earned);
                }
            }
            account::Event::EntryBooked { source: Source::Adjustment { .. }, .. } => {}
            account::Event::EntryReversed { entry, .. } => {
                self.earned.remove(entry);
            }
            account::Event::EntriesClaimed { payout, entries, .. } => {
                let Self { earned, claims, .. } = self;
                claims.update(payout, |claimed| {
                    claimed.extend(entries.iter().filter_map(|entry| Some((*entry, earned.remove(entry)?))));
                });
            }
            account::Event::EntriesReleased { payout, .. } => {
                for (entry, earned) in self.claims.remove(payout).into_iter().flatten() {
                    self.earned.insert(entry, earned);
                }
            }
            account::Event::EntriesPaid { payout, .. } => {
                for (entry, earned) in self.claims.remove(payout).into_iter().flatten() {
                    self.paid.insert(entry, earned);
                }
            }
        }
    }

    fn payout(&mut self, recorded: &Recorded, event: &payout::Event) {
        let at = recorded.request.recorded_at;
        match event {
            payout::Event::Created { payout, payee, amount, entries, by, period, notes, .. } => {
                let claimed = self.claims.get(payout).map(Vec::as_slice).unwrap_or_default();
                let packed = Packed {
                    payout: *payout,
                    amount: *amount,
                    created: recorded.sequence,
                    changed: recorded.sequence,
                    created_at: at,
                    approved_at: None,
                    released_at: None,
                    paid_at: None,
                    deals: deals(claimed),
                    reference: None,
                    reason: None,
                    notes: notes.clone().map(Box::new),
                    payee: self.payees.number(payee),
                    maker: self.actors.number(by),
                    approver: None,
                    plans: self.plans.number(&plans(claimed)),
                    period: period.as_ref().map(|period| self.periods.number(period)),
                    method: None,
                    version: version(recorded),
                    entries: *entries,
                    attempt: 0,
                    status: Status::Draft,
                    caps: claimed.iter().fold(CapStatuses::default(), |caps, (_, earned)| caps.and(earned.caps)),
                };
                self.open.insert(*payout, self.rows.len());
                self.rows.push(packed);
            }
            payout::Event::Submitted { payout } => self.change(recorded, *payout, Status::PendingApproval, |_| {}),
            payout::Event::Approved { payout, by, .. } => {
                let by = self.actors.number(by);
                self.change(recorded, *payout, Status::Approved, |row| {
                    (row.approved_at, row.approver) = (Some(at), Some(by));
                });
            }
            payout::Event::Rejected { payout, reason, .. } => {
                self.change(recorded, *payout, Status::Rejected, |row| row.reason = Some(Box::new(reason.clone())));
            }
            payout::Event::Started { payout, attempt, rail_key } => {
                let method = rail().map(|rail| self.methods.number(&rail));
                self.change(recorded, *payout, Status::Processing, |row| {
                    let attempt = planted!(FirstAttemptStays => row.attempt.max(1), *attempt);
                    (row.released_at, row.attempt, row.method, row.reason) = (Some(at), attempt, method, None);
                    row.reference = Some(rail_key.as_str().into());
                });
            }
            payout::Event::Paid { payout, through, .. } => {
                let (method, reference) = match through {
                    // A late payment may be by an attempt before the last one.
                    Payment::Rail { attempt } => (None, RailKey::of(*payout, *attempt).as_str().into()),
                    Payment::Manual { method, reference, .. } => {
                        (Some(self.methods.number(method)), reference.as_str().into())
                    }
                };
                self.change(recorded, *payout, Status::Paid, |row| {
                    (row.paid_at, row.reason, row.reference) = (Some(at), None, Some(reference));
                    row.method = method.or(row.method);
                });
            }
            payout::Event::Failed { payout, reason, .. } => {
                self.change(recorded, *payout, Status::Failed, |row| row.reason = Some(Box::new(reason.clone())));
            }
            payout::Event::Voided { payout, reason, .. } => {
                self.change(recorded, *payout, Status::Voided, |row| row.reason = Some(Box::new(reason.clone())));
            }
            payout::Event::LatePaymentReported { payout, .. } | payout::Event::LatePaymentResolved { payout, .. } => {
                self.note(recorded, *payout);
            }
            // They are not of a payout's stream; what they say of a payout its own events say.
            payout::Event::ReferenceTaken { .. } | payout::Event::BulkApproved { .. } => {}
        }
    }

    fn unpack<'a>(&'a self, packed: &'a Packed) -> Option<Row<'a>> {
        Some(Row {
            payout: packed.payout,
            version: packed.version.into(),
            status: packed.status,
            payee: Cow::Borrowed(self.payees.get(packed.payee)?),
            amount: packed.amount,
            period: packed.period.and_then(|period| self.periods.get(period)).map(Cow::Borrowed),
            deals: Cow::Borrowed(&packed.deals),
            entries: packed.entries,
            created_at: packed.created_at,
            created_by: Cow::Borrowed(self.actors.get(packed.maker)?),
            approved_at: packed.approved_at,
            approved_by: packed.approver.and_then(|approver| self.actors.get(approver)).map(Cow::Borrowed),
            released_at: packed.released_at,
            attempt: packed.attempt,
            method: packed.method.and_then(|method| self.methods.get(method)).map(Cow::Borrowed),
            reference: packed.reference.as_deref().map(Cow::Borrowed),
            paid_at: packed.paid_at,
            reason: packed.reason.as_deref().map(Cow::Borrowed),
            plans: Cow::Borrowed(self.plans.get(packed.plans)?),
            caps: packed.caps,
            notes: packed.notes.as_deref().map(Cow::Borrowed),
            created: packed.created,
            changed: packed.changed,
        })
    }

    fn pack(&mut self, row: &Row<'_>) -> Packed {
        Packed {
            payout: row.payout,
            amount: row.amount,
            created: row.created,
            changed: row.changed,
            created_at: row.created_at,
            approved_at: row.approved_at,
            released_at: row.released_at,
            paid_at: row.paid_at,
            deals: row.deals.as_ref().into(),
            reference: row.reference.as_deref().map(Into::into),
            reason: row.reason.as_deref().cloned().map(Box::new),
            notes: row.notes.as_deref().cloned().map(Box::new),
            payee: self.payees.number(&row.payee),
            maker: self.actors.number(&row.created_by),
            approver: row.approved_by.as_deref().map(|approver| self.actors.number(approver)),
            plans: self.plans.number(&row.plans.to_compact_string()),
            period: row.period.as_deref().map(|period| self.periods.number(period)),
            method: row.method.as_deref().map(|method| self.methods.number(method)),
            version: u32::try_from(row.version).unwrap_or(u32::MAX),
            entries: row.entries,
            attempt: row.attempt,
            status: row.status,
            caps: row.caps,
        }
    }
}

/// Two registers are equal if their rows are, whatever numbers their names have.
impl PartialEq for Register {
    fn eq(&self, other: &Self) -> bool {
        self.rows().eq(other.rows())
            && (&self.claims, &self.earned, &self.names) == (&other.claims, &other.earned, &other.names)
            && (&self.paid, &self.documents) == (&other.paid, &other.documents)
    }
}

impl Eq for Register {}

impl Projection for Register {
    const NAME: &'static str = "register";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::Payee(payee::Event::Enrolled { payee, name, .. }) => {
                self.names.insert(payee.clone(), name.clone());
            }
            Event::Plan(event) => self.documents.apply(event),
            Event::Deal(deal::Event::Completed(completion)) => self.completed(completion),
            Event::Deal(event @ (deal::Event::Credited(_) | deal::Event::Recredited(_))) => {
                if let Some(crediting) = event.crediting() {
                    self.credited(&crediting.deal, &crediting.entries);
                }
            }
            Event::Deal(deal::Event::Collected { deal, entries, .. }) => self.credited(deal, entries),
            Event::Account(event) => self.account(event),
            Event::Payout(event) => self.payout(recorded, event),
            Event::Payee(
                payee::Event::Assigned { .. } | payee::Event::AssignmentEnded { .. } | payee::Event::Classified { .. },
            )
            | Event::Deal(
                deal::Event::Registered { .. }
                | deal::Event::Attributed { .. }
                | deal::Event::Touched { .. }
                | deal::Event::Reversed { .. },
            )
            | Event::Model(_)
            | Event::Rates(_)
            | Event::Spend(_)
            | Event::Customer(_)
            | Event::Settings(_)
            | Event::Cap(_)
            | Event::Attainment(_) => {}
        }
    }
}

fn version(recorded: &Recorded) -> u32 {
    u32::try_from(recorded.version).unwrap_or(u32::MAX)
}

fn has_ended(status: Status) -> bool {
    matches!(status, Status::Paid | Status::Rejected | Status::Voided)
}

fn rail() -> Option<PaymentMethod> {
    PaymentMethod::new("rail").ok()
}

/// The deals of the entries, each once, by name.
fn deals(claimed: &[(EntryId, Earned)]) -> Box<str> {
    let mut deals: Vec<&str> = claimed.iter().map(|(_, earned)| earned.deal.as_str()).collect();
    deals.sort_unstable();
    deals.dedup();
    deals.join(";").into()
}

/// The plan versions of the entries, each once, by name.
fn plans(claimed: &[(EntryId, Earned)]) -> CompactString {
    let plans = claimed.iter().filter_map(|(_, earned)| earned.plan.as_deref()?.rsplit_once('/'));
    let mut plans: Vec<_> = plans.map(|(plan, version)| (plan, version.len(), version)).collect();
    plans.sort_unstable();
    plans.dedup();
    let plans: Vec<_> = plans.into_iter().map(|(plan, _, version)| format!("{plan}/{version}")).collect();
    plans.join(";").into()
}

/// A row as it is kept: names are numbers into the lists.
#[derive(Debug, Clone)]
struct Packed {
    payout: PayoutId,
    amount: Money,
    created: u64,
    changed: u64,
    created_at: DateTime<Utc>,
    approved_at: Option<DateTime<Utc>>,
    released_at: Option<DateTime<Utc>>,
    paid_at: Option<DateTime<Utc>>,
    deals: Box<str>,
    reference: Option<Box<str>>,
    reason: Option<Box<Text>>,
    notes: Option<Box<Text>>,
    payee: u32,
    maker: u32,
    approver: Option<u32>,
    plans: u32,
    period: Option<u32>,
    method: Option<u32>,
    version: u32,
    entries: u32,
    attempt: u32,
    status: Status,
    caps: CapStatuses,
}

/// What an entry was calculated from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Earned {
    deal: DealId,
    /// The plan or rate plan with its version; none where the deal's lines name none for it.
    plan: Option<CompactString>,
    caps: CapStatuses,
}

/// Where the caps stood that entries met: any of `open`, `reached` and `capped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapStatuses(u8);

impl CapStatuses {
    const NAMES: [(u8, &'static str); 3] = [(1, "open"), (2, "reached"), (4, "capped")];

    /// Where the cap stood that binds whoever met these: it has no room if one of them has none, and is reached if one of them is.
    fn met<'a>(caps: impl Iterator<Item = &'a Contribution>) -> Self {
        let full = |met: &Contribution, contributed: Money| contributed.minor() >= met.limit.minor();
        let status = |met: &Contribution| match (full(met, met.before), full(met, met.after)) {
            (true, _) => 4,
            (false, true) => 2,
            (false, false) => 1,
        };
        Self(caps.map(status).max().unwrap_or_default())
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Writes `open`, `open;reached`, or nothing where no entry met a cap.
impl fmt::Display for CapStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = Self::NAMES.into_iter().filter(|(bit, _)| self.0 & bit != 0);
        met.enumerate().try_for_each(|(index, (_, name))| write!(f, "{}{name}", if index == 0 { "" } else { ";" }))
    }
}

impl Serialize for CapStatuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CapStatuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let met = Self::NAMES.into_iter().filter(|(_, name)| text.split(';').any(|part| part == *name));
        Ok(Self(met.fold(0, |met, (bit, _)| met | bit)))
    }
}

/// Names in the order in which they were first seen, each with its number.
#[derive(Debug, Clone)]
struct List<T: Eq + Hash> {
    names: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T: Eq + Hash> Default for List<T> {
    fn default() -> Self {
        Self { names: Vec::new(), numbers: FxHashMap::default() }
    }
}

impl<T: Eq + Hash + Clone> List<T> {
    fn number(&mut self, name: &T) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // Four billion names do not fit into any memory.
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.names.get(usize::try_from(number).ok()?)
    }
}

/// The register as it is stored: rows with their names, by payout.
#[derive(Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    payouts: Map<PayoutId, Row<'a>>,
    claims: Cow<'a, Map<PayoutId, Vec<(EntryId, Earned)>>>,
    earned: Cow<'a, Map<EntryId, Earned>>,
    names: Cow<'a, Map<PayeeId, Text>>,
    paid: Cow<'a, Map<EntryId, Earned>>,
    documents: Cow<'a, Plans>,
}

impl Serialize for Register {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut payouts = Map::default();
        for row in self.rows() {
            payouts.insert(row.payout, row);
        }
        let (claims, earned, names) = (&self.claims, &self.earned, &self.names);
        let (claims, earned, names) = (Cow::Borrowed(claims), Cow::Borrowed(earned), Cow::Borrowed(names));
        let (paid, documents) = (Cow::Borrowed(&self.paid), Cow::Borrowed(&self.documents));
        Stored { payouts, claims, earned, names, paid, documents }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Register {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let mut rows: Vec<_> = stored.payouts.sorted();
        rows.sort_by_key(|(_, row)| row.created);
        let mut register = Self::default();
        for (payout, row) in rows {
            if *payout != row.payout {
                return Err(de::Error::custom(format_args!("payout {payout} stands under another's name")));
            }
            if !has_ended(row.status) {
                register.open.insert(*payout, register.rows.len());
            }
            let packed = register.pack(row);
            register.rows.push(packed);
        }
        let (claims, earned) = (stored.claims.into_owned(), stored.earned.into_owned());
        let (names, paid, documents) =
            (stored.names.into_owned(), stored.paid.into_owned(), stored.documents.into_owned());
        Ok(Self { claims, earned, names, paid, documents, ..register })
    }
}

/// The cells of one row, in the order of [`COLUMNS`], as they are written, before guards and quotes.
#[must_use]
pub fn cells(row: &Row<'_>, payee_name: Option<&Text>) -> [CompactString; 32] {
    let none = CompactString::default;
    let text = |text: &str| CompactString::from(text);
    let time = |time: &DateTime<Utc>| CompactString::from(time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    let perhaps = |at: &Option<DateTime<Utc>>| at.as_ref().map_or_else(none, time);
    let amount = row.amount.amount().to_compact_string();
    let month = row.period.as_ref().and_then(|period| month(period));
    let day = |day: Option<Date>| day.map_or_else(none, |day| day.to_compact_string());
    [
        row.payout.to_compact_string(),
        row.version.to_compact_string(),
        text(row.status.as_str()),
        none(),
        text(row.payee.as_str()),
        payee_name.map_or_else(none, |name| text(name.as_str())),
        text(row.amount.currency().code()),
        row.amount.minor().to_compact_string(),
        amount.clone(),
        Money::zero(row.amount.currency()).amount().to_compact_string(),
        amount,
        day(month.map(|(first, _)| first)),
        day(month.map(|(_, last)| last)),
        text(&row.deals),
        row.entries.to_compact_string(),
        time(&row.created_at),
        text(row.created_by.as_str()),
        perhaps(&row.approved_at),
        row.approved_by.as_ref().map_or_else(none, |by| text(by.as_str())),
        perhaps(&row.released_at),
        if row.attempt == 0 { none() } else { row.attempt.to_compact_string() },
        row.method.as_ref().map_or_else(none, |method| text(method.as_str())),
        row.reference.as_ref().map_or_else(none, |reference| text(reference)),
        perhaps(&row.paid_at),
        none(),
        none(),
        none(),
        row.reason.as_ref().map_or_else(none, |reason| text(reason.as_str())),
        text(&row.plans),
        row.caps.to_compact_string(),
        none(),
        row.notes.as_ref().map_or_else(none, |notes| text(notes.as_str())),
    ]
}

/// The columns that hold numbers, which are written without a guard.
const NUMBERS: [&str; 7] = ["version", "amount_minor", "amount", "withheld", "net", "line_count", "attempt"];

/// The first and the last day of the month that a label such as `2026-02` names. Other labels name no days.
fn month(label: &PeriodLabel) -> Option<(Date, Date)> {
    let first: Date = format!("{label}-01").parse().ok()?;
    // A day is written in more ways than one; a label is a month only if it is written as one.
    if format!("{:04}-{:02}", first.year(), first.month()) != label.as_str() {
        return None;
    }
    Some((first, first.checked_add_months(Months::new(1))?.checked_sub_days(Days::new(1))?))
}

/// Whether a table ends with one row a currency that says [`TOTAL`] and sums what is above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Totals {
    /// It does not.
    #[default]
    None,
    /// It does.
    PerCurrency,
}

/// Writes the register as CSV.
///
/// # Errors
/// What the writer answers.
pub fn write_csv(to: &mut impl fmt::Write, register: &Register, totals: Totals) -> fmt::Result {
    write_row(to, COLUMNS.iter().map(|column| Cell::Text(column)))?;
    let mut sums = Small::<Currency, (Sum, u64)>::default();
    for row in register.rows() {
        let cells = cells(&row, register.payee_name(&row.payee));
        write_row(to, COLUMNS.iter().zip(&cells).map(|(column, cell)| as_cell(column, cell)))?;
        sums.update(&row.amount.currency(), |(amount, entries)| {
            amount.add(row.amount);
            *entries = entries.saturating_add(row.entries.into());
        });
    }
    if totals == Totals::None {
        return Ok(());
    }
    for (currency, (amount, entries)) in sums.iter() {
        let cells = total_cells(*currency, *amount, *entries);
        write_row(to, COLUMNS.iter().zip(&cells).map(|(column, cell)| as_cell(column, cell)))?;
    }
    Ok(())
}

/// The cells of the row that sums all payouts of a currency.
#[must_use]
pub fn total_cells(currency: Currency, amount: Sum, entries: u64) -> [CompactString; 32] {
    let shown = amount.show(currency);
    COLUMNS.map(|column| match column {
        "payout_id" => TOTAL.into(),
        "currency" => currency.code().into(),
        "amount_minor" => amount.minor().to_compact_string(),
        "amount" | "net" => shown.to_compact_string(),
        "withheld" => Sum::ZERO.show(currency).to_compact_string(),
        "line_count" => entries.to_compact_string(),
        _ => CompactString::default(),
    })
}

fn as_cell<'a>(column: &str, cell: &'a CompactString) -> Cell<'a> {
    if NUMBERS.contains(&column) { Cell::Number(cell) } else { Cell::Text(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::csv::{read, unguard};
    use crate::projection::replay::fold;
    use crate::projection::testing::Books;

    fn table(register: &Register, totals: Totals) -> Vec<Vec<String>> {
        let mut text = String::new();
        write_csv(&mut text, register, totals).unwrap();
        let rows = read(text.as_bytes()).unwrap().into_iter();
        rows.map(|(_, cells)| cells.iter().map(|cell| unguard(cell).to_owned()).collect()).collect()
    }

    fn cell(table: &[Vec<String>], row: usize, column: &str) -> String {
        table[row][COLUMNS.iter().position(|other| *other == column).unwrap()].clone()
    }

    #[test]
    fn a_paid_payout_says_everything_that_finance_asks() {
        let mut books = Books::with_two_payees();
        books.deal("d-2", "30000.00 USD", &["bo"], "2026-01-31");
        books.deal("d-1", "40000.00 USD", &["bo"], "2026-02-01");
        let create = r#"{"payout.create":{"payee":"bo","period":"2026-02","notes":"=cmd()"}}"#;
        books.ask("ann", "2026-02-02", create);
        let payout = books.last_payout();
        books.move_payout("ann", "2026-02-02", "submit", payout, "");
        books.pay(payout, "2026-02-03");

        let mut text = String::new();
        write_csv(&mut text, &fold(&books.events), Totals::None).unwrap();
        let (header, row) = text.split_once('\n').unwrap();
        assert_eq!(header, COLUMNS.join(","));
        let expected = format!(
            "{payout},4,paid,,bo,\"'=Bo, \"\"the\"\" Best\",USD,5500000,55000.00,0.00,55000.00,2026-02-01,2026-02-28,\
             d-1;d-2,2,2026-02-02T17:00:00Z,ann,2026-02-03T17:00:00Z,bob,,,cheque,no-11,2026-02-03T17:00:00Z,,,,,\
             sales/1,open;reached,,'=cmd()\n"
        );
        assert_eq!(row, expected);
    }

    #[test]
    fn a_payout_on_the_rail_shows_its_last_attempt_and_why_it_failed() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy"], "2026-02-01");
        let payout = books.payout("amy", "2026-02-02");
        books.move_payout("bob", "2026-02-03", "approve", payout, "");
        books.move_payout("bob", "2026-02-04", "start", payout, "");
        books.move_payout("rail", "2026-02-05", "fail", payout, r#","attempt":1,"reason":"closed account""#);
        let register = fold::<Register>(&books.events);
        let row = register.row(payout).unwrap();
        assert_eq!((row.status, row.attempt), (Status::Failed, 1));
        assert_eq!(row.reason.as_deref().map(Text::as_str), Some("closed account"));
        books.move_payout("bob", "2026-02-06", "start", payout, "");
        let settle = r#","attempt":2,"amount":"700.00 USD""#;
        books.move_payout("rail", "2026-02-07", "settle", payout, settle);
        let table = table(&fold(&books.events), Totals::None);
        let of = |column| cell(&table, 1, column);
        assert_eq!([of("status"), of("version"), of("attempt")], ["paid", "7", "2"]);
        assert_eq!([of("method"), of("rail_reference")], ["rail".to_owned(), format!("{payout}-2")]);
        assert_eq!([of("released_at"), of("failure_reason")], ["2026-02-06T17:00:00Z", ""]);
    }

    #[test]
    fn a_clawback_names_the_deal_and_the_plan_of_what_it_takes_back() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy"], "2026-02-01");
        let payout = books.payout("amy", "2026-02-02");
        books.pay(payout, "2026-02-03");
        books.ask("ann", "2026-02-04", r#"{"deal.reverse":{"deal":"d-1","reason":"refunded"}}"#);
        books.deal("d-2", "3000.00 USD", &["amy"], "2026-02-05");
        let payout = books.payout("amy", "2026-02-06");
        let register = fold::<Register>(&books.events);
        let row = register.row(payout).unwrap();
        assert_eq!((row.deals.as_ref(), row.plans.as_ref(), row.entries), ("d-1;d-2", "sales/1", 2));
        assert_eq!(row.amount.to_string(), "1400.00 USD");
        books.pay(payout, "2026-02-07");
        let register = fold::<Register>(&books.events);
        assert!(register.earned.is_empty() && register.claims.is_empty() && register.open.is_empty());
    }

    #[test]
    fn totals_are_flagged_and_sum_each_currency() {
        let books = Books::random(2, 150);
        let register = fold::<Register>(&books.events);
        let table = table(&register, Totals::PerCurrency);
        let totals: Vec<usize> = (0..table.len()).filter(|row| cell(&table, *row, "payout_id") == TOTAL).collect();
        assert_eq!(totals.len(), 2);
        for total in totals {
            let currency = cell(&table, total, "currency");
            let rows = register.rows().filter(|row| row.amount.currency().code() == currency);
            let sum: i64 = rows.map(|row| row.amount.minor()).sum();
            assert_eq!(cell(&table, total, "amount_minor"), sum.to_string());
        }
        assert_eq!(table.len(), 1 + register.len() + 2);
    }

    #[test]
    fn only_a_label_that_is_a_month_names_days() {
        let days = |label: &str| month(&label.parse().unwrap()).map(|(first, last)| format!("{first} {last}"));
        assert_eq!(days("2024-02").unwrap(), "2024-02-01 2024-02-29");
        assert_eq!(days("2025-12").unwrap(), "2025-12-01 2025-12-31");
        for other in ["2024-2", "2024-13", "2024-Q1", "2024-02-01", "02-2024", "x"] {
            assert_eq!(days(other), None, "{other}");
        }
    }
}
