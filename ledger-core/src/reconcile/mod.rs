//! Compares the ledger with what others say of it: kept states, exported registers, and the laws of the log itself.
