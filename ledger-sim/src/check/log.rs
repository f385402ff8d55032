//! The log as it is stored, read again from its beginning.

use ledger_core::projection::replay::{ReplayError, replay, replay_through};
use ledger_core::projection::{All, Projected, Projection};
use ledger_core::reconcile;
use ledger_core::recorded::decode_page;
use ledger_core::verify::verify;

use crate::book::{Book, Violation, broken};
use crate::scheduler::now;

/// The chain holds, the log keeps its own laws, and a replay, from zero or from a checkpoint that was kept in the middle, through
/// pages of some size, comes to what was folded live, byte for byte.
///
/// # Errors
/// The first [`Violation`].
pub fn replays(book: &Book, page: usize) -> Result<(), Violation> {
    let (store, name) = (&**book.store(), &book.name);
    if let Err(error) = now(verify(store, name, None, |_| {})) {
        return broken("verify", error.to_string());
    }
    let laws = now(reconcile::log::check(store, name, page, |_| {}));
    match laws {
        Ok(report) if report.is_clean() => {}
        Ok(report) => return broken("laws", format!("{:?}", report.differences().first())),
        Err(error) => return broken("replay", error.to_string()),
    }
    let middle = book.end_in_the_middle();
    let fold = async {
        let whole: Projected<All> = replay(store, name, Projected::new(), page, |_| {}).await?;
        let half: Projected<All> = replay_through(store, name, Projected::new(), middle, page, |_| {}).await?;
        Ok((whole, half))
    };
    let (mut whole, half) = now(fold).or_else(|error: ReplayError| broken("replay", error.to_string()))?;
    let kept = half.save_each().or_else(|error| broken("checkpoint", error.to_string()))?;
    let half = Projected::<All>::restore_each(&kept).or_else(|error| broken("checkpoint", error.to_string()))?;
    let half = now(replay(store, name, half, page, |_| {})).or_else(|error| broken("replay", error.to_string()))?;
    // What is delivered again changes nothing.
    let again = now(store.read_log(name, 0, page)).or_else(|error| broken("log", error.to_string()))?;
    let again = decode_page(name.as_str(), 0, &again).or_else(|error| broken("log", error.to_string()))?;
    whole.fold(&again).or_else(|gap| broken("replay", gap.to_string()))?;
    let (live, whole, half) = (book.projected.state(), whole.state(), half.state());
    for ((name, live), ((_, whole), (_, half))) in
        live.fingerprints().into_iter().zip(whole.fingerprints().into_iter().zip(half.fingerprints()))
    {
        if live != whole {
            return broken("replay", format!("{name} replayed is not what was folded live"));
        }
        if live != half {
            return broken("checkpoint", format!("{name} replayed from event {middle} is not what was folded live"));
        }
    }
    // Equal fingerprints are equal bytes; the states must also be equal as values.
    if live != whole || live.canonical() != half.canonical() {
        return broken("fingerprint", "states differ whose fingerprints do not");
    }
    Ok(())
}
