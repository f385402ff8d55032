//! What every payee did in every cap year. A projection is this and no more: a state, and how an event changes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::Datelike;
use ledger_core::cap;
use ledger_core::deal::{self, Completion, SideLines};
use ledger_core::event::Event;
use ledger_core::id::{DealId, PayeeId};
use ledger_core::money::{Currency, Money};
use ledger_core::projection::{Projection, sum::Sum};
use ledger_core::recorded::Recorded;
use ledger_core::waterfall::{Account, Kind, Owner};
use serde::{Deserialize, Serialize};

/// By payee and the calendar year in which the cap year begins.
#[derive(Default, Serialize, Deserialize)]
pub struct CapYears {
    payees: BTreeMap<PayeeId, BTreeMap<i32, CapYear>>,
    /// The account that each deal counts to; here every deal is one payee's.
    deals: BTreeMap<DealId, Account>,
}

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
            Event::Deal(deal::Event::Completed(Completion { deal, sides, caps, .. })) => {
                let Some(met) = caps.first() else { return };
                self.deals.insert(deal.clone(), met.account.clone());
                self.earn(&met.account, sides, 1, Sum::add);
            }
            // What a deal was taken back with is what it had come to, so it is undone in the same cap year.
            Event::Deal(deal::Event::Reversed { deal, sides, .. }) => {
                let Some(account) = self.deals.remove(deal) else { return };
                self.earn(&account, sides, -1, Sum::take);
            }
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
    fn year(&mut self, Account { of, year, .. }: &Account) -> &mut CapYear {
        let Owner::Payee(payee) = of else { unreachable!("the plan has no pool") };
        self.payees.entry(payee.clone()).or_default().entry(year.start.year()).or_default()
    }

    fn earn(&mut self, account: &Account, sides: &[SideLines], deals: i64, count: fn(&mut Sum, Money)) {
        let year = self.year(account);
        year.deals += deals;
        for side in sides {
            count(&mut year.gci, side.gci);
            for line in &side.lines {
                match (line.kind, line.amount.is_negative()) {
                    (Kind::CompanyDollar | Kind::PostCapCompany, _) => count(&mut year.company_dollar, line.amount),
                    // A fee has two lines: the payee's, below zero, and the company's.
                    (Kind::Fee, true) => count(&mut year.payee_net, line.amount),
                    (Kind::Fee, false) => count(&mut year.post_cap_fees, line.amount),
                    _ => count(&mut year.payee_net, line.amount),
                }
            }
        }
    }

    /// Writes the years that have deals as CSV.
    pub fn write(&self, currency: Currency, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "payee,cap_year,deals,gci,company_dollar,contributed,post_cap_fees,payee_net")?;
        for (payee, years) in &self.payees {
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
