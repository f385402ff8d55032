//! Touches: the contacts of payees with a customer that led to a deal, in their order.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::refuse::{Fault, Rejection};
use crate::calendar::in_range;
use crate::id::{PayeeId, Text, TouchId};
use crate::limits::MILESTONES_PER_TOUCH;
use crate::money::{FromText, excerpt};
use crate::rate::Rate;

/// A moment, to the millisecond.
///
/// ```
/// use ledger_core::credit::touch::Instant;
///
/// let local: Instant = serde_json::from_str(r#""2025-06-01T14:00:00.5+02:00""#).unwrap();
/// assert_eq!(local.to_string(), "2025-06-01T12:00:00.500Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(DateTime<Utc>);

impl Instant {
    /// Reads it from RFC 3339 with at most three decimals of a second, and no leap second.
    ///
    /// # Errors
    /// [`Fault::Malformed`] with what is expected.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let decimals = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        let strict = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z') && decimals <= 3;
        let read =
            DateTime::parse_from_rfc3339(text).ok().filter(|read| strict && read.timestamp_subsec_millis() < 1_000);
        read.map(|read| Self(read.to_utc())).ok_or_else(|| {
            let text = excerpt(text);
            Fault::Malformed(format!("{text:?} is no instant such as 2025-06-01T12:00:00.250Z, to the millisecond"))
        })
    }

    /// Of an instant that no rule stands for.
    pub(crate) const fn of(at: DateTime<Utc>) -> Self {
        Self(at)
    }

    /// The instant itself.
    #[must_use]
    pub const fn to_utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// Makes sure that the instant is in the years that a ledger keeps.
    pub(crate) fn in_range(self) -> Result<Self, Fault> {
        Ok(in_range(self.0.date_naive()).map(|_| self)?)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("an instant such as \"2025-06-01T12:00:00Z\"", Self::parse))
    }
}

/// One contact of a payee with the customer of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touch {
    /// The touch. Told again it changes nothing; told otherwise it is refused.
    pub touch: TouchId,
    /// Whose touch it is.
    pub payee: PayeeId,
    /// What was done, such as `referral` or `demo`.
    #[serde(rename = "type")]
    pub kind: Text,
    /// When.
    pub at: Instant,
    /// Its own weight, which goes before that of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Rate>,
    /// The role in which the payee acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Text>,
    /// The milestones of the deal that it was, such as `lead`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<Text>,
}

impl Touch {
    /// Makes sure that it names no more milestones than a touch may.
    pub(crate) fn check_length(&self) -> Result<(), Rejection> {
        match self.milestones.len() {
            many if many > MILESTONES_PER_TOUCH => Err(Fault::TooManyMilestones(many).at("milestones")),
            _ => Ok(()),
        }
    }
}

/// The touches that count, by time and then as listed, and their payees by their first touch.
pub(crate) struct Journey<'a> {
    pub steps: Vec<Step<'a>>,
    pub payees: Vec<Traveller<'a>>,
}

/// One touch that counts, and whose it is among [`Journey::payees`].
pub(crate) struct Step<'a> {
    pub touch: &'a Touch,
    pub whose: usize,
}

/// A payee, and how many touches of it count.
pub(crate) struct Traveller<'a> {
    pub payee: &'a PayeeId,
    pub touches: usize,
}

impl<'a> Journey<'a> {
    pub fn of(touches: &'a [Touch], counts: impl Fn(&Touch) -> bool) -> Result<Self, Fault> {
        let mut once: Vec<&Touch> = Vec::with_capacity(touches.len());
        let mut seen: BTreeMap<&TouchId, &Touch> = BTreeMap::new();
        for touch in touches {
            match seen.get(&touch.touch) {
                None => {
                    seen.insert(&touch.touch, touch);
                    once.extend(counts(touch).then_some(touch));
                }
                Some(known) if *known == touch => {}
                Some(_) => return Err(Fault::NamedTwice(touch.touch.to_string())),
            }
        }
        once.sort_by_key(|touch| touch.at);
        let mut journey = Self { steps: Vec::with_capacity(once.len()), payees: Vec::new() };
        let mut places: BTreeMap<&PayeeId, usize> = BTreeMap::new();
        for touch in once {
            let whose = *places.entry(&touch.payee).or_insert(journey.payees.len());
            match journey.payees.get_mut(whose) {
                Some(payee) => payee.touches += 1,
                None => journey.payees.push(Traveller { payee: &touch.payee, touches: 1 }),
            }
            journey.steps.push(Step { touch, whose });
        }
        Ok(journey)
    }
}
