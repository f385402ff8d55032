//! Makes the story of a failure shorter, as long as the same check finds it.

use crate::case::Case;
use crate::fault::Fault;
use crate::run::{Report, Setup, run};

/// A smaller case that fails the same check, after at most so many runs.
#[must_use]
pub fn shrink(case: &Case, failed: &Report, setup: &Setup, runs: u32, mut progress: impl FnMut()) -> Case {
    let Some(check) = failed.violation.as_ref().map(|violation| violation.check) else { return case.clone() };
    let mut left = runs;
    let mut fails = |case: &Case| {
        left = left.saturating_sub(1);
        progress();
        left > 0 && run(case, setup).violation.is_some_and(|violation| violation.check == check)
    };
    let mut best = case.clone();
    best.steps = u32::try_from(failed.steps).unwrap_or(case.steps).min(case.steps);
    let struck = Fault::ALL.iter().zip(failed.hits).filter(|(_, hits)| *hits > 0);
    for (fault, _) in struck {
        let without = best.without.iter().chain([fault]).copied().collect();
        keep_if(&mut best, |best| Case { without, ..best.clone() }, &mut fails);
    }
    for writers in [1, 2, 4] {
        if best.writers.is_none() {
            keep_if(&mut best, |best| Case { writers: Some(writers), ..best.clone() }, &mut fails);
        }
    }
    let mut size = best.steps.div_ceil(2);
    while size > 0 {
        for start in (0..best.steps).step_by(usize::try_from(size).unwrap_or(1)) {
            let end = start.saturating_add(size).min(best.steps) - 1;
            if (start..=end).any(|step| !best.drops(step)) {
                keep_if(&mut best, |best| dropping(best, start, end), &mut fails);
            }
        }
        size /= 2;
    }
    best
}

fn keep_if(best: &mut Case, change: impl FnOnce(&Case) -> Case, fails: &mut impl FnMut(&Case) -> bool) {
    let smaller = change(best);
    if fails(&smaller) {
        *best = smaller;
    }
}

/// The case without some more of its steps, the ranges joined where they touch.
fn dropping(case: &Case, start: u32, end: u32) -> Case {
    let mut dropped = Vec::new();
    for step in (0..case.steps).filter(|step| (start..=end).contains(step) || case.drops(*step)) {
        match dropped.last_mut() {
            Some(last) if *<std::ops::RangeInclusive<u32>>::end(last) + 1 == step => *last = *last.start()..=step,
            _ => dropped.push(step..=step),
        }
    }
    Case { dropped, ..case.clone() }
}
