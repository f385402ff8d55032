//! The laws of what is counted, on caps, attainments and spend limits: it never goes beyond the room, nor below zero.

use super::{Broken, Law, Laws, broken, differs};
use crate::deal::Completion;
use crate::id::{CapProgramme, PoolId, Text};
use crate::money::Money;
use crate::projection::sum::Sum;
use crate::reconcile::due::differing;
use crate::waterfall::{Account, Attained, BonusState, Contribution, Crossing, PoolTerms};
use crate::{attainment, cap, spend};

impl Laws {
    /// Checks a cap that a deal meets.
    pub(super) fn meets(&mut self, completion: &Completion, met: &Contribution, out: &mut Vec<Broken>) {
        let Contribution { account, limit, after, .. } = met;
        self.in_year(account, out);
        let contributed = self.caps.get(account).copied().unwrap_or_default();
        let whole_deal = completion.plans.iter().any(|in_force| {
            if self.is_doubted_plan(in_force) {
                return true;
            }
            let version = self.terms.version(in_force);
            let capped = version.and_then(|version| version.document.cap.as_ref());
            capped.is_some_and(|capped| {
                capped.crossing == Crossing::WholeDealPreCap
                    && capped.caps.iter().any(|cap| cap.programme == account.programme)
            })
        });
        let most =
            if whole_deal && contributed < Sum::from(*limit) { None } else { Some(contributed.max((*limit).into())) };
        if let Some(most) = most.filter(|most| Sum::from(*after) > *most) {
            let expected = format!("at most {}", most.show(limit.currency()));
            out.push(broken(Law::CapHolds, cap::stream(account), expected, after).over(*after));
        }
    }

    pub(super) fn in_year(&mut self, Account { programme, of, year }: &Account, out: &mut Vec<Broken>) {
        let years = self.years.entry((programme.clone(), of.clone())).or_default();
        if let Some(other) =
            years.iter().find(|other| other.start < year.end && year.start < other.end && *other != year)
        {
            out.push(broken(Law::CapYearsDoNotOverlap, format_args!("{programme} of {of}"), other, year));
        }
        if !years.contains(year) {
            years.push(*year);
        }
    }

    pub(super) fn cap(&mut self, event: &cap::Event, out: &mut Vec<Broken>) {
        match event {
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                let contributed = self.caps.get(account).copied().unwrap_or_default();
                if contributed.plus(Sum::from(*amount)) > Sum::from(*limit) {
                    out.push(broken(Law::CapHolds, cap::stream(account), limit, amount).over(*amount));
                }
                self.contribute(account, *amount, out);
            }
            // What deals post is compared with what is due, at the request's end.
            cap::Event::Contributed { .. } | cap::Event::Reached { .. } | cap::Event::Reversed { .. } => {}
            cap::Event::ProgrammeOpened { .. } => {}
            cap::Event::PoolOpened { programme, pool, terms } => self.pool(programme, pool, terms, out),
        }
    }

    pub(super) fn pool(&mut self, programme: &CapProgramme, pool: &PoolId, terms: &PoolTerms, out: &mut Vec<Broken>) {
        let known = self.pools.entry((programme.clone(), pool.clone())).or_insert(*terms);
        if let Some(difference) = differing("", known, terms) {
            out.push(differs(Law::PoolKeepsItsTerms, format_args!("{programme} pool:{pool}"), difference));
        }
    }

    pub(super) fn contribute(&mut self, account: &Account, amount: Money, out: &mut Vec<Broken>) {
        let contributed = self.caps.entry(account.clone()).or_default();
        contributed.add(amount);
        if *contributed < Sum::ZERO {
            let found = contributed.show(amount.currency());
            out.push(broken(Law::ContributedIsNotNegative, cap::stream(account), "0 or more", found).over(amount));
        }
    }

    pub(super) fn attainment(&mut self, event: &attainment::Event, out: &mut Vec<Broken>) {
        match event {
            attainment::Event::OpeningSet { .. } => self.count(event, out),
            attainment::Event::Counted { .. } | attainment::Event::Reversed { .. } => {}
        }
    }

    pub(super) fn count(&mut self, event: &attainment::Event, out: &mut Vec<Broken>) {
        let (account, by) = (event.account(), event.attained());
        let known = self.attainments.get(account).copied().unwrap_or(Attained::nothing(by.revenue.currency()));
        let (names, state): (&[Text], _) = match event {
            attainment::Event::OpeningSet { .. } => (&[], BonusState::Paid),
            attainment::Event::Counted { bonuses, .. } => (bonuses, BonusState::Paid),
            attainment::Event::Reversed { bonuses, .. } => (bonuses, BonusState::TakenBack),
        };
        self.bonuses.extend(names.iter().map(|name| ((account.clone(), name.clone()), state)));
        let after = match event {
            attainment::Event::Reversed { .. } => known.minus(&by),
            attainment::Event::OpeningSet { .. } | attainment::Event::Counted { .. } => known.plus(&by),
        };
        match after {
            Ok(after) => {
                self.attainments.insert(account.clone(), after);
            }
            Err(error) => {
                let key = attainment::stream(account);
                out.push(broken(Law::ContributedIsNotNegative, key, "a sum", error).over(by.revenue));
            }
        }
    }

    pub(super) fn spend(&mut self, account: &spend::Account, amount: Money, out: &mut Vec<Broken>) {
        let key = (account.clone(), amount.currency());
        let spent = self.spent.entry(key.clone()).or_default();
        spent.add(amount);
        if let Some(limit) = self.spend_limits.get(&key).filter(|limit| amount.is_positive() && *spent > **limit) {
            let [limit, spent] = [limit, spent].map(|sum| sum.show(amount.currency()));
            let expected = format!("at most {limit}");
            out.push(broken(Law::SpendLimitHolds, spend::stream(account), expected, spent).over(amount));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a limit holds was asked of caps only.
    #[test]
    fn more_than_a_spend_limit_breaks_a_law_and_giving_back_does_not() {
        let (mut laws, mut out) = (Laws::default(), Vec::new());
        let [start, end] = ["2026-01-01", "2026-02-01"].map(|day| day.parse().unwrap());
        let period = spend::Period { start, end };
        let account = spend::Account { rates: "ten".parse().unwrap(), payee: "amy".parse().unwrap(), period };
        let amount = |text: &str| Money::parse(text).unwrap();
        let limit = amount("60 USD");
        laws.spend_limits.insert((account.clone(), limit.currency()), limit.into());
        for (spent, is_over) in [("60 USD", false), ("0.01 USD", true), ("-40 USD", false), ("39.99 USD", false)] {
            laws.spend(&account, amount(spent), &mut out);
            let told: Vec<_> = out.drain(..).map(|broken| (broken.law, broken.expected, broken.found)).collect();
            let over = (Law::SpendLimitHolds, "at most 60.00".to_owned(), "60.01".to_owned());
            assert_eq!(told, if is_over { vec![over] } else { vec![] }, "{spent}");
        }
    }
}
