//! Sales: registered or recorded, touched by those who count and those who do not, paid by the customer bit by bit, calculated
//! again; and the models and rate plans by which they are.

use super::amounts::LARGEST;
use super::attributions::{self, CLASSES, CUSTOMERS, KINDS, MILESTONES, PRODUCTS, PROGRAMMES, ROLES, TIERS, TYPES};
use super::spoil::nobody;
use super::{Asked, Workload, World, plus};
use crate::act::{Act, Amount, CURRENCIES, Code, Day};
use crate::model::{Basis, Deal, DealStage, State};
use crate::sale::{
    self, Base, Fine, Line, Model, ModelPin, Moment, ONE, Override, Pays, Rates, RatesPin, Rule, Sale, Sum, Touch,
    Weight,
};
use crate::swarm::Habit;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Parts of one, in trillionths.
const PARTS: [u64; 5] = [ONE / 4, ONE / 10, ONE / 3, ONE, 0];

impl Workload {
    /// A sale, if there is a model for it.
    pub(super) fn sale(&mut self, world: &mut World<'_>) -> Asked {
        let models = world.model.models().rows();
        if models.len() < 2 {
            return self.publish_model(world);
        }
        if world.model.rates().rows().is_empty() {
            return self.publish_rates(world);
        }
        let Some(known) = world.choices.one_of(models) else { return self.publish_model(world) };
        let model = ModelPin { model: known.id.clone(), version: version(world, known.versions.len()) };
        let document =
            usize::try_from(model.version).ok().and_then(|version| known.versions.get(version.checked_sub(1)?));
        let document = document.or(known.versions.last()).map(|edition| edition.document.clone());
        let (rates, currency) = self.rates(world);
        self.named.deals += 1;
        let deal = format!("d-{}", self.named.deals);
        let mut sale = self.priced_sale(world, model, currency);
        sale.rates = rates;
        if let Some(Rule::Custom { sum }) = document.as_ref().map(|document| &document.model) {
            sale.custom = custom(world, *sum);
        }
        let actor = world.staff();
        self.sales.push(deal.clone());
        for place in 0..world.model.payees().rows().len().min(4) {
            self.payable.push((place, currency));
        }
        let sale = Box::new(sale);
        if self.swarm.has(Habit::Steps) && world.choices.maybe(500) {
            return (actor, Act::RegisterSale { deal, sale });
        }
        let completed_at = self.moment(world);
        let few = if world.choices.maybe(100) { 0 } else { 1 };
        let count = if sale.custom.is_empty() { few + world.choices.index(4) } else { 0 };
        let touches: Vec<Touch> =
            (0..count).filter_map(|_| self.fresh_touch(world, completed_at, document.as_ref())).collect();
        let cutoff = cutoff(world, completed_at);
        self.completed.push(deal.clone());
        (actor, Act::RecordSale { deal, sale, touches, completed_at, cutoff })
    }

    /// A rate plan in whose currency a sale is, for most.
    fn rates(&self, world: &mut World<'_>) -> (Option<RatesPin>, Code) {
        let known = world.choices.one_of(world.model.rates().rows());
        let Some((known, last)) = known.and_then(|known| Some((known, known.versions.last()?))) else {
            return (None, self.swarm.base);
        };
        let pin = RatesPin { rates: known.id.clone(), version: version(world, known.versions.len()) };
        let currency = last.document.currency;
        (Some(pin).filter(|_| !world.choices.maybe(80)), currency)
    }

    fn priced_sale(&self, world: &mut World<'_>, model: ModelPin, currency: Code) -> Sale {
        // Where some plan pays on lines, on costs or on customers, nearly every sale has them.
        let editions = || world.model.rates().rows().iter().flat_map(|plan| &plan.versions);
        let on_lines = editions().any(|edition| pays_on_lines(&edition.document));
        let on_customers = editions().any(|edition| edition.document.max_duration_months.is_some());
        let lines = world.choices.maybe(if on_lines { 960 } else { 200 });
        let amount = Some(Amount(units(world), currency)).filter(|_| !lines);
        let count = if lines { 1 + world.choices.index(3) } else { 0 };
        let lines = (0..count).map(|_| line(world, currency)).collect();
        let customer = world.choices.maybe(if on_customers { 970 } else { 500 });
        let customer = customer.then(|| one(world, &CUSTOMERS));
        let programme = world.choices.maybe(600).then(|| one(world, &PROGRAMMES));
        let registered_by = if world.choices.maybe(250) { payee(world) } else { None };
        let overlays = if world.choices.maybe(250) { payee(world) } else { None };
        let overlays = overlays.map(|payee| Weight { payee, weight: part(world) }).into_iter().collect();
        let (rates, custom) = (None, Vec::new());
        Sale { amount, lines, customer, programme, model, rates, registered_by, custom, overlays }
    }

