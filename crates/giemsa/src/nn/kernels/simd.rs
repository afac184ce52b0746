//! The vector abstraction of all kernels: a kernel is generic over [`Simd`] and compiled once per instruction set.
//!
//! A kernel is a struct of its arguments that implements [`Kernel`]; `kernels::run` picks the instruction set and calls
//! `Kernel::run::<S>` inside a function that enables the set's target features, so that all `#[inline(always)]`
//! functions it calls compile to those instructions. Tails shorter than a vector use the same code with `S = f32`, a
//! vector of one lane.

/// Vector operations of an instruction set.
///
/// # Safety
/// An implementation may only be used on a processor that has its instructions, in a function that enables them
/// (`kernels::run` ensures both). Every pointer must be valid for the lanes that are read or written. Pointers need not
/// be aligned.
pub(crate) unsafe trait Simd: Copy {
    /// 32-bit floats per vector.
    const LANES: usize;
    /// Number of accumulators that a kernel should use: vectors that fit the registers and leave room for operands.
    const ACCUMULATORS: usize;
    /// A vector of `LANES` floats.
    type V: Copy;
    /// A vector of `LANES` indices of pooling positions.
    type I: Copy;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// max(0, a); NaN propagates, so that the loss of a diverged network is NaN.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// `a` where `gate` is positive, zero elsewhere.
    unsafe fn where_positive(a: Self::V, gate: Self::V) -> Self::V;
    /// The sum of all lanes.
    unsafe fn sum(a: Self::V) -> f32;

    /// The same index in all lanes.
    unsafe fn splat_index(position: u8) -> Self::I;
    /// Where `candidate` is greater than `best`, sets `best` to `candidate` and `index` to `position`.
    unsafe fn argmax(best: &mut Self::V, index: &mut Self::I, candidate: Self::V, position: u8);
    /// `index` where `value` is positive, `position` elsewhere.
    unsafe fn index_unless_positive(index: Self::I, value: Self::V, position: u8) -> Self::I;
    /// `value` where the index is `position`, zero elsewhere.
    unsafe fn where_index(value: Self::V, index: Self::I, position: u8) -> Self::V;
    /// Reads `LANES` bytes.
    unsafe fn load_index(from: *const u8) -> Self::I;
    /// Writes `LANES` bytes.
    unsafe fn store_index(to: *mut u8, index: Self::I);
    /// For each lane, the float at `table[index % 4]`.
    unsafe fn lookup4(table: *const f32, index: Self::I) -> Self::V;
    /// Writes four vectors interleaved: the first lane of each, then the second lane of each, and so on.
    unsafe fn store_interleaved(to: *mut f32, rows: [Self::V; 4]);
    /// A mask whose bit i is set if byte i of the 32 bytes equals `value`.
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32;
}

