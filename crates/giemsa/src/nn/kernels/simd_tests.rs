//! Checks of each operation of [`Simd`] on each instruction set, against one float at a time or the expected places.

use super::run;
use super::simd::{Kernel, Simd};
use super::tests::available_sets;

/// Applies every lane-wise operation, and returns its vectors and indices lane by lane.
struct LaneWise<'a> {
    a: &'a [f32],
    b: &'a [f32],
    index: &'a [u8],
}

impl Kernel for LaneWise<'_> {
    type Output = (Vec<[f32; 13]>, Vec<[u8; 3]>);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let n = self.a.len();
        assert!(n.is_multiple_of(S::LANES) && self.b.len() == n && self.index.len() == n);
        let (mut floats, mut bytes) = (vec![[f32::MAX; 13]; n], vec![[u8::MAX; 3]; n]);
        for first in (0..n).step_by(S::LANES) {
            // SAFETY: LANES values from `first` are in each slice, and the local arrays hold 16 lanes.
            unsafe {
                let (a, b) = (S::load(self.a.as_ptr().add(first)), S::load(self.b.as_ptr().add(first)));
                let index = S::load_index(self.index.as_ptr().add(first));
                let (mut best, mut winner) = (a, index);
                S::argmax(&mut best, &mut winner, b, 7);
                let table = [1.5, -2.5, 3.5, -4.5];
                let results = [
                    S::splat(0.25),
                    S::add(a, b),
                    S::sub(a, b),
                    S::mul(a, b),
                    S::div(a, b),
                    S::sqrt(a),
                    S::fma(a, b, S::splat(0.5)),
                    S::relu(a),
                    S::where_positive(b, a),
                    best,
                    S::where_index(a, index, 3),
                    S::where_index(b, S::splat_index(4), 4),
                    S::lookup4(table.as_ptr(), index),
                ];
                for (operation, result) in results.into_iter().enumerate() {
                    let mut lanes = [0.0; 16];
                    S::store(lanes.as_mut_ptr(), result);
                    floats[first..].iter_mut().zip(&lanes[..S::LANES]).for_each(|(to, v)| to[operation] = *v);
                }
                let results = [winner, S::index_unless_positive(index, a, 4), S::splat_index(255)];
                for (operation, result) in results.into_iter().enumerate() {
                    let mut lanes = [0; 16];
                    S::store_index(lanes.as_mut_ptr(), result);
                    bytes[first..].iter_mut().zip(&lanes[..S::LANES]).for_each(|(to, v)| to[operation] = *v);
                }
            }
        }
        (floats, bytes)
    }
}

#[test]
fn every_instruction_set_computes_each_lane_as_one_float() {
    // All pairs of the special values, so that each lane meets several of them.
    let special = [0.0, -0.0, 1.0, -1.0, 2.25, 1e-40, f32::INFINITY, f32::NAN];
    let (a, b): (Vec<_>, Vec<_>) = special.iter().flat_map(|a| special.map(|b| (*a, b))).unzip();
    let index: Vec<u8> = (0..a.len() as u8).map(|i| i % 5).collect();
    let of = |a, b, index| LaneWise { a, b, index };
    // SAFETY: a vector of one float needs no instruction set.
    let (floats, bytes) = unsafe { of(&a, &b, &index).run::<f32>() };
    for set in available_sets() {
        let (found_floats, found_bytes) = run(set, of(&a, &b, &index));
        assert_eq!(found_bytes, bytes, "{set:?}");
        for (i, (found, expected)) in found_floats.into_iter().zip(&floats).enumerate() {
            for (operation, (f, e)) in found.into_iter().zip(expected).enumerate() {
                let equal = f == *e || (f.is_nan() && e.is_nan());
                assert!(equal, "{set:?}: operation {operation} of {} and {}: found {f}, expected {e}", a[i], b[i]);
            }
        }
    }
}

/// Sums a vector, interleaves four, and compares 32 bytes with a value.
struct AcrossLanes<'a> {
    floats: &'a [f32; 64],
    bytes: &'a [u8; 32],
}

impl Kernel for AcrossLanes<'_> {
    type Output = (usize, f32, [f32; 64], u32);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let mut interleaved = [0.0; 64];
        // SAFETY: four vectors have at most 64 lanes, and there are 32 bytes.
        unsafe {
            let from = self.floats.as_ptr();
            let rows = [0, 1, 2, 3].map(|row| S::load(from.add(row * S::LANES)));
            S::store_interleaved(interleaved.as_mut_ptr(), rows);
            (S::LANES, S::sum(rows[0]), interleaved, S::equal_mask32(self.bytes.as_ptr(), 3))
        }
    }
}

#[test]
fn every_instruction_set_moves_lanes_to_the_same_places() {
    let floats = std::array::from_fn(|i| i as f32);
    // Values above 127 and every position in a group of eight.
    let bytes = std::array::from_fn(|i| if (i * i) % 7 == 2 { 3 } else { 250 - i as u8 });
    let mask = (0..32).filter(|i| (i * i) % 7 == 2).fold(0, |mask, i| mask | 1_u32 << i);
    for set in available_sets() {
        let (lanes, sum, interleaved, found_mask) = run(set, AcrossLanes { floats: &floats, bytes: &bytes });
        assert_eq!(sum, (lanes * (lanes - 1) / 2) as f32, "{set:?}");
        for (i, value) in interleaved.into_iter().take(4 * lanes).enumerate() {
            assert_eq!(value, (i % 4 * lanes + i / 4) as f32, "{set:?}: position {i}");
        }
        assert_eq!(found_mask, mask, "{set:?}");
    }
}
