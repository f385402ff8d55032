//! The laws of deals: what a deal posts and takes back is what it comes to, calculated again on what everything before it says.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::entries::Place;
use super::sales::Sold;
use super::{Broken, Law, Laws, broken, differs};
use crate::account::{self, Because, Source};
use crate::chain::Digest;
use crate::deal::sale::Payment;
use crate::deal::{self, Basis, Completion, Earned, Line, PlanInForce, SideLines};
use crate::event::Event;
use crate::id::{PayeeId, Text};
use crate::money::Money;
use crate::projection::sum::Sum;
use crate::projection::terms::Open;
use crate::reconcile::due::{by_completion, differing};
use crate::stream::StreamId;
use crate::waterfall::{Attained, BonusState, Contribution, Gci, Owner, Party, Progress as Counted, Side};
use crate::{Date, attainment, cap, codec};

/// What the reversal of a deal takes back.
#[derive(Debug, Clone)]
pub(super) struct Completed {
    /// The sides as they are stored and, where those are told to be wrong, as they should be.
    sides: Vec<Digest>,
    /// What it had to post.
    pub(super) posted: Vec<Event>,
}

impl Laws {
    pub(super) fn deal(&mut self, event: &deal::Event, effective: Date, out: &mut Vec<Broken>) {
        match event {
            deal::Event::Registered { deal, basis, gci } => {
                let expected = commission(basis);
                if expected != Some(*gci) {
                    let expected = expected.map(|expected| expected.to_string()).unwrap_or_default();
                    let field = ("gci".into(), expected, gci.to_string());
                    out.push(differs(Law::CommissionIsItsBasis, deal, field));
                    self.doubted_deals.insert(deal.clone());
                }
                if let Basis::Sale(sale) = basis {
                    self.sales.insert(deal.clone(), Sold::new(sale, expected.unwrap_or(*gci)));
                }
            }
            deal::Event::Attributed { deal, .. } if self.doubted_deals.contains(deal) => {}
            deal::Event::Attributed { deal, attribution, credits } => {
                let Some(gci) = self.terms.open(deal).and_then(|open| commission(&open.basis)) else { return };
                let expected = attribution.credits(gci).unwrap_or_default();
                if let Some(field) = differing("credits", &expected, credits) {
                    out.push(differs(Law::CreditsAreTheAllocation, deal, field));
                    self.doubted_deals.insert(deal.clone());
                }
            }
            deal::Event::Completed(completion) => self.complete(completion, out),
            deal::Event::Touched { deal, touch } => self.touch(deal, touch, out),
            deal::Event::Credited(crediting) => self.credit(crediting, false, out),
            deal::Event::Recredited(recrediting) => self.credit(&recrediting.crediting, true, out),
            deal::Event::Collected { deal, payment, amount, on, entries } => {
                let payment = Payment { payment: payment.clone(), amount: *amount, on: *on };
                self.collect(deal, payment, effective, entries, out);
            }
            deal::Event::Reversed { deal, sides, .. } if self.sales.contains_key(deal) => {
                self.take_sale_back(deal, sides, out);
            }
            deal::Event::Reversed { deal, sides, .. } => {
                let Some(Completed { sides: known, posted }) = self.completed.remove(deal) else {
                    out.push(broken(Law::ReversalIsExact, deal, "a deal that is completed", "none"));
                    return;
                };
                if !known.contains(&digest(sides)) {
                    out.push(broken(Law::ReversalIsExact, deal, "the sides as completed", "others"));
                }
                let due = posted.into_iter().filter_map(|event| self.taken_back(event)).collect();
                self.owe(due);
            }
        }
    }

    /// What takes back what a deal had posted. It is of the day of the request.
    pub(super) fn taken_back(&self, event: Event) -> Option<Event> {
        Some(match event {
            Event::Cap(cap::Event::Contributed { account, deal, amount, .. }) => {
                cap::Event::Reversed { account, deal, amount }.into()
            }
            Event::Attainment(attainment::Event::Counted {
                account,
                deal,
                units,
                revenue,
                accrued,
                company_dollar,
                bonuses,
            }) => {
                attainment::Event::Reversed { account, deal, units, revenue, accrued, company_dollar, bonuses }.into()
            }
            Event::Account(account::Event::EntryBooked {
                payee,
                entry,
                source: Source::Commission { deal },
                amount,
                earned_on,
            }) => {
                let is_paid = self.entries.get(&entry).is_some_and(|known| known.place == Place::Paid);
                let event = if is_paid {
                    let (source, amount) = (Source::Clawback { deal, of: entry }, amount.negated());
                    account::Event::EntryBooked { payee, entry, source, amount, earned_on }
                } else {
                    account::Event::EntryReversed { payee, entry, because: Because::Deal(deal), amount }
                };
                event.into()
            }
            _ => return None,
        })
    }

