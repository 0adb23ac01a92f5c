//! Rules by which failed replies are told apart: the data that an adapter's `classify` is made of.
//!
//! Not a reader of bodies: an adapter digs out its host's words and brings them here. A table is tried from top to bottom,
//! the most telling rule first. Invariant: a table is data, so that it can be printed, reviewed and tested as a whole.

use hotspare_core::{Error, Kind, Scope};

/// One rule: all that it names must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The status; `None` any.
    pub status: Option<u16>,
    /// The code, type or other fixed word is one of these, in lower case; empty any.
    pub words: &'static [&'static str],
    /// The text holds one of these, in lower case; empty any.
    pub text: &'static [&'static str],
    /// It also holds one of these; empty any.
    pub also: &'static [&'static str],
    /// What it means.
    pub kind: Kind,
    /// What is ill, where the rule knows it better than the kind.
    pub scope: Option<Scope>,
}

impl Rule {
    /// By a code, type or other fixed word.
    #[must_use]
    pub const fn word(words: &'static [&'static str], kind: Kind) -> Self {
        Self { words, ..Self::of(kind) }
    }

    /// By what the text holds.
    #[must_use]
    pub const fn text(text: &'static [&'static str], kind: Kind) -> Self {
        Self { text, ..Self::of(kind) }
    }

    /// By the status alone.
    #[must_use]
    pub const fn status(status: u16, kind: Kind) -> Self {
        Self { status: Some(status), ..Self::of(kind) }
    }

    const fn of(kind: Kind) -> Self {
        Self { status: None, words: &[], text: &[], also: &[], kind, scope: None }
    }

    /// The same rule at one status only.
    #[must_use]
    pub const fn at(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same rule where the text also holds one of these.
    #[must_use]
    pub const fn saying(mut self, text: &'static [&'static str]) -> Self {
        self.text = text;
        self
    }

    /// The same rule where the text holds one of these besides.
    #[must_use]
    pub const fn and(mut self, text: &'static [&'static str]) -> Self {
        self.also = text;
        self
    }

    /// The same rule about this much, not about all that its kind concerns.
    #[must_use]
    pub const fn within(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Whether all that the rule names is there.
    #[must_use]
    pub fn holds(&self, said: &Words<'_>) -> bool {
        let same = |word: &&str| said.words.iter().any(|said| said.eq_ignore_ascii_case(word));
        self.status.is_none_or(|status| Some(status) == said.status)
            && (self.words.is_empty() || self.words.iter().any(same))
            && (self.text.is_empty() || self.text.iter().any(|text| said.text.contains(text)))
            && (self.also.is_empty() || self.also.iter().any(|text| said.text.contains(text)))
    }
}

/// What a failed reply says, dug out of its body.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The status, or the one that an error inside a successful reply should have had.
    pub status: Option<u16>,
    /// Codes, types and other fixed words, in any case.
    pub words: &'a [&'a str],
    /// The text, in lower case.
    pub text: &'a str,
}

/// What a failed reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meaning {
    /// What went wrong.
    pub kind: Kind,
    /// What is ill, where the reply knows it better than its kind does.
    pub scope: Option<Scope>,
}

impl Meaning {
    /// An error of this meaning, in the host's words.
    #[must_use]
    pub fn error(self, message: impl Into<String>) -> Error {
        Error::new(self.kind, message).with_scope(self.scope)
    }
}

/// What the first rule that holds says; without one the status decides, as in [`by_status`].
#[must_use]
pub fn judge(rules: &[Rule], said: &Words<'_>) -> Meaning {
    match rules.iter().find(|rule| rule.holds(said)) {
        Some(rule) => Meaning { kind: rule.kind, scope: rule.scope },
        None => Meaning { kind: by_status(said.status), scope: None },
    }
}

/// The words of a failed reply that is no JSON.
#[must_use]
pub fn plain(text: &str) -> &str {
    match text.trim() {
        "" => "the host sent no explanation",
        page if page.starts_with('<') => "the host sent an HTML page",
        words => words,
    }
}

/// What a status means by itself, where no rule of an adapter knows better.
pub const BY_STATUS: &[Rule] = &[
    Rule::status(401, Kind::Auth),
    Rule::status(402, Kind::QuotaExhausted),
    Rule::status(403, Kind::Forbidden),
    Rule::status(404, Kind::ModelUnavailable),
    Rule::status(408, Kind::Timeout),
    Rule::status(409, Kind::Overloaded),
    Rule::status(410, Kind::ModelUnavailable),
    Rule::status(413, Kind::ContextOverflow),
    // What it relies on failed: a model behind a front, or a computation that others had started.
    Rule::status(424, Kind::Server),
    Rule::status(425, Kind::Overloaded),
    Rule::status(429, Kind::RateLimited),
    // Somebody cancelled it, and it was not the caller, who would not read this.
    Rule::status(499, Kind::Server),
    Rule::status(501, Kind::Unsupported),
    Rule::status(503, Kind::Overloaded),
    Rule::status(504, Kind::Timeout),
    Rule::status(524, Kind::Timeout),
    Rule::status(529, Kind::Overloaded),
];

/// What a status means by itself: [`BY_STATUS`], then its class. An error without a status is the provider's failure.
#[must_use]
pub fn by_status(status: Option<u16>) -> Kind {
    let rule = BY_STATUS.iter().find(|rule| rule.status == status);
    rule.map_or(
        match status {
            Some(400..=499) => Kind::InvalidRequest,
            Some(500..=599) | None => Kind::Server,
            Some(_) => Kind::Protocol,
        },
        |rule| rule.kind,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_where_all_that_it_names_is_there() {
        let said = |status, text| Words { status, words: &["Rate_Limit"], text };
        let rule = Rule::word(&["other", "rate_limit"], Kind::RateLimited).at(429).saying(&["per day"]);
        assert!(rule.holds(&said(Some(429), "50 requests per day")));
        assert!(rule.and(&["50", "60"]).holds(&said(Some(429), "50 requests per day")));
        assert!(!rule.and(&["60"]).holds(&said(Some(429), "50 requests per day")));
        assert!(!rule.holds(&said(Some(400), "50 requests per day")));
        assert!(!rule.holds(&said(None, "50 requests per day")));
        assert!(!rule.holds(&said(Some(429), "50 requests")));
        assert!(!Rule::word(&["other"], Kind::Server).holds(&said(None, "")));
    }

    #[test]
    fn the_first_rule_wins_and_every_status_means_something() {
        let rules = [Rule::text(&["a"], Kind::Auth).within(Scope::Model), Rule::status(400, Kind::BadOutput)];
        let judged = |status, text| {
            let error = judge(&rules, &Words { status: Some(status), words: &[], text }).error("m");
            (error.kind(), error.scope())
        };
        assert_eq!(judged(400, "a"), (Kind::Auth, Scope::Model));
        assert_eq!(judged(400, "b"), (Kind::BadOutput, Scope::None));
        assert_eq!(judged(401, "b"), (Kind::Auth, Scope::Credential));
        for status in 0..1_000 {
            let _ = by_status(Some(status));
        }
        assert_eq!(by_status(Some(410)), Kind::ModelUnavailable);
        assert_eq!(by_status(Some(418)), Kind::InvalidRequest);
        assert_eq!(by_status(Some(424)), Kind::Server);
        assert_eq!(by_status(None), Kind::Server);
    }
}
