//! A deal, from its registration to what it earned.

use super::calendar::in_range;
use super::money::{fits, rate_of, share};
use super::waterfall::{self, Calculated, Sharer};
use super::{Asked, Attainment, Cap, Entry, Ruling, Sold, Source, Step, Totals, Why, amount, attainment, maybe, sale};
use crate::act::{Act, Amount, Credit, Day, Gci, Side, Text, WHOLE};
use crate::sale::Sale;
use crate::side;

/// The most payees that share a deal.
const MOST_PAYEES: usize = 50;

/// A deal.
#[derive(Debug, Clone)]
pub struct Deal {
    /// Its name.
    pub id: String,
    /// What was said of its commission.
    pub basis: Basis,
    /// Its commission.
    pub gci: Amount,
    /// Who is credited, once that is said; of sides, each says that itself.
    pub credit: Option<Credit>,
    /// Where it stands.
    pub stage: Stage,
    /// What it earned everybody, once it is completed.
    pub earned: Vec<Earned>,
    /// What is known besides, if it is a sale.
    pub sold: Sold,
    moved: Vec<Moved>,
    /// Its sides as they were calculated, as they are stored.
    calculated: String,
}

/// What is said of a deal's commission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// How much it is.
    Gci(Gci),
    /// What each side brings, and who shares it.
    Sides(Vec<Side>),
    /// What is sold; its touches and rate plans say the rest.
    Sale(Box<Sale>),
}

/// Where a deal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Registered.
    Registered,
    /// Attributed.
    Attributed,
    /// Completed, on that day.
    Completed(Day),
    /// Taken back.
    Reversed,
}

/// What a completed deal earned one payee.
#[derive(Debug, Clone)]
pub struct Earned {
    /// The payee.
    pub payee: String,
    /// Minor units; below zero what the payee owes.
    pub amount: i128,
    /// The place of its entry in the payee's account, unless it is nothing.
    pub entry: Option<usize>,
}

/// What a deal moved in an account, by the name of its stream.
#[derive(Debug, Clone)]
enum Moved {
    Cap { stream: String, contributed: i128, fees: i128 },
    Attainment { stream: String, counted: Totals, bonuses: Vec<String> },
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    let known = |deal: &str| asked.model.deals.get(deal).ok_or(Why::Unknown);
    match &asked.ask.act {
        Act::Register { deal, gci } => register(asked, deal, Basis::Gci(gci.clone())),
        Act::RegisterSides { deal, sides } => register(asked, deal, Basis::Sides(sides.clone())),
        Act::Attribute { deal, credit } => {
            let mut deal = known(deal)?.clone();
            let open = matches!(deal.stage, Stage::Registered | Stage::Attributed);
            if !open || !matches!(deal.basis, Basis::Gci(_)) {
                return Err(Why::WrongState);
            }
            if deal.credit.as_ref() == Some(credit) {
                return Err(Why::AlreadyKnown);
            }
            let mut ruling = Ruling::on(asked.today);
            attribute(asked, &mut ruling, &mut deal, credit)?;
            ruling.step(Step::Deal(Box::new(deal)));
            Ok(ruling)
        }
        Act::Complete { deal, on } => {
            let deal = known(deal)?;
            match deal.stage {
                _ if matches!(deal.basis, Basis::Sale(_)) => Err(Why::WrongState),
                Stage::Completed(day) if day == *on => Err(Why::AlreadyKnown),
                Stage::Registered | Stage::Attributed => complete(asked, Ruling::on(in_range(*on)?), deal.clone(), *on),
                Stage::Completed(_) | Stage::Reversed => Err(Why::WrongState),
            }
        }
        Act::Record { deal, gci, credit, on } => record(asked, deal, Basis::Gci(gci.clone()), Some(credit), *on),
        Act::RecordSides { deal, sides, on } => record(asked, deal, Basis::Sides(sides.clone()), None, *on),
        Act::Reverse { deal, reason } => {
            let deal = known(deal)?;
            match deal.stage {
                Stage::Completed(_) => reverse(asked, deal.clone(), reason),
                Stage::Reversed => Err(Why::AlreadyKnown),
                Stage::Registered | Stage::Attributed => Err(Why::WrongState),
            }
        }
        _ => Err(Why::Malformed),
    }
}

