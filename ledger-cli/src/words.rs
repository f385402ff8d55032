//! Facts in words that a payee understands.

use chrono::{DateTime, SecondsFormat, Utc};
use ledger_core::account::{self, Because, Source};
use ledger_core::attribution::Attribution;
use ledger_core::deal::{self, Gci, Line};
use ledger_core::event::Event;
use ledger_core::payout::{self, Payment, Resolution};
use ledger_core::plan::{Cap, CappedSplit, Crossing, Document, FeeOnCrossing, Shares, Split};
use ledger_core::rate::Rate;
use ledger_core::{cap, payee, plan, settings};

/// An instant as it is written.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A rate as a percentage, such as `2.5 %`.
pub fn percent(rate: Rate) -> String {
    let hundredth = i128::from(Rate::SCALE / 100);
    let mantissa = i128::from(rate.mantissa());
    let text = format!("{}.{:010}", mantissa / hundredth, mantissa % hundredth);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// How a deal's commission is known.
pub fn basis(gci: &Gci) -> String {
    match gci {
        Gci::Amount(amount) => format!("given as {amount}"),
        Gci::OfPrice { price, rate } => format!("{} of the price of {price}", percent(*rate)),
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
            join(weights.iter().map(|weight| format!("{} to {}", percent(weight.weight), weight.payee)))
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn shares(shares: &Shares) -> String {
    format!("{} to the payee, {} to the company", percent(shares.payee), percent(shares.company))
}

/// What a plan version says.
pub fn document(document: &Document) -> String {
    match &document.split {
        Split::Flat(flat) => shares(flat),
        Split::Capped(CappedSplit {
            pre_cap,
            cap: Cap { limit, .. },
            post_cap,
            post_cap_fee,
            crossing,
            fee_on_crossing,
        }) => {
            let fee = post_cap_fee.map(|fee| format!(", less a fee of {fee} per deal")).unwrap_or_default();
            let crossing = match crossing {
                Crossing::SplitWithinDeal => "the deal that crosses it is split at it",
                Crossing::WholeDealPreCap => "the deal that crosses it counts as a whole before it",
            };
            let on_crossing = match (post_cap_fee, fee_on_crossing) {
                (Some(_), FeeOnCrossing::Yes) => " and pays the fee",
                (Some(_), FeeOnCrossing::No) => " and pays no fee",
                (None, _) => "",
            };
            format!(
                "{} until the company has {limit} in a cap year, then {}{fee}; {crossing}{on_crossing}",
                shares(pre_cap),
                shares(post_cap)
            )
        }
    }
}

/// How one payee's part of a deal was split, step by step: the inputs, the rule, and what came out.
pub fn split(line: &Line, plan: Option<&Document>) -> Vec<String> {
    let amounts = &line.amounts;
    let mut steps = vec![format!("{}'s part of the commission is {}", line.payee, amounts.base)];
    let hash = line.plan_hash.to_string();
    let hash = hash.get(..12).unwrap_or(&hash);
    let says = plan.map(|plan| format!(": {}", document(plan))).unwrap_or_default();
    steps.push(format!("plan {} version {} (document {hash}…){says}", line.plan, line.version));
    let rate = plan.map(|plan| match &plan.split {
        Split::Flat(shares) => shares.company,
        Split::Capped(capped) => capped.pre_cap.company,
    });
    let share = rate.map(|rate| format!("{} of {}", percent(rate), amounts.base)).unwrap_or_else(|| "its share".into());
    match &line.cap {
        None => steps.push(format!("the company gets {share}, which is {}", amounts.company_dollar)),
        Some(met) if !met.room.is_positive() => {
            steps.push(format!(
                "the cap of {} for {} was reached before this deal, so nothing more counts to it",
                met.limit, met.account.year
            ));
        }
        Some(met) => {
            steps.push(format!(
                "before this deal {} of the cap of {} for {} was left",
                met.room, met.limit, met.account.year
            ));
            let crossed = rate.and_then(|rate| {
                let uncapped = rate.of(amounts.base, plan?.rounding).ok()?;
                (uncapped != amounts.company_dollar).then_some(uncapped)
            });
            steps.push(match crossed {
                Some(uncapped) => format!(
                    "{share} would be {uncapped}, but the cap takes no more than {}: that is what the company gets",
                    amounts.company_dollar
                ),
                None => format!("the company gets {share}, which is {}; it counts to the cap", amounts.company_dollar),
            });
        }
    }
    if !amounts.post_cap_company.is_zero() {
        steps.push(format!(
            "of what is beyond the cap the company gets {}; it does not count",
            amounts.post_cap_company
        ));
    }
    if !amounts.post_cap_fee.is_zero() {
        let whose = format!("{}'s part of the fee for a deal after the cap", line.payee);
        steps.push(format!("{whose} is {}", amounts.post_cap_fee));
    }
    let mut sum = amounts.base.to_string();
    for part in [amounts.company_dollar, amounts.post_cap_company, amounts.post_cap_fee] {
        if !part.is_zero() {
            sum.push_str(&format!(" - {part}"));
        }
    }
    steps.push(format!("{} gets {sum} = {}", line.payee, amounts.payee_net));
    steps
}

/// What an entry is for.
pub fn source(source: &Source) -> String {
    match source {
        Source::Commission { deal } => format!("commission on deal {deal}"),
        Source::Clawback { deal, .. } => format!("clawback of deal {deal}, which was reversed after it was paid"),
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
        },
        Event::Plan(plan::Event::Published { plan, version, document: says, .. }) => {
            format!("plan {plan} version {version}: {}", document(says))
        }
        Event::Deal(event) => match event {
            deal::Event::Registered { deal, basis: known, gci } => {
                format!("deal {deal} brings a commission of {gci}, {}", basis(known))
            }
            deal::Event::Attributed { deal, attribution: model, credits } => {
                let credits = join(credits.iter().map(|credit| format!("{} {}", credit.payee, credit.amount)));
                format!("deal {deal} is credited {}: {credits}", attribution(model))
            }
            deal::Event::Completed { deal, completed_on, lines, .. } => {
                let nets = join(lines.iter().map(|line| format!("{} gets {}", line.payee, line.amounts.payee_net)));
                format!("deal {deal} is completed on {completed_on}: {nets}")
            }
            deal::Event::Reversed { deal, reason, .. } => format!("deal {deal} is reversed: {reason}"),
        },
        Event::Cap(event) => match event {
            cap::Event::ProgrammeOpened { programme, currency, .. } => {
                format!("cap programme {programme} counts in {currency}; every plan that names it has its cap years")
            }
            cap::Event::OpeningBalanceSet { account, amount, reason, .. } => {
                format!("{}'s cap for {} opens with {amount}: {reason}", account.payee, account.year)
            }
            cap::Event::Contributed { account, deal, amount, limit } => {
                format!("deal {deal} puts {amount} towards {}'s cap of {limit} for {}", account.payee, account.year)
            }
            cap::Event::Reached { account, deal, limit } => {
                format!("with deal {deal} {}'s cap of {limit} for {} is reached", account.payee, account.year)
            }
            cap::Event::Reversed { account, deal, amount } => {
                format!("{}'s cap for {} gets {amount} back from deal {deal}", account.payee, account.year)
            }
        },
        Event::Account(event) => match event {
            account::Event::EntryBooked { payee, source: what, amount, .. } if amount.is_negative() => {
                format!("{payee} owes {}: {}", amount.negated(), source(what))
            }
            account::Event::EntryBooked { payee, source: what, amount, .. } => {
                format!("{amount} is payable to {payee}: {}", source(what))
            }
            account::Event::EntryReversed { payee, because, amount, .. } => {
                let because = match because {
                    Because::Deal(deal) => format!("deal {deal} was reversed before it was paid"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_percentages() {
        let shown = |rate: &str| percent(Rate::parse(rate).unwrap());
        assert_eq!(
            ["0.03", "1", "0", "0.025", "0.123456789012"].map(shown),
            ["3 %", "100 %", "0 %", "2.5 %", "12.3456789012 %"]
        );
    }
}
