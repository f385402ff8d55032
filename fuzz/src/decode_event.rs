use ledger_core::codec::{self, DecodeError, SCHEMA_VERSION, TYPES};
use serde_json::Value;

/// Stored bytes are an event or they are refused, and whatever is canonical is written again byte for byte. Nothing unknown is
/// read past: no type, no version, no field, however deep.
///
/// Input: a line with the type and the version of its form, then the payload.
pub fn decode_event(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else { return };
    let (name, version) = head.rsplit_once(' ').unwrap_or((head, ""));
    let version: u16 = version.parse().unwrap_or(SCHEMA_VERSION);
    let payload = bytes.get(end + 1..).unwrap_or_default();

    let canonical = codec::decode_canonical(name, version, payload);
    let event = match codec::decode(name, version, payload) {
        Ok(event) => event,
        Err(error) => {
            assert_eq!(canonical, Err(error.clone()), "what means nothing is not canonical");
            return blamed(&error, name, version);
        }
    };
    assert!(version == SCHEMA_VERSION && TYPES.contains(&name), "{name} {version} is not known");
    let again = codec::encode(&event);
    assert_eq!((again.type_name.as_str(), again.schema_version), (name, version));
    if again.payload == payload {
        assert_eq!(canonical.as_ref(), Ok(&event));
    } else {
        assert_eq!(canonical, Err(DecodeError::NotCanonical { type_name: name.into() }));
        assert_eq!(
            codec::decode_canonical(name, version, &again.payload).as_ref(),
            Ok(&event),
            "writing settles the form"
        );
    }

    assert_eq!(codec::decode(name, version + 1, payload), Err(unknown_version(name, version + 1)));
    let other = format!("{name}x");
    assert_eq!(codec::decode(&other, version, payload), Err(DecodeError::UnknownType { type_name: other.clone() }));
    let value: Value = serde_json::from_slice(payload).expect("a payload is JSON");
    for place in 0..objects(&value) {
        let mut more = value.clone();
        assert!(add_unknown(&mut more, &mut { place }));
        let refused = codec::decode(name, version, more.to_string().as_bytes());
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "an unknown field is read past: {more}");
    }
}

fn unknown_version(name: &str, schema_version: u16) -> DecodeError {
    DecodeError::UnknownVersion { type_name: name.into(), schema_version }
}

/// A newer writer is not taken for a forger, nor a forger for a newer writer.
fn blamed(error: &DecodeError, name: &str, version: u16) {
    match error {
        DecodeError::UnknownType { type_name } => assert!(type_name == name && !TYPES.contains(&name)),
        DecodeError::UnknownVersion { .. } => assert_eq!(*error, unknown_version(name, version)),
        DecodeError::Malformed { type_name, .. } => assert_eq!(type_name, name),
        DecodeError::NotCanonical { .. } => panic!("decoding does not ask for a form: {error}"),
    }
    if TYPES.contains(&name) && version == SCHEMA_VERSION {
        assert!(matches!(error, DecodeError::Malformed { .. }), "{name} is known: {error}");
    }
}

/// How many objects there are in a value, itself included.
fn objects(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(objects).sum::<usize>(),
        Value::Array(items) => items.iter().map(objects).sum(),
        _ => 0,
    }
}

/// Adds a field that no event has to one of the objects, counted from the outermost.
fn add_unknown(value: &mut Value, place: &mut usize) -> bool {
    match value {
        Value::Object(fields) if *place == 0 => fields.insert("zz_unknown".into(), Value::Null).is_none(),
        Value::Object(fields) => {
            *place -= 1;
            fields.values_mut().any(|value| add_unknown(value, place))
        }
        Value::Array(items) => items.iter_mut().any(|value| add_unknown(value, place)),
        _ => false,
    }
}
