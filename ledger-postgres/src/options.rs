//! What a URL says about connections, and what they have whatever it says.

use std::time::Duration;

use ledger_core::store::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use crate::error::reading;

/// What waits for a lock or a statement without end holds a connection, and whoever waits for that one.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("default_transaction_isolation", "read committed"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "30s"),
];

/// Where somebody else may make functions, they could be taken for the server's.
const SEARCH_PATH: (&str, &str) = ("search_path", "pg_catalog,pg_temp");

/// How long it may take to connect.
const CONNECTING: Duration = Duration::from_secs(10);

/// Connects, and does not wait for ever for a server that says nothing.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let silent = |_| StoreError::Unavailable(format!("the server has said nothing for {} s", CONNECTING.as_secs()));
    timeout(CONNECTING, options.connect()).await.map_err(silent)?.map_err(reading)
}

/// What the driver reads of a URL.
const PARAMETERS: &str = "sslmode, ssl-mode, sslrootcert, ssl-root-cert, ssl-ca, sslcert, ssl-cert, sslkey, ssl-key, \
     statement-cache-capacity, host, hostaddr, port, dbname, user, password, application_name, options";

/// The options of a URL, with the settings that it does not say.
///
/// # Errors
/// [`StoreError::Unusable`] when it is none, or says something that the driver does not know, and would pass over: without its
/// `sslmode` a connection can be read by others.
pub(crate) fn options(url: &str, settings: &[(&str, &str)]) -> Result<PgConnectOptions, StoreError> {
    let mut options: PgConnectOptions = url.parse().map_err(reading)?;
    if url.contains("%00") {
        return Err(StoreError::Unusable("the URL says a zero byte, which no server takes".into()));
    }
    // The driver looks a name up, and this is none.
    if let Some(address) = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address = address.to_owned();
        options = options.host(&address);
    }
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters).split('#').next().unwrap_or_default();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        // As in options[lock_timeout]=1s.
        let setting = ["options[", "options%5B", "options%5b"].iter().any(|start| name.starts_with(start));
        if !setting && !PARAMETERS.split(", ").any(|known| known == name) {
            // What is no name at all is what follows a question mark in a password.
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_[]".contains(&byte));
            let said = if plain { format!("{name:?}, which") } else { "after its question mark what".into() };
            return Err(StoreError::Unusable(format!(
                "the URL says {said} means nothing to the driver; it knows {PARAMETERS}; a question mark in a password is written %3F"
            )));
        }
    }
    // What the URL or the environment says goes before.
    let said = names(options.get_options().unwrap_or_default());
    let unsaid = settings.iter().copied().filter(|(name, _)| !said.iter().any(|said| said == name));
    Ok(options.options(unsaid).options([SEARCH_PATH]))
}

/// The settings that are named in `-c name=value --other-name=value`, as the server reads them.
fn names(said: &str) -> Vec<String> {
    let words = said.split_whitespace().map(|word| word.trim_start_matches("-c").trim_start_matches("--"));
    let named = words.filter_map(|word| word.split_once('='));
    named.map(|(name, _)| name.to_ascii_lowercase().replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sslmod=verify-full` was passed over: the connection was neither encrypted nor was the server the right one.
    #[test]
    fn what_the_driver_would_pass_over_is_refused() {
        for good in ["", "?", "?sslmode=require", "?host=/tmp&options[lock_timeout]=1s", "?options%5Bgeqo%5D=off#part"]
        {
            assert!(options(&format!("postgres://ann@host/db{good}"), &[]).is_ok(), "{good}");
        }
        assert_eq!(options("postgres://ann@[::1]:5432/db", &[]).unwrap().get_host(), "::1");
        assert!(options("postgres://ann@host/db%00", &[]).unwrap_err().to_string().contains("zero byte"));
        for bad in ["?sslmod=require", "?sslmode=require&pool=1", "?SSLMODE=require", "?option[geqo]=off", "?=", "?x"] {
            let refused = options(&format!("postgres://ann@host/db{bad}"), &[]);
            assert!(
                matches!(&refused, Err(StoreError::Unusable(text)) if text.contains("sslmode,")),
                "{bad}: {refused:?}"
            );
        }
    }

    /// What stood behind a question mark in a password was printed.
    #[test]
    fn no_password_is_in_a_refusal() {
        for url in [
            "postgres://ann:12?s3cret@host:5432/db",
            "postgres://ann:12?s3cret%40host/db",
            "postgres://ann:12?s3cret=@h/b",
        ] {
            let refused = options(url, &[]).unwrap_err().to_string();
            assert!(
                !refused.contains("s3cret@") && !refused.contains("s3cret%") && refused.contains("%3F"),
                "{refused}"
            );
        }
    }

    /// Whoever had set one of them, or anything else, lost the others.
    #[test]
    fn what_a_url_says_of_a_setting_goes_before_and_the_others_stay() {
        let said = |url: &str| options(url, &SETTINGS).unwrap().get_options().unwrap().to_owned();
        let rest =
            "-c statement_timeout=30s -c idle_in_transaction_session_timeout=30s -c search_path=pg_catalog,pg_temp";
        let isolation = "-c default_transaction_isolation=read\\ committed";
        assert_eq!(said("postgres://host/db"), format!("{isolation} -c lock_timeout=5s {rest}"));
        let nine = said("postgres://host/db?options=-c%20lock_timeout=9s");
        assert_eq!(nine, format!("-c lock_timeout=9s {isolation} {rest}"));
        let other = said("postgres://host/db?options[deadlock_timeout]=2s");
        assert_eq!(other, format!("-c deadlock_timeout=2s {isolation} -c lock_timeout=5s {rest}"));
        for way in ["-clock_timeout=9s", "--lock-timeout=9s", "-c%20LOCK_TIMEOUT=9s"] {
            let nine = said(&format!("postgres://host/db?options={way}"));
            assert_eq!(nine, format!("{} {isolation} {rest}", way.replace("%20", " ")));
        }
    }
}
