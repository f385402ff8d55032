//! Evidence against tampering: what is known before the ledger is locked is hashed into a digest per event, the rest into one
//! link per request. FORMAT.md gives both byte by byte.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::Date;
use crate::store::SnapshotRow;

/// A SHA-256 value: of an event, of a request, or of the chain so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands before the first link and at the tip of an empty stream.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of bytes as they are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    fn to_hex(self) -> [u8; 64] {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        digits
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Hexadecimal digits are ASCII.
        f.write_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl de::Visitor<'_> for Read {
            type Value = Digest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 lower-case hexadecimal digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                Digest::from_hex(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// What an event's digest covers: everything that its author knew.
#[derive(Debug, Clone, Copy)]
pub struct Preimage<'a> {
    /// The ledger's name.
    pub ledger: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// The version that the event takes in its stream, from 1.
    pub version: u64,
    /// The stored type, such as `payout.created`.
    pub type_name: &'a str,
    /// The version of the payload's form.
    pub schema_version: u16,
    /// The request's idempotency key.
    pub key: &'a str,
    /// The request's hash.
    pub request_hash: &'a Digest,
    /// Who asked.
    pub actor: &'a str,
    /// The effective date.
    pub effective: Date,
    /// The event's place within its request, from 0.
    pub index: u16,
    /// How many events the request has.
    pub size: u16,
    /// The stored bytes.
    pub payload: &'a [u8],
}

impl Preimage<'_> {
    /// The digest of the event.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Framed::new("payledger event 1", self.stream.len() + self.payload.len());
        hash.bytes(self.ledger.as_bytes());
        hash.bytes(self.stream.as_bytes());
        hash.fixed(&self.version.to_be_bytes());
        hash.bytes(self.type_name.as_bytes());
        hash.fixed(&self.schema_version.to_be_bytes());
        hash.bytes(self.key.as_bytes());
        hash.fixed(&self.request_hash.0);
        hash.bytes(planted!(DigestWithoutActor => "", self.actor).as_bytes());
        hash.fixed(&days(planted!(DigestWithoutEffective => Date::MIN, self.effective)).to_be_bytes());
        hash.fixed(&self.index.to_be_bytes());
        hash.fixed(&self.size.to_be_bytes());
        hash.bytes(self.payload);
        hash.finish()
    }
}

/// The link that a request adds to the chain.
#[must_use]
pub fn link<'a>(
    previous: &Digest,
    first_sequence: u64,
    recorded_at_us: i64,
    digests: impl ExactSizeIterator<Item = &'a Digest>,
) -> Digest {
    let mut hash = Framed::new("payledger link 1", digests.len().saturating_mul(32));
    hash.fixed(&previous.0);
    hash.fixed(&first_sequence.to_be_bytes());
    hash.fixed(&planted!(LinkWithoutTime => 0, recorded_at_us).to_be_bytes());
    hash.fixed(&u32::try_from(digests.len()).unwrap_or(u32::MAX).to_be_bytes());
    digests.for_each(|digest| hash.fixed(&digest.0));
    hash.finish()
}

/// The hash of a request: its canonical command and its actor. Never its time, never a field at its default.
#[must_use]
pub fn request_hash(actor: &str, command: &[u8]) -> Digest {
    let mut hash = Framed::new("payledger request 1", command.len());
    hash.bytes(planted!(HashWithoutActor => "", actor).as_bytes());
    hash.bytes(command);
    hash.finish()
}

/// The hash that a snapshot carries of itself, so that what is damaged or belongs elsewhere is not used.
#[must_use]
pub fn snapshot_check(ledger: &str, row: &SnapshotRow) -> Digest {
    let mut hash = Framed::new("payledger snapshot 1", row.state.len());
    hash.bytes(ledger.as_bytes());
    hash.bytes(row.stream.as_str().as_bytes());
    hash.fixed(&row.version.to_be_bytes());
    hash.fixed(&row.digest.0);
    hash.fixed(&row.first_sequence.to_be_bytes());
    hash.fixed(&row.link.0);
    hash.fixed(&row.form.to_be_bytes());
    hash.bytes(&row.state);
    hash.finish()
}

/// Days since 1970-01-01, so that a date has one form of fixed length.
fn days(date: Date) -> i32 {
    date.to_epoch_days()
}

/// SHA-256 over a domain tag and fields that cannot run into one another: variable ones carry their length before them.
///
/// They are hashed together: most are shorter than a block, and one by one they cost more to put together than to hash.
struct Framed(Vec<u8>);

impl Framed {
    /// For fields of about so many bytes.
    fn new(tag: &str, size: usize) -> Self {
        let mut framed = Self(Vec::with_capacity(size.saturating_add(256)));
        framed.bytes(tag.as_bytes());
        framed
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // No field is near 4 GiB: a payload has 64 KiB, and the state of a stream does not fit into memory before it is.
        self.fixed(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.fixed(bytes);
    }

    fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_and_read_as_64_lower_case_digits() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::from_hex(text), Some(digest));
        for bad in [&text[1..], &text.to_uppercase(), &text.replace('b', "g"), ""] {
            assert_eq!(Digest::from_hex(bad), None, "{bad:?}");
        }
    }
}
