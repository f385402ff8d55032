use ledger_core::allocation::allocate;
use ledger_core::id::PayeeId;
use ledger_core::rate::{Rate, Rounding};
use ledger_core::waterfall::{
    Account, Attained, Books, Calculation, CapOf, Capped, Crossing, Deficit, Document, FeeAmount, FeeOnCrossing, FeeTo,
    Gci, Kind, Line, Member, Owner, Party, Plan, Proration, ReferralIn, Rejection, Rule, Sharer, Shares, Side,
    SideKind, Split, Timing, calculate,
};
use ledger_core::{Currency, Money, plan};
use num_bigint::BigInt;
use num_integer::Integer;
use serde_json::{Value, json};

use crate::tape::Tape;

/// A plan document is written out in full and read back as the same plan with the same hash; a deal of three payees under a valid
/// one comes to lines that are the whole of it, with no more counted than there was room for. Under a flat split with at most one
/// cap the lines are what they are on paper, to the last unit.
///
/// Input: the document's JSON, a zero byte, then numbers: the commission, what each payee has contributed, and weights; see
/// [`Tape::number`].
pub fn plan_document(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let Ok(document) = serde_json::from_slice::<Document>(&bytes[..end]) else { return };
    written_out(&document);
    let id = "p".parse().unwrap();
    let Ok(plan) = Plan::new(&id, &document) else { return };
    let mut tape = Tape::new(bytes.get(end + 1..).unwrap_or_default());
    let amount = |minor: i64| Money::new(minor.max(-i64::MAX), document.currency).unwrap();
    let (gci, contributed) = (amount(tape.i64()), amount(tape.i64() & i64::MAX));
    let payees: [PayeeId; 3] = ["a", "b", "c"].map(|payee| payee.parse().unwrap());
    let weights = weights(&mut tape);
    let sharers = payees.iter().zip(weights).map(|(payee, weight)| {
        let whole = Rate::SCALE.unsigned_abs();
        let weight = Rate::parse(&format!("{}.{:012}", weight / whole, weight % whole)).unwrap();
        Sharer { payee: payee.clone(), weight: Some(weight), mentor: None }
    });
    let side = Side {
        side: SideKind::Sole,
        gci: Gci::Amount(gci),
        referral_in: None,
        units: 1,
        off_top: Vec::new(),
        payees: sharers.collect(),
        adjustments: Vec::new(),
    };
    let (joined_on, day) = (Some("2024-02-29".parse().unwrap()), "2026-02-28".parse().unwrap());
    let members = [0, 1, 2].map(|place| Member { payee: &payees[place], plan, joined_on, day });
    let sides = [side];
    let result = calculate(&sides, &members, &Before { contributed });
    let deal = Deal { document: &document, gci, contributed, weights };
    match &result {
        Ok(calculation) => deal.holds(calculation),
        Err(rejection) => deal.may_be_refused(rejection),
    }
    if let Some((shares, capped)) = simple(&document).filter(|_| !gci.is_negative()) {
        deal.is_as_on_paper(shares, capped, result);
    }
}

/// Three parts of a whole, none of them nothing.
fn weights(tape: &mut Tape<'_>) -> [u64; 3] {
    let whole = Rate::SCALE.unsigned_abs();
    let first = 1 + tape.u64() % (whole - 2);
    let second = 1 + tape.u64() % (whole - first - 1);
    [first, second, whole - first - second]
}

/// What every payee has contributed to every cap of its own.
struct Before {
    contributed: Money,
}

impl Books for Before {
    fn contributed(&self, account: &Account) -> Option<Money> {
        matches!(account.of, Owner::Payee(_)).then_some(self.contributed)
    }

    fn attained(&self, _: &Account) -> Option<Attained> {
        None
    }
}

