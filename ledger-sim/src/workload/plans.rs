//! Plan documents: valid ones in every combination of their policies, and versions that change them in mid-year.

use super::words;
use crate::act::{Amount, CURRENCIES, CapYear, Code, Document, Part, WHOLE};
use crate::choice::Choices;
use crate::document::{
    Attainment, Basis, Bonus, Cap, CapTerms, Charge, Crossing, Deficit, Fee, FeeOnCrossing, FeeTo, Holder, LeapDay,
    Limit, Mentee, Mode, Of, Often, Override, Per, Proration, ReferralIn, Rounding, Royalty, Shares, Split, SubCap,
    Threshold, Tier, Tiered, Tiers, Timing, When,
};
use crate::swarm::{Habit, Swarm};

/// The payee's parts, in billionths: usual ones, all, nothing, and such as leave a rest.
const PARTS: [u64; 10] =
    [700_000_000, 500_000_000, 800_000_000, 950_000_000, 666_666_667, 333_333_333, 999_999_999, WHOLE, 1, 0];
/// Small rates, in billionths.
const RATES: [u64; 7] = [50_000_000, 60_000_000, 100_000_000, 25_000_000, 5_000_000, 333_333_333, 0];
const ZONES: [&str; 4] = ["America/New_York", "Pacific/Kiritimati", "Asia/Kolkata", "UTC"];
const NEW_YEAR: CapYear = CapYear::Calendar { month: 1, day: 1 };

/// What draws the plans of a ledger.
struct Plans<'a> {
    choices: &'a mut Choices,
    swarm: &'a Swarm,
}

/// A new document, of programmes of its own.
pub fn draw(choices: &mut Choices, swarm: &Swarm, foreign: bool, number: usize) -> Document {
    let other = foreign && choices.maybe(250);
    let currency = if other { choices.one_of(&CURRENCIES).copied().unwrap_or(swarm.base) } else { swarm.base };
    let mut plans = Plans { choices, swarm };
    let mut document = Document::flat(currency, plans.shares());
    if plans.choices.work(6) > 0 {
        let cap = Cap::own(&format!("c{number}"), plans.limit(currency), plans.year());
        document.cap = Some(CapTerms::of(vec![cap]));
        plans.post_cap(&mut document);
        if plans.choices.maybe(500) {
            let amount = plans.small(currency);
            document.fees.push(plans.fee("post-cap", Timing::PostCap, Charge::Flat(amount)));
        }
    }
    if plans.choices.maybe(300) {
        document.rounding = Rounding::HalfEven;
    }
    if swarm.has(Habit::Terms) {
        plans.elaborate(&mut document, number);
    }
    document
}

/// The next version of a document: what counts to its programmes stays what it is, so their accounts go on.
pub(super) fn revise(choices: &mut Choices, swarm: &Swarm, before: &Document) -> Document {
    let mut document = before.clone();
    let currency = document.currency;
    let mut plans = Plans { choices, swarm };
    match plans.choices.work(13) {
        1 => plans.change_limit(&mut document),
        2 | 3 => plans.post_cap(&mut document),
        4 | 5 if !document.fees.is_empty() => {
            let charge = plans.charge(currency);
            if let Some(fee) = document.fees.last_mut() {
                fee.amount = charge;
            }
        }
        6 => {
            let attained = document.attainment.is_some();
            plans.tiers(&mut document, attained);
        }
        7 => {
            let attained = document.attainment.is_some();
            plans.bonuses(&mut document, attained);
        }
        8 => plans.overrides(&mut document),
        9 => document.deficit = Deficit::Receivable,
        10 => document.referral_in = ReferralIn::Shared,
        11 if document.cap.is_some() => plans.change_limit(&mut document),
        // From then on it shares no side with those that keep it.
        12 if document.royalty.is_some() => document.royalty = None,
        _ => match &mut document.split {
            Split::Flat(shares) => *shares = plans.shares(),
            Split::Tiered(tiered) => tiered.minimum = plans.choices.maybe(500).then(|| plans.small(currency)),
        },
    }
    if plans.choices.maybe(200) {
        document.rounding =
            if document.rounding == Rounding::HalfEven { Rounding::HalfAwayFromZero } else { Rounding::HalfEven };
    }
    // Some forget that a pool stays what it is, and find out.
    if !has_pool(before) || !plans.choices.maybe(300) {
        keep_pools(&mut document, before);
    } else if document.cap == before.cap {
        plans.change_limit(&mut document);
    }
    document
}

