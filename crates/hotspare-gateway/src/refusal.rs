//! What the gateway refuses for reasons of its own, and how that is counted.
//!
//! Not a target's failure. Invariant: such an error has one of these codes, which is its outcome in metrics.

use hotspare::Error;

/// The caller broke off while it was sending.
pub(crate) const CUT_OFF: &str = "body_cut_off";
/// Bodies take all the memory that they may.
pub(crate) const NO_MEMORY: &str = "no_body_memory";
/// The gateway is stopping.
pub(crate) const SHUTTING_DOWN: &str = "shutting_down";

/// The outcome of a caller who left.
pub(crate) const CANCELLED: &str = "cancelled";
/// The outcome of a request whose caller gave too little time.
pub(crate) const CALLER_DEADLINE: &str = "caller_deadline";

/// All outcomes that are no kind of failure, but for `served`.
pub(crate) const OUTCOMES: [&str; 4] = [CALLER_DEADLINE, CANCELLED, NO_MEMORY, SHUTTING_DOWN];

/// As what a request counts that ended so.
pub(crate) fn outcome(error: &Error) -> &'static str {
    match error.code() {
        Some(CUT_OFF) => CANCELLED,
        Some(NO_MEMORY) => NO_MEMORY,
        Some(SHUTTING_DOWN) => SHUTTING_DOWN,
        _ => error.kind().as_str(),
    }
}
