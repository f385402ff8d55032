//! Where the programs of PostgreSQL are, and how they come onto a machine that has none.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Names the folder of the programs, where they are not found.
const FOLDER: &str = "PAYLEDGER_POSTGRES_BIN";
/// `1` installs the programs where they are missing, `0` never does. Otherwise root does, and nobody else.
const INSTALL: &str = "PAYLEDGER_POSTGRES_INSTALL";

/// The folder that has `initdb` and `postgres`.
pub(crate) fn find(root: bool) -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os(FOLDER) {
        let folder = PathBuf::from(folder);
        return if has_server(&folder) { Ok(folder) } else { Err(format!("{FOLDER} has no initdb and postgres")) };
    }
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    match env::var(INSTALL).as_deref() {
        Ok("1") => install(root)?,
        Err(env::VarError::NotPresent) if root => install(root)?,
        _ => return Err(advice("there is no PostgreSQL on this machine")),
    }
    installed().ok_or_else(|| advice("PostgreSQL was installed, but its programs are not where they should be"))
}

fn advice(problem: &str) -> String {
    format!(
        "{problem}: install it (Debian: apt-get install postgresql), or set {INSTALL}=1 to have that done, \
         {FOLDER} to the folder of initdb and postgres, or DATABASE_URL to a server on which databases may be created"
    )
}

/// The programs on the path, or else the newest where Debian keeps them.
fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // A link on the path leads to the folder that has the rest.
    let on_path = env::split_paths(&path).find(|folder| has_server(folder));
    let real = on_path.and_then(|folder| Some(fs::canonicalize(folder.join("initdb")).ok()?.parent()?.to_owned()));
    real.filter(|folder| has_server(folder)).or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let versions = versions
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
        versions.filter(|(_, folder)| has_server(folder)).max().map(|(_, folder)| folder)
    })
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

/// Debian's package, without the cluster that it would make and start.
fn install(root: bool) -> Result<(), String> {
    const SCRIPT: &str = r"
        set -e
        export DEBIAN_FRONTEND=noninteractive
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
        fi
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends \
            -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold postgresql";
    let mut command = if root { Command::new("sh") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "sh"]);
    }
    let done = command.args(["-c", SCRIPT]).output().map_err(|error| advice(&error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&done.stderr);
    Err(advice(&format!("PostgreSQL could not be installed ({})", told.trim().replace('\n', "; "))))
}
