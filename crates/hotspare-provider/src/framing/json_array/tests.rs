//! Elements for every split of the bytes, and bodies that are not arrays.

use proptest::prelude::*;

use super::*;

fn run(pieces: &[&[u8]]) -> Result<Vec<String>, Kind> {
    let mut framer = JsonArray::with_limits(64, 256);
    let mut out = VecDeque::new();
    let pushed = pieces.iter().try_for_each(|piece| framer.push(Bytes::copy_from_slice(piece), &mut out));
    pushed.and_then(|()| framer.finish(&mut out)).map_err(|error| error.kind())?;
    Ok(out.into_iter().map(|frame| String::from_utf8_lossy(&frame.data).into_owned()).collect())
}

#[test]
fn each_element_is_a_frame() {
    let body = b"[{\"a\": [1, {}]}\r\n,\r\n{\"b\":\"]}\\\"{\\\\\"}\n]\n";
    assert_eq!(run(&[body]).unwrap(), ["{\"a\": [1, {}]}", "{\"b\":\"]}\\\"{\\\\\"}"]);
    assert_eq!(run(&[b"[]"]).unwrap(), [""; 0]);
    assert_eq!(run(&[b" \n"]).unwrap(), [""; 0]);
}

#[test]
fn top_level_object_is_the_only_frame() {
    assert_eq!(run(&[b" {\"a\":", b"[1]} "]).unwrap(), ["{\"a\":[1]}"]);
    assert_eq!(run(&[b"{}{}"]), Err(Kind::Protocol));
}

#[test]
fn reads_sse_bodies_and_byte_order_marks() {
    let body = b":\n\ndata: {\"a\":1}\n\ndata: {}\n\n";
    for size in [1, 2, 100] {
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        assert_eq!(run(&pieces).unwrap(), ["{\"a\":1}", "{}"]);
    }
    assert_eq!(run(&[b"\xef\xbb", b"\xbf [{}]"]).unwrap(), ["{}"]);
}

#[test]
fn incomplete_arrays_are_truncated_and_others_rejected() {
    for body in ["[", "[{}", "[{},", "[{\"a\":1", "{\"a\":\"}", "{\"a\":\"\\\"}"] {
        assert_eq!(run(&[body.as_bytes()]), Err(Kind::Truncated), "{body}");
    }
    for body in ["<html>", "[1]", "\"x\"", "[{}]]", "[[{}]]", "null"] {
        assert_eq!(run(&[body.as_bytes()]), Err(Kind::Protocol), "{body}");
    }
}

#[test]
fn element_limit_is_lower_than_the_body_limit() {
    let long = "x".repeat(100);
    assert_eq!(run(&[format!("[{{\"a\":\"{long}\"}}]").as_bytes()]), Err(Kind::Protocol));
    assert_eq!(run(&[format!("{{\"a\":\"{long}\"}}").as_bytes()]).unwrap().len(), 1);
    assert_eq!(run(&[format!("{{\"a\":\"{}\"}}", "x".repeat(300)).as_bytes()]), Err(Kind::Protocol));
    assert_eq!(run(&[b"[{\"a\":\"", &[b'x'; 200]]), Err(Kind::Protocol));
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_frames(
        body in r#"\[?(\{("[a\\"\[\]{}]{0,5}")?[a,:\[\]{}\\ ]{0,4}\},?){0,4}\]?"#,
        cuts in prop::collection::vec(0usize..80, 0..6),
    ) {
        let bytes = body.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(run(&pieces), run(&[bytes]));
    }
}
