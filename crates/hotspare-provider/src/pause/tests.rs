//! Durations in the sentences of hosts: recorded ones, reported ones, and every spelling of a duration.

use proptest::prelude::*;

use super::*;

fn millis(pause: Option<Duration>) -> Option<u128> {
    pause.map(|pause| pause.as_millis())
}

#[test]
fn parses_pauses_with_units() {
    for (text, expected) in [
        ("16s", Some(16_000)),
        ("16.302655129s.", Some(16_302)),
        ("9h54m12.5s", Some(35_652_500)),
        ("1h2m3.5s", Some(3_723_500)),
        ("6m0s", Some(360_000)),
        ("500ms", Some(500)),
        ("500µs", Some(0)),
        ("0s", Some(0)),
        ("2d", Some(172_800_000)),
        ("1w", Some(604_800_000)),
        ("12 seconds.", Some(12_000)),
        ("16", Some(16_000)),
        ("16.", Some(16_000)),
        ("1,200 seconds", Some(1_200_000)),
        ("1, 200 seconds", Some(1_000)),
        ("1,5 seconds", Some(1_500)),
        ("0,25s", Some(250)),
        ("half an hour", Some(1_800_000)),
        ("half a minute", Some(30_000)),
        ("an hour", Some(3_600_000)),
        ("half", None),
        ("1 hour, 5 minutes and 3 seconds", Some(3_903_000)),
        ("1 hour and 3 requests", Some(3_600_000)),
        ("6s 30m", Some(6_000)),
        ("2 HOURS", Some(7_200_000)),
        ("60 second(s)", Some(60_000)),
        ("5-10 minutes", Some(600_000)),
        ("between 5 and 10 minutes", Some(600_000)),
        ("1 to 2 hrs", Some(7_200_000)),
        ("", None),
        ("soon", None),
        ("1.2.3s", None),
        ("99999h", None),
        ("-1s", None),
        ("12:30", None),
        ("2026-02-03", None),
        ("50%", None),
        ("1/2", None),
        ("a while", None),
        ("a", None),
        ("few", None),
        ("about", None),
        ("5 pm", None),
        ("3 attempts", None),
    ] {
        assert_eq!(millis(pause(text)), expected, "{text}");
    }
}

#[test]
fn parses_pauses_in_sentences() {
    for (sentence, expected) in [
        // Recorded.
        ("Please try again in 6.07s. Need more tokens? Upgrade to Dev Tier today", Some(6_070)),
        ("Please try again in 670ms. Need more tokens? Upgrade to Dev Tier today", Some(670)),
        ("limit: 1000000\nPlease retry in 49.02s.", Some(49_020)),
        ("You can retry your request, or contact us through our help center", None),
        ("Add a text block and retry your request.", None),
        (
            "if you created the deployment within the last 5 minutes, please wait a moment and try again.",
            None,
        ),
        ("reduce the prompt length or the maximum tokens requested, or try again later.", None),
        // Reported.
        ("Try again in 1m2.5s.", Some(62_500)),
        ("Rate limit reached. Limit: 3 / min. Please try again in 20s.", Some(20_000)),
        ("Please try again in 6m0s.", Some(360_000)),
        ("Please retry after 12 seconds.", Some(12_000)),
        ("Please retry after 1h2m3.5s", Some(3_723_500)),
        ("Please wait 42 seconds before retrying.", Some(42_000)),
        ("Please retry after a while, or try again in 250ms", Some(250)),
        ("Please wait and try again in 3s", Some(3_000)),
        ("please try again after 1 seconds", Some(1_000)),
        ("All accounts have exhausted their quota (reset after 140h 21m 10s)", Some(505_270_000)),
        ("Too many requests. Please wait for 15 seconds", Some(15_000)),
        ("Individual quota reached. Resets in 9h22m20s.", Some(33_740_000)),
        ("The limit resets after every 5 messages", None),
        ("Out of call volume quota. Quota will be replenished in 07:01:20.", Some(25_280_000)),
        ("Quota will be replenished in 3 days.", Some(259_200_000)),
        // Qualified, in words, or with other phrases.
        ("Try again in about 3 hours", Some(10_800_000)),
        ("You have used up your quota, try again in roughly 20 minutes.", Some(1_200_000)),
        ("The model is loading, try again in a few seconds", Some(3_000)),
        ("Please wait at least another 30 seconds.", Some(30_000)),
        ("You must wait 5 more seconds", Some(5_000)),
        ("Please try your request again in less than a minute.", Some(60_000)),
        ("Please retry your request after approximately 2 mins", Some(120_000)),
        ("Retry-After: 30", Some(30_000)),
        ("Resets in ~2 days", Some(172_800_000)),
        ("Try again in 1,5 seconds", Some(1_500)),
        ("Please wait half an hour", Some(1_800_000)),
        // Another thing than a duration.
        ("try again in a while", None),
        ("please wait 5 times", None),
        ("Please try again after 12:30:00 UTC", None),
        ("Please retry after 2026-02-03 20:31:50 +0800", None),
        ("try again tomorrow", None),
        ("This model will be available in 2026.", None),
        ("This model will be available in 2026", None),
        ("retry afterwards 5", None),
        ("", None),
    ] {
        assert_eq!(millis(retry_after_in_text(sentence)), expected, "{sentence}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_is_bounded(
        text in "\\PC{0,40}",
        words in "(about |~|a |few |[0-9]{1,4}[.,:–-]? ?|s|µs|minutes?|, |and |to ){0,8}",
    ) {
        for text in [&text, &words] {
            let bounded = |read: Option<Duration>| read.is_none_or(|pause| pause <= MAX_RETRY_AFTER);
            prop_assert!(bounded(pause(text)));
            prop_assert!(bounded(retry_after_in_text(text)));
            for (phrase, _) in PHRASES {
                prop_assert!(bounded(retry_after_in_text(&format!("{phrase} {text}"))), "{}", phrase);
            }
        }
    }

    #[test]
    fn every_spelling_of_a_duration_is_read_alike(
        (hours, minutes, seconds) in (0..400_u64, 0..60_u64, 0..60_u64),
        phrase in prop::sample::select(PHRASES.to_vec()),
        qualifier in prop::sample::select(QUALIFIERS.to_vec()),
    ) {
        let expected = Some(Duration::from_secs(hours * 3_600 + minutes * 60 + seconds));
        for spelled in [
            format!("{hours}h{minutes}m{seconds}s"),
            format!("{hours}h {minutes}m {seconds}s"),
            format!("{hours} hours, {minutes} minutes and {seconds} seconds"),
            format!("{hours} hrs {minutes} mins {seconds} secs"),
        ] {
            let sentence = format!("Limited. {} {qualifier}{spelled}. Bye", phrase.0);
            prop_assert_eq!(retry_after_in_text(&sentence), expected, "{}", sentence);
        }
    }
}
