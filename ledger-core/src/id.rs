//! The names of things: short, printable, and checked once, when they are read.

use std::fmt;

use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::limits::{KEY_BYTES, NAME_BYTES, TEXT_BYTES};

/// A name, key or text that breaks the rule for its kind. Reject it: sending it again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {text:?} is refused: {rule}")]
pub struct InvalidName {
    /// What the text was to name.
    pub kind: &'static str,
    /// The text, cut to its first 64 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// A text that is no identifier of its kind. Reject it: sending it again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no {kind}: it is a UUID such as df0bfcd0-2850-80e8-a220-5c853e4431b8")]
pub struct InvalidId {
    /// What the text was to identify.
    pub kind: &'static str,
    /// The text, cut to its first 64 characters.
    pub text: String,
}

const NAME_RULE: &str = "1 to 64 ASCII letters, digits or . _ : @ + # -, the first one a letter or a digit";
const KEY_RULE: &str = "1 to 128 printable ASCII characters without blanks";
const TEXT_RULE: &str = "1 to 500 bytes, no control or direction characters, not only blanks";

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@+#-".contains(&b))
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= KEY_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_text(text: &str) -> bool {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.len() <= TEXT_BYTES && !text.trim().is_empty() && !text.chars().any(hidden)
}

fn expect(f: &mut fmt::Formatter<'_>, kind: &str) -> fmt::Result {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    write!(f, "{article} {kind}")
}

macro_rules! checked_text {
    ($(#[doc = $doc:literal])+ $name:ident, $kind:literal, $check:ident, $rule:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Reads it from text.
            ///
            /// # Errors
            /// [`InvalidName`] with the rule that the text breaks.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                if $check(text) {
                    return Ok(Self(CompactString::from(text)));
                }
                Err(InvalidName { kind: $kind, text: text.chars().take(64).collect(), rule: $rule })
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same with its ASCII letters in lower case.
            #[must_use]
            pub fn to_lower_case(&self) -> Self {
                Self(self.0.to_ascii_lowercase())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl de::Visitor<'_> for Read {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        expect(f, $kind)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Read)
            }
        }
    };
}

checked_text!(
    /// The name of a ledger: one organization's log.
    LedgerName, "ledger name", is_name, NAME_RULE
);
checked_text!(
    /// Who asked: a person or a system of the host.
    Actor, "actor", is_name, NAME_RULE
);
checked_text!(
    /// Somebody who earns: an agent, a partner, an affiliate.
    PayeeId, "payee id", is_name, NAME_RULE
);
checked_text!(
    /// A commission plan, over all its versions.
    PlanId, "plan id", is_name, NAME_RULE
);
checked_text!(
    /// A commissionable event of the host: a deal, a closing, an order.
    DealId, "deal id", is_name, NAME_RULE
);
checked_text!(
    /// A model of attribution, as the host names it.
    ModelId, "model id", is_name, NAME_RULE
);
checked_text!(
    /// A rate plan: what is paid on a credit.
    RatesId, "rate plan id", is_name, NAME_RULE
);
checked_text!(
    /// A payment of a customer, as the host names it. The same payment told twice counts once.
    PaymentId, "payment id", is_name, NAME_RULE
);

impl ModelId {
    /// The name of one version of the model in a case, which is longer than any name that is read.
    pub(crate) fn of_version(&self, version: u32) -> Self {
        Self(format_compact!("{self}.v{version}"))
    }
}

impl RatesId {
    /// The name of one version of the rate plan in a case, which is longer than any name that is read.
    pub(crate) fn of_version(&self, version: u32) -> Self {
        Self(format_compact!("{self}.v{version}"))
    }
}