    /// An instant of late, or where a month or a year turns somewhere.
    fn moment(&self, world: &mut World<'_>) -> Moment {
        let now = world.at * 1_000;
        if !self.swarm.has(Habit::Dates) || !world.choices.maybe(300) {
            return Moment(now - i64::from(world.choices.work(80)) * HOUR);
        }
        let first = Day(world.today.0, if world.choices.maybe(300) { 1 } else { world.today.1 }, 1);
        let turn = midnight(first).unwrap_or(now);
        let zone = [0, 5 * HOUR, 4 * HOUR, -9 * HOUR, -14 * HOUR].get(world.choices.index(5)).copied().unwrap_or(0);
        Moment(turn + zone + i64::from(world.choices.work(3)) - 1)
    }

    /// The next step of a sale: a touch, its completion, a payment, or the same once more.
    pub(super) fn step_of_sale(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let deals = world.model.deals();
        let late = world.choices.maybe(30);
        let stands = |deal: &String| deals.get(deal).is_some_and(|deal| late || deal.stage != DealStage::Reversed);
        let deal = deals.get(self.sales.find(world.choices, stands)?)?;
        let Basis::Sale(sale) = &deal.basis else { return None };
        match (deal.stage, world.choices.work(10)) {
            (DealStage::Registered, 0..=3) => {
                self.completed.push(deal.id.clone());
                let completed_at = self.moment(world);
                let cutoff = cutoff(world, completed_at);
                let deal = deal.id.clone();
                Some((world.staff(), Act::CompleteSale { deal, completed_at, cutoff }))
            }
            (DealStage::Completed(_), 0..=3) => Some(self.collect(world, deal)),
            (DealStage::Completed(_), 4..=6) => self.recompute(world, deal),
            _ if !sale.custom.is_empty() && !world.choices.maybe(50) => None,
            _ => self.touch(world, deal),
        }
    }

    /// A touch of somebody: one that counts or is late, the same again, or another of the same name.
    fn touch(&mut self, world: &mut World<'_>, deal: &Deal) -> Option<Asked> {
        let around = deal.sold.completed_at().unwrap_or(Moment(world.at * 1_000));
        let Basis::Sale(sale) = &deal.basis else { return None };
        let model = world.model.models().rows().iter().find(|known| known.id == sale.model.model);
        let place = usize::try_from(sale.model.version).ok()?.checked_sub(1)?;
        let document = model.and_then(|model| model.versions.get(place)).map(|edition| edition.document.clone());
        let mut touch = self.fresh_touch(world, around, document.as_ref())?;
        if let Some(known) = world.choices.one_of(&deal.sold.touches)
            && world.choices.maybe(120)
        {
            touch =
                if world.choices.maybe(500) { known.clone() } else { Touch { touch: known.touch.clone(), ..touch } };
        }
        Some((world.staff(), Act::Touch { deal: deal.id.clone(), touch }))
    }

    fn fresh_touch(&mut self, world: &mut World<'_>, around: Moment, model: Option<&Model>) -> Option<Touch> {
        self.named.touches += 1;
        let Moment(edge) = around;
        let at = match world.choices.work(12) {
            0 => edge + i64::from(world.choices.work(3)) - 1,
            1 => edge - 30 * DAY + i64::from(world.choices.work(3)) - 1,
            2 => edge + i64::from(world.choices.work(100)) * HOUR,
            3 | 4 => edge - i64::from(world.choices.work(3)) * 7 * DAY,
            _ => edge - i64::from(world.choices.work(500)) * HOUR,
        };
        let mut touch = Touch {
            touch: format!("t-{}", self.named.touches),
            payee: payee(world)?,
            kind: one(world, &TYPES),
            at: Moment(at),
            weight: world.choices.maybe(150).then(|| Fine(ONE * u64::from(world.choices.work(3)) / 2)),
            role: world.choices.maybe(600).then(|| one(world, &ROLES)),
            milestones: (0..world.choices.index(3)).map(|_| one(world, &MILESTONES)).collect(),
        };
        if let Some(Model { model, .. }) = model.filter(|_| world.choices.maybe(960)) {
            fit(world, model, &mut touch);
        }
        Some(touch)
    }

