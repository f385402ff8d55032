//! The program `payledger`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ledger_cli::main()
}
