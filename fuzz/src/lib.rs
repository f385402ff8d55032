//! Laws that hold for any bytes whatever. Each is a function that panics when its law is broken, not only when the library
//! falls over: it compares the library with arithmetic, a grammar, a fold or a model of its own.
//!
//! ```sh
//! cargo test -p ledger-fuzz                      # every law over the kept inputs, in seconds
//! fuzz/run 480                                   # every law for 480 seconds each, on a nightly toolchain with cargo-fuzz
//! cargo +nightly fuzz run money                  # one law, until it breaks
//! cargo run -p ledger-fuzz --bin money -- FILE   # one law over one input: to look at a crash
//! ```
//!
//! `corpus/LAW` holds the inputs that together reach what the fuzzer has reached; `crashes/LAW` holds every input that ever
//! broke a law, with its story in `crashes/README.md`. A law's inputs are text where that is possible, so that they can be
//! written by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that panics is broken, which is what it is for"
)]

mod allocate;
mod attribute_case;
mod calc_case;
mod csv_import;
mod decode_event;
mod money;
mod plan_document;
mod rate;
mod replay;
pub mod rows;
pub mod tape;
mod transitions;
mod verify;

pub use allocate::allocate;
pub use attribute_case::attribute_case;
pub use calc_case::calc_case;
pub use csv_import::csv_import;
pub use decode_event::decode_event;
pub use money::money;
pub use plan_document::plan_document;
pub use rate::rate;
pub use replay::replay;
pub use transitions::transitions;
pub use verify::verify;

/// A law: it holds for the bytes, or panics.
pub type Law = fn(&[u8]);

/// Every law by its name, which is the name of its target and of its corpus.
pub const LAWS: &[(&str, Law)] = &[
    ("decode_event", decode_event),
    ("replay", replay),
    ("verify", verify),
    ("allocate", allocate),
    ("money", money),
    ("rate", rate),
    ("csv_import", csv_import),
    ("plan_document", plan_document),
    ("calc_case", calc_case),
    ("attribute_case", attribute_case),
    ("transitions", transitions),
];

/// The program of a target: the fuzzer's when it is built by the fuzzer, else one that looks at files.
#[macro_export]
macro_rules! target {
    ($law:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ledger_fuzz::$law(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            ledger_fuzz::look(ledger_fuzz::$law)
        }
    };
}

/// Runs a law over the files that are named as arguments.
///
/// # Errors
/// When a file cannot be read.
pub fn look(law: Law) -> std::io::Result<()> {
    for file in std::env::args_os().skip(1) {
        law(&std::fs::read(&file)?);
        println!("{} holds", file.display());
    }
    Ok(())
}
