//! The blocks of a stream that have begun and not ended.
//!
//! The wire's author opens one after the other; other hosts also mix the pieces of several, leave out ends, or number
//! nothing. Invariant: a piece joins the block of its own index if that is open, and else the last one; the
//! number of open blocks is bounded.

use std::collections::VecDeque;

/// The most blocks open at once.
const OPEN_LIMIT: usize = 64;

/// A block that has begun.
#[derive(Debug)]
pub(super) enum OpenBlock {
    /// Text, reasoning, or nothing that is kept.
    Plain,
    Tool {
        index: u32,
        empty: bool,
    },
    /// A block that only this wire has, and the pieces of its input.
    Native {
        block: String,
        input: String,
    },
}

/// The open blocks, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct OpenBlocks(VecDeque<(Option<u64>, OpenBlock)>);

impl OpenBlocks {
    /// Opens a block.
    pub(super) fn open(&mut self, at: Option<u64>, block: OpenBlock) {
        self.0.push_back((at, block));
    }

    fn place(&self, at: Option<u64>) -> Option<usize> {
        let own = self.0.iter().rposition(|(own, _)| at.is_some() && *own == at);
        own.or(self.0.len().checked_sub(1))
    }

    /// The block that a piece with this index joins.
    pub(super) fn get_mut(&mut self, at: Option<u64>) -> Option<&mut OpenBlock> {
        let place = self.place(at)?;
        self.0.get_mut(place).map(|(_, block)| block)
    }

    /// Takes the block that ends at this index.
    pub(super) fn close(&mut self, at: Option<u64>) -> Option<OpenBlock> {
        let place = self.place(at)?;
        self.0.remove(place).map(|(_, block)| block)
    }

    /// Takes the block that ends because another one begins: that of the same index, the last one if the new one has no
    /// index, or the oldest if too many are open.
    pub(super) fn replaced(&mut self, at: Option<u64>) -> Option<OpenBlock> {
        if at.is_none() || self.0.iter().any(|(own, _)| *own == at) {
            self.close(at)
        } else if self.0.len() >= OPEN_LIMIT {
            self.first()
        } else {
            None
        }
    }

    /// Takes the oldest open block.
    pub(super) fn first(&mut self) -> Option<OpenBlock> {
        self.0.pop_front().map(|(_, block)| block)
    }
}
