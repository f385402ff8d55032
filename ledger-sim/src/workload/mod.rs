//! What clients ask: of one ledger, one ask after another, given what it holds.
//!
//! Most asks are what a client means to ask, made so that the ledger accepts them; the rest goes after the same payout, deal or
//! payee as the one before, comes again under its key or another, or is spoiled. Whatever comes is well-formed.

mod amounts;
pub mod attributions;
pub mod cases;
mod deals;
mod parties;
mod payouts;
pub mod plans;
mod recent;
mod sales;
mod sides;
mod spoil;
mod words;

use chrono::{DateTime, Datelike, Days, NaiveDate};
use rustc_hash::FxHashMap;

use crate::act::{Act, Ask, CURRENCIES, Code, Day, Document};
use crate::choice::Choices;
use crate::model::{Holder, Model};
use crate::swarm::{self, CAPABILITIES, Habit, Swarm};
use recent::Recent;
use words::STAFF;

const DAY: i64 = 86_400;
/// A hundred years, in thousandths of a day: no run is so long that the calendar ends.
const MOST_AHEAD: u64 = 36_525_000;

/// The clients of one ledger.
#[derive(Debug, Clone)]
pub struct Workload {
    swarm: Swarm,
    /// The plans that the user gave; made up without.
    documents: Vec<Document>,
    /// Whom those pay.
    beneficiaries: Vec<String>,
    /// What may come next, and how often.
    moves: Vec<(u32, Move)>,
    /// How far the opening of the ledger has come.
    opening: usize,
    /// How many asks there were.
    asks: u64,
    /// How many deals, plans, payees and references were named.
    named: Named,
    /// What the clock does not show, in thousandths of a day.
    ahead: u64,
    /// Deals that are not completed.
    registered: Recent<String>,
    /// Deals that are.
    completed: Recent<String>,
    /// Sales, wherever they stand.
    sales: Recent<String>,
    /// Payouts on their way, by their places in the model.
    live: Recent<usize>,
    /// Payouts at the end of it.
    ended: Recent<usize>,
    payouts_seen: usize,
    /// The last account of each cap and holder, by its place in the model.
    caps: FxHashMap<(String, Holder), usize>,
    caps_seen: usize,
    /// The last attainment account of each programme and payee, by its place in the model.
    attained: FxHashMap<(String, String), usize>,
    attained_seen: usize,
    /// To whom something should be payable.
    payable: Recent<(usize, Code)>,
    earlier: Recent<Ask>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Named {
    deals: u64,
    plans: usize,
    payees: usize,
    references: u64,
    documents: usize,
    touches: u64,
    payments: u64,
}

/// What a client may mean to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Deal,
    Step,
    Reverse,
    Create,
    CreateManual,
    Progress,
    LateNews,
    SetOpeningBalance,
    SetOpeningAttainment,
    Publish,
    Assign,
    Switch,
    Sale,
    StepOfSale,
    Publications,
}

/// What the next ask is made from.
struct World<'a> {
    choices: &'a mut Choices,
    model: &'a Model,
    today: Day,
    /// The same instant, in seconds since 1970-01-01 UTC.
    at: i64,
}

/// Who asks, and what.
type Asked = (String, Act);

impl Workload {
    /// The clients of the seed's `ledger`-th ledger.
    #[must_use]
    pub fn new(swarm: &Swarm, ledger: usize) -> Self {
        let when = |habit, often| if swarm.has(habit) { often } else { 0 };
        let mut moves = vec![
            (300, Move::Deal),
            (100, Move::Create),
            (340, Move::Progress),
            (when(Habit::Steps, 120), Move::Step),
            (when(Habit::Reversals, 50), Move::Reverse),
            (when(Habit::ManualAmounts, 40), Move::CreateManual),
            (when(Habit::Failures, 30), Move::LateNews),
            (when(Habit::OpeningBalances, 25), Move::SetOpeningBalance),
            (when(Habit::OpeningBalances, 15), Move::SetOpeningAttainment),
            (when(Habit::Publishing, 30), Move::Publish),
            (when(Habit::Moves, 40), Move::Assign),
            (when(Habit::Switches, 20), Move::Switch),
            (when(Habit::Sales, 200), Move::Sale),
            (when(Habit::Sales, 250), Move::StepOfSale),
            (when(Habit::Sales, 50), Move::Publications),
        ];
        moves.retain(|(often, _)| *often > 0);
        Self {
            swarm: Swarm { zone: swarm::zone(swarm.zone, ledger), ..swarm.clone() },
            documents: Vec::new(),
            beneficiaries: Vec::new(),
            moves,
            opening: 0,
            asks: 0,
            named: Named::default(),
            ahead: 0,
            registered: Recent::new(16),
            completed: Recent::new(32),
            sales: Recent::new(24),
            live: Recent::new(24),
            ended: Recent::new(24),
            payouts_seen: 0,
            caps: FxHashMap::default(),
            caps_seen: 0,
            attained: FxHashMap::default(),
            attained_seen: 0,
            payable: Recent::new(32),
            earlier: Recent::new(32),
        }
    }

