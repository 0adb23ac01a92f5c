//! The faster of two targets, drawn at random.
//!
//! Not a measurement: the estimates come with the scene. Invariant: usable targets precede all others.

use std::time::Duration;

use hotspare_core::{TargetId, TargetView};

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// One call in this many explores another target, to find out whether it has become faster.
const EXPLORE: u64 = 50;

/// Prefers the faster of two targets drawn at random.
///
/// Use it when targets are equal in quality and latency matters. Comparing two instead of always taking the fastest of
/// all keeps clients from rushing to the same target at once (the power of two choices, Mitzenmacher 2001). The
/// estimate counts a failure as slow, so a target that fails fast never looks fast. Since only calls update an
/// estimate, one call in fifty goes to a usable target other than the best, degraded or not, so that a bad hour does not
/// count against it forever.
#[derive(Clone, Debug)]
pub struct Fastest {
    members: Vec<TargetId>,
}

impl Fastest {
    /// A strategy over these targets.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for Fastest {
    fn name(&self) -> &'static str {
        "fastest"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let view = |index: usize| &scene.candidates[index].view;
        let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
        let known = scene.candidates.iter().filter(|candidate| candidate.view.usable);
        let best = known.filter_map(|candidate| candidate.view.latency).min();
        order.sort_by_key(|&index| (!view(index).usable, load(view(index), best)));
        let usable = scene.candidates.iter().filter(|candidate| candidate.view.usable).count();
        if let Some(draw) = scene.draw.filter(|_| usable > 2) {
            // The faster of the two drawn comes first; the rest stay in order of speed.
            let a = usize::try_from(draw % usable as u64).unwrap_or(0);
            let b = usize::try_from((draw >> 32) % (usable as u64 - 1)).unwrap_or(0);
            let b = if b >= a { b + 1 } else { b };
            let winner = order.remove(a.min(b));
            order.insert(0, winner);
        }
        let explores = |draw: &u64| usable > 1 && draw.is_multiple_of(EXPLORE);
        let explored = scene.draw.filter(explores).map(|draw| {
            let other = 1 + usize::try_from(draw / EXPLORE % (usable as u64 - 1)).unwrap_or(0);
            let explored = order.remove(other);
            order.insert(0, explored);
            explored
        });
        let reason = |index: usize| match explored {
            Some(explored) if explored == index => Reason::Explored,
            _ => Reason::Fastest { latency: view(index).latency },
        };
        Ranking { choices: order.into_iter().map(|index| Choice::new(index, reason(index))).collect() }
    }
}

/// Expected wait: the usual latency times the calls in flight, this one included. A target of unknown latency is tried at
/// once by one call; until that has shown its latency, others take it to be as fast as the best, so that they do not all
/// gather at it.
fn load(view: &TargetView, best: Option<Duration>) -> Duration {
    let latency = match view.latency {
        Some(latency) => latency,
        None if view.in_flight == 0 => Duration::ZERO,
        None => best.unwrap_or(Duration::from_millis(1)),
    };
    latency.saturating_mul(view.in_flight.saturating_add(1))
}
