//! The waterfall: who has what of a deal's commission.
//!
//! ```text
//! GCI of a side ─► off the top ─► shared by the payees ─► each part split, up to the caps ─► fees, mentor, bonuses, overrides
//!               concession,       largest remainder       company dollar │ share             in the plan's order
//!               referral out,                             beyond the cap │
//!               royalty                                                        ─► adjustments ─► the lines sum to the GCI
//! ```
//!
//! Every rule is a field of the [plan document](Document); every line says by which rule it [came about](Because).

mod accounts;
mod document;
mod explain;
mod field;
mod ladder;
mod ratio;
mod refuse;
mod split;
mod steps;
mod terms;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use accounts::Desk;
use split::Cut;
use steps::Turn;

pub use accounts::{Account, Attained, BonusState, Books, Contribution, Owner, Progress};
pub use document::{
    Attainment, Base, Bonus, Cap, CapOf, Capped, Charged, Crossing, Deficit, Document, Fee, FeeAmount, FeeOnCrossing,
    FeeTo, Mentee, Mode, Override, OwnCap, Per, Plan, PoolTerms, Proration, ReferralIn, Royalty, RoyaltyBasis, Shares,
    Split, Step, SubCap, Threshold, Tier, Tiered, Tiers, Timing, When,
};
pub use explain::{Because, Due, Of, Part, Reason};
pub use field::Field;
pub use refuse::{Rejection, Rule};
pub use terms::{Adjustment, Gci, OffTop, Party, Quantity, Sharer, Side, SideKind};

pub(crate) use accounts::room;
pub(crate) use document::{Limit, not_negative};

use crate::Date;
use crate::allocation::allocate;
use crate::id::{PayeeId, Text};
use crate::limits::PAYEES_PER_DEAL;
use crate::money::{Currency, Money};
use crate::rate::{Rate, Rounding};

/// A payee of a deal: the plan that holds for it, and the day on which the deal counts under that plan.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The payee.
    pub payee: &'a PayeeId,
    /// The plan.
    pub plan: Plan<'a>,
    /// The day that its own years are derived from.
    pub joined_on: Option<Date>,
    /// The day of the deal where the plan is.
    pub day: Date,
}

/// A deal, calculated.
#[derive(Debug, Clone)]
pub struct Calculation<'a> {
    /// Its sides, as they were given.
    pub sides: Vec<Calculated<'a>>,
    /// Every cap that it touched.
    pub contributions: Vec<Contribution>,
    /// Every attainment that it touched.
    pub progress: Vec<Progress>,
}

/// A side, calculated.
#[derive(Debug, Clone, Serialize)]
pub struct Calculated<'a> {
    /// Which side.
    pub side: SideKind,
    /// Its gross commission income.
    pub gci: Money,
    /// What is left of it once the top is taken off.
    pub net: Money,
    /// What of that is whose, before it is split.
    pub parts: Vec<Part<'a>>,
    /// Who has what. They sum to the gross commission income and the referral-in.
    pub lines: Vec<Line<'a>>,
}

/// What one party has of a side, or pays.
#[derive(Debug, Clone, Serialize)]
pub struct Line<'a> {
    /// Whose part of the side it is of; none for what is of the side as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'a PayeeId>,
    /// Who has it or, below zero, pays it.
    pub party: Party,
    /// What it is.
    pub kind: Kind,
    /// Its name in the plan; the reason of an adjustment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a Text>,
    /// How much.
    pub amount: Money,
    /// Why so much.
    pub because: Because<'a>,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What the client gets back.
    Concession,
    /// What a referrer outside has.
    ReferralOut,
    /// What the franchise has.
    Royalty,
    /// What another house paid, where it is the company's.
    ReferralIn,
    /// What the company has of the split, up to the cap.
    CompanyDollar,
    /// What it has beyond the cap.
    PostCapCompany,
    /// What the payee has of the split.
    Share,
    /// A fee.
    Fee,
    /// What a mentee pays.
    Mentee,
    /// A bonus.
    Bonus,
    /// An override.
    Override,
    /// What was agreed by hand.
    Adjustment,
}