    /// The same with the user's own plans in place of made-up ones, and whoever they pay is enrolled. The first one's currency is the
    /// base currency.
    #[must_use]
    pub fn with_plans(mut self, documents: Vec<Document>) -> Self {
        let Some(first) = documents.first() else { return self };
        self.swarm.base = first.currency;
        self.swarm.plans = documents.len();
        if documents.iter().any(|document| document.currency != first.currency) {
            self.swarm.capabilities = CAPABILITIES.to_vec();
        }
        self.moves.retain(|(_, next)| *next != Move::Publish);
        self.beneficiaries = documents.iter().flat_map(Document::beneficiaries).cloned().collect();
        self.beneficiaries.sort();
        self.beneficiaries.dedup();
        self.swarm.payees += self.beneficiaries.len();
        self.documents = documents;
        self
    }

    /// The next ask, given what the ledger holds as far as the model has followed it. `now` is in seconds since 1970-01-01 UTC.
    pub fn next(&mut self, choices: &mut Choices, model: &Model, now: i64) -> Ask {
        self.follow(model);
        self.asks += 1;
        self.ahead = (self.ahead + u64::from(self.swarm.pace)).min(MOST_AHEAD);
        let at = now.saturating_add(i64::try_from(self.ahead / 1_000).unwrap_or(0) * DAY);
        let mut world = World { choices, model, today: day_of(at), at };
        let ask = self.again(&mut world, at).unwrap_or_else(|| {
            let mut asked = self.act(&mut world);
            // What the user brought stays what it is.
            let given = matches!(asked.1, Act::Publish { .. }) && !self.documents.is_empty();
            if world.choices.maybe(self.swarm.nonsense) && !given {
                spoil::spoil(&mut world, &mut asked);
            }
            let (actor, act) = asked;
            let key = words::key(world.choices, self.asks, self.swarm.awkward);
            Ask { key, actor, at, act }
        });
        self.earlier.push(ask.clone());
        ask
    }

    /// Takes notice of what is new in the model.
    fn follow(&mut self, model: &Model) {
        let payouts = model.payouts().rows().len();
        for place in self.payouts_seen..payouts {
            self.live.push(place);
        }
        self.payouts_seen = payouts;
        let caps = model.caps().rows();
        for (place, cap) in caps.iter().enumerate().skip(self.caps_seen) {
            self.caps.insert((cap.programme.clone(), cap.of.clone()), place);
        }
        self.caps_seen = caps.len();
        let attained = model.attainments().rows();
        for (place, of) in attained.iter().enumerate().skip(self.attained_seen) {
            self.attained.insert((of.programme.clone(), of.payee.clone()), place);
        }
        self.attained_seen = attained.len();
    }

    /// An earlier ask once more, or its key for something else.
    fn again(&mut self, world: &mut World<'_>, at: i64) -> Option<Ask> {
        if !world.choices.maybe(self.swarm.reuse) {
            return None;
        }
        let mut ask = self.earlier.one(world.choices)?.clone();
        ask.at = at;
        match world.choices.work(4) {
            0 => {}
            1 => ask.key = words::key(world.choices, self.asks, self.swarm.awkward),
            2 => (ask.actor, ask.act) = self.act(world),
            _ => ask.actor = world.staff(),
        }
        Some(ask)
    }

    fn act(&mut self, world: &mut World<'_>) -> Asked {
        if let Some(asked) = self.open_ledger(world) {
            return asked;
        }
        if world.choices.maybe(self.swarm.crowding)
            && let Some(asked) = self.rival(world)
        {
            return asked;
        }
        if world.model.payees().rows().len() < self.swarm.payees && world.choices.maybe(120) {
            return self.enrol(world);
        }
        let all = self.moves.iter().map(|(often, _)| often).sum();
        let mut chosen = world.choices.work(all);
        let chosen = self.moves.iter().find(|(often, _)| {
            let found = chosen < *often;
            chosen = chosen.saturating_sub(*often);
            found
        });
        let asked = match chosen.map_or(Move::Deal, |(_, chosen)| *chosen) {
            Move::Deal => None,
            Move::Step => self.step(world),
            Move::Reverse => self.reverse(world),
            Move::Create => self.create(world),
            Move::CreateManual => self.create_manual(world),
            Move::Progress => self.progress(world),
            Move::LateNews => self.late_news(world),
            Move::SetOpeningBalance => self.set_opening_balance(world),
            Move::SetOpeningAttainment => self.set_opening_attainment(world),
            Move::Publish => Some(self.publish(world)),
            Move::Assign => self.reassign(world),
            Move::Switch => Some(switch(world)),
            Move::Sale => Some(self.sale(world)),
            Move::StepOfSale => self.step_of_sale(world),
            Move::Publications => Some(self.publish_for_sales(world)),
        };
        asked.unwrap_or_else(|| self.deal(world))
    }

