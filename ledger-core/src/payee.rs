//! A payee: who earns, and under which plan at which time.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Date;
use crate::calendar::in_range;
use crate::credit::terms;
use crate::decide::{Context, Decision, Misfit, Undecided};
use crate::event;
use crate::id::{PayeeId, PlanId, Text};
use crate::rates;
use crate::slice::Slice;
use crate::stream::StreamId;

/// What can be asked of a payee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a payee known.
    Enrol {
        /// The payee.
        payee: PayeeId,
        /// The name that people read.
        name: Text,
        /// The day that anniversaries are counted from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined_on: Option<Date>,
    },
    /// Puts the payee under a plan version from a day on.
    Assign {
        /// The payee.
        payee: PayeeId,
        /// The plan.
        plan: PlanId,
        /// The version of the plan.
        version: u32,
        /// The first day.
        from: Date,
        /// The day after the last one; open without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Date>,
    },
    /// Ends the open assignment.
    EndAssignment {
        /// The payee.
        payee: PayeeId,
        /// The day after the last one.
        until: Date,
    },
    /// Says what the payee is to models and rate plans from a day on. What is left out it has not, whatever it had before.
    Classify {
        /// The payee.
        payee: PayeeId,
        /// The first day.
        from: Date,
        /// What it is, such as `affiliate`.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<Text>,
        /// Its tier, such as `gold`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Text>,
        /// Its class in a co-sell, such as `hyperscaler`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<Text>,
        /// Its rate plan; without one, that of the deal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rates: Option<rates::Chosen>,
    },
}

/// What happened to a payee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The payee became known.
    Enrolled {
        /// The payee.
        payee: PayeeId,
        /// The name that people read.
        name: Text,
        /// The day that anniversaries are counted from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined_on: Option<Date>,
    },
    /// The payee came under a plan version.
    Assigned {
        /// The payee.
        payee: PayeeId,
        /// Which version of which plan, and when.
        assignment: Assignment,
    },
    /// The open assignment was given its end.
    AssignmentEnded {
        /// The payee.
        payee: PayeeId,
        /// The day after the last one.
        until: Date,
    },
    /// It was said what the payee is to models and rate plans.
    Classified {
        /// The payee.
        payee: PayeeId,
        /// The first day.
        from: Date,
        /// What it is.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<Text>,
        /// Its tier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Text>,
        /// Its class in a co-sell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<Text>,
        /// Its rate plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rates: Option<rates::Chosen>,
    },
}

/// A plan version that holds for a payee over a span of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The plan.
    pub plan: PlanId,
    /// The version of the plan.
    pub version: u32,
    /// The first day.
    pub from: Date,
    /// The day after the last one; open without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl Assignment {
    /// Whether it holds on a day. Spans are half-open, so that one can begin on the day on which another ends.
    #[must_use]
    pub fn covers(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.until.is_none_or(|until| other.from < until) && other.until.is_none_or(|until| self.from < until)
    }
}

/// Why a request about a payee is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Nobody of that name.
    #[error("payee {payee} is unknown: enrol it with payee.enrol first")]
    Unknown {
        /// The payee.
        payee: PayeeId,
    },
    /// Nobody of the name that something names.
    #[error("{at}: payee {payee} is unknown: enrol it with payee.enrol first")]
    UnknownAt {
        /// Where it is named.
        at: String,
        /// The payee.
        payee: PayeeId,
    },
    /// The name is taken, by a payee with other particulars.
    #[error("payee {payee} is already enrolled")]
    AlreadyEnrolled {
        /// The payee.
        payee: PayeeId,
    },
    /// Two plans would hold at once, and which one counts would be a guess.
    #[error("payee {payee} is already under plan {plan} from {from}: end that assignment first")]
    Overlap {
        /// The payee.
        payee: PayeeId,
        /// The plan that holds already.
        plan: PlanId,
        /// Since when.
        from: Date,
    },
    /// A span must have at least one day.
    #[error("an assignment until {until} cannot begin on {from}: it would have no day")]
    EmptySpan {
        /// The first day.
        from: Date,
        /// The day after the last one.
        until: Date,
    },
    /// There is no assignment without an end.
    #[error("payee {payee} has no open assignment to end")]
    NoOpenAssignment {
        /// The payee.
        payee: PayeeId,
    },
    /// No plan holds on that day.
    #[error("payee {payee} has no plan on {day}: assign one that covers the day")]
    NoPlan {
        /// The payee.
        payee: PayeeId,
        /// The day.
        day: Date,
    },
}

/// A payee as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    id: PayeeId,
    name: Text,
    joined_on: Option<Date>,
    /// Never two that overlap.
    assignments: Vec<Assignment>,
    /// What it is to models and rate plans, each from its day on.
    particulars: BTreeMap<Date, Particulars>,
}

/// What a payee is to models and rate plans.
pub type Particulars = terms::Payee<rates::Chosen>;

impl Payee {
    /// The name that people read.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The day that anniversaries are counted from.
    #[must_use]
    pub fn joined_on(&self) -> Option<Date> {
        self.joined_on
    }

