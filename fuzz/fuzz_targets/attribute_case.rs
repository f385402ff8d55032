//! See [`ledger_fuzz::attribute_case`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(attribute_case);
