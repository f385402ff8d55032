//! Who is credited with what of each sale, and what that pays: one row a credit, of what holds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Projection;
use super::sum::Sum;
use crate::attribute::Kind;
use crate::attribution::Credit;
use crate::deal;
use crate::deal::sale::{Crediting, Earned};
use crate::event::Event;
use crate::id::{DealId, PayeeId};
use crate::map::Map;
use crate::model::InForce;
use crate::money::Money;
use crate::recorded::Recorded;

/// The credited sales that are not reversed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credits {
    worths: Map<DealId, Money>,
    sales: Map<DealId, Credited>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credited {
    model: InForce,
    credits: Vec<Credit>,
    house: Option<Money>,
    overlays: Vec<Credit>,
    entries: Vec<Earned>,
    late: u64,
}

/// One credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// The sale.
    pub deal: &'a DealId,
    /// What the sale is worth.
    pub worth: Money,
    /// Who is credited; nobody where the house is, or where nobody has a claim.
    pub payee: Option<&'a PayeeId>,
    /// Which credit it is.
    pub of: Of,
    /// The model that says so.
    pub model: &'a InForce,
    /// The credit.
    pub amount: Money,
    /// What the payee has of the sale for it.
    pub commission: Sum,
    /// How many touches became known since the sale was credited. They count when it is credited anew.
    pub late: u64,
}

/// Which credit a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A part of the sale. With that of the house, parts sum to it.
    Part,
    /// Beside the parts, in no sum.
    Overlay,
    /// What the house has.
    House,
    /// Nothing of the sale, but something on top of what others have.
    Override,
    /// The whole sale: nobody has a claim.
    Nobody,
}

impl Of {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::Overlay => "overlay",
            Self::House => "house",
            Self::Override => "override",
            Self::Nobody => "unattributed",
        }
    }
}

impl Credits {
    /// Every credit, by sale, and in a sale as it was credited.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (deal, Credited { model, credits, house, overlays, entries, late }) in self.sales.sorted() {
            let Some(&worth) = self.worths.get(deal) else { continue };
            let mut row = |payee, of, amount, commission| {
                rows.push(Row { deal, worth, payee, of, model, amount, commission, late: *late });
            };
            // An override comes with the part of the payee, if it has one.
            let paid = |payee: &PayeeId, is_overlay: bool| {
                let paid = entries.iter().filter(|earned| earned.payee == *payee);
                paid.filter(|earned| (earned.kind == Kind::Overlay) == is_overlay)
                    .map(|earned| earned.amount.into())
                    .sum()
            };
            for Credit { payee, amount } in credits {
                row(Some(payee), Of::Part, *amount, paid(payee, false));
            }
            if let Some(house) = house {
                row(None, Of::House, *house, Sum::ZERO);
            }
            if credits.is_empty() && house.is_none() {
                row(None, Of::Nobody, worth, Sum::ZERO);
            }
            for Credit { payee, amount } in overlays {
                row(Some(payee), Of::Overlay, *amount, paid(payee, true));
            }
            let has_part = |payee: &PayeeId| credits.iter().any(|credit| credit.payee == *payee);
            let others = entries.iter().filter(|earned| earned.kind != Kind::Overlay && !has_part(&earned.payee));
            for payee in others.map(|earned| &earned.payee).collect::<BTreeSet<_>>() {
                row(Some(payee), Of::Override, Money::zero(worth.currency()), paid(payee, false));
            }
        }
        rows
    }

    fn credited(&mut self, crediting: &Crediting) {
        let Crediting { deal, model, credits, house, overlays, entries, .. } = crediting.clone();
        self.sales.insert(deal, Credited { model, credits, house, overlays, entries, late: 0 });
    }
}

impl Projection for Credits {
    const NAME: &'static str = "credits";
    const VERSION: u32 = 2;

