//! The ledger as double-entry books: every event as balanced postings, and the balance of every account.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | a deal completes | commission receivable | each line's party: the company by kind, client, franchise, referrers, earnings clearing |
//! | an entry is booked | earnings clearing, the commissions of sales, or the party that bears an adjustment | payable to the payee |
//! | an entry is reversed | payable to the payee | where it was booked from |
//! | entries are claimed | payable to the payee | claimed by payouts |
//! | entries are released | claimed by payouts | payable to the payee |
//! | entries are paid | claimed by payouts | payment clearing |
//! | a payout is paid | payment clearing | the account that the money left from |
//!
//! A sale brings no commission in: what it pays is the company's expense, entry by entry.
//!
//! A reversed deal is the negation of the completed one. The debits of every event equal its credits, so all balances together
//! are always zero; and both clearing accounts are zero at every request's end: what a deal says was earned is what was booked,
//! and what a payout says was paid is what was settled.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Projection;
use super::sum::Sum;
use crate::account::{self, Because, Contra, Source};
use crate::deal::{self, Basis, Line, SideLines};
use crate::event::Event;
use crate::id::{DealId, PayeeId, PayerAccount, ReferrerId};
use crate::map::{Map, Small};
use crate::money::{Currency, Money};
use crate::payout::{self, Payment};
use crate::recorded::Recorded;
use crate::waterfall::{Kind, Party};

/// Half of a journal entry: an amount on one account, a debit above zero, a credit below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting<'a> {
    /// The account.
    pub account: Account<'a>,
    /// The amount, debits positive.
    pub amount: Money,
}

/// The side of an account on which an amount stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the left.
    Debit,
    /// On the right.
    Credit,
}

impl Posting<'_> {
    /// The side on which the amount stands.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.amount.is_negative() { Side::Credit } else { Side::Debit }
    }
}

/// An account of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account<'a> {
    /// What deals bring in, and what other houses pay for deals that they sent.
    CommissionReceivable,
    /// What the company has of deals, or bears, by the kind of line.
    Company(Kind),
    /// What sales pay.
    Commissions,
    /// What clients get back.
    Client,
    /// What the franchise has.
    Franchise,
    /// What a referrer outside has.
    Referrer(&'a ReferrerId),
    /// Between a deal and the entries that it earned; zero at every request's end.
    EarningsClearing,
    /// Between a payout and the entries that it pays; zero at every request's end.
    PaymentClearing,
    /// What a payee may be paid.
    Payable(&'a PayeeId),
    /// What payouts that are not paid yet have claimed.
    Claimed(&'a PayeeId),
    /// What left by the rail.
    Rail,
    /// What left from one account of the organization, outside any rail.
    Payer(&'a PayerAccount),
}

/// Writes the account's name in the books, such as `liabilities:payable:ann`.
impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommissionReceivable => f.write_str("assets:commission receivable"),
            Self::Company(kind) => f.write_str(company(*kind)),
            Self::Commissions => f.write_str("expenses:commissions"),
            Self::Client => f.write_str("liabilities:clients"),
            Self::Franchise => f.write_str("liabilities:franchise"),
            Self::Referrer(referrer) => write!(f, "liabilities:referrer:{referrer}"),
            Self::EarningsClearing => f.write_str("liabilities:clearing:earnings"),
            Self::PaymentClearing => f.write_str("liabilities:clearing:payments"),
            Self::Payable(payee) => write!(f, "liabilities:payable:{payee}"),
            Self::Claimed(payee) => write!(f, "liabilities:claimed:{payee}"),
            Self::Rail => f.write_str("assets:cash:rail"),
            Self::Payer(account) => write!(f, "assets:cash:account:{account}"),
        }
    }
}