/// Calculates a deal, side after side: the second sees what the first left of the caps. `members` has everyone who is on a side;
/// `books` says what was counted before.
///
/// ```
/// use ledger_core::waterfall::{Account, Attained, Books, Document, Kind, Member, Plan, Side, calculate};
/// use ledger_core::money::Money;
///
/// /// 8,200 of 15,000 are contributed.
/// struct Contributed;
/// impl Books for Contributed {
///     fn contributed(&self, _: &Account) -> Option<Money> { Money::parse("8200 USD").ok() }
///     fn attained(&self, _: &Account) -> Option<Attained> { None }
/// }
///
/// let document: Document = serde_json::from_str(
///     r#"{"currency":"USD","zone":"America/New_York","split":{"flat":{"payee":"0.7","company":"0.3"}},
///         "cap":{"caps":[{"programme":"house","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]}}"#,
/// )?;
/// let (ann, standard) = ("ann".parse()?, "standard".parse()?);
/// let plan = Plan::new(&standard, &document)?;
/// let members = [Member { payee: &ann, plan, joined_on: None, day: "2025-06-01".parse()? }];
/// let sides: Vec<Side> = serde_json::from_str(r#"[{"gci":{"amount":"30000 USD"},"payees":[{"payee":"ann"}]}]"#)?;
/// let deal = calculate(&sides, &members, &Contributed)?;
///
/// let [company, agent] = &deal.sides[0].lines[..] else { panic!("{deal:?}") };
/// assert_eq!((company.kind, company.amount.to_string()), (Kind::CompanyDollar, "6800.00 USD".to_owned()));
/// assert_eq!((agent.kind, agent.amount.to_string()), (Kind::Share, "23200.00 USD".to_owned()));
/// assert_eq!(
///     company.because.to_string(),
///     "30% of the part of 30000.00 USD is 9000.00 USD; the cap had 6800.00 USD left (split.flat.company of plan standard)"
/// );
/// assert_eq!(deal.contributions[0].after.to_string(), "15000.00 USD");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Rejection`] that names the field and the rule; then nothing is calculated.
pub fn calculate<'a>(
    sides: &'a [Side],
    members: &[Member<'a>],
    books: &dyn Books,
) -> Result<Calculation<'a>, Rejection> {
    if sides.is_empty() {
        return Err(Rule::Malformed("a deal has a side".into()).at("sides"));
    }
    let (mut desk, mut calculated) = (Desk::new(books), Vec::with_capacity(sides.len()));
    for (index, side) in sides.iter().enumerate() {
        let place = |error: Rejection| error.within(format_args!("sides.{index}"));
        check_kind(sides, index, side.side).map_err(place)?;
        calculated.push(calculate_side(&mut desk, members, side).map_err(place)?);
    }
    Ok(Calculation { sides: calculated, contributions: desk.caps, progress: desk.attained })
}

/// Checks what is known of a deal before there are plans for it. What its sides bring together.
///
/// # Errors
/// [`Rejection`] that names the field and the rule.
pub fn check(sides: &[Side]) -> Result<Money, Rejection> {
    let mut whole: Option<Money> = None;
    for (index, side) in sides.iter().enumerate() {
        let place = |error: Rejection| error.within(format_args!("sides.{index}"));
        check_kind(sides, index, side.side).map_err(place)?;
        let gci = check_side(side, whole.map(Money::currency)).map_err(place)?;
        let sum = whole.map_or(Ok(gci), |whole| whole.plus(gci));
        whole = Some(sum.map_err(|error| place(Rule::from(error).at("gci")))?);
    }
    whole.ok_or_else(|| Rule::Malformed("a deal has a side".into()).at("sides"))
}

/// Each side is there once, and the only one has no other beside it.
fn check_kind(sides: &[Side], index: usize, kind: SideKind) -> Result<(), Rejection> {
    for earlier in sides.iter().take(index).map(|side| side.side) {
        if earlier == kind {
            return Err(Rule::NamedTwice { name: format!("{kind:?}").to_lowercase() }.at("side"));
        }
        if [earlier, kind].contains(&SideKind::Sole) {
            return Err(Rule::Conflicting("the only side of a deal has no other beside it").at("side"));
        }
    }
    Ok(())
}

