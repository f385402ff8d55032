//! Bytes as a source of decisions: what runs off the end is zero.

/// Bytes that are not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    /// A tape of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number that is small as often as large: a byte says how many bytes it has, up to 16.
    pub fn number(&mut self) -> u128 {
        let bytes = self.byte() % 17;
        (0..bytes).fold(0, |number, _| number << 8 | u128::from(self.byte()))
    }

    /// The low bits of [`Tape::number`].
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
    pub fn u64(&mut self) -> u64 {
        self.number() as u64
    }

    /// The low bits of [`Tape::number`].
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the low bits are what is asked for"
    )]
    pub fn i64(&mut self) -> i64 {
        self.number() as i64
    }

    /// The bits of [`Tape::number`].
    #[allow(clippy::cast_possible_wrap, reason = "the bits are what is asked for")]
    pub fn i128(&mut self) -> i128 {
        self.number() as i128
    }

    /// A choice among `0..below`, which is above zero.
    pub fn below(&mut self, below: usize) -> usize {
        usize::from(u16::from_be_bytes(self.bytes())) % below
    }
}
