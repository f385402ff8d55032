//! What the README shows is what comes out.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;
use std::process::Command;

/// A line of this stands for any number of lines that the README leaves out.
const LEFT_OUT: &str = "…";

#[test]
fn what_the_readme_shows_is_what_comes_out() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut shown = 0;
    for block in readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for example in block.split("$ ").skip(1) {
            let (command, expected) = example.split_once('\n').unwrap();
            let printed = run(command, folder.path());
            let expected: Vec<_> = expected.lines().map(str::trim_end).collect();
            let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
            assert!(
                fits(&lines, &expected),
                "{command} prints\n{printed}\nand the README shows\n{}",
                expected.join("\n")
            );
            shown += 1;
        }
    }
    assert!(shown >= 8, "only {shown} commands were found");
}

fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_payledger")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-c", command]).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fits(lines: &[&str], expected: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&LEFT_OUT, rest)) => {
            (0..=lines.len()).any(|skipped| fits(lines.get(skipped..).unwrap_or_default(), rest))
        }
        Some((first, rest)) => lines.split_first().is_some_and(|(line, lines)| line == first && fits(lines, rest)),
    }
}
