//! The number of messages, texts and integers in a file, counted before they are decoded.
//!
//! An empty message or text takes two bytes in a file and up to two hundred in memory, an integer one byte and eight. With a
//! limit of their number, decoding allocates the size of the file and a constant.

use prost::decode_length_delimiter;

/// The most messages, texts and integers in a file: 1,000 layers have about 100,000, with attributes and dimensions.
const MAX_ELEMENTS: usize = 200_000;

/// A type of message that contains messages or texts in lists.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    /// A list of integers, packed.
    Integers,
    /// Texts, lists of floats, and messages without lists.
    Leaf,
}

impl Kind {
    /// Returns the type of a field of this message.
    fn field(self, tag: usize) -> Kind {
        match (self, tag) {
            (Kind::Model, 7) => Kind::Graph,
            (Kind::Graph, 1) => Kind::Node,
            (Kind::Graph, 11 | 12) => Kind::Value,
            (Kind::Graph, 5) | (Kind::Attribute, 5) => Kind::Tensor,
            (Kind::Node, 5) => Kind::Attribute,
            (Kind::Tensor, 1 | 5 | 7) | (Kind::Attribute, 8) => Kind::Integers,
            (Kind::Value, 2) => Kind::Type,
            (Kind::Type, 1) => Kind::TensorType,
            (Kind::TensorType, 2) => Kind::Shape,
            _ => Kind::Leaf,
        }
    }
}

/// Checks the structure of a file and the number of its messages and texts.
///
/// # Errors
/// If a field ends after its message, or there are too many.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    count(bytes, Kind::Model, &mut 0)
}

fn count(mut bytes: &[u8], kind: Kind, elements: &mut usize) -> Result<(), String> {
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        let (tag, wire_type) = (key >> 3, key & 7);
        let len = match wire_type {
            0 => number(&mut bytes).map(|_| 0)?,
            1 => 8,
            2 => number(&mut bytes)?,
            5 => 4,
            _ => return Err(format!("expected a field of a known wire type, found {wire_type}")),
        };
        let (content, rest) = bytes.split_at_checked(len).ok_or("a field ends after the file or its message")?;
        bytes = rest;
        *elements += match (wire_type, kind.field(tag)) {
            (2, Kind::Integers) => len,
            // Floats, which take more bytes in a file than in memory.
            (1 | 5, _) => 0,
            _ => 1,
        };
        if *elements > MAX_ELEMENTS {
            return Err(format!("expected at most {MAX_ELEMENTS} messages, texts and integers"));
        }
        match kind.field(tag) {
            Kind::Leaf | Kind::Integers => {}
            inner if wire_type == 2 => count(content, inner, elements)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads a number of variable length, of which only the lower bits matter if it is a value.
fn number(bytes: &mut &[u8]) -> Result<usize, String> {
    decode_length_delimiter(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_nested_messages_before_they_are_decoded() {
        // A graph (field 7) with empty nodes (field 1), and with nodes that have two empty inputs.
        let file = |graph: &[u8]| {
            let mut file = vec![0x3a];
            prost::encode_length_delimiter(graph.len(), &mut file).unwrap();
            file.extend_from_slice(graph);
            file
        };
        assert_eq!(check(&file(&[0x0a, 0x00].repeat(MAX_ELEMENTS - 1))), Ok(()));
        for graph in
            [[0x0a, 0x00].repeat(MAX_ELEMENTS), [0x0a, 0x04, 0x0a, 0x00, 0x0a, 0x00].repeat(MAX_ELEMENTS / 3 + 1)]
        {
            assert!(check(&file(&graph)).unwrap_err().contains("at most 200000"));
        }
    }

    #[test]
    fn rejects_fields_that_end_after_their_message() {
        // A node of 4 bytes, whose input has 5.
        let error = check(&[0x3a, 0x06, 0x0a, 0x04, 0x0a, 0x05, b'a', b'b']).unwrap_err();
        assert_eq!(error, "a field ends after the file or its message");
    }
}
