//! Keys that change while they are in use, and what is shown of them.

use std::sync::Mutex;

use super::*;

#[test]
fn a_rejected_key_is_read_again_and_kept_only_if_it_changed() {
    let stored = Arc::new(Mutex::new("first".to_owned()));
    let source = Arc::clone(&stored);
    let key = Key::read("the store", move || Ok(Secret::new(source.lock().unwrap().as_str())));
    let hole = Keyhole::read(key.clone(), key.resolve().unwrap());
    let first = Secret::new("first");
    assert!(!hole.renew(&first), "the source has nothing newer");
    *stored.lock().unwrap() = "second".into();
    assert!(hole.renew(&first));
    assert!(hole.renew(&first), "a call that still used the old key tries the new one");
    assert!(!hole.renew(&Secret::new("second")));
    *stored.lock().unwrap() = "two words".into();
    assert!(!hole.renew(&Secret::new("second")), "what is no key is not taken");
}

#[test]
fn nobody_shows_a_key() {
    let key = Key::read("the store", || Ok(Secret::new("sk-secret")));
    let hole = Keyhole::read(key.clone(), key.resolve().unwrap());
    for shown in
        [format!("{key:?}"), format!("{hole:?}"), format!("{:?}", Key::given(Secret::new("sk-secret")))]
    {
        assert!(!shown.contains("sk-secret"), "{shown}");
    }
}