    fn complete(&mut self, completion: &Completion, out: &mut Vec<Broken>) {
        let known = self.on_what_was(completion, out);
        let calculated = self.calculate_again(&known, out);
        let right = calculated.as_ref().unwrap_or(&known);
        for met in &right.caps {
            self.meets(right, met, out);
        }
        for Counted { account, .. } in &right.attainments {
            self.in_year(account, out);
        }
        let mut sides = vec![digest(&completion.sides)];
        sides.extend(calculated.iter().map(|calculated| digest(&calculated.sides)));
        self.completed.insert(completion.deal.clone(), Completed { sides, posted: Vec::new() });
        let mut ways = vec![by_completion(completion)];
        if let Cow::Owned(known) = &known {
            ways.push(by_completion(known));
        }
        ways.extend(calculated.iter().map(by_completion));
        self.owe_either(ways);
    }

    /// The deal, on what was left on its caps and attainments.
    fn on_what_was<'a>(&self, completion: &'a Completion, out: &mut Vec<Broken>) -> Cow<'a, Completion> {
        let mut known = Cow::Borrowed(completion);
        for (index, Contribution { account, before, .. }) in completion.caps.iter().enumerate() {
            let was = self.caps.get(account).copied().unwrap_or_default();
            if was == Sum::from(*before) {
                continue;
            }
            let expected = format!("{} {}", was.show(before.currency()), before.currency());
            let field = ("before".to_owned(), expected, before.to_string());
            out.push(differs(Law::BeforeIsWhatWas, cap::stream(account), field));
            if let (Ok(was), Some(met)) = (was.money(before.currency()), known.to_mut().caps.get_mut(index)) {
                met.before = was;
            }
        }
        for (index, stored) in completion.attainments.iter().enumerate() {
            let right = self.found_by(completion, stored);
            let fields = [
                differing("before", &right.before, &stored.before),
                differing("paid", &right.paid, &stored.paid),
                differing("taken_back", &right.taken_back, &stored.taken_back),
            ];
            let key = || attainment::stream(&stored.account);
            out.extend(fields.into_iter().flatten().map(|field| differs(Law::BeforeIsWhatWas, key(), field)));
            if right != *stored
                && let Some(known) = known.to_mut().attainments.get_mut(index)
            {
                *known = right;
            }
        }
        known
    }

    /// An attainment as a deal found it: what was attained, and which bonuses deals had paid, and had taken back. These are of the
    /// payee's plan, be it the one in force or the one that is stored; of those that are named, where neither is known.
    fn found_by(&self, completion: &Completion, stored: &Counted) -> Counted {
        let Counted { account, before, paid, taken_back, .. } = stored;
        let in_force = match &account.of {
            Owner::Payee(payee) => self.terms.plan_of(payee, completion.completed_on),
            Owner::Pool(_) => None,
        };
        let plans = completion.plans.iter().filter(|plan| account.of == Owner::Payee(plan.payee.clone()));
        let plans = in_force.iter().chain(plans).filter(|plan| !self.is_doubted_plan(plan));
        let state = |name: &Text| self.bonuses.get(&(account.clone(), name.clone())).copied();
        let became = |names: Vec<&Text>| {
            [BonusState::Paid, BonusState::TakenBack].map(|became| -> Vec<Text> {
                names.iter().copied().filter(|name| state(name) == Some(became)).cloned().collect()
            })
        };
        let names =
            plans.filter_map(|plan| Some(self.terms.version(plan)?.document.once_a_year().map(|bonus| &bonus.name)));
        let mut ways: Vec<_> = names.map(|names| became(names.collect())).collect();
        let as_stored = ways.iter().position(|[were_paid, were_back]| (were_paid, were_back) == (paid, taken_back));
        let [paid, taken_back] = match ways.len() {
            0 => became(paid.iter().chain(taken_back).collect()),
            _ => ways.swap_remove(as_stored.unwrap_or_default()),
        };
        let before = self.attainments.get(account).copied().unwrap_or(Attained::nothing(before.revenue.currency()));
        Counted { before, paid, taken_back, ..stored.clone() }
    }

    /// Calculates a deal again, under the plans in force. It comes out as it should be where it is stored otherwise.
    fn calculate_again(&mut self, completion: &Completion, out: &mut Vec<Broken>) -> Option<Completion> {
        let deal = &completion.deal;
        let terms = self.terms.take(deal);
        let Some(sides) = terms.as_ref().and_then(Open::sides) else {
            out.push(broken(Law::CalcDivergence, deal, "a deal whose payees are known", "none"));
            return None;
        };
        let mut in_force = self.terms.in_force(&sides, completion.completed_on);
        for (in_force, stored) in in_force.iter_mut().zip(&completion.plans) {
            if self.is_doubted_plan(in_force) {
                in_force.plan_hash = stored.plan_hash;
            }
        }
        let mut plans = completion.plans.iter().chain(&in_force);
        let doubted = plans.any(|plan| self.is_doubted_plan(plan)) | self.doubted_deals.remove(deal);
        let other = differing("plans", &in_force, &completion.plans);
        let under_them = other.is_some().then(|| Completion { plans: in_force, ..completion.clone() });
        let mut ways = under_them.iter().chain([completion]);
        out.extend(other.map(|field| differs(Law::PlansAreInForce, deal, field).over(completion.gci)));
        if doubted {
            return None;
        }
        let mut diverging = None;
        let fitting = ways.find(|way| match self.diverges(&sides, way) {
            None => true,
            Some(told) => {
                diverging.get_or_insert(told);
                false
            }
        });
        let right = match (fitting, diverging) {
            (Some(way), _) => (way.plans != completion.plans).then(|| way.clone()),
            (None, Some((told, right))) => {
                out.push(told);
                right
            }
            (None, None) => None,
        };
        parts(&sides, right.as_ref().unwrap_or(completion), out);
        right
    }

    /// How a deal is not what its plans make of it, and what it is then where they can tell.
    fn diverges(&self, sides: &[Side], way: &Completion) -> Option<(Broken, Option<Completion>)> {
        let deal = &way.deal;
        let calculation = match self.terms.recalculate(sides, way) {
            Err(rejection) => return Some((broken(Law::CalcDivergence, deal, rejection, "what is stored"), None)),
            Ok(calculation) => calculation,
        };
        let (place, stored, calculated) = way.divergence(&calculation)?;
        let law = if place.starts_with("entries") { Law::EarnedIsBooked } else { Law::CalcDivergence };
        let told = differs(law, deal, (place, calculated, stored)).over(way.gci);
        Some((told, way.calculated(&calculation).ok()))
    }

    /// Whether a plan version is told to be wrong.
    pub(super) fn is_doubted_plan(&self, PlanInForce { plan, version, .. }: &PlanInForce) -> bool {
        self.doubted_documents.contains(&(StreamId::Plan(plan.clone()), *version))
    }
}

