//! Random draws that are looked up by purpose, not taken from a sequence.
//!
//! Not a generator: a draw is a hash of the seed and of what it is for, so that the same request at the same target has
//! the same luck under every policy, in any order (common random numbers). Invariant: no draw depends on how many were
//! made before.

/// What a draw is for; each purpose has its own number, so that no two share draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    Arrival = 1,
    Call,
    Fault,
    FirstContent,
    Incident,
    Invalid,
    Leave,
    Pace,
    Prompt,
    Stream,
    Resample,
    Swarm,
    Swizzle,
    Output,
}

/// The random draws of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CounterRng(u64);

impl CounterRng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x5851_F42D_4C95_7F2D))
    }

    /// A number, uniform over all of `u64`.
    pub(crate) const fn draw(self, purpose: Purpose, key: [u64; 3]) -> u64 {
        let first = mix(self.0 ^ (purpose as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let second = mix(first ^ key[0].wrapping_mul(0xD1B5_4A32_D192_ED03));
        mix(second ^ key[1].wrapping_mul(0xAEF1_7502_108E_F2D9) ^ key[2].wrapping_mul(0x94D0_49BB_1331_11EB))
    }

    /// A number in `[0, 1)`.
    pub(crate) const fn unit(self, purpose: Purpose, key: [u64; 3]) -> f64 {
        unit(self.draw(purpose, key))
    }
}

/// The upper 53 bits as a number in `[0, 1)`.
pub(crate) const fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1u64 << 53) as f64
}

/// Splitmix64's finalizer (Steele et al. 2014).
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_independent() {
        let rng = CounterRng::new(1);
        let mean = |purpose, position: usize| {
            let sum: f64 = (0..20_000u64)
                .map(|n| {
                    let mut key = [3, 5, 7];
                    key[position] = n;
                    rng.unit(purpose, key)
                })
                .sum();
            sum / 20_000.0
        };
        for position in 0..3 {
            assert!((mean(Purpose::Fault, position) - 0.5).abs() < 0.01);
        }
        let same = (0..1_000u64).filter(|&n| {
            rng.draw(Purpose::Fault, [n, 1, 0]) == rng.draw(Purpose::FirstContent, [n, 1, 0])
                || rng.draw(Purpose::Fault, [n, 1, 0]) == rng.draw(Purpose::Fault, [1, n, 0]) && n != 1
        });
        assert_eq!(same.count(), 0);
    }
}
