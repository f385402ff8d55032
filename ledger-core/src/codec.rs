//! Between events and their stored bytes: canonical JSON, exactly what this encoder writes, with its type and the version of
//! its form outside it.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, VariantAccess,
    Visitor,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

use crate::command::Command;
use crate::event::Event;
use crate::{account, attainment, cap, customer, deal, model, payee, payout, plan, rates, settings, spend};

/// The version of every payload's form. A change of any field makes a new one, and an upcast from the old.
pub const SCHEMA_VERSION: u16 = 1;

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The type, such as `payout.created`.
    pub type_name: CompactString,
    /// The version of the payload's form.
    pub schema_version: u16,
    /// The canonical bytes.
    pub payload: Vec<u8>,
}

/// Stored bytes that are no event of this version of the library. Stop: nothing is skipped in silence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The type is not known.
    #[error("the event type {type_name:?} is unknown: this version of the library is too old for the ledger")]
    UnknownType {
        /// The type.
        type_name: String,
    },
    /// The type is known, the version of its form is not.
    #[error("{type_name} is stored in form {schema_version}, this version of the library reads up to {SCHEMA_VERSION}")]
    UnknownVersion {
        /// The type.
        type_name: String,
        /// The version of the form.
        schema_version: u16,
    },
    /// The bytes are not of the type.
    #[error("{type_name} cannot be read: {what}")]
    Malformed {
        /// The type.
        type_name: String,
        /// What is wrong, and where.
        what: String,
    },
    /// The bytes mean an event, but are not the ones that the encoder writes for it.
    #[error("{type_name} is not in canonical form")]
    NotCanonical {
        /// The type.
        type_name: String,
    },
}

