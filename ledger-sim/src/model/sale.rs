//! A sale: a deal that its touches attribute and rate plans pay.

use std::collections::{BTreeMap, BTreeSet};

use super::attribution::{self, Outcome, Owed};
use super::calendar::{self, in_range};
use super::payee::Particulars;
use super::published::Edition;
use super::spend::Spend;
use super::{
    Asked, Basis, Deal, DealStage as Stage, Earned, Entry, Ruling, Source, State, Step, Why, account, amount, customer,
    maybe, sha256,
};
use crate::act::{Act, Amount, Code, Day, Text};
use crate::sale::{Base, Line, Model, ModelPin, Moment, Pays, Rates, RatesPin, Rule, Sale, Touch, Types, stored};

/// What is known of a sale besides its registration.
#[derive(Debug, Clone, Default)]
pub struct Sold {
    /// Its touches, as they were told.
    pub touches: Vec<Touch>,
    /// What the customer paid, by name.
    pub payments: Vec<Payment>,
    /// Who is credited and paid.
    credited: Option<Credited>,
}

/// What a customer paid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub struct Payment {
    pub payment: String,
    pub amount: Amount,
    pub on: Day,
}

/// What a sale was last calculated on, and what came of it.
#[derive(Debug, Clone)]
struct Credited {
    terms: Terms,
    /// The case that was calculated, up to the payments.
    case: String,
    /// SHA-256 of the whole of it.
    inputs: String,
    parts: Vec<(String, i128)>,
    house: Option<i128>,
    overlays: Vec<(String, i128)>,
    live: Vec<Live>,
    /// What it added to each account.
    spent: Vec<(Spend, i128)>,
    /// Who earned something, and on what day.
    earners: BTreeMap<String, Day>,
}

/// By what a sale is calculated.
#[derive(Debug, Clone)]
struct Terms {
    completed_at: Moment,
    cutoff: Option<Moment>,
    earned_on: Day,
    model: ModelPin,
    rates: Option<RatesPin>,
}

/// An entry that was not taken back.
#[derive(Debug, Clone)]
struct Live {
    owed: Owed,
    /// The day that it is for.
    on: Day,
    entry: String,
    /// Its place in the payee's account.
    place: usize,
}

/// What a sale comes to, before anything is booked.
struct Calculated {
    case: String,
    inputs: String,
    outcome: Outcome,
    spent: Vec<(Spend, i128)>,
    /// The fields of the event, as far as they do not depend on the entries.
    told: String,
}

impl Sold {
    /// When the sale was completed, if it was.
    #[must_use]
    pub fn completed_at(&self) -> Option<Moment> {
        self.credited.as_ref().map(|credited| credited.terms.completed_at)
    }

    /// The last day of what it has: nothing of it is taken back before.
    pub(super) fn latest(&self) -> Option<Day> {
        let credited = self.credited.as_ref()?;
        credited.live.iter().map(|live| live.on).chain([credited.terms.earned_on]).max()
    }

    /// The versions by which it was last calculated.
    #[must_use]
    pub fn pins(&self) -> Option<(&ModelPin, Option<&RatesPin>)> {
        self.credited.as_ref().map(|credited| (&credited.terms.model, credited.terms.rates.as_ref()))
    }
}

/// A credit of a sale that is not reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub struct Credit {
    pub deal: String,
    /// Nobody where the house is, or where nobody has a claim.
    pub payee: Option<String>,
    pub of: &'static str,
    pub model: ModelPin,
    pub amount: Amount,
    /// What the payee has of the sale for it, in minor units.
    pub commission: i128,
}

