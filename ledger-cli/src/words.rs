//! Facts in words that a payee understands.

use chrono::{DateTime, SecondsFormat, Utc};
use ledger_core::account::{self, Because, Source};
use ledger_core::attribution::Attribution;
use ledger_core::calendar::CapYearRule;
use ledger_core::credit;
use ledger_core::credit::model::Model;
use ledger_core::credit::rates::Pays;
use ledger_core::credit::touch::Touch;
use ledger_core::deal::sale::{Crediting, Sale};
use ledger_core::deal::{self, Basis, Completion, Earned};
use ledger_core::event::Event;
use ledger_core::id::PayeeId;
use ledger_core::payout::{self, Payment, Resolution};
use ledger_core::rate::{Rate, Rounding};
use ledger_core::waterfall::{
    Attained, Attainment, Base, Bonus, Cap, CapOf, Capped, Charged, Crossing, Deficit, Document, Fee, FeeAmount,
    FeeOnCrossing, FeeTo, Kind, Mentee, Mode, Of, Override, OwnCap, Per, PoolTerms, Proration, Quantity, ReferralIn,
    Royalty, RoyaltyBasis, Sharer, Shares, Side, SideKind, Split, SubCap, Tier, Tiered, Tiers, Timing, When,
};
use ledger_core::{Date, Money, attainment, cap, customer, model, payee, plan, rates, settings, spend};

/// An instant as it is written.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// How a deal's commission is known.
pub fn basis(basis: &Basis) -> String {
    match basis {
        Basis::Amount(amount) => format!("given as {amount}"),
        Basis::OfPrice { price, rate } => format!("{} of the price of {price}", rate.percent()),
        Basis::Sides(sides) => format!("on {}", join(sides.iter().map(side))),
        Basis::Sale(known) => sale(known),
    }
}

fn sale(Sale { customer, model, rates, .. }: &Sale) -> String {
    let customer = customer.as_ref().map(|customer| format!(" to {customer}")).unwrap_or_default();
    let rates = rates.as_ref().map(|rates| format!(" and rate plan {} version {}", rates.rates, rates.version));
    format!("a sale{customer} under model {} version {}{}", model.model, model.version, rates.unwrap_or_default())
}

fn touch(Touch { touch, payee, kind, at, .. }: &Touch) -> String {
    format!("touch {touch} by {payee}, {kind} at {at}")
}

/// What everybody has of a sale.
pub fn credited(
    Crediting { deal, touches, unattributed, credits, house, overlays, entries, .. }: &Crediting,
) -> String {
    if *unattributed {
        let why = if *touches == 0 { "no touch counts" } else { "none of the touches that count has a claim" };
        return format!("deal {deal} is attributed to nobody: {why}");
    }
    let house = house.map(|house| format!("the house {house}"));
    let credits = join(credits.iter().map(|credit| format!("{} {}", credit.payee, credit.amount)).chain(house));
    let beside = join(overlays.iter().map(|credit| format!("{} {}", credit.payee, credit.amount)));
    let beside = if beside.is_empty() { beside } else { format!(", beside it {beside}") };
    let paid = join(entries.iter().map(|earned| format!("{} gets {}", earned.payee, earned.amount)));
    let paid = if paid.is_empty() { "nobody gets anything".into() } else { paid };
    format!("deal {deal} is credited to {credits}{beside}: {paid}")
}

/// What a version of a model says.
fn weighs(document: &credit::model::Document) -> String {
    let how = match &document.model {
        Model::FirstTouch {} => "all to the first touch".into(),
        Model::LastTouch {} => "all to the last touch".into(),
        Model::Equal {} => "the same to each payee".into(),
        Model::Linear {} => "the same to each touch".into(),
        Model::TimeDecay { half_life_days } => {
            format!("half as much for every {half_life_days} days before the latest touch")
        }
        Model::UShaped { first, last } => {
            format!("{} to the first touch, {} to the last", first.percent(), last.percent())
        }
        Model::Milestones { milestones, rest } => {
            let milestones =
                join(milestones.iter().map(|one| format!("{} to {}", one.weight.percent(), one.milestone)));
            format!("{milestones}, {} to the rest", rest.percent())
        }
        Model::RoleBased { weights, .. } => {
            format!("by type, {}", join(weights.iter().map(|(kind, weight)| format!("{kind} {weight}"))))
        }
        Model::RoleWeighted { roles } => {
            join(roles.iter().map(|one| format!("{} to {}", one.weight.percent(), one.role)))
        }
        Model::Implementation { types } => {
            format!("all to the latest of {}", join(types.iter().map(ToString::to_string)))
        }
        Model::CoSell { classes } => {
            join(classes.iter().map(|one| format!("{} to {}", one.weight.percent(), one.class)))
        }
        Model::Custom { .. } => "the weights that come with the deal".into(),
    };
    let lookback = document.lookback_days.map(|days| format!("; touches of {days} days count")).unwrap_or_default();
    format!("{how}{lookback}")
}

