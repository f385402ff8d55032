//! See [`ledger_fuzz::plan_document`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(plan_document);
