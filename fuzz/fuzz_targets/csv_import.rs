//! See [`ledger_fuzz::csv_import`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(csv_import);
