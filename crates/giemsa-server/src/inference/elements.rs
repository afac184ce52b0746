//! The elements of a tensor in JSON: a list of them, or lists in lists, in row-major order.

use super::InferenceError;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// An element of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element<'a> {
    /// A number.
    Number(f64),
    /// A string.
    Text(&'a str),
}

/// Calls `take` with each of exactly `count` elements, without keeping them.
///
/// # Errors
/// If the JSON is no list, has more or fewer elements, or `take` refuses one.
pub fn read_elements(
    json: &str,
    count: usize,
    take: &mut dyn FnMut(Element<'_>) -> Result<(), String>,
) -> Result<(), InferenceError> {
    let mut found = 0;
    let mut counted = |element: Element<'_>| {
        if found == count {
            return Err(format!("more than the {count} elements of the shape"));
        }
        found += 1;
        take(element)
    };
    let refused = |error: serde_json::Error| InferenceError::bad_request(format!("data: {error}"));
    if !json.starts_with('[') {
        return Err(InferenceError::bad_request("data: expected a list"));
    }
    let mut json = serde_json::Deserializer::from_str(json);
    Elements { take: &mut counted }.deserialize(&mut json).and_then(|()| json.end()).map_err(refused)?;
    if found < count {
        let message = format!("data: the shape has {count} elements, the data has {found}");
        return Err(InferenceError::bad_request(message));
    }
    Ok(())
}

struct Elements<'t> {
    take: &'t mut dyn FnMut(Element<'_>) -> Result<(), String>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, strings, or lists of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Elements { take: &mut *self.take })?.is_some() {}
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        (self.take)(Element::Number(number)).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.take)(Element::Text(text)).map_err(E::custom)
    }
}
