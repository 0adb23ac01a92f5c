//! Events do not depend on how the bytes were split, and limits hold.

use super::*;
use proptest::prelude::*;

fn frames(pieces: &[&[u8]]) -> Vec<(Option<String>, String)> {
    let mut sse = Sse::default();
    let mut out = VecDeque::new();
    for piece in pieces {
        sse.push(Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    sse.finish(&mut out).unwrap();
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    out.iter().map(|frame| (frame.name.as_ref().map(text), text(&frame.data))).collect()
}

fn plain(data: &[&str]) -> Vec<(Option<String>, String)> {
    data.iter().map(|data| (None, (*data).to_owned())).collect()
}

#[test]
fn reads_fields_comments_and_all_line_endings() {
    assert_eq!(frames(&[b"data: a\n\ndata:b\r\n\r\ndata: c\r\r"]), plain(&["a", "b", "c"]));
    assert_eq!(frames(&[b": ping\n\n:\n\ndata: x\n: inside\ndata: y\n\n"]), plain(&["x\ny"]));
    assert_eq!(frames(&[b"event: error\ndata: {}\n\n"]), vec![(Some("error".into()), "{}".into())]);
    assert_eq!(frames(&[b"\xef\xbb\xbfdata:  two spaces\n\n"]), plain(&[" two spaces"]));
    assert_eq!(frames(&[b"data\n\ndatum: no\n\nid: 1\nretry: 2\n\n"]), plain(&[""]));
}

#[test]
fn event_without_its_blank_line_is_dropped() {
    assert_eq!(frames(&[b"data: a\n\ndata: b\n"]), plain(&["a"]));
    assert_eq!(frames(&[b"data: a"]), plain(&[]));
}

#[test]
fn json_body_is_one_frame() {
    for body in ["{\"a\":\n1}", "\n[\n{}\n]\n", "\u{feff}{}", ": keep-alive\n\n{\"a\":1}\n\n{}"] {
        for size in [1, 2, 3, 100] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            let read = frames(&pieces);
            let json =
                body.split_once("-alive").map_or(body, |(_, json)| json).trim_start_matches('\u{feff}');
            assert_eq!(read.len(), 1, "{body:?}");
            assert_eq!(read[0].1.trim(), json.trim(), "{body:?} by {size}");
        }
    }
    assert_eq!(frames(&[b"data: a\n\n{\"no\":1}\n\n"]), plain(&["a"]));
    let mut sse = Sse::with_limit(100);
    let line = Bytes::from_static(b"{\"a\":0123456789\n");
    let refused = (0..20).find_map(|_| sse.push(line.clone(), &mut VecDeque::new()).err());
    assert_eq!(refused.unwrap().kind(), Kind::Protocol);
}

#[test]
fn event_name_does_not_leak_into_the_next_event() {
    assert_eq!(frames(&[b"event: ping\n\ndata: a\n\n"]), plain(&["a"]));
}

#[test]
fn endless_line_is_rejected() {
    let mut sse = Sse::with_limit(100);
    let mut out = VecDeque::new();
    let piece = Bytes::from_static(&[b'x'; 60]);
    sse.push(piece.clone(), &mut out).unwrap();
    assert_eq!(sse.push(piece, &mut out).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn endless_data_lines_are_rejected() {
    let mut sse = Sse::with_limit(100);
    let mut out = VecDeque::new();
    let line = Bytes::from_static(b"data: 0123456789\n");
    let refused = (0..20).find_map(|_| sse.push(line.clone(), &mut out).err());
    assert_eq!(refused.unwrap().kind(), Kind::Protocol);
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(
        lines in prop::collection::vec("(data: ?[a-z{}é]{0,8}|event: [a-z]{1,4}|: ?[a-z]{0,3}|)", 0..24),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 24),
        cuts in prop::collection::vec(0usize..400, 0..12),
    ) {
        let body: String = lines.iter().zip(&ends).map(|(line, end)| format!("{line}{end}")).collect();
        let bytes = body.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(frames(&pieces), frames(&[bytes]));
    }
}

proptest! {
    /// Whatever a host put into an event, exactly one event comes out, with the same JSON.
    #[test]
    fn written_event_round_trips(name in "[ -~\n]{0,8}", data in "[ -~\n\r]{1,40}") {
        let mut out = Vec::new();
        write_event(Some(&name), data.as_bytes(), &mut out);
        let read = frames(&[&out]);
        prop_assert_eq!(read.len(), 1);
        let told = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) && !name.is_empty();
        prop_assert_eq!(&read[0].0, &told.then_some(name));
        prop_assert_eq!(&read[0].1, &data.replace(['\n', '\r'], " "));
    }
}
