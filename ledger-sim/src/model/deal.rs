//! A deal, from its registration to what it earned.

use super::calendar::in_range;
use super::money::{Split, fits, rate_of, share, split};
use super::{Asked, Assignment, Cap, Entry, Payee, Ruling, Source, State, Step, Why, amount, maybe};
use crate::act::{Act, Amount, Code, Credit, Day, Gci, Text, WHOLE};

/// The most payees that share a deal.
const MOST_PAYEES: usize = 50;

/// A deal.
#[derive(Debug, Clone)]
pub struct Deal {
    /// Its name.
    pub id: String,
    /// What was said of its commission.
    pub basis: Gci,
    /// Its commission.
    pub gci: Amount,
    /// Who is credited, once that is said.
    pub credit: Option<Credit>,
    /// Where it stands.
    pub stage: Stage,
    /// What was calculated.
    pub lines: Vec<Line>,
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

/// One payee's part of a completed deal.
#[derive(Debug, Clone)]
pub struct Line {
    /// The payee.
    pub payee: String,
    /// The name of the stream of the cap that it met.
    pub cap: Option<String>,
    /// What it contributed to the cap.
    pub contributed: i128,
    /// What it paid as a fee after the cap.
    pub fee: i128,
    /// The place of its entry in the payee's account.
    pub entry: Option<usize>,
    /// As it is stored.
    pub(super) json: String,
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    let known = |deal: &str| asked.model.deals.get(deal).ok_or(Why::Unknown);
    match &asked.ask.act {
        Act::Register { deal, gci } => {
            if let Some(known) = asked.model.deals.get(deal) {
                let same = known.basis == *gci && known.stage == Stage::Registered;
                return Err(if same { Why::AlreadyKnown } else { Why::Taken });
            }
            let mut ruling = Ruling::on(asked.today);
            let deal = register(asked, &mut ruling, deal, gci)?;
            ruling.step(Step::Deal(deal));
            Ok(ruling)
        }
        Act::Attribute { deal, credit } => {
            let mut deal = known(deal)?.clone();
            if !matches!(deal.stage, Stage::Registered | Stage::Attributed) {
                return Err(Why::WrongState);
            }
            if deal.credit.as_ref() == Some(credit) {
                return Err(Why::AlreadyKnown);
            }
            let mut ruling = Ruling::on(asked.today);
            attribute(asked, &mut ruling, &mut deal, credit)?;
            ruling.step(Step::Deal(deal));
            Ok(ruling)
        }
        Act::Complete { deal, on } => {
            let deal = known(deal)?;
            match deal.stage {
                Stage::Completed(day) if day == *on => Err(Why::AlreadyKnown),
                Stage::Attributed => complete(asked, Ruling::on(in_range(*on)?), deal.clone(), *on),
                Stage::Registered | Stage::Completed(_) | Stage::Reversed => Err(Why::WrongState),
            }
        }
        Act::Record { deal, gci, credit, on } => {
            if let Some(known) = asked.model.deals.get(deal) {
                let same = known.basis == *gci && known.credit.as_ref() == Some(credit);
                let same = same && known.stage == Stage::Completed(*on);
                return Err(if same { Why::AlreadyKnown } else { Why::Taken });
            }
            let mut ruling = Ruling::on(in_range(*on)?);
            let mut deal = register(asked, &mut ruling, deal, gci)?;
            attribute(asked, &mut ruling, &mut deal, credit)?;
            complete(asked, ruling, deal, *on)
        }
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

fn register(asked: Asked<'_>, ruling: &mut Ruling, id: &str, basis: &Gci) -> Result<Deal, Why> {
    let gci = match basis {
        Gci::Amount(amount) => *amount,
        Gci::OfPrice { price, rate } => Amount(fits(rate_of(price.0, *rate, false))?, price.1),
    };
    if gci.0 < 0 {
        return Err(Why::WrongAmount);
    }
    asked.settings.demand_currency(gci.1)?;
    let payload = format!(r#"{{"deal":"{id}","basis":{basis},"gci":"{gci}"}}"#);
    ruling.fact(format!("deal/{id}"), "deal.registered", payload);
    let (id, basis) = (id.to_owned(), basis.clone());
    Ok(Deal { id, basis, gci, credit: None, stage: Stage::Registered, lines: Vec::new() })
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

fn complete(asked: Asked<'_>, mut ruling: Ruling, mut deal: Deal, on: Day) -> Result<Ruling, Why> {
    let credit = deal.credit.as_ref().ok_or(Why::WrongState)?;
    let (payees, weights): (Vec<_>, Vec<_>) = weights(credit).into_iter().unzip();
    let (id, gci) = (&deal.id, deal.gci);
    // What follows the completion in the log.
    let mut booked = Ruling::on(on);
    for ((place, payee), base) in payees.into_iter().enumerate().zip(share(gci.0, &weights)) {
        let payee = asked.model.payees.get(payee).ok_or(Why::Unknown)?;
        let assignment = payee.plan_on(on).ok_or(Why::NoPlan)?;
        let plan = asked.model.plans.get(&assignment.plan).and_then(|plan| plan.version(assignment.version));
        let plan = plan.ok_or(Why::Unknown)?;
        if plan.document.currency != gci.1 {
            return Err(Why::WrongCurrency);
        }
        let cap = Cap::of(asked, payee, &plan.document, on)?;
        let room = cap.as_ref().map_or(0, |(_, cap)| cap.room());
        // The fee is of the deal and shared by its weights; whoever does not owe its part is not charged.
        let fee = plan.document.cap.as_ref().and_then(|terms| terms.fee).map(|fee| share(fee.0, &weights));
        let fee = fee.and_then(|parts| parts.get(place).copied()).unwrap_or(0);
        let split = split(&plan.document, base, room, fee)?;
        let entry = (split.net > 0).then(|| asked.derive("entry", u32::try_from(place).unwrap_or_default()));

        let met = cap.as_ref().map(|(_, cap)| (cap.json(), amount(cap.limit, gci.1), amount(room, gci.1)));
        let json = line_json(payee, assignment, &plan.hash, &split, gci.1, met.as_ref(), entry.as_deref());
        let mut line = Line {
            payee: payee.id.clone(),
            cap: cap.as_ref().map(|(stream, _)| stream.clone()),
            contributed: split.company,
            fee: split.fee,
            entry: None,
            json,
        };
        if let (Some((stream, mut cap)), Some((account, limit, _))) = (cap, met) {
            cap.fees += split.fee;
            cap.add(split.company, Some(id), on)?;
            if split.company > 0 {
                let company = amount(split.company, gci.1);
                let payload =
                    format!(r#"{{"account":{account},"deal":"{id}","amount":"{company}","limit":"{limit}"}}"#);
                booked.fact(stream.clone(), "cap.contributed", payload);
                if split.company >= room {
                    let payload = format!(r#"{{"account":{account},"deal":"{id}","limit":"{limit}"}}"#);
                    booked.fact(stream.clone(), "cap.reached", payload);
                }
            }
            booked.step(Step::Cap(stream, cap));
        }
        if let Some(entry) = entry {
            line.entry = Some(asked.model.account(&payee.id, gci.1).map_or(0, |account| account.entries.len()));
            let plan = Some((assignment.plan.clone(), assignment.version));
            let source = format!(r#"{{"commission":{{"deal":"{id}"}}}}"#);
            let (payee, deal, net) = (payee.id.clone(), Some(id.clone()), amount(split.net, gci.1));
            booked.book(Entry::new(entry, payee, Source::Commission, deal, net, on), plan, &source);
        }
        deal.lines.push(line);
    }
    let lines = joined(&deal.lines);
    let payload = format!(r#"{{"deal":"{id}","completed_on":"{on}","gci":"{gci}","lines":[{lines}]}}"#);
    ruling.fact(format!("deal/{id}"), "deal.completed", payload);
    ruling.facts.append(&mut booked.facts);
    ruling.steps.append(&mut booked.steps);
    deal.stage = Stage::Completed(on);
    ruling.step(Step::Deal(deal));
    Ok(ruling)
}

fn reverse(asked: Asked<'_>, mut deal: Deal, reason: &str) -> Result<Ruling, Why> {
    let (id, currency) = (&deal.id, deal.gci.1);
    let mut ruling = Ruling::on(asked.today);
    let (text, lines) = (Text(reason), joined(&deal.lines));
    let payload = format!(r#"{{"deal":"{id}","reason":{text},"lines":[{lines}]}}"#);
    ruling.fact(format!("deal/{id}"), "deal.reversed", payload);
    for (place, line) in (0..).zip(&deal.lines) {
        if let Some((stream, cap)) = line.cap.as_ref().and_then(|stream| Some((stream, asked.model.caps.get(stream)?)))
        {
            let mut cap = cap.clone();
            cap.fees -= line.fee;
            cap.add(-line.contributed, None, asked.today)?;
            if line.contributed > 0 {
                let (account, back) = (cap.json(), amount(line.contributed, currency));
                let payload = format!(r#"{{"account":{account},"deal":"{id}","amount":"{back}"}}"#);
                ruling.fact(stream.clone(), "cap.reversed", payload);
            }
            ruling.step(Step::Cap(stream.clone(), cap));
        }
        let Some(index) = line.entry else { continue };
        let account = asked.model.account(&line.payee, currency).ok_or(Why::Unknown)?;
        let entry = account.entries.get(index).ok_or(Why::Unknown)?;
        let (payee, of) = (&line.payee, &entry.id);
        match entry.state {
            State::Claimed => return Err(Why::WrongState),
            State::Payable => ruling.take_back(entry, index, &format!(r#"{{"deal":"{id}"}}"#)),
            State::Paid | State::Reversed => {
                let clawback = asked.derive("entry", place);
                let source = format!(r#"{{"clawback":{{"deal":"{id}","of":"{of}"}}}}"#);
                let (payee, deal, owed) = (payee.clone(), Some(id.clone()), amount(-entry.amount, currency));
                let clawback = Entry::new(clawback, payee, Source::Clawback, deal, owed, asked.today);
                ruling.book(clawback, entry.plan.clone(), &source);
            }
        }
    }
    deal.stage = Stage::Reversed;
    ruling.step(Step::Deal(deal));
    Ok(ruling)
}

fn joined(lines: &[Line]) -> String {
    lines.iter().map(|line| line.json.as_str()).collect::<Vec<_>>().join(",")
}

/// A line as it is stored; `met` are the cap's account, its limit and its room before the deal.
fn line_json(
    payee: &Payee,
    assignment: &Assignment,
    hash: &str,
    split: &Split,
    currency: Code,
    met: Option<&(String, Amount, Amount)>,
    entry: Option<&str>,
) -> String {
    let (payee, plan, version) = (&payee.id, &assignment.plan, assignment.version);
    let [base, company, beyond, fee, net] =
        [split.base, split.company, split.beyond, split.fee, split.net].map(|units| amount(units, currency));
    let cap = met.map_or_else(String::new, |(account, limit, room)| {
        format!(r#","cap":{{"account":{account},"limit":"{limit}","room":"{room}"}}"#)
    });
    let entry = maybe("entry", entry);
    format!(
        r#"{{"payee":"{payee}","plan":"{plan}","version":{version},"plan_hash":"{hash}","amounts":{{"base":"{base}","company_dollar":"{company}","post_cap_company":"{beyond}","post_cap_fee":"{fee}","payee_net":"{net}"}}{cap}{entry}}}"#
    )
}
