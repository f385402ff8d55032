//! Where a case that cannot be read goes wrong.

use serde_json::{Error, Value};

/// What a case is found by, if it says so.
pub(crate) fn name(text: &str) -> Option<String> {
    let case: Value = serde_json::from_str(text).ok()?;
    Some(case.get("case")?.as_str()?.to_owned())
}

/// The path of the value that an error is about.
pub(crate) fn place(text: &str, error: &Error) -> String {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    path_at(text.bytes().take(before.saturating_add(error.column())))
}

/// The path of the value in which a JSON text ends, as far as it is one.
fn path_at(text: impl Iterator<Item = u8>) -> String {
    enum Within {
        Object { key: String },
        List { index: usize },
    }
    let (mut path, mut string, mut last) = (Vec::<Within>::new(), None::<Vec<u8>>, String::new());
    let mut escaped = false;
    for byte in text {
        if let Some(letters) = &mut string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    last = String::from_utf8_lossy(letters).into_owned();
                    string = None;
                    continue;
                }
                _ => {}
            }
            letters.push(byte);
            continue;
        }
        match (byte, path.last_mut()) {
            (b'"', _) => string = Some(Vec::new()),
            (b'{', _) => path.push(Within::Object { key: String::new() }),
            (b'[', _) => path.push(Within::List { index: 0 }),
            (b'}' | b']', _) => drop(path.pop()),
            (b':', Some(Within::Object { key })) => *key = std::mem::take(&mut last),
            (b',', Some(Within::Object { key })) => {
                key.clear();
                last.clear();
            }
            (b',', Some(Within::List { index })) => *index += 1,
            _ => {}
        }
    }
    // A name that is not followed by its value yet is what went wrong.
    if let Some(Within::Object { key }) = path.last_mut()
        && key.is_empty()
    {
        *key = last;
    }
    let steps = path.into_iter().map(|within| match within {
        Within::Object { key } => key,
        Within::List { index } => index.to_string(),
    });
    steps.filter(|step| !step.is_empty()).collect::<Vec<_>>().join(".")
}
