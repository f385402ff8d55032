//! Years of deals to calculate, as JSON: plans with every feature and policy, on days and over amounts where rules turn.
//!
//! A case is drawn, calculated by the [model](crate::model::waterfall), and then often aimed: a limit, a tier or a threshold is
//! put where a deal hits it, or misses it by a minor unit. Now and then one thing is spoiled.

#![expect(
    clippy::indexing_slicing,
    reason = "of JSON objects made here: writing adds a field, reading a missing one is null"
)]

use serde_json::{Map, Value, json};

use super::amounts::LARGEST;
use crate::act::{Amount, CURRENCIES, Code as Currency, Part, WHOLE};
use crate::choice::Choices;
use crate::model::waterfall::calc;

/// A case, and what was done to it.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The case as one line of JSON.
    pub text: String,
    /// One thing in a case that was accepted is not as it was.
    pub spoiled: bool,
    /// It has amounts near the largest: to refuse what cannot be calculated in so many bits is right too.
    pub huge: bool,
}

/// Draws a case.
pub fn draw(choices: &mut Choices) -> Drawn {
    let mut draw = Draw::new(choices);
    let mut case = draw.case();
    for _ in 0..2 {
        if draw.choices.maybe(500) {
            let aimed = draw.aimed(&case);
            case = aimed.unwrap_or(case);
        }
    }
    let spoiled = draw.choices.maybe(150) && calc(&case.to_string()).is_ok();
    if spoiled {
        draw.spoil(&mut case);
    }
    Drawn { text: case.to_string(), spoiled, huge: draw.huge }
}

const ZONES: [&str; 4] = ["UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kolkata"];
const PHASES: [&[&str]; 5] = [
    &["concession", "referral_out", "royalty"],
    &["allocation"],
    &["split"],
    &["fees", "mentee", "bonuses", "overrides"],
    &["adjustments"],
];
const MEASURES: [&str; 4] = ["part", "gci", "company_dollar", "payee_share"];
const FEES: [&str; 4] = ["transaction", "insurance", "desk", "post-cap"];
const JOINED: [&str; 7] =
    ["2020-01-01", "2024-03-15", "2024-02-29", "2025-02-10", "2025-03-01", "2024-12-31", "2025-01-31"];
const DAYS: [&str; 12] = [
    "2025-06-01",
    "2025-06-30",
    "2025-12-31",
    "2026-01-01",
    "2025-03-14",
    "2025-03-15",
    "2026-02-28",
    "2026-03-01",
    "2025-07-01",
    "2028-02-28",
    "2028-02-29",
    "2025-02-10",
];
const INSTANTS: [&str; 7] = [
    "2026-01-01T04:30:00Z",
    "2025-12-31T23:59:59Z",
    "2025-12-31T10:00:00Z",
    "2026-03-01T04:59:59Z",
    "2025-07-01T03:59:59Z",
    "2025-07-01T04:00:00Z",
    "2025-06-30T18:30:00Z",
];

struct Draw<'a> {
    choices: &'a mut Choices,
    currency: Currency,
    huge: bool,
    /// What the plans of a case have in common.
    off_the_top: Vec<&'static str>,
    royalty: Option<Value>,
    rounding: &'static str,
    whole_deal: bool,
    house: Value,
    volume: Value,
    pools: Vec<Value>,
}

impl<'a> Draw<'a> {
    fn new(choices: &'a mut Choices) -> Self {
        let currency = if choices.maybe(200) { choices.one_of(&CURRENCIES).copied() } else { None };
        let [usd, ..] = CURRENCIES;
        let mut draw = Self {
            currency: currency.unwrap_or(usd),
            huge: choices.maybe(20),
            off_the_top: Vec::new(),
            royalty: None,
            rounding: if choices.maybe(300) { "half_even" } else { "half_away_from_zero" },
            whole_deal: choices.maybe(250),
            house: Value::Null,
            volume: Value::Null,
            pools: Vec::new(),
            choices,
        };
        draw.off_the_top = if draw.choices.maybe(300) { draw.shuffled(PHASES[0]) } else { PHASES[0].to_vec() };
        draw.royalty = draw.choices.maybe(300).then(|| json!({ "rate": draw.small_rate(), "basis": "off_top" }));
        draw.house = draw.year();
        draw.volume = draw.year();
        draw.pools = (1..=1 + draw.choices.work(2)).map(|n| draw.pool(n)).collect();
        draw
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        self.choices.one_of(of).copied().unwrap_or_default()
    }

