//! Reads HDF5 files of other people, with limits on what a file can make the parser read and allocate.

use super::super::FormatError;
use super::super::source::Source;
use hdf5_pure::{AttrValue, DType, Dataset, Error, File, FormatError as ParseError, Group, Layout};
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many times its own size is read from a file. A file as Keras writes it is read about once, and its optimizer not at all.
/// Structures that refer to each other many times would otherwise take exponential time and memory.
const MAX_READS: u64 = 4;
/// What is read from a small file in addition, in bytes.
const MAX_EXTRA_READS_BYTES: u64 = 1 << 16;
/// The longest name of a group or an array, in bytes. Each entry of a group copies its name.
const MAX_NAME_BYTES: usize = 1024;

/// An HDF5 file in memory.
pub(super) struct Hdf5<'a> {
    file: File,
    pub(super) source: Source<'a>,
    /// The attributes of the root group.
    attributes: OnceCell<HashMap<String, AttrValue>>,
    /// How many bytes of arrays may still be read: arrays that share their place in a file could make it seem larger.
    array_bytes_left: Cell<u64>,
}

impl<'a> Hdf5<'a> {
    /// Opens the bytes of a file.
    ///
    /// # Errors
    /// If they are no HDF5 file, or it is cut off.
    pub(super) fn open(bytes: Vec<u8>, source: Source<'a>) -> Result<Hdf5<'a>, FormatError> {
        let size = bytes.len() as u64;
        let file = File::from_source(LimitedBytes::new(bytes)).map_err(|e| source.malformed(e))?;
        let end = file.superblock().eof_address;
        if end > size {
            return Err(source.malformed(format!("expected {end} bytes, found {size}")));
        }
        Ok(Hdf5 { file, source, attributes: OnceCell::new(), array_bytes_left: Cell::new(size) })
    }

    pub(super) fn root(&self) -> Group {
        self.file.root()
    }

    /// Returns a text attribute of the root group; `None` if there is none of this name.
    pub(super) fn root_text(&self, name: &str) -> Result<Option<String>, FormatError> {
        if self.attributes.get().is_none() {
            let attributes = self.root().attrs().map_err(|e| self.source.malformed(e))?;
            // It was empty, so this stores them.
            let _ = self.attributes.set(attributes);
        }
        Ok(self.attributes.get().and_then(|all| all.get(name)?.as_str()).map(str::to_owned))
    }

    /// Returns the groups in a group, by name.
    pub(super) fn groups(&self, group: &Group) -> Result<BTreeMap<String, Group>, FormatError> {
        Ok(group.iter_groups().map_err(|e| self.source.malformed(e))?.collect())
    }

    /// Returns the group at a path; `None` if there is none.
    pub(super) fn group(&self, parent: &Group, path: &str) -> Result<Option<Group>, FormatError> {
        match parent.group(path) {
            Ok(group) => Ok(Some(group)),
            Err(Error::Format(ParseError::PathNotFound(_))) => Ok(None),
            Err(error) => Err(self.source.malformed(error)),
        }
    }

    /// Returns whether a group contains an array of this name.
    pub(super) fn contains(group: &Group, name: &str) -> bool {
        group.dataset(name).is_ok()
    }

    /// Reads an array of a group; `None` is a group that the file lacks. `label` is the path of the array, for errors.
    ///
    /// # Errors
    /// [`FormatError::WeightMismatch`] if there is no such array or it has another shape, [`FormatError::Unsupported`] if it
    /// is stored otherwise than Keras does, or [`FormatError::Malformed`].
    pub(super) fn array(
        &self,
        group: Option<&Group>,
        name: &str,
        label: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, FormatError> {
        let malformed = |error: Error| self.source.malformed(format!("{label}: {error}"));
        let expected = || format!("the array `{label}` of shape {shape:?}");
        let array = match group.map(|group| group.dataset(name)) {
            Some(Ok(array)) => array,
            None | Some(Err(Error::Format(ParseError::PathNotFound(_)))) => {
                return Err(self.source.weight_mismatch(expected(), "no such array"));
            }
            Some(Err(error)) => return Err(malformed(error)),
        };
        let found = array.shape().map_err(malformed)?;
        if !found.iter().copied().eq(shape.iter().map(|&length| length as u64)) {
            return Err(self.source.weight_mismatch(expected(), format!("shape {found:?}")));
        }
        self.check_storage(&array, label)?;
        let bytes = shape.iter().product::<usize>() as u64 * size_of::<f32>() as u64;
        let left = self.array_bytes_left.get().checked_sub(bytes);
        let left = left.ok_or_else(|| self.source.malformed("it is smaller than its arrays"))?;
        self.array_bytes_left.set(left);
        array.read_f32().map_err(malformed)
    }

    /// Checks that an array is stored as Keras does: f32, in one piece, uncompressed, in this file.
    fn check_storage(&self, array: &Dataset, label: &str) -> Result<(), FormatError> {
        let malformed = |error: Error| self.source.malformed(format!("{label}: {error}"));
        let part = format!("array `{label}`");
        match array.dtype().map_err(malformed)? {
            DType::F32 => {}
            other => return Err(self.source.unsupported(part, format!("expected the type f32, found {other}"))),
        }
        match array.layout().map_err(malformed)? {
            Layout::Compact { .. } | Layout::Contiguous { address: Some(_), .. } => Ok(()),
            Layout::Contiguous { address: None, .. } => {
                Err(self.source.malformed(format!("{label}: an array without values")))
            }
            _ => Err(self
                .source
                .unsupported(part, "expected values in one piece, found chunks, which may be compressed")),
        }
    }
}

/// The bytes of a file, of which a limited number can be read.
struct LimitedBytes {
    bytes: Vec<u8>,
    bytes_left: AtomicU64,
    /// Whether the last read was the header of a local heap. The names of the entries of a group are read next.
    names_follow: AtomicBool,
}

impl LimitedBytes {
    fn new(bytes: Vec<u8>) -> LimitedBytes {
        let limit = bytes.len() as u64 * MAX_READS + MAX_EXTRA_READS_BYTES;
        LimitedBytes { bytes, bytes_left: AtomicU64::new(limit), names_follow: AtomicBool::new(false) }
    }

    /// Returns some bytes, and counts them.
    fn read(&self, offset: u64, length: usize) -> Result<&[u8], ParseError> {
        let found = usize::try_from(offset).ok().and_then(|start| self.bytes.get(start..start.checked_add(length)?));
        let found = found.ok_or(ParseError::UnexpectedEof { expected: length, available: self.bytes.len() })?;
        let count = |left: u64| left.checked_sub(length as u64);
        if self.bytes_left.try_update(Ordering::Relaxed, Ordering::Relaxed, count).is_err() {
            return Err(ParseError::Source("its parts refer to each other too often".to_owned()));
        }
        let are_names = self.names_follow.swap(found.starts_with(b"HEAP"), Ordering::Relaxed);
        if are_names && found.split(|&byte| byte == 0).any(|name| name.len() > MAX_NAME_BYTES) {
            return Err(ParseError::Source(format!("a name is longer than {MAX_NAME_BYTES} bytes")));
        }
        Ok(found)
    }
}

impl hdf5_pure::Source for LimitedBytes {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ParseError> {
        buf.copy_from_slice(self.read(offset, buf.len())?);
        Ok(())
    }

    fn read_exact_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, ParseError> {
        Ok(self.read(offset, len)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::format::Format;
    use hdf5_pure::FileBuilder;
    use std::path::Path;

    fn open(build: impl FnOnce(&mut FileBuilder)) -> Hdf5<'static> {
        let mut file = FileBuilder::new();
        build(&mut file);
        let source = Source { path: Path::new("a.h5"), format: Format::KerasWeights };
        Hdf5::open(file.finish().unwrap(), source).unwrap_or_else(|error| panic!("{error}"))
    }

    fn read(file: &Hdf5, name: &str, shape: &[usize]) -> String {
        let values = file.array(Some(&file.root()), name, name, shape);
        values.map_or_else(|error| error.to_string(), |values| format!("{values:?}"))
    }

    #[test]
    fn only_arrays_as_keras_stores_them_are_read() {
        let file = open(|file| {
            file.create_dataset("plain").with_f32_data(&[1.0, -2.5]).with_shape(&[2, 1]);
            file.create_dataset("double").with_f64_data(&[1.0, 2.0]);
            file.create_dataset("chunked").with_f32_data(&[1.0, 2.0]).with_shape(&[2]).with_chunks(&[1]);
        });
        let cases = [
            ("plain", vec![2, 1], "[1.0, -2.5]"),
            ("plain", vec![2], "a.h5: expected the array `plain` of shape [2], found shape [2, 1]"),
            ("other", vec![2], "a.h5: expected the array `other` of shape [2], found no such array"),
            ("double", vec![2], "a.h5: unsupported array `double`: expected the type f32, found f64"),
            ("chunked", vec![2], "a.h5: unsupported array `chunked`: expected values in one piece, found chunks"),
        ];
        for (name, shape, expected) in cases {
            assert!(read(&file, name, &shape).starts_with(expected), "{}", read(&file, name, &shape));
        }
    }

    #[test]
    fn arrays_that_share_their_place_are_no_larger_than_the_file() {
        let file = open(|file| {
            file.create_dataset("a").with_f32_data(&[1.0; 1000]);
        });
        let reads: Vec<_> = (0..3).map(|_| read(&file, "a", &[1000]).starts_with('[')).collect();
        assert_eq!(reads, [true, false, false]);
        assert!(read(&file, "a", &[1000]).ends_with("it is smaller than its arrays"));
    }

    #[test]
    fn a_limited_number_of_bytes_is_read() {
        let bytes = LimitedBytes::new(vec![1; 1000]);
        let reads = (0..100).take_while(|_| bytes.read(0, 1000).is_ok()).count() as u64;
        assert_eq!(reads, MAX_READS + MAX_EXTRA_READS_BYTES / 1000);
        assert!(bytes.read(0, 1001).is_err() && bytes.read(u64::MAX, 2).is_err());
    }
}