/// What a version of a rate plan says.
fn pays(document: &credit::rates::Document) -> String {
    let pays = |pays: &Pays| match pays {
        Pays::Rate(rate) => rate.percent().to_string(),
        Pays::PerUnit(each) => format!("{each} for each unit"),
    };
    let rules = document.rules.iter().map(|rule| format!("{} by rule {}", pays(&rule.pays), rule.rule));
    let otherwise = document.otherwise.iter().map(|otherwise| format!("{} otherwise", pays(otherwise)));
    let says = join(rules.chain(otherwise));
    let says = if says.is_empty() { "nothing".into() } else { says };
    let base = match document.base {
        credit::rates::Base::Amount => "amount",
        credit::rates::Base::Margin => "margin",
    };
    format!("{says}, of the {base} in {}", document.currency)
}

fn side(Side { side, payees, .. }: &Side) -> String {
    let shared = join(payees.iter().map(|Sharer { payee, weight, mentor }| {
        let weight = weight.map(|weight| format!("{} to ", weight.percent())).unwrap_or_default();
        let mentor = mentor.as_ref().map(|mentor| format!(" with mentor {mentor}")).unwrap_or_default();
        format!("{weight}{payee}{mentor}")
    }));
    format!("{} ({shared})", side_name(*side))
}

/// What a side is called.
pub fn side_name(side: SideKind) -> &'static str {
    match side {
        SideKind::Listing => "the listing side",
        SideKind::Buying => "the buying side",
        SideKind::Sole => "the only side",
    }
}

