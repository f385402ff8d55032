//! See [`ledger_fuzz::money`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(money);
