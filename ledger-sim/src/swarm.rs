//! What the world of one seed looks like: drawn once, so that different seeds stress different things.

use crate::act::{CURRENCIES, Code};
use crate::choice::Choices;
use crate::document::Step;

/// The world of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// How many ledgers share the store.
    pub ledgers: usize,
    /// How many writers ask at once.
    pub writers: usize,
    /// How many payees a ledger has in the end.
    pub payees: usize,
    /// How many plans it begins with.
    pub plans: usize,
    /// The base currency.
    pub base: Code,
    /// The zone of its calendar.
    pub zone: &'static str,
    /// The capabilities that it is opened with.
    pub capabilities: Vec<&'static str>,
    /// When it begins, in seconds since 1970-01-01 UTC.
    pub start: i64,
    /// How many days pass in a thousand asks, beyond what the clock itself shows.
    pub pace: u32,
    /// What clients ask beyond the simplest way from a deal to its payment.
    pub habits: Vec<Habit>,
    /// In which order the plans of the ledgers take things off the top; those of one deal must agree in it.
    pub off_top: [Step; 3],
    /// What they take off the top as a royalty, in billionths, if they do.
    pub royalty: Option<u64>,
    /// How large deals are.
    pub sizes: Vec<Size>,
    /// How often of 1,000 an ask is of what is not there, or is not as it must be.
    pub nonsense: u32,
    /// How often of 1,000 an earlier ask or an earlier key comes again.
    pub reuse: u32,
    /// How often of 1,000 an ask goes after what the one before went after.
    pub crowding: u32,
    /// Whether names, texts and keys are as awkward as they may be.
    pub awkward: bool,
}

/// Something that clients of one seed ask, and those of another do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Registers, attributes and completes deals one by one.
    Steps,
    /// Shares deals among several payees.
    Shares,
    /// Takes deals back.
    Reversals,
    /// Pays outside the rail.
    ManualPayments,
    /// Pays amounts that were set by hand.
    ManualAmounts,
    /// Approves in bulk.
    Bulk,
    /// Refuses and cancels payouts.
    Refusals,
    /// Hears of failures, and of payments after them.
    Failures,
    /// Takes over what was contributed elsewhere.
    OpeningBalances,
    /// Publishes plans and new versions of them.
    Publishing,
    /// Moves payees from plan to plan.
    Moves,
    /// Switches capabilities on and off.
    Switches,
    /// Uses several currencies.
    Currencies,
    /// Dates deals back and ahead, and at the edges of years.
    Dates,
    /// Tells the sides of deals.
    Sides,
    /// Publishes plans with more than a split and a cap.
    Terms,
    /// Sells what touches attribute and rate plans pay.
    Sales,
}

impl Habit {
    /// Every habit.
    pub const ALL: [Self; 17] = [
        Self::Steps,
        Self::Shares,
        Self::Reversals,
        Self::ManualPayments,
        Self::ManualAmounts,
        Self::Bulk,
        Self::Refusals,
        Self::Failures,
        Self::OpeningBalances,
        Self::Publishing,
        Self::Moves,
        Self::Switches,
        Self::Currencies,
        Self::Dates,
        Self::Sides,
        Self::Terms,
        Self::Sales,
    ];
}

/// How large a deal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Thousands of whole units.
    Ordinary,
    /// A few minor units.
    Tiny,
    /// A fraction of the cap: a few of them reach it.
    OfCap,
    /// What fills the room under the cap, to the unit, or misses it by one.
    OfRoom,
    /// The largest amounts that there are.
    Largest,
}

const ZONES: [&str; 8] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Niue",
    "Australia/Lord_Howe",
    "America/St_Johns",
];

/// Noons and nights that a calendar may get wrong: in UTC, some hours before a year ends, a leap day begins or clocks change.
const STARTS: [i64; 8] = [
    1_768_478_400, // 2026-01-15 12:00
    1_767_225_000, // 2025-12-31 23:50
    1_709_078_400, // 2024-02-28 00:00
    1_741_503_600, // 2025-03-09 07:00, the clocks of New York change
    1_761_440_400, // 2025-10-26 01:00, those of Berlin
    1_740_700_000, // 2025-02-27 23:46
    951_782_400,   // 2000-02-29 00:00
    4_107_542_400, // 2100-03-01 00:00, after a February without a leap day
];

/// Every capability.
pub(crate) const CAPABILITIES: [&str; 5] =
    ["rail_payments", "manual_payments", "manual_amounts", "opening_balances", "foreign_currencies"];

impl Swarm {
    /// Draws a world. What is left to the choice 0 is the smallest one.
    pub fn draw(choices: &mut Choices) -> Self {
        let ledgers = [1, 1, 1, 2, 2, 3, 4];
        let writers = [1, 1, 2, 2, 3, 4, 8, 16];
        let payees = [1, 2, 2, 3, 3, 4, 5, 8, 12, 20, 64];
        let paces = [0, 300, 1_000, 5_000, 30_000];
        let habits: Vec<Habit> = Habit::ALL.into_iter().filter(|_| choices.maybe(500)).collect();
        let sizes = [(Size::Tiny, 300), (Size::OfCap, 700), (Size::OfRoom, 600), (Size::Largest, 100)];
        let sizes = sizes.into_iter().filter(|(_, often)| choices.maybe(*often)).map(|(size, _)| size);
        let sizes = [Size::Ordinary].into_iter().chain(sizes).collect();
        let writers = pick(choices, &writers, 1);
        let (concession, referral, royalty) = (Step::Concession, Step::ReferralOut, Step::Royalty);
        let orders =
            [[concession, referral, royalty], [referral, royalty, concession], [royalty, concession, referral]];
        Self {
            ledgers: pick(choices, &ledgers, 1),
            writers,
            payees: pick(choices, &payees, 1),
            plans: 1 + choices.index(4),
            base: pick(choices, &CURRENCIES, Code("USD", 2)),
            zone: pick(choices, &ZONES, "UTC"),
            capabilities: CAPABILITIES.into_iter().filter(|_| !choices.maybe(120)).collect(),
            start: pick(choices, &STARTS, 0),
            pace: pick(choices, &paces, 0),
            habits,
            off_top: pick(choices, &orders, [concession, referral, royalty]),
            royalty: choices.maybe(300).then_some(60_000_000),
            sizes,
            nonsense: pick(choices, &[0, 10, 30, 120], 0),
            reuse: pick(choices, &[0, 5, 20, 60], 0),
            crowding: if writers == 1 { 20 } else { pick(choices, &[0, 50, 200, 500], 0) },
            awkward: choices.maybe(300),
        }
    }

    /// Whether clients have a habit.
    #[must_use]
    pub fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }
}

/// The zone of a seed's n-th ledger: each has another, so that no day of one is taken for a day of the next.
pub(crate) fn zone(first: &'static str, n: usize) -> &'static str {
    let from = ZONES.iter().position(|zone| *zone == first).unwrap_or(0);
    ZONES.iter().cycle().nth(from + n).copied().unwrap_or(first)
}

fn pick<T: Copy>(choices: &mut Choices, of: &[T], default: T) -> T {
    choices.one_of(of).copied().unwrap_or(default)
}
