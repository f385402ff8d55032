//! See [`ledger_fuzz::allocate`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(allocate);
