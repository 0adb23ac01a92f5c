//! Learns from a target's reported counts how far our estimates are off.
//!
//! Not a model of any provider: the cost of each part of a prompt is learned from what the target reported, by a Kalman
//! filter that starts from typical costs. A part that has not been seen keeps its typical cost, and one that has been
//! is separated from the others as soon as requests differ in it. Invariant: bounded, whatever is reported; one outlier
//! changes little, because it hardly counts, and several in a row reopen the filter.

use hotspare_core::{PromptPart, PromptSize, TokenScale};

const PARTS: usize = PromptSize::PARTS;

/// The error of a text estimate that cannot be learned away, as a standard deviation: a few tokens, a share of the
/// count for the text's style, and a term that grows with the square root of its length.
const NOISE: f64 = 2.0;
const NOISE_SHARE: f64 = 0.08;
const NOISE_ROOT: f64 = 0.7;
/// A count beyond this many standard deviations is an outlier.
const OUTLIER_DEVIATIONS: f64 = 3.0;
/// How much an outlier's excess increases the noise that it is weighed with.
const OUTLIER_NOISE: f64 = 20.0;
/// This many outliers in a row mean that the target now counts differently, such as a new model behind an old name.
const OUTLIERS_TO_REOPEN: u32 = 4;
/// The factor on the initial variance when the filter is reopened: ten times the deviation, so that the next count is
/// no outlier again.
const REOPEN_FACTOR: f64 = 100.0;
/// How much uncertainty returns with each count, as a share of the initial deviation.
const DRIFT: f64 = 0.02;
/// The largest plausible count, far beyond any context window: a larger one is a reporting mistake.
const MAX_COUNT: u64 = 50_000_000;
/// The plausible range of tokens per estimated token of text, in thousandths.
const TEXT_RANGE: std::ops::RangeInclusive<f64> = 500.0..=3_000.0;
/// The most tokens that one unit of any part costs or saves, in thousandths: a million tokens.
const MAX_PER_MILLE: f64 = 1e9;

/// Learns from the counts that a target reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Boxed, because most targets are never asked in most processes.
    filter: Option<Box<Filter>>,
    scale: TokenScale,
}

impl Calibration {
    /// Records that a prompt of this size counted as `reported` tokens. Unmeasurable sizes are ignored.
    pub fn learn(&mut self, size: &PromptSize, reported: u64) {
        let is_plausible = |amount: &u32| u64::from(*amount) <= MAX_COUNT;
        if reported == 0
            || reported > MAX_COUNT
            || size.is_opaque()
            || !size.amounts().iter().all(is_plausible)
        {
            return;
        }
        let Ok(counted) = u32::try_from(reported) else { return };
        let filter = self.filter.get_or_insert_with(Box::default);
        let moved = filter.update(&size.amounts().map(f64::from), f64::from(counted));
        filter.publish(&mut self.scale, moved);
        self.scale.samples = self.scale.samples.saturating_add(1);
    }

    /// The current scale.
    #[must_use]
    pub fn scale(&self) -> TokenScale {
        self.scale
    }
}

/// The costs of parts, in tokens, and their covariance.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    cost: [f64; PARTS],
    covariance: [[f64; PARTS]; PARTS],
    outliers: u32,
}

impl Default for Filter {
    fn default() -> Self {
        let typical = TokenScale::default().per_mille.map(|weight| f64::from(weight) / 1_000.0);
        Self { cost: typical, covariance: initial_covariance(1.0), outliers: 0 }
    }
}

/// The variance of each cost before anything is known about a target.
fn initial_variances() -> [f64; PARTS] {
    TokenScale::default().doubt.map(|doubt| square(f64::from(doubt) / 1_000.0))
}

/// The initial covariance, scaled by `factor`.
fn initial_covariance(factor: f64) -> [[f64; PARTS]; PARTS] {
    let mut covariance = [[0.0; PARTS]; PARTS];
    for (at, variance) in initial_variances().into_iter().enumerate() {
        covariance[at][at] = variance * factor;
    }
    covariance
}

impl Filter {
    /// Learns from one count and returns, for each part, whether its estimate has moved.
    fn update(&mut self, amounts: &[f64; PARTS], counted: f64) -> [bool; PARTS] {
        // A request has few kinds of parts; those with an amount of zero add nothing to the sums.
        let present = || amounts.iter().copied().enumerate().filter(|(_, amount)| *amount > 0.0);
        let typical = initial_variances();
        for (part, _) in present() {
            let own = &mut self.covariance[part][part];
            if *own < typical[part] {
                *own += typical[part] * DRIFT * DRIFT;
            }
        }
        let mut along = [0.0; PARTS];
        for (part, amount) in present() {
            for (sum, covariance) in along.iter_mut().zip(self.covariance[part]) {
                *sum += covariance * amount;
            }
        }
        let dot = |other: &[f64; PARTS]| present().map(|(part, amount)| amount * other[part]).sum::<f64>();
        let noise = square(NOISE) + square(NOISE_SHARE * counted) + square(NOISE_ROOT) * counted;
        let mut innovation_variance = dot(&along) + noise;
        let innovation = counted - dot(&self.cost);
        let excess = square(innovation) / innovation_variance / square(OUTLIER_DEVIATIONS);
        if excess > 1.0 {
            innovation_variance += noise * (excess - 1.0) * OUTLIER_NOISE;
            self.outliers += 1;
        } else {
            self.outliers = 0;
        }
        // Most parts are uncorrelated with those of this request.
        let moving = || along.into_iter().enumerate().filter(|(_, moved)| *moved != 0.0);
        for (at, moved) in moving() {
            self.cost[at] += moved / innovation_variance * innovation;
            for (other, along) in moving() {
                self.covariance[at][other] -= moved * along / innovation_variance;
            }
        }
        if self.outliers >= OUTLIERS_TO_REOPEN {
            self.outliers = 0;
            self.covariance = initial_covariance(REOPEN_FACTOR);
            return [true; PARTS];
        }
        along.map(|moved| moved != 0.0)
    }

    fn publish(&self, scale: &mut TokenScale, moved: [bool; PARTS]) {
        for (at, cost) in self.cost.iter().enumerate().filter(|(at, _)| moved[*at]) {
            let text = at == PromptPart::Text as usize;
            let (least, most) =
                if text { (*TEXT_RANGE.start(), *TEXT_RANGE.end()) } else { (-MAX_PER_MILLE, MAX_PER_MILLE) };
            scale.per_mille[at] = round((cost * 1_000.0).clamp(least, most));
            scale.doubt[at] =
                round((self.covariance[at][at].max(0.0).sqrt() * 1_000.0).min(MAX_PER_MILLE)).unsigned_abs();
        }
    }
}

/// `powi` may differ between platforms, and a simulation must not.
fn square(value: f64) -> f64 {
    value * value
}

/// Rounds to the nearest integer; the value must be within ±[`MAX_PER_MILLE`].
#[expect(clippy::cast_possible_truncation, reason = "clamped by the callers")]
fn round(value: f64) -> i32 {
    value.round() as i32
}
