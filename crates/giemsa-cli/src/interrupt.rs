//! Ctrl-C: the first one asks a command to stop after its current step, the second one ends the program at once.

use crate::print::print_note;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static INSTALL_HANDLER: Once = Once::new();

/// Returns whether the user has asked the program to stop, by Ctrl-C or SIGTERM.
///
/// The first call installs the signal handler. A command that has nothing to save never calls this function, and the
/// signal ends it at once. Other commands call it before their first step and after each.
pub fn interrupted() -> bool {
    INSTALL_HANDLER.call_once(|| {
        let installed = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(crate::exit::INTERRUPTED.into());
            }
        });
        if let Err(error) = installed {
            print_note(format_args!("warning: cannot handle Ctrl-C, it will end the program without saving: {error}"));
        }
    });
    INTERRUPTED.load(Ordering::Relaxed)
}