impl Deal {
    /// Its credits, if it is a sale, in their order.
    pub(super) fn credits(&self) -> Vec<Credit> {
        let Some(credited) = self.sold.credited.as_ref().filter(|_| self.stage != Stage::Reversed) else {
            return Vec::new();
        };
        let Credited { terms, parts, house, overlays, live, .. } = credited;
        let credit = |payee: Option<&String>, of, units| {
            let paid = live.iter().filter(|live| Some(&live.owed.payee) == payee);
            let paid = paid.filter(|live| (live.owed.kind == "overlay") == (of == "overlay"));
            Credit {
                deal: self.id.clone(),
                payee: payee.cloned(),
                of,
                model: terms.model.clone(),
                amount: amount(units, self.gci.1),
                commission: paid.map(|live| live.owed.amount).sum(),
            }
        };
        let nobody = (parts.is_empty() && house.is_none()).then(|| credit(None, "unattributed", self.gci.0));
        // Who only has something on top of what others have.
        let on_top = live.iter().filter(|live| live.owed.kind != "overlay").map(|live| &live.owed.payee);
        let on_top: BTreeSet<&String> = on_top.filter(|payee| parts.iter().all(|(known, _)| known != *payee)).collect();
        let on_top = on_top.into_iter().map(|payee| credit(Some(payee), "override", 0));
        let parts = parts.iter().map(|(payee, units)| credit(Some(payee), "part", *units));
        let house = house.iter().map(|units| credit(None, "house", *units));
        let overlays = overlays.iter().map(|(payee, units)| credit(Some(payee), "overlay", *units));
        parts.chain(house).chain(nobody).chain(overlays).chain(on_top).collect()
    }
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    match &asked.ask.act {
        Act::RegisterSale { deal, sale } => register(asked, deal, sale),
        Act::RecordSale { deal, sale, touches, completed_at, cutoff } => {
            record(asked, deal, sale, touches, *completed_at, *cutoff)
        }
        Act::Touch { deal, touch } => tell(asked, known(asked, deal)?, touch),
        Act::CompleteSale { deal, completed_at, cutoff } => {
            let (deal, _) = known(asked, deal)?;
            match deal.stage {
                Stage::Registered => {
                    let ruling = Ruling::on(day_of(asked, *completed_at)?);
                    complete(asked, ruling, deal.clone(), *completed_at, *cutoff)
                }
                _ if is_credited(deal, *completed_at, *cutoff) => Err(Why::AlreadyKnown),
                _ => Err(Why::WrongState),
            }
        }
        Act::Collect { deal, payment, amount, on } => {
            let payment = Payment { payment: payment.clone(), amount: *amount, on: *on };
            collect(asked, known(asked, deal)?.0.clone(), payment)
        }
        Act::Recompute { deal, reason, model, rates } => {
            recompute(asked, known(asked, deal)?, reason, model.as_ref(), rates.as_ref())
        }
        _ => Err(Why::Malformed),
    }
}

fn known<'a>(asked: Asked<'a>, deal: &str) -> Result<(&'a Deal, &'a Sale), Why> {
    let deal = asked.model.deals.get(deal).ok_or(Why::Unknown)?;
    match &deal.basis {
        Basis::Sale(sale) => Ok((deal, sale)),
        Basis::Gci(_) | Basis::Sides(_) => Err(Why::WrongState),
    }
}

fn is_credited(deal: &Deal, completed_at: Moment, cutoff: Option<Moment>) -> bool {
    let same = |terms: &Terms| terms.completed_at == completed_at && terms.cutoff == cutoff;
    matches!(deal.stage, Stage::Completed(_))
        && deal.sold.credited.as_ref().is_some_and(|credited| same(&credited.terms))
}

/// The day of an instant in the ledger's zone.
fn day_of(asked: Asked<'_>, at: Moment) -> Result<Day, Why> {
    calendar::today(at.0.div_euclid(1_000), asked.settings.zone)
}

fn register(asked: Asked<'_>, id: &str, sale: &Sale) -> Result<Ruling, Why> {
    if let Some(known) = asked.model.deals.get(id) {
        let same = is_of(known, sale) && known.stage == Stage::Registered;
        return Err(if same { Why::AlreadyKnown } else { Why::Taken });
    }
    let mut ruling = Ruling::on(asked.today);
    let deal = new(asked, &mut ruling, id, sale)?;
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}

fn is_of(deal: &Deal, sale: &Sale) -> bool {
    matches!(&deal.basis, Basis::Sale(known) if **known == *sale)
}

fn record(
    asked: Asked<'_>,
    id: &str,
    sale: &Sale,
    touches: &[Touch],
    completed_at: Moment,
    cutoff: Option<Moment>,
) -> Result<Ruling, Why> {
    if let Some(known) = asked.model.deals.get(id) {
        let told = touches.iter().all(|touch| known.sold.touches.contains(touch));
        let same = is_of(known, sale) && is_credited(known, completed_at, cutoff) && told;
        return Err(if same { Why::AlreadyKnown } else { Why::Taken });
    }
    let mut ruling = Ruling::on(day_of(asked, completed_at)?);
    let mut deal = new(asked, &mut ruling, id, sale)?;
    for touch in touches {
        match touched(asked, &mut ruling, &mut deal, sale, touch) {
            // Told twice.
            Ok(()) | Err(Why::AlreadyKnown) => {}
            Err(why) => return Err(why),
        }
    }
    complete(asked, ruling, deal, completed_at, cutoff)
}

