//! Memory for decoding, which all threads share: a thread waits before it decodes a large image until other threads have
//! finished theirs. Small images never wait.

use super::limits::MAX_MEMORY_BYTES;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// An image that needs at most this much is not counted, so that threads which decode small images share no lock.
const UNCOUNTED_BYTES: u64 = 1 << 20;

static MEMORY: Memory = Memory::new(MAX_MEMORY_BYTES);

/// Waits until this much memory is free, and reserves it until the reservation is dropped.
///
/// A thread must not hold two reservations, nor wait for another thread while it holds one: both threads could wait for
/// ever.
pub(super) fn reserve(bytes: u64) -> Reservation<'static> {
    MEMORY.reserve(bytes)
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
    const fn new(limit_bytes: u64) -> Memory {
        Memory { limit_bytes, reserved_bytes: Mutex::new(0), freed: Condvar::new() }
    }

    fn reserve(&self, bytes: u64) -> Reservation<'_> {
        if bytes <= UNCOUNTED_BYTES {
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