fn company(kind: Kind) -> &'static str {
    match kind {
        Kind::CompanyDollar => "income:company dollar",
        Kind::PostCapCompany => "income:post-cap company",
        Kind::ReferralIn => "income:referrals",
        Kind::Fee => "income:fees",
        Kind::Mentee => "income:mentees",
        Kind::Bonus => "expenses:bonuses",
        Kind::Override => "expenses:overrides",
        Kind::Adjustment => "expenses:adjustments",
        // Lines of other parties, which the company has in no deal.
        Kind::Concession | Kind::ReferralOut | Kind::Royalty | Kind::Share => "income:other",
    }
}

/// The deals that are sales, which pay from another account than others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sales(BTreeSet<DealId>);

impl Sales {
    /// Takes a sale in, if that is what was registered.
    pub fn apply(&mut self, event: &Event) {
        if let Event::Deal(deal::Event::Registered { deal, basis: Basis::Sale(_), .. }) = event {
            self.0.insert(deal.clone());
        }
    }

    /// From where the entries of a deal are booked.
    fn source(&self, deal: &DealId) -> Account<'static> {
        if self.0.contains(deal) { Account::Commissions } else { Account::EarningsClearing }
    }
}

/// The postings of an event, none of zero. They sum to zero.
#[must_use]
pub fn post<'a>(event: &'a Event, sales: &Sales) -> Vec<Posting<'a>> {
    let mut postings = Vec::new();
    each_posting(event, sales, |posting| postings.push(posting));
    postings
}

/// Tells the postings of an event one by one, none of zero. They sum to zero.
pub fn each_posting<'a>(event: &'a Event, sales: &Sales, mut tell: impl FnMut(Posting<'a>)) {
    let mut debit = |account, amount: Money| {
        if !amount.is_zero() {
            tell(Posting { account, amount });
        }
    };
    match event {
        Event::Deal(deal::Event::Completed(completion)) => {
            earn(&completion.sides, |account, amount| debit(account, amount.negated()));
        }
        Event::Deal(deal::Event::Reversed { sides, .. }) => earn(sides, debit),
        Event::Account(event) => {
            let (from, to, amount) = match event {
                account::Event::EntryBooked { payee, source, amount, .. } => {
                    let from = match source {
                        Source::Commission { deal } | Source::Clawback { deal, .. } => sales.source(deal),
                        Source::Adjustment { contra: Contra::Company, .. } => Account::Company(Kind::Adjustment),
                    };
                    (from, Account::Payable(payee), amount)
                }
                account::Event::EntryReversed { payee, because, amount, .. } => {
                    let to = match because {
                        Because::Deal(deal) => sales.source(deal),
                        Because::Payout(_) => Account::Company(Kind::Adjustment),
                    };
                    (Account::Payable(payee), to, amount)
                }
                account::Event::EntriesClaimed { payee, amount, .. } => {
                    (Account::Payable(payee), Account::Claimed(payee), amount)
                }
                account::Event::EntriesReleased { payee, amount, .. } => {
                    (Account::Claimed(payee), Account::Payable(payee), amount)
                }
                account::Event::EntriesPaid { payee, amount, .. } => {
                    (Account::Claimed(payee), Account::PaymentClearing, amount)
                }
            };
            debit(from, *amount);
            debit(to, amount.negated());
        }
        Event::Payout(payout::Event::Paid { amount, through, .. }) => {
            let cash = match through {
                Payment::Rail { .. } => Account::Rail,
                Payment::Manual { account, .. } => Account::Payer(account),
            };
            debit(Account::PaymentClearing, *amount);
            debit(cash, amount.negated());
        }
        Event::Deal(
            deal::Event::Registered { .. }
            | deal::Event::Attributed { .. }
            | deal::Event::Touched { .. }
            | deal::Event::Credited(_)
            | deal::Event::Recredited(_)
            | deal::Event::Collected { .. },
        )
        | Event::Model(_)
        | Event::Rates(_)
        | Event::Spend(_)
        | Event::Customer(_)
        | Event::Payout(
            payout::Event::Created { .. }
            | payout::Event::Submitted { .. }
            | payout::Event::Approved { .. }
            | payout::Event::Rejected { .. }
            | payout::Event::Started { .. }
            | payout::Event::Failed { .. }
            | payout::Event::Voided { .. }
            | payout::Event::LatePaymentReported { .. }
            | payout::Event::LatePaymentResolved { .. }
            | payout::Event::ReferenceTaken { .. }
            | payout::Event::BulkApproved { .. },
        )
        | Event::Settings(_)
        | Event::Payee(_)
        | Event::Plan(_)
        | Event::Cap(_)
        | Event::Attainment(_) => {}
    }
}

