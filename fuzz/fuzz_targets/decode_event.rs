//! See [`ledger_fuzz::decode_event`].
#![cfg_attr(fuzzing, no_main)]
ledger_fuzz::target!(decode_event);
