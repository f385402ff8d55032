//! `calc` and `attribute`: a line in, a line out.

use serde_json::Value;

use super::*;

fn answers(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An answer that moved up a line would be taken for another case's.
#[test]
fn an_answer_stands_where_its_case_stood_also_when_that_is_none() {
    let folder = Folder::new();
    for command in ["calc", "attribute"] {
        let example = folder.run(&[command, "--example"]).expect(0).stdout;
        let unclosed = &example[..example.len() / 2];
        let lines = [
            example.trim().as_bytes(),
            b"",
            b"ab\xff",
            unclosed.as_bytes(),
            br#"{"case":"mine"}"#,
            example.trim().as_bytes(),
        ];
        folder.write("cases.jsonl", &lines.join(&b'\n'));
        let run = folder.run(&[command, "cases.jsonl"]).expect(2);
        let answers = answers(&run);
        let refused: Vec<_> = answers.iter().map(|answer| answer.get("error").is_some()).collect();
        assert_eq!(refused, [false, true, true, true, true, false], "{command}: {}", run.stdout);
        assert!(answers[1..5].iter().all(|answer| answer["error"]["code"] == "malformed"), "{}", run.stdout);
        assert_eq!(answers[4]["case"], "mine", "whoever asked knows which one it was");
        assert_eq!(answers[0], answers[5]);
    }
}

#[test]
fn the_examples_come_to_what_their_documentation_says() {
    let folder = Folder::new();
    folder.write("calc.jsonl", folder.run(&["calc", "--example"]).expect(0).stdout.as_bytes());
    let answer = answers(&folder.run(&["calc", "calc.jsonl"]).expect(0)).remove(0);
    assert_eq!(answer["deals"][0]["sides"][0]["lines"][0]["amount"], "3000.00 USD", "a quarter of 12,000");
    assert_eq!(answer["deals"][1]["sides"][0]["lines"][0]["amount"], "4100.00 USD", "what was left of the cap");
    assert_eq!(answer["caps"][0]["capped"], true);
    folder.write("attribute.jsonl", folder.run(&["attribute", "--example"]).expect(0).stdout.as_bytes());
    let answer = answers(&folder.run(&["attribute", "attribute.jsonl"]).expect(0)).remove(0);
    let credits: Vec<_> =
        answer["deals"][0]["credits"].as_array().unwrap().iter().map(|credit| &credit["amount"]).collect();
    assert_eq!(credits, ["3333.33 USD", "6666.67 USD"], "the later touch counts twice");
}

/// A plan whose shares are not the whole was calculated, or said to be wrong somewhere.
#[test]
fn a_refusal_names_the_field_and_the_rule() {
    let folder = Folder::new();
    let case = br#"{"currency":"USD","plans":{"s":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.4"}}}},"payees":{},"deals":[]}"#;
    folder.write("case.jsonl", case);
    let error = &answers(&folder.run(&["calc", "case.jsonl"]).expect(2))[0]["error"];
    assert_eq!((&error["code"], &error["at"]), (&"shares_do_not_sum".into(), &"plans.s.split.flat".into()));
    assert!(
        folder.run(&["calc", "--explain", "case.jsonl"]).expect(2).stdout.starts_with("refused: plans.s.split.flat: ")
    );
    assert!(folder.run(&["calc"]).expect(2).stderr.contains("FILE"));
    assert!(folder.run(&["calc", "--schema"]).expect(0).stdout.contains("json-schema.org"));
}