/// Who has what of a deal, and who owes that.
fn earn<'a>(sides: &'a [SideLines], mut tell: impl FnMut(Account<'a>, Money)) {
    let lines = || sides.iter().flat_map(|side| &side.lines);
    // Lines that cannot be summed are of no deal that was calculated: their debits are then not their credits.
    let whole = sides.first().and_then(|side| Money::sum(side.gci.currency(), lines().map(|line| line.amount)).ok());
    whole.into_iter().for_each(|whole| tell(Account::CommissionReceivable, whole.negated()));
    for Line { party, kind, amount, .. } in lines() {
        let account = match party {
            Party::Company => Account::Company(*kind),
            Party::Client => Account::Client,
            Party::Franchise => Account::Franchise,
            Party::Referrer(referrer) => Account::Referrer(referrer),
            Party::Payee(_) => Account::EarningsClearing,
        };
        tell(account, *amount);
    }
}

/// The balance of every account, debits positive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    company: Small<Currency, Company>,
    payees: Map<PayeeId, Small<Currency, Liabilities>>,
    payers: Map<PayerAccount, Small<Currency, Sum>>,
    sales: Sales,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Company {
    commission_receivable: Sum,
    company: Small<Kind, Sum>,
    commissions: Sum,
    client: Sum,
    franchise: Sum,
    referrers: Small<ReferrerId, Sum>,
    earnings_clearing: Sum,
    payment_clearing: Sum,
    rail: Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Liabilities {
    payable: Sum,
    claimed: Sum,
}

/// One account's balance in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance<'a> {
    /// The account.
    pub account: Account<'a>,
    /// The currency.
    pub currency: Currency,
    /// What stands on it, debits positive.
    pub balance: Sum,
}

