//! The path of a field in a plan document or a deal, made without writing it.

use std::fmt;

/// Where a number stands, such as `split.flat.company` or `fees.2.amount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    path: &'static str,
    place: Option<(usize, &'static str)>,
}

impl Field {
    pub(crate) const fn at(path: &'static str) -> Self {
        Self { path, place: None }
    }

    /// A field of one thing of a list; without a name it is the thing itself.
    pub(super) const fn nth(list: &'static str, index: usize, name: &'static str) -> Self {
        Self { path: list, place: Some((index, name)) }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            None => f.write_str(self.path),
            Some((index, "")) => write!(f, "{}.{index}", self.path),
            Some((index, name)) => write!(f, "{}.{index}.{name}", self.path),
        }
    }
}
