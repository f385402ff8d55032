//! Arithmetic with whole minor units and billionths.
