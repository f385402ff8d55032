//! A server of our own, kept by a small script that outlives this process by a moment.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs};

use crate::programs;

/// A running server, and the script that stops it when our end of its input closes.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) folder: PathBuf,
    pub(crate) programs: PathBuf,
}

impl Keeper {
    pub(crate) fn start(settings: &[&str]) -> Result<Self, String> {
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let programs = programs::find(root)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(include_str!("keeper.sh")).arg("payledger-postgres").arg(&programs).args(settings);
        // No setting of the caller's own server may reach this one, and no Ctrl-C of the terminal the script.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.process_group(0).current_dir("/").env_remove("LC_ALL").env("LANG", "C");
        if root {
            // The server refuses to run as root.
            let (user, group) = ordinary_user()?;
            command.uid(user).gid(group);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh cannot be started: {error}"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("sh has no input or output".into());
        };
        let (answers, folder) = (BufReader::new(answers), PathBuf::new());
        let mut keeper = Self { child, orders: Some(orders), answers, folder, programs };
        keeper.folder = keeper.answer()?.into();
        keeper.expect("ready")?;
        Ok(keeper)
    }

    /// Gives an order and waits until it is carried out.
    pub(crate) fn order(&mut self, order: &str, done: &str) -> Result<(), String> {
        let orders = self.orders.as_mut().ok_or("the server is stopped")?;
        orders.write_all(format!("{order}\n").as_bytes()).map_err(|error| error.to_string())?;
        self.expect(done)
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        Ok(line.trim_end().to_owned())
    }

    fn expect(&mut self, done: &str) -> Result<(), String> {
        let answer = self.answer()?;
        if answer == done { Ok(()) } else { Err(format!("the PostgreSQL server does not run: {answer}")) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        // Its folder is gone when it ends.
        let _ = self.child.wait();
    }
}

/// The user and group that the server runs as when we are root.
fn ordinary_user() -> Result<(u32, u32), String> {
    let passwd = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let ids = |name: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let id = |field: Option<&str>| field?.parse().ok();
            found.then_some((id(fields.nth(1))?, id(fields.next())?))
        })
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.ok_or_else(|| "root cannot run PostgreSQL, and there is no user postgres or nobody".into())
}
