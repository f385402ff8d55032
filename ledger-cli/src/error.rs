//! What goes wrong at a terminal: what it was, where, and what to do.

use std::io;

use ledger_core::engine::ExecuteError;
use ledger_core::projection::replay::ReplayError;
use ledger_core::recorded::Damaged;
use ledger_core::store::StoreError;
use thiserror::Error;

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub enum CliError {
    /// What was asked for is not possible as it was asked.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file as a whole is not what it should be.
    #[error("{path}:{line}: {reason}")]
    Input {
        /// The file.
        path: String,
        /// The line.
        line: u64,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Whoever reads the output is gone, or the disk is full.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The store has no answer.
    #[error("{store}: {source}")]
    Store {
        /// The store.
        store: String,
        /// What it says.
        source: StoreError,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A request was not carried out.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// What is stored is not what a ledger stores.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl CliError {
    /// Whether it is about the store without naming it.
    pub fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Execute(_) | Self::Replay(_) | Self::Damaged(_))
    }

    /// Whether there is nobody left to tell.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Says of an error what it means for what was to be stored, where it is certain.
pub fn nothing_stored(error: StoreError) -> StoreError {
    let told = |text: &str| format!("{text}; nothing was stored");
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(told(&text)),
        StoreError::Unusable(text) => StoreError::Unusable(told(&text)),
        other => other,
    }
}

/// A line that is no request.
#[derive(Debug)]
pub struct Unread {
    /// The key that stands in it all the same, so that a program knows which request it was.
    pub key: Option<String>,
    /// What is wrong.
    pub bad: BadLine,
}

impl From<BadLine> for Unread {
    fn from(bad: BadLine) -> Self {
        Self { key: None, bad }
    }
}

/// What is wrong with one line of input. The lines around it are read all the same.
#[derive(Debug, Error)]
pub enum BadLine {
    /// It would fill the memory.
    #[error("the line is longer than {most} bytes: look for a missing line end")]
    TooLong {
        /// How long a line may be.
        most: usize,
    },
    /// It is no text.
    #[error("byte {byte} of the line is not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// Which byte, from 1.
        byte: usize,
    },
    /// It is not the JSON that is asked for.
    #[error("{reason} (column {column})")]
    Json {
        /// The field, as a path from the line's root; none when the line is no JSON at all.
        field: Option<String>,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// Its quotes do not pair up.
    #[error("{what}: put the field in quotes and double every quote within it")]
    Quoting {
        /// What was found.
        what: &'static str,
    },
    /// It has more or fewer fields than the header.
    #[error("the row has {found} fields, the header {expected}")]
    Columns {
        /// How many the header has.
        expected: usize,
        /// How many the row has.
        found: usize,
    },
    /// A field is not what it should be.
    #[error("{reason}")]
    Field {
        /// The column's name.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

impl BadLine {
    /// The field that is to blame, if one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Json { field, .. } => field.as_deref(),
            Self::Field { field, .. } => Some(field),
            Self::TooLong { .. } | Self::NotUtf8 { .. } | Self::Quoting { .. } | Self::Columns { .. } => None,
        }
    }

    /// The error's kind, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "line_too_long",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Json { .. } => "malformed_json",
            Self::Quoting { .. } => "broken_quoting",
            Self::Columns { .. } => "wrong_column_count",
            Self::Field { .. } => "bad_field",
        }
    }
}
