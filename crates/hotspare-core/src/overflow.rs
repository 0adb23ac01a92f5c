//! What a target says about lengths when it rejects a prompt as too long.
//!
//! Not an estimate: both numbers are the target's own. Invariant: a number that no model's window has is not kept.

/// The smallest number that may be a window, and the largest that may be a window or a prompt.
const SMALLEST_WINDOW: u64 = 256;
const LARGEST: u64 = 50_000_000;

/// The numbers in a rejection as too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overflow {
    /// Tokens of the prompt, without room for the answer.
    pub prompt: Option<u64>,
    /// The most tokens that fit.
    pub limit: Option<u64>,
}

impl Overflow {
    /// The numbers that are plausible; `None` if neither is.
    #[must_use]
    pub fn new(prompt: Option<u64>, limit: Option<u64>) -> Option<Self> {
        let prompt = prompt.filter(|tokens| (1..=LARGEST).contains(tokens));
        let limit = limit.filter(|tokens| (SMALLEST_WINDOW..=LARGEST).contains(tokens));
        (prompt.is_some() || limit.is_some()).then_some(Self { prompt, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_numbers_are_dropped() {
        let numbers = |prompt, limit| Overflow::new(prompt, limit).map(|read| (read.prompt, read.limit));
        assert_eq!(numbers(Some(9_000), Some(8_192)), Some((Some(9_000), Some(8_192))));
        assert_eq!(numbers(Some(9_000), Some(0)), Some((Some(9_000), None)));
        assert_eq!(numbers(Some(10_u64.pow(18)), Some(8_192)), Some((None, Some(8_192))));
        assert_eq!(numbers(Some(0), Some(10_u64.pow(18))), None);
        assert_eq!(numbers(None, Some(255)), None);
    }
}