/// A computation over [`Simd`] with its arguments.
pub(crate) trait Kernel {
    /// The return value.
    type Output;
    /// Runs the computation; must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The requirements of [`Simd`].
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Eight lanes in plain Rust, for any processor.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

#[inline(always)]
fn map2(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY: plain Rust runs on every processor; the caller guarantees the pointers.
unsafe impl Simd for Plain {
    const LANES: usize = 8;
    const ACCUMULATORS: usize = 4;
    type V = [f32; 8];
    type I = [u8; 8];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller guarantees a pointer to 8 floats.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller guarantees a pointer to 8 floats.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::V) -> Self::V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn relu(a: Self::V) -> Self::V {
        a.map(|a| if a < 0.0 { 0.0 } else { a })
    }
    #[inline(always)]
    unsafe fn where_positive(a: Self::V, gate: Self::V) -> Self::V {
        map2(a, gate, |a, gate| if gate > 0.0 { a } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    unsafe fn splat_index(position: u8) -> Self::I {
        [position; 8]
    }
    #[inline(always)]
    unsafe fn argmax(best: &mut Self::V, index: &mut Self::I, candidate: Self::V, position: u8) {
        for i in 0..8 {
            if candidate[i] > best[i] {
                best[i] = candidate[i];
                index[i] = position;
            }
        }
    }
    #[inline(always)]
    unsafe fn index_unless_positive(index: Self::I, value: Self::V, position: u8) -> Self::I {
        std::array::from_fn(|i| if value[i] > 0.0 { index[i] } else { position })
    }
    #[inline(always)]
    unsafe fn where_index(value: Self::V, index: Self::I, position: u8) -> Self::V {
        std::array::from_fn(|i| if index[i] == position { value[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn load_index(from: *const u8) -> Self::I {
        // SAFETY: the caller guarantees a pointer to 8 bytes.
        unsafe { from.cast::<[u8; 8]>().read() }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: Self::I) {
        // SAFETY: the caller guarantees a pointer to 8 bytes.
        unsafe { to.cast::<[u8; 8]>().write(index) }
    }
    #[inline(always)]
    unsafe fn lookup4(table: *const f32, index: Self::I) -> Self::V {
        // SAFETY: the caller guarantees a pointer to 4 floats, and the index is modulo 4.
        unsafe { index.map(|i| *table.add(usize::from(i & 3))) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(to: *mut f32, rows: [Self::V; 4]) {
        let lanes: [[f32; 4]; 8] = std::array::from_fn(|lane| rows.map(|row| row[lane]));
        // SAFETY: the caller guarantees a pointer to 32 floats.
        unsafe { to.cast::<[[f32; 4]; 8]>().write_unaligned(lanes) }
    }
    #[inline(always)]
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32 {
        // SAFETY: the caller guarantees a pointer to 32 bytes.
        unsafe { equal_mask32_plain(from, value) }
    }
}

/// [`Simd::equal_mask32`] in plain Rust.
#[inline(always)]
unsafe fn equal_mask32_plain(from: *const u8, value: u8) -> u32 {
    // SAFETY: the caller guarantees a pointer to 32 bytes.
    let bytes = unsafe { from.cast::<[u8; 32]>().read() };
    bytes.iter().enumerate().fold(0, |mask, (i, &byte)| mask | (u32::from(byte == value) << i))
}

// SAFETY: plain Rust runs on every processor; the caller guarantees the pointers.
unsafe impl Simd for f32 {
    const LANES: usize = 1;
    const ACCUMULATORS: usize = 4;
    type V = f32;
    type I = u8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> f32 {
        value
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> f32 {
        // SAFETY: the caller guarantees a pointer to one float.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: f32) {
        // SAFETY: the caller guarantees a pointer to one float.
        unsafe { *to = v }
    }
    #[inline(always)]
    unsafe fn add(a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    unsafe fn sub(a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    unsafe fn mul(a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    unsafe fn div(a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    unsafe fn sqrt(a: f32) -> f32 {
        a.sqrt()
    }
    #[inline(always)]
    unsafe fn fma(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    unsafe fn relu(a: f32) -> f32 {
        if a < 0.0 { 0.0 } else { a }
    }
    #[inline(always)]
    unsafe fn where_positive(a: f32, gate: f32) -> f32 {
        if gate > 0.0 { a } else { 0.0 }
    }
    #[inline(always)]
    unsafe fn sum(a: f32) -> f32 {
        a
    }
    #[inline(always)]
    unsafe fn splat_index(position: u8) -> u8 {
        position
    }
    #[inline(always)]
    unsafe fn argmax(best: &mut f32, index: &mut u8, candidate: f32, position: u8) {
        if candidate > *best {
            *best = candidate;
            *index = position;
        }
    }
    #[inline(always)]
    unsafe fn index_unless_positive(index: u8, value: f32, position: u8) -> u8 {
        if value > 0.0 { index } else { position }
    }
    #[inline(always)]
    unsafe fn where_index(value: f32, index: u8, position: u8) -> f32 {
        if index == position { value } else { 0.0 }
    }
    #[inline(always)]
    unsafe fn load_index(from: *const u8) -> u8 {
        // SAFETY: the caller guarantees a pointer to one byte.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: u8) {
        // SAFETY: the caller guarantees a pointer to one byte.
        unsafe { *to = index }
    }
    #[inline(always)]
    unsafe fn lookup4(table: *const f32, index: u8) -> f32 {
        // SAFETY: the caller guarantees a pointer to 4 floats, and the index is modulo 4.
        unsafe { *table.add(usize::from(index & 3)) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(to: *mut f32, rows: [f32; 4]) {
        // SAFETY: the caller guarantees a pointer to 4 floats.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(rows) }
    }
    #[inline(always)]
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32 {
        // SAFETY: the caller guarantees a pointer to 32 bytes.
        unsafe { equal_mask32_plain(from, value) }
    }
}
