//! The split of the payees' parts with the company, and the caps on it.

use super::accounts::{Attained, Desk, Owner, Seat};
use super::document::{Capped, Crossing, Document, Per, Split, Tiered, Tiers};
use super::explain::{Of, Reason};
use super::field::Field;
use super::ladder::{Band, climb, net_yielding};
use super::ratio::Ratio;
use super::refuse::Rule;
use crate::allocation::{AllocationError, allocate};
use crate::money::Money;
use crate::rate::Rate;

/// What a split makes of a payee's part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut<'a> {
    /// Whether the payee had no room as the side began.
    pub(super) capped: bool,
    /// Whether the side crosses the cap.
    pub(super) crossed: bool,
    /// What counts to the caps.
    pub(super) company_dollar: Money,
    /// What of the part is beyond the cap, exactly.
    pub(super) beyond: Ratio,
    /// The company's rate of that, and what it is rounded; none where nothing is beyond the cap.
    pub(super) post_cap: Option<(Rate, Money)>,
    /// What the company has of that.
    pub(super) extra: Money,
    /// What the payee has.
    pub(super) share: Money,
    /// How the company dollar came about: under which field, from what.
    pub(super) because: (Field, Reason<'a>),
    /// What the company would have without a cap.
    pub(super) uncapped: Money,
    /// What was left under the cap that bound it.
    pub(super) room: Option<Money>,
    /// What of that is the payee's, where it is shared.
    pub(super) room_share: Option<Money>,
}

/// A part before the caps.
struct Uncut<'a> {
    part: Money,
    because: (Field, Reason<'a>),
    uncapped: Money,
    bands: Vec<Band>,
    /// The least room of all caps that bind the payee.
    room: Option<Money>,
    /// What may count: at first what is wanted, at last what the pools leave of it.
    counts: Money,
    /// The room of the pool that leaves the least, and what of it the payee has.
    pool: Option<(Money, Money)>,
}

impl Uncut<'_> {
    fn is_capped(&self) -> bool {
        self.room.is_some_and(Money::is_zero)
    }
}

/// Splits the parts of a side, each given with its payee's seat.
pub(super) fn split<'a>(
    desk: &Desk<'a, '_>,
    parts: &[(usize, Money)],
    units: u32,
) -> Result<Vec<Cut<'a>>, (usize, Rule)> {
    let mut uncut = Vec::with_capacity(parts.len());
    for (place, (seat, part)) in parts.iter().enumerate() {
        let seat = desk.seats.get(*seat).ok_or((place, Rule::Overflow))?;
        uncut.push(want(desk, seat, *part, units).map_err(|rule| (place, rule))?);
    }
    let seats: Vec<&Seat<'a>> = parts.iter().filter_map(|(seat, _)| desk.seats.get(*seat)).collect();
    share_pools(desk, &seats, &mut uncut).map_err(|rule| (0, rule))?;
    let cut =
        |(place, (uncut, seat)): (usize, (&Uncut<'a>, &&Seat<'a>))| cut(uncut, seat).map_err(|rule| (place, rule));
    uncut.iter().zip(&seats).enumerate().map(cut).collect()
}

/// What the company would have of a part, and what of that has room under the payee's own caps.
fn want<'a>(desk: &Desk<'a, '_>, seat: &Seat<'a>, part: Money, units: u32) -> Result<Uncut<'a>, Rule> {
    let document = seat.member.plan.document();
    let (mut room, mut own): (Option<Money>, Option<Money>) = (None, None);
    for cap in seat.caps.iter().filter_map(|place| desk.caps.get(*place)) {
        let left = cap.room()?;
        room = Some(room.map_or(Ok(left), |room| room.min(left))?);
        if matches!(cap.account.of, Owner::Payee(_)) {
            own = Some(own.map_or(Ok(left), |own| own.min(left))?);
        }
    }
    let (uncapped, bands, because) = match &document.split {
        Split::Flat(shares) => {
            let bands = if room.is_some() {
                vec![Band { net: Ratio::whole(part.minor()), shares: *shares }]
            } else {
                Vec::new()
            };
            let because = Reason::RateOf { rate: shares.company, of: Of::Part, base: part };
            (shares.company.of(part, document.rounding)?, bands, (Field::at("split.flat.company"), because))
        }
        Split::Tiered(tiered) => {
            let nothing = Attained::nothing(document.currency);
            let attained = seat.attainment.and_then(|place| desk.attained.get(place));
            let attained = attained.map(|known| planted!(SidesBlind => known.before, known.after));
            let before = attained.filter(|_| tiered.per == Per::Year || planted!(TiersPerYear)).unwrap_or(nothing);
            let (uncapped, bands) = climb(tiered, &before, part, units, document.rounding)?;
            mark!(TierCrossed, bands.iter().filter(|band| band.net.is_positive()).count() > 1);
            let most = tiered
                .minimum
                .filter(|_| part.is_positive() || planted!(MinimumOfNothing))
                .map(|minimum| part.minus(minimum))
                .transpose()?;
            match most {
                Some(most) if most.compare(uncapped)?.is_lt() => {
                    mark!(MinimumPaid);
                    let because = Reason::Minimum { part, minimum: part.minus(most)?, tiers: uncapped };
                    (most, bands, (Field::at("split.tiered.minimum"), because))
                }
                _ => (uncapped, bands, (tiers_field(&tiered.tiers), Reason::Tiers { tiered, before, part, units })),
            }
        }
    };
    let zero = Money::zero(part.currency());
    let capped = room.is_some_and(Money::is_zero);
    let within = document.cap.as_ref().is_some_and(splits_within);
    let counts = match own {
        _ if capped => zero,
        Some(own) if within && uncapped.is_positive() => uncapped.min(own)?,
        _ => uncapped,
    };
    let because = if capped { (Field::at("cap.caps"), Reason::Capped) } else { because };
    Ok(Uncut { part, because, uncapped, bands, room, counts, pool: None })
}

