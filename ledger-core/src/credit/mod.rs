//! Credit: which part of a deal is whose, and what a rate plan pays on it.
//!
//! [`terms`] is what is known of a deal, [`touch`] the contacts that led to it, [`model`] the document that turns them into
//! weights, [`rates`] the document that turns a part into a commission. [`attribute`](crate::attribute) runs them over the deals
//! of a case.

pub mod decay;
pub mod explain;
pub mod model;
mod pools;
pub mod rates;
pub mod refuse;
pub mod terms;
pub mod touch;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// Reads an object, and refuses a name that is in it twice: either of its values could be the one that is meant.
pub(crate) fn distinct<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Ord + fmt::Display + Deserialize<'de>,
    V: Deserialize<'de>,
{
    struct Distinct<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Ord + fmt::Display + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Distinct<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = access.next_key::<K>()? {
                if map.contains_key(&key) {
                    return Err(de::Error::custom(format_args!("{key} is in the object twice")));
                }
                map.insert(key, access.next_value()?);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Distinct(PhantomData))
}
