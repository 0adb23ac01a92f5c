//! Reproducible random draws.
//!
//! Not a source of entropy: the seed is an argument. Invariant: the n-th draw of a seed is always the same number, so
//! that a run can be repeated and two policies can be compared under the same luck.

/// A numbered sequence of draws.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draws {
    seed: u64,
    count: u64,
}

impl Draws {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// The next draw, uniform over all of `u64` (splitmix64, Steele et al. 2014).
    pub fn draw(&mut self) -> u64 {
        self.count += 1;
        let mut z = self.seed.wrapping_add(self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