    /// Opens the ledger, enrols the first payees, publishes plans, which name them, and assigns them, and comes back to it while
    /// any of that is missing.
    fn open_ledger(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let (step, payees) = (self.opening, self.swarm.payees.min(3 + self.beneficiaries.len()));
        let steps = 1 + payees + self.swarm.plans + payees;
        if step < steps {
            self.opening += 1;
            // Some forget a step, and find out.
            if !world.choices.maybe(self.swarm.nonsense) {
                return Some(match step {
                    0 => self.open(world),
                    step if step <= payees => self.enrol(world),
                    step if step <= payees + self.swarm.plans => self.publish_new(world),
                    _ => self.assign_last(world),
                });
            }
        }
        let model = world.model;
        if !model.is_open() {
            return world.choices.maybe(300).then(|| self.open(world));
        }
        if model.payees().rows().is_empty() {
            return Some(self.enrol(world));
        }
        // A plan may be refused for want of somebody whom it pays.
        let missing = model.plans().rows().is_empty();
        missing.then(|| if world.choices.maybe(300) { self.enrol(world) } else { self.publish_new(world) })
    }

    fn open(&self, world: &mut World<'_>) -> Asked {
        let Swarm { base, zone, .. } = self.swarm;
        (world.staff(), Act::Open { base, zone, capabilities: self.swarm.capabilities.clone() })
    }

    /// Goes after what the last ask went after, with the same or with something else.
    fn rival(&mut self, world: &mut World<'_>) -> Option<Asked> {
        let last = self.earlier.last()?;
        let (actor, act) = (last.actor.clone(), last.act.clone());
        let same = world.choices.maybe(350);
        match &act {
            _ if same => {}
            Act::Record { deal, .. }
            | Act::RecordSides { deal, .. }
            | Act::Complete { deal, .. }
            | Act::RecordSale { deal, .. }
            | Act::CompleteSale { deal, .. }
            | Act::Collect { deal, .. }
            | Act::Recompute { deal, .. } => {
                return Some((world.staff(), Act::Reverse { deal: deal.clone(), reason: self.text(world) }));
            }
            Act::Reverse { .. } => return self.create(world),
            Act::Create { .. } => return self.reverse(world),
            Act::RecordManualPayment { .. } if world.choices.maybe(700) => {
                return self.same_reference(world, &act);
            }
            act => {
                if let Some(payout) = payouts::payout_of(act) {
                    return world.model.payouts().get(payout).map(|payout| self.rival_of(world, payout));
                }
            }
        }
        let actor = if world.choices.maybe(500) { world.staff() } else { actor };
        Some((actor, act))
    }

    fn text(&self, world: &mut World<'_>) -> String {
        words::text(world.choices, self.swarm.awkward)
    }
}

impl World<'_> {
    fn staff(&mut self) -> String {
        self.choices.one_of(&STAFF).copied().unwrap_or("ann").to_owned()
    }

    fn currency(&mut self) -> Code {
        self.choices.one_of(&CURRENCIES).copied().unwrap_or(Code("USD", 2))
    }

    /// One of the latest days, so many at the most, beginning with today.
    fn lately(&mut self, days: u32) -> Day {
        plus(self.today, -i64::from(self.choices.work(days)))
    }
}

fn switch(world: &mut World<'_>) -> Asked {
    let capability = world.choices.one_of(&CAPABILITIES).copied().unwrap_or("rail_payments");
    let on = world.model.allows(capability);
    let act = if on { Act::SwitchOff { capability } } else { Act::SwitchOn { capability } };
    (world.staff(), act)
}

/// The day of an instant in UTC: near enough to the ledger's own day.
fn day_of(at: i64) -> Day {
    let date = DateTime::from_timestamp(at, 0).unwrap_or_default().date_naive();
    Day(date.year(), date.month(), date.day())
}

/// A day so many days later; the same one where the calendar ends.
fn plus(day: Day, days: i64) -> Day {
    let Some(date) = NaiveDate::from_ymd_opt(day.0, day.1, day.2) else { return day };
    let by = Days::new(days.unsigned_abs());
    let date = if days < 0 { date.checked_sub_days(by) } else { date.checked_add_days(by) };
    date.map_or(day, |date| Day(date.year(), date.month(), date.day()))
}
