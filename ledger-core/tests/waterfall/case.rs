//! A case in few words: most of a form is the same in every test.

use ledger_core::calc;
use serde_json::{Value, json};

/// What a plan has that says nothing but how it splits.
pub fn plan(split: Value) -> Value {
    json!({"currency": "USD", "zone": "UTC", "split": split})
}

/// A flat split, such as 70 to 30.
pub fn flat(payee: &str, company: &str) -> Value {
    plan(json!({"flat": {"payee": payee, "company": company}}))
}

/// A plan with something more.
pub fn with(mut plan: Value, section: &str, content: Value) -> Value {
    plan[section] = content;
    plan
}

pub fn cap(programme: &str, limit: &str) -> Value {
    json!({"programme": programme, "of": "payee", "limit": limit, "year": {"calendar": {"month": 1, "day": 1}}})
}

/// The sample plan: 70 to 30 up to a cap of 15,000 in a calendar year, then all to the payee less a fee of 250.
pub fn sample() -> Value {
    let capped = with(flat("0.7", "0.3"), "cap", json!({"caps": [cap("house", "15000 USD")]}));
    with(capped, "fees", json!([fee("capped", "post_cap", json!({"flat": "250 USD"}))]))
}

pub fn fee(name: &str, timing: &str, amount: Value) -> Value {
    json!({"name": name, "timing": timing, "amount": amount})
}

/// A side whose commission is shared equally by those who are named.
pub fn side(gci: &str, payees: &[&str]) -> Value {
    let payees: Vec<Value> = payees.iter().map(|payee| json!({"payee": payee})).collect();
    json!({"gci": {"amount": gci}, "payees": payees})
}

/// A case: its plans, who is under which of them for ever, and its deals.
#[derive(Clone)]
pub struct Case(pub Value);

impl Case {
    /// One plan, and ann under it.
    pub fn of(plan: Value) -> Self {
        Self(json!({"currency": plan["currency"], "plans": {}, "payees": {}, "deals": []}))
            .plan("plan", plan)
            .payee("ann", "plan")
    }

    pub fn plan(mut self, name: &str, plan: Value) -> Self {
        self.0["plans"][name] = plan;
        self
    }

    pub fn payee(mut self, name: &str, plan: &str) -> Self {
        self.0["payees"][name] = json!({"plans": [{"plan": plan, "from": "2020-01-01"}]});
        self
    }

    pub fn joined(mut self, payee: &str, day: &str) -> Self {
        self.0["payees"][payee]["joined_on"] = day.into();
        self
    }

    /// What ann had contributed by the middle of 2025.
    pub fn contributed(self, programme: &str, amount: &str) -> Self {
        self.opened(json!({"programme": programme, "of": {"payee": "ann"}, "on": "2025-06-01", "contributed": amount}))
    }

    pub fn opened(mut self, opening: Value) -> Self {
        push(&mut self.0["caps"], opening);
        self
    }

    pub fn attained(mut self, before: Value) -> Self {
        push(&mut self.0["attainments"], before);
        self
    }

    /// A deal of the middle of 2025.
    pub fn deal(self, sides: Value) -> Self {
        self.deal_on("2025-06-01", sides)
    }

    pub fn deal_on(mut self, day: &str, sides: Value) -> Self {
        let sides = if sides.is_array() { sides } else { json!([sides]) };
        let name = format!("D{}", self.0["deals"].as_array().unwrap().len() + 1);
        push(&mut self.0["deals"], json!({"deal": name, "completed": day, "sides": sides}));
        self
    }

    /// A deal of one side that is ann's alone.
    pub fn sale(self, gci: &str) -> Self {
        self.deal(side(gci, &["ann"]))
    }

    pub fn answer(&self) -> Value {
        serde_json::from_str(&calc::line(&self.0.to_string())).unwrap()
    }

    pub fn calculated(&self) -> Answer {
        let answer = self.answer();
        assert!(answer.get("error").is_none(), "{answer:#}");
        Answer(answer)
    }

    /// A case whose plans are in order, without a deal.
    pub fn calculated_nothing(&self) {
        assert_eq!(self.calculated().0["deals"], json!([]));
    }

    /// The code of the refusal, and where.
    pub fn refused(&self) -> String {
        let answer = self.answer();
        let error = answer.get("error").unwrap_or_else(|| panic!("{answer:#}"));
        assert!(answer.get("deals").is_none(), "nothing is calculated in part");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        format!("{} at {}", error["code"].as_str().unwrap(), error["at"].as_str().unwrap())
    }
}

fn push(list: &mut Value, one: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(one);
}

pub struct Answer(pub Value);

impl Answer {
    /// The lines of a side in few words: whose part, what, who has it, how much.
    pub fn lines(&self, deal: usize, side: usize) -> Vec<String> {
        let line = |line: &Value| {
            let of = line["of"].as_str().unwrap_or("-");
            let party = match &line["party"] {
                Value::String(party) => party.clone(),
                party => party.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned(),
            };
            format!("{of}: {} {party} {}", line["kind"].as_str().unwrap(), amount(&line["amount"]))
        };
        self.side(deal, side)["lines"].as_array().unwrap().iter().map(line).collect()
    }

    pub fn side(&self, deal: usize, side: usize) -> &Value {
        &self.0["deals"][deal]["sides"][side]
    }

    /// What somebody has of the last deal, over all lines of all its sides.
    pub fn has(&self, party: Value) -> String {
        self.sum(|line| line["party"] == party)
    }

    /// What lines of a kind give to those who are given.
    pub fn of_kind(&self, kind: &str) -> String {
        self.sum(|line| line["kind"] == kind && !line["amount"].as_str().unwrap().starts_with('-'))
    }

    fn sum(&self, counts: impl Fn(&Value) -> bool) -> String {
        let sides = self.0["deals"].as_array().unwrap().last().unwrap()["sides"].as_array().unwrap().clone();
        let lines = sides.iter().flat_map(|side| side["lines"].as_array().unwrap().clone());
        let amounts: Vec<ledger_core::Money> =
            lines.filter(|line| counts(line)).map(|line| line["amount"].as_str().unwrap().parse().unwrap()).collect();
        let currency = sides[0]["gci"].as_str().unwrap().parse::<ledger_core::Money>().unwrap().currency();
        ledger_core::Money::sum(currency, amounts).unwrap().amount().to_string()
    }

    pub fn company(&self) -> String {
        self.has("company".into())
    }

    pub fn ann(&self) -> String {
        self.has(json!({"payee": "ann"}))
    }

    /// A cap account in few words: contributed of the limit, room, progress, and whether it is capped.
    pub fn cap(&self, place: usize) -> String {
        let cap = &self.0["caps"][place];
        let [contributed, limit, room] = ["contributed", "limit", "room"].map(|field| amount(&cap[field]));
        let capped = if cap["capped"] == true { ", capped" } else { "" };
        format!("{contributed} of {limit}, room {room}, {}{capped}", cap["progress"].as_str().unwrap())
    }
}

fn amount(text: &Value) -> String {
    text.as_str().unwrap().split(' ').next().unwrap().to_owned()
}
