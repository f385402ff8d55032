/// Placeholder.
pub fn replay(_: &[u8]) {}
