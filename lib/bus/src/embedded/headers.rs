//! The headers of a message in one blob: name and value in turn, each after its length (u32, little end first).
//!
//! It refuses to sort or to join headers: they come out as they went in.

use bytes::{Buf, Bytes};

pub(super) type Headers = Vec<(String, Bytes)>;

pub(super) fn to_blob(headers: &[(String, Bytes)]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(byte_count(headers));
    for (name, value) in headers {
        put(&mut blob, name.as_bytes());
        put(&mut blob, value);
    }
    blob
}

/// As long as the blob of these headers is.
pub(super) fn byte_count(headers: &[(String, Bytes)]) -> usize {
    headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum()
}

/// `None` for a blob that [`to_blob`] did not write.
pub(super) fn from_blob(blob: &[u8]) -> Option<Headers> {
    let mut rest = Bytes::copy_from_slice(blob);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(taken(&mut rest)?.to_vec()).ok()?;
        headers.push((name, taken(&mut rest)?));
    }
    Some(headers)
}

/// Lengths fit: a message's head is limited to far less than 4 GiB.
fn put(blob: &mut Vec<u8>, piece: &[u8]) {
    blob.extend_from_slice(&(piece.len() as u32).to_le_bytes());
    blob.extend_from_slice(piece);
}

fn taken(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32_le().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn come_out_as_they_went_in(headers in prop::collection::vec((".{0,8}", prop::collection::vec(any::<u8>(), 0..20)), 0..6)) {
            let headers: Headers = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            let blob = to_blob(&headers);
            prop_assert_eq!(blob.len(), byte_count(&headers));
            prop_assert_eq!(from_blob(&blob), Some(headers));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(blob: Vec<u8>) {
            if let Some(headers) = from_blob(&blob) {
                prop_assert_eq!(to_blob(&headers), blob);
            }
        }
    }
}
