//! A payee, and the plans that it is under.

use super::calendar::in_range;
use super::{Asked, Ruling, Step, Why, maybe};
use crate::act::{Act, Day, Text};
use crate::sale::{RatesPin, stored};

/// A payee.
#[derive(Debug, Clone)]
pub struct Payee {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it joined.
    pub joined_on: Option<Day>,
    /// The plans that it is under, in the order in which they were assigned.
    pub assignments: Vec<Assignment>,
    /// What it is, from which day on.
    pub particulars: Vec<(Day, Particulars)>,
}

/// What a payee is, by which it is credited and paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub struct Particulars {
    pub kind: Option<String>,
    pub tier: Option<String>,
    pub class: Option<String>,
    pub rates: Option<RatesPin>,
}

/// A plan version for some days.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The plan.
    pub plan: String,
    /// Its version.
    pub version: u32,
    /// The first day.
    pub from: Day,
    /// The day after the last; open without.
    pub until: Option<Day>,
}

impl Payee {
    /// The plan that it is under on a day.
    #[must_use]
    pub fn plan_on(&self, day: Day) -> Option<&Assignment> {
        self.assignments.iter().find(|span| span.from <= day && span.until.is_none_or(|until| day < until))
    }

    /// What it is on a day: nothing is taken over from before.
    pub(super) fn particulars_on(&self, day: Day) -> Particulars {
        let until = self.particulars.iter().filter(|(from, _)| *from <= day);
        until.max_by_key(|(from, _)| *from).map(|(_, particulars)| particulars.clone()).unwrap_or_default()
    }
}

impl Particulars {
    /// All but the rate plan, each with a comma before it.
    pub(super) fn json(&self) -> String {
        let Self { kind, tier, class, .. } = self;
        maybe("type", kind.as_ref()) + &maybe("tier", tier.as_ref()) + &maybe("class", class.as_ref())
    }
}

impl Assignment {
    fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, two: &Self| one.until.is_some_and(|until| until <= two.from);
        !ends_before(self, other) && !ends_before(other, self)
    }
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    let mut ruling = Ruling::on(asked.today);
    let (payee, type_name, fields) = match &asked.ask.act {
        Act::Enrol { payee, name, joined_on } => {
            joined_on.map(in_range).transpose()?;
            if let Some(known) = asked.model.payees.get(payee) {
                let same = known.name == *name && known.joined_on == *joined_on;
                return Err(if same { Why::AlreadyKnown } else { Why::Taken });
            }
            let (id, name, joined_on) = (payee.clone(), name.clone(), *joined_on);
            let fields = format!(r#","name":{}{}"#, Text(&name), maybe("joined_on", joined_on));
            (Payee { id, name, joined_on, assignments: Vec::new(), particulars: Vec::new() }, "payee.enrolled", fields)
        }
        Act::Assign { payee, plan, version, from, until } => {
            let mut payee = asked.model.payees.get(payee).ok_or(Why::Unknown)?.clone();
            asked.model.plans.get(plan).and_then(|plan| plan.version(*version)).ok_or(Why::Unknown)?;
            in_range(*from)?;
            until.map(in_range).transpose()?;
            if until.is_some_and(|until| until <= *from) {
                return Err(Why::WrongDay);
            }
            let assignment = Assignment { plan: plan.clone(), version: *version, from: *from, until: *until };
            if payee.assignments.iter().any(|other| other.overlaps(&assignment)) {
                return Err(Why::Taken);
            }
            payee.assignments.push(assignment);
            let until = maybe("until", *until);
            let span = format!(r#"{{"plan":"{plan}","version":{version},"from":"{from}"{until}}}"#);
            (payee, "payee.assigned", format!(r#","assignment":{span}"#))
        }
        Act::EndAssignment { payee, until } => {
            in_range(*until)?;
            let mut payee = asked.model.payees.get(payee).ok_or(Why::Unknown)?.clone();
            let open = payee.assignments.iter_mut().find(|span| span.until.is_none()).ok_or(Why::WrongState)?;
            if *until <= open.from {
                return Err(Why::WrongDay);
            }
            open.until = Some(*until);
            (payee, "payee.assignment_ended", format!(r#","until":"{until}""#))
        }
        Act::Classify { payee, from, kind, tier, class, rates } => {
            let mut payee = asked.model.payees.get(payee).ok_or(Why::Unknown)?.clone();
            rates.as_ref().map(|pin| asked.model.rates_of(pin)).transpose()?;
            in_range(*from)?;
            let (kind, tier, class) = (kind.clone(), tier.clone(), class.clone());
            let particulars = Particulars { kind, tier, class, rates: rates.clone() };
            let pin = rates.as_ref().map_or_else(String::new, |pin| format!(r#","rates":{}"#, stored(pin)));
            let fields = format!(r#","from":"{from}"{}{pin}"#, particulars.json());
            match payee.particulars.iter_mut().find(|(known, _)| known == from) {
                Some((_, known)) if *known == particulars => return Err(Why::AlreadyKnown),
                Some((_, known)) => *known = particulars,
                None => payee.particulars.push((*from, particulars)),
            }
            (payee, "payee.classified", fields)
        }
        _ => return Err(Why::Malformed),
    };
    let id = &payee.id;
    ruling.fact(format!("payee/{id}"), type_name, format!(r#"{{"payee":"{id}"{fields}}}"#));
    ruling.step(Step::Payee(payee));
    Ok(ruling)
}
