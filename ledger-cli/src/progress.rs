//! A progress bar on standard error, while a person is looking.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many steps; invisible unless standard error is a terminal.
pub fn bar(what: &'static str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_message(what);
    // The template is a constant; should it be wrong, the default one is shown.
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
