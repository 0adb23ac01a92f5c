//! What a failed reply means, depending on which of its words are the host's own.
//!
//! Hosts quote a request in their errors, so a caller chooses some of the words that classify a reply. Does not search
//! requests: whoever sent one does. Invariant: what an error does to other callers never rests on words that may be its
//! own caller's.

use super::Error;
use crate::kind::{Evidence, Hold, Kind, Scope};
use crate::overflow::Overflow;

/// One meaning of a failed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The kind of failure.
    pub kind: Kind,
    /// The scope that is affected, if the reply states it more exactly than its kind.
    pub scope: Option<Scope>,
    /// What in the text says so, in lower case: any of the lists, of which each text has to be the host's own. Empty if
    /// it rests on more than the text.
    pub said: Vec<Vec<String>>,
}

impl Reading {
    /// A meaning that rests on these texts alone, or, if there are none, on more than the text.
    #[must_use]
    pub const fn new(kind: Kind, scope: Option<Scope>, said: Vec<Vec<String>>) -> Self {
        Self { kind, scope, said }
    }

    fn is_sure(&self, quoted: &mut dyn FnMut(&str) -> bool) -> bool {
        self.said.is_empty() || self.said.iter().any(|texts| !texts.iter().any(|text| quoted(text)))
    }
}

impl Kind {
    /// Whether one call that fails so changes what happens to others: something is held back, disabled, or counted
    /// against health.
    #[must_use]
    pub const fn affects_others(self) -> bool {
        let policy = self.policy();
        !matches!(policy.hold, Hold::None) || !matches!(policy.evidence, Evidence::None)
    }
}

impl Error {
    /// Adds what the reply may mean, the most specific first, for [`Error::settle`] to choose from. Until then, the error
    /// has its own kind.
    #[must_use]
    pub fn with_readings(mut self, readings: Vec<Reading>) -> Self {
        self.0.readings = readings;
        self
    }

    /// The meanings to choose from.
    #[must_use]
    pub fn readings(&self) -> &[Reading] {
        &self.0.readings
    }

    /// Takes the first meaning that rests on words of the host: `quoted` tells whether a text, in lower case, may be
    /// from the request. A prompt that is too long stays so, but nothing is learned from what is said of its length. Where
    /// nothing follows for others, the message names the meaning that was passed over, which may be true all the same.
    #[must_use]
    pub fn settle(mut self, mut quoted: impl FnMut(&str) -> bool) -> Self {
        let mut passed_over = None;
        for reading in std::mem::take(&mut self.0.readings) {
            let is_sure = reading.is_sure(&mut quoted);
            if !is_sure && reading.kind != Kind::ContextOverflow {
                passed_over = passed_over.or(Some(reading.kind));
                continue;
            }
            self.0.kind = reading.kind;
            self.0.scope = reading.scope;
            self.0.teaches_nothing |= !is_sure;
            break;
        }
        if self.0.teaches_nothing || self.0.kind != Kind::ContextOverflow {
            self.0.overflow = None;
        }
        let passed_over = passed_over.filter(|kind| *kind != self.0.kind && !self.0.kind.affects_others());
        let Some(kind) = passed_over else { return self };
        let message = format!(
            "{} (or {}: the reply says so, but in words that the request has too)",
            self.message(),
            kind.summary()
        );
        self.with_message(message)
    }

    /// Whether what the reply says of the prompt's length may be the caller's own words.
    #[must_use]
    pub fn teaches_nothing(&self) -> bool {
        self.0.teaches_nothing
    }

    /// The numbers with which the provider rejected the request as too long, if it named any.
    #[must_use]
    pub fn overflow(&self) -> Option<Overflow> {
        self.0.overflow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn error() -> Error {
        Error::new(Kind::Auth, "m").with_readings(vec![
            Reading::new(Kind::Auth, None, vec![texts(&["a"]), texts(&["b", "c"])]),
            Reading::new(Kind::QuotaExhausted, Some(Scope::CredentialModel), vec![texts(&["d"])]),
            Reading::new(Kind::InvalidRequest, None, Vec::new()),
        ])
    }

    #[test]
    fn a_meaning_holds_on_any_words_that_are_all_the_hosts_own() {
        for (request, expected) in [
            ("", (Kind::Auth, Scope::Credential)),
            ("a", (Kind::Auth, Scope::Credential)),
            ("b c", (Kind::Auth, Scope::Credential)),
            ("a c", (Kind::QuotaExhausted, Scope::CredentialModel)),
            ("a b d", (Kind::InvalidRequest, Scope::None)),
        ] {
            let settled = error().settle(|text| request.contains(text));
            assert_eq!((settled.kind(), settled.scope()), expected, "{request}");
            assert!(settled.readings().is_empty() && !settled.teaches_nothing());
        }
        assert_eq!(error().kind(), Kind::Auth, "unsettled, an error has its own kind");
        let plain = Error::new(Kind::Forbidden, "m").with_scope(Scope::Credential).settle(|_| true);
        assert_eq!((plain.kind(), plain.scope()), (Kind::Forbidden, Scope::Credential));
    }

    #[test]
    fn the_message_names_a_meaning_that_was_passed_over() {
        let settled = |request: &str| error().settle(|text| request.contains(text));
        let or =
            "m (or the provider rejected the key: the reply says so, but in words that the request has too)";
        assert_eq!(settled("a b d").message(), or);
        // What has consequences for others is explained by those.
        assert_eq!((settled("a b").message(), settled("").message()), ("m", "m"));
    }

    #[test]
    fn a_quoted_length_is_still_a_rejection_but_teaches_nothing() {
        let error = || {
            let said = vec![texts(&["context length is # tokens"])];
            Error::new(Kind::ContextOverflow, "m")
                .with_overflow(Overflow::new(None, Some(4_096)))
                .with_readings(vec![Reading::new(Kind::ContextOverflow, None, said)])
        };
        let settled = error().settle(|_| false);
        assert!(settled.overflow().is_some() && !settled.teaches_nothing());
        let settled = error().settle(|_| true);
        assert_eq!(settled.kind(), Kind::ContextOverflow);
        assert!(settled.overflow().is_none() && settled.teaches_nothing());
    }

    #[test]
    fn only_kinds_without_consequences_leave_others_alone() {
        for kind in [Kind::InvalidRequest, Kind::Unsupported, Kind::ContentPolicy, Kind::BadOutput] {
            assert!(!kind.affects_others(), "{kind}");
        }
        for kind in [Kind::Auth, Kind::ModelUnavailable, Kind::RateLimited, Kind::Server, Kind::Overloaded] {
            assert!(kind.affects_others(), "{kind}");
        }
    }
}
