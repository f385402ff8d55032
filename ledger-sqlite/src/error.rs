//! What went wrong, told from SQLite's result codes and never from its texts.

use ledger_core::store::StoreError;
use sqlx::Error;

/// Something failed before anything was written.
pub(crate) fn reading(error: Error) -> StoreError {
    let text = error.to_string();
    let Error::Database(error) = &error else {
        return match error {
            Error::ColumnDecode { .. } | Error::Decode(_) => StoreError::Corrupt { sequence: 0, what: text },
            _ => StoreError::Unavailable(text),
        };
    };
    let Some(code) = error.code().and_then(|code| code.parse::<i32>().ok()) else {
        return StoreError::Unavailable(text);
    };
    let advised = |advice: &str| StoreError::Unusable(format!("{advice}: {text}"));
    // The low byte is the primary result code.
    match code & 0xff {
        ABORT | BUSY | LOCKED | NOMEM | INTERRUPT | IOERR | PROTOCOL | SCHEMA => StoreError::Unavailable(text),
        PERM | AUTH => advised("permission is missing; let this program read and write the file and its directory"),
        READONLY => advised("the file is read-only; open it as such, or let this program write it and its directory"),
        FULL => advised("the disk or the file's quota is full; make room and send it again"),
        CANTOPEN => advised("the file cannot be opened; check its path, its directory and their permissions"),
        NOTADB => advised("the file is no ledger; check its path"),
        // A constraint cannot fail on what was decided under the lock, unless the rows contradict the head.
        CORRUPT | CONSTRAINT | MISMATCH | TOOBIG => StoreError::Corrupt { sequence: 0, what: text },
        _ => advised("the file's tables are not those of a ledger; check the store"),
    }
}

/// Something failed between the first write and the answer to the commit.
pub(crate) fn writing(error: Error) -> StoreError {
    let in_doubt = match &error {
        // After an I/O error the commit may still be found in the WAL when the file is opened again.
        Error::Database(error) => {
            error.code().and_then(|code| code.parse::<i32>().ok()).is_none_or(|code| code & 0xff == IOERR)
        }
        _ => true,
    };
    if in_doubt { StoreError::Unknown(error.to_string()) } else { reading(error) }
}

// The primary result codes of SQLite that have a meaning of their own here.
const PERM: i32 = 3;
const ABORT: i32 = 4;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const SCHEMA: i32 = 17;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;