fn written_out(document: &Document) {
    let text = serde_json::to_string(document).unwrap();
    let again: Document = serde_json::from_str(&text).unwrap();
    assert_eq!((&again, again.hash()), (document, document.hash()));
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    let value: Value = serde_json::from_str(&text).unwrap();
    let policies = ["rounding", "zone", "order", "referral_in", "fees", "bonuses", "overrides", "deficit"];
    for policy in policies {
        assert!(value.get(policy).is_some(), "{policy} is not said: {text}");
    }
    if document.cap.is_some() {
        for policy in ["post_cap", "crossing", "fee_on_crossing"] {
            assert!(value["cap"].get(policy).is_some(), "{policy} is not said: {text}");
        }
    }
    // What is asked leaves out what is at its default, and means the same.
    let publish = plan::Command::Publish { plan: "p".parse().unwrap(), document: Box::new(document.clone()) };
    let asked = serde_json::to_value(&publish).unwrap();
    assert_eq!(serde_json::from_value::<plan::Command>(asked.clone()).unwrap(), publish);
    let plainest: Document = serde_json::from_value(json!({"currency": "USD", "split": value["split"]})).unwrap();
    let plainest = serde_json::to_value(&plainest).unwrap();
    for policy in policies {
        let left_out = asked["publish"]["document"].get(policy).is_none();
        assert_eq!(left_out, value[policy] == plainest[policy], "{policy} of {asked}");
    }
    let mut more = value;
    more["zz_unknown"] = json!(1);
    assert!(serde_json::from_value::<Document>(more).is_err(), "an unknown policy is read past");
}

/// The shares and the cap of a document that says nothing else but flat fees after the cap.
fn simple(document: &Document) -> Option<(Shares, Option<&Capped>)> {
    let Split::Flat(shares) = document.split else { return None };
    let plain_caps = document.cap.as_ref().is_none_or(|capped| {
        matches!(capped.caps.as_slice(), [cap] if cap.of == CapOf::Payee && cap.portion == Rate::ONE && cap.proration == Proration::None)
    });
    let plain_fees = document.fees.iter().all(|fee| {
        let flat = matches!(fee.amount, FeeAmount::Flat(_));
        flat && fee.timing == Timing::PostCap && fee.to == FeeTo::Company && fee.sub_cap.is_none()
    });
    let nothing_else = document.royalty.is_none() && document.mentee.is_none() && document.attainment.is_none();
    let nothing_else = nothing_else && document.bonuses.is_empty() && document.overrides.is_empty();
    let plain = plain_caps && plain_fees && nothing_else && document.referral_in == ReferralIn::Company;
    plain.then_some((shares, document.cap.as_ref()))
}

struct Deal<'a> {
    document: &'a Document,
    gci: Money,
    contributed: Money,
    weights: [u64; 3],
}

