//! Whole messages, messages cut at any position, and messages with any byte wrong.

use proptest::prelude::*;

use super::*;

/// Encodes a message as a host would.
fn encoded(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend(name.as_bytes());
        head.push(7);
        head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend(value.as_bytes());
    }
    raw(&head, payload)
}

fn raw(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = PRELUDE_LEN + headers.len() + payload.len() + TRAILER_LEN;
    let mut out = u32::try_from(total).unwrap().to_be_bytes().to_vec();
    out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

fn stream() -> Vec<u8> {
    [
        encoded(&[(":event-type", "messageStart"), (":message-type", "event")], b"{\"role\":\"assistant\"}"),
        encoded(&[(":message-type", "event"), (":event-type", "delta")], b""),
        encoded(
            &[(":exception-type", "throttlingException"), (":message-type", "exception")],
            b"{\"message\":\"slow\"}",
        ),
        encoded(&[(":message-type", "error"), (":error-code", "Internal"), (":error-message", "oh")], b""),
    ]
    .concat()
}

fn run(body: &[u8], cuts: &[usize]) -> (Vec<(String, String)>, Result<(), Kind>) {
    let mut framer = EventStream::default();
    let mut out = VecDeque::new();
    let mut from = 0;
    let mut result = Ok(());
    for &cut in cuts.iter().chain([&body.len()]) {
        let cut = cut.clamp(from, body.len());
        result = result.and_then(|()| framer.push(Bytes::copy_from_slice(&body[from..cut]), &mut out));
        from = cut;
    }
    let result = result.and_then(|()| framer.finish(&mut out)).map_err(|error| error.kind());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        out.iter()
            .map(|frame| (text(frame.name.as_deref().unwrap_or_default()), text(&frame.data)))
            .collect(),
        result,
    )
}

#[test]
fn message_types_distinguish_events_from_errors() {
    let (frames, result) = run(&stream(), &[]);
    assert_eq!(result, Ok(()));
    let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["messageStart", "delta", "exception:throttlingException", "error:Internal"]);
    assert_eq!(frames[2].1, "{\"message\":\"slow\"}");
    assert_eq!(frames[3].1, "oh");
}

/// The example message from the format's documentation.
#[test]
fn decodes_the_documented_example() {
    let bytes = [
        0, 0, 0, 0x3d, 0, 0, 0, 0x20, 0x07, 0xFD, 0x83, 0x96, 0x0C, b'c', b'o', b'n', b't', b'e', b'n', b't',
        b'-', b't', b'y', b'p', b'e', 0x07, 0, 0x10, b'a', b'p', b'p', b'l', b'i', b'c', b'a', b't', b'i',
        b'o', b'n', b'/', b'j', b's', b'o', b'n', b'{', b'\'', b'f', b'o', b'o', b'\'', b':', b'\'', b'b',
        b'a', b'r', b'\'', b'}', 0x8D, 0x9C, 0x08, 0xB1,
    ];
    assert_eq!(run(&bytes, &[]), (vec![(String::new(), "{'foo':'bar'}".into())], Ok(())));
}

#[test]
fn skips_every_header_type() {
    let mut headers = Vec::new();
    for (kind, value) in [
        (0, &b""[..]),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\x02ab"),
        (8, b"12345678"),
        (9, b"1234567812345678"),
    ] {
        headers.extend([1, b'x', kind]);
        headers.extend(value);
    }
    headers.extend(b"\x0b:event-type\x07\0\x01e");
    assert_eq!(run(&raw(&headers, b"p"), &[]), (vec![("e".into(), "p".into())], Ok(())));
    assert_eq!(run(&raw(&[1, b'x', 10], b""), &[]).1, Err(Kind::Protocol));
    assert_eq!(run(&raw(&[9, b'x', 1], b""), &[]).1, Err(Kind::Protocol));
}

#[test]
fn body_cut_inside_a_message_is_truncated() {
    let body = stream();
    let mut ends = vec![0];
    while ends[ends.len() - 1] < body.len() {
        let at = ends[ends.len() - 1];
        ends.push(at + size(&body[at..]));
    }
    for end in 0..=body.len() {
        let (frames, result) = run(&body[..end], &[]);
        assert_eq!(frames.len(), ends.iter().filter(|&&at| at <= end).count() - 1, "{end}");
        let expected = if ends.contains(&end) { Ok(()) } else { Err(Kind::Truncated) };
        assert_eq!(result, expected, "{end}");
    }
}

#[test]
fn implausible_lengths_are_rejected_before_buffering() {
    let prelude = |total: u32, headers: u32| {
        let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    };
    for (total, headers) in [(u32::MAX, 0), (0, 0), (15, 0), (16, 1), (64, u32::MAX), (5 << 20, 0)] {
        assert_eq!(run(&prelude(total, headers), &[]).1, Err(Kind::Protocol), "{total} {headers}");
    }
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_frames(cuts in prop::collection::vec(0usize..400, 0..12)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&stream(), &cuts), run(&stream(), &[]));
    }

    /// Any changed byte is detected, except in a length that now says that more bytes are to come.
    #[test]
    fn corrupted_byte_is_detected(at in 0usize..1_000, flip in 1u8..) {
        let mut body = stream();
        let at = at % body.len();
        body[at] ^= flip;
        prop_assert!(run(&body, &[]).1.is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), headers in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = run(&body, &[3, 12]);
        let _ = run(&raw(&headers, &body), &[]);
    }
}