    fn shuffled(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        let mut rest = of.to_vec();
        (0..of.len()).map(|_| rest.remove(self.choices.index(rest.len()))).collect()
    }

    fn amount(&self, units: i128) -> String {
        Amount(units.min(LARGEST), self.currency).to_string()
    }

    /// So many whole, and for some a few minor units more.
    fn about(&mut self, most: u32) -> String {
        let units = i128::from(self.choices.work(most)) * 10_i128.pow(self.currency.1);
        let more = if self.choices.maybe(400) { i128::from(self.choices.work(1_000)) } else { 0 };
        self.amount(units + more)
    }

    fn small_rate(&mut self) -> &'static str {
        self.one(&["0.06", "0.05", "0.1", "0.025", "0", "0.333333333333", "0.15", "0.005"])
    }

    fn shares(&mut self) -> (String, String) {
        if self.choices.maybe(100) {
            return ("0.666666666667".to_owned(), "0.333333333333".to_owned());
        }
        let parts = [700, 500, 800, 950, 900, 667, 640, 1_000, 0, 999];
        let usual = if self.choices.maybe(100) { &parts[..] } else { &parts[..7] };
        let payee = self.choices.one_of(usual).copied().unwrap_or(700) * (WHOLE / 1_000);
        (Part(payee).to_string(), Part(WHOLE - payee).to_string())
    }

    fn year(&mut self) -> Value {
        match self.choices.work(10) {
            0..=3 => json!({ "calendar": { "month": 1, "day": 1 } }),
            4 => json!({ "calendar": { "month": 1 + self.choices.work(12), "day": 1 + self.choices.work(28) } }),
            5 | 6 => json!({ "anniversary": { "leap_day": "clamp" } }),
            7 => json!({ "anniversary": { "leap_day": "march1" } }),
            8 => json!({ "first_of_join_month": {} }),
            _ => json!({ "first_of_next_month": {} }),
        }
    }

    fn limit(&mut self, most: u32) -> String {
        match self.choices.work(12) {
            0 => self.amount(0),
            1 => self.amount(1),
            _ => self.about(most),
        }
    }

    /// A limit of the payee's own.
    fn limited(&mut self, programme: &str, most: u32, year: Value) -> Map<String, Value> {
        let mut limit = Map::new();
        limit.insert("programme".to_owned(), programme.into());
        limit.insert("limit".to_owned(), self.limit(most).into());
        if self.choices.maybe(300) {
            limit.insert("portion".to_owned(), self.one(&["0.5", "1", "0.333333333333"]).into());
        }
        limit.insert("year".to_owned(), year);
        let proration = if self.choices.maybe(300) { self.one(&["months", "days"]) } else { "none" };
        limit.insert("proration".to_owned(), proration.into());
        limit
    }

    fn pool(&mut self, number: u32) -> Value {
        let year = json!({ "calendar": { "month": 1, "day": 1 } });
        let mut pool = self.limited("team", 15_000, year);
        pool.insert("proration".to_owned(), "none".into());
        pool.insert("of".to_owned(), json!({ "pool": format!("team-{number}") }));
        if self.choices.maybe(500) {
            pool.insert("programme".to_owned(), format!("team-{number}").into());
        }
        pool.into()
    }

    fn case(&mut self) -> Value {
        let plans = 1 + self.choices.index(3);
        let plan_names: Vec<String> = (1..=plans).map(|n| format!("plan-{n}")).collect();
        let payees = [1, 2, 3, 4, 10].get(self.choices.index(5)).copied().unwrap_or(1);
        let payee_names: Vec<String> = (1..=payees).map(|n| format!("p{n}")).collect();
        let documents: Map<String, Value> = plan_names.iter().map(|name| (name.clone(), self.plan())).collect();
        let mut assigned = Map::new();
        for payee in &payee_names {
            let mut plan = || self.choices.one_of(&plan_names).cloned().unwrap_or_default();
            let (first, second) = (plan(), plan());
            let mut fields = json!({ "plans": [{ "plan": first, "from": "2020-01-01" }] });
            if self.choices.maybe(200) {
                fields = json!({ "plans": [
                    { "plan": first, "from": "2020-01-01", "until": "2025-07-01" },
                    { "plan": second, "from": "2025-07-01" },
                ] });
            }
            if !self.choices.maybe(10) {
                let joined = if self.choices.maybe(500) { self.one(&JOINED[..3]) } else { self.one(&JOINED) };
                fields["joined_on"] = joined.into();
            }
            assigned.insert(payee.clone(), fields);
        }
        let deals = 1 + self.choices.work(if payees > 4 { 2 } else { 5 });
        let first = self.choices.index(4);
        let deals: Vec<Value> = (1..=deals).map(|n| self.deal(n, first, &payee_names)).collect();
        let mut case = json!({ "currency": self.currency.0, "plans": documents, "payees": assigned, "deals": deals });
        if self.choices.maybe(500) {
            case["case"] = "a year".into();
        }
        self.openings(&mut case, &payee_names);
        case
    }

    /// What was contributed and attained before, on the day of the first deal.
    fn openings(&mut self, case: &mut Value, payees: &[String]) {
        let on = case.pointer("/deals/0/completed").and_then(Value::as_str).and_then(|on| on.get(..10));
        let on = on.unwrap_or("2025-06-01").to_owned();
        let text = case.to_string();
        let (mut caps, mut attained) = (Vec::new(), Vec::new());
        for payee in payees {
            let plans = case.pointer(&format!("/payees/{payee}/plans")).and_then(Value::as_array);
            let plan = plans.and_then(|plans| if on.as_str() < "2025-07-01" { plans.first() } else { plans.last() });
            let plan = plan.and_then(|plan| plan["plan"].as_str()).unwrap_or_default();
            let plan = case.pointer(&format!("/plans/{plan}")).cloned().unwrap_or_default();
            let names = |programme: &str| plan.to_string().contains(&format!("\"programme\":\"{programme}\""));
            for programme in ["house", "house-2", "royal", "sub-insurance", "sub-desk"] {
                if names(programme) && self.choices.maybe(400) {
                    let contributed = self.about(7_000);
                    let of = json!({ "payee": payee });
                    caps.push(json!({ "programme": programme, "of": of, "on": on, "contributed": contributed }));
                }
            }
            if names("volume") && self.choices.maybe(600) {
                let mut fields = json!({ "programme": "volume", "payee": payee, "on": on });
                for field in ["revenue", "accrued", "company_dollar"] {
                    if self.choices.maybe(600) {
                        let most = if field == "revenue" { 120_000 } else { 8_000 };
                        fields[field] = self.about(most).into();
                    }
                }
                if self.choices.maybe(600) {
                    fields["units"] = self.choices.work(8).into();
                }
                attained.push(fields);
            }
        }
        for pool in self.pools.clone() {
            if text.contains(&pool["of"].to_string()) && self.choices.maybe(500) {
                let contributed = self.about(7_000);
                let (programme, of) = (&pool["programme"], &pool["of"]);
                caps.push(json!({ "programme": programme, "of": of, "on": on, "contributed": contributed }));
            }
        }
        if !caps.is_empty() {
            case["caps"] = caps.into();
        }
        if !attained.is_empty() {
            case["attainments"] = attained.into();
        }
    }

    fn plan(&mut self) -> Value {
        let mut order: Vec<&str> = Vec::new();
        for phase in PHASES {
            let free = phase.len() == 4 && self.choices.maybe(400);
            order.append(&mut if free { self.shuffled(phase) } else { phase.to_vec() });
        }
        let off_the_top = if self.choices.maybe(10) { self.shuffled(PHASES[0]) } else { self.off_the_top.clone() };
        order.splice(..3, off_the_top);
        let capped = self.choices.maybe(650);
        let mut plan = json!({
            "currency": self.currency.0, "rounding": self.rounding, "zone": self.one(&ZONES), "order": order,
            "split": self.split(capped),
        });
        if capped {
            plan["cap"] = self.cap();
        } else if self.choices.maybe(300) {
            plan["rounding"] = self.one(&["half_away_from_zero", "half_even"]).into();
        }
        if let Some(royalty) = self.royalty.clone().filter(|_| !self.choices.maybe(10)) {
            plan["royalty"] = royalty;
        } else if self.choices.maybe(400) {
            plan["royalty"] = json!({ "rate": self.small_rate(), "basis": "gross" });
            if self.choices.maybe(600) {
                let year = self.house.clone();
                plan["royalty"]["cap"] = self.limited("royal", 3_000, year).into();
            }
        }
        if self.choices.maybe(500) {
            plan["referral_in"] = self.one(&["shared", "company"]).into();
        }
        let fees = self.choices.index(4);
        let names = self.shuffled(&FEES);
        let fees: Vec<Value> = names.into_iter().take(fees).map(|name| self.fee(name)).collect();
        plan["fees"] = fees.into();
        if self.choices.maybe(400) {
            plan["mentee"] = json!({ "company": self.small_rate(), "mentor": self.small_rate() });
        }
        if self.choices.maybe(500) {
            let names = ["spiff", "volume", "club"];
            let count = 1 + self.choices.index(3);
            plan["bonuses"] = names.into_iter().take(count).map(|name| self.bonus(name)).collect();
        }
        if self.choices.maybe(500) {
            let names = ["lead", "sponsor"];
            let count = 1 + self.choices.index(2);
            plan["overrides"] = names
                .into_iter()
                .take(count)
                .map(|name| {
                    let (to, rate, of) = (self.one(&["lea", "p1", "p2"]), self.small_rate(), self.one(&MEASURES));
                    json!({ "name": name, "to": to, "rate": rate, "of": of })
                })
                .collect();
        }
        if self.choices.maybe(400) {
            plan["deficit"] = self.one(&["receivable", "refuse"]).into();
        }
        let text = plan.to_string();
        if text.contains("\"reaches\"") || text.contains("\"tiered\"") || self.choices.maybe(300) {
            plan["attainment"] = json!({ "programme": "volume", "year": self.volume });
        }
        plan
    }

    fn split(&mut self, capped: bool) -> Value {
        if self.choices.maybe(400) {
            let (payee, company) = self.shares();
            return json!({ "flat": { "payee": payee, "company": company } });
        }
        let mode = if capped { "marginal" } else { self.one(&["marginal", "retroactive", "above_quota"]) };
        let measure = match mode {
            "above_quota" => "attainment",
            "retroactive" => self.one(&["revenue", "units", "attainment"]),
            _ => self.one(&["company_dollar", "revenue", "units", "attainment"]),
        };
        let count = 1 + self.choices.work(5);
        let step = 1 + self.choices.work(if measure == "company_dollar" { 6_000 } else { 60_000 });
        let tiers: Vec<Value> = (0..count)
            .map(|n| {
                let (payee, company) = self.shares();
                let from = match measure {
                    "units" => (n * 2).into(),
                    "attainment" => {
                        let from = ["0", "0.5", "1", "1.5", "2.333333333333"];
                        from.get(n as usize).copied().unwrap_or_default().into()
                    }
                    _ => self.amount(i128::from(n * step) * 10_i128.pow(self.currency.1)).into(),
                };
                let from: Value = from;
                json!({ "from": from, "payee": payee, "company": company })
            })
            .collect();
        let tiers = match measure {
            "attainment" => {
                let quota = self.choices.work(100_000) + 1;
                let quota = self.amount(i128::from(quota) * 10_i128.pow(self.currency.1));
                json!({ "attainment": { "quota": quota, "tiers": tiers } })
            }
            _ => json!({ measure: tiers }),
        };
        let mut tiered = json!({ "tiers": tiers });
        if mode != "marginal" || self.choices.maybe(500) {
            tiered["mode"] = mode.into();
        }
        if self.choices.maybe(400) {
            tiered["per"] = self.one(&["deal", "year"]).into();
        }
        if self.choices.maybe(350) {
            tiered["minimum"] = self.about(6_000).into();
        }
        json!({ "tiered": tiered })
    }

    fn cap(&mut self) -> Value {
        let mut caps: Vec<Value> = Vec::new();
        let pools = self.pools.clone();
        for pool in pools {
            if self.choices.maybe(300) {
                caps.push(pool);
            }
        }
        for programme in ["house", "house-2"] {
            if caps.is_empty() || self.choices.maybe(if programme == "house" { 700 } else { 100 }) {
                let year = self.house.clone();
                let mut cap = self.limited(programme, 15_000, year);
                cap.insert("of".to_owned(), "payee".into());
                caps.push(cap.into());
            }
        }
        let (payee, company) = if self.choices.maybe(500) { self.shares() } else { ("1".to_owned(), "0".to_owned()) };
        let crossing = if self.whole_deal { "whole_deal_pre_cap" } else { "split_within_deal" };
        json!({
            "caps": caps, "post_cap": { "payee": payee, "company": company }, "crossing": crossing,
            "fee_on_crossing": self.one(&["no", "yes"]),
        })
    }

    fn fee(&mut self, name: &str) -> Value {
        let timing = if name == "post-cap" { "post_cap" } else { self.one(&["always", "pre_cap", "post_cap"]) };
        let mut fee = json!({ "name": name, "timing": timing, "amount": self.fee_amount() });
        if self.choices.maybe(500) {
            fee["of"] = self.one(&MEASURES).into();
        }
        if self.choices.maybe(400) {
            fee["per"] = self.one(&["side", "deal"]).into();
        }
        if self.choices.maybe(300) {
            fee["to"] = [json!("company"), json!({ "payee": "lea" }), json!({ "payee": "p1" })]
                .get(self.choices.index(3))
                .cloned()
                .unwrap_or_default();
        }
        if matches!(name, "insurance" | "desk") && self.choices.maybe(600) {
            let year = self.house.clone();
            let mut limit = self.limited(&format!("sub-{name}"), 500, year);
            if self.choices.maybe(500) {
                limit.insert("then".to_owned(), self.fee_amount());
            }
            fee["sub_cap"] = limit.into();
        }
        fee
    }

    fn fee_amount(&mut self) -> Value {
        match self.choices.work(3) {
            0 => json!({ "flat": self.about(300) }),
            1 => json!({ "rate": self.small_rate() }),
            _ => json!({ "lesser_of": { "flat": self.about(300), "rate": self.small_rate() } }),
        }
    }

    fn bonus(&mut self, name: &str) -> Value {
        let when = match self.choices.work(4) {
            0 => json!("each_deal"),
            1 => json!({ "reaches": { "units": self.choices.work(9) } }),
            2 => json!({ "reaches": { "revenue": self.about(150_000) } }),
            _ => json!({ "reaches": { "company_dollar": self.about(15_000) } }),
        };
        let amount = if self.choices.maybe(500) {
            json!({ "flat": self.about(1_000) })
        } else {
            json!({ "rate": self.small_rate() })
        };
        json!({ "name": name, "when": when, "amount": amount })
    }

    fn deal(&mut self, number: u32, first_day: usize, payees: &[String]) -> Value {
        let completed = if self.choices.maybe(200) {
            self.one(&INSTANTS)
        } else if self.choices.maybe(700) {
            DAYS.get(first_day).copied().unwrap_or_default()
        } else {
            self.one(&DAYS)
        };
        let sides: Vec<Value> = match self.choices.work(5) {
            0 => ["listing", "buying"].map(|side| self.side(Some(side), payees)).to_vec(),
            1 => vec![self.side(Some("sole"), payees)],
            _ => vec![self.side(None, payees)],
        };
        json!({ "deal": format!("D{number}"), "completed": completed, "sides": sides })
    }

    fn gci(&mut self) -> Value {
        if self.huge {
            let less = self.choices.work(3);
            return json!({ "amount": self.amount(LARGEST - i128::from(less)) });
        }
        match self.choices.work(10) {
            0 => {
                let units = self.choices.work(30);
                json!({ "amount": self.amount(units.into()) })
            }
            1 => json!({ "of_price": { "price": self.about(900_000), "rate": self.small_rate() } }),
            _ => json!({ "amount": self.about(60_000) }),
        }
    }

    fn side(&mut self, side: Option<&str>, payees: &[String]) -> Value {
        let mut rest = payees.to_vec();
        let most = if rest.len() > 4 && self.choices.maybe(600) { rest.len() } else { rest.len().min(3) };
        let count = 1 + self.choices.index(most);
        let count = if most > 4 { most } else { count };
        let equal = self.choices.maybe(if count == 1 { 700 } else { 300 });
        let mut weights = self.weights(count).into_iter();
        let mut credited: Vec<Value> = Vec::new();
        for _ in 0..count {
            let payee = rest.remove(self.choices.index(rest.len()));
            let mut fields = json!({ "payee": payee });
            let weight = weights.next().unwrap_or_default();
            if !equal {
                fields["weight"] = weight.into();
            }
            if self.choices.maybe(300) {
                let mentor = self.one(&["max", "max", "p1"]);
                if mentor != payee {
                    fields["mentor"] = mentor.into();
                }
            }
            credited.push(fields);
        }
        let mut fields = json!({ "gci": self.gci() });
        if let Some(side) = side {
            fields["side"] = side.into();
        }
        if self.choices.maybe(250) {
            fields["referral_in"] = self.about(3_000).into();
        }
        if self.choices.maybe(400) {
            fields["units"] = self.choices.work(4).into();
        }
        if self.choices.maybe(350) {
            let items = 1 + self.choices.work(3);
            fields["off_top"] = (0..items).map(|_| self.off_top()).collect();
        }
        if self.choices.maybe(200) {
            let payee = json!({ "payee": credited.first().map(|first| first["payee"].clone()) });
            let others = [json!("company"), json!("client"), json!("franchise"), json!({ "referrer": "joe" })];
            let other = others.get(self.choices.index(4)).cloned().unwrap_or_default();
            let (from, to) = if self.choices.maybe(700) { (other, payee) } else { (payee, other) };
            let units = 1 + i128::from(self.choices.work(20_000));
            let amount = self.amount(units);
            fields["adjustments"] =
                json!([{ "from": from, "to": to, "amount": amount, "reason": "agreed by hand", "actor": "bob" }]);
        }
        fields["payees"] = credited.into();
        fields
    }

    fn off_top(&mut self) -> Value {
        let amount = if self.choices.maybe(500) {
            json!({ "flat": self.about(400) })
        } else {
            json!({ "rate": self.one(&["0.25", "0.1", "0.333333333333", "0.05", "0.2", "0", "0.1", "0.25", "0.15", "1"]) })
        };
        if self.choices.maybe(500) {
            json!({ "concession": amount })
        } else {
            json!({ "referral_out": { "to": self.one(&["joe", "kim"]), "amount": amount } })
        }
    }

    /// Weights that sum to one: even ones with the rest on the first, uneven ones, and such as are next to nothing.
    fn weights(&mut self, count: usize) -> Vec<String> {
        let most = WHOLE / u64::try_from(count.max(1)).unwrap_or(1);
        let mut left = WHOLE;
        let mut weights: Vec<u64> = (1..count)
            .map(|_| match self.choices.work(4) {
                0 | 1 => most,
                2 => (u64::from(self.choices.work(1_001)) * most / 1_000).max(1),
                _ => 1,
            })
            .collect();
        for weight in &weights {
            left -= weight;
        }
        weights.insert(self.choices.index(count), left);
        weights.into_iter().map(|weight| Part(weight).to_string()).collect()
    }

    /// The case with one limit, tier or threshold where the deals come to it; none if it is refused.
    fn aimed(&mut self, case: &Value) -> Option<Value> {
        let result: Value = serde_json::from_str(&calc(&case.to_string()).ok()?).ok()?;
        let mut case = case.clone();
        let off = [0, 0, 0, 1, -1].get(self.choices.index(5)).copied().unwrap_or(0);
        let near = |text: &Value| {
            let (number, _) = text.as_str()?.split_once(' ')?;
            let units: i128 = number.replace('.', "").parse().ok()?;
            Some((units + off).clamp(0, LARGEST))
        };
        if self.choices.maybe(600) {
            let caps = result["caps"].as_array()?;
            let cap = self.choices.one_of(caps)?;
            let programme = cap["programme"].as_str()?;
            let limit = near(&cap["contributed"])?;
            let limit = self.amount(limit);
            for plan in case["plans"].as_object_mut()?.values_mut() {
                each_object(plan, &mut |fields| {
                    if fields.get("limit").is_some() && fields.get("programme").is_some_and(|name| name == programme) {
                        fields.insert("limit".to_owned(), limit.clone().into());
                        fields.remove("portion");
                        fields.insert("proration".to_owned(), "none".into());
                    }
                });
            }
            return Some(case);
        }
        let attained = result["attainments"].as_array()?;
        let attained = self.choices.one_of(attained)?;
        let revenue = near(&attained["revenue"])?.max(1);
        let company_dollar = near(&attained["company_dollar"])?.max(1);
        let (revenue, company_dollar) = (self.amount(revenue), self.amount(company_dollar));
        let units = attained["units"].as_u64()?;
        for plan in case["plans"].as_object_mut()?.values_mut() {
            each_object(plan, &mut |fields| {
                for (measure, value) in
                    [("revenue", json!(revenue)), ("company_dollar", json!(company_dollar)), ("units", json!(units))]
                {
                    match fields.get_mut(measure) {
                        // The second tier, and none beyond.
                        Some(Value::Array(tiers)) if tiers.len() > 1 && value != 0 => {
                            tiers.truncate(2);
                            tiers[1]["from"] = value;
                        }
                        Some(threshold @ (Value::String(_) | Value::Number(_))) => *threshold = value,
                        _ => {}
                    }
                }
                if let Some(quota) = fields.get_mut("quota") {
                    *quota = revenue.clone().into();
                }
            });
        }
        Some(case)
    }

    /// Makes one thing of a case that is accepted one that it must not be.
    fn spoil(&mut self, case: &mut Value) {
        let plan = case["plans"].as_object().and_then(|plans| plans.keys().next()).cloned().unwrap_or_default();
        let plan = format!("/plans/{plan}");
        let side = "/deals/0/sides/0";
        let payee = format!("{side}/payees/0");
        let other = if self.currency.0 == "EUR" { "7 USD" } else { "7 EUR" };
        let split = if case.pointer(&format!("{plan}/split/flat")).is_some() { "flat" } else { "tiered" };
        let split = format!("{plan}/split/{split}");
        let huge = self.amount(LARGEST);
        let minus = format!("-{}", self.amount(1));
        let adjust = |from: Value, amount: &str| json!([{ "from": from, "to": "company", "amount": amount, "reason": "by hand", "actor": "bob" }]);
        let fee = |amount: Value| json!([{ "name": "more", "timing": "always", "amount": amount }]);
        let one = self.amount(100);
        let limit = |programme: &str, year: Value| json!({ "programme": programme, "of": "payee", "limit": one, "year": year, "proration": "none" });
        let calendar = |month: u32, day: u32| json!({ "calendar": { "month": month, "day": day } });
        let tiers = |from: &[&str]| {
            let tiers = from.iter().map(|from| json!({ "from": from, "payee": "0.7", "company": "0.3" }));
            json!({ "tiered": { "tiers": { "attainment": { "quota": one, "tiers": tiers.collect::<Vec<_>>() } } } })
        };
        let (at, value) = match self.choices.work(62) {
            0 => (format!("{side}/gci"), json!({ "amount": minus })),
            1 => (format!("{side}/gci"), json!({ "amount": other })),
            2 => (format!("{side}/gci"), json!({ "amount": "1.23456 USD" })),
            3 => (format!("{side}/gci"), json!({ "flat": one })),
            4 => (format!("{payee}/weight"), json!("0.999999999999")),
            5 => (format!("{payee}/payee"), json!("nobody")),
            6 => {
                (format!("{side}/payees/1/payee"), case.pointer(&format!("{payee}/payee")).cloned().unwrap_or_default())
            }
            7 => (format!("{payee}/mentor"), case.pointer(&format!("{payee}/payee")).cloned().unwrap_or_default()),
            8 => ("/payees/p1/plans/0/plan".to_owned(), json!("nothing")),
            9 => ("/payees/p1/plans/1".to_owned(), json!({ "plan": plan.get(7..), "from": "2025-06-30" })),
            10 => ("/payees/p1/joined_on".to_owned(), json!("2031-01-01")),
            11 => ("/payees/p1/joined_on".to_owned(), Value::Null),
            12 => ("/deals/0/completed".to_owned(), json!("1999-12-31")),
            13 => ("/deals/0/completed".to_owned(), json!("2025-02-29")),
            14 => ("/deals/1/deal".to_owned(), json!("D1")),
            15 => (format!("{side}/off_top"), json!([{ "concession": { "flat": huge } }])),
            16 => (format!("{side}/off_top"), json!([{ "concession": { "rate": "1.000000000001" } }])),
            17 => (format!("{side}/off_top"), json!([{ "concession": { "flat": minus } }])),
            18 => (format!("{side}/adjustments"), adjust(json!("client"), &self.amount(0))),
            19 => (format!("{side}/adjustments"), adjust(json!("company"), &one)),
            20 => (format!("{side}/adjustments"), adjust(json!({ "payee": "stranger" }), &one)),
            21 => (format!("{side}/referral_in"), json!(minus)),
            22 => (format!("{side}/comment"), json!("x")),
            23 => (format!("{side}/units"), json!(-1)),
            24 => (
                "/deals/0/sides/1/side".to_owned(),
                case.pointer(&format!("{side}/side")).cloned().unwrap_or("sole".into()),
            ),
            25 => (format!("{plan}/order"), json!(["split", "concession"])),
            26 => (format!("{plan}/order/0"), json!("allocation")),
            27 => (format!("{plan}/split"), json!({ "flat": { "payee": "0.7", "company": "0.300000000001" } })),
            28 => (format!("{plan}/split"), tiers(&["0.1"])),
            29 => (format!("{plan}/split"), tiers(&["0", "1", "1"])),
            30 => (format!("{plan}/split"), tiers(&[])),
            31 => (format!("{plan}/fees"), fee(json!({ "rate": "1.000000000001" }))),
            32 => (format!("{plan}/fees"), fee(json!({ "flat": other }))),
            33 => (format!("{plan}/fees"), fee(json!({ "flat": minus }))),
            34 => (format!("{plan}/fees"), fee(json!({ "amount": one }))),
            35 => {
                let each = |n: u32| json!({ "name": format!("f{n}"), "timing": "always", "amount": { "flat": one } });
                (format!("{plan}/fees"), (0..21).map(each).collect())
            }
            36 => {
                let each = json!({ "name": "same", "timing": "always", "amount": { "flat": one } });
                (format!("{plan}/fees"), json!([each, each]))
            }
            37 => (format!("{plan}/royalty"), json!({ "rate": "1.5", "basis": "gross" })),
            38 => {
                let cap = json!({ "programme": "royalty", "limit": one, "year": calendar(1, 1), "proration": "none" });
                (format!("{plan}/royalty"), json!({ "rate": "0", "basis": "off_top", "cap": cap }))
            }
            39 => (format!("{plan}/mentee"), json!({ "company": "0.5", "mentor": "0.500000000001" })),
            40 => (format!("{plan}/attainment"), json!({ "programme": "volume", "year": calendar(4, 31) })),
            41 => (format!("{plan}/cap/caps/0/portion"), json!(self.one(&["0", "1.000000000001"]))),
            42 => (format!("{plan}/cap/caps/0/of"), json!({ "team": "team-1" })),
            43 => {
                let caps = (0..5).map(|n| limit(&format!("cap-{n}"), calendar(1, 1))).collect();
                (format!("{plan}/cap/caps"), caps)
            }
            44 => {
                let mut pool = limit("pool", json!({ "anniversary": { "leap_day": "clamp" } }));
                pool["of"] = json!({ "pool": "team-1" });
                (format!("{plan}/cap/caps"), json!([pool]))
            }
            45 => (format!("{split}/extra"), json!(1)),
            46 => ("/caps/0/contributed".to_owned(), json!(minus)),
            47 => ("/caps/0/programme".to_owned(), json!("nothing")),
            48 => ("/caps/0/on".to_owned(), json!("1999-12-31")),
            49 => {
                let first = case.pointer("/caps/0").cloned().unwrap_or_default();
                (format!("/caps/{}", case["caps"].as_array().map_or(0, Vec::len)), first)
            }
            50 => ("/attainments/0/accrued".to_owned(), json!(minus)),
            51 => ("/attainments/0/programme".to_owned(), json!("nothing")),
            52 => ("/attainments/0/payee".to_owned(), json!("nobody")),
            53 => (format!("{payee}/weight"), Value::Null),
            54 => (format!("{plan}/attainment/year"), calendar(1, 2)),
            55 => (format!("{plan}/cap/caps/0/year"), calendar(1, 2)),
            56 => (format!("{plan}/cap/caps/0/limit"), json!(self.amount(123_456))),
            57 => (format!("{plan}/cap/crossing"), json!("whole_deal_pre_cap")),
            58 => (format!("{plan}/rounding"), json!("half_even")),
            59 => (format!("{plan}/attainment"), Value::Null),
            60 => {
                let at = [&plan, &split, side, &payee, "/deals/0", "/payees/p1", "/payees/p1/plans/0"];
                let at = self.choices.one_of(&at.map(ToOwned::to_owned)).cloned().unwrap_or_default();
                let fields = case.pointer(&at).and_then(Value::as_object);
                let names: Vec<String> = fields.into_iter().flatten().map(|(name, _)| name.clone()).collect();
                (format!("{at}/{}", self.choices.one_of(&names).cloned().unwrap_or_default()), Value::Null)
            }
            61 => ("/currency".to_owned(), json!(if other == "7 USD" { "USD" } else { "EUR" })),
            _ => (format!("{plan}/zone"), json!("America/Nowhere")),
        };
        put(case, &at, value);
    }
}

/// Puts a value where a pointer says, if what it lies in is there.
fn put(case: &mut Value, at: &str, value: Value) {
    let Some((within, last)) = at.rsplit_once('/') else { return };
    match case.pointer_mut(within) {
        Some(Value::Object(fields)) if value.is_null() => drop(fields.remove(last)),
        Some(Value::Object(fields)) => drop(fields.insert(last.to_owned(), value)),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(place) if place == items.len() => items.push(value),
            Ok(place) => items.get_mut(place).into_iter().for_each(|item| *item = value.clone()),
            Err(_) => {}
        },
        _ => {}
    }
}

/// Changes every object in a value.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
