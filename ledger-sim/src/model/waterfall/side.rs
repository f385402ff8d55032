//! One side of a deal, from its gross commission to the last line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::exact::{Exact, share, sum};
use super::split::{Cut, cut};
use super::terms::{Deal, Fee, Measure, Measures, Of, Part, Party, Plan, Side, Split, Step, Timing};
use super::years::year_of;
use super::{Account, Books, Code, Key};
use crate::act::Day;

/// What is charged or paid once a deal, by payee, kind and name.
pub(super) type Once = BTreeSet<(String, &'static str, String)>;

/// One payee of a side.
struct Member<'a> {
    payee: &'a str,
    plan: &'a Plan,
    mentor: Option<&'a str>,
    /// The payee's part of the net commission, a shared referral-in with it.
    part: Exact,
    gross: Exact,
    /// The payee's part of a referral-in that the company keeps.
    referral_in: Exact,
    caps: Vec<Key>,
    royalty: Option<Key>,
    /// By fee.
    sub_caps: Vec<Option<Key>>,
    attained: Option<(String, String, Day)>,
    before: Measures,
    cut: Cut,
    standing: Standing,
}

/// Where a payee stands with the caps.
struct Standing {
    capped: bool,
    crosses: bool,
    company: Exact,
    /// The company's share beyond.
    beyond: Exact,
    /// What of the part lies beyond.
    post_base: Exact,
}

struct Line {
    of: Option<String>,
    party: Party,
    kind: &'static str,
    name: Option<String>,
    amount: Exact,
}

impl Line {
    fn of(payee: &str, party: Party, kind: &'static str, amount: Exact) -> Self {
        Self { of: Some(payee.to_owned()), party, kind, name: None, amount }
    }
}

/// The lines of one payee's steps, and what the payee has so far.
struct Steps<'a> {
    payee: &'a str,
    lines: Vec<Line>,
    has: Exact,
    bonuses: Exact,
}

impl Steps<'_> {
    /// Takes from the payee.
    fn charge(&mut self, kind: &'static str, name: Option<&str>, to: Party, amount: &Exact) {
        self.has = &self.has - amount;
        self.pair(kind, name, Party::Payee(self.payee.to_owned()), to, amount);
    }

    fn pair(&mut self, kind: &'static str, name: Option<&str>, from: Party, to: Party, amount: &Exact) {
        for (party, amount) in [(from, amount.negated()), (to, amount.clone())] {
            let name = name.map(ToOwned::to_owned);
            self.lines.push(Line { of: Some(self.payee.to_owned()), party, kind, name, amount });
        }
    }
}

impl<'a> Books<'a> {
    pub(super) fn side(
        &mut self,
        deal: &Deal,
        side: &'a Side,
        deal_start: &BTreeMap<Key, Account>,
        once: &mut Once,
    ) -> Result<Value, Code> {
        let mut plans = Vec::new();
        for credited in &side.payees {
            plans.push(self.plan_on(&credited.payee, deal.completed)?);
        }
        let mut lines = Vec::new();
        let net = self.off_the_top(side, &plans.iter().map(|(plan, _)| *plan).collect::<Vec<_>>(), &mut lines)?;
        let mut members = self.members(side, &plans, &net)?;
        self.stand(&mut members);
        for (place, member) in members.iter().enumerate() {
            let Standing { company, beyond, .. } = &member.standing;
            let has = &member.part - company - beyond;
            lines.push(Line::of(member.payee, Party::Company, "company_dollar", company.clone()));
            lines.push(Line::of(member.payee, Party::Company, "post_cap_company", beyond.clone()));
            lines.push(Line::of(member.payee, Party::Payee(member.payee.to_owned()), "share", has.clone()));
            let mut steps = Steps { payee: member.payee, lines: Vec::new(), has, bonuses: Exact::zero() };
            for step in &member.plan.order {
                match step {
                    Step::Fees => self.fees(side, place, member, deal_start, once, &mut steps),
                    Step::Mentee => self.mentee(member, &mut steps),
                    Step::Bonuses => self.bonuses(side, member, once, &mut steps),
                    Step::Overrides => self.overrides(member, &mut steps),
                    _ => {}
                }
            }
            if (&steps.has - &steps.bonuses).is_negative() {
                if !member.plan.permits_deficit {
                    return Err(Code::Deficit);
                }
                self.mark("receivable", true);
            }
            lines.append(&mut steps.lines);
        }
        for member in &members {
            lines.push(Line::of(member.payee, Party::Company, "referral_in", member.referral_in.clone()));
        }
        for adjustment in &side.adjustments {
            for (party, amount) in
                [(&adjustment.from, adjustment.amount.negated()), (&adjustment.to, adjustment.amount.clone())]
            {
                let name = Some(adjustment.reason.clone());
                lines.push(Line { of: None, party: party.clone(), kind: "adjustment", name, amount });
            }
            self.mark("adjustment", true);
        }
        for member in members.iter().filter(|member| !member.plan.permits_deficit) {
            let own = lines.iter().filter(|line| line.party == Party::Payee(member.payee.to_owned()));
            if sum(own.map(|line| &line.amount)).is_negative() {
                return Err(Code::Deficit);
            }
        }
        let whole = &side.gci + &side.referral_in;
        if !whole.fits() || sum(lines.iter().map(|line| &line.amount)) != whole {
            return Err(Code::Overflow);
        }
        self.count(side, &members);
        self.written(side, &net, &lines)
    }

