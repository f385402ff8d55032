//! Runs the program as a person or a script does, and looks at what it prints, how it ends, and what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod apply;
mod bad_input;
mod cases;
mod demo;
mod import;
mod postgres;
mod reading;
mod sales;
mod upkeep;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own with the program in it, so to say.
struct Folder(TempDir);

/// How a run ended.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder whose ledger has two payees, under a flat and a capped plan.
    fn with_ledger() -> Self {
        let folder = Self::new();
        folder.write("base.jsonl", BASE.as_bytes());
        folder.run(&["apply", "base.jsonl"]).expect(0);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_payledger"));
        command.current_dir(self.0.path()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().unwrap())
    }

    /// Runs with `input` on standard input.
    fn feed(&self, args: &[&str], input: &[u8]) -> Run {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run::of(output)
    }

    /// Everything that the log holds, byte by byte.
    fn log(&self) -> String {
        self.run(&["export", "jsonl"]).expect(0).stdout
    }

    fn apply(&self, lines: &[&str]) -> Run {
        self.feed(&["apply", "-"], (lines.join("\n") + "\n").as_bytes())
    }

    /// Replaces the only occurrence of some bytes in a file.
    fn edit(&self, name: &str, from: &[u8], to: &[u8]) {
        let mut bytes = self.read(name);
        let places: Vec<_> =
            bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from).map(|(i, _)| i).collect();
        assert!(!places.is_empty(), "{:?} is not in {name}", String::from_utf8_lossy(from));
        bytes[places[0]..places[0] + to.len()].copy_from_slice(to);
        self.write(name, &bytes);
    }
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Ended with code 2, and said why, without a trace of a panic.
    #[track_caller]
    fn refused(self, why: &str) -> Self {
        let run = self.expect(2);
        assert!(run.stderr.contains(why), "{:?} is not in {}", why, run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }

    fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A request of one line.
fn request(key: &str, command: &str) -> String {
    format!(r#"{{"key":"{key}","actor":"maria","at":"2026-02-01T12:00:00Z","command":{{{command}}}}}"#)
}

/// A deal of one payee that is done.
fn deal(key: &str, deal: &str, payee: &str, gci: &str) -> String {
    let gci = format!(r#""gci":{{"amount":"{gci}"}}"#);
    let of = format!(r#""attribution":{{"equal":["{payee}"]}},"completed_on":"2026-01-15""#);
    request(key, &format!(r#""deal.record":{{"deal":"{deal}",{gci},{of}}}"#))
}

fn exists(path: &Path) -> bool {
    path.exists()
}

const BASE: &str = r#"{"key":"open","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"settings.open":{"base_currency":"USD","zone":"America/New_York","capabilities":["rail_payments","manual_payments"]}}}
{"key":"ann","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"payee.enrol":{"payee":"ann","name":"Ann Archer"}}}
{"key":"ben","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"payee.enrol":{"payee":"ben","name":"Ben Brook"}}}
{"key":"flat","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"plan.publish":{"plan":"flat","document":{"currency":"USD","split":{"flat":{"payee":"0.8","company":"0.2"}}}}}}
{"key":"capped","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"plan.publish":{"plan":"capped","document":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}},"cap":{"caps":[{"programme":"main","limit":"15000 USD","year":{"calendar":{"month":1,"day":1}}}]},"fees":[{"name":"post-cap","timing":"post_cap","amount":{"flat":"250 USD"}}]}}}}
{"key":"ann-flat","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"payee.assign":{"payee":"ann","plan":"flat","version":1,"from":"2026-01-01"}}}
{"key":"ben-capped","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"payee.assign":{"payee":"ben","plan":"capped","version":1,"from":"2026-01-01"}}}
"#;
