//! See [`ledger_fuzz::transitions`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(transitions);
