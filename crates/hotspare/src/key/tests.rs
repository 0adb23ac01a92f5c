//! Keys that change while they are in use, sources that hang, and how keys are displayed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use hotspare_core::Moment;
use tokio::sync::Semaphore;

use super::*;

/// A slot whose source is this text, and the number of times that it was read.
fn stored(text: &Arc<Mutex<String>>) -> (KeySlot, Arc<AtomicU64>) {
    let (source, reads) = (Arc::clone(text), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&reads);
    let key = Key::read("the store", move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(source.lock().unwrap().as_str()))
    });
    (KeySlot::read(key.clone(), key.resolve().unwrap()), reads)
}

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

/// The clock is paused: a read is waited for, however slow the machine is.
#[tokio::test(start_paused = true)]
async fn rejected_key_is_reread_and_replaced_only_if_changed() {
    let text = Arc::new(Mutex::new("first".to_owned()));
    let (slot, _) = stored(&text);
    let first = Secret::new("first");
    assert!(!slot.renew(&first).await, "the source has nothing newer");
    *text.lock().unwrap() = "second".into();
    assert!(slot.renew(&first).await);
    assert!(slot.renew(&first).await, "a call that still used the old key tries the new one");
    assert!(!slot.renew(&Secret::new("second")).await);
    *text.lock().unwrap() = "two words".into();
    assert!(!slot.renew(&Secret::new("second")).await, "an invalid key is not used");
    assert!(slot.reload().await.unwrap_err().contains("the store contains whitespace"));
}

#[test]
fn byte_order_mark_is_not_part_of_a_key() {
    let resolve = |text: &'static str| Key::read("the store", move || Ok(Secret::new(text))).resolve();
    assert_eq!(resolve("\u{feff}sk-1\r\n").unwrap().expose(), "sk-1");
    assert_eq!(resolve(" sk-1\n").unwrap().expose(), "sk-1");
    for invalid in ["sk\u{feff}-1", "sch\u{fc}ssel", "sk-1\u{200b}"] {
        assert!(resolve(invalid).unwrap_err().contains("not visible ASCII"), "{invalid}");
    }
    assert!(resolve("\u{feff}\n").unwrap_err().contains("is empty"));
}

/// Revoked first and replaced a moment later, as is usual for mounted secrets.
#[tokio::test(start_paused = true)]
async fn late_key_replacement_is_detected() {
    let text = Arc::new(Mutex::new("first".to_owned()));
    let (slot, reads) = stored(&text);
    assert!(!slot.is_rejected() && !slot.was_replaced(at(0)).await);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert!(!slot.renew(&Secret::new("first")).await);
    assert!(slot.is_rejected() && !slot.was_replaced(at(10)).await);
    *text.lock().unwrap() = "second".into();
    assert!(!slot.was_replaced(at(1_009)).await, "at most once a second");
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    assert!(slot.was_replaced(at(1_010)).await);
    assert!(!slot.is_rejected() && !slot.was_replaced(at(9_000)).await, "reported once");
    assert_eq!(reads.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn hanging_source_occupies_one_thread_and_its_late_key_is_used() {
    let (answer, answers) = mpsc::channel();
    let (answers, asked) = (Mutex::new(answers), Arc::new(Semaphore::new(0)));
    let begun = Arc::clone(&asked);
    let key = Key::read("the mount", move || {
        begun.add_permits(1);
        answers.lock().unwrap().recv().map(Secret::new).map_err(|_| "gone".into())
    });
    let slot = Arc::new(KeySlot::read(key, Secret::new("first")));
    let renewing = tokio::spawn({
        let slot = Arc::clone(&slot);
        async move { slot.renew(&Secret::new("first")).await }
    });
    asked.acquire().await.unwrap().forget();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!renewing.await.unwrap(), "it waits for a second");
    for second in 0..100 {
        assert!(!slot.was_replaced(at(second * 1_000)).await);
    }
    assert_eq!(asked.available_permits(), 0, "none of these started another read");
    let reloading = tokio::spawn({
        let slot = Arc::clone(&slot);
        async move { slot.reload().await }
    });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(reloading.await.unwrap().unwrap_err(), "the mount could not be read within 1s");

    answer.send("second").unwrap();
    while !slot.was_replaced(Moment::ZERO).await {
        tokio::task::yield_now().await;
    }
    assert!(slot.renew(&Secret::new("first")).await);
    assert!(!slot.is_rejected());
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_large_files_are_not_read() {
    let folder = std::env::temp_dir().join(format!("hotspare-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (pipe, large) = (folder.join("pipe"), folder.join("large"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    File::create(&large).unwrap().set_len(10 << 30).unwrap();
    for (path, why) in [
        (pipe.as_path(), "it is not a regular file"),
        (&folder, "it is not a regular file"),
        (Path::new("/dev/zero"), "it is not a regular file"),
        (&large, "it is larger than 1048576 bytes"),
    ] {
        let told = Key::file(path).reveal().unwrap_err();
        assert_eq!(told, format!("the key file {} cannot be read: {why}", path.display()));
    }
    std::fs::remove_dir_all(folder).unwrap();
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

#[test]
fn key_in_place_of_a_variable_is_not_shown() {
    for (name, shown) in [
        ("NO_SUCH_API_KEY", true),
        ("no_such_variable", true),
        ("sk-inline-key-1", false),
        ("gsk_2f6k8Zq0aB1cD3eF5gH7", false),
    ] {
        let key = Key::env(name);
        let told = key.reveal().map(drop).unwrap_err();
        assert_eq!((told.contains(name), format!("{key:?}").contains(name)), (shown, shown), "{told}");
        assert!(told.contains("is not set"), "{told}");
    }
}
