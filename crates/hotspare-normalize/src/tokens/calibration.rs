//! What a target's own counts say about our estimates.
//!
//! Not a model of any provider: a line through what it reported, one for each shape of request, because tools and
//! schemas come wrapped in words that are not in the request. Invariant: bounded (four lists of the latest counts), and
//! one odd report moves nothing by much: slope and offset are medians.

use std::collections::VecDeque;

use hotspare_core::{TokenLine, TokenScale};

use super::PromptSize;

/// Counts that are kept for each shape.
const KEPT: usize = 24;
/// Counts of a shape before a line is drawn; before that, a factor.
const LINE: usize = 4;
/// Pairs of prompts of clearly different length that a slope needs.
const PAIRS: usize = 3;
/// Between one token for one estimated and these, in thousandths: steeper or flatter is chance.
const FACTOR: std::ops::RangeInclusive<i64> = 100..=8_000;
const SLOPE: std::ops::RangeInclusive<i64> = 500..=3_000;
/// A count far beyond any window is a mistake of whoever reported it.
const SANE: u64 = 50_000_000;

/// Learns from counts that a target reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// By shape: estimated, reported.
    seen: [VecDeque<(u32, u32)>; 4],
    learned: u32,
    scale: TokenScale,
}

impl Calibration {
    /// A prompt of this size was counted as `reported` tokens.
    pub fn learn(&mut self, size: PromptSize, reported: u64) {
        let (Ok(estimated), Ok(counted)) = (u32::try_from(size.tokens), u32::try_from(reported)) else {
            return;
        };
        if reported == 0 || reported > SANE || estimated == 0 {
            return;
        }
        let Some(seen) = self.seen.get_mut(size.shape) else { return };
        if seen.len() == KEPT {
            seen.pop_front();
        }
        seen.push_back((estimated, counted));
        self.learned = self.learned.saturating_add(1);
        // Lines change little once there are many points.
        if seen.len() < KEPT || self.learned.is_multiple_of(8) {
            self.scale.lines[size.shape] = line(seen);
        }
    }

    /// What the counts say now.
    #[must_use]
    pub fn scale(&self) -> TokenScale {
        self.scale
    }
}

/// The line through the points: the slope is the median over pairs, weighted by their distance, so that long prompts,
/// for which it matters, decide.
fn line(points: &VecDeque<(u32, u32)>) -> TokenLine {
    let count = u32::try_from(points.len()).unwrap_or(u32::MAX);
    let points: Vec<(i64, i64)> = points.iter().map(|&(x, y)| (i64::from(x), i64::from(y))).collect();
    let mut slopes: Vec<(i64, i64)> = Vec::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        for &(other, counted) in &points[..at] {
            let distance = (x - other).abs();
            if distance * 4 > x.max(other) {
                slopes.push(((y - counted) * 1_000 / (x - other), distance));
            }
        }
    }
    if points.len() < LINE || slopes.len() < PAIRS {
        let mut factors: Vec<i64> = points.iter().map(|(x, y)| y * 1_000 / x).collect();
        let factor = median(&mut factors).clamp(*FACTOR.start(), *FACTOR.end());
        return TokenLine { per_mille: u32::try_from(factor).unwrap_or(1_000), offset: 0, samples: count };
    }
    slopes.sort_unstable();
    let half = slopes.iter().map(|(_, weight)| weight).sum::<i64>() / 2;
    let mut passed = 0;
    let slope = slopes.iter().find_map(|&(slope, weight)| {
        passed += weight;
        (passed >= half).then_some(slope)
    });
    let slope = slope.unwrap_or(1_000).clamp(*SLOPE.start(), *SLOPE.end());
    let mut offsets: Vec<i64> = points.iter().map(|(x, y)| y - x * slope / 1_000).collect();
    TokenLine {
        per_mille: u32::try_from(slope).unwrap_or(1_000),
        offset: i32::try_from(median(&mut offsets)).unwrap_or(0),
        samples: count,
    }
}

fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