fn has_pool(document: &Document) -> bool {
    document.cap.iter().flat_map(|terms| &terms.caps).any(|cap| cap.of != Holder::Payee)
}

/// Says of every pool what was said before.
fn keep_pools(document: &mut Document, before: &Document) {
    let (Some(terms), Some(known)) = (&mut document.cap, &before.cap) else { return };
    let crossing = known.crossing;
    let pools = terms.caps.iter_mut().zip(&known.caps).filter(|(cap, _)| cap.of != Holder::Payee);
    for (cap, known) in pools {
        cap.limit = known.limit;
        (terms.crossing, document.rounding) = (crossing, before.rounding);
    }
}

impl Plans<'_> {
    fn one<T: Copy>(&mut self, of: &[T], default: T) -> T {
        self.choices.one_of(of).copied().unwrap_or(default)
    }

    fn shares(&mut self) -> Shares {
        let usual = PARTS.get(..4).unwrap_or_default();
        let parts = if self.choices.maybe(150) { &PARTS } else { usual };
        Shares::of_payee(self.one(parts, WHOLE))
    }

    fn rate(&mut self) -> Part {
        Part(self.one(&RATES, 0))
    }

    fn limit(&mut self, currency: Code) -> Amount {
        let whole = 10_i128.pow(currency.1);
        let units = match self.choices.work(10) {
            0..=3 => 15_000 * whole,
            4 | 5 => (1 + i128::from(self.choices.work(40))) * 500 * whole + i128::from(self.choices.work(100)),
            6 => i128::from(1 + self.choices.work(100)),
            7 => 1,
            8 => 0,
            _ => i128::from(i64::MAX) - i128::from(self.choices.work(2)),
        };
        Amount(units, currency)
    }

    fn year(&mut self) -> CapYear {
        match self.choices.work(10) {
            0 | 1 => NEW_YEAR,
            2 => CapYear::Calendar { month: 2, day: 29 },
            3 => CapYear::Calendar { month: 12, day: 31 },
            4 => CapYear::Calendar { month: 1 + self.choices.work(12), day: 1 + self.choices.work(28) },
            5 | 6 => CapYear::Anniversary { leap_day: LeapDay::Clamp },
            7 => CapYear::Anniversary { leap_day: LeapDay::March1 },
            8 if self.swarm.has(Habit::Terms) => CapYear::FirstOfJoinMonth {},
            9 if self.swarm.has(Habit::Terms) => CapYear::FirstOfNextMonth {},
            _ => NEW_YEAR,
        }
    }

    fn post_cap(&mut self, document: &mut Document) {
        let Some(cap) = &mut document.cap else { return };
        if self.choices.maybe(300) {
            cap.post_cap = self.shares();
        }
        if self.choices.maybe(250) {
            cap.crossing = Crossing::WholeDealPreCap;
        }
        if self.choices.maybe(300) {
            cap.fee_on_crossing = FeeOnCrossing::Yes;
        }
    }

    fn small(&mut self, currency: Code) -> Amount {
        let units = match self.choices.work(4) {
            0 => 25 * 10_i128.pow(currency.1),
            1 => i128::from(1 + self.choices.work(30)),
            2 => 1,
            _ => 0,
        };
        Amount(units, currency)
    }

    fn charge(&mut self, currency: Code) -> Charge {
        match self.choices.work(3) {
            0 => Charge::Flat(self.small(currency)),
            1 => Charge::Rate(self.rate()),
            _ => Charge::LesserOf { flat: self.small(currency), rate: self.rate() },
        }
    }

    /// So much, or a rate: what a bonus can be.
    fn plain_charge(&mut self, currency: Code) -> Charge {
        if self.choices.maybe(500) { Charge::Rate(self.rate()) } else { Charge::Flat(self.small(currency)) }
    }

    fn fee(&mut self, name: &str, timing: Timing, amount: Charge) -> Fee {
        let (of, per, to) = (Of::Part, Often::Deal, FeeTo::Company);
        Fee { name: name.to_owned(), timing, amount, of, per, to, sub_cap: None }
    }

    fn of(&mut self) -> Of {
        self.one(&[Of::Part, Of::Gci, Of::CompanyDollar, Of::PayeeShare], Of::Part)
    }

    /// Somebody who is there from the beginning.
    fn payee(&mut self) -> String {
        words::payee(self.choices.index(self.swarm.payees.min(3)), self.swarm.awkward)
    }

    /// Adds whatever a plan may have besides a split and a cap.
    fn elaborate(&mut self, document: &mut Document, number: usize) {
        let currency = document.currency;
        document.order.splice(..3, self.swarm.off_top.iter().copied());
        if self.choices.maybe(300) {
            let at = 5 + self.choices.index(4);
            if let Some(tail) = document.order.get_mut(5..9) {
                tail.rotate_left(at - 5);
            }
        }
        if self.choices.maybe(300) {
            document.zone = self.one(&ZONES, "UTC").to_owned();
        }
        // One that leaves it out shares no side with those that do not.
        if let Some(rate) = self.swarm.royalty.filter(|_| !self.choices.maybe(100)) {
            document.royalty = Some(Royalty { rate: Part(rate), basis: Basis::OffTop, cap: None });
        } else if self.choices.maybe(300) {
            let cap = self.choices.maybe(600).then(|| self.limit_of(format!("r{number}"), currency));
            document.royalty = Some(Royalty { rate: self.rate(), basis: Basis::Gross, cap });
        }
        self.caps(document, number);
        self.tiers(document, true);
        self.fees(document, number);
        if self.choices.maybe(400) {
            document.mentee = Some(Mentee { company: self.rate(), mentor: self.rate() });
        }
        self.bonuses(document, true);
        self.overrides(document);
        if self.choices.maybe(300) {
            document.referral_in = ReferralIn::Shared;
        }
        if self.choices.maybe(700) {
            document.deficit = Deficit::Receivable;
        }
        let reaches = document.bonuses.iter().any(|bonus| bonus.when != When::EachDeal);
        if reaches || matches!(document.split, Split::Tiered(_)) || self.choices.maybe(200) {
            document.attainment = Some(Attainment { programme: format!("v{number}"), year: self.year() });
        }
    }

    /// A limit that is reached soon, of the payee's own.
    fn limit_of(&mut self, programme: String, currency: Code) -> Limit {
        let units = i128::from(1 + self.choices.work(60)) * 5 * 10_i128.pow(currency.1);
        let (portion, year, proration) = (self.portion(), self.year(), self.proration());
        Limit { programme, limit: Amount(units, currency), portion, year, proration }
    }

    fn portion(&mut self) -> Part {
        Part(if self.choices.maybe(200) { self.one(&[WHOLE / 2, WHOLE / 3], WHOLE) } else { WHOLE })
    }

    fn proration(&mut self) -> Proration {
        if self.choices.maybe(300) {
            self.one(&[Proration::Months, Proration::Days], Proration::None)
        } else {
            Proration::None
        }
    }

    /// Makes the cap one of a part of its limit, adds a second one, or one that several payees share.
    fn caps(&mut self, document: &mut Document, number: usize) {
        let currency = document.currency;
        let Some(terms) = &mut document.cap else { return };
        if let Some(cap) = terms.caps.first_mut() {
            (cap.portion, cap.proration) = (self.portion(), self.proration());
        }
        if self.choices.maybe(500) {
            let limit = Amount((1 + i128::from(self.choices.work(30))) * 500 * 10_i128.pow(currency.1), currency);
            let pool = Cap { of: Holder::Pool("team".to_owned()), ..Cap::own(&format!("t{number}"), limit, NEW_YEAR) };
            if self.choices.maybe(500) {
                terms.caps.clear();
            }
            terms.caps.insert(0, pool);
        }
        if self.choices.maybe(150) {
            let limit = self.limit(currency);
            let year = self.year();
            terms.caps.push(Cap::own(&format!("d{number}"), limit, year));
        }
    }

    fn change_limit(&mut self, document: &mut Document) {
        let limit = self.limit(document.currency);
        let caps = document.cap.iter_mut().flat_map(|terms| &mut terms.caps);
        caps.for_each(|cap| cap.limit = limit);
    }

    /// Puts tiers in place of a flat split, if the plan has what those go by.
    fn tiers(&mut self, document: &mut Document, attained: bool) {
        if !self.choices.maybe(450) {
            return;
        }
        let (currency, capped) = (document.currency, document.cap.is_some());
        let one = 10_i128.pow(currency.1);
        let mode = if capped {
            Mode::Marginal
        } else {
            self.one(&[Mode::Marginal, Mode::Retroactive, Mode::AboveQuota], Mode::Marginal)
        };
        let step = 1 + i128::from(self.choices.work(20));
        let count = 1 + self.choices.index(3);
        let shares: Vec<Shares> = (0..=count).map(|_| self.shares()).collect();
        let amounts = |unit: i128| -> Vec<Tier<Amount>> {
            let tier = |(n, shares): (i128, &Shares)| Tier {
                from: Amount(n * step * unit * one, currency),
                payee: shares.payee,
                company: shares.company,
            };
            (0..).zip(&shares).map(tier).collect()
        };
        let measure = match mode {
            Mode::AboveQuota => 3,
            Mode::Retroactive => 1 + self.choices.work(3),
            Mode::Marginal => self.choices.work(4),
        };
        let tiers = match measure {
            0 => Tiers::CompanyDollar(amounts(100)),
            1 => Tiers::Revenue(amounts(1_000)),
            2 => {
                let tier =
                    |(n, shares): (u32, &Shares)| Tier { from: 2 * n, payee: shares.payee, company: shares.company };
                Tiers::Units((0..).zip(&shares).map(tier).collect())
            }
            _ => {
                let tier = |(n, shares): (u64, &Shares)| Tier {
                    from: Part(n * WHOLE / 2),
                    payee: shares.payee,
                    company: shares.company,
                };
                let quota = Amount(step * 1_000 * one, currency);
                Tiers::Attainment { quota, tiers: (0..).zip(&shares).map(tier).collect() }
            }
        };
        let per = if self.choices.maybe(150) { Per::Deal } else { Per::Year };
        if per == Per::Year && !attained {
            return;
        }
        let minimum = self.choices.maybe(200).then(|| self.small(currency));
        document.split = Split::Tiered(Tiered { tiers, mode, per, minimum });
    }

    fn fees(&mut self, document: &mut Document, number: usize) {
        let currency = document.currency;
        if self.choices.maybe(500)
            && let Some(fee) = document.fees.first_mut()
        {
            fee.amount = self.charge(currency);
        }
        for (n, name) in ["desk", "insurance", "transaction & more"].into_iter().enumerate() {
            if !self.choices.maybe(350) {
                continue;
            }
            let timing = self.one(&[Timing::Always, Timing::PreCap, Timing::PostCap], Timing::Always);
            let amount = self.charge(currency);
            let mut fee = self.fee(name, timing, amount);
            fee.of = self.of();
            if self.choices.maybe(300) {
                fee.per = Often::Side;
            }
            if self.choices.maybe(200) {
                fee.to = FeeTo::Payee(self.payee());
            }
            if self.choices.maybe(500) {
                let Limit { programme, limit, portion, year, proration } =
                    self.limit_of(format!("s{number}-{n}"), currency);
                let then = self.choices.maybe(500).then(|| self.charge(currency));
                fee.sub_cap = Some(SubCap { programme, limit, portion, year, proration, then });
            }
            document.fees.push(fee);
        }
    }

    fn bonuses(&mut self, document: &mut Document, attained: bool) {
        let currency = document.currency;
        document.bonuses.clear();
        for name in ["spiff", "club"] {
            if !self.choices.maybe(350) {
                continue;
            }
            let whole = i128::from(1 + self.choices.work(20)) * 10_i128.pow(currency.1);
            let when = match self.choices.work(4) {
                0 => When::EachDeal,
                1 => When::Reaches(Threshold::Units(1 + self.choices.work(6))),
                2 => When::Reaches(Threshold::Revenue(Amount(whole * 1_000, currency))),
                _ => When::Reaches(Threshold::CompanyDollar(Amount(whole * 100, currency))),
            };
            if when == When::EachDeal || attained {
                document.bonuses.push(Bonus { name: name.to_owned(), when, amount: self.plain_charge(currency) });
            }
        }
    }

    fn overrides(&mut self, document: &mut Document) {
        document.overrides.clear();
        for name in ["lead", "sponsor"] {
            if self.choices.maybe(300) {
                let (to, rate, of) = (self.payee(), self.rate(), self.of());
                document.overrides.push(Override { name: name.to_owned(), to, rate, of });
            }
        }
    }
}

