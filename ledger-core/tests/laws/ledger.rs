//! Requests of every kind, sensible or not, one after another: the ledger does what the model says, and its log obeys the laws.

use std::collections::BTreeSet;

use ledger_core::event::Event;
use ledger_core::id::PayoutId;
use ledger_core::payout::{self, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::history;
use crate::model::{Cap, Model, Stage, Terms};
use crate::story::{Story, created};

const TODAY: (i32, u32) = (2026, 6);

#[derive(Debug, Clone)]
enum Act {
    Opening {
        payee: usize,
        year: i32,
        amount: i128,
    },
    Deal {
        payees: BTreeSet<usize>,
        weights: Option<u32>,
        gci: i128,
        day: (i32, u32),
    },
    Reverse {
        deal: usize,
    },
    Create {
        payee: usize,
        maker: &'static str,
        through: Option<(i32, u32)>,
    },
    CreateManual {
        payee: usize,
        maker: &'static str,
        amount: i128,
    },
    Move {
        payout: usize,
        verb: &'static str,
        actor: &'static str,
        attempt: u32,
        right: bool,
        reference: u32,
    },
    /// The next step on the way of a payout, as it should be.
    Forward {
        payout: usize,
        way: usize,
    },
    Bulk {
        payouts: Vec<usize>,
        actor: &'static str,
        atomic: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let payee = || 0..4_usize;
    let amount = || prop_oneof![-500..5_000_i128, 0..3_000_000_i128];
    let day = || (2025..=2026_i32, 1..=6_u32);
    let actor = || select(vec!["a0", "a0", "a1", "a1", "p0", "p1"]);
    let verbs = vec![
        "submit",
        "approve",
        "start",
        "settle",
        "fail",
        "reject",
        "record_manual_payment",
        "void",
        "accept",
        "dismiss",
    ];
    prop_oneof![
        1 => (payee(), 2025..=2026_i32, amount()).prop_map(|(payee, year, amount)| Act::Opening { payee, year, amount }),
        6 => (proptest::collection::btree_set(payee(), 1..4), proptest::option::of(0..=10_000_u32), amount(), day())
            .prop_map(|(payees, weights, gci, day)| Act::Deal { payees, weights, gci, day }),
        2 => (0..20_usize).prop_map(|deal| Act::Reverse { deal }),
        4 => (payee(), actor(), proptest::option::of(day())).prop_map(|(payee, maker, through)| Act::Create { payee, maker, through }),
        1 => (payee(), actor(), amount()).prop_map(|(payee, maker, amount)| Act::CreateManual { payee, maker, amount }),
        8 => (0..8_usize, select(verbs), actor(), 0..3_u32, prop::bool::weighted(0.9), 0..4_u32)
            .prop_map(|(payout, verb, actor, attempt, right, reference)| Act::Move { payout, verb, actor, attempt, right, reference }),
        14 => (0..8_usize, 0..4_usize).prop_map(|(payout, way)| Act::Forward { payout, way }),
        1 => (vec(0..8_usize, 0..4), actor(), any::<bool>()).prop_map(|(payouts, actor, atomic)| Act::Bulk { payouts, actor, atomic }),
    ]
}

fn dollars(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02} USD", cents.abs() / 100, cents.abs() % 100)
}

fn rate(parts: i128) -> String {
    if parts == 10_000 { "1".into() } else { format!("0.{parts:04}") }
}

fn date((year, month): (i32, u32)) -> String {
    format!("{year}-{month:02}-15")
}

/// `p0` has a flat plan, the others a cap: within the deal, with a share beyond it, and by the whole deal.
fn terms() -> impl Strategy<Value = Vec<Terms>> {
    let capped = |whole_deal: bool| {
        (1..=10_000_i128, 0..2_000_000_i128, 0..=3_000_i128, 0..30_000_i128, any::<bool>()).prop_map(
            move |(company, limit, post_company, fee, fee_on_crossing)| Terms {
                company,
                cap: Some(Cap { limit, post_company, fee, whole_deal, fee_on_crossing }),
            },
        )
    };
    ((0..=10_000_i128).prop_map(|company| Terms { company, cap: None }), capped(false), capped(false), capped(true))
        .prop_map(|(flat, a, b, whole)| vec![flat, a, b, whole])
}

fn document(terms: Terms) -> Value {
    let shares = |company: i128| json!({"payee": rate(10_000 - company), "company": rate(company)});
    let Some(cap) = terms.cap else { return json!({"currency": "USD", "split": {"flat": shares(terms.company)}}) };
    json!({
        "currency": "USD",
        "split": {"flat": shares(terms.company)},
        "cap": {
            "caps": [{"programme": "main", "limit": dollars(cap.limit), "year": {"calendar": {"month": 1, "day": 1}}}],
            "post_cap": shares(cap.post_company),
            "crossing": if cap.whole_deal { "whole_deal_pre_cap" } else { "split_within_deal" },
            "fee_on_crossing": if cap.fee_on_crossing { "yes" } else { "no" },
        },
        "fees": [{"name": "post-cap", "timing": "post_cap", "amount": {"flat": dollars(cap.fee)}}],
    })
}

/// The ledger and the model, side by side.
struct Pair {
    story: Story,
    model: Model,
    payouts: Vec<PayoutId>,
    deals: Vec<String>,
}

impl Pair {
    fn new(terms: Vec<Terms>) -> Self {
        let mut story = Story::opened();
        story.at(&format!("{}T15:00:00Z", date(TODAY)));
        for (payee, terms) in terms.iter().enumerate() {
            let (payee, plan) = (format!("p{payee}"), format!("plan{payee}"));
            story.publish(&plan, document(*terms)).enrol(&payee).assign(&payee, &plan);
        }
        Self { story, model: Model::new(terms), payouts: vec![], deals: vec![] }
    }

    fn payout(&self, payout: usize) -> PayoutId {
        let unknown =
            || PayoutId::derive(&self.story.ledger, &"unknown".parse().unwrap(), u32::try_from(payout).unwrap());
        self.payouts.get(payout).copied().unwrap_or_else(unknown)
    }

    /// Asks both.
    fn act(&mut self, act: &Act) {
        let before = self.story.head;
        let (told, asked) = match act {
            Act::Opening { payee, year, amount } => {
                let command = json!({"payee": format!("p{payee}"), "on": date((*year, 3)), "amount": dollars(*amount), "reason": "r"});
                let told = self.story.when("ann", json!({"cap.set_opening_balance": command}));
                (told, self.model.opening(*payee, *year, *amount))
            }
            Act::Deal { payees, weights, gci, day } => self.deal(payees, *weights, *gci, *day),
            Act::Reverse { deal } => {
                let name = self.deals.get(*deal).cloned().unwrap_or_else(|| "unknown".into());
                let told = self.story.when("ann", json!({"deal.reverse": {"deal": name, "reason": "r"}}));
                (told, self.model.reverse(*deal, TODAY))
            }
            Act::Create { payee, maker, through } => {
                let command = json!({"payee": format!("p{payee}"), "through": through.map(date)});
                let told = self.story.when(maker, json!({"payout.create": command}));
                (told, self.model.create(*payee, maker, *through))
            }
            Act::CreateManual { payee, maker, amount } => {
                let command = json!({"payee": format!("p{payee}"), "amount": dollars(*amount), "reason": "r"});
                let told = self.story.when(maker, json!({"payout.create_manual": command}));
                (told, self.model.create_manual(*payee, maker, *amount, TODAY))
            }
            Act::Move { payout, verb, actor, attempt, right, reference } => {
                let id = self.payout(*payout);
                let amount = self.model.payouts.get(*payout).map_or(1, |known| known.amount) + i128::from(!right);
                let fields = match *verb {
                    "reject" | "void" => json!({"payout": id, "reason": "r"}),
                    "settle" => json!({"payout": id, "attempt": attempt, "amount": dollars(amount)}),
                    "fail" => json!({"payout": id, "attempt": attempt, "reason": "r"}),
                    "accept" | "dismiss" => {
                        json!({"payout": id, "attempt": attempt, "resolution": verb, "reason": "r"})
                    }
                    "record_manual_payment" => {
                        json!({"payout": id, "method": "cheque", "reference": reference.to_string(), "account": "bank"})
                    }
                    _ => json!({"payout": id}),
                };
                let name = if matches!(*verb, "accept" | "dismiss") { "resolve_late_payment" } else { *verb };
                let told = self.story.when(actor, json!({format!("payout.{name}"): fields}));
                (told, self.model.moves(*payout, verb, actor, *attempt, *right, *reference))
            }
            Act::Forward { payout, way } => match self.forward(*payout, *way) {
                Some(act) => return self.act(&act),
                None => return,
            },
            Act::Bulk { payouts, actor, atomic } => return self.bulk(payouts, actor, *atomic),
        };
        assert_eq!(told.is_ok(), asked, "{act:?}: the ledger says {told:?}");
        match told {
            Ok(decision) if matches!(act, Act::Create { .. } | Act::CreateManual { .. }) => {
                self.payouts.push(created(&decision));
            }
            Ok(_) => {}
            Err(_) => assert_eq!(self.story.head, before),
        }
    }

    fn deal(
        &mut self,
        payees: &BTreeSet<usize>,
        weights: Option<u32>,
        gci: i128,
        day: (i32, u32),
    ) -> (Result<ledger_core::decide::Decision, ledger_core::decide::Rejection>, bool) {
        let payees: Vec<_> = payees.iter().copied().collect();
        let names: Vec<_> = payees.iter().map(|payee| format!("p{payee}")).collect();
        let (attribution, weights) = match weights {
            None => (json!({"equal": names}), vec![1; payees.len()]),
            Some(first) => {
                // The first has its part, the last the rest, whoever is between nothing.
                let mut weights = vec![0; payees.len()];
                weights[0] = i128::from(first);
                *weights.last_mut().unwrap() += 10_000 - i128::from(first);
                let custom = names.iter().zip(&weights);
                let custom: Vec<_> =
                    custom.map(|(payee, weight)| json!({"payee": payee, "weight": rate(*weight)})).collect();
                (json!({"custom": custom}), weights)
            }
        };
        let name = format!("d{}", self.deals.len());
        let command = json!({"deal": name, "gci": {"amount": dollars(gci)}, "attribution": attribution, "completed_on": date(day)});
        let told = self.story.when("ann", json!({"deal.record": command}));
        let asked = gci >= 0 && self.model.deal(&payees, &weights, gci, day);
        if asked {
            self.deals.push(name);
        }
        (told, asked)
    }

    fn forward(&self, payout: usize, way: usize) -> Option<Act> {
        let known = self.model.payouts.get(payout)?;
        let maker = ["a0", "a1", "p0", "p1"].into_iter().find(|actor| *actor == known.maker)?;
        let reference = u32::try_from(payout).ok()?;
        if let Some((attempt, _)) = known.late.iter().find(|(_, open)| **open) {
            let verb = if way < 2 { "accept" } else { "dismiss" };
            return Some(Act::Move { payout, verb, actor: "a2", attempt: *attempt, right: true, reference });
        }
        let (verb, actor) = match (known.stage, way) {
            (Stage::Draft, _) => ("submit", maker),
            (Stage::Pending, 0) => ("reject", "a2"),
            (Stage::Pending, _) => ("approve", "a2"),
            (Stage::Approved, 0) => ("record_manual_payment", "a2"),
            (Stage::Failed, 0) => ("settle", "a2"),
            (Stage::Approved | Stage::Failed, 1) => ("void", "a2"),
            (Stage::Approved | Stage::Failed, _) => ("start", "a2"),
            (Stage::Processing, 0 | 1) => ("fail", "a2"),
            (Stage::Processing, _) => ("settle", "a2"),
            (Stage::Paid | Stage::Rejected | Stage::Voided, _) => return None,
        };
        Some(Act::Move { payout, verb, actor, attempt: known.attempt, right: true, reference })
    }

    fn bulk(&mut self, payouts: &[usize], actor: &str, atomic: bool) {
        let ids: Vec<_> = payouts.iter().map(|payout| self.payout(*payout)).collect();
        let told = self.story.when(actor, json!({"payout.approve_bulk": {"payouts": ids, "atomic": atomic}}));
        let mut order = payouts.to_vec();
        let mut seen = BTreeSet::new();
        order.retain(|payout| seen.insert(*payout));
        let possible: Vec<_> = order.iter().map(|payout| self.model.can_approve(*payout, actor)).collect();
        let asked = !order.is_empty() && (!atomic || possible.iter().all(|possible| *possible));
        assert_eq!(told.is_ok(), asked, "{payouts:?} by {actor}: {told:?}");
        let Ok(decision) = told else { return };
        let Some((_, Event::Payout(payout::Event::BulkApproved { outcomes, .. }))) = decision.events.last() else {
            panic!("{decision:?}")
        };
        assert_eq!(outcomes.iter().map(|outcome| outcome.skipped.is_none()).collect::<Vec<_>>(), possible);
        for payout in order {
            self.model.moves(payout, "approve", actor, 0, true, 0);
        }
    }

    /// Compares how they stand.
    fn compare(&self) {
        for payee in 0..4 {
            let name = format!("p{payee}");
            assert_eq!(self.story.payable(&name), dollars(self.model.payable(payee)), "payable to {name}");
            let Some(cap) = self.model.terms[payee].cap else { continue };
            for year in [2025, 2026] {
                let room = self.story.room(&name, &dollars(cap.limit), &format!("{year}-01-01"));
                assert_eq!(room, dollars(self.model.room(payee, year)), "room of {name} in {year}");
            }
        }
        for (id, payout) in self.payouts.iter().zip(&self.model.payouts) {
            let expected = match payout.stage {
                Stage::Draft => Status::Draft,
                Stage::Pending => Status::PendingApproval,
                Stage::Approved => Status::Approved,
                Stage::Processing => Status::Processing,
                Stage::Paid => Status::Paid,
                Stage::Failed => Status::Failed,
                Stage::Rejected => Status::Rejected,
                Stage::Voided => Status::Voided,
            };
            assert_eq!((self.story.status(*id), self.story.amount(*id)), (expected, dollars(payout.amount)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_does_what_the_model_says(terms in terms(), acts in vec(act(), 1..200)) {
        let mut pair = Pair::new(terms);
        for act in &acts {
            pair.act(act);
            pair.compare();
        }
        history::check(&pair.story);
    }
}

#[test]
fn the_acts_are_not_all_refused() {
    // A law that only ever sees refusals says nothing: of many runs some must get to the end of every way.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut types = BTreeSet::new();
    for _ in 0..40 {
        let mut pair = Pair::new(terms().new_tree(&mut runner).unwrap().current());
        for act in vec(act(), 120).new_tree(&mut runner).unwrap().current() {
            pair.act(&act);
        }
        types.extend(pair.story.log.events.into_iter().map(|row| row.type_name));
    }
    for name in [
        "cap.reached",
        "cap.reversed",
        "account.entry_reversed",
        "payout.paid",
        "payout.failed",
        "payout.rejected",
        "payout.voided",
        "payout.reference_taken",
        "payout.late_payment_reported",
        "payout.late_payment_resolved",
    ] {
        assert!(types.contains(name), "{name} never happens");
    }
}
