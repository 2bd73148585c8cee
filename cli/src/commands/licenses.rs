//! `partita licenses`: what the licences of the crates in the program want to be passed on.

use anyhow::Result;

/// The licences and notices of all crates, or why they are missing. The build script puts the text there.
const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/licenses.txt"));

/// Prints them.
pub(super) fn print() -> Result<u8> {
    say_part!("{TEXT}");
    Ok(0)
}
