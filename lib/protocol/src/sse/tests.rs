//! What a client would see of a stream, and that no byte of it is lost or moved.

use proptest::prelude::*;

use super::*;

const EVENT_BYTES_MAX: usize = 1000;

/// Splits `stream` as it comes in `pieces`; what is left at the end comes last.
fn split(pieces: &[&[u8]]) -> (Vec<Event>, Option<Bytes>) {
    let mut splitter = Splitter::new(EVENT_BYTES_MAX);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        while let Some(event) = splitter.next_event().expect("short events") {
            events.push(event);
        }
    }
    (events, splitter.finish())
}

fn raws(events: &[Event], rest: &Option<Bytes>) -> Vec<u8> {
    events.iter().map(|event| &event.raw).chain(rest).flatten().copied().collect()
}

/// The stream's events by their data, whatever way it is cut in two; the bytes come out as they went in.
#[track_caller]
fn check(stream: &str, data: &[Option<&str>]) -> Vec<Event> {
    let (events, rest) = split(&[stream.as_bytes()]);
    let seen: Vec<_> = events.iter().map(|event| event.data.as_deref()).collect();
    assert_eq!(seen, data, "{stream:?}");
    assert_eq!(raws(&events, &rest), stream.as_bytes());
    for at in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        assert_eq!(split(&[head, tail]), (events.clone(), rest.clone()), "{stream:?} cut at {at}");
    }
    events
}

#[test]
fn events_end_at_blank_lines_of_every_kind() {
    check("data: a\n\ndata: b\n\n", &[Some("a"), Some("b")]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &[Some("a"), Some("b")]);
    check("data: a\r\rdata: b\r\r", &[Some("a"), Some("b")]);
    check("data: a\n\r\ndata: b\r\n\n", &[Some("a"), Some("b")]);
    check("data: a\r\r\ndata: b\n\n", &[Some("a"), Some("b")]);
}

#[test]
fn the_last_event_of_a_crlf_stream_was_cut_before_its_line_feed() {
    let events = check("data: a\r\n\r\n", &[Some("a")]);
    assert_eq!(events[0].raw, "data: a\r\n\r\n");
}

#[test]
fn an_event_of_a_cr_stream_was_held_until_the_next_one_came() {
    let mut splitter = Splitter::new(EVENT_BYTES_MAX);
    splitter.push(b"data: a\r\r");
    let event = splitter.next_event().expect("short").expect("complete");
    assert_eq!(event.data.as_deref(), Some("a"));
}

#[test]
fn fields_are_read_as_the_standard_has_them() {
    let events = check("id: 7\nevent: message\ndata:x\ndata:  y\ndata\nretry: 10\n: note\n\n", &[Some("x\n y\n")]);
    assert_eq!(events[0].id.as_deref(), Some("7"));
    assert_eq!(events[0].name.as_deref(), Some("message"));
}

#[test]
fn what_is_no_message_has_no_data() {
    check(": keep-alive\n\nretry: 3000\n\n\n\nevent: x\n\n", &[None, None, None, None, None]);
}

#[test]
fn a_priming_event_has_empty_data() {
    let events = check("id: abc\ndata: \n\n", &[Some("")]);
    assert_eq!(events[0].id.as_deref(), Some("abc"));
}

#[test]
fn a_byte_order_mark_opens_the_stream_only() {
    check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &[Some("a"), None]);
    check("\u{feff}\n\ndata: a\n\n", &[None, None, Some("a")]);
}

#[test]
fn an_id_with_nul_is_no_id() {
    assert_eq!(check("id: a\0b\ndata: x\n\n", &[Some("x")])[0].id, None);
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    let (events, rest) = split(&[b"data: \xff\xfe\n\n"]);
    assert_eq!(events[0].raw.as_ref(), b"data: \xff\xfe\n\n");
    assert_eq!((events[0].data.as_deref(), rest), (Some("\u{fffd}\u{fffd}"), None));
}

#[test]
fn a_cut_off_event_is_what_is_left() {
    assert_eq!(split(&[b"data: a\n\ndata: b\n"]).1.as_deref(), Some(&b"data: b\n"[..]));
    assert_eq!(split(&[b"data: a\n\n"]).1, None);
}

#[test]
fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
    let whole = |padding: usize| [b"data: ", &vec![b'a'; padding][..], b"\n\n"].concat();
    let mut splitter = Splitter::new(100);
    splitter.push(&whole(92));
    assert_eq!(splitter.next_event().expect("100 bytes").expect("complete").raw.len(), 100);
    splitter.push(&whole(93));
    assert_eq!(splitter.next_event(), Err(EventTooLong(100)));
    splitter.push(b"data: a\n\n");
    assert_eq!(splitter.next_event(), Err(EventTooLong(100)), "no way on after an error");
}

#[test]
fn an_endless_event_is_refused_before_its_end() {
    let mut splitter = Splitter::new(100);
    splitter.push(&[b'a'; 101]);
    assert_eq!(splitter.next_event(), Err(EventTooLong(100)));
}

#[test]
fn our_own_events_read_back() {
    let json = "{\n  \"a\": 1\r\n}";
    let event = message_event(json.as_bytes());
    let (events, rest) = split(&[&event]);
    assert_eq!((events.len(), rest), (1, None));
    assert_eq!(events[0].name.as_deref(), Some("message"));
    assert_eq!(events[0].data.as_deref(), Some("{\n  \"a\": 1\n}"));
}

#[test]
fn a_comment_stays_a_comment_whatever_its_text() {
    let (events, rest) = split(&[&comment("a\n\ndata: b\r\r")]);
    assert_eq!((events.len(), rest, events[0].data.clone()), (1, None, None));
}

/// Texts rich in line ends, colons and marks.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"\n"[..],
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"data: x",
        b"data:",
        b"id: 1",
        b": c",
        b"\xef\xbb\xbf",
        b"\xff",
        b":",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events_and_all_bytes(
        stream in streams(),
        cuts in prop::collection::vec(0usize..100, 0..12),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let (events, rest) = split(&pieces);
        let bytes: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(split(&bytes), (events.clone(), rest.clone()));
        prop_assert_eq!(split(&[&stream]), (events.clone(), rest.clone()));
        prop_assert_eq!(raws(&events, &rest), stream);
    }
}
