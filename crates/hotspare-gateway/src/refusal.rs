//! Errors that the gateway itself raises, and how they are counted.
//!
//! Not failures of targets. Invariant: each of these errors has one of the codes below, which is also its outcome in
//! metrics.

use std::time::Duration;

use hotspare::{Error, Kind};

/// The client disconnected while sending the body.
pub(crate) const CUT_OFF: &str = "body_cut_off";
/// This machine allows no more open files, so no target could be reached. Also the code of the attempt that failed.
const NO_FILES: &str = "too_many_open_files";
/// Request bodies use all the memory they may.
pub(crate) const NO_MEMORY: &str = "no_body_memory";
/// The gateway is stopping.
pub(crate) const SHUTTING_DOWN: &str = "shutting_down";
/// All connections are in use.
pub(crate) const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

/// All codes.
const CODES: [&str; 5] = [CUT_OFF, NO_FILES, NO_MEMORY, SHUTTING_DOWN, TOO_MANY_CONNECTIONS];

/// The outcome of a request whose client disconnected.
pub(crate) const CANCELLED: &str = "cancelled";
/// The outcome of a request that ran out of the time its client allowed.
pub(crate) const CALLER_DEADLINE: &str = "caller_deadline";

/// All outcomes other than `served` and the kinds of failure.
pub(crate) const OUTCOMES: [&str; 6] =
    [CALLER_DEADLINE, CANCELLED, NO_FILES, NO_MEMORY, SHUTTING_DOWN, TOO_MANY_CONNECTIONS];

/// The outcome under which a failed request is counted.
pub(crate) fn outcome(error: &Error) -> &'static str {
    match code(error) {
        Some(CUT_OFF) => CANCELLED,
        Some(code) => code,
        None => error.kind().as_str(),
    }
}

/// The code of an error that the gateway itself raised.
pub(crate) fn code(error: &Error) -> Option<&'static str> {
    let is_own = matches!(error.kind(), Kind::InvalidRequest | Kind::NoTarget);
    CODES.into_iter().find(|code| is_own && error.code() == Some(code))
}

/// Turns a call's failure for lack of files into a refusal by the gateway: another instance may serve, or this one in a
/// moment.
pub(crate) fn or_out_of_files(error: Error) -> Error {
    if error.kind() != Kind::Connect || error.code() != Some(NO_FILES) {
        return error;
    }
    error
        .with_kind(Kind::NoTarget)
        .with_message("the gateway has no file descriptor left for another connection; retry")
        .with_retry_after(Duration::from_secs(1))
}