fn tiers_field(tiers: &Tiers) -> Field {
    Field::at(match tiers {
        Tiers::CompanyDollar(_) => "split.tiered.tiers.company_dollar",
        Tiers::Revenue(_) => "split.tiered.tiers.revenue",
        Tiers::Units(_) => "split.tiered.tiers.units",
        Tiers::Attainment { .. } => "split.tiered.tiers.attainment",
    })
}

/// Shares the room of each pool by what its members of the side want of it. A member of several has the least.
fn share_pools(desk: &Desk<'_, '_>, seats: &[&Seat<'_>], uncut: &mut [Uncut<'_>]) -> Result<(), Rule> {
    let wants: Vec<Money> = uncut.iter().map(|uncut| uncut.counts).collect();
    for (place, pool) in desk.caps.iter().enumerate().filter(|(_, cap)| matches!(cap.account.of, Owner::Pool(_))) {
        let wanted = |(seat, want): (&&Seat<'_>, &Money)| {
            let within = seat.member.plan.document().cap.as_ref().is_some_and(splits_within);
            let of_pool = within && want.is_positive() && seat.caps.contains(&place);
            if of_pool { want.minor().unsigned_abs() } else { 0 }
        };
        let weights: Vec<u64> = seats.iter().zip(&wants).map(wanted).collect();
        let (room, all) = (pool.room()?, weights.iter().copied().map(i128::from).sum::<i128>());
        if all <= room.minor().into() || planted!(PoolRoomToEach) {
            continue;
        }
        mark!(PoolSharedOut, weights.iter().filter(|weight| **weight > 0).count() > 1);
        let shares = allocate(room, &weights).map_err(unshared)?;
        for ((uncut, share), _) in uncut.iter_mut().zip(shares).zip(weights).filter(|(_, weight)| *weight > 0) {
            if share.compare(uncut.counts)?.is_lt() {
                (uncut.counts, uncut.pool) = (share, Some((room, share)));
            }
        }
    }
    Ok(())
}

fn splits_within(capped: &Capped) -> bool {
    capped.crossing == planted!(CrossingInverted => Crossing::WholeDealPreCap, Crossing::SplitWithinDeal)
}

fn cut<'a>(uncut: &Uncut<'a>, seat: &Seat<'a>) -> Result<Cut<'a>, Rule> {
    let Uncut { part, because, uncapped, ref bands, room, counts: company_dollar, pool } = *uncut;
    let document = seat.member.plan.document();
    let capped = uncut.is_capped();
    let crossed =
        !capped && (company_dollar.compare(uncapped)?.is_lt() || planted!(ExactHitCrosses) && room == Some(uncapped));
    mark!(CappedFromTheStart, capped);
    mark!(CapCrossed, crossed);
    mark!(CapCrossedOnTiers, crossed && matches!(document.split, Split::Tiered(_)));
    mark!(NegativeCompanyDollar, company_dollar.is_negative());
    mark!(CapHitExactly, !capped && room == Some(uncapped));
    mark!(CapOvershot, room.is_some_and(|room| company_dollar.minor() > room.minor()));
    let whole = Ratio::whole(part.minor());
    let beyond = match (capped, crossed) {
        (true, _) => whole,
        (false, true) if planted!(BeyondOfRest) => whole.minus(Ratio::whole(company_dollar.minor()))?,
        (false, true) => whole.minus(least_net(document, bands, company_dollar)?)?,
        (false, false) => Ratio::ZERO,
    };
    let post_cap = document.cap.as_ref().map(|capped| capped.post_cap.company).filter(|_| capped || crossed);
    let rounded = |exact: Ratio| Money::from_minor(exact.round(document.rounding)?, part.currency());
    let extra = match post_cap {
        None => Money::zero(part.currency()),
        Some(rate) => rounded(beyond.times(Ratio::rate(rate))?)?,
    };
    let post_cap = post_cap.map(|rate| rounded(beyond).map(|base| (rate, base))).transpose()?;
    let share = part.minus(company_dollar)?.minus(extra)?;
    let room = pool.map(|(room, _)| room).or(room).filter(|_| !capped);
    let room_share = pool.filter(|(room, share)| room != share).map(|(_, share)| share);
    Ok(Cut { capped, crossed, company_dollar, beyond, post_cap, extra, share, because, uncapped, room, room_share })
}

/// The least net of which the company has so much, the payee having its minimum of it.
fn least_net(document: &Document, bands: &[Band], company_dollar: Money) -> Result<Ratio, Rule> {
    let net = net_yielding(bands, company_dollar)?;
    let Split::Tiered(Tiered { minimum: Some(minimum), .. }) = &document.split else { return Ok(net) };
    if planted!(CrossingWithoutMinimum) {
        return Ok(net);
    }
    let least = Ratio::whole(minimum.plus(company_dollar)?.minor());
    Ok(if least.compare(net).is_gt() { least } else { net })
}

/// Nothing but sums can go wrong where weights are known to be above zero.
pub(super) fn unshared(error: AllocationError) -> Rule {
    match error {
        AllocationError::Money(error) => error.into(),
        AllocationError::NoWeights { .. } | AllocationError::NoPositiveWeight { .. } => {
            Rule::WeightsDoNotSum { sum: "0".into() }
        }
    }
}
