//! Things in the order in which they came, each found by its name.

use rustc_hash::FxHashMap;

/// A table of things with names.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: Vec<T>,
    places: FxHashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: FxHashMap::default() }
    }
}

impl<T> Table<T> {
    /// Everything, in the order in which it came.
    #[must_use]
    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The thing of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.rows.get(*self.places.get(name)?)
    }

    /// Puts a thing under a name, in the place of the one that was there.
    pub(super) fn put(&mut self, name: &str, row: T) {
        let place = self.places.get(name).and_then(|place| self.rows.get_mut(*place));
        match place {
            Some(place) => *place = row,
            None => {
                self.places.insert(name.to_owned(), self.rows.len());
                self.rows.push(row);
            }
        }
    }

    /// The thing of that name to change, which begins as the default.
    pub(super) fn of(&mut self, name: &str) -> Option<&mut T>
    where
        T: Default,
    {
        if !self.places.contains_key(name) {
            self.put(name, T::default());
        }
        self.rows.get_mut(*self.places.get(name)?)
    }
}
