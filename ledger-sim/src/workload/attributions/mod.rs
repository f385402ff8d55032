//! Cases of attribution and rate plans, as JSON: every model and every policy, at the edges where they turn.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is indexed by names, where nothing is null and can be set, and by places that are there"
)]

mod spoil;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde_json::{Map, Value, json};

use crate::act::{CURRENCIES, Code};
use crate::choice::Choices;

const DAY: i64 = 86_400_000;
/// The most minor units that an amount can have.
const LARGEST: i64 = i64::MAX;
/// The largest count there is.
const MOST: i64 = 4_294_967_295;

const PAYEES: [&str; 7] = ["p1", "P1", "a", "b:2", "9", "zoe", "p10"];
pub(super) const TYPES: [&str; 5] = ["referral", "demo", "introduction", "crm_sync", "technical_enablement"];
pub(super) const ROLES: [&str; 4] = ["sourcer", "influencer", "closer", "other"];
pub(super) const MILESTONES: [&str; 4] = ["first", "lead", "opportunity", "closed"];
pub(super) const CLASSES: [&str; 3] = ["hyperscaler", "partner", "vendor"];
pub(super) const TIERS: [&str; 3] = ["gold", "silver", "bronze"];
pub(super) const KINDS: [&str; 2] = ["affiliate", "reseller"];
pub(super) const PROGRAMMES: [&str; 2] = ["resellers", "friends"];
pub(super) const PRODUCTS: [&str; 3] = ["suite", "seats", "support"];
pub(super) const CUSTOMERS: [&str; 2] = ["acme", "globex"];
const ZONES: [&str; 4] = ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"];
pub(super) const RATES: [&str; 8] = ["0.1", "0.2", "0.029", "0.15", "0.333333333333", "0.05", "1", "0"];
pub(super) const WEIGHTS: [&str; 8] = ["40", "25", "10", "1", "0.5", "1.5", "0", "0.000000000001"];
const HALF_LIVES: [u32; 5] = [7, 1, 30, 365, u32::MAX];
const MODELS: [&str; 12] = [
    "equal",
    "first_touch",
    "last_touch",
    "linear",
    "time_decay",
    "u_shaped",
    "milestones",
    "role_based",
    "role_weighted",
    "implementation",
    "co_sell",
    "custom",
];
/// The ends of months and years, a leap day, the change of a clock, the middle of a day.
const MOMENTS: [i64; 6] =
    [1_735_689_600_000, 1_709_164_800_000, 1_748_736_000_000, 1_741_503_600_000, 1_767_225_599_999, 1_750_000_000_123];

/// A case, and what was spoiled in it.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The case.
    pub case: Value,
    /// What makes it one that must be refused, or may be.
    pub spoiled: Option<&'static str>,
}

/// What does not go together although each is well.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Class,
    Type,
    Customer,
    Lines,
    Collected,
    CollectedCorrection,
    Months,
    Listed,
}

/// Draws a case. Most of them hold; in one of four there is one thing for which it may have to be refused.
pub fn case(choices: &mut Choices) -> Drawn {
    let mut drawing = Drawing::new(choices);
    let mut case = drawing.case();
    let spoiled = match drawing.flaw {
        None if drawing.choices.maybe(150) => drawing.spoil(&mut case),
        flaw => flaw.map(|_| "two things that do not go together"),
    };
    Drawn { case, spoiled }
}

/// Draws the document of an attribution model.
pub(super) fn model(choices: &mut Choices) -> Value {
    Drawing::sound(choices, Code("USD", 2), false).model()
}

/// Draws the document of a rate plan without overrides, one that pays on lines or not.
pub(super) fn rates(choices: &mut Choices, currency: Code, lines: bool) -> Value {
    Drawing::sound(choices, currency, lines).plan()
}

