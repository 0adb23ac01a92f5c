//! Mutations that the tests of one crate must catch, by crate.

mod engine;
mod health;
mod others;

/// A mutation, and the crate whose tests must fail.
pub(super) struct Mutant {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) package: &'static str,
}

/// All of them.
pub(super) fn mutants() -> impl Iterator<Item = &'static Mutant> {
    [health::MUTANTS, engine::MUTANTS, others::MUTANTS].into_iter().flatten()
}
