//! The arrays that the kernels work on.

use std::ops::{Deref, DerefMut};

/// Floats that begin at a multiple of 64 bytes: a cache line, and the longest vector. A vector that is read across two
/// cache lines costs as much as two.
#[derive(Debug, Default)]
pub(crate) struct Floats {
    room: Vec<f32>,
    first: usize,
    len: usize,
}

/// Floats in a cache line.
const LINE: usize = 64 / size_of::<f32>();

impl Floats {
    /// None, without memory.
    pub const EMPTY: Floats = Floats { room: Vec::new(), first: 0, len: 0 };

    /// All the same.
    pub fn filled(len: usize, value: f32) -> Floats {
        let room = vec![value; len + LINE - 1];
        // The offset is a hint by contract; without it everything works, if slower.
        let first = room.as_ptr().align_offset(64).min(LINE - 1);
        Floats { room, first, len }
    }

    /// Makes them `len`: zeros where there was no room for as many, otherwise what happens to lie there.
    pub fn set_len(&mut self, len: usize) {
        if self.first + len <= self.room.len() {
            self.len = len;
        } else {
            *self = Floats::filled(len, 0.0);
        }
    }

    /// Makes them `len` zeros.
    pub fn set_zeros(&mut self, len: usize) {
        self.set_len(len);
        self.fill(0.0);
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.room[self.first..self.first + self.len]
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.room[self.first..self.first + self.len]
    }
}

impl Clone for Floats {
    fn clone(&self) -> Floats {
        Floats::from(&self[..])
    }
}

impl From<&[f32]> for Floats {
    fn from(values: &[f32]) -> Floats {
        let mut floats = Floats::filled(values.len(), 0.0);
        floats.copy_from_slice(values);
        floats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_aligned(floats: &Floats) -> bool {
        floats.as_ptr().addr().is_multiple_of(64)
    }

    #[test]
    fn they_begin_at_a_cache_line_however_they_come_about() {
        for len in [1, 15, 16, 17, 1000] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let mut floats = Floats::from(&values[..]);
            assert!(is_aligned(&floats) && floats[..] == values);
            assert!(is_aligned(&floats.clone()) && floats.clone()[..] == values);
            floats.set_len(3 * len);
            assert!(is_aligned(&floats) && floats.len() == 3 * len);
            assert!(is_aligned(&Floats::filled(len, 2.0)) && Floats::filled(len, 2.0)[..] == vec![2.0; len]);
        }
    }

    #[test]
    fn new_room_is_zero_and_the_same_length_keeps_what_is_there() {
        assert!(Floats::EMPTY.is_empty());
        let mut floats = Floats::EMPTY;
        floats.set_len(40);
        assert_eq!(floats[..], [0.0; 40]);
        floats.fill(7.0);
        floats.set_len(40);
        assert_eq!(floats[..], [7.0; 40]);
        floats.set_zeros(5);
        assert_eq!(floats[..], [0.0; 5]);
    }
}
