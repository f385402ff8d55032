//! What went wrong, told from SQLSTATEs and names of constraints, and from texts only where PgBouncer refuses to connect.

use std::io::ErrorKind;

use ledger_core::store::StoreError;
use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Something failed before anything was written.
pub(crate) fn reading(error: Error) -> StoreError {
    tell(error, false)
}

/// Something failed between sending what writes and its answer.
pub(crate) fn writing(error: Error) -> StoreError {
    tell(error, true)
}

fn tell(error: Error, in_flight: bool) -> StoreError {
    let lost = |text| if in_flight { StoreError::Unknown(text) } else { StoreError::Unavailable(text) };
    let text = text(&error);
    match &error {
        Error::Database(database) if is_crash(database.as_ref()) => lost(text),
        // PgBouncer has one code for everything.
        Error::Database(database)
            if database.code().as_deref() == Some("08P01") && database.message().contains("startup parameter") =>
        {
            StoreError::Unusable(format!(
                "a pooler refuses what connections begin with; let it pass or ignore extra_float_digits and options, or connect to the \
             server itself: {text}"
            ))
        }
        Error::Database(database) => match class(database.code().as_deref().unwrap_or_default()) {
            Class::Nothing => StoreError::Unavailable(text),
            Class::Gone => lost(text),
            Class::Stop(advice) => StoreError::Unusable(format!("{advice}: {text}")),
            Class::Contradiction => StoreError::Corrupt { sequence: 0, what: text },
        },
        Error::PoolTimedOut | Error::PoolClosed | Error::BeginFailed => StoreError::Unavailable(text),
        Error::Configuration(_) | Error::InvalidArgument(_) | Error::Tls(_) | Error::Encode(_) => {
            StoreError::Unusable(text)
        }
        Error::RowNotFound | Error::ColumnNotFound(_) | Error::TypeNotFound { .. } => StoreError::Unusable(text),
        Error::Decode(_) | Error::ColumnDecode { .. } | Error::ColumnIndexOutOfBounds { .. } => {
            StoreError::Corrupt { sequence: 0, what: text }
        }
        // Who does not understand the other at the beginning does not later either: a certificate that is not trusted.
        Error::Io(error) if error.kind() == ErrorKind::InvalidData && !in_flight => {
            StoreError::Unusable(format!("the server cannot be talked to; check its certificate and sslmode: {text}"))
        }
        _ => lost(text),
    }
}

/// The server crashes over it, whatever its code: what was to be committed may be in what it recovers from.
fn is_crash(error: &dyn DatabaseError) -> bool {
    error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.severity() == PgSeverity::Panic)
}

/// The message with its code, and the constraint that does not hold. Never the detail, which shows values of rows.
pub(crate) fn text(error: &Error) -> String {
    let Error::Database(database) = error else { return error.to_string() };
    let code = database.code().unwrap_or_default();
    let message = database.message();
    match database.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::constraint) {
        Some(constraint) => format!("{message}, constraint {constraint} ({code})"),
        None => format!("{message} ({code})"),
    }
}

/// What a SQLSTATE means for the statement that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The server took it back: certainly nothing happened, and it may work later.
    Nothing,
    /// The connection ended with it. It may have been committed before.
    Gone,
    /// It will not work before somebody has done something.
    Stop(&'static str),
    /// What is stored is not what a ledger stores: a conflict is found by reading, never by a constraint.
    Contradiction,
}

pub(crate) fn class(code: &str) -> Class {
    match code {
        "40003" | "57P01" | "57P02" | "57P05" | "25P03" | "25P04" => Class::Gone,
        "25006" | "25P02" | "55006" | "55P03" | "57014" | "57P03" | "58030" => Class::Nothing,
        "22021" => Class::Stop("a text has a zero byte, which the database does not keep; leave it out"),
        "22023" => Class::Stop("the server refuses a setting of the connection; check the URL"),
        "42704" => Class::Stop(
            "the server does not know a name; check the settings in the URL, then run `payledger store check`",
        ),
        "42501" => Class::Stop("a privilege is missing; let `payledger store check` say which"),
        "53100" => Class::Stop("the disk of the database is full; make room and send it again"),
        "26000" | "42P05" => {
            Class::Stop("a pooler mixes up prepared statements; let it pool sessions or keep track of the statements")
        }
        "0A000" => Class::Stop("the server does not do that, or the tables were changed meanwhile; connect anew"),
        "54000" => Class::Stop("the server's limits are too small for it; send less at once"),
        "3D000" | "57P04" => Class::Stop("there is no such database; check the URL"),
        "PL001" => Class::Stop("what a ledger has stored stays as it is; find out who tries to change it"),
        "PL002" => Class::Stop("this library and the database disagree; run `payledger store check`"),
        "PL004" => Class::Stop(
            "nothing is recorded beyond the year 9999; set the clock of the server right, or the host's own",
        ),
        _ => match code.get(..2).unwrap_or_default() {
            "08" => Class::Gone,
            "40" | "53" => Class::Nothing,
            "28" => Class::Stop("the database refuses this role; check its name, password and pg_hba.conf"),
            "3F" | "42" => Class::Stop(
                "the tables are not those of a ledger of this version; run `payledger store migrate up`, then `payledger store check`",
            ),
            "22" | "23" => Class::Contradiction,
            _ if matches!(code, "PL003" | "XX001" | "XX002") => Class::Contradiction,
            _ => Class::Stop("the database failed in a way that this library does not know; look at its log"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, class};

    /// The classes decide whether a host sends a payout again.
    #[test]
    fn every_code_has_the_class_that_its_meaning_has() {
        let nothing = [
            "25006", "25P02", "40001", "40P01", "40002", "53000", "53200", "53300", "53400", "55006", "55P03", "57014",
            "57P03", "58030",
        ];
        let gone = ["08000", "08003", "08006", "08007", "08P01", "25P03", "25P04", "40003", "57P01", "57P02", "57P05"];
        let stop = [
            "22021", "22023", "28000", "28P01", "3D000", "3F000", "42501", "42601", "42703", "42704", "42883", "42P01",
            "53100", "57P04", "0A000", "26000", "42P05", "54000", "XX000", "P0001", "PL001", "PL002", "PL004", "", "4",
            "25001",
        ];
        let contradiction = ["22003", "23502", "23505", "23514", "PL003", "XX001", "XX002"];
        for code in nothing {
            assert_eq!(class(code), Class::Nothing, "{code}");
        }
        for code in gone {
            assert_eq!(class(code), Class::Gone, "{code}");
        }
        for code in stop {
            assert!(matches!(class(code), Class::Stop(_)), "{code}");
        }
        for code in contradiction {
            assert_eq!(class(code), Class::Contradiction, "{code}");
        }
    }
}