fn check_side(side: &Side, currency: Option<Currency>) -> Result<Money, Rejection> {
    if side.payees.len() > PAYEES_PER_DEAL {
        return Err(Rule::TooMany { count: side.payees.len(), bounds: refuse::PAYEES }.at("payees"));
    }
    for (place, Sharer { payee, mentor, .. }) in side.payees.iter().enumerate() {
        if side.payees.iter().take(place).any(|earlier| earlier.payee == *payee) {
            return Err(Rule::NamedTwice { name: payee.to_string() }.at(Field::nth("payees", place, "")));
        }
        if mentor.as_ref() == Some(payee) {
            return Err(Rule::Conflicting("nobody is the own mentor").at(Field::nth("payees", place, "mentor")));
        }
    }
    if side.payees.is_empty() {
        return Err(Rule::WeightsDoNotSum { sum: "0".into() }.at("payees"));
    }
    let gci = side.gci.amount().map_err(|error| Rule::from(error).at("gci"))?;
    let currency = currency.unwrap_or(gci.currency());
    not_negative(gci, currency).map_err(|rule| rule.at("gci"))?;
    let referral = side.referral_in.unwrap_or(Money::zero(currency));
    not_negative(referral, currency).map_err(|rule| rule.at("referral_in"))?;
    weights(side)?;
    check_adjustments(side, currency)?;
    check_off_top(side, currency)?;
    Ok(gci)
}

fn check_off_top(side: &Side, currency: Currency) -> Result<(), Rejection> {
    for (index, item) in side.off_top.iter().enumerate() {
        let (OffTop::Concession(amount) | OffTop::ReferralOut { amount, .. }) = item;
        amount.validate(currency).map_err(|rule| rule.at(Field::nth("off_top", index, "")))?;
    }
    Ok(())
}

fn calculate_side<'a>(
    desk: &mut Desk<'a, '_>,
    members: &[Member<'a>],
    side: &'a Side,
) -> Result<Calculated<'a>, Rejection> {
    let seats = seats(desk, members, side)?;
    let first = seats.first().copied().and_then(|seat| seated(desk, seat));
    let first = first.ok_or_else(|| Rule::WeightsDoNotSum { sum: "0".into() }.at("payees"))?;
    let currency = first.plan.document().currency;
    let gci = side.gci.amount().map_err(|error| Rule::from(error).at("gci"))?;
    not_negative(gci, currency).map_err(|rule| rule.at("gci"))?;
    let zero = Money::zero(currency);
    let referral = side.referral_in.unwrap_or(zero);
    not_negative(referral, currency).map_err(|rule| rule.at("referral_in"))?;

    let weights = weights(side)?;
    for (place, other) in seats.iter().filter_map(|seat| seated(desk, *seat)).enumerate() {
        let found = other.plan.document().currency;
        if found != currency {
            return Err(Rule::WrongCurrency { found, expected: currency }.at(Field::nth("payees", place, "")));
        }
        if !agree(&first.plan, &other.plan) {
            mark!(PlansDisagree);
            let (first, second) = (first.plan.id().clone(), other.plan.id().clone());
            return Err(Rule::PlansDisagree { first, second, what: "what is taken off the top" }.at("payees"));
        }
    }
    check_adjustments(side, currency)?;

    let mut lines = Vec::with_capacity(side.off_top.len() + 1 + 4 * seats.len());
    let net = take_off_top(side, first, gci, &mut lines)?;
    let of_side = |rule: Rule| rule.at("");
    let nets = shared(net, &weights).map_err(of_side)?;
    let grosses = shared(gci, &weights).map_err(of_side)?;
    let referrals = if referral.is_zero() { Vec::new() } else { shared(referral, &weights).map_err(of_side)? };

    let (mut parts, mut told) = (Vec::with_capacity(seats.len()), Vec::with_capacity(seats.len()));
    for (place, ((sharer, seat), (of_net, of_gci))) in
        side.payees.iter().zip(&seats).zip(nets.into_iter().zip(&grosses)).enumerate()
    {
        let shares_referral =
            seated(desk, *seat).is_some_and(|member| member.plan.document().referral_in == ReferralIn::Shared);
        let shares_referral = shares_referral && !planted!(ReferralInKept);
        mark!(ReferralInShared, shares_referral && !referral.is_zero());
        let of_referral = referrals.get(place).filter(|_| shares_referral).copied();
        let part = of_net.plus(of_referral.unwrap_or(zero)).map_err(|error| Rule::from(error).at(""))?;
        parts.push((*seat, part));
        let Sharer { payee, weight, .. } = sharer;
        let referral_in = of_referral.map(|of_referral| (referral, of_referral));
        let (payees, units, of_gci) = (seats.len(), side.units, *of_gci);
        told.push(Part { payee, weight: *weight, payees, units, net, of_gci, of_net, referral_in, part });
    }
    let cuts =
        split::split(desk, &parts, side.units).map_err(|(place, rule)| rule.at(Field::nth("payees", place, "")))?;

    for (place, ((sharer, cut), gross)) in side.payees.iter().zip(&cuts).zip(grosses).enumerate() {
        let Some((seat, part)) = parts.get(place).copied() else { continue };
        let Some(member) = seated(desk, seat) else { continue };
        let at = |rule: Rule| rule.at(Field::nth("payees", place, ""));
        split_lines(member, sharer, part, cut, &mut lines);
        let turn = Turn::new(seat, member, sharer, place, &weights, side.units, (gross, part), cut, &mut lines);
        let agent = turn.take(desk).map_err(at)?;
        if agent.is_negative() && member.plan.document().deficit == Deficit::Refuse && !planted!(DeficitUnseen) {
            mark!(DeficitRefused);
            return Err(at(Rule::Deficit { payee: sharer.payee.clone(), amount: agent }));
        }
    }
    for ((sharer, seat), amount) in side.payees.iter().zip(&seats).zip(referrals) {
        let Some(member) = seated(desk, *seat) else { continue };
        let keeps = planted!(ReferralInKept) || member.plan.document().referral_in == ReferralIn::Company;
        if keeps && !amount.is_zero() {
            let reason = Reason::weight(sharer, seats.len(), referral);
            let because = Because::unlimited(Some(member.plan), Field::at("referral_in"), reason, amount);
            let of = Some(&sharer.payee);
            lines.push(Line { of, party: Party::Company, kind: Kind::ReferralIn, name: None, amount, because });
        }
    }
    adjust(desk, &seats, side, currency, &mut lines)?;

    let whole = gci.plus(referral).map_err(|error| Rule::from(error).at(""))?;
    let sum = Money::sum(currency, lines.iter().map(|line| line.amount)).map_err(|error| Rule::from(error).at(""))?;
    if sum != whole {
        return Err(Rule::DoesNotBalance { lines: sum, whole }.at(""));
    }
    count(desk, &parts, &cuts, side.units).map_err(of_side)?;
    Ok(Calculated { side: side.side, gci, net, parts: told, lines })
}