impl Journal {
    /// The balance of every account that was posted to, by account and currency.
    #[must_use]
    pub fn balances(&self) -> Vec<Balance<'_>> {
        let mut all = Vec::new();
        let mut tell = |account, currency: &Currency, balance: Sum| {
            if !balance.is_zero() {
                all.push(Balance { account, currency: *currency, balance });
            }
        };
        for (currency, company) in self.company.iter() {
            tell(Account::CommissionReceivable, currency, company.commission_receivable);
            company.company.iter().for_each(|(kind, sum)| tell(Account::Company(*kind), currency, *sum));
            tell(Account::Commissions, currency, company.commissions);
            tell(Account::Client, currency, company.client);
            tell(Account::Franchise, currency, company.franchise);
            company.referrers.iter().for_each(|(referrer, sum)| tell(Account::Referrer(referrer), currency, *sum));
            tell(Account::EarningsClearing, currency, company.earnings_clearing);
            tell(Account::PaymentClearing, currency, company.payment_clearing);
            tell(Account::Rail, currency, company.rail);
        }
        for (payee, liabilities) in self.payees.sorted() {
            for (currency, Liabilities { payable, claimed }) in liabilities.iter() {
                tell(Account::Payable(payee), currency, *payable);
                tell(Account::Claimed(payee), currency, *claimed);
            }
        }
        for (account, sums) in self.payers.sorted() {
            sums.iter().for_each(|(currency, sum)| tell(Account::Payer(account), currency, *sum));
        }
        all.sort_by(|a, b| (a.account, a.currency).cmp(&(b.account, b.currency)));
        all
    }

    /// All balances together, by currency. Anything but zero is an error in the books.
    #[must_use]
    pub fn trial_balance(&self) -> Vec<(Currency, Sum)> {
        let mut sums = Small::<Currency, Sum>::default();
        for Balance { currency, balance, .. } in self.balances() {
            sums.update(&currency, |sum| *sum = sum.plus(balance));
        }
        sums.iter().map(|(currency, sum)| (*currency, *sum)).collect()
    }

    /// What stands on the clearing accounts. Anything at all, at a request's end, is an error in the books.
    #[must_use]
    pub fn uncleared(&self) -> Option<Balance<'static>> {
        self.company.iter().find_map(|(currency, company)| {
            let clearing = [
                (Account::EarningsClearing, company.earnings_clearing),
                (Account::PaymentClearing, company.payment_clearing),
            ];
            let (account, balance) = clearing.into_iter().find(|(_, balance)| !balance.is_zero())?;
            Some(Balance { account, currency: *currency, balance })
        })
    }

    fn post(&mut self, Posting { account, amount }: Posting<'_>) {
        let currency = amount.currency();
        match account {
            Account::Payable(payee) => return self.owe(payee, amount, |liabilities| &mut liabilities.payable),
            Account::Claimed(payee) => return self.owe(payee, amount, |liabilities| &mut liabilities.claimed),
            Account::Payer(account) => {
                return self.payers.update(account, |sums| sums.update(&currency, |sum| sum.add(amount)));
            }
            _ => {}
        }
        self.company.update(&currency, |company| match account {
            Account::CommissionReceivable => company.commission_receivable.add(amount),
            Account::Company(kind) => company.company.update(&kind, |sum| sum.add(amount)),
            Account::Commissions => company.commissions.add(amount),
            Account::Client => company.client.add(amount),
            Account::Franchise => company.franchise.add(amount),
            Account::Referrer(referrer) => company.referrers.update(referrer, |sum| sum.add(amount)),
            Account::EarningsClearing => company.earnings_clearing.add(amount),
            Account::PaymentClearing => company.payment_clearing.add(amount),
            Account::Rail => company.rail.add(amount),
            Account::Payable(_) | Account::Claimed(_) | Account::Payer(_) => {}
        });
    }

    fn owe(&mut self, payee: &PayeeId, amount: Money, field: fn(&mut Liabilities) -> &mut Sum) {
        self.payees.update(payee, |currencies| {
            currencies.update(&amount.currency(), |liabilities| field(liabilities).add(amount));
        });
    }
}

impl Projection for Journal {
    const NAME: &'static str = "journal";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        self.sales.apply(&recorded.event);
        let mut postings = Vec::new();
        each_posting(&recorded.event, &self.sales, |posting| postings.push(posting));
        postings.into_iter().for_each(|posting| self.post(posting));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::projection::replay::fold;
    use crate::projection::testing::{Books, TWO_SIDES};

    fn balances(books: &Books) -> Vec<String> {
        let journal = fold::<Journal>(&books.events);
        let line = |of: Balance<'_>| format!("{} {}", of.account, of.balance.show(of.currency));
        journal.balances().into_iter().map(line).collect()
    }

