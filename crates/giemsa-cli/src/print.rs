//! Printing for people: lines on standard output, notes on standard error.
//!
//! A stream that is closed or full never ends the program with a panic, as `println!` would. Names of files and messages of
//! other libraries may contain control characters, which are escaped.

use crate::Context;
use anyhow::Context as _;
use giemsa::output::{printable, printable_lines};
use std::fmt::Display;
use std::io::{self, Write};

/// Prints lines on standard output unless `--quiet` is given, with control characters escaped; a closed pipe does not stop
/// the work.
pub fn print_line(context: &Context, lines: &str) {
    if !context.quiet {
        let _ = writeln!(io::stdout(), "{}", printable_lines(lines));
    }
}

/// Prints results on standard output.
///
/// # Errors
/// If standard output is closed or full.
pub fn print_results(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    write(&mut out).and_then(|()| out.flush()).context("standard output")
}

/// Prints a warning or a note on standard error; if it is closed or full, the work goes on. Escape names of files in it
/// with [`escaped`].
pub fn print_note(note: impl Display) {
    let _ = writeln!(io::stderr(), "{note}");
}

/// Prints the path of an unreadable image or folder, and the reason, on standard error.
pub fn print_unreadable(error: impl Display) {
    print_note(format_args!("unreadable: {}", escaped(error)));
}

/// Returns a message or a path for text that people read, with control characters and line breaks escaped.
pub fn escaped(message: impl Display) -> String {
    String::from_utf8_lossy(&printable(message.to_string().as_bytes())).into_owned()
}