impl Deal<'_> {
    fn currency(&self) -> Currency {
        self.document.currency
    }

    /// What holds whatever the document says.
    fn holds(&self, calculation: &Calculation<'_>) {
        assert!(!self.gci.is_negative(), "a commission below zero is calculated");
        let lines = &calculation.sides[0].lines;
        let sum: i128 = lines.iter().map(|line| i128::from(line.amount.minor())).sum();
        assert_eq!(sum, self.gci.minor().into(), "the lines are the whole");
        assert!(lines.iter().all(|line| line.amount.currency() == self.currency()));
        let within = self.document.cap.as_ref().is_none_or(|capped| capped.crossing == Crossing::SplitWithinDeal);
        for cap in &calculation.contributions {
            let most = cap.limit.minor().max(cap.before.minor());
            assert!(!within || cap.after.minor() <= most, "more counts than there was room for: {cap:?}");
            assert!(cap.after.minor() >= cap.before.minor(), "a deal takes room back: {cap:?}");
        }
    }

    fn may_be_refused(&self, Rejection { at, rule }: &Rejection) {
        let may_be = match rule {
            Rule::Negative { .. } => self.gci.is_negative(),
            Rule::Deficit { .. } => self.document.deficit == Deficit::Refuse,
            Rule::BeforeFirstYear(_) | Rule::Year(_) | Rule::Overflow => true,
            _ => false,
        };
        assert!(may_be, "{at}: {rule}");
    }

    fn is_as_on_paper(&self, shares: Shares, capped: Option<&Capped>, result: Result<Calculation<'_>, Rejection>) {
        let parts = allocate(self.gci, &self.weights).unwrap();
        let mut owes = false;
        let mut expected = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let (company, beyond, owes_fees) = self.on_paper(shares, capped, part.minor());
            let share = part.minor() - company - beyond;
            let fees = self.document.fees.iter().filter(|_| owes_fees).map(|fee| {
                let FeeAmount::Flat(flat) = fee.amount else { panic!("not a flat fee") };
                allocate(flat, &self.weights).unwrap()[place].minor()
            });
            let fees: Vec<i64> = fees.collect();
            owes |= fees.iter().copied().map(i128::from).sum::<i128>() > share.into();
            expected.push((company, beyond, share, fees));
        }
        let refuses = self.document.deficit == Deficit::Refuse;
        let calculation = match result {
            Ok(calculation) => calculation,
            Err(Rejection { rule: Rule::Deficit { .. }, .. }) => return assert!(owes, "the fees can be paid"),
            // Exact values on the way have at most twice the twelve decimals of a rate.
            Err(Rejection { rule: Rule::Overflow, .. }) => {
                let large = self.gci.minor().max(self.contributed.minor()) > 100_000_000_000_000;
                return assert!(large, "{} on {} does not fit", self.gci, self.contributed);
            }
            Err(_) => return,
        };
        assert!(!(owes && refuses), "the fees cannot be paid");
        for (payee, (company, beyond, share, fees)) in ["a", "b", "c"].into_iter().zip(expected) {
            let of = |kind: Kind, company: bool| -> Vec<i64> {
                let of_payee = |line: &&Line<'_>| line.of.is_some_and(|of| of.as_str() == payee);
                let lines = calculation.sides[0].lines.iter().filter(of_payee).filter(|line| line.kind == kind);
                lines.filter(|line| (line.party == Party::Company) == company).map(|line| line.amount.minor()).collect()
            };
            let found = (of(Kind::CompanyDollar, true), of(Kind::PostCapCompany, true), of(Kind::Share, false));
            let beyond: Vec<i64> = [beyond].into_iter().filter(|beyond| *beyond != 0).collect();
            assert_eq!(found, (vec![company], beyond, vec![share]), "of {payee}");
            let fees: Vec<i64> = fees.into_iter().filter(|fee| *fee != 0).collect();
            assert_eq!(of(Kind::Fee, true), fees, "the fees of {payee}");
        }
    }

    /// What the company gets that counts, what it gets that does not, and whether the fees after the cap are due.
    fn on_paper(&self, shares: Shares, capped: Option<&Capped>, base: i64) -> (i64, i64, bool) {
        let part = |rate: Rate| self.rounded(&(BigInt::from(base) * rate.mantissa()), &Rate::SCALE.into());
        let uncapped = part(shares.company);
        let Some(capped) = capped else { return (uncapped, 0, false) };
        let room = i128::from(capped.caps[0].limit.minor()) - i128::from(self.contributed.minor());
        let (pre, post) = (shares.company, capped.post_cap.company);
        if room <= 0 {
            (0, part(post), true)
        } else if i128::from(uncapped) <= room || capped.crossing == Crossing::WholeDealPreCap {
            (uncapped, 0, false)
        } else {
            // Of the base, room / pre was needed to reach the cap; the company has its other share of the rest.
            let (scale, base) = (BigInt::from(Rate::SCALE), BigInt::from(base));
            let rest = (base * pre.mantissa() - BigInt::from(room) * &scale) * post.mantissa();
            let beyond = self.rounded(&rest, &(BigInt::from(pre.mantissa()) * scale));
            (i64::try_from(room).unwrap(), beyond, capped.fee_on_crossing == FeeOnCrossing::Yes)
        }
    }

    fn rounded(&self, dividend: &BigInt, divisor: &BigInt) -> i64 {
        let (whole, rest) = dividend.div_mod_floor(divisor);
        let up = match (rest * 2_u8).cmp(divisor) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => match self.document.rounding {
                Rounding::HalfAwayFromZero => *dividend > BigInt::ZERO,
                Rounding::HalfEven => whole.is_odd(),
            },
        };
        i64::try_from(whole + i32::from(up)).expect("a share of an amount fits")
    }
}
