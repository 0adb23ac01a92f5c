//! Which target, which of its keys, and which route.
//!
//! Not what they are: a target is in its [`Fleet`](crate::Fleet), a key's secret is the application's. Invariant: an index of
//! one kind does not compile where another is meant; a target's index comes from a fleet, and a key's from its target.
//!
//! ```compile_fail,E0308
//! fn wrong(world: &hotspare_engine::World, key: hotspare_engine::KeyIndex) -> usize {
//!     world.queued(key)
//! }
//! ```

use std::ops::{Index, IndexMut};

/// The place of a target in its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetIndex(pub(crate) usize);

impl TargetIndex {
    /// Its place in the order in which the targets were given, from 0.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// The place of a key among those of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIndex(pub(crate) usize);

impl KeyIndex {
    /// The first key, which every target has: one that needs no key counts as having one.
    pub const FIRST: Self = Self(0);

    /// Its place in the order in which the keys were given, from 0.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// The place of a route in the world's list of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(usize);

impl RouteIndex {
    /// The route at this place in the list, from 0.
    #[must_use]
    pub const fn new(position: usize) -> Self {
        Self(position)
    }

    /// Its place in the list, from 0.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// A value for each target of a fleet, in the fleet's order.
#[derive(Debug)]
pub struct PerTarget<T>(Vec<T>);

impl<T> PerTarget<T> {
    /// All values, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// All values, in order, each with its target's index.
    pub fn indexed(&self) -> impl Iterator<Item = (TargetIndex, &T)> {
        self.iter().enumerate().map(|(position, value)| (TargetIndex(position), value))
    }
}

impl<T> FromIterator<T> for PerTarget<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<'a, T> IntoIterator for &'a PerTarget<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Index<TargetIndex> for PerTarget<T> {
    type Output = T;

    fn index(&self, target: TargetIndex) -> &T {
        &self.0[target.0]
    }
}

impl<T> IndexMut<TargetIndex> for PerTarget<T> {
    fn index_mut(&mut self, target: TargetIndex) -> &mut T {
        &mut self.0[target.0]
    }
}
