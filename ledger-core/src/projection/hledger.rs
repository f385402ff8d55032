//! The books in the plain text format of hledger, which anybody can open with free tools and add up again.
//!
//! ```text
//! 2026-02-01 * deal.completed  ; sequence:12, key:close-1, actor:ann
//!     assets:commission receivable    10000.00 USD
//!     income:company dollar           -3000.00 USD
//!     liabilities:clearing:earnings   -7000.00 USD
//! ```

use std::fmt;

use super::audit::Action;
use super::journal::{Sales, post};
use crate::recorded::Recorded;

/// Writes one event as a transaction; nothing if it moves no money. `sales` are those of the events before.
///
/// # Errors
/// What the writer answers.
pub fn write(to: &mut impl fmt::Write, sales: &mut Sales, recorded: &Recorded) -> fmt::Result {
    sales.apply(&recorded.event);
    let postings = post(&recorded.event, sales);
    if postings.is_empty() {
        return Ok(());
    }
    let (request, action) = (&recorded.request, Action::of(&recorded.event).as_str());
    let (day, sequence) = (recorded.effective, recorded.sequence);
    writeln!(to, "{day} * {action}  ; sequence:{sequence}, key:{}, actor:{}", request.key, request.actor)?;
    for posting in postings {
        // Two blanks end the name of an account.
        writeln!(to, "    {:<40}  {:>24}", posting.account.to_string(), posting.amount)?;
    }
    writeln!(to)
}

#[cfg(test)]
mod tests {
    use crate::projection::testing::Books;

    #[test]
    fn an_event_that_moves_money_is_a_transaction() {
        let mut books = Books::with_two_payees();
        let before = books.events.len();
        books.deal("d-1", "1000.00 USD", &["amy"], "2026-02-01");
        let (mut text, mut sales) = (String::new(), super::Sales::default());
        books.events[before..].iter().for_each(|recorded| super::write(&mut text, &mut sales, recorded).unwrap());
        let expected = "\
2026-02-01 * deal.completed  ; sequence:10, key:k7, actor:ann
    assets:commission receivable                           1000.00 USD
    income:company dollar                                  -300.00 USD
    liabilities:clearing:earnings                          -700.00 USD

2026-02-01 * account.entry_booked  ; sequence:12, key:k7, actor:ann
    liabilities:clearing:earnings                           700.00 USD
    liabilities:payable:amy                                -700.00 USD

";
        assert_eq!(text, expected);
    }
}
