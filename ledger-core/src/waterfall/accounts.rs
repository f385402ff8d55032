//! What deals count to: the accounts of caps and of attainments, as a deal finds them and as it leaves them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Member;
use super::document::{Bonus, Limit, Plan, PoolTerms};
use super::refuse::Rule;
use crate::calendar::{CapYear, CapYearRule};
use crate::id::{CapProgramme, PayeeId, PoolId, Text};
use crate::money::{Currency, Money, MoneyError};

/// What a contribution or an attainment counts to. Accounts are ordered by programme, payees before pools, name, year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The programme.
    pub programme: CapProgramme,
    /// Whose account.
    pub of: Owner,
    /// The year.
    pub year: CapYear,
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Owner {
    /// A payee's own.
    Payee(PayeeId),
    /// That of payees together.
    Pool(PoolId),
}

/// What a payee attained in a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attained {
    /// How many were sold.
    pub units: u64,
    /// The payee's parts.
    pub revenue: Money,
    /// What the payee had of them.
    pub accrued: Money,
    /// What the company had of them, before any cap was reached.
    pub company_dollar: Money,
}

impl Attained {
    /// Nothing yet.
    #[must_use]
    pub fn nothing(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { units: 0, revenue: zero, accrued: zero, company_dollar: zero }
    }

    /// Both together.
    ///
    /// # Errors
    /// [`MoneyError`] when they cannot be summed.
    pub fn plus(&self, other: &Self) -> Result<Self, MoneyError> {
        Ok(Self {
            units: self.units.checked_add(other.units).ok_or(MoneyError::Overflow)?,
            revenue: self.revenue.plus(other.revenue)?,
            accrued: self.accrued.plus(other.accrued)?,
            company_dollar: self.company_dollar.plus(other.company_dollar)?,
        })
    }

    /// This without the other.
    ///
    /// # Errors
    /// [`MoneyError`] when the other has more units, or the difference cannot be computed.
    pub fn minus(&self, other: &Self) -> Result<Self, MoneyError> {
        Ok(Self {
            units: self.units.checked_sub(other.units).ok_or(MoneyError::Overflow)?,
            revenue: self.revenue.minus(other.revenue)?,
            accrued: self.accrued.minus(other.accrued)?,
            company_dollar: self.company_dollar.minus(other.company_dollar)?,
        })
    }

    /// What is attained once a part of so many units is, too.
    pub(super) fn with(&self, part: Money, units: u32) -> Result<Self, Rule> {
        let units = self.units.checked_add(units.into()).ok_or(Rule::Overflow)?;
        Ok(Self { units, revenue: self.revenue.plus(part)?, ..*self })
    }

    /// What is attained once a split is, too. What the company loses by one does not count.
    pub(super) fn with_company_dollar(&self, amount: Money) -> Result<Self, Rule> {
        let company_dollar = if amount.is_positive() { self.company_dollar.plus(amount)? } else { self.company_dollar };
        Ok(Self { company_dollar, ..*self })
    }
}

/// Writes the payee's name, or `pool:` and that of the pool.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payee(payee) => payee.fmt(f),
            Self::Pool(pool) => f.pad(&format!("pool:{pool}")),
        }
    }
}

/// Looks up what was counted before a deal. What is not known counts from nothing.
pub trait Books {
    /// What was contributed to a cap.
    fn contributed(&self, account: &Account) -> Option<Money>;
    /// What was attained.
    fn attained(&self, account: &Account) -> Option<Attained>;
    /// What became of a bonus that a threshold of an attainment brings; none as long as no deal paid it, and where nothing says so.
    fn bonus(&self, _account: &Account, _name: &Text) -> Option<BonusState> {
        None
    }
}

/// What became of a bonus that is paid once a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BonusState {
    /// A deal paid it.
    Paid,
    /// The deal that paid it was reversed. The next deal that leaves the threshold met pays it.
    TakenBack,
}

/// A cap that a deal touched, whether or not anything counted to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// The account.
    pub account: Account,
    /// The limit in force.
    pub limit: Money,
    /// What was contributed before the deal.
    pub before: Money,
    /// What is contributed after it.
    pub after: Money,
}

/// An attainment that a deal touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The account.
    pub account: Account,
    /// What was attained before the deal.
    pub before: Attained,
    /// What is attained after it.
    pub after: Attained,
    /// Which bonuses of the plan earlier deals paid for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid: Vec<Text>,
    /// Which of them were taken back with the deal that paid them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<Text>,
    /// Which of them the deal pays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pays: Vec<Text>,
}

impl Progress {
    /// What had become of a bonus before the deal.
    #[must_use]
    pub fn bonus(&self, name: &Text) -> Option<BonusState> {
        if self.paid.contains(name) {
            Some(BonusState::Paid)
        } else {
            self.taken_back.contains(name).then_some(BonusState::TakenBack)
        }
    }
}

/// What is left under a limit: never below zero.
pub(crate) fn room(limit: Money, contributed: Money) -> Result<Money, MoneyError> {
    let room = limit.minus(contributed)?;
    mark!(ContributedAboveLimit, room.is_negative());
    Ok(if room.is_negative() && !planted!(NegativeRoom) { Money::zero(limit.currency()) } else { room })
}

impl Contribution {
    pub(super) fn room(&self) -> Result<Money, MoneyError> {
        room(self.limit, self.after)
    }

