//! What can go wrong, how often it does in this run, and how often it did.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use crate::choice::Choices;

macro_rules! faults {
    ($($fault:ident $label:literal, $what:literal;)+) => {
        /// A kind of fault. Its label is `F` and a number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $what] $fault,)+
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$fault),+];

            /// Its label.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$fault => $label,)+ }
            }

            /// What happens.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$fault => $what,)+ }
            }
        }
    };
}

faults! {
    Refused "F1", "a call is refused before it is sent";
    Transient "F2", "the store gives up on a call: a conflict of transactions, a lock, a timeout of its own";
    ReplyLost "F3", "a request is stored and the reply is lost";
    RequestLost "F4", "a request is lost on the way and the client waits in vain";
    Zombie "F5", "a request that the client has given up on arrives long after";
    Twice "F6", "a request is delivered twice";
    StaleRead "F7", "a read sees the ledger as it was a little earlier";
    Fork "F8", "a process sees one ledger frozen while others go on";
    Sabotage "F9", "the store tears a request, loses an event or stores one twice";
    Crash "F10", "a process is killed with requests in flight, and started again";
    LostSuffix "F11", "the store comes back without the last requests, keys and all";
    Clock "F12", "the store's clock jumps, forward or back";
    NoSnapshot "F13", "a process starts without snapshots, or with old ones";
    BadSnapshot "F14", "a snapshot is damaged, of another ledger, of a newer form or ahead of the log";
    Poison "F15", "a read model fails or panics on an event";
    RunnerCrash "F16", "the projection runner is killed, or finds an older checkpoint";
    Feed "F17", "a page of the feed has a gap, a repetition or requests in another order";
    Storm "F18", "several clients ask about the same thing at once";
    AtRest "F19", "a byte, a row or the head is changed at rest";
    Alien "F20", "an event of a newer program is in the log";
    Limits "F21", "pages, groups, queues and caches are as small as can be";
    Heal "F22", "everything works again, and everyone must finish";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// How many kinds there are.
pub const KINDS: usize = Fault::ALL.len();

/// Which faults strike in a run, how hard, and how often they struck.
pub struct Faults {
    state: Mutex<State>,
}

struct State {
    /// How often in 1,000 chances; 0 is never.
    intensity: [u32; KINDS],
    /// What is drawn like the others, so that nothing else shifts, and does not strike.
    without: Vec<Fault>,
    /// How many may strike at all, in an exhaustive run.
    budget: Option<u32>,
    healed: bool,
    hits: [u64; KINDS],
    story: Option<Vec<(Duration, String)>>,
}

impl Faults {
    /// Nothing ever goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::with([0; KINDS], Vec::new(), None)
    }

    /// At most so many faults of these kinds, wherever the choices put them.
    #[must_use]
    pub fn at_most(budget: u32, of: &[Fault]) -> Self {
        let mut intensity = [0; KINDS];
        intensity.iter_mut().zip(Fault::ALL).for_each(|(on, fault)| *on = u32::from(of.contains(fault)));
        Self::with(intensity, Vec::new(), Some(budget))
    }

    /// Each kind is on or off by even chance; what is on is rare, common or a storm.
    #[must_use]
    pub fn draw(choices: &mut Choices, without: &[Fault]) -> Self {
        let mut intensity = [0; KINDS];
        for intensity in &mut intensity {
            *intensity = match choices.fault(6) {
                0..=2 => 0,
                3 => 3,
                4 => 20,
                _ => 120,
            };
        }
        Self::with(intensity, without.to_vec(), None)
    }

    fn with(intensity: [u32; KINDS], without: Vec<Fault>, budget: Option<u32>) -> Self {
        Self { state: Mutex::new(State { intensity, without, budget, healed: false, hits: [0; KINDS], story: None }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps a story of what happens, for a person to read.
    pub fn tell(&self) {
        self.state().story = Some(Vec::new());
    }

    /// Adds to the story, if one is kept.
    pub fn note(&self, now: Duration, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.state().story {
            story.push((now, line()));
        }
    }

    /// The story so far.
    #[must_use]
    pub fn story(&self) -> Vec<(Duration, String)> {
        self.state().story.clone().unwrap_or_default()
    }

    /// The first of these faults that strikes now, if any.
    pub fn strike(&self, choices: &mut Choices, of: &[Fault], now: Duration) -> Option<Fault> {
        let mut state = self.state();
        if state.healed {
            return None;
        }
        let struck = match state.budget {
            Some(0) => None,
            Some(budget) => {
                let mut possible = of.iter().copied().filter(|fault| state.intensity_of(*fault) > 0);
                let count = u32::try_from(possible.clone().count()).unwrap_or(0);
                let chosen = usize::try_from(choices.fault(count.saturating_add(1))).unwrap_or(0);
                let struck = chosen.checked_sub(1).and_then(|place| possible.nth(place));
                state.budget = Some(budget - u32::from(struck.is_some()));
                struck
            }
            None => {
                let struck = of.iter().copied().find(|fault| choices.fails(state.intensity_of(*fault)));
                struck.filter(|fault| !state.without.contains(fault))
            }
        };
        if let Some(fault) = struck {
            state.hit(fault, now);
        }
        struck
    }

    /// Whether a kind strikes in this run at all.
    #[must_use]
    pub fn is_on(&self, fault: Fault) -> bool {
        let state = self.state();
        state.intensity_of(fault) > 0 && !state.without.contains(&fault)
    }

    /// Counts a fault that was done on purpose.
    pub fn hit(&self, fault: Fault, now: Duration) {
        self.state().hit(fault, now);
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self, now: Duration) {
        let mut state = self.state();
        state.hit(Fault::Heal, now);
        state.healed = true;
    }

    /// Whether anything still goes wrong.
    #[must_use]
    pub fn strikes_still(&self) -> bool {
        !self.state().healed
    }

    /// How often each kind struck.
    #[must_use]
    pub fn hits(&self) -> [u64; KINDS] {
        self.state().hits
    }
}

impl State {
    fn intensity_of(&self, fault: Fault) -> u32 {
        self.intensity.get(fault as usize).copied().unwrap_or(0)
    }

    fn hit(&mut self, fault: Fault, now: Duration) {
        if let Some(hits) = self.hits.get_mut(fault as usize) {
            *hits += 1;
        }
        if let Some(story) = &mut self.story {
            story.push((now, format!("{fault}: {}", fault.what())));
        }
    }
}
