//! What the commands report.

use super::*;

/// A provider that rejects a key did answer.
#[test]
fn a_failed_live_check_is_not_called_a_missing_answer() {
    assert_eq!(verdict(0, 2), Ok(()));
    assert_eq!(verdict(1, 2), Err("1 of 2 live checks failed".into()));
    assert_eq!(verdict(1, 1), Err("the live check failed".into()));
}
