//! What a ledger should do, once more and naively: amounts are whole cents, rates are ten-thousandths, and every rule is
//! written down from the terms of the plans, with arithmetic of its own.

use std::collections::{BTreeMap, BTreeSet};

/// The shares in ten-thousandths; a cap with its rules, or none.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub company: i128,
    pub cap: Option<Cap>,
}

#[derive(Debug, Clone, Copy)]
pub struct Cap {
    pub limit: i128,
    pub post_company: i128,
    pub fee: i128,
    pub whole_deal: bool,
    pub fee_on_crossing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Payable,
    Claimed(usize),
    Paid,
    Reversed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Draft,
    Pending,
    Approved,
    Processing,
    Paid,
    Failed,
    Rejected,
    Voided,
}

#[derive(Debug, Clone)]
pub struct Payout {
    pub payee: usize,
    pub maker: String,
    pub amount: i128,
    pub stage: Stage,
    pub attempt: u32,
    /// Whether its amount was set by hand.
    pub manual: bool,
    /// The attempt that paid it.
    pub paid_by: Option<u32>,
    /// The attempts of which late news came, and whether it is open.
    pub late: BTreeMap<u32, bool>,
}

impl Payout {
    fn draft(payee: usize, maker: &str, amount: i128, manual: bool) -> Self {
        let late = BTreeMap::new();
        Self { payee, maker: maker.into(), amount, stage: Stage::Draft, attempt: 0, manual, paid_by: None, late }
    }

    pub fn has_open_news(&self) -> bool {
        self.late.values().any(|open| *open)
    }

    /// Whether paid news of that attempt is late: it was made, it is over, and nobody said so before.
    fn comes_late(&self, attempt: u32) -> bool {
        let over = attempt < self.attempt || (attempt == self.attempt && self.stage != Stage::Processing);
        attempt > 0 && over && self.paid_by != Some(attempt) && !self.late.contains_key(&attempt)
    }
}

#[derive(Debug, Clone)]
pub struct Booked {
    pub payee: usize,
    pub amount: i128,
    pub day: (i32, u32),
    pub state: Entry,
}

#[derive(Debug, Clone)]
pub struct Deal {
    pub year: i32,
    pub contributed: Vec<(usize, i128)>,
    pub entries: Vec<usize>,
    pub reversed: bool,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub terms: Vec<Terms>,
    pub contributed: BTreeMap<(usize, i32), i128>,
    pub opened: BTreeSet<(usize, i32)>,
    pub entries: Vec<Booked>,
    pub deals: Vec<Deal>,
    pub payouts: Vec<Payout>,
    pub references: BTreeMap<u32, usize>,
}

/// `numerator / denominator` to the nearest whole, halves away from zero; nothing here is negative.
fn round(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    if rest * 2 >= denominator { whole + 1 } else { whole }
}

/// Shares an amount by weights: everybody the whole cents of its share, then a cent each to the largest rests.
pub fn share(amount: i128, weights: &[i128]) -> Vec<i128> {
    let sum: i128 = weights.iter().sum();
    let mut parts: Vec<_> = weights.iter().map(|weight| amount * weight / sum).collect();
    for _ in 0..amount - parts.iter().sum::<i128>() {
        // Whoever is furthest below its exact share, the first of them.
        let lacks = |place: usize| amount * weights[place] - parts[place] * sum;
        let neediest = (1..weights.len()).fold(0, |best, next| if lacks(next) > lacks(best) { next } else { best });
        parts[neediest] += 1;
    }
    parts
}

impl Terms {
    /// Company dollar that counts and the payee's net, if the deal is possible. `fee` is the payee's part of the deal's fee.
    fn split(&self, base: i128, room: i128, fee: i128) -> Option<(i128, i128)> {
        let of = |rate: i128| round(base * rate, 10_000);
        let (counted, uncounted) = match self.cap {
            None => (of(self.company), 0),
            Some(cap) if room <= 0 => (0, of(cap.post_company) + fee),
            Some(cap) if cap.whole_deal || of(self.company) <= room => (of(self.company), 0),
            Some(cap) => {
                // What is left of the base, in parts of company * 10,000, so that it stays exact.
                let left = base * self.company - room * 10_000;
                let beyond = round(left * cap.post_company, self.company * 10_000);
                (room, beyond + if cap.fee_on_crossing { fee } else { 0 })
            }
        };
        let net = base - counted - uncounted;
        (net >= 0).then_some((counted, net))
    }
}

