//! A payout, from draft to payment.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::money::fits;
use super::{Asked, Entry, Ruling, Source, State, Step, Why, account, maybe};
use crate::act::{Act, Amount, Code, Text};

/// The most entries that one event claims.
const ENTRIES_PER_CLAIM: usize = 1_000;
/// The most payouts that one bulk approval names.
const PAYOUTS_PER_BULK: usize = 500;

/// A payout.
#[derive(Debug, Clone)]
pub struct Payout {
    /// Its identifier.
    pub id: String,
    /// Whom it pays.
    pub payee: String,
    /// What it pays.
    pub amount: Amount,
    /// Who made it.
    pub maker: String,
    /// Who approved it.
    pub approver: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// The last attempt; 0 before the first.
    pub attempt: u32,
    /// The attempt that paid it.
    pub paid_by: Option<u32>,
    /// The attempts of which late news came, and whether it is open.
    pub late: BTreeMap<u32, bool>,
    /// Whether its amount was set by hand.
    pub manual: bool,
    /// The places of its entries in the payee's account.
    pub entries: Vec<usize>,
    /// The deals that it pays for, by name, with `;` between them.
    pub deals: String,
    /// The plan versions that those were calculated under, by name, with `;` between them.
    pub plans: String,
    /// The period that it is filed under.
    pub period: Option<String>,
    /// Notes.
    pub notes: Option<String>,
    /// How it is paid, once that is known.
    pub method: Option<String>,
    /// The rail's key of the last attempt, or of the one that paid, or the number on the payment.
    pub reference: Option<String>,
    /// Why it failed, was rejected or was voided, while that is where it stands.
    pub reason: Option<String>,
    /// How many events its stream has.
    pub version: u64,
}

/// Where a payout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the ledger names them")]
pub enum Stage {
    Draft,
    PendingApproval,
    Approved,
    Processing,
    Paid,
    Failed,
    Rejected,
    Voided,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Voided => "voided",
        }
    }
}

impl Payout {
    /// The attempt of which late news is open, the earliest of them.
    #[must_use]
    pub fn late_news(&self) -> Option<u32> {
        self.late.iter().find(|(_, open)| **open).map(|(attempt, _)| *attempt)
    }
}