    /// What remains after concessions, referrals and royalties, each taken from what the former left.
    fn off_the_top(&mut self, side: &Side, plans: &[&Plan], lines: &mut Vec<Line>) -> Result<Exact, Code> {
        let first = *plans.first().ok_or(Code::WeightsDoNotSum)?;
        for plan in plans {
            if plan.off_the_top() != first.off_the_top() || plan.royalty_off_the_top() != first.royalty_off_the_top() {
                return Err(Code::PlansDisagree);
            }
        }
        let mut left = side.gci.clone();
        let mut take = |left: &mut Exact, amount: &Part, party: Party, kind| {
            let amount = of_base(amount, left, first.half_even);
            *left = &*left - &amount;
            lines.push(Line { of: None, party, kind, name: None, amount });
            if left.is_negative() { Err(Code::ExceedsCommission) } else { Ok(()) }
        };
        for step in first.off_the_top() {
            match step {
                Step::Royalty => {
                    if let Some(rate) = first.royalty_off_the_top() {
                        take(&mut left, &Part::Rate(rate.clone()), Party::Franchise, "royalty")?;
                        self.mark("royalty off the top", true);
                    }
                }
                _ => {
                    for item in &side.off_top {
                        match &item.referrer {
                            None if step == Step::Concession => {
                                take(&mut left, &item.amount, Party::Client, "concession")?;
                                self.mark("concession", true);
                            }
                            Some(name) if step == Step::ReferralOut => {
                                take(&mut left, &item.amount, Party::Referrer(name.clone()), "referral_out")?;
                                self.mark("referral out", true);
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        self.mark("other order off the top", first.order.first() != Some(&Step::Concession));
        self.mark("nothing left", left.is_zero());
        Ok(left)
    }

    /// The payees with their parts, their shares before any cap, and their accounts.
    fn members(&mut self, side: &'a Side, plans: &[(&'a Plan, Day)], net: &Exact) -> Result<Vec<Member<'a>>, Code> {
        let weights: Vec<Exact> = side.payees.iter().map(|credited| credited.weight.clone()).collect();
        let parts = share(net, &weights).into_iter().zip(share(&side.gci, &weights));
        let parts = parts.zip(share(&side.referral_in, &weights));
        let mut members = Vec::new();
        for ((credited, (plan, day)), ((part, gross), referral_in)) in side.payees.iter().zip(plans).zip(parts) {
            let payee = credited.payee.as_str();
            let (part, referral_in) =
                if plan.shares_referral_in { (part + referral_in, Exact::zero()) } else { (part, referral_in) };
            self.mark("shared referral in", plan.shares_referral_in && side.referral_in.is_positive());
            self.mark("referral in to the company", referral_in.is_positive());
            let mut touch = |limit| self.touch(limit, plan, payee, *day, None);
            let caps = plan.cap.iter().flat_map(|cap| &cap.caps).map(&mut touch).collect::<Result<_, _>>()?;
            let royalty = plan.royalty.as_ref().and_then(|royalty| royalty.cap.as_ref());
            let royalty = royalty.map(&mut touch).transpose()?;
            let sub_caps = plan.fees.iter().map(|fee| fee.sub_cap.as_ref().map(|(limit, _)| touch(limit)).transpose());
            let sub_caps = sub_caps.collect::<Result<_, _>>()?;
            let (mut attained, mut before) = (None, Measures::none());
            if let Some((programme, rule)) = &plan.attainment {
                let (start, end) = year_of(*rule, self.joined(payee), *day)?;
                let key = (programme.clone(), payee.to_owned(), start);
                before = self.attained.entry(key.clone()).or_insert((end, before)).1.clone();
                attained = Some(key);
            }
            let cut = cut(&plan.split, &part, &before, &side.units, plan.half_even);
            self.mark_split(&plan.split, &part, &before, &side.units, &cut);
            members.push(Member {
                payee,
                plan,
                mentor: credited.mentor.as_deref(),
                standing: Standing {
                    capped: false,
                    crosses: false,
                    company: cut.company.clone(),
                    beyond: Exact::zero(),
                    post_base: part.clone(),
                },
                part,
                gross,
                referral_in,
                caps,
                royalty,
                sub_caps,
                attained,
                before,
                cut,
            });
        }
        self.mark("several payees", members.len() > 1);
        self.mark("equal shares", weights.len() > 1 && weights.iter().all(|weight| *weight == Exact::one()));
        self.mark("ten payees", members.len() >= 10);
        Ok(members)
    }

    /// Holds the company's shares against the caps.
    fn stand(&mut self, members: &mut [Member<'_>]) {
        let is_pool = |key: &&Key| matches!(key.1, super::Holder::Pool(_));
        let mut wants: Vec<Option<Exact>> = Vec::new();
        for member in members.iter_mut() {
            let capped = member.caps.iter().any(|key| self.room(key).is_zero());
            member.standing.capped = capped;
            let own = member.caps.iter().filter(|key| !is_pool(key)).map(|key| self.room(key)).min();
            let whole_deal = member.plan.cap.as_ref().is_some_and(|cap| cap.whole_deal);
            let want = own.map_or(member.cut.company.clone(), |own| own.min(member.cut.company.clone()));
            wants.push(if capped { None } else { Some(want.or_zero()) });
            if whole_deal && !capped {
                self.mark("whole deal pre cap", true);
                self.mark(
                    "whole deal beyond the cap",
                    member.caps.iter().any(|key| self.room(key) < member.cut.company),
                );
            }
        }
        let pools: BTreeSet<Key> = members.iter().flat_map(|member| &member.caps).filter(is_pool).cloned().collect();
        let mut granted = wants.clone();
        for pool in pools {
            let asks = |member: &Member<'_>, want: &Option<Exact>| {
                if member.caps.contains(&pool) { want.clone().unwrap_or_else(Exact::zero) } else { Exact::zero() }
            };
            let asked: Vec<Exact> = members.iter().zip(&wants).map(|(member, want)| asks(member, want)).collect();
            let room = self.room(&pool);
            let shared = asked.iter().filter(|asked| asked.is_positive()).count() > 1;
            let enough = sum(&asked) <= room;
            self.mark("pool", true);
            self.mark("pool shared out", shared && !enough);
            let parts = if enough { asked } else { share(&room, &asked) };
            for ((member, granted), part) in members.iter().zip(&mut granted).zip(parts) {
                if member.caps.contains(&pool) {
                    *granted = granted.take().map(|granted| granted.min(part));
                }
            }
        }
        for (member, granted) in members.iter_mut().zip(granted) {
            let Some(cap) = &member.plan.cap else { continue };
            let wanted = member.cut.company.clone();
            let (company, post_base) = match granted {
                None => (Exact::zero(), member.part.clone()),
                Some(_) if cap.whole_deal || !wanted.is_positive() => (wanted, Exact::zero()),
                Some(granted) if granted < wanted => {
                    member.standing.crosses = true;
                    let post_base = &member.part - member.cut.net_that_yields(&granted);
                    self.mark("crosses with nothing granted", granted.is_zero());
                    self.mark("crosses on a ladder", member.plan.split.measure != Measure::Nothing);
                    self.mark("crosses with a minimum", member.plan.split.minimum.is_some());
                    self.mark("crosses at the minimum", member.cut.at_minimum);
                    (granted, post_base)
                }
                Some(granted) => {
                    let hit = member.caps.iter().any(|key| self.room(key) == granted);
                    self.mark("hits the cap exactly", hit);
                    (granted, Exact::zero())
                }
            };
            let beyond = (&post_base * &cap.post_company).round(member.plan.half_even);
            let standing = &mut member.standing;
            (standing.company, standing.post_base, standing.beyond) = (company, post_base, beyond);
            let (capped, crosses) = (standing.capped, standing.crosses);
            self.mark("capped", capped);
            self.mark("crosses", crosses);
            self.mark("under the cap", !capped && !crosses);
            self.mark("several caps", member.caps.len() > 1);
            self.mark("post-cap company share", member.standing.beyond.is_positive());
            self.mark("negative company dollar", member.standing.company.is_negative());
        }
    }

    fn fees(
        &mut self,
        side: &Side,
        place: usize,
        member: &Member<'_>,
        deal_start: &BTreeMap<Key, Account>,
        once: &mut Once,
        steps: &mut Steps<'_>,
    ) {
        let half_even = member.plan.half_even;
        if let Some(royalty) = member.plan.royalty.as_ref().filter(|royalty| royalty.gross) {
            let mut amount = (&member.gross * &royalty.rate).round(half_even);
            if let Some(key) = &member.royalty {
                self.mark("royalty at its cap", self.room(key) < amount);
                amount = amount.min(self.room(key));
                self.contribute(key, &amount);
            }
            steps.charge("royalty", None, Party::Franchise, &amount);
            self.mark("gross royalty", true);
        }
        for (fee, key) in member.plan.fees.iter().zip(&member.sub_caps) {
            let after_crossing = member.plan.cap.as_ref().is_some_and(|cap| cap.fee_on_crossing);
            let Standing { capped, crosses, .. } = member.standing;
            let liable = match fee.timing {
                Timing::Always => true,
                Timing::PreCap => !capped,
                Timing::PostCap => capped || (crosses && after_crossing),
            };
            let mine = Party::Payee(member.payee.to_owned());
            if !liable || fee.to == mine {
                self.mark("fee to oneself", fee.to == mine);
                self.mark("not liable", !liable);
                continue;
            }
            if !fee.per_side && !once.insert((member.payee.to_owned(), "fee", fee.name.clone())) {
                self.mark("fee charged once a deal", true);
                continue;
            }
            let full = key.as_ref().is_some_and(|key| {
                let contributed = deal_start.get(key).map_or_else(Exact::zero, |account| account.contributed.clone());
                self.accounts.get(key).is_some_and(|account| contributed >= account.limit)
            });
            let part = match &fee.sub_cap {
                Some((_, then)) if full => then.as_ref(),
                _ => Some(&fee.amount),
            };
            let mut amount = part.map_or_else(Exact::zero, |part| fee_of(part, fee, side, place, member, &steps.has));
            self.mark("sub-cap full", full);
            self.mark("sub-cap full, then", full && part.is_some());
            if let Some(key) = key.as_ref().filter(|_| !full) {
                self.mark("sub-cap reached", amount >= self.room(key));
                self.mark("sub-cap full in the middle of a deal", self.room(key).is_zero());
                amount = amount.min(self.room(key));
                self.contribute(key, &amount);
            }
            self.mark_fee(fee, &amount, crosses);
            steps.charge("fee", Some(&fee.name), fee.to.clone(), &amount);
        }
    }

    fn mentee(&mut self, member: &Member<'_>, steps: &mut Steps<'_>) {
        self.mark("mentor without a mentee section", member.mentor.is_some() && member.plan.mentee.is_none());
        let (Some(mentor), Some((company, of_mentor))) = (member.mentor, &member.plan.mentee) else { return };
        for (rate, to) in [(company, Party::Company), (of_mentor, Party::Payee(mentor.to_owned()))] {
            steps.charge("mentee", None, to, &(&member.part * rate).round(member.plan.half_even));
        }
        self.mark("mentee", true);
    }

    fn bonuses(&mut self, side: &Side, member: &Member<'_>, once: &mut Once, steps: &mut Steps<'_>) {
        for bonus in &member.plan.bonuses {
            let due = match &bonus.reaches {
                None => once.insert((member.payee.to_owned(), "bonus", bonus.name.clone())),
                Some((measure, threshold)) => {
                    let (before, more) = match measure {
                        Measure::Units => (&member.before.units, side.units.clone()),
                        Measure::CompanyDollar => (&member.before.company_dollar, member.standing.company.or_zero()),
                        _ => (&member.before.revenue, member.part.clone()),
                    };
                    let after = before + more;
                    let Some(attained) = &member.attained else { continue };
                    let of = (attained.clone(), bonus.name.clone());
                    let counts =
                        !member.part.is_zero() || !side.units.is_zero() || member.standing.company.is_positive();
                    let due = after >= *threshold
                        && match self.bonuses.get(&of) {
                            None => before < threshold,
                            Some(true) => false,
                            Some(false) => counts,
                        };
                    if due {
                        self.bonuses.insert(of.clone(), true);
                        self.paid.push(of);
                    }
                    self.mark("bonus reached", due);
                    self.mark("bonus reached exactly", due && after == *threshold);
                    self.mark("bonus not reached", !due);
                    due
                }
            };
            self.mark("each deal's bonus", bonus.reaches.is_none() && due);
            if due {
                let amount = of_base(&bonus.amount, &member.part, member.plan.half_even);
                let payee = Party::Payee(member.payee.to_owned());
                steps.pair("bonus", Some(&bonus.name), Party::Company, payee, &amount);
                steps.has = &steps.has + &amount;
                steps.bonuses = &steps.bonuses + &amount;
            }
        }
    }

    fn overrides(&mut self, member: &Member<'_>, steps: &mut Steps<'_>) {
        for rule in &member.plan.overrides {
            self.mark("override to oneself", rule.to == member.payee);
            if rule.to != member.payee {
                let base = base_of(rule.of, &member.part, member, &steps.has);
                let amount = (base * &rule.rate).round(member.plan.half_even);
                let to = Party::Payee(rule.to.clone());
                steps.pair("override", Some(&rule.name), Party::Company, to, &amount);
                self.mark("override", true);
            }
        }
    }

    /// What the side counts to caps and attainments.
    fn count(&mut self, side: &Side, members: &[Member<'_>]) {
        for member in members {
            let Standing { capped, company, beyond, .. } = &member.standing;
            if !capped && company.is_positive() {
                for key in &member.caps {
                    self.contribute(key, company);
                }
            }
            let measures = member.attained.as_ref().and_then(|key| self.attained.get_mut(key));
            if let Some((_, measures)) = measures {
                measures.revenue = &measures.revenue + &member.part;
                measures.accrued = &measures.accrued + (&member.part - company - beyond);
                measures.company_dollar = &measures.company_dollar + company.or_zero();
                measures.units = &measures.units + &side.units;
            }
        }
    }

    fn written(&self, side: &Side, net: &Exact, lines: &[Line]) -> Result<Value, Code> {
        let always = |line: &&Line| !line.amount.is_zero() || matches!(line.kind, "company_dollar" | "share");
        let written = lines.iter().filter(always).map(|line| {
            let mut value =
                json!({ "party": line.party.json(), "kind": line.kind, "amount": self.money(&line.amount)? });
            if let Some(fields) = value.as_object_mut() {
                let more = [("of", &line.of), ("name", &line.name)];
                fields.extend(more.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?)))));
            }
            Ok(value)
        });
        let lines = written.collect::<Result<Vec<_>, Code>>()?;
        Ok(json!({ "side": side.side, "gci": self.money(&side.gci)?, "net": self.money(net)?, "lines": lines }))
    }

