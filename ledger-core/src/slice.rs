//! The part of a ledger that a decision reads: folded streams, each with its tip.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::attainment::{self, Attainment};
use crate::cap::{self, Cap, Programme};
use crate::customer::{self, Customer};
use crate::deal::{self, Deal};
use crate::decide::{Misfit, Undecided};
use crate::event::Event;
use crate::id::{CapProgramme, CustomerId, DealId, LedgerName, ModelId, PayeeId, PayoutId, PlanId, RatesId};
use crate::model::{self, Model};
use crate::money::Currency;
use crate::payee::{self, Payee};
use crate::payout::{self, Payout};
use crate::plan::{self, Plan};
use crate::rates::{self, Rates};
use crate::settings::{self, Settings};
use crate::spend::{self, Spend};
use crate::stream::{StreamId, Tip};
use crate::waterfall;

/// The folded streams that a decision may read. Asking for one that is not here says so; it is never "not found".
#[derive(Debug, Clone)]
pub struct Slice {
    ledger: LedgerName,
    streams: BTreeMap<StreamId, Folded>,
}

/// A stream folded up to its tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Where the fold ends.
    pub tip: Tip,
    /// What it came to.
    pub state: State,
}

/// The version of the form in which states are serialised. A change of any state makes a new one, and so does a change of how
/// any event is folded: a snapshot that was taken before holds what the event came to then.
pub const STATE_FORM: u32 = 4;

/// The state of a stream, by what the stream is of. Equal states are serialised to equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// The settings, once the ledger is open.
    Settings(Option<Settings>),
    /// A payee, once enrolled.
    Payee(Option<Payee>),
    /// A plan, once published.
    Plan(Option<Plan>),
    /// A model, once published.
    Model(Option<Model>),
    /// A rate plan, once published.
    Rates(Option<Rates>),
    /// A deal, once registered.
    Deal(Option<Deal>),
    /// A programme, once a plan has named it.
    Programme(Option<Programme>),
    /// A cap account.
    Cap(Cap),
    /// An attainment.
    Attainment(Attainment),
    /// Spend accounts.
    Spend(Spend),
    /// A customer.
    Customer(Customer),
    /// A payee's account.
    Account(Account),
    /// A payout, once created.
    Payout(Option<Payout>),
    /// The payout that has a reference, once it is taken.
    Reference(Option<PayoutId>),
    /// A bulk approval.
    Bulk,
}

impl Folded {
    /// A stream that holds nothing yet.
    #[must_use]
    pub fn empty(stream: &StreamId) -> Self {
        let state = match stream {
            StreamId::Settings => State::Settings(None),
            StreamId::Payee(_) => State::Payee(None),
            StreamId::Plan(_) => State::Plan(None),
            StreamId::Model(_) => State::Model(None),
            StreamId::Rates(_) => State::Rates(None),
            StreamId::Deal(_) => State::Deal(None),
            StreamId::Programme(_) => State::Programme(None),
            StreamId::Cap { .. } | StreamId::Pool { .. } => State::Cap(Cap::default()),
            StreamId::Attainment { .. } => State::Attainment(Attainment::default()),
            StreamId::Spend { .. } => State::Spend(Spend::default()),
            StreamId::Customer { .. } => State::Customer(Customer::default()),
            StreamId::Account { .. } => State::Account(Account::default()),
            StreamId::Payout(_) => State::Payout(None),
            StreamId::Reference { .. } => State::Reference(None),
            StreamId::Bulk(_) => State::Bulk,
        };
        Self { tip: Tip::EMPTY, state }
    }

    /// Folds one more event in.
    ///
    /// # Errors
    /// [`Misfit`] when the event cannot follow what the stream holds; the state is then of no use.
    pub fn evolve(&mut self, event: &Event, tip: Tip) -> Result<(), Misfit> {
        if tip.version != self.tip.version.saturating_add(1) && !planted!(GapFolded) {
            return Err(Misfit("versions have no gap"));
        }
        evolve(&mut self.state, event)?;
        self.tip = tip;
        Ok(())
    }
}

/// Folds one event into the state of its stream.
///
/// # Errors
/// [`Misfit`] when the event cannot follow what the stream holds; the state is then of no use.
pub fn evolve(state: &mut State, event: &Event) -> Result<(), Misfit> {
    match (state, event) {
        (State::Settings(state), Event::Settings(event)) => settings::evolve(state, event),
        (State::Payee(state), Event::Payee(event)) => payee::evolve(state, event),
        (State::Plan(state), Event::Plan(event)) => plan::evolve(state, event),
        (State::Model(state), Event::Model(event)) => model::evolve(state, event),
        (State::Rates(state), Event::Rates(event)) => rates::evolve(state, event),
        (State::Deal(state), Event::Deal(event)) => deal::evolve(state, event),
        (State::Programme(state), Event::Cap(event)) => cap::evolve_programme(state, event),
        (State::Cap(state), Event::Cap(event)) => cap::evolve(state, event),
        (State::Attainment(state), Event::Attainment(event)) => attainment::evolve(state, event),
        (State::Spend(state), Event::Spend(event)) => spend::evolve(state, event),
        (State::Customer(state), Event::Customer(event)) => customer::evolve(state, event),
        (State::Account(state), Event::Account(event)) => account::evolve(state, event),
        (State::Payout(state), Event::Payout(event)) => payout::evolve(state, event),
        (State::Reference(state), Event::Payout(event)) => payout::evolve_reference(state, event),
        (State::Bulk, Event::Payout(event)) => payout::evolve_bulk(event),
        _ => Err(Misfit("the event is not of this stream")),
    }
}

