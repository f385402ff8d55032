//! The latest things of a kind, so many at the most.

use crate::choice::Choices;

#[derive(Debug, Clone)]
pub(super) struct Recent<T> {
    things: Vec<T>,
    most: usize,
    next: usize,
}

impl<T> Recent<T> {
    pub fn new(most: usize) -> Self {
        Self { things: Vec::with_capacity(most), most, next: 0 }
    }

    /// Puts a thing in, in place of the one that came first when there is no room.
    pub fn push(&mut self, thing: T) {
        if self.things.len() < self.most {
            self.next = self.things.len() + 1;
            self.things.push(thing);
            return;
        }
        let place = self.next % self.most;
        self.next = place + 1;
        if let Some(oldest) = self.things.get_mut(place) {
            *oldest = thing;
        }
    }

    pub fn one(&self, choices: &mut Choices) -> Option<&T> {
        choices.one_of(&self.things)
    }

    /// The one that came last, if nothing was taken out since.
    pub fn last(&self) -> Option<&T> {
        self.things.get(self.next.checked_sub(1)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.things.iter()
    }

    /// One and its place.
    pub fn place(&self, choices: &mut Choices) -> Option<(usize, &T)> {
        let place = choices.index(self.things.len());
        Some((place, self.things.get(place)?))
    }

    /// Takes out what is at a place.
    pub fn take(&mut self, place: usize) {
        if place < self.things.len() {
            self.things.swap_remove(place);
        }
    }

    /// One of which `keep` says so; others are taken out while it looks, a few at the most.
    pub fn find(&mut self, choices: &mut Choices, keep: impl Fn(&T) -> bool) -> Option<&T> {
        for _ in 0..4 {
            let (place, thing) = self.place(choices)?;
            if keep(thing) {
                return self.things.get(place);
            }
            self.take(place);
        }
        None
    }
}
