//! How far each payee and each pool is towards each cap, in each cap year.
//!
//! A contribution moves a cap when its deal completes and moves it back, in the same cap year, when the deal is reversed. What
//! a payee pays as a fee for deals after the cap does not contribute; it is shown beside the first of its own caps.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::Projection;
use super::plans::Plans;
use super::sum::Sum;
use crate::calendar::CapYear;
use crate::deal::{self, Completion, Line};
use crate::event::Event;
use crate::id::DealId;
use crate::map::Map;
use crate::money::Money;
use crate::recorded::Recorded;
use crate::waterfall::{Account, CapOf, Kind, Owner, Party, Timing};
use crate::{Date, cap};

/// The progress of every cap account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caps {
    accounts: Map<Key, Progress>,
    plans: Plans,
    /// The fees of deals after the cap, which their reversal takes back.
    fees: Map<DealId, Vec<(Account, Sum)>>,
}

/// The progress of one payee, or of a pool, towards one cap in one cap year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The limit that was last in force.
    pub limit: Money,
    /// What was taken over from elsewhere.
    pub opening: Sum,
    /// The opening balance and the contributions, less the reversals.
    pub contributed: Sum,
    /// The fees of deals after the cap, less those of deals that were reversed.
    pub post_cap_fees: Sum,
    /// How the cap was reached, while it is.
    pub capped_at: Option<Capped>,
    /// The sequence of the last event that changed it.
    pub sequence: u64,
}

/// The moment at which a cap was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capped {
    /// The deal that reached it; none if it was the opening balance.
    pub deal: Option<DealId>,
    /// The business day.
    pub on: Date,
    /// When that was recorded.
    pub at: DateTime<Utc>,
}

/// A cap account as a key: written as one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key(Account);

impl Progress {
    fn new(limit: Money, sequence: u64) -> Self {
        let zero = Sum::ZERO;
        Self { limit, opening: zero, contributed: zero, post_cap_fees: zero, capped_at: None, sequence }
    }

    /// What is left under the limit, never below zero.
    #[must_use]
    pub fn room(&self) -> Sum {
        Sum::from(self.limit).minus(self.contributed).max(Sum::ZERO)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        planted!(CappedOnlyAbove => crate::planted::is_above(self), self.room().is_zero())
    }