    fn mark_split(&mut self, split: &Split, part: &Exact, before: &Measures, units: &Exact, cut: &Cut) {
        let name = match (split.measure, &split.mode) {
            (Measure::Nothing, _) => "flat",
            (Measure::CompanyDollar, _) => "company dollar tiers",
            (Measure::Revenue, super::terms::Mode::Marginal) => "revenue tiers",
            (Measure::Units, super::terms::Mode::Marginal) => "unit tiers",
            (_, super::terms::Mode::Retroactive) => "retroactive",
            _ => "above quota",
        };
        self.mark(name, true);
        self.mark("tiers per deal", split.per_deal);
        self.mark("minimum", cut.at_minimum);
        self.mark("no units", split.measure == Measure::Units && units.is_zero());
        if split.per_deal {
            return;
        }
        let (start, end) = match split.measure {
            Measure::Nothing => return,
            Measure::Units => (before.units.clone(), &before.units + units),
            Measure::Revenue => (before.revenue.clone(), &before.revenue + part),
            Measure::CompanyDollar => (before.company_dollar.clone(), &before.company_dollar + &cut.company),
        };
        self.mark("tier crossed", split.bands.iter().any(|band| start < band.from && band.from < end));
        self.mark("tier hit exactly", split.bands.iter().any(|band| start < band.from && band.from == end));
    }

