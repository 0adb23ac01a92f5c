//! The blocks of a stream that have begun and not ended.
//!
//! The wire's author opens one after the other; other hosts also mix the pieces of several, leave out ends, or number
//! nothing. Invariant: a piece joins the block of its own index if that is open, and else the last one; a second end of the
//! same index ends nothing; the number of open blocks is bounded, and so is what they hold together.

use std::collections::VecDeque;

use hotspare_core::{Error, Kind};
use hotspare_provider::FRAME_LIMIT;

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

impl OpenBlock {
    /// The bytes that are kept until the block ends.
    fn held(&self) -> usize {
        match self {
            Self::Native { block, input } => block.len() + input.len(),
            Self::Plain | Self::Tool { .. } => 0,
        }
    }
}

/// The open blocks, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct OpenBlocks {
    open: VecDeque<(Option<u64>, OpenBlock)>,
    /// The indexes that were ended last, and not begun again.
    ended: VecDeque<u64>,
}

impl OpenBlocks {
    /// Opens a block.
    pub(super) fn open(&mut self, at: Option<u64>, block: OpenBlock) {
        self.ended.retain(|ended| Some(*ended) != at);
        self.open.push_back((at, block));
    }

    /// Refuses blocks that hold too much together.
    ///
    /// # Errors
    /// [`Kind::Protocol`] naming the limit.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.open.iter().map(|(_, block)| block.held()).sum::<usize>() <= FRAME_LIMIT {
            return Ok(());
        }
        let what = format!("the content blocks that have not ended are longer than {FRAME_LIMIT} bytes");
        Err(Error::new(Kind::Protocol, what))
    }

    fn own_place(&self, at: Option<u64>) -> Option<usize> {
        self.open.iter().rposition(|(own, _)| at.is_some() && *own == at)
    }

    fn place(&self, at: Option<u64>) -> Option<usize> {
        self.own_place(at).or(self.open.len().checked_sub(1))
    }

    /// The block that a piece with this index joins.
    pub(super) fn get_mut(&mut self, at: Option<u64>) -> Option<&mut OpenBlock> {
        let place = self.place(at)?;
        self.open.get_mut(place).map(|(_, block)| block)
    }

    fn take(&mut self, place: Option<usize>) -> Option<OpenBlock> {
        self.open.remove(place?).map(|(_, block)| block)
    }

    /// Takes the block that ends at this index.
    pub(super) fn close(&mut self, at: Option<u64>) -> Option<OpenBlock> {
        let Some(index) = at else { return self.take(self.place(None)) };
        if self.ended.contains(&index) && self.own_place(at).is_none() {
            return None;
        }
        if self.ended.len() >= OPEN_LIMIT {
            self.ended.pop_front();
        }
        self.ended.push_back(index);
        self.take(self.place(at))
    }

    /// Takes the block that ends because another one begins: that of the same index, the last one if the new one has no
    /// index, or the oldest if too many are open.
    pub(super) fn replaced(&mut self, at: Option<u64>) -> Option<OpenBlock> {
        let own = self.own_place(at);
        if at.is_none() || own.is_some() {
            self.take(own.or_else(|| self.place(at)))
        } else if self.open.len() >= OPEN_LIMIT {
            self.first()
        } else {
            None
        }
    }

    /// Takes the oldest open block.
    pub(super) fn first(&mut self) -> Option<OpenBlock> {
        self.take(Some(0))
    }
}
