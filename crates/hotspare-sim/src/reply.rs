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
    /// A rejection or connection error after this many nanoseconds.
    Rejection(u64, Option<Error>),
    /// Nothing, ever, or only pings.
    Silence { pings: bool },
    /// An answer, complete or not.
    Completion(Completion),
}

impl Reply {
    pub(crate) fn rejection(after: u64, error: Error) -> Self {
        Self::Rejection(after, Some(error))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Nanoseconds to the first token, and between tokens.
    first: u64,
    gap: u64,
    /// Tokens in the whole answer, and tokens delivered so far; a continuation starts further on.
    total: u32,
    pub(crate) delivered: u32,
    pub(crate) started: bool,
    end: StreamEnd,
    pub(crate) limits: RateLimits,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// A clean end of stream without a finish reason, after this many tokens.
    Clean(u32),
    /// A failure of this kind after this many tokens.
    Failure(Kind, u32),
    /// Normally.
    Finish,
    /// Never: it stalls after this many tokens.
    Stall(u32),
}

impl StreamEnd {
    /// How a fault ends an answer that has begun.
    pub(crate) fn from_fault(fault: Fault) -> Option<Self> {
        Some(match fault {
            Fault::CleanEndAfter(n) => Self::Clean(n),
            Fault::CutAfter(n) => Self::Failure(Kind::Truncated, n),
            Fault::ErrorEventAfter(n) => Self::Failure(Kind::Overloaded, n),
            Fault::MalformedAfter(n) => Self::Failure(Kind::Protocol, n),
            Fault::ResetAfterBytes(bytes) => Self::Failure(Kind::Truncated, bytes / 200),
            Fault::StallAfter(n) => Self::Stall(n),
            // Instead of an answer, or how fast it is.
            Fault::CloseBeforeHead
            | Fault::Empty200
            | Fault::HeaderBomb
            | Fault::Html200
            | Fault::HugeBody
            | Fault::HugeLine
            | Fault::OnlyDone
            | Fault::OnlyPings
            | Fault::QuotaExhausted
            | Fault::RateLimited(_)
            | Fault::Refuse
            | Fault::ResetBeforeHead
            | Fault::Silence
            | Fault::SlowDrip(_)
            | Fault::SlowFirstToken(_)
            | Fault::Status(_) => return None,
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
pub(crate) enum Delivery {
    /// A range of tokens (end exclusive); more follow.
    Tokens(u32, u32),
    /// The last range of tokens, and the normal end.
    Last(u32, u32),
    /// A failure.
    Failure(Kind),
    /// The end of the stream without a finish reason.
    Clean,
}

impl Completion {
    pub(crate) fn new(first: u64, gap: u64, total: u32, end: StreamEnd, limits: RateLimits) -> Self {
        Self { first: first.max(1), gap: gap.max(1), total, delivered: 0, started: false, end, limits }
    }

    /// Nanoseconds to the first token, if the answer will be complete.
    pub(crate) fn ttft_if_complete(&self) -> Option<u64> {
        (self.end == StreamEnd::Finish).then_some(self.first)
    }

    /// Continues after this many tokens, which another target has delivered.
    pub(crate) fn resume_from(&mut self, from: u32) {
        self.delivered = from.min(self.total);
        // A fault counts the tokens that its own target delivers.
        let shift = |n: u32| n.saturating_add(from);
        self.end = match self.end {
            StreamEnd::Finish => StreamEnd::Finish,
            StreamEnd::Clean(n) => StreamEnd::Clean(shift(n)),
            StreamEnd::Failure(kind, n) => StreamEnd::Failure(kind, shift(n)),
            StreamEnd::Stall(n) => StreamEnd::Stall(shift(n)),
        };
    }

    /// Nanoseconds to the next delivery, if there is one. `whole`: nothing is delivered before the end.
    pub(crate) fn next_delay(&self, max_gap: u64, unstreamed: bool) -> Option<u64> {
        let last = self.end.after(self.total);
        let tokens = |n: u32| self.gap.saturating_mul(u64::from(n));
        if unstreamed {
            let all = self.first + tokens(last.saturating_sub(self.delivered + 1));
            return if self.started || matches!(self.end, StreamEnd::Stall(_)) { None } else { Some(all) };
        }
        if !self.started {
            return Some(self.first);
        }
        if self.delivered >= last {
            // The last piece was just delivered; a stall has nothing more to deliver.
            return if matches!(self.end, StreamEnd::Stall(_)) { None } else { Some(self.gap) };
        }
        Some(tokens(self.chunk_len(max_gap, last)))
    }

    fn chunk_len(&self, max_gap: u64, last: u32) -> u32 {
        let most = u32::try_from(max_gap / self.gap).unwrap_or(u32::MAX).max(1);
        most.min(last - self.delivered)
    }

    /// Makes the next delivery.
    pub(crate) fn deliver(&mut self, max_gap: u64, unstreamed: bool) -> Delivery {
        let last = self.end.after(self.total);
        let from = self.delivered;
        let size = if unstreamed {
            last.saturating_sub(from)
        } else if !self.started {
            1.min(last.saturating_sub(from))
        } else if from < last {
            self.chunk_len(max_gap, last)
        } else {
            0
        };
        self.started = true;
        self.delivered += size;
        let over = self.delivered >= last;
        match self.end {
            StreamEnd::Finish if over => Delivery::Last(from, self.delivered),
            StreamEnd::Failure(kind, _) if over && (size == 0 || unstreamed) => Delivery::Failure(kind),
            StreamEnd::Clean(_) if over && (size == 0 || unstreamed) => Delivery::Clean,
            _ => Delivery::Tokens(from, self.delivered),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliveries(end: StreamEnd, total: u32, unstreamed: bool) -> (Vec<Delivery>, u64) {
        let mut completion = Completion::new(600, 20, total, end, RateLimits::default());
        let (mut delivered, mut at) = (Vec::new(), 0);
        while let Some(wait) = completion.next_delay(2_000, unstreamed) {
            at += wait;
            delivered.push(completion.deliver(2_000, unstreamed));
            if !matches!(delivered.last(), Some(Delivery::Tokens(..))) {
                break;
            }
        }
        (delivered, at)
    }

    #[test]
    fn stream_is_emitted_in_few_timed_pieces() {
        let (delivered, at) = deliveries(StreamEnd::Finish, 150, false);
        assert_eq!(delivered, [Delivery::Tokens(0, 1), Delivery::Tokens(1, 101), Delivery::Last(101, 150)]);
        assert_eq!(at, 600 + 149 * 20);
        let (delivered, at) = deliveries(StreamEnd::Finish, 150, true);
        assert_eq!((delivered, at), (vec![Delivery::Last(0, 150)], 600 + 149 * 20));
    }

    #[test]
    fn replies_end_at_the_configured_token() {
        let (delivered, at) = deliveries(StreamEnd::Failure(Kind::Truncated, 50), 150, false);
        assert_eq!(
            delivered,
            [Delivery::Tokens(0, 1), Delivery::Tokens(1, 50), Delivery::Failure(Kind::Truncated)]
        );
        assert_eq!(at, 600 + 50 * 20);
        assert_eq!(
            deliveries(StreamEnd::Stall(5), 150, false).0,
            [Delivery::Tokens(0, 1), Delivery::Tokens(1, 5)]
        );
        assert_eq!(deliveries(StreamEnd::Stall(5), 150, true).0, []);
        assert_eq!(
            deliveries(StreamEnd::Failure(Kind::Overloaded, 0), 150, false).0,
            [Delivery::Failure(Kind::Overloaded)]
        );
        assert_eq!(deliveries(StreamEnd::Clean(1), 150, false).0, [Delivery::Tokens(0, 1), Delivery::Clean]);
    }
}
