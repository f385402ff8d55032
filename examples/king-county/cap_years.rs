//! What every payee did in every cap year. A projection is this and no more: a state, and how an event changes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::Datelike;
use ledger_core::cap::{self, CapAccount};
use ledger_core::deal::{self, Line};
use ledger_core::event::Event;
use ledger_core::id::PayeeId;
use ledger_core::money::{Currency, Money};
use ledger_core::projection::{Projection, sum::Sum};
use ledger_core::recorded::Recorded;
use serde::{Deserialize, Serialize};

/// By payee and the calendar year in which the cap year begins.
#[derive(Default, Serialize, Deserialize)]
pub struct CapYears(BTreeMap<PayeeId, BTreeMap<i32, CapYear>>);

#[derive(Default, Serialize, Deserialize)]
struct CapYear {
    deals: i64,
    gci: Sum,
    company_dollar: Sum,
    contributed: Sum,
    post_cap_fees: Sum,
    payee_net: Sum,
}

impl Projection for CapYears {
    const NAME: &'static str = "cap_years";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::Deal(deal::Event::Completed { lines, .. }) => self.earn(lines, 1, Sum::add),
            // What a deal was taken back with is what it had come to, so it is undone in the same cap year.
            Event::Deal(deal::Event::Reversed { lines, .. }) => self.earn(lines, -1, Sum::take),
            Event::Cap(cap::Event::OpeningBalanceSet { account, amount, .. })
            | Event::Cap(cap::Event::Contributed { account, amount, .. }) => {
                self.year(account).contributed.add(*amount)
            }
            Event::Cap(cap::Event::Reversed { account, amount, .. }) => self.year(account).contributed.take(*amount),
            _ => {}
        }
    }
}

impl CapYears {
    fn year(&mut self, account: &CapAccount) -> &mut CapYear {
        self.0.entry(account.payee.clone()).or_default().entry(account.year.start.year()).or_default()
    }

    fn earn(&mut self, lines: &[Line], deals: i64, count: fn(&mut Sum, Money)) {
        for line in lines {
            let (Some(cap), amounts) = (&line.cap, &line.amounts) else { continue };
            let year = self.year(&cap.account);
            year.deals += deals;
            count(&mut year.gci, amounts.base);
            count(&mut year.company_dollar, amounts.company_dollar);
            count(&mut year.company_dollar, amounts.post_cap_company);
            count(&mut year.post_cap_fees, amounts.post_cap_fee);
            count(&mut year.payee_net, amounts.payee_net);
        }
    }

    /// Writes the years that have deals as CSV.
    pub fn write(&self, currency: Currency, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "payee,cap_year,deals,gci,company_dollar,contributed,post_cap_fees,payee_net")?;
        for (payee, years) in &self.0 {
            for (start, year) in years.iter().filter(|(_, year)| year.deals > 0) {
                write!(out, "{payee},{start},{}", year.deals)?;
                for sum in [year.gci, year.company_dollar, year.contributed, year.post_cap_fees, year.payee_net] {
                    write!(out, ",{}", sum.show(currency))?;
                }
                writeln!(out)?;
            }
        }
        out.flush()
    }
}