/// The canonical bytes of a value of the domain.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    // Values of the domain have string keys and no floats, so there is nothing that JSON cannot say.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Serialises what is asked without what is at its default, so that a field that is added later, at its default, changes the
/// hash of no request that was made before. What is stored has everything.
pub(crate) fn without_defaults<T, S>(asked: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + DeserializeOwned + PartialEq,
    S: Serializer,
{
    let full = serde_json::to_value(asked).map_err(serde::ser::Error::custom)?;
    let (mut json, mut fields) = (full.clone(), Places::new());
    name_fields(&full, "", "", 0, &mut fields);
    for ((_, _, field), objects) in fields {
        let mut less = json.clone();
        objects.iter().for_each(|object| take(&mut less, object, &field));
        let Some(says) = T::deserialize(&less).ok().and_then(|says| serde_json::to_value(says).ok()) else { continue };
        for object in objects {
            let value = |json: &Value| json.pointer(&object).and_then(|object| object.get(&field)).cloned();
            if value(&says) == value(&full) {
                take(&mut json, &object, &field);
            }
        }
    }
    let is_same = T::deserialize(&json).is_ok_and(|says| says == *asked);
    if is_same { json.serialize(serializer) } else { full.serialize(serializer) }
}

fn take(json: &mut Value, object: &str, field: &str) {
    json.pointer_mut(object).and_then(Value::as_object_mut).and_then(|object| object.remove(field));
}

/// The most fields of a type. An object of more is a map, and its keys are no fields: each says something.
const FIELDS: usize = 64;

/// Where there are objects with a field, by their depth, their kind and the field. What is outside comes first; and as all items of
/// a list are of one kind, the work grows with the kinds and not with the length of a list.
type Places = BTreeMap<(usize, String, String), Vec<String>>;

fn name_fields(json: &Value, place: &str, kind: &str, depth: usize, fields: &mut Places) {
    match json {
        Value::Object(object) if object.len() <= FIELDS => {
            for (field, value) in object {
                fields.entry((depth, kind.to_owned(), field.clone())).or_default().push(place.to_owned());
                name_fields(value, &format!("{place}/{field}"), &format!("{kind}/{field}"), depth + 1, fields);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                name_fields(item, &format!("{place}/{index}"), &format!("{kind}/"), depth + 1, fields);
            }
        }
        _ => {}
    }
}

/// Names every event that there is. One that is not named here does not compile.
macro_rules! event_types {
    ($($concept:ident($event:path) => $name:literal,)+) => {
        /// The types under which events are stored. A name stays for ever.
        pub const TYPES: &[&str] = &[$($name),+];

        fn type_name(event: &Event) -> &'static str {
            match event {
                $(Event::$concept($event { .. }) => $name,)+
            }
        }
    };
}
event_types! {
    Settings(settings::Event::Opened) => "settings.opened",
    Settings(settings::Event::SwitchedOn) => "settings.switched_on",
    Settings(settings::Event::SwitchedOff) => "settings.switched_off",
    Payee(payee::Event::Enrolled) => "payee.enrolled",
    Payee(payee::Event::Assigned) => "payee.assigned",
    Payee(payee::Event::AssignmentEnded) => "payee.assignment_ended",
    Payee(payee::Event::Classified) => "payee.classified",
    Plan(plan::Event::Published) => "plan.published",
    Model(model::Event::Published) => "model.published",
    Rates(rates::Event::Published) => "rates.published",
    Deal(deal::Event::Registered) => "deal.registered",
    Deal(deal::Event::Attributed) => "deal.attributed",
    Deal(deal::Event::Touched) => "deal.touched",
    Deal(deal::Event::Completed) => "deal.completed",
    Deal(deal::Event::Credited) => "deal.credited",
    Deal(deal::Event::Recredited) => "deal.recredited",
    Deal(deal::Event::Collected) => "deal.collected",
    Deal(deal::Event::Reversed) => "deal.reversed",
    Cap(cap::Event::ProgrammeOpened) => "cap.programme_opened",
    Cap(cap::Event::PoolOpened) => "cap.pool_opened",
    Cap(cap::Event::OpeningBalanceSet) => "cap.opening_balance_set",
    Cap(cap::Event::Contributed) => "cap.contributed",
    Cap(cap::Event::Reached) => "cap.reached",
    Cap(cap::Event::Reversed) => "cap.reversed",
    Attainment(attainment::Event::OpeningSet) => "attainment.opening_set",
    Attainment(attainment::Event::Counted) => "attainment.counted",
    Attainment(attainment::Event::Reversed) => "attainment.reversed",
    Spend(spend::Event::Counted) => "spend.counted",
    Spend(spend::Event::Reversed) => "spend.reversed",
    Customer(customer::Event::Earned) => "customer.earned",
    Customer(customer::Event::Forgotten) => "customer.forgotten",
    Account(account::Event::EntryBooked) => "account.entry_booked",
    Account(account::Event::EntryReversed) => "account.entry_reversed",
    Account(account::Event::EntriesClaimed) => "account.entries_claimed",
    Account(account::Event::EntriesReleased) => "account.entries_released",
    Account(account::Event::EntriesPaid) => "account.entries_paid",
    Payout(payout::Event::Created) => "payout.created",
    Payout(payout::Event::Submitted) => "payout.submitted",
    Payout(payout::Event::Approved) => "payout.approved",
    Payout(payout::Event::Rejected) => "payout.rejected",
    Payout(payout::Event::Started) => "payout.started",
    Payout(payout::Event::Paid) => "payout.paid",
    Payout(payout::Event::Failed) => "payout.failed",
    Payout(payout::Event::Voided) => "payout.voided",
    Payout(payout::Event::LatePaymentReported) => "payout.late_payment_reported",
    Payout(payout::Event::LatePaymentResolved) => "payout.late_payment_resolved",
    Payout(payout::Event::ReferenceTaken) => "payout.reference_taken",
    Payout(payout::Event::BulkApproved) => "payout.bulk_approved",
}

/// Encodes an event.
#[must_use]
pub fn encode(event: &Event) -> Encoded {
    let tagged = match event {
        Event::Settings(event) => canonical(event),
        Event::Payee(event) => canonical(event),
        Event::Plan(event) => canonical(event),
        Event::Model(event) => canonical(event),
        Event::Rates(event) => canonical(event),
        Event::Deal(event) => canonical(event),
        Event::Cap(event) => canonical(event),
        Event::Attainment(event) => canonical(event),
        Event::Spend(event) => canonical(event),
        Event::Customer(event) => canonical(event),
        Event::Account(event) => canonical(event),
        Event::Payout(event) => canonical(event),
    };
    let (_, payload) = untag(&tagged).unwrap_or_default();
    Encoded {
        type_name: CompactString::const_new(type_name(event)),
        schema_version: SCHEMA_VERSION,
        payload: planted!(AbsentIsNull => crate::planted::with_nulls(event, payload), payload.to_vec()),
    }
}

/// Takes `{"variant":content}` apart.
fn untag(tagged: &[u8]) -> Option<(&str, &[u8])> {
    let tagged = tagged.strip_prefix(b"{\"")?.strip_suffix(b"}")?;
    let end = tagged.iter().position(|byte| *byte == b'"')?;
    let (variant, rest) = tagged.split_at_checked(end)?;
    Some((std::str::from_utf8(variant).ok()?, rest.strip_prefix(b"\":")?))
}