    #[test]
    fn a_deal_is_booked_claimed_and_paid_account_by_account() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "60000.00 USD", &["amy"], "2026-02-01");
        books.deal("d-2", "1000.00 USD", &["amy"], "2026-02-02");
        let payout = books.payout("amy", "2026-02-03");
        let company = ["income:company dollar -15000.00", "income:fees -250.00"];
        let receivable = "assets:commission receivable 61000.00";
        assert_eq!(balances(&books), [receivable, company[0], company[1], "liabilities:claimed:amy -45750.00"]);
        books.pay(payout, "2026-02-04");
        assert_eq!(balances(&books), [receivable, company[0], company[1], "assets:cash:account:main -45750.00"]);
        books.ask("ann", "2026-02-05", r#"{"deal.reverse":{"deal":"d-2","reason":"refunded"}}"#);
        let left = ["liabilities:payable:amy 750.00", "assets:cash:account:main -45750.00"];
        assert_eq!(balances(&books), ["assets:commission receivable 60000.00", company[0], left[0], left[1]]);
    }

    #[test]
    fn an_adjustment_is_borne_by_the_company() {
        let mut books = Books::with_two_payees();
        let manual = r#"{"payout.create_manual":{"payee":"bo","amount":"12.34 USD","reason":"bonus"}}"#;
        books.ask("ann", "2026-02-01", manual);
        assert_eq!(balances(&books), ["expenses:adjustments 12.34", "liabilities:claimed:bo -12.34"]);
        let booked = post(&books.events[books.events.len() - 3].event, &Sales::default());
        assert_eq!(booked.iter().map(Posting::side).collect::<Vec<_>>(), [Side::Debit, Side::Credit]);
    }

    #[test]
    fn an_adjustment_that_is_taken_back_leaves_its_contra_party_as_it_was() {
        let mut books = Books::with_two_payees();
        let balances = |books: &Books| {
            let journal = fold::<Journal>(&books.events);
            let all = journal.balances().into_iter().filter(|of| !of.balance.is_zero());
            all.map(|of| (of.account.to_string(), of.balance.minor())).collect::<Vec<_>>()
        };
        let manual = r#"{"payout.create_manual":{"payee":"amy","amount":"50.00 USD","reason":"bonus"}}"#;
        books.ask("ann", "2026-01-06", manual);
        let claimed = ("liabilities:claimed:amy".to_owned(), -5_000);
        assert_eq!(balances(&books), [("expenses:adjustments".to_owned(), 5_000), claimed]);
        let payout = books.last_payout();
        books.move_payout("ann", "2026-01-07", "void", payout, r#","reason":"typo""#);
        assert_eq!(balances(&books), []);
    }

    /// Each party's part stands on its own account, and a reversal leaves nothing anywhere.
    #[test]
    fn every_party_of_a_deal_has_its_account() {
        let mut books = Books::with_two_payees();
        books.with_a_team();
        let record =
            format!(r#"{{"deal.record_sides":{{"deal":"t-1","sides":{TWO_SIDES},"completed_on":"2026-02-01"}}}}"#);
        books.ask("ann", "2026-02-01", &record);
        let balances = |books: &Books| {
            let journal = fold::<Journal>(&books.events);
            let line = |of: Balance<'_>| format!("{} {}", of.account, of.balance.show(of.currency));
            journal.balances().into_iter().map(line).collect::<Vec<_>>()
        };
        let accounts: Vec<_> =
            balances(&books).iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        let expected = [
            "assets:commission receivable",
            "income:referrals",
            "income:company dollar",
            "income:fees",
            "income:mentees",
            "expenses:bonuses",
            "expenses:overrides",
            "expenses:adjustments",
            "liabilities:clients",
            "liabilities:franchise",
            "liabilities:referrer:joe",
            "liabilities:payable:amy",
            "liabilities:payable:bo",
            "liabilities:payable:el",
            "liabilities:payable:fy",
        ];
        assert_eq!(accounts, expected);
        books.ask("ann", "2026-02-02", r#"{"deal.reverse":{"deal":"t-1","reason":"withdrawn"}}"#);
        assert_eq!(balances(&books), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn debits_equal_credits_and_nothing_is_left_in_clearing_at_a_requests_end(seed: u64) {
            let books = Books::random(seed, 100);
            let mut journal = Journal::default();
            for recorded in &books.events {
                let mut sum = 0;
                each_posting(&recorded.event, &Sales::default(), |posting| sum += posting.amount.minor());
                prop_assert_eq!(sum, 0);
                journal.apply(recorded);
                prop_assert!(journal.trial_balance().iter().all(|(_, sum)| sum.is_zero()));
                if recorded.sequence == recorded.request.last_sequence {
                    prop_assert_eq!(journal.uncleared(), None);
                }
            }
        }
    }
}