    /// A part of what is still to pay, all of it, or a unit too much.
    fn collect(&mut self, world: &mut World<'_>, deal: &Deal) -> Asked {
        if let Some(known) = world.choices.one_of(&deal.sold.payments)
            && world.choices.maybe(80)
        {
            let amount = if world.choices.maybe(500) { Amount(1, known.amount.1) } else { known.amount };
            let (deal, payment, on) = (deal.id.clone(), known.payment.clone(), known.on);
            return (world.staff(), Act::Collect { deal, payment, amount, on });
        }
        self.named.payments += 1;
        let left = deal.gci.0 - deal.sold.payments.iter().map(|payment| payment.amount.0).sum::<i128>();
        let units = match world.choices.work(8) {
            0 => left,
            1 => left + i128::from(world.choices.maybe(300)),
            2 => 1,
            _ => left / (2 + i128::from(world.choices.work(3))),
        };
        let (deal, amount) = (deal.id.clone(), Amount(units.clamp(1, LARGEST), deal.gci.1));
        let payment = format!("pay-{}", self.named.payments);
        let on = if world.choices.maybe(20) { plus(world.today, 1) } else { world.lately(5) };
        (world.staff(), Act::Collect { deal, payment, amount, on })
    }

    /// Calculates again, rarely what a payout has claimed, by the same versions or by others.
    fn recompute(&mut self, world: &mut World<'_>, deal: &Deal) -> Option<Asked> {
        let claimed = deal.earned.iter().any(|earned| {
            let account = world.model.account(&earned.payee, deal.gci.1);
            let entry = earned.entry.and_then(|place| account?.entries.get(place));
            entry.is_some_and(|entry| entry.state == State::Claimed)
        });
        if claimed && !world.choices.maybe(150) {
            return None;
        }
        let (model, rates) = deal.sold.pins()?;
        let other = world.choices.maybe(350).then(|| world.choices.one_of(world.model.models().rows())).flatten();
        let model = match other {
            Some(other) if other.id == model.model || world.choices.maybe(300) => {
                Some(ModelPin { model: other.id.clone(), version: version(world, other.versions.len()) })
            }
            _ => None,
        };
        let plans = world.model.rates().rows();
        let other = world.choices.maybe(350).then(|| world.choices.one_of(plans)).flatten();
        // Which sale is the first one shows where only that is paid.
        let once = plans.iter().find(|plan| plan.versions.iter().any(|of| of.document.max_duration_months == Some(0)));
        let other = if world.choices.maybe(300) { once.or(other) } else { other };
        let rates = match other {
            Some(other) if rates.is_none_or(|pin| pin.rates == other.id) || world.choices.maybe(500) => {
                Some(RatesPin { rates: other.id.clone(), version: version(world, other.versions.len()) })
            }
            _ => None,
        };
        let reason = self.text(world);
        Some((world.staff(), Act::Recompute { deal: deal.id.clone(), reason, model, rates }))
    }

    /// A model, a rate plan, or what somebody is.
    pub(super) fn publish_for_sales(&mut self, world: &mut World<'_>) -> Asked {
        match world.choices.work(5) {
            0 => self.publish_model(world),
            1 => self.publish_rates(world),
            _ => self.classify(world),
        }
    }

    fn publish_model(&mut self, world: &mut World<'_>) -> Asked {
        let model = self.document_name(world, "model", world.model.models().rows().len());
        let document = serde_json::from_value(attributions::model(world.choices)).unwrap_or_else(|_| linear());
        (world.staff(), Act::PublishModel { model, document: Box::new(document) })
    }