/// A document that the ledger refuses.
pub fn spoil(choices: &mut Choices, document: &mut Document) {
    let currency = document.currency;
    let other = CURRENCIES.into_iter().find(|other| *other != currency).unwrap_or(currency);
    let one = Amount(1, currency);
    let beyond = Part(WHOLE + 1);
    let shares = |from| Tier { from, payee: Part(WHOLE), company: Part(0) };
    let fee = |name: String, amount| {
        let (timing, of, per, to) = (Timing::Always, Of::Part, Often::Deal, FeeTo::Company);
        Fee { name, timing, amount, of, per, to, sub_cap: None }
    };
    let bonus = |amount| Bonus { name: "more".to_owned(), when: When::EachDeal, amount };
    let tiered = |tiers, mode| Split::Tiered(Tiered { tiers, mode, per: Per::Deal, minimum: None });
    let own = |programme: &str, year| Cap::own(programme, one, year);
    match (&mut document.cap, choices.work(25)) {
        (Some(terms), kind @ 1..=8) => {
            let last = terms.caps.last().cloned();
            let caps = &mut terms.caps;
            match (caps.last_mut(), kind) {
                (Some(cap), 1) => cap.limit.1 = other,
                (Some(cap), 2) => cap.limit.0 = -1,
                (Some(cap), 3) => cap.year = CapYear::Calendar { month: 4, day: 31 },
                (Some(cap), 4) => cap.year = CapYear::Calendar { month: 7, day: 1 },
                (Some(cap), 5) => cap.portion = if choices.maybe(500) { Part(0) } else { beyond },
                (Some(_), 6) => caps.extend(last),
                (Some(_), 7) => *caps = (0..5).map(|n| own(&format!("n{n}"), NEW_YEAR)).collect(),
                _ => terms.post_cap.company.0 += 1,
            }
        }
        (_, 9) => document.fees.push(fee("more".to_owned(), Charge::Flat(Amount(-1, currency)))),
        (_, 10) => document.fees.push(fee("more".to_owned(), Charge::Rate(beyond))),
        (_, 11) => document.fees.extend((0..21).map(|n| fee(format!("f{n}"), Charge::Flat(one)))),
        (_, 12) => document.fees.extend((0..2).map(|_| fee("twice".to_owned(), Charge::Flat(one)))),
        (_, 13) => document.bonuses.push(bonus(Charge::Rate(beyond))),
        (_, 14) => document.split = tiered(Tiers::Units(Vec::new()), Mode::Marginal),
        (_, 15) => document.overrides.push(Override { name: "o".into(), to: "p0".into(), rate: beyond, of: Of::Part }),
        (_, 16) => document.mentee = Some(Mentee { company: Part(WHOLE / 2), mentor: Part(WHOLE / 2 + 1) }),
        (_, 17) => document.order.swap(3, 4),
        (_, 18) => document.order.truncate(9),
        (_, 19) => document.split = tiered(Tiers::Revenue(vec![shares(one)]), Mode::Marginal),
        (_, 20) => {
            let zero = Amount(0, currency);
            document.split = tiered(Tiers::Revenue(vec![shares(zero), shares(one), shares(one)]), Mode::Marginal);
        }
        (_, 21) => document.split = tiered(Tiers::CompanyDollar(vec![shares(Amount(0, currency))]), Mode::Retroactive),
        (_, 22) => {
            let cap = Limit {
                programme: "royal".into(),
                limit: one,
                portion: Part(WHOLE),
                year: NEW_YEAR,
                proration: Proration::None,
            };
            document.royalty = Some(Royalty { rate: Part(1), basis: Basis::OffTop, cap: Some(cap) });
        }
        (_, 23) => {
            let pool = Cap { of: Holder::Pool("team".into()), proration: Proration::Days, ..own("pool", NEW_YEAR) };
            document.cap = Some(CapTerms::of(vec![pool]));
        }
        (_, 24) => {
            let to = "nobody".to_owned();
            document.overrides = vec![Override { name: "o".into(), to, rate: Part(1), of: Of::Part }];
        }
        _ => document.split = Split::Flat(Shares { payee: Part(WHOLE), company: Part(1) }),
    }
}
