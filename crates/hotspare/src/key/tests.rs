//! Keys that change while they are in use, and how keys are displayed.

use std::sync::Mutex;

use super::*;

#[test]
fn rejected_key_is_reread_and_replaced_only_if_changed() {
    let stored = Arc::new(Mutex::new("first".to_owned()));
    let source = Arc::clone(&stored);
    let key = Key::read("the store", move || Ok(Secret::new(source.lock().unwrap().as_str())));
    let slot = KeySlot::read(key.clone(), key.resolve().unwrap());
    let first = Secret::new("first");
    assert!(!slot.renew(&first), "the source has nothing newer");
    *stored.lock().unwrap() = "second".into();
    assert!(slot.renew(&first));
    assert!(slot.renew(&first), "a call that still used the old key tries the new one");
    assert!(!slot.renew(&Secret::new("second")));
    *stored.lock().unwrap() = "two words".into();
    assert!(!slot.renew(&Secret::new("second")), "what is no key is not taken");
}

/// Revoked first and replaced a moment later, as is usual for mounted secrets.
#[test]
fn late_key_replacement_is_detected() {
    let (stored, reads) = (Arc::new(Mutex::new("first".to_owned())), Arc::new(AtomicU64::new(0)));
    let (source, count) = (Arc::clone(&stored), Arc::clone(&reads));
    let key = Key::read("the store", move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(source.lock().unwrap().as_str()))
    });
    let slot = KeySlot::read(key.clone(), key.resolve().unwrap());
    let at = |millis| Moment::ZERO + Duration::from_millis(millis);
    assert!(!slot.was_replaced(at(0)), "nobody has rejected it");
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert!(!slot.renew(&Secret::new("first")));
    assert!(!slot.was_replaced(at(10)));
    *stored.lock().unwrap() = "second".into();
    assert!(!slot.was_replaced(at(1_009)), "at most once a second");
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    assert!(slot.was_replaced(at(1_010)));
    assert!(!slot.was_replaced(at(9_000)), "told once");
    assert_eq!(reads.load(Ordering::SeqCst), 4);
}

#[test]
fn keys_are_redacted_in_debug_output() {
    let key = Key::read("the store", || Ok(Secret::new("sk-secret")));
    let slot = KeySlot::read(key.clone(), key.resolve().unwrap());
    for shown in
        [format!("{key:?}"), format!("{slot:?}"), format!("{:?}", Key::from_secret(Secret::new("sk-secret")))]
    {
        assert!(!shown.contains("sk-secret"), "{shown}");
    }
}
