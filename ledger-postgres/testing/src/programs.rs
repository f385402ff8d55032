//! Where the programs of PostgreSQL are, and how they come onto a machine that has none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Names the folder of the programs, where they are not found.
const FOLDER: &str = "PAYLEDGER_POSTGRES_BIN";
/// `1` installs the programs where they are missing, `0` never does. Otherwise root does, and nobody else.
const INSTALL: &str = "PAYLEDGER_POSTGRES_INSTALL";

/// The folder that has `initdb` and `postgres`.
pub(crate) fn find(root: bool) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let machine = Machine { root, path, versions: Path::new("/usr/lib/postgresql") };
    machine.find(env::var_os(FOLDER), env::var_os(INSTALL))
}

/// Where programs are looked for, and who looks.
struct Machine {
    root: bool,
    path: OsString,
    /// The folder in which Debian keeps a folder for each version.
    versions: &'static Path,
}

impl Machine {
    fn find(&self, folder: Option<OsString>, installing: Option<OsString>) -> Result<PathBuf, String> {
        if let Some(folder) = folder.map(PathBuf::from) {
            let wrong = || format!("{FOLDER} has no initdb and postgres: set it to the folder that has, or unset it");
            return has_server(&folder).then_some(folder).ok_or_else(wrong);
        }
        if let Some(folder) = self.installed() {
            return Ok(folder);
        }
        match installing {
            Some(told) if told == "1" => self.install()?,
            None if self.root => self.install()?,
            _ => return Err(advice("there is no PostgreSQL on this machine")),
        }
        self.installed()
            .ok_or_else(|| advice("PostgreSQL was installed, but its programs are not where they should be"))
    }

    /// The programs on the path, or else the newest where Debian keeps them.
    fn installed(&self) -> Option<PathBuf> {
        // A link on the path leads to the folder that has the rest.
        let on_path = env::split_paths(&self.path).find(|folder| has_server(folder));
        let real = on_path.and_then(|folder| Some(fs::canonicalize(folder.join("initdb")).ok()?.parent()?.to_owned()));
        real.filter(|folder| has_server(folder)).or_else(|| {
            let versions = fs::read_dir(self.versions).ok()?.flatten();
            let versions = versions
                .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
            versions.filter(|(_, folder)| has_server(folder)).max().map(|(_, folder)| folder)
        })
    }

    /// Debian's package, without the cluster that it would make and start.
    fn install(&self) -> Result<(), String> {
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
        let (program, first): (_, &[&str]) = if self.root { ("sh", &[]) } else { ("sudo", &["-n", "sh"]) };
        let mut command = Command::new(program);
        let done = command.env("PATH", &self.path).args(first).args(["-c", SCRIPT]).output();
        let done = done.map_err(|error| advice(&format!("{program} cannot be started ({error})")))?;
        if done.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&done.stderr);
        Err(advice(&format!("PostgreSQL could not be installed ({})", told.trim().replace('\n', "; "))))
    }
}

fn advice(problem: &str) -> String {
    format!(
        "{problem}: install it (Debian: apt-get install postgresql), or set {INSTALL}=1 to have that done, \
         {FOLDER} to the folder of initdb and postgres, or DATABASE_URL to a server on which databases may be created"
    )
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(root: bool, folder: Option<&str>, installing: Option<&str>) -> Result<PathBuf, String> {
        let nowhere = Machine { root, path: "/nowhere".into(), versions: Path::new("/nowhere") };
        nowhere.find(folder.map(OsString::from), installing.map(OsString::from))
    }

    /// Who had no PostgreSQL was told that something could not be found, and not what to do.
    #[test]
    fn where_there_are_no_programs_it_is_said_what_to_do() {
        // Nobody is asked for a password, nothing is installed against the will of who asks, and what installs may be missing.
        for (root, installing) in
            [(false, None), (false, Some("0")), (true, Some("0")), (false, Some("1")), (true, None)]
        {
            let told = find(root, None, installing).unwrap_err();
            for remedy in ["apt-get install postgresql", INSTALL, FOLDER, "DATABASE_URL"] {
                assert!(told.contains(remedy), "root {root}, {installing:?}: {told}");
            }
            let tried = installing == Some("1") || root && installing.is_none();
            assert_eq!(!told.contains("there is no PostgreSQL"), tried, "root {root}, {installing:?}: {told}");
        }
        let told = find(true, Some("/nowhere"), None).unwrap_err();
        assert!(told.contains(FOLDER) && told.contains("unset it"), "{told}");
    }
}
