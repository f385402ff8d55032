//! Who did what and when: a tally of every actor's actions, and the line of any single event.
//!
//! The trail itself is the log. It is shown by streaming the log through [`line()`], not by holding a copy of it.

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::Projection;
use crate::account::{self, Source};
use crate::event::Event;
use crate::id::{Actor, Key, Text};
use crate::map::{Map, Small};
use crate::recorded::Recorded;
use crate::{Date, attainment, cap, customer, deal, model, payee, payout, plan, rates, settings, spend};

/// How often each actor did what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    actors: Map<Actor, Small<Action, Tally>>,
}

/// How often something was done, and when first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// When first.
    pub first: DateTime<Utc>,
    /// When last.
    pub last: DateTime<Utc>,
}

/// What one event says to an auditor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// Its place in the ledger.
    pub sequence: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who asked.
    pub actor: &'a Actor,
    /// What was done, such as `payout.approved`.
    pub action: Action,
    /// What it was done to: `payout`, `deal`, `account`.
    pub entity_type: &'a str,
    /// To which one; nothing for the ledger's own settings.
    pub entity_id: &'a str,
    /// The business day.
    pub effective: Date,
    /// The idempotency key of the request.
    pub key: &'a Key,
    /// Why, where a reason is asked for.
    pub reason: Option<&'a Text>,
}

/// What one event says to an auditor.
#[must_use]
pub fn line(recorded: &Recorded) -> Line<'_> {
    let stream = recorded.stream.as_str();
    let (entity_type, entity_id) = stream.split_once('/').unwrap_or((stream, ""));
    Line {
        sequence: recorded.sequence,
        recorded_at: recorded.request.recorded_at,
        actor: &recorded.request.actor,
        action: Action::of(&recorded.event),
        entity_type,
        entity_id,
        effective: recorded.effective,
        key: &recorded.request.key,
        reason: reason(&recorded.event),
    }
}

impl Audit {
    /// Every tally, by actor and action.
    #[must_use]
    pub fn tallies(&self) -> Vec<(&Actor, Action, Tally)> {
        let actors = self.actors.sorted().into_iter();
        actors.flat_map(|(actor, of)| of.iter().map(move |(action, tally)| (actor, *action, *tally))).collect()
    }
}

impl Projection for Audit {
    const NAME: &'static str = "audit";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        let (action, at) = (Action::of(&recorded.event), recorded.request.recorded_at);
        self.actors.update(&recorded.request.actor, |actions| {
            actions.update(&action, |tally| {
                if tally.count == 0 {
                    tally.first = at;
                }
                tally.count = tally.count.saturating_add(1);
                tally.last = at;
            });
        });
    }
}

macro_rules! actions {
    ($($action:ident: $name:literal = $pattern:pat,)+) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $(#[doc = concat!("`", $name, "`")] $action,)+
        }

        impl Action {
            /// Every kind of event, by concept.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// The kind of an event.
            #[must_use]
            pub fn of(event: &Event) -> Self {
                match event {
                    $($pattern => Self::$action,)+
                }
            }

            /// The kind as it is written: the name under which its events are stored.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)+
                }
            }
        }
    };
}

