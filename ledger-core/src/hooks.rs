//! What looks into the ledger from a test bench, and is not there in an ordinary build: bugs that are planted on purpose, and
//! marks that say which rare branches were reached.

/// A bug of [`planted`](crate::planted), to see that it is found. `planted!(Bug)` asks whether it is planted;
/// `planted!(Bug => wrong, right)` is the wrong thing if it is, else the right one;
/// `planted!(Bug => besides);` does something more if it is.
///
/// Without `--cfg ledger_planted` these are `false`, `right` and nothing at all.
#[cfg(not(ledger_planted))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
    ($bug:ident => $wrong:expr, $right:expr) => {
        $right
    };
    ($bug:ident => $besides:expr) => {};
}
#[cfg(ledger_planted)]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is($crate::planted::Bug::$bug)
    };
    ($bug:ident => $wrong:expr, $right:expr) => {
        if planted!($bug) { $wrong } else { $right }
    };
    ($bug:ident => $besides:expr) => {
        if planted!($bug) {
            $besides;
        }
    };
}

/// Counts that a branch was reached, or with a condition, that it was reached and the condition held. Without the feature
/// `marks` nothing is left of it.
#[cfg(not(feature = "marks"))]
macro_rules! mark {
    ($mark:ident $(, $when:expr)?) => {{}};
}
#[cfg(feature = "marks")]
macro_rules! mark {
    ($mark:ident) => {
        $crate::marks::hit($crate::marks::Mark::$mark)
    };
    ($mark:ident, $when:expr) => {
        if $when {
            mark!($mark);
        }
    };
}