impl Model {
    pub fn new(terms: Vec<Terms>) -> Self {
        Self {
            terms,
            contributed: BTreeMap::new(),
            opened: BTreeSet::new(),
            entries: vec![],
            deals: vec![],
            payouts: vec![],
            references: BTreeMap::new(),
        }
    }

    pub fn room(&self, payee: usize, year: i32) -> i128 {
        let limit = self.terms[payee].cap.map_or(0, |cap| cap.limit);
        (limit - self.contributed.get(&(payee, year)).copied().unwrap_or(0)).max(0)
    }

    pub fn payable(&self, payee: usize) -> i128 {
        let payable = self.entries.iter().filter(|entry| entry.payee == payee && entry.state == Entry::Payable);
        payable.map(|entry| entry.amount).sum()
    }

    pub fn opening(&mut self, payee: usize, year: i32, amount: i128) -> bool {
        let possible = self.terms[payee].cap.is_some()
            && !self.opened.contains(&(payee, year))
            && amount > 0
            && amount <= self.room(payee, year);
        if possible {
            self.opened.insert((payee, year));
            *self.contributed.entry((payee, year)).or_default() += amount;
        }
        possible
    }

    /// Records a deal of some payees with weights.
    pub fn deal(&mut self, payees: &[usize], weights: &[i128], gci: i128, day: (i32, u32)) -> bool {
        let bases = share(gci, weights);
        let splits: Option<Vec<_>> = payees
            .iter()
            .zip(&bases)
            .enumerate()
            .map(|(place, (payee, base))| {
                let terms = self.terms[*payee];
                let fee = terms.cap.map_or(0, |cap| share(cap.fee, weights)[place]);
                terms.split(*base, self.room(*payee, day.0), fee)
            })
            .collect();
        let Some(splits) = splits else { return false };
        let mut deal = Deal { year: day.0, contributed: vec![], entries: vec![], reversed: false };
        for (&payee, (counted, net)) in payees.iter().zip(splits) {
            if self.terms[payee].cap.is_some() && counted > 0 {
                *self.contributed.entry((payee, day.0)).or_default() += counted;
                deal.contributed.push((payee, counted));
            }
            if net > 0 {
                deal.entries.push(self.entries.len());
                self.entries.push(Booked { payee, amount: net, day, state: Entry::Payable });
            }
        }
        self.deals.push(deal);
        true
    }

    pub fn reverse(&mut self, deal: usize, today: (i32, u32)) -> bool {
        let Some(known) = self.deals.get(deal).cloned() else { return false };
        let claimed = known.entries.iter().any(|entry| matches!(self.entries[*entry].state, Entry::Claimed(_)));
        if known.reversed || claimed {
            return false;
        }
        for (payee, amount) in known.contributed {
            *self.contributed.get_mut(&(payee, known.year)).unwrap() -= amount;
        }
        for entry in known.entries {
            let Booked { payee, amount, state, .. } = self.entries[entry].clone();
            if state == Entry::Payable {
                self.entries[entry].state = Entry::Reversed;
            } else {
                let clawback = Booked { payee, amount: -amount, day: today, state: Entry::Payable };
                self.entries.push(clawback);
            }
        }
        self.deals[deal].reversed = true;
        true
    }

    pub fn create(&mut self, payee: usize, maker: &str, through: Option<(i32, u32)>) -> bool {
        let due = |entry: &Booked| entry.amount < 0 || through.is_none_or(|through| entry.day <= through);
        let place = self.payouts.len();
        let claimed = |entry: &&mut Booked| entry.payee == payee && entry.state == Entry::Payable && due(entry);
        let amount: i128 = self.entries.iter_mut().filter(claimed).map(|entry| entry.amount).sum();
        if amount <= 0 {
            return false;
        }
        self.entries.iter_mut().filter(claimed).for_each(|entry| entry.state = Entry::Claimed(place));
        self.payouts.push(Payout::draft(payee, maker, amount, false));
        true
    }