    fn publish_rates(&mut self, world: &mut World<'_>) -> Asked {
        let rates = self.document_name(world, "rates", world.model.rates().rows().len());
        let foreign = self.swarm.has(Habit::Currencies) && world.model.allows("foreign_currencies");
        let currency = if foreign && world.choices.maybe(150) { world.currency() } else { self.swarm.base };
        let lines = world.choices.maybe(350);
        let drawn = serde_json::from_value(attributions::rates(world.choices, currency, lines));
        let mut document = drawn.unwrap_or_else(|_| tenth(currency));
        if document.otherwise.is_none() && world.choices.maybe(500) {
            document.otherwise = Some(Pays::Rate(Fine(ONE / 10)));
        }
        if world.choices.maybe(120) {
            document.max_duration_months = Some(0);
        }
        if world.choices.maybe(300)
            && let (Some(of), Some(to)) = (payee(world), payee(world))
            && of != to
        {
            document.overrides.push(Override { name: "recruiter".into(), of, to, rate: part(world) });
        }
        (world.staff(), Act::PublishRates { rates, document: Box::new(document) })
    }

    /// A new name, or one of which there is a version.
    fn document_name(&mut self, world: &mut World<'_>, kind: &str, known: usize) -> String {
        if known >= 3 || known > 0 && world.choices.maybe(300) {
            let names: Vec<&String> = match kind {
                "model" => world.model.models().rows().iter().map(|of| &of.id).collect(),
                _ => world.model.rates().rows().iter().map(|of| &of.id).collect(),
            };
            if let Some(name) = world.choices.one_of(&names) {
                return (*name).clone();
            }
        }
        self.named.documents += 1;
        let number = self.named.documents;
        // The longest name there is, for some.
        if self.swarm.awkward && number.is_multiple_of(3) {
            format!("{kind}{number:.<59}")
        } else {
            format!("{kind}-{number}")
        }
    }

    fn classify(&mut self, world: &mut World<'_>) -> Asked {
        let Some(payee) = payee(world) else { return self.enrol(world) };
        let from = if world.choices.maybe(600) { plus(world.today, -400) } else { world.lately(60) };
        let kind = world.choices.maybe(700).then(|| one(world, &KINDS));
        let tier = world.choices.maybe(700).then(|| one(world, &TIERS));
        let class = world.choices.maybe(900).then(|| one(world, &CLASSES));
        let known = world.choices.maybe(400).then(|| world.choices.one_of(world.model.rates().rows())).flatten();
        let rates =
            known.map(|known| RatesPin { rates: known.id.clone(), version: version(world, known.versions.len()) });
        (world.staff(), Act::Classify { payee, from, kind, tier, class, rates })
    }
}

/// Makes a touch say nothing that a model does not understand.
fn fit(world: &mut World<'_>, model: &Rule, touch: &mut Touch) {
    match model {
        Rule::RoleWeighted { roles }
            if touch.role.as_ref().is_some_and(|role| roles.iter().all(|known| known.role != *role)) =>
        {
            touch.role = world.choices.one_of(roles).map(|known| known.role.clone());
        }
        // The class of the payee may be another one on the day of the sale.
        Rule::CoSell { classes } => {
            let mut lists = classes.iter().map(|class| &class.roles).filter(|roles| !roles.is_empty());
            touch.role = touch.role.take().filter(|role| lists.all(|roles| roles.iter().any(|of| of.role == *role)));
        }
        Rule::Milestones { milestones, .. } => {
            touch.milestones.retain(|name| milestones.iter().any(|known| known.milestone == *name));
        }
        Rule::RoleBased { weights, other: None } if !weights.contains_key(&touch.kind) => {
            touch.weight = touch.weight.or(Some(Fine(ONE / 2)));
        }
        _ => {}
    }
}

/// The newest of so many versions, for most.
fn version(world: &mut World<'_>, versions: usize) -> u32 {
    let newest = u32::try_from(versions).unwrap_or(1);
    if world.choices.maybe(150) { 1 + world.choices.work(newest) } else { newest }
}

fn one(world: &mut World<'_>, of: &[&str]) -> String {
    world.choices.one_of(of).copied().unwrap_or_default().to_owned()
}

fn part(world: &mut World<'_>) -> Fine {
    Fine(world.choices.one_of(&PARTS).copied().unwrap_or(0))
}