    pub(super) fn room_before(&self) -> Result<Money, MoneyError> {
        room(self.limit, self.before)
    }
}

/// A payee in a deal: its plan, and its places among the accounts that the deal touches.
pub(super) struct Seat<'a> {
    pub(super) member: Member<'a>,
    pub(super) caps: Vec<usize>,
    pub(super) royalty: Option<usize>,
    pub(super) fees: Vec<Option<usize>>,
    pub(super) attainment: Option<usize>,
    /// Whether the payee was on an earlier side of the deal.
    pub(super) been_here: bool,
    /// Which of the plan's fees that are charged once a deal were.
    pub(super) charged: Vec<bool>,
}

/// The accounts that a deal touches, and who has seats at them.
pub(super) struct Desk<'a, 'b> {
    books: &'b dyn Books,
    pub(super) seats: Vec<Seat<'a>>,
    pub(super) caps: Vec<Contribution>,
    /// What each of the caps was first said to be, if it is a pool's, and by which plan.
    terms: Vec<(Option<PoolTerms>, Plan<'a>)>,
    pub(super) attained: Vec<Progress>,
}

impl<'a, 'b> Desk<'a, 'b> {
    pub(super) fn new(books: &'b dyn Books) -> Self {
        Self { books, seats: Vec::new(), caps: Vec::new(), terms: Vec::new(), attained: Vec::new() }
    }

    /// The place of a payee's seat.
    pub(super) fn seat(&mut self, members: &[Member<'a>], payee: &PayeeId) -> Result<usize, Rule> {
        if let Some(place) = self.seats.iter().position(|seat| seat.member.payee == payee) {
            return Ok(place);
        }
        let member = members.iter().copied().find(|member| member.payee == payee);
        let member = member.ok_or_else(|| Rule::UnknownPayee { payee: payee.clone() })?;
        let document = member.plan.document();
        let caps = document.caps().iter().map(|cap| self.cap(&member, cap.limit())).collect::<Result<_, _>>()?;
        let royalty = document.royalty.as_ref().and_then(|royalty| royalty.cap.as_ref());
        let royalty = royalty.map(|cap| self.cap(&member, cap.limit())).transpose()?;
        let mut fees = Vec::with_capacity(document.fees.len());
        for fee in &document.fees {
            fees.push(fee.sub_cap.as_ref().map(|cap| self.cap(&member, cap.limit())).transpose()?);
        }
        let attainment = document.attainment.as_ref();
        let attainment = attainment.map(|a| self.attainment(&member, &a.programme, a.year)).transpose()?;
        let charged = vec![false; fees.len()];
        self.seats.push(Seat { member, caps, royalty, fees, attainment, been_here: false, charged });
        Ok(self.seats.len() - 1)
    }

    fn cap(&mut self, member: &Member<'a>, terms: Limit<'_>) -> Result<usize, Rule> {
        let account = member.account(&terms)?;
        if let Some(place) = self.caps.iter().position(|known| known.account == account) {
            return self.agree(place, &terms, member.plan).map(|()| place);
        }
        let limit = terms.in_force(account.year, member.joined_on, member.plan.document().rounding)?;
        let before = self.books.contributed(&account).unwrap_or(Money::zero(limit.currency()));
        limit.same_currency(before)?;
        self.caps.push(Contribution { account, limit, before, after: before });
        self.terms.push((member.plan.document().pool(&terms).map(|(_, terms)| terms), member.plan));
        Ok(self.caps.len() - 1)
    }

    /// Makes sure that two plans of one pool say the same of it.
    fn agree(&self, place: usize, terms: &Limit<'_>, plan: Plan<'_>) -> Result<(), Rule> {
        let Some((known, first)) = self.terms.get(place) else { return Ok(()) };
        if *known == plan.document().pool(terms).map(|(_, terms)| terms) {
            return Ok(());
        }
        mark!(PlansDisagree);
        let (first, second) = (first.id().clone(), plan.id().clone());
        Err(Rule::PlansDisagree { first, second, what: "the limit of their pool" })
    }

    fn attainment(&mut self, member: &Member<'_>, programme: &CapProgramme, year: CapYearRule) -> Result<usize, Rule> {
        let year = year.year_of(member.joined_on, member.day)?;
        let account = Account { programme: programme.clone(), of: Owner::Payee(member.payee.clone()), year };
        let nothing = Attained::nothing(member.plan.document().currency);
        let before = self.books.attained(&account).unwrap_or(nothing);
        let (mut paid, mut taken_back) = (Vec::new(), Vec::new());
        for Bonus { name, .. } in member.plan.document().once_a_year() {
            match self.books.bonus(&account, name) {
                Some(BonusState::Paid) => paid.push(name.clone()),
                Some(BonusState::TakenBack) => taken_back.push(name.clone()),
                None => {}
            }
        }
        self.attained.push(Progress { account, before, after: before, paid, taken_back, pays: Vec::new() });
        Ok(self.attained.len() - 1)
    }
}

impl Member<'_> {
    /// The account that a limit of the payee's plan is on.
    fn account(&self, limit: &Limit<'_>) -> Result<Account, Rule> {
        let year = limit.year.year_of(self.joined_on, self.day)?;
        Ok(Account { programme: limit.programme.clone(), of: limit.owner(self.payee), year })
    }
}
