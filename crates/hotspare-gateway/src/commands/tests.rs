//! What the commands report.

use super::*;

/// A provider that rejects a key did answer.
#[test]
fn a_failed_live_check_is_not_called_a_missing_answer() {
    assert_eq!(verdict(0, 2), Ok(()));
    assert_eq!(verdict(1, 2), Err("1 of 2 live checks failed".into()));
    assert_eq!(verdict(1, 1), Err("the live check failed".into()));
}

#[test]
fn a_wrong_address_is_suspected_in_whatever_it_answers() {
    for status in [404, 405] {
        assert!(may_be_elsewhere(&Error::new(Kind::Server, "x").with_status(status)));
    }
    assert!(may_be_elsewhere(&Error::new(Kind::ModelUnavailable, "x")));
    assert!(!may_be_elsewhere(&Error::new(Kind::Server, "x").with_status(502)));
}