/// What the deals of a case have in common, so that most plans can pay on them.
struct Drawing<'a> {
    choices: &'a mut Choices,
    currency: Code,
    payees: Vec<&'static str>,
    flaw: Option<Flaw>,
    /// Deals have lines, and plans may pay on them.
    lines: bool,
    /// Lines have costs.
    costs: bool,
    /// Deals have customers, and plans may end.
    customers: bool,
    /// Some deals take back; else plans may pay as it is collected.
    corrections: bool,
    /// Models list every role and milestone that there is.
    complete: bool,
    /// Half of what happens is so many days from here, so that times come to their ends.
    around: i64,
    /// What customers earn by comes to its end there.
    ends: bool,
}

impl<'a> Drawing<'a> {
    fn new(choices: &'a mut Choices) -> Self {
        let flaws = [
            Flaw::Class,
            Flaw::Type,
            Flaw::Customer,
            Flaw::Lines,
            Flaw::Collected,
            Flaw::CollectedCorrection,
            Flaw::Months,
            Flaw::Listed,
        ];
        Self {
            currency: choices.one_of(&CURRENCIES).copied().unwrap_or(Code("USD", 2)),
            payees: PAYEES.iter().copied().take(1 + choices.index(PAYEES.len())).collect(),
            flaw: if choices.maybe(120) { choices.one_of(&flaws).copied() } else { None },
            lines: choices.maybe(400),
            costs: choices.maybe(700),
            customers: choices.maybe(800),
            corrections: choices.maybe(400),
            complete: false,
            around: choices.one_of(&MOMENTS).copied().unwrap_or(0),
            ends: choices.maybe(150),
            choices,
        }
    }

    /// Of deals with customers, without corrections, whose touches are drawn by somebody else.
    fn sound(choices: &'a mut Choices, currency: Code, lines: bool) -> Self {
        let (payees, flaw, costs, customers, corrections, complete) = (Vec::new(), None, true, true, false, true);
        Self { choices, currency, payees, flaw, lines, costs, customers, corrections, complete, around: 0, ends: false }
    }

    fn flawed(&self, by: Flaw) -> bool {
        self.flaw == Some(by)
    }

    /// So many of a thousand, and others where the case is flawed.
    fn unless(&self, flaw: Flaw, sound: u32, flawed: u32) -> u32 {
        if self.flawed(flaw) { flawed } else { sound }
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        self.choices.one_of(of).copied().unwrap_or("x")
    }

    fn number(&mut self, of: &[i64]) -> i64 {
        self.choices.one_of(of).copied().unwrap_or(0)
    }