/// One of the first few, so that limits and durations are met.
fn payee(world: &mut World<'_>) -> Option<String> {
    let payees = world.model.payees().rows();
    let first = payees.get(..payees.len().min(5))?;
    world.choices.one_of(first).map(|payee| payee.id.clone())
}

fn units(world: &mut World<'_>) -> i128 {
    let small = i128::from(world.choices.work(1_000));
    match world.choices.work(12) {
        0 => small % 12,
        1 | 2 => small,
        3 if world.choices.maybe(50) => LARGEST - small % 2,
        3 | 4 => 1_000_000,
        _ => 1_000 * i128::from(world.choices.work(2_000)) + small % 2 * small,
    }
}

fn line(world: &mut World<'_>, currency: Code) -> Line {
    let amount = units(world).min(LARGEST / 4);
    let cost = amount / (1 + i128::from(world.choices.work(8)));
    // A discount, rarely.
    let amount = if world.choices.maybe(40) { -amount / 10 } else { amount };
    Line {
        amount: Amount(amount, currency),
        product_line: world.choices.maybe(800).then(|| one(world, &PRODUCTS)),
        units: if world.choices.maybe(400) { world.choices.work(5) } else { 1 },
        unit_cost: (!world.choices.maybe(40)).then_some(Amount(cost, currency)),
    }
}

fn cutoff(world: &mut World<'_>, Moment(completed_at): Moment) -> Option<Moment> {
    let back = i64::from(world.choices.work(10)) * DAY;
    world.choices.maybe(200).then_some(Moment(completed_at - back))
}

/// Weights that come to one, or to what the policy takes.
fn custom(world: &mut World<'_>, sum: Sum) -> Vec<Weight> {
    let payees = world.model.payees().rows();
    let count = 1 + world.choices.index(payees.len().min(4));
    let count = u64::try_from(count).unwrap_or(1);
    let each = match sum {
        Sum::Strict | Sum::Normalise => ONE / count,
        Sum::ResidualToHouse => ONE / (count + u64::from(world.choices.work(3))),
    };
    let rest = if sum == Sum::Strict { ONE - each * count } else { 0 };
    let weight = |(place, payee): (u64, &crate::model::Payee)| Weight {
        payee: payee.id.clone(),
        weight: Fine(each + if place == 0 { rest } else { 0 }),
    };
    (0..count).zip(payees).map(weight).collect()
}

fn linear() -> Model {
    let (types, registration) = (sale::Types::default(), sale::Registration::default());
    Model { model: Rule::Linear {}, types, lookback_days: None, registration }
}

