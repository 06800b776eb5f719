//! Heads that stand alone.
//!
//! What hyper reads of a head are slices of its connection's buffer, and the whole buffer stays for as long as one of
//! them does: for a stream, hours. Here they are copied into what they need, and share nothing with the buffer.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Uri, request::Parts};

pub(crate) fn alone(mut head: Parts) -> Parts {
    // What was read as a URI and written again is one.
    head.uri = Uri::from_maybe_shared(Bytes::from(head.uri.to_string())).unwrap_or(head.uri);
    head.headers = values_alone(head.headers);
    head
}

/// The same headers, with all of their values in one text of their own.
pub(crate) fn values_alone(mut headers: HeaderMap) -> HeaderMap {
    let mut text = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values() {
        text.extend_from_slice(value.as_bytes());
    }
    let mut text = text.freeze();
    for value in headers.values_mut() {
        let copy = text.split_to(value.len());
        let copy = HeaderValue::from_maybe_shared(copy).expect("the bytes of a value are a value");
        *value = copy;
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values as hyper gives them: slices of one buffer.
    fn sliced(buffer: &Bytes, values: &[&str]) -> HeaderMap {
        let slice = |value: &&str| HeaderValue::from_maybe_shared(buffer.slice_ref(find(buffer, value)));
        let values = values.iter().map(|value| ("x-a".parse().expect("a name"), slice(value).expect("a value")));
        values.collect()
    }

    fn find<'a>(buffer: &'a Bytes, value: &str) -> &'a [u8] {
        let at = buffer.windows(value.len()).position(|window| window == value.as_bytes()).expect("it is there");
        &buffer[at..at + value.len()]
    }

    #[test]
    fn what_is_alone_says_the_same_and_lets_the_buffer_go() {
        let buffer = Bytes::from(b"/c/files?a=%20b one two,  three \xc3\xa9".to_vec());
        let request = http::Request::builder().uri(Uri::from_maybe_shared(buffer.slice(..15)).expect("a URI"));
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        head.headers = sliced(&buffer, &["one", "two,  three", "é"]);
        let expected = (head.uri.to_string(), head.headers.clone());
        let expected_values: Vec<Vec<u8>> = expected.1.values().map(|value| value.as_bytes().to_vec()).collect();
        drop(expected.1);
        let head = alone(head);
        assert!(buffer.is_unique(), "the head holds the buffer of its connection");
        assert_eq!(head.uri.to_string(), expected.0);
        assert_eq!(head.headers.values().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>(), expected_values);
    }
}