/// The places of the side's payees, in the order listed.
fn seats<'a>(desk: &mut Desk<'a, '_>, members: &[Member<'a>], side: &'a Side) -> Result<Vec<usize>, Rejection> {
    if side.payees.len() > PAYEES_PER_DEAL {
        return Err(Rule::TooMany { count: side.payees.len(), bounds: refuse::PAYEES }.at("payees"));
    }
    let mut seats = Vec::with_capacity(side.payees.len());
    for (place, sharer) in side.payees.iter().enumerate() {
        let at = |rule: Rule| rule.at(Field::nth("payees", place, ""));
        let seat = desk.seat(members, &sharer.payee).map_err(at)?;
        if seats.contains(&seat) && !planted!(NamedTwice) {
            return Err(at(Rule::NamedTwice { name: sharer.payee.to_string() }));
        }
        if sharer.mentor.as_ref() == Some(&sharer.payee) {
            return Err(Rule::Conflicting("nobody is the own mentor").at(Field::nth("payees", place, "mentor")));
        }
        seats.push(seat);
    }
    Ok(seats)
}

fn seated<'a>(desk: &Desk<'a, '_>, seat: usize) -> Option<Member<'a>> {
    desk.seats.get(seat).map(|seat| seat.member)
}

/// What is taken off the top is taken once, whoever's plan says so.
fn agree(one: &Plan<'_>, other: &Plan<'_>) -> bool {
    let (one, other) = (one.document(), other.document());
    std::ptr::eq(one, other) || {
        one.off_the_top().eq(other.off_the_top()) && one.royalty_off_top() == other.royalty_off_top()
    }
}

