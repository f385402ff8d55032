//! Tables that are fast to look up while a log is folded, and come out in the order of their keys.
//!
//! [`Map`] is for many keys, [`Small`] for the few that belong to one thing, such as the currencies of one payee. Both are
//! looked up by reference, so that folding an event clones a key only the first time that it is seen. Both are stored as a JSON
//! object with ascending keys, and refused when the keys do not ascend: one state has one form.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use rustc_hash::FxHashMap;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A table of many keys. Its hash is the same in every process, and nothing that leaves it depends on the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<K: Eq + Hash, V>(FxHashMap<K, V>);

impl<K: Eq + Hash, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Eq + Hash, V> Map<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get<Q: Eq + Hash>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Eq + Hash>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// Puts a value in, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes the value of a key, which begins as the default. The key is cloned only if it is new.
    pub fn update(&mut self, key: &K, change: impl FnOnce(&mut V))
    where
        K: Clone,
        V: Default,
    {
        if let Some(value) = self.0.get_mut(key) {
            return change(value);
        }
        let mut value = V::default();
        change(&mut value);
        self.0.insert(key.clone(), value);
    }

    /// Everything, by key.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut all: Vec<_> = self.0.iter().collect();
        planted!(Unordered => (), all.sort_unstable_by(|a, b| a.0.cmp(b.0)));
        all
    }
}

impl<K: Eq + Hash + Ord + Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_order(serializer, self.sorted())
    }
}

impl<'de, K: Eq + Hash + Ord + Clone + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = deserializer.deserialize_map(Ascending(PhantomData))?;
        Ok(Self(pairs.into_iter().collect()))
    }
}

/// A table of few keys, kept in order and searched from the last one, which is where the latest year is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Small<K, V>(Vec<(K, V)>);

impl<K, V> Default for Small<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Small<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().rev().find_map(|(other, value)| (other == key).then_some(value))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes the value of a key, which begins as the default. The key is cloned only if it is new.
    pub fn update(&mut self, key: &K, change: impl FnOnce(&mut V))
    where
        K: Clone,
        V: Default,
    {
        if let Some((_, value)) = self.0.iter_mut().rev().find(|(other, _)| other == key) {
            return change(value);
        }
        let mut value = V::default();
        change(&mut value);
        // Most of these tables hold one key for ever; the growth of a list would make room for four.
        self.0.reserve_exact(1);
        let place = self.0.partition_point(|(other, _)| other < key);
        self.0.insert(place, (key.clone(), value));
    }

    /// Everything, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for Small<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_order(serializer, self.iter())
    }
}

impl<'de, K: Ord + Clone + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Small<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Ascending(PhantomData)).map(Self)
    }
}

fn in_order<'a, S: Serializer, K: Serialize + 'a, V: Serialize + 'a>(
    serializer: S,
    pairs: impl IntoIterator<Item = (&'a K, &'a V)>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (key, value) in pairs {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// Reads an object whose keys ascend.
struct Ascending<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Clone + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Ascending<K, V> {
    type Value = Vec<(K, V)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose keys ascend")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<(K, V)>, A::Error> {
        let mut pairs: Vec<(K, V)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<K, V>()? {
            if pairs.last().is_some_and(|(last, _)| *last >= key) {
                return Err(de::Error::custom("the keys of a table do not ascend"));
            }
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_out_by_key_and_is_read_back() {
        let mut map = Map::<String, u32>::default();
        for key in ["b", "c", "a", "b"] {
            map.update(&key.to_owned(), |value| *value += 1);
        }
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"a":1,"b":2,"c":1}"#);
        assert_eq!(serde_json::from_str::<Map<String, u32>>(&text).unwrap(), map);
        let mut small = Small::<i32, u32>::default();
        for key in [2026, 2025, 2026] {
            small.update(&key, |value| *value += 1);
        }
        assert_eq!(serde_json::to_string(&small).unwrap(), r#"{"2025":1,"2026":2}"#);
        assert_eq!(small.get(&2026), Some(&2));
    }

    #[test]
    fn keys_that_do_not_ascend_are_refused() {
        for bad in [r#"{"b":1,"a":1}"#, r#"{"a":1,"a":1}"#, "[]", "7", "null"] {
            assert!(serde_json::from_str::<Map<String, u32>>(bad).is_err(), "{bad}");
            assert!(serde_json::from_str::<Small<String, u32>>(bad).is_err(), "{bad}");
        }
    }
}