impl Slice {
    /// A slice of a ledger that holds nothing.
    #[must_use]
    pub fn new(ledger: LedgerName) -> Self {
        Self { ledger, streams: BTreeMap::new() }
    }

    /// The ledger that it is of.
    #[must_use]
    pub fn ledger(&self) -> &LedgerName {
        &self.ledger
    }

    /// Puts a stream in, in place of what was there.
    pub fn insert(&mut self, stream: StreamId, folded: Folded) {
        self.streams.insert(stream, folded);
    }

    /// The streams that it holds, each with its fold.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamId, &Folded)> {
        self.streams.iter()
    }

    /// A stream, to fold more events into.
    pub fn get_mut(&mut self, stream: &StreamId) -> Option<&mut Folded> {
        self.streams.get_mut(stream)
    }

    /// Takes everything out.
    pub fn into_streams(self) -> impl Iterator<Item = (StreamId, Folded)> {
        self.streams.into_iter()
    }

    /// Asks for several streams at once, so that they are loaded at once; each is named once.
    pub(crate) fn require(&self, streams: impl IntoIterator<Item = StreamId>) -> Result<(), Undecided> {
        let missing: BTreeSet<_> = streams.into_iter().filter(|stream| !self.streams.contains_key(stream)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Undecided::Needs(missing.into_iter().collect())) }
    }

    fn state(&self, stream: StreamId) -> Result<&State, Undecided> {
        match self.streams.get(&stream) {
            Some(folded) => Ok(&folded.state),
            None => Err(Undecided::Needs(vec![stream])),
        }
    }

    pub(crate) fn find_settings(&self) -> Result<Option<&Settings>, Undecided> {
        match self.state(StreamId::Settings)? {
            State::Settings(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn find_payee(&self, payee: &PayeeId) -> Result<Option<&Payee>, Undecided> {
        match self.state(StreamId::Payee(payee.clone()))? {
            State::Payee(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn payee(&self, payee: &PayeeId) -> Result<&Payee, Undecided> {
        let unknown = || payee::Rejection::Unknown { payee: payee.clone() }.into();
        self.find_payee(payee)?.ok_or_else(unknown)
    }

    pub(crate) fn find_plan(&self, plan: &PlanId) -> Result<Option<&Plan>, Undecided> {
        match self.state(StreamId::Plan(plan.clone()))? {
            State::Plan(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn plan(&self, plan: &PlanId) -> Result<&Plan, Undecided> {
        let unknown = || plan::Rejection::Unknown { name: plan.clone() }.into();
        self.find_plan(plan)?.ok_or_else(unknown)
    }

    pub(crate) fn find_model(&self, model: &ModelId) -> Result<Option<&Model>, Undecided> {
        match self.state(StreamId::Model(model.clone()))? {
            State::Model(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn model(&self, model: &ModelId) -> Result<&Model, Undecided> {
        let unknown = || model::Rejection::Unknown { name: model.clone() }.into();
        self.find_model(model)?.ok_or_else(unknown)
    }

    pub(crate) fn find_rates(&self, rates: &RatesId) -> Result<Option<&Rates>, Undecided> {
        match self.state(StreamId::Rates(rates.clone()))? {
            State::Rates(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn rates(&self, rates: &RatesId) -> Result<&Rates, Undecided> {
        let unknown = || rates::Rejection::Unknown { name: rates.clone() }.into();
        self.find_rates(rates)?.ok_or_else(unknown)
    }

    pub(crate) fn find_deal(&self, deal: &DealId) -> Result<Option<&Deal>, Undecided> {
        match self.state(StreamId::Deal(deal.clone()))? {
            State::Deal(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn deal(&self, deal: &DealId) -> Result<&Deal, Undecided> {
        let unknown = || deal::Rejection::Unknown { deal: deal.clone() }.into();
        self.find_deal(deal)?.ok_or_else(unknown)
    }

    pub(crate) fn programme(&self, programme: &CapProgramme) -> Result<Option<&Programme>, Undecided> {
        match self.state(StreamId::Programme(programme.clone()))? {
            State::Programme(state) => Ok(state.as_ref()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn cap(&self, account: &waterfall::Account) -> Result<&Cap, Undecided> {
        match self.state(cap::stream(account))? {
            State::Cap(state) => Ok(state),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn attainment(&self, account: &waterfall::Account) -> Result<&Attainment, Undecided> {
        match self.state(attainment::stream(account))? {
            State::Attainment(state) => Ok(state),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn spend(&self, account: &spend::Account) -> Result<&Spend, Undecided> {
        match self.state(spend::stream(account))? {
            State::Spend(state) => Ok(state),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn customer(&self, customer: &CustomerId, payee: &PayeeId) -> Result<&Customer, Undecided> {
        match self.state(StreamId::Customer { customer: customer.clone(), payee: payee.clone() })? {
            State::Customer(state) => Ok(state),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn account(&self, payee: &PayeeId, currency: Currency) -> Result<&Account, Undecided> {
        match self.state(StreamId::Account { payee: payee.clone(), currency })? {
            State::Account(state) => Ok(state),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn payout(&self, payout: PayoutId) -> Result<&Payout, Undecided> {
        match self.state(StreamId::Payout(payout))? {
            State::Payout(Some(state)) => Ok(state),
            State::Payout(None) => Err(payout::Rejection::Unknown { payout }.into()),
            _ => Err(WRONG_STATE.into()),
        }
    }

    pub(crate) fn reference(&self, slot: &StreamId) -> Result<Option<PayoutId>, Undecided> {
        match self.state(slot.clone())? {
            State::Reference(state) => Ok(*state),
            _ => Err(WRONG_STATE.into()),
        }
    }
}

const WRONG_STATE: Misfit = Misfit("the stream was folded as another kind");