pub(super) fn judge(asked: Asked<'_>) -> Result<Ruling, Why> {
    match &asked.ask.act {
        Act::Create { payee, currency, through, period, notes } => {
            asked.model.payees.get(payee).ok_or(Why::Unknown)?;
            let currency = currency.unwrap_or(asked.settings.base);
            let account = asked.model.account(payee, currency);
            let entries: Vec<_> = account.into_iter().flat_map(|account| account.payable(*through)).collect();
            draft(asked, Ruling::on(asked.today), payee, currency, &entries, period, notes)
        }
        Act::CreateManual { payee, amount, reason, period } => {
            asked.settings.demand("manual_amounts")?;
            asked.settings.demand_currency(amount.1)?;
            asked.model.payees.get(payee).ok_or(Why::Unknown)?;
            let mut ruling = Ruling::on(asked.today);
            let place = asked.model.account(payee, amount.1).map_or(0, |account| account.entries.len());
            let id = asked.derive("entry", 0);
            let entry = Entry::new(id, payee.clone(), Source::Adjustment, None, *amount, asked.today);
            let source = format!(r#"{{"adjustment":{{"reason":{},"contra":"company"}}}}"#, Text(reason));
            ruling.book(entry.clone(), None, &source);
            draft(asked, ruling, payee, amount.1, &[(place, &entry)], period, &Some(reason.clone()))
        }
        Act::ApproveBulk { payouts, atomic } => approve_bulk(asked, payouts, *atomic),
        Act::Submit { payout }
        | Act::Approve { payout }
        | Act::Reject { payout, .. }
        | Act::Start { payout }
        | Act::Settle { payout, .. }
        | Act::Fail { payout, .. }
        | Act::ResolveLatePayment { payout, .. }
        | Act::RecordManualPayment { payout, .. }
        | Act::Void { payout, .. } => {
            let mut payout = asked.model.payouts.get(payout).ok_or(Why::Unknown)?.clone();
            let mut ruling = Ruling::on(asked.today);
            payout.take(asked, &mut ruling)?;
            ruling.step(Step::Payout(payout));
            Ok(ruling)
        }
        _ => Err(Why::Malformed),
    }
}

/// Makes a draft that claims entries.
fn draft(
    asked: Asked<'_>,
    mut ruling: Ruling,
    payee: &str,
    currency: Code,
    entries: &[(usize, &Entry)],
    period: &Option<String>,
    notes: &Option<String>,
) -> Result<Ruling, Why> {
    let sum = |entries: &[(usize, &Entry)]| fits(entries.iter().map(|(_, entry)| entry.amount).sum());
    let total = Amount(sum(entries)?, currency);
    if total.0 <= 0 {
        return Err(Why::WrongAmount);
    }
    let (id, maker, count) = (asked.derive("payout", 0), &asked.ask.actor, entries.len());
    for claimed in entries.chunks(ENTRIES_PER_CLAIM) {
        let ids: Vec<_> = claimed.iter().map(|(_, entry)| format!("\"{}\"", entry.id)).collect();
        let (ids, part) = (ids.join(","), Amount(sum(claimed)?, currency));
        let payload = format!(r#"{{"payee":"{payee}","payout":"{id}","entries":[{ids}],"amount":"{part}"}}"#);
        ruling.fact(account::stream(payee, currency), "account.entries_claimed", payload);
    }
    let manual = entries.iter().any(|(_, entry)| entry.source == Source::Adjustment);
    let adjustment = maybe("adjustment", entries.first().filter(|_| manual).map(|(_, entry)| entry.id.as_str()));
    let mut deals: Vec<_> = entries.iter().filter_map(|(_, entry)| entry.deal.as_deref()).collect();
    deals.sort_unstable();
    deals.dedup();
    let mut plans: Vec<_> = entries.iter().filter_map(|(_, entry)| entry.plan.as_ref()).collect();
    plans.sort_unstable();
    plans.dedup();
    let plans: Vec<_> = plans.into_iter().map(|(plan, version)| format!("{plan}/{version}")).collect();
    let payout = Payout {
        payee: payee.to_owned(),
        amount: total,
        maker: maker.clone(),
        approver: None,
        stage: Stage::Draft,
        attempt: 0,
        paid_by: None,
        late: BTreeMap::new(),
        manual,
        entries: entries.iter().map(|(place, _)| *place).collect(),
        deals: deals.join(";"),
        plans: plans.join(";"),
        period: period.clone(),
        notes: notes.clone(),
        method: None,
        reference: None,
        reason: None,
        version: 1,
        id,
    };
    let (id, period) = (&payout.id, maybe("period", period.as_ref()));
    let notes = notes.as_ref().map_or_else(String::new, |notes| format!(r#","notes":{}"#, Text(notes)));
    let labels = format!("{period}{notes}{adjustment}");
    let made = format!(r#""payee":"{payee}","amount":"{total}","entries":{count},"by":"{maker}"{labels}"#);
    ruling.fact(format!("payout/{id}"), "payout.created", format!(r#"{{"payout":"{id}",{made}}}"#));
    ruling.step(Step::Turn(account::stream(payee, currency), payout.entries.clone(), State::Claimed));
    ruling.step(Step::Payout(payout));
    Ok(ruling)
}

impl Payout {
    /// Takes the step that is asked, or says why not.
    fn take(&mut self, asked: Asked<'_>, ruling: &mut Ruling) -> Result<(), Why> {
        let by = &asked.ask.actor;
        match &asked.ask.act {
            Act::Submit { .. } => {
                self.demand(&[Stage::Draft])?;
                self.demand_maker(by)?;
                self.turn(ruling, Stage::PendingApproval, "payout.submitted", "");
            }
            Act::Approve { .. } => {
                self.may_approve(by).map_err(|(_, why)| why)?;
                self.approve(ruling, by);
            }
            Act::Reject { reason, .. } => {
                self.demand(&[Stage::PendingApproval])?;
                self.demand_other(by)?;
                self.end(asked, ruling, Stage::Rejected, "payout.rejected", reason)?;
            }
            Act::Start { .. } => {
                self.demand(&[Stage::Approved, Stage::Failed])?;
                self.demand_no_late_news()?;
                asked.settings.demand("rail_payments")?;
                self.attempt += 1;
                let (attempt, key) = (self.attempt, self.rail_key(self.attempt));
                let fields = format!(r#","attempt":{attempt},"rail_key":"{key}""#);
                self.turn(ruling, Stage::Processing, "payout.started", &fields);
                (self.method, self.reference, self.reason) = (Some("rail".to_owned()), Some(key), None);
            }
            Act::Settle { attempt, amount, .. } => {
                let open = self.stage == Stage::Processing && *attempt == self.attempt;
                if *attempt == 0 || *attempt > self.attempt {
                    return Err(Why::WrongState);
                }
                if *amount != self.amount {
                    return Err(Why::WrongAmount);
                }
                if self.paid_by == Some(*attempt) || self.late.contains_key(attempt) {
                    return Err(Why::AlreadyKnown);
                }
                if open {
                    self.pay_by_rail(ruling, *attempt);
                } else {
                    self.late.insert(*attempt, true);
                    let fields = format!(r#","attempt":{attempt},"amount":"{amount}""#);
                    self.turn(ruling, self.stage, "payout.late_payment_reported", &fields);
                }
            }
            Act::Fail { attempt, reason, .. } => {
                if *attempt != self.attempt {
                    return Err(Why::WrongState);
                }
                if self.stage == Stage::Failed {
                    return Err(Why::AlreadyKnown);
                }
                self.demand(&[Stage::Processing])?;
                let fields = format!(r#","attempt":{attempt},"reason":{}"#, Text(reason));
                self.turn(ruling, Stage::Failed, "payout.failed", &fields);
                self.reason = Some(reason.clone());
            }
            Act::ResolveLatePayment { attempt, accept, reason, .. } => {
                if self.late.get(attempt) != Some(&true) || (*accept && self.stage != Stage::Failed) {
                    return Err(Why::WrongState);
                }
                self.demand_other(by)?;
                self.late.insert(*attempt, false);
                let (resolution, reason) = (if *accept { "accept" } else { "dismiss" }, Text(reason));
                let fields =
                    format!(r#","attempt":{attempt},"resolution":"{resolution}","by":"{by}","reason":{reason}"#);
                self.turn(ruling, self.stage, "payout.late_payment_resolved", &fields);
                if *accept {
                    self.pay_by_rail(ruling, *attempt);
                }
            }
            Act::RecordManualPayment { method, reference, account, .. } => {
                let (a, r) = (account.to_ascii_lowercase(), reference.to_ascii_lowercase());
                let slot = format!("reference/{a}/{r}");
                if let Some(taken) = asked.model.references.get(&slot) {
                    return Err(if *taken == self.id { Why::AlreadyKnown } else { Why::Taken });
                }
                self.demand(&[Stage::Approved])?;
                asked.settings.demand("manual_payments")?;
                let number = format!(r#""reference":"{reference}","account":"{account}""#);
                self.pay(ruling, &format!(r#"{{"manual":{{"method":"{method}",{number}}}}}"#));
                (self.method, self.reference) = (Some((*method).to_owned()), Some(reference.clone()));
                let id = &self.id;
                let payload = format!(r#"{{"account":"{account}","reference":"{reference}","payout":"{id}"}}"#);
                ruling.fact(slot.clone(), "payout.reference_taken", payload);
                ruling.step(Step::Reference(slot, id.clone()));
            }
            Act::Void { reason, .. } => {
                self.demand(&[Stage::Draft, Stage::PendingApproval, Stage::Approved, Stage::Failed])?;
                self.demand_no_late_news()?;
                match self.stage {
                    Stage::Draft | Stage::PendingApproval => self.demand_maker(by)?,
                    _ => self.demand_other(by)?,
                }
                self.end(asked, ruling, Stage::Voided, "payout.voided", reason)?;
            }
            _ => return Err(Why::Malformed),
        }
        Ok(())
    }

    fn demand(&self, stages: &[Stage]) -> Result<(), Why> {
        if stages.contains(&self.stage) { Ok(()) } else { Err(Why::WrongState) }
    }

    fn demand_maker(&self, actor: &str) -> Result<(), Why> {
        if actor.eq_ignore_ascii_case(&self.maker) { Ok(()) } else { Err(Why::NotAllowed) }
    }

    /// Neither who made it nor who is paid by it decides.
    fn demand_other(&self, actor: &str) -> Result<(), Why> {
        let own = actor.eq_ignore_ascii_case(&self.maker) || actor.eq_ignore_ascii_case(&self.payee);
        if own { Err(Why::NotAllowed) } else { Ok(()) }
    }

    fn demand_no_late_news(&self) -> Result<(), Why> {
        if self.late_news().is_none() { Ok(()) } else { Err(Why::WrongState) }
    }

    fn rail_key(&self, attempt: u32) -> String {
        format!("{}-{attempt}", self.id)
    }

    /// Whether somebody may approve it; if not, as a bulk approval says it, and why.
    fn may_approve(&self, by: &str) -> Result<(), (String, Why)> {
        if self.stage != Stage::PendingApproval {
            return Err((format!(r#"{{"not_pending":"{}"}}"#, self.stage.as_str()), Why::WrongState));
        }
        let own = if by.eq_ignore_ascii_case(&self.maker) { "maker" } else { "payee" };
        self.demand_other(by).map_err(|why| (format!(r#""{own}_is_approver""#), why))
    }

    fn approve(&mut self, ruling: &mut Ruling, by: &str) {
        let fields = format!(r#","by":"{by}","amount":"{}""#, self.amount);
        self.turn(ruling, Stage::Approved, "payout.approved", &fields);
        self.approver = Some(by.to_owned());
    }

    /// Says what happened to it; `fields` follow its identifier.
    fn turn(&mut self, ruling: &mut Ruling, stage: Stage, type_name: &'static str, fields: &str) {
        let id = &self.id;
        ruling.fact(format!("payout/{id}"), type_name, format!(r#"{{"payout":"{id}"{fields}}}"#));
        (self.stage, self.version) = (stage, self.version + 1);
    }

    fn pay_by_rail(&mut self, ruling: &mut Ruling, attempt: u32) {
        self.pay(ruling, &format!(r#"{{"rail":{{"attempt":{attempt}}}}}"#));
        (self.paid_by, self.reference) = (Some(attempt), Some(self.rail_key(attempt)));
    }

    fn pay(&mut self, ruling: &mut Ruling, through: &str) {
        let fields = format!(r#","amount":"{}","through":{through}"#, self.amount);
        self.turn(ruling, Stage::Paid, "payout.paid", &fields);
        self.reason = None;
        self.turn_entries(ruling, State::Paid, "account.entries_paid");
    }

    /// Ends it unpaid: its entries are payable again, and an amount that was set by hand is taken back.
    fn end(
        &mut self,
        asked: Asked<'_>,
        ruling: &mut Ruling,
        stage: Stage,
        type_name: &'static str,
        reason: &str,
    ) -> Result<(), Why> {
        let fields = format!(r#","by":"{}","reason":{}"#, asked.ask.actor, Text(reason));
        self.turn(ruling, stage, type_name, &fields);
        self.reason = Some(reason.to_owned());
        self.turn_entries(ruling, State::Payable, "account.entries_released");
        if self.manual {
            let account = asked.model.account(&self.payee, self.amount.1).ok_or(Why::Unknown)?;
            for place in &self.entries {
                let entry = account.entries.get(*place).ok_or(Why::Unknown)?;
                ruling.take_back(entry, *place, &format!(r#"{{"payout":"{}"}}"#, self.id));
            }
        }
        Ok(())
    }

    fn turn_entries(&self, ruling: &mut Ruling, state: State, type_name: &'static str) {
        let Self { id, payee, amount, entries, .. } = self;
        let (stream, count) = (account::stream(payee, amount.1), entries.len());
        let payload = format!(r#"{{"payee":"{payee}","payout":"{id}","count":{count},"amount":"{amount}"}}"#);
        ruling.fact(stream.clone(), type_name, payload);
        ruling.step(Step::Turn(stream, entries.clone(), state));
    }
}

fn approve_bulk(asked: Asked<'_>, payouts: &[String], atomic: bool) -> Result<Ruling, Why> {
    let mut seen = FxHashSet::default();
    let payouts: Vec<_> = payouts.iter().filter(|payout| seen.insert(*payout)).collect();
    if payouts.is_empty() || payouts.len() > PAYOUTS_PER_BULK {
        return Err(Why::WrongCount);
    }
    let (by, mut ruling) = (&asked.ask.actor, Ruling::on(asked.today));
    let mut outcomes = Vec::with_capacity(payouts.len());
    for id in payouts {
        let known = asked.model.payouts.get(id).ok_or((r#""unknown""#.to_owned(), Why::Unknown));
        match known.and_then(|known| known.may_approve(by).map(|()| known)) {
            Ok(known) => {
                let mut payout = known.clone();
                payout.approve(&mut ruling, by);
                ruling.step(Step::Payout(payout));
                outcomes.push(format!(r#"{{"payout":"{id}"}}"#));
            }
            Err((_, why)) if atomic => return Err(why),
            Err((skipped, _)) => outcomes.push(format!(r#"{{"payout":"{id}","skipped":{skipped}}}"#)),
        }
    }
    let (bulk, outcomes) = (asked.derive("bulk", 0), outcomes.join(","));
    let payload = format!(r#"{{"bulk":"{bulk}","outcomes":[{outcomes}]}}"#);
    ruling.fact(format!("bulk/{bulk}"), "payout.bulk_approved", payload);
    Ok(ruling)
}
