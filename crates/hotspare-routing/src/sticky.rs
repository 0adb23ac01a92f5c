//! Requests that belong together go to the same target.
//!
//! Not a table of conversations: the order follows from the request's affinity and the targets' names alone. Invariant: a
//! target that drops out moves no conversation but its own.

use hotspare_core::{TargetId, stable_hash};

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::sequential::listed;
use crate::strategy::Strategy;

/// Keeps the requests of a conversation at one target, with failover.
///
/// Use it where providers cache prompts: a conversation that stays at one of them is cheaper and faster. Rendezvous
/// hashing gives each conversation its own order of targets, so a target that drops out moves only its own
/// conversations.
///
/// Requests are grouped by the end user that they name or, without one, by the messages up to and including the first
/// user turn. A request that has neither, such as one for embeddings, takes the targets in the order written.
#[derive(Clone, Debug)]
pub struct Sticky {
    members: Vec<TargetId>,
}

impl Sticky {
    /// A strategy over these targets.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for Sticky {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let Some(affinity) = scene.affinity() else { return listed(scene) };
        let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
        order.sort_by_key(|&index| {
            let candidate = &scene.candidates[index];
            (!candidate.view.usable, std::cmp::Reverse(score(affinity, candidate.target.as_str())))
        });
        let choices = order.into_iter().map(|index| Choice::new(index, Reason::Sticky)).collect();
        Ranking { choices }
    }
}

/// Rank of a target for this affinity: stable across machines and releases.
fn score(affinity: u64, name: &str) -> u64 {
    // The finalizer of MurmurHash3: each bit of both hashes affects each bit of the score.
    let mut hash = stable_hash([name]) ^ affinity;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}