    /// The assignment that holds on a day.
    ///
    /// # Errors
    /// [`Rejection::NoPlan`] when none does.
    pub fn plan_on(&self, day: Date) -> Result<&Assignment, Rejection> {
        let found = self.assignments.iter().find(|assignment| assignment.covers(day));
        found.ok_or_else(|| Rejection::NoPlan { payee: self.id.clone(), day })
    }

    /// What it is to models and rate plans on a day.
    #[must_use]
    pub fn particulars_on(&self, day: Date) -> Particulars {
        self.particulars.range(..=day).next_back().map(|(_, particulars)| particulars.clone()).unwrap_or_default()
    }
}

/// Whoever is named at a place is enrolled.
pub(crate) fn enrolled(slice: &Slice, at: impl fmt::Display, payee: &PayeeId) -> Result<(), Undecided> {
    let unknown = || Rejection::UnknownAt { at: at.to_string(), payee: payee.clone() };
    slice.find_payee(payee)?.map(drop).ok_or_else(|| unknown().into())
}

impl Command {
    pub(crate) fn decide(&self, context: &Context<'_>) -> Result<Decision, Undecided> {
        let slice = context.slice;
        let (payee, event) = match self {
            Self::Enrol { payee, name, joined_on } => {
                joined_on.map(in_range).transpose()?;
                if let Some(known) = slice.find_payee(payee)? {
                    if known.name == *name && known.joined_on == *joined_on {
                        return Err(Undecided::already_known(format_args!("payee {payee}")));
                    }
                    return Err(Rejection::AlreadyEnrolled { payee: payee.clone() }.into());
                }
                (payee, Event::Enrolled { payee: payee.clone(), name: name.clone(), joined_on: *joined_on })
            }
            Self::Assign { payee, plan, version, from, until } => {
                slice.require([StreamId::Payee(payee.clone()), StreamId::Plan(plan.clone())])?;
                let known = slice.payee(payee)?;
                slice.plan(plan)?.version(*version)?;
                in_range(*from)?;
                until.map(in_range).transpose()?;
                let assignment = Assignment { plan: plan.clone(), version: *version, from: *from, until: *until };
                if let Some(until) = until.filter(|until| until <= from) {
                    return Err(Rejection::EmptySpan { from: *from, until }.into());
                }
                if let Some(other) = known.assignments.iter().find(|other| other.overlaps(&assignment)) {
                    let (plan, from) = (other.plan.clone(), other.from);
                    return Err(Rejection::Overlap { payee: payee.clone(), plan, from }.into());
                }
                (payee, Event::Assigned { payee: payee.clone(), assignment })
            }
            Self::EndAssignment { payee, until } => {
                in_range(*until)?;
                let open = slice.payee(payee)?.assignments.iter().find(|assignment| assignment.until.is_none());
                let open = open.ok_or_else(|| Rejection::NoOpenAssignment { payee: payee.clone() })?;
                if *until <= open.from {
                    return Err(Rejection::EmptySpan { from: open.from, until: *until }.into());
                }
                (payee, Event::AssignmentEnded { payee: payee.clone(), until: *until })
            }
            Self::Classify { payee, from, kind, tier, class, rates } => {
                let known = slice.payee(payee)?;
                in_range(*from)?;
                if let Some(chosen) = rates {
                    slice.rates(&chosen.rates)?.version(chosen.version)?;
                }
                let (kind, tier, class, rates) = (kind.clone(), tier.clone(), class.clone(), rates.clone());
                let says =
                    Particulars { kind: kind.clone(), tier: tier.clone(), class: class.clone(), rates: rates.clone() };
                if known.particulars.get(from) == Some(&says) {
                    return Err(Undecided::already_known(format_args!("what payee {payee} is from {from}")));
                }
                (payee, Event::Classified { payee: payee.clone(), from: *from, kind, tier, class, rates })
            }
        };
        Ok(context.decision().with(StreamId::Payee(payee.clone()), event))
    }
}

pub(crate) fn evolve(state: &mut Option<Payee>, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (state @ None, Event::Enrolled { payee, name, joined_on }) => {
            let (id, name) = (payee.clone(), name.clone());
            *state =
                Some(Payee { id, name, joined_on: *joined_on, assignments: Vec::new(), particulars: BTreeMap::new() });
        }
        (Some(payee), Event::Assigned { assignment, .. }) => payee.assignments.push(assignment.clone()),
        (Some(payee), Event::AssignmentEnded { until, .. }) => {
            let open = payee.assignments.iter_mut().find(|assignment| assignment.until.is_none());
            open.ok_or(Misfit("there is no open assignment"))?.until = Some(*until);
        }
        (Some(payee), Event::Classified { from, kind, tier, class, rates, .. }) => {
            let (kind, tier, class, rates) = (kind.clone(), tier.clone(), class.clone(), rates.clone());
            payee.particulars.insert(*from, Particulars { kind, tier, class, rates });
        }
        (Some(_), Event::Enrolled { .. }) => return Err(Misfit("a payee is enrolled once")),
        (None, Event::Assigned { .. } | Event::AssignmentEnded { .. } | Event::Classified { .. }) => {
            return Err(Misfit("the payee is not enrolled"));
        }
    }
    Ok(())
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        Self::Payee(event)
    }
}
