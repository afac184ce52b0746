//! State that each process has of its own, also after a fork.

use std::sync::OnceLock;

/// A value that each process creates when it first needs it. A process that was forked creates its own, and never looks at
/// that of its parent: the threads that the parent's value relies on do not exist in the child, and a lock that one of them
/// held is never released there.
///
/// ```
/// use giemsa::process::PerProcess;
/// use std::sync::Mutex;
/// static CALLS: PerProcess<Mutex<u32>> = PerProcess::new(|| Mutex::new(0));
/// assert!(std::ptr::eq(CALLS.get(), CALLS.get()));
/// ```
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    create: fn() -> T,
    first: Link<T>,
}

/// The end of the list, or its next node.
type Link<T> = OnceLock<Box<Node<T>>>;

/// The value of one process. The values of its parents come before it; they cannot be dropped safely, and are few.
#[derive(Debug)]
struct Node<T: 'static> {
    process: u32,
    value: T,
    next: Link<T>,
}

impl<T> PerProcess<T> {
    /// Creates a variable; `create` is called once per process, or by several threads that race for it.
    pub const fn new(create: fn() -> T) -> PerProcess<T> {
        PerProcess { create, first: OnceLock::new() }
    }

    /// Returns the value of this process.
    pub fn get(&'static self) -> &'static T {
        self.of_process(std::process::id())
    }

    fn of_process(&'static self, process: u32) -> &'static T {
        let mut end = &self.first;
        let mut last = None;
        loop {
            while let Some(node) = end.get() {
                (last, end) = (Some(node), &node.next);
            }
            if let Some(node) = last.filter(|node| node.process == process) {
                return &node.value;
            }
            // If another thread was faster, its node is found in the next round.
            let node = Node { process, value: (self.create)(), next: OnceLock::new() };
            let _ = end.set(Box::new(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    static CREATED: AtomicU32 = AtomicU32::new(0);
    static NUMBER: PerProcess<u32> = PerProcess::new(|| CREATED.fetch_add(1, Ordering::SeqCst));

    #[test]
    fn each_process_has_a_value_of_its_own() {
        assert_eq!([10, 10, 20, 20, 30].map(|process| *NUMBER.of_process(process)), [0, 0, 1, 1, 2]);
    }

    static SHARED: PerProcess<Box<u32>> = PerProcess::new(|| Box::new(7));

    #[test]
    fn threads_share_the_value() {
        let address = || std::ptr::from_ref(SHARED.get()) as usize;
        let addresses: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(address)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(addresses.iter().all(|&other| other == address()));
    }
}