/// Decodes a stored event.
///
/// # Errors
/// [`DecodeError`] for a type or version that is not known, and for bytes that are not of it.
pub fn decode(type_name: &str, schema_version: u16, payload: &[u8]) -> Result<Event, DecodeError> {
    let malformed = |what: String| DecodeError::Malformed { type_name: type_name.into(), what };
    let text = std::str::from_utf8(payload).map_err(|error| malformed(error.to_string()))?;
    let unknown = || DecodeError::UnknownType { type_name: type_name.into() };
    let (concept, variant) = type_name.split_once('.').ok_or_else(unknown)?;
    if schema_version != SCHEMA_VERSION {
        return Err(DecodeError::UnknownVersion { type_name: type_name.into(), schema_version });
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let content = Variant { name: variant, content: &mut json };
    let event = match concept {
        "settings" => Deserialize::deserialize(content).map(Event::Settings),
        "payee" => Deserialize::deserialize(content).map(Event::Payee),
        "plan" => Deserialize::deserialize(content).map(Event::Plan),
        "model" => Deserialize::deserialize(content).map(Event::Model),
        "rates" => Deserialize::deserialize(content).map(Event::Rates),
        "deal" => Deserialize::deserialize(content).map(Event::Deal),
        "cap" => Deserialize::deserialize(content).map(Event::Cap),
        "attainment" => Deserialize::deserialize(content).map(Event::Attainment),
        "spend" => Deserialize::deserialize(content).map(Event::Spend),
        "customer" => Deserialize::deserialize(content).map(Event::Customer),
        "account" => Deserialize::deserialize(content).map(Event::Account),
        "payout" => Deserialize::deserialize(content).map(Event::Payout),
        _ => return Err(unknown()),
    };
    let known = || TYPES.contains(&type_name);
    let event = event.map_err(|error| if known() { malformed(error.to_string()) } else { unknown() })?;
    planted!(TrailingBytes => Ok(()), json.end()).map_err(|error| malformed(error.to_string()))?;
    Ok(event)
}

/// Decodes a stored event and checks that its bytes are the ones that the encoder writes.
///
/// # Errors
/// [`DecodeError`], also when the bytes are not in canonical form.
pub fn decode_canonical(type_name: &str, schema_version: u16, payload: &[u8]) -> Result<Event, DecodeError> {
    let event = decode(type_name, schema_version, payload)?;
    if encode(&event).payload != payload && !planted!(AnyFormVerifies) {
        return Err(DecodeError::NotCanonical { type_name: type_name.into() });
    }
    Ok(event)
}

/// One variant of an enum: its name from outside, its fields from a deserializer.
struct Variant<'a, D> {
    name: &'a str,
    content: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Variant<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Variant<'_, D> {
    type Error = D::Error;
    type Variant = Fields<D>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Fields<D>), D::Error> {
        let name: de::value::StrDeserializer<'_, D::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Fields(self.content)))
    }
}

struct Fields<D>(D);

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Fields<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct("", fields, Object { fields, visitor })
    }
}

/// Takes the fields from an object only, and says so in words that are not those of Rust.
struct Object<V> {
    fields: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an object with {}", self.fields.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(map)
    }
}

/// The canonical bytes of a command: `{"payout.submit":{…}}`.
pub(crate) fn encode_command(command: &Command) -> Vec<u8> {
    let (concept, tagged) = match command {
        Command::Settings(command) => ("settings", canonical(command)),
        Command::Payee(command) => ("payee", canonical(command)),
        Command::Plan(command) => ("plan", canonical(command)),
        Command::Model(command) => ("model", canonical(command)),
        Command::Rates(command) => ("rates", canonical(command)),
        Command::Deal(command) => ("deal", canonical(command)),
        Command::Cap(command) => ("cap", canonical(command)),
        Command::Attainment(command) => ("attainment", canonical(command)),
        Command::Payout(command) => ("payout", canonical(command)),
    };
    let (variant, content) = untag(&tagged).unwrap_or_default();
    [b"{\"", concept.as_bytes(), b".", variant.as_bytes(), b"\":", content, b"}"].concat()
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = encode_command(self);
        let json: &serde_json::value::RawValue = serde_json::from_slice(&bytes).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneCommand)
    }
}

struct OneCommand;

