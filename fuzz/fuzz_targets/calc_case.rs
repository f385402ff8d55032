//! See [`ledger_fuzz::calc_case`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(calc_case);
