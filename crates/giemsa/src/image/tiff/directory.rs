//! Checks the first directory of a TIFF file before the `tiff` crate reads it. The crate allocates up to 256 MiB for the
//! values of a tag, several times over, and prints on standard error if a tag of text is longer.

use super::super::decode::Source;
use super::super::error::Fault;
use super::corrupt;
use std::io::{self, SeekFrom};

/// The most tags of a directory; a file has about twenty.
const MAX_TAGS: u64 = 4096;

/// The most values of a tag: 50 megapixels have fewer tiles of 16 x 16 pixels, the smallest size.
const MAX_VALUES: u64 = 1 << 18;

/// The tags that are read: sizes, formats, and places of the pixels. Others, such as descriptions, may be of any length.
const READ_TAGS: [u64; 19] =
    [256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339, 347, 530];

/// The type of text.
const ASCII: u64 = 2;

/// Rejects text and too many values in tags that are read.
pub(super) fn check(source: &mut dyn Source) -> Result<(), Fault> {
    let mut start = [0; 4];
    source.read_exact(&mut start).map_err(corrupt)?;
    let mut numbers = Numbers { big_endian: start[0] == b'M', source };
    let big = start.contains(&b'+');
    if big {
        numbers.read(4).map_err(corrupt)?;
    }
    let (offset_bytes, count_bytes) = if big { (8, 8) } else { (4, 2) };
    let directory = numbers.read(offset_bytes).map_err(corrupt)?;
    numbers.source.seek(SeekFrom::Start(directory)).map_err(corrupt)?;
    let tags = numbers.read(count_bytes).map_err(corrupt)?;
    if tags > MAX_TAGS {
        return Err(corrupt(format!("{tags} tags")));
    }
    for _ in 0..tags {
        let mut entry = || {
            let (tag, kind) = (numbers.read(2)?, numbers.read(2)?);
            let (values, _) = (numbers.read(offset_bytes)?, numbers.read(offset_bytes)?);
            Ok((tag, kind, values))
        };
        let (tag, kind, values) = entry().map_err(|error: io::Error| corrupt(error))?;
        if READ_TAGS.contains(&tag) && (kind == ASCII || values > MAX_VALUES) {
            return Err(corrupt(format!("the tag {tag} has {values} values of the type {kind}")));
        }
        // The crate would read the entries after it at a wrong place.
        if big && !matches!(kind, 1..=13 | 16..=18) {
            return Err(corrupt(format!("the tag {tag} has the unknown type {kind}")));
        }
    }
    Ok(())
}

/// Reads numbers in the byte order of the file.
struct Numbers<'a> {
    big_endian: bool,
    source: &'a mut dyn Source,
}

impl Numbers<'_> {
    /// Reads a number of up to 8 bytes.
    fn read(&mut self, length: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.source.read_exact(&mut bytes[..length])?;
        if self.big_endian {
            bytes[..length].reverse();
        }
        Ok(u64::from_le_bytes(bytes))
    }
}
