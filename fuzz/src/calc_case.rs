use ledger_core::calc;
use ledger_sim::choice::Choices;
use ledger_sim::model::waterfall::{self, Code};
use ledger_sim::workload::cases::draw;
use serde_json::Value;

/// Whatever a case says, it is answered in one line of JSON; and with the amounts that the model comes to, or refused by both.
///
/// Input: a case as JSON; or, after a zero byte, the choices of a drawn one.
pub fn calc_case(bytes: &[u8]) {
    let drawn;
    let (text, huge) = match bytes.split_first() {
        Some((0, choices)) => {
            drawn = draw(&mut Choices::from_bytes(choices));
            (drawn.text.as_str(), drawn.huge)
        }
        _ => match std::str::from_utf8(bytes) {
            // Amounts may be as large as can be written.
            Ok(text) => (text, true),
            Err(_) => return,
        },
    };
    let answer = calc::line(text);
    assert!(!answer.contains('\n'), "an answer is one line");
    assert_eq!(answer, calc::line(text), "the same case comes to the same");
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    match (answer.get("error"), waterfall::calc(text)) {
        (None, Ok(expected)) => {
            leave_out_reasons(&mut answer);
            assert_eq!(answer, serde_json::from_str::<Value>(&expected).unwrap());
        }
        (Some(error), Ok(_)) => assert!(huge && error["code"] == "overflow", "the model calculates it: {error}"),
        (Some(_), Err(_)) => {}
        (None, Err(code)) => assert!(huge && code == Code::Overflow, "the model refuses it: {code:?}"),
    }
}

/// The model says how much, not why.
fn leave_out_reasons(answer: &mut Value) {
    let sides =
        answer["deals"].as_array_mut().unwrap().iter_mut().flat_map(|deal| deal["sides"].as_array_mut().unwrap());
    for side in sides {
        side.as_object_mut().unwrap().remove("parts").unwrap();
        for line in side["lines"].as_array_mut().unwrap() {
            line.as_object_mut().unwrap().remove("because").unwrap();
        }
    }
}