actions! {
    SettingsOpened: "settings.opened" = Event::Settings(settings::Event::Opened { .. }),
    SettingsSwitchedOn: "settings.switched_on" = Event::Settings(settings::Event::SwitchedOn { .. }),
    SettingsSwitchedOff: "settings.switched_off" = Event::Settings(settings::Event::SwitchedOff { .. }),
    PayeeEnrolled: "payee.enrolled" = Event::Payee(payee::Event::Enrolled { .. }),
    PayeeAssigned: "payee.assigned" = Event::Payee(payee::Event::Assigned { .. }),
    PayeeAssignmentEnded: "payee.assignment_ended" = Event::Payee(payee::Event::AssignmentEnded { .. }),
    PayeeClassified: "payee.classified" = Event::Payee(payee::Event::Classified { .. }),
    PlanPublished: "plan.published" = Event::Plan(plan::Event::Published { .. }),
    ModelPublished: "model.published" = Event::Model(model::Event::Published { .. }),
    RatesPublished: "rates.published" = Event::Rates(rates::Event::Published { .. }),
    DealRegistered: "deal.registered" = Event::Deal(deal::Event::Registered { .. }),
    DealAttributed: "deal.attributed" = Event::Deal(deal::Event::Attributed { .. }),
    DealTouched: "deal.touched" = Event::Deal(deal::Event::Touched { .. }),
    DealCompleted: "deal.completed" = Event::Deal(deal::Event::Completed { .. }),
    DealCredited: "deal.credited" = Event::Deal(deal::Event::Credited(_)),
    DealRecredited: "deal.recredited" = Event::Deal(deal::Event::Recredited(_)),
    DealCollected: "deal.collected" = Event::Deal(deal::Event::Collected { .. }),
    DealReversed: "deal.reversed" = Event::Deal(deal::Event::Reversed { .. }),
    CapProgrammeOpened: "cap.programme_opened" = Event::Cap(cap::Event::ProgrammeOpened { .. }),
    CapPoolOpened: "cap.pool_opened" = Event::Cap(cap::Event::PoolOpened { .. }),
    CapOpeningBalanceSet: "cap.opening_balance_set" = Event::Cap(cap::Event::OpeningBalanceSet { .. }),
    CapContributed: "cap.contributed" = Event::Cap(cap::Event::Contributed { .. }),
    CapReached: "cap.reached" = Event::Cap(cap::Event::Reached { .. }),
    CapReversed: "cap.reversed" = Event::Cap(cap::Event::Reversed { .. }),
    AttainmentOpeningSet: "attainment.opening_set" = Event::Attainment(attainment::Event::OpeningSet { .. }),
    AttainmentCounted: "attainment.counted" = Event::Attainment(attainment::Event::Counted { .. }),
    AttainmentReversed: "attainment.reversed" = Event::Attainment(attainment::Event::Reversed { .. }),
    SpendCounted: "spend.counted" = Event::Spend(spend::Event::Counted { .. }),
    SpendReversed: "spend.reversed" = Event::Spend(spend::Event::Reversed { .. }),
    CustomerEarned: "customer.earned" = Event::Customer(customer::Event::Earned { .. }),
    CustomerForgotten: "customer.forgotten" = Event::Customer(customer::Event::Forgotten { .. }),
    AccountEntryBooked: "account.entry_booked" = Event::Account(account::Event::EntryBooked { .. }),
    AccountEntryReversed: "account.entry_reversed" = Event::Account(account::Event::EntryReversed { .. }),
    AccountEntriesClaimed: "account.entries_claimed" = Event::Account(account::Event::EntriesClaimed { .. }),
    AccountEntriesReleased: "account.entries_released" = Event::Account(account::Event::EntriesReleased { .. }),
    AccountEntriesPaid: "account.entries_paid" = Event::Account(account::Event::EntriesPaid { .. }),
    PayoutCreated: "payout.created" = Event::Payout(payout::Event::Created { .. }),
    PayoutSubmitted: "payout.submitted" = Event::Payout(payout::Event::Submitted { .. }),
    PayoutApproved: "payout.approved" = Event::Payout(payout::Event::Approved { .. }),
    PayoutRejected: "payout.rejected" = Event::Payout(payout::Event::Rejected { .. }),
    PayoutStarted: "payout.started" = Event::Payout(payout::Event::Started { .. }),
    PayoutPaid: "payout.paid" = Event::Payout(payout::Event::Paid { .. }),
    PayoutFailed: "payout.failed" = Event::Payout(payout::Event::Failed { .. }),
    PayoutVoided: "payout.voided" = Event::Payout(payout::Event::Voided { .. }),
    PayoutLatePaymentReported: "payout.late_payment_reported" = Event::Payout(payout::Event::LatePaymentReported { .. }),
    PayoutLatePaymentResolved: "payout.late_payment_resolved" = Event::Payout(payout::Event::LatePaymentResolved { .. }),
    PayoutReferenceTaken: "payout.reference_taken" = Event::Payout(payout::Event::ReferenceTaken { .. }),
    PayoutBulkApproved: "payout.bulk_approved" = Event::Payout(payout::Event::BulkApproved { .. }),
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|action| action.as_str() == name).copied();
        known.ok_or_else(|| de::Error::custom(format_args!("{name:?} is no kind of event")))
    }
}