checked_text!(
    /// A touch: one contact of a payee with the customer of a deal. The same touch told twice counts once.
    TouchId, "touch id", is_name, NAME_RULE
);
checked_text!(
    /// A customer of the host.
    CustomerId, "customer id", is_name, NAME_RULE
);
checked_text!(
    /// What a cap belongs to. Plans that name the same programme share the cap, so that a change of plan within a cap year
    /// keeps what was contributed.
    CapProgramme, "cap programme", is_name, NAME_RULE
);
checked_text!(
    /// Payees that share one cap: a team, an office.
    PoolId, "pool id", is_name, NAME_RULE
);
checked_text!(
    /// Somebody outside who sent a deal and has a part of it for that.
    ReferrerId, "referrer id", is_name, NAME_RULE
);
checked_text!(
    /// How money left outside any rail: `cheque`, `cash`, `payroll`.
    PaymentMethod, "payment method", is_name, NAME_RULE
);
checked_text!(
    /// The number on a payment: of a cheque, a transfer, a payroll run. Unique per payer account.
    Reference, "payment reference", is_name, NAME_RULE
);
checked_text!(
    /// The account of the organization that money left from.
    PayerAccount, "payer account", is_name, NAME_RULE
);
checked_text!(
    /// An accounting period's label, such as `2026-02`.
    PeriodLabel, "period label", is_name, NAME_RULE
);
checked_text!(
    /// An idempotency key: chosen by the caller before it sends, never expiring, unique in its ledger.
    Key, "idempotency key", is_key, KEY_RULE
);
checked_text!(
    /// Free text for people: a name, a reason, a note.
    Text, "text", is_text, TEXT_RULE
);

macro_rules! derived_id {
    ($(#[doc = $doc:literal])+ $name:ident, $tag:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier of the `index`-th thing of this kind that the request with `key` creates. A retry makes the
            /// same one, and no two ledgers share any.
            #[must_use]
            pub fn derive(ledger: &LedgerName, key: &Key, index: u32) -> Self {
                Self(derive_uuid($tag, ledger, key, index))
            }

            /// An identifier that was derived before.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The identifier as a UUID.
            #[must_use]
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = |_| InvalidId { kind: concat!($tag, " id"), text: text.chars().take(64).collect() };
                text.parse().map(Self).map_err(invalid)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl de::Visitor<'_> for Read {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        expect(f, concat!($tag, " id"))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Read)
            }
        }
    };
}

derived_id!(
    /// A payout: one money instruction to one payee in one currency.
    PayoutId, "payout"
);
derived_id!(
    /// An entry: what one payee earned, lost or was adjusted by, from one source.
    EntryId, "entry"
);
derived_id!(
    /// A bulk approval, whose outcomes are recorded together.
    BulkId, "bulk"
);

fn derive_uuid(tag: &str, ledger: &LedgerName, key: &Key, index: u32) -> Uuid {
    let mut hash = Sha256::new();
    for part in [tag, ledger.as_str(), key.as_str()] {
        // A separator that no part can contain keeps the parts apart.
        hash.update(part);
        hash.update([0]);
    }
    hash.update(index.to_be_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_hide_or_run_something_are_refused() {
        for bad in ["", "-a", "=1+1", "@x", "a b", "a/b", "ä", "a\0", &"a".repeat(65)] {
            assert!(PayeeId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "zip-98059", "2014-05-02-123", "A.b_c:d@e+f#g", &"a".repeat(64)] {
            assert_eq!(PayeeId::new(good).unwrap().as_str(), good);
        }
        assert!(Text::new("pay\u{202e}lru").is_err());
        assert!(Text::new("  ").is_err());
        assert!(Key::new("a b").is_err());
    }

    #[test]
    fn derived_identifiers_differ_by_ledger_key_and_index() {
        let (a, b) = (LedgerName::new("a").unwrap(), LedgerName::new("b").unwrap());
        let (k, l) = (Key::new("k").unwrap(), Key::new("l").unwrap());
        let all = [
            PayoutId::derive(&a, &k, 0),
            PayoutId::derive(&b, &k, 0),
            PayoutId::derive(&a, &l, 0),
            PayoutId::derive(&a, &k, 1),
        ];
        for (i, x) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|y| *y == x).count(), 1, "{i}");
        }
        assert_eq!(all[0], PayoutId::derive(&a, &k, 0));
        assert_ne!(all[0].as_uuid(), EntryId::derive(&a, &k, 0).as_uuid());
    }
}