fn digest(sides: &[SideLines]) -> Digest {
    Digest::of(&codec::canonical(&sides))
}

/// What was said of a deal's commission comes to.
fn commission(basis: &Basis) -> Option<Money> {
    match basis {
        Basis::Amount(amount) => Some(*amount),
        Basis::OfPrice { price, rate } => Gci::OfPrice { price: *price, rate: *rate }.amount().ok(),
        Basis::Sides(sides) => {
            let amounts = sides.iter().map(|side| side.gci.amount()).collect::<Result<Vec<_>, _>>().ok()?;
            Money::sum(amounts.first()?.currency(), amounts).ok()
        }
        Basis::Sale(sale) => {
            let currency = sale.currency().ok()?;
            Money::sum(currency, sale.amount.into_iter().chain(sale.lines.iter().map(|line| line.amount))).ok()
        }
    }
}

/// Checks that the parts of a deal are the whole, and that payees have what their lines say.
fn parts(sides: &[Side], completion: &Completion, out: &mut Vec<Broken>) {
    let Completion { deal, gci, sides: stored, entries, .. } = completion;
    for (side, SideLines { gci, lines, .. }) in sides.iter().zip(stored) {
        let whole = Sum::from(*gci).plus(side.referral_in.map(Sum::from).unwrap_or_default());
        let sum: Sum = lines.iter().map(|line| Sum::from(line.amount)).sum();
        if sum != whole {
            let (expected, found) = (whole.show(gci.currency()), sum.show(gci.currency()));
            out.push(broken(Law::PartsAreTheWhole, deal, expected, found).over(*gci));
        }
    }
    let whole: Sum = stored.iter().map(|side| Sum::from(side.gci)).sum();
    if whole != Sum::from(*gci) {
        let expected = format!("{} {}", whole.show(gci.currency()), gci.currency());
        out.push(differs(Law::PartsAreTheWhole, deal, ("gci".into(), expected, gci.to_string())));
    }
    let mut earned = FxHashMap::<&PayeeId, Sum>::default();
    for Line { party, amount, .. } in stored.iter().flat_map(|side| &side.lines) {
        if let Party::Payee(payee) = party {
            earned.entry(payee).or_default().add(*amount);
        }
    }
    for Earned { payee, entry, amount } in entries {
        let lines = earned.remove(payee).unwrap_or_default();
        if lines != Sum::from(*amount) || (entry.is_none() && !amount.is_zero()) {
            let (key, expected) = (format!("{deal} {payee}"), lines.show(amount.currency()));
            out.push(broken(Law::EarnedIsBooked, key, expected, amount.amount()).over(*amount));
        }
    }
    for (payee, lines) in earned.into_iter().filter(|(_, lines)| !lines.is_zero()) {
        let (key, expected) = (format!("{deal} {payee}"), lines.show(gci.currency()));
        out.push(broken(Law::EarnedIsBooked, key, expected, "no entry"));
    }
}