/// The reason that an event gives, if its kind asks for one.
#[must_use]
pub fn reason(event: &Event) -> Option<&Text> {
    match event {
        Event::Deal(deal::Event::Recredited(recrediting)) => Some(&recrediting.reason),
        Event::Deal(deal::Event::Reversed { reason, .. })
        | Event::Cap(cap::Event::OpeningBalanceSet { reason, .. })
        | Event::Attainment(attainment::Event::OpeningSet { reason, .. })
        | Event::Account(account::Event::EntryBooked { source: Source::Adjustment { reason, .. }, .. })
        | Event::Payout(
            payout::Event::Rejected { reason, .. }
            | payout::Event::Failed { reason, .. }
            | payout::Event::Voided { reason, .. }
            | payout::Event::LatePaymentResolved { reason, .. },
        ) => Some(reason),
        Event::Settings(_)
        | Event::Payee(_)
        | Event::Plan(_)
        | Event::Model(_)
        | Event::Rates(_)
        | Event::Spend(_)
        | Event::Customer(_)
        | Event::Deal(
            deal::Event::Registered { .. }
            | deal::Event::Attributed { .. }
            | deal::Event::Completed(_)
            | deal::Event::Touched { .. }
            | deal::Event::Credited(_)
            | deal::Event::Collected { .. },
        )
        | Event::Cap(
            cap::Event::ProgrammeOpened { .. }
            | cap::Event::PoolOpened { .. }
            | cap::Event::Contributed { .. }
            | cap::Event::Reached { .. }
            | cap::Event::Reversed { .. },
        )
        | Event::Attainment(attainment::Event::Counted { .. } | attainment::Event::Reversed { .. })
        | Event::Account(
            account::Event::EntryBooked { source: Source::Commission { .. } | Source::Clawback { .. }, .. }
            | account::Event::EntryReversed { .. }
            | account::Event::EntriesClaimed { .. }
            | account::Event::EntriesReleased { .. }
            | account::Event::EntriesPaid { .. },
        )
        | Event::Payout(
            payout::Event::Created { .. }
            | payout::Event::Submitted { .. }
            | payout::Event::Approved { .. }
            | payout::Event::Started { .. }
            | payout::Event::Paid { .. }
            | payout::Event::LatePaymentReported { .. }
            | payout::Event::ReferenceTaken { .. }
            | payout::Event::BulkApproved { .. },
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;
    use crate::projection::replay::fold;
    use crate::projection::testing::Books;

    #[test]
    fn an_event_is_a_line_with_its_reason() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "1000.00 USD", &["amy"], "2026-02-01");
        books.ask("bob", "2026-02-04", r#"{"deal.reverse":{"deal":"d-1","reason":"fell through"}}"#);
        let reversed = books.events.iter().map(line).find(|line| line.action.as_str() == "deal.reversed").unwrap();
        assert_eq!((reversed.actor.as_str(), reversed.entity_type, reversed.entity_id), ("bob", "deal", "d-1"));
        assert_eq!(reversed.reason.map(Text::as_str), Some("fell through"));
        let first = line(&books.events[0]);
        assert_eq!((first.entity_type, first.entity_id, first.reason), ("settings", "", None));
    }

    #[test]
    fn every_event_is_tallied_under_its_stored_name() {
        let books = Books::random(11, 250);
        let mut seen = Vec::new();
        for recorded in &books.events {
            let action = Action::of(&recorded.event);
            assert_eq!(action.as_str(), encode(&recorded.event).type_name);
            seen.push(action);
        }
        let audit = fold::<Audit>(&books.events);
        let tallies = audit.tallies();
        assert_eq!(tallies.iter().map(|(.., tally)| tally.count).sum::<u64>(), seen.len() as u64);
        assert!(tallies.iter().all(|(.., tally)| tally.first <= tally.last));
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 20, "{seen:?}");
        assert!(seen.iter().all(|action| Action::ALL.contains(action)));
    }
}
