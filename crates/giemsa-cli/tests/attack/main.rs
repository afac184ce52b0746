//! Attacks on the program and the library: broken images, models and recipes, kills, and full disks.
//!
//! `cargo test` runs a short version. `make attack` sets `GIEMSA_ATTACK=full`, which takes up to ten minutes, and prints the
//! table of `docs/security.md`. The seeds are fixed, so the same files are tried each time; only the moments of the kills
//! depend on the speed of the machine.

// Attacks fail by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // The other tests of the program use all of it.
#[path = "../it/cells.rs"]
mod cells;
mod disk;
mod formats;
mod images;
mod kills;
mod models;
mod mutation;
mod recipes;
mod table;
mod training;

use std::process::ExitCode;
use table::Row;

/// How many inputs an attack tries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Seconds, in `cargo test`.
    Short,
    /// Minutes, in `make attack`.
    Full,
}

impl Size {
    /// Returns the number of inputs.
    pub fn of(self, short: usize, full: usize) -> usize {
        match self {
            Size::Short => short,
            Size::Full => full,
        }
    }
}

type Attack = fn(Size) -> Vec<Row>;

/// The attacks by name.
const ATTACKS: [(&str, Attack); 6] = [
    ("images", images::attack),
    ("models", models::attack),
    ("formats", formats::attack),
    ("recipes", recipes::attack),
    ("kills", kills::attack),
    ("disk", disk::attack),
];

/// Runs the attacks whose names contain an argument, or all without arguments, and prints a table of the results.
fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    // `cargo test -- --ignored` and `--list` ask for other tests than these.
    if options.iter().any(|option| option == "--ignored" || option == "--list") {
        return ExitCode::SUCCESS;
    }
    let size = if std::env::var("GIEMSA_ATTACK").is_ok_and(|size| size == "full") { Size::Full } else { Size::Short };
    table::hide_counted_panics();
    let chosen = ATTACKS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part)));
    let rows: Vec<Row> = chosen.flat_map(|(_, attack)| attack(size)).collect();
    print!("{}", table::format(&rows));
    let failed = rows.iter().filter(|row| !row.faults.is_empty()).count();
    println!("\n{} passed, {failed} failed", rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