    pub fn create_manual(&mut self, payee: usize, maker: &str, amount: i128, today: (i32, u32)) -> bool {
        if amount <= 0 {
            return false;
        }
        let state = Entry::Claimed(self.payouts.len());
        self.entries.push(Booked { payee, amount, day: today, state });
        self.payouts.push(Payout::draft(payee, maker, amount, true));
        true
    }

    fn settle_entries(&mut self, payout: usize, state: Entry) {
        let claimed = self.entries.iter_mut().filter(|entry| entry.state == Entry::Claimed(payout));
        claimed.for_each(|entry| entry.state = state);
    }

    fn other(&self, payout: usize, actor: &str) -> bool {
        let payout = &self.payouts[payout];
        actor != payout.maker && actor != format!("p{}", payout.payee)
    }

    pub fn can_approve(&self, payout: usize, actor: &str) -> bool {
        self.payouts.get(payout).is_some_and(|known| known.stage == Stage::Pending) && self.other(payout, actor)
    }

    /// Moves a payout: what is asked, by whom; for rail news with the attempt and whether the amount is right.
    pub fn moves(
        &mut self,
        payout: usize,
        verb: &str,
        actor: &str,
        attempt: u32,
        right_amount: bool,
        reference: u32,
    ) -> bool {
        let Some(known) = self.payouts.get(payout).cloned() else { return false };
        let (is_maker, other) = (actor == known.maker, self.other(payout, actor));
        let is_open = known.late.get(&attempt) == Some(&true);
        let to = match (verb, known.stage) {
            ("start" | "void", _) if known.has_open_news() => return false,
            ("settle", stage) if right_amount && known.comes_late(attempt) => {
                self.payouts[payout].late.insert(attempt, true);
                stage
            }
            ("dismiss", stage) if is_open && other => {
                self.payouts[payout].late.insert(attempt, false);
                stage
            }
            ("accept", Stage::Failed) if is_open && other => {
                self.payouts[payout].late.insert(attempt, false);
                Stage::Paid
            }
            ("submit", Stage::Draft) if is_maker => Stage::Pending,
            ("approve", Stage::Pending) if other => Stage::Approved,
            ("reject", Stage::Pending) if other => Stage::Rejected,
            ("start", Stage::Approved | Stage::Failed) => Stage::Processing,
            ("settle", Stage::Processing) if attempt == known.attempt && right_amount => Stage::Paid,
            ("fail", Stage::Processing) if attempt == known.attempt => Stage::Failed,
            ("record_manual_payment", Stage::Approved) if !self.references.contains_key(&reference) => Stage::Paid,
            ("void", Stage::Draft | Stage::Pending) if is_maker => Stage::Voided,
            ("void", Stage::Approved | Stage::Failed) if other => Stage::Voided,
            _ => return false,
        };
        if to == known.stage {
            return true;
        }
        match to {
            Stage::Paid => {
                self.settle_entries(payout, Entry::Paid);
                self.payouts[payout].paid_by = (verb != "record_manual_payment").then_some(attempt);
            }
            Stage::Rejected | Stage::Voided if known.manual => self.settle_entries(payout, Entry::Reversed),
            Stage::Rejected | Stage::Voided => self.settle_entries(payout, Entry::Payable),
            Stage::Processing => self.payouts[payout].attempt += 1,
            _ => {}
        }
        if verb == "record_manual_payment" {
            self.references.insert(reference, payout);
        }
        self.payouts[payout].stage = to;
        true
    }
}

#[test]
fn the_model_shares_and_splits_as_on_paper() {
    assert_eq!(share(10_000, &[1, 1, 1]), [3_334, 3_333, 3_333]);
    assert_eq!(share(5, &[50, 30, 20]), [3, 1, 1]);
    let cap = Cap { limit: 1_500_000, post_company: 0, fee: 25_000, whole_deal: false, fee_on_crossing: false };
    let terms = Terms { company: 3_000, cap: Some(cap) };
    assert_eq!(terms.split(3_000_000, 680_000, 25_000), Some((680_000, 2_320_000)));
    assert_eq!(terms.split(1_000_000, 0, 25_000), Some((0, 975_000)));
    assert_eq!(terms.split(24_999, 0, 25_000), None);
}
