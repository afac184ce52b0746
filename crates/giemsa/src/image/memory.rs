//! Memory for decoding, which all threads share: a thread waits before it decodes a large image until other threads have
//! finished theirs. Small images never wait.
//!
//! Freed memory counts too, if it does not go back to the system. The allocator of glibc keeps what a thread frees for that
//! thread, in allocations of up to 32 MiB. So the buffers of large images are larger than that; and a decoder that
//! allocates large buffers itself runs on one thread at a time, whose memory the next such thread takes over.

use super::boundary;
use super::error::Fault;
use super::limits::MAX_MEMORY_BYTES;
use crate::process::PerProcess;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// An image that needs at most this much is not counted, so that threads which decode small images share no lock.
const UNCOUNTED_BYTES: u64 = 1 << 20;

/// What the threads of a parent process had reserved when it forked is not freed in the child.
static MEMORY: PerProcess<Memory> = PerProcess::new(|| Memory::new(MAX_MEMORY_BYTES));

/// Returns whether an image that needs this much memory is counted.
pub(super) fn is_large(bytes: u64) -> bool {
    bytes > UNCOUNTED_BYTES
}

/// Waits until this much memory is free, and reserves it until the reservation is dropped.
///
/// A thread must not hold two reservations, nor wait for another thread while it holds one: both threads could wait for
/// ever.
pub(super) fn reserve(bytes: u64) -> Reservation<'static> {
    MEMORY.get().reserve(bytes)
}

/// The smallest capacity of the buffer of a large image. Only the part that is used occupies memory.
const LARGE_CAPACITY: usize = 33 << 20;

/// Returns the capacity for a buffer of this length.
pub(super) fn capacity(bytes: usize) -> usize {
    if is_large(bytes as u64) { bytes.max(LARGE_CAPACITY) } else { bytes }
}

/// Returns a buffer of zeros.
pub(super) fn zeros(bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; capacity(bytes)];
    buffer.truncate(bytes);
    buffer
}

/// Shortens a buffer, and frees what is then unused.
pub(super) fn shorten(buffer: &mut Vec<u8>, bytes: usize) {
    let shrink = buffer.len() > bytes;
    buffer.truncate(bytes);
    if shrink {
        buffer.shrink_to(capacity(bytes));
    }
}

/// Runs a decoder on a thread of its own, after every other decoder that was passed to this function has returned.
pub(super) fn run_alone<T: Send>(decode: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    static ALONE: PerProcess<Mutex<()>> = PerProcess::new(Mutex::default);
    let _alone = ALONE.get().lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || boundary::catch(decode));
        let joined = thread.map_err(|error| Fault::Panicked { message: error.to_string() })?.join();
        joined.unwrap_or_else(|payload| Err(boundary::panicked(payload.as_ref())))
    })
}

struct Memory {
    limit_bytes: u64,
    reserved_bytes: Mutex<u64>,
    freed: Condvar,
}

pub(super) struct Reservation<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Memory {
    fn new(limit_bytes: u64) -> Memory {
        Memory { limit_bytes, reserved_bytes: Mutex::new(0), freed: Condvar::new() }
    }

    fn reserve(&self, bytes: u64) -> Reservation<'_> {
        if !is_large(bytes) {
            return Reservation { memory: self, bytes: 0 };
        }
        // More than the limit is never free.
        let bytes = bytes.min(self.limit_bytes);
        let too_little_is_free = |reserved: &mut u64| *reserved + bytes > self.limit_bytes;
        let waited = self.freed.wait_while(self.lock(), too_little_is_free);
        *waited.unwrap_or_else(PoisonError::into_inner) += bytes;
        Reservation { memory: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.reserved_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.memory.lock() -= self.bytes;
            self.memory.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn never_reserves_more_than_the_limit_over_all_threads() {
        let memory = Memory::new(100 * MB);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let memory = &memory;
                scope.spawn(move || {
                    for i in 0..200 {
                        let bytes = (2 + (thread * 31 + i * 17) % 70) * MB;
                        let _reservation = memory.reserve(bytes);
                        let reserved = *memory.lock();
                        assert!((bytes..=100 * MB).contains(&reserved), "{reserved}");
                        std::thread::yield_now();
                    }
                });
            }
        });
        assert_eq!(*memory.lock(), 0);
    }

    #[test]
    fn runs_decoders_alone_and_returns_their_panics() {
        let running = std::sync::atomic::AtomicUsize::new(0);
        let count = |change: fn(usize) -> usize| {
            let (before, set) = (std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst);
            running.fetch_update(set, before, |n| Some(change(n))).unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let result = run_alone(|| {
                        assert_eq!(count(|n| n + 1), 0);
                        std::thread::yield_now();
                        assert!(boundary::is_decoding());
                        Ok(count(|n| n - 1))
                    });
                    assert_eq!(result.unwrap(), 1);
                });
            }
        });
        let result = run_alone::<()>(|| panic!("no table"));
        assert!(matches!(result, Err(Fault::Panicked { message }) if message == "no table"));
    }

    #[test]
    fn buffers_of_large_images_have_a_large_capacity() {
        let mut buffer = zeros(2_000_000);
        assert!(buffer.len() == 2_000_000 && buffer.capacity() >= LARGE_CAPACITY);
        shorten(&mut buffer, 1_500_000);
        assert!(buffer.len() == 1_500_000 && buffer.capacity() >= LARGE_CAPACITY);
        shorten(&mut buffer, 1000);
        assert!(buffer.len() == 1000 && buffer.capacity() < 2000);
        assert_eq!(zeros(1000).capacity(), 1000);
    }

    #[test]
    fn does_not_count_small_images_and_never_waits_for_more_than_the_limit() {
        let memory = Memory::new(100 * MB);
        let all = memory.reserve(1000 * MB);
        assert_eq!((all.bytes, *memory.lock()), (100 * MB, 100 * MB));
        let small = memory.reserve(UNCOUNTED_BYTES);
        assert_eq!((small.bytes, *memory.lock()), (0, 100 * MB));
        drop((small, all));
        assert_eq!(*memory.lock(), 0);
    }
}