/// A sale that is refused whatever its touches are is refused at once.
fn new(asked: Asked<'_>, ruling: &mut Ruling, id: &str, sale: &Sale) -> Result<Deal, Why> {
    let currency = sale.currency();
    let terms = Terms {
        completed_at: Moment(asked.ask.at * 1_000),
        cutoff: None,
        earned_on: asked.today,
        model: sale.model.clone(),
        rates: sale.rates.clone(),
    };
    let named = named(sale, &[]).map(|payee| (payee.to_owned(), Particulars::default())).collect();
    let (case, _) = case(asked, id, sale, &[], &terms, (named, &[], &[]))?;
    attribution::run(&whole(&case, &[]))?;
    if let Some(pin) = &sale.rates {
        can_pay(&asked.model.rates_of(pin)?.document, sale)?;
    }
    let units = sale.amount.map_or_else(|| sale.lines.iter().map(|line| line.amount.0).sum(), |amount| amount.0);
    if units < 0 {
        return Err(Why::WrongAmount);
    }
    asked.settings.demand_currency(currency)?;
    let (gci, told) = (Amount(units, currency), stored(sale));
    let payload = format!(r#"{{"deal":"{id}","basis":{{"sale":{told}}},"gci":"{gci}"}}"#);
    ruling.fact(format!("deal/{id}"), "deal.registered", payload);
    Ok(Deal::new(id, Basis::Sale(Box::new(sale.clone())), gci))
}

/// A rate plan that needs to know more of a sale than is told never pays on it.
fn can_pay(plan: &Rates, sale: &Sale) -> Result<(), Why> {
    let for_all = plan.rules.iter().filter(|case| case.when.product_line.is_none());
    let pays: Vec<&Pays> = for_all.map(|case| &case.pays).chain(&plan.otherwise).collect();
    let by_unit = !pays.is_empty() && pays.iter().all(|pays| matches!(pays, Pays::PerUnit(_)));
    let by_line = plan.eligible.is_some() || plan.base == Base::Margin || by_unit;
    let costs_told = sale.lines.iter().all(|line| line.unit_cost.is_some() || !is_eligible(plan, line));
    let without = (by_line && sale.lines.is_empty())
        || (plan.base == Base::Margin && !costs_told)
        || (plan.max_duration_months.is_some() && sale.customer.is_none());
    if without { Err(Why::Conflicting) } else { Ok(()) }
}

fn is_eligible(plan: &Rates, line: &Line) -> bool {
    plan.eligible.as_ref().is_none_or(|names| line.product_line.as_ref().is_some_and(|name| names.contains(name)))
}

/// What a touch says, if it counts, is what the model has a weight for. Of classes nothing is known yet.
fn understands(model: &Model, touch: &Touch) -> Result<(), Why> {
    let counts = match &model.types {
        Types::Only(kinds) => kinds.contains(&touch.kind),
        Types::Except(kinds) => !kinds.contains(&touch.kind),
    };
    let understood = match &model.model {
        Rule::RoleBased { weights, other } => {
            touch.weight.is_some() || other.is_some() || weights.contains_key(&touch.kind)
        }
        Rule::RoleWeighted { roles } => {
            touch.role.as_ref().is_none_or(|role| roles.iter().any(|known| known.role == *role))
        }
        Rule::Milestones { milestones, .. } => {
            touch.milestones.iter().all(|name| milestones.iter().any(|known| known.milestone == *name))
        }
        _ => true,
    };
    if counts && !understood { Err(Why::Unknown) } else { Ok(()) }
}

fn tell(asked: Asked<'_>, (deal, sale): (&Deal, &Sale), touch: &Touch) -> Result<Ruling, Why> {
    let (mut ruling, mut deal) = (Ruling::on(asked.today), deal.clone());
    touched(asked, &mut ruling, &mut deal, sale, touch)?;
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}

fn touched(asked: Asked<'_>, ruling: &mut Ruling, deal: &mut Deal, sale: &Sale, touch: &Touch) -> Result<(), Why> {
    // By the model that it was credited by last, or else will be.
    let in_force = deal.sold.pins().filter(|_| deal.stage != Stage::Reversed).map_or(&sale.model, |(model, _)| model);
    let model = &asked.model.model_of(in_force)?.document;
    if matches!(model.model, Rule::Custom { .. }) {
        return Err(Why::WrongState);
    }
    if let Some(known) = deal.sold.touches.iter().find(|known| known.touch == touch.touch) {
        return Err(if known == touch { Why::AlreadyKnown } else { Why::Taken });
    }
    if deal.stage == Stage::Reversed {
        return Err(Why::WrongState);
    }
    asked.model.payees.get(&touch.payee).ok_or(Why::Unknown)?;
    calendar::today(touch.at.0.div_euclid(1_000), chrono_tz::UTC)?;
    understands(model, touch)?;
    let id = &deal.id;
    ruling.fact(format!("deal/{id}"), "deal.touched", format!(r#"{{"deal":"{id}","touch":{}}}"#, stored(touch)));
    deal.sold.touches.push(touch.clone());
    Ok(())
}

fn complete(
    asked: Asked<'_>,
    mut ruling: Ruling,
    deal: Deal,
    completed_at: Moment,
    cutoff: Option<Moment>,
) -> Result<Ruling, Why> {
    let Basis::Sale(sale) = deal.basis.clone() else { return Err(Why::WrongState) };
    let (model, rates, earned_on) = (sale.model.clone(), sale.rates.clone(), day_of(asked, completed_at)?);
    if earned_on > asked.today {
        return Err(Why::WrongDay);
    }
    let terms = Terms { completed_at, cutoff, earned_on, model, rates };
    let calculated = calculate(asked, &deal, &sale, &terms)?;
    let owed = days(&calculated.outcome.entries, earned_on, &[]);
    let mut booking = Booking::new(asked, ruling.effective, deal);
    let entries = booking.entries(&owed, Vec::new());
    let id = &booking.deal.id;
    let payload = format!(r#"{{"deal":"{id}",{}"entries":[{entries}]}}"#, calculated.told);
    ruling.fact(format!("deal/{id}"), "deal.credited", payload);
    booking.follow(&mut ruling, &sale, terms, calculated, None)?;
    Ok(ruling)
}

fn recompute(
    asked: Asked<'_>,
    (deal, sale): (&Deal, &Sale),
    reason: &str,
    model: Option<&ModelPin>,
    rates: Option<&RatesPin>,
) -> Result<Ruling, Why> {
    let before = deal.sold.credited.clone().filter(|_| deal.stage != Stage::Reversed).ok_or(Why::WrongState)?;
    let mut terms = before.terms.clone();
    terms.model = model.unwrap_or(&terms.model).clone();
    terms.rates = rates.or(terms.rates.as_ref()).cloned();
    let calculated = calculate(asked, deal, sale, &terms)?;
    if calculated.inputs == before.inputs {
        return Err(Why::AlreadyKnown);
    }
    let owed = days(&calculated.outcome.entries, terms.earned_on, &deal.sold.payments);
    let day = deal.sold.latest().map_or(asked.today, |latest| latest.max(asked.today));
    let mut booking = Booking::new(asked, day, deal.clone());
    let entries = booking.entries(&owed, before.live.clone());
    let (id, reason) = (&deal.id, Text(reason));
    let mut ruling = Ruling::on(day);
    let payload = format!(r#"{{"reason":{reason},"deal":"{id}",{}"entries":[{entries}]}}"#, calculated.told);
    ruling.fact(format!("deal/{id}"), "deal.recredited", payload);
    booking.follow(&mut ruling, sale, terms, calculated, Some(before))?;
    Ok(ruling)
}

/// The most entries of a sale that stand.
const MOST_ENTRIES: usize = 250;

fn collect(asked: Asked<'_>, mut deal: Deal, payment: Payment) -> Result<Ruling, Why> {
    if let Some(known) = deal.sold.payments.iter().find(|known| known.payment == payment.payment) {
        return Err(if *known == payment { Why::AlreadyKnown } else { Why::Taken });
    }
    let Some(mut credited) = deal.sold.credited.take().filter(|_| deal.stage != Stage::Reversed) else {
        return Err(Why::WrongState);
    };
    if payment.amount.0 <= 0 {
        return Err(Why::WrongAmount);
    }
    if in_range(payment.on)? > asked.today {
        return Err(Why::WrongDay);
    }
    let earned_on = credited.terms.earned_on;
    let mut ruling = Ruling::on(payment.on.max(earned_on));
    let (id, Payment { payment: name, amount, on }) = (deal.id.clone(), payment.clone());
    deal.sold.payments.push(payment);
    let outcome = attribution::run(&whole(&credited.case, &deal.sold.payments))?;
    let mut live = credited.live.clone();
    let mut new = days(&outcome.entries, earned_on, &deal.sold.payments);
    new.retain(|(owed, on)| take(&mut live, owed, *on).is_none());
    if !new.is_empty() && credited.live.len() + new.len() > MOST_ENTRIES {
        return Err(Why::WrongCount);
    }
    let mut booking = Booking::new(asked, ruling.effective, deal);
    let entries = booking.entries(&new, Vec::new());
    let payload =
        format!(r#"{{"deal":"{id}","payment":"{name}","amount":"{amount}","on":"{on}","entries":[{entries}]}}"#);
    ruling.fact(format!("deal/{id}"), "deal.collected", payload);
    let Booking { mut deal, live, booked, .. } = booking;
    ruling.append(booked);
    credited.live.extend(live);
    deal.credit_with(credited);
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}

/// What is not taken back yet and says the same.
fn take(live: &mut Vec<Live>, owed: &Owed, on: Day) -> Option<Live> {
    live.iter().position(|live| live.owed == *owed && live.on == on).map(|place| live.remove(place))
}

/// What is owed, and for which day: nothing is earned before the sale is, nor before it is paid for if that is waited for. The day
/// is all that is kept of a payment.
fn days(owed: &[Owed], earned_on: Day, payments: &[Payment]) -> Vec<(Owed, Day)> {
    let paid = |owed: &Owed| owed.payment.and_then(|place| payments.get(place)).map(|payment| payment.on);
    let day = |owed: &Owed| paid(owed).map_or(earned_on, |on| on.max(earned_on));
    owed.iter().map(|owed| (Owed { payment: None, ..owed.clone() }, day(owed))).collect()
}

/// Gives back to the accounts what a sale took.
pub(super) fn give_back(asked: Asked<'_>, ruling: &mut Ruling, deal: &Deal) -> Result<(), Why> {
    let (Basis::Sale(sale), Some(credited)) = (&deal.basis, &deal.sold.credited) else { return Ok(()) };
    for (account, own) in &credited.spent {
        ruling.count(asked, account, &deal.id, *own, "spend.reversed")?;
    }
    for (payee, on) in &credited.earners {
        if let Some(customer) = &sale.customer {
            ruling.earn(asked, customer, payee, &deal.id, (Some(*on), None));
        }
    }
    Ok(())
}

impl Deal {
    fn credit_with(&mut self, credited: Credited) {
        let earned =
            |live: &Live| Earned { payee: live.owed.payee.clone(), amount: live.owed.amount, entry: Some(live.place) };
        self.earned = credited.live.iter().map(earned).collect();
        self.stage = Stage::Completed(credited.terms.earned_on);
        self.sold.credited = Some(credited);
    }
}

/// Books what a sale pays.
struct Booking<'a> {
    asked: Asked<'a>,
    deal: Deal,
    booked: Ruling,
    /// What is booked or kept.
    live: Vec<Live>,
    /// What was booked before and is not any more, with its place among what was.
    gone: Vec<(u32, Live)>,
    /// How many entries each account has.
    places: BTreeMap<String, usize>,
}

impl<'a> Booking<'a> {
    /// What is booked takes effect on a day.
    fn new(asked: Asked<'a>, effective: Day, deal: Deal) -> Self {
        let (booked, live, gone, places) = (Ruling::on(effective), Vec::new(), Vec::new(), BTreeMap::new());
        Self { asked, deal, booked, live, gone, places }
    }

    /// Keeps what is owed already, and books the rest. All of it as it is told.
    fn entries(&mut self, owed: &[(Owed, Day)], before: Vec<Live>) -> String {
        let mut before: Vec<(u32, Live)> = (0..).zip(before).collect();
        let mut told = Vec::new();
        for (index, (owed, on)) in (0..).zip(owed) {
            let kept = before.iter().position(|(_, live)| live.owed == *owed && live.on == *on);
            let kept = kept.map(|place| before.remove(place).1);
            let live = kept.unwrap_or_else(|| self.book(owed, *on, index));
            told.push(self.tell(&live));
            self.live.push(live);
        }
        self.gone = before;
        told.join(",")
    }

    fn tell(&self, Live { owed, on, entry, .. }: &Live) -> String {
        let Owed { payee, kind, name, plan, rule, .. } = owed;
        let amount = amount(owed.amount, self.deal.gci.1);
        let text = |field: &str, text: Option<&String>| {
            text.map_or_else(String::new, |text| format!(r#","{field}":{}"#, Text(text)))
        };
        let (name, rule) = (text("name", name.as_ref()), text("rule", rule.as_ref()));
        let RatesPin { rates, version } = pin_of(plan);
        let what = format!(r#""payee":"{payee}","kind":"{kind}"{name},"amount":"{amount}""#);
        format!(r#"{{{what},"rates":"{rates}","version":{version}{rule},"on":"{on}","entry":"{entry}"}}"#)
    }

    fn book(&mut self, owed: &Owed, on: Day, index: u32) -> Live {
        let (asked, currency) = (self.asked, self.deal.gci.1);
        let known = asked.model.account(&owed.payee, currency).map_or(0, |account| account.entries.len());
        let next = self.places.entry(account::stream(&owed.payee, currency)).or_insert(known);
        let place = *next;
        *next += 1;
        let (id, entry) = (&self.deal.id, asked.derive("entry", index));
        let source = format!(r#"{{"commission":{{"deal":"{id}"}}}}"#);
        let (payee, deal, earned) = (owed.payee.clone(), Some(id.clone()), amount(owed.amount, currency));
        let RatesPin { rates, version } = pin_of(&owed.plan);
        let new = Entry::new(entry.clone(), payee, Source::Commission, deal, earned, on);
        self.booked.book(new, Some((rates, version)), &source);
        Live { owed: owed.clone(), on, entry, place }
    }

    /// What follows: what the accounts count, what is booked, what is taken back.
    fn follow(
        self,
        ruling: &mut Ruling,
        sale: &Sale,
        terms: Terms,
        calculated: Calculated,
        before: Option<Credited>,
    ) -> Result<(), Why> {
        let Self { asked, mut deal, booked, live, gone, .. } = self;
        let Calculated { case, inputs, outcome, spent, .. } = calculated;
        let (spent_before, earners_before) =
            before.map_or_else(Default::default, |before| (before.spent, before.earners));
        let own_of = |spent: &[(Spend, i128)], account: &Spend| {
            spent.iter().find(|(known, _)| known == account).map_or(0, |(_, own)| *own)
        };
        for (account, own) in &spent {
            ruling.count(asked, account, &deal.id, own - own_of(&spent_before, account), "spend.counted")?;
        }
        for (account, own) in &spent_before {
            if spent.iter().all(|(known, _)| known != account) {
                ruling.count(asked, account, &deal.id, -own, "spend.counted")?;
            }
        }
        let customer = sale.customer.as_ref();
        let earners: BTreeMap<String, Day> = outcome.earners.into_iter().filter(|_| customer.is_some()).collect();
        let payees: BTreeSet<&String> = earners.keys().chain(earners_before.keys()).collect();
        for (payee, customer) in payees.into_iter().filter_map(|payee| Some((payee, customer?))) {
            let days = (earners_before.get(payee).copied(), earners.get(payee).copied());
            ruling.earn(asked, customer, payee, &deal.id, days);
        }
        ruling.append(booked);
        let entries = u32::try_from(live.len()).unwrap_or(u32::MAX);
        for (place, live) in gone {
            ruling.take_back_of(asked, &deal, &live.owed.payee, live.place, entries + place)?;
        }
        let (parts, house, overlays) = (outcome.credits, outcome.house, outcome.overlays);
        deal.credit_with(Credited { terms, case, inputs, parts, house, overlays, live, spent, earners });
        ruling.step(Step::Deal(Box::new(deal)));
        Ok(())
    }
}

/// Whoever a sale and its touches name.
fn named<'a>(sale: &'a Sale, touches: &'a [Touch]) -> impl Iterator<Item = &'a str> {
    let weights = sale.custom.iter().chain(&sale.overlays).map(|weight| weight.payee.as_str());
    let touches = touches.iter().map(|touch| touch.payee.as_str());
    weights.chain(touches).chain(sale.registered_by.as_deref())
}

fn calculate(asked: Asked<'_>, deal: &Deal, sale: &Sale, terms: &Terms) -> Result<Calculated, Why> {
    let Deal { id, sold, gci: Amount(_, currency), .. } = deal;
    let mut touches: Vec<Touch> = sold.touches.clone();
    touches.sort_by_key(|touch| touch.at);
    let particulars = |payee: &str| {
        let known = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
        Ok((payee.to_owned(), known.particulars_on(terms.earned_on)))
    };
    let named: BTreeMap<String, Particulars> = named(sale, &touches).map(particulars).collect::<Result<_, Why>>()?;
    let credited = touches.iter().map(|touch| &touch.payee).chain(sale.custom.iter().map(|of| &of.payee));
    let credited: BTreeSet<&String> = credited.collect();
    let earning: BTreeSet<&String> = credited.iter().copied().chain(sale.overlays.iter().map(|of| &of.payee)).collect();
    let (mut firsts, mut accounts) = (Vec::new(), Vec::new());
    for payee in &earning {
        let own = named.get(*payee).and_then(|known| known.rates.as_ref());
        let pin = own.or(terms.rates.as_ref().filter(|_| credited.contains(payee)));
        let plan = pin.map(|pin| asked.model.rates_of(pin)).transpose()?.map(|plan| &plan.document);
        let plan = plan.filter(|plan| plan.currency == *currency);
        // Who earns on the first sale only keeps that, whatever came after it.
        let first_only = plan.is_some_and(|plan| plan.max_duration_months == Some(0));
        if let Some(customer) = &sale.customer
            && let Some(on) = customer::first(asked, customer, payee, id, first_only)
        {
            firsts.push(format!(r#"{{"payee":"{payee}","customer":"{customer}","on":"{on}"}}"#));
        }
        let (Some(pin), Some(limit)) = (pin, plan.and_then(|plan| plan.spend_limit.as_ref())) else { continue };
        let Some(account) = Spend::of(&pin.rates, payee, limit, terms.completed_at)? else { continue };
        let before = sold.credited.iter().flat_map(|credited| &credited.spent).find(|(known, _)| *known == account);
        let before = (account.total(asked) - before.map_or(0, |(_, own)| *own)).max(0);
        accounts.push((account, pin.clone(), before));
    }
    accounts.sort_by(|(a, ..), (b, ..)| (&a.rates, &a.payee).cmp(&(&b.rates, &b.payee)));
    let spent: Vec<String> = accounts
        .iter()
        .map(|(account, pin, before)| {
            let (rates, payee, amount) =
                (name_of(&pin.rates, pin.version), &account.payee, amount(*before, account.currency));
            format!(r#"{{"rates":"{rates}","payee":"{payee}","on":"{}","amount":"{amount}"}}"#, account.start)
        })
        .collect();
    let (case, payees) = case(asked, id, sale, &touches, terms, (named, &firsts, &spent))?;
    let whole = whole(&case, &sold.payments);
    let (inputs, outcome) = (sha256(&whole), attribution::run(&whole)?);

    let hash_of_model = &asked.model.model_of(&terms.model)?.hash;
    let ModelPin { model, version } = &terms.model;
    let mut told = format!(r#""completed_at":"{}"{}"#, terms.completed_at, maybe("cutoff", terms.cutoff));
    told += &format!(r#","earned_on":"{}""#, terms.earned_on);
    told += &format!(r#","model":{{"model":"{model}","version":{version},"hash":"{hash_of_model}"}}"#);
    told += &format!(r#","touches":{},"inputs":"{inputs}","payees":{{{payees}}}"#, outcome.touches);
    if let Some(pin) = &terms.rates {
        told += &format!(r#","rates":{}"#, pinned(asked, pin)?);
    }
    told += &format!(r#","first_commissions":[{}]"#, firsts.join(","));
    let mut spent = Vec::new();
    let mut spent_told = Vec::new();
    for ((account, _, before), after) in accounts.into_iter().zip(&outcome.spent) {
        let [was, is] = [before, *after].map(|units| amount(units, account.currency));
        spent_told.push(format!(r#"{{"account":{},"before":"{was}","after":"{is}"}}"#, account.json()));
        spent.push((account, after - before));
    }
    told += &format!(r#","spent":[{}]"#, spent_told.join(","));
    if outcome.credits.is_empty() && outcome.house.is_none() {
        told += r#","unattributed":true"#;
    }
    told += &format!(r#","credits":[{}]"#, credits(&outcome.credits, *currency));
    told += &maybe("house", outcome.house.map(|house| amount(house, *currency)));
    told += &format!(r#","overlays":[{}],"#, credits(&outcome.overlays, *currency));
    Ok(Calculated { case, inputs, outcome, spent, told })
}

fn credits(parts: &[(String, i128)], currency: Code) -> String {
    let part =
        |(payee, units): &(String, i128)| format!(r#"{{"payee":"{payee}","amount":"{}"}}"#, amount(*units, currency));
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// A version of a document as a case names it.
fn name_of(name: &str, version: u32) -> String {
    format!("{name}.v{version}")
}

/// The version that a case names.
fn pin_of(name: &str) -> RatesPin {
    let (rates, version) = name.rsplit_once(".v").unwrap_or((name, "0"));
    RatesPin { rates: rates.to_owned(), version: version.parse().unwrap_or(0) }
}

fn pinned(asked: Asked<'_>, pin: &RatesPin) -> Result<String, Why> {
    let (RatesPin { rates, version }, hash) = (pin, &asked.model.rates_of(pin)?.hash);
    Ok(format!(r#"{{"rates":"{rates}","version":{version},"hash":"{hash}"}}"#))
}

/// A case up to the payments, and everybody in it as the event tells it. It is written as the ledger writes it, so that their
/// hashes are the same.
fn case(
    asked: Asked<'_>,
    id: &str,
    sale: &Sale,
    touches: &[Touch],
    terms: &Terms,
    (mut payees, firsts, spent): (BTreeMap<String, Particulars>, &[String], &[String]),
) -> Result<(String, String), Why> {
    let mut plans: BTreeMap<String, &Edition<Rates>> = BTreeMap::new();
    for pin in terms.rates.iter().chain(payees.values().filter_map(|payee| payee.rates.as_ref())) {
        plans.insert(name_of(&pin.rates, pin.version), asked.model.rates_of(pin)?);
    }
    for one in plans.values().flat_map(|plan| &plan.document.overrides) {
        for payee in [&one.of, &one.to] {
            let known = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
            // Who only earns on what others earn needs no plan of its own.
            let alone = || Particulars { rates: None, ..known.particulars_on(terms.earned_on) };
            payees.entry(payee.clone()).or_insert_with(alone);
        }
    }
    if payees.keys().any(|payee| asked.model.payees.get(payee).is_none()) {
        return Err(Why::Unknown);
    }
    let mut of_payees = Vec::new();
    let mut told = Vec::new();
    for (payee, known) in &payees {
        let rates = known.rates.as_ref();
        let name = maybe("rates", rates.map(|pin| name_of(&pin.rates, pin.version)));
        let pin = rates.map(|pin| pinned(asked, pin)).transpose()?;
        let pin = pin.map_or_else(String::new, |pin| format!(r#","rates":{pin}"#));
        let fields = known.json();
        of_payees.push(format!(r#""{payee}":{{{}}}"#, format!("{fields}{name}").trim_start_matches(',')));
        told.push(format!(r#""{payee}":{{{}}}"#, format!("{fields}{pin}").trim_start_matches(',')));
    }
    let (model, currency) = (name_of(&terms.model.model, terms.model.version), sale.currency().0);
    let document = &asked.model.model_of(&terms.model)?.json;
    let plans: Vec<String> = plans.iter().map(|(name, plan)| format!(r#""{name}":{}"#, plan.json)).collect();
    let zone = maybe("zone", Some(asked.settings.zone.name()).filter(|zone| *zone != "UTC"));
    let mut case = format!(r#"{{"currency":"{currency}"{zone},"payees":{{{}}}"#, of_payees.join(","));
    case += &format!(r#","models":{{"{model}":{document}}},"rates":{{{}}}"#, plans.join(","));
    let mut list = |name: &str, items: &[String]| {
        if !items.is_empty() {
            case += &format!(r#","{name}":[{}]"#, items.join(","));
        }
    };
    list("first_commissions", firsts);
    list("spent", spent);
    case += &format!(r#","deals":[{{"deal":"{id}""#);
    case += &maybe("customer", sale.customer.as_ref());
    case += &maybe("programme", sale.programme.as_ref());
    case += &format!(r#","model":"{model}""#);
    case += &maybe("rates", terms.rates.as_ref().map(|pin| name_of(&pin.rates, pin.version)));
    case += &maybe("amount", sale.amount);
    let mut json = |name: &str, is_empty: bool, text: String| {
        if !is_empty {
            case += &format!(r#","{name}":{text}"#);
        }
    };
    json("lines", sale.lines.is_empty(), stored(&sale.lines));
    json("completed_at", false, stored(&terms.completed_at));
    json("cutoff", terms.cutoff.is_none(), stored(&terms.cutoff));
    json("registered_by", sale.registered_by.is_none(), stored(&sale.registered_by));
    json("touches", touches.is_empty(), stored(&touches));
    json("custom", sale.custom.is_empty(), stored(&sale.custom));
    json("overlays", sale.overlays.is_empty(), stored(&sale.overlays));
    Ok((case, told.join(",")))
}

/// The case with what was collected, and its end.
fn whole(case: &str, payments: &[Payment]) -> String {
    let collected: Vec<String> = payments.iter().map(|payment| format!("\"{}\"", payment.amount)).collect();
    let collected =
        if collected.is_empty() { String::new() } else { format!(r#","collected":[{}]"#, collected.join(",")) };
    format!("{case}{collected}}}]}}")
}

impl Ruling {
    fn append(&mut self, mut other: Self) {
        self.facts.append(&mut other.facts);
        self.steps.append(&mut other.steps);
    }

    /// Takes back what a deal paid: what is not paid yet disappears, what is paid is owed.
    pub(super) fn take_back_of(
        &mut self,
        asked: Asked<'_>,
        deal: &Deal,
        payee: &str,
        place: usize,
        index: u32,
    ) -> Result<(), Why> {
        let (id, currency) = (&deal.id, deal.gci.1);
        let account = asked.model.account(payee, currency).ok_or(Why::Unknown)?;
        let entry = account.entries.get(place).ok_or(Why::Unknown)?;
        match entry.state {
            State::Claimed => return Err(Why::WrongState),
            State::Payable => self.take_back(entry, place, &format!(r#"{{"deal":"{id}"}}"#)),
            State::Paid | State::Reversed => {
                let (clawback, of) = (asked.derive("entry", index), &entry.id);
                let source = format!(r#"{{"clawback":{{"deal":"{id}","of":"{of}"}}}}"#);
                let (payee, deal, owed) = (payee.to_owned(), Some(id.clone()), amount(-entry.amount, currency));
                let clawback = Entry::new(clawback, payee, Source::Clawback, deal, owed, self.effective);
                self.book(clawback, entry.plan.clone(), &source);
            }
        }
        Ok(())
    }
}