    /// The part of the limit that is contributed, from 0 to 1, cut after six decimals: it is 1 only when the cap is reached.
    ///
    /// ```
    /// # use ledger_core::{money::Money, projection::{caps::Progress, sum::Sum}};
    /// # let usd = |text: &str| Money::parse(text).unwrap();
    /// # let progress = |limit: &str, contributed: &str| Progress {
    /// #     limit: usd(limit), opening: Sum::ZERO, contributed: usd(contributed).into(),
    /// #     post_cap_fees: Sum::ZERO, capped_at: None, sequence: 0,
    /// # };
    /// assert_eq!(progress("15000 USD", "11250 USD").fraction(), "0.75");
    /// assert_eq!(progress("15000 USD", "14999.99 USD").fraction(), "0.999999");
    /// assert_eq!(progress("0 USD", "0 USD").fraction(), "1");
    /// ```
    #[must_use]
    pub fn fraction(&self) -> String {
        const MILLION: i128 = 1_000_000;
        if self.is_capped() {
            return "1".to_owned();
        }
        // Cannot wrap: what is contributed is here less than the limit, which is less than 2^63.
        let parts = self.contributed.minor().max(0) * MILLION / i128::from(self.limit.minor());
        let text = format!("0.{parts:06}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Contributes; `deal` is none for an opening balance.
    fn contribute(&mut self, amount: Money, deal: Option<&DealId>, recorded: &Recorded) {
        self.contributed.add(amount);
        if self.is_capped() && self.capped_at.is_none() {
            let (on, at) = (recorded.effective, recorded.request.recorded_at);
            self.capped_at = Some(Capped { deal: deal.cloned(), on, at });
        }
    }

    fn give_back(&mut self, amount: Money) {
        self.contributed.take(amount);
        self.reopen();
    }

    /// A cap that has room, again or under a higher limit, is not reached.
    fn reopen(&mut self) {
        if !self.is_capped() {
            self.capped_at = None;
        }
    }
}

impl Caps {
    /// Every account's progress, by cap, payee or pool, and cap year.
    #[must_use]
    pub fn progress(&self) -> Vec<(&Account, &Progress)> {
        self.accounts.sorted().into_iter().map(|(account, progress)| (&account.0, progress)).collect()
    }

    /// The progress of one account, if it ever met a deal or an opening balance.
    #[must_use]
    pub fn of(&self, account: &Account) -> Option<&Progress> {
        self.accounts.get(account)
    }

    /// Changes an account under the limit in force.
    fn under(&mut self, account: &Account, limit: Money, sequence: u64, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.accounts.get_mut(account) {
            (progress.limit, progress.sequence) = (limit, sequence);
            progress.reopen();
            return change(progress);
        }
        let mut progress = Progress::new(limit, sequence);
        change(&mut progress);
        self.accounts.insert(Key(account.clone()), progress);
    }

    fn cap(&mut self, recorded: &Recorded, event: &cap::Event) {
        let sequence = recorded.sequence;
        match event {
            cap::Event::OpeningBalanceSet { account, amount, limit, .. } => {
                self.under(account, *limit, sequence, |progress| {
                    progress.opening.add(*amount);
                    planted!(OpeningTwice => progress.contributed.add(*amount));
                    progress.contribute(*amount, None, recorded);
                });
            }
            cap::Event::Contributed { account, deal, amount, limit } => {
                self.under(account, *limit, sequence, |progress| progress.contribute(*amount, Some(deal), recorded));
            }
            cap::Event::Reversed { .. } if planted!(ReversalIgnored) => {}
            cap::Event::Reversed { account, amount, .. } => {
                let Some(progress) = self.accounts.get_mut(account) else { return };
                progress.sequence = sequence;
                progress.give_back(*amount);
            }
            // The contribution before it has said so; an account begins with its first deal.
            cap::Event::Reached { .. } | cap::Event::ProgrammeOpened { .. } | cap::Event::PoolOpened { .. } => {}
        }
    }

    fn completed(&mut self, sequence: u64, completion: &Completion) {
        for met in &completion.caps {
            self.under(&met.account, met.limit, sequence, |_| {});
        }
        let fees = self.fees_after_cap(completion);
        for (account, fee) in &fees {
            let Some(progress) = self.accounts.get_mut(account) else { continue };
            progress.post_cap_fees = progress.post_cap_fees.plus(*fee);
        }
        if !fees.is_empty() {
            self.fees.insert(completion.deal.clone(), fees);
        }
    }

    /// What each sharer paid as fees for deals after the cap, with the first of its own caps.
    fn fees_after_cap(&self, completion: &Completion) -> Vec<(Account, Sum)> {
        let mut fees = Vec::new();
        for in_force in &completion.plans {
            let Some(version) = self.plans.version(&in_force.plan, in_force.version) else { continue };
            let own = self.plans.caps_met(completion, in_force).find(|(cap, _)| cap.of == CapOf::Payee);
            let Some((_, met)) = own else { continue };
            let is_paid = |line: &&Line| {
                let after_cap = version.document.fees.iter().filter(|fee| fee.timing == Timing::PostCap);
                line.kind == Kind::Fee
                    && line.of.as_ref() == Some(&in_force.payee)
                    && line.party == Party::Payee(in_force.payee.clone())
                    && after_cap.into_iter().any(|fee| line.name.as_ref() == Some(&fee.name))
            };
            let lines = completion.sides.iter().flat_map(|side| &side.lines).filter(is_paid);
            let paid = lines.fold(Sum::ZERO, |paid, line| paid.minus(line.amount.into()));
            if !paid.is_zero() {
                fees.push((met.account.clone(), paid));
            }
        }
        fees
    }

    fn reversed(&mut self, sequence: u64, deal: &DealId) {
        for (account, fee) in self.fees.remove(deal).into_iter().flatten() {
            let Some(progress) = self.accounts.get_mut(&account) else { continue };
            progress.sequence = sequence;
            progress.post_cap_fees = progress.post_cap_fees.minus(fee);
        }
    }
}

impl Projection for Caps {
    const NAME: &'static str = "caps";
    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::Cap(event) => self.cap(recorded, event),
            Event::Deal(deal::Event::Completed(completion)) => self.completed(recorded.sequence, completion),
            Event::Deal(deal::Event::Reversed { deal, .. }) => self.reversed(recorded.sequence, deal),
            Event::Plan(event) => self.plans.apply(event),
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
            | Event::Settings(_)
            | Event::Payee(_)
            | Event::Attainment(_)
            | Event::Account(_)
            | Event::Payout(_) => {}
        }
    }
}

