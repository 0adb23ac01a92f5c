//! What a scene measured: figures with their permitted ranges.
//!
//! Not the scenes. Invariant: a scene passed if every figure is within its range.

use futures::future::BoxFuture;

/// An outage with several steps.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn() -> BoxFuture<'static, Vec<Mark>>,
}

/// One figure and its permitted range.
pub(crate) struct Mark {
    pub(crate) what: &'static str,
    pub(crate) got: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Scene {
    /// One line for a program.
    pub(crate) fn json(&self, marks: &[Mark]) -> serde_json::Value {
        let figures: serde_json::Map<_, _> =
            marks.iter().map(|mark| (mark.what.to_owned(), mark.got.into())).collect();
        serde_json::json!({
            "scenario": self.name,
            "passed": marks.iter().all(Mark::is_met),
            "figures": figures,
        })
    }
}

/// The figures of a scene, as text.
pub(crate) fn show(marks: &[Mark]) -> String {
    let figures: Vec<String> = marks.iter().map(|mark| format!("{} {}", mark.what, mark.got)).collect();
    figures.join("; ")
}

impl Mark {
    pub(crate) fn is_met(&self) -> bool {
        (self.least..=self.most).contains(&self.got)
    }
}

pub(super) const fn at_most(what: &'static str, got: u64, most: u64) -> Mark {
    Mark { what, got, least: 0, most }
}

pub(super) const fn exactly(what: &'static str, got: u64, wanted: u64) -> Mark {
    Mark { what, got, least: wanted, most: wanted }
}
