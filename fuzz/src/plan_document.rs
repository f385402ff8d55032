use ledger_core::commission::{self, Breakdown, Rejection, fee_parts};
use ledger_core::plan::{CappedSplit, Crossing, Document, FeeOnCrossing, Split};
use ledger_core::rate::{Rate, Rounding};
use ledger_core::{Money, plan};
use num_bigint::BigInt;
use num_integer::Integer;
use serde_json::{Value, json};

use crate::tape::Tape;

/// A plan document is written out in full and read back as the same plan with the same hash; a deal under a valid one is split
/// to the last unit, as on paper, with no more counted than there was room for.
///
/// Input: the document's JSON, a zero byte, then numbers; see [`Tape::number`].
pub fn plan_document(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let Ok(document) = serde_json::from_slice::<Document>(&bytes[..end]) else { return };
    written_out(&document);
    if document.validate().is_err() {
        return;
    }
    let mut tape = Tape::new(bytes.get(end + 1..).unwrap_or_default());
    let amount = |minor: i64| Money::new(minor.max(-i64::MAX), document.currency).unwrap();
    let (base, room) = (amount(tape.i64()), amount(tape.i64()));
    let weights: [u64; 3] = std::array::from_fn(|_| tape.u64());
    let fee = match fee_parts(&document, &weights) {
        Ok(parts) => parts.map(|parts| parts[0]),
        Err(_) => return assert_eq!(weights, [0; 3], "somebody can be charged"),
    };
    if let Some(fee) = fee {
        let Split::Capped(CappedSplit { post_cap_fee: Some(whole), .. }) = &document.split else {
            panic!("no fee is asked")
        };
        assert!(!fee.is_negative() && fee.minor() <= whole.minor());
    }
    let deal = Deal { document: &document, base, room, fee: fee.unwrap_or(amount(0)) };
    deal.judge(commission::split(&document, base, Some(room), fee));
}

fn written_out(document: &Document) {
    let text = serde_json::to_string(document).unwrap();
    let again: Document = serde_json::from_str(&text).unwrap();
    assert_eq!((&again, again.hash()), (document, document.hash()));
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(value.get("rounding").is_some(), "{text}");
    if let Split::Capped(_) = document.split {
        for policy in ["post_cap", "crossing", "fee_on_crossing"] {
            assert!(value["split"]["capped"].get(policy).is_some(), "{policy} is not said: {text}");
        }
    }
    // What is asked leaves out what is at its default, and means the same.
    let asked = plan::Command::Publish { plan: "p".parse().unwrap(), document: document.clone() };
    let asked = serde_json::to_value(&asked).unwrap();
    assert_eq!(
        serde_json::from_value::<plan::Command>(asked.clone()).unwrap(),
        plan::Command::Publish { plan: "p".parse().unwrap(), document: document.clone() }
    );
    let left_out = asked["publish"]["document"].get("rounding").is_none();
    assert_eq!(left_out, document.rounding == Rounding::HalfAwayFromZero, "{asked}");
    let mut more = value;
    more["zz_unknown"] = json!(1);
    assert!(serde_json::from_value::<Document>(more).is_err(), "an unknown policy is read past");
}

struct Deal<'a> {
    document: &'a Document,
    base: Money,
    room: Money,
    fee: Money,
}

impl Deal<'_> {
    fn judge(&self, result: Result<Breakdown, Rejection>) {
        let base = self.base.minor();
        if base < 0 {
            return assert_eq!(result, Err(Rejection::NegativeBase { base: self.base }));
        }
        let [counted, uncounted, fee] = self.on_paper();
        let share = base - counted - uncounted;
        let breakdown = match result {
            Err(Rejection::FeeExceedsShare { fee: refused, share: left }) => {
                assert_eq!((refused.minor(), left.minor()), (fee, share));
                return assert!(fee > share, "the fee can be paid");
            }
            other => other.expect("shares of an amount fit"),
        };
        let Breakdown { base: stated, company_dollar, post_cap_company, post_cap_fee, payee_net } = breakdown;
        let parts = [company_dollar, post_cap_company, post_cap_fee, payee_net];
        assert_eq!(stated, self.base);
        assert!(
            parts.iter().all(|part| part.currency() == self.base.currency() && !part.is_negative()),
            "{breakdown:?}"
        );
        assert_eq!(parts.iter().map(|part| i128::from(part.minor())).sum::<i128>(), base.into(), "{breakdown:?}");
        assert_eq!(parts.map(Money::minor), [counted, uncounted, fee, share - fee], "{breakdown:?}");
        if let Split::Capped(capped) = &self.document.split
            && capped.crossing == Crossing::SplitWithinDeal
        {
            assert!(company_dollar.minor() <= self.room.minor().max(0), "more counts than there was room for");
        }
    }

    /// What the company gets that counts, what it gets that does not, and the fee.
    fn on_paper(&self) -> [i64; 3] {
        let (base, room) = (self.base.minor(), self.room.minor());
        let part = |rate: Rate| self.rounded(&(BigInt::from(base) * rate.mantissa()), &Rate::SCALE.into());
        let capped = match &self.document.split {
            Split::Flat(shares) => return [part(shares.company), 0, 0],
            Split::Capped(capped) => capped,
        };
        let (pre, post) = (capped.pre_cap.company, capped.post_cap.company);
        let uncapped = part(pre);
        if room <= 0 {
            [0, part(post), self.fee.minor()]
        } else if uncapped <= room || capped.crossing == Crossing::WholeDealPreCap {
            [uncapped, 0, 0]
        } else {
            // Of the base, room / pre was needed to reach the cap; the company has its other share of the rest.
            let (scale, base, room) = (BigInt::from(Rate::SCALE), BigInt::from(base), BigInt::from(room));
            let rest = (base * pre.mantissa() - &room * &scale) * post.mantissa();
            let beyond = self.rounded(&rest, &(BigInt::from(pre.mantissa()) * scale));
            let fee = if capped.fee_on_crossing == FeeOnCrossing::Yes { self.fee.minor() } else { 0 };
            [self.room.minor(), beyond, fee]
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
