//! The reply to one attempt, fixed when it begins.
//!
//! Not one event per token: a healthy stream is delivered in a few pieces, as many as the limits on gaps can tell
//! apart. Invariant: a piece is delivered at the moment of its last token; no two pieces are further apart than `span`
//! unless the stream itself is slower; and the last token of any kind of end is delivered at its own moment.

use hotspare_chaos::Fault;
use hotspare_core::{Error, Kind, RateLimits};

/// A reply.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A refusal after this many nanoseconds.
    Refusal(u64, Option<Error>),
    /// Nothing, ever, or only pings.
    Silence { pings: bool },
    /// An answer, complete or not.
    Speech(Speech),
}

impl Reply {
    pub(crate) fn refusal(after: u64, error: Error) -> Self {
        Self::Refusal(after, Some(error))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Speech {
    /// Nanoseconds to the first token, and between tokens.
    first: u64,
    gap: u64,
    /// Tokens in the whole answer, and tokens delivered so far; a continuation starts further on.
    total: u32,
    pub(crate) told: u32,
    pub(crate) began: bool,
    end: End,
    pub(crate) limits: RateLimits,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A clean end of stream without a finish reason, after this many tokens.
    Clean(u32),
    /// A failure of this kind after this many tokens.
    Failure(Kind, u32),
    /// Normally.
    Finish,
    /// Never: it stalls after this many tokens.
    Stall(u32),
}

impl End {
    /// How a fault ends an answer that has begun.
    pub(crate) fn of(fault: Fault) -> Option<Self> {
        Some(match fault {
            Fault::CleanEndAfter(n) => Self::Clean(n),
            Fault::CutAfter(n) => Self::Failure(Kind::Truncated, n),
            Fault::ErrorEventAfter(n) => Self::Failure(Kind::Overloaded, n),
            Fault::MalformedAfter(n) => Self::Failure(Kind::Protocol, n),
            Fault::ResetAfterBytes(bytes) => Self::Failure(Kind::Truncated, bytes / 200),
            Fault::StallAfter(n) => Self::Stall(n),
            _ => return None,
        })
    }

    fn after(self, total: u32) -> u32 {
        match self {
            Self::Finish => total,
            Self::Clean(n) | Self::Failure(_, n) | Self::Stall(n) => n.min(total),
        }
    }
}

/// The next delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A range of tokens (end exclusive); more follow.
    Tokens(u32, u32),
    /// The last range of tokens, and the normal end.
    Last(u32, u32),
    /// A failure.
    Failure(Kind),
    /// The end of the stream without a finish reason.
    Clean,
}

impl Speech {
    pub(crate) fn new(first: u64, gap: u64, total: u32, end: End, limits: RateLimits) -> Self {
        Self { first: first.max(1), gap: gap.max(1), total, told: 0, began: false, end, limits }
    }

    /// Nanoseconds to the first token, if the answer will be complete.
    pub(crate) fn whole_after(&self) -> Option<u64> {
        (self.end == End::Finish).then_some(self.first)
    }

    /// Continues after this many tokens, which another target has delivered.
    pub(crate) fn carry_on(&mut self, from: u32) {
        self.told = from.min(self.total);
        // A fault counts the tokens that its own target delivers.
        let shift = |n: u32| n.saturating_add(from);
        self.end = match self.end {
            End::Finish => End::Finish,
            End::Clean(n) => End::Clean(shift(n)),
            End::Failure(kind, n) => End::Failure(kind, shift(n)),
            End::Stall(n) => End::Stall(shift(n)),
        };
    }

    /// Nanoseconds to the next delivery, if there is one. `whole`: nothing is delivered before the end.
    pub(crate) fn wait(&self, span: u64, whole: bool) -> Option<u64> {
        let last = self.end.after(self.total);
        let tokens = |n: u32| self.gap.saturating_mul(u64::from(n));
        if whole {
            let all = self.first + tokens(last.saturating_sub(self.told + 1));
            return if self.began || matches!(self.end, End::Stall(_)) { None } else { Some(all) };
        }
        if !self.began {
            return Some(self.first);
        }
        if self.told >= last {
            // The last piece was just delivered; a stall has nothing more to deliver.
            return if matches!(self.end, End::Stall(_)) { None } else { Some(self.gap) };
        }
        Some(tokens(self.piece(span, last)))
    }

    fn piece(&self, span: u64, last: u32) -> u32 {
        let most = u32::try_from(span / self.gap).unwrap_or(u32::MAX).max(1);
        most.min(last - self.told)
    }

    /// Makes the next delivery.
    pub(crate) fn tell(&mut self, span: u64, whole: bool) -> Told {
        let last = self.end.after(self.total);
        let from = self.told;
        let size = if whole {
            last.saturating_sub(from)
        } else if !self.began {
            1.min(last.saturating_sub(from))
        } else if from < last {
            self.piece(span, last)
        } else {
            0
        };
        self.began = true;
        self.told += size;
        let over = self.told >= last;
        match self.end {
            End::Finish if over => Told::Last(from, self.told),
            End::Failure(kind, _) if over && (size == 0 || whole) => Told::Failure(kind),
            End::Clean(_) if over && (size == 0 || whole) => Told::Clean,
            _ => Told::Tokens(from, self.told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(end: End, total: u32, whole: bool) -> (Vec<Told>, u64) {
        let mut speech = Speech::new(600, 20, total, end, RateLimits::default());
        let (mut told, mut at) = (Vec::new(), 0);
        while let Some(wait) = speech.wait(2_000, whole) {
            at += wait;
            told.push(speech.tell(2_000, whole));
            if !matches!(told.last(), Some(Told::Tokens(..))) {
                break;
            }
        }
        (told, at)
    }

    #[test]
    fn stream_is_emitted_in_few_timed_pieces() {
        let (told, at) = story(End::Finish, 150, false);
        assert_eq!(told, [Told::Tokens(0, 1), Told::Tokens(1, 101), Told::Last(101, 150)]);
        assert_eq!(at, 600 + 149 * 20);
        let (told, at) = story(End::Finish, 150, true);
        assert_eq!((told, at), (vec![Told::Last(0, 150)], 600 + 149 * 20));
    }

    #[test]
    fn replies_end_at_the_configured_token() {
        let (told, at) = story(End::Failure(Kind::Truncated, 50), 150, false);
        assert_eq!(told, [Told::Tokens(0, 1), Told::Tokens(1, 50), Told::Failure(Kind::Truncated)]);
        assert_eq!(at, 600 + 50 * 20);
        assert_eq!(story(End::Stall(5), 150, false).0, [Told::Tokens(0, 1), Told::Tokens(1, 5)]);
        assert_eq!(story(End::Stall(5), 150, true).0, []);
        assert_eq!(story(End::Failure(Kind::Overloaded, 0), 150, false).0, [Told::Failure(Kind::Overloaded)]);
        assert_eq!(story(End::Clean(1), 150, false).0, [Told::Tokens(0, 1), Told::Clean]);
    }
}