fn weights(side: &Side) -> Result<Vec<u64>, Rejection> {
    let given: Vec<Rate> = side.payees.iter().filter_map(|sharer| sharer.weight).collect();
    if given.is_empty() {
        return Ok(vec![1; side.payees.len()]);
    }
    let sum = match given.iter().copied().try_fold(Rate::ZERO, Rate::plus) {
        Ok(Rate::ONE) if given.len() == side.payees.len() => {
            if let Some(nothing) = given.iter().position(|weight| *weight == Rate::ZERO) {
                let rule = Rule::Conflicting("who has no part of a side does not share it: leave the payee out");
                return Err(rule.at(Field::nth("payees", nothing, "weight")));
            }
            return Ok(given.into_iter().map(|weight| weight.mantissa().unsigned_abs()).collect());
        }
        Ok(sum) => sum.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Rule::WeightsDoNotSum { sum }.at("payees"))
}

fn shared(total: Money, weights: &[u64]) -> Result<Vec<Money>, Rule> {
    if weights.len() == 1 { Ok(vec![total]) } else { allocate(total, weights).map_err(split::unshared) }
}

/// Takes off the top what the deal and the first payee's plan say, in the plan's order. What is left.
fn take_off_top<'a>(
    side: &'a Side,
    first: Member<'a>,
    gci: Money,
    lines: &mut Vec<Line<'a>>,
) -> Result<Money, Rejection> {
    let document = first.plan.document();
    check_off_top(side, document.currency)?;
    let mut left = gci;
    for step in document.off_the_top() {
        if let (Step::Royalty, Some(rate)) = (step, document.royalty_off_top()) {
            let because = (Some(first.plan), Field::at("royalty.rate"));
            let line = off_top(
                planted!(OffTopOfWhole => gci, left),
                Quantity::Rate(rate),
                document.rounding,
                because,
                (Party::Franchise, Kind::Royalty),
            );
            left = take(left, line.map_err(|rule| rule.at("off_top"))?, lines).map_err(|rule| rule.at("off_top"))?;
        }
        for (index, item) in side.off_top.iter().enumerate() {
            let (amount, to) = match (step, item) {
                (Step::Concession, OffTop::Concession(amount)) => (*amount, (Party::Client, Kind::Concession)),
                (Step::ReferralOut, OffTop::ReferralOut { to, amount }) => {
                    (*amount, (Party::Referrer(to.clone()), Kind::ReferralOut))
                }
                _ => continue,
            };
            let field = Field::nth("off_top", index, "");
            let line = off_top(planted!(OffTopOfWhole => gci, left), amount, document.rounding, (None, field), to);
            left = take(left, line.map_err(|rule| rule.at(field))?, lines).map_err(|rule| rule.at(field))?;
        }
    }
    Ok(left)
}

fn off_top<'a>(
    left: Money,
    amount: Quantity,
    rounding: Rounding,
    (plan, field): (Option<Plan<'a>>, Field),
    (party, kind): (Party, Kind),
) -> Result<Line<'a>, Rule> {
    let (amount, reason) = match amount {
        Quantity::Flat(flat) => (flat, Reason::Stated),
        Quantity::Rate(rate) => (rate.of(left, rounding)?, Reason::RateOf { rate, of: Of::Left, base: left }),
    };
    let because = Because::unlimited(plan, field, reason, amount);
    Ok(Line { of: None, party, kind, name: None, amount, because })
}

fn take<'a>(left: Money, line: Line<'a>, lines: &mut Vec<Line<'a>>) -> Result<Money, Rule> {
    let rest = left.minus(line.amount)?;
    if rest.is_negative() && !planted!(OffTopUnbounded) {
        mark!(ExceedsCommission);
        return Err(Rule::ExceedsCommission { taken: line.amount, left });
    }
    if !line.amount.is_zero() {
        lines.push(line);
    }
    Ok(rest)
}

/// What the company and the payee have of the split.
fn split_lines<'a>(member: Member<'a>, sharer: &'a Sharer, part: Money, cut: &Cut<'a>, lines: &mut Vec<Line<'a>>) {
    let plan = Some(member.plan);
    let of = Some(&sharer.payee);
    let line = |party, kind, amount, because| Line { of, party, kind, name: None, amount, because };
    let (field, reason) = cut.because;
    let full = if cut.capped { cut.company_dollar } else { cut.uncapped };
    let (room, room_share) = (cut.room, cut.room_share);
    let because = Because { room, room_share, ..Because::unlimited(plan, field, reason, full) };
    lines.push(line(Party::Company, Kind::CompanyDollar, cut.company_dollar, because));
    if let Some((rate, base)) = cut.post_cap.filter(|_| !cut.extra.is_zero()) {
        let reason = Reason::RateOf { rate, of: Of::Beyond, base };
        let because = Because::unlimited(plan, Field::at("cap.post_cap.company"), reason, cut.extra);
        lines.push(line(Party::Company, Kind::PostCapCompany, cut.extra, because));
    }
    let reason = Reason::Rest { part, company_dollar: cut.company_dollar, post_cap_company: cut.extra };
    let because = Because::unlimited(plan, Field::at("split"), reason, cut.share);
    lines.push(line(Party::Payee(sharer.payee.clone()), Kind::Share, cut.share, because));
}