    fn apply(&mut self, recorded: &Recorded) {
        let Event::Deal(event) = &recorded.event else { return };
        match event {
            deal::Event::Registered { deal, basis: deal::Basis::Sale(_), gci } => {
                self.worths.insert(deal.clone(), *gci);
            }
            deal::Event::Touched { deal, .. } => {
                if let Some(credited) = self.sales.get_mut(deal) {
                    credited.late = credited.late.saturating_add(1);
                }
            }
            deal::Event::Collected { deal, entries, .. } => {
                if let Some(credited) = self.sales.get_mut(deal) {
                    credited.entries.extend_from_slice(entries);
                }
            }
            deal::Event::Reversed { deal, .. } => {
                self.worths.remove(deal);
                self.sales.remove(deal);
            }
            event => event.crediting().into_iter().for_each(|crediting| self.credited(crediting)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::projection::replay::fold;
    use crate::projection::summary::Summary;
    use crate::projection::testing::Books;

    fn shown(books: &Books) -> Vec<String> {
        let credits = fold::<Credits>(&books.events);
        let rows = credits.rows().into_iter().map(|row| {
            let payee = row.payee.map_or("nobody", PayeeId::as_str);
            let commission = row.commission.show(row.amount.currency());
            let late = if row.late == 0 { String::new() } else { format!(" {} late", row.late) };
            format!("{} {payee} {} {} {commission}{late}", row.deal, row.of.as_str(), row.amount.amount())
        });
        rows.collect()
    }

    /// Who had an override and no credit was left out, so that the sums were not what the sales pay.
    #[test]
    fn whoever_is_paid_on_a_sale_has_a_row() {
        let mut books = Books::with_two_payees();
        books.with_a_team();
        books.with_a_shop();
        let sale = r#"{"amount":"100 USD","model":{"model":"even","version":1}}"#;
        let touch = r#"{"touch":"t1","payee":"bo","type":"demo","at":"2026-01-02T12:00:00Z"}"#;
        let record = format!(
            r#"{{"deal.record_sale":{{"deal":"s-1","sale":{sale},"touches":[{touch}],"completed_at":"2026-01-05T17:00:00Z"}}}}"#
        );
        books.ask("ann", "2026-01-05", &record);
        let collect = r#"{"deal.collect":{"deal":"s-1","payment":"p1","amount":"100 USD","on":"2026-01-06"}}"#;
        books.ask("ann", "2026-01-06", collect);
        assert_eq!(shown(&books), ["s-1 bo part 100.00 20.00", "s-1 el override 0.00 3.00"]);
    }

    #[test]
    fn a_row_is_what_holds_of_a_credit() {
        let mut books = Books::with_two_payees();
        books.with_a_team();
        books.with_a_shop();
        let sale =
            r#"{"amount":"100 USD","model":{"model":"even","version":1},"rates":{"rates":"limited","version":1}}"#;
        let sale = sale.replace(
            "\"rates\":{",
            "\"customer\":\"acme\",\"overlays\":[{\"payee\":\"bo\",\"weight\":\"0.5\"}],\"rates\":{",
        );
        let touch = r#"{"touch":"t1","payee":"amy","type":"demo","at":"2026-01-02T12:00:00Z"}"#;
        let record = format!(
            r#"{{"deal.record_sale":{{"deal":"s-1","sale":{sale},"touches":[{touch}],"completed_at":"2026-01-05T17:00:00Z"}}}}"#
        );
        books.ask("ann", "2026-01-05", &record);
        assert_eq!(shown(&books), ["s-1 amy part 100.00 10.00", "s-1 bo overlay 50.00 0.00"]);
        books.ask(
            "ann",
            "2026-01-06",
            r#"{"deal.collect":{"deal":"s-1","payment":"p1","amount":"50 USD","on":"2026-01-06"}}"#,
        );
        let on_top = "s-1 el override 0.00 0.75";
        assert_eq!(shown(&books), ["s-1 amy part 100.00 10.00", "s-1 bo overlay 50.00 5.00", on_top]);
        let touch = touch.replace("amy", "bo").replace("t1", "t2");
        books.ask("ann", "2026-01-07", &format!(r#"{{"deal.touch":{{"deal":"s-1","touch":{touch}}}}}"#));
        assert_eq!(shown(&books)[0], "s-1 amy part 100.00 10.00 1 late");
        books.ask("ann", "2026-01-07", r#"{"deal.recompute":{"deal":"s-1","reason":"late"}}"#);
        let halves = ["s-1 amy part 50.00 5.00", "s-1 bo part 50.00 5.00", "s-1 bo overlay 50.00 5.00"];
        let halves = [&halves[..], &["s-1 el override 0.00 1.50"]].concat();
        assert_eq!(shown(&books), halves);
        let other = record.replace("s-1", "s-2").replace("2026-01-02T12", "2026-01-12T12");
        books.ask("ann", "2026-01-08", &other);
        assert_eq!(shown(&books)[4], "s-2 nobody unattributed 100.00 0.00");
        books.ask("ann", "2026-01-08", r#"{"deal.reverse":{"deal":"s-1","reason":"refunded"}}"#);
        assert_eq!(shown(&books), ["s-2 nobody unattributed 100.00 0.00"]);
    }

    /// What is neither reversed nor superseded is what payees have of sales, after any history.
    #[test]
    fn parts_are_the_sale_and_histories_have_sales_in_them() {
        let mut types: BTreeMap<String, usize> = BTreeMap::new();
        for seed in 0..24 {
            let books = Books::random(seed, 150);
            for recorded in &books.events {
                *types.entry(crate::codec::encode(&recorded.event).type_name.to_string()).or_default() += 1;
            }
            let credits = fold::<Credits>(&books.events);
            let mut parts: BTreeMap<&DealId, i64> = BTreeMap::new();
            let rows = credits.rows();
            for row in rows.iter().filter(|row| row.of != Of::Overlay) {
                *parts.entry(row.deal).or_insert(row.worth.minor()) -= row.amount.minor();
            }
            assert!(parts.values().all(|rest| *rest == 0), "seed {seed}: {parts:?}");
            let shown: Sum = rows.iter().map(|row| row.commission).sum();
            let entries = credits.sales.sorted().into_iter().flat_map(|(_, credited)| &credited.entries);
            let paid: Sum = entries.map(|earned| Sum::from(earned.amount)).sum();
            assert_eq!(shown, paid, "seed {seed}");
        }
        for name in [
            "deal.credited",
            "deal.recredited",
            "deal.collected",
            "spend.counted",
            "spend.reversed",
            "customer.earned",
            "customer.forgotten",
        ] {
            assert!(types.contains_key(name), "{name}: {types:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_law_of_the_log_is_broken_by_any_history(seed: u64) {
            let books = Books::random(seed, 150);
            let mut laws = crate::reconcile::log::Laws::default();
            books.events.iter().for_each(|recorded| laws.apply(recorded));
            let report = laws.finish();
            prop_assert!(report.is_clean(), "{:#?}", report.differences());
            prop_assert!(!fold::<Summary>(&books.events).balances().is_empty());
        }
    }
}
