//! Errors that the gateway itself raises, and how they are counted.
//!
//! Not failures of targets. Invariant: each of these errors has one of the codes below, which is also its outcome in
//! metrics.

use hotspare::Error;

/// The client disconnected while sending the body.
pub(crate) const CUT_OFF: &str = "body_cut_off";
/// Request bodies use all the memory they may.
pub(crate) const NO_MEMORY: &str = "no_body_memory";
/// The gateway is stopping.
pub(crate) const SHUTTING_DOWN: &str = "shutting_down";

/// The outcome of a request whose client disconnected.
pub(crate) const CANCELLED: &str = "cancelled";
/// The outcome of a request that ran out of the time its client allowed.
pub(crate) const CALLER_DEADLINE: &str = "caller_deadline";

/// All outcomes other than `served` and the kinds of failure.
pub(crate) const OUTCOMES: [&str; 4] = [CALLER_DEADLINE, CANCELLED, NO_MEMORY, SHUTTING_DOWN];

/// The outcome under which a failed request is counted.
pub(crate) fn outcome(error: &Error) -> &'static str {
    match error.code() {
        Some(CUT_OFF) => CANCELLED,
        Some(NO_MEMORY) => NO_MEMORY,
        Some(SHUTTING_DOWN) => SHUTTING_DOWN,
        _ => error.kind().as_str(),
    }
}
