//! A first look at the JSON header of a file: it is small, its lists are short, and its keys are distinct. Of a repeated key
//! every reader would take another value.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

/// The largest number of arrays in a file, and of texts in its metadata: a convolution with batch normalisation has five
/// arrays of weights, and a checkpoint has up to four arrays for each of them.
const MAX_ENTRIES: usize = 1 << 15;

/// Checks the header of a file, an object of objects, without storing more than its keys.
///
/// # Errors
/// If it is not such an object, has too many entries, or repeats a key.
pub(super) fn check(header: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<Object<Object<IgnoredAny>>>(header).map(|_| ())
}

/// A JSON object whose values are of a type and whose keys are distinct.
struct Object<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData))
    }
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, _)) = entries.next_entry::<String, V>()? {
            if keys.len() == MAX_ENTRIES {
                return Err(A::Error::custom(format_args!("expected at most {MAX_ENTRIES} entries, found more")));
            }
            if let Some(repeated) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("expected distinct keys, found `{repeated}` twice")));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_repeated_keys_and_long_lists() {
        let many = |count: usize| (0..count).map(|i| format!("\"{i}\":{{}}")).collect::<Vec<_>>().join(",");
        let cases = [
            (r#"{"a":{"b":1,"c":[{}]},"d":{"b":2}}"#.to_owned(), ""),
            (format!("{{{}}}", many(MAX_ENTRIES)), ""),
            (format!("{{{}}}", many(MAX_ENTRIES + 1)), "expected at most 32768 entries"),
            (r#"{"a":{},"\u0061":{}}"#.to_owned(), "found `a` twice"),
            (r#"{"a":{"b":1,"b":1}}"#.to_owned(), "found `b` twice"),
            (r#"{"a":1}"#.to_owned(), "expected an object"),
            (format!(r#"{{"a":{{"b":{}"#, "[".repeat(1_000_000)), "EOF while parsing"),
        ];
        for (header, expected) in cases {
            match check(header.as_bytes()) {
                Ok(()) => assert_eq!(expected, ""),
                Err(error) => assert!(error.to_string().contains(expected) && !expected.is_empty(), "{error}"),
            }
        }
    }
}