fn register(asked: Asked<'_>, deal: &str, basis: Basis) -> Result<Ruling, Why> {
    if let Some(known) = asked.model.deals.get(deal) {
        let same = known.basis == basis && known.stage == Stage::Registered;
        return Err(if same { Why::AlreadyKnown } else { Why::Taken });
    }
    let mut ruling = Ruling::on(asked.today);
    let deal = new(asked, &mut ruling, deal, basis)?;
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}

fn record(asked: Asked<'_>, deal: &str, basis: Basis, credit: Option<&Credit>, on: Day) -> Result<Ruling, Why> {
    if let Some(known) = asked.model.deals.get(deal) {
        let same = known.basis == basis && known.credit.as_ref() == credit && known.stage == Stage::Completed(on);
        return Err(if same { Why::AlreadyKnown } else { Why::Taken });
    }
    let mut ruling = Ruling::on(in_range(on)?);
    let mut deal = new(asked, &mut ruling, deal, basis)?;
    if let Some(credit) = credit {
        attribute(asked, &mut ruling, &mut deal, credit)?;
    }
    complete(asked, ruling, deal, on)
}

fn new(asked: Asked<'_>, ruling: &mut Ruling, id: &str, basis: Basis) -> Result<Deal, Why> {
    let (gci, told) = match &basis {
        Basis::Gci(of @ Gci::Amount(amount)) => (*amount, of.to_string()),
        Basis::Gci(of @ Gci::OfPrice { price, rate }) => {
            (Amount(fits(rate_of(price.0, *rate, false))?, price.1), of.to_string())
        }
        Basis::Sides(sides) => {
            let (told, currency) = (side::stored(sides), side::currency(sides));
            let mut gci = 0;
            for (side, of_side) in waterfall::sides(&told, currency)? {
                gci = fits(gci + of_side)?;
                if side.sharers().chain(side.mentors()).any(|payee| asked.model.payees.get(payee).is_none()) {
                    return Err(Why::Unknown);
                }
            }
            (Amount(gci, currency), format!(r#"{{"sides":{told}}}"#))
        }
        Basis::Sale(_) => return Err(Why::Malformed),
    };
    if gci.0 < 0 {
        return Err(Why::WrongAmount);
    }
    asked.settings.demand_currency(gci.1)?;
    if matches!(&basis, Basis::Sides(sides) if sides.iter().any(|side| !side.adjustments.is_empty())) {
        asked.settings.demand("manual_amounts")?;
    }
    let payload = format!(r#"{{"deal":"{id}","basis":{told},"gci":"{gci}"}}"#);
    ruling.fact(format!("deal/{id}"), "deal.registered", payload);
    Ok(Deal::new(id, basis, gci))
}

impl Deal {
    /// A deal of which nothing is known but what it brings.
    pub(super) fn new(id: &str, basis: Basis, gci: Amount) -> Self {
        let (id, stage, calculated, sold) = (id.to_owned(), Stage::Registered, String::new(), Sold::default());
        Self { id, basis, gci, credit: None, stage, earned: Vec::new(), sold, moved: Vec::new(), calculated }
    }
}

/// Everyone who is credited, with its weight.
fn weights(credit: &Credit) -> Vec<(&str, u64)> {
    match credit {
        Credit::Equal(payees) => payees.iter().map(|payee| (payee.as_str(), 1)).collect(),
        Credit::Custom(weights) => weights.iter().map(|(payee, weight)| (payee.as_str(), weight.0)).collect(),
    }
}

fn attribute(asked: Asked<'_>, ruling: &mut Ruling, deal: &mut Deal, credit: &Credit) -> Result<(), Why> {
    let listed = weights(credit);
    let twice = (1..).zip(&listed).any(|(next, (payee, _))| listed.iter().skip(next).any(|(other, _)| other == payee));
    if listed.is_empty() || listed.len() > MOST_PAYEES || twice {
        return Err(Why::WrongCount);
    }
    let sum: u128 = listed.iter().map(|(_, weight)| u128::from(*weight)).sum();
    if matches!(credit, Credit::Custom(_)) && sum != WHOLE.into() {
        return Err(Why::WrongAmount);
    }
    if listed.iter().any(|(payee, _)| asked.model.payees.get(payee).is_none()) {
        return Err(Why::Unknown);
    }
    let (id, currency) = (&deal.id, deal.gci.1);
    let (payees, weights): (Vec<_>, Vec<_>) = listed.into_iter().unzip();
    let part = |(payee, part): (&str, i128)| format!(r#"{{"payee":"{payee}","amount":"{}"}}"#, amount(part, currency));
    let credits: Vec<_> = payees.into_iter().zip(share(deal.gci.0, &weights)).map(part).collect();
    let payload = format!(r#"{{"deal":"{id}","attribution":{credit},"credits":[{}]}}"#, credits.join(","));
    ruling.fact(format!("deal/{id}"), "deal.attributed", payload);
    (deal.credit, deal.stage) = (Some(credit.clone()), Stage::Attributed);
    Ok(())
}

/// The sides of a deal, as they are calculated.
fn sides(deal: &Deal) -> Result<Vec<Side>, Why> {
    let sharer = |payee: &String, weight| side::Sharer { payee: payee.clone(), weight, mentor: None };
    match (&deal.basis, &deal.credit) {
        (Basis::Sides(sides), _) => Ok(sides.clone()),
        (Basis::Gci(_), None) | (Basis::Sale(_), _) => Err(Why::WrongState),
        (Basis::Gci(_), Some(Credit::Equal(payees))) => {
            Ok(vec![Side::sole(deal.gci, payees.iter().map(|payee| sharer(payee, None)).collect())])
        }
        (Basis::Gci(_), Some(Credit::Custom(weights))) => {
            // Who is credited with nothing does not share the deal.
            let payees =
                weights.iter().filter(|(_, weight)| weight.0 > 0).map(|(payee, weight)| sharer(payee, Some(*weight)));
            Ok(vec![Side::sole(deal.gci, payees.collect())])
        }
    }
}

fn complete(asked: Asked<'_>, mut ruling: Ruling, mut deal: Deal, on: Day) -> Result<Ruling, Why> {
    let (id, Amount(_, currency)) = (deal.id.clone(), deal.gci);
    let sides: Vec<_> =
        waterfall::sides(&side::stored(&sides(&deal)?), currency)?.into_iter().map(|(side, _)| side).collect();
    let mut shared = Vec::new();
    for name in sides.iter().flat_map(waterfall::Side::sharers) {
        if shared.iter().all(|(known, ..): &(&str, _, _, _)| *known != name) {
            let payee = asked.model.payees.get(name).ok_or(Why::Unknown)?;
            let assignment = payee.plan_on(on).ok_or(Why::NoPlan)?;
            let version = asked.model.plan_on(name, on).ok_or(Why::Unknown)?;
            if version.document.currency != currency {
                return Err(Why::WrongCurrency);
            }
            shared.push((payee.id.as_str(), payee, assignment, version));
        }
    }
    let sharers: Vec<_> = shared
        .iter()
        .map(|(name, payee, _, version)| Sharer { name, joined_on: payee.joined_on, plan: &version.terms })
        .collect();
    let (caps, attainments) = (&asked.model.caps, &asked.model.attainments);
    let contributed = |programme: &str, of: &_, start| {
        caps.get(&super::cap::stream(programme, of, start)).map_or(0, |cap| cap.contributed)
    };
    let attained = |programme: &str, payee: &str, start| {
        let known = attainments.get(&attainment::stream(programme, payee, start));
        known.map_or_else(Default::default, |known| (known.totals, known.bonuses.clone()))
    };
    let calculated = waterfall::calculate(&sharers, sides, currency, on, contributed, attained)?;

    let mut booked = Ruling::on(on);
    let mut plans = Vec::new();
    for (name, _, assignment, version) in &shared {
        let (plan, number, hash) = (&assignment.plan, assignment.version, &version.hash);
        plans.push(format!(r#"{{"payee":"{name}","plan":"{plan}","version":{number},"plan_hash":"{hash}"}}"#));
    }
    let mut touched = Vec::new();
    for (account, before, after) in &calculated.caps {
        let (stream, mut cap) = Cap::of(asked, account, currency);
        let (account, limit) = (cap.json(), amount(cap.limit, currency));
        let [was, is, more] = [*before, *after, after - before].map(|units| amount(units, currency));
        touched.push(format!(r#"{{"account":{account},"limit":"{limit}","before":"{was}","after":"{is}"}}"#));
        let fees = shared.iter().map(|(name, .., version)| fees(&calculated, name, &version.terms, &cap)).sum();
        cap.fees += fees;
        cap.add(more.0, Some(&id), on)?;
        if more.0 != 0 {
            let payload = format!(r#"{{"account":{account},"deal":"{id}","amount":"{more}","limit":"{limit}"}}"#);
            booked.fact(stream.clone(), "cap.contributed", payload);
            if *before < cap.limit && cap.limit <= *after {
                let payload = format!(r#"{{"account":{account},"deal":"{id}","limit":"{limit}"}}"#);
                booked.fact(stream.clone(), "cap.reached", payload);
            }
        }
        booked.step(Step::Cap(stream.clone(), cap));
        deal.moved.push(Moved::Cap { stream, contributed: more.0, fees });
    }
    let mut counted = Vec::new();
    for waterfall::Measured { year: (programme, payee, start, end), before, after, bonuses } in &calculated.attainments
    {
        let (stream, mut known) = Attainment::of(asked, programme, payee, (*start, *end));
        let account = known.json();
        let [was, is] = [*before, *after].map(|totals| attainment::totals_json(totals, currency));
        let [paid, taken_back, pays] = bonuses;
        let names = [texts("paid", paid), texts("taken_back", taken_back), texts("pays", pays)].concat();
        counted.push(format!(r#"{{"account":{account},"before":{{{was}}},"after":{{{is}}}{names}}}"#));
        let more = after.less(*before);
        if more != Totals::default() {
            let told = attainment::totals_json(more, currency);
            let names = texts("bonuses", pays);
            let payload = format!(r#"{{"account":{account},"deal":"{id}",{told}{names}}}"#);
            booked.fact(stream.clone(), "attainment.counted", payload);
            known.totals = known.totals.plus(more)?;
            known.bonuses.extend(pays.iter().map(|name| (name.clone(), true)));
            booked.step(Step::Attainment(stream.clone(), known));
            deal.moved.push(Moved::Attainment { stream, counted: more, bonuses: pays.clone() });
        }
    }
    let mut entries = Vec::new();
    for (payee, units) in earned(&calculated)? {
        let earned = amount(fits(units)?, currency);
        let place = asked.model.account(&payee, currency).map_or(0, |account| account.entries.len());
        let entry = (units != 0).then(|| asked.derive("entry", u32::try_from(entries.len()).unwrap_or_default()));
        let told = maybe("entry", entry.as_deref());
        entries.push(format!(r#"{{"payee":"{payee}"{told},"amount":"{earned}"}}"#));
        deal.earned.push(Earned { payee: payee.clone(), amount: units, entry: entry.as_ref().map(|_| place) });
        if let Some(entry) = entry {
            let plan = shared.iter().find(|(name, ..)| *name == payee);
            let plan = plan.map(|(_, _, assignment, _)| (assignment.plan.clone(), assignment.version));
            let source = format!(r#"{{"commission":{{"deal":"{id}"}}}}"#);
            booked.book(Entry::new(entry, payee, Source::Commission, Some(id.clone()), earned, on), plan, &source);
        }
    }
    let gci = deal.gci;
    deal.calculated = calculated.sides.join(",");
    let list = |name: &str, items: &[String]| format!(r#","{name}":[{}]"#, items.join(","));
    let some = |name: &str, items: &[String]| if items.is_empty() { String::new() } else { list(name, items) };
    let lists =
        [list("plans", &plans), some("caps", &touched), some("attainments", &counted), list("entries", &entries)];
    let (sides, lists) = (&deal.calculated, lists.concat());
    let payload = format!(r#"{{"deal":"{id}","completed_on":"{on}","gci":"{gci}","sides":[{sides}]{lists}}}"#);
    ruling.fact(format!("deal/{id}"), "deal.completed", payload);
    ruling.facts.append(&mut booked.facts);
    ruling.steps.append(&mut booked.steps);
    deal.stage = Stage::Completed(on);
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}

/// A field that lists texts, unless there are none.
fn texts(field: &str, texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Text(text).to_string()).collect();
    if texts.is_empty() { String::new() } else { format!(r#","{field}":[{}]"#, texts.join(",")) }
}

/// What a payee paid for deals after the cap, if this is the payee's own first cap.
fn fees(calculated: &Calculated, payee: &str, plan: &waterfall::Plan, cap: &Cap) -> i128 {
    if cap.of != super::Holder::Payee(payee.to_owned()) || plan.own_cap() != Some(cap.programme.as_str()) {
        return 0;
    }
    let own = |line: &&waterfall::Line| line.of.as_deref() == Some(payee) && line.payee.as_deref() == Some(payee);
    let fees = calculated.lines.iter().filter(own).filter(|line| line.kind == "fee");
    let fees = fees.filter(|line| line.name.as_deref().is_some_and(|fee| plan.is_post_cap(fee)));
    fees.map(|line| -line.amount).sum()
}

/// Every payee who is a party of some line, with the sum of those, which fits at every step.
fn earned(calculated: &Calculated) -> Result<Vec<(String, i128)>, Why> {
    let mut sums: Vec<(String, i128)> = Vec::new();
    for line in &calculated.lines {
        let Some(payee) = &line.payee else { continue };
        match sums.iter_mut().find(|(known, _)| known == payee) {
            Some((_, sum)) => *sum = fits(*sum + line.amount)?,
            None => sums.push((payee.clone(), line.amount)),
        }
    }
    Ok(sums)
}

fn reverse(asked: Asked<'_>, mut deal: Deal, reason: &str) -> Result<Ruling, Why> {
    let (id, currency) = (&deal.id, deal.gci.1);
    let mut day = asked.today;
    if let Stage::Completed(completed_on) = deal.stage {
        day = day.max(completed_on).max(deal.sold.latest().unwrap_or(day));
    }
    let mut ruling = Ruling::on(day);
    let (text, sides) = (Text(reason), &deal.calculated);
    let payload = format!(r#"{{"deal":"{id}","reason":{text},"sides":[{sides}]}}"#);
    ruling.fact(format!("deal/{id}"), "deal.reversed", payload);
    for moved in &deal.moved {
        match moved {
            Moved::Cap { stream, contributed, fees } => {
                let mut cap = asked.model.caps.get(stream).ok_or(Why::Unknown)?.clone();
                cap.fees -= fees;
                cap.add(-contributed, None, asked.today)?;
                if *contributed != 0 {
                    let (account, back) = (cap.json(), amount(*contributed, currency));
                    let payload = format!(r#"{{"account":{account},"deal":"{id}","amount":"{back}"}}"#);
                    ruling.fact(stream.clone(), "cap.reversed", payload);
                }
                ruling.step(Step::Cap(stream.clone(), cap));
            }
            Moved::Attainment { stream, counted, bonuses } => {
                let mut known = asked.model.attainments.get(stream).ok_or(Why::Unknown)?.clone();
                known.totals = known.totals.less(*counted);
                known.bonuses.extend(bonuses.iter().map(|name| (name.clone(), false)));
                let account = known.json();
                let told = attainment::totals_json(*counted, currency);
                let names = texts("bonuses", bonuses);
                let payload = format!(r#"{{"account":{account},"deal":"{id}",{told}{names}}}"#);
                ruling.fact(stream.clone(), "attainment.reversed", payload);
                ruling.step(Step::Attainment(stream.clone(), known));
            }
        }
    }
    sale::give_back(asked, &mut ruling, &deal)?;
    for (place, earned) in (0..).zip(&deal.earned) {
        if let Some(index) = earned.entry {
            ruling.take_back_of(asked, &deal, &earned.payee, index, place)?;
        }
    }
    deal.stage = Stage::Reversed;
    ruling.step(Step::Deal(Box::new(deal)));
    Ok(ruling)
}
