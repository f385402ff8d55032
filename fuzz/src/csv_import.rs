/// Placeholder.
pub fn csv_import(_: &[u8]) {}