    fn payee(&mut self) -> &'static str {
        let place = self.choices.index(self.payees.len());
        self.payees.get(place).copied().unwrap_or("p1")
    }

    /// A rare one that is not there is beside the point: others are asked for what they are not.
    fn put(&mut self, of_thousand: u32, to: &mut Value, field: &str, draw: impl FnOnce(&mut Self) -> Value) {
        if self.choices.maybe(of_thousand) {
            to[field] = draw(self);
        }
    }

    fn list(&mut self, least: usize, below: usize, mut draw: impl FnMut(&mut Self, usize) -> Value) -> Value {
        let count = least + self.choices.index(below - least);
        (0..count).map(|place| draw(self, place)).collect()
    }

    fn amount_of(&self, units: i64) -> Value {
        let places = usize::try_from(self.currency.1).unwrap_or(0);
        let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
        let (whole, cents) = digits.split_at(digits.len() - places);
        let (sign, point) = (if units < 0 { "-" } else { "" }, if places > 0 { "." } else { "" });
        format!("{sign}{whole}{point}{cents} {}", self.currency.0).into()
    }

    fn units(&mut self) -> i64 {
        let small = i64::from(self.choices.work(1_000));
        match self.choices.work(12) {
            0 => small % 12,
            1 | 2 => small,
            3 => 1_000_000_000_000 + small,
            4 => 1_000_000,
            _ => 1_000 * i64::from(self.choices.work(2_000)) + small,
        }
    }

    /// An amount of a limit or a bound, such as deals come to.
    fn bound(&mut self) -> Value {
        let units = self.units();
        let part = [1, 10, 100].get(self.choices.index(3)).copied().unwrap_or(1);
        self.amount_of(units / part)
    }

    fn rate(&mut self) -> Value {
        self.one(&RATES).into()
    }

    /// So many shares of a whole, in hundredths or as fine as they come; they sum to one, or to less.
    fn shares(&mut self, count: usize, whole: bool) -> Vec<String> {
        const ALL: u64 = 1_000_000_000_000;
        let step = if self.choices.maybe(300) { 1 } else { ALL / 100 };
        let mut left = ALL;
        let mut shares = Vec::new();
        for place in 0..count {
            let last = place + 1 == count;
            let most = left / step;
            let of = u64::from(self.choices.work(1_000));
            let share = if last && (whole || self.choices.maybe(500)) { left } else { most * of / 1_500 * step };
            left -= share;
            shares.push(format!("{}.{:012}", share / ALL, share % ALL));
        }
        shares
    }

    fn weighted(&mut self, thing: &str, names: &[&str], whole: bool) -> Value {
        let shares = self.shares(names.len(), whole);
        names.iter().zip(shares).map(|(name, share)| json!({ thing: name, "weight": share })).collect()
    }

    /// Some of several, in any order.
    fn some<'b>(&mut self, of: &[&'b str]) -> Vec<&'b str> {
        let mut left = of.to_vec();
        let count = 1 + self.choices.index(of.len());
        (0..count).map(|_| left.remove(self.choices.index(left.len()))).collect()
    }

    /// What a model lists of several.
    fn listed<'b>(&mut self, of: &[&'b str]) -> Vec<&'b str> {
        if self.complete { of.to_vec() } else { self.some(of) }
    }

    fn at(&mut self, millis: i64) -> Value {
        let utc = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        if self.choices.maybe(100) {
            let east = FixedOffset::east_opt(19_800).map(|zone| utc.with_timezone(&zone).to_rfc3339());
            return east.unwrap_or_default().into();
        }
        utc.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
    }

    fn day(&mut self, millis: i64) -> Value {
        let day = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        day.format("%Y-%m-%d").to_string().into()
    }

    fn moment(&mut self) -> i64 {
        let other = self.choices.one_of(&MOMENTS).copied().unwrap_or(0);
        let moment = if self.choices.maybe(500) { self.around } else { other };
        let at_end = self.ends && self.choices.maybe(600);
        let (moment, most) = if at_end { (self.around, 1) } else { (moment, 8) };
        let days = [0, 1, -1, 28, 31, 365, 366, -30].get(self.choices.index(most)).copied().unwrap_or(0);
        // Midnight in one of the zones.
        let hours = [0, 0, 4, 5, -9, -14].get(self.choices.index(6)).copied().unwrap_or(0);
        moment + days * DAY + hours * 3_600_000 + i64::from(self.choices.work(3)) - 1
    }

    fn case(&mut self) -> Value {
        let payees: Map<String, Value> =
            self.payees.clone().into_iter().map(|name| (name.to_owned(), self.payee_terms())).collect();
        let models = 1 + self.choices.index(3);
        let models: Vec<(String, Value)> = (0..models).map(|place| (format!("m{place}"), self.model())).collect();
        let plans = 1 + self.choices.index(3);
        let plans: Map<String, Value> = (0..plans).map(|place| (format!("r{place}"), self.plan())).collect();
        let mut case = json!({
            "currency": self.currency.0, "payees": payees, "rates": plans,
            "models": models.iter().cloned().collect::<Map<_, _>>(),
        });
        self.put(100, &mut case, "case", |_| "a case".into());
        self.put(500, &mut case, "zone", |draw| draw.one(&ZONES).into());
        let known = if self.ends { 1_000 } else { 300 };
        self.put(known, &mut case, "first_commissions", |draw| draw.first_commissions());
        let named: Vec<String> = case["rates"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
        self.put(400, &mut case, "spent", |draw| draw.spent(&named));
        let plan = |draw: &mut Self| {
            let place = draw.choices.index(named.len());
            Value::from(named.get(place).map_or("r0", String::as_str))
        };
        for payee in case["payees"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            self.put(300, payee, "rates", plan);
        }
        case["deals"] = self.list(1, 6, |draw, place| {
            let (name, model) = draw.choices.one_of(&models).cloned().unwrap_or_default();
            let mut deal = draw.deal(place, &name, (&model, &case["payees"]));
            draw.put(900, &mut deal, "rates", plan);
            deal
        });
        case
    }

    fn payee_terms(&mut self) -> Value {
        let mut payee = json!({});
        self.put(600, &mut payee, "type", |draw| draw.one(&KINDS).into());
        self.put(600, &mut payee, "tier", |draw| draw.one(&TIERS).into());
        self.put(self.unless(Flaw::Class, 1_000, 700), &mut payee, "class", |draw| draw.one(&CLASSES).into());
        payee
    }

    fn first_commissions(&mut self) -> Value {
        let payees = self.payees.clone();
        let all = payees.into_iter().map(|payee| {
            let years = if self.ends { 1 } else { i64::from(self.choices.work(2)) };
            let on = if self.ends { self.around } else { self.moment() } - 365 * DAY * years;
            json!({"payee": payee, "customer": self.one(&CUSTOMERS), "on": self.day(on)})
        });
        all.collect()
    }

    fn spent(&mut self, plans: &[String]) -> Value {
        self.list(1, 4, |draw, _| {
            let plan = draw.choices.one_of(plans).cloned();
            let on = draw.moment();
            json!({"rates": plan, "payee": draw.payee(), "on": draw.day(on), "amount": draw.bound()})
        })
    }

    fn model(&mut self) -> Value {
        let listing: &[&str] = &["milestones", "role_weighted", "co_sell"];
        let kind = self.one(if self.flawed(Flaw::Listed) { listing } else { &MODELS });
        let terms = match kind {
            "time_decay" => json!({"half_life_days": self.choices.one_of(&HALF_LIVES)}),
            "u_shaped" => {
                let shares = self.shares(2, false);
                json!({"first": shares.first(), "last": shares.last()})
            }
            "milestones" => {
                let names = self.listed(&MILESTONES);
                let mut shares = self.shares(names.len() + 1, false);
                let mut terms = json!({});
                if let Some(rest) = shares.pop() {
                    self.put(800, &mut terms, "rest", |_| rest.into());
                }
                let named = names.iter().zip(shares);
                terms["milestones"] = named.map(|(name, share)| json!({"milestone": name, "weight": share})).collect();
                terms
            }
            "role_based" => {
                let all = self.choices.maybe(500);
                let of = if all { TYPES.to_vec() } else { self.some(&TYPES) };
                let weights: Map<_, _> =
                    of.into_iter().map(|name| (name.to_owned(), self.one(&WEIGHTS).into())).collect();
                let mut terms = json!({ "weights": weights });
                let other = self.unless(Flaw::Type, if all { 300 } else { 1_000 }, 0);
                self.put(other, &mut terms, "other", |draw| draw.one(&WEIGHTS).into());
                terms
            }
            "role_weighted" => {
                let names = self.listed(&ROLES);
                json!({"roles": self.roles(&names)})
            }
            "implementation" => json!({"types": self.some(&TYPES)}),
            "co_sell" => {
                let names = if self.flawed(Flaw::Class) { self.some(&CLASSES) } else { CLASSES.to_vec() };
                let mut classes = self.weighted("class", &names, false);
                for class in classes.as_array_mut().into_iter().flatten() {
                    self.put(300, class, "roles", |draw| {
                        let names = draw.listed(&ROLES);
                        draw.roles(&names)
                    });
                }
                json!({ "classes": classes })
            }
            "custom" => {
                let mut terms = json!({});
                self.put(800, &mut terms, "sum", |draw| draw.one(&["strict", "normalise", "residual_to_house"]).into());
                terms
            }
            _ => json!({}),
        };
        let mut model = json!({"model": {kind: terms}});
        self.put(200, &mut model, "types", |draw| match draw.choices.work(3) {
            0 => json!({"only": draw.some(&TYPES)}),
            1 => json!({"except": draw.some(&TYPES)}),
            _ => json!({"except": []}),
        });
        self.put(300, &mut model, "lookback_days", |draw| draw.number(&[90, 30, 1, 0, 3_000, MOST]).into());
        if kind == "first_touch" {
            self.put(300, &mut model, "registration", |draw| draw.one(&["wins", "ignored"]).into());
        }
        model
    }

    /// Roles with shares, of which some are equal.
    fn roles(&mut self, names: &[&str]) -> Value {
        if self.choices.maybe(500) {
            return names.iter().map(|name| json!({"role": name, "weight": "0.2"})).collect();
        }
        self.weighted("role", names, false)
    }

    fn plan(&mut self) -> Value {
        let mut plan = json!({"currency": self.currency.0});
        self.put(300, &mut plan, "rounding", |draw| draw.one(&["half_even", "half_away_from_zero"]).into());
        let on_lines = self.unless(Flaw::Lines, if self.lines { 350 } else { 0 }, 200);
        self.put(on_lines, &mut plan, "base", |draw| {
            let margin = draw.costs || draw.flawed(Flaw::Lines);
            draw.one(if margin { &["margin", "amount"] } else { &["amount"] }).into()
        });
        self.put(on_lines, &mut plan, "eligible", |draw| draw.some(&PRODUCTS).into());
        let priorities = self.choices.work(20);
        plan["rules"] = self.list(0, 5, |draw, place| {
            // Not in the order in which they are listed.
            let priority = (place * 7 + usize::try_from(priorities).unwrap_or(0)) % 20;
            json!({"rule": format!("rule {place}"), "priority": priority, "when": draw.when(), "pays": draw.pays()})
        });
        if !self.choices.maybe(30) {
            keep_reached(&mut plan);
        }
        self.put(600, &mut plan, "otherwise", |draw| draw.pays());
        if self.choices.maybe(200) {
            plan["bounds"] = json!({"from": "0", "to": self.one(&["1", "1.5"])});
            let most = plan["bounds"]["to"].clone();
            self.put(300, &mut plan, "otherwise", |_| json!({ "rate": most }));
        }
        if self.choices.maybe(250) {
            let (least, most) = (self.units() / 1_000, self.units() / 10);
            plan["minimum"] = self.amount_of(least.min(most));
            self.put(700, &mut plan, "maximum", |draw| draw.amount_of(least.max(most)));
        }
        self.put(100, &mut plan, "maximum", |draw| {
            let most = 2_000_000 + draw.units();
            draw.amount_of(most)
        });
        // A correction goes with a limit on each deal only.
        let times: &[&str] = if self.corrections { &["deal"] } else { &["month", "year", "deal"] };
        self.put(
            300,
            &mut plan,
            "spend_limit",
            |draw| json!({"amount": draw.bound(), "per": draw.one(times), "zone": draw.one(&ZONES)}),
        );
        let ends = self.unless(Flaw::Customer, if self.customers { 250 } else { 0 }, 500);
        self.put(ends, &mut plan, "max_duration_months", |draw| {
            if draw.flawed(Flaw::Months) {
                draw.number(&[MOST, 1_201])
            } else {
                draw.number(if draw.ends { &[12] } else { &[0, 1, 12, 2, 13, 1_200] })
            }
            .into()
        });
        let collects = self.unless(Flaw::CollectedCorrection, if self.corrections { 0 } else { 400 }, 800);
        self.put(collects, &mut plan, "earned", |draw| draw.one(&["as_collected", "on_invoice"]).into());
        if self.payees.len() > 1 {
            self.put(300, &mut plan, "overrides", |draw| {
                draw.list(1, 4, |draw, place| {
                    let of = draw.choices.index(draw.payees.len() - 1);
                    let (of, to) = (draw.payees.get(of).copied(), draw.payees.get(of + 1).copied());
                    json!({"name": format!("line {place}"), "of": of, "to": to, "rate": draw.rate()})
                })
            });
        }
        plan
    }

    fn when(&mut self) -> Value {
        let mut when = json!({});
        self.put(250, &mut when, "programme", |draw| draw.one(&PROGRAMMES).into());
        self.put(250, &mut when, "payee_type", |draw| draw.one(&KINDS).into());
        self.put(300, &mut when, "tier", |draw| draw.one(&TIERS).into());
        self.put(if self.lines { 250 } else { 30 }, &mut when, "product_line", |draw| draw.one(&PRODUCTS).into());
        self.put(250, &mut when, "deal_from", |draw| draw.bound());
        when
    }

    fn pays(&mut self) -> Value {
        if self.choices.maybe(self.unless(Flaw::Lines, if self.lines { 250 } else { 0 }, 100)) {
            json!({"per_unit": self.bound()})
        } else {
            json!({"rate": self.rate()})
        }
    }

    fn deal(&mut self, place: usize, model_name: &str, (model, payees): (&Value, &Value)) -> Value {
        let completed = self.moment();
        let mut deal = json!({"deal": format!("D{place}"), "model": model_name, "completed_at": self.at(completed)});
        let corrections = self.corrections || self.flawed(Flaw::CollectedCorrection);
        let sign = if corrections && self.choices.maybe(400) { -1 } else { 1 };
        let units = if self.lines && !(self.flawed(Flaw::Lines) && self.choices.maybe(300)) {
            let lines: Vec<(i64, Value)> = (0..=self.choices.index(4)).map(|_| self.line(sign)).collect();
            deal["lines"] = lines.iter().map(|(_, line)| line.clone()).collect();
            lines.iter().map(|(units, _)| units).sum()
        } else {
            let huge = self.flaw.is_none() && self.choices.maybe(15);
            let units = sign * if huge { LARGEST - i64::from(self.choices.work(2)) } else { self.units() };
            deal["amount"] = self.amount_of(units);
            units
        };
        if units > 0 {
            self.put(600, &mut deal, "collected", |draw| draw.payments(units));
        }
        let customer = self.unless(Flaw::Customer, if self.customers { 1_000 } else { 500 }, 500);
        self.put(customer, &mut deal, "customer", |draw| draw.one(&CUSTOMERS).into());
        self.put(700, &mut deal, "programme", |draw| draw.one(&PROGRAMMES).into());
        let mut cutoff = completed;
        self.put(300, &mut deal, "cutoff", |draw| {
            cutoff -= i64::from(draw.choices.work(20)) * DAY;
            draw.at(cutoff)
        });
        self.put(350, &mut deal, "registered_by", |draw| draw.payee().into());
        self.put(300, &mut deal, "overlays", |draw| {
            let names = draw.some(&draw.payees.clone());
            names.into_iter().map(|name| json!({"payee": name, "weight": draw.rate()})).collect()
        });
        if model["model"].get("custom").is_some() {
            deal["custom"] = self.custom(model);
        } else {
            let half_life = model["model"]["time_decay"]["half_life_days"].as_i64().unwrap_or(7) * DAY;
            let lookback = model["lookback_days"].as_i64().unwrap_or(90) * DAY;
            let edges = [cutoff, completed, completed - lookback];
            deal["touches"] = self.touches(completed, &edges, half_life, (&model["model"], payees));
        }
        deal
    }

    fn line(&mut self, sign: i64) -> (i64, Value) {
        let units = self.units();
        // A discount is a line of the other sign.
        let sign = if self.corrections && self.choices.maybe(150) { -sign } else { sign };
        let cost = units / (1 + i64::from(self.choices.work(8)));
        let mut line = json!({"amount": self.amount_of(sign * units)});
        let costs = self.unless(Flaw::Lines, if self.costs { 1_000 } else { 400 }, 700);
        self.put(costs, &mut line, "unit_cost", |draw| draw.amount_of(cost));
        self.put(700, &mut line, "product_line", |draw| draw.one(&PRODUCTS).into());
        self.put(600, &mut line, "units", |draw| draw.choices.work(5).into());
        (sign * units, line)
    }

    /// Payments that come to the amount or to less; to more where that is the flaw.
    fn payments(&mut self, units: i64) -> Value {
        let count = i64::from(1 + self.choices.work(4));
        let mut payments: Vec<i64> = (0..count).map(|_| units / count).collect();
        if self.choices.maybe(500) {
            payments.push(units - units / count * count);
        } else if self.flawed(Flaw::Collected) {
            payments.push(units % count + 1);
        } else {
            payments.pop();
        }
        payments.into_iter().map(|payment| self.amount_of(payment)).collect()
    }

    fn custom(&mut self, model: &Value) -> Value {
        let names = self.some(&self.payees.clone());
        match model["model"]["custom"]["sum"].as_str() {
            Some("normalise") => {
                names.into_iter().map(|name| json!({"payee": name, "weight": self.one(&WEIGHTS)})).collect()
            }
            Some("residual_to_house") if self.choices.maybe(50) => json!([]),
            Some("residual_to_house") => self.weighted("payee", &names, false),
            _ => self.weighted("payee", &names, true),
        }
    }

    /// Touches at random, at an edge, beside it, where the one before was, so many half-lives back, and one again.
    fn touches(&mut self, completed: i64, edges: &[i64], half_life: i64, (model, payees): (&Value, &Value)) -> Value {
        let most = if self.choices.maybe(100) { 40 } else { 9 };
        let count = self.choices.index(most);
        let mut touches: Vec<Value> = Vec::new();
        let mut at = completed - 5 * DAY;
        for place in 0..count {
            if !touches.is_empty() && self.choices.maybe(60) {
                let again = self.choices.one_of(&touches).cloned();
                touches.extend(again);
                continue;
            }
            at = match self.choices.work(8) {
                0 => self.number(edges),
                1 => self.number(edges) + i64::from(self.choices.work(3)) - 1,
                2 => at,
                3 => {
                    completed
                        - half_life
                            .saturating_mul(self.number(&[0, 1, 2, 18, 19, 20, 1_075, 1_200]))
                            .min(100 * 365 * DAY)
                }
                _ => completed - i64::from(self.choices.work(60)) * DAY - i64::from(self.choices.work(86_400)) * 1_000,
            };
            // Nobody touches before ledgers begin.
            at = at.max(-2_000_000_000_000);
            let payee = self.payee();
            let mut touch = json!({
                "touch": format!("t{place}"), "payee": payee, "type": self.one(&TYPES), "at": self.at(at),
            });
            let (mut roles, mut milestones) = (ROLES.to_vec(), MILESTONES.to_vec());
            if !self.flawed(Flaw::Listed) {
                keep_listed(&mut roles, "role", roles_of(model, &payees[payee]["class"]));
                keep_listed(&mut milestones, "milestone", model.pointer("/milestones/milestones"));
            }
            self.put(200, &mut touch, "weight", |draw| draw.one(&WEIGHTS).into());
            self.put(700, &mut touch, "role", |draw| draw.one(&roles).into());
            self.put(400, &mut touch, "milestones", |draw| draw.some(&milestones).into());
            touches.push(touch);
        }
        touches.into()
    }
}