/// Who is credited, and by which model.
pub fn attribution(attribution: &Attribution) -> String {
    match attribution {
        Attribution::Equal(payees) => match payees.as_slice() {
            [only] => format!("all of it to {only}"),
            all => format!("equally among {}", join(all.iter().map(ToString::to_string))),
        },
        Attribution::Custom(weights) => {
            join(weights.iter().map(|weight| format!("{} to {}", weight.weight.percent(), weight.payee)))
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn shares(shares: &Shares) -> String {
    format!("{} to the payee, {} to the company", shares.payee.percent(), shares.company.percent())
}

/// What a plan version says.
pub fn document(document: &Document) -> String {
    let rounding = document.rounding;
    let mut says = vec![match &document.split {
        Split::Flat(flat) => shares(flat),
        Split::Tiered(tiered) => tiers(tiered, document.attainment.as_ref()),
    }];
    if let Some(Capped { caps, post_cap, crossing, fee_on_crossing }) = &document.cap {
        let caps = caps.iter().map(|Cap { programme, of, limit, portion, year, proration }| {
            let most = most(*limit, *portion, *year, *proration, rounding);
            match of {
                CapOf::Payee => format!("{most} ({programme})"),
                CapOf::Pool(pool) => format!("{most} from pool {pool} ({programme})"),
            }
        });
        says.push(format!("until the company has {}, then {}", join(caps), shares(post_cap)));
        let crossing = match crossing {
            Crossing::SplitWithinDeal => "the deal that crosses it is split at it",
            Crossing::WholeDealPreCap => "the deal that crosses it counts as a whole before it",
        };
        let on_crossing = match fee_on_crossing {
            FeeOnCrossing::Yes => " and pays the fees after the cap",
            FeeOnCrossing::No => "",
        };
        says.push(format!("{crossing}{on_crossing}"));
    }
    if let Some(Royalty { rate, basis, cap }) = &document.royalty {
        let basis = match basis {
            RoyaltyBasis::OffTop => "off the top".to_owned(),
            RoyaltyBasis::Gross => format!("of {}", Of::Gross),
        };
        let at_most = cap.as_ref().map(|OwnCap { limit, portion, year, proration, .. }| {
            format!(", at most {}", most(*limit, *portion, *year, *proration, rounding))
        });
        says.push(format!("{} {basis} to the franchise{}", rate.percent(), at_most.unwrap_or_default()));
    }
    if document.referral_in == ReferralIn::Shared {
        says.push("what another house pays is shared".into());
    }
    says.extend(document.fees.iter().map(|due| fee(due, rounding)));
    if let Some(Mentee { company, mentor }) = document.mentee {
        let (company, mentor, part) = (company.percent(), mentor.percent(), Of::Part);
        says.push(format!("with a mentor {company} of {part} to the company and {mentor} of it to the mentor"));
    }
    says.extend(document.bonuses.iter().map(|Bonus { name, when, amount }| {
        let when = match when {
            When::EachDeal => "in each deal".to_owned(),
            When::Reaches(threshold) => format!("when {threshold}"),
        };
        let amount = match amount {
            Quantity::Flat(flat) => flat.to_string(),
            Quantity::Rate(rate) => rate_of(*rate, Of::Part),
        };
        format!("bonus {name} of {amount} {when}")
    }));
    says.extend(document.overrides.iter().map(|Override { name, to, rate, of }| {
        format!("override {name} of {} to {to}", rate_of(*rate, Of::from(*of)))
    }));
    if document.deficit == Deficit::Receivable {
        says.push("the payee may owe".into());
    }
    says.join("; ")
}

fn rate_of(rate: Rate, of: Of) -> String {
    format!("{} of {of}", rate.percent())
}

/// When a year begins.
fn year(year: CapYearRule) -> String {
    match year {
        CapYearRule::Calendar { month, day } => {
            let date = Date::from_ymd_opt(2000, month.into(), day.into()).map(|date| date.format("%B %-d").to_string());
            format!("a year from {}", date.unwrap_or_else(|| format!("{month}-{day}")))
        }
        CapYearRule::Anniversary { .. } => "a year from the day of joining".into(),
        CapYearRule::FirstOfJoinMonth {} => "a year from the first of the month of joining".into(),
        CapYearRule::FirstOfNextMonth {} => "a year from the first of the month after joining".into(),
    }
}

/// The most of something in a year: what holds for the plan, and what it is a part of.
fn most(limit: Money, portion: Rate, of: CapYearRule, proration: Proration, rounding: Rounding) -> String {
    let holds = portion.of(limit, rounding).ok().filter(|_| portion != Rate::ONE);
    let holds = holds.map_or_else(|| limit.to_string(), |holds| format!("{holds}, {} of {limit},", portion.percent()));
    let left = match proration {
        Proration::None => "",
        Proration::Months => ", of which whoever joins within it has the months left",
        Proration::Days => ", of which whoever joins within it has the days left",
    };
    format!("{holds} in {}{left}", year(of))
}

fn tiers(Tiered { tiers, mode, per, minimum }: &Tiered, attainment: Option<&Attainment>) -> String {
    fn steps<F: std::fmt::Display>(tiers: &[Tier<F>], from: impl Fn(&F) -> String) -> String {
        join(tiers.iter().map(|tier| format!("{} from {}", tier.payee.percent(), from(&tier.from))))
    }
    let (measure, steps) = match tiers {
        Tiers::CompanyDollar(tiers) => ("company dollar".to_owned(), steps(tiers, Money::to_string)),
        Tiers::Revenue(tiers) => ("revenue".to_owned(), steps(tiers, Money::to_string)),
        Tiers::Units(tiers) => ("units".to_owned(), steps(tiers, u64::to_string)),
        Tiers::Attainment { quota, tiers } => {
            (format!("revenue in parts of the quota of {quota}"), steps(tiers, |from| from.percent().to_string()))
        }
    };
    let over = match (per, attainment) {
        (Per::Year, Some(Attainment { programme, year: of })) => format!("in {} ({programme})", year(*of)),
        (Per::Year, None) => "in a year".into(),
        (Per::Deal, _) => "in each deal".into(),
    };
    let mode = match mode {
        Mode::Marginal => "each of what lies in its tier",
        Mode::Retroactive => "of everything once the tier is reached, less what was accrued before",
        Mode::AboveQuota => "of what is above the quota, less what was accrued before",
    };
    let least = minimum.map(|minimum| format!(", at least {minimum}")).unwrap_or_default();
    format!("the payee has, by {measure} {over}, {steps}, {mode}{least}")
}

fn fee(Fee { name, timing, amount, of, per, to, sub_cap }: &Fee, rounding: Rounding) -> String {
    let of = match (of, timing) {
        (Base::Part, Timing::PostCap) => Of::Beyond,
        (of, _) => Of::from(*of),
    };
    let amount_of = |amount: &FeeAmount| match amount {
        FeeAmount::Flat(flat) => flat.to_string(),
        FeeAmount::Rate(rate) => rate_of(*rate, of),
        FeeAmount::LesserOf { flat, rate } => format!("the lesser of {flat} and {}", rate_of(*rate, of)),
    };
    let timing = match timing {
        Timing::Always => "",
        Timing::PreCap => " before the cap",
        Timing::PostCap => " after the cap",
    };
    let per = match per {
        Charged::Deal => "",
        Charged::Side => " on every side",
    };
    let to = match to {
        FeeTo::Company => String::new(),
        FeeTo::Payee(payee) => format!(" to {payee}"),
    };
    let at_most = sub_cap.as_ref().map(|SubCap { limit, portion, year, proration, then, .. }| {
        let then = then.as_ref().map(|then| format!(", then {}", amount_of(then))).unwrap_or_default();
        format!(", at most {}{then}", most(*limit, *portion, *year, *proration, rounding))
    });
    format!("fee {name} of {}{timing}{per}{to}{}", amount_of(amount), at_most.unwrap_or_default())
}

/// What a line is called.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Concession => "concession",
        Kind::ReferralOut => "referral",
        Kind::Royalty => "royalty",
        Kind::ReferralIn => "referral from another house",
        Kind::CompanyDollar => "company dollar",
        Kind::PostCapCompany => "the company's share beyond the cap",
        Kind::Share => "share",
        Kind::Fee => "fee",
        Kind::Mentee => "mentee's charge",
        Kind::Bonus => "bonus",
        Kind::Override => "override",
        Kind::Adjustment => "adjustment",
    }
}

/// What everybody has of a deal in the end.
pub fn earned(entries: &[Earned]) -> String {
    join(entries.iter().map(|Earned { payee, amount, .. }| has(payee, *amount)))
}

/// What somebody has in the end, or owes.
pub fn has(payee: &PayeeId, amount: Money) -> String {
    if amount.is_negative() { format!("{payee} owes {}", amount.negated()) } else { format!("{payee} gets {amount}") }
}

/// What is attained.
pub fn attained(Attained { units, revenue, accrued, company_dollar }: &Attained) -> String {
    let sold = if *units == 1 { "unit" } else { "units" };
    format!("{units} {sold}, a revenue of {revenue} with {accrued} accrued, a company dollar of {company_dollar}")
}

/// What an entry of so much is for.
pub fn source(source: &Source, amount: Money) -> String {
    match source {
        Source::Commission { deal } => format!("commission on deal {deal}"),
        Source::Clawback { deal, .. } if amount.is_positive() => {
            format!("what was owed for deal {deal} comes back, as the deal was taken back after that was settled")
        }
        Source::Clawback { deal, .. } => format!("clawback of deal {deal}, taken back after it was paid"),
        Source::Adjustment { reason, .. } => format!("adjustment: {reason}"),
    }
}

/// One fact in one sentence.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Settings(event) => match event {
            settings::Event::Opened { base_currency, zone, capabilities } => {
                let switched_on = join(capabilities.iter().map(|capability| format!("{capability}")));
                format!(
                    "the ledger is opened, in {base_currency}, on the calendar of {zone}; switched on: {switched_on}"
                )
            }
            settings::Event::SwitchedOn { capability } => format!("{capability} is switched on"),
            settings::Event::SwitchedOff { capability } => format!("{capability} is switched off"),
        },
        Event::Payee(event) => match event {
            payee::Event::Enrolled { payee, name, .. } => format!("{name} is enrolled as {payee}"),
            payee::Event::Assigned { payee, assignment } => {
                let until = assignment.until.map(|until| format!(" until {until}")).unwrap_or_default();
                format!(
                    "{payee} is under plan {} version {} from {}{until}",
                    assignment.plan, assignment.version, assignment.from
                )
            }
            payee::Event::AssignmentEnded { payee, until } => format!("{payee}'s plan ends before {until}"),
            payee::Event::Classified { payee, from, kind, tier, class, rates } => {
                let said = [("type", kind), ("tier", tier), ("class", class)].into_iter();
                let said = said.filter_map(|(what, text)| Some(format!("{what} {}", text.as_ref()?)));
                let rates = rates.iter().map(|rates| format!("rate plan {} version {}", rates.rates, rates.version));
                let said = join(said.chain(rates));
                let said = if said.is_empty() { "nothing in particular".into() } else { said };
                format!("{payee} is, from {from}: {said}")
            }
        },
        Event::Plan(plan::Event::Published { plan, version, document: says, .. }) => {
            format!("plan {plan} version {version}: {}", document(says))
        }
        Event::Model(model::Event::Published { model, version, document: says, .. }) => {
            format!("model {model} version {version}: {}", weighs(says))
        }
        Event::Rates(rates::Event::Published { rates, version, document: says, .. }) => {
            format!("rate plan {rates} version {version}: {}", pays(says))
        }
        Event::Deal(event) => match event {
            deal::Event::Registered { deal, basis: Basis::Sale(known), gci } => {
                format!("deal {deal} of {gci} is {}", sale(known))
            }
            deal::Event::Touched { deal, touch: known } => format!("deal {deal} has {}", touch(known)),
            deal::Event::Credited(crediting) => credited(crediting),
            deal::Event::Recredited(recrediting) => {
                format!("{}, for {}", credited(&recrediting.crediting), recrediting.reason)
            }
            deal::Event::Collected { deal, payment, amount, on, entries } => {
                let released = join(entries.iter().map(|earned| format!("{} gets {}", earned.payee, earned.amount)));
                let released = if released.is_empty() { "nothing is released".into() } else { released };
                format!("payment {payment} of {amount} for deal {deal} came in on {on}: {released}")
            }
            deal::Event::Registered { deal, basis: known, gci } => {
                format!("deal {deal} brings a commission of {gci}, {}", basis(known))
            }
            deal::Event::Attributed { deal, attribution: model, credits } => {
                let credits = join(credits.iter().map(|credit| format!("{} {}", credit.payee, credit.amount)));
                format!("deal {deal} is credited {}: {credits}", attribution(model))
            }
            deal::Event::Completed(Completion { deal, completed_on, entries, .. }) => {
                format!("deal {deal} is completed on {completed_on}: {}", earned(entries))
            }
            deal::Event::Reversed { deal, reason, .. } => format!("deal {deal} is reversed: {reason}"),
        },
        Event::Cap(event) => match event {
            cap::Event::ProgrammeOpened { programme, currency, .. } => {
                format!("programme {programme} counts in {currency}; every plan that names it has its years")
            }
            cap::Event::PoolOpened { programme, pool, terms: PoolTerms { limit, portion, .. } } => {
                let part = if *portion == Rate::ONE { String::new() } else { format!("{} of ", portion.percent()) };
                format!(
                    "pool {pool} of programme {programme} has a limit of {part}{limit}; every plan that names it has its terms"
                )
            }
            cap::Event::OpeningBalanceSet { account, amount, reason, .. } => {
                format!("{}'s cap for {} opens with {amount}: {reason}", account.of, account.year)
            }
            cap::Event::Contributed { account, deal, amount, limit } => {
                format!("deal {deal} puts {amount} towards {}'s cap of {limit} for {}", account.of, account.year)
            }
            cap::Event::Reached { account, deal, limit } => {
                format!("with deal {deal} {}'s cap of {limit} for {} is reached", account.of, account.year)
            }
            cap::Event::Reversed { account, deal, amount } => {
                format!("{}'s cap for {} gets {amount} back from deal {deal}", account.of, account.year)
            }
        },
        Event::Attainment(event) => {
            let account = event.account();
            let what = format!(
                "{} for {}'s {} of {}",
                attained(&event.attained()),
                account.of,
                account.programme,
                account.year
            );
            match event {
                attainment::Event::OpeningSet { reason, .. } => format!("{what} are taken over: {reason}"),
                attainment::Event::Counted { deal, .. } => format!("deal {deal} counts {what}"),
                attainment::Event::Reversed { deal, .. } => format!("deal {deal} no longer counts {what}"),
            }
        }
        Event::Spend(spend::Event::Counted { account, deal, amount }) => {
            format!(
                "deal {deal} counts {amount} to {}'s limit under rate plan {} from {}",
                account.payee, account.rates, account.period.start
            )
        }
        Event::Spend(spend::Event::Reversed { account, deal, amount }) => {
            format!(
                "{amount} of deal {deal} no longer counts to {}'s limit under rate plan {} from {}",
                account.payee, account.rates, account.period.start
            )
        }
        Event::Customer(customer::Event::Earned { customer, payee, deal, on }) => {
            format!("{payee} earns on {customer} with deal {deal} of {on}")
        }
        Event::Customer(customer::Event::Forgotten { customer, payee, deal }) => {
            format!("{payee} no longer earns on {customer} with deal {deal}")
        }
        Event::Account(event) => match event {
            account::Event::EntryBooked { payee, source: what, amount, .. } if amount.is_negative() => {
                format!("{}: {}", has(payee, *amount), source(what, *amount))
            }
            account::Event::EntryBooked { payee, source: what, amount, .. } => {
                format!("{amount} is payable to {payee}: {}", source(what, *amount))
            }
            account::Event::EntryReversed { payee, because, amount, .. } => {
                let because = match because {
                    Because::Deal(deal) => format!("deal {deal} no longer gives it"),
                    Because::Payout(payout) => format!("it was set for payout {payout}, which will not be paid"),
                };
                format!("{amount} is no longer payable to {payee}: {because}")
            }
            account::Event::EntriesClaimed { payee, payout, entries, amount } => {
                format!("payout {payout} claims {amount} of {payee}'s, in {} entries", entries.len())
            }
            account::Event::EntriesReleased { payee, payout, amount, .. } => {
                format!("{amount} is payable to {payee} again, payout {payout} gives it back")
            }
            account::Event::EntriesPaid { payee, payout, amount, .. } => {
                format!("{amount} is paid to {payee} for good, by payout {payout}")
            }
        },
        Event::Payout(event) => match event {
            payout::Event::Created { payout, payee, amount, by, .. } => {
                format!("{by} makes payout {payout} of {amount} to {payee}")
            }
            payout::Event::Submitted { payout } => format!("payout {payout} waits for approval"),
            payout::Event::Approved { payout, by, amount } => format!("{by} approves payout {payout} of {amount}"),
            payout::Event::Rejected { payout, by, reason } => format!("{by} rejects payout {payout}: {reason}"),
            payout::Event::Started { payout, attempt, rail_key } => {
                format!("payout {payout} is handed to the rail, attempt {attempt}, under key {}", rail_key.as_str())
            }
            payout::Event::Paid { payout, amount, through } => {
                format!("payout {payout} of {amount} is paid {}", paid(through))
            }
            payout::Event::Failed { payout, attempt, reason } => {
                format!("attempt {attempt} of payout {payout} failed, no money left: {reason}")
            }
            payout::Event::Voided { payout, by, reason } => format!("{by} cancels payout {payout}: {reason}"),
            payout::Event::LatePaymentReported { payout, attempt, amount } => {
                format!(
                    "news says that attempt {attempt} of payout {payout}, which had failed, was paid {amount} after all: \
                     somebody must accept or dismiss that"
                )
            }
            payout::Event::LatePaymentResolved { payout, attempt, resolution, by, reason } => {
                let resolves = match resolution {
                    Resolution::Accept => "accepts",
                    Resolution::Dismiss => "dismisses",
                };
                format!("{by} {resolves} the late payment by attempt {attempt} of payout {payout}: {reason}")
            }
            payout::Event::ReferenceTaken { account, reference, payout } => {
                format!("reference {reference} of account {account} stands on payout {payout}, and on no other ever")
            }
            payout::Event::BulkApproved { outcomes, .. } => {
                let skipped = outcomes.iter().filter(|outcome| outcome.skipped.is_some()).count();
                format!("{} payouts were put to approval at once, {skipped} were skipped", outcomes.len())
            }
        },
    }
}

/// How a payout was paid.
pub fn paid(through: &Payment) -> String {
    match through {
        Payment::Rail { attempt } => format!("by the rail, attempt {attempt}"),
        Payment::Manual { method, reference, account } => format!("by {method} {reference} from account {account}"),
    }
}