impl Borrow<Account> for Key {
    fn borrow(&self) -> &Account {
        &self.0
    }
}

/// Writes `main/ann/2026-01-01/2027-01-01`: the cap, the payee, the first day, the day after the last; of a pool with `/pool/` before
/// its name.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Account { programme, of, year } = &self.0;
        match of {
            Owner::Payee(payee) => {
                serializer.collect_str(&format_args!("{programme}/{payee}/{}/{}", year.start, year.end))
            }
            Owner::Pool(pool) => {
                serializer.collect_str(&format_args!("{programme}/pool/{pool}/{}/{}", year.start, year.end))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read_key(&text).map(Self).ok_or_else(|| de::Error::custom(format_args!("{text:?} is not a cap account")))
    }
}

fn read_key(text: &str) -> Option<Account> {
    let parts: Vec<&str> = text.split('/').collect();
    let (programme, of, start, end) = match *parts.as_slice() {
        [programme, payee, start, end] => (programme, Owner::Payee(payee.parse().ok()?), start, end),
        [programme, "pool", pool, start, end] => (programme, Owner::Pool(pool.parse().ok()?), start, end),
        _ => return None,
    };
    let year = CapYear { start: start.parse().ok()?, end: end.parse().ok()? };
    Some(Account { programme: programme.parse().ok()?, of, year })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::replay::{AsOf, fold};
    use crate::projection::testing::{Books, CAPPED};

    fn amy(books: &Books) -> Progress {
        let caps = fold::<Caps>(&books.events);
        let found = caps.progress().into_iter().find(|(account, _)| account.of == Owner::Payee("amy".parse().unwrap()));
        found.unwrap().1.clone()
    }

    #[test]
    fn a_cap_fills_is_reached_takes_fees_and_gives_room_back() {
        let mut books = Books::with_two_payees();
        let opening =
            r#"{"cap.set_opening_balance":{"payee":"amy","on":"2026-01-02","amount":"8200 USD","reason":"moved"}}"#;
        books.ask("ann", "2026-01-02", opening);
        books.deal("d-1", "10000.00 USD", &["amy"], "2026-02-01");
        let progress = amy(&books);
        assert_eq!((progress.opening.minor(), progress.contributed.minor()), (820_000, 1_120_000));
        assert_eq!((progress.room().minor(), progress.fraction().as_str()), (380_000, "0.746666"));
        assert_eq!(progress.capped_at, None);

        books.deal("d-2", "30000.00 USD", &["amy"], "2026-02-02");
        books.deal("d-3", "10000.00 USD", &["amy"], "2026-02-03");
        let progress = amy(&books);
        assert_eq!((progress.contributed.minor(), progress.post_cap_fees.minor()), (1_500_000, 25_000));
        assert_eq!(progress.fraction(), "1");
        let capped = progress.capped_at.unwrap();
        assert_eq!((capped.deal.unwrap().as_str(), capped.on.to_string().as_str()), ("d-2", "2026-02-02"));

        books.ask("ann", "2026-02-04", r#"{"deal.reverse":{"deal":"d-1","reason":"fell through"}}"#);
        books.ask("ann", "2026-02-04", r#"{"deal.reverse":{"deal":"d-3","reason":"fell through"}}"#);
        let progress = amy(&books);
        assert_eq!((progress.room().minor(), progress.post_cap_fees.minor()), (300_000, 0));
        assert_eq!((&progress.capped_at, progress.fraction().as_str()), (&None, "0.8"));
    }

    /// A plan has no day of its own: the fees of a deal that is dated back are those of a plan that was published after its day.
    #[test]
    fn what_is_read_as_of_a_day_knows_the_plans_of_deals_that_are_dated_back() {
        let mut books = Books::with_two_payees();
        for (deal, gci) in [("d-1", "60000 USD"), ("d-2", "1000 USD")] {
            let rest = r#""attribution":{"equal":["amy"]},"completed_on":"2025-12-30""#;
            let record = format!(r#"{{"deal.record":{{"deal":"{deal}","gci":{{"amount":"{gci}"}},{rest}}}}}"#);
            books.ask("ann", "2026-01-02", &record);
        }
        let as_of = AsOf { recorded: None, effective: Some("2025-12-31".parse().unwrap()) };
        books.events.retain(|recorded| as_of.includes(recorded));
        assert_eq!(amy(&books).post_cap_fees.minor(), 25_000);
        let before = AsOf { recorded: Some("2025-12-31T00:00:00Z".parse().unwrap()), effective: None };
        assert!(!books.events.iter().any(|recorded| before.includes(recorded)));
    }

    /// A deal that contributes nothing can raise the limit all the same: the cap then has room and says no more that it is reached.
    #[test]
    fn a_cap_that_is_reached_has_room_again_under_a_higher_limit() {
        let mut books = Books::with_two_payees();
        books.deal("d-1", "50000.00 USD", &["amy"], "2026-02-01");
        assert!(amy(&books).capped_at.is_some());
        let higher = CAPPED.replace("15000 USD", "20000 USD");
        books.ask("ann", "2026-03-01", &format!(r#"{{"plan.publish":{{"plan":"sales","document":{higher}}}}}"#));
        books.ask("ann", "2026-03-01", r#"{"payee.end_assignment":{"payee":"amy","until":"2026-03-01"}}"#);
        let assign = r#"{"payee":"amy","plan":"sales","version":2,"from":"2026-03-01"}"#;
        books.ask("ann", "2026-03-01", &format!(r#"{{"payee.assign":{assign}}}"#));
        books.deal("d-2", "0.00 USD", &["amy"], "2026-03-02");
        let progress = amy(&books);
        assert_eq!((progress.room().minor(), progress.capped_at), (500_000, None));
        books.deal("d-3", "50000.00 USD", &["amy"], "2026-03-03");
        assert_eq!(amy(&books).capped_at.unwrap().deal.unwrap().as_str(), "d-3");
    }

    #[test]
    fn a_cap_account_is_read_back_from_its_key_or_refused() {
        for key in ["\"main/amy/2026-01-01/2027-01-01\"", "\"main/pool/amy/2026-01-01/2027-01-01\""] {
            let account: Key = serde_json::from_str(key).unwrap();
            assert_eq!(serde_json::to_string(&account).unwrap(), key);
        }
        for bad in [
            "\"\"",
            "\"main/amy/2026-01-01\"",
            "\"main/amy/2026-01-01/2027-01-01/x\"",
            "\"main/a y/2026-01-01/2027-01-01\"",
            "\"main/team/amy/2026-01-01/2027-01-01\"",
        ] {
            assert!(serde_json::from_str::<Key>(bad).is_err(), "{bad}");
        }
    }
}
