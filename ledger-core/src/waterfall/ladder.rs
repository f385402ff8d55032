//! Tiers: which of them a payee's part lies in, and what the payee has of it.

use super::accounts::Attained;
use super::document::{Mode, Shares, Tier, Tiered, Tiers};
use super::ratio::Ratio;
use super::refuse::Rule;
use crate::money::{Money, MoneyError};
use crate::rate::{Rate, Rounding};

/// What of a part lies in one tier, exactly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) net: Ratio,
    pub(super) shares: Shares,
}

/// What the company would have of a part without a cap, and the bands that it comes from; none where the tiers are not marginal.
pub(super) fn climb(
    tiered: &Tiered,
    before: &Attained,
    part: Money,
    units: u32,
    rounding: Rounding,
) -> Result<(Money, Vec<Band>), Rule> {
    let amount = |exact: Ratio| Money::from_minor(exact.round(rounding)?, part.currency());
    let after = before.with(part, units)?;
    let (payee, bands) = match tiered.mode {
        Mode::Marginal => {
            let bands = bands(&tiered.tiers, before, part, units)?;
            let payee = match &tiered.tiers {
                Tiers::CompanyDollar(_) => part.minus(amount(total(&bands, |shares| shares.company)?)?)?,
                _ => amount(total(&bands, |shares| shares.payee)?)?,
            };
            (payee, bands)
        }
        Mode::Retroactive => {
            let all = Ratio::whole(after.revenue.minor()).times(Ratio::rate(reached(&tiered.tiers, &after)?))?;
            (amount(all)?.minus(planted!(AccruedAgain => Money::zero(part.currency()), before.accrued))?, Vec::new())
        }
        Mode::AboveQuota => {
            let zero = Money::zero(part.currency());
            let quota = if let Tiers::Attainment { quota, .. } = &tiered.tiers { *quota } else { zero };
            let excess = quota.min(after.revenue).and_then(|below| after.revenue.minus(below))?;
            let all = Ratio::whole(excess.minor()).times(Ratio::rate(reached(&tiered.tiers, &after)?))?;
            (amount(all)?.minus(before.accrued)?, Vec::new())
        }
    };
    mark!(TrueUpBelowZero, payee.is_negative());
    Ok((part.minus(payee)?, bands))
}

/// The least net of which the company has so much.
pub(super) fn net_yielding(bands: &[Band], company_dollar: Money) -> Result<Ratio, Rule> {
    let (mut net, mut left) = (Ratio::ZERO, Ratio::whole(company_dollar.minor()));
    for band in bands {
        if !left.is_positive() {
            break;
        }
        let company = Ratio::rate(band.shares.company);
        let yields = band.net.times(company)?;
        if left.compare(yields).is_le() {
            return Ok(net.plus(left.over(company)?)?);
        }
        (net, left) = (net.plus(band.net)?, left.minus(yields)?);
    }
    Ok(net)
}

fn total(bands: &[Band], share: impl Fn(&Shares) -> Rate) -> Result<Ratio, MoneyError> {
    bands.iter().try_fold(Ratio::ZERO, |sum, band| sum.plus(band.net.times(Ratio::rate(share(&band.shares)))?))
}

/// The part cut up where a tier ends. The bands sum to the part.
pub(super) fn bands(tiers: &Tiers, before: &Attained, part: Money, units: u32) -> Result<Vec<Band>, Rule> {
    let net = Ratio::whole(part.minor());
    let from = Ratio::whole(before.revenue.minor());
    match tiers {
        Tiers::CompanyDollar(tiers) => {
            Ok(climb_company_dollar(tiers, Ratio::whole(before.company_dollar.minor()), net)?)
        }
        Tiers::Revenue(tiers) => Ok(cut(tiers, |from| Ok(Ratio::whole(from.minor())), from, net)?),
        Tiers::Attainment { quota, tiers } => {
            let quota = Ratio::whole(quota.minor());
            Ok(cut(tiers, |from| Ratio::rate(*from).times(quota), from, net)?)
        }
        Tiers::Units(tiers) => {
            let (from, count) = (Ratio::whole(before.units), Ratio::whole(units));
            if units == 0 {
                let shares = standing(tiers, |from| Ok(Ratio::whole(*from)), from)?;
                return Ok(shares.map(|shares| Band { net, shares }).into_iter().collect());
            }
            let mut bands = cut(tiers, |from| Ok(Ratio::whole(*from)), from, count)?;
            for band in &mut bands {
                // The part is spread evenly over the units.
                band.net = band.net.times(net)?.over(count)?;
            }
            Ok(bands)
        }
    }
}

