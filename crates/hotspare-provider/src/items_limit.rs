//! How many tool calls or other items an answer may have.
//!
//! Not a limit of any host: decoders look each piece up among the items before it. Invariant: an answer of more items is
//! refused, so that its cost grows no faster than its length.

use hotspare_core::{Error, Kind};

/// The most tool calls, or other items, of one answer. Models make a few calls at a time, and search a few hundred times.
pub const ITEMS_LIMIT: usize = 4_096;

/// Refuses an answer of more items than [`ITEMS_LIMIT`].
///
/// # Errors
/// [`Kind::Protocol`] naming the limit.
pub fn check_items(count: usize) -> Result<(), Error> {
    if count <= ITEMS_LIMIT {
        return Ok(());
    }
    Err(Error::new(
        Kind::Protocol,
        format!("the answer has more than {ITEMS_LIMIT} tool calls or other items"),
    ))
}