    fn mark_fee(&mut self, fee: &Fee, amount: &Exact, crosses: bool) {
        if !amount.is_positive() {
            return;
        }
        self.mark(
            match fee.timing {
                Timing::Always => "fee always",
                Timing::PreCap => "fee before the cap",
                Timing::PostCap if crosses => "fee on crossing",
                Timing::PostCap => "fee after the cap",
            },
            true,
        );
        self.mark(
            match fee.amount {
                Part::Flat(_) => "flat fee",
                Part::Rate(_) => "fee by rate",
                Part::Lesser(..) => "lesser fee",
            },
            true,
        );
        self.mark("fee to another payee", fee.to != Party::Company);
        self.mark("fee per side", fee.per_side);
        if let Part::Rate(_) | Part::Lesser(..) = fee.amount {
            let of = match fee.of {
                Of::Part => "fee of part",
                Of::Gci => "fee of gci",
                Of::CompanyDollar => "fee of company dollar",
                Of::PayeeShare => "fee of payee share",
            };
            self.mark(of, true);
        }
    }
}

/// So much, or a rate of a base.
fn of_base(part: &Part, base: &Exact, half_even: bool) -> Exact {
    match part {
        Part::Flat(flat) => flat.clone(),
        Part::Rate(rate) => (base * rate).round(half_even),
        Part::Lesser(flat, rate) => (base * rate).round(half_even).min(flat.clone()),
    }
}

/// A fee, of which everybody on the side bears the part of the flat amount that the weights say.
fn fee_of(part: &Part, fee: &Fee, side: &Side, place: usize, member: &Member<'_>, has: &Exact) -> Exact {
    let weights: Vec<Exact> = side.payees.iter().map(|credited| credited.weight.clone()).collect();
    let prorated = |flat: &Exact| share(flat, &weights).get(place).cloned().unwrap_or_else(Exact::zero);
    let part = match part {
        Part::Flat(flat) => Part::Flat(prorated(flat)),
        Part::Rate(rate) => Part::Rate(rate.clone()),
        Part::Lesser(flat, rate) => Part::Lesser(prorated(flat), rate.clone()),
    };
    let of_part = if fee.timing == Timing::PostCap { &member.standing.post_base } else { &member.part };
    of_base(&part, &base_of(fee.of, of_part, member, has), member.plan.half_even)
}

fn base_of(of: Of, part: &Exact, member: &Member<'_>, has: &Exact) -> Exact {
    match of {
        Of::Part => part.clone(),
        Of::Gci => member.gross.clone(),
        Of::CompanyDollar => (&member.standing.company + &member.standing.beyond).or_zero(),
        Of::PayeeShare => has.or_zero(),
    }
}
