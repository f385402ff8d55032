//! The rules for names, keys, texts, dates and numbers, which hold before anything else is asked.

use super::Why;
use crate::act::Ask;

pub(super) fn check(_ask: &Ask) -> Result<(), Why> {
    Ok(())
}