/// The roles of a model, or those of a class of it.
fn roles_of<'a>(model: &'a Value, class: &Value) -> Option<&'a Value> {
    let of_class =
        || model.pointer("/co_sell/classes")?.as_array()?.iter().find(|one| one["class"] == *class)?.get("roles");
    model.pointer("/role_weighted/roles").or_else(of_class)
}

/// Keeps the rules of a plan that some deal may come to.
fn keep_reached(plan: &mut Value) {
    let eligible = plan["eligible"].as_array().cloned();
    let Some(rules) = plan["rules"].as_array_mut() else { return };
    let all = rules.clone();
    let before = |one: &Value, other: &Value| one["priority"].as_i64() < other["priority"].as_i64();
    let covers = |one: &Value, other: &Value| {
        one["when"]
            .as_object()
            .is_some_and(|stated| stated.iter().all(|(field, value)| other["when"].get(field) == Some(value)))
    };
    rules.retain(|rule| {
        let line = rule["when"].get("product_line");
        line.is_none_or(|line| eligible.as_ref().is_none_or(|eligible| eligible.contains(line)))
            && !all.iter().any(|one| before(one, rule) && covers(one, rule))
    });
}

/// Keeps the names that are in a list, if there is one.
fn keep_listed(names: &mut Vec<&str>, field: &str, listed: Option<&Value>) {
    if let Some(listed) = listed.and_then(Value::as_array) {
        names.retain(|name| listed.iter().any(|one| one[field] == *name));
    }
}
