//! See [`ledger_fuzz::replay`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(replay);