/// A stretch of a measure, cut where a tier ends.
fn cut<F>(
    tiers: &[Tier<F>],
    at: impl Fn(&F) -> Result<Ratio, MoneyError>,
    start: Ratio,
    length: Ratio,
) -> Result<Vec<Band>, MoneyError> {
    let end = start.plus(length)?;
    let (mut bands, mut reached) = (Vec::with_capacity(tiers.len()), start);
    for (i, tier) in tiers.iter().enumerate() {
        let within = tiers.get(i + 1).map_or(Ok(end), |next| at(&next.from))?.min(end);
        let ends = planted!(WholePartAtLastTier => if within.compare(end).is_lt() { reached } else { within }, within);
        if ends.compare(reached).is_gt() {
            bands.push(Band { net: ends.minus(reached)?, shares: tier.shares() });
            reached = ends;
        }
    }
    Ok(bands)
}

/// A part, cut where what the company has of it comes to the end of a tier.
fn climb_company_dollar(tiers: &[Tier<Money>], start: Ratio, part: Ratio) -> Result<Vec<Band>, MoneyError> {
    let (mut bands, mut reached, mut left) = (Vec::with_capacity(tiers.len()), start, part);
    for (i, tier) in tiers.iter().enumerate() {
        let ends = tiers.get(i + 1).map(|next| Ratio::whole(next.from.minor()));
        if !left.is_positive() || ends.is_some_and(|ends| ends.compare(reached).is_le()) {
            continue;
        }
        let company = Ratio::rate(tier.company);
        // Where the company has nothing, no tier ends.
        let fills =
            ends.filter(|_| company.is_positive()).map(|ends| ends.minus(reached)?.over(company)).transpose()?;
        let net = fills.map_or(left, |fills| fills.min(left));
        bands.push(Band { net, shares: tier.shares() });
        (left, reached) = (left.minus(net)?, ends.unwrap_or(reached));
    }
    Ok(bands)
}

/// The payee's rate of the tier that a measure has reached.
pub(super) fn reached(tiers: &Tiers, after: &Attained) -> Result<Rate, Rule> {
    let revenue = Ratio::whole(after.revenue.minor());
    let shares = match tiers {
        Tiers::CompanyDollar(tiers) => {
            standing(tiers, |from| Ok(Ratio::whole(from.minor())), Ratio::whole(after.company_dollar.minor()))
        }
        Tiers::Revenue(tiers) => standing(tiers, |from| Ok(Ratio::whole(from.minor())), revenue),
        Tiers::Units(tiers) => standing(tiers, |from| Ok(Ratio::whole(*from)), Ratio::whole(after.units)),
        Tiers::Attainment { quota, tiers } => {
            let quota = Ratio::whole(quota.minor());
            standing(tiers, |from| Ratio::rate(*from).times(quota), revenue)
        }
    }?;
    Ok(shares.map_or(Rate::ZERO, |shares| shares.payee))
}

/// The last tier that begins at or below a measure.
fn standing<F>(
    tiers: &[Tier<F>],
    at: impl Fn(&F) -> Result<Ratio, MoneyError>,
    measure: Ratio,
) -> Result<Option<Shares>, MoneyError> {
    let mut found = None;
    for tier in tiers {
        let compared = at(&tier.from)?.compare(measure);
        if planted!(TierOnlyAbove => compared.is_lt(), compared.is_le()) {
            found = Some(tier.shares());
        }
    }
    Ok(found)
}
