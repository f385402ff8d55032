use ledger_core::attribute;
use ledger_sim::choice::Choices;
use ledger_sim::model::attribution;
use ledger_sim::workload::attributions::case;
use serde_json::Value;

/// Whatever a case of attribution says, it is answered in one line of JSON; a drawn one with the amounts that the model comes
/// to, or refused by both.
///
/// Input: a case as JSON; or, after a zero byte, the choices of a drawn one.
pub fn attribute_case(bytes: &[u8]) {
    let Some((0, choices)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else {
        if let Ok(text) = std::str::from_utf8(bytes) {
            answer(text);
        }
        return;
    };
    let text = case(&mut Choices::from_bytes(choices)).case.to_string();
    let mut answer = answer(&text);
    match (answer.get("error"), attribution::attribute(&text)) {
        (None, Ok(expected)) => {
            leave_out_reasons(&mut answer);
            assert_eq!(answer, serde_json::from_str::<Value>(&expected).unwrap());
        }
        (Some(_), Err(_)) => {}
        (Some(error), Ok(_)) => panic!("the model attributes it: {error}"),
        (None, Err(code)) => panic!("the model refuses it: {code:?}"),
    }
}

fn answer(text: &str) -> Value {
    let answer = attribute::line(text);
    assert!(!answer.contains('\n'), "an answer is one line");
    assert_eq!(answer, attribute::line(text), "the same case comes to the same");
    serde_json::from_str(&answer).unwrap()
}

/// The model says how much, not why.
fn leave_out_reasons(answer: &mut Value) {
    for deal in answer["deals"].as_array_mut().unwrap() {
        for part in ["credits", "overlays", "entries"] {
            for line in deal[part].as_array_mut().unwrap() {
                line.as_object_mut().unwrap().remove("because").unwrap();
            }
        }
    }
}
