//! Pools: shares of a deal that are divided equally among their members, all on one whole-number scale.

use super::refuse::Fault;

/// A share of the whole, and among how many it is divided. A pool without members is not there, and the others are the whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pool {
    pub share: u128,
    pub members: u128,
}

/// What one member of each pool weighs.
pub(crate) fn per_member(pools: &[Pool]) -> Result<Vec<u128>, Fault> {
    let present = || pools.iter().filter(|pool| pool.share > 0 && pool.members > 0);
    let common_share = present().fold(0, |common, pool| gcd(pool.share, common)).max(1);
    let scale = present().try_fold(1_u128, |scale, pool| {
        let members = pool.members / gcd(pool.members, pool.share / common_share);
        (scale / gcd(scale, members)).checked_mul(members)
    });
    let scale = scale.ok_or(Fault::Scale)?;
    let weight = |pool: &Pool| {
        if pool.members == 0 {
            return Some(0);
        }
        let share = pool.share / common_share;
        let common = gcd(pool.members, share).max(1);
        (share / common).checked_mul(scale / (pool.members / common))
    };
    pools.iter().map(|pool| weight(pool).ok_or(Fault::Scale)).collect()
}

/// The greatest common divisor; of a number and 0 the number.
pub(crate) const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
