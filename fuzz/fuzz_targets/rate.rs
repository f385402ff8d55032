//! See [`ledger_fuzz::rate`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(rate);
