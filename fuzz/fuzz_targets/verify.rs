//! See [`ledger_fuzz::verify`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(verify);
