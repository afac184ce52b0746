//! The extension for binary data: tensors follow the JSON in the body, as Triton's clients send them.

use super::InferenceError;
use axum::body::Bytes;
use axum::http::HeaderMap;

/// The header with the length of the JSON in a body.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// Divides a body into its JSON and the binary data after it. Without [`JSON_LENGTH`], all of it is JSON.
///
/// # Errors
/// If the header has no number, or one larger than the body.
pub fn split_body(headers: &HeaderMap, body: &Bytes) -> Result<(Bytes, Option<Bytes>), InferenceError> {
    let Some(length) = headers.get(JSON_LENGTH) else { return Ok((body.clone(), None)) };
    let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
    let length = length.filter(|&length| length <= body.len()).ok_or_else(|| {
        let message = format!("{JSON_LENGTH}: expected the length of the JSON, at most that of the body");
        InferenceError::bad_request(format!("{message} ({} bytes)", body.len()))
    })?;
    Ok((body.slice(..length), Some(body.slice(length..))))
}

/// Divides the binary data of a tensor of type BYTES into its elements. Each one starts with its length: 4 bytes, little-endian.
///
/// # Errors
/// If the data does not consist of exactly `count` elements.
pub fn split_elements(data: &Bytes, count: usize) -> Result<Vec<Bytes>, InferenceError> {
    let mut elements = Vec::with_capacity(count.min(data.len() / 4));
    let mut start = 0;
    for element in 0..count {
        let taken = take_element(data, start);
        let (bytes, end) = taken.ok_or_else(|| {
            InferenceError::bad_request(format!("the binary data ends before element {element} of {count}"))
        })?;
        elements.push(bytes);
        start = end;
    }
    if start != data.len() {
        let left = data.len() - start;
        return Err(InferenceError::bad_request(format!("{left} bytes are left after the {count} elements")));
    }
    Ok(elements)
}

/// Returns the element that starts at `start`, and where it ends; `None` if the data ends before.
fn take_element(data: &Bytes, start: usize) -> Option<(Bytes, usize)> {
    let length = data.get(start..start.checked_add(4)?)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let end = (start + 4).checked_add(length)?;
    (end <= data.len()).then(|| (data.slice(start + 4..end), end))
}

/// Appends an element of type BYTES.
pub fn push_element(data: &mut Vec<u8>, element: &[u8]) {
    let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
    data.extend_from_slice(&length.to_le_bytes());
    data.extend(element.iter().take(length as usize));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_end_exactly_at_the_end_of_the_data() {
        let data = Bytes::from_static(b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0c");
        assert_eq!(split_elements(&data, 3).unwrap(), ["ab", "", "c"]);
        let mut written = Vec::new();
        [&b"ab"[..], b"", b"c"].iter().for_each(|element| push_element(&mut written, element));
        assert_eq!(written, data);
        for (count, message) in [
            (2, "5 bytes are left after the 2 elements"),
            (4, "the binary data ends before element 3 of 4"),
            (usize::MAX, "the binary data ends before element 3 of 18446744073709551615"),
        ] {
            assert_eq!(split_elements(&data, count).unwrap_err().message, message);
        }
        for cut in 0..data.len() {
            assert!(split_elements(&data.slice(..cut), 3).is_err(), "{cut}");
        }
        assert!(split_elements(&Bytes::from_static(b"\xff\xff\xff\xffab"), 1).is_err());
    }

    #[test]
    fn the_header_divides_the_body() {
        let body = Bytes::from_static(b"{}rest");
        let split = |length: &'static str| {
            split_body(&HeaderMap::from_iter([(JSON_LENGTH.parse().unwrap(), length.parse().unwrap())]), &body)
        };
        assert_eq!(split("2").unwrap(), ("{}".into(), Some("rest".into())));
        assert_eq!(split("6").unwrap(), ("{}rest".into(), Some("".into())));
        assert_eq!(split_body(&HeaderMap::new(), &body).unwrap(), (body.clone(), None));
        for wrong in ["7", "-1", "x", "", "18446744073709551616"] {
            assert_eq!(split(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
