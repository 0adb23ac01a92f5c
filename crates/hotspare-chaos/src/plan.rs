//! Which calls get which faults.
//!
//! Pure: the same seed and call always give the same fault, on every machine, so that policies can be compared and
//! failures reproduced. Stateless: any call can be looked up, in any order.

use crate::fault::Fault;

/// Faults by seed and share, or by script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    seed: u64,
    /// Each fault with its share of calls, in hundredths of a per cent.
    shares: Vec<(Fault, u32)>,
    /// The faults of the first calls.
    script: Vec<Option<Fault>>,
}

impl FaultPlan {
    /// A plan without faults.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The first calls get these faults, all later ones none.
    #[must_use]
    pub fn scripted(script: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self { script: script.into_iter().collect(), ..Self::default() }
    }

    /// Adds `fault` for a share of calls, in hundredths of a per cent.
    #[must_use]
    pub fn share(mut self, fault: Fault, share_bp: u32) -> Self {
        self.shares.push((fault, share_bp));
        self
    }

    /// The fault for a call, counted from 0.
    #[must_use]
    pub fn at(&self, call: u64) -> Option<Fault> {
        if let Some(scripted) = usize::try_from(call).ok().and_then(|call| self.script.get(call)) {
            return *scripted;
        }
        let mut point = u32::try_from(hash(self.seed, call) % 10_000).unwrap_or(0);
        for &(fault, share) in &self.shares {
            if point < share {
                return Some(fault);
            }
            point -= share;
        }
        None
    }
}

/// Splitmix64 of seed and call.
fn hash(seed: u64, call: u64) -> u64 {
    let mut z = seed ^ call.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_shares_hold_and_are_reproducible() {
        let plan = FaultPlan::seeded(7).share(Fault::Silence, 1_000).share(Fault::Refuse, 500);
        let met: Vec<_> = (0..20_000).map(|call| plan.at(call)).collect();
        let count = |fault| met.iter().filter(|met| **met == Some(fault)).count();
        assert!((1_800..2_200).contains(&count(Fault::Silence)));
        assert!((850..1_150).contains(&count(Fault::Refuse)));
        assert!(met.iter().enumerate().all(|(call, met)| plan.at(call as u64) == *met));
    }

    #[test]
    fn scripted_faults_occur_in_order() {
        let plan = FaultPlan::scripted([None, Some(Fault::Empty200)]);
        assert_eq!([plan.at(0), plan.at(1), plan.at(2)], [None, Some(Fault::Empty200), None]);
    }
}
