//! How one payee's part of a deal is split with the company, before any cap.

use super::exact::{Exact, sum};
use super::terms::{Band, Measure, Measures, Mode, Split};

/// A part of a deal, cut into pieces that each lie in one band.
pub(super) struct Cut {
    pieces: Vec<Piece>,
    /// The company's share.
    pub company: Exact,
    /// The least share of the payee.
    minimum: Option<Exact>,
    /// The payee's share is the least.
    pub at_minimum: bool,
}

struct Piece {
    net: Exact,
    payee: Exact,
    company: Exact,
}

impl Piece {
    fn of(band: &Band, net: Exact) -> Self {
        Self { net, payee: band.payee.clone(), company: band.company.clone() }
    }
}

/// Splits a part, given what the payee came to before.
pub(super) fn cut(split: &Split, part: &Exact, before: &Measures, units: &Exact, half_even: bool) -> Cut {
    let none = Measures::none();
    let before = if split.per_deal { &none } else { before };
    let revenue = &before.revenue + part;
    let reached = match split.measure {
        Measure::Units => &before.units + units,
        _ => revenue.clone(),
    };
    let pieces = match split.measure {
        Measure::Nothing => split.bands.iter().map(|band| Piece::of(band, part.clone())).collect(),
        Measure::CompanyDollar => by_company_dollar(&split.bands, part, &before.company_dollar),
        Measure::Revenue => between(&split.bands, &before.revenue, &revenue, part),
        Measure::Units => between(&split.bands, &before.units, &reached, part),
    };
    let company_of = |piece: &Piece| &piece.net * &piece.company;
    let payee_of = |piece: &Piece| &piece.net * &piece.payee;
    let rate = || band_at(&split.bands, &reached).map_or_else(Exact::zero, |band| band.payee.clone());
    let company = match (&split.mode, split.measure) {
        (Mode::Marginal, Measure::Nothing | Measure::CompanyDollar) => {
            sum(&pieces.iter().map(company_of).collect::<Vec<_>>()).round(half_even)
        }
        (Mode::Marginal, _) => part - sum(&pieces.iter().map(payee_of).collect::<Vec<_>>()).round(half_even),
        (Mode::Retroactive, _) => part - (((rate() * &revenue).round(half_even)) - &before.accrued),
        (Mode::AboveQuota(quota), _) => {
            part - ((rate() * (&revenue - quota).or_zero()).round(half_even) - &before.accrued)
        }
    };
    let minimum = split.minimum.clone().filter(|_| part.is_positive());
    let raised = minimum.as_ref().map(|minimum| part - minimum).filter(|left| *left < company);
    Cut { pieces, at_minimum: raised.is_some(), company: raised.unwrap_or(company), minimum }
}

/// The last band whose beginning is reached.
fn band_at<'a>(bands: &'a [Band], measure: &Exact) -> Option<&'a Band> {
    bands.iter().rev().find(|band| band.from <= *measure)
}

/// The part spread evenly over the way that the measure goes; all of it where the measure stands if it does not move.
fn between(bands: &[Band], start: &Exact, end: &Exact, part: &Exact) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut above = None;
    for band in bands.iter().rev() {
        let to = above.map_or(end, |above: &Exact| above.min(end));
        let way = (to - band.from.clone().max(start.clone())).or_zero();
        let whole_way = end - start;
        match (way * part).over(&whole_way) {
            Some(net) => pieces.push(Piece::of(band, net)),
            None => return band_at(bands, start).map(|band| Piece::of(band, part.clone())).into_iter().collect(),
        }
        above = Some(&band.from);
    }
    pieces.reverse();
    pieces
}

/// The walk up a ladder of company dollars: each band takes as much of the part as fills it.
fn by_company_dollar(bands: &[Band], part: &Exact, contributed: &Exact) -> Vec<Piece> {
    let (mut stands, mut rest, mut pieces) = (contributed.clone(), part.clone(), Vec::new());
    for (band, next) in bands.iter().zip(bands.iter().skip(1).map(Some).chain([None])) {
        if next.is_some_and(|next| next.from <= stands) {
            continue;
        }
        let fills = next.and_then(|next| (&next.from - &stands).over(&band.company));
        let net = fills.map_or(rest.clone(), |fills| fills.min(rest.clone()));
        rest = rest - &net;
        stands = next.map_or(stands, |next| next.from.clone());
        pieces.push(Piece::of(band, net));
    }
    pieces
}

impl Cut {
    /// The least part of the deal of which the company's share is exactly so much.
    pub(super) fn net_that_yields(&self, company: &Exact) -> Exact {
        let (mut net, mut rest) = (Exact::zero(), company.clone());
        for piece in &self.pieces {
            match rest.over(&piece.company) {
                Some(needed) if needed <= piece.net => {
                    net = net + needed;
                    rest = Exact::zero();
                }
                _ if rest.is_positive() => {
                    net = net + &piece.net;
                    rest = rest - &piece.net * &piece.company;
                }
                _ => {}
            }
            if !rest.is_positive() {
                break;
            }
        }
        // The ladder leaves so much to the company, and the minimum must too.
        self.minimum.as_ref().map_or(net.clone(), |minimum| net.max(company + minimum))
    }
}
