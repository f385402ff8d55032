//! The one way by which anything changes: a request and a slice of the ledger become events, or a reason why not.

use std::fmt;

use thiserror::Error;

use crate::calendar::{CalendarError, in_range};
use crate::command::{Command, Request};
use crate::event::Event;
use crate::id::EntryId;
use crate::money::MoneyError;
use crate::settings::{self, Settings};
use crate::slice::Slice;
use crate::stream::StreamId;
use crate::{Date, attainment, attribution, cap, credit, deal, model, payee, payout, plan, rates, waterfall};

/// What is decided: at least one event, each with the stream that it belongs to, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The business day of the events.
    pub effective: Date,
    /// The events.
    pub events: Vec<(StreamId, Event)>,
}

impl Decision {
    pub(crate) fn with(mut self, stream: StreamId, event: impl Into<Event>) -> Self {
        self.events.push((stream, event.into()));
        self
    }

    pub(crate) fn effective(self, day: Date) -> Self {
        Self { effective: day, ..self }
    }
}

/// Why there is no decision.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecided {
    /// The decision reads streams that the slice does not hold. Load them and decide again.
    #[error("the decision needs {0:?}")]
    Needs(Vec<StreamId>),
    /// The answer is no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The slice holds a history that cannot be: stop and verify the ledger.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Why a request is refused. It has changed nothing; it is decided anew when it is sent again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// It is in the ledger already, under another key. Importers count it as done.
    #[error("{0} is already known, under another key")]
    AlreadyKnown(String),
    /// By the settings.
    #[error(transparent)]
    Settings(#[from] settings::Rejection),
    /// By a payee.
    #[error(transparent)]
    Payee(#[from] payee::Rejection),
    /// By a plan.
    #[error(transparent)]
    Plan(#[from] plan::Rejection),
    /// By a model.
    #[error(transparent)]
    Model(#[from] model::Rejection),
    /// By a rate plan.
    #[error(transparent)]
    Rates(#[from] rates::Rejection),
    /// By a deal.
    #[error(transparent)]
    Deal(#[from] deal::Rejection),
    /// By an attribution.
    #[error(transparent)]
    Attribution(#[from] attribution::Rejection),
    /// By a plan document, or by the calculation of a deal.
    #[error(transparent)]
    Waterfall(#[from] waterfall::Rejection),
    /// By a model's or rate plan's document, or by the calculation of a sale.
    #[error(transparent)]
    Credit(#[from] credit::refuse::Rejection),
    /// By a cap account.
    #[error(transparent)]
    Cap(#[from] cap::Rejection),
    /// By an attainment.
    #[error(transparent)]
    Attainment(#[from] attainment::Rejection),
    /// By a payout.
    #[error(transparent)]
    Payout(#[from] payout::Rejection),
    /// The amounts cannot be computed with.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The dates cannot be computed with.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

impl Undecided {
    pub(crate) fn already_known(what: fmt::Arguments<'_>) -> Self {
        Rejection::AlreadyKnown(what.to_string()).into()
    }
}

macro_rules! rejected_by {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Undecided {
            fn from(error: $error) -> Self {
                Self::Rejected(error.into())
            }
        }
    )+};
}
rejected_by!(
    settings::Rejection,
    payee::Rejection,
    plan::Rejection,
    model::Rejection,
    rates::Rejection,
    deal::Rejection,
    attribution::Rejection,
    waterfall::Rejection,
    credit::refuse::Rejection,
    cap::Rejection,
    attainment::Rejection,
    payout::Rejection,
    MoneyError,
    CalendarError,
);

/// An event that cannot follow what its stream holds. A ledger that was only ever written by this library has none; one that
/// has is damaged, and is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the history of the stream cannot be: {0}")]
pub struct Misfit(pub(crate) &'static str);

/// What every decision has before it.
pub(crate) struct Context<'a> {
    pub slice: &'a Slice,
    pub request: &'a Request,
    pub settings: &'a Settings,
    /// The day of the request in the ledger's zone.
    pub today: Date,
}

impl Context<'_> {
    /// A decision for today, without events yet.
    pub fn decision(&self) -> Decision {
        Decision { effective: self.today, events: Vec::new() }
    }

    /// The identifier of the `index`-th entry that the request creates.
    pub fn new_entry(&self, index: u32) -> EntryId {
        EntryId::derive(self.slice.ledger(), &self.request.key, index)
    }
}

/// Decides a request on a slice. Pure: the same slice and request give the same decision, for ever.
///
/// Start with an empty slice; load what [`Undecided::Needs`] names and decide again, until there is an answer. Everything that
/// the decision read is then in the slice, with its tip, and nothing else is.
///
/// # Errors
/// [`Undecided`]: what is missing, why not, or what is damaged.
pub fn decide(slice: &Slice, request: &Request) -> Result<Decision, Undecided> {
    let settings = slice.find_settings()?;
    if let Command::Settings(command) = &request.command
        && let Some((zone, opened)) = command.open(settings)?
    {
        let effective = in_range(zone.local_date(request.at))?;
        return Ok(Decision { effective, events: Vec::new() }.with(StreamId::Settings, opened));
    }
    let settings = settings.ok_or(settings::Rejection::NotOpen)?;
    let today = in_range(settings.zone().local_date(request.at))?;
    let context = Context { slice, request, settings, today };
    let decision = match &request.command {
        Command::Settings(command) => command.decide(&context),
        Command::Payee(command) => command.decide(&context),
        Command::Plan(command) => command.decide(&context),
        Command::Model(command) => command.decide(&context),
        Command::Rates(command) => command.decide(&context),
        Command::Deal(command) => command.decide(&context),
        Command::Cap(command) => command.decide(&context),
        Command::Attainment(command) => command.decide(&context),
        Command::Payout(command) => command.decide(&context),
    }?;
    in_range(decision.effective)?;
    Ok(decision)
}
