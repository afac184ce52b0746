//! A growable buffer of floats with the alignment of a cache line.

use std::ops::{Deref, DerefMut};

/// A vector of floats whose first element is aligned to 64 bytes: a cache line, and the widest vector register. A load
/// that crosses two cache lines costs as much as two loads.
#[derive(Debug, Default)]
pub(crate) struct AlignedVec {
    /// The allocation, with room for an offset of up to one cache line.
    buffer: Vec<f32>,
    /// Index of the first element in `buffer`.
    offset: usize,
    len: usize,
}

/// Floats per cache line.
const LINE: usize = 64 / size_of::<f32>();

impl AlignedVec {
    /// Creates an empty vector without allocating.
    pub const fn new() -> AlignedVec {
        AlignedVec { buffer: Vec::new(), offset: 0, len: 0 }
    }

    /// Creates a vector of `len` elements that all equal `value`.
    pub fn filled(len: usize, value: f32) -> AlignedVec {
        let buffer = vec![value; len + LINE - 1];
        // `align_offset` may return `usize::MAX`; the vector is then unaligned, which is slower but correct.
        let offset = buffer.as_ptr().align_offset(64).min(LINE - 1);
        AlignedVec { buffer, offset, len }
    }

    /// Resizes to `len` elements for a caller that overwrites all of them: they are zeros after a reallocation,
    /// otherwise leftovers of earlier use.
    pub fn resize_for_overwrite(&mut self, len: usize) {
        if self.offset + len <= self.buffer.len() {
            self.len = len;
        } else {
            *self = AlignedVec::filled(len, 0.0);
        }
    }

    /// Resizes to `len` zeros.
    pub fn resize_zeroed(&mut self, len: usize) {
        self.resize_for_overwrite(len);
        self.fill(0.0);
    }
}

impl Deref for AlignedVec {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[self.offset..self.offset + self.len]
    }
}

impl DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.offset..self.offset + self.len]
    }
}

impl Clone for AlignedVec {
    fn clone(&self) -> AlignedVec {
        AlignedVec::from(&self[..])
    }
}

impl From<&[f32]> for AlignedVec {
    fn from(values: &[f32]) -> AlignedVec {
        let mut aligned = AlignedVec::filled(values.len(), 0.0);
        aligned.copy_from_slice(values);
        aligned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_aligned(values: &AlignedVec) -> bool {
        values.as_ptr().addr().is_multiple_of(64)
    }

    #[test]
    fn every_constructor_aligns_to_a_cache_line() {
        for len in [1, 15, 16, 17, 1000] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let mut aligned = AlignedVec::from(&values[..]);
            assert!(is_aligned(&aligned) && aligned[..] == values);
            assert!(is_aligned(&aligned.clone()) && aligned.clone()[..] == values);
            aligned.resize_for_overwrite(3 * len);
            assert!(is_aligned(&aligned) && aligned.len() == 3 * len);
            assert!(is_aligned(&AlignedVec::filled(len, 2.0)) && AlignedVec::filled(len, 2.0)[..] == vec![2.0; len]);
        }
    }

    #[test]
    fn resizing_zeroes_new_memory_and_keeps_elements_at_the_same_length() {
        let mut aligned = AlignedVec::new();
        assert!(aligned.is_empty());
        aligned.resize_for_overwrite(40);
        assert_eq!(aligned[..], [0.0; 40]);
        aligned.fill(7.0);
        aligned.resize_for_overwrite(40);
        assert_eq!(aligned[..], [7.0; 40]);
        aligned.resize_zeroed(5);
        assert_eq!(aligned[..], [0.0; 5]);
    }
}