impl<'de> Visitor<'de> for OneCommand {
    type Value = Command;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one command, such as {\"payout.submit\":{…}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Command, A::Error> {
        let name: CompactString = map.next_key()?.ok_or_else(|| de::Error::custom("the command is missing"))?;
        let command = map.next_value_seed(CommandNamed(&name))?;
        match map.next_key::<CompactString>()? {
            None => Ok(command),
            Some(second) => Err(de::Error::custom(format_args!("a request is one command, not {name} and {second}"))),
        }
    }
}

struct CommandNamed<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for CommandNamed<'_> {
    type Value = Command;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<Command, D::Error> {
        let unknown = || de::Error::custom(format_args!("unknown command {:?}", self.0));
        let (concept, name) = self.0.split_once('.').ok_or_else(unknown)?;
        let content = Variant { name, content };
        match concept {
            "settings" => Deserialize::deserialize(content).map(Command::Settings),
            "payee" => Deserialize::deserialize(content).map(Command::Payee),
            "plan" => Deserialize::deserialize(content).map(Command::Plan),
            "model" => Deserialize::deserialize(content).map(Command::Model),
            "rates" => Deserialize::deserialize(content).map(Command::Rates),
            "deal" => Deserialize::deserialize(content).map(Command::Deal),
            "cap" => Deserialize::deserialize(content).map(Command::Cap),
            "attainment" => Deserialize::deserialize(content).map(Command::Attainment),
            "payout" => Deserialize::deserialize(content).map(Command::Payout),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    thread_local! {
        /// How often something was read or written as a whole.
        static PASSES: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(PartialEq)]
    struct Counted<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Counted<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            PASSES.set(PASSES.get() + 1);
            T::deserialize(deserializer).map(Self)
        }
    }

    impl<T: Serialize> Serialize for Counted<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            PASSES.set(PASSES.get() + 1);
            self.0.serialize(serializer)
        }
    }

    /// How often what is asked is gone through until it is without its defaults.
    fn passes<T: Serialize + DeserializeOwned + PartialEq>(asked: Value) -> usize {
        let asked: Counted<T> = serde_json::from_value(asked).unwrap();
        PASSES.set(0);
        without_defaults(&asked, serde_json::value::Serializer).unwrap();
        PASSES.get()
    }

    fn list(length: usize, item: impl Fn(usize) -> Value) -> Value {
        (0..length).map(item).collect()
    }

    fn plan(length: usize) -> usize {
        let to = |of: usize| json!({"payee": format!("p-{of}")});
        let fee =
            |of| json!({"name": format!("f-{of}"), "timing": "always", "amount": {"flat": "1 USD"}, "to": to(of)});
        let bonus = |of| json!({"name": format!("b-{of}"), "when": "each_deal", "amount": {"rate": "0.01"}});
        let over = |of| json!({"name": format!("o-{of}"), "to": format!("p-{of}"), "rate": "0.01"});
        passes::<crate::waterfall::Document>(json!({
            "currency": "USD",
            "split": {"flat": {"payee": "0.7", "company": "0.3"}},
            "fees": list(length, fee),
            "bonuses": list(length, bonus),
            "overrides": list(length, over),
        }))
    }

    fn rates(length: usize) -> usize {
        let rule = |of| json!({"rule": format!("r-{of}"), "priority": of, "pays": {"rate": "0.1"}});
        passes::<crate::credit::rates::Document>(json!({"currency": "USD", "rules": list(length, rule)}))
    }

    fn sale(length: usize) -> usize {
        let line = |of| json!({"product_line": format!("l-{of}"), "amount": "1 USD"});
        let weight = |of| json!({"payee": format!("p-{of}"), "weight": "0.1"});
        let model = json!({"model": "even", "version": 1});
        let (lines, overlays) = (list(length, line), list(length, weight));
        passes::<deal::sale::Sale>(json!({"lines": lines, "overlays": overlays, "model": model}))
    }

    fn model(length: usize) -> usize {
        let weights: Value = (0..length).map(|of| (format!("t-{of}"), json!("0.1"))).collect();
        passes::<crate::credit::model::Document>(json!({"model": {"role_based": {"weights": weights}}}))
    }

    /// Each of 1,600 fees was tried in a document of its own, which took a quarter of a minute.
    #[test]
    fn a_document_is_gone_through_as_often_however_long_it_is() {
        for of in [plan, rates, sale, model] {
            let (short, long) = (of(20), of(800));
            assert!(long <= short && short < 150, "{short} times, {long} times when it is long");
        }
    }
}
