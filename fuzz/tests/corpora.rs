//! Every law holds for every input that is kept: those that reach the most, and those that once broke one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ledger_fuzz::{LAWS, Law};

fn files(folder: &str, law: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(law);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn hold(law: Law, files: &[PathBuf]) {
    let broken: Vec<_> = files
        .iter()
        .filter(|file| {
            let bytes = fs::read(file).unwrap();
            catch_unwind(|| law(&bytes)).is_err()
        })
        .collect();
    assert!(broken.is_empty(), "the law is broken by {broken:?}");
}

#[test]
fn every_law_holds_for_its_kept_inputs() {
    for (name, law) in LAWS {
        let kept = files("corpus", name);
        assert!(!kept.is_empty(), "{name} has no corpus");
        hold(*law, &kept);
    }
}

#[test]
fn what_once_broke_a_law_does_not_any_more() {
    for (name, law) in LAWS {
        hold(*law, &files("crashes", name));
    }
}

#[test]
fn every_law_has_a_target_and_a_corpus_and_nothing_else_does() {
    let names: Vec<_> = LAWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (folder, end) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let found = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<_> = found.map(|name| name.strip_suffix(end).unwrap().to_owned()).collect();
        found.sort();
        let mut names = names.clone();
        names.sort();
        assert_eq!(found, names, "{folder}");
    }
}