fn check_adjustments(side: &Side, currency: Currency) -> Result<(), Rejection> {
    for (index, adjustment) in side.adjustments.iter().enumerate() {
        let at = |name, rule: Rule| rule.at(Field::nth("adjustments", index, name));
        let amount = adjustment.amount;
        Money::zero(currency).same_currency(amount).map_err(|error| at("amount", error.into()))?;
        if !amount.is_positive() {
            return Err(at("amount", Rule::NotPositive { amount }));
        }
        if adjustment.from == adjustment.to {
            return Err(at("to", Rule::Conflicting("an adjustment moves money from one party to another")));
        }
        for (name, party) in [("from", &adjustment.from), ("to", &adjustment.to)] {
            let Party::Payee(payee) = party else { continue };
            if !side.payees.iter().any(|sharer| sharer.payee == *payee) {
                return Err(at(name, Rule::UnknownPayee { payee: payee.clone() }));
            }
        }
    }
    Ok(())
}

fn adjust<'a>(
    desk: &Desk<'a, '_>,
    seats: &[usize],
    side: &'a Side,
    currency: Currency,
    lines: &mut Vec<Line<'a>>,
) -> Result<(), Rejection> {
    for (index, adjustment) in side.adjustments.iter().enumerate() {
        let Adjustment { from, to, amount, reason, actor } = adjustment;
        for (party, amount) in [(from, amount.negated()), (to, *amount)] {
            let field = Field::nth("adjustments", index, "");
            let because = Because::unlimited(None, field, Reason::Decided { actor }, amount);
            let (party, name) = (party.clone(), Some(reason));
            lines.push(Line { of: None, party, kind: Kind::Adjustment, name, amount, because });
        }
    }
    // Only what is decided by hand can take more from a payee than the steps before, which were checked, left.
    let payers: BTreeSet<&Party> = side.adjustments.iter().map(|adjustment| &adjustment.from).collect();
    for (place, (sharer, seat)) in side.payees.iter().zip(seats).enumerate() {
        let party = Party::Payee(sharer.payee.clone());
        let may_owe = seated(desk, *seat).is_some_and(|m| m.plan.document().deficit == Deficit::Receivable);
        if may_owe || !payers.contains(&party) {
            continue;
        }
        let at = |rule: Rule| rule.at(Field::nth("payees", place, ""));
        let own = lines.iter().filter(|line| line.party == party).map(|line| line.amount);
        let amount = Money::sum(currency, own).map_err(|error| at(error.into()))?;
        if amount.is_negative() {
            return Err(at(Rule::Deficit { payee: sharer.payee.clone(), amount }));
        }
    }
    Ok(())
}

/// What the side leaves behind for the next one, and for the next deal.
fn count(desk: &mut Desk<'_, '_>, parts: &[(usize, Money)], cuts: &[Cut<'_>], units: u32) -> Result<(), Rule> {
    for ((seat, part), cut) in parts.iter().zip(cuts) {
        let Some(seat) = desk.seats.get_mut(*seat) else { continue };
        seat.been_here = true;
        for place in &seat.caps {
            if let Some(cap) = desk.caps.get_mut(*place).filter(|_| cut.company_dollar.is_positive()) {
                let counts = planted!(PostCapShareCounts => cut.company_dollar.plus(cut.extra)?, cut.company_dollar);
                cap.after = cap.after.plus(counts)?;
            }
        }
        if let Some(known) = seat.attainment.and_then(|place| desk.attained.get_mut(place)) {
            let counts = planted!(BeyondAttained => cut.company_dollar.plus(cut.extra)?, cut.company_dollar);
            let after = known.after.with(*part, planted!(OneUnit => 1, units))?.with_company_dollar(counts)?;
            known.after = Attained { accrued: after.accrued.plus(cut.share)?, ..after };
        }
    }
    Ok(())
}
