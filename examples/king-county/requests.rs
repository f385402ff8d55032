//! What the office asks of the ledger. Every key is made of the data, so that a second run sends the same requests.

use chrono::{NaiveTime, TimeDelta};
use ledger_core::Date;
use ledger_core::attribution::Attribution;
use ledger_core::calendar::Zone;
use ledger_core::command::{Command, Request};
use ledger_core::deal;
use ledger_core::id::{Actor, Key, PayeeId, PayoutId, PlanId, Text};
use ledger_core::money::Currency;
use ledger_core::rate::Rate;
use ledger_core::settings::{self, Capability};
use ledger_core::waterfall::Gci;
use ledger_core::{payee, payout, plan};

use crate::sales::Sale;

pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Who makes payouts; somebody else must approve them.
const MAKER: &str = "ann";
const APPROVER: &str = "ben";
const PLAN: &str = "king-county";
const PLAN_DOCUMENT: &str = r#"{
    "currency": "USD",
    "zone": "America/Los_Angeles",
    "split": {"flat": {"payee": "0.7", "company": "0.3"}},
    "cap": {"caps": [{"programme": "king-county", "limit": "15000.00 USD", "year": {"calendar": {"month": 1, "day": 1}}}]},
    "fees": [{"name": "after the cap", "timing": "post_cap", "amount": {"flat": "250.00 USD"}}]
}"#;

fn request(key: &str, actor: &str, day: Date, command: impl Into<Command>) -> Result<Request> {
    // Around noon in Seattle, whatever the season.
    let at = day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(20);
    Ok(Request { key: Key::new(key)?, actor: Actor::new(actor)?, at, command: command.into() })
}

/// Opens the ledger and publishes the plan.
pub fn opening(day: Date) -> Result<Vec<Request>> {
    let open = settings::Command::Open {
        base_currency: Currency::of("USD")?,
        zone: Zone::of("America/Los_Angeles")?,
        capabilities: vec![Capability::ManualPayments],
    };
    let publish = plan::Command::Publish { plan: PlanId::new(PLAN)?, document: serde_json::from_str(PLAN_DOCUMENT)? };
    Ok(vec![request("open", MAKER, day, open)?, request("plan", MAKER, day, publish)?])
}

/// Enrols the payee of its first sale, under the plan from that day on.
pub fn enrolment(first: &Sale) -> Result<Vec<Request>> {
    let Sale { closed_on, payee, .. } = first;
    let enrol =
        payee::Command::Enrol { payee: payee.clone(), name: Text::new(payee.as_str())?, joined_on: Some(*closed_on) };
    let assign = payee::Command::Assign {
        payee: payee.clone(),
        plan: PlanId::new(PLAN)?,
        version: 1,
        from: *closed_on,
        until: None,
    };
    Ok(vec![
        request(&format!("enrol-{payee}"), MAKER, *closed_on, enrol)?,
        request(&format!("assign-{payee}"), MAKER, *closed_on, assign)?,
    ])
}

/// Records a sale: all of it is the payee's deal, with a commission of 3 %.
pub fn deal(sale: &Sale) -> Result<Request> {
    let record = deal::Command::Record {
        deal: sale.deal.clone(),
        gci: Gci::OfPrice { price: sale.price, rate: Rate::parse("0.03")? },
        attribution: Attribution::Equal(vec![sale.payee.clone()]),
        completed_on: sale.closed_on,
    };
    request(sale.deal.as_str(), MAKER, sale.closed_on, record)
}

/// A month that is being paid, on the day of its last sale.
#[derive(Clone, Copy)]
pub struct PayRun<'a> {
    pub month: &'a str,
    pub day: Date,
}

impl PayRun<'_> {
    /// A payout of all that is payable to a payee.
    pub fn create(self, payee: &PayeeId) -> Result<Request> {
        let create = payout::Command::Create {
            payee: payee.clone(),
            currency: None,
            through: None,
            period: Some(self.month.parse()?),
            notes: None,
        };
        request(&format!("create-{}-{payee}", self.month), MAKER, self.day, create)
    }

    /// Its submission.
    pub fn submit(self, payout: PayoutId) -> Result<Request> {
        request(&format!("submit-{payout}"), MAKER, self.day, payout::Command::Submit { payout })
    }

    /// The approval of many, all or none. `part` tells the approvals of a month apart.
    pub fn approve(self, part: usize, payouts: &[PayoutId]) -> Result<Request> {
        let approve = payout::Command::ApproveBulk { payouts: payouts.to_vec(), atomic: true };
        request(&format!("approve-{}-{part}", self.month), APPROVER, self.day, approve)
    }

    /// Its payment by cheque, whose number is its own.
    pub fn pay(self, payout: PayoutId) -> Result<Request> {
        let pay = payout::Command::RecordManualPayment {
            payout,
            method: "cheque".parse()?,
            reference: format!("{}-{payout}", self.month).parse()?,
            account: "operating".parse()?,
        };
        request(&format!("pay-{payout}"), MAKER, self.day, pay)
    }
}
