//! The one source of everything that is left to chance.
//!
//! A choice is a number below a bound, taken in one of three lanes, so that what is asked, how tasks interleave and what fails
//! do not shift one another. Where the numbers come from is one of: a seed, the bytes of a tape (which is what a fuzzer
//! writes), an odometer that counts through all of them, or a tape of an earlier run. Every choice is recorded; a run is its
//! tape, and a shorter tape is a smaller story.

/// What a choice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// What is asked, and how large the world is.
    Work,
    /// Which task runs next, and when.
    Schedule,
    /// What fails.
    Fault,
}

const LANES: usize = 3;

/// The recorded choices of a run, lane by lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tape(pub [Vec<u32>; LANES]);

/// Makes choices, and remembers them.
#[derive(Debug, Clone)]
pub struct Choices {
    source: Source,
    tape: Tape,
}

#[derive(Debug, Clone)]
enum Source {
    Seed([Xoshiro; LANES]),
    Bytes { bytes: Vec<u8>, next: usize },
    Odometer { digits: Vec<(u32, u32)>, next: usize },
    Replay { tape: Tape, next: [usize; LANES] },
}

impl Choices {
    /// Choices by chance, the same for the same seed, on every machine and for ever.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let lane = |lane: u64| Xoshiro::new(seed ^ lane.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self::new(Source::Seed([lane(1), lane(2), lane(3)]))
    }

    /// Choices from bytes, one or two for each; 0 when they are used up.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::new(Source::Bytes { bytes: bytes.to_vec(), next: 0 })
    }

    /// The first of all combinations of choices. [`next`](Self::next) is the one after.
    #[must_use]
    pub fn first() -> Self {
        Self::new(Source::Odometer { digits: Vec::new(), next: 0 })
    }

    /// The choices of a tape; 0 when it is used up.
    #[must_use]
    pub fn replay(tape: Tape) -> Self {
        Self::new(Source::Replay { tape, next: [0; LANES] })
    }

    fn new(source: Source) -> Self {
        Self { source, tape: Tape::default() }
    }

    /// The combination of choices after the one that was made; none after the last, and none without an odometer.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let Source::Odometer { mut digits, .. } = self.source else { return None };
        while let Some((digit, bound)) = digits.pop() {
            if digit + 1 < bound {
                digits.push((digit + 1, bound));
                return Some(Self::new(Source::Odometer { digits, next: 0 }));
            }
        }
        None
    }

    /// What was chosen so far.
    #[must_use]
    pub fn into_tape(self) -> Tape {
        self.tape
    }

    /// A number below `bound`, or 0 when the bound is 0.
    pub fn pick(&mut self, lane: Lane, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let index = lane as usize;
        let choice = match &mut self.source {
            Source::Seed(lanes) => lanes.get_mut(index).map_or(0, |random| random.below(bound)),
            Source::Bytes { bytes, next } => {
                let mut byte = || {
                    let byte = bytes.get(*next).copied().unwrap_or(0);
                    *next += 1;
                    u32::from(byte)
                };
                let value = if bound <= 256 { byte() } else { byte() << 8 | byte() };
                value % bound
            }
            Source::Odometer { digits, next } => {
                if *next == digits.len() {
                    digits.push((0, bound));
                }
                let digit = digits.get(*next).map_or(0, |(digit, _)| *digit);
                *next += 1;
                digit
            }
            Source::Replay { tape, next } => {
                let lane = tape.0.get(index).zip(next.get_mut(index));
                lane.map_or(0, |(choices, next)| {
                    *next += 1;
                    choices.get(*next - 1).copied().unwrap_or(0) % bound
                })
            }
        };
        if let Some(lane) = self.tape.0.get_mut(index) {
            lane.push(choice);
        }
        choice
    }

    /// A number below `bound` about what is asked.
    pub fn work(&mut self, bound: u32) -> u32 {
        self.pick(Lane::Work, bound)
    }

    /// One of several about what is asked; none when there is none.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// An index below a length, about what is asked.
    pub fn index(&mut self, len: usize) -> usize {
        let bound = u32::try_from(len).unwrap_or(u32::MAX);
        usize::try_from(self.work(bound)).unwrap_or(0)
    }

    /// Yes in `of` cases out of 1,000, about what is asked. No is the choice 0.
    pub fn maybe(&mut self, of: u32) -> bool {
        self.work(1_000) >= 1_000_u32.saturating_sub(of)
    }

    /// A number below `bound` about what runs when.
    pub fn schedule(&mut self, bound: u32) -> u32 {
        self.pick(Lane::Schedule, bound)
    }

    /// Yes in `of` cases out of 1,000, about what fails. No is the choice 0.
    pub fn fails(&mut self, of: u32) -> bool {
        of > 0 && self.pick(Lane::Fault, 1_000) >= 1_000_u32.saturating_sub(of)
    }

    /// A number below `bound` about what fails.
    pub fn fault(&mut self, bound: u32) -> u32 {
        self.pick(Lane::Fault, bound)
    }
}

/// xoshiro256++ of Blackman and Vigna, seeded by splitmix64: written out here, so that a seed means the same story for ever.
#[derive(Debug, Clone)]
struct Xoshiro([u64; 4]);

impl Xoshiro {
    fn new(mut seed: u64) -> Self {
        let mut split = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([split(), split(), split(), split()])
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// By multiplication: the bias is below one in 2^32, and nothing here minds it.
    fn below(&mut self, bound: u32) -> u32 {
        let high = ((self.next() >> 32) * u64::from(bound)) >> 32;
        u32::try_from(high).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that drifts would make every kept seed another story. The numbers are those of the published algorithm.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = Xoshiro([1, 2, 3, 4]);
        assert_eq!([random.next(), random.next(), random.next()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    /// An odometer that skips or repeats would claim schedules that it never ran.
    #[test]
    fn the_odometer_counts_through_every_combination_once() {
        let mut seen = Vec::new();
        let mut choices = Some(Choices::first());
        while let Some(mut now) = choices {
            let first = now.schedule(3);
            // The second bound depends on the first choice.
            let second = now.fault(first + 1);
            seen.push((first, second));
            choices = now.next();
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]);
    }

    #[test]
    fn a_tape_replays_what_was_chosen() {
        let choose = |choices: &mut Choices| {
            (0..50).map(|n| (choices.work(n), choices.schedule(7), choices.fails(300))).collect::<Vec<_>>()
        };
        let mut first = Choices::from_seed(7);
        let chosen = choose(&mut first);
        assert_eq!(choose(&mut Choices::replay(first.into_tape())), chosen);
        assert_eq!(choose(&mut Choices::from_seed(7)), chosen);
        assert_ne!(choose(&mut Choices::from_seed(8)), chosen);
    }
}