fn tenth(currency: Code) -> Rates {
    let pays = Pays::Rate(Fine(ONE / 10));
    let document = format!(r#"{{"currency":"{}"}}"#, currency.0);
    let document: Option<Rates> = serde_json::from_str(&document).ok();
    document.map_or_else(|| tenth(CURRENCIES[0]), |document| Rates { otherwise: Some(pays), ..document })
}

fn pays_on_lines(document: &Rates) -> bool {
    let per_unit = |pays: &Pays| matches!(pays, Pays::PerUnit(_));
    document.base == Base::Margin
        || document.eligible.is_some()
        || document.rules.iter().map(|rule| &rule.pays).chain(&document.otherwise).any(per_unit)
}

/// The milliseconds since 1970 at the beginning of a day.
fn midnight(Day(year, month, day): Day) -> Option<i64> {
    let day = chrono::NaiveDate::from_ymd_opt(year, month, day)?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// An instant at the end of what a ledger keeps, or beyond it.
pub(super) fn unlikely(world: &mut World<'_>) -> Moment {
    let days = [Day(1900, 1, 1), Day(9998, 12, 31), Day(1899, 12, 31), Day(9999, 1, 1)];
    let day = world.choices.one_of(&days).and_then(|day| midnight(*day));
    Moment(day.unwrap_or(0) + 12 * HOUR)
}

/// A model that is not as it must be.
pub(super) fn spoil_model(world: &mut World<'_>, document: &mut Model) {
    let half = Fine(ONE / 2 + 1);
    document.model = match world.choices.work(6) {
        0 => Rule::TimeDecay { half_life_days: 0 },
        1 => Rule::UShaped { first: half, last: half },
        2 => Rule::RoleWeighted { roles: ["a", "b"].map(|role| sale::Role { role: role.into(), weight: half }).into() },
        3 => Rule::Implementation { types: vec!["demo".into(), "demo".into()] },
        4 => Rule::UShaped { first: Fine(ONE + 1), last: Fine(0) },
        _ => {
            let class = |weight| sale::Class { class: "vendor".into(), weight, roles: Vec::new() };
            Rule::CoSell { classes: vec![class(Fine(0)), class(Fine(1))] }
        }
    };
}

/// A rate plan that is not as it must be, or that nothing can be paid by.
pub(super) fn spoil_rates(world: &mut World<'_>, document: &mut Rates) {
    let currency = document.currency;
    let of = |of: &str, to: &str, rate| Override { name: "o".into(), of: of.into(), to: to.into(), rate };
    match world.choices.work(12) {
        0 => document.otherwise = Some(Pays::Rate(Fine(15 * ONE))),
        1 => document.otherwise = Some(Pays::PerUnit(Amount(-1, currency))),
        2 => (document.minimum, document.maximum) = (Some(Amount(2, currency)), Some(Amount(1, currency))),
        3 => document.maximum = Some(Amount(-1, currency)),
        4 => document.minimum = CURRENCIES.into_iter().find(|other| *other != currency).map(|other| Amount(0, other)),
        5 => document.overrides = vec![of("amy", "amy", Fine(0))],
        6 => document.overrides = vec![of("amy", "bob", Fine(ONE + 1))],
        7 => document.overrides = vec![of("nobody", "no-one", Fine(ONE)), of("nobody", "no-one", Fine(0))],
        8 => document.overrides = vec![of("nobody", "no-one", Fine(ONE))],
        9 => document.bounds = Some(sale::Bounds { from: Fine(1), to: Fine(0) }),
        10 => document.currency = world.currency(),
        _ => document.eligible = Some(vec!["suite".into(), "suite".into()]),
    }
}

/// Touches of nobody, of one name, in a role or at a milestone that no model lists, or at a time that cannot be.
pub(super) fn spoil_touches(world: &mut World<'_>, touches: &mut Vec<Touch>) {
    let Some(mut touch) = touches.last().cloned() else { return };
    match world.choices.work(6) {
        0 => touch.payee = nobody(),
        1 => touch.kind = "another".into(),
        2 => touch.at = unlikely(world),
        3 => touch.role = Some("clsoer".into()),
        4 => touch.milestones = vec!["laed".into()],
        _ => {}
    }
    touches.push(touch);
}

/// A sale that the ledger refuses.
pub(super) fn spoil(world: &mut World<'_>, sale: &mut Sale) {
    let currency = sale.currency();
    let other = CURRENCIES.into_iter().find(|other| *other != currency).unwrap_or(currency);
    let one = Amount(1, currency);
    let line = |amount| Line { amount, product_line: None, units: 1, unit_cost: None };
    let of = |payee: &str, weight| Weight { payee: payee.into(), weight };
    match world.choices.work(14) {
        0 => (sale.amount, sale.lines) = (None, Vec::new()),
        1 => (sale.amount, sale.lines) = (Some(one), vec![line(one)]),
        2 => (sale.amount, sale.lines) = (Some(Amount(-1, currency)), Vec::new()),
        3 => (sale.amount, sale.lines) = (None, vec![line(one), line(Amount(1, other))]),
        4 => (sale.amount, sale.lines) = (None, vec![line(Amount(LARGEST, currency)), line(one)]),
        5 => (sale.amount, sale.lines) = (Some(Amount(1, other)), Vec::new()),
        6 => sale.model.version = if world.choices.maybe(500) { 0 } else { sale.model.version + 1 },
        7 => sale.model.model = nobody(),
        8 => sale.rates = Some(RatesPin { rates: nobody(), version: 1 }),
        9 => sale.registered_by = Some(nobody()),
        10 => sale.custom = vec![of("nobody", Fine(ONE))],
        11 => sale.overlays = vec![of("nobody", Fine(0))],
        12 => {
            let twice = sale.custom.first().or(sale.overlays.first()).cloned();
            let weights = if sale.custom.is_empty() { &mut sale.overlays } else { &mut sale.custom };
            weights.extend(twice);
        }
        _ => sale.custom.iter_mut().for_each(|weight| weight.weight.0 += 1),
    }
}
