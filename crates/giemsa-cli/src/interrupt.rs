//! Ctrl-C: the first asks a command to finish its step, the second ends the program at once.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static WATCH: Once = Once::new();

/// Whether the user has asked the program to stop (Ctrl-C, or a polite kill).
///
/// The first call starts watching. A command that never asks is ended by the signal itself, as it has nothing to save;
/// one that does asks before its first step and after each.
pub fn interrupted() -> bool {
    WATCH.call_once(|| {
        let watching = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(crate::exit::INTERRUPTED.into());
            }
        });
        if let Err(error) = watching {
            eprintln!("warning: Ctrl-C will end the program without saving: {error}");
        }
    });
    INTERRUPTED.load(Ordering::Relaxed)
}
