//! The one error type.
//!
//! Not a place for keys or prompts: messages are fragments that fit "failed to …", excerpts are short, and code that
//! holds a secret removes it with [`Error::scrub`] before it passes the error on. Invariant: an error is classified
//! once, where the reply is decoded; everything above asks [`Kind::policy`].

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::kind::{Blame, Kind, Next, Policy, Scope};
use crate::overflow::Overflow;
use crate::target::TargetId;
use crate::trail::Trail;

mod reading;

pub use self::reading::Reading;

/// Longest message kept, in bytes: enough to be useful, too short to carry a prompt.
const MESSAGE_LIMIT: usize = 600;

/// What went wrong, where, and what was tried.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    /// Overrides the kind's own scope, if the reply is more specific.
    scope: Option<Scope>,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    /// The provider asked not to be sent this request again.
    rules_out_retry: bool,
    overflow: Option<Overflow>,
    /// What the reply may mean, until that is settled.
    readings: Vec<Reading>,
    /// What it says of the prompt's length may be quoted from the request.
    teaches_nothing: bool,
    target: Option<TargetId>,
    trail: Option<Arc<Trail>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a message: a lower-case fragment without keys or prompts. It becomes one line of bounded length,
    /// because it may quote what a caller or a provider sent; not so for [`Kind::Config`], which lists the mistakes in
    /// the operator's own configuration.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            scope: None,
            message: fragment(kind, message.into()),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            rules_out_retry: false,
            overflow: None,
            readings: Vec::new(),
            teaches_nothing: false,
            target: None,
            trail: None,
            source: None,
        }))
    }

    /// Overrides the scope where the reply is more specific than its kind: a quota of one model leaves the key's other
    /// models usable. It has no effect on a kind whose policy has no scope; `None` keeps the scope as it is.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Option<Scope>>) -> Self {
        self.0.scope = scope.into().or(self.0.scope);
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the provider's own error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(one_line(code.into()));
        self
    }

    /// Adds the provider's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(one_line(id.into()));
        self
    }

    /// The longest pause that an error can name, 31 days: no limit is counted over more, so a longer one is a mistake.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(31 * 86_400);

    /// Adds the pause that the provider asks for; `None`, or one longer than [`Error::LONGEST_PAUSE`], keeps the one there
    /// is.
    #[must_use]
    pub fn with_retry_after(mut self, pause: impl Into<Option<Duration>>) -> Self {
        let pause = pause.into().filter(|pause| *pause <= Self::LONGEST_PAUSE);
        self.0.retry_after = pause.or(self.0.retry_after);
        self
    }

    /// Records that the provider asked not to be sent this request again, as it does with `x-should-retry: false`.
    #[must_use]
    pub fn with_retry_ruled_out(mut self) -> Self {
        self.0.rules_out_retry = true;
        self
    }

    /// The same failure without that ruling: as the first of several, where the request may be served later.
    #[must_use]
    pub fn without_retry_ruling(mut self) -> Self {
        self.0.rules_out_retry = false;
        self
    }

    /// Adds the numbers with which the provider rejected the request as too long; `None` keeps those there are.
    #[must_use]
    pub fn with_overflow(mut self, overflow: impl Into<Option<Overflow>>) -> Self {
        self.0.overflow = overflow.into().or(self.0.overflow);
        self
    }

    /// Adds the target that failed.
    #[must_use]
    pub fn with_target(mut self, target: TargetId) -> Self {
        self.0.target = Some(target);
        self
    }

    /// Adds the record of all attempts.
    #[must_use]
    pub fn with_trail(mut self, trail: Arc<Trail>) -> Self {
        self.0.trail = Some(trail);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The same failure with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = fragment(self.0.kind, message.into());
        self
    }

    /// The same failure as another kind, with that kind's scope.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self.0.scope = None;
        self.0.readings = Vec::new();
        self
    }

    /// Replaces every occurrence of `secret` in the texts, including a prefix of it where truncation cut through the
    /// secret, and drops a source that contains it. A secret of fewer than 8 bytes is left alone: it also occurs inside
    /// ordinary words (`max_tokens` contains `k`), and replacing it there would garble the message.
    #[must_use]
    pub fn scrub(mut self, secret: &str) -> Self {
        if secret.len() < SHORTEST_SECRET {
            return self;
        }
        let inner = &mut *self.0;
        let texts = [Some(&mut inner.message), inner.code.as_mut(), inner.request_id.as_mut()];
        for text in texts.into_iter().flatten() {
            if text.contains(secret) {
                *text = text.replace(secret, "[key]");
            }
            cut_short(text, secret);
        }
        if inner.source.as_ref().is_some_and(|source| shows(&**source, secret)) {
            inner.source = None;
        }
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the provider did not accept the key itself, so that a newer one from its source may help.
    #[must_use]
    pub fn rejects_key(&self) -> bool {
        self.0.kind.rejects_key()
    }

    /// What follows from it: the policy of its kind, with the scope overridden if the reply was more specific.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let policy = self.0.kind.policy();
        match self.0.scope {
            Some(scope) if policy.scope != Scope::None => Policy { scope, ..policy },
            _ => policy,
        }
    }

    /// Who is to blame.
    #[must_use]
    pub fn blame(&self) -> Blame {
        self.policy().blame
    }

    /// What it affects.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.policy().scope
    }

    /// Whether the same request may succeed later: not if the provider asks to be spared it (see
    /// [`Error::rules_out_retry`]) and names no pause. On the error that ends a call, whether it may succeed at any target
    /// of the route.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if self.0.rules_out_retry && self.0.retry_after.is_none() {
            return false;
        }
        self.0.kind.passes_with_time() || self.0.retry_after.is_some()
    }

    /// Whether another target is tried after this failure.
    #[must_use]
    pub fn should_fail_over(&self) -> bool {
        matches!(self.policy().next, Next::Move | Next::Larger | Next::Confirm)
    }

    /// What happened, without keys or prompts.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// HTTP status of the provider's reply. It concerns your key and your account as well as the request, so it is not the
    /// status to return to your own caller: that is [`Error::http_status`].
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The status with which a server should answer its own caller: 400 or 422 if the request has to change, 429 or 503 if it
    /// may succeed later, 502 or 504 if the targets failed.
    ///
    /// ```
    /// use hotspare_core::{Error, Kind};
    ///
    /// let rejected = Error::new(Kind::Auth, "the key is wrong").with_status(401);
    /// assert_eq!(rejected.http_status(), 502); // our key, not the caller's
    /// ```
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self.0.kind {
            Kind::InvalidRequest if self.code() == Some("model_not_found") => 404,
            Kind::InvalidRequest | Kind::ContextOverflow | Kind::ContentPolicy => 400,
            Kind::Unsupported => 422,
            Kind::RateLimited | Kind::GrowthLimited => 429,
            Kind::Deadline | Kind::Timeout => 504,
            Kind::NoTarget | Kind::Overloaded => 503,
            Kind::Cancelled => 499,
            Kind::Config => 500,
            Kind::Auth
            | Kind::BadOutput
            | Kind::Connect
            | Kind::Disconnected
            | Kind::Forbidden
            | Kind::ModelUnavailable
            | Kind::Protocol
            | Kind::QuotaExhausted
            | Kind::Server
            | Kind::Stalled
            | Kind::Truncated => 502,
        }
    }

    /// The provider's own error code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The provider's id of the request, for support inquiries.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the provider asks to be left alone. On the error that ends a call before its answer begins, how long until
    /// the first target may be available again (a second if one is now), with up to a quarter added at random; `None` if
    /// no target gives a time.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the provider asked not to be sent this request again: the call does not repeat it there with the same key.
    /// Other targets may still serve it, and so may this one after [`Error::retry_after`], if it names that, as servers do
    /// during an outage. On the error that ends a call before its answer begins, no target is expected to serve it.
    #[must_use]
    pub fn rules_out_retry(&self) -> bool {
        self.0.rules_out_retry
    }

    /// The target that failed.
    #[must_use]
    pub fn target(&self) -> Option<&TargetId> {
        self.0.target.as_ref()
    }

    /// The record of the call's attempts and how they ended; empty unless this error ended a call.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        static NOTHING: Trail = Trail::EMPTY;
        self.0.trail.as_deref().unwrap_or(&NOTHING)
    }

    /// A message that is safe to show to untrusted callers. It quotes the provider only where the caller must correct
    /// the request. Why a call found no target ([`Kind::NoTarget`]) is left to [`Error::message`] and [`Error::trail`],
    /// because it names targets, limits and budgets.
    #[must_use]
    pub fn public_message(&self) -> String {
        let inner = &*self.0;
        let own = match inner.kind {
            // An error without a trail was made before any target was considered.
            Kind::NoTarget => inner.trail.is_none(),
            Kind::Unsupported => inner.status.is_none(),
            _ => false,
        };
        match inner.kind.policy().blame {
            Blame::Caller if !inner.message.is_empty() => inner.message.clone(),
            // A code marks a `NoTarget` error that is not about targets.
            _ if inner.kind == Kind::NoTarget && inner.code.is_some() => inner.message.clone(),
            _ if own && !inner.message.is_empty() => format!("{}: {}", inner.kind.summary(), inner.message),
            _ => match self.trail().attempts.len() {
                0 => inner.kind.summary().to_owned(),
                1 => format!("{} (1 attempt)", inner.kind.summary()),
                n => format!("{} ({n} attempts)", inner.kind.summary()),
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(target) = &inner.target {
            write!(f, "{target}: ")?;
        }
        f.write_str(inner.kind.summary())?;
        if let Some(status) = inner.status {
            write!(f, " ({status})")?;
        }
        if !inner.message.is_empty() && inner.message != inner.kind.summary() {
            write!(f, ": {}", inner.message)?;
        }
        let others = self.trail().attempts.len().saturating_sub(1);
        if others > 0 {
            write!(f, "; {} attempts in total", others + 1)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        for (name, value) in [("code", &inner.code), ("request_id", &inner.request_id)] {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if let Some(status) = inner.status {
            out.field("status", &status);
        }
        if let Some(pause) = inner.retry_after {
            out.field("retry_after", &pause);
        }
        if inner.rules_out_retry {
            out.field("rules_out_retry", &true);
        }
        if let Some(overflow) = &inner.overflow {
            out.field("overflow", overflow);
        }
        if let Some(target) = &inner.target {
            out.field("target", target);
        }
        if let Some(trail) = &inner.trail {
            out.field("trail", &trail.attempts);
        }
        if let Some(source) = &inner.source {
            out.field("source", &source.to_string());
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

fn fragment(kind: Kind, message: String) -> String {
    if kind == Kind::Config { message } else { one_line(message) }
}

/// The text on one line, truncated: a line of a log holds one error, whatever the error quotes.
fn one_line(mut text: String) -> String {
    if text.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    if text.contains(breaks_line) {
        text = text
            .split(breaks_line)
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
    }
    text
}

fn breaks_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The length in bytes from which a secret is scrubbed. Providers issue much longer keys; shorter ones are placeholders for
/// servers that want any key at all.
const SHORTEST_SECRET: usize = 8;

/// A truncated text may end in a prefix of a secret; prefixes shorter than this give nothing away.
const LEAST_SHOWN: usize = 4;

fn cut_short(text: &mut String, secret: &str) {
    let Some(kept) = text.strip_suffix('…') else { return };
    let begun = (LEAST_SHOWN..secret.len())
        .rev()
        .find(|&length| secret.is_char_boundary(length) && kept.ends_with(&secret[..length]));
    if let Some(length) = begun {
        let end = kept.len() - length;
        text.truncate(end);
        text.push_str("[key]…");
    }
}

fn shows(source: &(dyn StdError + 'static), secret: &str) -> bool {
    let mut next = Some(source);
    while let Some(error) = next {
        if error.to_string().contains(secret) || format!("{error:?}").contains(secret) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_pointer_sized() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn scrub_removes_the_secret_everywhere() {
        let inner = Error::new(Kind::Auth, "bad key sk-secret");
        let error = Error::new(Kind::Auth, "incorrect key: sk-secret")
            .with_code("sk-secret")
            .with_request_id("r-sk-secret")
            .with_source(inner)
            .scrub("sk-secret");
        let shown = format!("{error} {error:?} {} {:?}", error.public_message(), StdError::source(&error));
        assert!(!shown.contains("sk-secret"), "{shown}");
        assert!(shown.contains("[key]"));
    }

    #[test]
    fn scrub_ignores_placeholder_keys() {
        let error = Error::new(Kind::InvalidRequest, "max_tokens is too large").scrub("k").scrub("tokens");
        assert_eq!(error.message(), "max_tokens is too large");
        assert_eq!(error.with_message("bad key-1234").scrub("key-1234").message(), "bad [key]");
    }

    /// A long message is truncated before the code that knows the secret sees it.
    #[test]
    fn truncation_leaves_no_prefix_of_a_secret() {
        let secret = "sk-0123456789";
        for room in 0..=secret.len() {
            let told = format!("{}{secret} and more", "x".repeat(MESSAGE_LIMIT - room));
            let error = Error::new(Kind::InvalidRequest, told).scrub(secret);
            assert!(!error.message().contains("sk-0"), "{room}: {error}");
        }
    }

    #[test]
    fn error_that_asks_callers_to_come_back_is_retryable() {
        for kind in Kind::ALL.iter().copied() {
            let error = Error::new(kind, "");
            assert!(error.is_retryable() || !matches!(error.http_status(), 429 | 503 | 504), "{kind}");
        }
    }

    /// A server that asks its callers not to repeat requests during an outage says when the outage may be over.
    #[test]
    fn error_that_rules_out_a_retry_is_retryable_only_after_a_pause() {
        let pause = Duration::from_secs(1);
        for kind in Kind::ALL.iter().copied() {
            let error = Error::new(kind, "").with_retry_ruled_out();
            assert!(!error.is_retryable(), "{kind}");
            assert!(error.with_retry_after(pause).is_retryable(), "{kind}");
        }
    }

    #[test]
    fn without_its_ruling_an_error_keeps_all_else() {
        let pause = Duration::from_secs(1);
        for kind in Kind::ALL.iter().copied() {
            let plain = Error::new(kind, "").with_retry_after(pause);
            let error = plain.clone().with_retry_ruled_out().without_retry_ruling();
            assert_eq!(format!("{error:?}"), format!("{plain:?}"));
        }
    }

    #[test]
    fn with_scope_changes_only_the_scope() {
        let pair = Scope::CredentialModel;
        let quota = Error::new(Kind::QuotaExhausted, "x").with_scope(pair);
        assert_eq!(quota.policy(), Policy { scope: pair, ..Kind::QuotaExhausted.policy() });
        assert_eq!(quota.clone().with_scope(None).scope(), pair);
        assert_eq!(quota.with_kind(Kind::Auth).scope(), Scope::Credential);
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.policy().scope == Scope::None) {
            assert_eq!(Error::new(kind, "x").with_scope(pair).policy(), kind.policy(), "{kind}");
        }
    }

    #[test]
    fn pause_of_years_counts_as_none() {
        let error = Error::new(Kind::Server, "x").with_retry_after(Duration::MAX);
        assert_eq!(error.retry_after(), None);
        let error = error.with_retry_after(Error::LONGEST_PAUSE).with_retry_after(Duration::MAX);
        assert_eq!(error.retry_after(), Some(Error::LONGEST_PAUSE));
    }

    #[test]
    fn long_messages_are_truncated_at_a_char_boundary() {
        let error = Error::new(Kind::Server, "é".repeat(5_000));
        assert!(error.message().len() <= MESSAGE_LIMIT + '…'.len_utf8());
    }

    #[test]
    fn the_texts_of_an_error_are_lines() {
        let lines = "a role\r\n\n  of\u{1b}[2J two\u{2028}lines\n";
        let line = "a role of [2J two lines";
        let error = Error::new(Kind::InvalidRequest, lines).with_code(lines).with_request_id(lines);
        assert_eq!((error.message(), error.code(), error.request_id()), (line, Some(line), Some(line)));
        assert_eq!(error.with_message(lines.repeat(500)).message().lines().count(), 1);
        assert_eq!(Error::new(Kind::Config, "line 1\nline 2").message(), "line 1\nline 2");
    }

    #[test]
    fn public_message_quotes_the_provider_only_for_caller_errors() {
        let theirs = Error::new(Kind::InvalidRequest, "max_tokens must be positive");
        assert_eq!(theirs.public_message(), "max_tokens must be positive");
        let ours = Error::new(Kind::Auth, "key of org acme is wrong");
        assert_eq!(ours.public_message(), "the provider rejected the key");
        let closing = Error::new(Kind::NoTarget, "the gateway is shutting down");
        assert_eq!(closing.public_message(), "no target could be tried: the gateway is shutting down");
        let spent = Error::new(Kind::NoTarget, "acme-prod: 5 USD of 5 USD are spent");
        let spent = spent.with_trail(Arc::new(Trail::EMPTY));
        assert_eq!(spent.public_message(), "no target could be tried");
    }
}
