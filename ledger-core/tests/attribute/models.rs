//! Models that no vector covers to the end.

use serde_json::{Value, json};

use super::case::{case, credits, first, touches, with};

fn reaching(model: &Value, listed: &[(&str, &[&str])]) -> Vec<String> {
    let all: Vec<_> = listed.iter().map(|(payee, _)| (*payee, "demo", "1")).collect();
    let case = case(model.clone(), touches(&all));
    credits(&listed.iter().enumerate().fold(case, |case, (place, (_, milestones))| {
        with(case, &format!("deals.0.touches.{place}.milestones"), json!(milestones))
    }))
}

#[test]
fn touches_on_one_milestone_share_it_and_what_is_absent_is_left_out_of_the_whole() {
    let milestones = ["first", "lead", "opportunity"].map(|name| json!({"milestone": name, "weight": "0.3"}));
    let w = json!({"milestones": {"milestones": milestones, "rest": "0.1"}});
    let all: [(&str, &[&str]); 5] =
        [("a", &["first"]), ("b", &["lead"]), ("c", &["opportunity"]), ("d", &[]), ("e", &[])];
    assert_eq!(reaching(&w, &all), ["a 3000.00", "b 3000.00", "c 3000.00", "d 500.00", "e 500.00"]);
    let shared: [(&str, &[&str]); 3] = [("a", &["lead"]), ("b", &["lead"]), ("c", &["opportunity"])];
    assert_eq!(reaching(&w, &shared), ["a 2500.00", "b 2500.00", "c 5000.00"]);
    let several: [(&str, &[&str]); 2] = [("a", &["first", "lead", "lead"]), ("b", &["opportunity"])];
    assert_eq!(reaching(&w, &several), ["a 6666.67", "b 3333.33"], "the sum of what it reached, each once");
    assert_eq!(reaching(&w, &[("a", &[])]), ["a 10000.00"], "the rest alone is the whole");
    // Ten touches on one milestone and three on another have no common decimal scale.
    let many: Vec<(&str, &[&str])> =
        [("a", &["first"] as &[&str]); 9].into_iter().chain([("b", &["first"] as &[&str])]).collect();
    let many: Vec<_> =
        many.into_iter().chain([("c", &["lead"] as &[&str]), ("d", &["lead"]), ("e", &["lead"])]).collect();
    assert_eq!(reaching(&w, &many), ["a 4500.00", "b 500.00", "c 1666.67", "d 1666.67", "e 1666.66"]);
}

#[test]
fn the_latest_implementation_has_it_all_or_else_the_latest_touch() {
    let model = json!({"implementation": {"types": ["technical_enablement"]}});
    let of = |kinds: [&str; 3]| {
        credits(&case(model.clone(), touches(&[("a", kinds[0], "1"), ("b", kinds[1], "2"), ("c", kinds[2], "3")])))
    };
    assert_eq!(of(["technical_enablement", "technical_enablement", "demo"]), ["b 10000.00"]);
    assert_eq!(of(["demo", "demo", "demo"]), ["c 10000.00"]);
}

#[test]
fn inside_a_class_each_payee_takes_part_by_its_best_role() {
    let model = json!({"co_sell": {"classes": [
        {"class": "k", "weight": "0.6", "roles": [{"role": "x", "weight": "0.1"}, {"role": "y", "weight": "0.3"}]},
        {"class": "l", "weight": "0.2"},
        {"class": "m", "weight": "0.2", "roles": [{"role": "x", "weight": "1"}]},
    ]}});
    let acting = |listed: &[(&str, &str, &str)]| {
        let all: Vec<_> = listed.iter().map(|(payee, _, _)| (*payee, "demo", "1")).collect();
        let case = case(model.clone(), touches(&all));
        let case = listed.iter().enumerate().fold(case, |case, (place, (payee, class, role))| {
            let case = with(case, &format!("deals.0.touches.{place}.role"), json!(role));
            with(case, &format!("payees.{payee}.class"), json!(class))
        });
        credits(&case)
    };
    let two = [("a", "k", "x"), ("b", "k", "y"), ("c", "l", "x")];
    assert_eq!(acting(&two), ["a 1875.00", "b 5625.00", "c 2500.00"]);
    let best = [("a", "k", "x"), ("a", "k", "y"), ("b", "k", "y"), ("c", "l", "x"), ("d", "m", "x")];
    assert_eq!(acting(&best), ["a 3000.00", "b 3000.00", "c 2000.00", "d 2000.00"]);
    let two = touches(&[("a", "demo", "1"), ("d", "demo", "1")]);
    let case = with(case(model, two), "deals.0.touches.0.role", json!("x"));
    let case = with(with(case, "payees.a.class", json!("k")), "payees.d.class", json!("m"));
    assert_eq!(credits(&case), ["a 10000.00"], "a class without anybody in a role is absent");
}

#[test]
fn of_several_best_roles_the_one_that_is_listed_first_counts() {
    let roles = ["x", "y", "z"].map(|role| json!({"role": role, "weight": "0.3"}));
    let case = case(
        json!({"role_weighted": {"roles": roles}}),
        touches(&[("a", "demo", "1"), ("a", "demo", "2"), ("b", "demo", "3")]),
    );
    let acting = |roles: [&str; 3]| {
        let case = roles.iter().enumerate().fold(case.clone(), |case, (place, role)| {
            with(case, &format!("deals.0.touches.{place}.role"), json!(role))
        });
        first(&case)["credits"].clone()
    };
    for roles in [["y", "x", "x"], ["x", "y", "x"]] {
        let credits = acting(roles);
        assert_eq!(credits[0]["because"]["share"]["pool"], json!({"role": "x", "members": 2}));
        assert_eq!((&credits[0]["amount"], &credits[1]["amount"]), (&json!("5000.00 USD"), &json!("5000.00 USD")));
    }
}

#[test]
fn only_listed_types_count_where_a_model_says_so() {
    let case =
        case(json!({"equal": {}}), touches(&[("a", "crm_sync", "1"), ("b", "demo", "2"), ("c", "referral", "3")]));
    let types = |types: Value| credits(&with(case.clone(), "models.main.types", types));
    assert_eq!(types(json!({"only": ["crm_sync", "demo"]})), ["a 5000.00", "b 5000.00"]);
    assert_eq!(types(json!({"except": []})), ["a 3333.34", "b 3333.33", "c 3333.33"]);
}
