//! What an unsuccessful reply or an exception inside a stream means.
//!
//! Invariant: total; a name is believed before the status, a text before a name that says only that something is wrong, and
//! an unknown name is taken by its status.

use hotspare_core::{Error, Kind};
use hotspare_provider::{Head, retry_after};
use serde_json::Value;

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let mut said = Said::read(&String::from_utf8_lossy(body));
    if let Some(name) = head.header("x-amzn-errortype").map(bare).filter(|name| !name.is_empty()) {
        name.clone_into(&mut said.code);
    }
    let status = head.status.as_u16();
    let error = said.error(Some(status)).with_status(status);
    match retry_after(head) {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

/// Classifies an exception of this name inside a stream.
pub(crate) fn in_stream(code: &str, data: &[u8]) -> Error {
    in_reply(code, data)
        .unwrap_or_else(|| Said { code: bare(code).to_owned(), ..Said::default() }.error(None))
}

/// Classifies a body that should have been an answer, if it says that it is an error.
pub(crate) fn in_reply(code: &str, data: &[u8]) -> Option<Error> {
    let mut said = Said::read(&String::from_utf8_lossy(data));
    if !code.is_empty() {
        bare(code).clone_into(&mut said.code);
    }
    (!said.code.is_empty() || !said.message.is_empty()).then(|| said.error(None))
}

/// An exception's name without its name space before `#` and what follows `:`.
fn bare(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}

#[derive(Debug, Default)]
struct Said {
    message: String,
    code: String,
}

impl Said {
    fn read(text: &str) -> Self {
        let text = text.trim();
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            let message = if text.starts_with('<') { "the host sent an HTML page" } else { text };
            return Self { message: message.to_owned(), ..Self::default() };
        };
        // One of the host's fronts wraps its errors once more.
        let value = value.get("Output").unwrap_or(&value);
        let word = |names: &[&str]| {
            let found = names.iter().find_map(|name| value.get(name).and_then(Value::as_str));
            found.unwrap_or_default().to_owned()
        };
        let message = word(&["message", "Message", "originalMessage", "errorMessage"]);
        let code = word(&["__type", "code", "Code"]);
        Self { message, code: bare(&code).to_owned() }
    }

    fn error(&self, status: Option<u16>) -> Error {
        let error = Error::new(self.kind(status), self.message.clone());
        if self.code.is_empty() { error } else { error.with_code(self.code.clone()) }
    }

    fn kind(&self, status: Option<u16>) -> Kind {
        let lower = self.message.to_ascii_lowercase().replace('\u{2019}', "'");
        // Names inside a stream begin with a small letter.
        let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(&self.code));
        let told = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
        if named(&["ValidationException"]) || (self.code.is_empty() && status == Some(400)) {
            return Self::refused(&told);
        }
        if told(&["payment instrument", "payment_instrument"]) {
            return Kind::QuotaExhausted;
        }
        let row = ROWS.iter().find(|(names, _)| named(names)).map(|(_, kind)| *kind);
        match row.or_else(|| by_status(status)).unwrap_or(Kind::Server) {
            // One name for a key that is not known and for a model that it may not use.
            Kind::Forbidden if told(&["api key", "security token", "authentication failed", "signature"]) => {
                Kind::Auth
            }
            kind => kind,
        }
    }

    /// A request that was looked at and refused: only its text tells why.
    fn refused(told: &impl Fn(&[&str]) -> bool) -> Kind {
        if told(&[
            "input is too long",
            "prompt is too long",
            "too many input tokens",
            "input tokens exceeded",
            "exceed context limit",
            "exceeds the context",
            "context window",
            "context length",
            "expected maxlength",
            "total number of tokens",
        ]) {
            return Kind::ContextOverflow;
        }
        if told(&[
            "model identifier is invalid",
            "on-demand throughput",
            "end of its life",
            "resolve the foundation model",
            "model not found",
            "marked by provider as legacy",
        ]) {
            return Kind::ModelUnavailable;
        }
        if told(&["access to the model", "operation not allowed", "not authorized"]) {
            return Kind::Forbidden;
        }
        if told(&["content filter", "blocked by", "responsible ai", "content policy", "usage policy"]) {
            return Kind::ContentPolicy;
        }
        // This model, or this host alone, cannot do it; another target may.
        if told(&[
            "n't support",
            "not support",
            "n't currently support",
            "unsupported",
            "cannot both be specified",
            "exceeds the model limit",
            "pre-fill",
            "prefill",
            "not available in this region",
            "not enabled for",
        ]) {
            return Kind::Unsupported;
        }
        Kind::InvalidRequest
    }
}

/// What names of exceptions mean.
const ROWS: [(&[&str], Kind); 11] = [
    (
        &[
            "UnrecognizedClientException",
            "UnrecognizedClient",
            "ExpiredTokenException",
            "ExpiredToken",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignatureException",
            "IncompleteSignature",
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "InvalidClientTokenId",
            "NotAuthorizedException",
            "UnauthorizedException",
            "RequestExpired",
        ],
        Kind::Auth,
    ),
    (&["AccessDeniedException", "AccessDenied", "OptInRequired"], Kind::Forbidden),
    (
        &[
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "RequestThrottledException",
        ],
        Kind::RateLimited,
    ),
    (&["ServiceQuotaExceededException", "LimitExceededException"], Kind::QuotaExhausted),
    (
        &[
            "ServiceUnavailableException",
            "ServiceUnavailable",
            "ModelNotReadyException",
            "SlowDown",
            "ConflictException",
        ],
        Kind::Overloaded,
    ),
    (&["ModelTimeoutException", "RequestTimeoutException", "RequestTimeout"], Kind::Timeout),
    (
        &[
            "InternalServerException",
            "InternalServerError",
            "InternalFailure",
            "InternalError",
            "ModelErrorException",
            "ModelStreamErrorException",
        ],
        Kind::Server,
    ),
    (&["ResourceNotFoundException", "ResourceNotFound"], Kind::ModelUnavailable),
    (&["RequestEntityTooLargeException", "ContentTooLargeException"], Kind::ContextOverflow),
    (&["UnknownOperationException", "UnsupportedMediaTypeException"], Kind::Unsupported),
    (&["SerializationException", "MalformedQueryString", "InvalidParameterValue"], Kind::InvalidRequest),
];

fn by_status(status: Option<u16>) -> Option<Kind> {
    Some(match status? {
        401 => Kind::Auth,
        402 => Kind::QuotaExhausted,
        403 => Kind::Forbidden,
        404 => Kind::ModelUnavailable,
        408 | 504 => Kind::Timeout,
        409 | 503 | 529 => Kind::Overloaded,
        413 => Kind::ContextOverflow,
        424 => Kind::Server,
        429 => Kind::RateLimited,
        501 => Kind::Unsupported,
        400..=499 => Kind::InvalidRequest,
        500..=599 => Kind::Server,
        _ => Kind::Protocol,
    })
}

#[cfg(test)]
mod tests;
