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
/// A count within this many standard deviations is not an outlier.
const LIKELY: f64 = 3.0;
/// How much an outlier's excess increases the noise that it is weighed with.
const ODD: f64 = 20.0;
/// This many outliers in a row mean that the target now counts differently, such as a new model behind an old name.
const CHANGED: u32 = 4;
/// The factor on the initial variance when the filter is reopened: ten times the deviation, so that the next count is
/// no outlier again.
const REOPENED: f64 = 100.0;
/// How much uncertainty returns with each count, as a share of the initial deviation.
const DRIFT: f64 = 0.02;
/// A count far beyond any context window is a reporting mistake.
const SANE: u64 = 50_000_000;
/// Tokens per estimated token of text, in thousandths: anything outside is chance.
const TEXT: std::ops::RangeInclusive<f64> = 500.0..=3_000.0;
/// The most tokens that one unit of any part costs or saves, in thousandths: a million tokens.
const MOST: f64 = 1e9;

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
        let likely = |amount: &u32| u64::from(*amount) <= SANE;
        if reported == 0 || reported > SANE || size.is_opaque() || !size.amounts().iter().all(likely) {
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
    odd: u32,
}

impl Default for Filter {
    fn default() -> Self {
        let usual = TokenScale::default().per_mille.map(|weight| f64::from(weight) / 1_000.0);
        Self { cost: usual, covariance: open(1.0), odd: 0 }
    }
}

/// The variance of each cost before anything is known about a target.
fn variance() -> [f64; PARTS] {
    TokenScale::default().doubt.map(|doubt| square(f64::from(doubt) / 1_000.0))
}

/// The initial covariance, scaled by `factor`.
fn open(factor: f64) -> [[f64; PARTS]; PARTS] {
    let mut covariance = [[0.0; PARTS]; PARTS];
    for (at, variance) in variance().into_iter().enumerate() {
        covariance[at][at] = variance * factor;
    }
    covariance
}

impl Filter {
    /// Learns from one count and returns, for each part, whether its estimate has moved.
    fn update(&mut self, amounts: &[f64; PARTS], counted: f64) -> [bool; PARTS] {
        // A request has few kinds of parts; those with an amount of zero add nothing to the sums.
        let present = || amounts.iter().copied().enumerate().filter(|(_, amount)| *amount > 0.0);
        let usual = variance();
        for (part, _) in present() {
            let own = &mut self.covariance[part][part];
            if *own < usual[part] {
                *own += usual[part] * DRIFT * DRIFT;
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
        let mut spread = dot(&along) + noise;
        let surprise = counted - dot(&self.cost);
        let excess = square(surprise) / spread / square(LIKELY);
        if excess > 1.0 {
            spread += noise * (excess - 1.0) * ODD;
            self.odd += 1;
        } else {
            self.odd = 0;
        }
        // Most parts are uncorrelated with those of this request.
        let moving = || along.into_iter().enumerate().filter(|(_, moved)| *moved != 0.0);
        for (at, moved) in moving() {
            self.cost[at] += moved / spread * surprise;
            for (other, along) in moving() {
                self.covariance[at][other] -= moved * along / spread;
            }
        }
        if self.odd >= CHANGED {
            self.odd = 0;
            self.covariance = open(REOPENED);
            return [true; PARTS];
        }
        along.map(|moved| moved != 0.0)
    }

    fn publish(&self, scale: &mut TokenScale, moved: [bool; PARTS]) {
        for (at, cost) in self.cost.iter().enumerate().filter(|(at, _)| moved[*at]) {
            let text = at == PromptPart::Text as usize;
            let (least, most) = if text { (*TEXT.start(), *TEXT.end()) } else { (-MOST, MOST) };
            scale.per_mille[at] = whole((cost * 1_000.0).clamp(least, most));
            scale.doubt[at] =
                whole((self.covariance[at][at].max(0.0).sqrt() * 1_000.0).min(MOST)).unsigned_abs();
        }
    }
}

/// `powi` may differ between platforms, and a simulation must not.
fn square(value: f64) -> f64 {
    value * value
}

/// Rounds to the nearest integer; the value must be within ±[`MOST`].
#[expect(clippy::cast_possible_truncation, reason = "clamped by the callers")]
fn whole(value: f64) -> i32 {
    value.round() as i32
}
